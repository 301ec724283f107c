-- Money that moved where this program cannot see it, told by a person: a channel settled, the supplier gave money back,
-- a leg was paid by other means. Each is a fact with an outside reference, and told once.
CREATE TABLE channel_settlements (
    seq          INTEGER PRIMARY KEY,
    order_id     TEXT NOT NULL REFERENCES orders (id),
    reference    TEXT NOT NULL CHECK (reference <> ''),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    -- What the channel kept of the whole order, as this settlement told it; NULL = it did not.
    fee_minor    INTEGER CHECK (fee_minor >= 0),
    account      TEXT NOT NULL CHECK (account IN ('paypal', 'bank')),
    settled_at   INTEGER NOT NULL,
    said_at      INTEGER NOT NULL,
    said_by      TEXT NOT NULL CHECK (said_by <> ''),
    UNIQUE (order_id, reference)
) STRICT;

CREATE TRIGGER channel_settlements_fit BEFORE INSERT ON channel_settlements
WHEN NOT EXISTS (
    SELECT 1 FROM orders o WHERE o.id = NEW.order_id AND o.funds = 'held_by_channel' AND o.currency = NEW.currency
       AND NEW.amount_minor + coalesce(NEW.fee_minor, 0) + (
           SELECT coalesce(sum(amount_minor), 0) FROM channel_settlements WHERE order_id = NEW.order_id)
           <= o.total_minor)
BEGIN SELECT RAISE(ABORT, 'a channel settles at most what it holds'); END;
CREATE TRIGGER channel_settlements_never_change BEFORE UPDATE ON channel_settlements
BEGIN SELECT RAISE(ABORT, 'settlements never change'); END;
CREATE TRIGGER channel_settlements_are_never_deleted BEFORE DELETE ON channel_settlements
BEGIN SELECT RAISE(ABORT, 'settlements are never deleted'); END;

CREATE TABLE supplier_refunds (
    supplier_order_id TEXT NOT NULL REFERENCES supplier_orders (id),
    reference         TEXT NOT NULL CHECK (reference <> ''),
    amount_minor      INTEGER NOT NULL CHECK (amount_minor > 0),
    currency          TEXT NOT NULL CHECK (length(currency) = 3),
    said_at           INTEGER NOT NULL,
    said_by           TEXT NOT NULL CHECK (said_by <> ''),
    PRIMARY KEY (supplier_order_id, reference)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER supplier_refunds_fit BEFORE INSERT ON supplier_refunds
WHEN NOT EXISTS (
    SELECT 1 FROM supplier_orders s WHERE s.id = NEW.supplier_order_id AND s.state = 'paid' AND s.currency = NEW.currency
       AND NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM supplier_refunds
                               WHERE supplier_order_id = NEW.supplier_order_id) <= s.total_minor)
BEGIN SELECT RAISE(ABORT, 'a supplier gives back at most what he was paid'); END;
CREATE TRIGGER supplier_refunds_never_change BEFORE UPDATE ON supplier_refunds
BEGIN SELECT RAISE(ABORT, 'supplier refunds never change'); END;
CREATE TRIGGER supplier_refunds_are_never_deleted BEFORE DELETE ON supplier_refunds
BEGIN SELECT RAISE(ABORT, 'supplier refunds are never deleted'); END;

-- A leg, or what a correction left of it, that a person paid. The flag payout_executed is for PayPal's proof only.
CREATE TABLE legs_paid_otherwise (
    order_id     TEXT NOT NULL REFERENCES sales (order_id),
    recipient    TEXT NOT NULL CHECK (recipient IN ('platform', 'seller')),
    reference    TEXT NOT NULL CHECK (reference <> ''),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    said_at      INTEGER NOT NULL,
    said_by      TEXT NOT NULL CHECK (said_by <> ''),
    PRIMARY KEY (order_id, recipient, reference)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER legs_are_paid_once BEFORE INSERT ON legs_paid_otherwise
WHEN EXISTS (SELECT 1 FROM claims WHERE order_id = NEW.order_id AND slot = 'payout:' || NEW.recipient
                AND state = 'pending')
BEGIN SELECT RAISE(ABORT, 'a payout that may still pay this leg is under way'); END;
CREATE TRIGGER legs_paid_otherwise_are_not_paid_again BEFORE INSERT ON claims
WHEN NEW.slot LIKE 'payout:%' AND EXISTS (
    SELECT 1 FROM legs_paid_otherwise WHERE order_id = NEW.order_id AND 'payout:' || recipient = NEW.slot)
BEGIN SELECT RAISE(ABORT, 'this leg was paid by other means'); END;
CREATE TRIGGER legs_paid_otherwise_never_change BEFORE UPDATE ON legs_paid_otherwise
BEGIN SELECT RAISE(ABORT, 'a leg paid by other means never changes'); END;
CREATE TRIGGER legs_paid_otherwise_are_never_deleted BEFORE DELETE ON legs_paid_otherwise
BEGIN SELECT RAISE(ABORT, 'legs paid by other means are never deleted'); END;
