-- What customers bought. `stage` and `next_look_at` are caches, written with every fact by the one pure function.
CREATE TABLE orders (
    id               TEXT PRIMARY KEY CHECK (length(id) = 16),
    mode             TEXT NOT NULL CHECK (mode IN ('sandbox', 'production')),
    origin           TEXT NOT NULL CHECK (origin IN ('checkout', 'channel', 'test', 'purchase_only')),
    channel          TEXT NOT NULL CHECK (channel <> ''),
    channel_order_id TEXT NOT NULL CHECK (channel_order_id <> ''),
    -- Of everything the intake said, so that the same id with other content is noticed.
    content_hash     TEXT NOT NULL,
    currency         TEXT NOT NULL CHECK (length(currency) = 3),
    total_minor      INTEGER NOT NULL CHECK (total_minor > 0),
    tax_minor        INTEGER CHECK (tax_minor >= 0 AND tax_minor < total_minor),
    tax_remitted_by  TEXT CHECK (tax_remitted_by IN ('seller', 'channel')),
    channel_fee_minor INTEGER CHECK (channel_fee_minor >= 0),
    funds            TEXT NOT NULL CHECK (funds IN ('capture', 'settled', 'held_by_channel', 'owner')),
    -- The outside capture a channel's order was paid by; one capture pays one order (MONEY A13).
    outside_capture  TEXT UNIQUE CHECK (outside_capture <> ''),
    paid_at          INTEGER,
    created_at       INTEGER NOT NULL,
    cancelled_at     INTEGER,
    closed_at        INTEGER,
    tracked_at       INTEGER,
    stage            TEXT NOT NULL CHECK (stage IN ('refunded', 'cancelled', 'held', 'closed', 'awaiting_payment',
                     'paid', 'buying', 'awaiting_supplier_payment', 'bought', 'sold', 'paying_out', 'paid_out')),
    -- What the order waits for, in words.
    waits_for        TEXT NOT NULL DEFAULT '',
    -- NULL: not before a new fact comes in.
    next_look_at     INTEGER,
    UNIQUE (channel, channel_order_id),
    CHECK ((origin = 'checkout') = (funds = 'capture')),
    CHECK ((origin IN ('test', 'purchase_only')) = (funds = 'owner'))
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_due ON orders (next_look_at) WHERE closed_at IS NULL AND next_look_at IS NOT NULL;
CREATE INDEX orders_created ON orders (created_at);
CREATE INDEX orders_open_stage ON orders (stage, created_at) WHERE closed_at IS NULL;

-- A rehearsal's row cannot become a real one (L5).
CREATE TRIGGER orders_have_the_mode_of_the_database BEFORE INSERT ON orders
WHEN NEW.mode IS NOT (SELECT value FROM meta WHERE name = 'mode')
BEGIN SELECT RAISE(ABORT, 'the order is of another mode than the database'); END;

CREATE TRIGGER orders_keep_their_identity BEFORE UPDATE ON orders
WHEN NEW.id IS NOT OLD.id OR NEW.mode IS NOT OLD.mode OR NEW.origin IS NOT OLD.origin
  OR NEW.channel IS NOT OLD.channel OR NEW.channel_order_id IS NOT OLD.channel_order_id
  OR NEW.currency IS NOT OLD.currency OR NEW.total_minor IS NOT OLD.total_minor
BEGIN SELECT RAISE(ABORT, 'identity, mode, origin and total of an order never change'); END;

CREATE TABLE order_lines (
    order_id              TEXT NOT NULL REFERENCES orders (id),
    line                  INTEGER NOT NULL CHECK (line > 0),
    sku                   TEXT NOT NULL REFERENCES products (sku),
    quantity              INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
    unit_price_minor      INTEGER NOT NULL CHECK (unit_price_minor > 0),
    -- The variant approved with the product when the order came in; a later change of the product does not reach it.
    supplier_product_id   TEXT NOT NULL,
    sku_attr              TEXT NOT NULL,
    sku_id                TEXT NOT NULL,
    shipping_service      TEXT,
    landed_cost_max_minor INTEGER,
    PRIMARY KEY (order_id, line)
) STRICT, WITHOUT ROWID;

-- Personal data stand here and nowhere else, so that they can be erased.
CREATE TABLE buyers (
    order_id    TEXT PRIMARY KEY REFERENCES orders (id),
    source      TEXT NOT NULL CHECK (source IN ('client', 'paypal', 'channel', 'operator')),
    -- Of buyer and address together, for finding the same buyer again after nothing else is left.
    fingerprint TEXT NOT NULL,
    name        TEXT, email TEXT, phone TEXT,
    line1       TEXT, line2 TEXT, city TEXT, province TEXT, postal_code TEXT, country TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX buyers_alike ON buyers (fingerprint);
