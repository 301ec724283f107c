//! One value of a report: a verdict, and the evidence it ends with.

use crate::domain::hold::HoldCode;
use serde::{Serialize, Serializer};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// It happened and went wrong, or a far side refused.
    Failed,
    /// It goes on by itself, or waits for an event from outside.
    Pending,
    /// Our own rule or a human stands before it.
    Blocked,
    /// It does not belong to this flow.
    Skipped,
}

/// One line of the report: a verdict, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub verdict: Verdict,
    pub evidence: String,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "OK",
            Verdict::Failed => "FAILED",
            Verdict::Pending => "PENDING",
            Verdict::Blocked => "BLOCKED",
            Verdict::Skipped => "SKIPPED",
        }
    }

    /// Of two verdicts about parts of one thing, the one that counts for the whole.
    pub fn worse(self, other: Verdict) -> Verdict {
        let order = [Verdict::Failed, Verdict::Blocked, Verdict::Pending, Verdict::Ok, Verdict::Skipped];
        order.into_iter().find(|v| *v == self || *v == other).unwrap_or(self)
    }
}

impl Value {
    pub fn ok(evidence: impl Into<String>) -> Value {
        Value { verdict: Verdict::Ok, evidence: evidence.into() }
    }

    pub fn failed(evidence: impl Into<String>) -> Value {
        Value { verdict: Verdict::Failed, evidence: evidence.into() }
    }

    pub fn pending(evidence: impl Into<String>) -> Value {
        Value { verdict: Verdict::Pending, evidence: evidence.into() }
    }

    pub fn blocked(evidence: impl Into<String>) -> Value {
        Value { verdict: Verdict::Blocked, evidence: evidence.into() }
    }

    pub fn skipped(evidence: impl Into<String>) -> Value {
        Value { verdict: Verdict::Skipped, evidence: evidence.into() }
    }

    pub fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    /// OK or SKIPPED.
    pub fn is_good(&self) -> bool {
        matches!(self.verdict, Verdict::Ok | Verdict::Skipped)
    }

    /// A refusal of a far side is a failure; everything else stops for a human.
    pub fn held(code: HoldCode, evidence: String) -> Value {
        use HoldCode::{CaptureRefused, ExpiredUnpaid, PayoutProblem, PayoutRefused, ProgramFault, PurchaseRefused};
        let refused = [CaptureRefused, ExpiredUnpaid, PayoutProblem, PayoutRefused, ProgramFault, PurchaseRefused];
        if refused.contains(&code) { Value::failed(evidence) } else { Value::blocked(evidence) }
    }

    /// The same verdict about something more exact.
    pub fn of(self, what: &str) -> Value {
        Value { evidence: format!("{what}; {}", self.evidence), ..self }
    }

    /// The value of something that comes after this one, which is not OK.
    pub fn before(&self, name: &str) -> Value {
        let evidence = format!("after {name}: {}", self.evidence);
        match self.verdict {
            Verdict::Failed | Verdict::Blocked => Value::blocked(evidence),
            Verdict::Pending | Verdict::Ok => Value::pending(evidence),
            Verdict::Skipped => Value::skipped(evidence),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verdict.word(), self.evidence)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_value_that_is_not_ok_is_not_ok_either() {
        let check = |verdict: Verdict, expected: &str| {
            let value = Value { verdict, evidence: "claim K".to_owned() };
            assert_eq!(value.before("EXECUTE_PURCHASE").to_string(), expected);
        };
        check(Verdict::Failed, "BLOCKED after EXECUTE_PURCHASE: claim K");
        check(Verdict::Blocked, "BLOCKED after EXECUTE_PURCHASE: claim K");
        check(Verdict::Pending, "PENDING after EXECUTE_PURCHASE: claim K");
        check(Verdict::Skipped, "SKIPPED after EXECUTE_PURCHASE: claim K");
    }

    #[test]
    fn a_whole_is_as_bad_as_its_worst_part() {
        use Verdict::{Blocked, Failed, Ok, Pending, Skipped};
        let check = |a: Verdict, b: Verdict, expected: Verdict| {
            assert_eq!((a.worse(b), b.worse(a)), (expected, expected), "{a:?} {b:?}");
        };
        check(Ok, Ok, Ok);
        check(Ok, Pending, Pending);
        check(Pending, Blocked, Blocked);
        check(Blocked, Failed, Failed);
        check(Skipped, Ok, Ok);
    }

    #[test]
    fn l26_a_refusal_is_a_failure_and_a_rule_of_ours_blocks() {
        let check = |code: HoldCode, expected: Verdict| {
            assert_eq!(Value::held(code, String::new()).verdict, expected, "{code}");
        };
        check(HoldCode::PurchaseRefused, Verdict::Failed);
        check(HoldCode::PayoutRefused, Verdict::Failed);
        check(HoldCode::Guard, Verdict::Blocked);
        check(HoldCode::PurchaseUnknown, Verdict::Blocked);
        check(HoldCode::NoToken, Verdict::Blocked);
    }
}
