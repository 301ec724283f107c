//! Orders v2: creation with PayPal's checks, the windows in which a buyer may pay, and how an order looks.

use super::records::{Effect, Kept, Order};
use super::{Book, MERCHANT_EMAIL, MERCHANT_ID, Outcome, malformed, no_such_id, refusal, unprocessable};
use crate::sandbox::cents::{self, Bad};
use crate::sandbox::wire::{Request, rfc3339};
use serde_json::{Map, Value, json};

/// An order that is not approved, or approved and not captured, within three hours is gone.
const WINDOW_MS: i64 = 3 * 3_600_000;

impl Book {
    pub(super) fn create_order(&mut self, request: &Request, now_ms: i64) -> Outcome {
        let key = request_id(request)?;
        let name = key.as_ref().map(|k| format!("create/{k}"));
        if let Some(made) = name.as_deref().and_then(|n| self.kept(n, now_ms, self.request_id_life_ms())) {
            let id = made.made.clone().unwrap_or_default();
            let order = self.orders.get(&id).ok_or_else(no_such_id)?;
            return Ok((200, self.order_answer(order, is_full(request))));
        }
        let body = request.json().ok_or_else(|| malformed("/", "MALFORMED_REQUEST_JSON"))?;
        if body.get("payment_source").is_some() && key.is_none() {
            return Err(malformed("PayPal-Request-Id", "PAYPAL_REQUEST_ID_REQUIRED"));
        }
        let (unit, currency, amount) = checked_unit(&body)?;
        let context = ["/application_context", "/payment_source/paypal/experience_context"];
        let url = |field: &str| {
            context
                .iter()
                .find_map(|c| body.pointer(&format!("{c}/{field}")))
                .and_then(Value::as_str)
                .map(str::to_string)
        };
        let order = Order {
            id: self.transaction_id("order", self.orders.len()),
            key,
            currency,
            amount,
            unit,
            has_source: body.get("payment_source").is_some(),
            return_url: url("return_url"),
            cancel_url: url("cancel_url"),
            created_at: now_ms,
            approved_at: None,
            payer: None,
            shipping: None,
            capture_id: None,
            trackers: vec![],
        };
        let answer = self.order_answer(&order, is_full(request));
        if let Some(name) = name {
            self.write(Effect::Kept(Kept { name, at: now_ms, made: Some(order.id.clone()), refused: None }));
        }
        self.write(Effect::Order(order));
        Ok((201, answer))
    }

    pub(super) fn show_order(&self, id: &str, now_ms: i64) -> Outcome {
        Ok((200, self.order_answer(self.live_order(id, now_ms)?, true)))
    }

    /// The order, unless it never was or its window has closed.
    pub(super) fn live_order(&self, id: &str, now_ms: i64) -> Result<&Order, (u16, Value)> {
        let order = self.orders.get(id).ok_or_else(no_such_id)?;
        let window_from = order.approved_at.unwrap_or(order.created_at);
        if order.capture_id.is_none() && now_ms - window_from >= WINDOW_MS { Err(no_such_id()) } else { Ok(order) }
    }

