//! From what was typed to what is meant: the configuration loaded, the clock chosen, and, for commands beside a running
//! server, the database joined without its lock.

use super::args::From;
use super::exit::Failure;
use super::{assemble, controls};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Secrets, load_from_process};
use crate::store::Store;
use crate::store::open::{self, Wanted};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the configuration comes from, besides the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    file: Option<PathBuf>,
    overrides: BTreeMap<String, String>,
    controls: Option<PathBuf>,
}

/// A database beside a running server, and what is needed to understand it.
pub struct Joined {
    pub config: Config,
    pub secrets: Secrets,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
}

impl Sources {
    /// The last word on a key is the one that counts.
    pub fn new(from: From) -> Sources {
        let mut overrides: BTreeMap<_, _> = from.set.into_iter().collect();
        if let Some(dir) = from.data_dir {
            overrides.insert("data_dir".to_owned(), dir.to_string_lossy().into_owned());
        }
        Sources { file: from.config, overrides, controls: from.test_controls }
    }

    /// Reads the configuration. What deserves a word goes to the log.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let loaded = self.load_quietly()?;
        for warning in &loaded.warnings {
            log::warn!("{warning}");
        }
        Ok(loaded)
    }

    /// [`Sources::load`] for who shows the warnings in another way.
    pub fn load_quietly(&self) -> Result<Loaded, Failure> {
        Ok(load_from_process(self.file.clone(), self.overrides.clone())?)
    }

    pub fn clock(&self, config: &Config) -> Result<Arc<dyn Clock>, Failure> {
        controls::clock(self.controls.as_deref(), config)
    }

    /// Joins the database, without the lock.
    pub fn join(&self) -> Result<Joined, Failure> {
        let Loaded { config, secrets, .. } = self.load()?;
        let clock = self.clock(&config)?;
        let store = open::join(&config.data_dir, &wanted(&config, clock.now()))?;
        Ok(Joined { config, secrets, store, clock })
    }

    /// What has to be typed again for a command about the same shop, each with a blank before it.
    pub fn typed(&self) -> String {
        let file = self.file.iter().map(|path| format!(" --config {}", path.display()));
        let set = self.overrides.iter().filter(|(key, _)| *key == "data_dir");
        file.chain(set.map(|(_, dir)| format!(" --data-dir {dir}"))).collect()
    }
}

/// What a database must be to go with this configuration.
pub fn wanted(config: &Config, now: Timestamp) -> Wanted<'_> {
    Wanted { mode: assemble::mode_of(config), shop: &config.shop.id, now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Typed;
    use clap::Parser;

    #[test]
    fn the_last_word_counts_wherever_it_stands() {
        let check = |line: &str, expected: &[(&str, &str)]| {
            let typed = Typed::try_parse_from(line.split(' ')).unwrap();
            let expected = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(Sources::new(typed.from).overrides, expected, "{line}");
        };
        check("postsale plan", &[]);
        check("postsale -o engine.workers=1 plan -o engine.workers=2", &[("engine.workers", "2")]);
        check("postsale orders list --data-dir /d --set shop.id=x", &[("data_dir", "/d"), ("shop.id", "x")]);
    }
}
