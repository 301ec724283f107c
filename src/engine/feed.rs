//! Reading the far sides' own statements: PayPal's history and balances, and the supplier's word about every supplier
//! order. It looks and writes down what was told; nothing here books, corrects or sends anything. That a statement cannot
//! be had is a state with its reason, and never an empty statement.

use super::looks::is_ended;
use super::{Engine, Result};
use crate::domain::order::OrderId;
use crate::domain::statement::{Reading, Row, SupplierLook};
use crate::gateway::CallError;
use crate::gateway::paypal::{Balance, PayPal, Statement, TransactionSeen, is_permission_missing, windows};
use crate::store;
use crate::store::feeds::{self, Told};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Rows come late and change: so much of the past is read again every time, and the longer one once a day.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24 * 3);
const LONG_OVERLAP: SignedDuration = SignedDuration::from_hours(24 * 31);
const LONG_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// A range that begins inside the report's lag is refused, so no range begins later than this before now.
const BEGINS_BEFORE: SignedDuration = SignedDuration::from_hours(24);
/// Rounds up to whole seconds.
const A_SECOND_LESS: SignedDuration = SignedDuration::from_nanos(999_999_999);
/// A supplier order is looked at again after this, and so many at most in one go: AliExpress counts calls.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(12);
const LOOKS_MAX: u32 = 200;
/// In the first seconds a supplier order is not known by its id.
const LOOK_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// Supplier orders of orders closed for longer than this are not asked about any more.
const CLOSED_FOR: SignedDuration = SignedDuration::from_hours(24 * 30);

impl Engine {
    /// Reads PayPal's statement and balances into rows. Says in a word how far it is known, or why not.
    pub fn read_paypal_statement(&self) -> Result<String> {
        let Some(paypal) = &self.paypal else { return Ok("PayPal is off".to_owned()) };
        let now = self.now();
        let balances = paypal.balances(now);
        let feed = self.write(|tx| {
            for balance in balances.iter().flatten() {
                put_balance(tx, balance, now)?;
            }
            feeds::enter(tx, feeds::PAYPAL)
        })?;
        let is_long = feed.long_read_at.is_none_or(|at| now >= at + LONG_EVERY);
        let overlap = if is_long { LONG_OVERLAP } else { OVERLAP };
        let from = feed.known_through.map_or(feed.since, |through| (through - overlap).max(feed.since));
        // To the end of this second: its movements are in the balance that was just read.
        let range = (whole_seconds(from.min(now - BEGINS_BEFORE)), whole_seconds(now + A_SECOND_LESS));
        if let Some(error) = self.read_ranges(paypal, feed.since, range)?.or(balances.err()) {
            let state = if is_permission_missing(&error) { "no_permission" } else { "failing" };
            self.write(|tx| feeds::failed(tx, feeds::PAYPAL, state, &error.to_string(), now))?;
            return Ok(format!("PayPal's statement cannot be read: {error}"));
        }
        self.write(|tx| feeds::succeeded(tx, feeds::PAYPAL, is_long, "", now))?;
        let through = self.store.read(|c| feeds::known_through(c, feeds::PAYPAL))?;
        Ok(through.map_or("PayPal did not say how far it knows".to_owned(), |t| format!("PayPal known through {t}")))
    }

