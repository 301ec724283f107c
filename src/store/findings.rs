//! Our side of the comparison with the far sides' statements, and what came of it. A finding is never deleted: it is
//! seen again, or resolved because a comparison did not find it any more.

use super::{Result, columns, one, to_ms};
use crate::domain::claim::State;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::payout::ItemStatus;
use crate::domain::statement::{Finding, Ledger, Ours, OursKind, SupplierLook, SupplierOrder};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};
use std::collections::{BTreeMap, BTreeSet};

/// A stored finding.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingRow {
    pub id: i64,
    /// `paypal` or `aliexpress`.
    pub provider: String,
    pub kind: String,
    /// The far side's id, or our key.
    pub reference: String,
    pub order: Option<OrderId>,
    pub amount: Option<Money>,
    /// It contradicts a capture, refund, payout or purchase of ours.
    pub contradicts: bool,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// `None`: it stands.
    pub resolved_at: Option<Timestamp>,
    pub detail: String,
}

/// Makes what stands for a provider exactly `found`: new ones are entered, known ones seen again, others resolved.
/// Answers the new ones.
pub fn replace<'a>(
    tx: &Transaction<'_>,
    provider: &str,
    found: &'a [Finding],
    now: Timestamp,
) -> Result<Vec<&'a Finding>> {
    let standing: BTreeMap<(String, String), i64> = list(tx, false)?
        .into_iter()
        .filter(|row| row.provider == provider)
        .map(|row| ((row.kind, row.reference), row.id))
        .collect();
    let mut seen = BTreeSet::new();
    let mut new = Vec::new();
    for finding in found {
        let name = (finding.kind.word().to_owned(), finding.reference.clone());
        if !seen.insert(name.clone()) {
            continue;
        }
        match standing.get(&name) {
            Some(id) => seen_again(tx, *id, finding, now)?,
            None => {
                insert(tx, provider, finding, now)?;
                new.push(finding);
            }
        }
    }
    for id in standing.iter().filter(|(name, _)| !seen.contains(*name)).map(|(_, id)| id) {
        let sql = "UPDATE findings SET resolved_at = ?2 WHERE id = ?1 AND resolved_at IS NULL";
        one(tx.execute(sql, params![id, to_ms(now)])?, "resolving a finding")?;
    }
    Ok(new)
}

fn seen_again(tx: &Transaction<'_>, id: i64, finding: &Finding, now: Timestamp) -> Result<()> {
    let sql = "UPDATE findings SET last_seen_at = ?2, order_id = ?3, amount_minor = ?4, currency = ?5, detail = ?6
               WHERE id = ?1";
    let (minor, currency) = (finding.amount.map(|m| m.minor), finding.amount.map(|m| m.currency.code().to_owned()));
    let order = finding.order.as_ref().map(|o| o.0.as_str());
    one(tx.execute(sql, params![id, to_ms(now), order, minor, currency, finding.detail])?, "seeing a finding again")
}

fn insert(tx: &Transaction<'_>, provider: &str, finding: &Finding, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO findings (provider, kind, ref, order_id, amount_minor, currency, contradicts, first_seen_at,
                                     last_seen_at, detail)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)";
    let (minor, currency) = (finding.amount.map(|m| m.minor), finding.amount.map(|m| m.currency.code().to_owned()));
    let (kind, order) = (finding.kind, finding.order.as_ref().map(|o| o.0.as_str()));
    let row = params![
        provider,
        kind.word(),
        finding.reference,
        order,
        minor,
        currency,
        kind.contradicts(),
        to_ms(now),
        finding.detail
    ];
    tx.execute(sql, row)?;
    Ok(())
}

