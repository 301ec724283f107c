//! The head of a request, parsed so strictly that nobody behind us can read it differently: what is ambiguous (two
//! lengths, a folded line, a bare line feed) is refused, not repaired. No I/O.

use super::limits::Limits;
use super::problem::Problem;

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

/// A head that passed. Its headers may hold secrets, so only tests can print it.
#[cfg_attr(test, derive(Debug))]
pub(super) struct Head {
    pub(super) method: String,
    /// Path and query, beginning with `/`, visible ASCII.
    pub(super) target: String,
    /// Names in lower case, values in printable ASCII; hop-by-hop headers are gone.
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) keeps_alive: bool,
    pub(super) wants_continue: bool,
}

/// Headers that a request may hold once at most: two of them could be read as either.
const SINGLE: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "content-type",
    "authorization",
    "x-internal-secret",
    "idempotency-key",
    "x-request-id",
];

/// Headers that end at the gate.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
];

fn bad(detail: &str) -> Problem {
    Problem::bad_request("bad_request", detail)
}

/// Looks for the end of the head in `bytes`, of which the first `scanned` were looked at before. `Ok(None)`: not there
/// yet. A line feed or carriage return that stands alone, or a NUL, is refused as soon as it is seen.
pub(super) fn find_end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, Problem> {
    for at in *scanned..bytes.len() {
        let before = if at == 0 { 0 } else { bytes[at - 1] };
        match bytes[at] {
            0 => return Err(bad("The head holds a NUL.")),
            b'\n' if before != b'\r' => return Err(bad("A line ends without a carriage return.")),
            b'\n' if at >= 3 && bytes[at - 3..at] == *b"\r\n\r" => return Ok(Some(at + 1)),
            b'\n' => {}
            _ if before == b'\r' => return Err(bad("A carriage return stands alone.")),
            _ => {}
        }
    }
    *scanned = bytes.len();
    Ok(None)
}

/// Refuses a head that has grown too large before its end was seen.
pub(super) fn still_fits(bytes: &[u8], limits: &Limits) -> Result<(), Problem> {
    let has_line = bytes.contains(&b'\n');
    if !has_line && bytes.len() > limits.target_bytes_max + 64 {
        let is_request_line = bytes[..32].contains(&b' ');
        return Err(if is_request_line { too_long() } else { bad("This is no request line.") });
    }
    if bytes.len() > limits.head_bytes_max {
        return Err(too_large("The head is too large."));
    }
    Ok(())
}

fn too_long() -> Problem {
    Problem::new(414, "uri_too_long", "The request target is too long.")
}

fn too_large(detail: &str) -> Problem {
    Problem::new(431, "head_too_large", detail)
}

/// Parses a whole head, the empty line at its end included.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Head, Problem> {
    if bytes.len() > limits.head_bytes_max {
        return Err(too_large("The head is too large."));
    }
    // One place more than allowed, so that too many are told from malformed ones.
    let mut places = vec![httparse::EMPTY_HEADER; limits.headers_max];
    let mut request = httparse::Request::new(&mut places);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(bad("The head is not complete.")),
        Err(httparse::Error::TooManyHeaders) => return Err(too_large("There are too many headers.")),
        Err(httparse::Error::Version) if names_a_version(bytes) => {
            return Err(Problem::new(505, "version_unknown", "This server speaks HTTP/1.0 and HTTP/1.1."));
        }
        Err(error) => return Err(bad(&format!("The head is malformed: {error}."))),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(bad("The request line is not complete."));
    };
    check_target(method, target, limits)?;
    let headers = texts(request.headers);
    check_single(&headers)?;
    let is_1_1 = minor == 1;
    check_host(&headers, is_1_1)?;
    let framing = framing(&headers, is_1_1)?;
    if let Framing::Length(length) = framing
        && length > limits.body_bytes_max
    {
        return Err(body_too_large(limits));
    }
    Ok(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        keeps_alive: is_1_1 && !says(&headers, "connection", "close"),
        wants_continue: is_1_1 && wants_continue(&headers)?,
        framing,
        headers: headers.into_iter().filter(|(name, _)| passes(name)).collect(),
    })
}

pub(super) fn body_too_large(limits: &Limits) -> Problem {
    Problem::new(413, "body_too_large", format!("A body has at most {} bytes.", limits.body_bytes_max))
}

/// True if the request line ends in something shaped like a version: another protocol, rather than garbage.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut words = line.rsplit(|b| *b == b' ');
    let version = words.next().and_then(|w| w.strip_prefix(b"HTTP/")).unwrap_or_default();
    !version.is_empty() && version.iter().all(|b| b.is_ascii_digit() || *b == b'.') && words.count() == 2
}

