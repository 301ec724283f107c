//! The test flows at the door: what is missing is named whole, what makes no sense is refused by field, real money stands
//! behind its gates, and nothing is stored of what was refused.

use super::road::{connected, run};
use super::*;
use crate::config::load_text;
use crate::store::products::Product;

const FLOW: &str = "/api/internal/test-post-sale-flow";
const PURCHASE: &str = "/api/internal/test-fulfillment-only";

fn nested() -> Value {
    let whole = order("1");
    json!({ "simulate": false, "buyer": whole["buyer"], "shippingAddress": whole["shippingAddress"] })
}

/// The same as a form has it.
fn flat() -> Value {
    json!({
        "simulate": false, "buyerName": "Ada Lovelace", "buyerEmail": "ada@example.com", "phone": "+1 559 360 0000",
        "addressLine1": "12 Oak St", "city": "Springfield", "state": "California", "zipCode": "93650", "country": "US",
    })
}

fn trial() -> Value {
    let whole = order("1");
    let (buyer, address) = (&whole["buyer"], &whole["shippingAddress"]);
    let customer =
        json!({ "name": buyer["name"], "email": buyer["email"], "phone": buyer["phone"], "address": address });
    json!({ "sku": "MUG-1", "customer": customer })
}

/// A shop whose far sides answer and whose clients do not wait.
fn shop() -> (World, Arc<crate::rehearsal::plug::Plug>) {
    let (mut world, plug) = connected();
    world.desk.slow_patience = Duration::ZERO;
    world.desk.engine.book_opening_balance().unwrap();
    (world, plug)
}

