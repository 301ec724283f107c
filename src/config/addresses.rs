//! Addresses: of far sides, of pages, of mailboxes. They are read strictly, because a payout or a purchase
//! goes where they say; a host whose kind is in doubt is refused. A URL with a password in it is refused everywhere.

use super::values::Field;
use crate::domain::money::Currency;
use serde_json::{Value, json};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// An `http` or `https` URL without user, query and fragment, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: String,
    host: String,
}

impl Url {
    /// `None` for whatever is not clearly such a URL.
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, host, rest) = split(text)?;
        let clean = matches!(scheme, "http" | "https") && !rest.contains(['?', '#', '@']);
        clean.then(|| Url { text: text.trim_end_matches('/').to_owned(), host })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// In small letters, without port, brackets and a dot at its end.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is this domain or lies below it.
    pub fn is_under(&self, domain: &str) -> bool {
        self.host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }

    /// Whether the host, by its name alone, is this machine or one beside it and so cannot be a provider's.
    pub fn is_local(&self) -> bool {
        match self.host.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
            Ok(IpAddr::V6(ip)) => is_local_v6(ip),
            Err(_) => self.is_under("localhost") || self.is_under("local") || !self.host.contains('.'),
        }
    }
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `scheme://host…` as (scheme, host in small letters, everything after `://`).
fn split(text: &str) -> Option<(&str, String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    if !rest.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b)) || text.len() > 500 {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let address = authority.rsplit('@').next()?;
    let (host, port) = match address.strip_prefix('[') {
        Some(v6) => v6.split_once(']').filter(|(ip, _)| ip.parse::<Ipv6Addr>().is_ok())?,
        None => address.find(':').map_or((address, ""), |colon| address.split_at(colon)),
    };
    let port_is_good = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let host_is_good = host.parse::<IpAddr>().is_ok() || is_domain(&host);
    (port_is_good && host_is_good).then_some((scheme, host, rest))
}

/// Letters, digits and hyphens between dots. A last part of digits is refused: some resolvers read `2130706433` or
/// `127.1` as an address.
fn is_domain(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(label) && !last.starts_with(|c: char| c.is_ascii_digit())
}

impl Field for Url {
    const WANTED: &'static str = "an http or https URL in quotes, without user, password, ? and #";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        Url::parse(text).ok_or(None)
    }

    fn shown(&self) -> Value {
        json!(self.text)
    }
}

/// A URL that is itself the permission to write to somebody (chat hooks, topics, heartbeats): only its host is ever
/// printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateUrl {
    text: String,
    masked: String,
}

impl PrivateUrl {
    /// The whole URL, for the one call that goes there.
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }
}

impl fmt::Display for PrivateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl fmt::Debug for PrivateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl Field for PrivateUrl {
    const WANTED: &'static str = "an http or https URL in quotes, without user and password";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let (scheme, host, rest) = split(text).ok_or(None)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || authority.contains('@') {
            return Err(None);
        }
        Ok(PrivateUrl { text: text.to_owned(), masked: format!("{scheme}://{host}/***") })
    }

    fn shown(&self) -> Value {
        json!(self.masked)
    }
}

/// `smtp://user@host:587` or `smtps://…`. The password is the secret `SMTP_PASSWORD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpUrl(String);

impl SmtpUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for SmtpUrl {
    const WANTED: &'static str = "smtp://user@host:port or smtps://user@host:port in quotes";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let (scheme, _, rest) = split(text).ok_or(None)?;
        if rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
            return Err(Some("secrets do not stand in the file: set SMTP_PASSWORD".into()));
        }
        if matches!(scheme, "smtp" | "smtps") { Ok(SmtpUrl(text.to_owned())) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        json!(self.0)
    }
}

/// Where PayPal or AliExpress is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FarSide {
    /// The one inside this program.
    Builtin,
    /// PayPal's own sandbox. AliExpress has none.
    Sandbox,
    /// The real one.
    Live,
    /// None: what it would do is done by hand.
    Off,
    /// Another one, without a slash at its end; [`Url::parse`] reads it again without fail.
    Url(String),
}

impl Field for FarSide {
    const WANTED: &'static str = "\"builtin\", \"sandbox\", \"live\", \"none\" or an http or https URL";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        match text {
            "builtin" => Ok(FarSide::Builtin),
            "sandbox" => Ok(FarSide::Sandbox),
            "live" => Ok(FarSide::Live),
            "none" => Ok(FarSide::Off),
            other => Url::parse(other).map(|url| FarSide::Url(url.text)).ok_or(None),
        }
    }

    fn shown(&self) -> Value {
        match self {
            FarSide::Builtin => json!("builtin"),
            FarSide::Sandbox => json!("sandbox"),
            FarSide::Live => json!("live"),
            FarSide::Off => json!("none"),
            FarSide::Url(url) => json!(url),
        }
    }
}

