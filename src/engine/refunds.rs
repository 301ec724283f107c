//! Refunds: what PayPal's answers and looks prove about money that went back to a buyer, by a person's order here, on
//! PayPal's site, or because PayPal took it back. Never asks for money to be given back; that is a step.

use super::claim::Claimed;
use super::correct::correct_sale;
use super::reversals;
use super::settle::{event, hold, not_done, refusal};
use super::steps::paypal_order_id;
use super::{Engine, EngineError, Result};
use crate::domain::claim::Claim;
use crate::domain::entries;
use crate::domain::hold::HoldCode;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundStatus, TakenBackAs};
use crate::domain::trade::Trade;
use crate::failpoint;
use crate::gateway::CallError;
use crate::gateway::paypal::{CaptureSeen, CheckoutSeen, RefundRequest, RefundSeen};
use crate::store::refunds::RefundRow;
use crate::store::sales::Why;
use crate::store::{self, claims};
use jiff::Timestamp;
use rusqlite::Transaction;

/// When the same refund may go out again after PayPal said not now, and after it said that there is no money.
pub(super) struct Later {
    pub not_now: Timestamp,
    pub funds: Timestamp,
}

/// Definite refusals that time mends by itself.
pub(super) fn may_succeed_later(code: &str) -> bool {
    ["REFUND_FAILED_INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS", "PENDING_CAPTURE"].contains(&code)
}

pub(super) fn capture_id(trade: &Trade) -> Result<&str> {
    let proof = trade.capture.as_ref().and_then(|c| c.proof.as_ref());
    proof.map(|p| p.capture_id.as_str()).ok_or_else(|| EngineError::Fault("no capture to give back".to_owned()))
}

/// The invoice id is PayPal's second guard beside the key: it takes one for a single refund only.
pub(super) fn request(trade: &Trade, number: u32, key: &str, amount: Money) -> RefundRequest {
    let invoice_id = format!("{}-refund-{number}-{}", trade.order.id, &key[..8]);
    RefundRequest { amount, invoice_id, custom_id: key.to_owned(), note: None }
}

/// PayPal answered to a refund.
pub(super) fn answered(
    engine: &Engine,
    trade: &Trade,
    claimed: &Claimed,
    number: u32,
    answer: std::result::Result<RefundSeen, CallError>,
    later: &Later,
) -> Result<()> {
    let (id, now) = (&trade.order.id, engine.now());
    let capture_id = capture_id(trade)?;
    engine.settle(claimed, |tx| match &answer {
        Ok(seen) if seen.custom_id.as_deref().is_some_and(|custom| custom != claimed.key) => {
            event(tx, id, now, "outcome_unknown", "PayPal's answer is about another refund")
        }
        Ok(seen) => ours_seen(tx, &Ours::of(trade, number, &claimed.key, capture_id), seen, now),
        Err(CallError::Refused { code, reason, debug_id }) if !claimed.was_unknown => {
            let said = refusal(code, reason, debug_id.as_deref());
            if may_succeed_later(code) {
                claims::did_nothing(tx, &claimed.key, false, Some(later.funds), Some(&said))?;
                return event(tx, id, now, "refund_refused", &format!("{said}; trying again with the same key"));
            }
            // PayPal's order tells what really went back: this one after all, or another on PayPal's site.
            store::checkouts::rung(tx, id, now)?;
            claims::did_nothing(tx, &claimed.key, false, None, Some(&said))?;
            claims::void(tx, &claimed.key, &said, now)?;
            store::refunds::withdraw(tx, id, number, now)?;
            hold(tx, id, now, HoldCode::RefundRefused, &said)
        }
        Err(error) => not_done(tx, id, claimed, error, now, later.not_now, HoldCode::RefundRefused),
    })
}