/// The findings that stand, oldest first; with `also_resolved` also those that do not any more.
pub fn list(connection: &Connection, also_resolved: bool) -> Result<Vec<FindingRow>> {
    let sql = "SELECT id, provider, kind, ref, order_id, amount_minor, currency, contradicts, first_seen_at,
                      last_seen_at, resolved_at, detail
               FROM findings WHERE ?1 OR resolved_at IS NULL ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([also_resolved])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(FindingRow {
            id: row.get("id")?,
            provider: row.get("provider")?,
            kind: row.get("kind")?,
            reference: row.get("ref")?,
            order: row.get::<_, Option<String>>("order_id")?.map(OrderId),
            amount: amount(row, "amount_minor")?,
            contradicts: row.get("contradicts")?,
            first_seen_at: columns::at(row, "first_seen_at")?,
            last_seen_at: columns::at(row, "last_seen_at")?,
            resolved_at: columns::at_opt(row, "resolved_at")?,
            detail: row.get("detail")?,
        });
    }
    Ok(found)
}

/// The finding of that number, standing or not.
pub fn find(connection: &Connection, id: i64) -> Result<Option<FindingRow>> {
    Ok(list(connection, true)?.into_iter().find(|row| row.id == id))
}

/// A person has booked what it is about.
pub fn explained(tx: &Transaction<'_>, id: i64, now: Timestamp) -> Result<()> {
    let sql = "UPDATE findings SET resolved_at = ?2 WHERE id = ?1 AND resolved_at IS NULL";
    one(tx.execute(sql, params![id, to_ms(now)])?, "resolving a finding")
}

/// Minor units beside a column `currency`, both there or neither.
fn amount(row: &Row<'_>, column: &str) -> Result<Option<Money>> {
    match row.get::<_, Option<i64>>(column)? {
        Some(minor) => Ok(Some(Money::new(minor, columns::currency(row, "currency")?))),
        None => Ok(None),
    }
}

/// Everything of ours that PayPal's statement is compared with.
pub fn ledger(connection: &Connection) -> Result<Ledger> {
    let mut ledger =
        Ledger { ours: ours(connection)?, disputed: super::disputes::movements(connection)?, ..Ledger::default() };
    let sql = "SELECT order_id FROM checkouts WHERE paypal_order_id IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let orders = statement.query_map([], |row| row.get(0).map(OrderId))?;
    ledger.checkouts = orders.collect::<rusqlite::Result<_>>()?;
    // What was listed as a refund and is a reversal is booked as one: its id explains nothing by itself.
    let sql = "SELECT DISTINCT ref FROM entries e WHERE kind NOT IN ('reversal', 'refund_returned')
                 AND (kind <> 'refund' OR ref NOT IN (SELECT refund_id FROM listed_reversals))";
    let mut statement = connection.prepare(sql)?;
    let references = statement.query_map([], |row| row.get(0))?;
    ledger.booked = references.collect::<rusqlite::Result<_>>()?;
    ledger.reversed = reversed(connection)?;
    let sql =
        "SELECT id, substr(outside_capture, length('paypal:') + 1) AS capture_id, total_minor, currency FROM orders
               WHERE outside_capture LIKE 'paypal:%' AND funds = 'settled'";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let total = columns::money(row, "total_minor", columns::currency(row, "currency")?)?;
        ledger.settled.insert(row.get("capture_id")?, (OrderId(row.get("id")?), total));
    }
    Ok(ledger)
}

/// A reversal counts while it stands; one that another place explains now explains nothing itself.
fn reversed(connection: &Connection) -> Result<Vec<(String, Money)>> {
    let sql = "SELECT capture_id, sum(amount_minor) AS minor, currency FROM refunds
               WHERE kind = 'reversal' AND status = 'COMPLETED' GROUP BY capture_id, currency ORDER BY capture_id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut reversed = Vec::new();
    while let Some(row) = rows.next()? {
        let amount = columns::money(row, "minor", columns::currency(row, "currency")?)?;
        reversed.push((row.get("capture_id")?, amount));
    }
    Ok(reversed)
}

