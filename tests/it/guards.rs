//! The guards of the purchase on the road: for each a situation in which it blocks. The far side's book of purchases
//! stays empty and the queue says why; then the cause goes, or a human says yes, and it is bought once.

use crate::judge::End;
use crate::money::{days, minutes, yes};
use crate::tap::Moment;
use crate::world::{World, mug, policy, usd};
use jiff::SignedDuration;
use postsale::domain::guards::{Approval, Guard};
use postsale::domain::money::{Currency, Money, Rate};
use postsale::domain::order::{Buyer, OrderId};
use postsale::domain::policy::{Policy, Purchasing};
use postsale::engine::intake::Report;
use postsale::store::products::Product;
use serde_json::{Value, json};
use std::sync::Arc;

impl World {
    /// Says something about the supplier's product.
    pub fn product(&self, wish: Value) {
        let path = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
        assert_eq!(self.plug.control("POST", &path, &wish).0, 200);
    }

    /// Says yes to the offer as it stands, overriding these guards.
    fn override_guards(&self, order: &OrderId, overrides: &[Guard]) {
        let quote_hash = Some(self.quote_hash(order));
        let approval = Approval { quote_hash, overrides: overrides.to_vec(), expires_at: None };
        self.engine.approve(order, &approval, Some("test"), "test").unwrap();
    }

    fn quote_hash(&self, order: &OrderId) -> String {
        self.engine.plan(order).unwrap().0.quote.expect("quoted").hash
    }

    /// Runs on for a while: nothing is bought and the queue says why.
    fn assert_blocked(&self, order: &OrderId, why: &str) {
        self.run_for(minutes(50));
        assert!(self.book("purchases").is_empty(), "{why}: {}", self.show(order));
        assert!(self.waits_for(order).contains(why), "{why}: {}", self.show(order));
    }

    /// The cause is gone: bought once, and the order goes its way.
    fn assert_bought_once(&self, order: &OrderId, what: &str) {
        self.run_for(minutes(90));
        for purchase in self.book("purchases") {
            self.pay_supplier(purchase["id"].as_str().unwrap());
        }
        self.run_for(days(1));
        assert_eq!(self.book("purchases").len(), 1, "{what}: {}", self.show(order));
        let end = self.stage(order);
        assert!(["closed", "sold"].contains(&end.as_str()), "{what}: {}", self.show(order));
        self.judge_books(what);
    }
}

fn policy_with(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = policy();
    change(&mut policy);
    policy
}

/// A channel's order in a world made by `policy`, blocked by `why` and then freed by `free`.
fn check(why: &str, policy: Policy, prepare: impl Fn(&World, &mut Report), free: impl Fn(&World, &OrderId)) {
    let world = World::penniless_with(policy);
    let mut report = world.report("1001");
    prepare(&world, &mut report);
    let order = world.take(&report);
    world.assert_blocked(&order, why);
    free(&world, &order);
    world.assert_bought_once(&order, why);
}

fn nothing(_: &World, _: &mut Report) {}

fn overriding(guard: Guard) -> impl Fn(&World, &OrderId) {
    move |world, order| world.override_guards(order, &[guard])
}

#[test]
pub fn the_suppliers_offer_must_be_there() {
    let again = |wish: Value| move |world: &World, _: &OrderId| world.product(wish.clone());
    let first = |wish: Value| move |world: &World, _: &mut Report| world.product(wish.clone());
    // A stock of nought: freight says so first, since nothing can be sent.
    check("no_offer", policy(), first(json!({ "stock": 0 })), again(json!({ "stock": 5 })));
    check("on_sale", policy(), first(json!({ "selling": false })), again(json!({ "selling": true })));
    let countries = json!({ "refusedCountries": ["US"] });
    check("no_offer", policy(), first(countries), again(json!({ "refusedCountries": [] })));
    check("no_offer", policy(), first(json!({ "freight": [] })), again(json!({ "freight": [{ "code": "STD" }] })));
}

