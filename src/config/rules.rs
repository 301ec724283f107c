//! Refuses what can be read but cannot be meant: real money beside a pretended far side, payouts to nobody or to a
//! sample address, limits that limit nothing. A rule never mends a value and never judges one that could not be read.

use super::addresses::{Email, FarSide, Url};
use super::kinds::PayoutAfter;
use super::load::Findings;
use super::{Config, KEYS, Origin, Secrets, WITHOUT_EFFECT};
use crate::domain::money::{Currency, Money};
use std::collections::BTreeSet;
use std::time::Duration;

/// `failed`: the keys whose values could not be read; what depends on one of them is left unsaid.
pub(super) fn check(
    config: &Config,
    secrets: &Secrets,
    failed: &BTreeSet<String>,
    mistakes: &mut Findings,
    warnings: &mut Findings,
) {
    let mut rules = Rules { config, secrets, failed, mistakes, warnings };
    rules.paypal();
    rules.aliexpress();
    rules.payouts();
    rules.recipients();
    rules.mailboxes();
    rules.counts();
    rules.amounts();
    rules.rates();
    rules.lengths_of_time();
    rules.server();
    rules.shop_and_places();
    rules.alerts();
    rules.without_effect();
}

struct Rules<'a> {
    config: &'a Config,
    secrets: &'a Secrets,
    failed: &'a BTreeSet<String>,
    mistakes: &'a mut Findings,
    warnings: &'a mut Findings,
}

/// Currencies whose unit is worth so little that a million of it is a small order; so are all without a minor unit.
const SMALL_UNITS: [&str; 10] = ["COP", "IDR", "IRR", "KHR", "LAK", "LBP", "MMK", "MNT", "SYP", "UZS"];

