//! Database and journal went back in time together, and only PayPal's statement knows of a payout: it is never made again,
//! and every order of it comes to an end. Judged by the far sides' book.

use crate::by_hand::{code, once};
use crate::forgotten::{clear, hours, refuse};
use crate::money::{days, minutes};
use crate::refunds::{agrees, back, refund, supplier_gives};
use crate::world::{World, policy};
use jiff::SignedDuration;
use postsale::assure::reconcile;
use postsale::domain::claim::Recipient;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::engine::ending::BackWanted;
use postsale::engine::facts::NotBooked;
use postsale::engine::once::Heard;
use postsale::engine::release::Release;
use postsale::engine::resolving::FoundAtPaypal;
use serde_json::{Value, json};

/// How an order goes on.
type Course = fn(&World, &OrderId);

fn nothing(_: &World, _: &OrderId) {}

/// A shop whose order is bought and paid at the supplier, with its payouts held back: by the second value, and how.
fn about_to_pay(policy: Policy, prepared: Course) -> (World, OrderId) {
    let world = World::with(Policy { is_auto_pay: false, ..policy });
    let order = world.paid_order();
    world.run_for(minutes(10));
    let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
    prepared(&world, &order);
    assert!(world.pay_supplier(&bought.supplier_orders[0].id));
    world.run_for(hours(5));
    (world, order)
}

fn stopped(world: &World, _: &OrderId) {
    world.engine.stop("tester").unwrap();
}

/// What `forgotten` does from here on is forgotten, fourteen days of it.
fn forget(mut world: World, order: &OrderId, forgotten: Course) -> World {
    let older = world.copy_of_files();
    world.engine.resume("tester").unwrap();
    forgotten(&world, order);
    assert_eq!(paid(&world).len(), 2, "{}", world.show(order));
    world.wind(days(14));
    world.restart_in(older);
    assert_eq!(world.engine.restored(), None, "fourteen days off are no amnesia of a bought order");
    world.engine.stop("tester").unwrap();
    world.run_for(hours(6));
    world
}

fn read_statement(world: &World) {
    reconcile::run(&world.engine).unwrap().unwrap();
}

/// Database and journal went back together, and the payouts that `forgotten` made stand in PayPal's statement. The order
/// goes on after `off`, when `changed` has happened. Ends with the first leg in doubt.
fn payouts_forgotten_for(
    off: SignedDuration,
    forgotten: Course,
    changed: impl FnOnce(&World, &OrderId),
) -> (World, OrderId) {
    let (world, order) = about_to_pay(policy(), stopped);
    let world = forget(world, &order, forgotten);
    read_statement(&world);
    changed(&world, &order);
    world.wind(off);
    world.engine.resume("tester").unwrap();
    world.run_for(hours(6));
    is_listed(&world, &order);
    (world, order)
}

fn is_listed(world: &World, order: &OrderId) {
    assert!(world.waits_for(order).starts_with("restored: PayPal's statement shows"), "{}", world.show(order));
}

/// The payouts that PayPal's book shows as paid.
fn paid(world: &World) -> Vec<Value> {
    world.book("payouts").into_iter().filter(|payout| payout["status"] == "SUCCESS").collect()
}

fn pays(world: &World, _: &OrderId) {
    clear(world);
    world.run_for(hours(2));
}

/// Both legs came to nothing eleven times and were paid at the twelfth try.
fn pays_at_the_twelfth_try(world: &World, order: &OrderId) {
    world.switch("payout_outcome", json!("FAILED"));
    world.run_for(hours(1));
    let approve_all = || {
        for failed in world.book("payouts") {
            let key = failed["key"].as_str().unwrap();
            let _ = world.engine.approve_payout_once(&once(key), order, key, "tester");
        }
        world.run_for(hours(1));
    };
    (0..10).for_each(|_| approve_all());
    world.switch("payout_outcome", json!("SUCCESS"));
    (0..2).for_each(|_| approve_all());
    assert!(world.book("payouts").len() > 20, "{}", world.show(order));
}

