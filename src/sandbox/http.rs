//! The far sides behind HTTP/1.1 on loopback: a thread per connection, requests in whole, answers in whole or broken
//! in the way the fault table asks. Nothing is decided here. It refuses to listen to any other address, because the
//! control has no password.

use super::bookfile::BookFile;
use super::deliver;
use super::faults::{Break, Reply};
use super::wire::{Answer, Request};
use super::{Credentials, FarSides};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const HEAD_MAX: usize = 64 << 10;
const BODY_MAX: usize = 4 << 20;
const CONNECTIONS_MAX: usize = 1_024;
/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// Between two bytes of a slow drip.
const DRIP: Duration = Duration::from_millis(200);

/// The time of day in milliseconds since 1970.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

#[derive(Clone)]
pub struct Options {
    /// A loopback address; port 0 picks one.
    pub listen: SocketAddr,
    /// Where the book is kept; `None` keeps it in memory.
    pub book: Option<PathBuf>,
    /// What ids are drawn from; `None` takes the time, so that no two books in memory give the same ids. A book that
    /// exists keeps its own.
    pub seed: Option<u64>,
    /// How long a timeout holds the connection when its fault does not say.
    pub hold: Duration,
    /// `None` is the machine's clock.
    pub now: Option<Now>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            book: None,
            seed: None,
            hold: Duration::from_secs(90),
            now: None,
        }
    }
}

/// Running far sides. Dropping it closes the port and every connection.
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    streams: Mutex<BTreeMap<u64, TcpStream>>,
    stop: AtomicBool,
    /// Rung when something happened that may have to be told.
    bell: Condvar,
    hold: Duration,
    now: Now,
}

struct State {
    sides: FarSides,
    file: Option<BookFile>,
    /// The file could not be written: the book in memory is ahead of it, so nothing more is answered.
    is_broken: bool,
}

