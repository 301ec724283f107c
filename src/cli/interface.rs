//! A running server, asked over its own interface. The secret goes along only where nobody can listen: over https, or on
//! this machine. Slow work is begun and then looked at, so that no answer is lost to a time-out.

use super::exit::Failure;
use crate::gateway::CallError;
use crate::gateway::wire::{Purpose, Request, UreqWire, Wire};
use crate::secret::Secret;
use data_encoding::BASE32_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;
use std::io;
use std::time::{Duration, Instant};

pub struct Interface {
    wire: UreqWire,
    /// Scheme and authority.
    url: String,
    secret: Secret,
}

/// What was answered: status and document; `null` where it is no JSON.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub body: Value,
}

impl Told {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A field of text; empty where it is not there.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// Why it was refused, with the rows that stand in the way.
    pub fn reason(&self) -> String {
        let mut reason = format!("{} {}: {}", self.status, self.text("code"), self.text("detail"));
        for row in self.body["rows"].as_array().into_iter().flatten() {
            let text = |field: &str| row[field].as_str().unwrap_or_default();
            reason.push_str(&format!("\n  {} {}: {}; do: {}", text("status"), text("id"), text("value"), text("fix")));
        }
        reason
    }
}

/// How often slow work is looked at, and how long at most.
const LOOK: Duration = Duration::from_millis(300);
const SLOW_MAX: Duration = Duration::from_secs(180);

impl Interface {
    /// `None` where the secret could be overheard.
    pub fn new(url: &str, secret: &Secret) -> Option<Interface> {
        let is_safe = ["https://", "http://127.", "http://[::1]"].iter().any(|safe| url.starts_with(safe));
        let url = url.trim_end_matches('/').to_owned();
        is_safe.then(|| Interface { wire: UreqWire::default(), url, secret: secret.clone() })
    }

    pub fn get(&self, path: &str) -> Result<Told, Failure> {
        self.ask("GET", path, &[], &Value::Null)
    }

    /// Under `key` the same request again is heard once.
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Result<Told, Failure> {
        self.ask("POST", path, &[("idempotency-key", key)], body)
    }

    /// Begins slow work and waits until it has ended. What it came to stands in `answer`, its problem too.
    pub fn slow(&self, path: &str, key: &str, body: &Value) -> Result<Told, Failure> {
        let begun = self.ask("POST", path, &[("idempotency-key", key), ("prefer", "respond-async")], body)?;
        if begun.status != 202 {
            return Ok(begun);
        }
        let (job, started) = (format!("/api/jobs/{}", begun.text("id")), Instant::now());
        loop {
            let seen = self.get(&job)?;
            let status = seen.body["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            let is_over = seen.text("state") != "running" || started.elapsed() >= SLOW_MAX;
            match (is_over, status) {
                (true, Some(status)) => return Ok(Told { status, body: seen.body["answer"].clone() }),
                // Broken off, or slower than anybody waits: what is known of it by now.
                (true, None) => return Ok(Told { status: seen.status, body: seen.body["answer"].clone() }),
                (false, _) => std::thread::sleep(LOOK),
            }
        }
    }

    fn ask(&self, method: &'static str, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Told, Failure> {
        let mut all = vec![("x-internal-secret".to_owned(), self.secret.expose().to_owned())];
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        if !bytes.is_empty() {
            all.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let purpose = if method == "GET" { Purpose::LookUp } else { Purpose::Money };
        let url = format!("{}{path}", self.url);
        let answer = self.wire.ask(&Request { method, url, headers: all, body: bytes, purpose });
        let answer = answer.map_err(|error| match error {
            CallError::Unsent(reason) => Failure::Refused(format!("{} does not answer: {reason}", self.url)),
            error => Failure::NotKnown(format!("{method} {path}: {error}")),
        })?;
        Ok(Told { status: answer.status, body: serde_json::from_slice(&answer.body).unwrap_or_default() })
    }
}

/// A key that was never used.
pub fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 15];
    let drawn = SystemRandom::new().fill(&mut bytes);
    let what = "no random numbers";
    drawn.map_err(|_| Failure::Machine { what, error: io::Error::other("the machine gives none") })?;
    Ok(BASE32_NOPAD.encode(&bytes).to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_goes_only_where_nobody_listens() {
        let check = |url: &str, is: bool| assert_eq!(Interface::new(url, &Secret::new("s")).is_some(), is, "{url}");
        check("https://orders.shop.tld", true);
        check("http://127.0.0.1:8787/", true);
        check("http://[::1]:8787", true);
        check("http://orders.shop.tld", false);
        check("http://10.0.0.1:8787", false);
        check("ftp://127.0.0.1", false);
    }
}
