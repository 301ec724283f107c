//! What the program forgets, or never wrote: a journal that takes no line, a database from yesterday, a journal cut or
//! gone, and a program that dies at any call.

use crate::judge::End;
use crate::money::{days, minutes};
use crate::tap::Moment;
use crate::world::{World, data_dir, policy};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::engine::EngineError;
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Nothing that moves money left for the far sides.
fn sent(world: &World) -> [usize; 4] {
    ["paypal.create", "paypal.capture", "aliexpress.create", "paypal.payout"].map(|call| world.tap.count(call))
}

/// A device that is always full, as the journal's second path.
fn fill_the_disk(world: &mut World) {
    world.mirror = Some("/dev/full".into());
    world.restart();
}

fn journal(world: &World) -> std::path::PathBuf {
    world.data_dir().join("intents.log")
}

/// Cuts the last lines off the journal.
fn forget_lines(path: &Path, lines: usize) {
    let text = std::fs::read_to_string(path).unwrap();
    let kept: Vec<&str> = text.split_inclusive('\n').collect();
    std::fs::write(path, kept[..kept.len() - lines].concat()).unwrap();
}

/// A claim whose line could not be written was never sent; it goes out later under its own key, and once.
#[test]
fn a9_without_a_journal_line_nothing_is_sent() {
    for is_line_lost in [false, true] {
        let mut world = World::penniless_with(Policy { is_auto_pay: false, cancel_buffer: minutes(30), ..policy() });
        let order = world.paid_order();
        world.run_for(minutes(10));
        assert_eq!(world.book("captures").len(), 1);
        fill_the_disk(&mut world);
        world.wind(minutes(30));
        let before = sent(&world);
        let failed = world.engine.run_due();
        assert!(matches!(failed, Err(EngineError::Journal(_))), "{failed:?}");
        // Nor does it get better by trying.
        let _ = world.engine.run_due();
        assert_eq!(sent(&world), before, "nothing left without a line");
        world.mirror = None;
        if is_line_lost {
            forget_lines(&journal(&world), 1);
        }
        world.restart();
        // The resend of what was never sent is refused, and a human believes it: it is not void for all that.
        world.fault("aliexpress.create", "is_success_false", "before_commit", 1);
        world.run_for(minutes(30));
        world.engine.release(&order, "test").unwrap();
        world.engine.approve(&order, &crate::money::yes(), None, "test").unwrap();
        world.run_for(days(2));
        assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
        assert!(world.waits_for(&order).starts_with("purchase_unknown"), "{}", world.show(&order));
        assert!(world.engine.restored().is_none());
    }
}

/// The same, and the far side takes the resend: bought once, under the first key.
#[test]
fn a9_the_resend_of_a_lost_claim_bears_its_own_key() {
    let mut world = World::penniless_with(Policy { is_auto_pay: false, cancel_buffer: minutes(30), ..policy() });
    let order = world.paid_order();
    world.run_for(minutes(10));
    fill_the_disk(&mut world);
    world.wind(minutes(30));
    let _ = world.engine.run_due();
    let (trade, _) = world.engine.plan(&order).unwrap();
    let key = trade.purchase.unwrap().claim.key;
    world.mirror = None;
    forget_lines(&journal(&world), 1);
    world.restart();
    world.run_for(minutes(30));
    let bought = world.book("purchases");
    assert_eq!((bought.len(), bought[0]["key"].as_str()), (1, Some(key.as_str())));
    world.pay_supplier(bought[0]["id"].as_str().unwrap());
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "a9"), End::Closed);
}

