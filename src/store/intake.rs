//! Orders as they come in: the row, its lines, its buyer. The row comes before any call to a provider (L35).

use super::{Result, columns, meta, one, to_ms};
use crate::domain::order::{Address, Buyer, Funds, Identity, Line, Mode, Order, OrderId, Origin, TaxRemitter, Variant};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// What stood at intake beside the order's own fields.
pub struct Arrival<'a> {
    pub content_hash: &'a str,
    pub outside_capture: Option<&'a str>,
    /// Where the buyer's data came from: client, channel or operator.
    pub buyer_source: &'a str,
}

/// Id and content hash of the order a channel knows by this id.
pub fn known(connection: &Connection, channel: &str, channel_order_id: &str) -> Result<Option<(OrderId, String)>> {
    let sql = "SELECT id, content_hash FROM orders WHERE channel = ?1 AND channel_order_id = ?2";
    let read = |row: &Row<'_>| Ok((OrderId(row.get(0)?), row.get(1)?));
    Ok(connection.prepare_cached(sql)?.query_row([channel, channel_order_id], read).optional()?)
}

/// The order that a capture, written `provider:id`, already pays: another channel's, or one of our own checkouts.
pub fn paid_by(connection: &Connection, outside_capture: &str) -> Result<Option<OrderId>> {
    let sql = "SELECT id FROM orders WHERE outside_capture = ?1
               UNION ALL SELECT c.order_id FROM captures k JOIN claims c ON c.key = k.key WHERE k.capture_id = ?2";
    let ours = outside_capture.strip_prefix("paypal:");
    let read = |row: &Row<'_>| row.get(0).map(OrderId);
    Ok(connection.prepare_cached(sql)?.query_row(params![outside_capture, ours], read).optional()?)
}

pub fn insert(tx: &Transaction<'_>, order: &Order, arrival: &Arrival<'_>) -> Result<()> {
    let sql = "INSERT INTO orders (id, mode, origin, channel, channel_order_id, content_hash, currency, total_minor,
                   tax_minor, tax_remitted_by, channel_fee_minor, funds, outside_capture, paid_at, created_at, stage,
                   next_look_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 'awaiting_payment', ?15)";
    tx.prepare_cached(sql)?.execute(params![
        order.id.0,
        order.identity.mode.word(),
        order.origin.word(),
        order.identity.channel,
        order.identity.channel_order_id,
        arrival.content_hash,
        order.total.currency.code(),
        order.total.minor,
        order.tax.map(|m| m.minor),
        order.tax_remitted_by.map(TaxRemitter::word),
        order.channel_fee.map(|m| m.minor),
        order.funds.word(),
        arrival.outside_capture,
        order.paid_at.map(to_ms),
        to_ms(order.created_at),
    ])?;
    let sql = "INSERT INTO order_lines (order_id, line, sku, quantity, unit_price_minor, supplier_product_id, sku_attr,
                                        sku_id, shipping_service, landed_cost_max_minor)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    for (index, line) in order.lines.iter().enumerate() {
        tx.prepare_cached(sql)?.execute(params![
            order.id.0,
            index as i64 + 1,
            line.sku,
            line.quantity,
            line.unit_price.minor,
            line.variant.product_id,
            line.variant.sku_attr,
            line.variant.sku_id,
            line.variant.service,
            line.landed_cost_max.map(|m| m.minor),
        ])?;
    }
    match &order.buyer {
        Some(buyer) => set_buyer(tx, &order.id, buyer, arrival.buyer_source),
        None => Ok(()),
    }
}

pub fn set_buyer(tx: &Transaction<'_>, order: &OrderId, buyer: &Buyer, source: &str) -> Result<()> {
    let address = &buyer.address;
    let sql = "INSERT INTO buyers (order_id, source, fingerprint, name, email, phone, line1, line2, city, province,
                                   postal_code, country, id_number)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
               ON CONFLICT (order_id) DO UPDATE SET source = ?2, fingerprint = ?3, name = ?4, email = ?5, phone = ?6,
                   line1 = ?7, line2 = ?8, city = ?9, province = ?10, postal_code = ?11, country = ?12,
                   id_number = ?13";
    tx.prepare_cached(sql)?.execute(params![
        order.0,
        source,
        fingerprint(buyer),
        buyer.name,
        buyer.email,
        buyer.phone,
        address.line1,
        address.line2,
        address.city,
        address.province,
        address.postal_code,
        address.country,
        buyer.id_number,
    ])?;
    Ok(())
}

