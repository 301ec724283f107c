//! `next_step` as a table of situations, second half: the sale, the profit, the parcel, and the gate in front of
//! everything that sends. The last test sees to it that every step, reason and stage occurs somewhere.

use super::claim::{Recipient, Slot};
use super::hold::HoldCode;
use super::money::Money;
use super::order::{Funds, Origin};
use super::payout::{FailedPayout, ItemStatus};
use super::pipeline::{sooner, stage};
use super::pipeline_refund_tests as back;
use super::pipeline_tests::{self as first_half, Check, no_token, off};
use super::policy::ReleaseEvent;
use super::standard::*;
use super::trade::{ClockState, FarSide, Stage, Step, Why};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// The parcel has arrived, so that nothing else has a time.
fn delivered(world: World) -> World {
    world.with(|w| {
        w.supplier_order().shipped_at = Some(ago(20 * MINUTE));
        w.supplier_order().delivered_at = Some(ago(10 * MINUTE));
    })
}

/// Only the seller's leg is left.
fn seller_due() -> World {
    delivered(paid_out()).with(|w| {
        w.trade.payouts.truncate(1);
        w.trade.attempts.remove(&Slot::Payout(Recipient::Seller));
    })
}

const PAY_SELLER: &str = "Pay seller 1 11.79 USD to seller@shop.example";
const PAY_PLATFORM: &str = "Pay platform 1 1.46 USD to platform@shop.example";

#[test]
fn the_sale() {
    sale(&mut check);
}

fn sale(check: Check<'_>) {
    check("bought and paid", bought(), "RecordSale");
    check("L11 held: what has happened is booked", bought().held(HoldCode::Person), "RecordSale");
    check("A15 STOP does not stop the books", bought().with(|w| w.shop.is_stopped = true), "RecordSale");
    let euro = bought().with(|w| w.supplier_order().total = Some(money("10.39", "EUR")));
    check("L13 no rate", euro, "hold: rate_missing; 15m");
    let no_fee = reported(bought(), Funds::HeldByChannel).with(|w| w.trade.order.channel_fee = None);
    check("L14 a fee nobody told", no_fee, "hold: incomplete; 15m");
    let no_total = bought().with(|w| w.supplier_order().total = None);
    check("L10 no invoice", no_total, "wait: placed, to be paid at the supplier; 1m");
    let trial = || reported(bought(), Funds::Owner).with(|w| w.trade.order.origin = Origin::PurchaseOnly);
    check("a trial purchase is no sale", trial(), "wait: on its way to the buyer; 28m");
    check("a trial purchase closes", delivered(trial()), "Close");
    check("a test order is", reported(bought(), Funds::Owner), "RecordSale");
}

#[test]
fn a1_profit_leaves_after_the_goods() {
    release(&mut check);
}

fn release(check: Check<'_>) {
    const WAIT: &str = "wait: profit does not leave before its date";
    let rule =
        |after, days| move |w: &mut World| (w.payouts_policy().after, w.payouts_policy().hold_days) = (after, days);
    use ReleaseEvent::{Delivered, Shipped, SupplierPaid};
    check("A1 at once", sold(), PAY_PLATFORM);
    let paid_for =
        |s| delivered(sold()).with(|w| w.supplier_order().paid_at = Some(ago(s))).with(rule(SupplierPaid, 2));
    check("A1 a second early", paid_for(2 * DAY - 1), &format!("{WAIT}; 1s"));
    check("A1 on its date", paid_for(2 * DAY), PAY_PLATFORM);
    check("A1 not delivered", sold().with(rule(Delivered, 14)), &format!("{WAIT}; 28m"));
    let came = |s| delivered(sold()).with(|w| w.supplier_order().delivered_at = Some(ago(s))).with(rule(Delivered, 14));
    check("A1 delivered, a second early", came(14 * DAY - 1), &format!("{WAIT}; 1s"));
    check("A1 delivered two weeks ago", came(14 * DAY), PAY_PLATFORM);
    let shipped = |at| sold().with(move |w| w.supplier_order().shipped_at = at).with(rule(Shipped, 0));
    check("A1 not shipped", shipped(None), &format!("{WAIT}; 28m"));
    check("A1 shipped", shipped(Some(now())), PAY_PLATFORM);
    let half = sold().with(rule(Shipped, 0)).with(|w| {
        w.supplier_order().shipped_at = Some(now());
        let mut other = w.supplier_order().clone();
        (other.id, other.shipped_at) = ("8100000002".to_owned(), None);
        w.purchase().supplier_orders.push(other);
    });
    check("A11 one of two shipped", half, &format!("{WAIT}; 28m"));
    let lost = |s| sold().with(move |w| w.supplier_order().paid_at = Some(ago(s))).with(rule(Delivered, 14));
    check("L31 still looked for", lost(60 * DAY - 1), &format!("{WAIT}; 1s"));
    check("L31 lost: a human decides", lost(60 * DAY), "hold: payout_problem; 15m");
}

