//! The supplier login: begun by a person's consent in the browser, ended by a code, kept alive by refreshing, and watched
//! until the day on which a person has to consent again. Tokens are stored before they are used, and never shown.

use super::{ALIEXPRESS, Engine, EngineError, Result};
use crate::gateway::aliexpress::{AliExpress, TokenSeen};
use crate::gateway::{CallError, Secret};
use crate::store::tokens::{self, Login};
use crate::store::{self, Store};
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::Transaction;
use std::sync::PoisonError;

/// A login is refreshed this long before it ends.
const REFRESH_BEFORE: SignedDuration = SignedDuration::from_mins(30);
/// A refresh that got no answer is tried again after this.
const AFTER_NO_ANSWER: SignedDuration = SignedDuration::from_mins(5);
/// One that was refused, after this: asking again helps only when somebody mended something.
const AFTER_REFUSAL: SignedDuration = SignedDuration::from_hours(1);
/// A consent that was begun is finished within this time or begun again.
const CONSENT_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// A consent that ends within this time is worth a word every day.
const WORD_BEFORE_END: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The hash of the state that the consent page has to bring back, and when it was made.
const STATE: &str = "aliexpress_login_state";
/// Why the last refresh or login failed. Goes away with the next that works.
const TROUBLE: &str = "aliexpress_login_trouble";
/// The day on which the end of the consent was last told.
const TOLD_ON: &str = "aliexpress_login_told_on";

/// Why a login came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotIn {
    /// Nobody began this login here, it is more than an hour old, or it was used: begin again.
    #[error("this login was not begun here, or more than an hour ago; begin again: postsale aliexpress login")]
    OtherState,
    #[error("{0}; begin again: postsale aliexpress login")]
    Call(#[from] CallError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<store::StoreError> for NotIn {
    fn from(error: store::StoreError) -> NotIn {
        NotIn::Engine(error.into())
    }
}

/// Begins a login: the state to put into the consent page's address. An earlier one that was not finished is forgotten.
pub fn begin(store: &Store, now: Timestamp) -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| EngineError::Fault("no random numbers".to_owned()))?;
    let state = HEXLOWER.encode(&bytes);
    let kept = format!("{} {}", store::claims::hash(state.as_bytes()), store::to_ms(now));
    store.write(|tx| store::meta::set(tx, STATE, &kept))?;
    Ok(state)
}

/// Ends a login with the code of the consent, which works once and lives three minutes. `state`: what came back with it;
/// `None` only where a person typed the bare code himself. Whatever comes of it, the state is spent.
pub fn finish(
    aliexpress: &AliExpress,
    store: &Store,
    state: Option<&str>,
    code: &str,
    now: Timestamp,
) -> std::result::Result<Login, NotIn> {
    let kept = store.write(|tx| {
        let kept = store::meta::value(tx, STATE)?;
        // A guess from outside must not end a login that somebody is in the middle of.
        if state.is_none_or(|state| is_ours(kept.as_deref(), state, now)) {
            store::meta::remove(tx, STATE)?;
        }
        Ok::<_, store::StoreError>(kept)
    })?;
    if state.is_some_and(|state| !is_ours(kept.as_deref(), state, now)) {
        return Err(NotIn::OtherState);
    }
    let login = match aliexpress.token_create(now, code) {
        Ok(seen) => login_of(seen),
        Err(error) => {
            store.write(|tx| store::meta::set(tx, TROUBLE, &error.to_string()))?;
            return Err(error.into());
        }
    };
    store.write(|tx| {
        tokens::begin(tx, ALIEXPRESS, &login, now)?;
        store::meta::remove(tx, TROUBLE)?;
        store::meta::remove(tx, TOLD_ON)?;
        store::events::append(tx, None, now, "supplier_login", &lifetimes(&login))?;
        store::intake::ring_all(tx, now)
    })?;
    Ok(login)
}

fn is_ours(kept: Option<&str>, state: &str, now: Timestamp) -> bool {
    let Some((hash, at)) = kept.and_then(|kept| kept.split_once(' ')) else { return false };
    let begun_at = at.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    store::claims::hash(state.as_bytes()) == hash && begun_at.is_some_and(|at| now <= at + CONSENT_WITHIN)
}

fn login_of(seen: TokenSeen) -> Login {
    Login {
        account: seen.account,
        access_token: seen.access.expose().to_owned(),
        refresh_token: seen.refresh.map(|r| r.expose().to_owned()),
        access_expires_at: seen.access_expires_at,
        refresh_expires_at: seen.refresh_expires_at,
    }
}

/// Both lifetimes in words.
pub fn lifetimes(login: &Login) -> String {
    let consent = match login.refresh_expires_at {
        Some(at) => format!("the consent ends {at}"),
        None => "AliExpress did not say when the consent ends".to_owned(),
    };
    let access = login.access_expires_at;
    match login.refresh_token {
        Some(_) => format!("access until {access}, refreshed by itself; {consent}"),
        None => format!("access until {access}, and nothing to refresh it with; {consent}"),
    }
}

