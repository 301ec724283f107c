-- The intent to ask a far side for something, committed before the call. This table carries "exactly once".
CREATE TABLE claims (
    -- The idempotency key the far side sees; derived from the outside identity.
    key           TEXT PRIMARY KEY CHECK (length(key) >= 18),
    order_id      TEXT NOT NULL REFERENCES orders (id),
    slot          TEXT NOT NULL CHECK (slot IN ('checkout', 'capture', 'purchase', 'payout:platform', 'payout:seller')
                  OR slot GLOB 'refund:[1-9]*'),
    attempt       INTEGER NOT NULL CHECK (attempt > 0),
    state         TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'void')),
    amount_minor  INTEGER NOT NULL CHECK (amount_minor > 0),
    currency      TEXT NOT NULL CHECK (length(currency) = 3),
    request_hash  TEXT NOT NULL CHECK (length(request_hash) = 64),
    sends         INTEGER NOT NULL DEFAULT 0 CHECK (sends >= 0),
    claimed_at    INTEGER NOT NULL,
    sent_at       INTEGER,
    -- Set before every send; taken back only when that send and every earlier one certainly did nothing.
    unknown_at    INTEGER,
    not_before_at INTEGER,
    -- Sequence of its line in the intent journal; NULL = the line was never written soundly.
    journal_seq   INTEGER,
    -- The far side's word for its last refusal.
    refusal       TEXT,
    settled_at    INTEGER,
    UNIQUE (order_id, slot, attempt),
    CHECK ((state = 'pending') = (settled_at IS NULL)),
    -- Without a sound journal line nothing is ever proven void (MONEY A9).
    CHECK (state <> 'void' OR journal_seq IS NOT NULL OR slot = 'checkout')
) STRICT, WITHOUT ROWID;

-- At most one live claim of a slot, even when the code is wrong (L24).
CREATE UNIQUE INDEX claims_one_live ON claims (order_id, slot) WHERE state <> 'void';
CREATE INDEX claims_pending ON claims (slot) WHERE state = 'pending';
CREATE INDEX claims_by_day ON claims (slot, claimed_at) WHERE state <> 'void';

CREATE TRIGGER claims_keep_what_was_asked BEFORE UPDATE ON claims
WHEN NEW.key IS NOT OLD.key OR NEW.order_id IS NOT OLD.order_id OR NEW.slot IS NOT OLD.slot
  OR NEW.attempt IS NOT OLD.attempt OR NEW.amount_minor IS NOT OLD.amount_minor
  OR NEW.currency IS NOT OLD.currency OR NEW.request_hash IS NOT OLD.request_hash
BEGIN SELECT RAISE(ABORT, 'what a claim asked for never changes'); END;

CREATE TRIGGER claims_are_never_deleted BEFORE DELETE ON claims
BEGIN SELECT RAISE(ABORT, 'claims are never deleted'); END;

-- The exact bytes that were and will be sent. They hold personal data, so they stand apart and may be emptied.
CREATE TABLE requests (
    key   TEXT PRIMARY KEY REFERENCES claims (key),
    bytes BLOB
) STRICT, WITHOUT ROWID;
