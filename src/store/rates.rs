//! Rates of exchange by somebody's word, and what was reckoned with them.

use super::{Result, columns, to_ms};
use crate::domain::fx::FxRate;
use crate::domain::money::{Currency, Money};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

/// Stores a rate beside the older ones. `rate.seq` is not looked at.
pub fn put(tx: &Transaction<'_>, rate: &FxRate, by: &str, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO rates (from_currency, to_currency, billionths, of_at, set_at, set_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let FxRate { from, to, billionths, at, .. } = rate;
    tx.prepare_cached(sql)?.execute(params![from.code(), to.code(), billionths, to_ms(*at), to_ms(now), by])?;
    Ok(())
}

/// The rate of the latest moment; of two of one moment, the one said last. `None` = nobody ever said one.
pub fn latest(connection: &Connection, from: Currency, to: Currency) -> Result<Option<FxRate>> {
    let sql = "SELECT seq, from_currency, to_currency, billionths, of_at FROM rates
               WHERE from_currency = ?1 AND to_currency = ?2 ORDER BY of_at DESC, seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([from.code(), to.code()])?;
    rows.next()?.map(rate).transpose()
}

/// The newest first, at most `most`.
pub fn list(connection: &Connection, most: u32) -> Result<Vec<FxRate>> {
    let sql =
        "SELECT seq, from_currency, to_currency, billionths, of_at FROM rates ORDER BY of_at DESC, seq DESC LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([most])?;
    let mut rates = Vec::new();
    while let Some(row) = rows.next()? {
        rates.push(rate(row)?);
    }
    Ok(rates)
}

fn rate(row: &Row<'_>) -> Result<FxRate> {
    Ok(FxRate {
        seq: row.get("seq")?,
        from: columns::currency(row, "from_currency")?,
        to: columns::currency(row, "to_currency")?,
        billionths: row.get("billionths")?,
        at: columns::at(row, "of_at")?,
    })
}

/// Notes what a supplier asked and with which rate it was reckoned; the last look counts.
pub fn reckoned(
    tx: &Transaction<'_>,
    supplier_order_id: &str,
    asked: Money,
    rate: &FxRate,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO reckoned (supplier_order_id, asked_minor, asked_currency, rate, reckoned_at)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (supplier_order_id) DO UPDATE SET asked_minor = ?2, asked_currency = ?3, rate = ?4,
                   reckoned_at = ?5";
    let row = params![supplier_order_id, asked.minor, asked.currency.code(), rate.seq, to_ms(now)];
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// What a supplier asked in his own currency, and the rate by which it stands in the sale's.
#[derive(Clone, Debug, PartialEq)]
pub struct Reckoned {
    pub supplier_order_id: String,
    pub asked: Money,
    pub rate: FxRate,
    /// When it was last reckoned.
    pub at: Timestamp,
}

const RECKONED: &str = "SELECT r.supplier_order_id, r.asked_minor, r.asked_currency, r.reckoned_at,
                               f.seq, f.from_currency, f.to_currency, f.billionths, f.of_at
                        FROM reckoned r JOIN rates f ON f.seq = r.rate";

/// `None` = he asked in the currency of the sale, or there was never a rate.
pub fn reckoned_by(connection: &Connection, supplier_order_id: &str) -> Result<Option<Reckoned>> {
    let mut statement = connection.prepare_cached(&format!("{RECKONED} WHERE r.supplier_order_id = ?1"))?;
    let mut rows = statement.query([supplier_order_id])?;
    rows.next()?.map(reckoned_row).transpose()
}

/// Of every supplier order of one order.
pub fn reckoned_of(connection: &Connection, order: &OrderId) -> Result<Vec<Reckoned>> {
    let sql = format!(
        "{RECKONED} JOIN supplier_orders s ON s.id = r.supplier_order_id JOIN claims c ON c.key = s.key
         WHERE c.order_id = ?1 ORDER BY r.supplier_order_id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(reckoned_row(row)?);
    }
    Ok(found)
}

fn reckoned_row(row: &Row<'_>) -> Result<Reckoned> {
    let asked = columns::money(row, "asked_minor", columns::currency(row, "asked_currency")?)?;
    let supplier_order_id = row.get("supplier_order_id")?;
    Ok(Reckoned { supplier_order_id, asked, rate: rate(row)?, at: columns::at(row, "reckoned_at")? })
}
