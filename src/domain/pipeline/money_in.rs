//! The buyer's money: the checkout at PayPal, and the capture. Nobody is charged for goods that cannot be had.

use super::{Look, SOON, after_each, doubling, sooner};
use crate::domain::checkout::{Capture, Checkout};
use crate::domain::claim::{Claim, Slot};
use crate::domain::guards::{self, Reading};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::Funds;
use crate::domain::trade::{FarSide, Step, Why};
use jiff::SignedDuration;

/// The buyer's window at PayPal, with room.
const CHECKOUT_WINDOW: SignedDuration = SignedDuration::from_hours(6);
/// The buyer is charged only on an offer this young (MONEY A20).
const CAPTURE_QUOTE_MAX_AGE: SignedDuration = SignedDuration::from_hours(1);

impl Look<'_> {
    pub(super) fn money_in(&self) -> Option<Step> {
        match self.trade.order.funds {
            Funds::Capture => self.checkout(),
            Funds::Settled | Funds::HeldByChannel | Funds::Owner if self.trade.order.paid_at.is_some() => None,
            _ => Some(self.hold(HoldCode::Incomplete, "missing: [paidAt]")),
        }
    }

    fn checkout(&self) -> Option<Step> {
        if let Some(capture) = &self.trade.capture {
            return self.capture_claimed(capture);
        }
        let checkout = match &self.trade.checkout {
            Some(checkout) if checkout.paypal_order_id.is_some() => checkout,
            _ => return Some(self.open_checkout()),
        };
        if checkout.expired_at.is_some() {
            return Some(self.close());
        }
        let approved = checkout.approved_at.is_some() && self.is_approved_since_decline(checkout);
        let attempt = self.trade.attempts(Slot::Capture) + 1;
        Some(if approved { self.capture(checkout, attempt) } else { self.ask_checkout(checkout) })
    }

    /// A checkout takes no money; its key protects for six hours, so the same bytes may go out again at once. It asks
    /// the buyer for money all the same, so it stands behind the gate (MONEY A15).
    fn open_checkout(&self) -> Step {
        let opened = self.trade.checkout.as_ref().map(|c| c.opened_at);
        if opened.is_some_and(|at| self.now >= at + CHECKOUT_WINDOW / 2) {
            return self.close();
        }
        let open = self.may_ask_paypal(self.may_move(Step::OpenCheckout));
        let claim = self.trade.checkout_claim.as_ref();
        // A buyer may be waiting, and PayPal may be out of order for hours.
        let again = |c: &Claim| c.sent_at.map(|_| doubling(c.claimed_at, c.sent_at, SOON / 6, SOON * 5));
        self.not_before(claim.and_then(|c| c.not_before.or(again(c))), open)
    }

    fn ask_checkout(&self, checkout: &Checkout) -> Step {
        let came_back = checkout.returned_at.is_some() && checkout.returned_at > checkout.asked_at;
        if came_back {
            return self.may_ask_paypal(Step::AskCheckout);
        }
        let waits = [60, 120, 300, 900, 1800, 3600, 3600, 3600, 3600, 3600].map(SignedDuration::from_secs);
        let due = after_each(checkout.opened_at, checkout.asked_at, &waits);
        match due {
            Some(at) => self.not_before_or(Some(at), Why::BuyerHasNotApproved, self.may_ask_paypal(Step::AskCheckout)),
            None => self.close(),
        }
    }

    fn is_approved_since_decline(&self, checkout: &Checkout) -> bool {
        checkout.declined_at.is_none() || checkout.returned_at > checkout.declined_at
    }

    /// The buyer approved: take the money, but only for goods that can be had (MONEY A20).
    fn capture(&self, checkout: &Checkout, attempt: u32) -> Step {
        let capture = Step::Capture { attempt, amount: self.trade.order.total };
        match self.not_chargeable() {
            Some(_) if self.trade.hold.is_none() && self.now >= checkout.opened_at + CHECKOUT_WINDOW => Step::Close,
            Some(step) => step,
            None => self.may_ask_paypal(self.may_move(capture)),
        }
    }

    /// What stands between an approval and the buyer's money; `None` = an offer of at most an hour that passes, or a
    /// supplier who is switched off and an order that passes without an offer.
    fn not_chargeable(&self) -> Option<Step> {
        let missing = self.trade.order.missing();
        if !missing.is_empty() {
            return Some(self.hold(HoldCode::Incomplete, format!("not charged; missing: [{}]", missing.join(", "))));
        }
        if let Some(hold) = &self.trade.hold {
            return Some(self.stand(hold.clone()));
        }
        let fresh = self.trade.quote.as_ref().filter(|q| self.now < q.quoted_at + CAPTURE_QUOTE_MAX_AGE);
        let Some(quote) = fresh else {
            return match self.shop.aliexpress {
                FarSide::Ready => Some(self.ask_for_quote()),
                // Switched off on purpose: the seller buys by hand, so no offer can be had and none is waited for.
                FarSide::Off => {
                    self.not_charged(guards::before_capture_by_hand(self.trade, self.shop, self.policy, self.now))
                }
                FarSide::NoToken => Some(self.hold(HoldCode::NoToken, "not charged: no supplier login")),
            };
        };
        self.not_charged(guards::before_capture(self.trade, self.shop, self.policy, quote, self.now))
    }

    fn not_charged(&self, readings: Vec<Reading>) -> Option<Step> {
        guards::in_the_way_of_the_capture(&readings).map(|detail| self.hold(HoldCode::Guard, detail))
    }

    pub(super) fn capture_claimed(&self, capture: &Capture) -> Option<Step> {
        let claim = &capture.claim;
        let Some(checkout) = &self.trade.checkout else {
            return Some(self.hold(HoldCode::ProgramFault, "a capture without a checkout"));
        };
        let asked = checkout.asked_at;
        match &capture.proof {
            Some(proof) if proof.is_completed && proof.fee.is_some() => None,
            Some(proof) if proof.is_completed => {
                let due = doubling(proof.seen_at, asked, SignedDuration::from_secs(2), SignedDuration::from_hours(1));
                Some(self.not_before_or(Some(due), Why::LookingAgain, self.may_ask_paypal(Step::ReadFee)))
            }
            // PENDING at PayPal: certainly taken in hand, certainly not ours yet.
            Some(proof) => {
                let due = doubling(proof.seen_at, asked, SOON, SignedDuration::from_hours(1));
                Some(self.not_before_or(Some(due), Why::CapturePending, self.may_ask_paypal(Step::AskCheckout)))
            }
            None if claim.is_unknown() => Some(self.capture_unknown(checkout, claim)),
            // Certainly nothing was taken: decided anew, or given up.
            None => Some(match self.capture(checkout, claim.attempt) {
                Step::Close => self.withdraw(claim),
                again => self.not_before(claim.not_before, again),
            }),
        }
    }

    /// Look first; the same key goes out again only after a look, which would have shown the payment, and for goods that
    /// can still be had. A look that failed counts too: PayPal's order is paid once, whatever is sent. While a hold or
    /// STOP keeps it from going out, the looks go on.
    fn capture_unknown(&self, checkout: &Checkout, claim: &Claim) -> Step {
        let sent_at = claim.sent_at.unwrap_or(claim.claimed_at);
        let asked = checkout.asked_at.filter(|at| *at > sent_at);
        let look = |due| self.not_before_or(Some(due), Why::LookingAgain, self.may_ask_paypal(Step::AskCheckout));
        let Some(resend_at) = self.look_again(sent_at, claim.sends) else {
            let due = doubling(sent_at, asked, SOON, SignedDuration::from_hours(6));
            let detail = format!("{} may have been taken; sent {} times", claim.amount, claim.sends);
            let until = Some(self.still_ahead(due));
            return sooner(Step::Hold { hold: Hold::new(HoldCode::CaptureUnknown, detail), until }, look(due));
        };
        let due = doubling(sent_at, asked, SOON / 6, SignedDuration::from_hours(1));
        if asked.is_none_or(|at| at < resend_at) {
            return look(due.min(resend_at.max(self.now)));
        }
        let again = Step::Capture { attempt: claim.attempt, amount: claim.amount };
        let again = self.may_ask_paypal(self.may_move(again));
        match self.not_chargeable().filter(|_| again.is_action()) {
            _ if checkout.approved_at.is_none() => look(due),
            None => sooner(again, look(due)),
            Some(Step::Quote) => Step::Quote,
            Some(_) => look(due),
        }
    }
}
