//! Disputes: told by PayPal or found by asking. They hold their order, stand in the queue with the day by which the
//! seller must answer, and are booked by what PayPal shows.

use crate::by_hand::once;
use crate::hooks::{deliver, post};
use crate::judge::assert_at_most_once;
use crate::money::minutes;
use crate::tap::Moment;
use crate::world::{World, policy};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::store;
use postsale::store::checks::{self, When};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn control(world: &World, path: &str, body: Value) -> Value {
    let (status, answer) = world.plug.control("POST", &format!("/__control/paypal/{path}"), &body);
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).unwrap()
}

/// The buyer of the one capture disputes it; answers the dispute's id.
fn open(world: &World) -> String {
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    control(world, &format!("captures/{capture}/dispute"), json!({}))["id"].as_str().unwrap().to_owned()
}

fn resolve(world: &World, dispute: &str, outcome: &str) {
    world.wind(SignedDuration::from_secs(1));
    control(world, &format!("disputes/{dispute}"), json!({"status": "RESOLVED", "outcome": outcome}));
}

fn is_open(world: &World, order: &OrderId) -> bool {
    world.engine.plan(order).unwrap().0.order.closed_at.is_none()
}

fn balance(world: &World, account: &str) -> i64 {
    let all = world.engine.store.read(store::ledger::balances).unwrap();
    all.iter().find(|(name, _)| name == account).map_or(0, |(_, money)| money.minor)
}

/// PayPal's balance by our books is what PayPal's own book says.
fn agrees(world: &World) {
    let theirs = world.plug.book()["balances"][0]["amount"].as_str().unwrap().replace('.', "");
    assert_eq!(balance(world, "paypal:available").to_string(), theirs);
}

/// The order is through: bought once, paid out once, closed.
fn finished(world: &World, order: &OrderId, name: &str) {
    assert_at_most_once(world, order, name);
    assert_eq!(world.stage(order), "closed", "{name}\n{}", world.show(order));
    assert_eq!((world.book("purchases").len(), world.book("payouts").len()), (1, 2), "{name}");
}

fn in_queue(world: &World, order: &OrderId) -> Option<String> {
    let rows = world.engine.store.read(|c| store::queue::list(c, None, 50, world.now())).unwrap();
    rows.into_iter().find(|row| row.order.id == *order).map(|row| row.order.waits_for)
}

/// Paid, and an hour to wait before anything is bought.
fn waiting() -> Policy {
    Policy { cancel_buffer: SignedDuration::from_hours(1), ..policy() }
}

#[test]
fn a3_a_dispute_comes_before_the_purchase_and_its_end_lets_the_order_go_on() {
    let world = World::with(waiting());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let dispute = open(&world);
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.CREATED"));
    world.run_for(minutes(180));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    assert_eq!(world.stage(&order), "held");
    let shown = in_queue(&world, &order).expect("it stands in the queue");
    assert!(shown.starts_with("disputed: ") && shown.contains("answer at PayPal before 2026-03-11"), "{shown}");
    assert_eq!(balance(&world, "dispute_hold"), 2500, "held by PayPal, and seen");
    agrees(&world);
    resolve(&world, &dispute, "RESOLVED_SELLER_FAVOUR");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(60));
    finished(&world, &order, "won");
    assert_eq!((balance(&world, "dispute_hold"), balance(&world, "chargebacks")), (0, 0));
    agrees(&world);
}

/// The buyer disputes while the first leg is on its way to PayPal: that one is followed, the other is not paid.
#[test]
fn a3_a_dispute_told_while_one_leg_is_paid_stops_the_other() {
    let world = Arc::new(World::new());
    let order = world.paid_order();
    let (inside, is_done) = (Arc::downgrade(&world), AtomicBool::new(false));
    world.tap.meddle(move |call, moment| {
        let Some(world) = inside.upgrade().filter(|_| call == "paypal.payout" && moment == Moment::Before) else {
            return;
        };
        if !is_done.swap(true, Ordering::SeqCst) {
            open(&world);
            deliver(&world, &post(&world, "CUSTOMER.DISPUTE.CREATED"));
        }
    });
    world.run_for(minutes(60));
    assert_eq!(world.book("payouts").len(), 1, "{}", world.show(&order));
    assert_eq!(world.stage(&order), "held", "{}", world.show(&order));
    let payouts = world.engine.plan(&order).unwrap().0.payouts;
    assert!(payouts[0].transaction_id.is_some(), "what was sent is followed to its end");
}

