//! Claims: the intent before a call, and what came of it. This file carries "exactly once".

use super::{Result, StoreError, columns, one, to_ms};
use crate::domain::claim::{Claim, Slot, State};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::BTreeMap;

pub struct NewClaim<'a> {
    pub key: &'a str,
    pub order: &'a OrderId,
    pub slot: Slot,
    pub attempt: u32,
    pub amount: Money,
    /// The exact bytes that will be sent.
    pub request: &'a [u8],
}

pub fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// Writes a claim that counts as sent from now on: should the program die before the answer, its outcome is unknown.
pub fn insert(tx: &Transaction<'_>, claim: &NewClaim<'_>, now: Timestamp) -> Result<()> {
    let sql =
        "INSERT INTO claims (key, order_id, slot, attempt, amount_minor, currency, request_hash, sends, claimed_at,
                                   sent_at, unknown_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8, ?8)";
    tx.prepare_cached(sql)?.execute(params![
        claim.key,
        claim.order.0,
        claim.slot.word(),
        claim.attempt,
        claim.amount.minor,
        claim.amount.currency.code(),
        hash(claim.request),
        to_ms(now),
    ])?;
    tx.prepare_cached("INSERT INTO requests (key, bytes) VALUES (?1, ?2)")?
        .execute(params![claim.key, claim.request])?;
    Ok(())
}

/// A claim of something the far side showed us and we never asked for (the buyer's checkout captured elsewhere, a
/// restored database). Nothing was sent by us.
pub fn adopt(tx: &Transaction<'_>, claim: &NewClaim<'_>, now: Timestamp) -> Result<()> {
    insert(tx, claim, now)?;
    let sql = "UPDATE claims SET sends = 0, sent_at = NULL, unknown_at = NULL WHERE key = ?1 AND state = 'pending'";
    one(tx.prepare_cached(sql)?.execute([claim.key])?, "adopting a claim")
}

/// A claim that this database has forgotten and the journal has not: it was sent when the journal says so, and what
/// became of it is unknown.
pub fn rebuild(tx: &Transaction<'_>, claim: &NewClaim<'_>, journal_seq: i64, claimed_at: Timestamp) -> Result<()> {
    insert(tx, claim, claimed_at)?;
    journaled(tx, claim.key, journal_seq)
}

/// The journal's line `seq` announces a send that the database does not know.
pub fn sent_more(tx: &Transaction<'_>, key: &str, seq: i64, at: Timestamp) -> Result<()> {
    let sql = "UPDATE claims SET sends = sends + 1, sends_journaled = sends + 1, journal_seq = ?2, sent_at = ?3,
                                 unknown_at = coalesce(unknown_at, ?3), not_before_at = NULL
               WHERE key = ?1 AND state = 'pending'";
    tx.prepare_cached(sql)?.execute(params![key, seq, to_ms(at)])?;
    Ok(())
}

/// It was sent at that time, and not when its line was written.
pub fn sent_at(tx: &Transaction<'_>, key: &str, at: Timestamp) -> Result<()> {
    let sql = "UPDATE claims SET claimed_at = ?2, sent_at = ?2, unknown_at = coalesce(unknown_at, ?2)
               WHERE key = ?1 AND state = 'pending'";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(at)])?, "noting when a claim was sent")
}

/// It may have happened after all, whatever its sends seemed to do: nobody knows, so it is looked at.
pub fn doubt(tx: &Transaction<'_>, key: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE claims SET unknown_at = coalesce(unknown_at, ?2) WHERE key = ?1 AND state = 'pending'";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(now)])?, "doubting a claim")
}

/// Order and slot of a pending claim; `None` = there is none of this key, or it is settled.
pub fn pending(connection: &Connection, key: &str) -> Result<Option<(OrderId, Slot)>> {
    let sql = "SELECT order_id, slot FROM claims WHERE key = ?1 AND state = 'pending'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((OrderId(row.get("order_id")?), columns::word(row, "slot", Slot::parse)?)))
}

/// Counts one more send of the same bytes. `sends` is what the caller saw, so that two can never count the same one.
pub fn resend(tx: &Transaction<'_>, key: &str, sends: u32, now: Timestamp) -> Result<()> {
    let sql =
        "UPDATE claims SET sends = sends + 1, sent_at = ?3, unknown_at = coalesce(unknown_at, ?3), not_before_at = NULL
               WHERE key = ?1 AND state = 'pending' AND sends = ?2";
    one(tx.prepare_cached(sql)?.execute(params![key, sends, to_ms(now)])?, "counting a send")
}

