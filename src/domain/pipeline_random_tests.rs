//! What must hold of `next_step` whatever a trade looks like: thousands of trades put together at random from
//! small domains, the impossible ones among them. A failure prints the seed and the trade.

use super::claim::{Claim, Recipient, Slot};
use super::guards::{Approval, Guard};
use super::hold::{Hold, HoldCode};
use super::order::Funds;
use super::payout::ItemStatus;
use super::pipeline::stage;
use super::policy::{Purchasing, ReleaseEvent};
use super::purchase::SupplierOrderState;
use super::standard::*;
use super::trade::{ClockState, FarSide, Step, Why};
use jiff::SignedDuration;

const WORLDS: u64 = 20_000;

/// xorshift64*: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.throw(list.len())].clone()
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.throw(n) == 0
    }

    fn past(&mut self) -> i64 {
        self.one_of(&[0, 1, 9, 10, 59, 61, 299, 300, 3599, HOUR, 6 * HOUR, 20 * HOUR, 2 * DAY, 25 * DAY, 61 * DAY])
    }
}

/// The miles of the road that the trades start from.
fn miles() -> Vec<World> {
    let miles = [opened, approved, capturing, paid, placing, placed, bought, sold, paying, accepted, paid_out];
    let more = [approved, paid, placing, sold, paying];
    miles.into_iter().chain(more).map(|mile| mile()).collect()
}

fn world(dice: &mut Dice, miles: &[World]) -> World {
    let mut world = dice.one_of(miles);
    surroundings(dice, &mut world);
    order(dice, &mut world);
    buyer(dice, &mut world);
    goods(dice, &mut world);
    profit(dice, &mut world);
    world
}

fn surroundings(dice: &mut Dice, w: &mut World) {
    let sides = [FarSide::Ready, FarSide::Ready, FarSide::Ready, FarSide::NoToken, FarSide::Off];
    (w.shop.paypal, w.shop.aliexpress) = (dice.one_of(&sides), dice.one_of(&sides));
    w.shop.is_stopped = dice.once_in(12);
    w.shop.is_restored = dice.once_in(12);
    if dice.once_in(12) {
        w.shop.clock = dice.one_of(&[ClockState::Unproven, ClockState::Suspect]);
    }
    w.policy.is_shadow = dice.once_in(15);
    w.policy.is_auto_pay = dice.once_in(2);
    w.policy.purchasing = dice.one_of(&[Purchasing::Automatic, Purchasing::Automatic, Purchasing::Manual]);
    w.policy.look_again.truncate(dice.one_of(&[0, 1, 2, 5, 5, 5]));
    w.shop.purchases_last_day = dice.one_of(&[0, 0, 0, 20]);
    w.shop.payouts_last_day = dice.one_of(&[0, 0, 0, 40]);
    w.shop.free = vec![usd(dice.one_of(&["100.00", "100.00", "12.03", "12.02", "1.48", "-3.00"]))];
    if dice.once_in(6) {
        w.shop.platform.proposed = dice.one_of(&[None, Some("other@shop.example".to_owned())]);
    }
    match dice.throw(10) {
        0 => w.policy.payouts = None,
        1..4 => {
            w.payouts_policy().after = dice.one_of(ReleaseEvent::ALL);
            w.payouts_policy().hold_days = dice.one_of(&[0, 14]);
        }
        _ => {}
    }
}

fn order(dice: &mut Dice, w: &mut World) {
    let order = &mut w.trade.order;
    order.cancelled_at = dice.once_in(10).then(now);
    order.closed_at = dice.once_in(30).then(now);
    if dice.once_in(10) {
        order.buyer = None;
    }
    order.lines[0].is_active = !dice.once_in(10);
    if dice.once_in(8) {
        w.trade.hold = Some(Hold::new(dice.one_of(HoldCode::ALL), "stored"));
    }
    if dice.once_in(4) && w.trade.capture.as_ref().is_none_or(|c| c.proof.is_some()) {
        let funds = dice.one_of(&[Funds::Settled, Funds::HeldByChannel, Funds::Owner]);
        let paid_ago = dice.past();
        let fee = dice.one_of(&[None, Some(usd("1.36"))]);
        *w = reported(w.clone(), funds);
        (w.trade.order.paid_at, w.trade.order.channel_fee) = (Some(ago(paid_ago)), fee);
    }
}

