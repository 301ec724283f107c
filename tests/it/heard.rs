//! What a person said is heard once: a line of the journal that the database heard is no news at the next start, however
//! far back its mark stands; and a word that the database refused proves nothing, at no start.

use crate::by_hand::{code, once};
use crate::money::{days, minutes};
use crate::refunds::{back, refund};
use crate::tap::Moment;
use crate::world::{World, policy};
use jiff::SignedDuration;
use postsale::domain::claim::{Claim, Slot, State};
use postsale::domain::hold::{Hold, HoldCode};
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::engine::by_hand::Found;
use postsale::store::checks::{self, When};
use postsale::store::{self, StoreError, doubts, meta};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

impl World {
    fn law(&self, sql: &str) {
        self.engine.store.write(|tx| tx.execute_batch(sql).map_err(StoreError::from)).unwrap();
    }

    /// What a call of this order's slot came to cannot be written down until [`World::writes_again`].
    fn settles_no_more(&self, order: &OrderId, slot: Slot) {
        self.law(&format!(
            "CREATE TRIGGER busy BEFORE UPDATE OF journal_seq ON claims
             WHEN NEW.order_id = '{order}' AND NEW.slot = '{}'
             BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
            slot.word()
        ));
    }

    fn writes_again(&self) {
        self.law("DROP TRIGGER busy");
    }

    /// How far the database knows the journal.
    fn marked(&self) -> i64 {
        self.engine.store.read(|c| meta::number(c, "journal_seq")).unwrap()
    }

    fn purchase(&self, order: &OrderId) -> Claim {
        self.engine.store.read(|c| store::claims::last(c, order, Slot::Purchase)).unwrap().unwrap()
    }

    fn finds_nothing(&self, id: &str) {
        let when = When { now: self.now(), ladder: self.policy.ladder(), is_deep: true };
        let check = checks::table().into_iter().find(|check| check.id == id).unwrap();
        let found = self.engine.store.read(|c| check.look(c, &when)).unwrap();
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Three orders of one shop.
struct Three {
    /// About to be bought.
    bought: OrderId,
    /// Captured, and held by a person.
    held: OrderId,
    /// Closed; its buyer wants money back.
    closed: OrderId,
}

fn three() -> (World, Three) {
    let world = World::with(Policy { cancel_buffer: minutes(60), ..policy() });
    let closed = world.paid_order_of(1);
    world.run_for(days(1));
    assert_eq!(world.stage(&closed), "closed", "{}", world.show(&closed));
    let (bought, held) = (world.paid_order_of(2), world.paid_order_of(3));
    world.run_for(minutes(10));
    world.engine.hold(&held, "the buyer rang", "test").unwrap();
    world.wind(minutes(60));
    (world, Three { bought, held, closed })
}

impl Three {
    /// What people say while a line of the journal is open.
    fn speak(&self, engine: &postsale::engine::Engine) {
        assert!(engine.release(&self.held, "test").unwrap());
        assert_eq!(code(engine.refund_once(&once("r1"), &self.closed, &back(Some("5.00")), "test")), "now");
    }

    /// The program itself holds the one that a person released.
    fn hold_by_program(&self, world: &World) {
        let (hold, now) = (Hold::new(HoldCode::AddressDiffers, "another address"), world.now());
        world.engine.store.write(|tx| store::holds::put(tx, &self.held, &hold, "program", now)).unwrap();
    }

    /// Nothing that was said is said again.
    fn stand_as_they_stood(&self, world: &World) {
        world.run_for(days(1));
        assert!(world.waits_for(&self.held).starts_with("address_differs"), "{}", world.show(&self.held));
        assert_eq!(world.engine.restored(), None);
        assert_eq!(world.engine.store.read(|c| doubts::count(c, None)).unwrap(), 0, "{}", world.show(&self.closed));
        assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&self.closed));
        assert_eq!(world.stage(&self.bought), "closed", "{}", world.show(&self.bought));
        assert_eq!(world.book("purchases").len(), 2);
    }
}