/// Releases both legs, which are of unknown outcome then, and ends each by its batch.
fn ends_by_its_batches(world: &World, order: &OrderId) {
    let sent = world.tap.count("paypal.payout");
    while world.waits_for(order).starts_with("restored: ") {
        assert_eq!(world.release_trade(order), "now");
        world.run_for(hours(12));
    }
    assert!(world.waits_for(order).starts_with("payout_unknown: PayPal's statement"), "{}", world.show(order));
    for payout in paid(world) {
        let key = payout["key"].as_str().unwrap();
        let found = FoundAtPaypal::Id(payout["batchId"].as_str().unwrap().to_owned());
        let other = paid(world).iter().find(|other| other["key"] != payout["key"]).unwrap()["batchId"].clone();
        let wrong = FoundAtPaypal::Id(other.as_str().unwrap().to_owned());
        assert_eq!(
            code(world.engine.resolve_payout_once(&once("wrong"), order, key, &wrong, "test")),
            "another_payout"
        );
        let resolved = world.engine.resolve_payout_once(&once(key), order, key, &found, "test");
        assert!(matches!(resolved, Ok(Heard::Now(()))), "{resolved:?}");
        world.run_for(minutes(10));
    }
    assert_eq!(world.tap.count("paypal.payout"), sent, "nothing was sent again");
    assert_eq!(paid(world).len(), 2, "{}", world.show(order));
    read_statement(world);
    agrees(world);
}

fn is_closed(world: &World, order: &OrderId) {
    assert_eq!(world.stage(order), "closed", "{}", world.show(order));
}

/// Whether PayPal still knows the key or not, and whatever is owed by then.
#[test]
fn a5_a_payout_that_paypals_statement_shows_is_not_made_again() {
    for (off, forgotten) in [(days(1), pays as Course), (days(31), pays), (days(31), pays_at_the_twelfth_try)] {
        let (world, order) = payouts_forgotten_for(off, forgotten, nothing);
        ends_by_its_batches(&world, &order);
        is_closed(&world, &order);
    }
    // The supplier gave some of it back in the meantime: the payout is what it was, and the rest is owed.
    let (world, order) = payouts_forgotten_for(days(31), pays, |world, order| supplier_gives(world, order, "2.00"));
    ends_by_its_batches(&world, &order);
    assert!(world.waits_for(&order).starts_with("pay_otherwise: "), "{}", world.show(&order));
}

/// Whom it was made out to nobody knows any more; another payee by now does not stand in the way of its batch.
#[test]
fn a20_a_payout_of_the_statement_is_ended_whoever_the_payee_is_by_now() {
    let (world, order) = about_to_pay(policy(), stopped);
    let mut world = forget(world, &order, pays);
    let other = "somebody@else.example";
    std::sync::Arc::get_mut(&mut world.engine).unwrap().settings.seller = Some(other.to_owned());
    world.engine.confirm_payee(Recipient::Seller, other, "tester").unwrap();
    read_statement(&world);
    world.engine.resume("tester").unwrap();
    world.run_for(hours(6));
    is_listed(&world, &order);
    ends_by_its_batches(&world, &order);
    is_closed(&world, &order);
}

fn refused(world: &World, _: &OrderId) {
    refuse(world, "paypal.payout", "INSUFFICIENT_FUNDS", 1_000);
}

/// PayPal had refused the first try for want of money; the same key paid in the time that is forgotten, and PayPal does not
/// know it any more.
#[test]
fn a5_a_payout_once_refused_that_the_statement_shows_is_not_made_again() {
    let (world, order) = about_to_pay(policy(), refused);
    let world = forget(world, &order, pays);
    read_statement(&world);
    world.wind(days(31));
    world.engine.resume("tester").unwrap();
    world.run_for(hours(6));
    is_listed(&world, &order);
    ends_by_its_batches(&world, &order);
    is_closed(&world, &order);
}

/// The same, and less is owed by now: the refused payout is not given up for a smaller one under another key, and nobody
/// can say that it was paid by other means.
#[test]
fn a5_a_payout_once_refused_that_the_statement_shows_is_not_given_up_for_another() {
    let (world, order) = about_to_pay(policy(), refused);
    let world = forget(world, &order, pays);
    read_statement(&world);
    let keys: Vec<String> = world.engine.plan(&order).unwrap().0.payouts.into_iter().map(|p| p.claim.key).collect();
    assert!(!keys.is_empty());
    for key in &keys {
        let said = world.engine.mark_paid_once(&once(key), &order, key, "BANK-1", "tester");
        assert_eq!(code(said), "payout_there");
    }
    let back = BackWanted { is_confirmed: true, ..back(Some("5.00")) };
    assert_eq!(refund(&world, &order, "r", &back), "now");
    world.run_for(hours(1));
    world.engine.resume("tester").unwrap();
    world.run_for(hours(6));
    is_listed(&world, &order);
    ends_by_its_batches(&world, &order);
    assert_eq!(paid(&world).len(), 2, "{}", world.show(&order));
}

