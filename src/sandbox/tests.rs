//! The far sides as a whole: the control, the book file, and every way of breaking a reply over a real socket.

use super::*;
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// What a plain client heard: head and body, or what went wrong.
#[derive(Debug, Default)]
struct Heard {
    status: u16,
    head: String,
    body: Vec<u8>,
    error: Option<std::io::ErrorKind>,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
    }
}

fn options(book: Option<PathBuf>) -> Options {
    Options { book, seed: Some(1), hold: Duration::from_millis(300), ..Options::default() }
}

fn send(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Heard {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    hear(&mut stream)
}

/// Reads to the end.
fn hear(stream: &mut TcpStream) -> Heard {
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).err().map(|e| e.kind());
    let cut = all.windows(4).position(|w| w == b"\r\n\r\n");
    let Some(cut) = cut else { return Heard { error, ..Heard::default() } };
    let head = String::from_utf8(all[..cut].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Heard { status, head, body: all[cut + 4..].to_vec(), error }
}

fn control(address: SocketAddr, path: &str, body: Value) -> Heard {
    let heard = send(address, "POST", &format!("/__control/{path}"), "", &body.to_string());
    assert_eq!(heard.status, 200, "{path}: {}", String::from_utf8_lossy(&heard.body));
    heard
}

fn token(sandbox: &Sandbox) -> String {
    let credentials = sandbox.credentials().unwrap();
    let pair = format!("{}:{}", credentials.paypal_client_id, credentials.paypal_client_secret);
    let headers = format!("Authorization: Basic {}\r\n", BASE64.encode(pair.as_bytes()));
    let heard = send(sandbox.address(), "POST", "/paypal/v1/oauth2/token", &headers, "grant_type=client_credentials");
    heard.json()["access_token"].as_str().unwrap().to_string()
}

fn paypal_headers(token: &str, key: &str) -> String {
    format!(
        "Authorization: Bearer {token}\r\nContent-Type: application/json\r\nPayPal-Request-Id: {key}\r\nPrefer: return=representation\r\n"
    )
}

fn order_body(name: &str) -> String {
    json!({"intent": "CAPTURE", "purchase_units": [{"custom_id": name, "invoice_id": name,
        "amount": {"currency_code": "USD", "value": "10.00"}}]})
    .to_string()
}

fn create(sandbox: &Sandbox, token: &str, key: &str) -> Heard {
    send(sandbox.address(), "POST", "/paypal/v2/checkout/orders", &paypal_headers(token, key), &order_body(key))
}

fn approved(sandbox: &Sandbox, token: &str, key: &str) -> String {
    let id = create(sandbox, token, key).json()["id"].as_str().unwrap().to_string();
    control(sandbox.address(), &format!("paypal/orders/{id}/approve"), json!({}));
    id
}

fn capture(sandbox: &Sandbox, token: &str, id: &str, key: &str) -> Heard {
    let target = format!("/paypal/v2/checkout/orders/{id}/capture");
    send(sandbox.address(), "POST", &target, &paypal_headers(token, key), "{}")
}

fn buy(sandbox: &Sandbox, key: &str) -> Heard {
    let credentials = sandbox.credentials().unwrap();
    let asked = json!({"out_order_id": key, "logistics_address": {"country": "US", "province": "Texas", "city": "Austin",
            "zip": "78701", "address": "1 Main Street", "contact_person": "Ada Lovelace", "full_name": "Ada Lovelace",
            "phone_country": "+1", "mobile_no": "4085550100"},
        "product_items": [{"product_id": 1005001234567890_u64, "product_count": 1, "sku_attr": "14:29#Black"}]});
    let now = jiff::Timestamp::now().as_millisecond().to_string();
    let mut all: Vec<(String, String)> = [
        ("method", "aliexpress.ds.order.create"),
        ("app_key", &credentials.aliexpress_app_key),
        ("access_token", &credentials.aliexpress_access_token),
        ("sign_method", "sha256"),
        ("timestamp", &now),
        ("param_place_order_request4_open_api_d_t_o", &asked.to_string()),
    ]
    .map(|(n, v)| (n.to_string(), v.to_string()))
    .to_vec();
    // A second reading of the rule, independent of the gateway's.
    let mut sorted = all.clone();
    sorted.sort();
    let text: String = sorted.iter().flat_map(|(n, v)| [n.as_str(), v.as_str()]).collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, credentials.aliexpress_app_secret.as_bytes());
    all.push(("sign".into(), data_encoding::HEXUPPER.encode(ring::hmac::sign(&key, text.as_bytes()).as_ref())));
    let escaped = |t: &str| t.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let body: Vec<String> = all.iter().map(|(n, v)| format!("{n}={}", escaped(v))).collect();
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    send(sandbox.address(), "POST", "/aliexpress/sync", headers, &body.join("&"))
}

