//! For every rule a configuration that it refuses, and the same one mended, which it lets through.

use super::*;

/// A production that nothing is wrong with; each test spoils one thing.
const PRODUCTION: &[(&str, &str)] = &[
    ("POSTSALE_MODE", "production"),
    ("POSTSALE_PAYPAL__BASE_URL", "live"),
    ("POSTSALE_ALIEXPRESS__BASE_URL", "live"),
    ("POSTSALE_SUPPLIER__PAID_BY", "owner"),
    ("POSTSALE_COMMISSION__RATE_PERCENT", "10"),
    ("POSTSALE_PAYOUT__ENABLED", "true"),
    ("POSTSALE_PAYOUT__PLATFORM_EMAIL", "platform@shop.tld"),
    ("POSTSALE_PAYOUT__SELLER_EMAIL", "seller@shop.tld"),
    ("POSTSALE_PAYOUT__AFTER", "delivered"),
    ("POSTSALE_PAYOUT__HOLD_DAYS", "14"),
];

const SANDBOX: &[(&str, &str)] = &[("POSTSALE_MODE", "sandbox")];

/// `base` with these changes; empty takes a key away.
fn load_changed(base: &[(&str, &str)], changes: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let names = |key: &str| format!("POSTSALE_{}", key.replace('.', "__").to_uppercase());
    for (name, value) in base {
        variables.push((name.to_string(), value.to_string()));
    }
    for (key, value) in changes {
        let name = names(key);
        variables.retain(|(other, _)| *other != name);
        variables.push((name, value.to_string()));
    }
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    load_text("", &variables)
}

/// `spoilt` is refused for exactly this key and reason; with `mended` on top it passes.
fn check(base: &[(&str, &str)], spoilt: &[(&str, &str)], expected: (&str, &str), mended: &[(&str, &str)]) {
    let problems = match load_changed(base, spoilt) {
        Ok(_) => panic!("{spoilt:?} passes"),
        Err(error) => error.problems,
    };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].key, expected.0, "{problems:?}");
    assert!(problems[0].reason.contains(expected.1), "{problems:?}");
    let both: Vec<_> = spoilt.iter().chain(mended).copied().collect();
    let mut last: Vec<(&str, &str)> = Vec::new();
    for (key, value) in both {
        last.retain(|(other, _)| *other != key);
        last.push((key, value));
    }
    load_changed(base, &last).unwrap_or_else(|e| panic!("{last:?}: {e}"));
}

/// What is said about a configuration that passes.
fn check_warning(base: &[(&str, &str)], changes: &[(&str, &str)], expected: Option<&str>) {
    let loaded = load_changed(base, changes).unwrap_or_else(|e| panic!("{e}"));
    let mut keys: Vec<&str> = loaded.warnings.iter().map(|w| w.key.as_str()).collect();
    keys.dedup();
    assert_eq!(keys, expected.into_iter().collect::<Vec<_>>(), "{:?}", loaded.warnings);
}

#[test]
fn production_is_good_as_the_tests_take_it() {
    check_warning(PRODUCTION, &[], None);
    check_warning(SANDBOX, &[], None);
}

#[test]
fn production_wants_real_far_sides() {
    let paypal = ("paypal.base_url", "production wants");
    for side in
        ["builtin", "sandbox", "https://api-m.sandbox.paypal.com", "https://api-m.paypal.com", "http://127.0.0.1:1"]
    {
        check(PRODUCTION, &[("paypal.base_url", side)], paypal, &[("paypal.base_url", "live")]);
        check(PRODUCTION, &[("paypal.base_url", side)], paypal, &[("paypal.base_url", "none")]);
        check(PRODUCTION, &[("paypal.base_url", side)], paypal, &[("paypal.enabled", "false")]);
    }
    let cases = [
        ("builtin", "for sandbox mode"),
        ("sandbox", "AliExpress has no sandbox"),
        ("http://api-sg.aliexpress.com", "wants https"),
        ("https://127.0.0.1:9", "not on this machine"),
        ("https://[::1]", "not on this machine"),
        ("https://localhost", "not on this machine"),
        ("https://192.168.0.9", "not on this machine"),
        ("https://sandbox.supplier.tld", "never reaches a sandbox"),
    ];
    for (side, reason) in cases {
        let spoilt = [("aliexpress.base_url", side)];
        check(PRODUCTION, &spoilt, ("aliexpress.base_url", reason), &[("aliexpress.base_url", "none")]);
        check(
            PRODUCTION,
            &spoilt,
            ("aliexpress.base_url", reason),
            &[("aliexpress.base_url", "https://api-sg.aliexpress.com")],
        );
    }
}

