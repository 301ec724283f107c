//! What a restored database has forgotten and only the journal knows: what was refused, given up, or paid by other means is
//! not done once more. Judged by the far sides' own book.

use crate::by_hand::{code, once};
use crate::money::{days, minutes};
use crate::refunds::{agrees, back, refund, supplier_gives};
use crate::restored::netted_and_forgotten;
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::assure::reconcile;
use postsale::domain::claim::Recipient;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::engine::release::Release;
use postsale::engine::resolving::FoundAtPaypal;
use postsale::store;
use postsale::store::money_views::PayoutRow;
use serde_json::json;
use tempfile::TempDir;

pub fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

pub fn clear(world: &World) {
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
}

pub fn refuse(world: &World, call: &str, issue: &str, times: u32) {
    world.fault_with(json!({ "call": call, "reply": "status_422", "when": "before_commit", "issue": issue,
        "times": times }));
}

pub fn attempts(world: &World, order: &OrderId) -> Vec<PayoutRow> {
    world.engine.store.read(|c| store::money_views::payouts_of(c, order)).unwrap()
}

/// The last payout comes back a day after it was paid, and that is seen.
pub fn last_came_back(world: &World, order: &OrderId) -> PayoutRow {
    let batch = world.book("payouts").last().unwrap()["batchId"].as_str().unwrap().to_owned();
    let path = format!("/__control/paypal/payouts/{batch}");
    assert_eq!(world.plug.control("POST", &path, &json!({ "item": "RETURNED" })).0, 200);
    world.wind(hours(25));
    world.engine.look_back_at_payouts().unwrap();
    world.run_for(hours(1));
    attempts(world, order).into_iter().find(|row| row.state == "void").unwrap()
}

/// Somebody looked, and lets everything go on.
pub fn all_released(world: &World, order: &OrderId) {
    assert_eq!(world.release_trade(order), "now", "{}", world.show(order));
    world.release(Release::Shop);
    world.confirm_payees();
}

/// The older database is read, and PayPal is asked about the order.
fn put_back_and_asked(world: &mut World, older: TempDir, order: &OrderId) {
    world.put_back(older);
    world.run_for(hours(1));
    world.engine.paypal_rang(order).unwrap();
    world.run_for(hours(1));
}

/// A refund that PayPal refused is nobody's word any more, also for a database that has forgotten the refusal.
#[test]
fn a_refused_refund_is_not_sent_by_a_restored_database() {
    let mut world = World::new();
    let order = world.paid_order();
    world.run_for(hours(2));
    let older = world.copy_of_files();
    refuse(&world, "paypal.refund", "REFUND_TIME_LIMIT_EXCEEDED", 1);
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.run_for(minutes(10));
    assert!(world.waits_for(&order).starts_with("refund_refused"), "{}", world.show(&order));
    assert_eq!(world.book("refunds").len(), 0);
    assert_eq!(refund(&world, &order, "r2", &back(Some("5.00"))), "now");
    world.run_for(minutes(10));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    world.put_back(older);
    world.run_for(minutes(30));
    all_released(&world, &order);
    world.run_for(days(2));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    agrees(&world);
}

/// A leg that PayPal refused was paid by the bank: a database that has forgotten both does not pay it once more.
#[test]
fn a_leg_paid_by_other_means_is_not_paid_by_a_restored_database() {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    refuse(&world, "paypal.payout", "SENDER_RESTRICTED", 1_000_000);
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(hours(1));
    for (number, recipient) in ["platform", "seller"].into_iter().enumerate() {
        let row = attempts(&world, &order).into_iter().rfind(|row| row.recipient == recipient);
        let (key, reference) = (row.expect("it was tried").key, format!("BANK-{number}"));
        let said = world.engine.mark_paid_once(&once(&reference), &order, &key, &reference, "tester");
        assert_eq!(code(said), "now", "{}", world.show(&order));
        world.run_for(hours(1));
    }
    clear(&world);
    world.run_for(hours(2));
    world.put_back(older);
    world.run_for(hours(1));
    for (number, row) in attempts(&world, &order).into_iter().enumerate() {
        let reference = format!("BANK-{number}");
        let said = world.engine.mark_paid_once(&once(&reference), &order, &row.key, &reference, "tester");
        assert_eq!(code(said), "now", "{}", world.show(&order));
    }
    all_released(&world, &order);
    world.run_for(days(2));
    assert_eq!(world.book("payouts").len(), 0, "paid by the bank already: {}", world.show(&order));
}

