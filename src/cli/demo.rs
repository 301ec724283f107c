//! `postsale demo`: one order goes the whole road, over real HTTP, in a scratch directory on the built-in far sides; then
//! their books are laid beside ours. It passes only when every row agrees to the cent.

use super::assemble::{self, Outside};
use super::check;
use super::exit::{Exit, Failure};
use crate::assure::integrity::{self, Question};
use crate::assure::readiness::{self, Installation, Outcome, Seen};
use crate::assure::reconcile;
use crate::assure::score::Verdict;
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::domain::money::{Currency, Money};
use crate::domain::order::OrderId;
use crate::gateway::probe::{self, Looked};
use crate::gateway::wire::{Purpose, Request, Wire};
use crate::rehearsal::compare::{Comparison, Row};
use crate::rehearsal::{Fence, Rehearsal, RehearsalError, Script};
use crate::store;
use crate::web::api::{self, BuildInfo, Desk};
use crate::web::{Door, Options, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

/// The configuration that is shipped, compiled in: the demo needs no file.
const SHIPPED: &str = include_str!("../../config.toml");
/// Real time the road may take; it takes about a second.
const PATIENCE: Duration = Duration::from_secs(15);

pub fn run() -> Result<Exit, Failure> {
    let stage = Stage::build()?;
    let order = match stage.play() {
        Ok(order) => order,
        Err(reason) => {
            println!("\nThe road ended early: {reason}\n\nREHEARSAL_PASSED: FALSE");
            return Ok(Exit::NotGood);
        }
    };
    let passed = stage.report(&order)?;
    println!("\nREHEARSAL_PASSED: {}", if passed { "TRUE" } else { "FALSE" });
    if passed {
        println!("\nNext: `postsale serve` starts the same as a server; README.md shows how to send it an order.");
    }
    Ok(if passed { Exit::Good } else { Exit::NotGood })
}

struct Stage {
    rehearsal: Rehearsal,
    // Stopped before the rehearsal it serves.
    server: Server,
    wire: Fence,
    secret: String,
    installation: Installation,
    started_at: Timestamp,
}

impl Stage {
    fn build() -> Result<Stage, Failure> {
        let loaded = config::load_text(SHIPPED, &[])?;
        let started_at = SystemClock.now();
        let script = Script { shop: "demo".to_owned(), policy: config::policy_of(&loaded.config), start: started_at };
        let rehearsal = Rehearsal::start(script)?;
        let build = BuildInfo::this();
        let options = Options::new(rehearsal.scratch.path(), &build.commit);
        let mut secrets = loaded.secrets;
        secrets.ensure_internal(rehearsal.scratch.path()).map_err(RehearsalError::Io)?;
        let secret = secrets.internal_run.as_ref().map(|s| s.expose().to_owned()).unwrap_or_default();
        let door = Door::new(Some(&secret), false, Box::new(|_| None)).map_err(RehearsalError::Io)?;
        let schema = store::open::schema_of(rehearsal.scratch.path())?.found;
        let fingerprint = config::fingerprint(&loaded.config);
        let desk = Desk::new(Arc::clone(&rehearsal.engine), build, fingerprint, schema, true);
        let table = api::table(door);
        let app = move |request| table.answer(&desk, request);
        let server = Server::start("127.0.0.1:0", options, Arc::new(app)).map_err(RehearsalError::Io)?;
        let outside = Outside::described(&loaded.config, &secrets);
        let settings = rehearsal.engine.settings.clone();
        let installation = Installation { settings, ..assemble::installation(&loaded.config, &outside, String::new()) };
        let base = |address| format!("http://{address}");
        let wire = Fence::new(vec![base(server.address()), base(rehearsal.sandbox.address())]);
        println!("postsale demo: one order, the whole road, over real HTTP\n");
        println!("  shop       http://{}  in {}", server.address(), rehearsal.scratch.path().display());
        println!("  far sides  http://{}  a PayPal and an AliExpress, built in\n", rehearsal.sandbox.address());
        Ok(Stage { rehearsal, server, wire, secret, installation, started_at })
    }

    /// The buyer's and the seller's part of the road; the rest happens by itself.
    fn play(&self) -> Result<OrderId, String> {
        let shop = format!("http://{}", self.server.address());
        let product = json!({
            "sku": "MUG", "title": "A black mug", "price": "25.00", "currency": "USD", "active": true,
            "supplier": {"productId": "1005001234567890", "skuAttr": "14:29#Black", "skuId": "12000012345678901"},
        });
        self.ask("PUT", &format!("{shop}/api/products/MUG"), &product)?;
        say("the seller enters a product: MUG, 25.00 USD");
        let checkout = json!({
            "sku": "MUG", "quantity": 1,
            "buyer": {"name": "Jane Miller", "email": "jane@buyer.test", "phone": "+1 559 360 0000"},
            "shippingAddress": {"line1": "12 Oak Street", "city": "Vineland", "province": "New Jersey",
                "postalCode": "08360", "country": "US"},
        });
        let opened = self.ask("POST", &format!("{shop}/api/paypal/create-order"), &checkout)?;
        let text = |name: &str| opened[name].as_str().unwrap_or_default().to_owned();
        let (order, paypal_order) = (text("orderId"), text("paypalOrderId"));
        say(&format!("a buyer opens a checkout: order {order}, PayPal order {paypal_order}"));
        let far = format!("http://{}/__control/paypal/orders/{paypal_order}/approve", self.rehearsal.sandbox.address());
        self.ask("POST", &far, &json!({}))?;
        say("the buyer approves at PayPal and comes back");
        self.ask("POST", &format!("{shop}/api/paypal/capture-order"), &json!({"paypalOrderId": paypal_order}))?;
        say("PayPal captures the money; everything else happens by itself");
        let order = OrderId(order);
        self.wait_until_closed(&order)?;
        Ok(order)
    }

    fn ask(&self, method: &'static str, url: &str, body: &Value) -> Result<Value, String> {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-internal-secret".to_owned(), self.secret.clone()),
        ];
        let body = body.to_string().into_bytes();
        let request = Request { method, url: url.to_owned(), headers, body, purpose: Purpose::LookUp };
        let answer = self.wire.ask(&request).map_err(|e| format!("{method} {url}: {e}"))?;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        if !(200..300).contains(&answer.status) {
            return Err(format!("{method} {url} answered {}: {said}", answer.status));
        }
        serde_json::from_str(&said).map_err(|e| format!("{method} {url}: {e}"))
    }

    /// On a terminal the stage is shown as it changes; in a pipe each stage is a line.
    fn wait_until_closed(&self, order: &OrderId) -> Result<(), String> {
        let is_terminal = std::io::stdout().is_terminal();
        let engine = &self.rehearsal.engine;
        let mut shown = String::new();
        let started = std::time::Instant::now();
        loop {
            let row = engine.store.read(|c| store::views::order(c, order)).map_err(|e| e.to_string())?;
            let row = row.ok_or("the order is gone")?;
            if row.stage != shown {
                if is_terminal {
                    print!("\r\x1b[2K  … {}", row.stage);
                    std::io::stdout().flush().map_err(|e| e.to_string())?;
                } else {
                    println!("  … {}", row.stage);
                }
                shown.clone_from(&row.stage);
            }
            let ended = row.closed_at.is_some() || row.stage == "held" || started.elapsed() >= PATIENCE;
            if ended && is_terminal {
                print!("\r\x1b[2K");
            }
            if row.closed_at.is_some() {
                return Ok(());
            }
            if ended {
                return Err(format!("order {order} is {}: {}", row.stage, row.waits_for));
            }
            engine.bell.wait_for_anything(Duration::from_millis(50));
        }
    }

    /// Says what happened, whose money went where, and whether the far sides' books say the same.
    fn report(&self, order: &OrderId) -> Result<bool, Failure> {
        let store = &self.rehearsal.engine.store;
        println!("\nWhat happened, step by step (on a clock that hurries past every wait)\n");
        for event in store.read(|c| store::events::of_order(c, order))? {
            let since = event.at.duration_since(self.started_at);
            println!("  {:>8} s  {:<18} {}", format_seconds(since), event.kind, event.detail);
        }
        let shown = self.ask("GET", &format!("http://{}/api/orders/{order}", self.server.address()), &json!(null));
        let shown = shown.map_err(RehearsalError::Other)?;
        println!("\nThe money of the order, as the API tells it\n");
        let sale = &shown["sale"];
        let amount = |name: &str| money(&sale[name], &shown["currency"]);
        let lines = [
            ("the buyer paid", amount("gross"), ""),
            ("PayPal kept", amount("fee"), "-"),
            ("the supplier got", amount("supplierTotal"), "-"),
            ("commission, paid to the platform", amount("commission"), "-"),
            ("profit, paid to the seller", amount("profit"), "="),
        ];
        for (what, amount, sign) in &lines {
            println!("  {sign:>1} {:>9}  {what}", amount.map_or("?".to_owned(), |m| m.decimal()));
        }
        let comparison = self.rehearsal.compare()?;
        print_books(&comparison);
        let adds_up = adds_up(&lines.map(|(_, amount, _)| amount));
        let flag = sale["payoutExecuted"] == json!(true);
        let (checks, readiness) = self.prove()?;
        println!("\n  {} gross - fee - supplier - commission = profit, to the cent", mark(adds_up));
        println!("  {} payout_executed is set: every leg is SUCCESS at PayPal", mark(flag));
        println!("  {} the far sides' books agree with ours", mark(comparison.agrees()));
        let is_once = self.is_once(&comparison);
        let (is_proven, is_good) = (checks == Verdict::Proven, readiness != Outcome::NotGood);
        println!("  {} every check of the rows passed, and noticed its planted fault", mark(is_proven));
        println!("  {} nothing failed in the readiness report", mark(is_good));
        Ok(adds_up && flag && comparison.agrees() && is_once && is_proven && is_good)
    }

    /// The checks of the rows, the comparison with the far sides' statements, and the readiness report made of them. A server
    /// also keeps its log, runs its jobs and is rung by PayPal: those rows stay open here.
    fn prove(&self) -> Result<(Verdict, Outcome), Failure> {
        let engine = &self.rehearsal.engine;
        reconcile::run(engine)?.map_err(RehearsalError::Other)?;
        let ladder = engine.settings.policy.ladder();
        let question = Question { now: engine.now(), build: super::COMMIT, is_deep: true, ladder };
        let answer = integrity::run(&engine.store, &question)?;
        println!("\nThe checks of the rows\n");
        for line in check::text(&answer).lines() {
            println!("  {line}");
        }
        let base = format!("http://{}", self.server.address());
        let service = match probe::look(&self.wire, &base, super::COMMIT) {
            Looked::Right(service) => Ok(service),
            Looked::NoAnswer(reason) => Err(reason),
            Looked::WrongBuild { found, .. } => Err(format!("another build answers: {found}")),
        };
        let book = Some(Ok(self.rehearsal.sandbox.book_json()));
        let seen = Seen { service: Some(service), book, far_clock: None };
        let schema = store::open::schema_of(self.rehearsal.scratch.path())?;
        let mut report =
            readiness::report(&self.installation, &engine.store, schema, super::COMMIT, engine.now(), &seen)?;
        let outcome = report.outcome();
        // The demo's own verdict stands at its end.
        report.summary.rehearsal_passed = None;
        println!("\nThe readiness report; log, jobs and PayPal's rings are a server's\n");
        for line in readiness::markdown(&report).lines() {
            println!("  {line}");
        }
        Ok((answer.verdict(), outcome))
    }

    /// One capture, one purchase, two payouts: not more, not less.
    fn is_once(&self, comparison: &Comparison) -> bool {
        let count = |kind: &str| comparison.rows.iter().filter(|row| row.kind == kind).count();
        let once = (count("capture"), count("purchase"), count("payout")) == (1, 1, 2);
        println!("  {} one capture, one purchase, two payouts", mark(once));
        once
    }
}

