//! The public socket. tiny_http aborts, blocks or goes deaf under hostile bytes, so it never sees any: the gate
//! accepts, caps, parses strictly, reads each request whole under a deadline, has it answered behind the private
//! socket, and writes the answer under a deadline of its own. It knows no path and grants nobody anything.

use super::body::{self, NoBody};
use super::head::{self, Framing, Head};
use super::ids::request_id;
use super::inlet::{Gone, Inlet, read_until};
use super::limits::{Budget, Grant, Limits, connections_that_fit, files_max};
use super::problem::Problem;
use super::relay::{self, Answer, Desk};
use super::response::{Response, status_line};
use super::seats::{Phase, Seat, Seats};
use super::upstream::Upstream;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One thread serves one connection; its stack holds two small buffers and little else.
const STACK_BYTES: usize = 256 * 1024;
/// Up to here an answer's body goes out in one write with its head.
const ONE_WRITE_BYTES: usize = 64 * 1024;
/// A refused client may send this much more before it is cut off.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

struct Shared {
    limits: Limits,
    build: String,
    upstream: Arc<Upstream>,
    desk: Desk,
    seats: Seats,
    bodies: Arc<Budget>,
    answers: Arc<Budget>,
    is_stopping: AtomicBool,
}

/// An open port.
pub(super) struct Gate {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Gate {
    /// Opens the port and begins to accept. `in_hand_max` requests are handed on at a time.
    pub(super) fn open(
        listen: impl ToSocketAddrs,
        limits: Limits,
        build: &str,
        upstream: Arc<Upstream>,
        in_hand_max: usize,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let connections_max = connections_that_fit(limits.connections_max, in_hand_max, files_max());
        if connections_max < limits.connections_max {
            log::warn!("few files may be open: at most {connections_max} connections at a time");
        }
        let shared = Arc::new(Shared {
            build: build.to_owned(),
            upstream,
            desk: Desk::new(in_hand_max),
            seats: Seats::new(connections_max, limits.evict_after),
            bodies: Budget::new(limits.bodies_bytes_max),
            answers: Budget::new(limits.answers_bytes_max),
            is_stopping: AtomicBool::new(false),
            limits,
        });
        let accepting = {
            let shared = shared.clone();
            std::thread::Builder::new().name("gate".to_owned()).spawn(move || {
                super::priority::stand_behind();
                accept(&listener, &shared);
            })?
        };
        Ok(Self { shared, address, accepting: Mutex::new(Some(accepting)) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port, lets what is in hand finish until the deadline, cuts the rest off. True if nothing was cut.
    pub(super) fn close(&self, deadline: Instant) -> bool {
        self.shared.is_stopping.store(true, Ordering::Release);
        let accepting = self.accepting.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = accepting {
            wake(self.address);
            let _ = thread.join();
        }
        self.shared.seats.dismiss();
        let is_empty = self.shared.seats.wait_empty(deadline);
        self.shared.seats.close_all();
        is_empty
    }

    /// True if every open connection sends small packets at once.
    #[cfg(test)]
    pub(super) fn all_send_at_once(&self) -> bool {
        let seats = self.shared.seats.all();
        !seats.is_empty() && seats.iter().all(|seat| seat.stream.nodelay().unwrap())
    }

    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.shared.seats.all().len()
    }

    #[cfg(test)]
    pub(super) fn bodies_bytes_left(&self) -> usize {
        self.shared.bodies.left()
    }
}

/// Ends the accept that is waiting, by a connection of our own.
fn wake(address: SocketAddr) {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        });
    }
    let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
}

/// Accepts until the gate closes. No error ends it: what is exhausted today is free again in a moment.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut failures_in_a_row: u32 = 0;
    loop {
        let accepted = listener.accept();
        if shared.is_stopping.load(Ordering::Acquire) {
            return;
        }
        match accepted {
            Ok((stream, address)) => {
                failures_in_a_row = 0;
                seat(stream, address.ip().to_canonical(), shared);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
            Err(error) => {
                if failures_in_a_row == 0 {
                    log::warn!("a connection could not be accepted: {error}");
                }
                failures_in_a_row = failures_in_a_row.saturating_add(1);
                shared.seats.evict_one();
                std::thread::sleep(Duration::from_millis(u64::from(failures_in_a_row.min(20)) * 5));
            }
        }
    }
}

