//! Refunds of captures, and what PayPal says is in the account.

use super::transactions::instant;
use super::{Call, Operation, PayPal, amounts, plain, unreadable};
use crate::domain::money::{Currency, Money};
use crate::gateway::json::Node;
use crate::gateway::{CallError, words};
use jiff::Timestamp;
use serde_json::json;

/// One refund. The amount is always written out: an empty body would mean "whatever is left".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    pub amount: Money,
    /// Unique per refund: PayPal's second guard beside the key. 1 to 127 characters of `[A-Za-z0-9-]`.
    pub invoice_id: String,
    /// Our refund's id, 1 to 127 characters of `[A-Za-z0-9-]`.
    pub custom_id: String,
    /// Shown to the buyer, at most 255 characters are sent. `None`: nothing.
    pub note: Option<String>,
}

words! {
    /// What became of a refund. `Pending` is not final.
    RefundStatus {
        Completed = "COMPLETED",
        Pending = "PENDING",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
    }
}

/// A refund as an answer showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundSeen {
    pub id: String,
    pub status: RefundStatus,
    /// Why it is pending, in PayPal's word.
    pub reason: Option<String>,
    /// What the buyer gets back. `None`: the answer was short, look it up.
    pub amount: Option<Money>,
    /// The part of its fee that PayPal gave back, often none.
    pub fee_returned: Option<Money>,
    /// What left our account.
    pub net: Option<Money>,
    pub custom_id: Option<String>,
    pub invoice_id: Option<String>,
    pub created_at: Option<Timestamp>,
}

/// The account in one currency, as PayPal reports it: up to three hours old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    pub currency: Currency,
    pub available: Money,
    /// Held by PayPal. `None`: not said.
    pub withheld: Option<Money>,
    pub total: Money,
    /// The instant the amounts are of. `None`: not said.
    pub as_of: Option<Timestamp>,
    /// Until when the report knows. `None`: not said.
    pub refreshed_at: Option<Timestamp>,
}

/// The bytes of a refund call. Pure. An error says what PayPal could not express.
pub fn refund_body(refund: &RefundRequest) -> Result<Vec<u8>, String> {
    for (what, id) in [("invoice id", &refund.invoice_id), ("custom id", &refund.custom_id)] {
        let fit = (1..=127).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !fit {
            return Err(format!("the {what} must have 1 to 127 letters, digits and hyphens"));
        }
    }
    let mut body = json!({
        "amount": { "currency_code": refund.amount.currency.code(), "value": amounts::decimal(refund.amount)? },
        "invoice_id": refund.invoice_id,
        "custom_id": refund.custom_id,
    });
    if let Some(note) = refund.note.as_ref().filter(|n| !n.is_empty()) {
        body["note_to_payer"] = json!(note.chars().take(255).collect::<String>());
    }
    Ok(body.to_string().into_bytes())
}

impl PayPal {
    /// **Moves money.** Gives money of a capture back, with the bytes of [`refund_body`].
    pub fn refund(&self, now: Timestamp, capture_id: &str, key: &str, body: &[u8]) -> Result<RefundSeen, CallError> {
        let has_amount = Node::parse(body).is_some_and(|b| amounts::read(b.at("amount")).is_some());
        if !has_amount {
            return Err(CallError::refused_here("a refund without an amount would give back all that is left"));
        }
        let path = format!("/v2/payments/captures/{}/refund", plain("capture", capture_id)?);
        let call = Call::post(Operation::Refund, path, Some(key), body);
        read_refund(&self.answer(now, &call)?).ok_or_else(|| unreadable(call.operation, "no id or no status"))
    }

    /// Looks a refund up.
    pub fn refund_seen(&self, now: Timestamp, refund_id: &str) -> Result<RefundSeen, CallError> {
        let path = format!("/v2/payments/refunds/{}", plain("refund", refund_id)?);
        let call = Call::look_up(Operation::RefundSeen, path);
        let seen = read_refund(&self.answer(now, &call)?);
        seen.filter(|r| r.id == refund_id).ok_or_else(|| unreadable(call.operation, "no id, no status or another id"))
    }

    /// What PayPal says is in the account, by currency. Needs the permission for reporting: without it `Refused`.
    pub fn balances(&self, now: Timestamp) -> Result<Vec<Balance>, CallError> {
        let call = Call::look_up(Operation::Balances, "/v1/reporting/balances".to_owned());
        let node = self.answer(now, &call)?;
        let times = (instant(node.at("as_of_time")), instant(node.at("last_refresh_time")));
        let rows = node.at("balances").items().iter().map(|row| read_balance(row, times)).collect::<Option<_>>();
        rows.ok_or_else(|| unreadable(call.operation, "a balance without a total or an available amount"))
    }
}

pub(super) fn read_refund(node: &Node) -> Option<RefundSeen> {
    let breakdown = node.at("seller_payable_breakdown");
    Some(RefundSeen {
        id: node.at("id").owned()?,
        status: RefundStatus::from_word(node.at("status").text()?),
        reason: node.at("status_details").at("reason").owned(),
        amount: amounts::read(node.at("amount")),
        fee_returned: amounts::read(breakdown.at("paypal_fee")),
        net: amounts::read(breakdown.at("net_amount")),
        custom_id: node.at("custom_id").owned(),
        invoice_id: node.at("invoice_id").owned(),
        created_at: node.at("create_time").text().and_then(|t| t.parse().ok()),
    })
}

fn read_balance(row: &Node, (as_of, refreshed_at): (Option<Timestamp>, Option<Timestamp>)) -> Option<Balance> {
    let total = amounts::read(row.at("total_balance"))?;
    let withheld = amounts::read(row.at("withheld_balance"));
    Some(Balance {
        currency: total.currency,
        available: amounts::read(row.at("available_balance"))?,
        withheld,
        total,
        as_of,
        refreshed_at,
    })
}
