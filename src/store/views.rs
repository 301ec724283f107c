//! Plain structs for the API, the command line and reports. Nothing here carries a buyer's data.

use super::{Result, columns};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

#[derive(Clone, Debug, PartialEq)]
pub struct OrderRow {
    pub id: OrderId,
    pub origin: String,
    pub channel: String,
    pub channel_order_id: String,
    pub stage: String,
    pub waits_for: String,
    pub total: Money,
    pub created_at: Timestamp,
    pub next_look_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
}

/// Which orders to list.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    pub stage: Option<String>,
    pub since: Option<Timestamp>,
    /// Part of an order id or of a channel's order id.
    pub text: Option<String>,
    /// List what comes after this one: creation time and id, newest first.
    pub after: Option<(i64, String)>,
    pub most: u32,
}

pub fn orders(connection: &Connection, filter: &OrderFilter) -> Result<Vec<OrderRow>> {
    // Two statements, because `?1 IS NULL OR stage = ?1` could use neither index.
    let stage = if filter.stage.is_some() { "stage = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT id, origin, channel, channel_order_id, stage, waits_for, total_minor, currency, created_at,
                next_look_at, closed_at
         FROM orders
         WHERE {stage} AND (?2 IS NULL OR created_at >= ?2)
           AND (?3 IS NULL OR instr(id, ?3) > 0 OR instr(channel_order_id, ?3) > 0)
           AND (created_at, id) < (?4, ?5)
         ORDER BY created_at DESC, id DESC LIMIT ?6"
    );
    // Without a cursor everything comes before the end of time; a plain comparison is one the index can seek by.
    let (after_ms, after_id) = filter.after.as_ref().map_or((i64::MAX, ""), |(ms, id)| (*ms, id.as_str()));
    let since = filter.since.map(columns::to_ms);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![filter.stage, since, filter.text, after_ms, after_id, filter.most])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        orders.push(order_row(row)?);
    }
    Ok(orders)
}

pub fn order(connection: &Connection, id: &OrderId) -> Result<Option<OrderRow>> {
    let sql = "SELECT id, origin, channel, channel_order_id, stage, waits_for, total_minor, currency, created_at,
                      next_look_at, closed_at
               FROM orders WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&id.0])?;
    rows.next()?.map(order_row).transpose()
}

pub(super) fn order_row(row: &Row<'_>) -> Result<OrderRow> {
    Ok(OrderRow {
        id: OrderId(row.get("id")?),
        origin: row.get("origin")?,
        channel: row.get("channel")?,
        channel_order_id: row.get("channel_order_id")?,
        stage: row.get("stage")?,
        waits_for: row.get("waits_for")?,
        total: columns::money(row, "total_minor", columns::currency(row, "currency")?)?,
        created_at: columns::at(row, "created_at")?,
        next_look_at: columns::at_opt(row, "next_look_at")?,
        closed_at: columns::at_opt(row, "closed_at")?,
    })
}

/// Jobs that should have run by `before` and have not, by name (L38).
pub fn late_jobs(connection: &Connection, before: Timestamp) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM jobs WHERE due_at < ?1 ORDER BY name")?;
    let names = statement.query_map([columns::to_ms(before)], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// Our side of a comparison with the far side's book: what was captured, bought and paid out, each with its outside id.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// capture, purchase, payout, refund.
    pub kind: String,
    /// Empty: a refund that nobody of ours asked for.
    pub key: String,
    pub id: String,
    pub amount: Money,
}

/// Everything proven so far, in the order of its ids.
pub fn effects(connection: &Connection) -> Result<Vec<Effect>> {
    let sql = "SELECT 'capture' AS kind, c.key, k.capture_id AS id, c.amount_minor AS minor, c.currency
               FROM captures k JOIN claims c ON c.key = k.key WHERE c.state = 'done'
               UNION ALL
               SELECT 'purchase', s.key, s.id, s.total_minor, s.currency FROM supplier_orders s WHERE s.state = 'paid'
               UNION ALL
               SELECT 'payout', p.key, p.transaction_id, c.amount_minor, c.currency
               FROM payouts p JOIN claims c ON c.key = p.key WHERE c.state = 'done'
               UNION ALL
               SELECT 'refund', coalesce(key, ''), refund_id, amount_minor, currency
               FROM refunds WHERE status = 'COMPLETED' AND kind = 'refund'
               ORDER BY 1, 3";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut effects = Vec::new();
    while let Some(row) = rows.next()? {
        let amount = columns::money(row, "minor", columns::currency(row, "currency")?)?;
        effects.push(Effect { kind: row.get("kind")?, key: row.get("key")?, id: row.get("id")?, amount });
    }
    Ok(effects)
}
