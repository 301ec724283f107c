-- The caps of a day are added up before every step that may move money: from the index alone, the rows are not touched.
DROP INDEX claims_by_day;
CREATE INDEX claims_by_day ON claims (slot, claimed_at, state, currency, amount_minor) WHERE state <> 'void';
-- Refunds asked for and not done with are few; those of all time are not.
CREATE INDEX refund_orders_standing ON refund_orders (currency, order_id, number, amount_minor) WHERE withdrawn_at IS NULL;
-- Open orders are few, those of all time are not.
CREATE INDEX orders_open ON orders (created_at) WHERE closed_at IS NULL;
