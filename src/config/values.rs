//! How each kind of value is read from text and written back. A kind says what it wants in words a seller
//! understands; it must never repeat what it was given, nor guess: what it cannot read exactly is a mistake.

use crate::domain::money::{Currency, Money, MoneyError, Rate};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a value was written. The environment and the command line know only text, so `Untyped` fits every kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Untyped,
    String,
    Integer,
    Decimal,
    Boolean,
    List,
    /// A table, a date, a number in hexadecimal: what no key wants.
    Other(&'static str),
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Untyped => "text",
            Form::String => "a string",
            Form::Integer => "a whole number",
            Form::Decimal => "a decimal number without quotes",
            Form::Boolean => "true or false",
            Form::List => "a list",
            Form::Other(name) => name,
        }
    }
}

/// A value as it was written; the parts of a list are joined by commas.
#[derive(Clone, Debug)]
pub struct Raw {
    pub text: String,
    pub form: Form,
}

/// A kind of value that a key may have.
pub trait Field: Sized {
    /// What a person is told when the value is something else.
    const WANTED: &'static str;
    /// How it may be written in the file.
    const FORMS: &'static [Form] = &[Form::String];

    /// `Err` is the reason when there is a better one than "wanted …".
    fn parse(text: &str, currency: Currency) -> Result<Self, Option<String>>;

    /// The value in its one canonical form; `Null` when it is not set.
    fn shown(&self) -> Value;

    fn read(raw: &Raw, currency: Currency) -> Result<Self, String> {
        if raw.form != Form::Untyped && !Self::FORMS.contains(&raw.form) {
            return Err(format!("wrong type: this is {}, wanted {}", raw.form.name(), Self::WANTED));
        }
        Self::parse(&raw.text, currency)
            .map_err(|reason| reason.unwrap_or_else(|| format!("cannot be read: wanted {}", Self::WANTED)))
    }
}

/// Empty means "not set", so that the environment can take back what the file says.
impl<T: Field> Field for Option<T> {
    const WANTED: &'static str = T::WANTED;
    const FORMS: &'static [Form] = T::FORMS;

    fn parse(text: &str, currency: Currency) -> Result<Self, Option<String>> {
        if text.is_empty() { Ok(None) } else { T::parse(text, currency).map(Some) }
    }

    fn shown(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::shown)
    }
}

/// A list, with commas between its parts.
impl<T: Field> Field for Vec<T> {
    const WANTED: &'static str = T::WANTED;
    const FORMS: &'static [Form] = &[Form::String, Form::List];

    fn parse(text: &str, currency: Currency) -> Result<Self, Option<String>> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        text.split(',').map(|part| T::parse(part.trim(), currency)).collect()
    }

    fn shown(&self) -> Value {
        let parts: Vec<String> = self.iter().map(|part| part.shown().as_str().unwrap_or_default().to_owned()).collect();
        json!(parts.join(","))
    }
}

impl Field for String {
    const WANTED: &'static str = "a line of text in quotes, at most 500 characters";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let fits = !text.trim().is_empty() && text.chars().count() <= 500 && !text.chars().any(char::is_control);
        if fits { Ok(text.to_owned()) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        json!(self)
    }
}

impl Field for PathBuf {
    const WANTED: &'static str = "a path in quotes";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        if text.trim().is_empty() {
            return Err(Some("must not be empty".into()));
        }
        if text.chars().any(char::is_control) { Err(None) } else { Ok(PathBuf::from(text)) }
    }

    fn shown(&self) -> Value {
        json!(self.to_string_lossy())
    }
}

impl Field for bool {
    const WANTED: &'static str = "true or false";
    const FORMS: &'static [Form] = &[Form::Boolean];

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        text.parse().map_err(|_| None)
    }

    fn shown(&self) -> Value {
        json!(self)
    }
}

