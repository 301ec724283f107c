//! The fields of the test flows, in every spelling in which they are sent: flat as a form has them, or nested as an
//! order has them. What is said twice is refused, because nobody could tell which one is meant.

use super::input::{self, Given, invalid};
use crate::domain::money::Currency;
use crate::domain::order::{Address, Buyer};
use crate::engine::trial::{TestOrder, Trial};
use crate::web::problem::Problem;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a test flow as an object")]
pub(super) struct FlowGiven {
    pub simulate: Given,
    sku: Given,
    price: Given,
    quantity: Given,
    buyer_name: Given,
    buyer_email: Given,
    phone: Given,
    address_line1: Given,
    address_line2: Given,
    city: Given,
    state: Given,
    zip_code: Given,
    country: Given,
    buyer: Option<PersonGiven>,
    shipping_address: Option<PlaceGiven>,
    pub user_id: Given,
    pub write_report: Given,
    pub confirm: Given,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a trial purchase as an object")]
pub(super) struct PurchaseGiven {
    product_url: Given,
    sku: Given,
    price: Given,
    quantity: Given,
    customer: Option<CustomerGiven>,
    pub confirm: Given,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "an object with name, email and phone")]
struct PersonGiven {
    name: Given,
    email: Given,
    phone: Given,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "an object with name, email, phone and address")]
