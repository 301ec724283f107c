//! The test flows: what each value of their report is worth. For every value there is a test in which it is not OK and
//! names the row or the provider id behind it (L6), and a rehearsal touches nothing but its own stage (L4).

use crate::world::{World, jane, mug, policy, usd};
use jiff::SignedDuration;
use postsale::domain::ledger::Account;
use postsale::domain::money::{Currency, Money};
use postsale::domain::order::{Buyer, OrderId, Variant};
use postsale::domain::policy::{PaidBy, Policy, Purchasing, ReleaseEvent};
use postsale::engine::intake::Rejected;
use postsale::engine::trial::{TestOrder, Trial};
use postsale::rehearsal::compare::compare;
use postsale::rehearsal::flow::{FlowError, Flows};
use postsale::rehearsal::flow_report::{FlowReport, Setting, Values, flow_report, purchase_report};
use postsale::rehearsal::{Rehearsal, Script};
use postsale::store::evidence::{self, Evidence};
use postsale::store::products::Product;
use postsale::store::{self, Store};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::time::Duration;

pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

pub fn wanted(trial: Trial) -> TestOrder {
    TestOrder { trial, sku: Some("MUG".to_owned()), quantity: 1, price: None, buyer: jane(), reference: None }
}

pub fn test_order() -> TestOrder {
    wanted(Trial::WholeRoad)
}

pub fn take(world: &World, wanted: &TestOrder) -> OrderId {
    world.engine.take_test_order(wanted).unwrap().order
}

/// A test order, after ten minutes.
pub fn run(world: &World) -> OrderId {
    let order = take(world, &test_order());
    world.run_for(minutes(10));
    order
}

pub fn setting() -> Setting {
    Setting::built_in(false)
}

pub fn report_of(world: &World, order: &OrderId) -> FlowReport {
    flow_report(&world.engine.store, order, &setting()).unwrap()
}

pub fn seen(world: &World, order: &OrderId) -> Evidence {
    world.engine.store.read(|c| evidence::load(c, order)).unwrap().unwrap()
}

/// The report as programs read it.
pub fn values_of(world: &World, order: &OrderId) -> Value {
    serde_json::to_value(report_of(world, order).report).unwrap()
}

/// The value begins with the word and tells each part of the evidence.
pub fn check(values: &Value, name: &str, word: &str, parts: &[&str]) {
    let value = values[name].as_str().unwrap_or_else(|| panic!("no {name} in {values:#}"));
    assert!(value.starts_with(&format!("{word} ")), "{name}: {value}");
    for part in parts {
        assert!(value.contains(part), "{name} does not tell {part}: {value}");
    }
}

pub fn as_json(values: &Values) -> Value {
    serde_json::to_value(values).unwrap()
}

fn script(policy: Policy, world: &World) -> Script {
    Script { shop: "shop".to_owned(), policy, start: world.now() }
}

/// Every row of every table, in words.
fn dump(store: &Store) -> Vec<String> {
    let connection = Connection::open_with_flags(store.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut statement = connection.prepare(tables).unwrap();
    let tables: Vec<String> = statement.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    let mut lines = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let fields = (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap()));
            lines.push(format!("{table} {}", fields.collect::<Vec<_>>().join(" | ")));
        }
    }
    lines
}

/// How often each call of the configured far sides was made.
pub fn calls(world: &World) -> String {
    let (_, body) = world.plug.control("GET", "/__control/calls", &Value::Null);
    String::from_utf8(body).unwrap()
}

pub fn control(world: &World, path: &str, body: Value) {
    let (status, answer) = world.plug.control("POST", &format!("/__control/{path}"), &body);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
}

/// Without this a fault of the schema's own would be found, and not by the report.
pub fn damage(world: &World, sql: &str) {
    let connection = Connection::open(world.engine.store.path()).unwrap();
    connection.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
}

// ---- the door ------------------------------------------------------------------------------------------------

