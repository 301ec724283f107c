//! What the rows say about one order, as a report has to show it: every row with its own id, nulls as nulls. Nothing is
//! summed up or judged here, and nobody's memory is asked.

use super::ledger::PostingRow;
use super::open::reader;
use super::{Result, columns, holds, quotes, sales};
use crate::domain::hold::Hold;
use crate::domain::money::Money;
use crate::domain::order::{Buyer, Mode, OrderId, Origin};
use crate::domain::sale::Sale;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use std::path::Path;

/// All rows of one order at one moment. The ids in it are row ids and the providers' own ids.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub order: OrderSeen,
    /// `None` = no row, or erased since.
    pub buyer: Option<Buyer>,
    /// The standing hold and its row.
    pub hold: Option<(i64, Hold)>,
    /// The last answer of the supplier; `None` = he was never asked.
    pub quote: Option<QuoteSeen>,
    /// Oldest attempt first, slot by slot.
    pub claims: Vec<ClaimSeen>,
    pub supplier_orders: Vec<SupplierOrderSeen>,
    pub sale: Option<SaleSeen>,
    pub payouts: Vec<PayoutSeen>,
    pub entries: Vec<EntrySeen>,
    pub postings: Vec<PostingRow>,
    /// Sequence, kind and detail of the order's events, oldest first.
    pub events: Vec<(i64, String, String)>,
    pub last_event_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct OrderSeen {
    pub id: OrderId,
    pub mode: Mode,
    pub origin: Origin,
    pub total: Money,
    pub stage: String,
    pub waits_for: String,
    pub next_look_at: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub lines: u32,
}

#[derive(Clone, Debug)]
pub struct QuoteSeen {
    pub seq: i64,
    /// `None` = an offer.
    pub failure: Option<String>,
    pub landed: Option<Money>,
    pub hash: Option<String>,
    /// Who approved this order last, if anybody did.
    pub approved_by: Option<String>,
}

#[derive(Clone, Debug)]
pub struct ClaimSeen {
    pub key: String,
    pub slot: String,
    pub attempt: u32,
    pub state: String,
    pub amount: Money,
    pub sends: u32,
    pub unknown_at: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
    pub journal_seq: Option<i64>,
    pub refusal: Option<String>,
    /// Guards stored with a purchase.
    pub guards: u32,
    /// Of a purchase; `None` for others.
    pub is_auto_pay: Option<bool>,
    pub placed_at: Option<Timestamp>,
    /// What the supplier said beside a purchase, such as why auto-pay failed.
    pub note: Option<String>,
}

