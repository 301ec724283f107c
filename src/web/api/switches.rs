//! What a human says about the whole shop: STOP, resume, and where profit goes. Stored and journalled by the engine;
//! nothing is sent from here.

use super::desk::Desk;
use super::input::{self, Given, invalid, needed};
use crate::domain::claim::Recipient;
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
    let given: PayeeGiven = input::body(request)?;
    let word = needed("recipient", input::text("recipient", &given.recipient, 40)?)?;
    let recipient = Recipient::parse(&word).ok_or_else(|| invalid("recipient", "wanted \"platform\" or \"seller\""))?;
    let email = needed("email", input::email("email", &given.email)?)?;
    desk.engine.confirm_payee(recipient, &email, &request.caller.name)?;
    let settings = &desk.engine.settings;
    let proposed = match recipient {
        Recipient::Platform => &settings.platform,
        Recipient::Seller => &settings.seller,
    };
    let agrees = proposed.as_ref() == Some(&email);
    Ok(Response::json(200, &json!({ "success": true, "recipient": recipient.word(), "agrees": agrees })))
}
