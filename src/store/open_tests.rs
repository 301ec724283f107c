//! The door of the database: whatever is not ours, not of this version, mode or shop is refused before anything in it is
//! changed, and an older one is copied before it is migrated.

use super::law_tests::{HASH, Law, ORDER, law, wanted};
use super::open::{self, OpenError, Wanted};
use super::{StoreError, checks};
use crate::domain::order::Mode;
use rusqlite::Connection;
use std::path::Path;
use tempfile::TempDir;

fn raw(dir: &Path) -> Connection {
    Connection::open(open::path(dir)).unwrap()
}

fn refused(dir: &Path, wanted: &Wanted<'_>) -> OpenError {
    open::open(dir, wanted).err().expect("the database must be refused")
}

/// A closed database.
fn closed() -> TempDir {
    let Law { dir, store } = law();
    drop(store);
    dir
}

#[test]
fn l36_another_mode_or_shop_is_refused() {
    let dir = closed();
    let other = refused(dir.path(), &Wanted { mode: Mode::Production, ..wanted() });
    assert!(matches!(other, OpenError::Other { what: "mode", .. }), "{other}");
    let other = refused(dir.path(), &Wanted { shop: "another", ..wanted() });
    assert!(matches!(other, OpenError::Other { what: "shop", .. }), "{other}");
    assert!(open::open(dir.path(), &wanted()).is_ok(), "its own is not");
    let joined = open::join(dir.path(), &Wanted { mode: Mode::Production, ..wanted() });
    assert!(matches!(joined, Err(OpenError::Other { what: "mode", .. })));
}

#[test]
fn l36_a_newer_database_is_not_touched() {
    let dir = closed();
    let known = open::schema_of(dir.path()).unwrap().known;
    raw(dir.path())
        .execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (?1, 'x', '', '1')",
            [known + 1],
        )
        .unwrap();
    for error in [refused(dir.path(), &wanted()), open::join(dir.path(), &wanted()).err().unwrap()] {
        assert!(matches!(error, OpenError::Newer { found, .. } if found == known + 1), "{error}");
    }
}

#[test]
fn l36_a_migration_that_is_not_ours_is_refused() {
    let dir = closed();
    raw(dir.path()).execute("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 4", []).unwrap();
    let error = refused(dir.path(), &wanted());
    assert!(matches!(error, OpenError::Divergent { version: 4 }), "{error}");
    assert!(matches!(open::schema_of(dir.path()), Err(OpenError::Divergent { version: 4 })));
}

fn found(dir: &Path) -> i64 {
    open::schema_of(dir).unwrap().found
}

#[test]
fn l36_an_older_database_is_copied_and_then_migrated() {
    let known = open::schema_of(closed().path()).unwrap().known;
    let dir = left_by(known - 1);
    let before = found(dir.path());
    assert!(before < known);
    let error = open::join(dir.path(), &wanted()).err().unwrap();
    assert!(matches!(error, OpenError::Older { found, .. } if found == before), "{error}");
    let other = refused(dir.path(), &Wanted { mode: Mode::Production, ..wanted() });
    assert!(matches!(other, OpenError::Other { .. }), "refused before it is migrated: {other}");
    assert!(!dir.path().join("backups").exists());

    let store = open::open(dir.path(), &wanted()).unwrap();
    assert_eq!(open::schema_of(dir.path()).unwrap().found, known);
    let orders = |c: &Connection| c.query_row("SELECT count(*) FROM orders", [], |r| r.get::<_, i64>(0));
    assert_eq!(store.read(|c| Ok::<_, StoreError>(orders(c)?)).unwrap(), 1, "its rows are there");
    let copies: Vec<_> = std::fs::read_dir(dir.path().join("backups")).unwrap().map(|e| e.unwrap().path()).collect();
    let [copy] = &copies[..] else { panic!("one copy, not {copies:?}") };
    let copy = Connection::open(copy).unwrap();
    assert_eq!(orders(&copy).unwrap(), 1, "the copy holds them too");
    let version: i64 = copy.query_row("SELECT max(version) FROM refinery_schema_history", [], |r| r.get(0)).unwrap();
    assert_eq!(version, before, "the copy is from before");
}