/// A mailbox, also the name of a PayPal account. `Debug` shows only its first letter and its domain.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both mean one mailbox: capitals do not tell mailboxes apart, for PayPal neither.
    pub fn is_same_as(&self, other: &Email) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.0.split_once('@').unwrap_or_default();
        write!(f, "{}***@{domain}", local.get(..1).unwrap_or_default())
    }
}

impl Field for Email {
    const WANTED: &'static str = "an e-mail address";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let (local, domain) = text.split_once('@').ok_or(None)?;
        let atom = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
        };
        let small = domain.to_ascii_lowercase();
        let domain_is_good = is_domain(&small) && (small.contains('.') || small == "localhost");
        let good = local.len() <= 64 && local.split('.').all(atom) && domain_is_good && !small.contains('_');
        if good { Ok(Email(text.to_owned())) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        json!(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Field>(text: &str) -> Option<T> {
        T::parse(text, Currency::new("USD").unwrap()).ok()
    }

    #[test]
    fn urls_are_read_strictly() {
        let check = |text: &str, host: Option<&str>| {
            assert_eq!(Url::parse(text).as_ref().map(Url::host), host, "{text}");
        };
        check("https://api-m.paypal.com", Some("api-m.paypal.com"));
        check("HTTPS://a.com", None);
        check("https://API-M.PayPal.com.:443/x/", Some("api-m.paypal.com"));
        check("http://[::1]:80/", Some("::1"));
        check("http://127.0.0.1:9000/paypal", Some("127.0.0.1"));
        for text in [
            "",
            "example",
            "ftp://a.com",
            "http://",
            "http://a b.com",
            "http://a.com:0",
            "http://a.com:99999",
            "http://user@a.com",
            "http://user:pass@a.com",
            "http://a.com?x=1",
            "http://a.com#x",
            "http://2130706433/",
            "http://127.1/",
            "http://0x7f.0x1/",
            "http://-a.com",
            "http://a..com",
            "http://[::1",
            "http://a.com\\@b.com",
        ] {
            check(text, None);
        }
        assert_eq!(Url::parse("https://a.com/x/").unwrap().as_str(), "https://a.com/x");
    }

    #[test]
    fn local_hosts_are_known() {
        let check = |host: &str, local: bool| {
            assert_eq!(Url::parse(&format!("http://{host}")).unwrap().is_local(), local, "{host}");
        };
        for host in ["localhost", "x.localhost", "127.9.9.9", "0.0.0.0", "10.1.2.3", "192.168.1.1", "[::1]", "[::]"] {
            check(host, true);
        }
        for host in ["[::ffff:127.0.0.1]", "[fd00::1]", "169.254.169.254", "db", "nas.local", "LOCALHOST."] {
            check(host, true);
        }
        for host in ["api-sg.aliexpress.com", "8.8.8.8", "localhost.com", "[2001:db8::1]"] {
            check(host, false);
        }
    }

    #[test]
    fn a_private_url_prints_only_its_host() {
        let url: PrivateUrl = read("https://hooks.chat.com/T1/s3cret?x=s3cret").unwrap();
        assert_eq!(format!("{url} {url:?} {}", url.shown()).matches("s3cret").count(), 0);
        assert_eq!(url.to_string(), "https://hooks.chat.com/***");
        assert!(url.expose().contains("s3cret"));
        assert!(read::<PrivateUrl>("https://user:pass@a.com/x").is_none());
        assert!(read::<SmtpUrl>("smtp://me%40a.com@mail.a.com:587").is_some());
        assert!(read::<SmtpUrl>("smtp://me:pass@mail.a.com").is_none());
        assert!(read::<SmtpUrl>("http://mail.a.com").is_none());
    }

    #[test]
    fn mailboxes() {
        for text in ["a@b.co", "first.last+x@sub.domain.org", "a@localhost"] {
            assert!(read::<Email>(text).is_some(), "{text}");
        }
        for text in
            ["", "a", "@b.co", "a@", "a@b", "a@@b.co", "a b@c.de", "a.@b.co", "a@b..co", "a@1.2.3.4", "a@b.co\n"]
        {
            assert!(read::<Email>(text).is_none(), "{text}");
        }
        let email: Email = read("seller@shop.tld").unwrap();
        assert_eq!(format!("{email:?}"), "s***@shop.tld");
        assert!(email.is_same_as(&read("Seller@SHOP.tld").unwrap()));
    }
}
