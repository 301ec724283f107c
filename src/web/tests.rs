//! The server from outside, over raw sockets, as a hostile world would use it (F24, F25). Deadlines are shortened; no
//! test asserts how long something took, only what came of it.

use super::*;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn limits() -> Limits {
    Limits {
        head: Duration::from_millis(300),
        request: Duration::from_millis(600),
        idle: Duration::from_secs(20),
        write: Duration::from_millis(500),
        queue: Duration::from_secs(20),
        linger: Duration::from_millis(200),
        ..Limits::default()
    }
}

struct Shop {
    server: Server,
    /// How many requests have reached the app.
    asked: Arc<AtomicU64>,
    /// Requests to `/held` are answered once this is true.
    release: Arc<AtomicBool>,
    lines: Arc<Mutex<Vec<Answered>>>,
    _dir: tempfile::TempDir,
}

/// A server whose app echoes what it was asked.
fn shop(limits: Limits) -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let options = Options {
        limits,
        handlers: 3,
        trusted_proxies: vec![crate::config::Network { address: "127.0.0.1".parse().unwrap(), prefix: 32 }],
        on_answer: Some({
            let lines = lines.clone();
            Arc::new(move |line: &Answered| lines.lock().unwrap().push(line.clone()))
        }),
        ..Options::new(dir.path(), "build-1")
    };
    let counter = asked.clone();
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let app = move |request: Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        while request.path == "/held" && !released.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        echo(&request)
    };
    let server = Server::start("127.0.0.1:0", options, Arc::new(app)).unwrap();
    Shop { server, asked, release, lines, _dir: dir }
}

fn echo(request: &Request) -> Response {
    match request.path.as_str() {
        "/panic" => panic!("as ordered"),
        "/large" => Response::text(200, "x".repeat(request.query_raw.parse().unwrap())),
        "/empty" => Response::empty(204),
        "/split" => Response::see_other("/a\r\nx-evil: 1"),
        "/headers" => Response::json(200, &request.headers),
        "/peer" => Response::text(200, format!("{} {}", request.peer, request.is_local)),
        path => Response::text(200, format!("{} {path} {}", request.method, String::from_utf8_lossy(&request.body))),
    }
}

impl Shop {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends, and reads until the server closes.
    fn talk(&self, text: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect();
        // A server that has refused already may reset what is still being sent.
        let _ = stream.write_all(text.as_ref());
        rest(&mut stream)
    }

    /// A well-behaved request on a connection of its own.
    fn fetch(&self, target: &str) -> String {
        self.talk(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
    }

    fn is_well(&self) {
        let answer = self.fetch("/well");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("GET /well "), "{answer}");
    }

    fn release(&self) {
        self.release.store(true, Ordering::SeqCst);
    }

