//! The readiness report: written by the program from stored evidence, so that every field of it can be false and names
//! the row or the outside id behind it (L6, L7). It reads; only [`keep`] writes, and only the report itself.
//!
//! Nothing is ready that is pending or unknown, and a row that could not be looked at is not green (L3).

mod page;
mod phases;
mod statements;
mod summary;
#[cfg(test)]
mod tests;

pub use page::markdown;

use super::compare;
use super::integrity::{self, Answer};
use super::lookout::Book;
use super::reconcile;
use crate::domain::claim::Recipient;
use crate::domain::order::Mode;
use crate::domain::trade::ClockState;
use crate::engine::login::{self, Outlook};
use crate::engine::permissions::{GRANTED, are_payouts_refused};
use crate::engine::release::Standing;
use crate::engine::told::UNPLACED_SHOWN;
use crate::engine::{ALIEXPRESS, CLOCK, CLOCK_COMPARED, Settings};
use crate::gateway::probe::Service;
use crate::store::jobs::JobRow;
use crate::store::log_lines::{self, LogLine};
use crate::store::road::{self, Road, SecondLook};
use crate::store::{self, Result, Schema, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// What this installation is, as its configuration says.
#[derive(Clone, Debug)]
pub struct Installation {
    pub project: String,
    pub service: String,
    pub settings: Settings,
    /// The far sides by name, such as `built-in PayPal` or `PayPal live`.
    pub paypal: String,
    pub aliexpress: String,
    pub integrity_every: SignedDuration,
    pub reconcile_every: SignedDuration,
    pub journal_mirror: Option<PathBuf>,
    pub book: Book,
    /// Parts that are not built yet and have no row, with what to do meanwhile.
    pub not_built: Vec<(&'static str, &'static str)>,
    /// What has to be typed again for a command about this shop, with a blank before it.
    pub typed: String,
}

/// What was seen outside of the rows.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// `Err`: why the server could not be asked.
    pub service: Option<std::result::Result<Service, String>>,
    /// The far sides' own book. `Err`: why it cannot be had.
    pub book: Option<std::result::Result<Value, String>>,
    /// The latest time a far side showed; `None` = not known.
    pub far_clock: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Ok,
    /// The owner's configuration switched it off.
    Skipped,
    Pending,
    Unknown,
    Fail,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Skipped => "SKIPPED",
            Status::Pending => "PENDING",
            Status::Unknown => "UNKNOWN",
            Status::Fail => "FAIL",
        }
    }

    /// Nothing is wanting here.
    pub fn is_green(self) -> bool {
        matches!(self, Status::Ok | Status::Skipped)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub id: String,
    pub status: Status,
    /// The evidence.
    pub value: String,
    /// What is good enough and could be better.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warning: Option<String>,
    /// The command that changes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fix: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    pub number: u32,
    pub name: String,
    /// The worst of its rows.
    pub status: Status,
    pub rows: Vec<Row>,
}

/// Each value begins with its word and ends with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct Summary {
    pub migration_applied: String,
    pub integrity_score: String,
    pub real_order_created: String,
    pub real_purchase_executed: String,
    pub real_sale_created: String,
    pub payout_executed: String,
    pub database_flag_confirmed: String,
    pub system_ready_for_real_customer_test: String,
    /// Only in sandbox mode.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rehearsal_passed: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub what: String,
    pub command: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub title: String,
    pub generated: Timestamp,
    pub project: String,
    pub environment: String,
    pub service: String,
    pub build: String,
    pub summary: Summary,
    pub phases: Vec<Phase>,
    pub blockers: Vec<Step>,
    pub next_steps: Vec<Step>,
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ready,
    RehearsalPassed,
    NotGood,
    CouldNotTell,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        let has = |status| self.phases.iter().any(|phase| phase.status == status);
        let passed = self.summary.rehearsal_passed.as_ref();
        if self.summary.system_ready_for_real_customer_test.starts_with("TRUE") {
            Outcome::Ready
        } else if passed.is_some_and(|passed| passed.starts_with("TRUE")) {
            Outcome::RehearsalPassed
        } else if has(Status::Fail) {
            Outcome::NotGood
        } else {
            Outcome::CouldNotTell
        }
    }

    /// The row of that id, wherever it stands.
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.phases.iter().flat_map(|phase| &phase.rows).find(|row| row.id == id)
    }
}

/// The newest lines of one source.
#[derive(Clone, Debug)]
struct Lines {
    source: &'static str,
    newest: Option<LogLine>,
    /// The newest that was answered with success.
    answered: Option<LogLine>,
    /// The newest in which our credentials were refused, if nothing was answered with success since.
    login_refused: Option<LogLine>,
}

