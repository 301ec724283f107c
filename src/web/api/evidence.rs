//! The last lines about requests and calls, for who wants to see what was asked and what came of it. It shows rows and
//! no bodies.

use super::desk::Desk;
use super::json::at;
use super::paging::only;
use crate::store::log_lines::{self, LogLine};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde_json::{Value, json};

/// The newest first, at most 1,000; with `requestId` only those of one request, or with that debug id.
pub(super) fn list(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["requestId"])?;
    let id = request.query_value("requestId");
    let lines = desk.engine.store.read(|c| log_lines::list(c, id, 1000))?;
    let lines: Vec<Value> = lines.iter().map(line_json).collect();
    Ok(Response::json(200, &json!({ "lines": lines })))
}

fn line_json(line: &LogLine) -> Value {
    json!({
        "at": at(line.at), "source": line.source, "operation": line.operation, "status": line.status,
        "issue": line.issue, "debugId": line.debug_id, "requestId": line.request_id, "ms": line.took_ms,
    })
}
