//! Money that PayPal took back by itself. It shows in up to three places (the capture counts as refunded, a refund nobody
//! made stands in the order's list, a dispute moved it) and it moved once, so it has one owner: the dispute that shows it
//! as its own movement, and only what no dispute shows is a reversal. Whichever is seen first, the books end the same.
//! Never books more than the capture brought in.

use super::correct::correct_sale;
use super::refunds::{capture_id, status_of};
use super::settle::event;
use crate::domain::dispute::Standing;
use crate::domain::entries;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{RefundStatus, TakenBack, TakenBackAs};
use crate::domain::trade::Trade;
use crate::gateway::paypal::{CaptureStatus, RefundSeen};
use crate::store;
use crate::store::refunds::{RefundRow, ToldBy};
use crate::store::sales::Why;
use jiff::Timestamp;
use rusqlite::Transaction;

/// What is known at this moment of what was taken back.
pub(super) enum Known<'a> {
    /// PayPal's order: what its capture counts as, and its refunds.
    Order(&'a CaptureStatus, &'a [RefundSeen]),
    /// A dispute alone: it shows this much more as taken than before, in minor units.
    DisputeTook(i64),
}

/// Which of PayPal's listed refunds are none: by an event or a row of the statement, which call them a reversal, or
/// because more would have gone back than was captured. What was booked of them as a refund is booked back.
fn sort_out(tx: &Transaction<'_>, shop: &str, id: &OrderId, now: Timestamp) -> store::Result<()> {
    let trade = store::trades::load(tx, shop, id)?;
    let (Some(captured), Ok(capture_id)) = (trade.captured(), capture_id(&trade)) else { return Ok(()) };
    let mut too_much = explained(&trade, captured) - captured.minor;
    let is_foreign = |t: &&TakenBack| t.how == TakenBackAs::Refund && !t.status.is_not_refunded();
    for refund in trade.taken_back.iter().filter(is_foreign) {
        let is_a_disputes = trade.disputes.iter().any(|dispute| dispute.taken == Some(refund.amount));
        let told_by = match store::refunds::told_as_reversal(tx, &refund.id, id)? {
            None if is_a_disputes && too_much >= refund.amount.minor => Some(ToldBy::Sum),
            told => told,
        };
        let Some(told_by) = told_by else { continue };
        store::refunds::listed_reversal(tx, &refund.id, id, told_by, now)?;
        too_much -= refund.amount.minor;
        give_up(tx, &trade, capture_id, refund, now)?;
        correct(tx, shop, id, &refund.id, now)?;
    }
    Ok(())
}

/// Brings the reversal of this order's capture in line with what is known. What another place explains is let go at once;
/// more is booked only by PayPal's word about the capture itself.
pub(super) fn settle(
    tx: &Transaction<'_>,
    shop: &str,
    id: &OrderId,
    known: &Known<'_>,
    now: Timestamp,
) -> store::Result<()> {
    sort_out(tx, shop, id, now)?;
    let trade = store::trades::load(tx, shop, id)?;
    let (Some(captured), Ok(capture_id)) = (trade.captured(), capture_id(&trade)) else { return Ok(()) };
    let standing = standing(&trade);
    let stands = standing.map_or(0, |reversal| reversal.amount.minor);
    let most = (captured.minor - explained(&trade, captured)).max(0);
    // What may be ours and is not shown yet must not be taken for somebody else's.
    let is_any_unknown = trade.refunds.iter().any(|r| r.is_open() && r.claim.is_some() && r.seen.is_none());
    let wanted = match known {
        Known::Order(CaptureStatus::Refunded, _) if !is_any_unknown => most,
        Known::Order(CaptureStatus::PartiallyRefunded | CaptureStatus::Completed, listed) => {
            (listed_as_taken(tx, listed, &trade, captured)? - disputed(&trade, captured)).clamp(0, most)
        }
        Known::Order(..) => stands.min(most),
        Known::DisputeTook(more) => (stands - more.max(&0)).clamp(0, most),
    };
    if wanted == stands {
        return Ok(());
    }
    if let Some(reversal) = standing {
        give_up(tx, &trade, capture_id, reversal, now)?;
    }
    let row_id = store::refunds::next_reversal(tx, capture_id)?;
    if wanted > 0 {
        let amount = Money { minor: wanted, ..captured };
        let row = RefundRow {
            refund_id: &row_id,
            order: id,
            capture_id,
            key: None,
            how: TakenBackAs::Reversal,
            amount,
            fee_back: Money::zero(captured.currency),
            status: RefundStatus::Completed,
        };
        store::refunds::seen(tx, &row, now)?;
        let entry = entries::given_back(&row_id, row.how, trade.sale.is_some(), amount, row.fee_back);
        store::ledger::book(tx, id, now, &entry)?;
        event(tx, id, now, "taken_back", &format!("{row_id} {amount}"))?;
    }
    correct(tx, shop, id, &row_id, now)
}

