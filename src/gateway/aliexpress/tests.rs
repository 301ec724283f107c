//! The client against a scripted far side: what is sent, and how answers are read in every shape they come in.

use super::*;
use crate::gateway::REFUSED_HERE;
use crate::gateway::scripted::Scripted;
use std::collections::BTreeMap;

fn now() -> Timestamp {
    Timestamp::from_millisecond(1_767_225_600_000).unwrap()
}

fn code(text: &str) -> Currency {
    Currency::new(text).unwrap()
}

fn usd(text: &str) -> Money {
    Money::parse(text, code("USD")).unwrap()
}

fn token() -> Secret {
    Secret::new("token-1")
}

fn far(status: u16, body: &str) -> (Arc<Scripted>, AliExpress) {
    let wire = Scripted::new().then(status, body);
    let base_url = "https://api.test/".to_owned();
    let client = AliExpress::new(wire.clone(), base_url, "500001".to_owned(), Secret::new("app-secret"), None);
    (wire, client)
}

/// The form that was sent, decoded.
fn sent(wire: &Scripted) -> BTreeMap<String, String> {
    let body = String::from_utf8(wire.last().body).unwrap();
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                }
                other => bytes.push(other),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    body.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(n, v)| (n.to_owned(), decode(v))).collect()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    match result {
        Err(CallError::Refused { code, .. }) => code,
        other => panic!("no refusal: {other:?}"),
    }
}

fn order() -> PlaceRequest {
    PlaceRequest {
        out_order_id: "ABC234DEF567GHJ234".to_owned(),
        address: PlaceAddress {
            full_name: "José Muñoz".to_owned(),
            country: "CL".to_owned(),
            province: "Región Metropolitana".to_owned(),
            city: "Ñuñoa".to_owned(),
            address: "Calle 12 & 3º \"B\"".to_owned(),
            address2: None,
            zip: Some("7750000".to_owned()),
            phone_country: Some("+56".to_owned()),
            mobile_no: Some("912345678".to_owned()),
            extra: vec![("rut_no".to_owned(), "1-9".to_owned()), ("cpf".to_owned(), String::new())],
            trade_extra: Vec::new(),
        },
        items: vec![PlaceItem {
            product_id: "1005006000000001".to_owned(),
            quantity: 2,
            sku_attr: "14:29#Bear;183:200007741".to_owned(),
            service: Some("CAINIAO_FULFILLMENT_STD".to_owned()),
            memo: None,
        }],
        pay_currency: code("USD"),
        try_to_pay: false,
    }
}

#[test]
fn an_order_is_written_down_as_the_strings_that_will_be_sent() {
    let bytes = order_request(&order());
    assert_eq!(bytes, order_request(&order()));
    let document = Node::parse(&bytes).unwrap();
    let placed = concat!(
        r#"{"logistics_address":{"address":"Calle 12 & 3º \"B\"","city":"Ñuñoa","contact_person":"José Muñoz","#,
        r#""country":"CL","full_name":"José Muñoz","locale":"en_US","mobile_no":"912345678","phone_country":"+56","#,
        r#""province":"Región Metropolitana","rut_no":"1-9","zip":"7750000"},"out_order_id":"ABC234DEF567GHJ234","#,
        r#""product_items":[{"logistics_service_name":"CAINIAO_FULFILLMENT_STD","product_count":2,"#,
        r#""product_id":1005006000000001,"sku_attr":"14:29#Bear;183:200007741"}]}"#,
    );
    assert_eq!(document.at("param_place_order_request4_open_api_d_t_o").text(), Some(placed));
    let extend = r#"{"payment":{"pay_currency":"USD","try_to_pay":"false"}}"#;
    assert_eq!(document.at("ds_extend_request").text(), Some(extend));
    let paying = Node::parse(&order_request(&PlaceRequest { try_to_pay: true, ..order() })).unwrap();
    assert!(paying.at("ds_extend_request").text().unwrap().contains(r#""try_to_pay":"true""#));
    // The address of a buyer is not printed with the request that holds it.
    assert!(!format!("{:?}", order()).contains("Calle"));
}

const BOUGHT: &str = r#"{"aliexpress_ds_order_create_response":{"result":{"is_success":true,
    "order_list":{"number":[8198352049851315]}},"request_id":"212a"}}"#;

