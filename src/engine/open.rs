//! Putting an engine together: the journal is read against the database before anything may be sent, and the orders in
//! hand at the last crash are counted.

use super::amnesia::Replay;
use super::lifesign::file_of;
use super::timekeeper::Timekeeper;
use super::{Engine, EngineError, Settings, in_hand::InHand};
use crate::clock::Clock;
use crate::domain::claim::Recipient;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::OrderId;
use crate::gateway::paypal::PayPal;
use crate::gateway::{self, aliexpress::AliExpress};
use crate::store::doubts::{self, Cause};
use crate::store::journal::{self, Found, Journal, JournalError, Mark, Wanted};
use crate::store::{self, Store, StoreError};
use jiff::Timestamp;
use rusqlite::Transaction;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("cannot note orders in hand: {0}")]
    InHand(std::io::Error),
    /// Amounts of two currencies in one set of books cannot be told apart afterwards.
    #[error(
        "the books are kept in {found}, the configuration says shop.currency = \"{wanted}\"; set it back, or use \
         another data_dir"
    )]
    OtherCurrency { found: String, wanted: String },
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> OpenError {
        OpenError::Engine(error.into())
    }
}

/// What an engine is made of.
pub struct Parts {
    pub store: Arc<Store>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// `None`: PayPal cannot be asked (no credentials, or off).
    pub paypal: Option<PayPal>,
    pub aliexpress: Option<AliExpress>,
    /// A second path for every journal line.
    pub journal_mirror: Option<std::path::PathBuf>,
}

/// An order that the program died with this often in a row, at the same step, is held.
const CRASHES_MAX: u32 = 2;

impl Engine {
    /// The caller holds the lock of the data directory.
    pub fn open(parts: Parts) -> Result<Engine, OpenError> {
        let Parts { store, clock, settings, paypal, aliexpress, journal_mirror } = parts;
        let settings = settings.reaching(paypal.is_some(), aliexpress.is_some());
        keep_currency(&store, settings.policy.currency.code())?;
        let read = open_journal(&store, clock.as_ref(), &settings, journal_mirror.as_deref())?;
        if let Some((why, _)) = store.read(doubts::restored)? {
            log::error!("nothing is sent before a human has looked: {why}");
        }
        let (in_hand, died_with) = InHand::open(&settings.data_dir).map_err(OpenError::InHand)?;
        count_crashes(&store, clock.as_ref(), &died_with)?;
        let ticked = store.read(store::meta::tick)?;
        let now: Arc<gateway::Now> = {
            let clock = Arc::clone(&clock);
            Arc::new(move || {
                let read = clock.read();
                (read.wall, read.running)
            })
        };
        let engine = Engine {
            time: Timekeeper::new(Arc::clone(&clock), ticked),
            file: file_of(store.path()),
            disk: Mutex::new(None),
            store,
            clock,
            settings,
            bell: super::Bell::default(),
            journal: read.journal,
            paypal: paypal.map(|paypal| paypal.timed_by(Arc::clone(&now))),
            aliexpress: aliexpress.map(|aliexpress| aliexpress.timed_by(now)),
            taken: Mutex::new(HashSet::new()),
            in_hand,
            open_lines: Mutex::default(),
            refreshing: Mutex::new(()),
            refresh_not_before: Mutex::new(None),
            places: Mutex::default(),
            calls_in_flight: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
        };
        engine.look_around(ticked.filter(|_| !read.is_mirrored))?;
        Ok(engine)
    }

    /// In sandbox mode the first payee the configuration proposes is confirmed without a human; a later change is not.
    pub fn confirm_first_payees(&self) -> Result<(), EngineError> {
        let proposals = [(Recipient::Platform, &self.settings.platform), (Recipient::Seller, &self.settings.seller)];
        for (recipient, proposed) in proposals {
            let is_known = self.store.read(|c| store::payouts::has_payee(c, recipient))?;
            if let (false, Some(email)) = (is_known, proposed) {
                self.confirm_payee(recipient, email, "sandbox")?;
            }
        }
        Ok(())
    }
}

/// One database has one currency for ever.
fn keep_currency(store: &Store, wanted: &str) -> Result<(), OpenError> {
    let found = store.read(store::meta::currency)?;
    if let Some(found) = found.clone().filter(|found| found != wanted) {
        return Err(OpenError::OtherCurrency { found, wanted: wanted.to_owned() });
    }
    if store.read(|c| store::meta::value(c, "currency"))?.is_none() {
        store.write(|tx| store::meta::set(tx, "currency", wanted))?;
    }
    Ok(())
}

struct Opened {
    /// `None`: it cannot be read.
    journal: Option<Journal>,
    is_mirrored: bool,
}

