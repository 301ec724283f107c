//! A directory of its own for one rehearsal; it goes away with the value.

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub struct Scratch {
    path: PathBuf,
    is_kept: bool,
}

impl Scratch {
    /// Makes an empty directory under the system's place for such, readable by the owner only.
    pub fn new() -> io::Result<Scratch> {
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
        let path = std::env::temp_dir().join(format!("postsale-rehearsal-{}", HEXLOWER.encode(&random)));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch { path, is_kept: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory for a look afterwards.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}
