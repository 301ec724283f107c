//! What an answer proves, written down. A claim leaves pending only by proof: *done* with what the far side showed,
//! *void* only when every send of its key certainly did nothing or a look-up showed so. Everything else stays pending.

use super::claim::{Claimed, key};
use super::{Engine, EngineError, Result, address};
use crate::domain::claim::{Claim, Slot};
use crate::domain::entries;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::trade::Trade;
use crate::gateway::CallError;
use crate::gateway::aliexpress::Placed;
use crate::gateway::paypal::{
    BatchSeen, CaptureSeen, CaptureStatus, CheckoutSeen, CheckoutStatus, ItemSeen, PayAnswer, is_permission_missing,
};
use crate::store;
use jiff::Timestamp;
use rusqlite::Transaction;

type Answer<T> = std::result::Result<T, CallError>;

pub(super) fn checkout_opened(
    engine: &Engine,
    trade: &Trade,
    claimed: &Claimed,
    answer: Answer<CheckoutSeen>,
) -> Result<()> {
    let (id, now) = (&trade.order.id, engine.now());
    engine.settle(claimed, |tx| match &answer {
        Ok(seen) if store::checkouts::order_of(tx, &seen.id)?.is_some_and(|owner| owner != *id) => {
            event(tx, id, now, "outcome_unknown", &format!("the answer names {}, another order's", seen.id))
        }
        Ok(seen) => {
            store::claims::done(tx, &claimed.key, now)?;
            store::checkouts::opened(tx, id, &seen.id, seen.approve_url.as_deref())?;
            event(tx, id, now, "checkout_opened", &seen.id)
        }
        Err(error) => not_done(tx, id, claimed, error, now, now + super::looks::SOON, HoldCode::CaptureRefused),
    })
}

/// PayPal answered to a capture. What its order shows is believed; a refusal only on a first send.
pub(super) fn captured(engine: &Engine, trade: &Trade, claimed: &Claimed, answer: Answer<CheckoutSeen>) -> Result<()> {
    let (id, now) = (&trade.order.id, engine.now());
    engine.settle(claimed, |tx| match &answer {
        Ok(seen) => checkout_seen(tx, engine, id, seen, now),
        Err(CallError::Refused { code, reason, debug_id }) if !claimed.was_unknown && wants_the_buyer(code) => {
            let said = refusal(code, reason, debug_id.as_deref());
            store::claims::did_nothing(tx, &claimed.key, false, None, Some(&said))?;
            store::claims::void(tx, &claimed.key, &said, now)?;
            store::checkouts::declined(tx, id, now, code)?;
            event(tx, id, now, "capture_declined", &said)
        }
        Err(error) => not_done(tx, id, claimed, error, now, now + super::looks::SOON, HoldCode::CaptureRefused),
    })
}

/// Refusals after which the buyer has to act; nothing was taken.
fn wants_the_buyer(code: &str) -> bool {
    const CODES: [&str; 4] =
        ["ORDER_NOT_APPROVED", "INSTRUMENT_DECLINED", "PAYER_ACTION_REQUIRED", "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING"];
    CODES.contains(&code)
}

