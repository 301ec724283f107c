//! Trades and payees that stand still after the database or the machine went back in time, until somebody has looked at
//! each; and what the intent journal remembers of orders that are not here any more.

use super::{Result, StoreError, columns, meta, to_ms};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::{Currency, Money};
use crate::domain::order::OrderId;
use crate::domain::words;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

words! {
    /// Why something is in doubt.
    pub enum Cause {
        /// The journal is gone, cut or unreadable. Goes by itself when the right one is put back.
        Journal = "journal",
        /// The journal knew what the database did not.
        Rebuilt = "rebuilt",
        /// The files lie on another machine.
        Machine = "machine",
        /// The last sign of life is old: switched off, or rolled back.
        Off = "off",
    }
}

/// Which open trades are put in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// Those that could be bought now, and may have been bought in a time that is forgotten.
    NotBought,
    /// Those that were here before that time, and that nobody has released since.
    Before(Timestamp),
}

/// The shop as a whole went back in time: until somebody releases it, and across restarts, every order that comes in is
/// in doubt too. A stronger cause than `Journal` is never overwritten by it.
pub fn remember(tx: &Transaction<'_>, cause: Cause, why: &str, now: Timestamp) -> Result<()> {
    let before = meta::value(tx, RESTORED_CAUSE)?.and_then(|word| Cause::parse(&word));
    if before.is_none_or(|before| before == Cause::Journal) {
        meta::set(tx, RESTORED, why)?;
        meta::set(tx, RESTORED_CAUSE, cause.word())?;
    }
    put_all(tx, cause, why, Which::All, now)?;
    doubt_payees(tx, cause)
}

/// Why the shop is shut; `None` = it is not.
pub fn restored(connection: &Connection) -> Result<Option<(String, Cause)>> {
    let Some(why) = meta::value(connection, RESTORED)? else { return Ok(None) };
    let cause = meta::value(connection, RESTORED_CAUSE)?.and_then(|word| Cause::parse(&word));
    Ok(Some((why, cause.unwrap_or(Cause::Rebuilt))))
}

/// The shop goes on; its doubted trades stay where they are.
pub fn open_shop(tx: &Transaction<'_>) -> Result<()> {
    meta::remove(tx, RESTORED)?;
    meta::remove(tx, RESTORED_CAUSE)?;
    Ok(())
}

const RESTORED: &str = "restored";
const RESTORED_CAUSE: &str = "restored_cause";

fn put_all(tx: &Transaction<'_>, cause: Cause, why: &str, which: Which, now: Timestamp) -> Result<u32> {
    // One that stands already tells of something worse, or of the same. A purchase of which every send certainly did nothing
    // is not bought: it is given up for another one.
    let sql = "INSERT INTO doubts (order_id, cause, why, since)
               SELECT o.id, ?1, ?2, ?3 FROM orders o WHERE o.closed_at IS NULL AND (?4 OR (o.created_at < ?5 AND NOT EXISTS (
                       SELECT 1 FROM doubts d WHERE d.order_id = o.id AND d.cleared_at >= ?5)) OR (
                   ?5 IS NULL AND o.cancelled_at IS NULL AND NOT EXISTS (
                       SELECT 1 FROM claims c WHERE c.order_id = o.id AND c.slot = 'purchase'
                          AND (c.state = 'done' OR c.state = 'pending' AND c.unknown_at IS NOT NULL))))
               ON CONFLICT (order_id) DO UPDATE
               SET cause = ?1, why = ?2, since = ?3, cleared_at = NULL, cleared_by = NULL
               WHERE cleared_at IS NOT NULL OR doubts.cause IN ('journal', 'off')";
    let before = match which {
        Which::Before(at) => Some(to_ms(at)),
        Which::All | Which::NotBought => None,
    };
    let row = params![cause.word(), why, to_ms(now), which == Which::All, before];
    Ok(u32::try_from(tx.prepare_cached(sql)?.execute(row)?).unwrap_or(u32::MAX))
}

