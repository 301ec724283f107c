//! The PayPal book by raw requests: the road once, every key, every guard, and the sum of the account.

use super::*;
use serde_json::json;

const START: i64 = 1_767_225_600_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A shop at its desk: a book, a token and the time.
struct Desk {
    book: Book,
    token: String,
    now: i64,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self { book: Book::new("http://127.0.0.1:1/paypal", 1), token: String::new(), now: START };
        desk.log_in();
        desk
    }

    fn log_in(&mut self) {
        let answer = self.book.answer(&login(CLIENT_SECRET), self.now);
        assert_eq!(answer.status, 200);
        self.token = answer.value()["access_token"].as_str().unwrap().to_string();
    }

    fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<Value>) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut all = vec![("Authorization".to_string(), format!("Bearer {}", self.token))];
        all.extend(headers.iter().map(|(n, v)| (n.to_string(), v.to_string())));
        if method != "GET" {
            all.push(("Content-Type".into(), "application/json".into()));
        }
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: all,
            body: body.map(|b| b.to_string().into_bytes()).unwrap_or_default(),
        };
        let answer = self.book.answer(&request, self.now);
        assert!(answer.headers.iter().any(|(n, _)| n == "Date"));
        assert!(answer.headers.iter().any(|(n, v)| n == "Paypal-Debug-Id" && v.len() == 13));
        (answer.status, answer.value())
    }

    fn get(&mut self, target: &str) -> (u16, Value) {
        self.send("GET", target, &[], None)
    }

    fn post(&mut self, target: &str, key: &str, body: Value) -> (u16, Value) {
        let headers = [("PayPal-Request-Id", key), ("Prefer", "return=representation")];
        self.send("POST", target, &headers, Some(body))
    }

    fn switch(&mut self, turn: impl FnOnce(&mut Switches)) {
        let mut switches = self.book.switches().clone();
        turn(&mut switches);
        self.book.set_switches(switches);
    }

    fn order(&mut self, key: &str, value: &str, invoice: &str) -> String {
        let (status, answer) = self.post("/v2/checkout/orders", key, order_body("USD", value, invoice));
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_string()
    }

    /// A capture of that much, with its id.
    fn captured(&mut self, name: &str, value: &str) -> String {
        let id = self.order(&format!("ord-{name}"), value, name);
        assert!(self.book.approve(&id, &json!({}), self.now));
        let (status, answer) =
            self.post(&format!("/v2/checkout/orders/{id}/capture"), &format!("cap-{name}"), json!({}));
        assert_eq!(status, 201, "{answer}");
        answer["purchase_units"][0]["payments"]["captures"][0]["id"].as_str().unwrap().to_string()
    }

    fn payout(&mut self, batch: &str, value: &str) -> (u16, Value) {
        self.post("/v1/payments/payouts", batch, payout_body(batch, value))
    }

    fn available(&mut self) -> String {
        let (_, answer) = self.get("/v1/reporting/balances?currency_code=USD");
        answer["balances"][0]["available_balance"]["value"].as_str().unwrap().to_string()
    }

    fn rows(&mut self) -> Vec<Value> {
        let (from, to) = (rfc3339(START - DAY), rfc3339(self.now));
        let (status, answer) =
            self.get(&format!("/v1/reporting/transactions?start_date={from}&end_date={to}&fields=all&page_size=500"));
        assert_eq!(status, 200, "{answer}");
        answer["transaction_details"].as_array().unwrap().iter().map(|r| r["transaction_info"].clone()).collect()
    }
}

use crate::sandbox::wire::rfc3339;

fn login(secret: &str) -> Request {
    let basic = BASE64.encode(format!("{CLIENT_ID}:{secret}").as_bytes());
    Request {
        method: "POST".into(),
        path: "/v1/oauth2/token".into(),
        headers: vec![("authorization".into(), format!("Basic {basic}"))],
        body: b"grant_type=client_credentials".to_vec(),
        ..Request::default()
    }
}

fn order_body(currency: &str, value: &str, invoice: &str) -> Value {
    json!({"intent": "CAPTURE", "purchase_units": [{"custom_id": format!("c-{invoice}"), "invoice_id": invoice,
        "amount": {"currency_code": currency, "value": value}}]})
}

fn payout_body(batch: &str, value: &str) -> Value {
    json!({"sender_batch_header": {"sender_batch_id": batch, "recipient_type": "EMAIL"},
        "items": [{"receiver": "seller@sandbox.example", "sender_item_id": format!("i-{batch}"),
            "amount": {"currency": "USD", "value": value}}]})
}

fn issue(answer: &Value) -> &str {
    answer["details"][0]["issue"].as_str().unwrap_or("")
}

