//! What PayPal tells by itself. An event is judged, stored and committed before it is acknowledged, and then it only
//! rings: the order it names is looked at again. Nothing that stands in it is believed, so it may come twice, late, or in
//! any order.

use super::correct::correct_sale;
use super::reversals;
use super::settle::event;
use super::{Engine, EngineError, Result};
use crate::domain::claim::Slot;
use crate::domain::dispute::{Dispute, Standing, standing};
use crate::domain::entries;
use crate::domain::order::OrderId;
use crate::domain::trade::Trade;
use crate::failpoint;
pub use crate::gateway::paypal::{Delivery, NotHeard};
use crate::gateway::paypal::{DisputeSeen, MovementSeen, PayPal};
use crate::store::inbox::Arrived;
use crate::store::sales::Why;
use crate::store::{self, StoreError, disputes, inbox};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Transaction;

const PAYPAL: &str = "paypal";
const DISPUTE: &str = "CUSTOMER.DISPUTE.";
/// Bodies hold the buyer's name and address, and only their hash is needed later.
const BODIES_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// An event that could not be placed is tried again, and shown, for so long.
pub const UNPLACED_SHOWN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What somebody should do about one.
pub const UNPLACED_ADVICE: &str = "look these ids up at PayPal: it is money or a dispute of no order of this shop";
/// The list of disputes is read with this overlap: PayPal's own clock and lists lag.
const OVERLAP: SignedDuration = SignedDuration::from_hours(3 * 24);
/// PayPal lists disputes that changed within 180 days.
const REACH: SignedDuration = SignedDuration::from_hours(179 * 24);
const KNOWN_THROUGH: &str = "disputes_known_through";

/// Why a delivery is not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    #[error(transparent)]
    NotHeard(#[from] NotHeard),
    /// It could not be stored; PayPal has to send it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What happened in our account, for people and for placing.
struct Rung<'a> {
    event_id: &'a str,
    kind: &'a str,
    /// Of an event about a dispute, the dispute's id comes first.
    names: &'a [String],
}

impl Engine {
    /// Judges a delivery and stores it. When this returns `Ok` it is on the disk; says whether it was new.
    pub fn webhook(&self, delivery: &Delivery<'_>) -> std::result::Result<bool, Unheard> {
        let paypal = self.paypal.as_ref();
        let paypal = paypal.ok_or_else(|| NotHeard::NotNow("PayPal is not configured".to_owned()))?;
        let told = paypal.hear(self.now(), delivery)?;
        let rung = Rung { event_id: &told.event_id, kind: &told.kind, names: &told.names };
        Ok(self.take_in(&rung, Some(delivery.body))?)
    }

    /// Has PayPal tell this address, under the webhook id that we listen for: moved where it tells another one, made
    /// where there is none. Says in a line what was done.
    pub fn have_told(&self, webhook_id: &str, url: &str) -> std::result::Result<String, String> {
        let Some(paypal) = &self.paypal else { return Ok("PayPal is not configured".to_owned()) };
        let now = self.now();
        let webhooks = paypal.webhooks(now).map_err(|e| e.to_string())?;
        match webhooks.iter().find(|w| w.id == webhook_id) {
            Some(ours) if ours.url == url => return Ok(format!("{url} is told already")),
            Some(ours) => drop(paypal.move_webhook(now, &ours.id, url).map_err(|e| e.to_string())?),
            None => {
                let made = paypal.register_webhook(now, url).map_err(|e| e.to_string())?;
                if made.id != webhook_id {
                    return Err(format!("the new webhook is {}; set PAYPAL_WEBHOOK_ID to it", made.id));
                }
            }
        }
        Ok(format!("{url} is told from now on"))
    }

