//! What a supplier's order can turn out to be, and what a person's yes then does: a total that is too high or none at
//! all, an order that ends, parcels that come one by one, an address that no form takes. Judged by the far sides' book.

use crate::by_hand::{code, once};
use crate::judge::{End, assert_at_most_once};
use crate::manual::take_order;
use crate::money::{days, minutes, yes};
use crate::shop::{self, Shop};
use crate::tap::Moment;
use crate::world::{World, buyer, jane, policy, usd};
use postsale::domain::guards::{Approval, Guard};
use postsale::domain::order::{Buyer, OrderId};
use postsale::domain::policy::{Policy, Purchasing};
use postsale::engine::once::NotHeard;
use serde_json::json;
use std::sync::Arc;

/// Nobody pays but the seller, on the supplier's site.
fn by_hand() -> World {
    World::penniless_with(Policy { is_auto_pay: false, ..policy() })
}

fn overriding(guards: &[Guard]) -> Approval {
    Approval { overrides: guards.to_vec(), ..yes() }
}

impl World {
    fn say_yes(&self, order: &OrderId, key: &str, guards: &[Guard]) -> &'static str {
        code(self.engine.approve_once(&once(key), order, &overriding(guards), None, "tester"))
    }

    fn supplier_id(&self) -> String {
        self.book("purchases")[0]["id"].as_str().unwrap().to_owned()
    }

    /// What the supplier says of an order from now on.
    fn force(&self, id: &str, wish: serde_json::Value) {
        let path = format!("/__control/aliexpress/orders/{id}/status");
        assert_eq!(self.plug.control("POST", &path, &wish).0, 200);
    }

    fn has_event(&self, order: &OrderId, kind: &str) -> bool {
        self.timeline(order).iter().any(|line| line.contains(&format!(" {kind} ")))
    }
}

/// A cent over what was approved is held before anybody pays; a yes accepts that total and no other.
#[test]
pub fn a18_a_total_over_the_ceiling_waits_for_a_yes_to_exactly_that() {
    let world = by_hand();
    world.switch("hidden_charge", json!("14.25"));
    let order = world.paid_order();
    world.run_for(minutes(30));
    let says = "over_ceiling: the supplier asks 22.65 USD, approved was at most 22.64 USD; DO NOT PAY; \
                approve with override [ceiling]";
    assert!(world.waits_for(&order).starts_with(says), "{}", world.show(&order));
    assert_eq!(world.say_yes(&order, "k1", &[]), "still_blocked");
    assert_eq!(world.say_yes(&order, "k2", &[Guard::Margin]), "still_blocked");
    assert!(world.waits_for(&order).starts_with("over_ceiling"), "{}", world.show(&order));
    assert_eq!(world.say_yes(&order, "k3", &[Guard::Ceiling]), "now");
    assert_eq!(world.say_yes(&order, "k3", &[Guard::Ceiling]), "before");
    world.run_for(minutes(30));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    // The supplier asks a cent more than what was accepted.
    world.force(&world.supplier_id(), json!({ "total": "22.66" }));
    world.run_for(days(1));
    assert!(world.waits_for(&order).starts_with("over_ceiling"), "{}", world.show(&order));
    assert_eq!(world.say_yes(&order, "k4", &[Guard::Ceiling]), "now");
    world.run_for(minutes(1));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
}

/// A yes that leaves a guard in the way is none, and names what is left; one that names all of them lets it go on.
#[test]
pub fn a_yes_that_changes_nothing_says_so() {
    let world = World::penniless_with(Policy { purchasing: Purchasing::Manual, ..policy() });
    let first = world.take(&world.report("1001"));
    world.run_for(minutes(5));
    assert_eq!(world.say_yes(&first, "k1", &[]), "now", "{}", world.show(&first));
    world.run_for(minutes(5));
    let twin = world.take(&world.report("1002"));
    world.run_for(minutes(5));
    let refused = world.engine.approve_once(&once("k2"), &twin, &yes(), None, "tester");
    let Err(NotHeard::Refused { detail, .. }) = refused else { panic!("{}", world.show(&twin)) };
    assert_eq!(detail, "look_alike: 1 alike within a day; approve with override [look_alike] lets it go on");
    assert!(!world.has_event(&twin, "approved"), "a refused yes is not written down");
    assert_eq!(world.say_yes(&twin, "k3", &[Guard::LookAlike]), "now");
    world.run_for(minutes(5));
    assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&twin));
}

