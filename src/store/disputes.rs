//! Disputes and the money PayPal moved because of them.

use super::{Result, columns, one, to_ms};
use crate::domain::dispute::{Dispute, Standing, standing};
use crate::domain::money::{Currency, Money};
use crate::domain::order::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// PayPal told of a dispute about this order. It counts as open until it is read.
pub fn told(tx: &Transaction<'_>, id: &str, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO disputes (id, order_id, told, told_at) VALUES (?1, ?2, 1, ?3)
               ON CONFLICT (id) DO UPDATE SET told = told + 1, told_at = ?3 WHERE order_id = ?2";
    one(tx.prepare_cached(sql)?.execute(params![id, order.0, to_ms(now)])?, "noting a dispute")
}

/// We asked and learned nothing.
pub fn asked(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE disputes SET asked_at = ?2 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id, to_ms(now)])?, "noting a look at a dispute")
}

/// A dispute as PayPal showed it.
pub struct Seen<'a> {
    pub id: &'a str,
    /// How often it had been told of when PayPal was asked.
    pub told: u32,
    pub capture_id: Option<&'a str>,
    pub status: &'a str,
    pub stage: Option<&'a str>,
    pub reason: &'a str,
    pub amount: Option<Money>,
    pub opened_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub respond_by: Option<Timestamp>,
    pub outcome: Option<&'a str>,
}

/// Stores what PayPal showed; says whether its status, deadline or outcome is news. An answer that is older than what
/// stands here changes nothing.
pub fn read(tx: &Transaction<'_>, seen: &Seen<'_>, now: Timestamp) -> Result<bool> {
    let currency = seen.amount.map(|m| m.currency);
    let sql = "UPDATE disputes SET heard = max(heard, ?2), asked_at = ?3 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![seen.id, seen.told, to_ms(now)])?, "noting a read dispute")?;
    let sql = "UPDATE disputes SET capture_id = coalesce(?2, capture_id), status = ?3, stage = ?4, reason = ?5,
                      amount_minor = ?6, currency = ?7, opened_at = ?8, updated_at = ?9, respond_by = ?10,
                      outcome = ?11,
                      accepted_at = CASE WHEN outcome IS ?11 THEN accepted_at END,
                      accepted_by = CASE WHEN outcome IS ?11 THEN accepted_by END
               WHERE id = ?1 AND (updated_at IS NULL OR ?9 IS NULL OR updated_at <= ?9)
                 AND (status IS NOT ?3 OR stage IS NOT ?4 OR reason IS NOT ?5 OR amount_minor IS NOT ?6
                      OR respond_by IS NOT ?10 OR outcome IS NOT ?11 OR updated_at IS NOT ?9)";
    let changed = tx.prepare_cached(sql)?.execute(params![
        seen.id,
        seen.capture_id,
        seen.status,
        seen.stage,
        seen.reason,
        seen.amount.map(|m| m.minor),
        currency.as_ref().map(Currency::code),
        seen.opened_at.map(to_ms),
        seen.updated_at.map(to_ms),
        seen.respond_by.map(to_ms),
        seen.outcome,
    ])?;
    Ok(changed == 1)
}

/// The dispute is about another order than we were told.
pub fn moved_to(tx: &Transaction<'_>, id: &str, order: &OrderId) -> Result<()> {
    let sql = "UPDATE disputes SET order_id = ?2 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id, order.0])?, "moving a dispute to its order")
}

/// One movement in our account.
pub struct Movement<'a> {
    pub is_debit: bool,
    pub reason: &'a str,
    pub amount: Money,
    pub at: Option<Timestamp>,
}

/// Stores a movement unless `alike` of the same kind stand here already; answers its number if it is new. PayPal gives
/// movements no ids, so two that are alike in everything are told apart by their count only.
pub fn moved(tx: &Transaction<'_>, id: &str, movement: &Movement<'_>, alike: u32) -> Result<Option<u32>> {
    let Movement { is_debit, reason, amount, at } = movement;
    let (code, at) = (amount.currency.code(), at.map(to_ms));
    let sql = "SELECT count(*) FROM dispute_movements
               WHERE dispute_id = ?1 AND is_debit = ?2 AND reason = ?3 AND amount_minor = ?4 AND currency = ?5
                 AND moved_at IS ?6";
    let row = params![id, is_debit, reason, amount.minor, code, at];
    let known: u32 = tx.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
    if known >= alike {
        return Ok(None);
    }
    let sql = "INSERT INTO dispute_movements (dispute_id, n, is_debit, reason, amount_minor, currency, moved_at)
               SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM dispute_movements WHERE dispute_id = ?1
               RETURNING n";
    Ok(Some(tx.prepare_cached(sql)?.query_row(params![id, is_debit, reason, amount.minor, code, at], |r| r.get(0))?))
}

/// Sets what of a dispute stands among the chargebacks; answers the number of this change, 1 and up.
pub fn charge(tx: &Transaction<'_>, id: &str, minor: i64) -> Result<u32> {
    let sql = "UPDATE disputes SET charged_minor = ?2, charges = charges + 1 WHERE id = ?1 RETURNING charges";
    Ok(tx.prepare_cached(sql)?.query_row(params![id, minor], |row| row.get(0))?)
}

/// What of a dispute stands among the chargebacks, in minor units of the order's currency.
pub fn charged(connection: &Connection, id: &str) -> Result<i64> {
    let sql = "SELECT charged_minor FROM disputes WHERE id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
}

