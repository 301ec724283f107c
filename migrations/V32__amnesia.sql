-- After the database or the machine went back in time: what is in doubt, and what the intent journal remembers of orders
-- that this database does not know.
CREATE TABLE doubts (
    order_id   TEXT PRIMARY KEY REFERENCES orders (id),
    -- journal: goes by itself when the right journal is put back. rebuilt: the journal knew more. machine: another one.
    -- off: the last sign of life is old.
    cause      TEXT NOT NULL CHECK (cause IN ('journal', 'rebuilt', 'machine', 'off')),
    -- What was seen, in words and numbers; no personal data.
    why        TEXT NOT NULL CHECK (why <> ''),
    since      INTEGER NOT NULL,
    cleared_at INTEGER,
    cleared_by TEXT,
    CHECK ((cleared_at IS NULL) = (cleared_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX doubts_standing ON doubts (cause) WHERE cleared_at IS NULL;

-- Lines of the journal whose order is not here, or that contradict what is here.
CREATE TABLE forgotten (
    seq          INTEGER PRIMARY KEY,
    order_id     TEXT NOT NULL,
    -- The claim's key and request hash; NULL for a person's word.
    key          TEXT,
    request_hash TEXT,
    slot         TEXT,
    amount_minor INTEGER,
    currency     TEXT,
    -- As it stands in the journal; the request in it is sealed.
    line         TEXT NOT NULL,
    said_at      INTEGER NOT NULL,
    -- Somebody has looked, or the order came in again and the line was made good.
    seen_at      INTEGER,
    seen_by      TEXT,
    CHECK ((seen_at IS NULL) = (seen_by IS NULL)),
    CHECK ((amount_minor IS NULL) = (currency IS NULL))
) STRICT;

CREATE INDEX forgotten_of_order ON forgotten (order_id);
CREATE INDEX forgotten_by_key ON forgotten (key) WHERE key IS NOT NULL;

CREATE TRIGGER forgotten_is_never_deleted BEFORE DELETE ON forgotten
BEGIN SELECT RAISE(ABORT, 'what the journal remembers is never deleted'); END;

-- An order that comes in may be one that was here before, bought and forgotten.
CREATE TRIGGER orders_may_have_been_here_before AFTER INSERT ON orders
WHEN EXISTS (SELECT 1 FROM meta WHERE name = 'restored')
  OR EXISTS (SELECT 1 FROM forgotten WHERE order_id = NEW.id)
  OR NEW.paid_at < (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'paid_before')
  OR NEW.paid_at < (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'off_until')
BEGIN
    INSERT INTO doubts (order_id, cause, why, since)
    SELECT NEW.id, cause, why, NEW.created_at FROM (
        SELECT 1 AS rank, 'rebuilt' AS cause,
               'the intent journal knows this order from before: '
                   || group_concat(coalesce(slot, 'what a person said'), ', ') AS why
        FROM forgotten WHERE order_id = NEW.id HAVING count(*) > 0
        UNION ALL
        SELECT 2, coalesce((SELECT value FROM meta WHERE name = 'restored_cause'), 'rebuilt'), value
        FROM meta WHERE name = 'restored'
        UNION ALL
        SELECT 3, 'rebuilt', 'paid before this shop was released; it may have been here before'
        FROM meta WHERE name = 'paid_before' AND NEW.paid_at < CAST(value AS INTEGER)
        UNION ALL
        SELECT 4, 'off', 'paid while the shop gave no sign of life; it may have been here before'
        FROM meta WHERE name = 'off_until' AND NEW.paid_at < CAST(value AS INTEGER)
    ) ORDER BY rank LIMIT 1;
END;