#[test]
fn a_resend_differs_only_in_time_and_signature() {
    let bytes = order_request(&order());
    let send = |s: i64| {
        let (wire, client) = far(200, BOUGHT);
        client.place(now() + jiff::SignedDuration::from_secs(s), &token(), &bytes).unwrap();
        assert_eq!((wire.last().method, wire.last().purpose), ("POST", Purpose::Money));
        assert_eq!(wire.last().url, "https://api.test/sync");
        sent(&wire)
    };
    let (first, again) = (send(0), send(600));
    let changed: Vec<&str> = first.keys().filter(|k| first[*k] != again[*k]).map(String::as_str).collect();
    assert_eq!(changed, ["sign", "timestamp"]);
    assert_eq!((first["method"].as_str(), first["app_key"].as_str()), ("aliexpress.ds.order.create", "500001"));
    assert_eq!((first["timestamp"].as_str(), first["sign_method"].as_str()), ("1767225600000", "sha256"));
    assert_eq!((first["access_token"].as_str(), first["sign"].len()), ("token-1", 64));
    assert_eq!(first.len(), 8);
}

/// What an answer to an order proves: the ids, a refusal's code, "not sent" or "unknown".
fn check_place(body: &str, expected: Result<&[&str], &str>) {
    let result = far(200, body).1.place(now(), &token(), &order_request(&order()));
    let ids = expected.map(|ids| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>());
    let result = result.map(|placed| placed.ids).map_err(|error| match error {
        CallError::Refused { code, .. } => code,
        CallError::Unsent(_) => "not sent".to_owned(),
        CallError::Unknown(_) => "unknown".to_owned(),
    });
    assert_eq!(result, ids.map_err(str::to_owned), "{body}");
}

