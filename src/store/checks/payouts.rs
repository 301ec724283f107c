//! Nothing was paid twice, or could be: one live claim a slot, one effective purchase an order, one effective payout a
//! leg, and paid only by proof (L17–L20).

use super::{Check, Find, Finding, Group, When};
use crate::domain::payout::{NOBODY, receiver_hash};
use crate::store::Result;
use rusqlite::Connection;
use std::collections::BTreeMap;

const BASE: Check = Check::of(Group::DuplicatePayoutRisk);

pub const CHECKS: &[Check] = &[
    Check {
        id: "one_effective_payout_a_leg",
        title: "no leg was paid twice, and none that was paid counts as void",
        weight: 3,
        cap: Some(29),
        action: "stop, and look both payouts up at PayPal: postsale stop; postsale payouts",
        find: Find::Rows(
            "SELECT c.order_id, count(*) || ' payouts to the ' || p.recipient || ' have or may have gone out'
             FROM claims c JOIN payouts p ON p.key = c.key
             WHERE c.state <> 'void' OR p.item_status = 'SUCCESS'
             GROUP BY c.order_id, p.recipient HAVING count(*) > 1 OR sum(c.state = 'void') > 0
             UNION ALL
             SELECT min(key), 'transaction ' || transaction_id || ' pays ' || count(*) || ' legs' FROM payouts
             WHERE transaction_id IS NOT NULL GROUP BY transaction_id HAVING count(*) > 1",
        ),
        plant: "INSERT INTO claims (key, order_id, slot, attempt, state, amount_minor, currency, request_hash,
                                    claimed_at, journal_seq, settled_at)
                    SELECT 'whole-road-order/payout:seller/2', order_id, slot, 2, 'void', amount_minor, currency,
                           request_hash, claimed_at, journal_seq, settled_at
                    FROM claims WHERE key = 'whole-road-order/payout:seller/1';
                INSERT INTO payouts (key, recipient, receiver_hash, item_status, transaction_id)
                    SELECT 'whole-road-order/payout:seller/2', recipient, receiver_hash, 'SUCCESS', 'PAID-AGAIN'
                    FROM payouts WHERE key = 'whole-road-order/payout:seller/1'",
        companions: &["requests_are_what_was_claimed"],
        ..BASE
    },
    Check {
        id: "one_live_claim_a_slot",
        title: "an order has at most one live claim of a slot",
        weight: 2,
        cap: Some(29),
        action: "stop, and look at the far side which one happened: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT order_id, count(*) || ' live claims of ' || slot FROM claims
             WHERE state <> 'void' GROUP BY order_id, slot HAVING count(*) > 1",
        ),
        plant: "DROP INDEX claims_one_live;
                INSERT INTO claims (key, order_id, slot, attempt, state, amount_minor, currency, request_hash,
                                    claimed_at, settled_at)
                    SELECT 'waits-here-order/checkout/2', order_id, slot, 2, 'done', amount_minor, currency,
                           request_hash, claimed_at, settled_at
                    FROM claims WHERE key = 'waits-here-order/checkout/1'",
        companions: &["law_is_whole", "requests_are_what_was_claimed"],
        ..BASE
    },
    Check {
        id: "one_effective_purchase_an_order",
        title: "no order was bought twice",
        weight: 2,
        cap: Some(29),
        action: "DO NOT PAY; cancel the second order on the supplier's site: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT c.order_id, count(DISTINCT c.key) || ' purchases of it stand at the supplier'
             FROM claims c JOIN supplier_orders s ON s.key = c.key
             WHERE s.state <> 'dead'
             GROUP BY c.order_id HAVING count(DISTINCT c.key) > 1 OR sum(c.state = 'void') > 0",
        ),
        plant: "INSERT INTO claims (key, order_id, slot, attempt, state, amount_minor, currency, request_hash,
                                    claimed_at, journal_seq, settled_at)
                    SELECT 'whole-road-order/purchase/2', order_id, slot, 2, 'void', amount_minor, currency,
                           request_hash, claimed_at, journal_seq, settled_at
                    FROM claims WHERE key = 'whole-road-order/purchase/1';
                INSERT INTO supplier_orders (id, key, placed_at) VALUES ('8199999999', 'whole-road-order/purchase/2', 0)",
        companions: &["requests_are_what_was_claimed"],
        ..BASE
    },
    Check {
        id: "payout_is_done_by_proof",
        title: "a payout is done exactly when its item is SUCCESS with a transaction id",
        weight: 2,
        action: "look the payout up at PayPal: postsale payouts",
        find: Find::Rows(
            "SELECT c.key, 'done, and its item is ' || coalesce(p.item_status, 'not seen') FROM claims c
             LEFT JOIN payouts p ON p.key = c.key
             WHERE c.slot IN ('payout:platform', 'payout:seller') AND c.state = 'done'
               AND (p.item_status IS NOT 'SUCCESS' OR p.transaction_id IS NULL)
             UNION ALL
             SELECT c.key, 'SUCCESS at PayPal, and its claim is pending' FROM payouts p JOIN claims c ON c.key = p.key
             WHERE p.item_status = 'SUCCESS' AND p.transaction_id IS NOT NULL AND c.state = 'pending'",
        ),
        plant: "UPDATE payouts SET item_status = 'PENDING' WHERE key = 'whole-road-order/payout:seller/1'",
        ..BASE
    },
    Check {
        id: "payout_is_booked",
        title: "every done payout has its entry and every such entry a done payout, and what left or came back says so",
        weight: 1,
        action: "compare the books with PayPal: postsale reconcile",
        find: Find::Rows(
            "SELECT c.key, 'paid and not booked so' FROM claims c JOIN payouts p ON p.key = c.key
             WHERE c.state = 'done' AND NOT EXISTS (
                 SELECT 1 FROM entries e JOIN postings x ON x.entry_id = e.id
                 JOIN accounts d ON d.id = x.debit JOIN accounts a ON a.id = x.credit
                 WHERE e.kind = 'payout' AND e.ref = p.transaction_id AND e.order_id = c.order_id
                   AND d.name = 'payable:' || p.recipient
                   AND a.name = CASE WHEN p.left_at IS NULL THEN 'paypal:available' ELSE 'payouts_in_transit' END
                   AND x.amount_minor = c.amount_minor AND x.currency = c.currency)
             UNION ALL
             SELECT c.key, 'it left unclaimed and is not booked so' FROM claims c JOIN payouts p ON p.key = c.key
             WHERE p.left_at IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM entries e JOIN postings x ON x.entry_id = e.id
                 JOIN accounts d ON d.id = x.debit JOIN accounts a ON a.id = x.credit
                 WHERE e.kind = 'payout_unclaimed' AND e.ref = p.item_id AND e.order_id = c.order_id
                   AND d.name = 'payouts_in_transit' AND a.name = 'paypal:available'
                   AND x.amount_minor = c.amount_minor AND x.currency = c.currency)
             UNION ALL
             SELECT c.key, 'it came back and is not booked so' FROM claims c JOIN payouts p ON p.key = c.key
             WHERE c.state = 'void'
               AND (p.left_at IS NOT NULL
                    OR EXISTS (SELECT 1 FROM entries e WHERE e.kind = 'payout' AND e.ref = p.transaction_id))
               AND NOT EXISTS (
                 SELECT 1 FROM entries e JOIN postings x ON x.entry_id = e.id
                 JOIN accounts d ON d.id = x.debit JOIN accounts a ON a.id = x.credit
                 WHERE e.kind = 'payout_returned' AND e.ref = p.item_id AND e.order_id = c.order_id
                   AND d.name = 'paypal:available'
                   AND a.name = CASE WHEN EXISTS (
                           SELECT 1 FROM entries q WHERE q.kind = 'payout' AND q.ref = p.transaction_id)
                       THEN 'payable:' || p.recipient ELSE 'payouts_in_transit' END
                   AND x.amount_minor = c.amount_minor AND x.currency = c.currency)
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books the return of a payout that stands' FROM entries e
             WHERE e.kind = 'payout_returned' AND NOT EXISTS (
                 SELECT 1 FROM payouts p JOIN claims c ON c.key = p.key WHERE p.item_id = e.ref AND c.state = 'void')
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books a payout that is not there' FROM entries e
             WHERE e.kind = 'payout' AND NOT EXISTS (
                 SELECT 1 FROM payouts p JOIN claims c ON c.key = p.key
                 WHERE p.transaction_id = e.ref AND c.state <> 'pending' AND c.order_id IS e.order_id)",
        ),
        plant: "INSERT INTO entries (kind, ref, booked_at) VALUES ('payout', 'FORGED', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 777, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'payable:seller' AND c.name = 'paypal:available'",
        ..BASE
    },
    Check {
        id: "payout_is_its_leg",
        title: "every payout asked for is one leg of a sale less what was netted of it before, to the cent",
        weight: 1,
        action: "stop, and compare payout and sale: postsale stop; postsale payouts",
        find: Find::Rows(
            // A leg that a correction changed was asked for as it stood then, and less only by what was netted before. What
            // was rebuilt from the journal was a leg of a version that this database may never have; its debt is checked.
            "SELECT c.key, 'asked for is not the leg', c.amount_minor,
                    CASE p.recipient WHEN 'platform' THEN s.platform_leg_minor ELSE s.seller_leg_minor END, c.currency
             FROM claims c JOIN payouts p ON p.key = c.key LEFT JOIN sale_now s ON s.order_id = c.order_id
             WHERE c.state <> 'void' AND (c.slot <> 'payout:' || p.recipient OR NOT EXISTS (
                 SELECT 1 FROM sale_all v WHERE v.order_id = c.order_id AND v.currency = c.currency
                    AND c.amount_minor + (SELECT coalesce(sum(t.amount_minor), 0) FROM set_offs t
                                          WHERE t.order_id = c.order_id AND t.recipient = p.recipient
                                            AND t.after_key IS NOT c.key)
                        = CASE p.recipient WHEN 'platform' THEN v.platform_leg_minor ELSE v.seller_leg_minor END)
                 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.order_id = c.order_id AND e.kind = 'rebuilt'
                                    AND instr(e.detail, c.key)))",
        ),
        plant: "UPDATE claims SET amount_minor = amount_minor + 1 WHERE key = 'is-settled-order/payout:seller/1'",
        companions: &["payout_is_booked", "debts_follow_what_was_paid"],
        ..BASE
    },
    Check {
        id: "payout_executed_is_proven",
        title: "payout_executed stands exactly on sales of which every leg is done",
        weight: 1,
        action: "look the payouts up at PayPal: postsale payouts",
        find: Find::Rows(
            // Due: every leg as it stands now is proven paid. Once due it stays, whatever is corrected afterwards: a leg that a
            // correction made may be netted, or paid otherwise.
            "SELECT order_id, 'payout_executed is ' || payout_executed || ', legs: ' || legs || ', proven: ' || proven
             FROM (SELECT n.order_id, n.payout_executed, (n.platform_leg_minor > 0) + (n.seller_leg_minor > 0) AS legs,
                          (SELECT count(*) FROM claims c LEFT JOIN set_offs t
                                  ON t.order_id = c.order_id AND 'payout:' || t.recipient = c.slot
                           WHERE c.order_id = n.order_id AND c.state = 'done'
                             AND CASE c.slot WHEN 'payout:platform' THEN n.platform_leg_minor
                                             WHEN 'payout:seller' THEN n.seller_leg_minor END
                                 BETWEEN 1 AND c.amount_minor + coalesce(t.amount_minor, 0))
                          AS proven,
                          (SELECT count(*) FROM claims c WHERE c.order_id = n.order_id AND c.state = 'done'
                             AND c.slot IN ('payout:platform', 'payout:seller')) AS done,
                          (SELECT count(*) FROM (SELECT 'platform' AS name, n.platform_leg_minor AS leg
                                                 UNION ALL SELECT 'seller', n.seller_leg_minor) r
                           WHERE r.leg > 0
                             AND (EXISTS (SELECT 1 FROM set_offs t WHERE t.order_id = n.order_id AND t.recipient = r.name)
                                  OR EXISTS (SELECT 1 FROM legs_paid_otherwise o
                                             WHERE o.order_id = n.order_id AND o.recipient = r.name))
                             AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.order_id = n.order_id
                                                AND c.slot = 'payout:' || r.name AND c.state = 'done')) AS otherwise
                   FROM sale_now n)
             WHERE (payout_executed = 0 AND legs > 0 AND legs = proven)
                OR (payout_executed = 1 AND (done = 0 OR done + otherwise < legs))",
        ),
        plant: "UPDATE sales SET payout_executed = 1 WHERE order_id = 'test-owner-order'",
        ..BASE
    },
    Check {
        id: "payout_went_to_a_confirmed_payee",
        title: "every payout goes to the payee that was confirmed when it was asked for",
        weight: 1,
        action: "stop, and see to whom it went at PayPal: postsale stop; postsale payouts",
        find: Find::Look(payees),
        plant: "UPDATE payouts SET receiver_hash = 'somebody else' WHERE key = 'whole-road-order/payout:platform/1'",
        ..BASE
    },
    Check {
        id: "payout_has_money_behind_it",
        title: "profit leaves only against money that came in",
        weight: 1,
        action: "stop, and settle the order first: postsale stop; postsale orders show ORDER",
        find: Find::Rows(
            "SELECT c.key, 'a payout of an order whose money is ' || o.funds
             FROM claims c JOIN orders o ON o.id = c.order_id
             WHERE c.slot IN ('payout:platform', 'payout:seller') AND c.state <> 'void'
               AND (o.funds = 'held_by_channel' AND NOT EXISTS (
                        SELECT 1 FROM channel_settlements t WHERE t.order_id = o.id)
                    OR o.funds = 'capture' AND NOT EXISTS (
                    SELECT 1 FROM claims k WHERE k.order_id = o.id AND k.slot = 'capture' AND k.state = 'done'))",
        ),
        plant: "INSERT INTO claims (key, order_id, slot, attempt, amount_minor, currency, request_hash, claimed_at)
                    SELECT 'by-channel-order/payout:seller/1', order_id, 'payout:seller', 1, seller_leg_minor, currency,
                           'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', recorded_at
                    FROM sales WHERE order_id = 'by-channel-order';
                INSERT INTO requests (key, bytes) VALUES ('by-channel-order/payout:seller/1', x'');
                INSERT INTO payouts (key, recipient, receiver_hash)
                    SELECT 'by-channel-order/payout:seller/1', recipient, receiver_hash
                    FROM payouts WHERE key = 'whole-road-order/payout:seller/1'",
        ..BASE
    },
    Check {
        id: "executed_payouts_clear_the_debt",
        title: "nothing is owed where every leg was paid but what a correction added",
        weight: 1,
        action: "show the order's entries: postsale orders show ORDER",
        find: Find::Rows(
            // What a correction made of a leg afterwards stands as his debt, or as what is still to be paid otherwise.
            "SELECT n.order_id, 'still owed to the ' || w.recipient, coalesce(b.minor, 0),
                    max(0, w.leg - w.done - w.otherwise), n.currency
             FROM sale_now n JOIN (
                 SELECT v.order_id, r.recipient,
                        CASE r.recipient WHEN 'platform' THEN v.platform_leg_minor ELSE v.seller_leg_minor END AS leg,
                        (SELECT coalesce(sum(c.amount_minor), 0) FROM claims c WHERE c.order_id = v.order_id
                            AND c.slot = 'payout:' || r.recipient AND c.state = 'done') AS done,
                        (SELECT coalesce(sum(t.amount_minor), 0) FROM legs_paid_otherwise t
                         WHERE t.order_id = v.order_id AND t.recipient = r.recipient)
                        + (SELECT coalesce(sum(t.amount_minor), 0) FROM set_offs t
                           WHERE t.order_id = v.order_id AND t.recipient = r.recipient) AS otherwise
                 FROM sale_now v, (SELECT 'platform' AS recipient UNION ALL SELECT 'seller') r) w
                 ON w.order_id = n.order_id
             LEFT JOIN (
                 SELECT e.order_id, a.name, sum(CASE p.credit WHEN a.id THEN p.amount_minor ELSE -p.amount_minor END) AS minor
                 FROM accounts a JOIN postings p ON a.id IN (p.debit, p.credit) JOIN entries e ON e.id = p.entry_id
                 WHERE a.name LIKE 'payable:%' GROUP BY e.order_id, a.name) b
                 ON b.order_id = n.order_id AND b.name = 'payable:' || w.recipient
             WHERE n.payout_executed = 1 AND coalesce(b.minor, 0) <> max(0, w.leg - w.done - w.otherwise)",
        ),
        plant: "INSERT INTO entries (kind, ref, order_id, booked_at) VALUES ('planted', 'x', 'whole-road-order', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 100, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'equity:owner' AND c.name = 'payable:seller'",
        ..BASE
    },
];