    /// Shipment tracking of a captured order.
    pub(super) fn track(&mut self, id: &str, request: &Request, now_ms: i64) -> Outcome {
        let order = self.live_order(id, now_ms)?.clone();
        let body = request.json().ok_or_else(|| malformed("/", "MALFORMED_REQUEST_JSON"))?;
        let text = |field: &str| body[field].as_str().filter(|t| !t.is_empty());
        let capture_id = text("capture_id").or(text("transaction_id"));
        let capture_id = capture_id.ok_or_else(|| malformed("/capture_id", "MISSING_REQUIRED_PARAMETER"))?;
        if order.capture_id.as_deref() != Some(capture_id) {
            return Err(unprocessable("CAPTURE_ID_NOT_FOUND"));
        }
        if self.captures.get(capture_id).is_none_or(|c| c.status != "COMPLETED") {
            return Err(unprocessable("CAPTURE_STATUS_NOT_VALID"));
        }
        if text("carrier") == Some("OTHER") && text("carrier_name_other").is_none() {
            return Err(malformed("/carrier_name_other", "MISSING_REQUIRED_PARAMETER"));
        }
        let number = text("tracking_number").unwrap_or("");
        let tracker_id = format!("{capture_id}-{number}");
        let known = order.trackers.iter().any(|t| t["id"] == tracker_id.as_str());
        let mut changed = order;
        if !known {
            changed.trackers.push(json!({"id": tracker_id, "status": "SHIPPED",
                "links": [self.link(&format!("/v2/checkout/orders/{id}/trackers/{tracker_id}"), "update", "PATCH")],
                "create_time": rfc3339(now_ms), "update_time": rfc3339(now_ms)}));
        }
        let answer = self.order_answer(&changed, true);
        self.write(Effect::Order(changed));
        Ok((if known { 200 } else { 201 }, answer))
    }

    /// How many tracking numbers an order bears.
    pub fn trackers(&self, id: &str) -> usize {
        self.orders.get(id).map_or(0, |order| order.trackers.len())
    }

    pub(super) fn order_status(&self, order: &Order) -> &'static str {
        let declined = |id: &String| self.captures.get(id).is_some_and(|c| c.status == "DECLINED");
        match (&order.capture_id, order.approved_at) {
            (Some(id), _) if !declined(id) => "COMPLETED",
            (Some(_), _) | (None, Some(_)) => "APPROVED",
            (None, None) if order.has_source => "PAYER_ACTION_REQUIRED",
            (None, None) => "CREATED",
        }
    }

    /// The order as PayPal shows it: everything, or id, status and links only.
    pub(super) fn order_answer(&self, order: &Order, full: bool) -> Value {
        let own = format!("/v2/checkout/orders/{}", order.id);
        let status = self.order_status(order);
        let mut links = vec![self.link(&own, "self", "GET")];
        if order.approved_at.is_none() {
            let rel = if order.has_source { "payer-action" } else { "approve" };
            links.push(self.link(&format!("/checkoutnow?token={}", order.id), rel, "GET"));
        }
        if order.capture_id.is_none() {
            links.push(self.link(&format!("{own}/capture"), "capture", "POST"));
        }
        let mut shown = json!({"id": order.id, "status": status, "links": links});
        let Some(fields) = shown.as_object_mut().filter(|_| full) else { return shown };
        fields.insert("intent".into(), json!(self.switches.order_intent));
        fields.insert("create_time".into(), json!(rfc3339(order.created_at)));
        if let Some(payer) = &order.payer {
            fields.insert("payer".into(), payer.clone());
            let mut source = payer.clone();
            source["account_id"] = payer["payer_id"].clone();
            fields.insert("payment_source".into(), json!({"paypal": source}));
        }
        fields.insert("purchase_units".into(), json!([self.shown_unit(order)]));
        shown
    }

    fn shown_unit(&self, order: &Order) -> Value {
        let mut unit = order.unit.as_object().cloned().unwrap_or_else(Map::new);
        unit.entry("reference_id").or_insert(json!("default"));
        unit.insert("payee".into(), json!({"email_address": MERCHANT_EMAIL, "merchant_id": MERCHANT_ID}));
        if let Some(amount) = unit.get_mut("amount") {
            amount["value"] = json!(cents::show(order.amount, &order.currency));
        }
        if let Some(shipping) = &order.shipping {
            let mut shipping = shipping.clone();
            if !order.trackers.is_empty() {
                shipping["trackers"] = json!(order.trackers);
            }
            unit.insert("shipping".into(), shipping);
        }
        if let Some(capture) = order.capture_id.as_ref().and_then(|id| self.captures.get(id)) {
            let mut payments = json!({"captures": [self.capture_answer(capture, false)]});
            let mut refunds: Vec<Value> =
                self.refunds_of(&capture.id).iter().map(|r| self.refund_answer(r, true)).collect();
            if matches!(self.switches.dispute_shown_as.as_str(), "refund" | "kept" | "cancelled") {
                let charged = self.charged_back(&capture.id).into_iter().map(|(id, amount)| (id, amount, "COMPLETED"));
                let shown = charged.chain(self.won_back(&capture.id));
                refunds.extend(shown.map(|(id, amount, status)| {
                    let mut row = self.reversal_answer(capture, &id, amount);
                    row["status"] = status.into();
                    row
                }));
            }
            if !refunds.is_empty() {
                payments["refunds"] = json!(refunds);
            }
            if self.switches.payments_told {
                unit.insert("payments".into(), payments);
            }
        }
        Value::Object(unit)
    }
}

