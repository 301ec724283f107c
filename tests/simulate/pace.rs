//! How fast the simulator is beside the bare statements of the same schedules: what was run is written down in
//! one pass, and run again, prepared, on a copy of the same database with nothing else around it.

use crate::floor::{self, Heard};
use crate::play::{self, Statement};
use crate::schedule::Schedule;
use crate::world::data_dir;
use postsale::store;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::time::{Duration, Instant};

/// Plays `count` seeds in one thread and then their statements; says both paces and their ratio. Beside it the statements
/// of the writer alone, which holds the time of all reading against us.
pub fn beside_the_floor(from: u64, count: u64, template: &Path) -> String {
    let schedules: Vec<_> =
        (from..).map(Schedule::of).filter(|s| !s.goes_back()).take(usize::try_from(count).unwrap()).collect();
    let (mut ours, mut all, mut written) = (Duration::ZERO, Floor::default(), Floor::default());
    for schedule in &schedules {
        let begun = Instant::now();
        let _ = play::play(schedule, template);
        ours += begun.elapsed();
        play::listen();
        let _ = play::play(schedule, template);
        let script: Vec<_> = play::heard().into_iter().map(Act::of).collect();
        all.add(&script, template);
        written.add(&script.into_iter().filter(|act| !act.is_read).collect::<Vec<_>>(), template);
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
    fn add(&mut self, script: &[Act], template: &Path) {
        self.statements += script.len();
        self.took += replay(script, template);
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

/// A statement with its values read off, before the clock runs.
struct Act {
    is_read: bool,
    sql: String,
    values: Vec<Value>,
}

impl Act {
    fn of(statement: Statement) -> Act {
        let Statement { is_read, sql, with_values } = statement;
        // Of named values nothing is read off: they stay in the text.
        if !sql.contains('?') {
            return Act { is_read, sql: with_values, values: Vec::new() };
        }
        let heard = Heard { sql, with_values, journal_bytes: 0 };
        Act { is_read, values: floor::values(&heard), sql: heard.sql }
    }
}

/// The statements as they were run, on a database of the same kind: the writer's by a writer, the others by a reader.
fn replay(script: &[Act], template: &Path) -> Duration {
    let dir = data_dir();
    let begun = Instant::now();
    std::fs::copy(template.join("postsale.db"), dir.path().join("postsale.db")).unwrap();
    let writer = open(dir.path());
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("foreign_keys", "ON")] {
        writer.pragma_update(None, pragma, value).unwrap();
    }
    let reader = open(dir.path());
    for act in script {
        let connection = if act.is_read { &reader } else { &writer };
        // A transaction that a death rolled back ended without a word; the next one begins anew.
        if act.sql.starts_with("BEGIN") && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        let Ok(mut statement) = connection.prepare_cached(&act.sql) else { continue };
        if let Ok(mut rows) = statement.query(params_from_iter(&act.values)) {
            while let Ok(Some(_)) = rows.next() {}
        }
    }
    begun.elapsed()
}

fn open(dir: &Path) -> Connection {
    let connection = Connection::open(store::open::path(dir)).unwrap();
    connection.set_prepared_statement_cache_capacity(256);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    connection
}
