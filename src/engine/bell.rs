//! The bell: facts ring it, workers wake, and whoever waits for an order's progress looks again.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub struct Bell {
    /// Counts rings and steps done; a waiter sees that it changed.
    rings: Mutex<(u64, u64)>,
    rung: Condvar,
}

impl Bell {
    /// A new fact came in: workers look for due orders.
    pub fn ring(&self) {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        self.rung.notify_all();
    }

    /// A step was done: whoever waits for an order looks again.
    pub fn progress(&self) {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
        self.rung.notify_all();
    }

    pub(super) fn rings(&self) -> u64 {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until the bell rings after `seen`, at most `most`.
    pub(super) fn wait_for_ring(&self, seen: u64, most: Duration) {
        let guard = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.rung.wait_timeout_while(guard, most, |rings| rings.0 == seen);
    }

    /// Waits until anything happens, at most `most`.
    pub fn wait_for_anything(&self, most: Duration) {
        let guard = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = *guard;
        let _ = self.rung.wait_timeout_while(guard, most, |rings| *rings == seen);
    }
}