/// The last send certainly did nothing. Clears the unknown only if no earlier send had left one (MONEY A2): `was_unknown`
/// is what stood before this send.
pub fn did_nothing(
    tx: &Transaction<'_>,
    key: &str,
    was_unknown: bool,
    not_before: Option<Timestamp>,
    refusal: Option<&str>,
) -> Result<()> {
    let sql = "UPDATE claims SET unknown_at = CASE WHEN ?2 THEN unknown_at END, not_before_at = ?3,
                                 refusal = coalesce(?4, refusal)
               WHERE key = ?1 AND state = 'pending'";
    let not_before = not_before.map(to_ms);
    one(
        tx.prepare_cached(sql)?.execute(params![key, was_unknown, not_before, refusal])?,
        "noting a send that did nothing",
    )
}

/// Proof that it happened.
pub fn done(tx: &Transaction<'_>, key: &str, now: Timestamp) -> Result<()> {
    let sql =
        "UPDATE claims SET state = 'done', settled_at = ?2, unknown_at = NULL WHERE key = ?1 AND state = 'pending'";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(now)])?, "settling a claim as done")
}

/// Proof that it did not happen. Only a claim with a sound journal line, and without an unknown send, can be void.
pub fn void(tx: &Transaction<'_>, key: &str, refusal: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE claims SET state = 'void', settled_at = ?3, refusal = ?2
               WHERE key = ?1 AND state = 'pending' AND unknown_at IS NULL";
    one(tx.prepare_cached(sql)?.execute(params![key, refusal, to_ms(now)])?, "settling a claim as void")
}

/// A look-up proved that what we asked for did not happen, whatever the sends seemed to do.
pub fn void_by_proof(tx: &Transaction<'_>, key: &str, proof: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE claims SET state = 'void', settled_at = ?3, refusal = ?2, unknown_at = NULL
               WHERE key = ?1 AND state IN ('pending', 'done')";
    one(tx.prepare_cached(sql)?.execute(params![key, proof, to_ms(now)])?, "settling a claim as void by proof")
}

/// Remembers under which sequence the last send stands in the journal.
pub fn journaled(tx: &Transaction<'_>, key: &str, seq: i64) -> Result<()> {
    let sql = "UPDATE claims SET journal_seq = ?2, sends_journaled = sends WHERE key = ?1";
    one(tx.prepare_cached(sql)?.execute(params![key, seq])?, "noting the journal line")
}

/// The same of the first send, as the journal is read again.
pub fn first_journaled(tx: &Transaction<'_>, key: &str, seq: i64) -> Result<()> {
    let sql = "UPDATE claims SET journal_seq = ?2, sends_journaled = min(sends, 1)
               WHERE key = ?1 AND (journal_seq IS NULL OR journal_seq < ?2)";
    tx.prepare_cached(sql)?.execute(params![key, seq])?;
    Ok(())
}

/// Whether the database knows the send that the journal's line `seq` announces: it came to its end here, or it was
/// counted and was under way when the program ended.
pub fn is_send_known(tx: &Transaction<'_>, key: &str, seq: i64) -> Result<bool> {
    let mut ended = tx.prepare_cached("SELECT 1 FROM claims WHERE key = ?1 AND journal_seq >= ?2")?;
    if ended.exists(params![key, seq])? {
        return Ok(true);
    }
    let sql = "UPDATE claims SET journal_seq = ?2, sends_journaled = sends_journaled + 1
               WHERE key = ?1 AND sends > sends_journaled";
    Ok(tx.prepare_cached(sql)?.execute(params![key, seq])? > 0)
}

/// The whole journal was read: sends that were counted and have no line never went out.
pub fn all_journaled(tx: &Transaction<'_>) -> Result<()> {
    let sql = "UPDATE claims SET sends_journaled = sends WHERE journal_seq IS NOT NULL AND sends_journaled < sends";
    tx.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// The stored bytes of a request, whose hash must still be the claim's.
pub fn request(connection: &Connection, key: &str) -> Result<Vec<u8>> {
    let sql = "SELECT r.bytes, c.request_hash FROM claims c JOIN requests r ON r.key = c.key WHERE c.key = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, String>(1)?));
    let (bytes, expected) = connection.prepare_cached(sql)?.query_row([key], read)?;
    let bytes = bytes.ok_or_else(|| StoreError::Conflict(format!("the request of {key} was erased")))?;
    if hash(&bytes) != expected {
        return Err(StoreError::Conflict(format!("the request of {key} is not the one that was claimed")));
    }
    Ok(bytes)
}

/// The live claim of a slot, if there is one.
pub fn live(connection: &Connection, order: &OrderId, slot: Slot) -> Result<Option<Claim>> {
    let sql = "SELECT key, slot, attempt, state, amount_minor, currency, sends, claimed_at, sent_at, unknown_at,
                      not_before_at, journal_seq
               FROM claims WHERE order_id = ?1 AND slot = ?2 AND state <> 'void'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![order.0, slot.word()])?;
    rows.next()?.map(claim).transpose()
}

