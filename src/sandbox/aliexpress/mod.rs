//! An AliExpress to buy from: the signed gateway, tokens, products, freight, orders, tracking and the address tree, in
//! its own shapes. It holds its own book of purchases, from which the truth of a rehearsal is judged.
//!
//! It does no I/O and reads no clock. It must never share code or types with the shop's client; both were written from
//! the public description, so that a mistake in one shows against the other.

mod addresses;
mod catalogue;
mod orders;
mod records;
mod sign;
#[cfg(test)]
mod tests;
mod tokens;

pub use catalogue::{KNOWN_PRODUCT, Wish};
pub use orders::Turn;
pub use records::{Effect, Forced, Freight, Line, Product, Purchase, Switches, Token, Variant};
pub use sign::expected as expected_signature;
pub use tokens::Pair;

use crate::sandbox::wire::{Answer, NUMERALS, Request, draw, http_date};
use records::Used;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const APP_KEY: &str = "500777";
pub const APP_SECRET: &str = "builtinSandboxAppSecret000000001";

/// `Ok`: the answer's own object. `Err`: the gateway's refusal.
pub(crate) type Outcome = Result<Value, Gate>;

/// A refusal of the gateway, before or behind the business method.
#[derive(Debug, Clone)]
pub struct Gate {
    pub kind: &'static str,
    pub code: String,
    pub message: String,
    pub sub_code: Option<String>,
}

/// The whole state. Every change goes through `write`, so that a file of effects is the book.
#[derive(Debug, Clone)]
pub struct Book {
    seed: u64,
    products: BTreeMap<String, Product>,
    purchases: BTreeMap<String, Purchase>,
    used: BTreeMap<String, Used>,
    tokens: BTreeMap<String, Token>,
    tokens_made: u64,
    switches: Switches,
    effects: Vec<Effect>,
    answers: u64,
}

impl Book {
    /// An empty book without tokens; see [`Book::log_in`]. `seed` decides every id.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            products: BTreeMap::new(),
            purchases: BTreeMap::new(),
            used: BTreeMap::new(),
            tokens: BTreeMap::new(),
            tokens_made: 0,
            switches: Switches::default(),
            effects: Vec::new(),
            answers: 0,
        }
    }

    /// Answers one request at that time.
    pub fn answer(&mut self, request: &Request, now_ms: i64) -> Answer {
        self.answers += 1;
        let request_id = format!("21{}", draw(self.seed, "request", self.answers, NUMERALS, 28));
        let answer = match request.path.as_str() {
            "/oauth/authorize" => self.consent(request, now_ms),
            "/sync" => match self.business(request, now_ms) {
                Ok((method, mut own)) => {
                    own["request_id"] = json!(request_id);
                    let envelope = format!("{}_response", method.replace('.', "_"));
                    let mut whole = Map::new();
                    whole.insert(envelope, own);
                    Answer::json(200, &Value::Object(whole))
                }
                Err(gate) => Answer::json(200, &gate.in_envelope(&request_id)),
            },
            path => match path.strip_prefix("/rest").map(str::to_string) {
                Some(api) => match self.system(&api, request, now_ms) {
                    Ok(mut own) => {
                        own["code"] = json!("0");
                        own["request_id"] = json!(request_id);
                        Answer::json(200, &own)
                    }
                    Err(gate) => Answer::json(200, &gate.at_top(&request_id)),
                },
                None => Answer::text(404, "text/html", "<html><body>404 Not Found</body></html>"),
            },
        };
        answer.with("Date", http_date(now_ms))
    }

    fn business(&mut self, request: &Request, now_ms: i64) -> Result<(String, Value), Gate> {
        let given = Parameters(request.all_pairs());
        self.check_gate(&given, "", now_ms)?;
        let method = given.need("method")?.to_string();
        let own = match method.as_str() {
            // Known names first: an unknown one is refused before the token is looked at.
            "aliexpress.ds.product.get"
            | "aliexpress.ds.freight.query"
            | "aliexpress.ds.order.create"
            | "aliexpress.trade.ds.order.get"
            | "aliexpress.ds.order.tracking.get"
            | "aliexpress.ds.address.get" => self.check_token(&given, now_ms).map(|()| method.as_str())?,
            _ => return Err(Gate::isv("InvalidApiPath", "The specified API path is invalid")),
        };
        let answer = match own {
            "aliexpress.ds.product.get" => self.product(&given)?,
            "aliexpress.ds.freight.query" => self.freight(&given)?,
            "aliexpress.ds.order.create" => self.place(&given, now_ms)?,
            "aliexpress.trade.ds.order.get" => self.show_purchase(&given, now_ms)?,
            "aliexpress.ds.order.tracking.get" => self.tracking(&given, now_ms)?,
            _ => self.address_tree(&given)?,
        };
        Ok((method, answer))
    }

    /// App key, clock and signature, in that order.
    fn check_gate(&self, given: &Parameters, path: &str, now_ms: i64) -> Result<(), Gate> {
        let app_key = given.need("app_key")?;
        if app_key != APP_KEY || !self.switches.aliexpress_app_valid {
            return Err(Gate::isv("InvalidAppKey", "The specified App Key is invalid"));
        }
        let sign = given.need("sign")?;
        let method = given.need("sign_method")?;
        let time = given.need("timestamp")?;
        let at = time.parse::<i64>().ok().or_else(|| time.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond()));
        if at.is_none_or(|at| (now_ms - at).abs() > 7_200_000) {
            return Err(Gate::isv("IllegalTimestamp", "The specified timestamp parameter is invalid or expired"));
        }
        if method != "sha256" || sign != sign::expected(APP_SECRET, path, &given.0) {
            let message = "The request signature does not conform to platform standards";
            return Err(Gate::isv("IncompleteSignature", message));
        }
        Ok(())
    }

    fn write(&mut self, effect: Effect) {
        self.apply(effect.clone());
        self.effects.push(effect);
    }

    /// Makes a change that was written before; for replay.
    pub fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Product(row) => drop(self.products.insert(row.id.clone(), row)),
            Effect::Purchase(row) => drop(self.purchases.insert(row.id.clone(), row)),
            Effect::Used(row) => drop(self.used.insert(row.out_order_id.clone(), row)),
            Effect::Token(row) => {
                self.tokens_made += 1;
                self.tokens.insert(row.text.clone(), row);
            }
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

    pub fn purchases(&self) -> impl Iterator<Item = &Purchase> {
        self.purchases.values()
    }

    /// A list in the shape the switch asks for.
    fn list(&self, name: &str, mut items: Vec<Value>) -> Value {
        match (self.switches.list_shape.as_str(), items.len()) {
            ("bare", _) => Value::Array(items),
            ("single", 1) => json!({name: items.remove(0)}),
            ("naked", 1) => items.remove(0),
            _ => json!({name: items}),
        }
    }
}

