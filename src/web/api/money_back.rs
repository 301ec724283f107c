//! Money that goes back or comes back, told by a person: refund. Each word carries an `Idempotency-Key` and becomes a
//! fact in the engine; no far side is asked in here. A closed order is taken up again.

use super::desk::Desk;
use super::input::{self, Given, needed};
use super::verbs::Asked;
use crate::domain::money::Money;
use crate::engine::ending::BackWanted;
use crate::engine::once::Heard;
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

/// More than zero, with its currency; one without the other is refused.
fn money(amount: &Given, currency: &Given) -> Result<Option<Money>, Problem> {
    match (amount, input::currency("currency", currency)?) {
        (None, None) => Ok(None),
        (None, Some(_)) => needed("amount", None),
        (Some(_), None) => needed("currency", None),
        (Some(_), Some(currency)) => input::price("amount", amount, currency),
    }
}
