//! The client against a scripted far side: what is sent, byte for byte, and how answers of the documented shapes are
//! read.

use super::*;
use crate::domain::money::{Currency, Money};
use crate::gateway::scripted::{Scripted, sent_header};

const TOKEN: &str = r#"{"scope":"https://uri.paypal.com/services/payments/payouts openid","access_token":"A21.first",
    "token_type":"Bearer","app_id":"APP-1","expires_in":32400,"nonce":"n"}"#;
const TOKEN_2: &str = r#"{"access_token":"A21.second","expires_in":"32400"}"#;
const STALE: &str = r#"{"error":"invalid_token","error_description":"expired"}"#;

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + s).unwrap()
}

fn usd(text: &str) -> Money {
    Money::parse(text, Currency::new("USD").unwrap()).unwrap()
}

fn paypal(wire: &Arc<Scripted>) -> PayPal {
    paypal_at(wire, "https://paypal.test/")
}

pub(super) fn paypal_at(wire: &Arc<Scripted>, base_url: &str) -> PayPal {
    PayPal::new(wire.clone(), base_url.to_owned(), "id".to_owned(), Secret::new("secret"))
}

/// A far side that has handed out a token already.
fn signed_in(status: u16, body: &str) -> (Arc<Scripted>, PayPal) {
    let wire = Scripted::new().then(200, TOKEN).then(status, body);
    let paypal = paypal(&wire);
    (wire, paypal)
}

fn is_unknown<T: std::fmt::Debug>(result: &Result<T, CallError>) -> bool {
    matches!(result, Err(CallError::Unknown(_)))
}

fn is_refused_here<T>(result: &Result<T, CallError>) -> bool {
    matches!(result, Err(CallError::Refused { code, .. }) if code == super::super::REFUSED_HERE)
}

const ORDER: &str = r#"{"id":"5O190127TN364715T","status":"COMPLETED","intent":"CAPTURE",
  "payment_source":{"paypal":{"email_address":"b@example.com","name":{"given_name":"Ann","surname":"Lee"},
     "phone_number":{"national_number":"5593600000"}}},
  "purchase_units":[{"reference_id":"default","custom_id":"ord-1","invoice_id":"inv-1",
    "amount":{"currency_code":"USD","value":"49.90"},"payee":{"merchant_id":"MERCHANT1","email_address":"s@example.com"},
    "shipping":{"name":{"full_name":"Ann Lee"},"address":{"address_line_1":"1 Main St","admin_area_2":"Vineland",
       "admin_area_1":"NJ","postal_code":"08360","country_code":"US"}},
    "payments":{"captures":[{"id":"3C679366HH908993F","status":"COMPLETED","custom_id":"ord-1","invoice_id":"inv-1",
       "amount":{"currency_code":"USD","value":"49.9"},"create_time":"2026-09-17T21:00:03Z",
       "seller_receivable_breakdown":{"gross_amount":{"currency_code":"USD","value":"49.90"},
         "paypal_fee":{"currency_code":"USD","value":"2.23"},"net_amount":{"currency_code":"USD","value":"47.67"}}}],
      "refunds":[{"id":"1JU08902781691411","status":"PENDING","status_details":{"reason":"ECHECK"},
         "amount":{"currency_code":"USD","value":"5.00"},"custom_id":"ref-1","invoice_id":"ref-1"}]}}],
  "links":[{"href":"https://api.paypal.com/v2/checkout/orders/5O190127TN364715T","rel":"self","method":"GET"}]}"#;

fn checkout() -> CheckoutRequest {
    CheckoutRequest {
        reference: "ord-1".to_owned(),
        invoice_id: "inv-1".to_owned(),
        amount: usd("49.90"),
        description: "Lamp".to_owned(),
        return_url: "https://shop.test/ok".to_owned(),
        cancel_url: "https://shop.test/no".to_owned(),
        shipping: Some(Shipping {
            name: "Ann Lee".to_owned(),
            line1: "1 Main St".to_owned(),
            line2: None,
            city: "Vineland".to_owned(),
            province: Some("NJ".to_owned()),
            postal_code: Some("08360".to_owned()),
            country: "US".to_owned(),
        }),
    }
}

fn payout() -> PayoutRequest {
    PayoutRequest {
        sender_batch_id: "po-1".to_owned(),
        sender_item_id: "item-1".to_owned(),
        receiver_email: "r@example.com".to_owned(),
        amount: usd("10.00"),
        note: "September".to_owned(),
        email_subject: "Your share".to_owned(),
    }
}

#[test]
fn a_checkout_has_exact_bytes() {
    let body = String::from_utf8(create_order_body(&checkout()).unwrap()).unwrap();
    let expected = concat!(
        r#"{"intent":"CAPTURE","payment_source":{"paypal":{"experience_context":{"cancel_url":"https://shop.test/no","#,
        r#""payment_method_preference":"IMMEDIATE_PAYMENT_REQUIRED","return_url":"https://shop.test/ok","#,
        r#""shipping_preference":"SET_PROVIDED_ADDRESS","user_action":"PAY_NOW"}}},"purchase_units":[{"amount":"#,
        r#"{"currency_code":"USD","value":"49.90"},"custom_id":"ord-1","description":"Lamp","invoice_id":"inv-1","#,
        r#""shipping":{"address":{"address_line_1":"1 Main St","admin_area_1":"NJ","admin_area_2":"Vineland","#,
        r#""country_code":"US","postal_code":"08360"},"name":{"full_name":"Ann Lee"}}}]}"#,
    );
    assert_eq!(body, expected);
    let elsewhere = CheckoutRequest { shipping: None, description: String::new(), ..checkout() };
    let body = String::from_utf8(create_order_body(&elsewhere).unwrap()).unwrap();
    assert!(body.contains("GET_FROM_FILE") && !body.contains("address") && !body.contains("description"), "{body}");
}

