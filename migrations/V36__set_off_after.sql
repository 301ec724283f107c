-- A debt may also be netted against what a correction added to a leg after its payout. Which payout had paid the leg by
-- then: that one was asked for without it. NULL = none had.
ALTER TABLE set_offs ADD COLUMN after_key TEXT REFERENCES claims (key);

DROP TRIGGER set_offs_never_change;
UPDATE set_offs SET after_key = (SELECT c.key FROM claims c
    WHERE c.order_id = set_offs.order_id AND c.slot = 'payout:' || set_offs.recipient AND c.state = 'done'
      AND c.claimed_at < set_offs.set_off_at);
CREATE TRIGGER set_offs_never_change BEFORE UPDATE ON set_offs
BEGIN SELECT RAISE(ABORT, 'a set-off never changes'); END;

CREATE TRIGGER set_offs_name_the_payout_before BEFORE INSERT ON set_offs
WHEN NEW.after_key IS NOT (SELECT key FROM claims WHERE order_id = NEW.order_id AND slot = 'payout:' || NEW.recipient
                              AND state = 'done')
BEGIN SELECT RAISE(ABORT, 'a set-off names the payout that had paid its leg'); END;
