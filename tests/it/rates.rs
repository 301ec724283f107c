//! A supplier who asks in another currency: held before anybody pays until there is a rate of the day, or until a person
//! says what was charged.

use crate::by_hand::{code, once};
use crate::money::{days, minutes};
use crate::program::{SHIPPED, Shop};
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::domain::fx::FxRate;
use postsale::domain::money::Currency;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::engine::facts;
use serde_json::json;

/// An order that the supplier asks euros for, and nobody has paid.
fn asked_in_euro() -> (World, OrderId, String) {
    let world = World::penniless_with(Policy { is_auto_pay: false, ..policy() });
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
fn a16_another_currency_waits_for_a_rate_of_the_day() {
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
}

#[test]
fn a16_a_rate_that_makes_it_too_dear_is_seen_before_anybody_pays() {
    let (world, order, _) = asked_in_euro();
    say_rate(&world, "3.0000", minutes(1));
    world.run_for(minutes(90));
    assert!(world.waits_for(&order).starts_with("over_ceiling"), "{}", world.show(&order));
}

#[test]
fn a16_what_was_charged_needs_no_rate() {
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
