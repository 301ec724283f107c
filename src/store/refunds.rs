//! Refunds: what a person ordered to be given back, and what PayPal showed of it or of refunds that nobody here asked
//! for. The reason of an order may name people; it leaves this file only for the one order it belongs to.

use super::{Result, claims, columns, one, to_ms};
use crate::domain::claim::Slot;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundShown, RefundStatus, TakenBack, TakenBackAs};
use crate::domain::words;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// A person's word.
pub struct Wish<'a> {
    pub amount: Money,
    pub reason: &'a str,
    /// Goes out even while STOP is set.
    pub is_confirmed: bool,
    pub by: &'a str,
}

/// Writes the word down and answers its number, which the journal knows for no other refund of this order either. More
/// than the buyer paid is refused by the schema.
pub fn order(tx: &Transaction<'_>, order: &OrderId, wish: &Wish<'_>, now: Timestamp) -> Result<u32> {
    let sql = "SELECT 1 + coalesce(max(number), 0) FROM (
                   SELECT number FROM refund_orders WHERE order_id = ?1
                   UNION ALL SELECT CAST(substr(slot, 8) AS INTEGER) FROM forgotten
                             WHERE order_id = ?1 AND slot GLOB 'refund:[0-9]*')";
    let number: u32 = tx.prepare_cached(sql)?.query_row([&order.0], |row| row.get(0))?;
    order_again(tx, order, number, wish, now)?;
    Ok(number)
}

/// Writes down again a word that was forgotten and bears that number in the journal.
pub fn order_again(tx: &Transaction<'_>, order: &OrderId, number: u32, wish: &Wish<'_>, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO refund_orders (order_id, number, amount_minor, currency, reason, is_confirmed, ordered_at,
                                          ordered_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        number,
        wish.amount.minor,
        wish.amount.currency.code(),
        wish.reason,
        wish.is_confirmed,
        to_ms(now),
        wish.by,
    ])?;
    Ok(())
}

/// Nothing came of it, by proof: it is not tried again.
pub fn withdraw(tx: &Transaction<'_>, order: &OrderId, number: u32, now: Timestamp) -> Result<()> {
    let sql = "UPDATE refund_orders SET withdrawn_at = coalesce(withdrawn_at, ?3) WHERE order_id = ?1 AND number = ?2";
    one(tx.prepare_cached(sql)?.execute(params![order.0, number, to_ms(now)])?, "withdrawing a refund")
}

/// The capture is gone, and with it everything that was to be given back of it and was never asked for.
pub fn withdraw_unclaimed(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE refund_orders SET withdrawn_at = ?2 WHERE order_id = ?1 AND withdrawn_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.order_id = ?1 AND c.slot = 'refund:' || number)";
    tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now)])?;
    Ok(())
}

/// We asked what became of it; `is_absent`: PayPal answered and did not show it.
pub fn asked(tx: &Transaction<'_>, order: &OrderId, number: u32, is_absent: bool, now: Timestamp) -> Result<()> {
    let sql = "UPDATE refund_orders SET asked_at = ?3, absent_at = CASE WHEN ?4 THEN ?3 ELSE absent_at END
               WHERE order_id = ?1 AND number = ?2";
    one(tx.prepare_cached(sql)?.execute(params![order.0, number, to_ms(now), is_absent])?, "noting a look at a refund")
}

/// What PayPal showed of one refund.
pub struct RefundRow<'a> {
    pub refund_id: &'a str,
    pub order: &'a OrderId,
    pub capture_id: &'a str,
    /// The claim that asked for it; `None` = nobody of ours did.
    pub key: Option<&'a str>,
    pub how: TakenBackAs,
    pub amount: Money,
    pub fee_back: Money,
    pub status: RefundStatus,
}

