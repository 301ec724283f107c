//! Money back to the buyer: ordered by a person, sent once, booked as what it is; on PayPal's site; taken back by
//! PayPal. Judged by the far sides' own books.

use crate::by_hand::{code, once};
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::assure::compare::compare;
use postsale::domain::claim::Recipient;
use postsale::domain::money::Money;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{Limits, PaidBy, Policy, Purchasing};
use postsale::domain::settlement::SupplierRefund;
use postsale::engine::ending::BackWanted;
use postsale::store;
use postsale::store::checks::{self, When};
use serde_json::{Value, json};

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

pub fn back(amount: Option<&str>) -> BackWanted {
    BackWanted { amount: amount.map(usd), reason: "broken on the way".to_owned(), is_again: false, is_confirmed: false }
}

pub fn refund(world: &World, order: &OrderId, key: &str, wanted: &BackWanted) -> &'static str {
    code(world.engine.refund_once(&once(key), order, wanted, "tester"))
}

/// A shop in which somebody has to say yes before goods are bought.
fn waiting_shop() -> World {
    World::penniless_with(Policy { purchasing: Purchasing::Manual, ..policy() })
}

fn captured(world: &World) -> OrderId {
    let order = world.paid_order();
    world.run_for(minutes(5));
    order
}

/// The last capture in PayPal's own book.
fn capture_id(world: &World) -> String {
    world.book("captures").last().unwrap()["id"].as_str().unwrap().to_owned()
}

fn control(world: &World, path: &str, body: &Value) {
    let (status, said) = world.plug.control("POST", path, body);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
}

fn sale(world: &World, order: &OrderId) -> postsale::domain::sale::Sale {
    world.engine.store.read(|c| store::sales::find(c, order)).unwrap().unwrap()
}

/// Books that add up, the far side's beside ours.
pub fn agrees(world: &World) {
    world.judge_books("refunds");
    let compared = compare(&world.engine.store, &world.plug.book()).unwrap();
    let differing: Vec<_> = compared.rows.iter().filter(|row| !row.agrees() && row.kind != "balance").collect();
    assert!(differing.is_empty() && compared.doubles.is_empty(), "{differing:#?} {:?}", compared.doubles);
    let when = When { now: world.now(), ladder: world.policy.ladder(), is_deep: true };
    for check in checks::table() {
        let found = world.engine.store.read(|c| check.look(c, &when)).unwrap();
        assert!(found.is_empty(), "{}: {found:?}", check.id);
    }
    // What the books began with, if they did not begin with nothing.
    let more = world.balance("paypal:available") - world.paypal_earned();
    assert!(more == 0 || more == 100_000, "not PayPal's own balance: {more} more");
}

#[test]
fn a14_cancelling_a_captured_order_gives_it_all_back() {
    let world = waiting_shop();
    let order = captured(&world);
    assert_eq!(code(world.engine.cancel_once(&once("k1"), &order, "the buyer wrote", "tester")), "now");
    world.run_for(minutes(5));
    let refunds = world.book("refunds");
    assert_eq!((refunds.len(), refunds[0]["amount"].as_str()), (1, Some("25.00")), "{}", world.show(&order));
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    assert!(world.engine.plan(&order).unwrap().0.order.closed_at.is_some(), "{}", world.show(&order));
    assert!(!world.show(&order).contains("the buyer wrote"), "a reason may name people");
    assert_eq!((world.balance("buyer_deposits"), world.balance("refunds")), (0, 0));
    agrees(&world);
    assert_eq!(refund(&world, &order, "k2", &back(None)), "nothing_left");
    assert_eq!(world.book("purchases").len(), 0);
}

#[test]
fn a14_a_refund_before_the_purchase_lowers_the_ceiling_and_the_sale() {
    let world = waiting_shop();
    let order = captured(&world);
    assert_eq!(refund(&world, &order, "k1", &back(Some("5.00"))), "now");
    assert_eq!(refund(&world, &order, "k1", &back(Some("5.00"))), "before");
    world.run_for(minutes(5));
    assert_eq!(world.balance("buyer_deposits"), -2000, "{}", world.show(&order));
    let approval = postsale::domain::guards::Approval { quote_hash: None, overrides: Vec::new(), expires_at: None };
    world.engine.approve(&order, &approval, None, "tester").unwrap();
    world.run_for(minutes(10));
    let ceiling = world.engine.plan(&order).unwrap().0.purchase.unwrap().ceiling;
    let sale = sale(&world, &order);
    // 25.00 less 5.00, PayPal's fee and the least profit of 1.00.
    assert_eq!(ceiling.minor, 2000 - sale.fee.minor - 100);
    assert_eq!((sale.version, sale.gross), (2, usd("20.00")));
    assert_eq!(sale.profit.minor + sale.commission.minor, 2000 - sale.fee.minor - sale.supplier_total.minor);
    assert!(sale.is_payout_executed, "{}", world.show(&order));
    assert_eq!((world.balance("buyer_deposits"), world.balance("refunds")), (0, 500));
    for account in ["payable:platform", "payable:seller", "receivable:platform", "receivable:seller"] {
        assert_eq!(world.balance(account), 0, "{account}");
    }
    agrees(&world);
}

