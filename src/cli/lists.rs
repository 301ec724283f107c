//! `postsale queue`, `payouts` and `tokens`: what needs a person, what was paid out, and until when we are let in. They
//! read the rows beside a running server. No payee's address and no secret is printed, only whether one is there.

use super::assemble::{Outside, settings};
use super::exit::Failure;
use super::page::{Facts, Rows, pretty};
use super::sources::{Joined, Sources};
use crate::domain::hold::HoldCode;
use crate::engine::release::{LOST_ADVICE, Standing};
use crate::engine::told::{UNPLACED_ADVICE, UNPLACED_SHOWN};
use crate::engine::{ALIEXPRESS, login};
use crate::store::StoreError;
use crate::store::doubts::{self, Forgotten};
use crate::store::inbox::{self, Unplaced};
use crate::store::money_views::{self, PayoutRow};
use crate::store::queue::{self, QueueRow};
use crate::store::tokens;

/// More in one go would be a report, not a list.
const MOST: u32 = 1000;

/// Every order that needs a person, the oldest first; then what the journal knows of orders that are not here, and what
/// PayPal told of and no order is known for.
pub fn queue(sources: &Sources, as_json: bool) -> Result<String, Failure> {
    let Joined { config, secrets, store, clock } = sources.join()?;
    let settings = settings(&config, &Outside::described(&config, &secrets), String::new());
    let now = clock.now();
    let (rows, lost, unplaced, standing, outlook) = store.read(|connection| {
        let rows = queue::list(connection, None, MOST, now)?;
        let (lost, unplaced) = (doubts::lost(connection)?, inbox::unplaced(connection, now - UNPLACED_SHOWN, MOST)?);
        let (standing, outlook) = (Standing::of(connection, &settings)?, login::outlook(connection, now)?);
        Ok::<_, StoreError>((rows, lost, unplaced, standing, outlook))
    })?;
    // What concerns no single order and will hold all of them.
    outlook.ends.iter().chain(&outlook.trouble).for_each(|notice| log::warn!("{notice}"));
    let of_nobody = lost.iter().map(forgotten).chain(unplaced.iter().map(of_no_order));
    let rows = Rows(rows.iter().map(queued).chain(of_nobody).collect());
    let above: String = standing.lines(&sources.typed()).into_iter().map(|line| format!("{line}\n")).collect();
    let above = if as_json { String::new() } else { above };
    Ok(above + &shown(&rows, as_json, "No order needs a person.\n"))
}

fn forgotten(line: &Forgotten) -> Facts {
    let slot = line.slot.as_deref().unwrap_or("a word");
    Facts::default()
        .with("id", &line.order.0)
        .with("stage", "forgotten")
        .with("since", line.said_at)
        .with("waitsFor", format!("the intent journal knows a {slot} of this order, and the database does not know it"))
        .with("atRisk", line.amount.map(|amount| format!("{amount} a {slot} of unknown outcome")))
        .with("supplierOrders", None::<String>)
        .with("advice", LOST_ADVICE)
}

fn of_no_order(event: &Unplaced) -> Facts {
    Facts::default()
        .with("id", &event.event_id)
        .with("stage", "unplaced")
        .with("since", event.received_at)
        .with("waitsFor", format!("{} told {} about {}", event.provider, event.kind, event.names.join(", ")))
        .with("atRisk", None::<String>)
        .with("supplierOrders", None::<String>)
        .with("advice", UNPLACED_ADVICE)
}

fn queued(row: &QueueRow) -> Facts {
    let code = row.order.waits_for.split(": ").next().and_then(HoldCode::parse);
    let advice = code.map_or("pay exactly these orders on the supplier's site", HoldCode::advice);
    let risks: Vec<String> = row.at_risk.iter().map(|(money, reason)| format!("{money} {reason}")).collect();
    let unpaid = Some(row.unpaid.join(", ")).filter(|ids| !ids.is_empty());
    Facts::default()
        .with("id", &row.order.id.0)
        .with("stage", &row.order.stage)
        .with("since", row.since)
        .with("waitsFor", &row.order.waits_for)
        .with("atRisk", Some(risks.join("; ")).filter(|text| !text.is_empty()))
        .with("supplierOrders", unpaid)
        .with("advice", advice)
}

/// Payouts, the newest first.
pub fn payouts(sources: &Sources, as_json: bool) -> Result<String, Failure> {
    let rows = sources.join()?.store.read(|connection| money_views::payouts(connection, None, MOST))?;
    let rows = Rows(rows.iter().map(paid).collect());
    Ok(shown(&rows, as_json, "Nothing was paid out.\n"))
}

fn paid(row: &PayoutRow) -> Facts {
    Facts::default()
        .with("id", &row.key)
        .with("order", &row.order.0)
        .with("recipient", &row.recipient)
        .with("amount", row.amount)
        .with("state", &row.state)
        .with("isUnknown", row.is_unknown)
        .with("status", row.status.as_deref())
        .with("transactionId", row.transaction_id.as_deref())
        .with("claimedAt", row.claimed_at)
        .with("settledAt", row.settled_at)
}

/// Which secrets are configured and from where, and until when the supplier login is good.
pub fn tokens(sources: &Sources, as_json: bool) -> Result<String, Failure> {
    let Joined { secrets, store, .. } = sources.join()?;
    let login = store.read(|connection| tokens::find(connection, ALIEXPRESS))?;
    let secret = |variable| {
        let place = secrets.origin(variable);
        entry(variable, place.is_some(), place, (None, None))
    };
    let mut rows: Vec<Facts> = secrets.all().into_iter().map(|(variable, _)| secret(variable)).collect();
    let until = login.as_ref().map(|login| login.access_expires_at);
    let refresh_until = login.as_ref().and_then(|login| login.refresh_expires_at);
    rows.push(entry("AliExpress login", login.is_some(), None, (until, refresh_until)));
    Ok(shown(&Rows(rows), as_json, ""))
}

fn entry(
    name: &str,
    is_there: bool,
    place: Option<&str>,
    (until, refresh_until): (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
) -> Facts {
    Facts::default()
        .with("name", name)
        .with("isConfigured", is_there)
        .with("from", place)
        .with("until", until)
        .with("refreshUntil", refresh_until)
}

fn shown(rows: &Rows, as_json: bool, none: &str) -> String {
    if as_json { pretty(&rows.json()) } else { rows.text().unwrap_or_else(|| none.to_owned()) }
}
