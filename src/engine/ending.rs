//! A person's word that ends something: an order cancelled, money given back to a buyer, and the next attempt to pay a
//! leg whose payout came to nothing. Nothing here gives money back or sends any; the pipeline does what follows.

use super::Engine;
use super::by_hand::refused;
use super::once::{Heard, NotHeard, Once};
use super::settle::event;
use crate::domain::claim::{Claim, Slot};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::Money;
use crate::domain::order::{Funds, OrderId};
use crate::domain::payout::ItemStatus;
use crate::domain::refund::{AGAIN_WITHIN, Refund};
use crate::domain::settlement::PaidOtherwise;
use crate::domain::trade::Trade;
use crate::store::refunds::Wish;
use crate::store::{self, claims};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

/// The word for a refund without an amount, as it stands in the journal.
pub(super) const ALL_THAT_IS_LEFT: &str = "all that is left";

/// What a person wants to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackWanted {
    /// `None` = all that is left.
    pub amount: Option<Money>,
    pub reason: String,
    /// A second refund within a day is meant.
    pub is_again: bool,
    /// It goes out even while STOP is set.
    pub is_confirmed: bool,
}

impl Engine {
    /// Cancels an order: it is never bought afterwards, and never captured; what was captured goes back whole.
    pub fn cancel_once(&self, once: &Once<'_>, order: &OrderId, reason: &str, by: &str) -> Result<Heard<()>, NotHeard> {
        let _hand = self.hand_on(order)?;
        if self.is_new(once)? {
            self.store.read(|c| self.cancellable(c, order).map(drop))?;
        }
        self.once(once, order, "cancel", by, |tx, now| {
            let trade = self.cancellable(tx, order)?;
            store::intake::cancel(tx, order, now)?;
            // A hold has nothing to stop any more. The reason may name people, so it stands where a hold's does, and
            // not in the timeline.
            store::holds::release(tx, order, by, now)?;
            store::holds::put(tx, order, &Hold::new(HoldCode::Person, format!("cancelled: {reason}")), by, now)?;
            store::holds::release(tx, order, by, now)?;
            event(tx, order, now, "cancelled", by)?;
            if trade.refundable().is_positive() {
                let wish = Wish { amount: trade.refundable(), reason, is_confirmed: false, by };
                ordered(tx, order, &wish, now)?;
            }
            Ok(())
        })
    }

