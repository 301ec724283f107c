//! PayPal's access token: fetched once, shared by all calls, renewed before it ends. It must never be fetched per
//! call (PayPal answers that with 429) nor by two threads at once.

use super::{Operation, PayPal, errors};
use crate::gateway::json::Node;
use crate::gateway::wire::{Purpose, Request};
use crate::gateway::{CallError, Secret};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};

/// A token in hand.
struct Token {
    access: Secret,
    expires_at: Timestamp,
    scopes: Vec<String>,
}

/// The token in hand, or why there is none.
#[derive(Default)]
pub(super) struct Held {
    token: Option<Token>,
    /// The last attempt to get one failed; until then nobody tries again.
    failed: Option<(Timestamp, CallError)>,
}

/// So long before its end a token is renewed, so that none ends on the way.
const EARLY_S: i64 = 300;
/// Whoever waited while an attempt failed takes its answer and does not try again himself.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(5);
/// Wrong credentials stay wrong until somebody changes them: three questions an hour, and no storm.
const AFTER_REFUSAL: SignedDuration = SignedDuration::from_mins(20);
const WRONG_CREDENTIALS: &str = "invalid_client";

/// What an app must be allowed to do: our word, the end of PayPal's scope, and what does not work without it.
pub const PERMISSIONS: [(&str, &str, &str); 4] = [
    ("payouts", "/payments/payouts", "profit is paid out"),
    ("refunds", "/payments/refund", "buyers get their money back"),
    ("search", "/reporting/search/read", "the books are compared with PayPal's"),
    ("webhooks", "/applications/webhooks", "PayPal tells by itself what happened"),
];

impl PayPal {
    /// What the token in hand allows, as PayPal's scope URLs; fetches one when there is none. A permission granted
    /// in PayPal's console may be missing here for up to nine hours. Wrong credentials are `Refused` under the code
    /// `invalid_client`: waiting will not help.
    pub fn scopes(&self, now: Timestamp) -> Result<Vec<String>, CallError> {
        self.token(now)?;
        let held = self.token.lock().unwrap_or_else(|e| e.into_inner());
        Ok(held.token.as_ref().map(|t| t.scopes.clone()).unwrap_or_default())
    }

    /// The words of [`PERMISSIONS`] that the token in hand allows.
    pub fn permissions(&self, now: Timestamp) -> Result<Vec<&'static str>, CallError> {
        let scopes = self.scopes(now)?;
        let granted = PERMISSIONS.iter().filter(|(_, end, _)| scopes.iter().any(|scope| scope.ends_with(end)));
        Ok(granted.map(|(word, ..)| *word).collect())
    }

    /// PayPal did not know our credentials when it was last asked, and is not asked again before then. `None` = it can
    /// be asked.
    pub fn refused_until(&self, now: Timestamp) -> Option<Timestamp> {
        let held = self.token.lock().unwrap_or_else(|e| e.into_inner());
        let refused = held.failed.as_ref().filter(|(until, error)| now < *until && is_wrong_credentials(error));
        refused.map(|(until, _)| *until)
    }

    /// The token for a call. The lock is held while it is fetched: whoever comes meanwhile waits and takes the same, or
    /// the same failure.
    pub(super) fn token(&self, now: Timestamp) -> Result<Secret, CallError> {
        let mut held = self.token.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(token) = held.token.as_ref().filter(|t| now < t.expires_at - SignedDuration::from_secs(EARLY_S)) {
            return Ok(token.access.clone());
        }
        if let Some((_, error)) = held.failed.as_ref().filter(|(until, _)| now < *until) {
            return Err(error.clone());
        }
        match self.fetch_token(now) {
            Ok(fresh) => {
                let access = fresh.access.clone();
                *held = Held { token: Some(fresh), failed: None };
                Ok(access)
            }
            Err(error) => {
                let is_wrong = is_wrong_credentials(&error);
                let was_wrong = held.failed.as_ref().is_some_and(|(_, before)| is_wrong_credentials(before));
                if is_wrong && !was_wrong {
                    log::error!("{error}; nothing is asked of PayPal but this, three times an hour");
                }
                held.failed = Some((now + if is_wrong { AFTER_REFUSAL } else { AFTER_FAILURE }, error.clone()));
                Err(error)
            }
        }
    }

    /// [`PayPal::token`] for a call that is to be made with it: without one the call is not sent, whatever the reason.
    pub(super) fn token_to_send(&self, now: Timestamp) -> Result<Secret, CallError> {
        self.token(now).map_err(|error| match error {
            CallError::Refused { reason, .. } => CallError::Unsent(reason),
            other => other,
        })
    }

    /// Forgets this token, unless another thread has put a newer one in its place.
    pub(super) fn drop_token(&self, rejected: &Secret) {
        let mut held = self.token.lock().unwrap_or_else(|e| e.into_inner());
        if held.token.as_ref().is_some_and(|token| token.access.expose() == rejected.expose()) {
            held.token = None;
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
                && code == WRONG_CREDENTIALS
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

fn is_wrong_credentials(error: &CallError) -> bool {
    matches!(error, CallError::Refused { code, .. } if code == WRONG_CREDENTIALS)
}
