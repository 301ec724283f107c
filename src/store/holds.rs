//! Stored holds, and crashes with an order in hand.

use super::{Result, columns, to_ms};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Puts a hold on an order; says whether it is new. One that stands already stays: the first reason is the one to look
/// at.
pub fn put(tx: &Transaction<'_>, order: &OrderId, hold: &Hold, by: &str, now: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO holds (order_id, code, detail, held_at, held_by) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (order_id) WHERE released_at IS NULL DO NOTHING";
    Ok(tx.prepare_cached(sql)?.execute(params![order.0, hold.code.word(), hold.detail, to_ms(now), by])? == 1)
}

/// Takes the standing hold off; says whether there was one.
pub fn release(tx: &Transaction<'_>, order: &OrderId, by: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE holds SET released_at = ?2, released_by = ?3 WHERE order_id = ?1 AND released_at IS NULL";
    Ok(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now), by])? == 1)
}

/// Whether somebody has released an order that was held for just this.
pub fn is_answered(connection: &Connection, order: &OrderId, hold: &Hold) -> Result<bool> {
    let sql = "SELECT 1 FROM holds WHERE order_id = ?1 AND code = ?2 AND detail = ?3 AND released_at IS NOT NULL";
    Ok(connection.prepare_cached(sql)?.exists(params![order.0, hold.code.word(), hold.detail])?)
}

pub fn standing(connection: &Connection, order: &OrderId) -> Result<Option<Hold>> {
    let sql = "SELECT code, detail FROM holds WHERE order_id = ?1 AND released_at IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Hold { code: columns::word(row, "code", HoldCode::parse)?, detail: row.get("detail")? }))
}

/// The program died with this order in hand at this step; says how often in a row that was.
pub fn crashed(tx: &Transaction<'_>, order: &OrderId, step: &str) -> Result<u32> {
    let sql = "INSERT INTO crashes (order_id, step, in_a_row) VALUES (?1, ?2, 1)
               ON CONFLICT (order_id) DO UPDATE SET in_a_row = CASE WHEN step = ?2 THEN in_a_row + 1 ELSE 1 END, step = ?2
               RETURNING in_a_row";
    Ok(tx.prepare_cached(sql)?.query_row(params![order.0, step], |row| row.get(0))?)
}

/// Whether the order was in hand when the program died last.
pub fn has_crashed(connection: &Connection, order: &OrderId) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM crashes WHERE order_id = ?1")?;
    Ok(statement.query_row([&order.0], |_| Ok(())).optional()?.is_some())
}

/// The order went through a step whole.
pub fn survived(tx: &Transaction<'_>, order: &OrderId) -> Result<()> {
    tx.prepare_cached("DELETE FROM crashes WHERE order_id = ?1")?.execute([&order.0])?;
    Ok(())
}
