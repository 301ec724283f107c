//! Payouts: one item per batch, because PayPal protects the batch id and nothing else.

use super::{Call, Operation, PayPal, amounts, errors, plain, success, unreadable};
use crate::domain::money::Money;
use crate::gateway::json::Node;
use crate::gateway::{CallError, words};
use errors::BatchComplaint;
use jiff::Timestamp;
use serde_json::json;

/// One payout to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutRequest {
    /// The only protection against paying twice, for 30 days. 1 to 108 printable ASCII characters.
    pub sender_batch_id: String,
    /// Ours; comes back in reports. 1 to 63 characters.
    pub sender_item_id: String,
    pub receiver_email: String,
    pub amount: Money,
    /// Shown to the recipient.
    pub note: String,
    /// At most 255 characters are sent.
    pub email_subject: String,
}

/// PayPal's answer to a payout. Neither form means paid: look at the batch until its item is terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayAnswer {
    /// Taken in.
    Accepted { batch_id: String, status: BatchStatus },
    /// The batch id was used before: look whether the first batch is ours. `batch_id` is `None` when PayPal did not
    /// say which it was; then nothing is proven.
    Duplicate { batch_id: Option<String> },
}

words! {
    /// How far a batch is. `Success` only says that it was worked through: the item has its own fate.
    BatchStatus {
        Pending = "PENDING",
        Processing = "PROCESSING",
        Success = "SUCCESS",
        Denied = "DENIED",
        Canceled = "CANCELED",
    }
}

words! {
    /// What became of the money of an item.
    ItemStatus {
        /// Paid.
        Success = "SUCCESS",
        /// Never left.
        Failed = "FAILED",
        Pending = "PENDING",
        /// Left; the receiver has up to 30 days to take it.
        Unclaimed = "UNCLAIMED",
        /// Came back.
        Returned = "RETURNED",
        OnHold = "ONHOLD" | "ON_HOLD",
        Blocked = "BLOCKED",
        /// Came back.
        Refunded = "REFUNDED",
        /// Came back.
        Reversed = "REVERSED",
        /// Never left.
        Denied = "DENIED",
    }
}

/// A batch as a look-up showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSeen {
    pub batch_id: String,
    /// `None`: PayPal did not say, so the batch cannot be told to be ours.
    pub sender_batch_id: Option<String>,
    pub status: BatchStatus,
    pub items: Vec<ItemSeen>,
}

/// An item as a look-up showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemSeen {
    pub item_id: String,
    pub sender_item_id: Option<String>,
    /// `Pending` also while PayPal names no status yet.
    pub status: ItemStatus,
    /// Changes when the money comes back: keep both. `None` until PayPal has worked on it.
    pub transaction_id: Option<String>,
    pub amount: Money,
    /// The sender's fee; 0 or `None` until PayPal has worked on it.
    pub fee: Option<Money>,
    pub receiver: String,
    /// PayPal's name of what went wrong, e.g. `RECEIVER_UNREGISTERED`.
    pub error: Option<String>,
}

/// The bytes of a payout call. Pure. An amount that PayPal cannot express is written as it is and refused by
/// [`PayPal::pay`] before anything is sent.
pub fn payout_body(payout: &PayoutRequest) -> Vec<u8> {
    let amount = payout.amount;
    let value = amounts::decimal(amount).unwrap_or_else(|_| amount.decimal());
    let subject: String = payout.email_subject.chars().take(255).collect();
    let body = json!({
        "sender_batch_header": { "sender_batch_id": payout.sender_batch_id, "email_subject": subject },
        "items": [{
            "recipient_type": "EMAIL",
            "receiver": payout.receiver_email,
            "amount": { "currency": amount.currency.code(), "value": value },
            "sender_item_id": payout.sender_item_id,
            "note": payout.note,
        }],
    });
    body.to_string().into_bytes()
}

