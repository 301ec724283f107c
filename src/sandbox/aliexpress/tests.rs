//! The AliExpress book by raw requests: the gateway's refusals, the road once, the key in all its readings, the shapes.

use super::*;
use serde_json::json;

const START: i64 = 1_767_225_600_000;
const HOUR: i64 = 3_600_000;

/// A buyer at his desk: a book, a token and the time.
struct Desk {
    book: Book,
    token: String,
    now: i64,
}

impl Desk {
    fn new() -> Self {
        Self::with(Switches::default())
    }

    fn with(switches: Switches) -> Self {
        let mut book = Book::new(1);
        book.set_switches(switches);
        let token = book.log_in(START).access.text;
        Self { book, token, now: START }
    }

    fn raw(&mut self, path: &str, parameters: &[(String, String)]) -> Value {
        let escaped = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let body: Vec<String> = parameters.iter().map(|(n, v)| format!("{}={}", escaped(n), escaped(v))).collect();
        let request = Request {
            method: "POST".into(),
            path: path.into(),
            body: body.join("&").into_bytes(),
            ..Request::default()
        };
        let answer = self.book.answer(&request, self.now);
        assert_eq!(answer.status, 200);
        assert!(answer.headers.iter().any(|(n, _)| n == "Date"));
        answer.value()
    }

    fn signed(&self, api: &str, own: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = own.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let now = self.now.to_string();
        let system = [("app_key", APP_KEY), ("sign_method", "sha256"), ("timestamp", now.as_str())];
        all.extend(system.iter().map(|(n, v)| (n.to_string(), v.to_string())));
        all.push(("sign".into(), sign::expected(APP_SECRET, api, &all)));
        all
    }

    /// The whole answer of a business method.
    fn whole(&mut self, method: &str, own: &[(&str, &str)]) -> Value {
        let token = self.token.clone();
        let mut all = vec![("method", method), ("access_token", token.as_str())];
        all.extend_from_slice(own);
        let all = self.signed("", &all);
        self.raw("/sync", &all)
    }

    /// What stands in the envelope.
    fn ask(&mut self, method: &str, own: &[(&str, &str)]) -> Value {
        let whole = self.whole(method, own);
        let envelope = format!("{}_response", method.replace('.', "_"));
        assert!(whole[&envelope].is_object(), "{whole}");
        whole[&envelope].clone()
    }

    fn create(&mut self, body: &Value, pays: bool) -> Value {
        let extend = json!({"payment": {"pay_currency": "USD", "try_to_pay": pays.to_string()}}).to_string();
        let asked = body.to_string();
        let own =
            [("param_place_order_request4_open_api_d_t_o", asked.as_str()), ("ds_extend_request", extend.as_str())];
        self.ask("aliexpress.ds.order.create", &own)["result"].clone()
    }

    fn bought(&mut self, key: &str, pays: bool) -> String {
        let result = self.create(&order(key), pays);
        assert_eq!(result["is_success"], true, "{result}");
        result["order_list"]["number"][0].as_u64().unwrap().to_string()
    }

    fn shown(&mut self, id: &str) -> Value {
        let query = format!("{{\"order_id\":{id}}}");
        self.ask("aliexpress.trade.ds.order.get", &[("single_order_query", &query)])["result"].clone()
    }

    fn tracked(&mut self, id: &str) -> Value {
        self.ask("aliexpress.ds.order.tracking.get", &[("ae_order_id", id), ("language", "en_US")])["result"].clone()
    }
}

fn order(key: &str) -> Value {
    json!({"out_order_id": key, "logistics_address": {"country": "US", "province": "Texas", "city": "Austin",
            "zip": "78701", "address": "1 Main Street", "contact_person": "Ada Lovelace", "full_name": "Ada Lovelace",
            "phone_country": "+1", "mobile_no": "4085550100", "locale": "en_US"},
        "product_items": [{"product_id": 1005001234567890_u64, "product_count": 2, "sku_attr": "14:29#Black",
            "logistics_service_name": "CAINIAO_FULFILLMENT_STD"}]})
}

