//! Jobs are rows with last run, result and next due time (L38).

use super::{Result, columns, to_ms};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    pub name: String,
    pub due_at: Timestamp,
    /// `None` = it never ran.
    pub started_at: Option<Timestamp>,
    /// `None` = it never ran to its end.
    pub finished_at: Option<Timestamp>,
    /// What it said of its last run.
    pub result: Option<String>,
    pub is_ok: Option<bool>,
}

/// Enters a job that is not there yet; a known one keeps its due time.
pub fn enter(tx: &Transaction<'_>, name: &str, due_at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO jobs (name, due_at) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![name, to_ms(due_at)])?;
    Ok(())
}

/// Deletes the rows of jobs that are none of these; a job that no longer exists would be late for ever.
pub fn keep_only(tx: &Transaction<'_>, names: &[&str]) -> Result<()> {
    for job in list(tx)? {
        if !names.contains(&job.name.as_str()) {
            tx.execute("DELETE FROM jobs WHERE name = ?1", [job.name])?;
        }
    }
    Ok(())
}

/// Makes a job due now; says whether there is such a job.
pub fn ring(tx: &Transaction<'_>, name: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE jobs SET due_at = min(due_at, ?2) WHERE name = ?1";
    Ok(tx.prepare_cached(sql)?.execute(params![name, to_ms(now)])? == 1)
}

pub fn started(tx: &Transaction<'_>, name: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE jobs SET started_at = ?2 WHERE name = ?1";
    super::one(tx.prepare_cached(sql)?.execute(params![name, to_ms(now)])?, "starting a job")
}

pub fn finished(
    tx: &Transaction<'_>,
    name: &str,
    now: Timestamp,
    outcome: &std::result::Result<String, String>,
    due_at: Timestamp,
) -> Result<()> {
    let (result, is_ok) = match outcome {
        Ok(text) => (text, true),
        Err(text) => (text, false),
    };
    let sql = "UPDATE jobs SET finished_at = ?2, result = ?3, is_ok = ?4, due_at = ?5 WHERE name = ?1";
    super::one(
        tx.prepare_cached(sql)?.execute(params![name, to_ms(now), result, is_ok, to_ms(due_at)])?,
        "ending a job",
    )
}

pub fn list(connection: &Connection) -> Result<Vec<JobRow>> {
    let sql = "SELECT name, due_at, started_at, finished_at, result, is_ok FROM jobs ORDER BY name";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(job(row)?);
    }
    Ok(jobs)
}

fn job(row: &Row<'_>) -> Result<JobRow> {
    Ok(JobRow {
        name: row.get("name")?,
        due_at: columns::at(row, "due_at")?,
        started_at: columns::at_opt(row, "started_at")?,
        finished_at: columns::at_opt(row, "finished_at")?,
        result: row.get("result")?,
        is_ok: row.get("is_ok")?,
    })
}