impl Sandbox {
    /// Opens the port and the book. Errors: an address that is not loopback, a port in use, an unreadable book.
    pub fn start(options: Options) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the built-in far sides listen to loopback only"));
        }
        let listener = TcpListener::bind(options.listen)?;
        let address = listener.local_addr()?;
        let now = options.now.unwrap_or_else(|| Arc::new(|| Timestamp::now().as_millisecond()));
        let (file, lines) = match options.book.as_deref().map(BookFile::open).transpose()? {
            Some((file, lines)) => (Some(file), lines),
            None => (None, vec![]),
        };
        let drawn = || u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(1);
        let base_url = format!("http://{address}");
        let mut sides = FarSides::replay(&base_url, options.seed.unwrap_or_else(drawn), lines);
        if file.is_some() {
            sides.record();
        }
        let state = Mutex::new(State { sides, file, is_broken: false });
        let shared = Arc::new(Shared {
            state,
            streams: Mutex::new(BTreeMap::new()),
            stop: AtomicBool::new(false),
            bell: Condvar::new(),
            hold: options.hold,
            now,
        });
        shared.store(&mut shared.state())?;
        let accepting = {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("far-sides".into()).spawn(move || accept(&shared, &listener))?
        };
        let telling = {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("far-sides-webhooks".into()).spawn(move || tell(&shared))?
        };
        log::info!("built-in far sides on http://{address}");
        Ok(Self { address, shared, threads: vec![accepting, telling] })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a program needs to use these far sides; logs in at AliExpress if no token has a day left.
    pub fn credentials(&self) -> io::Result<Credentials> {
        let mut state = self.shared.state();
        let credentials = state.sides.credentials((self.shared.now)());
        self.shared.store(&mut state)?;
        Ok(credentials)
    }

    /// The same as `GET /__control/book`.
    pub fn book_json(&self) -> Value {
        self.shared.state().sides.book_json((self.shared.now)())
    }

    /// The same as a request over HTTP, for control words from inside the process. `None` where the reply is broken.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        let request = Request {
            method: method.into(),
            path: format!("/__control/{path}"),
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        match self.shared.answer(&request) {
            Ok(Reply::Whole(answer)) => Some(answer),
            _ => None,
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.bell.notify_all();
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        for stream in self.shared.streams().values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.streams.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Answers and stores what changed, before anybody hears of it.
    fn answer(&self, request: &Request) -> io::Result<Reply> {
        let mut state = self.state();
        if state.is_broken {
            return Err(io::Error::other("the book cannot be written"));
        }
        let reply = state.sides.answer(request, (self.now)());
        self.store(&mut state)?;
        self.bell.notify_all();
        Ok(reply)
    }

    fn store(&self, state: &mut State) -> io::Result<()> {
        let line = state.sides.take_line((self.now)());
        let Some(file) = state.file.as_mut().filter(|_| !line.is_empty()) else { return Ok(()) };
        file.append(&line).inspect_err(|e| {
            log::error!("the book of the built-in far sides cannot be written: {e}");
            state.is_broken = true;
        })
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        if shared.stops() {
            return;
        }
        let Ok(stream) = stream else {
            // Out of descriptors, most likely; it passes.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let Ok(twin) = stream.try_clone() else { continue };
        if shared.streams().len() >= CONNECTIONS_MAX {
            continue;
        }
        shared.streams().insert(number, twin);
        let served = Arc::clone(shared);
        let thread = thread::Builder::new().name("far-side".into()).spawn(move || {
            if let Err(e) = serve(&served, stream, number) {
                log::debug!("built-in far side: {e}");
            }
            served.streams().remove(&number);
        });
        if thread.is_err() {
            shared.streams().remove(&number);
        }
    }
}

/// Tells webhook events to whoever registered, one after the other.
fn tell(shared: &Shared) {
    while !shared.stops() {
        let due = {
            let mut state = shared.state();
            let now = state.sides.time((shared.now)());
            let due = state.sides.paypal.next_delivery(now);
            if due.is_none() || shared.store(&mut state).is_err() {
                let _ = shared.bell.wait_timeout(state, Duration::from_secs(1));
                continue;
            }
            due
        };
        let Some(delivery) = due else { continue };
        match deliver::post(&delivery) {
            Ok(true) => {
                let mut state = shared.state();
                let now = state.sides.time((shared.now)());
                state.sides.paypal.mark_delivered(&delivery.event_id, now);
                let _ = shared.store(&mut state);
            }
            Ok(false) => log::debug!("webhook {} was not taken", delivery.event_id),
            Err(e) => log::debug!("webhook {}: {e}", delivery.event_id),
        }
    }
}

/// One connection, request after request.
fn serve(shared: &Shared, mut stream: TcpStream, number: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    while let Some(read) = read_request(&mut stream)? {
        let Incoming { request, closes, last_byte_waits } = match read {
            Ok(incoming) => incoming,
            Err(status) => {
                let answer = Answer::text(status, "text/plain", "the request is not understood\n");
                return write_answer(&mut stream, &answer, true);
            }
        };
        let reply = shared.answer(&request);
        if let Ok(Reply::Broken(Break::Reset, _)) = reply {
            // A socket closed with unread bytes is reset by the kernel; the last byte of the request was left for that.
            shared.streams().remove(&number);
            return Ok(());
        }
        if last_byte_waits {
            stream.read_exact(&mut [0])?;
        }
        match reply {
            Ok(Reply::Whole(answer)) => write_answer(&mut stream, &answer, closes)?,
            Ok(Reply::Broken(how, answer)) => return break_off(shared, &mut stream, how, &answer),
            Err(_) => {
                let answer = Answer::text(503, "text/plain", "the book cannot be written\n");
                return write_answer(&mut stream, &answer, true);
            }
        }
        if closes || shared.stops() {
            return Ok(());
        }
    }
    Ok(())
}

struct Incoming {
    request: Request,
    closes: bool,
    /// The last byte of the request is still unread.
    last_byte_waits: bool,
}

/// Reads one whole request but for its last byte, which is only looked at. `None`: the other side has closed. An inner
/// error is the status to answer with.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Result<Incoming, u16>>> {
    let mut text: Vec<u8> = Vec::new();
    let mut chunk = [0; 16 << 10];
    let mut head: Option<Head> = None;
    loop {
        let seen = match stream.peek(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(seen) => seen,
            Err(e) if text.is_empty() && matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        let known = text.len();
        text.extend_from_slice(&chunk[..seen]);
        if head.is_none() {
            head = match parse_head(&text) {
                Ok(found) => found,
                Err(status) => return Ok(Some(Err(status))),
            };
            let waits = head.as_ref().is_some_and(|h| h.expects && text.len() < h.len + h.body_len);
            if waits {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
        }
        let total = head.as_ref().map_or(usize::MAX, |h| h.len + h.body_len);
        let is_whole = text.len() >= total;
        text.truncate(total);
        let taken = text.len() - known - usize::from(is_whole);
        stream.read_exact(&mut chunk[..taken])?;
        if let Some(head) = head.take_if(|_| is_whole) {
            let mut request = head.request;
            request.body = text.split_off(head.len);
            return Ok(Some(Ok(Incoming { request, closes: head.closes, last_byte_waits: true })));
        }
    }
}

struct Head {
    request: Request,
    len: usize,
    body_len: usize,
    closes: bool,
    expects: bool,
}

/// The head, `None` while it is not all there, or the status to refuse it with.
fn parse_head(text: &[u8]) -> Result<Option<Head>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let len = match parsed.parse(text) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if text.len() < HEAD_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(431),
        Err(_) => return Err(400),
    };
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> =
        parsed.headers.iter().map(|h| (h.name.to_string(), String::from_utf8_lossy(h.value).into_owned())).collect();
    let request = Request {
        method: parsed.method.unwrap_or("").to_string(),
        path: path.to_string(),
        query: query.to_string(),
        headers,
        body: vec![],
    };
    if request.header("transfer-encoding").is_some() {
        return Err(411);
    }
    let body_len =
        request.header("content-length").map_or(Ok(0), |l| l.trim().parse::<usize>().map_err(|_| 400_u16))?;
    if body_len > BODY_MAX {
        return Err(413);
    }
    let says = |name: &str, word: &str| request.header(name).is_some_and(|v| v.to_ascii_lowercase().contains(word));
    let (closes, expects) = (says("connection", "close") || parsed.version == Some(0), says("expect", "100-continue"));
    Ok(Some(Head { request, len, body_len, closes, expects }))
}

