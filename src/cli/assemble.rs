//! The only place where parts are put together: configuration and secrets become far sides, settings and an engine.
//! Nothing here decides what happens to an order, and no secret leaves it but into the client that uses it.

use super::exit::Failure;
use crate::assure::evidence::Notes;
use crate::assure::lookout::Book;
use crate::assure::readiness::Installation;
use crate::clock::Clock;
use crate::config::{self, Config, Secrets, policy_of};
use crate::domain::order::Mode;
use crate::domain::trade::FarSide;
use crate::engine::{ALIEXPRESS, Engine, Parts, Settings};
use crate::gateway::OnCall;
use crate::gateway::aliexpress::AliExpress;
use crate::gateway::paypal::PayPal;
use crate::gateway::wire::UreqWire;
use crate::sandbox::{self, Credentials, FarSides, Sandbox};
use crate::secret::Secret;
use crate::store::tokens::{self, Login};
use crate::store::{Store, from_ms};
use jiff::SignedDuration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

const PAYPAL_SANDBOX: &str = "https://api-m.sandbox.paypal.com";
const PAYPAL_LIVE: &str = "https://api-m.paypal.com";
const ALIEXPRESS_LIVE: &str = "https://api-sg.aliexpress.com";

/// How one far side is reached.
#[derive(Clone, Debug)]
pub enum Access {
    /// Switched off.
    Off,
    /// It is there, and nobody told us who we are. A state, not a mistake.
    NoCredentials,
    /// `id` and `secret` are PayPal's client or AliExpress' app key.
    Known { base_url: String, id: String, secret: Secret },
}

impl Access {
    fn new(base_url: &str, id: Option<&Secret>, secret: Option<&Secret>) -> Access {
        match (id, secret) {
            (Some(id), Some(secret)) => {
                Access::Known { base_url: base_url.to_owned(), id: id.expose().to_owned(), secret: secret.clone() }
            }
            _ => Access::NoCredentials,
        }
    }

    pub fn state(&self) -> FarSide {
        match self {
            Access::Off => FarSide::Off,
            Access::NoCredentials => FarSide::NoToken,
            Access::Known { .. } => FarSide::Ready,
        }
    }
}

/// Everything outside, as configuration, secrets and the built-in far sides say.
#[derive(Clone, Debug)]
pub struct Outside {
    pub paypal: Access,
    pub aliexpress: Access,
    /// For checking what PayPal tells by itself. `None`: it cannot be checked, so none of it is believed.
    pub webhook_id: Option<Secret>,
    /// The payee a capture must name.
    pub merchant_id: Option<String>,
    /// Payees the configuration proposes.
    pub platform: Option<String>,
    pub seller: Option<String>,
}

impl Outside {
    /// `builtin` is used for the sides that are built in, and only for them.
    pub fn new(config: &Config, secrets: &Secrets, builtin: &Credentials) -> Outside {
        let email = |email: &Option<config::Email>| email.as_ref().map(|email| email.as_str().to_owned());
        let mut outside = Outside {
            paypal: paypal(config, secrets, builtin),
            aliexpress: aliexpress(config, secrets, builtin),
            webhook_id: secrets.paypal_webhook_id.clone(),
            merchant_id: config.paypal.merchant_id.clone(),
            platform: email(&config.payout.platform_email),
            seller: email(&config.payout.seller_email),
        };
        // Rules of the configuration let this stand in sandbox mode only.
        if config.paypal.far_side() == config::FarSide::Builtin {
            outside.webhook_id = Some(Secret::new(&*builtin.paypal_webhook_id));
            outside.merchant_id = Some(builtin.paypal_merchant_id.clone());
            outside.platform.get_or_insert_with(|| builtin.platform_email.clone());
            outside.seller.get_or_insert_with(|| builtin.seller_email.clone());
        }
        outside
    }

    /// For who only reads: the built-in far sides are described and not started.
    pub fn described(config: &Config, secrets: &Secrets) -> Outside {
        Outside::new(config, secrets, &FarSides::new("", 0).credentials(0))
    }
}

fn paypal(config: &Config, secrets: &Secrets, builtin: &Credentials) -> Access {
    let own =
        |base_url| Access::new(base_url, secrets.paypal_client_id.as_ref(), secrets.paypal_client_secret.as_ref());
    match config.paypal.far_side() {
        config::FarSide::Off => Access::Off,
        config::FarSide::Sandbox => own(PAYPAL_SANDBOX),
        config::FarSide::Live => own(PAYPAL_LIVE),
        config::FarSide::Url(url) => own(&url),
        config::FarSide::Builtin => Access::Known {
            base_url: builtin.paypal_base_url.clone(),
            id: builtin.paypal_client_id.clone(),
            secret: Secret::new(&*builtin.paypal_client_secret),
        },
    }
}

