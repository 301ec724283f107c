//! The whole course of an order. A [`Trade`] is one order and all it led to; [`next_step`] says what to do next; a
//! worker does it, writes down what came of it, and the question is asked again. A crash, a time-out and a slow day all
//! leave the same thing, a row, and the same function picks it up: there is no recovery code.

mod disputed;
mod goods;
mod money_back;
mod money_in;
mod money_out;

use super::claim::{Claim, Slot};
use super::hold::{Hold, HoldCode};
use super::policy::Policy;
use super::trade::{ClockState, FarSide, Shop, Stage, Step, Trade, Why};
use jiff::{SignedDuration, Timestamp};

const SOON: SignedDuration = SignedDuration::from_secs(60);
const LATER: SignedDuration = SignedDuration::from_mins(15);

/// What to do next: the life of an order, top to bottom. Each part answers `None` when it has nothing left to do.
pub fn next_step(trade: &Trade, shop: &Shop, policy: &Policy, now: Timestamp) -> Step {
    let look = Look { trade, shop, policy, now };
    if trade.order.closed_at.is_some() {
        return Step::Wait { until: None, why: Why::Closed };
    }
    if let Some(step) = look.told().or_else(|| look.rung()).or_else(|| look.disputed()).or_else(|| look.money_back()) {
        return step;
    }
    if let Some(step) = look.cancelled() {
        return step;
    }
    if let Some(step) = look.all_gone() {
        return step;
    }
    if let Some(step) = look.money_in().or_else(|| look.goods()).or_else(|| look.sale()) {
        return look.in_sight(step);
    }
    // Paying the legs and following the parcel go on side by side.
    let legs = look.legs().into_iter().map(|leg| look.money_out(&leg));
    let open = legs.chain([look.delivery()]).flatten().reduce(sooner).map(|open| look.in_sight(open));
    match (open, look.tell_tracking()) {
        (Some(open), Some(telling)) => sooner(open, telling),
        (Some(open), None) => open,
        // Telling PayPal keeps no order open.
        (None, Some(telling)) if telling.is_action() => telling,
        (None, _) if look.is_owed_by_channel() => look.wait_for_channel(),
        (None, _) => look.close(),
    }
}

/// Where the order stands, given the step that comes next.
pub fn stage(trade: &Trade, next: &Step) -> Stage {
    let sold = trade.sale.is_some();
    let purchase = trade.purchase.as_ref();
    if trade.is_given_back() {
        Stage::Refunded
    } else if trade.order.cancelled_at.is_some() {
        Stage::Cancelled
    } else if matches!(next, Step::Hold { .. }) {
        Stage::Held
    } else if trade.order.closed_at.is_some() {
        Stage::Closed
    } else if trade.paid_at().is_none() {
        Stage::AwaitingPayment
    } else if sold && trade.sale.as_ref().is_some_and(|s| s.is_payout_executed) {
        Stage::PaidOut
    } else if sold && !trade.payouts.is_empty() {
        Stage::PayingOut
    } else if sold {
        Stage::Sold
    } else {
        match purchase {
            None => Stage::Paid,
            Some(p) if p.is_paid() => Stage::Bought,
            Some(p) if p.is_placed() => Stage::AwaitingSupplierPayment,
            Some(_) => Stage::Buying,
        }
    }
}

/// Of two parts that go on side by side: something to do comes before standing still, a hold shows before a wait, and
/// the earlier of two times is when to look again.
pub(super) fn sooner(a: Step, b: Step) -> Step {
    if a.is_action() {
        return a;
    }
    if b.is_action() {
        return b;
    }
    let earlier = match (a.until(), b.until()) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    };
    match (a, b) {
        (Step::Hold { hold, .. }, _) | (_, Step::Hold { hold, .. }) => Step::Hold { hold, until: earlier },
        (Step::Wait { why, .. }, _) => Step::Wait { until: earlier, why },
        (other, _) => other,
    }
}

struct Look<'a> {
    trade: &'a Trade,
    shop: &'a Shop,
    policy: &'a Policy,
    now: Timestamp,
}

