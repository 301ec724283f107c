//! Keeps calls apart: AliExpress bans a key for a second when it asks too often. It must never hold its lock while
//! it sleeps, or the order of waiting would become a queue of locks.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// One slot per gap. Not a token bucket: a burst is what gets a key banned.
pub(super) struct Pace {
    gap: Duration,
    next_free: Mutex<Option<Instant>>,
}

impl Pace {
    /// `None` or no gap: no limit.
    pub fn new(gap: Option<Duration>) -> Self {
        let gap = gap.unwrap_or(Duration::ZERO);
        Self { gap, next_free: Mutex::new(None) }
    }

    /// Returns when it is this call's turn.
    pub fn wait(&self) {
        if !self.gap.is_zero() {
            thread::sleep(self.take(Instant::now()));
        }
    }

    /// Takes the next slot and says how long it is until then.
    fn take(&self, now: Instant) -> Duration {
        let mut next_free = self.next_free.lock().unwrap_or_else(|e| e.into_inner());
        let slot = next_free.map_or(now, |free| free.max(now));
        *next_free = Some(slot + self.gap);
        slot - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_a_gap_apart_and_are_not_saved_up() {
        let (pace, start) = (Pace::new(Some(Duration::from_millis(250))), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(pace.take(start), ms(0));
        assert_eq!(pace.take(start), ms(250));
        assert_eq!(pace.take(start + ms(100)), ms(400));
        assert_eq!(pace.take(start + ms(5000)), ms(0));
        assert_eq!(pace.take(start + ms(5000)), ms(250));
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        for pace in [Pace::new(None), Pace::new(Some(Duration::ZERO))] {
            assert_eq!((pace.take(Instant::now()), pace.gap), (Duration::ZERO, Duration::ZERO));
        }
    }
}
