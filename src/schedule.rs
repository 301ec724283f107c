//! The scheduler. clokwerk only rings, in UTC; which job is due stands in the `jobs` table. A job that panics is caught
//! and recorded, and the others go on. Where clokwerk fails us (it runs nothing after the clock stepped back, until the
//! clock has caught up), a watchdog on monotonic time rings in its place.

use crate::clock::Clock;
use crate::store::jobs::JobRow;
use crate::store::{self, Store, StoreError};
use clokwerk::{Interval, Scheduler};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When a job is due again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cadence {
    Every(SignedDuration),
    /// Once a day, UTC.
    DailyAt(Time),
}

pub struct Job {
    pub name: &'static str,
    pub cadence: Cadence,
    /// Run once as soon as the program starts, whatever the row says.
    pub at_start: bool,
    /// Says in a line what it did, or what went wrong.
    pub run: Box<dyn Fn() -> Result<String, String> + Send + Sync>,
}

/// The scheduler while it runs; dropping it waits for the job under way.
pub struct Schedule {
    leaving: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How often the thread looks, in real time.
const LOOK: Duration = Duration::from_millis(200);
/// Without a ring of clokwerk for this long, the watchdog rings.
const SILENCE: Duration = Duration::from_secs(5);

impl Cadence {
    /// The first due time after `now`.
    pub fn next(self, now: Timestamp) -> Timestamp {
        match self {
            Cadence::Every(period) => now + period,
            Cadence::DailyAt(time) => {
                let today = now.to_zoned(TimeZone::UTC);
                let at = |day: jiff::Zoned| day.date().to_datetime(time).to_zoned(TimeZone::UTC).map(|z| z.timestamp());
                let this_day = at(today.clone()).ok().filter(|at| *at > now);
                let next_day = today.tomorrow().ok().and_then(|day| at(day).ok());
                this_day.or(next_day).unwrap_or(now + SignedDuration::from_hours(24))
            }
        }
    }

    fn period(self) -> Duration {
        match self {
            Cadence::Every(period) => Duration::try_from(period).unwrap_or(Duration::ZERO),
            Cadence::DailyAt(_) => Duration::from_secs(24 * 3600),
        }
    }
}

impl Schedule {
    pub fn start(store: Arc<Store>, clock: Arc<dyn Clock>, jobs: Vec<Job>) -> Result<Schedule, StoreError> {
        let now = clock.now();
        store.write(|tx| {
            let names: Vec<&str> = jobs.iter().map(|job| job.name).collect();
            store::jobs::keep_only(tx, &names)?;
            jobs.iter().try_for_each(|job| store::jobs::enter(tx, job.name, job.cadence.next(now)))
        })?;
        let leaving = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&leaving);
        let keeper = Keeper { store, clock, jobs };
        let thread = std::thread::Builder::new().name("schedule".to_owned()).spawn(move || keeper.keep(&stop));
        let thread = thread.map_err(|e| StoreError::Unreadable(format!("cannot start the scheduler: {e}")))?;
        Ok(Schedule { leaving, thread: Some(thread) })
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Keeper {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    jobs: Vec<Job>,
}

impl Keeper {
    fn keep(&self, leaving: &AtomicBool) {
        let rung = Arc::new(AtomicBool::new(false));
        let mut bell = bell(&rung);
        let mut ran_at: BTreeMap<&'static str, Instant> = BTreeMap::new();
        for job in self.jobs.iter().filter(|job| job.at_start) {
            self.run(job);
            ran_at.insert(job.name, Instant::now());
        }
        let started = Instant::now();
        let mut heard_at = Instant::now();
        while !leaving.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
            if catch_unwind(AssertUnwindSafe(|| bell.run_pending())).is_err() {
                log::error!("clokwerk panicked; it is set up anew, and the watchdog rings meanwhile");
                bell = self::bell(&rung);
            }
            if !rung.swap(false, Ordering::Relaxed) && heard_at.elapsed() < SILENCE {
                continue;
            }
            heard_at = Instant::now();
            for job in self.due(&ran_at, started) {
                self.run(job);
                ran_at.insert(job.name, Instant::now());
            }
        }
    }

