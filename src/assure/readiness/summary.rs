//! The summary: one value per question, each beginning with its word and ending with the row or outside id that proves
//! it and the far side it was obtained from. In sandbox mode nothing is called real.

use super::{Evidence, Installation, Phase, Status, Summary};
use crate::domain::order::Mode;
use crate::store::road::Road;

pub(super) fn summary(at: &Installation, evidence: &Evidence, phases: &[Phase]) -> Summary {
    let is_sandbox = at.settings.mode == Mode::Sandbox;
    let real = |value: (Status, String)| said(is_sandbox, &value);
    let road = evidence.road.as_ref();
    Summary {
        migration_applied: migration(evidence),
        integrity_score: score(evidence),
        real_order_created: real(order(at, road)),
        real_purchase_executed: real(purchase(at, road)),
        real_sale_created: real(sale(road)),
        payout_executed: real(payout(at, road)),
        database_flag_confirmed: word(&flag(at, evidence)),
        system_ready_for_real_customer_test: ready(at, is_sandbox, phases),
        rehearsal_passed: is_sandbox.then(|| rehearsed(at, phases)),
    }
}

/// In sandbox mode a thing that was done was rehearsed, and is not real.
fn said(is_sandbox: bool, value: &(Status, String)) -> String {
    match value {
        (Status::Ok, evidence) if is_sandbox => format!("No; rehearsed: {evidence}"),
        (_, evidence) if is_sandbox => format!("No; {evidence}"),
        value => word(value),
    }
}

fn word((status, evidence): &(Status, String)) -> String {
    let word = match status {
        Status::Ok => "Yes",
        Status::Skipped => "N/A",
        Status::Pending => "PENDING",
        Status::Unknown => "UNKNOWN",
        Status::Fail => "No",
    };
    format!("{word}; {evidence}")
}

fn migration(evidence: &Evidence) -> String {
    let schema = evidence.schema;
    let word = if schema.found == schema.known { "Yes" } else { "No" };
    format!("{word}; our database has schema version {}, this program knows {}", schema.found, schema.known)
}

fn score(evidence: &Evidence) -> String {
    let Some(answer) = &evidence.integrity else { return "UNKNOWN; no check of our database has run".to_owned() };
    let failed = answer.checks.iter().filter(|line| line.status == crate::assure::score::Status::Fail);
    let failed: Vec<&str> = failed.map(|line| line.id.as_str()).collect();
    let named = if failed.is_empty() { String::new() } else { format!(", failed: {}", failed.join(", ")) };
    let told = format!("{} on our database at {}{named}", answer.verdict, answer.checked_at);
    match answer.overall_financial_integrity_score {
        Some(score) => format!("{score}; {told}"),
        None => format!("UNKNOWN; {told}"),
    }
}

pub(super) fn order(at: &Installation, road: Option<&Road>) -> (Status, String) {
    let Some(road) = road else { return (Status::Fail, "there is no order in our database".to_owned()) };
    match (road.origin.as_str(), &road.capture) {
        ("checkout", Some(capture)) => {
            (Status::Ok, format!("order {}, capture {capture} at {}", road.order, at.paypal))
        }
        ("checkout", None) => (Status::Pending, format!("order {} waits for its capture at {}", road.order, at.paypal)),
        (origin, _) => (Status::Ok, format!("order {} in our database, origin {origin}", road.order)),
    }
}

pub(super) fn purchase(at: &Installation, road: Option<&Road>) -> (Status, String) {
    let bought = road.filter(|road| !road.purchases.is_empty());
    let Some(road) = bought else {
        return (Status::Fail, format!("nothing was bought at {}{}", at.aliexpress, of_order(road)));
    };
    let ids: Vec<&str> = road.purchases.iter().map(|(id, _)| id.as_str()).collect();
    let ids = ids.join(", ");
    match road.purchases.iter().all(|(_, is_paid)| *is_paid) {
        true => (Status::Ok, format!("supplier order {ids} at {}, paid", at.aliexpress)),
        false => (Status::Pending, format!("supplier order {ids} at {} is placed and not paid", at.aliexpress)),
    }
}

pub(super) fn sale(road: Option<&Road>) -> (Status, String) {
    match road.and_then(|road| Some((road, road.sold_at?))) {
        Some((road, at)) => (Status::Ok, format!("sale {} in our database, recorded {at}", road.order)),
        None => (Status::Fail, format!("no sale is recorded in our database{}", of_order(road))),
    }
}