impl Engine {
    /// What became of a refund of ours: by its id where PayPal gave us one, else in the list of PayPal's order.
    pub(super) fn ask_refund(&self, trade: &Trade, number: u32) -> Result<()> {
        let fault = || EngineError::Fault("a refund that was never claimed".to_owned());
        let refund = trade.refund(number).ok_or_else(fault)?;
        let claim = refund.claim.as_ref().ok_or_else(fault)?;
        if let Some(shown) = &refund.seen {
            return self.ask_known_refund(trade, refund, &claim.key, &shown.refund_id);
        }
        let answer = self.paypal()?.order(self.now(), paypal_order_id(trade)?);
        failpoint::hit("look.answered");
        let mine = answer.iter().flatten().flat_map(|seen| &seen.refunds).find(|r| is_of(r, trade, number, &claim.key));
        if let Some(mine) = mine {
            self.note_proof(&claim.key, mine.status.word(), std::slice::from_ref(&mine.id))?;
        }
        let (id, now) = (&trade.order.id, self.now());
        let (mine, capture_id) = (mine.cloned(), capture_id(trade)?);
        self.write(|tx| match (&answer, &mine) {
            (Ok(Some(_)), Some(mine)) => ours_seen(tx, &Ours::of(trade, number, &claim.key, capture_id), mine, now),
            (Ok(Some(_)), None) => store::refunds::asked(tx, id, number, true, now),
            // An order that PayPal does not show any more proves nothing.
            (Ok(None), _) => store::refunds::asked(tx, id, number, false, now),
            (Err(error), _) => {
                log::info!("order {id}: refund {number} could not be looked up: {error}");
                store::refunds::asked(tx, id, number, false, now)
            }
        })
    }

    fn ask_known_refund(&self, trade: &Trade, refund: &Refund, key: &str, refund_id: &str) -> Result<()> {
        let answer = self.paypal()?.refund_seen(self.now(), refund_id);
        failpoint::hit("look.answered");
        if let Ok(seen) = &answer {
            self.note_proof(key, seen.status.word(), std::slice::from_ref(&seen.id))?;
        }
        let (id, number, now, capture_id) = (&trade.order.id, refund.number, self.now(), capture_id(trade)?);
        self.write(|tx| match &answer {
            Ok(seen) => ours_seen(tx, &Ours::of(trade, number, key, capture_id), seen, now),
            Err(error) => {
                log::info!("refund {refund_id}: {error}");
                store::refunds::asked(tx, id, number, false, now)
            }
        })
    }
}

pub(super) fn is_of(seen: &RefundSeen, trade: &Trade, number: u32, key: &str) -> bool {
    let invoice_id = request(trade, number, key, trade.order.total).invoice_id;
    seen.custom_id.as_deref() == Some(key) || seen.invoice_id.as_deref() == Some(invoice_id.as_str())
}

/// A refund of ours: its order, number, key, and the capture it is of.
pub(super) struct Ours<'a> {
    shop: &'a str,
    id: &'a OrderId,
    number: u32,
    key: &'a str,
    capture_id: &'a str,
}

