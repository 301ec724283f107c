//! The payout rows of a flow's report: was every leg handed to PayPal, did every one arrive (L19), and does the file
//! itself say so.

use super::flow_report::Judge;
use super::flow_value::{Value, Verdict};
use crate::domain::money::Money;
use crate::store::evidence::{ClaimSeen, PayoutSeen};

/// What is owed to one recipient, and what became of the last attempt to pay it.
struct LegSeen<'a> {
    recipient: &'static str,
    amount: Money,
    claim: Option<&'a ClaimSeen>,
    payout: Option<&'a PayoutSeen>,
}

/// PayPal has taken every leg in hand.
pub(super) fn triggered(judge: &Judge<'_>, sold: &Value) -> Value {
    match not_due(judge, sold) {
        Some(value) => value,
        None => together(legs(judge).iter().map(|leg| leg_triggered(judge, leg))),
    }
}

/// Every leg is SUCCESS with a transaction id.
pub(super) fn executed(judge: &Judge<'_>, sold: &Value) -> Value {
    match not_due(judge, sold) {
        Some(value) => value,
        None => together(legs(judge).iter().map(|leg| leg_executed(judge, leg))),
    }
}

/// `payout_executed` as the second connection read it, against the proof.
pub(super) fn flag(judge: &Judge<'_>, sold: &Value, executed: &Value, flag: Option<bool>) -> Value {
    if let Some(value) = not_due(judge, sold) {
        return value;
    }
    let read = format!("read through a second, read-only connection: sale {}", judge.id());
    match (flag, executed.is_ok()) {
        (Some(true), true) => Value::ok(format!("payout_executed = 1 {read}")),
        (Some(true), false) => Value::failed(format!("payout_executed = 1 without proof of every leg, {read}")),
        (Some(false), true) => Value::failed(format!("payout_executed = 0 although every leg arrived, {read}")),
        (Some(false), false) => executed.before("PAYOUT_EXECUTED"),
        (None, _) => Value::failed(format!("no such row {read}")),
    }
}

/// Why no payout is due at all. `None` = there are legs.
fn not_due(judge: &Judge<'_>, sold: &Value) -> Option<Value> {
    if judge.is_purchase_only() {
        return Some(match judge.evidence.payouts.first() {
            Some(payout) => Value::failed(format!("a trial purchase was paid out: claim {}", payout.key)),
            None => judge.purchase_only(),
        });
    }
    let Some(seen) = &judge.evidence.sale else { return Some(sold.before("SALE_CREATED")) };
    if seen.sale.rule.is_none() {
        return Some(Value::skipped(format!("payouts off: sale {}", judge.id())));
    }
    let no_leg = !seen.platform_leg.is_positive() && !seen.seller_leg.is_positive();
    no_leg.then(|| Value::skipped(format!("no leg is due from a profit of {}: sale {}", seen.sale.profit, judge.id())))
}

fn legs<'a>(judge: &Judge<'a>) -> Vec<LegSeen<'a>> {
    let evidence = judge.evidence;
    let Some(seen) = &evidence.sale else { return Vec::new() };
    let both = [("platform", "payout:platform", seen.platform_leg), ("seller", "payout:seller", seen.seller_leg)];
    let due = both.into_iter().filter(|(_, _, amount)| amount.is_positive());
    let seen = due.map(|(recipient, slot, amount)| {
        let claim = evidence.claims.iter().rfind(|c| c.slot == slot);
        let payout = claim.and_then(|c| evidence.payouts.iter().find(|p| p.key == c.key));
        LegSeen { recipient, amount, claim, payout }
    });
    seen.collect()
}

fn leg_triggered(judge: &Judge<'_>, leg: &LegSeen<'_>) -> Value {
    let who = format!("{} {}", leg.recipient, leg.amount);
    let Some(claim) = leg.claim else { return judge.standing().of(&who) };
    let paypal = &judge.setting.paypal;
    if let Some(batch) = leg.payout.and_then(|p| p.batch_id.as_deref()) {
        return Value::ok(format!("{who} taken by {paypal}: batch {batch}, claim {}", claim.key));
    }
    let at = format!("claim {}, sent {} times", claim.key, claim.sends);
    let hold = judge.evidence.hold.as_ref().map(|(seq, _)| format!(", hold {seq}")).unwrap_or_default();
    match (&claim.refusal, claim.unknown_at, claim.not_before) {
        (Some(refusal), None, Some(again)) if claim.state == "pending" => {
            Value::pending(format!("{who}: {paypal} says {refusal}; again at {again} ({at})"))
        }
        (Some(refusal), None, _) => Value::failed(format!("{who}: {paypal} says {refusal} ({at}{hold})")),
        _ => judge.standing().of(&format!("{who} has no batch yet: {at}")),
    }
}

fn leg_executed(judge: &Judge<'_>, leg: &LegSeen<'_>) -> Value {
    let (Some(claim), Some(payout)) = (leg.claim, leg.payout) else {
        return leg_triggered(judge, leg).before("PAYOUT_TRIGGERED");
    };
    let Some(batch) = &payout.batch_id else { return leg_triggered(judge, leg).before("PAYOUT_TRIGGERED") };
    let (who, paypal) = (format!("{} {}", leg.recipient, leg.amount), &judge.setting.paypal);
    let item = payout.item_id.as_deref().map(|id| format!("item {id}, ")).unwrap_or_default();
    let at = format!("{item}batch {batch}, claim {}", claim.key);
    match (claim.state.as_str(), payout.item_status.as_deref(), &payout.transaction_id) {
        ("done", Some("SUCCESS"), Some(transaction)) if claim.amount == leg.amount => {
            Value::ok(format!("{who} arrived at {paypal}: transaction {transaction}, {at}"))
        }
        ("done", _, _) => Value::failed(format!("{who} counts as done without proof of it: {at}")),
        ("void", status, _) => {
            let why = claim.refusal.as_deref().or(status).unwrap_or("no reason kept");
            Value::failed(format!("{who}: {paypal} says {why} ({at})"))
        }
        (_, Some("BLOCKED" | "OTHER"), _) => judge.standing().of(&format!("{who}: {at}")),
        (_, status, _) => {
            Value::pending(format!("{who} is {} at {paypal}: {at}", status.unwrap_or("not worked on yet")))
        }
    }
}

/// One value of several legs: the worst of them, with the evidence of all.
fn together(values: impl Iterator<Item = Value>) -> Value {
    let values: Vec<Value> = values.collect();
    let verdict = values.iter().map(|v| v.verdict).reduce(Verdict::worse).unwrap_or(Verdict::Skipped);
    let told: Vec<&str> = values.iter().filter(|v| v.verdict == verdict).map(|v| v.evidence.as_str()).collect();
    Value { verdict, evidence: told.join("; ") }
}
