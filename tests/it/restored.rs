//! After the database or the machine went back in time: nothing is sent, what the journal remembers is made good, and
//! there is a way out, trade by trade. Judged by the far sides' book. Which fault is shown where: `tests/FAULTS.md`.

use crate::by_hand::{code, once};
use crate::forgotten::hours;
use crate::judge::End;
use crate::money::{days, minutes};
use crate::refunds::{agrees, back, refund, supplier_gives};
use crate::world::{World, buyer, data_dir, policy};
use jiff::SignedDuration;
use postsale::domain::claim::{Recipient, Slot};
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::engine::release::Release;
use postsale::store::checks::{self, When};
use postsale::store::{self, doubts, meta};
use std::path::PathBuf;

const JOURNAL: &str = "intents.log";

impl World {
    /// The database of an earlier moment, and the journal of now.
    pub fn put_back(&mut self, older: tempfile::TempDir) {
        std::fs::copy(self.data_dir().join(JOURNAL), older.path().join(JOURNAL)).unwrap();
        self.restart_in(older);
    }

    pub fn release(&self, release: Release) -> &'static str {
        match self.engine.release_amnesia(&release, "tester") {
            Ok(()) => "now",
            Err(refused) => code::<()>(Err(refused)),
        }
    }

    pub fn release_trade(&self, order: &OrderId) -> &'static str {
        self.release(Release::Trade(order.clone()))
    }

    pub fn confirm_payees(&self) {
        let settings = &self.engine.settings;
        for (recipient, email) in [(Recipient::Platform, &settings.platform), (Recipient::Seller, &settings.seller)] {
            self.engine.confirm_payee(recipient, email.as_ref().unwrap(), "tester").unwrap();
        }
    }

    fn moved(&self) -> [usize; 3] {
        ["captures", "purchases", "payouts"].map(|book| self.book(book).len())
    }

    fn set_meta(&self, name: &str, value: &str) {
        self.engine.store.write(|tx| meta::set(tx, name, value)).unwrap();
    }
}

/// Waits so long before it buys.
fn patient() -> Policy {
    Policy { cancel_buffer: minutes(60), ..policy() }
}

#[test]
fn a6_a_persons_word_survives_an_older_database() {
    for verb in ["hold", "stop", "cancel", "payee"] {
        let mut world = World::with(patient());
        let order = if verb == "cancel" { world.take(&world.report("1001")) } else { world.paid_order() };
        world.run_for(minutes(10));
        let older = world.copy_of_files();
        match verb {
            "hold" => world.engine.hold(&order, "the buyer rang", "test").unwrap(),
            "stop" => world.engine.stop("test").unwrap(),
            "cancel" => assert_eq!(code(world.engine.cancel_once(&once("k"), &order, "odd", "test")), "now"),
            _ => world.engine.confirm_payee(Recipient::Seller, "other@shop.example", "test").unwrap(),
        }
        world.put_back(older);
        assert_eq!(world.engine.restored(), None, "{verb}: nothing else is missing");
        world.run_for(days(1));
        let expected = usize::from(verb == "payee");
        assert_eq!(world.book("purchases").len(), expected, "{verb}: {}", world.show(&order));
        match verb {
            "hold" => assert_eq!(world.waits_for(&order), "person: the buyer rang"),
            "stop" => assert!(world.engine.is_stopped_now().unwrap()),
            "cancel" => assert_eq!(world.stage(&order), "cancelled"),
            _ => {
                assert!(world.book("payouts").iter().all(|p| p["receiver"] != "seller@sandbox.example"));
                assert!(world.show(&order).contains("payee_unconfirmed"), "{}", world.show(&order));
            }
        }
    }
}

/// What cannot be said again by itself is named, and the trade waits.
#[test]
fn a6_a_word_that_cannot_be_said_again_is_named() {
    let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    assert_eq!(code(world.engine.mark_supplier_paid_once(&once("k"), &order, None, "Ana")), "now");
    world.put_back(older);
    world.run_for(minutes(10));
    let waits = world.show(&order);
    assert!(waits.contains("Ana said \"mark-supplier-paid\""), "{waits}");
    assert_eq!(world.release_trade(&order), "now");
    assert_eq!(code(world.engine.mark_supplier_paid_once(&once("k2"), &order, None, "Ana")), "now");
    world.run_for(days(1));
    assert_eq!(world.moved(), [1, 1, 2], "{}", world.show(&order));
}