impl Look<'_> {
    /// Somebody says that something changed at PayPal with a capture of ours: its order there is read again before
    /// anything else happens, because what changed may be that the money is gone. The bell itself proves nothing.
    fn rung(&self) -> Option<Step> {
        // Also one that was given up: what shows up later is ours all the same.
        let was_asked = self.trade.capture.is_some() || self.trade.attempts(Slot::Capture) > 0;
        let checkout = self.trade.checkout.as_ref().filter(|_| was_asked)?;
        let rung_at = checkout.rung_at?;
        let asked = checkout.asked_at.filter(|at| *at >= rung_at);
        let due = doubling(rung_at, asked, SignedDuration::ZERO, SignedDuration::from_hours(1));
        let ask = self.may_ask_paypal(Step::AskCheckout);
        Some(self.not_before_or(asked.map(|_| due.max(rung_at + SOON)), Why::LookingAgain, ask))
    }

    /// Cancelled: the gate lets nothing out any more, but what was sent is followed to its end, and a human sees to
    /// the money.
    fn cancelled(&self) -> Option<Step> {
        self.trade.order.cancelled_at?;
        // A purchase of which every supplier order died unpaid is none.
        let purchase = self.trade.purchase.as_ref().filter(|p| !p.is_dead());
        let capture = self.trade.capture.as_ref();
        let is_whole = capture.is_none() || self.trade.is_all_gone();
        if is_whole && purchase.is_none() && self.trade.payouts.is_empty() {
            return Some(Step::Close);
        }
        let unproven = capture.filter(|c| c.proof.is_none()).map(|c| &c.claim);
        let mut claims = unproven.into_iter().chain(purchase.map(|p| &p.claim));
        if let Some(claim) = claims.find(|claim| self.was_never_sent(claim)) {
            return Some(self.withdraw(claim));
        }
        // A hold that came after the word says more than that the order is cancelled.
        let said = self.trade.hold.as_ref().map(|hold| self.stand(hold.clone()));
        Some(self.followed(said.unwrap_or_else(|| self.cancelled_with_money())))
    }

    /// Nothing new goes out, and the order stands where it stands; but what was sent is followed to its end.
    fn followed(&self, hold: Step) -> Step {
        let (capture, purchase) = (self.trade.capture.as_ref(), self.trade.purchase.as_ref());
        let payouts = self.trade.payouts.iter().filter(|p| p.claim.is_pending()).map(|p| self.paying(p));
        let bought = purchase.and_then(|_| self.goods().or_else(|| self.delivery()));
        let followed = capture.and_then(|c| self.capture_claimed(c)).into_iter().chain(bought).chain(payouts);
        followed.fold(hold, sooner)
    }

    /// An order that a person or a refusal has stopped is seen as such, whatever it waits for meanwhile.
    fn in_sight(&self, step: Step) -> Step {
        match (&self.trade.hold, step) {
            (Some(hold), Step::Wait { until, .. }) => {
                Step::Hold { hold: hold.clone(), until: until.or(Some(self.now + LATER)) }
            }
            // Released first: what else is held may look otherwise after a look.
            (Some(doubt), Step::Hold { hold, until }) if self.is_in_doubt() && hold.code != HoldCode::Restored => {
                let detail = format!("{}; {}: {}", doubt.detail, hold.code, hold.detail);
                Step::Hold { hold: Hold::new(HoldCode::Restored, detail), until: until.or(Some(self.now + LATER)) }
            }
            (_, step) => step,
        }
    }

    fn cancelled_with_money(&self) -> Step {
        self.hold(HoldCode::CancelledWithMoney, "money had moved when it was cancelled; do not pay the supplier")
    }

    // ---- gates -------------------------------------------------------------------------------------------------

    /// The gate in front of everything that moves money: a rolled-back machine, dispute, cancel, hold, STOP, shadow mode.
    fn may_move(&self, step: Step) -> Step {
        if !step.is_action() {
            return step;
        }
        if is_for_supplier(&step) && self.shop.aliexpress != FarSide::Ready {
            return self.hold(HoldCode::NoToken, "no supplier login");
        }
        if let Some(hold) = self.dispute_hold().filter(|_| !self.shop.is_restored) {
            return self.stand(hold);
        }
        if !self.shop.is_restored && self.trade.order.cancelled_at.is_some() {
            return self.cancelled_with_money();
        }
        // What may be spent and what is owed is known again when the refund is proven.
        if !self.shop.is_restored && self.trade.is_refund_open() {
            return Step::Wait { until: None, why: Why::RefundPending };
        }
        match &self.trade.hold {
            Some(hold) if !self.shop.is_restored => self.stand(hold.clone()),
            _ => self.may_send(step, false),
        }
    }

    /// The part of the gate that even a person's word about this very step does not open. `is_confirmed`: he said that
    /// STOP should not stop it (MONEY A15).
    fn may_send(&self, step: Step, is_confirmed: bool) -> Step {
        if !step.is_action() {
            return step;
        }
        if self.shop.is_restored {
            return self.hold(HoldCode::Restored, "the intent journal cannot be read");
        }
        if let Some(doubt) = self.trade.hold.as_ref().filter(|_| self.is_in_doubt()) {
            return self.stand(doubt.clone());
        }
        if self.shop.is_stopped && !is_confirmed {
            return Step::Wait { until: Some(self.now + SOON), why: Why::Stopped };
        }
        if self.policy.is_shadow {
            return Step::Wait { until: Some(self.now + LATER), why: Why::Shadow };
        }
        if is_for_supplier(&step) || self.shop.paypal == FarSide::Ready {
            return self.by_the_clock(step);
        }
        step
    }

    /// The database or the machine went back in time, and nobody has released this trade yet.
    fn is_in_doubt(&self) -> bool {
        self.trade.hold.as_ref().is_some_and(|hold| hold.code == HoldCode::Restored)
    }

    /// The windows in which a key protects us are counted in true hours, so nothing is sent by a clock that nobody has
    /// confirmed since the start, or that jumped (MONEY A19).
    fn by_the_clock(&self, step: Step) -> Step {
        match self.shop.clock {
            ClockState::Good => step,
            ClockState::Unproven => Step::Wait { until: Some(self.now + SOON / 6), why: Why::ClockUnproven },
            ClockState::Suspect => Step::Wait { until: Some(self.now + SOON), why: Why::ClockSuspect },
        }
    }

    /// How old a claim's key is at the least.
    fn age(&self, claim: &Claim) -> SignedDuration {
        self.now.max(self.shop.latest).duration_since(claim.claimed_at)
    }

    fn may_ask_paypal(&self, step: Step) -> Step {
        if step.is_action() && self.shop.paypal != FarSide::Ready {
            return self.hold(HoldCode::NoPaypal, "PayPal cannot be asked");
        }
        step
    }

    /// Holds the step back until `at`.
    fn not_before(&self, at: Option<Timestamp>, step: Step) -> Step {
        self.not_before_or(at, Why::NotNow, step)
    }

    fn not_before_or(&self, at: Option<Timestamp>, why: Why, step: Step) -> Step {
        match at {
            Some(at) if self.now < at && step.is_action() => Step::Wait { until: Some(at), why },
            _ => step,
        }
    }

    /// When to look again: at `at`, or soon if that has passed and the far side could not be asked.
    fn still_ahead(&self, at: Timestamp) -> Timestamp {
        if self.now < at { at } else { self.now + SOON }
    }

    /// When an unknown outcome may be acted on again; `None` = the ladder is used up.
    fn look_again(&self, sent_at: Timestamp, sends: u32) -> Option<Timestamp> {
        let index = usize::try_from(sends.max(1) - 1).ok()?;
        self.policy.look_again.get(index).map(|wait| sent_at + *wait)
    }

    /// Every send was answered with proof that nothing happened, and the claim stands in the journal (MONEY A9).
    fn was_never_sent(&self, claim: &Claim) -> bool {
        claim.is_pending() && claim.unknown_at.is_none() && claim.is_journaled
    }

    /// Gives a claim up, which lets a next attempt take a next key: only with proof that nothing was sent, and never on
    /// a machine that has forgotten what it did.
    fn withdraw(&self, claim: &Claim) -> Step {
        if self.shop.is_restored || self.is_in_doubt() {
            return self.may_move(Step::Withdraw(claim.slot));
        }
        if !self.was_never_sent(claim) {
            return self.hold(HoldCode::ProgramFault, format!("the claim of the {} is not proven", claim.slot.word()));
        }
        Step::Withdraw(claim.slot)
    }

    /// A held order stays where it is seen.
    fn close(&self) -> Step {
        self.trade.hold.as_ref().map_or(Step::Close, |hold| self.stand(hold.clone()))
    }

    fn hold(&self, code: HoldCode, detail: impl Into<String>) -> Step {
        self.stand(Hold::new(code, detail))
    }

    fn stand(&self, hold: Hold) -> Step {
        Step::Hold { hold, until: Some(self.now + LATER) }
    }
}

fn is_for_supplier(step: &Step) -> bool {
    matches!(step, Step::Place(_) | Step::ResendPlace)
}

/// The next of a row of waits, counted from the last look: the first wait runs from `start`. `None` = used up.
fn after_each(start: Timestamp, asked: Option<Timestamp>, waits: &[SignedDuration]) -> Option<Timestamp> {
    let mut at = start;
    for wait in waits {
        at += *wait;
        if asked.is_none_or(|asked| asked < at) {
            return Some(at);
        }
    }
    None
}

/// Ask again after as long as has already passed, within `[least, most]`: 1, 2, 4, 8 seconds and on.
fn doubling(start: Timestamp, asked: Option<Timestamp>, least: SignedDuration, most: SignedDuration) -> Timestamp {
    match asked {
        None => start + least,
        Some(asked) => asked + asked.duration_since(start).clamp(least, most),
    }
}