#[test]
fn a17_a_closed_order_is_opened_again_by_a_dispute_and_closed_by_its_good_end() {
    let world = World::new();
    let order = world.paid_order();
    world.run_for(minutes(60));
    finished(&world, &order, "before");
    let dispute = open(&world);
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.CREATED"));
    assert!(is_open(&world, &order), "in the same transaction");
    world.run_for(minutes(1));
    assert_eq!(world.stage(&order), "held", "{}", world.show(&order));
    assert!(in_queue(&world, &order).is_some());
    resolve(&world, &dispute, "CANCELED_BY_BUYER");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(1));
    finished(&world, &order, "after");
    agrees(&world);
}

#[test]
fn b_a_lost_dispute_is_booked_by_what_paypal_took_and_waits_for_a_person() {
    for holds in [true, false] {
        let world = World::new();
        world.switch("dispute_holds", json!(holds));
        let order = world.paid_order();
        world.run_for(minutes(60));
        let dispute = open(&world);
        deliver(&world, &post(&world, "CUSTOMER.DISPUTE.CREATED"));
        world.run_for(minutes(1));
        assert_eq!(balance(&world, "dispute_hold"), if holds { 2500 } else { 0 });
        resolve(&world, &dispute, "RESOLVED_BUYER_FAVOUR");
        let event = post(&world, "CUSTOMER.DISPUTE.RESOLVED");
        for _ in 0..3 {
            deliver(&world, &event);
            world.run_for(minutes(1));
        }
        let seen = (balance(&world, "dispute_hold"), balance(&world, "chargebacks"), balance(&world, "dispute_fees"));
        assert_eq!(seen, (0, 2500, 1500), "holds {holds}\n{}", world.show(&order));
        agrees(&world);
        postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
        let standing = postsale::assure::reconcile::answer(&world.engine.store, false).unwrap().findings;
        assert!(standing.is_empty(), "PayPal's statement shows what is booked: {standing:?}");
        let shown = in_queue(&world, &order).unwrap();
        assert!(shown.starts_with("dispute_lost: ") && shown.contains("25.00"), "{shown}");
        assert!(world.engine.release(&order, "owner").unwrap());
        world.run_for(minutes(1));
        assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
        // An appeal that ends well brings the money back, and nobody has to do anything.
        resolve(&world, &dispute, "RESOLVED_SELLER_FAVOUR");
        deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
        world.run_for(minutes(1));
        assert_eq!((balance(&world, "dispute_hold"), balance(&world, "chargebacks")), (0, 0), "holds {holds}");
        assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
        agrees(&world);
    }
}

#[test]
fn a_lost_dispute_before_the_purchase_is_never_bought() {
    let world = World::with(waiting());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let dispute = open(&world);
    resolve(&world, &dispute, "ACCEPTED");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(120));
    assert!(in_queue(&world, &order).unwrap().starts_with("dispute_lost: "), "{}", world.show(&order));
    assert_eq!(balance(&world, "buyer_deposits"), 0, "the buyer has his money: nothing of it is kept for him");
    let free = |world: &World| {
        let currency = world.policy.currency;
        let balances = |c: &_| store::ledger::balances_in(c, currency);
        world.engine.store.read(|c| store::shop::free_money(c, &balances(c)?, currency)).unwrap()
    };
    let without_it = free(&world);
    agrees(&world);
    // Seen by a person: nothing is left of it, so it ends, and nothing was bought.
    assert!(world.engine.release(&order, "owner").unwrap());
    world.run_for(minutes(120));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    assert_eq!((world.stage(&order).as_str(), free(&world)), ("closed", without_it), "{}", world.show(&order));
    crate::refunds::agrees(&world);
    // An appeal brings the money back, and the goods are owed again.
    resolve(&world, &dispute, "RESOLVED_SELLER_FAVOUR");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(120));
    finished(&world, &order, "won after all");
    assert_eq!((balance(&world, "buyer_deposits"), balance(&world, "chargebacks")), (0, 0));
    crate::refunds::agrees(&world);
}

