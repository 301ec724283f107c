//! The shapes of the built-in PayPal's answers, call by call, written from PayPal's description and checked without it:
//! which fields there are, which are texts, and what an amount, an id, a time and a refusal look like. With
//! `PAYPAL_TRAFFIC` these exchanges are recorded too, for `oracle` to judge.

use crate::world::World;
use postsale::gateway::wire::{Purpose, Request, Wire};
use postsale::rehearsal::plug::BASE_URL;
use serde_json::{Value, json};

/// A caller of its own, without any code of the shop's client.
struct Caller {
    world: World,
    token: String,
    keys: std::cell::Cell<u32>,
}

impl Caller {
    fn new() -> Caller {
        let world = World::penniless();
        let granted = world.plug.sides().credentials(world.now().as_millisecond());
        let credentials = format!("{}:{}", granted.paypal_client_id, granted.paypal_client_secret);
        let basic = format!("Basic {}", data_encoding::BASE64.encode(credentials.as_bytes()));
        let form = "application/x-www-form-urlencoded".to_owned();
        let headers = vec![("Authorization".to_owned(), basic), ("Content-Type".to_owned(), form)];
        let body = b"grant_type=client_credentials".to_vec();
        let (status, login) = send(&world, "POST", "/v1/oauth2/token", headers, body);
        assert_eq!((status, login["token_type"].as_str()), (200, Some("Bearer")));
        assert!(login["expires_in"].is_u64() && login["scope"].is_string(), "{login}");
        Caller { token: login["access_token"].as_str().unwrap().to_owned(), world, keys: std::cell::Cell::new(0) }
    }

    fn get(&self, target: &str) -> (u16, Value) {
        send(&self.world, "GET", target, vec![("Authorization".to_owned(), format!("Bearer {}", self.token))], vec![])
    }

    fn post(&self, target: &str, body: Value) -> (u16, Value) {
        self.keys.set(self.keys.get() + 1);
        let headers = [
            ("Authorization", format!("Bearer {}", self.token)),
            ("Content-Type", "application/json".to_owned()),
            ("Prefer", "return=representation".to_owned()),
            ("PayPal-Request-Id", format!("shape-{}", self.keys.get())),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        send(&self.world, "POST", target, headers, if body.is_null() { vec![] } else { body.to_string().into_bytes() })
    }

    fn control(&self, path: &str, wish: Value) {
        assert_eq!(self.world.plug.control("POST", &format!("/__control/{path}"), &wish).0, 200, "{path}");
    }

    /// An approved order of 25.00 and its id.
    fn approved(&self, invoice: &str) -> String {
        let (status, made) = self.post("/v2/checkout/orders", order(invoice, json!({})));
        assert_eq!(status, 201, "{made}");
        let id = made["id"].as_str().unwrap().to_owned();
        self.control(&format!("paypal/orders/{id}/approve"), json!({}));
        id
    }

    fn captured(&self, invoice: &str) -> (String, String) {
        let id = self.approved(invoice);
        let (_, seen) = self.post(&format!("/v2/checkout/orders/{id}/capture"), json!({}));
        (id, seen["purchase_units"][0]["payments"]["captures"][0]["id"].as_str().unwrap().to_owned())
    }
}

fn send(
    world: &World,
    method: &'static str,
    target: &str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
) -> (u16, Value) {
    let url = format!("{BASE_URL}/paypal{target}");
    let answer = world.tap.ask(&Request { method, url, headers, body, purpose: Purpose::LookUp }).unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// A create-order body with some fields of its unit put in or in place of others.
fn order(invoice: &str, more: Value) -> Value {
    let mut unit = json!({ "custom_id": "shape", "invoice_id": invoice,
        "amount": { "currency_code": "USD", "value": "25.00" } });
    for (name, value) in more.as_object().unwrap() {
        unit[name] = value.clone();
    }
    json!({ "intent": "CAPTURE", "purchase_units": [unit], "payment_source": { "paypal": { "experience_context": {
        "return_url": "https://shop.example/r", "cancel_url": "https://shop.example/c" } } } })
}

fn is_text(value: &Value, fits: impl Fn(u8) -> bool) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.bytes().all(fits))
}

