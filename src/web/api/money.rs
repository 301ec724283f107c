//! Recorded sales and payouts, listed and one by one. A sale has the id of its order, a payout its key, which is also
//! the batch id PayPal knows. Whom a payout went to is a recipient here, never an address.

use super::desk::Desk;
use super::json::{amount, amount_opt, at, at_opt};
use super::order_json;
use super::paging::{Page, only};
use crate::domain::order::OrderId;
use crate::store::money_views::{self, PayoutRow, SaleRow};
use crate::store::to_ms;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde_json::{Value, json};

pub(super) fn sales(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["limit", "cursor"])?;
    let page = Page::of(request)?;
    let mut rows = desk.engine.store.read(|c| money_views::sales(c, page.after.as_ref(), page.wanted()))?;
    let next = page.cut(&mut rows, |row| (to_ms(row.sale.recorded_at), row.order.0.clone()));
    let rows: Vec<Value> = rows.iter().map(sale_json).collect();
    Ok(Response::json(200, &json!({ "sales": rows, "nextCursor": next })))
}

pub(super) fn sale(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let id = OrderId(request.param("id").to_owned());
    let (row, payouts) = desk.engine.store.read(|c| {
        let row = money_views::sale(c, &id)?.ok_or_else(|| Problem::not_found("There is no sale of this id."))?;
        Ok::<_, Problem>((row, money_views::payouts_of(c, &id)?))
    })?;
    let mut whole = sale_json(&row);
    whole["payouts"] = payouts.iter().map(payout_json).collect();
    Ok(Response::json(200, &whole))
}

pub(super) fn payouts(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["limit", "cursor"])?;
    let page = Page::of(request)?;
    let mut rows = desk.engine.store.read(|c| money_views::payouts(c, page.after.as_ref(), page.wanted()))?;
    let next = page.cut(&mut rows, |row| (to_ms(row.claimed_at), row.key.clone()));
    let rows: Vec<Value> = rows.iter().map(payout_json).collect();
    Ok(Response::json(200, &json!({ "payouts": rows, "nextCursor": next })))
}

pub(super) fn payout(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let found = desk.engine.store.read(|c| money_views::payout(c, request.param("id")))?;
    match found {
        Some(row) => Ok(Response::json(200, &payout_json(&row))),
        None => Err(Problem::not_found("There is no payout of this id.")),
    }
}

fn sale_json(row: &SaleRow) -> Value {
    let mut whole = order_json::sale(&row.sale);
    whole["id"] = row.order.0.clone().into();
    whole["orderId"] = row.order.0.clone().into();
    whole["channel"] = row.channel.clone().into();
    let leg = |(recipient, owed): &(crate::domain::claim::Recipient, crate::domain::money::Money)| json!({ "recipient": recipient.word(), "amount": amount(*owed), "currency": owed.currency.code() });
    whole["legs"] = row.legs.iter().filter(|(_, owed)| owed.is_positive()).map(leg).collect();
    whole
}

pub(super) fn payout_json(row: &PayoutRow) -> Value {
    json!({
        "id": row.key, "orderId": row.order.0, "recipient": row.recipient, "attempt": row.attempt,
        "amount": amount(row.amount), "currency": row.amount.currency.code(),
        "state": row.state, "isUnknown": row.is_unknown, "status": row.status,
        "batchId": row.batch_id, "transactionId": row.transaction_id, "returnId": row.return_id, "fee": amount_opt(row.fee),
        "refusal": row.refusal, "claimedAt": at(row.claimed_at), "settledAt": at_opt(row.settled_at),
    })
}
