//! A payment, a refund or a payout that nobody knows the outcome of, past its ladder: a person's word ends it, and only one that
//! PayPal bears out. Judged by PayPal's own book.

use crate::by_hand::{code, once};
use crate::refunds::{agrees, back, refund};
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{Policy, Purchasing};
use postsale::engine::by_hand::Found;
use postsale::engine::release::Release;
use postsale::engine::resolving::FoundAtPaypal;
use postsale::store;
use postsale::store::money_views::PayoutRow;
use serde_json::json;

const MANY: u32 = 1_000_000;

fn clear(world: &World) {
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
}

fn id(text: &str) -> FoundAtPaypal {
    FoundAtPaypal::Id(text.to_owned())
}

fn end_refund(world: &World, order: &OrderId, key: &str, number: Option<u32>, found: &FoundAtPaypal) -> &'static str {
    code(world.engine.resolve_refund_once(&once(key), order, number, found, "tester"))
}

fn end_payout(world: &World, order: &OrderId, key: &str, payout: &str, found: &FoundAtPaypal) -> &'static str {
    code(world.engine.resolve_payout_once(&once(key), order, payout, found, "tester"))
}

/// What the queue shows of an order: why it waits, and the money at risk with its reason.
fn queued(world: &World, order: &OrderId) -> (String, Vec<(String, &'static str)>) {
    let rows = world.engine.store.read(|c| store::queue::list(c, None, 50, world.now())).unwrap();
    let row = rows.into_iter().find(|row| row.order.id == *order);
    let row = row.unwrap_or_else(|| panic!("it stands in no queue: {}", world.show(order)));
    let at_risk = row.at_risk.into_iter().map(|(money, why)| (money.to_string(), why)).collect();
    (row.order.waits_for, at_risk)
}

/// A refund of 5.00 that got no answer, before or after PayPal made it, and PayPal's order cannot be read for weeks.
fn lost_refund(when: &str) -> (World, OrderId) {
    let world = World::penniless_with(Policy { purchasing: Purchasing::Manual, ..policy() });
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(5));
    world.fault("paypal.refund", "timeout", when, if when == "before_commit" { MANY } else { 1 });
    world.fault("paypal.order", "status_500", "before_commit", MANY);
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.run_for(SignedDuration::from_mins(5));
    assert_eq!(end_refund(&world, &order, "early", None, &FoundAtPaypal::NothingThere), "too_early");
    world.run_days(50);
    let (waits_for, at_risk) = queued(&world, &order);
    assert!(waits_for.starts_with("refund_unknown: "), "{}", world.show(&order));
    assert!(at_risk.contains(&("5.00 USD".to_owned(), "a payout or refund of unknown outcome")), "{at_risk:?}");
    (world, order)
}