fn buyer(dice: &mut Dice, w: &mut World) {
    let times: Vec<i64> = (0..6).map(|_| dice.past()).collect();
    let some = |dice: &mut Dice, n: usize| (!dice.once_in(3)).then(|| ago(times[n]));
    if let Some(checkout) = &mut w.trade.checkout {
        checkout.opened_at = ago(times[0].max(times[1]));
        checkout.asked_at = some(dice, 1);
        checkout.approved_at = checkout.approved_at.filter(|_| !dice.once_in(4));
        checkout.returned_at = some(dice, 2).filter(|_| dice.once_in(3));
        checkout.declined_at = some(dice, 3).filter(|_| dice.once_in(4));
        checkout.expired_at = dice.once_in(12).then(now);
        if dice.once_in(8) && w.trade.capture.is_none() {
            checkout.paypal_order_id = None;
        }
    }
    if let Some(capture) = &mut w.trade.capture {
        match &mut capture.proof {
            Some(proof) => {
                proof.seen_at = ago(times[4]);
                proof.is_completed = !dice.once_in(5) || w.trade.purchase.is_some();
                proof.fee = proof.fee.filter(|_| proof.is_completed && !dice.once_in(5));
            }
            None => fate(dice, &mut capture.claim),
        }
    }
    if let Some(quote) = &mut w.trade.quote {
        quote.quoted_at = ago(dice.one_of(&[0, 60, 300, 899, 900, 3599, 3600]));
        quote.hash = dice.one_of(&["offer-1", "offer-1", "offer-1", "offer-2"]).to_owned();
        quote.items = usd(dice.one_of(&["8.40", "8.40", "17.00", "21.01", "30.00"]));
        if dice.once_in(8) {
            w.trade.quote = None;
            w.trade.quote_failure = Some(no_offer(ago(dice.one_of(&[-60, 0, 60]))));
        }
    }
    if dice.once_in(4) {
        let overrides = dice.one_of(&[vec![], vec![Guard::Ceiling, Guard::Margin], Guard::ALL.to_vec()]);
        let quote_hash = dice.one_of(&[None, Some("offer-1".to_owned())]);
        w.trade.approval = Some(Approval { quote_hash, overrides, expires_at: dice.once_in(4).then(now) });
    }
}

/// What may be known of a claim that is not settled.
fn fate(dice: &mut Dice, claim: &mut Claim) {
    *claim = sent(claim.clone(), dice.past());
    claim.sends = 1 + u32::try_from(dice.throw(6)).unwrap();
    claim.is_journaled = !dice.once_in(6);
    claim.not_before = dice.once_in(4).then(|| ago(-30));
    if dice.once_in(3) {
        claim.unknown_at = None;
    }
}

fn goods(dice: &mut Dice, w: &mut World) {
    let is_sold = w.trade.sale.is_some();
    let paid_ago = dice.past();
    let Some(purchase) = &mut w.trade.purchase else { return };
    purchase.is_auto_pay = dice.once_in(3);
    if purchase.supplier_orders.is_empty() {
        return fate(dice, &mut purchase.claim);
    }
    if !is_sold {
        if dice.once_in(3) {
            purchase.supplier_orders.push(supplier_order("8100000002", "9.00"));
        }
        for order in &mut purchase.supplier_orders {
            order.state = dice.one_of(SupplierOrderState::ALL);
            order.total = order.total.filter(|_| !dice.once_in(4));
            order.asked_at = (!dice.once_in(3)).then(|| ago(paid_ago / 2));
        }
    }
    for order in &mut purchase.supplier_orders {
        order.placed_at = ago(paid_ago);
        order.paid_at = (order.state == SupplierOrderState::Paid).then(|| ago(paid_ago));
        order.shipped_at = dice.once_in(2).then(|| ago(paid_ago / 2));
        order.delivered_at = order.shipped_at.filter(|_| dice.once_in(2));
    }
    w.trade.tracked_at = dice.once_in(2).then(|| ago(paid_ago / 3));
}

fn profit(dice: &mut Dice, w: &mut World) {
    for payout in &mut w.trade.payouts {
        if !payout.claim.is_pending() {
            continue;
        }
        fate(dice, &mut payout.claim);
        if payout.batch_id.is_some() {
            payout.claim.sends = 1;
            payout.item = Some(dice.one_of(ItemStatus::ALL)).filter(|_| dice.once_in(2));
            payout.accepted_at = Some(ago(dice.past()));
            payout.asked_at = dice.once_in(2).then(|| ago(dice.past()));
        }
    }
}

