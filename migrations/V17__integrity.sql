-- What each integrity check found. The whole answer of older runs is emptied; score and verdict stay.
CREATE TABLE integrity_runs (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    build   TEXT NOT NULL,
    is_deep INTEGER NOT NULL CHECK (is_deep IN (0, 1)),
    -- NULL: not known (empty books, a check that could not run, a planted fault not caught).
    score   INTEGER CHECK (score BETWEEN 0 AND 100),
    verdict TEXT NOT NULL CHECK (verdict IN ('PROVEN', 'VIOLATED', 'NOT_PROVEN')),
    answer  TEXT
) STRICT;
