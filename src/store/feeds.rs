//! The far sides' own statements as they were told: how far each is known, its rows, the balances with their time, and
//! what the supplier said of each supplier order. Nothing here compares.

use super::{Result, StoreError, columns, meta, one, to_ms};
use crate::domain::claim::Claim;
use crate::domain::money::{Currency, Money};
use crate::domain::order::OrderId;
use crate::domain::statement::{Reading, Row, Statement, SupplierLook};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Rows, Transaction, params};

pub const PAYPAL: &str = "paypal";
pub const ALIEXPRESS: &str = "aliexpress";

/// How far a statement is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    pub provider: String,
    /// Nothing before it is ours to explain.
    pub since: Timestamp,
    /// Until when it is known here without a gap. `None`: it was never read.
    pub known_through: Option<Timestamp>,
    /// The last try. `None`: it was never asked for.
    pub asked_at: Option<Timestamp>,
    /// The last success.
    pub read_at: Option<Timestamp>,
    pub long_read_at: Option<Timestamp>,
    /// `new`, `ok`, `no_permission` or `failing`.
    pub state: String,
    /// What went wrong; empty when nothing did.
    pub detail: String,
}

/// One row of a statement as it was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub row: Row,
    pub status: String,
    pub updated_at: Option<Timestamp>,
    pub is_moving: bool,
}

/// Enters the provider if it is new: its statement begins with the first balance that was read, else with the database.
pub fn enter(tx: &Transaction<'_>, provider: &str) -> Result<Feed> {
    let sql = "INSERT INTO feeds (provider, since, state)
               VALUES (?1, coalesce((SELECT min(as_of) FROM balance_readings WHERE provider = ?1), ?2), 'new')
               ON CONFLICT (provider) DO NOTHING";
    tx.execute(sql, params![provider, meta::number(tx, "created_at")?])?;
    find(tx, provider)?.ok_or_else(|| StoreError::Conflict(format!("no feed of {provider}")))
}

pub fn find(connection: &Connection, provider: &str) -> Result<Option<Feed>> {
    let sql = "SELECT provider, since, known_through, asked_at, read_at, long_read_at, state, detail
               FROM feeds WHERE provider = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([provider])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Feed {
        provider: row.get("provider")?,
        since: columns::at(row, "since")?,
        known_through: columns::at_opt(row, "known_through")?,
        asked_at: columns::at_opt(row, "asked_at")?,
        read_at: columns::at_opt(row, "read_at")?,
        long_read_at: columns::at_opt(row, "long_read_at")?,
        state: row.get("state")?,
        detail: row.get("detail")?,
    }))
}

/// Until when the provider's statement was compared with our books. `None`: never.
pub fn known_through(connection: &Connection, provider: &str) -> Result<Option<Timestamp>> {
    Ok(find(connection, provider)?.and_then(|feed| feed.known_through))
}

/// It could not be read, and why. What is known of it stays known.
pub fn failed(tx: &Transaction<'_>, provider: &str, state: &str, detail: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE feeds SET asked_at = ?2, state = ?3, detail = ?4 WHERE provider = ?1";
    one(tx.execute(sql, params![provider, to_ms(now), state, detail])?, "noting a statement that cannot be read")
}

/// It was read to its end. `is_long`: with the last 31 days. `detail`: what of it was not told; empty for nothing.
pub fn succeeded(tx: &Transaction<'_>, provider: &str, is_long: bool, detail: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE feeds SET asked_at = ?2, read_at = ?2, state = 'ok', detail = ?4,
                      long_read_at = CASE WHEN ?3 THEN ?2 ELSE long_read_at END
               WHERE provider = ?1";
    one(tx.execute(sql, params![provider, to_ms(now), is_long, detail])?, "noting a statement that was read")
}

/// Known from now on as far as this; never less than before.
pub fn know_through(tx: &Transaction<'_>, provider: &str, through: Timestamp) -> Result<()> {
    let sql = "UPDATE feeds SET known_through = max(coalesce(known_through, ?2), ?2) WHERE provider = ?1";
    one(tx.execute(sql, params![provider, to_ms(through)])?, "moving the high-water mark of a statement")
}