fn aliexpress(config: &Config, secrets: &Secrets, builtin: &Credentials) -> Access {
    let own =
        |base_url| Access::new(base_url, secrets.aliexpress_app_key.as_ref(), secrets.aliexpress_app_secret.as_ref());
    match config.aliexpress.far_side() {
        // AliExpress has no sandbox of its own, and the configuration refuses the word.
        config::FarSide::Off | config::FarSide::Sandbox => Access::Off,
        config::FarSide::Live => own(ALIEXPRESS_LIVE),
        config::FarSide::Url(url) => own(&url),
        config::FarSide::Builtin => Access::Known {
            base_url: builtin.aliexpress_base_url.clone(),
            id: builtin.aliexpress_app_key.clone(),
            secret: Secret::new(&*builtin.aliexpress_app_secret),
        },
    }
}

/// The secrets in the environment that a built-in far side makes useless, each with who ignores it.
fn ignored(config: &Config, secrets: &Secrets) -> Vec<(&'static str, &'static str)> {
    let (paypal, aliexpress) = (config.paypal.far_side(), config.aliexpress.far_side());
    let all = secrets.all().into_iter().filter(|(_, secret)| secret.is_some());
    all.filter_map(|(variable, _)| match variable.split('_').next() {
        Some("PAYPAL") if paypal == config::FarSide::Builtin => Some((variable, "PayPal")),
        Some("ALIEXPRESS") if aliexpress == config::FarSide::Builtin => Some((variable, "AliExpress")),
        _ => None,
    })
    .collect()
}

/// Starts the built-in far sides if the configuration asks for one; their book lies in the data directory, and they go
/// by the same clock.
pub fn start_sandbox(config: &Config, secrets: &Secrets, clock: &Arc<dyn Clock>) -> Result<Option<Sandbox>, Failure> {
    let sides = [config.paypal.far_side(), config.aliexpress.far_side()];
    if !sides.contains(&config::FarSide::Builtin) {
        return Ok(None);
    }
    for (variable, who) in ignored(config, secrets) {
        log::warn!("{variable} is set and ignored, because {who} is built in");
    }
    let book = config.data_dir.join("sandbox.jsonl");
    let clock = Arc::clone(clock);
    let now: sandbox::Now = Arc::new(move || clock.now().as_millisecond());
    let options = sandbox::Options { book: Some(book.clone()), now: Some(now), ..sandbox::Options::default() };
    Ok(Some(Sandbox::start(options).map_err(Failure::file(book))?))
}

/// Stores the built-in supplier's token as a login does, so that from here on nothing differs.
pub fn log_in(store: &Store, builtin: &Credentials, clock: &dyn Clock) -> Result<(), Failure> {
    let login = Login {
        account: Some("built-in".to_owned()),
        access_token: builtin.aliexpress_access_token.clone(),
        refresh_token: Some(builtin.aliexpress_refresh_token.clone()),
        access_expires_at: from_ms(builtin.access_expires_at_ms)?,
        refresh_expires_at: Some(from_ms(builtin.refresh_expires_at_ms)?),
    };
    Ok(store.write(|tx| tokens::put(tx, ALIEXPRESS, &login, clock.now()))?)
}

/// `public_url`: how buyers reach the server.
pub fn settings(config: &Config, outside: &Outside, public_url: String) -> Settings {
    Settings {
        mode: mode_of(config),
        shop: config.shop.id.clone(),
        policy: policy_of(config),
        platform: outside.platform.clone(),
        seller: outside.seller.clone(),
        merchant_id: outside.merchant_id.clone(),
        public_url,
        paypal: outside.paypal.state(),
        aliexpress: outside.aliexpress.state(),
        workers: usize::try_from(config.engine.workers).unwrap_or(1),
        tick: config.engine.tick,
        data_dir: config.data_dir.clone(),
    }
}

/// What the readiness report says of this installation. `typed`: see [`super::sources::Sources::typed`].
pub fn installation(config: &Config, outside: &Outside, typed: String) -> Installation {
    let (paypal, aliexpress) = (config.paypal.far_side(), config.aliexpress.far_side());
    let every = SignedDuration::try_from(config.schedule.integrity).unwrap_or(SignedDuration::from_mins(15));
    let name = Some(config.service.name.clone()).filter(|name| !name.is_empty());
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    Installation {
        project: config.service.project.clone(),
        service: name.or_else(host).unwrap_or_else(|| "postsale".to_owned()),
        settings: settings(config, outside, String::new()),
        paypal: far_name("PayPal", &paypal),
        aliexpress: far_name("AliExpress", &aliexpress),
        integrity_every: every,
        reconcile_every: SignedDuration::try_from(config.schedule.reconcile).unwrap_or(SignedDuration::from_hours(1)),
        journal_mirror: config.journal.mirror.clone(),
        book: book(&paypal, &aliexpress),
        not_built: config::not_built(),
        typed,
    }
}

