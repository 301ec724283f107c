//! The integrity check on books that the engine itself wrote: a true road is proven, whatever happened on it.

use crate::world::{World, jane, policy, usd};
use jiff::SignedDuration;
use postsale::assure::integrity::{Answer, Question, check, last, run};
use postsale::assure::score::{Status, Verdict};
use postsale::domain::order::Buyer;
use postsale::domain::policy::{CommissionBase, PaidBy, Policy};
use postsale::engine::intake::Report;
use postsale::store;
use serde_json::json;

fn question(world: &World, is_deep: bool) -> Question<'static> {
    let ladder = world.policy.look_again.iter().copied().sum();
    Question { now: world.now(), build: "test", is_deep, ladder }
}

fn ask(world: &World) -> Answer {
    check(&world.engine.store, &question(world, true)).unwrap()
}

fn proven(world: &World, what: &str) -> Answer {
    let answer = ask(world);
    let objections: Vec<_> = answer.checks.iter().filter(|l| l.status != Status::Pass).collect();
    assert!(objections.is_empty(), "{what}: {objections:#?}");
    assert_eq!(answer.overall_financial_integrity_score, Some(100), "{what}");
    answer
}

fn report(world: &World, id: &str, says_settled: bool) -> Report {
    Report {
        channel: "etsy".to_owned(),
        channel_order_id: id.to_owned(),
        items: vec![("MUG".to_owned(), 1)],
        total: usd("25.00"),
        tax: Some(usd("1.50")),
        tax_remitted_by: None,
        fee: Some(usd("1.20")),
        outside_capture: None,
        // Another buyer each time: look-alikes wait for a human.
        buyer: Buyer { name: Some(format!("Jane {id}")), ..jane() },
        paid_at: world.now(),
        says_settled,
        may_vouch: true,
        content_hash: id.to_owned(),
    }
}

#[test]
fn l2_nothing_sold_is_not_proven_and_one_whole_road_is() {
    let world = World::new();
    assert_eq!(ask(&world).verdict(), Verdict::NotProven);
    let order = world.paid_order();
    // At every halt on the way, too, nothing is objected to.
    for _ in 0..40 {
        world.run_for(SignedDuration::from_secs(1));
        let answer = ask(&world);
        assert_ne!(answer.verdict(), Verdict::Violated, "{:#?}", answer.checks);
    }
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    let answer = proven(&world, "one road");
    assert_eq!(answer.verdict(), Verdict::Proven);
    assert_eq!(answer.money_at_risk, []);
    let stored = run(&world.engine.store, &question(&world, false)).unwrap();
    assert_eq!(last(&world.engine.store).unwrap(), Some(stored));
}

#[test]
fn every_policy_leaves_books_that_are_proven() {
    let with = |what: &str, change: fn(&mut Policy)| {
        let mut policy = policy();
        change(&mut policy);
        let world = World::with(policy);
        let own = world.paid_order();
        let held = world.engine.take_order(&report(&world, "held", false)).unwrap().order;
        let settled = world.engine.take_order(&report(&world, "settled", true)).unwrap().order;
        world.run_for(SignedDuration::from_mins(30));
        for order in [own, held, settled] {
            let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap();
            assert!(sale.is_some(), "{what}: {}", world.show(&order));
        }
        proven(&world, what);
    };
    with("as it is", |_| {});
    with("the seller pays the supplier", |p| p.paid_by = PaidBy::Seller);
    with("payouts are off", |p| p.payouts = None);
    with("the seller pays and payouts are off", |p| {
        p.paid_by = PaidBy::Seller;
        p.payouts = None;
    });
    with("net profit", |p| {
        if let Some(payouts) = &mut p.payouts {
            payouts.commission.base = CommissionBase::NetProfit;
        }
    });
}

#[test]
fn faults_on_the_road_leave_no_violation() {
    let check = |call: &str, reply: &str, when: &str| {
        let world = World::new();
        world.fault(call, reply, when, 1);
        let order = world.paid_order();
        for _ in 0..6 {
            world.run_for(SignedDuration::from_hours(1));
            let answer = ask(&world);
            let objections: Vec<_> = answer.checks.iter().filter(|l| l.status == Status::Fail).collect();
            assert!(objections.is_empty(), "{call} {reply} {when}: {objections:#?}\n{}", world.show(&order));
        }
    };
    for call in ["paypal.capture", "paypal.payout", "aliexpress.create"] {
        for when in ["before_commit", "after_commit"] {
            check(call, "timeout", when);
            check(call, "reset", when);
        }
    }
}

#[test]
fn a_payee_changed_afterwards_is_no_violation() {
    let world = World::new();
    world.paid_order();
    world.run_for(SignedDuration::from_mins(10));
    world.engine.confirm_payee(postsale::domain::claim::Recipient::Seller, "other@seller.test", "test").unwrap();
    proven(&world, "another payee");
}

#[test]
fn an_order_that_waits_for_a_human_is_money_at_risk() {
    let world = World::new();
    world.fault_with(json!({ "call": "aliexpress.create", "reply": "timeout", "when": "after_commit", "times": 9 }));
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(1));
    let answer = ask(&world);
    let risks: Vec<_> = answer.money_at_risk.iter().map(|r| (r.reason.as_str(), r.count)).collect();
    assert_eq!(risks, [("purchase_unknown", 1)], "{}", world.show(&order));
    // Past the ladder it is a violation with a ceiling. Nothing was sold, so there is no number.
    world.run_for(SignedDuration::from_hours(24 * 7));
    let answer = ask(&world);
    assert_eq!((answer.verdict(), answer.overall_financial_integrity_score), (Verdict::Violated, None));
    let failed: Vec<_> = answer.checks.iter().filter(|l| l.status == Status::Fail).map(|l| l.id.as_str()).collect();
    assert_eq!(failed, ["no_outcome_is_unknown_for_long"]);
}
