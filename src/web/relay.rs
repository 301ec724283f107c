//! One whole request to tiny_http and its answer back. The head is written anew from what was parsed, so that nothing
//! the client spelled oddly reaches the second parser; the answer is bounded in time and size like the request.

use super::head::Head;
use super::limits::{Grant, Limits};
use super::problem::Problem;
use super::upstream::Upstream;
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// Header in which the gate tells the server who asks.
pub(super) const PEER: &str = "x-postsale-peer";
/// Header in which the gate tells the server until when somebody waits for the request to begin, in milliseconds of
/// the upstream's clock. What nobody waits for is not done.
pub(super) const EXPIRES: &str = "x-postsale-expires";

const HEAD_BYTES_MAX: usize = 32 * 1024;
const PIECE_BYTES: usize = 16 * 1024;

/// A handler's answer as it goes on to the client.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// What `Content-Length` says; larger than the body where a HEAD was answered.
    pub(super) length: usize,
    pub(super) body: Vec<u8>,
}

/// How many requests may be on their way to the handlers; the others wait outside, in the gate's own threads.
pub(super) struct Desk {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place at the desk, free again on drop.
pub(super) struct Place<'a>(&'a Desk);

impl Desk {
    pub(super) fn new(places: usize) -> Self {
        Self { free: Mutex::new(places), freed: Condvar::new() }
    }

    /// A place, or `None` where none gets free before the deadline.
    pub(super) fn wait(&self, deadline: Instant) -> Option<Place<'_>> {
        let mut free = self.free.lock().unwrap_or_else(|e| e.into_inner());
        while *free == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            free = self.freed.wait_timeout(free, left).unwrap_or_else(|e| e.into_inner()).0;
        }
        *free -= 1;
        Some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(|e| e.into_inner()) += 1;
        self.0.freed.notify_one();
    }
}

/// Why no answer came.
enum Failure {
    Late,
    /// Too many large answers wait for slow readers.
    Full,
    Broken(&'static str),
}

/// Hands the request over and waits for the answer. The grant has to cover the answer. 502: no usable answer; 503: no
/// handler in time, or no room for the answer; 504: the handler took too long.
pub(super) fn ask(
    upstream: &Upstream,
    desk: &Desk,
    limits: &Limits,
    (head, body, peer): (&Head, Vec<u8>, IpAddr),
    grant: &mut Grant,
) -> Result<Answer, Problem> {
    let queue_until = Instant::now() + limits.queue;
    let Some(_place) = desk.wait(queue_until) else {
        return Err(Problem::unavailable("busy", "All handlers are busy.", 2));
    };
    let expires = upstream.uptime() + queue_until.saturating_duration_since(Instant::now());
    let deadline = queue_until + limits.handler;
    let mut stream = upstream.connect().map_err(|error| {
        log::warn!("the private HTTP server cannot be reached: {error}");
        Problem::unavailable("busy", "The server is short of resources.", 2)
    })?;
    let outcome = send(&mut stream, head, body, peer, expires, deadline)
        .and_then(|()| receive(&mut stream, head.method == "HEAD", deadline, limits, grant));
    outcome.map_err(|failure| match failure {
        Failure::Late => Problem::new(504, "handler_too_slow", "The answer took too long; what was asked may be done."),
        Failure::Full => {
            Problem::unavailable("busy", "Too many large answers are on their way; what was asked may be done.", 2)
        }
        Failure::Broken(why) => {
            log::error!("no usable answer from the private HTTP server: {why}");
            Problem::new(502, "no_answer", "The server gave no usable answer; what was asked may be done.")
        }
    })
}

fn send(
    stream: &mut UnixStream,
    head: &Head,
    body: Vec<u8>,
    peer: IpAddr,
    expires: Duration,
    deadline: Instant,
) -> Result<(), Failure> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n{PEER}: {peer}\r\n{EXPIRES}: {}\r\n",
        head.method,
        head.target,
        body.len(),
        expires.as_millis()
    );
    for (name, value) in &head.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    for mut rest in [text.as_bytes(), &body] {
        while !rest.is_empty() {
            stream.set_write_timeout(Some(left(deadline)?)).map_err(|_| Failure::Broken("no write time-out"))?;
            let count = io(|| stream.write(rest))?;
            if count == 0 {
                return Err(Failure::Broken("it closed before it had the request"));
            }
            rest = &rest[count..];
        }
    }
    Ok(())
}

