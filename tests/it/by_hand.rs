//! What a person says of the supplier's side: resolving an unknown purchase, and goods bought by hand. Judged by the far
//! sides' own books.

use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::domain::guards::{Approval, Guard};
use postsale::domain::order::OrderId;
use postsale::domain::policy::{Policy, Purchasing};
use postsale::engine::by_hand::{BoughtByHand, Found, Shipped};
use postsale::engine::once::{Heard, NotHeard, Once};
use postsale::rehearsal::compare::compare;
use postsale::store;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

pub fn once(key: &str) -> Once<'_> {
    Once { key, route: "POST /said", body_hash: "hash" }
}

pub fn code<T: std::fmt::Debug>(said: Result<Heard<T>, NotHeard>) -> &'static str {
    match said {
        Ok(Heard::Now(_)) => "now",
        Ok(Heard::Before) => "before",
        Err(NotHeard::Refused { code, .. }) => code,
        Err(error) => panic!("{error}"),
    }
}

fn said(world: &World, order: &OrderId, key: &str, found: &Found) -> &'static str {
    code(world.engine.resolve_once(&once(key), order, found, "tester"))
}

/// A paid order whose purchase got no answer, before or after the supplier booked it.
fn unknown(world: &World, when: &str, pieces: u32) -> OrderId {
    world.fault("aliexpress.create", "timeout", when, 1);
    let order = world.checkout_of("MUG", pieces);
    world.approve(&order);
    let approval = Approval { quote_hash: None, overrides: vec![Guard::LookAlike], expires_at: None };
    world.engine.approve(&order, &approval, None, "tester").unwrap();
    world.run_for(minutes(5));
    assert!(world.waits_for(&order).starts_with("purchase_unknown"), "{}", world.show(&order));
    order
}