/// The supplier refused, the order was cancelled: a restored database does not order the goods.
#[test]
fn a_refused_purchase_of_a_cancelled_order_is_not_sent_by_a_restored_database() {
    let mut world = World::with(Policy { is_auto_pay: false, cancel_buffer: minutes(5), ..policy() });
    let order = world.take(&world.report("1001"));
    world.run_for(minutes(1));
    let older = world.copy_of_files();
    world.fault("aliexpress.create", "is_success_false", "before_commit", 1);
    world.run_for(minutes(10));
    assert_eq!(code(world.engine.cancel_once(&once("c1"), &order, "no", "t")), "now");
    world.run_for(minutes(5));
    assert!(world.book("purchases").is_empty());
    world.put_back(older);
    world.run_for(minutes(10));
    let _ = world.engine.cancel_once(&once("c2"), &order, "no", "t");
    all_released(&world, &order);
    world.run_for(days(1));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
}

/// Nothing was there, a person said so and PayPal bore it out: a restored database does not send the refund either.
#[test]
fn a_refund_that_was_proven_absent_is_not_sent_by_a_restored_database() {
    let mut world = World::new();
    let order = world.paid_order();
    world.run_for(hours(2));
    let older = world.copy_of_files();
    world.fault("paypal.refund", "timeout", "before_commit", 1);
    world.fault("paypal.order", "status_500", "before_commit", 1_000_000);
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.run_days(2);
    clear(&world);
    let nothing = FoundAtPaypal::NothingThere;
    let said = world.engine.resolve_refund_once(&once("n1"), &order, None, &nothing, "tester");
    assert_eq!(code(said), "now", "{}", world.show(&order));
    world.run_for(hours(1));
    assert_eq!(refund(&world, &order, "r2", &back(Some("5.00"))), "now");
    world.run_for(hours(1));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    world.put_back(older);
    world.run_for(hours(1));
    all_released(&world, &order);
    world.run_days(40);
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
}

/// The same of payouts: absent by the statement, paid by the bank, and then the database went back.
#[test]
fn a_payout_that_was_proven_absent_is_not_sent_by_a_restored_database() {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    world.fault("paypal.payout", "timeout", "before_commit", 2);
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(minutes(12));
    world.engine.hold(&order, "paid by the bank", "tester").unwrap();
    world.run_days(2);
    for number in 0..2 {
        let lost = attempts(&world, &order).into_iter().rfind(|row| row.state == "pending").unwrap();
        let (nothing, k) = (FoundAtPaypal::NothingThere, format!("n{number}"));
        let said = world.engine.resolve_payout_once(&once(&k), &order, &lost.key, &nothing, "tester");
        assert_eq!(code(said), "now", "{}", world.show(&order));
        assert_eq!(paid_by_the_bank(&world, &order, &lost, "first"), "now", "{}", world.show(&order));
        world.run_for(hours(1));
    }
    clear(&world);
    world.put_back(older);
    world.run_for(hours(1));
    for row in attempts(&world, &order) {
        assert_eq!(paid_by_the_bank(&world, &order, &row, "again"), "now", "{}", world.show(&order));
    }
    all_released(&world, &order);
    world.engine.release(&order, "tester").unwrap();
    world.run_days(10);
    assert_eq!(world.book("payouts").len(), 0, "{}", world.show(&order));
}