impl Field for u32 {
    const WANTED: &'static str = "a whole number, 0 or more";
    const FORMS: &'static [Form] = &[Form::Integer];

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse().map_err(|_| None) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        json!(self)
    }
}

/// In `shop.currency`. A decimal number without quotes is refused: it would be a float on its way here.
impl Field for Money {
    const WANTED: &'static str = "an amount in quotes, such as \"12.50\"";
    const FORMS: &'static [Form] = &[Form::String, Form::Integer];

    fn parse(text: &str, currency: Currency) -> Result<Self, Option<String>> {
        Money::parse(text, currency).map_err(|e| match e {
            MoneyError::NotDecimal => None,
            other => Some(format!("cannot be read: {other}")),
        })
    }

    fn shown(&self) -> Value {
        json!(self.decimal())
    }
}

impl Field for Rate {
    const WANTED: &'static str = "per cents in quotes with at most four decimals, such as \"12.5\"";
    const FORMS: &'static [Form] = &[Form::String, Form::Integer];

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        Rate::parse_percent(text).ok_or(None)
    }

    fn shown(&self) -> Value {
        json!(self.percent())
    }
}

impl Field for Currency {
    const WANTED: &'static str = "an ISO 4217 code in capitals, such as \"USD\"";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        Currency::new(text).ok_or(None)
    }

    fn shown(&self) -> Value {
        json!(self.code())
    }
}

impl Field for TimeZone {
    const WANTED: &'static str = "a time zone of the IANA list that this machine knows, such as \"Europe/Berlin\"";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let known = TimeZone::get(text).ok().filter(|zone| !zone.is_unknown());
        known.ok_or(None)
    }

    fn shown(&self) -> Value {
        json!(self.iana_name())
    }
}

impl Field for SocketAddr {
    const WANTED: &'static str = "an IP address with a port, such as \"127.0.0.1:8787\" or \"[::1]:8787\"";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        text.parse().map_err(|_| None)
    }

    fn shown(&self) -> Value {
        json!(self.to_string())
    }
}

/// Units with their length in milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const LONGEST_MS: u64 = 3_660 * 86_400_000;

/// At most ten years, so that adding one to an instant never overflows.
impl Field for Duration {
    const WANTED: &'static str = "a number with ms, s, m, h or d, such as \"90s\", \"15m\" or \"1d\", at most 3660d";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(None)?;
        let (number, unit) = text.split_at(split);
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(None)?;
        let ms = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*unit_ms)).ok_or(None)?;
        if ms <= LONGEST_MS { Ok(Duration::from_millis(ms)) } else { Err(None) }
    }

    fn shown(&self) -> Value {
        let ms = u64::try_from(self.as_millis()).unwrap_or(LONGEST_MS);
        let longest = UNITS.iter().find(|(_, unit_ms)| ms != 0 && ms % unit_ms == 0);
        json!(longest.map_or("0s".to_owned(), |(name, unit_ms)| format!("{}{name}", ms / unit_ms)))
    }
}

/// A time of day, UTC.
impl Field for Time {
    const WANTED: &'static str = "a time of day in UTC, such as \"03:10\"";

    fn parse(text: &str, _: Currency) -> Result<Self, Option<String>> {
        let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        let (hour, minute) = text.split_once(':').filter(|(h, m)| two_digits(h) && two_digits(m)).ok_or(None)?;
        let (hour, minute) = (hour.parse().map_err(|_| None)?, minute.parse().map_err(|_| None)?);
        Time::new(hour, minute, 0, 0).map_err(|_| None)
    }

