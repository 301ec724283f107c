//! `postsale migrate`: brings the database to this program's schema, under the lock, after copying it. A database that
//! is newer than the program is not touched.

use super::exit::{Exit, Failure};
use super::say;
use super::sources::{Sources, wanted};
use crate::store::{OpenError, Schema, lock, open};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

pub fn migrate(sources: &Sources, is_dry_run: bool) -> Result<Exit, Failure> {
    let config = sources.load()?.config;
    let clock = sources.clock(&config)?;
    let dir = &config.data_dir;
    if is_dry_run {
        let schema = open::schema_of(dir)?;
        refuse_newer(schema)?;
        say(&foreseen(schema))?;
        return Ok(Exit::Good);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Failure::file(dir))?;
    let _lock = lock::acquire(dir)?;
    let before = open::schema_of(dir)?;
    open::open(dir, &wanted(&config, clock.now()))?;
    let after = open::schema_of(dir)?;
    say(&match before.found {
        found if found == after.found => format!("{} has schema version {found} already.\n", open::path(dir).display()),
        0 => format!("{} is new, with schema version {}.\n", open::path(dir).display(), after.found),
        found => format!(
            "{} was brought from schema version {found} to {}; the copy from before is in {}.\n",
            open::path(dir).display(),
            after.found,
            dir.join("backups").display()
        ),
    })?;
    Ok(Exit::Good)
}

fn refuse_newer(Schema { found, known }: Schema) -> Result<(), OpenError> {
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(()) }
}

fn foreseen(Schema { found, known }: Schema) -> String {
    let pending = open::pending(found);
    let mut text = format!("schema version found {found}, known {known}\n");
    if pending.is_empty() {
        text.push_str("nothing to do\n");
    } else if found > 0 {
        text.push_str("the database would be copied into backups first\n");
    }
    for name in pending {
        text.push_str(&format!("would run {name}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_names_what_would_run() {
        let known = open::schema_of(std::path::Path::new("/nowhere")).unwrap().known;
        let check = |found: i64, lines: usize, expected: &str| {
            let text = foreseen(Schema { found, known });
            assert_eq!(text.matches("would run").count(), lines, "{text}");
            assert!(text.contains(expected), "{text}");
        };
        check(0, open::pending(0).len(), "would run V01__meta");
        check(known - 1, 1, "copied into backups first");
        check(known, 0, "nothing to do");
        let newer = refuse_newer(Schema { found: known + 1, known }).unwrap_err().to_string();
        assert!(newer.contains(&format!("{}", known + 1)), "{newer}");
    }
}