#[test]
fn l14_everything_that_is_missing_is_named_and_nothing_is_made_up() {
    let world = World::new();
    let empty = Buyer::default();
    let rejected = world.engine.take_test_order(&TestOrder { buyer: empty, ..test_order() }).unwrap_err();
    let Rejected::Missing(missing) = &rejected else { panic!("{rejected}") };
    let all = [
        "buyer.name",
        "buyer.email",
        "buyer.phone",
        "shippingAddress.line1",
        "shippingAddress.city",
        "shippingAddress.province",
        "shippingAddress.postalCode",
        "shippingAddress.country",
    ];
    assert_eq!(missing, &all);
    let mut buyer = jane();
    buyer.phone = Some("  ".to_owned());
    buyer.email = None;
    let rejected = world.engine.take_test_order(&TestOrder { buyer, ..test_order() }).unwrap_err();
    assert_eq!(rejected.to_string(), "missing: [buyer.email, buyer.phone]");
    assert!(world.engine.store.read(store::trades::is_empty).unwrap());
}

#[test]
fn a7_the_price_of_a_test_is_at_most_the_products() {
    let world = World::new();
    let check = |price: Money, quantity: u32, expected: Result<&str, &str>| {
        let taken = world.engine.take_test_order(&TestOrder { price: Some(price), quantity, ..test_order() });
        match (taken, expected) {
            (Ok(taken), Ok(total)) => assert_eq!(seen(&world, &taken.order).order.total, usd(total), "{price}"),
            (Err(Rejected::Invalid { field, .. }), Err(expected)) => assert_eq!(field, expected, "{price}"),
            (taken, expected) => panic!("{price} x {quantity}: {taken:?}, expected {expected:?}"),
        }
    };
    check(usd("25.00"), 1, Ok("25.00"));
    check(usd("24.99"), 2, Ok("49.98"));
    check(usd("25.01"), 1, Err("price"));
    check(usd("0.00"), 1, Err("price"));
    check(Money::new(100, Currency::new("EUR").unwrap()), 1, Err("price"));
    check(usd("25.00"), 0, Err("quantity"));
    check(usd("25.00"), 1001, Err("quantity"));
}

#[test]
fn a_reference_makes_it_the_same_order_and_without_one_each_is_its_own() {
    let world = World::new();
    let named = TestOrder { reference: Some("run-1".to_owned()), ..test_order() };
    let first = world.engine.take_test_order(&named).unwrap();
    let again = world.engine.take_test_order(&named).unwrap();
    assert_eq!((first.order.clone(), first.is_new, again.is_new), (again.order, true, false));
    let other = TestOrder { quantity: 2, ..named.clone() };
    assert!(matches!(world.engine.take_test_order(&other), Err(Rejected::OtherContent(id)) if id == first.order));
    // A trial purchase under the same reference is another order.
    let bought = TestOrder { trial: Trial::PurchaseOnly, ..named };
    assert_ne!(world.engine.take_test_order(&bought).unwrap().order, first.order);
    assert_ne!(take(&world, &test_order()), take(&world, &test_order()));
}

#[test]
fn a_product_is_chosen_only_where_there_is_nothing_to_choose() {
    let world = World::new();
    let any = TestOrder { sku: None, ..test_order() };
    take(&world, &any);
    world.engine.put_product(&Product { sku: "CUP".to_owned(), ..mug() }).unwrap();
    let rejected = world.engine.take_test_order(&any).unwrap_err();
    assert!(matches!(rejected, Rejected::Invalid { field: "sku", .. }), "{rejected}");
    world.engine.put_product(&Product { is_active: false, ..mug() }).unwrap();
    take(&world, &any);
    let gone = TestOrder { sku: Some("GONE".to_owned()), ..test_order() };
    assert!(matches!(world.engine.take_test_order(&gone), Err(Rejected::UnknownProduct(_))));
    assert!(matches!(world.engine.take_test_order(&test_order()), Err(Rejected::InactiveProduct(_))));
    world.engine.stop("test").unwrap();
    assert!(matches!(world.engine.take_test_order(&any), Err(Rejected::Stopped)));
}

// ---- the whole road --------------------------------------------------------------------------------------------