/// Asks until whoever ran before has left; a flow ends a moment after its order was taken.
fn ask(world: &World, target: &str, key: &str, body: &Value) -> Heard {
    for _ in 0..500 {
        let heard = world.ask_with("POST", target, "money", key, body);
        if heard.code() != "flow_running" {
            return heard;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the flow before never ended");
}

/// The order of a flow that was taken; its first report may be there before the handler stops waiting for it.
fn taken(heard: &Heard) -> String {
    if heard.status == 200 {
        return heard.body["orderId"].as_str().unwrap().to_owned();
    }
    assert_eq!(heard.status, 202, "{}", heard.text());
    let location = format!("/api/jobs/{}", heard.body["id"].as_str().unwrap());
    assert_eq!(heard.response.header_value("location"), Some(location.as_str()));
    heard.body["orderId"].as_str().unwrap().to_owned()
}

#[test]
fn l14_every_missing_field_is_named_and_nothing_is_stored() {
    let (world, _plug) = shop();
    let all = [
        "simulate",
        "buyer.name",
        "buyer.email",
        "buyer.phone",
        "shippingAddress.line1",
        "shippingAddress.city",
        "shippingAddress.province",
        "shippingAddress.postalCode",
        "shippingAddress.country",
    ];
    let check = |target: &str, body: &Value, fields: &[&str]| {
        let heard = world.post(target, "money", body);
        assert_eq!((heard.status, heard.code()), (400, "missing_fields"), "{body}: {}", heard.text());
        assert_eq!(heard.body["fields"], json!(fields), "{body}");
        assert_eq!(world.orders(), 0);
    };
    check(FLOW, &json!({}), &all);
    check(FLOW, &but(&flat(), "simulate", None), &["simulate"]);
    check(FLOW, &but(&but(&flat(), "phone", Some(" ".into())), "state", None), &["buyer.phone", all[6]]);
    check(FLOW, &but(&nested(), "buyer.email", None), &["buyer.email"]);
    check(PURCHASE, &json!({}), &[&["productUrl or sku"], &all[1..]].concat());
    check(PURCHASE, &but(&trial(), "customer.address.country", None), &["shippingAddress.country"]);
}

#[test]
fn flat_and_nested_fields_are_the_same_order_and_both_at_once_are_refused() {
    let (world, _plug) = shop();
    let first = taken(&ask(&world, FLOW, "k-1", &flat()));
    let heard = ask(&world, FLOW, "k-1", &nested());
    assert_eq!(taken(&heard), first, "the same content under the same key");
    let other = ask(&world, FLOW, "k-1", &but(&flat(), "quantity", Some(2.into())));
    assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"), "{}", other.text());
    assert_ne!(taken(&ask(&world, FLOW, "", &flat())), first, "without a key each is its own");
    let mut twice = flat();
    twice["buyer"] = json!({ "name": "Ada" });
    let heard = world.post(FLOW, "money", &twice);
    assert_eq!((heard.status, &heard.body["field"]), (400, &"buyerName".into()), "{}", heard.text());
    assert_eq!(world.orders(), 2);
}

#[test]
fn a_flow_that_makes_no_sense_is_refused_by_field() {
    let (world, _plug) = shop();
    let check = |target: &str, body: &Value, path: &str, value: Value, status: u16, code: &str| {
        let heard = ask(&world, target, "", &but(body, path, Some(value.clone())));
        assert_eq!((heard.status, heard.code()), (status, code), "{path} {value}: {}", heard.text());
        assert_eq!(world.orders(), 0, "{path} {value}");
    };
    for price in ["25.01", "0", "-1", "1.005", "1e9", "99999999999999999999"] {
        check(FLOW, &flat(), "price", price.into(), 400, "invalid_field");
        check(PURCHASE, &trial(), "price", price.into(), 400, "invalid_field");
    }
    check(FLOW, &flat(), "price", 25.into(), 400, "invalid_field");
    for quantity in [json!(0), json!(-1), json!(1.5), json!("1"), json!(1001), json!(1e300)] {
        check(FLOW, &flat(), "quantity", quantity.clone(), 400, "invalid_field");
        check(PURCHASE, &trial(), "quantity", quantity, 400, "invalid_field");
    }
    check(FLOW, &flat(), "sku", "GONE".into(), 400, "unknown_product");
    check(PURCHASE, &trial(), "sku", "GONE".into(), 400, "unknown_product");
    check(FLOW, &flat(), "simulate", "no".into(), 400, "invalid_field");
    check(FLOW, &flat(), "writeReport", 1.into(), 400, "invalid_field");
    check(FLOW, &flat(), "coupon", "x".into(), 400, "unknown_field");
    check(FLOW, &flat(), "country", "USA".into(), 400, "invalid_field");
    check(FLOW, &flat(), "buyerEmail", "ada".into(), 400, "invalid_field");
    check(PURCHASE, &trial(), "customer", "Ada".into(), 400, "bad_json");
    check(PURCHASE, &trial(), "productUrl", "https://evil.tld/item/1005001234567890.html".into(), 400, "invalid_field");
    let url = "https://www.aliexpress.com/item/1005001234567890.html";
    check(PURCHASE, &trial(), "productUrl", url.into(), 400, "invalid_field");
    // Without a SKU only where there is nothing to choose.
    let cup =
        Product { sku: "CUP".to_owned(), ..world.desk.engine.store.read(store::products::list).unwrap().remove(0) };
    world.desk.engine.put_product(&cup).unwrap();
    let heard = ask(&world, FLOW, "", &flat());
    assert_eq!((heard.status, &heard.body["field"]), (400, &"sku".into()), "{}", heard.text());
    world.desk.engine.stop("test").unwrap();
    let heard = ask(&world, FLOW, "", &but(&flat(), "sku", Some("CUP".into())));
    assert_eq!((heard.status, heard.code()), (503, "stopped"));
    assert_eq!(world.orders(), 0);
}

#[test]
fn one_flow_at_a_time() {
    let (world, _plug) = shop();
    let run = world.desk.flows.enter().unwrap();
    for (target, body) in [(FLOW, flat()), (FLOW, but(&flat(), "simulate", Some(true.into()))), (PURCHASE, trial())] {
        let heard = world.post(target, "money", &body);
        assert_eq!((heard.status, heard.code()), (409, "flow_running"), "{}", heard.text());
    }
    assert_eq!(world.orders(), 0);
    drop(run);
    taken(&ask(&world, FLOW, "", &flat()));
}

#[test]
fn a_flow_that_waits_goes_on_by_itself_and_is_read_later() {
    let (world, plug) = shop();
    let heard = ask(&world, FLOW, "", &flat());
    let (order, job) = (taken(&heard), heard.body["id"].as_str().unwrap().to_owned());
    let report = |id: &str| world.get(&format!("{FLOW}/{id}"));
    let before = report(&order).body;
    assert!(before["report"]["ATTEMPT_PURCHASE"].as_str().unwrap().starts_with("PENDING"), "{before:#}");
    run(&world, 30);
    let after = report(&order).body;
    assert_eq!((&after["success"], &after["payoutExecuted"]), (&true.into(), &true.into()), "{after:#}");
    let job = world.get(&format!("/api/jobs/{job}")).body;
    assert_eq!((&job["state"], &job["answer"]), (&"finished".into(), &after), "{job:#}");
    assert_eq!(job["reportUrl"], format!("{FLOW}/{order}"));
    assert_eq!(plug.book()["captures"], json!([]), "a test never captures at PayPal");
    // Only a test's order is one.
    let sold = world.take(&super::order("1001"));
    assert_eq!((report(&sold.0).status, report("aaaaaaaaaaaaaaaa").status), (404, 404));
    assert_eq!(world.get(&format!("{PURCHASE}/{order}")).status, 404);
}

#[test]
fn a_trial_purchase_is_bought_and_nothing_else() {
    let (world, plug) = shop();
    let order = taken(&ask(&world, PURCHASE, "", &trial()));
    run(&world, 60);
    let told = world.get(&format!("{PURCHASE}/{order}")).body;
    assert_eq!((&told["success"], &told["error"]), (&true.into(), &Value::Null), "{told:#}");
    assert_eq!(told["aliexpressOrderId"], plug.book()["purchases"][0]["id"]);
    assert_eq!((&plug.book()["payouts"], &plug.book()["captures"]), (&json!([]), &json!([])));
    assert_eq!(world.get("/api/sales").body["sales"], json!([]));
}

#[test]
fn a_product_named_by_its_address_is_used_looked_up_or_listed() {
    let (world, plug) = shop();
    let by_url = |id: &str, price: Option<&str>| {
        let mut body = but(&trial(), "sku", None);
        body["productUrl"] = format!("https://www.aliexpress.com/item/{id}.html").into();
        if let Some(price) = price {
            body["price"] = price.into();
        }
        ask(&world, PURCHASE, "", &body)
    };
    let lines = |order: &str| world.get(&format!("/api/orders/{order}")).body["lines"].clone();
    // Known: used as it is.
    let order = taken(&by_url("1005001234567890", None));
    assert_eq!(lines(&order)[0]["sku"], "MUG-1", "{}", lines(&order));
    let product = world.desk.engine.store.read(store::products::list).unwrap().remove(0);
    world.desk.engine.put_product(&Product { sku: "MUG-2".to_owned(), ..product }).unwrap();
    let heard = by_url("1005001234567890", None);
    assert_eq!((heard.code(), &heard.body["skus"]), ("several_products", &json!(["MUG-1", "MUG-2"])));
    // Unknown, with several variants: listed, and none is chosen.
    let heard = by_url("1005009999999999", Some("20.00"));
    assert_eq!((heard.status, heard.code()), (400, "several_variants"), "{}", heard.text());
    let variants = heard.body["variants"].as_array().unwrap();
    assert!(variants.len() > 1 && variants.iter().all(|v| v["skuId"].is_string() && v["price"].is_string()));
    // Unknown, with one variant: a price of ours is needed, and it is not put up for sale.
    let one = json!({ "list": { "skuId": "65000000001", "skuAttr": "", "price": "7.00", "stock": 5 } });
    plug.control("POST", "/__control/aliexpress/products/32850000001", &one);
    let heard = by_url("32850000001", None);
    assert_eq!((heard.status, &heard.body["field"]), (400, &"price".into()), "{}", heard.text());
    let before = world.orders();
    assert_eq!(by_url("3285000", Some("20.00")).code(), "not_sold");
    assert_eq!(world.orders(), before);
    let order = taken(&by_url("32850000001", Some("20.00")));
    let shown = world.get("/api/products/ali-32850000001").body;
    assert_eq!((&shown["active"], &shown["price"]), (&false.into(), &"20.00".into()), "{shown:#}");
    run(&world, 30);
    let told = world.get(&format!("{PURCHASE}/{order}")).body;
    assert_eq!(told["success"], true, "{told:#}");
    // What is not for sale goes no other road.
    let heard = ask(&world, FLOW, "", &but(&flat(), "sku", Some("ali-32850000001".into())));
    assert_eq!((heard.status, heard.code()), (409, "inactive_product"));
}

#[test]
fn an_address_cannot_be_looked_up_without_a_supplier() {
    let world = world();
    let mut body = but(&trial(), "sku", None);
    body["productUrl"] = "https://www.aliexpress.com/item/1005001234567890.html".into();
    let heard = world.post(PURCHASE, "money", &body);
    assert_eq!((heard.status, heard.code()), (503, "aliexpress_unavailable"), "{}", heard.text());
}

#[test]
fn a_rehearsal_is_answered_warned_about_and_kept_nowhere_but_in_its_file() {
    let (mut world, _plug) = shop();
    world.desk.slow_patience = Duration::from_secs(60);
    let mut body = but(&flat(), "simulate", Some(true.into()));
    body["userId"] = "u-1".into();
    body["writeReport"] = true.into();
    let heard = world.post(FLOW, "money", &body);
    assert_eq!((heard.status, &heard.body["success"]), (200, &true.into()), "{}", heard.text());
    assert_eq!(heard.body["report"]["SYSTEM_READY_FOR_REAL_MONEY"], "BLOCKED sandbox");
    assert!(heard.body["warnings"][0].as_str().unwrap().starts_with("userId is ignored"), "{}", heard.text());
    let file = std::fs::read_to_string(heard.body["reportFile"].as_str().unwrap()).unwrap();
    let copy: Value = serde_json::from_str(&file).unwrap();
    assert_eq!((&copy["orderId"], &copy["report"]), (&heard.body["orderId"], &heard.body["report"]));
    assert_eq!(world.orders(), 0);
    let rows =
        world.desk.engine.store.read(|c| {
            Ok::<_, store::StoreError>(c.query_row("SELECT count(*) FROM errands", [], |r| r.get::<_, u32>(0))?)
        });
    assert_eq!(rows.unwrap(), 0);
}

/// A shop for real money that has nothing yet of what such a shop needs.
fn production() -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::new(NOW.parse().unwrap()));
    let wanted = store::open::Wanted { mode: Mode::Production, shop: "shop", now: clock.now() };
    let store = Arc::new(store::open::open(dir.path(), &wanted).unwrap());
    let settings = Settings { mode: Mode::Production, ..settings(&dir) };
    let parts = Parts { store, clock: clock.clone(), settings, paypal: None, aliexpress: None, journal_mirror: None };
    let engine = Arc::new(Engine::open(parts).unwrap());
    let schema = store::open::schema_of(dir.path()).unwrap();
    let mut desk = Desk::new(engine, BuildInfo::this(), "fp".to_owned(), schema.known, true);
    let text = "mode = \"production\"\n[paypal]\nbase_url = \"none\"\n[aliexpress]\nbase_url = \"none\"\n";
    let loaded = load_text(text, &[]).unwrap();
    let outside = crate::cli::assemble::Outside::described(&loaded.config, &loaded.secrets);
    let mut at = crate::cli::assemble::installation(&loaded.config, &outside, String::new());
    at.settings.data_dir = dir.path().to_owned();
    desk.installation = Some(Arc::new(at));
    World { desk, table: table(door()), clock, dir }
}

