-- Money that PayPal takes back shows in several places: in the capture's status, among the order's refunds, in a dispute.
-- It moved once. Refunds in PayPal's list that are no refunds at all but what PayPal took back by itself:
CREATE TABLE listed_reversals (
    refund_id TEXT PRIMARY KEY CHECK (refund_id <> ''),
    order_id  TEXT NOT NULL REFERENCES orders (id),
    -- What told so: an event of PayPal's, its statement, or that more would have gone back than was captured.
    told_by   TEXT NOT NULL CHECK (told_by IN ('event', 'statement', 'sum')),
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER listed_reversals_never_change BEFORE UPDATE ON listed_reversals
BEGIN SELECT RAISE(ABORT, 'what was taken back stays taken back'); END;
CREATE TRIGGER listed_reversals_are_never_deleted BEFORE DELETE ON listed_reversals
BEGIN SELECT RAISE(ABORT, 'what was taken back stays taken back'); END;
CREATE TRIGGER listed_reversals_are_not_ours BEFORE INSERT ON listed_reversals
WHEN EXISTS (SELECT 1 FROM refunds WHERE refund_id = NEW.refund_id AND (key IS NOT NULL OR kind <> 'refund'))
BEGIN SELECT RAISE(ABORT, 'a refund of ours is no reversal'); END;
