//! The worker pool: each worker takes one due order at a time; one order is never in two hands. A panic in a worker
//! ends the process, because what it left half done is for the next start to look at.

use super::{Engine, EngineError};
use crate::domain::order::OrderId;
use crate::store;
use jiff::SignedDuration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Exit code after a fault of our own.
const EXIT_INTERNAL: i32 = 70;
/// Exit code when the disk cannot be trusted.
const EXIT_DISK: i32 = 74;
/// A store that does not answer is asked again after this.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// An order that failed is taken up again after this.
const SET_ASIDE: SignedDuration = SignedDuration::from_secs(30);

/// The workers while they run.
pub struct Running {
    engine: Arc<Engine>,
    workers: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts the workers.
    pub fn run(self: &Arc<Self>) -> std::io::Result<Running> {
        let mut workers = Vec::new();
        for number in 1..=self.settings.workers {
            let engine = Arc::clone(self);
            workers.push(std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || engine.work())?);
        }
        Ok(Running { engine: Arc::clone(self), workers })
    }

    fn work(&self) {
        while !self.leaving.load(Ordering::Relaxed) {
            let rings = self.bell.rings();
            if self.store.is_unsynced() {
                log::error!("the database could not be synced: what the disk has is not known, so the program ends");
                std::process::exit(EXIT_DISK);
            }
            if self.store.damaged().is_some() {
                std::thread::sleep(self.settings.tick);
                continue;
            }
            if let Err(error) = self.keep_time(false) {
                log::error!("the sign of life cannot be written: {error}");
            }
            match self.take() {
                Ok(Some(id)) => self.advance_taken(&id),
                Ok(None) => self.bell.wait_for_ring(rings, self.idle()),
                Err(error) => {
                    log::error!("cannot look for due orders: {error}");
                    self.mind(&error);
                    std::thread::sleep(AFTER_FAILURE);
                }
            }
        }
    }

    fn advance_taken(&self, id: &OrderId) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.advance(id)));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(EngineError::Journal(error))) => {
                log::error!("{error}; nothing is sent without a journal, so the program ends");
                std::process::exit(EXIT_DISK);
            }
            Ok(Err(error)) => {
                log::error!("order {id}: {error}");
                self.mind(&error);
                self.set_aside(id);
            }
            Err(_) => {
                log::error!("order {id}: a fault of the program; it ends, and looks at the order again when it starts");
                std::process::exit(EXIT_INTERNAL);
            }
        }
        self.in_hand.clear();
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.bell.progress();
    }

    /// A file that SQLite stumbles over is not worked on any more.
    fn mind(&self, error: &EngineError) {
        if let EngineError::Store(error) = error
            && error.is_damage()
        {
            self.store.quarantine(&error.to_string());
        }
    }

    /// An order that fails must not stand at the head of the queue for ever and starve the others.
    fn set_aside(&self, id: &OrderId) {
        let later = self.now() + SET_ASIDE;
        if let Err(error) = self.store.write(|tx| store::intake::ring(tx, id, later)) {
            log::error!("order {id} could not be set aside: {error}");
            std::thread::sleep(AFTER_FAILURE);
        }
    }

    /// The order waiting longest that nobody has in hand.
    fn take(&self) -> super::Result<Option<OrderId>> {
        let most = u32::try_from(self.settings.workers).unwrap_or(u32::MAX).saturating_add(1);
        let due = self.store.read(|c| store::trades::due(c, self.now(), most))?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = due.into_iter().find(|id| !taken.contains(id));
        if let Some(id) = &free {
            taken.insert(id.clone());
        }
        Ok(free)
    }

    /// How long to sleep when nothing is due: until the next order is, at most a tick.
    fn idle(&self) -> Duration {
        let now = self.now();
        let next = self.store.read(store::trades::next_due).ok().flatten();
        let until = next.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
        // An order due now that nobody could take is in another's hand: look again soon, not at once.
        until
            .unwrap_or(self.settings.tick)
            .clamp(Duration::from_millis(200).min(self.settings.tick), self.settings.tick)
    }

    /// Runs due orders in the calling thread until none is due; for rehearsals and tests with a hand-wound clock.
    pub fn run_due(&self) -> super::Result<u32> {
        self.keep_time(false)?;
        let mut advanced = 0;
        while let Some(id) = self.take()? {
            let outcome = self.advance(&id);
            self.in_hand.clear();
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            outcome?;
            advanced += 1;
        }
        Ok(advanced)
    }
}

impl Running {
    /// Stops: no new step begins; a call under way may take `for_calls`, everything else `for_rest`. Says whether all
    /// workers ended in time.
    pub fn stop(self, for_calls: Duration, for_rest: Duration) -> bool {
        self.engine.leaving.store(true, Ordering::Relaxed);
        self.engine.bell.ring();
        let started = Instant::now();
        loop {
            if self.workers.iter().all(JoinHandle::is_finished) {
                return true;
            }
            let patience = if self.engine.calls_in_flight() > 0 { for_calls } else { for_rest };
            if started.elapsed() >= patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
