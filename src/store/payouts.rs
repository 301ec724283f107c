//! Payouts and payees.

use super::{Result, StoreError, claims, columns, one, to_ms};
use crate::domain::claim::{Recipient, Slot};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::payout::{ItemStatus, Payout};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

pub fn insert(tx: &Transaction<'_>, key: &str, recipient: Recipient, receiver: &str) -> Result<()> {
    let sql = "INSERT INTO payouts (key, recipient, receiver_hash) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![key, recipient.word(), crate::domain::payout::receiver_hash(receiver)])?;
    Ok(())
}

/// PayPal took the batch. That is not paid.
pub fn accepted(tx: &Transaction<'_>, key: &str, batch_id: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET batch_id = ?2, accepted_at = ?3
               WHERE key = ?1 AND (batch_id IS NULL OR batch_id = ?2)";
    one(tx.prepare_cached(sql)?.execute(params![key, batch_id, to_ms(now)])?, "storing a batch id")
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

pub fn item_seen(tx: &Transaction<'_>, seen: &ItemRow<'_>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE payouts SET asked_at = ?6, item_id = ?2, item_status = ?3,
                      transaction_id = coalesce(?4, transaction_id), fee_minor = coalesce(?5, fee_minor)
               WHERE key = ?1";
    let fee = seen.fee.map(|m| m.minor);
    let row = params![seen.key, seen.item_id, seen.status.word(), seen.transaction_id, fee, to_ms(now)];
    one(tx.prepare_cached(sql)?.execute(row)?, "storing a payout item")
}

/// Hash of the address a payout was sent to.
pub fn receiver_hash(connection: &Connection, key: &str) -> Result<String> {
    let mut statement = connection.prepare_cached("SELECT receiver_hash FROM payouts WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0))?)
}

/// The live payouts of an order.
pub fn live(connection: &Connection, order: &OrderId) -> Result<Vec<Payout>> {
    let mut payouts = Vec::new();
    for recipient in Recipient::ALL {
        let Some(claim) = claims::live(connection, order, Slot::Payout(*recipient))? else { continue };
        let sql = "SELECT receiver_hash, batch_id, accepted_at, asked_at, item_status, transaction_id
                   FROM payouts WHERE key = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([&claim.key])?;
        let row = rows.next()?.ok_or_else(|| StoreError::Unreadable(format!("the payout {} has no row", claim.key)))?;
        payouts.push(payout(row, claim, *recipient)?);
    }
    Ok(payouts)
}

fn payout(row: &Row<'_>, claim: crate::domain::claim::Claim, recipient: Recipient) -> Result<Payout> {
    Ok(Payout {
        claim,
        recipient,
        receiver_hash: row.get("receiver_hash")?,
        batch_id: row.get("batch_id")?,
        accepted_at: columns::at_opt(row, "accepted_at")?,
        asked_at: columns::at_opt(row, "asked_at")?,
        item: columns::word_opt(row, "item_status", ItemStatus::parse)?,
        transaction_id: row.get("transaction_id")?,
    })
}

pub fn payee(connection: &Connection, recipient: Recipient) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT email FROM payees WHERE recipient = ?1")?;
    Ok(statement.query_row([recipient.word()], |row| row.get(0)).optional()?)
}

pub fn confirm_payee(tx: &Transaction<'_>, recipient: Recipient, email: &str, by: &str, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO payees (recipient, email, confirmed_at, confirmed_by) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (recipient) DO UPDATE SET email = ?2, confirmed_at = ?3, confirmed_by = ?4";
    tx.prepare_cached(sql)?.execute(params![recipient.word(), email, to_ms(now), by])?;
    Ok(())
}
