//! Fifty hands on one button, and a person who buys while the program buys. Whatever is said fifty times at once has the
//! effect of having been said once, by the far sides' books and by ours; and everybody is told what happened.

use crate::by_hand::{code, once};
use crate::money::{days, minutes};
use crate::refunds::back;
use crate::world::{World, policy, usd};
use postsale::domain::claim::Recipient;
use postsale::domain::guards::Approval;
use postsale::domain::order::OrderId;
use postsale::domain::policy::{Policy, Purchasing};
use postsale::domain::settlement::{SettledTo, Settlement, SupplierRefund};
use postsale::engine::by_hand::{BoughtByHand, Found, Shipped};
use postsale::engine::once::Correction;
use postsale::engine::resolving::FoundAtPaypal;
use postsale::store;
use postsale::store::checks::{self, When};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Barrier;

const HANDS: usize = 50;
/// So many of them press the same button of the same page: one key.
const SAME: usize = 25;

/// What a verb is said to, and how.
struct Verb {
    name: &'static str,
    policy: fn() -> Policy,
    prepare: fn(&World) -> OrderId,
    /// Says it under a key; answers in a word.
    say: fn(&World, &OrderId, &str) -> &'static str,
}

/// Everything that moved at the far sides, and everything that is booked.
fn effect(world: &World) -> Effects {
    let counts = ["captures", "refunds", "purchases", "payouts"].map(|kind| world.book(kind).len());
    let balances = world.engine.store.read(store::ledger::balances).unwrap();
    (counts.to_vec(), balances.into_iter().map(|(account, money)| format!("{account} {money}")).collect())
}

/// What the far sides' book counts, and every balance.
type Effects = (Vec<usize>, Vec<String>);

/// Says the verb `hands` times at once, lets days pass, and answers what came of it and what was answered.
fn said(verb: &Verb, hands: usize) -> (Effects, BTreeMap<&'static str, usize>) {
    let world = World::with((verb.policy)());
    // Far sides that remember no key: whatever is sent twice happens twice.
    world.switch("out_order_id_hours", json!(0));
    world.switch("payout_key_days", json!(0));
    let order = (verb.prepare)(&world);
    let barrier = Barrier::new(hands);
    let answers: Vec<(bool, &'static str)> = std::thread::scope(|scope| {
        let hand = |number: usize| {
            let (world, order, barrier) = (&world, &order, &barrier);
            scope.spawn(move || {
                let key = format!("key-{}", number.saturating_sub(SAME - 1));
                barrier.wait();
                (number < SAME, (verb.say)(world, order, &key))
            })
        };
        let hands: Vec<_> = (0..hands).map(hand).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    });
    let heard = answers.iter().filter(|(is_same, answer)| *is_same && *answer == "now").count();
    assert!(heard <= 1, "{}: one click was heard {heard} times", verb.name);
    world.run_for(days(2));
    let when = When { now: world.now(), ladder: world.policy.ladder(), is_deep: true };
    for check in checks::table() {
        let found = world.engine.store.read(|c| check.look(c, &when)).unwrap();
        assert!(found.is_empty(), "{}: {}: {found:?}", verb.name, check.id);
    }
    let mut told = BTreeMap::new();
    answers.into_iter().for_each(|(_, answer)| *told.entry(answer).or_default() += 1);
    (effect(&world), told)
}

fn manual() -> Policy {
    Policy { purchasing: Purchasing::Manual, ..policy() }
}

fn waits_for_a_yes(world: &World) -> OrderId {
    let order = world.paid_order();
    world.run_for(minutes(5));
    order
}

fn closed(world: &World) -> OrderId {
    let order = world.paid_order();
    world.run_for(days(1));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    order
}

fn with_payouts(world: &World, outcome: &str) -> OrderId {
    world.switch("payout_outcome", json!(outcome));
    let order = world.paid_order();
    world.run_for(minutes(30));
    world.switch("payout_outcome", json!("SUCCESS"));
    order
}

fn payout(world: &World, order: &OrderId) -> String {
    world.engine.store.read(|c| store::money_views::payouts_of(c, order)).unwrap()[0].key.clone()
}

fn by_hand() -> BoughtByHand {
    BoughtByHand { ids: vec!["8001234567890123".to_owned()], total: usd("9.00"), at: None, note: None }
}

fn bought_by_hand(world: &World) -> OrderId {
    let order = waits_for_a_yes(world);
    assert_eq!(code(world.engine.mark_purchased_once(&once("by hand"), &order, &by_hand(), "test")), "now");
    order
}

fn paid_by_hand(world: &World) -> OrderId {
    let order = bought_by_hand(world);
    assert_eq!(code(world.engine.mark_supplier_paid_once(&once("paid"), &order, None, "test")), "now");
    world.run_for(minutes(5));
    order
}

