-- Legs that were paid by other means by a word that only the intent journal kept: until the word is said again, which
-- books it in this amount, no payout of such a leg is sent (MONEY A6).
CREATE TABLE legs_said_paid (
    order_id     TEXT NOT NULL REFERENCES orders (id),
    recipient    TEXT NOT NULL CHECK (recipient IN ('platform', 'seller')),
    reference    TEXT NOT NULL CHECK (reference <> ''),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    said_at      INTEGER NOT NULL,
    PRIMARY KEY (order_id, recipient, reference)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER legs_said_paid_never_change BEFORE UPDATE ON legs_said_paid
BEGIN SELECT RAISE(ABORT, 'what the journal says of a leg never changes'); END;