/// The rows keep only the payee of today, so a payout older than its confirmation cannot be compared; one that was
/// asked for before anybody was confirmed is a violation all the same.
fn payees(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    let mut statement = connection.prepare("SELECT recipient, email, confirmed_at FROM payees")?;
    let read = |row: &rusqlite::Row<'_>| {
        let (recipient, email): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((recipient, (receiver_hash(&email), row.get::<_, i64>(2)?)))
    };
    let confirmed = statement.query_map([], read)?.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
    let sql = "SELECT p.key, p.recipient, p.receiver_hash, c.claimed_at
               FROM payouts p JOIN claims c ON c.key = p.key WHERE c.state <> 'void'";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, recipient): (String, String) = (row.get(0)?, row.get(1)?);
        let (receiver, claimed_at): (String, i64) = (row.get(2)?, row.get(3)?);
        match confirmed.get(&recipient) {
            None => found.push(Finding::new(key, format!("no {recipient} payee was ever confirmed"))),
            // Of one that was taken up from PayPal's statement it is not known yet.
            Some(_) if receiver == receiver_hash(NOBODY) => {}
            Some((hash, at)) if claimed_at >= *at && receiver != *hash => {
                found.push(Finding::new(key, format!("goes to somebody else than the confirmed {recipient} payee")));
            }
            Some(_) => {}
        }
    }
    Ok(found)
}
