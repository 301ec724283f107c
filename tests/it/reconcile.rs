//! The books beside the far sides' own statements: nothing is found on a clean day, every planted difference is found
//! once its time has come, and none before.

use crate::by_hand::{code, once};
use crate::refunds::{agrees, back, refund};
use crate::world::{World, policy, usd};
use jiff::{SignedDuration, Timestamp};
use postsale::assure::reconcile::{self, Answer, Outcome};
use postsale::domain::money::Money;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{Limits, Policy};
use postsale::domain::settlement::SupplierRefund;
use postsale::gateway::paypal::{PayPal, RefundRequest, refund_body};
use postsale::secret::Secret;
use postsale::store;
use serde_json::{Value, json};
use std::sync::Arc;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Caps that a busy day does not reach.
fn busy() -> Policy {
    let limits = Limits {
        orders_per_day: 100_000,
        spend_per_day: usd("1000000.00"),
        payouts_per_day: 100_000,
        pay_out_per_day: usd("1000000.00"),
        refunds_per_day: 100_000,
        ..policy().limits
    };
    Policy { limits, ..policy() }
}

/// Reads the statements now and answers what stands then.
fn reconcile(world: &World) -> Answer {
    reconcile::run(&world.engine).unwrap().unwrap();
    reconcile::answer(&world.engine.store, false).unwrap()
}

/// Kind and reference of everything that stands.
fn standing(answer: &Answer) -> Vec<(String, String)> {
    let mut found: Vec<_> = answer.findings.iter().map(|f| (f.kind.clone(), f.reference.clone())).collect();
    found.sort();
    found
}

fn kinds(answer: &Answer) -> Vec<&str> {
    let mut kinds: Vec<&str> = answer.findings.iter().map(|f| f.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds
}

fn plant(world: &World, wish: Value) -> String {
    let (status, body) = world.plug.control("POST", "/__control/paypal/statement", &wish);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice::<Value>(&body).unwrap()["id"].as_str().unwrap().to_owned()
}

/// The id of the far side's only row of a kind.
fn only(world: &World, kind: &str, field: &str) -> String {
    let rows = world.book(kind);
    let row = rows.first().unwrap_or_else(|| panic!("no {kind}"));
    row[field].as_str().unwrap_or_else(|| panic!("no {field} in {row}")).to_owned()
}

/// PayPal as somebody else with the same account uses it: the seller on PayPal's own site.
fn site(world: &World) -> PayPal {
    let granted = world.plug.sides().credentials(world.now().as_millisecond());
    let wire = Arc::clone(&world.plug) as Arc<dyn postsale::gateway::wire::Wire>;
    let secret = Secret::new(granted.paypal_client_secret);
    PayPal::new(wire, granted.paypal_base_url, granted.paypal_client_id, secret)
}

fn refund_on_the_site(world: &World, capture: &str, amount: &str) -> String {
    let request = RefundRequest {
        amount: usd(amount),
        invoice_id: format!("site-{capture}"),
        custom_id: "by-hand".to_owned(),
        note: None,
    };
    let body = refund_body(&request).unwrap();
    site(world).refund(world.now(), capture, &format!("site-{capture}"), &body).unwrap().id
}

/// One order down the whole road, and the report's lag behind it.
fn whole_road(lag_h: i64) -> (World, OrderId) {
    let world = World::with(busy());
    world.switch("reporting_lag_s", json!(lag_h * 3600));
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&order));
    (world, order)
}

#[test]
fn a_clean_order_leaves_no_finding_and_moves_the_known_through() {
    let (world, _) = whole_road(0);
    let answer = reconcile(&world);
    assert_eq!(standing(&answer), []);
    assert_eq!(answer.known_through.paypal.map(|t| t.as_second()), Some(world.now().as_second()));
    assert!(answer.known_through.aliexpress.is_some());
    let wanted = ["paypal", "aliexpress"];
    assert_eq!(answer.outcome(&wanted, world.now(), HOUR), Outcome::Good);
    let stale = answer.outcome(&wanted, world.now() + HOUR * 3, HOUR);
    assert!(matches!(stale, Outcome::CouldNotTell(_)), "{stale:?}");
    // PayPal says what our books say, and of when.
    assert_eq!(answer.balances[0].available, answer.balances[0].books);
    world.wind(HOUR * 10);
    assert_eq!(standing(&reconcile(&world)), []);
}