pub(super) fn payout(at: &Installation, road: Option<&Road>) -> (Status, String) {
    if at.settings.policy.payouts.is_none() {
        return (Status::Skipped, format!("payouts are off, nothing is sent through {}", at.paypal));
    }
    let sold = road.filter(|road| road.sold_at.is_some());
    let Some(road) = sold else {
        return (Status::Fail, format!("no sale, so nothing was paid out through {}{}", at.paypal, of_order(road)));
    };
    let told: Vec<String> = road
        .payouts
        .iter()
        .map(|leg| {
            let transaction = leg.transaction_id.as_deref().unwrap_or("no transaction");
            format!("{} {} {transaction}", leg.recipient, leg.status.as_deref().unwrap_or("not seen"))
        })
        .collect();
    let told = if told.is_empty() { "no leg is claimed".to_owned() } else { told.join(", ") };
    let told = format!("sale {}: {told}", road.order);
    let done = road.payouts.iter().filter(|leg| leg.is_done && leg.transaction_id.is_some()).count();
    let is_done = road.legs > 0 && u32::try_from(done) == Ok(road.legs);
    let has_failed = road.payouts.iter().any(|leg| {
        ["FAILED", "RETURNED", "BLOCKED", "REFUNDED", "REVERSED", "DENIED"]
            .contains(&leg.status.as_deref().unwrap_or(""))
    });
    match (road.legs, is_done, has_failed) {
        (0, ..) => (Status::Skipped, format!("the sale {} left nothing to pay out through {}", road.order, at.paypal)),
        (_, true, _) => (Status::Ok, format!("{told} at {}", at.paypal)),
        (_, _, true) => (Status::Fail, format!("{told} at {}", at.paypal)),
        _ => (Status::Pending, format!("{told} at {}", at.paypal)),
    }
}

/// Which order it is that has not come so far.
fn of_order(road: Option<&Road>) -> String {
    road.map(|road| format!(", order {}", road.order)).unwrap_or_default()
}

/// The flag as a second, read-only connection sees it.
pub(super) fn flag(at: &Installation, evidence: &Evidence) -> (Status, String) {
    let second = match &evidence.second {
        Ok(second) => second,
        Err(reason) => return (Status::Unknown, format!("our database could not be opened a second time: {reason}")),
    };
    let order = evidence.road.as_ref().map_or("-", |road| road.order.0.as_str());
    let owes = evidence.road.as_ref().is_some_and(|road| road.legs > 0);
    match second.payout_executed {
        Some(true) => {
            (Status::Ok, format!("payout_executed of sale {order}, read through a second connection to our database"))
        }
        Some(false) if at.settings.policy.payouts.is_none() => {
            (Status::Skipped, format!("payouts are off; sale {order} in our database has no flag to set"))
        }
        Some(false) if !owes => (Status::Skipped, format!("sale {order} in our database left nothing to pay out")),
        Some(false) => (Status::Pending, format!("payout_executed of sale {order} in our database is not set")),
        None => {
            let of = of_order(evidence.road.as_ref());
            (Status::Fail, format!("our database has no sale that could bear the flag{of}"))
        }
    }
}

fn ready(at: &Installation, is_sandbox: bool, phases: &[Phase]) -> String {
    if is_sandbox {
        return "FALSE; the mode of our database is sandbox".to_owned();
    }
    let rows = phases.iter().flat_map(|phase| &phase.rows);
    let wanting: Vec<&str> = rows.filter(|row| !row.status.is_green()).map(|row| row.id.as_str()).collect();
    match wanting.is_empty() {
        true => {
            let parts: Vec<&str> = at.not_built.iter().map(|(part, _)| *part).collect();
            let unjudged = if parts.is_empty() {
                String::new()
            } else {
                format!("; not built yet, so not judged: {}", parts.join(", "))
            };
            format!("TRUE; every row of our database and of the far sides is green{unjudged}")
        }
        false => format!("FALSE; wanting: {}", wanting.join(", ")),
    }
}

fn rehearsed(at: &Installation, phases: &[Phase]) -> String {
    let rows = || phases.iter().flat_map(|phase| &phase.rows);
    let of = |wanted: &[Status]| -> Vec<&str> {
        rows().filter(|row| wanted.contains(&row.status)).map(|row| row.id.as_str()).collect()
    };
    let (failed, unknown) = (of(&[Status::Fail, Status::Pending]), of(&[Status::Unknown]));
    if !failed.is_empty() {
        return format!("FALSE; did not hold: {}", failed.join(", "));
    }
    if !unknown.is_empty() {
        return format!("UNKNOWN; could not be told: {}", unknown.join(", "));
    }
    format!("TRUE; every row held, and the books of {} and {} agree with ours", at.paypal, at.aliexpress)
}
