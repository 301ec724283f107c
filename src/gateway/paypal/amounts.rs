//! Amounts as PayPal writes them: decimal strings, under PayPal's own rule of digits. It must never round.

use crate::domain::money::{Currency, Money};
use crate::gateway::json::Node;

/// PayPal takes no decimals in these, whatever ISO 4217 says of HUF and TWD.
const WITHOUT_DECIMALS: &str = "HUF JPY TWD";

/// The decimal string for PayPal. An error says why PayPal could not express the amount: parts of a forint, three
/// decimals, nothing, or less than nothing.
pub(super) fn decimal(amount: Money) -> Result<String, String> {
    let text = amount.decimal();
    if !amount.is_positive() {
        return Err(format!("{amount} is not a positive amount"));
    }
    if amount.currency.digits() > 2 {
        return Err(format!("PayPal knows no currency with three decimals: {amount}"));
    }
    if !WITHOUT_DECIMALS.contains(amount.currency.code()) {
        return Ok(text);
    }
    match text.split_once('.') {
        None => Ok(text),
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => Ok(whole.to_owned()),
        Some(_) => Err(format!("PayPal takes no decimals in {}: {amount}", amount.currency)),
    }
}

/// `{currency_code, value}` of Orders, Payments and Reporting, or `{currency, value}` of Payouts. `None` when there is
/// no such amount or it cannot be read exactly.
pub(super) fn read(node: &Node) -> Option<Money> {
    let code = node.at("currency_code").text().or_else(|| node.at("currency").text())?;
    Money::parse(node.at("value").text()?, Currency::new(code)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str, code: &str) -> Money {
        Money::parse(text, Currency::new(code).unwrap()).unwrap()
    }

    #[test]
    fn paypal_has_its_own_rule_of_digits() {
        let check = |text: &str, code: &str, written: Option<&str>| {
            assert_eq!(decimal(money(text, code)).ok().as_deref(), written, "{text} {code}");
        };
        check("12.3", "USD", Some("12.30"));
        check("1200", "HUF", Some("1200"));
        check("1200.50", "HUF", None);
        check("300.00", "TWD", Some("300"));
        check("0.01", "TWD", None);
        check("500", "JPY", Some("500"));
        check("1.234", "KWD", None);
        check("0.00", "EUR", None);
        check("-1.00", "EUR", None);
    }

    #[test]
    fn amounts_are_read_in_both_spellings_or_not_at_all() {
        let check = |json: &str, expected: Option<Money>| {
            assert_eq!(read(&Node::parse(json.as_bytes()).unwrap()), expected, "{json}");
        };
        check(r#"{"currency_code":"USD","value":"190.0"}"#, Some(money("190", "USD")));
        check(r#"{"currency":"EUR","value":"1.5"}"#, Some(money("1.50", "EUR")));
        check(r#"{"currency_code":"HUF","value":"1200"}"#, Some(money("1200", "HUF")));
        check(r#"{"currency_code":"USD","value":"1.005"}"#, None);
        check(r#"{"currency_code":"XTS","value":"1.00"}"#, None);
        check(r#"{"value":"1.00"}"#, None);
        check("null", None);
    }
}
