//! `next_step` as a table of situations, first half: the buyer's money, cancelling, and the goods. Each row is a mile of
//! the standard road with one or two things changed, and the step that must follow. See also `pipeline_out_tests`.

use super::claim::{Recipient, Slot};
use super::guards::{Approval, Guard};
use super::hold::HoldCode;
use super::order::Funds;
use super::policy::Purchasing;
use super::purchase::SupplierOrderState;
use super::standard::*;
use super::trade::FarSide;
use jiff::SignedDuration;

pub type Check<'a> = &'a mut dyn FnMut(&str, World, &str);

#[test]
fn the_checkout() {
    checkout(&mut check);
}

pub fn checkout(check: Check<'_>) {
    let unopened = || opened().with(|w| w.checkout().paypal_order_id = None);
    let claimed =
        |seconds| unopened().with(|w| w.trade.checkout_claim = Some(sent(claim(Slot::Checkout, "25.00"), seconds)));
    check("no checkout row", opened().with(|w| w.trade.checkout = None), "OpenCheckout");
    check("not sent", unopened().with(|w| w.trade.checkout_claim = None), "OpenCheckout");
    check("sent just now", claimed(9), "wait: the far side said not now; 1s");
    check("sent, no answer", claimed(10), "OpenCheckout");
    let not_now = |w: &mut World| w.trade.checkout_claim.as_mut().unwrap().not_before = Some(ago(-30));
    check("not now", claimed(60).with(not_now), "wait: the far side said not now; 30s");
    check("half the window", claimed(60).with(|w| w.checkout().opened_at = ago(3 * HOUR - 1)), "OpenCheckout");
    check("given up", claimed(60).with(|w| w.checkout().opened_at = ago(3 * HOUR)), "Close");
    check("L35 no credentials", claimed(60).with(|w| w.shop.paypal = FarSide::NoToken), "hold: no_paypal; 15m");
    check("A15 STOP opens none", claimed(60).with(|w| w.shop.is_stopped = true), "wait: STOP is set; 1m");
    check("refused: not again by itself", claimed(60).held(HoldCode::CaptureRefused), "hold: capture_refused; 15m");

    let minutes = [0, 1, 3, 8, 23, 53, 113, 173, 233, 293, 353];
    for pair in minutes.windows(2) {
        let (asked, due) = (pair[0] * MINUTE, pair[1] * MINUTE);
        let at = |seconds: i64| {
            opened().with(|w| {
                w.checkout().opened_at = ago(seconds);
                w.checkout().asked_at = (asked > 0).then(|| ago(seconds - asked));
            })
        };
        check("before the rung", at(due - 1), "wait: buyer has not approved; 1s");
        check("at the rung", at(due), "AskCheckout");
    }
    let last = |w: &mut World| (w.checkout().opened_at, w.checkout().asked_at) = (ago(6 * HOUR), Some(ago(420)));
    check("the last rung was asked", opened().with(last), "Close");
    check("a held order stays in sight", opened().with(last).held(HoldCode::Person), "hold: person; 15m");
    check("the buyer came back", opened().with(|w| w.checkout().returned_at = Some(ago(59))), "AskCheckout");
    let before = opened().with(|w| w.checkout().returned_at = Some(ago(60)));
    check("came back before the look", before, "wait: buyer has not approved; 53m");
    check("L35 cannot look", opened().later(HOUR).with(|w| w.shop.paypal = FarSide::Off), "hold: no_paypal; 15m");
    check("expired", approved().with(|w| w.checkout().expired_at = Some(now())), "Close");
    let mismatch = approved().with(|w| w.checkout().expired_at = Some(now())).held(HoldCode::CaptureMismatch);
    check("expired with a riddle", mismatch, "hold: capture_mismatch; 15m");
    let no_date = reported(opened(), Funds::HeldByChannel).with(|w| w.trade.order.paid_at = None);
    check("L14 a report without its date", no_date, "hold: incomplete; 15m");
}