#[test]
fn a14_a_refund_too_many_or_too_soon_is_refused() {
    let world = waiting_shop();
    let order = captured(&world);
    let euros = BackWanted { amount: Some(Money { currency: eur(), ..usd("1.00") }), ..back(None) };
    assert_eq!(refund(&world, &order, "k1", &euros), "other_currency");
    assert_eq!(refund(&world, &order, "k2", &back(Some("25.01"))), "over_refundable");
    assert_eq!(refund(&world, &order, "k3", &back(Some("5.00"))), "now");
    assert_eq!(refund(&world, &order, "k4", &back(Some("5.00"))), "refunded_lately");
    let again = BackWanted { is_again: true, ..back(Some("5.00")) };
    assert_eq!(refund(&world, &order, "k4", &again), "now");
    world.run_for(minutes(5));
    assert_eq!(world.book("refunds").len(), 2);
    world.run_for(hours(25));
    assert_eq!(refund(&world, &order, "k5", &back(Some("15.01"))), "over_refundable");
    assert_eq!(refund(&world, &order, "k6", &back(None)), "now");
    world.run_for(minutes(5));
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    agrees(&world);

    let world = World::penniless();
    let unpaid = world.checkout();
    assert_eq!(refund(&world, &unpaid, "k7", &back(None)), "not_paid");
    let channel = world.take(&world.report("1001"));
    assert_eq!(refund(&world, &channel, "k8", &back(None)), "no_capture");
}

fn eur() -> postsale::domain::money::Currency {
    postsale::domain::money::Currency::new("EUR").unwrap()
}

#[test]
fn b_a_refund_after_the_payouts_leaves_what_was_overpaid() {
    let world = World::penniless();
    let order = captured(&world);
    world.run_for(hours(2));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    let before = sale(&world, &order);
    assert_eq!(refund(&world, &order, "k1", &back(Some("10.00"))), "now");
    world.run_for(hours(2));
    let after = sale(&world, &order);
    assert_eq!((after.version, after.gross), (2, usd("15.00")), "{}", world.show(&order));
    let lost = |part: fn(&postsale::domain::sale::Sale) -> Money| part(&before).minor - part(&after).minor;
    let (platform, seller) = (lost(|s| s.commission), lost(|s| s.profit));
    assert_eq!(platform + seller, 1000);
    assert_eq!((world.balance("receivable:platform"), world.balance("receivable:seller")), (platform, seller));
    assert_eq!((world.balance("payable:platform"), world.balance("payable:seller")), (0, 0));
    assert_eq!((world.balance("refunds"), world.book("payouts").len()), (1000, 2));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    agrees(&world);
}

