//! Clocks that jump, stand still or were set back, ours and the far sides': no key grows young, no wait is skipped, and
//! nothing is sent before a far side agrees. Daylight saving needs no row of its own: every time is an instant in UTC, and
//! the daily jobs' days are tested beside the schedule.

use crate::judge::assert_at_most_once;
use crate::money::{days, minutes};
use crate::world::{World, policy};
use jiff::{SignedDuration, Timestamp};
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::domain::trade::ClockState;

fn sent(world: &World) -> usize {
    ["paypal.create", "paypal.capture", "aliexpress.create", "paypal.payout"]
        .map(|call| world.tap.count(call))
        .iter()
        .sum()
}

/// A shop whose platform leg was sent and lost: the ladder says when the same bytes go out again.
fn with_a_lost_payout() -> (World, OrderId) {
    let world = World::penniless();
    world.fault("paypal.payout", "timeout", "after_commit", 1_000_000);
    let order = world.paid_order();
    world.run_for(minutes(3));
    assert_eq!(world.tap.count("paypal.payout"), 2, "both legs, once each: {}", world.show(&order));
    (world, order)
}

/// The clocks somebody may set ours to.
fn jumps(world: &World) -> Vec<(&'static str, Timestamp)> {
    let (now, hours) = (world.clock.true_time(), SignedDuration::from_hours);
    let at = |text: &str| text.parse().unwrap();
    vec![
        ("an hour on", now + hours(1)),
        ("an hour back", now - hours(1)),
        ("six hours on", now + hours(6)),
        ("six hours back", now - hours(6)),
        ("thirty days on", now + days(30)),
        ("1970", at("1970-01-01T00:00:00Z")),
        ("2038", at("2038-01-19T03:14:08Z")),
    ]
}

#[test]
fn f29_a_jump_pauses_what_is_sent_and_skips_no_wait() {
    for index in 0..7 {
        let (world, order) = with_a_lost_payout();
        let (what, wall) = jumps(&world)[index];
        let before = sent(&world);
        world.clock.set(wall);
        assert_eq!(world.engine.clock_state(), ClockState::Suspect, "{what}");
        world.run_for(minutes(40));
        assert_eq!(sent(&world), before, "{what}: nothing is sent by a clock that jumped: {}", world.show(&order));
        assert!(world.engine.open_checkout_order("MUG", 1, None, None).is_ok(), "{what}: what comes in is taken");
        // Somebody sets it right; the far side agrees, and the ladder goes on where it stood.
        world.clock.set(world.clock.true_time());
        world.run_for(minutes(10));
        assert_eq!(world.engine.clock_state(), ClockState::Good, "{what}");
        assert!(sent(&world) > before, "{what}: {}", world.show(&order));
        assert_at_most_once(&world, &order, what);
    }
}

/// The same over a restart, where no monotonic time reaches across.
#[test]
fn a19_f29_a_clock_set_while_the_program_was_off() {
    for index in 0..7 {
        let (mut world, order) = with_a_lost_payout();
        let (what, wall) = jumps(&world)[index];
        let before = sent(&world);
        world.clock.set(wall);
        world.restart();
        world.run_for(minutes(40));
        assert_eq!(sent(&world), before, "{what}: {}", world.show(&order));
        world.clock.set(world.clock.true_time());
        world.restart();
        world.run_for(days(1));
        world.plug.control("DELETE", "/__control/faults", &serde_json::json!({}));
        world.run_days(40);
        assert_at_most_once(&world, &order, what);
    }
}

/// The wall clock stands still; the 25 days pass all the same.
#[test]
fn f29_a_stopped_clock_resets_no_fuse() {
    let look_again = vec![days(1); 60];
    let world = World::penniless_with(Policy { look_again, ..policy() });
    world.fault("paypal.payout", "timeout", "after_commit", 1_000_000);
    let order = world.paid_order();
    world.run_for(minutes(3));
    let stopped = world.clock.true_time();
    for _ in 0..(26 * 24) {
        world.wind(SignedDuration::from_hours(1));
        world.clock.set(stopped);
        world.engine.run_due().unwrap();
    }
    let before = world.tap.count("paypal.payout");
    assert_eq!(before, 2, "a stopped clock is suspect: {}", world.show(&order));
    world.clock.set(world.clock.true_time());
    world.run_for(days(10));
    assert_eq!(world.tap.count("paypal.payout"), before, "the 25 days are over: {}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("payout_unknown"), "{}", world.show(&order));
    assert_at_most_once(&world, &order, "stopped");
}

/// After a start a resend waits until a far side has shown its clock.
#[test]
fn a19_nothing_is_sent_after_a_start_before_a_far_side_shows_its_clock() {
    let (mut world, order) = with_a_lost_payout();
    world.wind(minutes(10));
    let before = sent(&world);
    world.tap.be_deaf(true);
    world.restart();
    world.run_for(minutes(30));
    assert_eq!((world.engine.clock_state(), sent(&world)), (ClockState::Unproven, before), "{}", world.show(&order));
    world.tap.be_deaf(false);
    world.run_for(minutes(2));
    assert_eq!(world.engine.clock_state(), ClockState::Good);
    assert!(sent(&world) > before, "{}", world.show(&order));
}

/// The far sides' clock is the one that is wrong, or ours always was: paused, and told.
#[test]
fn f18_a_far_side_an_hour_apart_pauses_what_is_sent() {
    for offset in [3600, -3600] {
        let world = World::penniless();
        let order = world.checkout();
        let set = |seconds: i64| {
            let body = serde_json::json!({ "offsetSeconds": seconds });
            assert_eq!(world.plug.control("POST", "/__control/clock", &body).0, 200);
        };
        set(offset);
        world.approve(&order);
        world.run_for(minutes(30));
        assert_eq!(world.engine.clock_state(), ClockState::Suspect, "{offset}");
        assert!(world.book("captures").is_empty(), "{offset}: {}", world.show(&order));
        set(0);
        world.run_for(minutes(30));
        assert_eq!(world.stage(&order), "closed", "{offset}: {}", world.show(&order));
    }
}
