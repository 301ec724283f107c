//! What the reconciliation knows: how far each far side's statement is compared with our books, and every difference. It
//! reads rows; the comparison itself is a job, and no far side is asked here.

use super::desk::Desk;
use super::input::{self, invalid};
use super::paging::only;
use super::verbs::NothingGiven;
use crate::assure::reconcile;
use crate::engine::facts::NotBooked;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde_json::json;

/// `?resolved=1` also shows the findings that do not stand any more.
pub(super) fn show(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["resolved"])?;
    let also_resolved = match request.query_value("resolved") {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(invalid("resolved", "wanted 0 or 1")),
    };
    Ok(Response::json(200, &reconcile::answer(&desk.engine.store, also_resolved)?))
}

/// The movement is the owner's own and is booked as that, once: the id of the far side books nothing a second time.
pub(super) fn book(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let NothingGiven {} = input::body_or_empty(request)?;
    let id = request.param("id").parse().map_err(|_| Problem::not_found("There is no such finding."))?;
    match desk.engine.book_movement(id, &request.caller.name) {
        Ok(()) => Ok(Response::json(200, &json!({ "success": true, "id": id }))),
        Err(NotBooked::Unknown(_)) => Err(Problem::not_found("There is no such finding.")),
        Err(error @ NotBooked::Gone(_)) => Err(Problem::conflict("finding_gone", error.to_string())),
        Err(error @ NotBooked::NotTheOwners(_)) => Err(Problem::conflict("not_the_owners", error.to_string())),
        Err(error @ NotBooked::AsOurs(_)) => Err(Problem::conflict("as_ours", error.to_string())),
        Err(NotBooked::Store(error)) => Err(error.into()),
    }
}
