//! Rehearsals: the same engine code on a database of its own against the built-in far sides, on a clock that is wound
//! past every wait. A rehearsal can reach no other host, and never the live database (L4).

pub mod flow;
mod flow_checks;
mod flow_payouts;
pub mod flow_report;
pub mod flow_value;
pub mod plug;
mod scratch;

pub use crate::assure::compare;
pub use scratch::Scratch;

use crate::clock::{Clock, HandClock};
use crate::domain::order::Mode;
use crate::domain::policy::Policy;
use crate::domain::trade::FarSide;
use crate::engine::{ALIEXPRESS, Engine, EngineError, OpenError, Parts, Running, Settings};
use crate::gateway::CallError;
use crate::gateway::aliexpress::AliExpress;
use crate::gateway::paypal::PayPal;
use crate::gateway::wire::{Answer, Patience, Request, UreqWire, Wire};
use crate::sandbox::{self, Sandbox};
use crate::secret::Secret;
use crate::store::{self, StoreError};
use compare::Comparison;
use jiff::{SignedDuration, Timestamp};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error("rehearsal: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Open(#[from] store::OpenError),
    #[error(transparent)]
    EngineOpen(#[from] OpenError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("rehearsal: {0}")]
    Other(String),
}

/// A shop on a stage: scratch directory, far sides on loopback, engine, and a clock that hurries from one due time to the
/// next.
pub struct Rehearsal {
    pub engine: Arc<Engine>,
    pub sandbox: Sandbox,
    pub clock: Arc<HandClock>,
    running: Option<Running>,
    hurry: Option<Hurry>,
    // Last, so that everything in it is closed before it goes away.
    pub scratch: Scratch,
}

/// What the rehearsal plays by.
pub struct Script {
    pub shop: String,
    pub policy: Policy,
    pub start: Timestamp,
}

/// The wire of a rehearsal: everything but its own far sides and its own server is out of reach.
pub struct Fence {
    wire: UreqWire,
    allowed: Mutex<Vec<String>>,
}

impl Fence {
    pub fn new(allowed: Vec<String>) -> Fence {
        Fence { wire: UreqWire::new(Patience::default()), allowed: Mutex::new(allowed) }
    }

    pub fn allow(&self, base_url: String) {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).push(base_url);
    }
}

impl Wire for Fence {
    fn ask(&self, request: &Request) -> Result<Answer, CallError> {
        let is_inside = {
            let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
            allowed.iter().any(|base| request.url.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/')))
        };
        if !is_inside {
            return Err(CallError::Unsent("a rehearsal reaches no other host".to_owned()));
        }
        self.wire.ask(request)
    }
}

const WORKERS: usize = 4;
const TICK: Duration = Duration::from_millis(25);

impl Rehearsal {
    /// A shop that works by itself: workers, and a clock that hurries.
    pub fn start(script: Script) -> Result<Rehearsal, RehearsalError> {
        let mut rehearsal = Rehearsal::set_up(script)?;
        rehearsal.running = Some(rehearsal.engine.run()?);
        rehearsal.hurry = Some(Hurry::start(&rehearsal.engine, &rehearsal.clock)?);
        Ok(rehearsal)
    }