#[test]
fn what_paypal_cannot_express_is_not_written() {
    let forint = Money::parse("10.50", Currency::new("HUF").unwrap()).unwrap();
    assert!(create_order_body(&CheckoutRequest { amount: forint, ..checkout() }).unwrap_err().contains("HUF"));
    for reference in ["", "has blanks", "ünïcode", "a/b", &"x".repeat(128)] {
        assert!(create_order_body(&CheckoutRequest { reference: reference.to_owned(), ..checkout() }).is_err());
    }
}

#[test]
fn a_call_bears_token_key_and_bytes() {
    let created = r#"{"id":"5O190127TN364715T","status":"PAYER_ACTION_REQUIRED","links":[
        {"href":"https://www.paypal.com/checkoutnow?token=5O190127TN364715T","rel":"payer-action","method":"GET"}]}"#;
    let (wire, paypal) = signed_in(201, created);
    let seen = paypal.create_order(at(0), "ord-key", b"{\"x\":1}").unwrap();
    assert_eq!(seen.status, CheckoutStatus::PayerActionRequired);
    assert_eq!(seen.approve_url.as_deref(), Some("https://www.paypal.com/checkoutnow?token=5O190127TN364715T"));
    let [token, call] = wire.asked().try_into().unwrap();
    assert_eq!(token.url, "https://paypal.test/v1/oauth2/token");
    assert_eq!(sent_header(&token, "Authorization"), Some("Basic aWQ6c2VjcmV0"));
    assert_eq!(token.body, b"grant_type=client_credentials");
    assert_eq!((call.method, call.url.as_str()), ("POST", "https://paypal.test/v2/checkout/orders"));
    assert_eq!((call.body.as_slice(), call.purpose), (b"{\"x\":1}".as_slice(), Purpose::Money));
    assert_eq!(sent_header(&call, "Authorization"), Some("Bearer A21.first"));
    assert_eq!(sent_header(&call, "PayPal-Request-Id"), Some("ord-key"));
    assert_eq!(sent_header(&call, "Prefer"), Some("return=representation"));
}

#[test]
fn an_order_is_read_whole() {
    let (wire, paypal) = signed_in(200, ORDER);
    let seen = paypal.order(at(0), "5O190127TN364715T").unwrap().unwrap();
    assert_eq!(wire.last().url, "https://paypal.test/v2/checkout/orders/5O190127TN364715T");
    assert_eq!((wire.last().method, wire.last().purpose), ("GET", Purpose::LookUp));
    assert_eq!((seen.status, seen.amount, seen.approve_url), (CheckoutStatus::Completed, Some(usd("49.90")), None));
    assert_eq!((seen.custom_id.as_deref(), seen.invoice_id.as_deref()), (Some("ord-1"), Some("inv-1")));
    assert_eq!(seen.payee_merchant_id.as_deref(), Some("MERCHANT1"));
    let payer = seen.payer.unwrap();
    assert_eq!((payer.name.as_deref(), payer.phone.as_deref()), (Some("Ann Lee"), Some("5593600000")));
    assert_eq!(payer.email.as_deref(), Some("b@example.com"));
    let to = seen.shipping.unwrap();
    assert_eq!((to.city.as_str(), to.province.as_deref(), to.line2), ("Vineland", Some("NJ"), None));
    let [capture] = seen.captures.try_into().unwrap();
    assert_eq!((capture.status, capture.amount), (CaptureStatus::Completed, usd("49.90")));
    assert_eq!((capture.fee, capture.net, capture.received), (Some(usd("2.23")), Some(usd("47.67")), None));
    assert_eq!(capture.created_at, Some("2026-09-17T21:00:03Z".parse().unwrap()));
    let [refund] = seen.refunds.try_into().unwrap();
    assert_eq!((refund.status, refund.reason.as_deref()), (RefundStatus::Pending, Some("ECHECK")));
}

#[test]
fn an_expired_order_is_none_and_a_lost_path_is_not() {
    let gone = r#"{"name":"RESOURCE_NOT_FOUND","details":[{"issue":"INVALID_RESOURCE_ID"}],"debug_id":"d"}"#;
    assert_eq!(signed_in(404, gone).1.order(at(0), "A1"), Ok(None));
    assert!(is_unknown(&signed_in(404, "<html>no such page</html>").1.order(at(0), "A1")));
    assert!(is_unknown(&signed_in(500, gone).1.order(at(0), "A1")));
    let denied = r#"{"name":"NOT_AUTHORIZED","details":[{"issue":"PERMISSION_DENIED"}],"debug_id":"d"}"#;
    let refused = signed_in(403, denied).1.order(at(0), "A1");
    assert!(matches!(refused, Err(CallError::Refused { code, .. }) if code == "PERMISSION_DENIED"));
}