/// The shop itself stays open; says how many trades are in doubt by it.
pub fn put_off(tx: &Transaction<'_>, why: &str, which: Which, now: Timestamp) -> Result<u32> {
    put_all(tx, Cause::Off, why, which, now)
}

/// Puts one trade in doubt, in the words of the last to say so.
pub fn put(tx: &Transaction<'_>, order: &OrderId, why: &str, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO doubts (order_id, cause, why, since) VALUES (?1, 'rebuilt', ?2, ?3)
               ON CONFLICT (order_id) DO UPDATE
               SET why = CASE WHEN cleared_at IS NULL AND cause = 'rebuilt' THEN why || '; ' || ?2 ELSE ?2 END,
                   cause = 'rebuilt', since = ?3, cleared_at = NULL, cleared_by = NULL";
    tx.prepare_cached(sql)?.execute(params![order.0, why, to_ms(now)])?;
    Ok(())
}

/// As the hold that it is.
pub fn standing(connection: &Connection, order: &OrderId) -> Result<Option<Hold>> {
    let sql = "SELECT why FROM doubts WHERE order_id = ?1 AND cleared_at IS NULL";
    let why: Option<String> = connection.prepare_cached(sql)?.query_row([&order.0], |row| row.get(0)).optional()?;
    Ok(why.map(|why| Hold::new(HoldCode::Restored, why)))
}

/// Says whether there was a doubt.
pub fn clear(tx: &Transaction<'_>, order: &OrderId, by: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE doubts SET cleared_at = ?2, cleared_by = ?3 WHERE order_id = ?1 AND cleared_at IS NULL";
    Ok(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now), by])? == 1)
}

/// Takes back every doubt of one cause, of trades and of payees; says how many trades that were.
pub fn clear_all(tx: &Transaction<'_>, cause: Cause, by: &str, now: Timestamp) -> Result<u32> {
    let sql = "UPDATE doubts SET cleared_at = ?2, cleared_by = ?3 WHERE cause = ?1 AND cleared_at IS NULL";
    let cleared = tx.prepare_cached(sql)?.execute(params![cause.word(), to_ms(now), by])?;
    tx.prepare_cached("UPDATE payees SET doubted_for = NULL WHERE doubted_for = ?1")?.execute([cause.word()])?;
    Ok(u32::try_from(cleared).unwrap_or(u32::MAX))
}

/// How many trades stand in doubt; of one cause, or of any.
pub fn count(connection: &Connection, cause: Option<Cause>) -> Result<u32> {
    let sql = "SELECT count(*) FROM doubts WHERE cleared_at IS NULL AND (?1 IS NULL OR cause = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([cause.map(Cause::word)], |row| row.get(0))?)
}

fn doubt_payees(tx: &Transaction<'_>, cause: Cause) -> Result<()> {
    let sql = "UPDATE payees SET doubted_for = ?1 WHERE doubted_for IS NULL OR doubted_for = 'journal'";
    tx.prepare_cached(sql)?.execute([cause.word()])?;
    Ok(())
}

/// A payee's change is known to the journal alone.
pub fn doubt_payee(tx: &Transaction<'_>, recipient: &str) -> Result<()> {
    let sql = "UPDATE payees SET doubted_for = 'rebuilt' WHERE recipient = ?1";
    tx.prepare_cached(sql)?.execute([recipient])?;
    Ok(())
}

/// A line of the journal that has no place here.
#[derive(Clone, Debug, PartialEq)]
pub struct Forgotten {
    pub seq: i64,
    pub order: OrderId,
    /// Key and request hash of a claim; `None` = a person's word, or what came of a claim.
    pub claim: Option<(String, String)>,
    /// The claim's slot.
    pub slot: Option<String>,
    pub amount: Option<Money>,
    /// As it stands in the journal.
    pub line: String,
    pub said_at: Timestamp,
}

