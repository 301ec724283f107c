//! The integrity check as anybody may ask for it. It is never refused with 401: a wrong token counts as none, and who
//! shows none is told the stored result without ids, amounts and commands. It changes nothing but its own rows.

use super::desk::Desk;
use super::errands;
use super::input::invalid;
use super::paging::only;
use crate::assure::integrity::{self, Answer, Question};
use crate::store::errands::Kind;
use crate::web::auth::Scope;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde_json::json;
use std::sync::Arc;

/// The last stored run; whole with the scope read. `?deep=1` checks everything now and needs that scope.
pub(super) fn show(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["deep"])?;
    let is_deep = match request.query_value("deep") {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(invalid("deep", "wanted 0 or 1")),
    };
    let may_read = request.caller.scope >= Scope::Read;
    if is_deep && !may_read {
        // A stranger may not make the server work.
        return Err(Problem::new(403, "scope_too_small", "A deep check needs the scope read."));
    }
    if is_deep {
        return deep(desk, request);
    }
    let store = &desk.engine.store;
    let question = desk.question(false);
    let answer = match integrity::last(store)? {
        Some(last) => last,
        None if !may_read => Answer::unasked(&question),
        _ => integrity::run(store, &question)?,
    };
    let shown = if may_read { answer } else { answer.public() };
    Ok(Response::json(200, &shown))
}

/// Every event and the file itself: slow on large books.
fn deep(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let (engine, commit) = (Arc::clone(&desk.engine), desk.build.commit.clone());
    let work = move || {
        let ladder = engine.settings.policy.ladder();
        let question = Question { now: engine.now(), build: &commit, is_deep: true, ladder };
        Ok(json!(integrity::run(&engine.store, &question)?))
    };
    let errand = errands::begin_or_join(desk, request, Kind::DeepCheck, work)?;
    errands::answer(desk, request, &errand, |answer| Ok(Response::json(200, &answer)))
}
