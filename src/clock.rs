//! The one door to the time of day. The domain is told the time; only the engine, the web and the command line hold a
//! clock, so that a rehearsal or a test can wind it by hand.

use jiff::{SignedDuration, Timestamp};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// The time of day, and how long the clock has run, both of one moment. The first may be set by anybody; the second
/// only goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub wall: Timestamp,
    /// Since some moment that says nothing; only differences mean something.
    pub running: SignedDuration,
}

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// A clock that cannot be set apart from how long it ran leaves this as it is.
    fn read(&self) -> Reading {
        let wall = self.now();
        Reading { wall, running: wall.duration_since(Timestamp::UNIX_EPOCH) }
    }
}

/// The machine's own clock.
pub struct SystemClock;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn read(&self) -> Reading {
        let running = SignedDuration::try_from(STARTED.elapsed()).unwrap_or(SignedDuration::MAX);
        Reading { wall: self.now(), running }
    }
}

/// A clock that stands still until somebody winds it.
pub struct HandClock(Mutex<Reading>);

impl HandClock {
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(Reading { wall: start, running: start.duration_since(Timestamp::UNIX_EPOCH) }))
    }

    pub fn wind(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.wall += by;
        now.running += by;
    }

    /// Sets the time of day, as somebody sets a machine's clock: no time passes by it.
    pub fn set(&self, wall: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }

    /// What a clock that nobody sets would show.
    pub fn true_time(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.read().running
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.read().wall
    }

    fn read(&self) -> Reading {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
