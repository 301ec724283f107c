//! WHAT WE DO. Workers take due orders; [`Engine::advance`] asks the domain for the next step, `perform` does
//! it and writes down what came of it. Nothing acts inside an event: a fact is stored by [`intake`] and rings the bell.
//!
//! * [`claim`]: the road of every call that may move money: decide again and commit, journal, call, journal, settle.
//! * [`steps`]: one function per step that moves money. **The only place that does.**
//! * [`looks`]: one function per step that only looks; [`settle`]: what a look or an answer proves.
//! * [`feed`]: the far sides' own statements, read and written down for the reconciliation.

pub mod address;
mod amnesia;
mod bell;
pub mod by_hand;
pub mod claim;
mod correct;
pub mod elsewhere;
pub mod ending;
pub mod facts;
pub mod feed;
mod in_hand;
pub mod intake;
pub mod lifesign;
mod listed;
pub mod login;
pub mod looks;
pub mod once;
pub mod open;
mod parcels;
pub mod payout_looks;
pub mod permissions;
pub mod places;
pub mod quote;
pub mod refunds;
pub mod release;
pub mod resolving;
mod reversals;
pub mod settle;
pub mod steps;
mod surroundings;
mod telling;
mod timekeeper;
pub mod told;
pub mod trial;
pub mod trial_goods;
mod words;
mod workers;

pub use bell::Bell;
pub use open::{OpenError, Parts};
pub use surroundings::{CLOCK, CLOCK_COMPARED};
pub use workers::Running;

use crate::clock::Clock;
use crate::domain::guards::CAP_WINDOW;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::{Mode, OrderId};
use crate::domain::pipeline::{next_step, stage};
use crate::domain::policy::Policy;
use crate::domain::trade::{FarSide, Shop, Stage, Step, Trade, Why};
use crate::gateway::aliexpress::AliExpress;
use crate::gateway::paypal::PayPal;
use crate::store::journal::{Journal, JournalError};
use crate::store::shop::Surroundings;
use crate::store::{self, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What stands on the disk is not known any more: nothing may be sent, the program ends (exit 74).
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A rule of our own was broken.
    #[error("fault: {0}")]
    Fault(String),
    /// The file STOP could not be laid down or taken away.
    #[error("the file STOP: {0}")]
    StopFile(std::io::Error),
}

pub type Result<T> = std::result::Result<T, EngineError>;

/// What the owner decided, as far as the engine needs it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub mode: Mode,
    pub shop: String,
    pub policy: Policy,
    /// Payees the configuration proposes.
    pub platform: Option<String>,
    pub seller: Option<String>,
    /// The payee a capture must name; `None` = not checked.
    pub merchant_id: Option<String>,
    /// Base of the pages the buyer returns to.
    pub public_url: String,
    pub paypal: FarSide,
    pub aliexpress: FarSide,
    pub workers: usize,
    pub tick: Duration,
    pub data_dir: PathBuf,
}

pub struct Engine {
    pub store: Arc<Store>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    pub bell: Bell,
    time: timekeeper::Timekeeper,
    /// The database file as it was opened; another one in its place is not ours.
    file: Option<(u64, u64)>,
    /// When writing was last tried, and what came of it.
    disk: Mutex<Option<(SignedDuration, Option<String>)>>,
    /// `None`: it cannot be read. Then nothing is sent.
    journal: Option<Journal>,
    paypal: Option<PayPal>,
    aliexpress: Option<AliExpress>,
    /// Orders some worker has in hand.
    taken: Mutex<HashSet<OrderId>>,
    in_hand: in_hand::InHand,
    /// Lines of the journal whose outcome is not in the database yet, with the claim's key; `None` = a person's word.
    open_lines: Mutex<BTreeMap<i64, Option<String>>>,
    /// One refresh of a login at a time.
    refreshing: Mutex<()>,
    /// After a failed refresh, the next one not before this. Never held over a call or a transaction.
    refresh_not_before: Mutex<Option<Timestamp>>,
    /// AliExpress' lists of places.
    places: places::Places,
    calls_in_flight: AtomicUsize,
    leaving: AtomicBool,
}

/// More steps than this in one go is a fault: an order moves a dozen steps at the most without waiting.
const STEPS_IN_A_ROW_MAX: u32 = 200;
/// An order that went round in circles is taken up again after this.
const AFTER_A_CIRCLE: SignedDuration = SignedDuration::from_mins(15);

impl Engine {
    /// The engine's own time; see `timekeeper`.
    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// The latest time that a far side's clock showed since the program started. `None`: none answered yet.
    pub fn far_clock(&self) -> Option<Timestamp> {
        let paypal = self.paypal.as_ref().and_then(PayPal::far_clock);
        paypal.max(self.aliexpress.as_ref().and_then(AliExpress::far_clock))
    }

