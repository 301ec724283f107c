//! Signs by which a machine that went back in time is known although database and journal agree (MONEY A5): the stored
//! sign of life is old, the files lie on another machine, the database file is not the one that was opened. And the
//! asking of a far side for the time, without which nothing is sent.
//!
//! A shop that was switched off looks the same as one put back to an older day, and is the ordinary case. So it opens at
//! once, and only what could be bought twice waits: open trades without a purchase, and orders that were paid before it
//! was back. One word releases them all (`--was-off`). A mirror of the journal that stands where the journal does shows
//! that nothing went back, and then nothing waits.

use super::surroundings::{CLOCK, CLOCK_COMPARED};
use super::timekeeper::SILENCE_MAX;
use super::{Engine, EngineError, Result};
use crate::domain::statement::LAG;
use crate::domain::trade::ClockState;
use crate::gateway::aliexpress::AliExpress;
use crate::gateway::paypal::PayPal;
use crate::store::doubts::{self, Cause, Which};
use crate::store::{self, feeds, meta};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Transaction;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::PoisonError;

/// PayPal remembers a payout's key for 30 days: after a longer silence what could be paid is in doubt too.
const PAYOUTS_FORGOTTEN: SignedDuration = SignedDuration::from_hours(25 * 24);
const TRY_DISK_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// Less room than this is none.
const ROOM_BYTES: usize = 64 * 1024;
/// Orders paid before this are in doubt, because they came in after a silence.
pub(super) const OFF_UNTIL: &str = "off_until";
/// The sign of life before the first silence of which it may be forgotten what was paid out.
pub(super) const OFF_FROM: &str = "off_from";
/// Fingerprint of the machine that this database works on, and of one that is not released yet.
const MACHINE: &str = "machine";
const MACHINE_SEEN: &str = "machine_seen";

impl Engine {
    /// What the far sides have shown of the time so far.
    pub fn clock_state(&self) -> ClockState {
        let paypal = self.paypal.as_ref().and_then(PayPal::heard);
        self.time.hear([paypal, self.aliexpress.as_ref().and_then(AliExpress::heard)])
    }

    /// Asks for the time when nobody has shown it, and leaves the sign of life. Cheap when neither is due.
    /// `is_wanted`: an order waits for it.
    pub fn keep_time(&self, is_wanted: bool) -> Result<()> {
        if self.is_swapped() {
            return Err(EngineError::Fault("the database file was replaced while it was open; restart".to_owned()));
        }
        if let Some(what) = self.store.damaged() {
            return Err(store::StoreError::Damaged(what.to_owned()).into());
        }
        let mut state = self.clock_state();
        if state != ClockState::Good && self.time.may_ask(is_wanted) {
            self.paypal.iter().for_each(PayPal::show_clock);
            self.aliexpress.iter().for_each(AliExpress::show_clock);
            state = self.clock_state();
        }
        let tick = self.time.tick();
        if tick.is_none() && !self.time.is_news(state) {
            return Ok(());
        }
        self.write(|tx| {
            meta::set(tx, CLOCK, state.word())?;
            if let Some((at, ahead)) = self.time.compared() {
                meta::set(tx, CLOCK_COMPARED, &format!("{} {}", store::to_ms(at), ahead.as_secs()))?;
            }
            let Some((now, slept_since)) = tick else { return Ok(()) };
            if let Some(since) = slept_since {
                absent(tx, since, now)?;
            }
            self.keys_are_forgotten(tx, now)?;
            meta::set_tick(tx, now)
        })
    }

    /// At the start: was there a silence, and is this the same machine? `ticked`: the last sign of life, unless something
    /// proves that nothing went back.
    pub(super) fn look_around(&self, ticked: Option<Timestamp>) -> Result<()> {
        let (now, machine) = (self.now(), this_machine());
        self.write(|tx| {
            if let Some(ticked) = ticked {
                absent(tx, ticked, now)?;
            }
            self.keys_are_forgotten(tx, now)?;
            match &machine {
                Some(machine) => moved(tx, machine, now),
                None => Ok(()),
            }
        })
    }

    /// Why nothing can be written down, and so nothing may be sent; `None` = all can. Tried at most every few seconds.
    pub fn disk_fault(&self) -> Option<String> {
        let running = self.clock.read().running;
        let mut tried = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        match &*tried {
            Some((at, fault)) if running < *at + TRY_DISK_EVERY => fault.clone(),
            _ => {
                let fault = self.try_disk();
                *tried = Some((running, fault.clone()));
                fault
            }
        }
    }

    fn try_disk(&self) -> Option<String> {
        if self.journal.as_ref().is_some_and(|journal| !journal.is_sound()) {
            return Some("the intent journal takes no line; restart when the disk is well".to_owned());
        }
        if self.store.is_unsynced() {
            return Some("the database could not be synced; restart when the disk is well".to_owned());
        }
        let now = store::to_ms(self.now()).to_string();
        if let Err(error) = self.write(|tx| meta::set(tx, "written_at", &now)) {
            return Some(format!("the database cannot be written: {error}"));
        }
        // The database may write into room it has already, so room for more is tried apart.
        let path = self.settings.data_dir.join(".room");
        let tried = std::fs::write(&path, [0; ROOM_BYTES]).and_then(|()| std::fs::remove_file(&path));
        tried.err().map(|error| format!("the data directory takes no file of {} KiB: {error}", ROOM_BYTES / 1024))
    }

