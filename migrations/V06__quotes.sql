-- What the supplier asked, each time we asked; and what a human said to it.
CREATE TABLE quotes (
    order_id      TEXT NOT NULL REFERENCES orders (id),
    seq           INTEGER NOT NULL,
    quoted_at     INTEGER NOT NULL,
    -- An offer or the reason why there was none.
    failure       TEXT,
    retry_at      INTEGER,
    hash          TEXT,
    currency      TEXT,
    items_minor   INTEGER CHECK (items_minor >= 0),
    freight_minor INTEGER CHECK (freight_minor >= 0),
    tax_minor     INTEGER CHECK (tax_minor >= 0),
    PRIMARY KEY (order_id, seq),
    CHECK ((failure IS NULL) = (retry_at IS NULL)),
    CHECK ((failure IS NULL) = (hash IS NOT NULL AND currency IS NOT NULL AND items_minor IS NOT NULL
           AND freight_minor IS NOT NULL AND tax_minor IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE quote_lines (
    order_id         TEXT NOT NULL,
    seq              INTEGER NOT NULL,
    line             INTEGER NOT NULL,
    unit_price_minor INTEGER NOT NULL CHECK (unit_price_minor >= 0),
    stock            INTEGER CHECK (stock >= 0),
    buy_limit        INTEGER CHECK (buy_limit >= 0),
    is_on_sale       INTEGER NOT NULL CHECK (is_on_sale IN (0, 1)),
    service          TEXT,
    PRIMARY KEY (order_id, seq, line),
    FOREIGN KEY (order_id, seq) REFERENCES quotes (order_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE approvals (
    seq        INTEGER PRIMARY KEY,
    order_id   TEXT NOT NULL REFERENCES orders (id),
    quote_hash TEXT,
    -- Names of the guards overridden, separated by spaces.
    overrides  TEXT NOT NULL,
    reason     TEXT,
    expires_at INTEGER,
    given_at   INTEGER NOT NULL,
    given_by   TEXT NOT NULL CHECK (given_by <> '')
) STRICT;

CREATE INDEX approvals_of_order ON approvals (order_id);
