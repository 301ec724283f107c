//! The integrity check: every check of [`crate::store::checks`] on one snapshot, the drill of the checks beside it, and
//! one answer. It reads; only [`run`] writes, and only its own answer.
//!
//! `PROVEN` says that our own rows agree with each other and with the rules. How far PayPal's and AliExpress's books
//! were compared with them is said by `knownThrough`; `null` there is "not compared".

use super::score::{Counted, Ground, Status, Verdict, boolean, judge};
use crate::store::checks::runs::Run;
use crate::store::checks::{self, Check, Finding, Group, When, drill::drill, risk};
use crate::store::feeds;
use crate::store::{Result, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub now: Timestamp,
    pub build: &'a str,
    /// Also the whole timeline, every request, and the file itself. Slow on large books.
    pub is_deep: bool,
    /// All waits of `policy.look_again` together: an outcome unknown for longer is a human's.
    pub ladder: SignedDuration,
}

/// The answer, as JSON (see the API description). Amounts are decimal strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// True is good. All five: `None` = not known.
    pub centralized_sale_creation: Option<bool>,
    /// **True is bad**: something came into the books beside the one door.
    pub webhook_bypass_detected: Option<bool>,
    /// **True is bad**: something was paid twice, or could be.
    pub duplicate_payout_risk: Option<bool>,
    /// True is good.
    pub fee_calculation_strict: Option<bool>,
    /// True is good.
    pub net_profit_validated: Option<bool>,
    /// 0 to 100; `None` = not known: empty books, a check that could not run, a planted fault that was not caught.
    pub overall_financial_integrity_score: Option<u32>,
    /// PROVEN, VIOLATED or NOT_PROVEN.
    pub verdict: String,
    pub checked_at: Timestamp,
    pub build: String,
    pub is_deep: bool,
    pub self_test: SelfTest,
    pub known_through: KnownThrough,
    pub money_at_risk: Vec<AtRisk>,
    pub checks: Vec<Line>,
}

/// How many planted faults the checks noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    pub planted: usize,
    pub caught: usize,
}

/// Until when our books were compared with the provider's. `None` = not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownThrough {
    pub paypal: Option<Timestamp>,
    pub aliexpress: Option<Timestamp>,
}

impl KnownThrough {
    pub fn read(connection: &Connection) -> Result<KnownThrough> {
        let through = |provider| feeds::known_through(connection, provider);
        Ok(KnownThrough { paypal: through(feeds::PAYPAL)?, aliexpress: through(feeds::ALIEXPRESS)? })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    pub currency: String,
    /// `None` in the public answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amount: Option<String>,
    pub reason: String,
    pub count: u32,
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub id: String,
    pub title: String,
    /// The name of the boolean it counts for.
    pub group: String,
    pub weight: u32,
    pub status: Status,
    /// How many violations there are.
    pub violations: usize,
    /// Why it could not tell, or that more was found than is shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The first violations. Empty in the public answer.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub found: Vec<Found>,
    /// What to do about a failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub id: String,
    pub what: String,
}

/// More violations of one check than this are counted and not shown.
const SHOWN_MAX: usize = 20;

impl Answer {
    pub fn verdict(&self) -> Verdict {
        Verdict::parse(&self.verdict).unwrap_or(Verdict::NotProven)
    }

    /// What is damaged in the file, with its table; `None` = nothing that was looked at.
    pub fn damage(&self) -> Option<String> {
        let of_the_file = |line: &&Line| checks::OF_THE_FILE.contains(&line.id.as_str());
        let failed = self.checks.iter().filter(of_the_file).find(|line| line.status == Status::Fail)?;
        let found = failed.found.first()?;
        Some(format!("{}: {}", found.id, found.what))
    }

    /// Before the first run: nothing is known, so nothing is proven.
    pub fn unasked(question: &Question<'_>) -> Answer {
        let ground = Ground { is_anything_sold: false, is_every_alarm_alive: true };
        let self_test = SelfTest { planted: 0, caught: 0 };
        let known = KnownThrough { paypal: None, aliexpress: None };
        answer(question, &[], Vec::new(), ground, known, Vec::new(), self_test)
    }