/// Of a closed order, too, what only the journal knows is looked at by somebody (found by seed 2041).
#[test]
fn a6_a_closed_order_of_which_the_journal_knows_more_is_open_again() {
    for (moment, given_back) in [("ordered", 0), ("sent", 1)] {
        let mut world = World::penniless_with(policy());
        let order = world.paid_order();
        world.run_for(days(1));
        assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
        let older = world.copy_of_files();
        assert_eq!(refund(&world, &order, "r1", &back(Some("5.00"))), "now");
        if moment == "sent" {
            world.run_for(minutes(10));
        }
        world.put_back(older);
        world.run_for(minutes(10));
        let waits = world.waits_for(&order);
        assert!(waits.starts_with("restored: ") && waits.contains("refund"), "{moment}: {}", world.show(&order));
        assert_eq!(world.release_trade(&order), "now");
        world.confirm_payees();
        world.run_for(days(1));
        assert_eq!(world.book("refunds").len(), given_back, "{moment}: {}", world.show(&order));
        assert_eq!(world.judge(&order, moment), End::Closed);
    }
}

/// The journal tells of the payouts of an order that is not sold yet here: the sale follows them (found by seed 1504).
#[test]
fn a6_payouts_of_an_order_that_is_not_sold_yet_are_made_good() {
    for given_back in [0, 1] {
        let mut world = World::with(Policy { is_auto_pay: false, ..policy() });
        let order = world.paid_order();
        world.run_for(minutes(10));
        assert_eq!(world.stage(&order), "awaiting_supplier_payment", "{}", world.show(&order));
        let older = world.copy_of_files();
        let bought = world.engine.plan(&order).unwrap().0.purchase.unwrap();
        assert!(world.pay_supplier(&bought.supplier_orders[0].id));
        world.run_for(days(1));
        assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
        if given_back > 0 {
            assert_eq!(refund(&world, &order, "r1", &back(None)), "now");
            world.run_for(minutes(10));
        }
        world.put_back(older);
        world.run_for(days(1));
        assert_eq!(world.release_trade(&order), "now");
        world.confirm_payees();
        world.run_for(days(2));
        assert_eq!((world.moved(), world.book("refunds").len()), ([1, 1, 2], given_back), "{}", world.show(&order));
        let sale = world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().unwrap();
        assert_eq!(sale.is_payout_executed, given_back == 0, "{}", world.show(&order));
    }
}

/// The legs that were paid had grown by a word that is forgotten: until it is said again, what was paid is too much.
#[test]
fn a6_payouts_of_more_than_the_leg_as_it_stands_are_owed_back() {
    let mut later = policy();
    later.payouts.as_mut().unwrap().hold_days = 1;
    let mut world = World::with(later);
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    supplier_gives(&world, &order, "5.00");
    world.run_for(days(3));
    assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
    world.put_back(older);
    let owed = |world: &World| ["receivable:platform", "receivable:seller"].map(|account| world.balance(account));
    world.run_for(minutes(10));
    assert_eq!(owed(&world), [50, 450], "{}", world.show(&order));
    assert_eq!(world.release_trade(&order), "now");
    assert_eq!(world.release(Release::Shop), "now");
    supplier_gives(&world, &order, "5.00");
    world.run_for(days(3));
    assert_eq!((world.moved(), owed(&world)), ([1, 1, 2], [0, 0]), "{}", world.show(&order));
    agrees(&world);
}

/// A refund after the payout left a debt, the next order's legs were paid less for it, and the database is older than that.
/// The second order is the one with the forgotten netting.
pub fn netted_and_forgotten() -> (World, OrderId) {
    let mut world = World::with(Policy { cancel_buffer: minutes(60), ..policy() });
    let first = world.paid_order_of(1);
    world.run_for(days(1));
    assert_eq!(refund(&world, &first, "r1", &back(Some("5.00"))), "now");
    world.run_for(minutes(10));
    let second = world.paid_order_of(2);
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    world.run_for(days(1));
    assert_eq!(world.stage(&second), "closed", "{}", world.show(&second));
    world.put_back(older);
    (world, second)
}