#[derive(Clone, Debug)]
pub struct SupplierOrderSeen {
    pub id: String,
    pub key: String,
    pub state: String,
    pub total: Option<Money>,
    pub status: Option<String>,
    pub asked_at: Option<Timestamp>,
    pub pay_by: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct SaleSeen {
    pub sale: Sale,
    /// As stored; 0 where no leg is made.
    pub platform_leg: Money,
    pub seller_leg: Money,
}

#[derive(Clone, Debug)]
pub struct PayoutSeen {
    pub key: String,
    pub recipient: String,
    pub batch_id: Option<String>,
    pub item_id: Option<String>,
    pub item_status: Option<String>,
    pub transaction_id: Option<String>,
    pub fee_minor: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct EntrySeen {
    pub id: i64,
    pub kind: String,
    pub reference: String,
}

/// Everything about one order. `None` = there is no such order.
pub fn load(connection: &Connection, id: &OrderId) -> Result<Option<Evidence>> {
    let Some(order) = order(connection, id)? else { return Ok(None) };
    let events = super::events::of_order(connection, id)?;
    let last_event_at = events.last().map(|e| e.at);
    Ok(Some(Evidence {
        buyer: super::intake::buyer(connection, id)?,
        hold: hold(connection, id)?,
        quote: quote(connection, id)?,
        claims: rows(connection, CLAIMS, id, claim)?,
        supplier_orders: rows(connection, SUPPLIER_ORDERS, id, supplier_order)?,
        sale: sale(connection, id)?,
        payouts: rows(connection, PAYOUTS, id, payout)?,
        entries: rows(connection, ENTRIES, id, entry)?,
        postings: super::ledger::of_order(connection, id)?,
        events: events.into_iter().map(|e| (e.seq, e.kind, e.detail)).collect(),
        last_event_at,
        order,
    }))
}

/// `payout_executed` of a sale, read from the file through a connection of its own that can only read. `None` = there
/// is no sale.
pub fn payout_executed(path: &Path, id: &OrderId) -> Result<Option<bool>> {
    let connection = reader(path)?;
    let sql = "SELECT payout_executed FROM sales WHERE order_id = ?1";
    Ok(connection.prepare(sql)?.query_row([&id.0], |row| row.get(0)).optional()?)
}

fn rows<T>(connection: &Connection, sql: &str, id: &OrderId, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&id.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn order(connection: &Connection, id: &OrderId) -> Result<Option<OrderSeen>> {
    let sql = "SELECT mode, origin, total_minor, currency, stage, waits_for, next_look_at, paid_at, created_at,
                      closed_at, (SELECT count(*) FROM order_lines l WHERE l.order_id = orders.id) AS lines
               FROM orders WHERE id = ?1";
    let mut found = rows(connection, sql, id, |row| {
        Ok(OrderSeen {
            id: id.clone(),
            mode: columns::word(row, "mode", Mode::parse)?,
            origin: columns::word(row, "origin", Origin::parse)?,
            total: columns::money(row, "total_minor", columns::currency(row, "currency")?)?,
            stage: row.get("stage")?,
            waits_for: row.get("waits_for")?,
            next_look_at: columns::at_opt(row, "next_look_at")?,
            paid_at: columns::at_opt(row, "paid_at")?,
            created_at: columns::at(row, "created_at")?,
            closed_at: columns::at_opt(row, "closed_at")?,
            lines: row.get("lines")?,
        })
    })?;
    Ok(found.pop())
}

fn hold(connection: &Connection, id: &OrderId) -> Result<Option<(i64, Hold)>> {
    let Some(hold) = holds::standing(connection, id)? else { return Ok(None) };
    let sql = "SELECT seq FROM holds WHERE order_id = ?1 AND released_at IS NULL";
    let seq = connection.prepare_cached(sql)?.query_row([&id.0], |row| row.get(0))?;
    Ok(Some((seq, hold)))
}

fn quote(connection: &Connection, id: &OrderId) -> Result<Option<QuoteSeen>> {
    let sql = "SELECT max(seq) FROM quotes WHERE order_id = ?1";
    let seq: Option<i64> = connection.prepare_cached(sql)?.query_row([&id.0], |row| row.get(0))?;
    let Some(seq) = seq else { return Ok(None) };
    let last = quotes::last(connection, id)?;
    let sql = "SELECT given_by FROM approvals WHERE order_id = ?1 ORDER BY seq DESC LIMIT 1";
    let approved_by = connection.prepare_cached(sql)?.query_row([&id.0], |row| row.get(0)).optional()?;
    let landed = last.quote.as_ref().and_then(|q| q.landed().ok());
    let failure = last.failure.map(|failure| failure.reason);
    Ok(Some(QuoteSeen { seq, failure, landed, hash: last.quote.map(|q| q.hash), approved_by }))
}

const CLAIMS: &str = "SELECT c.key, c.slot, c.attempt, c.state, c.amount_minor, c.currency, c.sends, c.unknown_at,
                             c.not_before_at, c.journal_seq, c.refusal, p.is_auto_pay, p.placed_at, p.note,
                             (SELECT count(*) FROM guard_readings g WHERE g.key = c.key) AS guards
                      FROM claims c LEFT JOIN purchases p ON p.key = c.key
                      WHERE c.order_id = ?1 ORDER BY c.slot, c.attempt";

fn claim(row: &Row<'_>) -> Result<ClaimSeen> {
    Ok(ClaimSeen {
        key: row.get("key")?,
        slot: row.get("slot")?,
        attempt: row.get("attempt")?,
        state: row.get("state")?,
        amount: columns::money(row, "amount_minor", columns::currency(row, "currency")?)?,
        sends: row.get("sends")?,
        unknown_at: columns::at_opt(row, "unknown_at")?,
        not_before: columns::at_opt(row, "not_before_at")?,
        journal_seq: row.get("journal_seq")?,
        refusal: row.get("refusal")?,
        guards: row.get("guards")?,
        is_auto_pay: row.get("is_auto_pay")?,
        placed_at: columns::at_opt(row, "placed_at")?,
        note: row.get("note")?,
    })
}

const SUPPLIER_ORDERS: &str = "SELECT s.id, s.key, s.state, s.total_minor, s.currency, s.status, s.asked_at,
                                      s.pay_by_at, s.paid_at
                               FROM supplier_orders s JOIN claims c ON c.key = s.key
                               WHERE c.order_id = ?1 ORDER BY s.id";

fn supplier_order(row: &Row<'_>) -> Result<SupplierOrderSeen> {
    let total = match row.get::<_, Option<i64>>("total_minor")? {
        Some(minor) => Some(Money::new(minor, columns::currency(row, "currency")?)),
        None => None,
    };
    Ok(SupplierOrderSeen {
        id: row.get("id")?,
        key: row.get("key")?,
        state: row.get("state")?,
        total,
        status: row.get("status")?,
        asked_at: columns::at_opt(row, "asked_at")?,
        pay_by: columns::at_opt(row, "pay_by_at")?,
        paid_at: columns::at_opt(row, "paid_at")?,
    })
}

fn sale(connection: &Connection, id: &OrderId) -> Result<Option<SaleSeen>> {
    let Some(sale) = sales::find(connection, id)? else { return Ok(None) };
    let sql = "SELECT platform_leg_minor, seller_leg_minor FROM sale_now WHERE order_id = ?1";
    let legs = connection.prepare_cached(sql)?.query_row([&id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let currency = sale.gross.currency;
    let (platform_leg, seller_leg) = (Money::new(legs.0, currency), Money::new(legs.1, currency));
    Ok(Some(SaleSeen { sale, platform_leg, seller_leg }))
}

const PAYOUTS: &str = "SELECT p.key, p.recipient, p.batch_id, p.item_id, p.item_status, p.transaction_id, p.fee_minor
                       FROM payouts p JOIN claims c ON c.key = p.key
                       WHERE c.order_id = ?1 ORDER BY p.recipient, c.attempt";

fn payout(row: &Row<'_>) -> Result<PayoutSeen> {
    Ok(PayoutSeen {
        key: row.get("key")?,
        recipient: row.get("recipient")?,
        batch_id: row.get("batch_id")?,
        item_id: row.get("item_id")?,
        item_status: row.get("item_status")?,
        transaction_id: row.get("transaction_id")?,
        fee_minor: row.get("fee_minor")?,
    })
}

const ENTRIES: &str = "SELECT id, kind, ref FROM entries WHERE order_id = ?1 ORDER BY id";

fn entry(row: &Row<'_>) -> Result<EntrySeen> {
    Ok(EntrySeen { id: row.get("id")?, kind: row.get("kind")?, reference: row.get("ref")? })
}
