//! Everything a person may say, thrown together by a seeded dice with faults, deaths and older databases: partial refunds,
//! channel orders with settlements, legs paid by other means, refunds of the supplier, disputes, payouts that change,
//! releases. Then whatever can go on does, people say again what was forgotten, and `words_verdict` judges.
//!
//! `WORDS_SEEDS=n WORDS_FROM=k cargo test --test it words::plays -- --nocapture`, or `WORDS_SEED=n` for one with its trace.

use crate::by_hand::once;
use crate::post::posts;
use crate::refunds::back;
use crate::schedule::Dice;
use crate::words_verdict::{has, one, rows};
use crate::world::{World, buyer, policy, usd};
use jiff::SignedDuration;
use postsale::domain::claim::Recipient;
use postsale::domain::guards::{Approval, Guard};
use postsale::domain::order::OrderId;
use postsale::domain::policy::{PaidBy, Policy};
use postsale::domain::settlement::{SettledTo, Settlement, SupplierRefund};
use postsale::engine::by_hand::Found;
use postsale::engine::ending::BackWanted;
use postsale::engine::intake::Report;
use postsale::engine::once::{Heard, NotHeard};
use postsale::engine::release::Release;
use postsale::engine::resolving::FoundAtPaypal;
use postsale::failpoint::{self, Died};
use postsale::store;
use postsale::store::money_views::PayoutRow;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// An order that comes in, and comes in again where it was forgotten.
pub struct Ordered {
    pub id: OrderId,
    reference: String,
    number: u32,
    /// `None` = by a checkout.
    report: Option<Report>,
}

/// What a person said and was heard, to be said again where it is forgotten.
#[derive(Clone, Debug)]
pub enum Word {
    Refund { amount: Option<String>, number: u32 },
    Cancel,
    SupplierPaid,
    SupplierRefund(SupplierRefund),
    Settle(Settlement),
    MarkPaid { recipient: Recipient, reference: String, minor: i64 },
}

pub struct Talk {
    pub world: World,
    dice: Dice,
    pub log: Vec<String>,
    said: usize,
    pub orders: Vec<Ordered>,
    pub words: Vec<(OrderId, Word)>,
    older: Vec<TempDir>,
    /// Keys of claims that were given up while the far side had nothing of them.
    pub given_up: BTreeSet<String>,
    /// Refunds that were seen to be withdrawn, by order and number.
    over: BTreeSet<(OrderId, u32)>,
    pub went_back: bool,
    dies: bool,
}

type Said<T> = Result<Heard<T>, NotHeard>;

impl Talk {
    pub fn begin(seed: u64) -> Talk {
        let mut dice = Dice::new(seed);
        let mut policy = Policy {
            is_auto_pay: dice.below(2) == 0,
            cancel_buffer: minutes([0, 0, 60][dice.below(3)]),
            paid_by: [PaidBy::Owner, PaidBy::Owner, PaidBy::Seller][dice.below(3)],
            ..policy()
        };
        policy.payouts.as_mut().unwrap().hold_days = [0, 0, 1][dice.below(3)];
        let world = World::with(policy);
        postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
        let mut talk = Talk {
            world,
            dice,
            log: Vec::new(),
            said: 0,
            orders: Vec::new(),
            words: Vec::new(),
            older: Vec::new(),
            given_up: BTreeSet::new(),
            over: BTreeSet::new(),
            went_back: false,
            dies: false,
        };
        let orders = 1 + talk.dice.below(3);
        (0..orders).for_each(|number| talk.comes_in(number));
        talk
    }

    fn comes_in(&mut self, number: usize) {
        let reference = format!("attack-{number}");
        let number = u32::try_from(number).unwrap();
        if self.dice.below(4) == 0 {
            let mut report = self.world.report(&reference);
            (report.buyer, report.content_hash) = (buyer(number), reference.clone());
            let id = self.world.take(&report);
            self.orders.push(Ordered { id, reference, number, report: Some(report) });
        } else {
            let taken = self.world.engine.open_checkout_order("MUG", 1, Some(buyer(number)), Some(&reference));
            self.orders.push(Ordered { id: taken.unwrap().order, reference, number, report: None });
        }
    }

