//! The way out of a capture that nobody knows the outcome of, once PayPal's order has run out: a person says that nothing
//! is there, and PayPal bears it out. The order then ends unpaid; nothing is captured any more.

use super::{Engine, not_seen};
use crate::domain::claim::Claim;
use crate::domain::order::OrderId;
use crate::domain::trade::Trade;
use crate::engine::by_hand::refused;
use crate::engine::once::{Heard, NotHeard, Once};
use crate::engine::settle::event;
use crate::engine::steps::paypal_order_id;
use crate::gateway::paypal::{CaptureSeen, CaptureStatus, CheckoutStatus};
use crate::store::{self, claims, feeds};
use rusqlite::Connection;

impl Engine {
    /// Whether it is the buyer's payment whose outcome nobody knows.
    pub(in crate::engine) fn is_capture_unknown(&self, order: &OrderId) -> Result<bool, NotHeard> {
        let trade = self.store.read(|c| store::trades::load(c, &self.settings.shop, order))?;
        Ok(trade.capture.is_some_and(|capture| capture.claim.is_unknown() && capture.proof.is_none()))
    }

    /// Ends a capture of unknown outcome as never made. The caller has a hand on the order.
    pub(in crate::engine) fn no_capture_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        said: &str,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        let (trade, claim) = self.store.read(|c| self.unknown_capture(c, order))?;
        self.store.read(|c| self.is_old_and_sure(c, order, &claim))?;
        let is_shown = self.paypal_shows_it_uncaptured(&trade)?;
        if !is_shown {
            self.read_paypal_statement()?;
        }
        let heard = self.once(once, order, said, by, |tx, now| {
            let (_, claim) = self.unknown_capture(tx, order)?;
            if !is_shown {
                self.no_capture_is_stated(tx, order, &claim)?;
            }
            let bears_out = if is_shown { "PayPal's order" } else { "PayPal's statement" };
            let proof = format!("{bears_out} shows nothing, and nothing is there, said by {by}");
            claims::void_by_proof(tx, &claim.key, &proof, now)?;
            store::checkouts::expired(tx, order, now)?;
            event(tx, order, now, "resolved", &format!("the payment of {}: nothing there, by {by}", claim.amount))?;
            Ok(claim.key)
        })?;
        self.note_heard(heard, "nothing there", &[])
    }

    fn unknown_capture(&self, connection: &Connection, order: &OrderId) -> Result<(Trade, Claim), NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        let unknown = trade.capture.as_ref().filter(|c| c.proof.is_none() && c.claim.is_unknown());
        match unknown.map(|capture| capture.claim.clone()) {
            Some(claim) => Ok((trade, claim)),
            None => Err(refused("nothing_unknown", "The payment of this order is not of unknown outcome.")),
        }
    }

    /// `true`: PayPal shows the order, and that nothing was taken by it. `false`: it does not show the order any more, which
    /// by itself proves nothing.
    fn paypal_shows_it_uncaptured(&self, trade: &Trade) -> Result<bool, NotHeard> {
        let answer = self.paypal()?.order(self.now(), paypal_order_id(trade)?);
        let Some(shown) = answer.map_err(|error| not_seen("order", &error))? else { return Ok(false) };
        let is_taken = |c: &&CaptureSeen| !matches!(c.status, CaptureStatus::Declined | CaptureStatus::Failed);
        if let Some(capture) = shown.captures.iter().find(is_taken) {
            let detail = format!("PayPal shows payment {}; the program's next look takes it up by itself.", capture.id);
            return Err(refused("capture_there", detail));
        }
        use CheckoutStatus::{Approved, Created, PayerActionRequired, Saved, Voided};
        if !matches!(shown.status, Created | Saved | Approved | PayerActionRequired | Voided) || shown.is_reservation {
            let detail = "PayPal shows the order as more than approved, and no payment in it; look again in an hour.";
            return Err(refused("not_proven", detail));
        }
        Ok(true)
    }

    /// PayPal's statement is known past the last send and the report's lag, and has no row that may be this payment: none
    /// that names the order, and none of its amount that names nobody's.
    fn no_capture_is_stated(&self, connection: &Connection, order: &OrderId, claim: &Claim) -> Result<(), NotHeard> {
        self.is_stated_through(connection, claim)?;
        match feeds::capture_stated(connection, order, claim)? {
            None => Ok(()),
            Some(id) => {
                let detail = format!("PayPal's statement shows {id}, which may be this payment; look it up there.");
                Err(refused("capture_there", detail))
            }
        }
    }
}
