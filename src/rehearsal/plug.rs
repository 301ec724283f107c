//! The built-in far sides plugged straight into [`Wire`]: no sockets, no waiting, the real parsers and error tables.
//! For simulations and benchmarks.

use crate::clock::Clock;
use crate::failpoint;
use crate::gateway::CallError;
use crate::gateway::wire::{Answer, Purpose, Request, Wire};
use crate::sandbox::{self, FarSides, Reply};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The host part of every URL that leads here.
pub const BASE_URL: &str = "http://127.0.0.1:1";

pub struct Plug {
    sides: Mutex<FarSides>,
    clock: Arc<dyn Clock>,
    /// Time the far sides themselves took to answer, so that a benchmark can take it off the engine's.
    answering_ns: AtomicU64,
}

impl Plug {
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Plug {
        Plug { sides: Mutex::new(FarSides::new(BASE_URL, seed)), clock, answering_ns: AtomicU64::new(0) }
    }

    /// The far sides themselves, for controls and for their book.
    pub fn sides(&self) -> MutexGuard<'_, FarSides> {
        self.sides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A control request (`POST /__control/…`); answers its status and body.
    pub fn control(&self, method: &str, path: &str, body: &serde_json::Value) -> (u16, Vec<u8>) {
        let request = sandbox::Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        };
        let now_ms = self.clock.now().as_millisecond();
        match self.sides().answer(&request, now_ms) {
            Reply::Whole(answer) | Reply::Broken(_, answer) => (answer.status, answer.body),
        }
    }

    /// How long the far sides have taken to answer calls so far, waiting for each other left out.
    pub fn time_answering(&self) -> Duration {
        Duration::from_nanos(self.answering_ns.load(Ordering::Relaxed))
    }

    /// `{captures, refunds, payouts, purchases}` as `GET /__control/book` answers it.
    pub fn book(&self) -> serde_json::Value {
        let now_ms = self.clock.now().as_millisecond();
        self.sides().book_json(now_ms)
    }
}

/// The places that a call over a socket comes by. A far side acts on no half request.
fn pass(request: &Request, places: &[&str]) {
    if request.purpose == Purpose::Money {
        places.iter().for_each(|place| failpoint::hit(place));
    }
}

impl Wire for Plug {
    fn ask(&self, request: &Request) -> Result<Answer, CallError> {
        let target = request.url.strip_prefix(BASE_URL).ok_or_else(|| CallError::Unsent("no such host".to_owned()))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let far = sandbox::Request {
            method: request.method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        let now_ms = self.clock.now().as_millisecond();
        pass(request, &["call.unconnected", "call.connected", "call.half_written"]);
        let mut sides = self.sides();
        let begun = Instant::now();
        let reply = sides.answer(&far, now_ms);
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        drop(sides);
        self.answering_ns.fetch_add(took, Ordering::Relaxed);
        pass(request, &["call.unanswered", "call.half_answered"]);
        match reply {
            Reply::Whole(answer) => Ok(Answer { status: answer.status, headers: answer.headers, body: answer.body }),
            // A slow drip takes longer than anybody's patience, so it too is an answer that never came.
            Reply::Broken(kind, _) => Err(CallError::Unknown(format!("{kind:?} after the request was sent"))),
        }
    }
}