#[test]
fn a7_a10_only_money_that_came_in_goes_out() {
    pay(&mut check);
}

fn pay(check: Check<'_>) {
    check("L18 only the leg not paid", seller_due(), PAY_SELLER);
    let held = reported(seller_due(), Funds::HeldByChannel);
    check("A7 the channel has it", held, "wait: the channel still holds the money; 64780m");
    let overdue = reported(seller_due(), Funds::HeldByChannel).with(|w| w.now += SignedDuration::from_hours(24 * 45));
    check("A7 the channel has it for too long", overdue, "hold: funds_overdue; 1d");
    check("A7 settled", reported(seller_due(), Funds::Settled), PAY_SELLER);
    let free = |amount: Money| seller_due().with(|w| w.shop.free = vec![amount]);
    check("A10 enough with the highest fee", free(usd("12.03")), PAY_SELLER);
    const NOT_FREE: &str = "wait: not enough free money at PayPal by our books; 15m";
    check("A10 one cent short", free(usd("12.02")), NOT_FREE);
    check("A10 less than nothing", free(usd("-5.00")), NOT_FREE);
    check("A10 of another currency", free(money("100.00", "EUR")), NOT_FREE);
    let most = |text| seller_due().with(|w| w.policy.limits.payout_max = usd(text));
    check("at the limit", most("11.79"), PAY_SELLER);
    check("over the limit", most("11.78"), "hold: payout_problem; 15m");
    let today = |n| seller_due().with(|w| w.shop.payouts_last_day = n);
    check("under the cap", today(39), PAY_SELLER);
    check("cap waits", today(40), "wait: over a daily cap; goes on by itself; 15m");
    let paid_out = |text| seller_due().with(|w| w.shop.paid_out_last_day = usd(text));
    check("the day's sum just holds it", paid_out("988.21"), PAY_SELLER);
    check("the day's sum is reached", paid_out("988.22"), "wait: over a daily cap; goes on by itself; 15m");
    let per_day = |text| seller_due().with(|w| w.policy.limits.pay_out_per_day = usd(text));
    check("more than a day may ever be", per_day("11.78"), "hold: payout_problem; 15m");
    const UNCONFIRMED: &str = "hold: payee_unconfirmed; 15m";
    let payee = |proposed: Option<&'static str>, confirmed: Option<&'static str>| {
        seller_due().with(|w| {
            w.shop.seller.proposed = proposed.map(str::to_owned);
            w.shop.seller.confirmed = confirmed.map(str::to_owned);
        })
    };
    check("A20 nobody confirmed", payee(Some(SELLER), None), UNCONFIRMED);
    check("A20 another is proposed", payee(Some("other@shop.example"), Some(SELLER)), UNCONFIRMED);
    check(
        "A20 the first to an address",
        seller_due().with(|w| w.shop.seller.is_first_held = true),
        "hold: new_payee; 15m",
    );
    check("L20 none configured", payee(None, Some(SELLER)), UNCONFIRMED);
    check("payouts off, profit owed", seller_due().with(|w| w.policy.payouts = None), UNCONFIRMED);
    check("no credentials", seller_due().with(|w| w.shop.paypal = FarSide::NoToken), "hold: no_paypal; 15m");
    let second = seller_due().with(|w| {
        w.trade.attempts.insert(Slot::Payout(Recipient::Seller), 1);
    });
    check("after one proven not paid", second, "Pay seller 2 11.79 USD to seller@shop.example");
    let owes = |text| seller_due().with(|w| w.shop.debts = vec![(Recipient::Seller, usd(text))]);
    check("B what he owes is netted first", owes("5.00"), "SetOff seller 5.00 USD");
    check("B at most his leg", owes("20.00"), "SetOff seller 11.79 USD");
    check("B too much was netted before", owes("-2.00"), "SetOff seller -2.00 USD");
    check(
        "B the other's debt is not his",
        seller_due().with(|w| w.shop.debts = vec![(Recipient::Platform, usd("5.00"))]),
        PAY_SELLER,
    );
    let netted = |text| owes("3.00").with(|w| w.trade.set_offs = vec![(Recipient::Seller, usd(text))]);
    check("B once a leg, and the rest is paid", netted("5.00"), "Pay seller 1 6.79 USD to seller@shop.example");
    check("B more than the leg", netted("-2.00"), "Pay seller 1 13.79 USD to seller@shop.example");
    check("B netted to nothing", netted("11.79"), "Close");
    check("B not while it is held", owes("5.00").held(HoldCode::Person), "hold: person; 15m");
    let sale = |change: fn(&mut super::sale::Sale)| delivered(sold()).with(|w| change(w.trade.sale.as_mut().unwrap()));
    check("no leg of zero", sale(|s| s.commission = usd("0")), PAY_SELLER);
    check("L11 no leg of a loss", sale(|s| (s.commission, s.profit) = (usd("0"), usd("-1.00"))), "Close");
    check("no legs while payouts were off", sale(|s| s.rule = None), "Close");
}