/// Gives a new connection a place and a thread, or turns it away.
fn seat(stream: TcpStream, peer: IpAddr, shared: &Arc<Shared>) {
    // Without it every answer of more than one packet waits for the client's delayed acknowledgement, 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let seat = match shared.seats.take(stream, peer) {
        Ok(seat) => seat,
        Err(stream) => return turn_away(stream, shared),
    };
    let leave = Leave { seat: seat.clone(), shared: shared.clone() };
    let serve = move || converse(&leave.shared, &leave.seat);
    if std::thread::Builder::new().name("client".to_owned()).stack_size(STACK_BYTES).spawn(serve).is_err() {
        log::warn!("no thread for a connection");
    }
}

/// Frees the place however the thread ends.
struct Leave {
    seat: Arc<Seat>,
    shared: Arc<Shared>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.shared.seats.leave(&self.seat);
    }
}

/// 503 without waiting for anything: the accept thread has no time to lose.
fn turn_away(mut stream: TcpStream, shared: &Shared) {
    let problem = Problem::unavailable("too_many_connections", "Too many connections are open.", 2);
    let wire = Response::from(problem).sealed(&shared.build, &request_id(None)).wire(true, true);
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write(&wire);
        let _ = stream.shutdown(Shutdown::Write);
        // What lies unread at the close would turn it into a reset, and the answer would be lost.
        let _ = stream.read(&mut [0; 4096]);
    }
}

/// What becomes of the connection after a request.
enum After {
    Next,
    /// The answer is out; let it arrive, then close.
    Close,
    /// Nobody is there any more.
    Drop,
}

/// Serves one connection, one request after the other, each answered before the next is read.
fn converse(shared: &Shared, seat: &Seat) {
    let mut inlet = Inlet::new(&seat.stream);
    let mut is_first = true;
    while (is_first || !shared.is_stopping.load(Ordering::Acquire)) && seat.enter(Phase::Waiting) {
        let after = match await_head(&mut inlet, &shared.limits, is_first) {
            Ok((head, deadline)) => exchange(shared, seat, &mut inlet, head, deadline),
            Err(None) => After::Drop,
            Err(Some(problem)) => {
                log::debug!("a client was refused: {} {}", problem.status, problem.code);
                refuse(shared, seat, problem, &request_id(None), true)
            }
        };
        match after {
            After::Next => is_first = false,
            After::Close => return linger(seat, &shared.limits),
            After::Drop => return,
        }
    }
}

/// Reads the next head. With it comes the deadline of the body. `Err(None)`: the client went without a word.
fn await_head(inlet: &mut Inlet<'_>, limits: &Limits, is_first: bool) -> Result<(Head, Instant), Option<Problem>> {
    let opened = Instant::now();
    let mut began = (is_first || !inlet.pending().is_empty()).then_some(opened);
    let mut scanned = 0;
    let mut blank_lines = 0;
    loop {
        while scanned == 0 && inlet.pending().starts_with(b"\r\n") {
            // Old clients send an empty line after a body; a stream of them is no request.
            blank_lines += 1;
            if blank_lines > 4 {
                return Err(Some(Problem::bad_request("bad_request", "There is no request line.")));
            }
            inlet.take(2);
        }
        let pending = inlet.pending();
        // A lone carriage return may be the first half of such an empty line.
        if pending != b"\r" {
            if let Some(end) = head::find_end(pending, &mut scanned)? {
                let head = head::parse(&pending[..end], limits)?;
                inlet.take(end);
                return Ok((head, began.unwrap_or(opened) + limits.request));
            }
            head::still_fits(pending, limits)?;
        }
        let deadline = began.map_or(opened + limits.idle, |began| began + limits.head);
        let is_silent = inlet.pending().is_empty() && blank_lines == 0;
        match inlet.fill(deadline) {
            Ok(()) => began = began.or_else(|| Some(Instant::now())),
            Err(Gone::Closed) => return Err(None),
            Err(Gone::Late) if is_silent => return Err(None),
            Err(Gone::Late) => {
                return Err(Some(Problem::new(408, "head_too_slow", "The head did not arrive in time.")));
            }
        }
    }
}

