//! Replies that go wrong on purpose: which call, how often, in what way, and whether the far side had booked before.
//! A fault spoils what the buyer hears; it never edits the book.

use super::wire::{Answer, Request};
use super::{aliexpress, paypal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// Every reply kind by its name in the control.
pub const KINDS: &[&str] = &[
    "timeout",
    "reset",
    "half",
    "wrong_length",
    "slow_drip",
    "html_200",
    "empty_200",
    "missing_fields",
    "other_id",
    "huge",
    "gzip_bomb",
    "redirect",
    "status_400",
    "status_401",
    "status_403",
    "status_404",
    "status_409",
    "status_422",
    "status_429",
    "status_500",
    "status_502",
    "status_503",
    "status_504",
    "is_success_false",
    "code15",
    "code_limit",
    "true_without_ids",
    "gateway_code",
];

/// Whether the far side does its work before the reply is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    BeforeCommit,
    AfterCommit,
}

/// One entry of the fault table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// `paypal.capture`, `aliexpress.create`, …; `paypal.*` is every call of that side, `*` every call.
    pub call: String,
    pub reply: String,
    pub when: When,
    /// How many calls it spoils; nought is spent.
    #[serde(default = "once")]
    pub times: u32,
    /// How many calls it lets pass first.
    #[serde(default)]
    pub skip: u32,
    /// Only requests that hold this text in path or body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// PayPal's issue or, for Payouts, its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// AliExpress's error_code, sub_code (code15) or gateway code.
    #[serde(default, alias = "error_code", skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// How long a timeout holds the connection; the shell's own patience where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

/// The debug id of every refusal made here, so that it is known for what it is.
const FAULT_DEBUG_ID: &str = "fa017ed0fa017";

fn once() -> u32 {
    1
}

impl Fault {
    /// Whether the spoilt reply is made of the true one.
    pub fn wants_true_answer(&self) -> bool {
        matches!(self.reply.as_str(), "half" | "wrong_length" | "slow_drip" | "missing_fields" | "other_id")
    }

