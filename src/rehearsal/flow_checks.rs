//! Two questions about the rows of one order that must both be answered with nothing: was anything done twice or by two
//! hands at once, and is a field empty that its stage cannot do without. Pure: they look at evidence and judge nothing
//! else.

use super::compare::Comparison;
use crate::domain::money::Money;
use crate::domain::order::{Buyer, Origin};
use crate::store::evidence::{ClaimSeen, Evidence, PayoutSeen};
use std::collections::BTreeMap;

/// Signs of a race, each with the rows behind it. Empty = none found.
pub fn races(evidence: &Evidence, books: Option<&Comparison>) -> Vec<String> {
    let mut found = claim_races(evidence);
    found.extend(purchase_races(evidence));
    found.extend(payout_races(evidence));
    let sales = evidence.entries.iter().filter(|e| e.kind == "sale");
    let sales: Vec<String> = sales.map(|e| e.id.to_string()).collect();
    if sales.len() > 1 {
        found.push(format!("the sale is booked twice: entries {}", sales.join(", ")));
    }
    if evidence.order.origin == Origin::PurchaseOnly && (evidence.sale.is_some() || !evidence.payouts.is_empty()) {
        found.push(format!("a trial purchase became more than that: order {}", evidence.order.id));
    }
    if let Some(books) = books {
        found.extend(books.doubles.iter().map(|double| format!("the far side did it twice: {double}")));
        // While the order is on its way the far side may be ahead of what was seen of it.
        let apart = books.rows.iter().filter(|row| evidence.order.closed_at.is_some() && !row.agrees());
        found.extend(apart.map(|row| {
            let say = |side: Option<Money>| side.map_or("nothing".to_owned(), |money| money.to_string());
            format!("the far side has {} and we have {}: {} {}", say(row.theirs), say(row.ours), row.kind, row.id)
        }));
    }
    found
}

fn claim_races(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut slots: BTreeMap<&str, Vec<&ClaimSeen>> = BTreeMap::new();
    for claim in &evidence.claims {
        slots.entry(&claim.slot).or_default().push(claim);
    }
    for (slot, claims) in slots {
        let live: Vec<&str> = claims.iter().filter(|c| c.state != "void").map(|c| c.key.as_str()).collect();
        if live.len() > 1 {
            found.push(format!("{slot} has {} live claims: {}", live.len(), live.join(", ")));
        }
        let in_order = claims.iter().zip(1..).all(|(claim, attempt)| claim.attempt == attempt);
        if !in_order {
            let keys: Vec<String> = claims.iter().map(|c| format!("{} (attempt {})", c.key, c.attempt)).collect();
            found.push(format!("{slot} lacks an attempt: {}", keys.join(", ")));
        }
    }
    let resent = evidence.claims.iter().filter(|c| c.state == "pending" && c.unknown_at.is_some() && c.sends > 1);
    found.extend(resent.map(|c| format!("sent {} times with an unknown outcome: claim {}", c.sends, c.key)));
    found
}

fn purchase_races(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let paid: Vec<_> = evidence.supplier_orders.iter().filter(|o| o.state == "paid").collect();
    let is_void = |key: &str| evidence.claims.iter().any(|c| c.key == key && c.state == "void");
    for order in paid.iter().filter(|o| is_void(&o.key)) {
        found.push(format!("paid under a void claim: supplier order {}, claim {}", order.id, order.key));
    }
    if let Some(first) = paid.first()
        && let Some(other) = paid.iter().find(|o| o.key != first.key)
    {
        let keys = format!("claims {} and {}", first.key, other.key);
        found.push(format!("two purchases were paid: supplier orders {} and {}, {keys}", first.id, other.id));
    }
    let placed: Vec<String> =
        evidence.events.iter().filter(|(_, kind, _)| kind == "placed").map(|(seq, ..)| seq.to_string()).collect();
    let claims = evidence.claims.iter().filter(|c| c.placed_at.is_some()).count();
    if placed.len() > claims {
        found.push(format!("{claims} purchases were placed {} times: events {}", placed.len(), placed.join(", ")));
    }
    found
}

