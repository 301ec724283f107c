//! One order and all it led to, in one value; and which orders are due.

use super::{
    Result, StoreError, checkouts, claims, columns, disputes, doubts, holds, intake, payouts, purchases, quotes,
    refunds, sales, settlements, to_ms,
};
use crate::domain::claim::Slot;
use crate::domain::order::OrderId;
use crate::domain::trade::Trade;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// Loads a trade. Call it inside one read or write, so that all of it is of one moment.
pub fn load(connection: &Connection, shop: &str, id: &OrderId) -> Result<Trade> {
    let order = intake::load(connection, shop, id)?;
    let order = order.ok_or_else(|| StoreError::Unreadable(format!("there is no order {id}")))?;
    let (claims, last) = (claims::of_order(connection, id)?, quotes::last(connection, id)?);
    let Extras { tracked_at, told, heard, is_given_back, is_disputed, is_settled } = extras(connection, id)?;
    Ok(Trade {
        order,
        checkout: checkouts::load(connection, id)?,
        checkout_claim: claims.live(Slot::Checkout),
        capture: checkouts::capture(connection, &claims)?,
        quote: last.quote,
        quote_failure: last.failure,
        approval: quotes::approval(connection, id)?,
        look_alikes: intake::look_alikes(connection, id)?,
        purchase: claims.live(Slot::Purchase).map(|claim| purchases::of_claim(connection, claim)).transpose()?,
        tracked_at,
        sale: sales::find(connection, id)?,
        payouts: payouts::of_claims(connection, &claims)?,
        payouts_failed: if_any(claims.is_any_payout_void(), || payouts::failed(connection, id))?,
        refunds: if_any(is_given_back, || refunds::of_order(connection, id))?,
        taken_back: if_any(is_given_back, || refunds::taken_back(connection, id))?,
        settlements: if_any(is_settled, || settlements::of_order(connection, id))?,
        supplier_refunds: if_any(is_settled, || settlements::supplier_refunds(connection, id))?,
        paid_otherwise: if_any(is_settled, || settlements::legs_paid(connection, id))?,
        said_paid: if_any(is_settled, || settlements::legs_said_paid(connection, id))?,
        set_offs: if_any(is_settled, || settlements::set_offs(connection, id))?,
        disputes: if_any(is_disputed, || disputes::of_order(connection, id))?,
        told,
        heard,
        hold: match doubts::standing(connection, id)? {
            Some(doubt) => Some(doubt),
            None => holds::standing(connection, id)?,
        },
        attempts: claims.attempts(),
    })
}

/// What stands with the order itself, and whether there is any of what most orders never have: a table without a row of
/// this order is not read.
struct Extras {
    tracked_at: Option<Timestamp>,
    told: u32,
    heard: u32,
    is_given_back: bool,
    is_disputed: bool,
    is_settled: bool,
}

fn extras(connection: &Connection, id: &OrderId) -> Result<Extras> {
    let sql = "SELECT tracked_at, told, heard,
                      EXISTS (SELECT 1 FROM refund_orders r WHERE r.order_id = o.id)
                          OR EXISTS (SELECT 1 FROM refunds r WHERE r.order_id = o.id) AS is_given_back,
                      EXISTS (SELECT 1 FROM disputes d WHERE d.order_id = o.id) AS is_disputed,
                      EXISTS (SELECT 1 FROM channel_settlements s WHERE s.order_id = o.id)
                          OR EXISTS (SELECT 1 FROM legs_paid_otherwise l WHERE l.order_id = o.id)
                          OR EXISTS (SELECT 1 FROM legs_said_paid l WHERE l.order_id = o.id)
                          OR EXISTS (SELECT 1 FROM set_offs s WHERE s.order_id = o.id)
                          OR EXISTS (SELECT 1 FROM claims c JOIN supplier_orders s ON s.key = c.key
                                     JOIN supplier_refunds r ON r.supplier_order_id = s.id
                                     WHERE c.order_id = o.id) AS is_settled
               FROM orders o WHERE o.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&id.0])?;
    let row = rows.next()?.ok_or_else(|| StoreError::Unreadable(format!("there is no order {id}")))?;
    Ok(Extras {
        tracked_at: columns::at_opt(row, "tracked_at")?,
        told: row.get("told")?,
        heard: row.get("heard")?,
        is_given_back: row.get("is_given_back")?,
        is_disputed: row.get("is_disputed")?,
        is_settled: row.get("is_settled")?,
    })
}

fn if_any<T>(is_any: bool, read: impl FnOnce() -> Result<Vec<T>>) -> Result<Vec<T>> {
    if is_any { read() } else { Ok(Vec::new()) }
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
