//! What every handler has before it, and how failures of the engine and the store become answers. The text of an
//! internal error goes to the log and never into an answer.

use super::build::BuildInfo;
use super::errands::Errands;
use crate::assure::integrity::Question;
use crate::assure::readiness::Installation;
use crate::engine::intake::Rejected;
use crate::engine::once::NotHeard;
use crate::engine::{Engine, EngineError};
use crate::rehearsal::flow::Flows;
use crate::store::{self, StoreError};
use crate::web::problem::Problem;
use jiff::Timestamp;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub struct Desk {
    pub engine: Arc<Engine>,
    pub build: BuildInfo,
    pub started_at: Timestamp,
    pub config_fingerprint: String,
    pub schema_version: i64,
    /// Whether an internal secret is configured; never the secret.
    pub has_secret: bool,
    /// How long a buyer's request waits for PayPal.
    pub patience: Duration,
    /// What a readiness report needs to know besides the rows; `None` = none can be written here.
    pub installation: Option<Arc<Installation>>,
    /// How long a request waits for slow work before it is told where to read of it.
    pub slow_patience: Duration,
    pub(super) flows: Flows,
    pub(super) errands: Errands,
    waiting: AtomicUsize,
}

/// PayPal is given this long before a buyer's browser is told that it is silent.
const PATIENCE: Duration = Duration::from_secs(20);
/// A test flow, a report or a deep check is given this long; a handler has five seconds more.
const SLOW_PATIENCE: Duration = Duration::from_secs(60);
/// So many requests wait at a time, half of the server's handlers: a silent PayPal must not make the rest deaf.
/// Whoever comes beyond is answered with what is known now.
const WAITING_MAX: usize = 4;

impl Desk {
    /// A desk that starts now.
    pub fn new(
        engine: Arc<Engine>,
        build: BuildInfo,
        config_fingerprint: String,
        schema_version: i64,
        has_secret: bool,
    ) -> Self {
        let started_at = engine.now();
        let waiting = AtomicUsize::new(0);
        Self {
            engine,
            build,
            started_at,
            config_fingerprint,
            schema_version,
            has_secret,
            patience: PATIENCE,
            installation: None,
            slow_patience: SLOW_PATIENCE,
            flows: Flows::new(),
            errands: Errands::default(),
            waiting,
        }
    }

    /// What the integrity check is asked here and now.
    pub(super) fn question(&self, is_deep: bool) -> Question<'_> {
        let ladder = self.engine.settings.policy.ladder();
        Question { now: self.engine.now(), build: &self.build.commit, is_deep, ladder }
    }

    /// Waits until `done` finds something, at most as long as a buyer waits. `None` = it did not.
    pub(super) fn wait_for<T>(
        &self,
        done: impl Fn(&Connection) -> store::Result<Option<T>>,
    ) -> Result<Option<T>, Problem> {
        let place = Place::take(&self.waiting);
        let patience = if place.others < WAITING_MAX { self.patience } else { Duration::ZERO };
        Ok(self.engine.wait_for(patience, done)?)
    }

    /// Waits for slow work, at most as long as `wait` is told.
    pub(super) fn stand_by<T>(&self, wait: impl FnOnce(Duration) -> T) -> T {
        let place = Place::take(&self.waiting);
        wait(if place.others < WAITING_MAX { self.slow_patience } else { Duration::ZERO })
    }
}

/// A place among those who wait; given back on drop.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    others: usize,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        Self { waiting, others: waiting.fetch_add(1, Ordering::AcqRel) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        log::error!("{error}");
        match error {
            // PayPal is asked to come again, and nothing is acknowledged.
            StoreError::Damaged(_) => Self::unavailable("database_damaged", DAMAGED, 600),
            _ => Self::internal(),
        }
    }
}

const DAMAGED: &str = "The database is damaged: it is read, and nothing is written or sent before a person has put a sound \
                       copy in its place.";

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        if let EngineError::Store(error) = error {
            return error.into();
        }
        log::error!("{error}");
        Self::internal()
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        let detail = rejected.to_string();
        match rejected {
            Rejected::Invalid { field, .. } => Self::bad_request("invalid_field", detail).with("field", field),
            Rejected::Missing(fields) => Self::bad_request("missing_fields", detail).with("fields", fields),
            Rejected::UnknownProduct(sku) => Self::bad_request("unknown_product", detail).with("sku", sku),
            Rejected::InactiveProduct(sku) => Self::conflict("inactive_product", detail).with("sku", sku),
            Rejected::OtherContent(order) => Self::conflict("other_content", detail).with("orderId", order.0),
            Rejected::CaptureTaken(order) => Self::conflict("capture_taken", detail).with("orderId", order.0),
            Rejected::Stopped => Self::unavailable("stopped", "The shop is stopped: no new checkout is opened.", 60),
            Rejected::Engine(error) => error.into(),
        }
    }
}

impl From<NotHeard> for Problem {
    fn from(error: NotHeard) -> Self {
        match error {
            NotHeard::OtherBody => other_body(),
            NotHeard::AlreadyBought => Self::conflict("already_bought", error.to_string()),
            NotHeard::Refused { code, detail, not_before } => {
                let problem = Self::conflict(code, detail);
                not_before.into_iter().fold(problem, |problem, at| problem.with("notBefore", at.to_string()))
            }
            NotHeard::Engine(error) => error.into(),
        }
    }
}

/// An `Idempotency-Key` that came before with another body.
pub(super) fn other_body() -> Problem {
    Problem::new(422, "idempotency_key_reused", "This Idempotency-Key came before with another body.")
}