#[test]
fn a_capture_without_details_is_a_success_to_be_looked_up() {
    let (_, paypal) = signed_in(201, r#"{"id":"A1","status":"COMPLETED","links":[]}"#);
    let seen = paypal.capture(at(0), "A1", "cap-1", b"{}").unwrap();
    assert_eq!((seen.status, seen.captures.len(), seen.amount), (CheckoutStatus::Completed, 0, None));
}

#[test]
fn a_success_that_cannot_be_read_is_unknown() {
    let capture = |status: u16, body: &str| signed_in(status, body).1.capture(at(0), "A1", "cap-1", b"{}");
    for body in ["", "OK", "[]", "{}", r#"{"id":"A1"}"#, r#"{"id":"ANOTHER","status":"COMPLETED"}"#] {
        assert!(is_unknown(&capture(201, body)), "{body}");
    }
    let odd = r#"{"id":"A1","status":"COMPLETED","purchase_units":[{"payments":{"captures":[{"id":"C1",
        "status":"COMPLETED","amount":{"currency_code":"USD","value":"1.005"}}]}}]}"#;
    assert!(is_unknown(&capture(201, odd)));
    for status in [204, 302, 500] {
        assert!(is_unknown(&capture(status, ORDER)), "{status}");
    }
}

#[test]
fn a_declined_capture_is_a_no_with_its_code() {
    let declined = r#"{"name":"UNPROCESSABLE_ENTITY","debug_id":"7d1","details":[{"issue":"INSTRUMENT_DECLINED",
        "description":"The instrument was declined."}]}"#;
    let refused = signed_in(422, declined).1.capture(at(0), "A1", "cap-1", b"{}");
    let expected = CallError::Refused {
        code: "INSTRUMENT_DECLINED".to_owned(),
        reason: "The instrument was declined.".to_owned(),
        debug_id: Some("7d1".to_owned()),
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn a_pending_capture_has_no_fee_and_a_converted_one_says_what_came() {
    let pending = r#"{"id":"C1","status":"PENDING","status_details":{"reason":"ECHECK"},
        "amount":{"currency_code":"EUR","value":"20.00"}}"#;
    let seen = signed_in(200, pending).1.capture_seen(at(0), "C1").unwrap();
    assert_eq!((seen.status, seen.reason.as_deref(), seen.fee), (CaptureStatus::Pending, Some("ECHECK"), None));
    let converted = r#"{"id":"C1","status":"COMPLETED","amount":{"currency_code":"EUR","value":"20.00"},
        "seller_receivable_breakdown":{"gross_amount":{"currency_code":"EUR","value":"20.00"},
        "paypal_fee":{"currency_code":"EUR","value":"1.00"},"net_amount":{"currency_code":"EUR","value":"19.00"},
        "receivable_amount":{"currency_code":"USD","value":"21.85"},
        "exchange_rate":{"source_currency":"EUR","target_currency":"USD","value":"1.150"}}}"#;
    let seen = signed_in(200, converted).1.capture_seen(at(0), "C1").unwrap();
    assert_eq!((seen.received, seen.exchange_rate.as_deref()), (Some(usd("21.85")), Some("1.150")));
    assert!(is_unknown(&signed_in(200, converted).1.capture_seen(at(0), "C2")));
}

#[test]
fn a_token_is_shared_and_renewed_early() {
    let order = r#"{"id":"A1","status":"APPROVED"}"#;
    let wire = Scripted::new().then(200, TOKEN).then(200, order).then(200, order).then(200, TOKEN_2).then(200, order);
    let paypal = paypal(&wire);
    for s in [0, 32_099, 32_100] {
        paypal.order(at(s), "A1").unwrap();
    }
    let tokens: Vec<bool> = wire.asked().iter().map(|r| r.url.ends_with("/token")).collect();
    assert_eq!(tokens, [true, false, false, true, false]);
    assert_eq!(sent_header(&wire.last(), "Authorization"), Some("Bearer A21.second"));
}

#[test]
fn the_scopes_of_the_token_are_told() {
    let wire = Scripted::new().then(200, TOKEN);
    let scopes = paypal(&wire).scopes(at(0)).unwrap();
    assert_eq!(scopes, ["https://uri.paypal.com/services/payments/payouts", "openid"]);
}

#[test]
fn after_a_401_the_same_bytes_go_out_once_more() {
    let done = r#"{"id":"A1","status":"COMPLETED"}"#;
    let wire = Scripted::new().then(200, TOKEN).then(401, STALE).then(200, TOKEN_2).then(201, done);
    paypal(&wire).capture(at(0), "A1", "cap-1", b"{}").unwrap();
    let asked = wire.asked();
    let (first, second) = (&asked[1], &asked[3]);
    assert_eq!((&first.body, &first.url), (&second.body, &second.url));
    assert_eq!(sent_header(first, "PayPal-Request-Id"), sent_header(second, "PayPal-Request-Id"));
    assert_eq!(sent_header(second, "Authorization"), Some("Bearer A21.second"));

    let wire = Scripted::new().then(200, TOKEN).then(401, STALE).then(200, TOKEN_2).then(401, STALE);
    let twice = paypal(&wire).capture(at(0), "A1", "cap-1", b"{}");
    assert!(matches!(twice, Err(CallError::Refused { code, .. }) if code == "invalid_token"));
    assert_eq!(wire.asked().len(), 4);
}

#[test]
fn a_401_that_is_not_paypals_word_is_not_repeated() {
    let (wire, paypal) = signed_in(401, "<html>proxy</html>");
    assert!(is_unknown(&paypal.pay(at(0), "po-1", &payout_body(&payout()))));
    assert_eq!(wire.asked().len(), 2);
}