    /// Nothing, while the database is only read: what a job did could not be written down.
    fn due(&self, ran_at: &BTreeMap<&'static str, Instant>, started: Instant) -> Vec<&Job> {
        if self.store.damaged().is_some() {
            return Vec::new();
        }
        let rows = match self.store.read(store::jobs::list) {
            Ok(rows) => rows,
            Err(error) => {
                log::error!("the jobs cannot be read: {error}");
                return Vec::new();
            }
        };
        let now = self.clock.now();
        let is_due = |job: &&Job| {
            let row = rows.iter().find(|row| row.name == job.name);
            let since = ran_at.get(job.name).copied().unwrap_or(started);
            row.is_none_or(|row| is_due(row, job.cadence, now, since.elapsed()))
        };
        self.jobs.iter().filter(is_due).collect()
    }

    /// Runs one job and writes down what came of it; a panic is a result too.
    fn run(&self, job: &Job) {
        if let Err(error) = self.store.write(|tx| {
            store::jobs::enter(tx, job.name, self.clock.now())?;
            store::jobs::started(tx, job.name, self.clock.now())
        }) {
            log::error!("job {}: {error}", job.name);
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| (job.run)()));
        let outcome = outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", words(&*panic))));
        if let Err(reason) = &outcome {
            log::error!("job {}: {reason}", job.name);
        }
        let now = self.clock.now();
        let due_at = job.cadence.next(now);
        if let Err(error) = self.store.write(|tx| store::jobs::finished(tx, job.name, now, &outcome, due_at)) {
            log::error!("job {}: {error}", job.name);
        }
    }
}

/// Due by the clock; or the clock stands before the last run, or a whole period has passed on monotonic time: then the
/// clock is wrong, and the job runs all the same.
fn is_due(row: &JobRow, cadence: Cadence, now: Timestamp, since_last: Duration) -> bool {
    let clock_stepped_back = row.started_at.is_some_and(|at| at > now) || row.due_at > cadence.next(now);
    row.due_at <= now || clock_stepped_back || since_last >= cadence.period()
}

