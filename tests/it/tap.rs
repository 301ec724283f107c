//! A tap on the wire between the shop and the far sides: a test may do something right before a call or right after
//! its answer, by the call's name. It must not change what is sent or answered; the fault table does that.

use postsale::gateway::CallError;
use postsale::gateway::wire::{Answer, Request, Wire};
use postsale::rehearsal::plug::{BASE_URL, Plug};
use postsale::sandbox::{self, aliexpress, paypal};
use std::sync::{Arc, Mutex, PoisonError};

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
}

impl Tap {
    pub fn new(plug: Arc<Plug>) -> Tap {
        Tap { plug, send_guard: Mutex::default(), meddler: Mutex::default(), calls: Mutex::default() }
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
        let call = name(request);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.to_owned());
        let guard = self.send_guard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(guard) = guard {
            guard(call, request);
        }
        self.meet(call, Moment::Before);
        let answer = self.plug.ask(request);
        self.meet(call, Moment::After);
        answer
    }
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
