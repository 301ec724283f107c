//! Reading what clients send, field by field, so that every refusal names its field. Nothing is filled in (L14): what
//! is missing is `None`, an empty text counts as missing, and what cannot be read exactly is refused.

use super::desk::Desk;
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Address, Buyer};
use crate::web::problem::Problem;
use crate::web::request::Request;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A field as it was sent; `None` where it was not, or was `null`.
pub(super) type Given = Option<Value>;

/// The body as `T`. An unknown field is refused by its name.
pub(super) fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    request.json().map_err(|problem| match problem.detail.strip_prefix("unknown field `") {
        Some(rest) => {
            let field = rest.split('`').next().unwrap_or_default().to_owned();
            Problem { code: "unknown_field", ..problem }.with("field", field)
        }
        None => problem,
    })
}

/// As `body`; no body at all reads as `{}`.
pub(super) fn body_or_empty<T: DeserializeOwned + Default>(request: &Request) -> Result<T, Problem> {
    if request.body.is_empty() { Ok(T::default()) } else { body(request) }
}

pub(super) fn invalid(field: &str, reason: impl std::fmt::Display) -> Problem {
    Problem::bad_request("invalid_field", format!("{field}: {reason}")).with("field", field)
}

pub(super) fn needed<T>(field: &str, value: Option<T>) -> Result<T, Problem> {
    let missing = || Problem::bad_request("missing_field", format!("{field} is missing")).with("field", field);
    value.ok_or_else(missing)
}

/// A line of at most `most` characters, without the space around it. `None` = missing or empty.
pub(super) fn text(field: &str, given: &Given, most: usize) -> Result<Option<String>, Problem> {
    let Some(value) = given else { return Ok(None) };
    let Some(text) = value.as_str() else { return Err(invalid(field, "wanted a text in quotes")) };
    if text.chars().any(char::is_control) {
        return Err(invalid(field, "holds a control character"));
    }
    let text = text.trim();
    if text.chars().count() > most {
        return Err(invalid(field, format!("longer than {most} characters")));
    }
    Ok(Some(text.to_owned()).filter(|t| !t.is_empty()))
}

pub(super) fn boolean(field: &str, given: &Given) -> Result<Option<bool>, Problem> {
    let Some(value) = given else { return Ok(None) };
    value.as_bool().map(Some).ok_or_else(|| invalid(field, "wanted true or false"))
}

pub(super) fn quantity(field: &str, given: &Given) -> Result<Option<u32>, Problem> {
    let Some(value) = given else { return Ok(None) };
    let whole = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=1000).contains(n));
    whole.map(Some).ok_or_else(|| invalid(field, "wanted a whole number from 1 to 1000"))
}

pub(super) fn currency(field: &str, given: &Given) -> Result<Option<Currency>, Problem> {
    let Some(code) = text(field, given, 3)? else { return Ok(None) };
    let known = Currency::new(&code);
    known.map(Some).ok_or_else(|| invalid(field, "wanted an ISO 4217 code in capitals, such as USD"))
}

/// The books of a shop are kept in one currency; what is priced in another could never be bought, sold or paid out.
pub(super) fn in_shop_currency(desk: &Desk, currency: Currency) -> Result<(), Problem> {
    let shop = desk.engine.settings.policy.currency;
    if currency == shop {
        Ok(())
    } else {
        Err(invalid("currency", format!("the books of this shop are kept in {shop}")))
    }
}

/// Beyond this nobody means it; times 1000 pieces it is still far from overflowing.
const MINOR_MAX: i64 = 100_000_000_000;

