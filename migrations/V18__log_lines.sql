-- The last [REQ], [PAYPAL] and [ALIEXPRESS] lines: what was asked and what came of it. No body, no secret, no address.
CREATE TABLE log_lines (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    source     TEXT NOT NULL CHECK (source IN ('REQ', 'PAYPAL', 'ALIEXPRESS')),
    operation  TEXT NOT NULL CHECK (length(operation) BETWEEN 1 AND 240),
    -- NULL: no answer came.
    status     INTEGER,
    issue      TEXT,
    debug_id   TEXT,
    request_id TEXT,
    took_ms    INTEGER NOT NULL CHECK (took_ms >= 0)
) STRICT;