/// Everything a report is made of, read once; judging it needs no store.
#[derive(Clone, Debug)]
struct Evidence {
    now: Timestamp,
    build: String,
    schema: Schema,
    integrity: Option<Answer>,
    jobs: Vec<JobRow>,
    late: Vec<String>,
    road: Option<Road>,
    second: std::result::Result<SecondLook, String>,
    /// Of REQ, PAYPAL and ALIEXPRESS.
    lines: Vec<Lines>,
    /// Until when the supplier login is good, and whether it can be refreshed. `None` = no login.
    token: Option<(Timestamp, bool)>,
    /// The words of what PayPal permits, by its own token. `None` = it was never asked.
    permissions: Option<String>,
    /// PayPal does not let us pay out, by its token or by its answer to a payout.
    are_payouts_refused: bool,
    /// What is to be said of the login besides: its end is near, or the last refresh failed.
    outlook: Outlook,
    /// Recipient, confirmed address is the configured one.
    payees: Vec<(&'static str, bool)>,
    /// When PayPal last rang; `None` = never.
    rung_at: Option<Timestamp>,
    /// Events that no order of ours is known for.
    unplaced: usize,
    is_stopped: bool,
    restored: Option<String>,
    /// What the running engine thinks of the time of day; `None` = none ever said.
    clock: Option<ClockState>,
    /// When it was last compared with a far side's, and how far that one was ahead. `None` = it never was.
    compared: Option<(Timestamp, SignedDuration)>,
    reconciled: reconcile::Answer,
    /// The last drill, as the command kept it. `None` = there was none.
    drill: Option<Drill>,
    /// What the far sides' book says of ours. `Err`: why it cannot be said.
    books: std::result::Result<Books, String>,
}

#[derive(Clone, Debug, Default)]
struct Books {
    rows: usize,
    /// What differs, or was done twice.
    differences: Vec<String>,
    agrees: bool,
}

pub const SOURCES: [&str; 3] = ["REQ", "PAYPAL", "ALIEXPRESS"];

/// Reads the evidence and writes the report.
pub fn report(
    at: &Installation,
    store: &Store,
    schema: Schema,
    build: &str,
    now: Timestamp,
    seen: &Seen,
) -> Result<Report> {
    let evidence = read(at, store, schema, build, now, seen)?;
    Ok(compose(at, &evidence, seen))
}

/// Stores a report.
pub fn keep(store: &Store, report: &Report) -> Result<()> {
    let json = serde_json::to_string(report).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    store.write(|tx| store::reports::insert(tx, report.generated, &report.build, &json))
}

/// The newest stored report; `None` = there is none.
pub fn last(store: &Store) -> Result<Option<Report>> {
    let Some(json) = store.read(store::reports::last)? else { return Ok(None) };
    serde_json::from_str(&json).map(Some).map_err(|e| StoreError::Unreadable(format!("reports: {e}")))
}

/// A job that is due for longer than this is late.
const LATE: SignedDuration = SignedDuration::from_mins(10);

fn read(
    at: &Installation,
    store: &Store,
    schema: Schema,
    build: &str,
    now: Timestamp,
    seen: &Seen,
) -> Result<Evidence> {
    let integrity = integrity::last(store)?;
    let books = books(store, seen)?;
    let reconciled = reconcile::answer(store, false)?;
    let mut evidence = store.read(|c| {
        let line = |source| {
            let newest = |answered| log_lines::newest(c, source, answered);
            let login_refused = log_lines::login_refused(c, source)?;
            Ok::<_, StoreError>(Lines { source, newest: newest(false)?, answered: newest(true)?, login_refused })
        };
        let login = store::tokens::find(c, ALIEXPRESS)?;
        let token = login.map(|login| {
            let may_refresh = login.refresh_token.is_some() && login.refresh_expires_at.is_none_or(|end| end > now);
            (login.access_expires_at, may_refresh)
        });
        let proposed = [(Recipient::Platform, &at.settings.platform), (Recipient::Seller, &at.settings.seller)];
        let mut payees = Vec::new();
        for (recipient, proposed) in proposed {
            let confirmed = store::payouts::payee(c, recipient)?;
            payees.push((recipient.word(), confirmed.is_some() && confirmed == *proposed));
        }
        Ok::<_, StoreError>(Evidence {
            now,
            build: build.to_owned(),
            schema,
            integrity: integrity.clone(),
            jobs: store::jobs::list(c)?,
            late: store::views::late_jobs(c, now - LATE)?,
            road: road::farthest(c)?,
            second: Err("not looked".to_owned()),
            lines: SOURCES.into_iter().map(line).collect::<Result<_>>()?,
            token,
            permissions: store::meta::value(c, GRANTED)?,
            are_payouts_refused: are_payouts_refused(c, &store::meta::all(c)?)?,
            outlook: login::outlook(c, now)?,
            payees,
            rung_at: store::inbox::last_delivery(c)?,
            unplaced: store::inbox::unplaced(c, now - UNPLACED_SHOWN, 1000)?.len(),
            is_stopped: store::meta::value(c, "stop")?.is_some() || at.settings.stop_file().exists(),
            restored: restored(&Standing::of(c, &at.settings)?),
            clock: store::meta::value(c, CLOCK)?.and_then(|word| ClockState::parse(&word)),
            compared: store::meta::value(c, CLOCK_COMPARED)?.and_then(|text| compared(&text)),
            reconciled: reconciled.clone(),
            drill: drill_of(c)?,
            books: books.clone(),
        })
    })?;
    let order = evidence.road.as_ref().map(|road| &road.order);
    evidence.second = road::second_look(store.path(), order).map_err(|error| error.to_string());
    Ok(evidence)
}

/// A drill as [`keep_drill`] keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drill {
    pub build: String,
    pub at: Timestamp,
    /// Such as `360/360, 0 double purchases, 0 double payouts`.
    pub result: String,
    pub is_good: bool,
}