/// What one planted difference comes to: nothing before `due`, exactly `expected` at it, and nothing once it is undone.
fn check(lag_h: i64, wish: impl Fn(&World, &OrderId) -> String, early: &[&str], expected: &[&str]) {
    let (world, order) = whole_road(lag_h);
    let about = wish(&world, &order);
    let at = |hours: i64, world: &World, start: Timestamp| {
        let target = start + HOUR * i32::try_from(hours).unwrap();
        world.wind(target.duration_since(world.now()));
        reconcile(world)
    };
    let start = world.now();
    // The report does not know yet what happened just now.
    if lag_h > 0 {
        assert_eq!(kinds(&at(0, &world, start)), Vec::<&str>::new(), "too early");
        let answer = at(lag_h - 1, &world, start);
        assert_eq!(kinds(&answer), Vec::<&str>::new(), "too early");
    }
    let answer = at(lag_h, &world, start);
    assert_eq!(kinds(&answer), early, "as soon as the report knows: {:?}", answer.findings);
    let answer = at(lag_h + 4, &world, start);
    assert_eq!(kinds(&answer), expected, "once its time has come: {:?}", answer.findings);
    assert!(answer.findings.iter().any(|f| f.reference == about), "{about}: {:?}", answer.findings);
    assert_eq!(answer.outcome(&["paypal"], world.now(), HOUR), Outcome::Findings(expected.len()));
    let first = &answer.findings[0];
    let again = reconcile(&world);
    assert_eq!(again.findings[0].id, first.id, "found again, and not a second time");
}

#[test]
fn a_row_that_is_missing_is_found_after_the_lag_and_not_before() {
    // The balance says at once that the rows do not add up; which one is missing is said when it cannot come any more.
    let hidden = |w: &World, _: &OrderId| plant(w, json!({ "hide": only(w, "captures", "id") }));
    check(3, hidden, &["balance_differs"], &["balance_differs", "missing_there"]);
    let hidden = |w: &World, _: &OrderId| plant(w, json!({ "hide": only(w, "payouts", "transactionId") }));
    check(0, hidden, &["balance_differs"], &["balance_differs", "missing_there"]);
}

#[test]
fn a_changed_amount_fee_or_currency_is_found() {
    let capture = |w: &World, change: Value| {
        let mut wish = change;
        wish["change"] = json!(only(w, "captures", "id"));
        plant(w, wish)
    };
    check(3, |w, _| capture(w, json!({"amount": "24.99"})), &["amount_differs"], &["amount_differs"]);
    check(3, |w, _| capture(w, json!({"fee": "-1.99"})), &["fee_differs"], &["fee_differs"]);
    let both = ["currency_differs", "fee_differs"];
    check(0, |w, _| capture(w, json!({"currency": "EUR"})), &both, &both);
    let payout = |w: &World, change: Value| {
        let mut wish = change;
        wish["change"] = json!(only(w, "payouts", "transactionId"));
        plant(w, wish)
    };
    check(0, |w, _| payout(w, json!({"amount": "-99.00"})), &["amount_differs"], &["amount_differs"]);
    check(0, |w, _| payout(w, json!({"fee": "-0.77"})), &["fee_differs"], &["fee_differs"]);
}

#[test]
fn movements_of_another_hand_are_found_as_soon_as_the_report_knows() {
    let row = |code: &'static str, amount: &'static str, kind: &'static str| {
        let planted = move |w: &World, _: &OrderId| plant(w, json!({"code": code, "amount": amount}));
        check(3, planted, &[kind], &[kind]);
    };
    row("T0000", "50.00", "foreign_inflow");
    row("T0006", "25.00", "foreign_inflow");
    row("T0000", "-20.00", "foreign_outflow");
    row("T0400", "-100.00", "withdrawal");
    row("T0200", "-5.00", "conversion");
    row("T0106", "-20.00", "foreign_fee");
}

#[test]
fn a_refund_a_reversal_and_a_chargeback_of_another_hand_name_the_order() {
    let refund = |w: &World, _: &OrderId| refund_on_the_site(w, &only(w, "captures", "id"), "5.00");
    check(3, refund, &["foreign_refund"], &["foreign_refund"]);
    for (code, kind) in [("T1106", "reversal"), ("T1201", "chargeback")] {
        let (world, order) = whole_road(0);
        let capture = only(&world, "captures", "id");
        plant(&world, json!({"code": code, "amount": "-25.00", "reference": capture}));
        let answer = reconcile(&world);
        assert_eq!(kinds(&answer), [kind]);
        assert_eq!(answer.findings[0].order_id.as_ref(), Some(&order.0));
        assert!(world.timeline(&order).iter().any(|line| line.contains("finding")), "{}", world.show(&order));
    }
}