#[test]
fn the_road_once() {
    let mut desk = Desk::new();
    let product = desk.ask("aliexpress.ds.product.get", &[("product_id", KNOWN_PRODUCT), ("ship_to_country", "US")]);
    assert_eq!(product["rsp_code"], 200);
    let sku = &product["result"]["ae_item_sku_info_dtos"]["ae_item_sku_info_d_t_o"][0];
    assert_eq!(
        (&sku["sku_id"], &sku["sku_attr"], &sku["offer_sale_price"], &sku["sku_available_stock"]),
        (&json!("12000012345678901"), &json!("14:29#Black"), &json!("8.40"), &json!(50))
    );
    let asked = json!({"productId": KNOWN_PRODUCT, "selectedSkuId": "12000012345678901", "quantity": "2",
        "shipToCountry": "US", "currency": "USD", "language": "en_US", "locale": "en_US"})
    .to_string();
    let freight = desk.ask("aliexpress.ds.freight.query", &[("queryDeliveryReq", &asked)]);
    let options = freight["result"]["delivery_options"]["delivery_option_d_t_o"].as_array().unwrap().clone();
    assert_eq!(
        (&options[0]["code"], &options[0]["shipping_fee_cent"]),
        (&json!("CAINIAO_FULFILLMENT_STD"), &json!("1.99"))
    );
    assert_eq!((&options[1]["free_shipping"], options[1].get("shipping_fee_cent")), (&json!(true), None));

    let id = desk.bought("o-1", false);
    assert_eq!(id.len(), 16);
    let seen = desk.shown(&id);
    assert_eq!((&seen["order_status"], seen.get("order_paidtime_string")), (&json!("PLACE_ORDER_SUCCESS"), None));
    assert_eq!(
        (&seen["user_order_amount"]["amount"], &seen["gmt_create"]),
        (&json!("18.79"), &json!("2025-12-31 16:00:00"))
    );
    assert_eq!(desk.tracked(&id)["code"], "1001");
    assert!(desk.book.turn(&id, Turn::Pay, desk.now));
    let seen = desk.shown(&id);
    assert_eq!(
        (&seen["order_status"], &seen["logistics_status"]),
        (&json!("WAIT_BUYER_ACCEPT_GOODS"), &json!("SELLER_SEND_GOODS"))
    );
    assert_eq!(desk.tracked(&id)["ret"], true);
    desk.now += 2_000;
    let seen = desk.shown(&id);
    assert_eq!((&seen["order_status"], &seen["logistics_status"]), (&json!("FINISH"), &json!("BUYER_ACCEPT_GOODS")));
    assert_eq!(seen["child_order_list"]["aeop_child_order_info"][0]["sku_id"], "12000012345678901");
    let line = &desk.tracked(&id)["data"]["tracking_detail_line_list"]["tracking_detail"][0];
    assert_eq!(line["detail_node_list"]["detail_node"][0]["tracking_name"], "Delivered");
}

#[test]
fn the_gateway_has_its_refusals() {
    let check = |change: fn(&mut Vec<(String, String)>), expected: &str| {
        let mut desk = Desk::new();
        let token = desk.token.clone();
        let own = [
            ("method", "aliexpress.ds.product.get"),
            ("access_token", token.as_str()),
            ("product_id", KNOWN_PRODUCT),
            ("ship_to_country", "US"),
        ];
        let mut all: Vec<(String, String)> = own.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let system = [("app_key", APP_KEY), ("sign_method", "sha256"), ("timestamp", "1767225600000")];
        all.extend(system.iter().map(|(n, v)| (n.to_string(), v.to_string())));
        change(&mut all);
        if !all.iter().any(|(n, _)| n == "sign") {
            all.push(("sign".into(), sign::expected(APP_SECRET, "", &all)));
        }
        let answer = desk.raw("/sync", &all);
        assert_eq!(answer["error_response"]["code"], expected, "{answer}");
    };
    fn set(all: &mut Vec<(String, String)>, name: &str, value: &str) {
        all.retain(|(n, _)| n != name);
        all.push((name.into(), value.into()));
    }
    check(|all| set(all, "app_key", "1"), "InvalidAppKey");
    check(|all| set(all, "sign", "00"), "IncompleteSignature");
    check(|all| set(all, "sign_method", "md5"), "IncompleteSignature");
    check(|all| set(all, "timestamp", "1767218399999"), "IllegalTimestamp");
    check(|all| set(all, "timestamp", "1767225600"), "IllegalTimestamp");
    check(|all| set(all, "method", "aliexpress.nothing"), "InvalidApiPath");
    check(|all| set(all, "access_token", "5000"), "IllegalAccessToken");
    check(|all| set(all, "product_id", ""), "MissingParameter");
    check(|all| all.retain(|(n, _)| n != "access_token"), "MissingParameter");
    check(|all| all.retain(|(n, _)| n != "timestamp"), "MissingParameter");
}