    /// Orders money of a capture to be given back, also of an order that is closed or cancelled: it is taken up again
    /// (MONEY A17). Answers the number of the refund.
    pub fn refund_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        wanted: &BackWanted,
        by: &str,
    ) -> Result<Heard<u32>, NotHeard> {
        if self.is_new(once)? {
            self.store.read(|c| self.refundable(c, order, wanted).map(drop))?;
        }
        let amount = wanted.amount.map_or_else(|| ALL_THAT_IS_LEFT.to_owned(), |amount| amount.to_string());
        self.once(once, order, &format!("refund {amount}"), by, |tx, now| {
            let amount = self.refundable(tx, order, wanted)?;
            let BackWanted { reason, is_confirmed, .. } = wanted;
            if store::intake::reopen(tx, order, now)? {
                event(tx, order, now, "reopened", "a refund was ordered")?;
            }
            ordered(tx, order, &Wish { amount, reason, is_confirmed: *is_confirmed, by }, now)
        })
    }

    /// How much is given back, or why nothing is.
    fn refundable(&self, connection: &Connection, order: &OrderId, wanted: &BackWanted) -> Result<Money, NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        if trade.order.funds != Funds::Capture {
            let detail = "The buyer's money did not come through a checkout of this shop; give it back where he paid.";
            return Err(refused("no_capture", detail));
        }
        match &trade.capture {
            Some(capture) if capture.proof.is_some() => {}
            Some(capture) if capture.claim.is_unknown() => return Err(capture_unknown()),
            _ => return Err(refused("not_paid", "Nothing was captured, so there is nothing to give back.")),
        }
        let left = trade.refundable();
        let amount = wanted.amount.unwrap_or(left);
        if amount.currency != left.currency {
            return Err(refused("other_currency", format!("The buyer paid in {}.", left.currency)));
        }
        if !left.is_positive() {
            return Err(refused("nothing_left", "All the money of this order is given back or about to be."));
        }
        if amount.minor > left.minor {
            return Err(refused("over_refundable", format!("At most {left} may still be given back.")));
        }
        let since = self.now() - AGAIN_WITHIN;
        let is_late = |refund: &&Refund| refund.withdrawn_at.is_none() && refund.ordered_at > since;
        if let Some(last) = trade.refunds.iter().rev().find(is_late).filter(|_| !wanted.is_again) {
            let detail = format!(
                "{} was ordered to be given back at {}; if this is another refund, say again: true.",
                last.amount, last.ordered_at
            );
            return Err(refused("refunded_lately", detail));
        }
        Ok(amount)
    }

    /// Why not: the goods are ordered or sold, or nobody knows whether money has moved.
    fn cancellable(&self, connection: &Connection, order: &OrderId) -> Result<Trade, NotHeard> {
        const REFUND: &str = "What is left is a refund: say refund, and do not pay the supplier.";
        let trade = self.open_trade(connection, order)?;
        let is_never_sent = |claim: &Claim| claim.is_pending() && !claim.is_unknown() && claim.is_journaled;
        if let Some(purchase) = trade.purchase.as_ref().filter(|p| !is_never_sent(&p.claim) && !p.is_dead()) {
            if purchase.claim.is_unknown() {
                let detail = "The goods may be ordered and nobody knows; say what became of it with resolve.";
                return Err(refused("resolve_first", detail));
            }
            return Err(refused("refund_first", format!("The goods are ordered. {REFUND}")));
        }
        if let Some(capture) = trade.capture.as_ref().filter(|c| c.proof.is_none() && !is_never_sent(&c.claim)) {
            if capture.claim.is_unknown() {
                return Err(capture_unknown());
            }
            return Err(refused("refund_first", format!("The buyer has paid. {REFUND}")));
        }
        if trade.order.funds == Funds::Settled {
            let detail = "The buyer's money lies in the PayPal account and came through no checkout of this shop: give \
                          it back at PayPal, and hold the order.";
            return Err(refused("refund_first", detail));
        }
        if trade.settled().is_positive() {
            let detail = format!(
                "The channel has paid {} for this order: give it back where it was paid, and hold the order.",
                trade.settled()
            );
            return Err(refused("refund_first", detail));
        }
        if is_sold(&trade) {
            return Err(refused("refund_first", format!("The order is sold. {REFUND}")));
        }
        Ok(trade)
    }

    /// Orders the next attempt of a payout that PayPal proved not to have paid. Answers the order it is of.
    pub fn approve_payout_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        key: &str,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        if self.is_new(once)? {
            self.store.read(|c| self.payable_again(c, order, key))?;
        }
        self.once(once, order, &format!("approve-payout {key}"), by, |tx, now| {
            self.payable_again(tx, order, key)?;
            store::holds::release(tx, order, by, now)?;
            store::payouts::again_from(tx, order, Some(key), now)?;
            Ok(event(tx, order, now, "payout_approved", &format!("the next attempt after {key}, by {by}"))?)
        })
    }

    /// The attempt is void by proof, no other of its leg is under way, and the order is held for it and nothing else.
    fn payable_again(&self, connection: &Connection, order: &OrderId, key: &str) -> Result<(), NotHeard> {
        let trade = self.open_trade(connection, order)?;
        let claim = claims::void_payout(connection, order, key)?;
        let Some(claim) = claim else {
            let detail =
                "PayPal may still pay this one; a next attempt comes only after it is proven not to have paid.";
            return Err(refused("payout_live", detail));
        };
        let Slot::Payout(recipient) = claim.slot else {
            return Err(refused("no_payout", "That is no payout."));
        };
        if trade.attempts(claim.slot) != claim.attempt || trade.payout(recipient).is_some() {
            return Err(refused("payout_superseded", "A later attempt of this payout was made already."));
        }
        if trade.paid_otherwise(recipient).is_positive() {
            return Err(refused("paid_otherwise", "This leg was paid by other means."));
        }
        if let Some(said) = trade.said_paid(recipient) {
            let PaidOtherwise { amount, reference, .. } = said;
            let detail = format!(
                "The intent journal says that {amount} of this leg were paid by other means as {reference}: say mark-paid \
                 with that reference."
            );
            return Err(refused("paid_otherwise", detail));
        }
        let waits = trade.payouts_failed.iter().any(|f| f.recipient == recipient && f.again_at.is_none());
        match &trade.hold {
            Some(hold) if hold.code != HoldCode::PayoutProblem => {
                Err(refused("held", format!("The order is held for another reason: {}.", hold.code)))
            }
            _ if waits => Ok(()),
            _ => Err(refused("not_held", "The next attempt was ordered already.")),
        }
    }

    /// Wants an unclaimed payout taken back. What PayPal says to it decides; until then it may still be claimed.
    pub fn cancel_payout_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        key: &str,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        if self.is_new(once)? {
            self.store.read(|c| self.takeable_back(c, order, key))?;
        }
        self.once(once, order, &format!("cancel-payout {key}"), by, |tx, now| {
            self.takeable_back(tx, order, key)?;
            store::payouts::cancel_wanted(tx, key, now)?;
            Ok(event(tx, order, now, "payout_cancel_wanted", &format!("{key}, by {by}"))?)
        })
    }

    fn takeable_back(&self, connection: &Connection, order: &OrderId, key: &str) -> Result<(), NotHeard> {
        let trade = self.open_trade(connection, order)?;
        match trade.payouts.iter().find(|payout| payout.claim.key == key) {
            Some(payout) if payout.claim.is_pending() && payout.item == Some(ItemStatus::Unclaimed) => Ok(()),
            _ => {
                let detail = "Only a payout that lies unclaimed can be taken back; this one does not, as far as PayPal \
                              has told.";
                Err(refused("not_unclaimed", detail))
            }
        }
    }
}

/// The word stands; the pipeline gives it back.
fn ordered(tx: &Transaction<'_>, order: &OrderId, wish: &Wish<'_>, now: Timestamp) -> Result<u32, NotHeard> {
    let number = store::refunds::order(tx, order, wish, now)?;
    event(tx, order, now, "refund_ordered", &format!("refund {number} of {} by {}", wish.amount, wish.by))?;
    Ok(number)
}

fn capture_unknown() -> NotHeard {
    let detail = "The buyer's money may have been taken and nobody knows; the program goes on asking PayPal. Hold the \
                  order meanwhile.";
    refused("capture_unknown", detail)
}

fn is_sold(trade: &Trade) -> bool {
    trade.sale.is_some() || !trade.payouts.is_empty()
}
