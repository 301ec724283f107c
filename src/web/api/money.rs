//! Recorded sales and payouts, listed and one by one. A sale has the id of its order, a payout its key, which is also
//! the batch id PayPal knows. Whom a payout went to is a recipient here, never an address.

use super::desk::Desk;
use super::json::{Amount, Code};
use super::order_json::{self, Sums};
use super::paging::{Page, only};
use crate::domain::claim::Recipient;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::store::money_views::{self, PayoutRow, SaleRow};
use crate::store::to_ms;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

pub(super) fn sales(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["limit", "cursor"])?;
    let page = Page::of(request)?;
    let mut rows = desk.engine.store.read(|c| money_views::sales(c, page.after.as_ref(), page.wanted()))?;
    let next = page.cut(&mut rows, |row| (to_ms(row.sale.recorded_at), row.order.0.clone()));
    Ok(Response::json(200, &Sales { sales: rows.iter().map(shown).collect(), next_cursor: next }))
}

pub(super) fn sale(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let id = OrderId(request.param("id").to_owned());
    let (row, payouts) = desk.engine.store.read(|c| {
        let row = money_views::sale(c, &id)?.ok_or_else(|| Problem::not_found("There is no sale of this id."))?;
        Ok::<_, Problem>((row, money_views::payouts_of(c, &id)?))
    })?;
    let whole = WholeSale { sale: shown(&row), payouts: payouts.iter().map(payout_shown).collect() };
    Ok(Response::json(200, &whole))
}

pub(super) fn payouts(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["limit", "cursor"])?;
    let page = Page::of(request)?;
    let mut rows = desk.engine.store.read(|c| money_views::payouts(c, page.after.as_ref(), page.wanted()))?;
    let next = page.cut(&mut rows, |row| (to_ms(row.claimed_at), row.key.clone()));
    Ok(Response::json(200, &Payouts { payouts: rows.iter().map(payout_shown).collect(), next_cursor: next }))
}

pub(super) fn payout(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let found = desk.engine.store.read(|c| money_views::payout(c, request.param("id")))?;
    match found {
        Some(row) => Ok(Response::json(200, &payout_shown(&row))),
        None => Err(Problem::not_found("There is no payout of this id.")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sales<'a> {
    sales: Vec<SaleShown<'a>>,
    next_cursor: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payouts<'a> {
    payouts: Vec<PayoutShown<'a>>,
    next_cursor: Value,
}

/// One recorded sale. Lists are written from values as they are: building a tree of each row first took most of an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SaleShown<'a> {
    id: &'a str,
    order_id: &'a str,
    channel: &'a str,
    #[serde(flatten)]
    sale: Sums,
    legs: Vec<Leg>,
}

#[derive(Serialize)]
struct Leg {
    recipient: &'static str,
    amount: Amount,
    currency: Code,
}

/// A sale with every attempt to pay its legs.
#[derive(Serialize)]
struct WholeSale<'a> {
    #[serde(flatten)]
    sale: SaleShown<'a>,
    payouts: Vec<PayoutShown<'a>>,
}

fn shown(row: &SaleRow) -> SaleShown<'_> {
    let leg = |(recipient, owed): &(Recipient, Money)| Leg {
        recipient: recipient.word(),
        amount: Amount(*owed),
        currency: Code(owed.currency),
    };
    SaleShown {
        id: &row.order.0,
        order_id: &row.order.0,
        channel: &row.channel,
        sale: order_json::sums(&row.sale),
        legs: row.legs.iter().filter(|(_, owed)| owed.is_positive()).map(leg).collect(),
    }
}

/// One attempt to pay a leg.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PayoutShown<'a> {
    id: &'a str,
    order_id: &'a str,
    recipient: &'a str,
    attempt: u32,
    amount: Amount,
    currency: Code,
    state: &'a str,
    is_unknown: bool,
    status: Option<&'a str>,
    batch_id: Option<&'a str>,
    transaction_id: Option<&'a str>,
    return_id: Option<&'a str>,
    fee: Option<Amount>,
    refusal: Option<&'a str>,
    claimed_at: Timestamp,
    settled_at: Option<Timestamp>,
}

pub(super) fn payout_shown(row: &PayoutRow) -> PayoutShown<'_> {
    PayoutShown {
        id: &row.key,
        order_id: &row.order.0,
        recipient: &row.recipient,
        attempt: row.attempt,
        amount: Amount(row.amount),
        currency: Code(row.amount.currency),
        state: &row.state,
        is_unknown: row.is_unknown,
        status: row.status.as_deref(),
        batch_id: row.batch_id.as_deref(),
        transaction_id: row.transaction_id.as_deref(),
        return_id: row.return_id.as_deref(),
        fee: row.fee.map(Amount),
        refusal: row.refusal.as_deref(),
        claimed_at: row.claimed_at,
        settled_at: row.settled_at,
    }
}
