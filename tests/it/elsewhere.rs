//! Money that moved where no far side can be asked, by a person's word: a channel settles, the supplier gives money
//! back, a leg is paid by other means. Judged by our books and by what PayPal was asked to pay.

use crate::by_hand::{code, once};
use crate::refunds::{agrees, back, refund};
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{PaidBy, Policy};
use postsale::domain::sale::Sale;
use postsale::domain::settlement::{SettledTo, Settlement, SupplierRefund};
use postsale::engine::intake::Report;
use postsale::store;
use serde_json::json;

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

fn settlement(reference: &str, amount: &str, fee: Option<&str>) -> Settlement {
    let (amount, fee) = (usd(amount), fee.map(usd));
    Settlement { reference: reference.to_owned(), amount, fee, account: SettledTo::Paypal }
}

fn settle(world: &World, order: &OrderId, key: &str, settlement: &Settlement) -> &'static str {
    code(world.engine.settle_once(&once(key), order, settlement, world.now(), "tester"))
}

fn gave_back(world: &World, order: &OrderId, key: &str, refund: &SupplierRefund) -> &'static str {
    code(world.engine.supplier_refund_once(&once(key), order, refund, "tester"))
}

fn paid(world: &World, order: &OrderId, payout: &str, key: &str, reference: &str) -> &'static str {
    code(world.engine.mark_paid_once(&once(key), order, payout, reference, "tester"))
}

fn sale(world: &World, order: &OrderId) -> Sale {
    world.engine.store.read(|c| store::sales::find(c, order)).unwrap().unwrap()
}

fn is_closed(world: &World, order: &OrderId) -> bool {
    world.engine.plan(order).unwrap().0.order.closed_at.is_some()
}

/// An order of a channel that holds 25.00 less its fee of 1.50; the goods are bought and sold.
fn sold(world: &World) -> OrderId {
    let order = world.take(&world.report("1001"));
    world.run_for(hours(1));
    assert_eq!(world.waits_for(&order), "the channel still holds the money", "{}", world.show(&order));
    order
}

fn clear(world: &World) {
    for account in ["payable:platform", "payable:seller", "receivable:platform", "receivable:seller"] {
        assert_eq!(world.balance(account), 0, "{account}");
    }
}

#[test]
fn a7_profit_of_a_channels_order_leaves_after_the_channel_has_settled() {
    let world = World::new();
    let order = sold(&world);
    assert_eq!(world.balance("channel_funds:etsy"), 2350);
    assert_eq!(settle(&world, &order, "k1", &settlement("S1", "23.51", None)), "over_owed");
    assert_eq!(settle(&world, &order, "k2", &settlement("S1", "20.00", None)), "now");
    assert_eq!(settle(&world, &order, "k2", &settlement("S1", "20.00", None)), "before");
    world.run_for(hours(1));
    assert_eq!(world.book("payouts").len(), 0, "a part is not all of it");
    // The same reference is the same fact, whatever key it comes under; with other content it is none.
    assert_eq!(settle(&world, &order, "k3", &settlement("S1", "20.00", None)), "now");
    assert_eq!(settle(&world, &order, "k4", &settlement("S1", "3.50", None)), "other_content");
    assert_eq!(world.balance("channel_funds:etsy"), 350);
    assert_eq!(settle(&world, &order, "k5", &settlement("S2", "3.50", None)), "now");
    world.run_for(hours(1));
    assert_eq!((world.book("payouts").len(), world.balance("channel_funds:etsy")), (2, 0), "{}", world.show(&order));
    assert!(sale(&world, &order).is_payout_executed && is_closed(&world, &order), "{}", world.show(&order));
    clear(&world);
    world.judge_books("settled");
    let checkout = world.checkout();
    assert_eq!(settle(&world, &checkout, "k6", &settlement("S3", "1.00", None)), "not_held_by_channel");
}

