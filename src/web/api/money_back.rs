//! Money that goes back, comes back or went another way, told by a person: refund, settle, supplier-refund, and a leg that
//! was paid by other means; and what became of a refund or payout that nobody knows the outcome of. Each word carries an
//! `Idempotency-Key` and becomes a fact in the engine; no far side is asked in here. A closed order is taken up again.

use super::desk::Desk;
use super::input::{self, Given, invalid, needed};
use super::verbs::Asked;
use crate::domain::money::Money;
use crate::domain::settlement::{SettledTo, Settlement, SupplierRefund};
use crate::engine::ending::BackWanted;
use crate::engine::once::Heard;
use crate::engine::resolving::FoundAtPaypal;
use crate::store;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with reason, amount, currency, again and confirm")]
struct RefundGiven {
    amount: Given,
    currency: Given,
    reason: Given,
    again: Given,
    confirm: Given,
}

/// Without an amount: all that is left.
pub(super) fn refund(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: RefundGiven = input::body(request)?;
    let wanted = BackWanted {
        amount: money(&given.amount, &given.currency)?,
        reason: needed("reason", input::text("reason", &given.reason, 500)?)?,
        is_again: input::boolean("again", &given.again)?.unwrap_or(false),
        is_confirmed: input::boolean("confirm", &given.confirm)?.unwrap_or(false),
    };
    asked.check_known(desk)?;
    let heard = desk.engine.refund_once(&asked.once(), &asked.order, &wanted, &request.caller.name)?;
    let number = match heard {
        Heard::Now(number) => Some(number),
        Heard::Before => None,
    };
    asked.answer(desk, heard, json!({ "number": number }))
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "an object with amount, currency, fee, account, reference and settledAt"
)]
struct SettlementGiven {
    amount: Given,
    currency: Given,
    fee: Given,
    account: Given,
    reference: Given,
    settled_at: Given,
}

/// A channel paid what it held. `fee` is what it kept of the whole order.
pub(super) fn settle(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: SettlementGiven = input::body(request)?;
    let amount = needed("amount", money(&given.amount, &given.currency)?)?;
    let account = needed("account", input::text("account", &given.account, 10)?)?;
    let account = SettledTo::parse(&account).ok_or_else(|| invalid("account", "wanted paypal or bank"))?;
    let settlement = Settlement {
        reference: needed("reference", input::text("reference", &given.reference, 100)?)?,
        fee: input::amount("fee", &given.fee, amount.currency)?,
        amount,
        account,
    };
    let settled_at = needed("settledAt", input::instant("settledAt", &given.settled_at)?)?;
    asked.check_known(desk)?;
    if settled_at > desk.engine.now() {
        return Err(invalid("settledAt", "lies in the future"));
    }
    let by = &request.caller.name;
    let heard = desk.engine.settle_once(&asked.once(), &asked.order, &settlement, settled_at, by)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "an object with supplierOrderId, amount, currency and reference"
)]
struct SupplierRefundGiven {
    supplier_order_id: Given,
    amount: Given,
    currency: Given,
    reference: Given,
}

/// The supplier gave money back.
pub(super) fn supplier_refund(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: SupplierRefundGiven = input::body(request)?;
    let refund = SupplierRefund {
        supplier_order_id: needed("supplierOrderId", input::text("supplierOrderId", &given.supplier_order_id, 32)?)?,
        reference: needed("reference", input::text("reference", &given.reference, 100)?)?,
        amount: needed("amount", money(&given.amount, &given.currency)?)?,
    };
    asked.check_known(desk)?;
    let heard = desk.engine.supplier_refund_once(&asked.once(), &asked.order, &refund, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a reference")]
struct PaidGiven {
    reference: Given,
}

/// `POST /api/payouts/{id}/mark-paid`: the leg of this payout, or what is still owed of it, was paid by other means.
pub(super) fn mark_paid(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let key = request.param("id");
    let given: PaidGiven = input::body(request)?;
    let reference = needed("reference", input::text("reference", &given.reference, 100)?)?;
    let row = desk.engine.store.read(|c| store::money_views::payout(c, key))?;
    let row = row.ok_or_else(|| Problem::not_found("There is no such payout."))?;
    let asked = Asked::of(request)?.about(row.order);
    let heard = desk.engine.mark_paid_once(&asked.once(), &asked.order, key, &reference, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with refundId or outcome")]
struct RefundFoundGiven {
    number: Given,
    refund_id: Given,
    outcome: Given,
}

/// The way out of a refund of unknown outcome. PayPal is asked before anything is believed.
pub(super) fn resolve_refund(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let asked = Asked::of(request)?;
    let given: RefundFoundGiven = input::body(request)?;
    let number = input::quantity("number", &given.number)?;
    let found = found_at_paypal("refundId", &given.refund_id, &given.outcome)?;
    asked.check_known(desk)?;
    let heard = desk.engine.resolve_refund_once(&asked.once(), &asked.order, number, &found, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with batchId or outcome")]
struct BatchFoundGiven {
    batch_id: Given,
    outcome: Given,
}

/// `POST /api/payouts/{id}/resolve`: the way out of a payout of unknown outcome.
pub(super) fn resolve_payout(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let key = request.param("id");
    let given: BatchFoundGiven = input::body(request)?;
    let found = found_at_paypal("batchId", &given.batch_id, &given.outcome)?;
    let row = desk.engine.store.read(|c| store::money_views::payout(c, key))?;
    let row = row.ok_or_else(|| Problem::not_found("There is no such payout."))?;
    let asked = Asked::of(request)?.about(row.order);
    let heard = desk.engine.resolve_payout_once(&asked.once(), &asked.order, key, &found, &request.caller.name)?;
    asked.answer(desk, heard, json!({}))
}

fn found_at_paypal(field: &str, id: &Given, outcome: &Given) -> Result<FoundAtPaypal, Problem> {
    let is_id = |id: &String| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match (input::text(field, id, 64)?, input::text("outcome", outcome, 40)?.as_deref()) {
        (Some(id), None) if is_id(&id) => Ok(FoundAtPaypal::Id(id)),
        (Some(_), None) => Err(invalid(field, "wanted an id of PayPal's")),
        (None, Some("nothing-there")) => Ok(FoundAtPaypal::NothingThere),
        (None, Some(_)) => Err(invalid("outcome", "wanted nothing-there")),
        (Some(_), Some(_)) => Err(invalid("outcome", format!("wanted without {field}"))),
        (None, None) => needed(field, None),
    }
}

/// More than zero, with its currency; one without the other is refused.
fn money(amount: &Given, currency: &Given) -> Result<Option<Money>, Problem> {
    match (amount, input::currency("currency", currency)?) {
        (None, None) => Ok(None),
        (None, Some(_)) => needed("amount", None),
        (Some(_), None) => needed("currency", None),
        (Some(_), Some(currency)) => input::price("amount", amount, currency),
    }
}
