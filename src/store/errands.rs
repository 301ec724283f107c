//! Slow work that somebody asked for: who, what, and what came of it. A row that never ended belongs to a program that
//! was ended in the middle; nothing here says that it went well.

use super::{Result, columns, to_ms};
use crate::domain::order::OrderId;
use crate::domain::words;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

words! {
    /// What was asked for.
    pub enum Kind {
        TestPostSaleFlow = "test_post_sale_flow",
        TestFulfillmentOnly = "test_fulfillment_only",
        ReadinessReport = "readiness_report",
        DeepCheck = "deep_check",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ErrandRow {
    pub id: String,
    pub kind: Kind,
    pub asked_by: String,
    /// The order of a test flow; `None` = it is about no order.
    pub order: Option<OrderId>,
    pub started_at: Timestamp,
    /// `None` = it is under way.
    pub ended_at: Option<Timestamp>,
    /// HTTP status and body as JSON. `None` with an end: the program ended in the middle of it.
    pub answer: Option<(u16, String)>,
}

/// So many of the newest are kept.
const KEPT: u32 = 200;

/// Enters an errand that has just begun.
pub fn insert(tx: &Transaction<'_>, row: &ErrandRow) -> Result<()> {
    let sql = "INSERT INTO errands (id, kind, asked_by, order_id, started_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let order = row.order.as_ref().map(|order| &order.0);
    tx.execute(sql, params![row.id, row.kind.word(), row.asked_by, order, to_ms(row.started_at)])?;
    let sql = "DELETE FROM errands WHERE ended_at IS NOT NULL
                  AND id NOT IN (SELECT id FROM errands ORDER BY started_at DESC, id LIMIT ?1)";
    tx.execute(sql, [KEPT])?;
    Ok(())
}

/// `answer` is a JSON text.
pub fn ended(tx: &Transaction<'_>, id: &str, now: Timestamp, status: u16, answer: &str) -> Result<()> {
    let sql = "UPDATE errands SET ended_at = ?2, status = ?3, answer = ?4 WHERE id = ?1";
    super::one(tx.execute(sql, params![id, to_ms(now), status, answer])?, "ending an errand")
}

/// What is still under way when the program starts was broken off when it ended. Says how many there were.
pub fn break_off_all(tx: &Transaction<'_>, now: Timestamp) -> Result<usize> {
    Ok(tx.execute("UPDATE errands SET ended_at = ?1 WHERE ended_at IS NULL", [to_ms(now)])?)
}

pub fn find(connection: &Connection, id: &str) -> Result<Option<ErrandRow>> {
    let sql = "SELECT id, kind, asked_by, order_id, started_at, ended_at, status, answer FROM errands WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([id], |row| Ok(errand(row))).optional()?;
    found.transpose()
}

fn errand(row: &Row<'_>) -> Result<ErrandRow> {
    let status: Option<u16> = row.get("status")?;
    let answer: Option<String> = row.get("answer")?;
    Ok(ErrandRow {
        id: row.get("id")?,
        kind: columns::word(row, "kind", Kind::parse)?,
        asked_by: row.get("asked_by")?,
        order: row.get::<_, Option<String>>("order_id")?.map(OrderId),
        started_at: columns::at(row, "started_at")?,
        ended_at: columns::at_opt(row, "ended_at")?,
        answer: status.zip(answer),
    })
}