/// What was overpaid is taken off the next legs, to the cent; a leg that is netted to nothing is not paid out.
#[test]
fn b_what_a_recipient_owes_is_netted_against_his_next_legs() {
    let legs = |world: &World, order: &OrderId| {
        let of = |recipient| sale(world, order).legs().unwrap().into_iter().find(|leg| leg.recipient == recipient);
        [Recipient::Platform, Recipient::Seller].map(|recipient| of(recipient).unwrap().amount.minor)
    };
    let paid = |world: &World, after: usize| {
        let amounts = world.book("payouts").into_iter().skip(after).map(|p| usd(p["amount"].as_str().unwrap()).minor);
        let mut amounts: Vec<_> = amounts.collect();
        amounts.sort_unstable();
        amounts
    };
    let owed = |world: &World| {
        [Recipient::Platform, Recipient::Seller].map(|recipient| world.balance(&format!("receivable:{recipient}")))
    };
    let has = |world: &World, order: &OrderId, kind: &str| {
        world.timeline(order).iter().filter(|line| line.contains(&format!(" {kind} "))).count()
    };
    // A part: the next legs are smaller by it.
    let world = World::new();
    let first = world.paid_order_of(1);
    world.run_for(hours(2));
    let all = legs(&world, &first);
    assert_eq!(refund(&world, &first, "k1", &back(Some("2.00"))), "now");
    world.run_for(hours(1));
    let debts = owed(&world);
    assert!(debts.iter().all(|debt| *debt > 0), "{debts:?}");
    let next = world.paid_order_of(2);
    world.run_for(hours(2));
    assert_eq!(legs(&world, &next), all);
    let mut rest = [all[0] - debts[0], all[1] - debts[1]];
    rest.sort_unstable();
    assert_eq!((paid(&world, 2), owed(&world)), (rest.to_vec(), [0, 0]), "{}", world.show(&next));
    assert!(sale(&world, &next).is_payout_executed, "SUCCESS of all that was left");
    assert_eq!((world.stage(&next).as_str(), has(&world, &next, "set_off")), ("closed", 2), "{}", world.show(&next));
    agrees(&world);
    // PayPal gives the refund up: it was no debt, and the next legs are larger by it.
    let id = world.book("refunds")[0]["id"].as_str().unwrap().to_owned();
    control(&world, &format!("/__control/paypal/refunds/{id}"), &json!({ "status": "FAILED" }));
    world.engine.paypal_rang(&first).unwrap();
    world.run_for(hours(1));
    assert_eq!(owed(&world), debts.map(|debt| -debt), "{}", world.show(&first));
    let last = world.paid_order_of(3);
    world.run_for(hours(2));
    let mut more = [all[0] + debts[0], all[1] + debts[1]];
    more.sort_unstable();
    assert_eq!((paid(&world, 4), owed(&world)), (more.to_vec(), [0, 0]), "{}", world.show(&last));
    agrees(&world);

    // All of it: the next order pays nobody, is closed all the same, and its flag stays for PayPal's proof.
    let world = World::new();
    let first = world.paid_order_of(1);
    world.run_for(hours(2));
    assert_eq!(refund(&world, &first, "k1", &back(None)), "now");
    world.run_for(hours(1));
    let next = world.paid_order_of(2);
    world.run_for(hours(2));
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&next));
    assert_eq!((world.stage(&next).as_str(), has(&world, &next, "settled_by_setoff")), ("closed", 2));
    assert!(!sale(&world, &next).is_payout_executed);
    assert_eq!((world.balance("payable:platform"), world.balance("payable:seller")), (0, 0));
    // What the goods cost and PayPal kept is a loss of the seller's, and still to be netted.
    let lost = -sale(&world, &first).profit.minor;
    assert_eq!(owed(&world), [0, lost], "{}", world.show(&next));
    agrees(&world);
}

pub fn supplier_gives(world: &World, order: &OrderId, amount: &str) {
    let purchase = world.engine.store.read(|c| store::purchases::live(c, order)).unwrap().unwrap();
    let supplier_order_id = purchase.supplier_orders[0].id.clone();
    let refund = SupplierRefund { supplier_order_id, reference: "S1".to_owned(), amount: usd(amount) };
    assert_eq!(code(world.engine.supplier_refund_once(&once(amount), order, &refund, "tester")), "now");
}

/// What a correction added to a leg after its payout is netted as far as the recipient owes; that payout stays what it was.
#[test]
fn a_debt_is_netted_against_what_a_correction_added_to_a_paid_leg() {
    let world = World::new();
    let (grows, smaller) = (world.paid_order_of(1), world.paid_order_of(2));
    world.run_for(hours(2));
    assert_eq!(refund(&world, &smaller, "k1", &back(Some("2.00"))), "now");
    world.run_for(hours(1));
    supplier_gives(&world, &grows, "5.00");
    world.run_for(hours(1));
    assert!(world.waits_for(&grows).starts_with("pay_otherwise"), "{}", world.show(&grows));
    let netted = world.timeline(&grows).iter().filter(|line| line.contains(" set_off ")).count();
    assert_eq!((netted, world.book("payouts").len()), (2, 4), "{}", world.show(&grows));
    agrees(&world);
}

