//! The machine fails: no memory and no threads (F5), a disk that fills up (F30), an fsync that fails (F35), files put
//! back beside the wrong ones (F39). The program refuses, ends with its exit code or waits; it never does a thing twice.

use crate::program::{SHIPPED, Shop as Program};
use crate::shop::{GIVE_UP, PROGRAM, Serving, Shop, checkout, mug};
use crate::verdict;
use crate::world::{World, buyer, policy};
use jiff::SignedDuration;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::store::{self, StoreError, open};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

/// The largest database that SQLite allows.
const NO_LIMIT: u32 = 4_294_967_294;

impl World {
    /// From now on the database may grow by so many pages of 4 KiB.
    fn leave_room_for(&self, pages: u32) {
        let limit = |tx: &rusqlite::Transaction<'_>| {
            let now: u32 = tx.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let most = now.saturating_add(pages).min(NO_LIMIT);
            tx.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
        };
        self.engine.store.write(|tx| limit(tx).map_err(StoreError::from)).unwrap();
    }
}

/// Twelve orders on a disk that has room for so many pages more, and then none. Says whether it ever was full.
fn fills_up_after(pages: u32) -> bool {
    let mut world = World::penniless();
    let order = |n: u32| {
        let reference = format!("full-{n}");
        let taken = world.engine.open_checkout_order("MUG", 1, Some(buyer(n)), Some(&reference)).unwrap();
        world.engine.run_due().unwrap();
        world.approve(&taken.order);
        (reference, taken.order)
    };
    let orders: Vec<(String, OrderId)> = (1..=12).map(order).collect();
    world.leave_room_for(pages);
    let mut was_full = false;
    for _ in 0..30 {
        let worked = catch_unwind(AssertUnwindSafe(|| world.engine.run_due()));
        was_full |= !matches!(worked, Ok(Ok(_)));
        world.wind(SignedDuration::from_secs(20));
    }
    // Somebody made room.
    world.restart();
    world.run_days(40);
    verdict::judge(&world, &orders);
    was_full
}

#[test]
fn f30_a_disk_that_is_full_at_any_write_does_nothing_twice() {
    let mut pages = 0;
    while fills_up_after(pages) {
        pages += 1;
    }
    assert!(pages > 5, "only {pages} sizes were too small");
}

/// A second path of the journal that takes every line and cannot be synced: nothing is sent, and the program ends.
#[test]
fn f35_a_journal_that_cannot_be_synced_ends_the_program_with_74() {
    let mut world = World::penniless_with(Policy { cancel_buffer: SignedDuration::from_hours(1), ..policy() });
    let order = world.paid_order();
    world.run_for(SignedDuration::from_mins(10));
    world.mirror = Some("/dev/null".into());
    world.restart();
    world.wind(SignedDuration::from_hours(2));
    let mut failed = Vec::new();
    for _ in 0..5 {
        failed.extend(world.engine.run_due().err().map(|error| error.to_string()));
        world.wind(SignedDuration::from_mins(10));
    }
    assert!(failed.iter().any(|why| why.contains("Invalid argument")), "{failed:?}: {}", world.show(&order));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    assert!(world.engine.disk_fault().is_some(), "and no second try is believed");

    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    assert!(serving.ask("PUT", "/api/products/MUG", &[], &mug()).unwrap().0 < 300);
    drop(serving);
    let shop = shop.with("journal.mirror=/dev/null");
    let mut serving = shop.serve(None).unwrap_or_else(|| panic!("{}", shop.log()));
    let _ = serving.ask_openly("POST", "/api/paypal/create-order", &[], &checkout());
    assert!(serving.wait_until_dead(), "{}", shop.log());
    assert_eq!(serving.exit_code(), Some(74), "{}", shop.log());
}