/// A debt was netted against a leg, and the database forgot it: the rest of the leg is netted again and not paid.
#[test]
fn a6_a_netting_that_was_forgotten_is_made_again() {
    let (world, second) = netted_and_forgotten();
    world.run_for(days(1));
    assert_eq!(world.release_trade(&second), "now");
    assert_eq!(world.release(Release::Shop), "now");
    world.confirm_payees();
    world.run_for(days(2));
    assert_eq!(world.moved(), [2, 2, 4], "{}", world.show(&second));
    assert_eq!(world.stage(&second), "closed", "{}", world.show(&second));
    let balances = ["payable:platform", "payable:seller", "receivable:platform", "receivable:seller"];
    assert_eq!(balances.map(|account| world.balance(account)), [0; 4], "{}", world.show(&second));
    let when = When { now: world.now(), ladder: days(7), is_deep: true };
    for check in checks::table() {
        assert_eq!(world.engine.store.read(|c| check.look(c, &when)).unwrap(), [], "{}", check.id);
    }
}

/// A word that the database refused is no word, also for the next start.
#[test]
fn a6_a_refused_word_is_struck_out() {
    let mut world = World::penniless_with(patient());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON holds BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    world.engine.store.write(|tx| tx.execute_batch(refuse).map_err(store::StoreError::from)).unwrap();
    assert!(world.engine.hold(&order, "odd", "test").is_err());
    world.put_back(older);
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "a6"), End::Closed);
}

/// The ordinary case: yesterday's backup. Everything since stands in the journal, is looked at, and goes on by a word.
#[test]
fn a5_a_restored_shop_is_released_trade_by_trade() {
    for moment in ["bought", "waits"] {
        let mut world = World::penniless_with(patient());
        let order = world.paid_order();
        world.run_for(minutes(10));
        let older = world.copy_of_files();
        let other = if moment == "waits" { Some(world.paid_order_of(2)) } else { None };
        world.run_for(days(1));
        let moved = world.moved();
        assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
        world.put_back(older);
        for _ in 0..2 {
            let why = world.engine.restored().expect("the journal knows more");
            assert!(why.contains("claims"), "{why}");
            world.run_for(minutes(30));
            assert!(world.waits_for(&order).starts_with("restored: "), "{}", world.show(&order));
            world.restart();
        }
        // Looks went on: the purchase that the journal remembers was paid, and the sale is booked again.
        assert!(world.show(&order).contains("rebuilt"), "{}", world.show(&order));
        assert!(world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().is_some());
        assert_eq!(world.engine.store.read(doubts::lost).unwrap().is_empty(), other.is_none());
        // It was also silent for a day, by its own account; that it was off explains nothing of the rest.
        assert_eq!((world.release(Release::WasOff), world.release(Release::WasOff)), ("now", "not_off"));
        assert_eq!(world.release(Release::Shop), "now");
        assert_eq!(world.release(Release::Shop), "not_restored");
        world.run_for(minutes(30));
        assert!(world.waits_for(&order).starts_with("restored: "), "trade by trade: {}", world.show(&order));
        assert_eq!(world.release_trade(&order), "now");
        assert_eq!(world.release_trade(&order), "not_in_doubt");
        world.confirm_payees();
        world.run_for(days(1));
        assert_eq!(world.stage(&order), "closed", "{}", world.show(&order));
        assert_eq!(world.moved(), moved, "nothing moved twice: {}", world.show(&order));
        if let Some(other) = other {
            assert_eq!(world.release_trade(&other), "now", "somebody has looked");
            assert!(world.engine.store.read(doubts::lost).unwrap().is_empty());
        }
        // The shop goes on.
        let next = world.paid_order_of(3);
        world.run_for(days(1));
        assert_eq!(world.stage(&next), "closed", "{}", world.show(&next));
    }
}

/// An order that came in after the backup was made is reported again: it is the one the journal knows.
#[test]
fn a4_a_forgotten_order_that_comes_in_again_is_bought_under_no_second_key() {
    let mut world = World::penniless();
    world.switch("out_order_id_hours", serde_json::json!(0));
    let older = world.copy_of_files();
    let report = world.report("1001");
    let order = world.take(&report);
    world.run_for(days(1));
    assert_eq!(world.book("purchases").len(), 1);
    world.put_back(older);
    let lost = world.engine.store.read(doubts::lost).unwrap();
    assert!(lost.iter().any(|line| line.order == order && line.slot.as_deref() == Some("purchase")), "{lost:?}");
    assert!(lost.iter().any(|line| line.amount.is_some()), "with the money at risk");
    assert_eq!(world.release(Release::Shop), "now");
    assert_eq!(world.take(&report), order);
    world.run_for(days(1));
    assert!(world.waits_for(&order).contains("knows this order from before: purchase"), "{}", world.show(&order));
    assert_eq!(world.release_trade(&order), "now");
    world.run_for(days(1));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
    assert!(world.engine.store.read(|c| store::sales::find(c, &order)).unwrap().is_some(), "{}", world.show(&order));
    // Another one, paid before the release and never seen by the journal, may have been here before it too.
    let mut late = world.report("1002");
    (late.buyer, late.paid_at) = (buyer(9), report.paid_at);
    let late = world.take(&late);
    world.run_for(minutes(10));
    assert!(world.waits_for(&late).starts_with("restored: paid before"), "{}", world.show(&late));
}

