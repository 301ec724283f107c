-- What a recipient owes (he was paid, and the sale became smaller afterwards) is netted against the next leg he is owed:
-- once a leg, and only what is left of it is paid out. Below zero: a debt that was netted turned out not to be one.
CREATE TABLE set_offs (
    order_id     TEXT NOT NULL REFERENCES sales (order_id),
    recipient    TEXT NOT NULL CHECK (recipient IN ('platform', 'seller')),
    amount_minor INTEGER NOT NULL CHECK (amount_minor <> 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    set_off_at   INTEGER NOT NULL,
    PRIMARY KEY (order_id, recipient)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER set_offs_come_before_the_payout BEFORE INSERT ON set_offs
WHEN EXISTS (SELECT 1 FROM claims WHERE order_id = NEW.order_id AND slot = 'payout:' || NEW.recipient
                AND state = 'pending')
  OR NEW.currency IS NOT (SELECT currency FROM sales WHERE order_id = NEW.order_id)
BEGIN SELECT RAISE(ABORT, 'a debt is netted before its leg is paid out'); END;
CREATE TRIGGER set_offs_never_change BEFORE UPDATE ON set_offs
BEGIN SELECT RAISE(ABORT, 'a set-off never changes'); END;
CREATE TRIGGER set_offs_are_never_deleted BEFORE DELETE ON set_offs
BEGIN SELECT RAISE(ABORT, 'set-offs are never deleted'); END;

-- The flag is for PayPal's proof: a leg counts as paid out by a SUCCESS of all that was not netted of it, and one that
-- was netted to nothing does not count.
DROP TRIGGER sales_payout_executed_needs_proof;
CREATE TRIGGER sales_payout_executed_needs_proof BEFORE UPDATE OF payout_executed ON sales
WHEN NEW.payout_executed = 1 AND OLD.payout_executed = 0 AND EXISTS (
    SELECT 1 FROM (
        SELECT 'platform' AS recipient, order_id, platform_leg_minor AS leg FROM sale_now
        UNION ALL SELECT 'seller', order_id, seller_leg_minor FROM sale_now) n
    WHERE n.order_id = NEW.order_id AND n.leg > 0 AND NOT EXISTS (
        SELECT 1 FROM claims c JOIN payouts p ON p.key = c.key
        WHERE c.order_id = n.order_id AND c.slot = 'payout:' || n.recipient AND c.state = 'done'
          AND p.item_status = 'SUCCESS' AND c.amount_minor + (
              SELECT coalesce(sum(amount_minor), 0) FROM set_offs s
              WHERE s.order_id = n.order_id AND s.recipient = n.recipient) >= n.leg)
    UNION ALL
    SELECT 1 FROM sale_now z WHERE z.order_id = NEW.order_id AND z.platform_leg_minor + z.seller_leg_minor = 0)
BEGIN SELECT RAISE(ABORT, 'payout_executed needs a SUCCESS item for every leg'); END;
