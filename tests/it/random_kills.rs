//! Kills at random moments, under load: buyers, PayPal's deliveries (and each of them once more), a person's words and a
//! copy of the database being taken, all at once, on the real program. Judged by the far sides' own book.

use crate::post::Post;
use crate::schedule::Dice;
use crate::shop::{Serving, Shop, checkout, mug};
use crate::verdict::{self, Moved};
use postsale::domain::order::OrderId;
use postsale::store;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Kills of every test run; `.ci/full` makes a thousand.
const KILLS: usize = 10;
const KILLS_IN_FULL: usize = 1000;
/// The last so many buyers come back now and then.
const LATELY: usize = 8;
/// A life lasts less than this after the server is open.
const PATIENCE_MS: usize = 600;
/// After the last kill one order more is at its end within this.
const GIVE_UP: Duration = Duration::from_secs(120);

fn key(number: usize) -> String {
    format!("kill-{number}")
}

/// What the buyer of that number does; every part may be done again. `None`: the server died.
fn buyer_acts(serving: &Serving, number: usize) -> Option<String> {
    let mut wanted = checkout();
    wanted["shippingAddress"]["line1"] = format!("{number} Oak Street").into();
    let key = key(number);
    // Each buyer sits elsewhere: one address is let through once a second.
    let home = format!("198.18.{}.{}", number / 250, number % 250 + 1);
    let headers = [("idempotency-key", key.as_str()), ("x-forwarded-for", home.as_str())];
    let (_, body) = serving.ask_openly("POST", "/api/paypal/create-order", &headers, &wanted)?;
    let opened: Value = serde_json::from_str(&body).ok()?;
    let order = opened["orderId"].as_str()?.to_owned();
    if let Some(id) = opened["paypalOrderId"].as_str() {
        serving.control("POST", &format!("paypal/orders/{id}/approve"), &json!({}))?;
        serving.ask_openly("POST", "/api/paypal/capture-order", &headers[1..], &json!({ "paypalOrderId": id }))?;
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

/// A person says a word about an order; `key` makes it one word however often it is said.
fn says(serving: &Serving, order: &OrderId, verb: &str, key: &str) -> Option<()> {
    let body = if verb == "hold" { json!({"reason": "a look"}) } else { json!({}) };
    serving.ask("POST", &format!("/api/orders/{}/{verb}", order.0), &[("idempotency-key", key)], &body).map(drop)
}

/// A person clicks on one order until it is over, each word twice.
fn clicks(serving: &Serving, order: &OrderId, life: usize, is_over: &AtomicBool) {
    for click in 0.. {
        let (verb, key) = (["hold", "release", "approve"][click % 3], format!("{life}-{click}"));
        let is_heard = says(serving, order, verb, &key).is_some() && says(serving, order, verb, &key).is_some();
        if is_over.load(Ordering::Relaxed) || !is_heard {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
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
    let patience = Duration::from_millis(dice.below(PATIENCE_MS) as u64);
    // Those who came lately come back, so that orders die at every part of the road.
    let is_over = AtomicBool::new(false);
    let mut lately = || number.saturating_sub(dice.below(LATELY));
    let (earlier, another) = (lately(), lately());
    std::thread::scope(|scope| {
        let (serving, is_over) = (&serving, &is_over);
        for buyer in [number, earlier, another] {
            scope.spawn(move || buyer_acts(serving, buyer));
        }
        scope.spawn(move || while !is_over.load(Ordering::Relaxed) && ring_again(serving).is_some() {});
        scope.spawn(move || clicks(serving, &order_of(earlier).1, number, is_over));
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

/// The last life: the buyer comes back, and the person lets go of what he held and of what the program died at again and
/// again. Answers the order once it is at its end, else where it stands.
fn visit(serving: &Serving, number: usize, visits: usize) -> Result<Value, String> {
    let (_, order) = order_of(number);
    buyer_acts(serving, number);
    let answer = serving.ask("GET", &format!("/api/orders/{}", order.0), &[], &json!({}));
    let stands = format!("{answer:?}");
    let shown: Value = answer.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or_default();
    match (shown["stage"].as_str(), shown["hold"]["code"].as_str()) {
        (Some("held"), Some("person" | "program_fault")) => {
            says(serving, &order, "release", &format!("end-{number}-{visits}"));
            Err(stands)
        }
        (Some("closed" | "held"), _) => Ok(shown),
        _ => Err(stands),
    }
}

/// All orders go on side by side, visited in turn, until each is at its end.
fn to_the_end(serving: &Serving, orders: usize) -> Vec<Value> {
    let (mut ended, mut last) = (BTreeMap::new(), Instant::now());
    for visits in 0.. {
        let mut waits = String::new();
        for number in 0..orders {
            if ended.contains_key(&number) {
                continue;
            }
            match visit(serving, number, visits) {
                Ok(shown) => {
                    ended.insert(number, shown);
                    last = Instant::now();
                }
                Err(stands) => waits = format!("order {number}: {stands}"),
            }
        }
        if ended.len() == orders {
            break;
        }
        assert!(last.elapsed() < GIVE_UP, "{waits}");
        std::thread::sleep(Duration::from_millis(100));
    }
    ended.into_values().collect()
}

/// Room for every order of the run.
fn open_shop() -> Shop {
    let settings = [
        "server.trusted_proxies=127.0.0.1",
        "limits.orders_per_day=100000",
        "limits.spend_per_day=90000000.00",
        "limits.payouts_per_day=100000",
        "limits.pay_out_per_day=90000000.00",
        "policy.look_again=1s,1s,1s,1s,1s,1s",
    ];
    let shop = settings.iter().fold(Shop::shipped(), |shop, setting| shop.with(setting));
    let serving = shop.serve(None).unwrap();
    serving.ask("PUT", "/api/products/MUG", &[], &mug()).unwrap();
    serving.control("POST", "aliexpress/products/1005001234567890", &json!({"stock": 1_000_000})).unwrap();
    drop(serving);
    shop
}

#[test]
fn f1_kills_at_random_moments_under_load() {
    let kills = if std::env::var_os("POSTSALE_FULL").is_some() { KILLS_IN_FULL } else { KILLS };
    let shop = open_shop();
    let mut dice = Dice::new(u64::from(std::process::id()));
    for number in 0..kills {
        one_life(&shop, number, &mut dice);
    }
    let serving = shop.serve(None).unwrap();
    let shown = to_the_end(&serving, kills);
    let book = serving.book();
    let judged = shown.iter().enumerate().map(|(number, shown)| {
        let (reference, order) = order_of(number);
        let moved = verdict::at_most_once(&book, &reference, &order);
        let is_paid = shown["sale"]["payoutExecuted"] == json!(true);
        assert!(!is_paid || moved.paid == 2, "I3: {moved:?} {shown:#}");
        assert!(shown["stage"] != "closed" || is_paid, "closed and not paid out: {shown:#}");
        moved
    });
    let moved: Vec<Moved> = judged.collect();
    verdict::nothing_besides(&book, &moved);
    let closed = shown.iter().filter(|shown| shown["stage"] == "closed").count();
    let whys = shown.iter().filter_map(|shown| shown["hold"]["code"].as_str());
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    whys.for_each(|why| *held.entry(why).or_default() += 1);
    println!("{kills} kills, {closed} orders closed, held {held:?}, 0 double purchases, 0 double payouts");
    assert_eq!(closed + held.values().sum::<usize>(), kills, "an order stands nowhere");
}
