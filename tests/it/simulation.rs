//! The simulator's share of every test run: seeds, pairs of deaths, and one seed in a hundred played twice. The wide runs
//! are `cargo run --release --example simulate`.

use crate::lane::{Lane, template};
use crate::play::{play, traced};
use crate::schedule::Schedule;
use postsale::failpoint;

/// Seeds of every test run.
const SEEDS: u64 = 1000;
/// Seeds of the wide runs that once found a fault of the program.
const FOUND: [u64; 5] = [1504, 2041, 2351, 7154, 600_550];
/// Of all ordered pairs of places, every so-manieth is tried; which ones is told by `SIMULATE_SHARE`, else by the day.
const SHARES: usize = 10;

fn complaints(schedules: impl Iterator<Item = Schedule>) {
    let template = template();
    let mut failed = Vec::new();
    for schedule in schedules {
        if let Err(why) = play(&schedule, template.path()) {
            failed.push(format!("{schedule:?}\n{why}"));
        }
    }
    assert!(failed.is_empty(), "{} failed, the first:\n{}", failed.len(), failed[0]);
}

#[test]
fn i1_to_i8_hold_for_every_seed() {
    complaints((0..SEEDS / 2).chain(FOUND).map(Schedule::of));
}

/// A test of its own: it runs beside the one above.
#[test]
fn i1_to_i8_hold_for_more_seeds() {
    complaints((SEEDS / 2..SEEDS).map(Schedule::of));
}

#[test]
fn i1_to_i8_hold_for_pairs_of_deaths() {
    let names = failpoint::names();
    let today = jiff::Timestamp::now().as_second() / 86_400;
    let share = std::env::var("SIMULATE_SHARE").ok().and_then(|share| share.parse().ok());
    let share = share.unwrap_or(usize::try_from(today).unwrap() % SHARES);
    let pairs = names.iter().flat_map(|first| names.iter().map(move |second| Schedule::pair(first, second)));
    complaints(pairs.skip(share).step_by(SHARES));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let template = template();
    for seed in (0..SEEDS).step_by(100) {
        let run = |lane| traced(&Schedule::of(seed), lane).map(|played| played.trace);
        // Where another was played before, and where nothing was.
        assert!(play(&Schedule::of(seed + 1), template.path()).is_ok());
        let first = run(Lane::again(template.path()));
        assert!(first.is_ok() && first == run(Lane::new(template.path())), "seed {seed}");
    }
}
