-- Money given back to the buyer. The word of a person is one row, what PayPal shows another; the claim stands between.
DROP TABLE refunds;

CREATE TABLE refund_orders (
    order_id     TEXT NOT NULL REFERENCES orders (id),
    number       INTEGER NOT NULL CHECK (number > 0),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    -- May name people, so it stands here and in no timeline.
    reason       TEXT NOT NULL CHECK (reason <> ''),
    is_confirmed INTEGER NOT NULL CHECK (is_confirmed IN (0, 1)),
    ordered_at   INTEGER NOT NULL,
    ordered_by   TEXT NOT NULL CHECK (ordered_by <> ''),
    -- Nothing came of it, by proof.
    withdrawn_at INTEGER,
    -- When PayPal was asked last, and when it last answered without showing the refund.
    asked_at     INTEGER,
    absent_at    INTEGER,
    PRIMARY KEY (order_id, number)
) STRICT, WITHOUT ROWID;

-- Every refund PayPal showed, ours and those made elsewhere, and what it took back by itself.
CREATE TABLE refunds (
    -- PayPal's id; of a reversal, which has none, the capture's behind `reversal-`.
    refund_id      TEXT PRIMARY KEY CHECK (refund_id <> ''),
    order_id       TEXT NOT NULL REFERENCES orders (id),
    capture_id     TEXT NOT NULL REFERENCES captures (capture_id),
    -- The claim that asked for it; NULL = nobody of ours did.
    key            TEXT UNIQUE REFERENCES claims (key),
    kind           TEXT NOT NULL CHECK (kind IN ('refund', 'reversal')),
    amount_minor   INTEGER NOT NULL CHECK (amount_minor > 0),
    currency       TEXT NOT NULL CHECK (length(currency) = 3),
    -- The part of its fee that PayPal gave back with it.
    fee_back_minor INTEGER NOT NULL CHECK (fee_back_minor >= 0),
    status         TEXT NOT NULL CHECK (status IN ('COMPLETED', 'PENDING', 'FAILED', 'CANCELLED', 'OTHER')),
    seen_at        INTEGER NOT NULL,
    CHECK (key IS NULL OR kind = 'refund')
) STRICT, WITHOUT ROWID;

CREATE INDEX refunds_of_order ON refunds (order_id);
CREATE INDEX refund_orders_by_day ON refund_orders (ordered_at);

-- Something was said to have changed at PayPal; NULL again once PayPal has been asked since.
ALTER TABLE checkouts ADD COLUMN rung_at INTEGER;

CREATE TRIGGER refund_orders_fit BEFORE INSERT ON refund_orders
WHEN NEW.currency IS NOT (SELECT currency FROM orders WHERE id = NEW.order_id)
  OR NEW.amount_minor + (SELECT coalesce(sum(amount_minor), 0) FROM refund_orders
                         WHERE order_id = NEW.order_id AND withdrawn_at IS NULL)
     > (SELECT total_minor FROM orders WHERE id = NEW.order_id)
BEGIN SELECT RAISE(ABORT, 'refunds are at most what the buyer paid, in his currency'); END;

CREATE TRIGGER refund_orders_stay BEFORE UPDATE ON refund_orders
WHEN NEW.order_id IS NOT OLD.order_id OR NEW.number IS NOT OLD.number OR NEW.amount_minor IS NOT OLD.amount_minor
  OR NEW.currency IS NOT OLD.currency OR NEW.ordered_at IS NOT OLD.ordered_at OR NEW.ordered_by IS NOT OLD.ordered_by
  OR (OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS NOT OLD.withdrawn_at)
BEGIN SELECT RAISE(ABORT, 'a refund that was ordered keeps its amount'); END;
CREATE TRIGGER refund_orders_are_never_deleted BEFORE DELETE ON refund_orders
BEGIN SELECT RAISE(ABORT, 'ordered refunds are never deleted'); END;

CREATE TRIGGER refunds_stay BEFORE UPDATE ON refunds
WHEN NEW.refund_id IS NOT OLD.refund_id OR NEW.order_id IS NOT OLD.order_id OR NEW.capture_id IS NOT OLD.capture_id
  OR NEW.key IS NOT OLD.key OR NEW.kind IS NOT OLD.kind OR NEW.amount_minor IS NOT OLD.amount_minor
  OR NEW.currency IS NOT OLD.currency OR NEW.fee_back_minor IS NOT OLD.fee_back_minor AND OLD.status = 'COMPLETED'
BEGIN SELECT RAISE(ABORT, 'a refund keeps its id, its claim and its amount'); END;
CREATE TRIGGER refunds_are_never_deleted BEFORE DELETE ON refunds
BEGIN SELECT RAISE(ABORT, 'refunds are never deleted'); END;

-- Only a person's word gives money back, once a number, and not what he took back.
CREATE TRIGGER refunds_are_ordered BEFORE INSERT ON claims
WHEN NEW.slot LIKE 'refund:%' AND (NEW.attempt <> 1 OR NOT EXISTS (
    SELECT 1 FROM refund_orders WHERE order_id = NEW.order_id AND 'refund:' || number = NEW.slot
       AND amount_minor = NEW.amount_minor AND currency = NEW.currency AND withdrawn_at IS NULL))
BEGIN SELECT RAISE(ABORT, 'a refund needs a person''s order of the same amount'); END;

CREATE TRIGGER refunds_are_done_by_proof BEFORE UPDATE OF state ON claims
WHEN NEW.state = 'done' AND NEW.slot LIKE 'refund:%' AND NOT EXISTS (
    SELECT 1 FROM refunds WHERE key = NEW.key AND status = 'COMPLETED' AND amount_minor = NEW.amount_minor)
BEGIN SELECT RAISE(ABORT, 'a refund is done when PayPal shows it completed'); END;