    /// What was paid out in a silence is paid out again without harm while PayPal remembers its key. From the day on which it
    /// may not, PayPal's statement has to be known past that silence; otherwise what was here then waits.
    fn keys_are_forgotten(&self, tx: &Transaction<'_>, now: Timestamp) -> store::Result<()> {
        let Some(from) = meta::moment(tx, OFF_FROM)? else { return Ok(()) };
        let until = meta::moment(tx, OFF_UNTIL)?.unwrap_or(now);
        if now < from + PAYOUTS_FORGOTTEN || self.settings.policy.payouts.is_none() {
            return Ok(());
        }
        meta::remove(tx, OFF_FROM)?;
        let statement = feeds::find(tx, feeds::PAYPAL)?.filter(|feed| feed.since <= from);
        if statement.and_then(|feed| feed.known_through).is_some_and(|through| through >= until + LAG) {
            return Ok(());
        }
        let why = format!(
            "no sign of life before {until}, from {from} on, and PayPal's statement is not known past it: if the shop was \
             switched off, say so (amnesia release --was-off); if the machine was put back to an older day, look first \
             whether this was paid out"
        );
        let count = doubts::put_off(tx, &why, Which::Before(until), now)?;
        store::events::append(tx, None, now, "keys_forgotten", &format!("{count} trades wait"))?;
        if count > 0 { store::intake::ring_all(tx, now) } else { Ok(()) }
    }

    /// Another file lies where the database was opened.
    pub(super) fn is_swapped(&self) -> bool {
        self.file.is_some() && file_of(self.store.path()) != self.file
    }
}

/// Device and inode; `None` = there is no such file.
pub(super) fn file_of(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

fn absent(tx: &Transaction<'_>, last: Timestamp, now: Timestamp) -> store::Result<()> {
    let silence = now.duration_since(last);
    if silence <= SILENCE_MAX {
        return Ok(());
    }
    let which = if silence > PAYOUTS_FORGOTTEN { Which::All } else { Which::NotBought };
    let why = format!(
        "no sign of life between {last} and {now}: if the shop was switched off, say so (amnesia release --was-off); if \
         the machine was put back to an older day, look first whether this was bought"
    );
    let count = doubts::put_off(tx, &why, which, now)?;
    meta::set(tx, OFF_UNTIL, &store::to_ms(now).to_string())?;
    if which == Which::NotBought && meta::value(tx, OFF_FROM)?.is_none() {
        meta::set(tx, OFF_FROM, &store::to_ms(last).to_string())?;
    }
    store::events::append(tx, None, now, "silence", &format!("from {last}; {count} trades wait"))?;
    if count > 0 { store::intake::ring_all(tx, now) } else { Ok(()) }
}

/// A copy of the machine would send what the original sends.
fn moved(tx: &Transaction<'_>, machine: &str, now: Timestamp) -> store::Result<()> {
    let Some(known) = meta::value(tx, MACHINE)? else { return meta::set(tx, MACHINE, machine) };
    let seen = meta::value(tx, MACHINE_SEEN)?;
    if known == machine {
        if seen.is_none() {
            return Ok(());
        }
        // Back where it was, and nothing was released elsewhere.
        meta::remove(tx, MACHINE_SEEN)?;
        if let Some((_, Cause::Machine)) = doubts::restored(tx)? {
            doubts::open_shop(tx)?;
        }
        doubts::clear_all(tx, Cause::Machine, "the machine it was on", now)?;
        return store::intake::ring_all(tx, now);
    }
    if seen.as_deref() == Some(machine) {
        return Ok(());
    }
    let why = "this is another machine than the one the shop worked on: make sure that the other one sends nothing any \
               more, then release trade by trade";
    meta::set(tx, MACHINE_SEEN, machine)?;
    doubts::remember(tx, Cause::Machine, why, now)?;
    store::events::append(tx, None, now, "machine", "another machine than before")?;
    store::intake::ring_all(tx, now)
}

/// The machine it runs on now is the shop's.
pub(super) fn settle_here(tx: &Transaction<'_>) -> store::Result<()> {
    match this_machine() {
        Some(machine) => meta::set(tx, MACHINE, &machine)?,
        None => drop(meta::remove(tx, MACHINE)?),
    }
    meta::remove(tx, MACHINE_SEEN).map(drop)
}

/// `None`: this machine has no id of its own, and nothing is compared.
fn this_machine() -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?;
    let id = id.trim();
    // The id itself is confidential.
    (!id.is_empty()).then(|| store::claims::hash(format!("postsale {id}").as_bytes())[..16].to_owned())
}