    fn take_in(&self, rung: &Rung<'_>, body: Option<&[u8]>) -> store::Result<bool> {
        let now = self.now();
        let is_new = self.store.write(|tx| {
            let Rung { event_id, kind, names } = *rung;
            let is_new = inbox::put(tx, &Arrived { provider: PAYPAL, event_id, kind, names, body }, now)?;
            if is_new {
                place(tx, rung, now)?;
            }
            failpoint::hit("webhook.before_commit");
            Ok::<_, StoreError>(is_new)
        })?;
        failpoint::hit("webhook.committed");
        self.bell.ring();
        Ok(is_new)
    }

    /// Tries again to place what came before its order was known, and empties old bodies. Says in a line what was done.
    pub fn tidy_inbox(&self) -> Result<String> {
        let now = self.now();
        let waiting = self.store.read(|c| inbox::unplaced(c, now - UNPLACED_SHOWN, 1000))?;
        let (mut placed, all) = (0, waiting.len());
        for event in waiting.iter().filter(|e| e.provider == PAYPAL) {
            let rung = Rung { event_id: &event.event_id, kind: &event.kind, names: &event.names };
            placed += u32::from(self.write(|tx| place(tx, &rung, now))?);
        }
        let emptied = self.write(|tx| inbox::empty_bodies(tx, now - BODIES_KEPT))?;
        self.bell.ring();
        Ok(format!("{placed} of {all} waiting events placed, {emptied} bodies emptied"))
    }

    /// Reads the list of disputes that changed and rings for each; without any webhook this is how one is seen.
    pub fn poll_disputes(&self) -> std::result::Result<String, String> {
        let Some(paypal) = &self.paypal else { return Ok("PayPal is not configured".to_owned()) };
        let now = self.now();
        let known_through = self.store.read(|c| disputes_known_through(c, now)).map_err(|e| e.to_string())?;
        let listed = paypal.disputes_since(now, (known_through - OVERLAP).max(now - REACH));
        let (lines, mut is_whole) = listed.map_err(|e| e.to_string())?;
        let mut news = 0;
        for line in &lines {
            let event_id = format!("{}@{}", line.id, line.updated);
            if self.store.read(|c| inbox::has(c, PAYPAL, &event_id)).map_err(|e: StoreError| e.to_string())? {
                continue;
            }
            match self.names_of(paypal, &line.id, now) {
                Ok(names) => {
                    let rung = Rung { event_id: &event_id, kind: "CUSTOMER.DISPUTE.SEEN", names: &names };
                    self.take_in(&rung, None).map_err(|e| e.to_string())?;
                    news += 1;
                }
                Err(reason) => {
                    log::info!("dispute {}: {reason}", line.id);
                    is_whole = false;
                }
            }
        }
        if is_whole {
            let set = |tx: &Transaction<'_>| store::meta::set(tx, KNOWN_THROUGH, &store::to_ms(now).to_string());
            self.store.write(set).map_err(|e: StoreError| e.to_string())?;
        }
        Ok(format!("{} disputes listed, {news} with news{}", lines.len(), if is_whole { "" } else { ", not whole" }))
    }

    /// The list names no payment, so a dispute that is new to us is looked up.
    fn names_of(&self, paypal: &PayPal, id: &str, now: Timestamp) -> std::result::Result<Vec<String>, String> {
        if self.store.read(|c| disputes::tellings(c, id)).map_err(|e: StoreError| e.to_string())? > 0 {
            return Ok(vec![id.to_owned()]);
        }
        let seen = paypal.dispute(now, id).map_err(|e| e.to_string())?;
        Ok([id.to_owned()].into_iter().chain(seen.references).chain(seen.captures).collect())
    }

    /// PayPal rang: everything of this order that can still change is asked for.
    pub(super) fn look_again(&self, trade: &Trade) -> Result<()> {
        let is_captured = trade.capture.as_ref().and_then(|c| c.proof.as_ref()).is_some_and(|p| p.is_completed);
        // One that has run out is asked about again where money was asked for with it.
        let was_asked = trade.attempts(Slot::Capture) > 0;
        let has_checkout = trade
            .checkout
            .as_ref()
            .is_some_and(|c| c.paypal_order_id.is_some() && (c.expired_at.is_none() || was_asked));
        match (is_captured, has_checkout) {
            (true, _) => self.read_fee(trade)?,
            (false, true) => self.ask_checkout(trade)?,
            (false, false) => {}
        }
        // One that was paid may have come back.
        for payout in trade.payouts.iter().filter(|p| p.batch_id.is_some()) {
            self.ask_payout(trade, payout.recipient)?;
        }
        for dispute in trade.disputes.iter().filter(|d| d.standing() == Standing::Unread) {
            self.read_dispute(trade, &dispute.id)?;
        }
        self.write(|tx| store::intake::heard(tx, &trade.order.id, trade.told))
    }

