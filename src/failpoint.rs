//! Named places where a test or the drill may kill the program. Cheap when nothing is set: one relaxed load.
//! Only `--test-controls` in sandbox mode with loopback far sides sets one for the whole process; a simulation sets one
//! for its own thread. A place must never do anything but end what passes it.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_SET: AtomicBool = AtomicBool::new(false);
/// Name, and how many times it is passed before it kills.
static TARGET: Mutex<Option<(String, u32)>> = Mutex::new(None);

thread_local! {
    static ABOUT: Cell<&'static str> = const { Cell::new("") };
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// What one thread passed, and where it ends.
struct Watch {
    target: Option<(String, u32)>,
    passed: Vec<String>,
}

/// What a simulated death unwinds with; whoever catches it drops everything and opens the files anew.
#[derive(Debug)]
pub struct Died;

/// Calls that go the road of a claim.
pub const SLOTS: &[&str] = &["checkout", "capture", "purchase", "payout", "refund"];

/// The places on that road, in order: commit of the claim, its line in the journal, the call, the outcome's line, commit
/// of the outcome. Each stands behind a slot and a dot.
pub const ROAD: &[&str] = &[
    "claim.before_begin",
    "claim.before_commit",
    "claim.committed",
    "intent.unwritten",
    "intent.half_written",
    "intent.written",
    "intent.synced",
    "call.unconnected",
    "call.connected",
    "call.half_written",
    "call.unanswered",
    "call.half_answered",
    "call.answered",
    "outcome.unwritten",
    "outcome.half_written",
    "outcome.written",
    "outcome.synced",
    "settle.before_commit",
    "settle.committed",
];

/// The places outside of that road: the first line of a journal or a person's word in it, an order coming in, a look and
/// what it proved, the sale, the end, an event that PayPal tells.
pub const ALONE: &[&str] = &[
    "word.unwritten",
    "word.half_written",
    "word.written",
    "word.synced",
    "intake.before_commit",
    "intake.committed",
    "look.asking",
    "look.answered",
    "outcome.unwritten",
    "outcome.half_written",
    "outcome.written",
    "outcome.synced",
    "sale.before_begin",
    "sale.before_commit",
    "sale.committed",
    "close.before_commit",
    "close.committed",
    "webhook.before_commit",
    "webhook.committed",
];

/// Every place by its whole name.
pub fn names() -> Vec<String> {
    let road = SLOTS.iter().flat_map(|slot| ROAD.iter().map(move |place| format!("{slot}.{place}")));
    road.chain(ALONE.iter().map(|place| (*place).to_owned())).collect()
}

/// Kills the program the `passes + 1`th time it comes by `name`.
pub fn set(name: &str, passes: u32) {
    let mut target = TARGET.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    *target = Some((name.to_owned(), passes));
    IS_SET.store(true, Ordering::Relaxed);
}

/// From now on this thread notes what it passes, and unwinds with [`Died`] when it comes by the target, after so many
/// passes of it.
pub fn watch(target: Option<(&str, u32)>) {
    let target = target.map(|(name, passes)| (name.to_owned(), passes));
    WATCH.with(|watch| *watch.borrow_mut() = Some(Watch { target, passed: Vec::new() }));
    IS_SET.store(true, Ordering::Relaxed);
}

/// Ends the watch of this thread; answers what it passed, in order. Empty without a watch.
pub fn unwatch() -> Vec<String> {
    WATCH.with(|watch| watch.borrow_mut().take()).map(|watch| watch.passed).unwrap_or_default()
}

/// What the places this thread comes by from now on belong to: a slot's word, or nothing. Of `payout:seller` only what
/// stands before the colon counts.
pub fn about(slot: &'static str) {
    ABOUT.with(|about| about.set(slot));
}

pub fn hit(place: &str) {
    if IS_SET.load(Ordering::Relaxed) {
        come_by(place);
    }
}

/// Whether the next [`hit`] of this place kills, so that something may be left half done before it.
pub fn is_due(place: &str) -> bool {
    IS_SET.load(Ordering::Relaxed) && {
        let name = whole(place);
        let is_it = |target: &Option<(String, u32)>| target.as_ref().is_some_and(|(n, left)| *n == name && *left == 0);
        let watched = WATCH.with(|watch| watch.borrow().as_ref().map(|w| is_it(&w.target)));
        watched.unwrap_or_else(|| is_it(&TARGET.lock().unwrap_or_else(|poisoned| poisoned.into_inner())))
    }
}

fn whole(place: &str) -> String {
    match ABOUT.with(Cell::get).split(':').next() {
        None | Some("") => place.to_owned(),
        Some(slot) => format!("{slot}.{place}"),
    }
}

#[cold]
fn come_by(place: &str) {
    let name = whole(place);
    let watched = WATCH.with(|watch| {
        watch.borrow_mut().as_mut().map(|w| {
            let dies = count_down(&mut w.target, &name);
            w.passed.push(name.clone());
            dies
        })
    });
    match watched {
        Some(true) => std::panic::resume_unwind(Box::new(Died)),
        Some(false) => {}
        None => {
            let mut target = TARGET.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if count_down(&mut target, &name) {
                kill();
            }
        }
    }
}

/// Whether this pass is the one. A target kills once.
fn count_down(target: &mut Option<(String, u32)>, name: &str) -> bool {
    match target {
        Some((wanted, 0)) if wanted == name => {
            *target = None;
            true
        }
        Some((wanted, left)) if wanted == name => {
            *left -= 1;
            false
        }
        _ => false,
    }
}

/// SIGKILL to ourselves: no unwinding, no destructors, no flushing, as when the power of the process is cut.
fn kill() -> ! {
    let pid = std::process::id().to_string();
    let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_stands_once() {
        let names = names();
        let once: BTreeSet<_> = names.iter().collect();
        assert_eq!(once.len(), names.len());
    }

    #[test]
    fn a_watched_thread_dies_at_its_place_and_nowhere_else() {
        let walk = |target: Option<(&str, u32)>| {
            watch(target);
            let died = std::panic::catch_unwind(|| {
                for slot in ["purchase", "payout:platform", "payout:seller", ""] {
                    about(slot);
                    hit("claim.committed");
                }
            });
            about("");
            (died.is_err(), unwatch().len())
        };
        assert_eq!(walk(None), (false, 4));
        assert_eq!(walk(Some(("purchase.claim.committed", 0))), (true, 1));
        assert_eq!(walk(Some(("payout.claim.committed", 1))), (true, 3));
        assert_eq!(walk(Some(("payout.claim.committed", 2))), (false, 4));
        assert_eq!(walk(Some(("claim.committed", 0))), (true, 4));
        assert!(unwatch().is_empty());
    }

    #[test]
    fn what_is_left_half_done_is_asked_for_once() {
        watch(Some(("capture.call.half_written", 1)));
        about("capture");
        assert!(!is_due("call.half_written"));
        hit("call.half_written");
        assert!(is_due("call.half_written") && !is_due("call.connected"));
        about("");
        assert!(!is_due("call.half_written"));
        unwatch();
    }
}