#[test]
fn a_test_order_goes_the_whole_road_without_a_capture() {
    let world = World::new();
    let order = run(&world);
    let report = report_of(&world, &order);
    assert!(report.success, "{report:#?}\n{}", world.show(&order));
    assert_eq!(report.report.system_ready_for_real_money.to_string(), "BLOCKED sandbox");
    let evidence = seen(&world, &order);
    let values = as_json(&report.report);
    check(&values, "EXECUTE_PURCHASE", "OK", &[&evidence.supplier_orders[0].id]);
    for payout in &evidence.payouts {
        check(&values, "PAYOUT_TRIGGERED", "OK", &[payout.batch_id.as_deref().unwrap()]);
        check(&values, "PAYOUT_EXECUTED", "OK", &[payout.transaction_id.as_deref().unwrap()]);
    }
    assert_eq!(world.book("captures").len(), 0);
    assert!(!calls(&world).contains("paypal.capture"), "{}", calls(&world));
    assert!(!calls(&world).contains("paypal.create"), "{}", calls(&world));
    let comparison = compare(&world.engine.store, &world.plug.book()).unwrap();
    assert!(comparison.agrees(), "{comparison:#?}");
}

#[test]
fn b_a_tests_revenue_is_the_owners_equity_and_never_paypals_money() {
    let world = World::new();
    let order = run(&world);
    let currency = usd("1.00").currency;
    let balance = |account: Account| {
        world.engine.store.read(|c| store::ledger::balance(c, &account, currency)).unwrap().decimal()
    };
    assert_eq!(balance(Account::EquityTest), "25.00");
    assert_eq!(balance(Account::SalesRevenue), "-25.00");
    assert_eq!(balance(Account::BuyerDeposits), "0.00");
    assert_eq!(balance(Account::SupplierPrepaid), "0.00");
    assert_eq!(balance(Account::PaymentFees), "0.00");
    let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
    assert_eq!(sale.fee, usd("0.00"));
}

#[test]
fn a_test_can_be_repeated_and_cheaper_in_a_sandbox() {
    let world = World::new();
    let first = run(&world);
    let second = take(&world, &TestOrder { price: Some(usd("15.00")), ..test_order() });
    world.run_for(minutes(10));
    assert!(report_of(&world, &first).success && report_of(&world, &second).success, "{}", world.show(&second));
}

// ---- purchase only ---------------------------------------------------------------------------------------------

#[test]
fn a_trial_purchase_never_becomes_a_sale_or_a_payout() {
    let mut world = World::new();
    let order = take(&world, &wanted(Trial::PurchaseOnly));
    world.engine.run_due().unwrap();
    world.restart();
    world.run_for(minutes(10));
    world.restart();
    world.run_for(SignedDuration::from_hours(24 * 70));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    let evidence = seen(&world, &order);
    assert!(evidence.sale.is_none() && evidence.payouts.is_empty());
    assert_eq!((world.book("purchases").len(), world.book("payouts").len()), (1, 0));
    let values = values_of(&world, &order);
    check(&values, "EXECUTE_PURCHASE", "OK", &[&evidence.supplier_orders[0].id]);
    for name in ["SALE_CREATED", "NET_PROFIT_CALCULATED", "PAYOUT_TRIGGERED", "PAYOUT_EXECUTED"] {
        check(&values, name, "SKIPPED", &["purchase only", &order.0]);
    }
    // Its cost is the owner's, and it does not stand as laid out.
    let postings = world.engine.store.read(|c| store::ledger::of_order(c, &order)).unwrap();
    let moved: Vec<_> = postings.iter().map(|p| (p.debit.as_str(), p.credit.as_str(), p.amount)).collect();
    assert_eq!(moved, [("equity:test", "supplier:card", usd("8.40"))]);
    // And if the code were wrong, the schema would refuse.
    let connection = Connection::open(world.engine.store.path()).unwrap();
    let sql = format!(
        "INSERT INTO sales (order_id, recorded_at, currency, gross_minor, tax_minor, fee_minor, supplier_total_minor,
             commission_minor, profit_minor, paid_by, platform_leg_minor, seller_leg_minor)
         VALUES ('{order}', 0, 'USD', 2500, 0, 0, 840, 0, 1660, 'owner', 0, 0)"
    );
    let refused = connection.execute_batch(&sql).unwrap_err().to_string();
    assert!(refused.contains("a trial purchase never becomes a sale"), "{refused}");
}