fn each(seed: u64, mut property: impl FnMut(&World, &Step) -> Result<(), String>) {
    let (mut dice, miles) = (Dice(seed), miles());
    for number in 0..WORLDS {
        let world = world(&mut dice, &miles);
        let step = world.next();
        stage(&world.trade, &step);
        if let Err(what) = property(&world, &step) {
            panic!("{what}: {} (world {number} of seed {seed}) {world:#?}", brief(&step, world.now));
        }
    }
}

fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn sends(step: &Step) -> bool {
    let money = matches!(step, Step::Capture { .. } | Step::Place(_) | Step::ResendPlace | Step::Pay { .. });
    money || matches!(step, Step::ResendPayout(_) | Step::OpenCheckout)
}

#[test]
fn a5_a15_nothing_is_sent_through_a_shut_gate() {
    let mut sent = 0;
    each(1, |w, step| {
        let order = &w.trade.order;
        let is_shut = w.shop.is_stopped || w.shop.is_restored || w.policy.is_shadow || w.trade.hold.is_some();
        let is_shut = is_shut || w.shop.clock != ClockState::Good;
        sent += u32::from(sends(step));
        must(!sends(step) || !is_shut, "sent through a shut gate")?;
        must(!sends(step) || order.cancelled_at.is_none(), "sent for a cancelled order")?;
        must(!sends(step) || order.closed_at.is_none(), "sent for a closed order")?;
        let is_back = w.shop.is_restored || w.trade.hold.as_ref().is_some_and(|hold| hold.code == HoldCode::Restored);
        must(!matches!(step, Step::Withdraw(_)) || !is_back, "given up on a restored machine")
    });
    assert!(sent > 400, "the dice must reach the sends, and did {sent} times");
}

/// The key of a claim hangs on its attempt: a live claim goes on under its own, a next one only after it is void.
#[test]
fn a2_no_unknown_outcome_ever_gets_a_second_key() {
    let mut resent = 0;
    each(2, |w, step| {
        let trade = &w.trade;
        match step {
            Step::Capture { attempt, amount } => {
                let live = trade.capture.as_ref().map(|c| &c.claim);
                must(*amount == trade.order.total, "another amount")?;
                must(trade.capture.as_ref().is_none_or(|c| c.proof.is_none()), "captured twice")?;
                resent += u32::from(live.is_some());
                must(live.is_none_or(|c| c.attempt == *attempt && c.is_pending()), "a second key")
            }
            Step::Place(placing) => {
                let live = trade.purchase.as_ref();
                must(live.is_none_or(|p| p.claim.attempt == placing.attempt && !p.is_placed()), "a second key")?;
                must(live.is_none_or(|p| !p.claim.is_unknown()), "placed again over an unknown outcome")?;
                must(live.is_none_or(|p| p.quote_hash == placing.quote_hash), "bytes of another offer")?;
                must(!placing.is_auto_pay || placing.attempt == 1, "A8 auto-pay at a second attempt")?;
                must(live.is_none_or(|p| !p.is_auto_pay || placing.is_auto_pay), "A8 charged against the decision")?;
                must(placing.landed.minor <= placing.ceiling.minor, "above its ceiling")
            }
            Step::ResendPlace => {
                let purchase = trade.purchase.as_ref().ok_or("nothing to resend")?;
                resent += 1;
                must(purchase.claim.is_unknown() && purchase.claim.sends == 1, "A19 resent twice")?;
                must(!purchase.is_auto_pay, "A8 auto-pay resent")
            }
            Step::Pay { recipient, amount, .. } => {
                let with_fee = amount.minor + (amount.minor * 2 + 50) / 100;
                must(trade.payout(*recipient).is_none(), "a second live payout")?;
                must(with_fee <= w.shop.free(*amount).minor, "A10 paid out of money that is not free")?;
                must(trade.order.funds != Funds::HeldByChannel, "A7 paid out of the channel's money")
            }
            Step::ResendPayout(recipient) => {
                let payout = trade.payout(*recipient).ok_or("nothing to resend")?;
                resent += 1;
                must(payout.claim.is_pending() && payout.batch_id.is_none(), "an accepted batch resent")?;
                let young = w.now < payout.claim.claimed_at + SignedDuration::from_hours(25 * 24);
                must(young || !payout.claim.is_unknown(), "resent when PayPal has forgotten the key")
            }
            // Ordered, and not claimed yet.
            Step::Withdraw(Slot::Refund(number)) if trade.refund(*number).is_some_and(|r| r.claim.is_none()) => {
                must(trade.is_over_promised(), "a refund given up that fits")
            }
            Step::Withdraw(slot) => {
                let capture = trade.capture.iter().map(|c| &c.claim);
                let mut claims = capture.chain(trade.purchase.iter().map(|p| &p.claim));
                let claim = claims.find(|c| c.slot == *slot).ok_or("nothing to give up")?;
                must(claim.is_pending() && !claim.is_unknown(), "an unknown outcome given up")?;
                must(claim.is_journaled, "A9 given up without a journal line")
            }
            _ => Ok(()),
        }
    });
    assert!(resent > 100, "the dice must reach the resends, and did {resent} times");
}

