//! What the server says of itself: alive, able to work, which build, which routes. Open to everybody, so nothing here
//! tells a secret, an amount or an order.

use super::desk::Desk;
use super::routes;
use crate::store;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// A job that is due for longer than this is late.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// The process runs and its port answers: this answer is the proof.
pub(super) fn alive(_: &Desk, _: &Request) -> Result<Response, Problem> {
    Ok(Response::json(200, &json!({ "alive": true })))
}

/// Able to work: the database can be read and written, no job is late, and sending is possible at all. 503 names what
/// is not so. STOP is a wish and not a fault, so it is told and does not count.
pub(super) fn ready(desk: &Desk, _: &Request) -> Result<Response, Problem> {
    let engine = &desk.engine;
    let before = engine.now() - LATE;
    let read = engine.store.read(|c| store::views::late_jobs(c, before));
    let mut reasons: Vec<String> = Vec::new();
    match &read {
        Ok(late) => reasons.extend(late.iter().map(|job| format!("the job {job} is late"))),
        Err(_) => reasons.push("the database cannot be read".to_owned()),
    }
    if engine.store.damaged().is_some() {
        reasons.push("the database is damaged; it is only read, and nothing is sent".to_owned());
    } else if let Some(fault) = engine.disk_fault() {
        log::error!("not ready: {fault}");
        reasons.push("what is done cannot be written down: the disk is full or broken".to_owned());
    }
    if engine.restored().is_some() {
        reasons.push("the database went back in time; nothing is sent before a human has looked".to_owned());
    }
    if let Some(error) = read.err() {
        log::error!("not ready: {error}");
    }
    if !reasons.is_empty() {
        let detail = reasons.join("; ");
        return Err(Problem::unavailable("not_ready", detail, 10).with("ready", false).with("reasons", reasons));
    }
    let stopped = engine.is_stopped_now()?;
    Ok(Response::json(200, &json!({ "ready": true, "stopped": stopped })))
}

pub(super) fn version(desk: &Desk, _: &Request) -> Result<Response, Problem> {
    let build = &desk.build;
    let answer = json!({
        "version": build.version, "commit": build.commit, "builtAt": build.built_at.to_string(),
        "mode": desk.engine.settings.mode.word(), "schemaVersion": desk.schema_version,
        "configFingerprint": desk.config_fingerprint, "startedAt": desk.started_at.to_string(),
    });
    Ok(Response::json(200, &answer))
}

pub(super) fn health(desk: &Desk, _: &Request) -> Result<Response, Problem> {
    let listed = crate::web::route::list(routes());
    let routes: Vec<Value> =
        listed.map(|(method, path, scope)| json!({ "method": method, "path": path, "scope": scope.word() })).collect();
    Ok(Response::json(200, &json!({ "success": true, "hasSecret": desk.has_secret, "routes": routes })))
}
