//! Plays one schedule: the real domain, store, journal, engine and parsers in one process, the built-in far sides plugged
//! into the wire, time wound by hand. A death unwinds to here, everything in memory is dropped, and the program starts
//! again on the same files: in a new place it opens them, in a used one the database's connections are handed to it. At
//! the end all faults stop, forty days pass, and the verdict is spoken.

use crate::lane::Lane;
use crate::post::posts;
use crate::schedule::{Fault, Schedule, Then};
use crate::verdict;
use crate::world::{World, buyer, policy};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::engine::ending::BackWanted;
use postsale::engine::once::Once;
use postsale::failpoint::{self, Died};
use postsale::store;
use serde_json::json;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// So many minutes of a round pass without a gap; the rest in strides.
const PRECISE: i64 = 40;
const STRIDE: i64 = 60;

/// A statement that was asked of a database.
pub struct Asked {
    pub is_read: bool,
    pub sql: String,
    pub with_values: String,
}

thread_local! {
    /// What this thread's runs ran, while somebody listens.
    static HEARD: RefCell<Option<Vec<Asked>>> = const { RefCell::new(None) };
}

/// From now on the statements of this thread's runs are kept.
pub fn listen() {
    HEARD.with(|heard| *heard.borrow_mut() = Some(Vec::new()));
}

pub fn heard() -> Vec<Asked> {
    HEARD.with(|heard| heard.borrow_mut().take()).unwrap_or_default()
}

fn hear(asked: Asked) {
    HEARD.with_borrow_mut(|heard| {
        if let Some(heard) = heard {
            heard.push(asked);
        }
    });
}

fn let_hear(world: &World) {
    if HEARD.with_borrow(Option::is_some) {
        let keep = |is_read: bool| {
            move |sql: &str, with_values: &str| {
                hear(Asked { is_read, sql: sql.to_owned(), with_values: with_values.to_owned() });
            }
        };
        world.engine.store.trace(keep(false)).unwrap();
        world.engine.store.trace_reads(keep(true));
    }
}

/// What came of a run.
pub struct Played {
    /// Everything that was passed, sent and reached, in order; empty where nobody compares it.
    pub trace: String,
    pub deaths: u32,
}

/// Plays in the place of the last run of this thread.
pub fn play(schedule: &Schedule, template: &Path) -> Result<Played, String> {
    let lane = Lane::again(template);
    let played = Play::begin(schedule, lane.clone()).until_the_end(schedule, false)?;
    lane.keep();
    Ok(played)
}

/// The same in that place, and says everything that happened, which the place must make no difference to.
pub fn traced(schedule: &Schedule, lane: Lane) -> Result<Played, String> {
    Play::begin(schedule, lane).until_the_end(schedule, true)
}

struct Play {
    world: World,
    /// Whether every start opens the database itself.
    is_new: bool,
    /// Where the journal lies, for the guard on the wire.
    journal: Arc<Mutex<PathBuf>>,
    /// Deaths to come, each from its round on.
    deaths: VecDeque<(usize, String, u32, Then)>,
    armed: Option<Then>,
    older: Option<TempDir>,
    /// Each order's reference, in the order they came.
    orders: Vec<(String, OrderId)>,
    /// Refunds that a person ordered, or may have.
    refunds: usize,
    trace: Vec<String>,
    died: u32,
}

impl Play {
    fn begin(schedule: &Schedule, lane: Lane) -> Play {
        let buffer = SignedDuration::from_mins(schedule.buffer);
        let policy = Policy { is_auto_pay: schedule.is_auto_pay, cancel_buffer: buffer, ..policy() };
        let world = World::penniless_on(lane.dir, lane.store, policy);
        let journal = Arc::new(Mutex::new(world.data_dir().join("intents.log")));
        world.tap.before_sends(verdict::intents_first(Arc::clone(&journal)));
        let deaths = schedule.faults.iter().filter_map(|(round, fault)| match fault {
            Fault::Die { place, passes, then } => Some((*round, place.clone(), *passes, *then)),
            _ => None,
        });
        let deaths = deaths.collect();
        let (orders, trace) = (Vec::new(), Vec::new());
        let_hear(&world);
        failpoint::watch(None);
        Play {
            world,
            is_new: lane.is_new,
            journal,
            deaths,
            armed: None,
            older: None,
            orders,
            refunds: 0,
            trace,
            died: 0,
        }
    }