fn far_name(who: &str, side: &config::FarSide) -> String {
    match side {
        config::FarSide::Builtin => format!("built-in {who}"),
        config::FarSide::Sandbox => format!("{who} sandbox"),
        config::FarSide::Live => format!("{who} live"),
        config::FarSide::Off => format!("{who} (off)"),
        config::FarSide::Url(url) => format!("{who} at {url}"),
    }
}

/// Only far sides of ours on this machine show their book, and only one that both sides share can be compared.
fn book(paypal: &config::FarSide, aliexpress: &config::FarSide) -> Book {
    use config::FarSide::{Builtin, Url};
    match (paypal, aliexpress) {
        (Builtin, Builtin) => Book::Builtin,
        (Url(paypal), Url(aliexpress)) => {
            let base = |url: &str, side: &str| url.strip_suffix(side).map(str::to_owned);
            let shared =
                base(paypal, "/paypal").filter(|base_| Some(base_) == base(aliexpress, "/aliexpress").as_ref());
            let is_here = |base: &String| {
                config::Url::parse(base)
                    .is_some_and(|url| url.host().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
            };
            shared.filter(is_here).map_or(Book::Nowhere, Book::At)
        }
        _ => Book::Nowhere,
    }
}

/// PayPal for a look from beside a server. `None`: off, or nobody told us who we are.
pub fn paypal_client(outside: &Outside) -> Option<PayPal> {
    let Access::Known { base_url, id, secret } = outside.paypal.clone() else { return None };
    Some(PayPal::new(Arc::new(UreqWire::default()), base_url, id, secret))
}

/// The engine with everything it needs. The caller holds the lock of the data directory.
pub fn engine(
    config: &Config,
    outside: &Outside,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    public_url: String,
    notes: &Notes,
) -> Result<Engine, Failure> {
    let told = notes.clone();
    let on_call: Arc<OnCall> = Arc::new(move |called: &_| told.called(called));
    let wire = Arc::new(UreqWire::default());
    let paypal = match outside.paypal.clone() {
        Access::Known { base_url, id, secret } => {
            let paypal = PayPal::new(wire.clone(), base_url, id, secret).observed(on_call.clone());
            Some(outside.webhook_id.clone().into_iter().fold(paypal, PayPal::hearing))
        }
        Access::Off | Access::NoCredentials => None,
    };
    let aliexpress = aliexpress_on(config, outside, wire).map(|client| client.observed(on_call));
    let settings = settings(config, outside, public_url);
    let journal_mirror = config.journal.mirror.clone();
    let engine = Engine::open(Parts { store, clock, settings, paypal, aliexpress, journal_mirror })?;
    if !config.is_production() {
        engine.confirm_first_payees()?;
    }
    Ok(engine)
}

/// AliExpress for a command beside the server. `None`: it is off, or nobody told us who we are.
pub fn aliexpress_client(config: &Config, outside: &Outside) -> Option<AliExpress> {
    aliexpress_on(config, outside, Arc::new(UreqWire::default()))
}

fn aliexpress_on(config: &Config, outside: &Outside, wire: Arc<UreqWire>) -> Option<AliExpress> {
    // The built-in supplier bans nobody for asking often.
    let is_builtin = config.aliexpress.far_side() == config::FarSide::Builtin;
    let gap = (!is_builtin).then(|| config.aliexpress.calls_per_second.interval());
    match outside.aliexpress.clone() {
        Access::Known { base_url, id, secret } => Some(AliExpress::new(wire, base_url, id, secret, gap)),
        Access::Off | Access::NoCredentials => None,
    }
}

/// The address buyers and PayPal are sent to: the configured one, or the bound one as this machine reaches it.
pub fn public_url(config: &Config, bound: SocketAddr) -> String {
    config.server.public_url.as_ref().map_or_else(|| local_url(bound), |url| url.as_str().to_owned())
}

/// The bound address as this machine reaches it.
pub fn local_url(bound: SocketAddr) -> String {
    let ip = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, bound.port()))
}