    fn shown(&self) -> Value {
        json!(format!("{:02}:{:02}", self.hour(), self.minute()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kinds::{CallRate, ChatId, Mode};

    /// `Some(canonical)` when the text is read, `None` when it is refused.
    fn check<T: Field>(text: &str, expected: Option<Value>) {
        let currency = Currency::new("USD").unwrap();
        let read = T::read(&Raw { text: text.into(), form: Form::Untyped }, currency);
        assert_eq!(read.as_ref().ok().map(T::shown), expected, "{text:?}");
        if let Err(reason) = read {
            assert!(text.len() < 6 || !reason.contains(text), "{reason} repeats {text}");
        }
    }

    #[test]
    fn lengths_of_time() {
        for (text, shown) in [
            ("0s", "0s"),
            ("60m", "1h"),
            ("90s", "90s"),
            ("24h", "1d"),
            ("250ms", "250ms"),
            ("1000ms", "1s"),
            ("3660d", "3660d"),
        ] {
            check::<Duration>(text, Some(json!(shown)));
        }
        for text in ["", "5", "m", "-5m", "1.5h", "5 m", "5M", "1h30m", "3661d", "99999999999999999999d", "5w"] {
            check::<Duration>(text, None);
        }
        check::<Vec<Duration>>("5m, 15m,1h", Some(json!("5m,15m,1h")));
        check::<Vec<Duration>>("5m,,1h", None);
        check::<Vec<Duration>>("", Some(json!("")));
    }

    #[test]
    fn times_of_day() {
        check::<Time>("03:10", Some(json!("03:10")));
        check::<Time>("23:59", Some(json!("23:59")));
        for text in ["3:10", "24:00", "12:60", "0310", "03:10:00", "+3:10", ""] {
            check::<Time>(text, None);
        }
    }

    #[test]
    fn numbers_amounts_and_rates() {
        check::<u32>("0", Some(json!(0)));
        for text in ["-1", "+1", "1.0", "", "4294967296", "four"] {
            check::<u32>(text, None);
        }
        check::<Money>("500", Some(json!("500.00")));
        check::<Money>("1.005", None);
        check::<Money>("12,50", None);
        check::<Rate>("12.50", Some(json!("12.5")));
        check::<Rate>("-1", None);
        check::<CallRate>("0.5", Some(json!("0.5")));
        check::<CallRate>("10", Some(json!("10")));
        for text in ["0", "0.0001", "1001", ".5", "fast", "4294967296"] {
            check::<CallRate>(text, None);
        }
        assert_eq!(CallRate { per_1000_s: 500 }.interval(), Duration::from_secs(2));
    }

    #[test]
    fn words_zones_and_the_rest() {
        check::<Mode>("production", Some(json!("production")));
        check::<Mode>("Production", None);
        check::<TimeZone>("UTC", Some(json!("UTC")));
        check::<TimeZone>("Europe/Nowhere", None);
        check::<TimeZone>("Etc/Unknown", None);
        check::<SocketAddr>("127.0.0.1:0", Some(json!("127.0.0.1:0")));
        check::<SocketAddr>("localhost:8787", None);
        check::<bool>("yes", None);
        check::<String>("two\nlines", None);
        check::<PathBuf>("", None);
        check::<Option<u32>>("", Some(Value::Null));
        for text in ["-1001234", "42", "@shop_alerts"] {
            check::<ChatId>(text, Some(json!(text)));
        }
        check::<ChatId>("shop", None);
    }

    #[test]
    fn the_form_in_the_file_counts() {
        let currency = Currency::new("USD").unwrap();
        let check = |blocked: Result<(), String>, expected: &str| assert_eq!(blocked, Err(expected.to_owned()));
        let raw = |text: &str, form| Raw { text: text.into(), form };
        check(
            u32::read(&raw("4", Form::String), currency).map(drop),
            "wrong type: this is a string, wanted a whole number, 0 or more",
        );
        check(
            Money::read(&raw("1.50", Form::Decimal), currency).map(drop),
            "wrong type: this is a decimal number without quotes, wanted an amount in quotes, such as \"12.50\"",
        );
        check(
            bool::read(&raw("1", Form::Integer), currency).map(drop),
            "wrong type: this is a whole number, wanted true or false",
        );
        assert!(Rate::read(&raw("10", Form::Integer), currency).is_ok());
    }
}
