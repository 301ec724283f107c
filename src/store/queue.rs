//! The one queue of orders that need a human (L31): held ones, and those that somebody has to pay on the supplier's
//! site. No personal data.

use super::{Result, columns, to_ms, views};
use crate::domain::money::Money;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

#[derive(Clone, Debug, PartialEq)]
pub struct QueueRow {
    pub order: views::OrderRow,
    /// Since when it stands where it stands.
    pub since: Timestamp,
    /// What may be lost while nobody looks, each with the reason why.
    pub at_risk: Vec<(Money, &'static str)>,
    /// Supplier orders that are placed and not paid.
    pub unpaid: Vec<String>,
}

/// An order that the supplier should have charged by itself needs a human after this.
const AUTO_PAY_PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// The oldest first; `after` is creation time and id of the last one seen.
pub fn list(
    connection: &Connection,
    after: Option<&(i64, String)>,
    most: u32,
    now: Timestamp,
) -> Result<Vec<QueueRow>> {
    let sql = "SELECT o.id, o.origin, o.channel, o.channel_order_id, o.stage, o.waits_for, o.total_minor, o.currency,
                      o.created_at, o.next_look_at, o.closed_at,
                      coalesce((SELECT max(e.at) FROM events e WHERE e.order_id = o.id AND e.kind = 'stage'),
                               o.created_at) AS since,
                      EXISTS (SELECT 1 FROM sales s WHERE s.order_id = o.id) AS is_sold,
                      o.paid_at IS NOT NULL OR EXISTS (SELECT 1 FROM claims c WHERE c.order_id = o.id
                          AND c.slot = 'capture' AND c.state = 'done') AS is_paid
               FROM orders o
               WHERE (o.stage IN ('held', 'awaiting_supplier_payment')
                      -- Held all the same, and said so before the colon.
                      OR o.stage IN ('cancelled', 'refunded') AND instr(o.waits_for, ': ') > 0) AND o.closed_at IS NULL
                 AND (o.created_at, o.id) > (?1, ?2)
                 AND (o.stage <> 'awaiting_supplier_payment' OR EXISTS (
                     SELECT 1 FROM claims c JOIN purchases p ON p.key = c.key
                     WHERE c.order_id = o.id AND c.slot = 'purchase' AND c.state <> 'void'
                       AND (p.is_auto_pay = 0 OR p.placed_at <= ?3)))
               ORDER BY o.created_at, o.id LIMIT ?4";
    let (after_ms, after_id) = after.map_or((i64::MIN, ""), |(ms, id)| (*ms, id.as_str()));
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![after_ms, after_id, to_ms(now - AUTO_PAY_PATIENCE), most])?;
    let mut queue = Vec::new();
    while let Some(row) = rows.next()? {
        let order = views::order_row(row)?;
        let (is_sold, is_paid): (bool, bool) = (row.get("is_sold")?, row.get("is_paid")?);
        let mut at_risk = unknown_claims(connection, &order.id.0)?;
        if is_sold {
            at_risk.extend(loss(connection, &order.id.0)?);
        } else {
            at_risk.extend(is_paid.then_some((order.total, "paid by the buyer, not yet bought")));
            at_risk.extend(paid_to_supplier(connection, &order.id.0)?);
        }
        let unpaid = unpaid(connection, &order.id.0)?;
        queue.push(QueueRow { since: columns::at(row, "since")?, order, at_risk, unpaid });
    }
    Ok(queue)
}

/// Money that may have moved.
fn unknown_claims(connection: &Connection, order: &str) -> Result<Vec<(Money, &'static str)>> {
    let sql = "SELECT slot, amount_minor, currency FROM claims
               WHERE order_id = ?1 AND state = 'pending' AND unknown_at IS NOT NULL AND slot <> 'checkout'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([order])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let amount = columns::money(row, "amount_minor", columns::currency(row, "currency")?)?;
        let reason = match row.get::<_, String>("slot")?.as_str() {
            "capture" => "a capture of unknown outcome",
            "purchase" => "a purchase of unknown outcome",
            _ => "a payout or refund of unknown outcome",
        };
        found.push((amount, reason));
    }
    Ok(found)
}

fn paid_to_supplier(connection: &Connection, order: &str) -> Result<Vec<(Money, &'static str)>> {
    let sql = "SELECT s.total_minor, s.currency FROM supplier_orders s JOIN claims c ON c.key = s.key
               WHERE c.order_id = ?1 AND s.state = 'paid' ORDER BY s.id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([order])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let amount = columns::money(row, "total_minor", columns::currency(row, "currency")?)?;
        found.push((amount, "paid to the supplier, not yet sold"));
    }
    Ok(found)
}

/// What a sale brought less than it cost.
fn loss(connection: &Connection, order: &str) -> Result<Option<(Money, &'static str)>> {
    let sql = "SELECT 0 - profit_minor AS loss_minor, currency FROM sale_now WHERE order_id = ?1 AND profit_minor < 0";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([order])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let amount = columns::money(row, "loss_minor", columns::currency(row, "currency")?)?;
    Ok(Some((amount, "lost on this sale")))
}

fn unpaid(connection: &Connection, order: &str) -> Result<Vec<String>> {
    let sql = "SELECT s.id FROM supplier_orders s JOIN claims c ON c.key = s.key
               WHERE c.order_id = ?1 AND c.state <> 'void' AND s.state = 'placed' ORDER BY s.id";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map([order], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}
