//! Slow work behind a request: it runs on a thread of its own, so that no handler is held for longer than a minute, and
//! whoever asked reads what came of it at `/api/jobs/{id}`. A panic is an answer too, and work that the end of the
//! program broke off says so; none of it is begun a second time by itself.

use super::desk::Desk;
use super::json::{at, at_opt};
use super::trials;
use crate::domain::order::OrderId;
use crate::engine::Engine;
use crate::store::errands::{ErrandRow, Kind};
use crate::store::{self, StoreError};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is to be done.
pub(super) struct Task {
    pub kind: Kind,
    /// It leaves no row, because it leaves the live database as it was.
    pub is_rehearsal: bool,
    pub order: Option<OrderId>,
}

/// Errands of this process, the newest last.
#[derive(Default)]
pub(super) struct Errands(Mutex<VecDeque<Arc<Errand>>>);

pub(super) struct Errand {
    /// As it began.
    row: ErrandRow,
    is_rehearsal: bool,
    ended: Mutex<Option<Ended>>,
    bell: Condvar,
}

#[derive(Clone)]
struct Ended {
    at: Timestamp,
    status: u16,
    answer: Value,
}

/// So many are remembered beside the rows.
const REMEMBERED: usize = 32;

impl Errands {
    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<Errand>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Option<Arc<Errand>> {
        self.all().iter().find(|errand| errand.row.id == id).cloned()
    }
}

impl Errand {
    fn ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wait(&self, most: Duration) -> Option<Ended> {
        let guard = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(guard, most, |ended| ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Does the work, and writes down what came of it before anybody is told.
    fn run(&self, engine: &Engine, work: impl FnOnce() -> Result<Value, Problem>) {
        let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let detail = "The program has a fault here; the log has it. What was begun goes on or is looked at again.";
            Err(Problem::new(500, "panicked", detail))
        });
        let (status, answer) = match outcome {
            Ok(answer) => (200, answer),
            Err(problem) => (problem.status, serde_json::from_slice(&problem.document()).unwrap_or_default()),
        };
        let now = engine.now();
        if !self.is_rehearsal {
            let text = answer.to_string();
            let written = engine.store.write(|tx| store::errands::ended(tx, &self.row.id, now, status, &text));
            if let Err(error) = written {
                log::error!("what came of {} {} could not be written down: {error}", self.row.kind, self.row.id);
            }
        }
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ended { at: now, status, answer });
        self.bell.notify_all();
    }

    fn row_now(&self) -> ErrandRow {
        let mut row = self.row.clone();
        if let Some(ended) = self.ended() {
            (row.ended_at, row.answer) = (Some(ended.at), Some((ended.status, ended.answer.to_string())));
        }
        row
    }
}

/// Begins the work on a thread of its own.
pub(super) fn begin(
    desk: &Desk,
    request: &Request,
    task: Task,
    work: impl FnOnce() -> Result<Value, Problem> + Send + 'static,
) -> Result<Arc<Errand>, Problem> {
    let mut all = desk.errands.all();
    enter(desk, request, task, &mut all, work)
}

/// As [`begin`]; who asks for the same while it is under way waits for that.
pub(super) fn begin_or_join(
    desk: &Desk,
    request: &Request,
    kind: Kind,
    work: impl FnOnce() -> Result<Value, Problem> + Send + 'static,
) -> Result<Arc<Errand>, Problem> {
    let mut all = desk.errands.all();
    if let Some(errand) = all.iter().find(|errand| errand.row.kind == kind && errand.ended().is_none()) {
        return Ok(Arc::clone(errand));
    }
    enter(desk, request, Task { kind, is_rehearsal: false, order: None }, &mut all, work)
}

