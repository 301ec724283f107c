//! What the reconciliation knows: how far each far side's statement is compared with our books, and every difference. It
//! reads rows; the comparison itself is a job, and no far side is asked here.

use super::desk::Desk;
use super::input::invalid;
use super::paging::only;
use crate::assure::reconcile;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;

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
