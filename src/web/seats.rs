//! Who is connected at the moment. Places are few; when all are taken, a newcomer gets the place of the connection that
//! has done nothing for the longest time, so that idlers cannot shut anybody out. A request that is in hand is never
//! cut.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the head of a request.
    Waiting,
    /// A body.
    Receiving,
    /// A handler has the request, or is about to.
    InHand,
    /// The answer.
    Sending,
}

struct State {
    phase: Phase,
    since: Instant,
    is_evicted: bool,
}

/// One connection.
pub(super) struct Seat {
    pub(super) stream: TcpStream,
    pub(super) peer: IpAddr,
    number: u64,
    state: Mutex<State>,
}

impl Seat {
    /// Goes on to the next phase. False if the place has been given to somebody else; then the connection is closed and
    /// nothing may be done for it any more.
    #[must_use]
    pub(super) fn enter(&self, phase: Phase) -> bool {
        let mut state = self.state();
        state.phase = phase;
        state.since = Instant::now();
        !state.is_evicted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[derive(Default)]
struct Taken {
    seats: HashMap<u64, Arc<Seat>>,
    next_number: u64,
}

/// All connections.
pub(super) struct Seats {
    max: usize,
    evict_after: Duration,
    taken: Mutex<Taken>,
    left: Condvar,
}

/// Connections that were told to go and have not gone yet, beyond the cap.
const LEAVING_MAX: usize = 16;
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

impl Seats {
    pub(super) fn new(max: usize, evict_after: Duration) -> Self {
        Self { max, evict_after, taken: Mutex::default(), left: Condvar::new() }
    }

    /// Gives the connection a place, or gives it back where nobody can make room.
    pub(super) fn take(&self, stream: TcpStream, peer: IpAddr) -> Result<Arc<Seat>, TcpStream> {
        let mut taken = self.taken();
        if taken.seats.len() >= self.max {
            let staying = taken.seats.values().filter(|seat| !seat.state().is_evicted).count();
            if staying >= self.max && !evict(&taken, self.evict_after) {
                return Err(stream);
            }
            // Who was told to go needs only a moment to do so, and the port's queue holds the newcomers meanwhile.
            let is_crowded = |taken: &mut Taken| taken.seats.len() >= self.max + LEAVING_MAX;
            let wait = self.left.wait_timeout_while(taken, LEAVE_WITHIN, is_crowded);
            let (waited, outcome) = wait.unwrap_or_else(|e| e.into_inner());
            if outcome.timed_out() {
                return Err(stream);
            }
            taken = waited;
        }
        let number = taken.next_number;
        taken.next_number += 1;
        let state = State { phase: Phase::Waiting, since: Instant::now(), is_evicted: false };
        let seat = Arc::new(Seat { stream, peer, number, state: Mutex::new(state) });
        taken.seats.insert(number, seat.clone());
        Ok(seat)
    }

    pub(super) fn leave(&self, seat: &Seat) {
        self.taken().seats.remove(&seat.number);
        self.left.notify_all();
    }

    /// Closes the connection that has idled longest, to get its descriptor back.
    pub(super) fn evict_one(&self) {
        evict(&self.taken(), self.evict_after);
    }

    /// Lets every connection finish what is in hand and ends those that wait for a request.
    pub(super) fn dismiss(&self) {
        for seat in self.taken().seats.values() {
            if seat.state().phase == Phase::Waiting {
                // Only the reading side: what has arrived already is still read, and answered.
                let _ = seat.stream.shutdown(Shutdown::Read);
            }
        }
    }

    /// Waits until nobody is left; then true.
    pub(super) fn wait_empty(&self, deadline: Instant) -> bool {
        let mut taken = self.taken();
        while !taken.seats.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            taken = self.left.wait_timeout(taken, left).unwrap_or_else(|e| e.into_inner()).0;
        }
        true
    }

    /// Cuts everybody off.
    pub(super) fn close_all(&self) {
        for seat in self.taken().seats.values() {
            let _ = seat.stream.shutdown(Shutdown::Both);
        }
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<Arc<Seat>> {
        self.taken().seats.values().cloned().collect()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Closes the connection that can best be spared: first those that wait for a request, then those that take their time
/// with a body or an answer, the longest first. False if there is none.
fn evict(taken: &Taken, evict_after: Duration) -> bool {
    let now = Instant::now();
    let rank = |seat: &Arc<Seat>| {
        let state = seat.state();
        let may_go = match state.phase {
            Phase::Waiting => true,
            Phase::Receiving | Phase::Sending => now.duration_since(state.since) >= evict_after,
            Phase::InHand => false,
        };
        (may_go && !state.is_evicted).then_some((state.phase != Phase::Waiting, state.since))
    };
    loop {
        let best = taken.seats.values().filter_map(|seat| Some((rank(seat)?, seat))).min_by_key(|(rank, _)| *rank);
        let Some((_, seat)) = best else { return false };
        let mut state = seat.state();
        // It may have moved on since it was ranked; a request in hand stays, and the next best is looked for.
        if state.phase != Phase::InHand {
            state.is_evicted = true;
            let _ = seat.stream.shutdown(Shutdown::Both);
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_newcomer_gets_the_place_of_the_longest_idler() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let peer = IpAddr::from([127, 0, 0, 1]);
        let seats = Seats::new(2, Duration::from_secs(3600));
        let one = seats.take(stream(), peer).unwrap();
        let two = seats.take(stream(), peer).unwrap();
        assert!(one.enter(Phase::InHand));
        let three = seats.take(stream(), peer).unwrap();
        assert!(one.enter(Phase::InHand), "a request in hand stays");
        assert!(!two.enter(Phase::InHand), "the idler went, and nothing is done for it any more");
        assert!(three.enter(Phase::Receiving));
        assert!(seats.take(stream(), peer).is_err(), "a body that has just begun is not cut");
        seats.leave(&one);
        let four = seats.take(stream(), peer).unwrap();
        assert!(three.enter(Phase::Sending) && four.enter(Phase::Waiting));
        for seat in [&two, &three] {
            seats.leave(seat);
        }
        assert!(!seats.wait_empty(Instant::now()));
        seats.leave(&four);
        assert!(seats.wait_empty(Instant::now() + Duration::from_secs(9)));
    }

    #[test]
    fn slow_bodies_and_slow_readers_make_room_after_a_while() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let peer = IpAddr::from([127, 0, 0, 1]);
        for phase in [Phase::Receiving, Phase::Sending] {
            let seats = Seats::new(1, Duration::ZERO);
            let slow = seats.take(stream(), peer).unwrap();
            assert!(slow.enter(phase));
            assert!(seats.take(stream(), peer).is_ok());
            assert!(!slow.enter(Phase::InHand));
        }
    }
}
