//! The steps that move money, one function each, and the only place that calls a gateway function which does.
//! All of them go the road of [`super::claim`].

use super::claim::Intent;
use super::places::Tree;
use super::{Engine, EngineError, Result, address, refunds, settle};
use crate::domain::claim::{Recipient, Slot};
use crate::domain::order::OrderId;
use crate::domain::trade::{Placing, Step, Trade};
use crate::gateway::CallError;
use crate::gateway::aliexpress::{PlaceItem, PlaceRequest, order_request};
use crate::gateway::paypal::{CheckoutRequest, PayAnswer, PayoutRequest, create_order_body, payout_body, refund_body};
use crate::store;
use jiff::SignedDuration;

/// After an answer that says "not now", the same request waits this long.
const NOT_NOW: SignedDuration = SignedDuration::from_secs(30);
/// PayPal's balance may fill up by itself.
const UNTIL_FUNDS: SignedDuration = SignedDuration::from_hours(1);

impl Engine {
    /// Opens a PayPal order. Takes no money, but goes the same road, so that one order never gets two checkouts.
    pub(super) fn open_checkout(&self, trade: &Trade, step: &Step) -> Result<()> {
        let make = |trade: &Trade, key: &str| {
            let request = create_order_body(&checkout_request(trade, key, &self.settings.public_url)?)?;
            Ok(Intent { slot: Slot::Checkout, attempt: 1, amount: trade.order.total, request, payee_hash: None })
        };
        let Some(claimed) = self.claim(trade, step, Slot::Checkout, make, |_, _| Ok(()))? else { return Ok(()) };
        let now = self.now();
        let answer = self.call(|| self.paypal_call(|p| p.create_order(now, &claimed.key, &claimed.request)))?;
        let ids = answer.as_ref().map(|seen| vec![seen.id.clone()]).unwrap_or_default();
        self.note_answer(&claimed, &answer, ids)?;
        settle::checkout_opened(self, trade, &claimed, answer)
    }

    /// **Moves money.** Takes the buyer's money for an approved checkout.
    pub(super) fn capture(&self, trade: &Trade, step: &Step) -> Result<()> {
        let paypal_order_id = paypal_order_id(trade)?;
        let make = |trade: &Trade, _: &str| {
            let (attempt, amount) = (trade.attempts(Slot::Capture) + 1, trade.order.total);
            Ok(Intent { slot: Slot::Capture, attempt, amount, request: b"{}".to_vec(), payee_hash: None })
        };
        let Some(claimed) = self.claim(trade, step, Slot::Capture, make, |_, _| Ok(()))? else { return Ok(()) };
        let now = self.now();
        let answer =
            self.call(|| self.paypal_call(|p| p.capture(now, paypal_order_id, &claimed.key, &claimed.request)))?;
        let ids: Vec<String> = answer.iter().flat_map(|seen| &seen.captures).map(|c| c.id.clone()).collect();
        self.note_answer(&claimed, &answer, ids)?;
        settle::captured(self, trade, &claimed, answer)
    }

