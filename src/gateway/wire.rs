//! One request, one answer, over HTTP. It knows nothing of providers; it knows what may be said about a failed call:
//! whether a byte of the request left us.
//!
//! It must never follow a redirect, repeat a request, use a proxy of the environment, or read an endless body.

use super::{CallError, tame};
use crate::failpoint;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector, Transport,
};

/// What hangs on the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Only reads, or may be repeated without harm. Shares connections.
    LookUp,
    /// Moves money, or spends something that exists once (a single-use code). Goes over a fresh connection on which
    /// every byte handed over is counted, because "was anything sent?" decides what may be done next.
    Money,
}

/// One HTTP request, complete. Headers and body may hold secrets, so `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub purpose: Purpose,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:?}, {} bytes)", self.method, self.url, self.purpose, self.body.len())
    }
}

/// An answer of any status: deciding what a 404 means is the client's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name, whatever its case. `None` when there is none.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The way out. Real over [`UreqWire`]; rehearsals and tests plug a far side in here.
pub trait Wire: Send + Sync {
    /// Sends the request once. An answer of any HTTP status is `Ok`. Errors are `Unsent` (no byte left us) or
    /// `Unknown` (anything else), never `Refused`.
    fn ask(&self, request: &Request) -> Result<Answer, CallError>;
}

/// A larger answer is not read to its end and counts as none.
pub const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// How long we wait. PayPal needs more than ten seconds at times, so money calls are given a minute.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Name look-up and connecting, TLS included; each.
    pub connect: Duration,
    /// A whole call that moves money.
    pub money: Duration,
    /// A whole look-up.
    pub look_up: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { connect: s(10), money: s(60), look_up: s(20) }
    }
}

/// HTTP/1.1 through ureq and rustls.
pub struct UreqWire {
    look_ups: Agent,
    patience: Patience,
}

impl UreqWire {
    pub fn new(patience: Patience) -> Self {
        let look_ups =
            agent(config(patience, patience.look_up, 10), Counting { sent: Arc::default(), purpose: Purpose::LookUp });
        Self { look_ups, patience }
    }

    /// An agent for this one call: its pool keeps nothing, and its counter can count no other call's bytes.
    fn ask_counted(&self, request: &Request) -> Result<Answer, CallError> {
        let sent = Arc::new(AtomicU64::new(0));
        let counting = Counting { sent: sent.clone(), purpose: Purpose::Money };
        let agent = agent(config(self.patience, self.patience.money, 0), counting);
        failpoint::hit("call.unconnected");
        exchange(&agent, request).map_err(|error| match sent.load(Ordering::SeqCst) {
            0 => CallError::Unsent(reason(&error)),
            _ => CallError::Unknown(reason(&error)),
        })
    }
}

impl Default for UreqWire {
    fn default() -> Self {
        Self::new(Patience::default())
    }
}

impl Wire for UreqWire {
    fn ask(&self, request: &Request) -> Result<Answer, CallError> {
        if request.purpose == Purpose::Money {
            return self.ask_counted(request);
        }
        // The look-up agent is shared, so its bytes cannot be counted per call. Only what surely happened before any
        // byte is called unsent.
        exchange(&self.look_ups, request).map_err(|error| {
            let refused = |e: &std::io::Error| e.kind() == std::io::ErrorKind::ConnectionRefused;
            match &error {
                ureq::Error::HostNotFound => CallError::Unsent(reason(&error)),
                ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
                    CallError::Unsent(reason(&error))
                }
                ureq::Error::Io(e) if refused(e) => CallError::Unsent(reason(&error)),
                _ => CallError::Unknown(reason(&error)),
            }
        })
    }
}

/// The text of a transport error. It names hosts and phases, never headers or bodies.
fn reason(error: &ureq::Error) -> String {
    tame(&error.to_string(), 200)
}

fn config(patience: Patience, overall: Duration, idle_connections_max: usize) -> Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .max_idle_connections(idle_connections_max)
        .max_idle_connections_per_host(idle_connections_max)
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_global(Some(overall))
        .user_agent(concat!("postsale/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn agent(config: Config, counting: Counting) -> Agent {
    let connector = ().chain(TcpConnector::default()).chain(RustlsConnector::default()).chain(counting);
    Agent::with_parts(config, connector, Names(DefaultResolver::default()))
}

fn exchange(agent: &Agent, request: &Request) -> Result<Answer, ureq::Error> {
    let mut head = ureq::http::Request::builder().method(request.method).uri(&request.url);
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    let mut response = if request.method == "GET" {
        agent.run(head.body(())?)?
    } else {
        agent.run(head.body(request.body.as_slice())?)?
    };
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let status = response.status().as_u16();
    if request.purpose == Purpose::Money {
        failpoint::hit("call.half_answered");
    }
    let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec()?;
    Ok(Answer { status, headers, body })
}

/// The system's resolver, whose failures otherwise look like any other input or output error.
#[derive(Debug)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            other => other,
        })
    }
}

/// Wraps the outermost transport, above TLS, and counts what ureq hands to it. At this layer the bytes are those of
/// the request itself: the TLS handshake is made inside `RustlsConnector::connect`, before this wrapper exists, so a
/// failed handshake leaves the count at 0. Bytes count before they are written, since a write that fails may have
/// sent a part.
#[derive(Debug)]
struct Counting {
    sent: Arc<AtomicU64>,
    purpose: Purpose,
}

impl<In: Transport> Connector<In> for Counting {
    type Out = Counted<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| Counted { inner, sent: self.sent.clone(), purpose: self.purpose }))
    }
}

#[derive(Debug)]
struct Counted<T> {
    inner: T,
    sent: Arc<AtomicU64>,
    purpose: Purpose,
}

impl<T: Transport> Transport for Counted<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.purpose == Purpose::Money {
            failpoint::hit("call.connected");
            if failpoint::is_due("call.half_written") {
                self.inner.transmit_output(amount / 2, timeout)?;
            }
            failpoint::hit("call.half_written");
        }
        self.sent.fetch_add(amount as u64, Ordering::SeqCst);
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if self.purpose == Purpose::Money {
            failpoint::hit("call.unanswered");
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests;