#[test]
fn a5_putting_the_journal_back_lifts_what_it_proves() {
    type Ruin = fn(&World);
    let path = |world: &World| world.data_dir().join(JOURNAL);
    let ruin: [(&str, Ruin); 4] = [
        ("gone", |world| std::fs::remove_file(world.data_dir().join(JOURNAL)).unwrap()),
        ("cut", |world| {
            let text = std::fs::read_to_string(world.data_dir().join(JOURNAL)).unwrap();
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            std::fs::write(world.data_dir().join(JOURNAL), lines[..lines.len() - 2].concat()).unwrap();
        }),
        ("flipped", |world| {
            let mut bytes = std::fs::read(world.data_dir().join(JOURNAL)).unwrap();
            bytes[200] ^= 1;
            std::fs::write(world.data_dir().join(JOURNAL), bytes).unwrap();
        }),
        ("without its key", |world| std::fs::remove_file(world.data_dir().join("journal.key")).unwrap()),
    ];
    for (what, ruin) in ruin {
        let mut world = World::penniless_with(patient());
        let order = world.paid_order();
        world.run_for(minutes(10));
        let whole = std::fs::read(path(&world)).unwrap();
        let key = std::fs::read(world.data_dir().join("journal.key")).unwrap();
        ruin(&world);
        for _ in 0..2 {
            world.restart();
            world.run_for(minutes(45));
            assert!(world.engine.restored().is_some(), "{what}");
            assert!(world.book("purchases").is_empty(), "{what}: {}", world.show(&order));
        }
        std::fs::write(path(&world), whole).unwrap();
        std::fs::write(world.data_dir().join("journal.key"), key).unwrap();
        world.restart();
        assert_eq!(world.engine.restored(), None, "{what}");
        world.run_for(days(1));
        assert_eq!(world.judge(&order, what), End::Closed);
    }
}

/// Lost for good: it is moved away, and the shop is released with a new one.
#[test]
fn a5_a_journal_lost_for_good_has_a_way_out() {
    for is_readable in [true, false] {
        let mut world = World::penniless_with(patient());
        let order = world.paid_order();
        world.run_for(minutes(10));
        std::fs::write(world.data_dir().join(JOURNAL), if is_readable { "" } else { "no line\n" }).unwrap();
        world.restart();
        let why = world.engine.restored().unwrap();
        assert!(why.contains("move intents*.log and journal.key out of"), "{why}");
        if !is_readable {
            assert_eq!(world.release_trade(&order), "journal_unreadable");
            std::fs::remove_file(world.data_dir().join(JOURNAL)).unwrap();
            std::fs::remove_file(world.data_dir().join("journal.key")).unwrap();
            world.restart();
        }
        assert_eq!(world.release(Release::Shop), "now");
        assert_eq!(world.release_trade(&order), "now");
        world.confirm_payees();
        world.restart();
        assert_eq!(world.engine.restored(), None);
        world.run_for(days(1));
        assert_eq!(world.judge(&order, "lost"), End::Closed);
    }
}

/// Database and journal went back together, and their mirror did not.
#[test]
fn a5_a_rolled_back_machine_is_caught_by_the_mirror() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut world = World::penniless_with(patient());
    world.switch("out_order_id_hours", serde_json::json!(0));
    world.mirror = Some(elsewhere.path().join("mirror.log"));
    world.restart();
    let order = world.paid_order();
    world.run_for(minutes(10));
    let older = world.copy_of_files();
    world.run_for(days(1));
    let moved = world.moved();
    world.restart_in(older);
    assert!(world.engine.restored().is_some());
    world.run_for(days(1));
    assert_eq!(world.moved(), moved, "{}", world.show(&order));
    assert_eq!((world.release(Release::Shop), world.release_trade(&order)), ("now", "now"));
    world.confirm_payees();
    world.run_for(days(2));
    assert_eq!((world.moved(), world.stage(&order).as_str()), (moved, "closed"), "{}", world.show(&order));
}

