//! The table of all keys: name, type, default and meaning, once. The structs, the reading, the names of the
//! environment variables, the suggestions for a misspelt key and what `config show` prints all come from it. A default
//! `""` means: not set. No other file may know a key's default.

use super::addresses::{Email, FarSide, PrivateUrl, SmtpUrl, Url};
use super::kinds::{CallRate, ChatId, CommissionBase, Mode, PaidBy, PayoutAfter, Purchasing};
use super::load::Reader;
use super::network::Network;
use super::values::Field;
use super::{Origin, show};
use crate::domain::money::{Currency, Money, Rate};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One row of the table.
pub struct Key {
    /// `section.key`, or the key alone for `mode` and `data_dir`.
    pub name: &'static str,
    /// As it would be written, without quotes; `""` when the key is not set by itself.
    pub default: &'static str,
    pub meaning: &'static [&'static str],
    /// The value in force; `Null` when it is not set.
    pub shown: fn(&Config) -> Value,
}

/// What the seller agreed with a channel that holds the money (`[channels.NAME]`). Nothing acts on it yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channel {
    /// What the channel keeps of each order. `None`: not known yet.
    pub fee_percent: Option<Rate>,
    /// What it keeps besides, per order, in `shop.currency`. `None`: not known yet.
    pub fee_fixed: Option<Money>,
}

/// The keys of one channel, with their defaults.
pub const CHANNEL_KEYS: [&str; 2] = ["fee_percent", "fee_fixed"];

/// Keys that are read and that nothing acts on yet, with what happens in their place. One that is set to something else
/// than its default is named when the configuration is loaded. `channels` is every key of every channel.
pub const WITHOUT_EFFECT: [(&str, &str); 16] = [
    ("shop.timezone", "every time is shown in UTC"),
    ("server.metrics_listen", "no metrics are served"),
    ("payout.min_amount", "every part is paid by itself"),
    ("payout.every", "every part is paid when it is due"),
    ("schedule.backup", NO_BACKUP),
    ("alerts.ntfy_url", NO_ALERT),
    ("alerts.webhook_url", NO_ALERT),
    ("alerts.telegram_chat_id", NO_ALERT),
    ("alerts.smtp_url", NO_ALERT),
    ("alerts.email_to", NO_ALERT),
    ("alerts.heartbeat_url", "nothing is called"),
    ("backup.keep", NO_BACKUP),
    ("backup.dir", NO_BACKUP),
    ("backup.after", NO_BACKUP),
    ("privacy.erase_buyer_after_days", "no buyer is forgotten"),
    ("channels", "what a channel keeps is what it tells with the order or its settlement"),
];

/// In place of backups.
const NO_BACKUP: &str = "no backup is made; copy the data directory yourself";
/// In place of alerts.
const NO_ALERT: &str = "nobody is told; look at `postsale queue`";

/// Parts of a whole installation that are not built yet, each with what to do meanwhile. They are gone from here when
/// their keys are gone from [`WITHOUT_EFFECT`].
pub fn not_built() -> Vec<(&'static str, &'static str)> {
    let parts = [("backups", "backup.keep"), ("alerts", "alerts.ntfy_url")];
    let meanwhile = |key| WITHOUT_EFFECT.iter().find(|(name, _)| *name == key).map(|(_, what)| *what);
    parts.into_iter().filter_map(|(part, key)| Some((part, meanwhile(key)?))).collect()
}

