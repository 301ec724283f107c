//! What is true of the whole shop at one moment: caps of the last 24 hours, free money by our own books, payees.

use super::ledger::Balances;
use super::meta::Meta;
use super::{Result, columns, disputes, ledger, payouts, to_ms};
use crate::domain::claim::Recipient;
use crate::domain::guards::CAP_WINDOW;
use crate::domain::ledger::Account;
use crate::domain::money::{Currency, Money};
use crate::domain::order::Mode;
use crate::domain::payout::Payee;
use crate::domain::trade::{ClockState, FarSide, Shop};
use jiff::Timestamp;
use rusqlite::{Connection, params};

/// What the database cannot know: the configuration's and the process's part of the shop's state.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What stands in the table of that name.
    pub meta: Meta,
    pub is_stopped: bool,
    pub is_restored: bool,
    pub clock: ClockState,
    /// See [`Shop::latest`].
    pub latest: Timestamp,
    pub paypal: FarSide,
    pub aliexpress: FarSide,
    pub currency: Currency,
    /// How many of the first purchases are looked at by a person: they are counted no further.
    pub first_orders: u32,
    pub platform: Option<String>,
    pub seller: Option<String>,
    pub are_payouts_refused: bool,
}

pub fn load(connection: &Connection, around: &Surroundings, now: Timestamp) -> Result<Shop> {
    let day_ago = now - CAP_WINDOW;
    let (payouts_last_day, paid_out_last_day) = payouts_since(connection, around.currency, day_ago)?;
    let (meta, balances) = (&around.meta, ledger::balances_in(connection, around.currency)?);
    let is_production = meta.value("mode") == Some(Mode::Production.word());
    let (purchases_last_day, spent) = purchases_since(connection, around.currency, day_ago)?;
    Ok(Shop {
        is_stopped: around.is_stopped || meta.value("stop").is_some(),
        is_restored: around.is_restored,
        clock: around.clock,
        latest: around.latest,
        paypal: around.paypal,
        aliexpress: around.aliexpress,
        live_since: columns::from_ms(meta.number("live_since")?)?,
        free: vec![free_money(connection, &balances, around.currency)?],
        purchases_ever: purchases_ever(connection, around.first_orders)?,
        purchases_last_day,
        spent_last_day: spent,
        laid_out: laid_out(connection, &balances, around.currency)?,
        payouts_last_day,
        paid_out_last_day,
        refunds_last_day: refunds_since(connection, day_ago)?,
        platform: payee(connection, Recipient::Platform, &around.platform, is_production)?,
        seller: payee(connection, Recipient::Seller, &around.seller, is_production)?,
        debts: Recipient::ALL.iter().map(|r| (*r, balances.of(&Account::Receivable(*r)))).collect(),
        are_payouts_refused: around.are_payouts_refused,
    })
}

fn payee(
    connection: &Connection,
    recipient: Recipient,
    proposed: &Option<String>,
    is_production: bool,
) -> Result<Payee> {
    let confirmed = payouts::payee(connection, recipient)?;
    let is_first_held = match &confirmed {
        Some(email) if is_production => !payouts::may_be_paid_first(connection, recipient, email)?,
        _ => false,
    };
    Ok(Payee { proposed: proposed.clone(), confirmed, is_first_held })
}

/// Free money (MONEY A10): what PayPal holds for us by our books, less what is promised out with its highest fee, less
/// what buyers paid for goods that are not sold yet, less what is disputed and not yet taken.
pub fn free_money(connection: &Connection, balances: &Balances, currency: Currency) -> Result<Money> {
    let available = balances.of(&Account::PaypalAvailable);
    // Credits are negative: the deposits' balance is already less than zero.
    let deposits = balances.of(&Account::BuyerDeposits);
    // A payout that lies unclaimed has left the account in the books already; what is to be given back of an order not
    // sold yet is still among the deposits.
    let sql = "SELECT (SELECT coalesce(sum(amount_minor + (amount_minor + 49) / 50), 0) FROM claims
                       WHERE state = 'pending' AND slot IN ('payout:platform', 'payout:seller') AND currency = ?1
                         AND NOT EXISTS (SELECT 1 FROM payouts p WHERE p.key = claims.key AND p.left_at IS NOT NULL))
                    + (SELECT coalesce(sum(r.amount_minor), 0) FROM refund_orders r JOIN sales s ON s.order_id = r.order_id
                       WHERE r.withdrawn_at IS NULL AND r.currency = ?1 AND NOT EXISTS (
                           SELECT 1 FROM claims c WHERE c.order_id = r.order_id AND c.slot = 'refund:' || r.number
                              AND c.state <> 'pending'))";
    let promised: i64 = connection.prepare_cached(sql)?.query_row([currency.code()], |row| row.get(0))?;
    let disputed = disputes::not_yet_taken(connection, currency)?;
    Ok(Money::new(available.minor + deposits.minor.min(0) - promised - disputed, currency))
}