fn print_books(comparison: &Comparison) {
    println!("\nThe books side by side\n");
    println!("  {:<9} {:<24} {:>14} {:>14}", "what", "id", "ours", "far side");
    for Row { kind, id, ours, theirs } in &comparison.rows {
        let show = |side: &Option<Money>| side.map_or("-".to_owned(), |m| m.to_string());
        let agrees = ours.is_some() && ours == theirs;
        println!("  {kind:<9} {id:<24} {:>14} {:>14}  {}", show(ours), show(theirs), mark(agrees));
    }
    for double in &comparison.doubles {
        println!("  TWICE: {double}");
    }
}

fn adds_up(amounts: &[Option<Money>; 5]) -> bool {
    let [Some(gross), Some(fee), Some(supplier), Some(commission), Some(profit)] = amounts else { return false };
    let left = [fee, supplier, commission].into_iter().try_fold(*gross, |left, part| left.minus(*part));
    left == Ok(*profit)
}

fn money(amount: &Value, currency: &Value) -> Option<Money> {
    Money::parse(amount.as_str()?, Currency::new(currency.as_str()?)?).ok()
}

fn mark(is_good: bool) -> &'static str {
    if is_good { "ok  " } else { "FAIL" }
}

fn say(what: &str) {
    println!("  - {what}");
}

fn format_seconds(duration: jiff::SignedDuration) -> String {
    let ms = duration.as_millis();
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
