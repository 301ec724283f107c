//! The books: entries and postings, only ever added.

use super::{Result, columns, to_ms};
use crate::domain::claim::Recipient;
use crate::domain::ledger::{Account, Entry};
use crate::domain::money::{Currency, Money};
use crate::domain::order::OrderId;
use crate::domain::policy::PaidBy;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::HashMap;

/// Books an entry. A second one of the same kind and reference is refused by the schema. An entry that moves nothing is
/// not booked.
pub fn book(tx: &Transaction<'_>, order: &OrderId, at: Timestamp, entry: &Entry) -> Result<()> {
    add(tx, Some(order), at, entry)
}

/// Books an entry that belongs to no order.
pub fn book_apart(tx: &Transaction<'_>, at: Timestamp, entry: &Entry) -> Result<()> {
    add(tx, None, at, entry)
}

/// Whether anything was ever booked.
pub fn is_empty(connection: &Connection) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM entries)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn add(tx: &Transaction<'_>, order: Option<&OrderId>, at: Timestamp, entry: &Entry) -> Result<()> {
    if entry.postings.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO entries (kind, ref, order_id, booked_at) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute(params![entry.kind, entry.reference, order.map(|o| &o.0), to_ms(at)])?;
    let entry_id = tx.last_insert_rowid();
    let sql =
        "INSERT INTO postings (entry_id, seq, debit, credit, amount_minor, currency) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for (seq, posting) in entry.postings.iter().enumerate() {
        let (debit, credit) = (account(tx, &posting.debit)?, account(tx, &posting.credit)?);
        let amount = posting.amount;
        let row = params![entry_id, seq as i64 + 1, debit, credit, amount.minor, amount.currency.code()];
        tx.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

fn account(tx: &Transaction<'_>, account: &Account) -> Result<i64> {
    let name = account.to_string();
    let found =
        tx.prepare_cached("SELECT id FROM accounts WHERE name = ?1")?.query_row([&name], |r| r.get(0)).optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO accounts (name) VALUES (?1)")?.execute([&name])?;
    Ok(tx.last_insert_rowid())
}

/// Who paid the supplier for this order, as it was booked then. `None`: nothing is booked. The seller is paid back only
/// what was booked as his, so he counts only if all of it is.
pub fn paid_by(connection: &Connection, order: &OrderId) -> Result<Option<PaidBy>> {
    let booked = of_order(connection, order)?;
    let mut payers = booked.iter().filter(|p| p.kind == "supplier_paid").map(|p| p.credit.as_str()).peekable();
    if payers.peek().is_none() {
        return Ok(None);
    }
    let seller = Account::Payable(Recipient::Seller).to_string();
    Ok(Some(if payers.all(|payer| payer == seller) { PaidBy::Seller } else { PaidBy::Owner }))
}

/// What of an order's profit was promised so far, by account: credits less debits of its sale and its corrections.
pub fn shares(connection: &Connection, order: &OrderId) -> Result<Vec<(Account, Money)>> {
    let booked = of_order(connection, order)?;
    let share = Account::ProfitShare.to_string();
    let known = [
        Account::Payable(Recipient::Platform),
        Account::Payable(Recipient::Seller),
        Account::Receivable(Recipient::Platform),
        Account::Receivable(Recipient::Seller),
        Account::EquityTest,
        Account::EquityRetained,
    ];
    let mut shares = Vec::new();
    for account in known {
        let name = account.to_string();
        let (mut minor, mut currency) = (0_i64, None);
        for posting in booked.iter().filter(|p| p.debit == share || p.credit == share) {
            let sign = i64::from(posting.credit == name) - i64::from(posting.debit == name);
            minor = minor.saturating_add(sign * posting.amount.minor);
            currency = Some(posting.amount.currency);
        }
        shares.extend(currency.map(|currency| (account, Money::new(minor, currency))));
    }
    Ok(shares)
}

/// Debits less credits of one account in one currency.
pub fn balance(connection: &Connection, account: &Account, currency: Currency) -> Result<Money> {
    let sql = "SELECT minor FROM balances b JOIN accounts a ON a.id = b.account WHERE a.name = ?1 AND b.currency = ?2";
    let minor = connection
        .prepare_cached(sql)?
        .query_row(params![account.to_string(), currency.code()], |row| row.get(0))
        .optional()?;
    Ok(Money::new(minor.unwrap_or(0), currency))
}

/// Every balance in one currency, read at once.
pub struct Balances(Currency, HashMap<String, i64>);

pub fn balances_in(connection: &Connection, currency: Currency) -> Result<Balances> {
    let sql = "SELECT a.name, b.minor FROM balances b JOIN accounts a ON a.id = b.account WHERE b.currency = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([currency.code()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Balances(currency, rows.collect::<rusqlite::Result<_>>()?))
}

impl Balances {
    /// Zero for an account that nothing was ever booked on.
    pub fn of(&self, account: &Account) -> Money {
        Money::new(self.1.get(&account.to_string()).copied().unwrap_or(0), self.0)
    }
}

/// One posting as people read it.
#[derive(Clone, Debug, PartialEq)]
pub struct PostingRow {
    pub kind: String,
    pub reference: String,
    pub debit: String,
    pub credit: String,
    pub amount: Money,
}

pub fn of_order(connection: &Connection, order: &OrderId) -> Result<Vec<PostingRow>> {
    let sql = "SELECT e.kind, e.ref, d.name AS debit, c.name AS credit, p.amount_minor, p.currency
               FROM entries e JOIN postings p ON p.entry_id = e.id
               JOIN accounts d ON d.id = p.debit JOIN accounts c ON c.id = p.credit
               WHERE e.order_id = ?1 ORDER BY e.id, p.seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut postings = Vec::new();
    while let Some(row) = rows.next()? {
        postings.push(posting(row)?);
    }
    Ok(postings)
}

fn posting(row: &Row<'_>) -> Result<PostingRow> {
    let amount = columns::money(row, "amount_minor", columns::currency(row, "currency")?)?;
    let (kind, reference) = (row.get("kind")?, row.get("ref")?);
    Ok(PostingRow { kind, reference, debit: row.get("debit")?, credit: row.get("credit")?, amount })
}

/// Every account with a balance, by name and currency.
pub fn balances(connection: &Connection) -> Result<Vec<(String, Money)>> {
    let sql = "SELECT a.name, b.currency, b.minor FROM balances b JOIN accounts a ON a.id = b.account
               WHERE b.minor <> 0 ORDER BY a.name, b.currency";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut balances = Vec::new();
    while let Some(row) = rows.next()? {
        let currency = columns::currency(row, "currency")?;
        balances.push((row.get("name")?, columns::money(row, "minor", currency)?));
    }
    Ok(balances)
}