/// A payout that is done without a fee was booked without one.
fn ours(connection: &Connection) -> Result<Vec<Ours>> {
    let sql = "SELECT 'capture' AS kind, c.key, c.order_id, c.state, k.capture_id AS outside_id, c.amount_minor,
                      c.currency, k.fee_minor, coalesce(c.settled_at, c.claimed_at) AS at, NULL AS item
               FROM claims c LEFT JOIN captures k ON k.key = c.key WHERE c.slot = 'capture'
               UNION ALL
               SELECT 'payout', c.key, c.order_id, c.state, p.transaction_id, c.amount_minor,
                      c.currency, CASE c.state WHEN 'done' THEN coalesce(p.fee_minor, 0) ELSE p.fee_minor END,
                      coalesce(c.settled_at, c.claimed_at), p.item_status
               FROM claims c LEFT JOIN payouts p ON p.key = c.key WHERE c.slot IN ('payout:platform', 'payout:seller')
               UNION ALL
               SELECT 'refund', c.key, c.order_id, CASE WHEN r.status IN ('FAILED', 'CANCELLED') THEN 'void' ELSE c.state END,
                      r.refund_id, c.amount_minor,
                      c.currency, r.fee_back_minor, coalesce(c.settled_at, c.claimed_at), NULL
               FROM claims c LEFT JOIN refunds r ON r.key = c.key WHERE c.slot GLOB 'refund:*'";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut ours = Vec::new();
    while let Some(row) = rows.next()? {
        let currency = columns::currency(row, "currency")?;
        ours.push(Ours {
            kind: columns::word(row, "kind", OursKind::parse)?,
            key: row.get("key")?,
            order: OrderId(row.get("order_id")?),
            state: columns::word(row, "state", State::parse)?,
            id: row.get("outside_id")?,
            amount: columns::money(row, "amount_minor", currency)?,
            fee: columns::money_opt(row, "fee_minor", currency)?,
            at: columns::at(row, "at")?,
            item: columns::word_opt(row, "item", ItemStatus::parse)?,
        });
    }
    Ok(ours)
}

/// Every supplier order in our books, with the supplier's last word about it.
pub fn supplier_orders(connection: &Connection) -> Result<Vec<SupplierOrder>> {
    // What was reckoned from another currency is compared as it was asked.
    let sql = "SELECT s.id, c.order_id, s.paid_at, coalesce(r.asked_minor, b.booked_minor) AS booked_minor,
                      coalesce(r.asked_currency, b.booked_currency) AS booked_currency, l.looked_at, l.status,
                      l.is_paid, l.is_ended, l.total_minor, l.currency,
                      b.booked_minor IS NOT NULL AND b.booked_minor <= (
                          SELECT coalesce(sum(f.amount_minor), 0) FROM supplier_refunds f
                          WHERE f.supplier_order_id = s.id AND f.currency = b.booked_currency) AS is_all_back
               FROM supplier_orders s JOIN claims c ON c.key = s.key
               LEFT JOIN (SELECT e.ref, p.amount_minor AS booked_minor, p.currency AS booked_currency
                          FROM entries e JOIN postings p ON p.entry_id = e.id AND p.seq = 1
                          WHERE e.kind = 'supplier_paid') b ON b.ref = s.id
               LEFT JOIN supplier_looks l ON l.id = s.id
               LEFT JOIN reckoned r ON r.supplier_order_id = s.id AND b.booked_minor IS NOT NULL
                                   AND r.asked_currency = l.currency AND l.currency <> b.booked_currency
               ORDER BY s.id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        let booked = match row.get::<_, Option<i64>>("booked_minor")? {
            Some(minor) => Some(Money::new(minor, columns::currency(row, "booked_currency")?)),
            None => None,
        };
        let look = match columns::at_opt(row, "looked_at")? {
            Some(at) => Some(SupplierLook {
                at,
                status: row.get("status")?,
                is_paid: row.get("is_paid")?,
                is_ended: row.get("is_ended")?,
                total: amount(row, "total_minor")?,
            }),
            None => None,
        };
        orders.push(SupplierOrder {
            id: row.get("id")?,
            order: OrderId(row.get("order_id")?),
            paid_at: columns::at_opt(row, "paid_at")?,
            booked,
            is_all_back: row.get("is_all_back")?,
            look,
        });
    }
    Ok(orders)
}
