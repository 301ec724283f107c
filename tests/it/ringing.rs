//! PayPal rings at the real server: registered by itself, delivered over HTTP, stored before it is acknowledged, killed
//! in between, and refused where it is not PayPal's.

use crate::post::Post;
use crate::shop::{GIVE_UP, Serving, Shop, checkout, exchange, http, mug};
use postsale::domain::order::Mode;
use postsale::store::{self, StoreError, inbox, open};
use serde_json::{Value, json};
use std::time::Instant;

const PATH: &str = "/api/webhooks/paypal";

/// Opens a checkout and lets the buyer approve it; nobody comes back. Answers the order's id.
fn approved(serving: &Serving) -> Option<String> {
    let (order, paypal_order) = opened(serving, 1)?;
    approve(serving, &paypal_order)?;
    Some(order)
}

/// The `number`th buyer's checkout, and PayPal's order of it.
fn opened(serving: &Serving, number: u32) -> Option<(String, String)> {
    serving.ask("PUT", "/api/products/MUG", &[], &mug())?;
    let mut checkout = checkout();
    checkout["shippingAddress"]["line1"] = json!(format!("{number} Oak Street"));
    let key = number.to_string();
    let (status, body) =
        serving.ask_openly("POST", "/api/paypal/create-order", &[("idempotency-key", &key)], &checkout)?;
    assert_eq!(status, 200, "{body}");
    let opened: Value = serde_json::from_str(&body).unwrap();
    let text = |name: &str| opened[name].as_str().unwrap().to_owned();
    Some((text("orderId"), text("paypalOrderId")))
}

fn approve(serving: &Serving, paypal_order: &str) -> Option<(u16, String)> {
    serving.control("POST", &format!("paypal/orders/{paypal_order}/approve"), &json!({}))
}

fn events(serving: &Serving) -> Vec<(Post, bool)> {
    let (_, body) = serving.control("GET", "paypal/events", &json!({})).expect("the far sides live");
    let told: Value = serde_json::from_str(&body).unwrap();
    let rows = told["events"].as_array().unwrap().iter();
    rows.map(|event| (Post::of(event), event["delivered"].as_bool().unwrap())).collect()
}

/// How often an event lies in the database.
fn deliveries(shop: &Shop, id: &str) -> u32 {
    let now = jiff::Timestamp::now();
    let wanted = open::Wanted { mode: Mode::Sandbox, shop: "shop", now };
    let store = open::join(&shop.file("data"), &wanted).unwrap();
    store.read(|c| inbox::deliveries(c, "paypal", id)).unwrap_or_else(|e: StoreError| panic!("{e}"))
}

