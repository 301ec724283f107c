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

/// The two ways out of an unknown outcome take one id or the one word, and nothing beside.
#[test]
fn what_was_found_at_paypal_is_said_in_one_way() {
    let world = world();
    world.put_product();
    let id = world.take(&order("1001"));
    let refund = format!("/api/orders/{id}/resolve-refund");
    let nowhere = "/api/payouts/no-such-payout/resolve";
    for (target, field) in [(refund.as_str(), "refundId"), (nowhere, "batchId")] {
        let check = |body: Value, status: u16, code: &str| {
            let heard = world.say(target, "money", "k", &body);
            assert_eq!((heard.status, heard.code()), (status, code), "{target} {body}: {}", heard.text());
        };
        check(json!({}), 400, "missing_field");
        check(json!({ field: "with a blank" }), 400, "invalid_field");
        check(json!({ "outcome": "gone" }), 400, "invalid_field");
        check(json!({ field: "R1", "outcome": "nothing-there" }), 400, "invalid_field");
        assert_eq!(world.say(target, "operate", "k", &json!({ field: "R1" })).status, 403);
    }
    let none = world.say(&refund, "money", "k", &json!({ "outcome": "nothing-there" }));
    assert_eq!((none.status, none.code()), (409, "nothing_unknown"), "{}", none.text());
    let elsewhere = "/api/orders/0000000000000000/resolve-refund";
    assert_eq!(world.say(elsewhere, "money", "k", &json!({ "refundId": "R1" })).status, 404);
    assert_eq!(world.say(nowhere, "money", "k", &json!({ "batchId": "B1" })).status, 404);
    assert_eq!(world.say(&refund, "money", "", &json!({ "refundId": "R1" })).code(), "idempotency_key_missing");
}

/// A refund and both payouts whose answers were lost, ended through the interface by the ids that PayPal bears out.
#[test]
fn a2_lost_answers_are_ended_through_the_interface() {
    let (world, plug) = connected();
    let fault = |call: &str, times: u32| {
        let wish = json!({ "call": call, "reply": "timeout", "when": "after_commit", "times": times });
        assert_eq!(plug.control("POST", "/__control/faults", &wish).0, 200);
    };
    assert_eq!(plug.control("POST", "/__control/switches", &json!({ "payout_duplicate_link": false })).0, 200);
    fault("paypal.payout", 1_000_000);
    let id = captured(&world, &plug);
    let days =
        |days: i64| (0..days * 4).for_each(|_| (run(&world, 1), world.clock.wind(SignedDuration::from_hours(6))).1);
    days(3);
    let book = |kind: &str| plug.book()[kind].as_array().unwrap().clone();
    let payouts = || world.get(&format!("/api/orders/{id}")).body["payouts"].as_array().unwrap().clone();
    let mut ended = 0;
    while let Some(lost) = payouts().into_iter().find(|p| p["state"] == "pending" && p["isUnknown"] == true) {
        let key = lost["id"].as_str().unwrap().to_owned();
        let made = book("payouts").into_iter().find(|p| p["key"] == key.as_str()).expect("PayPal took it");
        let target = format!("/api/payouts/{key}/resolve");
        let other = world.say(&target, "money", &format!("{key}-0"), &json!({ "batchId": "NOSUCHBATCH" }));
        assert_eq!((other.status, other.code()), (409, "not_there"), "{}", other.text());
        let body = json!({ "batchId": made["batchId"] });
        let heard = world.say(&target, "money", &format!("{key}-1"), &body);
        assert_eq!(heard.status, 200, "{}", heard.text());
        let again = world.say(&target, "money", &format!("{key}-1"), &body);
        assert_eq!((again.status, again.response.header_value("idempotency-replayed")), (200, Some("true")));
        ended += 1;
        run(&world, 30);
    }
    assert!(ended > 0, "{:#?}", payouts());
    assert_eq!((book("payouts").len(), payouts().iter().all(|p| p["status"] == "SUCCESS")), (2, true));

    fault("paypal.refund", 1);
    let silent = json!({ "call": "paypal.order", "reply": "status_500", "when": "before_commit", "times": 1_000_000 });
    assert_eq!(plug.control("POST", "/__control/faults", &silent).0, 200);
    let part = json!({ "reason": "odd", "amount": "5.00", "currency": "USD" });
    assert_eq!(world.say(&format!("/api/orders/{id}/refund"), "money", "r1", &part).status, 200);
    run(&world, 5);
    let target = format!("/api/orders/{id}/resolve-refund");
    let nothing = world.say(&target, "money", "r2", &json!({ "outcome": "nothing-there", "number": 1 }));
    assert_eq!((nothing.status, nothing.code()), (409, "too_early"), "{}", nothing.text());
    assert!(nothing.body["notBefore"].is_string(), "{}", nothing.text());
    let made = json!({ "refundId": book("refunds")[0]["id"], "number": 1 });
    let heard = world.say(&target, "money", "r3", &made);
    assert_eq!(heard.status, 200, "{}", heard.text());
    let refund = world.get(&format!("/api/orders/{id}")).body["refunds"][0].clone();
    assert_eq!((&refund["state"], &refund["refundId"]), (&json!("done"), &made["refundId"]));
    assert_eq!(book("refunds").len(), 1);
}

/// An order that was just approved and captured; its id.
fn captured(world: &World, plug: &crate::rehearsal::plug::Plug) -> String {
    let whole = super::order("1");
    let body =
        json!({ "sku": "MUG-1", "quantity": 1, "buyer": whole["buyer"], "shippingAddress": whole["shippingAddress"] });
    world.ask_with("POST", "/api/paypal/create-order", "", "key-1", &body);
    world.desk.engine.run_due().unwrap();
    let heard = world.ask_with("POST", "/api/paypal/create-order", "", "key-1", &body);
    let text = |name: &str| heard.body[name].as_str().unwrap().to_owned();
    let (id, paypal_order) = (text("orderId"), text("paypalOrderId"));
    control(plug, &format!("paypal/orders/{paypal_order}/approve"));
    world.ask_with("POST", "/api/paypal/capture-order", "", "", &json!({ "paypalOrderId": paypal_order }));
    run(world, 1);
    id
}

#[test]
fn money_goes_back_through_the_interface_and_is_shown() {
    let (world, plug) = connected();
    let id = captured(&world, &plug);
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
