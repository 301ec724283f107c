//! Named places where a test may kill the program. Cheap when nothing is set: one relaxed load.
//! Only `--test-controls` in sandbox mode with loopback far sides sets one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_SET: AtomicBool = AtomicBool::new(false);
/// Name, and how many times it is passed before it kills.
static TARGET: Mutex<Option<(String, u32)>> = Mutex::new(None);

/// Every place, in the order of the road.
pub const NAMES: &[&str] = &[
    "intake.committed",
    "webhook.before_commit",
    "webhook.committed",
    "claim.before_commit",
    "claim.committed",
    "journal.written",
    "journal.synced",
    "call.answered",
    "outcome.journaled",
    "settle.before_commit",
    "settle.committed",
    "look.answered",
];

/// Kills the program the `passes + 1`th time it comes by `name`.
pub fn set(name: &str, passes: u32) {
    let mut target = TARGET.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    *target = Some((name.to_owned(), passes));
    IS_SET.store(true, Ordering::Relaxed);
}

pub fn hit(name: &str) {
    if IS_SET.load(Ordering::Relaxed) {
        come_by(name);
    }
}

#[cold]
fn come_by(name: &str) {
    let mut target = TARGET.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match target.as_mut() {
        Some((wanted, 0)) if wanted == name => kill(),
        Some((wanted, left)) if wanted == name => *left -= 1,
        _ => {}
    }
}

/// SIGKILL to ourselves: no unwinding, no destructors, no flushing, as when the power of the process is cut.
fn kill() -> ! {
    let pid = std::process::id().to_string();
    let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
    std::process::abort()
}
