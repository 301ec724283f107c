//! `verify --real --checkout`: the proof of the capture leg. The server opens a checkout of the cheapest product, the
//! owner approves it with his own PayPal account, the money comes in, the order is held before anything is bought, and
//! the money goes back. Each leg is a value; a leg that this build does not have is said to be open.

use super::exit::Failure;
use super::interface::{Interface, Told, random_key};
use super::verify_flow::Flow;
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// How often PayPal is asked, through the server, whether the owner has approved.
const LOOK: Duration = Duration::from_secs(2);
/// PayPal tells of a payment within seconds.
const RING_MAX: Duration = Duration::from_secs(60);
/// A refund is seldom slower than this.
const REFUND_MAX: Duration = Duration::from_secs(120);

struct Legs {
    values: Vec<(String, String)>,
    answer: Value,
}

impl Legs {
    fn say(&mut self, name: &str, value: String) {
        self.values.push((name.to_owned(), value));
    }

    fn end(self) -> Flow {
        Flow { title: "CHECKOUT TEST", values: self.values, answer: self.answer }
    }
}

/// `fields`: as of a test flow; of them the product, the buyer and the address are used.
pub fn run(server: &Interface, fields: Value, wait_minutes: u32) -> Result<Flow, Failure> {
    let mut legs = Legs { values: Vec::new(), answer: Value::Null };
    let sku = match fields["sku"].as_str() {
        Some(sku) => sku.to_owned(),
        None => cheapest(server)?,
    };
    let opened = server.post("/api/paypal/create-order", &random_key()?, &checkout(&sku, &fields))?;
    legs.answer = opened.body.clone();
    if opened.status != 200 {
        legs.say("CHECKOUT_OPENED", format!("FAILED {}", opened.reason()));
        return Ok(legs.end());
    }
    let (order, paypal_order) = (opened.text("orderId").to_owned(), opened.text("paypalOrderId").to_owned());
    legs.say("CHECKOUT_OPENED", format!("OK one {sku}: PayPal order {paypal_order}, order {order}"));
    // A person waits for this line, and standard output may be a file.
    let _ = writeln!(
        std::io::stderr(),
        "Approve this at PayPal within {wait_minutes} minutes: {}",
        opened.text("approveUrl")
    );
    if !captured(server, &mut legs, &order, &paypal_order, wait_minutes)? {
        return Ok(legs.end());
    }
    held(server, &mut legs, &order)?;
    refunded(server, &mut legs, &order)?;
    let told = told(server, &order)?;
    legs.say("WEBHOOK_RECEIVED", told);
    Ok(legs.end())
}

/// Of what is for sale.
fn cheapest(server: &Interface) -> Result<String, Failure> {
    let listed = server.get("/api/products?limit=200")?;
    let cents = |price: &Value| price.as_str().and_then(|p| p.replace('.', "").parse::<u64>().ok());
    let products = listed.body["products"].as_array().into_iter().flatten();
    let active = products.filter(|product| product["active"] == true);
    let least = active.min_by_key(|product| cents(&product["price"]).unwrap_or(u64::MAX));
    let sku = least.and_then(|product| product["sku"].as_str()).map(str::to_owned);
    sku.ok_or_else(|| Failure::Refused("no product is for sale: postsale products put".to_owned()))
}

fn checkout(sku: &str, fields: &Value) -> Value {
    let nested = |object: &str, name: &str, flat: &str| {
        let value = &fields[object][name];
        if value.is_null() { fields[flat].clone() } else { value.clone() }
    };
    let (buyer, address) = ("buyer", "shippingAddress");
    json!({
        "sku": sku, "quantity": 1,
        "buyer": { "name": nested(buyer, "name", "buyerName"), "email": nested(buyer, "email", "buyerEmail"),
            "phone": nested(buyer, "phone", "phone") },
        "shippingAddress": {
            "line1": nested(address, "line1", "addressLine1"), "line2": nested(address, "line2", "addressLine2"),
            "city": nested(address, "city", "city"), "province": nested(address, "province", "state"),
            "postalCode": nested(address, "postalCode", "zipCode"), "country": nested(address, "country", "country"),
        },
    })
}

