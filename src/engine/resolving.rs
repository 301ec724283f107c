//! The way out of a capture, a refund or a payout that nobody knows the outcome of, by a person's word. The word alone is
//! never enough: an id is looked up at PayPal and must be what was asked for, and "nothing there" counts only after a look
//! that shows nothing, a day after it was sent (MONEY A2). Nothing here sends money; a next attempt takes another word.

use super::Engine;
use super::by_hand::{not_in_doubt, refused};
use super::listed::is_listed_batch;
use super::once::{Heard, NotHeard, Once};
use super::refunds::{Ours, capture_id, is_of, ours_seen};
use super::settle::{event, is_original};
use crate::domain::claim::{Claim, Recipient};
use crate::domain::order::OrderId;
use crate::domain::statement::LAG;
use crate::domain::trade::Trade;
use crate::gateway::CallError;
use crate::gateway::paypal::{CaptureStatus, CheckoutSeen, RefundSeen};
use crate::store::feeds::{self, PAYPAL};
use crate::store::{self, claims};
use jiff::SignedDuration;
use rusqlite::Connection;

mod capture;

/// What a person found at PayPal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundAtPaypal {
    /// PayPal's id: of the refund, or of the payout's batch.
    Id(String),
    NothingThere,
}

/// "Nothing there" counts only this long after the claim: PayPal says to work within a day.
const NOTHING_THERE_AFTER: SignedDuration = SignedDuration::from_hours(24);

impl FoundAtPaypal {
    fn words(&self) -> &str {
        match self {
            FoundAtPaypal::Id(id) => id,
            FoundAtPaypal::NothingThere => "nothing-there",
        }
    }
}

