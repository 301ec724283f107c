//! What goes wrong, told to a program: RFC 9457 problem documents. A problem never carries a secret, a body or the text
//! of an internal error; what the operator needs beyond it stands in the log under the request id.

use serde_json::{Map, Value};

/// A refusal or a failure as the client sees it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The stable word a program branches on, in snake case.
    pub code: &'static str,
    /// What is wrong with this very request, as a sentence for a human.
    pub detail: String,
    /// Further members of the document.
    pub extra: Map<String, Value>,
    /// Headers that belong to the refusal (`Allow`, `Retry-After`, `WWW-Authenticate`).
    pub headers: Vec<(&'static str, String)>,
}

impl Problem {
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), extra: Map::new(), headers: Vec::new() }
    }

    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(400, code, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not_found", detail)
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(409, code, detail)
    }

    /// Something of ours broke. The cause belongs into the log, not into the answer.
    pub fn internal() -> Self {
        Self::new(500, "internal", "Something went wrong on our side; the log has it under this request id.")
    }

    /// Not now: 503 with the seconds after which asking again makes sense.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(503, code, detail).retry_after(retry_after_s)
    }

    /// Too many requests: 429 with the seconds after which the next one is let through.
    pub fn too_many(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(429, "too_many_requests", detail).retry_after(retry_after_s)
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", seconds.to_string())
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a member to the document. The five members of its own cannot be replaced.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if !["type", "title", "status", "detail", "code"].contains(&name) {
            self.extra.insert(name.to_owned(), value.into());
        }
        self
    }

    /// The document as JSON.
    pub fn document(&self) -> Vec<u8> {
        let mut members = Map::new();
        members.insert("type".to_owned(), format!("urn:postsale:problem:{}", self.code).into());
        members.insert("title".to_owned(), title(self.code).into());
        members.insert("status".to_owned(), self.status.into());
        members.insert("detail".to_owned(), self.detail.clone().into());
        members.insert("code".to_owned(), self.code.into());
        members.extend(self.extra.clone());
        Value::Object(members).to_string().into_bytes()
    }
}

/// `body_too_large` reads as "Body too large": one title per code, as the RFC wants it.
fn title(code: &str) -> String {
    let mut words = code.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// The reason phrase of a status line; empty for a status we never send.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_its_members_and_keeps_them() {
        let problem =
            Problem::new(413, "body_too_large", "At most 1 MiB.").with("limit", 1_048_576).with("status", 200);
        let document: Value = serde_json::from_slice(&problem.document()).unwrap();
        let expected = serde_json::json!({
            "type": "urn:postsale:problem:body_too_large", "title": "Body too large", "status": 413,
            "detail": "At most 1 MiB.", "code": "body_too_large", "limit": 1_048_576,
        });
        assert_eq!(document, expected);
    }
}