#[test]
fn a_sandbox_reaches_nothing_real() {
    let live = ["live", "https://api-m.paypal.com", "https://API.PayPal.com.:443/x", "https://paypal.com"];
    for side in live {
        let expected = ("paypal.base_url", "never reaches the live PayPal");
        check(SANDBOX, &[("paypal.base_url", side)], expected, &[("paypal.base_url", "sandbox")]);
    }
    for side in ["live", "https://api-sg.aliexpress.com"] {
        let expected = ("aliexpress.base_url", "only with aliexpress.loan_account = true");
        check(SANDBOX, &[("aliexpress.base_url", side)], expected, &[("aliexpress.loan_account", "true")]);
    }
    check_warning(SANDBOX, &[("paypal.base_url", "https://api-m.sandbox.paypal.com")], None);
    check_warning(SANDBOX, &[("aliexpress.base_url", "http://mock:9/aliexpress")], None);
}

#[test]
fn autopay_is_for_dollars() {
    for base in [SANDBOX, PRODUCTION] {
        let spoilt = [("aliexpress.autopay", "true"), ("shop.currency", "EUR")];
        check(base, &spoilt, ("aliexpress.autopay", "USD only"), &[("shop.currency", "USD")]);
        check(base, &spoilt, ("aliexpress.autopay", "USD only"), &[("aliexpress.autopay", "false")]);
    }
}

#[test]
fn payouts_want_every_answer() {
    let answers = [
        ("payout.platform_email", "no default recipient", "a@b.tld"),
        ("payout.seller_email", "no default recipient", "a@b.tld"),
        ("commission.rate_percent", "no default commission", "0"),
        ("supplier.paid_by", "\"owner\" or \"seller\"", "seller"),
        ("payout.after", "not set", "shipped"),
        ("payout.hold_days", "not set", "0"),
    ];
    for (key, reason, mended) in answers {
        check(PRODUCTION, &[(key, "")], (key, reason), &[(key, mended)]);
        check(PRODUCTION, &[(key, "")], (key, reason), &[("payout.enabled", "false")]);
    }
    let on = [("payout.enabled", "true"), ("commission.rate_percent", "10"), ("supplier.paid_by", "owner")];
    check_warning(SANDBOX, &on, None);
    let mut elsewhere = on.to_vec();
    elsewhere.extend([("paypal.base_url", "sandbox"), ("payout.seller_email", "a@b.tld")]);
    let expected = ("payout.platform_email", "no default recipient");
    check(SANDBOX, &elsewhere, expected, &[("payout.platform_email", "c@b.tld")]);
    check_warning(PRODUCTION, &[("payout.after", "supplier_paid")], Some("payout.after"));
    check_warning(PRODUCTION, &[("paypal.base_url", "none")], Some("payout.enabled"));
    check_warning(PRODUCTION, &[("payout.seller_email", "Platform@shop.tld")], Some("payout.seller_email"));
    let own = [("paypal.account_email", "SELLER@shop.tld")];
    check(
        PRODUCTION,
        &own,
        ("payout.seller_email", "the PayPal account that pays"),
        &[("payout.seller_email", "a@b.tld")],
    );
}