#[test]
fn a_transaction_id_that_stands_twice_and_money_kept_back_are_found() {
    let twice = |w: &World, _: &OrderId| plant(w, json!({ "double": only(w, "captures", "id") }));
    check(3, twice, &["balance_differs", "duplicate_id"], &["balance_differs", "duplicate_id"]);
    let withheld = |w: &World, _: &OrderId| {
        w.switch("reporting_withheld", json!("7.50"));
        "USD".to_owned()
    };
    check(0, withheld, &["withheld"], &["withheld"]);
}

#[test]
fn a_payout_paid_a_second_time_is_found_by_its_key() {
    let (world, order) = whole_road(0);
    let payout = world.book("payouts")[0].clone();
    let custom = payout["key"].as_str().unwrap();
    let amount = format!("-{}", payout["amount"].as_str().unwrap());
    plant(&world, json!({"code": "T0001", "amount": amount, "custom": custom}));
    let answer = reconcile(&world);
    assert_eq!(kinds(&answer), ["twice"]);
    assert_eq!(answer.findings[0].order_id.as_ref(), Some(&order.0));
    // The same for a second capture of one checkout.
    plant(&world, json!({"code": "T0006", "amount": "25.00", "custom": order.0}));
    assert_eq!(kinds(&reconcile(&world)), ["twice", "twice"]);
}

#[test]
fn a_payout_that_comes_back_later_is_found() {
    let (world, order) = whole_road(3);
    world.wind(HOUR * 30);
    assert_eq!(standing(&reconcile(&world)), []);
    let payout = world.book("payouts")[0].clone();
    let batch = payout["batchId"].as_str().unwrap_or_else(|| panic!("{payout}"));
    let path = format!("/__control/paypal/payouts/{batch}");
    assert_eq!(world.plug.control("POST", &path, &json!({"item": "RETURNED"})).0, 200);
    assert_eq!(standing(&reconcile(&world)), [], "the report does not know it yet");
    world.wind(HOUR * 3);
    let answer = reconcile(&world);
    assert_eq!(kinds(&answer), ["payout_returned"]);
    assert_eq!(answer.findings[0].order_id.as_ref(), Some(&order.0));
}

#[test]
fn a13_a_payment_of_a_stored_checkout_is_asked_about_and_becomes_an_order() {
    let world = World::with(busy());
    let order = world.checkout();
    let paypal_order = world.paypal_order(&order);
    // PayPal cannot be asked for hours, and the checkout is given up; meanwhile it was paid, and not by our call.
    world.fault("paypal.order", "status_500", "before_commit", 1_000);
    let approve = format!("/__control/paypal/orders/{paypal_order}/approve");
    assert_eq!(world.plug.control("POST", &approve, &json!({})).0, 200);
    world.wind(SignedDuration::from_secs(1));
    site(&world).capture(world.now(), &paypal_order, "by-another-hand", b"{}").unwrap();
    world.run_for(HOUR * 24);
    assert_eq!((world.stage(&order).as_str(), world.book("purchases").len()), ("closed", 0), "{}", world.show(&order));
    assert_eq!(world.plug.control("DELETE", "/__control/faults", &json!({})).0, 200);
    let answer = reconcile(&world);
    assert_eq!(standing(&answer), [], "it is asked about first");
    world.run_for(SignedDuration::from_mins(10));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
    world.wind(HOUR * 5);
    assert_eq!(standing(&reconcile(&world)), []);
}

#[test]
fn a_payment_whose_checkout_paypal_has_forgotten_stays_a_finding() {
    let world = World::with(busy());
    let order = world.checkout();
    world.run_for(HOUR * 24);
    let id = plant(&world, json!({"code": "T0006", "amount": "25.00", "custom": order.0}));
    assert_eq!(standing(&reconcile(&world)), []);
    world.run_for(SignedDuration::from_mins(10));
    world.wind(HOUR);
    let answer = reconcile(&world);
    assert_eq!(standing(&answer), [("missing_here".to_owned(), id)]);
    assert_eq!(answer.findings[0].order_id.as_ref(), Some(&order.0));
    assert!(world.book("purchases").is_empty());
}