    /// Does something that the program may die in; says whether it did.
    fn act(&mut self, f: impl FnOnce(&World)) -> bool {
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(&self.world))) else { return false };
        if !payload.is::<Died>() {
            resume_unwind(payload);
        }
        self.log.push("died".to_owned());
        failpoint::watch(None);
        failpoint::about("");
        self.world.restart();
        self.dies = false;
        true
    }

    /// A word under a key of its own; who died without an answer asks once more.
    fn say<T>(&mut self, what: &str, f: impl Fn(&World, &str) -> Said<T>) -> bool {
        self.said += 1;
        let key = format!("said-{}", self.said);
        loop {
            let mut answer = None;
            if self.act(|world| answer = Some(f(world, &key))) {
                continue;
            }
            let (code, is_heard) = match answer.unwrap() {
                Ok(Heard::Now(_)) => ("now", true),
                Ok(Heard::Before) => ("before", true),
                Err(NotHeard::Refused { code, .. }) => (code, false),
                Err(NotHeard::Engine(error)) => panic!("{what}: {error}"),
                Err(_) => ("not heard", false),
            };
            self.log.push(format!("{} {what}: {code}", self.world.now()));
            return is_heard;
        }
    }

    fn pass(&mut self, time: SignedDuration) {
        self.act(|world| world.run_for(time));
        self.look_around();
    }

    /// Time passes as on a slow machine.
    fn strides(&mut self, hours: i64) {
        for _ in 0..(hours / 3) {
            self.world.wind(SignedDuration::from_hours(3));
            self.act(|world| world.run_for(SignedDuration::from_secs(20)));
        }
        self.look_around();
    }

    /// What was given up while the far side has nothing of it must never be there later.
    fn look_around(&mut self) {
        let book = self.world.plug.book();
        let read = |sql: &str| {
            self.world.engine.store.read(|c| {
                let mut statement = c.prepare(sql)?;
                let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
                Ok::<_, store::StoreError>(rows.collect::<Result<Vec<_>, _>>()?)
            })
        };
        let void = read("SELECT key FROM claims WHERE state = 'void' AND slot <> 'capture'").unwrap();
        for key in void {
            let is_there = ["refunds", "payouts", "purchases"].iter().any(|kind| has(&book, kind, &key));
            if !is_there && self.given_up.insert(key.clone()) {
                self.log.push(format!("given up: {key}"));
            }
        }
        for ordered in &self.orders {
            if let Some(trade) = self.trade(&ordered.id) {
                let gone = trade.refunds.iter().filter(|r| r.withdrawn_at.is_some());
                self.over.extend(gone.map(|r| (ordered.id.clone(), r.number)));
            }
        }
    }

    pub fn trade(&self, id: &OrderId) -> Option<postsale::domain::trade::Trade> {
        let is_here = self.world.engine.store.read(|c| store::views::order(c, id)).unwrap().is_some();
        is_here.then(|| self.world.engine.plan(id).unwrap().0)
    }

    fn some_order(&mut self) -> Option<OrderId> {
        let at = self.dice.below(self.orders.len());
        let id = self.orders[at].id.clone();
        self.trade(&id).map(|_| id)
    }

    fn control(&self, path: &str, body: &Value) -> bool {
        self.world.plug.control("POST", &format!("/__control/{path}"), body).0 == 200
    }

    fn payouts(&self, id: &OrderId) -> Vec<PayoutRow> {
        self.world.engine.store.read(|c| store::money_views::payouts_of(c, id)).unwrap()
    }

    /// Buyers approve, come back, and order again what was forgotten; sellers pay what they are shown.
    fn buyers_and_sellers(&mut self) {
        for at in 0..self.orders.len() {
            let Ordered { id, reference, number, report } = &self.orders[at];
            let (id, reference, number, report) = (id.clone(), reference.clone(), *number, report.clone());
            if let Some(report) = report {
                self.act(|world| drop(world.engine.take_order(&report)));
            } else {
                self.act(|world| {
                    drop(world.engine.open_checkout_order("MUG", 1, Some(buyer(number)), Some(&reference)));
                });
                self.act(|world| world.run_for(SignedDuration::ZERO));
                let checkout = self.world.engine.store.read(|c| store::checkouts::load(c, &id)).unwrap();
                if let Some(paypal) = checkout.and_then(|c| c.paypal_order_id)
                    && self.control(&format!("paypal/orders/{paypal}/approve"), &json!({}))
                {
                    self.act(|world| world.engine.buyer_returned(&id).unwrap());
                }
            }
            let Some(trade) = self.trade(&id) else { continue };
            if trade.hold.is_none() && trade.order.cancelled_at.is_none() && !trade.is_to_be_all_gone() {
                for supplier in trade.purchase.iter().flat_map(|p| &p.supplier_orders) {
                    self.world.pay_supplier(&supplier.id);
                }
            }
        }
    }

    pub fn play(&mut self) {
        failpoint::watch(None);
        for _ in 0..(6 + self.dice.below(13)) {
            self.buyers_and_sellers();
            let what = self.dice.below(22);
            self.log.push(format!("-- {what}"));
            match what {
                0..=8 => self.person_says(),
                9..=12 => self.far_side_turns(),
                13..=14 => self.fault(),
                15 => self.die(),
                16 => self.copied(),
                17..=19 => self.put_back(),
                20 => self.looks(),
                _ => self.releases(),
            }
            let time = [0, 1, 6, 40, 200, 1500][self.dice.below(6)];
            self.pass(minutes(time));
            if self.older.len() < 2 && self.dice.below(3) > 0 {
                self.copied();
            }
        }
    }

    fn copied(&mut self) {
        self.log.push(format!("{} copied", self.world.now()));
        self.older.push(self.world.copy_of_files());
    }

    fn person_says(&mut self) {
        let Some(id) = self.some_order() else { return };
        match self.dice.below(12) {
            0..=2 => {
                let amount = [Some("5.00"), Some("2.00"), Some("12.00"), None][self.dice.below(4)];
                self.refund(&id, amount);
            }
            3 => self.cancel(&id),
            4 => drop(self.act(|world| drop(world.engine.hold(&id, "odd", "tester")))),
            5 => drop(self.act(|world| drop(world.engine.release(&id, "tester")))),
            6 => self.supplier_refund(&id),
            7 => self.settle(&id),
            8 => self.mark_paid(&id),
            9 => self.supplier_paid(&id),
            10 => self.payout_words(&id),
            _ => self.resolve(&id),
        }
    }

    pub fn refund(&mut self, id: &OrderId, amount: Option<&str>) {
        let wanted = BackWanted { is_again: true, ..back(amount) };
        if self.say(&format!("refund {id} {amount:?}"), |w, key| w.engine.refund_once(&once(key), id, &wanted, "t")) {
            let number = self.trade(id).and_then(|t| t.refunds.iter().map(|r| r.number).max()).unwrap_or(0);
            self.words.push((id.clone(), Word::Refund { amount: amount.map(str::to_owned), number }));
        }
    }

    fn cancel(&mut self, id: &OrderId) {
        if self.say(&format!("cancel {id}"), |w, key| w.engine.cancel_once(&once(key), id, "odd", "t")) {
            self.words.push((id.clone(), Word::Cancel));
        }
    }

    fn supplier_paid(&mut self, id: &OrderId) {
        let Some(trade) = self.trade(id) else { return };
        let placed = trade.purchase.iter().flat_map(|p| &p.supplier_orders).next().map(|o| o.id.clone());
        let Some(placed) = placed else { return };
        // Nobody says that he paid what he did not.
        self.world.pay_supplier(&placed);
        let is_paid = |p: &Value| p["id"].to_string().contains(&placed) && !p["paidAt"].is_null();
        if self.world.book("purchases").iter().any(is_paid)
            && self.say(&format!("supplier-paid {id}"), |w, key| {
                w.engine.mark_supplier_paid_once(&once(key), id, None, "t")
            })
        {
            self.words.push((id.clone(), Word::SupplierPaid));
        }
    }

    fn supplier_refund(&mut self, id: &OrderId) {
        let Some(trade) = self.trade(id) else { return };
        let placed = trade.purchase.iter().flat_map(|p| &p.supplier_orders).next().map(|o| o.id.clone());
        let Some(supplier_order_id) = placed else { return };
        let reference = format!("R{}", self.said);
        let amount = usd(["1.00", "3.00", "8.40"][self.dice.below(3)]);
        let refund = SupplierRefund { supplier_order_id, reference, amount };
        let said = self.say(&format!("supplier-refund {id} {amount}"), |w, key| {
            w.engine.supplier_refund_once(&once(key), id, &refund, "t")
        });
        if said {
            self.words.push((id.clone(), Word::SupplierRefund(refund)));
        }
    }

    fn settle(&mut self, id: &OrderId) {
        let amount = usd(["23.50", "20.00", "3.50", "23.00"][self.dice.below(4)]);
        let fee = [None, None, Some(usd("2.00"))][self.dice.below(3)];
        let settlement = Settlement { reference: format!("S{}", self.said), amount, fee, account: SettledTo::Bank };
        let said = self.say(&format!("settle {id} {amount} {fee:?}"), |w, key| {
            w.engine.settle_once(&once(key), id, &settlement, w.now(), "t")
        });
        if said {
            self.words.push((id.clone(), Word::Settle(settlement)));
        }
    }

    fn mark_paid(&mut self, id: &OrderId) {
        let rows = self.payouts(id);
        if rows.is_empty() {
            return;
        }
        let key = rows[self.dice.below(rows.len())].key.clone();
        self.mark_this_paid(id, &key);
    }

    fn mark_this_paid(&mut self, id: &OrderId, payout: &str) {
        let reference = format!("BANK{}", self.said);
        let said = self.say(&format!("mark-paid {id} {payout} {reference}"), |w, key| {
            w.engine.mark_paid_once(&once(key), id, payout, &reference, "t")
        });
        let trade = self.trade(id);
        let paid = trade.iter().flat_map(|t| &t.paid_otherwise).find(|p| p.reference == reference).cloned();
        if let Some(paid) = paid.filter(|_| said) {
            let (recipient, minor) = (paid.recipient, paid.amount.minor);
            self.words.push((id.clone(), Word::MarkPaid { recipient, reference, minor }));
        }
    }

    fn payout_words(&mut self, id: &OrderId) {
        for row in self.payouts(id) {
            let key = &row.key;
            match row.state.as_str() {
                "void" => self
                    .say(&format!("approve-payout {key}"), |w, k| w.engine.approve_payout_once(&once(k), id, key, "t")),
                "pending" => self
                    .say(&format!("cancel-payout {key}"), |w, k| w.engine.cancel_payout_once(&once(k), id, key, "t")),
                _ => false,
            };
        }
    }

    /// By what really stands at the far side.
    fn resolve(&mut self, id: &OrderId) {
        let Some(trade) = self.trade(id) else { return };
        let book = self.world.plug.book();
        let row = |kind: &str, key: &str| rows(&book, kind).find(|r| r["key"] == key).cloned();
        for payout in trade.payouts.iter().filter(|p| p.claim.is_unknown() && p.batch_id.is_none()) {
            let key = payout.claim.key.clone();
            let found = row("payouts", &key).map(|r| FoundAtPaypal::Id(r["batchId"].as_str().unwrap().to_owned()));
            let found = found.unwrap_or(FoundAtPaypal::NothingThere);
            self.say(&format!("resolve-payout {key} {found:?}"), |w, k| {
                w.engine.resolve_payout_once(&once(k), id, &key, &found, "t")
            });
        }
        for refund in trade.refunds.iter().filter(|r| r.is_open() && r.claim.as_ref().is_some_and(|c| c.is_unknown())) {
            let key = refund.claim.as_ref().unwrap().key.clone();
            let found = row("refunds", &key).map(|r| FoundAtPaypal::Id(r["id"].as_str().unwrap().to_owned()));
            let found = found.unwrap_or(FoundAtPaypal::NothingThere);
            self.say(&format!("resolve-refund {key} {found:?}"), |w, k| {
                w.engine.resolve_refund_once(&once(k), id, Some(refund.number), &found, "t")
            });
        }
        if trade.capture.as_ref().is_some_and(|c| c.claim.is_unknown() && c.proof.is_none()) {
            // Said whether it is true or not: the word alone must not be enough.
            self.say(&format!("resolve {id}: no payment"), |w, k| {
                w.engine.resolve_once(&once(k), id, &Found::NothingThere, "t")
            });
        }
        if let Some(purchase) = trade.purchase.as_ref().filter(|p| p.claim.is_unknown()) {
            let found = row("purchases", &purchase.claim.key);
            let text = |r: Value| r["id"].as_str().map_or_else(|| r["id"].to_string(), str::to_owned);
            let found = found.map_or(Found::NothingThere, |r| Found::Orders(vec![text(r)]));
            self.say(&format!("resolve {id} {found:?}"), |w, k| w.engine.resolve_once(&once(k), id, &found, "t"));
        }
    }

    fn far_side_turns(&mut self) {
        let pick = |dice: &mut Dice, rows: Vec<Value>| {
            if rows.is_empty() { None } else { Some(rows[dice.below(rows.len())].clone()) }
        };
        let of = |row: Option<Value>, field: &str| row.and_then(|r| r[field].as_str().map(str::to_owned));
        let (captures, refunds, payouts) =
            (self.world.book("captures"), self.world.book("refunds"), self.world.book("payouts"));
        let what = self.dice.below(8);
        match what {
            0 => {
                let Some(id) = of(pick(&mut self.dice, captures), "id") else { return };
                self.log.push(format!("site refund {id}"));
                self.control(&format!("paypal/captures/{id}/refund"), &json!({ "amount": "4.00" }));
            }
            1 => {
                let Some(id) = of(pick(&mut self.dice, captures), "id") else { return };
                let amount = [json!({}), json!({ "amount": "10.00" })][self.dice.below(2)].clone();
                self.log.push(format!("dispute {id} {amount}"));
                self.control(&format!("paypal/captures/{id}/dispute"), &amount);
                self.act(|world| drop(world.engine.poll_disputes()));
            }
            2 => self.disputes_end(),
            3..=4 => {
                let Some(id) = of(pick(&mut self.dice, payouts), "batchId") else { return };
                let item = ["RETURNED", "UNCLAIMED", "FAILED", "SUCCESS", "REFUNDED"][self.dice.below(5)];
                self.turn_payout(&id, item);
            }
            5 => {
                let outcome = ["SUCCESS", "FAILED", "UNCLAIMED"][self.dice.below(3)];
                self.log.push(format!("payouts come to {outcome}"));
                self.world.switch("payout_outcome", json!(outcome));
            }
            6 => {
                let settle = [1000, 7_200_000][self.dice.below(2)];
                self.world.switch("payout_settle_ms", json!(settle));
                let outcome = ["COMPLETED", "PENDING", "FAILED"][self.dice.below(3)];
                self.log.push(format!("refunds come to {outcome}, payouts settle after {settle}"));
                self.world.switch("refund_outcome", json!(outcome));
            }
            _ => {
                let Some(id) = of(pick(&mut self.dice, refunds), "id") else { return };
                self.log.push(format!("refund {id} FAILED"));
                self.control(&format!("paypal/refunds/{id}"), &json!({ "status": "FAILED" }));
            }
        }
        if self.dice.below(2) == 0 {
            self.rings();
        }
    }

    /// Only changes that PayPal makes: paid may come back, unclaimed may be anything, what came to nothing stays so.
    fn turn_payout(&mut self, batch: &str, item: &str) {
        let now = self.world.book("payouts").into_iter().find(|p| p["batchId"] == batch).unwrap();
        let may = match now["status"].as_str().unwrap() {
            "SUCCESS" => ["RETURNED", "REFUNDED"].contains(&item),
            "PENDING" => true,
            // What lies unclaimed has left, so PayPal gives it back and does not fail it.
            "UNCLAIMED" => !["UNCLAIMED", "FAILED"].contains(&item),
            _ => false,
        };
        if may {
            self.log.push(format!("payout {batch} {item}"));
            self.control(&format!("paypal/payouts/{batch}"), &json!({ "item": item }));
        }
    }

    fn disputes_end(&mut self) {
        for id in self.open_disputes() {
            let outcome = ["RESOLVED_BUYER_FAVOUR", "RESOLVED_SELLER_FAVOUR", "CANCELED_BY_BUYER"][self.dice.below(3)];
            self.end_dispute(&id, outcome);
        }
    }

    fn open_disputes(&self) -> Vec<String> {
        let ids = posts(&self.world).into_iter().filter(|p| p.kind.starts_with("CUSTOMER.DISPUTE."));
        let id = |p: &crate::post::Post| {
            let event: Value = serde_json::from_slice(&p.body).unwrap();
            event["resource"]["dispute_id"].as_str().map(str::to_owned)
        };
        let all: BTreeMap<String, bool> =
            ids.filter_map(|p| Some((id(&p)?, p.kind != "CUSTOMER.DISPUTE.RESOLVED"))).collect();
        all.into_iter().filter(|(_, open)| *open).map(|(id, _)| id).collect()
    }

    fn end_dispute(&mut self, id: &str, outcome: &str) {
        self.world.wind(SignedDuration::from_secs(1));
        self.log.push(format!("dispute {id} {outcome}"));
        self.control(&format!("paypal/disputes/{id}"), &json!({ "status": "RESOLVED", "outcome": outcome }));
        self.act(|world| drop(world.engine.poll_disputes()));
    }

    fn rings(&mut self) {
        self.log.push("rings".to_owned());
        for post in posts(&self.world) {
            self.act(|world| drop(world.engine.webhook(&post.delivery())));
        }
    }

    fn fault(&mut self) {
        let calls = [
            "paypal.refund",
            "paypal.refund",
            "paypal.payout",
            "paypal.payout",
            "paypal.capture",
            "paypal.order",
            "paypal.batch",
            "aliexpress.create",
            "aliexpress.get",
        ];
        let call = calls[self.dice.below(calls.len())];
        let times = [1, 1, 2, 50][self.dice.below(4)];
        let (reply, when) = [
            ("timeout", "before_commit"),
            ("timeout", "after_commit"),
            ("status_500", "after_commit"),
            ("status_422", "before_commit"),
            ("status_422", "before_commit"),
            ("status_422", "before_commit"),
        ][self.dice.below(6)];
        let mut fault = json!({ "call": call, "reply": reply, "when": when, "times": times });
        let issue = match call {
            "paypal.refund" => ["REFUND_TIME_LIMIT_EXCEEDED", "REFUND_FAILED_INSUFFICIENT_FUNDS"][self.dice.below(2)],
            "paypal.payout" => ["SENDER_RESTRICTED", "INSUFFICIENT_FUNDS"][self.dice.below(2)],
            _ => "INSTRUMENT_DECLINED",
        };
        if reply == "status_422" && call.starts_with("paypal.") {
            fault["issue"] = json!(issue);
        }
        self.log.push(format!("fault {fault}"));
        self.world.fault_with(fault);
    }

    fn die(&mut self) {
        let names = failpoint::names();
        let place = names[self.dice.below(names.len())].clone();
        self.log.push(format!("is to die at {place}"));
        failpoint::watch(Some((&place, u32::try_from(self.dice.below(2)).unwrap())));
        self.dies = true;
    }

    /// The database of an earlier moment, and the journal of now.
    fn put_back(&mut self) {
        if self.older.is_empty() {
            return;
        }
        let older = self.older.remove(self.dice.below(self.older.len()));
        self.log.push(format!("{} an older database is put back", self.world.now()));
        failpoint::watch(None);
        failpoint::about("");
        self.world.put_back(older);
        self.went_back = true;
        if self.dice.below(3) > 0 {
            self.pass(minutes(2));
            self.say_again();
        }
    }

    fn looks(&mut self) {
        self.act(|world| drop(world.engine.look_back_at_payouts()));
        self.act(|world| drop(postsale::assure::reconcile::run(&world.engine)));
        for at in 0..self.orders.len() {
            let id = self.orders[at].id.clone();
            if self.trade(&id).is_some() {
                self.act(|world| drop(world.engine.paypal_rang(&id)));
            }
        }
    }

    fn releases(&mut self) {
        self.log.push("releases".to_owned());
        for at in 0..self.orders.len() {
            let id = self.orders[at].id.clone();
            self.act(|world| drop(world.engine.release_amnesia(&Release::Trade(id.clone()), "t")));
        }
        if self.dice.below(2) == 0 {
            self.shop_is_released();
        }
    }

    fn shop_is_released(&mut self) {
        self.act(|world| drop(world.engine.release_amnesia(&Release::Shop, "t")));
        self.act(|world| drop(world.engine.release_amnesia(&Release::WasOff, "t")));
        self.act(|world| world.confirm_payees());
    }

    /// People say again what the journal names, in the order in which they said it first.
    fn say_again(&mut self) {
        for (id, word) in self.words.clone() {
            let Some(trade) = self.trade(&id) else { continue };
            match word {
                Word::Refund { amount, number } => {
                    let is_over = self.over.contains(&(id.clone(), number));
                    if !is_over && trade.refund(number).is_none() && trade.order.cancelled_at.is_none() {
                        let wanted = BackWanted { is_again: true, ..back(amount.as_deref()) };
                        self.say(&format!("again refund {number} {id}"), |w, key| {
                            w.engine.refund_once(&once(key), &id, &wanted, "t")
                        });
                    }
                }
                Word::Cancel if trade.order.cancelled_at.is_none() => {
                    self.say(&format!("again cancel {id}"), |w, k| w.engine.cancel_once(&once(k), &id, "odd", "t"));
                }
                Word::SupplierPaid if trade.purchase.is_some() => {
                    self.say(&format!("again supplier-paid {id}"), |w, key| {
                        w.engine.mark_supplier_paid_once(&once(key), &id, None, "t")
                    });
                }
                Word::SupplierRefund(refund) if !trade.supplier_refunds.contains(&refund) => {
                    self.say(&format!("again supplier-refund {id} {}", refund.amount), |w, key| {
                        w.engine.supplier_refund_once(&once(key), &id, &refund, "t")
                    });
                }
                Word::Settle(settlement) if !trade.settlements.contains(&settlement) => {
                    self.say(&format!("again settle {id} {}", settlement.amount), |w, key| {
                        w.engine.settle_once(&once(key), &id, &settlement, w.now(), "t")
                    });
                }
                Word::MarkPaid { recipient, reference, .. }
                    if trade.paid_otherwise.iter().all(|p| p.reference != reference) =>
                {
                    let row = self.payouts(&id).into_iter().rfind(|r| r.recipient == recipient.word());
                    let Some(row) = row else { continue };
                    self.say(&format!("again mark-paid {id} {reference}"), |w, key| {
                        w.engine.mark_paid_once(&once(key), &id, &row.key, &reference, "t")
                    });
                }
                _ => {}
            }
        }
    }

    /// Faults stop, people look and say what is to be said, and forty days pass.
    pub fn liveness(&mut self) {
        failpoint::watch(None);
        failpoint::about("");
        self.log.push("== liveness".to_owned());
        self.world.plug.control("DELETE", "/__control/faults", &json!({}));
        for (name, value) in [
            ("payout_outcome", json!("SUCCESS")),
            ("refund_outcome", json!("COMPLETED")),
            ("payout_settle_ms", json!(1000)),
        ] {
            self.world.switch(name, value);
        }
        for id in self.open_disputes() {
            self.end_dispute(&id, "RESOLVED_SELLER_FAVOUR");
        }
        self.rings();
        for round in 0..5 {
            self.buyers_and_sellers();
            self.pass(minutes(10));
            self.looks();
            self.pass(minutes(10));
            self.say_again();
            self.pass(minutes(10));
            self.say_again();
            self.releases();
            self.shop_is_released();
            self.strides(27);
            for at in 0..self.orders.len() {
                let id = self.orders[at].id.clone();
                self.end(&id, round);
            }
            self.strides(27);
        }
        self.act(|world| world.run_days(40));
        self.looks();
        self.pass(SignedDuration::from_hours(5));
        self.looks();
        self.pass(SignedDuration::from_hours(1));
    }

    /// What a person does about an order that waits for him.
    fn end(&mut self, id: &OrderId, round: usize) {
        if self.trade(id).is_none() {
            return;
        }
        self.resolve(id);
        for payout in
            self.world.book("payouts").into_iter().filter(|p| p["status"] == "PENDING" || p["status"] == "UNCLAIMED")
        {
            self.turn_payout(payout["batchId"].as_str().unwrap(), "SUCCESS");
        }
        for row in self.world.book("refunds").into_iter().filter(|r| r["status"] == "PENDING") {
            self.control(&format!("paypal/refunds/{}", row["id"].as_str().unwrap()), &json!({ "status": "COMPLETED" }));
        }
        let waits = self.world.waits_for(id);
        if waits.contains("say mark-paid") || round > 2 && waits.starts_with("payout_") {
            for row in self.payouts(id) {
                self.mark_this_paid(id, &row.key);
            }
            self.act(|world| drop(world.engine.release(id, "t")));
        } else if waits.starts_with("payout_problem") {
            self.payout_words(id);
        } else if waits.starts_with("cancelled_with_money") && round > 1 {
            self.refund(id, None);
        } else if (waits.starts_with("dispute_lost") || waits.starts_with("expired_unpaid")) && round > 2 {
            self.cancel(id);
        } else if waits.starts_with("guard") {
            let overrides = vec![Guard::OldOrder, Guard::Ceiling, Guard::Margin, Guard::LookAlike];
            let approval = Approval { quote_hash: None, overrides, expires_at: None };
            self.act(|world| drop(world.engine.approve(id, &approval, Some("seen"), "t")));
        } else if round > 1 {
            self.act(|world| drop(world.engine.release(id, "t")));
        }
        if let Some(trade) = self.trade(id)
            && waits.starts_with("the channel still holds")
        {
            let fee = trade.fee().map_or(0, |fee| fee.minor);
            let minor = trade.order.total.minor - fee - trade.settled().minor;
            let amount = postsale::domain::money::Money { minor, ..trade.order.total };
            let settlement =
                Settlement { reference: format!("S{}", self.said), amount, fee: None, account: SettledTo::Bank };
            if self.say(&format!("settle {id} {amount}"), |w, k| {
                w.engine.settle_once(&once(k), id, &settlement, w.now(), "t")
            }) {
                self.words.push((id.clone(), Word::Settle(settlement)));
            }
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn plays() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = number("WORDS_SEED") {
        let (found, log, ends) = one(seed);
        println!("{}\n{ends:?}\n{}", log.join("\n"), found.join("\n"));
        return;
    }
    let usual = if std::env::var_os("POSTSALE_FULL").is_some() { 1000 } else { 40 };
    let (all, from) = (number("WORDS_SEEDS").unwrap_or(usual), number("WORDS_FROM").unwrap_or(0));
    let (next, failed) = (AtomicU64::new(from), AtomicU64::new(0));
    let kinds: Mutex<BTreeMap<String, (u64, Vec<u64>)>> = Mutex::new(BTreeMap::new());
    let ended: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + all {
                        return;
                    }
                    let (found, _, ends) = one(seed);
                    failed.fetch_add(u64::from(!found.is_empty()), Ordering::Relaxed);
                    for line in &found {
                        println!("{seed} {}", line.chars().take(220).collect::<String>().replace('\n', " "));
                    }
                    for line in found {
                        let parts = if line.starts_with("check ") || line.starts_with("open ") { 1 } else { 2 };
                        let kind: String = line.split(": ").take(parts).collect::<Vec<_>>().join(": ");
                        let kind = kind.chars().filter(|c| !c.is_ascii_digit()).take(110).collect();
                        let mut kinds = kinds.lock().unwrap();
                        let (count, seeds) = kinds.entry(kind).or_default();
                        *count += 1;
                        if seeds.len() < 12 && seeds.last() != Some(&seed) {
                            seeds.push(seed);
                        }
                    }
                    for end in ends {
                        *ended.lock().unwrap().entry(end).or_default() += 1;
                    }
                }
            });
        }
    });
    std::panic::set_hook(hook);
    println!("{all} seeds from {from}, {} failed", failed.load(Ordering::Relaxed));
    for (kind, (count, seeds)) in kinds.into_inner().unwrap() {
        println!("{count:5} {kind}   {seeds:?}");
    }
    println!("{:#?}", ended.into_inner().unwrap());
    assert_eq!(failed.into_inner(), 0, "the lines above name the seeds; WORDS_SEED=n shows one");
}
