//! An answer before it goes out. Every answer leaves with the same house headers; a header value can never hold a line
//! break, whoever supplied it (tiny_http does not check, so we do).

use super::problem::{Problem, reason};
use serde::Serialize;
use std::fmt;

/// Headers that every answer carries unless the route has set its own.
const HOUSE: [(&str, &str); 5] = [
    ("content-type", "text/plain; charset=utf-8"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"),
];

/// What a route answers.
#[derive(Clone)]
pub struct Response {
    /// HTTP status, 200 to 599.
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A body may hold a buyer, a header a session, so neither is printed.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

impl Response {
    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// `value` as JSON. A value that cannot be written as JSON (a map with keys that are no strings) is a mistake of
    /// ours and answers 500.
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, headers: Vec::new(), body }.header("content-type", "application/json"),
            Err(error) => {
                log::error!("an answer could not be written as JSON: {error}");
                Problem::internal().into()
            }
        }
    }

    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: text.into().into_bytes() }
    }

    /// A whole page. Escaping is the page's duty.
    pub fn html(status: u16, page: impl Into<String>) -> Self {
        Self::text(status, page).header("content-type", "text/html; charset=utf-8")
    }

    /// 303: read the outcome there, with GET.
    pub fn see_other(location: &str) -> Self {
        Self::empty(303).header("location", location)
    }

    /// Sets a header, in place of one of the same name. Bytes that do not belong into a header value (line breaks,
    /// control characters, anything outside ASCII) are written as `%XX`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.also(name, value)
    }

    /// Adds a header beside others of the same name (`Set-Cookie`).
    pub fn also(mut self, name: &str, value: &str) -> Self {
        let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if is_token {
            self.headers.push((name.to_ascii_lowercase(), clean(value)));
        } else {
            log::error!("a header with an impossible name was left out");
        }
        self
    }

    /// The first value of a header, `None` where it is not set.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(super) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The last hand before an answer leaves: build, request id and the house headers.
    pub(super) fn sealed(mut self, build: &str, id: &str) -> Self {
        for (name, value) in HOUSE {
            if self.header_value(name).is_none() {
                self = self.also(name, value);
            }
        }
        self.header("x-postsale-build", build).header("x-request-id", id)
    }

    /// Head and body as they stand on the wire, for the answers that the gate gives by itself.
    pub(super) fn wire(&self, with_body: bool, close: bool) -> Vec<u8> {
        let mut out = status_line(self.status).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        out.extend_from_slice(format!("date: {}\r\ncontent-length: {}\r\n", date(), self.body.len()).as_bytes());
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if with_body {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let mut response = Self { status: problem.status, headers: Vec::new(), body: problem.document() }
            .header("content-type", "application/problem+json");
        for (name, value) in &problem.headers {
            response = response.header(name, value);
        }
        response
    }
}

pub(super) fn status_line(status: u16) -> String {
    format!("HTTP/1.1 {status} {}\r\n", reason(status))
}

fn date() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn clean(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.trim().bytes() {
        match byte {
            b' '..=b'~' | b'\t' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_value_breaks_a_line() {
        fn check(value: &str, expected: &str) {
            let response = Response::see_other(value);
            assert_eq!(response.header_value("Location"), Some(expected));
            let wire = String::from_utf8(response.sealed("b", "i").wire(true, true)).unwrap();
            assert_eq!(wire.matches("\r\nx-evil").count(), 0, "{wire}");
        }
        check("/orders/1?a=b", "/orders/1?a=b");
        check("/x\r\nx-evil: 1", "/x%0D%0Ax-evil: 1");
        check("/x\nx-evil: 1", "/x%0Ax-evil: 1");
        check("/x\0\u{7f}é", "/x%00%7F%C3%A9");
        assert!(Response::empty(200).header("bad name\r\n", "v").headers().is_empty());
    }

    #[test]
    fn the_house_headers_are_there_and_can_be_replaced() {
        let sealed = Response::json(200, &[1]).header("cache-control", "max-age=60").sealed("abc", "id-1");
        fn check(sealed: &Response, name: &str, value: &str) {
            assert_eq!(sealed.header_value(name), Some(value));
        }
        check(&sealed, "content-type", "application/json");
        check(&sealed, "cache-control", "max-age=60");
        check(&sealed, "x-content-type-options", "nosniff");
        check(&sealed, "referrer-policy", "no-referrer");
        check(&sealed, "x-postsale-build", "abc");
        check(&sealed, "x-request-id", "id-1");
        assert!(sealed.header_value("content-security-policy").unwrap().starts_with("default-src 'none'"));
    }
}
