//! The timeline: append-only, each row's hash covers the one before it. Details are words, numbers and outside ids,
//! never personal data.

use super::{Result, from_ms, to_ms};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub seq: i64,
    pub at: Timestamp,
    pub kind: String,
    pub detail: String,
}

pub fn append(tx: &Transaction<'_>, order: Option<&OrderId>, at: Timestamp, kind: &str, detail: &str) -> Result<()> {
    let sql = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1";
    let last = tx.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (seq, previous): (i64, Vec<u8>) = last.unwrap_or((0, vec![0; 32]));
    let order = order.map(|o| o.0.as_str());
    let hash = chained(&previous, seq + 1, order, to_ms(at), kind, detail);
    let sql = "INSERT INTO events (seq, order_id, at, kind, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.prepare_cached(sql)?.execute(params![seq + 1, order, to_ms(at), kind, detail, hash])?;
    Ok(())
}

fn chained(previous: &[u8], seq: i64, order: Option<&str>, at_ms: i64, kind: &str, detail: &str) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    context.update(&seq.to_be_bytes());
    context.update(&at_ms.to_be_bytes());
    for part in [order.unwrap_or(""), kind, detail] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().to_vec()
}

/// The first row whose hash does not follow from the row before it; `None` = the chain is whole.
pub fn first_broken(connection: &Connection) -> Result<Option<i64>> {
    broken_after(connection, 0, vec![0; 32])
}

/// The same over the last `most` events only: what came before them is taken as it stands.
pub fn broken_at_end(connection: &Connection, most: i64) -> Result<Option<i64>> {
    let sql = "SELECT seq, hash FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?1 ORDER BY seq DESC LIMIT 1";
    let start = connection.query_row(sql, [most], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (seq, hash) = start.unwrap_or((0, vec![0; 32]));
    broken_after(connection, seq, hash)
}

fn broken_after(connection: &Connection, after: i64, hash: Vec<u8>) -> Result<Option<i64>> {
    let sql = "SELECT seq, order_id, at, kind, detail, hash FROM events WHERE seq > ?1 ORDER BY seq";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([after])?;
    let (mut previous, mut expected_seq) = (hash, after + 1);
    while let Some(row) = rows.next()? {
        let (seq, order, at): (i64, Option<String>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (kind, detail, hash): (String, String, Vec<u8>) = (row.get(3)?, row.get(4)?, row.get(5)?);
        if seq != expected_seq || hash != chained(&previous, seq, order.as_deref(), at, &kind, &detail) {
            return Ok(Some(seq));
        }
        (previous, expected_seq) = (hash, seq + 1);
    }
    Ok(None)
}

pub fn of_order(connection: &Connection, order: &OrderId) -> Result<Vec<Event>> {
    let sql = "SELECT seq, at, kind, detail FROM events WHERE order_id = ?1 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let rows = statement.query_map([&order.0], read)?.collect::<rusqlite::Result<Vec<(i64, i64, String, String)>>>()?;
    rows.into_iter().map(|(seq, at, kind, detail)| Ok(Event { seq, at: from_ms(at)?, kind, detail })).collect()
}
