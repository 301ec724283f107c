//! The buyer's side of PayPal: agreeing to pay, by the control or on a small page with one button. The page exists so
//! that a person can walk the whole road in a browser; it decides nothing the control could not.

use super::Book;
use super::records::{Effect, Order};
use crate::sandbox::cents;
use crate::sandbox::wire::{Answer, Request, pairs};
use serde_json::{Value, json};

impl Book {
    /// The buyer agrees. `wish` may carry `payer {name, email, phone?}` and `shippingAddress {name?, line1, line2?,
    /// city, province, postalCode, country}`; what it leaves out comes from the order, else from a made-up buyer.
    /// `false` where the order does not exist, is gone or was captured.
    pub fn approve(&mut self, id: &str, wish: &Value, now_ms: i64) -> bool {
        let Ok(order) = self.live_order(id, now_ms) else { return false };
        if self.order_status(order) == "COMPLETED" {
            return false;
        }
        let mut order = order.clone();
        order.approved_at = Some(now_ms);
        order.payer = Some(self.payer(wish));
        order.shipping = Some(shipping(&order, wish));
        self.write(Effect::Order(order.clone()));
        self.tell_order(&order, "CHECKOUT.ORDER.APPROVED", now_ms);
        true
    }

    fn payer(&self, wish: &Value) -> Value {
        let text = |field: &str, usual: &str| wish["payer"][field].as_str().unwrap_or(usual).to_string();
        let name = text("name", "Test Buyer");
        let (given, family) = name.rsplit_once(' ').unwrap_or((&name, "Buyer"));
        let mut payer = json!({"name": {"given_name": given, "surname": family},
            "email_address": text("email", "buyer@sandbox.example"), "payer_id": self.account_id("payer", name.len()),
            "address": {"country_code": wish["shippingAddress"]["country"].as_str().unwrap_or("US")}});
        if let Some(phone) = wish["payer"]["phone"].as_str() {
            let (country, number) = phone_parts(phone);
            payer["phone"] = json!({"phone_number": {"country_code": country, "national_number": number}});
        }
        payer
    }

    /// `/checkoutnow?token=…`: shows the page, or, when its button was pressed, approves and sends the buyer back.
    pub(super) fn payer_page(&mut self, request: &Request, now_ms: i64) -> Answer {
        let token = request.query_pairs().into_iter().find(|(n, _)| n == "token").map(|(_, v)| v).unwrap_or_default();
        let Ok(order) = self.live_order(&token, now_ms).cloned() else {
            return Answer::text(404, "text/html; charset=utf-8", "<p>This order is gone, or never was.</p>");
        };
        if request.method == "GET" {
            return page(&order);
        }
        let pressed = pairs(&request.body).into_iter().any(|(n, _)| n == "pay");
        if pressed {
            self.approve(&token, &json!({}), now_ms);
        }
        let back = if pressed { &order.return_url } else { &order.cancel_url };
        match back {
            Some(url) => {
                let joint = if url.contains('?') { '&' } else { '?' };
                let payer = self.orders.get(&token).and_then(|o| o.payer.as_ref()).map(|p| p["payer_id"].clone());
                let payer =
                    payer.as_ref().and_then(Value::as_str).map(|id| format!("&PayerID={id}")).unwrap_or_default();
                Answer::text(303, "text/plain", "")
                    .with("Location", one_line(&format!("{url}{joint}token={token}{payer}")))
            }
            None => Answer::text(200, "text/html; charset=utf-8", "<p>Done. You may close this page.</p>"),
        }
    }
}

/// `+44 20 7946…` into `44` and the rest; without a plus it is taken for an American number.
fn phone_parts(phone: &str) -> (String, String) {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    match phone.trim().strip_prefix('+').and_then(|p| p.split_once([' ', '-', '('])) {
        Some((country, number)) if (1..=3).contains(&digits(country).len()) => (digits(country), digits(number)),
        _ => {
            let all = digits(phone);
            let number = all.strip_prefix('1').filter(|n| n.len() == 10).unwrap_or(&all).to_string();
            ("1".into(), number)
        }
    }
}

fn page(order: &Order) -> Answer {
    let what = order.unit["description"].as_str().or(order.unit["custom_id"].as_str()).unwrap_or("your order");
    let html = format!(
        "<!doctype html><meta charset=utf-8><title>Built-in PayPal</title><h1>Built-in PayPal</h1>\
         <p>No money moves here. Pay {} {} for {}?</p><form method=post action=\"?token={}\">\
         <button name=pay value=1>Pay</button> <button name=cancel value=1>Cancel</button></form>",
        cents::show(order.amount, &order.currency),
        escaped(&order.currency),
        escaped(what),
        escaped(&order.id)
    );
    Answer::text(200, "text/html; charset=utf-8", html)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A header holds one line, whatever address the caller gave.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Where it goes: the wish, else what the shop gave at creation, else the made-up buyer's address.
fn shipping(order: &Order, wish: &Value) -> Value {
    let asked = &wish["shippingAddress"];
    if !asked.is_object() && order.unit["shipping"]["address"].is_object() {
        return order.unit["shipping"].clone();
    }
    let text = |field: &str, usual: &str| match asked.is_object() {
        true => asked[field].as_str().unwrap_or("").to_string(),
        false => usual.to_string(),
    };
    let payer_name = wish["payer"]["name"].as_str().unwrap_or("Test Buyer");
    let name = asked["name"].as_str().unwrap_or(payer_name);
    let mut address = json!({"address_line_1": text("line1", "2211 N First Street"),
        "admin_area_2": text("city", "San Jose"), "admin_area_1": text("province", "CA"),
        "postal_code": text("postalCode", "95131"), "country_code": text("country", "US")});
    if let Some(line2) = asked["line2"].as_str().filter(|l| !l.is_empty()) {
        address["address_line_2"] = json!(line2);
    }
    json!({"name": {"full_name": name}, "address": address})
}
