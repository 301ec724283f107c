//! The road of every call that may move money (MONEY A3, A9):
//!
//! 1. in one transaction: load the trade again, decide again, write the claim with the exact bytes; commit;
//! 2. one line in the intent journal, fsynced;
//! 3. STOP once more; the call;
//! 4. one line with the outcome, fsynced; then the outcome in the database.
//!
//! From 1 on the claim counts as sent. Whatever ends the program in between leaves a pending claim with an unknown
//! outcome, and the next start looks before it does anything.

use super::amnesia::{is_announced, is_contradicted, take_up};
use super::settle::hold;
use super::{Engine, Result};
use crate::domain::claim::Slot;
use crate::domain::hold::HoldCode;
use crate::domain::money::Money;
use crate::domain::order::Identity;
use crate::domain::pipeline::next_step;
use crate::domain::trade::{Step, Trade};
use crate::failpoint;
use crate::gateway::CallError;
use crate::store::journal::{Journal, NewIntent, Said, Terms};
use crate::store::{self, StoreError};
use jiff::Timestamp;
use rusqlite::Transaction;
use std::sync::atomic::Ordering;

/// What is about to be asked for.
pub struct Intent {
    pub slot: Slot,
    pub attempt: u32,
    pub amount: Money,
    /// The exact bytes.
    pub request: Vec<u8>,
    /// SHA-256 of the payee's address, for a payout.
    pub payee_hash: Option<String>,
}

/// A claim that may be called now.
pub struct Claimed {
    pub key: String,
    pub request: Vec<u8>,
    /// An earlier send of this key has no known outcome: then a refusal of this one proves nothing (MONEY A2).
    pub was_unknown: bool,
    pub journal_seq: i64,
}

/// Decided inside the transaction.
struct Written {
    key: String,
    request: Vec<u8>,
    was_unknown: bool,
    slot: Slot,
    attempt: u32,
    amount: Money,
    /// The claim was there before and its line stands in the journal.
    is_known_to_journal: bool,
}