pub fn keep(tx: &Transaction<'_>, forgotten: &Forgotten) -> Result<()> {
    let sql = "INSERT INTO forgotten (seq, order_id, key, request_hash, slot, amount_minor, currency, line, said_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (seq) DO NOTHING";
    let Forgotten { seq, order, claim, slot, amount, line, said_at } = forgotten;
    tx.prepare_cached(sql)?.execute(params![
        seq,
        order.0,
        claim.as_ref().map(|(key, _)| key),
        claim.as_ref().map(|(_, hash)| hash),
        slot,
        amount.map(|m| m.minor),
        amount.map(|m| m.currency.code().to_owned()),
        line,
        to_ms(*said_at),
    ])?;
    Ok(())
}

/// The order a forgotten claim is of.
pub fn order_of_key(connection: &Connection, key: &str) -> Result<Option<OrderId>> {
    let sql = "SELECT order_id FROM forgotten WHERE key = ?1 LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([key], |row| row.get(0).map(OrderId)).optional()?)
}

/// The journal knows this key with other bytes: then it is refused for ever (MONEY A4).
pub fn contradicts(connection: &Connection, key: &str, request_hash: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM forgotten WHERE key = ?1 AND request_hash <> ?2)";
    Ok(connection.prepare_cached(sql)?.query_row([key, request_hash], |row| row.get(0))?)
}

/// Everything nobody has looked at yet; of one order, or of all.
pub fn forgotten(connection: &Connection, order: Option<&OrderId>) -> Result<Vec<Forgotten>> {
    let sql = "SELECT seq, order_id, key, request_hash, slot, amount_minor, currency, line, said_at FROM forgotten
               WHERE seen_at IS NULL AND (?1 IS NULL OR order_id = ?1) ORDER BY seq LIMIT 1000";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([order.map(|order| &order.0)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(forgotten_row(row)?);
    }
    Ok(found)
}

/// What the journal knows of orders that are not here at all, and nobody has looked at.
pub fn lost(connection: &Connection) -> Result<Vec<Forgotten>> {
    let mut lines = forgotten(connection, None)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM orders WHERE id = ?1)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = Vec::new();
    for line in lines.drain(..) {
        if !statement.query_row([&line.order.0], |row| row.get::<_, bool>(0))? {
            found.push(line);
        }
    }
    Ok(found)
}

/// Every line that is kept of an order, looked at or not.
pub fn kept(connection: &Connection, order: &OrderId) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT line FROM forgotten WHERE order_id = ?1 ORDER BY seq")?;
    let lines = statement.query_map([&order.0], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(lines)
}

fn forgotten_row(row: &Row<'_>) -> Result<Forgotten> {
    let (key, hash): (Option<String>, Option<String>) = (row.get("key")?, row.get("request_hash")?);
    let code: Option<String> = row.get("currency")?;
    let amount = match (row.get::<_, Option<i64>>("amount_minor")?, code) {
        (Some(minor), Some(code)) => {
            let currency = Currency::new(&code);
            let currency = currency.ok_or_else(|| StoreError::Unreadable(format!("forgotten: currency {code}")))?;
            Some(Money::new(minor, currency))
        }
        _ => None,
    };
    Ok(Forgotten {
        seq: row.get("seq")?,
        order: OrderId(row.get("order_id")?),
        claim: key.zip(hash),
        slot: row.get("slot")?,
        amount,
        line: row.get("line")?,
        said_at: columns::at(row, "said_at")?,
    })
}

/// Somebody has looked at what is forgotten of an order, or it was made good; says whether there was anything.
pub fn seen(tx: &Transaction<'_>, order: &OrderId, by: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE forgotten SET seen_at = ?2, seen_by = ?3 WHERE order_id = ?1 AND seen_at IS NULL";
    Ok(tx.prepare_cached(sql)?.execute(params![order.0, to_ms(now), by])? > 0)
}
