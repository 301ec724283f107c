//! The rules that keep money safe, each as a situation in which a program that breaks it would pay twice or wrongly.
//! A test bears the rule's number. What races is in `race`, what forgets in `amnesia`, the supplier's side in
//! `supplier` and `guards`.

use crate::judge::{End, assert_at_most_once};
use crate::tap::Moment;
use crate::world::{World, data_dir, mug, policy, usd};
use jiff::SignedDuration;
use postsale::domain::claim::Recipient;
use postsale::domain::guards::Approval;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{PaidBy, PayoutPolicy, Policy, ReleaseEvent};
use postsale::store;
use serde_json::json;
use std::sync::Arc;

pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

pub fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

/// A human's yes to whatever the quote says.
pub fn yes() -> Approval {
    Approval { quote_hash: None, overrides: Vec::new(), expires_at: None }
}

fn is_sold(world: &World, order: &OrderId) -> bool {
    world.engine.store.read(|c| store::sales::find(c, order)).unwrap().is_some()
}

#[test]
pub fn a1_profit_does_not_leave_before_the_goods() {
    let payouts = policy().payouts.map(|p| PayoutPolicy { after: ReleaseEvent::Delivered, hold_days: 14, ..p });
    let world = World::penniless_with(Policy { payouts, ..policy() });
    world.switch("delivers_after_ms", json!(5 * 86_400_000));
    let order = world.paid_order();
    world.run_for(days(18));
    assert!(is_sold(&world, &order));
    assert!(world.book("payouts").is_empty(), "{}", world.show(&order));
    world.run_for(days(3));
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&order));
    assert_eq!(world.judge(&order, "a1"), End::Closed);
}

/// The first send of a payout went through and its answer was lost; what comes after it says no for a month. Once the
/// batch id is forgotten, the same bytes would pay again.
#[test]
pub fn a2_a_refused_resend_of_a_payout_proves_nothing() {
    for refusal in ["INSUFFICIENT_FUNDS", "SENDER_RESTRICTED", "VALIDATION_ERROR"] {
        let world = World::penniless();
        world.fault("paypal.payout", "timeout", "after_commit", 2);
        let status = if refusal == "VALIDATION_ERROR" { "status_400" } else { "status_422" };
        world.fault_with(json!({ "call": "paypal.payout", "reply": status, "when": "before_commit",
            "issue": refusal, "times": 1_000_000 }));
        let order = world.paid_order();
        world.run_for(minutes(20));
        // Whoever believes the refusal lets a human try again.
        world.engine.release(&order, "test").unwrap();
        world.run_for(days(31));
        world.plug.control("DELETE", "/__control/faults", &json!({}));
        world.engine.release(&order, "test").unwrap();
        world.run_for(days(10));
        assert_at_most_once(&world, &order, refusal);
        assert_eq!(world.judge(&order, refusal), End::Held);
        assert!(world.waits_for(&order).starts_with("payout_unknown"), "{}", world.show(&order));
    }
}

/// The first send bought the last piece and its answer was lost; the resend is told that there is none left.
#[test]
pub fn a2_a_refused_resend_of_a_purchase_proves_nothing() {
    let world = World::penniless_with(Policy { is_auto_pay: false, ..policy() });
    world.switch("stock_before_key", json!(true));
    let product = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
    world.plug.control("POST", &product, &json!({ "stock": 1 }));
    world.fault("aliexpress.create", "timeout", "after_commit", 1);
    let order = world.paid_order();
    world.run_for(minutes(30));
    assert_eq!(world.tap.count("aliexpress.create"), 2, "one resend: {}", world.show(&order));
    // Stock is back, and a human who believes the refusal says yes to another one.
    world.plug.control("POST", &product, &json!({ "stock": 50 }));
    world.engine.release(&order, "test").unwrap();
    world.engine.approve(&order, &yes(), None, "test").unwrap();
    world.run_for(days(3));
    assert_at_most_once(&world, &order, "a2 purchase");
    assert!(world.waits_for(&order).starts_with("purchase_unknown"), "{}", world.show(&order));
}

/// The supplier took the order and our database could not take the answer, in one run of the program: what it had claimed
/// counts as sent, whatever the offer says meanwhile.
#[test]
pub fn a2_an_answer_that_could_not_be_written_down_leaves_the_outcome_unknown() {
    let world = World::penniless();
    world.switch("out_order_id_hours", json!(0));
    let order = world.paid_order();
    let run =
        |sql: &str| world.engine.store.write(|tx| tx.execute_batch(sql).map_err(store::StoreError::from)).unwrap();
    run("CREATE TRIGGER full BEFORE INSERT ON supplier_orders BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    let failed = (0..20).any(|_| {
        world.wind(SignedDuration::from_secs(2));
        world.engine.advance(&order).is_err()
    });
    assert!(failed && world.book("purchases").len() == 1, "bought, and not written down: {}", world.show(&order));
    run("DROP TRIGGER full");
    // Another offer, and the old one is out of date: a claim of which nothing was sent would be given up for it.
    let path = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
    assert_eq!(world.plug.control("POST", &path, &json!({ "price": "8.10" })).0, 200);
    world.run_for(days(2));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("purchase_unknown"), "{}", world.show(&order));
}

