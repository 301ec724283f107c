//! Opening the database: pragmas, migrations, and every reason to refuse (L36). A database that is newer than the
//! program, of another mode or shop, or on a network file system is not touched; a non-empty one is copied before it is
//! migrated.

use super::{Result, Store, StoreError, checks, meta, quarantine, twice};
use crate::domain::order::Mode;
use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// All of them in one transaction: by itself each one and the record of it are two, and a death in between would leave a
/// database that no start can migrate any more.
fn migrations() -> refinery::Runner {
    embedded::migrations::runner().set_grouped(true)
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no database at {0}; `postsale serve` or `postsale migrate` makes one")]
    Missing(PathBuf),
    #[error(
        "the database has schema version {found}, this program knows {known}: it was written by a newer program; \
         install that one, or restore a backup made by this one"
    )]
    Newer { found: i64, known: i64 },
    #[error("the database has schema version {found}, this program needs {known}: run `postsale migrate`")]
    Older { found: i64, known: i64 },
    #[error("migration {version} of the database is not the one this program knows; restore the backup made before it")]
    Divergent { version: i64 },
    #[error("the database is of {what} {found:?}, the configuration says {wanted:?}; use another data_dir")]
    Other { what: &'static str, found: String, wanted: String },
    #[error("{path} lies on {kind}, where locks and fsync cannot be trusted; put data_dir on a local disk")]
    NetworkFileSystem { path: PathBuf, kind: String },
    #[error(
        "{path} lies on {kind}, which is gone with its container or at a reboot, and with it what was bought and paid; \
         put data_dir on a disk (in a container: a volume), or set server.allow_volatile_data_dir"
    )]
    VolatileFileSystem { path: PathBuf, kind: String },
    #[error(
        "the database is damaged ({what}): commands that read still work; put a sound copy in its place, without its \
         -wal and -shm files, and take {marker} away"
    )]
    Damaged { what: String, marker: PathBuf },
    #[error("migrating the database failed and nothing was changed: {0}")]
    Migration(String),
    #[error("cannot copy the database before migrating it: {0}")]
    Backup(String),
    #[error("cannot use {path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Versions of the schema: in the file, and in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// 0 = an empty file.
    pub found: i64,
    pub known: i64,
}

/// What a database must be to be opened; a new one becomes it.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub mode: Mode,
    pub shop: &'a str,
    pub now: Timestamp,
}

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("postsale.db")
}

/// Opens for writing. The caller holds the lock of the directory. Makes the database if there is none, and migrates an
/// older one after copying it.
pub fn open(data_dir: &Path, wanted: &Wanted<'_>) -> std::result::Result<Store, OpenError> {
    let path = path(data_dir);
    refuse_network_file_system(data_dir)?;
    if let Some(what) = quarantine::marked(&path) {
        return Err(OpenError::Damaged { what, marker: quarantine::marker(&path) });
    }
    make_private(&path)?;
    let mut connection = Connection::open(&path).map_err(StoreError::from)?;
    prepare(&connection)?;
    let schema = schema(&connection)?;
    if schema.found > schema.known {
        return Err(OpenError::Newer { found: schema.found, known: schema.known });
    }
    // A program that died before it had named the database left none that is of another mode or shop.
    if schema.found > 0 && meta::value(&connection, "instance")?.is_some() {
        agree(&connection, wanted)?;
    }
    if schema.found < schema.known {
        if schema.found > 0 {
            refuse_damage(&connection, &path)?;
            copy_before_migrating(&connection, data_dir, schema, wanted.now)?;
            twice::unmake(&connection)?;
        }
        let migrated = migrations().run(&mut connection);
        if let Err(error) = migrated {
            twice::make(&connection)?;
            return Err(OpenError::Migration(error.to_string()));
        }
    }
    twice::make(&connection)?;
    let store = Store::new(&path, connection);
    store.write(|tx| meta::found(tx, wanted))?;
    Ok(store)
}

