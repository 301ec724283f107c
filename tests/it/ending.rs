//! A person ends something or puts it right: cancel, correct, the next attempt of a payout; and the road where the
//! supplier's interface is switched off. Judged by the far sides' own books.

use crate::by_hand::{code, once};
use crate::shop::{PROGRAM, Shop};
use crate::world::{World, policy, usd};
use jiff::SignedDuration;
use postsale::domain::guards::Approval;
use postsale::domain::order::{Address, OrderId};
use postsale::domain::policy::{Policy, Purchasing};
use postsale::domain::trade::FarSide;
use postsale::engine::by_hand::BoughtByHand;
use postsale::engine::once::{Correction, NotHeard};
use postsale::store;
use serde_json::json;
use std::sync::Arc;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn cancelled(world: &World, order: &OrderId, key: &str) -> &'static str {
    code(world.engine.cancel_once(&once(key), order, "the buyer wrote", "tester"))
}

#[test]
fn a_cancelled_checkout_is_never_captured_afterwards() {
    let world = World::new();
    let before = world.checkout();
    assert_eq!(cancelled(&world, &before, "k1"), "now");
    assert_eq!(cancelled(&world, &before, "k1"), "before");
    world.approve(&before);
    // Approved already, and not yet captured.
    let after = world.checkout();
    world.approve(&after);
    assert_eq!(cancelled(&world, &after, "k2"), "now");
    world.run_for(SignedDuration::from_hours(8));
    assert_eq!(world.book("captures").len(), 0);
    for order in [&before, &after] {
        assert_eq!(world.stage(order), "cancelled", "{}", world.show(order));
        assert_eq!(cancelled(&world, order, "k3"), "order_over");
        assert!(!world.show(order).contains("the buyer wrote"), "a reason may name people");
    }
}

#[test]
fn a14_after_a_capture_or_with_a_purchase_cancelling_names_the_way() {
    let world = World::with(Policy { purchasing: Purchasing::Manual, ..policy() });
    let paid = world.paid_order();
    world.run_for(minutes(5));
    assert_eq!(cancelled(&world, &paid, "k1"), "now", "the whole refund is ordered: {}", world.show(&paid));
    world.fault("paypal.capture", "timeout", "after_commit", 1);
    let unknown = world.paid_order_of(2);
    world.engine.run_due().unwrap();
    assert_eq!(cancelled(&world, &unknown, "k2"), "capture_unknown", "{}", world.show(&unknown));
    world.run_for(minutes(5));

    let world = World::new();
    world.fault("aliexpress.create", "timeout", "after_commit", 1);
    let order = world.paid_order();
    world.run_for(minutes(5));
    assert_eq!(cancelled(&world, &order, "k3"), "resolve_first", "{}", world.show(&order));
    let bought = World::new();
    let order = bought.paid_order();
    bought.engine.run_due().unwrap();
    bought.run_for(SignedDuration::from_secs(2));
    assert_eq!(cancelled(&bought, &order, "k4"), "refund_first", "{}", bought.show(&order));
}