#[test]
fn a20_the_buyer_is_charged_on_a_fresh_passing_offer() {
    capture(&mut check);
}

pub fn capture(check: Check<'_>) {
    let opened_for = |seconds| move |w: &mut World| w.checkout().opened_at = ago(seconds);
    check("approved", approved(), "Capture 1 25.00 USD");
    check("no offer", approved().with(|w| w.trade.quote = None), "Quote");
    check("offer of 59:59", approved().with(|w| w.quote().quoted_at = ago(HOUR - 1)), "Capture 1 25.00 USD");
    check("offer of an hour", approved().with(|w| w.quote().quoted_at = ago(HOUR)), "Quote");
    let failed = |at| move |w: &mut World| (w.trade.quote, w.trade.quote_failure) = (None, Some(no_offer(at)));
    check("no offer yet", approved().with(failed(ago(-60))), "wait: the supplier gave no offer; asking again; 1m");
    check("asks again", approved().with(failed(now())), "Quote");
    check("never an offer", approved().with(failed(ago(-60))).with(opened_for(6 * HOUR)), "Close");
    let dear = |items| approved().with(|w| w.quote().items = usd(items));
    check("at the ceiling", dear("22.01"), "Capture 1 25.00 USD");
    check("over the ceiling", dear("22.02"), "hold: guard; 15m");
    let inactive = || approved().with(|w| w.trade.order.lines[0].is_active = false);
    check("inactive product", inactive(), "hold: guard; 15m");
    check("before the window ends", inactive().with(opened_for(6 * HOUR - 1)), "hold: guard; 15m");
    check("expires uncharged", inactive().with(opened_for(6 * HOUR)), "Close");
    check("no login", approved().with(|w| w.trade.quote = None).with(no_token), "hold: no_token; 15m");
    let by_hand = || approved().with(|w| w.trade.quote = None).with(off);
    check("L32 bought by hand: no offer is needed", by_hand(), "Capture 1 25.00 USD");
    let withdrawn = by_hand().with(|w| w.trade.order.lines[0].is_active = false);
    check("by hand, inactive product", withdrawn, "hold: guard; 15m");
    let dear = by_hand().with(|w| w.policy.limits.profit_min = usd("25.00"));
    check("by hand, nothing left for the goods", dear, "hold: guard; 15m");
    check("by hand, nobody to send it to", by_hand().with(|w| w.trade.order.buyer = None), "hold: incomplete; 15m");
    check("A15 by hand, STOP", by_hand().with(|w| w.shop.is_stopped = true), "wait: STOP is set; 1m");
    check("by hand, held", by_hand().held(HoldCode::Person), "hold: person; 15m");
    let incomplete = || approved().with(|w| w.trade.order.buyer = None);
    check("L14 incomplete", incomplete(), "hold: incomplete; 15m");
    check("L14 incomplete to the end", incomplete().with(opened_for(6 * HOUR)), "Close");
    let held = incomplete().with(opened_for(6 * HOUR)).held(HoldCode::Person);
    check("a held one stays in sight", held, "hold: incomplete; 15m");
    check("held", approved().held(HoldCode::AddressDiffers), "hold: address_differs; 15m");
    check("no credentials", approved().with(|w| w.shop.paypal = FarSide::NoToken), "hold: no_paypal; 15m");
    check("an earlier attempt", approved().with(attempted(Slot::Capture, 1)), "Capture 2 25.00 USD");

    let declined = |returned| {
        approved().with(|w| (w.checkout().declined_at, w.checkout().returned_at) = (Some(ago(50)), returned))
    };
    check("declined: waits for the buyer", declined(None), "wait: buyer has not approved; 53m");
    check("came back before it", declined(Some(ago(50))).later(1), "AskCheckout");
    let asked = declined(Some(ago(49))).with(|w| w.checkout().asked_at = Some(ago(48)));
    check("came back after it", asked, "Capture 1 25.00 USD");
}