struct CustomerGiven {
    name: Given,
    email: Given,
    phone: Given,
    address: Option<PlaceGiven>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an address as an object")]
struct PlaceGiven {
    #[serde(alias = "addressLine1")]
    line1: Given,
    #[serde(alias = "addressLine2")]
    line2: Given,
    city: Given,
    #[serde(alias = "state")]
    province: Given,
    #[serde(alias = "zipCode")]
    postal_code: Given,
    country: Given,
}

/// `currency`: the shop's, in which the price is.
pub(super) fn flow(given: &FlowGiven, currency: Currency) -> Result<TestOrder, Problem> {
    let (nobody, nowhere) = (PersonGiven::default(), PlaceGiven::default());
    let person = given.buyer.as_ref().unwrap_or(&nobody);
    let place = given.shipping_address.as_ref().unwrap_or(&nowhere);
    let either = |flat_name: &str, flat: &Given, name: &str, nested: &Given| match (flat, nested) {
        (Some(_), Some(_)) => Err(invalid(flat_name, format!("is said twice: here and as {name}"))),
        (Some(value), None) | (None, Some(value)) => Ok(Some(value.clone())),
        (None, None) => Ok(None),
    };
    let person = PersonGiven {
        name: either("buyerName", &given.buyer_name, "buyer.name", &person.name)?,
        email: either("buyerEmail", &given.buyer_email, "buyer.email", &person.email)?,
        phone: either("phone", &given.phone, "buyer.phone", &person.phone)?,
    };
    let place = PlaceGiven {
        line1: either("addressLine1", &given.address_line1, "shippingAddress.line1", &place.line1)?,
        line2: either("addressLine2", &given.address_line2, "shippingAddress.line2", &place.line2)?,
        city: either("city", &given.city, "shippingAddress.city", &place.city)?,
        province: either("state", &given.state, "shippingAddress.province", &place.province)?,
        postal_code: either("zipCode", &given.zip_code, "shippingAddress.postalCode", &place.postal_code)?,
        country: either("country", &given.country, "shippingAddress.country", &place.country)?,
    };
    Ok(TestOrder {
        trial: Trial::WholeRoad,
        sku: sku(&given.sku)?,
        quantity: input::quantity("quantity", &given.quantity)?.unwrap_or(1),
        price: input::price("price", &given.price, currency)?,
        buyer: buyer(&person, &place)?,
        reference: None,
    })
}

/// Also the supplier's product id, where the product is named by its address. Never both a SKU and an address.
pub(super) fn purchase(given: &PurchaseGiven, currency: Currency) -> Result<(TestOrder, Option<String>), Problem> {
    let (nobody, nowhere) = (CustomerGiven::default(), PlaceGiven::default());
    let customer = given.customer.as_ref().unwrap_or(&nobody);
    let person =
        PersonGiven { name: customer.name.clone(), email: customer.email.clone(), phone: customer.phone.clone() };
    let product = match input::text("productUrl", &given.product_url, 500)? {
        Some(url) => Some(
            product_id(&url)
                .ok_or_else(|| invalid("productUrl", "wanted https://www.aliexpress.com/item/<id>.html"))?,
        ),
        None => None,
    };
    let sku = sku(&given.sku)?;
    if sku.is_some() && product.is_some() {
        return Err(invalid("productUrl", "wanted without sku"));
    }
    let wanted = TestOrder {
        trial: Trial::PurchaseOnly,
        sku,
        quantity: input::quantity("quantity", &given.quantity)?.unwrap_or(1),
        price: input::price("price", &given.price, currency)?,
        buyer: buyer(&person, customer.address.as_ref().unwrap_or(&nowhere))?,
        reference: None,
    };
    Ok((wanted, product))
}

fn sku(given: &Given) -> Result<Option<String>, Problem> {
    let sku = input::text("sku", given, 200)?;
    sku.map(|sku| input::sku("sku", &sku)).transpose()
}

fn buyer(person: &PersonGiven, place: &PlaceGiven) -> Result<Buyer, Problem> {
    Ok(Buyer {
        name: input::text("buyer.name", &person.name, 200)?,
        email: input::email("buyer.email", &person.email)?,
        phone: input::text("buyer.phone", &person.phone, 40)?,
        id_number: None,
        address: Address {
            line1: input::text("shippingAddress.line1", &place.line1, 200)?,
            line2: input::text("shippingAddress.line2", &place.line2, 200)?,
            city: input::text("shippingAddress.city", &place.city, 200)?,
            province: input::text("shippingAddress.province", &place.province, 200)?,
            postal_code: input::text("shippingAddress.postalCode", &place.postal_code, 40)?,
            country: input::country("shippingAddress.country", &place.country)?,
        },
    })
}

/// The product of `https://…aliexpress…/item/<id>.html`. `None` for any other address.
fn product_id(url: &str) -> Option<String> {
    let (host, path) = url.strip_prefix("https://")?.split_once('/')?;
    let is_theirs = ["aliexpress.com", "aliexpress.us", "aliexpress.ru"]
        .iter()
        .any(|domain| host == *domain || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.')));
    let path = path.split(['?', '#']).next()?;
    let name = path.strip_prefix("item/").and_then(|name| name.strip_suffix(".html")).filter(|_| is_theirs)?;
    let is_id = (6..=20).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_digit());
    is_id.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_product_names_a_product() {
        let check = |url: &str, expected: Option<&str>| assert_eq!(product_id(url).as_deref(), expected, "{url}");
        check("https://www.aliexpress.com/item/1005001234567890.html", Some("1005001234567890"));
        check("https://de.aliexpress.com/item/1005001234567890.html?spm=a2g0o#x", Some("1005001234567890"));
        check("https://aliexpress.us/item/32568555.html", Some("32568555"));
        check("http://www.aliexpress.com/item/1005001234567890.html", None);
        check("https://www.aliexpress.com.evil.tld/item/1005001234567890.html", None);
        check("https://evilaliexpress.com/item/1005001234567890.html", None);
        check("https://evil.tld/www.aliexpress.com/item/1005001234567890.html", None);
        check("https://user@www.aliexpress.com.x/item/1005001234567890.html", None);
        check("https://www.aliexpress.com/item/12345.html", None);
        check("https://www.aliexpress.com/item/10050012345678x0.html", None);
        check("https://www.aliexpress.com/store/1005001234567890.html", None);
        check("https://www.aliexpress.com/item/1005001234567890", None);
        check("", None);
    }
}
