//! The table against its own damage: every check notices what was planted for it, and nobody else does but the named.

use super::drill::{Stage, drill};
use super::*;

fn when(is_deep: bool) -> When {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365);
    When { now, ladder: SignedDuration::from_hours(122), is_deep }
}

#[test]
fn weights_add_up_and_names_are_unique() {
    let table = table();
    for group in Group::ALL {
        let sum: u32 = table.iter().filter(|c| c.group == *group).map(|c| c.weight).sum();
        assert_eq!(sum, group.weight(), "{group}");
    }
    let mut ids: Vec<_> = table.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), table.len());
    for check in &table {
        assert!(check.weight > 0 || check.is_deep && check.cap.is_some(), "{} would cost nothing", check.id);
        assert!(!check.title.is_empty() && check.action.contains("postsale"), "{} says what to do", check.id);
    }
}

#[test]
fn l2_a_healthy_book_passes_every_check() {
    let stage = Stage::new().unwrap();
    for check in table() {
        assert_eq!(check.look(stage.healthy(), &when(true)).unwrap(), [], "{}", check.id);
    }
}

#[test]
fn f44_each_damage_is_seen_by_its_own_check_and_its_named_companions() {
    let stage = Stage::new().unwrap();
    let table = table();
    let mut otherwise = Vec::new();
    for planted in &table {
        let failing = |c: &Connection| {
            let objects = |check: &&Check| !check.look(c, &when(true)).unwrap().is_empty();
            table.iter().filter(objects).map(|check| check.id).collect::<Vec<_>>()
        };
        let mut failing = stage.damaged(planted.plant, failing).unwrap();
        let mut expected = [&[planted.id], planted.companions].concat();
        failing.sort_unstable();
        expected.sort_unstable();
        if failing != expected {
            otherwise.push(format!("planted for {}: seen by {failing:?}, expected {expected:?}", planted.id));
        }
    }
    assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
    for check in &table {
        assert_eq!(check.look(stage.healthy(), &when(true)).unwrap(), [], "the damage for {} stayed", check.id);
    }
}

#[test]
fn f44_a_blind_an_alarming_and_a_throwing_check_are_dead_alarms() {
    let check = |find: Find, expected: &str| {
        let mutants: Vec<Check> = table().into_iter().map(|c| Check { find, ..c }).collect();
        for drilled in drill(&mutants, &when(true)).unwrap() {
            assert!(!drilled.is_caught, "{}", drilled.id);
            assert!(drilled.why.as_deref().is_some_and(|why| why.contains(expected)), "{drilled:?}");
        }
    };
    check(Find::Rows("SELECT 'x', 'y' WHERE 0"), "did not notice");
    check(Find::Rows("SELECT 'x', 'y'"), "objects to a healthy book");
    check(Find::Rows("SELECT id FROM there_is_no_such_table"), "could not look");
    assert!(drill(&table(), &when(true)).unwrap().iter().all(|d| d.is_caught));
}

