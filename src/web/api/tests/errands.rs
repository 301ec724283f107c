//! Slow work behind a request: answered in time, or told where to read of it; a panic and the end of the program are
//! told as what they are.

use super::super::errands::{Task, answer, begin, begin_or_join};
use super::*;
use crate::store::errands::Kind;
use crate::web::problem::Problem;
use std::sync::mpsc;

fn asked() -> Request {
    Request::new("GET", "/x")
}

fn task(kind: Kind) -> Task {
    Task { kind, is_rehearsal: false, order: None }
}

/// Looks until the job has ended.
fn ended(world: &World, id: &str) -> Value {
    for _ in 0..1000 {
        let job = world.get(&format!("/api/jobs/{id}")).body;
        if job["state"] != "running" {
            return job;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("job {id} never ended");
}

fn wait_for(world: &World, request: &Request, errand: &super::super::errands::Errand) -> Heard {
    let response = answer(&world.desk, request, errand, |answer| Ok(Response::json(200, &answer)));
    let response = response.unwrap_or_else(Response::from);
    let body = serde_json::from_slice(&response.body).unwrap();
    Heard { status: response.status, body, response }
}

#[test]
fn slow_work_is_waited_for_or_told_where_to_be_read() {
    let mut world = world();
    let (go, went) = mpsc::channel::<()>();
    let work = move || {
        went.recv().unwrap();
        Ok(json!({ "done": true }))
    };
    let errand = begin(&world.desk, &asked(), task(Kind::DeepCheck), work).unwrap();
    world.desk.slow_patience = Duration::from_millis(20);
    let heard = wait_for(&world, &asked(), &errand);
    assert_eq!((heard.status, &heard.body["state"]), (202, &"running".into()), "{}", heard.text());
    assert_eq!((&heard.body["answer"], &heard.body["endedAt"]), (&Value::Null, &Value::Null));
    let location = heard.response.header_value("location").unwrap().to_owned();
    // Whoever asks for the same meanwhile waits for this one.
    let joined = begin_or_join(&world.desk, &asked(), Kind::DeepCheck, || panic!("nobody runs it twice")).unwrap();
    assert!(Arc::ptr_eq(&joined, &errand));
    go.send(()).unwrap();
    world.desk.slow_patience = Duration::from_secs(60);
    let heard = wait_for(&world, &asked(), &errand);
    assert_eq!((heard.status, &heard.body), (200, &json!({ "done": true })));
    let job = world.get(&location).body;
    assert_eq!(
        (&job["state"], &job["status"], &job["answer"]["done"]),
        (&"finished".into(), &200.into(), &true.into())
    );
    assert_eq!(world.get("/api/jobs/aaaaaaaaaaaaaaaa").status, 404);
}

#[test]
fn who_prefers_not_to_wait_is_answered_at_once() {
    let mut world = world();
    world.desk.slow_patience = Duration::from_secs(60);
    let mut request = Request::new("GET", "/api/debug/post-sale-integrity-check?deep=1");
    request.headers.push(("authorization".to_owned(), "Bearer read".to_owned()));
    request.headers.push(("prefer".to_owned(), "wait=5, respond-async".to_owned()));
    let response = world.table.answer(&world.desk, request);
    assert_eq!(response.status, 202);
    let id = response.header_value("location").unwrap().strip_prefix("/api/jobs/").unwrap().to_owned();
    let job = ended(&world, &id);
    assert_eq!((&job["kind"], &job["state"]), (&"deep_check".into(), &"finished".into()), "{job:#}");
    assert_eq!(job["answer"]["isDeep"], true, "{job:#}");
}

#[test]
fn f2_a_panicking_job_is_recorded_and_the_server_goes_on() {
    let world = world();
    let errand = begin(&world.desk, &asked(), task(Kind::ReadinessReport), || panic!("broken on purpose")).unwrap();
    let heard = wait_for(&world, &asked(), &errand);
    assert_eq!((heard.status, heard.code()), (500, "panicked"), "{}", heard.text());
    assert_eq!(heard.response.header_value("content-type"), Some("application/problem+json"));
    assert!(!heard.text().contains("on purpose"), "what the fault says belongs into the log");
    let again = begin_or_join(&world.desk, &asked(), Kind::ReadinessReport, || Ok(json!({ "done": true }))).unwrap();
    assert_eq!(wait_for(&world, &asked(), &again).status, 200, "the next one runs");
    let refused = || Err(Problem::conflict("not_now", "Not now."));
    let errand = begin(&world.desk, &asked(), task(Kind::DeepCheck), refused).unwrap();
    assert_eq!(wait_for(&world, &asked(), &errand).status, 409);
}

#[test]
fn what_the_end_of_the_program_broke_off_says_so() {
    let world = world();
    let now = world.now();
    let store = &world.desk.engine.store;
    let row = store::errands::ErrandRow {
        id: "brokenoffbrokeno".to_owned(),
        kind: Kind::DeepCheck,
        asked_by: "test".to_owned(),
        order: None,
        started_at: now,
        ended_at: None,
        answer: None,
    };
    store.write(|tx| store::errands::insert(tx, &row)).unwrap();
    let job = || world.get(&format!("/api/jobs/{}", row.id)).body;
    assert_eq!(job()["state"], "running");
    assert_eq!(store.write(|tx| store::errands::break_off_all(tx, now)).unwrap(), 1);
    let told = job();
    assert_eq!((&told["state"], &told["answer"], &told["status"]), (&"interrupted".into(), &Value::Null, &Value::Null));
    // And it stays so.
    let late = store.write(|tx| store::errands::ended(tx, &row.id, now, 200, "{}"));
    assert!(late.is_err_and(|error| error.to_string().contains("never changes")));
}

#[test]
fn the_waiting_leave_handlers_for_the_others() {
    let mut world = world();
    world.desk.slow_patience = Duration::from_secs(60);
    let (go, went) = mpsc::channel::<()>();
    let work = move || {
        went.recv().unwrap();
        Ok(json!({}))
    };
    let errand = begin(&world.desk, &asked(), task(Kind::DeepCheck), work).unwrap();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..6).map(|_| scope.spawn(|| wait_for(&world, &asked(), &errand).status)).collect();
        // Two of the six find every place taken and are told at once.
        while waiting.iter().filter(|thread| thread.is_finished()).count() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        go.send(()).unwrap();
        let mut statuses: Vec<u16> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 200, 202, 202]);
    });
}
