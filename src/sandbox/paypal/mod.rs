//! A PayPal to be paid through: orders, captures, refunds, payouts, reports and webhook events, in PayPal's own shapes
//! and with PayPal's own limits to memory. It holds its own book, from which the truth of a rehearsal is judged.
//!
//! Its answers fit PayPal's published description, with two exceptions made on purpose: an item may be `DENIED`, a state
//! that only PayPal's pages know, and a pending capture may bear a reason nobody has heard of. What PayPal describes and
//! this one leaves out: sentences beside an issue, several purchase units, authorizations, and payouts by telephone.
//!
//! It does no I/O and reads no clock: `answer` is told the time. It must never share code or types with the shop's
//! client; both were written from the public description, so that a mistake in one shows against the other.

mod approval;
mod bookview;
mod captures;
mod disputes;
mod orders;
mod payouts;
mod plants;
mod records;
mod reports;
#[cfg(test)]
mod tests;
mod webhooks;

pub use records::{
    Batch, Capture, Dispute, DisputeMovement, Effect, Event, Item, NextCapture, Order, Plant, PlantedRow, Refund,
    Switches,
};
pub use webhooks::Delivery;

use crate::sandbox::wire::{ACCOUNT, Answer, CAPITALS, HEX, Request, draw, http_date};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use records::{Kept, Webhook};
use ring::hmac;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const CLIENT_ID: &str = "AbuiltinSandboxClient0000000000000000000000000000000000000000000";
pub const CLIENT_SECRET: &str = "EbuiltinSandboxSecret0000000000000000000000000000000000000000000";
pub const WEBHOOK_ID: &str = "7PW31285X4908143H";
pub const MERCHANT_ID: &str = "SANDB2XSHQP22";
pub const MERCHANT_EMAIL: &str = "merchant@sandbox.example";

/// Status and JSON body. `Err` is a refusal; nothing was booked.
pub(crate) type Outcome = Result<(u16, Value), (u16, Value)>;

/// The whole state. Every change goes through `write`, so that a file of effects is the book.
#[derive(Debug, Clone)]
pub struct Book {
    base_url: String,
    seed: u64,
    orders: BTreeMap<String, Order>,
    captures: BTreeMap<String, Capture>,
    refunds: BTreeMap<String, Refund>,
    batches: BTreeMap<String, Batch>,
    disputes: BTreeMap<String, Dispute>,
    /// Item id → batch id.
    items: BTreeMap<String, String>,
    /// Invoice ids that were captured.
    captured_invoices: BTreeMap<String, String>,
    kept: BTreeMap<String, Kept>,
    webhooks: BTreeMap<String, Webhook>,
    events: Vec<Event>,
    next_capture: Option<NextCapture>,
    plants: Vec<Plant>,
    switches: Switches,
    effects: Vec<Effect>,
    answers: u64,
}

impl Book {
    /// An empty book. `base_url` goes into links, without a slash at its end; `seed` decides every id.
    pub fn new(base_url: &str, seed: u64) -> Self {
        Self {
            base_url: base_url.into(),
            seed,
            orders: BTreeMap::new(),
            captures: BTreeMap::new(),
            refunds: BTreeMap::new(),
            batches: BTreeMap::new(),
            disputes: BTreeMap::new(),
            items: BTreeMap::new(),
            captured_invoices: BTreeMap::new(),
            kept: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            events: Vec::new(),
            next_capture: None,
            plants: Vec::new(),
            switches: Switches::default(),
            effects: Vec::new(),
            answers: 0,
        }
    }

    /// Answers one request at that time.
    pub fn answer(&mut self, request: &Request, now_ms: i64) -> Answer {
        self.answers += 1;
        let debug_id = draw(self.seed, "debug", self.answers, HEX, 13);
        let answer = match self.plain(request, now_ms) {
            Some(answer) => answer,
            None => {
                let (status, mut body) = self.route(request, now_ms).unwrap_or_else(|refusal| refusal);
                if let Some(fields) = body.as_object_mut().filter(|f| f.contains_key("debug_id")) {
                    fields.insert("debug_id".into(), json!(debug_id));
                }
                if status == 204 {
                    Answer { status, headers: vec![], body: vec![] }
                } else {
                    Answer::json(status, &body)
                }
            }
        };
        answer.with("Paypal-Debug-Id", debug_id).with("Date", http_date(now_ms))
    }