fn receive(
    stream: &mut UnixStream,
    is_head: bool,
    deadline: Instant,
    limits: &Limits,
    grant: &mut Grant,
) -> Result<Answer, Failure> {
    let mut bytes = Vec::new();
    let (mut answer, head_end) = loop {
        more(stream, &mut bytes, deadline)?;
        if let Some(found) = parse(&bytes)? {
            break found;
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(Failure::Broken("its head is too large"));
        }
    };
    let expected = if is_head || matches!(answer.status, 204 | 304) { 0 } else { answer.length };
    if expected > limits.answer_bytes_max {
        return Err(Failure::Broken("its answer is too large"));
    }
    if !grant.covers(expected) {
        return Err(Failure::Full);
    }
    bytes.drain(..head_end);
    // Room for one piece beyond, so that the buffer never doubles.
    bytes.reserve_exact((expected + PIECE_BYTES).saturating_sub(bytes.len()));
    while bytes.len() < expected {
        more(stream, &mut bytes, deadline)?;
    }
    bytes.truncate(expected);
    answer.body = bytes;
    Ok(answer)
}

fn more(stream: &mut UnixStream, bytes: &mut Vec<u8>, deadline: Instant) -> Result<(), Failure> {
    let mut piece = [0; PIECE_BYTES];
    stream.set_read_timeout(Some(left(deadline)?)).map_err(|_| Failure::Broken("no read time-out"))?;
    match io(|| stream.read(&mut piece))? {
        0 => Err(Failure::Broken("it closed before it had answered")),
        count => {
            bytes.extend_from_slice(&piece[..count]);
            Ok(())
        }
    }
}

/// The head of an answer and where it ends; `None` if there is more to come. Only an answer of our own handlers is
/// good: tiny_http's own ones (an empty 400 or 500) carry no build.
fn parse(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Failure> {
    let mut places = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut places);
    let end = match response.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Failure::Broken("its head is malformed")),
    };
    let mut answer = Answer { status: response.code.unwrap_or(0), headers: Vec::new(), length: 0, body: Vec::new() };
    let mut is_ours = false;
    for header in response.headers.iter() {
        let name = header.name.to_ascii_lowercase();
        let value = str::from_utf8(header.value).map_err(|_| Failure::Broken("a header is no text"))?;
        match name.as_str() {
            "content-length" => {
                answer.length = value.parse().map_err(|_| Failure::Broken("its length is no number"))?
            }
            "transfer-encoding" => return Err(Failure::Broken("it came in chunks")),
            "connection" | "keep-alive" | "server" | "upgrade" | "trailer" => {}
            _ => {
                is_ours |= name == "x-postsale-build";
                answer.headers.push((name, value.to_owned()));
            }
        }
    }
    if is_ours { Ok(Some((answer, end))) } else { Err(Failure::Broken("it did not come from a handler")) }
}

fn left(deadline: Instant) -> Result<Duration, Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Failure::Late) } else { Ok(left) }
}

/// A read or a write. A signal may interrupt one that has a time-out; then it is made again.
fn io(mut call: impl FnMut() -> std::io::Result<usize>) -> Result<usize, Failure> {
    loop {
        return match call() {
            Ok(count) => Ok(count),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => continue,
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(Failure::Late),
                _ => Err(Failure::Broken("the connection broke")),
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_of_ours_are_relayed() {
        /// The status, `None` for more to come, or 0 for a refused answer.
        fn check(text: &str, expected: Option<u16>) {
            let got = parse(text.as_bytes()).map_or(Some(0), |found| found.map(|(answer, _)| answer.status));
            assert_eq!(got, expected, "{text:?}");
        }
        check("HTTP/1.1 200 OK\r\nx-postsale-build: b\r\nContent-Length: 3\r\n\r\nabc", Some(200));
        check("HTTP/1.1 200 OK\r\nx-postsale-build: b\r\n", None);
        check("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", Some(0));
        check("HTTP/1.1 200 OK\r\nx-postsale-build: b\r\nTransfer-Encoding: chunked\r\n\r\n", Some(0));
        check("HTTP/1.1 200 OK\r\nx-postsale-build: b\r\nContent-Length: x\r\n\r\n", Some(0));
        check("garbage\r\n\r\n", Some(0));
    }

    #[test]
    fn the_desk_has_so_many_places() {
        let desk = Desk::new(1);
        let place = desk.wait(Instant::now());
        assert!(place.is_some());
        assert!(desk.wait(Instant::now()).is_none());
        drop(place);
        assert!(desk.wait(Instant::now()).is_some());
    }
}
