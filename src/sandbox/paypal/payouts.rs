//! Payouts v1: batches and items. A `sender_batch_id` is the only thing that keeps a payout from going out twice, and
//! only while it is remembered. A 201 says "accepted"; what becomes of an item, time or the control decides.

use super::records::{Batch, Effect, Item, Kept};
use super::{Book, Outcome, refusal};
use crate::sandbox::cents;
use crate::sandbox::wire::{Request, rfc3339};
use serde_json::{Value, json};

/// PayPal's part of a payout: 2 %, at most one unit of the currency (a hundred where it has no cents).
fn payout_fee(amount: i64) -> i64 {
    cents::share(amount, 200).min(100)
}

/// What a note of the first item provokes, as in PayPal's sandbox.
const TRIGGERS: [(&str, u16, &str); 9] = [
    ("ERRPYO001", 403, "SENDER_RESTRICTED"),
    ("ERRPYO002", 403, "SENDER_EMAIL_UNCONFIRMED"),
    ("ERRPYO003", 403, "AUTHORIZATION_ERROR"),
    ("ERRPYO005", 422, "INSUFFICIENT_FUNDS"),
    ("ERRPYO006", 500, "INTERNAL_ERROR"),
    ("ERRPYO010", 400, "VALIDATION_ERROR"),
    ("ERRPYO011", 403, "REQUIRED_SCOPE_MISSING"),
    ("ERRPYO012", 403, "SENDER_LOCKED"),
    ("ERRPYO014", 400, "USER_BUSINESS_ERROR"),
];

impl Book {
    pub(super) fn pay_out(&mut self, request: &Request, now_ms: i64) -> Outcome {
        if !self.switches.payouts_enabled {
            return Err(refusal(403, "AUTHORIZATION_ERROR", None));
        }
        let body = request.json().ok_or_else(|| invalid("/", "MALFORMED_REQUEST_JSON"))?;
        let header = &body["sender_batch_header"];
        let sender_batch_id = match &header["sender_batch_id"] {
            Value::Null => None,
            Value::String(id) if !id.is_empty() && id.len() <= 256 => Some(id.clone()),
            _ => return Err(invalid("SENDER_BATCH_ID", "INVALID_STRING_LENGTH")),
        };
        let life_ms = self.switches.payout_key_days * 86_400_000;
        let name = sender_batch_id.as_ref().map(|id| format!("batch/{id}"));
        if let Some(kept) = name.as_deref().and_then(|n| self.kept(n, now_ms, life_ms)) {
            return Err(self.used_already(kept.made.as_deref()));
        }
        match self.new_batch(&body, sender_batch_id, now_ms) {
            Ok(batch) => {
                if let Some(name) = name {
                    self.write(Effect::Kept(Kept { name, at: now_ms, made: Some(batch.id.clone()), refused: None }));
                }
                let answer = self.accepted(&batch);
                self.write(Effect::Batch(batch));
                Ok((201, answer))
            }
            Err(refused) => {
                if let Some(name) = name.filter(|_| self.switches.payout_refusal_burns_key) {
                    self.write(Effect::Kept(Kept { name, at: now_ms, made: None, refused: None }));
                }
                Err(refused)
            }
        }
    }

    /// The answer to a used `sender_batch_id`, with the way to the original where there is one and the switch allows.
    fn used_already(&self, batch_id: Option<&str>) -> (u16, Value) {
        let detail = json!({"field": "SENDER_BATCH_ID", "location": "body", "issue": "Duplicate batch request",
            "description": "Batch with given sender_batch_id already exists"});
        let (status, mut body) = refusal(400, "USER_BUSINESS_ERROR", Some(detail));
        body["information_link"] = json!("https://developer.paypal.com/docs/api/payments.payouts-batch/v1/#errors");
        if let Some(id) = batch_id.filter(|_| self.switches.payout_duplicate_link) {
            body["links"] = json!([self.link(&format!("/v1/payments/payouts/{id}"), "self", "GET")]);
        }
        (status, body)
    }