fn head_text(answer: &Answer, body_len: usize, closes: bool) -> String {
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if answer.status != 204 {
        head.push_str(&format!("Content-Length: {body_len}\r\n"));
    }
    head.push_str(if closes { "Connection: close\r\n\r\n" } else { "\r\n" });
    head
}

fn write_answer(stream: &mut TcpStream, answer: &Answer, closes: bool) -> io::Result<()> {
    let mut text = head_text(answer, answer.body.len(), closes).into_bytes();
    text.extend_from_slice(&answer.body);
    stream.write_all(&text)
}

/// Sends what the fault lets through, and ends the connection.
fn break_off(shared: &Shared, stream: &mut TcpStream, how: Break, answer: &Answer) -> io::Result<()> {
    let len = answer.body.len();
    match how {
        Break::Timeout(hold_ms) => {
            let until = Instant::now() + hold_ms.map_or(shared.hold, Duration::from_millis);
            stream.set_read_timeout(Some(Duration::from_millis(100)))?;
            while Instant::now() < until && !shared.stops() {
                // The other side may give up before we do.
                if matches!(stream.read(&mut [0; 64]), Ok(0)) {
                    break;
                }
            }
            Ok(())
        }
        Break::Half => {
            let mut text = head_text(answer, len, false).into_bytes();
            text.extend_from_slice(&answer.body[..len / 2]);
            stream.write_all(&text)
        }
        Break::WrongLength => {
            let mut text = head_text(answer, len.saturating_sub(9), true).into_bytes();
            text.extend_from_slice(&answer.body);
            stream.write_all(&text)
        }
        Break::SlowDrip => {
            let mut text = head_text(answer, len, true).into_bytes();
            text.extend_from_slice(&answer.body);
            for byte in text {
                if shared.stops() {
                    break;
                }
                stream.write_all(&[byte])?;
                thread::sleep(DRIP);
            }
            Ok(())
        }
        Break::Reset => Ok(()),
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_answered_once_the_book_cannot_be_written() {
        let scratch = tempfile::NamedTempFile::new().unwrap();
        let book = Some(scratch.path().to_path_buf());
        let sandbox = Sandbox::start(Options { book, ..Options::default() }).unwrap();
        assert!(sandbox.control("POST", "aliexpress/code", &serde_json::json!({})).is_some());
        sandbox.shared.state().file = Some(BookFile::unwritable(scratch.path()).unwrap());
        for _ in 0..2 {
            assert!(sandbox.control("POST", "aliexpress/code", &serde_json::json!({})).is_none());
        }
        assert!(sandbox.control("GET", "book", &serde_json::json!({})).is_none());
    }
}
