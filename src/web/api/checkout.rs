//! The buyer's checkout: open it, and ask for the capture. Both store a fact and wait for the engine; neither calls
//! PayPal. Open to everybody, so the price is the product's own and the answers tell nothing about a buyer.

use super::desk::{Desk, other_body};
use super::input::{self, AddressGiven, BuyerGiven, Given, invalid, needed};
use crate::domain::order::{Buyer, OrderId};
use crate::domain::pipeline;
use crate::domain::trade::Stage;
use crate::engine::intake::{Rejected, Taken};
use crate::engine::once::Once;
use crate::store;
use crate::store::progress::{Progress, of_checkout};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a checkout as an object")]
struct CheckoutGiven {
    sku: Given,
    quantity: Given,
    buyer: Option<BuyerGiven>,
    shipping_address: Option<AddressGiven>,
    return_url: Given,
    cancel_url: Given,
}

/// Opens a checkout and waits for PayPal's order id. 503 with the order's id where PayPal is silent; the same
/// `Idempotency-Key` then continues it.
pub(super) fn create(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let given: CheckoutGiven = input::body(request)?;
    let sku = needed("sku", input::text("sku", &given.sku, 200)?)?;
    let sku = input::sku("sku", &sku)?;
    let quantity = needed("quantity", input::quantity("quantity", &given.quantity)?)?;
    // PayPal always sends the buyer back to our own pages, because his return is a fact we need.
    url("returnUrl", &given.return_url)?;
    url("cancelUrl", &given.cancel_url)?;
    let buyer = input::buyer(given.buyer, given.shipping_address)?;
    let buyer = Some(buyer).filter(|b| *b != Buyer::default());
    let key = match request.header("idempotency-key") {
        Some(_) => Some(request.idempotency_key()?),
        None => None,
    };
    let body_hash = store::claims::hash(&request.body);
    let taken = match key {
        Some(key) => {
            let once = Once { key, route: "POST /api/paypal/create-order", body_hash: &body_hash };
            desk.engine.open_checkout_once(&once, &sku, quantity, buyer)
        }
        None => desk.engine.open_checkout_order(&sku, quantity, buyer, None),
    };
    let Taken { order, .. } = taken.map_err(|rejected| match rejected {
        Rejected::OtherContent(_) => other_body(),
        other => other.into(),
    })?;
    let opened = wait_until_open(desk, &order)?;
    let answer = json!({
        "success": true, "orderId": order.0, "paypalOrderId": opened.paypal_order_id, "approveUrl": opened.approve_url,
    });
    Ok(Response::json(200, &answer))
}

/// Waits until PayPal has given its order id; gives up at once where PayPal cannot be asked.
pub(super) fn wait_until_open(desk: &Desk, order: &OrderId) -> Result<Progress, Problem> {
    let found = desk.wait_for(|c| {
        let progress = of_checkout(c, order)?;
        Ok(progress.filter(|p| p.paypal_order_id.is_some() || p.is_closed || p.stage == Stage::Held.word()))
    })?;
    found.filter(|p| p.paypal_order_id.is_some()).ok_or_else(|| {
        let detail = "PayPal has not answered yet. Nothing is charged before the buyer approves.";
        Problem::unavailable("paypal_unavailable", detail, 5).with("orderId", order.0.clone())
    })
}

