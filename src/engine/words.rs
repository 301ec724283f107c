//! A person's word that changes what may be bought or paid, on its way into the journal and the database (MONEY A6).
//!
//! The journal comes first. A death in between leaves a word that only the journal knows, and the next start says it
//! again: a hold, a cancellation and a changed payee are never lost, not even when the database is put back to an older
//! day later. The other way round the older day would win. What a word permits (an approval) is not said again: who died
//! without an answer asks once more. A word that the database refuses is struck out by a line of its own.
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
            self.mark_known(tx, line)?;
            Ok(value)
        });
        let Some(line) = line else { return heard };
        if heard.is_err() {
            self.append(Said::Unheard { line })?;
        }
        self.settled(line);
        heard
    }

    /// One line; `None` while the journal cannot be read, and then nothing is sent either.
    pub(super) fn say(&self, word: &Word<'_>) -> Result<Option<i64>> {
        let Some(journal) = &self.journal else { return Ok(None) };
        let said = word.said.map(|said| journal.seal(said.as_bytes())).transpose()?;
        let (order, verb, by) = (word.order.map(|o| o.0.clone()), word.verb.to_owned(), word.by.to_owned());
        self.open_line(|journal| journal.append(self.now(), Said::Operator { order, verb, by, said }))
    }

    /// Writes a line whose outcome is not in the database yet: until it is, the mark does not pass it.
    pub(super) fn open_line(
        &self,
        write: impl FnOnce(&Journal) -> std::result::Result<i64, JournalError>,
    ) -> Result<Option<i64>> {
        let Some(journal) = &self.journal else { return Ok(None) };
        // Held while the line is written, so that no other settling takes it for one that is known.
        let mut open = self.open_lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = write(journal)?;
        open.insert(line);
        Ok(Some(line))
    }

    /// What the line announced stands in the database.
    pub(super) fn settled(&self, line: i64) {
        self.open_lines.lock().unwrap_or_else(PoisonError::into_inner).remove(&line);
    }

    /// Remembers how far the database knows the journal: every line at or below the mark has its row here. `own`: the
    /// line that this transaction settles.
    pub(super) fn mark_known(&self, tx: &Transaction<'_>, own: Option<i64>) -> store::Result<()> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let known = {
            let open = self.open_lines.lock().unwrap_or_else(PoisonError::into_inner);
            let last = journal.last_seq();
            open.iter().find(|line| Some(**line) != own).map_or(last, |first| first - 1)
        };
        if store::meta::number(tx, "journal_seq")? < known {
            store::meta::set_mark(tx, &journal.mark(known))?;
        }
        Ok(())
    }

    fn append(&self, said: Said) -> Result<()> {
        if let Some(journal) = &self.journal {
            journal.append(self.now(), said)?;
        }
        Ok(())
    }
}
