//! AliExpress' dropshipping platform: product, freight, order, tracking, tokens.
//!
//! Calls are signed forms; answers come in several shapes and are read in all of them. It must never send a second
//! request for one call, try another signature, product or method when one fails, or keep a token: the caller hands
//! it over for each call.

mod catalogue;
mod errors;
mod orders;
mod pace;
mod places;
mod sign;
mod tokens;
mod tracking;

pub use catalogue::{FreightOption, FreightQuestion, ProductSeen, VariantSeen};
pub use orders::{
    ChildSeen, LogisticsStatus, PlaceAddress, PlaceItem, PlaceRequest, Placed, ShipmentSeen, SupplierOrderSeen,
    SupplierStatus, order_request,
};
pub use places::Province;
pub use sign::signature;
pub use tokens::TokenSeen;
pub use tracking::Parcel;

use super::json::Node;
use super::wire::{Answer, Purpose, Request, Wire};
use super::{CallError, Called, FarClock, Heard, Now, OnCall, Secret, tame_code};
use crate::domain::money::{Currency, Money};
use errors::Said;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use pace::Pace;
use sign::Parameters;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One app key.
pub struct AliExpress {
    wire: Arc<dyn Wire>,
    base_url: String,
    app_key: String,
    app_secret: Secret,
    pace: Pace,
    clock: FarClock,
    skew: Skew,
    on_call: Option<Arc<OnCall>>,
}

/// Less than this is the way of an answer, and the whole seconds of its `Date`.
const SKEW_LEAST: SignedDuration = SignedDuration::from_mins(2);

/// How far AliExpress' clock was before ours at its last answer that bore a `Date`.
#[derive(Default)]
struct Skew(Mutex<SignedDuration>);

impl Skew {
    fn note(&self, answer: &Answer, now: Timestamp) {
        let said = answer.header("date").and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let Some(off) = said.map(|said| said.duration_since(now)) else { return };
        let mut last = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if off.abs() > SKEW_LEAST && last.abs() <= SKEW_LEAST {
            log::warn!("AliExpress' clock and this machine's are {} seconds apart", off.as_secs());
        }
        *last = off;
    }

    fn of_our_clock(&self) -> SignedDuration {
        let off = *self.0.lock().unwrap_or_else(|e| e.into_inner());
        if off.abs() > SKEW_LEAST { off } else { SignedDuration::ZERO }
    }
}

/// What is called, and where it stands.
#[derive(Clone, Copy)]
enum Api {
    /// A business method below `/sync`; its name is a signed parameter.
    Method(&'static str),
    /// A system call below `/rest`; its path goes in front of what is signed.
    Path(&'static str),
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Api::Method(name) | Api::Path(name) => name,
        }
    }
}