impl<'a> Ours<'a> {
    pub(super) fn of(trade: &'a Trade, number: u32, key: &'a str, capture_id: &'a str) -> Ours<'a> {
        Ours { shop: &trade.order.identity.shop, id: &trade.order.id, number, key, capture_id }
    }
}

/// It was ordered before a dispute or a reversal took its part, and never sent: what is left is for a person to order.
pub(super) fn too_much(tx: &Transaction<'_>, trade: &Trade, number: u32, now: Timestamp) -> store::Result<()> {
    let id = &trade.order.id;
    store::refunds::withdraw(tx, id, number, now)?;
    let amount = trade.refund(number).map_or_else(String::new, |refund| refund.amount.to_string());
    let detail = format!("{amount} was ordered, and so much is not there any more; order what is left");
    event(tx, id, now, "refund_withdrawn", &format!("refund {number}: {detail}"))?;
    hold(tx, id, now, HoldCode::RefundProblem, &detail)
}

/// PayPal showed a refund that we asked for.
pub(super) fn ours_seen(tx: &Transaction<'_>, ours: &Ours<'_>, seen: &RefundSeen, now: Timestamp) -> store::Result<()> {
    let Ours { shop, id, number, key, capture_id } = *ours;
    store::refunds::asked(tx, id, number, false, now)?;
    let trade = store::trades::load(tx, shop, id)?;
    let Some(ordered) = trade.refund(number) else { return Ok(()) };
    if let Some(other) = seen.amount.filter(|amount| *amount != ordered.amount) {
        let detail = format!("PayPal's refund {} is of {other}, ordered was {}", seen.id, ordered.amount);
        return hold(tx, id, now, HoldCode::RefundProblem, &detail);
    }
    match store::refunds::owner_of(tx, &seen.id)? {
        // Seen before a restored database knew that we had asked for it.
        Some((owner, None)) if owner == *id && is_of(seen, &trade, number, key) => {
            store::refunds::taken_over(tx, &seen.id, key)?;
        }
        Some((owner, as_key)) if owner != *id || as_key.as_deref() != Some(key) => {
            let detail = format!("PayPal's answer names refund {}, which is known as another one", seen.id);
            return hold(tx, id, now, HoldCode::RefundProblem, &detail);
        }
        _ => {}
    }
    // A short answer does not tell what the refund costs: it is asked again.
    let status = match status_of(seen) {
        RefundStatus::Completed if seen.amount.is_none() => RefundStatus::Pending,
        status => status,
    };
    let row = RefundRow {
        refund_id: &seen.id,
        order: id,
        capture_id,
        key: Some(key),
        how: TakenBackAs::Refund,
        amount: ordered.amount,
        fee_back: fee_back(seen, ordered.amount),
        status,
    };
    let before = store::refunds::status(tx, &seen.id)?;
    let is_settled = ordered.claim.as_ref().is_none_or(|claim| !claim.is_pending());
    if status == RefundStatus::Completed && !is_settled {
        shown(tx, &trade, &row, now)?;
        claims::done(tx, key, now)?;
        return corrected(tx, &trade, &row, now);
    }
    // A claim that was taken up later may find it known already.
    if status.is_not_refunded() && (before != Some(status) || !is_settled) {
        if !is_settled {
            claims::void_by_proof(tx, key, status.word(), now)?;
        }
        store::refunds::withdraw(tx, id, number, now)?;
        let detail = format!("PayPal says {status} for refund {} of {}", seen.id, ordered.amount);
        hold(tx, id, now, HoldCode::RefundProblem, &detail)?;
    }
    shown(tx, &trade, &row, now)?;
    corrected(tx, &trade, &row, now)
}

fn corrected(tx: &Transaction<'_>, trade: &Trade, row: &RefundRow<'_>, now: Timestamp) -> store::Result<()> {
    let why = Why { at: now, reason: row.how.word(), reference: row.refund_id };
    correct_sale(tx, &trade.order.identity.shop, &trade.order.id, &why)
}

/// Stores what PayPal shows of one refund or reversal, and books what is new about it.
fn shown(tx: &Transaction<'_>, trade: &Trade, row: &RefundRow<'_>, now: Timestamp) -> store::Result<()> {
    let id = &trade.order.id;
    let before = store::refunds::status(tx, row.refund_id)?;
    store::refunds::seen(tx, row, now)?;
    let (is_sold, was_completed) = (trade.sale.is_some(), before == Some(RefundStatus::Completed));
    let said = format!("{} {} {}", row.refund_id, row.amount, row.status);
    match (was_completed, row.status) {
        (false, RefundStatus::Completed) => {
            let entry = entries::given_back(row.refund_id, row.how, is_sold, row.amount, row.fee_back);
            store::ledger::book(tx, id, now, &entry)?;
            event(tx, id, now, if row.key.is_some() { "refunded" } else { "taken_back" }, &said)
        }
        (true, status) if status.is_not_refunded() => {
            let entry = entries::not_given_back(row.refund_id, row.how, is_sold, row.amount, row.fee_back);
            store::ledger::book(tx, id, now, &entry)?;
            event(tx, id, now, "refund_returned", &said)
        }
        (_, status) if before != Some(status) => event(tx, id, now, "refund_seen", &said),
        _ => Ok(()),
    }
}

/// Everything PayPal's order shows of money that went back: refunds of ours, those made on PayPal's site, and what PayPal
/// took back by itself.
pub(super) fn all_seen(
    tx: &Transaction<'_>,
    shop: &str,
    id: &OrderId,
    seen: &CheckoutSeen,
    capture: &CaptureSeen,
    now: Timestamp,
) -> store::Result<()> {
    for refund in &seen.refunds {
        let trade = store::trades::load(tx, shop, id)?;
        one_seen(tx, &trade, &capture.id, refund, now)?;
    }
    reversals::settle(tx, shop, id, &reversals::Known::Order(&capture.status, &seen.refunds), now)?;
    let trade = store::trades::load(tx, shop, id)?;
    if reversals::is_unexplained(&trade, &capture.status) && !trade.is_disputed() {
        let detail = format!("PayPal says that a part of capture {} went back, and not how much", capture.id);
        return hold(tx, id, now, HoldCode::RefundProblem, &detail);
    }
    Ok(())
}

fn one_seen(
    tx: &Transaction<'_>,
    trade: &Trade,
    capture_id: &str,
    seen: &RefundSeen,
    now: Timestamp,
) -> store::Result<()> {
    let id = &trade.order.id;
    let claimed = trade.refunds.iter().filter_map(|r| Some((r, r.claim.as_ref()?)));
    let known = store::refunds::owner_of(tx, &seen.id)?.and_then(|(_, key)| key);
    // A refund that PayPal refused and shows all the same is nobody's word any more; it is booked as what it is.
    let mut of_ours = claimed.filter(|(r, claim)| {
        let is_shown_as_ours = claim.is_live() && is_of(seen, trade, r.number, &claim.key);
        is_shown_as_ours || known.as_deref() == Some(claim.key.as_str())
    });
    if let Some((refund, Claim { key, .. })) = of_ours.next() {
        return ours_seen(tx, &Ours::of(trade, refund.number, key, capture_id), seen, now);
    }
    if let Some(told_by) = store::refunds::told_as_reversal(tx, &seen.id, id)? {
        return store::refunds::listed_reversal(tx, &seen.id, id, told_by, now);
    }
    let Some(amount) = seen.amount.filter(|a| a.is_positive() && a.currency == trade.order.total.currency) else {
        return event(tx, id, now, "refund_unclear", &format!("PayPal shows refund {} without an amount", seen.id));
    };
    // A refund without any mark while one of ours of the same amount is unknown may be ours: it is not booked as
    // somebody else's before that is known.
    let is_unmarked = seen.custom_id.is_none() && seen.invoice_id.is_none();
    let may_be_ours = |r: &Refund| r.is_open() && r.claim.is_some() && r.seen.is_none() && r.amount == amount;
    if is_unmarked && trade.refunds.iter().any(may_be_ours) {
        return Ok(());
    }
    let row = RefundRow {
        refund_id: &seen.id,
        order: id,
        capture_id,
        key: None,
        how: TakenBackAs::Refund,
        amount,
        fee_back: fee_back(seen, amount),
        status: status_of(seen),
    };
    shown(tx, trade, &row, now)?;
    corrected(tx, trade, &row, now)
}

pub(super) fn status_of(seen: &RefundSeen) -> RefundStatus {
    RefundStatus::parse(seen.status.word()).unwrap_or(RefundStatus::Other)
}

/// What of its fee PayPal gives back: the refund's own net amount is believed, then its own word for the fee.
fn fee_back(seen: &RefundSeen, amount: Money) -> Money {
    let by_net = seen.net.filter(|net| net.currency == amount.currency).map(|net| amount.minor - net.minor);
    let by_word = seen.fee_returned.filter(|fee| fee.currency == amount.currency).map(|fee| fee.minor);
    Money { minor: by_net.or(by_word).unwrap_or(0).clamp(0, amount.minor), ..amount }
}
