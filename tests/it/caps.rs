//! The blast radius: whatever comes in, only so much goes out in a day. Judged by the far sides' book.

use crate::money::{days, minutes};
use crate::world::{World, buyer, policy, usd};
use jiff::SignedDuration;
use postsale::domain::claim::Recipient;
use postsale::domain::order::{Mode, OrderId};
use postsale::domain::policy::Policy;
use postsale::store;

/// Ten thousand take minutes, so the usual run takes fewer.
fn crowd() -> u32 {
    if std::env::var_os("POSTSALE_FULL").is_some() { 10_000 } else { 30 }
}

impl World {
    fn reported(&self, n: u32) -> OrderId {
        let mut report = self.report(&format!("crowd-{n}"));
        report.buyer = buyer(n);
        self.take(&report)
    }

    fn told(&self, kind: &str) -> u32 {
        let sql = "SELECT count(*) FROM events WHERE order_id IS NULL AND kind = ?1";
        let count = |c: &rusqlite::Connection| c.query_row(sql, [kind], |row| row.get(0));
        self.engine.store.read(|c| count(c).map_err(store::StoreError::from)).unwrap()
    }
}

#[test]
fn f43_a_runaway_buys_no_more_than_its_caps() {
    let world = World::penniless();
    let orders: Vec<OrderId> = (1..=crowd()).map(|n| world.reported(n)).collect();
    world.run_for(minutes(20));
    let bought = world.book("purchases").len();
    assert_eq!(bought, 20, "limits.orders_per_day");
    let waits = orders.iter().filter(|order| world.waits_for(order).starts_with("over a daily cap")).count();
    assert_eq!(waits, orders.len() - 20);
    assert_eq!(world.told("cap_reached"), 1, "one alert, not one an order");
    let asked = world.tap.count("aliexpress.product");
    world.run_for(minutes(35));
    assert_eq!(world.tap.count("aliexpress.product"), asked, "who waits for a cap asks nobody");
    // STOP works on all of them.
    world.engine.stop("test").unwrap();
    world.wind(days(1));
    world.run_for(minutes(5));
    assert_eq!(world.book("purchases").len(), bought);
    world.engine.resume("test").unwrap();
    world.run_for(minutes(5));
    let more = 20.min(orders.len() - 20);
    assert_eq!(world.book("purchases").len(), 20 + more, "what waited goes on by itself, a day's worth a day");
}

#[test]
fn f43_the_sums_of_a_day_hold_too() {
    // One purchase is 8.40 and earns two legs of together 15.24.
    let mut tight = policy();
    tight.limits.spend_per_day = usd("20.00");
    let world = World::with(tight);
    let orders: Vec<OrderId> = (1..=4).map(|n| world.paid_order_of(n)).collect();
    world.run_for(minutes(20));
    assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&orders[3]));
    world.wind(days(1));
    world.run_for(minutes(5));
    assert_eq!(world.book("purchases").len(), 4, "{}", world.show(&orders[3]));

    let mut tight = policy();
    (tight.limits.payout_max, tight.limits.pay_out_per_day) = (usd("20.00"), usd("30.00"));
    let world = World::with(tight);
    for n in 1..=3 {
        world.paid_order_of(n);
    }
    world.run_for(minutes(20));
    let paid =
        |world: &World| -> i64 { world.book("payouts").iter().map(|p| usd(p["amount"].as_str().unwrap()).minor).sum() };
    assert!((1500..=3000).contains(&paid(&world)), "{}", paid(&world));
    world.wind(days(1));
    world.run_for(minutes(5));
    assert_eq!(world.book("payouts").len(), 6, "everything is paid in the end, and each once");
}

/// In production the first payment to an address waits for a word of its own, and a changed address is a new one.
#[test]
fn l20_the_first_payment_to_a_new_payee_is_held_in_production() {
    let world = World::production(Policy { cancel_buffer: SignedDuration::ZERO, ..policy() });
    let engine = &world.engine;
    let (platform, seller) = (engine.settings.platform.clone().unwrap(), engine.settings.seller.clone().unwrap());
    let order = world.paid_order();
    world.run_for(minutes(30));
    assert!(world.book("payouts").is_empty(), "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("new_payee: "), "{}", world.show(&order));
    assert!(engine.approve_first_payment(Recipient::Seller, "eve@shop.example", "test").is_err());
    engine.approve_first_payment(Recipient::Seller, &seller, "test").unwrap();
    world.run_for(minutes(30));
    assert_eq!(world.book("payouts").len(), 1, "each recipient by itself: {}", world.show(&order));
    engine.approve_first_payment(Recipient::Platform, &platform, "test").unwrap();
    world.run_for(days(1));
    assert_eq!((world.book("payouts").len(), world.stage(&order).as_str()), (2, "closed"), "{}", world.show(&order));
    // Paid once, they are known.
    let next = world.paid_order_of(2);
    world.run_for(days(1));
    assert_eq!(world.stage(&next), "closed", "{}", world.show(&next));
    assert_eq!(engine.settings.mode, Mode::Production);
}
