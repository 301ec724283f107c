//! What a person found, bought, paid or sent by hand: resolve and the mark-verbs. Each carries an `Idempotency-Key`. The
//! words become facts in the engine; no far side is asked in here.

use super::desk::Desk;
use super::input::{self, Given, invalid, needed};
use super::verbs::{Asked, NothingGiven};
use crate::domain::money::Money;
use crate::engine::by_hand::{BoughtByHand, Found, Shipped};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

/// One order of a shop never becomes more supplier orders than this.
const SUPPLIER_ORDERS_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with supplierOrderIds or outcome")]
struct FoundGiven {
    supplier_order_ids: Given,
    outcome: Given,
}

/// The way out of a purchase of unknown outcome, or, with `nothing-there`, of a payment of one.
pub(super) fn resolve(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: FoundGiven = input::body(request)?;
    let outcome = input::text("outcome", &given.outcome, 40)?;
    let found = match (supplier_order_ids(&given.supplier_order_ids)?, outcome.as_deref()) {
        (Some(ids), None) => Found::Orders(ids),
        (None, Some("nothing-there")) => Found::NothingThere,
        (None, Some(_)) => return Err(invalid("outcome", "wanted nothing-there")),
        (Some(_), Some(_)) => return Err(invalid("outcome", "wanted without supplierOrderIds")),
        (None, None) => return needed("supplierOrderIds", None),
    };
    asked.check(desk, |_| Ok(()))?;
    let heard = desk.engine.resolve_once(&asked.once(), &asked.order, &found, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with supplierOrderIds and total")]
struct BoughtGiven {
    supplier_order_ids: Given,
    total: Given,
    currency: Given,
    purchased_at: Given,
    note: Given,
}

pub(super) fn mark_purchased(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: BoughtGiven = input::body(request)?;
    let bought = BoughtByHand {
        ids: needed("supplierOrderIds", supplier_order_ids(&given.supplier_order_ids)?)?,
        total: needed("total", total(&given.total, &given.currency)?)?,
        at: input::instant("purchasedAt", &given.purchased_at)?,
        note: input::text("note", &given.note, 500)?,
    };
    asked.check(desk, |_| match bought.at {
        Some(at) if at > desk.engine.now() => Err(invalid("purchasedAt", "lies in the future")),
        _ => Ok(()),
    })?;
    let heard = desk.engine.mark_purchased_once(&asked.once(), &asked.order, &bought, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "an object with total and currency")]
struct PaidGiven {
    total: Given,
    currency: Given,
}

pub(super) fn mark_supplier_paid(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: PaidGiven = input::body_or_empty(request)?;
    let total = total(&given.total, &given.currency)?;
    asked.check(desk, |_| Ok(()))?;
    let heard = desk.engine.mark_supplier_paid_once(&asked.once(), &asked.order, total, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with trackingNumber and carrier")]
struct ShippedGiven {
    tracking_number: Given,
    carrier: Given,
}

pub(super) fn mark_shipped(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: ShippedGiven = input::body(request)?;
    let shipped = Shipped {
        tracking_number: needed("trackingNumber", input::text("trackingNumber", &given.tracking_number, 64)?)?,
        carrier: input::text("carrier", &given.carrier, 64)?,
    };
    asked.check(desk, |_| Ok(()))?;
    let heard = desk.engine.mark_shipped_once(&asked.once(), &asked.order, &shipped, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

pub(super) fn mark_delivered(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let NothingGiven {} = input::body_or_empty(request)?;
    asked.check(desk, |_| Ok(()))?;
    let heard = desk.engine.mark_delivered_once(&asked.once(), &asked.order, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

/// The supplier's own ids: digits, each once. `None` = not sent.
fn supplier_order_ids(given: &Given) -> Result<Option<Vec<String>>, Problem> {
    let field = "supplierOrderIds";
    let Some(value) = given else { return Ok(None) };
    let wanted = || invalid(field, "wanted a list of the supplier's order ids, each 6 to 32 digits in quotes");
    let values = value.as_array().filter(|ids| !ids.is_empty()).ok_or_else(wanted)?;
    if values.len() > SUPPLIER_ORDERS_MAX {
        return Err(invalid(field, format!("more than {SUPPLIER_ORDERS_MAX}")));
    }
    let is_id = |id: &&str| (6..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    let read = |id: &Value| id.as_str().map(str::trim).filter(is_id).map(str::to_owned);
    let ids: Vec<String> = values.iter().map(read).collect::<Option<_>>().ok_or_else(wanted)?;
    let is_twice = ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id));
    if is_twice { Err(invalid(field, "names an order twice")) } else { Ok(Some(ids)) }
}

/// An amount with its currency; one without the other is refused.
fn total(total: &Given, currency: &Given) -> Result<Option<Money>, Problem> {
    match (total, input::currency("currency", currency)?) {
        (None, None) => Ok(None),
        (None, Some(_)) => needed("total", None),
        (Some(_), None) => needed("currency", None),
        (Some(_), Some(code)) => Ok(Some(needed("total", input::price("total", total, code)?)?)),
    }
}
