//! Power loss: what was written and not synced may be gone, torn, or there without what was written before it. `kill -9`
//! shows nothing of this, because the kernel keeps what a dead program wrote. Here every write of the real program is
//! recorded with its syncs, and the disk is put together as a cut at any moment might leave it; then the WAL cut at every
//! frame, and the database replaced by any earlier copy.

use crate::schedule::Dice;
use crate::shop::{PROGRAM, Shop, checkout, mug};
use crate::verdict;
use crate::world::{World, data_dir, policy};
use jiff::{SignedDuration, Timestamp};
use postsale::clock::{Clock, HandClock};
use postsale::domain::order::OrderId;
use postsale::engine::release::Release;
use postsale::rehearsal::plug::{BASE_URL, Plug};
use postsale::sandbox::{FarSides, Line};
use postsale::store;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// What a disk works in: smaller pieces are written whole or not at all.
const SECTOR: usize = 512;
/// Files that a power cut may hurt. The far side's book is another machine's.
const HURT: [&str; 3] = ["postsale.db", "postsale.db-wal", "intents.log"];
const BOOK: &str = "sandbox.jsonl";
const FRAME: usize = 4096 + 24;

#[derive(Debug)]
enum What {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    Cut(usize),
    /// Done; everything written before it was begun is on the disk.
    Synced {
        begun: usize,
    },
}

#[derive(Debug)]
struct Event {
    file: String,
    what: What,
}

type Files = BTreeMap<String, Vec<u8>>;

/// Opens these files as the program does after a crash, beside far sides that stand where they stood.
fn reopen(dir: TempDir, sides: FarSides, now: Timestamp) -> World {
    let clock = Arc::new(HandClock::new(now));
    let plug = Arc::new(Plug::new(Arc::clone(&clock) as Arc<dyn Clock>, 7));
    *plug.sides() = sides;
    World::beside(dir, clock, plug, policy())
}

fn files_in(dir: &Path) -> Files {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let plain = entries.filter(|entry| entry.file_type().unwrap().is_file());
    plain.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

fn lay_out(files: &Files) -> TempDir {
    let dir = data_dir();
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with("-shm")) {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// Hexadecimal escapes as strace writes them.
fn unescaped(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|hex| u8::from_str_radix(&hex[..2], 16).unwrap()).collect()
}

/// The writes and syncs of a trace, in order.
fn events_of(trace: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut syncing: HashMap<String, (String, usize)> = HashMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... fsync resumed>") || rest.starts_with("<... fdatasync resumed>") {
            if let Some((file, begun)) = syncing.remove(thread) {
                events.push(Event { file, what: What::Synced { begun } });
            }
            continue;
        }
        let Some((call, args)) = rest.split_once('(') else { continue };
        let path = args.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| unescaped(path));
        let path = String::from_utf8(path.unwrap_or_default()).unwrap();
        let file = path.rsplit('/').next().unwrap_or_default().to_owned();
        if !HURT.contains(&file.as_str()) && file != BOOK {
            continue;
        }
        let number = |text: &str| -> usize {
            let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        };
        let after_data = || args.rsplit_once('"').unwrap().1;
        let what = match call {
            "pwrite64" | "write" => {
                let bytes = unescaped(args.split('"').nth(1).unwrap());
                // An append goes where the file ends, which is not known here.
                let at = if call == "write" { usize::MAX } else { number(after_data().split(',').nth(2).unwrap()) };
                What::Write { at, bytes }
            }
            "ftruncate" => What::Cut(number(args.split(',').nth(1).unwrap())),
            _ if rest.contains("<unfinished") => {
                syncing.insert(thread.to_owned(), (file, events.len()));
                continue;
            }
            _ => What::Synced { begun: events.len() },
        };
        events.push(Event { file, what });
    }
    events
}