#[test]
fn bought_means_success_and_an_id() {
    let one: Result<&[&str], &str> = Ok(&["8198352049851315"]);
    check_place(BOUGHT, one);
    for list in [
        r#"{"number":8198352049851315}"#,
        r#"["8198352049851315"]"#,
        "[8198352049851315]",
        "8198352049851315",
        r#"{"number":["8198352049851315",8198352049851315]}"#,
    ] {
        check_place(&format!(r#"{{"result":{{"is_success":"true","order_list":{list}}}}}"#), one);
    }
    let old = BOUGHT.replace("aliexpress_ds_order_create_response", "aliexpress_trade_buy_placeorder_response");
    check_place(&old, one);
    check_place(&BOUGHT.replace("[8198352049851315]", "[1,2]"), Ok(&["1", "2"]));
    check_place(r#"{"x_response":{"is_success":true,"order_list":[7]}}"#, Ok(&["7"]));
    let unpaid = BOUGHT.replace("}},", r#"},"error_msg":"OrderCreated, autoPay fail:APIPayFail"},"#);
    let placed = far(200, &unpaid).1.place(now(), &token(), &order_request(&order())).unwrap();
    assert_eq!(placed.note.as_deref(), Some("OrderCreated, autoPay fail:APIPayFail"));
}

#[test]
fn surely_not_bought_needs_an_exact_no() {
    let refused = |code: &str| {
        format!(
            r#"{{"aliexpress_ds_order_create_response":{{"result":{{"is_success":false,"error_code":"{code}","error_msg":"m"}}}}}}"#
        )
    };
    for code in ["DELIVERY_METHOD_NOT_EXIST", "INVENTORY_HOLD_ERROR", "A001_ORDER_CANNOT_BE_PLACED", "SKU_NOT_EXIST"] {
        check_place(&refused(code), Err(code));
    }
    check_place(
        r#"{"error_response":{"type":"ISV","code":"IllegalAccessToken","msg":"m"}}"#,
        Err("IllegalAccessToken"),
    );
    check_place(r#"{"error_response":{"type":"ISP","code":"ApiCallLimit","msg":"m"}}"#, Err("not sent"));
    for body in [
        refused("REPEATED_ORDER_ERROR"),
        refused(""),
        refused("SKU_NOT_EXIST").replace("\"is_success\":false,", ""),
        refused("SKU_NOT_EXIST").replace("false", "null"),
        refused("SKU_NOT_EXIST").replace("false", "0"),
        refused("SKU_NOT_EXIST").replace("\"error_msg\"", "\"order_list\":{\"number\":[5]},\"error_msg\""),
        BOUGHT.replace("[8198352049851315]", "[]"),
        BOUGHT.replace("\"is_success\":true,", ""),
        BOUGHT.replace("8198352049851315", "8.198352049851315e15"),
        BOUGHT.replace("8198352049851315", "\"none\""),
        r#"{"error_response":{"code":15,"sub_code":"isv.insufficient-permission","msg":"Remote service error"}}"#
            .to_owned(),
        r#"{"error_response":{"code":"InternalError","type":"SYSTEM"}}"#.to_owned(),
        r#"{"aliexpress_ds_order_create_response":{}}"#.to_owned(),
        "{}".to_owned(),
        "<html>Maintaining</html>".to_owned(),
        String::new(),
    ] {
        check_place(&body, Err("unknown"));
    }
    for status in [500, 502, 504, 403] {
        let result = far(status, BOUGHT).1.place(now(), &token(), &order_request(&order()));
        assert!(matches!(result, Err(CallError::Unknown(_))), "{status}");
    }
}

#[test]
fn ids_without_a_flag_are_told_to_the_human() {
    let body = BOUGHT.replace("\"is_success\":true,", "");
    let Err(CallError::Unknown(told)) = far(200, &body).1.place(now(), &token(), &order_request(&order())) else {
        panic!()
    };
    assert!(told.contains("8198352049851315"), "{told}");
}

#[test]
fn what_is_no_order_is_not_sent() {
    let (wire, client) = far(200, BOUGHT);
    for bytes in [b"".as_slice(), b"{}", b"[]", br#"{"ds_extend_request":"{}"}"#] {
        assert_eq!(refusal(client.place(now(), &token(), bytes)), REFUSED_HERE);
    }
    let without_id = order_request(&PlaceRequest { out_order_id: String::new(), ..order() });
    assert_eq!(refusal(client.place(now(), &token(), &without_id)), REFUSED_HERE);
    assert_eq!(refusal(client.place(now(), &Secret::new(""), &order_request(&order()))), REFUSED_HERE);
    for id in ["", "12a", "1}", "-1"] {
        assert_eq!(refusal(client.supplier_order(now(), &token(), id)), REFUSED_HERE);
        assert_eq!(refusal(client.tracking(now(), &token(), id)), REFUSED_HERE);
    }
    assert_eq!(refusal(client.product(now(), &token(), "1005", "", code("USD"))), REFUSED_HERE);
    assert!(wire.asked().is_empty());
}

const PRODUCT: &str = r#"{"aliexpress_ds_product_get_response":{"rsp_code":200,"rsp_msg":"ok","request_id":"r","result":{
  "ae_item_base_info_dto":{"product_id":1005006000000001,"product_status_type":"onSelling","currency_code":"CNY"},
  "ae_item_sku_info_dtos":{"ae_item_sku_info_d_t_o":[
    {"sku_id":"12000031234567891","sku_attr":"14:29#Bear","id":"14:29#Bear","offer_sale_price":"9.10","sku_price":"20.00",
     "currency_code":"USD","sku_available_stock":7,"buy_amount_limit_set_by_promotion":"2"},
    {"sku_id":12000031234567892,"id":"14:30","offer_sale_price":9.1,"currency_code":"USD","sku_available_stock":"0",
     "tax_amount":"1.00","estimated_import_charges":"0.50"},
    {"sku_id":"12000031234567893","offer_sale_price":"5","currency_code":"USD","price_include_tax":"true","tax_amount":"1"},
    {"sku_id":"12000031234567894","offer_sale_price":"9.101","currency_code":"USD"},
    {"sku_id":"12000031234567895","offer_sale_price":"9.10"},
    {"sku_id":"12000031234567896","offer_sale_price":"9.10","currency_code":"USD","tax_amount":"some"}]}}}}"#;

#[test]
fn a_product_is_read_without_floats_and_without_guesses() {
    let (wire, client) = far(200, PRODUCT);
    let seen = client.product(now(), &token(), "1005006000000001", "US", code("USD")).unwrap();
    let [bear, plain, taxed] = seen.variants.try_into().unwrap();
    assert!(seen.on_sale);
    assert_eq!((bear.sku_id.as_str(), bear.sku_attr.as_str()), ("12000031234567891", "14:29#Bear"));
    assert_eq!((bear.price, bear.stock, bear.buy_limit, bear.tax), (usd("9.10"), Some(7), Some(2), None));
    assert_eq!((plain.sku_id.as_str(), plain.sku_attr.as_str()), ("12000031234567892", "14:30"));
    assert_eq!((plain.price, plain.stock, plain.tax), (usd("9.10"), Some(0), Some(usd("1.50"))));
    assert_eq!((taxed.sku_attr.as_str(), taxed.tax, taxed.stock), ("", None, None));
    let asked = sent(&wire);
    assert_eq!((asked["ship_to_country"].as_str(), asked["target_currency"].as_str()), ("US", "USD"));
    assert_eq!(wire.last().purpose, Purpose::LookUp);

    let gone = PRODUCT.replace("onSelling", "offline");
    assert!(!far(200, &gone).1.product(now(), &token(), "1", "US", code("USD")).unwrap().on_sale);
    let other = PRODUCT.replace("\"USD\"", "\"EUR\"");
    let variants = far(200, &other).1.product(now(), &token(), "1", "US", code("USD")).unwrap().variants;
    assert_eq!(variants[0].price.currency, code("EUR"));
}

#[test]
fn one_variant_may_come_as_a_bare_object() {
    let sku = r#"{"sku_id":"1","offer_sale_price":"9.10","currency_code":"USD"}"#;
    for list in [format!(r#"{{"ae_item_sku_info_d_t_o":{sku}}}"#), format!("[{sku}]"), sku.to_owned()] {
        let body = format!(
            r#"{{"result":{{"ae_item_base_info_dto":{{"product_status_type":"onSelling"}},"ae_item_sku_info_dtos":{list}}}}}"#
        );
        let seen = far(200, &body).1.product(now(), &token(), "1", "US", code("USD")).unwrap();
        assert_eq!(seen.variants.len(), 1, "{list}");
    }
}

#[test]
fn a_product_that_is_gone_is_refused_by_its_code() {
    let product = |rsp: &str| {
        let body = format!(r#"{{"aliexpress_ds_product_get_response":{{"rsp_code":{rsp},"rsp_msg":"m"}}}}"#);
        far(200, &body).1.product(now(), &token(), "1", "US", code("USD"))
    };
    assert_eq!(refusal(product("602")), "602");
    assert_eq!(refusal(product("\"605\"")), "605");
    for rsp in ["404", "200", "null"] {
        assert!(matches!(product(rsp), Err(CallError::Unknown(_))), "{rsp}");
    }
}

fn freight(body: &str) -> (Arc<Scripted>, Result<Vec<FreightOption>, CallError>) {
    let (wire, client) = far(200, body);
    let question = FreightQuestion {
        product_id: "1005006000000001".to_owned(),
        sku_id: "12000031234567891".to_owned(),
        quantity: 2,
        country: "US".to_owned(),
        province: None,
        currency: code("USD"),
    };
    let answer = client.freight(now(), &token(), &question);
    (wire, answer)
}

#[test]
fn freight_is_in_major_units_whatever_its_name_says() {
    let (wire, options) = freight(
        r#"{"aliexpress_ds_freight_query_response":{"result":{"success":true,"code":200,"delivery_options":{
        "delivery_option_d_t_o":[
        {"code":"STD","company":"AliExpress standard","shipping_fee_cent":"1.99","shipping_fee_currency":"USD",
         "shipping_fee_format":"US $1,99","tracking":true,"max_delivery_days":12,"min_delivery_days":7},
        {"code":"FREE","free_shipping":"true","shipping_fee_currency":"USD","tracking":"false"},
        {"code":"FREE2","free_shipping":true},
        {"code":"NOFEE"},
        {"code":"ODD","shipping_fee_cent":"1.999","shipping_fee_currency":"USD"},
        {"code":"MINUS","shipping_fee_cent":"-1.00","shipping_fee_currency":"USD"}]}},"request_id":"r"}}"#,
    );
    let [std, free, free2] = options.unwrap().try_into().unwrap();
    assert_eq!((std.fee, std.tracked, std.days), (usd("1.99"), true, Some(12)));
    assert_eq!((free.fee, free.tracked, free.company.as_str()), (usd("0"), false, "FREE"));
    assert_eq!(free2.fee, usd("0"));
    let asked = &sent(&wire)["queryDeliveryReq"];
    let expected = concat!(
        r#"{"currency":"USD","language":"en_US","locale":"en_US","productId":"1005006000000001","quantity":"2","#,
        r#""selectedSkuId":"12000031234567891","shipToCountry":"US"}"#,
    );
    assert_eq!(asked, expected);
}