    /// The routes without a token: login, the page of the payer, the webhook certificate.
    fn plain(&mut self, request: &Request, now_ms: i64) -> Option<Answer> {
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["v1", "oauth2", "token"]) => Some(self.token(request, now_ms)),
            ("GET" | "POST", ["checkoutnow"]) => Some(self.payer_page(request, now_ms)),
            ("GET", ["v1", "notifications", "certs", webhooks::CERTIFICATE_NAME]) => Some(webhooks::certificate()),
            _ => None,
        }
    }

    fn route(&mut self, request: &Request, now_ms: i64) -> Outcome {
        self.check_bearer(request, now_ms)?;
        let posted = matches!(request.method.as_str(), "POST" | "PATCH");
        let kind = request.header("content-type").unwrap_or("");
        if posted && !kind.to_ascii_lowercase().starts_with("application/json") {
            return Err(refusal(415, "UNSUPPORTED_MEDIA_TYPE", None));
        }
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["v2", "checkout", "orders"]) => self.create_order(request, now_ms),
            ("GET", ["v2", "checkout", "orders", id]) => self.show_order(id, now_ms),
            ("POST", ["v2", "checkout", "orders", id, "capture"]) => self.capture(id, request, now_ms),
            ("POST", ["v2", "checkout", "orders", id, "track"]) => self.track(id, request, now_ms),
            ("GET", ["v2", "payments", "captures", id]) => self.show_capture(id),
            ("POST", ["v2", "payments", "captures", id, "refund"]) => self.refund(id, request, now_ms),
            ("GET", ["v2", "payments", "refunds", id]) => self.show_refund(id),
            ("POST", ["v1", "payments", "payouts"]) => self.pay_out(request, now_ms),
            ("GET", ["v1", "payments", "payouts", id]) => self.show_batch(id, now_ms),
            ("GET", ["v1", "payments", "payouts-item", id]) => self.show_item(id, now_ms),
            ("POST", ["v1", "payments", "payouts-item", id, "cancel"]) => self.cancel_item(id, now_ms),
            ("GET", ["v1", "reporting", _]) if !self.switches.reporting_enabled => {
                Err(refusal(403, "NOT_AUTHORIZED", None))
            }
            ("GET", ["v1", "reporting", "transactions"]) => self.transactions(request, now_ms),
            ("GET", ["v1", "reporting", "balances"]) => self.balances(request, now_ms),
            ("GET", ["v1", "customer", "disputes"]) => self.list_disputes(request),
            ("GET", ["v1", "customer", "disputes", id]) => self.show_dispute(id),
            (_, ["v1", "notifications", rest @ ..]) => self.notifications(request, rest),
            _ => Err(refusal(404, "RESOURCE_NOT_FOUND", None)),
        }
    }

    fn token(&mut self, request: &Request, now_ms: i64) -> Answer {
        let expected = format!("{CLIENT_ID}:{CLIENT_SECRET}");
        let given = request.header("authorization").and_then(|h| h.strip_prefix("Basic "));
        let matches = given.and_then(|g| BASE64.decode(g.trim().as_bytes()).ok()) == Some(expected.into_bytes());
        if !matches || !self.switches.paypal_credentials_valid {
            return Answer::json(
                401,
                &json!({"error": "invalid_client", "error_description": "Client Authentication failed"}),
            );
        }
        let grant = crate::sandbox::wire::pairs(&request.body);
        if !grant.iter().any(|(n, v)| n == "grant_type" && v == "client_credentials") {
            return Answer::json(
                400,
                &json!({"error": "unsupported_grant_type", "error_description": "Grant Type is NULL"}),
            );
        }
        let mut scopes = vec![
            "https://uri.paypal.com/services/payments/payment/authcapture",
            "https://uri.paypal.com/services/payments/refund",
            "https://uri.paypal.com/services/applications/webhooks",
            "https://uri.paypal.com/services/disputes/read-seller",
            "openid",
        ];
        if self.switches.reporting_enabled {
            scopes.push("https://uri.paypal.com/services/reporting/search/read");
        }
        if self.switches.payouts_enabled {
            scopes.push("https://uri.paypal.com/payments/payouts");
        }
        let life_s = self.switches.paypal_token_life_s;
        Answer::json(
            200,
            &json!({"scope": scopes.join(" "), "access_token": self.sealed_token(now_ms + life_s * 1000),
                "token_type": "Bearer", "app_id": "APP-80W284485P519543T", "expires_in": life_s,
                "nonce": format!("{}{}", crate::sandbox::wire::rfc3339(now_ms), draw(self.seed, "nonce", self.answers, HEX, 20))}),
        )
    }

    /// A token says itself when it ends and is sealed, so that none need be kept in the book.
    fn sealed_token(&self, ends_at: i64) -> String {
        let words = format!("{ends_at}.{}", self.switches.paypal_token_generation);
        let seal = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes()), words.as_bytes());
        format!("A21AA{}-{}", BASE64URL_NOPAD.encode(words.as_bytes()), BASE64URL_NOPAD.encode(seal.as_ref()))
    }

    fn check_bearer(&self, request: &Request, now_ms: i64) -> Result<(), (u16, Value)> {
        let Some(token) = request.header("authorization").and_then(|h| h.strip_prefix("Bearer ")) else {
            return Err(refusal(401, "AUTHENTICATION_FAILURE", None));
        };
        let ends_at = token
            .strip_prefix("A21AA")
            .and_then(|t| t.split('-').next())
            .and_then(|w| BASE64URL_NOPAD.decode(w.as_bytes()).ok())
            .and_then(|w| String::from_utf8(w).ok())
            .and_then(|w| w.split('.').next().and_then(|at| at.parse::<i64>().ok()));
        let good = ends_at.is_some_and(|at| at > now_ms && self.sealed_token(at) == token);
        if good && self.switches.paypal_credentials_valid {
            Ok(())
        } else if request.path.starts_with("/v2/") {
            Err((401, json!({"error": "invalid_token", "error_description": "Token signature verification failed"})))
        } else {
            // The older interfaces describe no other form.
            Err(refusal(401, "AUTHENTICATION_FAILURE", None))
        }
    }

    /// Writes one change, and remembers it for the file.
    fn write(&mut self, effect: Effect) {
        self.apply(effect.clone());
        self.effects.push(effect);
    }

    /// Makes a change that was written before; for replay.
    pub fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Order(row) => drop(self.orders.insert(row.id.clone(), row)),
            Effect::Capture(row) => {
                if let Some(invoice) = row.invoice_id.clone().filter(|_| row.status != "DECLINED") {
                    self.captured_invoices.insert(invoice, row.id.clone());
                }
                self.captures.insert(row.id.clone(), row);
            }
            Effect::Refund(row) => drop(self.refunds.insert(row.id.clone(), row)),
            Effect::Batch(row) => {
                self.items.extend(row.items.iter().map(|item| (item.id.clone(), row.id.clone())));
                self.batches.insert(row.id.clone(), row);
            }
            Effect::Dispute(row) => drop(self.disputes.insert(row.id.clone(), row)),
            Effect::Kept(row) => drop(self.kept.insert(row.name.clone(), row)),
            Effect::Webhook(row) => drop(self.webhooks.insert(row.id.clone(), row)),
            Effect::Event(row) => match self.events.iter_mut().rev().find(|e| e.id == row.id) {
                Some(known) => *known = row,
                None => self.events.push(row),
            },
            Effect::NextCapture(wish) => self.next_capture = wish,
            Effect::Plant(plant) => self.plants.push(plant),
            Effect::Switches(switches) => self.switches = switches,
        }
    }

    /// The changes since the last call, to be stored before the answer leaves.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    pub fn set_switches(&mut self, switches: Switches) {
        self.write(Effect::Switches(switches));
    }

    /// Remembered under that name and young enough.
    fn kept(&self, name: &str, now_ms: i64, life_ms: i64) -> Option<&Kept> {
        self.kept.get(name).filter(|k| now_ms - k.at < life_ms)
    }

    fn request_id_life_ms(&self) -> i64 {
        self.switches.request_id_hours * 3_600_000
    }

    fn transaction_id(&self, kind: &str, number: usize) -> String {
        draw(self.seed, kind, number as u64, CAPITALS, 17)
    }

    fn account_id(&self, kind: &str, number: usize) -> String {
        draw(self.seed, kind, number as u64, ACCOUNT, 13)
    }

    fn link(&self, path: &str, rel: &str, method: &str) -> Value {
        json!({"href": format!("{}{path}", self.base_url), "rel": rel, "method": method})
    }
}