/// Stores everything one reading of `from` to `to` told. What stood there before and was not told again is gone.
pub fn put(
    tx: &Transaction<'_>,
    provider: &str,
    (from, to): (Timestamp, Timestamp),
    told: &[Told],
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE feed_rows SET gone_at = coalesce(gone_at, ?4)
               WHERE provider = ?1 AND initiated_at BETWEEN ?2 AND ?3";
    tx.execute(sql, params![provider, to_ms(from), to_ms(to), to_ms(now)])?;
    let sql = "INSERT INTO feed_rows (provider, transaction_id, code, initiated_at, is_moving, nth, status, updated_at,
                                      amount_minor, currency, fee_minor, reference, invoice, custom,
                                      first_seen_at, last_seen_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15)
               ON CONFLICT DO UPDATE SET status = ?7, updated_at = ?8, amount_minor = ?9, currency = ?10,
                   fee_minor = ?11, reference = ?12, invoice = ?13, custom = ?14, last_seen_at = ?15, gone_at = NULL";
    let mut statement = tx.prepare_cached(sql)?;
    for Told { row, status, updated_at, is_moving } in told {
        // A fee in another currency than its row cannot stand beside it.
        let fee = row.fee.filter(|fee| row.amount.is_some_and(|amount| amount.currency == fee.currency));
        statement.execute(params![
            provider,
            row.id,
            row.code,
            to_ms(row.at),
            is_moving,
            row.nth,
            status,
            updated_at.map(to_ms),
            row.amount.map(|m| m.minor),
            row.amount.map(|m| m.currency.code().to_owned()),
            fee.map(|m| m.minor),
            row.reference,
            row.invoice,
            row.custom,
            to_ms(now),
        ])?;
    }
    Ok(())
}

/// The provider's statement as it is known now: the rows that moved the balance, oldest first.
pub fn statement(connection: &Connection, provider: &str) -> Result<Option<Statement>> {
    let Some(feed) = find(connection, provider)? else { return Ok(None) };
    let sql =
        "SELECT transaction_id, code, initiated_at, first_seen_at, nth, amount_minor, currency, fee_minor, reference,
                      invoice, custom
               FROM feed_rows WHERE provider = ?1 AND is_moving = 1 AND status = 'S' AND gone_at IS NULL
               ORDER BY initiated_at, transaction_id, code, nth";
    let mut statement = connection.prepare(sql)?;
    let mut found = statement.query([provider])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let code: Option<String> = row.get("currency")?;
        let currency = code.as_deref().and_then(Currency::new);
        let money = |column: &str| -> Result<Option<Money>> {
            currency.map_or(Ok(None), |currency| columns::money_opt(row, column, currency))
        };
        rows.push(Row {
            id: row.get("transaction_id")?,
            code: row.get("code")?,
            at: columns::at(row, "initiated_at")?,
            seen_at: columns::at(row, "first_seen_at")?,
            nth: row.get("nth")?,
            amount: money("amount_minor")?,
            fee: money("fee_minor")?,
            reference: row.get("reference")?,
            invoice: row.get("invoice")?,
            custom: row.get("custom")?,
        });
    }
    Ok(Some(Statement { rows, since: feed.since, known_through: feed.known_through }))
}

