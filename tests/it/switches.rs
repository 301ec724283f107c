//! What holds for the whole shop: STOP as row and file, the one currency of the books, and closing in one go.

use crate::money::minutes;
use crate::world::{World, policy};
use postsale::domain::money::Currency;
use postsale::domain::policy::Policy;
use postsale::engine::facts;
use postsale::store;

/// Either half stops, and an older database brings back only one of them.
#[test]
fn a15_stop_is_a_row_and_a_file_and_either_stops() {
    let file = |world: &World| world.data_dir().join("STOP");
    let world = World::with(Policy { cancel_buffer: minutes(5), ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(1));
    world.engine.stop("test").unwrap();
    assert!(file(&world).exists());
    world.engine.store.write(|tx| facts::resume(tx, "an older database", world.now())).unwrap();
    world.run_for(minutes(60));
    assert!(world.book("purchases").is_empty(), "the file alone: {}", world.show(&order));
    world.engine.stop("test").unwrap();
    std::fs::remove_file(file(&world)).unwrap();
    world.run_for(minutes(60));
    assert!(world.book("purchases").is_empty(), "the row alone: {}", world.show(&order));
    world.engine.stop("test").unwrap();
    world.engine.resume("test").unwrap();
    assert!(!file(&world).exists() && !world.engine.is_stopped_now().unwrap());
    world.run_for(minutes(60));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
}

/// What a person laid down by hand, only a person takes away.
#[test]
fn a15_a_file_laid_by_hand_outlives_resume() {
    let world = World::with(policy());
    std::fs::write(world.data_dir().join("STOP"), "").unwrap();
    world.engine.resume("test").unwrap();
    assert!(world.engine.is_stopped_now().unwrap());
}

#[test]
fn l13_books_of_one_currency_are_never_opened_in_another() {
    let check = |is_older: bool| {
        let mut world = World::with(policy());
        world.paid_order();
        world.run_for(minutes(10));
        if is_older {
            // As a version before this one left it: only its orders say in what it was kept.
            let forget = |tx: &rusqlite::Transaction<'_>| store::meta::remove(tx, "currency");
            assert!(world.engine.store.write(forget).unwrap());
        }
        world.policy.currency = Currency::new("EUR").unwrap();
        let refused = world.try_restart().unwrap_err();
        assert!(refused.contains("kept in USD") && refused.contains("\"EUR\""), "{refused}");
        world.policy.currency = Currency::new("USD").unwrap();
        world.try_restart().unwrap();
    };
    check(false);
    check(true);
}

/// A closed order is never looked at again, so what is shown of it is written with the closing or not at all.
#[test]
fn f1_an_order_is_closed_and_shown_as_closed_in_one_go() {
    let world = World::with(policy());
    let fails = "CREATE TRIGGER dies BEFORE UPDATE ON orders WHEN NEW.stage = 'closed'
                 BEGIN SELECT RAISE(ABORT, 'the program dies here'); END";
    world.engine.store.write(|tx| tx.execute_batch(fails).map_err(store::StoreError::from)).unwrap();
    let order = world.paid_order();
    while world.engine.run_due().is_ok() {
        world.wind(minutes(1));
    }
    let closed_at =
        |world: &World| world.engine.store.read(|c| store::views::order(c, &order)).unwrap().unwrap().closed_at;
    assert_eq!(closed_at(&world), None, "{}", world.show(&order));
    let mends = |tx: &rusqlite::Transaction<'_>| tx.execute_batch("DROP TRIGGER dies").map_err(store::StoreError::from);
    world.engine.store.write(mends).unwrap();
    world.run_for(minutes(10));
    assert!(closed_at(&world).is_some());
    assert_eq!(world.stage(&order), "closed");
}
