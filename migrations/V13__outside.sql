-- Outside events by their id: stored before they are acknowledged, each once.
CREATE TABLE inbox (
    provider    TEXT NOT NULL CHECK (provider <> ''),
    event_id    TEXT NOT NULL CHECK (event_id <> ''),
    kind        TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    body_hash   TEXT NOT NULL,
    done_at     INTEGER,
    PRIMARY KEY (provider, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox_bodies (
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    bytes    BLOB,
    PRIMARY KEY (provider, event_id),
    FOREIGN KEY (provider, event_id) REFERENCES inbox (provider, event_id)
) STRICT, WITHOUT ROWID;

-- Logins at the providers. Left out of evidence, exports and logs.
CREATE TABLE tokens (
    provider           TEXT PRIMARY KEY CHECK (provider <> ''),
    account            TEXT,
    access_token       TEXT NOT NULL,
    refresh_token      TEXT,
    access_expires_at  INTEGER NOT NULL,
    refresh_expires_at INTEGER,
    stored_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs are rows with last run, result and lag (L38).
CREATE TABLE jobs (
    name        TEXT PRIMARY KEY CHECK (name <> ''),
    due_at      INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    result      TEXT,
    is_ok       INTEGER CHECK (is_ok IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Answers to requests that carried an Idempotency-Key.
CREATE TABLE idempotency (
    key         TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    route       TEXT NOT NULL,
    body_hash   TEXT NOT NULL,
    order_id    TEXT REFERENCES orders (id),
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (key, route)
) STRICT, WITHOUT ROWID;