#[test]
fn without_a_token_nothing_was_sent() {
    let check = |wire: Arc<Scripted>| {
        let result = paypal(&wire).pay(at(0), "po-1", &payout_body(&payout()));
        assert!(matches!(result, Err(CallError::Unsent(_))), "{result:?}");
        assert_eq!(wire.asked().len(), 1);
    };
    check(Scripted::new().then(500, ""));
    check(Scripted::new().then(429, r#"{"name":"RATE_LIMIT_REACHED"}"#));
    check(Scripted::new().then(200, r#"{"access_token":"x"}"#));
    check(Scripted::new().then(200, "<html>"));
    check(Scripted::new().then_reply(Err(CallError::Unknown("silence".to_owned()))));
    let wire =
        Scripted::new().then(401, r#"{"error":"invalid_client","error_description":"Client Authentication failed"}"#);
    let Err(CallError::Refused { code, reason, .. }) = paypal(&wire).scopes(at(0)) else { panic!() };
    assert!(code == "invalid_client" && reason.contains("credentials") && reason.contains("sandbox"), "{reason}");
}

/// F16: a wrong or revoked secret is asked about three times an hour, whoever wants to call, and every call is unsent.
#[test]
fn f16_wrong_credentials_cause_no_storm() {
    let no = r#"{"error":"invalid_client","error_description":"Client Authentication failed"}"#;
    let wire = (0..4).fold(Scripted::new(), |wire, _| wire.then(401, no));
    let paypal = paypal(&wire);
    assert_eq!(paypal.refused_until(at(0)), None);
    for s in 0..3599 {
        let result = paypal.pay(at(s), "po-1", &payout_body(&payout()));
        assert!(matches!(&result, Err(CallError::Unsent(why)) if why.contains("credentials")), "{result:?}");
    }
    assert_eq!(wire.asked().len(), 3);
    assert_eq!(paypal.refused_until(at(3599)), Some(at(3600)));
    assert!(paypal.scopes(at(3600)).is_err());
    assert_eq!(wire.asked().len(), 4);
    let wire = wire.then(200, TOKEN);
    assert!(paypal.scopes(at(7200)).is_ok());
    assert_eq!((paypal.refused_until(at(7200)), wire.asked().len()), (None, 5));
}

/// F17: fifty callers without a token fetch one, or share one failure.
#[test]
fn f17_fifty_callers_share_one_token() {
    let check = |wire: Arc<Scripted>, gets: bool, asked: usize| {
        let paypal = paypal(&wire);
        let got: Vec<bool> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..50).map(|_| scope.spawn(|| paypal.scopes(at(0)).is_ok())).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        assert!(got.iter().all(|got| *got == gets), "{got:?}");
        assert_eq!(wire.asked().len(), asked);
        assert_eq!(paypal.refused_until(at(0)), None);
    };
    check(Scripted::new().then(200, TOKEN), true, 1);
    check(Scripted::new().then(503, "").then(200, TOKEN), false, 1);
}

#[test]
fn what_an_app_may_do_is_told_in_our_words() {
    let token = |scope: &str| format!(r#"{{"access_token":"A","expires_in":32400,"scope":"{scope}"}}"#);
    let check = |scope: &str, expected: &[&str]| {
        let wire = Scripted::new().then(200, &token(scope));
        assert_eq!(paypal(&wire).permissions(at(0)).unwrap(), expected, "{scope}");
    };
    check("", &[]);
    check("openid https://uri.paypal.com/services/payments/payment/authcapture", &[]);
    check("https://uri.paypal.com/payments/payouts openid", &["payouts"]);
    check(
        "https://uri.paypal.com/services/reporting/search/read https://uri.paypal.com/services/payments/refund \
         https://uri.paypal.com/services/applications/webhooks https://uri.paypal.com/services/payments/payouts",
        &["payouts", "refunds", "search", "webhooks"],
    );
}

#[test]
fn a_payout_has_exact_bytes_and_one_item() {
    let expected = concat!(
        r#"{"items":[{"amount":{"currency":"USD","value":"10.00"},"note":"September","receiver":"r@example.com","#,
        r#""recipient_type":"EMAIL","sender_item_id":"item-1"}],"sender_batch_header":{"email_subject":"Your share","#,
        r#""sender_batch_id":"po-1"}}"#,
    );
    assert_eq!(String::from_utf8(payout_body(&payout())).unwrap(), expected);
}

#[test]
fn a_payout_that_nothing_protects_is_not_sent() {
    let check = |key: &str, body: &[u8]| {
        let wire = Scripted::new();
        assert!(is_refused_here(&paypal(&wire).pay(at(0), key, body)), "{key}");
        assert!(wire.asked().is_empty());
    };
    let body = payout_body(&payout());
    check("", &body);
    check("another", &body);
    check("po-1", b"not json");
    let without_id = payout_body(&PayoutRequest { sender_batch_id: String::new(), ..payout() });
    check("", &without_id);
    let text = String::from_utf8(body).unwrap();
    check("po-1", text.replace("\"items\":[", "\"items\":[{},").as_bytes());
    check("po-1", text.replace("10.00", "0.00").as_bytes());
    check("po-1", text.replace("\"10.00\"", "10.00").replace("USD", "XTS").as_bytes());
    let forint = Money::parse("10.50", Currency::new("HUF").unwrap()).unwrap();
    check("po-1", &payout_body(&PayoutRequest { amount: forint, ..payout() }));
    let long = "k".repeat(109);
    check(&long, &payout_body(&PayoutRequest { sender_batch_id: long.clone(), ..payout() }));
}

#[test]
fn payouts_are_accepted_duplicate_or_unclear() {
    let pay = |status: u16, body: &str| signed_in(status, body).1.pay(at(0), "po-1", &payout_body(&payout()));
    let accepted = r#"{"batch_header":{"payout_batch_id":"B1","batch_status":"PENDING","sender_batch_header":{
        "sender_batch_id":"po-1"}},"links":[]}"#;
    let expected = PayAnswer::Accepted { batch_id: "B1".to_owned(), status: BatchStatus::Pending };
    assert_eq!(pay(201, accepted), Ok(expected));
    assert!(is_unknown(&pay(201, &accepted.replace("po-1", "po-2"))));
    assert!(is_unknown(&pay(201, "{}")));
    let duplicate = r#"{"name":"USER_BUSINESS_ERROR","debug_id":"d","details":[{"field":"SENDER_BATCH_ID",
        "issue":"Duplicate batch request"}],"links":[{"href":"https://api.paypal.com/v1/payments/payouts/B0"}]}"#;
    assert_eq!(pay(400, duplicate), Ok(PayAnswer::Duplicate { batch_id: Some("B0".to_owned()) }));
    assert!(is_unknown(&pay(400, r#"{"name":"USER_BUSINESS_ERROR","message":"m","debug_id":"d"}"#)));
    let poor = r#"{"name":"INSUFFICIENT_FUNDS","message":"m","debug_id":"d"}"#;
    assert!(matches!(pay(422, poor), Err(CallError::Refused { code, .. }) if code == "INSUFFICIENT_FUNDS"));
    assert!(is_unknown(&pay(500, r#"{"name":"INTERNAL_SERVER_ERROR","message":"m","debug_id":"d"}"#)));
}

#[test]
fn the_wires_word_is_passed_on() {
    for error in [CallError::Unsent("refused".to_owned()), CallError::Unknown("reset".to_owned())] {
        let wire = Scripted::new().then(200, TOKEN).then_reply(Err(error.clone()));
        assert_eq!(paypal(&wire).capture(at(0), "A1", "cap-1", b"{}"), Err(error));
    }
}

const BATCH: &str = r#"{"batch_header":{"payout_batch_id":"B1","batch_status":"SUCCESS","sender_batch_header":{
    "sender_batch_id":"po-1"}},"items":[{"payout_item_id":"I1","payout_batch_id":"B1","transaction_id":"T1",
    "transaction_status":"SUCCESS","payout_item_fee":{"currency":"USD","value":"0.2"},"payout_item":{
    "amount":{"currency":"USD","value":"10.0"},"receiver":"r@example.com","sender_item_id":"item-1"}}]}"#;

#[test]
fn a_batch_tells_the_fate_of_its_item() {
    let seen = signed_in(200, BATCH).1.batch(at(0), "B1").unwrap();
    assert_eq!((seen.sender_batch_id.as_deref(), seen.status), (Some("po-1"), BatchStatus::Success));
    let [item] = seen.items.try_into().unwrap();
    assert_eq!((item.amount, item.fee, item.status), (usd("10.00"), Some(usd("0.20")), ItemStatus::Success));
    assert_eq!((item.transaction_id.as_deref(), item.receiver.as_str()), (Some("T1"), "r@example.com"));
    let unclaimed =
        BATCH.replace(r#""transaction_status":"SUCCESS","#, r#""errors":{"name":"RECEIVER_UNREGISTERED"},"#);
    let [item] = signed_in(200, &unclaimed).1.batch(at(0), "B1").unwrap().items.try_into().unwrap();
    assert_eq!((item.status, item.error.as_deref()), (ItemStatus::Pending, Some("RECEIVER_UNREGISTERED")));
    assert!(is_unknown(&signed_in(200, BATCH).1.batch(at(0), "B2")));
    assert!(is_unknown(&signed_in(200, &BATCH.replace("\"10.0\"", "\"ten\"")).1.batch(at(0), "B1")));
}

#[test]
fn all_ten_item_statuses_are_known_and_new_words_are_kept() {
    let words = "SUCCESS FAILED PENDING UNCLAIMED RETURNED ONHOLD BLOCKED REFUNDED REVERSED DENIED";
    for word in words.split(' ') {
        let status = ItemStatus::from_word(word);
        assert!(!matches!(status, ItemStatus::Other(_)), "{word}");
        assert_eq!(status.word(), word);
    }
    assert_eq!(ItemStatus::from_word("ON_HOLD"), ItemStatus::OnHold);
    assert_eq!(ItemStatus::from_word("TELEPORTED"), ItemStatus::Other("TELEPORTED".to_owned()));
}

#[test]
fn an_unclaimed_item_is_cancelled() {
    let item = r#"{"payout_item_id":"I1","payout_batch_id":"B1","transaction_id":"T2","transaction_status":"RETURNED",
        "payout_item":{"amount":{"currency":"USD","value":"10.00"},"receiver":"r@example.com"}}"#;
    let (wire, paypal) = signed_in(200, item);
    assert_eq!(paypal.cancel_item(at(0), "I1").unwrap().status, ItemStatus::Returned);
    assert_eq!(wire.last().url, "https://paypal.test/v1/payments/payouts-item/I1/cancel");
    let late = r#"{"name":"ITEM_INCORRECT_STATUS","message":"m","debug_id":"d"}"#;
    let refused = signed_in(400, late).1.cancel_item(at(0), "I1");
    assert!(matches!(refused, Err(CallError::Refused { code, .. }) if code == "ITEM_INCORRECT_STATUS"));
}

#[test]
fn a_refund_names_its_amount_or_is_not_sent() {
    let request = RefundRequest {
        amount: usd("5.00"),
        invoice_id: "ref-1".to_owned(),
        custom_id: "ref-1".to_owned(),
        note: None,
    };
    let body = refund_body(&request).unwrap();
    let expected = r#"{"amount":{"currency_code":"USD","value":"5.00"},"custom_id":"ref-1","invoice_id":"ref-1"}"#;
    assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
    let done = r#"{"id":"R1","status":"COMPLETED","amount":{"currency_code":"USD","value":"5.00"},
        "seller_payable_breakdown":{"paypal_fee":{"currency_code":"USD","value":"0.00"},
        "net_amount":{"currency_code":"USD","value":"5.00"}}}"#;
    let (wire, paypal) = signed_in(201, done);
    let seen = paypal.refund(at(0), "C1", "ref-key", &body).unwrap();
    assert_eq!(
        (seen.status, seen.amount, seen.fee_returned),
        (RefundStatus::Completed, Some(usd("5.00")), Some(usd("0")))
    );
    assert_eq!(wire.last().url, "https://paypal.test/v2/payments/captures/C1/refund");
    assert_eq!(signed_in(200, done).1.refund_seen(at(0), "R1").unwrap().net, Some(usd("5.00")));
    assert!(is_unknown(&signed_in(200, done).1.refund_seen(at(0), "R2")));
    for empty in [b"{}".as_slice(), b"", b"{\"amount\":{\"value\":\"5.00\"}}"] {
        assert!(is_refused_here(&super::PayPal::refund(&self::paypal(&Scripted::new()), at(0), "C1", "k", empty)));
    }
    assert!(refund_body(&RefundRequest { amount: usd("0.00"), ..request.clone() }).is_err());
    assert!(refund_body(&RefundRequest { invoice_id: "ref 1".to_owned(), ..request }).is_err());
}

#[test]
fn balances_are_read_or_refused() {
    let body = r#"{"balances":[{"currency":"USD","primary":true,"total_balance":{"currency_code":"USD","value":"110.00"},
        "available_balance":{"currency_code":"USD","value":"100.00"},"withheld_balance":{"currency_code":"USD",
        "value":"10.00"}}],"account_id":"M","as_of_time":"2026-09-17T21:00:00Z","last_refresh_time":"2026-09-17T21:59:59+0000"}"#;
    let [balance] = signed_in(200, body).1.balances(at(0)).unwrap().try_into().unwrap();
    assert_eq!((balance.available, balance.withheld, balance.total), (usd("100"), Some(usd("10")), usd("110")));
    assert!(balance.as_of.is_some() && balance.refreshed_at > balance.as_of);
    assert_eq!(signed_in(200, "{}").1.balances(at(0)), Ok(Vec::new()));
    let denied = r#"{"name":"NOT_AUTHORIZED","message":"m","debug_id":"d"}"#;
    assert!(matches!(signed_in(403, denied).1.balances(at(0)), Err(CallError::Refused { .. })));
}