#[test]
fn a2_a_payout_is_only_ever_resent_under_its_own_key() {
    payouts(&mut check);
}

fn payouts(check: Check<'_>) {
    const HUMAN: &str = "hold: payout_unknown; a new fact";
    const RESEND: &str = "ResendPayout platform";
    let paying = || delivered(paying());
    let sent_for = |seconds, sends| {
        paying().with(move |w| {
            let claim = claim(Slot::Payout(Recipient::Platform), "1.46");
            w.trade.payouts[0].claim = sent(claim, seconds);
            w.trade.payouts[0].claim.sends = sends;
        })
    };
    check("unknown", paying(), "hold: payout_unknown; 290s");
    check("A19 a second early", sent_for(299, 1), "hold: payout_unknown; 1s");
    check("A19 after look_again", sent_for(300, 1), RESEND);
    check("the next rung, a second early", sent_for(899, 2), "hold: payout_unknown; 1s");
    check("the next rung", sent_for(900, 2), RESEND);
    check("the ladder is used up", sent_for(20 * DAY, 6), HUMAN);
    check("within 25 days", sent_for(25 * DAY - 1, 1), RESEND);
    check("never after", sent_for(25 * DAY, 1), HUMAN);
    let shown = |seconds: i64| sent_for(DAY, 1).with(move |w| w.shop.latest = ago(-seconds));
    check("A19 by the latest time that anybody shows", shown(24 * DAY - 1), RESEND);
    check("A19 not after that", shown(24 * DAY), HUMAN);
    let other = |w: &mut World| {
        let payee = Some("new@shop.example".to_owned());
        (w.shop.platform.proposed, w.shop.platform.confirmed) = (payee.clone(), payee);
    };
    check("A20 the payee has changed", sent_for(300, 1).with(other), "hold: payee_unconfirmed; 15m");
    check(
        "A20 is being changed",
        sent_for(300, 1).with(|w| w.shop.platform.proposed = None),
        "hold: payee_unconfirmed; 15m",
    );
    check("payouts off", sent_for(300, 1).with(|w| w.policy.payouts = None), "hold: payee_unconfirmed; 15m");
    let nothing_owed = |w: &mut World| {
        let sale = w.trade.sale.as_mut().unwrap();
        (sale.commission, sale.profit) = (usd("0.00"), usd("-10.00"));
    };
    check("given back meanwhile", sent_for(299, 1).with(nothing_owed), "hold: payout_unknown; 1s");
    check("given back: not sent again", sent_for(300, 1).with(nothing_owed), "hold: payout_problem; 15m");
    check("given back: looked at", delivered(accepted()).later(7).with(nothing_owed), "AskPayout platform");
    check("no credentials", sent_for(300, 1).with(|w| w.shop.paypal = FarSide::Off), "hold: no_paypal; 15m");

    let unsent = || paying().with(|w| never_sent(&mut w.trade.payouts[0].claim));
    check("refused or never sent: the same batch id", unsent(), RESEND);
    let later = unsent().with(|w| w.trade.payouts[0].claim.not_before = Some(ago(-HOUR)));
    check("A10 no funds: later", later, "wait: the far side said not now; 1h");
    check("A2 refused: held, then the same", unsent().held(HoldCode::PayoutRefused), "hold: payout_refused; 15m");
    check("A20 refused, and the payee has changed", unsent().with(other), "hold: payee_unconfirmed; 15m");

    let accepted = || delivered(accepted());
    const IN_HAND: &str = "wait: PayPal has the payout in hand; 7s";
    check("L19 accepted is not paid", accepted(), IN_HAND);
    check("looks", accepted().later(7), "AskPayout platform");
    check("held: looks", accepted().later(7).held(HoldCode::Person), "AskPayout platform");
    check("A15 STOP: looks", accepted().later(7).with(|w| w.shop.is_stopped = true), "AskPayout platform");
    check("A5 restored: looks", accepted().later(7).with(|w| w.shop.is_restored = true), "AskPayout platform");
    check("payouts off: looks", accepted().later(7).with(|w| w.policy.payouts = None), "AskPayout platform");
    check("no credentials", accepted().later(7).with(|w| w.shop.paypal = FarSide::Off), "hold: no_paypal; 15m");
    let asked = |accepted_ago, asked_ago| {
        accepted().with(move |w| {
            let payout = &mut w.trade.payouts[0];
            (payout.accepted_at, payout.asked_at) = (Some(ago(accepted_ago)), Some(ago(asked_ago)));
        })
    };
    check("hourly", asked(10 * HOUR, HOUR - 1), "wait: PayPal has the payout in hand; 1s");
    check("hourly, due", asked(10 * HOUR, HOUR), "AskPayout platform");
    let mut sum = 0;
    for wait in [2, 10, 60, 300, 900, 3600] {
        let (before, due) = (sum, sum + wait);
        check("a rung, due", asked(due, due - before), "AskPayout platform");
        check("a rung, a second early", asked(due - 1, due - 1 - before), "wait: PayPal has the payout in hand; 1s");
        sum = due;
    }
    for status in ItemStatus::ALL {
        let shown = accepted().with(|w| w.trade.payouts[0].item = Some(*status));
        use ItemStatus::{OnHold, Pending, Success, Unclaimed};
        let waits = matches!(status, Success | Pending | Unclaimed | OnHold);
        let expected = match status {
            Unclaimed => "wait: the recipient has not claimed the payout; 7s",
            _ if waits => IN_HAND,
            _ => "hold: payout_problem; 7s",
        };
        check(status.word(), shown, expected);
        // Nobody waits for ever: an item that PayPal does not show or does not end is somebody's to look at.
        let late = |w: &mut World| {
            (w.trade.payouts[0].accepted_at, w.trade.payouts[0].asked_at) = (Some(ago(5 * DAY)), Some(now()))
        };
        let shown = accepted().with(late).with(|w| w.trade.payouts[0].item = Some(*status));
        let expected = if *status == Unclaimed {
            "wait: the recipient has not claimed the payout; 1h"
        } else {
            "hold: payout_problem; 1h"
        };
        check(status.word(), shown, expected);
        check("never shown", accepted().with(late), "hold: payout_unknown; 1h");
    }
    let unclaimed = |days| {
        accepted().with(move |w| {
            let payout = &mut w.trade.payouts[0];
            (payout.item, payout.accepted_at) = (Some(ItemStatus::Unclaimed), Some(ago(days * DAY)));
            (payout.asked_at, payout.cancel_wanted_at) = (Some(now()), Some(now()));
        })
    };
    check("unclaimed for too long", unclaimed(31).with(not_wanted), "hold: payout_problem; 1h");
    check("unclaimed", unclaimed(30).with(not_wanted), "wait: the recipient has not claimed the payout; 1h");
    check("wanted back", unclaimed(3), "CancelPayout platform");
    check("wanted back, and held", unclaimed(3).held(HoldCode::Person), "CancelPayout platform");
    let tried = |seconds| unclaimed(3).with(move |w| w.trade.payouts[0].cancel_tried_at = Some(ago(seconds)));
    check("tried just now", tried(15 * MINUTE - 1), "wait: the recipient has not claimed the payout; 1h");
    check("tried before", tried(15 * MINUTE), "CancelPayout platform");
    const SHUT: [fn(&mut World); 3] =
        [|w| w.shop.is_stopped = true, |w| w.shop.is_restored = true, |w| w.policy.is_shadow = true];
    for shut in SHUT {
        let expected = "wait: the recipient has not claimed the payout; 1h";
        check("A15 wanted back, and shut", unclaimed(3).with(shut), expected);
    }
    let paid = unclaimed(1).with(|w| w.trade.payouts[0].item = Some(ItemStatus::Pending));
    check("wanted back, and on its way again", paid, IN_HAND_1H);
}