#[test]
fn a18_a20_a_correction_asks_again_and_keeps_paypals_address() {
    let world = World::with(Policy { purchasing: Purchasing::Manual, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(5));
    let hash = || {
        let trade = world.engine.plan(&order).unwrap().0;
        trade.quote.map(|quote| quote.hash)
    };
    let seen = hash().unwrap();
    let phone = |phone: &str| Correction { phone: Some(phone.to_owned()), ..Correction::default() };
    assert_eq!(code(world.engine.correct_once(&once("k1"), &order, &phone("+1 559 360 0001"), "tester")), "now");
    assert_eq!(hash(), None, "the offer for the old buyer is gone");
    let approval = Approval { quote_hash: Some(seen.clone()), overrides: Vec::new(), expires_at: None };
    world.engine.approve(&order, &approval, None, "tester").unwrap();
    world.run_for(minutes(5));
    assert_ne!(hash().unwrap(), seen);
    assert!(world.waits_for(&order).starts_with("needs_approval"), "{}", world.show(&order));
    assert_eq!(world.book("purchases").len(), 0);

    let to = |line1: &str, line2: &str| Correction {
        address: Some(Address { line1: Some(line1.to_owned()), line2: Some(line2.to_owned()), ..Address::default() }),
        ..Correction::default()
    };
    let elsewhere = world.engine.correct_once(&once("k2"), &order, &to("1 Elm Street", "flat 2"), "tester");
    assert_eq!(code(elsewhere), "address_is_paypals");
    let released = world.engine.release_once(&once("k2"), &order, &to("1 Elm Street", "flat 2"), "tester");
    assert_eq!(released.map(drop).map_err(|e| e.to_string().contains("at PayPal")), Err(true));
    let filled = world.engine.correct_once(&once("k3"), &order, &to("12 oak street", "flat 2"), "tester");
    assert_eq!(code(filled), "now");
    let buyer = world.engine.store.read(|c| store::intake::buyer(c, &order)).unwrap().unwrap();
    assert_eq!(buyer.address.line2.as_deref(), Some("flat 2"));
    assert_eq!(buyer.address.postal_code.as_deref(), Some("08360"), "what is not given stays");

    let approval = Approval { quote_hash: None, overrides: Vec::new(), expires_at: None };
    world.engine.approve(&order, &approval, None, "tester").unwrap();
    world.run_for(minutes(5));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
    let late = world.engine.correct_once(&once("k4"), &order, &phone("+1 559 360 0002"), "tester");
    assert!(matches!(late, Err(NotHeard::AlreadyBought)), "{late:?}");
}

#[test]
fn l32_with_the_interface_off_the_buyer_is_charged_and_a_person_buys() {
    let mut world = World::new();
    Arc::get_mut(&mut world.engine).unwrap().settings.aliexpress = FarSide::Off;
    let order = world.paid_order();
    world.run_for(minutes(5));
    assert_eq!((world.book("captures").len(), world.book("purchases").len()), (1, 0));
    let waits = world.waits_for(&order);
    // 25.00 less PayPal's fee and the least profit of 1.00.
    assert!(
        waits.starts_with("buy_by_hand")
            && waits.contains("1 x MUG (https://www.aliexpress.com/item/1005001234567890.html"),
        "{waits}"
    );
    assert!(waits.contains("for at most 22."), "{waits}");
    let bought = BoughtByHand { ids: vec!["8001234567890123".to_owned()], total: usd("9.00"), at: None, note: None };
    assert_eq!(code(world.engine.mark_purchased_once(&once("k1"), &order, &bought, "tester")), "now");
    assert_eq!(code(world.engine.mark_supplier_paid_once(&once("k2"), &order, None, "tester")), "now");
    world.run_for(minutes(5));
    let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
    assert_eq!((sale.supplier_total, sale.is_payout_executed), (usd("9.00"), true), "{}", world.show(&order));
    assert_eq!((world.book("purchases").len(), world.book("payouts").len()), (0, 2));
}

#[test]
fn the_next_attempt_of_a_payout_needs_a_word_and_proof_that_the_last_one_failed() {
    let world = World::new();
    world.switch("payout_outcome", json!("FAILED"));
    let order = world.paid_order();
    world.run_for(minutes(10));
    assert!(world.waits_for(&order).starts_with("payout_problem"), "{}", world.show(&order));
    let paid = || world.book("payouts").iter().filter(|p| p["status"] == "SUCCESS").count();
    let tried = world.book("payouts").len();
    world.run_for(SignedDuration::from_hours(24));
    assert_eq!(world.book("payouts").len(), tried, "never a next attempt by itself");
    let rows = world.engine.store.read(|c| store::money_views::payouts_of(c, &order)).unwrap();
    let keys: Vec<String> = rows.iter().filter(|row| row.state == "void").map(|row| row.key.clone()).collect();
    let key = keys[0].clone();
    let say = |key: &str, word: &str| code(world.engine.approve_payout_once(&once(word), &order, key, "tester"));
    world.switch("payout_outcome", json!("SUCCESS"));
    assert_eq!(say("no-such-payout-at-all", "k0"), "payout_live");
    assert_eq!(say(&key, "k1"), "now");
    assert_eq!(say(&key, "k1"), "before");
    assert_ne!(say(&key, "k2"), "now", "one word, one attempt");
    world.run_for(minutes(30));
    assert_eq!(paid(), 1, "one word, one leg: {}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("payout_problem"), "{}", world.show(&order));
    assert_eq!(say(&keys[1], "k3"), "now");
    world.run_for(minutes(30));
    assert_eq!(paid(), 2, "{} {:?}", world.show(&order), world.book("payouts"));
}

#[test]
fn the_command_line_says_it_to_the_running_server_and_to_nobody_else() {
    let shop = Shop::shipped();
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(PROGRAM);
        command.env_clear().current_dir(shop.dir.path()).args(["orders"]).args(words);
        let out = command.output().unwrap();
        let text = [out.stdout, out.stderr].concat();
        (out.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
    };
    let serving = shop.serve(None).unwrap();
    let product = json!({
        "title": "Mug", "price": "25.00", "currency": "USD", "active": true,
        "supplier": { "productId": "1005001234567890", "skuAttr": "14:29#Black", "skuId": "12000012345678901" },
    });
    let (status, said) = serving.ask("PUT", "/api/products/MUG", &[], &product).unwrap();
    assert!(status < 300, "{said}");
    let order = json!({
        "channel": "etsy", "channelOrderId": "1001", "items": [{ "sku": "MUG", "quantity": 1 }], "total": "25.00",
        "currency": "USD", "paidAt": jiff::Timestamp::now().to_string(), "funds": "held_by_channel",
    });
    let (status, said) = serving.ask("POST", "/api/orders", &[], &order).unwrap();
    assert_eq!(status, 201, "{said}");

    let (code, said) = run(&["hold", "1001", "--reason", "odd", "--key", "k1"]);
    assert_eq!((code, said.contains("heard;")), (0, true), "{said}");
    let (code, said) = run(&["hold", "1001", "--reason", "odd", "--key", "k1"]);
    assert_eq!((code, said.contains("heard before")), (0, true), "{said}");
    let (code, said) = run(&["resolve", "1001", "--nothing-there"]);
    assert_eq!((code, said.contains("nothing_unknown")), (2, true), "{said}");
    let mut payouts = std::process::Command::new(PROGRAM);
    payouts.env_clear().current_dir(shop.dir.path()).args(["payouts", "cancel", "nosuchpayout"]);
    let out = payouts.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!((out.status.code(), said.contains("not_found")), (Some(2), true), "{said}");
    let (code, said) = run(&["cancel", "1001", "--reason", "the buyer wrote"]);
    assert_eq!((code, said.contains("heard;")), (0, true), "{said}");
    drop(serving);
    let (code, said) = run(&["hold", "1001", "--reason", "odd"]);
    assert_eq!((code, said.contains("start it first")), (2, true), "{said}");
}
