-- A recorded sale never changes. What comes after it (a refund, money back from the supplier) is a version of its own:
-- the whole sale once more, by the same rule, with what was given back taken off.
CREATE TABLE sale_versions (
    order_id             TEXT NOT NULL REFERENCES sales (order_id),
    -- The sale itself is version 1.
    version              INTEGER NOT NULL CHECK (version > 1),
    corrected_at         INTEGER NOT NULL,
    gross_minor          INTEGER NOT NULL CHECK (gross_minor >= 0),
    tax_minor            INTEGER NOT NULL CHECK (tax_minor >= 0),
    fee_minor            INTEGER NOT NULL CHECK (fee_minor >= 0),
    supplier_total_minor INTEGER NOT NULL CHECK (supplier_total_minor >= 0),
    commission_minor     INTEGER NOT NULL CHECK (commission_minor >= 0),
    profit_minor         INTEGER NOT NULL,
    platform_leg_minor   INTEGER NOT NULL CHECK (platform_leg_minor >= 0),
    seller_leg_minor     INTEGER NOT NULL CHECK (seller_leg_minor >= 0),
    -- What happened, and its outside id.
    reason               TEXT NOT NULL CHECK (reason <> ''),
    reference            TEXT NOT NULL CHECK (reference <> ''),
    PRIMARY KEY (order_id, version),
    CHECK (gross_minor - tax_minor - fee_minor - supplier_total_minor = commission_minor + profit_minor)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sale_versions_are_numbered BEFORE INSERT ON sale_versions
WHEN NEW.version <> 2 + (SELECT count(*) FROM sale_versions WHERE order_id = NEW.order_id)
BEGIN SELECT RAISE(ABORT, 'versions of a sale are numbered in a row'); END;
CREATE TRIGGER sale_versions_never_change BEFORE UPDATE ON sale_versions
BEGIN SELECT RAISE(ABORT, 'a version of a sale never changes; the next one corrects it'); END;
CREATE TRIGGER sale_versions_are_never_deleted BEFORE DELETE ON sale_versions
BEGIN SELECT RAISE(ABORT, 'versions of a sale are never deleted'); END;

-- Each sale as it stands: its last version.
CREATE VIEW sale_now AS
SELECT s.order_id, coalesce(v.version, 1) AS version, s.recorded_at, s.currency,
       coalesce(v.gross_minor, s.gross_minor) AS gross_minor, coalesce(v.tax_minor, s.tax_minor) AS tax_minor,
       coalesce(v.fee_minor, s.fee_minor) AS fee_minor,
       coalesce(v.supplier_total_minor, s.supplier_total_minor) AS supplier_total_minor,
       s.commission_rate, s.commission_base, coalesce(v.commission_minor, s.commission_minor) AS commission_minor,
       coalesce(v.profit_minor, s.profit_minor) AS profit_minor, s.paid_by,
       coalesce(v.platform_leg_minor, s.platform_leg_minor) AS platform_leg_minor,
       coalesce(v.seller_leg_minor, s.seller_leg_minor) AS seller_leg_minor, s.payout_executed
FROM sales s LEFT JOIN sale_versions v ON v.order_id = s.order_id
     AND v.version = (SELECT max(w.version) FROM sale_versions w WHERE w.order_id = s.order_id);

-- Each version of each sale, the first one too.
CREATE VIEW sale_all AS
SELECT order_id, 1 AS version, currency, gross_minor, tax_minor, fee_minor, supplier_total_minor, commission_rate,
       commission_base, commission_minor, profit_minor, paid_by, platform_leg_minor, seller_leg_minor
FROM sales
UNION ALL
SELECT v.order_id, v.version, s.currency, v.gross_minor, v.tax_minor, v.fee_minor, v.supplier_total_minor,
       s.commission_rate, s.commission_base, v.commission_minor, v.profit_minor, s.paid_by, v.platform_leg_minor,
       v.seller_leg_minor
FROM sale_versions v JOIN sales s ON s.order_id = v.order_id;

-- The flag is about what is owed now. A leg that was paid before it became smaller is paid too.
DROP TRIGGER sales_payout_executed_needs_proof;
CREATE TRIGGER sales_payout_executed_needs_proof BEFORE UPDATE OF payout_executed ON sales
WHEN NEW.payout_executed = 1 AND OLD.payout_executed = 0 AND EXISTS (
    SELECT 1 FROM sale_now n WHERE n.order_id = NEW.order_id AND (
        n.platform_leg_minor + n.seller_leg_minor = 0
        OR (n.platform_leg_minor > 0 AND NOT EXISTS (
            SELECT 1 FROM claims c JOIN payouts p ON p.key = c.key
            WHERE c.order_id = NEW.order_id AND c.slot = 'payout:platform' AND c.state = 'done'
              AND c.amount_minor >= n.platform_leg_minor AND p.item_status = 'SUCCESS'))
        OR (n.seller_leg_minor > 0 AND NOT EXISTS (
            SELECT 1 FROM claims c JOIN payouts p ON p.key = c.key
            WHERE c.order_id = NEW.order_id AND c.slot = 'payout:seller' AND c.state = 'done'
              AND c.amount_minor >= n.seller_leg_minor AND p.item_status = 'SUCCESS'))))
BEGIN SELECT RAISE(ABORT, 'payout_executed needs a SUCCESS item for every leg'); END;