    /// Waits until so many requests have reached the app.
    fn wait_asked(&self, count: u64) {
        while self.asked() < count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Everything until the end, or until a reset.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => break,
            Err(e) => panic!("the server neither answered nor closed: {e}; so far {}", String::from_utf8_lossy(&bytes)),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Reads one answer with a `Content-Length` off a connection that stays open.
fn one_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[test]
fn every_answer_carries_the_house_headers() {
    let shop = shop(limits());
    let answers = [
        shop.fetch("/x"),
        shop.fetch("/panic"),
        shop.fetch("/large?9000000"),
        shop.talk("GET / HTTP/1.1\r\n\r\n"),
        shop.talk("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"),
    ];
    for (answer, expected) in answers.iter().zip([200, 500, 502, 400, 413]) {
        assert_eq!(status(answer), expected, "{answer:.600}");
        for header in [
            "x-postsale-build: build-1",
            "x-request-id: ",
            "content-type: ",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'",
            "content-length: ",
            "date: ",
            "connection: close",
        ] {
            let count = answer.to_ascii_lowercase().matches(&format!("\r\n{header}")).count();
            assert_eq!(count, 1, "{header} in {answer:.600}");
        }
        assert!(!answer.contains("tiny"), "{answer:.600}");
        if expected >= 400 {
            assert!(answer.contains("application/problem+json") && answer.contains(r#""code":""#), "{answer:.600}");
        }
    }
}

#[test]
fn hostile_requests_are_refused_and_never_reach_the_app() {
    let shop = shop(limits());
    let check = |text: &str, expected: u16| {
        let answer = shop.talk(text);
        assert_eq!(status(&answer), expected, "{text:.200?}: {answer:.400}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "exactly one answer to {text:.200?}: {answer:.800}");
    };
    let post = |line: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n{body}");
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    check(&post("Content-Length: 10000000000", ""), 413);
    check(&post("Content-Length: 60000000000", "x"), 413);
    check(&post("Content-Length: 18446744073709551615", ""), 413);
    check(&post("Content-Length: abc", smuggled), 400);
    check(&post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400);
    check(&post("Transfer-Encoding: chunked\r\nContent-Length: 5", smuggled), 400);
    check(&post("Transfer-Encoding: identity, chunked", smuggled), 501);
    check(&post("Transfer-Encoding: chunked", "zz\r\n"), 400);
    check(&post("Transfer-Encoding: chunked", "100001\r\n"), 413);
    check(&post("Transfer-Encoding: chunked", &("3\r\nabcdef\r\n".to_owned() + smuggled)), 400);
    check(&post("Transfer-Encoding: chunked", &format!("3\nabc\n0\n\n{smuggled}")), 400);
    check("GET /a\nHost: a\n\n", 400);
    check(&"A".repeat(100_000), 400);
    check(&format!("GET /{}", "a".repeat(100_000)), 414);
    check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(200)), 431);
    check(&format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "b".repeat(100_000)), 431);
    check("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505);
    check("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    check("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 400);
    check("\u{16}\u{3}\u{1}\0\u{1}", 400);
    assert_eq!(shop.asked(), 0);
    shop.is_well();
}

#[test]
fn an_endless_head_and_an_endless_body_are_cut() {
    let shop = shop(limits());
    for opening in
        ["GET / HTTP/1.1\r\nHost: a\r\nA: ", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"]
    {
        let mut stream = shop.connect();
        stream.write_all(opening.as_bytes()).unwrap();
        let piece = vec![b'x'; 64 * 1024];
        let sent = (0..100_000).take_while(|_| stream.write_all(&piece).is_ok()).count();
        assert!(sent < 100_000, "6 GB were swallowed");
        shop.is_well();
    }
}

#[test]
fn a_dripping_head_and_a_stalled_body_are_answered_408() {
    let shop = shop(limits());
    let check = |opening: &str, drip: &str, expected: u16| {
        let mut stream = shop.connect();
        stream.write_all(opening.as_bytes()).unwrap();
        let mut dripping = stream.try_clone().unwrap();
        let drip = drip.to_owned();
        let dripper = std::thread::spawn(move || {
            while dripping.write_all(drip.as_bytes()).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        assert_eq!(status(&rest(&mut stream)), expected, "{opening:?}");
        let _ = stream.shutdown(Shutdown::Both);
        dripper.join().unwrap();
    };
    check("GET / HTTP/1.1\r\n", "a: b\r\n", 408);
    check("\r\n", "G", 408);
    check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", "x", 408);
    check("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 408);
    check("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "0", 408);
    // Nothing at all is closed without a word.
    assert_eq!(rest(&mut shop.connect()), "");
    // A connection that closes in the middle of a body is a request that never was.
    let mut stream = shop.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream), "");
    assert_eq!(shop.asked(), 0);
    shop.is_well();
}

#[test]
fn bodies_arrive_whole() {
    let shop = shop(Limits { request: Duration::from_secs(20), ..limits() });
    let large = "y".repeat(1024 * 1024);
    let check = |text: &str, expected: &str| {
        let answer = shop.talk(text);
        assert_eq!(status(&answer), 200, "{answer:.300}");
        assert!(answer.ends_with(expected), "{answer:.300}");
    };
    let post =
        |line: &str, body: &str| format!("POST /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{line}\r\n\r\n{body}");
    check(&post("Content-Length: 3", "abc"), "POST /p abc");
    check(&post("Content-Length: 0", ""), "POST /p ");
    check(&post("X: y", ""), "POST /p ");
    check(&post("Transfer-Encoding: chunked", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: r\r\n\r\n"), "POST /p abcde");
    check(&post("Content-Length: 1048576", &large), &large);
    check(&post("Transfer-Encoding: chunked", &format!("100000\r\n{large}\r\n0\r\n\r\n")), &large);
    check(&format!("GET /p HTTP/1.0\r\nContent-Length: 5\r\n\r\n{}", "hello"), "GET /p hello");
    assert_eq!(shop.server.gate.bodies_bytes_left(), Limits::default().bodies_bytes_max, "the budget is whole again");
}

#[test]
fn a_spent_budget_of_bodies_is_503() {
    let shop = shop(Limits { bodies_bytes_max: 1000, ..limits() });
    let large = "z".repeat(40_000);
    let answer = shop.talk(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n{large}"));
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("\r\nretry-after: 2\r\n"), "{answer}");
    assert_eq!(shop.asked(), 0);
    shop.is_well();
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let shop = shop(Limits { request: Duration::from_secs(20), ..limits() });
    let mut stream = shop.connect();
    let head = "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(one_answer(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").unwrap();
    assert!(one_answer(&mut stream).ends_with("POST /p abc"));
    let refused = shop.talk(head.replace("Length: 3", "Length: 9999999"));
    assert_eq!(status(&refused), 413, "refused instead of invited: {refused}");
    assert_eq!(status(&shop.talk(head.replace("100-continue", "wonders"))), 417);
}

#[test]
fn keep_alive_pipelining_head_and_half_close() {
    let shop = shop(limits());
    let mut stream = shop.connect();
    let pipelined = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n\
         HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(pipelined.as_bytes()).unwrap();
    assert!(one_answer(&mut stream).ends_with("GET /1 "));
    assert!(one_answer(&mut stream).ends_with("POST /2 hi"));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(String::from_utf8(head).unwrap().contains("content-length: 8\r\n"), "the length of what GET would give");
    let answer = one_answer(&mut stream);
    assert!(answer.ends_with("GET /4 ") && !answer.contains("connection: close"), "{answer}");
    assert!(shop.server.gate.all_send_at_once(), "TCP_NODELAY, or 10 KB answers take 40 ms");
    stream.write_all(b"GET /empty HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = one_answer(&mut stream);
    assert!(status(&answer) == 204 && !answer.contains("content-length"), "{answer}");
    // A client that has closed its side still gets its answer.
    stream.write_all(b"GET /large?10000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = rest(&mut stream);
    assert!(answer.ends_with(&"x".repeat(10_000)), "{answer:.300}");
    // HTTP/1.0 is answered and closed, even if it asks for more.
    let answer = shop.talk("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(answer.ends_with("GET /old ") && answer.contains("connection: close"), "{answer}");
    shop.server.stop(Duration::from_secs(9));
}

#[test]
fn a_client_that_pipelines_and_never_reads_is_cut() {
    let shop = shop(Limits { write: Duration::from_millis(200), ..limits() });
    let mut stream = shop.connect();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let many = "GET /large?1000000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let cut = (0..10_000).any(|_| stream.write_all(many.as_bytes()).is_err());
    assert!(cut, "it may go on for ever");
    assert!(shop.asked() < 100, "answers were made that nobody reads: {}", shop.asked());
    shop.is_well();
}

#[test]
fn idlers_do_not_shut_others_out() {
    let shop = shop(Limits { head: Duration::from_secs(60), connections_max: 64, ..limits() });
    let idlers: Vec<TcpStream> = (0..300)
        .map(|n| {
            let mut stream = shop.connect();
            if n % 2 == 0 {
                // It may have had to go already.
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
            }
            stream
        })
        .collect();
    for _ in 0..20 {
        shop.is_well();
    }
    assert!(shop.server.gate.connections() <= 64 + 16, "{}", shop.server.gate.connections());
    drop(idlers);
}

#[test]
fn when_everybody_is_busy_a_newcomer_is_told_so() {
    let shop = shop(Limits { connections_max: 2, evict_after: Duration::from_secs(60), ..limits() });
    let mut busy: Vec<TcpStream> = (0..2).map(|_| shop.connect()).collect();
    for stream in &mut busy {
        stream.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    }
    shop.wait_asked(2);
    let answer = shop.fetch("/x");
    assert!(status(&answer) == 503 && answer.contains("too_many_connections"), "{answer}");
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    shop.release();
    for stream in &mut busy {
        assert!(rest(stream).ends_with("GET /held "), "what is in hand is never cut");
    }
    shop.is_well();
}

#[test]
fn a_panicking_handler_answers_500_and_the_next_request_works() {
    let shop = shop(limits());
    for _ in 0..10 {
        let answer = shop.fetch("/panic");
        assert!(status(&answer) == 500 && answer.contains(r#""code":"internal""#), "{answer}");
        assert!(!answer.contains("as ordered"), "the cause belongs into the log");
        shop.is_well();
    }
}

#[test]
fn a_handler_that_takes_too_long_is_504_and_what_nobody_awaits_is_not_begun() {
    let quick = Duration::from_millis(100);
    let shop = shop(Limits { queue: quick, handler: quick, ..limits() });
    for handler in 1..=3 {
        let answer = shop.fetch("/held");
        assert!(status(&answer) == 504 && answer.contains("may be done"), "{answer}");
        shop.wait_asked(handler);
    }
    for _ in 0..10 {
        assert!(matches!(status(&shop.fetch("/never")), 503 | 504), "nobody is free");
    }
    shop.release();
    // The handlers come back, and find only what nobody waits for any more.
    let until = Instant::now() + Duration::from_secs(30);
    while status(&shop.fetch("/well")) != 200 {
        assert!(Instant::now() < until, "the handlers never came back");
    }
    // Three that were held, and the one that found a free handler.
    let answered = || shop.lines.lock().unwrap().iter().filter(|line| line.status == 200).count();
    while answered() < 4 {
        assert!(Instant::now() < until, "a held request was never answered");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(shop.server.stop(Duration::from_secs(30)));
    let lines = shop.lines.lock().unwrap();
    assert!(lines.iter().all(|line| line.path != "/never" || line.status == 503), "{lines:?}");
    assert_eq!(shop.asked(), 4);
}

#[test]
fn a_deaf_private_server_is_replaced() {
    let shop = shop(limits());
    shop.is_well();
    for _ in 0..3 {
        // What an accept error does to tiny_http: it ends the thread and with it the listener.
        let before = shop.server.upstream.current();
        shop.server.upstream.replace(&before).unwrap();
        assert!(!Arc::ptr_eq(&before, &shop.server.upstream.current()));
        shop.server.upstream.replace(&before).unwrap();
        drop(before);
        shop.is_well();
    }
    for entry in std::fs::read_dir(shop._dir.path()).unwrap().flatten() {
        for socket in std::fs::read_dir(entry.path()).unwrap().flatten() {
            std::fs::remove_file(socket.path()).unwrap();
        }
    }
    shop.is_well();
}

#[test]
fn the_private_socket_is_private_and_goes_with_the_server() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let stale = dir.path().join("web-1-0");
    std::fs::create_dir(&stale).unwrap();
    drop(std::os::unix::net::UnixListener::bind(stale.join("0.sock")).unwrap());
    let app: Arc<App> = Arc::new(|request: Request| echo(&request));
    let server = Server::start("127.0.0.1:0", Options::new(dir.path(), "b"), app.clone()).unwrap();
    let inside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(inside.len(), 1, "what a killed process left is swept: {inside:?}");
    assert_eq!(inside[0].metadata().unwrap().permissions().mode() & 0o777, 0o700);
    drop(server);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // A directory too deep for a socket's name is no reason not to start, nor one that is not there.
    let deep = dir.path().join("d".repeat(100));
    for odd in [deep, dir.path().join("missing")] {
        drop(Server::start("127.0.0.1:0", Options::new(odd, "b"), app.clone()).unwrap());
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(Server::start(&address, Options::new(dir.path(), "b"), app).is_err());
}

#[test]
fn stopping_finishes_what_is_in_hand() {
    let shop = shop(limits());
    let mut idle = shop.connect();
    let mut busy = shop.connect();
    busy.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    shop.wait_asked(1);
    shop.release();
    assert!(shop.server.stop(Duration::from_secs(30)), "everything was finished");
    let answer = rest(&mut busy);
    assert!(answer.ends_with("GET /held ") && answer.contains("connection: close"), "{answer}");
    assert_eq!(rest(&mut idle), "");
    assert!(TcpStream::connect(shop.server.address()).is_err(), "the port is closed");
    assert!(shop.server.stop(Duration::ZERO), "stopping twice is harmless");
}

#[test]
fn names_of_ours_cannot_be_forged_and_values_cannot_break_out() {
    let shop = shop(limits());
    let ask = |lines: &str, path: &str| {
        shop.talk(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"))
    };
    let seen = ask("X-Postsale-Peer: 9.9.9.9\r\nx-postsale-expires: 0\r\nTE: chunked\r\nX-Odd: \u{e9}\r\n", "/headers");
    assert!(!seen.contains("9.9.9.9") && !seen.contains(r#"["te","#), "{seen}");
    assert!(seen.contains(r#"["x-odd","%C3%A9"]"#), "{seen}");
    assert!(ask("", "/peer").ends_with("127.0.0.1 true"));
    assert!(ask("X-Forwarded-For: 198.51.100.7\r\n", "/peer").ends_with("198.51.100.7 false"));
    let split = shop.fetch("/split");
    assert!(!split.contains("\r\nx-evil") && split.contains("location: /a%0D%0Ax-evil: 1\r\n"), "{split}");
}

#[test]
fn a_request_leaves_one_line_without_its_query() {
    let shop = shop(limits());
    let ask = |id: &str| {
        let lines = format!("X-Request-Id: {id}\r\nConnection: close");
        shop.talk(format!("GET /seen?token=secret HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"))
    };
    assert!(ask("my-id-1").contains("\r\nx-request-id: my-id-1\r\n"));
    assert!(!ask("odd id").contains("odd id"));
    let lines = shop.lines.lock().unwrap();
    assert_eq!(lines.len(), 2);
    let line = &lines[0];
    assert_eq!(
        (line.id.as_str(), line.method.as_str(), line.path.as_str(), line.status),
        ("my-id-1", "GET", "/seen", 200)
    );
    assert!(!format!("{lines:?}").contains("secret"));
}
