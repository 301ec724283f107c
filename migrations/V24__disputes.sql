-- Disputes, as PayPal showed them when it was asked last. A dispute that was only told of has no status yet and holds
-- its order all the same.
CREATE TABLE disputes (
    id           TEXT PRIMARY KEY CHECK (id <> ''),
    order_id     TEXT NOT NULL REFERENCES orders (id),
    capture_id   TEXT,
    told         INTEGER NOT NULL CHECK (told > 0),
    heard        INTEGER NOT NULL DEFAULT 0 CHECK (heard <= told),
    told_at      INTEGER NOT NULL,
    asked_at     INTEGER,
    status       TEXT,
    stage        TEXT,
    reason       TEXT,
    amount_minor INTEGER CHECK (amount_minor >= 0),
    currency     TEXT CHECK (length(currency) = 3),
    opened_at    INTEGER,
    updated_at   INTEGER,
    respond_by   INTEGER,
    outcome      TEXT,
    -- What of its movements stands among the chargebacks: everything taken and not given back, once it is lost.
    charged_minor INTEGER NOT NULL DEFAULT 0,
    charges      INTEGER NOT NULL DEFAULT 0,
    -- A person's word that a lost dispute was seen.
    accepted_at  INTEGER,
    accepted_by  TEXT,
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX disputes_of_order ON disputes (order_id);

-- Money that moved in our account because of a dispute; each is booked once, in the transaction that writes it here.
CREATE TABLE dispute_movements (
    dispute_id   TEXT NOT NULL REFERENCES disputes (id),
    n            INTEGER NOT NULL CHECK (n > 0),
    is_debit     INTEGER NOT NULL CHECK (is_debit IN (0, 1)),
    reason       TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    moved_at     INTEGER,
    PRIMARY KEY (dispute_id, n)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER dispute_movements_never_change BEFORE UPDATE ON dispute_movements
BEGIN SELECT RAISE(ABORT, 'what PayPal moved stays written'); END;
CREATE TRIGGER dispute_movements_are_never_deleted BEFORE DELETE ON dispute_movements
BEGIN SELECT RAISE(ABORT, 'what PayPal moved stays written'); END;