#[test]
fn a_fee_told_by_the_settlement_is_the_sales_fee() {
    // Known before: the difference is a version of the sale.
    let world = World::new();
    let order = sold(&world);
    let before = sale(&world, &order);
    assert_eq!(settle(&world, &order, "k1", &settlement("S1", "23.01", Some("2.00"))), "over_owed");
    let bank = Settlement { account: SettledTo::Bank, ..settlement("S1", "23.00", Some("2.00")) };
    assert_eq!(settle(&world, &order, "k2", &bank), "now");
    world.run_for(hours(1));
    let after = sale(&world, &order);
    assert_eq!((after.version, after.fee), (2, usd("2.00")), "{}", world.show(&order));
    assert_eq!(before.profit.minor + before.commission.minor - 50, after.profit.minor + after.commission.minor);
    assert_eq!((world.balance("channel_funds:etsy"), world.balance("channel_fees")), (0, 200));
    assert_eq!((world.balance("bank"), world.book("payouts").len()), (2300, 2));
    clear(&world);

    // Not known before: nothing could be sold without it.
    let world = World::new();
    let order = world.take(&Report { fee: None, ..world.report("1002") });
    world.run_for(hours(1));
    assert!(world.engine.plan(&order).unwrap().0.sale.is_none(), "{}", world.show(&order));
    assert_eq!(settle(&world, &order, "k1", &settlement("S1", "23.80", Some("1.20"))), "now");
    let approval = postsale::domain::guards::Approval { quote_hash: None, overrides: Vec::new(), expires_at: None };
    world.engine.approve(&order, &approval, None, "tester").unwrap();
    world.run_for(hours(2));
    assert_eq!(sale(&world, &order).fee, usd("1.20"), "{}", world.show(&order));
    assert!(is_closed(&world, &order), "{}", world.show(&order));
    assert_eq!(world.balance("channel_funds:etsy"), 0);
}

#[test]
fn what_the_supplier_gives_back_is_taken_off_the_cost() {
    for paid_by in [PaidBy::Owner, PaidBy::Seller] {
        let mut slow = policy();
        slow.payouts.as_mut().unwrap().hold_days = 2;
        let world = World::with(Policy { paid_by, ..slow });
        let order = world.paid_order();
        world.run_for(hours(1));
        let before = sale(&world, &order);
        let id = world.book("purchases")[0]["id"].as_str().unwrap().to_owned();
        let back = |amount: &str, reference: &str| SupplierRefund {
            supplier_order_id: id.clone(),
            reference: reference.to_owned(),
            amount: usd(amount),
        };
        assert_eq!(gave_back(&world, &order, "k1", &back("2.00", "R1")), "now");
        assert_eq!(gave_back(&world, &order, "k1", &back("2.00", "R1")), "before");
        assert_eq!(gave_back(&world, &order, "k2", &back("2.00", "R1")), "now", "the same fact");
        assert_eq!(gave_back(&world, &order, "k3", &back("2.01", "R1")), "other_content");
        assert_eq!(gave_back(&world, &order, "k4", &back("6.41", "R2")), "over_paid");
        let other = SupplierRefund { supplier_order_id: "8000000000000000".to_owned(), ..back("1.00", "R3") };
        assert_eq!(gave_back(&world, &order, "k5", &other), "not_paid");
        let after = sale(&world, &order);
        assert_eq!((after.version, after.supplier_total), (2, usd("6.40")), "{}", world.show(&order));
        assert_eq!(before.profit.minor + before.commission.minor + 200, after.profit.minor + after.commission.minor);
        assert_eq!(world.balance("cost_of_goods"), 640);
        world.run_for(hours(24 * 4));
        assert!(sale(&world, &order).is_payout_executed, "{paid_by}: {}", world.show(&order));
        clear(&world);
        agrees(&world);
    }
}

#[test]
fn before_the_sale_the_supplier_gives_back_prepaid_goods() {
    // Two supplier orders would be needed to stop between paid and sold; a fee that nobody told does it too.
    let world = World::new();
    let order = world.take(&Report { fee: None, ..world.report("1001") });
    let all = vec![postsale::domain::guards::Guard::Ceiling, postsale::domain::guards::Guard::Margin];
    let approval = postsale::domain::guards::Approval { quote_hash: None, overrides: all, expires_at: None };
    world.engine.approve(&order, &approval, None, "tester").unwrap();
    world.run_for(hours(1));
    if world.book("purchases").is_empty() {
        // The guards do not let an order go whose fee is unknown, not even with a yes: then there is nothing to give back.
        return assert!(world.waits_for(&order).starts_with("guard"), "{}", world.show(&order));
    }
    let id = world.book("purchases")[0]["id"].as_str().unwrap().to_owned();
    let back = SupplierRefund { supplier_order_id: id, reference: "R1".to_owned(), amount: usd("2.00") };
    assert_eq!(gave_back(&world, &order, "k1", &back), "now");
    assert_eq!(world.balance("supplier:prepaid"), 640);
    assert_eq!(settle(&world, &order, "k2", &settlement("S1", "23.80", Some("1.20"))), "now");
    world.run_for(hours(2));
    assert_eq!((sale(&world, &order).version, world.balance("cost_of_goods")), (2, 640), "{}", world.show(&order));
    assert_eq!(world.balance("supplier:prepaid"), 0);
    clear(&world);
}

