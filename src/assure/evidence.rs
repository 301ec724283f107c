//! Keeps the lines about requests and calls as rows. Whoever has a line hands it over and goes on: a small thread
//! writes them in batches, off the hot path, and when it falls behind lines are dropped and counted, never waited for.

use crate::clock::Clock;
use crate::gateway::Called;
use crate::store::log_lines::{self, KEPT, LogLine};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines that wait to be written; more are dropped.
const WAITING_MAX: usize = 2048;
/// How often what came in is written, in real time.
const BATCH: Duration = Duration::from_millis(500);
/// How soon the end is noticed.
const GLANCE: Duration = Duration::from_millis(50);

/// Hands lines over; cheap to copy.
#[derive(Clone)]
pub struct Notes {
    lines: SyncSender<LogLine>,
    clock: Arc<dyn Clock>,
    dropped: Arc<AtomicU64>,
}

/// The writing thread; dropping it writes what is left.
pub struct Keeper {
    notes: Notes,
    leaving: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Notes {
    /// `request`: method and path without the query.
    pub fn answered(&self, id: &str, request: String, status: u16, took_ms: u64) {
        self.note("REQ", request, Some(status), (None, None, Some(id.to_owned())), took_ms);
    }

    pub fn called(&self, called: &Called) {
        let Called { far_side, operation, status, issue, debug_id, took_ms } = called;
        self.note(far_side, operation.clone(), *status, (issue.clone(), debug_id.clone(), None), *took_ms);
    }

    fn note(
        &self,
        source: &str,
        operation: String,
        status: Option<u16>,
        (issue, debug_id, request_id): (Option<String>, Option<String>, Option<String>),
        took_ms: u64,
    ) {
        let operation = operation.chars().take(240).collect();
        let at = self.clock.now();
        let line = LogLine { at, source: source.to_owned(), operation, status, issue, debug_id, request_id, took_ms };
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Keeper {
    pub fn start(store: Arc<Store>, clock: Arc<dyn Clock>) -> Result<Keeper, StoreError> {
        let (lines, received) = sync_channel(WAITING_MAX);
        let notes = Notes { lines, clock, dropped: Arc::default() };
        let leaving = Arc::new(AtomicBool::new(false));
        let (stop, dropped) = (Arc::clone(&leaving), Arc::clone(&notes.dropped));
        let keep = move || keep(&store, &received, &stop, &dropped);
        let thread = std::thread::Builder::new().name("evidence".to_owned()).spawn(keep);
        let thread = thread.map_err(|e| StoreError::Unreadable(format!("cannot start keeping lines: {e}")))?;
        Ok(Keeper { notes, leaving, thread: Some(thread) })
    }

    pub fn notes(&self) -> Notes {
        self.notes.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(store: &Store, received: &Receiver<LogLine>, leaving: &AtomicBool, dropped: &AtomicU64) {
    loop {
        let mut slept = Duration::ZERO;
        while slept < BATCH && !leaving.load(Ordering::Acquire) {
            std::thread::sleep(GLANCE);
            slept += GLANCE;
        }
        let is_last = leaving.load(Ordering::Acquire);
        write(store, received.try_iter().collect(), dropped.swap(0, Ordering::Relaxed));
        if is_last {
            return;
        }
    }
}

/// Lines that cannot be written are lost: evidence must not stop the work it tells about.
fn write(store: &Store, mut lines: Vec<LogLine>, dropped: u64) {
    if dropped > 0 {
        log::warn!("{dropped} lines of evidence were dropped: they came faster than they could be written");
    }
    let kept = usize::try_from(KEPT).unwrap_or(usize::MAX);
    lines.drain(..lines.len().saturating_sub(kept));
    if lines.is_empty() {
        return;
    }
    if let Err(error) = store.write(|tx| log_lines::append(tx, &lines)) {
        log::warn!("{} lines of evidence were not kept: {error}", lines.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::domain::order::Mode;
    use crate::store::open::{Wanted, open};
    use crate::store::tokens::{self, Login};
    use jiff::SignedDuration;

    fn answer(notes: &Notes, id: usize) {
        notes.answered(&format!("r{id}"), "GET /x".to_owned(), 200, 3);
    }

    #[test]
    fn lines_become_rows_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = Wanted { mode: Mode::Sandbox, shop: "shop", now: SystemClock.now() };
        let store = Arc::new(open(dir.path(), &wanted).unwrap());
        let keeper = Keeper::start(Arc::clone(&store), Arc::new(SystemClock)).unwrap();
        let notes = keeper.notes();
        (0..1200).for_each(|id| answer(&notes, id));
        let refused = Called {
            far_side: "PAYPAL",
            operation: "capture".to_owned(),
            status: Some(422),
            issue: Some("ORDER_NOT_APPROVED".to_owned()),
            debug_id: Some("d1".to_owned()),
            took_ms: 9,
        };
        notes.called(&refused);
        drop(keeper);
        let read = |id: Option<&str>| store.read(|c| log_lines::list(c, id, 2000)).unwrap();
        assert_eq!(read(None).len(), 1000);
        assert_eq!(read(Some("r0")), [], "the oldest are gone");
        assert_eq!(read(Some("r1199"))[0].operation, "GET /x");
        let found = read(Some("d1"));
        assert_eq!((found[0].status, found[0].issue.as_deref()), (Some(422), Some("ORDER_NOT_APPROVED")));
        let newest = |source: &str, answered| store.read(|c| log_lines::newest(c, source, answered)).unwrap();
        assert!(newest("PAYPAL", false).is_some() && newest("PAYPAL", true).is_none());
        // A refused login counts until the far side answers with success again; a no in other words does not.
        let said = |operation: &str, status: u16, issue: Option<&str>, expected: bool| {
            let line = LogLine {
                at: SystemClock.now(),
                source: "ALIEXPRESS".to_owned(),
                operation: operation.to_owned(),
                status: Some(status),
                issue: issue.map(str::to_owned),
                debug_id: None,
                request_id: None,
                took_ms: 1,
            };
            store.write(|tx| log_lines::append(tx, &[line])).unwrap();
            let refused = store.read(|c| log_lines::login_refused(c, "ALIEXPRESS")).unwrap();
            assert_eq!(refused.is_some(), expected, "{operation} {status} {issue:?}");
        };
        said("x", 200, None, false);
        said("x", 200, Some("SKU_NOT_EXIST"), false);
        said("x", 200, Some("IllegalAccessToken"), true);
        said("x", 500, Some("unreadable"), true);
        said("x", 200, None, false);
        said("x", 401, None, true);
        said("x", 200, Some("SKU_NOT_EXIST"), true);
        said("certificate", 200, None, true);
        let login = Login {
            account: None,
            access_token: "t".to_owned(),
            refresh_token: None,
            access_expires_at: SystemClock.now(),
            refresh_expires_at: None,
        };
        let later = SystemClock.now() + SignedDuration::from_secs(1);
        store.write(|tx| tokens::begin(tx, "aliexpress", &login, later)).unwrap();
        assert_eq!(store.read(|c| log_lines::login_refused(c, "ALIEXPRESS")).unwrap(), None, "somebody logged in");
        assert_eq!(newest("ALIEXPRESS", true).unwrap().operation, "x");
        // Nobody writes any more; nobody waits either.
        (0..3000).for_each(|id| answer(&notes, id));
    }
}
