//! Payouts and payees.

use super::claims::Claims;
use super::{Result, StoreError, claims, columns, events, one, to_ms};
use crate::domain::claim::{Claim, Recipient, Slot};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::payout::{FailedPayout, ItemStatus, Payout};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

pub fn insert(tx: &Transaction<'_>, key: &str, recipient: Recipient, receiver: &str) -> Result<()> {
    let sql = "INSERT INTO payouts (key, recipient, receiver_hash) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![key, recipient.word(), crate::domain::payout::receiver_hash(receiver)])?;
    Ok(())
}

/// A payout as the intent journal remembers it: of the receiver only the hash is known.
pub fn insert_rebuilt(tx: &Transaction<'_>, key: &str, recipient: Recipient, receiver_hash: &str) -> Result<()> {
    let sql = "INSERT INTO payouts (key, recipient, receiver_hash) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![key, recipient.word(), receiver_hash])?;
    Ok(())
}

/// PayPal shows to whom a payout went of which that was forgotten.
pub fn receiver_learnt(tx: &Transaction<'_>, key: &str, receiver: &str) -> Result<()> {
    let sql = "UPDATE payouts SET receiver_hash = ?2 WHERE key = ?1";
    let hash = crate::domain::payout::receiver_hash(receiver);
    one(tx.prepare_cached(sql)?.execute(params![key, hash])?, "noting the receiver of a payout")
}

/// PayPal took the batch. That is not paid.
pub fn accepted(tx: &Transaction<'_>, key: &str, batch_id: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET batch_id = ?2, accepted_at = ?3
               WHERE key = ?1 AND (batch_id IS NULL OR batch_id = ?2)";
    one(tx.prepare_cached(sql)?.execute(params![key, batch_id, to_ms(now)])?, "storing a batch id")
}

/// The payout a batch belongs to, by the claim's key; `None` = no such batch is known.
pub fn owner_of(connection: &Connection, batch_id: &str) -> Result<Option<String>> {
    let sql = "SELECT key FROM payouts WHERE batch_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([batch_id], |row| row.get(0)).optional()?)
}

/// Whether the item, or its transaction, is known as another payout's than that of this key.
pub fn is_of_another(connection: &Connection, key: &str, item_id: &str, transaction_id: Option<&str>) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM payouts WHERE key <> ?1 AND (item_id = ?2 OR transaction_id = ?3))";
    Ok(connection.prepare_cached(sql)?.query_row(params![key, item_id, transaction_id], |row| row.get(0))?)
}

/// Whether PayPal took any batch after `after_ms`.
pub fn is_any_accepted(connection: &Connection, after_ms: i64) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM payouts WHERE accepted_at > ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([after_ms], |row| row.get(0))?)
}

/// We asked about the batch; `batch_status` is PayPal's word for it.
pub fn batch_seen(tx: &Transaction<'_>, key: &str, batch_status: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET asked_at = ?2, batch_status = ?3 WHERE key = ?1";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(now), batch_status])?, "noting a look at a batch")
}

pub fn asked(tx: &Transaction<'_>, key: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET asked_at = ?2 WHERE key = ?1";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(now)])?, "noting a look at a payout")
}

/// What PayPal showed of the one item.
pub struct ItemRow<'a> {
    pub key: &'a str,
    pub item_id: &'a str,
    pub status: ItemStatus,
    pub transaction_id: Option<&'a str>,
    pub fee: Option<Money>,
}

/// PayPal shows the transaction of the return in the place of the one that sent it: both are kept. A fee that is booked
/// stays until the item is SUCCESS.
pub fn item_seen(tx: &Transaction<'_>, seen: &ItemRow<'_>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET asked_at = ?6, item_id = ?2, item_status = ?3,
                      transaction_id = CASE WHEN ?7 THEN transaction_id ELSE coalesce(?4, transaction_id) END,
                      return_id = CASE WHEN ?7 AND ?4 IS NOT transaction_id THEN coalesce(return_id, ?4)
                                       ELSE return_id END,
                      fee_minor = CASE WHEN left_at IS NOT NULL AND ?3 <> 'SUCCESS' THEN fee_minor
                                       ELSE coalesce(?5, fee_minor) END
               WHERE key = ?1";
    let fee = seen.fee.map(|m| m.minor);
    let (status, came_back) = (seen.status.word(), seen.status.came_back());
    let row = params![seen.key, seen.item_id, status, seen.transaction_id, fee, to_ms(now), came_back];
    one(tx.prepare_cached(sql)?.execute(row)?, "storing a payout item")
}

/// What PayPal shows of a payout that was paid before: the transaction and the fee of that stay.
pub fn item_changed(tx: &Transaction<'_>, seen: &ItemRow<'_>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET asked_at = ?5, item_id = ?2, item_status = ?3,
                      return_id = CASE WHEN ?4 IS NOT transaction_id THEN coalesce(return_id, ?4) ELSE return_id END
               WHERE key = ?1";
    let row = params![seen.key, seen.item_id, seen.status.word(), seen.transaction_id, to_ms(now)];
    one(tx.prepare_cached(sql)?.execute(row)?, "storing what became of a paid payout")
}

