//! The body of a request, read whole and decoded before anybody behind us sees a byte of it. Never takes more memory
//! than the cap, whatever length is announced.

use super::head::{Framing, body_too_large};
use super::inlet::{Gone, Inlet};
use super::limits::{Grant, Limits};
use super::problem::Problem;
use std::time::Instant;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum NoBody {
    /// The client went away; nobody is there to be told.
    Closed,
    Refused(Problem),
}

/// A chunk's size line or one trailer line, with its line end.
const LINE_BYTES_MAX: usize = 1024;
const TRAILERS_MAX: usize = 32;

/// Reads the body up to the deadline. The grant has to cover what is read; if the common budget is spent, 503.
pub(super) fn read(
    inlet: &mut Inlet<'_>,
    framing: Framing,
    deadline: Instant,
    limits: &Limits,
    grant: &mut Grant,
) -> Result<Vec<u8>, NoBody> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => copy(inlet, &mut body, length, deadline, grant)?,
        Framing::Chunked => chunks(inlet, &mut body, deadline, limits, grant)?,
    }
    Ok(body)
}

fn bad(detail: &str) -> NoBody {
    NoBody::Refused(Problem::bad_request("bad_chunk", detail))
}

fn gone(gone: Gone) -> NoBody {
    match gone {
        Gone::Closed => NoBody::Closed,
        Gone::Late => NoBody::Refused(Problem::new(408, "body_too_slow", "The body did not arrive in time.")),
    }
}

/// Moves exactly `count` bytes. The memory grows with what has arrived, not with what was promised.
fn copy(
    inlet: &mut Inlet<'_>,
    body: &mut Vec<u8>,
    count: usize,
    deadline: Instant,
    grant: &mut Grant,
) -> Result<(), NoBody> {
    let mut left = count;
    while left > 0 {
        if inlet.pending().is_empty() {
            inlet.fill(deadline).map_err(gone)?;
        }
        let piece = inlet.pending().len().min(left);
        if !grant.covers(body.len() + piece) {
            let detail = "Too many large bodies are being sent at the moment.";
            return Err(NoBody::Refused(Problem::unavailable("busy", detail, 2)));
        }
        body.extend_from_slice(&inlet.pending()[..piece]);
        inlet.take(piece);
        left -= piece;
    }
    Ok(())
}

fn chunks(
    inlet: &mut Inlet<'_>,
    body: &mut Vec<u8>,
    deadline: Instant,
    limits: &Limits,
    grant: &mut Grant,
) -> Result<(), NoBody> {
    loop {
        let size = size(&line(inlet, deadline)?)?;
        if size > limits.body_bytes_max - body.len() {
            return Err(NoBody::Refused(body_too_large(limits)));
        }
        if size == 0 {
            return trailers(inlet, deadline);
        }
        copy(inlet, body, size, deadline, grant)?;
        if !line(inlet, deadline)?.is_empty() {
            return Err(bad("A chunk is longer than it said."));
        }
    }
}

/// Trailers are read and forgotten: a header that comes after the decision is worth nothing.
fn trailers(inlet: &mut Inlet<'_>, deadline: Instant) -> Result<(), NoBody> {
    for _ in 0..=TRAILERS_MAX {
        if line(inlet, deadline)?.is_empty() {
            return Ok(());
        }
    }
    Err(bad("There are too many trailers."))
}

/// Takes one line without its CRLF. Bare line ends and control characters are refused.
fn line(inlet: &mut Inlet<'_>, deadline: Instant) -> Result<Vec<u8>, NoBody> {
    loop {
        let pending = inlet.pending();
        if let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line = pending[..end].strip_suffix(b"\r").map(<[u8]>::to_vec);
            let line = line.ok_or_else(|| bad("A line ends without a carriage return."))?;
            if end >= LINE_BYTES_MAX || line.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
                return Err(bad("A line among the chunks is malformed."));
            }
            inlet.take(end + 1);
            return Ok(line);
        }
        if pending.len() >= LINE_BYTES_MAX {
            return Err(bad("A line among the chunks is too long."));
        }
        inlet.fill(deadline).map_err(gone)?;
    }
}

/// The size in front of a chunk: hexadecimal digits only, an extension behind `;` is ignored.
fn size(line: &[u8]) -> Result<usize, NoBody> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(bad("A chunk's size is no number."));
    }
    // More digits than fit are a size beyond any cap.
    let text = str::from_utf8(digits).map_err(|_| bad("A chunk's size is no number."))?;
    Ok(usize::from_str_radix(text, 16).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::limits::Budget;
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// What comes of a chunked body sent in pieces of `step` bytes, the connection then closed. 0: gone.
    fn decoded(text: &[u8], step: usize) -> Result<Vec<u8>, u16> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (server, _) = listener.accept().unwrap();
        let text = text.to_vec();
        let sender = std::thread::spawn(move || text.chunks(step).try_for_each(|piece| client.write_all(piece)));
        let limits = Limits { body_bytes_max: 64, ..Limits::default() };
        let mut grant = Grant::none(&Budget::new(0));
        let deadline = Instant::now() + Duration::from_secs(20);
        let body = read(&mut Inlet::new(&server), Framing::Chunked, deadline, &limits, &mut grant);
        drop(server);
        let _ = sender.join().unwrap();
        body.map_err(|no| match no {
            NoBody::Closed => 0,
            NoBody::Refused(problem) => problem.status,
        })
    }

    #[test]
    fn chunks_are_decoded_or_refused() {
        fn check(text: &str, expected: Result<&str, u16>) {
            for step in [1, 7, 10_000] {
                assert_eq!(
                    decoded(text.as_bytes(), step).as_deref(),
                    expected.map(str::as_bytes).as_ref().map(|b| *b),
                    "{text:.80?}"
                );
            }
        }
        check("0\r\n\r\n", Ok(""));
        check("3\r\nabc\r\n0\r\n\r\n", Ok("abc"));
        check("3;name=value\r\nabc\r\n0A\r\n0123456789\r\n000\r\nA: b\r\n\r\n", Ok("abc0123456789"));
        check(
            "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n0\r\n\r\n",
            Ok("0123456789012345678901234567890123456789012345678901234567890123"),
        );
        check("41\r\n", Err(413));
        check("3f\r\n", Err(0));
        check("ffffffffffffffff\r\n", Err(413));
        check("fffffffffffffffff0\r\n", Err(413));
        for bad in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+3\r\nabc\r\n",
            "0x3\r\nabc\r\n",
            " 3\r\n",
            "3 \r\nabc\r\n",
            "3\nabc\r\n",
            "3\r\nabcd\r\n",
            "3\r\nab\r\n0\r\n\r\n",
            "3;\u{0}\r\n",
            "3;\r x\r\n",
        ] {
            check(bad, Err(400));
        }
        check(&format!("3;{}\r\n", "x".repeat(2000)), Err(400));
        check(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(40)), Err(400));
        check("3\r\nabc\r\n", Err(0));
    }
}
