//! The test flows: one order sent down the whole road, or only bought, and the report of what its rows say then. A
//! simulated one plays on a stage of its own and can reach neither the live database nor any other host (L4); a real one
//! goes through the live engine like every other order, and goes on by itself after the report. One at a time.

use super::flow_report::{FlowReport, PurchaseReport, Setting, flow_report, purchase_report};
use super::{Rehearsal, RehearsalError, Script};
use crate::domain::guards::Approval;
use crate::domain::hold::HoldCode;
use crate::domain::money::Money;
use crate::domain::order::{Line, OrderId};
use crate::domain::policy::Policy;
use crate::domain::trade::{Stage, Why};
use crate::engine::intake::Rejected;
use crate::engine::trial::{TestOrder, Trial};
use crate::engine::{Engine, EngineError};
use crate::store::evidence::{self, Evidence};
use crate::store::{self, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    #[error("another test flow is running; one at a time")]
    Busy,
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Rehearsal(#[from] RehearsalError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The door of the test flows: one run at a time.
#[derive(Debug, Default)]
pub struct Flows {
    is_running: Arc<AtomicBool>,
}

/// One run; the next one may begin when it is dropped. It may be carried to another thread.
#[derive(Debug)]
pub struct Run(Arc<AtomicBool>);

/// A rehearsal ends after this in real time, however far it came.
const SIMULATION_MAX: Duration = Duration::from_secs(30);
/// Quotes in a row that fail before a rehearsal gives up waiting for one.
const QUOTES_MAX: i64 = 3;
/// What the built-in supplier asks for a product it has to be given: so much of the shop's price.
const SUPPLIER_PERCENT: i64 = 40;

impl Flows {
    pub fn new() -> Flows {
        Flows::default()
    }

    /// Begins a run, or says that one is under way.
    pub fn enter(&self) -> Result<Run, FlowError> {
        let was_free = self.is_running.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if was_free { Ok(Run(Arc::clone(&self.is_running))) } else { Err(FlowError::Busy) }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Run {
    /// Rehearses the flow on a scratch database with the live one's products, past every wait. `live` is only read.
    pub fn simulate(&self, live: &Store, script: Script, wanted: &TestOrder) -> Result<FlowReport, FlowError> {
        let started = Instant::now();
        let products = live.read(store::products::list)?;
        // Shadow mode keeps real money at home; here there is none.
        let policy = Policy { is_shadow: false, ..script.policy };
        let stage = Rehearsal::set_up(Script { policy, ..script })?;
        let now = stage.engine.now();
        stage.engine.store.write(|tx| products.iter().try_for_each(|p| store::products::put(tx, p, now)))?;
        let order = stage.engine.take_test_order(wanted)?.order;
        for line in stage.engine.plan(&order)?.0.order.lines {
            list(&stage, &line)?;
        }
        play(&stage, &order, started)?;
        let setting = Setting { books: Some(stage.compare()?), ..Setting::built_in(true) };
        let report = flow_report(&stage.engine.store, &order, &setting)?;
        Ok(FlowReport { duration_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX), ..report })
    }

    /// **Moves money** through the live engine. Waits until the order rests, at most `most`; it goes on by itself, and
    /// [`flow_report`] tells later how far it came.
    pub fn run_real(
        &self,
        engine: &Engine,
        wanted: &TestOrder,
        setting: &Setting,
        most: Duration,
    ) -> Result<FlowReport, FlowError> {
        let wanted = TestOrder { trial: Trial::WholeRoad, ..wanted.clone() };
        let order = engine.take_test_order(&wanted)?.order;
        wait_until_at_rest(engine, &order, most)?;
        Ok(flow_report(&engine.store, &order, setting)?)
    }

    /// Waits until a live test order rests, at most `most`; it goes on by itself all the same.
    pub fn follow(&self, engine: &Engine, order: &OrderId, most: Duration) -> Result<(), FlowError> {
        wait_until_at_rest(engine, order, most)
    }

    /// **Moves money** through the live engine: buys, and nothing else.
    pub fn run_purchase_only(
        &self,
        engine: &Engine,
        wanted: &TestOrder,
        setting: &Setting,
        most: Duration,
    ) -> Result<PurchaseReport, FlowError> {
        let wanted = TestOrder { trial: Trial::PurchaseOnly, ..wanted.clone() };
        let order = engine.take_test_order(&wanted)?.order;
        wait_until_at_rest(engine, &order, most)?;
        Ok(purchase_report(&engine.store, &order, setting)?)
    }
}

impl Setting {
    pub fn built_in(simulate: bool) -> Setting {
        let (paypal, aliexpress) = ("the built-in PayPal".to_owned(), "the built-in AliExpress".to_owned());
        Setting { simulate, paypal, aliexpress, books: None }
    }
}

/// The built-in supplier sells what the shop buys: a variant or a service it does not know is listed there.
fn list(stage: &Rehearsal, line: &Line) -> Result<(), FlowError> {
    let (variant, price) = (&line.variant, line.unit_price);
    let price = Money { minor: (price.minor.saturating_mul(SUPPLIER_PERCENT) / 100).max(1), ..price };
    let wish = json!({ "list": { "skuId": variant.sku_id, "skuAttr": variant.sku_attr, "price": price.decimal(),
        "stock": i64::from(line.quantity) + 1, "service": variant.service } });
    control(stage, &format!("aliexpress/products/{}", variant.product_id), &wish)
}

fn control(stage: &Rehearsal, path: &str, body: &serde_json::Value) -> Result<(), FlowError> {
    match stage.sandbox.control("POST", path, body) {
        Some(answer) if answer.status == 200 => Ok(()),
        Some(answer) => {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            Err(RehearsalError::Other(format!("the built-in far sides refused {path}: {said}")).into())
        }
        None => Err(RehearsalError::Other(format!("the built-in far sides did not answer {path}")).into()),
    }
}

/// Runs what is due, plays the seller where he is waited for, and winds the clock to the next due time, until the order
/// is closed or stands still.
fn play(stage: &Rehearsal, order: &OrderId, started: Instant) -> Result<(), FlowError> {
    while started.elapsed() < SIMULATION_MAX {
        stage.engine.run_due()?;
        let Some(seen) = stage.engine.store.read(|c| evidence::load(c, order))? else { return Ok(()) };
        if seen.order.closed_at.is_some() || is_stuck(&seen) {
            return Ok(());
        }
        if seen.order.stage == Stage::Held.word() {
            if !approve(stage, &seen)? {
                return Ok(());
            }
            continue;
        }
        if seen.order.waits_for == Why::SupplierUnpaid.word() {
            pay_at_the_supplier(stage, &seen)?;
        }
        let Some(at) = seen.order.next_look_at else { return Ok(()) };
        let ahead = at.duration_since(stage.engine.now());
        stage.clock.wind(ahead.max(SignedDuration::from_millis(1)));
    }
    Ok(())
}

/// Waiting longer would change nothing on a stage of one order.
fn is_stuck(seen: &Evidence) -> bool {
    let waits = seen.order.waits_for.as_str();
    let quotes_failed = seen.quote.as_ref().is_some_and(|q| q.failure.is_some() && q.seq >= QUOTES_MAX);
    let for_ever = [Why::NoFreeMoney, Why::Cap, Why::Stopped, Why::Shadow, Why::FundsHeld];
    quotes_failed || for_ever.iter().any(|why| why.word() == waits)
}

/// The seller's yes to exactly the offer that was made, where the policy asks for it and no guard objects.
fn approve(stage: &Rehearsal, seen: &Evidence) -> Result<bool, FlowError> {
    let asks = seen.hold.is_none() && seen.order.waits_for.starts_with(HoldCode::NeedsApproval.word());
    let quote = seen.quote.as_ref();
    let Some(hash) = quote.filter(|q| asks && q.approved_by.is_none()).and_then(|q| q.hash.clone()) else {
        return Ok(false);
    };
    let approval = Approval { quote_hash: Some(hash), overrides: Vec::new(), expires_at: None };
    stage.engine.approve(&seen.order.id, &approval, Some("played by the rehearsal"), "rehearsal")?;
    Ok(true)
}

/// The seller pays on the supplier's site.
fn pay_at_the_supplier(stage: &Rehearsal, seen: &Evidence) -> Result<(), FlowError> {
    let unpaid = seen.supplier_orders.iter().filter(|o| o.state == "placed" && o.asked_at.is_some());
    for order in unpaid {
        // Paid already and not seen yet: the far side says so, and that is fine.
        if let Err(error) = control(stage, &format!("aliexpress/orders/{}/pay", order.id), &json!({})) {
            log::debug!("{error}");
        }
    }
    Ok(())
}

fn wait_until_at_rest(engine: &Engine, order: &OrderId, most: Duration) -> Result<(), FlowError> {
    let until = engine.now() + SignedDuration::try_from(most).unwrap_or(SignedDuration::from_secs(60));
    let at_rest = |c: &rusqlite::Connection| {
        let seen = evidence::load(c, order)?;
        Ok(seen.is_none_or(|seen| is_at_rest(&seen, until)).then_some(()))
    };
    engine.wait_for(most, at_rest)?;
    Ok(())
}

/// Closed, held, its whole report written, or waiting for somebody else or for longer than anybody waits here.
fn is_at_rest(seen: &Evidence, until: Timestamp) -> bool {
    let order = &seen.order;
    let closed = order.closed_at.is_some() || [Stage::Held, Stage::Cancelled].iter().any(|s| s.word() == order.stage);
    let paid_out = seen.sale.as_ref().is_some_and(|s| {
        let no_leg = !s.platform_leg.is_positive() && !s.seller_leg.is_positive();
        s.sale.is_payout_executed || no_leg
    });
    let bought = !seen.supplier_orders.is_empty() && seen.supplier_orders.iter().all(|o| o.state == "paid");
    let only_bought = order.origin == Trial::PurchaseOnly.origin() && bought;
    closed || paid_out || only_bought || waits_for_the_seller(seen) || is_far_off(seen, until)
}

/// Placed and looked at, and nobody but the seller pays it.
fn waits_for_the_seller(seen: &Evidence) -> bool {
    let claim = seen.claims.iter().rfind(|c| c.slot == "purchase");
    let by_hand = claim.is_some_and(|c| c.is_auto_pay == Some(false) || c.note.is_some());
    let looked_at = seen.supplier_orders.iter().any(|o| o.state == "placed" && o.status.is_some());
    by_hand && looked_at && seen.order.waits_for == Why::SupplierUnpaid.word()
}

/// Nothing is due before `until`. A new order has not been looked at yet and is due at once.
fn is_far_off(seen: &Evidence, until: Timestamp) -> bool {
    !seen.order.waits_for.is_empty() && seen.order.next_look_at.is_none_or(|at| at > until)
}