fn bell(rung: &Arc<AtomicBool>) -> Scheduler<chrono::Utc> {
    let mut scheduler = Scheduler::with_tz(chrono::Utc);
    let rung = Arc::clone(rung);
    scheduler.every(Interval::Seconds(1)).run(move || rung.store(true, Ordering::Relaxed));
    scheduler
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HandClock;
    use crate::domain::order::Mode;
    use std::sync::atomic::AtomicU32;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn daily_jobs_find_their_next_time_on_daylight_saving_days_too() {
        let check = |now: &str, time: &str, expected: &str| {
            let cadence = Cadence::DailyAt(time.parse().unwrap());
            assert_eq!(cadence.next(at(now)), at(expected), "{now}");
        };
        check("2026-03-01T03:09:59Z", "03:10:00", "2026-03-01T03:10:00Z");
        check("2026-03-01T03:10:00Z", "03:10:00", "2026-03-02T03:10:00Z");
        // The night in which most of Europe turns its clocks.
        check("2026-03-29T01:30:00Z", "02:30:00", "2026-03-29T02:30:00Z");
        check("2026-10-25T02:30:00Z", "02:30:00", "2026-10-26T02:30:00Z");
        check("2026-12-31T23:59:59Z", "00:00:00", "2027-01-01T00:00:00Z");
    }

    #[test]
    fn f29_a_clock_set_back_does_not_stop_a_job() {
        let row = |due: &str, started: &str| JobRow {
            name: "integrity".to_owned(),
            due_at: at(due),
            started_at: Some(at(started)),
            finished_at: None,
            result: None,
            is_ok: None,
        };
        let every = Cadence::Every(SignedDuration::from_mins(15));
        let row = row("2026-03-01T12:15:00Z", "2026-03-01T12:00:00Z");
        let check = |now: &str, since_s: u64, expected: bool| {
            assert_eq!(is_due(&row, every, at(now), Duration::from_secs(since_s)), expected, "{now} {since_s}");
        };
        check("2026-03-01T12:05:00Z", 300, false);
        check("2026-03-01T12:15:00Z", 900, true);
        // Six hours back: before the last run, so the clock is wrong.
        check("2026-03-01T06:05:00Z", 300, true);
        // Stopped: a period has passed all the same.
        check("2026-03-01T12:00:00Z", 900, true);
        check("2026-03-01T12:00:00Z", 899, false);
    }

    #[test]
    fn f2_a_panicking_job_is_recorded_and_the_others_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::new(at("2026-03-01T12:00:00Z")));
        let wanted = store::open::Wanted { mode: Mode::Sandbox, shop: "shop", now: clock.now() };
        let store = Arc::new(store::open::open(dir.path(), &wanted).unwrap());
        let (runs, tries) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (counted, tried) = (Arc::clone(&runs), Arc::clone(&tries));
        let every = Cadence::Every(SignedDuration::from_mins(15));
        let jobs = vec![
            Job {
                name: "bad",
                cadence: every,
                at_start: true,
                run: Box::new(move || {
                    tried.fetch_add(1, Ordering::Relaxed);
                    panic!("broken on purpose")
                }),
            },
            Job {
                name: "good",
                cadence: every,
                at_start: true,
                run: Box::new(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    Ok("fine".to_owned())
                }),
            },
        ];
        store.write(|tx| store::jobs::enter(tx, "gone", clock.now())).unwrap();
        let schedule = Schedule::start(Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>, jobs).unwrap();
        let wait_for = |runs_wanted: u32| {
            for _ in 0..300 {
                if runs.load(Ordering::Relaxed) >= runs_wanted {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            panic!("the good job ran {} times, not {runs_wanted}", runs.load(Ordering::Relaxed));
        };
        wait_for(1);
        clock.wind(SignedDuration::from_mins(16));
        wait_for(2);
        // Six hours back: it runs again all the same.
        clock.wind(SignedDuration::from_hours(-6));
        wait_for(3);
        drop(schedule);
        assert_eq!(tries.load(Ordering::Relaxed), 3, "it is tried again whenever it is due");
        let rows = store.read(store::jobs::list).unwrap();
        assert_eq!(rows.len(), 2, "the row of a job that is no more goes: {rows:?}");
        assert_eq!(rows[0].is_ok, Some(false));
        assert!(rows[0].result.as_deref().unwrap().contains("broken on purpose"), "{rows:?}");
        assert_eq!(rows[1].is_ok, Some(true));
    }

    /// The check itself, through a night in which clocks are turned, six hours back, and beside a job that panics.
    #[test]
    fn f29_the_integrity_check_outlives_a_turned_clock_and_a_panicking_neighbour() {
        use crate::assure::integrity::{self, Question};
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::new(at("2026-03-29T00:50:00Z")));
        let wanted = store::open::Wanted { mode: Mode::Sandbox, shop: "shop", now: clock.now() };
        let store = Arc::new(store::open::open(dir.path(), &wanted).unwrap());
        let (books, hand) = (Arc::clone(&store), Arc::clone(&clock));
        let check = move || {
            let question = Question { now: hand.now(), build: "b", is_deep: false, ladder: SignedDuration::ZERO };
            integrity::run(&books, &question).map(|answer| answer.verdict).map_err(|error| error.to_string())
        };
        let every = Cadence::Every(SignedDuration::from_mins(15));
        let jobs = vec![
            Job { name: "bad", cadence: every, at_start: true, run: Box::new(|| panic!("broken on purpose")) },
            Job { name: "integrity", cadence: every, at_start: true, run: Box::new(check) },
        ];
        let schedule = Schedule::start(Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>, jobs).unwrap();
        let checked_at = |wanted: Timestamp| {
            for _ in 0..600 {
                if integrity::last(&store).unwrap().is_some_and(|answer| answer.checked_at == wanted) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            panic!("no check at {wanted}");
        };
        checked_at(clock.now());
        // Over the hour that does not exist in much of Europe, then through the rest of the night.
        for minutes in [15, 15, 60, -6 * 60, 15] {
            clock.wind(SignedDuration::from_mins(minutes));
            checked_at(clock.now());
        }
        drop(schedule);
        let rows = store.read(store::jobs::list).unwrap();
        let stands: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.is_ok)).collect();
        assert_eq!(stands, [("bad", Some(false)), ("integrity", Some(true))]);
    }
}
