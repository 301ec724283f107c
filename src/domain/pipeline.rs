//! The whole course of an order. A [`Trade`] is one order and all it led to; [`next_step`] says what to do next; a
//! worker does it, writes down what came of it, and the question is asked again. A crash, a time-out and a slow day all
//! leave the same thing, a row, and the same function picks it up: there is no recovery code.

use super::checkout::{Capture, Checkout};
use super::claim::{Claim, Slot};
use super::guards::{self, Guard, Reading, Verdict};
use super::hold::{Hold, HoldCode};
use super::money::{Money, Rate};
use super::order::{Funds, Line, Origin};
use super::payout::{ItemStatus, Leg, Payout, receiver_hash};
use super::policy::{PayoutPolicy, Policy, ReleaseEvent};
use super::purchase::{Purchase, Quote, SupplierOrder, SupplierOrderState};
use super::trade::{FarSide, Placing, Shop, Stage, Step, Trade, Why};
use jiff::{SignedDuration, Timestamp};

/// PayPal's payout fee is at most this part of the amount in the countries it publishes.
const PAYOUT_FEE_MAX: Rate = Rate::from_millionths(20_000);
/// PayPal forgets a batch id after 30 days; 25 leave a margin for clocks and time zones.
const PAYOUT_RESEND_WINDOW: SignedDuration = SignedDuration::from_hours(25 * 24);
/// AliExpress forgets our order id after 24 hours.
const PLACE_RESEND_WINDOW: SignedDuration = SignedDuration::from_hours(20);
/// A supplier order hides for some seconds after it was placed; one that hides for so long is for a human.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// An undelivered order closes this long after the supplier was paid.
const CLOSE_AFTER: SignedDuration = SignedDuration::from_hours(60 * 24);
/// The buyer's window at PayPal, with room.
const CHECKOUT_WINDOW: SignedDuration = SignedDuration::from_hours(6);
/// The buyer is charged only on an offer this young (MONEY A20).
const CAPTURE_QUOTE_MAX_AGE: SignedDuration = SignedDuration::from_hours(1);
const SOON: SignedDuration = SignedDuration::from_secs(60);
const LATER: SignedDuration = SignedDuration::from_mins(15);

/// What to do next: the life of an order, top to bottom. Each part answers `None` when it has nothing left to do.
pub fn next_step(trade: &Trade, shop: &Shop, policy: &Policy, now: Timestamp) -> Step {
    let look = Look { trade, shop, policy, now };
    if trade.order.closed_at.is_some() {
        return Step::Wait { until: None, why: Why::Closed };
    }
    if let Some(step) = look.cancelled() {
        return step;
    }
    if let Some(step) = look.money_in() {
        return step;
    }
    if let Some(step) = look.goods() {
        return step;
    }
    if let Some(step) = look.sale() {
        return step;
    }
    // Paying the legs and following the parcel go on side by side.
    let legs = look.legs().into_iter().map(|leg| look.money_out(&leg));
    let open = legs.chain([look.delivery()]).flatten();
    open.reduce(sooner).unwrap_or_else(|| look.close())
}

