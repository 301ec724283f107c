//! Money that goes back to the buyer: what a person ordered to be given back, and what left the capture without any
//! word of ours (a refund on PayPal's site, a reversal). Says how much may still be given back, and never guesses it.

use super::claim::Claim;
use super::dispute::{Dispute, Standing};
use super::money::Money;
use super::trade::Trade;
use super::words;
use jiff::{SignedDuration, Timestamp};

words! {
    /// PayPal's word for what became of a refund.
    pub enum RefundStatus {
        Completed = "COMPLETED",
        Pending = "PENDING",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
        /// A word nobody documented: stays pending, for a human.
        Other = "OTHER",
    }
}

impl RefundStatus {
    /// PayPal gave it up: the money is ours again.
    pub fn is_not_refunded(self) -> bool {
        matches!(self, RefundStatus::Failed | RefundStatus::Cancelled)
    }
}

words! {
    /// How money left a capture without our asking.
    pub enum TakenBackAs {
        /// Somebody refunded it on PayPal's site.
        Refund = "refund",
        /// PayPal or the buyer's bank took it back.
        Reversal = "reversal",
    }
}

/// A second refund of an order within this time is most likely a mistake (MONEY A14).
pub const AGAIN_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// A person's word that an amount be given back, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// From 1, in the order in which they were ordered.
    pub number: u32,
    pub amount: Money,
    pub ordered_at: Timestamp,
    /// Ordered with the words that it goes out even while STOP is set (MONEY A15).
    pub is_confirmed: bool,
    /// Nothing came of it, by proof; it is not tried again.
    pub withdrawn_at: Option<Timestamp>,
    /// `None` until it was claimed.
    pub claim: Option<Claim>,
    /// The last time we asked PayPal what became of it, answered or not.
    pub asked_at: Option<Timestamp>,
    /// The last time PayPal answered and did not show it.
    pub absent_at: Option<Timestamp>,
    /// `None` until PayPal showed it.
    pub seen: Option<RefundShown>,
}

/// A refund of ours as PayPal showed it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundShown {
    pub refund_id: String,
    pub status: RefundStatus,
    /// The part of its fee that PayPal gives back with it.
    pub fee_back: Money,
    /// When it was shown first.
    pub seen_at: Timestamp,
}

impl Refund {
    /// Still to be worked on: neither proven nor given up.
    pub fn is_open(&self) -> bool {
        self.withdrawn_at.is_none() && self.claim.as_ref().is_none_or(Claim::is_pending)
    }

    /// Proven, and PayPal has not given it up since.
    pub fn is_given_back(&self) -> bool {
        let is_settled = self.claim.as_ref().is_some_and(|c| !c.is_pending());
        is_settled && self.seen.as_ref().is_some_and(|s| s.status == RefundStatus::Completed)
    }
}

/// Money of the capture that left without our asking.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenBack {
    /// PayPal's refund id; of a reversal, which PayPal shows without one, the capture's id after `reversal-`.
    pub id: String,
    pub how: TakenBackAs,
    pub amount: Money,
    pub fee_back: Money,
    pub status: RefundStatus,
}

impl Trade {
    /// What was captured; `None` while no capture is completed.
    pub fn captured(&self) -> Option<Money> {
        let capture = self.capture.as_ref().filter(|c| c.proof.as_ref().is_some_and(|p| p.is_completed))?;
        Some(capture.claim.amount)
    }

    /// Given back to the buyer for certain, by whomever.
    pub fn given_back(&self) -> Money {
        let ours = self.refunds.iter().filter(|r| r.is_given_back()).map(|r| r.amount);
        let is_gone = |taken: &&TakenBack| taken.status == RefundStatus::Completed;
        self.sum(ours.chain(self.taken_back.iter().filter(is_gone).map(|t| t.amount)))
    }

