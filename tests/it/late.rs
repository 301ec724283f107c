//! Late truth (F15): money goes back, is disputed, and comes back from the supplier, in any order and at any time after
//! the goods were bought. Nothing that was booked changes, and after every step the books add up and agree with PayPal's.

use crate::by_hand::{code, once};
use crate::refunds::back;
use crate::schedule::Dice;
use crate::world::{World, usd};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::settlement::SupplierRefund;
use postsale::store::checks::{self, When};
use postsale::store::{self, ledger::PostingRow};
use serde_json::{Value, json};

fn booked(world: &World, order: &OrderId) -> Vec<PostingRow> {
    world.engine.store.read(|c| store::ledger::of_order(c, order)).unwrap()
}

/// Books that add up, and that hold what PayPal holds.
fn agrees(world: &World, what: &str) {
    let when = When { now: world.now(), ladder: world.policy.ladder(), is_deep: true };
    for check in checks::table() {
        let found = world.engine.store.read(|c| check.look(c, &when)).unwrap();
        assert!(found.is_empty(), "{what}: {}: {found:?}", check.id);
    }
    assert_eq!(world.balance("paypal:available"), world.paypal_earned(), "{what}");
}

fn control(world: &World, path: &str, body: &Value) -> Option<Value> {
    let (status, answer) = world.plug.control("POST", &format!("/__control/paypal/{path}"), body);
    (status == 200).then(|| serde_json::from_slice(&answer).unwrap())
}

/// Something that becomes known late. What does not fit any more (nothing left to give back) is refused and told.
fn happens(world: &World, order: &OrderId, dice: &mut Dice, number: usize) -> String {
    let key = format!("late-{number}");
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let amount = format!("{}.{:02}", dice.below(6), 1 + dice.below(99));
    let told = match dice.below(5) {
        0 => {
            let wanted = postsale::engine::ending::BackWanted { is_again: true, ..back(Some(&amount)) };
            format!("refund {amount}: {}", code(world.engine.refund_once(&once(&key), order, &wanted, "test")))
        }
        1 => {
            let done = control(world, &format!("captures/{capture}/refund"), &json!({ "amount": amount }));
            format!("on the site {amount}: {}", done.is_some())
        }
        2 => {
            let dispute = control(world, &format!("captures/{capture}/dispute"), &json!({}));
            format!("disputed: {}", dispute.is_some())
        }
        3 => {
            let open = world.plug.book()["disputes"].as_array().cloned().unwrap_or_default();
            let open = open.iter().find(|dispute| dispute["status"] != "RESOLVED").cloned();
            let outcome = ["RESOLVED_BUYER_FAVOUR", "RESOLVED_SELLER_FAVOUR"][dice.below(2)];
            if let Some(id) = open.and_then(|dispute| dispute["id"].as_str().map(str::to_owned)) {
                world.wind(SignedDuration::from_secs(1));
                control(world, &format!("disputes/{id}"), &json!({ "status": "RESOLVED", "outcome": outcome }));
            }
            outcome.to_owned()
        }
        _ => {
            let purchase = world.engine.store.read(|c| store::purchases::live(c, order)).unwrap().unwrap();
            let supplier_order_id = purchase.supplier_orders[0].id.clone();
            let refund = SupplierRefund { supplier_order_id, reference: key.clone(), amount: usd(&amount) };
            let told = code(world.engine.supplier_refund_once(&once(&key), order, &refund, "test"));
            format!("supplier gives {amount}: {told}")
        }
    };
    world.engine.paypal_rang(order).unwrap();
    world.engine.poll_disputes().unwrap();
    told
}

fn plays(seed: u64) {
    let mut dice = Dice::new(seed);
    let world = World::penniless();
    let order = world.paid_order();
    world.run_for(SignedDuration::from_secs(60 * (1 + dice.below(90) as i64)));
    let mut told = vec![format!("seed {seed}")];
    for number in 0..2 + dice.below(5) {
        let before = booked(&world, &order);
        // The bell is rung right after a thing happened; PayPal's list of disputes is read once more a while later.
        told.push(happens(&world, &order, &mut dice, number));
        world.run_for(SignedDuration::from_mins(1 + dice.below(300) as i64));
        let after = booked(&world, &order);
        assert_eq!(after[..before.len()], before, "{told:?}: something booked was changed");
        agrees(&world, &told.join(", "));
        crate::judge::assert_at_most_once(&world, &order, &told.join(", "));
    }
}

#[test]
fn f15_late_truth_in_any_order_leaves_books_that_add_up() {
    let seeds = if std::env::var_os("POSTSALE_FULL").is_some() { 1000 } else { 25 };
    for seed in 0..seeds {
        let played = std::panic::catch_unwind(|| plays(seed));
        assert!(played.is_ok(), "seed {seed}");
    }
}
