//! Every bad input: its status, its code, the field it names, and that nothing was stored.

use super::*;

#[test]
fn a_product_is_entered_read_back_and_replaced() {
    let world = world();
    let put = |body: &Value| world.ask_with("PUT", "/api/products/MUG-1", "operate", "", body);
    assert_eq!(put(&product()).status, 201);
    assert_eq!(put(&product()).status, 200, "the same again");
    let heard = put(&but(&but(&product(), "price", Some("26".into())), "maxLandedCost", Some("12.5".into())));
    assert_eq!((heard.status, &heard.body["price"]), (200, &"26.00".into()));
    let heard = world.get("/api/products/MUG-1");
    let expected = json!({
        "sku": "MUG-1", "title": "Mug", "price": "26.00", "currency": "USD", "active": true, "maxLandedCost": "12.50",
        "supplier": { "productId": "1005001234567890", "skuAttr": "14:29#Black", "skuId": "12000012345678901",
                      "shippingService": null },
    });
    assert_eq!(heard.body, expected);
    assert_eq!(world.get("/api/products").body["products"], json!([expected]));
    assert_eq!(world.get("/api/products/MUG-2").status, 404);
    // What was answered can be put back as it is.
    assert_eq!(put(&expected).status, 200);
}

#[test]
fn a_bad_product_is_refused_by_field() {
    let world = world();
    let check = |path: &str, value: Option<Value>, code: &str, field: &str| {
        let heard = world.ask_with("PUT", "/api/products/MUG-1", "operate", "", &but(&product(), path, value.clone()));
        assert_eq!((heard.status, heard.code()), (400, code), "{path} {value:?}: {}", heard.text());
        assert_eq!(heard.body["field"], field, "{path} {value:?}");
        assert_eq!(world.get("/api/products").body["products"], json!([]), "nothing was stored");
    };
    for (field, long) in [("title", 201), ("supplier.shippingService", 101), ("supplier.skuAttr", 201)] {
        check(field, Some("x".repeat(long).into()), "invalid_field", field);
        check(field, Some("a\nb".into()), "invalid_field", field);
        check(field, Some(7.into()), "invalid_field", field);
    }
    for field in ["title", "price", "currency", "active", "supplier", "supplier.productId", "supplier.skuId"] {
        check(field, None, "missing_field", field);
        check(field, Some(Value::Null), "missing_field", field);
    }
    check("title", Some("  ".into()), "missing_field", "title");
    check("supplier.skuAttr", None, "missing_field", "supplier.skuAttr");
    for price in ["0", "0.00", "-1", "1.005", "1e3", "NaN", "25,00", "99999999999999999999", "9999999999.00", "٣"] {
        check("price", Some(price.into()), "invalid_field", "price");
        check("maxLandedCost", Some(price.into()), "invalid_field", "maxLandedCost");
    }
    check("price", Some(25.into()), "invalid_field", "price");
    check("currency", Some("usd".into()), "invalid_field", "currency");
    check("currency", Some("XTS".into()), "invalid_field", "currency");
    // The books of this shop are kept in USD.
    check("currency", Some("EUR".into()), "invalid_field", "currency");
    check("active", Some("yes".into()), "invalid_field", "active");
    check("sku", Some("MUG-2".into()), "invalid_field", "sku");
    check("supplier.productId", Some("UNKNOWN".into()), "invalid_field", "supplier.productId");
    check("supplier.skuId", Some("12 3".into()), "invalid_field", "supplier.skuId");
    check("colour", Some("red".into()), "unknown_field", "colour");
    check("supplier.colour", Some("red".into()), "unknown_field", "colour");
    let heard = world.ask_with("PUT", "/api/products/MUG%201", "operate", "", &product());
    assert_eq!((heard.status, heard.code()), (400, "invalid_field"));
    let heard = world.ask_with("PUT", "/api/products/MUG-1", "operate", "", &Value::Null);
    assert_eq!((heard.status, heard.code()), (400, "bad_json"));
}

