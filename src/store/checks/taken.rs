//! What PayPal took because of disputes, and debts that were netted: each stands in the books once, and the books have
//! nothing of the kind that is not there. Computed here again in SQL and on purpose not by the domain's functions (L12).

use super::{Check, Find, Group};

const BASE: Check = Check { weight: 1, ..Check::of(Group::WebhookBypassDetected) };

pub const CHECKS: &[Check] = &[
    Check {
        id: "dispute_is_booked",
        title: "every movement of a dispute has its entry, every such entry a movement, and what was lost is a chargeback",
        action: "compare the dispute with PayPal's site: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT m.ref, 'moved by a dispute and not booked so', coalesce(b.minor, 0), m.minor, m.currency
             FROM (SELECT dispute_id || '/' || n AS ref, currency,
                          CASE is_debit WHEN 1 THEN amount_minor ELSE 0 - amount_minor END AS minor,
                          CASE WHEN reason LIKE '%\\_FEE' ESCAPE '\\' THEN 'dispute_fees' ELSE 'dispute_hold' END AS account
                   FROM dispute_movements) m
             LEFT JOIN (SELECT e.ref, p.currency, CASE c.name WHEN 'paypal:available' THEN d.name ELSE c.name END AS account,
                               sum(CASE c.name WHEN 'paypal:available' THEN p.amount_minor ELSE 0 - p.amount_minor END)
                               AS minor
                        FROM entries e JOIN postings p ON p.entry_id = e.id
                        JOIN accounts d ON d.id = p.debit JOIN accounts c ON c.id = p.credit
                        WHERE e.kind = 'dispute' AND 'paypal:available' IN (d.name, c.name)
                        GROUP BY e.ref, p.currency, 3) b
                 ON b.ref = m.ref AND b.currency = m.currency AND b.account = m.account
             WHERE coalesce(b.minor, 0) <> m.minor
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books a movement that no dispute showed', NULL, 0, NULL FROM entries e
             WHERE e.kind = 'dispute' AND NOT EXISTS (
                 SELECT 1 FROM dispute_movements m WHERE m.dispute_id || '/' || m.n = e.ref)
             UNION ALL
             SELECT d.id, 'its chargebacks are not what was lost', coalesce(b.minor, 0), d.charged_minor, d.currency
             FROM disputes d LEFT JOIN (
                 SELECT e.ref, sum(CASE a.name WHEN 'dispute_hold' THEN 0 - p.amount_minor ELSE p.amount_minor END) AS minor
                 FROM (SELECT id, substr(ref, 1, instr(ref, '/') - 1) AS ref FROM entries WHERE kind = 'chargeback') e
                 JOIN postings p ON p.entry_id = e.id JOIN accounts a ON a.id = p.debit GROUP BY e.ref) b ON b.ref = d.id
             WHERE coalesce(b.minor, 0) <> d.charged_minor
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' is a chargeback of no dispute', NULL, 0, NULL FROM entries e
             WHERE e.kind = 'chargeback' AND NOT EXISTS (
                 SELECT 1 FROM disputes d WHERE d.id = substr(e.ref, 1, instr(e.ref, '/') - 1))",
        ),
        plant: "INSERT INTO dispute_movements (dispute_id, n, is_debit, reason, amount_minor, currency)
                    SELECT dispute_id, 9, 1, reason, 2000, currency FROM dispute_movements LIMIT 1",
        ..BASE
    },
    Check {
        id: "set_off_is_booked",
        title: "every debt that was netted has its entry, and every such entry a netted debt",
        group: Group::DuplicatePayoutRisk,
        action: "compare what the recipient owes with the sales: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT t.order_id || '/' || t.recipient, 'netted and not booked so', coalesce(b.minor, 0), t.amount_minor,
                    t.currency
             FROM set_offs t LEFT JOIN (
                 SELECT e.ref, d.name, c.name AS other, p.currency, p.amount_minor AS minor
                 FROM entries e JOIN postings p ON p.entry_id = e.id
                 JOIN accounts d ON d.id = p.debit JOIN accounts c ON c.id = p.credit WHERE e.kind = 'set_off'
                 UNION ALL
                 SELECT e.ref, c.name, d.name, p.currency, 0 - p.amount_minor
                 FROM entries e JOIN postings p ON p.entry_id = e.id
                 JOIN accounts d ON d.id = p.debit JOIN accounts c ON c.id = p.credit WHERE e.kind = 'set_off') b
                 ON b.ref = t.order_id || '/' || t.recipient AND b.name = 'payable:' || t.recipient
                AND b.other = 'receivable:' || t.recipient AND b.currency = t.currency
             WHERE coalesce(b.minor, 0) <> t.amount_minor
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' nets a debt that nobody netted', NULL, 0, NULL FROM entries e
             WHERE e.kind = 'set_off' AND NOT EXISTS (
                 SELECT 1 FROM set_offs t WHERE t.order_id || '/' || t.recipient = e.ref)",
        ),
        plant: "UPDATE set_offs SET amount_minor = amount_minor + 1",
        ..BASE
    },
    Check {
        id: "debts_follow_what_was_paid",
        title: "a recipient owes of a sale what he was paid over his part of it, and nothing else",
        group: Group::DuplicatePayoutRisk,
        action: "compare what was paid with the sale: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT w.order_id || '/' || w.recipient, 'owes by the books', coalesce(b.minor, 0),
                    max(w.part, w.paid, 0) - w.part, w.currency
             FROM (
                 -- What a test brings too little is the owner's.
                 SELECT n.order_id, r.recipient, n.currency,
                        CASE r.recipient WHEN 'platform' THEN n.commission_minor
                            ELSE n.profit_minor + CASE n.paid_by WHEN 'seller' THEN n.supplier_total_minor ELSE 0 END
                        END AS part,
                        (SELECT coalesce(sum(c.amount_minor), 0) FROM claims c WHERE c.order_id = n.order_id
                            AND c.slot = 'payout:' || r.recipient AND c.state <> 'void')
                        + (SELECT coalesce(sum(t.amount_minor), 0) FROM legs_paid_otherwise t
                           WHERE t.order_id = n.order_id AND t.recipient = r.recipient)
                        + (SELECT coalesce(sum(t.amount_minor), 0) FROM set_offs t
                           WHERE t.order_id = n.order_id AND t.recipient = r.recipient) AS paid
                 FROM sale_now n JOIN orders o ON o.id = n.order_id,
                      (SELECT 'platform' AS recipient UNION ALL SELECT 'seller') r
                 WHERE n.commission_rate IS NOT NULL AND o.funds <> 'owner') w
             LEFT JOIN (
                 SELECT e.order_id, a.name, sum(CASE p.debit WHEN a.id THEN p.amount_minor ELSE 0 - p.amount_minor END)
                        AS minor
                 FROM accounts a JOIN postings p ON a.id IN (p.debit, p.credit) JOIN entries e ON e.id = p.entry_id
                 WHERE a.name LIKE 'receivable:%' AND e.kind <> 'set_off' GROUP BY e.order_id, a.name) b
                 ON b.order_id = w.order_id AND b.name = 'receivable:' || w.recipient
             WHERE coalesce(b.minor, 0) <> max(w.part, w.paid, 0) - w.part",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at) VALUES ('planted', 'x', 'whole-road-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'receivable:seller' AND c.name = 'equity:owner'",
        ..BASE
    },
];