/// A debt that came up since is not netted against a leg that was paid.
#[test]
fn a5_a_leg_that_the_statement_shows_as_paid_is_not_set_off() {
    let world = World::with(Policy { is_auto_pay: false, ..policy() });
    let buy = |n| {
        let order = world.paid_order_of(n);
        world.run_for(minutes(10));
        let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
        (order, bought.supplier_orders[0].id.clone())
    };
    let ((first, first_bought), (second, second_bought)) = (buy(1), buy(2));
    assert!(world.pay_supplier(&first_bought));
    world.run_for(hours(5));
    is_closed(&world, &first);
    stopped(&world, &second);
    assert!(world.pay_supplier(&second_bought));
    world.run_for(hours(5));
    let mut world = world;
    let older = world.copy_of_files();
    world.engine.resume("tester").unwrap();
    world.run_for(hours(2));
    assert_eq!(paid(&world).len(), 4);
    world.wind(days(14));
    world.restart_in(older);
    read_statement(&world);
    let back = BackWanted { is_confirmed: true, ..back(Some("20.00")) };
    assert_eq!(refund(&world, &first, "r", &back), "now");
    world.run_for(hours(1));
    world.engine.resume("tester").unwrap();
    world.run_for(hours(6));
    is_listed(&world, &second);
    assert!(!world.timeline(&second).iter().any(|line| line.contains("set_off") || line.contains("setoff")));
}

/// Until its order takes it up, nobody can book it as the owner's own: it would be booked twice.
#[test]
fn a5_a_payout_of_an_open_order_is_not_booked_as_the_owners() {
    let (world, order) = about_to_pay(policy(), stopped);
    let world = forget(world, &order, pays);
    let answer = {
        read_statement(&world);
        reconcile::answer(&world.engine.store, false).unwrap()
    };
    let foreign: Vec<_> = answer.findings.iter().filter(|f| f.kind == "foreign_outflow").collect();
    assert_eq!(foreign.len(), 2, "{:?}", answer.findings);
    for finding in foreign {
        let booked = world.engine.book_movement(finding.id, "tester");
        assert!(matches!(booked, Err(NotBooked::AsOurs(_))), "{booked:?}");
    }
}

/// Nobody may read the statement: from the day on which PayPal may have forgotten what was paid in the silence, what was
/// here before it waits for a person, and one word takes that back.
#[test]
fn a5_without_a_statement_payouts_of_before_a_silence_wait_once_paypal_forgets() {
    for (later, waits) in [(9, false), (12, true)] {
        let (world, order) = about_to_pay(policy(), stopped);
        world.switch("reporting_enabled", json!(false));
        let world = forget(world, &order, pays);
        world.wind(days(later));
        world.engine.resume("tester").unwrap();
        world.run_for(hours(6));
        assert_eq!(world.waits_for(&order).starts_with("restored: no sign of life"), waits, "{}", world.show(&order));
        assert_eq!(paid(&world).len(), 2, "{}", world.show(&order));
        assert_eq!(world.release(Release::WasOff), "now");
    }
}

/// A payout that this database sent itself, and of which no answer came, goes out again under its key and is found, also if
/// the statement shows it first: no person is needed.
#[test]
fn a2_an_unknown_payout_of_our_own_ends_by_itself_also_if_the_statement_shows_it() {
    let (world, order) = about_to_pay(policy(), |world, _| {
        world.fault("paypal.payout", "timeout", "after_commit", 1_000);
    });
    assert!(world.waits_for(&order).starts_with("payout_unknown"), "{}", world.show(&order));
    world.wind(hours(6));
    read_statement(&world);
    clear(&world);
    world.run_for(days(3));
    is_closed(&world, &order);
    assert_eq!(paid(&world).len(), 2);
    agrees(&world);
}

/// The database alone went back once more, to before the payout was taken up: the journal takes it up again, of the time
/// that PayPal shows, and nothing goes out whatever is released.
#[test]
fn a5_a_payout_taken_up_from_the_statement_is_taken_up_again_from_the_journal() {
    let mut before = None;
    let (mut world, order) = payouts_forgotten_for(days(31), pays, |world, _| before = Some(world.copy_of_files()));
    let claimed = |world: &World| world.engine.plan(&order).unwrap().0.payouts[0].claim.claimed_at;
    let first = claimed(&world);
    world.put_back(before.unwrap());
    assert!(world.engine.restored().is_some());
    world.run_for(hours(1));
    assert_eq!(claimed(&world), first, "{}", world.show(&order));
    assert_eq!((world.release(Release::Shop), world.release_trade(&order)), ("now", "now"));
    world.confirm_payees();
    world.run_for(hours(12));
    let _ = world.release_trade(&order);
    world.run_for(days(2));
    assert_eq!(world.tap.count("paypal.payout"), 2, "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("payout_unknown"), "{}", world.show(&order));
}
