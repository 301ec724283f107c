//! The buyer's side without PayPal: what is answered when it is silent, when the buyer has not approved, and when STOP
//! is set. PayPal's answers are written into the store as the engine would.

use super::*;
use crate::domain::claim::Slot;

fn create(world: &World, key: &str, body: &Value) -> Heard {
    world.ask_with("POST", "/api/paypal/create-order", "", key, body)
}

fn mug() -> Value {
    json!({ "sku": "MUG-1", "quantity": 2 })
}

fn capture(world: &World, paypal_order_id: &str) -> Heard {
    world.post("/api/paypal/capture-order", "", &json!({ "paypalOrderId": paypal_order_id }))
}

/// A checkout that PayPal has opened as `P1`.
fn opened() -> (World, OrderId) {
    let world = world();
    world.put_product();
    let heard = create(&world, "key-1", &mug());
    let order = OrderId(heard.body["orderId"].as_str().unwrap().to_owned());
    let url = Some("https://www.sandbox.paypal.com/checkoutnow?token=P1");
    world.desk.engine.store.write(|tx| store::checkouts::opened(tx, &order, "P1", url)).unwrap();
    (world, order)
}

#[test]
fn a_silent_paypal_is_503_and_the_same_key_goes_on() {
    let (world, order) = opened();
    let heard = create(&world, "key-2", &mug());
    assert_eq!((heard.status, heard.code()), (503, "paypal_unavailable"));
    assert!(heard.body["orderId"].is_string() && heard.response.header_value("retry-after").is_some());
    let heard = create(&world, "key-1", &mug());
    assert_eq!((heard.status, &heard.body["success"]), (200, &true.into()));
    assert_eq!((&heard.body["orderId"], &heard.body["paypalOrderId"]), (&order.0.clone().into(), &"P1".into()));
    assert!(heard.body["approveUrl"].as_str().unwrap().ends_with("token=P1"));
    assert_eq!(world.orders(), 2);
    let heard = create(&world, "key-1", &json!({ "sku": "MUG-1", "quantity": 2, "buyer": { "name": "Eve" } }));
    assert_eq!((heard.status, heard.code()), (422, "idempotency_key_reused"));
    assert_eq!(create(&world, "", &mug()).status, 503, "without a key it is another checkout");
    assert_eq!(world.orders(), 3);
    // The price is the product's.
    let shown = world.get(&format!("/api/orders/{order}"));
    assert_eq!((&shown.body["total"], &shown.body["origin"]), (&"50.00".into(), &"checkout".into()));
}

#[test]
fn a_bad_checkout_is_refused_and_not_stored() {
    let world = world();
    world.put_product();
    let check = |path: &str, value: Option<Value>, status: u16, code: &str| {
        let heard = create(&world, "", &but(&mug(), path, value.clone()));
        assert_eq!((heard.status, heard.code()), (status, code), "{path} {value:?}: {}", heard.text());
        assert_eq!(world.orders(), 0, "{path} {value:?}");
    };
    check("sku", None, 400, "missing_field");
    check("sku", Some("MUG 1".into()), 400, "invalid_field");
    check("sku", Some("MUG-9".into()), 400, "unknown_product");
    check("quantity", None, 400, "missing_field");
    check("quantity", Some(0.into()), 400, "invalid_field");
    check("quantity", Some(1001.into()), 400, "invalid_field");
    check("price", Some("0.01".into()), 400, "unknown_field");
    check("total", Some("0.01".into()), 400, "unknown_field");
    check("buyer", Some(json!({ "email": "x" })), 400, "invalid_field");
    check("shippingAddress", Some(json!({ "country": "us" })), 400, "invalid_field");
    check("returnUrl", Some("javascript:alert(1)".into()), 400, "invalid_field");
    assert_eq!(create(&world, "a b", &mug()).code(), "idempotency_key_invalid");
    world.ask_with("PUT", "/api/products/MUG-1", "operate", "", &but(&product(), "active", Some(false.into())));
    check("quantity", Some(1.into()), 409, "inactive_product");
}

