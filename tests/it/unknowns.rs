//! Every broken reply at every call on the way to the goods, under every behaviour of the supplier that is not
//! documented; then time passes. At each moment: the supplier was paid at most once, no second key went out after an
//! outcome that nobody knows, and an order that is not bought stands in the queue with the amount at risk.

use crate::money::minutes;
use crate::world::{World, policy};
use jiff::SignedDuration;
use postsale::domain::claim::Slot;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::sandbox::KINDS;
use postsale::store;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::panic::catch_unwind;

/// Switches of the supplier, each with its value.
type Variant = &'static [(&'static str, &'static str)];

/// What the supplier may be like.
const VARIANTS: [Variant; 6] = [
    &[],
    &[("repeat", r#""same""#), ("list_shape", r#""bare""#)],
    &[("repeat", r#""again""#), ("list_shape", r#""single""#)],
    &[("stock_before_key", "true"), ("list_shape", r#""naked""#)],
    &[("stock_before_key", "true"), ("repeat", r#""same""#), ("order_hidden_s", "90")],
    &[("rotate_refresh_token", "true"), ("repeat", r#""again""#), ("stock_before_key", "true")],
];

/// The moments at which it is looked: seconds after the order came in.
const MOMENTS: [i64; 5] = [10, 3_600, 19 * 3_600, 21 * 3_600, 25 * 3_600];

impl World {
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
    fn judge_moment(&self, order: &OrderId, what: &str) {
        let shown = || format!("{what}: {}", self.show(order));
        let bought = self.book("purchases");
        let paid = bought.iter().filter(|p| !p["paidAt"].is_null()).count();
        assert!(paid <= 1, "paid {paid} times; {}", shown());
        let keys: BTreeSet<String> = bought.iter().map(|p| p["key"].to_string()).collect();
        assert!(keys.len() <= 1, "{keys:?}; {}", shown());
        // Nobody says a word here, so that there is never a reason for a second key.
        let trade = self.engine.plan(order).unwrap().0;
        assert!(trade.attempts(Slot::Purchase) <= 1, "a second key; {}", shown());
        if trade.purchase.is_some_and(|purchase| purchase.claim.is_unknown()) {
            self.assert_at_risk(order, what);
        }
    }

    fn assert_at_risk(&self, order: &OrderId, what: &str) {
        let queue = self.engine.store.read(|c| store::queue::list(c, None, 10, self.now())).unwrap();
        let row = queue.iter().find(|row| row.order.id == *order);
        let row = row.unwrap_or_else(|| panic!("{what}: not in the queue; {}", self.show(order)));
        assert!(!row.at_risk.is_empty(), "{what}: nothing at risk; {}", self.show(order));
    }
}

/// One order through one fault, watched for 25 hours.
fn run(variant: Variant, fault: &Value, is_auto_pay: bool) {
    let what = format!("{fault} {variant:?} autopay {is_auto_pay}");
    let world = World::penniless_with(Policy { is_auto_pay, ..policy() });
    for (name, value) in variant {
        world.switch(name, serde_json::from_str(value).unwrap());
    }
    if fault["call"] == "aliexpress.token" {
        world.wind(world.login_life() - minutes(20));
    }
    // The last piece, where that decides; else there is enough to buy twice.
    let is_last = variant.iter().any(|(name, _)| *name == "stock_before_key");
    world.product(json!({ "stock": if is_last { 1 } else { 50 } }));
    world.fault_with(fault.clone());
    let start = world.now();
    let order = world.take(&world.report("1001"));
    for moment in MOMENTS {
        let left = start + SignedDuration::from_secs(moment);
        world.run_for(left.duration_since(world.now()));
        world.judge_moment(&order, &format!("{what} after {moment} s"));
        world.pay_what_the_queue_shows(&order);
    }
    let trade = world.engine.plan(&order).unwrap().0;
    let is_paid = trade.purchase.as_ref().is_some_and(postsale::domain::purchase::Purchase::is_paid);
    if !is_paid && trade.sale.is_none() {
        world.assert_at_risk(&order, &what);
    }
    world.judge_books(&what);
}

/// All of them run before the first complaint, so that one failure does not hide others.
fn every(call: &str, replies: &[&str], whens: &[&str], times: u32, is_auto_pay: bool, variants: &[Variant]) {
    let mut complaints = Vec::new();
    for (reply, when) in replies.iter().flat_map(|reply| whens.iter().map(move |when| (reply, when))) {
        let fault = json!({ "call": call, "reply": reply, "when": when, "times": times });
        for variant in variants {
            if catch_unwind(|| run(variant, &fault, is_auto_pay)).is_err() {
                complaints.push(format!("{reply} {when} {variant:?}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{call} x{times} autopay {is_auto_pay}: {complaints:#?}");
}

const BOTH: [&str; 2] = ["before_commit", "after_commit"];
const BEFORE: [&str; 1] = ["before_commit"];
/// A trouble that does not pass, where one reply stands for its kind.
const LASTING: [&str; 5] = ["timeout", "status_503", "html_200", "code15", "other_id"];

#[test]
fn f10_every_reply_to_a_purchase_that_charges() {
    // What would charge is never sent twice, so that a supplier who takes repeats in another way is the same to it.
    every("aliexpress.create", KINDS, &BOTH, 1, true, &[VARIANTS[0], VARIANTS[3]]);
}

#[test]
fn f10_every_reply_to_a_purchase_paid_by_hand_under_every_variant() {
    every("aliexpress.create", KINDS, &BOTH, 1, false, &VARIANTS);
}

#[test]
fn f10_every_reply_to_a_purchase_and_to_its_resend() {
    every("aliexpress.create", KINDS, &BOTH, 2, false, &VARIANTS[2..4]);
}

#[test]
fn f10_every_reply_to_the_calls_that_look() {
    for call in ["aliexpress.get", "aliexpress.product", "aliexpress.freight"] {
        every(call, KINDS, &BEFORE, 1, false, &[VARIANTS[0], VARIANTS[4]]);
        every(call, &LASTING, &BEFORE, 1_000_000, false, &VARIANTS[..1]);
    }
}

#[test]
fn f10_every_reply_to_a_refresh() {
    every("aliexpress.token", KINDS, &BOTH, 1, false, &[VARIANTS[0], VARIANTS[5]]);
    every("aliexpress.token", &LASTING, &BEFORE, 1_000_000, false, &VARIANTS[..1]);
}