/// The same buyer at the same address, however it was typed.
fn fingerprint(buyer: &Buyer) -> String {
    let address = &buyer.address;
    let fields = [&buyer.name, &address.line1, &address.postal_code, &address.country];
    let plain = |field: &Option<String>| -> String {
        field.as_deref().unwrap_or("").chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let joined = fields.map(plain).join("|");
    HEXLOWER.encode(&digest(&SHA256, joined.as_bytes()).as_ref()[..16])
}

pub fn load(connection: &Connection, shop: &str, id: &OrderId) -> Result<Option<Order>> {
    let sql = "SELECT id, mode, origin, channel, channel_order_id, currency, total_minor, tax_minor, tax_remitted_by,
                      channel_fee_minor, funds, paid_at, created_at, cancelled_at, closed_at
               FROM orders WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&id.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let currency = columns::currency(row, "currency")?;
    Ok(Some(Order {
        id: id.clone(),
        identity: Identity {
            mode: columns::word(row, "mode", Mode::parse)?,
            shop: shop.to_owned(),
            channel: row.get("channel")?,
            channel_order_id: row.get("channel_order_id")?,
        },
        origin: columns::word(row, "origin", Origin::parse)?,
        total: columns::money(row, "total_minor", currency)?,
        tax: columns::money_opt(row, "tax_minor", currency)?,
        tax_remitted_by: columns::word_opt(row, "tax_remitted_by", TaxRemitter::parse)?,
        channel_fee: columns::money_opt(row, "channel_fee_minor", currency)?,
        funds: columns::word(row, "funds", Funds::parse)?,
        paid_at: columns::at_opt(row, "paid_at")?,
        created_at: columns::at(row, "created_at")?,
        lines: lines(connection, id)?,
        buyer: buyer(connection, id)?,
        cancelled_at: columns::at_opt(row, "cancelled_at")?,
        closed_at: columns::at_opt(row, "closed_at")?,
    }))
}

/// Of every order that is open.
pub fn open_identities(connection: &Connection) -> Result<Vec<Identity>> {
    let shop = meta::value(connection, "shop")?.unwrap_or_default();
    let mut statement =
        connection.prepare_cached("SELECT mode, channel, channel_order_id FROM orders WHERE closed_at IS NULL")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Identity {
            mode: columns::word(row, "mode", Mode::parse)?,
            shop: shop.clone(),
            channel: row.get("channel")?,
            channel_order_id: row.get("channel_order_id")?,
        });
    }
    Ok(found)
}

fn lines(connection: &Connection, id: &OrderId) -> Result<Vec<Line>> {
    let sql = "SELECT l.sku, l.quantity, l.unit_price_minor, o.currency, l.supplier_product_id, l.sku_attr, l.sku_id,
                      l.shipping_service, l.landed_cost_max_minor, p.is_active
               FROM order_lines l JOIN products p ON p.sku = l.sku JOIN orders o ON o.id = l.order_id
               WHERE l.order_id = ?1 ORDER BY l.line";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&id.0])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let currency = columns::currency(row, "currency")?;
        lines.push(Line {
            sku: row.get("sku")?,
            quantity: row.get("quantity")?,
            unit_price: columns::money(row, "unit_price_minor", currency)?,
            variant: Variant {
                product_id: row.get("supplier_product_id")?,
                sku_attr: row.get("sku_attr")?,
                sku_id: row.get("sku_id")?,
                service: row.get("shipping_service")?,
            },
            landed_cost_max: columns::money_opt(row, "landed_cost_max_minor", currency)?,
            is_active: row.get("is_active")?,
        });
    }
    Ok(lines)
}

pub fn buyer(connection: &Connection, id: &OrderId) -> Result<Option<Buyer>> {
    let sql = "SELECT name, email, phone, line1, line2, city, province, postal_code, country, id_number
               FROM buyers WHERE order_id = ?1";
    let read = |row: &Row<'_>| {
        Ok(Buyer {
            name: row.get(0)?,
            email: row.get(1)?,
            phone: row.get(2)?,
            address: Address {
                line1: row.get(3)?,
                line2: row.get(4)?,
                city: row.get(5)?,
                province: row.get(6)?,
                postal_code: row.get(7)?,
                country: row.get(8)?,
            },
            id_number: row.get(9)?,
        })
    };
    Ok(connection.prepare_cached(sql)?.query_row([&id.0], read).optional()?)
}

