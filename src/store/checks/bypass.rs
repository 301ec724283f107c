//! Nothing came into the books beside the one door: every capture is claimed, proven and booked, every payment pays one
//! order, and no order is of another mode, unheard of or out of sight.

use super::{Check, Find, Finding, Group, When};
use crate::domain::hold::HoldCode;
use crate::domain::trade::Why;
use crate::store::{Result, claims};
use rusqlite::Connection;

const BASE: Check = Check::of(Group::WebhookBypassDetected);

pub const CHECKS: &[Check] = &[
    Check {
        id: "capture_has_its_proof",
        title: "a capture is done exactly when PayPal showed it completed",
        weight: 2,
        action: "look the payment up at PayPal: postsale orders show ORDER",
        find: Find::Rows(
            "SELECT c.key, 'done, and PayPal showed no completed capture' FROM claims c
             WHERE c.slot = 'capture' AND c.state = 'done'
               AND NOT EXISTS (SELECT 1 FROM captures k WHERE k.key = c.key AND k.is_completed = 1)
             UNION ALL
             SELECT k.key, 'completed at PayPal, and its claim is ' || coalesce(c.slot || ' ' || c.state, 'not there')
             FROM captures k LEFT JOIN claims c ON c.key = k.key
             WHERE k.is_completed = 1 AND (c.key IS NULL OR c.slot <> 'capture' OR c.state <> 'done')",
        ),
        plant: "UPDATE captures SET is_completed = 0 WHERE key = 'waits-here-order/capture/1'",
        ..BASE
    },
    Check {
        id: "capture_is_booked",
        title: "every done capture is the order's total and has its entry, and every such entry a capture",
        weight: 2,
        action: "compare the books with PayPal: postsale reconcile",
        find: Find::Rows(
            "SELECT c.key, 'captured and not booked so' FROM claims c JOIN captures k ON k.key = c.key
             WHERE c.slot = 'capture' AND c.state = 'done' AND NOT EXISTS (
                 SELECT 1 FROM entries e JOIN postings p ON p.entry_id = e.id
                 JOIN accounts d ON d.id = p.debit JOIN accounts a ON a.id = p.credit
                 WHERE e.kind = 'capture' AND e.ref = k.capture_id AND e.order_id = c.order_id
                   AND d.name = 'paypal:available' AND a.name = 'buyer_deposits'
                   AND p.amount_minor = c.amount_minor AND p.currency = c.currency)
             UNION ALL
             SELECT c.key, 'what was captured is not the order''s total' FROM claims c JOIN orders o ON o.id = c.order_id
             WHERE c.slot = 'capture' AND c.state = 'done'
               AND (c.amount_minor <> o.total_minor OR c.currency <> o.currency)
             UNION ALL
             SELECT e.ref, 'entry ' || e.id || ' books a capture that is not there' FROM entries e
             WHERE e.kind = 'capture' AND NOT EXISTS (
                 SELECT 1 FROM captures k JOIN claims c ON c.key = k.key
                 WHERE k.capture_id = e.ref AND c.state = 'done' AND c.order_id IS e.order_id)",
        ),
        plant: "INSERT INTO entries (kind, ref, booked_at) VALUES ('capture', 'CAPTURE-FORGED', 0);
                INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency)
                    SELECT max(e.id), 1, d.id, c.id, 5000, 'USD' FROM entries e, accounts d, accounts c
                    WHERE d.name = 'paypal:available' AND c.name = 'buyer_deposits'",
        ..BASE
    },
    Check {
        id: "one_payment_pays_one_order",
        title: "no capture and no PayPal order pays two orders",
        weight: 1,
        action: "find out which order was paid, hold the other: postsale orders hold ORDER",
        find: Find::Rows(
            "SELECT o.id, 'its payment ' || k.capture_id || ' pays order ' || c.order_id || ' too'
             FROM orders o JOIN captures k ON 'paypal:' || k.capture_id = o.outside_capture JOIN claims c ON c.key = k.key
             WHERE c.order_id <> o.id
             UNION ALL
             SELECT min(id), 'payment ' || outside_capture || ' pays ' || count(*) || ' orders' FROM orders
             WHERE outside_capture IS NOT NULL GROUP BY outside_capture HAVING count(*) > 1
             UNION ALL
             SELECT min(order_id), 'PayPal order ' || paypal_order_id || ' is of ' || count(*) || ' orders'
             FROM checkouts WHERE paypal_order_id IS NOT NULL GROUP BY paypal_order_id HAVING count(*) > 1
             UNION ALL
             SELECT min(key), 'capture ' || capture_id || ' stands ' || count(*) || ' times' FROM captures
             GROUP BY capture_id HAVING count(*) > 1",
        ),
        plant: "UPDATE orders SET outside_capture = 'paypal:CAPTURE-A' WHERE id = 'by-channel-order'",
        ..BASE
    },
    Check {
        id: "claims_are_journaled",
        title: "every settled claim that moves money has its line in the intent journal",
        weight: 2,
        action: "stop, and compare with the far side what was sent: postsale stop; postsale doctor",
        find: Find::Rows(
            // A capture that we only saw (sends = 0) was adopted and never announced.
            "SELECT key, slot || ' is ' || state || ' without a line in the journal' FROM claims
             WHERE state IN ('done', 'void') AND slot <> 'checkout' AND journal_seq IS NULL
               AND NOT (slot = 'capture' AND sends = 0)",
        ),
        plant: "UPDATE claims SET journal_seq = NULL WHERE key = 'whole-road-order/purchase/1'",
        ..BASE
    },
    Check {
        id: "no_outcome_is_unknown_for_long",
        title: "no outcome is unknown after its last look",
        weight: 2,
        cap: Some(59),
        action: "look at the far side yourself and say what is there: postsale queue",
        find: Find::Rows(
            // A batch that PayPal accepted and a capture it shows are in its hands, not unknown.
            "SELECT c.key, c.slot || ' may have gone out and nobody knows', c.amount_minor, NULL, c.currency
             FROM claims c
             WHERE c.state = 'pending' AND c.slot <> 'checkout' AND c.unknown_at < :now - :ladder
               AND NOT EXISTS (SELECT 1 FROM payouts p WHERE p.key = c.key AND p.batch_id IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM captures k WHERE k.key = c.key)",
        ),
        plant: "UPDATE payouts SET batch_id = NULL WHERE key = 'is-settled-order/payout:seller/1';
                UPDATE claims SET unknown_at = unknown_at - 31 * 86400000
                WHERE key = 'is-settled-order/payout:seller/1'",
        ..BASE
    },
    Check {
        id: "orders_are_of_one_mode",
        title: "every order is of the database's own mode",
        weight: 2,
        action: "stop; a rehearsal's row stands among real ones: postsale stop",
        find: Find::Rows(
            "SELECT id, 'an order of mode ' || mode FROM orders
             WHERE mode IS NOT (SELECT value FROM meta WHERE name = 'mode')",
        ),
        plant: "UPDATE orders SET mode = 'production' WHERE id = 'waits-here-order'",
        ..BASE
    },
    Check {
        id: "requests_are_what_was_claimed",
        title: "the stored bytes of every request are the ones that were claimed",
        weight: 1,
        action: "stop; a resend would send something else: postsale stop",
        find: Find::Look(requests),
        plant: "UPDATE requests SET bytes = x'00' WHERE key = 'is-settled-order/payout:seller/1'",
        ..BASE
    },
    Check {
        id: "open_orders_stand_in_a_queue",
        title: "every open order has a next look or a reason it waits for",
        weight: 1,
        action: "release the order so that it is looked at: postsale orders release ORDER",
        find: Find::Look(out_of_sight),
        plant: "UPDATE orders SET next_look_at = NULL, waits_for = 'OpenCheckout' WHERE id = 'waits-here-order'",
        ..BASE
    },
];