/// Every field named `a/b/0/c` is there and of its kind: `id`, `money` (Orders and Payments), `sum` (Payouts), `time`,
/// `word`, `links`, `text`.
fn check_shape(value: &Value, fields: &[(&str, &str)]) {
    let is_decimal = |v: &Value| is_text(v, |b| b.is_ascii_digit() || b == b'.' || b == b'-');
    let is_code = |v: &Value| v.as_str().is_some_and(|c| c.len() == 3) && is_text(v, |b| b.is_ascii_uppercase());
    for (path, kind) in fields {
        let field = value.pointer(&format!("/{path}")).unwrap_or(&Value::Null);
        let fits = match *kind {
            "id" => is_text(field, |b| b.is_ascii_alphanumeric() || b == b'-'),
            "word" => is_text(field, |b| b.is_ascii_uppercase() || b == b'_'),
            "money" => is_code(&field["currency_code"]) && is_decimal(&field["value"]),
            "sum" => is_code(&field["currency"]) && is_decimal(&field["value"]),
            "time" => field.as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()),
            "links" => field.as_array().is_some_and(|links| {
                links.iter().all(|l| l["href"].is_string() && l["rel"].is_string() && l["method"].is_string())
            }),
            "text" => field.is_string(),
            other => panic!("no such kind: {other}"),
        };
        assert!(fits, "{path} is no {kind}: {value}");
    }
}

/// A refusal: a name, a sentence, an id for support, and where there are details, an issue in each.
fn check_refusal((status, body): (u16, Value), wanted: u16, issue: &str) {
    check_shape(&body, &[("name", "word"), ("message", "text"), ("debug_id", "id"), ("links", "links")]);
    let details = body["details"].as_array().cloned().unwrap_or_default();
    let named = if details.is_empty() { &body["name"] } else { &details[0]["issue"] };
    assert_eq!((status, named.as_str()), (wanted, Some(issue)), "{body}");
}

const CAPTURE: &[(&str, &str)] = &[
    ("id", "id"),
    ("status", "word"),
    ("amount", "money"),
    ("seller_receivable_breakdown/gross_amount", "money"),
    ("seller_receivable_breakdown/paypal_fee", "money"),
    ("seller_receivable_breakdown/net_amount", "money"),
    ("create_time", "time"),
    ("links", "links"),
];

#[test]
fn orders_and_captures() {
    let caller = Caller::new();
    let (_, made) = caller.post("/v2/checkout/orders", order("s1", json!({})));
    check_shape(&made, &[("id", "id"), ("status", "word"), ("links", "links"), ("purchase_units/0/amount", "money")]);
    let id = made["id"].as_str().unwrap().to_owned();
    let capture = format!("/v2/checkout/orders/{id}/capture");
    check_refusal(caller.post(&capture, json!({})), 422, "ORDER_NOT_APPROVED");
    let (id, capture_id) = caller.captured("s2");
    let (_, seen) = caller.get(&format!("/v2/checkout/orders/{id}"));
    check_shape(&seen["purchase_units"][0]["payments"]["captures"][0], CAPTURE);
    let (_, seen) = caller.get(&format!("/v2/payments/captures/{capture_id}"));
    check_shape(&seen, CAPTURE);
    let again = format!("/v2/checkout/orders/{id}/capture");
    check_refusal(caller.post(&again, json!({})), 422, "ORDER_ALREADY_CAPTURED");
    let twice = caller.approved("s2");
    let twice = format!("/v2/checkout/orders/{twice}/capture");
    check_refusal(caller.post(&twice, json!({})), 422, "DUPLICATE_INVOICE_ID");
    check_refusal(caller.get("/v2/checkout/orders/0NOSUCHORDER00001"), 404, "INVALID_RESOURCE_ID");
    check_refusal(caller.get("/v2/payments/captures/0NOSUCHCAPTURE001"), 404, "INVALID_RESOURCE_ID");
    let refused = |more: Value, issue: &str| {
        check_refusal(caller.post("/v2/checkout/orders", order("s3", more)), 422, issue);
    };
    let usd = |value: &str| json!({ "currency_code": "USD", "value": value });
    let parts = json!({ "item_total": usd("20.00") });
    refused(json!({ "amount": { "currency_code": "USD", "value": "25.00", "breakdown": parts } }), "AMOUNT_MISMATCH");
    refused(json!({ "amount": { "currency_code": "JPY", "value": "25.50" } }), "DECIMAL_PRECISION");
    refused(json!({ "amount": usd("0.00") }), "CANNOT_BE_ZERO_OR_NEGATIVE");
    refused(json!({ "payee": { "merchant_id": "2ANSTHERSHMP2" } }), "PAYEE_ACCOUNT_INVALID");
    let to = |address: Value| json!({ "shipping": { "address": address } });
    refused(to(json!({ "country_code": "US", "postal_code": "08360" })), "CITY_REQUIRED");
    refused(to(json!({ "country_code": "US", "admin_area_2": "Vineland" })), "POSTAL_CODE_REQUIRED");
    for issue in ["INSTRUMENT_DECLINED", "TRANSACTION_REFUSED", "PAYER_CANNOT_PAY"] {
        let id = caller.approved(issue);
        caller.control("paypal/next-capture", json!({ "issue": issue }));
        check_refusal(caller.post(&format!("/v2/checkout/orders/{id}/capture"), json!({})), 422, issue);
    }
}