/// Whether PayPal's own word leaves open how much of the capture went back: a part did, and nothing shows which.
pub(super) fn is_unexplained(trade: &Trade, status: &CaptureStatus) -> bool {
    let is_any_unknown = trade.refunds.iter().any(|r| r.is_open() && r.claim.is_some() && r.seen.is_none());
    let Some(captured) = trade.captured() else { return false };
    let shown = explained(trade, captured) + standing(trade).map_or(0, |reversal| reversal.amount.minor);
    *status == CaptureStatus::PartiallyRefunded && !is_any_unknown && shown == 0
}

/// A reversal stands in the books.
pub(super) fn stands(trade: &Trade) -> bool {
    standing(trade).is_some()
}

fn standing(trade: &Trade) -> Option<&TakenBack> {
    trade.taken_back.iter().find(|t| t.how == TakenBackAs::Reversal && t.status == RefundStatus::Completed)
}

/// Refunds and disputes together, in minor units: what of the capture is gone and known by another name.
fn explained(trade: &Trade, captured: Money) -> i64 {
    let ours = trade.refunds.iter().filter(|r| r.seen.as_ref().is_some_and(|s| !s.status.is_not_refunded()));
    let others = trade.taken_back.iter().filter(|t| t.how == TakenBackAs::Refund && !t.status.is_not_refunded());
    let refunds = ours.map(|r| r.amount.minor).chain(others.map(|t| t.amount.minor));
    refunds.fold(disputed(trade, captured), i64::saturating_add)
}

/// What disputes took and did not give back, in minor units.
fn disputed(trade: &Trade, captured: Money) -> i64 {
    let taken = trade.disputes.iter().filter_map(|dispute| dispute.taken);
    taken.filter(|t| t.currency == captured.currency).fold(0, |sum, t| sum.saturating_add(t.minor.max(0)))
}

/// What the list shows as taken. PayPal may go on listing what it gave up, or gave back when an appeal was won.
fn listed_as_taken(tx: &Transaction<'_>, listed: &[RefundSeen], trade: &Trade, captured: Money) -> store::Result<i64> {
    let over = trade.disputes.iter().filter(|dispute| dispute.standing() == Standing::Over);
    let mut given_back: Vec<Money> = over.filter_map(|dispute| dispute.amount).collect();
    let mut sum = 0_i64;
    for refund in listed.iter().filter(|refund| !status_of(refund).is_not_refunded()) {
        let Some(amount) = refund.amount.filter(|amount| amount.currency == captured.currency) else { continue };
        if !store::refunds::is_listed_reversal(tx, &refund.id)? {
            continue;
        }
        match given_back.iter().position(|known| *known == amount) {
            Some(known) => drop(given_back.remove(known)),
            None => sum = sum.saturating_add(amount.minor.max(0)),
        }
    }
    Ok(sum)
}

/// What stands in the books under this id is known by another name: it is booked back.
fn give_up(
    tx: &Transaction<'_>,
    trade: &Trade,
    capture_id: &str,
    taken: &TakenBack,
    now: Timestamp,
) -> store::Result<()> {
    let id = &trade.order.id;
    let TakenBack { id: refund_id, how, amount, fee_back, status } = taken;
    let row = RefundRow {
        refund_id,
        order: id,
        capture_id,
        key: None,
        how: *how,
        amount: *amount,
        fee_back: *fee_back,
        status: RefundStatus::Cancelled,
    };
    store::refunds::seen(tx, &row, now)?;
    if *status == RefundStatus::Completed {
        let entry = entries::not_given_back(refund_id, *how, trade.sale.is_some(), *amount, *fee_back);
        store::ledger::book(tx, id, now, &entry)?;
    }
    event(tx, id, now, "taken_back_elsewhere", &format!("{refund_id} {amount} is known by another name"))
}

fn correct(tx: &Transaction<'_>, shop: &str, id: &OrderId, reference: &str, now: Timestamp) -> store::Result<()> {
    correct_sale(tx, shop, id, &Why { at: now, reason: TakenBackAs::Reversal.word(), reference })
}
