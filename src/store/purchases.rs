//! Purchases and the supplier orders they became.

use super::{Result, StoreError, claims, columns, one, to_ms};
use crate::domain::claim::{Claim, Slot};
use crate::domain::guards::{Guard, Reading, Verdict};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::purchase::{Purchase, SupplierOrder, SupplierOrderState};
use crate::domain::trade::Placing;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// Stores what was approved beside its claim, with every guard and what it saw. A purchase without the full set is
/// refused.
pub fn insert(tx: &Transaction<'_>, key: &str, placing: &Placing) -> Result<()> {
    if let Some(missing) = Guard::ALL.iter().find(|g| !placing.guards.iter().any(|r| r.guard == **g)) {
        return Err(StoreError::Conflict(format!("the guard {missing} was not asked")));
    }
    let sql =
        "INSERT INTO purchases (key, ceiling_minor, currency, quote_hash, is_auto_pay) VALUES (?1, ?2, ?3, ?4, ?5)";
    let ceiling = placing.ceiling;
    tx.prepare_cached(sql)?.execute(params![
        key,
        ceiling.minor,
        ceiling.currency.code(),
        placing.quote_hash,
        placing.is_auto_pay
    ])?;
    placing.guards.iter().try_for_each(|reading| insert_reading(tx, key, reading))
}

fn insert_reading(tx: &Transaction<'_>, key: &str, reading: &Reading) -> Result<()> {
    let verdict = match reading.verdict {
        Verdict::Yes => "yes",
        Verdict::Overridden => "overridden",
        Verdict::No | Verdict::Stale => {
            return Err(StoreError::Conflict(format!("the guard {} says no: {}", reading.guard, reading.saw)));
        }
    };
    let sql = "INSERT INTO guard_readings (key, guard, verdict, saw) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute(params![key, reading.guard.word(), verdict, reading.saw])?;
    Ok(())
}

/// The guards a purchase passed: guard, verdict and what it saw.
pub fn readings(connection: &Connection, key: &str) -> Result<Vec<(String, String, String)>> {
    let sql = "SELECT guard, verdict, saw FROM guard_readings WHERE key = ?1 ORDER BY guard";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The supplier's ids, all of them, before anything else is done with them.
pub fn placed(tx: &Transaction<'_>, key: &str, ids: &[String], note: Option<&str>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE purchases SET placed_at = ?2, note = ?3 WHERE key = ?1 AND placed_at IS NULL";
    one(tx.prepare_cached(sql)?.execute(params![key, to_ms(now), note])?, "storing a placed purchase")?;
    let sql = "INSERT INTO supplier_orders (id, key, placed_at) VALUES (?1, ?2, ?3)";
    for id in ids {
        tx.prepare_cached(sql)?.execute(params![id, key, to_ms(now)])?;
    }
    Ok(())
}

/// The ids of the supplier's orders as a person typed them.
pub struct TypedIds<'a> {
    pub ids: &'a [String],
    pub by: &'a str,
    pub note: Option<&'a str>,
    /// When the goods were ordered, by the same word.
    pub placed_at: Timestamp,
}

/// As [`placed`], by a person's word.
pub fn placed_by_word(tx: &Transaction<'_>, key: &str, typed: &TypedIds<'_>) -> Result<()> {
    placed(tx, key, typed.ids, typed.note, typed.placed_at)?;
    let sql = "INSERT INTO typed_ids (key, said_by) VALUES (?1, ?2)";
    one(tx.prepare_cached(sql)?.execute(params![key, typed.by])?, "noting who typed the ids")
}

/// Stores a purchase that a person made on the supplier's site: he decided what the guards decide otherwise, so each
/// stands as overridden by him. `ceiling` is what he says it costs.
pub fn insert_by_hand(tx: &Transaction<'_>, key: &str, ceiling: Money, by: &str) -> Result<()> {
    let sql = "INSERT INTO purchases (key, ceiling_minor, currency, quote_hash, is_auto_pay)
               VALUES (?1, ?2, ?3, 'by-hand', 0)";
    tx.prepare_cached(sql)?.execute(params![key, ceiling.minor, ceiling.currency.code()])?;
    Guard::ALL.iter().try_for_each(|guard| {
        let saw = format!("bought by hand: {by}");
        insert_reading(tx, key, &Reading { guard: *guard, verdict: Verdict::Overridden, saw })
    })
}

