//! How often one client may try: a token bucket per address, in a table of bounded size. It never blocks a thread; it
//! says yes, or how long to stay away.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Buckets of `burst` tokens, each refilled by one token per `refill`.
pub struct Limiter {
    refill: Duration,
    depth: Duration,
    clients_max: usize,
    /// For each client the moment at which its bucket is full again. Who is not listed has a full one.
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Limiter {
    /// `burst` at least 1. At most `clients_max` addresses are remembered; beyond, the least busy is forgotten.
    pub fn new(burst: u32, refill: Duration, clients_max: usize) -> Self {
        Self { refill, depth: refill * burst.max(1), clients_max, full_at: Mutex::new(HashMap::new()) }
    }

    /// Takes one token of this client. `Err` is how long until there is one again.
    pub fn take(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut table = self.full_at.lock().unwrap_or_else(|e| e.into_inner());
        let key = client(peer);
        let full_at = table.get(&key).copied().unwrap_or(now).max(now) + self.refill;
        let debt = full_at - now;
        if debt > self.depth {
            return Err(debt - self.depth);
        }
        if table.len() >= self.clients_max && !table.contains_key(&key) {
            make_room(&mut table, self.clients_max, now);
        }
        table.insert(key, full_at);
        Ok(())
    }

    /// Like `take`, but leaves the token where it is.
    pub fn look(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let table = self.full_at.lock().unwrap_or_else(|e| e.into_inner());
        let full_at = table.get(&client(peer)).copied().unwrap_or(now).max(now) + self.refill;
        let debt = full_at - now;
        if debt > self.depth { Err(debt - self.depth) } else { Ok(()) }
    }
}

fn make_room(table: &mut HashMap<IpAddr, Instant>, clients_max: usize, now: Instant) {
    table.retain(|_, full_at| *full_at > now);
    if table.len() >= clients_max {
        let least_busy = table.iter().min_by_key(|(_, full_at)| **full_at).map(|(key, _)| *key);
        least_busy.and_then(|key| table.remove(&key));
    }
}

/// Whom an address stands for. An IPv6 customer has a whole /64 to himself, so that is one client.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            if v6.is_loopback() { IpAddr::V6(v6) } else { IpAddr::V6(Ipv6Addr::from(network)) }
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_one_per_refill() {
        let limiter = Limiter::new(3, Duration::from_secs(2), 10);
        let start = Instant::now();
        let check = |after_s: u64, peer: &str, expected: Result<(), u64>| {
            let now = start + Duration::from_secs(after_s);
            let seen = limiter.look(ip(peer), now);
            let taken = limiter.take(ip(peer), now);
            assert_eq!(seen, taken, "looking and taking agree");
            assert_eq!(taken.map_err(|wait| wait.as_secs()), expected, "{peer} after {after_s} s");
        };
        check(0, "192.0.2.1", Ok(()));
        check(0, "192.0.2.1", Ok(()));
        check(0, "::ffff:192.0.2.1", Ok(()));
        check(0, "192.0.2.1", Err(2));
        check(0, "192.0.2.2", Ok(()));
        check(1, "192.0.2.1", Err(1));
        check(2, "192.0.2.1", Ok(()));
        check(2, "192.0.2.1", Err(2));
        check(100, "192.0.2.1", Ok(()));
        for host in 1..=3 {
            check(100, &format!("2001:db8::{host}"), Ok(()));
        }
        check(100, "2001:db8::4", Err(2));
        check(100, "2001:db8:0:1::4", Ok(()));
    }

    #[test]
    fn the_table_is_bounded() {
        let limiter = Limiter::new(2, Duration::from_secs(1), 8);
        let now = Instant::now();
        let busy = ip("192.0.2.1");
        limiter.take(busy, now).unwrap();
        limiter.take(busy, now).unwrap();
        for n in 0..100u8 {
            limiter.take(IpAddr::from([198, 51, 100, n]), now).unwrap();
        }
        assert!(limiter.full_at.lock().unwrap().len() <= 8);
        assert!(limiter.take(busy, now).is_err(), "the busiest is not the one forgotten");
    }
}
