//! Rates of exchange: somebody's word about one day. A rate is never made up, turned round or taken from another pair,
//! and one that is too old is none.

use super::money::{Currency, Money, MoneyError, Rate};
use jiff::{SignedDuration, Timestamp};

/// How rates may be used, as the seller set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FxPolicy {
    /// An older rate holds the order.
    pub max_age: SignedDuration,
    /// Added to what a supplier asks: what the card takes for the way there.
    pub margin: Rate,
}

/// So much of `to` is one whole unit of `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FxRate {
    /// Its row.
    pub seq: i64,
    pub from: Currency,
    pub to: Currency,
    /// In billionths, above zero.
    pub billionths: i64,
    /// The moment it is of.
    pub at: Timestamp,
}

const WHOLE: i128 = 1_000_000_000;

/// A rate differing from the last one by more than this part is asked about.
const JUMP_PERCENT: i128 = 10;

impl FxRate {
    /// Reads a decimal above zero with at most nine places, such as `1.0842`. `None` for anything else.
    pub fn parse(text: &str) -> Option<i64> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let fits = !whole.is_empty() && whole.len() <= 6 && part.len() <= 9 && is_number(whole) && is_number(part);
        let billionths: i64 = fits.then(|| format!("{whole}{part:0<9}").parse().ok())??;
        Some(billionths).filter(|b| *b > 0)
    }

    /// The rate as it is written.
    pub fn decimal(&self) -> String {
        let whole = i64::try_from(WHOLE).unwrap_or(1);
        let text = format!("{}.{:09}", self.billionths / whole, self.billionths % whole);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Whether it may still be used at `now`.
    pub fn is_fresh(&self, policy: &FxPolicy, now: Timestamp) -> bool {
        now.duration_since(self.at) <= policy.max_age
    }

    /// Whether it is so far off `last` that somebody should say it twice.
    pub fn is_jump(&self, last: &FxRate) -> bool {
        let (new, old) = (i128::from(self.billionths), i128::from(last.billionths));
        (new - old).abs() * 100 > old * JUMP_PERCENT
    }

    /// An amount of `from` in `to`, with the margin on top, rounded up to the next minor unit: a cost is not made smaller
    /// than it is.
    pub fn cost(&self, asked: Money, margin: Rate) -> Result<Money, MoneyError> {
        if asked.currency != self.from {
            return Err(MoneyError::CurrencyMismatch(asked.currency, self.from));
        }
        let asked = asked.plus(asked.portion(margin)?)?;
        let scale = |currency: Currency| 10_i128.pow(currency.digits());
        let exact = i128::from(asked.minor).checked_mul(i128::from(self.billionths)).ok_or(MoneyError::Overflow)?;
        let exact = exact.checked_mul(scale(self.to)).ok_or(MoneyError::Overflow)?;
        let unit = WHOLE * scale(self.from);
        let up = exact.checked_add(unit - 1).ok_or(MoneyError::Overflow)?.div_euclid(unit);
        Ok(Money::new(i64::try_from(up).map_err(|_| MoneyError::Overflow)?, self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(from: &str, to: &str, text: &str) -> FxRate {
        let currency = |code: &str| Currency::new(code).unwrap();
        let billionths = FxRate::parse(text).unwrap();
        FxRate { seq: 1, from: currency(from), to: currency(to), billionths, at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_rate_is_a_plain_decimal() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(FxRate::parse(text), expected, "{text}");
        check("1.0842", Some(1_084_200_000));
        check("0.006712", Some(6_712_000));
        check("151", Some(151_000_000_000));
        for bad in ["", "0", "0.0", "-1", "1,08", "1.", ".5", "1e3", "1.0000000001", "1234567", "NaN"] {
            check(bad, if bad == "1." { Some(1_000_000_000) } else { None });
        }
        assert_eq!(rate("EUR", "USD", "1.0842").decimal(), "1.0842");
        assert_eq!(rate("JPY", "USD", "0.006712").decimal(), "0.006712");
        assert_eq!(rate("USD", "JPY", "150").decimal(), "150");
    }

    #[test]
    fn a_cost_is_rounded_up_and_never_in_another_pair() {
        let money = |text: &str, code: &str| Money::parse(text, Currency::new(code).unwrap()).unwrap();
        let check = |rate: &FxRate, asked: Money, margin: &str, expected: Option<Money>| {
            let cost = rate.cost(asked, Rate::parse_percent(margin).unwrap()).ok();
            assert_eq!(cost, expected, "{asked} at {}", rate.decimal());
        };
        let euro = rate("EUR", "USD", "1.0842");
        check(&euro, money("8.40", "EUR"), "0", Some(money("9.11", "USD")));
        check(&euro, money("8.40", "EUR"), "3", Some(money("9.38", "USD")));
        check(&euro, money("100.00", "EUR"), "0", Some(money("108.42", "USD")));
        check(&euro, money("8.40", "USD"), "0", None);
        check(&rate("JPY", "USD", "0.0067"), money("1000", "JPY"), "0", Some(money("6.70", "USD")));
        check(&rate("USD", "JPY", "150.5"), money("1.99", "USD"), "0", Some(money("300", "JPY")));
        check(&rate("EUR", "USD", "999999"), Money::new(i64::MAX / 2, euro.from), "0", None);
    }

    #[test]
    fn an_old_rate_is_none_and_a_jump_is_seen() {
        let policy = FxPolicy { max_age: SignedDuration::from_hours(72), margin: Rate::parse_percent("3").unwrap() };
        let euro = rate("EUR", "USD", "1.0000");
        assert!(euro.is_fresh(&policy, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(72)));
        assert!(!euro.is_fresh(&policy, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(73)));
        assert!(!rate("EUR", "USD", "1.1").is_jump(&euro));
        assert!(rate("EUR", "USD", "1.100001").is_jump(&euro));
        assert!(rate("EUR", "USD", "0.89").is_jump(&euro));
    }
}