const IN_HAND_1H: &str = "wait: PayPal has the payout in hand; 1h";

fn not_wanted(w: &mut World) {
    w.trade.payouts[0].cancel_wanted_at = None;
}

#[test]
fn a3_a10_a_refused_payout_leaves_only_if_it_may_leave_today() {
    refused_payouts(&mut check);
}

fn refused_payouts(check: Check<'_>) {
    const RESEND: &str = "ResendPayout platform";
    let refused = || delivered(paying()).with(|w| never_sent(&mut w.trade.payouts[0].claim));
    let free = |amount: Money| refused().with(|w| w.shop.free = vec![amount]);
    check("A10 it is among what is promised already", free(usd("0.00")), RESEND);
    check("A10 less than was promised", free(usd("-0.01")), "wait: not enough free money at PayPal by our books; 15m");
    let most = |text| refused().with(|w| w.policy.limits.payout_max = usd(text));
    check("at the limit", most("1.46"), RESEND);
    check("over a limit that was lowered", most("1.45"), "hold: payout_problem; 15m");
    let today = |n, claimed| {
        refused().with(move |w| (w.shop.payouts_last_day, w.trade.payouts[0].claim.claimed_at) = (n, ago(claimed)))
    };
    const CAP: &str = "wait: over a daily cap; goes on by itself; 15m";
    check("it is among today's", today(40, DAY - 1), RESEND);
    check("others took its place", today(41, DAY - 1), CAP);
    check("of yesterday, one less than the cap", today(39, DAY), RESEND);
    check("of yesterday, at the cap", today(40, DAY), CAP);
    // An unknown one is another thing: the same bytes may have paid already.
    let unknown = delivered(paying()).later(290).with(|w| (w.shop.free, w.shop.payouts_last_day) = (Vec::new(), 99));
    check("A2 unknown", unknown, RESEND);
}

