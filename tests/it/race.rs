//! MONEY A3: the claim decides again. The world changes between a decision and its claim, and many hands pull at one
//! order or at one cap.

use crate::judge::{End, assert_at_most_once};
use crate::money::{days, minutes};
use crate::tap::Moment;
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{PayoutPolicy, Policy};
use postsale::engine::{Engine, EngineError};
use postsale::store::StoreError;
use serde_json::json;
use std::sync::{Arc, Barrier};

/// Everybody advances every order at the same moment, again and again.
fn hammer(world: &World, orders: &[OrderId], threads: usize) {
    let barrier = Arc::new(Barrier::new(threads));
    std::thread::scope(|scope| {
        for at in 0..threads {
            let (barrier, engine) = (Arc::clone(&barrier), Arc::clone(&world.engine));
            // Each begins at another order, so that they meet both on one order and on the caps.
            let mine: Vec<_> = orders.iter().cycle().skip(at).take(orders.len()).cloned().collect();
            scope.spawn(move || {
                for order in &mine {
                    barrier.wait();
                    // Two looks at once write the same fact, and the second is turned away whole.
                    let done = engine.advance(order);
                    assert!(matches!(done, Ok(()) | Err(EngineError::Store(StoreError::Conflict(_)))), "{done:?}");
                }
            });
        }
    });
}

/// Far sides that remember no key: whatever is sent twice happens twice.
fn forgetful(policy: Policy) -> World {
    let world = World::penniless_with(policy);
    world.switch("out_order_id_hours", json!(0));
    world.switch("payout_key_days", json!(0));
    world.switch("request_id_hours", json!(0));
    world
}

#[test]
fn a3_eight_hands_on_one_order_move_everything_once() {
    for _ in 0..6 {
        let world = forgetful(policy());
        let order = world.checkout();
        world.approve(&order);
        for _ in 0..8 {
            hammer(&world, std::slice::from_ref(&order), 8);
            world.wind(SignedDuration::from_secs(2));
        }
        world.run_for(minutes(10));
        assert_at_most_once(&world, &order, "eight hands");
        assert_eq!(world.tap.count("aliexpress.create"), 1, "{}", world.show(&order));
        assert_eq!(world.tap.count("paypal.payout"), 2, "{}", world.show(&order));
        assert_eq!(world.tap.count("paypal.capture"), 1, "{}", world.show(&order));
        assert_eq!(world.judge(&order, "eight hands"), End::Closed);
    }
}

/// `many` orders, captured and waiting out the cancel buffer, due at one and the same moment.
fn ready_to_buy(policy: Policy, many: u32) -> (World, Vec<OrderId>) {
    let world = World::penniless_with(Policy { cancel_buffer: minutes(60), ..policy });
    let orders: Vec<_> = (1..=many).map(|n| world.paid_order_of(n)).collect();
    world.run_for(minutes(30));
    assert_eq!(world.book("captures").len(), orders.len());
    world.wind(minutes(40));
    (world, orders)
}

fn capped(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = policy();
    change(&mut policy);
    policy
}

#[test]
fn a3_caps_hold_when_everybody_buys_at_once() {
    let check = |what: &str, policy: Policy, most: usize| {
        let (world, orders) = ready_to_buy(policy, 8);
        hammer(&world, &orders, 8);
        world.run_for(minutes(20));
        let bought = world.book("purchases").len();
        assert_eq!(bought, most, "{what}");
        let waiting = orders.iter().filter(|o| world.waits_for(o).contains("over a daily cap")).count();
        assert_eq!(waiting, orders.len() - most, "{what}");
        // There is room again after a day, and they go on by themselves.
        world.run_for(minutes(60 * 24 + 30));
        assert!(world.book("purchases").len() > bought, "{what}");
        world.judge_books(what);
    };
    check("orders_per_day", capped(|p| p.limits.orders_per_day = 3), 3);
    check("spend_per_day", capped(|p| p.limits.spend_per_day = usd("17.00")), 2);
}

/// Nothing is paid at once, so what was placed stays laid out, and the capital is used up by promises alone.
#[test]
fn a3_free_capital_holds_when_everybody_buys_at_once() {
    let limited = capped(|p| (p.limits.free_capital, p.is_auto_pay) = (Some(usd("26.00")), false));
    let (world, orders) = ready_to_buy(limited, 8);
    hammer(&world, &orders, 8);
    world.run_for(minutes(60));
    assert_eq!(world.book("purchases").len(), 3, "3 x 8.40 is 25.20");
    // What is sold is not laid out any more.
    for purchase in world.book("purchases") {
        world.pay_supplier(purchase["id"].as_str().unwrap());
    }
    world.run_for(minutes(120));
    assert_eq!(world.book("purchases").len(), 6);
}

#[test]
fn a3_payouts_per_day_hold_when_everybody_pays_at_once() {
    let waiting = policy().payouts.map(|p| PayoutPolicy { hold_days: 3, ..p });
    let capped = capped(|p| (p.limits.payouts_per_day, p.payouts) = (5, waiting));
    let world = World::penniless_with(capped);
    let orders: Vec<_> = (1..=6).map(|n| world.paid_order_of(n)).collect();
    world.run_for(minutes(30));
    world.wind(days(4));
    hammer(&world, &orders, 8);
    world.run_for(minutes(30));
    assert_eq!(world.book("payouts").len(), 5);
    world.run_for(days(1));
    assert_eq!(world.book("payouts").len(), 10, "five more on the next day");
    orders.iter().for_each(|order| world.judge_books(&order.0));
}

