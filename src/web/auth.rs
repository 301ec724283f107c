//! Who may do what. A scope is granted by a bearer token or by the internal secret; neither is ever stored, logged or
//! compared byte by byte: only keyed digests are kept, and their comparison takes the same time for every guess.

use super::problem::Problem;
use super::rate::Limiter;
use super::request::Request;
use ring::{digest, hmac, rand};
use std::time::{Duration, Instant};

/// What a caller may do; each scope includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Anybody.
    Open,
    /// See orders, money and reports.
    Read,
    /// Change orders without moving money.
    Operate,
    /// Let money move.
    Money,
}

impl Scope {
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Money => "money",
        }
    }

    /// `None` if there is no such scope.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Read, Self::Operate, Self::Money].into_iter().find(|scope| scope.word() == word)
    }
}

/// Who asks. The name is for the timeline ("approved by …"), never a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub scope: Scope,
    pub name: String,
}

impl Caller {
    /// A client that showed nothing, or nothing that is worth anything.
    pub fn nobody() -> Self {
        Self { scope: Scope::Open, name: "nobody".to_owned() }
    }
}

/// Finds the owner of a bearer token; `None` where there is none. It should look up `fingerprint(token)`, so that the
/// database holds no token and the search tells nothing about one.
pub type TokenLookup = dyn Fn(&str) -> Option<Caller> + Send + Sync;

/// The SHA-256 of a token in lower-case hex: what is stored and looked up in its place.
pub fn fingerprint(token: &str) -> String {
    data_encoding::HEXLOWER.encode(digest::digest(&digest::SHA256, token.as_bytes()).as_ref())
}

/// The internal secret as a keyed digest.
struct Secret {
    key: hmac::Key,
    tag: hmac::Tag,
}

/// The one place where scopes are granted.
pub struct Door {
    secret: Option<Secret>,
    is_production: bool,
    lookup: Box<TokenLookup>,
    failures: Limiter,
    open: Limiter,
}

impl Door {
    /// `secret` is `INTERNAL_RUN_SECRET`, `None` or empty where none is configured. Fails only where the system has no
    /// random numbers.
    pub fn new(secret: Option<&str>, is_production: bool, lookup: Box<TokenLookup>) -> std::io::Result<Self> {
        let random = rand::SystemRandom::new();
        let seal = |secret: &str| {
            let key = hmac::Key::generate(hmac::HMAC_SHA256, &random)
                .map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
            let tag = hmac::sign(&key, secret.as_bytes());
            Ok::<_, std::io::Error>(Secret { key, tag })
        };
        Ok(Self {
            secret: secret.filter(|s| !s.is_empty()).map(seal).transpose()?,
            is_production,
            lookup,
            failures: Limiter::new(60, Duration::from_millis(500), 4096),
            open: Limiter::new(60, Duration::from_secs(1), 4096),
        })
    }

    /// Replaces the limiter of failed authentications (60, then two a second) and that of limited open routes (60, then
    /// one a second).
    pub fn with_limiters(mut self, failures: Limiter, open: Limiter) -> Self {
        self.failures = failures;
        self.open = open;
        self
    }

    /// One token of a limited open route. 429 where the client has none left.
    pub fn knock(&self, request: &Request) -> Result<(), Problem> {
        self.open
            .take(request.peer, Instant::now())
            .map_err(|wait| too_many("Too many requests from this address.", wait))
    }