/// A payout refused for good on its first send is tried again under the same batch id, whatever the refusal burnt.
#[test]
pub fn a2_a_payout_refused_at_first_keeps_its_batch_id() {
    let world = World::penniless();
    world.fault_with(json!({ "call": "paypal.payout", "reply": "status_403", "when": "before_commit",
        "issue": "SENDER_RESTRICTED", "times": 2 }));
    let order = world.paid_order();
    world.run_for(minutes(10));
    assert!(world.waits_for(&order).starts_with("payout_refused"), "{}", world.show(&order));
    for _ in 0..2 {
        world.engine.release(&order, "test").unwrap();
        world.run_for(minutes(10));
    }
    assert_eq!(world.judge(&order, "a2 first refusal"), End::Closed);
    let lines = std::fs::read_to_string(world.data_dir().join("intents.log")).unwrap();
    assert_eq!(lines.matches("\"slot\":\"payout:").count(), 2, "one claim a recipient, never a second key");
}

/// The whole data directory is lost and set up anew; the channel reports the same orders, in another order.
#[test]
pub fn a4_a_lost_database_buys_nothing_again() {
    let world = World::penniless();
    world.take(&world.report("1001"));
    world.run_for(minutes(10));
    assert_eq!(world.book("purchases").len(), 1);

    let again = World::beside(data_dir(), Arc::clone(&world.clock), Arc::clone(&world.plug), policy());
    let mut later = again.report("1002");
    later.buyer = crate::world::buyer(2);
    again.take(&later);
    let order = again.take(&again.report("1001"));
    again.run_for(days(1));
    assert_eq!(again.book("purchases").len(), 2, "1001 once and 1002 once");
    // A supplier who answers a used id with its orders tells what became of it.
    let is_told = again.engine.plan(&order).unwrap().0.purchase.is_some_and(|purchase| purchase.is_placed());
    assert!(is_told || again.waits_for(&order).starts_with("purchase_unknown"), "{}", again.show(&order));
}

/// The channel still has the money; ours, from other sales, lies in the account and would do for the payout.
#[test]
pub fn a7_only_money_that_came_in_goes_out() {
    let world = World::penniless();
    for n in 1..4 {
        let paid = world.paid_order_of(n);
        world.run_for(minutes(10));
        assert_eq!(world.stage(&paid), "closed", "{}", world.show(&paid));
    }
    let before = world.book("payouts").len();
    let mut report = world.report("1001");
    // Whoever reports says "settled" but may not vouch for it.
    (report.says_settled, report.may_vouch) = (true, false);
    let order = world.take(&report);
    world.run_for(days(30));
    assert!(is_sold(&world, &order));
    assert_eq!(world.book("payouts").len(), before, "{}", world.show(&order));

    let mut vouched = world.report("1002");
    (vouched.says_settled, vouched.may_vouch, vouched.buyer) = (true, true, crate::world::buyer(9));
    let order = world.take(&vouched);
    world.run_for(minutes(10));
    assert_eq!(world.book("payouts").len(), before + 2, "{}", world.show(&order));
    world.judge_books("a7");
}

#[test]
pub fn a8_bytes_that_charge_are_never_resent() {
    let world = World::penniless();
    // The far side forgets our key at once: every resend would buy again.
    world.switch("out_order_id_hours", json!(0));
    world.fault("aliexpress.create", "timeout", "after_commit", 1);
    let order = world.paid_order();
    world.run_days(5);
    assert_eq!(world.tap.count("aliexpress.create"), 1, "{}", world.show(&order));
    assert_at_most_once(&world, &order, "a8");
    assert!(world.waits_for(&order).starts_with("purchase_unknown"));
}