/// A copy of the machine sends nothing before somebody says that the other one is off.
#[test]
fn a5_another_machine_sends_nothing_before_it_is_released() {
    let mut world = World::penniless_with(patient());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let here = world.engine.store.read(|c| meta::value(c, "machine")).unwrap();
    let Some(here) = here else { return eprintln!("this machine has no id of its own") };
    world.set_meta("machine", "0123456789abcdef");
    for _ in 0..2 {
        world.restart();
        assert!(world.engine.restored().unwrap().contains("another machine"));
        world.run_for(minutes(90));
        assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    }
    // Back on the first one: nothing was released, so nothing is in doubt.
    world.set_meta("machine", &here);
    world.restart();
    assert_eq!(world.engine.restored(), None);
    world.set_meta("machine", "0123456789abcdef");
    world.restart();
    assert_eq!((world.release(Release::Shop), world.release_trade(&order)), ("now", "now"));
    world.confirm_payees();
    world.restart();
    assert_eq!(world.engine.restored(), None, "this machine is the shop's now");
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "moved"), End::Closed);
}

/// Switched off over the weekend: new orders go on at once, what could be bought twice waits for one word.
#[test]
fn a5_a_shop_that_was_off_opens_at_once() {
    let check = |hours: i64, mirror: Option<tempfile::TempDir>, waits: bool| {
        let what = format!("{hours} hours, mirror {mirror:?}");
        let mut world = World::penniless_with(patient());
        world.mirror = mirror.as_ref().map(|elsewhere| elsewhere.path().join("mirror.log"));
        world.restart();
        world.restart();
        let bought = world.paid_order_of(1);
        world.run_for(minutes(70));
        let order = world.paid_order_of(2);
        world.run_for(minutes(10));
        world.wind(SignedDuration::from_hours(hours));
        world.restart();
        assert_eq!(world.engine.restored(), None, "{what}");
        let fresh = world.paid_order_of(3);
        let mut channel = world.report("1001");
        (channel.buyer, channel.paid_at) = (buyer(4), world.now() - SignedDuration::from_hours(2));
        let channel = world.take(&channel);
        world.run_for(minutes(90));
        assert_eq!(world.stage(&fresh), "closed", "{what}: {}", world.show(&fresh));
        assert_eq!(world.stage(&bought), "closed", "{what}: {}", world.show(&bought));
        for order in [&order, &channel] {
            let is_held = world.waits_for(order).starts_with("restored: ");
            assert_eq!(is_held, waits, "{what}: {}", world.show(order));
        }
        assert_eq!(world.release(Release::WasOff), if waits { "now" } else { "not_off" }, "{what}");
        world.restart();
        world.run_for(days(1));
        assert_eq!(world.stage(&order), "closed", "{what}: {}", world.show(&order));
        assert!(!world.waits_for(&channel).starts_with("restored"), "{what}: {}", world.show(&channel));
    };
    check(15, None, false);
    check(60, None, true);
    // What puts the journal's disk back puts back all that lies on it.
    check(60, Some(data_dir()), true);
    let elsewhere = tempfile::tempdir().unwrap();
    match store::journal::is_on_another_disk(elsewhere.path(), data_dir().path()) {
        true => check(60, Some(elsewhere), false),
        false => println!("skipped: a mirror on another disk, of which there is none here"),
    }
}

/// A purchase that the supplier's gate turns away is not bought yet: switched off meanwhile, it may have been bought in a
/// time that the machine has forgotten.
#[test]
fn a5_a_purchase_that_was_only_turned_away_waits_after_a_silence() {
    let mut world = World::penniless();
    world.fault("aliexpress.create", "code_limit", "before_commit", 50);
    let order = world.paid_order();
    world.run_for(minutes(5));
    crate::forgotten::clear(&world);
    world.wind(hours(60));
    world.restart();
    world.run_for(minutes(90));
    assert!(world.waits_for(&order).starts_with("restored: "), "{}", world.show(&order));
    assert_eq!(world.book("purchases").len(), 0);
    assert_eq!(world.release(Release::WasOff), "now");
    world.run_days(3);
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
}