#[test]
fn a_trial_purchase_tells_what_it_waits_for_and_what_went_wrong() {
    let world = World::with(Policy { is_auto_pay: false, paid_by: PaidBy::Seller, ..policy() });
    let order = take(&world, &wanted(Trial::PurchaseOnly));
    world.run_for(minutes(1));
    let told = || purchase_report(&world.engine.store, &order, &setting()).unwrap();
    let before = told();
    let id = before.aliexpress_order_id.clone().unwrap();
    assert!(!before.success && before.error.as_deref().unwrap().starts_with("PENDING placed, to be paid"));
    assert_eq!(before.final_status.as_deref(), Some("awaiting_supplier_payment"));
    control(&world, &format!("aliexpress/orders/{id}/pay"), json!({}));
    world.run_for(minutes(10));
    let after = told();
    assert!(after.success && after.error.is_none(), "{after:?}");
    assert_eq!(after.aliexpress_order_id, Some(id));
    let nobody = purchase_report(&world.engine.store, &OrderId("a".repeat(16)), &setting()).unwrap();
    assert!(!nobody.success && nobody.error.unwrap().starts_with("FAILED there is no order"));
}

// ---- simulated -------------------------------------------------------------------------------------------------

#[test]
fn l4_a_simulation_leaves_the_live_shop_as_it_was() {
    let world = World::new();
    run(&world);
    let path = world.engine.store.path().to_owned();
    let bytes = || ["", "-wal"].map(|end| std::fs::read(format!("{}{end}", path.display())).unwrap());
    let journal = || std::fs::read(world.data_dir().join("intents.log")).unwrap();
    let (rows, file, intents, asked) = (dump(&world.engine.store), bytes(), journal(), calls(&world));
    assert!(rows.len() > 100, "{}", rows.len());
    let run = Flows::new().enter().unwrap();
    let report = run.simulate(&world.engine.store, script(policy(), &world), &test_order()).unwrap();
    assert!(report.success && report.simulate, "{report:#?}");
    assert_eq!(report.report.system_ready_for_real_money.to_string(), "BLOCKED sandbox");
    assert_eq!(dump(&world.engine.store), rows);
    assert_eq!((bytes(), journal()), (file, intents));
    assert_eq!(calls(&world), asked);
    // The rehearsal's order is not in the live database (L5).
    let order = OrderId(report.order_id.clone());
    assert!(world.engine.store.read(|c| store::views::order(c, &order)).unwrap().is_none());
}

#[test]
fn a_simulation_goes_past_every_wait() {
    let world = World::new();
    let mut policy = Policy {
        purchasing: Purchasing::Manual,
        is_shadow: true,
        is_auto_pay: false,
        cancel_buffer: minutes(60),
        ..policy()
    };
    let payouts = policy.payouts.as_mut().unwrap();
    (payouts.after, payouts.hold_days) = (ReleaseEvent::Delivered, 14);
    let run = Flows::new().enter().unwrap();
    let report = run.simulate(&world.engine.store, script(policy, &world), &test_order()).unwrap();
    assert!(report.success, "{report:#?}");
    assert_eq!(report.fulfill_status.as_deref(), Some("closed"));
    check(&as_json(&report.report), "FULFILL_EXECUTED", "OK", &["approved by rehearsal"]);
    assert!(report.duration_ms < 30_000, "real time, not the stage's: {}", report.duration_ms);
}