fn supplier_order(world: &World, order: &OrderId) -> String {
    let purchase = world.engine.store.read(|c| store::purchases::live(c, order)).unwrap().unwrap();
    purchase.supplier_orders[0].id.clone()
}

/// What bears no key: said again it is the same.
fn unit(result: postsale::engine::Result<impl Sized>) -> &'static str {
    result.map(|_| "done").unwrap()
}

const VERBS: &[Verb] = &[
    Verb {
        name: "approve",
        policy: manual,
        prepare: waits_for_a_yes,
        say: |world, order, key| {
            let yes = Approval { quote_hash: None, overrides: Vec::new(), expires_at: None };
            code(world.engine.approve_once(&once(key), order, &yes, None, "test"))
        },
    },
    Verb {
        name: "hold",
        policy: manual,
        prepare: waits_for_a_yes,
        say: |world, order, key| code(world.engine.hold_once(&once(key), order, "wait", "test")),
    },
    Verb {
        name: "release",
        policy,
        prepare: |world| {
            let order = world.checkout();
            world.engine.hold(&order, "wait", "test").unwrap();
            world.approve(&order);
            world.run_for(minutes(5));
            order
        },
        say: |world, order, key| code(world.engine.release_once(&once(key), order, &Correction::default(), "test")),
    },
    Verb {
        name: "correct",
        policy: manual,
        prepare: waits_for_a_yes,
        say: |world, order, key| {
            let correction = Correction { name: Some("Jane M. Miller".to_owned()), ..Correction::default() };
            code(world.engine.correct_once(&once(key), order, &correction, "test"))
        },
    },
    Verb {
        name: "cancel",
        policy: manual,
        prepare: waits_for_a_yes,
        say: |world, order, key| code(world.engine.cancel_once(&once(key), order, "the buyer wrote", "test")),
    },
    Verb {
        name: "refund",
        policy,
        prepare: closed,
        say: |world, order, key| code(world.engine.refund_once(&once(key), order, &back(Some("5.00")), "test")),
    },
    Verb {
        name: "resolve",
        policy,
        prepare: |world| {
            world.fault("aliexpress.create", "timeout", "after_commit", 1);
            waits_for_a_yes(world)
        },
        say: |world, order, key| {
            let id = world.book("purchases")[0]["id"].as_str().unwrap().to_owned();
            code(world.engine.resolve_once(&once(key), order, &Found::Orders(vec![id]), "test"))
        },
    },
    Verb {
        name: "mark-purchased",
        policy: manual,
        prepare: waits_for_a_yes,
        say: |world, order, key| code(world.engine.mark_purchased_once(&once(key), order, &by_hand(), "test")),
    },
    Verb {
        name: "mark-supplier-paid",
        policy: manual,
        prepare: bought_by_hand,
        say: |world, order, key| code(world.engine.mark_supplier_paid_once(&once(key), order, None, "test")),
    },
    Verb {
        name: "mark-shipped",
        policy: manual,
        prepare: paid_by_hand,
        say: |world, order, key| {
            let shipped = Shipped { tracking_number: "LP001".to_owned(), carrier: None };
            code(world.engine.mark_shipped_once(&once(key), order, &shipped, "test"))
        },
    },
    Verb {
        name: "mark-delivered",
        policy: manual,
        prepare: paid_by_hand,
        say: |world, order, key| code(world.engine.mark_delivered_once(&once(key), order, "test")),
    },
    Verb {
        name: "approve-payout",
        policy,
        prepare: |world| with_payouts(world, "FAILED"),
        say: |world, order, key| {
            code(world.engine.approve_payout_once(&once(key), order, &payout(world, order), "test"))
        },
    },
    Verb {
        name: "cancel-payout",
        policy,
        prepare: |world| with_payouts(world, "UNCLAIMED"),
        say: |world, order, key| {
            code(world.engine.cancel_payout_once(&once(key), order, &payout(world, order), "test"))
        },
    },
    Verb {
        name: "mark-paid",
        policy,
        prepare: |world| with_payouts(world, "FAILED"),
        say: |world, order, key| {
            code(world.engine.mark_paid_once(&once(key), order, &payout(world, order), "BANK-1", "test"))
        },
    },
    Verb {
        name: "settle",
        policy,
        prepare: |world| {
            let order = world.take(&world.report("1001"));
            world.run_for(minutes(30));
            order
        },
        say: |world, order, key| {
            let (amount, account) = (usd("20.00"), SettledTo::Paypal);
            let settlement = Settlement { reference: "S1".to_owned(), amount, fee: None, account };
            code(world.engine.settle_once(&once(key), order, &settlement, world.now(), "test"))
        },
    },
    Verb {
        name: "supplier-refund",
        policy,
        prepare: closed,
        say: |world, order, key| {
            let (reference, amount) = ("R1".to_owned(), usd("2.00"));
            let refund = SupplierRefund { supplier_order_id: supplier_order(world, order), reference, amount };
            code(world.engine.supplier_refund_once(&once(key), order, &refund, "test"))
        },
    },
    Verb {
        name: "resolve-refund",
        policy: manual,
        prepare: |world| {
            let order = waits_for_a_yes(world);
            world.fault("paypal.refund", "timeout", "after_commit", 1);
            world.fault("paypal.order", "status_500", "before_commit", 100);
            let wanted = back(Some("5.00"));
            assert_eq!(code(world.engine.refund_once(&once("refund"), &order, &wanted, "test")), "now");
            world.run_for(minutes(1));
            world.plug.control("DELETE", "/__control/faults", &json!({}));
            order
        },
        say: |world, order, key| {
            let found = FoundAtPaypal::Id(world.book("refunds")[0]["id"].as_str().unwrap().to_owned());
            code(world.engine.resolve_refund_once(&once(key), order, None, &found, "test"))
        },
    },
    Verb {
        name: "resolve-payout",
        policy,
        prepare: |world| {
            world.fault("paypal.payout", "timeout", "after_commit", 1);
            let order = world.paid_order();
            world.run_for(minutes(1));
            order
        },
        say: |world, order, key| {
            let lost = &world.book("payouts")[0];
            let (payout, batch) = (lost["key"].as_str().unwrap(), lost["batchId"].as_str().unwrap());
            let found = FoundAtPaypal::Id(batch.to_owned());
            code(world.engine.resolve_payout_once(&once(key), order, payout, &found, "test"))
        },
    },
    Verb {
        name: "approve-payee",
        policy,
        prepare: closed,
        say: |world, _, _| {
            let seller = world.engine.settings.seller.clone().unwrap();
            let heard = world.engine.approve_first_payment(Recipient::Seller, &seller, "test");
            heard.map_or_else(|refused| code::<()>(Err(refused)), |()| "done")
        },
    },
    Verb {
        name: "payee",
        policy,
        prepare: closed,
        say: |world, _, _| unit(world.engine.confirm_payee(Recipient::Seller, "other@shop.example", "test")),
    },
    Verb { name: "stop", policy, prepare: closed, say: |world, _, _| unit(world.engine.stop("test")) },
    Verb {
        name: "resume",
        policy,
        prepare: |world| {
            let order = world.paid_order();
            world.engine.stop("test").unwrap();
            world.run_for(minutes(30));
            order
        },
        say: |world, _, _| unit(world.engine.resume("test")),
    },
];