#[test]
pub fn a8_a_second_attempt_and_a_dear_one_go_unpaid() {
    let world = World::penniless();
    world.fault("aliexpress.create", "is_success_false", "before_commit", 1);
    let order = world.paid_order();
    world.run_for(minutes(5));
    assert!(world.waits_for(&order).starts_with("purchase_refused"), "{}", world.show(&order));
    world.engine.release(&order, "test").unwrap();
    world.run_for(minutes(5));
    assert!(world.book("purchases")[0]["paidAt"].is_null(), "{}", world.show(&order));

    // The ceiling of 25.00 is 22.64, and a quarter on top of 18.50 is more.
    let world = World::penniless();
    let product = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
    world.plug.control("POST", &product, &json!({ "price": "18.50" }));
    let order = world.paid_order();
    world.run_for(minutes(5));
    assert!(world.book("purchases")[0]["paidAt"].is_null(), "{}", world.show(&order));
}

/// The seller laid the goods out, so both legs together are all that came in, and PayPal's fees would come on top.
#[test]
pub fn a10_what_is_promised_is_not_free() {
    let world = World::penniless_with(Policy { paid_by: PaidBy::Seller, ..policy() });
    world.switch("payout_settle_ms", json!(6 * 3_600_000));
    let order = world.paid_order();
    world.run_for(minutes(60));
    assert_eq!(world.book("payouts").len(), 1, "{}", world.show(&order));
    // What another buyer paid for goods he does not have yet is not free either.
    let other = world.paid_order_of(2);
    let (engine, held) = (Arc::clone(&world.engine), other.clone());
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("paypal.capture", Moment::After) {
            engine.hold(&held, "waits", "test").unwrap();
        }
    });
    world.run_for(minutes(60));
    assert_eq!((world.book("captures").len(), world.book("purchases").len()), (2, 1), "{}", world.show(&other));
    assert_eq!(world.book("payouts").len(), 1, "{}", world.show(&order));
    world.run_for(minutes(8 * 60));
    assert_eq!(world.book("payouts").len(), 1, "{}", world.show(&order));
    assert!(world.waits_for(&order).contains("free money"), "{}", world.show(&order));
    assert!(world.paypal_earned() >= 2_500, "the second buyer's money is there to the cent");
}

#[test]
pub fn a10_no_funds_at_first_is_waited_for() {
    let world = World::penniless();
    world.fault_with(json!({ "call": "paypal.payout", "reply": "status_422", "when": "before_commit",
        "issue": "INSUFFICIENT_FUNDS", "times": 5 }));
    let order = world.paid_order();
    world.run_for(minutes(30));
    assert_ne!(world.stage(&order), "held", "{}", world.show(&order));
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "a10"), End::Closed);
    // Two tries fail, an hour passes, and so on: never more often than once an hour for a leg.
    assert_eq!(world.tap.count("paypal.payout"), 7);
}

#[test]
pub fn a13_one_capture_pays_one_order() {
    let world = World::penniless();
    let mut first = world.report("1001");
    first.outside_capture = Some("paypal:CAP1".to_owned());
    world.take(&first);
    let mut second = postsale::engine::intake::Report { channel: "ebay".to_owned(), ..first.clone() };
    second.channel_order_id = "77".to_owned();
    assert!(world.engine.take_order(&second).is_err());
    world.run_for(minutes(10));
    assert_eq!(world.book("purchases").len(), 1);
}

/// STOP lies in the way of everything that moves money, at whatever point of the road it comes.
#[test]
pub fn a15_stop_stops_and_looks_go_on() {
    let go = |world: &World| std::fs::remove_file(world.data_dir().join("STOP")).unwrap();
    let calls = ["paypal.order", "paypal.capture", "aliexpress.product", "aliexpress.create", "aliexpress.get"];
    for at in calls.iter().chain(&["paypal.payout"]) {
        let world = World::penniless();
        let order = world.checkout();
        let (path, wanted) = (world.data_dir().join("STOP"), at.to_string());
        world.tap.meddle(move |call, _| {
            if call == wanted {
                std::fs::write(&path, "").unwrap();
            }
        });
        world.approve(&order);
        world.run_for(minutes(2));
        world.tap.leave_alone();
        let moved = || ["captures", "purchases", "payouts"].map(|book| world.book(book).len());
        let (before, looks) = (moved(), world.tap.count("paypal.order"));
        assert!(world.engine.open_checkout_order("MUG", 1, None, None).is_err(), "{at}");
        world.run_for(minutes(45));
        assert_eq!(moved(), before, "{at}: {}", world.show(&order));
        if before[0] == 0 {
            assert!(world.tap.count("paypal.order") >= looks, "{at}: looks are allowed");
        }
        go(&world);
        world.run_days(5);
        let end = world.judge(&order, at);
        // An approval that nobody took in time has expired; whatever had begun is brought to its end.
        assert_eq!(end, End::Closed, "{at}: {}", world.show(&order));
    }
}

