//! Who may call: the consent page, codes, access and refresh tokens, and how long each lives. A refresh never makes
//! the refresh token live longer; after its end a person has to log in again.

use super::records::{Effect, Token};
use super::{APP_KEY, Book, Gate, Outcome, Parameters};
use crate::sandbox::wire::{Answer, HEX, Request, draw};
use serde_json::{Value, json};

/// A code of the consent page lives three minutes and is good once.
const CODE_LIFE_MS: i64 = 180_000;

/// The tokens a login hands out.
#[derive(Debug, Clone)]
pub struct Pair {
    pub access: Token,
    pub refresh: Token,
}

impl Book {
    /// A login as if by the consent page: the pair in force if it still has a day to live, else a new one.
    pub fn log_in(&mut self, now_ms: i64) -> Pair {
        let newest = |kind: &str| {
            let alive = |t: &&Token| t.kind == kind && t.ends_at > now_ms + 86_400_000;
            self.tokens.values().filter(alive).max_by_key(|t| t.ends_at).cloned()
        };
        match newest("access").zip(newest("refresh")) {
            Some((access, refresh)) => Pair { access, refresh },
            None => {
                let access = self.new_token("access", self.switches.access_life_s, now_ms);
                let refresh = self.new_token("refresh", self.switches.refresh_life_s, now_ms);
                Pair { access, refresh }
            }
        }
    }

    /// A code as the consent page gives it.
    pub fn new_code(&mut self, now_ms: i64) -> String {
        self.new_token("code", CODE_LIFE_MS / 1_000, now_ms).text
    }

    fn new_token(&mut self, kind: &str, life_s: i64, now_ms: i64) -> Token {
        let letters = draw(self.seed, kind, self.tokens_made, HEX, 32);
        let text = if kind == "code" { format!("3_{APP_KEY}_{letters}") } else { format!("5000{APP_KEY}{letters}") };
        let token = Token { text, kind: kind.into(), ends_at: now_ms + life_s * 1_000 };
        self.write(Effect::Token(token.clone()));
        token
    }

    fn token(&self, text: &str, kind: &str, now_ms: i64) -> Option<&Token> {
        self.tokens.get(text).filter(|t| t.kind == kind && t.ends_at > now_ms)
    }

    pub(super) fn check_token(&self, given: &Parameters, now_ms: i64) -> Result<(), Gate> {
        let Some(text) = given.text("access_token").or(given.text("session")) else {
            return Err(Gate::missing("access_token"));
        };
        if self.switches.aliexpress_token_valid && self.token(text, "access", now_ms).is_some() {
            Ok(())
        } else {
            Err(Gate::isv("IllegalAccessToken", "The specified access token is invalid or expired"))
        }
    }

    /// `/rest/auth/token/…`
    pub(super) fn system(&mut self, api: &str, request: &Request, now_ms: i64) -> Outcome {
        let given = Parameters(request.all_pairs());
        self.check_gate(&given, api, now_ms)?;
        match api {
            "/auth/token/create" => {
                let code = given.need("code")?.to_string();
                let known = self.token(&code, "code", now_ms).cloned();
                let code = known.ok_or_else(|| Gate::isv("InvalidCode", "The specified code is invalid or expired"))?;
                self.write(Effect::Token(Token { ends_at: now_ms, ..code }));
                let access = self.new_token("access", self.switches.access_life_s, now_ms);
                let refresh = self.new_token("refresh", self.switches.refresh_life_s, now_ms);
                Ok(pair_answer(&Pair { access, refresh }, now_ms))
            }
            "/auth/token/refresh" => {
                let text = given.need("refresh_token")?.to_string();
                let known = self.token(&text, "refresh", now_ms).cloned();
                let message = "The specified refresh token is invalid or expired";
                let old = known.ok_or_else(|| Gate::isv("IllegalRefreshToken", message))?;
                // Neither token outlives the consent.
                let left_s = (old.ends_at - now_ms) / 1_000;
                let access = self.new_token("access", self.switches.access_life_s.min(left_s), now_ms);
                let refresh = if self.switches.rotate_refresh_token {
                    let ends_at = old.ends_at;
                    self.write(Effect::Token(Token { ends_at: now_ms, ..old }));
                    let fresh = Token { ends_at, ..self.new_token("refresh", left_s, now_ms) };
                    self.write(Effect::Token(fresh.clone()));
                    fresh
                } else {
                    old
                };
                Ok(pair_answer(&Pair { access, refresh }, now_ms))
            }
            _ => Err(Gate::isv("InvalidApiPath", "The specified API path is invalid")),
        }
    }

    /// The consent page agrees at once and sends the browser back with a code.
    pub(super) fn consent(&mut self, request: &Request, now_ms: i64) -> Answer {
        let asked = Parameters(request.query_pairs());
        let Some(back) = asked.text("redirect_uri").filter(|_| asked.text("client_id") == Some(APP_KEY)) else {
            return Answer::text(400, "text/html", "<p>client_id or redirect_uri is wrong.</p>");
        };
        let joint = if back.contains('?') { '&' } else { '?' };
        // What came back decoded is sent on only if it needs no encoding, so that no header line can be broken.
        let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.~".contains(*c);
        let state = asked.text("state").filter(|s| s.chars().all(|c| plain(&c)));
        let state = state.map(|s| format!("&state={s}")).unwrap_or_default();
        let back: String = back.chars().filter(|c| !c.is_control()).collect();
        let code = self.new_code(now_ms);
        Answer::text(302, "text/plain", "").with("Location", format!("{back}{joint}code={code}{state}"))
    }
}

fn pair_answer(pair: &Pair, now_ms: i64) -> Value {
    json!({"access_token": pair.access.text, "refresh_token": pair.refresh.text,
        "expires_in": (pair.access.ends_at - now_ms) / 1_000,
        "refresh_expires_in": (pair.refresh.ends_at - now_ms) / 1_000,
        "expire_time": pair.access.ends_at, "refresh_token_valid_time": pair.refresh.ends_at,
        "user_id": "200042360", "seller_id": "200042360", "account": "buyer@sandbox.example",
        "user_nick": "us0042360", "account_platform": "buyerApp", "havana_id": "2219300042360",
        "locale": "zh_CN", "sp": "ae"})
}
