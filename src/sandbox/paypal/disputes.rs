//! Disputes: a buyer wants his money back, PayPal holds it, and somebody decides. They are opened and decided by the
//! control only; the seller's answers are given on PayPal's site, which is not here.

use super::records::{Dispute, DisputeMovement, Effect};
use super::{Book, Outcome, malformed, refusal};
use crate::sandbox::cents;
use crate::sandbox::wire::{Request, rfc3339};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The seller has this long to answer.
const ANSWER_MS: i64 = 10 * 86_400_000;
const SETTLEMENT: &str = "DISPUTE_SETTLEMENT";

impl Book {
    /// The buyer disputes a capture, all of it or `amount`; the money moves in its currency or in `currency`. Answers the
    /// dispute's id.
    pub fn open_dispute(&mut self, capture_id: &str, wish: &Value, now_ms: i64) -> Result<Value, (u16, String)> {
        let capture = self.captures.get(capture_id).filter(|c| c.settled_at.is_some());
        let capture = capture.cloned().ok_or((409, "there is no such completed capture".to_string()))?;
        let left = capture.amount - capture.refunded - self.disputed(capture_id);
        let amount = match wish["amount"].as_str() {
            Some(text) => {
                cents::parse(text, &capture.currency).map_err(|_| (400, "amount is no amount".to_string()))?
            }
            None => left,
        };
        if amount <= 0 || amount > left {
            return Err((409, "more than is left of the capture".into()));
        }
        let mut dispute = Dispute {
            id: format!("PP-D-{}", self.transaction_id("dispute", self.disputes.len())),
            capture_id: capture_id.to_string(),
            currency: wish["currency"].as_str().unwrap_or(&capture.currency).to_string(),
            amount,
            reason: wish["reason"].as_str().unwrap_or("MERCHANDISE_OR_SERVICE_NOT_RECEIVED").to_string(),
            status: "WAITING_FOR_SELLER_RESPONSE".into(),
            stage: "INQUIRY".into(),
            outcome: None,
            created_at: now_ms,
            updated_at: now_ms,
            due_at: Some(now_ms + ANSWER_MS),
            movements: vec![],
        };
        if self.switches.dispute_holds {
            self.move_money(&mut dispute, -amount, SETTLEMENT, now_ms);
        }
        let id = dispute.id.clone();
        self.write(Effect::Dispute(dispute));
        self.tell_dispute(&id, "CREATED", now_ms);
        Ok(json!({ "id": id }))
    }

    /// The dispute goes on. `RESOLVED` wants an `outcome`, and the money follows it.
    pub fn set_dispute(&mut self, id: &str, wish: &Value, now_ms: i64) -> bool {
        let Some(mut dispute) = self.disputes.get(id).cloned() else { return false };
        let Some(status) = wish["status"].as_str() else { return false };
        dispute.status = status.to_string();
        dispute.stage = wish["stage"].as_str().unwrap_or(&dispute.stage).to_string();
        dispute.updated_at = now_ms.max(dispute.updated_at + 1);
        if status != "RESOLVED" {
            dispute.due_at = (status == "WAITING_FOR_SELLER_RESPONSE").then_some(now_ms + ANSWER_MS);
            self.write(Effect::Dispute(dispute));
            self.tell_dispute(id, "UPDATED", now_ms);
            return true;
        }
        let outcome = wish["outcome"].as_str().unwrap_or("RESOLVED_SELLER_FAVOUR");
        let taken: i64 = dispute.movements.iter().filter(|m| m.reason == SETTLEMENT).map(|m| -m.amount).sum();
        let is_lost = matches!(outcome, "RESOLVED_BUYER_FAVOUR" | "ACCEPTED");
        let disputed = dispute.amount;
        match (is_lost, taken) {
            (true, 0) => self.move_money(&mut dispute, -disputed, SETTLEMENT, now_ms),
            (false, 1..) => self.move_money(&mut dispute, taken, SETTLEMENT, now_ms),
            _ => {}
        }
        let fee = cents::parse(&self.switches.dispute_fee, &dispute.currency).unwrap_or(0);
        if is_lost && fee > 0 {
            self.move_money(&mut dispute, -fee, "DISPUTE_FEE", now_ms);
        }
        (dispute.outcome, dispute.due_at) = (Some(outcome.to_string()), None);
        let capture = self.captures.get(&dispute.capture_id).cloned();
        self.write(Effect::Dispute(dispute));
        self.tell_dispute(id, "RESOLVED", now_ms);
        if let Some(capture) = capture {
            for (id, amount) in self.charged_back(&capture.id) {
                self.tell_reversal(&capture, &id, amount, now_ms);
            }
        }
        true
    }

