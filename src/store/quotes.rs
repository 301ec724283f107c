//! The supplier's offers, and what humans said to them.

use super::{Result, columns, to_ms};
use crate::domain::guards::{Approval, Guard};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::purchase::{Quote, QuoteFailure, QuoteLine};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

fn next_seq(tx: &Transaction<'_>, order: &OrderId) -> Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) + 1 FROM quotes WHERE order_id = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([&order.0], |row| row.get(0))?)
}

pub fn insert(tx: &Transaction<'_>, order: &OrderId, quote: &Quote) -> Result<()> {
    let seq = next_seq(tx, order)?;
    let sql = "INSERT INTO quotes (order_id, seq, quoted_at, hash, currency, items_minor, freight_minor, tax_minor)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        seq,
        to_ms(quote.quoted_at),
        quote.hash,
        quote.items.currency.code(),
        quote.items.minor,
        quote.freight.minor,
        quote.tax.minor,
    ])?;
    let sql = "INSERT INTO quote_lines (order_id, seq, line, unit_price_minor, stock, buy_limit, is_on_sale, service,
                   freight_minor, tax_minor)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    for (index, line) in quote.lines.iter().enumerate() {
        tx.prepare_cached(sql)?.execute(params![
            order.0,
            seq,
            index as i64 + 1,
            line.unit_price.minor,
            line.stock,
            line.buy_limit,
            line.is_on_sale,
            line.service,
            line.freight.map(|m| m.minor),
            line.tax.map(|m| m.minor),
        ])?;
    }
    Ok(())
}

/// The supplier gave no offer; ask again at `retry_at`.
pub fn failed(tx: &Transaction<'_>, order: &OrderId, at: Timestamp, failure: &str, retry_at: Timestamp) -> Result<()> {
    let seq = next_seq(tx, order)?;
    let sql = "INSERT INTO quotes (order_id, seq, quoted_at, failure, retry_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.prepare_cached(sql)?.execute(params![order.0, seq, to_ms(at), failure, to_ms(retry_at)])?;
    Ok(())
}

/// The last answer of the supplier: an offer, or when to ask again and why there was none.
pub struct Last {
    pub quote: Option<Quote>,
    pub failure: Option<QuoteFailure>,
}

pub fn last(connection: &Connection, order: &OrderId) -> Result<Last> {
    let sql = "SELECT seq, quoted_at, failure, retry_at, hash, currency, items_minor, freight_minor, tax_minor
               FROM quotes WHERE order_id = ?1 ORDER BY seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let Some(row) = rows.next()? else { return Ok(Last { quote: None, failure: None }) };
    let quoted_at = columns::at(row, "quoted_at")?;
    if let Some(reason) = row.get::<_, Option<String>>("failure")? {
        let failure = QuoteFailure { reason, failed_at: quoted_at, retry_at: columns::at(row, "retry_at")? };
        return Ok(Last { quote: None, failure: Some(failure) });
    }
    let currency = columns::currency(row, "currency")?;
    let quote = Quote {
        hash: row.get("hash")?,
        quoted_at,
        lines: lines(connection, order, row.get("seq")?, Money::zero(currency))?,
        items: columns::money(row, "items_minor", currency)?,
        freight: columns::money(row, "freight_minor", currency)?,
        tax: columns::money(row, "tax_minor", currency)?,
    };
    Ok(Last { quote: Some(quote), failure: None })
}

fn lines(connection: &Connection, order: &OrderId, seq: i64, zero: Money) -> Result<Vec<QuoteLine>> {
    let sql = "SELECT unit_price_minor, stock, buy_limit, is_on_sale, service, freight_minor, tax_minor
               FROM quote_lines WHERE order_id = ?1 AND seq = ?2 ORDER BY line";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![order.0, seq])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(QuoteLine {
            unit_price: columns::money(row, "unit_price_minor", zero.currency)?,
            stock: row.get("stock")?,
            buy_limit: row.get("buy_limit")?,
            is_on_sale: row.get("is_on_sale")?,
            service: row.get("service")?,
            freight: columns::money_opt(row, "freight_minor", zero.currency)?,
            tax: columns::money_opt(row, "tax_minor", zero.currency)?,
        });
    }
    Ok(lines)
}

pub fn approve(
    tx: &Transaction<'_>,
    order: &OrderId,
    approval: &Approval,
    reason: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    let overrides: Vec<&str> = approval.overrides.iter().map(|g| g.word()).collect();
    let sql = "INSERT INTO approvals (order_id, quote_hash, overrides, reason, expires_at, given_at, given_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let expires = approval.expires_at.map(to_ms);
    let row = params![order.0, approval.quote_hash, overrides.join(" "), reason, expires, to_ms(now), by];
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// The last word of a human on this order.
pub fn approval(connection: &Connection, order: &OrderId) -> Result<Option<Approval>> {
    let sql = "SELECT quote_hash, overrides, expires_at FROM approvals WHERE order_id = ?1 ORDER BY seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let overrides: String = row.get("overrides")?;
    Ok(Some(Approval {
        quote_hash: row.get("quote_hash")?,
        overrides: overrides.split_whitespace().filter_map(Guard::parse).collect(),
        expires_at: columns::at_opt(row, "expires_at")?,
    }))
}