/// Stores what PayPal showed.
pub fn seen(tx: &Transaction<'_>, row: &RefundRow<'_>, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO refunds (refund_id, order_id, capture_id, key, kind, amount_minor, currency, fee_back_minor,
                                    status, seen_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
               ON CONFLICT (refund_id) DO UPDATE SET
                   -- What was completed can only be given up.
                   status = CASE WHEN status = 'COMPLETED' AND ?9 IN ('PENDING', 'OTHER') THEN status ELSE ?9 END,
                   fee_back_minor = CASE WHEN status = 'COMPLETED' THEN fee_back_minor ELSE ?8 END
               WHERE order_id = ?2 AND key IS ?4 AND amount_minor = ?6";
    let values = params![
        row.refund_id,
        row.order.0,
        row.capture_id,
        row.key,
        row.how.word(),
        row.amount.minor,
        row.amount.currency.code(),
        row.fee_back.minor,
        row.status.word(),
        to_ms(now),
    ];
    one(tx.prepare_cached(sql)?.execute(values)?, "storing a refund")
}

/// A refund that was taken for another's is the one that this claim asked for.
pub fn taken_over(tx: &Transaction<'_>, refund_id: &str, key: &str) -> Result<()> {
    let sql = "UPDATE refunds SET key = ?2 WHERE refund_id = ?1 AND key IS NULL";
    one(tx.prepare_cached(sql)?.execute(params![refund_id, key])?, "taking a refund over")
}

/// Status of a refund PayPal showed before; `None` = it is new to us.
pub fn status(connection: &Connection, refund_id: &str) -> Result<Option<RefundStatus>> {
    let mut statement = connection.prepare_cached("SELECT status FROM refunds WHERE refund_id = ?1")?;
    let mut rows = statement.query([refund_id])?;
    rows.next()?.map(|row| columns::word(row, "status", RefundStatus::parse)).transpose()
}

/// The order of a refund that PayPal showed before, and the claim that asked for it, if one of ours did.
pub fn owner_of(connection: &Connection, refund_id: &str) -> Result<Option<(OrderId, Option<String>)>> {
    let sql = "SELECT order_id, key FROM refunds WHERE refund_id = ?1";
    let read = |row: &Row<'_>| Ok((OrderId(row.get(0)?), row.get(1)?));
    Ok(connection.prepare_cached(sql)?.query_row([refund_id], read).optional()?)
}

/// What a person ordered, by number, with what became of it.
pub fn of_order(connection: &Connection, order: &OrderId) -> Result<Vec<Refund>> {
    let sql = "SELECT number, amount_minor, currency, is_confirmed, ordered_at, withdrawn_at, asked_at, absent_at
               FROM refund_orders WHERE order_id = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut refunds = Vec::new();
    while let Some(row) = rows.next()? {
        refunds.push(refund(connection, order, row)?);
    }
    Ok(refunds)
}

fn refund(connection: &Connection, order: &OrderId, row: &Row<'_>) -> Result<Refund> {
    let number = row.get("number")?;
    let claim = claims::last(connection, order, Slot::Refund(number))?;
    let seen = claim.as_ref().map(|claim| shown(connection, &claim.key)).transpose()?.flatten();
    Ok(Refund {
        number,
        amount: columns::money(row, "amount_minor", columns::currency(row, "currency")?)?,
        ordered_at: columns::at(row, "ordered_at")?,
        is_confirmed: row.get("is_confirmed")?,
        withdrawn_at: columns::at_opt(row, "withdrawn_at")?,
        claim,
        asked_at: columns::at_opt(row, "asked_at")?,
        absent_at: columns::at_opt(row, "absent_at")?,
        seen,
    })
}

fn shown(connection: &Connection, key: &str) -> Result<Option<RefundShown>> {
    let sql = "SELECT refund_id, status, fee_back_minor, currency, seen_at FROM refunds WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(RefundShown {
        refund_id: row.get("refund_id")?,
        status: columns::word(row, "status", RefundStatus::parse)?,
        fee_back: columns::money(row, "fee_back_minor", columns::currency(row, "currency")?)?,
        seen_at: columns::at(row, "seen_at")?,
    }))
}

/// What left the capture without our asking, oldest first.
pub fn taken_back(connection: &Connection, order: &OrderId) -> Result<Vec<TakenBack>> {
    let sql = "SELECT refund_id, kind, amount_minor, fee_back_minor, currency, status FROM refunds
               WHERE order_id = ?1 AND key IS NULL ORDER BY seen_at, refund_id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next()? {
        taken.push(TakenBack {
            id: row.get("refund_id")?,
            how: columns::word(row, "kind", TakenBackAs::parse)?,
            amount: columns::money(row, "amount_minor", columns::currency(row, "currency")?)?,
            fee_back: columns::money(row, "fee_back_minor", columns::currency(row, "currency")?)?,
            status: columns::word(row, "status", RefundStatus::parse)?,
        });
    }
    Ok(taken)
}