/// A row that may be this payout: under its key, of its amount and no other payout's, or money held for one and not let
/// go. Its id; `None` = there is none.
pub fn payout_stated(
    connection: &Connection,
    key: &str,
    amount: Money,
    claimed_at: Timestamp,
) -> Result<Option<String>> {
    // A hold includes the fee, at most 2 %. Clocks may differ by an hour. A release that names its hold lets go that one;
    // one without a name may let go any hold alike, also one from long before the claim, so all of them are counted.
    let sql = "WITH holds AS (
                   SELECT h.*, (SELECT count(*) FROM feed_rows l
                                WHERE l.provider = 'paypal' AND l.code = 'T1105' AND l.gone_at IS NULL
                                  AND l.is_moving = h.is_moving AND l.currency = h.currency
                                  AND l.amount_minor = 0 - h.amount_minor
                                  AND l.reference IN (h.transaction_id, h.reference)) AS released
                   FROM feed_rows h WHERE h.provider = 'paypal' AND h.code = 'T1503' AND h.gone_at IS NULL
                     AND h.currency = ?3 AND 0 - h.amount_minor BETWEEN ?2 AND ?2 + (?2 + 49) / 50)
               SELECT transaction_id, initiated_at FROM feed_rows r
               WHERE provider = 'paypal' AND gone_at IS NULL AND (custom = ?1
                   OR initiated_at >= ?4 AND currency = ?3 AND code = 'T0001' AND amount_minor = 0 - ?2
                       AND NOT EXISTS (SELECT 1 FROM payouts p WHERE p.transaction_id = r.transaction_id)
                       AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.key = r.custom AND c.key <> ?1))
               UNION ALL
               SELECT transaction_id, initiated_at FROM holds r
               WHERE initiated_at >= ?4 AND CASE
                   WHEN released > 0 THEN
                       (SELECT count(*) FROM holds o WHERE o.is_moving = r.is_moving AND o.amount_minor = r.amount_minor
                           AND (o.reference = r.reference OR o.transaction_id = r.transaction_id)) > released
                   ELSE
                       (SELECT count(*) FROM holds o WHERE o.is_moving = r.is_moving AND o.amount_minor = r.amount_minor
                           AND o.released = 0)
                     > (SELECT count(*) FROM feed_rows l
                        WHERE l.provider = 'paypal' AND l.code = 'T1105' AND l.gone_at IS NULL
                          AND l.is_moving = r.is_moving AND l.currency = r.currency
                          AND l.amount_minor = 0 - r.amount_minor AND l.reference IS NULL) END
               ORDER BY initiated_at LIMIT 1";
    let since = to_ms(claimed_at) - 3_600_000;
    let row = params![key, amount.minor, amount.currency.code(), since];
    Ok(connection.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?)
}

/// What PayPal's statement shows under the key of a payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPayout {
    pub key: String,
    /// The time of its first row.
    pub at: Timestamp,
    /// What was paid. `None`: the money is only set aside so far, or the amount cannot be read.
    pub amount: Option<Money>,
}

/// What PayPal's statement shows under a key; `None` = nothing, or only what it let go again.
pub fn payout_listed(connection: &Connection, key: &str) -> Result<Option<ListedPayout>> {
    let sql = "SELECT custom, code, initiated_at, currency, 0 - amount_minor AS paid_minor FROM feed_rows
               WHERE provider = 'paypal' AND custom = ?1 AND code IN ('T0001', 'T1105', 'T1503') AND status <> 'D'
                 AND gone_at IS NULL
               ORDER BY initiated_at, code";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(listed(statement.query([key])?)?.pop())
}

/// What PayPal's statement shows, from that time on, under keys that no claim bears: paid by somebody else who names his
/// payments, or by us in a time that is forgotten.
pub fn payouts_of_no_claim(connection: &Connection, since: Timestamp) -> Result<Vec<ListedPayout>> {
    // By time, and not by all the keys there ever were.
    let sql = "SELECT custom, code, initiated_at, currency, 0 - amount_minor AS paid_minor FROM feed_rows r
               WHERE provider = 'paypal' AND initiated_at >= ?1 AND +custom IS NOT NULL
                 AND code IN ('T0001', 'T1105', 'T1503') AND status <> 'D' AND gone_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.key = r.custom)
               ORDER BY custom, initiated_at, code";
    let mut statement = connection.prepare_cached(sql)?;
    listed(statement.query([to_ms(since)])?)
}

/// Rows in the order of their keys. A hold (T1503) is more than what is paid, by the fee; T1105 lets it go again, paid or
/// not.
fn listed(mut rows: Rows<'_>) -> Result<Vec<ListedPayout>> {
    let mut found: Vec<ListedPayout> = Vec::new();
    let (mut is_paid, mut held) = (false, 0);
    while let Some(row) = rows.next()? {
        let key: String = row.get("custom")?;
        if found.last().is_none_or(|last| last.key != key) {
            found.pop_if(|_| !is_paid && held <= 0);
            (is_paid, held) = (false, 0);
            found.push(ListedPayout { key, at: columns::at(row, "initiated_at")?, amount: None });
        }
        match (row.get::<_, String>("code")?.as_str(), found.last_mut()) {
            ("T1503", _) => held += 1,
            ("T1105", _) => held -= 1,
            (_, Some(last)) if !is_paid => {
                is_paid = true;
                let currency: Option<String> = row.get("currency")?;
                last.amount = match currency.as_deref().and_then(Currency::new) {
                    Some(currency) => columns::money_opt(row, "paid_minor", currency)?.filter(Money::is_positive),
                    None => None,
                };
            }
            _ => {}
        }
    }
    found.pop_if(|_| !is_paid && held <= 0);
    Ok(found)
}