#[test]
fn a_finding_is_resolved_when_it_is_gone_and_stays_on_record() {
    let (world, _) = whole_road(0);
    let withheld = |amount: &str| world.switch("reporting_withheld", json!(amount));
    withheld("7.50");
    assert_eq!(kinds(&reconcile(&world)), ["withheld"]);
    withheld("0.00");
    world.wind(HOUR);
    assert_eq!(standing(&reconcile(&world)), []);
    let all = reconcile::answer(&world.engine.store, true).unwrap();
    assert_eq!(all.findings.len(), 1);
    assert!(all.findings[0].resolved_at.is_some());
    withheld("7.50");
    world.wind(HOUR);
    let again = reconcile(&world);
    assert_ne!(again.findings[0].id, all.findings[0].id, "a new one, beside the old");
}

#[test]
fn a_statement_that_cannot_be_had_is_said_and_nothing_is_found_missing() {
    let (world, _) = whole_road(0);
    world.switch("reporting_enabled", json!(false));
    // A permission that is missing is a state, and no failure of the job.
    let answer = reconcile(&world);
    assert_eq!((answer.feeds[0].state.as_str(), answer.known_through.paypal), ("no_permission", None));
    assert!(matches!(answer.outcome(&["paypal"], world.now(), HOUR), Outcome::CouldNotTell(_)));
    world.switch("reporting_enabled", json!(true));
    let answer = reconcile(&world);
    let through = answer.known_through.paypal;
    assert!(through.is_some() && answer.feeds[0].state == "ok");
    world.fault("paypal.transactions", "status_500", "before_commit", 1);
    world.wind(HOUR * 9);
    assert!(reconcile::run(&world.engine).unwrap().is_err());
    let answer = reconcile::answer(&world.engine.store, false).unwrap();
    assert_eq!(answer.feeds[0].state, "failing");
    assert_eq!(answer.known_through.paypal, through, "what is known stays known");
    assert_eq!(standing(&answer), []);
}

#[test]
fn a_long_silence_is_read_in_windows_and_a_long_list_in_pages() {
    let (world, _) = whole_road(0);
    for n in 0..1_203 {
        world.wind(SignedDuration::from_millis(10));
        plant(&world, json!({"code": "T0000", "amount": format!("{n}.01")}));
    }
    // Three windows later.
    world.wind(HOUR * 24 * 80);
    plant(&world, json!({"code": "T0400", "amount": "-1.00"}));
    world.wind(SignedDuration::from_secs(1));
    // By then nobody has logged in at AliExpress, which the job says.
    let said = reconcile::run(&world.engine).unwrap().unwrap_err();
    assert!(said.contains("no login"), "{said}");
    let answer = reconcile::answer(&world.engine.store, false).unwrap();
    assert_eq!(answer.findings.iter().filter(|f| f.kind == "foreign_inflow").count(), 1_203);
    assert_eq!(answer.findings.iter().filter(|f| f.kind == "withdrawal").count(), 1);
    assert_eq!(answer.findings.len(), 1_204);
}

#[test]
fn a_row_that_changes_days_later_is_seen_by_the_daily_reading_of_a_month() {
    let (world, _) = whole_road(0);
    assert_eq!(standing(&reconcile(&world)), []);
    for _ in 0..10 {
        world.wind(HOUR * 24);
        reconcile(&world);
    }
    plant(&world, json!({"change": only(&world, "payouts", "transactionId"), "fee": "-0.99"}));
    world.wind(HOUR);
    assert_eq!(kinds(&reconcile(&world)), ["balance_differs"], "the three days read again every hour are over");
    world.wind(HOUR * 24);
    assert_eq!(kinds(&reconcile(&world)), ["fee_differs"]);
}

/// PayPal tells times in seconds: what moved in the second of a reading is in the balance, and must be in its rows.
#[test]
fn a_movement_in_the_second_of_a_reading_is_no_finding() {
    let world = World::with(busy());
    world.switch("reporting_lag_s", json!(0));
    assert_eq!(standing(&reconcile(&world)), []);
    world.wind(HOUR + SignedDuration::from_millis(300));
    let order = world.paid_order();
    world.engine.run_due().unwrap();
    assert_eq!(world.book("captures").len(), 1, "{}", world.show(&order));
    world.wind(SignedDuration::from_millis(200));
    assert_eq!(standing(&reconcile(&world)), []);
}

