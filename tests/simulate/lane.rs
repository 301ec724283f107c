//! The place that one schedule after another is played in, without opening a database and compiling its statements anew
//! each time, which took two fifths of a run. What a run left is gone before the next one begins: the file is
//! again what it was when it was founded, and so is all that its connections remember of it. Where nothing was played
//! before, every start opens its database itself; one schedule in a hundred is played in both and compared.

use crate::world::{data_dir, open_store};
use postsale::domain::order::Mode;
use postsale::store::{self, Store};
use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// When every schedule begins.
const BEGINNING: &str = "2026-03-01T12:00:00Z";
/// So much of the shared memory beside a database says what its WAL holds; without it a connection reads the WAL anew.
const INDEX_HEAD: [u8; 136] = [0; 136];

/// A founded database to copy, so that no run migrates one. It lies in memory where there is such a place.
pub fn template() -> TempDir {
    let dir = data_dir();
    open_store(Mode::Sandbox, dir.path(), BEGINNING.parse().unwrap()).checkpoint().unwrap();
    dir
}

#[derive(Clone)]
pub struct Lane {
    pub store: Arc<Store>,
    pub dir: Arc<TempDir>,
    /// Whether nothing was played in it before.
    pub is_new: bool,
}

thread_local! {
    static LAST: RefCell<Option<Lane>> = const { RefCell::new(None) };
}

impl Lane {
    pub fn new(template: &Path) -> Lane {
        let dir = data_dir();
        std::fs::copy(store::open::path(template), store::open::path(dir.path())).unwrap();
        let store = open_store(Mode::Sandbox, dir.path(), BEGINNING.parse().unwrap());
        Lane { dir: Arc::new(dir), store, is_new: true }
    }

    /// The place of this thread's last run, as good as new; a new one if that run broke something.
    pub fn again(template: &Path) -> Lane {
        let Some(lane) = LAST.take() else { return Lane::new(template) };
        lane.clear(template);
        lane
    }

    /// The run in it ended well: it may be used again.
    pub fn keep(self) {
        LAST.set(Some(Lane { is_new: false, ..self }));
    }

    /// Takes away what lies beside the database, and puts what was founded in its place.
    fn clear(&self, template: &Path) {
        let database = store::open::path(self.dir.path());
        let kept = [database.clone(), database.with_extension("db-wal"), database.with_extension("db-shm")];
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => std::fs::remove_dir_all(path).unwrap(),
                false if !kept.contains(&path) => std::fs::remove_file(path).unwrap(),
                false => {}
            }
        }
        found_again(&database, template);
        let orders = |tx: &rusqlite::Transaction<'_>| {
            Ok::<_, store::StoreError>(tx.query_row("SELECT count(*) FROM orders", [], |row| row.get::<_, u32>(0))?)
        };
        assert_eq!(self.store.write(orders).unwrap(), 0, "something of the last run is left");
    }
}

/// Puts what was founded in the place of a database that stands open and in which nothing is under way. An empty WAL
/// without an index is what a crash leaves, so every connection forgets the pages it has read, and keeps its statements.
pub fn found_again(database: &Path, template: &Path) {
    let over = |path: &Path| OpenOptions::new().write(true).open(path).unwrap();
    over(&database.with_extension("db-shm")).write_all(&INDEX_HEAD).unwrap();
    over(&database.with_extension("db-wal")).set_len(0).unwrap();
    let founded = std::fs::read(store::open::path(template)).unwrap();
    let mut file = over(database);
    file.write_all(&founded).unwrap();
    file.set_len(founded.len() as u64).unwrap();
}
