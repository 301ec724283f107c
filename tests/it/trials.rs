//! The test flows of the real program, over HTTP and from the command line: a rehearsal reaches nothing and changes
//! nothing, a real one makes no capture, one that waits goes on, and what was broken off says so.

use crate::program;
use crate::shop::{Answer, GIVE_UP, PROGRAM, Serving, Shop, checkout, http, mug};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FLOW: &str = "/api/internal/test-post-sale-flow";
const PURCHASE: &str = "/api/internal/test-fulfillment-only";

fn flow(simulate: bool) -> Value {
    let whole = checkout();
    json!({ "simulate": simulate, "sku": "MUG", "buyer": whole["buyer"], "shippingAddress": whole["shippingAddress"] })
}

fn trial() -> Value {
    let whole = checkout();
    let buyer = &whole["buyer"];
    json!({ "sku": "MUG", "customer": { "name": buyer["name"], "email": buyer["email"], "phone": buyer["phone"],
        "address": whole["shippingAddress"] } })
}

fn read(answer: Answer) -> (u16, Value) {
    let (status, body) = answer.expect("the shop lives");
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

fn post(serving: &Serving, path: &str, body: &Value) -> (u16, Value) {
    read(serving.ask("POST", path, &[], body))
}

fn get(serving: &Serving, path: &str) -> Value {
    let (status, body) = read(serving.ask("GET", path, &[], &Value::Null));
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// A server with one product.
fn open(shop: &Shop) -> Serving {
    let serving = shop.serve(None).unwrap();
    assert!(serving.ask("PUT", "/api/products/MUG", &[], &mug()).unwrap().0 < 300);
    serving
}

fn run(shop: &Shop, line: &[&str]) -> (i32, String) {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(shop.dir.path());
    let output = command.args(line).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
}

fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < GIVE_UP, "{what} never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_real_flow_goes_the_whole_road_and_never_captures() {
    let shop = Shop::shipped();
    let serving = open(&shop);
    let (status, told) = post(&serving, FLOW, &flow(false));
    assert_eq!((status, &told["success"], &told["simulate"]), (200, &json!(true), &json!(false)), "{told:#}");
    let fields = ["orderCreated", "fulfillExecuted", "attemptPurchase", "executePurchase", "saleCreated"];
    for field in fields.into_iter().chain(["payoutTriggered", "payoutExecuted"]) {
        assert_eq!(told[field], true, "{field}: {told:#}");
    }
    let order = told["orderId"].as_str().unwrap();
    assert_eq!((&told["saleId"], &told["currency"]), (&json!(order), &json!("USD")));
    assert_eq!((&told["netProfitCalculated"], told["durationMs"].is_i64()), (&json!("14.94"), true), "{told:#}");
    assert_eq!(told["report"].as_object().unwrap().len(), 12);
    let book = serving.book();
    assert_eq!((&book["captures"], book["purchases"].as_array().unwrap().len()), (&json!([]), 1), "{book:#}");
    assert_eq!(book["payouts"].as_array().unwrap().len(), 2);
    assert_eq!(
        get(&serving, told["reportUrl"].as_str().unwrap())["report"]["PAYOUT_EXECUTED"],
        told["report"]["PAYOUT_EXECUTED"]
    );
    let (status, bought) = post(&serving, PURCHASE, &trial());
    assert_eq!((status, &bought["success"], &bought["error"]), (200, &json!(true), &Value::Null), "{bought:#}");
    assert_eq!(bought["aliexpressOrderId"], serving.book()["purchases"][1]["id"]);
    assert!(bought["finalStatus"].is_string() && bought["duration"].is_i64(), "{bought:#}");
    assert_eq!(serving.book()["payouts"].as_array().unwrap().len(), 2, "a trial purchase is paid to nobody");
    assert_eq!(get(&serving, "/api/sales")["sales"].as_array().unwrap().len(), 1);
}

#[test]
fn l1_a_capture_of_an_unapproved_checkout_says_so_and_changes_nothing() {
    let shop = Shop::shipped();
    let serving = open(&shop);
    let (_, opened) = read(serving.ask_openly("POST", "/api/paypal/create-order", &[], &checkout()));
    let order = opened["orderId"].as_str().unwrap();
    let stand = || {
        let mut shown = serving.order(order);
        // When it is looked at again is no part of what happened.
        shown.as_object_mut().unwrap().remove("nextLookAt");
        (shown["stage"].clone(), shown["capture"].clone(), shown["purchase"].clone(), shown["postings"].clone())
    };
    let before = stand();
    let body = json!({ "paypalOrderId": opened["paypalOrderId"] });
    let (status, refused) = read(serving.ask_openly("POST", "/api/paypal/capture-order", &[], &body));
    assert_eq!((status, &refused["code"]), (409, &json!("ORDER_NOT_APPROVED")), "{refused:#}");
    assert_eq!(stand(), before);
    let book = serving.book();
    assert_eq!((&book["captures"], &book["purchases"], &book["payouts"]), (&json!([]), &json!([]), &json!([])));
}

/// Every business row in words. Left out is what the server writes of itself while anybody asks it anything: the lines
/// of its requests, and the runs of its own schedule.
fn dump(data: &Path) -> Vec<String> {
    const OF_ITSELF: [&str; 4] = ["log_lines", "jobs", "integrity_runs", "feeds"];
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(data.join("postsale.db"), flags).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut statement = connection.prepare(tables).unwrap();
    let tables: Vec<String> = statement.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    let mut lines = Vec::new();
    for table in tables.iter().filter(|table| !OF_ITSELF.contains(&table.as_str())) {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let fields = (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap()));
            lines.push(format!("{table} {}", fields.collect::<Vec<_>>().join(" | ")));
        }
    }
    lines
}

