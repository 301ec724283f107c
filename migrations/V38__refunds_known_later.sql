-- A look may come before the intent journal is read back into a restored database: a refund that it takes for one made on
-- PayPal's site turns out to be ours, and gets its claim.
DROP TRIGGER refunds_stay;
CREATE TRIGGER refunds_keep_their_claim BEFORE UPDATE ON refunds
WHEN NEW.refund_id IS NOT OLD.refund_id OR NEW.order_id IS NOT OLD.order_id OR NEW.capture_id IS NOT OLD.capture_id
  OR NEW.key IS NOT OLD.key AND OLD.key IS NOT NULL OR NEW.kind IS NOT OLD.kind
  OR NEW.amount_minor IS NOT OLD.amount_minor OR NEW.currency IS NOT OLD.currency
  OR NEW.fee_back_minor IS NOT OLD.fee_back_minor AND OLD.status = 'COMPLETED'
BEGIN SELECT RAISE(ABORT, 'a refund keeps its id, its claim and its amount'); END;