    /// A shop in which nothing moves by itself: whoever holds it runs what is due and winds the clock. No worker of it
    /// can end the process it plays in.
    pub fn set_up(script: Script) -> Result<Rehearsal, RehearsalError> {
        let scratch = Scratch::new()?;
        let clock = Arc::new(HandClock::new(script.start));
        let sandbox = start_sandbox(&clock)?;
        let granted = sandbox.credentials()?;
        let fence = Arc::new(Fence::new(vec![format!("http://{}", sandbox.address())]));
        let settings = settings(&script, &granted, &scratch);
        let wanted = store::open::Wanted { mode: Mode::Sandbox, shop: &script.shop, now: script.start };
        let store = Arc::new(store::open::open(scratch.path(), &wanted)?);
        let wire = || Arc::clone(&fence) as Arc<dyn Wire>;
        let secret = |word: &str| Secret::new(word);
        let paypal = PayPal::new(
            wire(),
            granted.paypal_base_url.clone(),
            granted.paypal_client_id.clone(),
            secret(&granted.paypal_client_secret),
        );
        let aliexpress = AliExpress::new(
            wire(),
            granted.aliexpress_base_url.clone(),
            granted.aliexpress_app_key.clone(),
            secret(&granted.aliexpress_app_secret),
            None,
        );
        let (paypal, aliexpress) = (Some(paypal), Some(aliexpress));
        let parts = Parts {
            store,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            settings,
            paypal,
            aliexpress,
            journal_mirror: None,
        };
        let engine = Arc::new(Engine::open(parts)?);
        log_in(&engine, &granted)?;
        engine.confirm_first_payees()?;
        engine.book_opening_balance()?;
        Ok(Rehearsal { engine, sandbox, clock, running: None, hurry: None, scratch })
    }

    /// The far sides' books beside ours.
    pub fn compare(&self) -> Result<Comparison, RehearsalError> {
        Ok(compare::compare(&self.engine.store, &self.sandbox.book_json())?)
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.hurry.take();
        if let Some(running) = self.running.take() {
            running.stop(Duration::from_secs(5), Duration::from_secs(5));
        }
    }
}

fn start_sandbox(clock: &Arc<HandClock>) -> io::Result<Sandbox> {
    let clock = Arc::clone(clock);
    let now: sandbox::Now = Arc::new(move || clock.now().as_millisecond());
    Sandbox::start(sandbox::Options { now: Some(now), ..sandbox::Options::default() })
}

fn settings(script: &Script, granted: &sandbox::Credentials, scratch: &Scratch) -> Settings {
    Settings {
        mode: Mode::Sandbox,
        shop: script.shop.clone(),
        policy: script.policy.clone(),
        platform: Some(granted.platform_email.clone()),
        seller: Some(granted.seller_email.clone()),
        merchant_id: Some(granted.paypal_merchant_id.clone()),
        public_url: "http://127.0.0.1".to_owned(),
        paypal: FarSide::Ready,
        aliexpress: FarSide::Ready,
        workers: WORKERS,
        tick: TICK,
        data_dir: scratch.path().to_owned(),
    }
}

/// Stores the far side's login as if somebody had logged in.
pub fn log_in(engine: &Engine, granted: &sandbox::Credentials) -> Result<(), RehearsalError> {
    let instant = |ms| Timestamp::from_millisecond(ms).map_err(|e| RehearsalError::Other(e.to_string()));
    let login = store::tokens::Login {
        account: None,
        access_token: granted.aliexpress_access_token.clone(),
        refresh_token: Some(granted.aliexpress_refresh_token.clone()),
        access_expires_at: instant(granted.access_expires_at_ms)?,
        refresh_expires_at: Some(instant(granted.refresh_expires_at_ms)?),
    };
    let now = engine.now();
    Ok(engine.store.write(|tx| store::tokens::put(tx, ALIEXPRESS, &login, now))?)
}

/// Winds the clock to the next due time whenever nothing is due now.
struct Hurry {
    leaving: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How often the winder looks, in real time.
const LOOK: Duration = Duration::from_millis(5);
/// Time also passes by itself, so that clocks of far sides and tokens move.
const DRIFT: SignedDuration = SignedDuration::from_millis(5);

impl Hurry {
    fn start(engine: &Arc<Engine>, clock: &Arc<HandClock>) -> io::Result<Hurry> {
        let leaving = Arc::new(AtomicBool::new(false));
        let (stop, engine, clock) = (Arc::clone(&leaving), Arc::clone(engine), Arc::clone(clock));
        let thread = std::thread::Builder::new().name("winder".to_owned()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                let next = engine.store.read(store::trades::next_due).ok().flatten();
                let ahead = next.map(|at| at.duration_since(clock.now())).filter(|d| d.is_positive());
                clock.wind(ahead.unwrap_or(DRIFT));
                engine.bell.ring();
            }
        })?;
        Ok(Hurry { leaving, thread: Some(thread) })
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
