-- Slow work that somebody asked for, and what came of it. A rehearsal leaves no row here: it leaves the live database as
-- it was.
CREATE TABLE errands (
    id         TEXT PRIMARY KEY CHECK (length(id) = 16),
    kind       TEXT NOT NULL CHECK (kind IN ('test_post_sale_flow', 'test_fulfillment_only', 'readiness_report',
                                             'deep_check')),
    asked_by   TEXT NOT NULL CHECK (asked_by <> ''),
    -- The order a test flow sends down the road; it goes on whatever becomes of this row.
    order_id   TEXT REFERENCES orders (id),
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    -- Of the answer, as HTTP has it. NULL with an end: the program ended in the middle of it.
    status     INTEGER CHECK (status BETWEEN 200 AND 599),
    answer     TEXT CHECK (json_valid(answer)),
    CHECK ((status IS NULL) = (answer IS NULL)),
    CHECK (status IS NULL OR ended_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX errands_started ON errands (started_at);

CREATE TRIGGER errands_end_once BEFORE UPDATE ON errands WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an errand that has ended never changes'); END;