/// A row that may be the payment of this order: one that names it and was not denied, or a payment of its amount, or of one
/// that cannot be read, from the time of its sends, that names no order and is none that is known here. Its id; `None` =
/// there is none.
pub fn capture_stated(connection: &Connection, order: &OrderId, claim: &Claim) -> Result<Option<String>> {
    let sql = "SELECT transaction_id FROM feed_rows r
               WHERE provider = 'paypal' AND gone_at IS NULL AND status <> 'D' AND (custom = ?1
                   OR code GLOB 'T00*' AND initiated_at BETWEEN ?4 AND ?5 AND custom IS NULL
                       AND (amount_minor IS NULL OR amount_minor = ?2 AND currency = ?3)
                       AND NOT EXISTS (SELECT 1 FROM captures c WHERE c.capture_id = r.transaction_id))
               ORDER BY initiated_at LIMIT 1";
    // Clocks may differ by an hour, and PayPal may take a day over it.
    let since = to_ms(claim.claimed_at) - 3_600_000;
    let until = to_ms(claim.sent_at.unwrap_or(claim.claimed_at)) + 86_400_000;
    let row = params![order.0, claim.amount.minor, claim.amount.currency.code(), since, until];
    Ok(connection.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?)
}

/// What the far side shows as our own mark of the movement of that id.
pub fn customs_of(connection: &Connection, provider: &str, transaction_id: &str) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT custom FROM feed_rows
               WHERE provider = ?1 AND transaction_id = ?2 AND custom IS NOT NULL AND gone_at IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map([provider, transaction_id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// What the movement of that id changed in the account, fees included, by currency. Empty: it is not known, or one of its
/// amounts is not.
pub fn net_of(connection: &Connection, provider: &str, transaction_id: &str) -> Result<Vec<Money>> {
    let sql = "SELECT currency, sum(amount_minor) + sum(coalesce(fee_minor, 0)) AS net_minor FROM feed_rows
               WHERE provider = ?1 AND transaction_id = ?2 AND is_moving = 1 AND status = 'S' AND gone_at IS NULL
               GROUP BY currency ORDER BY currency";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([provider, transaction_id])?;
    let mut nets = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, Option<String>>("currency")?.is_none() {
            return Ok(Vec::new());
        }
        nets.push(columns::money(row, "net_minor", columns::currency(row, "currency")?)?);
    }
    Ok(nets)
}

/// A balance as the provider reported it, with its time.
pub fn balance_read(
    tx: &Transaction<'_>,
    provider: &str,
    reading: &Reading,
    refreshed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO balance_readings (provider, currency, as_of, refreshed_at, total_minor, available_minor,
                                             withheld_minor, read_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT DO UPDATE SET refreshed_at = ?4, total_minor = ?5, available_minor = ?6, withheld_minor = ?7,
                   read_at = ?8";
    tx.execute(
        sql,
        params![
            provider,
            reading.total.currency.code(),
            to_ms(reading.as_of),
            refreshed_at.map(to_ms),
            reading.total.minor,
            reading.available.minor,
            reading.withheld.map(|m| m.minor),
            to_ms(now),
        ],
    )?;
    // The first one is what the others are compared with; between it and the last month nothing asks for them.
    let sql = "DELETE FROM balance_readings WHERE provider = ?1 AND as_of < ?2
               AND as_of > (SELECT min(b.as_of) FROM balance_readings b
                            WHERE b.provider = ?1 AND b.currency = balance_readings.currency)";
    tx.execute(sql, params![provider, to_ms(now - SignedDuration::from_hours(24 * 31))])?;
    Ok(())
}

/// The first and the last balance of each currency, and when the last was read.
pub fn balances(connection: &Connection, provider: &str) -> Result<Vec<(Reading, Reading, Timestamp)>> {
    let sql = "SELECT b.currency, b.as_of, b.total_minor, b.available_minor, b.withheld_minor, b.read_at
               FROM balance_readings b
               JOIN (SELECT currency, min(as_of) AS first, max(as_of) AS last FROM balance_readings
                     WHERE provider = ?1 GROUP BY currency) ends
                 ON ends.currency = b.currency AND b.as_of = CASE ?2 WHEN 'first' THEN ends.first ELSE ends.last END
               WHERE b.provider = ?1 ORDER BY b.currency";
    let ends = |which: &str| -> Result<Vec<(Reading, Timestamp)>> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([provider, which])?;
        let mut readings = Vec::new();
        while let Some(row) = rows.next()? {
            let currency = columns::currency(row, "currency")?;
            let reading = Reading {
                as_of: columns::at(row, "as_of")?,
                total: columns::money(row, "total_minor", currency)?,
                available: columns::money(row, "available_minor", currency)?,
                withheld: columns::money_opt(row, "withheld_minor", currency)?,
            };
            readings.push((reading, columns::at(row, "read_at")?));
        }
        Ok(readings)
    };
    let pairs = ends("first")?.into_iter().zip(ends("last")?);
    Ok(pairs.map(|((first, _), (last, read_at))| (first, last, read_at)).collect())
}

/// Supplier orders to be looked at: placed before `placed_before`, not looked at since `before`, of orders open or closed
/// after `closed_after`; those that waited longest first.
pub fn supplier_orders_due(
    connection: &Connection,
    (placed_before, before): (Timestamp, Timestamp),
    closed_after: Timestamp,
    most: u32,
) -> Result<Vec<String>> {
    let sql = "SELECT s.id FROM supplier_orders s JOIN claims c ON c.key = s.key JOIN orders o ON o.id = c.order_id
               LEFT JOIN supplier_looks l ON l.id = s.id
               WHERE (o.closed_at IS NULL OR o.closed_at > ?2) AND (l.looked_at IS NULL OR l.looked_at < ?1)
                 AND s.placed_at < ?4
               ORDER BY l.looked_at NULLS FIRST, s.placed_at LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement
        .query_map(params![to_ms(before), to_ms(closed_after), most, to_ms(placed_before)], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// The oldest of the last looks at those supplier orders; one never looked at counts as known when it was placed.
/// `None`: there is none of them.
pub fn oldest_look(connection: &Connection, closed_after: Timestamp) -> Result<Option<Timestamp>> {
    let sql = "SELECT min(coalesce(l.looked_at, s.placed_at)) FROM supplier_orders s
               JOIN claims c ON c.key = s.key JOIN orders o ON o.id = c.order_id
               LEFT JOIN supplier_looks l ON l.id = s.id
               WHERE o.closed_at IS NULL OR o.closed_at > ?1";
    let ms: Option<Option<i64>> =
        connection.prepare_cached(sql)?.query_row([to_ms(closed_after)], |row| row.get(0)).optional()?;
    ms.flatten().map(super::from_ms).transpose()
}

/// What the supplier said of one of its orders.
pub fn supplier_looked(tx: &Transaction<'_>, id: &str, look: &SupplierLook) -> Result<()> {
    let sql = "INSERT INTO supplier_looks (id, looked_at, status, is_paid, is_ended, total_minor, currency)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (id) DO UPDATE SET looked_at = ?2, status = ?3, is_paid = ?4, is_ended = ?5,
                   total_minor = ?6, currency = ?7";
    let (minor, currency) = (look.total.map(|m| m.minor), look.total.map(|m| m.currency.code().to_owned()));
    let row = params![id, to_ms(look.at), look.status, look.is_paid, look.is_ended, minor, currency];
    one(tx.execute(sql, row)?, "storing the supplier's word")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::law_tests::law;

    fn usd() -> Currency {
        Currency::new("USD").unwrap()
    }

    /// A row of so many hours after noon.
    fn told(code: &str, id: &str, (minor, currency): (i64, Currency), hours: i64, reference: Option<&str>) -> Told {
        let at = "2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours);
        let row = Row {
            id: id.to_owned(),
            code: code.to_owned(),
            at,
            seen_at: at,
            nth: 1,
            amount: Some(Money::new(minor, currency)),
            fee: None,
            reference: reference.map(str::to_owned),
            invoice: None,
            custom: None,
        };
        Told { row, status: "S".to_owned(), updated_at: None, is_moving: true }
    }

    #[test]
    fn a_hold_is_let_go_by_its_own_release_only() {
        let hold = |id, hours, reference| told("T1503", id, (-1020, usd()), hours, reference);
        let release = |id, hours, reference| told("T1105", id, (1020, usd()), hours, reference);
        // The claim of 10.00 is of noon.
        let check = |name: &str, rows: &[Told], expected: Option<&str>| {
            let law = law();
            let (from, to) = (rows[0].row.at, rows[0].row.at);
            let kept = law.store.write(|tx| {
                enter(tx, PAYPAL)?;
                put(tx, PAYPAL, (from, to), rows, to)
            });
            kept.unwrap();
            let claimed_at = "2026-03-01T12:00:00Z".parse().unwrap();
            let found = law.store.read(|c| payout_stated(c, "key", Money::new(1000, usd()), claimed_at)).unwrap();
            assert_eq!(found.as_deref(), expected, "{name}");
        };
        check("it stands", &[hold("H1", 1, None)], Some("H1"));
        check("let go", &[hold("H1", 1, None), release("L1", 2, None)], None);
        check("let go by its batch", &[hold("H1", 1, Some("B1")), release("L1", 2, Some("B1"))], None);
        check("let go by its own id", &[hold("H1", 1, None), release("L1", 2, Some("H1"))], None);
        check(
            "held twice",
            &[hold("H1", 1, Some("B1")), hold("H2", 2, Some("B1")), release("L1", 3, Some("B1"))],
            Some("H1"),
        );
        let euro = told("T1105", "L1", (1020, Currency::new("EUR").unwrap()), 2, None);
        check("another currency lets nothing go", &[hold("H1", 1, None), euro], Some("H1"));
        let euro = told("T1503", "H1", (-1020, Currency::new("EUR").unwrap()), 1, None);
        check("another currency holds nothing of it", &[euro], None);
        let before = hold("H0", -48, None);
        check("it may be of a hold before", &[before.clone(), hold("H1", 1, None), release("L1", 2, None)], Some("H1"));
        let own = release("L1", 2, Some("B1"));
        check("it names its hold", &[before, hold("H1", 1, Some("B1")), own], None);
        let other = [hold("H0", -48, Some("B0")), hold("H1", 1, Some("B1")), release("L1", 2, Some("B0"))];
        check("it names the other hold", &other, Some("H1"));
    }

    /// Under a key: what was paid, whatever was set aside for it before; money set aside and let go again is nothing.
    #[test]
    fn a_payout_is_listed_by_what_left_and_not_by_what_was_held() {
        let under = |key: &str, told: Told| Told { row: Row { custom: Some(key.to_owned()), ..told.row }, ..told };
        let hold = || under("key-1", told("T1503", "H1", (-1020, usd()), 1, None));
        let release = || under("key-1", told("T1105", "L1", (1020, usd()), 2, None));
        let paid = || under("key-1", told("T0001", "P1", (-1000, usd()), 2, None));
        let denied = || Told { status: "D".to_owned(), ..paid() };
        let unreadable = || Told { row: Row { amount: None, ..paid().row }, ..paid() };
        let other = || under("key-2", told("T0001", "P2", (-700, usd()), 3, None));
        let sold = || under("key-1", told("T0006", "C1", (2500, usd()), 1, None));
        let since = "2026-03-01T12:00:00Z".parse().unwrap();
        let ten: Option<Option<i64>> = Some(Some(1000));
        let cases = [
            ("paid", vec![paid()], ten),
            ("held, let go and paid", vec![hold(), release(), paid()], ten),
            ("set aside", vec![hold()], Some(None)),
            ("set aside and let go", vec![hold(), release()], None),
            ("denied", vec![denied()], None),
            ("of an amount that cannot be read", vec![unreadable()], Some(None)),
            ("another's", vec![other()], None),
            ("a payment to us", vec![sold()], None),
        ];
        for (name, rows, expected) in cases {
            let law = law();
            let kept = law.store.write(|tx| {
                enter(tx, PAYPAL)?;
                let (from, to) = (rows[0].row.at, rows[rows.len() - 1].row.at);
                put(tx, PAYPAL, (from, to), &rows, to)
            });
            kept.unwrap();
            let minor = |shown: ListedPayout| shown.amount.map(|amount| amount.minor);
            let (one, all) = law
                .store
                .read(|c| Ok::<_, StoreError>((payout_listed(c, "key-1")?, payouts_of_no_claim(c, since)?)))
                .unwrap();
            assert_eq!(one.map(minor), expected, "{name}");
            let all = all.into_iter().find(|shown| shown.key == "key-1").map(minor);
            assert_eq!(all, expected, "{name}, among all that no claim bears");
        }
    }
}
