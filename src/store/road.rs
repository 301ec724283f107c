//! How far the order that came farthest came, with the outside ids that prove it; and a second look at the file through
//! a connection of its own, opened read-only. No buyer's data.

use super::{Result, columns, open};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Road {
    pub order: OrderId,
    pub origin: String,
    pub stage: String,
    pub waits_for: String,
    /// PayPal's id of the completed capture; `None` = there is none.
    pub capture: Option<String>,
    /// Each supplier order that is not dead, and whether it is paid.
    pub purchases: Vec<(String, bool)>,
    /// `None` = no sale is recorded.
    pub sold_at: Option<Timestamp>,
    /// Recipients that are owed something.
    pub legs: u32,
    /// Recipient, state of the claim, PayPal's word for the item, transaction id.
    pub payouts: Vec<Leg>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    pub recipient: String,
    pub is_done: bool,
    pub status: Option<String>,
    pub transaction_id: Option<String>,
}

/// The road that went farthest, the newest of these. Trial purchases are not on it. `None` = there is no order.
pub fn farthest(connection: &Connection) -> Result<Option<Road>> {
    let sql = "SELECT o.id, o.origin, o.stage, o.waits_for, s.recorded_at,
                      coalesce((s.platform_leg_minor > 0) + (s.seller_leg_minor > 0), 0) AS legs,
                      (SELECT k.capture_id FROM captures k JOIN claims c ON c.key = k.key
                       WHERE c.order_id = o.id AND c.state = 'done' AND k.is_completed = 1) AS capture
               FROM orders o LEFT JOIN sales s ON s.order_id = o.id
               WHERE o.origin <> 'purchase_only'
               ORDER BY coalesce(s.payout_executed, 0) DESC, s.order_id IS NOT NULL DESC,
                        EXISTS (SELECT 1 FROM claims c JOIN supplier_orders p ON p.key = c.key
                                WHERE c.order_id = o.id AND p.state <> 'dead') DESC,
                        capture IS NOT NULL DESC, o.created_at DESC, o.id
               LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let order: String = row.get("id")?;
    Ok(Some(Road {
        origin: row.get("origin")?,
        stage: row.get("stage")?,
        waits_for: row.get("waits_for")?,
        capture: row.get("capture")?,
        purchases: purchases(connection, &order)?,
        sold_at: columns::at_opt(row, "recorded_at")?,
        legs: row.get("legs")?,
        payouts: legs(connection, &order)?,
        order: OrderId(order),
    }))
}

fn purchases(connection: &Connection, order: &str) -> Result<Vec<(String, bool)>> {
    let sql = "SELECT p.id, p.state = 'paid' FROM supplier_orders p JOIN claims c ON c.key = p.key
               WHERE c.order_id = ?1 AND p.state <> 'dead' ORDER BY p.id";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map([order], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?)
}

fn legs(connection: &Connection, order: &str) -> Result<Vec<Leg>> {
    let sql = "SELECT p.recipient, c.state = 'done', p.item_status, p.transaction_id
               FROM payouts p JOIN claims c ON c.key = p.key
               WHERE c.order_id = ?1 AND c.state <> 'void' ORDER BY p.recipient";
    let mut statement = connection.prepare_cached(sql)?;
    let leg = |row: &rusqlite::Row<'_>| {
        Ok(Leg { recipient: row.get(0)?, is_done: row.get(1)?, status: row.get(2)?, transaction_id: row.get(3)? })
    };
    Ok(statement.query_map([order], leg)?.collect::<rusqlite::Result<_>>()?)
}

/// What another connection sees, that shares nothing with the program's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondLook {
    pub mode: Option<String>,
    /// SQLite's own word about the file; `ok` is the good one.
    pub soundness: String,
    /// Rows that point to nothing.
    pub dangling: u32,
    /// The flag of the sale of that order; `None` = it has no sale.
    pub payout_executed: Option<bool>,
}

/// Opens the file read-only and looks.
pub fn second_look(path: &Path, order: Option<&OrderId>) -> Result<SecondLook> {
    let connection = open::reader(path)?;
    let soundness = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let dangling = connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    let mode = super::meta::value(&connection, "mode")?;
    let sql = "SELECT payout_executed FROM sales WHERE order_id = ?1";
    let order = order.map(|order| order.0.as_str());
    let payout_executed = connection.query_row(sql, params![order], |row| row.get(0)).optional()?;
    Ok(SecondLook { mode, soundness, dangling, payout_executed })
}
