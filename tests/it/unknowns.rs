//! Every reply kind at every call on the way to the goods, under every behaviour of the supplier that is not documented,
//! with and without automatic payment; then time passes. At each moment: the supplier was paid at most once, no second
//! key went out after an outcome that nobody knows, nothing was sent again after the window, and an order that is not
//! bought stands in the queue with the amount at risk.
//!
//! The whole product runs with `POSTSALE_FULL` set. The usual run leaves out what cannot differ: a switch decides only
//! where the far side comes to look at it, so that a run that sent one purchase, or refreshed no token, is the same under
//! every value of the switches for those; the shapes of lists and the kinds of refresh tokens are taken in turn. The whole
//! run proves that too: what was left out ends like what stood for it.

use crate::lanes;
use crate::money::minutes;
use crate::variants::{SHAPES, USUAL, Variant, is_full};
use crate::world::{World, policy, under};
use jiff::{SignedDuration, Timestamp};
use postsale::domain::claim::Slot;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::sandbox::KINDS;
use postsale::store;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A reply of the fault table; with its code where it is not the usual one.
type Reply = (&'static str, Option<&'static str>);

/// Codes that mean something else than the usual one of their kind: of the business method, of the remote service, of the
/// gateway.
const CODED: [Reply; 10] = [
    ("is_success_false", Some("REPEATED_ORDER_ERROR")),
    ("is_success_false", Some("B_DROPSHIPPER_DELIVERY_ADDRESS_VALIDATE_FAIL")),
    ("is_success_false", Some("SKU_NOT_EXIST")),
    ("code15", Some("isv.insufficient-permission")),
    ("gateway_code", Some("IllegalAccessToken")),
    ("gateway_code", Some("IllegalRefreshToken")),
    ("gateway_code", Some("IncompleteSignature")),
    ("gateway_code", Some("IllegalTimestamp")),
    ("gateway_code", Some("InsufficientPermission")),
    ("gateway_code", Some("ServiceTimeout")),
];

fn replies() -> Vec<Reply> {
    KINDS.iter().map(|kind| (*kind, None)).chain(CODED).collect()
}

/// A reply that lasts is tried with one of each sort in the usual run.
const LASTING: [&str; 6] = ["timeout", "code_limit", "status_503", "html_200", "code15", "other_id"];

/// Where it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    call: &'static str,
    /// What the far side does before the reply is spoilt. A look changes nothing there.
    when: &'static str,
    /// How long the supplier login still lives when the order comes in, in minutes.
    login_left: Option<i64>,
}

const fn place(call: &'static str, when: &'static str, login_left: Option<i64>) -> Place {
    Place { call, when, login_left }
}

const PLACES: [Place; 9] = [
    place("aliexpress.create", "before_commit", None),
    place("aliexpress.create", "after_commit", None),
    place("aliexpress.get", "before_commit", None),
    place("aliexpress.freight", "before_commit", None),
    place("aliexpress.product", "before_commit", None),
    place("aliexpress.token", "before_commit", Some(20)),
    place("aliexpress.token", "after_commit", Some(20)),
    place("aliexpress.token", "before_commit", Some(-1)),
    place("aliexpress.token", "after_commit", Some(-1)),
];

/// The moments at which it is looked: seconds after the order came in.
const MOMENTS: [i64; 5] = [10, 3_600, 19 * 3_600, 21 * 3_600, 25 * 3_600];
/// Up to this moment the shop works whenever something is due; later it looks once an hour, like a slow machine.
const BUSY: i64 = 3_600;
/// From the first send on the same bytes may go out again for so long.
const WINDOW: i64 = 20 * 3_600;

#[derive(Clone, Copy, Debug)]
struct Case {
    reply: Reply,
    place: Place,
    is_auto_pay: bool,
    is_lasting: bool,
    variant: Variant,
}

