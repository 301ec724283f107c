//! What the owner decided: `config.toml`, then the environment, then the command line, read once at the start into
//! plain typed values. Every mistake is listed with its place before anything runs; a value nobody understood never
//! falls back to a default. Secrets are no part of [`Config`] (they stand in [`Secrets`]), and nothing here is ever
//! changed while the program runs.
//!
//! `keys` is the table of all keys; `values`, `kinds`, `addresses` and `network` say how each kind of value is read;
//! `file` takes the file apart, `load` puts the sources together, `suggest` knows what a wrong name was meant to be;
//! `rules` refuses what cannot be meant; `policy` hands the limits to the domain; `secrets` finds the secrets; `show` prints what is in force.

mod addresses;
mod file;
mod keys;
mod kinds;
mod load;
#[cfg(test)]
mod load_tests;
mod network;
mod policy;
mod rules;
#[cfg(test)]
mod rules_tests;
mod secrets;
mod show;
mod suggest;
mod values;

pub use addresses::{Email, FarSide, PrivateUrl, SmtpUrl, Url};
pub use keys::*;
pub use kinds::{CallRate, ChatId, CommissionBase, Mode, PaidBy, PayoutAfter, Purchasing};
pub use load::{Loaded, OTHER_VARIABLES, Sources, load, load_from_process, load_text};
pub use network::Network;
pub use policy::policy_of;
pub use secrets::Secrets;
pub use show::{fingerprint, show, show_json};

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Default,
    /// The file as it was named, and the line, counted from 1.
    File {
        path: String,
        line: usize,
    },
    /// The name of an environment variable.
    Variable(String),
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Variable(name) => f.write_str(name),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}

/// One mistake (or one warning): where it stands, which key it is about, what is wrong with it. It never repeats the
/// value, because what was typed into the wrong place may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `config.toml:12`, `config.toml` for what is missing there, the name of a variable, or `command line`.
    pub place: String,
    /// Empty when the mistake belongs to no key: an unreadable file, a line that is not TOML.
    pub key: String,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() || self.key == self.place {
            return write!(f, "{}: {}", self.place, self.reason);
        }
        write!(f, "{}: {}: {}", self.place, self.key, self.reason)
    }
}

/// Every mistake that was found, one a line. The program must not start; the exit code for it is 78.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigError {}