/// The login is refreshed between the decision to buy and its claim; there the world changes.
fn changed_before_the_claim(
    what: &str,
    change: impl Fn(&Engine, &OrderId) + Send + Sync + 'static,
) -> (World, OrderId) {
    let world = World::penniless();
    world.switch("access_life_s", json!(2_400));
    let clock = Arc::clone(&world.clock);
    // The login that stands now has half an hour and some minutes left when the quote is asked for, and less after it.
    let life = world.login_life();
    world.wind(life - minutes(35));
    let order = world.paid_order();
    let (engine, id) = (Arc::clone(&world.engine), order.clone());
    let met = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&met);
    world.tap.meddle(move |call, moment| match (call, moment) {
        ("paypal.capture", Moment::After) => clock.wind(minutes(10)),
        ("aliexpress.token", Moment::After) => {
            seen.store(true, std::sync::atomic::Ordering::Relaxed);
            change(&engine, &id);
        }
        _ => {}
    });
    world.run_for(minutes(5));
    world.tap.leave_alone();
    assert!(met.load(std::sync::atomic::Ordering::Relaxed), "{what}: nothing was changed; {}", world.show(&order));
    (world, order)
}

#[test]
fn a3_a_hold_before_the_claim_is_heard() {
    let change = |engine: &Engine, order: &OrderId| engine.hold(order, "the buyer rang", "test").unwrap();
    let (world, order) = changed_before_the_claim("hold", change);
    assert_eq!(world.book("captures").len(), 1);
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("person"), "{}", world.show(&order));
    world.engine.release(&order, "test").unwrap();
    world.run_for(minutes(30));
    assert_eq!(world.judge(&order, "hold"), End::Closed);
}

#[test]
fn a3_stop_before_the_claim_is_heard() {
    let change = |engine: &Engine, _: &OrderId| std::fs::write(engine.settings.data_dir.join("STOP"), "").unwrap();
    let (world, order) = changed_before_the_claim("stop", change);
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    let (trade, _) = world.engine.plan(&order).unwrap();
    assert!(trade.purchase.is_none(), "not even claimed");
}

/// STOP comes into the very commit of the claim: what was decided before it does not go out after it.
#[test]
fn a3_stop_between_the_claim_and_the_call_is_heard() {
    for (slot, kind) in [("capture", "captures"), ("purchase", "purchases"), ("payout:seller", "payouts")] {
        let world = World::penniless();
        let stop = format!(
            "CREATE TRIGGER late AFTER INSERT ON claims WHEN new.slot = '{slot}'
             BEGIN INSERT INTO meta (name, value) VALUES ('stop', 'test'); END"
        );
        world.engine.store.write(|tx| tx.execute_batch(&stop).map_err(StoreError::from)).unwrap();
        let order = world.paid_order();
        world.run_for(minutes(5));
        let moved = world.book(kind).len();
        assert_eq!(moved, usize::from(kind == "payouts"), "{slot}: the other leg at the most; {}", world.show(&order));
        let claims = world.engine.plan(&order).unwrap().0;
        let unsent = match slot {
            "capture" => claims.capture.map(|c| c.claim),
            "purchase" => claims.purchase.map(|p| p.claim),
            _ => claims.payouts.into_iter().map(|p| p.claim).find(|c| c.slot.word() == slot),
        };
        let unsent = unsent.unwrap_or_else(|| panic!("{slot} was claimed: {}", world.show(&order)));
        assert!(unsent.is_pending() && !unsent.is_unknown(), "{slot}: certainly not sent; {unsent:?}");
        world.engine.store.write(|tx| tx.execute_batch("DROP TRIGGER late").map_err(StoreError::from)).unwrap();
        world.engine.resume("test").unwrap();
        world.run_for(minutes(60));
        assert_eq!(world.judge(&order, slot), End::Closed, "{}", world.show(&order));
    }
}

#[test]
fn a3_a_product_taken_off_before_the_claim_is_not_bought() {
    let change = |engine: &Engine, _: &OrderId| {
        let off = postsale::store::products::Product { is_active: false, ..crate::world::mug() };
        engine.put_product(&off).unwrap();
    };
    let (world, order) = changed_before_the_claim("product", change);
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    assert!(world.waits_for(&order).contains("active_product"), "{}", world.show(&order));
}

/// The worker put the order to sleep for good while somebody released it.
#[test]
fn a_fact_that_comes_while_the_stage_is_written_wakes_the_order() {
    let world = World::penniless();
    let order = world.paid_order();
    world.engine.hold(&order, "waits", "test").unwrap();
    std::thread::scope(|scope| {
        let engine = Arc::clone(&world.engine);
        let id = order.clone();
        let puller = scope.spawn(move || {
            for _ in 0..200 {
                engine.advance(&id).unwrap();
            }
        });
        for _ in 0..50 {
            world.engine.hold(&order, "waits", "test").unwrap();
            world.engine.release(&order, "test").unwrap();
        }
        puller.join().unwrap();
    });
    world.run_for(minutes(10));
    assert_eq!(world.judge(&order, "woken"), End::Closed);
}
