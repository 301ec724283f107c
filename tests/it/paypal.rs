//! PayPal beside the road: its login and what it permits, captures that are not plain money yet, and tracking numbers.

use crate::judge::End;
use crate::money::{days, minutes};
use crate::world::World;
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::store;
use serde_json::{Value, json};

fn control(world: &World, path: &str, wish: &Value) {
    assert_eq!(world.plug.control("POST", &format!("/__control/paypal/{path}"), wish).0, 200, "{path} {wish}");
}

fn has_event(world: &World, order: &OrderId, kind: &str) -> bool {
    let events = world.engine.store.read(|c| store::events::of_order(c, order)).unwrap();
    events.iter().any(|event| event.kind == kind)
}

/// The secret is revoked in mid-run: three questions an hour however many orders there are, all of them held with the
/// reason, and everything goes on by itself once the secret is good again.
#[test]
fn f16_a_revoked_secret_stops_everything_and_storms_nothing() {
    let world = World::penniless();
    world.switch("payout_settle_ms", json!(3_600_000));
    let mut orders: Vec<OrderId> = (1..=3).map(|n| world.paid_order_of(n)).collect();
    world.run_for(minutes(1));
    world.switch("paypal_credentials_valid", json!(false));
    let open = |n| world.engine.open_checkout_order("MUG", 1, Some(crate::world::buyer(n)), None).unwrap().order;
    orders.extend((10..15).map(open));
    world.run_for(minutes(5));
    let asked = world.tap.count("paypal.token");
    world.run_for(minutes(60));
    assert!(world.tap.count("paypal.token") <= asked + 3, "{} after {asked}", world.tap.count("paypal.token"));
    for order in &orders {
        assert!(world.waits_for(order).starts_with("no_paypal"), "{}", world.show(order));
    }
    world.switch("paypal_credentials_valid", json!(true));
    world.run_for(minutes(180));
    for order in &orders[..3] {
        assert_eq!(world.stage(order), "closed", "{}", world.show(order));
    }
    for order in &orders[3..] {
        assert!(!world.waits_for(order).starts_with("no_paypal"), "{}", world.show(order));
    }
}

/// A token that PayPal forgets in mid-run costs one more login and no second payment.
#[test]
fn f17_a_token_that_dies_is_replaced_once() {
    let world = World::penniless();
    let order = world.checkout();
    let before = world.tap.count("paypal.token");
    world.switch("paypal_token_generation", json!(1));
    world.approve(&order);
    world.run_for(minutes(10));
    assert_eq!(world.tap.count("paypal.token"), before + 1);
    assert_eq!(world.judge(&order, "f17"), End::Closed);
}

#[test]
fn what_paypal_permits_is_known_before_the_first_payout() {
    let world = World::penniless();
    let granted = |world: &World| world.engine.store.read(|c| store::meta::value(c, "paypal_permissions")).unwrap();
    assert_eq!(world.engine.read_permissions().unwrap(), Ok("everything is permitted".to_owned()));
    assert_eq!(granted(&world).as_deref(), Some("payouts refunds search webhooks"));
    let world = World::penniless();
    world.switch("payouts_enabled", json!(false));
    let said = world.engine.read_permissions().unwrap();
    assert!(said.unwrap_err().contains("missing: payouts"));
    assert_eq!(granted(&world).as_deref(), Some("refunds search webhooks"));
    // Nobody is charged and nothing is bought for which nobody could be paid; it goes on by itself once PayPal permits it.
    let order = world.paid_order();
    world.run_for(minutes(90));
    assert!(
        world.waits_for(&order).contains("payout_permission (PayPal does not permit payouts)"),
        "{}",
        world.show(&order)
    );
    assert_eq!((world.book("captures").len(), world.book("purchases").len()), (0, 0));
    world.switch("payouts_enabled", json!(true));
    world.switch("paypal_token_generation", json!(1));
    // The old token lacks it until it ends; the next call finds it refused and takes a new one.
    world.engine.poll_disputes().unwrap();
    assert_eq!(world.engine.read_permissions().unwrap(), Ok("everything is permitted".to_owned()));
    world.run_for(minutes(30));
    assert_eq!(world.judge(&order, "permitted"), End::Closed);
    // A token that names nothing known here tells nothing, and stops nobody.
    let world = World::penniless();
    world.engine.store.write(|tx| store::meta::set(tx, "paypal_permissions", "")).unwrap();
    let order = world.paid_order();
    world.run_for(minutes(30));
    assert_eq!(world.judge(&order, "it cannot be told"), End::Closed);
}