/// A supplier order of nothing is no price: held with a reason, and not tried again and again.
#[test]
pub fn a_total_of_nothing_is_a_hold() {
    let world = by_hand();
    let order = world.paid_order();
    let plug = Arc::clone(&world.plug);
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("aliexpress.get", Moment::Before) {
            let id = plug.book()["purchases"][0]["id"].as_str().unwrap().to_owned();
            plug.control("POST", &format!("/__control/aliexpress/orders/{id}/status"), &json!({ "total": "0.00" }));
        }
    });
    world.run_for(minutes(120));
    assert!(world.waits_for(&order).contains("shows a total of 0.00 USD"), "{}", world.show(&order));
    assert_eq!(world.stage(&order), "held");
    world.tap.leave_alone();
    world.pay_supplier(&world.supplier_id());
    let paid = world.engine.mark_supplier_paid_once(&once("k1"), &order, Some(usd("8.40")), "tester");
    assert_eq!(code(paid), "now");
    world.engine.release(&order, "tester").unwrap();
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "nothing"), End::Closed);
}

/// Closed at the supplier and seen once: nobody is told to pay any more.
#[test]
pub fn a12_a_closed_order_is_not_shown_as_to_be_paid() {
    let world = by_hand();
    let order = world.paid_order();
    world.run_for(minutes(30));
    let id = world.supplier_id();
    assert_eq!(world.plug.control("POST", &format!("/__control/aliexpress/orders/{id}/cancel"), &json!({})).0, 200);
    world.run_for(minutes(120));
    let said = world.waits_for(&order);
    assert!(said.starts_with("supplier_closed") && said.contains("DO NOT PAY"), "{}", world.show(&order));
    world.run_for(days(2));
    assert!(world.waits_for(&order).starts_with("expired_unpaid"), "{}", world.show(&order));
    // What the advice says works: bought by hand, once.
    let bought = postsale::engine::by_hand::BoughtByHand {
        ids: vec!["8999000011112222".to_owned()],
        total: usd("9.00"),
        at: None,
        note: None,
    };
    assert_eq!(code(world.engine.mark_purchased_once(&once("k1"), &order, &bought, "tester")), "now");
    assert_eq!(world.stage(&order), "held", "the next look decides");
    world.run_for(minutes(1));
    assert!(!world.waits_for(&order).starts_with("expired_unpaid"), "{}", world.show(&order));
    assert_eq!(world.book("purchases").len(), 1, "and nothing was bought by the program");
}

/// Past its time to pay, before the supplier has said so.
#[test]
pub fn a12_nobody_pays_after_the_deadline() {
    let world = by_hand();
    world.switch("pay_timeout_s", json!(7200));
    let order = world.paid_order();
    world.run_for(minutes(30));
    let plug = Arc::clone(&world.plug);
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("aliexpress.get", Moment::Before) {
            let fault = json!({ "call": call, "reply": "timeout", "when": "before_commit", "times": 1 });
            plug.control("POST", "/__control/faults", &fault);
        }
    });
    world.run_for(minutes(110));
    assert!(world.waits_for(&order).contains("DO NOT PAY"), "{}", world.show(&order));
}

/// The supplier ends an order that was paid: the profit stays here and a person sees to the money.
#[test]
pub fn a17_a_paid_order_that_the_supplier_ends_is_held_before_the_profit_leaves() {
    let payouts = policy().payouts.map(|p| postsale::domain::policy::PayoutPolicy {
        after: postsale::domain::policy::ReleaseEvent::Delivered,
        hold_days: 14,
        ..p
    });
    let world = World::penniless_with(Policy { payouts, ..policy() });
    world.switch("ships_by_itself", json!(false));
    let order = world.paid_order();
    world.run_for(days(1));
    let id = world.supplier_id();
    assert_eq!(world.plug.control("POST", &format!("/__control/aliexpress/orders/{id}/cancel"), &json!({})).0, 200);
    world.run_for(days(30));
    assert!(world.waits_for(&order).starts_with("supplier_cancelled"), "{}", world.show(&order));
    assert!(world.book("payouts").is_empty());
    assert_at_most_once(&world, &order, "ended after payment");
    world.judge_books("ended after payment");
}