#[test]
fn the_road_once() {
    let mut desk = Desk::new();
    let mut body = order_body("USD", "25.00", "inv-1");
    body["payment_source"] = json!({"paypal": {"experience_context": {"return_url": "http://shop/return"}}});
    let (status, order) = desk.post("/v2/checkout/orders", "ord-1", body);
    let id = order["id"].as_str().unwrap().to_string();
    assert_eq!((status, order["status"].as_str()), (201, Some("PAYER_ACTION_REQUIRED")));
    assert!(id.len() == 17 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    assert!(order["links"].as_array().unwrap().iter().any(|l| l["rel"] == "payer-action"));

    let wish = json!({"payer": {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+1 408 555 0100"},
        "shippingAddress": {"line1": "1 Main St", "city": "Austin", "province": "TX", "postalCode": "78701", "country": "US"}});
    assert!(desk.book.approve(&id, &wish, desk.now));
    let (_, order) = desk.get(&format!("/v2/checkout/orders/{id}"));
    assert_eq!((&order["status"], &order["payer"]["email_address"]), (&json!("APPROVED"), &json!("ada@example.com")));
    assert_eq!(order["purchase_units"][0]["shipping"]["address"]["admin_area_1"], "TX");
    assert_eq!(order["payer"]["phone"]["phone_number"], json!({"country_code": "1", "national_number": "4085550100"}));

    let (status, order) = desk.post(&format!("/v2/checkout/orders/{id}/capture"), "cap-1", json!({}));
    assert_eq!((status, &order["status"]), (201, &json!("COMPLETED")));
    let capture = &order["purchase_units"][0]["payments"]["captures"][0];
    assert_eq!((&capture["status"], &capture["custom_id"]), (&json!("COMPLETED"), &json!("c-inv-1")));
    let parts = &capture["seller_receivable_breakdown"];
    assert_eq!((&parts["paypal_fee"]["value"], &parts["net_amount"]["value"]), (&json!("1.36"), &json!("23.64")));
    let capture_id = capture["id"].as_str().unwrap().to_string();
    let (_, alone) = desk.get(&format!("/v2/payments/captures/{capture_id}"));
    assert_eq!(
        (&alone["supplementary_data"]["related_ids"]["order_id"], &alone["payee"]["merchant_id"]),
        (&json!(id), &json!(MERCHANT_ID))
    );

    let (status, batch) = desk.payout("po-1", "10.00");
    assert_eq!((status, &batch["batch_header"]["batch_status"]), (201, &json!("PENDING")));
    let batch_id = batch["batch_header"]["payout_batch_id"].as_str().unwrap().to_string();
    for (after_ms, whole, item, fee) in
        [(0, "PENDING", "PENDING", "0.00"), (500, "PROCESSING", "PENDING", "0.00"), (500, "SUCCESS", "SUCCESS", "0.20")]
    {
        desk.now += after_ms;
        let (_, batch) = desk.get(&format!("/v1/payments/payouts/{batch_id}"));
        let first = &batch["items"][0];
        assert_eq!(batch["batch_header"]["batch_status"], whole);
        assert_eq!((&first["transaction_status"], &first["payout_item_fee"]["value"]), (&json!(item), &json!(fee)));
        let item_id = first["payout_item_id"].as_str().unwrap().to_string();
        let (_, alone) = desk.get(&format!("/v1/payments/payouts-item/{item_id}"));
        assert_eq!((&alone["transaction_status"], &alone["sender_batch_id"]), (&json!(item), &json!("po-1")));
        assert_eq!(alone["transaction_id"].is_string(), item == "SUCCESS");
    }
    assert_eq!(desk.available(), "1013.44");
}

#[test]
fn wrong_credentials_and_tokens_are_refused() {
    let mut desk = Desk::new();
    let answer = desk.book.answer(&login("wrong"), desk.now);
    assert_eq!((answer.status, answer.value()["error"].as_str()), (401, Some("invalid_client")));
    let good = desk.token.clone();
    desk.token = format!("{good}x");
    assert_eq!(desk.get("/v2/checkout/orders/X").0, 401);
    desk.token = good;
    assert_eq!(desk.get("/v2/checkout/orders/X").0, 404);
    desk.now += 32_400_000;
    let (status, answer) = desk.get("/v2/checkout/orders/X");
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_token")));
    desk.log_in();
    desk.book.set_switches(Switches { paypal_token_generation: 1, ..Switches::default() });
    assert_eq!(desk.get("/v2/checkout/orders/X").0, 401);
}

#[test]
fn creation_has_its_refusals() {
    let check = |change: fn(&mut Value), status: u16, expected: &str| {
        let mut body = order_body("USD", "10.00", "inv");
        change(&mut body);
        let mut desk = Desk::new();
        let (got, answer) = desk.post("/v2/checkout/orders", "k", body);
        assert_eq!((got, issue(&answer)), (status, expected), "{answer}");
        assert!(desk.book.orders.is_empty());
    };
    check(|b| b["intent"] = json!("PAY"), 400, "INVALID_PARAMETER_VALUE");
    check(|b| b["purchase_units"] = json!([]), 400, "INVALID_ARRAY_MIN_ITEMS");
    check(|b| b["purchase_units"][0]["amount"]["value"] = json!(10), 400, "INVALID_PARAMETER_SYNTAX");
    check(|b| b["purchase_units"][0]["amount"]["value"] = json!("1.001"), 422, "DECIMAL_PRECISION");
    check(
        |b| b["purchase_units"][0]["amount"] = json!({"currency_code": "JPY", "value": "10.00"}),
        422,
        "DECIMAL_PRECISION",
    );
    check(
        |b| b["purchase_units"][0]["amount"] = json!({"currency_code": "HUF", "value": "10.0"}),
        422,
        "DECIMAL_PRECISION",
    );
    check(|b| b["purchase_units"][0]["amount"]["value"] = json!("0.00"), 422, "CANNOT_BE_ZERO_OR_NEGATIVE");
    check(|b| b["purchase_units"][0]["amount"]["currency_code"] = json!("XTS"), 422, "INVALID_CURRENCY_CODE");
    check(|b| b["purchase_units"][0]["custom_id"] = json!("x".repeat(128)), 400, "INVALID_STRING_LENGTH");
    check(|b| b["purchase_units"][0]["payee"] = json!({"merchant_id": "OTHER"}), 422, "PAYEE_ACCOUNT_INVALID");
    check(
        |b| {
            b["purchase_units"][0]["amount"]["breakdown"] =
                json!({"item_total": {"currency_code": "USD", "value": "9.00"}})
        },
        422,
        "AMOUNT_MISMATCH",
    );
    let mut desk = Desk::new();
    let mut body = order_body("USD", "1.00", "i");
    body["payment_source"] = json!({"paypal": {}});
    let (_, answer) = desk.send("POST", "/v2/checkout/orders", &[], Some(body));
    assert_eq!(issue(&answer), "PAYPAL_REQUEST_ID_REQUIRED");
}

#[test]
fn a_request_id_is_good_for_six_hours() {
    let mut desk = Desk::new();
    let first = desk.order("ord-1", "10.00", "inv");
    desk.now += 2 * HOUR;
    let (status, again) = desk.post("/v2/checkout/orders", "ord-1", order_body("USD", "10.00", "inv"));
    assert_eq!((status, again["id"].as_str()), (200, Some(first.as_str())));
    desk.now += 4 * HOUR;
    assert_ne!(desk.order("ord-1", "10.00", "inv"), first);
}

#[test]
fn an_order_is_gone_after_its_window() {
    let mut desk = Desk::new();
    let id = desk.order("k", "10.00", "inv");
    desk.now += 3 * HOUR - 1;
    assert!(desk.book.approve(&id, &json!({}), desk.now));
    desk.now += 3 * HOUR - 1;
    assert_eq!(desk.get(&format!("/v2/checkout/orders/{id}")).0, 200);
    desk.now += 1;
    let (status, answer) = desk.get(&format!("/v2/checkout/orders/{id}"));
    assert_eq!((status, &answer["name"], issue(&answer)), (404, &json!("RESOURCE_NOT_FOUND"), "INVALID_RESOURCE_ID"));
    let (status, _) = desk.post(&format!("/v2/checkout/orders/{id}/capture"), "c", json!({}));
    assert_eq!(status, 404);
}

#[test]
fn an_order_is_captured_once() {
    let mut desk = Desk::new();
    let id = desk.order("k", "10.00", "inv");
    let capture = format!("/v2/checkout/orders/{id}/capture");
    assert_eq!(issue(&desk.post(&capture, "c1", json!({})).1), "ORDER_NOT_APPROVED");
    assert!(desk.book.approve(&id, &json!({}), desk.now));
    let (status, minimal) = desk.send("POST", &capture, &[("PayPal-Request-Id", "c1")], Some(json!({})));
    assert_eq!((status, minimal.get("purchase_units")), (201, None));
    assert_eq!(desk.post(&capture, "c1", json!({})).0, 200);
    let (status, answer) = desk.post(&capture, "c2", json!({}));
    assert_eq!((status, issue(&answer)), (422, "ORDER_ALREADY_CAPTURED"));
    desk.now += 7 * HOUR;
    assert_eq!(issue(&desk.post(&capture, "c1", json!({})).1), "ORDER_ALREADY_CAPTURED");
    assert_eq!(desk.book.captures.len(), 1);
}

#[test]
fn an_invoice_is_captured_once() {
    let mut desk = Desk::new();
    desk.captured("inv", "10.00");
    let id = desk.order("second", "10.00", "inv");
    assert!(desk.book.approve(&id, &json!({}), desk.now));
    let (status, answer) = desk.post(&format!("/v2/checkout/orders/{id}/capture"), "c", json!({}));
    assert_eq!((status, issue(&answer)), (422, "DUPLICATE_INVOICE_ID"));
}

#[test]
fn a_decline_is_repeated_for_its_key_only() {
    let mut desk = Desk::new();
    let id = desk.order("k", "10.00", "inv");
    assert!(desk.book.approve(&id, &json!({}), desk.now));
    desk.book.set_next_capture(NextCapture { issue: Some("INSTRUMENT_DECLINED".into()), ..NextCapture::default() });
    let capture = format!("/v2/checkout/orders/{id}/capture");
    for _ in 0..2 {
        assert_eq!(issue(&desk.post(&capture, "c1", json!({})).1), "INSTRUMENT_DECLINED");
    }
    assert_eq!(desk.post(&capture, "c2", json!({})).0, 201);
}

#[test]
fn a_pending_capture_moves_nothing_until_it_completes() {
    let mut desk = Desk::new();
    desk.book.set_next_capture(NextCapture { status: Some("PENDING".into()), ..NextCapture::default() });
    let id = desk.captured("inv", "100.00");
    let (_, capture) = desk.get(&format!("/v2/payments/captures/{id}"));
    assert_eq!(
        (&capture["status"], &capture["status_details"]["reason"]),
        (&json!("PENDING"), &json!("PENDING_REVIEW"))
    );
    assert_eq!((capture.get("seller_receivable_breakdown"), desk.available().as_str()), (None, "1000.00"));
    let (_, answer) = desk.post(&format!("/v2/payments/captures/{id}/refund"), "r", json!({}));
    assert_eq!(issue(&answer), "PENDING_CAPTURE");
    assert!(desk.book.set_capture(&id, "COMPLETED", None, desk.now));
    assert_eq!(desk.available(), "1096.02");
}

#[test]
fn refunds_have_their_guards() {
    let mut desk = Desk::new();
    let id = desk.captured("inv", "10.00");
    let refund = format!("/v2/payments/captures/{id}/refund");
    let part =
        |value: &str, invoice: &str| json!({"amount": {"currency_code": "USD", "value": value}, "invoice_id": invoice});
    let (status, first) = desk.post(&refund, "r1", part("4.00", "ri-1"));
    assert_eq!((status, &first["status"]), (201, &json!("COMPLETED")));
    assert_eq!(first["seller_payable_breakdown"]["paypal_fee"]["value"], "0.00");
    let (status, again) = desk.post(&refund, "r1", part("4.00", "ri-1"));
    assert_eq!((status, &again["id"]), (200, &first["id"]));
    assert_eq!(issue(&desk.post(&refund, "r2", part("1.00", "ri-1")).1), "DUPLICATE_INVOICE_ID");
    assert_eq!(issue(&desk.post(&refund, "r2", part("6.01", "ri-2")).1), "REFUND_AMOUNT_EXCEEDED");
    assert_eq!(desk.get(&format!("/v2/payments/captures/{id}")).1["status"], "PARTIALLY_REFUNDED");
    assert_eq!(desk.post(&refund, "r3", json!({})).1["amount"]["value"], "6.00");
    assert_eq!(desk.get(&format!("/v2/payments/captures/{id}")).1["status"], "REFUNDED");
    assert_eq!(issue(&desk.post(&refund, "r4", json!({})).1), "CAPTURE_FULLY_REFUNDED");
    assert_eq!(
        desk.get(&format!("/v2/payments/refunds/{}", first["id"].as_str().unwrap())).1["amount"]["value"],
        "4.00"
    );
    desk.now += 7 * HOUR;
    assert_eq!(issue(&desk.post(&refund, "r1", part("4.00", "ri-1")).1), "CAPTURE_FULLY_REFUNDED");
    assert_eq!(desk.book.refunds.len(), 2);
}

#[test]
fn what_a_dispute_took_is_not_refunded_too() {
    let mut desk = Desk::new();
    let id = desk.captured("inv", "10.00");
    let refund = format!("/v2/payments/captures/{id}/refund");
    let part = |value: &str| json!({"amount": {"currency_code": "USD", "value": value}});
    for (amount, left) in [("4.00", "6.01"), ("6.00", "0.01")] {
        let dispute = desk.book.open_dispute(&id, &json!({ "amount": amount }), desk.now).unwrap();
        let lost = json!({"status": "RESOLVED", "outcome": "RESOLVED_BUYER_FAVOUR"});
        assert!(desk.book.set_dispute(dispute["id"].as_str().unwrap(), &lost, desk.now));
        let expected =
            if amount == "4.00" { "REFUND_AMOUNT_EXCEEDED" } else { "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK" };
        assert_eq!(issue(&desk.post(&refund, left, part(left)).1), expected);
        assert!(!desk.book.refund_on_site(&id, Some(left), desk.now));
    }
    assert!(desk.book.refunds.is_empty());
}

#[test]
fn a_sender_batch_id_pays_once_in_thirty_days() {
    let mut desk = Desk::new();
    let (_, first) = desk.payout("po", "10.00");
    let first = first["batch_header"]["payout_batch_id"].as_str().unwrap().to_string();
    for day in [0, 25, 29] {
        desk.now = START + day * DAY;
        desk.log_in();
        let (status, answer) = desk.payout("po", "10.00");
        assert_eq!((status, &answer["name"]), (400, &json!("USER_BUSINESS_ERROR")));
        assert_eq!(answer["details"][0]["field"], "SENDER_BATCH_ID");
        assert!(answer["links"][0]["href"].as_str().unwrap().ends_with(&first));
    }
    desk.now = START + 30 * DAY;
    desk.log_in();
    assert_eq!(desk.payout("po", "10.00").0, 201);
    assert_eq!(desk.book.batches.len(), 2);
}

#[test]
fn payouts_are_refused_whole() {
    let check = |change: fn(&mut Value), status: u16, name: &str| {
        let mut body = payout_body("po", "10.00");
        change(&mut body);
        let mut desk = Desk::new();
        let (got, answer) = desk.post("/v1/payments/payouts", "k", body);
        assert_eq!((got, answer["name"].as_str()), (status, Some(name)), "{answer}");
        assert!(desk.book.batches.is_empty());
        // The id is not burnt: corrected, it pays.
        assert_eq!(desk.payout("po", "10.00").0, 201);
    };
    check(|b| b["items"][0]["amount"]["value"] = json!("1000.00"), 422, "INSUFFICIENT_FUNDS");
    check(|b| b["items"][0]["amount"]["value"] = json!("0.00"), 400, "VALIDATION_ERROR");
    check(|b| b["items"][0]["amount"]["value"] = json!(10), 400, "VALIDATION_ERROR");
    check(|b| b["items"][0]["receiver"] = json!("nobody"), 400, "VALIDATION_ERROR");
    check(|b| b["items"] = json!([]), 400, "VALIDATION_ERROR");
    check(|b| b["items"][0]["note"] = json!("ERRPYO001"), 403, "SENDER_RESTRICTED");
    let mut desk = Desk::new();
    desk.book.set_switches(Switches { payouts_enabled: false, ..Switches::default() });
    assert_eq!(desk.payout("po", "1.00").1["name"], "AUTHORIZATION_ERROR");
}

#[test]
fn too_little_money_can_be_said_late() {
    let mut desk = Desk::new();
    desk.book.set_switches(Switches { payout_denies_late: true, ..Switches::default() });
    let (status, batch) = desk.payout("po", "2000.00");
    assert_eq!((status, &batch["batch_header"]["batch_status"]), (201, &json!("DENIED")));
    let id = batch["batch_header"]["payout_batch_id"].as_str().unwrap().to_string();
    let (_, batch) = desk.get(&format!("/v1/payments/payouts/{id}"));
    assert_eq!(
        (&batch["items"][0]["transaction_status"], &batch["items"][0]["errors"]["name"]),
        (&json!("FAILED"), &json!("INSUFFICIENT_FUNDS"))
    );
    assert_eq!(desk.available(), "1000.00");
}

#[test]
fn only_the_unclaimed_can_be_cancelled() {
    let mut desk = Desk::new();
    let (_, batch) = desk.payout("po", "10.00");
    let id = batch["batch_header"]["payout_batch_id"].as_str().unwrap().to_string();
    desk.now += 1_000;
    let item = desk.get(&format!("/v1/payments/payouts/{id}")).1["items"][0].clone();
    let cancel = format!("/v1/payments/payouts-item/{}/cancel", item["payout_item_id"].as_str().unwrap());
    let (status, answer) = desk.post(&cancel, "k", json!({}));
    assert_eq!((status, &answer["name"]), (400, &json!("ITEM_INCORRECT_STATUS")));
    assert!(desk.book.set_batch(&id, Some("UNCLAIMED"), None, desk.now));
    assert_eq!(desk.available(), "989.80");
    desk.now += 1_000;
    let (status, back) = desk.post(&cancel, "k", json!({}));
    assert_eq!((status, &back["transaction_status"]), (200, &json!("RETURNED")));
    assert_ne!(back["transaction_id"], item["transaction_id"]);
    assert_eq!(desk.post(&cancel, "k", json!({})).1["name"], "ITEM_ALREADY_CANCELLED");
    assert_eq!(desk.available(), "999.80");
}

#[test]
fn every_fate_of_a_payout_can_be_set() {
    for status in ["SUCCESS", "FAILED", "PENDING", "UNCLAIMED", "RETURNED", "ONHOLD", "BLOCKED", "REFUNDED", "REVERSED"]
    {
        let mut desk = Desk::new();
        let (_, batch) = desk.payout("po", "10.00");
        let id = batch["batch_header"]["payout_batch_id"].as_str().unwrap().to_string();
        assert!(desk.book.set_batch(&id, Some(status), Some("SUCCESS"), desk.now));
        desk.now += DAY / 4;
        let (_, batch) = desk.get(&format!("/v1/payments/payouts/{id}"));
        assert_eq!(batch["items"][0]["transaction_status"], status);
    }
    assert!(!Desk::new().book.set_batch("none", Some("SUCCESS"), None, START));
}

#[test]
fn the_account_adds_up() {
    let mut desk = Desk::new();
    let big = desk.captured("a", "120.00");
    desk.captured("b", "33.33");
    desk.post(
        &format!("/v2/payments/captures/{big}/refund"),
        "r",
        json!({"amount": {"currency_code": "USD", "value": "20.00"}}),
    );
    desk.payout("p1", "70.00");
    let (_, gone) = desk.payout("p2", "5.00");
    desk.now += 2_000;
    let gone = gone["batch_header"]["payout_batch_id"].as_str().unwrap().to_string();
    assert!(desk.book.set_batch(&gone, Some("RETURNED"), None, desk.now));
    // Opening, captures, their fees, the refund, both payouts with their fees, and the one that came back.
    let by_hand = 100_000 + 12_000 + 3_333 - (419 + 49) - (116 + 49) - 2_000 - 7_000 - 100 - 500 - 10 + 500;
    assert_eq!(desk.available(), crate::sandbox::cents::show(by_hand, "USD"));
    let cents = |v: &Value| v["value"].as_str().map_or(0, |t| crate::sandbox::cents::parse(t, "USD").unwrap());
    let rows = desk.rows();
    let sum: i64 = rows.iter().map(|r| cents(&r["transaction_amount"]) + cents(&r["fee_amount"])).sum();
    assert_eq!(100_000 + sum, by_hand);
    let count = |code: &str| rows.iter().filter(|r| r["transaction_event_code"] == code).count();
    assert_eq!((count("T0006"), count("T1107"), count("T0001"), count("T1114")), (2, 1, 2, 1));
    assert_eq!((count("T1503"), count("T1105")), (2, 2));
    let paid = rows.iter().find(|r| r["transaction_event_code"] == "T0001").unwrap();
    assert_eq!(paid["custom_field"].as_str().unwrap().get(..3), Some("i-p"));
    let taken = rows.iter().find(|r| r["transaction_id"] == big.as_str()).unwrap();
    assert_eq!(
        (&taken["custom_field"], &taken["invoice_id"], &taken["fee_amount"]["value"]),
        (&json!("c-a"), &json!("a"), &json!("-4.68"))
    );
}

#[test]
fn the_report_lags_and_has_its_limits() {
    let mut desk = Desk::new();
    desk.captured("a", "10.00");
    desk.book.set_switches(Switches { reporting_lag_s: 7_200, ..Switches::default() });
    assert!(desk.rows().is_empty());
    assert_eq!(desk.available(), "1000.00");
    let ask = |desk: &mut Desk, from: i64, to: i64, more: &str| {
        desk.get(&format!("/v1/reporting/transactions?start_date={}&end_date={}{more}", rfc3339(from), rfc3339(to)))
    };
    let (status, answer) = ask(&mut desk, START - HOUR, START, "");
    assert_eq!((status, &answer["name"]), (400, &json!("INVALID_REQUEST")));
    assert_eq!(ask(&mut desk, START - 32 * DAY, START, "").0, 400);
    assert_eq!(ask(&mut desk, START - DAY, START, "&page_size=501").0, 400);
    let (_, answer) = ask(&mut desk, START - DAY, START, "");
    assert_eq!(answer["last_refreshed_datetime"], rfc3339(START - 2 * HOUR));
    desk.now += 2 * HOUR;
    assert_eq!(desk.rows().len(), 1);
}

#[test]
fn the_statement_lies_at_request_and_the_balance_does_not() {
    let mut desk = Desk::new();
    let id = desk.captured("a", "10.00");
    let before = desk.available();
    let plant = |desk: &mut Desk, wish: Value| {
        desk.book.plant(serde_json::from_value(wish).unwrap(), desk.now).map(|(_, value)| value["id"].clone())
    };
    let count = |desk: &mut Desk, id: &str| desk.rows().iter().filter(|r| r["transaction_id"] == *id).count();
    plant(&mut desk, json!({ "double": id })).unwrap();
    assert_eq!(count(&mut desk, &id), 2);
    let other = desk.captured("b", "20.00");
    plant(&mut desk, json!({ "hide": other })).unwrap();
    assert_eq!(count(&mut desk, &other), 0);
    let both = desk.available();
    assert_ne!(both, before);
    let made = plant(&mut desk, json!({"code": "T0400", "amount": "-5.00"})).unwrap();
    assert_eq!(count(&mut desk, made.as_str().unwrap()), 1);
    assert_ne!(desk.available(), both, "a movement of another hand is a movement");
    plant(&mut desk, json!({"change": id, "amount": "9.00", "fee": "-9.00"})).unwrap();
    let changed = desk.rows().into_iter().find(|r| r["transaction_id"] == id.as_str()).unwrap();
    assert_eq!(
        (&changed["transaction_amount"]["value"], &changed["fee_amount"]["value"]),
        (&json!("9.00"), &json!("-9.00"))
    );
    for bad in [
        json!({}),
        json!({"code": "T0400"}),
        json!({"code": "T0400", "amount": "x"}),
        json!({"hide": "A", "double": "B"}),
    ] {
        assert!(plant(&mut desk, bad).is_err());
    }
    desk.book.set_switches(Switches { reporting_withheld: "7.50".into(), ..Switches::default() });
    let (_, answer) = desk.get("/v1/reporting/balances?currency_code=USD");
    assert_eq!(answer["balances"][0]["withheld_balance"]["value"], "7.50");
    desk.book.set_switches(Switches { reporting_enabled: false, ..Switches::default() });
    assert_eq!(desk.get("/v1/reporting/balances").0, 403);
}

#[test]
fn the_payers_page_sends_the_buyer_back() {
    let mut desk = Desk::new();
    let mut body = order_body("USD", "9.99", "inv");
    body["application_context"] = json!({"return_url": "http://shop/return", "cancel_url": "http://shop/cancel?x=1"});
    let id = desk.post("/v2/checkout/orders", "k", body).1["id"].as_str().unwrap().to_string();
    let mut page = |method: &str, body: &str| {
        let request = Request {
            method: method.into(),
            path: "/checkoutnow".into(),
            query: format!("token={id}"),
            body: body.into(),
            ..Request::default()
        };
        let answer = desk.book.answer(&request, START);
        let to = answer.headers.iter().find(|(n, _)| n == "Location").map(|(_, v)| v.clone()).unwrap_or_default();
        (answer.status, to, String::from_utf8(answer.body).unwrap())
    };
    assert!(page("GET", "").2.contains("9.99 USD"));
    assert_eq!(page("POST", "cancel=1").1, format!("http://shop/cancel?x=1&token={id}"));
    let (status, to, _) = page("POST", "pay=1");
    assert!(status == 303 && to.starts_with(&format!("http://shop/return?token={id}&PayerID=")), "{to}");
    assert_eq!(desk.get(&format!("/v2/checkout/orders/{id}")).1["status"], "APPROVED");
}

#[test]
fn tracking_is_taken_for_a_capture() {
    let mut desk = Desk::new();
    let capture = desk.captured("a", "10.00");
    let order = desk.book.captures[&capture].order_id.clone();
    let track = format!("/v2/checkout/orders/{order}/track");
    let body = json!({"capture_id": capture, "tracking_number": "LP001", "carrier": "CAINIAO"});
    assert_eq!(desk.post(&track, "t1", body.clone()).0, 201);
    assert_eq!(desk.post(&track, "t2", body).0, 200);
    assert_eq!(issue(&desk.post(&track, "t3", json!({"capture_id": "X"})).1), "CAPTURE_ID_NOT_FOUND");
}

#[test]
fn events_are_signed_as_paypal_signs() {
    let mut desk = Desk::new();
    let id = desk.captured("a", "10.00");
    desk.post(&format!("/v2/payments/captures/{id}/refund"), "r", json!({}));
    let told = desk.book.told(desk.now);
    let kinds: Vec<&str> =
        told["events"].as_array().unwrap().iter().map(|e| e["event_type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.REFUNDED"]);
    assert_eq!(told["webhook_id"], WEBHOOK_ID);
    let key = BASE64.decode(include_str!("webhook-key.txt").replace('\n', "").as_bytes()).unwrap();
    let key = ring::signature::RsaKeyPair::from_pkcs8(&key).unwrap();
    let public =
        ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, key.public().as_ref());
    for event in told["events"].as_array().unwrap() {
        let header = |name: &str| event["headers"][name].as_str().unwrap();
        let crc = crc32fast::hash(event["body"].as_str().unwrap().as_bytes());
        let (number, time) = (header("PAYPAL-TRANSMISSION-ID"), header("PAYPAL-TRANSMISSION-TIME"));
        let text = format!("{number}|{time}|{WEBHOOK_ID}|{crc}");
        let seal = BASE64.decode(header("PAYPAL-TRANSMISSION-SIG").as_bytes()).unwrap();
        public.verify(text.as_bytes(), &seal).unwrap();
    }
    // The certificate holds the same key.
    let pem = String::from_utf8(webhooks::certificate().body).unwrap();
    let der = pem.lines().filter(|l| !l.starts_with('-')).collect::<String>();
    let der = BASE64.decode(der.as_bytes()).unwrap();
    let modulus = key.public().as_ref();
    assert!(der.windows(modulus.len()).any(|w| w == modulus));
}

#[test]
fn an_address_is_registered_once_and_told_what_it_asked_for() {
    let mut desk = Desk::new();
    let body = json!({"url": "http://127.0.0.1:9/hook", "event_types": [{"name": "PAYMENT.CAPTURE.COMPLETED"}]});
    let (status, webhook) = desk.post("/v1/notifications/webhooks", "w", body.clone());
    assert_eq!((status, &webhook["id"]), (201, &json!(WEBHOOK_ID)));
    assert_eq!(desk.post("/v1/notifications/webhooks", "w", body).1["name"], "WEBHOOK_URL_ALREADY_EXISTS");
    assert_eq!(desk.get("/v1/notifications/webhooks").1["webhooks"].as_array().unwrap().len(), 1);
    desk.captured("a", "10.00");
    let delivery = desk.book.next_delivery(desk.now).unwrap();
    assert!(delivery.body.contains("PAYMENT.CAPTURE.COMPLETED"));
    assert!(desk.book.next_delivery(desk.now).is_none());
    assert!(desk.book.next_delivery(desk.now + HOUR).is_some());
    desk.book.mark_delivered(&delivery.event_id, desk.now);
    assert!(desk.book.next_delivery(desk.now + DAY).is_none());
}

#[test]
fn a_webhook_can_be_moved_and_rings_as_the_switches_say() {
    let mut desk = Desk::new();
    let body = json!({"url": "http://127.0.0.1:9/a", "event_types": [{"name": "*"}]});
    desk.post("/v1/notifications/webhooks", "w", body.clone());
    let other = json!({"url": "http://127.0.0.1:9/b", "event_types": [{"name": "*"}]});
    let other = desk.post("/v1/notifications/webhooks", "w", other).1["id"].as_str().unwrap().to_string();
    let path = |id: &str| format!("/v1/notifications/webhooks/{id}");
    let to = |url: &str| json!([{"op": "replace", "path": "/url", "value": url}]);
    let moved = desk.send("PATCH", &path(WEBHOOK_ID), &[], Some(to("http://127.0.0.1:9/c")));
    assert_eq!((moved.0, &moved.1["url"]), (200, &json!("http://127.0.0.1:9/c")));
    assert_eq!(desk.send("PATCH", &path(&other), &[], Some(to("http://127.0.0.1:9/c"))).0, 400, "told there already");
    assert_eq!(desk.send("PATCH", &path("NONE"), &[], Some(to("http://127.0.0.1:9/d"))).0, 404);
    assert_eq!(
        desk.send("PATCH", &path(&other), &[], Some(json!([{"op": "add", "path": "/url", "value": "x"}]))).0,
        400
    );
    desk.captured("a", "10.00");
    let first = |desk: &mut Desk| desk.book.clone().next_delivery(desk.now).map(|d| d.body);
    assert!(first(&mut desk).unwrap().contains("CHECKOUT.ORDER.APPROVED"));
    desk.switch(|s| s.webhook_newest_first = true);
    assert!(first(&mut desk).unwrap().contains("PAYMENT.CAPTURE.COMPLETED"));
    desk.switch(|s| s.webhook_delay_ms = 1_000);
    assert!(first(&mut desk).is_none());
    desk.switch(|s| (s.webhook_delay_ms, s.webhook_copies, s.webhook_forged_first) = (0, 2, true));
    let one = desk.book.next_delivery(desk.now).unwrap();
    desk.book.mark_delivered(&one.event_id, desk.now);
    let two = (0..3).find_map(|_| desk.book.next_delivery(desk.now + HOUR).filter(|d| d.event_id == one.event_id));
    let signature = |d: &Delivery| d.headers.iter().find(|(n, _)| n == "PAYPAL-TRANSMISSION-SIG").unwrap().1.clone();
    assert_ne!(signature(&two.expect("it comes twice")), signature(&one));
}

#[test]
fn a_dispute_holds_the_money_and_ends_in_one_of_two_ways() {
    let check = |holds: bool, outcome: &str, held: i64, in_the_end: i64| {
        let mut desk = Desk::new();
        desk.switch(|s| s.dispute_holds = holds);
        let capture = desk.captured("a", "10.00");
        let before = desk.book.balance("USD", desk.now);
        let id = desk.book.open_dispute(&capture, &json!({"amount": "4.00"}), desk.now).unwrap();
        let id = id["id"].as_str().unwrap().to_string();
        assert_eq!(desk.book.balance("USD", desk.now) - before, held, "{outcome}");
        let listed = desk.get("/v1/customer/disputes?update_time_after=2020-01-01T00:00:00.000Z&page_size=50").1;
        assert_eq!(listed["items"][0]["dispute_id"], id.as_str());
        assert!(listed["items"][0]["disputed_transactions"].is_null(), "the list says little");
        let shown = desk.get(&format!("/v1/customer/disputes/{id}")).1;
        assert_eq!(shown["disputed_transactions"][0]["seller_transaction_id"], capture.as_str());
        assert!(shown["seller_response_due_date"].is_string());
        assert!(desk.book.set_dispute(&id, &json!({"status": "RESOLVED", "outcome": outcome}), desk.now));
        assert_eq!(desk.book.balance("USD", desk.now) - before, in_the_end, "{outcome}");
        let shown = desk.get(&format!("/v1/customer/disputes/{id}")).1;
        assert_eq!(shown["dispute_outcome"]["outcome_code"], outcome);
        assert!(shown["seller_response_due_date"].is_null());
    };
    check(true, "RESOLVED_SELLER_FAVOUR", -400, 0);
    check(true, "RESOLVED_BUYER_FAVOUR", -400, -1_900);
    check(false, "CANCELED_BY_BUYER", 0, 0);
    check(false, "ACCEPTED", 0, -1_900);
    let mut desk = Desk::new();
    let capture = desk.captured("a", "10.00");
    for (capture, amount) in [("NONE", "1.00"), (capture.as_str(), "10.01"), (capture.as_str(), "0")] {
        assert!(desk.book.open_dispute(capture, &json!({"amount": amount}), desk.now).is_err(), "{capture} {amount}");
    }
    assert!(desk.get("/v1/customer/disputes").1["items"].is_null());
    assert_eq!(desk.get("/v1/customer/disputes/PP-D-NONE").0, 404);
}