impl Rules<'_> {
    /// Refuses under the first key; the others are those the judgement hangs on too.
    fn refuse(&mut self, keys: &[&str], reason: impl Into<String>) {
        if !keys.iter().any(|key| self.failed.contains(*key)) {
            self.mistakes.add(self.config.origin(keys[0]).clone(), keys[0], reason);
        }
    }

    fn warn(&mut self, key: &str, reason: impl Into<String>) {
        self.warnings.add(self.config.origin(key).clone(), key, reason);
    }

    fn paypal(&mut self) {
        let keys = ["paypal.base_url", "paypal.enabled", "mode"];
        let side = self.config.paypal.far_side();
        if self.config.is_production() {
            if !matches!(side, FarSide::Live | FarSide::Off) {
                self.refuse(&keys, "production wants \"live\" or \"none\"");
            }
            return;
        }
        let is_live = match &side {
            FarSide::Live => true,
            FarSide::Url(url) => {
                Url::parse(url).is_none_or(|url| url.is_under("paypal.com") && !url.is_under("sandbox.paypal.com"))
            }
            FarSide::Builtin | FarSide::Sandbox | FarSide::Off => false,
        };
        if is_live {
            self.refuse(&keys, "sandbox mode never reaches the live PayPal");
        }
    }

    fn aliexpress(&mut self) {
        let keys = ["aliexpress.base_url", "aliexpress.enabled", "mode"];
        let side = self.config.aliexpress.far_side();
        let url = if let FarSide::Url(url) = &side { Url::parse(url) } else { None };
        let is_real = side == FarSide::Live
            || url
                .as_ref()
                .is_some_and(|url| ["aliexpress.com", "taobao.com"].iter().any(|domain| url.is_under(domain)));
        if side == FarSide::Sandbox {
            self.refuse(&keys, "AliExpress has no sandbox: write \"builtin\", \"live\", \"none\" or a URL");
        } else if !self.config.is_production() {
            if is_real && !self.config.aliexpress.loan_account {
                let keys = ["aliexpress.base_url", "aliexpress.enabled", "mode", "aliexpress.loan_account"];
                self.refuse(&keys, "sandbox mode reaches the real AliExpress only with aliexpress.loan_account = true");
            }
        } else if side == FarSide::Builtin {
            self.refuse(&keys, "\"builtin\" is for sandbox mode: production wants \"live\" or \"none\"");
        } else if let Some(url) = url {
            if !url.is_https() {
                self.refuse(&keys, "production wants https");
            }
            if url.is_local() {
                self.refuse(&keys, "production wants a far side in the world, not on this machine or network");
            }
            if url.host().contains("sandbox") {
                self.refuse(&keys, "production never reaches a sandbox");
            }
        }
        if self.config.aliexpress.autopay && self.config.shop.currency.code() != "USD" {
            let reason = "AliExpress takes money by itself in USD only: set false, or shop.currency = \"USD\"";
            self.refuse(&["aliexpress.autopay", "shop.currency"], reason);
        }
    }

    fn payouts(&mut self) {
        let Config { payout, supplier, commission, .. } = self.config;
        if !payout.enabled {
            return;
        }
        if supplier.paid_by.is_none() {
            let reason = "not set: with payouts on it must be \"owner\" or \"seller\"";
            self.refuse(&["supplier.paid_by", "payout.enabled"], reason);
        }
        if commission.rate_percent.is_none() {
            let reason = "not set: payouts are on, and there is no default commission";
            self.refuse(&["commission.rate_percent", "payout.enabled"], reason);
        }
        let keys = |key| [key, "payout.enabled", "mode"];
        if self.config.is_production() {
            if payout.after.is_none() {
                let reason =
                    "not set: production with payouts on wants \"delivered\", \"shipped\" or \"supplier_paid\"";
                self.refuse(&keys("payout.after"), reason);
            }
            if payout.hold_days.is_none() {
                self.refuse(&keys("payout.hold_days"), "not set: production with payouts on wants a number of days");
            }
            if payout.after == Some(PayoutAfter::SupplierPaid) {
                self.warn("payout.after", "profit leaves before the goods do");
            }
        }
        if self.config.paypal.far_side() == FarSide::Off {
            self.warn("payout.enabled", "PayPal is off: every payout has to be sent and marked as paid by hand");
        }
    }

    fn recipients(&mut self) {
        let payout = &self.config.payout;
        let recipients =
            [("payout.platform_email", &payout.platform_email), ("payout.seller_email", &payout.seller_email)];
        let builtin = !self.config.is_production() && self.config.paypal.far_side() == FarSide::Builtin;
        for (key, email) in recipients {
            if payout.enabled && !builtin && email.is_none() {
                let keys = [key, "payout.enabled", "mode", "paypal.base_url", "paypal.enabled"];
                self.refuse(&keys, "not set: payouts are on, and there is no default recipient");
            }
            if let (Some(email), Some(own)) = (email, &self.config.paypal.account_email)
                && email.is_same_as(own)
            {
                self.refuse(&[key, "paypal.account_email"], "this is the PayPal account that pays");
            }
        }
        if let (Some(platform), Some(seller)) = (&payout.platform_email, &payout.seller_email)
            && platform.is_same_as(seller)
        {
            self.warn("payout.seller_email", "the same address as payout.platform_email: both parts go there");
        }
    }

    fn mailboxes(&mut self) {
        let production = self.config.is_production();
        if !production && self.config.paypal.far_side() == FarSide::Builtin {
            return;
        }
        let mailboxes = [
            ("payout.platform_email", &self.config.payout.platform_email),
            ("payout.seller_email", &self.config.payout.seller_email),
            ("paypal.account_email", &self.config.paypal.account_email),
            ("alerts.email_to", &self.config.alerts.email_to),
        ];
        for (key, email) in mailboxes {
            if email.as_ref().is_some_and(|email| is_placeholder(email, production)) {
                let keys = [key, "mode", "paypal.base_url", "paypal.enabled"];
                self.refuse(&keys, "a sample address: nobody is paid or told there");
            }
        }
    }

    fn counts(&mut self) {
        let (limits, config) = (&self.config.limits, self.config);
        for (key, count) in [
            ("limits.orders_per_day", limits.orders_per_day),
            ("limits.payouts_per_day", limits.payouts_per_day),
            ("limits.refunds_per_day", limits.refunds_per_day),
        ] {
            if count == 0 {
                self.refuse(&[key], "must be at least 1; to stop everything there is `postsale stop`");
            } else if count > 1_000_000 && config.is_production() {
                self.refuse(&[key, "mode"], "over a million is no limit");
            }
        }
        for (key, count, least, most) in [
            ("engine.workers", config.engine.workers, 1, 64),
            ("fx.max_age_days", config.fx.max_age_days, 1, 365),
            ("backup.keep", config.backup.keep, 1, 10_000),
            ("payout.hold_days", config.payout.hold_days.unwrap_or(0), 0, 365),
            ("privacy.erase_buyer_after_days", config.privacy.erase_buyer_after_days.unwrap_or(1), 1, 36_500),
        ] {
            if !(least..=most).contains(&count) {
                self.refuse(&[key], format!("must be between {least} and {most}"));
            }
        }
    }

    fn amounts(&mut self) {
        let (limits, payout) = (&self.config.limits, &self.config.payout);
        let zero = Money::zero(self.config.shop.currency);
        // The second says whether zero makes sense: to want no profit is a choice, to allow no purchase is none.
        let amounts = [
            ("limits.spend_per_day", limits.spend_per_day, false),
            ("limits.purchase_max", limits.purchase_max, false),
            ("limits.min_profit", limits.min_profit, true),
            ("limits.payout_max", limits.payout_max, false),
            ("limits.pay_out_per_day", limits.pay_out_per_day, false),
            ("limits.free_capital", limits.free_capital.unwrap_or(zero), true),
            ("payout.min_amount", payout.min_amount.unwrap_or(zero), true),
        ];
        let million = million(self.config.shop.currency);
        for (key, amount, zero_is_fine) in amounts {
            if amount.minor < 0 {
                self.refuse(&[key], "must not be negative");
            } else if amount.is_zero() && !zero_is_fine {
                self.refuse(&[key], "must be more than zero; to stop everything there is `postsale stop`");
            } else if amount.minor > million && self.config.is_production() {
                self.refuse(&[key, "shop.currency", "mode"], "over a million is no limit");
            }
        }
        if payout.min_amount.is_some_and(|least| least.minor > limits.payout_max.minor) {
            let reason = "more than limits.payout_max: nothing could ever be paid out";
            self.refuse(&["payout.min_amount", "limits.payout_max"], reason);
        }
        if limits.payout_max.minor > limits.pay_out_per_day.minor {
            self.warn("limits.payout_max", "more than limits.pay_out_per_day, which then is the limit");
        }
        if limits.purchase_max.minor > limits.spend_per_day.minor {
            self.warn("limits.purchase_max", "more than limits.spend_per_day, which then is the limit");
        }
        let fees: Vec<_> = self.config.channels.iter().map(|(name, c)| (name.clone(), c.clone())).collect();
        for (name, channel) in fees {
            let key = format!("channels.{name}.fee_fixed");
            if channel.fee_fixed.is_some_and(|fee| fee.minor < 0) {
                self.refuse(&[&key], "must not be negative");
            }
        }
    }

    fn rates(&mut self) {
        let mut rates = vec![
            ("commission.rate_percent".to_owned(), self.config.commission.rate_percent),
            ("limits.min_margin_percent".to_owned(), Some(self.config.limits.min_margin_percent)),
            ("fx.margin_percent".to_owned(), Some(self.config.fx.margin_percent)),
        ];
        let channels = self.config.channels.iter();
        rates.extend(channels.map(|(name, channel)| (format!("channels.{name}.fee_percent"), channel.fee_percent)));
        for (key, rate) in rates {
            if rate.is_some_and(|rate| !rate.is_at_most_whole()) {
                self.refuse(&[&key], "must be at most 100 per cent");
            }
        }
    }

    fn lengths_of_time(&mut self) {
        let (policy, schedule) = (&self.config.policy, &self.config.schedule);
        let hour = Duration::from_secs(3600);
        let day = 24 * hour;
        for (key, length, least, most) in [
            ("engine.tick", self.config.engine.tick, Duration::from_millis(100), hour),
            ("policy.cancel_buffer", policy.cancel_buffer, Duration::ZERO, 60 * day),
            ("policy.quote_max_age", policy.quote_max_age, Duration::from_secs(1), 7 * day),
            ("schedule.integrity", schedule.integrity, Duration::from_secs(1), 7 * day),
            ("schedule.reconcile", schedule.reconcile, Duration::from_secs(1), 7 * day),
            ("payout.every", self.config.payout.every.unwrap_or(day), Duration::from_secs(1), 60 * day),
        ] {
            if length < least {
                self.refuse(&[key], format!("must be at least {} ms", least.as_millis()));
            } else if length > most {
                self.refuse(&[key], format!("must be at most {} h", most.as_secs() / 3600));
            }
        }
        let first = policy.look_again.first().copied().unwrap_or_default();
        if policy.look_again.iter().any(Duration::is_zero) || policy.look_again.is_empty() {
            self.refuse(&["policy.look_again"], "wants at least one step, and none of no length");
        } else if self.config.is_production() && first < Duration::from_secs(300) {
            let reason = "production wants a first step of at least 5m: the far side may still be at work";
            self.refuse(&["policy.look_again", "mode"], reason);
        }
    }

    fn server(&mut self) {
        let server = &self.config.server;
        if self.config.is_production() {
            if server.public_url.as_ref().is_some_and(|url| !url.is_https()) {
                self.refuse(&["server.public_url", "mode"], "production wants https");
            }
            if server.trusted_proxies.iter().any(|network| network.prefix == 0) {
                let reason = "trusts the whole world, so that anybody could name himself this machine";
                self.refuse(&["server.trusted_proxies", "mode"], reason);
            }
            if server.metrics_listen.is_some_and(|address| !address.ip().is_loopback()) {
                self.warn("server.metrics_listen", "/metrics has no token there, and the network can read it");
            }
        }
        if server.metrics_listen.is_some_and(|metrics| metrics == server.listen && metrics.port() != 0) {
            self.refuse(&["server.metrics_listen", "server.listen"], "the same as server.listen");
        }
    }

    fn shop_and_places(&mut self) {
        let id = &self.config.shop.id;
        if id.len() > 32 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            self.refuse(&["shop.id"], "at most 32 letters, digits, dots, hyphens and underscores");
        }
        if self.config.journal.mirror.as_ref().is_some_and(|mirror| *mirror == self.config.data_dir) {
            self.refuse(&["journal.mirror", "data_dir"], "the same place as data_dir is no second place");
        }
    }

    /// Whoever sets a key must not believe in what is not there.
    fn without_effect(&mut self) {
        for (name, meanwhile) in WITHOUT_EFFECT {
            let reason = format!("without effect in this version: {meanwhile}");
            if name == "channels" {
                let channels: Vec<String> =
                    self.config.channels.keys().map(|channel| format!("{name}.{channel}")).collect();
                channels.iter().for_each(|channel| self.warn(channel, &*reason));
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.name == name) else { continue };
            let shown = (key.shown)(self.config);
            let shown = shown.as_str().map_or_else(|| shown.to_string(), str::to_owned);
            if *self.config.origin(name) != Origin::Default && shown != key.default && shown != "null" {
                self.warn(name, reason);
            }
        }
    }

    fn alerts(&mut self) {
        let alerts = &self.config.alerts;
        if alerts.smtp_url.is_some() != alerts.email_to.is_some() {
            self.warn("alerts.smtp_url", "mail needs both alerts.smtp_url and alerts.email_to");
        }
        if alerts.telegram_chat_id.is_some() && self.secrets.telegram_bot_token.is_none() {
            self.warn("alerts.telegram_chat_id", "Telegram needs TELEGRAM_BOT_TOKEN too");
        }
        let urls = [
            ("alerts.ntfy_url", &alerts.ntfy_url),
            ("alerts.webhook_url", &alerts.webhook_url),
            ("alerts.heartbeat_url", &alerts.heartbeat_url),
        ];
        for (key, url) in urls {
            if self.config.is_production() && url.as_ref().is_some_and(|url| !url.is_https()) {
                self.warn(key, "not https: others can read what is told");
            }
        }
    }
}

