-- A receiver is in the bytes that were sent, so it cannot become another one. Of a payout that was taken up from PayPal's
-- statement the bytes are forgotten: its receiver, the hash of nothing until then, is learnt from PayPal once.
DROP TRIGGER payouts_stay;
CREATE TRIGGER payouts_stay BEFORE UPDATE ON payouts
WHEN NEW.key IS NOT OLD.key OR NEW.recipient IS NOT OLD.recipient
  OR (NEW.receiver_hash IS NOT OLD.receiver_hash
      AND OLD.receiver_hash IS NOT 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  OR (OLD.batch_id IS NOT NULL AND NEW.batch_id IS NOT OLD.batch_id)
BEGIN SELECT RAISE(ABORT, 'a payout keeps its receiver and its batch'); END;
