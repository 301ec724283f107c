//! What the far sides' own book says of one case. Our rows are not asked what moved.

use super::stage::Standing;
use serde_json::Value;
use std::collections::BTreeMap;

/// What was done more than once, and what is wrong besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub double_purchases: usize,
    pub double_payouts: usize,
    /// `None` = nothing is wrong.
    pub wrong: Option<String>,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.double_purchases == 0 && self.double_payouts == 0 && self.wrong.is_none()
    }
}

/// Judges by the book. `end` is where the order stands at last; `None`: nowhere that is an end.
pub fn judge(book: &Value, end: Option<&Standing>) -> Verdict {
    let rows = |kind: &str| book[kind].as_array().cloned().unwrap_or_default();
    let captures = rows("captures").iter().filter(|c| c["status"] != "DECLINED" && c["status"] != "FAILED").count();
    let refunds = rows("refunds").len();
    let purchases = rows("purchases").iter().filter(|p| p["endReason"].is_null() || !p["paidAt"].is_null()).count();
    let mut receivers: BTreeMap<String, usize> = BTreeMap::new();
    for payout in rows("payouts") {
        *receivers.entry(payout["receiver"].to_string()).or_default() += 1;
    }
    let wrong = match end {
        _ if captures > 1 => Some(format!("captured {captures} times")),
        _ if refunds > 1 => Some(format!("given back {refunds} times")),
        None => Some("neither closed nor in the queue with a reason".to_owned()),
        Some(end) if end.stage == "held" && !end.waits_for.contains(": ") => {
            Some("in the queue without a reason".to_owned())
        }
        Some(end) if end.stage == "refunded" && refunds != 1 => Some("refunded, and nothing was given back".to_owned()),
        // Closed: the whole road once, or nothing moved at all.
        Some(end) if end.stage == "closed" => {
            let moved = (captures, purchases, receivers.len(), end.payout_executed);
            let is_whole = moved == (1, 1, 2, true) || moved == (0, 0, 0, false);
            (!is_whole).then(|| format!("closed with captures, purchases, payouts, flag {moved:?}"))
        }
        Some(_) => None,
    };
    Verdict {
        double_purchases: purchases.saturating_sub(1),
        double_payouts: receivers.values().map(|n| n.saturating_sub(1)).sum(),
        wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_book_is_believed() {
        let capture = || json!({"status": "COMPLETED"});
        let bought = || json!({"endReason": null, "paidAt": "2026-01-01"});
        let paid = |who: &str| json!({ "receiver": who });
        let check =
            |captures: &[Value], purchases: &[Value], payouts: &[Value], end: Option<(&str, &str)>, expected| {
                let book = json!({ "captures": captures, "purchases": purchases, "payouts": payouts });
                let end = end.map(|(stage, why)| Standing {
                    stage: stage.to_owned(),
                    waits_for: why.to_owned(),
                    payout_executed: !payouts.is_empty(),
                });
                let verdict = judge(&book, end.as_ref());
                let told = (verdict.double_purchases, verdict.double_payouts, verdict.wrong.is_some());
                assert_eq!(told, expected, "{book} {end:?}");
            };
        let (closed, held) = (Some(("closed", "")), Some(("held", "purchase_unknown: no answer")));
        check(&[capture()], &[bought()], &[paid("a"), paid("b")], closed, (0, 0, false));
        check(&[], &[], &[], closed, (0, 0, false));
        check(&[capture()], &[bought()], &[], held, (0, 0, false));
        check(&[capture()], &[bought()], &[], closed, (0, 0, true));
        check(&[capture()], &[bought()], &[], None, (0, 0, true));
        check(&[capture()], &[], &[], Some(("held", "")), (0, 0, true));
        check(&[capture(), capture()], &[bought()], &[paid("a"), paid("b")], closed, (0, 0, true));
        check(&[capture()], &[bought(), bought()], &[paid("a"), paid("b")], held, (1, 0, false));
        check(&[capture()], &[bought()], &[paid("a"), paid("b"), paid("b")], held, (0, 1, false));
        check(&[capture()], &[bought()], &[paid("a"), paid("b")], Some(("refunded", "closed")), (0, 0, true));
        let closed_unpaid = json!({"endReason": "buyer_cancel", "paidAt": null});
        check(&[capture()], &[bought(), closed_unpaid], &[paid("a"), paid("b")], closed, (0, 0, false));
    }
}