    /// Lets the request pass as somebody, or refuses it: 401 nobody, 403 too small a scope, 429 too many failures, 503
    /// the internal secret used where none is configured. On an open route nothing of that is refused.
    pub fn admit(&self, required: Scope, request: &Request) -> Result<Caller, Problem> {
        let now = Instant::now();
        let shown = shown(request);
        if matches!(shown, Shown::Nothing) && required == Scope::Open {
            return Ok(Caller::nobody());
        }
        // An address that keeps guessing is not even looked at, on open routes too: these tell a right guess by what
        // they show.
        if let Err(wait) = self.failures.look(request.peer, now) {
            return match required {
                Scope::Open => Ok(Caller::nobody()),
                _ => Err(too_many("Too many failed attempts from this address.", wait)),
            };
        }
        let found = self.recognise(&shown, request);
        if let Err(problem) = &found
            && problem.status == 401
            && !matches!(shown, Shown::Nothing)
        {
            // Taking may fail where two guesses race for the last token; the answer is the same.
            let _ = self.failures.take(request.peer, now);
        }
        match found {
            Ok(caller) if caller.scope >= required => Ok(caller),
            Ok(caller) => Err(Problem::new(
                403,
                "scope_too_small",
                format!("This needs the scope {}; yours is {}.", required.word(), caller.scope.word()),
            )),
            Err(_) if required == Scope::Open => Ok(Caller::nobody()),
            Err(problem) => Err(problem),
        }
    }

    fn recognise(&self, shown: &Shown<'_>, request: &Request) -> Result<Caller, Problem> {
        match shown {
            Shown::Nothing => Err(unauthorized("Bearer realm=\"postsale\"", "unauthorized", "A token is needed.")),
            Shown::Bearer(token) => (self.lookup)(token).ok_or_else(wrong),
            Shown::Garbled => Err(wrong()),
            Shown::Secret(given) => {
                let Some(secret) = &self.secret else {
                    return Err(Problem::new(503, "secret_not_configured", "No internal secret is configured here."));
                };
                hmac::verify(&secret.key, given.as_bytes(), secret.tag.as_ref()).map_err(|_| wrong())?;
                let moves_money = !self.is_production || request.is_local;
                let scope = if moves_money { Scope::Money } else { Scope::Operate };
                Ok(Caller { scope, name: "internal".to_owned() })
            }
        }
    }
}

/// What a request shows of itself.
enum Shown<'a> {
    Nothing,
    Secret(&'a str),
    Bearer(&'a str),
    /// An `Authorization` that is no bearer token.
    Garbled,
}

fn shown(request: &Request) -> Shown<'_> {
    if let Some(secret) = request.header("x-internal-secret") {
        return Shown::Secret(secret);
    }
    let Some(value) = request.header("authorization") else { return Shown::Nothing };
    match value.split_once(' ') {
        Some((kind, token)) if kind.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Shown::Bearer(token.trim())
        }
        _ => Shown::Garbled,
    }
}

fn wrong() -> Problem {
    unauthorized("Bearer realm=\"postsale\", error=\"invalid_token\"", "unauthorized", "This token is not known.")
}

fn unauthorized(challenge: &str, code: &'static str, detail: &str) -> Problem {
    Problem::new(401, code, detail).header("www-authenticate", challenge)
}

