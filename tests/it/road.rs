//! The whole road of one order, judged by the far sides' own books.

use crate::world::{World, usd};
use jiff::SignedDuration;
use postsale::rehearsal::compare::compare;
use postsale::store;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[test]
fn one_order_goes_the_whole_road() {
    let world = World::new();
    let order = world.paid_order();
    world.run_for(minutes(10));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));

    let (captures, purchases, payouts) = (world.book("captures"), world.book("purchases"), world.book("payouts"));
    assert_eq!((captures.len(), purchases.len(), payouts.len()), (1, 1, 2), "{}", world.show(&order));

    let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
    assert!(sale.is_payout_executed);
    if std::env::var_os("SHOW").is_some() {
        println!("{}", world.show(&order));
    }
    let left =
        [sale.fee, sale.supplier_total, sale.commission].into_iter().fold(sale.gross, |m, x| m.minus(x).unwrap());
    assert_eq!(left, sale.profit, "gross - fee - supplier - commission = profit");
    assert_eq!(sale.gross, usd("25.00"));

    // To the cent: every capture, purchase and payout, and the balance of the PayPal account.
    let comparison = compare(&world.engine.store, &world.plug.book()).unwrap();
    assert!(comparison.agrees(), "{comparison:#?}");
}
