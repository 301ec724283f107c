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
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    let passed: BTreeSet<String> = failpoint::unwatch().into_iter().collect();
    let named: BTreeSet<String> = failpoint::names().into_iter().collect();
    assert_eq!(passed, named, "passed on the left, named on the right");
}
