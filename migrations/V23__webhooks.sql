-- Which order an event from outside is about, and by which ids it was found. An event without an order waits: it may be
-- placed once we know more, and a human sees it meanwhile.
ALTER TABLE inbox ADD COLUMN order_id TEXT REFERENCES orders (id);
-- The outside ids the event names, parted by blanks. No personal data.
ALTER TABLE inbox ADD COLUMN names TEXT NOT NULL DEFAULT '';
ALTER TABLE inbox ADD COLUMN deliveries INTEGER NOT NULL DEFAULT 1 CHECK (deliveries > 0);

CREATE INDEX inbox_unplaced ON inbox (received_at) WHERE done_at IS NULL;
CREATE INDEX inbox_received ON inbox (received_at);

-- How often an order was told of, and how many of these tellings were looked into since.
ALTER TABLE orders ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
