//! A person's word that ends something: an order cancelled before money moved, and the next attempt to pay a leg whose
//! payout came to nothing. Nothing here gives money back or sends any; the pipeline does what follows.

use super::Engine;
use super::by_hand::refused;
use super::once::{Heard, NotHeard, Once};
use super::settle::event;
use crate::domain::claim::{Claim, Slot};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::{Funds, OrderId};
use crate::domain::payout::ItemStatus;
use crate::domain::trade::Trade;
use crate::store::{self, claims};
use rusqlite::Connection;

impl Engine {
    /// Cancels an order of which no money has moved: it is never captured and never bought afterwards.
    pub fn cancel_once(&self, once: &Once<'_>, order: &OrderId, reason: &str, by: &str) -> Result<Heard<()>, NotHeard> {
        let _hand = self.hand_on(order)?;
        if self.is_new(once)? {
            self.store.read(|c| self.cancellable(c, order))?;
        }
        self.once(once, order, "cancel", by, |tx, now| {
            self.cancellable(tx, order)?;
            store::intake::cancel(tx, order, now)?;
            // A hold has nothing to stop any more. The reason may name people, so it stands where a hold's does, and
            // not in the timeline.
            store::holds::release(tx, order, by, now)?;
            store::holds::put(tx, order, &Hold::new(HoldCode::Person, format!("cancelled: {reason}")), by, now)?;
            store::holds::release(tx, order, by, now)?;
            Ok(event(tx, order, now, "cancelled", by)?)
        })
    }

    /// Why not: money has moved, or nobody knows whether it did.
    fn cancellable(&self, connection: &Connection, order: &OrderId) -> Result<(), NotHeard> {
        const REFUND: &str = "This version gives no money back by itself: hold the order, refund the buyer at PayPal, \
                              and do not pay the supplier.";
        let trade = self.open_trade(connection, order)?;
        let is_never_sent = |claim: &Claim| claim.is_pending() && !claim.is_unknown() && claim.is_journaled;
        if let Some(purchase) = trade.purchase.as_ref().filter(|p| !is_never_sent(&p.claim)) {
            if purchase.claim.is_unknown() {
                let detail = "The goods may be ordered and nobody knows; say what became of it with resolve.";
                return Err(refused("resolve_first", detail));
            }
            return Err(refused("refund_first", format!("The goods are ordered. What is left is a refund. {REFUND}")));
        }
        if let Some(capture) = trade.capture.as_ref().filter(|c| c.proof.is_some() || !is_never_sent(&c.claim)) {
            if capture.proof.is_none() && capture.claim.is_unknown() {
                let detail = "The buyer's money may have been taken and nobody knows; the program goes on asking PayPal. \
                              Hold the order meanwhile.";
                return Err(refused("capture_unknown", detail));
            }
            return Err(refused("refund_first", format!("The buyer has paid. What is left is a refund. {REFUND}")));
        }
        if trade.order.funds == Funds::Settled {
            return Err(refused("refund_first", format!("The buyer's money lies in the PayPal account. {REFUND}")));
        }
        if is_sold(&trade) {
            return Err(refused("refund_first", format!("The order is sold. {REFUND}")));
        }
        Ok(())
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

fn is_sold(trade: &Trade) -> bool {
    trade.sale.is_some() || !trade.payouts.is_empty()
}