    /// Whether the entry is meant for this call; counts down what it lets pass.
    pub fn meets(&mut self, call: &str, request: &Request) -> bool {
        let side = self.call.strip_suffix(".*").is_some_and(|side| call.starts_with(side));
        let names = self.call == call || self.call == "*" || side;
        let holds = self.contains.as_ref().is_none_or(|text| {
            request.path.contains(text.as_str()) || String::from_utf8_lossy(&request.body).contains(text.as_str())
        });
        if self.times == 0 || !names || !holds {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// How a connection is broken; the shell does it, a simulator translates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// No answer; the connection is held so long, then closed. `None`: as long as the shell holds it.
    Timeout(Option<u64>),
    /// No answer; the connection is reset.
    Reset,
    /// The head and half the body, then the end.
    Half,
    /// Fewer bytes announced than sent.
    WrongLength,
    /// The whole answer, one byte at a time with long pauses.
    SlowDrip,
}

/// What leaves the far sides.
#[derive(Debug, Clone)]
pub enum Reply {
    Whole(Answer),
    /// The answer that would have gone out, and what happens to it on the way.
    Broken(Break, Answer),
}

/// The header of an answer that was spoilt on purpose, with the reply's kind: whoever judges the far sides by their
/// answers leaves these out.
pub const SPOILT: &str = "sandbox-spoilt";

/// The reply this fault makes of the true answer.
pub fn spoil(fault: &Fault, call: &str, answer: Answer) -> Reply {
    let breaking = match fault.reply.as_str() {
        "timeout" => Some(Break::Timeout(fault.hold_ms)),
        "reset" => Some(Break::Reset),
        "half" => Some(Break::Half),
        "wrong_length" => Some(Break::WrongLength),
        "slow_drip" => Some(Break::SlowDrip),
        _ => None,
    };
    if let Some(breaking) = breaking {
        return Reply::Broken(breaking, answer);
    }
    // Dates and debug ids stay, the rest is made anew.
    let keep = |mut spoilt: Answer| {
        let kept =
            |name: &str| !["content-type", "location", "paypal-debug-id"].contains(&name.to_ascii_lowercase().as_str());
        spoilt.headers.extend(answer.headers.iter().filter(|(n, _)| kept(n)).cloned());
        spoilt.with(SPOILT, fault.reply.as_str())
    };
    Reply::Whole(match fault.reply.as_str() {
        "html_200" => keep(Answer::text(200, "text/html", "<html><body><h1>Maintaining</h1></body></html>")),
        "empty_200" => keep(Answer::text(200, "application/json", "")),
        "missing_fields" => keep(Answer::json(200, &hollow(call, &answer.value()))),
        "other_id" => keep(Answer::json(200, &strangers(answer.value()))),
        "huge" => keep(Answer::text(200, "application/json", huge())),
        "gzip_bomb" => keep(Answer::text(200, "application/json", bomb()).with("Content-Encoding", "gzip")),
        "redirect" => keep(
            Answer::text(307, "text/plain", "").with("Location", "http://elsewhere.sandbox.invalid/v2/checkout/orders"),
        ),
        reply => keep(refused(fault, call, reply)),
    })
}

/// The refusals: a status in the provider's words, or one of AliExpress's ways of saying no.
fn refused(fault: &Fault, call: &str, reply: &str) -> Answer {
    let status = reply.strip_prefix("status_").and_then(|s| s.parse::<u16>().ok());
    let request_id = "2101fault0000000000000000000000";
    let own = |value: Value| Answer::json(200, &value);
    let code = fault.error_code.as_deref();
    match (reply, status) {
        ("is_success_false", _) => {
            let code = code.unwrap_or("INVENTORY_HOLD_ERROR");
            own(json!({"aliexpress_ds_order_create_response": {"request_id": request_id,
                "result": {"is_success": false, "error_code": code, "error_msg": code}}}))
        }
        ("true_without_ids", _) => own(json!({"aliexpress_ds_order_create_response": {"request_id": request_id,
            "result": {"is_success": true, "order_list": {}}}})),
        ("code15", _) => {
            let gate = aliexpress::Gate::remote(code.unwrap_or("isp.service-unavailable"));
            own(gate.in_envelope(request_id))
        }
        ("code_limit", _) => own(aliexpress::Gate::too_often().in_envelope(request_id)),
        ("gateway_code", _) => {
            let gate = aliexpress::Gate::of("ISV", code.unwrap_or("InternalError"), "refused on purpose");
            let at_top = call == "aliexpress.token";
            own(if at_top { gate.at_top(request_id) } else { gate.in_envelope(request_id) })
        }
        (_, Some(status)) if call.starts_with("aliexpress.") => {
            let code = code.unwrap_or(if status == 429 { "ApiCallLimit" } else { "ServiceUnavailable" });
            Answer::json(status, &aliexpress::Gate::of("SYSTEM", code, "refused on purpose").in_envelope(request_id))
        }
        (_, status) => {
            let status = status.unwrap_or(500);
            let flat = matches!(call, "paypal.payout" | "paypal.batch" | "paypal.item" | "paypal.cancel");
            let (name, detail) = match &fault.issue {
                Some(issue) if flat => (issue.as_str(), None),
                Some(issue) => (paypal::usual_name(status), Some(json!({"issue": issue, "description": issue}))),
                None => (paypal::usual_name(status), None),
            };
            let mut body = paypal::refusal(status, name, detail).1;
            body["debug_id"] = json!(FAULT_DEBUG_ID);
            let answer = Answer::json(status, &body).with("Paypal-Debug-Id", FAULT_DEBUG_ID);
            if status == 429 { answer.with("Retry-After", "1") } else { answer }
        }
    }
}

/// The envelope without what matters in it.
fn hollow(call: &str, whole: &Value) -> Value {
    match whole.as_object().and_then(|fields| fields.keys().next()) {
        Some(envelope) if call.starts_with("aliexpress.") => json!({envelope.as_str(): {"request_id": "21"}}),
        _ => json!({"links": whole.get("links").cloned().unwrap_or_else(|| json!([]))}),
    }
}

/// The same answer about somebody else's order: every identifier has another last letter.
fn strangers(mut value: Value) -> Value {
    let other = |text: &str| {
        let cut = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
        let last = if text.ends_with('7') { '9' } else { '7' };
        format!("{}{last}", &text[..cut])
    };
    match &mut value {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = strangers(item.take())),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let names = ["id", "payout_batch_id", "payout_item_id", "order_id", "custom_id", "invoice_id"];
                let more = ["sender_batch_id", "sender_item_id", "transaction_id", "href", "product_id", "sku_id"];
                *field = match field.take() {
                    Value::String(text) if names.contains(&name.as_str()) || more.contains(&name.as_str()) => {
                        json!(other(&text))
                    }
                    Value::Number(n) if name == "product_id" => n.as_u64().map_or(json!(n), |n| json!(n ^ 1)),
                    Value::Array(ids) if name == "number" => {
                        ids.iter().map(|id| id.as_u64().map_or(json!(0), |n| json!(n ^ 1))).collect()
                    }
                    rest => strangers(rest),
                };
            }
        }
        _ => {}
    }
    value
}

