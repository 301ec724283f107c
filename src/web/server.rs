//! The HTTP server: the gate in front, tiny_http behind it, and a fixed pool of handlers that answer. A handler that
//! panics answers 500 and goes on; every request leaves one `[REQ]` line, without its query, its body or who asked.

use super::gate::Gate;
use super::ids::request_id;
use super::limits::Limits;
use super::peer;
use super::problem::Problem;
use super::relay::{EXPIRES, PEER};
use super::request::Request;
use super::response::Response;
use super::upstream::Upstream;
use crate::config::Network;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What answers the requests: the routing table with its state, as a closure. Called by several threads at a time.
pub type App = dyn Fn(Request) -> Response + Send + Sync;

/// Keeps the lines of answered requests. Called once per request, before its answer leaves, so it must be quick.
pub type OnAnswer = dyn Fn(&Answered) + Send + Sync;

/// What one request came to; the content of a `[REQ]` line.
#[derive(Clone, Debug)]
pub struct Answered {
    pub id: String,
    pub method: String,
    /// Without the query, at most 200 characters.
    pub path: String,
    pub status: u16,
    pub took_ms: u64,
}

/// How a server is to be run.
pub struct Options {
    /// Where the private socket is made.
    pub data_dir: PathBuf,
    /// Requests worked on at a time, 1 or more.
    pub handlers: usize,
    /// The commit, for `x-postsale-build`.
    pub build: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    pub limits: Limits,
    pub on_answer: Option<Arc<OnAnswer>>,
}

impl Options {
    /// Eight handlers, the usual limits, nobody trusted.
    pub fn new(data_dir: impl Into<PathBuf>, build: &str) -> Self {
        Self {
            data_dir: data_dir.into(),
            handlers: 8,
            build: build.to_owned(),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
            on_answer: None,
        }
    }
}

struct Shared {
    app: Arc<App>,
    build: String,
    trusted_proxies: Vec<Network>,
    body_bytes_max: usize,
    on_answer: Option<Arc<OnAnswer>>,
    is_stopping: AtomicBool,
}

/// A running server. Dropping it stops it at once.
pub struct Server {
    pub(super) gate: Gate,
    pub(super) upstream: Arc<Upstream>,
    shared: Arc<Shared>,
    handlers: Mutex<Vec<JoinHandle<()>>>,
}

/// Requests on their way to or from a handler, beyond those being worked on; keeps handlers from waiting for the gate.
const ON_THEIR_WAY: usize = 4;

impl Server {
    /// Opens `listen` (`host:port`, port 0 picks one) and answers with `app` from then on.
    pub fn start(listen: &str, options: Options, app: Arc<App>) -> io::Result<Self> {
        let handlers = options.handlers.max(1);
        let upstream = Upstream::open(&options.data_dir, handlers)?;
        let shared = Arc::new(Shared {
            app,
            build: options.build,
            trusted_proxies: options.trusted_proxies,
            body_bytes_max: options.limits.body_bytes_max,
            on_answer: options.on_answer,
            is_stopping: AtomicBool::new(false),
        });
        let opened = pool(&shared, &upstream, handlers).and_then(|threads| {
            let in_hand_max = handlers + ON_THEIR_WAY;
            let gate = Gate::open(listen, options.limits, &shared.build, upstream.clone(), in_hand_max)?;
            Ok((gate, threads))
        });
        // Handlers of a server that never opened would wait for ever.
        let (gate, threads) = opened.inspect_err(|_| {
            shared.is_stopping.store(true, Ordering::Release);
            upstream.wake(&upstream.current());
        })?;
        Ok(Self { gate, upstream, shared, handlers: Mutex::new(threads) })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// Closes the port, finishes what is in hand, at most for `patience`. True if everything was finished.
    pub fn stop(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut is_clean = self.gate.close(deadline);
        self.shared.is_stopping.store(true, Ordering::Release);
        self.upstream.wake(&self.upstream.current());
        let threads = std::mem::take(&mut *self.handlers.lock().unwrap_or_else(|e| e.into_inner()));
        for thread in threads {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            // A handler that is stuck is left behind; it dies with the process.
            is_clean &= thread.is_finished();
        }
        is_clean
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Duration::from_millis(200));
    }
}

fn pool(shared: &Arc<Shared>, upstream: &Arc<Upstream>, handlers: usize) -> io::Result<Vec<JoinHandle<()>>> {
    let handler = |_| {
        let (shared, upstream) = (shared.clone(), upstream.clone());
        std::thread::Builder::new().name("handler".to_owned()).spawn(move || {
            super::priority::stand_behind();
            attend(&shared, &upstream);
        })
    };
    (0..handlers).map(handler).collect()
}

