//! What PayPal makes of a payout after it took it: every state of batch and item and their later changes, payouts that
//! lie unclaimed, come back, are taken back or are never shown. `payout_executed` stands on SUCCESS and nothing else.

use crate::judge::End;
use crate::money::{days, minutes};
use crate::world::World;
use jiff::SignedDuration;
use postsale::domain::claim::Recipient;
use postsale::domain::order::OrderId;
use postsale::engine::once::{Heard, Once};
use postsale::store;
use serde_json::{Value, json};

const BATCHES: [&str; 5] = ["PENDING", "PROCESSING", "SUCCESS", "DENIED", "CANCELED"];
const ITEMS: [&str; 10] =
    ["SUCCESS", "FAILED", "PENDING", "UNCLAIMED", "RETURNED", "ONHOLD", "BLOCKED", "REFUNDED", "REVERSED", "DENIED"];

/// An order whose two payouts PayPal has taken and not yet worked on.
fn in_hand() -> (World, OrderId) {
    let world = World::penniless();
    world.switch("payout_settle_ms", json!(400 * 86_400_000_i64));
    let order = world.paid_order();
    world.run_for(SignedDuration::from_secs(30));
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&order));
    (world, order)
}

/// Turns both payouts of the far side.
fn turn(world: &World, wish: &Value) {
    for payout in world.book("payouts") {
        turn_one(world, &payout, wish);
    }
}

fn turn_one(world: &World, payout: &Value, wish: &Value) {
    let path = format!("/__control/paypal/payouts/{}", payout["batchId"].as_str().unwrap());
    assert_eq!(world.plug.control("POST", &path, wish).0, 200, "{wish}");
}

fn is_executed(world: &World, order: &OrderId) -> bool {
    world.engine.store.read(|c| store::sales::find(c, order)).unwrap().unwrap().is_payout_executed
}

fn has_event(world: &World, order: &OrderId, kind: &str) -> bool {
    let events = world.engine.store.read(|c| store::events::of_order(c, order)).unwrap();
    events.iter().any(|event| event.kind == kind)
}

fn rows(world: &World, order: &OrderId) -> Vec<store::money_views::PayoutRow> {
    world.engine.store.read(|c| store::money_views::payouts_of(c, order)).unwrap()
}

/// What our books owe a recipient, in cents.
fn owed(world: &World, recipient: Recipient) -> i64 {
    -world.balance(&format!("payable:{recipient}"))
}

fn all_owed(world: &World) -> i64 {
    Recipient::ALL.iter().map(|recipient| owed(world, *recipient)).sum()
}

fn once(key: &str) -> Once<'_> {
    Once { key, route: "test", body_hash: "x" }
}

fn approve_all(world: &World, order: &OrderId) {
    for row in rows(world, order).iter().filter(|row| row.state == "void") {
        let heard = world.engine.approve_payout_once(&once(&row.key), order, &row.key, "test");
        assert!(matches!(heard, Ok(Heard::Now(()))), "{row:?} {heard:?}");
    }
}

#[test]
fn f13_every_state_of_batch_and_item() {
    for batch in BATCHES {
        for item in ITEMS {
            let (world, order) = in_hand();
            turn(&world, &json!({ "item": item, "batch": batch }));
            world.run_for(minutes(90));
            let what = format!("{batch} {item}: {}", world.show(&order));
            world.judge_books(&what);
            let is_off = matches!(batch, "DENIED" | "CANCELED");
            assert_eq!(is_executed(&world, &order), item == "SUCCESS", "{what}");
            let states: Vec<String> = rows(&world, &order).into_iter().map(|row| row.state).collect();
            let state = match item {
                "SUCCESS" => "done",
                "FAILED" | "DENIED" | "RETURNED" | "REFUNDED" | "REVERSED" => "void",
                _ => "pending",
            };
            assert_eq!(states, [state, state], "{what}");
            let stage = match item {
                "SUCCESS" if !is_off => "closed",
                "PENDING" | "ONHOLD" if !is_off => "paying_out",
                "UNCLAIMED" if !is_off => "paying_out",
                _ => "held",
            };
            assert_eq!(world.stage(&order), stage, "{what}");
            assert_eq!(all_owed(&world) == 0, item == "SUCCESS", "{what}");
            assert_eq!(world.balance("payouts_in_transit") > 0, item == "UNCLAIMED", "{what}");
            // What PayPal only holds back or blocks is not booked; everything else is PayPal's own balance to the cent.
            if !matches!(item, "PENDING" | "ONHOLD" | "BLOCKED") {
                assert_eq!(world.balance("paypal:available"), world.paypal_earned(), "{what}");
            }
            assert_eq!(world.book("payouts").len(), 2, "nothing is paid again by itself: {what}");
        }
    }
}

