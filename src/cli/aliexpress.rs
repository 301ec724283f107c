//! `postsale aliexpress login` and `status`: a seller's consent in his browser becomes a login, and what works until
//! when. No token is ever printed. The one command that calls a far side, and only to turn a code into a login.

use super::assemble::{self, Access, Outside};
use super::exit::{Exit, Failure};
use super::page::{Facts, pretty};
use super::say;
use super::sources::{Joined, Sources};
use crate::config::{Config, FarSide};
use crate::engine::ALIEXPRESS;
use crate::engine::login::{self, NotIn};
use crate::gateway::CallError;
use crate::gateway::aliexpress::AliExpress;
use crate::store::{log_lines, tokens};
use jiff::{SignedDuration, Timestamp};

/// Where the consent page sends the browser back to.
const CALLBACK: &str = "/aliexpress/callback";

/// Without a code: prints the page to consent on. With one, or with the whole address that came back: logs in.
pub fn login(sources: &Sources, code: Option<&str>) -> Result<Exit, Failure> {
    let joined = sources.join()?;
    let app = App::of(&joined)?;
    match code {
        None => ask(&joined, &app, &sources.typed()),
        Some(given) => finish(&joined, &app, given),
    }
}

/// How the app is known, and where.
struct App {
    base_url: String,
    key: String,
    client: AliExpress,
    redirect_uri: String,
}

impl App {
    fn of(Joined { config, secrets, .. }: &Joined) -> Result<App, Failure> {
        if config.aliexpress.far_side() == FarSide::Builtin {
            let detail = "AliExpress is built in, and logs in by itself at each start";
            return Err(Failure::Refused(detail.to_owned()));
        }
        let outside = Outside::described(config, secrets);
        let Access::Known { base_url, id, .. } = &outside.aliexpress else {
            let detail = match outside.aliexpress {
                Access::Off => "aliexpress is switched off; set aliexpress.enabled = true and aliexpress.base_url",
                _ => "set ALIEXPRESS_APP_KEY and ALIEXPRESS_APP_SECRET, from the App Console, first",
            };
            return Err(Failure::Refused(detail.to_owned()));
        };
        let client = assemble::aliexpress_client(config, &outside).ok_or_else(|| {
            Failure::Refused("ALIEXPRESS_APP_KEY and ALIEXPRESS_APP_SECRET are needed for a login".to_owned())
        })?;
        let redirect_uri = format!("{}{CALLBACK}", assemble::public_url(config, config.server.listen));
        Ok(App { base_url: base_url.clone(), key: id.clone(), client, redirect_uri })
    }
}

fn ask(joined: &Joined, app: &App, typed: &str) -> Result<Exit, Failure> {
    let state = login::begin(&joined.store, joined.clock.now())?;
    let url = AliExpress::consent_url(&app.base_url, &app.key, &app.redirect_uri, &state);
    say(&format!(
        "Open this page as the buyer account's owner, and agree:\n\n  {url}\n\nThe callback URL of the app (App Console) \
         has to be {}\n\nIf a server of this shop can be reached there, it ends the login by itself:\n  postsale{typed} \
         aliexpress status\n\nElse copy the whole address that the browser was sent to, and within three minutes:\n  \
         postsale{typed} aliexpress login --code 'ADDRESS'\n",
        app.redirect_uri
    ))?;
    Ok(Exit::Good)
}

fn finish(joined: &Joined, app: &App, given: &str) -> Result<Exit, Failure> {
    let (code, state) = code_of(given)?;
    let login = login::finish(&app.client, &joined.store, state.as_deref(), &code, joined.clock.now());
    let login = login.map_err(|error| match error {
        NotIn::Engine(error) => Failure::Engine(error),
        NotIn::Call(CallError::Unknown(_)) => Failure::NotKnown(error.to_string()),
        error => Failure::Refused(error.to_string()),
    })?;
    let account = login.account.as_deref().map(|account| format!(" as {account}")).unwrap_or_default();
    say(&format!("logged in{account}: {}\n", login::lifetimes(&login)))?;
    Ok(Exit::Good)
}

/// The code and the state of what was typed: the bare code, or the whole address with both.
fn code_of(given: &str) -> Result<(String, Option<String>), Failure> {
    let given = given.trim();
    let Some((_, query)) = given.split_once('?') else {
        let is_code = !given.is_empty() && given.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        let wanted = "wanted the code, or the whole address that the browser was sent to";
        return if is_code { Ok((given.to_owned(), None)) } else { Err(Failure::Senseless(wanted.to_owned())) };
    };
    let query = query.split('#').next().unwrap_or(query);
    let pairs = crate::web::decode_query(query).unwrap_or_default();
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).filter(|v| !v.is_empty());
    match (value("code"), value("error")) {
        (Some(code), _) => Ok((code, Some(value("state").unwrap_or_default()))),
        (None, Some(error)) => Err(Failure::Refused(format!("the consent page answered {error}"))),
        (None, None) => Err(Failure::Senseless("there is no code in this address".to_owned())),
    }
}