/// Stores a drill's result in the place of the one before.
pub fn keep_drill(store: &Store, drill: &Drill) -> Result<()> {
    let json = serde_json::to_string(drill).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    store.write(|tx| store::meta::set(tx, "drill", &json))
}

fn drill_of(connection: &rusqlite::Connection) -> Result<Option<Drill>> {
    let Some(json) = store::meta::value(connection, "drill")? else { return Ok(None) };
    serde_json::from_str(&json).map(Some).map_err(|e| StoreError::Unreadable(format!("drill: {e}")))
}

/// `MS SECONDS`, as the engine keeps it.
fn compared(text: &str) -> Option<(Timestamp, SignedDuration)> {
    let (ms, ahead) = text.split_once(' ')?;
    let at = Timestamp::from_millisecond(ms.parse().ok()?).ok()?;
    Some((at, SignedDuration::from_secs(ahead.parse().ok()?)))
}

/// What somebody has to release after the database or the machine went back in time. `None` = nothing.
fn restored(standing: &Standing) -> Option<String> {
    let waits = || format!("{} trades wait to be released", standing.doubted);
    standing.restored.clone().or_else(|| (standing.doubted > 0).then(waits))
}

fn books(store: &Store, seen: &Seen) -> Result<std::result::Result<Books, String>> {
    let book = match &seen.book {
        None => return Ok(Err("no far side on this machine shows its book".to_owned())),
        Some(Err(reason)) => return Ok(Err(reason.clone())),
        Some(Ok(book)) => book,
    };
    let compared = compare::compare(store, book)?;
    let differs = compared.rows.iter().filter(|row| !row.agrees()).map(|row| format!("{} {}", row.kind, row.id));
    let differences = differs.chain(compared.doubles.iter().cloned()).collect();
    Ok(Ok(Books { rows: compared.rows.len(), differences, agrees: compared.agrees() }))
}

fn compose(at: &Installation, evidence: &Evidence, seen: &Seen) -> Report {
    let phases = phases::all(at, evidence, seen);
    let summary = summary::summary(at, evidence, &phases);
    let is_sandbox = at.settings.mode == Mode::Sandbox;
    let verify = format!("postsale{} verify", at.typed);
    let wanting = phases.iter().flat_map(|phase| &phase.rows).filter(|row| !row.status.is_green());
    let mut blockers: Vec<Step> = wanting
        .map(|row| Step {
            what: format!("{} {}: {}", row.status.word(), row.id, row.value),
            command: row.fix.clone().unwrap_or_else(|| verify.clone()),
        })
        .collect();
    if is_sandbox {
        blockers.push(Step {
            what: format!(
                "the mode is sandbox, against {} and {}; no real customer can be served",
                at.paypal, at.aliexpress
            ),
            command:
                "set mode = \"production\", paypal.base_url = \"live\", aliexpress.base_url = \"live\" and another \
                      data_dir in config.toml, then: postsale config check"
                    .to_owned(),
        });
    }
    let mut next_steps: Vec<Step> = Vec::new();
    for blocker in &blockers {
        if blocker.command != verify && !next_steps.iter().any(|step| step.command == blocker.command) {
            next_steps.push(blocker.clone());
        }
    }
    // No row judges what is not there, so that it is said here; nobody may take it for done.
    let meanwhile = at.not_built.iter().map(|(part, meanwhile)| Step {
        what: format!("{part} are not built yet, and no row of this report judges them"),
        command: (*meanwhile).to_owned(),
    });
    next_steps.extend(meanwhile);
    next_steps.push(Step { what: "write this report again".to_owned(), command: verify });
    Report {
        title: format!("{} POST-SALE REAL TEST REPORT", at.settings.mode.word().to_uppercase()),
        generated: evidence.now,
        project: at.project.clone(),
        environment: at.settings.mode.word().to_owned(),
        service: at.service.clone(),
        build: evidence.build.clone(),
        summary,
        phases,
        blockers,
        next_steps,
    }
}
