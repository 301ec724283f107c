//! Access tokens: made from the code of a consent, renewed by a refresh token. It must never ask twice with the same
//! code, which lives three minutes and works once, and it stores nothing.

use super::{AliExpress, Api, errors, unreadable};
use crate::gateway::json::Node;
use crate::gateway::wire::Purpose;
use crate::gateway::{CallError, Secret, tame};
use jiff::{SignedDuration, Timestamp};

const CREATE: Api = Api::Path("/auth/token/create");
const REFRESH: Api = Api::Path("/auth/token/refresh");

/// A token as AliExpress handed it out.
#[derive(Clone, Debug)]
pub struct TokenSeen {
    pub access: Secret,
    /// `None`: AliExpress sent none, keep the old one.
    pub refresh: Option<Secret>,
    pub access_expires_at: Timestamp,
    /// After this a human must consent again; a refresh does not move it. `None`: not said.
    pub refresh_expires_at: Option<Timestamp>,
    /// Who consented. `None`: not said.
    pub account: Option<String>,
}

impl AliExpress {
    /// Turns the code of a consent into a token. After `Unknown` the code is as good as spent: consent again.
    pub fn token_create(&self, now: Timestamp, code: &str) -> Result<TokenSeen, CallError> {
        self.token(now, CREATE, ("code", code.to_owned()))
    }

    /// Renews the access token. What becomes of the old refresh token is not documented: one caller at a time, and the
    /// answer is stored before it is used.
    pub fn token_refresh(&self, now: Timestamp, refresh: &Secret) -> Result<TokenSeen, CallError> {
        self.token(now, REFRESH, ("refresh_token", refresh.expose().to_owned()))
    }

    fn token(&self, now: Timestamp, api: Api, with: (&'static str, String)) -> Result<TokenSeen, CallError> {
        let said = self.call(now, api, Purpose::Money, None, vec![with])?;
        let node = errors::strict(said)?;
        read_token(&node, now).ok_or_else(|| unreadable(api, "no access token or no end of it"))
    }
}

/// Ends are reckoned from the seconds and our own clock, which is also the one they are compared with.
fn read_token(node: &Node, now: Timestamp) -> Option<TokenSeen> {
    let ends_at = |seconds: &str, instant_ms: &str| {
        let whole = |name: &str| node.at(name).whole().and_then(|n| i64::try_from(n).ok());
        let from_now = whole(seconds).and_then(|s| now.checked_add(SignedDuration::from_secs(s)).ok());
        from_now.or_else(|| Timestamp::from_millisecond(whole(instant_ms)?).ok())
    };
    Some(TokenSeen {
        access: Secret::new(node.at("access_token").text()?),
        refresh: node.at("refresh_token").text().map(Secret::new),
        access_expires_at: ends_at("expires_in", "expire_time")?,
        refresh_expires_at: ends_at("refresh_expires_in", "refresh_token_valid_time"),
        account: node.at("account").text().or_else(|| node.at("user_nick").text()).map(|a| tame(a, 120)),
    })
}