impl AliExpress {
    /// `base_url` is what stands before `/sync` and `/rest`: `https://api-sg.aliexpress.com` for AliExpress itself.
    /// `gap`: at least so long between two calls; `None` is no limit of our own.
    pub fn new(
        wire: Arc<dyn Wire>,
        base_url: String,
        app_key: String,
        app_secret: Secret,
        gap: Option<Duration>,
    ) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let (pace, clock, skew) = (Pace::new(gap), FarClock::default(), Skew::default());
        Self { wire, base_url, app_key, app_secret, pace, clock, skew, on_call: None }
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
            Err(error) => log::info!("AliExpress does not show its clock: {error}"),
        }
    }

    fn tell(&self, api: Api, status: Option<u16>, (issue, debug_id): (&str, &str), took_ms: u128) {
        let Some(on_call) = &self.on_call else { return };
        let took_ms = u64::try_from(took_ms).unwrap_or(u64::MAX);
        let (issue, debug_id) = (super::said(issue), super::said(debug_id));
        let operation = api.name().to_owned();
        on_call(&Called { far_side: "ALIEXPRESS", operation, status, issue, debug_id, took_ms });
    }

    /// The page on which a person consents, for his browser. AliExpress sends him back to `redirect_uri`, which must be the
    /// one of the app's own settings, with `state` and a code.
    pub fn consent_url(base_url: &str, app_key: &str, redirect_uri: &str, state: &str) -> String {
        let (base_url, key) = (base_url.trim_end_matches('/'), encode(app_key));
        let (back, state) = (encode(redirect_uri), encode(state));
        format!(
            "{base_url}/oauth/authorize?response_type=code&force_auth=true&redirect_uri={back}&client_id={key}&state={state}"
        )
    }

    /// The latest time that AliExpress' clock showed us since the program started. `None`: no answer yet.
    pub fn far_clock(&self) -> Option<Timestamp> {
        self.clock.latest()
    }

    /// Signs and sends once, and returns what was said. `token` is `None` for the calls that make one.
    fn call(
        &self,
        now: Timestamp,
        api: Api,
        purpose: Purpose,
        token: Option<&Secret>,
        business: Parameters,
    ) -> Result<Said, CallError> {
        // A look is signed by their clock, since one that is two hours off by it is refused. A purchase goes out only while
        // both clocks agree, which is decided elsewhere, and what was measured before may be over by now.
        let is_purchase = matches!(api, Api::Method(orders::CREATE_NAME));
        let off = if is_purchase { SignedDuration::ZERO } else { self.skew.of_our_clock() };
        let request = self.request(now.saturating_add(off).unwrap_or(now), api, purpose, token, business)?;
        self.pace.wait();
        let (started, from) = (Instant::now(), self.clock.now());
        let answer = self.wire.ask(&request);
        let (op, ms) = (api.name(), started.elapsed().as_millis());
        let answer = answer.inspect_err(|error| {
            log::info!("[ALIEXPRESS] op={op} status=- issue=- debug_id=- ms={ms} error=\"{error}\"");
            self.tell(api, None, ("-", "-"), ms);
        })?;
        self.clock.note(from, &answer);
        self.skew.note(&answer, now);
        let said = errors::read(&answer);
        let (issue, id) = (tame_code(said.code()), tame_code(said.request_id()));
        log::info!("[ALIEXPRESS] op={op} status={} issue={issue} debug_id={id} ms={ms}", answer.status);
        self.tell(api, Some(answer.status), (&issue, &id), ms);
        Ok(said)
    }

    /// A look-up's payload, or its error. No error of a look-up proves anything.
    fn look_up(&self, now: Timestamp, api: Api, token: &Secret, business: Parameters) -> Result<Node, CallError> {
        errors::look_up(self.call(now, api, Purpose::LookUp, Some(token), business)?)
    }

    fn request(
        &self,
        now: Timestamp,
        api: Api,
        purpose: Purpose,
        token: Option<&Secret>,
        business: Parameters,
    ) -> Result<Request, CallError> {
        let mut parameters = business;
        parameters.push(("app_key", self.app_key.clone()));
        parameters.push(("timestamp", now.as_millisecond().to_string()));
        parameters.push(("sign_method", "sha256".to_owned()));
        if let Some(token) = token {
            parameters.push(("access_token", token.expose().to_owned()));
        }
        let (path, url) = match api {
            Api::Method(name) => {
                parameters.push(("method", name.to_owned()));
                ("", format!("{}/sync", self.base_url))
            }
            Api::Path(path) => (path, format!("{}/rest{path}", self.base_url)),
        };
        let sign = sign::sign(path, &parameters, &self.app_secret).map_err(CallError::refused_here)?;
        parameters.push(("sign", sign));
        // In the body, not the query: addresses and tokens do not belong into anybody's access log.
        let content_type = "application/x-www-form-urlencoded;charset=utf-8";
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Ok(Request { method: "POST", url, headers, body: form(&parameters).into_bytes(), purpose })
    }
}

/// `name=value&…`, everything but unreserved characters percent-encoded from UTF-8.
fn form(parameters: &Parameters) -> String {
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A decimal in major units, string or number, with its currency's code. `None` when it cannot be read exactly.
fn money(amount: &Node, currency: &Node) -> Option<Money> {
    Money::parse(amount.text()?, Currency::new(currency.text()?)?).ok()
}

/// The look-up was answered, but not with what it must contain.
fn unreadable(api: Api, what: &str) -> CallError {
    CallError::Unknown(format!("AliExpress' answer to {} cannot be read: {what}", api.name()))
}

/// Guards the parameters that name an order or product.
fn digits<'a>(what: &str, id: &'a str) -> Result<&'a str, CallError> {
    let fit = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    if fit { Ok(id) } else { Err(CallError::refused_here(format!("not an AliExpress {what} id"))) }
}

#[cfg(test)]
mod tests;