/// A dispute at the supplier is a fact in the timeline, once.
#[test]
pub fn a_dispute_at_the_supplier_is_noted() {
    let world = World::penniless();
    world.switch("ships_by_itself", json!(false));
    let order = world.paid_order();
    world.run_for(days(1));
    world.force(&world.supplier_id(), json!({ "status": "IN_ISSUE" }));
    world.run_for(days(2));
    let noted = world.timeline(&order).iter().filter(|line| line.contains("supplier_dispute")).count();
    assert_eq!(noted, 1, "{}", world.show(&order));
}

/// A loss after the payment: booked, said in the log, in the timeline and in the queue, and no part of it is paid out.
#[test]
pub fn l11_a_price_raised_after_the_payment_is_a_loss_with_a_word() {
    let world = World::penniless();
    world.switch("hidden_charge", json!("30.00"));
    let order = world.paid_order();
    world.run_for(days(1));
    assert!(world.has_event(&order, "over_ceiling") && world.has_event(&order, "loss"), "{}", world.show(&order));
    assert!(world.book("payouts").is_empty());
    assert_eq!(world.stage(&order), "held", "{}", world.show(&order));
    let says =
        "loss: sold for 25.00 USD, profit -14.76 USD; the supplier took 38.40 USD, approved was at most 22.64 USD";
    assert_eq!(world.waits_for(&order), says);
    let (trade, _) = world.engine.plan(&order).unwrap();
    assert!(trade.purchase.unwrap().delivered_at().is_some(), "the parcel is followed: {}", world.show(&order));
    world.judge_books("loss");
}

/// The same as the seller sees it: a line of the log, an event, and a row of the queue with what was lost.
#[test]
pub fn l11_a_loss_is_said_in_the_log_the_timeline_and_the_queue() {
    let shop = Shop::shipped().with("aliexpress.autopay=true").with("engine.tick=100ms");
    let serving = shop.serve(None).unwrap();
    serving.ask("PUT", "/api/products/MUG", &[], &shop::mug()).unwrap();
    serving.control("POST", "switches", &json!({ "hidden_charge": "30.00" })).unwrap();
    let order = take_order(&serving, "1001");
    let shown = serving.wait_for_stage(&order, &["held"]);
    assert_eq!(shown["hold"]["code"], "loss", "{shown:#}");
    let (_, queue) = serving.ask("GET", "/api/queue", &[], &json!({})).unwrap();
    assert!(queue.contains("\"loss\"") && queue.contains("lost on this sale"), "{queue}");
    assert!(shop.log().contains("is sold at a loss: -"), "{}", shop.log());
    let (_, events) = serving.ask("GET", &format!("/api/orders/{order}/timeline"), &[], &json!({})).unwrap();
    assert!(events.contains("\"over_ceiling\"") && events.contains("\"loss\""), "{events}");
}

/// The same buyer pays twice within a minute: the second is not charged before somebody said that it is meant.
#[test]
pub fn a_look_alike_is_asked_about_before_the_buyer_is_charged() {
    let world = World::penniless_with(Policy { cancel_buffer: minutes(60), ..policy() });
    let first = world.paid_order();
    world.run_for(minutes(1));
    let twin = world.paid_order();
    world.run_for(minutes(90));
    let captures = world.book("captures").len();
    assert_eq!((captures, world.book("purchases").len()), (1, 1), "{}\n{}", world.show(&first), world.show(&twin));
    assert!(world.waits_for(&twin).contains("not charged: look_alike"), "{}", world.show(&twin));
    assert_eq!(world.say_yes(&twin, "k0", &[]), "still_blocked");
    assert_eq!(world.say_yes(&twin, "k1", &[Guard::LookAlike]), "now");
    world.run_for(minutes(90));
    assert_eq!((world.book("captures").len(), world.book("purchases").len()), (2, 2), "{}", world.show(&twin));
    assert_ne!(world.stage(&first), "held");
    // Another buyer is nobody's twin, and neither is one who left without paying.
    let other = world.checkout();
    let third = world.paid_order_of(3);
    world.run_for(minutes(90));
    assert_eq!(world.book("captures").len(), 3, "{}\n{}", world.show(&third), world.show(&other));
}