    /// What disputes took of a capture, or may still take.
    pub(super) fn disputed(&self, capture_id: &str) -> i64 {
        let of_it = self.disputes.values().filter(|d| d.capture_id == capture_id);
        let taken = |d: &Dispute| d.movements.iter().filter(|m| m.reason == SETTLEMENT).map(|m| -m.amount).sum();
        of_it.map(|d| if d.outcome.is_none() { d.amount } else { taken(d) }).sum()
    }

    /// Lost disputes that show in their capture too: the movement that took the money, and how much of it is gone.
    pub(super) fn charged_back(&self, capture_id: &str) -> Vec<(String, i64)> {
        let is_shown = !self.switches.dispute_shown_as.is_empty();
        let lost = self.disputes.values().filter(|d| is_shown && d.outcome.is_some() && d.capture_id == capture_id);
        let charged = lost.filter_map(|d| {
            let gone: i64 = d.movements.iter().filter(|m| m.reason == SETTLEMENT).map(|m| -m.amount).sum();
            debit(d).filter(|_| gone > 0).map(|m| (m.id.clone(), gone))
        });
        charged.collect()
    }

    /// Disputes that were lost and then won, where the list of refunds keeps them: the movement that had taken the money,
    /// its amount, and the status they stand there with.
    pub(super) fn won_back(&self, capture_id: &str) -> Vec<(String, i64, &'static str)> {
        let status = match self.switches.dispute_shown_as.as_str() {
            "kept" => "COMPLETED",
            "cancelled" => "CANCELLED",
            _ => return Vec::new(),
        };
        let decided = self.disputes.values().filter(|d| d.outcome.is_some() && d.capture_id == capture_id);
        let is_won =
            |d: &&Dispute| d.movements.iter().filter(|m| m.reason == SETTLEMENT).map(|m| m.amount).sum::<i64>() == 0;
        let won = decided.filter(is_won).filter_map(debit);
        won.map(|m| (m.id.clone(), -m.amount, status)).collect()
    }

    fn move_money(&self, dispute: &mut Dispute, amount: i64, reason: &str, now_ms: i64) {
        let number = self.disputes.values().map(|d| d.movements.len()).sum::<usize>() + dispute.movements.len();
        let id = self.transaction_id(&format!("dispute-{}", dispute.id), number);
        dispute.movements.push(DisputeMovement { id, at: now_ms, amount, reason: reason.to_string() });
    }

    /// The list says little of each: to learn which payment it is about, one has to look it up.
    pub(super) fn list_disputes(&self, request: &Request) -> Outcome {
        let asked = request.query_pairs();
        let asked = |name: &str| asked.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let since = match asked("update_time_after") {
            Some(text) => {
                let at = text.parse::<Timestamp>().map_err(|_| malformed("update_time_after", "INVALID_DATE"))?;
                at.as_millisecond()
            }
            None => i64::MIN,
        };
        let size = asked("page_size").map_or(Ok(10), str::parse::<usize>).unwrap_or(0);
        let from = asked("next_page_token").map_or(Ok(0), str::parse::<usize>);
        let (Ok(from), 1..=50) = (from, size) else { return Err(malformed("page_size", "INVALID_PARAMETER_VALUE")) };
        let mut rows: Vec<&Dispute> = self.disputes.values().filter(|d| d.updated_at > since).collect();
        rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        let shown: Vec<Value> = rows.iter().skip(from).take(size).map(|d| self.summary(d)).collect();
        let mut links = vec![self.link("/v1/customer/disputes", "self", "GET")];
        if from + size < rows.len() {
            let path = format!("/v1/customer/disputes?page_size={size}&next_page_token={}", from + size);
            links.push(self.link(&path, "next", "GET"));
        }
        let mut answer = json!({"links": links});
        // PayPal has no empty list of disputes.
        if !shown.is_empty() {
            answer["items"] = json!(shown);
        }
        Ok((200, answer))
    }