#[test]
fn a17_money_back_from_the_supplier_after_the_payouts_is_owed_and_paid_otherwise() {
    let world = World::new();
    let order = world.paid_order();
    world.run_for(hours(2));
    assert!(is_closed(&world, &order), "{}", world.show(&order));
    let id = world.book("purchases")[0]["id"].as_str().unwrap().to_owned();
    let back = SupplierRefund { supplier_order_id: id, reference: "R1".to_owned(), amount: usd("2.00") };
    assert_eq!(gave_back(&world, &order, "k1", &back), "now");
    world.run_for(hours(1));
    // 10 per cent of 2.00 more for the platform, the rest for the seller; never by a second payout.
    assert!(world.waits_for(&order).contains("say mark-paid"), "{}", world.show(&order));
    assert_eq!((world.balance("payable:platform"), world.balance("payable:seller")), (-20, -180));
    let rows = world.engine.store.read(|c| store::money_views::payouts_of(c, &order)).unwrap();
    for row in &rows {
        let key = format!("k-{}", row.recipient);
        assert_eq!(paid(&world, &order, &row.key, &key, "BANK-1"), "now");
        assert_eq!(paid(&world, &order, &row.key, &key, "BANK-1"), "before");
        assert_eq!(paid(&world, &order, &row.key, &format!("{key}2"), "BANK-2"), "nothing_owed");
    }
    world.run_for(hours(1));
    assert!(is_closed(&world, &order), "{}", world.show(&order));
    assert_eq!(world.book("payouts").len(), 2);
    clear(&world);
    agrees(&world);
}

#[test]
fn a_leg_paid_by_other_means_is_never_paid_again() {
    let world = World::new();
    world.switch("payout_outcome", json!("FAILED"));
    let order = world.paid_order();
    world.run_for(hours(1));
    assert!(world.waits_for(&order).starts_with("payout_problem"), "{}", world.show(&order));
    let rows = world.engine.store.read(|c| store::money_views::payouts_of(c, &order)).unwrap();
    let failed = rows.iter().find(|row| row.state == "void").unwrap();
    world.switch("payout_outcome", json!("SUCCESS"));
    assert_eq!(paid(&world, &order, "no-such-payout", "k0", "BANK-1"), "no_payout");
    assert_eq!(paid(&world, &order, &failed.key, "k1", "BANK-1"), "now");
    assert_eq!(paid(&world, &order, &failed.key, "k2", "BANK-2"), "nothing_owed");
    let approved = world.engine.approve_payout_once(&once("k3"), &order, &failed.key, "tester");
    assert_ne!(code(approved), "now");
    world.run_days(3);
    let to = |recipient: &str| {
        let rows = world.engine.store.read(|c| store::money_views::payouts_of(c, &order)).unwrap();
        rows.iter().filter(|row| row.recipient == recipient).count()
    };
    assert_eq!(to(&failed.recipient), 1, "{}", world.show(&order));
    assert!(!sale(&world, &order).is_payout_executed, "the flag is for PayPal's proof");
    assert_eq!(world.balance(&format!("payable:{}", failed.recipient)), 0);
    // The other leg failed as well, or was paid; what is owed of it is paid by hand too.
    let rows = world.engine.store.read(|c| store::money_views::payouts_of(c, &order)).unwrap();
    if let Some(other) = rows.iter().find(|row| row.state == "void" && row.recipient != failed.recipient) {
        assert_eq!(paid(&world, &order, &other.key, "k4", "BANK-3"), "now");
        world.run_days(3);
    }
    assert!(is_closed(&world, &order), "{}", world.show(&order));
    clear(&world);
}