#[test]
fn a15_stop_closes_the_checkout() {
    let (world, order) = opened();
    world.desk.engine.stop("somebody").unwrap();
    let heard = create(&world, "key-9", &mug());
    assert_eq!((heard.status, heard.code()), (503, "stopped"));
    assert_eq!(world.orders(), 1);
    let heard = capture(&world, "P1");
    assert_eq!((heard.status, heard.code()), (503, "stopped"));
    let seen = world.desk.engine.store.read(|c| store::checkouts::load(c, &order)).unwrap().unwrap();
    assert_eq!(seen.returned_at, Some(world.now()), "that he came back is a fact all the same");
}

#[test]
fn l1_an_unapproved_order_is_409_and_nothing_is_taken() {
    let (world, order) = opened();
    assert_eq!((capture(&world, "P2").status, capture(&world, "").code()), (404, "missing_field"));
    let heard = capture(&world, "P1");
    assert_eq!((heard.status, heard.code()), (503, "paypal_unavailable"), "PayPal has not been asked yet");
    assert_eq!(heard.body["orderId"], order.0);
    // A question without an answer proves nothing.
    let store = &world.desk.engine.store;
    store.write(|tx| store::checkouts::looked(tx, &order, world.now())).unwrap();
    assert_eq!(capture(&world, "P1").status, 503);
    store.write(|tx| store::checkouts::asked(tx, &order, world.now(), false)).unwrap();
    let heard = capture(&world, "P1");
    assert_eq!(
        (heard.status, heard.code(), &heard.body["orderId"]),
        (409, "ORDER_NOT_APPROVED", &order.0.clone().into())
    );
    // What PayPal said before he came back again is not about this time.
    world.clock.wind(SignedDuration::from_secs(60));
    assert_eq!(capture(&world, "P1").status, 503);
    store.write(|tx| store::checkouts::asked(tx, &order, world.now(), true)).unwrap();
    assert_eq!(capture(&world, "P1").status, 503, "approved, and not taken yet");
    let shown = world.get(&format!("/api/orders/{order}"));
    assert_eq!((&shown.body["capture"], &shown.body["postings"]), (&Value::Null, &json!([])));
}

#[test]
fn a_decline_is_told_with_paypals_own_word() {
    let (world, order) = opened();
    let check = |stored: &str, told: &str| {
        world.clock.wind(SignedDuration::from_secs(1));
        let store = &world.desk.engine.store;
        store.write(|tx| store::checkouts::declined(tx, &order, world.now(), stored)).unwrap();
        let heard = capture(&world, "P1");
        assert_eq!((heard.status, heard.code()), (409, told));
    };
    check("INSTRUMENT_DECLINED", "INSTRUMENT_DECLINED");
    check("PAYER_ACTION_REQUIRED", "PAYER_ACTION_REQUIRED");
    check("SOMETHING_NEW", "CAPTURE_DECLINED");
}

#[test]
fn what_may_have_been_taken_is_never_called_unpaid() {
    let (world, order) = opened();
    let (store, now) = (&world.desk.engine.store, world.now());
    let claim = store::claims::NewClaim {
        key: "capture-key-000001",
        order: &order,
        slot: Slot::Capture,
        attempt: 1,
        amount: usd("50"),
        request: b"{}",
    };
    store.write(|tx| store::claims::insert(tx, &claim, now)).unwrap();
    store.write(|tx| store::checkouts::asked(tx, &order, now, false)).unwrap();
    let heard = capture(&world, "P1");
    assert_eq!((heard.status, heard.code()), (503, "paypal_unavailable"));
    assert!(heard.body["detail"].as_str().unwrap().contains("do not pay again"));
    let seen = |is_completed, fee| {
        let row = store::checkouts::CaptureRow {
            key: "capture-key-000001",
            capture_id: "C1",
            is_completed,
            reason: None,
            fee,
        };
        store.write(|tx| store::checkouts::capture_seen(tx, &row, now)).unwrap();
    };
    seen(false, None);
    let heard = capture(&world, "P1");
    assert_eq!((heard.status, &heard.body["pending"], &heard.body["success"]), (202, &true.into(), &false.into()));
    seen(true, Some(usd("2.24")));
    store.write(|tx| store::claims::done(tx, "capture-key-000001", now)).unwrap();
    let heard = capture(&world, "P1");
    assert_eq!(
        (heard.status, &heard.body["success"], &heard.body["orderId"]),
        (200, &true.into(), &order.0.clone().into())
    );
    // Ours already: a channel cannot sell it a second time (MONEY A13).
    let paid = but(&order_paid_by("C1"), "channelOrderId", Some("77".into()));
    let heard = world.post("/api/orders", "money", &paid);
    assert_eq!((heard.status, heard.code()), (409, "capture_taken"));
}