/// Two that were refused are both free again: one yes lets one of them go on.
#[test]
pub fn one_yes_is_for_one_of_two_alike() {
    let world = by_hand();
    world.fault_with(
        json!({ "call": "aliexpress.create", "reply": "is_success_false", "when": "before_commit", "times": 2 }),
    );
    let first = world.take(&world.report("1001"));
    world.run_for(minutes(5));
    let twin = world.take(&world.report("1002"));
    world.engine.approve(&twin, &overriding(&[Guard::LookAlike]), None, "tester").unwrap();
    world.run_for(minutes(5));
    for order in [&first, &twin] {
        assert!(world.waits_for(order).starts_with("purchase_refused"), "{}", world.show(order));
    }
    let again = Approval { expires_at: Some(world.now()), ..yes() };
    world.engine.approve(&twin, &again, None, "tester").unwrap();
    for order in [&twin, &first] {
        world.engine.release(order, "tester").unwrap();
    }
    world.run_for(minutes(30));
    assert_eq!(world.book("purchases").len(), 1, "{}\n{}", world.show(&first), world.show(&twin));
    assert!(world.waits_for(&twin).contains("look_alike"), "{}", world.show(&twin));
}

/// Address rules on the road: the field is named before anybody is charged, and a correction lets it go on.
#[test]
pub fn an_address_that_does_not_fit_names_the_field() {
    type Change = fn(&mut Buyer);
    let wrong: [(&str, Change); 3] = [
        ("shippingAddress.line1", |b| b.address.line1 = Some("1 A".to_owned())),
        ("buyer.name", |b| b.name = Some("Jane".to_owned())),
        ("shippingAddress.province", |b| b.address.province = Some("Bavaria".to_owned())),
    ];
    for (field, spoil) in wrong {
        let world = World::penniless();
        let mut buyer = jane();
        spoil(&mut buyer);
        let order = world.engine.open_checkout_order("MUG", 1, Some(buyer), None).unwrap().order;
        world.engine.run_due().unwrap();
        world.approve(&order);
        world.run_for(minutes(30));
        assert!(world.book("captures").is_empty(), "{field}: {}", world.show(&order));
        assert!(world.waits_for(&order).contains(field), "{field}: {}", world.show(&order));
    }
    // Where AliExpress lists the cities, one that it does not list goes to the queue.
    let world = World::penniless();
    world.switch("strict_cities", json!(true));
    let mut report = world.report("1001");
    report.buyer.address.city = Some("Atlantis".to_owned());
    let order = world.take(&report);
    world.run_for(minutes(5));
    assert!(world.waits_for(&order).contains("shippingAddress.city"), "{}", world.show(&order));
    let address = postsale::domain::order::Address { city: Some("NEWARK".to_owned()), ..jane().address };
    let right = postsale::engine::once::Correction { address: Some(address), ..Default::default() };
    assert_eq!(code(world.engine.correct_once(&once("k1"), &order, &right, "tester")), "now");
    world.run_for(days(1));
    assert_eq!(world.book("purchases").len(), 1, "in AliExpress' own spelling: {}", world.show(&order));
}