    /// `Err`: what was broken, or how the program failed, in the first line; then what happened until there.
    fn until_the_end(mut self, schedule: &Schedule, is_told: bool) -> Result<Played, String> {
        let played = catch_unwind(AssertUnwindSafe(|| {
            self.rounds(schedule);
            self.liveness();
            verdict::judge(&self.world, &self.orders);
            verdict::refunds_at_most(&self.world.plug.book(), self.refunds);
        }));
        self.note_passed();
        failpoint::about("");
        let deaths = self.died;
        match played {
            Ok(()) => Ok(Played { trace: if is_told { self.ended() } else { String::new() }, deaths }),
            Err(payload) => {
                let why = match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
                    (Some(text), _) => text.as_str(),
                    (_, Some(text)) => text,
                    _ => "a panic without words",
                };
                Err(format!("{why}\n{}", self.ended()))
            }
        }
    }

    fn rounds(&mut self, schedule: &Schedule) {
        for (round, minutes) in schedule.rounds.iter().enumerate() {
            self.trace.push(format!("round {round} at {}", self.world.now()));
            self.arm(round);
            let stops = schedule.faults.iter().any(|(at, fault)| *at == round && *fault == Fault::Stop);
            self.stop(stops);
            for (_, fault) in schedule.faults.iter().filter(|(at, _)| *at == round) {
                self.go_wrong(round, fault);
            }
            for _ in schedule.orders.iter().filter(|at| **at == round) {
                let reference = format!("sim-{}", self.orders.len());
                self.orders.push((reference.clone(), verdict::identity(&reference).order_id()));
            }
            self.buyers_act();
            self.pass(round, *minutes);
            self.buyers_act();
            self.act(round, |world| world.run_for(SignedDuration::from_secs(20)));
            self.sellers_pay();
            if self.older.is_none() && round > 0 && schedule.goes_back() {
                self.older = Some(self.world.copy_of_files());
            }
        }
    }

    /// Time passes: at first as on a fast machine, then as on a slow one.
    fn pass(&mut self, round: usize, minutes: i64) {
        let mins = SignedDuration::from_mins;
        self.act(round, |world| world.run_for(mins(minutes.min(PRECISE))));
        let mut left = minutes - PRECISE;
        while left > 0 {
            self.world.wind(mins(left.min(STRIDE)));
            self.act(round, |world| world.run_for(SignedDuration::from_secs(20)));
            left -= STRIDE;
        }
    }

    /// Faults stop; whatever can go on by itself does.
    fn liveness(&mut self) {
        self.note_passed();
        failpoint::watch(None);
        self.armed = None;
        self.deaths.clear();
        self.stop(false);
        self.world.plug.control("DELETE", "/__control/faults", &json!({}));
        for _ in 0..2 {
            self.buyers_act();
            self.pass(0, 60);
            self.sellers_pay();
        }
        self.act(0, |world| world.run_days(40));
        self.note_passed();
    }

    /// Everything that was passed and reached, and the far sides' book.
    fn ended(self) -> String {
        let mut trace = self.trace;
        for (_, order) in &self.orders {
            let row = self.world.engine.store.read(|c| store::views::order(c, order));
            if row.is_ok_and(|row| row.is_some()) {
                trace.push(self.world.show(order));
            }
        }
        trace.push(self.world.plug.book().to_string());
        trace.join("\n")
    }

    /// Does something that the program may die in.
    fn act(&mut self, round: usize, f: impl FnOnce(&World)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(&self.world))) {
            if !payload.is::<Died>() {
                resume_unwind(payload);
            }
            self.dead(round);
        }
    }

    fn dead(&mut self, round: usize) {
        self.note_passed();
        failpoint::watch(None);
        failpoint::about("");
        self.died += 1;
        let then = self.armed.take().expect("it was armed");
        self.trace.push(format!("died, and starts again: {then:?}"));
        match (then, self.older.take()) {
            (Then::AfterAMonth, _) => self.world.wind(SignedDuration::from_hours(24 * 31)),
            (Then::OnAnOlderBackup, Some(older)) => return self.put_back(older, round),
            (Then::AtOnce | Then::OnAnOlderBackup, older) => self.older = older,
        }
        self.starts_again();
        self.arm(round);
    }

    fn starts_again(&mut self) {
        match self.is_new {
            true => {
                self.world.restart();
                let_hear(&self.world);
            }
            false => self.world.restart_on_open(),
        }
    }

    /// The database of the backup beside the journal of today.
    fn put_back(&mut self, older: TempDir, round: usize) {
        let today = self.world.copy_of_files();
        for name in ["postsale.db", "postsale.db-wal", "postsale.db-shm"] {
            let (old, new) = (older.path().join(name), today.path().join(name));
            let _ = std::fs::remove_file(&new);
            if old.exists() && !name.ends_with("-shm") {
                std::fs::copy(&old, &new).unwrap();
            }
        }
        *self.journal.lock().unwrap_or_else(PoisonError::into_inner) = today.path().join("intents.log");
        self.world.restart_in(today);
        let_hear(&self.world);
        self.arm(round);
    }

    /// Sets the next death whose round has come.
    fn arm(&mut self, round: usize) {
        if self.armed.is_some() || self.deaths.front().is_none_or(|(at, ..)| *at > round) {
            return;
        }
        if let Some((_, place, passes, then)) = self.deaths.pop_front() {
            self.note_passed();
            failpoint::watch(Some((&place, passes)));
            self.armed = Some(then);
        }
    }

    fn note_passed(&mut self) {
        self.trace.extend(failpoint::unwatch());
    }

    fn stop(&mut self, stops: bool) {
        let file = self.world.data_dir().join("STOP");
        if stops {
            std::fs::write(file, "").unwrap();
        } else if file.exists() {
            std::fs::remove_file(file).unwrap();
        }
    }

    fn go_wrong(&mut self, round: usize, fault: &Fault) {
        match fault {
            Fault::Reply { call, reply, when, skip, times } => self
                .world
                .fault_with(json!({ "call": call, "reply": reply, "when": when, "skip": skip, "times": times })),
            Fault::SlowPayouts => self.world.switch("payout_settle_ms", json!(7_200_000)),
            Fault::Restart => self.starts_again(),
            Fault::Release => {
                for (_, order) in self.orders.clone() {
                    let is_known = self.world.engine.store.read(|c| store::views::order(c, &order)).unwrap().is_some();
                    if is_known {
                        self.act(round, |world| drop(world.engine.release(&order, "a person")));
                    }
                }
            }
            Fault::Ring => self.paypal_rings(round),
            Fault::Refund => self.buyers_want_their_money(round),
            Fault::Stop | Fault::Die { .. } => {}
        }
    }

    /// What is acknowledged is on the disk (I7).
    fn paypal_rings(&mut self, round: usize) {
        for post in posts(&self.world).into_iter().flat_map(|post| [post.clone(), post]) {
            self.act(round, |world| {
                if world.engine.webhook(&post.delivery()).is_ok() {
                    let stored = world.engine.store.read(|c| store::inbox::deliveries(c, "paypal", &post.id)).unwrap();
                    assert!(stored > 0, "I7: acknowledged and not stored: {}", post.kind);
                }
            });
        }
    }

    fn buyers_want_their_money(&mut self, round: usize) {
        for (number, (_, order)) in self.orders.clone().into_iter().enumerate() {
            let died = self.died;
            let key = format!("back-{round}-{number}");
            let reason = "broken on the way".to_owned();
            let wanted = BackWanted { amount: None, reason, is_again: false, is_confirmed: false };
            let mut is_ordered = false;
            self.act(round, |world| {
                let once = Once { key: &key, route: "POST /refund", body_hash: "hash" };
                is_ordered = world.engine.refund_once(&once, &order, &wanted, "a person").is_ok();
            });
            self.refunds += usize::from(is_ordered || self.died > died);
        }
    }

    /// Every buyer opens his checkout, approves it at PayPal and comes back, as far as that goes now.
    fn buyers_act(&mut self) {
        for (number, (reference, order)) in self.orders.clone().into_iter().enumerate() {
            let number = u32::try_from(number).unwrap();
            self.act(0, |world| {
                // Refused while STOP is set; he tries again later.
                let _ = world.engine.open_checkout_order("MUG", 1, Some(buyer(number)), Some(&reference));
            });
            self.act(0, |world| world.run_for(SignedDuration::ZERO));
            let checkout = self.world.engine.store.read(|c| store::checkouts::load(c, &order)).unwrap();
            let Some(id) = checkout.and_then(|c| c.paypal_order_id) else { continue };
            let path = format!("/__control/paypal/orders/{id}/approve");
            if self.world.plug.control("POST", &path, &json!({})).0 == 200 {
                self.act(0, |world| world.engine.buyer_returned(&order).unwrap());
            }
        }
    }

    /// The seller pays on the site what the shop shows him as waiting for it.
    fn sellers_pay(&mut self) {
        for (_, order) in &self.orders {
            let row = self.world.engine.store.read(|c| store::views::order(c, order)).unwrap();
            if row.is_none_or(|row| row.stage == "closed") {
                continue;
            }
            let (trade, _) = self.world.engine.plan(order).unwrap();
            if trade.hold.is_none() {
                for supplier in trade.purchase.iter().flat_map(|p| &p.supplier_orders) {
                    self.world.pay_supplier(&supplier.id);
                }
            }
        }
    }
}