#[test]
fn a2_a_lost_refund_is_ended_by_an_id_that_paypal_bears_out() {
    let (world, order) = lost_refund("after_commit");
    let made = world.book("refunds")[0]["id"].as_str().unwrap().to_owned();
    clear(&world);
    world.fault("paypal.refund_get", "status_500", "before_commit", 1);
    assert_eq!(end_refund(&world, &order, "k1", None, &id(&made)), "not_proven", "PayPal cannot be asked");
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/__control/paypal/captures/{capture}/refund");
    assert_eq!(world.plug.control("POST", &path, &json!({ "amount": "7.00" })).0, 200);
    let on_site = world.book("refunds")[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(end_refund(&world, &order, "k2", None, &id("NOSUCHREFUND")), "not_there");
    assert_eq!(end_refund(&world, &order, "k3", None, &id(&on_site)), "another_refund", "of another amount");
    assert_eq!(end_refund(&world, &order, "k4", Some(2), &id(&made)), "nothing_unknown", "no such number");
    assert_eq!(end_refund(&world, &order, "k5", None, &FoundAtPaypal::NothingThere), "refund_there");
    assert_eq!(end_refund(&world, &order, "k6", None, &id(&made)), "now", "{}", world.show(&order));
    assert_eq!(end_refund(&world, &order, "k6", None, &id(&made)), "before");
    assert_eq!(end_refund(&world, &order, "k7", None, &id(&made)), "nothing_unknown");
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(SignedDuration::from_hours(2));
    assert_eq!(world.engine.plan(&order).unwrap().0.given_back(), usd("12.00"), "{}", world.show(&order));
    assert_eq!(world.book("refunds").len(), 2);
    agrees(&world);
}

#[test]
fn a2_a_lost_refund_that_never_was_is_ended_by_a_look_and_a_word() {
    let (world, order) = lost_refund("before_commit");
    assert_eq!(
        end_refund(&world, &order, "k1", None, &FoundAtPaypal::NothingThere),
        "not_proven",
        "it must be looked at"
    );
    clear(&world);
    assert_eq!(end_refund(&world, &order, "k2", None, &FoundAtPaypal::NothingThere), "now", "{}", world.show(&order));
    world.run_for(SignedDuration::from_hours(2));
    assert_eq!(world.book("refunds").len(), 0, "nothing is sent by that word");
    assert!(!world.waits_for(&order).starts_with("refund_unknown"), "{}", world.show(&order));
    // Another refund is another word, and goes out once.
    assert_eq!(refund(&world, &order, "r2", &back(None)), "now");
    world.run_for(SignedDuration::from_hours(2));
    assert_eq!((world.book("refunds").len(), world.stage(&order).as_str()), (1, "refunded"), "{}", world.show(&order));
    agrees(&world);
}

/// An answer without the payment shows no refund either, and proves as little.
#[test]
fn a2_an_order_shown_without_its_payment_does_not_prove_that_nothing_was_given_back() {
    let (world, order) = lost_refund("after_commit");
    clear(&world);
    world.switch("payments_told", json!(false));
    assert_eq!(end_refund(&world, &order, "k1", None, &FoundAtPaypal::NothingThere), "not_proven");
    world.switch("payments_told", json!(true));
    assert_eq!(end_refund(&world, &order, "k2", None, &FoundAtPaypal::NothingThere), "refund_there");
}

/// A cancelled order's refund is no less in doubt, and money that is missing without a refund proves nothing.
#[test]
fn a2_nothing_there_is_not_believed_while_money_is_missing() {
    let (world, order) = lost_refund("before_commit");
    clear(&world);
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/__control/paypal/captures/{capture}");
    assert_eq!(world.plug.control("POST", &path, &json!({ "status": "REVERSED" })).0, 200);
    assert_eq!(end_refund(&world, &order, "k1", None, &FoundAtPaypal::NothingThere), "not_proven");
}

fn payouts(world: &World, order: &OrderId) -> Vec<PayoutRow> {
    world.engine.store.read(|c| store::money_views::payouts_of(c, order)).unwrap()
}

/// Payouts that got no answer, before or after PayPal took them, and the answer to a used batch id names none.
fn lost_payouts(when: &str) -> (World, OrderId) {
    let world = World::penniless();
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    world.switch("payout_duplicate_link", json!(false));
    world.fault("paypal.payout", "timeout", when, MANY);
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(5));
    world.run_days(20);
    let (waits_for, at_risk) = queued(&world, &order);
    assert!(waits_for.starts_with("payout_unknown: "), "{}", world.show(&order));
    assert!(at_risk.iter().any(|(_, why)| *why == "a payout or refund of unknown outcome"), "{at_risk:?}");
    clear(&world);
    (world, order)
}

