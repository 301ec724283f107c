//! What every far side needs to read a request and to date and number its answers: header and form look-ups, clock
//! words, drawn identifiers. No socket here; the books are fed whole requests and give whole answers.

use jiff::{Timestamp, tz::TimeZone};
use ring::digest;
use serde_json::Value;

/// One whole request, as it came off the wire or straight from a simulator.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Without the query. For a single book also without the `/paypal` or `/aliexpress` in front.
    pub path: String,
    /// Without the question mark; still percent-encoded. Empty when there is none.
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as JSON, or `None` where it is not JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Query parameters, decoded, in the order they came.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        pairs(self.query.as_bytes())
    }

    /// Query and form body together, as the AliExpress gateway reads them.
    pub fn all_pairs(&self) -> Vec<(String, String)> {
        let mut all = self.query_pairs();
        all.extend(pairs(&self.body));
        all
    }
}

/// One whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub fn text(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), kind.into())], body: body.into() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body as JSON, or `Null` where it is not JSON.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Decodes `a=1&b=x%20y`. A broken escape is kept as it stands; a field without `=` has an empty value.
pub fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    encoded
        .split(|b| *b == b'&')
        .filter(|field| !field.is_empty())
        .map(|field| {
            let cut = field.iter().position(|b| *b == b'=');
            let (name, value) = cut.map_or((field, &b""[..]), |at| (&field[..at], &field[at + 1..]));
            (unescape(name), unescape(value))
        })
        .collect()
}

fn unescape(text: &[u8]) -> String {
    let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escaped = match text.get(at..at + 3) {
            Some([b'%', high, low]) => hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l),
            _ => None,
        };
        match escaped {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if text[at] == b'+' { b' ' } else { text[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The instant; times outside the calendar stand still at its edge.
pub fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `2026-01-31T12:00:00Z`
pub fn rfc3339(ms: i64) -> String {
    instant(ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `Sat, 31 Jan 2026 12:00:00 GMT`, for the `Date` header.
pub fn http_date(ms: i64) -> String {
    instant(ms).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `2026-01-31 04:00:00` on the clock of Los Angeles, which AliExpress shows without saying so.
pub fn pacific(ms: i64) -> String {
    // The rule is spelled out, so that no time zone file need be installed.
    let zone = TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").unwrap_or(TimeZone::UTC);
    instant(ms).to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

pub const CAPITALS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
pub const ACCOUNT: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
pub const NUMERALS: &[u8] = b"0123456789";
pub const HEX: &[u8] = b"0123456789abcdef";

/// An identifier of `len` letters that looks drawn by lot and is always the same for the same seed, kind and number.
/// `len` up to 32. It never begins with `0`.
pub fn draw(seed: u64, kind: &str, number: u64, letters: &[u8], len: usize) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{seed}/{kind}/{number}").as_bytes());
    let mut id: String =
        hash.as_ref().iter().take(len).map(|b| char::from(letters[usize::from(*b) % letters.len()])).collect();
    if id.starts_with('0') {
        id.replace_range(0..1, "7");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_once() {
        let check = |text: &str, name: &str, value: &str| {
            assert_eq!(pairs(text.as_bytes()), vec![(name.to_string(), value.to_string())], "{text}");
        };
        check("a=b", "a", "b");
        check("a=b+c%20d", "a", "b c d");
        check("a=%2B%25", "a", "+%");
        check("a", "a", "");
        check("a=b=c", "a", "b=c");
        check("a=%C3%B1", "a", "ñ");
        check("a=%zz%4", "a", "%zz%4");
    }

    #[test]
    fn the_pacific_clock_knows_summer_time() {
        assert_eq!(pacific(1_767_225_600_000), "2025-12-31 16:00:00");
        assert_eq!(pacific(1_783_000_000_000), "2026-07-02 06:46:40");
    }

    #[test]
    fn drawn_ids_are_stable_and_shaped() {
        let id = draw(7, "order", 1, CAPITALS, 17);
        assert_eq!(id, draw(7, "order", 1, CAPITALS, 17));
        assert_ne!(id, draw(8, "order", 1, CAPITALS, 17));
        assert!(id.len() == 17 && !id.starts_with('0'));
    }

    #[test]
    fn dates_are_written_for_the_wire() {
        assert_eq!(http_date(1_767_225_600_000), "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(rfc3339(1_767_225_600_999), "2026-01-01T00:00:00Z");
    }
}
