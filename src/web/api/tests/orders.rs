//! Taking orders, telling the same from another one, and showing one.

use super::*;

#[test]
fn the_same_order_is_taken_once() {
    let world = world();
    world.put_product();
    let first = world.post("/api/orders", "operate", &order("1001"));
    assert_eq!((first.status, &first.body["isNew"]), (201, &true.into()));
    let id = first.body["orderId"].as_str().unwrap();
    assert_eq!(first.response.header_value("location"), Some(format!("/api/orders/{id}").as_str()));
    // The same content, however it is laid out.
    let mut laid_out_anew = but(&order("1001"), "total", Some("25".into()));
    laid_out_anew["paidAt"] = "2030-01-31T12:00:00+01:00".into();
    laid_out_anew["tax"] = Value::Null;
    for same in [order("1001"), laid_out_anew] {
        let again = world.post("/api/orders", "operate", &same);
        assert_eq!((again.status, &again.body["orderId"]), (200, &id.into()), "{}", again.text());
    }
    let others: &[(&str, Value)] = &[
        ("total", "24.99".into()),
        ("fee", "1.51".into()),
        ("tax", "0".into()),
        ("funds", "settled".into()),
        ("paidAt", "2030-01-31T11:00:01Z".into()),
        ("items", json!([{ "sku": "MUG-1", "quantity": 2 }])),
        ("buyer.name", "Ada Byron".into()),
        ("shippingAddress.line2", "flat 2".into()),
        ("payment", json!({ "provider": "paypal", "captureId": "C1" })),
    ];
    for (path, value) in others {
        let heard = world.post("/api/orders", "operate", &but(&order("1001"), path, Some(value.clone())));
        assert_eq!((heard.status, heard.code()), (409, "other_content"), "{path}");
        assert_eq!(heard.body["orderId"], id);
    }
    assert_eq!(world.orders(), 1);
}

#[test]
fn a13_one_payment_pays_one_order() {
    let world = world();
    world.put_product();
    let paid = |id: &str, provider: &str| {
        but(&order(id), "payment", Some(json!({ "provider": provider, "captureId": "8AB12345CD678901E" })))
    };
    let first = world.take(&paid("1", "paypal"));
    let other_channel = but(&paid("2", "PayPal"), "channel", Some("ebay".into()));
    let heard = world.post("/api/orders", "operate", &other_channel);
    assert_eq!((heard.status, heard.code(), &heard.body["orderId"]), (409, "capture_taken", &first.0.into()));
    assert_eq!(world.orders(), 1);
    world.take(&paid("3", "stripe"));
}

#[test]
fn a7_settled_needs_the_money_scope() {
    let world = world();
    world.put_product();
    let settled = |id: &str| but(&order(id), "funds", Some("settled".into()));
    let check = |id: &str, who: &str, funds: &str, postings: usize| {
        let heard = world.post("/api/orders", who, &settled(id));
        assert_eq!((heard.status, &heard.body["funds"]), (201, &funds.into()), "{who}");
        let shown = world.get(&format!("/api/orders/{}", heard.body["orderId"].as_str().unwrap()));
        assert_eq!(shown.body["funds"], funds);
        assert_eq!(shown.body["postings"].as_array().unwrap().len(), postings, "{who}");
    };
    check("1", "operate", "held_by_channel", 0);
    check("2", "money", "settled", 2);
    assert_eq!(world.post("/api/orders", "read", &settled("3")).status, 403);
}

#[test]
fn l14_what_is_missing_stays_missing_and_holds_the_order() {
    let world = world();
    world.put_product();
    let check = |path: &str, value: Option<Value>, missing: &[&str]| {
        let id = world.take(&but(&order(&format!("{path} {value:?}")), path, value));
        world.desk.engine.run_due().unwrap();
        let shown = world.get(&format!("/api/orders/{id}"));
        assert_eq!(shown.body["missing"], json!(missing), "{path}");
        if missing.is_empty() {
            return;
        }
        assert_eq!((&shown.body["stage"], &shown.body["hold"]["code"]), (&"held".into(), &"incomplete".into()));
        for name in missing {
            assert!(shown.body["hold"]["detail"].as_str().unwrap().contains(name), "{path}");
        }
    };
    check("buyer.name", None, &["buyer.name"]);
    check("buyer.name", Some("  ".into()), &["buyer.name"]);
    check("buyer.phone", Some(Value::Null), &["buyer.phone"]);
    check("buyer.email", None, &[]);
    check("shippingAddress.postalCode", None, &["shippingAddress.postalCode"]);
    check("buyer", None, &["buyer.name", "buyer.phone"]);
    let address = ["line1", "city", "province", "postalCode", "country"].map(|f| format!("shippingAddress.{f}"));
    check("shippingAddress", None, &address.each_ref().map(String::as_str));
}

#[test]
fn an_order_shows_every_part_and_null_for_what_is_not_there() {
    let world = world();
    world.put_product();
    let id = world.take(&but(&order("1001"), "tax", Some("2.00".into())));
    world.desk.engine.run_due().unwrap();
    let heard = world.get(&format!("/api/orders/{id}"));
    let shown = &heard.body;
    assert_eq!(shown["id"], id.0);
    assert_eq!((&shown["total"], &shown["currency"], &shown["tax"]), (&"25.00".into(), &"USD".into(), &"2.00".into()));
    assert_eq!((&shown["channel"], &shown["channelOrderId"]), (&"etsy".into(), &"1001".into()));
    assert_eq!((&shown["createdAt"], &shown["paidAt"]), (&NOW.into(), &"2030-01-31T11:00:00Z".into()));
    assert_eq!(shown["lines"][0]["unitPrice"], "25.00");
    assert_eq!(
        shown["buyer"],
        json!({ "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+1 559 360 0000", "idNumber": null })
    );
    assert_eq!(shown["shippingAddress"]["line2"], Value::Null);
    for part in ["checkout", "capture", "quote", "purchase", "sale", "closedAt"] {
        assert!(shown.as_object().unwrap().contains_key(part) && shown[part].is_null(), "{part}");
    }
    assert_eq!((&shown["payouts"], &shown["postings"]), (&json!([]), &json!([])));
    // No supplier login in this world, so it stands still and says so.
    assert_eq!((&shown["stage"], &shown["hold"]["code"]), (&"held".into(), &"no_token".into()));
    assert!(!shown["hold"]["advice"].as_str().unwrap().is_empty());
    for path in ["", "/timeline"] {
        let heard = world.get(&format!("/api/orders/aaaaaaaaaaaaaaaa{path}"));
        assert_eq!((heard.status, heard.code()), (404, "not_found"));
    }
}

#[test]
fn l40_a_timeline_holds_no_buyer() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    world.desk.engine.run_due().unwrap();
    let heard = world.get(&format!("/api/orders/{id}/timeline"));
    let kinds: Vec<&str> =
        heard.body["events"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["order", "stage"]);
    for word in ["Ada", "example.com", "559", "Oak", "Springfield", "93650"] {
        assert!(!heard.text().contains(word), "{word}");
    }
}