/// The other halves of checks that look from two sides; the plant in the table is one of them.
const MORE: &[(&str, &str)] = &[
    ("sale_has_a_paid_purchase", "UPDATE supplier_orders SET state = 'placed' WHERE id = '8100000002'"),
    ("sale_has_its_money", "UPDATE captures SET is_completed = 0 WHERE capture_id = 'CAPTURE-A'"),
    ("refund_is_booked", "UPDATE entries SET order_id = NULL WHERE ref = 'BACK-G'"),
    ("refund_is_booked", "DELETE FROM refunds WHERE refund_id = 'BACK-G'"),
    ("refund_is_booked", "UPDATE claims SET state = 'pending', settled_at = NULL WHERE key LIKE '%refund:1/1'"),
    // Given up by PayPal after it was booked, and its return is not.
    ("refund_is_booked", "UPDATE refunds SET status = 'CANCELLED' WHERE refund_id = 'BACK-G'"),
    ("refunds_are_within_the_capture", "DELETE FROM refund_orders"),
    ("refunds_are_within_the_capture", "UPDATE refunds SET amount_minor = 2501"),
    (
        "refunds_are_within_the_capture",
        "DROP INDEX claims_one_live;
         INSERT INTO claims (key, order_id, slot, attempt, amount_minor, currency, request_hash, claimed_at)
             SELECT 'given-back-order/refund:1/2', order_id, slot, 2, amount_minor, currency, request_hash, claimed_at
             FROM claims WHERE key = 'given-back-order/refund:1/1'",
    ),
    (
        "told_is_booked",
        "INSERT INTO channel_settlements (order_id, reference, amount_minor, currency, account, settled_at, said_at,
                                          said_by) VALUES ('by-channel-order', 'S1', 100, 'USD', 'bank', 0, 0, 'x')",
    ),
    ("told_is_booked", "INSERT INTO supplier_refunds VALUES ('8100000004', 'R1', 100, 'USD', 0, 'x')"),
    (
        "told_is_booked",
        "INSERT INTO legs_paid_otherwise VALUES ('by-channel-order', 'seller', 'B1', 100, 'USD', 0, 'x')",
    ),
    ("dispute_is_booked", "DELETE FROM dispute_movements WHERE is_debit = 0"),
    ("dispute_is_booked", "UPDATE dispute_movements SET reason = 'DISPUTE_FEE' WHERE is_debit = 0"),
    ("dispute_is_booked", "UPDATE disputes SET charged_minor = 2000"),
    ("dispute_is_booked", "INSERT INTO entries (kind, ref, booked_at) VALUES ('chargeback', 'PP-GONE/1', 0)"),
    ("refunds_are_within_the_capture", "UPDATE disputes SET charged_minor = 2001"),
    ("set_off_is_booked", "DELETE FROM set_offs"),
    ("debts_follow_what_was_paid", "UPDATE set_offs SET amount_minor = amount_minor + 10000"),
    ("sale_is_corrected", "UPDATE refunds SET status = 'FAILED'"),
    ("sale_is_corrected", "DELETE FROM entries WHERE kind = 'sale_correction'"),
    ("sale_is_corrected", "INSERT INTO supplier_refunds VALUES ('8100000004', 'R1', 100, 'USD', 0, 'x')"),
    ("sale_has_its_money", "DELETE FROM orders WHERE id = 'by-channel-order'"),
    ("sale_is_booked_once", "DELETE FROM entries WHERE kind = 'sale' AND ref = 'whole-road-order'"),
    ("sale_is_of_its_order", "UPDATE sales SET tax_minor = tax_minor + 1 WHERE order_id = 'whole-road-order'"),
    // One flipped bit does this, and SQLite minds it only after a start.
    (
        "law_is_whole",
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET name = CAST(name AS BLOB) WHERE name = 'purchases_twice'",
    ),
    ("closed_is_finished", "UPDATE orders SET closed_at = 1 WHERE id = 'is-settled-order'"),
    ("closed_is_finished", "UPDATE orders SET closed_at = 1 WHERE id = 'waits-here-order'"),
    ("trial_purchases_are_not_sold", "UPDATE claims SET slot = 'capture' WHERE order_id = 'only-trial-order'"),
    (
        "capture_has_its_proof",
        "UPDATE claims SET state = 'pending', settled_at = NULL WHERE key = 'waits-here-order/capture/1'",
    ),
    ("capture_has_its_proof", "DELETE FROM claims WHERE key = 'waits-here-order/capture/1'"),
    ("capture_is_booked", "DELETE FROM entries WHERE kind = 'capture' AND ref = 'CAPTURE-E'"),
    ("capture_is_booked", "UPDATE orders SET total_minor = total_minor - 1 WHERE id = 'waits-here-order'"),
    ("claims_are_journaled", "UPDATE claims SET journal_seq = NULL WHERE state = 'void'"),
    ("requests_are_what_was_claimed", "DELETE FROM requests WHERE key = 'is-settled-order/payout:seller/1'"),
    ("requests_are_what_was_claimed", "DELETE FROM requests WHERE key = 'whole-road-order/purchase/1'"),
    ("requests_are_what_was_claimed", "UPDATE requests SET bytes = x'00' WHERE key = 'whole-road-order/purchase/1'"),
    ("open_orders_stand_in_a_queue", "UPDATE orders SET waits_for = '' WHERE id = 'by-channel-order'"),
    ("database_is_not_behind_its_journal", "DELETE FROM meta WHERE name = 'journal_seq'"),
    ("timeline_is_whole", "DELETE FROM events WHERE seq = 5"),
    ("timeline_is_whole", "UPDATE events SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM events)"),
    ("timeline_tells_it_all", "DELETE FROM events WHERE kind = 'captured'"),
    ("timeline_tells_it_all", "DELETE FROM events WHERE kind = 'paid_out'"),
    ("jobs_are_on_time", "INSERT INTO jobs (name, due_at, finished_at) VALUES ('planted', 2, 1)"),
    ("jobs_are_on_time", "INSERT INTO jobs (name, due_at, started_at) VALUES ('planted', 2, 3)"),
    ("references_are_whole", "DELETE FROM checkouts; DELETE FROM products"),
    ("one_effective_payout_a_leg", "UPDATE claims SET state = 'void' WHERE key = 'whole-road-order/payout:seller/1'"),
    ("one_effective_purchase_an_order", "UPDATE claims SET state = 'void' WHERE key = 'whole-road-order/purchase/1'"),
    (
        "payout_is_done_by_proof",
        "UPDATE claims SET state = 'pending', settled_at = NULL WHERE key = 'whole-road-order/payout:seller/1'",
    ),
    ("payout_is_done_by_proof", "DELETE FROM payouts WHERE key = 'whole-road-order/payout:seller/1'"),
    ("payout_is_booked", "DELETE FROM entries WHERE kind = 'payout' AND ref = 'PAID-A1'"),
    ("payout_is_booked", "DELETE FROM entries WHERE kind = 'payout_unclaimed'"),
    ("payout_is_booked", "UPDATE payouts SET left_at = 1 WHERE key = 'whole-road-order/payout:seller/1'"),
    ("payout_is_booked", "UPDATE claims SET state = 'void' WHERE key = 'is-settled-order/payout:seller/1'"),
    (
        "payout_is_booked",
        "INSERT INTO entries (kind, ref, booked_at) VALUES ('payout_returned', 'whole-road-order/payout:seller/1/item', 0)",
    ),
    ("payout_fee_is_booked", "UPDATE payouts SET fee_minor = 0 WHERE key = 'is-settled-order/payout:seller/1'"),
    ("payout_is_its_leg", "UPDATE claims SET currency = 'EUR' WHERE key = 'is-settled-order/payout:seller/1'"),
    // Netted before it was asked for, and asked for in full; netted after it, and asked for with less.
    ("payout_is_its_leg", "INSERT INTO set_offs VALUES ('whole-road-order', 'seller', 1, 'USD', 9, NULL)"),
    (
        "payout_is_its_leg",
        "INSERT INTO set_offs VALUES ('whole-road-order', 'seller', 1, 'USD', 9, 'whole-road-order/payout:seller/1');
         UPDATE claims SET amount_minor = amount_minor - 1 WHERE key = 'whole-road-order/payout:seller/1'",
    ),
    ("payout_executed_is_proven", "UPDATE sales SET payout_executed = 0 WHERE order_id = 'whole-road-order'"),
    ("payout_executed_is_proven", "UPDATE sales SET payout_executed = 1 WHERE order_id = 'is-settled-order'"),
    ("payout_executed_is_proven", "UPDATE sales SET payout_executed = 1 WHERE order_id = 'lost-money-order'"),
    ("payout_went_to_a_confirmed_payee", "DELETE FROM payees WHERE recipient = 'seller'"),
    ("payout_has_money_behind_it", "UPDATE claims SET state = 'void' WHERE key = 'whole-road-order/capture/1'"),
    ("legs_recompute", "UPDATE sales SET platform_leg_minor = 1 WHERE order_id = 'lost-money-order'"),
    ("legs_recompute", "UPDATE sales SET paid_by = 'owner' WHERE order_id = 'is-settled-order'"),
    ("fee_is_the_providers", "UPDATE captures SET fee_minor = NULL WHERE capture_id = 'CAPTURE-A'"),
    ("fee_is_the_providers", "UPDATE sales SET fee_minor = 1 WHERE order_id = 'test-owner-order'"),
    ("capture_fee_is_booked", "DELETE FROM captures WHERE capture_id = 'CAPTURE-A'"),
    ("settled_is_booked", "UPDATE orders SET channel_fee_minor = 121 WHERE id = 'is-settled-order'"),
    ("settled_is_booked", "DELETE FROM entries WHERE kind = 'settled'"),
    ("supplier_paid_is_booked", "DELETE FROM entries WHERE kind = 'supplier_paid' AND ref = '8100000001'"),
    ("cost_is_the_suppliers_own_total", "UPDATE supplier_orders SET currency = 'EUR' WHERE id = '8100000002'"),
    ("balances_are_sums", "DELETE FROM balances WHERE currency = 'USD'"),
    ("balances_are_sums", "DELETE FROM postings WHERE seq = 2"),
    ("postings_are_sound", "DELETE FROM entries WHERE kind = 'opening'"),
    ("postings_are_sound", "UPDATE postings SET credit = debit WHERE seq = 2"),
    (
        "nothing_moved_twice",
        "INSERT INTO findings (provider, kind, ref, contradicts, first_seen_at, last_seen_at, detail)
         VALUES ('paypal', 'happened_all_the_same', 'X', 1, 0, 0, 'planted')",
    ),
    (
        "records_are_as_stated",
        "INSERT INTO findings (provider, kind, ref, contradicts, first_seen_at, last_seen_at, detail)
         VALUES ('aliexpress', 'supplier_unpaid', '8100000001', 1, 0, 0, 'planted')",
    ),
    ("test_orders_stand_apart", "UPDATE orders SET origin = 'test' WHERE id = 'whole-road-order'"),
];