    /// Why nothing is sent, if the machine or the database went back in time. `None` = all is well, or every trade in
    /// doubt is one by one.
    pub fn restored(&self) -> Option<String> {
        match self.store.read(store::doubts::restored) {
            Ok(restored) => restored.map(|(why, _)| why),
            Err(error) => Some(format!("whether it did cannot be read: {error}")),
        }
    }

    /// Takes one order as far as it goes now: load, decide, do, again. Returns when it has to wait.
    pub fn advance(&self, id: &OrderId) -> Result<()> {
        self.keep_time(true)?;
        // Most orders that are due have something to do: the first look keeps nobody from writing.
        let mut planned = self.plan(id)?;
        if !planned.1.is_action() {
            planned = self.decide(id)?;
        }
        for _ in 0..STEPS_IN_A_ROW_MAX {
            let (trade, step) = planned;
            if !step.is_action() || self.leaving.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.in_hand.note(id, &step);
            self.perform(&trade, &step)?;
            self.bell.progress();
            planned = self.decide(id)?;
        }
        let hold = Hold::new(HoldCode::ProgramFault, "the order goes round in circles");
        self.store.write(|tx| {
            store::holds::put(tx, id, &hold, "program", self.now())?;
            store::events::append(tx, Some(id), self.now(), "fault", &hold.detail)?;
            let pause = if self.leaving.load(Ordering::Relaxed) { SignedDuration::ZERO } else { AFTER_A_CIRCLE };
            self.cache_in(tx, id, pause)
        })
    }

    /// The next step of one order. If it is to wait, that is written down in the same transaction: a fact that comes in
    /// after it wakes the order, and is never put to sleep by what was decided without it.
    fn decide(&self, id: &OrderId) -> Result<(Trade, Step)> {
        let now = self.now();
        self.store.write(|tx| {
            let (trade, shop) = self.load(tx, id, now)?;
            let step = next_step(&trade, &shop, &self.settings.policy, now);
            if !step.is_action() {
                show(tx, &trade, &cached(&trade, &step, now), now)?;
            }
            Ok((trade, step))
        })
    }

    /// The next step of one order, doing nothing.
    pub fn plan(&self, id: &OrderId) -> Result<(Trade, Step)> {
        let now = self.now();
        let (trade, shop) = self.store.read(|c| self.load(c, id, now))?;
        let step = next_step(&trade, &shop, &self.settings.policy, now);
        Ok((trade, step))
    }

    fn load(&self, connection: &Connection, id: &OrderId, now: Timestamp) -> Result<(Trade, Shop)> {
        let trade = store::trades::load(connection, &self.settings.shop, id)?;
        let around = self.surroundings(connection, now)?;
        Ok((trade, store::shop::load(connection, &around, now)?))
    }

    /// The part of the shop's state that is not in its tables.
    pub fn surroundings(&self, connection: &Connection, now: Timestamp) -> Result<Surroundings> {
        let is_restored = self.journal.is_none() || self.is_swapped();
        let not_before = *self.refresh_not_before.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let may_refresh = not_before.is_none_or(|at| now >= at);
        let around = self.settings.surroundings(connection, is_restored, may_refresh, now)?;
        let is_refused = self.paypal.as_ref().is_some_and(|paypal| paypal.refused_until(now).is_some());
        let around = Surroundings { clock: self.clock_state(), latest: self.time.latest(), ..around };
        Ok(if is_refused { Surroundings { paypal: FarSide::NoToken, ..around } } else { around })
    }

    /// STOP as it is now, the row or the file; read once more right before a call.
    pub fn is_stopped_now(&self) -> Result<bool> {
        let row = self.store.read(|c| store::meta::value(c, "stop"))?;
        Ok(row.is_some() || self.settings.stop_file().exists())
    }