/// Waits until every job that runs at the start has run, so that none of them writes or knocks later.
fn wait_for_the_first_jobs(data: &Path) {
    let connection = Connection::open_with_flags(data.join("postsale.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT count(*) FROM jobs WHERE finished_at IS NULL AND name NOT IN ('deep_check', 'payouts_again')";
    let begun = std::time::Instant::now();
    while connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
        assert!(begun.elapsed().as_secs() < 60, "a job of the start never ended");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// A far side that counts who knocks, and answers nobody.
fn counting() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let knocks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&knocks);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (format!("http://{address}"), knocks)
}

#[test]
fn l4_a_rehearsal_changes_no_row_and_knocks_at_no_configured_far_side() {
    let (far, knocks) = counting();
    let shop = program::Shop::new(program::SHIPPED)
        .with("POSTSALE_PAYPAL__BASE_URL", &format!("{far}/paypal"))
        .with("POSTSALE_ALIEXPRESS__BASE_URL", &format!("{far}/ali"))
        .with("POSTSALE_PAYOUT__PLATFORM_EMAIL", "platform@shop.test")
        .with("POSTSALE_PAYOUT__SELLER_EMAIL", "seller@shop.test")
        .with("PAYPAL_CLIENT_ID", "id")
        .with("PAYPAL_CLIENT_SECRET", "secret")
        .with("ALIEXPRESS_APP_KEY", "key")
        .with("ALIEXPRESS_APP_SECRET", "secret");
    let serving = shop.serve();
    let secret = std::fs::read_to_string(shop.file("data/internal-secret")).unwrap().trim().to_owned();
    let ask = |method: &str, path: &str, body: &Value| {
        read(http(&serving.address, method, path, &[("x-internal-secret", &secret)], body))
    };
    assert_eq!(ask("PUT", "/api/products/MUG", &mug()).0, 201);
    wait_for_the_first_jobs(&shop.file("data"));
    let (rows, journal) = (dump(&shop.file("data")), std::fs::read(shop.file("data/intents.log")).unwrap());
    assert!(rows.iter().any(|row| row.starts_with("products ")), "{rows:?}");
    let before = knocks.load(Ordering::SeqCst);
    let (status, told) = ask("POST", FLOW, &flow(true));
    assert_eq!((status, &told["success"], &told["simulate"]), (200, &json!(true), &json!(true)), "{told:#}");
    assert_eq!(told["report"]["SYSTEM_READY_FOR_REAL_MONEY"], "BLOCKED sandbox");
    assert_eq!(dump(&shop.file("data")), rows);
    assert_eq!(std::fs::read(shop.file("data/intents.log")).unwrap(), journal);
    // The far side of the command line's rehearsal is not the configured one either.
    let ended = shop.run(&["verify", "--simulate"]);
    assert!(ended.out.starts_with("# REHEARSED TEST FLOW"), "{}{}", ended.out, ended.err);
    assert_eq!(knocks.load(Ordering::SeqCst), before, "somebody knocked");
    // The listener does count: a buyer's checkout knocks.
    let address = serving.address.clone();
    std::thread::spawn(move || http(&address, "POST", "/api/paypal/create-order", &[], &checkout()));
    wait_for("a knock", || (knocks.load(Ordering::SeqCst) > before).then_some(()));
}

#[test]
fn a_job_that_the_end_broke_off_says_so_and_its_order_goes_on() {
    let shop = Shop::shipped().with("policy.cancel_buffer=3s");
    let mut serving = open(&shop);
    let prefer = [("prefer", "respond-async")];
    let (status, begun) = read(serving.ask("POST", PURCHASE, &prefer, &trial()));
    assert_eq!((status, &begun["state"]), (202, &json!("running")), "{begun:#}");
    let (order, job) = (begun["orderId"].as_str().unwrap().to_owned(), begun["id"].as_str().unwrap().to_owned());
    // A rehearsal at the same time is one too many.
    assert_eq!(post(&serving, FLOW, &flow(true)).0, 409);
    serving.kill();
    let serving = shop.serve(None).unwrap();
    let told = get(&serving, &format!("/api/jobs/{job}"));
    assert_eq!((&told["state"], &told["orderId"]), (&json!("interrupted"), &json!(order)), "{told:#}");
    let report = wait_for("the purchase", || {
        let told = get(&serving, &format!("{PURCHASE}/{order}"));
        (told["success"] == true).then_some(told)
    });
    assert_eq!(get(&serving, &format!("/api/jobs/{job}"))["answer"]["aliexpressOrderId"], report["aliexpressOrderId"]);
    serving.wait_for_stage(&order, &["closed"]);
    let book = serving.book();
    assert_eq!((book["purchases"].as_array().unwrap().len(), &book["payouts"]), (1, &json!([])), "{book:#}");
    assert_eq!(get(&serving, "/api/sales")["sales"], json!([]), "not even after a restart");
}

#[test]
fn a_flow_that_waits_for_the_seller_is_pending_and_completed_later() {
    let shop = Shop::shipped().with("aliexpress.autopay=false");
    let serving = open(&shop);
    let (status, told) = post(&serving, FLOW, &flow(false));
    let value = told["report"]["EXECUTE_PURCHASE"].as_str().unwrap();
    assert_eq!((status, &told["success"]), (200, &json!(false)), "{told:#}");
    let id = serving.book()["purchases"][0]["id"].as_str().unwrap().to_owned();
    assert!(value.starts_with("PENDING placed, to be paid") && value.contains(&id), "{value}");
    serving.control("POST", &format!("aliexpress/orders/{id}/pay"), &json!({})).unwrap();
    let path = told["reportUrl"].as_str().unwrap();
    wait_for("the payouts", || (get(&serving, path)["success"] == true).then_some(()));
}

#[test]
fn verify_rehearses_with_and_without_a_server() {
    let shop = Shop::shipped();
    let serving = open(&shop);
    let (code, printed) = run(&shop, &["verify", "--simulate"]);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("- PAYOUT_EXECUTED: OK ") && printed.contains("# SANDBOX POST-SALE"), "{printed}");
    assert_eq!(get(&serving, "/api/orders")["orders"], json!([]), "nothing of it is live");
    let (code, printed) = run(&shop, &["verify", "--simulate", "--format", "json"]);
    let whole: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert_eq!((code, &whole["flow"]["answer"]["success"]), (1, &json!(true)), "{printed}");
    drop(serving);
    let (code, printed) = run(&shop, &["verify", "--simulate"]);
    assert!(printed.contains("- PAYOUT_EXECUTED: OK "), "{printed}");
    assert!(code == 1 || code == 2, "{code}, and the server was killed: {printed}");
    let (code, printed) = run(&shop, &["verify", "--real"]);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("only a server sends"), "{printed}");
    for line in
        [["verify", "--checkout"].as_slice(), &["verify", "--real", "--simulate"], &["verify", "--confirm", "x"]]
    {
        assert_eq!(run(&shop, line).0, 64, "{line:?}");
    }
}