/// The disk as a power cut after `cut` events may leave it.
fn disk_at(before: &Files, events: &[Event], cut: usize, dice: &mut Dice) -> Files {
    let mut files = before.clone();
    let mut safe: HashMap<&str, usize> = HashMap::new();
    for event in &events[..cut] {
        if let What::Synced { begun } = event.what {
            safe.insert(&event.file, begun);
        }
    }
    // Of what was not synced: nothing, everything, or every sector by itself.
    let chance = dice.below(3);
    for (number, event) in events[..cut].iter().enumerate() {
        let is_safe = event.file == BOOK || safe.get(event.file.as_str()).is_some_and(|begun| number < *begun);
        let mut stays = || is_safe || chance == 1 || (chance == 2 && dice.below(2) == 0);
        let content = files.entry(event.file.clone()).or_default();
        match &event.what {
            What::Write { at, bytes } => {
                let at = if *at == usize::MAX { content.len() } else { *at };
                for (piece, start) in bytes.chunks(SECTOR).zip((at..).step_by(SECTOR)) {
                    if stays() {
                        content.resize(content.len().max(start + piece.len()), 0);
                        content[start..start + piece.len()].copy_from_slice(piece);
                    }
                }
            }
            What::Cut(length) if stays() => content.resize(*length, 0),
            What::Cut(_) | What::Synced { .. } => {}
        }
    }
    files
}

struct Recording {
    before: Files,
    events: Vec<Event>,
    orders: Vec<(String, OrderId)>,
    ended: Timestamp,
}

/// The real program takes two orders to their end under strace.
fn record() -> Recording {
    let trace_calls = "trace=pwrite64,write,ftruncate,fsync,fdatasync";
    let mut shop = Shop::shipped();
    drop(shop.serve(None).unwrap());
    let before = files_in(&shop.file("data"));
    shop.under =
        ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", trace_calls, "-o", "trace"].map(str::to_owned).to_vec();
    let serving = shop.serve(None).unwrap_or_else(|| panic!("{}", shop.log()));
    serving.ask("PUT", "/api/products/MUG", &[], &mug()).unwrap();
    let mut orders = Vec::new();
    for number in 1..=2 {
        let mut checkout = checkout();
        checkout["shippingAddress"]["line1"] = json!(format!("{number} Oak Street"));
        let key = format!("cut-{number}");
        let headers = [("idempotency-key", key.as_str())];
        let (status, body) = serving.ask_openly("POST", "/api/paypal/create-order", &headers, &checkout).unwrap();
        assert_eq!(status, 200, "{body}");
        let opened: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| opened[name].as_str().unwrap().to_owned();
        serving.control("POST", &format!("paypal/orders/{}/approve", text("paypalOrderId")), &json!({})).unwrap();
        let asked = json!({ "paypalOrderId": text("paypalOrderId") });
        serving.ask_openly("POST", "/api/paypal/capture-order", &[], &asked).unwrap();
        serving.wait_for_stage(&text("orderId"), &["closed"]);
        let reference = format!("key-{}", &store::claims::hash(key.as_bytes())[..32]);
        assert_eq!(verdict::identity(&reference).order_id().0, text("orderId"));
        orders.push((reference, OrderId(text("orderId"))));
    }
    // strace ends with its program, and not the other way round.
    let pid = std::fs::read_to_string(shop.file("data/lock")).unwrap();
    std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    let mut serving = serving;
    assert!(serving.wait_until_dead());
    let events = events_of(&std::fs::read_to_string(shop.file("trace")).unwrap());
    Recording { before, events, orders, ended: Timestamp::now() + SignedDuration::from_mins(1) }
}

/// Opens the disk after a cut, lets forty days pass, and speaks the verdict.
fn survives(recording: &Recording, cut: usize, seed: u64) {
    let files = disk_at(&recording.before, &recording.events, cut, &mut Dice::new(seed));
    let lines: Vec<Line> =
        files[BOOK].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let sides = FarSides::replay(BASE_URL, 7, lines);
    let world = reopen(lay_out(&files), sides, recording.ended);
    world.run_days(40);
    verdict::judge(&world, &recording.orders);
    release_all(&world);
    verdict::judge(&world, &recording.orders);
}