#[test]
fn a_simulation_sells_whatever_the_shop_sells() {
    let world = World::new();
    let variant = Variant {
        product_id: "32850000001".to_owned(),
        sku_attr: "200007763:201336100".to_owned(),
        sku_id: "65000000001".to_owned(),
        service: Some("EPACKET".to_owned()),
    };
    world.engine.put_product(&Product { sku: "OLD".to_owned(), price: usd("4.00"), variant, ..mug() }).unwrap();
    let wanted = TestOrder { sku: Some("OLD".to_owned()), quantity: 3, ..test_order() };
    let run = Flows::new().enter().unwrap();
    let report = run.simulate(&world.engine.store, script(policy(), &world), &wanted).unwrap();
    assert!(report.success, "{report:#?}");
    check(&as_json(&report.report), "ORDER_CREATED", "OK", &["12.00 USD"]);
}

#[test]
fn l6_a_simulation_can_fail() {
    let world = World::new();
    let simulate = |policy: Policy, wanted: &TestOrder| {
        Flows::new().enter().unwrap().simulate(&world.engine.store, script(policy, &world), wanted)
    };
    // A guard of the shop's own policy stands in the rehearsal as it would for real.
    let mut strict = policy();
    strict.limits.purchase_max = usd("5.00");
    let report = simulate(strict, &test_order()).unwrap();
    check(&as_json(&report.report), "FULFILL_EXECUTED", "BLOCKED", &["purchase_max", &report.order_id]);
    assert!(!report.success && !report.execute_purchase);
    let payouts_off = simulate(Policy { payouts: None, ..policy() }, &test_order()).unwrap();
    check(&as_json(&payouts_off.report), "PAYOUT_EXECUTED", "SKIPPED", &["payouts off"]);
    let rejected = simulate(policy(), &TestOrder { price: Some(usd("26.00")), ..test_order() });
    assert!(matches!(rejected, Err(FlowError::Rejected(Rejected::Invalid { field: "price", .. }))), "{rejected:?}");
}

#[test]
fn one_run_at_a_time() {
    let flows = Flows::new();
    let run = flows.enter().unwrap();
    assert!(matches!(flows.enter(), Err(FlowError::Busy)));
    drop(run);
    flows.enter().unwrap();
}

// ---- real ------------------------------------------------------------------------------------------------------

/// A live shop with workers and a hurrying clock.
fn live(policy: Policy, world: &World) -> Rehearsal {
    let shop = Rehearsal::start(script(policy, world)).unwrap();
    shop.engine.put_product(&mug()).unwrap();
    shop
}

#[test]
fn a_real_run_waits_until_the_order_rests() {
    let shop = live(policy(), &World::new());
    let (flows, most) = (Flows::new(), Duration::from_secs(20));
    let run = flows.enter().unwrap();
    let report = run.run_real(&shop.engine, &test_order(), &setting(), most).unwrap();
    assert!(report.success && !report.simulate, "{report:#?}");
    let bought = run.run_purchase_only(&shop.engine, &wanted(Trial::PurchaseOnly), &setting(), most).unwrap();
    assert!(bought.success && bought.aliexpress_order_id.is_some(), "{bought:?}");
    let refused = run.run_real(&shop.engine, &TestOrder { quantity: 0, ..test_order() }, &setting(), most);
    assert!(matches!(refused, Err(FlowError::Rejected(Rejected::Invalid { field: "quantity", .. }))), "{refused:?}");
}

#[test]
fn a_real_run_that_waits_goes_on_by_itself() {
    let shop = live(Policy { is_auto_pay: false, ..policy() }, &World::new());
    let run = Flows::new().enter().unwrap();
    let most = Duration::from_secs(20);
    let report = run.run_real(&shop.engine, &test_order(), &setting(), most).unwrap();
    let order = OrderId(report.order_id.clone());
    let id = shop.engine.store.read(|c| evidence::load(c, &order)).unwrap().unwrap().supplier_orders[0].id.clone();
    check(&as_json(&report.report), "EXECUTE_PURCHASE", "PENDING", &["to be paid", &id]);
    shop.sandbox.control("POST", &format!("aliexpress/orders/{id}/pay"), &json!({})).unwrap();
    let closed = |c: &Connection| Ok(store::views::order(c, &order)?.and_then(|row| row.closed_at));
    shop.engine.wait_for(most, closed).unwrap().expect("it went on by itself");
    assert!(flow_report(&shop.engine.store, &order, &setting()).unwrap().success);
}