#[test]
fn nobody_is_paid_at_a_sample_address() {
    let always = [
        "seller@example.com",
        "a@example.org",
        "a@Shop.Example.NET",
        "test@shop.tld",
        "Test+1@shop.tld",
        "sample@shop.tld",
        "your@shop.tld",
        "your-email@shop.tld",
        "changeme@shop.tld",
        "a@changeme.tld",
        "seller@localhost",
        "a@yourdomain.com",
        "sb@business.example.com",
    ];
    let sandbox_of_paypal = [("POSTSALE_MODE", "sandbox"), ("POSTSALE_PAYPAL__BASE_URL", "sandbox")];
    for key in ["payout.seller_email", "payout.platform_email", "paypal.account_email"] {
        for email in always {
            check(PRODUCTION, &[(key, email)], (key, "sample address"), &[(key, "a@shop.tld")]);
            check(&sandbox_of_paypal, &[(key, email)], (key, "sample address"), &[(key, "a@shop.tld")]);
            check_warning(SANDBOX, &[(key, email)], None);
        }
        for email in ["a@shop.test", "a@shop.invalid", "sb-47x@business.example.com"] {
            check(PRODUCTION, &[(key, email)], (key, "sample address"), &[(key, "a@shop.tld")]);
            check_warning(&sandbox_of_paypal, &[(key, email)], None);
        }
    }
    let alerts = [("alerts.smtp_url", "smtps://m.tld"), ("alerts.email_to", "test@shop.tld")];
    check(PRODUCTION, &alerts, ("alerts.email_to", "sample address"), &[("alerts.email_to", "me@shop.tld")]);
    check_warning(PRODUCTION, &[("payout.seller_email", "contest@testers.tld")], None);
}

#[test]
fn counts_amounts_and_rates_make_sense() {
    let check_both = |key: &str, value: &str, reason: &str, mended: &str| {
        for base in [SANDBOX, PRODUCTION] {
            check(base, &[(key, value)], (key, reason), &[(key, mended)]);
        }
    };
    for key in ["limits.orders_per_day", "limits.payouts_per_day", "limits.refunds_per_day"] {
        check_both(key, "0", "at least 1", "1");
        check(PRODUCTION, &[(key, "1000001")], (key, "over a million"), &[(key, "1000000")]);
        check_warning(SANDBOX, &[(key, "1000001")], None);
    }
    for key in ["limits.spend_per_day", "limits.payout_max", "limits.pay_out_per_day"] {
        check_both(key, "0", "more than zero", "500");
        check_both(key, "-1", "not be negative", "500");
        check(PRODUCTION, &[(key, "1000000.01")], (key, "over a million"), &[(key, "1000000")]);
    }
    check_both("limits.purchase_max", "0.00", "more than zero", "0.01");
    for key in ["limits.min_profit", "limits.free_capital", "payout.min_amount"] {
        check_both(key, "-0.01", "not be negative", "0");
    }
    check_both("payout.min_amount", "1000.01", "more than limits.payout_max", "1000");
    check_both("commission.rate_percent", "100.0001", "at most 100", "100");
    check_both("limits.min_margin_percent", "101", "at most 100", "100");
    check_both("fx.margin_percent", "101", "at most 100", "0");
    check_both("channels.etsy.fee_percent", "101", "at most 100", "");
    check_both("channels.etsy.fee_fixed", "-1", "not be negative", "");
    check_both("engine.workers", "0", "between 1 and 64", "1");
    check_both("engine.workers", "65", "between 1 and 64", "64");
    check_both("backup.keep", "0", "between 1 and", "1");
    check_both("fx.max_age_days", "0", "between 1 and", "1");
    check_both("payout.hold_days", "366", "between 0 and 365", "365");
    check_both("privacy.erase_buyer_after_days", "0", "between 1 and", "1");
    let yen = [("shop.currency", "JPY"), ("limits.spend_per_day", "3000000")];
    check_warning(PRODUCTION, &yen, None);
    check_warning(SANDBOX, &[("limits.purchase_max", "600")], Some("limits.purchase_max"));
    check_warning(SANDBOX, &[("channels.etsy.fee_percent", "6.5")], Some("channels.etsy"));
}

