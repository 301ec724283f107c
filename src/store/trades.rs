//! One order and all it led to, in one value; and which orders are due.

use super::{
    Result, StoreError, checkouts, claims, columns, disputes, doubts, holds, intake, payouts, purchases, quotes,
    refunds, sales, settlements, to_ms,
};
use crate::domain::claim::Slot;
use crate::domain::order::OrderId;
use crate::domain::trade::Trade;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Loads a trade. Call it inside one read or write, so that all of it is of one moment.
pub fn load(connection: &Connection, shop: &str, id: &OrderId) -> Result<Trade> {
    let order = intake::load(connection, shop, id)?;
    let order = order.ok_or_else(|| StoreError::Unreadable(format!("there is no order {id}")))?;
    let last = quotes::last(connection, id)?;
    let sql = "SELECT tracked_at, told, heard FROM orders WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (tracked, told, heard): (Option<i64>, u32, u32) = connection.prepare_cached(sql)?.query_row([&id.0], read)?;
    Ok(Trade {
        order,
        checkout: checkouts::load(connection, id)?,
        checkout_claim: claims::live(connection, id, Slot::Checkout)?,
        capture: checkouts::capture(connection, id)?,
        quote: last.quote,
        quote_failure: last.failure,
        approval: quotes::approval(connection, id)?,
        look_alikes: intake::look_alikes(connection, id)?,
        purchase: purchases::live(connection, id)?,
        tracked_at: tracked.map(columns::from_ms).transpose()?,
        sale: sales::find(connection, id)?,
        payouts: payouts::live(connection, id)?,
        payouts_failed: payouts::failed(connection, id)?,
        refunds: refunds::of_order(connection, id)?,
        taken_back: refunds::taken_back(connection, id)?,
        settlements: settlements::of_order(connection, id)?,
        supplier_refunds: settlements::supplier_refunds(connection, id)?,
        paid_otherwise: settlements::legs_paid(connection, id)?,
        set_offs: settlements::set_offs(connection, id)?,
        disputes: disputes::of_order(connection, id)?,
        told,
        heard,
        hold: match doubts::standing(connection, id)? {
            Some(doubt) => Some(doubt),
            None => holds::standing(connection, id)?,
        },
        attempts: claims::attempts(connection, id)?.into_iter().collect(),
    })
}

/// Open orders that are due, the longest waiting first.
pub fn due(connection: &Connection, now: Timestamp, most: u32) -> Result<Vec<OrderId>> {
    let sql = "SELECT id FROM orders WHERE closed_at IS NULL AND next_look_at IS NOT NULL AND next_look_at <= ?1
               ORDER BY next_look_at LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map(params![to_ms(now), most], |row| row.get(0).map(OrderId))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// When the next open order is due; `None` = none has a time.
pub fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    let sql = "SELECT min(next_look_at) FROM orders WHERE closed_at IS NULL AND next_look_at IS NOT NULL";
    let ms: Option<i64> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.flatten();
    ms.map(columns::from_ms).transpose()
}

/// Whether there was never an order.
pub fn is_empty(connection: &Connection) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM orders)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Every open order, the oldest first.
pub fn open(connection: &Connection) -> Result<Vec<OrderId>> {
    let sql = "SELECT id FROM orders WHERE closed_at IS NULL ORDER BY created_at, id";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([], |row| row.get(0).map(OrderId))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}
