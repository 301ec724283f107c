//! `postsale orders`: which orders there are, everything about one, and what happened to it. A list never shows a
//! buyer; the page of one order does, because whoever asks for it has the database anyway.

use super::args::Filter;
use super::exit::Failure;
use super::order_page;
use super::page::{Facts, Rows, pretty};
use super::sources::{Joined, Sources};
use crate::domain::order::OrderId;
use crate::domain::trade::Stage;
use crate::store::events::{self, Event};
use crate::store::views::{self, OrderFilter, OrderRow};
use crate::store::{Store, StoreError, ledger, purchases, rates, trades};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// More in one go would be a report, not a list.
const LIMIT_MAX: u32 = 10_000;

pub fn list(sources: &Sources, filter: &Filter, as_json: bool) -> Result<String, Failure> {
    let filter = meant(filter).map_err(Failure::Senseless)?;
    let orders = sources.join()?.store.read(|connection| views::orders(connection, &filter))?;
    let rows = Rows(orders.iter().map(row).collect());
    if as_json {
        return Ok(pretty(&rows.json()));
    }
    Ok(rows.text().unwrap_or_else(|| "No such order.\n".to_owned()))
}

pub fn show(sources: &Sources, text: &str, as_json: bool) -> Result<String, Failure> {
    let Joined { config, store, .. } = sources.join()?;
    let id = find(&store, text)?;
    let page = store.read(|connection| {
        let view = views::order(connection, &id)?.ok_or_else(|| gone(&id))?;
        let trade = trades::load(connection, &config.shop.id, &id)?;
        let parcels = match &trade.purchase {
            Some(purchase) => purchases::parcels(connection, &purchase.claim.key)?,
            None => Vec::new(),
        };
        let reckoned = rates::reckoned_of(connection, &id)?;
        let postings = ledger::of_order(connection, &id)?;
        let events = events::of_order(connection, &id)?;
        Ok::<_, StoreError>(order_page::page(&view, &trade, &parcels, &reckoned, &postings, timeline_rows(&events)))
    })?;
    Ok(if as_json { pretty(&order_page::json(&page)) } else { order_page::text(&page) })
}

pub fn timeline(sources: &Sources, text: &str, as_json: bool) -> Result<String, Failure> {
    let store = sources.join()?.store;
    let id = find(&store, text)?;
    let rows = timeline_rows(&store.read(|connection| events::of_order(connection, &id))?);
    Ok(if as_json { pretty(&rows.json()) } else { rows.text().unwrap_or_default() })
}

fn meant(filter: &Filter) -> Result<OrderFilter, String> {
    if let Some(unknown) = filter.stage.as_deref().filter(|word| Stage::parse(word).is_none()) {
        let words: Vec<&str> = Stage::ALL.iter().map(|stage| stage.word()).collect();
        return Err(format!("--stage {unknown}: there are {}", words.join(", ")));
    }
    if !(1..=LIMIT_MAX).contains(&filter.limit) {
        return Err(format!("--limit: between 1 and {LIMIT_MAX}"));
    }
    Ok(OrderFilter {
        stage: filter.stage.clone(),
        since: filter.since.as_deref().map(instant).transpose()?,
        text: filter.q.clone(),
        after: None,
        most: filter.limit,
    })
}

/// A day begins at midnight, UTC.
fn instant(text: &str) -> Result<Timestamp, String> {
    let wanted = || format!("--since {text}: wanted a day or an instant, such as 2026-01-31 or 2026-01-31T08:00:00Z");
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // A date's own parser would read the day of an instant without a zone and drop the rest.
    let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    let midnight = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    midnight.map(|midnight| midnight.timestamp()).ok_or_else(wanted)
}

/// The one order that is meant: by its id, or by a part that no other has.
pub(super) fn find(store: &Store, text: &str) -> Result<OrderId, Failure> {
    let id = OrderId(text.to_owned());
    if store.read(|connection| views::order(connection, &id))?.is_some() {
        return Ok(id);
    }
    let filter = OrderFilter { text: Some(text.to_owned()), most: 2, ..OrderFilter::default() };
    let mut found = store.read(|connection| views::orders(connection, &filter))?;
    match found.len() {
        0 => Err(Failure::NotThere(format!("there is no order {text}"))),
        1 => Ok(found.remove(0).id),
        _ => Err(Failure::NotThere(format!("more than one order has {text} in its id: type more of it"))),
    }
}

fn gone(id: &OrderId) -> StoreError {
    StoreError::Unreadable(format!("there is no order {id}"))
}

fn row(order: &OrderRow) -> Facts {
    Facts::default()
        .with("id", &order.id.0)
        .with("stage", &order.stage)
        .with("total", order.total)
        .with("origin", &order.origin)
        .with("channel", &order.channel)
        .with("channelOrderId", &order.channel_order_id)
        .with("createdAt", order.created_at)
        .with("nextLookAt", order.next_look_at)
        .with("waitsFor", &order.waits_for)
}

fn timeline_rows(events: &[Event]) -> Rows {
    let row =
        |event: &Event| Facts::default().with("at", event.at).with("kind", &event.kind).with("detail", &event.detail);
    Rows(events.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants_are_read() {
        let check = |text: &str, expected: Option<&str>| {
            let read = instant(text).ok().map(|at| at.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("2026-01-31", Some("2026-01-31T00:00:00Z"));
        check("2026-01-31T08:00:00Z", Some("2026-01-31T08:00:00Z"));
        check("2026-01-31T08:00:00+02:00", Some("2026-01-31T06:00:00Z"));
        check("2026-01-31T08:00:00", None);
        check("2026-02-30", None);
        check("yesterday", None);
    }

    #[test]
    fn filters_that_mean_nothing_are_refused() {
        let filter = |stage: Option<&str>, limit| {
            meant(&Filter { stage: stage.map(str::to_owned), since: None, q: None, limit })
        };
        assert_eq!(filter(Some("held"), 5).unwrap().most, 5);
        assert!(filter(Some("hold"), 5).unwrap_err().contains("there are refunded, cancelled, held"));
        assert!(filter(None, 0).is_err() && filter(None, 10_001).is_err());
    }
}