/// Where the order stands, given the step that comes next.
pub fn stage(trade: &Trade, next: &Step) -> Stage {
    let sold = trade.sale.is_some();
    let purchase = trade.purchase.as_ref();
    if trade.order.cancelled_at.is_some() {
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
    /// Cancelled: the gate lets nothing out any more, but what was sent is followed to its end, and a human sees to
    /// the money.
    fn cancelled(&self) -> Option<Step> {
        self.trade.order.cancelled_at?;
        let (capture, purchase) = (self.trade.capture.as_ref(), self.trade.purchase.as_ref());
        if capture.is_none() && purchase.is_none() && self.trade.payouts.is_empty() {
            return Some(Step::Close);
        }
        let unproven = capture.filter(|c| c.proof.is_none()).map(|c| &c.claim);
        let mut claims = unproven.into_iter().chain(purchase.map(|p| &p.claim));
        if let Some(claim) = claims.find(|claim| self.was_never_sent(claim)) {
            return Some(self.withdraw(claim));
        }
        let hold = self.cancelled_with_money();
        let payouts = self.trade.payouts.iter().filter(|p| p.claim.is_pending()).map(|p| self.paying(p));
        let bought = purchase.and_then(|_| self.goods().or_else(|| self.delivery()));
        let followed = capture.and_then(|c| self.capture_claimed(c)).into_iter().chain(bought).chain(payouts);
        Some(followed.fold(hold, sooner))
    }

    fn cancelled_with_money(&self) -> Step {
        self.hold(HoldCode::CancelledWithMoney, "money had moved when it was cancelled; do not pay the supplier")
    }

    // ---- the buyer's money -------------------------------------------------------------------------------------

    fn money_in(&self) -> Option<Step> {
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
        self.not_before(claim.and_then(|c| c.not_before.or(c.sent_at.map(|at| at + SOON / 6))), open)
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
                FarSide::Off => self.not_charged(guards::before_capture_by_hand(self.trade, self.policy)),
                FarSide::NoToken => Some(self.hold(HoldCode::NoToken, "not charged: no supplier login")),
            };
        };
        self.not_charged(guards::before_capture(self.trade, self.policy, quote))
    }

    fn not_charged(&self, readings: Vec<Reading>) -> Option<Step> {
        let reading = readings.into_iter().find(|r| r.blocks())?;
        Some(self.hold(HoldCode::Guard, format!("not charged: {} ({})", reading.guard, reading.saw)))
    }

    fn capture_claimed(&self, capture: &Capture) -> Option<Step> {
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

    /// Look first; the same key goes out again only after a look that showed the order still uncaptured, and for goods
    /// that can still be had. While a hold or STOP keeps it from going out, the looks go on.
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
        let again = self.may_move(Step::Capture { attempt: claim.attempt, amount: claim.amount });
        match self.not_chargeable().filter(|_| again.is_action()) {
            _ if checkout.approved_at.is_none() => look(due),
            None => sooner(again, look(due)),
            Some(Step::Quote) => Step::Quote,
            Some(_) => look(due),
        }
    }

    // ---- the goods ---------------------------------------------------------------------------------------------

    fn goods(&self) -> Option<Step> {
        let Some(purchase) = &self.trade.purchase else { return Some(self.buy()) };
        if !purchase.is_placed() {
            return Some(self.placing(purchase));
        }
        if purchase.is_dead() {
            return Some(self.hold(HoldCode::ExpiredUnpaid, "the supplier closed the order unpaid"));
        }
        if purchase.is_mixed() {
            return Some(self.hold(HoldCode::MixedPurchase, "some supplier orders were paid, others are dead"));
        }
        if purchase.is_paid() {
            return None;
        }
        Some(self.inspect(purchase))
    }

    fn buy(&self) -> Step {
        let paid_at = self.trade.paid_at().unwrap_or(self.now);
        let may_buy_at = paid_at + self.policy.cancel_buffer;
        if self.now < may_buy_at {
            return Step::Wait { until: Some(may_buy_at), why: Why::CancelBuffer };
        }
        let missing = self.trade.order.missing();
        if !missing.is_empty() {
            return self.hold(HoldCode::Incomplete, format!("missing: [{}]", missing.join(", ")));
        }
        if let Some(hold) = &self.trade.hold {
            return self.stand(hold.clone());
        }
        // An offer from before the switch was turned buys nothing any more.
        let is_off = self.shop.aliexpress == FarSide::Off;
        let is_fresh = |q: &&Quote| self.now < q.quoted_at + self.policy.quote_max_age && !is_off;
        match self.trade.quote.as_ref().filter(is_fresh) {
            None => self.ask_for_quote(),
            Some(quote) => self.place(quote, self.trade.attempts(Slot::Purchase) + 1),
        }
    }

    /// The supplier's interface is switched off: what a person is to buy, and for how much at most.
    fn buy_by_hand(&self) -> Step {
        let line = |line: &Line| {
            let Line { quantity, sku, variant, .. } = line;
            let attributes = if variant.sku_attr.is_empty() { "" } else { " " };
            format!("{quantity} x {sku} (product {}{attributes}{})", variant.product_id, variant.sku_attr)
        };
        let goods: Vec<String> = self.trade.order.lines.iter().map(line).collect();
        let most = guards::ceiling_by_hand(self.trade, self.policy);
        let most = most.map_or("; how much it may cost is not known".to_owned(), |most| format!(" for at most {most}"));
        let detail = format!("the supplier's interface is switched off; buy {}{most}", goods.join(", "));
        self.hold(HoldCode::BuyByHand, detail)
    }

    fn ask_for_quote(&self) -> Step {
        match self.shop.aliexpress {
            FarSide::Off => return self.buy_by_hand(),
            FarSide::NoToken => return self.hold(HoldCode::NoToken, "no supplier login"),
            FarSide::Ready => {}
        }
        match &self.trade.quote_failure {
            Some(failure) if failure.is_no() && self.now < failure.retry_at => {
                Step::Hold { hold: Hold::new(HoldCode::NoOffer, &*failure.reason), until: Some(failure.retry_at) }
            }
            failure => self.not_before_or(failure.as_ref().map(|f| f.retry_at), Why::QuoteFailed, Step::Quote),
        }
    }

    /// Every guard says yes, or the order stands still.
    fn place(&self, quote: &Quote, attempt: u32) -> Step {
        let readings = guards::before_place(self.trade, self.shop, self.policy, quote, self.now);
        if let Some(blocking) = readings.iter().find(|r| r.blocks() && !r.guard.is_cap()) {
            let code = if blocking.guard == Guard::Approval { HoldCode::NeedsApproval } else { HoldCode::Guard };
            let stale = if blocking.verdict == Verdict::Stale { "approved was another offer; " } else { "" };
            let detail = format!("{stale}{}: {}", blocking.guard, blocking.saw);
            return Step::Hold { hold: Hold::new(code, detail), until: Some(self.now + LATER) };
        }
        if readings.iter().any(|r| r.blocks()) {
            return Step::Wait { until: Some(self.now + LATER), why: Why::Cap };
        }
        let (Ok(landed), Some(ceiling)) = (quote.landed(), guards::ceiling(self.trade, self.policy)) else {
            return self.hold(HoldCode::Guard, "the ceiling is not known");
        };
        // Who approved an offer above the ceiling approved that much and no more (MONEY A18).
        let is_lifted = readings.iter().any(|r| r.guard == Guard::Ceiling && r.verdict == Verdict::Overridden);
        let ceiling = if is_lifted { landed } else { ceiling };
        // A quarter above the quote must still be under the ceiling before anybody is charged unseen (MONEY A8).
        let room = landed.currency == ceiling.currency
            && landed.minor.checked_mul(5).is_some_and(|five| five <= ceiling.minor.saturating_mul(4));
        let is_auto_pay = self.policy.is_auto_pay && attempt == 1 && room;
        let quote_hash = quote.hash.clone();
        self.may_move(Step::Place(Placing { attempt, quote_hash, landed, ceiling, is_auto_pay, guards: readings }))
    }

    /// Claimed, and no order ids yet.
    fn placing(&self, purchase: &Purchase) -> Step {
        let claim = &purchase.claim;
        if claim.is_unknown() {
            return self.place_unknown(purchase);
        }
        // Certainly nothing was sent: the same bytes go out if the offer they were made for still stands, else the claim
        // is given up.
        let fresh = self.trade.quote.as_ref().filter(|q| self.now < q.quoted_at + self.policy.quote_max_age);
        let Some(quote) = fresh.filter(|q| q.hash == purchase.quote_hash) else { return self.withdraw(claim) };
        match self.place(quote, claim.attempt) {
            // Auto-pay was switched off, or there is no room for it any more; the bytes would still charge the account.
            Step::Place(placing) if purchase.is_auto_pay && !placing.is_auto_pay => self.withdraw(claim),
            again => self.not_before(claim.not_before, again),
        }
    }

    /// AliExpress cannot be asked by our key. It stands in the queue at once; one identical resend may still show the
    /// order, within the hours its key is remembered, and never when the bytes would charge the account (MONEY A8, A19).
    fn place_unknown(&self, purchase: &Purchase) -> Step {
        let claim = &purchase.claim;
        let detail = format!("up to {} may have been spent; sent {} times", claim.amount, claim.sends);
        let hold = Hold::new(HoldCode::PurchaseUnknown, detail);
        let sent_at = claim.sent_at.unwrap_or(claim.claimed_at);
        let resend_at = self.look_again(sent_at, claim.sends).map(|at| claim.not_before.map_or(at, |not| at.max(not)));
        let within = |at: Timestamp| at < claim.claimed_at + PLACE_RESEND_WINDOW;
        match resend_at {
            Some(at) if claim.sends == 1 && !purchase.is_auto_pay && within(at) && within(self.now) => {
                if self.now < at {
                    return Step::Hold { hold, until: Some(at) };
                }
                self.may_move(Step::ResendPlace)
            }
            _ => Step::Hold { hold, until: None },
        }
    }

    fn inspect(&self, purchase: &Purchase) -> Step {
        let due = |order: &SupplierOrder| {
            doubling(order.placed_at, order.asked_at, SignedDuration::from_secs(1), SignedDuration::from_hours(1))
        };
        let unpaid = purchase.supplier_orders.iter().filter(|o| o.state == SupplierOrderState::Placed);
        let Some((at, order)) = unpaid.map(|o| (due(o), o)).min_by_key(|(at, _)| *at) else {
            return Step::Wait { until: Some(self.now + SOON), why: Why::SupplierUnpaid };
        };
        if self.now >= at && self.shop.aliexpress == FarSide::Ready {
            return Step::Inspect { supplier_order_id: order.id.clone() };
        }
        let until = Some(self.still_ahead(at));
        if order.total.is_none() && order.asked_at.is_some() && self.now >= order.placed_at + SHOWN_WITHIN {
            let detail = format!("the supplier does not show order {}, whose id it gave us", order.id);
            return Step::Hold { hold: Hold::new(HoldCode::PurchaseUnknown, detail), until };
        }
        let total = purchase.total();
        if let Some(total) =
            total.filter(|t| t.currency != purchase.ceiling.currency || t.minor > purchase.ceiling.minor)
        {
            let detail = format!("the supplier asks {total}, approved was at most {}", purchase.ceiling);
            return Step::Hold { hold: Hold::new(HoldCode::OverCeiling, detail), until };
        }
        if let Some(hold) = &self.trade.hold {
            let hold = Hold::new(hold.code, format!("{}; DO NOT PAY the supplier", hold.detail));
            return Step::Hold { hold, until };
        }
        Step::Wait { until, why: Why::SupplierUnpaid }
    }

    // ---- the sale ----------------------------------------------------------------------------------------------

    fn sale(&self) -> Option<Step> {
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

    // ---- the profit --------------------------------------------------------------------------------------------

    fn legs(&self) -> Vec<Leg> {
        self.trade.sale.as_ref().and_then(|sale| sale.legs().ok()).unwrap_or_default()
    }

    fn money_out(&self, leg: &Leg) -> Option<Step> {
        match self.trade.payout(leg.recipient) {
            Some(payout) if payout.claim.is_pending() => Some(self.paying(payout)),
            Some(_) => None,
            None => Some(self.pay(leg)),
        }
    }

    fn pay(&self, leg: &Leg) -> Step {
        let Some(payouts) = &self.policy.payouts else {
            return self.hold(HoldCode::PayeeUnconfirmed, "payouts were switched off while profit is owed");
        };
        if self.trade.order.funds == Funds::HeldByChannel {
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

    fn paying(&self, payout: &Payout) -> Step {
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

    // ---- the parcel --------------------------------------------------------------------------------------------

    fn delivery(&self) -> Option<Step> {
        let purchase = self.trade.purchase.as_ref()?;
        let paid_at = purchase.paid_at()?;
        if purchase.delivered_at().is_some() || self.now >= paid_at + CLOSE_AFTER {
            return None;
        }
        let due = doubling(paid_at, self.trade.tracked_at, SignedDuration::from_secs(5), SignedDuration::from_hours(6));
        let closes_at = paid_at + CLOSE_AFTER;
        let wait = |until: Timestamp| Step::Wait { until: Some(until.min(closes_at)), why: Why::NotDelivered };
        Some(match self.shop.aliexpress {
            FarSide::Ready if self.now >= due => Step::Track,
            FarSide::Ready => wait(due),
            // The login may come back.
            FarSide::NoToken => wait(due.max(self.now + LATER)),
            FarSide::Off => wait(closes_at),
        })
    }

    // ---- gates -------------------------------------------------------------------------------------------------

    /// The gate in front of everything that moves money: a rolled-back machine, cancel, hold, STOP, shadow mode.
    fn may_move(&self, step: Step) -> Step {
        if !step.is_action() {
            return step;
        }
        let is_for_supplier = matches!(step, Step::Place(_) | Step::ResendPlace);
        if is_for_supplier && self.shop.aliexpress != FarSide::Ready {
            return self.hold(HoldCode::NoToken, "no supplier login");
        }
        if self.shop.is_restored {
            return self.hold(HoldCode::Restored, "the journal knows what the database does not");
        }
        if self.trade.order.cancelled_at.is_some() {
            return self.cancelled_with_money();
        }
        if let Some(hold) = &self.trade.hold {
            return self.stand(hold.clone());
        }
        if self.shop.is_stopped {
            return Step::Wait { until: Some(self.now + SOON), why: Why::Stopped };
        }
        if self.policy.is_shadow {
            return Step::Wait { until: Some(self.now + LATER), why: Why::Shadow };
        }
        step
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
        if self.shop.is_restored {
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