/// PayPal refused a payout, less was owed, and it was given up: a restored database does not send it in its old amount.
#[test]
fn a_refused_payout_is_not_sent_in_its_old_amount_by_a_restored_database() {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    refuse(&world, "paypal.payout", "INSUFFICIENT_FUNDS", 1_000_000);
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(minutes(30));
    assert_eq!(refund(&world, &order, "r1", &back(None)), "now");
    world.run_for(hours(1));
    assert!(attempts(&world, &order).iter().all(|row| row.state == "void"), "{}", world.show(&order));
    clear(&world);
    world.put_back(older);
    world.run_for(hours(1));
    all_released(&world, &order);
    world.run_days(30);
    assert_eq!(world.book("payouts").len(), 0, "{}", world.show(&order));
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    agrees(&world);
}

/// The same with a part: the legs that are owed are paid, and no more.
#[test]
fn a_refused_payout_of_a_smaller_leg_is_not_sent_in_its_old_amount_by_a_restored_database() {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    refuse(&world, "paypal.payout", "INSUFFICIENT_FUNDS", 1_000_000);
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(minutes(30));
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.engine.hold(&order, "wait", "t").unwrap();
    world.run_for(hours(3));
    clear(&world);
    world.put_back(older);
    world.run_for(hours(1));
    all_released(&world, &order);
    world.engine.release(&order, "t").unwrap();
    world.run_days(10);
    let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
    let mut legs: Vec<_> = sale.legs().unwrap().into_iter().map(|leg| leg.amount.minor).collect();
    let mut paid: Vec<_> = world.book("payouts").iter().map(|p| usd(p["amount"].as_str().unwrap()).minor).collect();
    legs.sort_unstable();
    paid.sort_unstable();
    let (sum, owed) = (paid.iter().sum::<i64>(), legs.iter().sum::<i64>());
    assert!(sum <= owed, "paid {paid:?} of {legs:?}: {}", world.show(&order));
}

/// The words of the doubt are followed to the letter: what the journal made good already is not given back once more.
#[test]
fn a_refund_that_was_made_good_is_not_asked_for_again() {
    let mut world = World::new();
    let order = world.paid_order();
    world.run_for(hours(2));
    let older = world.copy_of_files();
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.run_for(minutes(10));
    assert_eq!(world.book("refunds").len(), 1);
    world.put_back(older);
    world.run_for(hours(26));
    let asks = world.waits_for(&order);
    if asks.contains("\"refund 5.00 USD\"") && asks.contains("say it again") {
        let _ = refund(&world, &order, "r2", &back(Some("5.00")));
    }
    all_released(&world, &order);
    world.run_for(days(2));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    agrees(&world);
}

/// A payout came back and was paid by a second attempt; the database of before knows the first as paid. However late it
/// hears of the return: the attempt that the journal knows is not made once more.
#[test]
fn a_second_attempt_that_the_journal_knows_is_not_made_again() {
    for late in [1, 35] {
        let mut world = World::new();
        let order = world.paid_order();
        world.run_for(hours(2));
        let older = world.copy_of_files();
        let void = last_came_back(&world, &order);
        assert_eq!(code(world.engine.approve_payout_once(&once("a1"), &order, &void.key, "t")), "now");
        world.run_for(hours(2));
        assert_eq!(
            (world.book("payouts").len(), world.stage(&order).as_str()),
            (3, "closed"),
            "{}",
            world.show(&order)
        );
        world.put_back(older);
        world.run_for(hours(1));
        all_released(&world, &order);
        world.run_for(hours(1));
        world.wind(days(1));
        world.run_for(hours(1));
        world.engine.look_back_at_payouts().unwrap();
        world.run_days(1);
        // A day without a sign of life is a silence; PayPal's statement, read every hour, is known past it.
        reconcile::run(&world.engine).unwrap().unwrap();
        world.run_days(late - 1);
        for row in attempts(&world, &order).into_iter().filter(|row| row.state == "void") {
            let _ = world.engine.approve_payout_once(&once("a2"), &order, &row.key, "t");
        }
        world.run_days(3);
        let _ = world.engine.release(&order, "t");
        // What could not be made good at first was taken up again, and waits for somebody.
        let _ = world.release_trade(&order);
        world.run_days(1);
        assert_eq!(world.book("payouts").len(), 3, "{late}: {}", world.show(&order));
        assert_eq!(world.stage(&order), "closed", "{late}: {}", world.show(&order));
        reconcile::run(&world.engine).unwrap().unwrap();
        agrees(&world);
    }
}

