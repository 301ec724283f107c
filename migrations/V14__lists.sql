-- What the API lists, newest or oldest first, without reading the whole table.
DROP INDEX orders_open_stage;
CREATE INDEX orders_by_stage ON orders (stage, created_at);
CREATE INDEX sales_recorded ON sales (recorded_at);
CREATE INDEX claims_of_payouts ON claims (claimed_at) WHERE slot IN ('payout:platform', 'payout:seller');