#[test]
fn no_way_of_sending_is_refused_by_its_code() {
    let failed = |code: &str| {
        let body =
            format!(r#"{{"x_response":{{"result":{{"success":false,"code":{code},"msg":"DELIVERY_INFO_EMPTY"}}}}}}"#);
        freight(&body).1
    };
    for code in ["501", "505", "506"] {
        assert_eq!(refusal(failed(code)), code);
    }
    assert_eq!(refusal(failed("\"505\"")), "505");
    assert!(matches!(failed("500"), Err(CallError::Unknown(_))));
    assert!(matches!(freight(r#"{"x_response":{"result":{}}}"#).1, Err(CallError::Unknown(_))));
}

const SUPPLIER_ORDER: &str = r#"{"aliexpress_trade_ds_order_get_response":{"result":{"gmt_create":"2024-09-09 21:00:03",
  "order_status":"WAIT_SELLER_SEND_GOODS","logistics_status":"NO_LOGISTICS","order_paidtime_string":"2024-09-09 21:05:00",
  "pay_timeout_second":"1036800","order_amount":{"amount":"8.88","currency_code":"EUR"},
  "user_order_amount":{"amount":"13.37","currency_code":"USD"},
  "child_order_list":{"aeop_child_order_info":[{"product_id":1005006000000001,"sku_id":"12000031234567891","product_count":2}]},
  "logistics_info_list":{"aeop_order_logistics_info":{"logistics_no":"LP001","logistics_service":"CAINIAO"}}}}}"#;

#[test]
fn a_supplier_order_is_read_with_the_total_of_the_payer() {
    let (wire, client) = far(200, SUPPLIER_ORDER);
    let seen = client.supplier_order(now(), &token(), "8198352049851315").unwrap();
    assert_eq!(sent(&wire)["single_order_query"], r#"{"order_id":8198352049851315}"#);
    assert_eq!((seen.id.as_str(), seen.status), ("8198352049851315", SupplierStatus::WaitSellerSendGoods));
    assert_eq!(seen.logistics_status, Some(LogisticsStatus::NoLogistics));
    assert_eq!((seen.total, seen.pay_timeout_s), (Some(usd("13.37")), Some(1_036_800)));
    assert_eq!(seen.paid_at_text.as_deref(), Some("2024-09-09 21:05:00"));
    let [child] = seen.children.try_into().unwrap();
    assert_eq!((child.product_id.as_str(), child.sku_id.as_deref()), ("1005006000000001", Some("12000031234567891")));
    assert_eq!((child.count, child.end_reason), (Some(2), None));
    assert_eq!(seen.tracking[0], ShipmentSeen { number: "LP001".to_owned(), carrier: Some("CAINIAO".to_owned()) });

    let unpaid = SUPPLIER_ORDER.replace(r#""order_paidtime_string":"2024-09-09 21:05:00","#, "");
    let unpaid =
        unpaid.replace(r#"{"amount":"13.37","currency_code":"USD"}"#, r#"[{"amount":"13.37","currency_code":"USD"}]"#);
    let seen = far(200, &unpaid.replace("WAIT_SELLER_SEND_GOODS", "BEAMED_UP")).1;
    let seen = seen.supplier_order(now(), &token(), "1").unwrap();
    assert_eq!((seen.paid_at_text, seen.total), (None, Some(usd("13.37"))));
    assert_eq!(seen.status, SupplierStatus::Other("BEAMED_UP".to_owned()));
}

#[test]
fn not_found_looks_like_no_permission() {
    let body = r#"{"error_response":{"type":"ISP","code":"15","msg":"Remote service error",
        "sub_code":"isv.insufficient-permission","sub_msg":"not your order","request_id":"r1"}}"#;
    let result = far(200, body).1.supplier_order(now(), &token(), "1");
    let expected = CallError::Refused {
        code: "isv.insufficient-permission".to_owned(),
        reason: "not your order".to_owned(),
        debug_id: Some("r1".to_owned()),
    };
    assert_eq!(result, Err(expected));
    let empty = far(200, r#"{"x_response":{"result":{}}}"#).1.supplier_order(now(), &token(), "1");
    assert!(matches!(empty, Err(CallError::Unknown(_))));
}

#[test]
fn parcels_are_followed() {
    let body = r#"{"aliexpress_ds_order_tracking_get_response":{"result":{"ret":true,"code":"200","data":{
      "tracking_detail_line_list":{"tracking_detail":[
        {"mail_no":"LP001","carrier_name":"Cainiao","eta_time_stamps":1726000000000,"detail_node_list":{"detail_node":[
           {"time_stamp":1725900000000,"tracking_name":"Delivered","tracking_detail_desc":"Left at the door"},
           {"time_stamp":1725800000000,"tracking_name":"Out for delivery","tracking_detail_desc":"On the van"}]}},
        {"mail_no":"LP002","detail_node_list":{"detail_node":{"time_stamp":"1725800000000","tracking_name":"Out for delivery"}}},
        {"mail_no":"LP003"},{"carrier_name":"nobody"}]}}}}}"#;
    let (wire, client) = far(200, body);
    let [first, second, third] = client.tracking(now(), &token(), "8198352049851315").unwrap().try_into().unwrap();
    assert_eq!(sent(&wire)["ae_order_id"], "8198352049851315");
    assert_eq!((first.number.as_str(), first.carrier.as_deref(), first.delivered), ("LP001", Some("Cainiao"), true));
    assert_eq!(first.last_event.as_deref(), Some("Left at the door"));
    assert_eq!(first.last_event_at, Some(Timestamp::from_millisecond(1_725_900_000_000).unwrap()));
    assert_eq!((second.delivered, second.last_event.as_deref()), (false, Some("Out for delivery")));
    assert_eq!((third.delivered, third.last_event, third.last_event_at), (false, None, None));

    let none = r#"{"x_response":{"result":{"ret":false,"code":"1001","msg":"TRACKING DATA NOT FOUND"}}}"#;
    assert_eq!(far(200, none).1.tracking(now(), &token(), "1"), Ok(Vec::new()));
    let other = far(200, &none.replace("1001", "500")).1.tracking(now(), &token(), "1");
    assert!(matches!(other, Err(CallError::Unknown(_))));
}