#[test]
fn verify_sends_a_real_order_through_a_server_named_by_its_address() {
    let shop = Shop::shipped();
    let serving = open(&shop);
    let away = Shop::shipped();
    let secret = std::fs::read_to_string(shop.file("data/internal-secret")).unwrap();
    let url = format!("http://{}", serving.address);
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("INTERNAL_RUN_SECRET", secret.trim()).current_dir(away.dir.path());
    command.args(["verify", "--real", "--url", &url]);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.starts_with("# TEST FLOW\n") && printed.contains("- EXECUTE_PURCHASE: OK "), "{output:?}");
    assert!(printed.contains("REAL_ORDER_CREATED: No; rehearsed: order "), "{printed}");
    assert_ne!(output.status.code(), Some(0), "a sandbox is never ready");
    assert_eq!((&serving.book()["captures"], serving.book()["purchases"].as_array().unwrap().len()), (&json!([]), 1));
    // With a SKU that is not there it is refused, and the report is not taken for an answer.
    std::fs::write(shop.file("order.json"), flow(false).to_string().replace("MUG", "GONE")).unwrap();
    let (code, printed) = run(&shop, &["verify", "--real", "--order", "order.json"]);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("- TEST_FLOW: BLOCKED 400 unknown_product"), "{printed}");
}

