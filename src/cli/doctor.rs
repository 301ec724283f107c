//! `postsale doctor`: what may keep this installation from working, each with what to do. It changes nothing here; a
//! running server is asked, and PayPal about its webhook, which is registered where there is none for our address.

use super::assemble::{self, Outside};
use super::exit::{Exit, Failure};
use super::page::{Facts, Rows, pretty};
use super::serve::WEBHOOK_PATH;
use super::sources::{Sources, wanted};
use super::{COMMIT, say};
use crate::assure::lookout;
use crate::config::{self, Config, Secrets};
use crate::gateway::paypal::Webhook;
use crate::gateway::probe::{self, Looked};
use crate::gateway::wire::UreqWire;
use crate::secret::Secret;
use crate::store::{checks, open};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

/// One finding: good, worth a word, or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    Good,
    Warning,
    Wrong,
}

struct Finding {
    what: &'static str,
    is: Is,
    found: String,
    /// What to do about it.
    fix: Option<String>,
}

fn good(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, is: Is::Good, found: found.into(), fix: None }
}

fn bad(what: &'static str, is: Is, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { what, is, found: found.into(), fix: Some(fix.into()) }
}

/// Exit 0: nothing found. 1: something is worth a word. 2: something is wrong.
pub fn doctor(sources: &Sources, as_json: bool) -> Result<Exit, Failure> {
    let loaded = sources.load_quietly()?;
    let typed = sources.typed();
    let config = &loaded.config;
    let clock = sources.clock(config)?;
    let warnings = loaded.warnings.iter().map(|w| bad("configuration", Is::Warning, w.to_string(), "change the key"));
    let mut findings: Vec<Finding> = warnings.collect();
    if findings.is_empty() {
        findings.push(good("configuration", "no mistake"));
    }
    findings.push(directory(config));
    findings.push(schema(config, &typed));
    match open::join(&config.data_dir, &wanted(config, clock.now())) {
        Err(error) => {
            let fix = format!("postsale{typed} serve, or another data_dir");
            findings.push(bad("database", Is::Wrong, error.to_string(), fix));
        }
        Ok(store) => {
            findings.push(good("database", format!("{} of this shop and mode", store.path().display())));
            let run = store.read(checks::runs::last)?;
            // A check in the future was made before the clock went back.
            findings.push(match run.filter(|run| run.at > clock.now()) {
                None => good("clock", clock.now().to_string()),
                Some(run) => bad("clock", Is::Wrong, format!("it was {} before", run.at), "set this machine's clock"),
            });
        }
    }
    findings.push(journal(config));
    findings.push(server(config, &typed));
    findings.extend(webhook(config, &loaded.secrets, clock.now()));
    tell(&findings, as_json)
}

fn directory(config: &Config) -> Finding {
    let dir = &config.data_dir;
    match fs::metadata(dir) {
        Err(error) => bad("directory", Is::Wrong, format!("{}: {error}", dir.display()), "postsale serve makes it"),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let fix = format!("chmod 700 {}", dir.display());
            bad("directory", Is::Warning, format!("others can look into {}", dir.display()), fix)
        }
        Ok(_) => good("directory", format!("{} is for its owner only", dir.display())),
    }
}

fn schema(config: &Config, typed: &str) -> Finding {
    match open::schema_of(&config.data_dir) {
        Ok(schema) if schema.found == schema.known => good("schema", format!("version {}", schema.found)),
        Ok(schema) => {
            let found = format!("version {} in the file, {} in the program", schema.found, schema.known);
            bad("schema", Is::Wrong, found, format!("postsale{typed} migrate"))
        }
        Err(error) => bad(
            "schema",
            Is::Wrong,
            error.to_string(),
            "put a sound copy in its place, without its -wal and -shm files",
        ),
    }
}

fn journal(config: &Config) -> Finding {
    let path = config.data_dir.join("intents.log");
    let read = File::open(&path).and_then(|mut file| file.read_to_end(&mut Vec::new()));
    match read {
        Ok(bytes) => good("journal", format!("{} can be read, {bytes} bytes", path.display())),
        Err(error) => {
            let fix = "bring it back from journal.mirror or a backup; without it nothing is sent";
            bad("journal", Is::Wrong, format!("{}: {error}", path.display()), fix)
        }
    }
}

