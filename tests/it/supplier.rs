//! The supplier's side after the order was placed: paid by hand, unpaid, too dear, split into several orders, dead.

use crate::judge::{End, assert_at_most_once};
use crate::money::{days, minutes, yes};
use crate::tap::Moment;
use crate::world::{World, policy, usd};
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use serde_json::json;
use std::sync::Arc;

/// Nobody pays but the seller, on the supplier's site.
fn by_hand() -> World {
    World::penniless_with(Policy { is_auto_pay: false, ..policy() })
}

impl World {
    fn turn(&self, id: &str, word: &str) {
        let path = format!("/__control/aliexpress/orders/{id}/{word}");
        assert_eq!(self.plug.control("POST", &path, &json!({})).0, 200, "{word}");
    }

    fn supplier_ids(&self) -> Vec<String> {
        self.book("purchases").iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The seller pays on the site whatever the queue shows as waiting for him, and nothing that it tells him not to.
    fn seller_pays(&self, order: &OrderId) {
        if self.stage(order) == "awaiting_supplier_payment" {
            for id in self.supplier_ids() {
                self.pay_supplier(&id);
            }
        }
    }

    /// Paid at the supplier, in all.
    fn paid_count(&self) -> usize {
        self.book("purchases").iter().filter(|p| !p["paidAt"].is_null()).count()
    }

    fn is_sold(&self, order: &OrderId) -> bool {
        self.engine.store.read(|c| postsale::store::sales::find(c, order)).unwrap().is_some()
    }
}

#[test]
pub fn f14_l26_placed_is_not_paid() {
    let world = by_hand();
    let order = world.paid_order();
    world.run_for(days(3));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    assert!(!world.is_sold(&order));
    let (trade, _) = world.engine.plan(&order).unwrap();
    let placed = trade.purchase.unwrap().supplier_orders[0].clone();
    assert_eq!(placed.pay_by, Some(placed.placed_at + days(12)), "the deadline is known");
    world.seller_pays(&order);
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "paid by hand"), End::Closed);
}

#[test]
pub fn a11_a_total_over_the_ceiling_is_shown_before_anybody_pays() {
    // What is left of 25.00 is 22.64; the order costs 8.40 and a charge that no quote had named.
    for (charge, is_over) in [("14.25", true), ("14.24", false)] {
        let world = by_hand();
        world.switch("hidden_charge", json!(charge));
        let order = world.paid_order();
        world.run_for(minutes(30));
        assert_eq!(world.stage(&order) == "held", is_over, "{charge}: {}", world.show(&order));
        assert_eq!(world.waits_for(&order).starts_with("over_ceiling"), is_over, "{charge}");
        world.seller_pays(&order);
        world.run_for(days(1));
        assert_eq!(world.paid_count(), usize::from(!is_over), "{charge}: {}", world.show(&order));
    }
}

/// Two mugs become two supplier orders. What is left of 50.00 is 46.7 and a bit.
#[test]
pub fn a11_the_ceiling_is_on_the_sum() {
    for (charge, is_over) in [("16.00", true), ("10.00", false)] {
        let world = by_hand();
        world.switch("split", json!(true));
        world.switch("hidden_charge", json!(charge));
        let order = world.checkout_of("MUG", 2);
        world.approve(&order);
        world.run_for(minutes(30));
        assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&order));
        assert_eq!(world.stage(&order) == "held", is_over, "{charge}: {}", world.show(&order));
        world.seller_pays(&order);
        world.run_for(days(1));
        assert_eq!(world.paid_count(), if is_over { 0 } else { 2 }, "{charge}: {}", world.show(&order));
        assert_eq!(world.is_sold(&order), !is_over);
        if !is_over {
            // 2 x (8.40 + 10.00), to the cent, from both invoices.
            assert_eq!(world.judge_split(&order), 3_680);
        }
    }
}

impl World {
    /// The cost of the goods by our books, after everything else was found whole.
    fn judge_split(&self, order: &OrderId) -> i64 {
        assert_eq!(self.stage(order), "closed", "{}", self.show(order));
        self.judge_books("split");
        self.balance("cost_of_goods")
    }
}