pub fn no_token(w: &mut World) {
    w.shop.aliexpress = FarSide::NoToken;
}

pub fn off(w: &mut World) {
    w.shop.aliexpress = FarSide::Off;
}

fn attempted(slot: Slot, attempt: u32) -> impl Fn(&mut World) {
    move |w| {
        w.trade.attempts.insert(slot, attempt);
    }
}

/// Sent and then asked about so many seconds ago.
fn asked(sent_ago: i64, asked_ago: i64) -> World {
    capturing().with(|w| {
        w.capture().claim = sent(w.trade.capture.clone().unwrap().claim, sent_ago);
        w.checkout().asked_at = Some(ago(asked_ago));
    })
}

#[test]
fn a2_a_capture_of_unknown_outcome_is_looked_for_first() {
    unknown_capture(&mut check);
}

pub fn unknown_capture(check: Check<'_>) {
    check("too early", asked(9, 10), "wait: too early to look again; 1s");
    check("looks first", capturing(), "AskCheckout");
    check("twice as late", asked(60, 29), "wait: too early to look again; 2s");
    check("looks again", asked(60, 30), "AskCheckout");
    check("no resend without a look after its date", asked(300, 1), "AskCheckout");
    check("resend under the same key", asked(300, 0), "Capture 1 25.00 USD");
    let sends = |n| move |w: &mut World| w.capture().claim.sends = n;
    check("second rung", asked(900, 1).with(sends(2)), "AskCheckout");
    check("second resend", asked(900, 0).with(sends(2)), "Capture 1 25.00 USD");
    let unapproved = asked(300, 0).with(|w| w.checkout().approved_at = None);
    check("approval gone: looks on, with a pause", unapproved, "wait: too early to look again; 5m");
    check("ladder used up, look due", asked(60, 61).with(sends(6)), "AskCheckout");
    check("ladder used up", asked(10 * HOUR, HOUR).with(sends(6)), "hold: capture_unknown; 5h");
    check("goes on for ever", asked(10 * HOUR, 6 * HOUR).with(sends(6)), "AskCheckout");
    check("A20 stale offer", asked(300, 0).with(|w| w.quote().quoted_at = ago(HOUR)), "Quote");
    let gone = asked(300, 0).with(|w| w.trade.order.lines[0].is_active = false);
    check("A20 goods gone: only looks", gone, "wait: too early to look again; 5m");
    check("held: hold in sight", asked(300, 0).held(HoldCode::Person), "hold: person; 5m");
    check("held: looks go on", asked(600, 300).held(HoldCode::Person), "AskCheckout");
    check("A15 STOP", asked(300, 0).with(|w| w.shop.is_stopped = true), "wait: STOP is set; 1m");
    check("A15 STOP: looks go on", asked(600, 300).with(|w| w.shop.is_stopped = true), "AskCheckout");
    check("A5 restored", asked(300, 0).with(|w| w.shop.is_restored = true), "hold: restored; 5m");
    check("A5 restored: looks go on", asked(600, 300).with(|w| w.shop.is_restored = true), "AskCheckout");
    check("no credentials", capturing().with(|w| w.shop.paypal = FarSide::NoToken), "hold: no_paypal; 15m");
    check("no checkout", capturing().with(|w| w.trade.checkout = None), "hold: program_fault; 15m");

    let unsent = || capturing().with(|w| never_sent(&mut w.capture().claim));
    check("never sent: decided anew", unsent(), "Capture 1 25.00 USD");
    let not_now = unsent().with(|w| w.capture().claim.not_before = Some(ago(-30)));
    check("never sent: not now", not_now, "wait: the far side said not now; 30s");
    check("A20 never sent, old offer", unsent().with(|w| w.quote().quoted_at = ago(HOUR)), "Quote");
    let inactive = || unsent().with(|w| w.trade.order.lines[0].is_active = false);
    check("A20 never sent, goods gone", inactive(), "hold: guard; 15m");
    let late = || inactive().with(|w| w.checkout().opened_at = ago(6 * HOUR));
    check("A20 expires uncharged", late(), "Withdraw capture");
    check("A5 gives nothing up", late().with(|w| w.shop.is_restored = true), "hold: restored; 15m");

    let seen = |completed, seconds| {
        paid().with(|w| {
            w.checkout().asked_at = Some(ago(seconds));
            let proof = w.capture().proof.as_mut().unwrap();
            (proof.is_completed, proof.fee, proof.seen_at) = (completed, None, ago(11));
        })
    };
    check("PENDING", seen(false, 11), "wait: PayPal has not completed the capture; 49s");
    check("PENDING, later", seen(false, 11).later(49), "AskCheckout");
    check(
        "PENDING is not bought on",
        seen(false, 11).with(|w| w.now = ago(0)),
        "wait: PayPal has not completed the capture; 49s",
    );
    check("fee not told", seen(true, 1), "wait: too early to look again; 9s");
    check("fee asked again", seen(true, 1).later(9), "ReadFee");
    check("fee, no credentials", seen(true, 1).later(9).with(|w| w.shop.paypal = FarSide::Off), "hold: no_paypal; 15m");
}

