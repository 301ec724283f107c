//! What a human says: once, by whom, and about what.

use super::*;

/// How often something stands in an order's timeline.
fn said(world: &World, order: &OrderId, kind: &str) -> usize {
    world.events(order).iter().filter(|e| e.kind == kind).count()
}

#[test]
fn a_verb_needs_its_key_and_is_heard_once() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let cases = [
        ("approve", "approved", json!({ "override": ["look_alike"], "reason": "I know him" }), json!({})),
        ("hold", "held", json!({ "reason": "wait" }), json!({ "reason": "wait more" })),
        ("release", "released", json!({}), json!({ "buyer": { "name": "Ada" } })),
    ];
    for (verb, event, body, other) in cases {
        let target = format!("/api/orders/{id}/{verb}");
        let heard = world.say(&target, "money", "", &body);
        assert_eq!((heard.status, heard.code()), (400, "idempotency_key_missing"), "{verb}");
        assert_eq!(said(&world, &id, event), 0);
        let first = world.say(&target, "money", "key-1", &body);
        assert_eq!((first.status, &first.body["success"]), (200, &true.into()), "{verb}: {}", first.text());
        assert_eq!(first.response.header_value("idempotency-replayed"), None);
        let again = world.say(&target, "money", "key-1", &body);
        assert_eq!(again.status, 200, "{verb}");
        assert_eq!(again.response.header_value("idempotency-replayed"), Some("true"));
        let reused = world.say(&target, "money", "key-1", &other);
        assert_eq!((reused.status, reused.code()), (422, "idempotency_key_reused"), "{verb}");
        assert_eq!(said(&world, &id, event), 1, "{verb} was heard once");
        assert_eq!(world.say(&target, "money", "key-2", &body).status, 200);
        assert_eq!(said(&world, &id, event), 2, "another key is another word");
    }
    let by = world.events(&id).into_iter().find(|e| e.kind == "approved").unwrap().detail;
    assert_eq!(by, "money-token");
}

#[test]
fn a_verb_that_makes_no_sense_changes_nothing() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let before = world.events(&id).len();
    let check = |verb: &str, body: Value, status: u16, code: &str| {
        let heard = world.say(&format!("/api/orders/{id}/{verb}"), "money", "k", &body);
        assert_eq!((heard.status, heard.code()), (status, code), "{verb} {body}: {}", heard.text());
        assert_eq!(world.events(&id).len(), before, "{verb} {body}");
    };
    check("approve", json!({ "override": ["everything"] }), 400, "invalid_field");
    check("approve", json!({ "override": "look_alike" }), 400, "invalid_field");
    check("approve", json!({ "expiresAt": "2030-01-31T11:59:59Z" }), 400, "invalid_field");
    check("approve", json!({ "expiresAt": "soon" }), 400, "invalid_field");
    check("approve", json!({ "because": "x" }), 400, "unknown_field");
    check("approve", json!({ "quoteHash": 7 }), 400, "invalid_field");
    check("hold", json!({}), 400, "missing_field");
    check("hold", json!({ "reason": "a\u{1}" }), 400, "invalid_field");
    check("release", json!({ "shippingAddress": {} }), 400, "invalid_field");
    check("release", json!({ "shippingAddress": { "country": "us" } }), 400, "invalid_field");
    check("release", json!([]), 400, "bad_json");
    let heard = world.say("/api/orders/aaaaaaaaaaaaaaaa/hold", "money", "k", &json!({ "reason": "x" }));
    assert_eq!((heard.status, heard.code()), (404, "not_found"));
}

#[test]
fn a18_another_offer_is_not_the_one_approved() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let quote = crate::domain::purchase::Quote {
        hash: "cafe".to_owned(),
        quoted_at: world.now(),
        lines: vec![crate::domain::purchase::QuoteLine {
            unit_price: usd("8.40"),
            freight: Some(usd("1.99")),
            tax: Some(usd("0")),
            stock: Some(5),
            buy_limit: None,
            is_on_sale: true,
            service: Some("STD".to_owned()),
        }],
        items: usd("8.40"),
        freight: usd("1.99"),
        tax: usd("0"),
    };
    world.desk.engine.store.write(|tx| store::quotes::insert(tx, &id, &quote)).unwrap();
    let target = format!("/api/orders/{id}/approve");
    let heard = world.say(&target, "money", "k1", &json!({ "quoteHash": "beef" }));
    assert_eq!((heard.status, heard.code(), &heard.body["quoteHash"]), (409, "other_quote", &"cafe".into()));
    assert_eq!(world.say(&target, "money", "k2", &json!({ "quoteHash": "cafe" })).status, 200);
    let shown = world.get(&format!("/api/orders/{id}"));
    assert_eq!((&shown.body["quote"]["landed"], &shown.body["quote"]["hash"]), (&"10.39".into(), &"cafe".into()));
}

#[test]
fn a_hold_stands_until_it_is_released() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let heard = world.say(&format!("/api/orders/{id}/hold"), "operate", "k1", &json!({ "reason": "odd address" }));
    assert_eq!(heard.status, 200);
    world.desk.engine.run_due().unwrap();
    let shown = world.get(&format!("/api/orders/{id}"));
    assert_eq!((&shown.body["hold"]["code"], &shown.body["hold"]["detail"]), (&"person".into(), &"odd address".into()));
    let target = format!("/api/orders/{id}/release");
    assert_eq!(world.say(&target, "operate", "k2", &json!({})).status, 403, "releasing lets money move");
    assert_eq!(world.say(&target, "money", "k2", &json!({})).body["wasHeld"], true);
    world.desk.engine.run_due().unwrap();
    assert_eq!(world.get(&format!("/api/orders/{id}")).body["hold"]["code"], "no_token");
    assert_eq!(world.say(&target, "money", "k3", &Value::Null).body["wasHeld"], false);
}