#[test]
fn real_money_needs_the_owners_words_and_every_gate() {
    let world = production();
    world.put_product();
    for (target, body) in [(FLOW, flat()), (PURCHASE, trial())] {
        let heard = world.post(target, "money", &body);
        assert_eq!((heard.status, &heard.body["fields"]), (400, &json!(["confirm"])), "{}", heard.text());
        let heard = world.post(target, "money", &but(&body, "confirm", Some("yes".into())));
        assert_eq!((heard.status, &heard.body["field"]), (400, &"confirm".into()), "{}", heard.text());
        let heard = world.post(target, "money", &but(&body, "confirm", Some("spend real money".into())));
        assert_eq!((heard.status, heard.code()), (409, "not_ready"), "{}", heard.text());
        let rows = heard.body["rows"].as_array().unwrap();
        let has = |id: &str| rows.iter().any(|row| row["id"] == id && row["status"] != "OK");
        // No server answers at its address, and no job has run.
        assert!(has("answers"), "{}", heard.text());
        assert!(rows.iter().all(|row| !["order", "purchase", "sale"].contains(&row["id"].as_str().unwrap())));
    }
    assert_eq!(world.orders(), 0);
    // A rehearsal spends nothing, so it needs neither.
    let heard = world.post(FLOW, "money", &but(&flat(), "simulate", Some(true.into())));
    assert_eq!((heard.status, &heard.body["success"]), (200, &true.into()), "{}", heard.text());
    assert_eq!(world.orders(), 0);
}