#[test]
fn l36_a_migration_that_fails_changes_nothing() {
    let (whole, known) = (closed(), open::schema_of(closed().path()).unwrap().known);
    let last: String = {
        let sql = "SELECT name FROM sqlite_schema
                   WHERE sql IS NOT NULL AND name NOT GLOB '*_twice'
                   ORDER BY rowid DESC LIMIT 1";
        raw(whole.path()).query_row(sql, [], |r| r.get(0)).unwrap()
    };
    // As the last program left it that did not make this one.
    let has = |dir: &TempDir| {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?1";
        raw(dir.path()).query_row(sql, [&last], |r| r.get::<_, i64>(0)).unwrap() > 0
    };
    let dir = (1..known).rev().map(left_by).find(|dir| !has(dir)).unwrap();
    let made = || {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name NOT GLOB '*_twice'";
        raw(dir.path()).query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap()
    };
    let version = found(dir.path());
    // Somebody made by hand what the migration makes last.
    raw(dir.path()).execute_batch(&format!("CREATE TABLE {last} (x TEXT) STRICT")).unwrap();
    raw(dir.path()).execute_batch(&format!("CREATE TRIGGER {last} AFTER INSERT ON meta BEGIN SELECT 1; END")).unwrap();
    let before = made();
    let error = refused(dir.path(), &wanted());
    assert!(matches!(error, OpenError::Migration(_)), "{error}");
    assert_eq!(found(dir.path()), version);
    assert_eq!(made(), before, "all of it or nothing");
}

#[test]
fn f37_the_mount_table_tells_what_is_refused() {
    let mounts = "/dev/vda1 / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\nhost:/x /srv nfs4 rw 0 0\n\
                  /dev/vdb /srv/local xfs rw 0 0\n//nas/y /media/my\\040nas cifs rw 0 0\noverlay /box overlay rw 0 0\n\
                  me@host: /home/me/far fuse.sshfs rw 0 0\n/dev/vdc /over ext4 rw 0 0\nhost:/z /over nfs rw 0 0\n";
    let check = |dir: &str, expected: &str, judged: (bool, bool)| {
        let kind = open::file_system(mounts, Path::new(dir)).unwrap();
        assert_eq!((kind, (open::is_network(kind), open::is_volatile(kind))), (expected, judged), "{dir}");
    };
    let (local, network, volatile) = ((false, false), (true, false), (false, true));
    check("/var/lib/postsale", "ext4", local);
    check("/srv/postsale", "nfs4", network);
    check("/srv/local/postsale", "xfs", local);
    check("/srvother", "ext4", local);
    check("/media/my nas", "cifs", network);
    check("/home/me/far/a/b", "fuse.sshfs", network);
    check("/box/data", "overlay", volatile);
    check("/dev/shm/data", "tmpfs", volatile);
    check("/over/data", "nfs", network);
}

/// Rows as programs of all versions since then wrote them.
const ROWS: [(i64, &str); 3] = [
    (
        2,
        "INSERT INTO products (sku, title, price_minor, currency, supplier_product_id, sku_attr, sku_id, is_active,
                               updated_at) VALUES ('LAMP', 'Lamp', 2500, 'USD', '1005001', '', '12000001', 1, 0)",
    ),
    (
        3,
        "INSERT INTO orders (id, mode, origin, channel, channel_order_id, content_hash, currency, total_minor, funds,
                             created_at, stage)
         VALUES ('{order}', 'sandbox', 'checkout', 'c', 'one', 'h', 'USD', 2500, 'capture', 0, 'awaiting_payment')",
    ),
    (
        4,
        "INSERT INTO claims (key, order_id, slot, attempt, amount_minor, currency, request_hash, claimed_at)
         VALUES ('{order}/checkout/1', '{order}', 'checkout', 1, 2500, 'USD', '{hash}', 0)",
    ),
];

/// The directory of a shop that a program of that version left behind, with what its tables could hold.
fn left_by(version: i64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let connection = open::older(dir.path(), version, &wanted());
    for (since, sql) in ROWS.iter().filter(|(since, _)| *since <= version) {
        let sql = sql.replace("{order}", ORDER).replace("{hash}", HASH);
        connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{since}: {error}"));
    }
    dir
}

