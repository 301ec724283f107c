//! `postsale sandbox`: the built-in PayPal and AliExpress in the foreground, for a program in another process. It reads
//! no configuration and has no database; what it prints opens nothing but a toy.

use super::exit::{Exit, Failure};
use super::say;
use super::serve::Signals;
use crate::sandbox::{Credentials, Options, Sandbox};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;

pub fn sandbox(listen: SocketAddr, book: Option<PathBuf>) -> Result<Exit, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::Senseless(format!(
            "--listen {listen}: the far sides have no password, so they listen on this machine only, such as 127.0.0.1:0"
        )));
    }
    let signals = Signals::watch()?;
    let place = book.clone();
    let sandbox = Sandbox::start(Options { listen, book, ..Options::default() }).map_err(|error| match place {
        Some(path) if !matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
            Failure::File { path, error }
        }
        _ => Failure::Listen { address: listen, key: "--listen", error },
    })?;
    let credentials = sandbox.credentials();
    let credentials = credentials.map_err(|error| Failure::Machine { what: "the book cannot be written", error })?;
    say(&environment(sandbox.address(), &credentials))?;
    signals.wait();
    Ok(Exit::Good)
}

/// Lines for a shell. What the configuration takes from no variable stands in comments.
fn environment(address: SocketAddr, credentials: &Credentials) -> String {
    let lines = [
        ("POSTSALE_PAYPAL__BASE_URL", &credentials.paypal_base_url),
        ("POSTSALE_PAYPAL__MERCHANT_ID", &credentials.paypal_merchant_id),
        ("PAYPAL_CLIENT_ID", &credentials.paypal_client_id),
        ("PAYPAL_CLIENT_SECRET", &credentials.paypal_client_secret),
        ("PAYPAL_WEBHOOK_ID", &credentials.paypal_webhook_id),
        ("POSTSALE_ALIEXPRESS__BASE_URL", &credentials.aliexpress_base_url),
        ("ALIEXPRESS_APP_KEY", &credentials.aliexpress_app_key),
        ("ALIEXPRESS_APP_SECRET", &credentials.aliexpress_app_secret),
        ("POSTSALE_PAYOUT__PLATFORM_EMAIL", &credentials.platform_email),
        ("POSTSALE_PAYOUT__SELLER_EMAIL", &credentials.seller_email),
    ];
    let mut text = format!("# PayPal and AliExpress on http://{address} until Ctrl-C; none of this is real.\n");
    for (variable, value) in lines {
        text.push_str(&format!("export {variable}='{value}'\n"));
    }
    text.push_str(&format!(
        "# AliExpress access token, as if after a login: {}\n# The books: curl http://{address}/__control/book\n",
        credentials.aliexpress_access_token
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::sandbox::FarSides;

    #[test]
    fn the_lines_point_a_program_at_it() {
        let credentials = FarSides::new("http://127.0.0.1:4711", 1).credentials(0);
        let text = environment("127.0.0.1:4711".parse().unwrap(), &credentials);
        let exports: Vec<(String, String)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
            .collect();
        let variables: Vec<(&str, &str)> = exports.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let loaded = load_text(include_str!("../../config.toml"), &variables).unwrap();
        let base_url = crate::config::FarSide::Url("http://127.0.0.1:4711/paypal".to_owned());
        assert_eq!(loaded.config.paypal.far_side(), base_url);
        assert!(loaded.secrets.aliexpress_app_secret.is_some() && loaded.secrets.paypal_webhook_id.is_some());
    }
}
