//! A damaged database is only read: nothing is written into it, and so nothing is sent, because no call that moves money
//! goes out before its claim is committed. The file `DAMAGED` beside the database says so across restarts; a person takes
//! it away when a sound copy is in place. Nothing here repairs anything.

use super::Store;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where it is said; it belongs to the database of this path.
pub fn marker(database: &Path) -> PathBuf {
    database.with_file_name("DAMAGED")
}

/// What is damaged; `None` = nothing is known to be.
pub(super) fn marked(database: &Path) -> Option<String> {
    match std::fs::read_to_string(marker(database)) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("the file DAMAGED is there and cannot be read: {error}")),
    }
}

impl Store {
    /// What is damaged. `None`: the file is sound as far as anybody knows, and is written.
    pub fn damaged(&self) -> Option<&str> {
        self.damaged.get().map(String::as_str)
    }

    /// From now on nothing is written, whoever asks; and no start does either before a person has taken the file away.
    pub fn quarantine(&self, what: &str) {
        self.shut(what.to_owned());
        let path = marker(self.path());
        let said = File::create(&path).and_then(|mut file| {
            writeln!(file, "{what}")?;
            file.sync_all()
        });
        log::error!("the database is damaged, and only read from now on: {what}");
        if let Err(error) = said {
            log::error!("{} could not be written, so a restart does not know of it: {error}", path.display());
        }
    }

    pub(super) fn shut(&self, what: String) {
        // The first damage is the one that is told.
        let _ = self.damaged.set(what);
    }
}
