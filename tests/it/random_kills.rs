//! Kills at random moments, under load: buyers, PayPal's deliveries (and each of them once more), a person's words and a
//! copy of the database being taken, all at once, on the real program. Judged by the far sides' own book.

use crate::hooks::Post;
use crate::schedule::Dice;
use crate::shop::{Serving, Shop, checkout, mug};
use crate::verdict::{self, Moved};
use postsale::domain::order::OrderId;
use postsale::store;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Kills of every test run; `.ci/full` makes a thousand.
const KILLS: usize = 10;
const KILLS_IN_FULL: usize = 1000;
/// How long all orders together may take to their ends after the last kill.
const GIVE_UP: Duration = Duration::from_secs(600);

fn key(number: usize) -> String {
    format!("kill-{number}")
}

/// What the buyer of that number does; every part may be done again. `None`: the server died.
fn buyer_acts(serving: &Serving, number: usize) -> Option<String> {
    let mut wanted = checkout();
    wanted["shippingAddress"]["line1"] = format!("{number} Oak Street").into();
    let key = key(number);
    let headers = [("idempotency-key", key.as_str())];
    let (_, body) = serving.ask_openly("POST", "/api/paypal/create-order", &headers, &wanted)?;
    let opened: Value = serde_json::from_str(&body).ok()?;
    let order = opened["orderId"].as_str()?.to_owned();
    if let Some(id) = opened["paypalOrderId"].as_str() {
        serving.control("POST", &format!("paypal/orders/{id}/approve"), &json!({}))?;
        serving.ask_openly("POST", "/api/paypal/capture-order", &[], &json!({ "paypalOrderId": id }))?;
    }
    Some(order)
}

/// Everything PayPal has told lately, told once more.
fn ring_again(serving: &Serving) -> Option<()> {
    let (_, body) = serving.control("GET", "paypal/events", &json!({}))?;
    let told: Value = serde_json::from_str(&body).ok()?;
    for event in told["events"].as_array()?.iter().rev().take(5) {
        let post = Post::of(event);
        let headers: Vec<_> = post.headers.iter().filter(|(name, _)| name != "content-type").collect();
        let headers: Vec<_> = headers.into_iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let body = serde_json::from_slice(&post.body).ok()?;
        serving.ask_openly("POST", "/api/webhooks/paypal", &headers, &body)?;
    }
    Some(())
}

/// A person clicks.
fn person_acts(serving: &Serving, order: &str, click: usize) -> Option<()> {
    let (verb, body) = match click % 3 {
        0 => ("hold", json!({"reason": "a look"})),
        1 => ("release", json!({})),
        _ => ("approve", json!({})),
    };
    let key = format!("click-{order}-{click}");
    serving.ask("POST", &format!("/api/orders/{order}/{verb}"), &[("idempotency-key", &key)], &body).map(drop)
}

/// A copy of the database is taken while it is written.
fn back_up(shop: &Shop, number: usize) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(connection) = Connection::open_with_flags(store::open::path(&shop.file("data")), flags) else { return };
    let _ = connection.backup("main", shop.file(&format!("copy-{}", number % 3)), None::<fn(_)>);
}

/// One life of the server: everybody does something, and it dies in the middle.
fn one_life(shop: &Shop, number: usize, dice: &mut Dice) {
    let Some(mut serving) = shop.serve(None) else { panic!("no start\n{}", shop.log()) };
    let patience = Duration::from_millis(dice.below(600) as u64);
    let (is_over, clicked) = (AtomicBool::new(false), dice.below(number + 1));
    std::thread::scope(|scope| {
        let (serving, is_over) = (&serving, &is_over);
        scope.spawn(move || {
            for number in [number, clicked] {
                buyer_acts(serving, number);
            }
        });
        scope.spawn(move || while !is_over.load(Ordering::Relaxed) && ring_again(serving).is_some() {});
        scope.spawn(move || {
            let order = order_of(clicked);
            for click in 0.. {
                if is_over.load(Ordering::Relaxed) || person_acts(serving, &order.1.0, number * 100 + click).is_none() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        scope.spawn(move || back_up(shop, number));
        std::thread::sleep(patience);
        serving.kill_now();
        is_over.store(true, Ordering::Relaxed);
    });
    serving.kill();
}

fn order_of(number: usize) -> (String, OrderId) {
    let reference = format!("key-{}", &store::claims::hash(key(number).as_bytes())[..32]);
    let order = verdict::identity(&reference).order_id();
    (reference, order)
}

/// The last life: everybody comes back, and every order goes to its end.
fn to_the_end(serving: &Serving, number: usize) -> Value {
    let (_, order) = order_of(number);
    let started = Instant::now();
    let mut click = 1_000_001;
    loop {
        buyer_acts(serving, number);
        let shown = serving.order(&order.0);
        let is_by_hand = shown["hold"]["code"] == "operator";
        match shown["stage"].as_str().unwrap_or_default() {
            "closed" => return shown,
            // Held by the person above, who lets go of it now.
            "held" if is_by_hand => {
                person_acts(serving, &order.0, click);
                click += 3;
            }
            "held" => return shown,
            _ => {}
        }
        assert!(started.elapsed() < GIVE_UP, "order {number} still {} ({})", shown["stage"], shown["waitsFor"]);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn f1_kills_at_random_moments_under_load() {
    let is_full = std::env::var_os("POSTSALE_FULL").is_some();
    let kills = if is_full { KILLS_IN_FULL } else { KILLS };
    let caps = ["orders_per_day=100000", "spend_per_day=90000000.00", "payouts_per_day=100000"];
    let shop = caps.iter().fold(Shop::shipped(), |shop, cap| shop.with(&format!("limits.{cap}")));
    let shop = shop.with("limits.pay_out_per_day=90000000.00").with("policy.look_again=1s,1s,1s,1s,1s,1s");
    let serving = shop.serve(None).unwrap();
    serving.ask("PUT", "/api/products/MUG", &[], &mug()).unwrap();
    serving.control("POST", "aliexpress/products/1005001234567890", &json!({"stock": 1_000_000})).unwrap();
    drop(serving);
    let mut dice = Dice::new(u64::from(std::process::id()));
    for number in 0..kills {
        one_life(&shop, number, &mut dice);
    }
    let serving = shop.serve(None).unwrap();
    let mut closed = 0;
    let mut shown = Vec::new();
    for number in 0..kills {
        let order = to_the_end(&serving, number);
        closed += usize::from(order["stage"] == "closed");
        shown.push(order);
    }
    let book = serving.book();
    let moved: Vec<Moved> = (0..kills)
        .map(|number| {
            let (reference, order) = order_of(number);
            let moved = verdict::at_most_once(&book, &reference, &order);
            let is_paid = shown[number]["sale"]["payoutExecuted"] == json!(true);
            assert!(!is_paid || moved.paid == 2, "I3: {moved:?} {:#}", shown[number]);
            moved
        })
        .collect();
    verdict::nothing_besides(&book, &moved);
    println!("{kills} kills, {closed} orders closed, {} held with a reason", kills - closed);
}
