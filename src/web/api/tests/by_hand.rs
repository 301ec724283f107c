//! Resolve and the mark-verbs at the door: who may, with what, and what is refused.

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
    let ids = json!(["8001234567890123"]);
    check("resolve", json!({}), 400, "missing_field");
    check("resolve", json!({ "outcome": "bought" }), 400, "invalid_field");
    check("resolve", json!({ "outcome": "nothing-there", "supplierOrderIds": ids }), 400, "invalid_field");
    check("resolve", json!({ "supplierOrderIds": [] }), 400, "invalid_field");
    check("resolve", json!({ "supplierOrderIds": [8001234567890123_u64] }), 400, "invalid_field");
    check("resolve", json!({ "supplierOrderIds": ["MOCK-1"] }), 400, "invalid_field");
    check("resolve", json!({ "supplierOrderIds": ["8001234567890123", "8001234567890123"] }), 400, "invalid_field");
    check("resolve", json!({ "supplierOrderIds": ids }), 409, "nothing_unknown");
    check("mark-purchased", json!({ "supplierOrderIds": ids }), 400, "missing_field");
    check("mark-purchased", json!({ "supplierOrderIds": ids, "total": "9.00" }), 400, "missing_field");
    let whole = json!({ "supplierOrderIds": ids, "total": "9.00", "currency": "USD" });
    check("mark-purchased", but(&whole, "total", Some(json!(9.0))), 400, "invalid_field");
    check("mark-purchased", but(&whole, "total", Some(json!("0"))), 400, "invalid_field");
    check("mark-purchased", but(&whole, "currency", Some(json!("EUR"))), 409, "rate_missing");
    let later = Some(json!("2031-01-01T00:00:00Z"));
    check("mark-purchased", but(&whole, "purchasedAt", later), 400, "invalid_field");
    check("mark-supplier-paid", Value::Null, 409, "not_bought");
    check("mark-supplier-paid", json!({ "currency": "USD" }), 400, "missing_field");
    check("mark-shipped", json!({}), 400, "missing_field");
    check("mark-shipped", json!({ "trackingNumber": "LP1" }), 409, "not_bought");
    check("mark-delivered", json!({ "at": "now" }), 400, "unknown_field");
    check("mark-delivered", Value::Null, 409, "not_bought");
    for verb in ["resolve", "mark-purchased", "mark-supplier-paid", "mark-shipped", "mark-delivered"] {
        let target = format!("/api/orders/{id}/{verb}");
        assert_eq!(world.say(&target, "operate", "k", &whole).status, 403, "{verb} ends in payouts");
        assert_eq!(world.say(&target, "money", "", &whole).code(), "idempotency_key_missing", "{verb}");
    }
}

#[test]
fn goods_bought_by_hand_are_told_once() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let body = json!({ "supplierOrderIds": ["8001234567890123", "8001234567890124"], "total": "9.01",
                       "currency": "USD", "purchasedAt": "2030-01-31T11:30:00Z", "note": "on the site" });
    let target = format!("/api/orders/{id}/mark-purchased");
    let heard = world.say(&target, "money", "k1", &body);
    assert_eq!(heard.status, 200, "{}", heard.text());
    let again = world.say(&target, "money", "k1", &body);
    assert_eq!((again.status, again.response.header_value("idempotency-replayed")), (200, Some("true")));
    let other = but(&body, "total", Some("9.02".into()));
    assert_eq!(world.say(&target, "money", "k1", &other).code(), "idempotency_key_reused");
    assert_eq!(world.say(&target, "money", "k2", &other).code(), "already_bought");
    let shown = world.get(&format!("/api/orders/{id}")).body;
    let totals: Vec<&Value> =
        shown["purchase"]["supplierOrders"].as_array().unwrap().iter().map(|o| &o["total"]).collect();
    assert_eq!(totals, ["4.51", "4.50"], "only the sum was told");
    assert_eq!(shown["purchase"]["guards"].as_array().unwrap().len(), crate::domain::guards::Guard::ALL.len());

    let paid = |key: &str, body: &Value| world.say(&format!("/api/orders/{id}/mark-supplier-paid"), "money", key, body);
    assert_eq!(paid("p1", &Value::Null).status, 200);
    world.desk.engine.run_due().unwrap();
    let shown = world.get(&format!("/api/orders/{id}")).body;
    assert_eq!(shown["sale"]["supplierTotal"], "9.01", "{shown:#}");
    let heard = world.say(&format!("/api/orders/{id}/mark-delivered"), "money", "d1", &Value::Null);
    assert_eq!(heard.status, 200, "{}", heard.text());
    let shown = world.get(&format!("/api/orders/{id}")).body;
    assert!(shown["purchase"]["supplierOrders"][0]["deliveredAt"].is_string());
}