#[test]
fn every_side_of_a_check_sees_its_damage() {
    let stage = Stage::new().unwrap();
    let table = table();
    for (id, damage) in MORE {
        let check = table.iter().find(|c| c.id == *id).unwrap();
        let found = stage.damaged(damage, |c| check.look(c, &when(true))).unwrap().unwrap();
        assert!(!found.is_empty(), "{id} did not notice: {damage}");
    }
}

#[test]
fn what_is_in_order_is_not_objected_to() {
    let stage = Stage::new().unwrap();
    let table = table();
    let check = |id: &str, change: &str| {
        let check = table.iter().find(|c| c.id == id).unwrap();
        assert_eq!(stage.damaged(change, |c| check.look(c, &when(true))).unwrap().unwrap(), [], "{change}");
    };
    let now = when(true).now.as_millisecond();
    let job = |columns: &str, values: &str| format!("INSERT INTO jobs (name, {columns}) VALUES ('job', {values})");
    check("jobs_are_on_time", &job("due_at", &format!("{}", now - 3_000_000)));
    check("jobs_are_on_time", &job("due_at, started_at", &format!("1, {}", now - 1000)));
    check("jobs_are_on_time", &job("due_at, started_at, finished_at", "1, 2, 3"));
    // Adopted: PayPal showed it and we never asked, so it was never announced.
    let adopted =
        "UPDATE claims SET journal_seq = NULL, sends = 0, sent_at = NULL WHERE key = 'waits-here-order/capture/1'";
    check("claims_are_journaled", adopted);
    // An address that was confirmed later says nothing about an earlier payout.
    let later = "UPDATE payees SET email = 'new@book.invalid', confirmed_at = confirmed_at + 1";
    check("payout_went_to_a_confirmed_payee", later);
    // What was netted after a payout says nothing of it.
    let after =
        "INSERT INTO set_offs VALUES ('whole-road-order', 'seller', 1, 'USD', 9, 'whole-road-order/payout:seller/1')";
    check("payout_is_its_leg", after);
    // Erased bytes of what is settled, and an order that waits for a fact or stands before a human.
    check("requests_are_what_was_claimed", "UPDATE requests SET bytes = NULL WHERE key LIKE 'whole-road-order/%'");
    let held = "UPDATE orders SET next_look_at = NULL, waits_for = 'purchase_unknown: may have been bought'";
    check("open_orders_stand_in_a_queue", held);
    let finding = |kind: &str, resolved: &str| {
        format!(
            "INSERT INTO findings (provider, kind, ref, contradicts, first_seen_at, last_seen_at, resolved_at, detail)
             VALUES ('paypal', '{kind}', 'X', {}, 0, 0, {resolved}, 'planted')",
            u8::from(kind == "missing_there" || kind == "twice")
        )
    };
    check("records_are_as_stated", &finding("missing_there", "1"));
    check("no_movement_is_unexplained", &finding("foreign_inflow", "1"));
    check("no_movement_is_unexplained", &finding("withheld", "NULL"));
    check("nothing_moved_twice", &finding("twice", "1"));
    // PayPal has it in hand: a month is not too long.
    let old = "UPDATE claims SET unknown_at = unknown_at - 2592000000 WHERE state = 'pending'";
    check("no_outcome_is_unknown_for_long", old);
}

