-- Whether PayPal's statement shows a payout under its key is asked before each one goes out.
CREATE INDEX feed_rows_by_custom ON feed_rows (custom) WHERE custom IS NOT NULL;