/// A part was lost and the rest is still the order's: a person decides, and `cancel` gives the rest back.
#[test]
fn a_part_lost_before_the_purchase_ends_by_cancelling() {
    let world = World::with(waiting());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let dispute = control(&world, &format!("captures/{capture}/dispute"), json!({ "amount": "5.00" }));
    resolve(&world, dispute["id"].as_str().unwrap(), "ACCEPTED");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(60));
    assert_eq!(balance(&world, "buyer_deposits"), -2000, "{}", world.show(&order));
    assert!(world.engine.release(&order, "owner").unwrap());
    world.run_for(minutes(120));
    assert!(in_queue(&world, &order).unwrap().starts_with("dispute_lost: "), "never bought: {}", world.show(&order));
    let said = world.engine.cancel_once(&once("c1"), &order, "the buyer has a part", "owner");
    assert_eq!(crate::by_hand::code(said), "now");
    world.run_for(minutes(120));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    assert_eq!(world.book("refunds")[0]["amount"], "20.00");
    assert_eq!((world.stage(&order).as_str(), balance(&world, "buyer_deposits")), ("cancelled", 0));
    assert!(!is_open(&world, &order), "{}", world.show(&order));
    crate::refunds::agrees(&world);
}

/// Placed and not paid yet: nobody is to pay for goods whose money is gone, also after a person has seen the loss.
#[test]
fn a12_a_lost_dispute_of_unpaid_goods_goes_on_saying_do_not_pay() {
    let world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    let dispute = open(&world);
    resolve(&world, &dispute, "ACCEPTED");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(60));
    let shown = in_queue(&world, &order).unwrap();
    assert!(shown.starts_with("dispute_lost: ") && shown.contains("DO NOT PAY"), "{shown}");
    assert!(world.engine.release(&order, "owner").unwrap());
    world.run_for(minutes(60));
    let shown = in_queue(&world, &order).unwrap();
    assert!(shown.starts_with("do_not_pay: "), "{shown}");
    // The supplier closes it unpaid, and that is the end.
    world.run_days(45);
    assert!(!is_open(&world, &order), "{}", world.show(&order));
    crate::refunds::agrees(&world);
}

#[test]
fn a_dispute_is_found_by_asking_where_nobody_rang() {
    let world = World::new();
    let order = world.paid_order();
    world.run_for(minutes(60));
    assert_eq!(world.engine.poll_disputes().unwrap(), "0 disputes listed, 0 with news");
    let dispute = open(&world);
    world.wind(SignedDuration::from_secs(5));
    assert_eq!(world.engine.poll_disputes().unwrap(), "1 disputes listed, 1 with news");
    assert!(is_open(&world, &order));
    world.run_for(minutes(1));
    assert_eq!(world.stage(&order), "held", "{}", world.show(&order));
    assert_eq!(world.engine.poll_disputes().unwrap(), "1 disputes listed, 0 with news");
    resolve(&world, &dispute, "RESOLVED_SELLER_FAVOUR");
    world.wind(SignedDuration::from_hours(2));
    assert_eq!(world.engine.poll_disputes().unwrap(), "1 disputes listed, 1 with news");
    world.run_for(minutes(1));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
}

#[test]
fn a_dispute_that_cannot_be_read_holds_until_it_can() {
    let world = World::with(waiting());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let dispute = open(&world);
    world.fault("paypal.dispute", "status_500", "before_commit", 3);
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.CREATED"));
    world.engine.run_due().unwrap();
    assert!(world.waits_for(&order).contains("could not be read"), "{}", world.show(&order));
    world.run_for(minutes(120));
    assert!(world.waits_for(&order).contains("WAITING_FOR_SELLER_RESPONSE"), "{}", world.show(&order));
    resolve(&world, &dispute, "DENIED");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(60));
    finished(&world, &order, "denied");
}