    /// The part of its fee that PayPal gave back with all that.
    pub fn fee_back(&self) -> Money {
        let ours = self.refunds.iter().filter(|r| r.is_given_back()).filter_map(|r| r.seen.as_ref());
        let is_gone = |taken: &&TakenBack| taken.status == RefundStatus::Completed;
        self.sum(ours.map(|s| s.fee_back).chain(self.taken_back.iter().filter(is_gone).map(|t| t.fee_back)))
    }

    /// What was given back, and what is ordered or pending.
    pub fn promised_back(&self) -> Money {
        let is_promised = |refund: &&Refund| refund.is_open() || refund.is_given_back();
        let ours = self.refunds.iter().filter(is_promised).map(|r| r.amount);
        let may_be_gone = |taken: &&TakenBack| !taken.status.is_not_refunded();
        self.sum(ours.chain(self.taken_back.iter().filter(may_be_gone).map(|t| t.amount)))
    }

    /// What may still be given back: captured − refunds (pending or done) − reversals − open and lost disputes (MONEY
    /// A14). A PENDING capture counts in full: its refund waits for it.
    pub fn refundable(&self) -> Money {
        Money { minor: self.left_over().max(0), ..self.order.total }
    }

    /// More is ordered to be given back than is there any more: a dispute or a reversal took its part since.
    pub fn is_over_promised(&self) -> bool {
        self.left_over() < 0
    }

    fn left_over(&self) -> i64 {
        let taken = self.capture.as_ref().filter(|c| c.proof.is_some()).map_or(0, |c| c.claim.amount.minor);
        let disputed = self.sum(self.disputes.iter().filter_map(|dispute| self.disputed(dispute)));
        taken - self.promised_back().minor - disputed.minor
    }

    /// What of the capture a dispute keeps from us; all of it where nobody says how much in the order's currency. `None` =
    /// it ended without loss.
    fn disputed(&self, dispute: &Dispute) -> Option<Money> {
        let taken = dispute.taken.filter(|taken| self.is_own(taken) && dispute.abroad.is_none());
        let amount = dispute.amount.filter(|amount| self.is_own(amount));
        match dispute.standing() {
            Standing::Over => None,
            Standing::Unread | Standing::Open => Some(amount.unwrap_or(self.order.total)),
            Standing::Lost => Some(taken.or(amount).unwrap_or(self.order.total)),
        }
    }

    /// Taken from our account for good by disputes that were lost, in the order's currency. What moved in another one is
    /// not reckoned into it: the dispute holds its order, and a person compares.
    pub fn charged_back(&self) -> Money {
        let lost = self.disputes.iter().filter(|dispute| dispute.standing() == Standing::Lost);
        self.sum(lost.filter_map(|dispute| dispute.taken).filter(|taken| taken.is_positive() && self.is_own(taken)))
    }

    fn is_own(&self, amount: &Money) -> bool {
        amount.currency == self.order.total.currency
    }

    /// All the money that was captured went back.
    pub fn is_given_back(&self) -> bool {
        self.captured().is_some_and(|captured| self.given_back().minor >= captured.minor)
    }

    /// Nothing of what was captured is left: it was given back, or lost in disputes.
    pub fn is_all_gone(&self) -> bool {
        let gone = self.given_back().minor.saturating_add(self.charged_back().minor);
        self.captured().is_some_and(|captured| gone >= captured.minor)
    }

    /// All the money is gone or about to go back: nothing is bought or paid at the supplier for this order any more.
    pub fn is_to_be_all_gone(&self) -> bool {
        let gone = self.promised_back().minor.saturating_add(self.charged_back().minor);
        self.captured().is_some_and(|captured| gone >= captured.minor)
    }

    pub fn is_refund_open(&self) -> bool {
        self.refunds.iter().any(Refund::is_open)
    }

    pub fn refund(&self, number: u32) -> Option<&Refund> {
        self.refunds.iter().find(|r| r.number == number)
    }

    /// Refunds are of the order's currency, by the law of the schema.
    fn sum(&self, amounts: impl Iterator<Item = Money>) -> Money {
        let minor = amounts.fold(0_i64, |sum, amount| sum.saturating_add(amount.minor));
        Money { minor, ..self.order.total }
    }
}