/// Which call a request is, in the words of the fault table; `None` for paths PayPal does not have.
pub fn call_name(request: &Request) -> Option<&'static str> {
    let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    Some(match (request.method.as_str(), segments.as_slice()) {
        (_, ["v1", "oauth2", "token"]) => "paypal.token",
        ("POST", ["v2", "checkout", "orders"]) => "paypal.create",
        ("GET", ["v2", "checkout", "orders", _]) => "paypal.order",
        (_, ["v2", "checkout", "orders", _, "capture"]) => "paypal.capture",
        (_, ["v2", "checkout", "orders", _, "track"]) => "paypal.track",
        (_, ["v2", "payments", "captures", _]) => "paypal.capture_get",
        (_, ["v2", "payments", "captures", _, "refund"]) => "paypal.refund",
        (_, ["v2", "payments", "refunds", _]) => "paypal.refund_get",
        (_, ["v1", "payments", "payouts"]) => "paypal.payout",
        (_, ["v1", "payments", "payouts", _]) => "paypal.batch",
        (_, ["v1", "payments", "payouts-item", _]) => "paypal.item",
        (_, ["v1", "payments", "payouts-item", _, "cancel"]) => "paypal.cancel",
        (_, ["v1", "reporting", "transactions"]) => "paypal.transactions",
        (_, ["v1", "reporting", "balances"]) => "paypal.balances",
        (_, ["v1", "customer", "disputes"]) => "paypal.disputes",
        (_, ["v1", "customer", "disputes", _]) => "paypal.dispute",
        (_, ["v1", "notifications", "certs", _]) => "paypal.certificate",
        (_, ["v1", "notifications", ..]) => "paypal.webhooks",
        _ => return None,
    })
}

