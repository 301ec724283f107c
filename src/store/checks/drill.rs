//! The drill of the checks: a healthy book on which every check must pass, then each check's own damage, which it must
//! notice. A check that has gone blind, is always true or throws is a dead alarm, and is believed by nobody (F44).
//!
//! Everything happens in memory; the live database is never touched.

use super::super::Result;
use super::{Check, When, healthy};
use jiff::SignedDuration;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// What became of one check's plant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drilled {
    pub id: &'static str,
    /// It passed on the healthy book and failed on its own damage.
    pub is_caught: bool,
    /// What went wrong, where it was not caught.
    pub why: Option<String>,
}

/// The healthy book is of this time after the beginning of time; only differences matter to the checks.
const AGE: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Drills every check given. An error means that the healthy book itself could not be made: then nothing is caught.
pub fn drill(checks: &[Check], when: &When) -> Result<Vec<Drilled>> {
    let stage = Stage::new()?;
    let when = When { now: stage_time(), ..*when };
    checks.iter().map(|check| stage.drill(check, &when)).collect()
}

fn stage_time() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH + AGE
}

/// A healthy book without the law: corruption asks no trigger, no CHECK and no foreign key.
pub(super) struct Stage {
    connection: Connection,
}

impl Stage {
    pub(super) fn new() -> Result<Stage> {
        let connection = healthy::book(stage_time())?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        // The balances keep following the postings, so that a planted posting damages one thing only. Temporary triggers
        // run all the same.
        let sql = "SELECT replace(sql, 'CREATE TRIGGER', 'CREATE TEMP TRIGGER') FROM sqlite_schema
                   WHERE name = 'postings_add_up'";
        let trigger: String = connection.query_row(sql, [], |row| row.get(0))?;
        connection.execute_batch(&trigger)?;
        Ok(Stage { connection })
    }

    /// Runs `f` on the book with the damage done, and takes the damage back.
    pub(super) fn damaged<T>(&self, plant: &str, f: impl FnOnce(&Connection) -> T) -> Result<T> {
        self.connection.execute_batch("PRAGMA ignore_check_constraints = ON; SAVEPOINT plant")?;
        let planted = self.connection.execute_batch(plant);
        let value = planted.map(|()| f(&self.connection));
        self.connection.execute_batch("ROLLBACK TO plant; RELEASE plant; PRAGMA ignore_check_constraints = OFF")?;
        Ok(value?)
    }

    #[cfg(test)]
    pub(super) fn healthy(&self) -> &Connection {
        &self.connection
    }

    fn drill(&self, check: &Check, when: &When) -> Result<Drilled> {
        let why = match check.look(&self.connection, when) {
            Err(error) => Some(format!("it could not look at a healthy book: {error}")),
            Ok(found) if !found.is_empty() => Some(format!("it objects to a healthy book: {}", found[0].what)),
            Ok(_) => match self.damaged(check.plant, |c| check.look(c, when)) {
                Err(error) => Some(format!("its damage could not be done: {error}")),
                Ok(Err(error)) => Some(format!("it could not look at its own damage: {error}")),
                Ok(Ok(found)) if found.is_empty() => Some("it did not notice its own damage".to_owned()),
                Ok(Ok(_)) => None,
            },
        };
        Ok(Drilled { id: check.id, is_caught: why.is_none(), why })
    }
}

/// A file with the healthy book and `damage` in it, for tests of the whole answer.
#[cfg(test)]
pub(crate) fn healthy_copy(target: &std::path::Path, damage: &str) -> Result<()> {
    let connection = healthy::book(stage_time())?;
    connection.backup("main", target, None::<fn(rusqlite::backup::Progress)>)?;
    let copy = Connection::open(target)?;
    copy.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; BEGIN")?;
    let laws = {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name <> 'postings_add_up'";
        let mut statement = copy.prepare(sql)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        statement.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?
    };
    for (name, _) in &laws {
        copy.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    copy.execute_batch(damage)?;
    for (_, sql) in &laws {
        copy.execute_batch(sql)?;
    }
    Ok(copy.execute_batch("COMMIT")?)
}
