//! Checkouts at PayPal and the captures they led to.

use super::claims::Claims;
use super::{Result, columns, one, to_ms};
use crate::domain::checkout::{Capture, CaptureProof, Checkout};
use crate::domain::claim::Slot;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

pub fn open(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO checkouts (order_id, opened_at) VALUES (?1, ?2)";
    tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?;
    Ok(())
}

/// Stores PayPal's id. A second, different id for one order is refused.
pub fn opened(tx: &Transaction<'_>, order: &OrderId, paypal_order_id: &str, approve_url: Option<&str>) -> Result<()> {
    let sql = "UPDATE checkouts SET paypal_order_id = ?2, approve_url = coalesce(?3, approve_url)
               WHERE order_id = ?1 AND (paypal_order_id IS NULL OR paypal_order_id = ?2)";
    one(tx.prepare_cached(sql)?.execute(params![order.0, paypal_order_id, approve_url])?, "storing PayPal's order id")
}

/// The order a PayPal order id belongs to.
pub fn order_of(connection: &Connection, paypal_order_id: &str) -> Result<Option<OrderId>> {
    let sql = "SELECT order_id FROM checkouts WHERE paypal_order_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([paypal_order_id], |row| row.get(0).map(OrderId)).optional()?)
}

/// We asked; PayPal said whether the buyer has approved.
pub fn asked(tx: &Transaction<'_>, order: &OrderId, now: Timestamp, is_approved: bool) -> Result<()> {
    let sql = "UPDATE checkouts SET asked_at = ?2, answered_at = ?2,
                      approved_at = CASE WHEN ?3 THEN coalesce(approved_at, ?2) END
               WHERE order_id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now), is_approved])?, "noting an answer of PayPal")
}

/// We asked and learned nothing: that moves only the time of the next question.
pub fn looked(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE checkouts SET asked_at = ?2 WHERE order_id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?, "noting a look at a checkout")
}

/// The buyer came back, or his browser asked for the capture.
pub fn returned(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE checkouts SET returned_at = ?2 WHERE order_id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?, "noting the buyer's return")
}

/// A statement of PayPal's shows it as paid: it is asked about at once, expired or not. Says whether it counted as
/// expired.
pub fn reported(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<bool> {
    let sql = "SELECT expired_at IS NOT NULL FROM checkouts WHERE order_id = ?1";
    let was_expired = tx.prepare_cached(sql)?.query_row([&order.0], |row| row.get(0))?;
    let sql = "UPDATE checkouts SET returned_at = ?2, expired_at = NULL,
                      approved_at = CASE WHEN expired_at IS NULL THEN approved_at END WHERE order_id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?, "noting a reported payment")?;
    Ok(was_expired)
}

/// Something was said to have changed at PayPal.
pub fn rung(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE checkouts SET rung_at = ?2 WHERE order_id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?, "ringing for a checkout")
}

/// The same for an order that may have no checkout of ours.
pub fn rung_if_any(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE checkouts SET rung_at = ?2 WHERE order_id = ?1";
    tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?;
    Ok(())
}

/// PayPal answered to a question asked at `asked_from`; whoever rang later is still to be heard.
pub fn ring_heard(tx: &Transaction<'_>, order: &OrderId, asked_from: Timestamp) -> Result<()> {
    let sql = "UPDATE checkouts SET rung_at = NULL WHERE order_id = ?1 AND rung_at <= ?2";
    tx.prepare_cached(sql)?.execute(params![order.0, to_ms(asked_from)])?;
    Ok(())
}

pub fn declined(tx: &Transaction<'_>, order: &OrderId, now: Timestamp, issue: &str) -> Result<()> {
    let sql = "UPDATE checkouts SET declined_at = ?2, decline_issue = ?3, approved_at = NULL WHERE order_id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now), issue])?, "noting a declined capture")
}