/// What freight does not say first: a stock that the product's page shows as nought, a limit per buyer, and prices in a
/// currency that was not asked for.
#[test]
pub fn the_suppliers_offer_must_be_enough_and_in_our_currency() {
    let world = World::penniless();
    let plug = Arc::clone(&world.plug);
    world.tap.meddle(move |call, moment| {
        let stock = match (call, moment) {
            ("aliexpress.product", Moment::Before) => 0,
            ("aliexpress.product", Moment::After) => 5,
            _ => return,
        };
        let path = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
        plug.control("POST", &path, &json!({ "stock": stock }));
    });
    let order = world.take(&world.report("1001"));
    world.assert_blocked(&order, "guard: stock: stock 0; approve with override [stock]");
    world.tap.leave_alone();
    world.assert_bought_once(&order, "stock");

    let limit = |n: i64| move |world: &World| world.product(json!({ "buyLimit": n }));
    let two = |world: &World, report: &mut Report| {
        limit(1)(world);
        (report.items[0].1, report.total) = (2, usd("50.00"));
    };
    check("guard: buy_limit: ", policy(), two, |world, _| limit(2)(world));
    let abroad = |world: &World, _: &mut Report| world.switch("price_currency", json!("AUD"));
    check("currency: sale USD, offer AUD", policy(), abroad, |world, _| world.switch("price_currency", json!("USD")));
}

/// What is laid out for goods that are not sold yet is the seller's own capital: the next order waits until there is
/// room, and then goes on by itself.
#[test]
pub fn the_free_capital_is_not_exceeded() {
    let tight = |text| policy_with(|p| (p.is_auto_pay, p.limits.free_capital) = (false, Some(usd(text))));
    for (capital, bought) in [("16.79", 1), ("16.80", 2)] {
        let world = World::penniless_with(tight(capital));
        let first = world.take(&world.report("1001"));
        let mut other = world.report("1002");
        other.buyer = crate::world::buyer(2);
        let other = world.take(&other);
        world.run_for(minutes(50));
        assert_eq!(world.book("purchases").len(), bought, "{capital}: {}", world.show(&other));
        for purchase in world.book("purchases") {
            world.pay_supplier(purchase["id"].as_str().unwrap());
        }
        world.run_for(minutes(120));
        assert_eq!(world.book("purchases").len(), 2, "{capital}: {}\n{}", world.show(&first), world.show(&other));
    }
}

#[test]
pub fn l27_another_variant_is_never_taken_instead() {
    let world = World::penniless();
    world.product(json!({ "sku": "14:29#Black", "gone": true }));
    let order = world.take(&world.report("1001"));
    world.run_for(days(1));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    assert!(world.waits_for(&order).contains("no variant"), "{}", world.show(&order));

    // The attribute is there and the id is another's.
    let world = World::penniless();
    let mut strange = mug();
    strange.variant.sku_id = "12000012345678902".to_owned();
    world.engine.put_product(&strange).unwrap();
    let order = world.take(&world.report("1001"));
    world.run_for(days(1));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
}

#[test]
pub fn l27_the_named_service_is_taken_or_none() {
    let named = |world: &World, _: &mut Report| {
        let mut product = mug();
        product.variant.service = Some("NO_SUCH_SERVICE".to_owned());
        world.engine.put_product(&product).unwrap();
    };
    let offered = |world: &World, _: &OrderId| {
        world.product(json!({ "freight": [{ "code": "NO_SUCH_SERVICE", "fee": "1.00" }, { "code": "FREE" }] }));
    };
    check("shipping", policy(), named, offered);
}

/// Price and limits, each one cent over. A sale of 25.00 less a fee of 1.50 and a profit of 1.00 leaves 22.50.
#[test]
pub fn one_cent_over_is_over() {
    let price = |price: &'static str| move |world: &World, _: &mut Report| world.product(json!({ "price": price }));
    let cheaper = |price: &'static str| move |world: &World, _: &OrderId| world.product(json!({ "price": price }));
    let free = policy_with(|p| p.limits.margin_min = Rate::parse_percent("0").unwrap());
    check("ceiling", free.clone(), price("22.51"), cheaper("22.50"));
    check("ceiling", free, price("22.51"), overriding(Guard::Ceiling));
    // Five per cent of the sale are 1.25, so that 22.25 is the most.
    check("margin", policy(), price("22.26"), cheaper("22.25"));
    check("margin", policy(), price("22.26"), overriding(Guard::Margin));
    let low = || policy_with(|p| p.limits.purchase_max = usd("8.39"));
    check("purchase_max", low(), nothing, cheaper("8.39"));
    check("purchase_max", low(), nothing, overriding(Guard::PurchaseMax));
    let own_limit = |world: &World, _: &mut Report| {
        world.engine.put_product(&Product { landed_cost_max: Some(usd("8.39")), ..mug() }).unwrap();
    };
    check("landed_cost_max", policy(), own_limit, cheaper("8.39"));
    // The freight counts.
    let freight =
        |world: &World, _: &mut Report| world.product(json!({ "freight": [{ "code": "F", "fee": "14.11" }] }));
    let free = policy_with(|p| p.limits.margin_min = Rate::parse_percent("0").unwrap());
    check("ceiling", free, freight, |world, _| world.product(json!({ "freight": [{ "code": "F", "fee": "14.10" }] })));
}

