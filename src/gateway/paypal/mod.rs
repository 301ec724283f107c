//! PayPal: checkout orders, captures, refunds, payouts and balances.
//!
//! Every method asks once and says what it saw. It must never follow a link of an answer (ids are taken out of paths),
//! hand the token to another host than the configured one, or repeat a call, with one exception: after a 401, which
//! proves that nothing happened, the same bytes go out once more under the same key with a fresh token.

mod amounts;
mod checkout;
mod disputes;
mod errors;
mod payouts;
mod refunds;
mod subscription;
mod token;
mod told;
mod tracking;
mod transactions;
mod webhook;

pub use checkout::{
    AddressSeen, CaptureSeen, CaptureStatus, CheckoutRequest, CheckoutSeen, CheckoutStatus, PayerSeen, Shipping,
    create_order_body,
};
pub use disputes::{DisputeLine, DisputeSeen, MovementSeen};
pub use payouts::{BatchSeen, BatchStatus, ItemSeen, ItemStatus, PayAnswer, PayoutRequest, payout_body};
pub use refunds::{Balance, RefundRequest, RefundSeen, RefundStatus, refund_body};
pub use subscription::Webhook;
pub use token::PERMISSIONS;
pub use told::{KINDS, Told};
pub use transactions::{Statement, TransactionSeen, is_permission_missing, windows};
pub use webhook::{Delivery, NotHeard};

use super::json::Node;
use super::wire::{Answer, Purpose, Request, Wire};
use super::{CallError, Called, FarClock, Heard, Now, OnCall, Secret, is_plain_id, tame_code};
use jiff::Timestamp;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What we ask of PayPal. The error table and the log name calls by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Token,
    CreateOrder,
    Order,
    Capture,
    CaptureSeen,
    Pay,
    Batch,
    CancelItem,
    Track,
    Refund,
    RefundSeen,
    Balances,
    Transactions,
    Disputes,
    Dispute,
    Webhooks,
    Certificate,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::CreateOrder => "create_order",
            Self::Order => "order",
            Self::Capture => "capture",
            Self::CaptureSeen => "capture_seen",
            Self::Pay => "pay",
            Self::Batch => "batch",
            Self::CancelItem => "cancel_item",
            Self::Track => "track",
            Self::Refund => "refund",
            Self::RefundSeen => "refund_seen",
            Self::Balances => "balances",
            Self::Transactions => "transactions",
            Self::Disputes => "disputes",
            Self::Dispute => "dispute",
            Self::Webhooks => "webhooks",
            Self::Certificate => "certificate",
        }
    }

    /// True where a wrong "no" could cost money: only a documented refusal counts as one there.
    fn needs_proof(self) -> bool {
        matches!(self, Self::CreateOrder | Self::Capture | Self::Pay | Self::CancelItem | Self::Refund)
    }
}

/// One PayPal REST app.
pub struct PayPal {
    wire: Arc<dyn Wire>,
    base_url: String,
    client_id: String,
    client_secret: Secret,
    token: Mutex<token::Held>,
    clock: FarClock,
    on_call: Option<Arc<OnCall>>,
    /// `None`: deliveries of events cannot be judged.
    ear: Option<webhook::Ear>,
}

/// A call before it has a token.
struct Call<'a> {
    operation: Operation,
    method: &'static str,
    /// Path and query below the base URL.
    path: String,
    /// `PayPal-Request-Id`; `None` for look-ups.
    key: Option<&'a str>,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    fn look_up(operation: Operation, path: String) -> Self {
        Self { operation, method: "GET", path, key: None, body: b"" }
    }

    fn post(operation: Operation, path: String, key: Option<&'a str>, body: &'a [u8]) -> Self {
        Self { operation, method: "POST", path, key, body }
    }
}

/// PayPal keeps keys of at most so many characters in Orders.
const KEY_CHARS_MAX: usize = 108;

