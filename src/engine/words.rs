//! A person's word that changes what may be bought or paid, on its way into the journal and the database (MONEY A6).
//!
//! The journal comes first. A death in between leaves a word that only the journal knows, and the next start says it
//! again: a hold, a cancellation and a changed payee are never lost, not even when the database is put back to an older
//! day later. The other way round the older day would win. What a word permits (an approval) is not said again: who died
//! without an answer asks once more. A word that the database refuses is struck out by a line of its own. One that it
//! heard while its mark waits for an earlier line is remembered by it, and never said again.
//!
//! STOP alone goes the other way, because it must work where no line can be written any more; its file outlives the
//! database.

use super::{Engine, EngineError, Result};
use crate::domain::order::OrderId;
use crate::store::journal::{Journal, JournalError, Said};
use crate::store::{self, StoreError};
use jiff::Timestamp;
use rusqlite::Transaction;
use std::sync::PoisonError;

/// What a person says.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    /// `None` = of the whole shop.
    pub order: Option<&'a OrderId>,
    /// Its first word is the verb; no personal data.
    pub verb: &'a str,
    pub by: &'a str,
    /// What else was said; it is sealed.
    pub said: Option<&'a str>,
}

impl<'a> Word<'a> {
    pub(super) fn of(order: &'a OrderId, verb: &'a str, by: &'a str) -> Word<'a> {
        Word { order: Some(order), verb, by, said: None }
    }
}

impl Engine {
    /// Journal, then database, in which the word's line is marked as known.
    pub(super) fn hear<T, E: From<StoreError> + From<EngineError>>(
        &self,
        word: &Word<'_>,
        change: impl FnOnce(&Transaction<'_>, Timestamp) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let line = self.say(word)?;
        let now = self.now();
        let heard = self.store.write(|tx| {
            let value = change(tx, now)?;
            let known = match line {
                Some(line) => self.mark_heard(tx, line)?,
                None => 0,
            };
            Ok((value, known))
        });
        let Some(line) = line else { return heard.map(|(value, _)| value) };
        match heard {
            Ok((value, known)) => {
                self.settled(line, known);
                Ok(value)
            }
            Err(error) => {
                self.append(Said::Unheard { line })?;
                self.settled(line, 0);
                Err(error)
            }
        }
    }

    /// One line; `None` while the journal cannot be read, and then nothing is sent either.
    pub(super) fn say(&self, word: &Word<'_>) -> Result<Option<i64>> {
        let Some(journal) = &self.journal else { return Ok(None) };
        let said = word.said.map(|said| journal.seal(said.as_bytes())).transpose()?;
        let (order, verb, by) = (word.order.map(|o| o.0.clone()), word.verb.to_owned(), word.by.to_owned());
        self.open_line(None, |journal| journal.append(self.now(), Said::Operator { order, verb, by, said }))
    }

    /// Writes a line whose outcome is not in the database yet: until it is, the mark does not pass it. `claim`: its key;
    /// `None` = the line is a person's word.
    pub(super) fn open_line(
        &self,
        claim: Option<&str>,
        write: impl FnOnce(&Journal) -> std::result::Result<i64, JournalError>,
    ) -> Result<Option<i64>> {
        let Some(journal) = &self.journal else { return Ok(None) };
        // Held while the line is written, so that no other settling takes it for one that is known.
        let mut open = self.open_lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = write(journal)?;
        open.insert(line, claim.map(str::to_owned));
        Ok(Some(line))
    }

    /// What the line announced stands in the database, committed, and so does every line up to `known` (0 = none).
    pub(super) fn settled(&self, line: i64, known: i64) {
        self.open_lines.lock().unwrap_or_else(PoisonError::into_inner).retain(|open, _| *open > known && *open != line);
        if let Some(journal) = &self.journal {
            journal.forget_chains_before(known);
        }
    }

    /// Remembers how far the database knows the journal: every line at or below the mark has its row here. `own`: the
    /// line that this transaction settles. Answers the last line known.
    pub(super) fn mark_known(&self, tx: &Transaction<'_>, own: i64) -> store::Result<i64> {
        let Some(journal) = &self.journal else { return Ok(0) };
        let (last, open) = {
            let open = self.open_lines.lock().unwrap_or_else(PoisonError::into_inner);
            let others = open.iter().filter(|(line, _)| **line != own);
            (journal.last_seq(), others.map(|(line, claim)| (*line, claim.clone())).collect::<Vec<_>>())
        };
        let mut known = last;
        for (line, claim) in open {
            // The settle of this line failed, and a look proved later what became of its claim.
            let is_proven = match &claim {
                Some(key) => store::claims::pending(tx, key)?.is_none(),
                None => false,
            };
            let Some(key) = claim.filter(|_| is_proven) else {
                known = line - 1;
                break;
            };
            store::claims::journaled(tx, &key, line)?;
        }
        if store::meta::number(tx, "journal_seq")? < known {
            store::meta::set_mark(tx, &journal.mark(known))?;
            store::heard::marked(tx, known)?;
        }
        Ok(known)
    }

    /// The same in the transaction that hears a word, which is remembered by itself where the mark cannot come so far.
    fn mark_heard(&self, tx: &Transaction<'_>, word: i64) -> store::Result<i64> {
        let known = self.mark_known(tx, word)?;
        if known < word
            && let Some(journal) = &self.journal
        {
            let gone = || StoreError::Conflict(format!("line {word} is not in the journal any more"));
            store::heard::remember(tx, word, &journal.mark(word).chain.ok_or_else(gone)?)?;
        }
        Ok(known)
    }

    fn append(&self, said: Said) -> Result<()> {
        if let Some(journal) = &self.journal {
            journal.append(self.now(), said)?;
        }
        Ok(())
    }
}
