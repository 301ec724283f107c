//! Putting an engine together: the journal is read against the database before anything may be sent, and the orders in
//! hand at the last crash are counted.

use super::{Engine, EngineError, Settings, in_hand::InHand};
use crate::clock::Clock;
use crate::domain::claim::Recipient;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::OrderId;
use crate::gateway::aliexpress::AliExpress;
use crate::gateway::paypal::PayPal;
use crate::store::journal::{Journal, JournalError, Line, Said};
use crate::store::{self, Store, StoreError};
use rusqlite::Transaction;
use std::collections::{BTreeSet, HashMap, HashSet};
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
        let read = open_journal(&store, clock.as_ref(), &settings, journal_mirror.as_deref())?;
        if let Some(reason) = &read.restored {
            log::error!("nothing is sent before a human has looked: {reason}");
        }
        let (in_hand, died_with) = InHand::open(&settings.data_dir).map_err(OpenError::InHand)?;
        count_crashes(&store, clock.as_ref(), &died_with)?;
        Ok(Engine {
            store,
            clock,
            settings,
            bell: super::Bell::default(),
            journal: read.journal,
            paypal,
            aliexpress,
            restored: read.restored,
            taken: Mutex::new(HashSet::new()),
            in_hand,
            open_lines: Mutex::new(BTreeSet::new()),
            refreshing: Mutex::new(()),
            refresh_not_before: Mutex::new(None),
            places: Mutex::default(),
            calls_in_flight: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
        })
    }

    /// In sandbox mode the first payee the configuration proposes is confirmed without a human; a later change is not.
    pub fn confirm_first_payees(&self) -> Result<(), EngineError> {
        let proposals = [(Recipient::Platform, &self.settings.platform), (Recipient::Seller, &self.settings.seller)];
        for (recipient, proposed) in proposals {
            let known = self.store.read(|c| store::payouts::payee(c, recipient))?;
            if let (None, Some(email)) = (known, proposed) {
                self.confirm_payee(recipient, email, "sandbox")?;
            }
        }
        Ok(())
    }
}

struct Read {
    journal: Option<Journal>,
    restored: Option<String>,
}

/// Reads the journal against the database (MONEY A5, A9): every line above the mark must have its row here.
fn open_journal(
    store: &Store,
    clock: &dyn Clock,
    settings: &Settings,
    mirror: Option<&Path>,
) -> Result<Read, OpenError> {
    let now = clock.now();
    let (instance, known) = store.read(|c| {
        let instance = store::meta::value(c, "instance")?.unwrap_or_default();
        Ok::<_, StoreError>((instance, store::meta::number(c, "journal_seq")?))
    })?;
    let opened = match Journal::open(&settings.data_dir, mirror, &instance, known, now) {
        Ok(opened) => opened,
        // A journal that cannot be read is never a fresh start: the program runs, and sends nothing.
        Err(error @ (JournalError::Broken { .. } | JournalError::OtherInstance { .. })) => {
            return Ok(Read { journal: None, restored: Some(remember(store, &error.to_string())?) });
        }
        Err(error) => return Err(error.into()),
    };
    let mut reason = store.read(|c| store::meta::value(c, "restored"))?;
    if opened.last_seq < known {
        let what = if opened.is_new { "is gone" } else { "was shortened" };
        reason = Some(format!("the intent journal {what}: the database knows line {known}"));
    }
    let unknown = store.write(|tx| recognise(tx, &opened.unread))?;
    if let Some(unknown) = unknown {
        reason = Some(unknown);
    }
    let orphans = store.read(store::claims::not_journaled)?.len();
    if orphans > settings.workers {
        reason = Some(format!("{orphans} claims have no line in the intent journal"));
    }
    let restored = reason.map(|reason| remember(store, &reason)).transpose()?;
    Ok(Read { journal: Some(opened.journal), restored })
}

/// Marks the claims whose lines are found, and says which line the database does not know.
fn recognise(tx: &Transaction<'_>, unread: &[Line]) -> store::Result<Option<String>> {
    // Sends by key. The database counts a send before the journal does, so it never knows of fewer.
    let mut sends: HashMap<&str, u32> = HashMap::new();
    for line in unread {
        match &line.said {
            Said::Claim { key, hash, order, .. } => {
                if store::claims::request_hash(tx, key)?.as_ref() != Some(hash) {
                    let reason =
                        format!("journal line {} claims {key} for order {order}; the database does not", line.seq);
                    return Ok(Some(reason));
                }
                store::claims::journaled(tx, key, line.seq)?;
                sends.insert(key, 1);
            }
            Said::Resend { key, .. } | Said::Outcome { key, .. } => {
                if store::claims::request_hash(tx, key)?.is_none() {
                    return Ok(Some(format!(
                        "journal line {} is about {key}; the database does not know it",
                        line.seq
                    )));
                }
                if !matches!(line.said, Said::Resend { .. }) {
                    continue;
                }
                let announced = sends.entry(key).or_insert(1);
                *announced += 1;
                if store::claims::sends(tx, key)? < *announced {
                    return Ok(Some(format!(
                        "journal line {} sends {key} once more than the database knows",
                        line.seq
                    )));
                }
            }
            Said::Opened { .. } | Said::Operator { .. } => {}
        }
    }
    if let Some(last) = unread.last() {
        store::meta::set(tx, "journal_seq", &last.seq.to_string())?;
    }
    Ok(None)
}

/// Stays in the database until a human releases it: a second restart must not forget it.
fn remember(store: &Store, reason: &str) -> Result<String, StoreError> {
    store.write(|tx| store::meta::set(tx, "restored", reason))?;
    Ok(reason.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::law_tests::{HASH, ONE, ORDER, claim, law, now};

    /// MONEY A5: a database put back to before a resend would give the claim up and buy again under a second key.
    #[test]
    fn a5_a_resend_the_database_forgot_is_amnesia() {
        let line = |seq, said| Line { seq, at: now(), said, chain: String::new() };
        let (key, hash) = (ONE.to_owned(), HASH.to_owned());
        let resend = |seq| line(seq, Said::Resend { key: key.clone(), hash: hash.clone() });
        let outcome =
            |seq| line(seq, Said::Outcome { key: key.clone(), outcome: "unknown".to_owned(), ids: Vec::new() });
        let claimed = line(
            8,
            Said::Claim {
                order: ORDER.to_owned(),
                slot: "purchase".to_owned(),
                attempt: 1,
                key: key.clone(),
                amount: "10.39".to_owned(),
                currency: "USD".to_owned(),
                hash: hash.clone(),
                request: String::new(),
                payee: None,
            },
        );
        let check = |sends: u32, lines: &[Line], is_known: bool| {
            let law = law();
            law.allows(&claim(ONE, ORDER, "purchase", 1));
            law.allows(&format!("UPDATE claims SET sends = {sends}"));
            let reason = law.store.write(|tx| recognise(tx, lines)).unwrap();
            assert_eq!(reason.is_none(), is_known, "{sends} sends: {reason:?}");
        };
        check(1, &[claimed.clone(), outcome(9)], true);
        check(2, &[claimed.clone(), outcome(9), resend(10), outcome(11)], true);
        check(1, &[claimed.clone(), outcome(9), resend(10)], false);
        check(2, &[resend(10), outcome(11)], true);
        check(1, &[resend(10), outcome(11)], false);
        check(2, &[resend(10), resend(12)], false);
        // Adopted from what the far side showed: never sent, and looked at all the same.
        check(0, &[outcome(9)], true);
        // Counted, and the program died before the journal had it.
        check(3, &[claimed, resend(10)], true);
    }
}
