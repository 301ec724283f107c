//! The table, row by row, and the answers that must not be taken for a no.

use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: vec![("paypal-debug-id".to_owned(), "hdr1".to_owned())], body: body.into() }
}

fn orders_shape(code: &str) -> String {
    format!(
        r#"{{"name":"SOME_NAME","message":"m","debug_id":"d1","details":[{{"issue":"{code}","description":"why"}}]}}"#
    )
}

fn payouts_shape(code: &str) -> String {
    format!(r#"{{"name":"{code}","message":"m","debug_id":"d1","information_link":"https://x"}}"#)
}

fn shaped(operation: Operation, code: &str) -> String {
    if matches!(operation, Pay | CancelItem) { payouts_shape(code) } else { orders_shape(code) }
}

const PROVING: [Operation; 5] = [CreateOrder, Capture, Pay, CancelItem, Refund];

fn kind(error: &CallError) -> &'static str {
    match error {
        CallError::Unsent(_) => "unsent",
        CallError::Refused { .. } => "refused",
        CallError::Unknown(_) => "unknown",
    }
}

#[test]
fn every_row_of_the_table_holds() {
    let mut rows = 0;
    for (operation, statuses, verdict, codes) in RULES {
        for (status, code) in statuses.iter().flat_map(|s| codes.split_whitespace().map(move |c| (*s, c))) {
            let error = classify(*operation, &answer(status, &shaped(*operation, code)));
            let expected = if *verdict == No { "refused" } else { "unknown" };
            assert_eq!(kind(&error), expected, "{operation:?} {status} {code}");
            if let CallError::Refused { code: told, debug_id, .. } = error {
                assert_eq!((told.as_str(), debug_id.as_deref()), (code, Some("d1")));
            }
            rows += 1;
        }
    }
    assert!(rows > 200, "{rows}");
    for operation in PROVING {
        for (status, codes) in EVERYWHERE {
            for code in codes.split_whitespace() {
                let error = classify(operation, &answer(*status, &shaped(operation, code)));
                assert_eq!(kind(&error), "refused", "{operation:?} {status} {code}");
            }
        }
    }
}

#[test]
fn a_code_is_judged_once() {
    for (i, (operation, statuses, _, codes)) in RULES.iter().enumerate() {
        for (other, other_statuses, _, other_codes) in &RULES[i + 1..] {
            let overlap = operation == other && statuses.iter().any(|s| other_statuses.contains(s));
            let twice = codes.split_whitespace().find(|c| other_codes.split_whitespace().any(|o| o == *c));
            assert!(!overlap || twice.is_none(), "{operation:?} {twice:?}");
        }
    }
}

/// Written from the facts and not from the table, so that a row put into the wrong place shows.
#[test]
fn what_must_be_looked_at_is_never_a_no() {
    let check = |operation: Operation, status: u16, code: &str, expected: &str| {
        let error = classify(operation, &answer(status, &shaped(operation, code)));
        assert_eq!(kind(&error), expected, "{operation:?} {status} {code}");
    };
    for code in ["ORDER_ALREADY_CAPTURED", "ORDER_COMPLETION_IN_PROGRESS", "DUPLICATE_INVOICE_ID", "BRAND_NEW_ISSUE"] {
        check(Capture, 422, code, "unknown");
    }
    for code in ["INSTRUMENT_DECLINED", "PAYER_ACTION_REQUIRED", "ORDER_NOT_APPROVED", "TRANSACTION_REFUSED"] {
        check(Capture, 422, code, "refused");
    }
    check(Capture, 404, "INVALID_RESOURCE_ID", "refused");
    check(Capture, 403, "PERMISSION_DENIED", "refused");
    // The right word under the wrong status, or on the wrong operation.
    check(Capture, 400, "INSTRUMENT_DECLINED", "unknown");
    check(Capture, 409, "INSTRUMENT_DECLINED", "unknown");
    check(Refund, 422, "INSTRUMENT_DECLINED", "unknown");
    check(Refund, 422, "DUPLICATE_INVOICE_ID", "unknown");
    check(Refund, 409, "PREVIOUS_REQUEST_IN_PROGRESS", "unknown");
    check(Refund, 422, "CAPTURE_FULLY_REFUNDED", "refused");
    check(Pay, 422, "INSUFFICIENT_FUNDS", "refused");
    check(Pay, 403, "SENDER_RESTRICTED", "refused");
    check(Pay, 504, "REQUEST_TIMEOUT_EXCEEDED", "unknown");
    check(Pay, 400, "INTERNAL_SERVER_ERROR", "unknown");
    check(CreateOrder, 422, "DUPLICATE_INVOICE_ID", "refused");
    for operation in PROVING {
        check(operation, 429, "RATE_LIMIT_REACHED", "unsent");
        for status in [500, 502, 503, 504] {
            check(operation, status, "INVALID_RESOURCE_ID", "unknown");
        }
    }
}