/// Zero or more, as a decimal string.
pub(super) fn amount(field: &str, given: &Given, currency: Currency) -> Result<Option<Money>, Problem> {
    if given.as_ref().is_some_and(Value::is_number) {
        return Err(invalid(field, "wanted an amount as a text in quotes, such as \"12.34\""));
    }
    let Some(decimal) = text(field, given, 40)? else { return Ok(None) };
    let money = Money::parse(&decimal, currency).map_err(|error| invalid(field, error))?;
    // "-0" is no amount either.
    if decimal.starts_with('-') {
        return Err(invalid(field, "below zero"));
    }
    if money.minor > MINOR_MAX {
        return Err(invalid(field, "the amount is too large"));
    }
    Ok(Some(money))
}

/// As `amount`, and more than zero.
pub(super) fn price(field: &str, given: &Given, currency: Currency) -> Result<Option<Money>, Problem> {
    match amount(field, given, currency)? {
        Some(money) if money.is_zero() => Err(invalid(field, "has to be more than zero")),
        other => Ok(other),
    }
}

/// An instant with its offset, RFC 3339.
pub(super) fn instant(field: &str, given: &Given) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text(field, given, 40)? else { return Ok(None) };
    let wanted = "wanted a time with its offset, such as 2030-01-31T12:00:00Z";
    text.parse().map(Some).map_err(|_| invalid(field, wanted))
}

/// Has the shape of an e-mail address; whether it exists only a mail can tell.
pub(super) fn email(field: &str, given: &Given) -> Result<Option<String>, Problem> {
    let Some(email) = text(field, given, 254)? else { return Ok(None) };
    let has_shape = email.split_once('@').is_some_and(|(local, domain)| {
        let is_plain = |part: &str| !part.is_empty() && !part.contains(['@', ' ', '<', '>', ',', ';', '"']);
        let labels_ok = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
        is_plain(local) && is_plain(domain) && labels_ok
    });
    if has_shape { Ok(Some(email)) } else { Err(invalid(field, "is no e-mail address")) }
}

pub(super) fn country(field: &str, given: &Given) -> Result<Option<String>, Problem> {
    let Some(code) = text(field, given, 200)? else { return Ok(None) };
    let has_shape = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    if has_shape { Ok(Some(code)) } else { Err(invalid(field, "wanted two capitals (ISO 3166), such as US")) }
}

/// `buyer` as it is sent.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with name, email and phone")]
pub(super) struct BuyerGiven {
    name: Given,
    email: Given,
    phone: Given,
    id_number: Given,
}

/// `shippingAddress` as it is sent.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an address as an object")]
pub(super) struct AddressGiven {
    line1: Given,
    line2: Given,
    city: Given,
    province: Given,
    postal_code: Given,
    country: Given,
}

/// Name, e-mail and phone, and the address; every field may be missing.
pub(super) fn buyer(buyer: Option<BuyerGiven>, address: Option<AddressGiven>) -> Result<Buyer, Problem> {
    let buyer = buyer.unwrap_or_default();
    let address = address.unwrap_or_default();
    Ok(Buyer {
        name: text("buyer.name", &buyer.name, 200)?,
        email: email("buyer.email", &buyer.email)?,
        phone: text("buyer.phone", &buyer.phone, 40)?,
        id_number: text("buyer.idNumber", &buyer.id_number, 40)?,
        address: Address {
            line1: text("shippingAddress.line1", &address.line1, 200)?,
            line2: text("shippingAddress.line2", &address.line2, 200)?,
            city: text("shippingAddress.city", &address.city, 200)?,
            province: text("shippingAddress.province", &address.province, 200)?,
            postal_code: text("shippingAddress.postalCode", &address.postal_code, 40)?,
            country: country("shippingAddress.country", &address.country)?,
        },
    })
}

/// One to 64 letters, digits, `.`, `_` and `-`: what fits into a path without being encoded.
pub(super) fn sku(field: &str, sku: &str) -> Result<String, Problem> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if (1..=64).contains(&sku.len()) && sku.bytes().all(fits) {
        return Ok(sku.to_owned());
    }
    Err(invalid(field, "wanted 1 to 64 letters, digits, dots, underscores and hyphens"))
}
