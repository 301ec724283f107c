//! `postsale verify`: is what answers the build that was meant, and is it ready? The build is compared first; of a wrong
//! one nothing more is asked (L1). Nothing here sends anything that moves money; with `--real` the server is asked to.

use super::assemble::{self, Outside};
use super::exit::{Exit, Failure};
use super::interface::{Interface, random_key};
use super::page::pretty;
use super::say;
use super::sources::{Joined, Sources};
use super::verify_flow::{self, Flow, FlowAsked, Wanted, Wanting};
use crate::assure::lookout;
use crate::assure::readiness::{self, Outcome, Report, Seen};
use crate::config::{Loaded, Secrets};
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
    /// What is done before the report is written.
    pub flow: FlowAsked,
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
    match service {
        Some(Ok(service)) if !is_own => of_another(asked, &service, &loaded.secrets),
        service => {
            let flow = own_flow(sources, asked, &loaded, service.as_ref())?;
            let report = of_this(sources, &wire, service)?;
            tell(asked, flow.as_ref(), &report)
        }
    }
}

/// A real flow needs the server that runs here; a rehearsal plays without one too.
fn own_flow(
    sources: &Sources,
    asked: &Asked,
    loaded: &Loaded,
    service: Option<&Result<Service, String>>,
) -> Result<Option<Flow>, Failure> {
    let is_sandbox = !loaded.config.is_production();
    match service {
        _ if asked.flow.wanted == Wanted::Nothing => Ok(None),
        Some(Ok(service)) => {
            let mut secrets = loaded.secrets.clone();
            if is_sandbox {
                secrets.ensure_internal(&loaded.config.data_dir).map_err(Failure::file(&loaded.config.data_dir))?;
            }
            let server = secrets.internal_run.as_ref().and_then(|secret| Interface::new(&service.url, secret));
            let server = server.ok_or_else(|| Failure::Refused("the server needs INTERNAL_RUN_SECRET".to_owned()))?;
            verify_flow::through(&server, &asked.flow, is_sandbox)
        }
        _ if asked.flow.wanted == Wanted::Simulate => verify_flow::here(sources, &asked.flow).map(Some),
        _ => Err(Failure::Refused(
            "no server runs in this data directory, and only a server sends; start it first: postsale serve".to_owned(),
        )),
    }
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
fn of_another(asked: &Asked, service: &Service, secrets: &Secrets) -> Result<Exit, Failure> {
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
    let Some(server) = secrets.internal_run.as_ref().and_then(|secret| Interface::new(url, secret)) else {
        let why = "its report needs INTERNAL_RUN_SECRET and https";
        return could_not_tell(asked, url, why);
    };
    let flow = match asked.flow.wanted {
        Wanted::Nothing => None,
        _ => {
            let is_sandbox = server.get("/api/version")?.text("mode") == "sandbox";
            verify_flow::through(&server, &asked.flow, is_sandbox)?
        }
    };
    // What a flow has just done stands in no report before it.
    let told = match flow {
        None => server.get("/api/reports/readiness")?,
        Some(_) => server.slow("/api/reports/readiness", &random_key()?, &json!({}))?,
    };
    if told.status != 200 {
        return could_not_tell(asked, url, &format!("its report answers {}", told.status));
    }
    match serde_json::from_value(told.body) {
        Ok(report) => tell(asked, flow.as_ref(), &report),
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

fn tell(asked: &Asked, flow: Option<&Flow>, report: &Report) -> Result<Exit, Failure> {
    let text = match (asked.is_json, flow) {
        (true, None) => serde_json::to_string_pretty(report).unwrap_or_default() + "\n",
        (true, Some(flow)) => {
            let values: serde_json::Map<_, _> =
                flow.values.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            pretty(&json!({ "flow": { "values": values, "answer": flow.answer }, "report": report }))
        }
        (false, flow) => flow.map(Flow::markdown).unwrap_or_default() + &readiness::markdown(report),
    };
    print(asked, text)?;
    Ok(exit(asked.flow.wanted, flow.map(Flow::is_wanting), report.outcome()))
}

/// `flow`: `None` = none was asked for; `Some(None)` = it ended well.
fn exit(wanted: Wanted, flow: Option<Option<Wanting>>, outcome: Outcome) -> Exit {
    match (flow, outcome) {
        (Some(Some(Wanting::NotGood)), _) | (_, Outcome::NotGood) => Exit::NotGood,
        (Some(Some(Wanting::NotKnownYet)), _) => Exit::Unknown,
        (_, Outcome::Ready) => Exit::Good,
        (_, Outcome::RehearsalPassed) => Exit::Warnings,
        // The rehearsal itself passed; what the live shop still lacks is said in its report.
        (Some(None), Outcome::CouldNotTell) if wanted == Wanted::Simulate => Exit::Warnings,
        (_, Outcome::CouldNotTell) => Exit::Unknown,
    }
}

fn print(asked: &Asked, text: String) -> Result<(), Failure> {
    match &asked.output {
        Some(path) => super::write_whole(path, &text),
        None => say(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l3_the_exit_code_is_as_bad_as_the_worst_of_flow_and_report() {
        let check = |wanted, flow, outcome, expected| {
            assert_eq!(exit(wanted, flow, outcome), expected, "{wanted:?} {flow:?} {outcome:?}");
        };
        use Outcome::{CouldNotTell, NotGood, Ready, RehearsalPassed};
        check(Wanted::Nothing, None, Ready, Exit::Good);
        check(Wanted::Nothing, None, RehearsalPassed, Exit::Warnings);
        check(Wanted::Nothing, None, CouldNotTell, Exit::Unknown);
        check(Wanted::Real, Some(None), Ready, Exit::Good);
        check(Wanted::Real, Some(None), CouldNotTell, Exit::Unknown);
        check(Wanted::Real, Some(Some(Wanting::NotKnownYet)), Ready, Exit::Unknown);
        check(Wanted::Real, Some(Some(Wanting::NotGood)), Ready, Exit::NotGood);
        check(Wanted::Simulate, Some(None), CouldNotTell, Exit::Warnings);
        check(Wanted::Simulate, Some(None), NotGood, Exit::NotGood);
        check(Wanted::Simulate, Some(Some(Wanting::NotGood)), RehearsalPassed, Exit::NotGood);
    }
}
