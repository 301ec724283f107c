//! One shop of the drill: a directory, far sides that live in this process and outlive the shop's, and the shop as a
//! child of ours. It reaches nothing but this machine, and kills nothing but its own child.

use crate::cli::controls::WoundClock;
use crate::cli::serve::WEBHOOK_PATH;
use crate::clock::Clock;
use crate::gateway::wire::{Purpose, Request, Wire};
use crate::rehearsal::Fence;
use crate::sandbox::{self, Credentials, Sandbox};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// The configuration as it is shipped.
pub const SHIPPED: &str = include_str!("../../../config.toml");
/// Time in a drill goes so much faster.
pub const RATE: i32 = 100;
/// How long anything may take before a case is given up.
pub const GIVE_UP: Duration = Duration::from_secs(60);
/// An order that is held for so long has done what it does by itself: the ladder below is shorter, at [`RATE`].
const HELD_FOR: Duration = Duration::from_millis(1500);
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// What a drill sets beside the shipped configuration.
const SETTINGS: [&str; 5] = [
    "server.listen=127.0.0.1:0",
    "engine.tick=100ms",
    "policy.look_again=10s,10s,10s,10s,10s,10s,10s,10s",
    "policy.quote_max_age=60m",
    "aliexpress.calls_per_second=20",
];

pub struct Stage {
    dir: PathBuf,
    far: Sandbox,
    granted: Credentials,
    since: Timestamp,
    offset_s: Arc<AtomicI64>,
    child: Option<Child>,
    /// Where the child listens, and its secret.
    door: Option<(String, String)>,
    /// The buyer wants his money back once the order is closed.
    pub has_refund: bool,
    /// PayPal tells everything it has to tell at every turn; otherwise it only answers.
    pub is_ringing: bool,
    pub order: Option<String>,
    /// Where the order stood when the shop last told.
    pub last: Option<Standing>,
}

/// How a start ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    Open,
    /// It died before it was open.
    Dead,
}

/// Where the order stands, as the shop tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    pub stage: String,
    pub waits_for: String,
    pub payout_executed: bool,
}

impl Stage {
    /// `dir` holds what an earlier stage left: `data` and `book.jsonl`, or nothing. `since`: the moment from which time
    /// runs faster; the same for everything that shares files.
    pub fn open(dir: &Path, since: Timestamp) -> io::Result<Stage> {
        fs::create_dir_all(dir.join("data"))?;
        fs::write(dir.join("config.toml"), SHIPPED)?;
        let offset_s: Arc<AtomicI64> = Arc::default();
        let offset = Arc::clone(&offset_s);
        let now: sandbox::Now = Arc::new(move || {
            let offset = SignedDuration::from_secs(offset.load(Ordering::Relaxed));
            WoundClock { since, rate: RATE, offset }.now().as_millisecond()
        });
        let book = Some(dir.join("book.jsonl"));
        let far = Sandbox::start(sandbox::Options { book, now: Some(now), seed: Some(7), ..Default::default() })?;
        let granted = far.credentials()?;
        Ok(Stage {
            dir: dir.to_owned(),
            far,
            granted,
            since,
            offset_s,
            child: None,
            door: None,
            has_refund: false,
            is_ringing: false,
            order: None,
            last: None,
        })
    }

