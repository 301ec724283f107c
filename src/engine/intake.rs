//! The only door for facts from outside: orders, checkouts, the buyer's return, a human's word. Each is stored in one
//! transaction and rings the bell; nothing here calls anybody.

use super::by_hand::refused;
use super::once::NotHeard;
use super::words::Word;
use super::{Engine, EngineError, Result, facts};
use crate::domain::claim::Recipient;
use crate::domain::entries;
use crate::domain::guards::Approval;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::Money;
use crate::domain::order::{Buyer, Funds, Identity, Line, Order, OrderId, Origin, TaxRemitter};
use crate::failpoint;
use crate::store::products::Product;
use crate::store::{self, StoreError};
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::Transaction;
use std::time::{Duration, Instant};

/// Why an intake was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// A field is missing or makes no sense; the order was not stored.
    #[error("{field}: {reason}")]
    Invalid { field: &'static str, reason: String },
    /// Everything that is missing, not only the first; nothing was stored and nothing was made up (L14).
    #[error("missing: [{}]", .0.join(", "))]
    Missing(Vec<&'static str>),
    #[error("there is no product {0}")]
    UnknownProduct(String),
    #[error("the product {0} is not for sale")]
    InactiveProduct(String),
    /// The same id came with other content.
    #[error("order {0} is known with other content")]
    OtherContent(OrderId),
    /// That capture pays another order already (MONEY A13).
    #[error("the payment already belongs to order {0}")]
    CaptureTaken(OrderId),
    #[error("STOP is set: no new checkout or test order is opened")]
    Stopped,
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for Rejected {
    fn from(error: StoreError) -> Rejected {
        Rejected::Engine(error.into())
    }
}

/// An order as a channel or the seller reports it.
#[derive(Clone, Debug)]
pub struct Report {
    pub channel: String,
    pub channel_order_id: String,
    pub items: Vec<(String, u32)>,
    pub total: Money,
    pub tax: Option<Money>,
    pub tax_remitted_by: Option<TaxRemitter>,
    pub fee: Option<Money>,
    pub outside_capture: Option<String>,
    pub buyer: Buyer,
    pub paid_at: Timestamp,
    /// Whether the money is said to lie in our PayPal account.
    pub says_settled: bool,
    /// Whether who says so may vouch for it (MONEY A7).
    pub may_vouch: bool,
    /// Of everything above, for telling the same report from another one under the same id.
    pub content_hash: String,
}

/// An order that came in, and whether it was new.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub order: OrderId,
    pub is_new: bool,
}

impl Engine {
    pub fn put_product(&self, product: &Product) -> Result<()> {
        let now = self.now();
        self.write(|tx| facts::put_product(tx, product, now))
    }

    /// Takes a channel's order. The same report again answers the same order.
    pub fn take_order(&self, report: &Report) -> std::result::Result<Taken, Rejected> {
        let now = self.now();
        let taken = self.store.write(|tx| {
            if let Some((order, hash)) = store::intake::known(tx, &report.channel, &report.channel_order_id)? {
                let same = hash == report.content_hash;
                return if same { Ok(Taken { order, is_new: false }) } else { Err(Rejected::OtherContent(order)) };
            }
            let outside = outside_capture(report);
            if let Some(order) = outside.as_deref().map(|c| store::intake::paid_by(tx, c)).transpose()?.flatten() {
                return Err(Rejected::CaptureTaken(order));
            }
            let order = self.reported(tx, report, now)?;
            let content_hash = &report.content_hash;
            let arrival =
                store::intake::Arrival { content_hash, outside_capture: outside.as_deref(), buyer_source: "channel" };
            store::intake::insert(tx, &order, &arrival)?;
            if let (Funds::Settled, Some(fee)) = (order.funds, order.channel_fee) {
                store::ledger::book(tx, &order.id, now, &entries::settled_outside(&order, fee))?;
            }
            let detail = format!("{} {} {}", order.identity.channel, order.total, order.funds);
            store::events::append(tx, Some(&order.id), now, "order", &detail)?;
            failpoint::hit("intake.before_commit");
            Ok(Taken { order: order.id, is_new: true })
        })?;
        failpoint::hit("intake.committed");
        self.bell.ring();
        Ok(taken)
    }

    fn reported(&self, tx: &Transaction<'_>, report: &Report, now: Timestamp) -> std::result::Result<Order, Rejected> {
        let invalid = |field, reason: &str| Rejected::Invalid { field, reason: reason.to_owned() };
        if report.items.is_empty() {
            return Err(invalid("items", "an order has at least one item"));
        }
        let lines = report.items.iter().map(|(sku, quantity)| line(tx, sku, *quantity));
        let lines = lines.collect::<std::result::Result<Vec<_>, _>>()?;
        // A line is stored without a currency of its own: it is the order's.
        if let Some(other) = lines.iter().find(|l| l.unit_price.currency != report.total.currency) {
            return Err(invalid("currency", &format!("{} is priced in {}", other.sku, other.unit_price.currency)));
        }
        // Settled only by the word of somebody who may say so; else the channel has it (MONEY A7).
        let funds = if report.says_settled && report.may_vouch { Funds::Settled } else { Funds::HeldByChannel };
        if funds == Funds::Settled && report.fee.is_none() {
            return Err(invalid("fee", "what was kept of settled money must be known; 0 if nothing was"));
        }
        let identity = self.identity(&report.channel, &report.channel_order_id);
        Ok(Order {
            id: identity.order_id(),
            identity,
            origin: Origin::Channel,
            total: report.total,
            tax: report.tax,
            tax_remitted_by: report.tax_remitted_by,
            channel_fee: report.fee,
            funds,
            paid_at: Some(report.paid_at),
            created_at: now,
            lines,
            buyer: Some(report.buyer.clone()),
            cancelled_at: None,
            closed_at: None,
        })
    }

    /// Opens a checkout of our own: the row first, PayPal after it (L35). `reference` makes it the same checkout when it
    /// comes again; without one a random id is drawn.
    pub fn open_checkout_order(
        &self,
        sku: &str,
        quantity: u32,
        buyer: Option<Buyer>,
        reference: Option<&str>,
    ) -> std::result::Result<Taken, Rejected> {
        if self.is_stopped_now()? {
            return Err(Rejected::Stopped);
        }
        let now = self.now();
        let drawn = match reference {
            Some(reference) => reference.to_owned(),
            None => random_id()?,
        };
        let content_hash = store::claims::hash(format!("{sku}|{quantity}").as_bytes());
        let taken = self.store.write(|tx| {
            if let Some((order, hash)) = store::intake::known(tx, CHECKOUT, &drawn)? {
                let same = hash == content_hash;
                return if same { Ok(Taken { order, is_new: false }) } else { Err(Rejected::OtherContent(order)) };
            }
            let line = line(tx, sku, quantity)?;
            let total = line
                .unit_price
                .times(quantity)
                .map_err(|e| Rejected::Invalid { field: "quantity", reason: e.to_string() })?;
            let identity = self.identity(CHECKOUT, &drawn);
            let order = Order {
                id: identity.order_id(),
                identity,
                origin: Origin::Checkout,
                total,
                tax: None,
                tax_remitted_by: None,
                channel_fee: None,
                funds: Funds::Capture,
                paid_at: None,
                created_at: now,
                lines: vec![line],
                buyer,
                cancelled_at: None,
                closed_at: None,
            };
            let arrival =
                store::intake::Arrival { content_hash: &content_hash, outside_capture: None, buyer_source: "client" };
            store::intake::insert(tx, &order, &arrival)?;
            store::checkouts::open(tx, &order.id, now)?;
            store::events::append(tx, Some(&order.id), now, "order", &format!("checkout {}", order.total))?;
            failpoint::hit("intake.before_commit");
            Ok(Taken { order: order.id, is_new: true })
        })?;
        failpoint::hit("intake.committed");
        self.bell.ring();
        Ok(taken)
    }

    /// The buyer came back, or his browser asks for the capture: PayPal is asked at once.
    pub fn buyer_returned(&self, order: &OrderId) -> Result<()> {
        let now = self.now();
        self.write(|tx| {
            store::checkouts::returned(tx, order, now)?;
            store::intake::ring(tx, order, now)
        })?;
        self.bell.ring();
        Ok(())
    }

    /// Something is said to have changed at PayPal with this order's payment (a refund on PayPal's site, a reversal). The
    /// bell proves nothing: PayPal's order is read again, also of an order that is closed (MONEY A17).
    pub fn paypal_rang(&self, order: &OrderId) -> Result<()> {
        let now = self.now();
        self.write(|tx| {
            store::checkouts::rung(tx, order, now)?;
            if store::intake::reopen(tx, order, now)? {
                store::events::append(tx, Some(order), now, "reopened", "PayPal is asked again")?;
            }
            store::intake::ring(tx, order, now)
        })?;
        self.bell.ring();
        Ok(())
    }

    /// A human's yes to the offer.
    pub fn approve(&self, order: &OrderId, approval: &Approval, reason: Option<&str>, by: &str) -> Result<()> {
        self.hear_of(&Word::of(order, "approve", by), order, |tx, now| approved(tx, order, approval, reason, by, now))
    }

    /// Takes the standing hold off. Says whether there was one.
    pub fn release(&self, order: &OrderId, by: &str) -> Result<bool> {
        self.hear_of(&Word::of(order, "release", by), order, |tx, now| released(tx, order, by, now))
    }

    /// Stops one order until somebody releases it.
    pub fn hold(&self, order: &OrderId, reason: &str, by: &str) -> Result<()> {
        let word = Word { said: Some(reason), ..Word::of(order, "hold", by) };
        self.hear_of(&word, order, |tx, now| held(tx, order, reason, by, now))
    }

    /// Confirms where a recipient's money goes (MONEY A20).
    pub fn confirm_payee(&self, recipient: Recipient, email: &str, by: &str) -> Result<()> {
        let verb = format!("payee {recipient}");
        let word = Word { order: None, verb: &verb, by, said: Some(email) };
        self.hear(&word, |tx, now| {
            store::payouts::confirm_payee(tx, recipient, email, by, now)?;
            store::events::append(tx, None, now, "payee_confirmed", recipient.word())?;
            store::intake::ring_all(tx, now)?;
            Ok::<_, EngineError>(())
        })?;
        self.bell.ring();
        Ok(())
    }

    /// A person says that a movement which the reconciliation found is the owner's own.
    pub fn book_movement(&self, finding: i64, by: &str) -> std::result::Result<(), facts::NotBooked> {
        let now = self.now();
        self.store.write(|tx| facts::book_movement(tx, finding, by, now))?;
        self.bell.ring();
        Ok(())
    }

    /// Lets the first payment to the confirmed address of a recipient go.
    pub fn approve_first_payment(
        &self,
        recipient: Recipient,
        email: &str,
        by: &str,
    ) -> std::result::Result<(), NotHeard> {
        let verb = format!("approve-payee {recipient}");
        let word = Word { order: None, verb: &verb, by, said: Some(email) };
        self.hear(&word, |tx, now| {
            if !store::payouts::approve_first(tx, recipient, email, now)? {
                return Err(refused("payee_unconfirmed", "That is not the confirmed address of this recipient."));
            }
            store::events::append(tx, None, now, "payee_approved", recipient.word())?;
            Ok(store::intake::ring_all(tx, now)?)
        })?;
        self.bell.ring();
        Ok(())
    }

    /// A word about one order, which is looked at again at once.
    fn hear_of<T>(
        &self,
        word: &Word<'_>,
        order: &OrderId,
        change: impl FnOnce(&Transaction<'_>, Timestamp) -> store::Result<T>,
    ) -> Result<T> {
        let heard = self.hear(word, |tx, now| {
            let value = change(tx, now)?;
            store::intake::ring(tx, order, now)?;
            Ok::<_, EngineError>(value)
        })?;
        self.bell.ring();
        Ok(heard)
    }

    /// STOP, the file and the row: nothing that moves money is sent until both are gone.
    pub fn stop(&self, by: &str) -> Result<()> {
        let now = self.now();
        let laid = facts::lay_stop_file(&self.settings.stop_file(), by).map_err(EngineError::StopFile);
        self.write(|tx| facts::stop(tx, by, now))?;
        laid?;
        self.hear(&Word { order: None, verb: "stop", by, said: None }, |_, _| Ok(()))
    }

    /// Takes STOP back, file first, and wakes every open order. A file that somebody laid down by hand is not touched,
    /// and stops on.
    pub fn resume(&self, by: &str) -> Result<()> {
        self.hear(&Word { order: None, verb: "resume", by, said: None }, |tx, now| {
            facts::take_stop_file(&self.settings.stop_file()).map_err(EngineError::StopFile)?;
            Ok::<_, EngineError>(facts::resume(tx, by, now).map(drop)?)
        })?;
        self.bell.ring();
        Ok(())
    }

    pub(super) fn identity(&self, channel: &str, channel_order_id: &str) -> Identity {
        Identity {
            mode: self.settings.mode,
            shop: self.settings.shop.clone(),
            channel: channel.to_owned(),
            channel_order_id: channel_order_id.to_owned(),
        }
    }

    /// Waits until `done` is true of the order, at most `most`. Says whether it is.
    pub fn wait_for<T>(
        &self,
        most: Duration,
        done: impl Fn(&rusqlite::Connection) -> store::Result<Option<T>>,
    ) -> Result<Option<T>> {
        let started = Instant::now();
        loop {
            if let Some(value) = self.store.read(&done)? {
                return Ok(Some(value));
            }
            let Some(left) = most.checked_sub(started.elapsed()) else { return Ok(None) };
            self.bell.wait_for_anything(left.min(Duration::from_millis(250)));
        }
    }
}

/// What an approval writes; the caller wakes the order.
pub(super) fn approved(
    tx: &Transaction<'_>,
    order: &OrderId,
    approval: &Approval,
    reason: Option<&str>,
    by: &str,
    now: Timestamp,
) -> store::Result<()> {
    store::quotes::approve(tx, order, approval, reason, by, now)?;
    store::events::append(tx, Some(order), now, "approved", by)
}

/// What a hold by a person writes.
pub(super) fn held(tx: &Transaction<'_>, order: &OrderId, reason: &str, by: &str, now: Timestamp) -> store::Result<()> {
    store::holds::put(tx, order, &Hold::new(HoldCode::Person, reason), by, now)?;
    store::events::append(tx, Some(order), now, "held", by)
}

/// What a release writes. Says whether a hold stood. A lost dispute is what the person saw, so it is released first,
/// and a stored hold behind it stays.
pub(super) fn released(tx: &Transaction<'_>, order: &OrderId, by: &str, now: Timestamp) -> store::Result<bool> {
    if store::disputes::accept(tx, order, by, now)? {
        store::events::append(tx, Some(order), now, "dispute_accepted", by)?;
        return Ok(true);
    }
    // A word about another reason is no word about a payout that came to nothing.
    let standing = store::holds::standing(tx, order)?;
    if standing.is_none_or(|hold| hold.code == HoldCode::PayoutProblem) {
        store::payouts::again_from(tx, order, None, now)?;
    }
    let was_held = store::holds::release(tx, order, by, now)?;
    store::events::append(tx, Some(order), now, "released", by)?;
    Ok(was_held)
}

/// The channel name of our own checkouts.
pub const CHECKOUT: &str = "checkout";

fn outside_capture(report: &Report) -> Option<String> {
    report.outside_capture.clone()
}

/// A line with the product's own price and its approved variant.
pub(super) fn line(tx: &Transaction<'_>, sku: &str, quantity: u32) -> std::result::Result<Line, Rejected> {
    let line = line_of_any(tx, sku, quantity)?;
    if line.is_active { Ok(line) } else { Err(Rejected::InactiveProduct(line.sku)) }
}

/// As [`line`], of a product that need not be for sale.
pub(super) fn line_of_any(tx: &Transaction<'_>, sku: &str, quantity: u32) -> std::result::Result<Line, Rejected> {
    let product = store::products::find(tx, sku)?.ok_or_else(|| Rejected::UnknownProduct(sku.to_owned()))?;
    if !(1..=1000).contains(&quantity) {
        return Err(Rejected::Invalid { field: "quantity", reason: "between 1 and 1000".to_owned() });
    }
    Ok(Line {
        sku: product.sku,
        quantity,
        unit_price: product.price,
        variant: product.variant,
        landed_cost_max: product.landed_cost_max,
        is_active: product.is_active,
    })
}

/// Sixteen characters that nobody can guess.
pub fn random_id() -> Result<String> {
    let mut bytes = [0; 10];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map_err(|_| EngineError::Fault("no random numbers".to_owned()))?;
    Ok(BASE32_NOPAD.encode(&bytes).to_lowercase())
}