    fn new_batch(&self, body: &Value, sender_batch_id: Option<String>, now_ms: i64) -> Result<Batch, (u16, Value)> {
        let asked = body["items"].as_array().filter(|items| !items.is_empty() && items.len() <= 15_000);
        let asked = asked.ok_or_else(|| invalid("items", "Required field is missing"))?;
        let header = &body["sender_batch_header"];
        if !header.is_object() {
            return Err(invalid("sender_batch_header", "Required field is missing"));
        }
        let note = asked[0]["note"].as_str().unwrap_or("");
        if let Some((_, status, name)) = TRIGGERS.iter().find(|(trigger, ..)| *trigger == note) {
            return Err(refusal(*status, name, None));
        }
        let currency = asked[0]["amount"]["currency"].as_str().unwrap_or("").to_string();
        let mut items = Vec::with_capacity(asked.len());
        for (at, item) in asked.iter().enumerate() {
            items.push(self.new_item(item, header, &currency, at, now_ms)?);
        }
        for (at, item) in items.iter().enumerate() {
            let twin = |other: &Item| item.sender_item_id.is_some() && other.sender_item_id == item.sender_item_id;
            if items[..at].iter().any(twin) {
                return Err(invalid(&format!("items[{at}].sender_item_id"), "DUPLICATE_ITEM"));
            }
        }
        let total: i64 = items.iter().map(|i| i.amount + i.fee).sum();
        let mut forced = None;
        if total > self.balance(&currency, now_ms) {
            if !self.switches.payout_denies_late {
                return Err(refusal(422, "INSUFFICIENT_FUNDS", None));
            }
            forced = Some("DENIED".to_string());
            for item in &mut items {
                item.fate = vec![(now_ms, "FAILED".into())];
                item.error = Some("INSUFFICIENT_FUNDS".into());
            }
        }
        let id = self.account_id("batch", self.batches.len());
        Ok(Batch { id, sender_batch_id, header: header.clone(), currency, at: now_ms, forced, items })
    }

    fn new_item(
        &self,
        item: &Value,
        header: &Value,
        currency: &str,
        at: usize,
        now_ms: i64,
    ) -> Result<Item, (u16, Value)> {
        let field = |name: &str| format!("items[{at}].{name}");
        let text = |name: &str| item[name].as_str().map(str::to_string);
        if item["amount"]["currency"].as_str() != Some(currency) || !cents::is_taken(currency) {
            return Err(invalid(&field("amount.currency"), "Currency is invalid or differs within the batch"));
        }
        let value = item["amount"]["value"].as_str().unwrap_or("");
        let amount = cents::parse(value, currency).ok().filter(|minor| *minor > 0 && *minor <= 2_000_000);
        let amount = amount.ok_or_else(|| invalid(&field("amount.value"), "Amount is invalid"))?;
        let recipient_type = text("recipient_type").or_else(|| header["recipient_type"].as_str().map(str::to_string));
        let recipient_type = recipient_type.unwrap_or_else(|| "EMAIL".into());
        let receiver = text("receiver").filter(|r| !r.is_empty() && r.len() <= 127);
        let receiver = receiver.ok_or_else(|| invalid(&field("receiver"), "Receiver is missing or too long"))?;
        let mail = receiver.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        if recipient_type == "EMAIL" && !mail {
            return Err(invalid(&field("receiver"), "Receiver is invalid or does not match with type"));
        }
        if text("sender_item_id").is_some_and(|id| id.len() > 63) {
            return Err(invalid(&field("sender_item_id"), "INVALID_STRING_LENGTH"));
        }
        let number = self.items.len() + at;
        let outcome = self.switches.payout_outcome.clone();
        let error = match outcome.as_str() {
            "UNCLAIMED" => Some("RECEIVER_UNREGISTERED".to_string()),
            "FAILED" => Some("RECEIVER_ACCOUNT_LOCKED".to_string()),
            _ => None,
        };
        Ok(Item {
            id: self.account_id("item", number),
            sender_item_id: text("sender_item_id"),
            receiver,
            recipient_type,
            note: text("note"),
            amount,
            fee: payout_fee(amount),
            fate: vec![(now_ms, "PENDING".into()), (now_ms + self.switches.payout_settle_ms, outcome)],
            error,
            transaction_id: self.transaction_id("payout", number),
            return_id: self.transaction_id("return", number),
            hold_id: self.transaction_id("hold", number),
            release_id: self.transaction_id("release", number),
        })
    }