/// Both legs were paid as they stood when they were asked for; the set-off that completes the last one completes the sale.
#[test]
fn a_set_off_that_completes_the_last_leg_completes_the_sale() {
    let world = World::new();
    world.switch("payout_settle_ms", json!(400 * 86_400_000_i64));
    let grows = world.paid_order_of(1);
    world.run_for(hours(2));
    supplier_gives(&world, &grows, "1.00");
    for payout in world.book("payouts") {
        let path = format!("/__control/paypal/payouts/{}", payout["batchId"].as_str().unwrap());
        control(&world, &path, &json!({ "item": "SUCCESS" }));
    }
    world.switch("payout_settle_ms", json!(1000));
    world.run_for(hours(24));
    assert!(world.waits_for(&grows).starts_with("pay_otherwise"), "{}", world.show(&grows));
    assert!(!sale(&world, &grows).is_payout_executed, "more is owed than was paid");
    let smaller = world.paid_order_of(2);
    world.run_for(hours(2));
    assert_eq!(refund(&world, &smaller, "k1", &back(Some("5.00"))), "now");
    world.run_for(hours(1));
    world.engine.paypal_rang(&grows).unwrap();
    world.run_for(hours(1));
    assert!(sale(&world, &grows).is_payout_executed, "{}", world.show(&grows));
    assert!(world.timeline(&grows).iter().any(|line| line.contains(" payout_executed ")));
    assert_eq!((world.stage(&grows).as_str(), world.book("payouts").len()), ("closed", 4), "{}", world.show(&grows));
    agrees(&world);
}

#[test]
fn b_a_refund_before_the_payouts_makes_the_legs_smaller() {
    let mut slow = policy();
    slow.payouts.as_mut().unwrap().hold_days = 2;
    for paid_by in [PaidBy::Owner, PaidBy::Seller] {
        // PayPal's payout fees are the shop's, which needs money of its own to pay a seller who laid everything out.
        let world = World::with(Policy { paid_by, ..slow.clone() });
        let order = captured(&world);
        assert_eq!(world.stage(&order), "sold", "{}", world.show(&order));
        assert_eq!(refund(&world, &order, "k1", &back(Some("5.00"))), "now");
        world.run_for(hours(24 * 4));
        let sale = sale(&world, &order);
        assert_eq!((sale.version, sale.is_payout_executed), (2, true), "{}", world.show(&order));
        let mut paid: Vec<_> = world.book("payouts").iter().map(|p| p["amount"].as_str().map(usd).unwrap()).collect();
        let mut legs: Vec<_> = sale.legs().unwrap().into_iter().map(|leg| leg.amount).collect();
        paid.sort_by_key(|m| m.minor);
        legs.sort_by_key(|m| m.minor);
        assert_eq!(paid, legs, "{paid_by}");
        for account in ["payable:platform", "payable:seller", "receivable:platform", "receivable:seller"] {
            assert_eq!(world.balance(account), 0, "{paid_by} {account}");
        }
        agrees(&world);
    }
}

#[test]
fn a3_all_given_back_nothing_is_paid_any_more() {
    let mut slow = policy();
    slow.payouts.as_mut().unwrap().hold_days = 2;
    let world = World::penniless_with(slow);
    let order = captured(&world);
    assert_eq!(refund(&world, &order, "k1", &back(None)), "now");
    world.run_days(70);
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    let (trade, sale) = (world.engine.plan(&order).unwrap().0, sale(&world, &order));
    assert!(trade.order.closed_at.is_some(), "{}", world.show(&order));
    assert_eq!((sale.gross, sale.commission), (usd("0.00"), usd("0.00")));
    assert_eq!(sale.profit.minor, -sale.fee.minor - sale.supplier_total.minor);
    assert_eq!((world.book("payouts").len(), world.balance("payable:platform")), (0, 0));
    agrees(&world);
}

#[test]
fn a12_with_the_goods_placed_and_unpaid_it_says_do_not_pay() {
    let world = World::penniless_with(Policy { is_auto_pay: false, ..policy() });
    let order = captured(&world);
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    assert_eq!(code(world.engine.cancel_once(&once("k0"), &order, "no", "tester")), "refund_first");
    assert_eq!(refund(&world, &order, "k1", &back(None)), "now");
    world.run_for(minutes(30));
    assert!(world.waits_for(&order).starts_with("do_not_pay"), "{}", world.show(&order));
    let queue = world.engine.store.read(|c| store::queue::list(c, None, 10, world.now())).unwrap();
    assert_eq!(queue.len(), 1, "a refunded order that holds stands in the queue");
    // The supplier closes it unpaid; two readings a day apart make that a fact.
    world.run_days(45);
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    assert!(world.engine.plan(&order).unwrap().0.order.closed_at.is_some(), "{}", world.show(&order));
    agrees(&world);
}