/// Stores a purchase as the intent journal remembers it. What its guards saw is forgotten, so each stands as overridden.
pub fn insert_rebuilt(
    tx: &Transaction<'_>,
    key: &str,
    ceiling: Money,
    quote_hash: &str,
    is_auto_pay: bool,
) -> Result<()> {
    let sql = "INSERT INTO purchases (key, ceiling_minor, currency, quote_hash, is_auto_pay)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let currency = ceiling.currency.code();
    tx.prepare_cached(sql)?.execute(params![key, ceiling.minor, currency, quote_hash, is_auto_pay])?;
    Guard::ALL.iter().try_for_each(|guard| {
        let saw = "rebuilt from the intent journal; what it saw is forgotten".to_owned();
        insert_reading(tx, key, &Reading { guard: *guard, verdict: Verdict::Overridden, saw })
    })
}

/// What was approved for a purchase: ceiling, hash of the quote, and whether it is paid at once. `None` = there is none.
pub fn terms(connection: &Connection, key: &str) -> Result<Option<(i64, String, bool)>> {
    let sql = "SELECT ceiling_minor, quote_hash, is_auto_pay FROM purchases WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).transpose()
}

/// A person accepts what a placed purchase costs now; it stands as its new ceiling.
pub fn accept(tx: &Transaction<'_>, key: &str, total: Money) -> Result<()> {
    let sql = "UPDATE purchases SET ceiling_minor = ?2 WHERE key = ?1 AND currency = ?3 AND ceiling_minor < ?2";
    let row = params![key, total.minor, total.currency.code()];
    one(tx.prepare_cached(sql)?.execute(row)?, "accepting a supplier's total")
}

/// The first of these supplier orders that belongs to another purchase than this one.
pub fn of_another<'a>(connection: &Connection, key: &str, ids: &'a [String]) -> Result<Option<&'a str>> {
    for id in ids {
        if owner_of(connection, id)?.is_some_and(|owner| owner != key) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The purchase a supplier order belongs to, by the claim's key; `None` = no such order is known.
pub fn owner_of(connection: &Connection, supplier_order_id: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT key FROM supplier_orders WHERE id = ?1")?;
    let mut rows = statement.query([supplier_order_id])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

/// What a placed supplier order costs, by a person's word.
pub fn total_said(tx: &Transaction<'_>, id: &str, total: Money) -> Result<()> {
    let sql = "UPDATE supplier_orders SET total_minor = ?2, currency = ?3 WHERE id = ?1 AND state = 'placed'";
    one(tx.prepare_cached(sql)?.execute(params![id, total.minor, total.currency.code()])?, "noting a supplier's total")
}

/// Delivered by a person's word, and so shipped as well; what stands there stays.
pub fn delivered_by_word(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql =
        "UPDATE supplier_orders SET shipped_at = coalesce(shipped_at, ?2), delivered_at = coalesce(delivered_at, ?2)
               WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id, to_ms(now)])?, "noting a delivery")
}

/// What one look at a supplier order showed.
pub struct Inspection<'a> {
    pub id: &'a str,
    pub status: &'a str,
    pub total: Option<Money>,
    pub pay_by: Option<Timestamp>,
}

pub fn inspected(tx: &Transaction<'_>, seen: &Inspection<'_>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE supplier_orders SET asked_at = ?2, status = ?3, total_minor = coalesce(?4, total_minor),
                      currency = coalesce(?5, currency), pay_by_at = coalesce(?6, pay_by_at)
               WHERE id = ?1";
    let (minor, currency) = (seen.total.map(|m| m.minor), seen.total.map(|m| m.currency.code().to_owned()));
    let row = params![seen.id, to_ms(now), seen.status, minor, currency, seen.pay_by.map(to_ms)];
    one(tx.prepare_cached(sql)?.execute(row)?, "storing a look at a supplier order")
}

/// We asked and learned nothing: too early, or the supplier did not answer.
pub fn asked(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE supplier_orders SET asked_at = ?2 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id, to_ms(now)])?, "noting a look at a supplier order")
}