    fn read_dispute(&self, trade: &Trade, id: &str) -> Result<()> {
        let told = self.store.read(|c| Ok::<_, EngineError>(disputes::tellings(c, id)?))?;
        let answer = self.paypal()?.dispute(self.now(), id);
        failpoint::hit("look.answered");
        let now = self.now();
        self.write(|tx| match &answer {
            Ok(seen) => dispute_seen(tx, trade, seen, told, now),
            Err(error) => {
                log::info!("dispute {id}: {error}");
                disputes::asked(tx, id, now)
            }
        })
    }
}

fn disputes_known_through(connection: &rusqlite::Connection, now: Timestamp) -> store::Result<Timestamp> {
    let known = store::meta::value(connection, KNOWN_THROUGH)?.is_some();
    let name = if known { KNOWN_THROUGH } else { "live_since" };
    Ok(store::from_ms(store::meta::number(connection, name)?)?.min(now))
}

/// Finds the order an event is about and rings for it. False: none of ours; it waits, and is shown.
fn place(tx: &Transaction<'_>, rung: &Rung<'_>, now: Timestamp) -> store::Result<bool> {
    let Rung { event_id, kind, names } = rung;
    let mut order = None;
    for name in *names {
        order = inbox::order_named(tx, name)?;
        if order.is_some() {
            break;
        }
    }
    let Some(order) = order else { return Ok(false) };
    let dispute = names.first().filter(|_| kind.starts_with(DISPUTE));
    if let Some(id) = dispute {
        disputes::told(tx, id, &order, now)?;
    }
    inbox::placed(tx, PAYPAL, event_id, &order, now)?;
    event(tx, &order, now, "told", &format!("{kind} {event_id}"))?;
    if store::intake::told(tx, &order, reopens(kind), now)? {
        event(tx, &order, now, "reopened", kind)?;
    }
    Ok(true)
}

/// Whether this kind can be news about a finished order. What only says that all went well is no reason to open one
/// again (MONEY A17).
fn reopens(kind: &str) -> bool {
    const GOOD_NEWS: [&str; 7] = [
        "CHECKOUT.ORDER.APPROVED",
        "CHECKOUT.ORDER.COMPLETED",
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.PENDING",
        "PAYMENT.PAYOUTSBATCH.PROCESSING",
        "PAYMENT.PAYOUTSBATCH.SUCCESS",
        "PAYMENT.PAYOUTS-ITEM.SUCCEEDED",
    ];
    !GOOD_NEWS.contains(&kind)
}

