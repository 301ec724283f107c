//! Refund, settle, supplier-refund and mark-paid at the door: who may, with what, what is refused, and what is shown.

use super::road::{connected, control, run};
use super::*;

#[test]
fn what_is_said_wrongly_changes_nothing() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let before = world.events(&id).len();
    let check = |verb: &str, body: Value, status: u16, code: &str| {
        let heard = world.say(&format!("/api/orders/{id}/{verb}"), "money", "k", &body);
        assert_eq!((heard.status, heard.code()), (status, code), "{verb} {body}: {}", heard.text());
        assert_eq!(world.events(&id).len(), before, "{verb} {body}");
    };
    check("refund", json!({}), 400, "missing_field");
    check("refund", json!({ "reason": "odd", "amount": "5.00" }), 400, "missing_field");
    check("refund", json!({ "reason": "odd", "currency": "USD" }), 400, "missing_field");
    check("refund", json!({ "reason": "odd", "amount": "0", "currency": "USD" }), 400, "invalid_field");
    check("refund", json!({ "reason": "odd", "again": "yes" }), 400, "invalid_field");
    check("refund", json!({ "reason": "odd" }), 409, "no_capture");
    let settled =
        json!({ "amount": "20.00", "currency": "USD", "account": "bank", "reference": "S1", "settledAt": NOW });
    check("settle", but(&settled, "account", Some(json!("cash"))), 400, "invalid_field");
    check("settle", but(&settled, "settledAt", Some(json!("2031-01-01T00:00:00Z"))), 400, "invalid_field");
    check("settle", but(&settled, "reference", None), 400, "missing_field");
    check("settle", but(&settled, "amount", Some(json!("999.00"))), 409, "over_owed");
    check("settle", but(&settled, "currency", Some(json!("EUR"))), 409, "other_currency");
    let back = json!({ "supplierOrderId": "8100000000000001", "amount": "2.00", "currency": "USD", "reference": "R1" });
    check("supplier-refund", but(&back, "amount", None), 400, "missing_field");
    check("supplier-refund", back.clone(), 409, "not_paid");
    for (verb, body) in [("refund", json!({ "reason": "odd" })), ("settle", settled), ("supplier-refund", back)] {
        let target = format!("/api/orders/{id}/{verb}");
        assert_eq!(world.say(&target, "operate", "k", &body).status, 403, "{verb} moves money");
        assert_eq!(world.say(&target, "money", "", &body).code(), "idempotency_key_missing", "{verb}");
        let nowhere = format!("/api/orders/0000000000000000/{verb}");
        assert_eq!(world.say(&nowhere, "money", "k", &body).status, 404, "{verb}");
    }
    let nowhere = "/api/payouts/no-such-payout/mark-paid";
    assert_eq!(world.say(nowhere, "money", "k", &json!({ "reference": "B1" })).status, 404);
    assert_eq!(world.say(nowhere, "operate", "k", &json!({ "reference": "B1" })).status, 403);
    assert_eq!(world.say(nowhere, "money", "k", &json!({})).code(), "missing_field");
}

#[test]
fn money_goes_back_through_the_interface_and_is_shown() {
    let (world, plug) = connected();
    let whole = super::order("1");
    let body =
        json!({ "sku": "MUG-1", "quantity": 1, "buyer": whole["buyer"], "shippingAddress": whole["shippingAddress"] });
    world.ask_with("POST", "/api/paypal/create-order", "", "key-1", &body);
    world.desk.engine.run_due().unwrap();
    let heard = world.ask_with("POST", "/api/paypal/create-order", "", "key-1", &body);
    let text = |name: &str| heard.body[name].as_str().unwrap().to_owned();
    let (id, paypal_order) = (text("orderId"), text("paypalOrderId"));
    control(&plug, &format!("paypal/orders/{paypal_order}/approve"));
    world.ask_with("POST", "/api/paypal/capture-order", "", "", &json!({ "paypalOrderId": paypal_order }));
    run(&world, 1);
    let cancel = world.say(&format!("/api/orders/{id}/cancel"), "operate", "c1", &json!({ "reason": "odd" }));
    assert_eq!((cancel.status, cancel.code()), (403, "scope_too_small"), "it gives money back");
    run(&world, 30);
    let target = format!("/api/orders/{id}/refund");
    let part = json!({ "reason": "he wrote", "amount": "5.00", "currency": "USD" });
    let heard = world.say(&target, "money", "r1", &part);
    assert_eq!((heard.status, &heard.body["number"]), (200, &json!(1)), "{}", heard.text());
    let again = world.say(&target, "money", "r1", &part);
    assert_eq!((again.status, again.response.header_value("idempotency-replayed")), (200, Some("true")));
    let other = but(&part, "amount", Some(json!("6.00")));
    assert_eq!(world.say(&target, "money", "r1", &other).code(), "idempotency_key_reused");
    assert_eq!(world.say(&target, "money", "r2", &part).code(), "refunded_lately");
    run(&world, 30);
    let shown = world.get(&format!("/api/orders/{id}")).body;
    let refund = &shown["refunds"][0];
    assert_eq!(
        (&refund["amount"], &refund["state"], &refund["status"]),
        (&json!("5.00"), &json!("done"), &json!("COMPLETED"))
    );
    assert_eq!((&shown["sale"]["version"], &shown["saleVersions"][0]["reason"]), (&json!(2), &json!("refund")));
    assert!(!shown.to_string().contains("he wrote"), "a reason may name people");
}