/// Nobody asked what is permitted: the first refusal holds one order, and no other is charged or bought for.
#[test]
fn a_payout_refused_for_want_of_permission_stops_the_next_purchase() {
    let world = World::penniless();
    world.switch("payouts_enabled", json!(false));
    let first = world.paid_order_of(1);
    world.run_for(minutes(30));
    assert!(world.waits_for(&first).starts_with("payout_refused"), "{}", world.show(&first));
    let second = world.paid_order_of(2);
    world.run_for(minutes(30));
    assert!(world.waits_for(&second).contains("payout_permission"), "{}", world.show(&second));
    assert_eq!((world.book("captures").len(), world.book("purchases").len()), (1, 1));
    assert_eq!((world.book("payouts").len(), world.tap.count("paypal.payout")), (0, 1));
    // A person knows better: his word about this order counts, and about no other.
    let yes = postsale::domain::guards::Approval {
        quote_hash: None,
        overrides: vec![postsale::domain::guards::Guard::PayoutPermission],
        expires_at: None,
    };
    world.engine.approve(&second, &yes, None, "tester").unwrap();
    world.run_for(minutes(30));
    assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&second));
    let third = world.paid_order_of(3);
    world.run_for(minutes(30));
    assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&third));
    // PayPal permits it: the held payout goes out under its own batch id, and with it everything else.
    world.switch("payouts_enabled", json!(true));
    world.switch("paypal_token_generation", json!(1));
    for order in [&first, &second] {
        world.engine.release(order, "tester").unwrap();
    }
    world.run_for(minutes(90));
    for order in [&first, &second, &third] {
        assert_eq!(world.stage(order), "closed", "{}", world.show(order));
    }
    assert_eq!(world.book("payouts").len(), 6);
}

/// Money that PayPal holds back is not ours: nothing is bought on it, for whatever reason it gives.
#[test]
fn l14_nothing_is_bought_on_a_pending_capture() {
    let reasons = [
        "BUYER_COMPLAINT",
        "CHARGEBACK",
        "ECHECK",
        "INTERNATIONAL_WITHDRAWAL",
        "OTHER",
        "PENDING_REVIEW",
        "RECEIVING_PREFERENCE_MANDATES_MANUAL_ACTION",
        "REFUNDED",
        "TRANSACTION_APPROVED_AWAITING_FUNDING",
        "UNILATERAL",
        "VERIFICATION_REQUIRED",
        "SOMETHING_NEW",
    ];
    for reason in reasons {
        let world = World::penniless();
        control(&world, "next-capture", &json!({ "status": "PENDING", "reason": reason }));
        let order = world.paid_order();
        world.run_for(days(3));
        let what = format!("{reason}: {}", world.show(&order));
        assert!(world.book("purchases").is_empty() && world.balance("paypal:available") == 0, "{what}");
        assert_eq!(world.stage(&order), "awaiting_payment", "{what}");
        assert_eq!(world.tap.count("paypal.capture"), 1, "{what}");
        let id = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
        control(&world, &format!("captures/{id}"), &json!({ "status": "COMPLETED" }));
        world.run_for(days(1));
        assert_eq!(world.judge(&order, reason), End::Closed);
    }
}

/// A pending capture that PayPal declines in the end was never money.
#[test]
fn a_pending_capture_that_is_declined_leaves_nothing() {
    let world = World::penniless();
    control(&world, "next-capture", &json!({ "status": "PENDING" }));
    let order = world.paid_order();
    world.run_for(minutes(30));
    let id = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    control(&world, &format!("captures/{id}"), &json!({ "status": "DECLINED" }));
    world.run_for(days(10));
    assert!(has_event(&world, &order, "capture_declined"), "{}", world.show(&order));
    assert!(world.book("purchases").is_empty() && world.balance("paypal:available") == 0, "{}", world.show(&order));
}

/// PayPal completes a capture and does not tell its fee for a while: nothing is sold before it is known, and it is
/// asked for until it is.
#[test]
fn l14_the_fee_is_read_until_it_is_known() {
    let world = World::penniless();
    world.switch("fee_told", json!(false));
    let order = world.paid_order();
    world.run_for(minutes(90));
    let looks = world.tap.count("paypal.capture_get");
    assert!(looks > 3, "{}", world.show(&order));
    assert!(world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().is_none(), "{}", world.show(&order));
    assert!(world.book("payouts").is_empty());
    world.switch("fee_told", json!(true));
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "fee"), End::Closed);
}

/// Declined, approved again, captured under a next key; the first answer is never asked for again.
#[test]
fn a_declined_buyer_may_pay_another_way() {
    for issue in ["INSTRUMENT_DECLINED", "PAYER_ACTION_REQUIRED", "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING"] {
        let world = World::penniless();
        control(&world, "next-capture", &json!({ "issue": issue }));
        let order = world.paid_order();
        world.run_for(minutes(5));
        assert!(has_event(&world, &order, "capture_declined"), "{}", world.show(&order));
        assert_eq!(world.tap.count("paypal.capture"), 1);
        world.approve(&order);
        world.run_for(minutes(10));
        assert_eq!(world.judge(&order, issue), End::Closed);
        assert_eq!(world.tap.count("paypal.capture"), 2);
    }
}

