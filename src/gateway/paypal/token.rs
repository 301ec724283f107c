//! PayPal's access token: fetched once, shared by all calls, renewed before it ends. It must never be fetched per
//! call (PayPal answers that with 429) nor by two threads at once.

use super::{Operation, PayPal, errors};
use crate::gateway::json::Node;
use crate::gateway::wire::{Purpose, Request};
use crate::gateway::{CallError, Secret};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};

/// A token in hand.
pub(super) struct Token {
    access: Secret,
    expires_at: Timestamp,
    scopes: Vec<String>,
}

/// So long before its end a token is renewed, so that none ends on the way.
const EARLY_S: i64 = 300;

impl PayPal {
    /// What the token in hand allows, as PayPal's scope URLs; fetches one when there is none. A permission granted
    /// in PayPal's console may be missing here for up to nine hours.
    pub fn scopes(&self, now: Timestamp) -> Result<Vec<String>, CallError> {
        self.token(now)?;
        let token = self.token.lock().unwrap_or_else(|e| e.into_inner());
        Ok(token.as_ref().map(|t| t.scopes.clone()).unwrap_or_default())
    }

    /// The token for a call. The lock is held while it is fetched: whoever comes meanwhile waits and takes the same.
    ///
    /// A failure means that the call it was wanted for was not sent, so it is `Unsent`, with one exception: wrong
    /// credentials are `Refused` under the code `invalid_client`, since waiting will not help.
    pub(super) fn token(&self, now: Timestamp) -> Result<Secret, CallError> {
        let mut held = self.token.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(token) = held.as_ref().filter(|t| now < t.expires_at - SignedDuration::from_secs(EARLY_S)) {
            return Ok(token.access.clone());
        }
        let fresh = self.fetch_token(now)?;
        let access = fresh.access.clone();
        *held = Some(fresh);
        Ok(access)
    }

    /// Forgets this token, unless another thread has put a newer one in its place.
    pub(super) fn drop_token(&self, rejected: &Secret) {
        let mut held = self.token.lock().unwrap_or_else(|e| e.into_inner());
        if held.as_ref().is_some_and(|token| token.access.expose() == rejected.expose()) {
            *held = None;
        }
    }

    fn fetch_token(&self, now: Timestamp) -> Result<Token, CallError> {
        let credentials = BASE64.encode(format!("{}:{}", self.client_id, self.client_secret.expose()).as_bytes());
        let request = Request {
            method: "POST",
            url: format!("{}/v1/oauth2/token", self.base_url),
            headers: vec![
                ("Authorization".to_owned(), format!("Basic {credentials}")),
                ("Accept".to_owned(), "application/json".to_owned()),
                ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ],
            body: b"grant_type=client_credentials".to_vec(),
            purpose: Purpose::LookUp,
        };
        let unsent = |why: String| CallError::Unsent(format!("no PayPal token: {why}"));
        let answer = self.ask(Operation::Token, &request).map_err(|e| unsent(e.to_string()))?;
        if answer.status != 200 {
            let error = errors::classify(Operation::Token, &answer);
            if let CallError::Refused { code, debug_id, .. } = &error
                && code == "invalid_client"
            {
                let reason = "PayPal does not know these credentials: client id or secret is wrong, or they belong \
                              to the other environment (live and sandbox have their own)";
                return Err(CallError::Refused {
                    code: code.clone(),
                    reason: reason.to_owned(),
                    debug_id: debug_id.clone(),
                });
            }
            return Err(unsent(error.to_string()));
        }
        let body = Node::parse(&answer.body).unwrap_or(Node::Null);
        let lifetime_s = body.at("expires_in").whole().and_then(|s| i64::try_from(s).ok());
        let (Some(access), Some(lifetime_s)) = (body.at("access_token").text(), lifetime_s) else {
            return Err(unsent("the answer has no access_token or no expires_in".to_owned()));
        };
        let lifetime = SignedDuration::from_secs(lifetime_s.min(86_400));
        let scopes = body.at("scope").text().unwrap_or("").split_whitespace().map(str::to_owned).collect();
        Ok(Token { access: Secret::new(access), expires_at: now + lifetime, scopes })
    }
}