#[test]
fn a15_stop_keeps_a_refund_in_unless_it_was_confirmed() {
    let world = waiting_shop();
    let (waits, goes) = (world.paid_order_of(1), world.paid_order_of(2));
    world.run_for(minutes(5));
    world.engine.stop("tester").unwrap();
    assert_eq!(refund(&world, &waits, "k1", &back(None)), "now");
    assert_eq!(refund(&world, &goes, "k2", &BackWanted { is_confirmed: true, ..back(None) }), "now");
    world.run_for(hours(1));
    assert_eq!(world.book("refunds").len(), 1);
    assert_eq!(world.stage(&goes), "refunded", "{}", world.show(&goes));
    assert!(world.waits_for(&waits).contains("STOP"), "{}", world.show(&waits));
    world.engine.resume("tester").unwrap();
    world.run_for(minutes(5));
    assert_eq!(world.stage(&waits), "refunded", "{}", world.show(&waits));
    agrees(&world);
}

#[test]
fn a15_stop_keeps_the_resend_of_a_confirmed_refund_in() {
    let world = waiting_shop();
    let order = captured(&world);
    world.fault("paypal.refund", "timeout", "before_commit", 1);
    world.engine.stop("tester").unwrap();
    assert_eq!(refund(&world, &order, "k1", &BackWanted { is_confirmed: true, ..back(None) }), "now");
    world.run_for(hours(30));
    assert_eq!(world.book("refunds").len(), 0, "{}", world.show(&order));
    world.engine.resume("tester").unwrap();
    world.run_for(hours(30));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    agrees(&world);
}

#[test]
fn a_hold_does_not_stop_a_refund_and_the_daily_cap_does_for_a_while() {
    let limits = Limits { refunds_per_day: 1, ..policy().limits };
    let world = World::penniless_with(Policy { purchasing: Purchasing::Manual, limits, ..policy() });
    let (first, second) = (world.paid_order_of(1), world.paid_order_of(2));
    world.run_for(minutes(5));
    for (order, key) in [(&first, "k1"), (&second, "k2")] {
        world.engine.hold(order, "odd", "tester").unwrap();
        assert_eq!(refund(&world, order, key, &back(None)), "now");
    }
    world.run_for(hours(1));
    assert_eq!(world.book("refunds").len(), 1);
    let waiting = [&first, &second].into_iter().filter(|order| world.waits_for(order).contains("cap")).count();
    assert_eq!(waiting, 1, "{} {}", world.show(&first), world.show(&second));
    world.run_for(hours(24));
    assert_eq!(world.book("refunds").len(), 2, "{} {}", world.show(&first), world.show(&second));
    agrees(&world);
}

#[test]
fn a14_a_refund_waits_for_a_pending_capture() {
    let world = waiting_shop();
    control(&world, "/__control/paypal/next-capture", &json!({ "status": "PENDING" }));
    let order = captured(&world);
    assert_eq!(code(world.engine.cancel_once(&once("k1"), &order, "no", "tester")), "now");
    world.run_for(hours(5));
    assert_eq!(world.book("refunds").len(), 0);
    control(&world, &format!("/__control/paypal/captures/{}", capture_id(&world)), &json!({ "status": "COMPLETED" }));
    world.run_for(hours(5));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    agrees(&world);

    control(&world, "/__control/paypal/next-capture", &json!({ "status": "PENDING" }));
    let order = captured(&world);
    assert_eq!(code(world.engine.cancel_once(&once("k2"), &order, "no", "tester")), "now");
    control(&world, &format!("/__control/paypal/captures/{}", capture_id(&world)), &json!({ "status": "DECLINED" }));
    world.run_for(hours(5));
    assert!(world.engine.plan(&order).unwrap().0.order.closed_at.is_some(), "{}", world.show(&order));
    assert_eq!(world.book("refunds").len(), 1);
}