/// The money has left without having arrived. Says whether that is new.
pub fn left(tx: &Transaction<'_>, key: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE payouts SET left_at = ?2 WHERE key = ?1 AND left_at IS NULL";
    Ok(tx.prepare_cached(sql)?.execute(params![key, to_ms(now)])? == 1)
}

/// Somebody wants it taken back.
pub fn cancel_wanted(tx: &Transaction<'_>, key: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET cancel_wanted_at = ?2 WHERE key = ?1 AND item_status = 'UNCLAIMED'";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(now)])?, "noting that a payout is wanted back")
}

pub fn cancel_tried(tx: &Transaction<'_>, key: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET cancel_tried_at = ?2 WHERE key = ?1";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(now)])?, "noting that a payout was asked back")
}

/// PayPal will not take it back; it is looked at again at once.
pub fn cancel_refused(tx: &Transaction<'_>, key: &str) -> Result<()> {
    let sql = "UPDATE payouts SET cancel_wanted_at = NULL, asked_at = NULL WHERE key = ?1";
    one(tx.prepare_cached(sql)?.execute([key])?, "noting that a payout is not taken back")
}

/// The void payouts of an order may be followed by a next attempt from `at` on.
pub fn again_from(tx: &Transaction<'_>, order: &OrderId, key: Option<&str>, at: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET again_at = ?3 WHERE again_at IS NULL AND (?2 IS NULL OR key = ?2) AND key IN (
                   SELECT key FROM claims WHERE order_id = ?1 AND slot LIKE 'payout:%' AND state = 'void')";
    tx.prepare_cached(sql)?.execute(params![order.0, key, to_ms(at)])?;
    Ok(())
}

/// The last attempts of the legs that have no live payout.
pub fn failed(connection: &Connection, order: &OrderId) -> Result<Vec<FailedPayout>> {
    let sql = "SELECT p.recipient, p.again_at, coalesce(c.refusal, 'not paid') AS said
               FROM claims c JOIN payouts p ON p.key = c.key
               WHERE c.order_id = ?1 AND c.slot LIKE 'payout:%' AND c.state = 'void'
                 AND c.attempt = (SELECT max(attempt) FROM claims n WHERE n.order_id = c.order_id AND n.slot = c.slot)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut failed = Vec::new();
    while let Some(row) = rows.next()? {
        let recipient = columns::word(row, "recipient", Recipient::parse)?;
        failed.push(FailedPayout { recipient, again_at: columns::at_opt(row, "again_at")?, said: row.get("said")? });
    }
    Ok(failed)
}

/// One payout, live or not, and its order. `None` = there is no such payout.
pub fn find(connection: &Connection, key: &str) -> Result<Option<(OrderId, Payout)>> {
    let Some((order, claim)) = claims::find(connection, key)? else { return Ok(None) };
    let Slot::Payout(recipient) = claim.slot else { return Ok(None) };
    Ok(Some((order, load(connection, claim, recipient)?)))
}

/// The payout of a batch of PayPal's, or of an item in it: what a message from PayPal names. `None` = it is not ours.
pub fn key_of(connection: &Connection, batch_or_item_id: &str) -> Result<Option<String>> {
    let sql = "SELECT key FROM payouts WHERE batch_id = ?1 OR item_id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([batch_or_item_id], |row| row.get(0)).optional()?)
}

