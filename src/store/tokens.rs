//! Logins at the providers. Rows of this table leave the store only as secrets, towards a gateway.

use super::{Result, columns, to_ms};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

#[derive(Clone, PartialEq)]
pub struct Login {
    pub account: Option<String>,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub access_expires_at: Timestamp,
    /// `None` = the provider did not say.
    pub refresh_expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login(***, until {})", self.access_expires_at)
    }
}

/// Stores a new login in the place of the old one, of which nothing stays: it may be another account's.
pub fn begin(tx: &Transaction<'_>, provider: &str, login: &Login, now: Timestamp) -> Result<()> {
    tx.prepare_cached("DELETE FROM tokens WHERE provider = ?1")?.execute([provider])?;
    put(tx, provider, login, now)
}

/// Stores a refreshed login before it is used. A missing refresh token leaves the old one.
pub fn put(tx: &Transaction<'_>, provider: &str, login: &Login, now: Timestamp) -> Result<()> {
    let sql =
        "INSERT INTO tokens (provider, account, access_token, refresh_token, access_expires_at, refresh_expires_at,
                                   stored_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (provider) DO UPDATE SET account = coalesce(?2, account), access_token = ?3,
                   refresh_token = coalesce(?4, refresh_token), access_expires_at = ?5,
                   refresh_expires_at = coalesce(?6, refresh_expires_at), stored_at = ?7";
    tx.prepare_cached(sql)?.execute(params![
        provider,
        login.account,
        login.access_token,
        login.refresh_token,
        to_ms(login.access_expires_at),
        login.refresh_expires_at.map(to_ms),
        to_ms(now),
    ])?;
    Ok(())
}

pub fn find(connection: &Connection, provider: &str) -> Result<Option<Login>> {
    let sql = "SELECT account, access_token, refresh_token, access_expires_at, refresh_expires_at
               FROM tokens WHERE provider = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([provider])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Login {
        account: row.get("account")?,
        access_token: row.get("access_token")?,
        refresh_token: row.get("refresh_token")?,
        access_expires_at: columns::at(row, "access_expires_at")?,
        refresh_expires_at: columns::at_opt(row, "refresh_expires_at")?,
    }))
}
