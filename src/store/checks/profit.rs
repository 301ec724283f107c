//! Profit is what is left, to the cent: in the sale, in its entry, and against the supplier's own totals; and the books
//! add up (L10, L22).

use super::{Check, Find, Group};

const BASE: Check = Check::of(Group::NetProfitValidated);

pub const CHECKS: &[Check] = &[
    Check {
        id: "profit_adds_up",
        title: "gross less tax, fee, supplier and commission is the profit",
        weight: 2,
        action: "stop, and compare the sale with a backup: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT order_id, 'the profit is not what is left', profit_minor,
                    gross_minor - tax_minor - fee_minor - supplier_total_minor - commission_minor, currency
             FROM sale_all
             WHERE profit_minor <> gross_minor - tax_minor - fee_minor - supplier_total_minor - commission_minor",
        ),
        plant: "UPDATE sales SET profit_minor = profit_minor + 1 WHERE order_id = 'test-owner-order'",
        companions: &["sale_entry_recomputes", "sale_is_corrected"],
        ..BASE
    },
    Check {
        id: "cost_is_the_suppliers_own_total",
        title: "the cost of every sale is the sum of its paid supplier orders",
        weight: 2,
        action: "read the totals on the supplier's site: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT order_id, 'the cost is not what the supplier was paid', supplier_total_minor, paid, currency
             FROM (SELECT s.order_id, s.supplier_total_minor, s.currency,
                          (SELECT coalesce(sum(p.total_minor), 0) FROM claims c JOIN supplier_orders p ON p.key = c.key
                           WHERE c.order_id = s.order_id AND c.slot = 'purchase' AND c.state <> 'void'
                             AND p.state = 'paid' AND p.currency = s.currency) AS paid
                   FROM sales s)
             WHERE supplier_total_minor <> paid",
        ),
        plant: "UPDATE supplier_orders SET total_minor = total_minor + 1 WHERE id = '8100000003'",
        companions: &["supplier_paid_is_booked"],
        ..BASE
    },
    Check {
        id: "sale_entry_recomputes",
        title: "the entry of every sale says the same as the sale: revenue, tax, cost, fee, and who gets what",
        weight: 3,
        action: "stop, and compare the books with a backup: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT s.order_id, 'its entry says something else than the sale'
             FROM sales s JOIN orders o ON o.id = s.order_id JOIN (
                 SELECT e.ref, p.currency,
                        sum(CASE WHEN a.name = 'sales_revenue' THEN x ELSE 0 END) AS revenue,
                        sum(CASE WHEN a.name = 'tax_collected' THEN x ELSE 0 END) AS tax,
                        sum(CASE WHEN a.name = 'cost_of_goods' THEN x ELSE 0 END) AS cost,
                        sum(CASE WHEN a.name = 'channel_fees' THEN x ELSE 0 END) AS fee,
                        sum(CASE WHEN a.name = 'payable:platform' THEN x ELSE 0 END) AS platform,
                        sum(CASE WHEN a.name IN ('payable:seller', 'receivable:seller') THEN x ELSE 0 END) AS seller,
                        sum(CASE WHEN a.name = 'equity:retained' THEN x ELSE 0 END) AS retained,
                        sum(CASE WHEN a.name = 'profit_share' THEN x ELSE 0 END) AS share,
                        sum(CASE WHEN a.name = 'buyer_deposits' THEN x ELSE 0 END) AS deposits,
                        sum(CASE WHEN a.name = 'equity:test' THEN x ELSE 0 END) AS test,
                        sum(CASE WHEN a.name LIKE 'channel_funds:%' THEN x ELSE 0 END) AS channel
                 FROM entries e JOIN (
                     SELECT entry_id, currency, debit AS account, amount_minor AS x FROM postings
                     UNION ALL SELECT entry_id, currency, credit, 0 - amount_minor FROM postings) p
                     ON p.entry_id = e.id JOIN accounts a ON a.id = p.account
                 WHERE e.kind = 'sale' GROUP BY e.ref, p.currency) b ON b.ref = s.order_id
             WHERE b.currency <> s.currency
                OR b.revenue <> s.tax_minor - s.gross_minor OR b.tax <> 0 - s.tax_minor
                OR b.cost <> s.supplier_total_minor
                OR b.fee <> CASE o.funds WHEN 'held_by_channel' THEN s.fee_minor ELSE 0 END
                OR b.deposits <> CASE WHEN o.funds IN ('capture', 'settled') THEN s.gross_minor ELSE 0 END
                OR b.test <> CASE o.funds WHEN 'owner' THEN s.gross_minor ELSE 0 END
                OR b.channel <> CASE o.funds WHEN 'held_by_channel' THEN s.gross_minor - s.fee_minor ELSE 0 END
                OR b.share <> s.commission_minor + s.profit_minor
                OR b.platform <> 0 - s.commission_minor
                OR b.seller <> CASE WHEN s.commission_rate IS NULL THEN 0 ELSE 0 - s.profit_minor END
                OR b.retained <> CASE WHEN s.commission_rate IS NULL THEN 0 - s.profit_minor ELSE 0 END",
        ),
        plant: "INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT e.id, 99, d.id, c.id, 1, 'USD' FROM entries e, accounts d, accounts c
                    WHERE e.kind = 'sale' AND e.ref = 'by-channel-order'
                      AND d.name = 'profit_share' AND c.name = 'equity:retained'",
        companions: &["sale_is_corrected"],
        ..BASE
    },
    Check {
        id: "supplier_paid_is_booked",
        title: "every paid supplier order has its entry, and every such entry a paid supplier order",
        weight: 2,
        action: "compare the books with the supplier's orders: postsale reconcile",
        find: Find::Rows(
            "SELECT s.id, 'paid and not booked so' FROM supplier_orders s JOIN claims c ON c.key = s.key
             JOIN orders o ON o.id = c.order_id
             WHERE s.state = 'paid' AND NOT EXISTS (
                 SELECT 1 FROM entries e JOIN postings p ON p.entry_id = e.id JOIN accounts d ON d.id = p.debit
                 WHERE e.kind = 'supplier_paid' AND e.ref = s.id AND e.order_id = c.order_id
                   AND d.name = CASE o.origin WHEN 'purchase_only' THEN 'equity:test' ELSE 'supplier:prepaid' END
                   AND p.amount_minor = s.total_minor AND p.currency = s.currency)
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books a payment that is not there' FROM entries e
             WHERE e.kind = 'supplier_paid'
               AND NOT EXISTS (SELECT 1 FROM supplier_orders s WHERE s.id = e.ref AND s.state = 'paid')",
        ),
        plant: "INSERT INTO entries (kind, ref, booked_at) VALUES ('supplier_paid', '8177777777', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 333, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'supplier:prepaid' AND c.name = 'supplier:card'",
        ..BASE
    },
    Check {
        id: "balances_are_sums",
        title: "every balance is the sum of its postings",
        weight: 2,
        cap: Some(29),
        action: "stop, and compare the books with your newest copy of the data directory: postsale stop",
        find: Find::Rows(
            "SELECT coalesce(a.name, 'account ' || t.account), 'the balance is not the sum of its postings',
                    sum(t.kept), sum(t.moved), t.currency
             FROM (SELECT account, currency, minor AS kept, 0 AS moved FROM balances
                   UNION ALL SELECT debit, currency, 0, amount_minor FROM postings
                   UNION ALL SELECT credit, currency, 0, 0 - amount_minor FROM postings) t
             LEFT JOIN accounts a ON a.id = t.account
             GROUP BY t.account, t.currency HAVING sum(t.kept) <> sum(t.moved)",
        ),
        plant: "UPDATE balances SET minor = minor + 1
                WHERE account = (SELECT id FROM accounts WHERE name = 'paypal:available')",
        ..BASE
    },
    Check {
        id: "postings_are_sound",
        title: "every posting moves a positive amount between two accounts that exist",
        weight: 2,
        cap: Some(29),
        action: "stop, and compare the books with your newest copy of the data directory: postsale stop",
        find: Find::Rows(
            "SELECT 'entry ' || p.entry_id, 'posting ' || p.seq || ' cannot be'
             FROM postings p LEFT JOIN entries e ON e.id = p.entry_id
             LEFT JOIN accounts d ON d.id = p.debit LEFT JOIN accounts c ON c.id = p.credit
             WHERE p.amount_minor <= 0 OR p.debit = p.credit OR length(p.currency) <> 3
                OR e.id IS NULL OR d.id IS NULL OR c.id IS NULL",
        ),
        plant: "INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT e.id, 99, d.id, c.id, -100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE e.kind = 'opening' AND d.name = 'paypal:available' AND c.name = 'equity:owner'",
        ..BASE
    },
    Check {
        id: "test_orders_stand_apart",
        title: "test orders are funded by the owner's own account, and no other order is",
        weight: 1,
        action: "reverse the entry by hand with your bookkeeper: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT e.order_id, 'a test order posts to ' || a.name FROM orders o JOIN entries e ON e.order_id = o.id
             JOIN postings p ON p.entry_id = e.id JOIN accounts a ON a.id IN (p.debit, p.credit)
             WHERE o.origin = 'test' AND (a.name = 'buyer_deposits' OR a.name LIKE 'channel_funds:%')
             UNION ALL
             SELECT coalesce(e.order_id, 'entry ' || e.id), e.kind || ' posts to equity:test'
             FROM accounts a JOIN postings p ON a.id IN (p.debit, p.credit) JOIN entries e ON e.id = p.entry_id
             LEFT JOIN orders o ON o.id = e.order_id
             WHERE a.name = 'equity:test' AND o.origin IS NOT 'test' AND o.origin IS NOT 'purchase_only'",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at) VALUES ('planted', 'x', 'by-channel-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'equity:test' AND c.name = 'equity:owner'",
        ..BASE
    },
];
