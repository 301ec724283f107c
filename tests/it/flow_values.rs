//! Each value of a flow's report in a case in which it is not OK, with the row or the provider id that it has to name
//! (L6).

use crate::flows::{
    as_json, check, control, damage, minutes, report_of, run, seen, setting, take, test_order, values_of,
};
use crate::world::{World, mug, policy, usd};
use jiff::SignedDuration;
use postsale::domain::ledger::{Account, Entry};
use postsale::domain::order::{Mode, OrderId, Variant};
use postsale::domain::policy::{Policy, Purchasing, ReleaseEvent};
use postsale::engine::trial::TestOrder;
use postsale::rehearsal::compare::compare;
use postsale::rehearsal::flow_report::{Setting, judge};
use postsale::store;
use postsale::store::evidence::Evidence;
use postsale::store::products::Product;
use serde_json::json;

/// What the report has to tell, and the damage done to the evidence.
type Plant = (&'static str, fn(&mut Evidence));

#[test]
fn an_order_that_is_not_there_is_no_success() {
    let world = World::new();
    let nobody = OrderId("aaaaaaaaaaaaaaaa".to_owned());
    let report = report_of(&world, &nobody);
    assert!(!report.success && !report.order_created);
    let values = as_json(&report.report);
    check(&values, "ORDER_CREATED", "FAILED", &["aaaaaaaaaaaaaaaa"]);
    for (name, value) in values.as_object().unwrap() {
        assert!(!value.as_str().unwrap().starts_with("OK"), "{name}: {value}");
    }
    // A buyer's order is no test.
    let order = world.checkout();
    check(&values_of(&world, &order), "ORDER_CREATED", "FAILED", &["checkout", &order.0]);
}

#[test]
fn l27_a_variant_that_is_gone_blocks_the_fulfilment() {
    let world = World::new();
    let variant = Variant { sku_id: "12000099999999999".to_owned(), ..mug().variant };
    world.engine.put_product(&Product { variant, ..mug() }).unwrap();
    let order = take(&world, &test_order());
    world.engine.run_due().unwrap();
    let report = report_of(&world, &order);
    let values = as_json(&report.report);
    check(&values, "FULFILL_EXECUTED", "BLOCKED", &["no_offer", "12000099999999999", &order.0]);
    check(&values, "ATTEMPT_PURCHASE", "BLOCKED", &["12000099999999999"]);
    assert!(!report.success && !report.fulfill_executed && !report.attempt_purchase);
    assert_eq!(world.book("purchases").len(), 0);
}

#[test]
fn l28_a_guard_blocks_the_purchase() {
    let world = World::new();
    let order = take(&world, &TestOrder { price: Some(usd("9.00")), ..test_order() });
    world.engine.run_due().unwrap();
    let values = values_of(&world, &order);
    check(&values, "FULFILL_EXECUTED", "BLOCKED", &["guard: ceiling", &order.0]);
    check(&values, "ATTEMPT_PURCHASE", "BLOCKED", &["guard: ceiling", &order.0]);
    assert_eq!(world.book("purchases").len(), 0);
}

#[test]
fn l42_a_manual_policy_blocks_a_test_too() {
    let world = World::with(Policy { purchasing: Purchasing::Manual, ..policy() });
    let order = run(&world);
    check(&values_of(&world, &order), "FULFILL_EXECUTED", "BLOCKED", &["needs_approval", &order.0]);
    assert_eq!(world.book("purchases").len(), 0);
}

#[test]
fn a15_stop_blocks_what_was_begun() {
    let world = World::new();
    let order = take(&world, &test_order());
    world.engine.stop("test").unwrap();
    world.run_for(minutes(10));
    check(&values_of(&world, &order), "ATTEMPT_PURCHASE", "BLOCKED", &["STOP is set", &order.0]);
}

#[test]
fn a_refused_purchase_names_the_suppliers_code_and_request() {
    let world = World::new();
    world.fault_with(json!({ "call": "aliexpress.create", "reply": "is_success_false", "when": "before_commit",
        "errorCode": "INVENTORY_HOLD_ERROR" }));
    let order = run(&world);
    let (evidence, report) = (seen(&world, &order), report_of(&world, &order));
    let values = as_json(&report.report);
    let (claim, hold) = (&evidence.claims[0], evidence.hold.as_ref().unwrap().0);
    let refusal = claim.refusal.as_deref().unwrap();
    assert!(refusal.starts_with("INVENTORY_HOLD_ERROR") && refusal.contains("[2101fault"), "{refusal}");
    check(&values, "ATTEMPT_PURCHASE", "OK", &[&claim.key]);
    check(&values, "EXECUTE_PURCHASE", "FAILED", &[refusal, &claim.key, &format!("hold {hold}")]);
    check(&values, "SALE_CREATED", "BLOCKED", &["EXECUTE_PURCHASE", refusal]);
    check(&values, "NET_PROFIT_CALCULATED", "BLOCKED", &[refusal]);
    check(&values, "PAYOUT_TRIGGERED", "BLOCKED", &[refusal]);
    check(&values, "DATABASE_FLAG_CONFIRMED", "BLOCKED", &[refusal]);
    assert!(!report.success && report.attempt_purchase && !report.execute_purchase && report.sale_id.is_none());
}

#[test]
fn l25_an_unknown_purchase_is_blocked_and_named() {
    let world = World::new();
    world.fault("aliexpress.create", "reset", "after_commit", 1);
    let order = run(&world);
    let (evidence, values) = (seen(&world, &order), values_of(&world, &order));
    check(&values, "EXECUTE_PURCHASE", "BLOCKED", &["purchase_unknown", &evidence.claims[0].key]);
    check(&values, "ANY_RACE_CONDITION", "OK", &[&order.0]);
}

#[test]
fn l26_placed_is_not_paid_until_the_seller_pays() {
    let world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = run(&world);
    let supplier_order = seen(&world, &order).supplier_orders[0].id.clone();
    let before = report_of(&world, &order);
    let values = as_json(&before.report);
    check(&values, "EXECUTE_PURCHASE", "PENDING", &["to be paid", &supplier_order]);
    check(&values, "SALE_CREATED", "PENDING", &["EXECUTE_PURCHASE", &supplier_order]);
    assert!(!before.success);
    control(&world, &format!("aliexpress/orders/{supplier_order}/pay"), json!({}));
    world.run_for(minutes(30));
    // It went on by itself, and its report is completed later.
    assert!(report_of(&world, &order).success, "{}", world.show(&order));
}

#[test]
fn a_charge_that_failed_is_for_the_seller_to_pay() {
    let world = World::new();
    world.switch("autopay", json!(false));
    let order = run(&world);
    let supplier_order = seen(&world, &order).supplier_orders[0].id.clone();
    check(&values_of(&world, &order), "EXECUTE_PURCHASE", "PENDING", &["to be paid", &supplier_order]);
}

#[test]
fn a1_a_release_date_is_pending() {
    let mut policy = policy();
    let payouts = policy.payouts.as_mut().unwrap();
    (payouts.after, payouts.hold_days) = (ReleaseEvent::Delivered, 14);
    let world = World::with(policy);
    let order = run(&world);
    let values = values_of(&world, &order);
    check(&values, "SALE_CREATED", "OK", &[&order.0]);
    check(&values, "PAYOUT_TRIGGERED", "PENDING", &["profit does not leave before its date", &order.0, "2026-03-15"]);
    check(&values, "PAYOUT_EXECUTED", "PENDING", &["PAYOUT_TRIGGERED", &order.0]);
    check(&values, "DATABASE_FLAG_CONFIRMED", "PENDING", &["PAYOUT_EXECUTED", &order.0]);
    world.run_for(SignedDuration::from_hours(24 * 15));
    assert!(report_of(&world, &order).success, "{}", world.show(&order));
}

#[test]
fn a10_a_payout_waits_for_free_money() {
    let world = World::new();
    let drawn = Entry::new("withdrawal", "W1").post(Account::EquityOwner, Account::PaypalAvailable, usd("990.00"));
    world.engine.store.write(|tx| store::ledger::book_apart(tx, world.now(), &drawn)).unwrap();
    let order = run(&world);
    let values = values_of(&world, &order);
    check(&values, "PAYOUT_TRIGGERED", "PENDING", &["not enough free money", "seller", &order.0]);
    assert!(world.book("payouts").iter().all(|p| p["amount"] == "1.66"), "{:?}", world.book("payouts"));
}

#[test]
fn payouts_that_are_off_are_skipped() {
    let world = World::with(Policy { payouts: None, ..policy() });
    let order = run(&world);
    let report = report_of(&world, &order);
    let values = as_json(&report.report);
    for name in ["PAYOUT_TRIGGERED", "PAYOUT_EXECUTED", "DATABASE_FLAG_CONFIRMED"] {
        check(&values, name, "SKIPPED", &["payouts off", &order.0]);
    }
    assert!(report.success && !report.payout_triggered && !report.payout_executed);
    assert_eq!(world.book("payouts").len(), 0);
}

#[test]
fn a_refused_payout_names_paypals_issue_and_debug_id() {
    let world = World::new();
    world.fault_with(json!({ "call": "paypal.payout", "reply": "status_403", "when": "before_commit", "times": 9,
        "issue": "AUTHORIZATION_ERROR" }));
    let order = run(&world);
    let (evidence, values) = (seen(&world, &order), values_of(&world, &order));
    let key = evidence.payouts[0].key.as_str();
    let parts = ["AUTHORIZATION_ERROR", "[fa017ed0fa017]", key];
    check(&values, "PAYOUT_TRIGGERED", "FAILED", &parts);
    check(&values, "PAYOUT_EXECUTED", "BLOCKED", &parts);
    check(&values, "DATABASE_FLAG_CONFIRMED", "BLOCKED", &parts);
}

#[test]
fn l19_an_item_that_failed_is_not_paid() {
    let world = World::new();
    let order = take(&world, &test_order());
    // As far as the batches; their items are looked at two seconds later.
    while seen(&world, &order).payouts.len() < 2 {
        world.engine.run_due().unwrap();
        world.wind(SignedDuration::from_millis(500));
    }
    let batch = seen(&world, &order).payouts[1].batch_id.clone().unwrap();
    control(&world, &format!("paypal/payouts/{batch}"), json!({ "item": "FAILED" }));
    world.run_for(minutes(10));
    let (evidence, report) = (seen(&world, &order), report_of(&world, &order));
    let values = as_json(&report.report);
    let item = evidence.payouts[1].item_id.as_deref().unwrap();
    check(&values, "PAYOUT_TRIGGERED", "OK", &[&batch]);
    check(&values, "PAYOUT_EXECUTED", "FAILED", &["RECEIVER_ACCOUNT_LOCKED", item, &batch]);
    check(&values, "DATABASE_FLAG_CONFIRMED", "BLOCKED", &["PAYOUT_EXECUTED", item]);
    assert!(report.payout_triggered && !report.payout_executed && !report.success);
}

#[test]
fn the_flag_is_read_from_the_file_and_must_agree_with_the_proof() {
    let world = World::new();
    let order = run(&world);
    let down = format!("UPDATE sales SET payout_executed = 0 WHERE order_id = '{order}'");
    damage(&world, &format!("DROP TRIGGER sales_payout_executed_falls_by_a_return; {down}"));
    let report = report_of(&world, &order);
    check(&as_json(&report.report), "DATABASE_FLAG_CONFIRMED", "FAILED", &["payout_executed = 0", &order.0]);
    assert!(!report.success && report.payout_executed);
    // The other way round: the flag stands, and a leg has no proof.
    let mut evidence = seen(&world, &order);
    evidence.payouts[0].transaction_id = None;
    let values = as_json(&judge(&evidence, Some(true), &setting()));
    check(&values, "DATABASE_FLAG_CONFIRMED", "FAILED", &["without proof", &order.0]);
    check(&values, "PAYOUT_EXECUTED", "FAILED", &["without proof", &evidence.payouts[0].key]);
    check(&as_json(&judge(&evidence, None, &setting())), "DATABASE_FLAG_CONFIRMED", "FAILED", &["no such row"]);
}

#[test]
fn l12_a_profit_that_the_rows_do_not_bear_out_fails() {
    let world = World::new();
    let order = run(&world);
    let entry = seen(&world, &order).entries.iter().find(|e| e.kind == "sale").unwrap().id.to_string();
    let planted: [Plant; 4] = [
        ("supplier orders add up", |e| e.supplier_orders[0].total = Some(usd("8.41"))),
        ("another revenue", |e| e.postings.retain(|p| p.credit != "sales_revenue")),
        ("another cost", |e| e.postings.retain(|p| p.debit != "cost_of_goods")),
        ("equity:test", |e| e.postings.iter_mut().for_each(|p| p.debit = p.debit.replace("equity:test", "paypal"))),
    ];
    for (what, plant) in planted {
        let mut evidence = seen(&world, &order);
        plant(&mut evidence);
        let values = as_json(&judge(&evidence, Some(true), &setting()));
        check(&values, "NET_PROFIT_CALCULATED", "FAILED", &[what, &format!("entry {entry}"), &order.0]);
    }
}

#[test]
fn l24_every_sign_of_a_race_is_found_and_named() {
    let world = World::new();
    let order = run(&world);
    let clean = seen(&world, &order);
    let purchase = clean.claims.iter().find(|c| c.slot == "purchase").unwrap().key.clone();
    let planted: [Plant; 9] = [
        ("2 live claims", |e| {
            let mut twin = e.claims.iter().find(|c| c.slot == "purchase").unwrap().clone();
            (twin.key, twin.attempt) = ("twin".to_owned(), 2);
            e.claims.push(twin);
        }),
        ("lacks an attempt", |e| e.claims.iter_mut().for_each(|c| c.attempt += 1)),
        ("unknown outcome", |e| {
            let at = e.order.created_at;
            let claim = &mut e.claims[0];
            (claim.state, claim.sends, claim.unknown_at) = ("pending".to_owned(), 2, Some(at));
        }),
        ("under a void claim", |e| e.claims.iter_mut().for_each(|c| c.state = "void".to_owned())),
        ("two purchases were paid", |e| {
            let mut twin = e.supplier_orders[0].clone();
            (twin.id, twin.key) = ("8100000000000009".to_owned(), "twin".to_owned());
            e.supplier_orders.push(twin);
        }),
        ("placed 2 times", |e| e.events.push((99, "placed".to_owned(), String::new()))),
        ("was paid 2 times", |e| e.payouts.iter_mut().for_each(|p| p.recipient = "seller".to_owned())),
        ("booked and not paid", |e| e.payouts[0].transaction_id = Some("OTHER".to_owned())),
        ("booked twice", |e| {
            let twin = e.entries.iter().find(|e| e.kind == "sale").unwrap().clone();
            e.entries.push(twin);
        }),
    ];
    for (what, plant) in planted {
        let mut evidence = clean.clone();
        plant(&mut evidence);
        let values = as_json(&judge(&evidence, Some(true), &setting()));
        check(&values, "ANY_RACE_CONDITION", "FAILED", &[what]);
    }
    check(&values_of(&world, &order), "ANY_RACE_CONDITION", "OK", &[&order.0]);
    // The same in the file: the law of the schema is broken, and the report sees it.
    damage(
        &world,
        &format!(
            "DROP INDEX claims_one_live; DROP TRIGGER claims_are_born_pending;
             INSERT INTO claims (key, order_id, slot, attempt, state, amount_minor, currency, request_hash, sends,
                                 claimed_at, settled_at, journal_seq)
             SELECT 'twintwintwintwintwin', order_id, slot, 2, 'done', amount_minor, currency, request_hash, 1,
                    claimed_at, settled_at, journal_seq FROM claims WHERE key = '{purchase}';"
        ),
    );
    let named = ["2 live claims", "twintwintwintwintwin", &purchase];
    check(&values_of(&world, &order), "ANY_RACE_CONDITION", "FAILED", &named);
}

#[test]
fn what_the_far_side_did_beside_our_books_is_found() {
    let world = World::new();
    let order = run(&world);
    let mut books = compare(&world.engine.store, &world.plug.book()).unwrap();
    books.doubles.push("payout K1: 2 times".to_owned());
    books.rows[0].ours = None;
    let id = books.rows[0].id.clone();
    let setting = Setting { books: Some(books), ..setting() };
    let values = as_json(&judge(&seen(&world, &order), Some(true), &setting));
    check(&values, "ANY_RACE_CONDITION", "FAILED", &["payout K1: 2 times", &id]);
}

#[test]
fn an_empty_field_is_found_and_named() {
    let world = World::new();
    let order = run(&world);
    let claim = seen(&world, &order).claims[0].key.clone();
    damage(&world, &format!("UPDATE buyers SET phone = NULL WHERE order_id = '{order}'"));
    check(&values_of(&world, &order), "ANY_NULL_FIELD_FAILURE", "FAILED", &["buyers.phone", &order.0]);
    damage(&world, &format!("UPDATE claims SET journal_seq = NULL WHERE key = '{claim}'"));
    check(&values_of(&world, &order), "ANY_NULL_FIELD_FAILURE", "FAILED", &["claims.journal_seq", &claim]);
    let planted: [Plant; 6] = [
        ("orders.paid_at", |e| e.order.paid_at = None),
        ("supplier_orders.total_minor", |e| e.supplier_orders[0].total = None),
        ("payouts.transaction_id", |e| e.payouts[1].transaction_id = None),
        ("payouts.fee_minor", |e| e.payouts[0].fee_minor = None),
        ("guard_readings", |e| e.claims.iter_mut().for_each(|c| c.guards = 0)),
        ("entries (sale)", |e| e.entries.retain(|entry| entry.kind != "sale")),
    ];
    for (what, plant) in planted {
        let mut evidence = seen(&world, &order);
        plant(&mut evidence);
        let values = as_json(&judge(&evidence, Some(true), &setting()));
        check(&values, "ANY_NULL_FIELD_FAILURE", "FAILED", &[what]);
    }
}

#[test]
fn only_real_money_that_went_the_whole_road_is_ready() {
    let world = World::new();
    let order = run(&world);
    let mut evidence = seen(&world, &order);
    let ready = |evidence: &Evidence, setting: &Setting| {
        judge(evidence, Some(true), setting).system_ready_for_real_money.to_string()
    };
    assert_eq!(ready(&evidence, &setting()), "BLOCKED sandbox");
    evidence.order.mode = Mode::Production;
    assert!(ready(&evidence, &setting()).starts_with("OK "), "{}", ready(&evidence, &setting()));
    assert_eq!(ready(&evidence, &Setting::built_in(true)), "BLOCKED sandbox");
    evidence.payouts[0].transaction_id = None;
    let told = ready(&evidence, &setting());
    assert!(told.starts_with("FAILED ") && told.contains("PAYOUT_EXECUTED") && told.contains(&order.0), "{told}");
}