#[test]
fn a_payout_that_may_still_pay_is_never_paid_by_other_means() {
    let world = World::new();
    world.fault("paypal.payout", "timeout", "before_commit", 2);
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(2));
    let rows = world.engine.store.read(|c| store::money_views::payouts_of(c, &order)).unwrap();
    assert!(rows.iter().all(|row| row.is_unknown), "{rows:?}");
    for (row, key) in rows.iter().zip(["k1", "k2"]) {
        assert_eq!(paid(&world, &order, &row.key, key, "BANK-1"), "payout_live");
    }
    world.run_for(hours(3));
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&order));
    for (row, key) in rows.iter().zip(["k3", "k4"]) {
        assert_eq!(paid(&world, &order, &row.key, key, "BANK-1"), "nothing_owed");
    }
}

#[test]
fn a_refund_while_a_payout_is_under_way_and_the_payout_fails() {
    let world = World::new();
    world.switch("payout_settle_ms", json!(3_600_000));
    world.switch("payout_outcome", json!("FAILED"));
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(5));
    let legs = sale(&world, &order);
    assert_eq!(refund(&world, &order, "k1", &back(Some("10.00"))), "now");
    world.run_for(SignedDuration::from_mins(5));
    // While PayPal has the payouts in hand, what they pay too much is owed to us.
    let after = sale(&world, &order);
    assert_eq!(world.balance("receivable:seller"), legs.profit.minor - after.profit.minor, "{}", world.show(&order));
    world.run_for(hours(3));
    // They came to nothing, so nothing was overpaid; what is owed is the smaller leg.
    assert_eq!(world.balance("receivable:seller"), 0, "{}", world.show(&order));
    assert_eq!(world.balance("payable:seller"), -after.profit.minor);
    agrees(&world);
}

fn by_bank(world: &World, order: &OrderId, reference: &str, amount: &str) -> &'static str {
    let paid = Settlement { account: SettledTo::Bank, ..settlement(reference, amount, None) };
    settle(world, order, reference, &paid)
}

/// Money that a channel has paid belongs to somebody: an order that has it is not cancelled, and a cancelled one gets none.
#[test]
fn a_channels_money_and_a_cancelled_order_do_not_go_together() {
    let new = || {
        let world = World::with(Policy { cancel_buffer: SignedDuration::from_hours(1), ..policy() });
        let order = world.take(&world.report("1001"));
        world.run_for(SignedDuration::from_mins(1));
        (world, order)
    };
    let cancel =
        |world: &World, order: &OrderId| code(world.engine.cancel_once(&once("c1"), order, "sold out", "tester"));
    let (world, order) = new();
    assert_eq!((by_bank(&world, &order, "S1", "23.50"), cancel(&world, &order)), ("now", "refund_first"));
    world.run_days(3);
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    assert_eq!(world.balance("channel_funds:etsy"), 0);
    agrees(&world);

    let (world, order) = new();
    assert_eq!((cancel(&world, &order), by_bank(&world, &order, "S1", "23.50")), ("now", "cancelled"));
    world.run_days(3);
    assert_eq!(world.balance("channel_funds:etsy"), 0, "{}", world.show(&order));
    agrees(&world);
}

/// A channel that gave the buyer his money back, or kept more than it told, never pays the rest: somebody has to see it.
#[test]
fn a_channel_that_does_not_pay_stands_in_the_queue_after_a_while() {
    let is_queued = |world: &World| {
        let queue = world.engine.store.read(|c| store::queue::list(c, None, 50, world.now())).unwrap();
        !queue.is_empty()
    };
    // With nobody to pay of it, too.
    let nobody = Policy { payouts: None, ..policy() };
    for (paid, policy) in [(None, policy()), (Some("20.00"), policy()), (None, nobody)] {
        let world = World::with(policy);
        let order = world.take(&world.report("1001"));
        world.run_for(hours(1));
        if let Some(amount) = paid {
            assert_eq!(by_bank(&world, &order, "S1", amount), "now");
        }
        world.run_days(44);
        assert!(!is_queued(&world), "{paid:?}: {}", world.show(&order));
        world.run_days(2);
        assert!(is_queued(&world), "{paid:?}: {}", world.show(&order));
        let said = format!("funds_overdue: the channel has paid {} USD of 25.00 USD", paid.unwrap_or("0.00"));
        assert_eq!(world.waits_for(&order), said);
        let rest = if paid.is_some() { "3.50" } else { "23.50" };
        assert_eq!(by_bank(&world, &order, "S2", rest), "now");
        world.run_days(3);
        assert_eq!(world.stage(&order), "closed", "{paid:?}: {}", world.show(&order));
        agrees(&world);
    }
}