/// Paid payouts worth another look, the one longest not looked at first: after a day, and then whenever as long has
/// passed again as had passed at the last look, for 90 days. So are those that PayPal took, that count as not paid because
/// the journal knows of a later attempt, and whose end PayPal was never asked for.
pub fn worth_a_look(connection: &Connection, now: Timestamp, most: u32) -> Result<Vec<String>> {
    let sql = "SELECT p.key FROM claims c JOIN payouts p ON p.key = c.key
               WHERE c.slot IN ('payout:platform', 'payout:seller') AND p.batch_id IS NOT NULL
                 AND (c.state = 'done'
                      OR c.state = 'void' AND coalesce(p.item_status, 'OTHER') IN ('PENDING', 'UNCLAIMED', 'ONHOLD', 'OTHER')
                      AND coalesce(p.batch_status, '') NOT IN ('DENIED', 'CANCELED'))
                 AND c.settled_at > ?1 - 7776000000
                 AND ?1 - c.settled_at >= max(86400000, 2 * (coalesce(p.asked_at, c.settled_at) - c.settled_at))
               ORDER BY p.asked_at LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map(params![to_ms(now), most], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Hash of the address a payout was sent to.
pub fn receiver_hash(connection: &Connection, key: &str) -> Result<String> {
    let mut statement = connection.prepare_cached("SELECT receiver_hash FROM payouts WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0))?)
}

/// The live payouts of an order.
pub fn live(connection: &Connection, order: &OrderId) -> Result<Vec<Payout>> {
    of_claims(connection, &claims::of_order(connection, order)?)
}

pub(super) fn of_claims(connection: &Connection, claims: &Claims) -> Result<Vec<Payout>> {
    let mut payouts = Vec::new();
    for recipient in Recipient::ALL {
        let Some(claim) = claims.live(Slot::Payout(*recipient)) else { continue };
        payouts.push(load(connection, claim, *recipient)?);
    }
    Ok(payouts)
}

fn load(connection: &Connection, claim: Claim, recipient: Recipient) -> Result<Payout> {
    let sql = "SELECT receiver_hash, batch_id, accepted_at, asked_at, item_id, item_status, transaction_id, fee_minor,
                      left_at, cancel_wanted_at, cancel_tried_at
               FROM payouts WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&claim.key])?;
    let row = rows.next()?.ok_or_else(|| StoreError::Unreadable(format!("the payout {} has no row", claim.key)))?;
    let payout = payout(row, claim, recipient)?;
    let is_lost = payout.claim.is_unknown() && payout.batch_id.is_none();
    Ok(Payout { is_listed: is_lost && is_listed(connection, &payout.claim.key)?, ..payout })
}

/// The event that a payout was taken up from PayPal's statement; its detail is the key.
const LISTED: &str = "payout_listed";

/// Notes that a payout was taken up from PayPal's statement, or that it shows one of which nothing had gone out here.
pub fn listed(tx: &Transaction<'_>, order: &OrderId, key: &str, now: Timestamp) -> Result<()> {
    events::append(tx, Some(order), now, LISTED, key)
}

fn is_listed(connection: &Connection, key: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM claims c JOIN events e ON e.order_id = c.order_id
                              WHERE c.key = ?1 AND e.kind = ?2 AND e.detail = c.key)";
    Ok(connection.prepare_cached(sql)?.query_row([key, LISTED], |row| row.get(0))?)
}

fn payout(row: &Row<'_>, claim: Claim, recipient: Recipient) -> Result<Payout> {
    let currency = claim.amount.currency;
    Ok(Payout {
        claim,
        recipient,
        receiver_hash: row.get("receiver_hash")?,
        batch_id: row.get("batch_id")?,
        is_listed: false,
        accepted_at: columns::at_opt(row, "accepted_at")?,
        asked_at: columns::at_opt(row, "asked_at")?,
        item: columns::word_opt(row, "item_status", ItemStatus::parse)?,
        transaction_id: row.get("transaction_id")?,
        item_id: row.get("item_id")?,
        fee: columns::money_opt(row, "fee_minor", currency)?,
        left_at: columns::at_opt(row, "left_at")?,
        cancel_wanted_at: columns::at_opt(row, "cancel_wanted_at")?,
        cancel_tried_at: columns::at_opt(row, "cancel_tried_at")?,
    })
}

/// The confirmed address; `None` = none was ever confirmed, or it has to be confirmed again.
pub fn payee(connection: &Connection, recipient: Recipient) -> Result<Option<String>> {
    let sql = "SELECT email FROM payees WHERE recipient = ?1 AND doubted_for IS NULL";
    Ok(connection.prepare_cached(sql)?.query_row([recipient.word()], |row| row.get(0)).optional()?)
}

/// Whether an address was ever confirmed, whatever became of it.
pub fn has_payee(connection: &Connection, recipient: Recipient) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM payees WHERE recipient = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([recipient.word()], |row| row.get(0))?)
}

pub fn confirm_payee(tx: &Transaction<'_>, recipient: Recipient, email: &str, by: &str, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO payees (recipient, email, confirmed_at, confirmed_by) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (recipient) DO UPDATE
               SET first_approved_at = CASE WHEN email = ?2 THEN first_approved_at END,
                   email = ?2, confirmed_at = ?3, confirmed_by = ?4, doubted_for = NULL";
    tx.prepare_cached(sql)?.execute(params![recipient.word(), email, to_ms(now), by])?;
    Ok(())
}

/// Whether a payment to the confirmed address is not the first, or somebody has let the first one go.
pub fn may_be_paid_first(connection: &Connection, recipient: Recipient, email: &str) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM payees WHERE recipient = ?1 AND email = ?2 AND first_approved_at IS NOT NULL)
                   OR EXISTS (SELECT 1 FROM payouts p JOIN claims c ON c.key = p.key
                              WHERE p.receiver_hash = ?3 AND c.state = 'done')";
    let hash = crate::domain::payout::receiver_hash(email);
    Ok(connection.prepare_cached(sql)?.query_row(params![recipient.word(), email, hash], |row| row.get(0))?)
}

/// Lets the first payment to the confirmed address go; says whether it is the confirmed one.
pub fn approve_first(tx: &Transaction<'_>, recipient: Recipient, email: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE payees SET first_approved_at = ?3 WHERE recipient = ?1 AND email = ?2 AND doubted_for IS NULL";
    Ok(tx.prepare_cached(sql)?.execute(params![recipient.word(), email, to_ms(now)])? == 1)
}
