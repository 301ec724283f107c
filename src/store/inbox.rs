//! Events from outside: stored before they are acknowledged, each once, and placed with the order they are about. The
//! bodies hold personal data and stand apart, so that they can be emptied.

use super::{Result, columns, to_ms};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// An event as it is stored.
pub struct Arrived<'a> {
    pub provider: &'a str,
    pub event_id: &'a str,
    pub kind: &'a str,
    /// Outside ids it names; none holds a blank.
    pub names: &'a [String],
    /// `None`: we asked for it ourselves, and there is no body.
    pub body: Option<&'a [u8]>,
}

/// Stores an event; says whether it is new. One that is known only counts another delivery.
pub fn put(tx: &Transaction<'_>, event: &Arrived<'_>, now: Timestamp) -> Result<bool> {
    let Arrived { provider, event_id, kind, names, body } = event;
    let sql = "UPDATE inbox SET deliveries = deliveries + 1 WHERE provider = ?1 AND event_id = ?2";
    if tx.prepare_cached(sql)?.execute([provider, event_id])? == 1 {
        return Ok(false);
    }
    let sql = "INSERT INTO inbox (provider, event_id, kind, received_at, body_hash, names)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let hash = super::claims::hash(body.unwrap_or_default());
    tx.prepare_cached(sql)?.execute(params![provider, event_id, kind, to_ms(now), hash, names.join(" ")])?;
    if let Some(bytes) = body {
        let sql = "INSERT INTO inbox_bodies (provider, event_id, bytes) VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute(params![provider, event_id, bytes])?;
    }
    Ok(true)
}

/// Whether the event is stored.
pub fn has(connection: &Connection, provider: &str, event_id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM inbox WHERE provider = ?1 AND event_id = ?2";
    Ok(connection.prepare_cached(sql)?.query_row([provider, event_id], |_| Ok(())).optional()?.is_some())
}

/// The event belongs to this order, which was told of it.
pub fn placed(tx: &Transaction<'_>, provider: &str, event_id: &str, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE inbox SET order_id = ?3, done_at = ?4 WHERE provider = ?1 AND event_id = ?2 AND done_at IS NULL";
    tx.prepare_cached(sql)?.execute(params![provider, event_id, order.0, to_ms(now)])?;
    Ok(())
}

/// The order that one of PayPal's or our own ids stands for.
pub fn order_named(connection: &Connection, name: &str) -> Result<Option<OrderId>> {
    let sql = "SELECT id FROM orders WHERE id = ?1 OR outside_capture = 'paypal:' || ?1
               UNION ALL SELECT order_id FROM checkouts WHERE paypal_order_id = ?1
               UNION ALL SELECT c.order_id FROM captures k JOIN claims c ON c.key = k.key WHERE k.capture_id = ?1
               UNION ALL SELECT order_id FROM claims WHERE key = ?1
               UNION ALL SELECT c.order_id FROM payouts p JOIN claims c ON c.key = p.key
                         WHERE p.batch_id = ?1 OR p.item_id = ?1 OR p.transaction_id = ?1
               UNION ALL SELECT c.order_id FROM refunds r JOIN claims c ON c.key = r.key WHERE r.refund_id = ?1
               UNION ALL SELECT order_id FROM disputes WHERE id = ?1
               LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([name], |row| row.get(0).map(OrderId)).optional()?)
}

/// An event that no order of ours is known for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    pub provider: String,
    pub event_id: String,
    pub kind: String,
    pub received_at: Timestamp,
    pub names: Vec<String>,
}

/// Events received since then that wait for an order, the oldest first.
pub fn unplaced(connection: &Connection, since: Timestamp, most: u32) -> Result<Vec<Unplaced>> {
    let sql = "SELECT provider, event_id, kind, received_at, names FROM inbox
               WHERE done_at IS NULL AND received_at >= ?1 ORDER BY received_at, event_id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![to_ms(since), most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let names: String = row.get("names")?;
        found.push(Unplaced {
            provider: row.get("provider")?,
            event_id: row.get("event_id")?,
            kind: row.get("kind")?,
            received_at: columns::at(row, "received_at")?,
            names: names.split_whitespace().map(str::to_owned).collect(),
        });
    }
    Ok(found)
}

/// When the last delivery came in that PayPal itself had signed. `None`: none ever did.
pub fn last_delivery(connection: &Connection) -> Result<Option<Timestamp>> {
    let sql = "SELECT max(i.received_at) FROM inbox i
               JOIN inbox_bodies b ON b.provider = i.provider AND b.event_id = i.event_id WHERE i.provider = 'paypal'";
    let ms: Option<i64> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    ms.map(columns::from_ms).transpose()
}

/// How often an event came in; 0: never.
pub fn deliveries(connection: &Connection, provider: &str, event_id: &str) -> Result<u32> {
    let sql = "SELECT deliveries FROM inbox WHERE provider = ?1 AND event_id = ?2";
    Ok(connection.prepare_cached(sql)?.query_row([provider, event_id], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Empties the bodies of events received before then; says how many.
pub fn empty_bodies(tx: &Transaction<'_>, before: Timestamp) -> Result<usize> {
    let sql = "UPDATE inbox_bodies SET bytes = NULL
               WHERE bytes IS NOT NULL AND (provider, event_id) IN (
                   SELECT provider, event_id FROM inbox WHERE received_at < ?1)";
    Ok(tx.prepare_cached(sql)?.execute([to_ms(before)])?)
}