/// How often a dispute was told of; 0: it is not known.
pub fn tellings(connection: &Connection, id: &str) -> Result<u32> {
    let sql = "SELECT told FROM disputes WHERE id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// A person has seen the lost disputes of an order; says whether there was one nobody had seen.
pub fn accept(tx: &Transaction<'_>, order: &OrderId, by: &str, now: Timestamp) -> Result<bool> {
    let lost = of_order(tx, order)?.into_iter().filter(|d| d.standing() == Standing::Lost && !d.is_accepted);
    let sql = "UPDATE disputes SET accepted_at = ?2, accepted_by = ?3 WHERE id = ?1";
    let mut was_new = false;
    for dispute in lost {
        one(tx.prepare_cached(sql)?.execute(params![dispute.id, to_ms(now), by])?, "accepting a lost dispute")?;
        was_new = true;
    }
    Ok(was_new)
}

/// Taken from our account and not given back, fees left out: in the order's currency, and in another one if any is left
/// there (the largest of several). `None`: nothing moved in the one, nothing is left in the others.
pub fn taken(connection: &Connection, id: &str) -> Result<(Option<Money>, Option<Money>)> {
    let sql = "SELECT m.currency, m.currency = o.currency AS is_own,
                      sum(CASE WHEN m.is_debit THEN m.amount_minor ELSE -m.amount_minor END) AS minor
               FROM dispute_movements m JOIN disputes d ON d.id = m.dispute_id JOIN orders o ON o.id = d.order_id
               WHERE m.dispute_id = ?1 AND m.reason NOT LIKE '%\\_FEE' ESCAPE '\\'
               GROUP BY m.currency ORDER BY abs(minor) DESC, m.currency";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let (mut own, mut abroad) = (None, None);
    while let Some(row) = rows.next()? {
        let amount = columns::money(row, "minor", columns::currency(row, "currency")?)?;
        if row.get("is_own")? {
            own = Some(amount);
        } else if !amount.is_zero() {
            abroad = abroad.or(Some(amount));
        }
    }
    Ok((own, abroad))
}

/// Everything disputes moved in our account: the order, and the amount with the sign it had for us.
pub fn movements(connection: &Connection) -> Result<Vec<(OrderId, Money)>> {
    let sql =
        "SELECT d.order_id, CASE WHEN m.is_debit THEN -m.amount_minor ELSE m.amount_minor END AS minor, m.currency
               FROM dispute_movements m JOIN disputes d ON d.id = m.dispute_id ORDER BY m.dispute_id, m.n";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let amount = columns::money(row, "minor", columns::currency(row, "currency")?)?;
        found.push((OrderId(row.get("order_id")?), amount));
    }
    Ok(found)
}

/// The disputes of an order, the oldest first.
pub fn of_order(connection: &Connection, order: &OrderId) -> Result<Vec<Dispute>> {
    let sql = "SELECT id, told, heard, told_at, asked_at, status, reason, amount_minor, currency, respond_by, outcome,
                      accepted_at
               FROM disputes WHERE order_id = ?1 ORDER BY coalesce(opened_at, told_at), id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&order.0])?;
    let mut disputes = Vec::new();
    while let Some(row) = rows.next()? {
        let dispute = dispute(row)?;
        let (taken, abroad) = taken(connection, &dispute.id)?;
        disputes.push(Dispute { taken, abroad, ..dispute });
    }
    Ok(disputes)
}

fn dispute(row: &Row<'_>) -> Result<Dispute> {
    let amount = match row.get::<_, Option<i64>>("amount_minor")? {
        Some(minor) => Some(Money::new(minor, columns::currency(row, "currency")?)),
        None => None,
    };
    let (told, heard): (u32, u32) = (row.get("told")?, row.get("heard")?);
    let status: Option<String> = row.get("status")?;
    Ok(Dispute {
        id: row.get("id")?,
        is_unread: heard < told || status.is_none(),
        told_at: columns::at(row, "told_at")?,
        asked_at: columns::at_opt(row, "asked_at")?,
        status,
        reason: row.get::<_, Option<String>>("reason")?.unwrap_or_default(),
        amount,
        respond_by: columns::at_opt(row, "respond_by")?,
        outcome: row.get("outcome")?,
        taken: None,
        abroad: None,
        is_accepted: row.get::<_, Option<i64>>("accepted_at")?.is_some(),
    })
}

/// Disputed and not yet taken by PayPal, in minor units: of open disputes all, of lost ones what is still to go. A
/// dispute that was never read counts with its whole order (MONEY A10).
pub fn not_yet_taken(connection: &Connection, currency: Currency) -> Result<i64> {
    let sql = "SELECT d.id, d.status, d.outcome, d.heard < d.told AS is_unread,
                      coalesce(d.amount_minor, o.total_minor) AS minor
               FROM disputes d JOIN orders o ON o.id = d.order_id
               WHERE coalesce(d.currency, o.currency) = ?1 AND (d.status IS NOT 'RESOLVED' OR d.heard < d.told
                     OR d.accepted_at IS NULL)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([currency.code()])?;
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        let (id, is_unread): (String, bool) = (row.get("id")?, row.get("is_unread")?);
        let (status, outcome): (Option<String>, Option<String>) = (row.get("status")?, row.get("outcome")?);
        let (taken, abroad) = taken(connection, &id)?;
        if is_unread || standing(status.as_deref(), outcome.as_deref(), taken, abroad) != Standing::Over {
            let disputed: i64 = row.get("minor")?;
            let taken = taken.filter(|taken| taken.currency == currency);
            sum += (disputed - taken.map_or(0, |m| m.minor)).max(0);
        }
    }
    Ok(sum)
}