pub fn expired(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE checkouts SET expired_at = coalesce(expired_at, ?2), asked_at = ?2 WHERE order_id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?, "noting an expired checkout")
}

pub fn load(connection: &Connection, order: &OrderId) -> Result<Option<Checkout>> {
    let sql =
        "SELECT paypal_order_id, approve_url, opened_at, asked_at, approved_at, returned_at, rung_at, declined_at,
                expired_at
               FROM checkouts WHERE order_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Checkout {
        paypal_order_id: row.get("paypal_order_id")?,
        approve_url: row.get("approve_url")?,
        opened_at: columns::at(row, "opened_at")?,
        asked_at: columns::at_opt(row, "asked_at")?,
        approved_at: columns::at_opt(row, "approved_at")?,
        returned_at: columns::at_opt(row, "returned_at")?,
        rung_at: columns::at_opt(row, "rung_at")?,
        declined_at: columns::at_opt(row, "declined_at")?,
        expired_at: columns::at_opt(row, "expired_at")?,
    }))
}

/// What PayPal last declined with.
pub fn decline_issue(connection: &Connection, order: &OrderId) -> Result<Option<String>> {
    let sql = "SELECT decline_issue FROM checkouts WHERE order_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([&order.0], |row| row.get(0)).optional()?.flatten())
}

/// What PayPal showed of a capture.
pub struct CaptureRow<'a> {
    pub key: &'a str,
    pub capture_id: &'a str,
    pub is_completed: bool,
    pub reason: Option<&'a str>,
    pub fee: Option<Money>,
}

/// Stores what PayPal showed. The capture id of a key never changes, and a completed capture stays one.
pub fn capture_seen(tx: &Transaction<'_>, seen: &CaptureRow<'_>, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO captures (key, capture_id, is_completed, reason, fee_minor, seen_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (key) DO UPDATE SET is_completed = max(is_completed, ?3), reason = ?4,
                   fee_minor = coalesce(fee_minor, ?5), seen_at = CASE WHEN is_completed < ?3 THEN ?6 ELSE seen_at END
               WHERE capture_id = ?2";
    let fee = seen.fee.map(|m| m.minor);
    let row = params![seen.key, seen.capture_id, seen.is_completed, seen.reason, fee, to_ms(now)];
    one(tx.prepare_cached(sql)?.execute(row)?, "storing a capture")
}

/// What PayPal credited in another currency. Says whether that is new.
pub fn converted(tx: &Transaction<'_>, key: &str, net: Money, received: Money, rate: Option<&str>) -> Result<bool> {
    let sql = "INSERT INTO conversions (key, net_minor, received_minor, received_currency, rate)
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO NOTHING";
    let row = params![key, net.minor, received.minor, received.currency.code(), rate];
    Ok(tx.prepare_cached(sql)?.execute(row)? == 1)
}

/// The claim a capture of PayPal's belongs to; `None` = it is new to us.
pub fn key_of(connection: &Connection, capture_id: &str) -> Result<Option<String>> {
    let sql = "SELECT key FROM captures WHERE capture_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([capture_id], |row| row.get(0)).optional()?)
}

/// The live capture of an order.
pub fn capture(connection: &Connection, claims: &Claims) -> Result<Option<Capture>> {
    let Some(claim) = claims.live(Slot::Capture) else { return Ok(None) };
    let sql = "SELECT capture_id, is_completed, fee_minor, seen_at FROM captures WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&claim.key])?;
    let currency = claim.amount.currency;
    let proof = rows.next()?.map(|row| proof(row, currency)).transpose()?;
    Ok(Some(Capture { claim, proof }))
}

fn proof(row: &Row<'_>, currency: crate::domain::money::Currency) -> Result<CaptureProof> {
    Ok(CaptureProof {
        capture_id: row.get("capture_id")?,
        is_completed: row.get("is_completed")?,
        fee: columns::money_opt(row, "fee_minor", currency)?,
        seen_at: columns::at(row, "seen_at")?,
    })
}
