//! The last lines about requests that were answered and calls that were made, as evidence. Old ones go; nothing here
//! holds a body, a secret or a buyer's data.

use super::{Result, columns, to_ms};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

/// So many newest lines are kept.
pub const KEPT: i64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    /// REQ, PAYPAL or ALIEXPRESS.
    pub source: String,
    /// Method and path of a request, the name of a call.
    pub operation: String,
    /// `None` = no answer came.
    pub status: Option<u16>,
    /// The far side's word for a refusal.
    pub issue: Option<String>,
    /// What the far side's support asks for.
    pub debug_id: Option<String>,
    /// Of a request to us; `None` for a call of ours.
    pub request_id: Option<String>,
    pub took_ms: u64,
}

/// Appends, and deletes what is older than the newest [`KEPT`].
pub fn append(tx: &Transaction<'_>, lines: &[LogLine]) -> Result<()> {
    let sql = "INSERT INTO log_lines (at, source, operation, status, issue, debug_id, request_id, took_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut statement = tx.prepare_cached(sql)?;
    for line in lines {
        let took_ms = i64::try_from(line.took_ms).unwrap_or(i64::MAX);
        statement.execute(params![
            to_ms(line.at),
            line.source,
            line.operation,
            line.status,
            line.issue,
            line.debug_id,
            line.request_id,
            took_ms,
        ])?;
    }
    let sql = "DELETE FROM log_lines WHERE seq <= (SELECT max(seq) FROM log_lines) - ?1";
    tx.prepare_cached(sql)?.execute([KEPT])?;
    Ok(())
}

/// The newest first, at most `most`; with an id, only the lines of that request or with that debug id.
pub fn list(connection: &Connection, id: Option<&str>, most: u32) -> Result<Vec<LogLine>> {
    let sql = "SELECT at, source, operation, status, issue, debug_id, request_id, took_ms FROM log_lines
               WHERE ?1 IS NULL OR request_id = ?1 OR debug_id = ?1 ORDER BY seq DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![id, most])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(line(row)?);
    }
    Ok(lines)
}

/// The newest line of a source; with `answered`, the newest that was answered with success to us: a certificate is shown to
/// anybody, and AliExpress also says no with 200, and then names why. `None` = there is none.
pub fn newest(connection: &Connection, source: &str, answered: bool) -> Result<Option<LogLine>> {
    let sql = "SELECT at, source, operation, status, issue, debug_id, request_id, took_ms FROM log_lines
               WHERE source = ?1 AND (?2 = 0 OR status BETWEEN 200 AND 299 AND issue IS NULL AND operation <> 'certificate') ORDER BY seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![source, answered])?;
    rows.next()?.map(line).transpose()
}

/// The newest line in which the far side did not take us for who we are, if it has not answered with success since and
/// nobody has logged in there. `None` = there is none.
pub fn login_refused(connection: &Connection, source: &str) -> Result<Option<LogLine>> {
    let sql = "SELECT at, source, operation, status, issue, debug_id, request_id, took_ms FROM log_lines
               WHERE source = ?1 AND (status = 401 OR issue IN ('IllegalAccessToken', 'IllegalRefreshToken',
                                      'InvalidAppKey', 'InvalidAppkey', 'IncompleteSignature'))
                 AND seq > (SELECT coalesce(max(seq), 0) FROM log_lines
                            WHERE source = ?1 AND status BETWEEN 200 AND 299 AND issue IS NULL
                              AND operation <> 'certificate')
                 AND at > coalesce((SELECT stored_at FROM tokens WHERE provider = lower(?1)), 0)
               ORDER BY seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([source])?;
    rows.next()?.map(line).transpose()
}

fn line(row: &Row<'_>) -> Result<LogLine> {
    Ok(LogLine {
        at: columns::at(row, "at")?,
        source: row.get("source")?,
        operation: row.get("operation")?,
        status: row.get("status")?,
        issue: row.get("issue")?,
        debug_id: row.get("debug_id")?,
        request_id: row.get("request_id")?,
        took_ms: u64::try_from(row.get::<_, i64>("took_ms")?).unwrap_or(0),
    })
}