fn enter(
    desk: &Desk,
    request: &Request,
    task: Task,
    all: &mut VecDeque<Arc<Errand>>,
    work: impl FnOnce() -> Result<Value, Problem> + Send + 'static,
) -> Result<Arc<Errand>, Problem> {
    let row = ErrandRow {
        id: crate::engine::intake::random_id()?,
        kind: task.kind,
        asked_by: request.caller.name.clone(),
        order: task.order,
        started_at: desk.engine.now(),
        ended_at: None,
        answer: None,
    };
    if !task.is_rehearsal {
        desk.engine.store.write(|tx| store::errands::insert(tx, &row))?;
    }
    let (ended, bell) = (Mutex::new(None), Condvar::new());
    let errand = Arc::new(Errand { row, is_rehearsal: task.is_rehearsal, ended, bell });
    let (mine, engine) = (Arc::clone(&errand), Arc::clone(&desk.engine));
    let thread = std::thread::Builder::new().name("errand".to_owned()).spawn(move || mine.run(&engine, work));
    if let Err(error) = thread {
        log::error!("no thread for an errand: {error}");
        errand.run(&desk.engine, || Err(Problem::unavailable("busy", "The machine gives no thread for this now.", 10)));
    }
    all.push_back(Arc::clone(&errand));
    while all.len() > REMEMBERED {
        match all.iter().position(|errand| errand.ended().is_some()) {
            Some(oldest) => drop(all.remove(oldest)),
            None => break,
        }
    }
    Ok(errand)
}

/// Waits as long as a client may wait, and shows the answer; 202 with the job's place where there is none yet. With
/// `Prefer: respond-async` nobody waits.
pub(super) fn answer(
    desk: &Desk,
    request: &Request,
    errand: &Errand,
    show: impl FnOnce(Value) -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    let prefers = request.headers.iter().filter(|(name, _)| name == "prefer").flat_map(|(_, value)| value.split(','));
    let is_async = prefers.into_iter().any(|word| word.trim().eq_ignore_ascii_case("respond-async"));
    let ended = if is_async { None } else { desk.stand_by(|most| errand.wait(most)) };
    match ended {
        Some(ended) if ended.status == 200 => show(ended.answer),
        Some(ended) => {
            Ok(Response::json(ended.status, &ended.answer).header("content-type", "application/problem+json"))
        }
        None => {
            let location = format!("/api/jobs/{}", errand.row.id);
            let shown = shown(desk, &errand.row_now(), errand.is_rehearsal)?;
            Ok(Response::json(202, &shown).header("location", &location).header("retry-after", "5"))
        }
    }
}

/// `GET /api/jobs/{id}`.
pub(super) fn show(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let id = request.param("id");
    let (row, is_rehearsal) = match desk.errands.find(id) {
        Some(errand) => (Some(errand.row_now()), errand.is_rehearsal),
        None => (desk.engine.store.read(|c| store::errands::find(c, id))?, false),
    };
    let row = row.ok_or_else(|| {
        Problem::not_found("There is no job of this id; a rehearsal's is forgotten when the program ends.")
    })?;
    Ok(Response::json(200, &shown(desk, &row, is_rehearsal)?))
}

/// The report of a test flow is made anew from the rows, because its order goes on by itself.
fn shown(desk: &Desk, row: &ErrandRow, is_rehearsal: bool) -> Result<Value, Problem> {
    let state = match (&row.answer, row.ended_at) {
        (Some((200, _)), _) => "finished",
        (Some(_), _) => "failed",
        (None, Some(_)) => "interrupted",
        (None, None) => "running",
    };
    let mut answer = match &row.answer {
        Some((_, text)) => serde_json::from_str(text).map_err(|e| StoreError::Unreadable(format!("errands: {e}")))?,
        None => Value::Null,
    };
    let report = row.order.as_ref().map(|order| format!("/api/internal/{}/{order}", trials::route_of(row.kind)));
    if let (Some(order), true) = (&row.order, state != "failed") {
        answer = trials::report(desk, row.kind, order)?;
    }
    Ok(json!({
        "id": row.id, "kind": row.kind.word(), "state": state, "simulate": is_rehearsal,
        "startedAt": at(row.started_at), "endedAt": at_opt(row.ended_at),
        "orderId": row.order.as_ref().map(|order| &order.0), "reportUrl": report,
        "status": row.answer.as_ref().map(|(status, _)| status), "answer": answer,
    }))
}
