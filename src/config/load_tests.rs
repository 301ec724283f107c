//! What the sources make together: the shipped file, precedence, every key from the environment, and every mistake at
//! its place.

use super::*;
use crate::domain::money::{Currency, Rate};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SHIPPED: &str = include_str!("../../config.toml");

/// All problems of this text and these variables, as they are printed.
fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match load_text(text, variables) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(Problem::to_string).collect(),
    }
}

/// The value of a key as it is shown, for keys of the table.
fn shown(config: &Config, key: &str) -> serde_json::Value {
    (KEYS.iter().find(|k| k.name == key).unwrap().shown)(config)
}

#[test]
fn the_shipped_file_is_a_sandbox_that_runs_by_itself() {
    let loaded = load_text(SHIPPED, &[]).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.mode, Mode::Sandbox);
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(config.paypal.far_side(), FarSide::Builtin);
    assert_eq!(config.aliexpress.far_side(), FarSide::Builtin);
    assert!(config.payout.enabled);
    assert_eq!((config.payout.platform_email.as_ref(), config.payout.seller_email.as_ref()), (None, None));
    assert_eq!(config.commission.rate_percent, Rate::parse_percent("10"));
    assert_eq!(config.payout.after, Some(PayoutAfter::SupplierPaid));
    assert_eq!(config.payout.hold_days, Some(0));
    assert_eq!(config.supplier.paid_by, Some(PaidBy::Owner));
    assert!(config.aliexpress.autopay);
    assert_eq!(config.policy.cancel_buffer, Duration::ZERO);
    assert_eq!(config.policy.first_orders_manual, 0);
    let set_there = [
        "mode",
        "data_dir",
        "paypal.base_url",
        "aliexpress.base_url",
        "aliexpress.autopay",
        "supplier.paid_by",
        "commission.rate_percent",
        "payout.enabled",
        "payout.after",
        "payout.hold_days",
        "policy.first_orders_manual",
        "policy.cancel_buffer",
    ];
    for key in KEYS {
        let is_set = *config.origin(key.name) != Origin::Default;
        assert_eq!(is_set, set_there.contains(&key.name), "{}", key.name);
    }
}

/// With every `# key =` taken at its word, the file sets every key, and those with a default to their default.
#[test]
fn the_shipped_file_shows_every_key() {
    let commented = |line: &&str| {
        line.strip_prefix("# ").is_some_and(|l| {
            l.starts_with("[channels.") || l.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        })
    };
    let lines = SHIPPED.lines().map(|line| if commented(&line) { &line[2..] } else { line });
    let opened = lines.collect::<Vec<_>>().join("\n");
    let loaded = load_text(&opened, &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.config.channels.keys().collect::<Vec<_>>(), ["etsy"]);
    let plain = load_text("", &[]).unwrap().config;
    for key in KEYS {
        assert_ne!(*loaded.config.origin(key.name), Origin::Default, "{} is missing in config.toml", key.name);
        let line_is_comment = *load_text(SHIPPED, &[]).unwrap().config.origin(key.name) == Origin::Default;
        if line_is_comment && !key.default.is_empty() {
            assert_eq!(shown(&loaded.config, key.name), shown(&plain, key.name), "{}", key.name);
        }
    }
}

