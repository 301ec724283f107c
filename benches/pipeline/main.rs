//! The pipeline beside the floor of the machine: orders through the whole road with far sides that answer at once, and
//! raw SQLite writing the same rows in the same commits with the same journal lines. Both in one run, interleaved,
//! because a machine's mood is only the same for things measured side by side. It prints; it asserts nothing.
//!
//! `cargo bench` measures; `cargo bench -- --quick` only shows that everything still runs. Other options:
//! `--acts` (what one order writes), `--pairs N`, `--orders N`, `--in-flight N`, `--only floor|engine|threads`, and
//! `--crowd`: the engine alone beside the engine with two hundred readers at its door, in place of everything else.

mod crowd;
mod figures;
mod floor;
mod road;
#[allow(clippy::unwrap_used, dead_code)]
#[path = "../../tests/it/tap.rs"]
mod tap;
#[allow(clippy::unwrap_used, dead_code)]
#[path = "../../tests/it/world.rs"]
mod world;

use figures::{Column, Run, in_thousandths};
use floor::Script;

struct Wanted {
    pairs: usize,
    orders: u32,
    /// Orders on their way at the same time.
    in_flight: u32,
    /// For a profiler: run one side alone.
    only: Option<String>,
    /// Print what one order writes.
    shows_acts: bool,
    /// Only with and without readers.
    is_crowded: bool,
}

fn main() {
    let wanted = wanted();
    if wanted.is_crowded {
        return crowded(&wanted);
    }
    let script = road::record();
    if wanted.shows_acts {
        println!("{}\n", script.acts());
    }
    println!("{}", script.summary());
    let Wanted { pairs, orders, in_flight, .. } = wanted;
    println!("{pairs} pairs of {orders} orders, {in_flight} of them on their way at a time\n");
    let mut columns = [
        Column::new("floor: raw SQLite and journal"),
        Column::new("engine, 1 thread"),
        Column::new("engine, 4 threads"),
    ];
    for pair in 0..pairs {
        // Each pair begins with another side, so that none always runs on the others' heels.
        for turn in 0..columns.len() {
            let side = (pair + turn) % columns.len();
            if wanted.only.as_deref().is_some_and(|only| only != ["floor", "engine", "threads"][side]) {
                continue;
            }
            let run = match side {
                0 => floor_run(&script, orders),
                1 => road::run(orders, in_flight, 1),
                _ => road::run(orders, in_flight, 4),
            };
            columns[side].runs.push(run);
        }
    }
    print_table(&script, &columns);
}

/// Pairs of the engine with four threads, without and with a crowd.
fn crowded(wanted: &Wanted) {
    let Wanted { pairs, orders, in_flight, .. } = wanted;
    println!("{pairs} pairs of {orders} orders, {in_flight} of them on their way at a time\n");
    let mut alone = Column::new("engine, 4 threads");
    let mut beside = Column::new("the same, 200 readers");
    for _ in 0..*pairs {
        alone.runs.push(road::run(*orders, *in_flight, 4));
        beside.runs.push(road::run_beside(*orders, *in_flight, 4, crowd::Crowd::gather));
    }
    println!("\norders per second with {} readers / without (goal: 0.800)", crowd::CLIENTS);
    println!("{}", beside.ratio_to(&alone, Run::total_ns));
}

fn floor_run(script: &Script, orders: u32) -> Run {
    let ground = road::ground();
    floor::run(script, &ground, orders)
}

fn print_table(script: &Script, columns: &[Column]) {
    let wanted_one = columns.iter().any(|c| c.runs.is_empty());
    println!(
        "{:<32}{:>10}{:>11}{:>11}{:>12}{:>10}",
        "medians", "orders/s", "commits/s", "us/order", "bytes/order", "rows"
    );
    for column in columns.iter().filter(|c| !c.runs.is_empty()) {
        println!("{}", column.line(script.commits));
    }
    let [floor, engine, four] = columns else { return };
    if wanted_one {
        return;
    }
    println!("\ndurable steps per second, engine / floor (goal: 0.700)");
    println!("{:<32}{}", "1 thread", engine.ratio_to(floor, Run::total_ns));
    println!("{:<32}{}", "1 thread, far sides taken off", engine.ratio_to(floor, Run::own_ns));
    println!("{:<32}{}", "4 threads", four.ratio_to(floor, Run::total_ns));
    let far_sides = figures::median(engine.runs.iter().map(Run::far_sides_ns_per_order).collect());
    println!("the far sides themselves take {} us of an order", in_thousandths(far_sides));
}

fn wanted() -> Wanted {
    let mut wanted = Wanted { pairs: 5, orders: 300, in_flight: 20, only: None, shows_acts: false, is_crowded: false };
    let mut is_measured = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
        match word.as_str() {
            // Cargo says this for `cargo bench`, and not for `cargo test --benches`.
            "--bench" => is_measured = true,
            "--quick" => (wanted.pairs, wanted.orders, wanted.in_flight) = (2, 8, 4),
            "--pairs" => wanted.pairs = number() as usize,
            "--orders" => wanted.orders = number(),
            "--in-flight" => wanted.in_flight = number().max(1),
            "--crowd" => wanted.is_crowded = true,
            "--acts" => wanted.shows_acts = true,
            "--only" => wanted.only = words.next(),
            _ => {}
        }
    }
    if !is_measured {
        (wanted.pairs, wanted.orders, wanted.in_flight) = (1, 4, 2);
    }
    wanted
}