    /// **Moves money** (with auto-pay) or commits us to an order that somebody may pay. `placing` is `None` when the
    /// same bytes go out once more.
    pub(super) fn place(&self, trade: &Trade, step: &Step, placing: Option<&Placing>) -> Result<()> {
        // The login is asked for first: a refresh is a call, and no call happens between the claim and the purchase.
        let token = match self.login()? {
            Some(token) => token,
            None => return self.note_no_login(&trade.order.id),
        };
        let make = |trade: &Trade, key: &str| {
            let placing = placing.ok_or("a resend has its bytes already")?;
            let tree = trade.order.buyer.as_ref().and_then(|b| self.known_tree(b.address.country.as_deref()?));
            let request = order_request(&place_request(trade, key, placing, tree.as_deref())?);
            let (attempt, amount) = (placing.attempt, placing.landed);
            Ok(Intent { slot: Slot::Purchase, attempt, amount, request, payee_hash: None })
        };
        let also = |tx: &rusqlite::Transaction<'_>, key: &str| match placing {
            Some(placing) => store::purchases::insert(tx, key, placing),
            None => Ok(()),
        };
        let Some(claimed) = self.claim(trade, step, Slot::Purchase, make, also)? else { return Ok(()) };
        let now = self.now();
        let answer = self.call(|| match self.aliexpress() {
            Ok(aliexpress) => aliexpress.place(now, &token, &claimed.request),
            Err(error) => Err(CallError::Unsent(error.to_string())),
        })?;
        let ids = answer.as_ref().map(|placed| placed.ids.clone()).unwrap_or_default();
        self.note_answer(&claimed, &answer, ids)?;
        settle::placed(self, trade, &claimed, answer, now + NOT_NOW)
    }

    /// **Moves money.** Sends one leg to its recipient, or the same bytes once more.
    pub(super) fn pay(&self, trade: &Trade, step: &Step, recipient: Recipient) -> Result<()> {
        let slot = Slot::Payout(recipient);
        let planned = match step {
            Step::Pay { attempt, amount, payee, .. } => Some((*attempt, *amount, payee.clone())),
            _ => None,
        };
        if self.take_up_listed(trade, recipient)? {
            return Ok(());
        }
        let make = |trade: &Trade, key: &str| {
            let (attempt, amount, payee) = planned.clone().ok_or("a resend has its bytes already")?;
            let request = payout_body(&payout_request(trade, key, recipient, amount, &payee));
            let payee_hash = Some(store::claims::hash(payee.as_bytes()));
            Ok(Intent { slot, attempt, amount, request, payee_hash })
        };
        let also = |tx: &rusqlite::Transaction<'_>, key: &str| match &planned {
            Some((_, _, payee)) => store::payouts::insert(tx, key, recipient, payee),
            None => Ok(()),
        };
        let Some(claimed) = self.claim(trade, step, slot, make, also)? else { return Ok(()) };
        let now = self.now();
        let answer = self.call(|| self.paypal_call(|p| p.pay(now, &claimed.key, &claimed.request)))?;
        let ids = match &answer {
            Ok(PayAnswer::Accepted { batch_id, .. }) => vec![batch_id.clone()],
            Ok(PayAnswer::Duplicate { batch_id }) => batch_id.iter().cloned().collect(),
            Err(_) => Vec::new(),
        };
        self.note_answer(&claimed, &answer, ids)?;
        settle::payout_answered(self, trade, &claimed, answer, now + NOT_NOW, now + UNTIL_FUNDS)
    }

    /// **Moves money**, home: takes a payout back that nobody has claimed. It goes without a claim, because PayPal takes
    /// back nothing but UNCLAIMED items, a second try does no harm, and what became of the money is only ever read from
    /// the item itself.
    pub(super) fn cancel_payout(&self, trade: &Trade, recipient: Recipient) -> Result<()> {
        let payout = trade.payout(recipient).ok_or_else(|| EngineError::Fault("no payout to take back".to_owned()))?;
        let (key, id) = (&payout.claim.key, &trade.order.id);
        let item_id = payout.item_id.clone().ok_or_else(|| EngineError::Fault("no item to take back".to_owned()))?;
        self.write(|tx| store::payouts::cancel_tried(tx, key, self.now()))?;
        self.note_proof(key, "cancel", std::slice::from_ref(&item_id))?;
        let now = self.now();
        let answer = self.call(|| self.paypal_call(|p| p.cancel_item(now, &item_id)))?;
        settle::payout_taken_back(self, id, key, &answer)
    }

    /// **Moves money.** Gives a part of a capture, or all of it, back to the buyer; or the same bytes once more.
    pub(super) fn refund(&self, trade: &Trade, step: &Step, number: u32) -> Result<()> {
        let slot = Slot::Refund(number);
        let capture_id = refunds::capture_id(trade)?;
        let ordered = trade.refund(number).ok_or_else(|| EngineError::Fault("a refund nobody ordered".to_owned()))?;
        let make = |trade: &Trade, key: &str| {
            let amount = trade.refund(number).ok_or("a refund nobody ordered")?.amount;
            let request = refund_body(&refunds::request(trade, number, key, amount))?;
            Ok(Intent { slot, attempt: 1, amount, request, payee_hash: None })
        };
        let Some(claimed) = self.claim(trade, step, slot, make, |_, _| Ok(()))? else { return Ok(()) };
        let now = self.now();
        let call = || self.paypal_call(|p| p.refund(now, capture_id, &claimed.key, &claimed.request));
        // Only the first effective send: every other is a resend, which STOP stops.
        let is_confirmed = ordered.is_confirmed && !claimed.was_unknown;
        let answer = if is_confirmed { self.call_confirmed(call) } else { self.call(call)? };
        let ids = answer.as_ref().map(|seen| vec![seen.id.clone()]).unwrap_or_default();
        self.note_answer(&claimed, &answer, ids)?;
        let later = refunds::Later { not_now: now + NOT_NOW, funds: now + UNTIL_FUNDS };
        refunds::answered(self, trade, &claimed, number, answer, &later)
    }

    fn paypal_call<T>(
        &self,
        call: impl FnOnce(&crate::gateway::paypal::PayPal) -> std::result::Result<T, CallError>,
    ) -> std::result::Result<T, CallError> {
        match self.paypal() {
            Ok(paypal) => call(paypal),
            Err(error) => Err(CallError::Unsent(error.to_string())),
        }
    }
}