    fn accepted(&self, batch: &Batch) -> Value {
        json!({"batch_header": {"payout_batch_id": batch.id,
                "batch_status": batch.forced.as_deref().unwrap_or("PENDING"),
                "time_created": rfc3339(batch.at), "sender_batch_header": batch.header},
            "links": [self.link(&format!("/v1/payments/payouts/{}", batch.id), "self", "GET")]})
    }

    /// `PENDING` at first, `PROCESSING` until every item has left the waiting room, then `SUCCESS`, which says nothing
    /// about the items.
    pub(super) fn batch_status(&self, batch: &Batch, now_ms: i64) -> String {
        if let Some(forced) = &batch.forced {
            return forced.clone();
        }
        let waiting = batch.items.iter().any(|i| i.status(now_ms) == "PENDING");
        let young = (now_ms - batch.at) * 3 < self.switches.payout_settle_ms;
        match (waiting, young) {
            (true, true) => "PENDING",
            (true, false) => "PROCESSING",
            (false, _) => "SUCCESS",
        }
        .to_string()
    }

    pub(super) fn show_batch(&self, id: &str, now_ms: i64) -> Outcome {
        if id == "ERRPYO015" {
            return Err(refusal(400, "CLOSED_MARKET", None));
        }
        let batch = self.batches.get(id).ok_or_else(|| refusal(404, "INVALID_RESOURCE_ID", None))?;
        let status = self.batch_status(batch, now_ms);
        let money = |minor: i64| json!({"currency": batch.currency, "value": cents::show(minor, &batch.currency)});
        let charged = |i: &&Item| !matches!(i.status(now_ms), "FAILED" | "DENIED");
        // Fees are nought until the batch is being worked on.
        let fees = if status == "PENDING" { 0 } else { batch.items.iter().filter(charged).map(|i| i.fee).sum() };
        let mut shown = json!({"batch_header": {"payout_batch_id": batch.id, "batch_status": status,
                "time_created": rfc3339(batch.at), "sender_batch_header": batch.header, "funding_source": "BALANCE",
                "amount": money(batch.items.iter().map(|i| i.amount).sum()), "fees": money(fees)},
            "items": batch.items.iter().map(|i| self.item_answer(batch, i, now_ms)).collect::<Vec<_>>(),
            "total_items": batch.items.len(), "total_pages": 1,
            "links": [self.link(&format!("/v1/payments/payouts/{id}"), "self", "GET")]});
        if status == "SUCCESS" {
            let ended = batch.items.iter().flat_map(|i| &i.fate).map(|(at, _)| *at).filter(|at| *at <= now_ms).max();
            shown["batch_header"]["time_completed"] = json!(rfc3339(ended.unwrap_or(batch.at)));
        }
        Ok((200, shown))
    }

    /// The batch an item is in, and its place there.
    fn item_place(&self, id: &str) -> Result<(&Batch, usize), (u16, Value)> {
        let found = self.items.get(id).and_then(|batch| self.batches.get(batch));
        found
            .and_then(|batch| batch.items.iter().position(|i| i.id == id).map(|at| (batch, at)))
            .ok_or_else(|| refusal(404, "INVALID_RESOURCE_ID", None))
    }

    pub(super) fn show_item(&self, id: &str, now_ms: i64) -> Outcome {
        let (batch, at) = self.item_place(id)?;
        let mut shown = self.item_answer(batch, &batch.items[at], now_ms);
        shown["sender_batch_id"] = json!(batch.sender_batch_id);
        Ok((200, shown))
    }