/// What PayPal's order shows, from a capture's answer or from a look: the one place where a capture becomes a fact.
pub(super) fn checkout_seen(
    tx: &Transaction<'_>,
    engine: &Engine,
    id: &OrderId,
    seen: &CheckoutSeen,
    now: Timestamp,
) -> store::Result<()> {
    // What the database says now: the caller's trade is older than its own claim.
    let trade = &store::trades::load(tx, &engine.settings.shop, id)?;
    if let Some(mismatch) = mismatch(engine.settings.merchant_id.as_deref(), trade, seen) {
        store::checkouts::asked(tx, id, now, false)?;
        return hold(tx, id, now, HoldCode::CaptureMismatch, &mismatch);
    }
    let is_taken = |c: &&CaptureSeen| !matches!(c.status, CaptureStatus::Declined | CaptureStatus::Failed);
    if let Some(capture) = seen.captures.iter().find(is_taken) {
        store::checkouts::asked(tx, id, now, false)?;
        buyer_seen(tx, trade, seen, now)?;
        capture_seen(tx, trade, capture, now)?;
        return super::refunds::all_seen(tx, &engine.settings.shop, id, seen, capture, now);
    }
    if let Some((claim, declined)) = newly_declined(tx, trade, seen)? {
        let word = declined.status.word();
        let (key, capture_id, reason) = (&claim.key, &declined.id, declined.reason.as_deref());
        let row = store::checkouts::CaptureRow { key, capture_id, is_completed: false, reason, fee: None };
        store::checkouts::capture_seen(tx, &row, now)?;
        store::claims::void_by_proof(tx, &claim.key, word, now)?;
        store::refunds::withdraw_unclaimed(tx, id, now)?;
        store::checkouts::declined(tx, id, now, word)?;
        return event(tx, id, now, "capture_declined", &format!("{} {word}", declined.id));
    }
    match &seen.status {
        CheckoutStatus::Voided => {
            store::checkouts::expired(tx, id, now)?;
            event(tx, id, now, "checkout_voided", &seen.id)
        }
        CheckoutStatus::Approved => {
            store::checkouts::asked(tx, id, now, true)?;
            buyer_seen(tx, trade, seen, now)?;
            match trade.checkout.as_ref().and_then(|c| c.approved_at) {
                Some(_) => Ok(()),
                None => event(tx, id, now, "checkout_approved", &seen.id),
            }
        }
        _ => store::checkouts::asked(tx, id, now, false),
    }
}

/// The pending claim and a declined capture that is its own: PayPal goes on showing those of earlier attempts, and they
/// prove nothing about this one, which may still be under way (MONEY A2).
fn newly_declined<'a>(
    tx: &Transaction<'_>,
    trade: &'a Trade,
    seen: &'a CheckoutSeen,
) -> store::Result<Option<(&'a Claim, &'a CaptureSeen)>> {
    let Some(claim) = trade.capture.as_ref().map(|c| &c.claim).filter(|c| c.is_pending()) else { return Ok(None) };
    for declined in &seen.captures {
        if store::checkouts::key_of(tx, &declined.id)?.is_none_or(|key| key == claim.key) {
            return Ok(Some((claim, declined)));
        }
    }
    Ok(None)
}

/// Amount, currency, reference and payee must be ours; anything else is somebody else's money (L14, A20).
fn mismatch(merchant_id: Option<&str>, trade: &Trade, seen: &CheckoutSeen) -> Option<String> {
    let order = &trade.order;
    if seen.is_reservation {
        return Some("PayPal's order only reserves the money (AUTHORIZE); nothing can be bought on that".to_owned());
    }
    if seen.custom_id.as_deref().is_some_and(|id| id != order.id.0) {
        return Some("PayPal's order names another order of ours".to_owned());
    }
    let amounts = seen.amount.iter().chain(seen.captures.iter().map(|c| &c.amount));
    if let Some(other) = amounts.into_iter().find(|amount| **amount != order.total) {
        return Some(format!("PayPal shows {other}, the order is {}", order.total));
    }
    match (merchant_id, seen.payee_merchant_id.as_deref()) {
        (Some(wanted), Some(payee)) if wanted != payee => Some("the payee is not our PayPal account".to_owned()),
        _ => None,
    }
}

