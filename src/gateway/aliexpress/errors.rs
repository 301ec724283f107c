//! The one table that says what AliExpress' answers mean. It must never take anything for "not bought" that stops
//! after the order logic may have begun.

use crate::gateway::json::Node;
use crate::gateway::wire::Answer;
use crate::gateway::{CallError, tame};

/// What an answer says, in whichever shape it came.
pub(super) enum Said {
    /// What stood in the envelope.
    Payload { node: Node, request_id: Option<String> },
    /// The gateway's complaint, from `/sync` (in an envelope) or `/rest` (bare).
    Complaint { code: String, sub_code: Option<String>, reason: String, request_id: Option<String> },
    /// 429 without a word that we know.
    NotNow,
    /// No JSON object, several envelopes, or a server error.
    Noise(String),
}

impl Said {
    /// For the log. `None` for a payload.
    pub fn code(&self) -> Option<&str> {
        match self {
            Said::Payload { .. } => None,
            Said::Complaint { code, sub_code, .. } => Some(sub_code.as_deref().unwrap_or(code)),
            Said::NotNow => Some("429"),
            Said::Noise(_) => Some("unreadable"),
        }
    }

    pub fn request_id(&self) -> Option<&str> {
        match self {
            Said::Payload { request_id, .. } | Said::Complaint { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }
}

/// Codes that stop a call before any order logic.
const STOPPED_BEFORE: &str = "IncompleteSignature IllegalTimestamp InvalidAppKey InvalidAppkey MissingParameter \
     InvalidParameter InvalidApiPath InsufficientPermission IllegalAccessToken IllegalRefreshToken InvalidCode \
     AUTH_TYPE_UNSUPPORTED";

/// "Not now": the ban lasts about a second.
const TOO_OFTEN: &str = "ApiCallLimit AppCallLimit";

/// What a person does about a refusal that no program can mend; `None` = nothing special. A word and no proof: whether
/// anything ran is decided by the code alone.
fn what_to_do(code: &str, sub_code: Option<&str>, told: &str) -> Option<&'static str> {
    let told = told.to_ascii_lowercase().replace(['-', ' '], "");
    if code.contains("WhiteIp") || told.contains("whitelist") || told.contains("ipisnotallowed") {
        return Some("this machine's address is not on the app's IP list: App Console, Security, IP white list");
    }
    match (sub_code.unwrap_or(""), code) {
        ("isv.account-migration-check-fail", _) => {
            Some("this account is not a buyer account of the DS Center: sign its agreement first")
        }
        (_, "InsufficientPermission") => {
            Some("the app lacks the permission for this method: App Console, API permission, Dropshipping")
        }
        (_, "IllegalAccessToken") => Some("log in again: postsale aliexpress login"),
        (_, "IllegalRefreshToken") => Some("the consent is over: postsale aliexpress login"),
        (_, "InvalidCode") => Some("a code lives three minutes and works once"),
        (_, "InvalidAppKey" | "InvalidAppkey") => Some("ALIEXPRESS_APP_KEY is not the app's"),
        (_, "IncompleteSignature") => Some("ALIEXPRESS_APP_SECRET is not the app's"),
        (_, "IllegalTimestamp") => Some("set this machine's clock"),
        _ => None,
    }
}

fn is_among(code: &str, list: &str) -> bool {
    list.split_whitespace().any(|c| c == code)
}

pub(super) fn read(answer: &Answer) -> Said {
    let Some(body) = Node::parse(&answer.body).filter(Node::is_object) else {
        return if answer.status == 429 { Said::NotNow } else { Said::Noise(format!("{}, not JSON", answer.status)) };
    };
    let envelopes: Vec<&Node> = body.fields().filter(|(n, _)| is_envelope(n)).map(|(_, node)| node).collect();
    let request_id = |node: &Node| node.at("request_id").text().map(|id| tame(id, 60));
    let complaint = |node: &Node| {
        let sub_code = node.at("sub_code").text().map(|c| tame(c, 80));
        let told = [node.at("sub_msg"), node.at("msg"), node.at("message")].into_iter().find_map(Node::text);
        let told = tame(told.unwrap_or("AliExpress gave no reason"), 200);
        let code = tame(node.at("code").text().unwrap_or(""), 80);
        let reason = match what_to_do(&code, sub_code.as_deref(), &told) {
            Some(hint) => format!("{told} ({hint})"),
            None => told,
        };
        Said::Complaint { code, sub_code, reason, request_id: request_id(node) }
    };
    let is_complaint =
        |node: &Node| node.at("type").text().is_some() || node.at("code").text().is_some_and(|c| c != "0");
    match (body.at("error_response"), envelopes.as_slice()) {
        _ if answer.status >= 500 => Said::Noise(format!("HTTP {}", answer.status)),
        (Node::Null, []) if is_complaint(&body) && !body.at("result").is_object() => complaint(&body),
        (error, []) if error.is_object() => complaint(error),
        _ if answer.status == 429 => Said::NotNow,
        _ if answer.status != 200 => Said::Noise(format!("HTTP {}", answer.status)),
        (Node::Null, []) => Said::Payload { request_id: request_id(&body), node: body },
        (Node::Null, [only]) => {
            let request_id = request_id(only).or_else(|| request_id(&body));
            Said::Payload { node: (*only).clone(), request_id }
        }
        _ => Said::Noise("an error and a result, or several results".to_owned()),
    }
}

/// `aliexpress_ds_order_create_response`; older names differ before the ending.
fn is_envelope(name: &str) -> bool {
    name.ends_with("_response") && name != "error_response"
}

/// What may be done after a complaint of the gateway. The same for calls that buy: only codes that stop before any
/// order logic are a no, and code 15 (a failure behind the gateway) never is.
fn complaint(code: String, sub_code: Option<String>, reason: String, request_id: Option<String>) -> CallError {
    let from_behind = sub_code.as_deref().is_some_and(|sub| sub.starts_with("isp."));
    if is_among(&code, TOO_OFTEN) {
        return CallError::Unsent(format!("{code}: {reason}"));
    }
    if is_among(&code, STOPPED_BEFORE) && !from_behind {
        return CallError::Refused { code, reason, debug_id: request_id };
    }
    let id = request_id.map(|id| format!(" (request id {id})")).unwrap_or_default();
    CallError::Unknown(format!("{code} {} {reason}{id}", sub_code.as_deref().unwrap_or("")))
}

/// For a call whose wrong "no" could cost money: the payload, or what its failure proves.
pub(super) fn strict(said: Said) -> Result<Node, CallError> {
    match said {
        Said::Payload { node, .. } => Ok(node),
        Said::Complaint { code, sub_code, reason, request_id } => Err(complaint(code, sub_code, reason, request_id)),
        Said::NotNow => Err(CallError::Unsent("HTTP 429".to_owned())),
        Said::Noise(what) => Err(CallError::Unknown(format!("AliExpress answered {what}"))),
    }
}

/// For a look-up: also a complaint of the business logic is passed on under its code, for whoever asked to judge.
pub(super) fn look_up(said: Said) -> Result<Node, CallError> {
    match said {
        Said::Complaint { sub_code: Some(sub), reason, request_id, .. } if sub.starts_with("isv.") => {
            Err(CallError::Refused { code: sub, reason, debug_id: request_id })
        }
        other => strict(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `N` no with its code, `U` unknown, `-` not now, `P` payload.
    fn verdict(error: Result<Node, CallError>) -> String {
        match error {
            Ok(_) => "P".to_owned(),
            Err(CallError::Refused { code, .. }) => format!("N {code}"),
            Err(CallError::Unsent(_)) => "-".to_owned(),
            Err(CallError::Unknown(_)) => "U".to_owned(),
        }
    }

    fn check(status: u16, body: &str, strictly: &str, as_look_up: &str) {
        let answer = Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        assert_eq!(verdict(strict(read(&answer))), strictly, "{status} {body}");
        assert_eq!(verdict(look_up(read(&answer))), as_look_up, "{status} {body}");
    }

    #[test]
    fn codes_that_stop_before_the_order_logic_are_a_no() {
        for code in STOPPED_BEFORE.split_whitespace() {
            let no = format!("N {code}");
            let enveloped = format!(r#"{{"error_response":{{"type":"ISV","code":"{code}","msg":"m"}}}}"#);
            check(200, &enveloped, &no, &no);
            check(200, &format!(r#"{{"type":"ISV","code":"{code}","message":"m"}}"#), &no, &no);
        }
        for code in TOO_OFTEN.split_whitespace() {
            check(200, &format!(r#"{{"error_response":{{"code":"{code}"}}}}"#), "-", "-");
        }
        let body = r#"{"error_response":{"code":"InvalidParameter","sub_code":"isp.service-unavailable"}}"#;
        check(200, body, "U", "U");
    }

    #[test]
    fn failures_behind_the_gateway_prove_nothing() {
        let denied = r#"{"error_response":{"code":15,"sub_code":"isv.insufficient-permission","msg":"Remote"}}"#;
        check(200, denied, "U", "N isv.insufficient-permission");
        check(200, r#"{"error_response":{"code":"15","sub_code":"isp.service-unavailable"}}"#, "U", "U");
        for code in ["ServiceUnavailable", "ServiceTimeout", "InternalError", "SomethingNew"] {
            check(200, &format!(r#"{{"error_response":{{"type":"SYSTEM","code":"{code}"}}}}"#), "U", "U");
        }
        check(200, r#"{"error_response":{}}"#, "U", "U");
        check(500, r#"{"error_response":{"code":"IncompleteSignature"}}"#, "U", "U");
        check(200, "<html>Maintaining</html>", "U", "U");
        check(502, "", "U", "U");
        check(403, r#"{"x_response":{}}"#, "U", "U");
        check(429, "slow down", "-", "-");
    }

    #[test]
    fn what_a_person_has_to_mend_is_named() {
        let check = |body: &str, expected: Option<&str>| {
            let answer = Answer { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
            let said = match look_up(read(&answer)) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{body}"),
            };
            match expected {
                Some(words) => assert!(said.contains(words), "{said}"),
                None => assert!(!said.contains('('), "{said}"),
            }
        };
        check(r#"{"error_response":{"code":"InsufficientPermission","msg":"no"}}"#, Some("lacks the permission"));
        check(r#"{"code":"AppWhiteIpLimit","message":"no"}"#, Some("IP white list"));
        check(r#"{"code":"X","message":"The IP is not in the white list"}"#, Some("IP white list"));
        check(r#"{"code":"IllegalRefreshToken","message":"no"}"#, Some("aliexpress login"));
        let account = r#"{"error_response":{"code":15,"sub_code":"isv.account-migration-check-fail","msg":"no"}}"#;
        check(account, Some("DS Center"));
        check(r#"{"error_response":{"code":"ServiceUnavailable","msg":"no"}}"#, None);
    }

    #[test]
    fn envelopes_of_every_name_are_opened() {
        check(200, r#"{"aliexpress_ds_order_create_response":{"result":{}}}"#, "P", "P");
        check(200, r#"{"/auth/token/create_response":{"code":"0"}}"#, "P", "P");
        check(200, r#"{"result":{"is_success":true},"request_id":"1"}"#, "P", "P");
        check(200, r#"{"result":{"success":true},"code":"200"}"#, "P", "P");
        check(200, r#"{"access_token":"x","code":"0"}"#, "P", "P");
        check(200, r#"{"a_response":{},"b_response":{}}"#, "U", "U");
        check(200, r#"{"a_response":{},"error_response":{"code":"InvalidAppKey"}}"#, "U", "U");
    }
}