/// What PayPal shows of a dispute, and of our money in it.
fn dispute_seen(
    tx: &Transaction<'_>,
    asked_for: &Trade,
    seen: &DisputeSeen,
    told: u32,
    now: Timestamp,
) -> store::Result<()> {
    let order = &owner(tx, &asked_for.order.id, seen, now)?;
    let before = disputes::of_order(tx, order)?.into_iter().find(|d| d.id == seen.id).map(|d| d.standing());
    let row = disputes::Seen {
        id: &seen.id,
        told,
        capture_id: seen.captures.first().map(String::as_str),
        status: &seen.status,
        stage: seen.stage.as_deref(),
        reason: &seen.reason,
        amount: seen.amount,
        opened_at: seen.opened_at,
        updated_at: seen.updated_at,
        respond_by: seen.respond_by,
        outcome: seen.outcome.as_deref(),
    };
    if disputes::read(tx, &row, now)? {
        let amount = seen.amount.map(|m| m.to_string()).unwrap_or_default();
        let outcome = seen.outcome.as_deref().unwrap_or_default();
        let said = format!("{} {} {amount} {outcome}", seen.id, seen.status);
        event(tx, order, now, "dispute", said.trim_end())?;
    }
    let taken_before = disputes::taken(tx, &seen.id)?.0.map_or(0, |taken| taken.minor.max(0));
    for (at, movement) in seen.movements.iter().enumerate() {
        let alike = seen.movements[..=at].iter().filter(|other| *other == movement).count();
        moved(tx, order, &seen.id, movement, u32::try_from(alike).unwrap_or(u32::MAX), now)?;
    }
    let (taken, abroad) = disputes::taken(tx, &seen.id)?;
    let stands = |d: &Dispute| standing(d.status.as_deref(), d.outcome.as_deref(), taken, abroad);
    let is_lost = disputes::of_order(tx, order)?.iter().any(|d| d.id == seen.id && stands(d) == Standing::Lost);
    if let Some(taken) = taken {
        let wanted = if is_lost { taken.minor.max(0) } else { 0 };
        let more = wanted - disputes::charged(tx, &seen.id)?;
        if more != 0 {
            let n = disputes::charge(tx, &seen.id, wanted)?;
            let amount = crate::domain::money::Money::new(more, taken.currency);
            let is_sold = store::sales::find(tx, order)?.is_some();
            let entry = entries::charged_back(&format!("{}/{n}", seen.id), is_sold, amount);
            store::ledger::book(tx, order, now, &entry)?;
            event(tx, order, now, "charged_back", &format!("{} {amount}", seen.id))?;
            let why = Why { at: now, reason: "dispute", reference: &seen.id };
            correct_sale(tx, &asked_for.order.identity.shop, order, &why)?;
        }
    }
    let taken_now = taken.map_or(0, |taken| taken.minor.max(0));
    if taken_now != taken_before {
        let known = reversals::Known::DisputeTook(taken_now - taken_before);
        reversals::settle(tx, &asked_for.order.identity.shop, order, &known, now)?;
        // What the capture counts as now decides what is left of a reversal.
        store::checkouts::rung_if_any(tx, order, now)?;
    }
    if is_lost && before != Some(Standing::Lost) {
        event(tx, order, now, "dispute_lost", &seen.id)?;
    }
    Ok(())
}

/// The order that the dispute itself names. A delivery may have named another one: it is not believed, and the right one
/// is told.
fn owner(tx: &Transaction<'_>, asked_for: &OrderId, seen: &DisputeSeen, now: Timestamp) -> store::Result<OrderId> {
    for name in seen.captures.iter().chain(&seen.references) {
        match inbox::order_named(tx, name)? {
            Some(order) if order == *asked_for => return Ok(order),
            Some(order) => {
                disputes::moved_to(tx, &seen.id, &order)?;
                store::intake::told(tx, &order, true, now)?;
                return Ok(order);
            }
            None => {}
        }
    }
    Ok(asked_for.clone())
}

fn moved(
    tx: &Transaction<'_>,
    order: &OrderId,
    dispute: &str,
    movement: &MovementSeen,
    alike: u32,
    now: Timestamp,
) -> store::Result<()> {
    let MovementSeen { is_debit, reason, amount, at } = movement;
    if !amount.is_positive() {
        return Ok(());
    }
    let row = disputes::Movement { is_debit: *is_debit, reason, amount: *amount, at: *at };
    let Some(n) = disputes::moved(tx, dispute, &row, alike)? else { return Ok(()) };
    let is_fee = reason.ends_with("_FEE");
    let entry = entries::dispute_moved(&format!("{dispute}/{n}"), *is_debit, is_fee, *amount);
    store::ledger::book(tx, order, now, &entry)?;
    let way = if *is_debit { "taken" } else { "given back" };
    event(tx, order, now, "dispute_money", &format!("{dispute} {amount} {way} {reason}"))
}