#[test]
fn a_cancelled_order_is_followed_to_its_end() {
    cancelled(&mut check);
}

pub fn cancelled(check: Check<'_>) {
    let cancelled = |world: World| world.with(|w| w.trade.order.cancelled_at = Some(now()));
    check("closed", paid().with(|w| w.trade.order.closed_at = Some(now())), "wait: closed; a new fact");
    check("never approved", cancelled(opened()), "Close");
    check("approved, not charged", cancelled(approved()), "Close");
    check("unknown capture", cancelled(capturing()), "AskCheckout");
    check("no resend", cancelled(asked(300, 0)), "hold: cancelled_with_money; 5m");
    check("looks go on", cancelled(asked(600, 300)), "AskCheckout");
    let unsent = || cancelled(capturing().with(|w| never_sent(&mut w.capture().claim)));
    check("never sent", unsent(), "Withdraw capture");
    check("A5", unsent().with(|w| w.shop.is_restored = true), "hold: restored; 15m");
    let fee = |w: &mut World| w.capture().proof.as_mut().unwrap().fee = None;
    check("its fee is read", cancelled(paid().with(fee)).later(HOUR), "ReadFee");
    check("charged", cancelled(paid()), "hold: cancelled_with_money; 15m");
    check("unknown purchase", cancelled(placing()), "hold: cancelled_with_money; 4m");
    check("is not sent again", cancelled(placing()).later(240), "hold: cancelled_with_money; 15m");
    check(
        "purchase never sent",
        cancelled(placing().with(|w| never_sent(&mut w.purchase().claim))),
        "Withdraw purchase",
    );
    check("A12 placed", cancelled(placed()), "hold: cancelled_with_money; 15m");
    check("A12 somebody may pay it all the same", cancelled(placed()).later(HOUR), "Inspect 8100000001");
    check("the parcel", cancelled(bought()).later(HOUR), "Track");
    check("unknown payout", cancelled(paying()), "hold: cancelled_with_money; 290s");
    check("not sent again", cancelled(paying()).later(290), "hold: cancelled_with_money; 15m");
    check("accepted payout", cancelled(accepted()).later(7), "AskPayout platform");
}

#[test]
fn the_purchase() {
    purchase(&mut check);
}

