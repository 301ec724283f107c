//! A payout that PayPal's statement shows and the books do not know, or know as never sent: the machine went back in time
//! as a whole, and nothing else has told of it (MONEY A5). It is taken up under its key, in the amount and of the time that
//! PayPal shows; its order waits until somebody has looked, nothing of it is sent again, and the batch ends it
//! (`payouts resolve`).

use super::amnesia::is_announced;
use super::claim::{key, key_of};
use super::correct::correct_sale;
use super::settle::event;
use super::{Engine, Result};
use crate::domain::claim::{Claim, Recipient, Slot};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::payout::{NOBODY, receiver_hash};
use crate::domain::trade::Trade;
use crate::gateway::paypal::BatchSeen;
use crate::store::feeds::{self, ListedPayout};
use crate::store::journal::NewIntent;
use crate::store::sales::Why;
use crate::store::{self, claims, doubts, payouts};
use jiff::SignedDuration;
use rusqlite::{Connection, Transaction};

/// What the journal says of such a claim, with the time that PayPal shows.
pub(super) const LISTED: &str = "listed";
/// Attempts that came to nothing stand in no statement. For want of money there is one an hour: enough for eighty days.
const ATTEMPTS: u32 = 2_000;
/// By so much a channel's clock, PayPal's and ours may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(24);
/// Of so many it is asked before a person books a movement; every open order has as many.
const ATTEMPTS_BOOKED: u32 = 100;

/// What the statement shows of a leg that is not paid by our books.
enum Listed {
    /// Under the key of a claim of which nothing went out.
    NeverSent(Claim, ListedPayout),
    /// Under the key of an attempt that is not known.
    Forgotten { attempt: u32, amount: Money, shown: ListedPayout },
    /// The same, and the amount is not known: the money is set aside so far.
    Unclear(ListedPayout),
}

impl Engine {
    /// Whether PayPal's statement shows this leg as paid, which by our books it is not. Then that is taken up, and nothing
    /// may be sent, netted or given up now.
    pub(super) fn take_up_listed(&self, trade: &Trade, recipient: Recipient) -> Result<bool> {
        let id = &trade.order.id;
        match self.store.read(|c| listed(c, trade, recipient))? {
            None => return Ok(false),
            Some(Listed::NeverSent(claim, shown)) => {
                self.note_proof(&claim.key, LISTED, &[shown.at.to_string()])?;
                self.write(|tx| {
                    claims::sent_at(tx, &claim.key, shown.at)?;
                    self.noted(tx, id, &shown, claim.amount)
                })?;
            }
            Some(Listed::Forgotten { attempt, amount, shown }) => {
                self.take_up(trade, Slot::Payout(recipient), attempt, amount, &shown)?;
            }
            Some(Listed::Unclear(shown)) => {
                let what =
                    format!("PayPal's statement shows {} under way, in an amount that is not known yet", shown.key);
                self.write(|tx| doubts::put(tx, id, &what, self.now()))?;
            }
        }
        Ok(true)
    }

    /// As a claim of unknown outcome. Nobody knows whom it was made out to, and no request of it is known.
    fn take_up(&self, trade: &Trade, slot: Slot, attempt: u32, amount: Money, shown: &ListedPayout) -> Result<()> {
        let Slot::Payout(recipient) = slot else { return Ok(()) };
        let (id, key, now) = (&trade.order.id, &shown.key, self.now());
        let request = request(key);
        self.write(|tx| {
            let new = claims::NewClaim { key, order: id, slot, attempt, amount, request: &request };
            claims::insert(tx, &new, shown.at)?;
            payouts::insert(tx, key, recipient, NOBODY)?;
            self.noted(tx, id, shown, amount)
        })?;
        let payee_hash = Some(receiver_hash(NOBODY));
        let intent = NewIntent { order: id, slot, attempt, key, amount, request: &request, payee_hash, terms: None };
        let Some(line) = self.open_line(Some(key), |journal| journal.claim(now, &intent))? else { return Ok(()) };
        self.note_proof(key, LISTED, &[shown.at.to_string()])?;
        let known = self.write(|tx| {
            claims::journaled(tx, key, line)?;
            self.mark_known(tx, line)
        })?;
        self.settled(line, known);
        Ok(())
    }

