//! The test flows: what each value of their report is worth. For every value there is a test in which it is not OK and
//! names the row or the provider id behind it (L6), and a rehearsal touches nothing but its own stage (L4).

use crate::world::{World, jane, mug, policy, usd};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{Policy, Purchasing, ReleaseEvent};
use postsale::engine::intake::Rejected;
use postsale::engine::trial::{TestOrder, Trial};
use postsale::rehearsal::Script;
use postsale::rehearsal::flow::{FlowError, Flows};
use postsale::rehearsal::flow_report::{FlowReport, Setting, Value, flow_report, purchase_report};
use postsale::store;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn wanted(trial: Trial) -> TestOrder {
    TestOrder { trial, sku: Some("MUG".to_owned()), quantity: 1, price: None, buyer: jane(), reference: None }
}

fn test_order() -> TestOrder {
    wanted(Trial::WholeRoad)
}

fn take(world: &World, wanted: &TestOrder) -> OrderId {
    world.engine.take_test_order(wanted).unwrap().order
}

fn report(world: &World, order: &OrderId) -> FlowReport {
    flow_report(&world.engine.store, order, &Setting::built_in(false)).unwrap()
}

fn script(policy: Policy, world: &World) -> Script {
    Script { shop: "shop".to_owned(), policy, start: world.now() }
}

#[test]
fn a_test_order_goes_the_whole_road() {
    let world = World::new();
    let order = take(&world, &test_order());
    world.run_for(minutes(10));
    let report = report(&world, &order);
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    assert!(report.success, "{report:#?}\n{}", world.show(&order));
}

#[test]
fn a_simulation_goes_the_whole_road() {
    let world = World::new();
    let flows = Flows::new();
    let report = flows.enter().unwrap().simulate(&world.engine.store, script(policy(), &world), &test_order()).unwrap();
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    assert!(report.success, "{report:#?}");
}
