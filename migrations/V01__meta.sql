-- What this database is. One database has one mode and one shop for ever.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER meta_is_fixed BEFORE UPDATE ON meta
WHEN OLD.name IN ('mode', 'shop', 'instance') AND NEW.value <> OLD.value
BEGIN SELECT RAISE(ABORT, 'mode, shop and instance of a database never change'); END;

CREATE TRIGGER meta_mode_is_known BEFORE INSERT ON meta
WHEN NEW.name = 'mode' AND NEW.value NOT IN ('sandbox', 'production')
BEGIN SELECT RAISE(ABORT, 'unknown mode'); END;