#[test]
fn refunds_and_tracking() {
    let caller = Caller::new();
    let (order_id, capture_id) = caller.captured("r1");
    let refund = format!("/v2/payments/captures/{capture_id}/refund");
    let of = |value: &str, invoice: &str| json!({ "amount": { "currency_code": "USD", "value": value }, "invoice_id": invoice, "custom_id": invoice });
    let (status, made) = caller.post(&refund, of("5.00", "r1-1"));
    assert_eq!(status, 201, "{made}");
    let shape = [("id", "id"), ("status", "word"), ("amount", "money"), ("create_time", "time"), ("links", "links")];
    check_shape(&made, &shape);
    check_shape(&made["seller_payable_breakdown"], &[("gross_amount", "money"), ("net_amount", "money")]);
    let (_, seen) = caller.get(&format!("/v2/payments/refunds/{}", made["id"].as_str().unwrap()));
    check_shape(&seen, &shape);
    check_refusal(caller.post(&refund, of("1.00", "r1-1")), 422, "DUPLICATE_INVOICE_ID");
    check_refusal(caller.post(&refund, of("21.00", "r1-2")), 422, "REFUND_AMOUNT_EXCEEDED");
    assert_eq!(caller.post(&refund, json!({})).0, 201);
    check_refusal(caller.post(&refund, json!({})), 422, "CAPTURE_FULLY_REFUNDED");
    check_refusal(caller.get("/v2/payments/refunds/0NOSUCHREFUND0001"), 404, "INVALID_RESOURCE_ID");
    caller.control("paypal/next-capture", json!({ "status": "PENDING" }));
    let (pending_order, pending) = caller.captured("r2");
    let of_pending = format!("/v2/payments/captures/{pending}/refund");
    check_refusal(caller.post(&of_pending, json!({})), 422, "PENDING_CAPTURE");
    let track = |id: &str| format!("/v2/checkout/orders/{id}/track");
    let parcel = |capture: &str| {
        json!({ "capture_id": capture, "transaction_id": capture, "tracking_number": "LP1", "carrier": "CAINIAO",
            "status": "SHIPPED", "notify_payer": false })
    };
    let (status, told) = caller.post(&track(&order_id), parcel(&capture_id));
    assert_eq!((status, told["id"].as_str()), (201, Some(order_id.as_str())), "{told}");
    check_refusal(caller.post(&track(&order_id), parcel("0NOSUCHCAPTURE001")), 422, "CAPTURE_ID_NOT_FOUND");
    check_refusal(caller.post(&track(&pending_order), parcel(&pending)), 422, "CAPTURE_STATUS_NOT_VALID");
}