#[test]
fn a_payout_that_came_to_nothing_is_paid_again_by_word_or_by_time() {
    failed_payouts(&mut check);
}

fn failed_payouts(check: Check<'_>) {
    let failed = |again_at| {
        seller_due().with(move |w| {
            w.trade.attempts.insert(Slot::Payout(Recipient::Seller), 1);
            let said = "FAILED".to_owned();
            w.trade.payouts_failed = vec![FailedPayout { recipient: Recipient::Seller, again_at, said }];
        })
    };
    check("without a word", failed(None), "hold: payout_problem; 15m");
    check("not yet", failed(Some(ago(-HOUR))), "wait: the far side said not now; 1h");
    check("said", failed(Some(now())), "Pay seller 2 11.79 USD to seller@shop.example");
    let other = failed(None).with(|w| w.trade.payouts_failed[0].recipient = Recipient::Platform);
    check("another's", other, "Pay seller 2 11.79 USD to seller@shop.example");
}

#[test]
fn tracking_is_told() {
    telling(&mut check);
}

fn telling(check: Check<'_>) {
    const TELL: &str = "TellTracking 8100000001";
    let shipped = || delivered(paid_out()).with(|w| w.supplier_order().tracking_number = Some("LP1".to_owned()));
    check("before it closes", shipped(), TELL);
    check("held: told", shipped().held(HoldCode::Person), TELL);
    check("told", shipped().with(|w| w.supplier_order().is_tracking_told = true), "Close");
    check("no number", delivered(paid_out()), "Close");
    check("not captured by us", reported(shipped(), Funds::Settled), "Close");
    check("PayPal cannot be asked", shipped().with(|w| w.shop.paypal = FarSide::Off), "Close");
    check("A15 STOP keeps nothing open", shipped().with(|w| w.shop.is_stopped = true), "Close");
    check("shadow", shipped().with(|w| w.policy.is_shadow = true), "Close");
    check("restored", shipped().with(|w| w.shop.is_restored = true), "Close");
    let tried = |seconds, tries| {
        shipped().with(move |w| {
            let order = w.supplier_order();
            (order.delivered_at, order.tracking_tries) = (None, tries);
            (order.shipped_at, order.tracking_tried_at) = (Some(ago(seconds + 20 * MINUTE)), Some(ago(seconds)));
        })
    };
    check("tried again", tried(20 * MINUTE, 1), TELL);
    check("a second early", tried(20 * MINUTE - 1, 1), "wait: on its way to the buyer; 1s");
    check("given up", tried(20 * MINUTE, 8), "wait: on its way to the buyer; 28m");
    check(
        "a failure keeps nothing open",
        tried(MINUTE, 1).with(|w| w.supplier_order().delivered_at = Some(now())),
        "Close",
    );
}