/// One request: body, answer, and whether there may be another.
fn exchange(shared: &Shared, seat: &Seat, inlet: &mut Inlet<'_>, mut head: Head, deadline: Instant) -> After {
    let began = Instant::now();
    let id = request_id(head.headers.iter().find(|(name, _)| name == "x-request-id").map(|(_, v)| v.as_str()));
    head.headers.retain(|(name, _)| name != "x-request-id");
    head.headers.push(("x-request-id".to_owned(), id.clone()));
    let limits = &shared.limits;
    let mut grant = Grant::none(&shared.bodies);
    if !seat.enter(Phase::Receiving) {
        return After::Drop;
    }
    let is_waited_for = head.wants_continue && head.framing != Framing::Length(0) && inlet.pending().is_empty();
    if is_waited_for && !send(&seat.stream, CONTINUE, limits) {
        return After::Drop;
    }
    let body = match body::read(inlet, head.framing, deadline, limits, &mut grant) {
        Ok(body) => body,
        Err(NoBody::Closed) => return After::Drop,
        Err(NoBody::Refused(problem)) => {
            log_refusal(&head, &id, problem.status, began);
            return refuse(shared, seat, problem, &id, head.method != "HEAD");
        }
    };
    if !seat.enter(Phase::InHand) {
        return After::Drop;
    }
    let mut answer_grant = Grant::none(&shared.answers);
    let asked = (&head, body, seat.peer);
    let answer = relay::ask(&shared.upstream, &shared.desk, limits, asked, &mut answer_grant);
    drop(grant);
    let closes = !head.keeps_alive || shared.is_stopping.load(Ordering::Acquire);
    match answer {
        Ok(answer) => deliver(shared, seat, &answer, closes),
        Err(problem) => {
            log_refusal(&head, &id, problem.status, began);
            refuse(shared, seat, problem, &id, head.method != "HEAD")
        }
    }
}

/// Writes a handler's answer.
fn deliver(shared: &Shared, seat: &Seat, answer: &Answer, closes: bool) -> After {
    if !seat.enter(Phase::Sending) {
        return After::Drop;
    }
    let mut text = status_line(answer.status);
    for (name, value) in &answer.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if answer.status != 204 && answer.status != 304 {
        text.push_str(&format!("content-length: {}\r\n", answer.length));
    }
    text.push_str(if closes { "connection: close\r\n\r\n" } else { "\r\n" });
    let mut first = text.into_bytes();
    let is_one_write = answer.body.len() <= ONE_WRITE_BYTES;
    if is_one_write {
        first.extend_from_slice(&answer.body);
    }
    let is_out = send(&seat.stream, &first, &shared.limits)
        && (is_one_write || send(&seat.stream, &answer.body, &shared.limits));
    match (is_out, closes) {
        (false, _) => After::Drop,
        (true, true) => After::Close,
        (true, false) => After::Next,
    }
}

/// Answers a problem of the gate's own and closes: after a refusal nobody knows where the next request would begin.
fn refuse(shared: &Shared, seat: &Seat, problem: Problem, id: &str, with_body: bool) -> After {
    if !seat.enter(Phase::Sending) {
        return After::Drop;
    }
    let wire = Response::from(problem).sealed(&shared.build, id).wire(with_body, true);
    if send(&seat.stream, &wire, &shared.limits) { After::Close } else { After::Drop }
}

/// The line of a request that no handler has answered. The path stands in it without its query.
fn log_refusal(head: &Head, id: &str, status: u16, began: Instant) {
    let path: String = head.target.split('?').next().unwrap_or_default().chars().take(200).collect();
    log::info!("[REQ] id={id} method={} path={path} status={status} ms={}", head.method, began.elapsed().as_millis());
}

/// Writes everything, or gives up: on a client that takes nothing for the time of a write, and on one that takes less
/// than 64 KiB a second beyond that.
fn send(mut stream: &TcpStream, bytes: &[u8], limits: &Limits) -> bool {
    let seconds_at_least = u64::try_from(bytes.len() / (64 * 1024)).unwrap_or(u64::MAX);
    let until = Instant::now() + limits.write + Duration::from_secs(seconds_at_least);
    let mut rest = bytes;
    while !rest.is_empty() {
        let left = until.saturating_duration_since(Instant::now()).min(limits.write);
        if left.is_zero() || stream.set_write_timeout(Some(left)).is_err() {
            return false;
        }
        match stream.write(rest) {
            Ok(0) => return false,
            Ok(count) => rest = &rest[count..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}

/// Swallows for a moment what the client still sends: closing over unread bytes would reset the connection and take
/// the answer away from the client.
fn linger(seat: &Seat, limits: &Limits) {
    let until = Instant::now() + limits.linger;
    // It waits for nothing that matters, so a newcomer may have the place.
    if !seat.enter(Phase::Waiting) {
        return;
    }
    let _ = seat.stream.shutdown(Shutdown::Write);
    let mut piece = [0; 16 * 1024];
    let mut swallowed = 0;
    while swallowed < LINGER_BYTES_MAX {
        match read_until(&seat.stream, &mut piece, until) {
            Ok(count) => swallowed += count,
            Err(_) => return,
        }
    }
}
