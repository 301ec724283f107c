//! The wire against real sockets on loopback: every way in which a far side can fail us, and whether we then know
//! that nothing was sent.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// For far sides that answer or fail by themselves: a busy machine must not turn them into time-outs.
const LONG: Patience = patience(20_000);
/// For far sides that keep us waiting.
const SHORT: Patience = patience(300);

const fn patience(ms: u64) -> Patience {
    let span = Duration::from_millis(ms);
    Patience { connect: span, money: span, look_up: span }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// A far side for one connection. Returns its address and a thread that ends with what it was sent.
fn far_side(serve: impl FnOnce(&mut TcpStream) -> Vec<u8> + Send + 'static) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let thread = thread::spawn(move || serve(&mut listener.accept().unwrap().0));
    (url, thread)
}

/// Reads a whole request: the head, and as many bytes of body as it announces.
fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&all).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|s| s.lines().next());
            if body.len() >= length.map_or(0, |s| s.trim().parse().unwrap()) {
                return all;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return all,
            Ok(n) => all.extend_from_slice(&chunk[..n]),
        }
    }
}

fn replying(reply: Vec<u8>) -> (String, JoinHandle<Vec<u8>>) {
    far_side(move |stream| {
        let request = read_request(stream);
        stream.write_all(&reply).unwrap();
        request
    })
}

fn post(url: &str, purpose: Purpose) -> Request {
    let headers = vec![("PayPal-Request-Id".to_owned(), "key-1".to_owned())];
    Request { method: "POST", url: url.to_owned(), headers, body: b"{\"a\":1}".to_vec(), purpose }
}

fn ask(url: &str, purpose: Purpose) -> Result<Answer, CallError> {
    UreqWire::new(LONG).ask(&post(url, purpose))
}

fn kind(answer: &Result<Answer, CallError>) -> &'static str {
    match answer {
        Ok(_) => "answer",
        Err(CallError::Unsent(_)) => "unsent",
        Err(CallError::Refused { .. }) => "refused",
        Err(CallError::Unknown(_)) => "unknown",
    }
}

/// Both purposes meet the same far side, a fresh one each, and neither knows what became of its request.
fn check(what: &str, patience: Patience, make: impl Fn() -> (String, JoinHandle<Vec<u8>>)) {
    for purpose in [Purpose::Money, Purpose::LookUp] {
        let (url, thread) = make();
        let answer = UreqWire::new(patience).ask(&post(&url, purpose));
        assert_eq!(kind(&answer), "unknown", "{what}, {purpose:?}: {answer:?}");
        thread.join().unwrap();
    }
}

#[test]
fn what_was_asked_arrives_and_the_answer_comes_back() {
    for purpose in [Purpose::Money, Purpose::LookUp] {
        let (url, thread) = replying(OK.to_vec());
        let answer = ask(&url, purpose).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
        assert_eq!(answer.header("CONTENT-type"), Some("application/json"));
        let request = String::from_utf8(thread.join().unwrap()).unwrap();
        assert!(request.starts_with("POST /x HTTP/1.1\r\n") && request.ends_with("{\"a\":1}"), "{request}");
        let lower = request.to_ascii_lowercase();
        assert!(lower.contains("paypal-request-id: key-1\r\n"), "{request}");
        assert!(lower.contains(concat!("user-agent: postsale/", env!("CARGO_PKG_VERSION"), "\r\n")), "{request}");
        assert!(!lower.contains("accept-encoding: gzip"), "{request}");
    }
}

#[test]
fn a_get_has_no_body() {
    let (url, thread) = replying(OK.to_vec());
    let request = Request { method: "GET", url, headers: Vec::new(), body: Vec::new(), purpose: Purpose::LookUp };
    assert_eq!(UreqWire::new(LONG).ask(&request).unwrap().status, 200);
    assert!(thread.join().unwrap().ends_with(b"\r\n\r\n"));
}

#[test]
fn every_status_is_an_answer() {
    for status in [201, 204, 400, 401, 404, 422, 429, 500, 503] {
        let reply = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let (url, thread) = replying(reply);
        assert_eq!(ask(&url, Purpose::Money).unwrap().status, status);
        thread.join().unwrap();
    }
}

#[test]
fn nothing_left_us() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for purpose in [Purpose::Money, Purpose::LookUp] {
        let refused = ask(&format!("http://{free}/x"), purpose);
        assert_eq!(kind(&refused), "unsent", "{refused:?}");
        let nowhere = ask("http://nowhere.invalid/x", purpose);
        assert_eq!(kind(&nowhere), "unsent", "{nowhere:?}");
    }
    // Not even a URL.
    assert_eq!(kind(&ask("no url", Purpose::Money)), "unsent");
}

#[test]
fn a_failed_handshake_is_not_a_sent_request() {
    let not_tls = || {
        let (url, thread) = far_side(|stream| {
            let mut hello = [0; 1024];
            let n = stream.read(&mut hello).unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            hello[..n].to_vec()
        });
        (url.replace("http:", "https:"), thread)
    };
    let (url, thread) = not_tls();
    let answer = ask(&url, Purpose::Money);
    assert_eq!(kind(&answer), "unsent", "{answer:?}");
    // Bytes did cross the network: a TLS hello, and none of the request.
    let crossed = thread.join().unwrap();
    assert!(!crossed.is_empty() && !crossed.windows(8).any(|w| w == b"HTTP/1.1"));

    let (url, thread) = far_side(|stream| {
        while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {}
        Vec::new()
    });
    let silent = UreqWire::new(SHORT).ask(&post(&url.replace("http:", "https:"), Purpose::Money));
    assert_eq!(kind(&silent), "unsent", "{silent:?}");
    thread.join().unwrap();
}