/// What is left of a payment can be given back, also where the journal knows a refund that could not be made good.
#[test]
fn the_rest_is_given_back_after_a_refund_that_could_not_be_made_good() {
    let mut world = World::new();
    let order = world.paid_order();
    world.run_for(hours(2));
    let older = world.copy_of_files();
    refuse(&world, "paypal.refund", "REFUND_TIME_LIMIT_EXCEEDED", 1);
    assert_eq!(refund(&world, &order, "r1", &back(Some("15.00"))), "now");
    world.run_for(minutes(10));
    assert_eq!(refund(&world, &order, "r2", &back(Some("20.00"))), "now");
    world.run_for(minutes(10));
    put_back_and_asked(&mut world, older, &order);
    all_released(&world, &order);
    world.run_days(12);
    let found = FoundAtPaypal::NothingThere;
    let _ = world.engine.resolve_refund_once(&once("n1"), &order, Some(1), &found, "t");
    world.run_days(2);
    assert_eq!(refund(&world, &order, "r3", &back(None)), "now", "{}", world.show(&order));
    world.run_days(1);
    for _ in 0..3 {
        let _ = world.engine.release(&order, "t");
        world.run_days(2);
    }
    assert_eq!(world.book("refunds").len(), 2, "{}", world.show(&order));
    agrees(&world);
}

/// The first refund was refused and the second, larger than what the first leaves, went out.
#[test]
fn a_refund_after_a_refused_one_is_known_to_a_restored_database() {
    let mut world = World::new();
    let order = world.paid_order();
    world.run_for(hours(2));
    let older = world.copy_of_files();
    refuse(&world, "paypal.refund", "REFUND_TIME_LIMIT_EXCEEDED", 1);
    assert_eq!(refund(&world, &order, "r1", &back(Some("15.00"))), "now");
    world.run_for(minutes(10));
    assert_eq!(refund(&world, &order, "r2", &back(Some("20.00"))), "now");
    world.run_for(minutes(10));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    put_back_and_asked(&mut world, older, &order);
    all_released(&world, &order);
    world.run_for(days(2));
    let found = FoundAtPaypal::NothingThere;
    world.run_days(10);
    let _ = world.engine.resolve_refund_once(&once("n1"), &order, Some(1), &found, "t");
    world.engine.paypal_rang(&order).unwrap();
    world.run_days(10);
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    agrees(&world);
}

/// A refund that PayPal took its time over; the database that is put back can claim it only after it was looked at.
#[test]
fn a_refund_seen_before_it_is_made_good_is_ours_all_the_same() {
    for status in ["COMPLETED", "PENDING", "FAILED"] {
        let mut world = World::new();
        world.switch("refund_outcome", json!(status));
        let older = world.copy_of_files();
        let open = |world: &World| {
            let jane = Some(crate::world::jane());
            world.engine.open_checkout_order("MUG", 1, jane, Some("again")).unwrap().order
        };
        let order = open(&world);
        world.run_for(minutes(1));
        world.approve(&order);
        world.run_for(hours(2));
        assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
        world.run_for(minutes(10));
        world.put_back(older);
        assert_eq!(open(&world), order);
        world.run_for(minutes(1));
        world.engine.buyer_returned(&order).unwrap();
        world.run_for(hours(1));
        all_released(&world, &order);
        for refund in world.book("refunds").into_iter().filter(|_| status == "PENDING") {
            let path = format!("/__control/paypal/refunds/{}", refund["id"].as_str().unwrap());
            world.plug.control("POST", &path, &json!({ "status": "COMPLETED" }));
        }
        world.run_days(3);
        world.engine.paypal_rang(&order).unwrap();
        world.run_days(10);
        assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
        let refunds = world.engine.plan(&order).unwrap().0.refunds;
        assert!(refunds.iter().all(|refund| !refund.is_open()), "{status}: {}", world.show(&order));
        assert_eq!(world.balance("paypal:available") - 100_000, world.paypal_earned(), "{}", world.show(&order));
        agrees(&world);
    }
}