/// A million whole units in minor ones; a hundred million where the unit is a small one.
fn million(currency: Currency) -> i64 {
    let is_small = currency.digits() == 0 || SMALL_UNITS.contains(&currency.code());
    10_i64.pow(6 + currency.digits()) * if is_small { 100 } else { 1 }
}

/// Whether an address only stands where a real one belongs. PayPal's own sandbox hands out accounts such as
/// `sb-x47ab@business.example.com`; those are real there, and only there.
fn is_placeholder(email: &Email, production: bool) -> bool {
    let small = email.as_str().to_ascii_lowercase();
    let (local, domain) = small.split_once('@').unwrap_or_default();
    let name = local.split('+').next().unwrap_or_default();
    let sample_names = ["test", "tester", "sample", "example", "your", "placeholder", "someone", "nobody"];
    let begins_like_sample = ["your-", "your.", "your_", "youremail", "yourname", "test-", "test.", "test_"];
    if sample_names.contains(&name)
        || begins_like_sample.iter().any(|start| name.starts_with(start))
        || ["changeme", "change-me", "change_me"].iter().any(|word| small.contains(word))
        || ["yourdomain.", "your-domain.", "yourshop.", "your-shop."].iter().any(|start| domain.starts_with(start))
    {
        return true;
    }
    let is_under = |parent: &str| domain == parent || domain.ends_with(&format!(".{parent}"));
    if is_under("localhost") {
        return true;
    }
    if ["example.com", "example.org", "example.net"].iter().any(|parent| is_under(parent)) {
        let by_paypal = ["business.example.com", "personal.example.com"].contains(&domain) && name.starts_with("sb-");
        return production || !by_paypal;
    }
    production && ["test", "example", "invalid", "local"].iter().any(|parent| is_under(parent))
}