/// An unclaimed payout is claimed, comes back, or fails: each change is booked, and PayPal keeps its fee.
#[test]
fn f13_an_unclaimed_payout_moves_on() {
    for (later, ends) in
        [("SUCCESS", End::Closed), ("RETURNED", End::Held), ("FAILED", End::Held), ("REFUNDED", End::Held)]
    {
        let (world, order) = in_hand();
        turn(&world, &json!({ "item": "UNCLAIMED" }));
        world.run_for(minutes(90));
        assert!(world.waits_for(&order).contains("has not claimed"), "{}", world.show(&order));
        assert!(has_event(&world, &order, "payout_unclaimed"));
        let sent: Vec<_> = rows(&world, &order).into_iter().map(|row| row.transaction_id).collect();
        turn(&world, &json!({ "item": later }));
        world.run_for(minutes(90));
        let what = format!("{later}: {}", world.show(&order));
        world.judge_books(&what);
        assert_eq!(world.balance("payouts_in_transit"), 0, "{what}");
        assert_eq!(world.balance("paypal:available"), world.paypal_earned(), "{what}");
        assert_eq!(is_executed(&world, &order), ends == End::Closed, "{what}");
        let now: Vec<_> = rows(&world, &order).into_iter().map(|row| row.transaction_id).collect();
        assert_eq!(now, sent, "the transaction that sent it stays: {what}");
        if ends == End::Closed {
            assert_eq!(world.judge(&order, &what), End::Closed);
            continue;
        }
        assert_eq!(world.stage(&order), "held", "{what}");
        assert!(has_event(&world, &order, "payout_returned"), "{what}");
        // A person says so, and the legs go out under new keys.
        world.switch("payout_settle_ms", json!(1000));
        approve_all(&world, &order);
        world.run_for(minutes(90));
        assert!(is_executed(&world, &order) && world.stage(&order) == "closed", "{}", world.show(&order));
        assert_eq!((all_owed(&world), world.balance("paypal:available")), (0, world.paypal_earned()));
    }
}

/// A17, I3: a payout that was paid comes back long after the order was closed.
#[test]
fn f13_a17_a_paid_payout_that_comes_back_reopens_the_order() {
    for later in ["REVERSED", "RETURNED", "REFUNDED"] {
        let world = World::penniless();
        let order = world.paid_order();
        world.run_for(minutes(10));
        assert_eq!(world.judge(&order, later), End::Closed);
        let payouts = world.book("payouts");
        turn_one(&world, &payouts[1], &json!({ "item": later }));
        world.wind(days(2));
        assert!(world.engine.look_back_at_payouts().unwrap() == 2);
        world.run_for(minutes(30));
        let what = format!("{later}: {}", world.show(&order));
        world.judge_books(&what);
        assert!(!is_executed(&world, &order), "{what}");
        assert_eq!(world.stage(&order), "held", "{what}");
        assert!(world.waits_for(&order).contains(later), "{what}");
        for kind in ["payout_returned", "payout_not_executed", "reopened", "hold"] {
            assert!(has_event(&world, &order, kind), "{kind} {what}");
        }
        assert_eq!(world.balance("paypal:available"), world.paypal_earned(), "{what}");
        let amount = crate::world::usd(payouts[1]["amount"].as_str().unwrap()).minor;
        assert_eq!(all_owed(&world), amount, "it is owed again: {what}");
        // Seen again it changes nothing, and nothing goes out by itself.
        world.wind(days(5));
        world.engine.look_back_at_payouts().unwrap();
        world.run_for(days(1));
        assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&order));
        approve_all(&world, &order);
        world.run_for(minutes(30));
        assert!(is_executed(&world, &order) && world.stage(&order) == "closed", "{}", world.show(&order));
        assert_eq!((all_owed(&world), world.balance("paypal:available")), (0, world.paypal_earned()));
        let paid = world.book("payouts").iter().filter(|p| p["status"] == "SUCCESS").count();
        assert_eq!((world.book("payouts").len(), paid), (3, 2), "one new attempt and no more");
    }
}

