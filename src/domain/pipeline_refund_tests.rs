//! Where a refund stands in the course of an order: before everything that moves money, behind its own gate, and never
//! twice.

use super::claim::{Claim, Slot};
use super::dispute::Dispute;
use super::hold::HoldCode;
use super::money::{Currency, Money};
use super::pipeline_tests::Check;
use super::policy::Policy;
use super::refund::{Refund, RefundShown, RefundStatus};
use super::standard::*;
use super::trade::FarSide;
use jiff::SignedDuration;

fn ordered(amount: &str) -> Refund {
    Refund {
        number: 1,
        amount: usd(amount),
        ordered_at: ago(MINUTE),
        is_confirmed: false,
        withdrawn_at: None,
        claim: None,
        asked_at: None,
        absent_at: None,
        seen: None,
    }
}

/// Of a paid order so much is to be given back.
fn wanted(amount: &str) -> World {
    paid().with(|w| w.trade.refunds = vec![ordered(amount)])
}

impl World {
    fn refund(&mut self) -> &mut Refund {
        &mut self.trade.refunds[0]
    }
}

/// Sent so many seconds ago, and nobody knows what became of it.
fn unknown(seconds: i64) -> World {
    wanted("25.00").with(|w| {
        w.refund().claim = Some(sent(claim(Slot::Refund(1), "25.00"), seconds));
        w.trade.attempts.insert(Slot::Refund(1), 1);
    })
}

fn shown(w: &mut World, status: RefundStatus) {
    let seen = RefundShown { refund_id: "R1".to_owned(), status, fee_back: usd("0"), seen_at: ago(MINUTE) };
    w.refund().seen = Some(seen);
}

/// All of its money went back to the buyer.
pub fn given_back(world: World) -> World {
    world.with(|w| {
        let amount = w.trade.order.total;
        let claim = Claim { amount, ..done(claim(Slot::Refund(1), "25.00")) };
        w.trade.refunds = vec![Refund { claim: Some(claim), amount, ..ordered("25.00") }];
        shown(w, RefundStatus::Completed);
    })
}

#[test]
fn a3_a_refund_comes_before_everything_that_moves_money() {
    first(&mut check);
}

pub fn first(check: Check<'_>) {
    let back = |world: World, amount: &str| world.with(|w| w.trade.refunds = vec![ordered(amount)]);
    check("paid", wanted("25.00"), "Refund 1 25.00 USD");
    check("a part", wanted("5.00"), "Refund 1 5.00 USD");
    check("placing", back(placing(), "5.00"), "Refund 1 5.00 USD");
    check("sold", back(sold(), "5.00"), "Refund 1 5.00 USD");
    check("held", wanted("5.00").held(HoldCode::Person), "Refund 1 5.00 USD");
    check("cancelled", wanted("25.00").with(|w| w.trade.order.cancelled_at = Some(now())), "Refund 1 25.00 USD");
    let pending = wanted("25.00").with(|w| w.capture().proof.as_mut().unwrap().is_completed = false);
    check("a pending capture", pending, "wait: PayPal has not completed the capture; 3589s");
    // While it is under way nobody is paid and nothing is sent again.
    let under_way = |world: World| {
        world.with(|w| {
            w.trade.refunds = vec![Refund { claim: Some(sent(claim(Slot::Refund(1), "5.00"), 1)), ..ordered("5.00") }];
        })
    };
    check("owed", under_way(sold()), "wait: too early to look again; 9s");
    let refused = paying().with(|w| never_sent(&mut w.trade.payouts[0].claim));
    check("a payout never sent", under_way(refused), "wait: too early to look again; 9s");
}

#[test]
fn a15_the_gate_of_a_refund() {
    gate(&mut check);
}