impl Engine {
    /// Ends a refund of unknown outcome. `number`: which; `None` = the only one that is unknown.
    pub fn resolve_refund_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        number: Option<u32>,
        found: &FoundAtPaypal,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        let _hand = self.hand_on(order)?;
        let said = format!("resolve-refund {}", found.words());
        if !self.is_new(once)? {
            return self.once(once, order, &said, by, |_, _| Ok(()));
        }
        let (trade, number, claim) = self.store.read(|c| self.unknown_refund(c, order, number))?;
        let seen = match found {
            FoundAtPaypal::Id(id) => Some(self.refund_of_that_id(&trade, number, &claim, id)?),
            FoundAtPaypal::NothingThere => {
                self.store.read(|c| self.is_old_and_sure(c, order, &claim))?;
                self.no_refund_is_shown(&trade, number, &claim)?;
                None
            }
        };
        let heard = self.once(once, order, &said, by, |tx, now| {
            let (trade, number, claim) = self.unknown_refund(tx, order, Some(number))?;
            match &seen {
                Some(seen) => {
                    let capture_id = capture_id(&trade)?;
                    ours_seen(tx, &Ours::of(&trade, number, &claim.key, capture_id), seen, now)?;
                }
                None => {
                    let proof = format!("PayPal shows nothing, and nothing is there, said by {by}");
                    claims::void_by_proof(tx, &claim.key, &proof, now)?;
                    store::refunds::asked(tx, order, number, true, now)?;
                    store::refunds::withdraw(tx, order, number, now)?;
                }
            }
            let detail = format!("refund {number}: {} by {by}", found.words());
            event(tx, order, now, "resolved", &detail)?;
            Ok(claim.key)
        })?;
        let ids: Vec<String> = seen.iter().map(|seen| seen.id.clone()).collect();
        self.note_heard(heard, seen.as_ref().map_or("nothing there", |seen| seen.status.word()), &ids)
    }

    /// The refund may also be of an order that is cancelled: its money is no less in doubt.
    fn unknown_refund(
        &self,
        connection: &Connection,
        order: &OrderId,
        number: Option<u32>,
    ) -> Result<(Trade, u32, Claim), NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        let unknown = trade.refunds.iter().filter(|r| r.is_open() && r.seen.is_none());
        let unknown = unknown.filter_map(|r| Some((r.number, r.claim.clone().filter(Claim::is_unknown)?)));
        let mut wanted = unknown.filter(|(n, _)| number.is_none_or(|number| number == *n));
        let Some((number, claim)) = wanted.next() else {
            return Err(refused("nothing_unknown", "No refund of this order is of unknown outcome."));
        };
        if wanted.next().is_some() {
            return Err(refused("which_refund", "Several refunds of this order are unknown; name one by its number."));
        }
        Ok((trade, number, claim))
    }

    fn refund_of_that_id(&self, trade: &Trade, number: u32, claim: &Claim, id: &str) -> Result<RefundSeen, NotHeard> {
        let seen = self.paypal()?.refund_seen(self.now(), id).map_err(|e| not_seen("refund", &e))?;
        if seen.amount != Some(claim.amount) {
            let shown = seen.amount.map_or("no amount".to_owned(), |amount| amount.to_string());
            let detail = format!("PayPal shows {shown} for it, ordered was {}.", claim.amount);
            return Err(refused("another_refund", detail));
        }
        if self.store.read(|c| store::refunds::status(c, id))?.is_some() {
            return Err(refused("refund_known", "This refund is known here already, as another one."));
        }
        if is_of(&seen, trade, number, &claim.key) {
            return Ok(seen);
        }
        // Without our marks it is ours only as one of our own capture that nobody else marked either.
        let is_unmarked = seen.custom_id.is_none() && seen.invoice_id.is_none();
        let listed = self.paypal_order(trade)?.refunds;
        if is_unmarked && listed.iter().any(|refund| refund.id == seen.id) {
            return Ok(seen);
        }
        Err(refused("another_refund", "PayPal's refund bears another mark than the one that was asked for."))
    }

    /// PayPal's order is looked at now: it lists no refund that may be ours, and lacks no money that none explains.
    fn no_refund_is_shown(&self, trade: &Trade, number: u32, claim: &Claim) -> Result<(), NotHeard> {
        let shown = self.paypal_order(trade)?;
        let may_be_ours = |refund: &&RefundSeen| {
            let is_unmarked = refund.custom_id.is_none() && refund.invoice_id.is_none();
            let is_known = trade.taken_back.iter().any(|taken| taken.id == refund.id);
            is_of(refund, trade, number, &claim.key)
                || is_unmarked && !is_known && refund.amount.is_none_or(|amount| amount == claim.amount)
        };
        if let Some(refund) = shown.refunds.iter().find(may_be_ours) {
            let detail = format!("PayPal shows refund {}; resolve it with that id.", refund.id);
            return Err(refused("refund_there", detail));
        }
        let capture_id = capture_id(trade)?;
        if !shown.captures.iter().any(|capture| capture.id == capture_id) {
            return Err(refused("not_proven", "PayPal's answer does not show the payment, which proves nothing."));
        }
        let status = shown.captures.iter().map(|capture| &capture.status);
        let is_less = status.clone().any(|s| matches!(s, CaptureStatus::Refunded | CaptureStatus::PartiallyRefunded));
        let known = trade.given_back().minor.saturating_add(trade.charged_back().minor);
        let is_explained = match status.clone().any(|s| *s == CaptureStatus::Refunded) {
            true => trade.captured().is_some_and(|captured| known >= captured.minor),
            false => known > 0,
        };
        if is_less && !is_explained {
            let detail = "PayPal's payment lacks money that no refund known here explains; look again in an hour.";
            return Err(refused("not_proven", detail));
        }
        Ok(())
    }

    fn paypal_order(&self, trade: &Trade) -> Result<CheckoutSeen, NotHeard> {
        let answer = self.paypal()?.order(self.now(), super::steps::paypal_order_id(trade)?);
        let shown = answer.map_err(|error| not_seen("order", &error))?;
        shown.ok_or_else(|| refused("not_proven", "PayPal does not show this order any more, which proves nothing."))
    }

    /// Ends a payout of unknown outcome. Proven absent, it is paid again only by `approve`.
    pub fn resolve_payout_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        key: &str,
        found: &FoundAtPaypal,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        let _hand = self.hand_on(order)?;
        let said = format!("resolve-payout {key} {}", found.words());
        if !self.is_new(once)? {
            return self.once(once, order, &said, by, |_, _| Ok(()));
        }
        let (_, claim) = self.store.read(|c| self.unknown_payout(c, order, key))?;
        match found {
            FoundAtPaypal::Id(batch_id) => self.batch_of_that_id(&claim, batch_id)?,
            FoundAtPaypal::NothingThere => {
                self.store.read(|c| self.is_old_and_sure(c, order, &claim))?;
                self.read_paypal_statement()?;
                self.store.read(|c| self.no_payout_is_stated(c, &claim))?;
            }
        }
        let heard = self.once(once, order, &said, by, |tx, now| {
            let (recipient, claim) = self.unknown_payout(tx, order, key)?;
            match found {
                FoundAtPaypal::Id(batch_id) => store::payouts::accepted(tx, key, batch_id, now)?,
                FoundAtPaypal::NothingThere => {
                    self.no_payout_is_stated(tx, &claim)?;
                    let proof = format!("PayPal's statement shows nothing, and nothing is there, said by {by}");
                    claims::void_by_proof(tx, key, &proof, now)?;
                    self.legs_follow(tx, order, key, now)?;
                }
            }
            let detail = format!("the {recipient}'s payout of {}: {} by {by}", claim.amount, found.words());
            event(tx, order, now, "resolved", &detail)?;
            Ok(claim.key)
        })?;
        let (outcome, ids): (_, &[String]) = match found {
            FoundAtPaypal::Id(id) => ("found", std::slice::from_ref(id)),
            FoundAtPaypal::NothingThere => ("nothing there", &[]),
        };
        self.note_heard(heard, outcome, ids)
    }

    fn unknown_payout(
        &self,
        connection: &Connection,
        order: &OrderId,
        key: &str,
    ) -> Result<(Recipient, Claim), NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        let payout = trade.payouts.iter().find(|payout| payout.claim.key == key);
        match payout {
            Some(payout) if payout.claim.is_unknown() && payout.batch_id.is_none() => {
                Ok((payout.recipient, payout.claim.clone()))
            }
            _ => {
                let detail = "This payout is not of unknown outcome; what PayPal has in hand is followed to its end.";
                Err(refused("nothing_unknown", detail))
            }
        }
    }

    /// The batch must bear our key, and its one item our receiver and amount.
    fn batch_of_that_id(&self, claim: &Claim, batch_id: &str) -> Result<(), NotHeard> {
        let seen = self.paypal()?.batch(self.now(), batch_id).map_err(|e| not_seen("batch", &e))?;
        let request = self.store.read(|c| claims::request(c, &claim.key))?;
        let is_ours = match is_listed_batch(&seen, claim, &request) {
            Some(is_ours) => is_ours,
            None => is_original(&seen, &claim.key, &request)?,
        };
        let is_ours = is_ours && !seen.items.is_empty();
        if !is_ours {
            let detail = "PayPal's batch bears another key, receiver or amount than the payout that was asked for.";
            return Err(refused("another_payout", detail));
        }
        Ok(())
    }

    /// PayPal's statement is known past the last send and the report's lag, and has no row that may be this payout: none
    /// under its key, none of its amount that is not known as another, and no money held for one.
    fn no_payout_is_stated(&self, connection: &Connection, claim: &Claim) -> Result<(), NotHeard> {
        self.is_stated_through(connection, claim)?;
        match feeds::payout_stated(connection, &claim.key, claim.amount, claim.claimed_at)? {
            None => Ok(()),
            Some(id) => {
                let detail = format!("PayPal's statement shows {id}, which may be this payout; look it up there.");
                Err(refused("payout_there", detail))
            }
        }
    }

    /// PayPal's statement reaches from before the claim past its last send and the report's lag.
    fn is_stated_through(&self, connection: &Connection, claim: &Claim) -> Result<(), NotHeard> {
        let feed = feeds::find(connection, PAYPAL)?;
        // Nothing before the statement's beginning is in it.
        let through = feed.filter(|feed| feed.since <= claim.claimed_at).and_then(|feed| feed.known_through);
        let last = claim.sent_at.unwrap_or(claim.claimed_at).max(claim.claimed_at);
        if through.is_none_or(|through| through < last + LAG) {
            let through = through.map_or("never read".to_owned(), |at| format!("known through {at}"));
            let detail =
                format!("PayPal's statement is {through}; absence is proven only by it. See postsale reconcile.");
            return Err(refused("not_proven", detail));
        }
        Ok(())
    }

    /// Old enough, in the journal, and of a time that is remembered (MONEY A8, A9).
    fn is_old_and_sure(&self, connection: &Connection, order: &OrderId, claim: &Claim) -> Result<(), NotHeard> {
        let at = claim.sent_at.unwrap_or(claim.claimed_at).max(claim.claimed_at) + NOTHING_THERE_AFTER;
        if self.now() < at {
            let detail = "PayPal may still show it: \"nothing there\" counts 24 hours after it was last sent.";
            return Err(NotHeard::Refused { code: "too_early", detail: detail.to_owned(), not_before: Some(at) });
        }
        not_in_doubt(connection, order)?;
        if !claim.is_journaled {
            let detail = "It has no line in the intent journal, so it is never given up; resolve it with an id.";
            return Err(refused("not_journaled", detail));
        }
        Ok(())
    }
}

fn not_seen(what: &str, error: &CallError) -> NotHeard {
    match error {
        CallError::Refused { code, .. } => refused("not_there", format!("PayPal does not show that {what}: {code}.")),
        CallError::Unsent(_) | CallError::Unknown(_) => {
            log::info!("PayPal was asked about a {what}: {error}");
            refused("not_proven", "PayPal could not be asked now; say it again later.")
        }
    }
}
