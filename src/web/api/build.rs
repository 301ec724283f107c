//! Which build this is, as compiled in. It must never be guessed at run time: the verifier compares it first (L1).

use jiff::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The package's version.
    pub version: String,
    /// The commit it was built from; ends in `-dirty` if the tree was changed, `unknown` outside of a repository.
    pub commit: String,
    /// To the second.
    pub built_at: Timestamp,
}

impl BuildInfo {
    /// Of the running program.
    pub fn this() -> Self {
        let built_at_s = env!("POSTSALE_BUILT_AT_S").parse().unwrap_or(0);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("POSTSALE_COMMIT").to_owned(),
            built_at: Timestamp::from_second(built_at_s).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}