/// The parameters of a call, wherever they stood.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The parameter, or `None` where it is missing or empty.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    fn need(&self, name: &str) -> Result<&str, Gate> {
        self.text(name).ok_or_else(|| Gate::missing(name))
    }

    /// A parameter that is itself a JSON object.
    fn object(&self, name: &str) -> Result<Value, Gate> {
        let value: Option<Value> = serde_json::from_str(self.need(name)?).ok();
        value
            .filter(Value::is_object)
            .ok_or_else(|| Gate::isv("InvalidParameter", &format!("The specified parameter \"{name}\" is not valid.")))
    }
}

impl Gate {
    fn isv(code: &str, message: &str) -> Self {
        Self { kind: "ISV", code: code.into(), message: message.into(), sub_code: None }
    }

    fn missing(name: &str) -> Self {
        let message =
            format!("The input parameter \"{name}\" that is mandatory for processing this request is not supplied");
        Self::isv("MissingParameter", &message)
    }

    /// "Remote service error", which may mean anything or nothing.
    pub fn remote(sub_code: &str) -> Self {
        let kind = if sub_code.starts_with("isp") { "ISP" } else { "ISV" };
        Self { kind, code: "15".into(), message: "Remote service error".into(), sub_code: Some(sub_code.into()) }
    }

    pub fn too_often() -> Self {
        let message = "Api access frequency exceeds the limit. this ban will last 1 seconds";
        Self { kind: "SYSTEM", code: "ApiCallLimit".into(), message: message.into(), sub_code: None }
    }

    /// Any code, for faults.
    pub fn of(kind: &'static str, code: &str, message: &str) -> Self {
        Self { kind, code: code.into(), message: message.into(), sub_code: None }
    }

    /// As `/sync` says it.
    pub fn in_envelope(&self, request_id: &str) -> Value {
        let mut own = json!({"type": self.kind, "code": self.code, "msg": self.message, "request_id": request_id});
        if let Some(sub_code) = &self.sub_code {
            own["sub_code"] = json!(sub_code);
            own["sub_msg"] = json!(sub_code);
        }
        json!({"error_response": own})
    }

    /// As `/rest` says it.
    pub fn at_top(&self, request_id: &str) -> Value {
        json!({"type": self.kind, "code": self.code, "message": self.message, "request_id": request_id})
    }
}

/// Which call a request is, in the words of the fault table; `None` where it is none of them.
pub fn call_name(request: &Request) -> Option<&'static str> {
    if request.path.starts_with("/rest/auth/token/") {
        return Some("aliexpress.token");
    }
    let given = Parameters(request.all_pairs());
    Some(match given.text("method").filter(|_| request.path == "/sync")? {
        "aliexpress.ds.product.get" => "aliexpress.product",
        "aliexpress.ds.freight.query" => "aliexpress.freight",
        "aliexpress.ds.order.create" => "aliexpress.create",
        "aliexpress.trade.ds.order.get" => "aliexpress.get",
        "aliexpress.ds.order.tracking.get" => "aliexpress.tracking",
        "aliexpress.ds.address.get" => "aliexpress.address",
        _ => return None,
    })
}
