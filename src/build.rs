//! Compiles the commit and the build time into the program, so that every answer can say which build gave it (L1).
//! A git checkout asks git; a tarball made by `git archive` reads `.commit`; anything else says `unknown`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=.commit");
    println!("cargo::rerun-if-env-changed=POSTSALE_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(file) = git(&["rev-parse", "--git-path", path]) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    println!("cargo::rustc-env=POSTSALE_COMMIT={}", commit());
    println!("cargo::rustc-env=POSTSALE_BUILT_AT_S={}", built_at_s());
}

fn commit() -> String {
    if let Ok(commit) = std::env::var("POSTSALE_COMMIT") {
        return commit;
    }
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
        return if dirty { format!("{commit}-dirty") } else { commit };
    }
    match std::fs::read_to_string(".commit") {
        Ok(line) if !line.contains("Format") => line.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Seconds since 1970. `SOURCE_DATE_EPOCH` makes a build reproducible.
fn built_at_s() -> u64 {
    if let Some(s) = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|s| s.parse().ok()) {
        return s;
    }
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
