//! What this database is, and shop-wide switches: mode, shop, instance, live since, STOP, the journal's last sequence.

use super::open::Wanted;
use super::{Result, StoreError, to_ms};
use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub fn value(connection: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

pub fn set(tx: &Transaction<'_>, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
    tx.prepare_cached(sql)?.execute(params![name, value])?;
    Ok(())
}

/// Takes a value away; says whether there was one.
pub fn remove(tx: &Transaction<'_>, name: &str) -> Result<bool> {
    Ok(tx.prepare_cached("DELETE FROM meta WHERE name = ?1")?.execute([name])? == 1)
}

/// A whole number that must be there.
pub fn number(connection: &Connection, name: &str) -> Result<i64> {
    let text = value(connection, name)?;
    let parsed = text.as_deref().and_then(|t| t.parse().ok());
    parsed.ok_or_else(|| StoreError::Unreadable(format!("meta {name} is {text:?}")))
}

/// Names a new database; leaves an old one alone.
pub(super) fn found(tx: &Transaction<'_>, wanted: &Wanted<'_>) -> Result<()> {
    if value(tx, "instance")?.is_some() {
        return Ok(());
    }
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| StoreError::Unreadable("no random numbers".to_owned()))?;
    let now = to_ms(wanted.now).to_string();
    let rows = [
        ("mode", wanted.mode.word()),
        ("shop", wanted.shop),
        ("instance", &HEXLOWER.encode(&random)),
        ("created_at", &now),
        ("live_since", &now),
        ("journal_seq", "0"),
    ];
    rows.iter().try_for_each(|(name, value)| set(tx, name, value))
}

/// The currency of the books: fixed when they were begun, in an older database that of its first order. `None` = nothing
/// was booked yet.
pub fn currency(connection: &Connection) -> Result<Option<String>> {
    if let Some(code) = value(connection, "currency")? {
        return Ok(Some(code));
    }
    let sql = "SELECT currency FROM orders ORDER BY created_at, id LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
}
