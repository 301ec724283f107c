//! The far sides, built in: a PayPal to be paid through and an AliExpress to buy from, for the demo, rehearsals, tests
//! and `postsale sandbox`. Each is a book that answers requests; around both lie a fault table, a clock that can be
//! pushed, a control and a file. [`FarSides`] is all of that without a socket, [`Sandbox`] the same behind HTTP on
//! loopback.
//!
//! Written from the public description of the two APIs. It shares no code with the shop's clients and imports nothing of
//! the shop, so that a mistake there has no twin here. It must never listen to anything but loopback: the control
//! asks nobody for a password.

pub mod aliexpress;
mod bookfile;
mod cents;
mod control;
mod deliver;
mod faults;
mod http;
pub mod paypal;
#[cfg(test)]
mod tests;
mod wire;

pub use bookfile::Line;
pub use faults::{Break, Fault, KINDS, Reply, SPOILT, When};
pub use http::{Now, Options, Sandbox};
pub use wire::{Answer, Request};

use faults::spoil;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything a program needs to use the far sides. Nothing here is worth hiding: the values open a toy.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub paypal_base_url: String,
    pub paypal_client_id: String,
    pub paypal_client_secret: String,
    pub paypal_webhook_id: String,
    pub paypal_merchant_id: String,
    pub aliexpress_base_url: String,
    pub aliexpress_app_key: String,
    pub aliexpress_app_secret: String,
    pub aliexpress_access_token: String,
    pub aliexpress_refresh_token: String,
    /// Milliseconds since 1970.
    pub access_expires_at_ms: i64,
    /// Milliseconds since 1970.
    pub refresh_expires_at_ms: i64,
    pub platform_email: String,
    pub seller_email: String,
}

/// Both books with everything around them but sockets and files. Deterministic: the same requests at the same times
/// with the same seed get the same answers.
#[derive(Debug, Clone)]
pub struct FarSides {
    pub paypal: paypal::Book,
    pub aliexpress: aliexpress::Book,
    base_url: String,
    faults: Vec<Fault>,
    clock_offset_ms: i64,
    calls: BTreeMap<String, u64>,
    changed: Line,
    is_recorded: bool,
}

impl FarSides {
    /// Empty books. `base_url` goes into links and credentials, such as `http://127.0.0.1:4711`; `seed` decides every
    /// id drawn.
    pub fn new(base_url: &str, seed: u64) -> Self {
        let mut sides = Self {
            paypal: paypal::Book::new(&format!("{base_url}/paypal"), seed),
            aliexpress: aliexpress::Book::new(seed),
            base_url: base_url.into(),
            faults: Vec::new(),
            clock_offset_ms: 0,
            calls: BTreeMap::new(),
            changed: Line::default(),
            is_recorded: false,
        };
        sides.changed.seed = Some(seed);
        sides
    }

    /// From now on changes wait for [`FarSides::take_line`]; otherwise they are forgotten after each answer.
    pub fn record(&mut self) {
        self.is_recorded = true;
    }

    /// The books as a file left them. `usual_seed` is for an empty file.
    pub fn replay(base_url: &str, usual_seed: u64, lines: Vec<Line>) -> Self {
        let Some(seed) = lines.first().map(|first| first.seed.unwrap_or(usual_seed)) else {
            return Self::new(base_url, usual_seed);
        };
        let mut sides = Self::new(base_url, seed);
        sides.changed = Line::default();
        for line in lines {
            line.paypal.into_iter().for_each(|effect| sides.paypal.apply(effect));
            line.aliexpress.into_iter().for_each(|effect| sides.aliexpress.apply(effect));
            sides.faults = line.faults.unwrap_or(sides.faults);
            sides.clock_offset_ms = line.clock_offset_ms.unwrap_or(sides.clock_offset_ms);
        }
        sides
    }

    /// The far sides' own time, when it is `now_ms` here.
    pub fn time(&self, now_ms: i64) -> i64 {
        now_ms + self.clock_offset_ms
    }

    /// Answers a request with its full path: `/paypal/…`, `/aliexpress/…` or `/__control/…`.
    pub fn answer(&mut self, request: &Request, now_ms: i64) -> Reply {
        let reply = self.reply(request, now_ms);
        if !self.is_recorded {
            self.paypal.take_effects();
            self.aliexpress.take_effects();
        }
        reply
    }