/// PayPal gave both refunds up. The second cannot be made good beside the first, is looked at, and is made good after that.
#[test]
fn a_refund_that_paypal_gave_up_before_it_is_made_good_is_over() {
    let mut world = World::new();
    world.switch("refund_outcome", json!("FAILED"));
    let order = world.paid_order();
    world.run_for(hours(2));
    let older = world.copy_of_files();
    for (key, amount) in [("r1", None), ("r2", Some("12.00"))] {
        assert_eq!(refund(&world, &order, key, &back(amount)), "now", "{}", world.show(&order));
        world.run_for(minutes(10));
    }
    assert_eq!(world.book("refunds").len(), 2, "{}", world.show(&order));
    put_back_and_asked(&mut world, older, &order);
    // Another one is ordered before the second is made good, and does not take its number.
    world.switch("refund_outcome", json!("COMPLETED"));
    assert_eq!(refund(&world, &order, "r3", &back(Some("5.00"))), "now", "{}", world.show(&order));
    all_released(&world, &order);
    world.run_days(10);
    let refunds = world.engine.plan(&order).unwrap().0.refunds;
    assert!(refunds.len() == 3 && refunds.iter().all(|refund| !refund.is_open()), "{}", world.show(&order));
    assert_eq!(world.book("refunds").len(), 3, "{}", world.show(&order));
    agrees(&world);
}

/// The refund is looked at before its line is made good: it is the one that the journal knows, and is booked.
#[test]
fn a_refund_that_was_taken_for_anothers_is_made_good() {
    let mut world = World::new();
    let order = world.paid_order();
    world.run_for(hours(2));
    let older = world.copy_of_files();
    world.switch("refund_outcome", json!("FAILED"));
    assert_eq!(refund(&world, &order, "r1", &back(Some("12.00"))), "now");
    world.run_for(minutes(30));
    world.switch("refund_outcome", json!("PENDING"));
    assert_eq!(refund(&world, &order, "r2", &back(None)), "now");
    world.run_for(minutes(10));
    assert_eq!(world.book("refunds").len(), 2, "{}", world.show(&order));
    world.put_back(older);
    world.run_for(hours(1));
    let _ = refund(&world, &order, "r3", &back(None));
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(hours(1));
    all_released(&world, &order);
    for row in world.book("refunds").iter().filter(|row| row["status"] == "PENDING") {
        let path = format!("/__control/paypal/refunds/{}", row["id"].as_str().unwrap());
        assert_eq!(world.plug.control("POST", &path, &json!({ "status": "COMPLETED" })).0, 200);
    }
    world.engine.paypal_rang(&order).unwrap();
    world.run_days(20);
    assert_eq!(world.balance("paypal:available") - 100_000, world.paypal_earned(), "{}", world.show(&order));
    agrees(&world);
}

/// Two corrections come in another order after an older database: the payout was a leg of a version that is no more.
#[test]
fn corrections_in_another_order_leave_no_check_that_objects() {
    let mut later = policy();
    later.payouts.as_mut().unwrap().hold_days = 1;
    let mut world = World::with(later);
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    supplier_gives(&world, &order, "5.00");
    world.run_for(days(3));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    assert_eq!(refund(&world, &order, "r1", &back(Some("3.00"))), "now");
    world.run_for(hours(1));
    agrees(&world);
    world.put_back(older);
    world.run_for(hours(1));
    supplier_gives(&world, &order, "5.00");
    all_released(&world, &order);
    world.run_for(days(3));
    agrees(&world);
}

/// A debt was netted against a leg; the database forgot it, and a new order nets the debt before that trade is released.
#[test]
fn a_debt_that_a_new_order_nets_first_leaves_no_check_that_objects() {
    let (world, second) = netted_and_forgotten();
    world.run_for(hours(1));
    assert_eq!(world.release(Release::Shop), "now");
    world.confirm_payees();
    let third = world.paid_order_of(3);
    world.run_for(days(1));
    assert_eq!(world.stage(&third), "closed", "{}", world.show(&third));
    assert_eq!(world.release_trade(&second), "now");
    world.run_for(days(1));
    for row in attempts(&world, &second) {
        let _ = world.engine.mark_paid_once(&once(&row.key), &second, &row.key, "BANK", "tester");
    }
    world.run_for(days(1));
    agrees(&world);
}