fn pay_out(sandbox: &Sandbox, token: &str, key: &str) -> Heard {
    let body = json!({"sender_batch_header": {"sender_batch_id": key}, "items": [{"receiver": "seller@sandbox.example",
        "sender_item_id": key, "amount": {"currency": "USD", "value": "5.00"}}]});
    send(sandbox.address(), "POST", "/paypal/v1/payments/payouts", &paypal_headers(token, key), &body.to_string())
}

#[test]
fn both_sides_and_the_book_over_http() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let token = token(&sandbox);
    let id = approved(&sandbox, &token, "one");
    assert_eq!(capture(&sandbox, &token, &id, "cap-one").status, 201);
    assert_eq!(pay_out(&sandbox, &token, "po-one").status, 201);
    let bought = buy(&sandbox, "buy-one").json();
    assert_eq!(bought["aliexpress_ds_order_create_response"]["result"]["is_success"], true, "{bought}");
    let book = send(sandbox.address(), "GET", "/__control/book", "", "");
    assert!(book.header("date").is_none() && create(&sandbox, &token, "two").header("date").is_some());
    let book = book.json();
    for (part, key, amount) in
        [("captures", "cap-one", "10.00"), ("payouts", "po-one", "5.00"), ("purchases", "buy-one", "10.39")]
    {
        let row = &book[part][0];
        assert_eq!(
            (&row["key"], &row["amount"], &row["currency"]),
            (&json!(key), &json!(amount), &json!("USD")),
            "{part}"
        );
        assert!(row["id"].is_string() && row["at"].is_string() && row["status"].is_string());
    }
    assert_eq!(book["refunds"], json!([]));
    assert_eq!(send(sandbox.address(), "GET", "/elsewhere", "", "").status, 404);
}