    fn reply(&mut self, request: &Request, now_ms: i64) -> Reply {
        let at = self.time(now_ms);
        let Some((side, inner)) = split(request) else {
            return match request.path.strip_prefix("/__control/") {
                Some(path) => Reply::Whole(self.control(path, request, at)),
                None => Reply::Whole(Answer::text(404, "text/plain", "not found\n")),
            };
        };
        let call = side.call_name(&inner).unwrap_or("");
        *self.calls.entry(call.to_string()).or_default() += 1;
        let before = self.faults.iter().map(|f| (f.times, f.skip)).collect::<Vec<_>>();
        let met = self.faults.iter_mut().find_map(|f| f.meets(call, &inner).then(|| f.clone()));
        if before != self.faults.iter().map(|f| (f.times, f.skip)).collect::<Vec<_>>() {
            self.changed.faults = Some(self.faults.clone());
        }
        let Some(fault) = met.filter(|_| !call.is_empty()) else {
            return Reply::Whole(self.of(side, &inner, at));
        };
        let answer = match fault.when {
            When::AfterCommit => self.of(side, &inner, at),
            // What would have been answered, from a copy of the book that is thrown away.
            When::BeforeCommit if fault.wants_true_answer() => match side {
                Side::PayPal => self.paypal.clone().answer(&inner, at),
                Side::AliExpress => self.aliexpress.clone().answer(&inner, at),
            },
            When::BeforeCommit => Answer::text(200, "text/plain", "").with("Date", wire::http_date(at)),
        };
        spoil(&fault, call, answer)
    }

    fn of(&mut self, side: Side, inner: &Request, at: i64) -> Answer {
        match side {
            Side::PayPal => self.paypal.answer(inner, at),
            Side::AliExpress => self.aliexpress.answer(inner, at),
        }
    }

    /// What changed since the last call, for the file. Empty when nothing did.
    pub fn take_line(&mut self, now_ms: i64) -> Line {
        let mut line = std::mem::take(&mut self.changed);
        line.at = self.time(now_ms);
        line.paypal = self.paypal.take_effects();
        line.aliexpress = self.aliexpress.take_effects();
        line
    }

    /// What a program needs to use these far sides; logs in at AliExpress if no token has a day left.
    pub fn credentials(&mut self, now_ms: i64) -> Credentials {
        let pair = self.aliexpress.log_in(self.time(now_ms));
        Credentials {
            paypal_base_url: format!("{}/paypal", self.base_url),
            paypal_client_id: paypal::CLIENT_ID.into(),
            paypal_client_secret: paypal::CLIENT_SECRET.into(),
            paypal_webhook_id: paypal::WEBHOOK_ID.into(),
            paypal_merchant_id: paypal::MERCHANT_ID.into(),
            aliexpress_base_url: format!("{}/aliexpress", self.base_url),
            aliexpress_app_key: aliexpress::APP_KEY.into(),
            aliexpress_app_secret: aliexpress::APP_SECRET.into(),
            aliexpress_access_token: pair.access.text,
            aliexpress_refresh_token: pair.refresh.text,
            access_expires_at_ms: pair.access.ends_at,
            refresh_expires_at_ms: pair.refresh.ends_at,
            platform_email: "platform@sandbox.example".into(),
            seller_email: "seller@sandbox.example".into(),
        }
    }

    /// The book that judges: `{captures[], refunds[], payouts[], purchases[]}`.
    pub fn book_json(&self, now_ms: i64) -> Value {
        control::book(self, self.time(now_ms))
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    PayPal,
    AliExpress,
}

impl Side {
    fn call_name(self, inner: &Request) -> Option<&'static str> {
        match self {
            Side::PayPal => paypal::call_name(inner),
            Side::AliExpress => aliexpress::call_name(inner),
        }
    }
}

/// Whose request it is, and the request without the prefix.
fn split(request: &Request) -> Option<(Side, Request)> {
    let (side, path) = match request.path.strip_prefix("/paypal/") {
        Some(path) => (Side::PayPal, path),
        None => (Side::AliExpress, request.path.strip_prefix("/aliexpress/")?),
    };
    Some((side, Request { path: format!("/{path}"), ..request.clone() }))
}