/// Asks until the money is in; says whether it is.
fn captured(
    server: &Interface,
    legs: &mut Legs,
    order: &str,
    paypal_order: &str,
    wait_minutes: u32,
) -> Result<bool, Failure> {
    let (body, started) = (json!({ "paypalOrderId": paypal_order }), Instant::now());
    let most = Duration::from_secs(60 * u64::from(wait_minutes));
    loop {
        let told = server.post("/api/paypal/capture-order", &random_key()?, &body)?;
        let is_open = told.status == 202 || told.status == 503 || told.text("code") == "ORDER_NOT_APPROVED";
        match told.status {
            200 => {
                let shown = server.get(&format!("/api/orders/{order}"))?;
                let capture = shown.body["capture"]["id"].as_str().unwrap_or("not shown").to_owned();
                legs.say("CAPTURED", format!("OK stage {}: capture {capture}, order {order}", told.text("stage")));
                return Ok(true);
            }
            _ if is_open && started.elapsed() < most => std::thread::sleep(LOOK),
            _ if is_open => {
                let why = told.reason();
                legs.say("CAPTURED", format!("PENDING not approved in {wait_minutes} minutes ({why}): order {order}"));
                return Ok(false);
            }
            _ => {
                legs.say("CAPTURED", format!("FAILED {}: order {order}", told.reason()));
                return Ok(false);
            }
        }
    }
}

/// Nothing shall be bought for a checkout that is given back.
fn held(server: &Interface, legs: &mut Legs, order: &str) -> Result<(), Failure> {
    let reason = json!({ "reason": "a checkout test; the money goes back" });
    let told = server.post(&format!("/api/orders/{order}/hold"), &random_key()?, &reason)?;
    let shown = server.get(&format!("/api/orders/{order}"))?;
    let value = match (told.is_good(), shown.body["purchase"].is_null()) {
        (true, true) => format!("OK held before anything was bought: order {order}"),
        (_, false) => format!(
            "FAILED the goods were ordered before it could be held; policy.cancel_buffer gives time: order {order}"
        ),
        (false, true) => format!("FAILED {}: order {order}", told.reason()),
    };
    legs.say("HELD_BEFORE_BUYING", value);
    Ok(())
}

fn refunded(server: &Interface, legs: &mut Legs, order: &str) -> Result<(), Failure> {
    let path = format!("/api/orders/{order}/refund");
    let told = server.post(&path, &random_key()?, &json!({ "reason": "a checkout test" }))?;
    let value = match told {
        Told { status: 404 | 405, .. } => {
            format!("PENDING this build cannot refund; give the money back at PayPal: order {order}")
        }
        told if !told.is_good() => format!("FAILED {}: order {order}", told.reason()),
        _ => followed(server, order)?,
    };
    legs.say("REFUNDED", value);
    Ok(())
}

/// Whether PayPal told of this checkout by itself: it rang at the public address, signed for our webhook, and the event
/// was placed with this very order. The money was found by asking, so nothing else shows it.
fn told(server: &Interface, order: &str) -> Result<String, Failure> {
    let started = Instant::now();
    loop {
        let shown = server.get(&format!("/api/orders/{order}/timeline"))?;
        if let Some(event) = rung(&shown.body) {
            return Ok(format!("OK {event}: order {order}"));
        }
        if started.elapsed() >= RING_MAX {
            let secs = RING_MAX.as_secs();
            let fix = "is server.public_url reached from outside? postsale doctor";
            return Ok(format!("PENDING not received within {secs} seconds ({fix}): order {order}"));
        }
        std::thread::sleep(LOOK);
    }
}

/// The first event that PayPal delivered about this order; what we asked for ourselves is none.
fn rung(timeline: &Value) -> Option<&str> {
    let events = timeline["events"].as_array()?.iter().filter(|event| event["kind"] == "told");
    let mut told = events.filter_map(|event| event["detail"].as_str());
    told.find(|detail| detail.starts_with("CHECKOUT.") || detail.starts_with("PAYMENT."))
}

fn followed(server: &Interface, order: &str) -> Result<String, Failure> {
    let started = Instant::now();
    loop {
        let shown = server.get(&format!("/api/orders/{order}"))?;
        let stage = shown.text("stage");
        if stage == "refunded" {
            return Ok(format!("OK the whole capture went back: order {order}"));
        }
        if started.elapsed() >= REFUND_MAX {
            return Ok(format!("PENDING it is asked for, and the order is {stage}: order {order}"));
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_paypal_told_by_itself_counts_as_received() {
        let check = |kind: &str, detail: &str, expected: bool| {
            let timeline = json!({ "events": [{ "kind": "captured", "detail": "PAYMENT.CAPTURE.COMPLETED" },
                                              { "kind": kind, "detail": detail }] });
            assert_eq!(rung(&timeline).is_some(), expected, "{kind} {detail}");
        };
        check("told", "PAYMENT.CAPTURE.COMPLETED WH-1", true);
        check("told", "CHECKOUT.ORDER.APPROVED WH-1", true);
        check("told", "CUSTOMER.DISPUTE.SEEN PP-D-1@2026", false);
        check("stage", "PAYMENT.CAPTURE.COMPLETED WH-1", false);
        assert_eq!(rung(&json!({})), None);
    }
}