    fn perform(&self, trade: &Trade, step: &Step) -> Result<()> {
        crate::failpoint::about("");
        match step {
            Step::Wait { .. } | Step::Hold { .. } => Ok(()),
            Step::OpenCheckout => self.open_checkout(trade, step),
            Step::Capture { .. } => self.capture(trade, step),
            Step::Place(placing) => self.place(trade, step, Some(placing)),
            Step::ResendPlace => self.place(trade, step, None),
            Step::Pay { recipient, .. } | Step::ResendPayout(recipient) => self.pay(trade, step, *recipient),
            Step::Refund { number, .. } | Step::ResendRefund(number) => self.refund(trade, step, *number),
            Step::AskRefund(number) => self.ask_refund(trade, *number),
            Step::AskCheckout => self.ask_checkout(trade),
            Step::ReadFee => self.read_fee(trade),
            Step::Hear => self.look_again(trade),
            Step::Quote => self.quote(trade),
            Step::Inspect { supplier_order_id } => self.inspect(trade, supplier_order_id),
            Step::AskPayout(recipient) => self.ask_payout(trade, *recipient),
            Step::CancelPayout(recipient) => self.cancel_payout(trade, *recipient),
            Step::TellTracking { supplier_order_id } => self.tell_tracking(trade, supplier_order_id),
            Step::Track => self.track(trade),
            Step::Withdraw(slot) => self.withdraw(trade, step, *slot),
            Step::RecordSale => self.record_sale(trade, step),
            Step::SetOff { recipient, amount } => self.set_off(trade, step, *recipient, *amount),
            Step::Close => self.close(trade, step),
        }
    }

    /// Decides inside a transaction that just changed the order, so that no death can come between the change and what is
    /// shown of it. `pause`: work that is left over is taken up again after this.
    pub(super) fn cache_in(&self, tx: &Transaction<'_>, id: &OrderId, pause: SignedDuration) -> Result<()> {
        let now = self.now();
        let (trade, shop) = self.load(tx, id, now)?;
        let step = next_step(&trade, &shop, &self.settings.policy, now);
        show(tx, &trade, &cached(&trade, &step, now + pause), now)
    }

    fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> store::Result<T>) -> Result<T> {
        Ok(self.store.write(f)?)
    }

    fn paypal(&self) -> Result<&PayPal> {
        self.paypal.as_ref().ok_or_else(|| EngineError::Fault("PayPal is not configured".to_owned()))
    }

    fn aliexpress(&self) -> Result<&AliExpress> {
        self.aliexpress.as_ref().ok_or_else(|| EngineError::Fault("AliExpress is not configured".to_owned()))
    }

    /// Calls that are under way now; SIGTERM waits for them.
    pub fn calls_in_flight(&self) -> usize {
        self.calls_in_flight.load(Ordering::Relaxed)
    }
}

/// One alert a day, however many orders wait: a cap that is reached may be good business, or a runaway.
fn tell_of_cap(tx: &Transaction<'_>, now: Timestamp) -> store::Result<()> {
    const TOLD: &str = "cap_told_at";
    let told = store::meta::value(tx, TOLD)?.and_then(|text| text.parse().ok()).map(store::from_ms).transpose()?;
    if told.is_some_and(|told| told <= now && now < told + CAP_WINDOW) {
        return Ok(());
    }
    log::warn!("a daily cap is reached: what is over it waits and goes on by itself; postsale stop stops everything");
    store::meta::set(tx, TOLD, &store::to_ms(now).to_string())?;
    store::events::append(tx, None, now, "cap_reached", Why::Cap.word())
}

/// What stands with an order so that it need not be reckoned again: where it stands, why, and when to look next.
struct Cached {
    stage: Stage,
    waits_for: String,
    until: Option<Timestamp>,
}

/// Writes stage, reason and next look where they differ from what stands there.
fn show(tx: &Transaction<'_>, trade: &Trade, next: &Cached, now: Timestamp) -> Result<()> {
    let id = &trade.order.id;
    let before = store::views::order(tx, id)?;
    let stage_before = before.as_ref().map(|row| row.stage.as_str());
    if stage_before != Some(next.stage.word()) {
        let detail = format!("{}: {}", next.stage, next.waits_for);
        store::events::append(tx, Some(id), now, "stage", &detail)?;
    }
    if next.waits_for == Why::Cap.word() {
        tell_of_cap(tx, now)?;
    }
    if store::holds::has_crashed(tx, id)? {
        store::holds::survived(tx, id)?;
    }
    let is_same = before.is_some_and(|row| {
        row.stage == next.stage.word() && row.waits_for == next.waits_for && row.next_look_at == next.until
    });
    if is_same { Ok(()) } else { Ok(store::intake::cache(tx, id, next.stage.word(), &next.waits_for, next.until)?) }
}

fn cached(trade: &Trade, step: &Step, taken_up_at: Timestamp) -> Cached {
    let (waits_for, until) = match step {
        Step::Hold { hold, until } => (format!("{}: {}", hold.code, hold.detail), *until),
        Step::Wait { why, until } => (why.to_string(), *until),
        // Work left over (the program is leaving, or goes round in circles) must be found again. Only the step's name:
        // its values may hold a payee's address.
        other => (in_hand::name(other), Some(taken_up_at)),
    };
    Cached { stage: stage(trade, step), waits_for, until }
}

/// Name of the AliExpress login's row.
pub const ALIEXPRESS: &str = "aliexpress";