#[test]
fn a2_a_lost_payout_is_ended_by_a_batch_that_paypal_bears_out() {
    let (world, order) = lost_payouts("after_commit");
    let batch_of = |key: &str| {
        let made = world.book("payouts").into_iter().find(|p| p["key"] == key);
        made.unwrap_or_else(|| panic!("no payout {key}"))["batchId"].as_str().unwrap().to_owned()
    };
    // The other leg goes out while this one is in doubt, or waits for it: whichever there is is ended.
    while let Some(lost) = payouts(&world, &order).into_iter().find(|row| row.state == "pending") {
        let key = &lost.key;
        let others: Vec<_> = world.book("payouts").into_iter().filter(|p| p["key"] != key.as_str()).collect();
        if let Some(other) = others.first() {
            let batch = other["batchId"].as_str().unwrap();
            assert_eq!(end_payout(&world, &order, &format!("{key}o"), key, &id(batch)), "another_payout");
        }
        assert_eq!(end_payout(&world, &order, &format!("{key}x"), key, &id("NOSUCHBATCH")), "not_there");
        assert_eq!(end_payout(&world, &order, &format!("{key}n"), key, &FoundAtPaypal::NothingThere), "payout_there");
        assert_eq!(end_payout(&world, &order, &format!("{key}y"), key, &id(&batch_of(key))), "now");
        assert_eq!(end_payout(&world, &order, &format!("{key}y"), key, &id(&batch_of(key))), "before");
        world.run_for(SignedDuration::from_hours(2));
    }
    assert_eq!(world.book("payouts").len(), 2, "each was paid once");
    assert_eq!(world.judge(&order, "resolved by the batch"), crate::judge::End::Closed);
}

#[test]
fn a2_a_lost_payout_that_never_was_is_ended_by_the_statement_and_a_word_and_paid_by_another() {
    let (world, order) = lost_payouts("before_commit");
    let nothing = FoundAtPaypal::NothingThere;
    let mut approved = 0;
    while let Some(lost) = payouts(&world, &order).into_iter().find(|row| row.state == "pending") {
        let key = &lost.key;
        world.switch("reporting_enabled", json!(false));
        if approved == 0 {
            assert_eq!(end_payout(&world, &order, &format!("{key}p"), key, &nothing), "not_proven", "no statement");
        }
        world.switch("reporting_enabled", json!(true));
        // Somebody paid as much by hand, and PayPal does not say whose it was.
        if approved == 0 {
            let amount = format!("-{}", lost.amount.decimal());
            let wish = json!({"code": "T0001", "amount": amount, "reference": "B"});
            let (status, planted) = world.plug.control("POST", "/__control/paypal/statement", &wish);
            assert_eq!(status, 200);
            world.wind(SignedDuration::from_secs(2));
            assert_eq!(end_payout(&world, &order, &format!("{key}t"), key, &nothing), "payout_there");
            let planted: serde_json::Value = serde_json::from_slice(&planted).unwrap();
            let gone = json!({ "hide": planted["id"] });
            assert_eq!(world.plug.control("POST", "/__control/paypal/statement", &gone).0, 200);
            world.wind(SignedDuration::from_secs(2));
        }
        assert_eq!(end_payout(&world, &order, &format!("{key}n"), key, &nothing), "now", "{}", world.show(&order));
        world.run_for(SignedDuration::from_hours(2));
        assert!(world.waits_for(&order).starts_with("payout_"), "no next attempt by itself: {}", world.show(&order));
        let approve = world.engine.approve_payout_once(&once(&format!("{key}a")), &order, key, "tester");
        assert_eq!(code(approve), "now");
        approved += 1;
        world.run_for(SignedDuration::from_hours(2));
    }
    assert!(approved > 0, "there was one to end");
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&order));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
}

#[test]
fn a2_what_is_not_in_doubt_is_not_resolved() {
    let world = World::penniless();
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(end_refund(&world, &order, "k1", None, &FoundAtPaypal::NothingThere), "nothing_unknown");
    for row in payouts(&world, &order) {
        let found = FoundAtPaypal::NothingThere;
        assert_eq!(end_payout(&world, &order, &row.key, &row.key, &found), "nothing_unknown");
    }
}

fn end_capture(world: &World, order: &OrderId, key: &str) -> &'static str {
    code(world.engine.resolve_once(&once(key), order, &Found::NothingThere, "tester"))
}

