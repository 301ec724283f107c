//! What a recipient owes is what reached him beyond his part, and nothing else: a payout that reached nobody is no debt,
//! and one that was refused is not sent later in an amount that is not owed any more. Judged by PayPal's own book.

use crate::by_hand::{code, once};
use crate::refunds::{agrees, back, refund, supplier_gives};
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::domain::claim::Recipient;
use postsale::domain::order::OrderId;
use postsale::engine::resolving::FoundAtPaypal;
use postsale::failpoint;
use postsale::store;
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

/// What the last version of the sale makes each recipient's leg, in minor units.
fn legs(world: &World, order: &OrderId) -> Vec<i64> {
    let sale = world.engine.store.read(|c| store::sales::find(c, order)).unwrap().unwrap();
    let mut legs: Vec<_> = sale.legs().unwrap().into_iter().map(|leg| leg.amount.minor).collect();
    legs.sort_unstable();
    legs
}

/// What PayPal paid out, without the first `after` payouts.
fn paid(world: &World, after: usize) -> Vec<i64> {
    let rows = world.book("payouts").into_iter().skip(after);
    let mut amounts: Vec<_> = rows.map(|p| usd(p["amount"].as_str().unwrap()).minor).collect();
    amounts.sort_unstable();
    amounts
}

fn owed(world: &World) -> [i64; 2] {
    [Recipient::Platform, Recipient::Seller].map(|recipient| world.balance(&format!("receivable:{recipient}")))
}

fn attempts(world: &World, order: &OrderId) -> Vec<store::money_views::PayoutRow> {
    world.engine.store.read(|c| store::money_views::payouts_of(c, order)).unwrap()
}

/// A second order is paid in full: nothing is left to be netted.
fn the_next_is_paid_in_full(world: &World) {
    let before = world.book("payouts").len();
    let next = world.paid_order_of(9);
    world.run_for(hours(2));
    assert_eq!(paid(world, before), legs(world, &next), "{}", world.show(&next));
    assert_eq!(owed(world), [0, 0]);
    agrees(world);
}

/// Two payouts of unknown outcome are, after a refund, more than is owed; PayPal never made them.
#[test]
fn what_was_proven_never_paid_is_no_debt() {
    let world = World::new();
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    world.switch("payout_duplicate_link", json!(false));
    world.fault("paypal.payout", "timeout", "before_commit", 1_000_000);
    let order = world.paid_order();
    world.run_for(hours(1));
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.run_for(hours(1));
    assert!(owed(&world).iter().any(|debt| *debt > 0), "it may have been paid: {}", world.show(&order));
    world.run_days(20);
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
    while let Some(lost) = attempts(&world, &order).into_iter().find(|row| row.state == "pending") {
        let (key, nothing) = (&lost.key, FoundAtPaypal::NothingThere);
        let said = world.engine.resolve_payout_once(&once(&format!("{key}n")), &order, key, &nothing, "tester");
        assert_eq!(code(said), "now", "{}", world.show(&order));
        assert!(world.engine.plan(&order).unwrap().0.set_offs.is_empty());
        let said = world.engine.approve_payout_once(&once(&format!("{key}a")), &order, key, "tester");
        assert_eq!(code(said), "now");
        world.run_for(hours(2));
    }
    assert_eq!((owed(&world), paid(&world, 0)), ([0, 0], legs(&world, &order)), "{}", world.show(&order));
    assert!(world.engine.plan(&order).unwrap().0.set_offs.is_empty(), "{}", world.show(&order));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    the_next_is_paid_in_full(&world);
}

/// An order with payouts that PayPal refuses on every send.
fn refused(world: &World, issue: &str) -> OrderId {
    world.fault_with(json!({ "call": "paypal.payout", "reply": "status_422", "when": "before_commit",
        "issue": issue, "times": 1_000_000 }));
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(30));
    let pending: Vec<_> = attempts(world, &order).into_iter().filter(|row| row.state == "pending").collect();
    assert!(!pending.is_empty() && pending.iter().all(|row| !row.is_unknown), "{pending:?}");
    order
}

/// The same, of which so much (`None` = all) went back while they wait.
fn refused_payouts(world: &World, issue: &str, given_back: Option<&str>) -> OrderId {
    let order = refused(world, issue);
    assert_eq!(refund(world, &order, "r1", &back(given_back)), "now");
    world.run_for(SignedDuration::from_mins(10));
    order
}