    pub fn granted(&self) -> &Credentials {
        &self.granted
    }

    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.offset_s.load(Ordering::Relaxed));
        WoundClock { since: self.since, rate: RATE, offset }.now()
    }

    /// So many days pass at once, for the far sides now and for the child from its next start on.
    pub fn let_pass(&self, days: i64) {
        self.offset_s.fetch_add(days * 86_400, Ordering::Relaxed);
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Starts the program; with a place, it kills itself there.
    pub fn start(&mut self, place: Option<(&str, u32)>) -> io::Result<Started> {
        self.kill();
        let failpoints: Vec<Value> =
            place.iter().map(|(name, passes)| json!({ "name": name, "passes": passes })).collect();
        let controls = json!({
            "clock_since": self.since.to_string(), "clock_rate": RATE,
            "clock_offset_s": self.offset_s.load(Ordering::Relaxed), "failpoints": failpoints,
        });
        fs::write(self.dir.join("controls.json"), controls.to_string())?;
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(&self.dir);
        command.envs(self.environment()).args(["serve", "--test-controls", "controls.json"]);
        command.args(SETTINGS.iter().flat_map(|setting| ["-o", setting]));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut is_open = false;
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            is_open = line.starts_with("Ctrl-C");
            if is_open {
                break;
            }
        }
        self.child = Some(child);
        if !is_open {
            self.wait_until_dead();
            return Ok(Started::Dead);
        }
        let read = |name: &str| fs::read_to_string(self.data_dir().join(name)).map(|text| text.trim().to_owned());
        self.door = match (read("address"), read("internal-secret")) {
            (Ok(address), Ok(secret)) => Some((format!("http://{address}"), secret)),
            _ => None,
        };
        Ok(Started::Open)
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let granted = &self.granted;
        vec![
            ("RUST_LOG", "warn".to_owned()),
            ("POSTSALE_PAYPAL__BASE_URL", granted.paypal_base_url.clone()),
            ("POSTSALE_PAYPAL__MERCHANT_ID", granted.paypal_merchant_id.clone()),
            ("PAYPAL_CLIENT_ID", granted.paypal_client_id.clone()),
            ("PAYPAL_CLIENT_SECRET", granted.paypal_client_secret.clone()),
            ("PAYPAL_WEBHOOK_ID", granted.paypal_webhook_id.clone()),
            ("POSTSALE_ALIEXPRESS__BASE_URL", granted.aliexpress_base_url.clone()),
            ("ALIEXPRESS_APP_KEY", granted.aliexpress_app_key.clone()),
            ("ALIEXPRESS_APP_SECRET", granted.aliexpress_app_secret.clone()),
            ("POSTSALE_PAYOUT__PLATFORM_EMAIL", granted.platform_email.clone()),
            ("POSTSALE_PAYOUT__SELLER_EMAIL", granted.seller_email.clone()),
        ]
    }

    /// What a buyer does, again and again until it has been done; answers where the order stands. `None`: the shop did
    /// not answer.
    pub fn drive(&mut self) -> Option<Standing> {
        if self.order.is_none() {
            let body = json!({
                "sku": "MUG", "quantity": 1,
                "buyer": {"name": "Jane Miller", "email": "jane@buyer.test", "phone": "+1 559 360 0000"},
                "shippingAddress": {"line1": "12 Oak Street", "city": "Vineland", "province": "New Jersey",
                    "postalCode": "08360", "country": "US"},
            });
            let (_, opened) = self.ask("POST", "/api/paypal/create-order", &body)?;
            self.order = Some(opened["orderId"].as_str()?.to_owned());
        }
        if self.is_ringing {
            self.ring_twice();
        }
        let path = format!("/api/orders/{}", self.order.as_ref()?);
        let (status, shown) = self.ask("GET", &path, &Value::Null)?;
        if status == 404 {
            // An older database does not know it yet; the buyer asks again.
            self.order = None;
            return None;
        }
        let checkout = &shown["checkout"];
        let is_open = shown["capture"].is_null() && checkout["expiredAt"].is_null();
        if let (true, Some(id)) = (is_open, checkout["paypalOrderId"].as_str()) {
            let far = format!("http://{}/__control/paypal/orders/{id}/approve", self.far.address());
            self.send("POST", far, &[], &json!({}));
            self.ask("POST", "/api/paypal/capture-order", &json!({ "paypalOrderId": id }));
        }
        if self.has_refund && shown["stage"] == "closed" {
            self.ask("POST", &format!("{path}/refund"), &json!({"reason": "broken on the way", "confirm": true}));
        }
        let word = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        self.last = Some(Standing {
            stage: word("stage"),
            waits_for: word("waitsFor"),
            payout_executed: shown["sale"]["payoutExecuted"] == json!(true),
        });
        self.last.clone()
    }

    /// Drives until the order is closed or all given back, or held for so long that nothing follows by itself. `None`: it
    /// did neither.
    pub fn drive_to_the_end(&mut self) -> Option<Standing> {
        let started = Instant::now();
        let mut held: Option<(Instant, Standing)> = None;
        while started.elapsed() < GIVE_UP {
            match self.drive() {
                Some(standing) if standing.stage == "closed" && !self.has_refund => return Some(standing),
                Some(standing) if standing.stage == "refunded" && standing.waits_for == "closed" => {
                    return Some(standing);
                }
                Some(standing) if ["held", "closed", "refunded"].contains(&standing.stage.as_str()) => match &held {
                    Some((since, before)) if *before == standing => {
                        if since.elapsed() >= HELD_FOR {
                            return Some(standing);
                        }
                    }
                    _ => held = Some((Instant::now(), standing)),
                },
                _ => held = None,
            }
            std::thread::sleep(LOOK_EVERY);
        }
        None
    }

    /// Drives until the child is dead. `false`: it did not die.
    pub fn drive_to_the_death(&mut self) -> bool {
        let started = Instant::now();
        let mut ended = false;
        while started.elapsed() < GIVE_UP && !ended {
            if self.is_dead() {
                return true;
            }
            ended = self.drive().is_some_and(|standing| standing.stage == "closed") && !self.has_refund;
            std::thread::sleep(LOOK_EVERY);
        }
        // The last place is come by after the order is shown as closed.
        self.wait_until_dead()
    }

    /// PayPal tells everything it has to tell so far, each twice at once.
    pub fn ring_twice(&self) {
        let Some((address, _)) = &self.door else { return };
        let url = format!("http://{}/__control/paypal/events", self.far.address());
        let told = self.send("GET", url, &[], &Value::Null).map(|(_, told)| told).unwrap_or_default();
        let post = |event: &Value| {
            let headers: Vec<(&str, &str)> = event["headers"]
                .as_object()
                .map(|headers| {
                    headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
                })
                .unwrap_or_default();
            let body = event["body"].as_str().unwrap_or_default().as_bytes().to_vec();
            self.send_bytes("POST", format!("{address}{WEBHOOK_PATH}"), &headers, body);
        };
        std::thread::scope(|scope| {
            for event in told["events"].as_array().into_iter().flatten() {
                scope.spawn(|| post(event));
                scope.spawn(|| post(event));
            }
        });
    }

    /// The far sides' own book.
    pub fn book(&self) -> Value {
        self.far.book_json()
    }

    fn ask(&self, method: &'static str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let (address, secret) = self.door.as_ref()?;
        self.send(
            method,
            format!("{address}{path}"),
            &[("x-internal-secret", secret), ("idempotency-key", "one")],
            body,
        )
    }

    fn send(&self, method: &'static str, url: String, more: &[(&str, &str)], body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(more);
        self.send_bytes(method, url, &headers, body)
    }

    fn send_bytes(
        &self,
        method: &'static str,
        url: String,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Option<(u16, Value)> {
        let shop = self.door.as_ref().map(|(address, _)| address.clone());
        let wire = Fence::new(shop.into_iter().chain([format!("http://{}", self.far.address())]).collect());
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = wire.ask(&Request { method, url, headers, body, purpose: Purpose::LookUp }).ok()?;
        Some((answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null)))
    }

    fn is_dead(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some()))
    }

    fn wait_until_dead(&mut self) -> bool {
        let started = Instant::now();
        while !self.is_dead() {
            if started.elapsed() >= Duration::from_secs(10) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// SIGKILL, if it lives.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.door = None;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill();
    }
}
