//! The hand behind the far sides: it approves, ships, breaks, winds the clock and reads the book. It asks nobody for a
//! password and therefore exists on loopback only.
//!
//! `POST /__control/…` with a JSON body: `paypal/orders/{id}/approve` · `paypal/payouts/{batchId} {item, batch?}` ·
//! `paypal/statement {hide|double|change|code, amount?, fee?, …}` (lies and movements of another hand) ·
//! `paypal/captures/{id} {status, reason?}` · `paypal/captures/{id}/refund {amount?}` (on PayPal's site) ·
//! `paypal/captures/{id}/dispute {reason?, amount?}` · `paypal/disputes/{id} {status, outcome?}` ·
//! `paypal/refunds/{id} {status}` · `paypal/next-capture {status|issue}` ·
//! `aliexpress/orders/{id}/pay|ship|deliver|cancel` · `aliexpress/orders/{id}/status {status?, logistics?, end_reason?,
//! total?}` · `aliexpress/products/{id} {price?, stock?, buyLimit?, sku?, selling?, gone?, freight?, list?, …}` · `aliexpress/code` ·
//! `faults {call, reply, when, times}` or an array of them, `DELETE faults` · `switches {name: value}` ·
//! `clock {offsetSeconds}`. `GET`: `book`, `switches`, `faults`, `clock`, `calls`, `paypal/events`.

use super::aliexpress::Turn;
use super::cents::show;
use super::faults::{Fault, KINDS};
use super::wire::{Answer, Request, rfc3339};
use super::{FarSides, paypal};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// A refusal of the control, in words.
type Outcome = Result<Value, (u16, String)>;

impl FarSides {
    /// `path` is what follows `/__control/`; `at` is far side time.
    pub(super) fn control(&mut self, path: &str, request: &Request, at: i64) -> Answer {
        let body = match request.body.is_empty() {
            true => Some(json!({})),
            false => request.json(),
        };
        let Some(body) = body else { return Answer::json(400, &json!({"error": "the body is not JSON"})) };
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let outcome = match request.method.as_str() {
            "GET" => self.shown(&segments, at),
            "POST" => self.posted(&segments, body, at),
            "DELETE" if segments == ["faults"] => {
                self.faults.clear();
                self.changed.faults = Some(vec![]);
                Ok(json!({}))
            }
            _ => Err((405, "GET, POST, or DELETE of faults".to_string())),
        };
        match outcome {
            Ok(value) => Answer::json(200, &value),
            Err((status, words)) => Answer::json(status, &json!({"error": words})),
        }
    }

    fn shown(&self, segments: &[&str], at: i64) -> Outcome {
        match segments {
            ["book"] => Ok(book(self, at)),
            ["switches"] => {
                let mut all = fields(self.paypal.switches());
                all.extend(fields(self.aliexpress.switches()));
                Ok(Value::Object(all))
            }
            ["faults"] => Ok(json!(self.faults)),
            ["clock"] => Ok(json!({"offsetSeconds": self.clock_offset_ms / 1_000, "now": rfc3339(at)})),
            ["calls"] => Ok(json!(self.calls)),
            ["paypal", "events"] => Ok(self.paypal.told(at)),
            _ => Err((404, "no such control".into())),
        }
    }