/// Pending claims, or all of them in a deep run. Bytes that were erased leave their row.
fn requests(connection: &Connection, when: &When) -> Result<Vec<Finding>> {
    let sql = "SELECT c.key, c.state, c.request_hash, r.bytes, r.key IS NOT NULL
               FROM claims c LEFT JOIN requests r ON r.key = c.key WHERE c.state = 'pending' OR ?1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([when.is_deep])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, state, hash): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_erased = state != "pending" && row.get(4)?;
        match row.get::<_, Option<Vec<u8>>>(3)? {
            Some(bytes) if claims::hash(&bytes) != hash => {
                found.push(Finding::new(key, "the stored request is not the one that was claimed"));
            }
            None if !is_erased => found.push(Finding::new(key, format!("{state}, and its request is gone"))),
            _ => {}
        }
    }
    Ok(found)
}

/// Without a next look an order goes on only by a new fact, so it must say which: a hold, or a wait.
fn out_of_sight(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    let sql = "SELECT id, waits_for FROM orders WHERE closed_at IS NULL AND next_look_at IS NULL";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut found = Vec::new();
    for row in rows {
        let (id, waits_for) = row?;
        let code = waits_for.split_once(':').map_or("", |(code, _)| code);
        if HoldCode::parse(code).is_none() && Why::parse(&waits_for).is_none() {
            found.push(Finding::new(id, "open, and nobody will ever look at it again"));
        }
    }
    Ok(found)
}
