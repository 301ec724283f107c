//! Taking the buyer's money and giving it back: captures, refunds, their fees and their guards.

use super::orders::{checked_amount, is_full, request_id};
use super::records::{Capture, Effect, Kept, NextCapture, Order, Refund};
use super::{Book, Outcome, malformed, no_such_id, refusal, unprocessable};
use crate::sandbox::cents;
use crate::sandbox::wire::{Request, rfc3339};
use serde_json::{Value, json};

/// PayPal's part of a sale: 3.49 % and a fixed sum. Never more than the sale itself.
fn sale_fee(amount: i64, currency: &str) -> i64 {
    let fixed = if cents::digits(currency) == 0 { 40 } else { 49 };
    (cents::share(amount, 349) + fixed).min(amount)
}

impl Book {
    pub(super) fn capture(&mut self, id: &str, request: &Request, now_ms: i64) -> Outcome {
        let name = request_id(request)?.map(|k| format!("capture/{id}/{k}"));
        if let Some(kept) = name.as_deref().and_then(|n| self.kept(n, now_ms, self.request_id_life_ms())) {
            if let Some(refused) = kept.refused.clone() {
                return Err(refused);
            }
            let order = self.orders.get(id).ok_or_else(no_such_id)?;
            return Ok((200, self.order_answer(order, is_full(request))));
        }
        let order = self.live_order(id, now_ms)?.clone();
        match self.order_status(&order) {
            "COMPLETED" => return Err(unprocessable("ORDER_ALREADY_CAPTURED")),
            "APPROVED" => {}
            _ => return Err(unprocessable("ORDER_NOT_APPROVED")),
        }
        let wish = self.next_capture.clone();
        if wish.is_some() {
            self.write(Effect::NextCapture(None));
        }
        let wish = wish.unwrap_or_default();
        if let Some(issue) = &wish.issue {
            return Err(self.declined(name, issue, now_ms));
        }
        let invoice = order.unit["invoice_id"].as_str();
        if self.switches.unique_invoice_id && invoice.is_some_and(|i| self.captured_invoices.contains_key(i)) {
            return Err(unprocessable("DUPLICATE_INVOICE_ID"));
        }
        let key = request_id(request)?;
        let capture = self.new_capture(&order, key, wish, now_ms);
        let order = Order { capture_id: Some(capture.id.clone()), ..order };
        if let Some(name) = name {
            self.write(Effect::Kept(Kept { name, at: now_ms, made: Some(capture.id.clone()), refused: None }));
        }
        self.write(Effect::Capture(capture.clone()));
        self.write(Effect::Order(order.clone()));
        self.tell_capture(&capture, now_ms);
        Ok((201, self.order_answer(&order, is_full(request))))
    }

    /// A decline is remembered under its key: the same key gets the same answer, a new attempt needs a new one.
    fn declined(&mut self, name: Option<String>, issue: &str, now_ms: i64) -> (u16, Value) {
        let refused = unprocessable(issue);
        if let Some(name) = name {
            let kept = Kept { name, at: now_ms, made: None, refused: Some(refused.clone()) };
            self.write(Effect::Kept(kept));
        }
        refused
    }

    fn new_capture(&self, order: &Order, key: Option<String>, wish: NextCapture, now_ms: i64) -> Capture {
        let text = |field: &str| order.unit[field].as_str().map(str::to_string);
        let status = wish.status.unwrap_or_else(|| "COMPLETED".into());
        Capture {
            id: self.transaction_id("capture", self.captures.len()),
            order_id: order.id.clone(),
            key,
            currency: order.currency.clone(),
            amount: order.amount,
            fee: sale_fee(order.amount, &order.currency),
            reason: wish.reason.or_else(|| (status == "PENDING").then(|| "PENDING_REVIEW".to_string())),
            settled_at: (status == "COMPLETED").then_some(now_ms),
            status,
            invoice_id: text("invoice_id"),
            custom_id: text("custom_id"),
            at: now_ms,
            reversed_at: None,
            refunded: 0,
        }
    }

    /// The control's word on a capture: it completes, is declined, or is taken back.
    pub fn set_capture(&mut self, id: &str, status: &str, reason: Option<&str>, now_ms: i64) -> bool {
        let Some(mut capture) = self.captures.get(id).cloned() else { return false };
        match status {
            "REVERSED" => capture.reversed_at = Some(now_ms),
            "COMPLETED" => {
                capture.settled_at = capture.settled_at.or(Some(now_ms));
                capture.status = status.to_string();
            }
            "PENDING" | "DECLINED" | "FAILED" => {
                capture.settled_at = None;
                capture.status = status.to_string();
            }
            _ => return false,
        }
        capture.reason = reason.map(str::to_string).or((status == "PENDING").then(|| "PENDING_REVIEW".into()));
        self.write(Effect::Capture(capture.clone()));
        self.tell_capture(&capture, now_ms);
        true
    }

