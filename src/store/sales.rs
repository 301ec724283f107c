//! Recorded sales. A sale never changes; `payout_executed` is set in the transaction that settles its last leg.

use super::{Result, columns, one, to_ms};
use crate::domain::claim::Recipient;
use crate::domain::money::{Money, Rate};
use crate::domain::order::OrderId;
use crate::domain::policy::{CommissionBase, CommissionRule, PaidBy};
use crate::domain::sale::Sale;
use rusqlite::{Connection, Row, Transaction, params};

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

/// Sets the flag if every leg is proven paid, and says whether it did. The schema refuses it otherwise.
pub fn payout_executed(tx: &Transaction<'_>, order: &OrderId) -> Result<bool> {
    let sql = "SELECT (platform_leg_minor > 0) + (seller_leg_minor > 0) - (
                   SELECT count(*) FROM claims WHERE order_id = ?1 AND slot LIKE 'payout:%' AND state = 'done')
               FROM sales WHERE order_id = ?1";
    let open: i64 = tx.prepare_cached(sql)?.query_row([&order.0], |row| row.get(0))?;
    if open > 0 {
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
    let sql = "SELECT recorded_at, currency, gross_minor, tax_minor, fee_minor, supplier_total_minor, commission_rate,
                      commission_base, commission_minor, profit_minor, paid_by, payout_executed
               FROM sales WHERE order_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    rows.next()?.map(sale).transpose()
}

pub(super) fn sale(row: &Row<'_>) -> Result<Sale> {
    let currency = columns::currency(row, "currency")?;
    let rate: Option<i64> = row.get("commission_rate")?;
    let base = columns::word_opt(row, "commission_base", CommissionBase::parse)?;
    Ok(Sale {
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