/// The disk takes what is written and then says that it could not keep it, of the journal or of the database, from some
/// sync of each thread on: the program ends, and the next one finds out what was done.
#[test]
fn f35_a_sync_that_fails_ends_the_program_with_74() {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        println!("skipped: strace cannot make a sync fail here ({tried:?}); apt-get install strace");
        return;
    }
    for (file, from) in [("postsale.db-wal", 12), ("intents.log", 2)] {
        let mut shop = Shop::shipped().with("policy.look_again=1s,1s,1s,1s,1s,1s");
        drop(shop.serve(None).unwrap_or_else(|| panic!("{}", shop.log())));
        let path = shop.file("data").join(file).to_str().unwrap().to_owned();
        let fail = format!("inject=fsync,fdatasync:error=EIO:when={from}+");
        shop.under = ["strace", "-f", "-o", "/dev/null", "-P", &path, "-e", "trace=fsync,fdatasync", "-e", &fail]
            .map(str::to_owned)
            .to_vec();
        let mut serving = shop.serve(None).unwrap_or_else(|| panic!("{file}: {}", shop.log()));
        let _ = try_to_buy(&serving);
        assert!(serving.wait_until_dead(), "{file}: {}", shop.log());
        assert_eq!(serving.exit_code(), Some(74), "{file}: {}", shop.log());
        drop(serving);
        shop.under.clear();
        let serving = shop.serve(None).unwrap_or_else(|| panic!("{file}: {}", shop.log()));
        let order = try_to_buy(&serving).unwrap_or_else(|| panic!("{file}: {}", shop.log()));
        serving.wait_for_stage(&order, &["closed", "held"]);
        let book = serving.book();
        let counted = ["captures", "purchases", "payouts"].map(|kind| book[kind].as_array().unwrap().len());
        assert!(counted[0] <= 1 && counted[1] <= 1 && counted[2] <= 2, "{file}: {book:#}");
    }
}

/// Opens a checkout, approves it and has it captured, as far as the shop can.
fn try_to_buy(serving: &Serving) -> Option<String> {
    serving.ask("PUT", "/api/products/MUG", &[], &mug())?;
    let same = [("idempotency-key", "one-checkout")];
    let (status, body) = serving.ask_openly("POST", "/api/paypal/create-order", &same, &checkout())?;
    if status != 200 {
        return None;
    }
    let opened: Value = serde_json::from_str(&body).ok()?;
    let paypal_order = opened["paypalOrderId"].as_str()?;
    serving.control("POST", &format!("paypal/orders/{paypal_order}/approve"), &json!({}))?;
    serving.ask_openly("POST", "/api/paypal/capture-order", &[], &json!({ "paypalOrderId": paypal_order }))?;
    Some(opened["orderId"].as_str()?.to_owned())
}