pub fn purchase(check: Check<'_>) {
    const PLACE: &str = "Place 1 10.39 of 22.64 USD unpaid";
    check("bought by its offer", paid(), PLACE);
    let paid_for = |seconds| paid().with(|w| w.capture().proof.as_mut().unwrap().seen_at = ago(seconds));
    check("cancel buffer", paid_for(HOUR - 1), "wait: in the cancel buffer; 1s");
    check("buffer over", paid_for(HOUR), PLACE);
    check("L14 incomplete", paid().with(|w| w.trade.order.buyer = None), "hold: incomplete; 15m");
    check("offer of 14:59", paid().with(|w| w.quote().quoted_at = ago(15 * MINUTE - 1)), PLACE);
    check("offer of 15:00", paid().with(|w| w.quote().quoted_at = ago(15 * MINUTE)), "Quote");
    check("switched off", paid().with(|w| w.trade.quote = None).with(off), "hold: buy_by_hand; 15m");
    check("switched off after the offer", paid().with(off), "hold: buy_by_hand; 15m");
    check("no login", paid().with(|w| w.trade.quote = None).with(no_token), "hold: no_token; 15m");
    check("L42 manual mode", paid().with(|w| w.policy.purchasing = Purchasing::Manual), "hold: needs_approval; 15m");
    let firsts = |bought| paid().with(|w| (w.policy.first_orders_manual, w.shop.purchases_ever) = (3, bought));
    check("one of the first", firsts(2), "hold: needs_approval; 15m");
    check("no more", firsts(3), PLACE);
    // The refusal put a hold on it; who released that has said yes, and the next one goes unpaid (A8).
    check("an earlier one failed", paid().with(attempted(Slot::Purchase, 1)), "Place 2 10.39 of 22.64 USD unpaid");
    check("guard", paid().with(|w| w.trade.look_alikes = 1), "hold: guard; 15m");
    let bought_today = |n| paid().with(|w| w.shop.purchases_last_day = n);
    check("under the cap", bought_today(19), PLACE);
    check("cap waits", bought_today(20), "wait: over a daily cap; goes on by itself; 15m");
    check("a hold goes before a cap", bought_today(20).with(|w| w.trade.look_alikes = 1), "hold: guard; 15m");
    check("a channel's order", reported(paid(), Funds::HeldByChannel), PLACE);
    check(
        "a channel's fee is not known",
        reported(paid(), Funds::Settled).with(|w| w.trade.order.channel_fee = None),
        "hold: guard; 15m",
    );

    let old = |seconds| reported(paid(), Funds::Settled).with(|w| w.trade.order.paid_at = Some(ago(seconds)));
    check("A13 72 hours", old(72 * HOUR), PLACE);
    check("A13 older", old(72 * HOUR + 1), "hold: guard; 15m");
    check("A13 before we lived", old(2 * HOUR).with(|w| w.shop.live_since = ago(2 * HOUR - 1)), "hold: guard; 15m");

    let auto = |items| paid().with(|w| (w.policy.is_auto_pay, w.quote().items) = (true, usd(items)));
    check("A8 a quarter under the ceiling", auto("16.12"), "Place 1 18.11 of 22.64 USD auto-pay");
    check("A8 a cent more", auto("16.13"), "Place 1 18.12 of 22.64 USD unpaid");
    let yes = |overrides: &[Guard]| {
        Some(Approval { quote_hash: Some("offer-1".to_owned()), overrides: overrides.to_vec(), expires_at: None })
    };
    let second = auto("8.40").with(attempted(Slot::Purchase, 1)).with(|w| w.trade.approval = yes(&[]));
    check("A8 attempt 2 goes unpaid", second, "Place 2 10.39 of 22.64 USD unpaid");

    let manual = |approval| paid().with(|w| (w.policy.purchasing, w.trade.approval) = (Purchasing::Manual, approval));
    check("A18 approved", manual(yes(&[])), PLACE);
    let other = |w: &mut World| w.trade.approval.as_mut().unwrap().quote_hash = Some("offer-0".to_owned());
    check("A18 another offer", manual(yes(&[])).with(other), "hold: needs_approval; 15m");
    let until = |at| move |w: &mut World| w.trade.approval.as_mut().unwrap().expires_at = Some(at);
    check("A18 not expired", manual(yes(&[])).with(until(ago(-1))), PLACE);
    check("A18 expired", manual(yes(&[])).with(until(now())), "hold: needs_approval; 15m");
    let dear = |overrides: &[Guard]| {
        let approval = yes(overrides);
        paid().with(|w| (w.quote().items, w.trade.approval, w.policy.is_auto_pay) = (usd("21.01"), approval, true))
    };
    check("A18 only the guards named", dear(&[Guard::Ceiling]), "hold: guard; 15m");
    let both = [Guard::Ceiling, Guard::Margin];
    check("A18 lifted to what was approved, unpaid", dear(&both), "Place 1 23.00 of 23.00 USD unpaid");
    check("A18 not for another offer", dear(&both).with(other), "hold: guard; 15m");
}

