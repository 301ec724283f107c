//! What a person told of money that moved elsewhere: settlements of channels, refunds of the supplier, legs paid by
//! other means. Each has an outside reference and is told once.

use super::{Result, columns, to_ms};
use crate::domain::claim::Recipient;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::settlement::{PaidOtherwise, SettledTo, Settlement, SupplierRefund};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

/// Who says it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub at: Timestamp,
    pub by: &'a str,
}

/// More than the channel holds is refused by the schema.
pub fn settled(
    tx: &Transaction<'_>,
    order: &OrderId,
    settlement: &Settlement,
    settled_at: Timestamp,
    said: Said<'_>,
) -> Result<()> {
    let sql = "INSERT INTO channel_settlements (order_id, reference, amount_minor, currency, fee_minor, account,
                                                settled_at, said_at, said_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        settlement.reference,
        settlement.amount.minor,
        settlement.amount.currency.code(),
        settlement.fee.map(|fee| fee.minor),
        settlement.account.word(),
        to_ms(settled_at),
        to_ms(said.at),
        said.by,
    ])?;
    Ok(())
}

/// More than the supplier was paid is refused by the schema.
pub fn supplier_refunded(tx: &Transaction<'_>, refund: &SupplierRefund, said: Said<'_>) -> Result<()> {
    let sql = "INSERT INTO supplier_refunds (supplier_order_id, reference, amount_minor, currency, said_at, said_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.prepare_cached(sql)?.execute(params![
        refund.supplier_order_id,
        refund.reference,
        refund.amount.minor,
        refund.amount.currency.code(),
        to_ms(said.at),
        said.by,
    ])?;
    Ok(())
}

/// While a payout may still pay the leg it is refused by the schema.
pub fn paid_otherwise(tx: &Transaction<'_>, order: &OrderId, paid: &PaidOtherwise, said: Said<'_>) -> Result<()> {
    let sql =
        "INSERT INTO legs_paid_otherwise (order_id, recipient, reference, amount_minor, currency, said_at, said_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        paid.recipient.word(),
        paid.reference,
        paid.amount.minor,
        paid.amount.currency.code(),
        to_ms(said.at),
        said.by,
    ])?;
    Ok(())
}

/// What the intent journal says of a leg, to be said again by a person. The same word again changes nothing.
pub fn said_paid(tx: &Transaction<'_>, order: &OrderId, paid: &PaidOtherwise, said_at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO legs_said_paid (order_id, recipient, reference, amount_minor, currency, said_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        paid.recipient.word(),
        paid.reference,
        paid.amount.minor,
        paid.amount.currency.code(),
        to_ms(said_at),
    ])?;
    Ok(())
}

/// What is still to be said again, the oldest first.
pub fn legs_said_paid(connection: &Connection, order: &OrderId) -> Result<Vec<PaidOtherwise>> {
    let sql = "SELECT s.recipient, s.reference, s.amount_minor, s.currency FROM legs_said_paid s
               WHERE s.order_id = ?1 AND NOT EXISTS (
                   SELECT 1 FROM legs_paid_otherwise p
                   WHERE p.order_id = s.order_id AND p.recipient = s.recipient AND p.reference = s.reference)
               ORDER BY s.said_at, s.recipient, s.reference";
    rows(connection, sql, order, paid_row)
}

/// In the order in which they were told.
pub fn of_order(connection: &Connection, order: &OrderId) -> Result<Vec<Settlement>> {
    let sql = "SELECT reference, amount_minor, currency, fee_minor, account FROM channel_settlements
               WHERE order_id = ?1 ORDER BY seq";
    rows(connection, sql, order, |row| {
        let currency = columns::currency(row, "currency")?;
        Ok(Settlement {
            reference: row.get("reference")?,
            amount: columns::money(row, "amount_minor", currency)?,
            fee: columns::money_opt(row, "fee_minor", currency)?,
            account: columns::word(row, "account", SettledTo::parse)?,
        })
    })
}

pub fn supplier_refunds(connection: &Connection, order: &OrderId) -> Result<Vec<SupplierRefund>> {
    let sql = "SELECT r.supplier_order_id, r.reference, r.amount_minor, r.currency
               FROM supplier_refunds r JOIN supplier_orders s ON s.id = r.supplier_order_id
               JOIN claims c ON c.key = s.key WHERE c.order_id = ?1 ORDER BY r.said_at, r.reference";
    rows(connection, sql, order, |row| {
        Ok(SupplierRefund {
            supplier_order_id: row.get("supplier_order_id")?,
            reference: row.get("reference")?,
            amount: money(row)?,
        })
    })
}

pub fn legs_paid(connection: &Connection, order: &OrderId) -> Result<Vec<PaidOtherwise>> {
    let sql = "SELECT recipient, reference, amount_minor, currency FROM legs_paid_otherwise
               WHERE order_id = ?1 ORDER BY said_at, recipient, reference";
    rows(connection, sql, order, paid_row)
}

fn paid_row(row: &Row<'_>) -> Result<PaidOtherwise> {
    Ok(PaidOtherwise {
        recipient: columns::word(row, "recipient", Recipient::parse)?,
        reference: row.get("reference")?,
        amount: money(row)?,
    })
}

/// With the payout that has paid the leg by now, if one has: what was asked for with it is not less by this.
pub fn set_off(
    tx: &Transaction<'_>,
    order: &OrderId,
    recipient: Recipient,
    amount: Money,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO set_offs (order_id, recipient, amount_minor, currency, set_off_at, after_key)
               VALUES (?1, ?2, ?3, ?4, ?5, (SELECT key FROM claims WHERE order_id = ?1 AND slot = 'payout:' || ?2
                                               AND state = 'done'))";
    let row = params![order.0, recipient.word(), amount.minor, amount.currency.code(), to_ms(now)];
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

pub fn set_offs(connection: &Connection, order: &OrderId) -> Result<Vec<(Recipient, Money)>> {
    let sql = "SELECT recipient, amount_minor, currency FROM set_offs WHERE order_id = ?1 ORDER BY recipient";
    rows(connection, sql, order, |row| Ok((columns::word(row, "recipient", Recipient::parse)?, money(row)?)))
}

fn money(row: &Row<'_>) -> Result<Money> {
    columns::money(row, "amount_minor", columns::currency(row, "currency")?)
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    order: &OrderId,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