fn check_target(method: &str, target: &str, limits: &Limits) -> Result<(), Problem> {
    if method.len() > 32 {
        return Err(bad("The method is too long."));
    }
    if target.len() > limits.target_bytes_max {
        return Err(too_long());
    }
    // A proxy's request (`http://…`, `host:port`, `*`) is not for us, and a fragment never belongs on the wire.
    if !target.starts_with('/') || target.contains('#') || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("The request target has to be a plain path."));
    }
    Ok(())
}

/// Header lines as text. Bytes beyond ASCII are legal in a value but not in tiny_http, so they are written as `%XX`.
fn texts(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let text = |value: &[u8]| {
        let mut out = String::with_capacity(value.len());
        for byte in value {
            match byte {
                0x80.. => out.push_str(&format!("%{byte:02X}")),
                ascii => out.push(char::from(*ascii)),
            }
        }
        out.trim_matches([' ', '\t']).to_owned()
    };
    headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect()
}

fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn says(headers: &[(String, String)], name: &str, word: &str) -> bool {
    values(headers, name).flat_map(|v| v.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

fn check_single(headers: &[(String, String)]) -> Result<(), Problem> {
    match SINGLE.iter().find(|name| values(headers, name).count() > 1) {
        Some(name) => Err(bad(&format!("There is more than one {name} header."))),
        None => Ok(()),
    }
}

fn check_host(headers: &[(String, String)], is_required: bool) -> Result<(), Problem> {
    match values(headers, "host").next() {
        None if is_required => Err(bad("There is no Host header.")),
        None => Ok(()),
        Some(host) if !host.is_empty() && host.bytes().all(is_host_byte) => Ok(()),
        Some(_) => Err(bad("The Host header is no host.")),
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(&byte)
}

fn framing(headers: &[(String, String)], is_1_1: bool) -> Result<Framing, Problem> {
    let length = values(headers, "content-length").next();
    let Some(coding) = values(headers, "transfer-encoding").next() else {
        return length.map_or(Ok(Framing::Length(0)), |digits| self::length(digits).map(Framing::Length));
    };
    if length.is_some() {
        return Err(bad("Content-Length and Transfer-Encoding contradict each other."));
    }
    if !is_1_1 {
        return Err(bad("HTTP/1.0 has no Transfer-Encoding."));
    }
    if !coding.eq_ignore_ascii_case("chunked") {
        return Err(Problem::new(501, "transfer_encoding_unknown", "The only transfer encoding here is chunked."));
    }
    Ok(Framing::Chunked)
}

/// A number too large for us is too large a body; anything but digits is no number.
fn length(digits: &str) -> Result<usize, Problem> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad("The Content-Length is no number."));
    }
    Ok(digits.parse().unwrap_or(usize::MAX))
}

fn wants_continue(headers: &[(String, String)]) -> Result<bool, Problem> {
    let mut wishes = values(headers, "expect");
    match (wishes.next(), wishes.next()) {
        (None, _) => Ok(false),
        (Some(wish), None) if wish.eq_ignore_ascii_case("100-continue") => Ok(true),
        _ => Err(Problem::new(417, "expectation_unknown", "The only expectation met here is 100-continue.")),
    }
}

