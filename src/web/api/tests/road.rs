//! The whole road through the interface, against both far sides without a socket: checkout, capture, purchase, sale,
//! payouts; and what the interface shows of it.

use super::*;
use crate::gateway::Secret;
use crate::gateway::wire::Wire;
use crate::rehearsal::plug::Plug;

/// The hand behind the far sides.
pub(super) fn control(plug: &Plug, path: &str) {
    let (status, body) = plug.control("POST", &format!("/__control/{path}"), &json!({}));
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
}

/// A shop with both far sides, logged in at the supplier, and money at PayPal to pay out from.
pub(super) fn connected() -> (World, Arc<Plug>) {
    let clock = Arc::new(HandClock::new("2030-01-31T10:00:00Z".parse().unwrap()));
    let plug = Arc::new(Plug::new(clock.clone(), 1));
    let c = plug.sides().credentials(clock.now().as_millisecond());
    let wire = || plug.clone() as Arc<dyn Wire>;
    let secret = Secret::new(c.paypal_client_secret);
    let paypal = PayPal::new(wire(), c.paypal_base_url, c.paypal_client_id, secret);
    let secret = Secret::new(c.aliexpress_app_secret);
    let aliexpress = AliExpress::new(wire(), c.aliexpress_base_url, c.aliexpress_app_key, secret, None);
    let world = world_with(clock, Some(paypal), Some(aliexpress));
    let login = store::tokens::Login {
        account: None,
        access_token: c.aliexpress_access_token,
        refresh_token: Some(c.aliexpress_refresh_token),
        access_expires_at: Timestamp::from_millisecond(c.access_expires_at_ms).unwrap(),
        refresh_expires_at: Timestamp::from_millisecond(c.refresh_expires_at_ms).ok(),
    };
    let now = world.now();
    world.desk.engine.store.write(|tx| store::tokens::put(tx, crate::engine::ALIEXPRESS, &login, now)).unwrap();
    world.put_product();
    (world, plug)
}

/// Winds the clock on and lets every due order go as far as it goes.
pub(super) fn run(world: &World, minutes: i64) {
    for _ in 0..minutes {
        world.desk.engine.run_due().unwrap();
        world.clock.wind(SignedDuration::from_mins(1));
    }
}

fn checkout() -> Value {
    let whole = super::order("1");
    json!({ "sku": "MUG-1", "quantity": 1, "buyer": whole["buyer"], "shippingAddress": whole["shippingAddress"] })
}