#[test]
fn an_order_is_refused_for_what_is_wrong_with_it() {
    let check = |change: fn(&mut Value), code: &str, words: &str| {
        let mut desk = Desk::new();
        let mut body = order("o");
        change(&mut body);
        let result = desk.create(&body, false);
        assert_eq!((&result["is_success"], result["error_code"].as_str()), (&json!(false), Some(code)), "{result}");
        assert!(result["error_msg"].as_str().unwrap().contains(words), "{result}");
        assert_eq!(desk.book.purchases().count(), 0);
    };
    let address = "B_DROPSHIPPER_DELIVERY_ADDRESS_VALIDATE_FAIL";
    check(|b| b["logistics_address"]["province"] = json!("TX"), address, "State/Province");
    check(|b| b["logistics_address"]["city"] = json!(""), address, "city");
    check(|b| b["logistics_address"]["zip"] = json!("787"), address, "zip");
    check(|b| b["logistics_address"]["full_name"] = json!("Ada"), address, "first name");
    check(|b| b["logistics_address"]["contact_person"] = json!("Ada ".repeat(10)), address, "2 - 32");
    check(|b| b["logistics_address"]["address"] = json!("x".repeat(36)), address, "5 - 35");
    check(|b| b["logistics_address"]["mobile_no"] = json!("+14085550100"), address, "7-13 digits");
    check(|b| b["logistics_address"]["mobile_no"] = json!(""), address, "mobile phone");
    check(|b| b["logistics_address"]["address"] = json!("улица Ленина"), address, "English");
    check(
        |b| {
            b["logistics_address"] = json!({"country": "BR", "province": "Sao Paulo", "city": "Campinas", "zip": "13010",
        "address": "Rua 1", "fullName": "x", "full_name": "Ana Lima", "contact_person": "Ana Lima", "mobile_no": "11999990000"})
        },
        address,
        "CPF",
    );
    check(|b| b["product_items"][0]["sku_attr"] = json!("14:1#Pink"), "SKU_NOT_EXIST", "");
    check(|b| b["product_items"][0]["product_id"] = json!(7), "PRODUCT_NOT_EXIST", "");
    check(|b| b["product_items"][0]["product_count"] = json!(51), "INVENTORY_HOLD_ERROR", "");
    check(|b| b["product_items"][0]["logistics_service_name"] = json!("DHL"), "DELIVERY_METHOD_NOT_EXIST", "");
}

#[test]
fn a_used_key_is_refused_for_a_day() {
    let mut desk = Desk::new();
    desk.bought("o", true);
    desk.now += 24 * HOUR - 1;
    assert_eq!(desk.create(&order("o"), true)["error_code"], "REPEATED_ORDER_ERROR");
    desk.now += 1;
    desk.bought("o", true);
    assert_eq!(desk.book.purchases().count(), 2);
}

#[test]
fn what_a_used_key_answers_can_be_chosen() {
    let check = |repeat: &str, orders: usize| {
        let mut desk = Desk::with(Switches { repeat: repeat.into(), ..Switches::default() });
        let first = desk.bought("o", true);
        let second = desk.bought("o", true);
        assert_eq!((first == second, desk.book.purchases().count()), (orders == 1, orders), "{repeat}");
    };
    check("same", 1);
    check("again", 2);
}

#[test]
fn the_stock_may_be_looked_at_before_the_key() {
    let check = |stock_before_key: bool, expected: &str| {
        let mut desk = Desk::with(Switches { stock_before_key, ..Switches::default() });
        let wish = json!({"stock": 2, "sku": "14:29#Black"});
        desk.book.set_product(KNOWN_PRODUCT, serde_json::from_value(wish).unwrap()).unwrap();
        desk.bought("o", true);
        assert_eq!(desk.create(&order("o"), true)["error_code"], expected);
    };
    check(true, "INVENTORY_HOLD_ERROR");
    check(false, "REPEATED_ORDER_ERROR");
}

#[test]
fn paying_at_once_can_fail_after_the_order_exists() {
    let mut desk = Desk::with(Switches { autopay: false, ..Switches::default() });
    let result = desk.create(&order("o"), true);
    assert_eq!(
        (&result["is_success"], &result["error_msg"]),
        (&json!(true), &json!("OrderCreated, autoPay fail:APIPayFail"))
    );
    let id = result["order_list"]["number"][0].to_string();
    assert_eq!(desk.shown(&id)["order_status"], "PLACE_ORDER_SUCCESS");
    let mut desk = Desk::new();
    let id = desk.bought("o", true);
    assert!(desk.shown(&id)["order_paidtime_string"].is_string());
}