/// More lost claims than there are workers is no crash any more.
#[test]
fn a9_more_lost_claims_than_workers_is_amnesia() {
    for (lost, is_restored) in [(4, false), (5, true)] {
        let mut world = World::penniless_with(Policy { cancel_buffer: minutes(60), ..policy() });
        let orders: Vec<_> = (1..=lost).map(|n| world.paid_order_of(n)).collect();
        world.run_for(minutes(30));
        fill_the_disk(&mut world);
        world.wind(minutes(60));
        for order in &orders {
            while world.engine.plan(order).unwrap().0.purchase.is_none() {
                let _ = world.engine.advance(order);
            }
        }
        let before = sent(&world);
        world.mirror = None;
        forget_lines(&journal(&world), 1);
        world.restart();
        assert_eq!(world.engine.restored().is_some(), is_restored, "{lost}: {:?}", world.engine.restored());
        if is_restored {
            world.run_for(days(1));
            assert_eq!(sent(&world), before);
        }
    }
}

/// Twelve captured orders, all of them about to be bought, and no line can be written.
fn about_to_be_bought() -> (World, Vec<OrderId>) {
    let mut world = World::penniless_with(Policy { is_auto_pay: false, cancel_buffer: minutes(60), ..policy() });
    let orders = (1..=12).map(|n| world.paid_order_of(n)).collect();
    world.run_for(minutes(30));
    fill_the_disk(&mut world);
    world.wind(minutes(60));
    (world, orders)
}

/// Claims these orders' purchases and dies before a line of them is whole.
fn dies_claiming(world: &mut World, orders: &[OrderId]) {
    for order in orders {
        // The offer, the claim, and the line that fails.
        for _ in 0..3 {
            let _ = world.engine.advance(order);
        }
        assert!(world.engine.plan(order).unwrap().0.purchase.is_some(), "{}", world.show(order));
    }
    forget_lines(&journal(world), 1);
    world.restart();
}

/// Keys of what the supplier was asked for, each once.
fn bought_keys(world: &World) -> std::collections::BTreeSet<String> {
    world.book("purchases").into_iter().map(|bought| bought["key"].to_string()).collect()
}

/// A death leaves a claim without a line for each worker, and the next death comes before those are sent again.
#[test]
fn a9_a_program_that_dies_again_and_again_has_lost_no_journal() {
    let (mut world, orders) = about_to_be_bought();
    for four in orders.chunks(4) {
        dies_claiming(&mut world, four);
        assert_eq!(world.engine.restored(), None);
    }
    world.mirror = None;
    for _ in 0..2 {
        world.restart();
        assert_eq!(world.engine.restored(), None);
    }
    world.run_for(days(1));
    assert_eq!((bought_keys(&world).len(), world.book("purchases").len()), (12, 12), "each goes out once");
}

/// What those deaths left hides nothing that is lost after them.
#[test]
fn a9_a_journal_lost_after_many_deaths_is_noticed() {
    for is_gone in [false, true] {
        let (mut world, orders) = about_to_be_bought();
        dies_claiming(&mut world, &orders[..4]);
        dies_claiming(&mut world, &orders[4..7]);
        assert_eq!(world.engine.restored(), None);
        if is_gone {
            world.mirror = None;
            std::fs::remove_file(journal(&world)).unwrap();
            world.restart();
        } else {
            dies_claiming(&mut world, &orders[7..]);
        }
        let before = sent(&world);
        world.mirror = None;
        for _ in 0..2 {
            assert!(world.engine.restored().is_some(), "gone {is_gone}");
            world.restart();
            world.run_for(days(1));
            assert_eq!(sent(&world), before, "gone {is_gone}: nothing is sent");
        }
    }
}

/// Nor do they once their claims have lines: those that are lost later are others.
#[test]
fn a9_claims_that_have_their_lines_again_hide_no_later_ones() {
    let (mut world, orders) = about_to_be_bought();
    dies_claiming(&mut world, &orders[..4]);
    dies_claiming(&mut world, &orders[4..8]);
    dies_claiming(&mut world, &orders[8..]);
    world.mirror = None;
    world.restart();
    world.run_for(days(1));
    assert_eq!(bought_keys(&world).len(), 12);
    // Five calls that the program does not come back from, and their lines are lost with it.
    let later: Vec<_> = (21..=25).map(|n| world.paid_order_of(n)).collect();
    world.run_for(minutes(30));
    world.wind(minutes(60));
    world.tap.meddle(|call, moment| {
        if (call, moment) == ("aliexpress.create", Moment::After) {
            resume_unwind(Box::new("killed"));
        }
    });
    for order in &later {
        assert!(catch_unwind(AssertUnwindSafe(|| world.engine.advance(order))).is_err());
    }
    world.tap.leave_alone();
    forget_lines(&journal(&world), later.len());
    world.restart();
    let before = sent(&world);
    world.run_for(days(1));
    assert!(world.engine.restored().is_some());
    assert_eq!(sent(&world), before, "nothing is sent");
}

