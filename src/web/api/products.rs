//! Products: what is sold, and which exact variant of the supplier's is bought for it. Changing one never reaches
//! orders that are in already.

use super::desk::Desk;
use super::input::{self, Given, invalid, needed};
use super::json::{amount, amount_opt};
use super::paging::{Page, only};
use crate::domain::order::Variant;
use crate::store::products::{self, Product};
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn list(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["limit", "cursor"])?;
    let page = Page::of(request)?;
    let after = page.after.as_ref().map(|(_, sku)| sku.as_str());
    let mut rows = desk.engine.store.read(|c| products::page(c, after, page.wanted()))?;
    let next = page.cut(&mut rows, |product| (0, product.sku.clone()));
    let rows: Vec<Value> = rows.iter().map(product_json).collect();
    Ok(Response::json(200, &json!({ "products": rows, "nextCursor": next })))
}

pub(super) fn show(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let found = desk.engine.store.read(|c| products::find(c, request.param("sku")))?;
    match found {
        Some(product) => Ok(Response::json(200, &product_json(&product))),
        None => Err(unknown()),
    }
}

/// Enters the product (201) or puts it in place of the one of that name (200).
pub(super) fn put(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let product = read(request.param("sku"), input::body(request)?)?;
    input::in_shop_currency(desk, product.price.currency)?;
    let known = desk.engine.store.read(|c| products::find(c, &product.sku))?;
    if known.as_ref() != Some(&product) {
        desk.engine.put_product(&product)?;
    }
    Ok(Response::json(if known.is_some() { 200 } else { 201 }, &product_json(&product)))
}

pub(super) fn unknown() -> Problem {
    Problem::not_found("There is no product of this SKU.")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a product as an object")]
struct ProductGiven {
    sku: Given,
    title: Given,
    price: Given,
    currency: Given,
    supplier: Option<SupplierGiven>,
    max_landed_cost: Given,
    active: Given,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with productId, skuAttr and skuId")]
struct SupplierGiven {
    product_id: Given,
    sku_attr: Given,
    sku_id: Given,
    shipping_service: Given,
}

fn read(path_sku: &str, given: ProductGiven) -> Result<Product, Problem> {
    let sku = input::sku("sku", path_sku)?;
    if input::text("sku", &given.sku, 64)?.is_some_and(|other| other != sku) {
        return Err(invalid("sku", "is not the one in the path"));
    }
    let currency = needed("currency", input::currency("currency", &given.currency)?)?;
    Ok(Product {
        sku,
        title: needed("title", input::text("title", &given.title, 200)?)?,
        price: needed("price", input::price("price", &given.price, currency)?)?,
        variant: variant(needed("supplier", given.supplier)?)?,
        landed_cost_max: input::price("maxLandedCost", &given.max_landed_cost, currency)?,
        is_active: needed("active", input::boolean("active", &given.active)?)?,
    })
}

fn variant(given: SupplierGiven) -> Result<Variant, Problem> {
    // A product with a single variant has an empty one, so here empty is not missing.
    needed("supplier.skuAttr", given.sku_attr.as_ref())?;
    let service = input::text("supplier.shippingService", &given.shipping_service, 100)?;
    Ok(Variant {
        product_id: digits("supplier.productId", &given.product_id)?,
        sku_attr: input::text("supplier.skuAttr", &given.sku_attr, 200)?.unwrap_or_default(),
        sku_id: digits("supplier.skuId", &given.sku_id)?,
        service,
    })
}

/// The supplier's own number, as a text: a JSON number would lose digits on its way.
fn digits(field: &str, given: &Given) -> Result<String, Problem> {
    let id = needed(field, input::text(field, given, 32)?)?;
    if id.bytes().all(|b| b.is_ascii_digit()) { Ok(id) } else { Err(invalid(field, "wanted digits")) }
}

fn product_json(product: &Product) -> Value {
    json!({
        "sku": product.sku, "title": product.title,
        "price": amount(product.price), "currency": product.price.currency.code(),
        "supplier": supplier_json(&product.variant),
        "maxLandedCost": amount_opt(product.landed_cost_max), "active": product.is_active,
    })
}

pub(super) fn supplier_json(variant: &Variant) -> Value {
    json!({
        "productId": variant.product_id, "skuAttr": variant.sku_attr, "skuId": variant.sku_id,
        "shippingService": variant.service,
    })
}
