//! The sale and what is owed from it: each leg is paid once, to the confirmed payee, and never before the goods.

use super::{LATER, Look, SOON, after_each};
use crate::domain::claim::Slot;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::{Money, Rate};
use crate::domain::order::{Funds, Origin};
use crate::domain::payout::{ItemStatus, Leg, Payout, receiver_hash};
use crate::domain::policy::{PayoutPolicy, ReleaseEvent};
use crate::domain::purchase::Purchase;
use crate::domain::trade::{Step, Why};
use jiff::{SignedDuration, Timestamp};

/// PayPal's payout fee is at most this part of the amount in the countries it publishes.
const PAYOUT_FEE_MAX: Rate = Rate::from_millionths(20_000);
/// PayPal forgets a batch id after 30 days; 25 leave a margin for clocks and time zones.
const PAYOUT_RESEND_WINDOW: SignedDuration = SignedDuration::from_hours(25 * 24);

impl Look<'_> {
    pub(super) fn sale(&self) -> Option<Step> {
        if self.trade.sale.is_some() || self.trade.order.origin == Origin::PurchaseOnly {
            return None;
        }
        let total = self.trade.purchase.as_ref().and_then(Purchase::total);
        Some(match total {
            // A fee nobody told is not zero (L14); the true profit waits for it.
            Some(_) if self.trade.fee().is_none() => self.hold(HoldCode::Incomplete, "missing: [fee]"),
            Some(total) if total.currency == self.trade.order.total.currency => Step::RecordSale,
            Some(total) => self.hold(HoldCode::RateMissing, format!("bought in {}", total.currency)),
            None => Step::Wait { until: Some(self.now + SOON), why: Why::SupplierUnpaid },
        })
    }

    pub(super) fn legs(&self) -> Vec<Leg> {
        self.trade.sale.as_ref().and_then(|sale| sale.legs().ok()).unwrap_or_default()
    }

    pub(super) fn money_out(&self, leg: &Leg) -> Option<Step> {
        let otherwise = self.trade.paid_otherwise(leg.recipient);
        let paid = match self.trade.payout(leg.recipient) {
            Some(payout) if payout.claim.is_pending() => return Some(self.paying(payout)),
            Some(payout) => payout.claim.amount.minor,
            None if otherwise.is_positive() => 0,
            None => return Some(self.pay(leg)),
        };
        // A correction made the leg larger after it was paid. There is never a second payout of one leg.
        let rest = Money { minor: leg.amount.minor - paid - otherwise.minor, ..leg.amount };
        let detail = format!("{rest} more is owed to the {}; pay it by other means and say mark-paid", leg.recipient);
        rest.is_positive().then(|| self.hold(HoldCode::PayoutProblem, detail))
    }

    fn pay(&self, leg: &Leg) -> Step {
        let Some(payouts) = &self.policy.payouts else {
            return self.hold(HoldCode::PayeeUnconfirmed, "payouts were switched off while profit is owed");
        };
        if self.trade.order.funds == Funds::HeldByChannel && !self.trade.is_settled() {
            return Step::Wait { until: None, why: Why::FundsHeld };
        }
        match self.release_at(payouts) {
            Some(at) if self.now >= at => {}
            None if self.delivery().is_none() => {
                let detail = format!("{} waits for an event that tracking never showed", leg.amount);
                return self.hold(HoldCode::PayoutProblem, detail);
            }
            until => return Step::Wait { until, why: Why::ReleaseDate },
        }
        let Some(payee) = self.shop.payee(leg.recipient).agreed() else {
            return self.hold(HoldCode::PayeeUnconfirmed, format!("the {} payee is not confirmed", leg.recipient));
        };
        let most = self.policy.limits.payout_max;
        if leg.amount.currency != most.currency || leg.amount.minor > most.minor {
            return self.hold(HoldCode::PayoutProblem, format!("{} is over limits.payout_max {most}", leg.amount));
        }
        if self.shop.payouts_last_day >= self.policy.limits.payouts_per_day {
            return Step::Wait { until: Some(self.now + LATER), why: Why::Cap };
        }
        if !self.is_free(leg.amount) {
            return Step::Wait { until: Some(self.now + LATER), why: Why::NoFreeMoney };
        }
        let attempt = self.trade.attempts(Slot::Payout(leg.recipient)) + 1;
        let pay = Step::Pay { recipient: leg.recipient, attempt, amount: leg.amount, payee: payee.to_owned() };
        self.may_ask_paypal(self.may_move(pay))
    }

    /// Profit does not leave before the goods (MONEY A1). `None` = what it waits for has not happened.
    fn release_at(&self, payouts: &PayoutPolicy) -> Option<Timestamp> {
        let purchase = self.trade.purchase.as_ref()?;
        let event = match payouts.after {
            ReleaseEvent::SupplierPaid => purchase.paid_at(),
            ReleaseEvent::Shipped => purchase.shipped_at(),
            ReleaseEvent::Delivered => purchase.delivered_at(),
        };
        Some(event? + SignedDuration::from_hours(24 * i64::from(payouts.hold_days)))
    }

    /// Only money that came in can go out, with the highest fee (MONEY A7, A10).
    fn is_free(&self, amount: Money) -> bool {
        let with_fee = amount.portion(PAYOUT_FEE_MAX).and_then(|fee| amount.plus(fee));
        with_fee.is_ok_and(|needed| needed.minor <= self.shop.free(amount).minor)
    }

    pub(super) fn paying(&self, payout: &Payout) -> Step {
        let claim = &payout.claim;
        if payout.batch_id.is_some() {
            return self.ask_payout(payout);
        }
        if !claim.is_unknown() {
            // Refused or never sent: the same batch id, never a new one (MONEY A2).
            return self.not_before(claim.not_before, self.resend_payout(payout));
        }
        let detail = format!("{} may have been paid; sent {} times", claim.amount, claim.sends);
        let hold = Hold::new(HoldCode::PayoutUnknown, detail);
        let sent_at = claim.sent_at.unwrap_or(claim.claimed_at);
        let in_window = self.now < claim.claimed_at + PAYOUT_RESEND_WINDOW;
        match self.look_again(sent_at, claim.sends) {
            Some(at) if in_window && self.now >= at => self.resend_payout(payout),
            Some(at) if in_window => Step::Hold { hold, until: Some(at) },
            _ => Step::Hold { hold, until: None },
        }
    }

    /// The same bytes once more. They name a receiver, who must still be the payee (MONEY A20), and go out only while
    /// payouts are on.
    fn resend_payout(&self, payout: &Payout) -> Step {
        if self.policy.payouts.is_none() {
            return self.hold(HoldCode::PayeeUnconfirmed, "payouts were switched off while a payout was under way");
        }
        let agreed = self.shop.payee(payout.recipient).agreed();
        if agreed.is_none_or(|payee| receiver_hash(payee) != payout.receiver_hash) {
            let detail = format!("{} was made out to another {} payee", payout.claim.amount, payout.recipient);
            return self.hold(HoldCode::PayeeUnconfirmed, detail);
        }
        self.may_ask_paypal(self.may_move(Step::ResendPayout(payout.recipient)))
    }

    fn ask_payout(&self, payout: &Payout) -> Step {
        let accepted = payout.accepted_at.unwrap_or(self.now);
        let waits = [2, 10, 60, 300, 900, 3600].map(SignedDuration::from_secs);
        let due = after_each(accepted, payout.asked_at, &waits)
            .or(payout.asked_at.map(|at| at + SignedDuration::from_hours(1)))
            .unwrap_or(self.now);
        if self.now >= due {
            return self.may_ask_paypal(Step::AskPayout(payout.recipient));
        }
        match payout.item {
            None | Some(ItemStatus::Success) => Step::Wait { until: Some(due), why: Why::PayoutPending },
            Some(status) if status.is_open() => Step::Wait { until: Some(due), why: Why::PayoutPending },
            Some(status) => {
                let detail = format!("PayPal says {status} for {}", payout.claim.amount);
                Step::Hold { hold: Hold::new(HoldCode::PayoutProblem, detail), until: Some(due) }
            }
        }
    }
}