/// Ready means that the server has its database, its jobs and its far sides' logins in order.
fn server(config: &Config, typed: &str) -> Finding {
    let start = format!("postsale{typed} serve");
    let Some(url) = lookout::own_url(&config.data_dir) else {
        return bad("server", Is::Warning, "no server runs here", start);
    };
    let wire = UreqWire::default();
    match probe::look(&wire, &url, COMMIT) {
        Looked::WrongBuild { found, .. } => bad("server", Is::Wrong, format!("{url} is another build: {found}"), start),
        Looked::NoAnswer(reason) => bad("server", Is::Wrong, format!("{url} is silent: {reason}"), start),
        Looked::Right(_) => match probe::get(&wire, &format!("{url}/readyz"), None) {
            Ok(answer) if answer.status == 200 => good("server", format!("{url} is ready")),
            Ok(answer) => {
                let found = format!("{url} is not ready: {}", answer.status);
                bad("server", Is::Wrong, found, format!("curl {url}/readyz"))
            }
            Err(error) => bad("server", Is::Wrong, error.to_string(), start),
        },
    }
}

/// Whether PayPal knows where to ring, and we which webhook is ours. `None`: PayPal is off or without credentials, which
/// others say.
fn webhook(config: &Config, secrets: &Secrets, now: Timestamp) -> Option<Finding> {
    const WHAT: &str = "webhook";
    if config.paypal.far_side() == config::FarSide::Builtin {
        return Some(good(WHAT, "the built-in PayPal is told by the server where to ring"));
    }
    let outside = Outside::described(config, secrets);
    let paypal = assemble::paypal_client(&outside)?;
    let Some(public_url) = &config.server.public_url else {
        let fix = "set server.public_url to the https address of this server; until then the program works by asking";
        return Some(bad(WHAT, Is::Warning, "PayPal cannot ring: server.public_url is not set", fix));
    };
    let url = format!("{}{WEBHOOK_PATH}", public_url.as_str());
    let known = match paypal.webhooks(now) {
        Ok(known) => known,
        Err(error) => return Some(bad(WHAT, Is::Warning, error.to_string(), "postsale doctor, once PayPal answers")),
    };
    let ours = match known.into_iter().find(|webhook| webhook.url == url) {
        Some(ours) => ours,
        None => match paypal.register_webhook(now, &url) {
            Ok(made) => made,
            Err(error) => {
                let fix = "server.public_url must begin with https and have no port of its own";
                return Some(bad(WHAT, Is::Warning, format!("{url} could not be registered: {error}"), fix));
            }
        },
    };
    Some(judged(&ours, outside.webhook_id.as_ref().map(Secret::expose)))
}

/// What is wanting about the webhook of our address.
fn judged(ours: &Webhook, webhook_id: Option<&str>) -> Finding {
    let (what, url, missing) = ("webhook", &ours.url, ours.missing());
    if webhook_id != Some(ours.id.as_str()) {
        let found = format!("PayPal rings at {url} as {}; PAYPAL_WEBHOOK_ID is not that", ours.id);
        return bad(what, Is::Wrong, found, format!("set PAYPAL_WEBHOOK_ID={}, then restart the server", ours.id));
    }
    if !missing.is_empty() {
        let found = format!("PayPal rings at {url}, but not for {}", missing.join(", "));
        return bad(what, Is::Warning, found, "tick these events for the webhook at developer.paypal.com");
    }
    good(what, format!("PayPal rings at {url}"))
}

fn tell(findings: &[Finding], as_json: bool) -> Result<Exit, Failure> {
    let row = |finding: &Finding| {
        let word = match finding.is {
            Is::Good => "OK",
            Is::Warning => "WARNING",
            Is::Wrong => "FAIL",
        };
        Facts::default()
            .with("what", finding.what)
            .with("status", word)
            .with("found", &finding.found)
            .with("fix", finding.fix.as_deref())
    };
    let rows = Rows(findings.iter().map(row).collect());
    say(&if as_json { pretty(&rows.json()) } else { rows.text().unwrap_or_default() })?;
    Ok(match findings.iter().map(|finding| finding.is).max() {
        None | Some(Is::Good) => Exit::Good,
        Some(Is::Warning) => Exit::Warnings,
        Some(Is::Wrong) => Exit::NotGood,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::paypal::KINDS;

    #[test]
    fn a_webhook_is_good_when_it_is_ours_and_hears_everything() {
        let check = |id: &str, kinds: &[&str], ours: Option<&str>, is: Is, fix: &str| {
            let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let url = "https://shop.example/api/webhooks/paypal".to_owned();
            let found = judged(&Webhook { id: id.to_owned(), url, kinds }, ours);
            assert_eq!(found.is, is, "{}", found.found);
            assert!(found.fix.unwrap_or_default().contains(fix), "{}", found.found);
        };
        check("WH1", &KINDS, Some("WH1"), Is::Good, "");
        check("WH1", &["*"], Some("WH1"), Is::Good, "");
        check("WH1", &KINDS, Some("WH2"), Is::Wrong, "PAYPAL_WEBHOOK_ID=WH1");
        check("WH1", &KINDS, None, Is::Wrong, "PAYPAL_WEBHOOK_ID=WH1");
        check("WH1", &KINDS[..20], Some("WH1"), Is::Warning, "tick these events");
    }
}