/// PayPal tells that a paid payout came back: at once there is a line in the log, an event, and a row in the queue with the
/// reason and what to do; the return is booked.
#[test]
fn f13_a17_a_payout_that_goes_back_raises_the_alarm_when_paypal_rings() {
    crate::logs::keep();
    for (later, told) in [("RETURNED", "RETURNED"), ("REFUNDED", "REFUNDED"), ("REVERSED", "RETURNED")] {
        let world = World::penniless();
        let order = world.paid_order();
        world.run_for(minutes(10));
        assert_eq!(world.judge(&order, later), End::Closed);
        turn_one(&world, &world.book("payouts")[1], &json!({ "item": later }));
        let event = crate::post::posts(&world).into_iter().rfind(|post| post.kind.ends_with(told));
        match event {
            Some(event) => drop(crate::hooks::deliver(&world, &event)),
            // PayPal has no event for it; it is found by looking.
            None => {
                world.wind(days(2));
                world.engine.look_back_at_payouts().unwrap();
            }
        }
        world.run_for(minutes(1));
        let what = format!("{later}: {}", world.show(&order));
        assert!(has_event(&world, &order, "payout_returned") && has_event(&world, &order, "hold"), "{what}");
        assert!(!is_executed(&world, &order), "{what}");
        let queue = world.engine.store.read(|c| store::queue::list(c, None, 10, world.now())).unwrap();
        let shown =
            queue.iter().find(|row| row.order.id == order).unwrap_or_else(|| panic!("not in the queue; {what}"));
        assert!(shown.order.waits_for.starts_with("payout_problem: "), "{what}");
        assert!(shown.order.waits_for.contains(&format!("{later} after it was paid")), "{what}");
        assert!(crate::logs::has(&[&order.0, &format!("{later} after it was paid")]), "no line in the log; {what}");
        assert_eq!(world.balance("paypal:available"), world.paypal_earned(), "{what}");
    }
}

/// Somebody's word about something else is no word about a payout that came to nothing meanwhile.
#[test]
fn a_release_for_another_reason_pays_nothing_again() {
    let (world, order) = in_hand();
    world.engine.hold(&order, "the buyer asks", "test").unwrap();
    turn(&world, &json!({ "item": "FAILED" }));
    world.run_for(minutes(90));
    assert!(world.waits_for(&order).starts_with("person"), "{}", world.show(&order));
    world.switch("payout_settle_ms", json!(1000));
    world.engine.release(&order, "test").unwrap();
    world.run_for(minutes(30));
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("payout_problem"), "{}", world.show(&order));
    world.engine.release(&order, "test").unwrap();
    world.run_for(minutes(30));
    assert_eq!((world.book("payouts").len(), world.stage(&order).as_str()), (4, "closed"), "{}", world.show(&order));
}