#[test]
fn a_release_may_correct_the_buyer_and_replaces_a_whole_address() {
    let world = world();
    world.put_product();
    let id = world.take(&but(&but(&order("1"), "buyer.phone", None), "shippingAddress.line2", Some("flat 2".into())));
    let body = json!({
        "buyer": { "phone": "5593600000" },
        "shippingAddress": { "line1": "1 Elm St", "city": "Fresno", "province": "California", "postalCode": "93650",
                             "country": "US" },
    });
    let heard = world.say(&format!("/api/orders/{id}/release"), "money", "k", &body);
    assert_eq!(heard.status, 200, "{}", heard.text());
    let shown = world.get(&format!("/api/orders/{id}"));
    assert_eq!(
        (&shown.body["buyer"]["name"], &shown.body["buyer"]["phone"]),
        (&"Ada Lovelace".into(), &"5593600000".into())
    );
    let address = &shown.body["shippingAddress"];
    assert_eq!((&address["line1"], &address["line2"]), (&"1 Elm St".into(), &Value::Null), "no two are mixed");
    assert_eq!(said(&world, &id, "corrected"), 1);
    // Once the goods are ordered, they go where they were ordered to.
    let new = store::claims::NewClaim {
        key: "purchase-key-00001",
        order: &id,
        slot: crate::domain::claim::Slot::Purchase,
        attempt: 1,
        amount: usd("10.39"),
        request: b"{}",
    };
    world.desk.engine.store.write(|tx| store::claims::insert(tx, &new, world.now())).unwrap();
    let heard = world.say(&format!("/api/orders/{id}/release"), "money", "k2", &json!({ "buyer": { "name": "Eve" } }));
    assert_eq!((heard.status, heard.code()), (409, "already_bought"));
    assert_eq!(said(&world, &id, "corrected"), 1);
    let kept = world.desk.engine.store.read(|c| store::intake::buyer(c, &id)).unwrap().unwrap();
    assert_eq!(kept.name.as_deref(), Some("Ada Lovelace"));
}

#[test]
fn an_order_at_its_end_hears_nothing_new() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let target = format!("/api/orders/{id}/hold");
    let body = json!({ "reason": "x" });
    assert_eq!(world.say(&target, "operate", "k1", &body).status, 200);
    world.desk.engine.store.write(|tx| store::intake::close(tx, &id, world.now())).unwrap();
    let heard = world.say(&target, "operate", "k2", &body);
    assert_eq!((heard.status, heard.code()), (409, "order_over"));
    assert_eq!(world.say(&target, "operate", "k1", &body).status, 200, "what was heard before stays answered");
}

#[test]
fn a15_stop_and_resume() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    world.desk.engine.run_due().unwrap();
    let due =
        |world: &World| world.desk.engine.store.read(|c| store::views::order(c, &id)).unwrap().unwrap().next_look_at;
    assert!(due(&world) > Some(world.now()));
    assert_eq!(world.post("/api/stop", "operate", &Value::Null).status, 403);
    assert_eq!(world.post("/api/stop", "money", &Value::Null).body["stopped"], true);
    assert!(world.desk.engine.is_stopped_now().unwrap());
    assert_eq!(world.post("/api/stop", "money", &json!({ "for": "1h" })).code(), "unknown_field");
    assert_eq!(world.post("/api/resume", "money", &json!({})).body["stopped"], false);
    assert!(!world.desk.engine.is_stopped_now().unwrap());
    assert_eq!(due(&world), Some(world.now()), "every open order is looked at again");
    // The file stops too, and only who laid it down takes it away.
    std::fs::write(world.dir.path().join("STOP"), "").unwrap();
    let heard = world.post("/api/resume", "money", &Value::Null);
    assert_eq!((heard.status, heard.code()), (409, "stop_file"));
}

#[test]
fn a20_a_payee_is_confirmed_by_a_human() {
    let world = world();
    let check = |body: Value, status: u16, code: &str, agrees: Value| {
        let heard = world.post("/api/payees/confirm", "money", &body);
        assert_eq!((heard.status, heard.code()), (status, code), "{body}");
        assert_eq!(heard.body["agrees"], agrees, "{body}");
        assert!(!heard.text().contains('@'), "the address is not told again");
    };
    check(json!({ "recipient": "seller", "email": "seller@sandbox.example" }), 200, "", true.into());
    check(json!({ "recipient": "seller", "email": "eve@sandbox.example" }), 200, "", false.into());
    check(json!({ "recipient": "owner", "email": "a@b.example" }), 400, "invalid_field", Value::Null);
    check(json!({ "recipient": "seller", "email": "nobody" }), 400, "invalid_field", Value::Null);
    check(json!({ "recipient": "seller" }), 400, "missing_field", Value::Null);
    check(json!({ "recipient": "seller", "email": "a@b.example", "amount": "1" }), 400, "unknown_field", Value::Null);
    let payee = world.desk.engine.store.read(|c| store::payouts::payee(c, crate::domain::claim::Recipient::Seller));
    assert_eq!(payee.unwrap().as_deref(), Some("eve@sandbox.example"));
}