/// More than a megabyte of perfectly good JSON.
fn huge() -> String {
    format!("{{\"padding\":\"{}\"}}", "x".repeat(1_600_000))
}

const GZIP_ZEROS: usize = 64 << 20;

/// Made once: the checksum of so many zeros takes its time.
fn bomb() -> Vec<u8> {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| gzip_of_zeros(GZIP_ZEROS)).clone()
}

/// A gzip file that unpacks to that many zeros: one literal, then back-references of 258 bytes, all in the fixed code.
fn gzip_of_zeros(len: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0_u64, 0);
    let mut put = |out: &mut Vec<u8>, value: u64, width: u32| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            out.push((bits & 0xff) as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    let reversed = |code: u64, width: u32| code.reverse_bits() >> (64 - width);
    put(&mut out, 0b011, 3);
    let runs = (len - 1) / 258;
    let literals = len - runs * 258;
    (0..literals).for_each(|_| put(&mut out, reversed(0b0011_0000, 8), 8));
    // Length 258 is code 285, which has no extra bits; distance 1 is code 0.
    (0..runs).for_each(|_| put(&mut out, reversed(0b1100_0101, 8), 13));
    put(&mut out, 0, 7);
    put(&mut out, 0, 7);
    let mut checksum = crc32fast::Hasher::new();
    let block = vec![0; 1 << 16];
    let mut left = len;
    while left > 0 {
        let part = left.min(block.len());
        checksum.update(&block[..part]);
        left -= part;
    }
    out.extend(checksum.finalize().to_le_bytes());
    out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(value: Value) -> Fault {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_entry_is_met_as_often_as_it_says() {
        let mut entry =
            fault(json!({"call": "paypal.capture", "reply": "reset", "when": "before_commit", "times": 2, "skip": 1}));
        let request = Request::default();
        let met: Vec<bool> = (0..4).map(|_| entry.meets("paypal.capture", &request)).collect();
        assert_eq!(met, [false, true, true, false]);
    }

    #[test]
    fn an_entry_is_met_only_by_its_call() {
        let check = |call: &str, met: bool| {
            let mut entry = fault(json!({"call": call, "reply": "reset", "when": "before_commit"}));
            assert_eq!(entry.meets("paypal.capture", &Request::default()), met, "{call}");
        };
        check("paypal.capture", true);
        check("paypal.*", true);
        check("*", true);
        check("paypal.refund", false);
        check("aliexpress.*", false);
    }

    #[test]
    fn an_entry_can_wait_for_a_text() {
        let wish = json!({"call": "*", "reply": "reset", "when": "after_commit", "contains": "order-7"});
        let with = |body: &str| Request { body: body.into(), ..Request::default() };
        assert!(!fault(wish.clone()).meets("paypal.create", &with("order-6")));
        assert!(fault(wish).meets("paypal.create", &with("{\"custom_id\":\"order-7\"}")));
    }

    #[test]
    fn a_strangers_answer_names_no_id_of_ours() {
        let ours = json!({"id": "ABC1", "purchase_units": [{"custom_id": "S7", "amount": {"value": "1.00"}}]});
        let theirs = strangers(ours);
        assert_eq!(theirs, json!({"id": "ABC7", "purchase_units": [{"custom_id": "S9", "amount": {"value": "1.00"}}]}));
    }

    #[test]
    fn the_gzip_file_is_small_and_ends_with_its_size() {
        let bomb = gzip_of_zeros(1 << 20);
        assert!(bomb.len() < 10_000, "{}", bomb.len());
        assert_eq!(&bomb[bomb.len() - 4..], &(1_u32 << 20).to_le_bytes());
    }
}