#[test]
fn lengths_of_time_make_sense() {
    let cases = [
        ("engine.tick", "99ms", "at least 100 ms", "100ms"),
        ("engine.tick", "61m", "at most 1 h", "1h"),
        ("policy.quote_max_age", "0s", "at least 1000 ms", "1s"),
        ("policy.cancel_buffer", "61d", "at most 1440 h", "60d"),
        ("schedule.integrity", "0s", "at least 1000 ms", "1s"),
        ("schedule.reconcile", "8d", "at most 168 h", "7d"),
        ("payout.every", "0s", "at least 1000 ms", "1d"),
        ("policy.look_again", "", "at least one step", "5m"),
        ("policy.look_again", "5m,0s", "none of no length", "5m,1s"),
    ];
    for (key, value, reason, mended) in cases {
        for base in [SANDBOX, PRODUCTION] {
            check(base, &[(key, value)], (key, reason), &[(key, mended)]);
        }
    }
    let key = "policy.look_again";
    check(PRODUCTION, &[(key, "299s,1d")], (key, "at least 5m"), &[(key, "5m,1d")]);
    check_warning(SANDBOX, &[(key, "1s")], None);
}

#[test]
fn the_server_is_not_left_open() {
    let key = "server.public_url";
    check(PRODUCTION, &[(key, "http://shop.tld")], (key, "wants https"), &[(key, "https://shop.tld")]);
    check_warning(SANDBOX, &[(key, "http://shop.tld")], None);
    let key = "server.trusted_proxies";
    check(PRODUCTION, &[(key, "10.0.0.1,0.0.0.0/0")], (key, "the whole world"), &[(key, "10.0.0.1")]);
    let key = "server.metrics_listen";
    check(SANDBOX, &[(key, "127.0.0.1:8787")], (key, "the same as"), &[("server.listen", "127.0.0.1:1")]);
    check_warning(PRODUCTION, &[(key, "0.0.0.0:9000")], Some(key));
    check(SANDBOX, &[("shop.id", "my shop")], ("shop.id", "at most 32"), &[("shop.id", "my-shop")]);
    let key = "journal.mirror";
    check(SANDBOX, &[(key, "data")], (key, "no second place"), &[(key, "/mnt/x")]);
    check_warning(PRODUCTION, &[("alerts.telegram_chat_id", "5")], Some("alerts.telegram_chat_id"));
    check_warning(PRODUCTION, &[("alerts.smtp_url", "smtp://m.tld")], Some("alerts.smtp_url"));
    check_warning(PRODUCTION, &[("alerts.ntfy_url", "http://n.tld/x")], Some("alerts.ntfy_url"));
}

#[test]
fn a_key_that_nothing_acts_on_yet_is_named_when_it_is_set() {
    let check = |key: &str, text: &str, expected: bool| {
        let loaded = load_changed(SANDBOX, &[(key, text)]).unwrap_or_else(|e| panic!("{key}: {e}"));
        let is_named = |w: &Problem| key.starts_with(&w.key) && w.reason.starts_with("without effect in this version");
        assert_eq!(loaded.warnings.iter().any(is_named), expected, "{key} = {text}: {:?}", loaded.warnings);
    };
    let values = [
        ("shop.timezone", "UTC", "Europe/Paris"),
        ("server.metrics_listen", "", "127.0.0.1:9"),
        ("payout.min_amount", "", "5.00"),
        ("payout.every", "", "7d"),
        ("schedule.backup", "03:40", "04:40"),
        ("alerts.ntfy_url", "", "https://n.tld/x"),
        ("alerts.webhook_url", "", "https://n.tld/x"),
        ("alerts.telegram_chat_id", "", "-5"),
        ("alerts.smtp_url", "", "smtps://m.tld"),
        ("alerts.email_to", "", "me@shop.tld"),
        ("alerts.heartbeat_url", "", "https://n.tld/x"),
        ("backup.keep", "14", "15"),
        ("backup.dir", "data/backups", "/mnt/b"),
        ("backup.after", "", "/bin/true"),
        ("privacy.erase_buyer_after_days", "", "400"),
    ];
    for (key, default, other) in values {
        check(key, default, false);
        check(key, other, true);
    }
    check("channels.etsy.fee_percent", "6.5", true);
    check("engine.workers", "5", false);
    let tried: Vec<&str> = values.iter().map(|(key, ..)| *key).chain(["channels"]).collect();
    assert_eq!(WITHOUT_EFFECT.map(|(key, _)| key).to_vec(), tried);
    assert!(tried.iter().all(|key| *key == "channels" || KEYS.iter().any(|known| known.name == *key)));
    assert_eq!(not_built().len(), 2);
}