/// The last order in the supplier's own book.
fn last_bought(world: &World) -> String {
    let bought = world.book("purchases");
    let id = &bought.last().unwrap()["id"];
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

#[test]
pub fn a8_an_unknown_purchase_is_resolved_with_the_ids_found() {
    let world = World::new();
    let order = unknown(&world, "after_commit", 1);
    let found = Found::Orders(vec![last_bought(&world)]);
    assert_eq!(said(&world, &order, "k0", &Found::NothingThere), "too_early");
    assert_eq!(said(&world, &order, "k1", &found), "now");
    assert_eq!(said(&world, &order, "k1", &found), "before");
    assert_eq!(said(&world, &order, "k2", &found), "nothing_unknown");
    world.run_for(minutes(10));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    assert_eq!((world.book("purchases").len(), world.book("payouts").len()), (1, 2));
    let comparison = compare(&world.engine.store, &world.plug.book()).unwrap();
    assert!(comparison.agrees(), "{comparison:#?}");
}

#[test]
pub fn a8_nothing_there_counts_after_a_day_and_the_next_attempt_goes_unpaid() {
    let world = World::new();
    let order = unknown(&world, "before_commit", 1);
    let sent_at = world.engine.store.read(|c| store::claims::live(c, &order, postsale::domain::claim::Slot::Purchase));
    let open_at = sent_at.unwrap().unwrap().claimed_at + hours(24);
    match world.engine.resolve_once(&once("k1"), &order, &Found::NothingThere, "tester") {
        Err(NotHeard::Refused { code: "too_early", not_before, .. }) => assert_eq!(not_before, Some(open_at)),
        other => panic!("{other:?}"),
    }
    world.wind(open_at.duration_since(world.now()) - minutes(1));
    assert_eq!(said(&world, &order, "k1", &Found::NothingThere), "too_early");
    world.run_for(minutes(1));
    assert_eq!(world.book("purchases").len(), 0);
    assert_eq!(said(&world, &order, "k1", &Found::NothingThere), "now");
    assert_eq!(said(&world, &order, "k1", &Found::NothingThere), "before");
    world.run_for(minutes(5));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    assert_eq!((world.book("purchases").len(), world.book("payouts").len()), (1, 0), "bought once, and not charged");
    let purchase = world.engine.store.read(|c| store::purchases::live(c, &order)).unwrap().unwrap();
    assert_eq!((purchase.claim.attempt, purchase.is_auto_pay), (2, false));
}

#[test]
pub fn a_typed_id_of_another_order_holds_and_is_not_booked() {
    let world = World::new();
    let two = unknown(&world, "after_commit", 2);
    let id_of_two = last_bought(&world);
    let one = unknown(&world, "after_commit", 1);
    assert_eq!(said(&world, &one, "k1", &Found::Orders(vec![id_of_two.clone()])), "now");
    world.run_for(minutes(5));
    assert!(world.waits_for(&one).starts_with("supplier_mismatch"), "{}", world.show(&one));
    let sale = world.engine.store.read(|c| store::sales::find(c, &one)).unwrap();
    assert_eq!((sale, world.book("payouts").len()), (None, 0), "{}", world.show(&one));
    let again = said(&world, &two, "k2", &Found::Orders(vec![id_of_two]));
    assert_eq!(again, "supplier_order_known", "an order of the supplier's belongs to one purchase");
    // Whoever vouches for it and releases the order lets it go on.
    let paid = world.engine.mark_supplier_paid_once(&once("k3"), &one, Some(usd("8.40")), "tester");
    assert_eq!(code(paid), "now");
    world.engine.release(&one, "tester").unwrap();
    world.run_for(minutes(5));
    assert_eq!(world.book("payouts").len(), 2, "{}", world.show(&one));
}

fn by_hand(id: &str) -> BoughtByHand {
    BoughtByHand { ids: vec![id.to_owned()], total: usd("9.00"), at: None, note: Some("on the site".to_owned()) }
}

#[test]
pub fn l32_goods_bought_by_hand_go_the_same_road() {
    let mut world = World::with(Policy { purchasing: Purchasing::Manual, ..policy() });
    let order = world.paid_order();
    let bought = by_hand("8001234567890123");
    let mark = |world: &World, key: &str, bought: &BoughtByHand| {
        code(world.engine.mark_purchased_once(&once(key), &order, bought, "tester"))
    };
    assert_eq!(mark(&world, "k1", &bought), "not_paid");
    assert_eq!(code(world.engine.mark_supplier_paid_once(&once("p0"), &order, None, "tester")), "not_bought");
    world.run_for(minutes(5));
    assert!(world.waits_for(&order).starts_with("needs_approval"), "{}", world.show(&order));
    assert_eq!(code(world.engine.mark_delivered_once(&once("d0"), &order, "tester")), "not_bought");
    let euro = postsale::domain::money::Currency::new("EUR").unwrap();
    let total = postsale::domain::money::Money::parse("9.00", euro).unwrap();
    assert_eq!(mark(&world, "k1", &BoughtByHand { total, ..bought.clone() }), "rate_missing");
    assert_eq!(mark(&world, "k1", &bought), "now");
    assert_eq!(mark(&world, "k1", &bought), "before");
    assert_eq!(mark(&world, "k2", &by_hand("8001234567890124")), "already_bought");
    // The adopted purchase stands in the journal like any other.
    let claim = world.engine.store.read(|c| store::claims::live(c, &order, postsale::domain::claim::Slot::Purchase));
    assert!(claim.unwrap().unwrap().is_journaled);
    world.restart();
    assert_eq!(world.engine.restored(), None);
    world.run_for(minutes(5));
    assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
    assert_eq!(code(world.engine.mark_delivered_once(&once("d0"), &order, "tester")), "supplier_unpaid");

    let paid = |key: &str, total| code(world.engine.mark_supplier_paid_once(&once(key), &order, total, "tester"));
    assert_eq!(paid("p1", Some(usd("9.30"))), "now");
    assert_eq!(paid("p2", None), "now", "it is paid; nothing is booked twice");
    assert_eq!(paid("p3", Some(usd("9.00"))), "already_paid");
    world.run_for(minutes(5));
    let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
    assert_eq!((sale.supplier_total, sale.is_payout_executed), (usd("9.30"), true), "{}", world.show(&order));
    assert_eq!((world.book("purchases").len(), world.book("payouts").len()), (0, 2));

    let shipped = Shipped { tracking_number: "LP001".to_owned(), carrier: None };
    assert_eq!(code(world.engine.mark_shipped_once(&once("s1"), &order, &shipped, "tester")), "now");
    assert_eq!(code(world.engine.mark_delivered_once(&once("d1"), &order, "tester")), "now");
    world.run_for(minutes(5));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
}

#[test]
pub fn a_purchase_by_hand_never_stands_beside_an_unknown_one() {
    let world = World::new();
    let order = unknown(&world, "after_commit", 1);
    let marked = world.engine.mark_purchased_once(&once("k1"), &order, &by_hand("8001234567890123"), "tester");
    assert_eq!(code(marked), "purchase_unknown");
    assert_eq!(world.book("purchases").len(), 1);
}