#[test]
fn one_call_may_make_two_orders() {
    let mut desk = Desk::with(Switches { split: true, ..Switches::default() });
    let ids = desk.create(&order("o"), true)["order_list"]["number"].as_array().unwrap().len();
    assert_eq!((ids, desk.book.purchases().count()), (2, 2));
}

#[test]
fn lists_come_in_four_shapes() {
    let check = |shape: &str, find: fn(&Value) -> &Value| {
        let mut desk = Desk::with(Switches { list_shape: shape.into(), ..Switches::default() });
        let result = desk.create(&order("o"), true);
        assert!(find(&result["order_list"]).is_u64(), "{shape} {result}");
    };
    check("wrapped", |l| &l["number"][0]);
    check("bare", |l| &l[0]);
    check("single", |l| &l["number"]);
    check("naked", |l| l);
}

#[test]
fn a_new_order_may_be_hidden_for_a_while() {
    let mut desk = Desk::with(Switches { order_hidden_s: 10, ..Switches::default() });
    let id = desk.bought("o", false);
    let query = format!("{{\"order_id\":{id}}}");
    let answer = desk.whole("aliexpress.trade.ds.order.get", &[("single_order_query", &query)]);
    assert_eq!(
        (&answer["error_response"]["code"], &answer["error_response"]["sub_code"]),
        (&json!("15"), &json!("isv.insufficient-permission"))
    );
    desk.now += 10_000;
    assert_eq!(desk.shown(&id)["order_status"], "PLACE_ORDER_SUCCESS");
}

#[test]
fn an_order_goes_the_way_it_is_led() {
    let mut desk = Desk::with(Switches { ships_by_itself: false, hidden_charge: "1.99".into(), ..Switches::default() });
    let id = desk.bought("o", true);
    desk.now += HOUR;
    let words = |desk: &mut Desk, id: &str| {
        let seen = desk.shown(id);
        (seen["order_status"].as_str().unwrap().to_string(), seen["logistics_status"].as_str().unwrap().to_string())
    };
    let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
    assert_eq!(desk.shown(&id)["user_order_amount"]["amount"], "20.78");
    assert_eq!(words(&mut desk, &id), pair("WAIT_SELLER_SEND_GOODS", "WAIT_SELLER_SEND_GOODS"));
    assert!(desk.book.turn(&id, Turn::Ship, desk.now));
    assert_eq!(words(&mut desk, &id), pair("WAIT_BUYER_ACCEPT_GOODS", "SELLER_SEND_GOODS"));
    let forced = Forced { status: Some("RISK_CONTROL".into()), ..Forced::default() };
    assert!(desk.book.force(&id, forced));
    assert_eq!(words(&mut desk, &id), pair("RISK_CONTROL", "SELLER_SEND_GOODS"));
    assert!(desk.book.turn(&id, Turn::Deliver, desk.now));
    assert_eq!(words(&mut desk, &id), pair("FINISH", "BUYER_ACCEPT_GOODS"));
    assert!(!desk.book.turn(&id, Turn::Pay, desk.now));

    let cancelled = desk.bought("p", false);
    assert!(desk.book.turn(&cancelled, Turn::Cancel, desk.now));
    let seen = desk.shown(&cancelled);
    let reason = &seen["child_order_list"]["aeop_child_order_info"][0]["end_reason"];
    assert_eq!((&seen["order_status"], reason), (&json!("FINISH"), &json!("buyer_cancel_order")));
    assert!(!desk.book.turn(&cancelled, Turn::Pay, desk.now));
}

#[test]
fn an_unpaid_order_closes_by_itself() {
    let mut desk = Desk::new();
    let id = desk.bought("o", false);
    desk.now += 12 * 24 * HOUR;
    let seen = desk.shown(&id);
    assert_eq!((&seen["order_status"], seen.get("order_paidtime_string")), (&json!("FINISH"), None));
    assert_eq!(seen["child_order_list"]["aeop_child_order_info"][0]["end_reason"], "pay_timeout");
}