/// An empty database in memory under the same law, for checking the checks. Nothing of it outlives the connection.
pub(super) fn in_memory(wanted: &Wanted<'_>) -> std::result::Result<Connection, OpenError> {
    let mut connection = Connection::open_in_memory().map_err(StoreError::from)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(StoreError::from)?;
    migrations().run(&mut connection).map_err(|e| OpenError::Migration(e.to_string()))?;
    twice::make(&connection)?;
    let tx = connection.transaction().map_err(StoreError::from)?;
    meta::found(&tx, wanted)?;
    tx.commit().map_err(StoreError::from)?;
    Ok(connection)
}

/// Whether the database was left open: by a crash, or by somebody who put another one beside the `-wal` of this one.
/// Asked before it is opened.
pub fn was_left_open(data_dir: &Path) -> bool {
    std::fs::metadata(path(data_dir).with_extension("db-wal")).is_ok_and(|wal| wal.len() > 0)
}

/// Reads the whole file, and refuses a damaged one for good (see [`quarantine`]).
pub fn look_through(store: &Store) -> std::result::Result<(), OpenError> {
    let found = store.read(checks::damage)?;
    let Some(first) = found.first() else { return Ok(()) };
    let what = format!("{}: {}", first.id, first.what);
    store.quarantine(&what);
    Err(OpenError::Damaged { what, marker: quarantine::marker(store.path()) })
}

/// Opens beside a running engine, for reading commands and for commands that only write facts.
pub fn join(data_dir: &Path, wanted: &Wanted<'_>) -> std::result::Result<Store, OpenError> {
    let path = path(data_dir);
    if !path.exists() {
        return Err(OpenError::Missing(path));
    }
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(StoreError::from)?;
    prepare(&connection)?;
    let schema = schema(&connection)?;
    if schema.found > schema.known {
        return Err(OpenError::Newer { found: schema.found, known: schema.known });
    }
    if schema.found < schema.known {
        return Err(OpenError::Older { found: schema.found, known: schema.known });
    }
    agree(&connection, wanted)?;
    let store = Store::new(&path, connection);
    if let Some(what) = quarantine::marked(&path) {
        store.shut(what);
    }
    Ok(store)
}

/// The versions in a file and in the program, without changing anything.
pub fn schema_of(data_dir: &Path) -> std::result::Result<Schema, OpenError> {
    let path = path(data_dir);
    if !path.exists() {
        return Ok(Schema { found: 0, known: known_version() });
    }
    schema(&reader(&path)?)
}

/// The migrations that a database of schema version `found` has not seen, in their order.
pub fn pending(found: i64) -> Vec<String> {
    let runner = migrations();
    let mut pending: Vec<_> = runner.get_migrations().iter().filter(|m| i64::from(m.version()) > found).collect();
    pending.sort_by_key(|m| m.version());
    pending.iter().map(|m| format!("V{:02}__{}", m.version(), m.name())).collect()
}

pub(super) fn reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    plan_once(&connection)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

const BUSY: Duration = Duration::from_secs(5);

fn prepare(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    plan_once(connection)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(())
}

/// A statement keeps its plan whatever values are bound. Without this SQLite compiles a prepared join or sorted look
/// again each time it runs, for a better plan that statistics could show; we keep none, and it took most of a step.
fn plan_once(connection: &Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// A database as a program of that schema version left it.
#[cfg(test)]
pub(super) fn older(data_dir: &Path, version: i64, wanted: &Wanted<'_>) -> Connection {
    let mut connection = Connection::open(path(data_dir)).unwrap();
    prepare(&connection).unwrap();
    let target = refinery::Target::Version(i32::try_from(version).unwrap());
    migrations().set_target(target).run(&mut connection).unwrap();
    let tx = connection.transaction().unwrap();
    meta::found(&tx, wanted).unwrap();
    tx.commit().unwrap();
    connection
}

fn known_version() -> i64 {
    migrations().get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0)
}

/// The version in the file; a migration that differs from ours under the same number is refused.
fn schema(connection: &Connection) -> std::result::Result<Schema, OpenError> {
    let known = known_version();
    let has_history = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'refinery_schema_history'", [], |r| {
            r.get::<_, i64>(0)
        })
        .map_err(StoreError::from)?;
    if has_history == 0 {
        return Ok(Schema { found: 0, known });
    }
    let mut statement = connection
        .prepare("SELECT version, checksum FROM refinery_schema_history ORDER BY version")
        .map_err(StoreError::from)?;
    let rows = statement
        .query_map([], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))
        .and_then(|rows| rows.collect::<rusqlite::Result<Vec<_>>>())
        .map_err(StoreError::from)?;
    let runner = migrations();
    for (version, checksum) in &rows {
        let ours = runner.get_migrations().iter().find(|m| i64::from(m.version()) == *version);
        if ours.is_some_and(|m| m.checksum().to_string() != *checksum) {
            return Err(OpenError::Divergent { version: *version });
        }
    }
    Ok(Schema { found: rows.last().map_or(0, |(version, _)| *version), known })
}