#[test]
fn one_odd_issue_among_several_makes_it_unknown() {
    let both = |second: &str| {
        format!(r#"{{"name":"N","details":[{{"issue":"INSTRUMENT_DECLINED"}},{{"issue":"{second}"}}]}}"#)
    };
    assert_eq!(kind(&classify(Capture, &answer(422, &both("TRANSACTION_REFUSED")))), "refused");
    assert_eq!(kind(&classify(Capture, &answer(422, &both("ORDER_ALREADY_CAPTURED")))), "unknown");
    assert_eq!(kind(&classify(Capture, &answer(422, &both("BRAND_NEW_ISSUE")))), "unknown");
}

#[test]
fn what_is_not_in_paypals_shape_proves_nothing() {
    for body in ["", "<html>403 Forbidden</html>", "{}", "[]", "\"INVALID_RESOURCE_ID\"", r#"{"details":[]}"#] {
        for status in [400, 401, 403, 404, 422] {
            for operation in [Capture, Pay, Refund, Operation::Order, Operation::Batch] {
                assert_eq!(
                    kind(&classify(operation, &answer(status, body))),
                    "unknown",
                    "{operation:?} {status} {body}"
                );
            }
        }
        assert_eq!(kind(&classify(Pay, &answer(429, body))), "unsent");
    }
}

#[test]
fn both_shapes_of_a_401_are_read_and_the_debug_id_is_kept() {
    let oauth = r#"{"error":"invalid_token","error_description":"Token signature verification failed"}"#;
    let expected = CallError::Refused {
        code: "invalid_token".to_owned(),
        reason: "Token signature verification failed".to_owned(),
        debug_id: Some("hdr1".to_owned()),
    };
    assert_eq!(classify(Capture, &answer(401, oauth)), expected);
    let named = r#"{"name":"AUTHENTICATION_FAILURE","message":"Authentication failed","debug_id":"b9"}"#;
    let CallError::Refused { code, debug_id, .. } = classify(Pay, &answer(401, named)) else { panic!() };
    assert_eq!((code.as_str(), debug_id.as_deref()), ("AUTHENTICATION_FAILURE", Some("b9")));
    let CallError::Unknown(told) = classify(Capture, &answer(500, named)) else { panic!() };
    assert!(told.contains("AUTHENTICATION_FAILURE") && told.contains("b9"), "{told}");
}

#[test]
fn a_look_up_passes_any_no_on() {
    for status in [400, 401, 403, 404, 422] {
        let error = classify(Operation::Balances, &answer(status, &payouts_shape("NOT_AUTHORIZED")));
        assert_eq!(kind(&error), "refused", "{status}");
    }
    assert_eq!(kind(&classify(Operation::Balances, &answer(500, &payouts_shape("X")))), "unknown");
}

#[test]
fn a_duplicate_batch_is_found_whatever_else_it_says() {
    let check = |status: u16, body: &str, expected: BatchComplaint| {
        assert_eq!(batch_complaint(&answer(status, body)), expected, "{status} {body}");
    };
    let duplicate = |links: &str| {
        format!(
            r#"{{"name":"USER_BUSINESS_ERROR","message":"m","debug_id":"d","details":[{{"field":"SENDER_BATCH_ID",
            "issue":"Duplicate batch request"}}]{links}}}"#
        )
    };
    let named = |id: &str| BatchComplaint::Duplicate(Some(id.to_owned()));
    let link = |href: &str| duplicate(&format!(r#","links":[{{"href":"{href}","rel":"self","method":"GET"}}]"#));
    check(400, &link("https://api.sandbox.paypal.com/v1/payments/payouts/5UXD2E8A7EBQJ"), named("5UXD2E8A7EBQJ"));
    check(400, &link("https://evil.example/v1/payments/payouts/ABC?x=1"), named("ABC"));
    for useless in ["https://x/v1/payments/payouts/", "https://x/v1/payments/payouts/..", "https://x/other/ABC"] {
        check(400, &link(useless), BatchComplaint::Duplicate(None));
    }
    check(400, &duplicate(""), BatchComplaint::Duplicate(None));
    let inner = r#"{"name":"USER_BUSINESS_ERROR","details":[{"field":"sender_batch_header.sender_batch_id",
        "issue":"x","link":[{"href":"https://x/v1/payments/payouts/IN1"}]}]}"#;
    check(400, inner, named("IN1"));
    let worded = r#"{"name":"VALIDATION_ERROR","details":[{"field":"SENDER_BATCH_ID","issue":"Duplicate batch"}]}"#;
    check(422, worded, BatchComplaint::Duplicate(None));
    check(400, &payouts_shape("USER_BUSINESS_ERROR"), BatchComplaint::PerhapsDuplicate);
    let about_another = r#"{"name":"USER_BUSINESS_ERROR","details":[{"field":"items[0].receiver","issue":"x"}]}"#;
    check(400, about_another, BatchComplaint::Other);
    let too_long = r#"{"name":"VALIDATION_ERROR","details":[{"field":"sender_batch_id","issue":"too long"}]}"#;
    check(400, too_long, BatchComplaint::Other);
    check(500, &duplicate(""), BatchComplaint::Other);
    check(201, "{}", BatchComplaint::Other);
}

