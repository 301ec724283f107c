//! `postsale check`: the integrity check on the rows as they are, beside a running server or without one. It only
//! reads; its answer is printed and not stored.

use super::assemble::{Outside, settings};
use super::exit::{Exit, Failure};
use super::page::pretty;
use super::say;
use super::sources::{Joined, Sources};
use crate::assure::integrity::{self, Answer, Line, Question};
use crate::assure::score::{Status, Verdict};
use std::fmt::Write;

/// Exit 0: proven. 2: violated. 3: not proven.
pub fn check(sources: &Sources, is_deep: bool, as_json: bool) -> Result<Exit, Failure> {
    let Joined { config, secrets, store, clock } = sources.join()?;
    let settings = settings(&config, &Outside::described(&config, &secrets), String::new());
    let question = Question { now: clock.now(), build: super::COMMIT, is_deep, ladder: settings.policy.ladder() };
    let answer = integrity::check(&store, &question)?;
    say(&if as_json { pretty(&serde_json::json!(answer)) } else { text(&answer) })?;
    Ok(exit(answer.verdict()))
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Proven => Exit::Good,
        Verdict::Violated => Exit::NotGood,
        Verdict::NotProven => Exit::Unknown,
    }
}

pub(super) fn text(answer: &Answer) -> String {
    let score = answer.overall_financial_integrity_score.map_or("null".to_owned(), |score| score.to_string());
    let mut text = format!("{} with score {score}\n\n", answer.verdict);
    for (name, is) in [
        ("centralizedSaleCreation", answer.centralized_sale_creation),
        ("webhookBypassDetected", answer.webhook_bypass_detected),
        ("duplicatePayoutRisk", answer.duplicate_payout_risk),
        ("feeCalculationStrict", answer.fee_calculation_strict),
        ("netProfitValidated", answer.net_profit_validated),
    ] {
        let _ = writeln!(text, "  {name:<24} {}", is.map_or("null".to_owned(), |is| is.to_string()));
    }
    let passed = answer.checks.iter().filter(|line| line.status == Status::Pass).count();
    let self_test = answer.self_test;
    let _ = writeln!(text, "\n  {passed} of {} checks passed", answer.checks.len());
    let _ = writeln!(text, "  {} of {} planted faults were caught", self_test.caught, self_test.planted);
    for risk in &answer.money_at_risk {
        let amount = risk.amount.as_deref().unwrap_or("-");
        let _ = writeln!(text, "  at risk: {amount} {}, {} in {} orders", risk.currency, risk.reason, risk.count);
    }
    for line in answer.checks.iter().filter(|line| line.status != Status::Pass) {
        text.push_str(&objection(line));
    }
    text
}

fn objection(line: &Line) -> String {
    let word = if line.status == Status::Fail { "FAIL" } else { "UNKNOWN" };
    let mut text = format!("\n{word} {}: {}\n", line.id, line.title);
    for found in &line.found {
        let _ = writeln!(text, "  {}: {}", found.id, found.what);
    }
    for (label, words) in [("detail", &line.detail), ("do", &line.action)] {
        if let Some(words) = words {
            let _ = writeln!(text, "  {label}: {words}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn answer() -> Answer {
        let ladder = SignedDuration::from_hours(1);
        Answer::unasked(&Question { now: jiff::Timestamp::UNIX_EPOCH, build: "b", is_deep: false, ladder })
    }

    #[test]
    fn each_verdict_has_its_exit_code() {
        let check = |verdict, expected| assert_eq!(exit(verdict), expected);
        check(Verdict::Proven, Exit::Good);
        check(Verdict::Violated, Exit::NotGood);
        check(Verdict::NotProven, Exit::Unknown);
    }

    #[test]
    fn a_failed_check_is_printed_with_what_to_do() {
        let mut answer = answer();
        assert!(text(&answer).starts_with("NOT_PROVEN with score null\n"), "{}", text(&answer));
        answer.checks.push(Line {
            id: "books_add_up".to_owned(),
            title: "the books add up".to_owned(),
            group: "netProfitValidated".to_owned(),
            weight: 5,
            status: Status::Fail,
            violations: 1,
            detail: None,
            found: vec![integrity::Found { id: "o1".to_owned(), what: "one cent is missing".to_owned() }],
            action: Some("postsale orders show o1".to_owned()),
        });
        let text = text(&answer);
        for part in ["FAIL books_add_up: the books add up", "o1: one cent is missing", "do: postsale orders show o1"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