#[test]
fn freight_says_no_in_its_own_way() {
    let check = |field: &str, value: Value, code: i64| {
        let mut asked = json!({"productId": KNOWN_PRODUCT, "selectedSkuId": "12000012345678901", "quantity": "1",
            "shipToCountry": "US", "currency": "USD", "language": "en_US", "locale": "en_US"});
        asked[field] = value;
        let result =
            Desk::new().ask("aliexpress.ds.freight.query", &[("queryDeliveryReq", &asked.to_string())])["result"]
                .clone();
        assert_eq!((&result["success"], &result["code"]), (&json!(false), &json!(code)), "{field}");
    };
    check("selectedSkuId", json!("14:29#Black"), 501);
    check("productId", json!("7"), 501);
    check("quantity", json!("51"), 505);
}

#[test]
fn a_product_can_be_changed() {
    let mut desk = Desk::new();
    let mut set = |wish: Value| desk.book.set_product("1005009999999999", serde_json::from_value(wish).unwrap());
    assert!(set(json!({"price": "5.55", "stock": 3, "freight": [{"code": "X"}]})).is_ok());
    assert!(set(json!({"price": "5,55"})).is_err());
    let own = [("product_id", "1005009999999999"), ("ship_to_country", "US")];
    let product = desk.ask("aliexpress.ds.product.get", &own);
    let sku = &product["result"]["ae_item_sku_info_dtos"]["ae_item_sku_info_d_t_o"][1];
    assert_eq!((&sku["offer_sale_price"], &sku["sku_available_stock"]), (&json!("5.55"), &json!(3)));
    assert_eq!(sku["sku_id"].as_str().unwrap().len(), 17);
    let nothing = desk.ask("aliexpress.ds.product.get", &[("product_id", "12"), ("ship_to_country", "US")]);
    assert_eq!(nothing["rsp_code"], 605);
}

#[test]
fn tokens_live_and_end() {
    let mut desk = Desk::with(Switches { rotate_refresh_token: true, ..Switches::default() });
    let code = desk.book.new_code(desk.now);
    let call = |desk: &mut Desk, api: &str, name: &str, value: &str| {
        let all = desk.signed(api, &[(name, value)]);
        desk.raw(&format!("/rest{api}"), &all)
    };
    let first = call(&mut desk, "/auth/token/create", "code", &code);
    assert_eq!((&first["code"], &first["expires_in"]), (&json!("0"), &json!(30 * 86_400)));
    assert_eq!(call(&mut desk, "/auth/token/create", "code", &code)["code"], "InvalidCode");
    let old = first["refresh_token"].as_str().unwrap().to_string();
    desk.now += 40 * 24 * HOUR;
    let second = call(&mut desk, "/auth/token/refresh", "refresh_token", &old);
    assert_eq!(second["code"], "0");
    // The ceiling stays where the consent put it.
    assert_eq!(second["refresh_token_valid_time"], first["refresh_token_valid_time"]);
    assert_eq!(call(&mut desk, "/auth/token/refresh", "refresh_token", &old)["code"], "IllegalRefreshToken");
    desk.token = second["access_token"].as_str().unwrap().to_string();
    desk.bought("o", true);
    desk.now += 20 * 24 * HOUR;
    let answer = desk.whole("aliexpress.ds.product.get", &[("product_id", KNOWN_PRODUCT), ("ship_to_country", "US")]);
    assert_eq!(answer["error_response"]["code"], "IllegalAccessToken");
    let new = second["refresh_token"].as_str().unwrap();
    assert_eq!(call(&mut desk, "/auth/token/refresh", "refresh_token", new)["code"], "IllegalRefreshToken");
    // With the path in the wrong form the signature is wrong.
    let all = desk.signed("/rest/auth/token/create", &[("code", "x")]);
    assert_eq!(desk.raw("/rest/auth/token/create", &all)["code"], "IncompleteSignature");
}

#[test]
fn the_address_tree_stands_in_a_string() {
    for (strict_cities, city) in [(true, "Austin".into()), (false, Value::Null)] {
        let mut desk = Desk::with(Switches { strict_cities, ..Switches::default() });
        let answer = desk.ask("aliexpress.ds.address.get", &[("countryCode", "US"), ("language", "en_US")]);
        let children: Value = serde_json::from_str(answer["result"]["data"]["children"].as_str().unwrap()).unwrap();
        let texas = children.as_array().unwrap().iter().find(|p| p["name"] == "Texas").unwrap();
        assert_eq!(texas["children"][0]["name"], city);
    }
}
