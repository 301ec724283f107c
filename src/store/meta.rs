//! What this database is, and shop-wide switches: mode, shop, instance, live since, STOP, the journal's last sequence.

use super::journal::Mark;
use super::open::Wanted;
use super::{Result, StoreError, from_ms, to_ms};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::BTreeMap;

pub fn value(connection: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// Everything that stands here, by name.
#[derive(Clone, Debug)]
pub struct Meta(BTreeMap<String, String>);

pub fn all(connection: &Connection) -> Result<Meta> {
    let mut statement = connection.prepare_cached("SELECT name, value FROM meta")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Meta(rows.collect::<rusqlite::Result<_>>()?))
}

impl Meta {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number that must be there.
    pub fn number(&self, name: &str) -> Result<i64> {
        whole(name, self.value(name))
    }

    /// See [`tick`].
    pub fn tick(&self) -> Result<Option<Timestamp>> {
        self.value(TICK).and_then(|text| text.parse().ok()).map(from_ms).transpose()
    }
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
    whole(name, value(connection, name)?.as_deref())
}

/// A time; `None` = there is none.
pub fn moment(connection: &Connection, name: &str) -> Result<Option<Timestamp>> {
    value(connection, name)?.map(|text| whole(name, Some(&text)).and_then(from_ms)).transpose()
}

fn whole(name: &str, text: Option<&str>) -> Result<i64> {
    let parsed = text.and_then(|t| t.parse().ok());
    parsed.ok_or_else(|| StoreError::Unreadable(format!("meta {name} is {text:?}")))
}

/// How far this database knows the intent journal, and how far it knew one that is gone.
pub fn marks(connection: &Connection) -> Result<(Mark, Option<Mark>)> {
    let mark = Mark { seq: number(connection, "journal_seq")?, chain: value(connection, "journal_chain")? };
    let lost = value(connection, "journal_lost_seq")?.and_then(|text| text.parse().ok());
    let chain = value(connection, "journal_lost_chain")?;
    Ok((mark, lost.map(|seq| Mark { seq, chain })))
}

pub fn set_mark(tx: &Transaction<'_>, mark: &Mark) -> Result<()> {
    write_mark(tx, ("journal_seq", "journal_chain"), mark)
}

/// The journal up to the mark is gone; should it come back, it is known by this. The first one lost is the one that
/// counts.
pub fn lose_mark(tx: &Transaction<'_>) -> Result<()> {
    let (mark, lost) = marks(tx)?;
    if lost.is_none() { write_mark(tx, ("journal_lost_seq", "journal_lost_chain"), &mark) } else { Ok(()) }
}

/// Nothing is lost any more.
pub fn forget_lost_mark(tx: &Transaction<'_>) -> Result<()> {
    remove(tx, "journal_lost_seq")?;
    remove(tx, "journal_lost_chain")?;
    Ok(())
}

fn write_mark(tx: &Transaction<'_>, (seq, chain): (&str, &str), mark: &Mark) -> Result<()> {
    set(tx, seq, &mark.seq.to_string())?;
    match &mark.chain {
        Some(value) => set(tx, chain, value),
        None => remove(tx, chain).map(drop),
    }
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

/// The last sign of life: the latest time that was believed. `None` = there was none yet.
pub fn tick(connection: &Connection) -> Result<Option<Timestamp>> {
    value(connection, TICK)?.and_then(|text| text.parse().ok()).map(from_ms).transpose()
}

pub fn set_tick(tx: &Transaction<'_>, at: Timestamp) -> Result<()> {
    set(tx, TICK, &to_ms(at).to_string())
}

const TICK: &str = "tick";

/// The currency of the books: fixed when they were begun, in an older database that of its first order. `None` = nothing
/// was booked yet.
pub fn currency(connection: &Connection) -> Result<Option<String>> {
    if let Some(code) = value(connection, "currency")? {
        return Ok(Some(code));
    }
    let sql = "SELECT currency FROM orders ORDER BY created_at, id LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
}
