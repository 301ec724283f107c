//! What has to hold before a test flow may spend real money: the build, the service, the migration and the connectors
//! are green, no check is violated and every check has caught its planted fault. Phases 4 to 6 are what the flow itself
//! turns green, so they cannot be asked for. Pure.

use super::integrity::Answer;
use super::readiness::{Report, Row, Status};
use super::score::Verdict;

/// The phases of the report that are asked.
const PHASES: [u32; 4] = [0, 1, 2, 7];

/// The rows that stand in the way. Empty = it may begin.
pub fn in_the_way(report: &Report, check: &Answer) -> Vec<Row> {
    let asked = report.phases.iter().filter(|phase| PHASES.contains(&phase.number));
    // A phase that is not in the report was not looked at.
    let absent = PHASES.iter().filter(|number| !report.phases.iter().any(|phase| phase.number == **number));
    let absent = absent.map(|number| wanting("phase", format!("phase {number} is not in the report")));
    let mut rows: Vec<Row> =
        asked.flat_map(|phase| &phase.rows).filter(|row| !row.status.is_green()).cloned().chain(absent).collect();
    if check.verdict() == Verdict::Violated {
        let failed = check.checks.iter().filter(|line| line.status == super::score::Status::Fail);
        let failed: Vec<&str> = failed.map(|line| line.id.as_str()).collect();
        rows.push(wanting("verdict", format!("VIOLATED: {}", failed.join(", "))));
    }
    let tested = check.self_test;
    if tested.planted == 0 || tested.caught != tested.planted {
        rows.push(wanting("planted_faults", format!("{} of {} were caught", tested.caught, tested.planted)));
    }
    rows
}

fn wanting(id: &str, value: String) -> Row {
    Row { id: id.to_owned(), status: Status::Fail, value, warning: None, fix: Some("postsale check".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assure::integrity::{Question, SelfTest};
    use crate::assure::readiness::{Phase, Summary};
    use jiff::{SignedDuration, Timestamp};

    fn report(statuses: &[(u32, Status)]) -> Report {
        let phase = |number: u32| {
            let given = statuses.iter().find(|(n, _)| *n == number).map_or(Status::Ok, |(_, status)| *status);
            let id = format!("row{number}");
            let row = Row { id, status: given, value: String::new(), warning: None, fix: None };
            Phase { number, name: String::new(), status: given, rows: vec![row] }
        };
        let text = String::new;
        Report {
            title: text(),
            generated: Timestamp::UNIX_EPOCH,
            project: text(),
            environment: text(),
            service: text(),
            build: text(),
            summary: Summary {
                migration_applied: text(),
                integrity_score: text(),
                real_order_created: text(),
                real_purchase_executed: text(),
                real_sale_created: text(),
                payout_executed: text(),
                database_flag_confirmed: text(),
                system_ready_for_real_customer_test: text(),
                rehearsal_passed: None,
            },
            phases: (0..8).map(phase).collect(),
            blockers: Vec::new(),
            next_steps: Vec::new(),
        }
    }

    fn checked(verdict: &str, planted: usize, caught: usize) -> Answer {
        let ladder = SignedDuration::ZERO;
        let question = Question { now: Timestamp::UNIX_EPOCH, build: "b", is_deep: false, ladder };
        let mut answer = Answer::unasked(&question);
        (answer.verdict, answer.self_test) = (verdict.to_owned(), SelfTest { planted, caught });
        answer
    }

    #[test]
    fn l3_real_money_waits_behind_every_gate() {
        use Status::{Fail, Pending, Skipped, Unknown};
        let check = |statuses: &[(u32, Status)], answer: Answer, expected: &[&str]| {
            let rows = in_the_way(&report(statuses), &answer);
            let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
            assert_eq!(ids, expected, "{statuses:?}");
        };
        check(&[], checked("PROVEN", 9, 9), &[]);
        // Nothing is sold yet: null is allowed, and so is what the flow itself turns green.
        let not_yet = [(3, Unknown), (4, Pending), (5, Pending), (6, Fail)];
        check(&not_yet, checked("NOT_PROVEN", 9, 9), &[]);
        check(&[(7, Skipped)], checked("NOT_PROVEN", 9, 9), &[]);
        for phase in PHASES {
            for status in [Fail, Unknown, Pending] {
                check(&[(phase, status)], checked("PROVEN", 9, 9), &[&format!("row{phase}")]);
            }
        }
        check(&[], checked("VIOLATED", 9, 9), &["verdict"]);
        check(&[], checked("NOT_PROVEN", 9, 8), &["planted_faults"]);
        check(&[], checked("NOT_PROVEN", 0, 0), &["planted_faults"]);
        let mut short = report(&[]);
        short.phases.pop();
        assert_eq!(in_the_way(&short, &checked("PROVEN", 9, 9)).len(), 1, "what was not looked at is not green");
    }
}
