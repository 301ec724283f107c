//! `postsale stop` and `postsale resume`. STOP is a row and a file, and either stops (MONEY A15), so stopping needs only
//! one of the two to succeed and resuming needs both. An engine beside this process sees them within a tick.

use super::exit::{Exit, Failure};
use super::sources::Sources;
use super::{BY, say};
use crate::config::Config;
use crate::engine::facts;
use crate::store::{self, OpenError, open};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The file first: it stops even where the database cannot be opened, and then that is what is said.
pub fn stop(sources: &Sources) -> Result<Exit, Failure> {
    let config = sources.load()?.config;
    let file = stop_file(&config);
    if !config.data_dir.is_dir() {
        return Err(OpenError::Missing(open::path(&config.data_dir)).into());
    }
    facts::lay_stop_file(&file, BY).map_err(Failure::file(&file))?;
    match sources.join() {
        Ok(joined) => joined.store.write(|tx| facts::stop(tx, BY, joined.clock.now()))?,
        Err(failure) => {
            say(&format!("STOP is set by {} alone: nothing that moves money is sent.\n", file.display()))?;
            failure.tell();
            return Ok(Exit::Warnings);
        }
    }
    say(&format!(
        "STOP is set: no call that moves money begins from now on; one under way may still end.\n\
         Take it back with `postsale{} resume`.\n",
        sources.typed()
    ))?;
    Ok(Exit::Good)
}

/// The file first: the row still stops until it goes, together with the bell for every order that waited. The other way
/// round an engine could look at them while the file is still there, and let them wait once more.
pub fn resume(sources: &Sources) -> Result<Exit, Failure> {
    let joined = sources.join()?;
    let file = stop_file(&joined.config);
    let had_file = match fs::remove_file(&file) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(Failure::File { path: file, error }),
    };
    let has_row = joined.store.read(|connection| store::meta::value(connection, "stop"))?.is_some();
    if !had_file && !has_row {
        say("STOP was not set.\n")?;
        return Ok(Exit::Good);
    }
    joined.store.write(|tx| facts::resume(tx, BY, joined.clock.now()))?;
    say("STOP is taken back: a running server goes on within a tick.\n")?;
    Ok(Exit::Good)
}

fn stop_file(config: &Config) -> PathBuf {
    config.data_dir.join("STOP")
}
