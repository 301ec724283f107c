//! What earlier integrity checks found. Score and verdict of every run stay; the whole answer only of the newest ones.

use super::super::{Result, from_ms, to_ms};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// So many newest runs keep their whole answer: a day at one every quarter of an hour.
const ANSWERS_KEPT: i64 = 96;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub at: Timestamp,
    pub build: String,
    pub is_deep: bool,
    /// 0 to 100; `None` = not known.
    pub score: Option<u32>,
    pub verdict: String,
    /// The whole answer as JSON; `None` = emptied, the run is old.
    pub answer: Option<String>,
}

pub fn insert(tx: &Transaction<'_>, run: &Run) -> Result<()> {
    let sql = "INSERT INTO integrity_runs (at, build, is_deep, score, verdict, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.execute(sql, params![to_ms(run.at), run.build, run.is_deep, run.score, run.verdict, run.answer])?;
    let sql = "UPDATE integrity_runs SET answer = NULL WHERE answer IS NOT NULL AND seq <= ?1 - ?2";
    tx.execute(sql, params![tx.last_insert_rowid(), ANSWERS_KEPT])?;
    Ok(())
}

/// The newest run; `None` = there was none.
pub fn last(connection: &Connection) -> Result<Option<Run>> {
    let sql = "SELECT at, build, is_deep, score, verdict, answer FROM integrity_runs ORDER BY seq DESC LIMIT 1";
    let run = connection.query_row(sql, [], |row| {
        let at = from_ms(row.get(0)?);
        let (build, is_deep, score) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (verdict, answer) = (row.get(4)?, row.get(5)?);
        Ok(at.map(|at| Run { at, build, is_deep, score, verdict, answer }))
    });
    run.optional()?.transpose()
}