fn payout_races(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let arrived: Vec<&PayoutSeen> =
        evidence.payouts.iter().filter(|p| p.item_status.as_deref() == Some("SUCCESS")).collect();
    for recipient in ["platform", "seller"] {
        let twice: Vec<&str> = arrived.iter().filter(|p| p.recipient == recipient).map(|p| p.key.as_str()).collect();
        if twice.len() > 1 {
            found.push(format!("the {recipient} was paid {} times: claims {}", twice.len(), twice.join(", ")));
        }
    }
    let state = |key: &str| evidence.claims.iter().find(|c| c.key == key).map(|c| c.state.as_str());
    let void = arrived.iter().filter(|p| state(&p.key) == Some("void"));
    found.extend(void.map(|p| format!("paid under a void claim: claim {}", p.key)));
    let entries: Vec<_> = evidence.entries.iter().filter(|e| e.kind == "payout").collect();
    let known = |reference: &str| arrived.iter().any(|p| p.transaction_id.as_deref() == Some(reference));
    let strange = entries.iter().filter(|e| !known(&e.reference));
    found.extend(strange.map(|e| format!("booked and not paid: entry {}, transaction {}", e.id, e.reference)));
    found
}

/// Fields that are empty although the stage needs them, by table, column and row. Empty = none.
pub fn nulls(evidence: &Evidence) -> Vec<String> {
    let order = &evidence.order;
    let mut found = Vec::new();
    let mut need = |is_there: bool, field: &str, row: &str| {
        if !is_there {
            found.push(format!("{field} of {row}"));
        }
    };
    let row = format!("order {}", order.id);
    need(order.paid_at.is_some(), "orders.paid_at", &row);
    need(order.lines > 0, "order_lines", &row);
    for (field, is_there) in buyer_fields(evidence.buyer.as_ref()) {
        need(is_there, field, &row);
    }
    for claim in &evidence.claims {
        let row = format!("claim {}", claim.key);
        let settled = claim.state != "pending";
        need(!settled || claim.journal_seq.is_some(), "claims.journal_seq", &row);
        need(claim.state != "void" || claim.refusal.is_some(), "claims.refusal", &row);
        let placed = claim.slot == "purchase" && claim.state == "done";
        need(!placed || claim.placed_at.is_some(), "purchases.placed_at", &row);
        let has_orders = evidence.supplier_orders.iter().any(|o| o.key == claim.key);
        need(!placed || has_orders, "supplier_orders.id", &row);
        need(claim.slot != "purchase" || claim.guards > 0, "guard_readings", &row);
    }
    let booked =
        |kind: &str, reference: &str| evidence.entries.iter().any(|e| e.kind == kind && e.reference == reference);
    for supplier_order in evidence.supplier_orders.iter().filter(|o| o.state == "paid") {
        let row = format!("supplier order {}", supplier_order.id);
        need(supplier_order.total.is_some(), "supplier_orders.total_minor", &row);
        need(supplier_order.paid_at.is_some(), "supplier_orders.paid_at", &row);
        need(booked("supplier_paid", &supplier_order.id), "entries (supplier_paid)", &row);
    }
    need(evidence.sale.is_none() || booked("sale", &order.id.0), "entries (sale)", &row);
    let is_done = |key: &str| evidence.claims.iter().any(|c| c.key == key && c.state == "done");
    for payout in evidence.payouts.iter().filter(|p| is_done(&p.key)) {
        let row = format!("claim {}", payout.key);
        need(payout.batch_id.is_some(), "payouts.batch_id", &row);
        need(payout.item_id.is_some(), "payouts.item_id", &row);
        need(payout.item_status.is_some(), "payouts.item_status", &row);
        need(payout.transaction_id.is_some(), "payouts.transaction_id", &row);
        need(payout.fee_minor.is_some(), "payouts.fee_minor", &row);
        let transaction = payout.transaction_id.as_deref().unwrap_or("");
        need(booked("payout", transaction), "entries (payout)", &row);
    }
    found
}

/// What a test order was taken with and delivery needs.
fn buyer_fields(buyer: Option<&Buyer>) -> Vec<(&'static str, bool)> {
    let nobody = Buyer::default();
    let buyer = buyer.unwrap_or(&nobody);
    let address = &buyer.address;
    let fields = [
        ("buyers.name", &buyer.name),
        ("buyers.email", &buyer.email),
        ("buyers.phone", &buyer.phone),
        ("buyers.line1", &address.line1),
        ("buyers.city", &address.city),
        ("buyers.province", &address.province),
        ("buyers.postal_code", &address.postal_code),
        ("buyers.country", &address.country),
    ];
    fields.into_iter().map(|(name, value)| (name, value.as_deref().is_some_and(|v| !v.trim().is_empty()))).collect()
}
