//! Recorded sales and payouts as people list them, newest first. A payee stands here as a recipient, never as an
//! address.

use super::{Result, columns, sales};
use crate::domain::claim::Recipient;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::sale::Sale;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

#[derive(Clone, Debug, PartialEq)]
pub struct SaleRow {
    pub order: OrderId,
    pub channel: String,
    pub sale: Sale,
    /// What is owed to each recipient; 0 where no leg was made.
    pub legs: [(Recipient, Money); 2],
}

const SALES: &str =
    "SELECT s.order_id, s.version, o.channel, s.recorded_at, s.currency, s.gross_minor, s.tax_minor, s.fee_minor,
           s.supplier_total_minor, s.commission_rate, s.commission_base, s.commission_minor, s.profit_minor, s.paid_by,
           s.payout_executed, s.platform_leg_minor, s.seller_leg_minor
    FROM sale_now s JOIN orders o ON o.id = s.order_id";

/// `after` is time and order of the last one seen.
pub fn sales(connection: &Connection, after: Option<&(i64, String)>, most: u32) -> Result<Vec<SaleRow>> {
    let sql = format!(
        "{SALES} WHERE (s.recorded_at, s.order_id) < (?1, ?2)
         ORDER BY s.recorded_at DESC, s.order_id DESC LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (ms, id) = after.map_or((i64::MAX, ""), |(ms, id)| (*ms, id.as_str()));
    let mut rows = statement.query(params![ms, id, most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(sale_row(row)?);
    }
    Ok(found)
}

pub fn sale(connection: &Connection, order: &OrderId) -> Result<Option<SaleRow>> {
    let mut statement = connection.prepare_cached(&format!("{SALES} WHERE s.order_id = ?1"))?;
    let mut rows = statement.query([&order.0])?;
    rows.next()?.map(sale_row).transpose()
}

fn sale_row(row: &Row<'_>) -> Result<SaleRow> {
    let currency = columns::currency(row, "currency")?;
    Ok(SaleRow {
        order: OrderId(row.get("order_id")?),
        channel: row.get("channel")?,
        sale: sales::sale(row)?,
        legs: [
            (Recipient::Platform, columns::money(row, "platform_leg_minor", currency)?),
            (Recipient::Seller, columns::money(row, "seller_leg_minor", currency)?),
        ],
    })
}

#[derive(Clone, Debug, PartialEq)]
pub struct PayoutRow {
    /// The batch id PayPal knows it by.
    pub key: String,
    pub order: OrderId,
    pub recipient: String,
    pub attempt: u32,
    /// pending, done or void.
    pub state: String,
    /// It may or may not have been sent.
    pub is_unknown: bool,
    pub amount: Money,
    pub claimed_at: Timestamp,
    pub settled_at: Option<Timestamp>,
    pub batch_id: Option<String>,
    /// PayPal's word for the one item; `None` until it was seen.
    pub status: Option<String>,
    pub transaction_id: Option<String>,
    pub fee: Option<Money>,
    /// The transaction that brought it back.
    pub return_id: Option<String>,
    /// PayPal's word for its last refusal.
    pub refusal: Option<String>,
}

const PAYOUTS: &str =
    "SELECT c.key, c.order_id, p.recipient, c.attempt, c.state, c.unknown_at IS NOT NULL AS is_unknown,
           c.amount_minor, c.currency, c.claimed_at, c.settled_at, p.batch_id, p.item_status, p.transaction_id,
           p.fee_minor, p.return_id, c.refusal
    FROM claims c JOIN payouts p ON p.key = c.key";

/// `after` is time and key of the last one seen.
pub fn payouts(connection: &Connection, after: Option<&(i64, String)>, most: u32) -> Result<Vec<PayoutRow>> {
    let sql = format!(
        "{PAYOUTS} WHERE c.slot IN ('payout:platform', 'payout:seller')
           AND (c.claimed_at, c.key) < (?1, ?2)
         ORDER BY c.claimed_at DESC, c.key DESC LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (ms, id) = after.map_or((i64::MAX, ""), |(ms, id)| (*ms, id.as_str()));
    let mut rows = statement.query(params![ms, id, most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(payout_row(row)?);
    }
    Ok(found)
}

pub fn payout(connection: &Connection, key: &str) -> Result<Option<PayoutRow>> {
    let mut statement = connection.prepare_cached(&format!("{PAYOUTS} WHERE c.key = ?1"))?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(payout_row).transpose()
}

/// Every attempt to pay a leg of one order, the void ones too, in the order they were made.
pub fn payouts_of(connection: &Connection, order: &OrderId) -> Result<Vec<PayoutRow>> {
    let sql = format!("{PAYOUTS} WHERE c.order_id = ?1 ORDER BY c.claimed_at, c.slot, c.attempt");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(payout_row(row)?);
    }
    Ok(found)
}

fn payout_row(row: &Row<'_>) -> Result<PayoutRow> {
    let currency = columns::currency(row, "currency")?;
    Ok(PayoutRow {
        key: row.get("key")?,
        order: OrderId(row.get("order_id")?),
        recipient: row.get("recipient")?,
        attempt: row.get("attempt")?,
        state: row.get("state")?,
        is_unknown: row.get("is_unknown")?,
        amount: columns::money(row, "amount_minor", currency)?,
        claimed_at: columns::at(row, "claimed_at")?,
        settled_at: columns::at_opt(row, "settled_at")?,
        batch_id: row.get("batch_id")?,
        status: row.get("item_status")?,
        transaction_id: row.get("transaction_id")?,
        fee: columns::money_opt(row, "fee_minor", currency)?,
        return_id: row.get("return_id")?,
        refusal: row.get("refusal")?,
    })
}