/// Two sends that the supplier's gate turned away had come to their end when the copy was made. The third bought, and no
/// answer came: the copy has counted as many sends as the journal announced until then, and does not know that one.
#[test]
fn a5_a_send_after_many_that_ended_is_not_forgotten() {
    let mut world = World::penniless();
    world.fault("aliexpress.create", "code_limit", "before_commit", 2);
    let order = world.paid_order();
    while world.tap.count("aliexpress.create") < 2 {
        world.run_for(SignedDuration::from_secs(20));
    }
    let older = world.copy_of_files();
    world.fault("aliexpress.create", "timeout", "after_commit", 1);
    world.run_for(minutes(5));
    assert_eq!((world.tap.count("aliexpress.create"), world.book("purchases").len()), (3, 1), "{}", world.show(&order));
    world.put_back(older);
    assert!(world.engine.restored().is_some_and(|why| why.contains("once more than the database knows")));
    world.run_for(minutes(90));
    assert_eq!((world.release(Release::Shop), world.release_trade(&order)), ("now", "now"));
    world.confirm_payees();
    world.run_for(days(2));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("purchase_unknown"), "{}", world.show(&order));
}

/// Whatever else happens, a key that the journal knows with other bytes is never sent.
#[test]
fn a4_a_key_with_other_bytes_is_refused_for_ever() {
    let world = World::penniless_with(patient());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let (trade, _) = world.engine.plan(&order).unwrap();
    let key = postsale::engine::claim::key(&trade, Slot::Purchase, 1);
    let forgotten = doubts::Forgotten {
        seq: 4711,
        order: order.clone(),
        claim: Some((key, "0".repeat(64))),
        slot: Some("purchase".to_owned()),
        amount: None,
        line: String::new(),
        said_at: world.now(),
    };
    world.engine.store.write(|tx| doubts::keep(tx, &forgotten)).unwrap();
    world.run_for(days(1));
    assert!(world.book("purchases").is_empty());
    assert!(world.waits_for(&order).contains("with other bytes"), "{}", world.show(&order));
}

/// Another file lies where the database was opened: nothing is sent on the word of either.
#[test]
fn f33_a_database_file_swapped_while_running_stops_the_shop() {
    let world = World::penniless_with(patient());
    let order = world.paid_order();
    world.run_for(minutes(10));
    let path: PathBuf = world.engine.store.path().to_owned();
    let copy = world.copy_of_files();
    std::fs::rename(copy.path().join(path.file_name().unwrap()), &path).unwrap_or_else(|_| {
        let beside = path.with_extension("new");
        std::fs::copy(copy.path().join(path.file_name().unwrap()), &beside).unwrap();
        std::fs::rename(beside, &path).unwrap();
    });
    world.wind(minutes(90));
    assert!(world.engine.run_due().unwrap_err().to_string().contains("was replaced"));
    let _ = world.engine.advance(&order);
    assert!(world.book("purchases").is_empty());
}

/// A journal that takes no line: the program says that it is not able to work, and starts on no such disk at all.
#[test]
fn f30_a_full_disk_is_not_ready() {
    let mut world = World::penniless_with(patient());
    assert_eq!(world.engine.disk_fault(), None);
    world.mirror = Some("/dev/full".into());
    world.restart();
    let order = world.take(&world.report("1001"));
    assert!(world.engine.hold(&order, "odd", "test").is_err());
    world.wind(SignedDuration::from_secs(5));
    assert!(world.engine.disk_fault().unwrap().contains("takes no line"));
    world.mirror = None;
    world.restart();
    assert_eq!(world.engine.disk_fault(), None);
    // No room for a file of some size, although the database still writes into what it has.
    std::fs::create_dir(world.data_dir().join(".room")).unwrap();
    world.wind(SignedDuration::from_secs(5));
    assert!(world.engine.disk_fault().unwrap().contains("takes no file"));
    std::fs::remove_dir(world.data_dir().join(".room")).unwrap();
    world.wind(SignedDuration::from_secs(5));
    assert_eq!(world.engine.disk_fault(), None);
    // A database that takes no row.
    let refuse = "CREATE TRIGGER full BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    world.engine.store.write(|tx| tx.execute_batch(refuse).map_err(store::StoreError::from)).unwrap();
    world.wind(SignedDuration::from_secs(5));
    assert!(world.engine.disk_fault().unwrap().contains("disk full"));
    // A new shop whose journal cannot be begun does not start (exit 74).
    std::fs::remove_file(world.data_dir().join(JOURNAL)).unwrap();
    world.mirror = Some("/dev/full".into());
    assert!(world.try_restart().unwrap_err().contains("No space left"));
}