impl Case {
    fn fault(&self) -> Value {
        let (reply, code) = self.reply;
        let times = if self.is_lasting { 1_000_000 } else { 1 };
        let mut fault = json!({ "call": self.place.call, "reply": reply, "when": self.place.when, "times": times });
        if let Some(code) = code {
            fault["errorCode"] = json!(code);
        }
        fault
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
struct Ran {
    /// How often the purchase went out, and a token was refreshed.
    purchases_sent: usize,
    refreshed: usize,
    /// How often the spoilt call went out.
    spoilt: usize,
    /// Where the order stands, why, and what the far side has of it.
    end: String,
}

/// What the documents rule out: a call that the rate limit did not let through, and that bought all the same. Once, that
/// does no harm while the key is remembered; at a supplier who takes a used key for a second order, or who goes on so,
/// nothing at all protects a purchase.
fn is_ruled_out(case: &Case) -> bool {
    let is_limit = matches!(case.reply.0, "status_429" | "code_limit") && case.place.when == "after_commit";
    let is_again = case.is_auto_pay && case.variant.repeat == "again";
    is_limit && case.place.call == "aliexpress.create" && (is_again || case.is_lasting)
}

impl World {
    fn work_until(&self, end: Timestamp, is_busy: bool) {
        if is_busy {
            return self.run_for(end.duration_since(self.now()));
        }
        while self.now() < end {
            self.wind(SignedDuration::from_secs(BUSY).min(end.duration_since(self.now())));
            self.run_for(SignedDuration::ZERO);
        }
    }

    /// The seller pays on the site what the queue shows him, and nothing else.
    fn pay_what_the_queue_shows(&self, order: &OrderId) {
        if self.stage(order) != "awaiting_supplier_payment" {
            return;
        }
        let queue = self.engine.store.read(|c| store::queue::list(c, None, 10, self.now())).unwrap();
        for id in queue.iter().flat_map(|row| &row.unpaid) {
            self.pay_supplier(id);
        }
    }

    /// What must be true at any moment.
    fn judge_moment(&self, order: &OrderId, moment: i64) {
        let shown = || format!("after {moment} s: {}", self.show(order));
        let bought = self.book("purchases");
        let paid = bought.iter().filter(|p| !p["paidAt"].is_null()).count();
        assert!(paid <= 1, "paid {paid} times; {}", shown());
        let keys: BTreeSet<String> = bought.iter().map(|p| p["key"].to_string()).collect();
        assert!(keys.len() <= 1, "{keys:?}; {}", shown());
        // Nobody says a word here, so that a second key is only for what surely did nothing at every send.
        let trade = self.engine.plan(order).unwrap().0;
        if trade.attempts(Slot::Purchase) > 1 {
            let said = self.timeline(order);
            assert!(!said.iter().any(|line| line.contains("unknown")), "a second key; {}", shown());
            let claimed = said.iter().filter(|line| line.contains(" claim purchase ")).count();
            let not_sent = said.iter().filter(|line| line.contains(" not_sent ")).count();
            assert!(claimed - not_sent <= 1, "a second key; {}", shown());
        }
        let is_unknown = trade.purchase.as_ref().is_some_and(|purchase| purchase.claim.is_unknown());
        let is_paid = trade.purchase.is_some_and(|purchase| purchase.is_paid());
        // What is still being tried in the first hour is not yet anybody's trouble.
        if is_unknown || (moment > MOMENTS[1] && !is_paid && trade.sale.is_none()) {
            self.assert_at_risk(order, &format!("after {moment} s"));
        }
    }

    fn assert_at_risk(&self, order: &OrderId, what: &str) {
        let queue = self.engine.store.read(|c| store::queue::list(c, None, 10, self.now())).unwrap();
        let row = queue.iter().find(|row| row.order.id == *order);
        let row = row.unwrap_or_else(|| panic!("{what}: not in the queue; {}", self.show(order)));
        assert!(!row.at_risk.is_empty(), "{what}: nothing at risk; {}", self.show(order));
    }
}

/// Whether some send's outcome was ever unknown. What was proven not to be sent may be sent at any time.
fn was_unknown(world: &World, order: &OrderId) -> bool {
    world.timeline(order).iter().any(|line| line.contains("unknown"))
}

/// One order through one fault, watched for 25 hours.
fn run(case: &Case) -> Ran {
    let world = World::penniless_with(Policy { is_auto_pay: case.is_auto_pay, ..policy() });
    if let Some(left) = case.place.login_left {
        world.wind(world.login_life() - minutes(left));
    }
    // The last piece, where that decides; else there is enough to buy twice.
    world.product(json!({ "stock": if case.variant.is_stock_first { 1 } else { 50 } }));
    world.fault_with(case.fault());
    let start = world.now();
    let order = world.take(&world.report("1001"));
    let mut sent_in_time = 0;
    for moment in MOMENTS {
        world.work_until(start + SignedDuration::from_secs(moment), moment <= BUSY);
        world.judge_moment(&order, moment);
        let sent = world.tap.count("aliexpress.create");
        if moment <= WINDOW {
            sent_in_time = sent;
        } else if sent_in_time > 0 && was_unknown(&world, &order) {
            assert_eq!(sent, sent_in_time, "sent again after the window: {}", world.show(&order));
        }
        world.pay_what_the_queue_shows(&order);
    }
    world.judge_books("at the end");
    let waits_for = world.waits_for(&order);
    let paid = world.book("purchases").iter().filter(|p| !p["paidAt"].is_null()).count();
    Ran {
        purchases_sent: world.tap.count("aliexpress.create"),
        refreshed: world.tap.count("aliexpress.token"),
        spoilt: world.tap.count(case.place.call),
        end: format!("{} {} paid {paid}", world.stage(&order), waits_for.split(':').next().unwrap_or("")),
    }
}

/// The runs of one reply at one place: the first stands for all that cannot differ from it.
fn every_variant(first: Case, counted: &AtomicUsize) -> Vec<String> {
    let complaints = RefCell::new(Vec::new());
    let ask = |case: Case| -> Ran {
        counted.fetch_add(1, Ordering::Relaxed);
        let ran = catch_unwind(AssertUnwindSafe(|| under(case.variant.switches(), || run(&case))));
        ran.unwrap_or_else(|_| {
            complaints.borrow_mut().push(format!("{case:?}"));
            Ran::default()
        })
    };
    let base = ask(first);
    // A fault that spoils every call is the same as one that spoils the first, where there was no second.
    let mut firsts = vec![(first, base.clone())];
    if base.spoilt > 1 && (is_full() || (LASTING.contains(&first.reply.0) && first.reply.1.is_none())) {
        let lasting = Case { is_lasting: true, ..first };
        if !is_ruled_out(&lasting) {
            firsts.push((lasting, ask(lasting)));
        }
    }
    for (first, base) in firsts {
        // What lasts is the whole run's under every reply, and under the variants that can differ.
        let is_whole = is_full() && !first.is_lasting;
        for variant in Variant::all() {
            let is_sent_again = base.purchases_sent > 1;
            let differs_by_key =
                (variant.repeat, variant.is_stock_first) != (first.variant.repeat, first.variant.is_stock_first);
            let differs_by_token = variant.rotates != first.variant.rotates;
            let is_other_shape = variant.list_shape != first.variant.list_shape;
            let is_looked_at = (differs_by_key && is_sent_again) || (differs_by_token && base.refreshed > 0);
            let is_same = !is_other_shape && !is_looked_at;
            if variant == first.variant || (!is_whole && (is_same || is_other_shape)) {
                continue;
            }
            let case = Case { variant, ..first };
            if is_ruled_out(&case) || (!is_full() && differs_by_token) {
                continue;
            }
            let ran = ask(case);
            if is_same && ran.end != base.end {
                complaints
                    .borrow_mut()
                    .push(format!("{case:?} ends in {:?}, and not in {:?} as it should", ran.end, base.end));
            }
        }
    }
    complaints.into_inner()
}

#[test]
fn f10_every_reply_at_every_call_under_every_variant() {
    let mut firsts = Vec::new();
    for (reply, place) in replies().into_iter().flat_map(|reply| PLACES.map(|place| (reply, place))) {
        for is_auto_pay in [false, true] {
            let list_shape = SHAPES[firsts.len() / 2 % SHAPES.len()];
            // Who pays and which token is good have nothing to do with each other.
            let rotates = is_auto_pay && place.login_left.is_some();
            let variant = if is_full() { USUAL } else { Variant { list_shape, rotates, ..USUAL } };
            firsts.push(Case { reply, place, is_auto_pay, is_lasting: false, variant });
        }
    }
    let counted = AtomicUsize::new(0);
    let begun = Instant::now();
    let complaints: Vec<String> =
        lanes::each(&firsts, |first| every_variant(*first, &counted)).into_iter().flatten().collect();
    let counted = counted.into_inner();
    println!("{counted} runs in {} s, {} complaints", begun.elapsed().as_secs(), complaints.len());
    if is_full() {
        let ruled_out = 2 * 2 * 2 * SHAPES.len();
        assert!(counted + ruled_out >= firsts.len() * Variant::all().len(), "the whole product");
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}
