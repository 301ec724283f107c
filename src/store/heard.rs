//! People's words above the mark into the intent journal that this database heard all the same: the mark waits for an
//! earlier line. Never written but in the transaction that hears the word, so that a database put back to an earlier day
//! has not heard what was said after it.

use super::Result;
use rusqlite::{Connection, Transaction, params};

/// The word in this line of the journal is heard here.
pub fn remember(tx: &Transaction<'_>, seq: i64, chain: &str) -> Result<()> {
    let sql = "INSERT INTO heard_words (seq, chain) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![seq, chain])?;
    Ok(())
}

pub fn is_heard(connection: &Connection, seq: i64, chain: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM heard_words WHERE seq = ?1 AND chain = ?2)";
    Ok(connection.prepare_cached(sql)?.query_row(params![seq, chain], |row| row.get(0))?)
}

/// The mark stands at `seq`. A journal that is gone may be put back, and its words are kept for that day.
pub fn marked(tx: &Transaction<'_>, seq: i64) -> Result<()> {
    let sql = "DELETE FROM heard_words
               WHERE seq <= ?1 AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'journal_lost_seq')";
    tx.prepare_cached(sql)?.execute([seq])?;
    Ok(())
}

/// Sequences of all lines that are kept, in their order.
pub fn words(connection: &Connection) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT seq FROM heard_words ORDER BY seq")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}