/// PayPal took the money in hand: completed is money and is booked, anything else waits.
fn capture_seen(tx: &Transaction<'_>, trade: &Trade, seen: &CaptureSeen, now: Timestamp) -> store::Result<()> {
    use CaptureStatus::{Completed, PartiallyRefunded, Refunded};
    let order = &trade.order;
    let is_completed = matches!(seen.status, Completed | PartiallyRefunded | Refunded);
    if trade.capture.is_none() && !is_completed {
        return event(tx, &order.id, now, "capture_pending", &seen.id);
    }
    let key = match &trade.capture {
        Some(capture) => capture.claim.key.clone(),
        None => adopt_capture(tx, trade, now)?,
    };
    let before = trade.capture.as_ref().and_then(|c| c.proof.as_ref());
    let pays = store::intake::paid_by(tx, &format!("paypal:{}", seen.id))?;
    let row = store::checkouts::CaptureRow {
        key: &key,
        capture_id: &seen.id,
        is_completed,
        reason: seen.reason.as_deref(),
        fee: seen.fee.filter(|_| is_completed),
    };
    store::checkouts::capture_seen(tx, &row, now)?;
    if is_completed && before.is_none_or(|p| !p.is_completed) {
        store::claims::done(tx, &key, now)?;
        store::ledger::book(tx, &order.id, now, &entries::captured(&seen.id, order.total))?;
        event(tx, &order.id, now, "captured", &format!("{} {}", seen.id, order.total))?;
        // The channel came first: it reported an order paid by this payment before we saw that it pays ours (MONEY A13).
        if let Some(other) = pays.filter(|other| *other != order.id) {
            let what = format!("{} is reported to pay order {other} too; only one of them is paid", seen.id);
            hold(tx, &order.id, now, HoldCode::CaptureMismatch, &what)?;
        }
    }
    match seen.fee {
        Some(fee) if is_completed && before.is_none_or(|p| p.fee.is_none()) => {
            store::ledger::book(tx, &order.id, now, &entries::capture_fee(&seen.id, fee))?;
            event(tx, &order.id, now, "capture_fee", &format!("{} {fee}", seen.id))?;
            converted(tx, &order.id, &key, seen, fee, now)
        }
        _ => Ok(()),
    }
}

/// The account holds another currency than the buyer paid in: the net was credited in that one, at PayPal's rate.
fn converted(
    tx: &Transaction<'_>,
    id: &OrderId,
    key: &str,
    seen: &CaptureSeen,
    fee: Money,
    now: Timestamp,
) -> store::Result<()> {
    let Some(received) = seen.received.filter(|received| received.currency != seen.amount.currency) else {
        return Ok(());
    };
    let net = seen.net.unwrap_or(Money { minor: seen.amount.minor - fee.minor, ..seen.amount });
    let rate = seen.exchange_rate.as_deref();
    if !store::checkouts::converted(tx, key, net, received, rate)? {
        return Ok(());
    }
    store::ledger::book(tx, id, now, &entries::converted(&seen.id, net, received))?;
    let what = format!("{} {net} became {received} at {}", seen.id, rate.unwrap_or("a rate not told"));
    log::warn!("order {id}: PayPal converted a payment: {what}; payouts in {} need money there", net.currency);
    event(tx, id, now, "converted", &what)
}

/// PayPal shows a capture that we never claimed: it is ours all the same, and it is written down as such.
fn adopt_capture(tx: &Transaction<'_>, trade: &Trade, now: Timestamp) -> store::Result<String> {
    let attempt = trade.attempts(Slot::Capture) + 1;
    let key = key(trade, Slot::Capture, attempt);
    let (order, amount) = (&trade.order.id, trade.order.total);
    let new = store::claims::NewClaim { key: &key, order, slot: Slot::Capture, attempt, amount, request: b"{}" };
    store::claims::adopt(tx, &new, now)?;
    Ok(key)
}

/// PayPal's shipping address is the only one bought to; another than the buyer gave us is for a human (A20).
fn buyer_seen(tx: &Transaction<'_>, trade: &Trade, seen: &CheckoutSeen, now: Timestamp) -> store::Result<()> {
    let id = &trade.order.id;
    let Some(theirs) = address::buyer_of(seen) else { return Ok(()) };
    match &trade.order.buyer {
        None => store::intake::set_buyer(tx, id, &theirs, "paypal"),
        // The same place: what only PayPal knows is filled in.
        Some(ours) if address::is_same_place(&ours.address, &theirs.address) => {
            let whole = address::filled_in(ours, &theirs);
            if whole == *ours { Ok(()) } else { store::intake::set_buyer(tx, id, &whole, "paypal") }
        }
        Some(_) if trade.hold.is_some() => Ok(()),
        Some(ours) => {
            // From here on PayPal's address is the order's; what only the client knew (a phone, a number) stays.
            let (phone, id_number) = (theirs.phone.clone().or(ours.phone.clone()), ours.id_number.clone());
            store::intake::set_buyer(tx, id, &crate::domain::order::Buyer { phone, id_number, ..theirs }, "paypal")?;
            let detail = "PayPal's shipping address is not the one given at the checkout";
            hold(tx, id, now, HoldCode::AddressDiffers, detail)
        }
    }
}