/// PayPal never answers; the batch id protects for 30 days, and after 25 nothing is sent any more.
#[test]
pub fn a19_no_payout_goes_out_after_day_25() {
    let look_again = vec![days(1); 60];
    let world = World::penniless_with(Policy { look_again, ..policy() });
    world.fault("paypal.payout", "timeout", "after_commit", 1_000_000);
    let order = world.paid_order();
    world.run_for(days(25));
    let sent = world.tap.count("paypal.payout");
    assert!(sent > 40, "both legs are resent daily: {sent}");
    world.plug.control("DELETE", "/__control/faults", &json!({}));
    world.run_for(days(23));
    assert_eq!(world.tap.count("paypal.payout"), sent, "{}", world.show(&order));
    assert_at_most_once(&world, &order, "a19");
    assert!(world.waits_for(&order).starts_with("payout_unknown"));
}

#[test]
pub fn a19_the_first_resend_leaves_the_far_side_its_time() {
    for (call, reply) in [("paypal.payout", "timeout"), ("aliexpress.create", "reset")] {
        let world = World::penniless_with(Policy { is_auto_pay: false, ..policy() });
        world.fault(call, reply, "before_commit", 1);
        world.paid_order();
        world.run_for(minutes(4));
        let bought = world.book("purchases");
        if let Some(purchase) = bought.first() {
            let id = purchase["id"].as_str().unwrap();
            world.plug.control("POST", &format!("/__control/aliexpress/orders/{id}/pay"), &json!({}));
            world.run_for(minutes(4));
        }
        let early = world.tap.count(call);
        world.run_for(minutes(6));
        assert!(world.tap.count(call) > early, "{call}");
    }
}

#[test]
pub fn a20_only_the_confirmed_payee_is_paid() {
    let world = World::penniless();
    world.engine.confirm_payee(Recipient::Seller, "somebody@else.example", "test").unwrap();
    let order = world.paid_order();
    world.run_for(days(1));
    assert_eq!(world.book("payouts").len(), 1, "the platform's leg only: {}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("payee_unconfirmed"), "{}", world.show(&order));
    let proposed = world.engine.settings.seller.clone().unwrap();
    world.engine.confirm_payee(Recipient::Seller, &proposed, "test").unwrap();
    world.run_for(minutes(20));
    assert_eq!(world.judge(&order, "a20"), End::Closed);
}

#[test]
pub fn a20_the_buyer_is_charged_only_for_what_can_be_had() {
    let charged = |prepare: &dyn Fn(&World, &OrderId)| {
        let world = World::penniless();
        let order = world.checkout();
        prepare(&world, &order);
        world.run_days(3);
        assert_eq!(world.book("purchases").len(), world.book("captures").len(), "{}", world.show(&order));
        (world.book("captures").len(), world.stage(&order), world.waits_for(&order))
    };
    let product = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
    let wish = |wish: serde_json::Value| {
        let product = product.clone();
        move |world: &World, order: &OrderId| {
            assert_eq!(world.plug.control("POST", &product, &wish).0, 200);
            world.approve(order);
        }
    };
    let expired = (0, "closed".to_owned(), "closed".to_owned());
    assert_eq!(charged(&|world, order| world.approve(order)).0, 1);
    assert_eq!(charged(&wish(json!({ "stock": 0 }))), expired);
    assert_eq!(charged(&wish(json!({ "selling": false }))), expired);
    assert_eq!(charged(&wish(json!({ "price": "24.01" }))), expired, "the ceiling is 24.00 before PayPal's fee");
    let inactive = |world: &World, order: &OrderId| {
        world.engine.put_product(&store::products::Product { is_active: false, ..mug() }).unwrap();
        world.approve(order);
    };
    assert_eq!(charged(&inactive), expired);
    let elsewhere = |world: &World, order: &OrderId| {
        let address = json!({ "line1": "9 Elm Street", "city": "Reno", "province": "NV", "postalCode": "89501",
            "country": "US" });
        let path = format!("/__control/paypal/orders/{}/approve", world.paypal_order(order));
        world.plug.control("POST", &path, &json!({ "shippingAddress": address }));
        world.engine.buyer_returned(order).unwrap();
    };
    let (captures, stage, waits_for) = charged(&elsewhere);
    assert_eq!((captures, stage.as_str()), (0, "held"));
    assert!(waits_for.starts_with("address_differs"), "{waits_for}");
}

#[test]
pub fn limits_of_one_payout_hold() {
    let mut tight = policy();
    tight.limits.payout_max = usd("5.00");
    let world = World::penniless_with(tight);
    let order = world.paid_order();
    world.run_for(days(2));
    assert_eq!(world.book("payouts").len(), 1, "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("payout_problem"), "{}", world.show(&order));
}
