//! `cargo run --release --example simulate -- --seeds N [--seed S] [--from S] [--pairs] [--threads N]`
//!
//! Plays N seeds, or one, or every ordered pair of places where the program may die; prints each that fails with the
//! command that plays it again, and the pace beside that of the bare statements. Exit 1 if one failed.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../benches/pipeline/figures.rs"]
mod figures;
#[allow(dead_code)]
#[path = "../../benches/pipeline/floor.rs"]
mod floor;
#[allow(dead_code)]
#[path = "../it/judge.rs"]
mod judge;
mod lane;
mod pace;
mod play;
#[allow(dead_code)]
#[path = "../it/post.rs"]
mod post;
mod schedule;
#[allow(dead_code)]
#[path = "../it/tap.rs"]
mod tap;
mod verdict;
#[allow(dead_code)]
#[path = "../it/world.rs"]
mod world;

use lane::Lane;
use postsale::failpoint;
use schedule::Schedule;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

struct Wanted {
    seeds: u64,
    from: u64,
    one: Option<u64>,
    plays_pairs: bool,
    threads: usize,
}

/// So many seeds after one another it says how far it is; with `--from` another run goes on there.
const TOLD: u64 = 10_000;
/// One in so many is played twice and compared.
const DOUBLED: u64 = 100;
/// So many seeds are played beside their bare statements.
const PACED: u64 = 200;

fn main() -> ExitCode {
    let wanted = wanted();
    // A run that fails is told below, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let template = lane::template();
    if let Some(seed) = wanted.one {
        return show(seed, template.path());
    }
    let run = Run::new(&wanted, template.path());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..wanted.threads {
            scope.spawn(|| run.lane());
        }
    });
    println!("{}", run.summary(begun.elapsed()));
    if !wanted.plays_pairs {
        println!("{}", pace::beside_the_floor(wanted.from, PACED.min(run.all), template.path()));
    }
    if run.failed.load(Ordering::Relaxed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All the schedules that are played, and what came of them so far.
struct Run<'a> {
    wanted: &'a Wanted,
    template: &'a Path,
    names: Vec<String>,
    all: u64,
    next: AtomicU64,
    deaths: AtomicU64,
    /// Runs in which the program died more than once.
    died_twice: AtomicU64,
    doubled: AtomicU64,
    failed: AtomicU64,
}

impl Run<'_> {
    fn new<'a>(wanted: &'a Wanted, template: &'a Path) -> Run<'a> {
        let names = failpoint::names();
        let pairs = (names.len() * names.len()) as u64;
        Run {
            wanted,
            template,
            names,
            all: if wanted.plays_pairs { pairs } else { wanted.seeds },
            next: AtomicU64::default(),
            deaths: AtomicU64::default(),
            died_twice: AtomicU64::default(),
            doubled: AtomicU64::default(),
            failed: AtomicU64::default(),
        }
    }

    /// Plays schedules until none is left.
    fn lane(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.all {
                return;
            }
            if number > 0 && number.is_multiple_of(TOLD) {
                let failed = self.failed.load(Ordering::Relaxed);
                println!("{} and before: {failed} failed so far", self.wanted.from + number - 1);
            }
            self.play(number);
        }
    }

    fn schedule(&self, number: u64) -> Schedule {
        if !self.wanted.plays_pairs {
            return Schedule::of(self.wanted.from + number);
        }
        let number = usize::try_from(number).unwrap();
        Schedule::pair(&self.names[number / self.names.len()], &self.names[number % self.names.len()])
    }

    fn play(&self, number: u64) {
        let schedule = self.schedule(number);
        if number.is_multiple_of(DOUBLED) {
            self.play_twice(&schedule);
        }
        match play::play(&schedule, self.template) {
            Ok(played) => {
                self.deaths.fetch_add(u64::from(played.deaths), Ordering::Relaxed);
                self.died_twice.fetch_add(u64::from(played.deaths > 1), Ordering::Relaxed);
            }
            Err(why) => self.complain(&schedule, &why),
        }
    }

    /// Where others were played before, and where nothing was.
    fn play_twice(&self, schedule: &Schedule) {
        self.doubled.fetch_add(1, Ordering::Relaxed);
        let run = |lane| play::traced(schedule, lane).map_or_else(|why| why, |played| played.trace);
        if run(Lane::again(self.template)) != run(Lane::new(self.template)) {
            self.complain(schedule, "went another way the second time");
        }
    }

    fn complain(&self, schedule: &Schedule, why: &str) {
        let why = why.lines().next().unwrap_or_default();
        self.failed.fetch_add(1, Ordering::Relaxed);
        match self.wanted.plays_pairs {
            true => println!("FAIL {:?} {why}", schedule.faults),
            false => println!("FAIL --seed {} {why}", schedule.seed),
        }
    }

    fn summary(&self, took: Duration) -> String {
        let what = if self.wanted.plays_pairs { "pairs" } else { "seeds" };
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        format!(
            "{} {what} from {} on, {} deaths ({} died more than once), {} played twice and compared, {} failed; {} s, \
             {} {what}/s on {} threads",
            self.all,
            self.wanted.from,
            count(&self.deaths),
            count(&self.died_twice),
            count(&self.doubled),
            count(&self.failed),
            took.as_secs(),
            u128::from(self.all) * 1000 / took.as_millis().max(1),
            self.wanted.threads
        )
    }
}

/// One seed, with everything that happened in it.
fn show(seed: u64, template: &Path) -> ExitCode {
    let schedule = Schedule::of(seed);
    println!("{schedule:#?}");
    match play::traced(&schedule, Lane::new(template)) {
        Ok(played) => {
            println!("{}\n{} deaths; nothing is wrong", played.trace, played.deaths);
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("FAIL --seed {seed} {why}");
            ExitCode::FAILURE
        }
    }
}

fn wanted() -> Wanted {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut wanted = Wanted { seeds: 1000, from: 0, one: None, plays_pairs: false, threads };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse::<u64>().ok());
        match word.as_str() {
            "--seeds" => wanted.seeds = number().unwrap_or(wanted.seeds),
            "--from" => wanted.from = number().unwrap_or(0),
            "--seed" => wanted.one = number(),
            "--pairs" => wanted.plays_pairs = true,
            "--threads" => wanted.threads = number().and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1),
            _ => {}
        }
    }
    wanted
}