impl PayPal {
    /// **Moves money.** Sends the bytes of [`payout_body`]; `key` is its `sender_batch_id` again. The header that bears
    /// it protects nothing here (it was tried), the batch id in the body does, for 30 days: after that the same bytes
    /// would pay again.
    pub fn pay(&self, now: Timestamp, key: &str, body: &[u8]) -> Result<PayAnswer, CallError> {
        if let Some(fault) = payout_fault(key, body) {
            return Err(CallError::refused_here(fault));
        }
        let call = Call::post(Operation::Pay, "/v1/payments/payouts".to_owned(), Some(key), body);
        let answer = self.exchange(now, &call)?;
        match errors::batch_complaint(&answer) {
            BatchComplaint::Duplicate(batch_id) => return Ok(PayAnswer::Duplicate { batch_id }),
            BatchComplaint::PerhapsDuplicate => {
                let why = "USER_BUSINESS_ERROR without details: perhaps the batch id was used before";
                return Err(CallError::Unknown(why.to_owned()));
            }
            BatchComplaint::Other => {}
        }
        let node = success(call.operation, &answer)?;
        let header = node.at("batch_header");
        let (Some(batch_id), Some(status)) = (header.at("payout_batch_id").owned(), header.at("batch_status").text())
        else {
            return Err(unreadable(call.operation, "no batch id or no status"));
        };
        match header.at("sender_batch_header").at("sender_batch_id").text() {
            Some(other) if other != key => Err(unreadable(call.operation, "it is about another batch")),
            _ => Ok(PayAnswer::Accepted { batch_id, status: BatchStatus::from_word(status) }),
        }
    }

    /// Looks a batch up. A 404 is `Refused` and proves nothing.
    pub fn batch(&self, now: Timestamp, batch_id: &str) -> Result<BatchSeen, CallError> {
        let path = format!("/v1/payments/payouts/{}", plain("batch", batch_id)?);
        let call = Call::look_up(Operation::Batch, path);
        let node = self.answer(now, &call)?;
        let header = node.at("batch_header");
        let id = header.at("payout_batch_id").text().filter(|id| *id == batch_id);
        let (Some(id), Some(status)) = (id, header.at("batch_status").text()) else {
            return Err(unreadable(call.operation, "no batch id, no status, or another batch"));
        };
        let items = node.at("items").items().iter().map(read_item).collect::<Option<_>>();
        Ok(BatchSeen {
            batch_id: id.to_owned(),
            sender_batch_id: header.at("sender_batch_header").at("sender_batch_id").owned(),
            status: BatchStatus::from_word(status),
            items: items.ok_or_else(|| unreadable(call.operation, "an item without id, amount or receiver"))?,
        })
    }

    /// Takes an unclaimed item back. Its money is ours again once the item is `Returned`, not before.
    pub fn cancel_item(&self, now: Timestamp, item_id: &str) -> Result<ItemSeen, CallError> {
        let path = format!("/v1/payments/payouts-item/{}/cancel", plain("item", item_id)?);
        let call = Call::post(Operation::CancelItem, path, None, b"");
        let seen = read_item(&self.answer(now, &call)?);
        let seen = seen.filter(|item| item.item_id == item_id);
        seen.ok_or_else(|| unreadable(call.operation, "no id, amount or receiver, or another item"))
    }
}

/// What is wrong with a payout request, if anything: it must bear its key as batch id and hold one item.
fn payout_fault(key: &str, body: &[u8]) -> Option<String> {
    let body = Node::parse(body).unwrap_or(Node::Null);
    if key.is_empty() || body.at("sender_batch_header").at("sender_batch_id").text() != Some(key) {
        return Some("a payout must bear its key as sender_batch_id, else nothing protects it".to_owned());
    }
    let [item] = body.at("items").items() else {
        return Some("a payout batch must hold exactly one item".to_owned());
    };
    let Some(amount) = amounts::read(item.at("amount")) else {
        return Some("the payout has no readable amount".to_owned());
    };
    match amounts::decimal(amount) {
        Err(why) => Some(why),
        Ok(value) if item.at("amount").at("value").text() != Some(value.as_str()) => {
            Some(format!("PayPal would not take this amount: {amount}"))
        }
        Ok(_) => None,
    }
}

fn read_item(node: &Node) -> Option<ItemSeen> {
    let item = node.at("payout_item");
    Some(ItemSeen {
        item_id: node.at("payout_item_id").owned()?,
        sender_item_id: item.at("sender_item_id").owned(),
        status: ItemStatus::from_word(node.at("transaction_status").text().unwrap_or("PENDING")),
        transaction_id: node.at("transaction_id").owned(),
        amount: amounts::read(item.at("amount"))?,
        fee: amounts::read(node.at("payout_item_fee")),
        receiver: item.at("receiver").owned()?,
        error: node.at("errors").at("name").owned(),
    })
}
