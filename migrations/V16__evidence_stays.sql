-- What was once proven cannot be taken back or lost, and nothing is born proven.
CREATE TRIGGER claims_are_born_pending BEFORE INSERT ON claims
WHEN NEW.state <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a claim is born pending; only proof settles it'); END;

CREATE TRIGGER captures_stay BEFORE UPDATE ON captures
WHEN NEW.key IS NOT OLD.key OR NEW.capture_id IS NOT OLD.capture_id OR NEW.is_completed < OLD.is_completed
  OR (OLD.fee_minor IS NOT NULL AND NEW.fee_minor IS NOT OLD.fee_minor)
BEGIN SELECT RAISE(ABORT, 'a capture keeps its id and its fee, and a completed one stays completed'); END;
CREATE TRIGGER captures_are_never_deleted BEFORE DELETE ON captures
BEGIN SELECT RAISE(ABORT, 'captures are never deleted'); END;

CREATE TRIGGER supplier_orders_stay BEFORE UPDATE ON supplier_orders
WHEN NEW.id IS NOT OLD.id OR NEW.key IS NOT OLD.key OR (OLD.state = 'paid' AND NEW.state <> 'paid')
BEGIN SELECT RAISE(ABORT, 'a supplier order keeps its id, and a paid one stays paid'); END;
CREATE TRIGGER supplier_orders_are_never_deleted BEFORE DELETE ON supplier_orders
BEGIN SELECT RAISE(ABORT, 'supplier orders are never deleted'); END;

-- A receiver is in the bytes that were sent, so it cannot become another one.
CREATE TRIGGER payouts_stay BEFORE UPDATE ON payouts
WHEN NEW.key IS NOT OLD.key OR NEW.recipient IS NOT OLD.recipient OR NEW.receiver_hash IS NOT OLD.receiver_hash
  OR (OLD.batch_id IS NOT NULL AND NEW.batch_id IS NOT OLD.batch_id)
BEGIN SELECT RAISE(ABORT, 'a payout keeps its receiver and its batch'); END;
CREATE TRIGGER payouts_are_never_deleted BEFORE DELETE ON payouts
BEGIN SELECT RAISE(ABORT, 'payouts are never deleted'); END;

-- A dead supplier order is no way round the death of the others: it died unpaid, and a first reading came before it.
CREATE TRIGGER supplier_orders_die_twice_seen BEFORE UPDATE OF state ON supplier_orders
WHEN NEW.state = 'dead' AND NEW.closed_seen_at IS NULL
BEGIN SELECT RAISE(ABORT, 'a supplier order is dead after two readings'); END;

CREATE TRIGGER sales_keep_their_terms BEFORE UPDATE ON sales
WHEN NEW.currency IS NOT OLD.currency OR NEW.paid_by IS NOT OLD.paid_by
  OR NEW.commission_rate IS NOT OLD.commission_rate OR NEW.commission_base IS NOT OLD.commission_base
BEGIN SELECT RAISE(ABORT, 'a recorded sale keeps its currency, its commission rule and who paid'); END;
