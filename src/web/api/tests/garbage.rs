//! Garbage at every route that changes something: each gets a clear problem, and not one row comes or goes.

use super::super::routes;
use super::road::connected;
use super::*;
use crate::web::route;

/// Every row of every table.
fn rows(world: &World) -> Vec<String> {
    let read = |c: &rusqlite::Connection| {
        let mut tables = c.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let tables: Vec<String> = tables.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut lines = Vec::new();
        for table in tables {
            let mut statement = c.prepare(&format!("SELECT * FROM {table}"))?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let fields = (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap()));
                lines.push(format!("{table} {}", fields.collect::<Vec<_>>().join(" | ")));
            }
        }
        Ok::<_, store::StoreError>(lines)
    };
    world.desk.engine.store.read(read).unwrap()
}

/// A world with one order, and every changing route of it.
fn shop() -> (World, Vec<(&'static str, String)>) {
    let (mut world, _plug) = connected();
    world.desk.slow_patience = Duration::ZERO;
    let id = world.take(&order("1001"));
    let changing = route::list(routes()).filter(|(method, ..)| *method != "GET");
    let target = |pattern: &str| pattern.replace("{sku}", "MUG-1").replace("{id}", &id.0);
    let routes = changing.map(|(method, pattern, _)| (method, target(pattern))).collect();
    (world, routes)
}

fn send(world: &World, method: &str, target: &str, body: &[u8]) -> Heard {
    let mut request = Request::new(method, target);
    for (name, value) in [("authorization", "Bearer money"), ("idempotency-key", "garbage")] {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    request.body = body.to_vec();
    let response = world.table.answer(&world.desk, request);
    let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    Heard { status: response.status, body, response }
}

fn check(world: &World, method: &str, target: &str, body: &[u8]) {
    let before = rows(world);
    let heard = send(world, method, target, body);
    let said = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
    let what = format!("{method} {target} {said}: {} {}", heard.status, heard.text());
    assert!((400..500).contains(&heard.status), "{what}");
    // The buyer's page answers a person.
    if !target.starts_with("/buy/") {
        assert_eq!(heard.response.header_value("content-type"), Some("application/problem+json"), "{what}");
        assert!(!heard.code().is_empty() && heard.body["detail"].as_str().is_some_and(|d| !d.is_empty()), "{what}");
    }
    assert_eq!(rows(world), before, "{what}");
}

#[test]
fn what_is_no_object_is_refused_everywhere() {
    let (world, routes) = shop();
    assert!(routes.len() > 20, "{routes:?}");
    let deep = [b"{\"a\":".repeat(2000), b"1".to_vec(), b"}".repeat(2000)].concat();
    let lists = [b"[".repeat(5000), b"]".repeat(5000)].concat();
    let garbage: [&[u8]; 12] = [
        b"{",
        b"nonsense",
        b"[1]",
        b"42",
        b"\"text\"",
        b"{\"a\":1e400}",
        b"{\"there is no such field\":1}",
        b"{\"a\":\"\\u0000\"}",
        b"\xff\xfe{}",
        b"{}{}",
        &deep,
        &lists,
    ];
    for (method, target) in &routes {
        for body in garbage {
            check(&world, method, target, body);
        }
    }
}

/// Bodies that would be heard, and fields of theirs that take more than a text.
fn good(target: &str) -> Option<(Value, &'static [&'static str])> {
    let whole = order("1002");
    let bought = json!({ "supplierOrderIds": ["8100000000000001"], "total": "9.00", "currency": "USD", "note": "n",
        "purchasedAt": NOW });
    let flow = json!({ "simulate": true, "sku": "MUG-1", "price": "25.00", "quantity": 1, "buyerName": "Ada",
        "buyerEmail": "ada@example.com", "phone": "5593600000", "addressLine1": "12 Oak St", "city": "Springfield",
        "state": "California", "zipCode": "93650", "country": "US", "writeReport": false });
    let purchase = json!({ "sku": "MUG-1", "price": "25.00", "quantity": 1, "customer": { "name": "Ada" } });
    Some(match target.rsplit('/').next()? {
        "orders" => (whole, &[][..]),
        "create-order" => (json!({ "sku": "MUG-1", "quantity": 1, "returnUrl": "https://a.test" }), &[]),
        "capture-order" => (json!({ "paypalOrderId": "P-1" }), &[]),
        "approve" => (json!({ "override": [], "quoteHash": "beef", "expiresAt": NOW }), &["override"]),
        "hold" | "cancel" => (json!({ "reason": "odd" }), &[]),
        "mark-purchased" => (bought, &[]),
        "mark-supplier-paid" => (json!({ "total": "9.00", "currency": "USD" }), &[]),
        "mark-shipped" => (json!({ "trackingNumber": "LP1", "carrier": "c" }), &[]),
        "refund" => {
            let whole =
                json!({ "reason": "odd", "amount": "5.00", "currency": "USD", "again": false, "confirm": false });
            (whole, &["again", "confirm"])
        }
        "settle" => {
            let whole = json!({ "amount": "23.50", "currency": "USD", "fee": "1.50", "account": "bank", "reference": "S1",
                "settledAt": NOW });
            (whole, &[])
        }
        "supplier-refund" => {
            let whole = json!({ "supplierOrderId": "8100000000000001", "amount": "2.00", "currency": "USD",
                "reference": "R1" });
            (whole, &[])
        }
        "mark-paid" => (json!({ "reference": "B1" }), &[]),
        "resolve-refund" => (json!({ "refundId": "R1", "number": 1 }), &["number"]),
        "resolve" if target.starts_with("/api/payouts/") => (json!({ "batchId": "B1" }), &[]),
        "resolve" => (json!({ "supplierOrderIds": ["8100000000000001"] }), &[]),
        "confirm" => (json!({ "recipient": "seller", "email": "a@b.test" }), &[]),
        "test-post-sale-flow" => (flow, &["simulate", "writeReport"]),
        "test-fulfillment-only" => (purchase, &[]),
        "MUG-1" if target.starts_with("/api/products/") => (product(), &["active"]),
        _ => return None,
    })
}

#[test]
fn wrong_types_and_huge_numbers_are_refused_field_by_field() {
    let (world, routes) = shop();
    let mut asked = 0;
    for (method, target) in &routes {
        let Some((body, free)) = good(target) else { continue };
        for field in body.as_object().unwrap().keys() {
            for value in [
                json!(1e300),
                json!(-1),
                json!(1.5),
                json!(u64::MAX),
                json!([{}]),
                json!({ "a": { "b": [1] } }),
                json!("x".repeat(70_000)),
                json!("a\u{7}b"),
                json!(true),
            ] {
                if value == json!(true) && free.contains(&field.as_str()) {
                    continue;
                }
                check(&world, method, target, but(&body, field, Some(value)).to_string().as_bytes());
                asked += 1;
            }
        }
    }
    assert!(asked > 300, "{asked}");
}

#[test]
fn amounts_below_zero_or_finer_than_a_cent_are_refused() {
    let (world, routes) = shop();
    for (method, target) in &routes {
        let Some((body, _)) = good(target) else { continue };
        for field in ["total", "price", "fee", "tax"] {
            if body[field].is_null() {
                continue;
            }
            for amount in ["-1", "-0.01", "1.005", "0.001", "1e3", "٣", "99999999999999999999999", "1,00", "0x1", ""] {
                // An empty text counts as missing, which a price of a test may be.
                if !amount.is_empty() || !target.contains("/internal/") && field == "total" {
                    check(&world, method, target, but(&body, field, Some(amount.into())).to_string().as_bytes());
                }
            }
        }
    }
}