    /// What may be shown to anybody: score, verdict, booleans and counts; no ids, no amounts, no commands.
    pub fn public(&self) -> Answer {
        let mut answer = self.clone();
        for risk in &mut answer.money_at_risk {
            risk.amount = None;
        }
        for line in &mut answer.checks {
            (line.detail, line.action) = (None, None);
            line.found.clear();
        }
        answer
    }
}

/// Checks, and stores the answer. Where it tells of a damaged file nothing more is written into that, this answer not
/// either.
pub fn run(store: &Store, question: &Question<'_>) -> Result<Answer> {
    let answer = check(store, question)?;
    if let Some(what) = answer.damage() {
        store.quarantine(&what);
        return Ok(answer);
    }
    let json = serde_json::to_string(&answer).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    let run = Run {
        at: answer.checked_at,
        build: answer.build.clone(),
        is_deep: answer.is_deep,
        score: answer.overall_financial_integrity_score,
        verdict: answer.verdict.clone(),
        answer: Some(json),
    };
    store.write(|tx| checks::runs::insert(tx, &run))?;
    Ok(answer)
}

/// Checks without storing anything, for a database that is only read.
pub fn check(store: &Store, question: &Question<'_>) -> Result<Answer> {
    check_with(&checks::table(), store, question)
}

/// The newest stored answer; `None` = there is none, or its text was emptied.
pub fn last(store: &Store) -> Result<Option<Answer>> {
    let run = store.read(checks::runs::last)?;
    let Some(json) = run.and_then(|run| run.answer) else { return Ok(None) };
    serde_json::from_str(&json).map(Some).map_err(|e| StoreError::Unreadable(format!("integrity_runs: {e}")))
}

fn check_with(table: &[Check], store: &Store, question: &Question<'_>) -> Result<Answer> {
    let when = When { now: question.now, ladder: question.ladder, is_deep: question.is_deep };
    let asked: Vec<Check> = table.iter().filter(|c| question.is_deep || !c.is_deep).copied().collect();
    let dead = dead_alarms(&asked, &when);
    store.read(|connection| {
        let lines: Vec<Line> = asked.iter().map(|check| line(check, connection, &when, &dead)).collect();
        let ground =
            Ground { is_anything_sold: checks::is_anything_sold(connection)?, is_every_alarm_alive: dead.is_empty() };
        let at_risk = risk::at_risk(connection)?;
        let self_test = SelfTest { planted: asked.len(), caught: asked.len() - dead.len() };
        let known = KnownThrough::read(connection)?;
        Ok(answer(question, &asked, lines, ground, known, at_risk, self_test))
    })
}

/// The checks that did not notice what was planted for them, and why.
fn dead_alarms(asked: &[Check], when: &When) -> BTreeMap<&'static str, String> {
    match drill(asked, when) {
        Ok(drilled) => drilled.into_iter().filter_map(|d| d.why.map(|why| (d.id, why))).collect(),
        Err(error) => asked.iter().map(|c| (c.id, format!("no healthy book could be made: {error}"))).collect(),
    }
}

fn line(check: &Check, connection: &Connection, when: &When, dead: &BTreeMap<&str, String>) -> Line {
    let (status, found, detail) = match (check.look(connection, when), dead.get(check.id)) {
        (Err(error), _) => (Status::Unknown, Vec::new(), Some(format!("it could not look: {error}"))),
        // What it found is shown even when the alarm is not to be trusted; what it did not find proves nothing.
        (Ok(found), why) if !found.is_empty() => (Status::Fail, found, why.map(|why| format!("dead alarm: {why}"))),
        (Ok(_), Some(why)) => (Status::Unknown, Vec::new(), Some(format!("dead alarm: {why}"))),
        (Ok(_), None) => (Status::Pass, Vec::new(), None),
    };
    let more = found.len().saturating_sub(SHOWN_MAX);
    let detail = detail.or((more > 0).then(|| format!("and {more} more")));
    let action = (status != Status::Pass).then(|| check.action.to_owned());
    let violations = found.len();
    let found = found.into_iter().take(SHOWN_MAX).map(|Finding { id, what }| Found { id, what }).collect();
    Line {
        id: check.id.to_owned(),
        title: check.title.to_owned(),
        group: check.group.word().to_owned(),
        weight: check.weight,
        status,
        violations,
        detail,
        found,
        action,
    }
}

fn answer(
    question: &Question<'_>,
    asked: &[Check],
    lines: Vec<Line>,
    ground: Ground,
    known_through: KnownThrough,
    at_risk: Vec<risk::Risk>,
    self_test: SelfTest,
) -> Answer {
    let count = |(check, line): (&Check, &Line)| Counted {
        group: check.group,
        weight: check.weight,
        cap: check.cap,
        status: line.status,
    };
    let counted: Vec<Counted> = asked.iter().zip(&lines).map(count).collect();
    let judgement = judge(&counted, ground);
    let is = |group| boolean(&counted, group, ground);
    let at_risk = at_risk.into_iter().map(|risk| AtRisk {
        currency: risk.amount.currency.code().to_owned(),
        amount: Some(risk.amount.decimal()),
        reason: risk.reason,
        count: risk.count,
    });
    Answer {
        centralized_sale_creation: is(Group::CentralizedSaleCreation),
        webhook_bypass_detected: is(Group::WebhookBypassDetected),
        duplicate_payout_risk: is(Group::DuplicatePayoutRisk),
        fee_calculation_strict: is(Group::FeeCalculationStrict),
        net_profit_validated: is(Group::NetProfitValidated),
        overall_financial_integrity_score: judgement.score,
        verdict: judgement.verdict.word().to_owned(),
        checked_at: question.now,
        build: question.build.to_owned(),
        is_deep: question.is_deep,
        self_test,
        known_through,
        money_at_risk: at_risk.collect(),
        checks: lines,
    }
}

#[cfg(test)]
mod tests;