/// What would have to be rebuilt to be damaged: two rows under one key.
#[test]
fn a_unique_column_that_lost_its_law_is_noticed() {
    let check = |id: &str, name: &str, damage: &str| {
        let stage = Stage::new().unwrap();
        let table = table();
        let check = table.iter().find(|c| c.id == id).unwrap();
        let rebuilt = format!(
            "CREATE TEMP TABLE copy_of_it AS SELECT t.* FROM {name} t; DROP TABLE {name};
             CREATE TABLE {name} AS SELECT c.* FROM copy_of_it c; {damage}"
        );
        let found = stage.damaged(&rebuilt, |c| check.look(c, &when(false))).unwrap().unwrap();
        assert!(!found.is_empty(), "{id} did not notice: {damage}");
    };
    let same = "UPDATE checkouts SET paypal_order_id = 'PAYPAL-CAPTURE-A'";
    check("one_payment_pays_one_order", "checkouts", same);
    check("one_payment_pays_one_order", "captures", "UPDATE captures SET capture_id = 'CAPTURE-A'");
    check("one_payment_pays_one_order", "orders", "UPDATE orders SET outside_capture = 'OUTSIDE'");
    check("one_effective_payout_a_leg", "payouts", "UPDATE payouts SET transaction_id = 'PAID-A1'");
}

