//! Fees, commission and legs, computed here again in SQL and on purpose not by the domain's functions: a formula
//! compared with itself proves nothing (L12).

use super::{Check, Find, Group};

const BASE: Check = Check::of(Group::FeeCalculationStrict);

pub const CHECKS: &[Check] = &[
    Check {
        id: "commission_recomputes",
        title: "the commission of every sale is rate times base, half away from zero, between nothing and what is left",
        weight: 3,
        action: "compare the sale with its rule: postsale orders show ORDER",
        find: Find::Rows(
            // Twice the product plus the half, divided by twice the whole: rounds half away from zero.
            "SELECT order_id, 'the commission does not follow from its rule', commission_minor, should, currency
             FROM (SELECT s.order_id, s.commission_minor, s.currency,
                          CASE WHEN s.commission_rate IS NULL THEN 0
                          ELSE max(0, min(max(0, b.left_over),
                               sign(b.base) * ((abs(b.base) * s.commission_rate * 2 + 1000000) / 2000000))) END AS should
                   FROM sale_all s JOIN (
                       SELECT order_id, version, gross_minor - tax_minor - fee_minor - supplier_total_minor AS left_over,
                              gross_minor - tax_minor - supplier_total_minor
                              - CASE commission_base WHEN 'net_profit' THEN fee_minor ELSE 0 END AS base
                       FROM sale_all) b ON b.order_id = s.order_id AND b.version = s.version)
             WHERE commission_minor IS NOT should",
        ),
        plant: "UPDATE sales SET commission_rate = commission_rate * 2 WHERE order_id = 'whole-road-order'",
        ..BASE
    },
    Check {
        id: "legs_recompute",
        title: "the legs of every sale are the commission, and the profit with what the seller laid out",
        weight: 3,
        action: "compare the sale with its legs: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT order_id, 'the platform''s leg is not its commission', platform_leg_minor, should, currency
             FROM (SELECT order_id, platform_leg_minor, currency,
                          CASE WHEN commission_rate IS NULL THEN 0 ELSE max(0, commission_minor) END AS should FROM sale_all)
             WHERE platform_leg_minor <> should
             UNION ALL
             SELECT order_id, 'the seller''s leg is not his profit', seller_leg_minor, should, currency
             FROM (SELECT order_id, seller_leg_minor, currency,
                          CASE WHEN commission_rate IS NULL THEN 0
                          ELSE max(0, profit_minor + CASE paid_by WHEN 'seller' THEN supplier_total_minor ELSE 0 END)
                          END AS should FROM sale_all)
             WHERE seller_leg_minor <> should",
        ),
        plant: "UPDATE sales SET seller_leg_minor = seller_leg_minor + 1 WHERE order_id = 'by-channel-order'",
        ..BASE
    },
    Check {
        id: "fee_is_the_providers",
        title: "the fee of every sale is the one PayPal or the channel told",
        weight: 3,
        action: "read the fee where it was taken: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT order_id, 'the sale''s fee is not the one that was told', fee_minor, told, currency
             FROM (SELECT s.order_id, s.fee_minor, s.currency, CASE o.funds
                          WHEN 'capture' THEN (SELECT k.fee_minor FROM claims c JOIN captures k ON k.key = c.key
                                               WHERE c.order_id = o.id AND c.slot = 'capture' AND c.state = 'done')
                          WHEN 'owner' THEN 0
                          WHEN 'held_by_channel' THEN coalesce((
                              SELECT t.fee_minor FROM channel_settlements t
                              WHERE t.order_id = o.id AND t.fee_minor IS NOT NULL AND t.said_at <= s.recorded_at
                              ORDER BY t.seq DESC LIMIT 1), o.channel_fee_minor)
                          ELSE o.channel_fee_minor END AS told
                   FROM sales s JOIN orders o ON o.id = s.order_id)
             WHERE fee_minor IS NOT told",
        ),
        plant: "UPDATE orders SET channel_fee_minor = channel_fee_minor + 1 WHERE id = 'by-channel-order'",
        ..BASE
    },
    Check {
        id: "capture_fee_is_booked",
        title: "PayPal's fee of every capture is booked to the cent",
        weight: 2,
        action: "compare the books with PayPal: postsale reconcile",
        find: Find::Rows(
            "SELECT key, 'booked is not PayPal''s fee', booked, coalesce(fee_minor, 0), currency
             FROM (SELECT k.key, k.fee_minor, c.currency,
                          (SELECT coalesce(sum(p.amount_minor), 0) FROM entries e JOIN postings p ON p.entry_id = e.id
                           JOIN accounts d ON d.id = p.debit JOIN accounts a ON a.id = p.credit
                           WHERE e.kind = 'capture_fee' AND e.ref = k.capture_id AND p.currency = c.currency
                             AND d.name = 'payment_fees' AND a.name = 'paypal:available') AS booked
                   FROM captures k JOIN claims c ON c.key = k.key WHERE k.is_completed = 1)
             WHERE booked <> coalesce(fee_minor, 0)
             UNION ALL
             SELECT e.ref, 'the fee of a capture that is not there', NULL, 0, NULL FROM entries e
             WHERE e.kind = 'capture_fee' AND NOT EXISTS (SELECT 1 FROM captures k WHERE k.capture_id = e.ref)",
        ),
        plant: "UPDATE captures SET fee_minor = fee_minor + 1 WHERE key = 'waits-here-order/capture/1'",
        ..BASE
    },
    Check {
        id: "payout_fee_is_booked",
        title: "PayPal's fee of every payout is booked to the cent",
        weight: 1,
        action: "compare the books with PayPal: postsale reconcile",
        find: Find::Rows(
            "SELECT key, 'booked is not PayPal''s fee', booked, coalesce(fee_minor, 0), currency
             FROM (SELECT p.key, p.fee_minor, c.currency,
                          (SELECT coalesce(sum(CASE WHEN d.name = 'payout_fees' THEN x.amount_minor
                                                    ELSE 0 - x.amount_minor END), 0)
                           FROM entries e JOIN postings x ON x.entry_id = e.id
                           JOIN accounts d ON d.id = x.debit JOIN accounts a ON a.id = x.credit
                           WHERE (e.kind = 'payout' AND e.ref = p.transaction_id
                                  OR e.kind = 'payout_unclaimed' AND e.ref = p.item_id) AND x.currency = c.currency
                             AND 'payout_fees' IN (d.name, a.name) AND 'paypal:available' IN (d.name, a.name)) AS booked
                   FROM payouts p JOIN claims c ON c.key = p.key WHERE c.state = 'done' OR p.left_at IS NOT NULL)
             WHERE booked <> coalesce(fee_minor, 0)",
        ),
        plant: "UPDATE payouts SET fee_minor = fee_minor + 1 WHERE key = 'whole-road-order/payout:seller/1'",
        ..BASE
    },
    Check {
        id: "settled_is_booked",
        title: "money a channel settled stands in the books with its fee, and only for such orders",
        weight: 2,
        action: "compare the settlement with the channel's record: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT id, 'booked as settled is not the order''s total', booked, total_minor, currency
             FROM (SELECT o.id, o.total_minor, o.currency,
                          (SELECT coalesce(sum(p.amount_minor), 0) FROM entries e JOIN postings p ON p.entry_id = e.id
                           JOIN accounts d ON d.id = p.debit JOIN accounts a ON a.id = p.credit
                           WHERE e.kind = 'settled' AND e.ref = o.id AND e.order_id = o.id AND p.currency = o.currency
                             AND d.name = 'paypal:available' AND a.name = 'buyer_deposits') AS booked
                   FROM orders o WHERE o.funds = 'settled')
             WHERE booked <> total_minor
             UNION ALL
             SELECT id, 'booked is not the channel''s fee', booked, coalesce(channel_fee_minor, 0), currency
             FROM (SELECT o.id, o.channel_fee_minor, o.currency,
                          (SELECT coalesce(sum(p.amount_minor), 0) FROM entries e JOIN postings p ON p.entry_id = e.id
                           JOIN accounts d ON d.id = p.debit
                           WHERE e.kind = 'settled' AND e.ref = o.id AND p.currency = o.currency
                             AND d.name = 'channel_fees') AS booked
                   FROM orders o WHERE o.funds = 'settled')
             WHERE booked <> coalesce(channel_fee_minor, 0)
             UNION ALL
             SELECT e.ref, 'settled by nobody: its money is of another kind', NULL, 0, NULL FROM entries e
             LEFT JOIN orders o ON o.id = e.order_id
             WHERE e.kind = 'settled' AND (o.id IS NULL OR o.funds IN ('capture', 'owner'))",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at)
                    VALUES ('settled', 'waits-here-order', 'waits-here-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 9999, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'paypal:available' AND c.name = 'buyer_deposits'",
        ..BASE
    },
];
