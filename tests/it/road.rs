//! The whole road of one order, judged by the far sides' own books.

use crate::judge::End;
use crate::lanes;
use crate::variants::Variant;
use crate::world::{World, policy, under, usd};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::domain::purchase::SupplierOrder;
use postsale::engine::by_hand::Found;
use postsale::rehearsal::compare::compare;
use postsale::store;
use serde_json::json;
use std::panic::catch_unwind;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[test]
pub fn one_order_goes_the_whole_road() {
    let world = World::new();
    let order = world.paid_order();
    world.run_for(minutes(10));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));

    let (captures, purchases, payouts) = (world.book("captures"), world.book("purchases"), world.book("payouts"));
    assert_eq!((captures.len(), purchases.len(), payouts.len()), (1, 1, 2), "{}", world.show(&order));

    let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
    assert!(sale.is_payout_executed);
    if std::env::var_os("SHOW").is_some() {
        println!("{}", world.show(&order));
    }
    let left =
        [sale.fee, sale.supplier_total, sale.commission].into_iter().fold(sale.gross, |m, x| m.minus(x).unwrap());
    assert_eq!(left, sale.profit, "gross - fee - supplier - commission = profit");
    assert_eq!(sale.gross, usd("25.00"));

    // To the cent: every capture, purchase and payout, and the balance of the PayPal account.
    let comparison = compare(&world.engine.store, &world.plug.book()).unwrap();
    assert!(comparison.agrees(), "{comparison:#?}");
}

/// How the supplier comes to his money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paying {
    Alone,
    ByHand,
    /// By hand, and the answer to the purchase was lost.
    AfterSilence,
}

impl World {
    fn supplier_order(&self, order: &OrderId) -> SupplierOrder {
        let purchase = self.engine.plan(order).unwrap().0.purchase;
        purchase.unwrap_or_else(|| panic!("not bought: {}", self.show(order))).supplier_orders[0].clone()
    }

    fn at_the_supplier(&self, id: &str, word: &str) {
        let path = format!("/__control/aliexpress/orders/{id}/{word}");
        assert_eq!(self.plug.control("POST", &path, &json!({})).0, 200, "{word}");
    }

    /// The purchase of unknown outcome: by the one resend, or by the word of somebody who looked on the site.
    fn find_out(&self, order: &OrderId) {
        assert!(self.waits_for(order).starts_with("purchase_unknown"), "{}", self.show(order));
        self.run_for(minutes(20));
        if self.stage(order) == "held" {
            let id = self.book("purchases")[0]["id"].as_str().unwrap().to_owned();
            let once = crate::by_hand::once("found");
            let found = Found::Orders(vec![id]);
            assert_eq!(crate::by_hand::code(self.engine.resolve_once(&once, order, &found, "tester")), "now");
        }
        self.run_for(minutes(10));
    }
}

/// Paid, bought, inspected, paid, shipped, tracked, delivered; each step is seen before the next is taken.
fn walk(variant: Variant, paying: Paying) {
    let is_auto_pay = paying == Paying::Alone;
    let world = World::penniless_with(Policy { is_auto_pay, ..policy() });
    world.switch("ships_by_itself", json!(false));
    // The last piece, where that decides.
    world.product(json!({ "stock": if variant.is_stock_first { 1 } else { 50 } }));
    // The login has to be refreshed on the way.
    world.wind(world.login_life() - minutes(10));
    if paying == Paying::AfterSilence {
        world.fault("aliexpress.create", "timeout", "after_commit", 1);
    }
    let order = world.paid_order();
    world.run_for(minutes(4));
    assert_eq!((world.book("captures").len(), world.book("purchases").len()), (1, 1), "{}", world.show(&order));
    assert!(world.tap.count("aliexpress.token") >= 1, "refreshed");
    if paying == Paying::AfterSilence {
        world.find_out(&order);
    }
    let inspected = world.supplier_order(&order);
    assert_eq!(
        (inspected.total, inspected.paid_at.is_some()),
        (Some(usd("8.40")), is_auto_pay),
        "{}",
        world.show(&order)
    );
    if !is_auto_pay {
        assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
        assert!(world.pay_supplier(&inspected.id));
        world.run_for(minutes(90));
    }
    let id = inspected.id;
    assert!(world.supplier_order(&order).paid_at.is_some(), "{}", world.show(&order));
    assert!(world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().is_some(), "{}", world.show(&order));
    assert_eq!(world.supplier_order(&order).shipped_at, None);
    world.at_the_supplier(&id, "ship");
    world.run_for(SignedDuration::from_hours(26));
    let shipped = world.supplier_order(&order);
    assert!(shipped.shipped_at.is_some() && shipped.tracking_number.is_some(), "{}", world.show(&order));
    assert_eq!(shipped.delivered_at, None);
    world.at_the_supplier(&id, "deliver");
    world.run_for(SignedDuration::from_hours(26));
    assert!(world.supplier_order(&order).delivered_at.is_some(), "{}", world.show(&order));
    let paid = world.book("purchases").iter().filter(|p| !p["paidAt"].is_null()).count();
    assert_eq!(paid, 1, "{}", world.show(&order));
    // A second order that the supplier made of the resend is never paid, and nobody is asked to.
    if world.book("purchases").len() == 1 {
        assert_eq!(world.judge(&order, "walked"), End::Closed);
    } else {
        assert_eq!((paying, variant.repeat), (Paying::AfterSilence, "again"));
        assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    }
}

#[test]
fn the_whole_road_under_every_variant() {
    let ways = [Paying::Alone, Paying::ByHand, Paying::AfterSilence];
    let cases: Vec<_> = Variant::all().into_iter().flat_map(|variant| ways.map(|paying| (variant, paying))).collect();
    let complaints = lanes::each(&cases, |(variant, paying)| {
        let outcome = catch_unwind(|| under(variant.switches(), || walk(*variant, *paying)));
        outcome.is_err().then(|| format!("{paying:?} under {variant:?}"))
    });
    let complaints: Vec<String> = complaints.into_iter().flatten().collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
