//! What a human says about one order: approve, hold, release. Each carries an `Idempotency-Key`, so that a request that
//! comes twice is heard once. The engine acts on it later; nothing is bought or paid in here.

use super::desk::Desk;
use super::input::{self, AddressGiven, BuyerGiven, Given, invalid, needed};
use super::orders::known;
use crate::domain::guards::{Approval, Guard};
use crate::domain::order::{Address, Buyer, OrderId};
use crate::domain::trade::Stage;
use crate::engine::once::{Correction, Heard, Once};
use crate::store;
use crate::web::auth::Scope;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an approval as an object")]
struct ApprovalGiven {
    quote_hash: Given,
    #[serde(rename = "override")]
    overrides: Given,
    reason: Given,
    expires_at: Given,
}

/// A yes to the offer as it was seen: with a `quoteHash` only to that one (MONEY A18).
pub(super) fn approve(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: ApprovalGiven = input::body_or_empty(request)?;
    let reason = input::text("reason", &given.reason, 500)?;
    let approval = Approval {
        quote_hash: input::text("quoteHash", &given.quote_hash, 64)?,
        overrides: overrides(&given.overrides)?,
        expires_at: input::instant("expiresAt", &given.expires_at)?,
    };
    asked.check(desk, |order| {
        if approval.expires_at.is_some_and(|end| end <= desk.engine.now()) {
            return Err(invalid("expiresAt", "lies in the past"));
        }
        same_quote(desk, order, approval.quote_hash.as_deref())
    })?;
    let by = &request.caller.name;
    let heard = desk.engine.approve_once(&asked.once(), &asked.order, &approval, reason.as_deref(), by)?;
    asked.answer(desk, heard, json!({}))
}

fn overrides(given: &Given) -> Result<Vec<Guard>, Problem> {
    let wanted = "wanted a list of names of guards";
    let Some(value) = given else { return Ok(Vec::new()) };
    let names = value.as_array().ok_or_else(|| invalid("override", wanted))?;
    let guard = |name: &Value| name.as_str().and_then(Guard::parse);
    let guards: Option<Vec<Guard>> = names.iter().map(guard).collect();
    guards.ok_or_else(|| {
        let known: Vec<&str> = Guard::ALL.iter().map(|g| g.word()).collect();
        invalid("override", format!("{wanted}: {}", known.join(", ")))
    })
}

