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
mod pace;
mod play;
mod schedule;
#[allow(dead_code)]
#[path = "../it/tap.rs"]
mod tap;
mod verdict;
#[allow(dead_code)]
#[path = "../it/world.rs"]
mod world;

use postsale::failpoint;
use schedule::Schedule;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

struct Wanted {
    seeds: u64,
    from: u64,
    one: Option<u64>,
    plays_pairs: bool,
    threads: usize,
}

/// One in so many is played twice and compared.
const DOUBLED: u64 = 100;
/// So many seeds are played beside their bare statements.
const PACED: u64 = 200;

fn main() -> ExitCode {
    let wanted = wanted();
    // A run that fails is told below, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let template = play::template();
    if let Some(seed) = wanted.one {
        return show(seed, template.path());
    }
    let names = failpoint::names();
    let pairs = (names.len() * names.len()) as u64;
    let all = if wanted.plays_pairs { pairs } else { wanted.seeds };
    let schedule = |number: u64| {
        if !wanted.plays_pairs {
            return Schedule::of(wanted.from + number);
        }
        let number = usize::try_from(number).unwrap();
        Schedule::pair(&names[number / names.len()], &names[number % names.len()])
    };
    let begun = Instant::now();
    let (next, deaths, doubled) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failed: Mutex<Vec<String>> = Mutex::default();
    let lane = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= all {
            return;
        }
        let schedule = schedule(number);
        let complain = |why: String| {
            let again = format!("--seed {}", schedule.seed);
            let line =
                format!("FAIL {} {why}", if wanted.plays_pairs { format!("{:?}", schedule.faults) } else { again });
            println!("{line}");
            failed.lock().unwrap().push(line);
        };
        match play::play(&schedule, template.path()) {
            Ok(played) => {
                deaths.fetch_add(u64::from(played.deaths), Ordering::Relaxed);
                if number % DOUBLED == 0 {
                    doubled.fetch_add(1, Ordering::Relaxed);
                    let again = play::play(&schedule, template.path()).map(|played| played.trace);
                    if again.as_ref() != Ok(&played.trace) {
                        complain("went another way the second time".to_owned());
                    }
                }
            }
            Err(why) => complain(why),
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..wanted.threads {
            scope.spawn(lane);
        }
    });
    let (took, failed) = (begun.elapsed(), failed.into_inner().unwrap().len());
    let what = if wanted.plays_pairs { "pairs" } else { "seeds" };
    println!(
        "{all} {what}, {} deaths, {} played twice and compared, {failed} failed; {} s, {} {what}/s on {} threads",
        deaths.load(Ordering::Relaxed),
        doubled.load(Ordering::Relaxed),
        took.as_secs(),
        u128::from(all) * 1000 / took.as_millis().max(1),
        wanted.threads
    );
    if !wanted.plays_pairs {
        println!("{}", pace::beside_the_floor(wanted.from, PACED.min(all), template.path()));
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One seed, with everything that happened in it.
fn show(seed: u64, template: &Path) -> ExitCode {
    let schedule = Schedule::of(seed);
    println!("{schedule:#?}");
    match play::play(&schedule, template) {
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
