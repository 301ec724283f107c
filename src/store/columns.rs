//! How values stand in columns: instants as milliseconds since 1970, amounts as minor units beside a currency, states
//! as words. Whatever cannot be read is an error, never a default (L37).

use super::{Result, StoreError};
use crate::domain::money::{Currency, Money};
use jiff::Timestamp;
use rusqlite::Row;

pub fn to_ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub fn from_ms(ms: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::Unreadable(format!("{ms} is no instant")))
}

pub fn at(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    from_ms(row.get(column)?)
}

pub fn at_opt(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(from_ms).transpose()
}

/// A text as it lies in the row.
fn text<'a>(row: &'a Row<'_>, column: &str) -> Result<&'a str> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

pub fn currency(row: &Row<'_>, column: &str) -> Result<Currency> {
    let code = text(row, column)?;
    Currency::new(code).ok_or_else(|| StoreError::Unreadable(format!("unknown currency {code}")))
}

pub fn money(row: &Row<'_>, column: &str, currency: Currency) -> Result<Money> {
    Ok(Money::new(row.get(column)?, currency))
}

pub fn money_opt(row: &Row<'_>, column: &str, currency: Currency) -> Result<Option<Money>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|minor| Money::new(minor, currency)))
}

/// Reads a word with `parse`; an unknown one is an error that names the column.
pub fn word<T>(row: &Row<'_>, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text = text(row, column)?;
    parse(text).ok_or_else(|| StoreError::Unreadable(format!("unknown {column} {text}")))
}

pub fn word_opt<T>(row: &Row<'_>, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)? else {
        return Ok(None);
    };
    parse(text).map(Some).ok_or_else(|| StoreError::Unreadable(format!("unknown {column} {text}")))
}