/// One page of Transaction Search with these rows.
fn page(rows: &[&str], total: u64, pages: u64, refreshed: &str) -> String {
    format!(
        r#"{{"transaction_details":[{}],"account_number":"M","last_refreshed_datetime":"{refreshed}","page":1,
            "total_items":{total},"total_pages":{pages}}}"#,
        rows.join(",")
    )
}

const CAPTURED: &str = r#"{"transaction_info":{"transaction_id":"3C679366HH908993F","transaction_event_code":"T0006",
    "transaction_initiation_date":"2026-09-17T21:00:03+0000","transaction_updated_date":"2026-09-17T21:00:04Z",
    "transaction_amount":{"currency_code":"USD","value":"49.9"},"fee_amount":{"currency_code":"USD","value":"-2.23"},
    "transaction_status":"S","invoice_id":"inv-1","custom_field":"ord-1","paypal_reference_id":"5O190127TN364715T",
    "paypal_reference_id_type":"ODR","transaction_subject":"Ann Lee"},
    "payer_info":{"email_address":"ann@example.com"}}"#;
const ODD: &str = r#"{"transaction_info":{"transaction_event_code":"T1503",
    "transaction_initiation_date":"2026-09-17T21:00:05Z","transaction_amount":{"currency_code":"DOGE","value":"1"}}}"#;
