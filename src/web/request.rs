//! A request as a route sees it: whole, bounded, decoded strictly. What is malformed is refused here, so that no route
//! has to guess.

use super::auth::Caller;
use super::problem::Problem;
use serde::de::DeserializeOwned;
use std::fmt;
use std::net::IpAddr;

/// One request, with its body read.
#[derive(Clone)]
pub struct Request {
    /// In capitals, as sent. `HEAD` reaches the route of `GET`.
    pub method: String,
    /// The path as sent, without the query, still percent-encoded.
    pub path: String,
    /// The parts of the path that stand in braces in the route's pattern, decoded.
    pub params: Vec<(&'static str, String)>,
    /// The query, decoded, in the order sent.
    pub query: Vec<(String, String)>,
    /// The query as sent. May hold what must not be logged.
    pub query_raw: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The client; believed from `X-Forwarded-For` only where a trusted proxy says so.
    pub peer: IpAddr,
    /// True if the client sits on this machine and no proxy stands between.
    pub is_local: bool,
    /// The request id, `[A-Za-z0-9-]{1,64}`.
    pub id: String,
    pub caller: Caller,
}

/// Headers, query and body may hold secrets and addresses, so only the name of the request is printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {} {})", self.id, self.method, self.path)
    }
}

const QUERY_PAIRS_MAX: usize = 100;

impl Request {
    /// A bare request from this machine; what a test starts from.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query_raw) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            params: Vec::new(),
            query: Vec::new(),
            query_raw: query_raw.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            peer: IpAddr::from([127, 0, 0, 1]),
            is_local: true,
            id: "none".to_owned(),
            caller: Caller::nobody(),
        }
    }

    /// The first value of a header, `None` where the client sent none. `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A part of the path by the name it has in the pattern. A name that the pattern lacks is empty.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str())
    }

    /// The first value of a query key, `None` where it was not sent.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of a cookie, `None` where it was not sent.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.iter().filter(|(n, _)| n == "cookie").flat_map(|(_, v)| v.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The body as `T`. Anything but JSON of that shape is 400: `bad_content_type`, or `bad_json` with line and column.
    /// Nesting beyond 128 is refused by the parser, a repeated field by the derived shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if let Some(kind) = self.header("content-type") {
            let essence = kind.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(Problem::bad_request("bad_content_type", "The body has to be application/json."));
            }
        }
        if holds_escaped_nul(&self.body) {
            return Err(Problem::bad_request("bad_json", "A text holds the character U+0000."));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let detail: String = error.to_string().chars().take(300).collect();
            Problem::bad_request("bad_json", detail).with("line", error.line()).with("column", error.column())
        })
    }

    /// The `Idempotency-Key`: 1 to 255 visible ASCII characters. Missing or otherwise: 400.
    pub fn idempotency_key(&self) -> Result<&str, Problem> {
        let Some(key) = self.header("idempotency-key") else {
            return Err(Problem::bad_request("idempotency_key_missing", "This call needs an Idempotency-Key header."));
        };
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|b| b.is_ascii_graphic()) {
            let detail = "An Idempotency-Key has 1 to 255 visible ASCII characters.";
            return Err(Problem::bad_request("idempotency_key_invalid", detail));
        }
        Ok(key)
    }
}

/// True if a JSON text spells U+0000 as an escape. Texts end up in SQL, CSV and log lines, where it cuts them short.
fn holds_escaped_nul(json: &[u8]) -> bool {
    let mut rest = json.iter().enumerate();
    while let Some((at, byte)) = rest.next() {
        if *byte == b'\\' {
            if json[at + 1..].starts_with(b"u0000") {
                return true;
            }
            rest.next();
        }
    }
    false
}

/// The pairs of a query; `+` is a space. `None` if it is no well-formed UTF-8 in well-formed percent-encoding, holds a
/// control character, or has more than 100 pairs.
pub fn decode_query(raw: &str) -> Option<Vec<(String, String)>> {
    let parts: Vec<&str> = raw.split('&').filter(|part| !part.is_empty()).collect();
    if parts.len() > QUERY_PAIRS_MAX {
        return None;
    }
    let pair = |part: &&str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
    };
    parts.iter().map(pair).collect()
}

