//! How fast the simulator is beside the bare statements of the same schedules: what was run is written down in
//! one pass, and run again, prepared, on a copy of the same database with nothing else around it.

use crate::floor::{self, Heard};
use crate::lane::{Lane, found_again};
use crate::play::{self, Asked};
use crate::schedule::Schedule;
use crate::world::data_dir;
use postsale::store;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Plays `count` seeds in one thread and then their statements; says both paces and their ratio. Beside it the statements
/// of the writer alone, which holds the time of all reading against us.
pub fn beside_the_floor(from: u64, count: u64, template: &Path) -> String {
    let schedules: Vec<_> =
        (from..).map(Schedule::of).filter(|s| !s.goes_back()).take(usize::try_from(count).unwrap()).collect();
    let (mut ours, mut all, mut written) = (Duration::ZERO, Floor::default(), Floor::default());
    let mut bare = Bare::new(template);
    for schedule in &schedules {
        let begun = Instant::now();
        let _ = play::play(schedule, template);
        ours += begun.elapsed();
        play::listen();
        let _ = play::traced(schedule, Lane::new(template));
        let script: Vec<_> = play::heard().into_iter().map(Act::of).collect();
        all.add(&script, &mut bare);
        written.add(&script.into_iter().filter(|act| !act.is_read).collect::<Vec<_>>(), &mut bare);
    }
    let runs = u64::try_from(schedules.len()).unwrap();
    format!("one thread: {} seeds/s; {}; {}", per_s(runs, ours), all.beside("the bare", runs, ours), {
        written.beside("of these the writer's alone", runs, ours)
    })
}

fn per_s(runs: u64, took: Duration) -> u128 {
    u128::from(runs) * 1000 / took.as_millis().max(1)
}

#[derive(Default)]
struct Floor {
    took: Duration,
    statements: usize,
}

impl Floor {
    fn add(&mut self, script: &[Act], bare: &mut Bare<'_>) {
        self.statements += script.len();
        self.took += bare.replay(script);
    }

    fn beside(&self, what: &str, runs: u64, ours: Duration) -> String {
        format!(
            "{what} statements of the same schedules ({} a seed): {} seeds/s, ratio 0.{:03} (goal 0.4)",
            self.statements / usize::try_from(runs).unwrap().max(1),
            per_s(runs, self.took),
            (self.took.as_micros() * 1000 / ours.as_micros().max(1)).min(999)
        )
    }
}

/// A statement, with the values read off before the clock runs.
struct Act {
    is_read: bool,
    sql: String,
    values: Vec<Value>,
}

impl Act {
    fn of(Asked { is_read, sql, with_values }: Asked) -> Act {
        // Of named values nothing is read off: they stay in the text.
        if !sql.contains('?') {
            return Act { is_read, sql: with_values, values: Vec::new() };
        }
        let heard = Heard { sql, with_values, journal_bytes: 0 };
        Act { is_read, values: floor::values(&heard), sql: heard.sql }
    }
}

/// A writer, a reader and nothing around them. They keep their statements prepared from one schedule to the next, as ours
/// do.
struct Bare<'a> {
    dir: TempDir,
    template: &'a Path,
    writer: Connection,
    reader: Connection,
}

impl Bare<'_> {
    fn new(template: &Path) -> Bare<'_> {
        let dir = data_dir();
        let database = store::open::path(dir.path());
        std::fs::copy(store::open::path(template), &database).unwrap();
        Bare { template, writer: writer(&database), reader: open(&database), dir }
    }

    /// Runs what was run, on a database as it was founded.
    fn replay(&mut self, script: &[Act]) -> Duration {
        let database = store::open::path(self.dir.path());
        let begun = Instant::now();
        found_again(&database, self.template);
        for act in script {
            run(if act.is_read { &self.reader } else { &self.writer }, &act.sql, &act.values);
        }
        for connection in [&self.reader, &self.writer] {
            roll_back(connection);
        }
        begun.elapsed()
    }
}

fn run(connection: &Connection, sql: &str, values: &[Value]) {
    // A transaction that a death rolled back ended without a word; the next one begins anew.
    if sql.starts_with("BEGIN") {
        roll_back(connection);
    }
    let Ok(mut statement) = connection.prepare_cached(sql) else { return };
    if let Ok(mut rows) = statement.query(params_from_iter(values)) {
        while let Ok(Some(_)) = rows.next() {}
    }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").unwrap();
    }
}

fn writer(database: &Path) -> Connection {
    let writer = open(database);
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("foreign_keys", "ON")] {
        writer.pragma_update(None, pragma, value).unwrap();
    }
    writer
}

fn open(database: &Path) -> Connection {
    let connection = Connection::open(database).unwrap();
    connection.set_prepared_statement_cache_capacity(256);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    connection
}