pub fn mode_of(config: &Config) -> Mode {
    match config.mode {
        config::Mode::Sandbox => Mode::Sandbox,
        config::Mode::Production => Mode::Production,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::domain::policy::PaidBy;

    const OWN: [(&str, &str); 3] =
        [("PAYPAL_CLIENT_ID", "own-id"), ("PAYPAL_CLIENT_SECRET", "own-secret"), ("ALIEXPRESS_APP_KEY", "own-key")];

    fn outside(text: &str, variables: &[(&str, &str)]) -> Outside {
        let loaded = load_text(text, variables).unwrap();
        Outside::described(&loaded.config, &loaded.secrets)
    }

    #[test]
    fn each_word_leads_to_its_far_side() {
        let check = |text: &str, variables: &[(&str, &str)], paypal: &str, aliexpress: &str| {
            let outside = outside(text, variables);
            let shown = |access: &Access| match access {
                Access::Known { base_url, id, .. } => format!("{base_url} as {id}"),
                other => other.state().to_string(),
            };
            assert_eq!((shown(&outside.paypal).as_str(), shown(&outside.aliexpress).as_str()), (paypal, aliexpress));
        };
        let builtin = FarSides::new("", 0).credentials(0);
        let (paypal, aliexpress) = (builtin.paypal_client_id, builtin.aliexpress_app_key);
        check("", &OWN, &format!("/paypal as {paypal}"), &format!("/aliexpress as {aliexpress}"));
        let outer = "[paypal]\nbase_url = \"sandbox\"\n[aliexpress]\nbase_url = \"live\"\nloan_account = true\n";
        check(outer, &OWN, "https://api-m.sandbox.paypal.com as own-id", "no_token");
        let both = [OWN.as_slice(), &[("ALIEXPRESS_APP_SECRET", "own-app")]].concat();
        check(outer, &both, "https://api-m.sandbox.paypal.com as own-id", "https://api-sg.aliexpress.com as own-key");
        let live = "mode = \"production\"\n[paypal]\nbase_url = \"live\"\n[aliexpress]\nbase_url = \"none\"\n";
        check(live, &OWN, "https://api-m.paypal.com as own-id", "off");
        check(live, &[], "no_token", "off");
        let url = "[paypal]\nbase_url = \"http://127.0.0.1:9/paypal/\"\n[aliexpress]\nenabled = false\n";
        check(url, &OWN, "http://127.0.0.1:9/paypal as own-id", "off");
    }

    #[test]
    fn the_built_in_payees_stand_in_only_where_none_is_set() {
        let shipped = include_str!("../../config.toml");
        let builtin = FarSides::new("", 0).credentials(0);
        let both = outside(shipped, &[]);
        assert_eq!(both.platform.as_ref(), Some(&builtin.platform_email));
        assert_eq!(both.merchant_id.as_ref(), Some(&builtin.paypal_merchant_id));
        let set = outside(shipped, &[("POSTSALE_PAYOUT__SELLER_EMAIL", "me@shop.tld")]);
        assert_eq!((set.platform, set.seller.as_deref()), (Some(builtin.platform_email), Some("me@shop.tld")));
        let elsewhere = outside("[paypal]\nbase_url = \"sandbox\"\n", &OWN);
        assert_eq!((elsewhere.platform, elsewhere.seller, elsewhere.merchant_id), (None, None, None));
        assert!(elsewhere.webhook_id.is_none());
    }

    #[test]
    fn secrets_of_built_in_sides_are_named_as_ignored() {
        let loaded = load_text("[aliexpress]\nbase_url = \"none\"\n", &OWN).unwrap();
        let ignored = ignored(&loaded.config, &loaded.secrets);
        assert_eq!(ignored, [("PAYPAL_CLIENT_ID", "PayPal"), ("PAYPAL_CLIENT_SECRET", "PayPal")]);
    }

    #[test]
    fn settings_follow_the_configuration() {
        let loaded = load_text(include_str!("../../config.toml"), &[]).unwrap();
        let outside = Outside::described(&loaded.config, &loaded.secrets);
        let settings = settings(&loaded.config, &outside, "http://x".to_owned());
        assert_eq!((settings.mode, settings.shop.as_str(), settings.workers), (Mode::Sandbox, "shop", 4));
        assert_eq!((settings.paypal, settings.aliexpress), (FarSide::Ready, FarSide::Ready));
        assert_eq!(settings.policy.paid_by, PaidBy::Owner);
    }

    #[test]
    fn the_public_url_can_be_reached() {
        let check = |text: &str, bound: &str, expected: &str| {
            let config = load_text(text, &[]).unwrap().config;
            assert_eq!(public_url(&config, bound.parse().unwrap()), expected);
        };
        check("", "127.0.0.1:4711", "http://127.0.0.1:4711");
        check("", "0.0.0.0:80", "http://127.0.0.1:80");
        check("", "[::]:80", "http://[::1]:80");
        check("[server]\npublic_url = \"https://shop.tld/\"\n", "127.0.0.1:1", "https://shop.tld");
    }
}