#[test]
pub fn a11_nothing_is_sold_before_every_part_is_paid_and_a_mixed_one_is_held() {
    let world = by_hand();
    world.switch("split", json!(true));
    let order = world.checkout_of("MUG", 2);
    world.approve(&order);
    world.run_for(minutes(30));
    let ids = world.supplier_ids();
    assert!(world.pay_supplier(&ids[0]));
    world.run_for(days(1));
    assert!(!world.is_sold(&order), "{}", world.show(&order));
    world.turn(&ids[1], "cancel");
    world.run_for(days(4));
    assert_eq!(world.stage(&order), "held", "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("mixed_purchase"), "{}", world.show(&order));
    assert!(!world.is_sold(&order));
    assert!(world.book("payouts").is_empty());
    assert_eq!(world.balance("supplier:prepaid"), 840, "what was paid is booked all the same");
    world.judge_books("mixed");
}

#[test]
pub fn a12_a_closed_order_is_dead_after_two_readings_a_day_apart() {
    let world = by_hand();
    let order = world.paid_order();
    world.run_for(minutes(30));
    let id = world.supplier_ids()[0].clone();
    world.turn(&id, "cancel");
    world.run_for(minutes(23 * 60));
    assert!(!world.waits_for(&order).starts_with("expired_unpaid"), "one reading is not enough");
    world.run_for(days(2));
    assert!(world.waits_for(&order).starts_with("expired_unpaid"), "{}", world.show(&order));
    // Expired unpaid is a hold, never another order.
    world.engine.release(&order, "test").unwrap();
    world.engine.approve(&order, &yes(), None, "test").unwrap();
    world.run_for(days(3));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
    assert_eq!(world.judge(&order, "dead"), End::Held);
}

#[test]
pub fn a12_a_false_closed_reading_does_not_kill_a_paid_order() {
    let world = by_hand();
    let order = world.paid_order();
    world.run_for(minutes(30));
    let id = world.supplier_ids()[0].clone();
    let status = format!("/__control/aliexpress/orders/{id}/status");
    assert_eq!(world.plug.control("POST", &status, &json!({ "status": "FINISH" })).0, 200);
    world.run_for(minutes(5 * 60));
    world.turn(&id, "pay");
    world.run_for(days(3));
    assert_eq!(world.judge(&order, "false reading"), End::Closed);
}

#[test]
pub fn a12_nobody_pays_for_an_order_that_stands_still() {
    let world = by_hand();
    let order = world.paid_order();
    world.run_for(minutes(30));
    world.engine.hold(&order, "the buyer rang", "test").unwrap();
    world.run_for(minutes(5));
    assert_eq!(world.stage(&order), "held");
    assert!(world.waits_for(&order).contains("DO NOT PAY"), "{}", world.show(&order));
    world.seller_pays(&order);
    assert_eq!(world.paid_count(), 0);
}

/// Paid and looked at by the supplier's risk control: not unpaid, and not dead.
#[test]
pub fn f14_risk_control_is_waited_out() {
    let world = World::penniless();
    world.switch("ships_by_itself", json!(false));
    let order = world.paid_order();
    let plug = Arc::clone(&world.plug);
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("aliexpress.get", Moment::Before) {
            let id = plug.book()["purchases"][0]["id"].as_str().unwrap().to_owned();
            let path = format!("/__control/aliexpress/orders/{id}/status");
            plug.control("POST", &path, &json!({ "status": "RISK_CONTROL", "end_reason": "risk" }));
        }
    });
    world.run_for(days(3));
    assert_at_most_once(&world, &order, "risk control");
    let (trade, _) = world.engine.plan(&order).unwrap();
    assert!(!trade.purchase.unwrap().is_dead(), "{}", world.show(&order));
    assert_eq!(world.waits_for(&order), "on its way to the buyer", "paid, and followed: {}", world.show(&order));
}

/// The supplier says yes and could not charge us: placed, and the seller pays.
#[test]
pub fn f14_an_automatic_payment_that_failed_waits_for_the_seller() {
    let world = World::penniless();
    world.switch("autopay", json!(false));
    let order = world.paid_order();
    world.run_for(days(1));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    world.seller_pays(&order);
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "autopay failed"), End::Closed);
}

/// A loss is booked like anything else that happened (L11).
#[test]
pub fn l11_a_loss_is_booked() {
    let world = World::penniless();
    world.switch("hidden_charge", json!("30.00"));
    let order = world.paid_order();
    world.run_for(days(1));
    let sale = world.engine.store.read(|c| postsale::store::sales::find(c, &order)).unwrap().unwrap();
    assert_eq!((sale.profit.minor, sale.commission.minor), (2_500 - 136 - 3_840, 0));
    assert!(world.book("payouts").is_empty());
    assert_eq!(world.balance("receivable:seller"), -sale.profit.minor);
    world.judge_books("loss");
    // It stands in the queue until somebody has seen it.
    let queue = world.engine.store.read(|c| postsale::store::queue::list(c, None, 10, world.now())).unwrap();
    assert_eq!(queue[0].at_risk, [(usd("14.76"), "lost on this sale")], "{}", world.show(&order));
    assert!(
        world.waits_for(&order).starts_with("loss: sold for 25.00 USD, profit -14.76 USD"),
        "{}",
        world.show(&order)
    );
    assert!(world.engine.release(&order, "test").unwrap());
    world.run_for(days(1));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
}

/// The supplier shows the order only after a while, and its answers come in other shapes.
#[test]
pub fn an_order_that_hides_at_first_is_found() {
    for (switch, value) in [
        ("order_hidden_s", json!(90)),
        ("list_shape", json!("bare")),
        ("list_shape", json!("single")),
        ("list_shape", json!("naked")),
        ("access_life_s", json!(3600)),
    ] {
        let world = World::penniless();
        world.switch(switch, value.clone());
        let order = world.paid_order();
        world.run_for(minutes(60));
        assert_eq!(world.judge(&order, &format!("{switch} {value}")), End::Closed);
    }
}
