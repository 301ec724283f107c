//! Every named place is passed on the road, and none is passed that has no name: a place nobody comes by proves nothing.

use crate::world::World;
use jiff::SignedDuration;
use postsale::failpoint;
use std::collections::BTreeSet;

#[test]
fn every_place_is_passed_by_one_order() {
    failpoint::watch(None);
    let world = World::new();
    let order = world.paid_order();
    world.run_for(SignedDuration::from_hours(24));
    assert!(crate::hooks::deliver(&world, &crate::hooks::post(&world, "PAYMENT.CAPTURE.COMPLETED")));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    assert_eq!(crate::refunds::refund(&world, &order, "back", &crate::refunds::back(None)), "now");
    world.run_for(SignedDuration::from_hours(24));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&order));
    let passed: BTreeSet<String> = failpoint::unwatch().into_iter().collect();
    let named: BTreeSet<String> = failpoint::names().into_iter().collect();
    assert_eq!(passed, named, "passed on the left, named on the right");
}

/// Nobody takes a closed order up again: where it stands must be written with the closing.
#[test]
fn an_order_closed_by_a_program_that_died_is_shown_as_closed() {
    let mut world = World::new();
    let order = world.paid_order();
    failpoint::watch(Some(("close.committed", 0)));
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run_for(SignedDuration::from_hours(24))));
    failpoint::unwatch();
    assert!(died.is_err());
    world.restart();
    world.run_for(SignedDuration::from_hours(24));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
}

/// The real program killed by itself at one place, in every way of starting again; the whole drill is for `.ci/full`.
#[test]
fn f1_the_drill_kills_restarts_and_judges() {
    let shop = crate::program::Shop::new(crate::program::SHIPPED);
    let listed = shop.good(&["drill", "--list"]);
    assert_eq!(listed.lines().count(), failpoint::names().len());
    // What the report shows is kept where a database is.
    shop.good(&["migrate"]);
    let told = shop.good(&["drill", "--verbose", "--only", "purchase.call.unanswered"]);
    assert!(told.contains("\n4/4, 0 double purchases, 0 double payouts in "), "{told}");
    assert!(told.contains("restarted at once: held purchase_unknown"), "{told}");
    assert!(told.contains("restarted on an older backup: held "), "{told}");
    assert_eq!(shop.run(&["drill", "--only", "no such place"]).code, 2, "nothing drilled is nothing proven");
}