/// A claim by its key, live or not, and its order.
pub fn find(connection: &Connection, key: &str) -> Result<Option<(OrderId, Claim)>> {
    let sql = "SELECT order_id, key, slot, attempt, state, amount_minor, currency, sends, claimed_at, sent_at,
                      unknown_at, not_before_at, journal_seq
               FROM claims WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(|row| Ok((OrderId(row.get("order_id")?), claim(row)?))).transpose()
}

/// The last claim of a slot, whatever became of it.
pub fn last(connection: &Connection, order: &OrderId, slot: Slot) -> Result<Option<Claim>> {
    let sql = "SELECT key, slot, attempt, state, amount_minor, currency, sends, claimed_at, sent_at, unknown_at,
                      not_before_at, journal_seq
               FROM claims WHERE order_id = ?1 AND slot = ?2 ORDER BY attempt DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![order.0, slot.word()])?;
    rows.next()?.map(claim).transpose()
}

/// Every claim of one order, live or not, read at once.
pub struct Claims(Vec<Claim>);

pub fn of_order(connection: &Connection, order: &OrderId) -> Result<Claims> {
    let sql = "SELECT key, slot, attempt, state, amount_minor, currency, sends, claimed_at, sent_at, unknown_at,
                      not_before_at, journal_seq
               FROM claims WHERE order_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut claims = Vec::new();
    while let Some(row) = rows.next()? {
        claims.push(claim(row)?);
    }
    Ok(Claims(claims))
}

impl Claims {
    /// The live claim of a slot, if there is one.
    pub fn live(&self, slot: Slot) -> Option<Claim> {
        self.0.iter().find(|claim| claim.slot == slot && claim.state != State::Void).cloned()
    }

    /// Whether a payout was ever proven not to have paid.
    pub fn is_any_payout_void(&self) -> bool {
        self.0.iter().any(|claim| matches!(claim.slot, Slot::Payout(_)) && claim.state == State::Void)
    }

    /// The highest attempt of each slot.
    pub fn attempts(&self) -> BTreeMap<Slot, u32> {
        let mut attempts = BTreeMap::new();
        for claim in &self.0 {
            let highest: &mut u32 = attempts.entry(claim.slot).or_default();
            *highest = claim.attempt.max(*highest);
        }
        attempts
    }
}

/// The payout claim of this key and order, if it is proven not to have paid. `None` = there is none, or it is live.
pub fn void_payout(connection: &Connection, order: &OrderId, key: &str) -> Result<Option<Claim>> {
    let sql = "SELECT key, slot, attempt, state, amount_minor, currency, sends, claimed_at, sent_at, unknown_at,
                      not_before_at, journal_seq
               FROM claims WHERE key = ?1 AND order_id = ?2 AND slot LIKE 'payout:%' AND state = 'void'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key, &order.0])?;
    rows.next()?.map(claim).transpose()
}

/// What the claim of this key and order is for, whatever became of it.
pub fn slot_of(connection: &Connection, order: &OrderId, key: &str) -> Result<Option<Slot>> {
    let mut statement = connection.prepare_cached("SELECT slot FROM claims WHERE key = ?1 AND order_id = ?2")?;
    let mut rows = statement.query([key, &order.0])?;
    rows.next()?.map(|row| columns::word(row, "slot", Slot::parse)).transpose()
}

/// Key and request hash of a claim by key.
pub fn request_hash(connection: &Connection, key: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT request_hash FROM claims WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

/// How often a claim was sent, by the database.
pub fn sends(connection: &Connection, key: &str) -> Result<u32> {
    let mut statement = connection.prepare_cached("SELECT sends FROM claims WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0))?)
}

/// Whether a send of it has no known outcome.
pub fn is_unknown(connection: &Connection, key: &str) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT unknown_at IS NOT NULL FROM claims WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0))?)
}

/// Keys of claims that have no sound journal line, checkouts aside.
pub fn not_journaled(connection: &Connection) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT key FROM claims WHERE state = 'pending' AND journal_seq IS NULL")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn claim(row: &Row<'_>) -> Result<Claim> {
    let currency = columns::currency(row, "currency")?;
    Ok(Claim {
        key: row.get("key")?,
        slot: columns::word(row, "slot", Slot::parse)?,
        attempt: row.get("attempt")?,
        state: columns::word(row, "state", State::parse)?,
        amount: columns::money(row, "amount_minor", currency)?,
        sends: row.get("sends")?,
        claimed_at: columns::at(row, "claimed_at")?,
        sent_at: columns::at_opt(row, "sent_at")?,
        unknown_at: columns::at_opt(row, "unknown_at")?,
        not_before: columns::at_opt(row, "not_before_at")?,
        is_journaled: row.get::<_, Option<i64>>("journal_seq")?.is_some(),
    })
}