/// Answers that say that something may be there already: the order is looked at, nothing is taken twice, and where
/// nothing can be found a person gets it with its reason.
#[test]
fn f11_what_may_be_there_already_is_looked_at() {
    for (issue, status, when, ends) in [
        ("ORDER_ALREADY_CAPTURED", "status_422", "after_commit", "closed"),
        ("ORDER_COMPLETION_IN_PROGRESS", "status_422", "before_commit", "closed"),
        ("PREVIOUS_REQUEST_IN_PROGRESS", "status_409", "after_commit", "closed"),
        ("DUPLICATE_INVOICE_ID", "status_422", "after_commit", "closed"),
    ] {
        let world = World::penniless();
        world.fault_with(json!({ "call": "paypal.capture", "reply": status, "when": when, "issue": issue }));
        let order = world.paid_order();
        world.run_for(days(2));
        assert_eq!(world.stage(&order), ends, "{issue} {}", world.show(&order));
        assert_eq!(world.judge(&order, issue), End::Closed);
    }
    let world = World::penniless();
    world.fault_with(json!({ "call": "paypal.capture", "reply": "status_422", "when": "before_commit",
        "issue": "DUPLICATE_INVOICE_ID", "times": 1_000_000 }));
    let order = world.paid_order();
    world.run_for(days(40));
    assert!(world.waits_for(&order).starts_with("capture_unknown"), "{}", world.show(&order));
    assert!(world.book("captures").is_empty() && world.book("purchases").is_empty());
}

/// After three hours PayPal knows an unpaid order no more: that is its end, and no fault.
#[test]
fn an_order_nobody_paid_expires() {
    let world = World::penniless();
    let order = world.checkout();
    world.run_for(SignedDuration::from_hours(12));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    assert!(has_event(&world, &order, "checkout_expired"), "{}", world.show(&order));
}

/// The buyer's browser never comes back and no message arrives: asking finds the approval all the same.
#[test]
fn an_approval_is_found_by_asking() {
    let world = World::penniless();
    let order = world.checkout();
    world.run_for(minutes(3));
    control(&world, &format!("orders/{}/approve", world.paypal_order(&order)), &json!({}));
    world.run_for(minutes(60));
    assert_eq!(world.judge(&order, "asked"), End::Closed);
}

/// An order of ours that was captured without us, or that only reserves the money.
#[test]
fn what_was_not_asked_for_is_held() {
    let world = World::penniless();
    world.switch("order_intent", json!("AUTHORIZE"));
    let order = world.paid_order();
    world.run_for(minutes(30));
    assert!(world.waits_for(&order).starts_with("capture_mismatch"), "{}", world.show(&order));
    assert!(world.waits_for(&order).contains("reserves"), "{}", world.show(&order));
    assert!(world.book("captures").is_empty() && world.book("purchases").is_empty());
}

/// PayPal hears the tracking number of a captured order; its trouble with it delays nothing.
#[test]
fn tracking_numbers_are_told_and_delay_nothing() {
    let told = |world: &World, order: &OrderId| {
        let id = world.paypal_order(order);
        let seen = world.plug.sides().paypal.trackers(&id);
        (world.tap.count("paypal.track"), seen)
    };
    let world = World::penniless();
    let order = world.paid_order();
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "told"), End::Closed);
    let (calls, trackers) = told(&world, &order);
    assert_eq!((calls, trackers), (1, 1), "{}", world.show(&order));
    // Two failures, then it goes through; the parcel is under way for five days.
    let world = World::penniless();
    world.switch("delivers_after_ms", json!(5 * 86_400_000));
    world.fault("paypal.track", "status_500", "before_commit", 1);
    world.fault("paypal.track", "timeout", "after_commit", 1);
    let order = world.paid_order();
    world.run_for(days(8));
    assert_eq!(world.judge(&order, "told later"), End::Closed);
    assert_eq!(told(&world, &order), (3, 1), "{}", world.show(&order));
    // It never goes through: given up, and the order has its end all the same.
    for (reply, calls) in [("timeout", 8), ("status_404", 1)] {
        let world = World::penniless();
        world.switch("delivers_after_ms", json!(20 * 86_400_000_i64));
        world.fault("paypal.track", reply, "before_commit", 1_000_000);
        let order = world.paid_order();
        world.run_for(days(40));
        assert_eq!(world.judge(&order, reply), End::Closed);
        assert_eq!(told(&world, &order), (calls, 0), "{}", world.show(&order));
    }
}
