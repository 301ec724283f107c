//! Reading orders: the list, one order whole, its timeline. Only the whole order holds the buyer's data.

use super::desk::Desk;
use super::json::{OrderShown, at, order_shown};
use super::order_json::{Papers, order_json};
use super::paging::{Page, bad, only};
use crate::domain::order::OrderId;
use crate::domain::purchase::Purchase;
use crate::domain::trade::Stage;
use crate::store::views::{OrderFilter, OrderRow};
use crate::store::{self, to_ms};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Newest first; filters `stage`, `since` (created then or later) and `q` (part of an id).
pub(super) fn list(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["stage", "since", "q", "limit", "cursor"])?;
    let page = Page::of(request)?;
    let filter = OrderFilter {
        stage: stage(request.query_value("stage"))?,
        since: since(request.query_value("since"))?,
        text: request.query_value("q").filter(|q| !q.is_empty()).map(str::to_owned),
        after: page.after.clone(),
        most: page.wanted(),
    };
    let mut rows = desk.engine.store.read(|c| store::views::orders(c, &filter))?;
    let next = page.cut(&mut rows, |row| (to_ms(row.created_at), row.id.0.clone()));
    Ok(Response::json(200, &Orders { orders: rows.iter().map(order_shown).collect(), next_cursor: next }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Orders<'a> {
    orders: Vec<OrderShown<'a>>,
    next_cursor: Value,
}

fn stage(word: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(word) = word else { return Ok(None) };
    match Stage::parse(word) {
        Some(stage) => Ok(Some(stage.word().to_owned())),
        None => {
            let words: Vec<&str> = Stage::ALL.iter().map(|s| s.word()).collect();
            Err(bad("stage", &format!("one of {}", words.join(", "))))
        }
    }
}

fn since(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let wanted = "a time with its offset, such as 2030-01-31T12:00:00Z";
    text.map(|text| text.parse().map_err(|_| bad("since", wanted))).transpose()
}

pub(super) fn show(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let id = OrderId(request.param("id").to_owned());
    let shop = &desk.engine.settings.shop;
    let papers = desk.engine.store.read(|c| {
        let row = known(c, &id)?;
        let trade = store::trades::load(c, shop, &id)?;
        let (guards, parcels) = match &trade.purchase {
            Some(Purchase { claim, .. }) => {
                (store::purchases::readings(c, &claim.key)?, store::purchases::parcels(c, &claim.key)?)
            }
            None => (Vec::new(), Vec::new()),
        };
        Ok::<_, Problem>(Papers {
            row,
            guards,
            parcels,
            reckoned: store::rates::reckoned_of(c, &id)?,
            decline_issue: store::checkouts::decline_issue(c, &id)?,
            versions: store::sales::versions(c, &id)?,
            payouts: store::money_views::payouts_of(c, &id)?,
            postings: store::ledger::of_order(c, &id)?,
            trade,
        })
    })?;
    Ok(Response::json(200, &order_json(&papers)))
}

pub(super) fn timeline(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let id = OrderId(request.param("id").to_owned());
    let events = desk.engine.store.read(|c| {
        known(c, &id)?;
        Ok::<_, Problem>(store::events::of_order(c, &id)?)
    })?;
    let events: Vec<Value> =
        events.iter().map(|e| json!({ "seq": e.seq, "at": at(e.at), "kind": e.kind, "detail": e.detail })).collect();
    Ok(Response::json(200, &json!({ "orderId": id.0, "events": events })))
}

/// The row of an order, or 404.
pub(super) fn known(connection: &rusqlite::Connection, id: &OrderId) -> Result<OrderRow, Problem> {
    store::views::order(connection, id)?.ok_or_else(|| Problem::not_found("There is no order of this id."))
}
