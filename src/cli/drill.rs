//! `postsale drill`: kills this very program with SIGKILL at every named place, starts it again, at once, a month later,
//! on an older database, and asks the far sides' book whether anything was bought or paid twice. It works in a temporary
//! directory and reaches nothing but this machine; of the shop it is called for it touches one row, the result.

mod cases;
mod judge;
mod stage;

use super::exit::{Exit, Failure};
use super::sources::Sources;
use super::{COMMIT, say};
use crate::assure::readiness::{Drill, keep_drill};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Mode, Variant};
use crate::engine::ALIEXPRESS;
use crate::failpoint;
use crate::rehearsal::{RehearsalError, Scratch};
use crate::sandbox::aliexpress::KNOWN_PRODUCT;
use crate::store::products::Product;
use crate::store::{self, from_ms, open};
use cases::{Restart, Scene};
use jiff::Timestamp;
use judge::Verdict;
use stage::{Stage, Started};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Cases side by side for each processor: a case waits more than it works.
const LANES_PER_PROCESSOR: usize = 4;

/// What was asked for.
#[derive(Debug)]
pub struct Wanted {
    pub lists: bool,
    pub is_verbose: bool,
    /// Only places whose name holds this text.
    pub only: Option<String>,
}

/// One place and what follows the death there.
struct Case<'a> {
    scene: &'a Scene,
    place: &'a str,
    restart: Restart,
}

impl Case<'_> {
    fn title(&self) -> String {
        format!("{} ({}), restarted {}", self.place, self.scene.name, self.restart.word())
    }
}

/// What all cases came to.
struct Tally {
    good: usize,
    all: usize,
    verdicts: Verdict,
    complaints: Vec<String>,
}

pub fn drill(sources: &Sources, wanted: &Wanted) -> Result<Exit, Failure> {
    if wanted.lists {
        say(&failpoint::names().into_iter().map(|name| name + "\n").collect::<String>())?;
        return Ok(Exit::Good);
    }
    let begun = Instant::now();
    let scratch = Scratch::new().map_err(RehearsalError::Io)?;
    let only = |place: &&String| wanted.only.as_ref().is_none_or(|text| place.contains(text.as_str()));
    let scenes = cases::scenes();
    say(&format!("drill: {} places, {} scenes\n", failpoint::names().len(), scenes.len()))?;
    let since = SystemClock.now();
    let ready = set_up(scratch.path(), &scenes, since).map_err(RehearsalError::Io)?;
    let cases: Vec<Case<'_>> = scenes
        .iter()
        .flat_map(|scene| scene.places.iter().filter(only).map(move |place| (scene, place)))
        .flat_map(|(scene, place)| Restart::ALL.map(|restart| Case { scene, place, restart }))
        .collect();
    let tally = play(&cases, scratch.path(), since, &ready, wanted.is_verbose);
    let Tally { good, all, verdicts, complaints } = tally;
    let mut text: String = complaints.iter().map(|complaint| format!("FAIL {complaint}\n")).collect();
    let (purchases, payouts) = (verdicts.double_purchases, verdicts.double_payouts);
    let result = format!("{good}/{all}, {purchases} double purchases, {payouts} double payouts");
    let took = begun.elapsed().as_secs();
    text.push_str(&format!("{result} in {took} s\n"));
    let is_good = good == all && all > 0;
    if wanted.only.is_none() {
        text.push_str(&keep(sources, &result, is_good));
    }
    say(&text)?;
    Ok(if is_good { Exit::Good } else { Exit::NotGood })
}

/// Walks the road once and copies everything at the beginning of every scene.
fn set_up(scratch: &Path, scenes: &[Scene], since: Timestamp) -> io::Result<Vec<(PathBuf, Option<String>)>> {
    let dir = scratch.join("road");
    let mut stage = Stage::open(&dir, since)?;
    found(&stage).map_err(|failure| io::Error::other(failure.to_string()))?;
    let mut ready = Vec::new();
    for (number, scene) in scenes.iter().enumerate() {
        stage.has_refund = scene.has_refund();
        if let Some(place) = scene.until {
            let is_there = stage.start(Some(place))? == Started::Dead || stage.drive_to_the_death();
            if !is_there {
                return Err(io::Error::other(format!("{} was never come by: {:?}", place.0, stage.last)));
            }
        }
        // A second death at one step holds the order. Each case is to be the first.
        let in_hand = stage.data_dir().join("in-hand");
        if in_hand.exists() {
            fs::remove_file(in_hand)?;
        }
        let copy = scratch.join(format!("scene-{number}"));
        copy_all(&dir, &copy)?;
        ready.push((copy, stage.order.clone()));
    }
    Ok(ready)
}

/// A database with one product and the supplier's login, as the shop has it before its first start.
fn found(stage: &Stage) -> Result<(), Failure> {
    let shipped = config::load_text(stage::SHIPPED, &[])?.config;
    let now = stage.now();
    let wanted = open::Wanted { mode: Mode::Sandbox, shop: &shipped.shop.id, now };
    let store = open::open(&stage.data_dir(), &wanted)?;
    let granted = stage.granted();
    let mug = mug(shipped.shop.currency)?;
    let login = store::tokens::Login {
        account: None,
        access_token: granted.aliexpress_access_token.clone(),
        refresh_token: Some(granted.aliexpress_refresh_token.clone()),
        access_expires_at: from_ms(granted.access_expires_at_ms)?,
        refresh_expires_at: Some(from_ms(granted.refresh_expires_at_ms)?),
    };
    store.write(|tx| {
        store::tokens::put(tx, ALIEXPRESS, &login, now)?;
        store::products::put(tx, &mug, now)
    })?;
    store.checkpoint()?;
    Ok(())
}