    fn item_answer(&self, batch: &Batch, item: &Item, now_ms: i64) -> Value {
        let money = |minor: i64| json!({"currency": batch.currency, "value": cents::show(minor, &batch.currency)});
        let status = item.status(now_ms);
        let fee = if matches!(status, "PENDING" | "FAILED" | "DENIED") { 0 } else { item.fee };
        let mut asked = json!({"recipient_type": item.recipient_type, "amount": money(item.amount),
            "receiver": item.receiver, "recipient_wallet": "PAYPAL"});
        for (field, text) in [("note", &item.note), ("sender_item_id", &item.sender_item_id)] {
            if let Some(text) = text {
                asked[field] = json!(text);
            }
        }
        let since = item.fate.iter().rev().find(|(from, _)| *from <= now_ms).map_or(batch.at, |(from, _)| *from);
        let mut shown = json!({"payout_item_id": item.id, "transaction_status": status, "payout_item_fee": money(fee),
            "payout_batch_id": batch.id, "payout_item": asked, "time_processed": rfc3339(since),
            "links": [self.link(&format!("/v1/payments/payouts-item/{}", item.id), "item", "GET"),
                self.link(&format!("/v1/payments/payouts/{}", batch.id), "batch", "GET")]});
        match status {
            "PENDING" | "FAILED" | "DENIED" => {}
            // The transaction that brought it back takes the place of the one that sent it.
            "RETURNED" => shown["transaction_id"] = json!(item.return_id),
            _ => shown["transaction_id"] = json!(item.transaction_id),
        }
        let erring = matches!(status, "FAILED" | "UNCLAIMED" | "DENIED" | "RETURNED" | "BLOCKED");
        if let Some(error) = item.error.as_ref().filter(|_| erring) {
            shown["errors"] = json!({"name": error, "message": error, "debug_id": "", "information_link":
                "https://developer.paypal.com/docs/api/payments.payouts-batch/v1/#errors", "links": []});
        }
        shown
    }

    pub(super) fn cancel_item(&mut self, id: &str, now_ms: i64) -> Outcome {
        let (batch, at) = self.item_place(id)?;
        match batch.items[at].status(now_ms) {
            "UNCLAIMED" => {}
            "RETURNED" => return Err(refusal(400, "ITEM_ALREADY_CANCELLED", None)),
            _ => return Err(refusal(400, "ITEM_INCORRECT_STATUS", None)),
        }
        let mut batch = batch.clone();
        batch.items[at].turn(now_ms, "RETURNED");
        let batch_id = batch.id.clone();
        self.write(Effect::Batch(batch));
        self.tell_item(&batch_id, at, "CANCELED", now_ms);
        self.show_item(id, now_ms)
    }

    /// The control's word on a batch: a status for all its items, for the batch itself, or for both.
    pub fn set_batch(&mut self, id: &str, item: Option<&str>, whole: Option<&str>, now_ms: i64) -> bool {
        let Some(mut batch) = self.batches.get(id).cloned() else { return false };
        if let Some(status) = item {
            for row in &mut batch.items {
                row.turn(now_ms, status);
                row.error = match status {
                    "UNCLAIMED" => Some("RECEIVER_UNREGISTERED".into()),
                    "FAILED" => Some("RECEIVER_ACCOUNT_LOCKED".into()),
                    "BLOCKED" => Some("RISK_DECLINE".into()),
                    _ => row.error.take(),
                };
            }
        }
        if let Some(status) = whole {
            batch.forced = Some(status.to_string());
            // A denied or cancelled batch pays nobody.
            if item.is_none() && matches!(status, "DENIED" | "CANCELED") {
                batch.items.iter_mut().for_each(|row| row.turn(now_ms, "FAILED"));
            }
        }
        let places = batch.items.len();
        self.write(Effect::Batch(batch));
        if let Some(status) = item {
            let kind = match status {
                "SUCCESS" => "SUCCEEDED",
                "ONHOLD" | "ON_HOLD" => "HELD",
                "PENDING" | "REVERSED" => return true,
                other => other,
            };
            (0..places).for_each(|at| self.tell_item(id, at, kind, now_ms));
        }
        true
    }
}

/// Payouts' own flat 400.
fn invalid(field: &str, issue: &str) -> (u16, Value) {
    refusal(400, "VALIDATION_ERROR", Some(json!({"field": field, "location": "body", "issue": issue})))
}