/// Somebody has looked at everything and lets it go on, long after the far sides have forgotten every key. How many orders
/// were in doubt.
fn release_all(world: &World) -> usize {
    let all = store::views::OrderFilter { most: 100, ..Default::default() };
    let rows = world.engine.store.read(|c| store::views::orders(c, &all)).unwrap();
    let released = rows.iter().filter(|row| world.release_trade(&row.id) == "now").count();
    world.release(Release::Shop);
    world.confirm_payees();
    world.run_days(5);
    released
}

fn cuts(count: usize) {
    assert!(Path::new(PROGRAM).exists());
    let recording = record();
    let syncs = |file: &str| {
        let of = recording.events.iter().filter(|e| e.file == file);
        of.filter(|e| matches!(e.what, What::Synced { .. })).count()
    };
    // Ten claims, each announced and answered.
    assert!(syncs("intents.log") >= 20 && syncs("postsale.db-wal") >= 20, "the trace shows too few syncs");
    let mut dice = Dice::new(count as u64);
    let mut failed = Vec::new();
    for seed in 0..count as u64 {
        let cut = dice.below(recording.events.len() + 1);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| survives(&recording, cut, seed))) {
            let why = payload.downcast_ref::<String>().cloned().unwrap_or_default();
            failed.push(format!("cut after {cut} of {} events, seed {seed}: {why}", recording.events.len()));
        }
    }
    println!("{count} cuts in {} writes and syncs, {} failed", recording.events.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn f36_power_cuts() {
    let tried = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        println!("skipped: strace cannot record here what is written ({tried:?}); apt-get install strace");
        return;
    }
    cuts(if std::env::var_os("POSTSALE_FULL").is_some() { 1000 } else { 100 });
}

/// What the far sides' book counts.
fn moved(world: &World) -> [usize; 3] {
    ["captures", "purchases", "payouts"].map(|kind| world.book(kind).len())
}

/// After these files were opened beside the far sides as they are, nothing is done that was done before; also not when
/// somebody has released what was in doubt. How many orders that were.
fn does_nothing_twice(files: &Files, shop: &World, what: &str) -> usize {
    let sides = shop.plug.sides().clone();
    let world = reopen(lay_out(files), sides, shop.now() + SignedDuration::from_mins(1));
    world.run_days(3);
    assert_eq!(moved(&world), moved(shop), "{what}");
    world.run_days(37);
    assert_eq!(moved(&world), moved(shop), "{what}, weeks later");
    let released = release_all(&world);
    assert_eq!(moved(&world), moved(shop), "{what}, released");
    released
}

#[test]
fn f32_the_wal_cut_at_every_frame_never_leads_to_a_second_send() {
    let shop = World::penniless();
    let order = shop.paid_order();
    shop.run_for(SignedDuration::from_hours(1));
    assert_eq!(moved(&shop), [1, 1, 2], "{}", shop.show(&order));
    let files = files_in(&shop.data_dir());
    let wal = &files["postsale.db-wal"];
    let frames: Vec<&[u8]> = wal[32..].chunks_exact(FRAME).collect();
    // A commit says in its last frame how large the database is then. SQLite drops what comes behind the last commit, so
    // most boundaries leave the same database: the full run cuts at all, the others behind a commit and one frame before.
    let is_commit = |at: usize| frames[at][4..8] != [0; 4];
    let is_all = std::env::var_os("POSTSALE_FULL").is_some();
    let cuts: Vec<usize> =
        (0..frames.len()).filter(|at| is_all || is_commit(*at) || *at > 0 && is_commit(at - 1)).collect();
    let frames = frames.len();
    println!("{} cuts in {frames} frames", cuts.len());
    assert!(cuts.len() > 40, "{cuts:?}");
    let mut released = 0;
    for kept in cuts {
        let mut files = files.clone();
        files.insert("postsale.db-wal".to_owned(), wal[..32 + kept * FRAME].to_vec());
        // A frame or two may take the founding of the shop with them; then there is nothing to open.
        if is_founded(&files) {
            released += does_nothing_twice(&files, &shop, &format!("{kept} of {frames} frames"));
        }
    }
    assert!(released > 20, "only {released} cuts were in doubt");
}