/// The owner's checkout, approved as soon as its link is printed: what was printed, and the exit code.
fn approved_checkout(shop: &Shop, serving: &Serving) -> (String, i32) {
    let mut command = Command::new(PROGRAM);
    command.env_clear().current_dir(shop.dir.path()).args(["verify", "--real", "--checkout"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let link = lines.find(|line| line.starts_with("Approve this at PayPal")).expect("a link");
    let shown = get(serving, "/api/orders");
    let order = shown["orders"][0]["id"].as_str().unwrap().to_owned();
    let paypal_order = serving.order(&order)["checkout"]["paypalOrderId"].as_str().unwrap_or_default().to_owned();
    assert!(link.contains(&paypal_order) && !paypal_order.is_empty(), "{link}: {:#}", serving.order(&order));
    serving.control("POST", &format!("paypal/orders/{paypal_order}/approve"), &json!({})).unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let code = child.wait().unwrap().code().unwrap();
    assert!(printed.starts_with("# CHECKOUT TEST\n"), "{printed}");
    (printed, code)
}

#[test]
fn verify_takes_the_owner_through_a_checkout() {
    let shop = Shop::shipped().with("policy.cancel_buffer=60m");
    let serving = open(&shop);
    let (printed, code) = approved_checkout(&shop, &serving);
    for value in [
        "- CHECKOUT_OPENED: OK ",
        "- CAPTURED: OK ",
        "- HELD_BEFORE_BUYING: OK ",
        "- REFUNDED: ",
        "- WEBHOOK_RECEIVED: OK ",
    ] {
        assert!(printed.contains(value), "{value}: {printed}");
    }
    let refunds = serving.book()["refunds"].as_array().unwrap().len();
    let is_refunded = printed.contains("- REFUNDED: OK ");
    assert_eq!((is_refunded, serving.book()["captures"].as_array().unwrap().len()), (refunds == 1, 1), "{printed}");
    assert!(is_refunded || printed.contains("- REFUNDED: PENDING "), "{printed}");
    assert!([1, 2, 3].contains(&code), "{code}: {printed}");
    assert_eq!(serving.book()["purchases"], json!([]), "nothing was bought for it");
}

/// The money is found by asking, so a webhook that never comes shows in nothing else. It is waited for a minute.
#[test]
fn a_checkout_of_which_paypal_tells_nothing_is_not_called_received() {
    if std::env::var_os("POSTSALE_FULL").is_none() {
        println!("left out: it waits a minute; POSTSALE_FULL is not set");
        return;
    }
    let shop = Shop::shipped().with("policy.cancel_buffer=60m");
    let serving = open(&shop);
    serving.control("POST", "switches", &json!({ "webhook_delay_ms": 86_400_000 })).unwrap();
    let (printed, code) = approved_checkout(&shop, &serving);
    assert!(printed.contains("- WEBHOOK_RECEIVED: PENDING not received within 60 seconds"), "{printed}");
    assert!(printed.contains("- CAPTURED: OK ") && code != 0, "{code}: {printed}");
}

#[test]
fn f24_a_slow_report_or_check_is_begun_and_read_later() {
    let shop = Shop::shipped();
    let serving = open(&shop);
    let prefer = [("prefer", "respond-async")];
    let begun = [
        read(serving.ask("POST", "/api/reports/readiness", &prefer, &Value::Null)),
        read(serving.ask("GET", "/api/debug/post-sale-integrity-check?deep=1", &prefer, &Value::Null)),
        read(serving.ask("POST", FLOW, &prefer, &flow(true))),
    ];
    for (status, job) in begun {
        assert_eq!(status, 202, "{job:#}");
        let path = format!("/api/jobs/{}", job["id"].as_str().unwrap());
        let told = wait_for("the job", || {
            let told = get(&serving, &path);
            (told["state"] != "running").then_some(told)
        });
        assert_eq!((&told["state"], &told["status"]), (&json!("finished"), &json!(200)), "{told:#}");
        assert!(told["answer"].is_object(), "{told:#}");
        assert_eq!(serving.ask_openly("GET", &path, &[], &Value::Null).unwrap().0, 401);
    }
    let mut stream = std::net::TcpStream::connect(&serving.address).unwrap();
    write!(stream, "POST {FLOW} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{{}}x").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "without a token nothing is begun: {answer}");
}
