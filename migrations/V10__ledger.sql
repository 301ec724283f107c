-- The books. A posting moves a positive amount from one account to another; nothing here is ever changed.
CREATE TABLE accounts (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (name <> '')
) STRICT;

CREATE TABLE entries (
    id        INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL CHECK (kind <> ''),
    -- The outside id of what happened: with its kind, an event is booked once.
    ref       TEXT NOT NULL CHECK (ref <> ''),
    order_id  TEXT REFERENCES orders (id),
    booked_at INTEGER NOT NULL,
    UNIQUE (kind, ref)
) STRICT;

CREATE INDEX entries_of_order ON entries (order_id);

CREATE TABLE postings (
    entry_id     INTEGER NOT NULL REFERENCES entries (id),
    seq          INTEGER NOT NULL,
    debit        INTEGER NOT NULL REFERENCES accounts (id),
    credit       INTEGER NOT NULL REFERENCES accounts (id),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    PRIMARY KEY (entry_id, seq),
    CHECK (debit <> credit)
) STRICT, WITHOUT ROWID;

-- The sums of the postings, kept by the trigger below and by nothing else; a check adds them up again.
CREATE TABLE balances (
    account  INTEGER NOT NULL REFERENCES accounts (id),
    currency TEXT NOT NULL,
    -- Debits less credits.
    minor    INTEGER NOT NULL,
    PRIMARY KEY (account, currency)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER postings_add_up AFTER INSERT ON postings
BEGIN
    INSERT INTO balances (account, currency, minor) VALUES (NEW.debit, NEW.currency, NEW.amount_minor)
        ON CONFLICT (account, currency) DO UPDATE SET minor = minor + NEW.amount_minor;
    INSERT INTO balances (account, currency, minor) VALUES (NEW.credit, NEW.currency, -NEW.amount_minor)
        ON CONFLICT (account, currency) DO UPDATE SET minor = minor - NEW.amount_minor;
END;

CREATE TRIGGER entries_never_change BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entries never change; a mistake is reversed'); END;
CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
CREATE TRIGGER postings_never_change BEFORE UPDATE ON postings
BEGIN SELECT RAISE(ABORT, 'postings never change'); END;
CREATE TRIGGER postings_are_never_deleted BEFORE DELETE ON postings
BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
