//! Lists: filters, pages, and nothing of a buyer in any of them.

use super::*;

/// Ids of a list, page by page.
fn walk(world: &World, target: &str, list: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let heard = world.get(&format!("{target}{cursor}"));
        assert_eq!(heard.status, 200, "{}", heard.text());
        let rows = heard.body[list].as_array().unwrap();
        pages.push(rows.iter().map(|row| row["channelOrderId"].as_str().unwrap_or("").to_owned()).collect());
        let Some(next) = heard.body["nextCursor"].as_str() else { return pages };
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn orders_come_in_pages_newest_first() {
    let world = world();
    world.put_product();
    for n in 1..=5 {
        world.take(&order(&n.to_string()));
        world.clock.wind(SignedDuration::from_secs(1));
    }
    assert_eq!(walk(&world, "/api/orders?limit=2", "orders"), [vec!["5", "4"], vec!["3", "2"], vec!["1"]]);
    assert_eq!(walk(&world, "/api/orders?limit=5", "orders").concat().len(), 5);
    // Five of one instant: nothing is lost between the pages, nothing comes twice.
    for n in 6..=10 {
        world.take(&order(&n.to_string()));
    }
    let mut all = walk(&world, "/api/orders?limit=2", "orders").concat();
    all.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(all, (1..=10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn orders_are_filtered() {
    let world = world();
    world.put_product();
    world.take(&order("early"));
    world.desk.engine.run_due().unwrap();
    world.clock.wind(SignedDuration::from_hours(1));
    world.take(&order("late"));
    let check = |query: &str, expected: &[&str]| {
        assert_eq!(walk(&world, &format!("/api/orders?{query}"), "orders").concat(), expected, "{query}");
    };
    check("", &["late", "early"]);
    check("stage=held", &["early"]);
    check("stage=awaiting_payment", &["late"]);
    check("stage=closed", &[]);
    check("since=2030-01-31T12:30:00Z", &["late"]);
    check("q=arl", &["early"]);
    check("q=nobody", &[]);
    check("q=%25", &[]);
    check("stage=held&q=late", &[]);
    for query in ["stage=happy", "since=today", "limit=0", "limit=201", "limit=x", "cursor=!", "cursor=YQ", "stag=held"]
    {
        let heard = world.get(&format!("/api/orders?{query}"));
        assert_eq!((heard.status, heard.code()), (400, "bad_query"), "{query}");
        assert!(!heard.body["field"].is_null(), "{query}");
    }
}

#[test]
fn l31_the_queue_tells_reason_age_risk_and_next_step() {
    let world = world();
    world.put_product();
    let id = world.take(&but(&order("1001"), "buyer.name", None));
    assert_eq!(world.get("/api/queue").body["queue"], json!([]), "nobody has looked at it yet");
    world.desk.engine.run_due().unwrap();
    world.clock.wind(SignedDuration::from_mins(90));
    let heard = world.get("/api/queue");
    let rows = heard.body["queue"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&row["orderId"], &row["code"]), (&id.0.clone().into(), &"incomplete".into()));
    assert_eq!((&row["detail"], &row["ageSeconds"]), (&"missing: [buyer.name]".into(), &5400.into()));
    assert_eq!(row["since"], NOW);
    assert_eq!(row["advice"], "correct the order: fill in what is missing");
    let risk = json!([{ "amount": "25.00", "currency": "USD", "reason": "paid by the buyer, not yet bought" }]);
    assert_eq!(row["moneyAtRisk"], risk);
    assert_eq!(row["nextStep"], format!("POST /api/orders/{id}/release"));
    assert_eq!(row["payUrls"], json!([]));
}

#[test]
fn l40_no_list_holds_a_buyer() {
    let world = world();
    world.put_product();
    world.take(&order("1001"));
    world.desk.engine.run_due().unwrap();
    for target in ["/api/orders", "/api/queue", "/api/sales", "/api/payouts", "/api/products"] {
        let heard = world.get(target);
        assert_eq!(heard.status, 200, "{target}");
        for word in ["Ada", "example.com", "559", "Oak", "Springfield", "93650", "buyer\"", "shippingAddress"] {
            assert!(!heard.text().contains(word), "{target}: {word}");
        }
    }
    for target in ["/api/sales/aaaaaaaaaaaaaaaa", "/api/payouts/x"] {
        assert_eq!(world.get(target).status, 404, "{target}");
    }
}

#[test]
fn products_come_in_pages() {
    let world = world();
    for n in 1..=3 {
        world.ask_with("PUT", &format!("/api/products/P{n}"), "operate", "", &product());
    }
    let heard = world.get("/api/products?limit=2");
    assert_eq!(heard.body["products"].as_array().unwrap().len(), 2);
    let next = heard.body["nextCursor"].as_str().unwrap();
    let heard = world.get(&format!("/api/products?limit=2&cursor={next}"));
    assert_eq!((&heard.body["products"][0]["sku"], &heard.body["nextCursor"]), (&"P3".into(), &Value::Null));
}
