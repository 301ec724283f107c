//! The engine's side: a fresh shop, and orders sent the whole way from the checkout to closed. Also what the floor
//! stands on: two orders on their way with everything the writer does written down.

use crate::figures::Run;
use crate::floor::{self, Ground, Heard, Script};
use crate::world::{World, jane, mug, policy, usd};
use jiff::SignedDuration;
use postsale::domain::order::{Buyer, OrderId};
use postsale::domain::policy::Policy;
use postsale::store::{self, StoreError};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An order takes less than this from approval to closed.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// The shop of the tests without its caps.
fn uncapped() -> Policy {
    let mut policy = policy();
    policy.limits.orders_per_day = u32::MAX;
    policy.limits.payouts_per_day = u32::MAX;
    policy.limits.spend_per_day = usd("99000000.00");
    policy.limits.pay_out_per_day = usd("99000000.00");
    policy
}

/// That shop, with goods for everybody.
fn shop() -> World {
    let world = World::with(uncapped());
    let path = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
    let (status, body) = world.plug.control("POST", &path, &json!({ "stock": 1_000_000 }));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    world
}

/// Sends `orders` orders the whole road, `in_flight` at a time, with so many threads taking due orders.
pub fn run(orders: u32, in_flight: u32, threads: usize) -> Run {
    run_beside(orders, in_flight, threads, |_| ())
}

/// The same, while what `beside` begins goes on.
pub fn run_beside<T>(orders: u32, in_flight: u32, threads: usize, beside: impl FnOnce(&World) -> T) -> Run {
    let world = shop();
    let _beside = beside(&world);
    let (bytes, rows) = (database_bytes(&world), rows_written(&world));
    let far_sides = world.plug.time_answering();
    let mut took = Duration::ZERO;
    let mut first = 0;
    while first < orders {
        let next = (first + in_flight).min(orders);
        took += wave(&world, first..next, threads);
        first = next;
    }
    Run {
        orders,
        took,
        far_sides: world.plug.time_answering().saturating_sub(far_sides),
        database_bytes: database_bytes(&world) - bytes,
        rows: rows_written(&world) - rows,
    }
}

/// Some orders side by side. The buyers' own acts at PayPal are not counted.
fn wave(world: &World, numbers: std::ops::Range<u32>, threads: usize) -> Duration {
    let begun = Instant::now();
    let orders: Vec<OrderId> = numbers.map(|n| checkout(world, n)).collect();
    work(world, threads);
    let mut took = begun.elapsed();
    for order in &orders {
        approve(world, order);
    }
    let begun = Instant::now();
    for order in &orders {
        world.engine.buyer_returned(order).expect("the return is stored");
    }
    let end = world.now() + LONGEST;
    loop {
        work(world, threads);
        match world.engine.store.read(store::trades::next_due).expect("readable") {
            Some(at) if at <= end => world.wind(at.duration_since(world.now())),
            _ => break,
        }
    }
    took += begun.elapsed();
    for order in &orders {
        assert_eq!(world.stage(order), "closed", "{}", world.show(order));
    }
    took
}

/// Until nothing is due now.
fn work(world: &World, threads: usize) {
    if threads == 1 {
        world.engine.run_due().expect("the road is free");
        return;
    }
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| world.engine.run_due().expect("the road is free"));
        }
    });
}

/// Every order is another buyer's: one who buys the same again within a day is looked at by a human.
fn checkout(world: &World, number: u32) -> OrderId {
    let mut buyer: Buyer = jane();
    buyer.name = Some(format!("Jane Miller {number}"));
    world.engine.open_checkout_order("MUG", 1, Some(buyer), None).expect("for sale").order
}

fn approve(world: &World, order: &OrderId) {
    let path = format!("/__control/paypal/orders/{}/approve", world.paypal_order(order));
    let (status, body) = world.plug.control("POST", &path, &json!({}));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
}

/// Two orders, one after the other, with every statement and journal line written down.
pub fn record() -> Script {
    let ground = ground();
    let Ground { heard, marks, world } = ground;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let journal = std::fs::read(world.data_dir().join("intents.log")).expect("a journal");
    let [start, middle, end] = marks;
    Script::of(&heard[start..middle], &heard[middle..end], &journal)
}

/// A shop whose first orders are behind it, with the two recorded orders as its last.
pub fn ground() -> Ground {
    let world = shop();
    let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
    let (ears, journal) = (Arc::clone(&heard), world.data_dir().join("intents.log"));
    let tell = move |sql: &str, with_values: &str| {
        let journal_bytes = std::fs::metadata(&journal).map_or(0, |m| m.len());
        let told = Heard { sql: sql.to_owned(), with_values: with_values.to_owned(), journal_bytes };
        ears.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    };
    let traced: Result<(), StoreError> = world.engine.store.trace(tell);
    traced.expect("SQLite tells its statements");
    let mut marks = [0; 3];
    for (number, mark) in (0..).zip(&mut marks) {
        wave(&world, number..number + 1, 1);
        *mark = heard.lock().unwrap_or_else(PoisonError::into_inner).len();
    }
    Ground { world, heard, marks }
}

fn database_bytes(world: &World) -> u64 {
    let size = world.engine.store.read(floor::database_bytes);
    size.expect("readable")
}

fn rows_written(world: &World) -> u64 {
    let changes: Result<u64, StoreError> = world.engine.store.write(|tx| Ok(tx.total_changes()));
    changes.expect("writable")
}
