//! A supplier who asks in another currency: held before anybody pays until there is a rate of the day, or until a person
//! says what was charged.

use crate::by_hand::{code, once};
use crate::money::{days, minutes};
use crate::program::{SHIPPED, Shop};
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::assure::reconcile;
use postsale::domain::fx::FxRate;
use postsale::domain::ledger::Account;
use postsale::domain::money::{Currency, Money};
use postsale::domain::order::OrderId;
use postsale::domain::policy::{PaidBy, Policy};
use postsale::engine::facts;
use postsale::store::checks::{self, When};
use postsale::store::{self, ledger};
use serde_json::json;

/// An order that the supplier asks euros for, and nobody has paid.
fn asked_in_euro() -> (World, OrderId, String) {
    asked_in_euro_of(Policy { is_auto_pay: false, ..policy() })
}

fn asked_in_euro_of(policy: Policy) -> (World, OrderId, String) {
    let world = World::penniless_with(policy);
    let order = world.paid_order();
    world.engine.run_due().unwrap();
    let id = world.book("purchases")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/__control/aliexpress/orders/{id}/status");
    assert_eq!(world.plug.control("POST", &path, &json!({ "currency": "EUR" })).0, 200);
    (world, order, id)
}

fn say_rate(world: &World, text: &str, ago: SignedDuration) {
    let currency = |code: &str| Currency::new(code).unwrap();
    let billionths = FxRate::parse(text).unwrap();
    let rate = FxRate { seq: 0, from: currency("EUR"), to: currency("USD"), billionths, at: world.now() - ago };
    world.engine.store.write(|tx| facts::set_rate(tx, &rate, "test", world.now())).unwrap();
}

#[test]
pub fn a16_another_currency_waits_for_a_rate_of_the_day() {
    let (world, order, id) = asked_in_euro();
    world.run_for(minutes(30));
    let said = world.waits_for(&order);
    assert!(said.starts_with("rate_missing") && said.contains("DO NOT PAY"), "{}", world.show(&order));
    say_rate(&world, "1.0842", days(4));
    world.run_for(minutes(90));
    assert!(world.waits_for(&order).starts_with("rate_missing"), "too old: {}", world.show(&order));
    say_rate(&world, "1.0842", minutes(1));
    world.run_for(minutes(90));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    assert!(world.pay_supplier(&id));
    // Paying takes the control's word off, and with it the euros.
    let path = format!("/__control/aliexpress/orders/{id}/status");
    world.plug.control("POST", &path, &json!({ "currency": "EUR" }));
    world.run_for(days(1));
    let sale = world.engine.store.read(|c| postsale::store::sales::find(c, &order)).unwrap().unwrap();
    assert_eq!(sale.supplier_total, usd("9.38"), "8.40 and three per cent, at 1.0842: {}", world.show(&order));
    assert_eq!(world.balance("supplier:prepaid"), 0);
    assert_true_books(&world, &order, &id);
}

/// Both currencies stand in the books, each by itself sums to nothing, the reckoning is there to be read, and the
/// supplier's own statement agrees with it.
fn assert_true_books(world: &World, order: &OrderId, id: &str) {
    let currency = |code: &str| Currency::new(code).unwrap();
    let read = |account: Account, code: &str| {
        world.engine.store.read(|c| ledger::balance(c, &account, currency(code))).unwrap().minor
    };
    assert_eq!((read(Account::SupplierCard, "EUR"), read(Account::SupplierCard, "USD")), (-840, 0));
    assert_eq!((read(Account::Conversion, "EUR"), read(Account::Conversion, "USD")), (840, -938));
    let balances = world.engine.store.read(ledger::balances).unwrap();
    for code in ["USD", "EUR"] {
        let of_one = balances.iter().filter(|(_, m)| m.currency == currency(code));
        assert_eq!(of_one.map(|(_, m)| m.minor).sum::<i64>(), 0, "{code}: {balances:?}");
    }
    let reckoned = world.engine.store.read(|c| store::rates::reckoned_of(c, order)).unwrap();
    assert_eq!(reckoned.len(), 1);
    assert_eq!((reckoned[0].supplier_order_id.as_str(), reckoned[0].rate.decimal().as_str()), (id, "1.0842"));
    assert_eq!(reckoned[0].asked, Money::parse("8.40", currency("EUR")).unwrap());
    let said =
        world.timeline(order).iter().any(|line| line.contains("8.40 EUR at 1.0842 of ") && line.contains("9.38 USD"));
    assert!(said, "{}", world.show(order));
    reconcile::run(&world.engine).unwrap().unwrap();
    let findings = reconcile::answer(&world.engine.store, false).unwrap().findings;
    assert!(findings.iter().all(|f| f.provider != "aliexpress"), "{findings:?}");
    let when = When { now: world.now(), ladder: days(7), is_deep: true };
    for check in checks::table() {
        let found = world.engine.store.read(|c| check.look(c, &when)).unwrap();
        assert!(found.is_empty(), "{}: {found:?}", check.id);
    }
}

