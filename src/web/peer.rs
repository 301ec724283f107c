//! Who the client really is. `X-Forwarded-For` can be written by anybody, so it is believed only as far as a chain of
//! trusted proxies vouches for it.

use crate::config::Network;
use std::net::{IpAddr, SocketAddr};

/// The client's address, and whether it sits on this machine with no proxy between. `forwarded` are the values of all
/// `X-Forwarded-For` lines in order; `passed_a_proxy` is true if any forwarding header was sent at all.
pub(super) fn client(
    socket_peer: IpAddr,
    forwarded: &[&str],
    passed_a_proxy: bool,
    trusted_proxies: &[Network],
) -> (IpAddr, bool) {
    let mut client = socket_peer.to_canonical();
    let is_trusted = |ip: &IpAddr| trusted_proxies.iter().any(|proxies| proxies.contains(*ip));
    let hops = forwarded.iter().rev().flat_map(|line| line.rsplit(','));
    let mut unbroken = true;
    for hop in hops {
        if !is_trusted(&client) {
            break;
        }
        // A hop that is no address ends the chain at the last one that is vouched for.
        let Some(address) = parse(hop.trim()) else {
            unbroken = false;
            break;
        };
        client = address;
    }
    // A proxy on this machine that nobody has declared would make the whole world look local.
    let is_local = client.is_loopback() && unbroken && (!passed_a_proxy || is_trusted(&socket_peer.to_canonical()));
    (client, is_local)
}

fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|a| a.ip()));
    address.map(|a: IpAddr| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        fn check(peer: &str, forwarded: &[&str], trusted: &[&str], expected: (&str, bool)) {
            let network = |text: &&str| {
                let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
                Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
            };
            let trusted: Vec<Network> = trusted.iter().map(network).collect();
            let got = client(peer.parse().unwrap(), forwarded, !forwarded.is_empty(), &trusted);
            assert_eq!(got, (expected.0.parse().unwrap(), expected.1), "{peer} {forwarded:?} {trusted:?}");
        }
        check("127.0.0.1", &[], &[], ("127.0.0.1", true));
        check("192.0.2.1", &[], &[], ("192.0.2.1", false));
        check("::ffff:127.0.0.1", &[], &[], ("127.0.0.1", true));
        // Not trusted: the header is not believed, and an undeclared proxy on this machine is not local.
        check("192.0.2.1", &["127.0.0.1"], &[], ("192.0.2.1", false));
        check("127.0.0.1", &["198.51.100.7"], &[], ("127.0.0.1", false));
        // Trusted: the last hop that no trusted proxy wrote.
        check("127.0.0.1", &["198.51.100.7"], &["127.0.0.1"], ("198.51.100.7", false));
        check("127.0.0.1", &["127.0.0.1, 198.51.100.7"], &["127.0.0.1"], ("198.51.100.7", false));
        check("10.0.0.1", &["198.51.100.7, 10.0.0.2"], &["10.0.0.1", "10.0.0.2"], ("198.51.100.7", false));
        check("10.0.0.1", &["203.0.113.9", "198.51.100.7"], &["10.0.0.1"], ("198.51.100.7", false));
        check("10.0.0.1", &["198.51.100.7, 10.9.0.2"], &["10.0.0.0/8"], ("198.51.100.7", false));
        check("11.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"], ("11.0.0.1", false));
        check("10.0.0.1", &["198.51.100.7:4711"], &["10.0.0.1"], ("198.51.100.7", false));
        check("10.0.0.1", &["[2001:db8::1]"], &["10.0.0.1"], ("2001:db8::1", false));
        check("127.0.0.1", &["unknown"], &["127.0.0.1"], ("127.0.0.1", false));
        check("127.0.0.1", &["127.0.0.1"], &["127.0.0.1"], ("127.0.0.1", true));
    }
}