/// A settle that failed leaves its line open, and words were said after it.
#[test]
fn a6_a_word_that_was_heard_is_not_said_again_after_a_settle_that_failed() {
    let (mut world, three) = three();
    world.settles_no_more(&three.bought, Slot::Purchase);
    let before = world.marked();
    let failed = world.engine.advance(&three.bought);
    assert!(failed.unwrap_err().to_string().contains("the disk is full"));
    three.speak(&world.engine);
    three.hold_by_program(&world);
    world.run_for(minutes(30));
    assert_eq!(world.book("refunds").len(), 1, "{}", world.show(&three.closed));
    let claim = world.purchase(&three.bought);
    assert_eq!((claim.state, claim.is_journaled), (State::Pending, false));
    assert_eq!(world.marked(), before, "the mark does not pass a claim nobody knows the outcome of");
    world.writes_again();
    world.restart();
    // The outcome in the journal is what the settle could not write.
    three.stand_as_they_stood(&world);
    assert!(world.marked() > before + 8);
    assert!(world.engine.store.read(store::heard::words).unwrap().is_empty(), "what the mark has passed is let go");
}

/// The program dies in a call while people speak to other orders.
#[test]
fn a6_a_word_that_was_heard_is_not_said_again_after_a_death_in_a_call() {
    let (mut world, three) = three();
    let three = Arc::new(three);
    let (engine, said) = (Arc::clone(&world.engine), Arc::clone(&three));
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("aliexpress.create", Moment::After) {
            said.speak(&engine);
            // Without the hook that prints: this is no fault.
            resume_unwind(Box::new("killed"));
        }
    });
    assert!(catch_unwind(AssertUnwindSafe(|| world.engine.advance(&three.bought))).is_err());
    world.tap.leave_alone();
    three.hold_by_program(&world);
    world.restart();
    world.run_for(minutes(30));
    // What became of the call that it died in is for a person to find out.
    assert!(world.waits_for(&three.bought).starts_with("purchase_unknown"), "{}", world.show(&three.bought));
    let id = world.book("purchases").last().unwrap()["id"].as_str().unwrap().to_owned();
    let found = Found::Orders(vec![id]);
    assert_eq!(code(world.engine.resolve_once(&once("k"), &three.bought, &found, "test")), "now");
    three.stand_as_they_stood(&world);
}

