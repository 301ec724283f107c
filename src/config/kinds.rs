//! The kinds of value that exist only in the configuration: the words of a choice, a rate of calls, a chat. What the
//! words mean is decided where they are used, never here.

use super::values::{Field, Form};
use crate::domain::money::Currency;
use serde_json::{Value, json};
use std::time::Duration;

/// How many calls a second may leave, in thousandths: between 0.001 and 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRate {
    pub per_1000_s: u32,
}

impl CallRate {
    /// The time between two calls.
    pub fn interval(self) -> Duration {
        Duration::from_micros(1_000_000_000 / u64::from(self.per_1000_s))
    }
}

impl Field for CallRate {
    const WANTED: &'static str = "a number in quotes between 0.001 and 1000, such as \"1\" or \"0.5\"";
    const FORMS: &'static [Form] = &[Form::String, Form::Integer];

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
            return Err(None);
        }
        let per_1000_s = format!("{whole}{fraction:0<3}").parse().map_err(|_| None)?;
        if (1..=1_000_000).contains(&per_1000_s) { Ok(CallRate { per_1000_s }) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        let text = format!("{}.{:03}", self.per_1000_s / 1000, self.per_1000_s % 1000);
        json!(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A Telegram chat: a number (negative for groups) or the `@name` of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatId(pub String);

impl Field for ChatId {
    const WANTED: &'static str = "the number of a Telegram chat, or the @name of a channel";
    const FORMS: &'static [Form] = &[Form::String, Form::Integer];

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let name = text.strip_prefix('@').is_some_and(|n| {
            !n.is_empty() && n.len() <= 32 && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if name || text.parse::<i64>().is_ok() { Ok(ChatId(text.to_owned())) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        json!(self.0)
    }
}

/// Enums whose values are written as words.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident $wanted:literal { $($variant:ident = $word:literal),* })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),* }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }

        impl Field for $name {
            const WANTED: &'static str = $wanted;

            fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
                match text { $($word => Ok($name::$variant),)* _ => Err(None) }
            }

            fn shown(&self) -> Value {
                json!(self.as_str())
            }
        }
    )* };
}

words! {
    /// Whether money is real. A database belongs to one of the two for ever.
    Mode "\"sandbox\" or \"production\"" { Sandbox = "sandbox", Production = "production" }
    /// Who pays AliExpress; the seller gets back what he laid out.
    PaidBy "\"owner\" or \"seller\"" { Owner = "owner", Seller = "seller" }
    /// What the commission is a part of.
    CommissionBase "\"gross_profit\" or \"net_profit\"" { GrossProfit = "gross_profit", NetProfit = "net_profit" }
    /// From which moment the days before a payout count.
    PayoutAfter "\"supplier_paid\", \"shipped\" or \"delivered\"" {
        SupplierPaid = "supplier_paid", Shipped = "shipped", Delivered = "delivered"
    }
    /// Whether a purchase waits for a person.
    Purchasing "\"automatic\" or \"manual\"" { Automatic = "automatic", Manual = "manual" }
}