#[test]
fn a19_an_unknown_purchase_is_sent_once_more_at_most() {
    unknown_purchase(&mut check);
}

pub fn unknown_purchase(check: Check<'_>) {
    const QUEUE: &str = "hold: purchase_unknown; a new fact";
    check("in the queue at once", placing(), "hold: purchase_unknown; 4m");
    check("a second early", placing().later(239), "hold: purchase_unknown; 1s");
    check("one resend", placing().later(240), "ResendPlace");
    check("and no second", placing().later(DAY).with(|w| w.purchase().claim.sends = 2), QUEUE);
    check("A8 never with auto-pay", placing().later(240).with(|w| w.purchase().is_auto_pay = true), QUEUE);
    let sent_for = |seconds| placing().with(|w| w.purchase().claim = sent(claim(Slot::Purchase, "10.39"), seconds));
    check("A19 within 20 hours", sent_for(20 * HOUR - 1), "ResendPlace");
    check("A19 not after", sent_for(20 * HOUR), QUEUE);
    let shown = |seconds: i64| sent_for(HOUR).with(move |w| w.shop.latest = ago(-seconds));
    check("A19 by the latest time that anybody shows", shown(19 * HOUR - 1), "ResendPlace");
    check("A19 not after that", shown(19 * HOUR), QUEUE);
    let waits = |hours: &[i64]| hours.iter().copied().map(SignedDuration::from_hours).collect::<Vec<_>>();
    check("a ladder past the window", placing().with(|w| w.policy.look_again = waits(&[20])), QUEUE);
    check("no ladder", placing().with(|w| w.policy.look_again = waits(&[])), QUEUE);
    check("held", placing().later(240).held(HoldCode::Person), "hold: person; 15m");
    check("A15", placing().later(240).with(|w| w.shop.is_stopped = true), "wait: STOP is set; 1m");
    let doubted = |seconds| placing().later(seconds).held(HoldCode::Restored);
    check("A5 in doubt, and unknown besides", doubted(DAY), "hold: restored; 15m");
    check("A5 in doubt: no resend", doubted(240), "hold: restored; 15m");
    check("A5", placing().later(240).with(|w| w.shop.is_restored = true), "hold: restored; 15m");

    let unsent = || placing().with(|w| never_sent(&mut w.purchase().claim));
    const PLACE: &str = "Place 1 10.39 of 22.64 USD unpaid";
    check("never sent: the same claim", unsent(), PLACE);
    let not_now = unsent().with(|w| w.purchase().claim.not_before = Some(ago(-30)));
    let lately = |world: World| world.with(|w| w.capture().proof.as_mut().unwrap().seen_at = ago(HOUR));
    check("not now", lately(not_now.clone()), "wait: the far side said not now; 30s");
    check("not now, for too long: it shows, and goes on", not_now, "hold: no_offer; 30s");
    check("old offer", unsent().with(|w| w.quote().quoted_at = ago(15 * MINUTE)), "Withdraw purchase");
    check("A18 made for another offer", unsent().with(|w| w.quote().hash = "offer-2".to_owned()), "Withdraw purchase");
    let auto = |on| unsent().with(move |w| (w.purchase().is_auto_pay, w.policy.is_auto_pay) = (true, on));
    check("A8 its bytes would charge", auto(false), "Withdraw purchase");
    check("A8 as decided", auto(true), "Place 1 10.39 of 22.64 USD auto-pay");
    let no_line = unsent().with(|w| (w.purchase().claim.is_journaled, w.trade.quote) = (false, None));
    check("A9 no journal line, nothing is given up", no_line, "hold: program_fault; 15m");
    let restored = unsent().with(|w| (w.shop.is_restored, w.trade.quote) = (true, None));
    check("A5 nothing is given up", restored, "hold: restored; 15m");
    check(
        "L42 manual meanwhile",
        unsent().with(|w| w.policy.purchasing = Purchasing::Manual),
        "hold: needs_approval; 15m",
    );
}