    fn posted(&mut self, segments: &[&str], body: Value, at: i64) -> Outcome {
        let text = |field: &str| body[field].as_str();
        let done = match segments {
            ["paypal", "orders", id, "approve"] => self.paypal.approve(id, &body, at),
            ["paypal", "payouts", id] => self.paypal.set_batch(id, text("item"), text("batch"), at),
            ["paypal", "captures", id] => {
                let status = text("status").ok_or((400, "status is missing".to_string()))?;
                self.paypal.set_capture(id, status, text("reason"), at)
            }
            ["paypal", "captures", id, "dispute"] => return self.paypal.open_dispute(id, &body, at),
            ["paypal", "disputes", id] => self.paypal.set_dispute(id, &body, at),
            ["paypal", "captures", id, "refund"] => self.paypal.refund_on_site(id, text("amount"), at),
            ["paypal", "refunds", id] => {
                let status = text("status").ok_or((400, "status is missing".to_string()))?;
                self.paypal.set_refund(id, status, at)
            }
            ["paypal", "statement"] => {
                let planted = self.paypal.plant(read(body)?, at);
                return planted.map(|(_, value)| value).map_err(|(status, value)| (status, value.to_string()));
            }
            ["paypal", "next-capture"] => {
                self.paypal.set_next_capture(read::<paypal::NextCapture>(body)?);
                true
            }
            ["aliexpress", "orders", id, "status"] => self.aliexpress.force(id, read(body)?),
            ["aliexpress", "orders", id, word] => {
                let turn = match *word {
                    "pay" => Turn::Pay,
                    "ship" => Turn::Ship,
                    "deliver" => Turn::Deliver,
                    "cancel" => Turn::Cancel,
                    _ => return Err((404, "no such control".into())),
                };
                self.aliexpress.turn(id, turn, at)
            }
            ["aliexpress", "products", id] => {
                self.aliexpress.set_product(id, read(body)?).map_err(|words| (400, words))?;
                true
            }
            ["aliexpress", "code"] => return Ok(json!({"code": self.aliexpress.new_code(at)})),
            ["faults"] => return self.add_faults(body),
            ["switches"] => return self.turn_switches(body),
            ["clock"] => {
                let seconds = body["offsetSeconds"].as_i64().ok_or((400, "offsetSeconds is missing".to_string()))?;
                self.clock_offset_ms = seconds * 1_000;
                self.changed.clock_offset_ms = Some(self.clock_offset_ms);
                true
            }
            _ => return Err((404, "no such control".into())),
        };
        if done { Ok(json!({})) } else { Err((409, "there is no such thing, or it is past that".into())) }
    }

    fn add_faults(&mut self, body: Value) -> Outcome {
        let new: Vec<Fault> = if body.is_array() { read(body)? } else { vec![read(body)?] };
        if let Some(odd) = new.iter().find(|f| !KINDS.contains(&f.reply.as_str())) {
            return Err((400, format!("no such reply: {}", odd.reply)));
        }
        self.faults.retain(|f| f.times > 0);
        self.faults.extend(new);
        self.changed.faults = Some(self.faults.clone());
        Ok(json!(self.faults))
    }

    /// Each name belongs to one of the two sides; a name of neither is refused before anything is turned.
    fn turn_switches(&mut self, body: Value) -> Outcome {
        let Value::Object(wishes) = body else { return Err((400, "an object of names and values".into())) };
        let (mut paypal, mut aliexpress) = (fields(self.paypal.switches()), fields(self.aliexpress.switches()));
        for (name, value) in wishes {
            let side = if paypal.contains_key(&name) { &mut paypal } else { &mut aliexpress };
            side.insert(name, value);
        }
        let paypal = read(Value::Object(paypal))?;
        let aliexpress = read(Value::Object(aliexpress))?;
        self.paypal.set_switches(paypal);
        self.aliexpress.set_switches(aliexpress);
        self.shown(&["switches"], 0)
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, (u16, String)> {
    serde_json::from_value(value).map_err(|e| (400, e.to_string()))
}

fn fields(switches: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(switches) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// What really happened, oldest first: the judge of every rehearsal.
pub(super) fn book(sides: &FarSides, at: i64) -> Value {
    let mut book = sides.paypal.book(at);
    let mut purchases: Vec<_> = sides.aliexpress.purchases().collect();
    purchases.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    let purchases = purchases.iter().map(|p| {
        let (status, logistics, end_reason) = p.words(at);
        let lines = p.lines.iter().map(|l| {
            json!({"productId": l.product_id, "skuId": l.sku_id, "skuAttr": l.sku_attr, "quantity": l.count,
                "price": show(l.price, "USD")})
        });
        json!({"key": p.out_order_id, "id": p.id, "amount": show(p.total(), "USD"), "currency": "USD",
            "at": rfc3339(p.at), "status": status, "logistics": logistics, "endReason": end_reason,
            "endedAt": p.ended_at(at).map(rfc3339), "paidAt": p.paid_at.map(rfc3339), "country": p.country, "lines": lines.collect::<Vec<_>>()})
    });
    book["purchases"] = purchases.collect();
    book
}
