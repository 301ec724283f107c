//! A crowd at the door while orders run, and bodies too large for any of its routes: nobody is refused without reason,
//! nobody meets a lock, and the orders go their way.

use crate::shop::{GIVE_UP, Serving, Shop, checkout, http, mug};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const CLIENTS: usize = 200;
const ORDERS: usize = 12;

fn read(answer: crate::shop::Answer) -> Value {
    let (status, body) = answer.expect("the shop lives");
    assert!(status < 300, "{status}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// A checkout of its own buyer, approved and taken.
fn order(serving: &Serving, number: usize) -> String {
    let mut wanted = checkout();
    wanted["shippingAddress"]["line1"] = format!("{number} Oak Street").into();
    let opened = read(serving.ask("POST", "/api/paypal/create-order", &[], &wanted));
    let paypal_order = opened["paypalOrderId"].as_str().unwrap();
    serving.control("POST", &format!("paypal/orders/{paypal_order}/approve"), &json!({})).unwrap();
    read(serving.ask("POST", "/api/paypal/capture-order", &[], &json!({ "paypalOrderId": paypal_order })));
    opened["orderId"].as_str().unwrap().to_owned()
}

#[test]
fn two_hundred_readers_meet_no_error_and_no_lock_while_orders_run() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    read(serving.ask("PUT", "/api/products/MUG", &[], &mug()));
    let first = order(&serving, 0);
    let one = format!("/api/orders/{first}");
    let paths = [
        "/api/orders",
        &one,
        &format!("{one}/timeline"),
        "/api/queue",
        "/api/sales",
        "/api/payouts",
        "/api/products",
        "/api/debug/post-sale-integrity-check",
        "/api/version",
        "/readyz",
    ];
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let refused: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (serving, is_over, answered, refused) = (&serving, &is_over, &answered, &refused);
            let paths = &paths;
            scope.spawn(move || {
                // Each asks at least once for a good part of the routes, and goes on as long as orders run.
                for turn in 0.. {
                    if turn >= 3 && is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let path = paths[(client + turn) % paths.len()];
                    match serving.ask("GET", path, &[], &Value::Null) {
                        Some((200, body)) if !body.contains("locked") => answered.fetch_add(1, Ordering::Relaxed),
                        other => return refused.lock().unwrap().push(format!("{path}: {other:?}")),
                    };
                }
            });
        }
        let orders: Vec<String> = (1..ORDERS).map(|number| order(&serving, number)).collect();
        for id in orders.iter().chain([&first]) {
            serving.wait_for_stage(id, &["closed"]);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let refused = refused.into_inner().unwrap();
    assert!(refused.is_empty(), "{} refused, such as {}", refused.len(), refused[0]);
    assert!(answered.load(Ordering::Relaxed) >= 3 * CLIENTS);
    assert_eq!(serving.book()["purchases"].as_array().unwrap().len(), ORDERS);
    let log = shop.log().to_lowercase();
    assert!(!log.contains("locked") && !log.contains("busy"), "{log}");
}

#[test]
fn f25_two_mebibytes_are_too_much_for_every_route_and_leave_nothing() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    read(serving.ask("PUT", "/api/products/MUG", &[], &mug()));
    let routes = read(serving.ask("GET", "/api/internal/health", &[], &Value::Null))["routes"].clone();
    let changing = routes.as_array().unwrap().iter().filter(|route| route["method"] != "GET");
    let secret = std::fs::read_to_string(shop.file("data/internal-secret")).unwrap().trim().to_owned();
    let body = Value::String("x".repeat(2 * 1024 * 1024));
    let (mut asked, started) = (0, Instant::now());
    for route in changing {
        let path = route["path"].as_str().unwrap().replace("{sku}", "MUG").replace("{id}", "aaaaaaaaaaaaaaaa");
        let headers = [("x-internal-secret", secret.as_str()), ("idempotency-key", "large")];
        let (status, told) = http(&serving.address, route["method"].as_str().unwrap(), &path, &headers, &body)
            .unwrap_or_else(|| panic!("{path}: no answer"));
        let told: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{path}: {error}: {told}"));
        assert_eq!((status, &told["code"]), (413, &json!("body_too_large")), "{path}");
        asked += 1;
        assert!(started.elapsed() < GIVE_UP * 2, "{path}");
    }
    assert!(asked > 20, "{asked}");
    assert_eq!(read(serving.ask("GET", "/api/orders", &[], &Value::Null))["orders"], json!([]));
    assert_eq!(read(serving.ask("GET", "/readyz", &[], &Value::Null))["stopped"], false);
}
