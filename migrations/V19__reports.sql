-- Readiness reports as they were written. They are evidence of their moment and never change.
CREATE TABLE reports (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    build  TEXT NOT NULL,
    report TEXT NOT NULL
) STRICT;

CREATE TRIGGER reports_never_change BEFORE UPDATE ON reports
BEGIN SELECT RAISE(ABORT, 'a report never changes; write another one'); END;
