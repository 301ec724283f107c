//! Nothing is bought without a person where a person is wanted: every door of the program is tried, and the far side's
//! own book of purchases stays empty. And a login from the command line, end to end.

use crate::program::{SHIPPED, Shop as Program, http as ask_http};
use crate::shop::{Serving, Shop, http};
use postsale::gateway::wire::{Answer, Purpose, Request, UreqWire, Wire};
use postsale::sandbox::{Options, Sandbox};
use postsale::web::api::routes;
use serde_json::{Value, json};
use std::time::Duration;

fn product() -> Value {
    json!({
        "title": "Mug", "price": "25.00", "currency": "USD", "active": true,
        "supplier": { "productId": "1005001234567890", "skuAttr": "14:29#Black", "skuId": "12000012345678901" },
    })
}

fn address() -> Value {
    json!({ "line1": "12 Oak Street", "city": "Vineland", "province": "New Jersey", "postalCode": "08360", "country": "US" })
}

/// A body with which the door does something, where there is one to know.
fn body(pattern: &str) -> Value {
    let ids = json!(["8999000011112222"]);
    match pattern.rsplit('/').next().unwrap_or_default() {
        "hold" | "cancel" => json!({ "reason": "looking" }),
        "correct" => json!({ "buyer": { "phone": "5593600001" } }),
        "resolve" => json!({ "supplierOrderIds": ids }),
        "mark-supplier-paid" => json!({ "total": "8.40", "currency": "USD" }),
        "mark-shipped" => json!({ "trackingNumber": "LP1" }),
        "create-order" => json!({ "sku": "MUG", "quantity": 1 }),
        "{sku}" => product(),
        _ => json!({}),
    }
}

/// Says everything that can be said to a running shop about one order, but the yes itself and what records a person's
/// own purchase.
fn say_everything(serving: &Serving, order: &str, round: u32) {
    for route in routes().iter().filter(|route| format!("{:?}", route.method) != "Get") {
        if ["/approve", "/mark-purchased", "/cancel"].iter().any(|end| route.pattern.ends_with(end)) {
            continue;
        }
        let path = route.pattern.replace("{id}", order).replace("{sku}", "MUG");
        let method = format!("{:?}", route.method).to_uppercase();
        let key = format!("{round}-{}", route.pattern);
        let answer = serving.ask(&method, &path, &[("idempotency-key", &key)], &body(route.pattern));
        let (status, said) = answer.unwrap_or_else(|| panic!("{method} {path} killed the server"));
        assert_ne!(status, 500, "{method} {path}: {said}");
    }
}

fn far_calls(serving: &Serving, name: &str) -> usize {
    let (_, calls) = serving.control("GET", "calls", &json!({})).unwrap();
    calls.matches(name).count()
}

/// A channel's order, paid a moment ago.
pub fn take_order(serving: &Serving, id: &str) -> String {
    let order = json!({
        "channel": "etsy", "channelOrderId": id, "items": [{ "sku": "MUG", "quantity": 1 }], "total": "25.00",
        "currency": "USD", "fee": "1.50", "paidAt": jiff::Timestamp::now().to_string(), "funds": "held_by_channel",
        "buyer": { "name": format!("Jane Miller {id}"), "email": "jane@buyer.test", "phone": "5593600000" },
        "shippingAddress": address(),
    });
    let (status, said) = serving.ask("POST", "/api/orders", &[], &order).unwrap();
    assert_eq!(status, 201, "{said}");
    serde_json::from_str::<Value>(&said).unwrap()["orderId"].as_str().unwrap().to_owned()
}

/// A checkout that the buyer approves.
fn pay_by_paypal(serving: &Serving) {
    let body = json!({
        "sku": "MUG", "quantity": 1, "shippingAddress": address(),
        "buyer": { "name": "Ann Other", "email": "ann@buyer.test", "phone": "5593600009" },
    });
    let (status, said) =
        serving.ask_openly("POST", "/api/paypal/create-order", &[("idempotency-key", "c1")], &body).unwrap();
    assert_eq!(status, 200, "{said}");
    let created: Value = serde_json::from_str(&said).unwrap();
    let id = created["paypalOrderId"].as_str().unwrap();
    serving.control("POST", &format!("paypal/orders/{id}/approve"), &json!({})).unwrap();
    let capture = json!({ "paypalOrderId": id });
    serving.ask_openly("POST", "/api/paypal/capture-order", &[("idempotency-key", "c2")], &capture).unwrap();
}

