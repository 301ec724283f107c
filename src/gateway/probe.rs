//! Asking a server that should be ours what it is. The build comes first: of a wrong one nothing more is asked, because
//! an old program may take money where the new one only looks (L1). It only sends GET, and reads no order.

use super::wire::{Answer, Purpose, Request, Wire};
use super::{CallError, tame};
use serde_json::Value;

/// A path that this program does not have and never will.
const UNKNOWN_PATH: &str = "/api/debug/there-is-no-such-path";
const CHECK: &str = "/api/debug/post-sale-integrity-check";

/// What a server of the right build answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub url: String,
    pub commit: String,
    /// Without a token; 404 is right. `Err`: no answer.
    pub unknown_path: Result<u16, String>,
    /// Without a token; 200 is right.
    pub check: Result<u16, String>,
    /// What the check said openly, as JSON.
    pub checked: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// Nothing more was asked.
    WrongBuild {
        found: String,
        expected: String,
    },
    NoAnswer(String),
    Right(Service),
}

/// Looks at the server at `url` (scheme and authority). `expected`: a commit, or at least its first seven characters.
pub fn look(wire: &dyn Wire, url: &str, expected: &str) -> Looked {
    let url = url.trim_end_matches('/');
    let answer = match get(wire, &format!("{url}/api/version"), None) {
        Ok(answer) => answer,
        Err(error) => return Looked::NoAnswer(error.to_string()),
    };
    let commit = match build_of(&answer) {
        Ok(commit) if is_same(&commit, expected) => commit,
        Ok(found) | Err(found) => return Looked::WrongBuild { found, expected: expected.to_owned() },
    };
    let status = |path: &str| get(wire, &format!("{url}{path}"), None).map_err(|error| error.to_string());
    let unknown_path = status(UNKNOWN_PATH).map(|answer| answer.status);
    let check = status(CHECK);
    let checked = check.as_ref().ok().and_then(|answer| serde_json::from_slice(&answer.body).ok());
    let check = check.map(|answer| answer.status);
    Looked::Right(Service { url: url.to_owned(), commit, unknown_path, check, checked })
}

/// One GET; `secret` goes along as `x-internal-secret`.
pub fn get(wire: &dyn Wire, url: &str, secret: Option<&super::Secret>) -> Result<Answer, CallError> {
    let headers = secret.map(|secret| ("x-internal-secret".to_owned(), secret.expose().to_owned()));
    let headers = headers.into_iter().collect();
    let request = Request { method: "GET", url: url.to_owned(), headers, body: Vec::new(), purpose: Purpose::LookUp };
    wire.ask(&request)
}

/// The commit, said by header and body alike. `Err` says what was found in its place.
fn build_of(answer: &Answer) -> Result<String, String> {
    let header = answer.header("x-postsale-build").map(|text| tame(text, 80));
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let told = body.as_ref().and_then(|body| body["commit"].as_str()).map(|text| tame(text, 80));
    match (header, told) {
        (Some(header), Some(told)) if header == told && answer.status == 200 => Ok(header),
        (None, _) => Err(format!("an answer with status {} and no build", answer.status)),
        (Some(header), told) => {
            Err(format!("status {}, header {header}, body {}", answer.status, told.unwrap_or("-".into())))
        }
    }
}

/// A dirty tree is not the commit it began with.
pub fn is_same(found: &str, expected: &str) -> bool {
    let dirty = |commit: &str| commit.ends_with("-dirty");
    found == expected || expected.len() >= 7 && found.starts_with(expected) && !dirty(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::scripted::Scripted;

    #[test]
    fn builds_are_the_same_or_they_are_not() {
        let check = |found, expected, is| assert_eq!(is_same(found, expected), is, "{found} {expected}");
        check("0123456789abcdef", "0123456789abcdef", true);
        check("0123456789abcdef", "0123456", true);
        check("0123456789abcdef", "012345", false);
        check("0123456789abcdef-dirty", "0123456789abcdef", false);
        check("0123456789abcdef-dirty", "0123456789abcdef-dirty", true);
        check("", "", true);
        check("unknown", "0123456", false);
    }

    #[test]
    fn l1_of_a_wrong_build_nothing_more_is_asked() {
        let check = |status: u16, header: Option<&str>, body: &str| {
            let headers = header.map(|commit| ("x-postsale-build".to_owned(), commit.to_owned())).into_iter().collect();
            let wire = Scripted::new().then_reply(Ok(Answer { status, headers, body: body.as_bytes().to_vec() }));
            let looked = look(&*wire, "http://x", "abcdef0123");
            assert!(matches!(looked, Looked::WrongBuild { .. }), "{looked:?}");
            assert_eq!(wire.asked().len(), 1);
        };
        check(401, None, "");
        check(200, None, "{\"commit\":\"abcdef0123\"}");
        check(200, Some("other"), "{\"commit\":\"other\"}");
        check(200, Some("abcdef0123"), "{\"commit\":\"other\"}");
        check(502, Some("abcdef0123"), "{\"commit\":\"abcdef0123\"}");
    }

    #[test]
    fn of_the_right_build_two_more_things_are_asked_without_a_token() {
        let headers = vec![("x-postsale-build".to_owned(), "abcdef0123".to_owned())];
        let version = Answer { status: 200, headers, body: b"{\"commit\":\"abcdef0123\"}".to_vec() };
        let wire = Scripted::new().then_reply(Ok(version)).then(401, "").then(200, "{\"verdict\":\"PROVEN\"}");
        let Looked::Right(service) = look(&*wire, "http://x/", "abcdef0") else { panic!("it is the right one") };
        assert_eq!((service.unknown_path, service.check), (Ok(401), Ok(200)));
        assert!(wire.asked().iter().all(|request| request.method == "GET" && request.headers.is_empty()));
    }
}