const REFRESHED: &str = "2026-09-17T23:59:59+0000";

#[test]
fn a_statement_is_asked_for_in_seconds_and_read_without_persons() {
    let (wire, paypal) = signed_in(200, &page(&[CAPTURED, ODD], 2, 1, REFRESHED));
    let from: Timestamp = "2026-09-01T00:00:00.5Z".parse().unwrap();
    let to: Timestamp = "2026-09-18T00:00:00Z".parse().unwrap();
    let statement = paypal.transactions(at(0), (from, to), true).unwrap();
    let url = wire.last().url;
    let expected = "https://paypal.test/v1/reporting/transactions?start_date=2026-09-01T00:00:00Z\
                    &end_date=2026-09-18T00:00:00Z&fields=transaction_info&balance_affecting_records_only=Y\
                    &page_size=500&page=1";
    assert_eq!(url, expected);
    assert_eq!(statement.refreshed_at, Some("2026-09-17T23:59:59Z".parse().unwrap()));
    let [row, odd] = statement.rows.try_into().unwrap();
    assert_eq!((row.id.as_str(), row.code.as_str(), row.status.as_str()), ("3C679366HH908993F", "T0006", "S"));
    assert_eq!((row.amount, row.fee), (Some(usd("49.90")), Some(usd("-2.23"))));
    assert_eq!(row.initiated_at, "2026-09-17T21:00:03Z".parse().unwrap());
    assert_eq!((row.custom.as_deref(), row.invoice.as_deref()), (Some("ord-1"), Some("inv-1")));
    assert_eq!((row.reference.as_deref(), row.reference_kind.as_deref()), (Some("5O190127TN364715T"), Some("ODR")));
    assert!(!format!("{row:?}").contains("nn"), "nothing of a person is read");
    // A currency nobody knows is a row without an amount, and not a statement without the row.
    assert_eq!((odd.id.as_str(), odd.status.as_str(), odd.amount), ("-", "-", None));
}

