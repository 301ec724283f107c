//! The interface as a client meets it: the routing table with a desk behind it, in process, on a scratch directory and
//! a clock wound by hand. Most worlds have no far sides; those of `road` have both, without a socket.

mod by_hand;
mod checkout;
mod ending;
mod errands;
mod garbage;
mod input;
mod lists;
mod orders;
mod road;
mod status;
mod trials;
mod verbs;

use super::{BuildInfo, Desk, table};
use crate::clock::{Clock, HandClock};
use crate::domain::money::{Currency, Money, Rate};
use crate::domain::order::{Mode, OrderId};
use crate::domain::policy::*;
use crate::domain::trade::FarSide;
use crate::engine::{Engine, Parts, Settings};
use crate::gateway::aliexpress::AliExpress;
use crate::gateway::paypal::PayPal;
use crate::store;
use crate::web::auth::{Caller, Door, Scope};
use crate::web::request::Request;
use crate::web::response::Response;
use crate::web::route::Table;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Two hours after the shop was founded.
const NOW: &str = "2030-01-31T12:00:00Z";

struct World {
    desk: Desk,
    table: Table<Desk>,
    clock: Arc<HandClock>,
    dir: tempfile::TempDir,
}

/// What came back.
struct Heard {
    status: u16,
    body: Value,
    response: Response,
}

impl Heard {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.response.body).into_owned()
    }
}

fn usd(decimal: &str) -> Money {
    Money::parse(decimal, Currency::new("USD").unwrap()).unwrap()
}

fn policy() -> Policy {
    Policy {
        currency: Currency::new("USD").unwrap(),
        purchasing: Purchasing::Automatic,
        first_orders_manual: 0,
        is_shadow: false,
        cancel_buffer: SignedDuration::ZERO,
        quote_max_age: SignedDuration::from_mins(15),
        look_again: vec![SignedDuration::from_mins(5), SignedDuration::from_mins(15)],
        is_auto_pay: true,
        limits: Limits {
            orders_per_day: 20,
            spend_per_day: usd("500"),
            purchase_max: usd("200"),
            profit_min: usd("1"),
            margin_min: Rate::parse_percent("5").unwrap(),
            payouts_per_day: 40,
            payout_max: usd("1000"),
            pay_out_per_day: usd("1000"),
            free_capital: None,
        },
        payouts: Some(PayoutPolicy {
            commission: CommissionRule { rate: Rate::parse_percent("10").unwrap(), base: CommissionBase::GrossProfit },
            after: ReleaseEvent::SupplierPaid,
            hold_days: 0,
        }),
        paid_by: PaidBy::Owner,
    }
}

fn settings(dir: &tempfile::TempDir) -> Settings {
    Settings {
        mode: Mode::Sandbox,
        shop: "shop".to_owned(),
        policy: policy(),
        platform: Some("platform@sandbox.example".to_owned()),
        seller: Some("seller@sandbox.example".to_owned()),
        merchant_id: None,
        public_url: "http://127.0.0.1:1".to_owned(),
        paypal: FarSide::Ready,
        aliexpress: FarSide::Ready,
        workers: 1,
        tick: Duration::from_secs(1),
        data_dir: dir.path().to_owned(),
    }
}

/// Tokens are named like their scopes, the internal secret is `s`.
fn door() -> Door {
    let lookup = |token: &str| Some(Caller { scope: Scope::parse(token)?, name: format!("{token}-token") });
    Door::new(Some("s"), false, Box::new(lookup)).unwrap()
}

/// A shop without far sides.
fn world() -> World {
    world_with(Arc::new(HandClock::new("2030-01-31T10:00:00Z".parse().unwrap())), None, None)
}

fn world_with(clock: Arc<HandClock>, paypal: Option<PayPal>, aliexpress: Option<AliExpress>) -> World {
    let dir = tempfile::tempdir().unwrap();
    let wanted = store::open::Wanted { mode: Mode::Sandbox, shop: "shop", now: clock.now() };
    let store = Arc::new(store::open::open(dir.path(), &wanted).unwrap());
    let parts =
        Parts { store, clock: clock.clone(), settings: settings(&dir), paypal, aliexpress, journal_mirror: None };
    let engine = Arc::new(Engine::open(parts).unwrap());
    engine.confirm_first_payees().unwrap();
    clock.wind(SignedDuration::from_hours(2));
    let schema = store::open::schema_of(dir.path()).unwrap();
    let mut desk = Desk::new(engine, BuildInfo::this(), "fp".to_owned(), schema.known, true);
    desk.patience = Duration::ZERO;
    World { desk, table: table(door()), clock, dir }
}

