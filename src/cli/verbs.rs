//! `postsale orders approve`, `hold`, `cancel` and the like, and `payouts mark-paid`: a person's word to a running server. The server holds the
//! intent journal, so the word goes to it over its own interface; without a server nothing is written.

use super::args_verbs::{PayoutVerb, Verb};
use super::exit::{Exit, Failure};
use super::sources::{Joined, Sources};
use super::{orders, say};
use crate::gateway::CallError;
use crate::gateway::wire::{Purpose, Request, UreqWire, Wire};
use data_encoding::BASE32_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Says it of an order, once. An answer that got lost is asked for again under the same key, by the person.
pub fn tell(sources: &Sources, verb: &Verb) -> Result<Exit, Failure> {
    let joined = sources.join()?;
    let (word, to) = verb.parts();
    let order = orders::find(&joined.store, &to.id)?;
    say_to_server(joined, &format!("/api/orders/{order}/{word}"), &format!("{word} {order}"), &to.key, body(verb)?)
}

/// The same of one payout.
pub fn tell_of_payout(sources: &Sources, verb: &PayoutVerb) -> Result<Exit, Failure> {
    let (word, to) = verb.parts();
    // It goes into a path; the server would not find any other either.
    if to.id.is_empty() || !to.id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure::Refused(format!("{word}: {} is no payout's id", to.id)));
    }
    let path = format!("/api/payouts/{}/{word}", to.id);
    say_to_server(sources.join()?, &path, &format!("{word} {}", to.id), &to.key, body(verb)?)
}

fn body(verb: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(verb).map_err(|error| Failure::Senseless(error.to_string()))
}

/// A word about the whole shop.
pub fn tell_shop(sources: &Sources, path: &str, what: &str, body: &Value) -> Result<Exit, Failure> {
    say_to_server(sources.join()?, path, what, &None, body.to_string().into_bytes())
}

/// Releases after the database or the machine went back in time. An order need not be here: the journal may know it.
pub fn release_amnesia(sources: &Sources, order: Option<&str>, what: &str) -> Result<Exit, Failure> {
    let path = "/api/amnesia/release";
    let Some(typed) = order else { return tell_shop(sources, path, what, &json!({ what: true })) };
    let found = orders::find(&sources.join()?.store, typed).map(|order| order.0);
    let order = found.unwrap_or_else(|_| typed.to_owned());
    tell_shop(sources, path, &format!("release {order}"), &json!({ "orderId": order }))
}

fn say_to_server(joined: Joined, path: &str, what: &str, key: &Option<String>, body: Vec<u8>) -> Result<Exit, Failure> {
    let Joined { config, mut secrets, .. } = joined;
    let address = address(&config.data_dir)?;
    if !config.is_production() {
        secrets.ensure_internal(&config.data_dir).map_err(Failure::file(&config.data_dir))?;
    }
    let secret = secrets.internal_run.as_ref().ok_or_else(|| {
        Failure::Refused("set INTERNAL_RUN_SECRET: without it the server listens to nobody".to_owned())
    })?;
    let key = key.clone().map_or_else(random_key, Ok)?;
    let headers =
        [("content-type", "application/json"), ("x-internal-secret", secret.expose()), ("idempotency-key", &key)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let url = format!("http://{address}{path}");
    let answer = UreqWire::default().ask(&Request { method: "POST", url, headers, body, purpose: Purpose::Money });
    let answer = answer.map_err(|error| match error {
        CallError::Unsent(_) => start_first(),
        CallError::Refused { .. } | CallError::Unknown(_) => {
            Failure::NotKnown(format!("no answer came; say it again with --key {key}, and it is heard once"))
        }
    })?;
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |field: &str| said[field].as_str().unwrap_or_default().to_owned();
    if !(200..300).contains(&answer.status) {
        let (code, detail, until) = (text("code"), text("detail"), text("notBefore"));
        let until = if until.is_empty() { until } else { format!(" (not before {until})") };
        return Err(Failure::Refused(format!("{what}: {code}: {detail}{until}")));
    }
    let before = answer.header("idempotency-replayed").map(|_| " before").unwrap_or_default();
    let stage = Some(text("stage")).filter(|stage| !stage.is_empty());
    let stage = stage.map(|stage| format!("; the order is {stage}")).unwrap_or_default();
    say(&format!("{what}: heard{before}{stage}\n"))?;
    Ok(Exit::Good)
}

fn address(data_dir: &Path) -> Result<String, Failure> {
    let path = data_dir.join("address");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(start_first()),
        Err(error) => Err(Failure::File { path, error }),
    }
}

fn start_first() -> Failure {
    Failure::Refused("no server runs in this data directory; start it first: postsale serve".to_owned())
}

fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 15];
    let drawn = SystemRandom::new().fill(&mut bytes);
    let what = "no random numbers";
    drawn.map_err(|_| Failure::Machine { what, error: io::Error::other("the machine gives none") })?;
    Ok(BASE32_NOPAD.encode(&bytes).to_lowercase())
}

#[cfg(test)]
mod tests {
    use crate::cli::args::{Command, Orders, Typed};
    use clap::Parser;
    use serde_json::{Value, json};