/// A payment that got no answer, before or after PayPal took the money, and PayPal does not show its order any more.
fn lost_capture(when: &str, beside: impl Fn(&World)) -> (World, OrderId) {
    let world = World::penniless();
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    let order = world.checkout();
    world.fault("paypal.capture", "timeout", when, MANY);
    world.approve(&order);
    world.run_for(SignedDuration::from_secs(2));
    world.fault("paypal.order", "status_404", "before_commit", MANY);
    assert_eq!(end_capture(&world, &order, "early"), "too_early", "{}", world.show(&order));
    world.run_days(6);
    beside(&world);
    world.run_days(44);
    let (waits_for, at_risk) = queued(&world, &order);
    assert!(waits_for.starts_with("capture_unknown: "), "{}", world.show(&order));
    assert!(!at_risk.is_empty());
    (world, order)
}

#[test]
fn a2_a_lost_payment_that_never_was_is_ended_by_the_statement_and_a_word() {
    let (mut world, order) = lost_capture("before_commit", |_| ());
    let older = world.copy_of_files();
    world.switch("reporting_enabled", json!(false));
    assert_eq!(end_capture(&world, &order, "n"), "not_proven", "no statement");
    world.switch("reporting_enabled", json!(true));
    assert_eq!(end_capture(&world, &order, "n"), "now", "{}", world.show(&order));
    assert_eq!(end_capture(&world, &order, "n"), "before");
    assert_eq!(end_capture(&world, &order, "m"), "nothing_unknown");
    world.run_days(2);
    let ended = |world: &World| world.engine.plan(&order).unwrap().0.order.closed_at.is_some();
    assert!(ended(&world), "{}", world.show(&order));
    // A database that forgot the word has it from the journal.
    world.put_back(older);
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.release_trade(&order), "now", "{}", world.show(&order));
    world.release(Release::Shop);
    world.run_days(2);
    assert!(ended(&world), "{}", world.show(&order));
    assert!(world.book("captures").is_empty());
    assert_eq!(world.balance("paypal:available"), 0, "nothing was taken, nothing is booked");
}

#[test]
fn a2_a_payment_of_that_amount_that_names_nobodys_order_may_be_it() {
    let stranger = |world: &World| {
        let wish = json!({"code": "T0006", "amount": "25.00", "reference": "B"});
        assert_eq!(world.plug.control("POST", "/__control/paypal/statement", &wish).0, 200);
    };
    let (world, order) = lost_capture("before_commit", stranger);
    assert_eq!(end_capture(&world, &order, "n"), "capture_there");
}

/// A person and PayPal's statement were wrong: what shows up later is taken up all the same.
#[test]
fn a13_a_payment_that_shows_up_after_nothing_there_is_taken_up() {
    let (world, order) = lost_capture("after_commit", |_| ());
    let taken = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.plug.control("POST", "/__control/paypal/statement", &json!({ "hide": taken })).0, 200);
    world.wind(SignedDuration::from_secs(2));
    assert_eq!(end_capture(&world, &order, "n"), "now", "{}", world.show(&order));
    world.run_days(1);
    clear(&world);
    world.engine.paypal_rang(&order).unwrap();
    world.run_days(2);
    let trade = world.engine.plan(&order).unwrap().0;
    assert!(trade.captured().is_some(), "{}", world.show(&order));
    assert_eq!(world.book("captures").len(), 1);
}

#[test]
fn a2_a_lost_payment_that_paypal_took_is_never_ended_as_nothing() {
    let (world, order) = lost_capture("after_commit", |_| ());
    assert_eq!(end_capture(&world, &order, "n"), "capture_there", "by the statement");
    clear(&world);
    assert_eq!(end_capture(&world, &order, "n"), "capture_there", "by PayPal's order");
    world.run_days(5);
    let stands = world.engine.plan(&order).unwrap().0;
    assert!(stands.captured().is_some(), "the program took it up by itself: {}", world.show(&order));
    assert_eq!(world.book("captures").len(), 1);
}