/// One handler: takes requests until the server stops. If tiny_http has gone deaf it is replaced.
fn attend(shared: &Shared, upstream: &Upstream) {
    while !shared.is_stopping.load(Ordering::Acquire) {
        let shell = upstream.current();
        match shell.http.recv() {
            // tiny_http's own code may panic on what it dislikes; the handler has to outlive that too.
            Ok(request) => {
                let _ = catch_unwind(AssertUnwindSafe(|| serve(shared, upstream, request)));
            }
            Err(_) if shared.is_stopping.load(Ordering::Acquire) => return,
            Err(_) => {
                if let Err(error) = upstream.replace(&shell) {
                    log::error!("the private HTTP server cannot be restarted: {error}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

fn serve(shared: &Shared, upstream: &Upstream, mut incoming: tiny_http::Request) {
    let began = Instant::now();
    let mut body = Vec::new();
    let limit = u64::try_from(shared.body_bytes_max).unwrap_or(u64::MAX);
    let is_whole = incoming.as_reader().take(limit).read_to_end(&mut body).is_ok()
        && incoming.body_length().unwrap_or(0) == body.len();
    let request = request(shared, &incoming, body);
    let waits_until_ms = request.header(EXPIRES).and_then(|ms| ms.parse().ok()).unwrap_or(0);
    let is_awaited = upstream.uptime().as_millis() <= waits_until_ms;
    let mut answered = Answered {
        id: request.id.clone(),
        method: request.method.clone(),
        path: request.path.chars().take(200).collect(),
        status: 0,
        took_ms: 0,
    };
    let response = if !is_whole {
        Problem::bad_request("bad_request", "The body did not arrive.").into()
    } else if !is_awaited {
        Problem::unavailable("busy", "All handlers are busy.", 2).into()
    } else {
        answer(shared, request)
    };
    let response = response.sealed(&shared.build, &answered.id);
    answered.status = response.status;
    answered.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    record(shared, &answered);
    if let Err(error) = respond(incoming, response) {
        log::debug!("an answer did not reach the gate: {error}");
    }
}

/// The app's answer; a panic is a 500.
fn answer(shared: &Shared, request: Request) -> Response {
    let id = request.id.clone();
    catch_unwind(AssertUnwindSafe(|| (shared.app)(request))).unwrap_or_else(|_| {
        log::error!("a handler panicked on request {id}");
        Problem::internal().into()
    })
}

fn record(shared: &Shared, answered: &Answered) {
    let Answered { id, method, path, status, took_ms } = answered;
    log::info!("[REQ] id={id} method={method} path={path} status={status} ms={took_ms}");
    if let Some(on_answer) = &shared.on_answer
        && catch_unwind(AssertUnwindSafe(|| on_answer(answered))).is_err()
    {
        log::error!("keeping the line of request {id} panicked");
    }
}

/// Our request from tiny_http's.
fn request(shared: &Shared, incoming: &tiny_http::Request, body: Vec<u8>) -> Request {
    let mut request = Request::new(incoming.method().as_str(), incoming.url());
    let pairs = incoming.headers().iter();
    request.headers =
        pairs.map(|h| (h.field.as_str().as_str().to_ascii_lowercase(), h.value.as_str().to_owned())).collect();
    request.body = body;
    request.id = request_id(request.header("x-request-id"));
    // Only the gate speaks to this socket, and it always names the peer; without a name nobody is trusted.
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let socket_peer = request.header(PEER).and_then(|ip| ip.parse().ok()).unwrap_or(unknown);
    let lines = request.headers.iter().filter(|(name, _)| name == "x-forwarded-for");
    let forwarded: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
    let marks = ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host", "x-forwarded-proto", "via"];
    let passed_a_proxy = marks.iter().any(|name| request.header(name).is_some());
    let (peer, is_local) = peer::client(socket_peer, &forwarded, passed_a_proxy, &shared.trusted_proxies);
    request.peer = peer;
    request.is_local = is_local;
    request
}

fn respond(incoming: tiny_http::Request, response: Response) -> io::Result<()> {
    let header =
        |(name, value): &(String, String)| tiny_http::Header::from_bytes(name.as_bytes(), value.as_bytes()).ok();
    let headers = response.headers().iter().filter_map(header).collect();
    let length = response.body.len();
    let status = tiny_http::StatusCode(response.status);
    let body = io::Cursor::new(response.body);
    let answer = tiny_http::Response::new(status, headers, body, Some(length), None);
    // With a length, never in chunks: the gate relays by length.
    incoming.respond(answer.with_chunked_threshold(usize::MAX))
}