#[test]
fn a_token_is_made_and_renewed() {
    let body = r#"{"access_token":"50000a","refresh_token":"50001b","expires_in":"86400","refresh_expires_in":172800,
        "expire_time":1,"account":"shop@example.com","code":"0","request_id":"r"}"#;
    let (wire, client) = far(200, body);
    let seen = client.token_create(now(), "3_500001_Code").unwrap();
    assert_eq!(wire.last().url, "https://api.test/rest/auth/token/create");
    let asked = sent(&wire);
    assert_eq!(asked["code"], "3_500001_Code");
    assert!(!asked.contains_key("method") && !asked.contains_key("access_token"));
    assert_eq!((seen.access.expose(), seen.refresh.as_ref().map(Secret::expose)), ("50000a", Some("50001b")));
    assert_eq!(seen.access_expires_at, now() + jiff::SignedDuration::from_secs(86_400));
    assert_eq!(seen.refresh_expires_at, Some(now() + jiff::SignedDuration::from_secs(172_800)));
    assert!(!format!("{seen:?}").contains("5000"));

    let wrapped = r#"{"/auth/token/refresh_response":{"access_token":"n","expire_time":"1767312000000","code":"0"}}"#;
    let (wire, client) = far(200, wrapped);
    let seen = client.token_refresh(now(), &Secret::new("50001b")).unwrap();
    assert_eq!(sent(&wire)["refresh_token"], "50001b");
    assert!(seen.refresh.is_none() && seen.refresh_expires_at.is_none());
    assert_eq!(seen.access_expires_at, Timestamp::from_millisecond(1_767_312_000_000).unwrap());

    let spent = r#"{"type":"ISV","code":"InvalidCode","message":"Invalid code","request_id":"r"}"#;
    assert_eq!(refusal(far(200, spent).1.token_create(now(), "x")), "InvalidCode");
    assert!(matches!(far(200, r#"{"code":"0"}"#).1.token_create(now(), "x"), Err(CallError::Unknown(_))));
}

#[test]
fn the_wires_word_is_passed_on() {
    for error in [CallError::Unsent("refused".to_owned()), CallError::Unknown("reset".to_owned())] {
        let wire = Scripted::new().then_reply(Err(error.clone()));
        let client = AliExpress::new(
            wire,
            "https://x".to_owned(),
            "1".to_owned(),
            Secret::new("s"),
            Some(Duration::from_millis(1)),
        );
        assert_eq!(client.place(now(), &token(), &order_request(&order())), Err(error));
    }
}

#[test]
fn a_form_keeps_every_byte() {
    let form = form(&vec![("a", "Ñ &=+%~-._".to_owned()), ("b_1", "x".to_owned())]);
    assert_eq!(form, "a=%C3%91%20%26%3D%2B%25~-._&b_1=x");
}
