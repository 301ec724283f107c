//! WHAT WE REMEMBER: the only SQL of the program, over one SQLite file.
//!
//! * **Durability.** WAL with `synchronous=FULL`: a commit that returned has reached the disk.
//! * **Writing.** One writer; [`Store::write`] is `BEGIN IMMEDIATE` around a closure. **Reading.** [`Store::read`] is one
//!   snapshot on a connection of its own and never waits for the writer. No network call happens inside either.
//! * **Law.** The schema refuses what must not be (see `migrations/`); a state change here says what it expects and
//!   fails when not exactly one row changed.
//!
//! One file per table or small family of tables; each function is one statement, written where it runs.

pub mod checkouts;
pub mod checks;
pub mod claims;
mod columns;
pub mod disputes;
pub mod doubts;
pub mod errands;
pub mod events;
pub mod evidence;
pub mod feeds;
pub mod findings;
pub mod heard;
pub mod holds;
pub mod idempotency;
pub mod inbox;
pub mod intake;
pub mod jobs;
pub mod journal;
#[cfg(test)]
pub(crate) mod law_tests;
pub mod ledger;
pub mod lock;
pub mod log_lines;
pub mod meta;
pub mod money_views;
pub mod open;
#[cfg(test)]
mod open_tests;
pub mod payouts;
pub mod products;
pub mod progress;
pub mod purchases;
#[cfg(test)]
mod purchases_tests;
pub mod quarantine;
pub mod queue;
pub mod quotes;
pub mod rates;
pub mod refunds;
pub mod reports;
pub mod road;
pub mod sales;
pub mod settlements;
pub mod shop;
pub mod tokens;
pub mod trades;
mod twice;
pub mod views;

pub use columns::{from_ms, to_ms};
pub use open::{OpenError, Schema};

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row says something this program does not know, or that cannot be.
    #[error("database: {0}")]
    Unreadable(String),
    /// A state change found another state than it expected.
    #[error("database: {0}")]
    Conflict(String),
    /// The file is damaged: it is read, and nothing is written into it any more.
    #[error("the database is damaged, so nothing is written or sent: {0}")]
    Damaged(String),
}

impl StoreError {
    /// SQLite itself stumbled over the file.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let code = if let StoreError::Sqlite(error) = self { error.sqlite_error_code() } else { None };
        matches!(code, Some(DatabaseCorrupt | NotADatabase))
    }

    /// The disk did not say that it has what was written.
    fn is_unsynced(&self) -> bool {
        use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
        let error = if let StoreError::Sqlite(error) = self { error.sqlite_error() } else { None };
        error.is_some_and(|error| [SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC].contains(&error.extended_code))
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// Is told a statement: its text, and the same with the values in place.
type Note = dyn Fn(&str, &str) + Send + Sync;

pub struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Idle read-only connections; one is taken for a read and put back.
    readers: Mutex<Vec<Connection>>,
    /// Who is told what readers ask.
    told: OnceLock<Arc<Note>>,
    /// What is damaged in the file, once that is known.
    damaged: OnceLock<String>,
    /// A commit could not be synced: what the disk has is not known, and no later sync is believed.
    unsynced: AtomicBool,
}

/// More idle readers than this are closed.
const READERS_KEPT: usize = 16;

impl Store {
    fn new(path: &Path, writer: Connection) -> Store {
        let (writer, readers) = (Mutex::new(writer), Mutex::new(Vec::new()));
        let (told, damaged, unsynced) = (OnceLock::new(), OnceLock::new(), AtomicBool::new(false));
        Store { path: path.to_owned(), writer, readers, told, damaged, unsynced }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` in one immediate transaction; commits when it answers `Ok`, rolls back otherwise.
    pub fn write<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        if let Some(what) = self.damaged() {
            return Err(StoreError::Damaged(what.to_owned()).into());
        }
        let mut connection = held(&self.writer);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        if self.is_unsynced() {
            return Err(StoreError::Unreadable(
                "a commit could not be synced; restart when the disk is well".to_owned(),
            )
            .into());
        }
        let value = f(&tx)?;
        tx.commit().map_err(|error| {
            let error = StoreError::from(error);
            self.unsynced.fetch_or(error.is_unsynced(), Ordering::Relaxed);
            error
        })?;
        Ok(value)
    }

    /// Whether a commit could not be synced: nothing is written any more, and the program ends (exit 74).
    pub fn is_unsynced(&self) -> bool {
        self.unsynced.load(Ordering::Relaxed)
    }

    /// Tells `note` every statement the writer runs from now on: its text, and the same with the values in place. For
    /// benchmarks that write the same again; the values hold personal data, so they are for no log.
    pub fn trace(&self, note: impl Fn(&str, &str) + Send + Sync + 'static) -> Result<()> {
        listen(&mut held(&self.writer), Arc::new(note))
    }

    /// The same of what is read from now on. Only the first to ask is told.
    pub fn trace_reads(&self, note: impl Fn(&str, &str) + Send + Sync + 'static) {
        if self.told.set(Arc::new(note)).is_ok() {
            // The next read opens one that tells.
            held(&self.readers).clear();
        }
    }

    /// Moves everything from the WAL into the database file, so that a copy of the one file is whole. For a clean end; a
    /// damaged file is left as it is.
    pub fn checkpoint(&self) -> Result<()> {
        if self.damaged().is_some() {
            return Ok(());
        }
        held(&self.readers).clear();
        let writer = held(&self.writer);
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn open_reader(&self) -> Result<Connection> {
        let mut connection = open::reader(&self.path)?;
        if let Some(note) = self.told.get() {
            listen(&mut connection, Arc::clone(note))?;
        }
        Ok(connection)
    }

    /// Runs `f` on one snapshot.
    pub fn read<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let idle = held(&self.readers).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.open_reader()?,
        };
        let value = {
            let snapshot = connection.transaction().map_err(StoreError::from)?;
            f(&snapshot)?
        };
        let mut readers = held(&self.readers);
        if readers.len() < READERS_KEPT {
            readers.push(connection);
        }
        Ok(value)
    }
}

fn listen(connection: &mut Connection, note: Arc<Note>) -> Result<()> {
    let told = move |event: TraceEvent<'_>| match event {
        // A trigger's statements are told as comments; they run by themselves.
        TraceEvent::Stmt(statement, text) if !text.starts_with("--") => {
            note(&statement.sql(), &statement.expanded_sql().unwrap_or_default());
        }
        _ => {}
    };
    Ok(connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(told))?)
}

/// Runs `f` inside a transaction so that a failure of it takes back what it did and nothing else.
pub fn attempt<T>(tx: &Transaction<'_>, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<Result<T>> {
    tx.execute_batch("SAVEPOINT attempt")?;
    let tried = f(tx);
    let end = if tried.is_ok() { "RELEASE attempt" } else { "ROLLBACK TO attempt; RELEASE attempt" };
    tx.execute_batch(end)?;
    Ok(tried)
}

/// A panic in one closure must not stop the others: SQLite has rolled its transaction back when the guard was dropped.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Exactly one row must have changed.
fn one(changed: usize, what: &str) -> Result<()> {
    match changed {
        1 => Ok(()),
        n => Err(StoreError::Conflict(format!("{what}: expected to change one row, changed {n}"))),
    }
}