/// A2 holds for what is remembered, too: the refusal of a resend proves nothing about the send before it.
#[test]
fn a2_a_refused_resend_proves_nothing_to_a_restored_database_either() {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    // Both legs are paid, and neither answer arrives; then PayPal refuses what is sent again.
    world.fault("paypal.payout", "timeout", "after_commit", 2);
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(minutes(1));
    refuse(&world, "paypal.payout", "SENDER_RESTRICTED", 1_000_000);
    world.run_for(hours(8));
    let resent = |world: &World| -> Vec<PayoutRow> {
        let sends = |key: &str| world.engine.store.read(|c| store::claims::sends(c, key)).unwrap();
        attempts(world, &order).into_iter().filter(|row| sends(&row.key) > 1).collect()
    };
    assert!(!resent(&world).is_empty(), "{}", world.show(&order));
    clear(&world);
    world.put_back(older);
    world.run_for(minutes(1));
    assert!(!resent(&world).is_empty(), "{}", world.show(&order));
    for row in resent(&world) {
        let said = world.engine.mark_paid_once(&once(&row.key), &order, &row.key, "BANK", "tester");
        assert_eq!((code(said), row.is_unknown), ("payout_live", true), "{}", world.show(&order));
    }
    all_released(&world, &order);
    let _ = world.engine.release(&order, "tester");
    world.run_days(3);
    assert_eq!((world.book("payouts").len(), world.stage(&order).as_str()), (2, "closed"), "{}", world.show(&order));
    agrees(&world);
}

/// A payout that came back and was made again, in a database that is older than both.
fn paid_again_and_forgotten() -> (World, OrderId, String) {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(hours(2));
    let book = world.book("payouts");
    let first = format!("/__control/paypal/payouts/{}", book.last().unwrap()["batchId"].as_str().unwrap());
    assert_eq!(world.plug.control("POST", &first, &json!({ "item": "RETURNED" })).0, 200);
    world.wind(hours(25));
    world.engine.look_back_at_payouts().unwrap();
    world.run_for(hours(1));
    let void = attempts(&world, &order).into_iter().find(|row| row.state == "void").unwrap();
    assert_eq!(code(world.engine.approve_payout_once(&once("a1"), &order, &void.key, "t")), "now");
    world.run_for(hours(2));
    agrees(&world);
    world.put_back(older);
    world.run_for(hours(1));
    all_released(&world, &order);
    world.run_days(5);
    (world, order, first)
}

/// PayPal kept its fee of what came back; a restored database, which knows of a later attempt, books that fee too.
#[test]
fn the_fee_of_an_attempt_that_came_back_is_not_forgotten() {
    let (world, order, _) = paid_again_and_forgotten();
    let more = || world.balance("paypal:available") - 100_000 - world.paypal_earned();
    assert!(more() > 0, "the fee is not known yet");
    world.engine.look_back_at_payouts().unwrap();
    assert_eq!(more(), 0, "{}", world.show(&order));
    world.wind(hours(25));
    world.engine.look_back_at_payouts().unwrap();
    assert_eq!(more(), 0, "booked once: {}", world.show(&order));
    agrees(&world);
}

/// That a later attempt follows in the journal is proof only as long as PayPal does not show the first one as paid.
#[test]
fn l19_an_attempt_that_paypal_shows_as_paid_all_the_same_is_seen_by_a_person() {
    let (world, order, first) = paid_again_and_forgotten();
    assert_eq!(world.plug.control("POST", &first, &json!({ "item": "SUCCESS" })).0, 200);
    world.engine.look_back_at_payouts().unwrap();
    world.run_for(minutes(10));
    let waits = world.waits_for(&order);
    assert!(waits.contains("counts as not paid"), "{waits} {}", world.show(&order));
}