pub(super) fn paypal_order_id(trade: &Trade) -> Result<&str> {
    let id = trade.checkout.as_ref().and_then(|c| c.paypal_order_id.as_deref());
    id.ok_or_else(|| EngineError::Fault(format!("order {} has no PayPal order", trade.order.id)))
}

fn checkout_request(trade: &Trade, key: &str, public_url: &str) -> std::result::Result<CheckoutRequest, String> {
    let order = &trade.order;
    let description: Vec<String> = order.lines.iter().map(|l| format!("{} x {}", l.quantity, l.sku)).collect();
    Ok(CheckoutRequest {
        reference: order.id.0.clone(),
        // Unique per order, and the same on every resend.
        invoice_id: format!("{}-{}", order.id, &key[..8]),
        amount: order.total,
        description: description.join(", "),
        return_url: format!("{public_url}/paypal/return"),
        cancel_url: format!("{public_url}/paypal/cancel"),
        shipping: order.buyer.as_ref().and_then(address::paypal_shipping),
    })
}

fn place_request(
    trade: &Trade,
    key: &str,
    placing: &Placing,
    tree: Option<&Tree>,
) -> std::result::Result<PlaceRequest, String> {
    let quote = trade.quote.as_ref().filter(|q| q.hash == placing.quote_hash).ok_or("the quote is another one")?;
    let buyer = trade.order.buyer.as_ref().ok_or("nobody to send it to")?;
    let lines = trade.order.lines.iter().zip(&quote.lines);
    let items = lines.map(|(line, quoted)| PlaceItem {
        product_id: line.variant.product_id.clone(),
        quantity: line.quantity,
        sku_attr: line.variant.sku_attr.clone(),
        service: quoted.service.clone(),
        memo: None,
    });
    Ok(PlaceRequest {
        out_order_id: key.to_owned(),
        address: address::place_address(buyer, tree)?,
        items: items.collect(),
        pay_currency: placing.landed.currency,
        try_to_pay: placing.is_auto_pay,
    })
}

pub(super) fn payout_request(
    trade: &Trade,
    key: &str,
    recipient: Recipient,
    amount: crate::domain::money::Money,
    payee: &str,
) -> PayoutRequest {
    PayoutRequest {
        sender_batch_id: key.to_owned(),
        sender_item_id: key.to_owned(),
        receiver_email: payee.to_owned(),
        amount,
        note: format!("Order {}: the {recipient}'s part", trade.order.id),
        email_subject: "You have a payout".to_owned(),
    }
}

impl Engine {
    /// Nothing was sent for want of a login: tried again later, not at once.
    fn note_no_login(&self, id: &OrderId) -> Result<()> {
        let now = self.now();
        self.write(|tx| match store::claims::live(tx, id, Slot::Purchase)? {
            Some(claim) => {
                let was_unknown = claim.unknown_at.is_some();
                store::claims::did_nothing(tx, &claim.key, was_unknown, Some(now + NOT_NOW), None)
            }
            None => store::quotes::failed(tx, id, now, "no supplier login", now + NOT_NOW),
        })
    }
}
