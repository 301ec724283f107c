//! Cancel, correct and the next attempt of a payout at the door.

use super::*;

#[test]
fn what_ends_or_corrects_is_heard_once_and_read_strictly() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let target = |verb: &str| format!("/api/orders/{id}/{verb}");
    let check = |verb: &str, body: Value, status: u16, code: &str| {
        let before = world.events(&id).len();
        let heard = world.say(&target(verb), "money", "k", &body);
        assert_eq!((heard.status, heard.code()), (status, code), "{verb} {body}: {}", heard.text());
        assert_eq!(world.events(&id).len(), before, "{verb} {body}");
    };
    check("cancel", json!({}), 400, "missing_field");
    check("correct", json!({}), 400, "missing_field");
    check("correct", json!({ "shippingAddress": {} }), 400, "invalid_field");
    check("correct", json!({ "phone": "1" }), 400, "unknown_field");
    let phone = json!({ "buyer": { "phone": "5593600000" } });
    assert_eq!(world.say(&target("correct"), "operate", "c1", &phone).status, 403, "it changes where goods go");
    assert_eq!(world.say(&target("correct"), "money", "c1", &phone).status, 200);
    assert_eq!(world.say(&target("correct"), "money", "", &phone).code(), "idempotency_key_missing");
    let other = json!({ "buyer": { "phone": "5593600001" } });
    assert_eq!(world.say(&target("correct"), "money", "c1", &other).code(), "idempotency_key_reused");
    assert_eq!(world.get(&format!("/api/orders/{id}")).body["buyer"]["phone"], "5593600000");

    let reason = json!({ "reason": "he wrote" });
    assert_eq!(world.say(&target("cancel"), "operate", "x1", &reason).status, 200, "stopping is no money");
    world.desk.engine.run_due().unwrap();
    assert_eq!(world.get(&format!("/api/orders/{id}")).body["stage"], "cancelled");
    let again = world.say(&target("cancel"), "operate", "x1", &reason);
    assert_eq!((again.status, again.response.header_value("idempotency-replayed")), (200, Some("true")));
    assert_eq!(world.say(&target("cancel"), "operate", "x2", &reason).code(), "order_over");
    assert_eq!(world.say(&target("correct"), "money", "c2", &phone).code(), "order_over");

    for word in ["approve", "cancel"] {
        let payout = format!("/api/payouts/no-such-payout/{word}");
        assert_eq!(world.say(&payout, "money", "p1", &Value::Null).status, 404, "{word}");
        assert_eq!(world.say(&payout, "operate", "p1", &Value::Null).status, 403, "{word}");
    }
}