impl PayPal {
    /// `base_url` without a path for PayPal itself, e.g. `https://api-m.paypal.com`; a built-in far side adds one.
    pub fn new(wire: Arc<dyn Wire>, base_url: String, client_id: String, client_secret: Secret) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self {
            wire,
            base_url,
            client_id,
            client_secret,
            token: Mutex::default(),
            clock: FarClock::default(),
            on_call: None,
            ear: None,
        }
    }

    /// Tells `on_call` of every call.
    pub fn observed(mut self, on_call: Arc<OnCall>) -> Self {
        self.on_call = Some(on_call);
        self
    }

    /// Times every answer by our clock, so that the two can be compared.
    pub fn timed_by(mut self, now: Arc<Now>) -> Self {
        self.clock = FarClock::timed_by(now);
        self
    }

    /// The last answer's time beside ours. `None`: no answer yet, or nobody times them.
    pub fn heard(&self) -> Option<Heard> {
        self.clock.heard()
    }

    /// Asks for nothing but an answer, whatever it says: its `Date` is what is wanted. No token is needed.
    pub fn show_clock(&self) {
        let url = format!("{}/", self.base_url);
        let request = Request { method: "GET", url, headers: Vec::new(), body: Vec::new(), purpose: Purpose::LookUp };
        let from = self.clock.now();
        match self.wire.ask(&request) {
            Ok(answer) => self.clock.note(from, &answer),
            Err(error) => log::info!("PayPal does not show its clock: {error}"),
        }
    }

    fn tell(&self, operation: Operation, status: Option<u16>, (issue, debug_id): (&str, &str), took_ms: u128) {
        let Some(on_call) = &self.on_call else { return };
        let took_ms = u64::try_from(took_ms).unwrap_or(u64::MAX);
        let (issue, debug_id) = (super::said(issue), super::said(debug_id));
        let operation = operation.word().to_owned();
        on_call(&Called { far_side: "PAYPAL", operation, status, issue, debug_id, took_ms });
    }

    /// The latest time that PayPal's clock showed us since the program started. `None`: no answer yet.
    pub fn far_clock(&self) -> Option<Timestamp> {
        self.clock.latest()
    }

    /// Makes the call and returns PayPal's answer of any status, after the one repeat that a 401 allows.
    fn exchange(&self, now: Timestamp, call: &Call) -> Result<Answer, CallError> {
        let fault = call.key.and_then(key_fault);
        if let Some(fault) = fault {
            return Err(CallError::refused_here(fault));
        }
        let token = self.token_to_send(now)?;
        let answer = self.once(call, &token)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        self.drop_token(&token);
        // A 401 of some box in between is not PayPal's word that nothing happened.
        if !matches!(errors::classify(call.operation, &answer), CallError::Refused { .. }) {
            return Ok(answer);
        }
        let token = self.token_to_send(now)?;
        self.once(call, &token)
    }

    /// [`PayPal::exchange`], with everything but a JSON success turned into an error by the table.
    fn answer(&self, now: Timestamp, call: &Call) -> Result<Node, CallError> {
        let answer = self.exchange(now, call)?;
        success(call.operation, &answer)
    }

    fn once(&self, call: &Call, token: &Secret) -> Result<Answer, CallError> {
        let mut headers = vec![
            ("Authorization".to_owned(), format!("Bearer {}", token.expose())),
            ("Accept".to_owned(), "application/json".to_owned()),
        ];
        if call.method != "GET" {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            // Without it the answer is three fields, and neither amount nor fee is among them.
            headers.push(("Prefer".to_owned(), "return=representation".to_owned()));
        }
        if let Some(key) = call.key {
            headers.push(("PayPal-Request-Id".to_owned(), key.to_owned()));
        }
        let purpose = if call.operation.needs_proof() { Purpose::Money } else { Purpose::LookUp };
        let url = format!("{}{}", self.base_url, call.path);
        let request = Request { method: call.method, url, headers, body: call.body.to_vec(), purpose };
        self.ask(call.operation, &request)
    }

    /// One request and its log line.
    fn ask(&self, operation: Operation, request: &Request) -> Result<Answer, CallError> {
        let (started, from) = (Instant::now(), self.clock.now());
        let answer = self.wire.ask(request);
        let (op, ms) = (operation.word(), started.elapsed().as_millis());
        match &answer {
            Ok(answer) => {
                self.clock.note(from, answer);
                let said = (answer.status >= 300).then(|| errors::Complaint::read(answer));
                let issue = said.as_ref().and_then(|s| s.issues.first()).map(String::as_str);
                let debug_id = answer.header("paypal-debug-id").map(str::to_owned);
                let debug_id = debug_id.or_else(|| said.as_ref().and_then(|s| s.debug_id.clone()));
                let (issue, debug_id) = (tame_code(issue), tame_code(debug_id.as_deref()));
                log::info!("[PAYPAL] op={op} status={} issue={issue} debug_id={debug_id} ms={ms}", answer.status);
                self.tell(operation, Some(answer.status), (&issue, &debug_id), ms);
            }
            Err(error) => {
                log::info!("[PAYPAL] op={op} status=- issue=- debug_id=- ms={ms} error=\"{error}\"");
                self.tell(operation, None, ("-", "-"), ms);
            }
        }
        answer
    }
}

/// The body of a success; anything else by the table. A success that cannot be read is unknown: it happened, but what?
fn success(operation: Operation, answer: &Answer) -> Result<Node, CallError> {
    if !matches!(answer.status, 200..=202) {
        return Err(errors::classify(operation, answer));
    }
    let node = Node::parse(&answer.body).filter(Node::is_object);
    node.ok_or_else(|| unreadable(operation, "not a JSON object"))
}

/// For a success that lacks what must be in it.
fn unreadable(operation: Operation, what: &str) -> CallError {
    CallError::Unknown(format!("PayPal's answer to {} cannot be read: {what}", operation.word()))
}

/// Guards every URL: an id of any other shape is not sent.
fn plain<'a>(what: &str, id: &'a str) -> Result<&'a str, CallError> {
    match is_plain_id(id) {
        true => Ok(id),
        false => Err(CallError::refused_here(format!("not a PayPal {what} id"))),
    }
}

fn key_fault(key: &str) -> Option<String> {
    let fit = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    (!fit).then(|| format!("a key must have 1 to {KEY_CHARS_MAX} printable ASCII characters"))
}

#[cfg(test)]
mod tests;