#[test]
fn the_parcel() {
    delivery(&mut check);
}

fn delivery(check: Check<'_>) {
    const WAY: &str = "wait: on its way to the buyer";
    check("paid out, on its way", paid_out(), &format!("{WAY}; 28m"));
    check("looks", paid_out().later(28 * MINUTE), "Track");
    check("held: looks", paid_out().later(28 * MINUTE).held(HoldCode::Person), "Track");
    check(
        "side by side with a leg that waits",
        seller_due()
            .with(|w| {
                w.supplier_order().delivered_at = None;
                w.shop.free.clear();
            })
            .later(28 * MINUTE),
        "Track",
    );
    check("delivered", delivered(paid_out()), "Close");
    check("L31 a held order stays in sight", delivered(paid_out()).held(HoldCode::Person), "hold: person; 15m");
    let paid_for = |s| paid_out().with(move |w| w.supplier_order().paid_at = Some(ago(s)));
    check("never heard of", paid_for(60 * DAY - 1), &format!("{WAY}; 1s"));
    check("closes after 60 days", paid_for(60 * DAY), "Close");
    check("login lost, may come back", paid_out().later(28 * MINUTE).with(no_token), &format!("{WAY}; 15m"));
    check("no interface", paid_for(59 * DAY).with(off), &format!("{WAY}; 1d"));
}

