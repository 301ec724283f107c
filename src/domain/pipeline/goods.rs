//! The goods: the offer, the guards, the purchase at the supplier (once), and its way to the buyer.

use super::{LATER, Look, SOON, doubling};
use crate::domain::claim::Slot;
use crate::domain::guards::{self, Guard, Verdict};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::Line;
use crate::domain::purchase::{Purchase, Quote, SupplierOrder, SupplierOrderState};
use crate::domain::trade::{FarSide, Placing, Step, Why};
use jiff::{SignedDuration, Timestamp};

/// AliExpress forgets our order id after 24 hours.
const PLACE_RESEND_WINDOW: SignedDuration = SignedDuration::from_hours(20);
/// A supplier order hides for some seconds after it was placed; one that hides for so long is for a human.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// An undelivered order closes this long after the supplier was paid.
const CLOSE_AFTER: SignedDuration = SignedDuration::from_hours(60 * 24);

impl Look<'_> {
    pub(super) fn goods(&self) -> Option<Step> {
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
            None if self.is_capped() => Step::Wait { until: Some(self.now + LATER), why: Why::Cap },
            None => self.ask_for_quote(),
            Some(quote) => self.place(quote, self.trade.attempts(Slot::Purchase) + 1),
        }
    }

    /// The day's purchases are used up, so the supplier is not even asked: ten thousand waiting orders would ask ten
    /// thousand times. A person's yes to an offer may lift a cap, and is for the guards to read.
    fn is_capped(&self) -> bool {
        let limits = &self.policy.limits;
        let is_over = self.shop.purchases_last_day >= limits.orders_per_day
            || self.shop.spent_last_day.minor >= limits.spend_per_day.minor;
        is_over && self.trade.approval.is_none() && self.shop.aliexpress != FarSide::Off
    }

    /// The supplier's interface is switched off: what a person is to buy, and for how much at most.
    fn buy_by_hand(&self) -> Step {
        let line = |line: &Line| {
            let Line { quantity, sku, variant, .. } = line;
            let attributes = if variant.sku_attr.is_empty() { "" } else { ", variant " };
            let page = format!("https://www.aliexpress.com/item/{}.html", variant.product_id);
            format!("{quantity} x {sku} ({page}{attributes}{})", variant.sku_attr)
        };
        let goods: Vec<String> = self.trade.order.lines.iter().map(line).collect();
        let most = guards::ceiling_by_hand(self.trade, self.policy);
        let most = most.map_or("; how much it may cost is not known".to_owned(), |most| format!(" for at most {most}"));
        let detail = format!(
            "the supplier's interface is switched off; buy {}{most}; the address to copy: orders show {}",
            goods.join(", "),
            self.trade.order.id
        );
        self.hold(HoldCode::BuyByHand, detail)
    }

    pub(super) fn ask_for_quote(&self) -> Step {
        match self.shop.aliexpress {
            FarSide::Off => return self.buy_by_hand(),
            FarSide::NoToken => return self.hold(HoldCode::NoToken, "no supplier login"),
            FarSide::Ready => {}
        }
        match &self.trade.quote_failure {
            Some(failure) if failure.is_no() && self.now < failure.retry_at => {
                Step::Hold { hold: Hold::new(HoldCode::NoOffer, &*failure.reason), until: Some(failure.retry_at) }
            }
            // A trouble that should have passed by now is worth a look; it goes on being asked all the same.
            Some(failure) if self.now < failure.retry_at && self.is_long_due() => {
                let detail = format!("the supplier could not be asked for an hour: {}", failure.reason);
                Step::Hold { hold: Hold::new(HoldCode::NoOffer, detail), until: Some(failure.retry_at) }
            }
            failure => self.not_before_or(failure.as_ref().map(|f| f.retry_at), Why::QuoteFailed, Step::Quote),
        }
    }

    /// Paid, and to be bought for more than an hour now.
    fn is_long_due(&self) -> bool {
        self.trade.paid_at().is_some_and(|at| self.now >= at + self.policy.cancel_buffer + SHOWN_WITHIN)
    }

    /// Every guard says yes, or the order stands still.
    fn place(&self, quote: &Quote, attempt: u32) -> Step {
        let readings = guards::before_place(self.trade, self.shop, self.policy, quote, self.now);
        if let Some(detail) = guards::in_the_way(&readings) {
            let mut blocking = readings.iter().filter(|r| r.blocks() && !r.guard.is_cap());
            let is_only_approval = blocking.all(|r| r.guard == Guard::Approval);
            let code = if is_only_approval { HoldCode::NeedsApproval } else { HoldCode::Guard };
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
            again => match self.not_before(claim.not_before, again) {
                // A limit that lasts is worth a look; it goes on being tried all the same.
                Step::Wait { until, why: Why::NotNow } if self.is_long_due() => {
                    let detail = "paid more than an hour ago, and the supplier still says: not now";
                    Step::Hold { hold: Hold::new(HoldCode::NoOffer, detail), until }
                }
                step => step,
            },
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
        let is_young = self.age(claim) < PLACE_RESEND_WINDOW;
        match resend_at {
            Some(at) if claim.sends == 1 && !purchase.is_auto_pay && within(at) && is_young => {
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
        let total = purchase.total();
        let foreign = purchase.supplier_orders.iter().filter_map(|o| o.total);
        let foreign = foreign.map(|total| total.currency).find(|currency| *currency != purchase.ceiling.currency);
        if let Some(foreign) = foreign {
            let to = purchase.ceiling.currency;
            let detail = format!(
                "the supplier asks in {foreign}, and no rate of the last days says what that is in {to}; DO NOT PAY \
                 before; postsale fx set {foreign} {to} RATE"
            );
            return Step::Hold { hold: Hold::new(HoldCode::RateMissing, detail), until };
        }
        if let Some(total) = total.filter(|total| total.minor > purchase.ceiling.minor) {
            let detail = format!(
                "the supplier asks {total}, approved was at most {}; DO NOT PAY; approve with override [ceiling] accepts {total}",
                purchase.ceiling
            );
            return Step::Hold { hold: Hold::new(HoldCode::OverCeiling, detail), until };
        }
        if self.trade.is_to_be_all_gone() {
            let detail = format!("the buyer's money goes back to him; do not pay supplier order {}", order.id);
            return Step::Hold { hold: Hold::new(HoldCode::DoNotPay, detail), until };
        }
        // Whoever pays now pays for an order that the supplier ends.
        let is_ending = |o: &&SupplierOrder| o.closed_seen_at.is_some() || o.pay_by.is_some_and(|by| self.now >= by);
        let mut placed = purchase.supplier_orders.iter().filter(|o| o.state == SupplierOrderState::Placed);
        if let Some(ending) = placed.find(is_ending) {
            let detail = format!("supplier order {} is closed or past its time to pay; DO NOT PAY", ending.id);
            return Step::Hold { hold: Hold::new(HoldCode::SupplierClosed, detail), until };
        }
        if let Some(hold) = &self.trade.hold {
            let hold = Hold::new(hold.code, format!("{}; DO NOT PAY the supplier", hold.detail));
            return Step::Hold { hold, until };
        }
        if order.total.is_none() && order.asked_at.is_some() && self.now >= order.placed_at + SHOWN_WITHIN {
            let detail = format!(
                "the supplier does not show order {} with a total; if it is paid, mark-supplier-paid with what it cost",
                order.id
            );
            return Step::Hold { hold: Hold::new(HoldCode::SupplierMismatch, detail), until };
        }
        Step::Wait { until, why: Why::SupplierUnpaid }
    }

    pub(super) fn delivery(&self) -> Option<Step> {
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
}