pub fn gate(check: Check<'_>) {
    check("STOP", wanted("5.00").with(|w| w.shop.is_stopped = true), "wait: STOP is set; 1m");
    let confirmed = |w: &mut World| w.refund().is_confirmed = true;
    check("confirmed", wanted("5.00").with(|w| w.shop.is_stopped = true).with(confirmed), "Refund 1 5.00 USD");
    let restored = wanted("5.00").with(|w| w.shop.is_restored = true).with(confirmed);
    check("restored", restored, "hold: restored; 15m");
    let shadow = wanted("5.00").with(|w| w.policy = Policy { is_shadow: true, ..w.policy.clone() });
    check("shadow", shadow, "wait: shadow mode sends nothing; 15m");
    let silent = wanted("5.00").with(|w| w.shop.paypal = FarSide::NoToken);
    check("no credentials", silent, "hold: no_paypal; 15m");
    let disputed = |status, outcome| wanted("5.00").disputed(status, outcome);
    check("a fault", wanted("5.00").held(HoldCode::ProgramFault), "hold: program_fault; 15m");
    check("disputed", disputed("UNDER_REVIEW", None), "hold: disputed; 15m");
    let lost = || disputed("RESOLVED", Some("RESOLVED_BUYER_FAVOUR"));
    check("a lost dispute that nobody has seen", lost(), "hold: dispute_lost; 15m");
    let seen = lost().with(|w| w.trade.disputes[0].is_accepted = true);
    let of_ten = |w: &mut World| w.trade.disputes[0].taken = Some(usd("10.00"));
    check("a lost dispute that somebody has seen", seen.clone().with(of_ten), "Refund 1 5.00 USD");
    let ordered_before = wanted("25.00").with(|w| w.trade.disputes = seen.trade.disputes.clone()).with(of_ten);
    check("A14 more than it left", ordered_before.clone(), "Withdraw refund:1");
    let never_sent = ordered_before.with(|w| {
        w.refund().claim = Some(Claim { unknown_at: None, ..sent(claim(Slot::Refund(1), "25.00"), 60) });
    });
    check("A14 and never sent", never_sent, "Withdraw refund:1");
    check("and another one", seen.disputed("UNDER_REVIEW", None), "hold: disputed; 15m");
    let cap = wanted("5.00").with(|w| w.shop.refunds_last_day = 10);
    check("the cap", cap, "wait: over a daily cap; goes on by itself; 15m");
    let resend = unknown(HOUR).with(|w| {
        (w.refund().asked_at, w.refund().absent_at) = (Some(ago(1)), Some(ago(1)));
        w.shop.is_stopped = true;
        w.refund().is_confirmed = true;
    });
    check("a resend under STOP", resend, "wait: STOP is set; 1m");
}

#[test]
fn f11_an_unknown_refund_is_looked_for_and_only_then_sent_again() {
    unknown_outcome(&mut check);
}

pub fn unknown_outcome(check: Check<'_>) {
    check("at once", unknown(1), "wait: too early to look again; 9s");
    check("a look", unknown(20), "AskRefund 1");
    let asked = |seconds: i64, ago_s: i64, is_absent: bool| {
        unknown(seconds).with(|w| {
            w.refund().asked_at = Some(ago(ago_s));
            w.refund().absent_at = is_absent.then(|| ago(ago_s));
        })
    };
    check("too early", asked(20, 1, true), "wait: too early to look again; 18s");
    check("not looked since it was time", asked(310, 20, true), "AskRefund 1");
    check("looked, and it is not there", asked(310, 1, true), "ResendRefund 1");
    check("PayPal did not answer", asked(310, 1, false), "wait: too early to look again; 308s");
    let late = |days: i64| unknown(days * DAY).with(|w| w.refund().claim.as_mut().unwrap().sends = 2);
    let seen = |w: &mut World| (w.refund().asked_at, w.refund().absent_at) = (Some(ago(1)), Some(ago(1)));
    check("within the window", late(39).with(seen), "ResendRefund 1");
    check("past the window", late(40).with(seen), "hold: refund_unknown; 21599s");
    let used_up = unknown(DAY).with(|w| w.refund().claim.as_mut().unwrap().sends = 9).with(seen);
    check("the ladder is used up", used_up, "hold: refund_unknown; 21599s");
}

#[test]
fn a2_a_refund_certainly_never_sent_goes_out_with_the_same_bytes() {
    known_outcome(&mut check);
}

