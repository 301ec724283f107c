//! Money going back to the buyer. A person's word orders it; it goes out once, before anything else that moves money
//! (MONEY A3), and while it is under way nothing is bought and nobody is paid.

use super::{LATER, Look, SOON, doubling, sooner};
use crate::domain::claim::{Claim, Slot};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::refund::{Refund, RefundShown};
use crate::domain::trade::{Step, Why};
use jiff::SignedDuration;

/// PayPal documents 45 days for the key of a refund; 40 leave a margin for clocks and time zones. Beside the key stands
/// the invoice id, which PayPal takes for one refund only, and a look before every resend.
const REFUND_RESEND_WINDOW: SignedDuration = SignedDuration::from_hours(40 * 24);

impl Look<'_> {
    /// `None` = no refund is under way.
    pub(super) fn money_back(&self) -> Option<Step> {
        self.refunds().map(|refunds| self.followed(refunds))
    }

    pub(super) fn refunds(&self) -> Option<Step> {
        self.trade.refunds.iter().filter(|r| r.is_open()).map(|r| self.refund(r)).reduce(sooner)
    }

    /// Nothing is left of the buyer's money: nothing is bought any more, and what was ordered at the supplier is not paid.
    /// Goods that are paid go the rest of their road. `None` = the road goes on.
    pub(super) fn all_gone(&self) -> Option<Step> {
        if !self.trade.is_all_gone() {
            return None;
        }
        match &self.trade.purchase {
            None => Some(Step::Close),
            Some(purchase) if self.was_never_sent(&purchase.claim) => Some(self.withdraw(&purchase.claim)),
            Some(purchase) if !purchase.is_placed() => {
                let detail = "the goods may be ordered, and the buyer's money is gone; DO NOT PAY the supplier";
                Some(self.hold(HoldCode::PurchaseUnknown, detail))
            }
            Some(purchase) if purchase.is_dead() => Some(Step::Close),
            Some(_) => None,
        }
    }

    fn refund(&self, refund: &Refund) -> Step {
        let number = refund.number;
        match self.trade.capture.as_ref().and_then(|c| c.proof.as_ref()) {
            Some(proof) if proof.is_completed => {}
            // A PENDING capture cannot be refunded; it is asked about meanwhile.
            _ => return Step::Wait { until: None, why: Why::CapturePending },
        }
        match (&refund.claim, &refund.seen) {
            (None, _) if self.shop.refunds_last_day >= self.policy.limits.refunds_per_day => {
                Step::Wait { until: Some(self.now + LATER), why: Why::Cap }
            }
            (None, _) => {
                let first = Step::Refund { number, amount: refund.amount };
                self.unless_too_much(number, self.may_give_back(first, refund.is_confirmed))
            }
            (Some(_), Some(shown)) => self.ask_refund(refund, shown),
            (Some(claim), None) if claim.is_unknown() => self.refund_unknown(refund, claim),
            (Some(claim), None) => {
                let again = self.may_give_back(Step::ResendRefund(number), refund.is_confirmed);
                self.unless_too_much(number, self.not_before(claim.not_before, again))
            }
        }
    }

    /// Nothing of it was ever sent, and a dispute or a reversal took its part since: it is given up, and what is left is
    /// for a person to order (MONEY A14).
    fn unless_too_much(&self, number: u32, step: Step) -> Step {
        if step.is_action() && self.trade.is_over_promised() { Step::Withdraw(Slot::Refund(number)) } else { step }
    }

    /// The gate of a refund. A person ordered it, so a hold on the order does not stop it but for a fault of the program; a
    /// dispute does until somebody has seen its end, and STOP, unless he said that it should not (MONEY A15).
    fn may_give_back(&self, step: Step, is_confirmed: bool) -> Step {
        if let Some(hold) = self.undecided().filter(|_| !self.shop.is_restored) {
            return self.stand(hold);
        }
        // Nothing is tried over and over that the program cannot do.
        if let Some(fault) = self.trade.hold.as_ref().filter(|hold| hold.code == HoldCode::ProgramFault) {
            return self.stand(fault.clone());
        }
        self.may_ask_paypal(self.may_send(step, is_confirmed))
    }

    /// PayPal has it in hand and may still give it up.
    fn ask_refund(&self, refund: &Refund, shown: &RefundShown) -> Step {
        let due = doubling(shown.seen_at, refund.asked_at, SOON, SignedDuration::from_hours(6));
        let ask = self.may_ask_paypal(Step::AskRefund(refund.number));
        self.not_before_or(Some(due), Why::RefundPending, ask)
    }

    /// Look first; the same key goes out again only after PayPal has answered that it does not show the refund. STOP
    /// keeps it in, whatever was confirmed: it is a resend (MONEY A15).
    fn refund_unknown(&self, refund: &Refund, claim: &Claim) -> Step {
        let sent_at = claim.sent_at.unwrap_or(claim.claimed_at);
        let since = |at: &jiff::Timestamp| *at > sent_at;
        let (asked, absent) = (refund.asked_at.filter(since), refund.absent_at.filter(since));
        let ask = || self.may_ask_paypal(Step::AskRefund(refund.number));
        let look = |due| self.not_before_or(Some(due), Why::LookingAgain, ask());
        let is_in_window = self.now < claim.claimed_at + REFUND_RESEND_WINDOW;
        let Some(resend_at) = self.look_again(sent_at, claim.sends).filter(|_| is_in_window) else {
            let due = doubling(sent_at, asked, SOON, SignedDuration::from_hours(6));
            let detail = format!("{} may have been given back; sent {} times", claim.amount, claim.sends);
            let hold = Hold::new(HoldCode::RefundUnknown, detail);
            return sooner(Step::Hold { hold, until: Some(self.still_ahead(due)) }, look(due));
        };
        let due = doubling(sent_at, asked, SOON / 6, SignedDuration::from_hours(1));
        if asked.is_none_or(|at| at < resend_at) {
            return look(due.min(resend_at.max(self.now)));
        }
        match absent {
            Some(at) if at >= resend_at => {
                let again = self.may_give_back(Step::ResendRefund(refund.number), false);
                sooner(again, look(due))
            }
            _ => look(due),
        }
    }
}
