-- The sale with its true profit, the legs owed from it, and the payouts that settled them.
CREATE TABLE sales (
    order_id             TEXT PRIMARY KEY REFERENCES orders (id),
    recorded_at          INTEGER NOT NULL,
    currency             TEXT NOT NULL,
    gross_minor          INTEGER NOT NULL CHECK (gross_minor > 0),
    tax_minor            INTEGER NOT NULL CHECK (tax_minor >= 0),
    fee_minor            INTEGER NOT NULL CHECK (fee_minor >= 0),
    supplier_total_minor INTEGER NOT NULL CHECK (supplier_total_minor > 0),
    -- NULL: payouts were off.
    commission_rate      INTEGER CHECK (commission_rate BETWEEN 0 AND 1000000),
    commission_base      TEXT CHECK (commission_base IN ('gross_profit', 'net_profit')),
    commission_minor     INTEGER NOT NULL CHECK (commission_minor >= 0),
    profit_minor         INTEGER NOT NULL,
    paid_by              TEXT NOT NULL CHECK (paid_by IN ('owner', 'seller')),
    platform_leg_minor   INTEGER NOT NULL CHECK (platform_leg_minor >= 0),
    seller_leg_minor     INTEGER NOT NULL CHECK (seller_leg_minor >= 0),
    payout_executed      INTEGER NOT NULL DEFAULT 0 CHECK (payout_executed IN (0, 1)),
    CHECK ((commission_rate IS NULL) = (commission_base IS NULL)),
    CHECK (gross_minor - tax_minor - fee_minor - supplier_total_minor = commission_minor + profit_minor)
) STRICT, WITHOUT ROWID;

-- A sale is the result of an order with evidence (L23): a supplier order that was paid.
CREATE TRIGGER sales_have_evidence BEFORE INSERT ON sales
WHEN NEW.payout_executed <> 0 OR NOT EXISTS (
    SELECT 1 FROM claims c JOIN supplier_orders s ON s.key = c.key
    WHERE c.order_id = NEW.order_id AND c.slot = 'purchase' AND c.state = 'done' AND s.state = 'paid')
BEGIN SELECT RAISE(ABORT, 'a sale needs a paid purchase'); END;

CREATE TRIGGER sales_are_not_for_trial_purchases BEFORE INSERT ON sales
WHEN (SELECT origin FROM orders WHERE id = NEW.order_id) = 'purchase_only'
BEGIN SELECT RAISE(ABORT, 'a trial purchase never becomes a sale'); END;

CREATE TRIGGER sales_never_change BEFORE UPDATE ON sales
WHEN NEW.order_id IS NOT OLD.order_id OR NEW.recorded_at IS NOT OLD.recorded_at
  OR NEW.gross_minor IS NOT OLD.gross_minor OR NEW.tax_minor IS NOT OLD.tax_minor
  OR NEW.fee_minor IS NOT OLD.fee_minor OR NEW.supplier_total_minor IS NOT OLD.supplier_total_minor
  OR NEW.commission_minor IS NOT OLD.commission_minor OR NEW.profit_minor IS NOT OLD.profit_minor
  OR NEW.platform_leg_minor IS NOT OLD.platform_leg_minor OR NEW.seller_leg_minor IS NOT OLD.seller_leg_minor
BEGIN SELECT RAISE(ABORT, 'a recorded sale never changes; corrections are versions'); END;

CREATE TRIGGER sales_are_never_deleted BEFORE DELETE ON sales
BEGIN SELECT RAISE(ABORT, 'sales are never deleted'); END;

CREATE TABLE payouts (
    key            TEXT PRIMARY KEY REFERENCES claims (key),
    recipient      TEXT NOT NULL CHECK (recipient IN ('platform', 'seller')),
    -- Of the receiver's address; the address itself stands in payees and in the request.
    receiver_hash  TEXT NOT NULL,
    batch_id       TEXT UNIQUE CHECK (batch_id <> ''),
    accepted_at    INTEGER,
    asked_at       INTEGER,
    item_id        TEXT UNIQUE CHECK (item_id <> ''),
    item_status    TEXT CHECK (item_status IN ('SUCCESS', 'FAILED', 'PENDING', 'UNCLAIMED', 'RETURNED', 'ONHOLD',
                   'BLOCKED', 'REFUNDED', 'REVERSED', 'DENIED', 'OTHER')),
    transaction_id TEXT UNIQUE CHECK (transaction_id <> ''),
    fee_minor      INTEGER CHECK (fee_minor >= 0)
) STRICT, WITHOUT ROWID;

-- Paid means the item is SUCCESS with a transaction id (L19).
CREATE TRIGGER payouts_are_done_by_proof BEFORE UPDATE OF state ON claims
WHEN NEW.state = 'done' AND NEW.slot LIKE 'payout:%' AND NOT EXISTS (
    SELECT 1 FROM payouts WHERE key = NEW.key AND item_status = 'SUCCESS' AND transaction_id IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a payout is done when its item is SUCCESS with a transaction id'); END;

CREATE TRIGGER sales_payout_executed_needs_proof BEFORE UPDATE OF payout_executed ON sales
WHEN NEW.payout_executed = 1 AND (
    NEW.platform_leg_minor + NEW.seller_leg_minor = 0
    OR (NEW.platform_leg_minor > 0 AND NOT EXISTS (
        SELECT 1 FROM claims c JOIN payouts p ON p.key = c.key
        WHERE c.order_id = NEW.order_id AND c.slot = 'payout:platform' AND c.state = 'done'
          AND c.amount_minor = NEW.platform_leg_minor AND p.item_status = 'SUCCESS'))
    OR (NEW.seller_leg_minor > 0 AND NOT EXISTS (
        SELECT 1 FROM claims c JOIN payouts p ON p.key = c.key
        WHERE c.order_id = NEW.order_id AND c.slot = 'payout:seller' AND c.state = 'done'
          AND c.amount_minor = NEW.seller_leg_minor AND p.item_status = 'SUCCESS')))
BEGIN SELECT RAISE(ABORT, 'payout_executed needs a SUCCESS item for every leg'); END;

-- Where profit goes. Configuration proposes; this row decides.
CREATE TABLE payees (
    recipient    TEXT PRIMARY KEY CHECK (recipient IN ('platform', 'seller')),
    email        TEXT NOT NULL CHECK (email LIKE '%_@_%'),
    confirmed_at INTEGER NOT NULL,
    confirmed_by TEXT NOT NULL CHECK (confirmed_by <> '')
) STRICT, WITHOUT ROWID;