/// Refused for want of money, and then less is owed: the old amount never goes out, the new one does, once.
#[test]
fn a_refused_payout_is_not_sent_later_in_its_old_amount() {
    let world = World::new();
    let order = refused_payouts(&world, "INSUFFICIENT_FUNDS", Some("5.00"));
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
    world.run_for(hours(3));
    assert_eq!((paid(&world, 0), owed(&world)), (legs(&world, &order), [0, 0]), "{}", world.show(&order));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    the_next_is_paid_in_full(&world);
}

/// Refused, and then nothing is owed any more: nothing goes out, nothing is promised, and the order ends.
#[test]
fn a_refused_payout_of_which_nothing_is_owed_any_more_is_given_up() {
    let world = World::new();
    let order = refused_payouts(&world, "INSUFFICIENT_FUNDS", None);
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
    world.run_for(hours(3));
    assert_eq!(paid(&world, 0), Vec::<i64>::new(), "{}", world.show(&order));
    assert!(attempts(&world, &order).iter().all(|row| row.state == "void"), "{}", world.show(&order));
    // What the goods cost and PayPal kept is the seller's loss, and nobody owes the platform's part.
    let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
    assert_eq!(owed(&world), [0, -sale.profit.minor], "{}", world.show(&order));
    world.run_days(70);
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    assert!(world.engine.plan(&order).unwrap().0.order.closed_at.is_some(), "{}", world.show(&order));
    agrees(&world);
}

/// A leg that was refused in its old amount is paid by other means in the new one: nothing is left of the difference.
#[test]
fn what_is_paid_by_other_means_leaves_no_debt() {
    let world = World::new();
    let order = refused_payouts(&world, "SENDER_RESTRICTED", Some("5.00"));
    // The second leg is asked for, and refused, once the first is off the table.
    for (number, recipient) in ["platform", "seller"].into_iter().enumerate() {
        let row = attempts(&world, &order).into_iter().rfind(|row| row.recipient == recipient);
        let (key, reference) = (row.expect("it was tried").key, format!("BANK-{number}"));
        let said = world.engine.mark_paid_once(&once(&reference), &order, &key, &reference, "tester");
        assert_eq!(code(said), "now", "{}", world.show(&order));
        world.run_for(hours(1));
    }
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
    world.run_for(hours(30));
    assert_eq!(owed(&world), [0, 0], "{}", world.show(&order));
    assert_eq!((world.balance("payable:platform"), world.balance("payable:seller")), (0, 0), "{}", world.show(&order));
    assert!(world.book("payouts").is_empty(), "{}", world.show(&order));
    the_next_is_paid_in_full(&world);
}

/// The program died before it gave the old amount up, and the person was first: the same.
#[test]
fn what_is_paid_by_other_means_before_it_is_given_up_leaves_no_debt() {
    let mut world = World::new();
    let order = refused(&world, "SENDER_RESTRICTED");
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    failpoint::watch(Some(("refund.settle.committed", 0)));
    let died = catch_unwind(AssertUnwindSafe(|| world.run_for(hours(1))));
    failpoint::unwatch();
    assert!(died.is_err());
    world.restart();
    let row = attempts(&world, &order).into_iter().rfind(|row| row.state == "pending").expect("it is not given up yet");
    assert_ne!(owed(&world), [0, 0], "what may still be paid counts as paid");
    let said = world.engine.mark_paid_once(&once("b1"), &order, &row.key, "BANK-1", "tester");
    assert_eq!(code(said), "now", "{}", world.show(&order));
    assert_eq!(owed(&world), [0, 0], "{}", world.show(&order));
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
    world.run_for(hours(30));
    assert_eq!(owed(&world), [0, 0], "{}", world.show(&order));
    agrees(&world);
}

/// The platform's part is paid, the seller had none; the supplier gives money back, and the seller's new leg is netted.
#[test]
fn a_leg_that_a_correction_made_and_a_debt_netted_is_not_executed() {
    let mut later = policy();
    later.payouts.as_mut().unwrap().hold_days = 1;
    let world = World::with(later);
    let order = world.paid_order_of(1);
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(refund(&world, &order, "r1", &back(Some("15.15"))), "now");
    world.run_for(hours(48));
    let owing = world.paid_order_of(2);
    world.run_for(hours(48));
    assert_eq!(refund(&world, &owing, "r2", &back(Some("10.00"))), "now");
    world.run_for(hours(24));
    supplier_gives(&world, &order, "2.00");
    world.run_for(hours(72));
    agrees(&world);
}
