//! PayPal's own description of its interface as the judge of what we send and of what the built-in PayPal answers. The
//! description is not part of this project: a validating proxy that has it is run beside (Prism with `proxy --errors`,
//! one for each of PayPal's OpenAPI files, behind one address), and the traffic of a run of the tests is played through:
//!
//! ```text
//! PAYPAL_TRAFFIC=/tmp/traffic.jsonl cargo test --test it
//! PAYPAL_TRAFFIC=/tmp/traffic.jsonl PAYPAL_VALIDATOR=http://127.0.0.1:4600 PAYPAL_VALIDATOR_UPSTREAM=127.0.0.1:4700 \
//!     cargo test --test it oracle:: -- --nocapture
//! ```
//!
//! Without these variables it says that it was left out. `shapes` holds the same shapes without any proxy.

use postsale::gateway::wire::{Answer, Patience, Purpose, Request, UreqWire, Wire};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// The header by which the upstream finds the answer that was recorded.
const EXCHANGE: &str = "x-exchange";

/// What PayPal's description lacks and is answered on purpose, by a part of `target status body`; such an answer is not
/// judged.
const ON_PURPOSE: &[(&str, &str)] = &[
    ("\"transaction_status\":\"DENIED\"", "a page of PayPal's names this state of a payout, its description does not"),
    ("\"transaction_details\":[]", "an empty period is answered with an empty list, which the description forbids"),
    ("/refund 200 ", "the same refund asked for again; described is only the first answer, a 201"),
    ("\"reason\":\"SOMETHING_NEW\"", "a word of tomorrow, which must be waited out like any other"),
];

#[test]
fn the_recorded_traffic_is_valid() {
    let [Ok(traffic), Ok(validator), Ok(upstream)] =
        ["PAYPAL_TRAFFIC", "PAYPAL_VALIDATOR", "PAYPAL_VALIDATOR_UPSTREAM"].map(std::env::var)
    else {
        println!("left out: PAYPAL_TRAFFIC, PAYPAL_VALIDATOR and PAYPAL_VALIDATOR_UPSTREAM name no judge");
        return;
    };
    let exchanges = Arc::new(distinct(&std::fs::read_to_string(traffic).unwrap()));
    serve(&upstream, Arc::clone(&exchanges));
    let patience = Duration::from_secs(60);
    let wire = UreqWire::new(Patience { look_up: patience, ..Patience::default() });
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (number, exchange) in exchanges.iter().enumerate() {
        for violation in judge(&wire, &validator, number, exchange) {
            *found.entry(violation).or_default() += 1;
        }
    }
    println!("{} distinct exchanges:", exchanges.len());
    calls(&exchanges).iter().for_each(|(call, times)| println!("{times:6} {call}"));
    assert!(found.is_empty(), "{found:#?}");
}

/// How often each call was answered in which way; an answer that was lost or spoilt on purpose has none.
fn calls(exchanges: &[Value]) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for exchange in exchanges {
        let (method, target) = (exchange["method"].as_str().unwrap(), exchange["target"].as_str().unwrap());
        let call = format!("{method} {} {}", path_of(target), exchange["answer"]["status"]);
        *calls.entry(call).or_default() += 1;
    }
    calls
}

/// One exchange of each kind: the same call with the same status and bodies of the same form is played once.
fn distinct(lines: &str) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let exchanges = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    // Logging in and the certificate of the webhooks are not part of what the OpenAPI files describe.
    let undescribed = |target: &str| target == "/v1/oauth2/token" || target.starts_with("/v1/notifications/certs/");
    exchanges.filter(|e| !undescribed(e["target"].as_str().unwrap()) && seen.insert(form(e))).collect()
}

/// Ids and amounts differ from run to run, so digits and capitals count as one; words stay words.
fn form(exchange: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let answer = &exchange["answer"];
    let whole = format!(
        "{} {} {} {} {}",
        text(&exchange["method"]),
        text(&exchange["target"]),
        text(&exchange["body"]),
        answer["status"],
        text(&answer["body"])
    );
    let mut form = String::new();
    for word in whole.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let is_id = word.bytes().any(|b| b.is_ascii_digit());
        form.push_str(if is_id { "0" } else { word });
    }
    form
}