// What every step asks of all claims; a test sees that none of it walks through the rows of all time.
const PURCHASES_SINCE: &str = "SELECT count(*), coalesce(sum(amount_minor), 0) FROM claims
               WHERE slot = 'purchase' AND state <> 'void' AND claimed_at > ?1 AND currency = ?2";
const PAYOUTS_SINCE: &str = "SELECT count(*), coalesce(sum(amount_minor) FILTER (WHERE currency = ?2), 0) FROM claims
               WHERE slot IN ('payout:platform', 'payout:seller') AND state <> 'void' AND claimed_at > ?1";
const REFUNDS_SINCE: &str =
    "SELECT count(*) FROM claims WHERE slot > 'refund:' AND slot < 'refund;' AND state <> 'void' AND claimed_at > ?1";
const LAID_OUT: &str = "SELECT coalesce(sum(c.amount_minor), 0)
               FROM orders o INDEXED BY orders_open CROSS JOIN claims c ON c.order_id = o.id
               WHERE o.closed_at IS NULL AND c.slot = 'purchase' AND c.state <> 'void' AND c.currency = ?1
                 AND NOT EXISTS (SELECT 1 FROM supplier_orders s WHERE s.key = c.key AND s.state = 'paid')";
const PURCHASES_EVER: &str =
    "SELECT count(*) FROM (SELECT 1 FROM claims WHERE slot = 'purchase' AND state = 'done' AND state <> 'void'
               LIMIT ?1)";

/// Count and sum of the purchases claimed since `since` and not proven void.
fn purchases_since(connection: &Connection, currency: Currency, since: Timestamp) -> Result<(u32, Money)> {
    let row = connection
        .prepare_cached(PURCHASES_SINCE)?
        .query_row(params![to_ms(since), currency.code()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    Ok((row.0, Money::new(row.1, currency)))
}

/// Count of the payouts claimed since `since` and not proven void, and the sum of those in the shop's currency.
fn payouts_since(connection: &Connection, currency: Currency, since: Timestamp) -> Result<(u32, Money)> {
    let row = connection
        .prepare_cached(PAYOUTS_SINCE)?
        .query_row(params![to_ms(since), currency.code()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    Ok((row.0, Money::new(row.1, currency)))
}

fn refunds_since(connection: &Connection, since: Timestamp) -> Result<u32> {
    Ok(connection.prepare_cached(REFUNDS_SINCE)?.query_row([to_ms(since)], |row| row.get(0))?)
}

/// How many purchases there ever were, counted no further than to `most`.
fn purchases_ever(connection: &Connection, most: u32) -> Result<u32> {
    Ok(connection.prepare_cached(PURCHASES_EVER)?.query_row([most], |row| row.get(0))?)
}

/// Paid to the supplier for goods not sold yet, and what pending or unpaid purchases may still cost.
fn laid_out(connection: &Connection, balances: &Balances, currency: Currency) -> Result<Money> {
    let prepaid = balances.of(&Account::SupplierPrepaid);
    // From the open orders to their purchases; the planner would rather begin with the purchases of all time.
    let open: i64 = connection.prepare_cached(LAID_OUT)?.query_row([currency.code()], |row| row.get(0))?;
    Ok(Money::new(prepaid.minor + open, currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How SQLite goes about it, one line a table.
    fn plan(sql: &str) -> Vec<String> {
        let law = crate::store::law_tests::law();
        law.store
            .read(|c| {
                let mut statement = c.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let unset = vec![rusqlite::types::Null; statement.parameter_count()];
                let lines = statement.query_map(rusqlite::params_from_iter(unset), |row| row.get(3))?;
                Ok::<_, crate::store::StoreError>(lines.collect::<rusqlite::Result<Vec<String>>>()?)
            })
            .unwrap()
    }

    #[test]
    fn a_step_does_not_walk_through_the_claims_of_all_time() {
        for sql in [PURCHASES_SINCE, PAYOUTS_SINCE, REFUNDS_SINCE, PURCHASES_EVER] {
            let plan = plan(sql);
            assert!(plan.iter().any(|line| line.contains("USING COVERING INDEX claims_by_day")), "{sql}\n{plan:?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN claims")), "{sql}\n{plan:?}");
        }
        let open = plan(LAID_OUT);
        assert!(open[0].contains("orders_open"), "{open:?}");
    }
}
