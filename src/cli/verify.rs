//! `postsale verify`: is what answers the build that was meant, and is it ready? The build is compared first; of a wrong
//! one nothing more is asked (L1). Nothing here sends anything that moves money.

use super::assemble::{self, Outside};
use super::exit::{Exit, Failure};
use super::page::pretty;
use super::say;
use super::sources::{Joined, Sources};
use crate::assure::lookout;
use crate::assure::readiness::{self, Outcome, Report, Seen};
use crate::config::Secrets;
use crate::gateway::probe::{self, Looked, Service};
use crate::gateway::wire::{UreqWire, Wire};
use crate::store::open;
use serde_json::json;
use std::path::PathBuf;

/// What was typed.
pub struct Asked {
    /// Another server than the one of this directory.
    pub url: Option<String>,
    /// The commit that has to answer; `None` = this program's.
    pub expect_build: Option<String>,
    pub is_json: bool,
    pub output: Option<PathBuf>,
}

/// Exit 0: ready. 1: a rehearsal passed. 2: not good. 3: could not tell.
pub fn verify(sources: &Sources, asked: &Asked) -> Result<Exit, Failure> {
    let wire = UreqWire::default();
    let loaded = sources.load()?;
    let own = lookout::own_url(&loaded.config.data_dir);
    let expected = asked.expect_build.as_deref().unwrap_or(super::COMMIT);
    let named = asked.url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    let is_own = named.is_none() || named == own;
    let service = match named.or(own).map(|url| (probe::look(&wire, &url, expected), url)) {
        None => None,
        Some((Looked::WrongBuild { found, expected }, url)) => return wrong_build(asked, &url, &found, &expected),
        Some((Looked::NoAnswer(reason), _)) if is_own => Some(Err(reason)),
        Some((Looked::NoAnswer(reason), url)) => return could_not_tell(asked, &url, &reason),
        Some((Looked::Right(service), _)) => Some(Ok(service)),
    };
    let report = match service {
        Some(Ok(service)) if !is_own => return of_another(&wire, asked, &service, &loaded.secrets),
        service => of_this(sources, &wire, service)?,
    };
    tell(asked, &report)
}

fn of_this(sources: &Sources, wire: &dyn Wire, service: Option<Result<Service, String>>) -> Result<Report, Failure> {
    let Joined { config, secrets, store, clock } = sources.join()?;
    let outside = Outside::described(&config, &secrets);
    let at = assemble::installation(&config, &outside, sources.typed());
    let seen = Seen { service, book: lookout::book(wire, &at), far_clock: None };
    let schema = open::schema_of(&config.data_dir)?;
    let report = readiness::report(&at, &store, schema, super::COMMIT, clock.now(), &seen)?;
    readiness::keep(&store, &report)?;
    Ok(report)
}

/// Another server's rows are its own: its last report is asked for, over a line on which the secret is safe.
fn of_another(wire: &dyn Wire, asked: &Asked, service: &Service, secrets: &Secrets) -> Result<Exit, Failure> {
    let url = &service.url;
    for (name, answer, wanted) in
        [("an unknown path", &service.unknown_path, 404), ("the integrity check", &service.check, 200)]
    {
        match answer {
            Ok(status) if *status == wanted => {}
            Ok(status) => {
                let why = "a proxy or an old build answers";
                say(&format!("FAIL: {name} is {status} without a token at {url}, not {wanted}: {why}\n"))?;
                return Ok(Exit::NotGood);
            }
            Err(reason) => return could_not_tell(asked, url, reason),
        }
    }
    let is_safe = url.starts_with("https://") || url.starts_with("http://127.") || url.starts_with("http://[::1]");
    let Some(secret) = secrets.internal_run.as_ref().filter(|_| is_safe) else {
        let why = "its report needs INTERNAL_RUN_SECRET and https";
        return could_not_tell(asked, url, why);
    };
    let report = match probe::get(wire, &format!("{url}/api/reports/readiness"), Some(secret)) {
        Ok(answer) if answer.status == 200 => serde_json::from_slice(&answer.body),
        Ok(answer) => return could_not_tell(asked, url, &format!("its report answers {}", answer.status)),
        Err(error) => return could_not_tell(asked, url, &error.to_string()),
    };
    match report {
        Ok(report) => tell(asked, &report),
        Err(error) => could_not_tell(asked, url, &format!("its report cannot be read: {error}")),
    }
}

fn wrong_build(asked: &Asked, url: &str, found: &str, expected: &str) -> Result<Exit, Failure> {
    let text = format!("WRONG_BUILD: {url} is {found}, expected {expected}. Nothing more was asked.\n");
    let json = json!({ "verdict": "WRONG_BUILD", "url": url, "found": found, "expected": expected });
    print(asked, if asked.is_json { pretty(&json) } else { text })?;
    Ok(Exit::NotGood)
}

fn could_not_tell(asked: &Asked, url: &str, reason: &str) -> Result<Exit, Failure> {
    let json = json!({ "verdict": "UNKNOWN", "url": url, "reason": reason });
    print(asked, if asked.is_json { pretty(&json) } else { format!("UNKNOWN: {url}: {reason}\n") })?;
    Ok(Exit::Unknown)
}

fn tell(asked: &Asked, report: &Report) -> Result<Exit, Failure> {
    let text = match asked.is_json {
        true => serde_json::to_string_pretty(report).unwrap_or_default() + "\n",
        false => readiness::markdown(report),
    };
    print(asked, text)?;
    Ok(match report.outcome() {
        Outcome::Ready => Exit::Good,
        Outcome::RehearsalPassed => Exit::Warnings,
        Outcome::NotGood => Exit::NotGood,
        Outcome::CouldNotTell => Exit::Unknown,
    })
}

fn print(asked: &Asked, text: String) -> Result<(), Failure> {
    match &asked.output {
        Some(path) => super::write_whole(path, &text),
        None => say(&text),
    }
}