#[test]
fn a_damage_says_which_row_and_how_much() {
    let stage = Stage::new().unwrap();
    let table = table();
    let check = |id: &str, expected: &[(&str, &str)]| {
        let check = table.iter().find(|c| c.id == id).unwrap();
        let found = stage.damaged(check.plant, |c| check.look(c, &when(false))).unwrap().unwrap();
        let found: Vec<_> = found.iter().map(|f| (f.id.as_str(), f.what.as_str())).collect();
        assert_eq!(found, expected);
    };
    let commission = "the commission does not follow from its rule: 1.46 USD, should be 2.92 USD";
    check("commission_recomputes", &[("whole-road-order", commission)]);
    check(
        "balances_are_sums",
        &[("paypal:available", "the balance is not the sum of its postings: 10056.40 USD, should be 10056.39 USD")],
    );
    check("timeline_is_whole", &[("event 2", "this event does not follow from the one before it")]);
}

#[test]
fn commission_in_sql_rounds_and_clamps_like_the_rule() {
    use crate::domain::money::{Currency, Rate};
    use crate::domain::policy::{CommissionBase, CommissionRule};
    use crate::domain::sale::{SaleAmounts, divide};
    let stage = Stage::new().unwrap();
    let check = table().into_iter().find(|c| c.id == "commission_recomputes").unwrap();
    let usd = |minor| Money::new(minor, Currency::new("USD").unwrap());
    for (rate, base) in [(125_000, CommissionBase::GrossProfit), (333_333, CommissionBase::NetProfit)] {
        for cost in (1..3000).step_by(7) {
            let amounts = SaleAmounts { gross: usd(2500), tax: usd(0), fee: usd(117), supplier_total: usd(cost) };
            let rule = Some(CommissionRule { rate: Rate::from_millionths(rate), base });
            let (commission, _) = divide(&amounts, rule).unwrap();
            let plant = format!(
                "UPDATE sales SET supplier_total_minor = {cost}, commission_rate = {rate}, commission_base = '{}',
                                  commission_minor = {} WHERE order_id = 'whole-road-order'",
                base.word(),
                commission.minor
            );
            let found = stage.damaged(&plant, |c| check.look(c, &when(false))).unwrap().unwrap();
            assert_eq!(found, [], "{rate} {cost}");
        }
    }
}