/// The seller paid, and is owed what it was in the currency of the sale.
#[test]
pub fn a16_what_the_seller_laid_out_abroad_is_owed_in_the_currency_of_the_sale() {
    let (world, order, id) = asked_in_euro_of(Policy { paid_by: PaidBy::Seller, is_auto_pay: false, ..policy() });
    say_rate(&world, "1.0842", minutes(1));
    world.run_for(minutes(90));
    assert!(world.pay_supplier(&id));
    let path = format!("/__control/aliexpress/orders/{id}/status");
    world.plug.control("POST", &path, &json!({ "currency": "EUR" }));
    // By a person's word, without a total: what is known of it stands.
    let paid = world.engine.mark_supplier_paid_once(&once("k1"), &order, None, "tester");
    assert_eq!(code(paid), "now", "{}", world.show(&order));
    let postings = world.engine.store.read(|c| ledger::of_order(c, &order)).unwrap();
    let paid: Vec<_> = postings.iter().filter(|p| p.kind == "supplier_paid").collect();
    assert_eq!((paid.len(), paid[0].credit.as_str(), paid[0].amount), (1, "payable:seller", usd("9.38")));
    world.run_for(days(1));
    reconcile::run(&world.engine).unwrap().unwrap();
    let findings = reconcile::answer(&world.engine.store, false).unwrap().findings;
    assert!(findings.iter().all(|f| f.provider != "aliexpress"), "{findings:?}");
}

#[test]
pub fn a16_a_rate_that_makes_it_too_dear_is_seen_before_anybody_pays() {
    let (world, order, _) = asked_in_euro();
    say_rate(&world, "3.0000", minutes(1));
    world.run_for(minutes(90));
    assert!(world.waits_for(&order).starts_with("over_ceiling"), "{}", world.show(&order));
}

#[test]
pub fn a16_what_was_charged_needs_no_rate() {
    let (world, order, id) = asked_in_euro();
    world.run_for(minutes(30));
    assert!(world.pay_supplier(&id));
    let paid = world.engine.mark_supplier_paid_once(&once("k1"), &order, Some(usd("9.50")), "tester");
    assert_eq!(code(paid), "now", "{}", world.show(&order));
    world.run_for(days(1));
    let sale = world.engine.store.read(|c| postsale::store::sales::find(c, &order)).unwrap().unwrap();
    assert_eq!(sale.supplier_total, usd("9.50"), "{}", world.show(&order));
}

#[test]
fn a16_a_rate_that_jumps_is_said_twice() {
    let program = Shop::new(SHIPPED);
    program.good(&["migrate"]);
    assert!(program.good(&["fx", "list"]).contains("No rate"));
    assert!(program.good(&["fx", "set", "eur", "usd", "1.0842"]).contains("1 EUR is 1.0842 USD"));
    let jump = program.run(&["fx", "set", "EUR", "USD", "1.2"]);
    assert_eq!(jump.code, 2, "{}", jump.err);
    assert!(jump.err.contains("--yes"), "{}", jump.err);
    program.good(&["fx", "set", "EUR", "USD", "1.2", "--yes"]);
    for line in [["EUR", "EUR", "1"], ["EUR", "USD", "0"], ["EUR", "USD", "1,1"], ["EURO", "USD", "1"]] {
        assert_eq!(program.run(&["fx", "set", line[0], line[1], line[2]]).code, 64, "{line:?}");
    }
    assert_eq!(program.run(&["fx", "set", "EUR", "USD", "1.2", "--date", "2999-01-01"]).code, 64);
    let shown = program.good(&["fx", "list", "--json"]);
    assert!(shown.contains("\"isFresh\": true") && shown.contains("1.0842"), "{shown}");
}