macro_rules! sections {
    (
        top { $($(#[doc = $top_meaning:literal])* $top:ident: $top_type:ty = $top_default:literal,)* }
        $($(#[doc = $doc:literal])* $section:ident: $Section:ident {
            $($(#[doc = $meaning:literal])* $key:ident: $type:ty = $default:literal,)*
        })*
    ) => {
        $($(#[doc = $doc])* #[derive(Clone, Debug, PartialEq)]
        pub struct $Section { $($(#[doc = $meaning])* pub $key: $type,)* })*

        /// Everything that was decided, section by section as in `config.toml`. Holds no secret.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[doc = $top_meaning])* pub $top: $top_type,)*
            $(pub $section: $Section,)*
            /// By the channel's name, in small letters.
            pub channels: BTreeMap<String, Channel>,
            /// Where each value came from; what is not in here is a default.
            pub(super) origins: BTreeMap<String, Origin>,
        }

        /// Every key except those of channels, in the order of the shipped file.
        pub static KEYS: &[Key] = &[
            $(Key {
                name: stringify!($top),
                default: $top_default,
                meaning: &[$($top_meaning),*],
                shown: |config| config.$top.shown(),
            },)*
            $($(Key {
                name: concat!(stringify!($section), ".", stringify!($key)),
                default: $default,
                meaning: &[$($meaning),*],
                shown: |config| config.$section.$key.shown(),
            },)*)*
        ];

        pub(super) static SECTIONS: &[&str] = &[$(stringify!($section)),*];

        impl Config {
            /// Reads each key; a value that cannot be read is noted as a problem and stands at its default meanwhile.
            pub(super) fn read(reader: &mut Reader) -> Config {
                $(let $top: $top_type = reader.read(stringify!($top), $top_default);)*
                $(let $section = $Section {
                    $($key: reader.read(concat!(stringify!($section), ".", stringify!($key)), $default),)*
                };)*
                let channels = reader.read_channels();
                Config { $($top,)* $($section,)* channels, origins: reader.origins() }
            }
        }
    };
}

sections! {
    top {
        /// "sandbox" or "production". Part of the database: one of the other mode is refused.
        mode: Mode = "sandbox",
        /// Database, intent journal, reports and lock live here.
        data_dir: PathBuf = "data",
    }
    /// Which shop this is.
    shop: Shop {
        /// Part of every key sent to PayPal and AliExpress; never change it afterwards.
        id: String = "shop",
        /// Currency of the books and of every limit.
        currency: Currency = "USD",
        /// Time zone of the pages; everything else is UTC.
        timezone: TimeZone = "UTC",
    }
    /// The header of the readiness report.
    service: Service {
        project: String = "postsale",
        /// The name of this machine unless set.
        name: String = "",
    }
    /// Where this program listens and how the world reaches it.
    server: Server {
        /// Port 0 picks a free one; the bound address is written to `data_dir/address`.
        listen: SocketAddr = "127.0.0.1:8787",
        /// How buyers and PayPal reach this server: return pages, webhook, links. https in production.
        public_url: Option<Url> = "",
        /// Whose `X-Forwarded-For` is believed: addresses or networks.
        trusted_proxies: Vec<Network> = "",
        /// Production may keep its data on a file system that is gone with its container or at a reboot.
        allow_volatile_data_dir: bool = "false",
        /// A separate listener for `/metrics`, without a token.
        metrics_listen: Option<SocketAddr> = "",
    }
    /// Taking the buyer's money and paying the recipients.
    paypal: PayPal {
        /// false: no PayPal at all; what it would do is done by hand.
        enabled: bool = "true",
        /// "builtin", "sandbox" (PayPal's own), "live", "none" or a URL. Production: "live" or "none".
        base_url: FarSide = "builtin",
        /// The payee that a capture must name.
        merchant_id: Option<String> = "",
        /// The e-mail of the PayPal account itself. A recipient with the same one is refused.
        account_email: Option<Email> = "",
    }
    /// Buying from the supplier.
    aliexpress: AliExpress {
        /// false: the queue says what to buy by hand.
        enabled: bool = "true",
        /// "builtin", "live", "none" (buy by hand) or a URL.
        base_url: FarSide = "builtin",
        /// Sandbox mode may use the real AliExpress only with a loaned account, since AliExpress has no sandbox.
        loan_account: bool = "false",
        /// true: AliExpress takes the money when the order is placed. false: the seller pays on the site.
        autopay: bool = "false",
        /// The most calls that leave in a second.
        calls_per_second: CallRate = "1",
    }
    /// Who pays the supplier.
    supplier: Supplier {
        /// "owner" or "seller". Needed when payouts are on; the seller gets back what he laid out.
        paid_by: Option<PaidBy> = "",
    }
    /// The platform's part.
    commission: Commission {
        /// Per cents of the base. Needed when payouts are on; there is no default.
        rate_percent: Option<Rate> = "",
        /// "gross_profit" (sale less supplier) or "net_profit" (less fees too).
        base: CommissionBase = "gross_profit",
    }
    /// Sending the recipients their parts.
    payout: Payout {
        enabled: bool = "false",
        /// Who gets the commission; a PayPal account by its e-mail.
        platform_email: Option<Email> = "",
        /// Who gets the profit; a PayPal account by its e-mail.
        seller_email: Option<Email> = "",
        /// "supplier_paid", "shipped" or "delivered". Needed in production when payouts are on.
        after: Option<PayoutAfter> = "",
        /// Days to wait after that. Needed in production when payouts are on.
        hold_days: Option<u32> = "",
        /// Smaller parts are gathered until they reach this amount together.
        min_amount: Option<Money> = "",
        /// Parts are gathered and sent this often, at most.
        every: Option<Duration> = "",
    }
    /// How the shop buys.
    policy: Policy {
        /// "automatic", or "manual": every purchase waits for approval.
        purchasing: Purchasing = "automatic",
        /// How many first orders wait for approval anyway.
        first_orders_manual: u32 = "3",
        /// true: quote and decide for real, send nothing, show what would have been bought and paid.
        shadow: bool = "false",
        /// How long a paid order waits before it is bought, so that the buyer can change his mind.
        cancel_buffer: Duration = "60m",
        /// How old a supplier's price may be when buying.
        quote_max_age: Duration = "15m",
        /// When an unknown outcome is acted on again, each counted from the last; then a person is asked.
        look_again: Vec<Duration> = "5m,15m,1h,1d,1d,1d,1d,1d",
    }
    /// Caps, in `shop.currency`, over 24 rolling hours. Orders over a cap wait and go on by themselves.
    limits: Limits {
        orders_per_day: u32 = "20",
        spend_per_day: Money = "500.00",
        /// The most that one purchase may cost.
        purchase_max: Money = "200.00",
        /// An order that would earn less is held.
        min_profit: Money = "1.00",
        /// The same in per cents of the sale.
        min_margin_percent: Rate = "5",
        payouts_per_day: u32 = "40",
        /// The most that one payout may be.
        payout_max: Money = "1000.00",
        /// The most that all payouts of a day may be together.
        pay_out_per_day: Money = "1000.00",
        refunds_per_day: u32 = "10",
        /// The most of the owner's own money that may be laid out at a time.
        free_capital: Option<Money> = "",
    }
    /// Rates of exchange.
    fx: Fx {
        /// An older rate holds the order.
        max_age_days: u32 = "3",
        /// Added to the supplier's price for the way there.
        margin_percent: Rate = "3",
    }
    /// The machine room.
    engine: Engine {
        /// How many orders are worked on side by side, 1 to 64.
        workers: u32 = "4",
        /// How often due orders are looked for.
        tick: Duration = "5s",
    }
    /// Jobs that come back: how often, or at what time of day (UTC).
    schedule: Schedule {
        integrity: Duration = "15m",
        deep_check: Time = "03:10",
        reconcile: Duration = "1h",
        backup: Time = "03:40",
    }
    /// Who is told when something needs a person. TELEGRAM_BOT_TOKEN and SMTP_PASSWORD are secrets.
    alerts: Alerts {
        ntfy_url: Option<PrivateUrl> = "",
        webhook_url: Option<PrivateUrl> = "",
        telegram_chat_id: Option<ChatId> = "",
        smtp_url: Option<SmtpUrl> = "",
        email_to: Option<Email> = "",
        /// Called again and again while all is well; its silence is the alarm.
        heartbeat_url: Option<PrivateUrl> = "",
    }
    /// Copies of the database.
    backup: Backup {
        /// How many are kept.
        keep: u32 = "14",
        /// `backups` in `data_dir` unless set.
        dir: PathBuf = "data/backups",
        /// A command run on each verified backup, to carry it elsewhere.
        after: Option<String> = "",
    }
    /// The intent journal.
    journal: Journal {
        /// A second place, best on another disk, that gets every line too.
        mirror: Option<PathBuf> = "",
    }
    /// The buyers' addresses.
    privacy: Privacy {
        /// Days after which a closed order forgets its buyer. Never, unless set.
        erase_buyer_after_days: Option<u32> = "",
    }
}

impl Config {
    /// Where the value of a key came from. A key that does not exist has the origin of a default.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    pub fn is_production(&self) -> bool {
        self.mode == Mode::Production
    }

    /// Twelve hexadecimal digits that change when any value changes.
    pub fn fingerprint(&self) -> String {
        show::fingerprint(self)
    }
}

impl PayPal {
    /// `base_url`, or `Off` when PayPal is not enabled.
    pub fn far_side(&self) -> FarSide {
        if self.enabled { self.base_url.clone() } else { FarSide::Off }
    }
}

impl AliExpress {
    /// `base_url`, or `Off` when AliExpress is not enabled.
    pub fn far_side(&self) -> FarSide {
        if self.enabled { self.base_url.clone() } else { FarSide::Off }
    }
}

impl Payout {
    /// When profit may leave: after which event, and how many days later. Unset is the supplier's payment and no day,
    /// which only a sandbox can have: production does not start without both.
    pub fn release(&self) -> (PayoutAfter, u32) {
        (self.after.unwrap_or(PayoutAfter::SupplierPaid), self.hold_days.unwrap_or(0))
    }
}