    #[test]
    fn a_payout_is_named_by_its_id() {
        let check = |line: &str, expected: Option<(&str, &str)>| {
            let typed = Typed::try_parse_from(format!("postsale payouts {line}").trim().split(' ')).ok();
            let read = typed.map(|typed| match typed.command {
                Command::Payouts { command: Some(verb), .. } => {
                    let (word, to) = verb.parts();
                    (word, to.id.clone())
                }
                other => panic!("{line}: {other:?}"),
            });
            assert_eq!(read.as_ref().map(|(word, id)| (*word, id.as_str())), expected, "{line}");
        };
        check("cancel abc", Some(("cancel", "abc")));
        check("approve abc --key k", Some(("approve", "abc")));
        check("resolve abc --batch B1", Some(("resolve", "abc")));
        check("resolve abc --nothing-there", Some(("resolve", "abc")));
        check("resolve abc --batch B1 --nothing-there", None);
        check("resolve abc", None);
        check("cancel", None);
    }

    #[test]
    fn what_is_typed_is_what_the_interface_reads() {
        let check = |line: &str, word: &str, body: Option<Value>| {
            let typed = Typed::try_parse_from(format!("postsale orders {line}").split(' ')).ok();
            let verb = typed.map(|typed| match typed.command {
                Command::Orders { command: Orders::Say(verb) } => verb,
                other => panic!("{line}: {other:?}"),
            });
            let read = verb.map(|verb| {
                assert_eq!((verb.parts().0, verb.parts().1.id.as_str()), (word, "1001"), "{line}");
                serde_json::to_value(&verb).unwrap()
            });
            assert_eq!(read, body, "{line}");
        };
        let some = Some;
        check("hold 1001 --reason odd", "hold", some(json!({ "reason": "odd" })));
        check("hold 1001", "hold", None);
        check("cancel 1001 --reason odd --key k", "cancel", some(json!({ "reason": "odd" })));
        check("approve 1001", "approve", some(json!({ "override": [] })));
        let both = json!({ "override": ["stock", "margin"], "quoteHash": "beef" });
        check("approve 1001 --override stock --override margin --quote-hash beef", "approve", some(both));
        check("resolve 1001", "resolve", None);
        check("resolve 1001 --nothing-there", "resolve", some(json!({ "outcome": "nothing-there" })));
        let ids = json!({ "supplierOrderIds": ["8001", "8002"] });
        check("resolve 1001 --supplier-order 8001 --supplier-order 8002", "resolve", some(ids));
        check("resolve 1001 --supplier-order 8001 --nothing-there", "resolve", None);
        check("resolve-refund 1001", "resolve-refund", None);
        check("resolve-refund 1001 --refund-id R1", "resolve-refund", some(json!({ "refundId": "R1" })));
        let nothing = json!({ "number": 2, "outcome": "nothing-there" });
        check("resolve-refund 1001 --number 2 --nothing-there", "resolve-refund", some(nothing));
        check("resolve-refund 1001 --refund-id R1 --nothing-there", "resolve-refund", None);
        let bought = json!({ "supplierOrderIds": ["8001"], "total": "9.00", "currency": "USD" });
        let line = "mark-purchased 1001 --supplier-order 8001 --total 9.00 --currency USD";
        check(line, "mark-purchased", some(bought));
        check("mark-purchased 1001 --total 9.00 --currency USD", "mark-purchased", None);
        check("mark-supplier-paid 1001", "mark-supplier-paid", some(json!({})));
        check("mark-supplier-paid 1001 --total 9.00", "mark-supplier-paid", None);
        let shipped = json!({ "trackingNumber": "LP1" });
        check("mark-shipped 1001 --tracking-number LP1", "mark-shipped", some(shipped));
        check("mark-delivered 1001", "mark-delivered", some(json!({})));
        check("refund 1001 --reason odd", "refund", some(json!({ "reason": "odd" })));
        let part = json!({ "reason": "odd", "amount": "5.00", "currency": "USD", "again": true, "confirm": true });
        check("refund 1001 --reason odd --amount 5.00 --currency USD --again --confirm", "refund", some(part));
        check("refund 1001 --reason odd --amount 5.00", "refund", None);
        check("refund 1001", "refund", None);
        let settled = json!({ "amount": "23.50", "currency": "USD", "fee": "1.50", "account": "bank", "reference": "S1",
                              "settledAt": "2030-01-31T12:00:00Z" });
        let line = "settle 1001 --amount 23.50 --currency USD --fee 1.50 --account bank --reference S1 --settled-at \
                    2030-01-31T12:00:00Z";
        check(line, "settle", some(settled));
        check("settle 1001 --amount 23.50 --currency USD", "settle", None);
        let given = json!({ "supplierOrderId": "8001", "amount": "2.00", "currency": "USD", "reference": "R1" });
        let line = "supplier-refund 1001 --supplier-order 8001 --amount 2.00 --currency USD --reference R1";
        check(line, "supplier-refund", some(given));
        check("release 1001", "release", some(json!({})));
        let corrected = json!({ "buyer": { "phone": "5593600000" }, "shippingAddress": { "postalCode": "93650" } });
        check("correct 1001 --phone 5593600000 --postal-code 93650", "correct", some(corrected));
    }
}