/// Every situation in which something that moves money, or asks for it, is about to be sent.
fn about_to_send() -> Vec<(&'static str, World)> {
    let unopened = opened().with(|w| (w.checkout().paypal_order_id, w.trade.checkout_claim) = (None, None));
    let unknown = capturing().with(|w| {
        w.capture().claim = sent(claim(Slot::Capture, "25.00"), 300);
        w.checkout().asked_at = Some(now());
    });
    vec![
        ("OpenCheckout", unopened),
        ("Capture", approved()),
        ("Capture", capturing().with(|w| never_sent(&mut w.capture().claim))),
        ("Capture", unknown),
        ("Place", paid()),
        ("Place", placing().with(|w| never_sent(&mut w.purchase().claim))),
        ("ResendPlace", placing().later(240)),
        ("Pay", sold()),
        ("ResendPayout", paying().later(290)),
        ("ResendPayout", paying().with(|w| never_sent(&mut w.trade.payouts[0].claim))),
    ]
}

#[test]
fn a5_a15_nothing_goes_through_the_gate() {
    gate(&mut check);
}

fn gate(check: Check<'_>) {
    for (name, world) in about_to_send() {
        let text = brief(&world.next(), world.now);
        assert_eq!(text.split(' ').next(), Some(name));
        let shut = |word: &str, world: World, expected: &str| {
            let step = world.next();
            let text = brief(&step, world.now);
            assert!(text.starts_with(expected), "{name}, {word}: {text}");
        };
        shut("STOP", world.clone().with(|w| w.shop.is_stopped = true), "wait: STOP is set");
        shut("shadow", world.clone().with(|w| w.policy.is_shadow = true), "wait: shadow mode sends nothing");
        let by = |clock| world.clone().with(move |w| w.shop.clock = clock);
        shut("no clock", by(ClockState::Unproven), "wait: no far side has shown its clock");
        shut("CLOCK SUSPECT", by(ClockState::Suspect), "wait: CLOCK SUSPECT");
        shut("restored", world.clone().with(|w| w.shop.is_restored = true), "hold: restored");
        for code in HoldCode::ALL {
            shut(code.word(), world.clone().held(*code), &format!("hold: {code}"));
        }
    }
    for code in HoldCode::ALL {
        check("a stored hold", paid().held(*code), &format!("hold: {code}; 15m"));
    }
    check("shadow", paid().with(|w| w.policy.is_shadow = true), "wait: shadow mode sends nothing; 15m");
    let unproven = "wait: no far side has shown its clock since the start; 10s";
    check("A19", paid().with(|w| w.shop.clock = ClockState::Unproven), unproven);
    let suspect = "wait: CLOCK SUSPECT: the clock jumped, or a far side shows another time; 1m";
    check("F29", paid().with(|w| w.shop.clock = ClockState::Suspect), suspect);
}

