//! Amounts as the far sides keep them: whole minor units in an `i64`, with PayPal's own idea of how many decimals a
//! currency has. Deliberately not the shop's money type: a mistake there must not find its twin here. Never a float.

/// The currencies PayPal takes, as its currency table lists them.
const TAKEN: &str =
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS INR JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD";

/// Why an amount was not understood; the words are PayPal's issue codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Not a decimal number at all.
    Syntax,
    /// A decimal point in HUF, JPY or TWD.
    DecimalsNotSupported,
    /// More than two decimals.
    DecimalPrecision,
    /// More than the far side can count.
    TooLarge,
}

/// Whether PayPal takes the currency.
pub fn is_taken(currency: &str) -> bool {
    currency.len() == 3 && TAKEN.split(' ').any(|c| c == currency)
}

/// Decimal digits of the minor unit by PayPal's rule, which is not ISO 4217's: HUF and TWD have none here.
pub fn digits(currency: &str) -> usize {
    if matches!(currency, "HUF" | "JPY" | "TWD") { 0 } else { 2 }
}

/// Reads a decimal string such as `12`, `12.5`, `-.50` into minor units.
pub fn parse(value: &str, currency: &str) -> Result<i64, Bad> {
    let (negative, rest) = value.strip_prefix('-').map_or((false, value), |r| (true, r));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let shaped = match fraction {
        None => !whole.is_empty(),
        Some(f) => !f.is_empty(),
    };
    if value.len() > 32 || !shaped || !all_digits(whole) || !all_digits(fraction.unwrap_or("")) {
        return Err(Bad::Syntax);
    }
    let places = digits(currency);
    let fraction = fraction.unwrap_or("");
    if places == 0 && !fraction.is_empty() {
        return Err(Bad::DecimalsNotSupported);
    }
    if fraction.len() > places {
        return Err(Bad::DecimalPrecision);
    }
    let all: String = format!("{whole}{fraction:0<places$}");
    let minor: i64 = all.parse().map_err(|_| Bad::TooLarge)?;
    Ok(if negative { -minor } else { minor })
}

/// Writes minor units as PayPal does: two decimals, or none.
pub fn show(minor: i64, currency: &str) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let size = minor.unsigned_abs();
    if digits(currency) == 0 { format!("{sign}{size}") } else { format!("{sign}{}.{:02}", size / 100, size % 100) }
}

/// `minor × per_ten_thousand / 10000`, half a unit rounded up. For amounts of zero or more.
pub fn share(minor: i64, per_ten_thousand: i64) -> i64 {
    let exact = i128::from(minor) * i128::from(per_ten_thousand);
    i64::try_from((exact + 5_000).div_euclid(10_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_by_the_rule_of_their_currency() {
        let check = |value: &str, currency: &str, expected: Result<i64, Bad>| {
            assert_eq!(parse(value, currency), expected, "{value} {currency}");
        };
        check("12.50", "USD", Ok(1250));
        check("12.5", "USD", Ok(1250));
        check("12", "USD", Ok(1200));
        check(".5", "USD", Ok(50));
        check("-1.00", "USD", Ok(-100));
        check("700", "JPY", Ok(700));
        check("700.0", "JPY", Err(Bad::DecimalsNotSupported));
        check("700.00", "HUF", Err(Bad::DecimalsNotSupported));
        check("1.005", "USD", Err(Bad::DecimalPrecision));
        check("1.", "USD", Err(Bad::Syntax));
        check("", "USD", Err(Bad::Syntax));
        check("1e3", "USD", Err(Bad::Syntax));
        check("1,50", "USD", Err(Bad::Syntax));
        check("+1", "USD", Err(Bad::Syntax));
        check("99999999999999999999", "USD", Err(Bad::TooLarge));
    }

    #[test]
    fn amounts_are_written_back() {
        for (minor, currency, text) in
            [(1250, "USD", "12.50"), (-5, "USD", "-0.05"), (0, "EUR", "0.00"), (700, "JPY", "700"), (-3, "TWD", "-3")]
        {
            assert_eq!(show(minor, currency), text);
        }
    }

    #[test]
    fn half_a_cent_goes_up() {
        for (minor, rate, expected) in [(100, 349, 3), (1000, 349, 35), (2500, 200, 50), (25, 200, 1), (24, 200, 0)] {
            assert_eq!(share(minor, rate), expected, "{minor} × {rate}");
        }
    }
}