    pub fn set_next_capture(&mut self, wish: NextCapture) {
        self.write(Effect::NextCapture(Some(wish)));
    }

    pub(super) fn show_capture(&self, id: &str) -> Outcome {
        Ok((200, self.capture_answer(self.captures.get(id).ok_or_else(no_such_id)?, true)))
    }

    pub(super) fn shown_status<'a>(&self, capture: &'a Capture) -> &'a str {
        let charged: i64 = self.charged_back(&capture.id).iter().map(|(_, amount)| amount).sum();
        match capture.refunded + charged {
            _ if capture.reversed_at.is_some() => "REFUNDED",
            0 => &capture.status,
            all if all >= capture.amount => "REFUNDED",
            _ => "PARTIALLY_REFUNDED",
        }
    }

    pub(super) fn capture_answer(&self, capture: &Capture, alone: bool) -> Value {
        let money =
            |minor: i64| json!({"currency_code": capture.currency, "value": cents::show(minor, &capture.currency)});
        let own = format!("/v2/payments/captures/{}", capture.id);
        let mut shown = json!({"id": capture.id, "status": self.shown_status(capture), "amount": money(capture.amount),
            "final_capture": true, "create_time": rfc3339(capture.at),
            "update_time": rfc3339(capture.settled_at.unwrap_or(capture.at)),
            "seller_protection": {"status": "ELIGIBLE",
                "dispute_categories": ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"]},
            "links": [self.link(&own, "self", "GET"), self.link(&format!("{own}/refund"), "refund", "POST"),
                self.link(&format!("/v2/checkout/orders/{}", capture.order_id), "up", "GET")]});
        // PayPal leaves the breakdown out until the money is there.
        if capture.settled_at.is_some() && self.switches.fee_told {
            shown["seller_receivable_breakdown"] = json!({"gross_amount": money(capture.amount),
                "paypal_fee": money(capture.fee), "net_amount": money(capture.amount - capture.fee)});
        }
        for (field, text) in [("invoice_id", &capture.invoice_id), ("custom_id", &capture.custom_id)] {
            if let Some(text) = text {
                shown[field] = json!(text);
            }
        }
        if let Some(reason) = &capture.reason {
            shown["status_details"] = json!({"reason": reason});
        }
        if alone {
            shown["supplementary_data"] = json!({"related_ids": {"order_id": capture.order_id}});
            shown["payee"] = json!({"email_address": super::MERCHANT_EMAIL, "merchant_id": super::MERCHANT_ID});
        }
        shown
    }

    pub(super) fn refund(&mut self, capture_id: &str, request: &Request, now_ms: i64) -> Outcome {
        let key = request_id(request)?;
        let name = key.as_ref().map(|k| format!("refund/{capture_id}/{k}"));
        if let Some(kept) = name.as_deref().and_then(|n| self.kept(n, now_ms, self.request_id_life_ms())) {
            let made = kept.made.as_ref().and_then(|id| self.refunds.get(id)).ok_or_else(no_such_id)?;
            return Ok((200, self.refund_answer(made, is_full(request))));
        }
        let capture = self.captures.get(capture_id).ok_or_else(no_such_id)?.clone();
        let body = if request.body.is_empty() { Some(json!({})) } else { request.json() };
        let body = body.filter(Value::is_object).ok_or_else(|| malformed("/", "MALFORMED_REQUEST_JSON"))?;
        let amount = self.refundable(&capture, &body)?;
        if !self.switches.refund_issue.is_empty() {
            return Err(unprocessable(&self.switches.refund_issue));
        }
        let refund = self.new_refund(capture, key, amount, &body, now_ms);
        if let Some(name) = name {
            self.write(Effect::Kept(Kept { name, at: now_ms, made: Some(refund.id.clone()), refused: None }));
        }
        Ok((201, self.refund_answer(&refund, is_full(request))))
    }

    fn new_refund(
        &mut self,
        mut capture: Capture,
        key: Option<String>,
        amount: i64,
        body: &Value,
        now_ms: i64,
    ) -> Refund {
        let text = |field: &str| body[field].as_str().map(str::to_string);
        let status = self.switches.refund_outcome.clone();
        if matches!(status.as_str(), "COMPLETED" | "PENDING") {
            capture.refunded += amount;
        }
        let refund = Refund {
            id: self.transaction_id("refund", self.refunds.len()),
            capture_id: capture.id.clone(),
            key,
            currency: capture.currency.clone(),
            amount,
            invoice_id: text("invoice_id"),
            custom_id: text("custom_id"),
            note: text("note_to_payer"),
            status,
            at: now_ms,
            total_after: capture.refunded,
        };
        self.write(Effect::Capture(capture));
        self.write(Effect::Refund(refund.clone()));
        self.tell_refund(&refund, "PAYMENT.CAPTURE.REFUNDED", now_ms);
        refund
    }

    /// Somebody refunds on PayPal's site: so much, or all that is left.
    pub fn refund_on_site(&mut self, capture_id: &str, amount: Option<&str>, now_ms: i64) -> bool {
        let Some(capture) = self.captures.get(capture_id).cloned() else { return false };
        let body = match amount {
            Some(amount) => json!({"amount": {"currency_code": capture.currency, "value": amount}}),
            None => json!({}),
        };
        let Ok(amount) = self.refundable(&capture, &body) else { return false };
        self.new_refund(capture, None, amount, &body, now_ms);
        true
    }

    /// How much this body asks back, if PayPal lets it.
    fn refundable(&self, capture: &Capture, body: &Value) -> Result<i64, (u16, Value)> {
        match capture.status.as_str() {
            "COMPLETED" => {}
            "PENDING" => return Err(unprocessable("PENDING_CAPTURE")),
            _ => return Err(refusal(422, "UNPROCESSABLE_ENTITY", Some(json!({"issue": "CAPTURE_NOT_COMPLETED"})))),
        }
        if capture.reversed_at.is_some() {
            return Err(unprocessable("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"));
        }
        let disputed = self.disputed(&capture.id);
        let left = capture.amount - capture.refunded - disputed;
        if left <= 0 && disputed > 0 {
            return Err(unprocessable("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"));
        }
        if left == 0 {
            return Err(unprocessable("CAPTURE_FULLY_REFUNDED"));
        }
        let amount = match body.get("amount") {
            None => left,
            Some(amount) => {
                let (currency, amount) = checked_amount(amount, "/amount")?;
                if currency != capture.currency {
                    return Err(unprocessable("REFUND_CAPTURE_CURRENCY_MISMATCH"));
                }
                amount
            }
        };
        if amount > left {
            return Err(unprocessable("REFUND_AMOUNT_EXCEEDED"));
        }
        let invoice = body["invoice_id"].as_str();
        if invoice.is_some() && self.refunds.values().any(|r| r.invoice_id.as_deref() == invoice) {
            return Err(unprocessable("DUPLICATE_INVOICE_ID"));
        }
        Ok(amount)
    }

    pub(super) fn show_refund(&self, id: &str) -> Outcome {
        Ok((200, self.refund_answer(self.refunds.get(id).ok_or_else(no_such_id)?, true)))
    }

    pub(super) fn refunds_of(&self, capture_id: &str) -> Vec<&Refund> {
        let mut found: Vec<&Refund> = self.refunds.values().filter(|r| r.capture_id == capture_id).collect();
        found.sort_by_key(|r| r.at);
        found
    }

    /// The control's word on a refund: `PENDING`, `COMPLETED`, or `FAILED` and `CANCELLED`, which give the money back
    /// to the capture.
    pub fn set_refund(&mut self, id: &str, status: &str, now_ms: i64) -> bool {
        let Some(mut refund) = self.refunds.get(id).cloned() else { return false };
        let stands = |status: &str| matches!(status, "COMPLETED" | "PENDING");
        if !stands(status) && !matches!(status, "FAILED" | "CANCELLED") {
            return false;
        }
        if let Some(mut capture) = self.captures.get(&refund.capture_id).cloned() {
            capture.refunded += match (stands(&refund.status), stands(status)) {
                (true, false) => -refund.amount,
                (false, true) => refund.amount,
                _ => 0,
            };
            self.write(Effect::Capture(capture));
        }
        refund.status = status.to_string();
        self.write(Effect::Refund(refund.clone()));
        match status {
            "FAILED" | "CANCELLED" => self.tell_refund(&refund, "PAYMENT.REFUND.FAILED", now_ms),
            "PENDING" => self.tell_refund(&refund, "PAYMENT.REFUND.PENDING", now_ms),
            _ => {}
        }
        true
    }

    pub(super) fn refund_answer(&self, refund: &Refund, full: bool) -> Value {
        let money =
            |minor: i64| json!({"currency_code": refund.currency, "value": cents::show(minor, &refund.currency)});
        let links = json!([
            self.link(&format!("/v2/payments/refunds/{}", refund.id), "self", "GET"),
            self.link(&format!("/v2/payments/captures/{}", refund.capture_id), "up", "GET")
        ]);
        let mut shown = json!({"id": refund.id, "status": refund.status, "links": links});
        if !full {
            return shown;
        }
        shown["amount"] = money(refund.amount);
        // The fee of the sale stays with PayPal.
        shown["seller_payable_breakdown"] = json!({"gross_amount": money(refund.amount), "paypal_fee": money(0),
            "net_amount": money(refund.amount), "total_refunded_amount": money(refund.total_after)});
        let texts =
            [("invoice_id", &refund.invoice_id), ("custom_id", &refund.custom_id), ("note_to_payer", &refund.note)];
        for (field, text) in texts {
            if let Some(text) = text {
                shown[field] = json!(text);
            }
        }
        shown["create_time"] = json!(rfc3339(refund.at));
        shown["update_time"] = json!(rfc3339(refund.at));
        shown
    }
}