/// One percent-encoded word. `None` as above.
pub(super) fn decode(raw: &str) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            plain => plain,
        });
    }
    let text = String::from_utf8(out).ok()?;
    (!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))).then_some(text)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_strict() {
        fn check(raw: &str, expected: Option<&str>) {
            assert_eq!(decode(raw).as_deref(), expected, "{raw}");
        }
        check("plain", Some("plain"));
        check("a%20b%C3%A9", Some("a bé"));
        check("%2e%2E%2f", Some("../"));
        check("%", None);
        check("%4", None);
        check("%zz", None);
        check("%+1", None);
        check("%C3", None);
        check("%C0%AF", None);
        check("%ED%A0%80", None);
        check("%00", None);
        check("%u0041", None);
    }

    #[test]
    fn a_query_is_decoded_whole_or_not_at_all() {
        fn check(raw: &str, expected: Option<&[(&str, &str)]>) {
            let pairs = decode_query(raw);
            let pairs: Option<Vec<(&str, &str)>> =
                pairs.as_ref().map(|p| p.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect());
            assert_eq!(pairs.as_deref(), expected, "{raw}");
        }
        check("", Some(&[]));
        check("a=1&b=x+y&&c", Some(&[("a", "1"), ("b", "x y"), ("c", "")]));
        check("a=%26%3D", Some(&[("a", "&=")]));
        check("a=1&b=%", None);
        check(&"a=1&".repeat(100), Some([("a", "1")].repeat(100).as_slice()));
        check(&"a=1&".repeat(101), None);
    }

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Item {
        sku: String,
        #[serde(default)]
        quantity: u32,
    }

    #[test]
    fn json_is_this_shape_or_refused() {
        fn check(kind: Option<&str>, body: &str, expected: Result<u32, &str>) {
            let mut request = Request::new("POST", "/");
            request.body = body.as_bytes().to_vec();
            request.headers.extend(kind.map(|k| ("content-type".to_owned(), k.to_owned())));
            let got = request.json::<Item>().map(|item| item.quantity).map_err(|p| (p.status, p.code));
            assert_eq!(got, expected.map_err(|code| (400, code)), "{body}");
        }
        let good = r#"{"sku":"a","quantity":2}"#;
        check(None, good, Ok(2));
        check(Some("application/json; charset=utf-8"), good, Ok(2));
        check(Some("Application/JSON"), good, Ok(2));
        check(Some("text/plain"), good, Err("bad_content_type"));
        check(Some(""), good, Err("bad_content_type"));
        let deep = "[".repeat(100_000);
        for bad in [
            "",
            "{",
            "NaN",
            "null",
            "\u{feff}{}",
            r#"{"quantity":2}"#,
            r#"{"sku":"a","sku":"b"}"#,
            &deep,
            r#"{"sku":"a","quantity":1e999}"#,
            r#"{"sku":"a","quantity":-1}"#,
            r#"{"sku":"\ud800"}"#,
            r#"{"sku":"a\u0000"}"#,
            "{\"sku\":\"a\0\"}",
            r#"{"sku":"a"} x"#,
            r#"{"sku":"a","extra":1}"#,
        ] {
            check(None, bad, Err("bad_json"));
        }
        check(None, r#"{"sku":"\\u0000"}"#, Ok(0));
        let mut request = Request::new("POST", "/");
        request.body = b"{\n\"sku\":1}".to_vec();
        let problem = request.json::<Item>().unwrap_err();
        assert_eq!((&problem.extra["line"], &problem.extra["column"]), (&2.into(), &7.into()));
        assert!(problem.detail.contains("line 2"), "{}", problem.detail);
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii() {
        fn check(key: Option<&str>, expected: Result<&str, &str>) {
            let mut request = Request::new("POST", "/");
            request.headers.extend(key.map(|k| ("idempotency-key".to_owned(), k.to_owned())));
            assert_eq!(request.idempotency_key().map_err(|p| p.code), expected);
        }
        check(None, Err("idempotency_key_missing"));
        check(Some(""), Err("idempotency_key_invalid"));
        check(Some("a b"), Err("idempotency_key_invalid"));
        check(Some(&"x".repeat(256)), Err("idempotency_key_invalid"));
        check(Some("order-1"), Ok("order-1"));
    }

    #[test]
    fn a_printed_request_tells_no_secret() {
        let mut request = Request::new("POST", "/a?token=secret");
        request.headers.push(("x-internal-secret".to_owned(), "secret".to_owned()));
        request.body = b"secret".to_vec();
        assert_eq!(format!("{request:?}"), "Request(none POST /a)");
    }

    #[test]
    fn cookies_are_found_by_name() {
        let mut request = Request::new("GET", "/");
        request.headers.push(("cookie".to_owned(), "a=1; session=x=y".to_owned()));
        assert_eq!(request.cookie("session"), Some("x=y"));
        assert_eq!(request.cookie("b"), None);
    }
}