/// Two parcels, one of them under a new number later: delivered when both are.
#[test]
pub fn parcels_keep_their_numbers() {
    let world = World::penniless();
    world.switch("split", json!(true));
    let order = world.engine.open_checkout_order("MUG", 2, Some(buyer(4)), None).unwrap().order;
    world.engine.run_due().unwrap();
    world.approve(&order);
    world.run_for(days(1));
    let shown = world.engine.store.read(|c| {
        let purchase = postsale::store::purchases::live(c, &order)?.expect("bought");
        postsale::store::purchases::parcels(c, &purchase.claim.key)
    });
    let parcels = shown.unwrap();
    assert_eq!(parcels.len(), 2, "{}", world.show(&order));
    assert!(parcels.iter().all(|p| p.is_delivered && p.number.len() > 5), "{parcels:?}");
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
}

/// Every word that the documents and the sellers' lists have for the state of an order, and one that nobody knows.
const ORDER_WORDS: [&str; 16] = [
    "PLACE_ORDER_SUCCESS",
    "PAYMENT_PROCESSING",
    "WAIT_SELLER_EXAMINE_MONEY",
    "RISK_CONTROL",
    "RISK_CONTROL_HOLD",
    "WAIT_SELLER_SEND_GOODS",
    "SELLER_PART_SEND_GOODS",
    "WAIT_BUYER_ACCEPT_GOODS",
    "FINISH",
    "IN_CANCEL",
    "WAIT_GROUP",
    "WAIT_COMPLETE_ADDRESS",
    "FUND_PROCESSING",
    "IN_ISSUE",
    "IN_FROZEN",
    "SOMETHING_NEW",
];
const LOGISTICS_WORDS: [&str; 7] = [
    "DEFAULT",
    "WAIT_SELLER_SEND_GOODS",
    "SELLER_SEND_PART_GOODS",
    "SELLER_SEND_GOODS",
    "BUYER_ACCEPT_GOODS",
    "NO_LOGISTICS",
    "SOMETHING_NEW",
];

/// No word of the order's state is a payment, a death or a delivery: unpaid is closed only by FINISH, and delivered is what
/// was paid and received.
#[test]
pub fn no_word_of_the_supplier_is_believed_alone() {
    for status in ORDER_WORDS {
        let world = by_hand();
        let order = world.paid_order();
        world.engine.run_due().unwrap();
        world.force(&world.supplier_id(), json!({ "status": status }));
        world.run_for(days(3));
        let purchase = world.engine.plan(&order).unwrap().0.purchase.unwrap();
        assert!(!purchase.is_paid(), "{status}: {}", world.show(&order));
        assert_eq!(purchase.is_dead(), status == "FINISH", "{status}: {}", world.show(&order));
        assert!(world.book("payouts").is_empty(), "{status}: {}", world.show(&order));
    }
    for (status, logistics) in ORDER_WORDS.iter().flat_map(|s| LOGISTICS_WORDS.map(|l| (*s, l))) {
        let world = World::penniless();
        world.switch("ships_by_itself", json!(false));
        let order = world.paid_order();
        world.run_for(minutes(1));
        world.force(&world.supplier_id(), json!({ "status": status, "logistics": logistics }));
        world.run_for(days(3));
        let purchase = world.engine.plan(&order).unwrap().0.purchase.unwrap();
        assert!(purchase.is_paid() && !purchase.is_dead(), "{status} {logistics}: {}", world.show(&order));
        let is_received = logistics == "BUYER_ACCEPT_GOODS";
        assert_eq!(purchase.delivered_at().is_some(), is_received, "{status} {logistics}: {}", world.show(&order));
        world.judge_books(status);
    }
}

/// The answer to a purchase names an order that is another's: nobody knows what became of this one.
#[test]
pub fn f14_an_answer_that_names_anothers_order_is_no_purchase() {
    let world = World::penniless();
    world.fault("aliexpress.create", "other_id", "before_commit", 2);
    let (first, second) = (world.paid_order_of(1), world.paid_order_of(2));
    world.run_for(minutes(60));
    assert!(world.waits_for(&second).starts_with("purchase_unknown: "), "{}", world.show(&second));
    world.run_days(8);
    assert_eq!((world.stage(&first), world.stage(&second)), ("held".to_owned(), "held".to_owned()));
    assert_eq!(world.book("purchases").len(), 0);
    world.judge_books("another's order");
}
