//! What comes back by itself while the server runs. Each job says in a line what it found; none of them moves money.

use crate::assure::integrity::{self, Question};
use crate::assure::reconcile;
use crate::config::Config;
use crate::engine::Engine;
use crate::schedule::{Cadence, Job};
use jiff::SignedDuration;
use std::sync::Arc;

/// How often events that could not be placed are tried again.
const INBOX: SignedDuration = SignedDuration::from_mins(5);

pub fn all(engine: &Arc<Engine>, config: &Config) -> Vec<Job> {
    let every = SignedDuration::try_from(config.schedule.integrity).unwrap_or(SignedDuration::from_mins(15));
    let reconcile_every = SignedDuration::try_from(config.schedule.reconcile).unwrap_or(SignedDuration::from_hours(1));
    let [often, deep, beside, asking, back, disputes, inbox, login] = [engine; 8].map(Arc::clone);
    vec![
        Job {
            name: "integrity",
            cadence: Cadence::Every(every),
            at_start: true,
            run: Box::new(move || check(&often, false)),
        },
        Job {
            name: "deep_check",
            cadence: Cadence::DailyAt(config.schedule.deep_check),
            at_start: false,
            run: Box::new(move || check(&deep, true)),
        },
        // Before the statements, which show what disputes moved.
        Job {
            name: "payouts_again",
            cadence: Cadence::Every(SignedDuration::from_hours(1)),
            at_start: true,
            run: Box::new(move || match back.look_back_at_payouts() {
                Ok(looked) => Ok(format!("{looked} paid payouts looked at again")),
                Err(error) => Err(error.to_string()),
            }),
        },
        Job {
            name: "paypal_permissions",
            cadence: Cadence::Every(SignedDuration::from_hours(6)),
            at_start: true,
            run: Box::new(move || asking.read_permissions().unwrap_or_else(|error| Err(error.to_string()))),
        },
        Job {
            name: "disputes",
            cadence: Cadence::Every(reconcile_every),
            at_start: true,
            run: Box::new(move || disputes.poll_disputes()),
        },
        Job {
            name: reconcile::JOB,
            cadence: Cadence::Every(reconcile_every),
            at_start: true,
            run: Box::new(move || reconcile::run(&beside).unwrap_or_else(|error| Err(error.to_string()))),
        },
        Job {
            name: "inbox",
            cadence: Cadence::Every(INBOX),
            at_start: true,
            run: Box::new(move || inbox.tidy_inbox().map_err(|error| error.to_string())),
        },
        Job {
            name: "supplier_login",
            cadence: Cadence::Every(SignedDuration::from_hours(1)),
            at_start: true,
            run: Box::new(move || {
                let told = login.watch_login().map_err(|error| error.to_string())?;
                Ok(told.unwrap_or_else(|| "no end in sight".to_owned()))
            }),
        },
    ]
}

/// Checks and stores the answer. A violation is a result and not a failure of the job.
fn check(engine: &Engine, is_deep: bool) -> Result<String, String> {
    let ladder = engine.settings.policy.ladder();
    let question = Question { now: engine.now(), build: super::COMMIT, is_deep, ladder };
    let answer = integrity::run(&engine.store, &question).map_err(|error| error.to_string())?;
    let score = answer.overall_financial_integrity_score.map_or("-".to_owned(), |score| score.to_string());
    Ok(format!("{} {score}", answer.verdict))
}