pub fn known_outcome(check: Check<'_>) {
    let again = unknown(10).with(|w| never_sent(w.refund().claim.as_mut().unwrap()));
    check("at once", again.clone(), "ResendRefund 1");
    let later =
        again.with(|w| w.refund().claim.as_mut().unwrap().not_before = Some(now() + SignedDuration::from_secs(30)));
    check("not now", later, "wait: the far side said not now; 30s");
    check(
        "asked lately",
        unknown(10).with(|w| shown(w, RefundStatus::Pending)).with(|w| w.refund().asked_at = Some(ago(1))),
        "wait: PayPal has the refund in hand; 59s",
    );
    check("in hand", unknown(90).with(|w| shown(w, RefundStatus::Pending)), "AskRefund 1");
}

#[test]
fn all_given_back_nothing_is_bought_and_nobody_is_paid() {
    all_given_back(&mut check);
}

pub fn all_given_back(check: Check<'_>) {
    check("paid", given_back(paid()), "Close");
    check("cancelled", given_back(paid()).with(|w| w.trade.order.cancelled_at = Some(now())), "Close");
    check("held", given_back(paid()).held(HoldCode::Person), "Close");
    check("never placed", given_back(placing()).with(|w| never_sent(&mut w.purchase().claim)), "Withdraw purchase");
    check("unknown", given_back(placing()), "hold: purchase_unknown; 15m");
    check("unpaid", given_back(placed()), "hold: do_not_pay; 3596s");
    check("bought", given_back(bought()), "RecordSale");
    let sold = given_back(sold()).with(|w| {
        let sale = w.trade.sale.as_mut().unwrap();
        (sale.gross, sale.commission, sale.profit) = (usd("0"), usd("0"), usd("-11.75"));
    });
    check("sold", sold, "wait: on its way to the buyer; 28m");
}

#[test]
fn a14_what_may_still_be_given_back() {
    let check = |world: World, refundable: &str, given_back: &str| {
        assert_eq!((world.trade.refundable(), world.trade.given_back()), (usd(refundable), usd(given_back)));
    };
    check(approved(), "0", "0");
    check(paid(), "25.00", "0");
    check(wanted("5.00"), "20.00", "0");
    check(unknown(10), "0", "0");
    check(given_back(paid()), "0", "25.00");
    check(given_back(paid()).with(|w| shown(w, RefundStatus::Failed)), "25.00", "0");
    check(wanted("5.00").with(|w| w.refund().withdrawn_at = Some(now())), "25.00", "0");
    let taken = |status: RefundStatus| {
        let (how, amount) = (super::refund::TakenBackAs::Refund, usd("7.00"));
        super::refund::TakenBack { id: "R2".to_owned(), how, amount, fee_back: usd("0"), status }
    };
    check(wanted("5.00").with(|w| w.trade.taken_back = vec![taken(RefundStatus::Completed)]), "13.00", "7.00");
    check(paid().with(|w| w.trade.taken_back = vec![taken(RefundStatus::Pending)]), "18.00", "0");
    check(paid().with(|w| w.trade.taken_back = vec![taken(RefundStatus::Failed)]), "25.00", "0");
}

/// Minor units of another currency are not the order's: what they take of the capture is not known.
#[test]
fn what_a_dispute_moved_in_another_currency_is_not_reckoned_as_the_orders_own() {
    let euro = |cents| Some(Money::new(cents, Currency::new("EUR").unwrap()));
    let check = |taken: Option<Money>,
                 abroad: Option<Money>,
                 amount: Option<Money>,
                 charged: &str,
                 refundable: &str| {
        let lost = Dispute { taken, abroad, amount, ..dispute("RESOLVED", Some("RESOLVED_BUYER_FAVOUR")) };
        let world = paid().with(|w| w.trade.disputes = vec![lost.clone()]);
        assert_eq!((world.trade.charged_back(), world.trade.refundable()), (usd(charged), usd(refundable)), "{lost:?}");
    };
    check(Some(usd("10.00")), None, Some(usd("10.00")), "10.00", "15.00");
    check(None, None, Some(usd("10.00")), "0", "15.00");
    check(None, euro(1000), Some(usd("10.00")), "0", "15.00");
    check(Some(usd("5.00")), euro(1000), Some(usd("10.00")), "5.00", "15.00");
    check(None, euro(1000), euro(1000), "0", "0");
    check(euro(1000), None, None, "0", "0");
}