#[test]
fn a_supplier_that_does_not_answer_proves_nothing() {
    let (world, _) = whole_road(0);
    world.fault("aliexpress.get", "code15", "before_commit", 100);
    assert!(reconcile::run(&world.engine).unwrap().is_err());
    let answer = reconcile::answer(&world.engine.store, false).unwrap();
    assert_eq!(standing(&answer), []);
    let feed = answer.feeds.iter().find(|feed| feed.provider == "aliexpress").unwrap();
    assert!(feed.state == "failing" && feed.detail.contains("supplier order"), "{feed:?}");
    assert!(feed.known_through < answer.known_through.paypal, "it is known only to when it was placed: {feed:?}");
    assert!(matches!(answer.outcome(&["aliexpress"], world.now(), HOUR), Outcome::CouldNotTell(_)));
}

#[test]
fn the_supplier_is_asked_about_every_order_and_believed_over_our_books() {
    let (world, order) = whole_road(0);
    let id = only(&world, "purchases", "id");
    let force = |wish: Value| {
        let path = format!("/__control/aliexpress/orders/{id}/status");
        let (status, body) = world.plug.control("POST", &path, &wish);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    };
    assert_eq!(standing(&reconcile(&world)), []);
    force(json!({"total": "11.11"}));
    world.wind(HOUR * 13);
    let answer = reconcile(&world);
    assert_eq!(standing(&answer), [("amount_differs".to_owned(), id.clone())]);
    assert_eq!(answer.findings[0].order_id.as_ref(), Some(&order.0));
    assert_eq!(answer.findings[0].provider, "aliexpress");
    force(json!({"status": "FINISH", "end_reason": "cancelled by the seller"}));
    world.wind(HOUR * 13);
    assert_eq!(kinds(&reconcile(&world)), ["supplier_ended"]);
    // A part of the money back is not the money back.
    let orders = world.engine.store.read(|c| store::purchases::live(c, &order)).unwrap().unwrap().supplier_orders;
    let (first, rest) = (usd("0.01"), orders[0].total.unwrap().minor - 1);
    for (amount, expected) in [(first, &["supplier_ended"][..]), (Money { minor: rest, ..first }, &[])] {
        let refund = SupplierRefund { supplier_order_id: id.clone(), reference: amount.to_string(), amount };
        let told = world.engine.supplier_refund_once(&once(&amount.to_string()), &order, &refund, "tester");
        assert_eq!(code(told), "now");
        assert_eq!(kinds(&reconcile(&world)), expected, "{amount} back");
    }
}

#[test]
fn integrity_fails_while_a_finding_stands_and_knows_how_far_it_was_compared() {
    let (world, _) = whole_road(0);
    let check = || {
        let ladder = SignedDuration::from_hours(122);
        let question = postsale::assure::integrity::Question { now: world.now(), build: "b", is_deep: false, ladder };
        postsale::assure::integrity::check(&world.engine.store, &question).unwrap()
    };
    assert_eq!(check().known_through.paypal, None, "never compared");
    reconcile(&world);
    let answer = check();
    assert!(answer.known_through.paypal.is_some() && answer.known_through.aliexpress.is_some());
    assert_eq!(answer.verdict, "PROVEN");
    let payout = world.book("payouts")[0].clone();
    let wish = json!({"code": "T0001", "amount": "-9.00", "custom": payout["key"]});
    plant(&world, wish);
    reconcile(&world);
    let answer = check();
    assert_eq!((answer.verdict.as_str(), answer.duplicate_payout_risk), ("VIOLATED", Some(true)));
    assert!(answer.overall_financial_integrity_score.is_some_and(|score| score <= 29));
}

fn capture_of(world: &World, order: &OrderId) -> String {
    let of = world.book("captures").into_iter().find(|capture| capture["customId"] == order.0.as_str());
    of.unwrap()["id"].as_str().unwrap().to_owned()
}