#[test]
fn all_pages_are_read_and_again_where_rows_came_in_between() {
    let range = (at(0), at(86_400));
    let ask = |pages: &[String]| {
        let wire = pages.iter().fold(Scripted::new().then(200, TOKEN), |wire, body| wire.then(200, body));
        let answer = paypal(&wire).transactions(at(0), range, false);
        (answer.map(|s| s.rows.len()), wire.asked().len() - 1)
    };
    let one = page(&[CAPTURED, ODD], 3, 2, REFRESHED);
    let two = page(&[ODD], 3, 2, REFRESHED);
    assert_eq!(ask(&[one.clone(), two.clone()]), (Ok(3), 2));
    // A row came in while the page was turned: the second page says so, or does not add up.
    let grown = page(&[ODD], 4, 2, REFRESHED);
    assert_eq!(ask(&[one.clone(), grown, one.clone(), two.clone()]), (Ok(3), 4));
    let later = page(&[ODD], 3, 2, "2026-09-18T00:59:59Z");
    assert_eq!(ask(&[one.clone(), later, one.clone(), two.clone()]), (Ok(3), 4));
    let short = page(&[], 3, 2, REFRESHED);
    let never = ask(&[one.clone(), short.clone(), one.clone(), short.clone(), one.clone(), short]);
    assert!(matches!(never, (Err(CallError::Unknown(_)), 6)), "{never:?}");
    // An empty period, with and without the list.
    assert_eq!(ask(&[page(&[], 0, 1, REFRESHED)]), (Ok(0), 1));
    assert_eq!(ask(&["{}".to_owned()]), (Ok(0), 1));
    let broken = ask(&[page(&[r#"{"transaction_info":{"transaction_id":"X"}}"#], 1, 1, REFRESHED)]);
    assert!(matches!(broken.0, Err(CallError::Unknown(_))), "{broken:?}");
}

#[test]
fn too_many_rows_are_read_in_halves() {
    let too_large = r#"{"name":"RESULTSET_TOO_LARGE","message":"m","debug_id":"d"}"#;
    let wire = Scripted::new().then(200, TOKEN).then(400, too_large);
    let wire = wire.then(200, &page(&[CAPTURED], 1, 1, "2026-09-17T23:00:00Z"));
    let wire = wire.then(200, &page(&[CAPTURED, ODD], 2, 1, REFRESHED));
    let middle: Timestamp = "2026-09-17T21:00:03Z".parse().unwrap();
    let day = jiff::SignedDuration::from_hours(24);
    let statement = paypal(&wire).transactions(at(0), (middle - day, middle + day), true).unwrap();
    assert_eq!(statement.rows.len(), 2, "the row on the seam is in both halves, and counted once");
    assert_eq!(statement.refreshed_at, Some("2026-09-17T23:00:00Z".parse().unwrap()));
    // Five minutes that are too many stay a refusal.
    let wire = Scripted::new().then(200, TOKEN).then(400, too_large);
    assert!(paypal(&wire).transactions(at(0), (at(0), at(300)), true).is_err());
}

#[test]
fn a_missing_permission_is_told_from_other_refusals() {
    let check = |status: u16, name: &str, expected: bool| {
        let body = format!(r#"{{"name":"{name}","message":"m","debug_id":"d"}}"#);
        let error = signed_in(status, &body).1.transactions(at(0), (at(0), at(60)), true).unwrap_err();
        assert_eq!(is_permission_missing(&error), expected, "{status} {name}");
    };
    check(403, "NOT_AUTHORIZED", true);
    check(403, "PERMISSION_DENIED", true);
    check(400, "INVALID_REQUEST", false);
    check(500, "NOT_AUTHORIZED", false);
    check(429, "RATE_LIMIT_REACHED", false);
}

#[test]
fn windows_touch_and_are_of_31_days_at_most() {
    let day = 86_400;
    let check = |days: i64, expected: &[(i64, i64)]| {
        let parts: Vec<_> = windows(at(0), at(days * day));
        let expected: Vec<_> = expected.iter().map(|(from, to)| (at(from * day), at(to * day))).collect();
        assert_eq!(parts, expected, "{days}");
    };
    check(0, &[]);
    check(1, &[(0, 1)]);
    check(31, &[(0, 31)]);
    check(32, &[(0, 31), (31, 32)]);
    check(80, &[(0, 31), (31, 62), (62, 80)]);
}

#[test]
fn ids_and_keys_of_another_shape_are_not_sent() {
    let wire = Scripted::new();
    let paypal = paypal(&wire);
    for id in ["", "../../v1/x", "A1?x=1", "A 1", "A1/capture"] {
        assert!(is_refused_here(&paypal.order(at(0), id)), "{id}");
        assert!(is_refused_here(&paypal.capture(at(0), id, "cap-1", b"{}")), "{id}");
        assert!(is_refused_here(&paypal.batch(at(0), id)) && is_refused_here(&paypal.cancel_item(at(0), id)), "{id}");
    }
    for key in ["", "has blanks", "line\nbreak", &"k".repeat(109)] {
        assert!(is_refused_here(&paypal.capture(at(0), "A1", key, b"{}")), "{key:?}");
    }
    assert!(wire.asked().is_empty());
}

#[test]
fn a_dispute_is_read_with_our_money_in_it() {
    let body = r#"{"dispute_id":"PP-D-1","create_time":"2026-03-01T10:00:00.000Z","update_time":"2026-03-02T10:00:00.000Z",
      "disputed_transactions":[{"seller_transaction_id":"CAP1","custom":"ORD1","buyer_transaction_id":"B"}],
      "reason":"UNAUTHORISED","status":"RESOLVED","dispute_amount":{"currency_code":"USD","value":"25.0"},
      "dispute_outcome":{"outcome_code":"RESOLVED_BUYER_FAVOUR"},"dispute_life_cycle_stage":"CHARGEBACK",
      "money_movements":[{"affected_party":"BUYER","amount":{"currency_code":"USD","value":"25"},"type":"CREDIT"},
        {"affected_party":"SELLER","amount":{"currency_code":"USD","value":"25.00"},"type":"DEBIT",
         "reason":"DISPUTE_SETTLEMENT","initiated_time":"2026-03-02T10:00:00.000Z"}]}"#;
    let (_, paypal) = signed_in(200, body);
    let seen = paypal.dispute(at(0), "PP-D-1").unwrap();
    assert_eq!((seen.captures, seen.references), (vec!["CAP1".to_owned()], vec!["ORD1".to_owned()]));
    assert_eq!((seen.amount, seen.outcome.as_deref()), (Some(usd("25.00")), Some("RESOLVED_BUYER_FAVOUR")));
    assert_eq!(seen.movements.len(), 1, "the buyer's money is not ours");
    assert!(seen.movements[0].is_debit && seen.movements[0].amount == usd("25.00"));
    let check = |change: (&str, &str)| {
        let (_, paypal) = signed_in(200, &body.replace(change.0, change.1));
        assert!(is_unknown(&paypal.dispute(at(0), "PP-D-1")), "{change:?}");
    };
    check(("PP-D-1", "PP-D-2"));
    check((r#""type":"DEBIT""#, r#""type":"SIDEWAYS""#));
    check((r#""value":"25.00""#, r#""value":"a lot""#));
    check((r#""status":"RESOLVED","#, ""));
    let (wire, paypal) = signed_in(200, body);
    assert!(is_refused_here(&paypal.dispute(at(0), "../../v1")) && wire.asked().is_empty());
}

#[test]
fn the_list_of_disputes_is_read_to_its_end_by_its_token_alone() {
    let page = |id: &str, next: &str| {
        format!(
            r#"{{"items":[{{"dispute_id":"{id}","update_time":"2026-03-01T10:00:00.000Z"}}],
                "links":[{{"rel":"next","href":"https://evil.example/v1/customer/disputes?next_page_token={next}"}}]}}"#
        )
    };
    let (wire, paypal) = signed_in(200, &page("PP-D-1", "abc%3D"));
    wire.then(200, r#"{"items":[{"dispute_id":"PP-D-2"}],"links":[]}"#);
    let (lines, is_whole) = paypal.disputes_since(at(0), at(-86_400)).unwrap();
    assert_eq!(lines.iter().map(|l| l.id.as_str()).collect::<Vec<_>>(), ["PP-D-1", "PP-D-2"]);
    assert!(is_whole);
    let url = wire.last().url;
    assert!(url.starts_with("https://paypal.test/v1/customer/disputes?update_time_after=2027-01-14T08:00:00.000Z"));
    assert!(url.ends_with("&page_size=50&next_page_token=abc%3D"), "{url}");
    let (_, paypal) = signed_in(200, r#"{"links":[]}"#);
    assert_eq!(paypal.disputes_since(at(0), at(-1)), Ok((Vec::new(), true)), "none at all");
    let (_, paypal) = signed_in(200, &page("PP-D-1", "a b"));
    assert!(!paypal.disputes_since(at(0), at(-1)).unwrap().1, "a token that cannot be sent leaves the list short");
}

#[test]
fn a_webhook_is_made_moved_and_looked_through() {
    let answer = r#"{"id":"WH1","url":"https://shop.test/hook","event_types":[{"name":"PAYMENT.CAPTURE.COMPLETED"}]}"#;
    let (wire, paypal) = signed_in(201, answer);
    let made = paypal.register_webhook(at(0), "https://shop.test/hook").unwrap();
    assert_eq!((made.id.as_str(), made.missing().len()), ("WH1", KINDS.len() - 1));
    let sent = String::from_utf8(wire.last().body).unwrap();
    assert!(KINDS.iter().all(|kind| sent.contains(kind)), "{sent}");
    wire.then(200, &format!(r#"{{"webhooks":[{answer}]}}"#));
    assert_eq!(paypal.webhooks(at(0)).unwrap(), vec![made]);
    wire.then(200, answer);
    paypal.move_webhook(at(0), "WH1", "https://shop.test/hook").unwrap();
    let asked = wire.last();
    assert_eq!((asked.method, asked.url.as_str()), ("PATCH", "https://paypal.test/v1/notifications/webhooks/WH1"));
    assert_eq!(asked.body, br#"[{"op":"replace","path":"/url","value":"https://shop.test/hook"}]"#);
    wire.then(200, r#"{"webhooks":[{"id":"WH1"}]}"#);
    assert!(is_unknown(&paypal.webhooks(at(0))));
}