#[test]
fn an_unclaimed_payout_is_taken_back_by_word() {
    let (world, order) = in_hand();
    let key = rows(&world, &order)[0].key.clone();
    let cancel = |word: &str| world.engine.cancel_payout_once(&once(word), &order, &key, "test");
    assert!(cancel("k0").is_err(), "it is not unclaimed");
    turn(&world, &json!({ "item": "UNCLAIMED" }));
    world.run_for(minutes(90));
    let before = world.tap.count("paypal.cancel");
    assert!(matches!(cancel("k1"), Ok(Heard::Now(()))));
    assert!(matches!(cancel("k1"), Ok(Heard::Before)));
    // STOP lies in its way too.
    std::fs::write(world.data_dir().join("STOP"), "").unwrap();
    world.run_for(minutes(30));
    assert_eq!(world.tap.count("paypal.cancel"), before, "{}", world.show(&order));
    std::fs::remove_file(world.data_dir().join("STOP")).unwrap();
    world.run_for(minutes(120));
    assert_eq!(world.tap.count("paypal.cancel"), 1, "{}", world.show(&order));
    let row = rows(&world, &order).remove(0);
    assert_eq!((row.state.as_str(), row.status.as_deref()), ("void", Some("RETURNED")), "{}", world.show(&order));
    assert!(row.transaction_id.is_some() && row.return_id.is_some() && row.transaction_id != row.return_id, "{row:?}");
    world.judge_books("taken back");
    assert_eq!(world.balance("paypal:available"), world.paypal_earned());
    assert!(world.waits_for(&order).starts_with("payout_problem"), "{}", world.show(&order));
    assert!(cancel("k2").is_err(), "it is back");
}

/// The recipient claims it at the last moment: the word comes too late, and nothing is lost.
#[test]
fn a_payout_claimed_before_the_word_arrives_is_paid() {
    let (world, order) = in_hand();
    turn(&world, &json!({ "item": "UNCLAIMED" }));
    world.run_for(minutes(90));
    for row in rows(&world, &order) {
        assert!(world.engine.cancel_payout_once(&once(&row.key), &order, &row.key, "test").is_ok());
    }
    turn(&world, &json!({ "item": "SUCCESS" }));
    world.run_for(minutes(90));
    assert!(has_event(&world, &order, "payout_cancel_refused"), "{}", world.show(&order));
    assert_eq!(world.judge(&order, "claimed"), End::Closed);
}

/// PayPal took the batch and shows it never again.
#[test]
fn a_batch_that_is_never_shown_is_somebodys_to_look_at() {
    for reply in ["status_404", "timeout", "missing_fields"] {
        let world = World::penniless();
        world.switch("payout_settle_ms", json!(400 * 86_400_000_i64));
        world.fault("paypal.batch", reply, "before_commit", 1_000_000);
        let order = world.paid_order();
        world.run_for(days(3));
        assert_eq!(world.stage(&order), "paying_out", "{reply} {}", world.show(&order));
        world.run_for(days(4));
        assert!(world.waits_for(&order).starts_with("payout_unknown"), "{reply} {}", world.show(&order));
        let looks = world.tap.count("paypal.batch");
        world.run_for(days(1));
        assert!(world.tap.count("paypal.batch") > looks, "the looks go on");
        assert_eq!(world.book("payouts").len(), 2);
        world.plug.control("DELETE", "/__control/faults", &json!({}));
        turn(&world, &json!({ "item": "SUCCESS" }));
        world.run_for(days(1));
        assert_eq!(world.judge(&order, reply), End::Closed);
    }
}

/// No money in the account, said late: the batch is denied and its item failed. The next attempt comes by itself, never
/// more often than once an hour, and pays once.
#[test]
fn a10_no_funds_said_late_is_waited_for() {
    let world = World::penniless();
    world.switch("payout_denies_late", json!(true));
    world.switch("opening_balance", json!("-500.00"));
    let order = world.paid_order();
    world.run_for(minutes(200));
    let tried = world.book("payouts").len();
    assert!((6..=8).contains(&tried), "{tried} {}", world.show(&order));
    assert_ne!(world.stage(&order), "held", "{}", world.show(&order));
    assert_eq!((world.balance("payout_fees"), world.balance("payouts_in_transit")), (0, 0));
    world.switch("opening_balance", json!("1000.00"));
    world.run_for(minutes(90));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    let paid = world.book("payouts").iter().filter(|p| p["status"] == "SUCCESS").count();
    assert_eq!(paid, 2);
    world.judge_books("no funds");
}
