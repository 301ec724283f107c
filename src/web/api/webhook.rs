//! Where PayPal rings. A delivery is answered 200 only once it lies in the database; a second one of the same event is
//! answered alike. The answer tells a stranger nothing about why he was refused.

use super::desk::Desk;
use crate::engine::told::{Delivery, NotHeard, Unheard};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde_json::json;

/// PayPal waits by itself between two attempts; this is for others.
const RETRY_S: u64 = 30;

pub(super) fn take(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let delivery = Delivery { headers: &request.headers, body: &request.body };
    match desk.engine.webhook(&delivery) {
        Ok(is_new) => Ok(Response::json(200, &json!({ "received": true, "new": is_new }))),
        Err(Unheard::NotHeard(NotHeard::Forged(why))) => {
            log::warn!("a webhook was refused: {why}");
            Err(Problem::new(401, "not_signed", "This is not signed by PayPal for us."))
        }
        Err(Unheard::NotHeard(error)) => {
            log::warn!("a webhook {error}");
            Err(Problem::unavailable("not_judged", "The signature cannot be checked now; send it again.", RETRY_S))
        }
        Err(Unheard::Store(error)) => {
            log::error!("a webhook could not be stored: {error}");
            Err(Problem::unavailable("not_stored", "It could not be stored; send it again.", RETRY_S))
        }
    }
}