/// The same shop under a limit that a shell sets, then without it: one order, bought once and paid once.
fn under(limit: &str) -> bool {
    let mut shop = Shop::shipped().with("policy.look_again=1s,1s,1s,1s,1s,1s");
    shop.under = ["sh", "-c", &format!("{limit}; exec \"$@\""), "sh"].map(str::to_owned).to_vec();
    let started = shop.serve(None);
    if std::env::var_os("SHOW").is_some() {
        println!("{limit}: {}", shop.log());
    }
    let was_open = started.is_some();
    if let Some(serving) = started {
        let pid = std::fs::read_to_string(shop.file("data/lock")).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| serving.ask("GET", "/api/orders", &[], &Value::Null));
            }
            scope.spawn(|| try_to_buy(&serving));
            std::thread::sleep(Duration::from_secs(3));
            // It may have ended by itself. Whoever still waits for an answer gets none.
            Command::new("kill").args(["-9", pid.trim()]).stderr(std::process::Stdio::null()).status().unwrap();
        });
    }
    shop.under.clear();
    let serving = shop.serve(None).unwrap_or_else(|| panic!("{limit}: no second start\n{}", shop.log()));
    // The buyer's browser asks again; what the first life left open has to be found out before it is answered.
    let tries = (0..20).find_map(|_| {
        try_to_buy(&serving).or_else(|| {
            std::thread::sleep(Duration::from_secs(1));
            None
        })
    });
    let order = tries.unwrap_or_else(|| panic!("{limit}: no road\n{}", shop.log()));
    let started = Instant::now();
    let shown = loop {
        let shown = serving.wait_for_stage(&order, &["closed", "held"]);
        // A payout whose answer died with the first life stands held until the same bytes have gone out again.
        if shown["hold"]["code"] != "payout_unknown" || started.elapsed() > GIVE_UP {
            break shown;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let book = serving.book();
    let counted = ["captures", "purchases", "payouts"].map(|kind| book[kind].as_array().unwrap().len());
    match shown["stage"].as_str().unwrap() {
        "closed" => assert_eq!(counted, [1, 1, 2], "{limit}: {book:#}"),
        _ => assert_eq!(shown["hold"]["code"], "purchase_unknown", "{limit}: {shown:#}"),
    }
    assert!(counted[1] <= 1, "{limit}: {book:#}");
    was_open
}

/// The middle of a list is enough for every day.
fn limits(all: [u32; 5]) -> Vec<u32> {
    if std::env::var_os("POSTSALE_FULL").is_some() { all.to_vec() } else { vec![all[0], all[2]] }
}

#[test]
fn f5_without_memory_it_ends_or_refuses_and_nothing_is_half_done() {
    // KiB of address space; a thread takes some too.
    for kib in limits([20_000, 80_000, 160_000, 320_000, 640_000]) {
        let was_open = under(&format!("ulimit -v {kib}"));
        assert!(!was_open || kib > 20_000, "that is not enough to load the program");
    }
}

#[test]
fn f30_no_file_may_grow_beyond_a_size() {
    // In blocks of 512 bytes. The signal is ignored, so that the write is refused as on a full disk.
    for blocks in limits([200, 1_400, 2_000, 3_000, 4_000]) {
        let was_open = under(&format!("trap '' XFSZ; ulimit -f {blocks}"));
        assert!(!was_open || blocks > 200, "the database is larger than that");
    }
}

/// Yesterday's database beside today's `-wal`: SQLite would mix the two. The program reads the whole file first, because
/// it was not closed in good order, and starts nothing.
#[test]
fn f39_an_older_database_beside_a_newer_wal_is_refused() {
    let shop = Shop::shipped();
    let database = shop.file("data/postsale.db");
    let serving = shop.serve(None).unwrap();
    serving.ask("PUT", "/api/products/MUG", &[], &mug()).unwrap();
    ended_in_good_order(serving, &shop);
    let yesterday = std::fs::read(&database).unwrap();
    let serving = shop.serve(None).unwrap();
    let mut cup = mug();
    cup["sku"] = "CUP".into();
    assert!(serving.ask("PUT", "/api/products/CUP", &[], &cup).unwrap().0 < 300);
    ended_in_good_order(serving, &shop);
    let mut serving = shop.serve(None).unwrap();
    let mut wanted = checkout();
    wanted["sku"] = "CUP".into();
    assert_eq!(serving.ask_openly("POST", "/api/paypal/create-order", &[], &wanted).unwrap().0, 200);
    serving.kill();
    let today = std::fs::read(&database).unwrap();
    std::fs::write(&database, yesterday).unwrap();
    assert!(shop.serve(None).is_none(), "{}", shop.log());
    let marker = shop.file("data/DAMAGED");
    let what = std::fs::read_to_string(&marker).unwrap_or_else(|_| panic!("{}", shop.log()));
    assert!(shop.log().contains(what.trim()), "{what}");
    // Again, also without the -wal: a person has to look.
    assert!(shop.serve(None).is_none());
    std::fs::write(&database, today).unwrap();
    std::fs::remove_file(marker).unwrap();
    assert!(shop.serve(None).is_some(), "{}", shop.log());
}

fn ended_in_good_order(mut serving: Serving, shop: &Shop) {
    let pid = std::fs::read_to_string(shop.file("data/lock")).unwrap();
    assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().unwrap().success());
    assert!(serving.wait_until_dead(), "{PROGRAM}: {}", shop.log());
    assert_eq!(serving.exit_code(), Some(0));
}

/// What a person meets at a damaged database: nothing starts, reading still works.
#[test]
fn f31_a_database_that_is_marked_as_damaged_is_only_read() {
    let shop = Program::new(SHIPPED);
    shop.good(&["migrate"]);
    std::fs::write(shop.file("data/DAMAGED"), "orders: row 1 missing from index orders_twice\n").unwrap();
    for line in [["serve"].as_slice(), &["migrate"]] {
        let ended = shop.run(line);
        assert_eq!(ended.code, 74, "{line:?}: {}", ended.err);
        assert!(ended.err.contains("orders: row 1") && ended.err.contains("data/DAMAGED"), "{}", ended.err);
    }
    assert!(shop.good(&["orders", "list"]).len() < 10_000);
    let refused = shop.run(&crate::program::MUG);
    assert_eq!(refused.code, 74, "{}", refused.err);
    assert!(refused.err.contains("nothing is written"), "{}", refused.err);
    let database = open::path(&shop.file("data"));
    assert_eq!(store::quarantine::marker(&database), shop.file("data/DAMAGED"));
}
