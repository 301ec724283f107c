//! Answers of PayPal that name what is another order's: nobody knows what became of this one, and nothing is sent under a
//! new key. Judged by the far sides' book.

use crate::money::{days, minutes};
use crate::refunds::{back, refund};
use crate::world::{World, policy};
use postsale::domain::claim::Slot;
use postsale::domain::order::OrderId;
use postsale::store::{self, StoreError};

/// What stands in that column for an order, or for its payout to the seller.
fn id_in(world: &World, (table, column): (&str, &str), order: &OrderId) -> Option<String> {
    let sql = match table {
        "payouts" => format!(
            "SELECT p.{column} FROM payouts p JOIN claims c ON c.key = p.key
             WHERE c.order_id = ?1 AND c.slot = 'payout:seller' AND c.state <> 'void'"
        ),
        _ => format!("SELECT {column} FROM {table} WHERE order_id = ?1"),
    };
    let read = world.engine.store.read(|c| {
        let mut statement = c.prepare(&sql)?;
        let mut rows = statement.query([&order.0])?;
        Ok::<_, StoreError>(rows.next()?.map(|row| row.get(0)).transpose()?.flatten())
    });
    read.unwrap()
}

/// Two orders, one after the other; before the second comes, the first is said to have the id that the second will get.
/// Answers both, and what the second got.
fn second_of_two(place: (&str, &str), planted: Option<&str>) -> (World, OrderId, Option<String>) {
    let world = World::with(policy());
    let first = world.paid_order_of(1);
    world.run_for(days(1));
    assert_eq!(refund(&world, &first, "r1", &back(Some("5.00"))), "now");
    world.run_for(minutes(10));
    assert_eq!(world.stage(&first), "closed", "{}", world.show(&first));
    if let Some(id) = planted {
        let own = id_in(&world, place, &first).unwrap();
        let (table, column) = place;
        let laws = "DROP TRIGGER payouts_stay; DROP TRIGGER payouts_keep_their_transactions; DROP TRIGGER refunds_keep_their_claim";
        let sql = format!("{laws}; UPDATE {table} SET {column} = '{id}' WHERE {column} = '{own}'");
        world.engine.store.write(|tx| tx.execute_batch(&sql).map_err(StoreError::from)).unwrap();
    }
    let second = if planted.is_some() && place.0 == "checkouts" { world.checkout() } else { world.paid_order_of(2) };
    world.run_for(minutes(30));
    if place.0 == "refunds" {
        assert_eq!(refund(&world, &second, "r2", &back(Some("5.00"))), "now");
        world.run_for(minutes(10));
    }
    let id = id_in(&world, place, &second);
    (world, second, id)
}

#[test]
fn a2_an_answer_that_names_anothers_id_leaves_the_outcome_unknown() {
    let places = [
        ("checkouts", "paypal_order_id", "the far side said not now"),
        ("payouts", "batch_id", "payout_unknown: 9.08 USD may have been paid"),
        ("payouts", "item_id", "payout_problem: PayPal shows item"),
        ("payouts", "transaction_id", "payout_problem: PayPal shows item"),
        ("refunds", "refund_id", "too early to look again"),
    ];
    for (table, column, waits) in places {
        let (world, _, id) = second_of_two((table, column), None);
        let id = id.unwrap_or_else(|| panic!("{table}.{column} stays empty"));
        let moved = |world: &World| ["captures", "payouts", "refunds"].map(|book| world.book(book).len());
        let as_ever = moved(&world);
        let (world, second, got) = second_of_two((table, column), Some(&id));
        assert_eq!(got, None, "{table}.{column}: {}", world.show(&second));
        assert!(world.waits_for(&second).starts_with(waits), "{table}.{column}: {}", world.show(&second));
        let claim = world.engine.store.read(|c| store::claims::live(c, &second, Slot::Checkout)).unwrap().unwrap();
        assert!(claim.sends < 20, "{table}.{column}: sent {} times in half an hour", claim.sends);
        let expected = if table == "checkouts" { [1, 2, 1] } else { as_ever };
        assert_eq!(moved(&world), expected, "{table}.{column}: {}", world.show(&second));
    }
}