/// MONEY A10: what is disputed is not free, whether PayPal took it already or not.
#[test]
fn a10_disputed_money_is_not_free() {
    for holds in [true, false] {
        let world = World::new();
        world.switch("dispute_holds", json!(holds));
        let order = world.paid_order();
        world.run_for(minutes(60));
        let free = |world: &World| {
            let now = world.now();
            let shop = world.engine.store.read(|c| {
                let around = world.engine.surroundings(c, now).unwrap();
                store::shop::load(c, &around, now)
            });
            shop.unwrap().free[0].minor
        };
        let before = free(&world);
        open(&world);
        deliver(&world, &post(&world, "CUSTOMER.DISPUTE.CREATED"));
        assert_eq!(free(&world), before - 2500, "told");
        world.run_for(minutes(1));
        assert_eq!(free(&world), before - 2500, "read, holds {holds}\n{}", world.show(&order));
    }
}

/// Money that a dispute moved in another currency is not reckoned as if it were the sale's: only what PayPal shows of the
/// payment itself is taken off, once, and a person compares.
#[test]
fn what_a_dispute_moves_in_another_currency_is_not_taken_off_the_sale() {
    for (shown_as, gross) in [("", 2500), ("refund", 1500)] {
        let world = World::new();
        world.switch("dispute_shown_as", json!(shown_as));
        let order = world.paid_order();
        world.run_for(minutes(60));
        finished(&world, &order, shown_as);
        let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
        let wish = json!({"amount": "10.00", "currency": "EUR"});
        let dispute = control(&world, &format!("captures/{capture}/dispute"), wish);
        resolve(&world, dispute["id"].as_str().unwrap(), "RESOLVED_BUYER_FAVOUR");
        world.engine.poll_disputes().unwrap();
        world.engine.paypal_rang(&order).unwrap();
        world.run_for(minutes(10));
        let sale = |world: &World| world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
        assert_eq!(sale(&world).gross.minor, gross, "{shown_as}\n{}", world.show(&order));
        let shown = in_queue(&world, &order).unwrap();
        let parts = ["dispute_lost: ", "moved 10.00 EUR, which is not the sale's currency", "compare the payment"];
        assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
        let balances = world.engine.store.read(store::ledger::balances).unwrap();
        let euros: Vec<_> = balances.iter().filter(|(_, m)| m.currency.code() == "EUR" && !m.is_zero()).collect();
        assert!(euros.iter().any(|(name, m)| name == "dispute_hold" && m.minor == 1000), "{euros:?}");
        let when = When { now: world.now(), ladder: world.policy.ladder(), is_deep: true };
        for check in checks::table() {
            let found = world.engine.store.read(|c| check.look(c, &when)).unwrap();
            assert!(found.is_empty(), "{}: {found:?}", check.id);
        }
        assert!(world.engine.release(&order, "owner").unwrap());
        world.run_for(minutes(10));
        assert_eq!(
            (world.stage(&order).as_str(), sale(&world).gross.minor),
            ("closed", gross),
            "{}",
            world.show(&order)
        );
    }
}

/// MONEY A14: a refund that waited is asked again whether so much is there, and what is left can be ordered.
#[test]
fn a14_a_refund_from_before_a_lost_dispute_does_not_give_back_what_it_took() {
    let world = World::with(waiting());
    let order = world.paid_order();
    world.run_for(minutes(10));
    world.engine.stop("test").unwrap();
    let back = |key: &str| crate::refunds::refund(&world, &order, key, &crate::refunds::back(None));
    assert_eq!(back("r1"), "now");
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let dispute = control(&world, &format!("captures/{capture}/dispute"), json!({ "amount": "10.00" }));
    resolve(&world, dispute["id"].as_str().unwrap(), "RESOLVED_BUYER_FAVOUR");
    deliver(&world, &post(&world, "CUSTOMER.DISPUTE.RESOLVED"));
    world.run_for(minutes(10));
    world.engine.release(&order, "tester").unwrap();
    world.engine.resume("test").unwrap();
    world.run_for(minutes(30));
    assert_eq!(world.book("refunds").len(), 0, "{}", world.show(&order));
    assert!(in_queue(&world, &order).is_some(), "{}", world.show(&order));
    assert_eq!(back("r2"), "now", "{}", world.show(&order));
    world.run_for(minutes(30));
    let refunds = world.book("refunds");
    assert_eq!((refunds.len(), &refunds[0]["amount"]), (1, &json!("15.00")), "{}", world.show(&order));
    agrees(&world);
}