    /// Part by part, each written down whole; what was read before a failure stays. Answers the failure.
    fn read_ranges(
        &self,
        paypal: &PayPal,
        since: Timestamp,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Option<CallError>> {
        for (from, to) in windows(from, to) {
            let read = |moving_only| paypal.transactions(self.now(), (from, to), moving_only);
            let (moving, all) = match read(true).and_then(|moving| Ok((moving, read(false)?))) {
                Ok(both) => both,
                Err(error) => return Ok(Some(error)),
            };
            // What the report does not know yet is neither there nor missing.
            let through = moving.refreshed_at.min(all.refreshed_at).map(|refreshed_at| refreshed_at.min(to));
            let now = self.now();
            let told = told(moving, all, since, now);
            self.write(|tx| {
                feeds::put(tx, feeds::PAYPAL, (from, through.unwrap_or(from)), &told, now)?;
                through.map_or(Ok(()), |through| feeds::know_through(tx, feeds::PAYPAL, through))
            })?;
        }
        Ok(None)
    }

    /// Asks the supplier about its orders, those longest not asked about first. Says in a word how far that is known.
    pub fn look_at_supplier_orders(&self) -> Result<String> {
        let Some(aliexpress) = &self.aliexpress else { return Ok("AliExpress is off".to_owned()) };
        let now = self.now();
        let closed_after = now - CLOSED_FOR;
        self.write(|tx| feeds::enter(tx, feeds::ALIEXPRESS))?;
        let Some(token) = self.login()? else {
            self.write(|tx| feeds::failed(tx, feeds::ALIEXPRESS, "failing", "there is no login", now))?;
            return Ok("AliExpress: there is no login".to_owned());
        };
        let times = (now - LOOK_AFTER, now - LOOK_EVERY);
        let due = self.store.read(|c| feeds::supplier_orders_due(c, times, closed_after, LOOKS_MAX))?;
        let (mut failure, mut refused) = (None, String::new());
        for id in &due {
            match aliexpress.supplier_order(self.now(), &token, id) {
                Ok(seen) => {
                    let look = SupplierLook {
                        at: self.now(),
                        status: seen.status.word().to_owned(),
                        is_paid: seen.paid_at_text.is_some(),
                        is_ended: is_ended(&seen),
                        total: seen.total,
                    };
                    self.write(|tx| feeds::supplier_looked(tx, id, &look))?;
                }
                // An unknown id is answered like a foreign one, so a no proves nothing; it is asked again.
                Err(error @ CallError::Refused { .. }) => refused = format!("supplier order {id}: {error}"),
                Err(error) => failure = Some(format!("supplier order {id}: {error}")),
            }
        }
        let now = self.now();
        let oldest = self.store.read(|c| feeds::oldest_look(c, closed_after))?;
        self.write(|tx| {
            feeds::know_through(tx, feeds::ALIEXPRESS, oldest.unwrap_or(now))?;
            match &failure {
                Some(reason) => feeds::failed(tx, feeds::ALIEXPRESS, "failing", reason, now),
                None => feeds::succeeded(tx, feeds::ALIEXPRESS, false, &refused, now),
            }
        })?;
        Ok(failure.unwrap_or_else(|| format!("AliExpress: {} orders looked at", due.len())))
    }

    /// PayPal's statement shows a payment of this checkout that we do not know: PayPal is asked about it at once, also
    /// where the checkout counted as expired (MONEY A13, A17).
    pub fn payment_reported(&self, order: &OrderId) -> Result<()> {
        let now = self.now();
        self.write(|tx| {
            if store::checkouts::reported(tx, order, now)? {
                store::events::append(tx, Some(order), now, "payment_reported", "PayPal's statement shows it as paid")?;
            }
            store::intake::reopen(tx, order, now)?;
            store::intake::ring(tx, order, now)
        })?;
        self.bell.ring();
        Ok(())
    }
}

/// PayPal is asked in whole seconds.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Writes a balance down with its time; one without a time proves nothing and is left out.
pub(super) fn put_balance(tx: &rusqlite::Transaction<'_>, balance: &Balance, now: Timestamp) -> store::Result<()> {
    let Some(as_of) = balance.as_of else { return Ok(()) };
    let Balance { available, withheld, total, .. } = *balance;
    let reading = Reading { as_of, total, available, withheld };
    feeds::balance_read(tx, feeds::PAYPAL, &reading, balance.refreshed_at, now)
}

/// The rows of both readings of one range: those that moved the balance, and the rest, each numbered among its likes.
fn told(moving: Statement, all: Statement, since: Timestamp, now: Timestamp) -> Vec<Told> {
    let mut rest = all.rows;
    for row in &moving.rows {
        if let Some(same) = rest.iter().position(|other| other == row) {
            rest.swap_remove(same);
        }
    }
    let mut met: BTreeMap<(String, String, Timestamp, bool), u32> = BTreeMap::new();
    let both = moving.rows.into_iter().map(|row| (row, true)).chain(rest.into_iter().map(|row| (row, false)));
    let ours = both.filter(|(row, _)| row.initiated_at >= since);
    ours.map(|(seen, is_moving)| {
        let nth = met.entry((seen.id.clone(), seen.code.clone(), seen.initiated_at, is_moving)).or_default();
        *nth += 1;
        one_told(seen, is_moving, *nth, now)
    })
    .collect()
}

fn one_told(seen: TransactionSeen, is_moving: bool, nth: u32, now: Timestamp) -> Told {
    let row = Row {
        id: seen.id,
        code: seen.code,
        at: seen.initiated_at,
        seen_at: now,
        nth,
        amount: seen.amount,
        fee: seen.fee,
        reference: seen.reference,
        invoice: seen.invoice.filter(|text| is_plain(text)),
        custom: seen.custom.filter(|text| is_plain(text)),
    };
    Told { row, status: seen.status, updated_at: seen.updated_at, is_moving }
}

/// Of the shape of what we write along. What other shops write there may be anything, also about a person: not kept.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