fn url(field: &str, given: &Given) -> Result<(), Problem> {
    let Some(url) = input::text(field, given, 500)? else { return Ok(()) };
    let has_shape = url.starts_with("https://") || url.starts_with("http://");
    if has_shape && !url.contains(' ') { Ok(()) } else { Err(invalid(field, "wanted an http or https address")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with paypalOrderId")]
struct CaptureGiven {
    paypal_order_id: Given,
}

/// The buyer's browser says that he has approved. PayPal is asked, and what it says decides; a 409 names its issue, and
/// then nothing was charged.
pub(super) fn capture(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let given: CaptureGiven = input::body(request)?;
    let paypal_order_id = needed("paypalOrderId", input::text("paypalOrderId", &given.paypal_order_id, 64)?)?;
    let order = desk
        .engine
        .store
        .read(|c| store::checkouts::order_of(c, &paypal_order_id))?
        .ok_or_else(|| Problem::not_found("There is no checkout of this PayPal order id."))?;
    let before = desk.engine.store.read(|c| of_checkout(c, &order))?;
    // What is taken already is not asked for again.
    if before.is_some_and(|p| p.is_captured) {
        return taken(desk, &order);
    }
    desk.engine.buyer_returned(&order)?;
    if desk.engine.is_stopped_now()? {
        let detail = "The shop is stopped: nothing is charged now.";
        return Err(Problem::unavailable("stopped", detail, 60).with("orderId", order.0));
    }
    match desk.wait_for(|c| outcome(c, &order))? {
        Some(Outcome::Taken) => taken(desk, &order),
        Some(Outcome::InHand) => {
            let stage = Stage::AwaitingPayment.word();
            let answer = json!({ "success": false, "pending": true, "orderId": order.0, "stage": stage });
            Ok(Response::json(202, &answer))
        }
        Some(Outcome::Refused(code)) => {
            let detail = "PayPal has not let us take the money; nothing was charged.";
            Err(Problem::conflict(code, detail).with("orderId", order.0))
        }
        None => {
            let detail = "What became of the payment is not known yet; do not pay again. The program goes on asking.";
            Err(Problem::unavailable("paypal_unavailable", detail, 5).with("orderId", order.0))
        }
    }
}

/// The stage is computed and not read: the engine writes it down only when the order has to wait.
fn taken(desk: &Desk, order: &OrderId) -> Result<Response, Problem> {
    let (trade, step) = desk.engine.plan(order)?;
    let stage = pipeline::stage(&trade, &step);
    Ok(Response::json(200, &json!({ "success": true, "orderId": order.0, "stage": stage.word() })))
}

/// What became of a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The money came in.
    Taken,
    /// PayPal has the payment in hand and may still say no.
    InHand,
    /// Certainly not charged, and why.
    Refused(&'static str),
}

fn outcome(connection: &Connection, order: &OrderId) -> store::Result<Option<Outcome>> {
    Ok(of_checkout(connection, order)?.and_then(|progress| judged(&progress)))
}

/// `None` while nothing is certain since the buyer came back.
pub(super) fn judged(progress: &Progress) -> Option<Outcome> {
    if progress.is_captured {
        return Some(Outcome::Taken);
    }
    if progress.has_capture {
        return progress.is_pending.then_some(Outcome::InHand);
    }
    let since_return = |at: Option<Timestamp>| at.is_some() && at >= progress.returned_at;
    if since_return(progress.declined_at) {
        return Some(Outcome::Refused(issue(progress.decline_issue.as_deref())));
    }
    if progress.is_closed {
        return Some(Outcome::Refused("checkout_expired"));
    }
    if !since_return(progress.answered_at) {
        return None;
    }
    if progress.approved_at.is_none() {
        return Some(Outcome::Refused("ORDER_NOT_APPROVED"));
    }
    // Approved, and held all the same: the goods cannot be had. Believed only if it was decided after the return, which
    // set the next look to its own time.
    let is_decided = progress.next_look_at > progress.returned_at;
    (is_decided && progress.stage == Stage::Held.word()).then_some(Outcome::Refused("not_charged"))
}

/// PayPal's issue codes that we know, so that a code of the API is always one of a list.
fn issue(word: Option<&str>) -> &'static str {
    const KNOWN: [&str; 6] = [
        "ORDER_NOT_APPROVED",
        "INSTRUMENT_DECLINED",
        "PAYER_ACTION_REQUIRED",
        "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
        "DECLINED",
        "FAILED",
    ];
    KNOWN.into_iter().find(|known| Some(*known) == word).unwrap_or("CAPTURE_DECLINED")
}