fn order_paid_by(capture_id: &str) -> Value {
    but(&super::order("1"), "payment", Some(json!({ "provider": "paypal", "captureId": capture_id })))
}

#[test]
fn a_checkout_that_ended_or_cannot_be_bought_is_not_charged() {
    let (world, order) = opened();
    let store = &world.desk.engine.store;
    world.desk.engine.buyer_returned(&order).unwrap();
    let later = world.now() + SignedDuration::from_mins(15);
    store.write(|tx| store::checkouts::asked(tx, &order, world.now(), true)).unwrap();
    let cache = |next| store.write(|tx| store::intake::cache(tx, &order, "held", "guard: not charged: stock", next));
    // A hold of before the return says nothing about this time.
    cache(Some(world.now())).unwrap();
    assert_eq!(capture(&world, "P1").status, 503);
    let progress = |c: &rusqlite::Connection| store::progress::of_checkout(c, &order);
    cache(Some(later)).unwrap();
    let seen = store.read(progress).unwrap().unwrap();
    assert!(seen.next_look_at > seen.returned_at);
    // The route rings the order, so what it waits for is decided once more.
    assert_eq!(super::super::checkout::judged(&seen), Some(super::super::checkout::Outcome::Refused("not_charged")));
    store.write(|tx| store::intake::close(tx, &order, world.now())).unwrap();
    let heard = capture(&world, "P1");
    assert_eq!((heard.status, heard.code()), (409, "checkout_expired"));
}

#[test]
fn strangers_are_limited() {
    let world = world();
    let statuses: Vec<u16> = (0..70).map(|_| capture(&world, "P9").status).collect();
    assert_eq!((statuses[0], statuses[69]), (404, 429));
}

#[test]
fn pages_are_honest_and_escaped() {
    let (world, order) = opened();
    let named = but(&product(), "title", Some("<b>\"Mug\" & Co".into()));
    world.ask_with("PUT", "/api/products/MUG-2", "operate", "", &named);
    let page = |method: &str, target: &str| world.ask_with(method, target, "", "", &Value::Null);
    let check = |method: &str, target: &str, status: u16, words: &[&str]| {
        let heard = page(method, target);
        assert_eq!(heard.status, status, "{target}");
        assert_eq!(heard.response.header_value("content-type"), Some("text/html; charset=utf-8"));
        for word in words {
            assert!(heard.text().contains(word), "{target}: {word}: {}", heard.text());
        }
        assert!(!heard.text().contains("<script") && !heard.text().contains("<b>"), "{target}");
    };
    check("GET", "/buy/MUG-2", 200, &["25.00 USD", "&lt;b&gt;&quot;Mug&quot; &amp; Co"]);
    check("GET", "/buy/%3Cb%3E", 404, &["nothing for sale"]);
    check("POST", "/buy/MUG-1", 400, &["quantity"]);
    check("GET", "/paypal/return", 404, &["not known"]);
    check("GET", "/paypal/return?token=%3Cb%3E", 404, &["not known"]);
    let returned = || world.desk.engine.store.read(|c| store::checkouts::load(c, &order)).unwrap().unwrap().returned_at;
    check("HEAD", "/paypal/return?token=P1", 200, &[]);
    check("GET", "/paypal/cancel?token=P1", 200, &["Nothing was charged"]);
    assert_eq!(returned(), None);
    check("GET", "/paypal/return?token=P1&PayerID=X", 200, &["We are asking PayPal", &order.0]);
    assert_eq!(returned(), Some(world.now()));
    check("GET", "/paypal/cancel?token=P2", 200, &["not known"]);
}