fn agree(connection: &Connection, wanted: &Wanted<'_>) -> std::result::Result<(), OpenError> {
    for (what, name, wanted) in [("mode", "mode", wanted.mode.word()), ("shop", "shop", wanted.shop)] {
        let found = meta::value(connection, name)?.unwrap_or_default();
        if found != wanted {
            return Err(OpenError::Other { what, found, wanted: wanted.to_owned() });
        }
    }
    Ok(())
}

/// What is damaged is not migrated: it would come out looking sound.
fn refuse_damage(connection: &Connection, path: &Path) -> std::result::Result<(), OpenError> {
    match checks::damage(connection)?.first() {
        Some(found) => {
            Err(OpenError::Damaged { what: format!("{}: {}", found.id, found.what), marker: quarantine::marker(path) })
        }
        None => Ok(()),
    }
}

fn copy_before_migrating(
    connection: &Connection,
    data_dir: &Path,
    schema: Schema,
    now: Timestamp,
) -> std::result::Result<(), OpenError> {
    let dir = data_dir.join("backups");
    std::fs::create_dir_all(&dir).map_err(|error| OpenError::Io { path: dir.clone(), error })?;
    let name = format!("before-migration-{}-to-{}-{}.db", schema.found, schema.known, now.as_second());
    let target = dir.join(name);
    make_private(&target)?;
    connection
        .backup("main", &target, None::<fn(rusqlite::backup::Progress)>)
        .map_err(|e| OpenError::Backup(e.to_string()))?;
    log::info!("copied the database to {} before migrating it", target.display());
    Ok(())
}

/// Buyers' data and tokens are for the owner's eyes only. The files that SQLite makes beside take the same rights.
fn make_private(path: &Path) -> std::result::Result<(), OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(io)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(io)
}

fn refuse_network_file_system(data_dir: &Path) -> std::result::Result<(), OpenError> {
    match mounted_on(data_dir) {
        Some((path, kind)) if is_network(&kind) => Err(OpenError::NetworkFileSystem { path, kind }),
        _ => Ok(()),
    }
}

/// Refuses a directory that would be gone with its container or at a reboot. Asked before production opens anything.
pub fn refuse_volatile_file_system(data_dir: &Path) -> std::result::Result<(), OpenError> {
    match mounted_on(data_dir) {
        Some((path, kind)) if is_volatile(&kind) => Err(OpenError::VolatileFileSystem { path, kind }),
        _ => Ok(()),
    }
}

pub(super) fn is_network(kind: &str) -> bool {
    const KINDS: [&str; 12] =
        ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs", "davfs", "fuse.s3fs"];
    KINDS.contains(&kind)
}

/// Of a container that keeps its files on a file system of the host's own kind nothing is seen here.
pub(super) fn is_volatile(kind: &str) -> bool {
    ["tmpfs", "ramfs", "overlay", "aufs", "fuse.fuse-overlayfs"].contains(&kind)
}

/// The directory's whole path and its kind of file system. `None`: there is no mount table (not Linux), or no directory.
fn mounted_on(dir: &Path) -> Option<(PathBuf, String)> {
    let dir = dir.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let kind = file_system(&mounts, &dir)?.to_owned();
    Some((dir, kind))
}

/// The longest mount point that is a prefix of the directory names its file system.
pub(super) fn file_system<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let fields = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        // The table writes a blank, a tab and a backslash of a path in octal.
        let mount = fields.next()?.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        Some((mount, fields.next()?))
    });
    let over_it = fields.filter(|(mount, _)| dir.starts_with(mount));
    // Of two on the same place the later one lies on top.
    over_it.max_by_key(|(mount, _)| mount.len()).map(|(_, kind)| kind)
}