/// What the built-in supplier sells.
fn mug(currency: Currency) -> Result<Product, Failure> {
    let price = Money::parse("25.00", currency).map_err(|error| Failure::Senseless(error.to_string()))?;
    let variant = Variant {
        product_id: KNOWN_PRODUCT.to_string(),
        sku_attr: "14:29#Black".to_owned(),
        sku_id: "12000012345678901".to_owned(),
        service: None,
    };
    let (sku, title) = ("MUG".to_owned(), "A black mug".to_owned());
    Ok(Product { sku, title, price, variant, landed_cost_max: None, is_active: true })
}

/// Sockets of a dead program are left behind.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Plays every case, some side by side.
fn play(
    cases: &[Case<'_>],
    scratch: &Path,
    since: Timestamp,
    ready: &[(PathBuf, Option<String>)],
    is_verbose: bool,
) -> Tally {
    let scenes = cases::scenes();
    let next = AtomicUsize::new(0);
    let tally = Tally { good: 0, all: 0, verdicts: Verdict::default(), complaints: Vec::new() };
    let tally = Mutex::new(tally);
    let lane = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(number) else { return };
            let place = scenes.iter().position(|scene| scene == case.scene).unwrap_or(0);
            let dir = scratch.join(format!("case-{number}"));
            let outcome = play_one(case, &dir, since, &ready[place]);
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.count(case, outcome, &dir, is_verbose);
            tally.show(number, cases.len(), is_verbose);
        }
    };
    let lanes = std::thread::available_parallelism().map_or(2, usize::from) * LANES_PER_PROCESSOR;
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(lane);
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn play_one(
    case: &Case<'_>,
    dir: &Path,
    since: Timestamp,
    ready: &(PathBuf, Option<String>),
) -> io::Result<(Verdict, String)> {
    copy_all(&ready.0, dir)?;
    let before = dir.join("before");
    copy_all(&dir.join("data"), &before)?;
    let mut stage = Stage::open(dir, since)?;
    stage.order.clone_from(&ready.1);
    stage.has_refund = case.scene.has_refund();
    stage.is_ringing = case.place.starts_with("webhook.");
    if stage.start(Some((case.place, 0)))? == Started::Open && !stage.drive_to_the_death() {
        let wrong = Some("never came by the place".to_owned());
        return Ok((Verdict { wrong, ..Verdict::default() }, String::new()));
    }
    match case.restart {
        Restart::After31Days => stage.let_pass(31),
        Restart::OlderBackup => put_back(&before, &stage.data_dir())?,
        Restart::AtOnce | Restart::SameWebhookTwice => {}
    }
    stage.is_ringing = false;
    if stage.start(None)? == Started::Dead {
        let wrong = Some("did not start again".to_owned());
        return Ok((Verdict { wrong, ..Verdict::default() }, String::new()));
    }
    if case.restart == Restart::SameWebhookTwice {
        stage.ring_twice();
    }
    let end = stage.drive_to_the_end();
    stage.kill();
    let verdict = judge::judge(&stage.book(), end.as_ref());
    let told = end.map_or(format!("last seen {:?}", stage.last), |end| {
        let why = end.waits_for.split(':').next().unwrap_or_default().to_owned();
        if end.stage == "closed" { end.stage } else { format!("{} {why}", end.stage) }
    });
    Ok((verdict, told))
}

/// The database as it was, the journal as it is.
fn put_back(before: &Path, data_dir: &Path) -> io::Result<()> {
    for name in ["postsale.db", "postsale.db-wal", "postsale.db-shm"] {
        let (old, new) = (before.join(name), data_dir.join(name));
        if new.exists() {
            fs::remove_file(&new)?;
        }
        if old.exists() {
            fs::copy(&old, &new)?;
        }
    }
    Ok(())
}

impl Tally {
    fn count(&mut self, case: &Case<'_>, outcome: io::Result<(Verdict, String)>, dir: &Path, is_verbose: bool) {
        let (verdict, told) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => (Verdict { wrong: Some(error.to_string()), ..Verdict::default() }, String::new()),
        };
        self.all += 1;
        self.verdicts.double_purchases += verdict.double_purchases;
        self.verdicts.double_payouts += verdict.double_payouts;
        let title = case.title();
        if verdict.is_good() {
            self.good += 1;
            let _ = fs::remove_dir_all(dir);
        } else {
            self.complaints.push(format!("{title}: {verdict:?} {told}"));
        }
        if is_verbose {
            let mark = if verdict.is_good() { "ok  " } else { "FAIL" };
            let _ = say(&format!("{mark} {title}: {told}\n"));
        }
    }

    /// On a terminal, a bar.
    fn show(&self, number: usize, all: usize, is_verbose: bool) {
        if is_verbose || !io::stderr().is_terminal() {
            return;
        }
        let done = (number + 1) * 40 / all.max(1);
        let (full, rest) = ("#".repeat(done), "-".repeat(40 - done.min(40)));
        let end = if number + 1 == all { "\n" } else { "" };
        let _ = write!(io::stderr(), "\r[{full}{rest}] {}/{all}{end}", number + 1);
    }
}

/// Keeps the result where the readiness report finds it; says so.
fn keep(sources: &Sources, result: &str, is_good: bool) -> String {
    let joined = match sources.join() {
        Ok(joined) => joined,
        Err(failure) => return format!("not kept for the readiness report: {failure}\n"),
    };
    let (at, build, result) = (joined.clock.now(), COMMIT.to_owned(), result.to_owned());
    match keep_drill(&joined.store, &Drill { build, at, result, is_good }) {
        Ok(()) => format!("kept for the readiness report in {}\n", joined.config.data_dir.display()),
        Err(error) => format!("not kept for the readiness report: {error}\n"),
    }
}