pub fn paid(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE supplier_orders SET state = 'paid', paid_at = ?2, closed_seen_at = NULL
               WHERE id = ?1 AND state = 'placed'";
    one(tx.prepare_cached(sql)?.execute(params![id, to_ms(now)])?, "noting a paid supplier order")
}

/// First reading "closed, never paid".
pub fn closed_seen(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql =
        "UPDATE supplier_orders SET closed_seen_at = coalesce(closed_seen_at, ?2) WHERE id = ?1 AND state = 'placed'";
    one(tx.prepare_cached(sql)?.execute(params![id, to_ms(now)])?, "noting a closed supplier order")
}

/// Second reading, a day later.
pub fn dead(tx: &Transaction<'_>, id: &str) -> Result<()> {
    let sql =
        "UPDATE supplier_orders SET state = 'dead' WHERE id = ?1 AND state = 'placed' AND closed_seen_at IS NOT NULL";
    one(tx.prepare_cached(sql)?.execute([id])?, "noting a dead supplier order")
}

/// A parcel as tracking showed it.
pub struct ParcelSeen<'a> {
    pub number: &'a str,
    pub carrier: Option<&'a str>,
    pub is_delivered: bool,
    pub last_event: Option<&'a str>,
}

/// Notes a parcel; says whether its number is new. A delivery stays one.
pub fn parcel_seen(tx: &Transaction<'_>, id: &str, parcel: &ParcelSeen<'_>, now: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO parcels (supplier_order_id, number, carrier, is_delivered, last_event, first_seen_at, last_seen_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
               ON CONFLICT (supplier_order_id, number) DO UPDATE SET carrier = coalesce(?3, carrier),
                   is_delivered = max(is_delivered, ?4), last_event = coalesce(?5, last_event), last_seen_at = ?6
               RETURNING first_seen_at = last_seen_at";
    let ParcelSeen { number, carrier, is_delivered, last_event } = parcel;
    let row = params![id, number, carrier, is_delivered, last_event, to_ms(now)];
    Ok(tx.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// A parcel of a supplier order; the one seen last comes last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub supplier_order_id: String,
    pub number: String,
    pub carrier: Option<String>,
    pub is_delivered: bool,
    pub last_event: Option<String>,
    pub last_seen_at: Timestamp,
}

/// Every parcel of a purchase that was ever seen.
pub fn parcels(connection: &Connection, key: &str) -> Result<Vec<Parcel>> {
    let sql = "SELECT p.supplier_order_id, p.number, p.carrier, p.is_delivered, p.last_event, p.last_seen_at
               FROM parcels p JOIN supplier_orders s ON s.id = p.supplier_order_id
               WHERE s.key = ?1 ORDER BY p.supplier_order_id, p.last_seen_at, p.number";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    let mut parcels = Vec::new();
    while let Some(row) = rows.next()? {
        parcels.push(Parcel {
            supplier_order_id: row.get("supplier_order_id")?,
            number: row.get("number")?,
            carrier: row.get("carrier")?,
            is_delivered: row.get("is_delivered")?,
            last_event: row.get("last_event")?,
            last_seen_at: columns::at(row, "last_seen_at")?,
        });
    }
    Ok(parcels)
}

/// The supplier's own word for a paid order, as the last look showed it.
pub fn status_seen(tx: &Transaction<'_>, id: &str, status: &str) -> Result<bool> {
    let sql = "UPDATE supplier_orders SET status = ?2 WHERE id = ?1 AND status IS NOT ?2";
    Ok(tx.prepare_cached(sql)?.execute(params![id, status])? == 1)
}

/// What tracking showed; a number may change, a delivery stays.
pub fn tracked(
    tx: &Transaction<'_>,
    id: &str,
    number: Option<&str>,
    carrier: Option<&str>,
    is_delivered: bool,
    now: Timestamp,
) -> Result<()> {
    let sql =
        "UPDATE supplier_orders SET tracking_number = coalesce(?2, tracking_number), carrier = coalesce(?3, carrier),
                      shipped_at = CASE WHEN ?2 IS NOT NULL THEN coalesce(shipped_at, ?5) ELSE shipped_at END,
                      delivered_at = CASE WHEN ?4 THEN coalesce(delivered_at, ?5) ELSE delivered_at END
               WHERE id = ?1";
    let row = params![id, number, carrier, is_delivered, to_ms(now)];
    one(tx.prepare_cached(sql)?.execute(row)?, "storing tracking")
}

/// What PayPal is told of a parcel: the number, and the carrier in the supplier's words. `None` = there is no number.
pub fn parcel(connection: &Connection, id: &str) -> Result<Option<(String, Option<String>)>> {
    let sql = "SELECT tracking_number, carrier FROM supplier_orders WHERE id = ?1 AND tracking_number IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// PayPal was told a tracking number. `refusal`: its definite no; neither told nor refused is tried again.
pub fn told(
    tx: &Transaction<'_>,
    id: &str,
    number: &str,
    is_told: bool,
    refusal: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO trackers (supplier_order_id, tracking_number, tries, tried_at, told_at, refusal)
               VALUES (?1, ?2, 1, ?3, ?4, ?5)
               ON CONFLICT (supplier_order_id, tracking_number)
               DO UPDATE SET tries = tries + 1, tried_at = ?3, told_at = ?4, refusal = ?5";
    let told_at = is_told.then_some(to_ms(now));
    one(
        tx.prepare_cached(sql)?.execute(params![id, number, to_ms(now), told_at, refusal])?,
        "noting what PayPal was told",
    )
}

/// The live purchase of an order.
pub fn live(connection: &Connection, order: &OrderId) -> Result<Option<Purchase>> {
    claims::live(connection, order, Slot::Purchase)?.map(|claim| of_claim(connection, claim)).transpose()
}

pub(super) fn of_claim(connection: &Connection, claim: Claim) -> Result<Purchase> {
    let sql = "SELECT ceiling_minor, currency, quote_hash, is_auto_pay,
                      EXISTS (SELECT 1 FROM typed_ids t WHERE t.key = purchases.key) AS are_ids_typed
               FROM purchases WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&claim.key])?;
    let row = rows.next()?.ok_or_else(|| StoreError::Unreadable(format!("the purchase {} has no row", claim.key)))?;
    Ok(Purchase {
        ceiling: columns::money(row, "ceiling_minor", columns::currency(row, "currency")?)?,
        quote_hash: row.get("quote_hash")?,
        is_auto_pay: row.get("is_auto_pay")?,
        are_ids_typed: row.get("are_ids_typed")?,
        supplier_orders: supplier_orders(connection, &claim.key)?,
        claim,
    })
}

fn supplier_orders(connection: &Connection, key: &str) -> Result<Vec<SupplierOrder>> {
    let sql = "SELECT o.id, o.state, o.placed_at, o.total_minor, o.currency, o.asked_at, o.pay_by_at, o.paid_at,
                      o.closed_seen_at, o.tracking_number, o.shipped_at, o.delivered_at, coalesce(t.tries, 0) AS tries,
                      t.tried_at, coalesce(t.told_at, t.refusal) IS NOT NULL AS is_told
               FROM supplier_orders o
               LEFT JOIN trackers t ON t.supplier_order_id = o.id AND t.tracking_number = o.tracking_number
               WHERE o.key = ?1 ORDER BY o.id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        orders.push(supplier_order(row)?);
    }
    Ok(orders)
}

fn supplier_order(row: &Row<'_>) -> Result<SupplierOrder> {
    let total = match row.get::<_, Option<i64>>("total_minor")? {
        Some(minor) => Some(Money::new(minor, columns::currency(row, "currency")?)),
        None => None,
    };
    Ok(SupplierOrder {
        id: row.get("id")?,
        state: columns::word(row, "state", SupplierOrderState::parse)?,
        placed_at: columns::at(row, "placed_at")?,
        total,
        asked_at: columns::at_opt(row, "asked_at")?,
        pay_by: columns::at_opt(row, "pay_by_at")?,
        paid_at: columns::at_opt(row, "paid_at")?,
        closed_seen_at: columns::at_opt(row, "closed_seen_at")?,
        tracking_number: row.get("tracking_number")?,
        tracking_tries: row.get("tries")?,
        tracking_tried_at: columns::at_opt(row, "tried_at")?,
        is_tracking_told: row.get("is_told")?,
        shipped_at: columns::at_opt(row, "shipped_at")?,
        delivered_at: columns::at_opt(row, "delivered_at")?,
    })
}
