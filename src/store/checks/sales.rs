//! A sale is the result of an order with evidence, made once and booked once (L23). Nothing here looks at fees or
//! profit; those have files of their own.

use super::{Check, Find, Group};

const BASE: Check = Check::of(Group::CentralizedSaleCreation);

pub const CHECKS: &[Check] = &[
    Check {
        id: "sale_has_a_paid_purchase",
        title: "every sale has a done purchase whose supplier orders are all paid",
        weight: 5,
        action: "compare the order with the supplier's: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT s.order_id, 'sold without a done purchase whose supplier orders are all paid'
             FROM sales s
             WHERE NOT EXISTS (
                 SELECT 1 FROM claims c
                 WHERE c.order_id = s.order_id AND c.slot = 'purchase' AND c.state = 'done'
                   AND EXISTS (SELECT 1 FROM supplier_orders p WHERE p.key = c.key AND p.state = 'paid')
                   AND NOT EXISTS (SELECT 1 FROM supplier_orders p WHERE p.key = c.key AND p.state = 'placed'))",
        ),
        plant: "UPDATE claims SET state = 'pending', settled_at = NULL
                WHERE order_id = 'by-channel-order' AND slot = 'purchase'",
        ..BASE
    },
    Check {
        id: "sale_has_its_money",
        title: "every sale has the buyer's payment behind it",
        weight: 4,
        action: "look the payment up where it was made: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT s.order_id, 'sold without the buyer''s payment (' || o.funds || ')'
             FROM sales s JOIN orders o ON o.id = s.order_id
             WHERE (o.funds <> 'capture' AND o.paid_at IS NULL)
                OR (o.funds = 'capture' AND NOT EXISTS (
                    SELECT 1 FROM claims c JOIN captures k ON k.key = c.key
                    WHERE c.order_id = o.id AND c.slot = 'capture' AND c.state = 'done' AND k.is_completed = 1))
             UNION ALL
             SELECT order_id, 'a sale of no order' FROM sales WHERE order_id NOT IN (SELECT id FROM orders)",
        ),
        plant: "UPDATE orders SET paid_at = NULL WHERE id = 'by-channel-order'",
        ..BASE
    },
    Check {
        id: "sale_is_booked_once",
        title: "every sale has exactly one entry, and every such entry a sale",
        weight: 4,
        action: "stop, then compare the books with a backup: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT s.order_id, 'the sale is not booked' FROM sales s
             WHERE NOT EXISTS (SELECT 1 FROM entries e
                               WHERE e.kind = 'sale' AND e.ref = s.order_id AND e.order_id = s.order_id)
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books a sale that is not there' FROM entries e
             WHERE e.kind = 'sale'
               AND (e.order_id IS NOT e.ref OR NOT EXISTS (SELECT 1 FROM sales s WHERE s.order_id = e.ref))",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at)
                    VALUES ('sale', 'waits-here-order', 'waits-here-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'profit_share' AND c.name = 'equity:retained'",
        ..BASE
    },
    Check {
        id: "sale_is_of_its_order",
        title: "gross, tax and currency of every sale are the order's",
        weight: 3,
        action: "compare the order with the channel's or PayPal's record: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT s.order_id, 'the sale''s gross is not the order''s total', s.gross_minor, o.total_minor, o.currency
             FROM sales s JOIN orders o ON o.id = s.order_id
             WHERE s.gross_minor <> o.total_minor OR s.currency <> o.currency
             UNION ALL
             SELECT s.order_id, 'the sale''s tax is not the order''s', s.tax_minor, coalesce(o.tax_minor, 0), o.currency
             FROM sales s JOIN orders o ON o.id = s.order_id
             WHERE s.tax_minor <> coalesce(o.tax_minor, 0)",
        ),
        plant: "UPDATE orders SET total_minor = total_minor + 100 WHERE id = 'by-channel-order'",
        ..BASE
    },
    Check {
        id: "deposits_are_cleared",
        title: "nothing of a sold or closed order stands among the buyers' deposits",
        weight: 3,
        action: "show the order's entries: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT e.order_id, 'left in buyer_deposits',
                    sum(CASE WHEN p.debit = a.id THEN p.amount_minor ELSE -p.amount_minor END), 0, p.currency
             FROM accounts a JOIN postings p ON a.id IN (p.debit, p.credit)
             JOIN entries e ON e.id = p.entry_id JOIN orders o ON o.id = e.order_id
             WHERE a.name = 'buyer_deposits'
               AND (o.closed_at IS NOT NULL OR EXISTS (SELECT 1 FROM sales s WHERE s.order_id = o.id))
             GROUP BY e.order_id, p.currency
             HAVING sum(CASE WHEN p.debit = a.id THEN p.amount_minor ELSE -p.amount_minor END) <> 0",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at) VALUES ('planted', 'x', 'whole-road-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'equity:owner' AND c.name = 'buyer_deposits'",
        ..BASE
    },
    Check {
        id: "prepaid_is_cleared",
        title: "nothing of a sold or closed order stands as goods paid and not yet sold",
        weight: 2,
        action: "show the order's entries: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT e.order_id, 'left in supplier:prepaid',
                    sum(CASE WHEN p.debit = a.id THEN p.amount_minor ELSE -p.amount_minor END), 0, p.currency
             FROM accounts a JOIN postings p ON a.id IN (p.debit, p.credit)
             JOIN entries e ON e.id = p.entry_id JOIN orders o ON o.id = e.order_id
             WHERE a.name = 'supplier:prepaid' AND o.origin <> 'purchase_only'
               AND (o.closed_at IS NOT NULL OR EXISTS (SELECT 1 FROM sales s WHERE s.order_id = o.id))
             GROUP BY e.order_id, p.currency
             HAVING sum(CASE WHEN p.debit = a.id THEN p.amount_minor ELSE -p.amount_minor END) <> 0",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at) VALUES ('planted', 'x', 'whole-road-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'supplier:prepaid' AND c.name = 'supplier:card'",
        ..BASE
    },
    Check {
        id: "closed_is_finished",
        title: "a closed order waits for nothing: no pending claim, no leg owed, no paid order without its sale",
        weight: 2,
        action: "look at the order and let it go on: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT o.id, 'closed while its ' || c.slot || ' is pending'
             FROM claims c JOIN orders o ON o.id = c.order_id
             WHERE c.state = 'pending' AND c.slot <> 'checkout' AND o.closed_at IS NOT NULL
             UNION ALL
             SELECT o.id, 'closed while a leg of its profit is owed'
             FROM sale_now s JOIN orders o ON o.id = s.order_id
             WHERE o.closed_at IS NOT NULL
               AND ((s.platform_leg_minor > 0 AND NOT EXISTS (
                        SELECT 1 FROM claims c
                        WHERE c.order_id = o.id AND c.slot = 'payout:platform' AND c.state <> 'void')
                     AND NOT EXISTS (SELECT 1 FROM legs_paid_otherwise t
                                     WHERE t.order_id = o.id AND t.recipient = 'platform')
                     AND NOT EXISTS (SELECT 1 FROM set_offs t WHERE t.order_id = o.id AND t.recipient = 'platform'
                                        AND t.amount_minor >= s.platform_leg_minor))
                 OR (s.seller_leg_minor > 0 AND NOT EXISTS (
                        SELECT 1 FROM claims c
                        WHERE c.order_id = o.id AND c.slot = 'payout:seller' AND c.state <> 'void')
                     AND NOT EXISTS (SELECT 1 FROM legs_paid_otherwise t
                                     WHERE t.order_id = o.id AND t.recipient = 'seller')
                     AND NOT EXISTS (SELECT 1 FROM set_offs t WHERE t.order_id = o.id AND t.recipient = 'seller'
                                        AND t.amount_minor >= s.seller_leg_minor)))
             UNION ALL
             SELECT o.id, 'paid, closed and never sold' FROM orders o
             WHERE o.closed_at IS NOT NULL AND o.cancelled_at IS NULL AND o.origin <> 'purchase_only'
               AND (o.funds <> 'capture' OR EXISTS (
                    SELECT 1 FROM claims c WHERE c.order_id = o.id AND c.slot = 'capture' AND c.state = 'done'))
               AND NOT EXISTS (SELECT 1 FROM sales s WHERE s.order_id = o.id)
               AND o.total_minor > (SELECT coalesce(sum(r.amount_minor), 0) FROM refunds r
                                    WHERE r.order_id = o.id AND r.status = 'COMPLETED')
                                 + (SELECT coalesce(sum(d.charged_minor), 0) FROM disputes d
                                    WHERE d.order_id = o.id AND d.currency = o.currency)",
        ),
        plant: "UPDATE orders SET closed_at = created_at WHERE id = 'by-channel-order'",
        ..BASE
    },
    Check {
        id: "trial_purchases_are_not_sold",
        title: "a trial purchase has no sale, no capture and no payout",
        weight: 2,
        action: "stop and find out who did it: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT o.id, 'a trial purchase was sold' FROM orders o JOIN sales s ON s.order_id = o.id
             WHERE o.origin = 'purchase_only'
             UNION ALL
             SELECT o.id, 'a trial purchase has a ' || c.slot FROM orders o JOIN claims c ON c.order_id = o.id
             WHERE o.origin = 'purchase_only' AND c.slot <> 'purchase'",
        ),
        plant: "UPDATE orders SET origin = 'purchase_only' WHERE id = 'test-owner-order'",
        companions: &["supplier_paid_is_booked"],
        ..BASE
    },
];