/// The price rises after the quote: between the look and the order, and after the order.
#[test]
pub fn a_price_that_rises_is_seen_before_anybody_pays() {
    let world = World::penniless_with(Policy { is_auto_pay: false, ..policy() });
    let plug = Arc::clone(&world.plug);
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("aliexpress.create", Moment::Before) {
            let path = format!("/__control/aliexpress/products/{}", mug().variant.product_id);
            plug.control("POST", &path, &json!({ "price": "23.00" }));
        }
    });
    let order = world.take(&world.report("1001"));
    world.run_for(minutes(30));
    assert_eq!(world.stage(&order), "held", "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("over_ceiling"), "{}", world.show(&order));
}

#[test]
pub fn a7_totals_off_the_products_price_are_looked_at() {
    let total = |total: &'static str| move |_: &World, report: &mut Report| report.total = usd(total);
    check("list_price", policy(), total("30.01"), overriding(Guard::ListPrice));
    check("list_price", policy(), total("19.99"), overriding(Guard::ListPrice));
    for fits in ["30.00", "20.00"] {
        let world = World::penniless();
        let mut report = world.report("1001");
        report.total = usd(fits);
        let order = world.take(&report);
        world.assert_bought_once(&order, fits);
    }
}

#[test]
pub fn a13_old_orders_are_looked_at() {
    let paid = |ago: SignedDuration| move |world: &World, report: &mut Report| report.paid_at = world.now() - ago;
    // Before the shop lived.
    check("old_order", policy(), paid(minutes(1)), overriding(Guard::OldOrder));
    // Within its life, but more than three days ago.
    let world = World::penniless();
    world.wind(days(10));
    let mut report = world.report("1001");
    report.paid_at = world.now() - SignedDuration::from_hours(73);
    let order = world.take(&report);
    world.assert_blocked(&order, "old_order");
    let mut report = world.report("1002");
    (report.paid_at, report.buyer) = (world.now() - SignedDuration::from_hours(71), crate::world::buyer(2));
    let order = world.take(&report);
    world.assert_bought_once(&order, "71 hours old");
}

#[test]
pub fn l14_what_is_missing_is_never_filled_in() {
    type Change = fn(&mut Buyer);
    let without: [(&str, Change); 7] = [
        ("buyer.name", |b| b.name = None),
        ("buyer.phone", |b| b.phone = Some(" ".to_owned())),
        ("shippingAddress.line1", |b| b.address.line1 = None),
        ("shippingAddress.city", |b| b.address.city = Some(String::new())),
        ("shippingAddress.province", |b| b.address.province = None),
        ("shippingAddress.postalCode", |b| b.address.postal_code = None),
        ("shippingAddress.country", |b| b.address.country = None),
    ];
    for (field, take_away) in without {
        let world = World::penniless();
        let mut report = world.report("1001");
        take_away(&mut report.buyer);
        let order = world.take(&report);
        world.run_for(minutes(30));
        // Not even a human's yes buys it.
        let all = Guard::ALL.to_vec();
        world.engine.approve(&order, &Approval { overrides: all, ..yes() }, None, "test").unwrap();
        world.assert_blocked(&order, field);
        assert!(world.waits_for(&order).starts_with("incomplete"), "{}", world.waits_for(&order));
    }
    // A quantity, a product or an item that is not there is no order at all.
    let refused: [fn(&mut Report); 4] = [
        |r| r.items[0].1 = 0,
        |r| r.items[0].0 = "CUP".to_owned(),
        |r| r.items.clear(),
        |r| (r.says_settled, r.may_vouch, r.fee) = (true, true, None),
    ];
    for spoil in refused {
        let world = World::penniless();
        let mut report = world.report("1001");
        spoil(&mut report);
        assert!(world.engine.take_order(&report).is_err(), "{report:?}");
    }
}

#[test]
pub fn an_unknown_fee_blocks() {
    let world = World::penniless();
    let mut report = world.report("1001");
    report.fee = None;
    let order = world.take(&report);
    world.assert_blocked(&order, "ceiling: not known");
}

#[test]
pub fn another_currency_blocks() {
    let world = World::penniless();
    let mut report = world.report("1001");
    report.total = Money::parse("25.00", Currency::new("EUR").unwrap()).unwrap();
    report.fee = None;
    // Refused at the door: the products' prices say nothing about that total.
    assert!(world.engine.take_order(&report).is_err());
    world.run_for(days(1));
    assert!(world.book("purchases").is_empty());
}