    fn noted(&self, tx: &Transaction<'_>, id: &OrderId, shown: &ListedPayout, amount: Money) -> store::Result<()> {
        let (key, now) = (&shown.key, self.now());
        payouts::listed(tx, id, key, now)?;
        // What PayPal shows may be more than what is owed now.
        correct_sale(tx, &self.settings.shop, id, &Why { at: now, reason: "payout rebuilt", reference: key })?;
        let what = format!("PayPal's statement shows {amount} under {key} of {}, which was not known here", shown.at);
        event(tx, id, now, "rebuilt", &what)?;
        doubts::put(tx, id, &what, now)
    }
}

/// What stands in the place of bytes that are forgotten; nothing that PayPal would take.
fn request(key: &str) -> Vec<u8> {
    serde_json::json!({ "listed": key }).to_string().into_bytes()
}

/// Whether PayPal's batch is the payout that was taken up under this key: its one item bears the key and the amount. To whom
/// it went is PayPal's knowledge alone. `None`: the bytes of this payout are known, and it is judged by them.
pub(super) fn is_listed_batch(seen: &BatchSeen, claim: &Claim, bytes: &[u8]) -> Option<bool> {
    let key = Some(claim.key.as_str());
    let is_it = seen.items.iter().all(|item| item.sender_item_id.as_deref() == key && item.amount == claim.amount);
    (bytes == request(&claim.key)).then_some(is_it && seen.sender_batch_id.as_deref() == key)
}

/// Whether one of these marks is the key of a payout that an open order has made, or may have made in a time that is
/// forgotten.
pub(super) fn is_of_an_open_order(connection: &Connection, marks: &[String]) -> store::Result<bool> {
    if marks.is_empty() {
        return Ok(false);
    }
    let orders = store::intake::open_identities(connection)?;
    let mut keys = orders.iter().flat_map(|order| {
        let slots = Recipient::ALL.iter().map(|recipient| Slot::Payout(*recipient));
        slots.flat_map(move |slot| (1..=ATTEMPTS_BOOKED).map(move |attempt| key_of(order, slot, attempt)))
    });
    Ok(keys.any(|key| marks.contains(&key)))
}

fn listed(connection: &Connection, trade: &Trade, recipient: Recipient) -> store::Result<Option<Listed>> {
    if let Some(payout) = trade.payout(recipient) {
        let claim = &payout.claim;
        if !claim.is_pending() || claim.is_unknown() || payout.batch_id.is_some() {
            return Ok(None);
        }
        let shown = feeds::payout_listed(connection, &claim.key)?;
        return Ok(shown.map(|shown| Listed::NeverSent(claim.clone(), shown)));
    }
    // An order that came in again may have been paid out before it came.
    let order = &trade.order;
    let since = order.paid_at.map_or(order.created_at, |at| at.min(order.created_at)) - CLOCKS_DIFFER;
    let mut shown = feeds::payouts_of_no_claim(connection, since)?;
    if shown.is_empty() {
        return Ok(None);
    }
    let slot = Slot::Payout(recipient);
    let next = trade.attempts(slot) + 1;
    for attempt in next..next + ATTEMPTS {
        let key = key(trade, slot, attempt);
        if is_announced(connection, &key)? {
            // It is taken up from the journal.
            return Ok(None);
        }
        let Some(at) = shown.iter().position(|shown| shown.key == key) else { continue };
        let shown = shown.swap_remove(at);
        let amount = shown.amount.filter(|amount| amount.currency == trade.order.total.currency);
        return Ok(Some(match amount {
            Some(amount) => Listed::Forgotten { attempt, amount, shown },
            None => Listed::Unclear(shown),
        }));
    }
    Ok(None)
}
