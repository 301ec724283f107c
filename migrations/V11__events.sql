-- The timeline of every order: append-only, each row bound to the one before it. No personal data.
CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    order_id TEXT REFERENCES orders (id),
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL CHECK (kind <> ''),
    -- What was seen, in words, numbers and outside ids.
    detail   TEXT NOT NULL,
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX events_of_order ON events (order_id);

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events never change'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
