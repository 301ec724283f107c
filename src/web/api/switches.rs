//! What a human says about the whole shop: STOP, resume, and where profit goes. Stored and journalled by the engine;
//! nothing is sent from here.

use super::desk::Desk;
use super::input::{self, Given, invalid, needed};
use crate::domain::claim::Recipient;
use crate::domain::order::OrderId;
use crate::engine::release::Release;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde::Deserialize;
use serde_json::json;

/// No fields: a switch has none.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "an empty object")]
struct Nothing {}

pub(super) fn stop(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    input::body_or_empty::<Nothing>(request)?;
    desk.engine.stop(&request.caller.name)?;
    Ok(Response::json(200, &json!({ "success": true, "stopped": true })))
}

/// 409 while the file STOP lies in the data directory: the row is gone then, and the file still stops.
pub(super) fn resume(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    input::body_or_empty::<Nothing>(request)?;
    desk.engine.resume(&request.caller.name)?;
    if desk.engine.is_stopped_now()? {
        let detail = "A file named STOP lies in the data directory; the shop stands still until it is taken away.";
        return Err(Problem::conflict("stop_file", detail));
    }
    Ok(Response::json(200, &json!({ "success": true, "stopped": false })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with recipient and email")]
struct PayeeGiven {
    recipient: Given,
    email: Given,
}

/// Confirms where a recipient's money goes (MONEY A20). `agrees` is false while the configuration names another
/// address; then nothing is paid to that recipient.
pub(super) fn confirm_payee(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let (recipient, email) = payee(request)?;
    desk.engine.confirm_payee(recipient, &email, &request.caller.name)?;
    let settings = &desk.engine.settings;
    let proposed = match recipient {
        Recipient::Platform => &settings.platform,
        Recipient::Seller => &settings.seller,
    };
    let agrees = proposed.as_ref() == Some(&email);
    Ok(Response::json(200, &json!({ "success": true, "recipient": recipient.word(), "agrees": agrees })))
}

/// Lets the first payment to a confirmed address go. 409 while that address is not the confirmed one.
pub(super) fn approve_payee(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let (recipient, email) = payee(request)?;
    desk.engine.approve_first_payment(recipient, &email, &request.caller.name)?;
    Ok(Response::json(200, &json!({ "success": true, "recipient": recipient.word() })))
}

fn payee(request: &Request) -> Result<(Recipient, String), Problem> {
    let given: PayeeGiven = input::body(request)?;
    let word = needed("recipient", input::text("recipient", &given.recipient, 40)?)?;
    let recipient = Recipient::parse(&word).ok_or_else(|| invalid("recipient", "wanted \"platform\" or \"seller\""))?;
    Ok((recipient, needed("email", input::email("email", &given.email)?)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with orderId, shop or wasOff")]
struct ReleaseGiven {
    order_id: Given,
    shop: Given,
    was_off: Given,
}

/// After the database or the machine went back in time: one trade goes on (`orderId`), or the shop for what comes in
/// from now on (`shop: true`), or all that waited because the shop was switched off (`wasOff: true`).
pub(super) fn release_amnesia(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let given: ReleaseGiven = input::body(request)?;
    let order = input::text("orderId", &given.order_id, 64)?.map(OrderId);
    let is_shop = input::boolean("shop", &given.shop)?.unwrap_or(false);
    let was_off = input::boolean("wasOff", &given.was_off)?.unwrap_or(false);
    let release = match (order, is_shop, was_off) {
        (Some(order), false, false) => Release::Trade(order),
        (None, true, false) => Release::Shop,
        (None, false, true) => Release::WasOff,
        _ => return Err(invalid("orderId", "wanted one of orderId, shop: true and wasOff: true")),
    };
    desk.engine.release_amnesia(&release, &request.caller.name)?;
    let standing = desk.engine.standing()?;
    let answer = json!({ "success": true, "restored": standing.restored, "tradesInDoubt": standing.doubted });
    Ok(Response::json(200, &answer))
}