/// What PayPal never wrote down is no proof of anything: an unknown word, a known one under a status it does not belong
/// to, and every answer of a server in trouble.
#[test]
fn what_is_not_in_the_table_is_unknown_for_money() {
    for operation in PROVING {
        for status in (400..=422).chain([451]).chain(500..=504) {
            let error = classify(operation, &answer(status, &shaped(operation, "NEVER_WRITTEN_DOWN")));
            assert_eq!(kind(&error), "unknown", "{operation:?} {status}");
        }
        let own: Vec<&Rule> = RULES.iter().filter(|(of, ..)| *of == operation).collect();
        let codes = own.iter().flat_map(|(.., codes)| codes.split_whitespace());
        for (code, status) in codes.flat_map(|code| [400, 401, 403, 404, 409, 422, 500, 503].map(|s| (code, s))) {
            let error = classify(operation, &answer(status, &shaped(operation, code)));
            assert!(
                verdict(operation, status, code).is_some() || kind(&error) == "unknown",
                "{operation:?} {status} {code}"
            );
        }
    }
}

/// Compares the table with a list of what PayPal documents: lines of file, operation, status and issue, parted by tabs.
/// The list is PayPal's and not part of this project; `PAYPAL_ISSUES` names it.
#[test]
fn every_documented_issue_has_its_row() {
    let Ok(path) = std::env::var("PAYPAL_ISSUES") else {
        println!("left out: PAYPAL_ISSUES names no list of documented issues");
        return;
    };
    let ours = [
        ("POST /v2/checkout/orders", CreateOrder),
        ("GET /v2/checkout/orders/{id}", Operation::Order),
        ("POST /v2/checkout/orders/{id}/capture", Capture),
        ("POST /v2/checkout/orders/{id}/track", Track),
        ("GET /v2/payments/captures/{capture_id}", Operation::CaptureSeen),
        ("GET /v2/payments/refunds/{refund_id}", Operation::RefundSeen),
        ("POST /v2/payments/captures/{capture_id}/refund", Refund),
    ];
    let list = std::fs::read_to_string(path).unwrap();
    let mut documented = 0;
    for line in list.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let Some((_, operation)) = ours.iter().find(|(name, _)| *name == columns[1]) else { continue };
        let status = columns[2].parse().unwrap();
        assert!(verdict(*operation, status, columns[3]).is_some(), "{line}");
        documented += 1;
    }
    assert!(documented > 0, "the list names none of our operations");
    println!("{documented} documented issues, each with its row");
}
