//! The sale and what is owed from it: each leg is paid once, to the confirmed payee, and never before the goods.

use super::{LATER, Look, SOON, after_each, doubling};
use crate::domain::claim::{Claim, Recipient, Slot};
use crate::domain::guards::CAP_WINDOW;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::{Money, Rate};
use crate::domain::order::{Funds, Origin};
use crate::domain::payout::{ItemStatus, Leg, Payout, receiver_hash};
use crate::domain::policy::{PayoutPolicy, ReleaseEvent};
use crate::domain::purchase::Purchase;
use crate::domain::trade::{FarSide, Step, Why};
use jiff::{SignedDuration, Timestamp};

/// PayPal's payout fee is at most this part of the amount in the countries it publishes.
const PAYOUT_FEE_MAX: Rate = Rate::from_millionths(20_000);
/// PayPal forgets a batch id after 30 days; 25 leave a margin for clocks and time zones.
const PAYOUT_RESEND_WINDOW: SignedDuration = SignedDuration::from_hours(25 * 24);

/// An unclaimed payout comes back by itself after 30 days.
const UNCLAIMED_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);
/// Marketplaces pay within days, and hold back a reserve for some weeks.
const CHANNEL_PAYS_WITHIN: SignedDuration = SignedDuration::from_hours(45 * 24);
/// PayPal is told a tracking number so often; it helps, and nothing hangs on it.
const TELLINGS_MAX: u32 = 8;

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

    /// What is owed from the sale; and of what is not owed any more, because money went back, what was asked for already:
    /// what became of that is found out all the same.
    pub(super) fn legs(&self) -> Vec<Leg> {
        let mut legs = self.owed();
        let asked = self.trade.payouts.iter().filter(|payout| payout.claim.is_pending());
        for payout in asked {
            if legs.iter().all(|leg| leg.recipient != payout.recipient) {
                let amount = Money::zero(payout.claim.amount.currency);
                legs.push(Leg { recipient: payout.recipient, amount });
            }
        }
        legs
    }

    fn owed(&self) -> Vec<Leg> {
        self.trade.sale.as_ref().and_then(|sale| sale.legs().ok()).unwrap_or_default()
    }

    pub(super) fn money_out(&self, leg: &Leg) -> Option<Step> {
        let otherwise = self.trade.paid_otherwise(leg.recipient);
        let payout = self.trade.payout(leg.recipient);
        if let Some(payout) = payout.filter(|payout| payout.claim.is_pending()) {
            return Some(self.paying(payout));
        }
        let paid = payout.map_or(0, |payout| payout.claim.amount.minor);
        let netted = self.trade.set_off(leg.recipient).map_or(0, |amount| amount.minor);
        let rest = Money { minor: leg.amount.minor - paid - otherwise.minor - netted, ..leg.amount };
        if !rest.is_positive() {
            return None;
        }
        if let Some(hold) = self.said_paid(leg.recipient) {
            return Some(hold);
        }
        if payout.is_none() && !otherwise.is_positive() {
            return Some(self.pay(&Leg { amount: rest, ..leg.clone() }));
        }
        // A correction made the leg larger after it was paid. There is never a second payout of one leg.
        let detail = format!("{rest} more is owed to the {}; pay it by other means and say mark-paid", leg.recipient);
        Some(self.set_off(leg.recipient, rest).unwrap_or_else(|| self.hold(HoldCode::PayOtherwise, detail)))
    }

    /// Somebody paid this leg by other means, and this database forgot it: nothing is sent before that is said again.
    fn said_paid(&self, recipient: Recipient) -> Option<Step> {
        let said = self.trade.said_paid(recipient)?;
        let detail = format!(
            "{} of the {recipient}'s leg were paid by other means as {}, which only the intent journal knows; say mark-paid \
             again",
            said.amount, said.reference
        );
        Some(self.hold(HoldCode::PayOtherwise, detail))
    }

    /// What is owed to the recipient beside what was netted and paid by other means, in minor units; 0 = nothing.
    fn left_of(&self, recipient: Recipient) -> i64 {
        let leg = self.owed().iter().find(|leg| leg.recipient == recipient).map_or(0, |leg| leg.amount.minor);
        let netted = self.trade.set_off(recipient).map_or(0, |amount| amount.minor);
        (leg - self.trade.paid_otherwise(recipient).minor - netted).max(0)
    }

    /// What the recipient owes is netted before he is paid, once a leg. `None` = there is nothing to net.
    fn set_off(&self, recipient: Recipient, rest: Money) -> Option<Step> {
        let debt = self.shop.debt(recipient, rest);
        if self.trade.set_off(recipient).is_some() || debt.is_zero() {
            return None;
        }
        let amount = Money { minor: debt.minor.min(rest.minor), ..rest };
        Some(self.may_move(Step::SetOff { recipient, amount }))
    }

    /// It keeps the order open, whether or not somebody is to be paid of it.
    pub(super) fn is_owed_by_channel(&self) -> bool {
        self.trade.order.funds == Funds::HeldByChannel && self.trade.sale.is_some() && !self.trade.is_settled()
    }

    /// It pays when it likes; after a while somebody has to ask it.
    pub(super) fn wait_for_channel(&self) -> Step {
        let sold = self.trade.sale.as_ref().map_or(self.now, |sale| sale.recorded_at);
        let overdue = sold + CHANNEL_PAYS_WITHIN;
        if self.now < overdue {
            return Step::Wait { until: Some(overdue), why: Why::FundsHeld };
        }
        let detail = format!("the channel has paid {} of {}", self.trade.settled(), self.trade.order.total);
        Step::Hold {
            hold: Hold::new(HoldCode::FundsOverdue, detail),
            until: Some(self.now + SignedDuration::from_hours(24)),
        }
    }

    /// `leg`: what is left to be paid of it.
    fn pay(&self, leg: &Leg) -> Step {
        let Some(payouts) = &self.policy.payouts else {
            return self.hold(HoldCode::PayeeUnconfirmed, "payouts were switched off while profit is owed");
        };
        if self.is_owed_by_channel() {
            return self.wait_for_channel();
        }
        match self.release_at(payouts) {
            Some(at) if self.now >= at => {}
            None if self.delivery().is_none() => {
                let detail = format!("{} waits for an event that tracking never showed", leg.amount);
                return self.hold(HoldCode::PayoutProblem, detail);
            }
            until => return Step::Wait { until, why: Why::ReleaseDate },
        }
        if let Some(step) = self.set_off(leg.recipient, leg.amount) {
            return step;
        }
        let Some(payee) = self.shop.payee(leg.recipient).agreed() else {
            return self.hold(HoldCode::PayeeUnconfirmed, format!("the {} payee is not confirmed", leg.recipient));
        };
        if self.shop.payee(leg.recipient).is_first_held {
            let detail = format!("{} would be the first payment to the {}'s address", leg.amount, leg.recipient);
            return self.hold(HoldCode::NewPayee, detail);
        }
        if let Some(step) = self.failed_before(leg).or_else(|| self.over_limits(leg.amount, None)) {
            return step;
        }
        let attempt = self.trade.attempts(Slot::Payout(leg.recipient)) + 1;
        let pay = Step::Pay { recipient: leg.recipient, attempt, amount: leg.amount, payee: payee.to_owned() };
        self.may_ask_paypal(self.may_move(pay))
    }

    /// An earlier attempt was proven not to have paid: the next one takes a person's word, or time.
    fn failed_before(&self, leg: &Leg) -> Option<Step> {
        let failed = self.trade.payouts_failed.iter().find(|failed| failed.recipient == leg.recipient)?;
        match failed.again_at {
            None if self.trade.hold.is_some() => self.trade.hold.clone().map(|hold| self.stand(hold)),
            None => {
                Some(self.hold(HoldCode::PayoutProblem, format!("the {}'s payout: {}", leg.recipient, failed.said)))
            }
            Some(at) if self.now < at => Some(Step::Wait { until: Some(at), why: Why::NotNow }),
            Some(_) => None,
        }
    }

    /// What keeps a payout back that nobody has to decide about (MONEY A3, A10). `claim`: it is claimed already, and so
    /// among what was promised and, for a day, among what was counted.
    fn over_limits(&self, amount: Money, claim: Option<&Claim>) -> Option<Step> {
        let limits = &self.policy.limits;
        let most = if limits.payout_max.minor < limits.pay_out_per_day.minor {
            limits.payout_max
        } else {
            limits.pay_out_per_day
        };
        if amount.currency != most.currency || amount.minor > most.minor {
            return Some(
                self.hold(HoldCode::PayoutProblem, format!("{amount} is over the limit of {most} for one payout")),
            );
        }
        let is_counted = claim.is_some_and(|claim| self.now < claim.claimed_at + CAP_WINDOW);
        let so_far = self.shop.paid_out_last_day.minor.saturating_add(if is_counted { 0 } else { amount.minor });
        let is_over = self.shop.payouts_last_day >= limits.payouts_per_day.saturating_add(u32::from(is_counted));
        if is_over || so_far > limits.pay_out_per_day.minor {
            return Some(Step::Wait { until: Some(self.now + LATER), why: Why::Cap });
        }
        let is_free = if claim.is_some() { self.shop.free(amount).minor >= 0 } else { self.is_free(amount) };
        (!is_free).then_some(Step::Wait { until: Some(self.now + LATER), why: Why::NoFreeMoney })
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
            // A correction made the leg smaller: the old bytes would knowingly pay too much.
            if claim.amount.minor > self.left_of(payout.recipient) && self.was_never_sent(claim) {
                return self.withdraw(claim);
            }
            // Refused or never sent: the same batch id, never a new one (MONEY A2), and only if it may leave today.
            let again = self.resend_payout(payout);
            let limits = self.over_limits(claim.amount, Some(claim)).filter(|_| again.is_action());
            return self.not_before(claim.not_before, limits.unwrap_or(again));
        }
        // It went out. PayPal counts the memory of its key from a time that the statement does not show, so nothing is sent.
        if payout.is_listed {
            let detail = format!("PayPal's statement shows {} under {}; say its batch id", claim.amount, claim.key);
            return self.hold(HoldCode::PayoutUnknown, detail);
        }
        let detail = format!("{} may have been paid; sent {} times", claim.amount, claim.sends);
        let hold = Hold::new(HoldCode::PayoutUnknown, detail);
        let sent_at = claim.sent_at.unwrap_or(claim.claimed_at);
        let in_window = self.age(claim) < PAYOUT_RESEND_WINDOW;
        match self.look_again(sent_at, claim.sends) {
            Some(at) if in_window && self.now >= at => self.resend_payout(payout),
            Some(at) if in_window => Step::Hold { hold, until: Some(at) },
            _ => Step::Hold { hold, until: None },
        }
    }

    /// The same bytes once more. They name a receiver, who must still be the payee (MONEY A20) and still be owed
    /// something, and go out only while payouts are on.
    fn resend_payout(&self, payout: &Payout) -> Step {
        if let Some(hold) = self.said_paid(payout.recipient) {
            return hold;
        }
        if self.policy.payouts.is_none() {
            return self.hold(HoldCode::PayeeUnconfirmed, "payouts were switched off while a payout was under way");
        }
        if self.owed().iter().all(|leg| leg.recipient != payout.recipient) {
            let (amount, recipient) = (payout.claim.amount, payout.recipient);
            let detail =
                format!("{amount} was asked for the {recipient}, whom nothing is owed any more; not sent again");
            return self.hold(HoldCode::PayoutProblem, detail);
        }
        let agreed = self.shop.payee(payout.recipient).agreed();
        if agreed.is_none_or(|payee| receiver_hash(payee) != payout.receiver_hash) {
            let detail = format!("{} was made out to another {} payee", payout.claim.amount, payout.recipient);
            return self.hold(HoldCode::PayeeUnconfirmed, detail);
        }
        self.may_ask_paypal(self.may_move(Step::ResendPayout(payout.recipient)))
    }

    fn ask_payout(&self, payout: &Payout) -> Step {
        if let Some(step) = self.take_back(payout) {
            return step;
        }
        let accepted = payout.accepted_at.unwrap_or(self.now);
        let waits = [2, 10, 60, 300, 900, 3600].map(SignedDuration::from_secs);
        let due = after_each(accepted, payout.asked_at, &waits)
            .or(payout.asked_at.map(|at| at + SignedDuration::from_hours(1)))
            .unwrap_or(self.now);
        if self.now >= due {
            return self.may_ask_paypal(Step::AskPayout(payout.recipient));
        }
        let until = Some(due);
        let is_late = self.now >= accepted + self.policy.ladder();
        let amount = payout.claim.amount;
        match payout.item {
            Some(ItemStatus::Unclaimed) if self.now < accepted + UNCLAIMED_MAX => {
                Step::Wait { until, why: Why::PayoutUnclaimed }
            }
            None | Some(ItemStatus::Success | ItemStatus::Pending | ItemStatus::OnHold) if !is_late => {
                Step::Wait { until, why: Why::PayoutPending }
            }
            None => {
                let detail = format!("PayPal took {amount} in hand at {accepted} and has not shown it since");
                Step::Hold { hold: Hold::new(HoldCode::PayoutUnknown, detail), until }
            }
            Some(status) => {
                let detail = format!("PayPal says {status} for {amount}, taken in hand at {accepted}");
                Step::Hold { hold: Hold::new(HoldCode::PayoutProblem, detail), until }
            }
        }
    }

    /// Somebody wants an unclaimed payout back. No hold stands against it: it brings money home.
    fn take_back(&self, payout: &Payout) -> Option<Step> {
        payout.cancel_wanted_at.filter(|_| payout.item == Some(ItemStatus::Unclaimed))?;
        let cancel = self.may_ask_paypal(self.may_send(Step::CancelPayout(payout.recipient), false));
        let is_due = payout.cancel_tried_at.is_none_or(|at| self.now >= at + LATER);
        is_due.then_some(cancel).filter(Step::is_action)
    }

    /// A captured order's tracking number helps against disputes and releases held money sooner. `None` = there is
    /// nothing to tell, or not any more.
    pub(super) fn tell_tracking(&self) -> Option<Step> {
        let is_captured = self.trade.capture.as_ref().and_then(|c| c.proof.as_ref()).is_some_and(|p| p.is_completed);
        if !is_captured || self.trade.order.funds != Funds::Capture || self.shop.paypal != FarSide::Ready {
            return None;
        }
        let orders = self.trade.purchase.as_ref()?.supplier_orders.iter();
        let untold = orders.filter(|o| o.tracking_number.is_some() && !o.is_tracking_told);
        let due = untold.filter(|o| o.tracking_tries < TELLINGS_MAX).map(|order| {
            let first = order.shipped_at.unwrap_or(self.now);
            let due = match order.tracking_tried_at {
                None => self.now,
                tried => doubling(first, tried, LATER, SignedDuration::from_hours(24)),
            };
            (due, order)
        });
        let (due, order) = due.min_by_key(|(due, _)| *due)?;
        let step = self.may_send(Step::TellTracking { supplier_order_id: order.id.clone() }, false);
        Some(self.not_before(Some(due), step)).filter(|step| !matches!(step, Step::Hold { .. }))
    }
}
