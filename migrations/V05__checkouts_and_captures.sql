-- The buyer's side: our checkout at PayPal, and the money PayPal took.
CREATE TABLE checkouts (
    order_id        TEXT PRIMARY KEY REFERENCES orders (id),
    paypal_order_id TEXT UNIQUE CHECK (paypal_order_id <> ''),
    approve_url     TEXT,
    opened_at       INTEGER NOT NULL,
    asked_at        INTEGER,
    approved_at     INTEGER,
    returned_at     INTEGER,
    declined_at     INTEGER,
    decline_issue   TEXT,
    expired_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE captures (
    key          TEXT PRIMARY KEY REFERENCES claims (key),
    capture_id   TEXT NOT NULL UNIQUE CHECK (capture_id <> ''),
    is_completed INTEGER NOT NULL CHECK (is_completed IN (0, 1)),
    reason       TEXT,
    fee_minor    INTEGER CHECK (fee_minor >= 0),
    seen_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
