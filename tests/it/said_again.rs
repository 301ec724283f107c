//! Payouts that a restored database takes for open while the journal, or PayPal, knows that they came to nothing: what was
//! paid by other means is not paid again, and what came back is booked. Judged by the far sides' own book.

use crate::by_hand::{code, once};
use crate::forgotten::{all_released, attempts, clear, hours, last_came_back, paid_by_the_bank, refuse};
use crate::money::minutes;
use crate::refunds::agrees;
use crate::world::{World, policy};
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use serde_json::json;

fn bought() -> (World, OrderId) {
    let world = World::with(Policy { is_auto_pay: false, ..policy() });
    postsale::assure::reconcile::run(&world.engine).unwrap().unwrap();
    let order = world.paid_order();
    world.run_for(minutes(10));
    (world, order)
}

fn supplier_is_paid(world: &World, order: &OrderId) {
    let bought = world.engine.plan(order).unwrap().0.purchase.unwrap();
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
}

/// PayPal refused the payouts for want of money, so they were still to be sent; the bank paid them. The database is older
/// than that word, and in one case older than the payouts.
#[test]
fn a6_a_payout_still_to_be_sent_is_not_sent_after_the_bank_paid_it() {
    for knows_the_payouts in [false, true] {
        let (mut world, order) = bought();
        let mut older = world.copy_of_files();
        refuse(&world, "paypal.payout", "INSUFFICIENT_FUNDS", 1_000_000);
        supplier_is_paid(&world, &order);
        world.run_for(minutes(30));
        if knows_the_payouts {
            older = world.copy_of_files();
        }
        let mut paid = 0;
        for _ in 0..3 {
            for row in attempts(&world, &order) {
                paid += usize::from(paid_by_the_bank(&world, &order, &row, "first") == "now");
            }
            world.run_for(minutes(30));
        }
        assert_eq!(paid, 2, "{}", world.show(&order));
        clear(&world);
        world.put_back(older);
        world.run_for(hours(1));
        all_released(&world, &order);
        for _ in 0..3 {
            let _ = world.engine.release(&order, "tester").unwrap();
            world.run_days(2);
        }
        assert_eq!(world.book("payouts").len(), 0, "{}", world.show(&order));
        for _ in 0..2 {
            for row in attempts(&world, &order) {
                let _ = paid_by_the_bank(&world, &order, &row, "again");
            }
            let _ = world.engine.release(&order, "tester").unwrap();
            world.run_days(2);
        }
        assert_eq!(
            (world.book("payouts").len(), world.stage(&order).as_str()),
            (0, "closed"),
            "{}",
            world.show(&order)
        );
        agrees(&world);
    }
}

/// The database was copied while PayPal showed the payout as under way or unclaimed; later it came back and another
/// attempt paid.
#[test]
fn what_was_under_way_and_came_back_is_booked_by_an_older_database() {
    for lies in ["PENDING", "UNCLAIMED"] {
        let (mut world, order) = bought();
        let is_pending = lies == "PENDING";
        world.switch("payout_outcome", json!(if is_pending { "SUCCESS" } else { lies }));
        world.switch("payout_settle_ms", json!(if is_pending { 86_400_000 } else { 1000 }));
        supplier_is_paid(&world, &order);
        world.run_for(minutes(30));
        assert_eq!(world.book("payouts").iter().filter(|p| p["status"] == lies).count(), 2, "{}", world.show(&order));
        let older = world.copy_of_files();
        for payout in world.book("payouts") {
            let path = format!("/__control/paypal/payouts/{}", payout["batchId"].as_str().unwrap());
            assert_eq!(world.plug.control("POST", &path, &json!({ "item": "RETURNED" })).0, 200);
        }
        world.switch("payout_outcome", json!("SUCCESS"));
        world.switch("payout_settle_ms", json!(1000));
        world.run_for(hours(3));
        for row in attempts(&world, &order).into_iter().filter(|row| row.state == "void") {
            assert_eq!(code(world.engine.approve_payout_once(&once(&row.key), &order, &row.key, "t")), "now");
        }
        world.run_for(hours(3));
        assert_eq!(world.stage(&order), "closed", "{lies} {}", world.show(&order));
        agrees(&world);
        world.put_back(older);
        world.run_for(hours(1));
        all_released(&world, &order);
        world.run_days(5);
        for _ in 0..2 {
            world.wind(hours(25));
            world.engine.look_back_at_payouts().unwrap();
        }
        assert_eq!(world.stage(&order), "closed", "{lies} {}", world.show(&order));
        agrees(&world);
    }
}

/// A payout that counts as paid in the older database had come back, and the bank paid it: the word is not booked beside a
/// payout that is gone.
#[test]
fn a6_a_payout_that_came_back_is_looked_at_before_the_bank_is_booked_beside_it() {
    let (mut world, order) = bought();
    supplier_is_paid(&world, &order);
    world.run_for(hours(2));
    let older = world.copy_of_files();
    let void = last_came_back(&world, &order);
    assert_eq!(paid_by_the_bank(&world, &order, &void, "first"), "now");
    world.put_back(older);
    world.run_for(minutes(5));
    world.fault("paypal.batch", "status_500", "before_commit", 1_000_000);
    assert_eq!(paid_by_the_bank(&world, &order, &void, "blind"), "not_proven", "{}", world.show(&order));
    clear(&world);
    assert_eq!(paid_by_the_bank(&world, &order, &void, "again"), "now", "{}", world.show(&order));
    let owes = || ["receivable:platform", "receivable:seller"].map(|account| world.balance(account));
    assert_eq!(owes(), [0, 0], "{}", world.show(&order));
    all_released(&world, &order);
    let _ = world.engine.release(&order, "tester").unwrap();
    world.run_days(5);
    assert_eq!((world.stage(&order).as_str(), owes()), ("closed", [0, 0]), "{}", world.show(&order));
    agrees(&world);
}
