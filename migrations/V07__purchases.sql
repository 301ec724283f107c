-- Our buying from the supplier: what was approved, with every guard and what it saw, and what became of it.
CREATE TABLE purchases (
    key           TEXT PRIMARY KEY REFERENCES claims (key),
    ceiling_minor INTEGER NOT NULL CHECK (ceiling_minor > 0),
    currency      TEXT NOT NULL,
    quote_hash    TEXT NOT NULL,
    is_auto_pay   INTEGER NOT NULL CHECK (is_auto_pay IN (0, 1)),
    placed_at     INTEGER,
    note          TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE guard_readings (
    key     TEXT NOT NULL REFERENCES claims (key),
    guard   TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('yes', 'overridden')),
    saw     TEXT NOT NULL,
    PRIMARY KEY (key, guard)
) STRICT, WITHOUT ROWID;

CREATE TABLE supplier_orders (
    -- The supplier's own id: digits, and never a made-up word (L15).
    id              TEXT PRIMARY KEY CHECK (length(id) BETWEEN 6 AND 32 AND id NOT GLOB '*[^0-9]*'),
    key             TEXT NOT NULL REFERENCES claims (key),
    state           TEXT NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'paid', 'dead')),
    placed_at       INTEGER NOT NULL,
    total_minor     INTEGER CHECK (total_minor > 0),
    currency        TEXT,
    status          TEXT,
    asked_at        INTEGER,
    pay_by_at       INTEGER,
    paid_at         INTEGER,
    closed_seen_at  INTEGER,
    tracking_number TEXT,
    carrier         TEXT,
    shipped_at      INTEGER,
    delivered_at    INTEGER,
    CHECK ((total_minor IS NULL) = (currency IS NULL)),
    -- Paid is a fact with a time and an amount (L26).
    CHECK (state <> 'paid' OR (paid_at IS NOT NULL AND total_minor IS NOT NULL)),
    CHECK (state <> 'dead' OR paid_at IS NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX supplier_orders_of_purchase ON supplier_orders (key);

-- Only proof leaves pending, and nothing returns to it. A purchase that was placed becomes void only when every
-- supplier order of it is dead, unpaid.
CREATE TRIGGER claims_move_forward BEFORE UPDATE OF state ON claims
WHEN OLD.state <> NEW.state AND NOT (
    OLD.state = 'pending'
    OR (OLD.state = 'done' AND NEW.state = 'void' AND OLD.slot = 'purchase'
        AND EXISTS (SELECT 1 FROM supplier_orders WHERE key = OLD.key)
        AND NOT EXISTS (SELECT 1 FROM supplier_orders WHERE key = OLD.key AND state <> 'dead')))
BEGIN SELECT RAISE(ABORT, 'a claim moves only from pending to done or void'); END;