/// `PayPal-Request-Id`, at most 108 letters.
pub(super) fn request_id(request: &Request) -> Result<Option<String>, (u16, Value)> {
    match request.header("paypal-request-id").filter(|k| !k.is_empty()) {
        Some(key) if key.len() > 108 => Err(malformed("PayPal-Request-Id", "INVALID_STRING_LENGTH")),
        key => Ok(key.map(str::to_string)),
    }
}

/// Without `Prefer: return=representation` PayPal says no more than id, status and links.
pub(super) fn is_full(request: &Request) -> bool {
    request.header("prefer").is_some_and(|p| p.replace(' ', "").eq_ignore_ascii_case("return=representation"))
}

/// An amount object of Orders or Payments, by PayPal's rules, in minor units.
pub(super) fn checked_amount(amount: &Value, at: &str) -> Result<(String, i64), (u16, Value)> {
    let currency = amount["currency_code"].as_str().unwrap_or("");
    if currency.is_empty() {
        return Err(malformed(&format!("{at}/currency_code"), "MISSING_REQUIRED_PARAMETER"));
    }
    if currency.len() != 3 {
        return Err(malformed(&format!("{at}/currency_code"), "INVALID_STRING_LENGTH"));
    }
    if !cents::is_taken(currency) {
        return Err(unprocessable("INVALID_CURRENCY_CODE"));
    }
    let minor = match &amount["value"] {
        Value::Null => return Err(malformed(&format!("{at}/value"), "MISSING_REQUIRED_PARAMETER")),
        Value::String(value) => cents::parse(value, currency),
        _ => Err(Bad::Syntax),
    };
    let minor = minor.map_err(|bad| match bad {
        Bad::Syntax => malformed(&format!("{at}/value"), "INVALID_PARAMETER_SYNTAX"),
        // Payments has a word of its own for a currency without decimals, Orders has not.
        Bad::DecimalsNotSupported if at == "/amount" => unprocessable("DECIMALS_NOT_SUPPORTED"),
        Bad::DecimalsNotSupported => unprocessable("DECIMAL_PRECISION"),
        Bad::DecimalPrecision => unprocessable("DECIMAL_PRECISION"),
        Bad::TooLarge => unprocessable("MAX_VALUE_EXCEEDED"),
    })?;
    if minor <= 0 { Err(unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE")) } else { Ok((currency.to_string(), minor)) }
}

/// The one purchase unit of a create call with its amount, after PayPal's checks.
fn checked_unit(body: &Value) -> Result<(Value, String, i64), (u16, Value)> {
    match body["intent"].as_str() {
        Some("CAPTURE") => {}
        Some("AUTHORIZE") => return Err(unprocessable("UNSUPPORTED_INTENT")),
        Some(_) => return Err(malformed("/intent", "INVALID_PARAMETER_VALUE")),
        None => return Err(malformed("/intent", "MISSING_REQUIRED_PARAMETER")),
    }
    let units = body["purchase_units"].as_array();
    let units = units.ok_or_else(|| malformed("/purchase_units", "MISSING_REQUIRED_PARAMETER"))?;
    let unit = match units.as_slice() {
        [] => return Err(malformed("/purchase_units", "INVALID_ARRAY_MIN_ITEMS")),
        [unit] => unit,
        // The real one takes ten; this one takes the one it can book.
        _ => return Err(malformed("/purchase_units", "INVALID_ARRAY_MAX_ITEMS")),
    };
    let at = "/purchase_units/@reference_id=='default'";
    let (currency, amount) = checked_amount(&unit["amount"], &format!("{at}/amount"))?;
    for field in ["custom_id", "invoice_id"] {
        match &unit[field] {
            Value::Null => {}
            Value::String(text) if (1..=127).contains(&text.len()) => {}
            _ => return Err(malformed(&format!("{at}/{field}"), "INVALID_STRING_LENGTH")),
        }
    }
    if unit["payee"]["merchant_id"].as_str().is_some_and(|id| id != MERCHANT_ID) {
        return Err(unprocessable("PAYEE_ACCOUNT_INVALID"));
    }
    check_address(&unit["shipping"]["address"])?;
    check_breakdown(unit, &currency, amount)?;
    Ok((unit.clone(), currency, amount))
}

fn check_address(address: &Value) -> Result<(), (u16, Value)> {
    if address.is_null() {
        return Ok(());
    }
    let has = |field: &str| address[field].as_str().is_some_and(|t| !t.is_empty());
    let country = address["country_code"].as_str().unwrap_or("");
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(malformed("/purchase_units/0/shipping/address/country_code", "INVALID_COUNTRY_CODE"));
    }
    if !has("admin_area_2") {
        return Err(unprocessable("CITY_REQUIRED"));
    }
    if !has("postal_code") && matches!(country, "US" | "CA" | "GB" | "DE" | "FR" | "ES" | "IT") {
        return Err(unprocessable("POSTAL_CODE_REQUIRED"));
    }
    Ok(())
}

/// Lines and breakdown, where given, have to add up.
fn check_breakdown(unit: &Value, currency: &str, amount: i64) -> Result<(), (u16, Value)> {
    let breakdown = &unit["amount"]["breakdown"];
    let part = |field: &str| -> Result<Option<i64>, (u16, Value)> {
        let Some(part) = breakdown.get(field) else { return Ok(None) };
        if part["currency_code"] != currency {
            return Err(unprocessable("MULTI_CURRENCY_ORDER"));
        }
        let value = part["value"].as_str().and_then(|v| cents::parse(v, currency).ok());
        value.map(Some).ok_or_else(|| malformed(&format!("breakdown/{field}"), "INVALID_PARAMETER_SYNTAX"))
    };
    if breakdown.is_object() {
        let mut total = 0;
        for field in ["item_total", "shipping", "handling", "tax_total", "insurance"] {
            total += part(field)?.unwrap_or(0);
        }
        for field in ["discount", "shipping_discount"] {
            total -= part(field)?.unwrap_or(0);
        }
        if total != amount {
            return Err(unprocessable("AMOUNT_MISMATCH"));
        }
    }
    let Some(items) = unit["items"].as_array() else { return Ok(()) };
    let mut lines = 0;
    for item in items {
        let (line_currency, price) = checked_amount(&item["unit_amount"], "/items/unit_amount")?;
        let quantity = item["quantity"].as_str().and_then(|q| q.parse::<i64>().ok()).filter(|q| *q > 0);
        let quantity = quantity.ok_or_else(|| malformed("/items/quantity", "INVALID_PARAMETER_SYNTAX"))?;
        if item["name"].as_str().is_none_or(|n| n.is_empty() || n.chars().count() > 127) {
            return Err(malformed("/items/name", "INVALID_STRING_LENGTH"));
        }
        if line_currency != currency {
            return Err(unprocessable("MULTI_CURRENCY_ORDER"));
        }
        lines += price * quantity;
    }
    match part("item_total")? {
        None => Err(refusal(422, "UNPROCESSABLE_ENTITY", Some(json!({"issue": "ITEM_TOTAL_REQUIRED"})))),
        Some(total) if total != lines => Err(unprocessable("ITEM_TOTAL_MISMATCH")),
        Some(_) => Ok(()),
    }
}
