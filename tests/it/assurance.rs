//! What the program says about itself, asked of the real program: the integrity check, the readiness report, `verify`.

use crate::shop::{GIVE_UP, Shop, checkout, mug};
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::Instant;

const CHECK: &str = "/api/debug/post-sale-integrity-check";

/// Runs a command in the shop's directory: exit code and standard output.
pub fn run(shop: &Shop, line: &[&str]) -> (i32, String) {
    let mut command = Command::new(crate::shop::PROGRAM);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(shop.dir.path());
    let Output { status, stdout, stderr } = command.args(line).output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code().unwrap_or(-1), text)
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Sends one order down the whole road.
pub fn whole_road(serving: &crate::shop::Serving) {
    serving.ask("PUT", "/api/products/MUG", &[], &mug()).unwrap();
    let (status, opened) = serving.ask_openly("POST", "/api/paypal/create-order", &[], &checkout()).unwrap();
    assert_eq!(status, 200, "{opened}");
    let opened = read(&opened);
    let paypal_order = opened["paypalOrderId"].as_str().unwrap();
    serving.control("POST", &format!("paypal/orders/{paypal_order}/approve"), &json!({})).unwrap();
    let captured = json!({ "paypalOrderId": paypal_order });
    serving.ask_openly("POST", "/api/paypal/capture-order", &[], &captured).unwrap();
    serving.wait_for_stage(opened["orderId"].as_str().unwrap(), &["paid_out", "closed"]);
}

#[test]
fn l1_the_integrity_check_answers_200_without_a_token_and_never_401() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let ask = |headers: &[(&str, &str)], query: &str| {
        let (status, body) = serving.ask_openly("GET", &format!("{CHECK}{query}"), headers, &Value::Null).unwrap();
        (status, read(&body))
    };
    for headers in [&[][..], &[("x-internal-secret", "wrong")], &[("authorization", "Bearer wrong")]] {
        let (status, body) = ask(headers, "");
        assert_eq!((status, &body["verdict"]), (200, &json!("NOT_PROVEN")), "{body}");
        assert_eq!(body["overallFinancialIntegrityScore"], Value::Null, "nothing is sold, so nothing is proven");
        assert_eq!(ask(headers, "?deep=1").0, 403);
    }
    assert_eq!(run(&shop, &["check"]).0, 3);
    whole_road(&serving);
    let (status, body) = serving.ask("GET", &format!("{CHECK}?deep=1"), &[], &Value::Null).unwrap();
    let whole = read(&body);
    assert_eq!((status, &whole["verdict"], &whole["isDeep"]), (200, &json!("PROVEN"), &json!(true)), "{body}");
    // What was asked for is stored, and strangers see it.
    let (_, open) = ask(&[], "");
    assert_eq!((&open["verdict"], &open["checkedAt"]), (&whole["verdict"], &whole["checkedAt"]));
    let (code, printed) = run(&shop, &["check", "--deep"]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.starts_with("PROVEN with score 100\n"), "{printed}");
    let self_test = &read(&run(&shop, &["check", "--json"]).1)["selfTest"];
    assert_eq!(self_test["caught"], self_test["planted"], "{self_test}");
}