impl World {
    /// `who` is a token, or empty; `key` the `Idempotency-Key`, or empty; `Null` as the body sends none.
    fn ask_with(&self, method: &str, target: &str, who: &str, key: &str, body: &Value) -> Heard {
        let mut request = Request::new(method, target);
        let mut header = |name: &str, value: String| request.headers.push((name.to_owned(), value));
        if !who.is_empty() {
            header("authorization", format!("Bearer {who}"));
        }
        if !key.is_empty() {
            header("idempotency-key", key.to_owned());
        }
        if !body.is_null() {
            request.body = body.to_string().into_bytes();
        }
        let response = self.table.answer(&self.desk, request);
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        no_money_is_a_number("", &body);
        Heard { status: response.status, body, response }
    }

    fn get(&self, target: &str) -> Heard {
        self.ask_with("GET", target, "read", "", &Value::Null)
    }

    fn post(&self, target: &str, who: &str, body: &Value) -> Heard {
        self.ask_with("POST", target, who, "", body)
    }

    /// A verb with its key.
    fn say(&self, target: &str, who: &str, key: &str, body: &Value) -> Heard {
        self.ask_with("POST", target, who, key, body)
    }

    fn put_product(&self) {
        let heard = self.ask_with("PUT", "/api/products/MUG-1", "operate", "", &product());
        assert_eq!(heard.status, 201, "{}", heard.text());
    }

    /// Takes an order and answers its id.
    fn take(&self, order: &Value) -> OrderId {
        let heard = self.post("/api/orders", "operate", order);
        assert_eq!(heard.status, 201, "{}", heard.text());
        OrderId(heard.body["orderId"].as_str().unwrap().to_owned())
    }

    fn orders(&self) -> usize {
        let filter = store::views::OrderFilter { most: 1000, ..Default::default() };
        self.desk.engine.store.read(|c| store::views::orders(c, &filter)).unwrap().len()
    }

    fn events(&self, order: &OrderId) -> Vec<store::events::Event> {
        self.desk.engine.store.read(|c| store::events::of_order(c, order)).unwrap()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The only numbers there are count something.
fn no_money_is_a_number(name: &str, value: &Value) {
    const COUNTS: [&str; 18] = [
        "durationMs",
        "duration",
        "weight",
        "ms",
        "number",
        "violations",
        "planted",
        "caught",
        "quantity",
        "seq",
        "attempt",
        "schemaVersion",
        "ageSeconds",
        "tradesInDoubt",
        "status",
        "line",
        "column",
        "limit",
    ];
    match value {
        Value::Number(_) => assert!(COUNTS.contains(&name), "{name} is a number"),
        Value::Array(values) => values.iter().for_each(|v| no_money_is_a_number(name, v)),
        Value::Object(fields) => fields.iter().for_each(|(n, v)| no_money_is_a_number(n, v)),
        _ => {}
    }
}

fn product() -> Value {
    json!({
        "title": "Mug", "price": "25.00", "currency": "USD", "active": true,
        "supplier": { "productId": "1005001234567890", "skuAttr": "14:29#Black", "skuId": "12000012345678901" },
    })
}

/// A whole order of a channel.
fn order(channel_order_id: &str) -> Value {
    json!({
        "channel": "etsy", "channelOrderId": channel_order_id, "items": [{ "sku": "MUG-1", "quantity": 1 }],
        "total": "25.00", "currency": "USD", "fee": "1.50", "paidAt": "2030-01-31T11:00:00Z",
        "funds": "held_by_channel",
        "buyer": { "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+1 559 360 0000" },
        "shippingAddress": { "line1": "12 Oak St", "city": "Springfield", "province": "California",
                             "postalCode": "93650", "country": "US" },
    })
}

/// `base` with the value at `path` (names and indexes between dots) replaced; `None` takes it away.
fn but(base: &Value, path: &str, value: Option<Value>) -> Value {
    let mut changed = base.clone();
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let pointer: String = parents.split('.').filter(|p| !p.is_empty()).map(|p| format!("/{p}")).collect();
    let parent = changed.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(last.to_owned(), value),
        None => parent.remove(last),
    };
    changed
}