pub(super) fn placed(
    engine: &Engine,
    trade: &Trade,
    claimed: &Claimed,
    answer: Answer<Placed>,
    not_before: Timestamp,
) -> Result<()> {
    let (id, now) = (&trade.order.id, engine.now());
    engine.settle(claimed, |tx| match &answer {
        Ok(placed) if store::purchases::of_another(tx, &claimed.key, &placed.ids)?.is_some() => {
            let ids = placed.ids.join(", ");
            event(tx, id, now, "outcome_unknown", &format!("the answer names {ids}, another order's"))?;
            let what = format!("the supplier's answer names {ids}, which belongs to another order; look on its site");
            hold(tx, id, now, HoldCode::SupplierMismatch, &what)
        }
        Ok(placed) => {
            store::purchases::placed(tx, &claimed.key, &placed.ids, placed.note.as_deref(), now)?;
            store::claims::done(tx, &claimed.key, now)?;
            let note = placed.note.as_deref().map(|n| format!(" ({n})")).unwrap_or_default();
            event(tx, id, now, "placed", &format!("{}{note}", placed.ids.join(", ")))
        }
        Err(error) => not_done(tx, id, claimed, error, now, not_before, HoldCode::PurchaseRefused),
    })
}

pub(super) fn payout_answered(
    engine: &Engine,
    trade: &Trade,
    claimed: &Claimed,
    answer: Answer<PayAnswer>,
    not_before: Timestamp,
    until_funds: Timestamp,
) -> Result<()> {
    let (id, now) = (&trade.order.id, engine.now());
    // A duplicate answer is a success only if the original is ours, to the cent and the receiver.
    let batch = match &answer {
        Ok(PayAnswer::Accepted { batch_id, .. }) => Some(batch_id.clone()),
        Ok(PayAnswer::Duplicate { batch_id: Some(batch_id) }) => engine.original_of(claimed, batch_id)?,
        Ok(PayAnswer::Duplicate { batch_id: None }) | Err(_) => None,
    };
    engine.settle(claimed, |tx| match (&answer, batch) {
        (Ok(_), Some(batch_id))
            if store::payouts::owner_of(tx, &batch_id)?.is_some_and(|owner| owner != claimed.key) =>
        {
            event(tx, id, now, "payout_unknown", &format!("the answer names {batch_id}, another payout's"))
        }
        (Ok(_), Some(batch_id)) => {
            store::payouts::accepted(tx, &claimed.key, &batch_id, now)?;
            event(tx, id, now, "payout_accepted", &batch_id)
        }
        (Ok(_), None) => event(tx, id, now, "payout_unknown", "PayPal says duplicate and does not show the original"),
        // No money there yet: a definite no that may become a yes by itself, without a human.
        (Err(CallError::Refused { code, reason, debug_id }), _)
            if may_be_funded_later(code) && !claimed.was_unknown =>
        {
            let said = refusal(code, reason, debug_id.as_deref());
            store::claims::did_nothing(tx, &claimed.key, false, Some(until_funds), Some(&said))?;
            event(tx, id, now, "payout_refused", &format!("{said}; trying again with the same batch id"))
        }
        // Refused for good: held, and the claim stays, because only its own batch id may ever pay this leg (A2).
        (Err(CallError::Refused { code, reason, debug_id }), _) if !claimed.was_unknown => {
            let said = refusal(code, reason, debug_id.as_deref());
            store::claims::did_nothing(tx, &claimed.key, false, None, Some(&said))?;
            if answer.as_ref().is_err_and(is_permission_missing) {
                super::permissions::refused(tx, now)?;
            }
            hold(tx, id, now, HoldCode::PayoutRefused, &said)
        }
        (Err(error), _) => not_done(tx, id, claimed, error, now, not_before, HoldCode::PayoutRefused),
    })
}