/// The name PayPal gives a status when nothing more exact is known.
pub fn usual_name(status: u16) -> &'static str {
    match status {
        400 => "INVALID_REQUEST",
        401 => "AUTHENTICATION_FAILURE",
        403 => "NOT_AUTHORIZED",
        404 => "RESOURCE_NOT_FOUND",
        409 => "RESOURCE_CONFLICT",
        422 => "UNPROCESSABLE_ENTITY",
        429 => "RATE_LIMIT_REACHED",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        504 => "GATEWAY_TIMEOUT",
        _ => "INTERNAL_SERVER_ERROR",
    }
}

/// PayPal's error object. The debug id is filled in on the way out.
pub fn refusal(status: u16, name: &str, detail: Option<Value>) -> (u16, Value) {
    let message = match name {
        "INVALID_REQUEST" => "Request is not well-formed, syntactically incorrect, or violates schema.",
        "AUTHENTICATION_FAILURE" => {
            "Authentication failed due to missing authorization header, or invalid authentication credentials."
        }
        "NOT_AUTHORIZED" => "Authorization failed due to insufficient permissions.",
        "RESOURCE_NOT_FOUND" => "The specified resource does not exist.",
        "RESOURCE_CONFLICT" => "The server has detected a conflict while processing this request.",
        "UNPROCESSABLE_ENTITY" => {
            "The requested action could not be performed, semantically incorrect, or failed business validation."
        }
        "RATE_LIMIT_REACHED" => "Too many requests. Blocked due to rate limiting.",
        "UNSUPPORTED_MEDIA_TYPE" => "The server does not support the request payload's media type.",
        "VALIDATION_ERROR" => "Invalid request - see details",
        "USER_BUSINESS_ERROR" => "User business error.",
        "INSUFFICIENT_FUNDS" => "Sender does not have sufficient funds. Please add funds and retry.",
        _ => "An internal server error has occurred.",
    };
    let mut body = Map::new();
    body.insert("name".into(), json!(name));
    body.insert("message".into(), json!(message));
    body.insert("debug_id".into(), json!(""));
    if let Some(detail) = detail {
        body.insert("details".into(), json!([detail]));
    }
    body.insert("links".into(), json!([]));
    (status, Value::Object(body))
}

/// A 422 with its issue. PayPal adds a sentence of its own; nobody decides on it, so it is left out.
fn unprocessable(issue: &str) -> (u16, Value) {
    refusal(422, "UNPROCESSABLE_ENTITY", Some(json!({"issue": issue})))
}

/// A 400 that names the field.
fn malformed(field: &str, issue: &str) -> (u16, Value) {
    let detail = json!({"field": field, "location": "body", "issue": issue});
    refusal(400, "INVALID_REQUEST", Some(detail))
}

/// 404 in Orders' and Payments' words.
fn no_such_id() -> (u16, Value) {
    let detail = json!({"issue": "INVALID_RESOURCE_ID", "description":
        "Specified resource ID does not exist. Please check the resource ID and try again."});
    refusal(404, "RESOURCE_NOT_FOUND", Some(detail))
}