#[test]
fn stages_say_where_an_order_stands() {
    let mut seen = BTreeSet::new();
    let mut check = |world: World, expected: Stage| {
        assert_eq!(stage(&world.trade, &world.next()), expected, "{}", brief(&world.next(), world.now));
        seen.insert(expected);
    };
    check(opened(), Stage::AwaitingPayment);
    check(capturing(), Stage::AwaitingPayment);
    check(paid().with(|w| w.capture().proof.as_mut().unwrap().is_completed = false), Stage::AwaitingPayment);
    check(paid(), Stage::Paid);
    check(paid().held(HoldCode::Person), Stage::Held);
    check(paid().with(|w| w.trade.order.cancelled_at = Some(now())), Stage::Cancelled);
    check(placing().with(|w| never_sent(&mut w.purchase().claim)), Stage::Buying);
    check(placing(), Stage::Held);
    check(placed(), Stage::AwaitingSupplierPayment);
    check(bought(), Stage::Bought);
    check(sold(), Stage::Sold);
    check(accepted(), Stage::PayingOut);
    check(paid_out(), Stage::PaidOut);
    check(paid_out().with(|w| w.trade.order.closed_at = Some(now())), Stage::Closed);
    check(back::given_back(paid()), Stage::Refunded);
    check(back::given_back(paid_out().with(|w| w.trade.order.closed_at = Some(now()))), Stage::Refunded);
    assert_eq!(seen.len(), Stage::ALL.len());
}

#[test]
fn sooner_does_not_care_about_the_order() {
    use super::hold::Hold;
    let at = |s| Some(now() + SignedDuration::from_secs(s));
    let hold = |until| Step::Hold { hold: Hold::new(HoldCode::Guard, "x"), until };
    let wait = |until| Step::Wait { until, why: Why::Cap };
    let steps = [Step::Track, Step::Close, hold(None), hold(at(5)), hold(at(9)), wait(None), wait(at(3)), wait(at(7))];
    for a in &steps {
        for b in &steps {
            let (one, other) = (sooner(a.clone(), b.clone()), sooner(b.clone(), a.clone()));
            assert_eq!(one.is_action(), a.is_action() || b.is_action());
            assert_eq!(one.is_action(), other.is_action(), "{a:?} {b:?}");
            assert_eq!(one.until(), other.until(), "{a:?} {b:?}");
            let is_hold = |step: &Step| matches!(step, Step::Hold { .. });
            assert_eq!(is_hold(&one), is_hold(&other), "{a:?} {b:?}");
            if !one.is_action() {
                let times = [a.until(), b.until()];
                assert_eq!(one.until(), times.into_iter().flatten().min(), "the earlier look");
                assert_eq!(is_hold(&one), is_hold(a) || is_hold(b), "a hold shows before a wait");
            }
        }
    }
}

#[test]
fn every_step_and_reason_occurs_in_the_tables() {
    let mut seen = BTreeSet::new();
    let mut note = |_: &str, _: World, expected: &str| {
        let head = expected.split("; ").next().unwrap_or(expected);
        let head =
            if head.starts_with("wait") || head.starts_with("hold") { head } else { head.split(' ').next().unwrap() };
        seen.insert(head.to_owned());
    };
    for table in [first_half::checkout, first_half::capture, first_half::unknown_capture, first_half::cancelled] {
        table(&mut note);
    }
    for table in [first_half::purchase, first_half::unknown_purchase, first_half::supplier] {
        table(&mut note);
    }
    for table in [sale, release, pay, payouts, refused_payouts, failed_payouts, telling, delivery, gate] {
        table(&mut note);
    }
    for table in [back::first, back::gate, back::unknown_outcome, back::known_outcome, back::all_given_back] {
        table(&mut note);
    }
    let cap = "wait: over a daily cap";
    let reasons =
        Why::ALL.iter().map(|why| format!("wait: {why}")).map(|w| if w.starts_with(cap) { cap.to_owned() } else { w });
    let reasons = reasons.map(|w| w.split("; ").next().unwrap_or(&w).to_owned());
    let holds = HoldCode::ALL.iter().map(|code| format!("hold: {code}"));
    let steps = "OpenCheckout AskCheckout Capture ReadFee Quote Place ResendPlace Withdraw Inspect RecordSale SetOff Pay ResendPayout AskPayout CancelPayout TellTracking Refund ResendRefund AskRefund Track Close";
    let missing: Vec<String> =
        reasons.chain(holds).chain(steps.split(' ').map(str::to_owned)).filter(|word| !seen.contains(word)).collect();
    assert!(missing.is_empty(), "no situation leads to {missing:?}");
}