/// Reads the journal against the database (MONEY A5, A9): every line above the mark must have its row here, and what
/// has none is made good.
fn open_journal(
    store: &Store,
    clock: &dyn Clock,
    settings: &Settings,
    mirror: Option<&Path>,
) -> Result<Opened, OpenError> {
    let now = clock.now();
    let (instance, mark, lost) = store.read(|c| {
        let instance = store::meta::value(c, "instance")?.unwrap_or_default();
        let (mark, lost) = store::meta::marks(c)?;
        Ok::<_, StoreError>((instance, mark, lost))
    })?;
    let data_dir = settings.data_dir.as_path();
    let wanted = Wanted { data_dir, mirror, instance: &instance, mark: &mark, lost: lost.as_ref(), now };
    let opened = match Journal::open(&wanted) {
        Ok(opened) => opened,
        // A journal that cannot be read is never a fresh start: the program runs, and sends nothing.
        Err(error) if error.is_unreadable() => {
            let why = format!("{error}. {}", way_out(data_dir));
            store.write(|tx| {
                store::meta::set(tx, UNREADABLE, &why)?;
                doubts::remember(tx, Cause::Journal, &why, now)?;
                store::intake::ring_all(tx, now)
            })?;
            return Ok(Opened { journal: None, is_mirrored: false });
        }
        Err(error) => return Err(error.into()),
    };
    store.write(|tx| {
        store::meta::remove(tx, UNREADABLE)?;
        compare(tx, &opened, &mark, settings, now)
    })?;
    let is_apart = mirror.is_some_and(|mirror| journal::is_on_another_disk(mirror, data_dir));
    Ok(Opened { journal: Some(opened.journal), is_mirrored: opened.is_mirrored && is_apart })
}

/// Stands while the journal cannot be read.
pub const UNREADABLE: &str = "journal_unreadable";

fn way_out(data_dir: &Path) -> String {
    format!(
        "Put the journal back (from journal.mirror or a backup) and restart; if it is lost for good, move intents*.log \
         and journal.key out of {}, restart, and release trade by trade",
        data_dir.display()
    )
}

/// The journal's place beside the mark, its unread lines, and claims that never got a line.
fn compare(
    tx: &Transaction<'_>,
    opened: &journal::Opened,
    mark: &Mark,
    settings: &Settings,
    now: Timestamp,
) -> store::Result<()> {
    let before = doubts::restored(tx)?;
    let (_, lost) = store::meta::marks(tx)?;
    let is_lost = |what: &str| {
        let why = format!("the intent journal {what}: the database knows line {}", mark.seq);
        store::meta::lose_mark(tx)?;
        doubts::remember(tx, Cause::Journal, &format!("{why}. {}", way_out(&settings.data_dir)), now)
    };
    match opened.found {
        Found::Gone => is_lost("is gone")?,
        Found::Short => is_lost("was shortened")?,
        Found::Other => is_lost("is another one, or a part of it is missing")?,
        Found::PutBack => {
            store::meta::forget_lost_mark(tx)?;
            lift(tx, now)?;
        }
        // It could not be read for a while, and nothing was begun in its place.
        Found::Whole if lost.is_none() => lift(tx, now)?,
        Found::Whole => {}
    }
    let mut replay = Replay::new(tx, &opened.journal, &settings.shop, now);
    replay.read(&opened.unread)?;
    if opened.found == Found::PutBack || opened.found == Found::Whole && lost.is_none() {
        store::claims::all_journaled(tx)?;
    }
    if let Some(why) = &replay.went_back {
        doubts::remember(tx, Cause::Rebuilt, why, now)?;
    }
    let last = opened.journal.last_seq();
    store::meta::set_mark(tx, &opened.journal.mark(last))?;
    store::heard::marked(tx, last)?;
    let orphans = store::claims::not_journaled(tx)?;
    let seen = store::meta::value(tx, ORPHANS)?.unwrap_or_default();
    let new = orphans.iter().filter(|key| seen.split(' ').all(|seen| seen != key.as_str())).count();
    if new > settings.workers {
        let why = format!("{new} claims have no line in the intent journal");
        doubts::remember(tx, Cause::Rebuilt, &why, now)?;
    }
    // A program that dies again and again leaves some each time before it comes to send them again.
    let orphans = orphans.join(" ");
    if orphans != seen {
        store::meta::set(tx, ORPHANS, &orphans)?;
    }
    if doubts::restored(tx)? != before { store::intake::ring_all(tx, now) } else { Ok(()) }
}

/// Keys of the claims that had no line at the last start: a death leaves at most one more for each worker.
const ORPHANS: &str = "orphans";

/// The right journal is there again: what was in doubt for want of it is not any more.
fn lift(tx: &Transaction<'_>, now: Timestamp) -> store::Result<()> {
    let Some((_, Cause::Journal)) = doubts::restored(tx)? else { return Ok(()) };
    doubts::open_shop(tx)?;
    let lifted = doubts::clear_all(tx, Cause::Journal, "the intent journal, put back", now)?;
    store::events::append(tx, None, now, "journal_back", &format!("{lifted} trades go on"))?;
    store::intake::ring_all(tx, now)
}

fn count_crashes(store: &Store, clock: &dyn Clock, died_with: &[(OrderId, String)]) -> Result<(), StoreError> {
    let now = clock.now();
    for (order, step) in died_with {
        store.write(|tx| {
            if store::views::order(tx, order)?.is_none() {
                return Ok::<_, StoreError>(());
            }
            let in_a_row = store::holds::crashed(tx, order, step)?;
            if in_a_row >= CRASHES_MAX {
                let detail = format!("the program died {in_a_row} times in a row at {step}");
                store::holds::put(tx, order, &Hold::new(HoldCode::ProgramFault, &*detail), "program", now)?;
                store::events::append(tx, Some(order), now, "fault", &detail)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}
