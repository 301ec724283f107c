-- Holds by persons and after refusals; those of the guards are computed. An order has at most one that is not released.
CREATE TABLE holds (
    seq         INTEGER PRIMARY KEY,
    order_id    TEXT NOT NULL REFERENCES orders (id),
    code        TEXT NOT NULL CHECK (code <> ''),
    detail      TEXT NOT NULL,
    held_at     INTEGER NOT NULL,
    held_by     TEXT NOT NULL CHECK (held_by <> ''),
    released_at INTEGER,
    released_by TEXT,
    CHECK ((released_at IS NULL) = (released_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX holds_one_standing ON holds (order_id) WHERE released_at IS NULL;

-- The program failed with this order in hand: how often in a row, and at which step.
CREATE TABLE crashes (
    order_id TEXT PRIMARY KEY REFERENCES orders (id),
    step     TEXT NOT NULL,
    in_a_row INTEGER NOT NULL CHECK (in_a_row > 0)
) STRICT, WITHOUT ROWID;
