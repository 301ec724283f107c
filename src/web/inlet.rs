//! Reading from a client under a deadline. No read here can wait longer than it was told, however slowly the client
//! drips, and nothing is read ahead beyond one small piece.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Instant;

/// Why there are no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The client closed its side, or the connection broke.
    Closed,
    /// The deadline passed.
    Late,
}

const PIECE_BYTES: usize = 8 * 1024;

/// What a client has sent and nobody has taken yet.
pub(super) struct Inlet<'a> {
    stream: &'a TcpStream,
    bytes: Vec<u8>,
    taken: usize,
}

impl<'a> Inlet<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self { stream, bytes: Vec::new(), taken: 0 }
    }

    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Drops the first `count` pending bytes.
    pub(super) fn take(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.bytes.len());
        if self.taken == self.bytes.len() {
            // A connection between two requests costs no buffer.
            self.bytes = Vec::new();
            self.taken = 0;
        }
    }

    /// Waits for at least one more byte.
    pub(super) fn fill(&mut self, deadline: Instant) -> Result<(), Gone> {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        let mut piece = [0; PIECE_BYTES];
        let count = read_until(self.stream, &mut piece, deadline)?;
        self.bytes.extend_from_slice(&piece[..count]);
        Ok(())
    }
}

/// One read that ends at the deadline. Never returns `Ok(0)`.
pub(super) fn read_until(mut stream: &TcpStream, piece: &mut [u8], deadline: Instant) -> Result<usize, Gone> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // A zero time-out would mean "wait for ever" to the system.
        if left.is_zero() {
            return Err(Gone::Late);
        }
        stream.set_read_timeout(Some(left)).map_err(|_| Gone::Closed)?;
        match stream.read(piece) {
            Ok(0) => return Err(Gone::Closed),
            Ok(count) => return Ok(count),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(Gone::Late),
            Err(_) => return Err(Gone::Closed),
        }
    }
}