/// What there is to say about the login beside its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Why the last refresh or login failed; `None` = it did not.
    pub trouble: Option<String>,
    /// Within a week of the day on which a person has to consent again, or past it.
    pub ends: Option<String>,
}

/// What a person should know of the supplier login.
pub fn outlook(connection: &rusqlite::Connection, now: Timestamp) -> store::Result<Outlook> {
    let login = tokens::find(connection, ALIEXPRESS)?;
    let ends = login.and_then(|login| {
        let until = match (&login.refresh_token, login.refresh_expires_at) {
            (None, _) => login.access_expires_at,
            (Some(_), end) => end?,
        };
        let left = until.duration_since(now);
        let how_long = match left.as_hours() {
            hours if left.is_negative() || hours < 0 => "is over".to_owned(),
            hours if hours < 48 => format!("ends in {hours} hours"),
            hours => format!("ends in {} days", hours / 24),
        };
        let login_again = "log in again: postsale aliexpress login";
        (left <= WORD_BEFORE_END).then(|| format!("the supplier login {how_long}, on {until}; {login_again}"))
    });
    Ok(Outlook { trouble: store::meta::value(connection, TROUBLE)?, ends })
}

impl Engine {
    /// Ends a login that came back from the consent page.
    pub fn finish_login(&self, state: &str, code: &str) -> std::result::Result<Login, NotIn> {
        // Nobody refreshes the old login meanwhile.
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let login = finish(self.aliexpress()?, &self.store, Some(state), code, self.now())?;
        self.refresh_again(None);
        self.bell.ring();
        Ok(login)
    }

    /// `not_before`: a refresh is tried again from then on.
    fn refresh_again(&self, not_before: Option<Timestamp>) {
        *self.refresh_not_before.lock().unwrap_or_else(PoisonError::into_inner) = not_before;
    }

    /// Tells once a day that the consent ends soon; says what it told. `None` = nothing.
    pub fn watch_login(&self) -> Result<Option<String>> {
        let now = self.now();
        let Some(ends) = self.store.read(|c| outlook(c, now))?.ends else { return Ok(None) };
        let today = now.strftime("%Y-%m-%d").to_string();
        let is_new = self.store.write(|tx| {
            if store::meta::value(tx, TOLD_ON)?.as_deref() == Some(today.as_str()) {
                return Ok::<_, EngineError>(false);
            }
            store::meta::set(tx, TOLD_ON, &today)?;
            store::events::append(tx, None, now, "supplier_login_ends", &ends)?;
            Ok(true)
        })?;
        if is_new {
            log::warn!("{ends}");
        }
        Ok(Some(ends))
    }

    /// The supplier login's access token, refreshed first when it ends soon. `None`: there is none that works; whoever
    /// asked notes that it was asked for, or the same step would come again at once.
    pub(super) fn login(&self) -> Result<Option<Secret>> {
        // Held while the call is out: a second refresh with the same token could be told that it is spent.
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(login) = self.store.read(|c| tokens::find(c, ALIEXPRESS))? else { return Ok(None) };
        let now = self.now();
        let ends_soon = login.access_expires_at - REFRESH_BEFORE <= now;
        let may_refresh = login.refresh_expires_at.is_none_or(|end| end > now);
        let not_before = *self.refresh_not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let is_too_early = not_before.is_some_and(|at| now < at);
        let refresh = login.refresh_token.clone().filter(|_| ends_soon && may_refresh && !is_too_early);
        let Some(refresh) = refresh else {
            let alive = login.access_expires_at > now;
            return Ok(alive.then(|| Secret::new(login.access_token)));
        };
        match self.aliexpress()?.token_refresh(now, &Secret::new(refresh.as_str())) {
            Ok(seen) => {
                self.refresh_again(None);
                let stored = self.store.write(|tx| keep_refreshed(tx, &refresh, &login_of(seen), now))?;
                Ok(stored.map(Secret::new))
            }
            Err(error) => {
                let wait = if matches!(error, CallError::Refused { .. }) { AFTER_REFUSAL } else { AFTER_NO_ANSWER };
                log::warn!("the supplier login could not be refreshed: {error}");
                self.write(|tx| store::meta::set(tx, TROUBLE, &error.to_string()))?;
                self.refresh_again(Some(now + wait));
                Ok((login.access_expires_at > now).then(|| Secret::new(login.access_token)))
            }
        }
    }
}

/// Stores what a refresh brought, unless a person has logged in anew meanwhile; says which access token stands.
fn keep_refreshed(tx: &Transaction<'_>, used: &str, fresh: &Login, now: Timestamp) -> store::Result<Option<String>> {
    let known = tokens::find(tx, ALIEXPRESS)?;
    if known.as_ref().is_some_and(|known| known.refresh_token.as_deref() != Some(used)) {
        return Ok(known.map(|known| known.access_token));
    }
    tokens::put(tx, ALIEXPRESS, fresh, now)?;
    store::meta::remove(tx, TROUBLE)?;
    Ok(Some(fresh.access_token.clone()))
}