/// Waits until PayPal has rung for every event so far.
fn all_told(serving: &Serving) -> Vec<Post> {
    let started = Instant::now();
    loop {
        let events = events(serving);
        if !events.is_empty() && events.iter().all(|(_, is_delivered)| *is_delivered) {
            return events.into_iter().map(|(post, _)| post).collect();
        }
        assert!(started.elapsed() < GIVE_UP, "PayPal could not ring");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn send(serving: &Serving, post: &Post) -> (u16, String) {
    let answer = sent(serving, post);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The whole answer to a delivery.
fn sent(serving: &Serving, post: &Post) -> String {
    let headers: Vec<(&str, &str)> = post.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let headers: Vec<_> = headers.into_iter().filter(|(n, _)| *n != "content-type").collect();
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(body.to_string().into_bytes(), post.body, "the same bytes");
    exchange(&serving.address, "POST", PATH, &headers, &body).expect("the shop lives")
}

#[test]
fn l34_the_shipped_server_is_rung_by_itself_and_the_report_says_so() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let order = approved(&serving).unwrap();
    // Nobody came back and no poll is due for a minute: the ring alone takes it on.
    serving.wait_for_stage(&order, &["closed"]);
    for post in all_told(&serving) {
        assert!(deliveries(&shop, &post.id) >= 1, "{} is answered and not stored", post.kind);
    }
    let (_, report) = serving.ask("POST", "/api/reports/readiness", &[], &json!({})).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let text = report.to_string();
    assert!(text.contains("webhook_seen") && text.contains("rang last at"), "{text}");
}

#[test]
fn l33_at_the_door_a_forgery_is_401_and_a_duplicate_200() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let order = approved(&serving).unwrap();
    serving.wait_for_stage(&order, &["closed"]);
    let posts = all_told(&serving);
    let before = deliveries(&shop, &posts[0].id);
    let (status, body) = send(&serving, &posts[0]);
    assert_eq!((status, body.contains("\"new\":false")), (200, true), "{body}");
    assert_eq!(deliveries(&shop, &posts[0].id), before + 1);
    let mut forged = posts[0].clone();
    forged.headers.iter_mut().filter(|(n, _)| n == "paypal-transmission-id").for_each(|(_, v)| v.push('0'));
    let (status, body) = send(&serving, &forged);
    assert_eq!(status, 401, "{body}");
    assert!(!body.contains("signature") && !body.contains("certificate"), "the sender learns nothing: {body}");
    let bare = http(&serving.address, "POST", PATH, &[], &json!({"id": "WH-1", "event_type": "X"})).unwrap();
    assert_eq!(bare.0, 401);
    assert_eq!(http(&serving.address, "GET", PATH, &[], &Value::Null).unwrap().0, 405);
    assert_eq!(deliveries(&shop, "WH-1"), 0);
}

/// Somebody else begins to write into the shop's database, and does not end.
fn locked(shop: &Shop) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(store::open::path(&shop.file("data"))).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// F34: the purchase is out when somebody else takes the database, for longer than anybody waits for it: the answer cannot be
/// written down, and what became of it is found out afterwards.
#[test]
fn f34_a_lock_while_a_purchase_is_out_buys_nothing_twice() {
    let shop = Shop::shipped().with("policy.look_again=1s,1s,1s,1s,1s,1s");
    let serving = shop.serve(None).unwrap();
    let fault =
        json!({"call": "aliexpress.create", "reply": "timeout", "when": "after_commit", "times": 1, "holdMs": 1500});
    assert_eq!(serving.control("POST", "faults", &fault).unwrap().0, 200);
    let order = approved(&serving).unwrap();
    let is_out = || !serving.book()["purchases"].as_array().unwrap().is_empty();
    while !is_out() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let other = locked(&shop);
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(serving.order(&order)["purchase"]["supplierOrders"].as_array().map_or(0, Vec::len), 0, "not written");
    other.execute_batch("ROLLBACK").unwrap();
    let counted = || {
        let book = serving.book();
        ["captures", "purchases", "payouts"].map(|kind| book[kind].as_array().unwrap().len())
    };
    // The supplier does not tell of an order that it gave no answer for: a person looks there, and says its id.
    let shown = serving.wait_for_stage(&order, &["held"]);
    assert_eq!((&shown["hold"]["code"], counted()), (&json!("purchase_unknown"), [1, 1, 0]), "{shown:#}");
    let found = json!({"supplierOrderIds": [serving.book()["purchases"][0]["id"]]});
    let key = [("idempotency-key", "found")];
    assert_eq!(serving.ask("POST", &format!("/api/orders/{order}/resolve"), &key, &found).unwrap().0, 200);
    let shown = serving.wait_for_stage(&order, &["closed"]);
    assert_eq!(shown["purchase"]["supplierOrders"].as_array().map_or(0, Vec::len), 1, "{shown:#}");
    assert_eq!(counted(), [1, 1, 2]);
}

/// F34: somebody else holds the database. PayPal is asked to come again, nothing is acknowledged, and an order that was
/// paid meanwhile goes its way afterwards.
#[test]
fn f34_a_locked_database_acknowledges_nothing() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let order = approved(&serving).unwrap();
    serving.wait_for_stage(&order, &["closed"]);
    let post = all_told(&serving).remove(0);
    let before = deliveries(&shop, &post.id);
    let (second, paypal_order) = opened(&serving, 2).unwrap();
    let other = locked(&shop);
    approve(&serving, &paypal_order).unwrap();
    let answer = sent(&serving, &post);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("not_stored"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    assert_eq!(serving.book()["captures"].as_array().unwrap().len(), 1, "nothing moves that cannot be written down");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(send(&serving, &post).0, 200);
    assert_eq!(deliveries(&shop, &post.id), before + 1);
    serving.wait_for_stage(&second, &["closed"]);
    let book = serving.book();
    assert_eq!(["captures", "purchases", "payouts"].map(|kind| book[kind].as_array().unwrap().len()), [2, 2, 4]);
}

/// Copies, delays, forgeries and the wrong order, as PayPal may deliver them, over the real door.
#[test]
fn f19_copies_delays_forgeries_and_the_wrong_order_end_alike() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let odd = json!({"webhook_copies": 3, "webhook_delay_ms": 300, "webhook_newest_first": true,
        "webhook_forged_first": true});
    assert_eq!(serving.control("POST", "switches", &odd).unwrap().0, 200);
    let order = approved(&serving).unwrap();
    serving.wait_for_stage(&order, &["closed"]);
    for post in all_told(&serving) {
        assert!(deliveries(&shop, &post.id) >= 2, "{} came once", post.kind);
    }
    let book = serving.book();
    let counted = ["captures", "purchases", "payouts"].map(|kind| book[kind].as_array().unwrap().len());
    assert_eq!(counted, [1, 1, 2], "{book:#}");
    assert_eq!(serving.order(&order)["stage"], "closed");
}

/// I7: killed right before the commit and right after it; an acknowledged event lies in the database, and one that was
/// not is delivered again.
fn killed_at(name: &str) {
    let shop = Shop::shipped();
    let mut serving = shop.serve(Some(&json!({"failpoints": [{"name": name, "passes": 0}]}))).unwrap();
    approved(&serving);
    assert!(serving.wait_until_dead(), "{name}: the moment never came\n{}", shop.log());
    drop(serving);
    let serving = shop.serve(None).unwrap();
    for (post, is_delivered) in events(&serving) {
        assert!(
            !is_delivered || deliveries(&shop, &post.id) >= 1,
            "{name}: {} was acknowledged and is gone",
            post.kind
        );
    }
    // The server has another port now and tells PayPal so.
    let order = approved(&serving).unwrap();
    serving.wait_for_stage(&order, &["closed"]);
    for post in all_told(&serving) {
        assert!(deliveries(&shop, &post.id) >= 1, "{name}: {}", post.kind);
    }
    let book = serving.book();
    assert_eq!(book["captures"].as_array().unwrap().len(), 1, "{name}: {book:#}");
}

#[test]
fn i7_killed_before_an_event_was_committed() {
    killed_at("webhook.before_commit");
}

#[test]
fn i7_killed_between_the_commit_and_its_acknowledgement() {
    killed_at("webhook.committed");
}