/// PayPal refuses a payout only because there is too little money now.
pub(super) fn may_be_funded_later(code: &str) -> bool {
    code == "INSUFFICIENT_FUNDS"
}

/// PayPal answered to a cancel: what it shows of the item is believed like a look; any other answer proves nothing.
pub(super) fn payout_taken_back(engine: &Engine, id: &OrderId, key: &str, answer: &Answer<ItemSeen>) -> Result<()> {
    let now = engine.now();
    engine.write(|tx| {
        let Some((_, payout)) = store::payouts::find(tx, key)? else { return Ok(()) };
        match answer {
            Ok(item) => {
                super::payout_looks::item_seen(tx, id, &payout, item, now)?;
                engine.legs_follow(tx, id, key, now)
            }
            Err(CallError::Refused { code, reason, debug_id }) => {
                store::payouts::cancel_refused(tx, key)?;
                event(tx, id, now, "payout_cancel_refused", &refusal(code, reason, debug_id.as_deref()))
            }
            Err(error) => event(tx, id, now, "payout_cancel_unknown", &error.to_string()),
        }
    })
}

impl Engine {
    /// The batch PayPal points at, if it is the one we asked for.
    fn original_of(&self, claimed: &Claimed, batch_id: &str) -> Result<Option<String>> {
        let seen = match self.paypal()?.batch(self.now(), batch_id) {
            Ok(seen) => seen,
            Err(error) => {
                log::warn!("the original of a duplicate payout could not be seen: {error}");
                return Ok(None);
            }
        };
        let is_ours = is_original(&seen, &claimed.key, &claimed.request)?;
        Ok(is_ours.then(|| batch_id.to_owned()))
    }
}

/// Whether a batch is the one that was asked for with these bytes: by its key, its receiver and its amount.
pub(super) fn is_original(seen: &BatchSeen, key: &str, request: &[u8]) -> Result<bool> {
    let sent = std::str::from_utf8(request).map_err(|e| EngineError::Fault(e.to_string()))?;
    let is_ours = |item: &ItemSeen| {
        item.sender_item_id.as_deref() == Some(key)
            && sent.contains(&format!("\"{}\"", item.receiver))
            && sent.contains(&format!("\"{}\"", item.amount.decimal()))
    };
    Ok(seen.sender_batch_id.as_deref() == Some(key) && seen.items.iter().all(is_ours))
}

/// A refusal as it is kept with its claim: `CODE: reason [debug id]`. The code comes first, so that it can be matched;
/// the debug id is what the far side's support asks for.
pub(super) fn refusal(code: &str, reason: &str, debug_id: Option<&str>) -> String {
    let debug = debug_id.map(|id| format!(" [{id}]")).unwrap_or_default();
    if reason.is_empty() || reason == code { format!("{code}{debug}") } else { format!("{code}: {reason}{debug}") }
}

/// A call that did not end well. Unsent and Refused are verdicts only while no earlier send is unknown (A2).
pub(super) fn not_done(
    tx: &Transaction<'_>,
    id: &OrderId,
    claimed: &Claimed,
    error: &CallError,
    now: Timestamp,
    not_before: Timestamp,
    refused: HoldCode,
) -> store::Result<()> {
    match error {
        CallError::Unsent(reason) => {
            store::claims::did_nothing(tx, &claimed.key, claimed.was_unknown, Some(not_before), None)?;
            event(tx, id, now, "not_sent", reason)
        }
        CallError::Refused { code, reason, debug_id } if claimed.was_unknown => {
            let said = refusal(code, reason, debug_id.as_deref());
            store::claims::did_nothing(tx, &claimed.key, true, None, Some(&said))?;
            event(tx, id, now, "refused_again", &format!("{said}; this proves nothing"))
        }
        CallError::Refused { code, reason, debug_id } => {
            let said = refusal(code, reason, debug_id.as_deref());
            store::claims::did_nothing(tx, &claimed.key, false, None, Some(&said))?;
            store::claims::void(tx, &claimed.key, &said, now)?;
            hold(tx, id, now, refused, &said)
        }
        CallError::Unknown(reason) => event(tx, id, now, "outcome_unknown", reason),
    }
}

