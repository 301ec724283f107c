//! Posts one webhook event to a shop on this machine. It never speaks to any other machine, whatever address was
//! registered, and never follows where it is sent.

use super::paypal::Delivery;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Posts it; `Ok(true)` when the shop answered with a 2xx.
pub fn post(delivery: &Delivery) -> io::Result<bool> {
    let refuse = |words: &str| io::Error::new(io::ErrorKind::InvalidInput, words);
    let rest = delivery.url.strip_prefix("http://").ok_or_else(|| refuse("only http on loopback is told"))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let with_port = if host.contains(':') { host.to_string() } else { format!("{host}:80") };
    let addresses: Vec<SocketAddr> = with_port.to_socket_addrs()?.collect();
    let address = addresses.iter().find(|a| a.ip().is_loopback()).ok_or_else(|| refuse("not on loopback"))?;
    if path.bytes().any(|b| b <= b' ') {
        return Err(refuse("the path holds a blank"));
    }
    let mut stream = TcpStream::connect_timeout(address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let path = if path.is_empty() { "/" } else { path };
    let mut text = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in &delivery.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{}", delivery.body.len(), delivery.body));
    stream.write_all(text.as_bytes())?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(start.starts_with(b"HTTP/1.") && start[9] == b'2')
}
