//! One engine per data directory: a lock on a file beside the database, not on the database itself, so that reading
//! commands need none. The kernel gives it back when the process dies, however it dies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{path} is in use by process {owner}; stop that one first, or give this one another data_dir")]
    Held { path: String, owner: String },
    #[error("cannot lock {path}: {error}")]
    Io { path: String, error: std::io::Error },
}

/// Held as long as this value lives.
pub struct DirectoryLock {
    _file: File,
}

pub fn acquire(data_dir: &Path) -> Result<DirectoryLock, LockError> {
    let path = data_dir.join("lock");
    let io = |error| LockError::Io { path: path.display().to_string(), error };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // The number only helps a human; an unreadable one is shown as unknown.
            let _ = file.read_to_string(&mut owner);
            let owner = if owner.trim().is_empty() { "unknown".to_owned() } else { owner.trim().to_owned() };
            return Err(LockError::Held { path: data_dir.display().to_string(), owner });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    Ok(DirectoryLock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_the_second_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = acquire(dir.path()).unwrap();
        let second = acquire(dir.path()).err().unwrap().to_string();
        assert!(second.contains(&std::process::id().to_string()), "{second}");
        drop(first);
        acquire(dir.path()).unwrap();
    }
}