#[test]
fn f40_fifty_hands_on_any_verb_have_the_effect_of_one() {
    for verb in VERBS {
        let (once, alone) = said(verb, 1);
        let (fifty, told) = said(verb, HANDS);
        println!("{}: {told:?}", verb.name);
        assert!(alone.contains_key("now") || alone.contains_key("done"), "{}: {alone:?}", verb.name);
        assert_eq!(fifty, once, "{}: {told:?}", verb.name);
        assert_eq!(told.values().sum::<usize>(), HANDS);
        assert!(alone.keys().all(|answer| told.contains_key(answer)), "{}: {told:?}", verb.name);
    }
}

/// A person types in what he bought on the site in the moment in which the program buys.
#[test]
fn f40_a_purchase_by_hand_while_the_program_buys() {
    let (mut by_program, mut by_person) = (0, 0);
    for round in 0..12 {
        let world = World::penniless_with(Policy { cancel_buffer: minutes(60), ..policy() });
        world.switch("out_order_id_hours", json!(0));
        let order = world.paid_order();
        world.run_for(minutes(30));
        world.wind(minutes(40));
        let barrier = Barrier::new(8);
        let told: Vec<&'static str> = std::thread::scope(|scope| {
            let hands: Vec<_> = (0..8)
                .map(|number| {
                    let (world, order, barrier) = (&world, &order, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        if (number + round) % 2 == 0 {
                            // A fact that changed meanwhile turns it away whole.
                            let _ = world.engine.advance(order);
                            return "program";
                        }
                        code(world.engine.mark_purchased_once(&once(&number.to_string()), order, &by_hand(), "test"))
                    })
                })
                .collect();
            hands.into_iter().map(|hand| hand.join().unwrap()).collect()
        });
        let typed = told.iter().filter(|answer| **answer == "now").count();
        world.run_for(minutes(30));
        let bought = world.book("purchases").len();
        assert_eq!(bought + typed, 1, "{told:?}: {}", world.show(&order));
        if typed == 0 {
            by_program += 1;
        } else {
            by_person += 1;
        }
        let others = told.iter().filter(|answer| !["program", "now"].contains(answer));
        others.for_each(|answer| assert!(["already_bought", "purchase_unknown"].contains(answer), "{told:?}"));
    }
    println!("{by_program} times the program bought, {by_person} times the person");
}
