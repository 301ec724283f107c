//! Readiness reports as they were written; the newest are kept.

use super::{Result, to_ms};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// So many newest reports are kept.
const KEPT: i64 = 200;

/// `report` is the whole of it as JSON.
pub fn insert(tx: &Transaction<'_>, at: Timestamp, build: &str, report: &str) -> Result<()> {
    tx.execute("INSERT INTO reports (at, build, report) VALUES (?1, ?2, ?3)", params![to_ms(at), build, report])?;
    tx.execute("DELETE FROM reports WHERE seq <= ?1 - ?2", params![tx.last_insert_rowid(), KEPT])?;
    Ok(())
}

/// The newest report as JSON; `None` = none was written.
pub fn last(connection: &Connection) -> Result<Option<String>> {
    let sql = "SELECT report FROM reports ORDER BY seq DESC LIMIT 1";
    Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?)
}
