-- What the far sides themselves say moved, and where it differs from our books. Rows of a feed are kept as they were
-- told, without anybody's name, address or e-mail.
CREATE TABLE feeds (
    provider      TEXT PRIMARY KEY CHECK (provider IN ('paypal', 'aliexpress')),
    -- Nothing before it is ours to explain.
    since         INTEGER NOT NULL,
    -- Until when the far side's report is known here without a gap. NULL: it was never read.
    known_through INTEGER,
    asked_at      INTEGER,
    read_at       INTEGER,
    -- When its last 31 days were read.
    long_read_at  INTEGER,
    state         TEXT NOT NULL CHECK (state IN ('new', 'ok', 'no_permission', 'failing')),
    -- What went wrong, in the far side's word.
    detail        TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_rows (
    provider       TEXT NOT NULL REFERENCES feeds (provider),
    transaction_id TEXT NOT NULL CHECK (transaction_id <> ''),
    code           TEXT NOT NULL,
    initiated_at   INTEGER NOT NULL,
    -- 1: it is among the rows that moved the balance.
    is_moving      INTEGER NOT NULL CHECK (is_moving IN (0, 1)),
    -- Transaction ids are not unique: the nth row alike in everything before.
    nth            INTEGER NOT NULL CHECK (nth > 0),
    status         TEXT NOT NULL,
    updated_at     INTEGER,
    -- NULL: it could not be read.
    amount_minor   INTEGER,
    currency       TEXT CHECK (length(currency) = 3),
    fee_minor      INTEGER,
    reference      TEXT,
    invoice        TEXT,
    custom         TEXT,
    first_seen_at  INTEGER NOT NULL,
    last_seen_at   INTEGER NOT NULL,
    -- In the last reading of its time it was not there any more.
    gone_at        INTEGER,
    PRIMARY KEY (provider, transaction_id, code, initiated_at, is_moving, nth),
    CHECK ((amount_minor IS NULL) = (currency IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX feed_rows_by_time ON feed_rows (provider, initiated_at);

CREATE TABLE balance_readings (
    provider        TEXT NOT NULL,
    currency        TEXT NOT NULL CHECK (length(currency) = 3),
    -- The instant the amounts are of, by the far side.
    as_of           INTEGER NOT NULL,
    refreshed_at    INTEGER,
    total_minor     INTEGER NOT NULL,
    available_minor INTEGER NOT NULL,
    withheld_minor  INTEGER,
    read_at         INTEGER NOT NULL,
    PRIMARY KEY (provider, currency, as_of)
) STRICT, WITHOUT ROWID;

-- The supplier's word about each of our supplier orders, apart from what the road made of it.
CREATE TABLE supplier_looks (
    id          TEXT PRIMARY KEY REFERENCES supplier_orders (id),
    looked_at   INTEGER NOT NULL,
    status      TEXT NOT NULL,
    is_paid     INTEGER NOT NULL CHECK (is_paid IN (0, 1)),
    is_ended    INTEGER NOT NULL CHECK (is_ended IN (0, 1)),
    total_minor INTEGER,
    currency    TEXT CHECK (length(currency) = 3),
    CHECK ((total_minor IS NULL) = (currency IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE findings (
    id            INTEGER PRIMARY KEY,
    provider      TEXT NOT NULL CHECK (provider IN ('paypal', 'aliexpress')),
    kind          TEXT NOT NULL CHECK (kind <> ''),
    -- The far side's id, or our key.
    ref           TEXT NOT NULL CHECK (ref <> ''),
    order_id      TEXT REFERENCES orders (id),
    amount_minor  INTEGER,
    currency      TEXT CHECK (length(currency) = 3),
    -- Whether it contradicts a capture, refund, payout or purchase of ours.
    contradicts   INTEGER NOT NULL CHECK (contradicts IN (0, 1)),
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    resolved_at   INTEGER,
    detail        TEXT NOT NULL,
    CHECK ((amount_minor IS NULL) = (currency IS NULL))
) STRICT;

CREATE UNIQUE INDEX findings_one_open ON findings (provider, kind, ref) WHERE resolved_at IS NULL;

CREATE TRIGGER findings_stay BEFORE UPDATE ON findings
WHEN OLD.resolved_at IS NOT NULL OR NEW.kind IS NOT OLD.kind OR NEW.ref IS NOT OLD.ref
  OR NEW.provider IS NOT OLD.provider OR NEW.first_seen_at IS NOT OLD.first_seen_at
BEGIN SELECT RAISE(ABORT, 'a finding keeps what it is about, and a resolved one stays resolved'); END;
CREATE TRIGGER findings_are_never_deleted BEFORE DELETE ON findings
BEGIN SELECT RAISE(ABORT, 'findings are never deleted'); END;