/// What becomes of the nth order of the day besides: a part or all of it is given back by our own step, a part on PayPal's
/// site, or the buyer disputes it and wins, or loses.
fn aftermath(world: &World, order: &OrderId, n: u32) {
    let capture = capture_of(world, order);
    let control = |path: &str, body: Value| {
        let (status, said) = world.plug.control("POST", &format!("/__control/paypal/{path}"), &body);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
        serde_json::from_slice::<Value>(&said).unwrap()
    };
    let back = |amount| {
        let key = format!("r{n}");
        assert_eq!(crate::refunds::refund(world, order, &key, &crate::refunds::back(amount)), "now");
    };
    match n % 20 {
        3 => back(Some("5.00")),
        8 if n % 40 == 8 => back(None),
        13 => {
            let dispute = control(&format!("captures/{capture}/dispute"), json!({}));
            world.run_for(SignedDuration::from_mins(1));
            world.engine.poll_disputes().unwrap();
            world.run_for(SignedDuration::from_mins(1));
            assert_eq!(world.stage(order), "held", "{}", world.show(order));
            let outcome = if n % 40 == 13 { "RESOLVED_BUYER_FAVOUR" } else { "RESOLVED_SELLER_FAVOUR" };
            let wish = json!({"status": "RESOLVED", "outcome": outcome});
            control(&format!("disputes/{}", dispute["id"].as_str().unwrap()), wish);
            world.engine.poll_disputes().unwrap();
            world.run_for(SignedDuration::from_mins(1));
            world.engine.release(order, "tester").unwrap();
        }
        18 => {
            control(&format!("captures/{capture}/refund"), json!({ "amount": "2.50" }));
            world.engine.paypal_rang(order).unwrap();
        }
        _ => return,
    }
    world.run_for(SignedDuration::from_mins(2));
}

/// Two hundred orders, a payout in ten unclaimed, a tenth given back or disputed; then refunds, a chargeback and payments by
/// hand made at PayPal itself.
#[test]
fn a_days_traffic_is_reconciled_row_by_row() {
    let world = World::with(busy());
    world.switch("reporting_lag_s", json!(3 * 3600));
    let stock = json!({ "stock": 1000 });
    assert_eq!(world.plug.control("POST", "/__control/aliexpress/products/1005001234567890", &stock).0, 200);
    let mut orders = Vec::new();
    for n in 0..200 {
        let outcome = if n % 10 == 9 { "UNCLAIMED" } else { "SUCCESS" };
        world.switch("payout_outcome", json!(outcome));
        orders.push(world.paid_order_of(n));
        world.run_for(SignedDuration::from_mins(3));
        aftermath(&world, &orders[n as usize], n);
        if n % 50 == 49 {
            assert_eq!(standing(&reconcile(&world)), [], "in the middle of the day");
        }
    }
    assert_eq!(world.book("captures").len(), 200);
    assert_eq!(world.book("purchases").len(), 200, "{}", world.show(&orders[199]));
    // What a recipient owed was netted, and of such a leg little or nothing was paid out.
    let netted = world.engine.store.read(|c| {
        let sql = "SELECT count(*) FROM events WHERE kind = 'settled_by_setoff'";
        Ok::<i64, store::StoreError>(c.query_row(sql, [], |row| row.get(0))?)
    });
    let paid_out = 400 - usize::try_from(netted.unwrap()).unwrap();
    assert_eq!(world.book("payouts").len(), paid_out);
    assert!((300..400).contains(&paid_out), "{paid_out}");
    // A clean day: nothing before its time, nothing after it.
    for _ in 0..3 {
        assert_eq!(standing(&reconcile(&world)), []);
        world.wind(HOUR * 2);
    }
    assert_eq!(standing(&reconcile(&world)), []);
    let rows = world.engine.store.read(|c| store::feeds::statement(c, "paypal")).unwrap().unwrap().rows;
    let count = |code: &str| rows.iter().filter(|row| row.code == code).count();
    assert_eq!((count("T0006"), count("T0001")), (200, paid_out), "every capture and every payout has its row");
    assert_eq!((world.book("refunds").len(), count("T1107")), (25, 25), "and every refund, ours and the site's");
    assert_eq!(
        (count("T1110"), count("T1111"), count("T0106")),
        (10, 5, 5),
        "and what disputes held, gave back and cost"
    );
    assert_eq!(world.balance("paypal:available") - 100_000, world.paypal_earned(), "and nothing else moved");
    let when = store::checks::When { now: world.now(), ladder: world.policy.ladder(), is_deep: true };
    for check in store::checks::table() {
        let found = world.engine.store.read(|c| check.look(c, &when)).unwrap();
        assert!(found.is_empty(), "{}: {found:?}", check.id);
    }

    // In the order in which they were paid.
    let capture = |n: usize| capture_of(&world, &orders[n]);
    let payouts = world.book("payouts");
    let payout = |n: usize| payouts[n]["transactionId"].as_str().unwrap().to_owned();
    let mut expected = vec![
        ("foreign_refund", refund_on_the_site(&world, &capture(1), "25.00")),
        ("foreign_refund", refund_on_the_site(&world, &capture(4), "1.25")),
        ("chargeback", plant(&world, json!({"code": "T1201", "amount": "-25.00", "reference": capture(5)}))),
        ("foreign_fee", plant(&world, json!({"code": "T0106", "amount": "-20.00"}))),
        ("foreign_inflow", plant(&world, json!({"code": "T0000", "amount": "99.00"}))),
        ("foreign_outflow", plant(&world, json!({"code": "T0000", "amount": "-12.00"}))),
        ("withdrawal", plant(&world, json!({"code": "T0400", "amount": "-300.00"}))),
    ];
    world.wind(HOUR);
    assert_eq!(standing(&reconcile(&world)), [], "none before its time has come");
    // What the report said of the day before is said otherwise now.
    expected.extend([
        ("amount_differs", plant(&world, json!({"change": capture(10), "amount": "24.00"}))),
        ("fee_differs", plant(&world, json!({"change": payout(20), "fee": "-3.00"}))),
        ("missing_there", plant(&world, json!({"hide": capture(30)}))),
        ("missing_there", plant(&world, json!({"hide": payout(40)}))),
        ("duplicate_id", plant(&world, json!({"double": payout(50)}))),
        ("balance_differs", "USD".to_owned()),
    ]);
    world.wind(HOUR * 3);
    let mut expected: Vec<_> = expected.into_iter().map(|(kind, id)| (kind.to_owned(), id)).collect();
    expected.sort();
    assert_eq!(standing(&reconcile(&world)), expected);
}