#[test]
fn defaults_are_those_of_the_table() {
    let config = load_text("", &[]).unwrap().config;
    for key in KEYS.iter().filter(|key| key.name != "service.name") {
        let written = match shown(&config, key.name) {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let default = if key.default == "60m" { "1h" } else { key.default };
        assert_eq!(written, default, "{}", key.name);
        assert!(*config.origin(key.name) == Origin::Default);
    }
    assert!(!config.service.name.is_empty());
    let elsewhere = load_text("data_dir = \"/srv/shop\"", &[]).unwrap().config;
    assert_eq!(elsewhere.backup.dir, Path::new("/srv/shop/backups"));
    let asked = load_text("[backup]\ndir = \"/mnt/b\"", &[]).unwrap().config;
    assert_eq!(asked.backup.dir, Path::new("/mnt/b"));
}

#[test]
fn defaults_are_read_in_every_currency() {
    for code in ["USD", "JPY", "KWD", "IDR"] {
        let config = load_text(&format!("[shop]\ncurrency = \"{code}\""), &[]).unwrap().config;
        assert_eq!(config.limits.spend_per_day.currency, Currency::new(code).unwrap());
    }
}

#[test]
fn every_key_can_be_set_in_the_environment() {
    let samples: BTreeMap<&str, (&str, &str)> = [
        ("mode", ("sandbox", "\"sandbox\"")),
        ("data_dir", ("/srv/x", "\"/srv/x\"")),
        ("shop.id", ("second", "\"second\"")),
        ("shop.currency", ("EUR", "\"EUR\"")),
        ("shop.timezone", ("utc", "\"UTC\"")),
        ("server.listen", ("0.0.0.0:80", "\"0.0.0.0:80\"")),
        ("server.public_url", ("https://a.tld/", "\"https://a.tld\"")),
        ("server.trusted_proxies", ("127.0.0.1, 10.0.0.0/8", "\"127.0.0.1,10.0.0.0/8\"")),
        ("server.metrics_listen", ("[::1]:9", "\"[::1]:9\"")),
        ("paypal.base_url", ("none", "\"none\"")),
        ("aliexpress.base_url", ("http://127.0.0.1:9/aliexpress", "\"http://127.0.0.1:9/aliexpress\"")),
        ("aliexpress.calls_per_second", ("0.25", "\"0.25\"")),
        ("supplier.paid_by", ("seller", "\"seller\"")),
        ("commission.base", ("net_profit", "\"net_profit\"")),
        ("payout.after", ("shipped", "\"shipped\"")),
        ("policy.purchasing", ("manual", "\"manual\"")),
        ("policy.look_again", ("1s,2s", "\"1s,2s\"")),
        ("alerts.telegram_chat_id", ("-5", "\"-5\"")),
        ("payout.enabled", ("false", "false")),
        ("alerts.smtp_url", ("smtp://m.tld", "\"smtp://m.tld\"")),
    ]
    .into();
    for key in KEYS {
        let same_kind = |defaults: &[&str]| defaults.contains(&key.default);
        let (value, expected) = match samples.get(key.name) {
            Some(sample) => *sample,
            None if key.name.ends_with("_email") || key.name.ends_with("email_to") => ("a@b.tld", "\"a@b.tld\""),
            None if key.name.ends_with("_url") => ("https://a.tld/x", "\"https://a.tld/***\""),
            None if same_kind(&["true", "false"]) => ("true", "true"),
            None if key.default.contains(':') => ("04:05", "\"04:05\""),
            None if key.default.ends_with(['s', 'm', 'h']) && key.default.starts_with(|c: char| c.is_ascii_digit()) => {
                ("7m", "\"7m\"")
            }
            None if key.name == "payout.every" => ("7d", "\"7d\""),
            None if key.name.ends_with("_days") || key.name.ends_with("_per_day") && !key.default.contains('.') => {
                ("7", "7")
            }
            None if ["policy.first_orders_manual", "engine.workers", "backup.keep"].contains(&key.name) => ("7", "7"),
            None if key.name.ends_with("_percent") => ("7.50", "\"7.5\""),
            None if key.default.contains('.') || key.name.ends_with("_amount") || key.name.ends_with("_capital") => {
                ("7.5", "\"7.50\"")
            }
            None => ("words", "\"words\""),
        };
        let name = format!("POSTSALE_{}", key.name.replace('.', "__").to_uppercase());
        let loaded = load_text("", &[(&name, value)]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(shown(&loaded.config, key.name).to_string(), expected, "{name}");
        assert_eq!(*loaded.config.origin(key.name), Origin::Variable(name));
    }
    let channel =
        [("POSTSALE_CHANNELS__MY_SHOP__FEE_PERCENT", "6.5"), ("POSTSALE_CHANNELS__MY_SHOP__FEE_FIXED", "0.25")];
    let config = load_text("", &channel).unwrap().config;
    let channel = &config.channels["my_shop"];
    assert_eq!(channel.fee_percent, Rate::parse_percent("6.5"));
    assert_eq!(channel.fee_fixed.map(|fee| fee.decimal()), Some("0.25".to_owned()));
}

#[test]
fn later_sources_win() {
    let text = "[engine]\nworkers = 2\n[server]\npublic_url = \"https://a.tld\"\n";
    let variables: BTreeMap<&str, &str> =
        [("POSTSALE_ENGINE__WORKERS", "3"), ("POSTSALE_SERVER__PUBLIC_URL", "")].into();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.toml");
    std::fs::write(&file, text).unwrap();
    let variable = |name: &str| variables.get(name).map(|value| value.to_string());
    let load = |names: &[&str], flags: &[(&str, &str)]| {
        let names = names.iter().map(|name| name.to_string()).collect();
        let flags = flags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        super::load(&Sources { file: Some(file.clone()), names, variable: &variable, flags }).unwrap().config
    };
    let check = |config: Config, workers: u32, origin: &str| {
        assert_eq!((config.engine.workers, config.origin("engine.workers").to_string().as_str()), (workers, origin));
    };
    check(load_text("", &[]).unwrap().config, 4, "default");
    check(load(&[], &[]), 2, &format!("{}:2", file.display()));
    check(load(&["POSTSALE_ENGINE__WORKERS"], &[]), 3, "POSTSALE_ENGINE__WORKERS");
    check(load(&["POSTSALE_ENGINE__WORKERS"], &[("engine.workers", "5")]), 5, "command line");
    assert!(load(&[], &[]).server.public_url.is_some());
    assert!(load(&["POSTSALE_SERVER__PUBLIC_URL"], &[]).server.public_url.is_none(), "empty takes it back");
}

#[test]
fn the_file_is_found_or_missed_in_words() {
    let nothing = |_: &str| None;
    let file = Some(PathBuf::from("/nowhere/shop.toml"));
    let sources = Sources { file, names: Vec::new(), variable: &nothing, flags: BTreeMap::new() };
    let error = super::load(&sources).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/shop.toml: cannot be read: No such file"), "{error}");
    let named = |name: &str| (name == "POSTSALE_CONFIG").then(|| "/nowhere/else.toml".to_owned());
    let sources = Sources { file: None, names: Vec::new(), variable: &named, flags: BTreeMap::new() };
    assert!(super::load(&sources).unwrap_err().to_string().starts_with("/nowhere/else.toml: "));
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    let error = load::unreadable("config.toml".into(), true, &missing).to_string();
    assert!(
        error.starts_with("config.toml: not found: copy the one that comes with the program here, or name another"),
        "{error}"
    );
}

#[test]
fn every_mistake_has_its_line() {
    let check = |text: &str, expected: &str| assert_eq!(problems(text, &[]), [expected], "{text}");
    check(
        "mode = \"sandbox\"\n\n[policy]\ncancel_bufer = \"5m\"\n",
        "config.toml:4: policy.cancel_bufer: unknown key; did you mean policy.cancel_buffer?",
    );
    check(
        "policy.cancel_bufer = 1",
        "config.toml:1: policy.cancel_bufer: unknown key; did you mean policy.cancel_buffer?",
    );
    check("[weather]\nforecast = 1", "config.toml:2: weather.forecast: unknown key");
    check("\n[weather]\n", "config.toml:2: weather: unknown section");
    check("engine = 4", "config.toml:1: engine: this is a section: write [engine] and its keys below");
    check(
        "[engine.workers]\nx = 1",
        "config.toml:1: engine.workers: wrong type: this is a table, wanted a whole number, 0 or more",
    );
    check(
        "[engine]\nworkers = \"4\"",
        "config.toml:2: engine.workers: wrong type: this is a string, wanted a whole number, 0 or more",
    );
    check("[engine]\nworkers = -4", "config.toml:2: engine.workers: cannot be read: wanted a whole number, 0 or more");
    check(
        "[policy]\nshadow = 1",
        "config.toml:2: policy.shadow: wrong type: this is a whole number, wanted true or false",
    );
    check(
        "[limits]\nspend_per_day = 500.00",
        "config.toml:2: limits.spend_per_day: wrong type: this is a decimal number without quotes, wanted an amount in \
         quotes, such as \"12.50\"",
    );
    check(
        "[limits]\nmin_profit = \"1.005\"",
        "config.toml:2: limits.min_profit: cannot be read: more decimal places than USD has",
    );
    check("mode = \"live\"", "config.toml:1: mode: cannot be read: wanted \"sandbox\" or \"production\"");
    check("data_dir = \"\"", "config.toml:1: data_dir: must not be empty");
    check(
        "\"engine.workers\" = 4",
        "config.toml:1: engine.workers: no quotes around a name with a dot: write [section] and the key",
    );
    check("[channels.eBay]\nfee_percent = 1", &format!("config.toml:1: channels.eBay: {}", file::CHANNEL_NAME_WANTED));
    check("[channels.etsy]\nfee = 1", "config.toml:2: channels.etsy.fee: unknown key");
    check("channels = 3", "config.toml:1: channels: this is a section: write [channels] and its keys below");
    check(
        "[paypal]\nclient_secret = \"hunter2\"",
        "config.toml:2: paypal.client_secret: secrets do not stand in the file: set PAYPAL_CLIENT_SECRET",
    );
    check(
        "[alerts]\nsmtp_url = \"smtp://me:hunter2@m.tld\"",
        "config.toml:2: alerts.smtp_url: secrets do not stand in the file: set SMTP_PASSWORD",
    );
}

#[test]
fn every_mistake_of_the_environment_has_its_variable() {
    let check = |name: &str, value: &str, expected: &str| assert_eq!(problems("", &[(name, value)]), [expected]);
    check(
        "POSTSALE_POLICY__CANCEL_BUFER",
        "5m",
        "POSTSALE_POLICY__CANCEL_BUFER: unknown variable; did you mean POSTSALE_POLICY__CANCEL_BUFFER?",
    );
    check(
        "POSTSALE_SERVER_LISTEN",
        "x",
        "POSTSALE_SERVER_LISTEN: unknown variable; did you mean POSTSALE_SERVER__LISTEN?",
    );
    check("POSTSALE_Mode", "x", "POSTSALE_Mode: unknown variable; did you mean POSTSALE_MODE?");
    check("POSTSALE_WEATHER", "x", "POSTSALE_WEATHER: unknown variable");
    check(
        "POSTSALE_PAYPAL__CLIENT_SECRET",
        "hunter2",
        "POSTSALE_PAYPAL__CLIENT_SECRET: not the variable of a secret: set PAYPAL_CLIENT_SECRET",
    );
    check(
        "POSTSALE_ENGINE__WORKERS",
        "many",
        "POSTSALE_ENGINE__WORKERS: engine.workers: cannot be read: wanted a whole number, 0 or more",
    );
    for name in OTHER_VARIABLES.iter().chain(&["POSTSALES", "PATH"]) {
        assert_eq!(problems("", &[(name, "x")]), [""; 0], "{name}");
    }
}

#[test]
fn all_mistakes_are_listed_at_once_in_the_order_of_the_file() {
    let text = "mode = \"production\"\n[payout]\nenabled = true\nhold_days = \"x\"\n[shop]\nid = \"a b\"\nname = 1\n";
    let variables = [("POSTSALE_ENGINE__WORKERS", "65"), ("SMTP_PASSWORD", "x"), ("SMTP_PASSWORD_FILE", "/x")];
    assert_eq!(
        problems(text, &variables),
        [
            "config.toml:4: payout.hold_days: wrong type: this is a string, wanted a whole number, 0 or more",
            "config.toml:6: shop.id: at most 32 letters, digits, dots, hyphens and underscores",
            "config.toml:7: shop.name: unknown key; did you mean service.name?",
            "config.toml: paypal.base_url: production wants \"live\" or \"none\"",
            "config.toml: aliexpress.base_url: \"builtin\" is for sandbox mode: production wants \"live\" or \"none\"",
            "config.toml: supplier.paid_by: not set: with payouts on it must be \"owner\" or \"seller\"",
            "config.toml: commission.rate_percent: not set: payouts are on, and there is no default commission",
            "config.toml: payout.after: not set: production with payouts on wants \"delivered\", \"shipped\" or \
             \"supplier_paid\"",
            "config.toml: payout.platform_email: not set: payouts are on, and there is no default recipient",
            "config.toml: payout.seller_email: not set: payouts are on, and there is no default recipient",
            "POSTSALE_ENGINE__WORKERS: engine.workers: must be between 1 and 64",
            "SMTP_PASSWORD: set twice: unset either SMTP_PASSWORD or SMTP_PASSWORD_FILE",
        ]
    );
}

#[test]
fn the_command_line_is_held_to_the_same_table() {
    let nothing = |_: &str| None;
    let check = |key: &str, value: &str, expected: &str| {
        let flags = [(key.to_owned(), value.to_owned())].into();
        let file = Some(PathBuf::from("config.toml"));
        let error = super::load(&Sources { file, names: Vec::new(), variable: &nothing, flags }).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check("server.lisen", "x", "command line: server.lisen: unknown key; did you mean server.listen?");
    check("engine.workers", "0", "command line: engine.workers: must be between 1 and 64");
    check(
        "paypal.client_secret",
        "hunter2",
        "command line: paypal.client_secret: secrets do not stand on the command line: set PAYPAL_CLIENT_SECRET",
    );
}

#[test]
fn what_is_not_toml_is_named_by_line_and_never_quoted() {
    for text in ["mode = \"sandbox\"\n[paypal\nx = \"hunter2\"", "mode = \"sandbox\"\nx = hunter2 hunter2\n"] {
        let found = problems(text, &[]);
        assert!(found[0].starts_with("config.toml:2: not TOML: "), "{found:?}");
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }
    let twice = problems("mode = \"sandbox\"\nmode = \"production\"\n", &[]);
    assert!(twice[0].starts_with("config.toml:2: not TOML: duplicate key"), "{twice:?}");
}