#[test]
fn several_requests_share_a_connection() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    let one = "GET /__control/clock HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /__control/clock HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // All three in one segment, so that reading by whole requests is put to the proof.
    stream.write_all(format!("{one}{one}{last}").as_bytes()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn only_loopback_is_listened_to() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Sandbox::start(Options { listen, ..Options::default() }).err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn what_is_no_request_is_refused() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let check = |text: &str, status: u16| {
        let mut stream = TcpStream::connect(sandbox.address()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        assert_eq!(hear(&mut stream).status, status, "{text}");
    };
    check("nonsense\r\n\r\n", 400);
    check("POST / HTTP/1.1\r\nContent-Length: abc\r\n\r\n", 400);
    check("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413);
    check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411);
}

#[test]
fn the_book_outlives_the_process() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sandbox.jsonl");
    let (before, first_token, order) = {
        let sandbox = Sandbox::start(options(Some(path.clone()))).unwrap();
        let token = token(&sandbox);
        let id = approved(&sandbox, &token, "one");
        capture(&sandbox, &token, &id, "cap-one");
        pay_out(&sandbox, &token, "po-one");
        buy(&sandbox, "buy-one");
        control(sandbox.address(), "switches", json!({"unique_invoice_id": false, "split": true}));
        control(sandbox.address(), "clock", json!({"offsetSeconds": 60}));
        let fault = json!({"call": "paypal.order", "reply": "status_503", "when": "before_commit", "times": 2});
        control(sandbox.address(), "faults", fault);
        let get = format!("/paypal/v2/checkout/orders/{id}");
        assert_eq!(send(sandbox.address(), "GET", &get, &paypal_headers(&token, ""), "").status, 503);
        (sandbox.book_json(), token, id)
    };
    // A line that was being written when the process died.
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{{\"at\":1,\"paypal\":[{{\"or")).unwrap();
    let sandbox = Sandbox::start(Options { seed: Some(99), ..options(Some(path.clone())) }).unwrap();
    assert_eq!(sandbox.book_json()["purchases"], before["purchases"]);
    assert_eq!(sandbox.book_json()["captures"], before["captures"]);
    assert_eq!(sandbox.book_json()["payouts"][0]["id"], before["payouts"][0]["id"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    // Keys, tokens, switches, clock and what is left of the fault are still known.
    let get = format!("/paypal/v2/checkout/orders/{order}");
    let statuses = [(); 2].map(|()| send(sandbox.address(), "GET", &get, &paypal_headers(&first_token, ""), "").status);
    assert_eq!(statuses, [503, 200]);
    assert_eq!(capture(&sandbox, &first_token, &order, "cap-one").status, 200);
    assert_eq!(pay_out(&sandbox, &first_token, "po-one").json()["name"], "USER_BUSINESS_ERROR");
    let repeated = buy(&sandbox, "buy-one").json();
    assert_eq!(repeated["aliexpress_ds_order_create_response"]["result"]["error_code"], "REPEATED_ORDER_ERROR");
    let switches = send(sandbox.address(), "GET", "/__control/switches", "", "").json();
    assert_eq!((&switches["split"], &switches["unique_invoice_id"]), (&json!(true), &json!(false)));
    assert_eq!(send(sandbox.address(), "GET", "/__control/clock", "", "").json()["offsetSeconds"], 60);
    assert_eq!(sandbox.book_json()["captures"].as_array().unwrap().len(), 1);
}

#[test]
fn a_broken_book_is_not_taken_for_an_empty_one() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sandbox.jsonl");
    std::fs::write(&path, "{\"at\":1,\"seed\":1}\nnonsense\n").unwrap();
    assert_eq!(Sandbox::start(options(Some(path))).err().unwrap().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn only_a_plain_file_is_a_book() {
    let refused = Sandbox::start(options(Some("/dev/zero".into()))).err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn before_and_after_the_booking() {
    let check = |when: &str, booked: usize| {
        let sandbox = Sandbox::start(options(None)).unwrap();
        let token = token(&sandbox);
        let id = approved(&sandbox, &token, "one");
        for call in ["paypal.capture", "paypal.payout", "aliexpress.create"] {
            let fault = json!({"call": call, "reply": "reset", "when": when});
            control(sandbox.address(), "faults", fault);
        }
        let lost = [capture(&sandbox, &token, &id, "c"), pay_out(&sandbox, &token, "p"), buy(&sandbox, "b")];
        assert!(lost.iter().all(|h| h.status == 0 && h.error == Some(std::io::ErrorKind::ConnectionReset)), "{lost:?}");
        let book = sandbox.book_json();
        for part in ["captures", "payouts", "purchases"] {
            assert_eq!(book[part].as_array().unwrap().len(), booked, "{when} {part}");
        }
        // The fault is spent; the same keys now come to one booking each.
        assert_eq!(capture(&sandbox, &token, &id, "c").status, if booked == 1 { 200 } else { 201 });
        pay_out(&sandbox, &token, "p");
        buy(&sandbox, "b");
        let book = sandbox.book_json();
        for part in ["captures", "payouts", "purchases"] {
            assert_eq!(book[part].as_array().unwrap().len(), 1, "{when} {part}");
        }
    };
    check("before_commit", 0);
    check("after_commit", 1);
}

#[test]
fn every_broken_reply_of_paypal() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let token = token(&sandbox);
    let mut number = 0;
    let mut check = |fault: Value, good: &dyn Fn(&Heard) -> bool| {
        number += 1;
        let mut all = json!({"call": "paypal.create", "when": "after_commit"});
        for (name, value) in fault.as_object().unwrap() {
            all[name] = value.clone();
        }
        control(sandbox.address(), "faults", all);
        let heard = create(&sandbox, &token, &format!("key-{number}"));
        assert!(good(&heard), "{fault}: {} {:?} {}", heard.head, heard.error, heard.body.len());
    };
    let announced = |h: &Heard| h.header("content-length").unwrap().parse::<usize>().unwrap();
    check(json!({"reply": "timeout"}), &|h| h.status == 0 && h.error.is_none());
    check(json!({"reply": "timeout", "holdMs": 1}), &|h| h.status == 0 && h.error.is_none());
    check(json!({"reply": "reset"}), &|h| h.error == Some(std::io::ErrorKind::ConnectionReset));
    check(json!({"reply": "half"}), &|h| h.body.len() == announced(h) / 2 && h.json().is_null());
    check(json!({"reply": "wrong_length"}), &|h| h.body.len() == announced(h) + 9);
    check(json!({"reply": "html_200"}), &|h| h.status == 200 && h.body.starts_with(b"<html>"));
    check(json!({"reply": "empty_200"}), &|h| h.status == 200 && h.body.is_empty());
    check(json!({"reply": "missing_fields"}), &|h| h.status == 200 && h.json().get("id").is_none());
    check(json!({"reply": "other_id"}), &|h| {
        let unit = &h.json()["purchase_units"][0];
        h.status == 200 && unit["custom_id"].as_str().unwrap().starts_with("key-") && unit["custom_id"] != "key-9"
    });
    check(json!({"reply": "huge"}), &|h| h.body.len() > 1 << 20);
    check(json!({"reply": "gzip_bomb"}), &|h| h.header("content-encoding") == Some("gzip") && h.body.len() < 1 << 20);
    check(json!({"reply": "redirect"}), &|h| h.status == 307 && h.header("location").unwrap().contains("elsewhere"));
    for status in [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504] {
        let reply = format!("status_{status}");
        check(json!({"reply": reply, "issue": "SOME_ISSUE"}), &|h| {
            let answer = h.json();
            h.status == status
                && answer["details"][0]["issue"] == "SOME_ISSUE"
                && answer["debug_id"].as_str() == h.header("paypal-debug-id")
        });
    }
    assert_eq!(send(sandbox.address(), "GET", "/__control/calls", "", "").json()["paypal.create"], 23);
}

#[test]
fn a_slow_drip_comes_byte_by_byte() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    control(
        sandbox.address(),
        "faults",
        json!({"call": "paypal.order", "reply": "slow_drip", "when": "before_commit"}),
    );
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    stream.write_all(b"GET /paypal/v2/checkout/orders/X HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut chunk = [0; 64];
    let first = stream.read(&mut chunk).unwrap();
    assert!(first < 12, "{first} bytes at once");
    // Closing the far sides ends even this connection.
    drop(sandbox);
}

#[test]
fn every_broken_reply_of_aliexpress() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let mut number = 0;
    let mut check = |fault: Value, good: &dyn Fn(&Value, u16) -> bool| {
        number += 1;
        let mut all = json!({"call": "aliexpress.create", "when": "before_commit"});
        for (name, value) in fault.as_object().unwrap() {
            all[name] = value.clone();
        }
        control(sandbox.address(), "faults", all);
        let heard = buy(&sandbox, &format!("key-{number}"));
        assert!(good(&heard.json(), heard.status), "{fault}: {}", String::from_utf8_lossy(&heard.body));
    };
    fn result(answer: &Value) -> &Value {
        &answer["aliexpress_ds_order_create_response"]["result"]
    }
    let code = |answer: &Value| answer["error_response"]["code"].as_str().unwrap_or("").to_string();
    check(json!({"reply": "is_success_false", "error_code": "A003_SUSPICIOUS_BUYER"}), &|a, _| {
        result(a)["is_success"] == false && result(a)["error_code"] == "A003_SUSPICIOUS_BUYER"
    });
    check(json!({"reply": "code15"}), &|a, _| {
        code(a) == "15" && a["error_response"]["sub_code"] == "isp.service-unavailable"
    });
    check(json!({"reply": "code_limit"}), &|a, _| code(a) == "ApiCallLimit");
    check(json!({"reply": "gateway_code", "errorCode": "InternalError"}), &|a, _| code(a) == "InternalError");
    check(json!({"reply": "true_without_ids"}), &|a, _| {
        result(a)["is_success"] == true && result(a)["order_list"] == json!({})
    });
    check(json!({"reply": "missing_fields"}), &|a, status| status == 200 && result(a).is_null());
    check(json!({"reply": "status_503"}), &|a, status| status == 503 && code(a) == "ServiceUnavailable");
    assert_eq!(sandbox.book_json()["purchases"], json!([]));
    check(json!({"reply": "other_id", "when": "after_commit"}), &|a, _| result(a)["order_list"]["number"][0].is_u64());
    assert_eq!(sandbox.book_json()["purchases"].as_array().unwrap().len(), 1);
}

#[test]
fn the_control_refuses_what_it_does_not_know() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let check = |path: &str, body: Value, status: u16| {
        let heard = send(sandbox.address(), "POST", &format!("/__control/{path}"), "", &body.to_string());
        assert_eq!(heard.status, status, "{path} {body}");
    };
    check("switches", json!({"no_such_switch": 1}), 400);
    check("switches", json!({"split": "perhaps"}), 400);
    check("faults", json!({"call": "paypal.create", "reply": "explode", "when": "before_commit"}), 400);
    check("faults", json!({"call": "paypal.create", "reply": "reset", "when": "now"}), 400);
    check("paypal/orders/NONE/approve", json!({}), 409);
    check("paypal/payouts/NONE", json!({"item": "SUCCESS"}), 409);
    check("aliexpress/orders/1/pay", json!({}), 409);
    check("aliexpress/orders/1/eat", json!({}), 404);
    check("nothing", json!({}), 404);
}

#[test]
fn the_clock_can_be_pushed() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let first = token(&sandbox);
    control(sandbox.address(), "clock", json!({"offsetSeconds": 10 * 3_600}));
    let heard = create(&sandbox, &first, "k");
    assert_eq!(heard.status, 401);
    let date = heard.header("date").unwrap().to_string();
    let now = jiff::Timestamp::now().strftime("%a, %d %b %Y").to_string();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(10)).strftime("%a, %d %b %Y").to_string();
    assert!(date.starts_with(&now) || date.starts_with(&later), "{date}");
}