    pub(super) fn show_dispute(&self, id: &str) -> Outcome {
        let dispute = self.disputes.get(id).ok_or_else(|| refusal(404, "RESOURCE_NOT_FOUND", None))?;
        let money =
            |minor: i64| json!({"currency_code": dispute.currency, "value": cents::show(minor, &dispute.currency)});
        let mut shown = self.summary(dispute);
        if let Some(capture) = self.captures.get(&dispute.capture_id) {
            let mut disputed = json!({"seller_transaction_id": capture.id, "create_time": rfc3339(capture.at),
                "transaction_status": "COMPLETED", "gross_amount": money(capture.amount),
                "seller": {"merchant_id": super::MERCHANT_ID, "name": "Built-in merchant"}});
            for (field, text) in [("invoice_number", &capture.invoice_id), ("custom", &capture.custom_id)] {
                if let Some(text) = text {
                    disputed[field] = json!(text);
                }
            }
            shown["disputed_transactions"] = json!([disputed]);
        }
        if let Some(outcome) = &dispute.outcome {
            let refunded: i64 = dispute.movements.iter().filter(|m| m.reason == SETTLEMENT).map(|m| -m.amount).sum();
            shown["dispute_outcome"] = json!({"outcome_code": outcome, "amount_refunded": money(refunded.max(0))});
        }
        let moved = dispute.movements.iter().map(|m| {
            json!({"affected_party": "SELLER", "amount": money(m.amount.abs()), "initiated_time": rfc3339(m.at),
                "type": if m.amount < 0 { "DEBIT" } else { "CREDIT" }, "reason": m.reason})
        });
        let moved: Vec<Value> = moved.collect();
        if !moved.is_empty() {
            shown["money_movements"] = json!(moved);
        }
        Ok((200, shown))
    }

    fn summary(&self, dispute: &Dispute) -> Value {
        let state = match dispute.status.as_str() {
            "RESOLVED" => "RESOLVED",
            "UNDER_REVIEW" => "UNDER_PAYPAL_REVIEW",
            "WAITING_FOR_BUYER_RESPONSE" => "REQUIRED_OTHER_PARTY_ACTION",
            _ => "REQUIRED_ACTION",
        };
        let amount = cents::show(dispute.amount, &dispute.currency);
        let mut shown = json!({"dispute_id": dispute.id, "create_time": rfc3339_ms(dispute.created_at),
            "update_time": rfc3339_ms(dispute.updated_at), "reason": dispute.reason, "status": dispute.status,
            "dispute_state": state, "dispute_life_cycle_stage": dispute.stage, "dispute_channel": "INTERNAL",
            "dispute_amount": {"currency_code": dispute.currency, "value": amount},
            "links": [self.link(&format!("/v1/customer/disputes/{}", dispute.id), "self", "GET")]});
        if let Some(due) = dispute.due_at {
            shown["seller_response_due_date"] = json!(rfc3339_ms(due));
        }
        shown
    }
}

/// Disputes are dated to the millisecond.
fn rfc3339_ms(ms: i64) -> String {
    crate::sandbox::wire::instant(ms).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The last movement that took the disputed money.
fn debit(dispute: &Dispute) -> Option<&DisputeMovement> {
    dispute.movements.iter().rfind(|m| m.reason == SETTLEMENT && m.amount < 0)
}
