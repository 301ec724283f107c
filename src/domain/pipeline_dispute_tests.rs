//! Disputes and PayPal's ring as tables: what comes next for an order of which PayPal told something.

use super::dispute::Dispute;
use super::hold::HoldCode;
use super::standard::*;
use super::trade::{FarSide, Step};
use jiff::SignedDuration;

const BUYER: &str = "RESOLVED_BUYER_FAVOUR";
const SELLER: &str = "RESOLVED_SELLER_FAVOUR";

fn code(step: &Step) -> Option<HoldCode> {
    if let Step::Hold { hold, .. } = step { Some(hold.code) } else { None }
}

#[test]
fn a3_an_open_dispute_comes_before_everything_that_moves_money() {
    let check = |name: &str, world: World| {
        let before = world.next();
        let next = world.disputed("OPEN", None).next();
        assert!(!matches!(before, Step::Hold { .. }), "{name}: {before:?}");
        assert_eq!(code(&next), Some(HoldCode::Disputed), "{name}: {next:?}");
    };
    check("place", paid());
    check("pay", sold());
    check("sell", bought().with(|w| w.trade.sale = None));
    // Certainly never sent: even the same bytes stay here.
    check("place again", placing().with(|w| never_sent(&mut w.purchase().claim)));
    check("pay again", paying().with(|w| never_sent(&mut w.trade.payouts[0].claim)));
    let due = paying().with(|w| w.trade.payouts[0].claim.sent_at = Some(ago(10 * MINUTE)));
    assert!(matches!(due.next(), Step::ResendPayout(_)));
    assert_eq!(code(&due.disputed("OPEN", None).next()), Some(HoldCode::Disputed));
}

#[test]
fn what_was_sent_is_followed_to_its_end_all_the_same() {
    let inspected = placed().later(2 * HOUR).disputed("UNDER_REVIEW", None).next();
    assert!(matches!(inspected, Step::Inspect { .. }), "{inspected:?}");
    let tracked_just_now = |w: &mut World| w.trade.tracked_at = Some(w.now);
    let asked = accepted().later(HOUR).with(tracked_just_now).disputed("UNDER_REVIEW", None).next();
    assert!(matches!(asked, Step::AskPayout(_)), "{asked:?}");
    let tracked = bought().later(DAY).disputed("UNDER_REVIEW", None).next();
    assert_eq!(tracked, Step::Track);
}

#[test]
fn a_dispute_holds_as_long_as_it_is_not_over() {
    let check = |name: &str, world: World, expected: Option<HoldCode>| {
        assert_eq!(code(&world.next()), expected, "{name}: {:?}", world.next());
    };
    check("won", paid().disputed("RESOLVED", Some(SELLER)), None);
    check("taken back by the buyer", sold().disputed("RESOLVED", Some("CANCELED_BY_BUYER")), None);
    check("lost", sold().disputed("RESOLVED", Some(BUYER)), Some(HoldCode::DisputeLost));
    let accepted = |w: &mut World| w.trade.disputes[0].is_accepted = true;
    check("lost and seen", sold().disputed("RESOLVED", Some(BUYER)).with(accepted), None);
    let unbought = paid().disputed("RESOLVED", Some(BUYER)).with(accepted);
    check("lost, seen, and not bought", unbought, Some(HoldCode::DisputeLost));
    let second = paid().disputed("RESOLVED", Some(SELLER)).disputed("OPEN", None);
    check("one won, another open", second, Some(HoldCode::Disputed));
    let behind = paid().disputed("RESOLVED", Some(SELLER)).held(HoldCode::Person);
    check("a stored hold stays behind it", behind, Some(HoldCode::Person));
}

#[test]
fn the_deadline_and_a_warning_stand_in_the_hold() {
    let text = |world: World| match world.next() {
        Step::Hold { hold, .. } => hold.detail,
        other => panic!("{other:?}"),
    };
    let open = text(paid().disputed("WAITING_FOR_SELLER_RESPONSE", None));
    assert!(open.contains("answer at PayPal before 2026-01-12T03:04:05Z") && open.contains("25.00"), "{open}");
    assert!(!open.contains("DO NOT PAY"), "{open}");
    assert!(text(placed().disputed("OPEN", None)).contains("DO NOT PAY the supplier"));
    assert!(text(placed().disputed("RESOLVED", Some(BUYER))).contains("DO NOT PAY the supplier"));
}

#[test]
fn paypal_rang_and_is_asked_before_anything_else() {
    let rung = |w: &mut World| w.trade.told = 1;
    for world in [opened(), approved(), capturing(), paid(), placing(), placed(), sold(), paying(), paid_out()] {
        assert_eq!(world.clone().with(rung).next(), Step::Hear);
        assert_ne!(world.clone().with(rung).with(|w| w.trade.heard = 1).next(), Step::Hear);
        let unable = world.with(rung).with(|w| w.shop.paypal = FarSide::NoToken).next();
        assert_ne!(unable, Step::Hear);
    }
    let closed = paid_out().with(rung).with(|w| w.trade.order.closed_at = Some(now()));
    assert!(matches!(closed.next(), Step::Wait { .. }), "a closed order is opened first");
}

#[test]
fn a_dispute_that_could_not_be_read_holds_and_is_asked_about_again() {
    let unread = |asked: Option<i64>| {
        let dispute = Dispute { is_unread: true, asked_at: asked.map(ago), told_at: ago(60), ..dispute("OPEN", None) };
        paid().with(|w| w.trade.disputes.push(dispute))
    };
    assert_eq!(unread(None).next(), Step::Hear);
    let waits = unread(Some(1)).next();
    assert_eq!(code(&waits), Some(HoldCode::Disputed));
    assert!(waits.until().unwrap() <= now() + SignedDuration::from_mins(1), "{waits:?}");
    assert_eq!(unread(Some(1)).later(2 * MINUTE).next(), Step::Hear);
    let unable = unread(None).with(|w| w.shop.paypal = FarSide::Off);
    assert_eq!(code(&unable.next()), Some(HoldCode::Disputed));
}