/// Other orders of the same buyer and address with one of the same variants, created within a day of this one, that were
/// not cancelled: those with a purchase, and those paid before this one. Of two that are paid and not bought, the later
/// one sees the earlier and not the other way round, or each would stand in the other's way.
pub fn look_alikes(connection: &Connection, id: &OrderId) -> Result<u32> {
    let sql = "WITH alike AS (
                   SELECT o.id, o.created_at, coalesce(o.paid_at, (SELECT min(c.claimed_at) FROM claims c
                       WHERE c.order_id = o.id AND c.slot = 'capture' AND c.state <> 'void')) AS paid_at
                   FROM buyers mine JOIN buyers b ON b.fingerprint = mine.fingerprint
                   JOIN orders o ON o.id = b.order_id
                   WHERE mine.order_id = ?1 AND o.cancelled_at IS NULL)
               SELECT count(*) FROM alike o JOIN alike me ON me.id = ?1
               WHERE o.id <> me.id AND abs(o.created_at - me.created_at) <= 86400000
                 AND (EXISTS (SELECT 1 FROM claims c
                              WHERE c.order_id = o.id AND c.slot = 'purchase' AND c.state <> 'void')
                      OR o.paid_at IS NOT NULL AND (me.paid_at IS NULL OR (o.paid_at, o.id) < (me.paid_at, me.id)))
                 AND EXISTS (SELECT 1 FROM order_lines a JOIN order_lines b ON b.sku_id = a.sku_id
                             WHERE a.order_id = me.id AND b.order_id = o.id)";
    Ok(connection.prepare_cached(sql)?.query_row([&id.0], |row| row.get(0))?)
}

/// Wakes an order: a fact came in.
pub fn ring(tx: &Transaction<'_>, id: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE orders SET next_look_at = ?2 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id.0, to_ms(now)])?, "waking an order")
}

/// PayPal rang for this order. A closed one is opened again where `reopens`; says whether it was.
pub fn told(tx: &Transaction<'_>, id: &OrderId, reopens: bool, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE orders SET closed_at = NULL WHERE id = ?1 AND closed_at IS NOT NULL AND ?2";
    let was_closed = tx.prepare_cached(sql)?.execute(params![id.0, reopens])? == 1;
    let sql = "UPDATE orders SET told = told + 1, next_look_at = ?2 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id.0, to_ms(now)])?, "noting that PayPal rang")?;
    Ok(was_closed)
}

/// What was told before `told` was counted has been looked into.
pub fn heard(tx: &Transaction<'_>, id: &OrderId, told: u32) -> Result<()> {
    let sql = "UPDATE orders SET heard = max(heard, ?2) WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id.0, told])?, "noting what was looked into")
}

/// Wakes every open order: something that stopped all of them is gone.
pub fn ring_all(tx: &Transaction<'_>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE orders SET next_look_at = ?1 WHERE closed_at IS NULL";
    tx.prepare_cached(sql)?.execute([to_ms(now)])?;
    Ok(())
}

/// Cancels an order; it stays cancelled.
pub fn cancel(tx: &Transaction<'_>, id: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE orders SET cancelled_at = ?2 WHERE id = ?1 AND cancelled_at IS NULL AND closed_at IS NULL";
    one(tx.prepare_cached(sql)?.execute(params![id.0, to_ms(now)])?, "cancelling an order")
}

/// Closes an order. A new fact may reopen it (MONEY A17).
pub fn close(tx: &Transaction<'_>, id: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE orders SET closed_at = ?2 WHERE id = ?1 AND closed_at IS NULL";
    one(tx.prepare_cached(sql)?.execute(params![id.0, to_ms(now)])?, "closing an order")
}

/// Opens a closed order again: a new fact came in (MONEY A17). Says whether it was closed.
pub fn reopen(tx: &Transaction<'_>, id: &OrderId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE orders SET closed_at = NULL, next_look_at = ?2 WHERE id = ?1 AND closed_at IS NOT NULL";
    Ok(tx.prepare_cached(sql)?.execute(params![id.0, to_ms(now)])? == 1)
}

pub fn tracked(tx: &Transaction<'_>, id: &OrderId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE orders SET tracked_at = ?2 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id.0, to_ms(now)])?, "noting that an order was tracked")
}

/// Writes the caches that one pure function computed.
pub fn cache(tx: &Transaction<'_>, id: &OrderId, stage: &str, waits_for: &str, next: Option<Timestamp>) -> Result<()> {
    let sql = "UPDATE orders SET stage = ?2, waits_for = ?3, next_look_at = ?4 WHERE id = ?1";
    one(tx.prepare_cached(sql)?.execute(params![id.0, stage, waits_for, next.map(to_ms)])?, "caching a stage")
}
