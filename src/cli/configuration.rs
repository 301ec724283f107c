//! `postsale config`: whether the configuration is good, and what is in force. It starts nothing and prints no secret.

use super::exit::{Exit, Failure};
use super::page::pretty;
use super::say;
use super::sources::Sources;
use crate::config::{self, Problem};
use serde_json::{Value, json};

/// Exit 0: good; 1: good with warnings; 78: every mistake is listed.
pub fn check(sources: &Sources, as_json: bool) -> Result<Exit, Failure> {
    let loaded = match sources.load_quietly() {
        Ok(loaded) => loaded,
        Err(Failure::Config(error)) if as_json => {
            say(&pretty(&json!({"good": false, "problems": list(&error.problems), "warnings": []})))?;
            return Ok(Exit::Configuration);
        }
        Err(failure) => return Err(failure),
    };
    let fingerprint = loaded.config.fingerprint();
    if as_json {
        let warnings = list(&loaded.warnings);
        say(&pretty(&json!({"good": true, "fingerprint": fingerprint, "problems": [], "warnings": warnings})))?;
    } else {
        let warnings: String = loaded.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
        let mode = loaded.config.mode.as_str();
        say(&format!("{warnings}the configuration is good: {mode} mode, fingerprint {fingerprint}\n"))?;
    }
    Ok(if loaded.warnings.is_empty() { Exit::Good } else { Exit::Warnings })
}

pub fn show(sources: &Sources, as_json: bool) -> Result<String, Failure> {
    let loaded = sources.load_quietly()?;
    Ok(if as_json {
        pretty(&config::show_json(&loaded.config, &loaded.secrets))
    } else {
        config::show(&loaded.config, &loaded.secrets)
    })
}

fn list(problems: &[Problem]) -> Value {
    let one = |problem: &Problem| json!({"place": problem.place, "key": problem.key, "reason": problem.reason});
    problems.iter().map(one).collect()
}
