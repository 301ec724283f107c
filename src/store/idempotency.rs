//! Requests that carried an `Idempotency-Key`: which body came under which key, so that the same request again changes
//! nothing and another one under the same key is refused. A row is written in the transaction of the change it is for.

use super::{Result, to_ms};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// What came under a key before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// SHA-256 of the body, hex.
    pub body_hash: String,
    /// The order it was about; `None` = it was about no order.
    pub order: Option<OrderId>,
}

/// What came under this key on this route. A key means nothing on another route.
pub fn find(connection: &Connection, key: &str, route: &str) -> Result<Option<Seen>> {
    let sql = "SELECT body_hash, order_id FROM idempotency WHERE key = ?1 AND route = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let seen = statement.query_row([key, route], |row| {
        Ok(Seen { body_hash: row.get(0)?, order: row.get::<_, Option<String>>(1)?.map(OrderId) })
    });
    Ok(seen.optional()?)
}

/// Remembers the request. What stands under the key already stays.
pub fn record(
    tx: &Transaction<'_>,
    key: &str,
    route: &str,
    body_hash: &str,
    order: Option<&OrderId>,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO idempotency (key, route, body_hash, order_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (key, route) DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![key, route, body_hash, order.map(|o| &o.0), to_ms(now)])?;
    Ok(())
}