#[test]
pub fn a_look_alike_is_looked_at() {
    let world = World::penniless();
    let first = world.take(&world.report("1001"));
    world.run_for(minutes(10));
    let mut twin = world.report("1002");
    twin.buyer.name = Some("jane  MILLER".to_owned());
    let twin = world.take(&twin);
    world.run_for(minutes(50));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&twin));
    assert!(world.waits_for(&twin).contains("look_alike"), "{}", world.show(&twin));
    world.override_guards(&twin, &[Guard::LookAlike]);
    world.run_for(minutes(20));
    assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&twin));
    assert_ne!(world.stage(&first), "held");
}

#[test]
pub fn l42_manual_purchasing_and_the_first_orders_wait_for_a_yes() {
    let manual = || policy_with(|p| p.purchasing = Purchasing::Manual);
    let first = || policy_with(|p| p.first_orders_manual = 1);
    let approve = |world: &World, order: &OrderId| world.override_guards(order, &[]);
    check("needs_approval", manual(), nothing, approve);
    check("needs_approval", first(), nothing, approve);
    // The second order of the same shop needs nobody.
    let world = World::penniless_with(first());
    let order = world.take(&world.report("1001"));
    world.run_for(minutes(5));
    world.override_guards(&order, &[]);
    world.run_for(minutes(20));
    let mut second = world.report("1002");
    second.buyer = crate::world::buyer(2);
    world.take(&second);
    world.run_for(minutes(20));
    assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&order));
}

#[test]
pub fn a18_a_yes_is_to_what_was_seen() {
    // Another price asks again.
    let world = World::penniless_with(policy_with(|p| p.purchasing = Purchasing::Manual));
    let order = world.take(&world.report("1001"));
    world.run_for(minutes(5));
    let seen = world.quote_hash(&order);
    world.product(json!({ "price": "8.41" }));
    world.wind(minutes(20));
    world.override_guards_by(&order, Approval { quote_hash: Some(seen), ..yes() });
    world.assert_blocked(&order, "needs_approval");
    world.override_guards(&order, &[]);
    world.assert_bought_once(&order, "a18");

    // A yes to one guard is none to another, and a yes ends.
    let world = World::penniless_with(policy_with(|p| p.limits.purchase_max = usd("8.00")));
    let mut report = world.report("1001");
    report.total = usd("31.00");
    let order = world.take(&report);
    world.run_for(minutes(5));
    world.override_guards(&order, &[Guard::ListPrice]);
    world.assert_blocked(&order, "purchase_max");
    let both = vec![Guard::ListPrice, Guard::PurchaseMax];
    let ended = Approval { overrides: both.clone(), expires_at: Some(world.now()), ..yes() };
    world.override_guards_by(&order, ended);
    world.assert_blocked(&order, "guard");
    world.override_guards(&order, &both);
    world.assert_bought_once(&order, "a18 both");
}

impl World {
    fn override_guards_by(&self, order: &OrderId, approval: Approval) {
        self.engine.approve(order, &approval, None, "test").unwrap();
    }
}

#[test]
pub fn a_product_that_is_off_is_not_bought() {
    let world = World::penniless_with(Policy { cancel_buffer: minutes(30), ..policy() });
    let order = world.take(&world.report("1001"));
    world.engine.put_product(&Product { is_active: false, ..mug() }).unwrap();
    world.run_for(minutes(31));
    world.assert_blocked(&order, "active_product");
    world.engine.put_product(&mug()).unwrap();
    world.assert_bought_once(&order, "active again");
    assert!(world.engine.open_checkout_order("CUP", 1, None, None).is_err());
}

/// A cap lets the order go on by itself, and "not now" of the far side does not use it up.
#[test]
pub fn l28_an_order_does_not_stand_in_its_own_way() {
    let caps: [fn(&mut Policy); 3] = [
        |p| p.limits.orders_per_day = 1,
        |p| p.limits.spend_per_day = usd("8.40"),
        |p| p.limits.free_capital = Some(usd("8.40")),
    ];
    for cap in caps {
        let world = World::penniless_with(policy_with(cap));
        world.fault("aliexpress.create", "status_429", "before_commit", 3);
        let order = world.paid_order();
        world.run_for(minutes(10));
        assert_eq!(world.judge(&order, "429"), End::Closed, "{}", world.show(&order));
    }
}

#[test]
pub fn the_cancel_buffer_is_waited_out() {
    let world = World::penniless_with(Policy { cancel_buffer: minutes(60), ..policy() });
    let order = world.take(&world.report("1001"));
    world.run_for(minutes(59));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    world.run_for(minutes(2));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
}