/// The database is an older copy, the journal is not: nothing is sent at all, whatever else happens, and a second start
/// does not forget it.
#[test]
fn a9_an_older_database_sends_nothing() {
    // Copies are made before these calls.
    for before in ["paypal.create", "paypal.capture", "aliexpress.create", "paypal.payout"] {
        let mut world = World::penniless();
        // The far sides have forgotten every key by the time the copy runs.
        world.switch("out_order_id_hours", json!(0));
        world.switch("payout_key_days", json!(0));
        let copy = Arc::new(std::sync::Mutex::new(None));
        let (kept, wanted, dir) = (Arc::clone(&copy), before.to_owned(), world.data_dir());
        let first = world.paid_order_of(1);
        world.run_for(minutes(10));
        assert_eq!(world.stage(&first), "closed", "{}", world.show(&first));
        // The copy is of the moment before the claim: the one look-up or wait that precedes it.
        let order = match before {
            "paypal.create" => {
                *copy.lock().unwrap() = Some(world.copy_of_files());
                world.paid_order_of(2)
            }
            "paypal.capture" => {
                let taken = world.engine.open_checkout_order("MUG", 1, Some(crate::world::buyer(2)), None).unwrap();
                world.engine.run_due().unwrap();
                *copy.lock().unwrap() = Some(world.copy_of_files());
                world.approve(&taken.order);
                taken.order
            }
            _ => {
                world.tap.meddle(move |call, moment| {
                    let precedes = if wanted == "paypal.payout" { "aliexpress.get" } else { "aliexpress.freight" };
                    if (call, moment) == (precedes, Moment::Before) && kept.lock().unwrap().is_none() {
                        let made = data_dir();
                        copy_files(&dir, made.path());
                        *kept.lock().unwrap() = Some(made);
                    }
                });
                world.paid_order_of(2)
            }
        };
        world.run_for(minutes(10));
        world.tap.leave_alone();
        assert_eq!(world.stage(&order), "closed", "{before}: {}", world.show(&order));
        let older = copy.lock().unwrap().take().unwrap();
        std::fs::copy(journal(&world), older.path().join("intents.log")).unwrap();
        world.restart_in(older);
        let (moved, calls) = (world.plug.book(), sent(&world));
        for _ in 0..3 {
            assert!(world.engine.restored().is_some(), "{before}");
            world.paid_new_order();
            world.run_days(3);
            world.restart();
        }
        assert_eq!(sent(&world), calls, "{before}: nothing is sent");
        assert_eq!(world.plug.book(), moved, "{before}: and nothing moved");
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

impl World {
    /// A channel's order that could be bought at once.
    fn paid_new_order(&self) {
        let mut report = self.report(&format!("later-{}", self.now()));
        report.buyer = crate::world::buyer(77);
        self.take(&report);
    }
}

#[test]
fn a9_a_journal_cut_or_gone_sends_nothing() {
    type Ruin = fn(&Path);
    let ruin: [(&str, Ruin); 4] = [
        ("deleted", |path| std::fs::remove_file(path).unwrap()),
        ("emptied", |path| std::fs::write(path, "").unwrap()),
        ("cut", |path| forget_lines(path, 3)),
        ("flipped", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
    ];
    for (what, ruin) in ruin {
        let mut world = World::penniless_with(Policy { cancel_buffer: minutes(30), ..policy() });
        let first = world.paid_order_of(1);
        world.run_for(minutes(60));
        assert_eq!(world.stage(&first), "closed", "{}", world.show(&first));
        let order = world.paid_order_of(2);
        world.run_for(minutes(10));
        ruin(&journal(&world));
        world.restart();
        let calls = sent(&world);
        for _ in 0..2 {
            assert!(world.engine.restored().is_some(), "{what}");
            world.run_for(days(1));
            assert_eq!(sent(&world), calls, "{what}");
            assert_eq!(world.book("purchases").len(), 1, "{what}");
            assert_eq!(world.stage(&order), "held", "{what}: {}", world.show(&order));
            assert!(world.waits_for(&order).starts_with("restored"), "{what}: {}", world.waits_for(&order));
            world.restart();
        }
    }
}

/// The program dies at the nth call, before it went out or after the far side did it, and starts again.
fn dies_at(nth: u32, moment: Moment, is_auto_pay: bool) -> bool {
    let what = format!("call {nth} {moment:?} autopay {is_auto_pay}");
    let mut world = World::penniless_with(Policy { is_auto_pay, ..policy() });
    let left = Arc::new(AtomicU32::new(nth));
    let counter = Arc::clone(&left);
    world.tap.meddle(move |_, at| {
        if at == moment && counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) == Ok(1) {
            // Without the hook that prints: this is no fault.
            resume_unwind(Box::new("killed"));
        }
    });
    let taken = world.engine.open_checkout_order("MUG", 1, Some(crate::world::jane()), None).unwrap();
    let order = taken.order;
    world.survive(SignedDuration::from_mins(1));
    world.approve(&order);
    world.survive(SignedDuration::from_mins(1));
    world.pay_all_that_waits();
    world.survive(minutes(60));
    world.pay_all_that_waits();
    world.survive(days(1));
    let end = world.judge(&order, &what);
    assert!(end == End::Closed || world.may_have_been_bought(&order), "{what}: {}", world.show(&order));
    left.load(Ordering::Relaxed) == 0
}

impl World {
    /// Runs on through a death, with the same files.
    fn survive(&mut self, most: SignedDuration) {
        let died = catch_unwind(AssertUnwindSafe(|| self.run_for(most))).is_err();
        if died {
            self.restart();
            self.run_for(most);
        }
    }

    fn pay_all_that_waits(&self) {
        for purchase in self.book("purchases") {
            self.pay_supplier(purchase["id"].as_str().unwrap());
        }
    }

    /// The one death after which only a human knows more.
    fn may_have_been_bought(&self, order: &OrderId) -> bool {
        self.waits_for(order).starts_with("purchase_unknown")
    }
}

#[test]
fn f1_a_death_at_any_call_moves_nothing_twice() {
    for is_auto_pay in [true, false] {
        for moment in [Moment::Before, Moment::After] {
            let mut nth = 1;
            while dies_at(nth, moment, is_auto_pay) {
                nth += 1;
            }
            assert!(nth > 12, "only {nth} calls were tried");
        }
    }
}

/// Two deaths at the same step in a row: that order is put aside, and the shop goes on.
#[test]
fn f1_an_order_that_kills_the_program_is_put_aside() {
    let mut world = World::penniless();
    world.tap.meddle(|call, moment| {
        if (call, moment) == ("aliexpress.product", Moment::Before) {
            resume_unwind(Box::new("killed"));
        }
    });
    let order = world.paid_order();
    let mut deaths = 0;
    while catch_unwind(AssertUnwindSafe(|| world.run_for(minutes(10)))).is_err() {
        deaths += 1;
        assert!(deaths <= 2, "{}", world.show(&order));
        world.restart();
    }
    assert_eq!(deaths, 2);
    assert!(world.waits_for(&order).starts_with("program_fault"), "{}", world.show(&order));
    world.tap.leave_alone();
    let other = world.paid_order_of(2);
    world.run_for(minutes(10));
    assert_eq!(world.stage(&other), "closed", "{}", world.show(&other));
}