/// Migrated whole: this schema to the letter, every value twice, and the rows that were there.
fn is_migrated(dir: &Path, rows: i64, what: &str) {
    let store = open::open(dir, &wanted()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let schema = open::schema_of(dir).unwrap();
    assert_eq!(schema.found, schema.known, "{what}");
    let when = checks::When { now: super::law_tests::now(), ladder: jiff::SignedDuration::ZERO, is_deep: true };
    for check in checks::table().iter().filter(|check| checks::OF_THE_FILE.contains(&check.id)) {
        // A claim without its bytes is what the last row of all is.
        if check.id != "requests_are_what_was_claimed" {
            assert_eq!(store.read(|c| check.look(c, &when)).unwrap(), [], "{what}: {}", check.id);
        }
    }
    let sql = "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM orders) + (SELECT count(*) FROM claims)";
    let found: i64 = store.read(|c| Ok::<_, StoreError>(c.query_row(sql, [], |r| r.get(0))?)).unwrap();
    assert_eq!(found, rows, "{what}");
}

#[test]
fn f6_a_database_of_every_past_version_becomes_this_one() {
    let known = open::schema_of(closed().path()).unwrap().known;
    for version in 1..known {
        let dir = left_by(version);
        let rows = ROWS.iter().filter(|(since, _)| *since <= version).count();
        is_migrated(dir.path(), rows as i64, &format!("from version {version}"));
        let copies = std::fs::read_dir(dir.path().join("backups")).unwrap().count();
        assert_eq!(copies, 1, "from version {version}");
    }
}

/// What a kill leaves of a migration is what is committed in the `-wal`. So it is cut behind every commit, in the last
/// frame of every commit, and here and there in between.
#[test]
fn f6_a_migration_killed_at_any_moment_is_run_again() {
    killed_at_any_moment(&left_by(4), 3);
    killed_at_any_moment(&tempfile::tempdir().unwrap(), 0);
}

fn killed_at_any_moment(dir: &TempDir, rows: i64) {
    const FRAME: usize = 4096 + 24;
    let store = open::open(dir.path(), &wanted()).unwrap();
    // The whole migration stands in the -wal.
    let before = std::fs::read(open::path(dir.path())).unwrap();
    let wal = std::fs::read(open::path(dir.path()).with_extension("db-wal")).unwrap();
    drop(store);
    // A commit says in its last frame how large the database is then.
    let is_commit = |frame: &[u8]| frame[4..8] != [0; 4];
    let frames: Vec<bool> = wal[32..].chunks_exact(FRAME).map(is_commit).collect();
    assert!(frames.len() > 100 && frames.iter().filter(|is_commit| **is_commit).count() >= 2, "{frames:?}");
    let wanted_cut = |kept: &usize| {
        let is_near = |at: usize| frames.get(at).copied().unwrap_or(true);
        kept.is_multiple_of(25) || is_near(*kept) || *kept > 0 && is_near(kept - 1)
    };
    for kept in (0..=frames.len()).filter(wanted_cut) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(open::path(dir.path()), &before).unwrap();
        std::fs::write(open::path(dir.path()).with_extension("db-wal"), &wal[..32 + kept * FRAME]).unwrap();
        is_migrated(dir.path(), rows, &format!("killed after {kept} of {} frames", frames.len()));
    }
}

/// A damaged database would come out of a migration looking sound.
#[test]
fn f31_a_damaged_database_is_not_migrated() {
    let dir = left_by(4);
    let mut bytes = std::fs::read(open::path(dir.path())).unwrap();
    let page = bytes.len() - 4096;
    bytes[page..].fill(0x5a);
    std::fs::write(open::path(dir.path()), bytes).unwrap();
    let error = refused(dir.path(), &wanted());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(found(dir.path()) == 4 && !dir.path().join("backups").exists());
}

#[test]
fn a_missing_database_is_made_or_said_to_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open::join(dir.path(), &wanted()), Err(OpenError::Missing(_))));
    assert!(!open::path(dir.path()).exists(), "looking makes nothing");
    drop(open::open(dir.path(), &wanted()).unwrap());
    assert!(!dir.path().join("backups").exists(), "nothing to copy");
    assert!(open::join(dir.path(), &wanted()).is_ok());
}

/// The database and what SQLite lays beside it are for their owner only, also where they were not before.
#[test]
fn the_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = open::path(dir.path());
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open::open(dir.path(), &wanted()).unwrap();
    store.write(|tx| super::meta::set(tx, "a", "b")).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

/// A transaction may fail at its very end; whoever is told that it did not would go on to a call without its claim.
#[test]
fn a_commit_that_fails_is_told() {
    let Law { dir, store } = law();
    let dangling = "PRAGMA defer_foreign_keys = ON; INSERT INTO requests (key, bytes) VALUES ('nobody', x'00')";
    let written = store.write(|tx| tx.execute_batch(dangling).map_err(StoreError::from));
    assert!(written.is_err());
    let left: i64 = raw(dir.path()).query_row("SELECT count(*) FROM requests", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
