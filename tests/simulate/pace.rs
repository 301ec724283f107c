//! How fast the simulator is beside the bare statements of the same schedules: what the writers ran is written down in
//! one pass, and run again, prepared, on a copy of the same database with nothing else around it.

use crate::floor::{self, Heard};
use crate::play;
use crate::schedule::Schedule;
use crate::world::data_dir;
use postsale::store;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::time::{Duration, Instant};

/// Plays `count` seeds in one thread and then their statements; says both paces and their ratio.
pub fn beside_the_floor(from: u64, count: u64, template: &Path) -> String {
    let schedules: Vec<_> =
        (from..).map(Schedule::of).filter(|s| !s.goes_back()).take(usize::try_from(count).unwrap()).collect();
    let (mut ours, mut floor, mut statements) = (Duration::ZERO, Duration::ZERO, 0);
    for schedule in &schedules {
        let begun = Instant::now();
        let _ = play::play(schedule, template);
        ours += begun.elapsed();
        play::listen();
        let _ = play::play(schedule, template);
        let script = play::heard();
        statements += script.len();
        floor += replay(script, template);
    }
    let per_s = |took: Duration| u128::from(count) * 1000 / took.as_millis().max(1);
    format!(
        "one thread: {} seeds/s; the bare statements of the same schedules ({} a seed): {} seeds/s; ratio 0.{:03} \
         (goal 0.4)",
        per_s(ours),
        statements / schedules.len().max(1),
        per_s(floor),
        (floor.as_micros() * 1000 / ours.as_micros().max(1)).min(999)
    )
}

/// The statements as the writers ran them, on a database of the same kind. The values are read off before the clock runs.
fn replay(script: Vec<(String, String)>, template: &Path) -> Duration {
    let dir = data_dir();
    let acts: Vec<_> = script
        .into_iter()
        .map(|(sql, with_values)| {
            let heard = Heard { sql, with_values, journal_bytes: 0 };
            (floor::values(&heard), heard.sql)
        })
        .collect();
    let begun = Instant::now();
    std::fs::copy(template.join("postsale.db"), dir.path().join("postsale.db")).unwrap();
    let connection = Connection::open(store::open::path(dir.path())).unwrap();
    connection.set_prepared_statement_cache_capacity(256);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("foreign_keys", "ON")] {
        connection.pragma_update(None, pragma, value).unwrap();
    }
    for (values, sql) in &acts {
        // A transaction that a death rolled back ended without a word; the next one begins anew.
        if sql.starts_with("BEGIN") && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        let Ok(mut statement) = connection.prepare_cached(sql) else { continue };
        if let Ok(mut rows) = statement.query(params_from_iter(values)) {
            while let Ok(Some(_)) = rows.next() {}
        }
    }
    begun.elapsed()
}