#[test]
fn from_checkout_to_payouts() {
    let (world, plug) = connected();
    let create = || world.ask_with("POST", "/api/paypal/create-order", "", "key-1", &checkout());
    assert_eq!(create().status, 503, "nobody has worked yet");
    world.desk.engine.run_due().unwrap();
    let heard = create();
    assert_eq!(heard.status, 200, "{}", heard.text());
    let id = heard.body["orderId"].as_str().unwrap().to_owned();
    let paypal_order_id = heard.body["paypalOrderId"].as_str().unwrap().to_owned();
    let show = || world.get(&format!("/api/orders/{id}")).body;

    let capture = || world.post("/api/paypal/capture-order", "", &json!({ "paypalOrderId": paypal_order_id }));
    world.clock.wind(SignedDuration::from_secs(5));
    assert_eq!(capture().status, 503, "PayPal has not been asked");
    world.desk.engine.run_due().unwrap();
    let heard = capture();
    assert_eq!((heard.status, heard.code()), (409, "ORDER_NOT_APPROVED"), "{}", heard.text());
    assert_eq!((&show()["stage"], &show()["capture"]), (&"awaiting_payment".into(), &Value::Null));

    control(&plug, &format!("paypal/orders/{paypal_order_id}/approve"));
    world.clock.wind(SignedDuration::from_secs(5));
    assert_eq!(capture().status, 503);
    run(&world, 3);
    let heard = capture();
    assert_eq!((heard.status, &heard.body["success"]), (200, &true.into()), "{}", heard.text());
    run(&world, 60);

    let shown = show();
    assert_eq!(shown["sale"]["payoutExecuted"], true, "{shown:#}");
    assert_eq!((&shown["capture"]["amount"], &shown["capture"]["isCompleted"]), (&"25.00".into(), &true.into()));
    assert_eq!((&shown["quote"]["items"], &shown["quote"]["landed"]), (&"8.40".into(), &"8.40".into()));
    let supplier_order = &shown["purchase"]["supplierOrders"][0];
    assert_eq!((&supplier_order["state"], &supplier_order["payUrl"]), (&"paid".into(), &Value::Null));
    assert_eq!(shown["purchase"]["guards"].as_array().unwrap().len(), crate::domain::guards::Guard::ALL.len());
    let sale = &shown["sale"];
    assert_eq!(
        (&sale["gross"], &sale["supplierTotal"], &sale["currency"]),
        (&"25.00".into(), &"8.40".into(), &"USD".into())
    );
    assert_eq!((&sale["commission"], &sale["commissionPercent"]), (&"1.66".into(), &"10".into()));
    let payouts = shown["payouts"].as_array().unwrap();
    assert_eq!(payouts.len(), 2);
    assert!(payouts.iter().all(|p| p["status"] == "SUCCESS" && p["transactionId"].is_string() && p["fee"].is_string()));
    let kinds: Vec<&str> = shown["postings"].as_array().unwrap().iter().map(|p| p["kind"].as_str().unwrap()).collect();
    assert!(
        ["capture", "capture_fee", "supplier_paid", "sale", "payout"].iter().all(|k| kinds.contains(k)),
        "{kinds:?}"
    );

    let listed = world.get("/api/sales").body["sales"].clone();
    assert_eq!((&listed[0]["id"], &listed[0]["profit"]), (&id.clone().into(), &sale["profit"]));
    assert_eq!(listed[0]["legs"].as_array().unwrap().len(), 2);
    let one = world.get(&format!("/api/sales/{id}")).body;
    assert_eq!((&one["profit"], &one["payouts"]), (&sale["profit"], &shown["payouts"]));
    let listed = world.get("/api/payouts?limit=1");
    assert_eq!(listed.body["payouts"].as_array().unwrap().len(), 1);
    let next = listed.body["nextCursor"].as_str().unwrap().to_owned();
    let rest = world.get(&format!("/api/payouts?limit=1&cursor={next}")).body;
    assert_eq!((rest["payouts"].as_array().unwrap().len(), &rest["nextCursor"]), (1, &Value::Null));
    assert_ne!(rest["payouts"][0]["id"], listed.body["payouts"][0]["id"]);
    let key = rest["payouts"][0]["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/api/payouts/{key}")).body, rest["payouts"][0]);
    assert_eq!(world.get("/api/queue").body["queue"], json!([]));

    let timeline = world.get(&format!("/api/orders/{id}/timeline"));
    for target in ["/api/orders", "/api/sales", "/api/payouts"] {
        for word in ["Ada", "Oak", "@"] {
            assert!(!world.get(target).text().contains(word), "{target}: {word}");
            assert!(!timeline.text().contains(word), "timeline: {word}");
        }
    }
}

/// Placed and to be paid by hand: it stands in the queue with the link, and a held one shows none (MONEY A12).
#[test]
fn a12_what_a_human_has_to_pay_stands_in_the_queue() {
    let (mut world, _plug) = connected();
    let engine = Arc::get_mut(&mut world.desk.engine).unwrap();
    engine.settings.policy.is_auto_pay = false;
    let id = world.take(&super::order("1001"));
    run(&world, 3);
    let shown = world.get(&format!("/api/orders/{id}")).body;
    assert_eq!(shown["stage"], "awaiting_supplier_payment", "{shown:#}");
    let supplier_order = &shown["purchase"]["supplierOrders"][0];
    let url =
        format!("https://www.aliexpress.com/p/order/detail.html?orderId={}", supplier_order["id"].as_str().unwrap());
    assert_eq!(supplier_order["payUrl"], url);
    let row = &world.get("/api/queue").body["queue"][0];
    assert_eq!((&row["code"], &row["payUrls"]), (&"supplier_unpaid".into(), &json!([url])));
    world.say(&format!("/api/orders/{id}/hold"), "operate", "k", &json!({ "reason": "wait" }));
    run(&world, 1);
    let row = &world.get("/api/queue").body["queue"][0];
    assert_eq!((&row["orderId"], &row["payUrls"]), (&id.0.into(), &json!([])), "{row:#}");
}