#[test]
fn a_registered_shop_is_told() {
    let sandbox = Sandbox::start(options(None)).unwrap();
    let token = token(&sandbox);
    let shop = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let body = json!({"url": format!("http://{}/api/webhooks/paypal", shop.local_addr().unwrap()),
        "event_types": [{"name": "*"}]});
    let target = "/paypal/v1/notifications/webhooks";
    assert_eq!(send(sandbox.address(), "POST", target, &paypal_headers(&token, ""), &body.to_string()).status, 201);
    approved(&sandbox, &token, "one");
    let (mut stream, _) = shop.accept().unwrap();
    let mut heard = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&heard).contains("CHECKOUT.ORDER.APPROVED") {
        let read = stream.read(&mut chunk).unwrap();
        assert_ne!(read, 0);
        heard.extend_from_slice(&chunk[..read]);
    }
    let text = String::from_utf8_lossy(&heard).into_owned();
    assert!(text.starts_with("POST /api/webhooks/paypal HTTP/1.1\r\n") && text.contains("PAYPAL-TRANSMISSION-SIG: "));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
}

#[test]
fn without_a_socket_the_same_seed_gives_the_same_answers() {
    let run = || {
        let mut sides = FarSides::new("http://far", 5);
        let credentials = sides.credentials(1_767_225_600_000);
        let pair = format!("{}:{}", credentials.paypal_client_id, credentials.paypal_client_secret);
        let request = Request {
            method: "POST".into(),
            path: "/paypal/v1/oauth2/token".into(),
            headers: vec![("Authorization".into(), format!("Basic {}", BASE64.encode(pair.as_bytes())))],
            body: b"grant_type=client_credentials".to_vec(),
            ..Request::default()
        };
        let Reply::Whole(answer) = sides.answer(&request, 1_767_225_600_000) else { panic!("broken") };
        let token = answer.value()["access_token"].as_str().unwrap().to_string();
        let request = Request {
            method: "POST".into(),
            path: "/paypal/v2/checkout/orders".into(),
            headers: vec![
                ("Authorization".into(), format!("Bearer {token}")),
                ("Content-Type".into(), "application/json".into()),
            ],
            body: order_body("x").into_bytes(),
            ..Request::default()
        };
        let Reply::Whole(answer) = sides.answer(&request, 1_767_225_600_000) else { panic!("broken") };
        (answer.value()["id"].to_string(), credentials.aliexpress_access_token)
    };
    assert_eq!(run(), run());
}