/// Payouts that PayPal refused were paid by the bank, after a refund on PayPal's site had made it smaller; then the
/// database is older than all of that.
fn paid_by_the_bank_and_forgotten() -> (World, OrderId, Vec<(Recipient, i64)>) {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    world.switch("payout_outcome", json!("FAILED"));
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/__control/paypal/captures/{capture}/refund");
    assert_eq!(world.plug.control("POST", &path, &json!({ "amount": "5.00" })).0, 200);
    world.engine.paypal_rang(&order).unwrap();
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(hours(2));
    for _ in 0..2 {
        for row in attempts(&world, &order).into_iter().filter(|row| row.state == "void") {
            let _ = paid_by_the_bank(&world, &order, &row, "first");
        }
        world.run_for(hours(1));
    }
    let truth = otherwise(&world, &order);
    assert_eq!(truth.len(), 2, "{}", world.show(&order));
    world.switch("payout_outcome", json!("SUCCESS"));
    world.put_back(older);
    world.run_for(hours(1));
    (world, order, truth)
}

pub fn paid_by_the_bank(world: &World, order: &OrderId, row: &PayoutRow, once_more: &str) -> &'static str {
    let reference = format!("BANK {}", row.recipient);
    let key = format!("{once_more}{}", row.key);
    code(world.engine.mark_paid_once(&once(&key), order, &row.key, &reference, "tester"))
}

fn otherwise(world: &World, order: &OrderId) -> Vec<(Recipient, i64)> {
    let trade = world.engine.plan(order).unwrap().0;
    trade.paid_otherwise.iter().map(|paid| (paid.recipient, paid.amount.minor)).collect()
}

/// MONEY A6: said again, it is the same word, and no other amount.
#[test]
fn a6_what_was_paid_by_other_means_is_said_again_in_its_own_amount() {
    let (world, order, truth) = paid_by_the_bank_and_forgotten();
    for row in attempts(&world, &order).into_iter().filter(|row| row.state == "void") {
        let said = world.engine.mark_paid_once(&once(&row.key), &order, &row.key, "ANOTHER", "tester");
        assert_eq!(code(said), "said_before", "another one comes after it");
        assert_eq!(paid_by_the_bank(&world, &order, &row, "again"), "now", "{}", world.show(&order));
        assert_eq!(paid_by_the_bank(&world, &order, &row, "again"), "before");
    }
    assert_eq!(otherwise(&world, &order), truth);
    all_released(&world, &order);
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(hours(1));
    let _ = world.engine.release(&order, "tester").unwrap();
    world.run_days(5);
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    let owed = ["receivable:platform", "receivable:seller"].map(|account| world.balance(account));
    assert_eq!((otherwise(&world, &order), owed), (truth, [0, 0]), "{}", world.show(&order));
}

/// Released by somebody who says nothing again, or approves: the leg is paid, so no payout of it goes out.
#[test]
fn a6_what_was_paid_by_other_means_is_not_paid_again_by_a_click() {
    let (world, order, truth) = paid_by_the_bank_and_forgotten();
    all_released(&world, &order);
    for round in 0..3 {
        for row in attempts(&world, &order).into_iter().filter(|row| row.state == "void") {
            let key = format!("{round}{}", row.key);
            let approved = code(world.engine.approve_payout_once(&once(&key), &order, &row.key, "tester"));
            assert!(["paid_otherwise", "held"].contains(&approved), "{approved}");
        }
        let _ = world.engine.release(&order, "tester").unwrap();
        world.run_days(2);
    }
    let is_paid = |p: &serde_json::Value| p["status"] == "SUCCESS";
    assert!(!world.book("payouts").iter().any(is_paid), "{}", world.show(&order));
    let waits = world.waits_for(&order);
    assert!(waits.contains("which only the intent journal knows"), "{waits}");
    for row in attempts(&world, &order).into_iter().filter(|row| row.state == "void") {
        assert_eq!(paid_by_the_bank(&world, &order, &row, "again"), "now");
    }
    world.run_days(2);
    assert_eq!(otherwise(&world, &order), truth);
}
