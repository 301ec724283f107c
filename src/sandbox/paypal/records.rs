//! The rows of PayPal's book, the one kind of change each row can undergo (being written anew), and the switches that
//! choose among behaviours which are not documented or must be provoked. No rules here.
//!
//! Amounts are minor units by PayPal's rule, instants milliseconds since 1970.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub id: String,
    /// `PayPal-Request-Id` of the creation; `None` where the caller sent none.
    pub key: Option<String>,
    pub currency: String,
    pub amount: i64,
    /// The one purchase unit, as the caller sent it.
    pub unit: Value,
    /// Whether a `payment_source` came along, which changes status and link names.
    pub has_source: bool,
    pub return_url: Option<String>,
    pub cancel_url: Option<String>,
    pub created_at: i64,
    pub approved_at: Option<i64>,
    /// Name, e-mail and id of the payer, in PayPal's shape; known once approved.
    pub payer: Option<Value>,
    /// Where the payer wants it sent, in PayPal's shape; known once approved.
    pub shipping: Option<Value>,
    pub capture_id: Option<String>,
    /// Trackers added by `/track`, in PayPal's shape.
    pub trackers: Vec<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Capture {
    pub id: String,
    pub order_id: String,
    pub key: Option<String>,
    pub currency: String,
    pub amount: i64,
    pub fee: i64,
    /// `COMPLETED`, `PENDING`, `DECLINED` or `FAILED`; whether it was refunded is reckoned from the refunds.
    pub status: String,
    pub reason: Option<String>,
    pub invoice_id: Option<String>,
    pub custom_id: Option<String>,
    pub at: i64,
    /// When it became `COMPLETED`, that is, when the balance grew.
    pub settled_at: Option<i64>,
    /// When PayPal took it back (chargeback or reversal).
    pub reversed_at: Option<i64>,
    pub refunded: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refund {
    pub id: String,
    pub capture_id: String,
    pub key: Option<String>,
    pub currency: String,
    pub amount: i64,
    pub invoice_id: Option<String>,
    pub custom_id: Option<String>,
    pub note: Option<String>,
    /// `COMPLETED`, `PENDING`, `FAILED` or `CANCELLED`.
    pub status: String,
    pub at: i64,
    /// What had been given back of the capture, this refund included.
    pub total_after: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    pub id: String,
    pub sender_batch_id: Option<String>,
    pub header: Value,
    pub currency: String,
    pub at: i64,
    /// Once the control or a denial has set it; otherwise it follows from the items.
    pub forced: Option<String>,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item {
    pub id: String,
    pub sender_item_id: Option<String>,
    pub receiver: String,
    pub recipient_type: String,
    pub note: Option<String>,
    pub amount: i64,
    pub fee: i64,
    /// The fate of the item: (from when, status), oldest first. Entries of the future come true by themselves.
    pub fate: Vec<(i64, String)>,
    /// `errors.name` of the item, where it has one.
    pub error: Option<String>,
    pub transaction_id: String,
    /// The transaction that brings the money back, should it ever come back.
    pub return_id: String,
    pub hold_id: String,
    pub release_id: String,
}

impl Item {
    pub fn status(&self, now_ms: i64) -> &str {
        self.fate.iter().rev().find(|(from, _)| *from <= now_ms).or(self.fate.first()).map_or("PENDING", |(_, s)| s)
    }

    /// What was to come is struck out; from now on it is `status`.
    pub fn turn(&mut self, now_ms: i64, status: &str) {
        self.fate.retain(|(from, _)| *from <= now_ms);
        self.fate.push((now_ms, status.to_string()));
    }
}

/// A refused `sender_batch_id` or a declined capture is remembered under its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// `create/<key>`, `capture/<order>/<key>`, `refund/<capture>/<key>` or `batch/<sender_batch_id>`.
    pub name: String,
    pub at: i64,
    /// Id of what the first call made; `None` where it made nothing.
    pub made: Option<String>,
    /// The refusal to repeat word for word, where the first call was refused and the refusal is kept.
    pub refused: Option<(u16, Value)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhook {
    pub id: String,
    pub url: String,
    pub event_types: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub at: i64,
    /// The exact body; signatures cover its bytes.
    pub body: String,
    pub delivered_at: Option<i64>,
    pub attempts: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dispute {
    pub id: String,
    pub capture_id: String,
    pub currency: String,
    pub amount: i64,
    pub reason: String,
    /// `OPEN`, `WAITING_FOR_SELLER_RESPONSE`, `UNDER_REVIEW`, `RESOLVED`, …
    pub status: String,
    pub stage: String,
    /// `RESOLVED_SELLER_FAVOUR` and the like, once it is resolved.
    pub outcome: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    /// Until when the seller must answer.
    pub due_at: Option<i64>,
    /// What moved in the seller's account, oldest first.
    pub movements: Vec<DisputeMovement>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DisputeMovement {
    pub id: String,
    pub at: i64,
    /// Below zero: taken from the seller.
    pub amount: i64,
    /// `DISPUTE_SETTLEMENT`, `DISPUTE_FEE`, …
    pub reason: String,
}

/// What the next capture shall come to, once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NextCapture {
    /// `PENDING` or `DECLINED`.
    pub status: Option<String>,
    pub reason: Option<String>,
    /// A 422 with this issue instead of a capture, such as `INSTRUMENT_DECLINED`.
    pub issue: Option<String>,
}

/// A lie of the statement, or a movement of another hand, at the request of the control.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plant {
    /// This transaction is left out of the report; the balance knows it.
    Hide(String),
    /// This transaction stands twice in the report; the balance knows it once.
    Double(String),
    /// This transaction is of another amount, fee or currency than was told when it happened.
    Change { id: String, amount: Option<i64>, fee: Option<i64>, currency: Option<String> },
    /// Something moved that no call of the API made.
    Row(Box<PlantedRow>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlantedRow {
    pub id: String,
    pub code: String,
    pub at: i64,
    pub currency: String,
    pub amount: i64,
    pub fee: i64,
    pub reference: Option<String>,
    pub custom: Option<String>,
    pub status: String,
}

/// One change of the book: the row as it stands from now on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Order(Order),
    Capture(Capture),
    Refund(Refund),
    Batch(Batch),
    Dispute(Dispute),
    Kept(Kept),
    Webhook(Webhook),
    Event(Event),
    NextCapture(Option<NextCapture>),
    Plant(Plant),
    Switches(Switches),
}

/// What can be turned from outside, with the default of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Hours a `PayPal-Request-Id` of Orders and Refunds is remembered.
    pub request_id_hours: i64,
    /// Refuse a second capture with an invoice id that was captured before (an account setting at PayPal).
    pub unique_invoice_id: bool,
    /// Whether a completed capture tells PayPal's fee; PayPal is late with it at times.
    pub fee_told: bool,
    /// `false`: orders are shown without their payments.
    pub payments_told: bool,
    /// The intent that orders show, whatever they were made with: `CAPTURE`, or `AUTHORIZE`, which only reserves.
    pub order_intent: String,
    /// What new refunds come to: `COMPLETED`, `PENDING`, `FAILED` or `CANCELLED`.
    pub refund_outcome: String,
    /// The issue with which every new refund is refused; empty: none is.
    pub refund_issue: String,
    /// Milliseconds from a payout's acceptance to the end of its items.
    pub payout_settle_ms: i64,
    /// What items of new payouts come to: `SUCCESS`, `UNCLAIMED`, `FAILED`, `ONHOLD`, …
    pub payout_outcome: String,
    /// Days a `sender_batch_id` is remembered.
    pub payout_key_days: i64,
    /// Whether the answer to a used `sender_batch_id` carries the link to the original batch.
    pub payout_duplicate_link: bool,
    /// Whether a refused payout burns its `sender_batch_id`.
    pub payout_refusal_burns_key: bool,
    /// Whether too small a balance is said at once (422) or by a batch `DENIED` with a `FAILED` item.
    pub payout_denies_late: bool,
    /// `false`: Payouts answers 403 and the scope is missing in new tokens.
    pub payouts_enabled: bool,
    /// Seconds by which Transaction Search and balances lag behind.
    pub reporting_lag_s: i64,
    /// `Z` or an offset such as `+0000` at the end of the times of Transaction Search.
    pub reporting_zone: String,
    /// `false`: Transaction Search and balances answer 403 and the scope is missing in new tokens.
    pub reporting_enabled: bool,
    /// Withheld by PayPal in USD, a decimal: in the balance, and not available.
    pub reporting_withheld: String,
    /// Whether a new dispute takes the disputed amount out of the balance at once.
    pub dispute_holds: bool,
    /// How a lost dispute shows besides its own movements: empty, not at all; `status`, the capture counts as refunded;
    /// `refund`, it stands among the order's refunds too; `kept` and `cancelled`, it goes on standing there after an
    /// appeal was won, as COMPLETED or as CANCELLED. The money moves once.
    pub dispute_shown_as: String,
    /// What a lost dispute costs besides, a decimal.
    pub dispute_fee: String,
    /// How often each webhook event is delivered.
    pub webhook_copies: u32,
    /// Milliseconds between an event and its first delivery.
    pub webhook_delay_ms: i64,
    /// Deliver the newest event first.
    pub webhook_newest_first: bool,
    /// The first delivery of each event bears a forged signature.
    pub webhook_forged_first: bool,
    /// Opening balance in USD, a decimal.
    pub opening_balance: String,
    /// `false`: the credentials are refused and so is every token.
    pub paypal_credentials_valid: bool,
    /// Raise it and every token handed out before is refused.
    pub paypal_token_generation: u32,
    /// Seconds a new token lives.
    pub paypal_token_life_s: i64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            request_id_hours: 6,
            unique_invoice_id: true,
            fee_told: true,
            payments_told: true,
            order_intent: "CAPTURE".into(),
            refund_outcome: "COMPLETED".into(),
            refund_issue: String::new(),
            payout_settle_ms: 1_000,
            payout_outcome: "SUCCESS".into(),
            payout_key_days: 30,
            payout_duplicate_link: true,
            payout_refusal_burns_key: false,
            payout_denies_late: false,
            payouts_enabled: true,
            reporting_lag_s: 0,
            reporting_zone: "Z".into(),
            reporting_enabled: true,
            reporting_withheld: "0.00".into(),
            dispute_holds: true,
            dispute_shown_as: String::new(),
            dispute_fee: "15.00".into(),
            webhook_copies: 1,
            webhook_delay_ms: 0,
            webhook_newest_first: false,
            webhook_forged_first: false,
            opening_balance: "1000.00".into(),
            paypal_credentials_valid: true,
            paypal_token_generation: 0,
            paypal_token_life_s: 32_400,
        }
    }
}