#[test]
fn the_server_compares_and_the_command_and_the_route_tell_it() {
    use crate::assurance::{run, whole_road};
    let shop = crate::shop::Shop::shipped();
    let serving = shop.serve(None).unwrap();
    whole_road(&serving);
    let (code, printed) = run(&shop, &["reconcile", "--now"]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.starts_with("Nothing differs.\n"), "{printed}");
    assert_eq!(serving.ask_openly("GET", "/api/reconciliation", &[], &Value::Null).unwrap().0, 401);
    let ask = |query: &str| {
        let (status, body) = serving.ask("GET", &format!("/api/reconciliation{query}"), &[], &Value::Null).unwrap();
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (status, told) = ask("");
    assert_eq!((status, &told["findings"]), (200, &json!([])));
    assert!(told["knownThrough"]["paypal"].is_string() && told["knownThrough"]["aliexpress"].is_string(), "{told}");
    assert_eq!(ask("?resolved=2").0, 400);
    let withdrawn = json!({"code": "T0400", "amount": "-100.00"});
    serving.control("POST", "paypal/statement", &withdrawn).unwrap();
    assert_eq!(run(&shop, &["reconcile"]).0, 0, "what is stored does not know it yet");
    // The report is asked for in whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let (code, printed) = run(&shop, &["reconcile", "--now", "--json"]);
    assert_eq!(code, 2, "{printed}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&printed["findings"][0]["kind"], &printed["findings"][0]["amount"]),
        (&json!("withdrawal"), &json!("-100.00"))
    );
    assert_eq!(ask("").1["findings"], printed["findings"]);
    let check = "/api/debug/post-sale-integrity-check?deep=1";
    let (_, body) = serving.ask("GET", check, &[], &Value::Null).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["verdict"], &body["webhookBypassDetected"]), (&json!("VIOLATED"), &json!(true)), "{body}");
    // The owner says that it was he; then it is booked, and nothing differs any more.
    let id = printed["findings"][0]["id"].to_string();
    let book = format!("/api/reconciliation/{id}/book");
    assert_eq!(serving.ask_openly("POST", &book, &[], &json!({})).unwrap().0, 401);
    let (code, said) = run(&shop, &["reconcile", "--book", &id]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(run(&shop, &["reconcile", "--book", &id]).0, 2, "it does not stand any more");
    assert_eq!(serving.ask("POST", &book, &[], &json!({})).unwrap().0, 409);
    assert_eq!(serving.ask("POST", "/api/reconciliation/99/book", &[], &json!({})).unwrap().0, 404);
    assert_eq!(run(&shop, &["reconcile", "--now"]).0, 0);
    let (_, body) = serving.ask("GET", check, &[], &Value::Null).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["verdict"], "PROVEN", "{body}");
    let told = ask("").1;
    assert_eq!(told["balances"][0]["available"], told["balances"][0]["books"], "{told}");
    drop(serving);
    assert_eq!(run(&shop, &["reconcile"]).0, 0, "the rows are there without a server");
}