#[test]
fn payouts() {
    let caller = Caller::new();
    let batch = |id: &str, note: &str| {
        json!({ "sender_batch_header": { "sender_batch_id": id, "email_subject": "x" }, "items": [{
            "recipient_type": "EMAIL", "receiver": "r@example.com", "note": note, "sender_item_id": id,
            "amount": { "currency": "USD", "value": "10.00" } }] })
    };
    let (status, made) = caller.post("/v1/payments/payouts", batch("b1", "a note"));
    assert_eq!(status, 201, "{made}");
    check_shape(&made["batch_header"], &[("payout_batch_id", "id"), ("batch_status", "word")]);
    let id = made["batch_header"]["payout_batch_id"].as_str().unwrap().to_owned();
    for status in
        ["UNCLAIMED", "SUCCESS", "ONHOLD", "BLOCKED", "FAILED", "REFUNDED", "REVERSED", "RETURNED", "UNCLAIMED"]
    {
        caller.control(&format!("paypal/payouts/{id}"), json!({ "item": status }));
        let (_, seen) = caller.get(&format!("/v1/payments/payouts/{id}"));
        check_shape(&seen["batch_header"], &[("payout_batch_id", "id"), ("batch_status", "word"), ("fees", "sum")]);
        let item = [("payout_item_id", "id"), ("transaction_status", "word"), ("payout_item_fee", "sum")];
        check_shape(&seen["items"][0], &item);
        check_shape(&seen["items"][0]["payout_item"], &[("amount", "sum"), ("receiver", "text")]);
        let of = seen["items"][0]["payout_item_id"].as_str().unwrap();
        let (_, seen) = caller.get(&format!("/v1/payments/payouts-item/{of}"));
        check_shape(&seen, &[("sender_batch_id", "text"), ("payout_item/amount", "sum")]);
    }
    let (_, seen) = caller.get(&format!("/v1/payments/payouts/{id}"));
    let cancel = format!("/v1/payments/payouts-item/{}/cancel", seen["items"][0]["payout_item_id"].as_str().unwrap());
    assert_eq!(caller.post(&cancel, Value::Null).1["transaction_status"], "RETURNED");
    check_refusal(caller.post(&cancel, Value::Null), 400, "ITEM_ALREADY_CANCELLED");
    let (status, twice) = caller.post("/v1/payments/payouts", batch("b1", "a note"));
    assert_eq!((status, twice["name"].as_str()), (400, Some("USER_BUSINESS_ERROR")));
    assert!(twice["links"][0]["href"].as_str().unwrap().ends_with(&id), "{twice}");
    for (note, status, name) in [
        ("ERRPYO001", 403, "SENDER_RESTRICTED"),
        ("ERRPYO003", 403, "AUTHORIZATION_ERROR"),
        ("ERRPYO005", 422, "INSUFFICIENT_FUNDS"),
        ("ERRPYO010", 400, "VALIDATION_ERROR"),
        ("ERRPYO012", 403, "SENDER_LOCKED"),
    ] {
        check_refusal(caller.post("/v1/payments/payouts", batch(note, note)), status, name);
    }
    check_refusal(caller.get("/v1/payments/payouts/NOSUCHBATCH01"), 404, "INVALID_RESOURCE_ID");
}

#[test]
fn reports() {
    let caller = Caller::new();
    caller.captured("t1");
    let (_, seen) = caller.get("/v1/reporting/balances");
    check_shape(&seen, &[("balances/0/total_balance", "money"), ("balances/0/available_balance", "money")]);
    check_shape(&seen, &[("as_of_time", "time"), ("last_refresh_time", "time")]);
    let window = "start_date=2026-02-15T00:00:00Z&end_date=2026-03-02T00:00:00Z&fields=all&page_size=100&page=1";
    let (status, seen) = caller.get(&format!("/v1/reporting/transactions?{window}"));
    assert_eq!(status, 200, "{seen}");
    let row = &seen["transaction_details"][0]["transaction_info"];
    let shape = [("transaction_id", "id"), ("transaction_amount", "money"), ("transaction_updated_date", "time")];
    check_shape(row, &shape);
    check_shape(&seen, &[("last_refreshed_datetime", "time"), ("links", "links")]);
}