/// Whoever approves an offer that is gone should hear so at once.
fn same_quote(desk: &Desk, order: &OrderId, seen: Option<&str>) -> Result<(), Problem> {
    let last = desk.engine.store.read(|c| store::quotes::last(c, order))?;
    match (seen, last.quote) {
        (Some(seen), Some(quote)) if seen != quote.hash => {
            let detail = "The supplier's offer is another one by now; look at it again.";
            Err(Problem::conflict("other_quote", detail).with("quoteHash", quote.hash))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "an object with a reason")]
struct HoldGiven {
    reason: Given,
}

pub(super) fn hold(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: HoldGiven = input::body_or_empty(request)?;
    let reason = needed("reason", input::text("reason", &given.reason, 500)?)?;
    asked.check(desk, |_| Ok(()))?;
    let heard = desk.engine.hold_once(&asked.once(), &asked.order, &reason, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with buyer and shippingAddress")]
struct ReleaseGiven {
    buyer: Option<BuyerGiven>,
    shipping_address: Option<AddressGiven>,
}

/// Before the goods are ordered; afterwards it takes a refund. What was captured goes back whole.
pub(super) fn cancel(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: HoldGiven = input::body_or_empty(request)?;
    let reason = needed("reason", input::text("reason", &given.reason, 500)?)?;
    asked.check(desk, |order| {
        let shop = &desk.engine.settings.shop;
        let trade = desk.engine.store.read(|c| store::trades::load(c, shop, order))?;
        if trade.refundable().is_positive() && request.caller.scope < Scope::Money {
            let detail = "The buyer has paid, so cancelling gives money back: this needs the scope money.";
            return Err(Problem::new(403, "scope_too_small", detail));
        }
        Ok(())
    })?;
    let heard = desk.engine.cancel_once(&asked.once(), &asked.order, &reason, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

/// Before the goods are ordered. Of an order paid through PayPal the address is PayPal's; what it lacks is filled in.
pub(super) fn correct(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let correction = correction(input::body_or_empty(request)?)?;
    if correction.is_empty() {
        return needed("buyer or shippingAddress", None);
    }
    asked.check(desk, |_| Ok(()))?;
    let heard = desk.engine.correct_once(&asked.once(), &asked.order, &correction, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

/// `POST /api/payouts/{id}/approve`: the next attempt after one that PayPal proved not to have paid.
pub(super) fn approve_payout(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let (key, asked) = asked_of_payout(desk, request)?;
    let heard = desk.engine.approve_payout_once(&asked.once(), &asked.order, key, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

/// `POST /api/payouts/{id}/cancel`: takes one back that lies unclaimed.
pub(super) fn cancel_payout(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let (key, asked) = asked_of_payout(desk, request)?;
    let heard = desk.engine.cancel_payout_once(&asked.once(), &asked.order, key, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

/// The payout's key, and the request as one about its order.
fn asked_of_payout<'a>(desk: &Desk, request: &'a Request) -> Result<(&'a str, Asked), Problem> {
    let key = request.param("id");
    let NothingGiven {} = input::body_or_empty(request)?;
    let row = desk.engine.store.read(|c| store::money_views::payout(c, key))?;
    let row = row.ok_or_else(|| Problem::not_found("There is no such payout."))?;
    let asked = Asked { order: row.order, ..Asked::of(request)? };
    asked.check(desk, |_| Ok(()))?;
    Ok((key, asked))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "an empty object")]
pub(super) struct NothingGiven {}

/// Takes the standing hold off. An address replaces the whole old one; of the buyer only the fields given change.
pub(super) fn release(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let correction = correction(input::body_or_empty(request)?)?;
    asked.check(desk, |_| Ok(()))?;
    let heard = desk.engine.release_once(&asked.once(), &asked.order, &correction, &request.caller.name)?;
    let was_held = match heard {
        Heard::Now(was_held) => Some(was_held),
        Heard::Before => None,
    };
    asked.answer(desk, heard, json!({ "wasHeld": was_held }))
}

fn correction(given: ReleaseGiven) -> Result<Correction, Problem> {
    let has_address = given.shipping_address.is_some();
    let buyer = input::buyer(given.buyer, given.shipping_address)?;
    if has_address && buyer.address == Address::default() {
        return Err(invalid("shippingAddress", "is empty"));
    }
    let address = has_address.then_some(buyer.address);
    let Buyer { name, email, phone, id_number, .. } = buyer;
    Ok(Correction { name, email, phone, id_number, address })
}

/// One request about one order.
pub(super) struct Asked {
    pub order: OrderId,
    key: String,
    route: String,
    body_hash: String,
}

impl Asked {
    pub fn of(request: &Request) -> Result<Self, Problem> {
        Ok(Self {
            order: OrderId(request.param("id").to_owned()),
            key: request.idempotency_key()?.to_owned(),
            route: format!("{} {}", request.method, request.path),
            body_hash: store::claims::hash(&request.body),
        })
    }

    /// The same request, which is about this order whatever its path says.
    pub fn about(self, order: OrderId) -> Self {
        Self { order, ..self }
    }

    pub fn once(&self) -> Once<'_> {
        Once { key: &self.key, route: &self.route, body_hash: &self.body_hash }
    }

    /// 404 for an unknown order; 409 for one that is at its end. A request that was heard before is past all that: it
    /// is answered as it was then.
    pub fn check(&self, desk: &Desk, more: impl FnOnce(&OrderId) -> Result<(), Problem>) -> Result<(), Problem> {
        let (row, seen) = desk.engine.store.read(|c| {
            let row = known(c, &self.order)?;
            Ok::<_, Problem>((row, store::idempotency::find(c, &self.key, &self.route)?))
        })?;
        if seen.is_some() {
            return Ok(());
        }
        let over = [Stage::Closed, Stage::Cancelled, Stage::Refunded].map(Stage::word);
        if row.closed_at.is_some() || over.contains(&row.stage.as_str()) {
            return Err(Problem::conflict("order_over", format!("The order is {}.", row.stage)));
        }
        more(&self.order)
    }

    /// 404 for an unknown order. For what may be said of an order at its end too.
    pub fn check_known(&self, desk: &Desk) -> Result<(), Problem> {
        desk.engine.store.read(|c| known(c, &self.order).map(drop))
    }

    /// 200 with the order's stage, which the engine may change any moment now.
    pub fn answer<T>(&self, desk: &Desk, heard: Heard<T>, mut more: Value) -> Result<Response, Problem> {
        let row = desk.engine.store.read(|c| known(c, &self.order))?;
        more["success"] = true.into();
        more["orderId"] = self.order.0.clone().into();
        more["stage"] = row.stage.into();
        let response = Response::json(200, &more);
        Ok(match heard {
            Heard::Now(_) => response,
            Heard::Before => response.header("idempotency-replayed", "true"),
        })
    }
}