/// A byte that changed in a frame ends the `-wal` there, for its checksum does not fit any more; and one that is gone ends
/// it at its beginning.
#[test]
fn f32_a_wal_that_is_damaged_or_gone_never_leads_to_a_second_send() {
    let shop = World::penniless();
    let order = shop.paid_order();
    shop.run_for(SignedDuration::from_hours(1));
    assert_eq!(moved(&shop), [1, 1, 2], "{}", shop.show(&order));
    let files = files_in(&shop.data_dir());
    let wal = &files["postsale.db-wal"];
    let mut dice = Dice::new(32);
    let mut founded = 0;
    for _ in 0..if std::env::var_os("POSTSALE_FULL").is_some() { 300 } else { 20 } {
        let at = dice.below(wal.len());
        let mut damaged = wal.clone();
        damaged[at] ^= 1 << dice.below(8);
        let mut files = files.clone();
        files.insert("postsale.db-wal".to_owned(), damaged);
        if is_founded(&files) {
            founded += 1;
            does_nothing_twice(&files, &shop, &format!("a bit of byte {at} of {}", wal.len()));
        }
    }
    assert!(founded > 10, "only {founded} had still something to open");
    let checkpointed = Connection::open(store::open::path(&shop.data_dir())).unwrap();
    checkpointed.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut gone = files_in(&shop.data_dir());
    gone.retain(|name, _| !name.ends_with("-wal") && !name.ends_with("-shm"));
    does_nothing_twice(&gone, &shop, "all of it in the database, and no -wal");
    let order = shop.paid_order_of(2);
    shop.run_for(SignedDuration::from_hours(1));
    assert_eq!(moved(&shop), [2, 2, 4], "{}", shop.show(&order));
    let mut gone = files_in(&shop.data_dir());
    gone.retain(|name, _| !name.ends_with("-wal") && !name.ends_with("-shm"));
    does_nothing_twice(&gone, &shop, "the -wal of a whole order gone");
}

fn is_founded(files: &Files) -> bool {
    let dir = lay_out(files);
    let Ok(connection) = Connection::open(store::open::path(dir.path())) else { return false };
    store::meta::value(&connection, "instance").is_ok_and(|instance| instance.is_some())
        && store::open::schema_of(dir.path()).is_ok_and(|schema| schema.found == schema.known)
}

#[test]
fn f33_any_earlier_copy_of_the_database_never_leads_to_a_second_send() {
    let shop = World::penniless();
    let copies: Arc<Mutex<Vec<Files>>> = Arc::default();
    let (kept, dir) = (Arc::clone(&copies), shop.data_dir());
    shop.tap.meddle(move |_, _| kept.lock().unwrap_or_else(PoisonError::into_inner).push(files_in(&dir)));
    let order = shop.paid_order();
    shop.run_for(SignedDuration::from_hours(1));
    shop.tap.leave_alone();
    assert_eq!(moved(&shop), [1, 1, 2], "{}", shop.show(&order));
    let today = files_in(&shop.data_dir());
    let copies = copies.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(copies.len() > 20, "{} copies", copies.len());
    let mut released = 0;
    for (number, copy) in copies.iter().enumerate() {
        let mut files = today.clone();
        for name in ["postsale.db", "postsale.db-wal"] {
            files.insert(name.to_owned(), copy.get(name).cloned().unwrap_or_default());
        }
        released += does_nothing_twice(&files, &shop, &format!("copy {number} of {}", copies.len()));
    }
    assert!(released > 10, "only {released} copies were in doubt");
}