#[test]
fn a_bad_order_is_refused_by_field_and_not_stored() {
    let world = world();
    world.put_product();
    let check = |path: &str, value: Option<Value>, code: &str, field: &str| {
        let heard = world.post("/api/orders", "money", &but(&order("1001"), path, value.clone()));
        assert_eq!((heard.status, heard.code()), (400, code), "{path} {value:?}: {}", heard.text());
        assert_eq!(heard.body["field"], field, "{path} {value:?}");
        assert!(heard.body["detail"].as_str().unwrap().contains(field), "{path} {value:?}");
        assert_eq!(world.orders(), 0, "{path} {value:?}");
    };
    for field in ["channel", "channelOrderId", "items", "total", "currency", "paidAt", "funds"] {
        check(field, None, "missing_field", field);
    }
    let wrong: &[(&str, &[&str])] = &[
        ("total", &["0", "-25.00", "25.001", "1e2", "25 USD", "99999999999999999999", "9999999999.00"]),
        ("tax", &["-0.01", "-0", "25.00", "26", "0.001"]),
        ("fee", &["-1", "25.00", "x"]),
        ("taxRemittedBy", &["me"]),
        ("currency", &["usd", "EURO", "XTS", "EUR"]),
        ("paidAt", &["yesterday", "2030-01-31", "2030-01-31T11:00:00", "2030-01-31T12:11:00Z", "2030-02-30T00:00:00Z"]),
        ("funds", &["mine", "capture", "owner"]),
        ("channel", &["Etsy", "1etsy", "et sy", "checkout", "test", "purchase_only", "a/b"]),
        ("buyer.email", &["ada", "ada@", "@example.com", "ada@example", "a b@example.com", "a@b@c.com", "a@.com"]),
        ("shippingAddress.country", &["us", "USA", "U1", "United States"]),
        ("buyer.name", &["Ada\u{7}", "Ada\nLovelace"]),
        ("shippingAddress.line1", &["12 Oak St\r\nBcc: x"]),
    ];
    for (field, values) in wrong {
        for value in *values {
            check(field, Some((*value).into()), "invalid_field", field);
        }
    }
    for field in ["total", "fee", "tax"] {
        check(field, Some(20.into()), "invalid_field", field);
    }
    for (field, most) in [("buyer.name", 200), ("shippingAddress.line1", 200), ("channelOrderId", 100)] {
        check(field, Some("x".repeat(most + 1).into()), "invalid_field", field);
    }
    for (quantity, code) in [
        (json!(0), "invalid_field"),
        (json!(1001), "invalid_field"),
        (json!(-1), "invalid_field"),
        (json!(1.5), "invalid_field"),
        (json!("1"), "invalid_field"),
        (Value::Null, "missing_field"),
    ] {
        check("items", Some(json!([{ "sku": "MUG-1", "quantity": quantity }])), code, "items[0].quantity");
    }
    check("items", Some(json!([])), "invalid_field", "items");
    check("items", Some(json!([{ "quantity": 1 }])), "missing_field", "items[0].sku");
    check("payment", Some(json!({ "provider": "paypal" })), "missing_field", "payment.captureId");
    check("payment", Some(json!({ "provider": "p p", "captureId": "1" })), "invalid_field", "payment.provider");
    check("payment", Some(json!({ "provider": "p", "captureId": "1 2" })), "invalid_field", "payment.captureId");
    check("coupon", Some("x".into()), "unknown_field", "coupon");
    check("buyer.password", Some("x".into()), "unknown_field", "password");
}

#[test]
fn an_order_for_what_is_not_sold_is_refused() {
    let world = world();
    world.put_product();
    let check = |body: &Value, status: u16, code: &str| {
        let heard = world.post("/api/orders", "money", body);
        assert_eq!((heard.status, heard.code()), (status, code), "{}", heard.text());
        assert_eq!(world.orders(), 0);
    };
    check(&but(&order("1"), "items", Some(json!([{ "sku": "MUG-9", "quantity": 1 }]))), 400, "unknown_product");
    // A price without its currency would be read in the order's.
    check(&but(&order("1"), "currency", Some("EUR".into())), 400, "invalid_field");
    // What was kept of settled money is never guessed.
    let settled = but(&but(&order("1"), "funds", Some("settled".into())), "fee", None);
    check(&settled, 400, "invalid_field");
    world.ask_with("PUT", "/api/products/MUG-1", "operate", "", &but(&product(), "active", Some(false.into())));
    check(&order("1"), 409, "inactive_product");
}
