//! How values are written: money as a decimal string, instants as RFC 3339. These two functions are the only ones that
//! write them, so that no amount ever leaves as a number.

use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::Money;
use crate::domain::trade::Stage;
use crate::store::views::OrderRow;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The amount without its currency, which stands beside it.
pub(super) fn amount(money: Money) -> Value {
    money.decimal().into()
}

/// `null` where it is not known.
pub(super) fn amount_opt(money: Option<Money>) -> Value {
    money.map_or(Value::Null, amount)
}

pub(super) fn at(instant: Timestamp) -> Value {
    instant.to_string().into()
}

pub(super) fn at_opt(instant: Option<Timestamp>) -> Value {
    instant.map_or(Value::Null, at)
}

/// One order in a list. It holds nothing about the buyer.
pub(super) fn order_row(row: &OrderRow) -> Value {
    json!({
        "id": row.id.0, "origin": row.origin, "channel": row.channel, "channelOrderId": row.channel_order_id,
        "stage": row.stage, "waitsFor": row.waits_for,
        "total": amount(row.total), "currency": row.total.currency.code(),
        "createdAt": at(row.created_at), "nextLookAt": at_opt(row.next_look_at), "closedAt": at_opt(row.closed_at),
    })
}

/// The hold that stands in an order's row, as the engine wrote it there. `None` = it is not held.
pub(super) fn hold_of(row: &OrderRow) -> Option<Hold> {
    if row.stage != Stage::Held.word() {
        return None;
    }
    let (code, detail) = row.waits_for.split_once(": ")?;
    Some(Hold::new(HoldCode::parse(code)?, detail))
}

/// Where a human pays one supplier order. The id is digits by the schema.
pub(super) fn pay_url(supplier_order_id: &str) -> String {
    format!("https://www.aliexpress.com/p/order/detail.html?orderId={supplier_order_id}")
}