#[test]
fn refunds_that_paypal_takes_its_time_over_refuses_or_gives_up() {
    let world = waiting_shop();
    world.switch("refund_outcome", json!("PENDING"));
    let order = captured(&world);
    assert_eq!(refund(&world, &order, "k1", &back(None)), "now");
    world.run_for(hours(3));
    assert!(world.waits_for(&order).contains("refund in hand"), "{}", world.show(&order));
    assert_eq!(world.balance("buyer_deposits"), -2500, "not booked before it is completed");
    let id = world.book("refunds")[0]["id"].as_str().unwrap().to_owned();
    control(&world, &format!("/__control/paypal/refunds/{id}"), &json!({ "status": "FAILED" }));
    world.run_for(hours(12));
    assert!(world.waits_for(&order).starts_with("refund_problem"), "{}", world.show(&order));
    assert_eq!(world.engine.plan(&order).unwrap().0.refundable(), usd("25.00"));
    world.switch("refund_outcome", json!("COMPLETED"));
    assert_eq!(refund(&world, &order, "k2", &back(None)), "now");
    world.run_for(hours(1));
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    agrees(&world);

    for (issue, held) in [("REFUND_TIME_LIMIT_EXCEEDED", true), ("REFUND_FAILED_INSUFFICIENT_FUNDS", false)] {
        let world = waiting_shop();
        world.switch("refund_issue", json!(issue));
        let order = captured(&world);
        assert_eq!(refund(&world, &order, "k1", &back(None)), "now");
        world.run_for(hours(3));
        assert_eq!(world.waits_for(&order).starts_with("refund_refused"), held, "{issue}: {}", world.show(&order));
        world.switch("refund_issue", json!(""));
        world.run_for(hours(3));
        assert_eq!(world.book("refunds").len(), usize::from(!held), "{issue}: {}", world.show(&order));
        assert_eq!(world.stage(&order) == "refunded", !held);
        agrees(&world);
    }
}

#[test]
fn a_completed_refund_that_paypal_gives_up_is_booked_back() {
    let world = World::penniless();
    let order = captured(&world);
    assert_eq!(refund(&world, &order, "k1", &back(Some("10.00"))), "now");
    world.run_for(minutes(5));
    assert_eq!(sale(&world, &order).gross, usd("15.00"), "{}", world.show(&order));
    let id = world.book("refunds")[0]["id"].as_str().unwrap().to_owned();
    control(&world, &format!("/__control/paypal/refunds/{id}"), &json!({ "status": "FAILED" }));
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(hours(1));
    assert_eq!((sale(&world, &order).gross, sale(&world, &order).version), (usd("25.00"), 3), "{}", world.show(&order));
    assert_eq!(world.balance("refunds"), 0);
    assert!(world.waits_for(&order).starts_with("refund_problem"), "{}", world.show(&order));
    agrees(&world);
}

#[test]
fn a17_what_happens_on_paypals_site_is_booked_as_what_it_is() {
    // Sold and closed; then somebody refunds a part on the site.
    let world = World::penniless();
    let order = captured(&world);
    world.run_for(hours(2));
    assert_eq!(world.stage(&order), "closed");
    let capture = capture_id(&world);
    control(&world, &format!("/__control/paypal/captures/{capture}/refund"), &json!({ "amount": "7.00" }));
    world.engine.paypal_rang(&order).unwrap();
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(hours(1));
    assert_eq!((sale(&world, &order).gross, world.balance("refunds")), (usd("18.00"), 700), "{}", world.show(&order));
    assert_eq!(world.engine.plan(&order).unwrap().0.refundable(), usd("18.00"));
    assert_eq!(world.stage(&order), "closed");
    agrees(&world);
    // Then the bank takes the rest.
    control(&world, &format!("/__control/paypal/captures/{capture}"), &json!({ "status": "REVERSED" }));
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(hours(1));
    assert_eq!((world.balance("refunds"), world.balance("chargebacks")), (700, 1800), "{}", world.show(&order));
    assert_eq!(world.stage(&order), "refunded");
    assert_eq!(refund(&world, &order, "k1", &back(None)), "nothing_left");
    agrees(&world);

    // Before anything is bought: nothing is bought any more.
    let world = waiting_shop();
    let order = captured(&world);
    control(&world, &format!("/__control/paypal/captures/{}/refund", capture_id(&world)), &json!({}));
    world.engine.paypal_rang(&order).unwrap();
    world.run_for(hours(1));
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    assert_eq!((world.balance("buyer_deposits"), world.book("purchases").len()), (0, 0));
    agrees(&world);
}

#[test]
fn a_refund_on_the_site_beside_ours_is_never_sent_again() {
    let world = waiting_shop();
    let order = captured(&world);
    control(&world, &format!("/__control/paypal/captures/{}/refund", capture_id(&world)), &json!({}));
    // Nobody rang: we order the same money back, and PayPal says that it is gone.
    assert_eq!(refund(&world, &order, "k1", &back(None)), "now");
    world.run_for(hours(1));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    assert_eq!(world.stage(&order), "refunded", "{}", world.show(&order));
    agrees(&world);
}
