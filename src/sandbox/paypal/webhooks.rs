//! What PayPal tells by itself: events, the addresses that asked for them, and signed deliveries. The key that signs
//! is published here on purpose; it proves nothing outside the sandbox, and no shop may accept its certificate for a
//! real account. Sending is the shell's business.

use super::records::{Capture, Effect, Event, Order, Refund, Webhook};
use super::{Book, Outcome, WEBHOOK_ID, malformed, refusal};
use crate::sandbox::wire::{Answer, CAPITALS, HEX, Request, draw, rfc3339};
use data_encoding::BASE64;
use ring::{rand::SystemRandom, signature};
use serde_json::{Value, json};

const KEY: &str = include_str!("webhook-key.txt");
const CERTIFICATE: &str = include_str!("webhook-cert.pem");

pub(super) const CERTIFICATE_NAME: &str = "CERT-sandbox-1";

/// Deliveries of one event before PayPal gives up.
const ATTEMPTS_MAX: u32 = 25;

/// One signed delivery, ready to be posted.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub event_id: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Book {
    pub(super) fn notifications(&mut self, request: &Request, rest: &[&str]) -> Outcome {
        match (request.method.as_str(), rest) {
            ("GET", ["webhooks"]) => {
                let known: Vec<Value> = self.webhooks.values().map(|w| self.webhook_answer(w)).collect();
                Ok((200, json!({"webhooks": known})))
            }
            ("POST", ["webhooks"]) => self.register(request),
            ("PATCH", ["webhooks", id]) => self.patch(id, request),
            ("GET", ["webhooks-events"]) => {
                let shown: Vec<Value> = self.events.iter().rev().take(100).map(event_value).collect();
                Ok((200, json!({"count": shown.len(), "events": shown})))
            }
            ("GET", ["webhooks-events", id]) => {
                let event = self.events.iter().find(|e| e.id == *id);
                event.map(|e| (200, event_value(e))).ok_or_else(|| refusal(404, "INVALID_RESOURCE_ID", None))
            }
            ("POST", ["webhooks-events", id, "resend"]) => {
                let event = self.events.iter().find(|e| e.id == *id).cloned();
                let event = event.ok_or_else(|| refusal(404, "INVALID_RESOURCE_ID", None))?;
                let answer = event_value(&event);
                self.write(Effect::Event(Event { delivered_at: None, attempts: 0, ..event }));
                Ok((202, answer))
            }
            _ => Err(refusal(404, "RESOURCE_NOT_FOUND", None)),
        }
    }

    /// The first address gets the webhook id of the credentials, so that a shop can know it beforehand.
    fn register(&mut self, request: &Request) -> Outcome {
        let body = request.json().ok_or_else(|| malformed("/", "MALFORMED_REQUEST_JSON"))?;
        let url = body["url"].as_str().filter(|u| !u.is_empty());
        let url = url.ok_or_else(|| malformed("url", "MISSING_REQUIRED_PARAMETER"))?.to_string();
        if self.webhooks.values().any(|w| w.url == url) {
            return Err(refusal(400, "WEBHOOK_URL_ALREADY_EXISTS", None));
        }
        let types = body["event_types"].as_array().cloned().unwrap_or_default();
        let event_types: Vec<String> = types.iter().filter_map(|t| t["name"].as_str()).map(str::to_string).collect();
        if event_types.is_empty() {
            return Err(malformed("event_types", "MISSING_REQUIRED_PARAMETER"));
        }
        let id = match self.webhooks.len() {
            0 => WEBHOOK_ID.to_string(),
            n => self.transaction_id("webhook", n),
        };
        let webhook = Webhook { id, url, event_types };
        let answer = self.webhook_answer(&webhook);
        self.write(Effect::Webhook(webhook));
        Ok((201, answer))
    }

    /// A JSON Patch that replaces the address, the kinds, or both.
    fn patch(&mut self, id: &str, request: &Request) -> Outcome {
        let mut webhook = self.webhooks.get(id).cloned().ok_or_else(|| refusal(404, "INVALID_RESOURCE_ID", None))?;
        let body = request.json().filter(Value::is_array).ok_or_else(|| malformed("/", "MALFORMED_REQUEST_JSON"))?;
        for part in body.as_array().into_iter().flatten() {
            match (part["op"].as_str(), part["path"].as_str(), &part["value"]) {
                (Some("replace"), Some("/url"), Value::String(url)) => webhook.url.clone_from(url),
                (Some("replace"), Some("/event_types"), Value::Array(types)) => {
                    webhook.event_types = types.iter().filter_map(|t| t["name"].as_str()).map(str::to_string).collect();
                }
                _ => return Err(malformed("/", "INVALID_PATCH_OPERATION")),
            }
        }
        if self.webhooks.values().any(|w| w.id != id && w.url == webhook.url) {
            return Err(refusal(400, "WEBHOOK_URL_ALREADY_EXISTS", None));
        }
        let answer = self.webhook_answer(&webhook);
        self.write(Effect::Webhook(webhook));
        Ok((200, answer))
    }

    fn webhook_answer(&self, webhook: &Webhook) -> Value {
        let types: Vec<Value> = webhook.event_types.iter().map(|name| json!({"name": name})).collect();
        json!({"id": webhook.id, "url": webhook.url, "event_types": types,
            "links": [self.link(&format!("/v1/notifications/webhooks/{}", webhook.id), "self", "GET")]})
    }

    pub(super) fn tell_order(&mut self, order: &Order, kind: &str, now_ms: i64) {
        let resource = self.order_answer(order, true);
        self.tell(kind, "checkout-order", "2.0", resource, now_ms);
    }

    pub(super) fn tell_capture(&mut self, capture: &Capture, now_ms: i64) {
        if capture.reversed_at.is_some() {
            let (id, amount) = (capture.order_id.clone(), capture.amount - capture.refunded);
            return self.tell_reversal(capture, &id, amount, now_ms);
        }
        let kind = match capture.status.as_str() {
            "COMPLETED" => "PAYMENT.CAPTURE.COMPLETED",
            "PENDING" => "PAYMENT.CAPTURE.PENDING",
            _ => "PAYMENT.CAPTURE.DENIED",
        };
        let resource = self.capture_answer(capture, true);
        self.tell(kind, "capture", "2.0", resource, now_ms);
    }

    /// PayPal took back what was captured; told like a refund.
    pub(super) fn tell_reversal(&mut self, capture: &Capture, id: &str, amount: i64, now_ms: i64) {
        let resource = self.reversal_answer(capture, id, amount);
        self.tell("PAYMENT.CAPTURE.REVERSED", "refund", "2.0", resource, now_ms);
    }

    pub(super) fn reversal_answer(&self, capture: &Capture, id: &str, amount: i64) -> Value {
        let own = format!("/v2/payments/captures/{}", capture.id);
        json!({"id": id, "status": "COMPLETED", "links": [self.link(&own, "up", "GET")],
            "amount": {"currency_code": capture.currency, "value": crate::sandbox::cents::show(amount, &capture.currency)}})
    }

    /// Refund events carry the refund; the capture stands in the `up` link only.
    pub(super) fn tell_refund(&mut self, refund: &Refund, kind: &str, now_ms: i64) {
        let resource = self.refund_answer(refund, true);
        self.tell(kind, "refund", "2.0", resource, now_ms);
    }

    pub(super) fn tell_item(&mut self, batch_id: &str, at: usize, kind: &str, now_ms: i64) {
        let id = self.batches.get(batch_id).and_then(|b| b.items.get(at)).map(|i| i.id.clone()).unwrap_or_default();
        if let Ok((_, resource)) = self.show_item(&id, now_ms) {
            self.tell(&format!("PAYMENT.PAYOUTS-ITEM.{kind}"), "payouts_item", "1.0", resource, now_ms);
        }
    }

    /// Events about disputes carry the whole dispute.
    pub(super) fn tell_dispute(&mut self, id: &str, kind: &str, now_ms: i64) {
        if let Ok((_, resource)) = self.show_dispute(id) {
            self.tell(&format!("CUSTOMER.DISPUTE.{kind}"), "dispute", "1.0", resource, now_ms);
        }
    }

    fn tell(&mut self, kind: &str, resource_type: &str, version: &str, resource: Value, now_ms: i64) {
        let number = self.events.len() as u64;
        let part = |p: &str| draw(self.seed, p, number, CAPITALS, 17);
        let id = format!("WH-{}-{}", part("event"), part("event-tail"));
        let own = format!("/v1/notifications/webhooks-events/{id}");
        let body = json!({"id": id, "event_version": "1.0", "create_time": rfc3339(now_ms), "event_type": kind,
            "resource_type": resource_type, "resource_version": version, "summary": kind, "resource": resource,
            "links": [self.link(&own, "self", "GET"), self.link(&format!("{own}/resend"), "resend", "POST")]});
        let (kind, body) = (kind.to_string(), body.to_string());
        self.write(Effect::Event(Event { id, kind, at: now_ms, body, delivered_at: None, attempts: 0 }));
    }

    /// Every event so far, oldest first, each with the headers of a delivery signed now.
    pub fn told(&self, now_ms: i64) -> Value {
        let shown = self.events.iter().map(|event| {
            let headers: serde_json::Map<String, Value> =
                self.signed(event, WEBHOOK_ID, now_ms).into_iter().map(|(n, v)| (n, json!(v))).collect();
            json!({"id": event.id, "event_type": event.kind, "body": event.body, "headers": headers,
                "delivered": event.delivered_at.is_some(), "attempts": event.attempts})
        });
        json!({"webhook_id": WEBHOOK_ID, "events": shown.collect::<Vec<_>>()})
    }

    /// The oldest event that waits for an address that asked for it, signed; counts as an attempt. `None`: all told.
    pub fn next_delivery(&mut self, now_ms: i64) -> Option<Delivery> {
        if self.webhooks.is_empty() {
            return None;
        }
        let hears = |w: &Webhook, e: &Event| w.event_types.iter().any(|t| t == "*" || *t == e.kind);
        let delay = self.switches.webhook_delay_ms;
        let waits = |e: &&Event| {
            e.delivered_at.is_none() && e.attempts < ATTEMPTS_MAX && e.at + delay + pause_ms(e.attempts) <= now_ms
        };
        let told = |e: &Event| self.webhooks.values().find(|w| hears(w, e)).map(|w| (e.clone(), w.clone()));
        let found = match self.switches.webhook_newest_first {
            true => self.events.iter().rev().filter(waits).find_map(told),
            false => self.events.iter().filter(waits).find_map(told),
        };
        let (event, webhook) = found?;
        let is_forged = self.switches.webhook_forged_first && event.attempts == 0;
        // Signed for the id that PayPal's simulator uses: a good signature, and not for us.
        let headers = self.signed(&event, if is_forged { "WEBHOOK_ID" } else { &webhook.id }, now_ms);
        let delivery = Delivery { event_id: event.id.clone(), url: webhook.url, headers, body: event.body.clone() };
        self.write(Effect::Event(Event { attempts: event.attempts + 1, ..event }));
        Some(delivery)
    }

    /// The address answered with a 2xx. An event that is to come several times is done after the last of them.
    pub fn mark_delivered(&mut self, event_id: &str, now_ms: i64) {
        let copies = self.switches.webhook_copies;
        if let Some(event) = self.events.iter().find(|e| e.id == event_id && e.attempts >= copies).cloned() {
            self.write(Effect::Event(Event { delivered_at: Some(now_ms), ..event }));
        }
    }

    /// RSA with SHA-256 over `transmission id|time|webhook id|CRC-32 of the body`.
    fn signed(&self, event: &Event, webhook_id: &str, now_ms: i64) -> Vec<(String, String)> {
        let letters = draw(self.seed, &event.id, u64::from(event.attempts), HEX, 32);
        let transmission =
            [&letters[..8], &letters[8..12], &letters[12..16], &letters[16..20], &letters[20..]].join("-");
        let (time, crc) = (rfc3339(now_ms), crc32fast::hash(event.body.as_bytes()));
        let text = format!("{transmission}|{time}|{webhook_id}|{crc}");
        let key = BASE64.decode(KEY.replace('\n', "").as_bytes()).expect("the key file is base64");
        let key = signature::RsaKeyPair::from_pkcs8(&key).expect("the key file is an RSA key");
        let mut sealed = vec![0; key.public().modulus_len()];
        key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut sealed)
            .expect("a buffer of the modulus' length takes the signature");
        let header = |name: &str, value: String| (name.to_string(), value);
        vec![
            header("PAYPAL-TRANSMISSION-ID", transmission),
            header("PAYPAL-TRANSMISSION-TIME", time),
            header("PAYPAL-TRANSMISSION-SIG", BASE64.encode(&sealed)),
            header("PAYPAL-CERT-URL", format!("{}/v1/notifications/certs/{CERTIFICATE_NAME}", self.base_url)),
            header("PAYPAL-AUTH-ALGO", "SHA256withRSA".into()),
            header("PAYPAL-AUTH-VERSION", "v2".into()),
            header("Content-Type", "application/json".into()),
        ]
    }
}

/// How long after the event the next attempt is due: at once, then ever later, some three days in all.
fn pause_ms(attempts: u32) -> i64 {
    let growing = 1_000_i64 << attempts.min(14);
    if attempts == 0 { 0 } else { growing * i64::from(attempts) }
}

fn event_value(event: &Event) -> Value {
    serde_json::from_str(&event.body).unwrap_or(Value::Null)
}

pub(super) fn certificate() -> Answer {
    Answer::text(200, "application/x-pem-file", CERTIFICATE)
}