fn every_door(setting: &str) -> (usize, usize) {
    let shop = Shop::shipped().with("engine.tick=100ms").with(setting);
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(crate::shop::PROGRAM);
        command.env_clear().current_dir(shop.dir.path()).args(words).args(["-o", setting]);
        command.output().unwrap()
    };
    let (mut orders, mut bought, mut asked) = (Vec::new(), 0, 0);
    for round in 0..2 {
        let serving = shop.serve(None).unwrap();
        serving.ask("PUT", "/api/products/MUG", &[], &product()).unwrap();
        orders.push(take_order(&serving, &format!("100{round}")));
        if round == 0 {
            pay_by_paypal(&serving);
        }
        serving.wait_for_stage(&orders[0], &["held"]);
        for order in &orders {
            say_everything(&serving, order, round);
        }
        for words in [
            vec!["plan"],
            vec!["queue"],
            vec!["check"],
            vec!["doctor"],
            vec!["aliexpress", "status"],
            vec!["stop"],
            vec!["resume"],
            vec!["orders", "show", &orders[0]],
            vec!["orders", "release", &orders[0]],
            vec!["orders", "correct", &orders[0], "--phone", "5593600002"],
            vec!["orders", "resolve", &orders[0], "--nothing-there"],
            vec!["verify"],
        ] {
            run(&words);
        }
        // The scheduler goes round, and what was held is looked at again.
        std::thread::sleep(Duration::from_secs(2));
        bought += serving.book()["purchases"].as_array().unwrap().len();
        asked += far_calls(&serving, "aliexpress.");
        for order in &orders {
            let shown = serving.order(order);
            assert_eq!(shown["stage"], "held", "{setting}: {shown:#}");
        }
    }
    (bought, asked)
}

#[test]
fn manual_purchasing_buys_nothing_at_any_door() {
    let (bought, asked) = every_door("policy.purchasing=manual");
    assert_eq!(bought, 0);
    assert!(asked > 0, "the supplier was asked for a price");
}

#[test]
fn a_supplier_that_is_switched_off_is_not_even_asked() {
    assert_eq!(every_door("aliexpress.enabled=false"), (0, 0));
}

/// What the consent page answers.
fn consented(url: &str) -> Answer {
    let request =
        Request { method: "GET", url: url.to_owned(), headers: Vec::new(), body: Vec::new(), purpose: Purpose::LookUp };
    UreqWire::default().ask(&request).unwrap()
}

#[test]
fn a_seller_logs_in_from_the_command_line_or_by_the_callback() {
    let far = Sandbox::start(Options::default()).unwrap();
    let known = far.credentials().unwrap();
    let program = Program::new(SHIPPED)
        .with("POSTSALE_ALIEXPRESS__BASE_URL", &known.aliexpress_base_url)
        .with("ALIEXPRESS_APP_KEY", &known.aliexpress_app_key)
        .with("ALIEXPRESS_APP_SECRET", &known.aliexpress_app_secret);
    program.good(&["migrate"]);
    assert_eq!(program.run(&["aliexpress", "status"]).code, 2, "nobody has logged in");
    let begin = || {
        let said = program.good(&["aliexpress", "login"]);
        let url = said.lines().find(|line| line.contains("/oauth/authorize?")).unwrap().trim().to_owned();
        consented(&url).header("location").unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let back = begin();
    let strange = program.run(&["aliexpress", "login", "--code", &back.replace("state=", "state=x")]);
    assert_eq!(strange.code, 2, "{}", strange.err);
    assert!(strange.err.contains("was not begun here"), "{}", strange.err);
    let said = program.good(&["aliexpress", "login", "--code", &back]);
    assert!(said.contains("access until") && said.contains("the consent ends"), "{said}");
    let status = program.good(&["aliexpress", "status"]);
    assert!(status.contains("29 days") || status.contains("30 days"), "{status}");
    let again = program.run(&["aliexpress", "login", "--code", &back]);
    assert_eq!(again.code, 2, "a code is good once: {}", again.err);

    // By the callback of a running server.
    let serving = program.serve();
    let back = begin();
    let path = &back[back.find("/aliexpress/callback").unwrap()..];
    let wrong = ask_http(&serving.address, "GET", &path.replace("state=", "state=x"), "");
    assert!(wrong.starts_with("HTTP/1.1 400"), "{wrong}");
    let page = ask_http(&serving.address, "GET", path, "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("access until"), "{page}");
    let page = ask_http(&serving.address, "GET", path, "");
    assert!(page.starts_with("HTTP/1.1 400"), "{page}");
    let status = http(&serving.address, "GET", "/aliexpress/callback", &[], &json!({}));
    assert_eq!(status.unwrap().0, 400, "without a code");
    for text in [program.log(), program.good(&["tokens", "--json"]), program.good(&["aliexpress", "status", "--json"])]
    {
        assert!(!text.contains("5000500777"), "a token is shown: {text}");
    }
}

/// What the documents leave open is listed with what the program does about it, and what to try first.
#[test]
fn what_nobody_has_seen_at_aliexpress_is_listed() {
    let program = Program::new(SHIPPED);
    let text = program.good(&["doctor", "--explain", "aliexpress"]);
    let open =
        ["repeated out_order_id", "stock and address", "which letters", "old refresh token", "time zone", "IP list"];
    for what in open.into_iter().chain(["wrapped, bare", "afterpay", "loan a test account", "purchase_unknown"]) {
        assert!(text.contains(what), "{what}: {text}");
    }
    let listed: Value = serde_json::from_str(&program.good(&["doctor", "--explain", "aliexpress", "--json"])).unwrap();
    assert!(listed.to_string().contains("repeated out_order_id"), "{listed:#}");
}
