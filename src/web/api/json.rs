//! How values are written: money as a decimal string, instants as RFC 3339. Only what stands here writes amounts, so
//! that none ever leaves as a number.

use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::{Currency, Money};
use crate::store::views::OrderRow;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
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

/// An amount inside a derived form, written as [`amount`] writes it.
pub(super) struct Amount(pub Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.decimal())
    }
}

/// A currency's code.
pub(super) struct Code(pub Currency);

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.code())
    }
}

/// One order in a list. It holds nothing about the buyer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderShown<'a> {
    id: &'a str,
    origin: &'a str,
    channel: &'a str,
    channel_order_id: &'a str,
    stage: &'a str,
    waits_for: &'a str,
    total: Amount,
    currency: Code,
    created_at: Timestamp,
    next_look_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
}

pub(super) fn order_shown(row: &OrderRow) -> OrderShown<'_> {
    OrderShown {
        id: &row.id.0,
        origin: &row.origin,
        channel: &row.channel,
        channel_order_id: &row.channel_order_id,
        stage: &row.stage,
        waits_for: &row.waits_for,
        total: Amount(row.total),
        currency: Code(row.total.currency),
        created_at: row.created_at,
        next_look_at: row.next_look_at,
        closed_at: row.closed_at,
    }
}

/// The same as a value that more can be added to.
pub(super) fn order_row(row: &OrderRow) -> Value {
    json!(order_shown(row))
}

/// The hold that stands in an order's row, as the engine wrote it there; one that is cancelled or refunded may be held
/// too. `None` = it is not held.
pub(super) fn hold_of(row: &OrderRow) -> Option<Hold> {
    let (code, detail) = row.waits_for.split_once(": ")?;
    Some(Hold::new(HoldCode::parse(code)?, detail))
}

/// Where a human pays one supplier order. The id is digits by the schema.
pub(super) fn pay_url(supplier_order_id: &str) -> String {
    format!("https://www.aliexpress.com/p/order/detail.html?orderId={supplier_order_id}")
}