#[test]
fn lost_answers_are_unknown() {
    let closed_unread = || far_side(|_| Vec::new());
    check("closed without reading", LONG, closed_unread);
    let closed_after_reading = || far_side(read_request);
    check("closed after reading", LONG, closed_after_reading);
    // Closing with unread bytes in the buffer makes the kernel send a reset.
    let reset = || {
        far_side(|stream| {
            let mut some = [0; 20];
            stream.read_exact(&mut some).unwrap();
            some.to_vec()
        })
    };
    check("reset after reading a part", LONG, reset);
    let half_head = || replying(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec());
    check("half a head", LONG, half_head);
    let half_body = || replying(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"id\":".to_vec());
    check("half a body", LONG, half_body);
    let half_chunk = || replying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{\"id\"".to_vec());
    check("half a chunk", LONG, half_chunk);
    check("no HTTP", LONG, || replying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()));
    let bad_length = || replying(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}".to_vec());
    check("a length that is no number", LONG, bad_length);
}

#[test]
fn a_body_longer_than_announced_is_cut() {
    let (url, thread) = replying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{\"id\":1}".to_vec());
    assert_eq!(ask(&url, Purpose::Money).unwrap().body, b"{}");
    thread.join().unwrap();
}

#[test]
fn silence_is_unknown() {
    let silent = || {
        far_side(|stream| {
            let request = read_request(stream);
            // Until the other side gives up.
            while stream.read(&mut [0]).is_ok_and(|n| n > 0) {}
            request
        })
    };
    check("silence", SHORT, silent);
    let dripping = || {
        far_side(|stream| {
            let request = read_request(stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n").ok();
            while stream.write_all(b" ").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
            request
        })
    };
    check("a byte now and then", SHORT, dripping);
}

#[test]
fn an_endless_body_is_not_read() {
    let huge = || {
        far_side(|stream| {
            let request = read_request(stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok();
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            while stream.write_all(&chunk).is_ok() {}
            request
        })
    };
    check("an endless body", LONG, huge);
    // One byte too many, all of it there: only the limit can object.
    let body = |length: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        far_side(move |stream| {
            let request = read_request(stream);
            stream.write_all(&[head, vec![b' '; length]].concat()).ok();
            request
        })
    };
    let fitting = BODY_BYTES_MAX as usize;
    check("a byte too many", LONG, || body(fitting + 1));
    let (url, thread) = body(fitting);
    assert_eq!(ask(&url, Purpose::Money).unwrap().body.len(), fitting);
    thread.join().unwrap();
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (elsewhere, never) = far_side(|_| panic!("followed"));
        let reply = format!("HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
        for purpose in [Purpose::Money, Purpose::LookUp] {
            let (url, thread) = replying(reply.clone().into_bytes());
            let answer = ask(&url, purpose).unwrap();
            assert_eq!((answer.status, answer.header("location")), (status, Some(elsewhere.as_str())));
            thread.join().unwrap();
        }
        assert!(!never.is_finished());
    }
}

#[test]
fn a_packed_body_is_left_packed() {
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let (url, thread) = replying([head.as_bytes(), packed.as_slice()].concat());
    let answer = ask(&url, Purpose::Money).unwrap();
    assert_eq!((answer.body.as_slice(), answer.header("content-encoding")), (packed.as_slice(), Some("gzip")));
    thread.join().unwrap();
}

#[test]
fn money_never_goes_over_a_connection_that_was_used() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let wire = Arc::new(UreqWire::new(LONG));
    // Each connection stays open after its answer; a second request on it would never be answered.
    let asking = thread::spawn(move || {
        (0..3).map(|_| wire.ask(&post(&url, Purpose::Money)).unwrap().status).collect::<Vec<_>>()
    });
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = listener.accept().unwrap().0;
        read_request(&mut stream);
        stream.write_all(OK).unwrap();
        open.push(stream);
    }
    assert_eq!(asking.join().unwrap(), [200, 200, 200]);
}

#[test]
fn look_ups_share_a_connection() {
    let (url, thread) = far_side(|stream| {
        for _ in 0..2 {
            read_request(stream);
            stream.write_all(OK).unwrap();
        }
        Vec::new()
    });
    let wire = UreqWire::new(LONG);
    assert_eq!(wire.ask(&post(&url, Purpose::LookUp)).unwrap().status, 200);
    assert_eq!(wire.ask(&post(&url, Purpose::LookUp)).unwrap().status, 200);
    thread.join().unwrap();
}

#[test]
fn a_request_prints_neither_headers_nor_body() {
    let mut request = post("http://x/y", Purpose::Money);
    request.headers.push(("Authorization".to_owned(), "Bearer tell-nobody".to_owned()));
    assert_eq!(format!("{request:?}"), "POST http://x/y (Money, 7 bytes)");
}
