//! The readiness report: the last one, or a new one from what is stored now. Writing one asks this very server what it
//! answers and, in sandbox mode, the far sides for their book; it sends nothing that moves money.

use super::desk::Desk;
use super::errands;
use super::input::{self, invalid};
use super::paging::only;
use super::verbs::NothingGiven;
use crate::assure::lookout;
use crate::assure::readiness::{self, Report};
use crate::store::errands::Kind;
use crate::store::{Schema, StoreError};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde_json::json;
use std::sync::Arc;

/// `?format=md` answers Markdown.
pub(super) fn show(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["format"])?;
    match readiness::last(&desk.engine.store)? {
        Some(report) => written(&report, request),
        None => Err(Problem::not_found("No readiness report was written yet; POST writes one.")),
    }
}

/// It looks around, which may take long where a far side is silent.
pub(super) fn write(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["format"])?;
    input::body_or_empty::<NothingGiven>(request)?;
    let missing = || Problem::unavailable("no_installation", "This server cannot write a report.", 60);
    let at = desk.installation.clone().ok_or_else(missing)?;
    let (engine, commit) = (Arc::clone(&desk.engine), desk.build.commit.clone());
    let schema = Schema { found: desk.schema_version, known: desk.schema_version };
    let work = move || {
        let mut seen = lookout::look_around(&at, &commit);
        seen.far_clock = engine.far_clock();
        let report = readiness::report(&at, &engine.store, schema, &commit, engine.now(), &seen)?;
        readiness::keep(&engine.store, &report)?;
        Ok(json!(report))
    };
    let errand = errands::begin_or_join(desk, request, Kind::ReadinessReport, work)?;
    errands::answer(desk, request, &errand, |report| {
        let report: Report = serde_json::from_value(report).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        written(&report, request)
    })
}

fn written(report: &Report, request: &Request) -> Result<Response, Problem> {
    match request.query_value("format") {
        None | Some("json") => Ok(Response::json(200, report)),
        Some("md") => Ok(Response::text(200, readiness::markdown(report))),
        Some(_) => Err(invalid("format", "wanted json or md")),
    }
}