fn too_many(detail: &str, wait: Duration) -> Problem {
    Problem::too_many(detail, wait.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(secret: Option<&str>, is_production: bool) -> Door {
        let lookup = |token: &str| {
            let scope = Scope::parse(token.strip_prefix("token-")?)?;
            Some(Caller { scope, name: token.to_owned() })
        };
        Door::new(secret, is_production, Box::new(lookup)).unwrap()
    }

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::new("GET", "/");
        request.headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        request
    }

    /// The scope granted, or the status of the refusal.
    fn admitted(door: &Door, required: Scope, headers: &[(&str, &str)]) -> Result<Scope, u16> {
        door.admit(required, &request(headers)).map(|caller| caller.scope).map_err(|problem| problem.status)
    }

    #[test]
    fn scopes_are_granted_by_rule() {
        let door = door(Some("s3cret"), false);
        let check = |required, headers: &[(&str, &str)], expected| {
            assert_eq!(admitted(&door, required, headers), expected, "{required:?} {headers:?}");
        };
        use Scope::*;
        check(Open, &[], Ok(Open));
        check(Open, &[("authorization", "Bearer wrong")], Ok(Open));
        check(Open, &[("x-internal-secret", "wrong")], Ok(Open));
        check(Open, &[("authorization", "Bearer token-read")], Ok(Read));
        check(Read, &[], Err(401));
        check(Read, &[("authorization", "Bearer token-read")], Ok(Read));
        check(Read, &[("authorization", "bearer token-money")], Ok(Money));
        check(Read, &[("authorization", "Bearer wrong")], Err(401));
        check(Read, &[("authorization", "Bearer ")], Err(401));
        check(Read, &[("authorization", "Basic token-read")], Err(401));
        check(Operate, &[("authorization", "Bearer token-read")], Err(403));
        check(Money, &[("authorization", "Bearer token-operate")], Err(403));
        check(Money, &[("x-internal-secret", "s3cret")], Ok(Money));
        check(Money, &[("x-internal-secret", "s3cre")], Err(401));
        check(Money, &[("x-internal-secret", "")], Err(401));
        check(Read, &[("x-internal-secret", "wrong"), ("authorization", "Bearer token-money")], Err(401));
    }

    #[test]
    fn the_secret_used_where_none_is_configured_is_503() {
        for none in [None, Some("")] {
            let door = door(none, true);
            assert_eq!(admitted(&door, Scope::Read, &[("x-internal-secret", "")]), Err(503));
            assert_eq!(admitted(&door, Scope::Open, &[("x-internal-secret", "x")]), Ok(Scope::Open));
            assert_eq!(admitted(&door, Scope::Read, &[]), Err(401));
        }
    }

    #[test]
    fn in_production_the_secret_moves_money_only_from_this_machine() {
        fn check(is_production: bool, is_local: bool, expected: Result<Scope, u16>) {
            let mut request = request(&[("x-internal-secret", "s")]);
            request.is_local = is_local;
            let admitted = door(Some("s"), is_production).admit(Scope::Money, &request);
            assert_eq!(admitted.map(|c| c.scope).map_err(|p| p.status), expected);
        }
        check(true, true, Ok(Scope::Money));
        check(true, false, Err(403));
        check(false, false, Ok(Scope::Money));
        let mut request = request(&[("x-internal-secret", "s")]);
        request.is_local = false;
        assert_eq!(door(Some("s"), true).admit(Scope::Operate, &request).unwrap().scope, Scope::Operate);
    }

    #[test]
    fn guessing_ends_in_429_and_open_routes_do_not_help() {
        let hour = Duration::from_secs(3600);
        let door = door(Some("s"), false).with_limiters(Limiter::new(3, hour, 9), Limiter::new(2, hour, 9));
        let wrong: &[(&str, &str)] = &[("authorization", "Bearer wrong")];
        assert_eq!(admitted(&door, Scope::Read, wrong), Err(401));
        assert_eq!(admitted(&door, Scope::Open, wrong), Ok(Scope::Open));
        assert_eq!(admitted(&door, Scope::Read, &[]), Err(401), "showing nothing is no guess");
        assert_eq!(admitted(&door, Scope::Read, &[("x-internal-secret", "wrong")]), Err(401));
        let right: &[(&str, &str)] = &[("authorization", "Bearer token-money")];
        assert_eq!(admitted(&door, Scope::Read, right), Err(429));
        assert_eq!(admitted(&door, Scope::Open, right), Ok(Scope::Open), "a right guess shows nothing");
        let problem = door.admit(Scope::Read, &request(wrong)).unwrap_err();
        assert!(problem.headers.iter().any(|(n, v)| *n == "retry-after" && v != "0"));
        assert!(door.knock(&request(&[])).is_ok() && door.knock(&request(&[])).is_ok());
        assert_eq!(door.knock(&request(&[])).map_err(|p| p.status), Err(429));
    }

    #[test]
    fn a_fingerprint_is_sha_256() {
        assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
