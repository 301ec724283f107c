//! `postsale products`: what is sold and which exact variant is bought for it. Entering one writes the same rows as the
//! API does; a running server sees it at once, and orders keep the variant they came in with.

use super::args::Put;
use super::exit::{Exit, Failure};
use super::page::{Facts, Rows, pretty};
use super::say;
use super::sources::Sources;
use crate::domain::money::{Currency, Money};
use crate::domain::order::Variant;
use crate::engine::facts;
use crate::store::products::{self, Product};
use serde_json::{Value, json};

pub fn list(sources: &Sources, as_json: bool) -> Result<String, Failure> {
    let products = sources.join()?.store.read(products::list)?;
    if as_json {
        return Ok(pretty(&Value::Array(products.iter().map(document).collect())));
    }
    let rows = Rows(products.iter().map(row).collect());
    let none = || format!("No product yet; `postsale{} products put --help` says how to enter one.\n", sources.typed());
    Ok(rows.text().unwrap_or_else(none))
}

pub fn show(sources: &Sources, sku: &str, as_json: bool) -> Result<String, Failure> {
    let found = sources.join()?.store.read(|connection| products::find(connection, sku))?;
    let product = found.ok_or_else(|| Failure::NotThere(format!("there is no product {sku}")))?;
    Ok(if as_json { pretty(&document(&product)) } else { row(&product).text() })
}

/// Enters a product, or changes what is named of one.
pub fn put(sources: &Sources, put: &Put) -> Result<Exit, Failure> {
    let joined = sources.join()?;
    let (product, is_new) = joined.store.write(|tx| {
        let known = products::find(tx, &put.sku)?;
        let product = changed(put, known.as_ref(), joined.config.shop.currency).map_err(Failure::Senseless)?;
        if known.as_ref() != Some(&product) {
            facts::put_product(tx, &product, joined.clock.now())?;
        }
        Ok::<_, Failure>((product, known.is_none()))
    })?;
    let done = if is_new { "entered" } else { "stands as follows" };
    say(&format!("{} {done}:\n{}", product.sku, row(&product).text()))?;
    Ok(Exit::Good)
}

/// The product as it shall be: what was named, and the rest as it was.
fn changed(put: &Put, known: Option<&Product>, shop_currency: Currency) -> Result<Product, String> {
    let text = |flag: &str, given: &Option<String>, known: Option<&String>| {
        let value = given.as_ref().or(known);
        value.cloned().ok_or_else(|| format!("{} is not known yet, so it needs --{flag}", put.sku))
    };
    let currency = match &put.currency {
        Some(code) => Currency::new(code).ok_or_else(|| format!("--currency: {code} is no ISO 4217 code"))?,
        None => known.map_or(shop_currency, |p| p.price.currency),
    };
    if currency != shop_currency {
        return Err(format!("--currency: the books of this shop are kept in {shop_currency}"));
    }
    let amount = |flag: &str, text: &str| Money::parse(text, currency).map_err(|error| format!("--{flag}: {error}"));
    let variant = known.map(|p| &p.variant);
    let product = Product {
        sku: put.sku.clone(),
        title: text("title", &put.title, known.map(|p| &p.title))?,
        price: amount("price", &text("price", &put.price, known.map(|p| p.price.decimal()).as_ref())?)?,
        variant: Variant {
            product_id: text("product-id", &put.product_id, variant.map(|v| &v.product_id))?,
            sku_id: text("sku-id", &put.sku_id, variant.map(|v| &v.sku_id))?,
            sku_attr: put.sku_attr.as_ref().or(variant.map(|v| &v.sku_attr)).cloned().unwrap_or_default(),
            service: match &put.shipping_service {
                Some(code) => Some(code.clone()).filter(|code| !code.is_empty()),
                None => variant.and_then(|v| v.service.clone()),
            },
        },
        landed_cost_max: match put.max_landed_cost.as_deref() {
            Some("") => None,
            Some(text) => Some(amount("max-landed-cost", text)?),
            None => match known.and_then(|p| p.landed_cost_max) {
                Some(most) => Some(amount("max-landed-cost", &most.decimal())?),
                None => None,
            },
        },
        is_active: if put.active || put.inactive { put.active } else { known.is_none_or(|p| p.is_active) },
    };
    sensible(&product).map(|()| product)
}

/// What the schema would refuse, said in words.
fn sensible(product: &Product) -> Result<(), String> {
    let is_line = |text: &str, most: usize| {
        let count = text.chars().count();
        (1..=most).contains(&count) && text.trim() == text && !text.chars().any(char::is_control)
    };
    let is_id = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let is_sku = |text: &str| is_line(text, 64) && !text.contains(['/', '\\', '?', '#']) && text != "." && text != "..";
    let checks = [
        (is_sku(&product.sku), "the SKU: 1 to 64 characters in one line, none of / \\ ? #"),
        (is_line(&product.title, 200), "--title: 1 to 200 characters in one line"),
        (product.price.is_positive(), "--price: must be more than zero"),
        (is_id(&product.variant.product_id), "--product-id: digits"),
        (is_id(&product.variant.sku_id), "--sku-id: digits"),
        (product.variant.sku_attr.is_empty() || is_line(&product.variant.sku_attr, 200), "--sku-attr: one line"),
        (product.variant.service.as_deref().is_none_or(|s| is_line(s, 64)), "--shipping-service: one line"),
        (product.landed_cost_max.is_none_or(|most| most.is_positive()), "--max-landed-cost: must be more than zero"),
    ];
    match checks.iter().find(|(is_good, _)| !is_good) {
        Some((_, reason)) => Err((*reason).to_owned()),
        None => Ok(()),
    }
}

