//! What went back, and what a person told of money elsewhere: booked once, never more than there was, and taken off the
//! sale it belongs to. Computed here again in SQL and on purpose not by the domain's functions (L12).

use super::{Check, Find, Group};

const BASE: Check = Check::of(Group::NetProfitValidated);

pub const CHECKS: &[Check] = &[
    Check {
        id: "refund_is_booked",
        title: "every completed refund has its proof and its entry, what was given up its return, and every such entry a refund",
        group: Group::WebhookBypassDetected,
        weight: 1,
        action: "compare the books with PayPal: postsale reconcile",
        find: Find::Rows(
            // What was given up again has its return beside it, so that nothing of it is left.
            "SELECT r.refund_id, CASE r.status WHEN 'COMPLETED' THEN 'given back' ELSE 'not given back' END
                        || ' and not booked so', coalesce(b.minor, 0),
                    CASE r.status WHEN 'COMPLETED' THEN r.amount_minor ELSE 0 END, r.currency
             FROM refunds r LEFT JOIN (
                 SELECT e.ref, e.order_id, sum(CASE e.kind WHEN 'refund_returned' THEN 0 - p.amount_minor
                                                           ELSE p.amount_minor END) AS minor
                 FROM entries e JOIN postings p ON p.entry_id = e.id
                 JOIN accounts a ON a.id = CASE e.kind WHEN 'refund_returned' THEN p.debit ELSE p.credit END
                 WHERE e.kind IN ('refund', 'reversal', 'refund_returned') AND a.name = 'paypal:available'
                 GROUP BY e.ref, e.order_id) b
                 ON b.ref = r.refund_id AND b.order_id = r.order_id
             WHERE coalesce(b.minor, 0) <> CASE r.status WHEN 'COMPLETED' THEN r.amount_minor ELSE 0 END
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books a refund that PayPal did not show', NULL, 0, NULL FROM entries e
             WHERE e.kind IN ('refund', 'reversal') AND NOT EXISTS (
                 SELECT 1 FROM refunds r WHERE r.refund_id = e.ref AND r.order_id IS e.order_id)
             UNION ALL
             SELECT c.key, 'done, and PayPal showed no completed refund', NULL, c.amount_minor, c.currency FROM claims c
             WHERE c.slot LIKE 'refund:%' AND c.state = 'done' AND NOT EXISTS (
                 SELECT 1 FROM refunds r WHERE r.key = c.key)
             UNION ALL
             SELECT c.key, 'completed at PayPal, and its claim is pending', NULL, c.amount_minor, c.currency
             FROM claims c JOIN refunds r ON r.key = c.key WHERE c.state = 'pending' AND r.status = 'COMPLETED'",
        ),
        plant: "DELETE FROM postings WHERE entry_id = (SELECT id FROM entries WHERE kind = 'refund' AND ref = 'BACK-G');
                DELETE FROM entries WHERE kind = 'refund' AND ref = 'BACK-G';
                DELETE FROM balances;
                INSERT INTO balances SELECT account, currency, sum(x) FROM (
                    SELECT debit AS account, currency, amount_minor AS x FROM postings
                    UNION ALL SELECT credit, currency, 0 - amount_minor FROM postings) GROUP BY account, currency",
        ..BASE
    },
    Check {
        id: "refunds_are_within_the_capture",
        title: "no more went back than was captured, and no refund twice",
        group: Group::DuplicatePayoutRisk,
        weight: 2,
        cap: Some(29),
        action: "stop, and look the refunds up at PayPal: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT k.capture_id, 'more went back than was captured', r.minor, c.amount_minor, c.currency
             FROM captures k JOIN claims c ON c.key = k.key JOIN (
                 SELECT capture_id, sum(minor) AS minor FROM (
                     SELECT capture_id, amount_minor AS minor FROM refunds WHERE status IN ('COMPLETED', 'PENDING')
                     UNION ALL
                     SELECT j.capture_id, d.charged_minor FROM disputes d
                     JOIN claims q ON q.order_id = d.order_id AND q.slot = 'capture' AND q.state = 'done'
                     JOIN captures j ON j.key = q.key) GROUP BY capture_id) r ON r.capture_id = k.capture_id
             WHERE r.minor > c.amount_minor
             UNION ALL
             SELECT o.id, 'more is ordered to go back than was paid', r.minor, o.total_minor, o.currency
             FROM orders o JOIN (SELECT order_id, sum(amount_minor) AS minor FROM refund_orders
                                 WHERE withdrawn_at IS NULL GROUP BY order_id) r ON r.order_id = o.id
             WHERE r.minor > o.total_minor
             UNION ALL
             SELECT c.order_id, count(*) || ' refunds went out under ' || c.slot, NULL, sum(c.amount_minor), c.currency
             FROM claims c WHERE c.slot LIKE 'refund:%' GROUP BY c.order_id, c.slot, c.currency HAVING count(*) > 1
             UNION ALL
             SELECT c.key, 'a refund nobody ordered', NULL, 0, c.currency FROM claims c
             WHERE c.slot LIKE 'refund:%' AND NOT EXISTS (
                 SELECT 1 FROM refund_orders r WHERE r.order_id = c.order_id AND 'refund:' || r.number = c.slot
                    AND r.amount_minor = c.amount_minor AND r.currency = c.currency)",
        ),
        plant: "INSERT INTO refund_orders (order_id, number, amount_minor, currency, reason, is_confirmed, ordered_at,
                                           ordered_by)
                VALUES ('given-back-order', 2, 2001, 'USD', 'planted', 0, 0, 'planted')",
        ..BASE
    },
    Check {
        id: "told_is_booked",
        title: "every settlement, refund of the supplier and leg paid by other means has its entry",
        group: Group::FeeCalculationStrict,
        weight: 1,
        action: "show the order's entries: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT t.ref, t.kind || ' told, and not booked so', coalesce(b.minor, 0), t.amount_minor, t.currency
             FROM (SELECT 'settlement' AS kind, order_id || '/' || reference AS ref, amount_minor, currency
                   FROM channel_settlements
                   UNION ALL
                   SELECT 'supplier_refund', supplier_order_id || '/' || reference, amount_minor, currency
                   FROM supplier_refunds
                   UNION ALL
                   SELECT 'paid_otherwise', order_id || '/' || recipient || '/' || reference, amount_minor, currency
                   FROM legs_paid_otherwise) t
             LEFT JOIN (SELECT e.kind, e.ref, sum(p.amount_minor) AS minor
                        FROM entries e JOIN postings p ON p.entry_id = e.id
                        WHERE e.kind IN ('settlement', 'supplier_refund', 'paid_otherwise') GROUP BY e.kind, e.ref) b
                 ON b.kind = t.kind AND b.ref = t.ref
             WHERE coalesce(b.minor, 0) <> t.amount_minor
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books a ' || e.kind || ' that nobody told', NULL, 0, NULL FROM entries e
             WHERE e.kind = 'settlement' AND NOT EXISTS (
                       SELECT 1 FROM channel_settlements t WHERE t.order_id || '/' || t.reference = e.ref)
                OR e.kind = 'supplier_refund' AND NOT EXISTS (
                       SELECT 1 FROM supplier_refunds t WHERE t.supplier_order_id || '/' || t.reference = e.ref)
                OR e.kind = 'paid_otherwise' AND NOT EXISTS (
                       SELECT 1 FROM legs_paid_otherwise t
                       WHERE t.order_id || '/' || t.recipient || '/' || t.reference = e.ref)",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at)
                    VALUES ('settlement', 'by-channel-order/FORGED', 'by-channel-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'paypal:available' AND c.name = 'channel_funds:drill'",
        ..BASE
    },
    Check {
        id: "sale_is_corrected",
        title: "every sale stands as what it brought and cost after all that went back, in its last version and in the books",
        weight: 1,
        action: "stop, and compare the sale with its refunds: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT n.order_id, 'what went back is not taken off the sale', n.gross_minor, s.gross_minor - b.minor, n.currency
             FROM sale_now n JOIN sales s ON s.order_id = n.order_id JOIN (
                 SELECT s.order_id, (SELECT coalesce(sum(r.amount_minor), 0) FROM refunds r
                                     WHERE r.order_id = s.order_id AND r.status = 'COMPLETED')
                                  + (SELECT coalesce(sum(CASE d.name WHEN 'dispute_hold' THEN 0 - p.amount_minor
                                                              ELSE p.amount_minor END), 0)
                                     FROM entries e JOIN postings p ON p.entry_id = e.id
                                     JOIN accounts d ON d.id = p.debit
                                     WHERE e.order_id = s.order_id AND e.kind = 'chargeback' AND p.currency = s.currency) AS minor FROM sales s) b
                 ON b.order_id = n.order_id
             WHERE n.gross_minor <> max(0, s.gross_minor - b.minor)
             UNION ALL
             SELECT n.order_id, 'what the supplier gave back is not taken off the cost', n.supplier_total_minor,
                    s.supplier_total_minor - b.minor, n.currency
             FROM sale_now n JOIN sales s ON s.order_id = n.order_id JOIN (
                 SELECT s.order_id, (SELECT coalesce(sum(r.amount_minor), 0) FROM supplier_refunds r
                                     JOIN supplier_orders p ON p.id = r.supplier_order_id JOIN claims c ON c.key = p.key
                                     WHERE c.order_id = s.order_id) AS minor FROM sales s) b ON b.order_id = n.order_id
             WHERE n.supplier_total_minor <> s.supplier_total_minor - b.minor
             UNION ALL
             SELECT n.order_id, 'promised by the books is not the sale''s profit', coalesce(b.minor, 0),
                    n.commission_minor + n.profit_minor, n.currency
             FROM sale_now n LEFT JOIN (
                 SELECT e.order_id, sum(CASE p.debit WHEN a.id THEN p.amount_minor ELSE 0 - p.amount_minor END) AS minor
                 FROM accounts a JOIN postings p ON a.id IN (p.debit, p.credit) JOIN entries e ON e.id = p.entry_id
                 WHERE a.name = 'profit_share' AND e.kind IN ('sale', 'sale_correction') GROUP BY e.order_id) b
                 ON b.order_id = n.order_id
             WHERE coalesce(b.minor, 0) <> n.commission_minor + n.profit_minor",
        ),
        plant: "DELETE FROM sale_versions WHERE order_id = 'given-back-order'",
        ..BASE
    },
];