/// Our own names cannot come from outside.
fn passes(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name) && !name.starts_with("x-postsale-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a text through both stages, as the gate does.
    fn read(text: &[u8]) -> Result<Head, u16> {
        let limits = Limits::default();
        match find_end(text, &mut 0).map_err(|p| p.status)? {
            Some(end) => parse(&text[..end], &limits).map_err(|p| p.status),
            None => Err(still_fits(text, &limits).map_or_else(|p| p.status, |()| 0)),
        }
    }

    fn check_refused(text: &str, status: u16) {
        assert_eq!(read(text.as_bytes()).map(|_| ()).unwrap_err(), status, "{text:.200?}");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let with = |line: &str| format!("POST /x HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        for (line, status) in [
            ("Content-Length: abc", 400),
            ("Content-Length: +5", 400),
            ("Content-Length: -1", 400),
            ("Content-Length: 5, 5", 400),
            ("Content-Length:", 400),
            ("Content-Length: 0x5", 400),
            ("Content-Length: 5 5", 400),
            ("Content-Length: 5\r\nContent-Length: 5", 400),
            ("Content-Length: 1048577", 413),
            ("Content-Length: 10000000000", 413),
            ("Content-Length: 18446744073709551615", 413),
            ("Content-Length: 18446744073709551616", 413),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: gzip, chunked", 501),
            ("Transfer-Encoding: identity", 501),
            ("Transfer-Encoding: xchunked", 501),
            ("Transfer-Encoding: chunked, identity", 501),
            ("Transfer-Encoding:", 501),
            ("Transfer-Encoding: \u{b}chunked", 400),
            ("Transfer-Encoding : chunked", 400),
            ("A : b", 400),
            (" A: b", 400),
            ("A: b\r\n folded", 400),
            ("A: b\r\n\tfolded", 400),
            ("A", 400),
            (": b", 400),
            ("A b: c", 400),
            ("A: b\u{7f}", 400),
            ("A: b\nB: c", 400),
            ("A: b\rB: c", 400),
            ("A: b\0", 400),
            ("A: b\u{1}", 400),
            ("Host: b", 400),
            ("Expect: 200-ok", 417),
            ("Expect: 100-continue\r\nExpect: 100-continue", 417),
            ("Authorization: a\r\nauthorization: b", 400),
            ("Idempotency-Key: a\r\nidempotency-key: b", 400),
        ] {
            check_refused(&with(line), status);
        }
    }

    #[test]
    fn a_request_line_is_plain_or_refused() {
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
            ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("G\u{1}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\n", 505),
            ("GET / HTTX/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: a\n\n", 400),
            ("\u{16}\u{3}\u{1}\0", 400),
        ] {
            check_refused(text, status);
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let with = |line: &str| format!("POST /x HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        check_refused(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8192)), 414);
        check_refused(&format!("GET /{}", "x".repeat(9000)), 414);
        check_refused(&"x".repeat(9000), 400);
        check_refused(&with("A: b\r\n".repeat(100).trim_end()), 431);
        check_refused(&with(&format!("A: {}", "b".repeat(16_384))), 431);
        check_refused(&format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(16_384)), 431);
    }

    #[test]
    fn what_is_plain_passes() {
        fn check(text: &[u8], expected: &dyn Fn(&Head) -> bool) {
            let head = read(text).unwrap();
            assert!(expected(&head), "{head:?}");
        }
        check(b"GET /a?b=c HTTP/1.1\r\nHost: a:1\r\n\r\n", &|h| {
            h.method == "GET" && h.target == "/a?b=c" && h.keeps_alive && h.framing == Framing::Length(0)
        });
        check(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &|h| !h.keeps_alive);
        check(b"GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: x, Close\r\n\r\n", &|h| !h.keeps_alive);
        check(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\n", &|h| h.framing == Framing::Length(5));
        check(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", &|h| h.framing == Framing::Chunked);
        check(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n", &|h| h.wants_continue);
        check(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &|h| !h.wants_continue);
        check(
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Postsale-Peer: 127.0.0.1\r\nTE: trailers\r\nX: \xc3\xa9 \r\n\r\n",
            &|h| h.headers == [("host".to_owned(), "a".to_owned()), ("x".to_owned(), "%C3%A9".to_owned())],
        );
        let hundred = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(99));
        check(hundred.as_bytes(), &|h| h.headers.len() == 100);
    }

    #[test]
    fn no_mutation_breaks_out() {
        let whole =
            b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX: y\r\n\r\nhello";
        let pieces: [&[u8]; 8] = [b"\r", b"\n", b"\0", b" ", b":", b"\r\n", b"Transfer-Encoding: chunked\r\n", b"\xff"];
        let mut seed: u64 = 1;
        let mut draw = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        let mut passed = 0;
        for _ in 0..50_000 {
            let mut text = whole.to_vec();
            for _ in 0..=draw(3) {
                let at = draw(text.len());
                match draw(3) {
                    0 => text[at] = u8::try_from(draw(256)).unwrap(),
                    1 => drop(text.remove(at)),
                    _ => drop(text.splice(at..at, pieces[draw(pieces.len())].iter().copied())),
                }
            }
            let Ok(head) = read(&text) else { continue };
            passed += 1;
            let words = head.headers.iter().flat_map(|(name, value)| [name, value]).chain([&head.target, &head.method]);
            for word in words {
                assert!(word.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\t'), "{head:?} from {text:?}");
            }
        }
        assert!(passed > 1000, "the mutations were too wild to test anything: {passed}");
    }

    #[test]
    fn the_end_is_found_across_pieces() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
        let mut scanned = 0;
        for end in 0..text.len() - 4 {
            assert_eq!(find_end(&text[..end], &mut scanned).unwrap(), None, "after {end}");
        }
        assert_eq!(find_end(text, &mut scanned).unwrap(), Some(text.len() - 4));
    }
}