pub(super) fn hold(
    tx: &Transaction<'_>,
    id: &OrderId,
    now: Timestamp,
    code: HoldCode,
    detail: &str,
) -> store::Result<()> {
    let is_new = store::holds::put(tx, id, &Hold::new(code, detail), "program", now)?;
    if is_new { event(tx, id, now, "hold", &format!("{code}: {detail}")) } else { Ok(()) }
}

pub(super) fn event(tx: &Transaction<'_>, id: &OrderId, now: Timestamp, kind: &str, detail: &str) -> store::Result<()> {
    store::events::append(tx, Some(id), now, kind, detail)
}

/// The fee of a completed capture, read later.
pub(super) fn fee_seen(tx: &Transaction<'_>, trade: &Trade, seen: &CaptureSeen, now: Timestamp) -> store::Result<()> {
    store::checkouts::asked(tx, &trade.order.id, now, false)?;
    let expected = trade.capture.as_ref().and_then(|c| c.proof.as_ref()).map(|p| p.capture_id.as_str());
    let total: Money = trade.order.total;
    if expected != Some(seen.id.as_str()) || seen.amount != total {
        return hold(tx, &trade.order.id, now, HoldCode::CaptureMismatch, "the capture read again is another one");
    }
    // Money went back; the capture alone does not say how much of it and by whom.
    let is_less = matches!(seen.status, CaptureStatus::PartiallyRefunded | CaptureStatus::Refunded);
    if is_less || super::reversals::stands(trade) {
        store::checkouts::rung(tx, &trade.order.id, now)?;
    }
    capture_seen(tx, trade, seen, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::standard::{capturing, usd};
    use crate::store::law_tests::{ONE, ORDER, TWO, claim, law};

    #[test]
    fn l6_a_refusal_keeps_what_support_asks_for() {
        let check = |code: &str, reason: &str, debug_id: Option<&str>, expected: &str| {
            assert_eq!(refusal(code, reason, debug_id), expected);
        };
        check("NOT_AUTHORIZED", "no permission", Some("f1"), "NOT_AUTHORIZED: no permission [f1]");
        check("NOT_AUTHORIZED", "no permission", None, "NOT_AUTHORIZED: no permission");
        check("SOLD_OUT", "SOLD_OUT", Some("21"), "SOLD_OUT [21]");
        check("SOLD_OUT", "", None, "SOLD_OUT");
    }

    /// The account holds euros: they are what can be spent, and the dollars of the sale are not.
    #[test]
    fn a_converted_capture_is_booked_in_the_currency_it_came_in() {
        let law = law();
        law.allows(&claim(ONE, ORDER, "capture", 1));
        let trade = capturing().with(|w| {
            w.trade.order.id = OrderId(ORDER.to_owned());
            w.capture().claim.key = ONE.to_owned();
        });
        let seen = CaptureSeen {
            id: "CAP1".to_owned(),
            status: CaptureStatus::Completed,
            reason: None,
            amount: usd("25.00"),
            fee: Some(usd("1.36")),
            net: Some(usd("23.64")),
            received: Some(crate::domain::standard::money("20.51", "EUR")),
            exchange_rate: Some("0.8676".to_owned()),
            custom_id: None,
            invoice_id: None,
            created_at: None,
        };
        law.store.write(|tx| capture_seen(tx, &trade.trade, &seen, crate::store::law_tests::now())).unwrap();
        let balances = law.store.read(store::ledger::balances).unwrap();
        let of = |name: &str, code: &str| {
            let found = balances.iter().find(|(n, m)| n == name && m.currency.code() == code);
            found.map_or("0".to_owned(), |(_, m)| m.decimal())
        };
        assert_eq!(
            (of("paypal:available", "USD"), of("paypal:available", "EUR")),
            ("0".to_owned(), "20.51".to_owned())
        );
        assert_eq!((of("conversion", "USD"), of("conversion", "EUR")), ("23.64".to_owned(), "-20.51".to_owned()));
        let kept = law.store.read(|c| {
            let sql = "SELECT net_minor, received_minor, received_currency, rate FROM conversions";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            Ok::<(i64, i64, String, String), store::StoreError>(c.query_row(sql, [], read)?)
        });
        assert_eq!(kept.unwrap(), (2364, 2051, "EUR".to_owned(), "0.8676".to_owned()));
    }

    /// Amount, payee, reference and kind of PayPal's order must be ours.
    #[test]
    fn l14_a20_what_is_not_ours_is_a_mismatch() {
        let trade = capturing().trade;
        let order_id = trade.order.id.0.clone();
        let seen = |change: &dyn Fn(&mut CheckoutSeen)| {
            let mut seen = CheckoutSeen {
                id: "PAYPAL1".to_owned(),
                status: CheckoutStatus::Approved,
                is_reservation: false,
                approve_url: None,
                amount: Some(usd("25.00")),
                custom_id: Some(order_id.clone()),
                invoice_id: None,
                payee_merchant_id: Some("OURS".to_owned()),
                payer: None,
                shipping: None,
                captures: Vec::new(),
                refunds: Vec::new(),
            };
            change(&mut seen);
            mismatch(Some("OURS"), &trade, &seen)
        };
        let check = |change: &dyn Fn(&mut CheckoutSeen), part: Option<&str>| {
            let said = seen(change);
            assert_eq!(said.is_some(), part.is_some(), "{said:?}");
            assert!(part.is_none_or(|part| said.as_deref().is_some_and(|said| said.contains(part))), "{said:?}");
        };
        check(&|_| {}, None);
        check(&|s| (s.amount, s.custom_id, s.payee_merchant_id) = (None, None, None), None);
        check(&|s| s.amount = Some(usd("24.99")), Some("24.99"));
        check(&|s| s.amount = Some(crate::domain::standard::money("25.00", "EUR")), Some("EUR"));
        check(&|s| s.custom_id = Some("another".to_owned()), Some("another order"));
        check(&|s| s.payee_merchant_id = Some("THEIRS".to_owned()), Some("payee"));
        check(&|s| s.is_reservation = true, Some("reserves"));
    }

    /// MONEY A2: PayPal shows the declined capture of an earlier attempt while the next one is under way.
    #[test]
    fn a2_only_its_own_decline_ends_a_claim() {
        let law = law();
        law.allows(&claim(ONE, ORDER, "capture", 1));
        law.allows(&format!("INSERT INTO captures VALUES ('{ONE}', 'OLD', 0, NULL, NULL, 0)"));
        law.allows(&format!("UPDATE claims SET state = 'void', settled_at = 1 WHERE key = '{ONE}'"));
        law.allows(&claim(TWO, ORDER, "capture", 2));
        let trade = capturing().with(|w| w.capture().claim.key = TWO.to_owned()).trade;
        let capture = |id: &&str| CaptureSeen {
            id: (*id).to_owned(),
            status: CaptureStatus::Declined,
            reason: None,
            amount: usd("25.00"),
            fee: None,
            net: None,
            received: None,
            exchange_rate: None,
            custom_id: None,
            invoice_id: None,
            created_at: None,
        };
        let check = |shown: &[&str], expected: Option<&str>| {
            let seen = CheckoutSeen {
                id: "PAYPAL1".to_owned(),
                status: CheckoutStatus::Approved,
                is_reservation: false,
                approve_url: None,
                amount: None,
                custom_id: None,
                invoice_id: None,
                payee_merchant_id: None,
                payer: None,
                shipping: None,
                captures: shown.iter().map(capture).collect(),
                refunds: Vec::new(),
            };
            let found = law.store.write(|tx| {
                let found = newly_declined(tx, &trade, &seen)?;
                Ok::<_, store::StoreError>(found.map(|(claim, capture)| (claim.key.clone(), capture.id.clone())))
            });
            assert_eq!(found.unwrap(), expected.map(|id| (TWO.to_owned(), id.to_owned())), "{shown:?}");
        };
        check(&[], None);
        check(&["OLD"], None);
        check(&["OLD", "NEW"], Some("NEW"));
        check(&["NEW"], Some("NEW"));
    }
}
