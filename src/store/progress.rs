//! How far a checkout has come, for whoever waits for it: a buyer's browser, and nobody else. No personal data.

use super::{Result, columns};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub stage: String,
    /// The order is at its end, whatever came of it.
    pub is_closed: bool,
    /// `None` = not before a new fact comes in.
    pub next_look_at: Option<Timestamp>,
    /// `None` until PayPal has answered.
    pub paypal_order_id: Option<String>,
    pub approve_url: Option<String>,
    pub returned_at: Option<Timestamp>,
    /// The last time PayPal answered; a question without an answer leaves it alone.
    pub answered_at: Option<Timestamp>,
    /// Set while PayPal says that the buyer has approved.
    pub approved_at: Option<Timestamp>,
    pub declined_at: Option<Timestamp>,
    /// PayPal's word for its last decline.
    pub decline_issue: Option<String>,
    /// A capture was claimed and not proven void.
    pub has_capture: bool,
    /// PayPal has the payment in hand and has not completed it.
    pub is_pending: bool,
    /// The money came in.
    pub is_captured: bool,
}

/// `None` = the order has no checkout.
pub fn of_checkout(connection: &Connection, order: &OrderId) -> Result<Option<Progress>> {
    let sql = "SELECT o.stage, o.closed_at IS NOT NULL AS is_closed, k.paypal_order_id, k.approve_url, k.returned_at,
                      k.answered_at, k.approved_at, k.declined_at, k.decline_issue, c.key IS NOT NULL AS has_capture,
                      coalesce(c.state = 'done', 0) AS is_captured, coalesce(p.is_completed = 0, 0) AS is_pending,
                      o.next_look_at
               FROM orders o JOIN checkouts k ON k.order_id = o.id
               LEFT JOIN claims c ON c.order_id = o.id AND c.slot = 'capture' AND c.state <> 'void'
               LEFT JOIN captures p ON p.key = c.key
               WHERE o.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    rows.next()?.map(progress).transpose()
}

fn progress(row: &Row<'_>) -> Result<Progress> {
    Ok(Progress {
        stage: row.get("stage")?,
        is_closed: row.get("is_closed")?,
        paypal_order_id: row.get("paypal_order_id")?,
        approve_url: row.get("approve_url")?,
        next_look_at: columns::at_opt(row, "next_look_at")?,
        is_pending: row.get("is_pending")?,
        returned_at: columns::at_opt(row, "returned_at")?,
        answered_at: columns::at_opt(row, "answered_at")?,
        approved_at: columns::at_opt(row, "approved_at")?,
        declined_at: columns::at_opt(row, "declined_at")?,
        decline_issue: row.get("decline_issue")?,
        has_capture: row.get("has_capture")?,
        is_captured: row.get("is_captured")?,
    })
}