impl Engine {
    /// Steps 1 and 2. `make` builds the request of a new claim; `also` writes the rows that belong to it. `None`: the
    /// world changed between the decision and the claim, so nothing was claimed; decide anew.
    pub(super) fn claim(
        &self,
        trade: &Trade,
        step: &Step,
        slot: Slot,
        make: impl FnOnce(&Trade, &str) -> std::result::Result<Intent, String>,
        also: impl FnOnce(&Transaction<'_>, &str) -> store::Result<()>,
    ) -> Result<Option<Claimed>> {
        let id = &trade.order.id;
        let now = self.now();
        failpoint::about(slot.kind());
        failpoint::hit("claim.before_begin");
        let written: Option<Written> = self.store.write(|tx| {
            let (trade, shop) = self.load(tx, id, now)?;
            if next_step(&trade, &shop, &self.settings.policy, now) != *step {
                return Ok::<_, super::EngineError>(None);
            }
            let written = match store::claims::live(tx, id, slot)? {
                Some(claim) if is_contradicted(tx, &claim.key, &store::claims::request(tx, &claim.key)?)? => {
                    refuse(tx, &trade, &claim.key, now)?;
                    return Ok(None);
                }
                Some(claim) => {
                    store::claims::resend(tx, &claim.key, claim.sends, now)?;
                    Written {
                        request: store::claims::request(tx, &claim.key)?,
                        was_unknown: claim.unknown_at.is_some(),
                        slot,
                        attempt: claim.attempt,
                        amount: claim.amount,
                        is_known_to_journal: claim.is_journaled,
                        key: claim.key,
                    }
                }
                None => {
                    let attempt = trade.attempts(slot) + 1;
                    let key = key(&trade, slot, attempt);
                    let intent = make(&trade, &key).map_err(StoreError::Conflict)?;
                    let (amount, request) = (intent.amount, intent.request);
                    if is_contradicted(tx, &key, &request)? {
                        refuse(tx, &trade, &key, now)?;
                        return Ok(None);
                    }
                    if is_announced(tx, &key)? {
                        let journal = self.sound_journal()?;
                        take_up(tx, journal, &self.settings.shop, (id, &key), now)?;
                        return Ok(None);
                    }
                    let new =
                        store::claims::NewClaim { key: &key, order: id, slot, attempt, amount, request: &request };
                    store::claims::insert(tx, &new, now)?;
                    also(tx, &key)?;
                    Written { key, request, was_unknown: false, slot, attempt, amount, is_known_to_journal: false }
                }
            };
            let detail = format!("{} {} attempt {} {}", slot.word(), written.amount, written.attempt, written.key);
            store::events::append(tx, Some(id), now, "claim", &detail)?;
            failpoint::hit("claim.before_commit");
            Ok(Some(written))
        })?;
        let Some(written) = written else { return Ok(None) };
        failpoint::hit("claim.committed");
        let journal_seq = self.announce(trade, &written)?;
        let Written { key, request, was_unknown, .. } = written;
        Ok(Some(Claimed { key, request, was_unknown, journal_seq }))
    }

    fn announce(&self, trade: &Trade, written: &Written) -> Result<i64> {
        let now = self.now();
        let Written { slot, attempt, key, amount, request, .. } = written;
        let (slot, attempt, amount) = (*slot, *attempt, *amount);
        let seq = if written.is_known_to_journal {
            let (key, hash) = (key.clone(), store::claims::hash(request));
            self.open_line(Some(&written.key), |journal| journal.append(now, Said::Resend { key, hash }))?
        } else {
            let payee_hash = match slot {
                Slot::Payout(_) => Some(self.store.read(|c| store::payouts::receiver_hash(c, key))?),
                Slot::Checkout | Slot::Capture | Slot::Purchase | Slot::Refund(_) => None,
            };
            let terms = self.terms(key)?;
            let order = &trade.order.id;
            let intent = NewIntent { order, slot, attempt, key, amount, request, payee_hash, terms };
            self.open_line(Some(key), |journal| journal.claim(now, &intent))?
        };
        seq.ok_or_else(|| super::EngineError::Fault("no journal".to_owned()))
    }

    /// What was approved for a purchase, for the journal.
    pub(super) fn terms(&self, key: &str) -> Result<Option<Terms>> {
        let terms = self.store.read(|c| store::purchases::terms(c, key))?;
        let terms =
            terms.map(|(ceiling_minor, quote_hash, is_auto_pay)| Terms { ceiling_minor, quote_hash, is_auto_pay });
        Ok(terms)
    }

    /// Step 3. `None`: STOP was set in the meantime and nothing was sent.
    pub(super) fn call<T>(
        &self,
        call: impl FnOnce() -> std::result::Result<T, CallError>,
    ) -> Result<std::result::Result<T, CallError>> {
        if self.is_stopped_now()? {
            return Ok(Err(CallError::Unsent("STOP was set".to_owned())));
        }
        Ok(self.call_confirmed(call))
    }

    /// Step 3 of what a person ordered with the words that STOP does not stop it (MONEY A15).
    pub(super) fn call_confirmed<T>(
        &self,
        call: impl FnOnce() -> std::result::Result<T, CallError>,
    ) -> std::result::Result<T, CallError> {
        self.calls_in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = call();
        self.calls_in_flight.fetch_sub(1, Ordering::Relaxed);
        failpoint::hit("call.answered");
        answer
    }

    /// Step 4, first half: the outcome on the disk, before the database. With the ids that the answer names, or the code
    /// of a refusal.
    pub(super) fn note_answer<T>(
        &self,
        claimed: &Claimed,
        answer: &std::result::Result<T, CallError>,
        ids: Vec<String>,
    ) -> Result<()> {
        let (outcome, ids) = match answer {
            Ok(_) => ("answered", ids),
            Err(CallError::Unsent(_)) => ("unsent", ids),
            Err(CallError::Refused { code, .. }) => ("refused", vec![code.clone()]),
            Err(CallError::Unknown(_)) => ("unknown", ids),
        };
        self.sound_journal()?
            .append(self.now(), Said::Outcome { key: claimed.key.clone(), outcome: outcome.to_owned(), ids })?;
        Ok(())
    }

    pub(super) fn sound_journal(&self) -> Result<&Journal> {
        self.journal.as_ref().ok_or_else(|| super::EngineError::Fault("no journal".to_owned()))
    }

    /// Step 4, second half: one transaction that also remembers how far the database knows the journal. Every line at
    /// or below that mark has its row here.
    pub(super) fn settle<T>(
        &self,
        claimed: &Claimed,
        f: impl FnOnce(&Transaction<'_>) -> store::Result<T>,
    ) -> Result<T> {
        let (value, known) = self.write(|tx| {
            let known = self.mark_known(tx, claimed.journal_seq)?;
            store::claims::journaled(tx, &claimed.key, claimed.journal_seq)?;
            let value = f(tx)?;
            failpoint::hit("settle.before_commit");
            Ok((value, known))
        })?;
        self.settled(claimed.journal_seq, known);
        failpoint::hit("settle.committed");
        failpoint::about("");
        Ok(value)
    }

    /// A look proved what became of a claim: the journal keeps it too, before the database (MONEY A6).
    pub(super) fn note_proof(&self, key: &str, outcome: &str, ids: &[String]) -> Result<()> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let said = Said::Outcome { key: key.to_owned(), outcome: outcome.to_owned(), ids: ids.to_vec() };
        journal.append(self.now(), said)?;
        Ok(())
    }
}

/// The journal knows the key with other bytes: what went out under it is not what would go out now (MONEY A4).
fn refuse(tx: &Transaction<'_>, trade: &Trade, key: &str, now: Timestamp) -> store::Result<()> {
    let what = format!("the intent journal knows {key} with other bytes; it is never sent");
    hold(tx, &trade.order.id, now, HoldCode::ProgramFault, &what)
}

/// The key the far side sees.
pub fn key(trade: &Trade, slot: Slot, attempt: u32) -> String {
    key_of(&trade.order.identity, slot, attempt)
}

pub(super) fn key_of(identity: &Identity, slot: Slot, attempt: u32) -> String {
    identity.derive(&slot.word(), attempt)[..slot.key_length()].to_owned()
}
