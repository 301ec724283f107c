//! How a command ends: an exit code, or a failure in plain sentences that say what to do, with the exit code it means.
//! The one table of exit codes. No message here repeats a secret; configuration and gateways see to that before.

use crate::config::ConfigError;
use crate::engine::{self, EngineError};
use crate::store::lock::LockError;
use crate::store::{self, StoreError};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Good = 0,
    /// Good, with warnings that somebody should read.
    Warnings = 1,
    NotGood = 2,
    /// Could not tell.
    Unknown = 3,
    /// Typed wrongly.
    Usage = 64,
    /// A fault of the program.
    Internal = 70,
    /// The disk, or what stands on it.
    Disk = 74,
    /// Another process has the data directory, the database or the port.
    Locked = 75,
    /// The configuration, or a database that does not belong to it.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Also `--help` and `--version`, which are no failures at all.
    #[error(transparent)]
    Typed(#[from] clap::Error),
    /// What was typed can be read but makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotThere(String),
    /// A running server said no, or there is none.
    #[error("{0}")]
    Refused(String),
    /// Whether it was done cannot be told.
    #[error("{0}")]
    NotKnown(String),
    #[error("the configuration has mistakes, so nothing was started:\n{0}")]
    Config(#[from] ConfigError),
    /// `--test-controls` where it must not be, or a file nobody understands.
    #[error("--test-controls {path}: {reason}")]
    Controls { path: PathBuf, reason: String },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Open(#[from] store::OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    EngineOpen(#[from] engine::OpenError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(
        "cannot listen on {address}: {error}; end what listens there, or choose another with -o {key}=ADDRESS:PORT"
    )]
    Listen { address: SocketAddr, key: &'static str, error: io::Error },
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("the result could not be written: {0}")]
    Output(io::Error),
    #[error(transparent)]
    Rehearsal(#[from] crate::rehearsal::RehearsalError),
    /// The machine would not give what every program gets: threads, random numbers, signals.
    #[error("{what}: {error}")]
    Machine { what: &'static str, error: io::Error },
}

impl Failure {
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
        let path = path.into();
        move |error| Failure::File { path, error }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Failure::Typed(error) if error.exit_code() == 0 => Exit::Good,
            Failure::Typed(_) | Failure::Senseless(_) => Exit::Usage,
            Failure::NotThere(_) | Failure::Refused(_) => Exit::NotGood,
            Failure::NotKnown(_) => Exit::Unknown,
            Failure::Config(_)
            | Failure::Controls { .. }
            | Failure::EngineOpen(engine::OpenError::OtherCurrency { .. }) => Exit::Configuration,
            Failure::Lock(error) => of_lock(error),
            Failure::Open(error) => of_opening(error),
            Failure::Store(error) => of_store(error),
            Failure::Engine(error) | Failure::EngineOpen(engine::OpenError::Engine(error)) => of_engine(error),
            Failure::EngineOpen(engine::OpenError::Journal(_) | engine::OpenError::InHand(_)) => Exit::Disk,
            Failure::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse => Exit::Locked,
            Failure::Listen { .. } => Exit::Configuration,
            // Whoever reads our output has read enough.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Good,
            Failure::File { .. } | Failure::Output(_) => Exit::Disk,
            Failure::Machine { .. } | Failure::Rehearsal(_) => Exit::Internal,
        }
    }

    /// Says it on standard error; help and version go where they belong. Nothing is said of a broken pipe.
    pub fn tell(&self) {
        match self {
            // A reader that has gone away hears nothing of it either way.
            Failure::Typed(error) => drop(error.print()),
            failure if failure.exit() == Exit::Good => {}
            failure => {
                use io::Write;
                let _ = writeln!(io::stderr(), "postsale: {failure}");
            }
        }
    }
}

fn of_lock(error: &LockError) -> Exit {
    match error {
        LockError::Held { .. } => Exit::Locked,
        LockError::Io { .. } => Exit::Disk,
    }
}

fn of_opening(error: &store::OpenError) -> Exit {
    use store::OpenError as E;
    match error {
        E::Missing(_)
        | E::Newer { .. }
        | E::Older { .. }
        | E::Divergent { .. }
        | E::Other { .. }
        | E::NetworkFileSystem { .. }
        | E::VolatileFileSystem { .. } => Exit::Configuration,
        E::Damaged { .. } | E::Migration(_) | E::Backup(_) | E::Io { .. } => Exit::Disk,
        E::Store(error) => of_store(error),
    }
}

fn of_store(error: &StoreError) -> Exit {
    use rusqlite::ErrorCode;
    match error {
        StoreError::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Exit::Locked,
            Some(ErrorCode::ConstraintViolation) | None => Exit::Internal,
            Some(_) => Exit::Disk,
        },
        StoreError::Damaged(_) => Exit::Disk,
        StoreError::Unreadable(_) | StoreError::Conflict(_) => Exit::Internal,
    }
}

fn of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Store(error) => of_store(error),
        EngineError::Journal(_) | EngineError::StopFile(_) => Exit::Disk,
        EngineError::Fault(_) => Exit::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: io::ErrorKind) -> io::Error {
        io::Error::from(kind)
    }

    #[test]
    fn each_failure_has_its_exit_code() {
        let check = |failure: Failure, expected: Exit| assert_eq!(failure.exit(), expected, "{failure}");
        let listen =
            |kind| Failure::Listen { address: "127.0.0.1:1".parse().unwrap(), key: "server.listen", error: io(kind) };
        check(Failure::Senseless("x".into()), Exit::Usage);
        check(Failure::NotThere("x".into()), Exit::NotGood);
        check(ConfigError { problems: Vec::new() }.into(), Exit::Configuration);
        check(LockError::Held { path: "d".into(), owner: "1".into() }.into(), Exit::Locked);
        check(LockError::Io { path: "d".into(), error: io(io::ErrorKind::Other) }.into(), Exit::Disk);
        check(store::OpenError::Newer { found: 9, known: 1 }.into(), Exit::Configuration);
        check(store::OpenError::Missing("d".into()).into(), Exit::Configuration);
        check(store::OpenError::Migration("x".into()).into(), Exit::Disk);
        check(StoreError::Conflict("x".into()).into(), Exit::Internal);
        check(EngineError::Fault("x".into()).into(), Exit::Internal);
        let other = engine::OpenError::OtherCurrency { found: "USD".into(), wanted: "EUR".into() };
        check(other.into(), Exit::Configuration);
        check(engine::OpenError::InHand(io(io::ErrorKind::Other)).into(), Exit::Disk);
        check(listen(io::ErrorKind::AddrInUse), Exit::Locked);
        check(listen(io::ErrorKind::PermissionDenied), Exit::Configuration);
        check(Failure::file("x")(io(io::ErrorKind::NotFound)), Exit::Disk);
        check(Failure::Output(io(io::ErrorKind::BrokenPipe)), Exit::Good);
        check(Failure::Output(io(io::ErrorKind::StorageFull)), Exit::Disk);
    }

    #[test]
    fn a_busy_database_is_locked_and_a_broken_one_is_the_disk() {
        let check = |code: i32, expected: Exit| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            assert_eq!(Failure::from(StoreError::Sqlite(error)).exit(), expected, "{code}");
        };
        check(rusqlite::ffi::SQLITE_BUSY, Exit::Locked);
        check(rusqlite::ffi::SQLITE_CORRUPT, Exit::Disk);
        check(rusqlite::ffi::SQLITE_FULL, Exit::Disk);
        check(rusqlite::ffi::SQLITE_CONSTRAINT, Exit::Internal);
    }
}