/// Plays one exchange through the validator and says what it complains of.
fn judge(wire: &UreqWire, validator: &str, number: usize, exchange: &Value) -> Vec<String> {
    let text = |field: &str| exchange[field].as_str().unwrap().to_owned();
    let headers = exchange["headers"].as_array().unwrap().iter();
    let mut headers: Vec<(String, String)> =
        headers.map(|h| (h[0].as_str().unwrap().to_owned(), h[1].as_str().unwrap().to_owned())).collect();
    headers.push((EXCHANGE.to_owned(), number.to_string()));
    let method = match text("method").as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        other => panic!("{other}"),
    };
    let (url, body) = (format!("{validator}{}", text("target")), text("body").into_bytes());
    let answer = wire.ask(&Request { method, url, headers, body, purpose: Purpose::LookUp }).unwrap();
    let call = format!("{method} {}", path_of(&text("target")));
    let (status, said) = (&exchange["answer"]["status"], exchange["answer"]["body"].as_str());
    let said = said.map(|said| format!("{} {status} {said}", text("target")));
    let is_judged = said.is_some_and(|said| !ON_PURPOSE.iter().any(|(part, _)| said.contains(part)));
    complaints(&answer)
        .into_iter()
        .filter_map(|(is_answer, said)| match (is_answer, is_judged) {
            (true, false) => None,
            (true, true) => Some(format!("answer {} to {call}: {said}", exchange["answer"]["status"])),
            (false, _) => Some(format!("request {call}: {said}")),
        })
        .collect()
}

/// The path without the ids in it.
fn path_of(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let segment =
        |s: &str| if s.bytes().any(|b| b.is_ascii_digit()) && s.len() > 3 { "{id}".to_owned() } else { s.to_owned() };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// What a validator said, each with whether it is about the answer: in the header that Prism adds to answers it lets
/// through, and in the problem document of those it does not.
fn complaints(answer: &Answer) -> Vec<(bool, String)> {
    let header = answer.header("sl-violations").and_then(|said| serde_json::from_str::<Value>(said).ok());
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_problem = body["type"].as_str().is_some_and(|kind| kind.contains("prism"));
    let listed = header.iter().flat_map(|said| said.as_array()).flatten();
    let in_body = body["validation"].as_array().into_iter().flatten().filter(|_| is_problem);
    let mut found: Vec<(bool, String)> = Vec::new();
    for said in listed.chain(in_body) {
        if said["severity"].as_str().is_some_and(|s| s != "Error") {
            continue;
        }
        let place: Vec<&str> = said["location"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        found.push((place.first() == Some(&"response"), format!("{} {}", place.join("/"), said["message"])));
    }
    if found.is_empty() && is_problem {
        found.push((false, format!("{} {}", body["title"], body["detail"])));
    }
    found
}

/// Answers each exchange as it was answered when it was recorded.
fn serve(address: &str, exchanges: Arc<Vec<Value>>) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let exchanges = Arc::clone(&exchanges);
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut number, mut length) = (None, 0);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                    let lower = line.to_ascii_lowercase();
                    let value = |name: &str| lower.strip_prefix(name)?.strip_prefix(':').map(|v| v.trim().to_owned());
                    number = value(EXCHANGE).and_then(|v| v.parse::<usize>().ok()).or(number);
                    length = value("content-length").and_then(|v| v.parse().ok()).unwrap_or(length);
                    line.clear();
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_ok() {
                    let answer = number.and_then(|n| exchanges.get(n)).map_or(Value::Null, |e| e["answer"].clone());
                    let _ = (&stream).write_all(&bytes(&answer));
                }
            });
        }
    });
}

fn bytes(answer: &Value) -> Vec<u8> {
    let empty = json!({ "status": 200, "headers": [["Content-Type", "application/json"]], "body": "{}" });
    let answer = if answer.is_null() { &empty } else { answer };
    let body = answer["body"].as_str().unwrap();
    let headers = answer["headers"].as_array().unwrap().iter();
    let headers: Vec<String> =
        headers.map(|h| format!("{}: {}\r\n", h[0].as_str().unwrap(), h[1].as_str().unwrap())).collect();
    let head = format!("HTTP/1.1 {} X\r\n{}Content-Length: {}\r\n", answer["status"], headers.concat(), body.len());
    format!("{head}Connection: close\r\n\r\n{body}").into_bytes()
}
