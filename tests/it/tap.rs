//! A tap on the wire between the shop and the far sides: a test may do something right before a call or right after
//! its answer, by the call's name. It must not change what is sent or answered; the fault table does that.
//!
//! With `PAYPAL_TRAFFIC` naming a file, every exchange with PayPal is added to it, one JSON line each; `oracle` plays
//! such a file through a validator.

use postsale::gateway::CallError;
use postsale::gateway::wire::{Answer, Request, Wire};
use postsale::rehearsal::plug::{BASE_URL, Plug};
use postsale::sandbox::{self, aliexpress, paypal};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Decided, claimed, and not yet sent.
    Before,
    /// The far side has done it and the shop has not yet heard.
    After,
}

type Meddler = Arc<dyn Fn(&str, Moment) + Send + Sync>;

type SendGuard = Arc<dyn Fn(&str, &Request) + Send + Sync>;

pub struct Tap {
    plug: Arc<Plug>,
    /// Looks at every request before it goes out.
    send_guard: Mutex<Option<SendGuard>>,
    meddler: Mutex<Option<Meddler>>,
    /// Every call so far, by name, in order.
    calls: Mutex<Vec<String>>,
    /// Nobody can be reached: no call goes out.
    is_deaf: AtomicBool,
}

impl Tap {
    pub fn new(plug: Arc<Plug>) -> Tap {
        let (send_guard, meddler, calls) = (Mutex::default(), Mutex::default(), Mutex::default());
        Tap { plug, send_guard, meddler, calls, is_deaf: AtomicBool::new(false) }
    }

    /// From now on `f` runs around every call, in the calling thread.
    pub fn meddle(&self, f: impl Fn(&str, Moment) + Send + Sync + 'static) {
        *self.meddler.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(f));
    }

    /// From now on `f` sees every request before it goes out.
    pub fn before_sends(&self, f: impl Fn(&str, &Request) + Send + Sync + 'static) {
        *self.send_guard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(f));
    }

    pub fn leave_alone(&self) {
        *self.meddler.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// From now on no call goes out, or all do again.
    pub fn be_deaf(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// How often a call went out so far.
    pub fn count(&self, call: &str) -> usize {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|c| *c == call).count()
    }

    fn meet(&self, call: &str, moment: Moment) {
        let meddler = self.meddler.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(meddler) = meddler {
            meddler(call, moment);
        }
    }
}

impl Wire for Tap {
    fn ask(&self, request: &Request) -> Result<Answer, CallError> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return Err(CallError::Unsent("nobody can be reached".to_owned()));
        }
        let call = name(request);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.to_owned());
        let guard = self.send_guard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(guard) = guard {
            guard(call, request);
        }
        self.meet(call, Moment::Before);
        let answer = self.plug.ask(request);
        if call.starts_with("paypal.") {
            record(request, &answer);
        }
        self.meet(call, Moment::After);
        answer
    }
}

/// Adds the exchange to the file of traffic, if one is wanted. An answer that was lost or spoilt on purpose is left
/// out; its request is not.
fn record(request: &Request, answer: &Result<Answer, CallError>) {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let open = |path| Mutex::new(File::options().create(true).append(true).open(path).unwrap());
    let Some(file) = FILE.get_or_init(|| std::env::var_os("PAYPAL_TRAFFIC").map(open)) else { return };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let honest = answer.as_ref().ok().filter(|a| a.header(sandbox::SPOILT).is_none());
    let answer = honest.map(|a| json!({ "status": a.status, "headers": a.headers, "body": text(&a.body) }));
    let target = request.url.strip_prefix(BASE_URL).and_then(|t| t.strip_prefix("/paypal")).unwrap_or("");
    let line = json!({ "method": request.method, "target": target, "headers": request.headers,
        "body": text(&request.body), "answer": answer });
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(file, "{line}").unwrap();
}

/// The call's name as the fault table says it.
fn name(request: &Request) -> &'static str {
    let target = request.url.strip_prefix(BASE_URL).unwrap_or("");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let inner = |path: &str| sandbox::Request {
        method: request.method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: request.headers.clone(),
        body: request.body.clone(),
    };
    let known = match (path.strip_prefix("/paypal"), path.strip_prefix("/aliexpress")) {
        (Some(path), _) => paypal::call_name(&inner(path)),
        (_, Some(path)) => aliexpress::call_name(&inner(path)),
        _ => None,
    };
    known.unwrap_or("?")
}