/// Words that were heard of a journal that was gone for a while are still heard when it is put back.
#[test]
fn a6_a_journal_put_back_repeats_no_word_that_was_heard() {
    let (mut world, three) = three();
    world.settles_no_more(&three.bought, Slot::Purchase);
    assert!(world.engine.advance(&three.bought).is_err());
    three.speak(&world.engine);
    three.hold_by_program(&world);
    world.run_for(minutes(30));
    world.writes_again();
    let (path, aside) = (world.data_dir().join("intents.log"), world.data_dir().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    world.restart();
    assert!(world.engine.restored().unwrap().contains("is gone"));
    world.engine.hold(&three.closed, "of the journal that was begun in its place", "test").unwrap();
    world.engine.release(&three.closed, "test").unwrap();
    std::fs::rename(&aside, &path).unwrap();
    world.restart();
    three.stand_as_they_stood(&world);
}

/// An older database has not heard them, although its mark stood just as far back.
#[test]
fn a6_what_an_older_database_had_not_heard_is_said_again() {
    let (mut world, three) = three();
    world.settles_no_more(&three.bought, Slot::Purchase);
    assert!(world.engine.advance(&three.bought).is_err());
    assert!(world.engine.release(&three.held, "test").unwrap());
    world.writes_again();
    let older = world.copy_of_files();
    let fresh = world.paid_order_of(4);
    world.engine.hold(&three.held, "the buyer rang again", "test").unwrap();
    std::fs::copy(world.data_dir().join("intents.log"), older.path().join("intents.log")).unwrap();
    world.restart_in(older);
    assert!(world.engine.restored().is_some(), "{fresh} is not known here");
    let hold = world.engine.store.read(|c| store::holds::standing(c, &three.held)).unwrap();
    assert_eq!(hold.map(|hold| hold.detail).as_deref(), Some("the buyer rang again"));
}

/// Once a look has settled the claim, its line holds the mark back no longer.
#[test]
fn a6_a_claim_that_a_look_settled_lets_the_mark_go_on() {
    let (mut world, three) = three();
    let order = world.checkout();
    world.settles_no_more(&order, Slot::Capture);
    world.approve(&order);
    assert!(world.engine.run_due().is_err());
    let before = world.marked();
    world.run_for(minutes(10));
    world.writes_again();
    let capture =
        |world: &World| world.engine.store.read(|c| store::claims::last(c, &order, Slot::Capture)).unwrap().unwrap();
    assert_eq!((capture(&world).state, world.marked()), (State::Done, before), "{}", world.show(&order));
    assert!(world.engine.release(&three.held, "test").unwrap());
    assert!(world.marked() > before);
    assert!(capture(&world).is_journaled, "what the mark has passed stands in the journal");
    world.finds_nothing("claims_are_journaled");
    assert!(world.engine.store.read(store::heard::words).unwrap().is_empty());
    three.hold_by_program(&world);
    world.restart();
    assert_eq!(world.engine.restored(), None);
    world.run_for(minutes(30));
    assert!(world.waits_for(&three.held).starts_with("address_differs"), "{}", world.show(&three.held));
}

/// A purchase of unknown outcome, a day later.
fn unknown_for_a_day(when: &str) -> (World, OrderId) {
    let world = World::with(policy());
    world.fault("aliexpress.create", "timeout", when, 1);
    let order = world.paid_order();
    world.run_for(SignedDuration::from_hours(25));
    assert!(world.waits_for(&order).starts_with("purchase_unknown"), "{}", world.show(&order));
    (world, order)
}

/// He was told that it failed, so it failed, at every later start.
#[test]
fn a6_a_proof_whose_word_failed_voids_nothing_at_the_next_start() {
    for is_older in [false, true] {
        let (mut world, order) = unknown_for_a_day("after_commit");
        let older = world.copy_of_files();
        world.law(
            "CREATE TRIGGER busy BEFORE INSERT ON idempotency
             BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        );
        let said = world.engine.resolve_once(&once("k"), &order, &Found::NothingThere, "test");
        assert!(said.unwrap_err().to_string().contains("the disk is full"));
        world.writes_again();
        if is_older {
            std::fs::copy(world.data_dir().join("intents.log"), older.path().join("intents.log")).unwrap();
            world.restart_in(older);
        } else {
            world.restart();
        }
        let claim = world.purchase(&order);
        assert!(claim.is_unknown(), "older {is_older}: {}", world.show(&order));
        world.run_for(days(2));
        assert_eq!(world.book("purchases").len(), 1, "older {is_older}: {}", world.show(&order));
        // What he found the second time is heard.
        let id = world.book("purchases")[0]["id"].as_str().unwrap().to_owned();
        let found = Found::Orders(vec![id]);
        assert_eq!(code(world.engine.resolve_once(&once("k2"), &order, &found, "test")), "now");
        world.run_for(days(1));
        assert_eq!(world.stage(&order), "closed", "older {is_older}: {}", world.show(&order));
    }
}

/// What a person found outlives the database that heard it.
#[test]
fn a6_a_proof_that_was_heard_survives_an_older_database() {
    for is_there in [false, true] {
        let (mut world, order) = unknown_for_a_day(if is_there { "after_commit" } else { "before_commit" });
        let older = world.copy_of_files();
        let ids = world.book("purchases").iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect();
        let found = if is_there { Found::Orders(ids) } else { Found::NothingThere };
        assert_eq!(code(world.engine.resolve_once(&once("k"), &order, &found, "Ana")), "now");
        std::fs::copy(world.data_dir().join("intents.log"), older.path().join("intents.log")).unwrap();
        world.restart_in(older);
        let expected = if is_there { State::Done } else { State::Void };
        assert_eq!(world.purchase(&order).state, expected, "{}", world.show(&order));
        world.run_for(days(1));
        assert!(world.waits_for(&order).contains("Ana said \"resolve "), "{}", world.show(&order));
        assert_eq!(world.book("purchases").len(), usize::from(is_there), "nothing goes out in doubt");
    }
}

/// The same order of writing for a refund: nothing stands in the journal that the database refused.
#[test]
fn a6_a_refused_word_leaves_no_proof_in_the_journal() {
    let world = World::penniless_with(Policy { cancel_buffer: minutes(60), ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(5));
    world.fault("paypal.refund", "timeout", "before_commit", 1_000_000);
    assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
    world.run_days(50);
    assert!(world.waits_for(&order).starts_with("refund_unknown: "), "{}", world.show(&order));
    world.law("CREATE TRIGGER busy BEFORE INSERT ON idempotency BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
    let nothing = postsale::engine::resolving::FoundAtPaypal::NothingThere;
    let resolve = |key| world.engine.resolve_refund_once(&once(key), &order, None, &nothing, "test");
    let journal = || std::fs::read_to_string(world.data_dir().join("intents.log")).unwrap();
    assert!(resolve("k1").unwrap_err().to_string().contains("the disk is full"));
    assert!(!journal().contains("nothing there"));
    world.writes_again();
    assert_eq!(code(resolve("k2")), "now");
    assert!(journal().contains("nothing there"));
}
