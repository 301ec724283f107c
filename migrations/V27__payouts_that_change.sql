-- What becomes of a payout after PayPal took it: it lies unclaimed, is taken back, or goes back after it was paid.
-- PayPal's word for the whole batch, which says nothing of the item.
ALTER TABLE payouts ADD COLUMN batch_status TEXT;
-- When the money had left the account without having arrived; it stands in payouts_in_transit from then on.
ALTER TABLE payouts ADD COLUMN left_at INTEGER;
-- The transaction that brought it back; transaction_id stays the one that sent it.
ALTER TABLE payouts ADD COLUMN return_id TEXT CHECK (return_id <> '');
-- Somebody wants an unclaimed payout taken back; when that was last asked of PayPal.
ALTER TABLE payouts ADD COLUMN cancel_wanted_at INTEGER;
ALTER TABLE payouts ADD COLUMN cancel_tried_at INTEGER;
-- Of a void one: from when the next attempt may be made. NULL: it takes a person's word.
ALTER TABLE payouts ADD COLUMN again_at INTEGER;

-- As before, and one way back more: a payout that was paid and came back is void once its return is booked.
DROP TRIGGER claims_move_forward;
CREATE TRIGGER claims_move_forward BEFORE UPDATE OF state ON claims
WHEN OLD.state <> NEW.state AND NOT (
    OLD.state = 'pending'
    OR (OLD.state = 'done' AND NEW.state = 'void' AND OLD.slot = 'purchase'
        AND EXISTS (SELECT 1 FROM supplier_orders WHERE key = OLD.key)
        AND NOT EXISTS (SELECT 1 FROM supplier_orders WHERE key = OLD.key AND state <> 'dead'))
    OR (OLD.state = 'done' AND NEW.state = 'void' AND OLD.slot LIKE 'payout:%' AND EXISTS (
        SELECT 1 FROM payouts p JOIN entries e ON e.ref = p.item_id AND e.kind = 'payout_returned'
        WHERE p.key = OLD.key AND p.item_status NOT IN ('SUCCESS', 'PENDING', 'UNCLAIMED', 'ONHOLD', 'OTHER'))))
BEGIN SELECT RAISE(ABORT, 'a claim moves only from pending to done or void'); END;

-- payout_executed goes back only by a booked return.
CREATE TRIGGER sales_payout_executed_falls_by_a_return BEFORE UPDATE OF payout_executed ON sales
WHEN OLD.payout_executed = 1 AND NEW.payout_executed = 0
  AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 'payout_returned' AND order_id = NEW.order_id)
BEGIN SELECT RAISE(ABORT, 'payout_executed goes back only with a booked return'); END;

CREATE TRIGGER payouts_keep_their_transactions BEFORE UPDATE ON payouts
WHEN (OLD.return_id IS NOT NULL AND NEW.return_id IS NOT OLD.return_id)
  OR (OLD.left_at IS NOT NULL AND NEW.left_at IS NOT OLD.left_at)
  OR (NEW.transaction_id IS NOT OLD.transaction_id
      AND EXISTS (SELECT 1 FROM claims WHERE key = OLD.key AND state = 'done'))
BEGIN SELECT RAISE(ABORT, 'a payout keeps the transactions that sent it and brought it back'); END;

-- Captures that PayPal converted into another currency: what was left after the fee, and what was credited for it.
CREATE TABLE conversions (
    key               TEXT PRIMARY KEY REFERENCES captures (key),
    net_minor         INTEGER NOT NULL CHECK (net_minor > 0),
    received_minor    INTEGER NOT NULL CHECK (received_minor > 0),
    received_currency TEXT NOT NULL CHECK (length(received_currency) = 3),
    -- As PayPal wrote it; NULL: it did not.
    rate              TEXT CHECK (rate <> '')
) STRICT, WITHOUT ROWID;

CREATE TRIGGER conversions_never_change BEFORE UPDATE ON conversions
BEGIN SELECT RAISE(ABORT, 'a conversion never changes'); END;

-- Tracking numbers told to PayPal: one row for each number of a supplier order.
CREATE TABLE trackers (
    supplier_order_id TEXT NOT NULL REFERENCES supplier_orders (id),
    tracking_number   TEXT NOT NULL CHECK (tracking_number <> ''),
    tries             INTEGER NOT NULL CHECK (tries > 0),
    tried_at          INTEGER NOT NULL,
    told_at           INTEGER,
    -- PayPal's definite no; it is not tried again.
    refusal           TEXT,
    PRIMARY KEY (supplier_order_id, tracking_number)
) STRICT, WITHOUT ROWID;