/// Reasons that no clock takes away: they wait for a human or for a fact from outside.
fn only_a_fact_changes(step: &Step) -> bool {
    match step {
        Step::Hold { hold, .. } => matches!(hold.code, HoldCode::PurchaseUnknown | HoldCode::PayoutUnknown),
        Step::Wait { why, .. } => matches!(why, Why::Closed | Why::FundsHeld | Why::ReleaseDate),
        _ => false,
    }
}

#[test]
fn l31_whoever_stands_still_is_looked_at_again() {
    each(3, |w, step| {
        let is_ahead = step.until().is_some_and(|at| at > w.now);
        must(step.is_action() || is_ahead || only_a_fact_changes(step), "stands still for ever")
    });
}

/// A look that brought nothing new must be followed by a pause.
#[test]
fn nothing_goes_round_in_circles() {
    each(4, |w, step| {
        let mut after = w.clone();
        match step {
            Step::AskCheckout | Step::ReadFee => after.checkout().asked_at = Some(w.now),
            Step::Quote => {
                let at = w.now + SignedDuration::from_mins(1);
                (after.trade.quote, after.trade.quote_failure) = (None, Some(no_offer(at)));
            }
            Step::Inspect { supplier_order_id } => {
                let orders = &mut after.purchase().supplier_orders;
                orders.iter_mut().find(|o| o.id == *supplier_order_id).unwrap().asked_at = Some(w.now);
            }
            Step::AskPayout(recipient) => {
                let payout = after.trade.payouts.iter_mut().find(|p| p.recipient == *recipient).unwrap();
                payout.asked_at = Some(w.now);
            }
            Step::Track => after.trade.tracked_at = Some(w.now),
            _ => return Ok(()),
        }
        must(after.next() != *step, "goes round in circles")
    });
}

#[test]
fn l31_nothing_unproven_and_nothing_held_is_closed() {
    each(5, |w, step| {
        let trade = &w.trade;
        let capture = trade.capture.iter().map(|c| &c.claim);
        let claims =
            capture.chain(trade.purchase.iter().map(|p| &p.claim)).chain(trade.payouts.iter().map(|p| &p.claim));
        let is_open = claims.into_iter().any(Claim::is_pending);
        let is_held = trade.hold.is_some() && trade.order.cancelled_at.is_none();
        must(*step != Step::Close || !is_open, "closed with an unproven claim")?;
        must(*step != Step::Close || !is_held, "closed while held")
    });
}

#[test]
fn l10_l23_a_sale_has_its_invoice_and_its_fee() {
    each(6, |w, step| {
        let is_paid = w.trade.purchase.as_ref().is_some_and(|p| p.is_paid() && p.total().is_some());
        let is_due = |recipient| {
            w.trade.sale.as_ref().is_some_and(|s| s.legs().unwrap().iter().any(|l| l.recipient == recipient))
        };
        match step {
            Step::RecordSale => must(is_paid && w.trade.fee().is_some(), "a sale without evidence"),
            Step::Pay { recipient, .. } => must(is_due(*recipient), "a payout nobody is owed"),
            _ => Ok(()),
        }
    });
    assert_eq!(Recipient::ALL.len(), 2);
}
