//! Recorded sales. A sale never changes; what comes after it is a version of its own; `payout_executed` is set in the transaction that settles its last leg.

use super::{Result, columns, one, to_ms};
use crate::domain::claim::Recipient;
use crate::domain::money::{Money, Rate};
use crate::domain::order::OrderId;
use crate::domain::policy::{CommissionBase, CommissionRule, PaidBy};
use crate::domain::sale::Sale;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// `legs` is what is owed to the platform and to the seller; 0 where no leg is made.
pub fn insert(tx: &Transaction<'_>, order: &OrderId, sale: &Sale, legs: &[(Recipient, Money)]) -> Result<()> {
    let leg = |recipient| legs.iter().find(|(r, _)| *r == recipient).map_or(0, |(_, amount)| amount.minor);
    let sql =
        "INSERT INTO sales (order_id, recorded_at, currency, gross_minor, tax_minor, fee_minor, supplier_total_minor,
                   commission_rate, commission_base, commission_minor, profit_minor, paid_by, platform_leg_minor,
                   seller_leg_minor)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        to_ms(sale.recorded_at),
        sale.gross.currency.code(),
        sale.gross.minor,
        sale.tax.minor,
        sale.fee.minor,
        sale.supplier_total.minor,
        sale.rule.map(|r| r.rate.millionths()),
        sale.rule.map(|r| r.base.word()),
        sale.commission.minor,
        sale.profit.minor,
        sale.paid_by.word(),
        leg(Recipient::Platform),
        leg(Recipient::Seller),
    ])?;
    Ok(())
}

/// The next version of a sale: `reason` and `reference` say what happened.
pub fn correct(
    tx: &Transaction<'_>,
    order: &OrderId,
    sale: &Sale,
    legs: &[(Recipient, Money)],
    why: &Why<'_>,
) -> Result<()> {
    let leg = |recipient| legs.iter().find(|(r, _)| *r == recipient).map_or(0, |(_, amount)| amount.minor);
    let sql = "INSERT INTO sale_versions (order_id, version, corrected_at, gross_minor, tax_minor, fee_minor,
                   supplier_total_minor, commission_minor, profit_minor, platform_leg_minor, seller_leg_minor, reason,
                   reference)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        sale.version,
        to_ms(why.at),
        sale.gross.minor,
        sale.tax.minor,
        sale.fee.minor,
        sale.supplier_total.minor,
        sale.commission.minor,
        sale.profit.minor,
        leg(Recipient::Platform),
        leg(Recipient::Seller),
        why.reason,
        why.reference,
    ])?;
    Ok(())
}

/// Why a sale was corrected.
#[derive(Clone, Copy, Debug)]
pub struct Why<'a> {
    pub at: Timestamp,
    pub reason: &'a str,
    /// The outside id of what happened.
    pub reference: &'a str,
}

/// One correction as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    pub version: u32,
    pub at: Timestamp,
    pub commission: Money,
    pub profit: Money,
    pub reason: String,
    pub reference: String,
}

/// The corrections of a sale, the first one first.
pub fn versions(connection: &Connection, order: &OrderId) -> Result<Vec<VersionRow>> {
    let sql = "SELECT v.version, v.corrected_at, v.commission_minor, v.profit_minor, s.currency, v.reason, v.reference
               FROM sale_versions v JOIN sales s ON s.order_id = v.order_id WHERE v.order_id = ?1 ORDER BY v.version";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let currency = columns::currency(row, "currency")?;
        versions.push(VersionRow {
            version: row.get("version")?,
            at: columns::at(row, "corrected_at")?,
            commission: columns::money(row, "commission_minor", currency)?,
            profit: columns::money(row, "profit_minor", currency)?,
            reason: row.get("reason")?,
            reference: row.get("reference")?,
        });
    }
    Ok(versions)
}

/// Sets the flag if every leg is proven paid, and says whether it did. The schema refuses it otherwise. Of an order that
/// is not sold yet there is none: a restored database learns of the payouts first.
pub fn payout_executed(tx: &Transaction<'_>, order: &OrderId) -> Result<bool> {
    let sql = "SELECT payout_executed = 0 AND platform_leg_minor + seller_leg_minor > 0 AND NOT EXISTS (
                   SELECT 1 FROM (SELECT 'platform' AS recipient, n.platform_leg_minor AS leg
                                  UNION ALL SELECT 'seller', n.seller_leg_minor) w
                   WHERE w.leg > 0 AND NOT EXISTS (
                       SELECT 1 FROM claims c WHERE c.order_id = n.order_id AND c.slot = 'payout:' || w.recipient
                          AND c.state = 'done' AND c.amount_minor + (
                              SELECT coalesce(sum(s.amount_minor), 0) FROM set_offs s
                              WHERE s.order_id = n.order_id AND s.recipient = w.recipient) >= w.leg))
               FROM sale_now n WHERE order_id = ?1";
    let is_due: Option<bool> = tx.prepare_cached(sql)?.query_row([&order.0], |row| row.get(0)).optional()?;
    if is_due != Some(true) {
        return Ok(false);
    }
    let sql = "UPDATE sales SET payout_executed = 1 WHERE order_id = ?1 AND payout_executed = 0";
    one(tx.prepare_cached(sql)?.execute([&order.0])?, "setting payout_executed")?;
    Ok(true)
}

/// A paid leg came back. Says whether the flag stood; the schema asks for the booked return.
pub fn payout_undone(tx: &Transaction<'_>, order: &OrderId) -> Result<bool> {
    let sql = "UPDATE sales SET payout_executed = 0 WHERE order_id = ?1 AND payout_executed = 1";
    Ok(tx.prepare_cached(sql)?.execute([&order.0])? == 1)
}

pub fn find(connection: &Connection, order: &OrderId) -> Result<Option<Sale>> {
    let sql = "SELECT version, recorded_at, currency, gross_minor, tax_minor, fee_minor, supplier_total_minor, commission_rate,
                      commission_base, commission_minor, profit_minor, paid_by, payout_executed
               FROM sale_now WHERE order_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    rows.next()?.map(sale).transpose()
}

pub(super) fn sale(row: &Row<'_>) -> Result<Sale> {
    let currency = columns::currency(row, "currency")?;
    let rate: Option<i64> = row.get("commission_rate")?;
    let base = columns::word_opt(row, "commission_base", CommissionBase::parse)?;
    Ok(Sale {
        version: row.get("version")?,
        recorded_at: columns::at(row, "recorded_at")?,
        gross: columns::money(row, "gross_minor", currency)?,
        tax: columns::money(row, "tax_minor", currency)?,
        fee: columns::money(row, "fee_minor", currency)?,
        supplier_total: columns::money(row, "supplier_total_minor", currency)?,
        rule: rate.zip(base).map(|(rate, base)| CommissionRule { rate: Rate::from_millionths(rate), base }),
        commission: columns::money(row, "commission_minor", currency)?,
        profit: columns::money(row, "profit_minor", currency)?,
        paid_by: columns::word(row, "paid_by", PaidBy::parse)?,
        is_payout_executed: row.get("payout_executed")?,
    })
}