/// What an intake's id pays for is known by PayPal's own id of it, which the statement names without its provider.
#[test]
fn a_payment_that_a_channel_vouched_for_is_an_orders_own() {
    let (world, _) = whole_road(0);
    let capture = plant(&world, json!({"code": "T0006", "amount": "25.00", "fee": "-1.50"}));
    assert_eq!(kinds(&reconcile(&world)), ["foreign_inflow"]);
    let mut report = world.report("1001");
    report.outside_capture = Some(format!("paypal:{capture}"));
    (report.says_settled, report.may_vouch, report.buyer) = (true, true, crate::world::buyer(9));
    world.take(&report);
    let after = reconcile(&world);
    assert_eq!(standing(&after), [], "{after:?}");
}

/// A channel reports an order paid by a capture whose answer got lost: PayPal shows it as our own order's, too.
#[test]
fn a13_a_payment_that_a_channel_named_first_pays_no_second_order() {
    let world = World::with(busy());
    world.fault("paypal.capture", "timeout", "after_commit", 1);
    // The look before the capture is answered, those after it are not.
    world.fault_with(json!({ "call": "paypal.order", "reply": "status_503", "when": "before_commit", "skip": 1,
        "times": 20 }));
    let order = world.paid_order();
    world.run_for(SignedDuration::from_secs(30));
    let mut report = world.report("1001");
    report.outside_capture = Some(format!("paypal:{}", only(&world, "captures", "id")));
    report.buyer = crate::world::buyer(9);
    world.take(&report);
    world.run_for(HOUR * 24);
    let seen = world.waits_for(&order);
    assert!(
        seen.starts_with("capture_mismatch") && seen.contains("only one of them is paid"),
        "{}",
        world.show(&order)
    );
}

#[test]
fn only_the_owners_own_movements_can_be_booked_away() {
    let (world, _) = whole_road(0);
    let capture = only(&world, "captures", "id");
    plant(&world, json!({"code": "T1201", "amount": "-25.00", "reference": capture}));
    plant(&world, json!({"hide": only(&world, "payouts", "transactionId")}));
    let inflow = plant(&world, json!({"code": "T0000", "amount": "40.00", "fee": "-1.50"}));
    world.wind(HOUR * 4);
    let before = reconcile(&world);
    assert_eq!(kinds(&before), ["balance_differs", "chargeback", "foreign_inflow", "missing_there"]);
    let books = |answer: &Answer| usd(&answer.balances[0].books);
    for finding in &before.findings {
        let booked = world.engine.book_movement(finding.id, "owner");
        assert_eq!(booked.is_ok(), finding.reference == inflow, "{}", finding.kind);
    }
    let after = reconcile(&world);
    assert_eq!(kinds(&after), ["balance_differs", "chargeback", "missing_there"]);
    assert_eq!(books(&after).minus(books(&before)).unwrap(), usd("38.50"), "with what PayPal kept of it");
}

#[test]
fn without_a_server_nothing_is_asked_and_what_was_never_read_is_not_known() {
    use crate::assurance::run;
    let shop = crate::shop::Shop::shipped();
    assert_eq!(run(&shop, &["migrate"]).0, 0);
    let (code, printed) = run(&shop, &["reconcile"]);
    assert_eq!(code, 3, "{printed}");
    assert!(printed.contains("was never read"), "{printed}");
    assert_eq!(run(&shop, &["reconcile", "--now"]).0, 3);
}

/// PayPal gave a refund up that it had completed: the books say so, and nothing is asked of its statement any more.
#[test]
fn a_refund_that_was_given_up_leaves_no_finding() {
    let world = World::new();
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    let order = world.paid_order();
    world.run_for(SignedDuration::from_hours(2));
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.run_for(SignedDuration::from_hours(1));
    let id = world.book("refunds")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/__control/paypal/refunds/{id}");
    assert_eq!(world.plug.control("POST", &path, &json!({ "status": "FAILED" })).0, 200);
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(SignedDuration::from_hours(1));
    assert!(world.engine.release(&order, "t").unwrap());
    world.run_days(5);
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    agrees(&world);
}
