//! Every cap and every deadline of the public socket in one place, and the budgets that bound what all connections
//! hold together. Nothing in here may be unlimited: what has no bound is a way to take the shop down (F24, F25).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the gate grants a client. The defaults are for the real port; tests shorten the deadlines.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at a time, 1 or more. Lowered at the start if the process may open only few files.
    pub connections_max: usize,
    /// Request line and headers together, in bytes. Beyond: 431.
    pub head_bytes_max: usize,
    /// Header lines of a request. Beyond: 431.
    pub headers_max: usize,
    /// Path and query together, in bytes. Beyond: 414.
    pub target_bytes_max: usize,
    /// Body after decoding, in bytes. Beyond: 413.
    pub body_bytes_max: usize,
    /// One answer of a handler, in bytes. Beyond: 502.
    pub answer_bytes_max: usize,
    /// What all bodies beyond their first 16 KiB may take together, in bytes. Beyond: 503.
    pub bodies_bytes_max: usize,
    /// The same for answers on their way to slow readers.
    pub answers_bytes_max: usize,
    /// From the first byte (or the accept) to the end of the head.
    pub head: Duration,
    /// From the first byte (or the accept) to the end of the body. Nine seconds, so that with the lingering close a
    /// stalled client is gone within ten.
    pub request: Duration,
    /// Between two requests on one connection.
    pub idle: Duration,
    /// For a client that does not read. One that reads slowly gets another second for each 64 KiB of its answer.
    pub write: Duration,
    /// How long a whole request may wait for a free handler. Beyond: 503, and it is not run any more.
    pub queue: Duration,
    /// How long a handler may take. Beyond: 504.
    pub handler: Duration,
    /// How long the gate goes on swallowing what a refused client still sends, so that the refusal arrives.
    pub linger: Duration,
    /// A connection that has been sending or reading this long may be closed in favour of a new one when all places
    /// are taken. One that waits for a request may be closed at once.
    pub evict_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            head_bytes_max: 16 * 1024,
            headers_max: 100,
            target_bytes_max: 8 * 1024,
            body_bytes_max: 1024 * 1024,
            answer_bytes_max: 4 * 1024 * 1024,
            bodies_bytes_max: 8 * 1024 * 1024,
            answers_bytes_max: 16 * 1024 * 1024,
            head: Duration::from_secs(5),
            request: Duration::from_secs(9),
            idle: Duration::from_secs(15),
            write: Duration::from_secs(10),
            queue: Duration::from_secs(5),
            handler: Duration::from_secs(65),
            linger: Duration::from_millis(800),
            evict_after: Duration::from_secs(1),
        }
    }
}

/// How many connections fit under the process's limit of open files: each may need four descriptors while its request
/// is in hand, and the database and the engine need theirs. Running out would deafen the private server.
pub(super) fn connections_that_fit(wanted: usize, in_hand_max: usize, files_max: usize) -> usize {
    let spare = files_max.saturating_sub(48 + 3 * in_hand_max);
    wanted.min(spare).max(4.min(wanted))
}

/// The soft limit of open files, from the kernel's own table; 1024 where there is none.
pub(super) fn files_max() -> usize {
    let table = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = table.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|rest| rest.split_whitespace().next()) {
        Some("unlimited") => usize::MAX,
        Some(word) => word.parse().unwrap_or(1024),
        None => 1024,
    }
}

/// Bytes that many connections share.
pub(super) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(bytes) })
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }
}

/// One connection's part of a budget; given back on drop.
pub(super) struct Grant {
    budget: Arc<Budget>,
    held: usize,
}

/// The part of a body or an answer that costs nothing, so that ordinary requests never meet the budget.
pub(super) const FREE_BYTES: usize = 16 * 1024;

impl Grant {
    pub(super) fn none(budget: &Arc<Budget>) -> Self {
        Self { budget: budget.clone(), held: 0 }
    }

    /// Makes the grant cover `bytes` in all. False if the budget has no more; the grant keeps what it had.
    #[must_use]
    pub(super) fn covers(&mut self, bytes: usize) -> bool {
        let needed = bytes.saturating_sub(FREE_BYTES).saturating_sub(self.held);
        if needed == 0 {
            return true;
        }
        let taken =
            self.budget.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(needed)).is_ok();
        if taken {
            self.held += needed;
        }
        taken
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.held, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_mean_few_connections() {
        fn check(files: usize, expected: usize) {
            assert_eq!(connections_that_fit(256, 12, files), expected, "{files} files");
        }
        check(20_000, 256);
        check(1024, 256);
        check(256, 172);
        check(64, 4);
        check(0, 4);
        assert!(files_max() > 0);
    }

    #[test]
    fn a_budget_is_shared_and_given_back() {
        let budget = Budget::new(1000);
        let mut one = Grant::none(&budget);
        let mut two = Grant::none(&budget);
        assert!(one.covers(FREE_BYTES) && two.covers(FREE_BYTES), "the first bytes are free");
        assert!(one.covers(FREE_BYTES + 900));
        assert!(!two.covers(FREE_BYTES + 101), "only 100 are left");
        assert!(two.covers(FREE_BYTES + 100));
        drop(one);
        assert!(two.covers(FREE_BYTES + 1000));
        drop(two);
        assert_eq!(budget.left(), 1000);
    }
}