words! {
    /// What told that a listed refund is no refund but what PayPal took back.
    pub enum ToldBy {
        Event = "event",
        Statement = "statement",
        /// More would have gone back than was captured, and a dispute took just as much.
        Sum = "sum",
    }
}

/// Writes down that a listed refund is none; known already: nothing is written.
pub fn listed_reversal(
    tx: &Transaction<'_>,
    refund_id: &str,
    order: &OrderId,
    told_by: ToldBy,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO listed_reversals (refund_id, order_id, told_by, since) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (refund_id) DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![refund_id, order.0, told_by.word(), to_ms(now)])?;
    Ok(())
}

fn listed_as(connection: &Connection, refund_id: &str) -> Result<Option<ToldBy>> {
    let mut statement = connection.prepare_cached("SELECT told_by FROM listed_reversals WHERE refund_id = ?1")?;
    let mut rows = statement.query([refund_id])?;
    rows.next()?.map(|row| columns::word(row, "told_by", ToldBy::parse)).transpose()
}

/// Whether it is written down that this listed refund is none.
pub fn is_listed_reversal(connection: &Connection, refund_id: &str) -> Result<bool> {
    Ok(listed_as(connection, refund_id)?.is_some())
}

/// Orders of which something stands in the books as a refund that PayPal's statement calls a reversal.
pub fn of_another_name(connection: &Connection) -> Result<Vec<OrderId>> {
    let sql = "SELECT DISTINCT r.order_id FROM refunds r JOIN feed_rows f ON f.transaction_id = r.refund_id
               WHERE r.key IS NULL AND r.kind = 'refund' AND r.status = 'COMPLETED' AND f.provider = 'paypal'
                 AND f.code IN ('T1106', 'T1110', 'T1201', 'T1202') AND f.gone_at IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let orders = statement.query_map([], |row| row.get(0).map(OrderId))?;
    Ok(orders.collect::<rusqlite::Result<_>>()?)
}

/// The id of the next reversal of a capture: PayPal shows them without one. Each version has its own, so that every
/// change of it is an entry.
pub fn next_reversal(connection: &Connection, capture_id: &str) -> Result<String> {
    let sql = "SELECT count(*) FROM refunds WHERE capture_id = ?1 AND kind = 'reversal'";
    let known: u32 = connection.prepare_cached(sql)?.query_row([capture_id], |row| row.get(0))?;
    Ok(match known {
        0 => format!("reversal-{capture_id}"),
        known => format!("reversal-{capture_id}/{}", known + 1),
    })
}

/// Whether an event or a row of the statement calls this refund a reversal; `None` = nothing does.
pub fn told_as_reversal(connection: &Connection, refund_id: &str, order: &OrderId) -> Result<Option<ToldBy>> {
    if let Some(told_by) = listed_as(connection, refund_id)? {
        return Ok(Some(told_by));
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM inbox WHERE kind = 'PAYMENT.CAPTURE.REVERSED' AND order_id = ?2
                              AND instr(' ' || names || ' ', ' ' || ?1 || ' ') > 0),
                      EXISTS (SELECT 1 FROM feed_rows WHERE provider = 'paypal' AND transaction_id = ?1
                              AND code IN ('T1106', 'T1110', 'T1201', 'T1202') AND gone_at IS NULL)";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (by_event, by_row): (bool, bool) =
        connection.prepare_cached(sql)?.query_row(params![refund_id, order.0], read)?;
    Ok(match (by_event, by_row) {
        (true, _) => Some(ToldBy::Event),
        (_, true) => Some(ToldBy::Statement),
        _ => None,
    })
}

/// Why a refund was ordered, and by whom. `None` = there is none of this number.
pub fn reason(connection: &Connection, order: &OrderId, number: u32) -> Result<Option<(String, String)>> {
    let sql = "SELECT reason, ordered_by FROM refund_orders WHERE order_id = ?1 AND number = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(params![order.0, number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}
