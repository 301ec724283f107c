//! Money in integer minor units with its currency. No float comes near it (L12), no currency is assumed (L13), and
//! rounding happens in one function.

use std::fmt;

/// An ISO 4217 currency code. Only codes of the list below exist.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Active ISO 4217 codes with two minor digits.
const TWO_DIGITS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
     CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR \
     ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR \
     MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP \
     STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG";
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";

/// Every code takes four bytes of its list, the blank included, and each list is in order. This is asked for each amount
/// that is read.
fn stands_in(list: &str, code: [u8; 3]) -> bool {
    let (fours, last) = list.as_bytes().as_chunks::<4>();
    fours.binary_search_by(|four| four[..3].cmp(&code)).is_ok() || last == code
}

impl Currency {
    /// The code in capitals, or `None` where ISO 4217 has no such active currency.
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        let is_known = [TWO_DIGITS, NO_DIGITS, THREE_DIGITS].iter().any(|list| stands_in(list, bytes));
        is_known.then_some(Self(bytes))
    }

    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many decimal digits the minor unit has by ISO 4217: 0, 2 or 3. (PayPal's own rule for HUF and TWD is
    /// PayPal's and lives in its client.)
    pub fn digits(&self) -> u32 {
        if stands_in(NO_DIGITS, self.0) {
            0
        } else if stands_in(THREE_DIGITS, self.0) {
            3
        } else {
            2
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units (cents), with its currency. May be negative where a loss or a difference is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    pub minor: i64,
    pub currency: Currency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("the amount is too large")]
    Overflow,
    #[error("{0} and {1} cannot be added")]
    CurrencyMismatch(Currency, Currency),
    #[error("not a decimal amount")]
    NotDecimal,
    #[error("more decimal places than {0} has")]
    TooPrecise(Currency),
}

impl Money {
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads a decimal string such as `12.34`, `-0.5` or `7`. Zeros beyond the currency's digits are accepted
    /// (providers write `1.0` and `100.00` as they like), any other digit there is refused: nothing is rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let digits_only = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if !digits_only(whole) || !digits_only(fraction) || whole.is_empty() && fraction.is_empty() {
            return Err(MoneyError::NotDecimal);
        }
        if rest.ends_with('.') {
            return Err(MoneyError::NotDecimal);
        }
        let digits = currency.digits() as usize;
        let (kept, beyond) = fraction.split_at(fraction.len().min(digits));
        if beyond.bytes().any(|b| b != b'0') {
            return Err(MoneyError::TooPrecise(currency));
        }
        let padded = format!("{}{kept:0<digits$}", if whole.is_empty() { "0" } else { whole });
        let minor: i64 = padded.parse().map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor: if negative { -minor } else { minor }, currency })
    }

    /// The amount without its currency, as providers and our API write it: `12.34`.
    pub fn decimal(&self) -> String {
        let digits = self.currency.digits() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let absolute = self.minor.unsigned_abs().to_string();
        if digits == 0 {
            return format!("{sign}{absolute}");
        }
        let padded = format!("{absolute:0>width$}", width = digits + 1);
        let (whole, fraction) = padded.split_at(padded.len() - digits);
        format!("{sign}{whole}.{fraction}")
    }

    pub fn is_zero(&self) -> bool {
        self.minor == 0
    }

    pub fn is_positive(&self) -> bool {
        self.minor > 0
    }

    pub fn plus(self, other: Money) -> Result<Money, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    pub fn minus(self, other: Money) -> Result<Money, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    pub fn times(self, quantity: u32) -> Result<Money, MoneyError> {
        let minor = self.minor.checked_mul(i64::from(quantity)).ok_or(MoneyError::Overflow)?;
        Ok(Money { minor, ..self })
    }

    /// `rate` of this amount, rounded half away from zero.
    pub fn portion(self, rate: Rate) -> Result<Money, MoneyError> {
        let minor = multiply_and_round(self.minor, rate.0, RATE_WHOLE).ok_or(MoneyError::Overflow)?;
        Ok(Money { minor, ..self })
    }

    /// `(part, rest)` with `part + rest` exactly this amount: no cent is lost or made.
    pub fn split(self, rate: Rate) -> Result<(Money, Money), MoneyError> {
        let part = self.portion(rate)?;
        Ok((part, self.minus(part)?))
    }

    fn combine(self, other: Money, f: fn(i64, i64) -> Option<i64>) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let minor = f(self.minor, other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Money { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A part of an amount in millionths: 10 % is 100,000. Between 0 and 100 % where it is a commission; a margin may be
/// any.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rate(i64);

const RATE_WHOLE: i64 = 1_000_000;

impl Rate {
    pub const ZERO: Rate = Rate(0);

    pub const fn from_millionths(millionths: i64) -> Rate {
        Rate(millionths)
    }

    pub fn millionths(self) -> i64 {
        self.0
    }

    /// Reads per cents with at most four decimals: `10`, `12.5`, `2.9`. `None` when it is anything else or negative.
    pub fn parse_percent(text: &str) -> Option<Rate> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits_only = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits_only(whole) || !digits_only(fraction) || fraction.len() > 4 {
            return None;
        }
        format!("{whole}{fraction:0<4}").parse().ok().map(Rate)
    }

    /// Per cents without needless zeros: `12.5`.
    pub fn percent(self) -> String {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    pub fn is_at_most_whole(self) -> bool {
        (0..=RATE_WHOLE).contains(&self.0)
    }
}

/// `amount * numerator / denominator`, rounded half away from zero. The only place where anything is rounded.
/// `None` when the result does not fit.
fn multiply_and_round(amount: i64, numerator: i64, denominator: i64) -> Option<i64> {
    let product = i128::from(amount) * i128::from(numerator);
    let (denominator, sign) = (i128::from(denominator), if product < 0 { -1 } else { 1 });
    let rounded = (product.abs() * 2 + denominator) / (denominator * 2);
    i64::try_from(rounded * sign).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Money {
        Money::parse(text, Currency::new("USD").unwrap()).unwrap()
    }

    #[test]
    fn reads_and_writes_decimals_exactly() {
        let check = |code: &str, text: &str, expected: Result<(i64, &str), MoneyError>| {
            let read = Money::parse(text, Currency::new(code).unwrap());
            assert_eq!(read.map(|m| m.minor), expected.map(|e| e.0), "{code} {text}");
            if let (Ok(money), Ok((_, written))) = (read, expected) {
                assert_eq!(money.decimal(), written, "{code} {text}");
            }
        };
        check("USD", "12.34", Ok((1234, "12.34")));
        check("USD", "0.05", Ok((5, "0.05")));
        check("USD", ".5", Ok((50, "0.50")));
        check("USD", "-0.5", Ok((-50, "-0.50")));
        check("USD", "190.0", Ok((19000, "190.00")));
        check("USD", "1.230", Ok((123, "1.23")));
        check("JPY", "500", Ok((500, "500")));
        check("JPY", "500.00", Ok((500, "500")));
        check("KWD", "1.234", Ok((1234, "1.234")));
        let usd = Currency::new("USD").unwrap();
        check("USD", "1.234", Err(MoneyError::TooPrecise(usd)));
        check("JPY", "1.5", Err(MoneyError::TooPrecise(Currency::new("JPY").unwrap())));
        for text in ["", ".", "-", "1.", "1e3", "+1", "1,5", " 1", "NaN", "--1", "1.2.3", "١"] {
            check("USD", text, Err(MoneyError::NotDecimal));
        }
        check("USD", "99999999999999999999", Err(MoneyError::Overflow));
    }

    #[test]
    fn currencies_are_known_or_refused() {
        for (code, digits) in [("AED", 2), ("USD", 2), ("ZWG", 2), ("BIF", 0), ("XPF", 0), ("BHD", 3), ("TND", 3)] {
            let currency = Currency::new(code).unwrap();
            assert_eq!((currency.code(), currency.digits()), (code, digits));
        }
        for (list, digits) in [(TWO_DIGITS, 2), (NO_DIGITS, 0), (THREE_DIGITS, 3)] {
            assert!(list.split(' ').is_sorted(), "{list}");
            assert!(list.split(' ').all(|code| Currency::new(code).is_some_and(|c| c.digits() == digits)), "{list}");
        }
        for code in ["usd", "US", "USDT", "XTS", "AAA", "ZZZ", "D U", "ED ", " AF", ""] {
            assert_eq!(Currency::new(code), None, "{code}");
        }
    }

    #[test]
    fn amounts_of_two_currencies_do_not_mix() {
        let (usd, eur) = (Currency::new("USD").unwrap(), Currency::new("EUR").unwrap());
        let mixed = Money::new(1, usd).plus(Money::new(1, eur));
        assert_eq!(mixed, Err(MoneyError::CurrencyMismatch(usd, eur)));
        assert_eq!(Money::new(i64::MAX, usd).plus(Money::new(1, usd)), Err(MoneyError::Overflow));
    }

    #[test]
    fn rounds_half_away_from_zero() {
        let check = |amount: &str, percent: &str, part: &str| {
            let rate = Rate::parse_percent(percent).unwrap();
            assert_eq!(usd(amount).portion(rate).unwrap().decimal(), part, "{percent} % of {amount}");
        };
        check("0.05", "10", "0.01");
        check("0.04", "10", "0.00");
        check("-0.05", "10", "-0.01");
        check("10.00", "12.5", "1.25");
        check("0.01", "50", "0.01");
    }

    #[test]
    fn a_split_loses_no_cent() {
        for minor in -2000..2000 {
            for millionths in [0, 1, 29_000, 100_000, 333_333, 500_000, 999_999, 1_000_000] {
                let whole = Money::new(minor, Currency::new("USD").unwrap());
                let (part, rest) = whole.split(Rate::from_millionths(millionths)).unwrap();
                assert_eq!(part.plus(rest).unwrap(), whole);
            }
        }
    }

    #[test]
    fn percents_are_read_exactly() {
        for (text, millionths) in [("10", 100_000), ("12.5", 125_000), ("0.0001", 1), ("100", 1_000_000), ("0", 0)] {
            let rate = Rate::parse_percent(text).unwrap();
            assert_eq!((rate.millionths(), rate.percent().as_str()), (millionths, text));
        }
        for text in ["", "-1", "1.23456", "ten", "1.", "1e2"] {
            assert_eq!(Rate::parse_percent(text), None, "{text}");
        }
    }
}