/// What works and until when. Exit 0: all is well. 1: soon not any more, or the last refresh failed. 2: nobody can buy.
pub fn status(sources: &Sources, as_json: bool) -> Result<Exit, Failure> {
    let Joined { config, secrets, store, clock } = sources.join()?;
    let now = clock.now();
    let (found, outlook, line) = store.read(|c| {
        let line = log_lines::newest(c, "ALIEXPRESS", false)?;
        Ok::<_, crate::store::StoreError>((tokens::find(c, ALIEXPRESS)?, login::outlook(c, now)?, line))
    })?;
    let access = Outside::described(&config, &secrets).aliexpress;
    let (can_buy, says) = verdict(&config, &access, found.as_ref(), now);
    let last = line.map(|line| {
        let status = line.status.map_or("no answer".to_owned(), |status| status.to_string());
        let issue = line.issue.map(|issue| format!(" {issue}")).unwrap_or_default();
        format!("{} {} {status}{issue}", line.at, line.operation)
    });
    let left = |at: Option<Timestamp>| at.map(|at| in_words(at.duration_since(now)));
    let until = found.as_ref().map(|login| login.access_expires_at);
    let consent = found.as_ref().and_then(|login| login.refresh_expires_at);
    let facts = Facts::default()
        .with("status", says)
        .with("account", found.as_ref().and_then(|login| login.account.clone()))
        .with("accessUntil", until)
        .with("accessLeft", left(until))
        .with("consentUntil", consent)
        .with("consentLeft", left(consent))
        .with("trouble", outlook.trouble.clone())
        .with("soon", outlook.ends.clone())
        .with("lastCall", last);
    say(&if as_json { pretty(&facts.json()) } else { facts.text() })?;
    let is_well = outlook.trouble.is_none() && outlook.ends.is_none();
    Ok(match (can_buy, is_well) {
        (false, _) => Exit::NotGood,
        (true, false) => Exit::Warnings,
        (true, true) => Exit::Good,
    })
}

/// Whether the program can buy by itself, and the sentence that says so.
fn verdict(config: &Config, access: &Access, login: Option<&tokens::Login>, now: Timestamp) -> (bool, String) {
    let no = |says: &str| (false, says.to_owned());
    match (access, login) {
        (Access::Off, _) => no("switched off: the queue says what to buy by hand"),
        (Access::NoCredentials, _) => no("no credentials: set ALIEXPRESS_APP_KEY and ALIEXPRESS_APP_SECRET"),
        (Access::Known { .. }, None) if config.aliexpress.far_side() == FarSide::Builtin => {
            no("built in, and logs in by itself when the server starts")
        }
        (Access::Known { .. }, None) => no("not logged in: postsale aliexpress login"),
        (Access::Known { .. }, Some(login)) => {
            let may_refresh = login.refresh_token.is_some() && login.refresh_expires_at.is_none_or(|end| end > now);
            match (login.access_expires_at > now, may_refresh) {
                (true, true) => (true, "logged in, and refreshed by itself".to_owned()),
                (true, false) => (true, "logged in, and cannot be refreshed".to_owned()),
                (false, true) => (true, "to be refreshed at the next call".to_owned()),
                (false, false) => no("the login is over: postsale aliexpress login"),
            }
        }
    }
}

fn in_words(left: SignedDuration) -> String {
    match left.as_hours() {
        _ if left.is_negative() => "over".to_owned(),
        hours if hours >= 48 => format!("{} days", hours / 24),
        hours if hours > 0 => format!("{hours} hours"),
        _ => format!("{} minutes", left.as_mins()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_whatever_is_pasted() {
        let check = |given: &str, expected: Option<(&str, Option<&str>)>| {
            let read = code_of(given).ok();
            let read = read.as_ref().map(|(code, state)| (code.as_str(), state.as_deref()));
            assert_eq!(read, expected, "{given}");
        };
        check("3_500777_abc", Some(("3_500777_abc", None)));
        check(" 3_500777_abc\n", Some(("3_500777_abc", None)));
        check("https://shop.tld/aliexpress/callback?code=3_1_a&state=s", Some(("3_1_a", Some("s"))));
        check("https://shop.tld/cb?state=s&code=3%5F1#x", Some(("3_1", Some("s"))));
        // An address without its state is not one that we sent anybody to.
        check("https://shop.tld/cb?code=3_1", Some(("3_1", Some(""))));
        check("https://shop.tld/cb?error=access_denied", None);
        check("https://shop.tld/cb", None);
        check("", None);
    }
}
