//! Networks of addresses, for the proxies that are believed. An address is in or out by its bits alone; a name is never
//! looked up.

use super::values::{Field, Form};
use crate::domain::money::Currency;
use serde_json::{Value, json};
use std::net::IpAddr;

/// One address or a whole network, such as `10.0.0.0/8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    /// How many leading bits count: at most 32 or 128.
    pub prefix: u8,
}

impl Network {
    /// An IPv4 address written the IPv6 way (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let differing = u32::from(a) ^ u32::from(b);
                differing.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let differing = u128::from(a) ^ u128::from(b);
                differing.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl Field for Network {
    const WANTED: &'static str = "IP addresses or networks with commas between, such as \"127.0.0.1, 10.0.0.0/8\"";
    const FORMS: &'static [Form] = &[Form::String, Form::List];

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| None)?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits_max,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| None)?,
            Some(_) => return Err(None),
        };
        if prefix <= bits_max { Ok(Network { address, prefix }) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        let alone = self.prefix == if self.address.is_ipv4() { 32 } else { 128 };
        json!(if alone { self.address.to_string() } else { format!("{}/{}", self.address, self.prefix) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Network> {
        Network::parse(text, Currency::new("USD").unwrap()).ok()
    }

    #[test]
    fn networks() {
        let check = |network: &str, address: &str, inside: bool| {
            let network = read(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network:?} {address}");
        };
        check("10.0.0.0/8", "10.200.1.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("0.0.0.0/0", "9.9.9.9", true);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "10.0.0.1", false);
        for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "proxy", "::/129"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