#[test]
fn a11_supplier_orders_are_one_purchase() {
    supplier(&mut check);
}

pub fn supplier(check: Check<'_>) {
    const UNPAID: &str = "wait: placed, to be paid at the supplier; 3596s";
    check("placed is not paid", placed(), UNPAID);
    check("looks again", placed().later(3596), "Inspect 8100000001");
    check("held: looks again", placed().later(3596).held(HoldCode::Person), "Inspect 8100000001");
    check("A12 held: do not pay", placed().held(HoldCode::SupplierMismatch), "hold: supplier_mismatch; 3596s");
    check("login lost", placed().later(3596).with(no_token), "wait: placed, to be paid at the supplier; 1m");
    let total = |text| placed().with(|w| w.supplier_order().total = text);
    check("at the ceiling", total(Some(usd("22.64"))), UNPAID);
    check("over it", total(Some(usd("22.65"))), "hold: over_ceiling; 3596s");
    check("L13 another currency", total(Some(money("10.39", "EUR"))), "hold: rate_missing; 3596s");
    // An hour after its id was given to us it should be seen; a human looks, and the program goes on looking.
    check("L37 not told", total(None), "hold: supplier_mismatch; 3596s");
    let two = |second| {
        placed().with(|w| {
            w.supplier_order().total = Some(usd("12.00"));
            w.purchase().supplier_orders.push(supplier_order("8100000002", second));
        })
    };
    let state = |n: usize, state| {
        move |w: &mut World| {
            let order = &mut w.purchase().supplier_orders[n];
            (order.state, order.paid_at) = (state, (state == SupplierOrderState::Paid).then(now));
        }
    };
    use SupplierOrderState::{Dead, Paid};
    check("A11 the sum is under the ceiling", two("10.64"), UNPAID);
    check("A11 the sum is over it", two("10.65"), "hold: over_ceiling; 3596s");
    check("A11 a dead one costs nothing", two("10.65").with(state(0, Dead)), UNPAID);
    check("A11 one of two paid", two("10.00").with(state(0, Paid)), UNPAID);
    check("A11 both paid", two("10.00").with(state(0, Paid)).with(state(1, Paid)), "RecordSale");
    check("A11 mixed", two("10.00").with(state(0, Paid)).with(state(1, Dead)), "hold: mixed_purchase; 15m");
    let asked_before = two("10.00").later(3596).with(|w| w.purchase().supplier_orders[1].asked_at = Some(ago(9)));
    check("the one not asked longest", asked_before, "Inspect 8100000002");
    check("A12 expired unpaid is no new Place", placed().with(state(0, Dead)), "hold: expired_unpaid; 15m");
    let payout = |w: &mut World| w.trade.payouts = vec![payout(Recipient::Seller, "1.00", SELLER)];
    check("L10 nothing is paid out before it is bought", placed().with(payout), UNPAID);
}