#[test]
fn the_check_runs_at_start_and_stores_its_result() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let started = Instant::now();
    loop {
        let (_, body) = serving.ask_openly("GET", CHECK, &[], &Value::Null).unwrap();
        if read(&body)["selfTest"]["planted"].as_u64() > Some(0) {
            return;
        }
        assert!(started.elapsed() < GIVE_UP, "{body}\n{}", shop.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn lines_of_requests_and_calls_are_kept_without_bodies() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    whole_road(&serving);
    let ask = |query: &str| {
        let target = format!("/api/debug/log-evidence{query}");
        let (status, body) = serving.ask("GET", &target, &[("x-request-id", "asked-by-a-test")], &Value::Null).unwrap();
        assert_eq!(status, 200, "{body}");
        (read(&body)["lines"].as_array().unwrap().clone(), body)
    };
    assert_eq!(serving.ask_openly("GET", "/api/debug/log-evidence", &[], &Value::Null).unwrap().0, 401);
    let started = Instant::now();
    loop {
        let (lines, body) = ask("");
        let has = |source: &str, operation: &str| {
            lines.iter().any(|line| line["source"] == source && line["operation"] == operation && line["status"] == 200)
        };
        let is_whole = has("REQ", "POST /api/paypal/create-order")
            && has("ALIEXPRESS", "aliexpress.ds.order.create")
            && lines.iter().any(|line| line["source"] == "PAYPAL" && line["operation"] == "capture");
        if is_whole && !ask("?requestId=asked-by-a-test").0.is_empty() {
            assert!(!body.contains("Jane") && !body.contains("Oak Street"), "{body}");
            return;
        }
        assert!(started.elapsed() < GIVE_UP, "{body}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn verify_tells_a_rehearsal_that_passed_from_one_that_did_not() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let (code, early) = run(&shop, &["verify"]);
    assert!(code == 2 || code == 3, "{code}: nothing was sold yet: {early}");
    assert!(early.contains("REAL_ORDER_CREATED: No"), "{early}");
    assert_eq!(serving.ask_openly("GET", "/api/reports/readiness", &[], &Value::Null).unwrap().0, 401);
    whole_road(&serving);
    serving.ask("GET", &format!("{CHECK}?deep=1"), &[], &Value::Null).unwrap();
    let started = Instant::now();
    loop {
        let (code, printed) = run(&shop, &["verify", "--format", "json"]);
        if code == 1 {
            let report = read(&printed);
            assert!(report["summary"]["REHEARSAL_PASSED"].as_str().unwrap().starts_with("TRUE"), "{printed}");
            assert!(report["summary"]["SYSTEM_READY_FOR_REAL_CUSTOMER_TEST"].as_str().unwrap().starts_with("FALSE"));
            break;
        }
        // The lines of the last calls are written a moment later.
        assert!(started.elapsed() < GIVE_UP, "{code}: {printed}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let (status, body) = serving.ask("POST", "/api/reports/readiness", &[], &json!({})).unwrap();
    let written = read(&body);
    assert_eq!(status, 200, "{body}");
    assert!(written["summary"]["REHEARSAL_PASSED"].as_str().unwrap().starts_with("TRUE"), "{body}");
    let (_, last) = serving.ask("GET", "/api/reports/readiness", &[], &Value::Null).unwrap();
    assert_eq!(read(&last), written);
    let (_, page) = serving.ask("GET", "/api/reports/readiness?format=md", &[], &Value::Null).unwrap();
    assert!(page.starts_with("# SANDBOX POST-SALE REAL TEST REPORT\n"), "{page}");
    drop(serving);
    // Without a server nobody can say what answers.
    assert_ne!(run(&shop, &["verify"]).0, 1);
}

/// PayPal takes the shop's secret no more: nobody is served, the report says so at once, and nothing storms.
#[test]
fn f16_a_revoked_secret_is_a_red_row() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    whole_road(&serving);
    let row = || {
        let (status, body) = serving.ask("POST", "/api/reports/readiness", &[], &json!({})).unwrap();
        assert_eq!(status, 200, "{body}");
        let report = read(&body);
        let phases = report["phases"].as_array().unwrap().iter();
        let mut rows = phases.flat_map(|phase| phase["rows"].as_array().unwrap().clone());
        rows.find(|row| row["id"] == "paypal_authenticated").unwrap_or_else(|| panic!("{body}"))
    };
    let wait_for = |status: &str| {
        let started = Instant::now();
        loop {
            let row = row();
            if row["status"] == status {
                return row;
            }
            assert!(started.elapsed() < GIVE_UP, "{row}");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    };
    wait_for("OK");
    serving
        .control("POST", "switches", &json!({ "paypal_credentials_valid": false, "paypal_token_generation": 1 }))
        .unwrap();
    let _ =
        serving.ask_openly("POST", "/api/paypal/create-order", &[("idempotency-key", "two")], &crate::shop::checkout());
    let red = wait_for("FAIL");
    assert!(red["value"].as_str().unwrap().contains("refuses the credentials"), "{red}");
}

/// A server that answers 401 to everything, as the old build did, and counts what it is asked.
fn old_build() -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::io::{Read, Write};
    use std::sync::atomic::Ordering;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            let body = "{\"error\":\"Unauthorized\"}";
            let length = body.len();
            let head = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (format!("http://{address}"), asked)
}

#[test]
fn l1_an_old_build_behind_the_address_is_wrong_build_and_is_asked_once() {
    let shop = Shop::shipped();
    let (url, asked) = old_build();
    let (code, printed) = run(&shop, &["verify", "--url", &url, "--expect-build", "0123456789abcdef"]);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.starts_with("WRONG_BUILD: "), "{printed}");
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
    // Nor is a server of ours the build that somebody else expects.
    let serving = shop.serve(None).unwrap();
    let (code, printed) = run(&shop, &["verify", "--expect-build", "0123456789abcdef", "--format", "json"]);
    assert_eq!((code, &read(&printed)["verdict"]), (2, &json!("WRONG_BUILD")));
    drop(serving);
    // Nobody there is not the same as somebody wrong.
    let (code, printed) = run(&shop, &["verify", "--url", "http://127.0.0.1:1"]);
    assert_eq!(code, 3, "{printed}");
}

#[test]
fn l40_the_reading_commands_read_beside_a_server_and_print_no_secret() {
    let shop = Shop::shipped();
    assert_eq!(run(&shop, &["doctor"]).0, 2, "there is no database yet");
    let serving = shop.serve(None).unwrap();
    whole_road(&serving);
    let listed = |line: &[&str]| {
        let (code, printed) = run(&shop, line);
        assert_eq!(code, 0, "{line:?}: {printed}");
        assert!(!printed.contains("Jane") && !printed.contains("@sandbox.example"), "{printed}");
        printed
    };
    let payouts = read(&listed(&["payouts", "--json"]));
    let payouts = payouts.as_array().unwrap();
    assert_eq!(payouts.len(), 2, "{payouts:?}");
    assert!(payouts.iter().all(|row| row["status"] == "SUCCESS" && !row["transactionId"].is_null()), "{payouts:?}");
    assert_eq!(listed(&["queue"]), "No order needs a person.\n");
    let tokens = read(&listed(&["tokens", "--json"]));
    let login = tokens.as_array().unwrap().last().unwrap();
    assert_eq!((&login["isConfigured"], login["until"].is_null()), (&json!(true), false), "{tokens}");
    let doctor = listed(&["doctor"]);
    assert!(doctor.contains("is ready") && !doctor.contains("FAIL"), "{doctor}");
    std::fs::write(shop.file("data/STOP"), "").unwrap();
    drop(serving);
    assert_eq!(run(&shop, &["doctor"]).0, 2, "the address of a server that was killed");
}