fn row(product: &Product) -> Facts {
    Facts::default()
        .with("sku", &product.sku)
        .with("price", product.price)
        .with("active", product.is_active)
        .with("productId", &product.variant.product_id)
        .with("skuId", &product.variant.sku_id)
        .with("skuAttr", &product.variant.sku_attr)
        .with("shippingService", product.variant.service.clone())
        .with("maxLandedCost", product.landed_cost_max)
        .with("title", &product.title)
}

/// As the API writes it.
fn document(product: &Product) -> Value {
    let Product { variant, .. } = product;
    json!({
        "sku": product.sku,
        "title": product.title,
        "price": product.price.decimal(),
        "currency": product.price.currency.code(),
        "supplier": {
            "productId": variant.product_id,
            "skuAttr": variant.sku_attr,
            "skuId": variant.sku_id,
            "shippingService": variant.service,
        },
        "maxLandedCost": product.landed_cost_max.map(|most| most.decimal()),
        "active": product.is_active,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Command, Products, Typed};
    use clap::Parser;

    fn typed(flags: &[&str]) -> Put {
        let line = ["postsale", "products", "put"].iter().chain(flags);
        match Typed::try_parse_from(line).unwrap().command {
            Command::Products { command: Products::Put(put) } => *put,
            other => panic!("{other:?}"),
        }
    }

    const MUG: [&str; 9] = [
        "mug",
        "--title",
        "A mug",
        "--price",
        "24.9",
        "--product-id",
        "1005001234567890",
        "--sku-id",
        "12000012345678901",
    ];

    fn mug() -> Product {
        changed(&typed(&MUG), None, Currency::new("USD").unwrap()).unwrap()
    }

    #[test]
    fn a_new_product_is_whole_and_for_sale() {
        let mug = mug();
        assert_eq!((mug.price.to_string().as_str(), mug.is_active), ("24.90 USD", true));
        assert_eq!((mug.variant.sku_attr.as_str(), mug.variant.service, mug.landed_cost_max), ("", None, None));
    }

    #[test]
    fn only_what_is_named_changes() {
        let check = |flags: &[&str], expected: Product| {
            let put = typed(&[&["mug"], flags].concat());
            assert_eq!(changed(&put, Some(&mug()), Currency::new("USD").unwrap()), Ok(expected), "{flags:?}");
        };
        let usd = |text: &str| Money::parse(text, Currency::new("USD").unwrap()).unwrap();
        check(&[], mug());
        check(&["--price", "30"], Product { price: usd("30"), ..mug() });
        check(&["--inactive"], Product { is_active: false, ..mug() });
        check(&["--max-landed-cost", "9"], Product { landed_cost_max: Some(usd("9")), ..mug() });
        let service = Variant { service: Some("STD".to_owned()), ..mug().variant };
        check(&["--shipping-service", "STD"], Product { variant: service, ..mug() });
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_flag() {
        let check = |flags: &[&str], expected: &str| {
            let line: Vec<&str> = MUG.iter().chain(flags).copied().collect();
            // A flag given twice is the typer's mistake; here the second stands for the only one.
            let mut kept: Vec<&str> = vec![line[0]];
            for pair in line[1..].chunks(2) {
                if let Some(at) = kept.iter().position(|word| *word == pair[0]) {
                    kept[at + 1] = pair[1];
                } else {
                    kept.extend(pair);
                }
            }
            let reason = changed(&typed(&kept), None, Currency::new("USD").unwrap()).unwrap_err();
            assert!(reason.contains(expected), "{flags:?}: {reason}");
        };
        check(&["--price", "0"], "--price: must be more");
        check(&["--price", "24,90"], "--price: not a decimal");
        check(&["--price", "24.905"], "--price: more decimal places");
        check(&["--currency", "EURO"], "--currency");
        check(&["--currency", "EUR"], "--currency: the books of this shop are kept in USD");
        check(&["--product-id", "12a"], "--product-id: digits");
        check(&["--title", " A mug"], "--title");
        check(&["--max-landed-cost", "0"], "--max-landed-cost");
        let unnamed = changed(&typed(&["mug", "--price", "1"]), None, Currency::new("USD").unwrap()).unwrap_err();
        assert_eq!(unnamed, "mug is not known yet, so it needs --title");
        let climbing = changed(&typed(&[&["a/b"], &MUG[1..]].concat()), None, Currency::new("USD").unwrap());
        assert!(climbing.unwrap_err().contains("the SKU"));
    }
}
