//! What is sold.

use super::{Result, columns, to_ms};
use crate::domain::money::Money;
use crate::domain::order::Variant;
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    pub sku: String,
    pub title: String,
    pub price: Money,
    pub variant: Variant,
    /// The most one piece may cost landed; `None` = only the general limits hold.
    pub landed_cost_max: Option<Money>,
    pub is_active: bool,
}

/// Enters a product or changes it. Orders keep the variant they came in with.
pub fn put(tx: &Transaction<'_>, product: &Product, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO products (sku, title, price_minor, currency, supplier_product_id, sku_attr, sku_id,
                                     shipping_service, landed_cost_max_minor, is_active, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
               ON CONFLICT (sku) DO UPDATE SET title = ?2, price_minor = ?3, currency = ?4, supplier_product_id = ?5,
                   sku_attr = ?6, sku_id = ?7, shipping_service = ?8, landed_cost_max_minor = ?9, is_active = ?10,
                   updated_at = ?11";
    tx.prepare_cached(sql)?.execute(params![
        product.sku,
        product.title,
        product.price.minor,
        product.price.currency.code(),
        product.variant.product_id,
        product.variant.sku_attr,
        product.variant.sku_id,
        product.variant.service,
        product.landed_cost_max.map(|m| m.minor),
        product.is_active,
        to_ms(now),
    ])?;
    Ok(())
}

const COLUMNS: &str =
    "SELECT sku, title, price_minor, currency, supplier_product_id, sku_attr, sku_id, shipping_service,
                              landed_cost_max_minor, is_active FROM products";

pub fn find(connection: &Connection, sku: &str) -> Result<Option<Product>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE sku = ?1"))?;
    let mut rows = statement.query([sku])?;
    rows.next()?.map(product).transpose()
}

pub fn list(connection: &Connection) -> Result<Vec<Product>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY sku"))?;
    let mut rows = statement.query([])?;
    let mut products = Vec::new();
    while let Some(row) = rows.next()? {
        products.push(product(row)?);
    }
    Ok(products)
}

/// Every product that is bought as this product of the supplier's, by SKU.
pub fn of_supplier(connection: &Connection, product_id: &str) -> Result<Vec<Product>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE supplier_product_id = ?1 ORDER BY sku"))?;
    let mut rows = statement.query([product_id])?;
    let mut products = Vec::new();
    while let Some(row) = rows.next()? {
        products.push(product(row)?);
    }
    Ok(products)
}

/// At most `most` products by SKU, from the one after `after` on.
pub fn page(connection: &Connection, after: Option<&str>, most: u32) -> Result<Vec<Product>> {
    let sql = format!("{COLUMNS} WHERE ?1 IS NULL OR sku > ?1 ORDER BY sku LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![after, most])?;
    let mut products = Vec::new();
    while let Some(row) = rows.next()? {
        products.push(product(row)?);
    }
    Ok(products)
}

fn product(row: &Row<'_>) -> Result<Product> {
    let currency = columns::currency(row, "currency")?;
    Ok(Product {
        sku: row.get("sku")?,
        title: row.get("title")?,
        price: columns::money(row, "price_minor", currency)?,
        variant: Variant {
            product_id: row.get("supplier_product_id")?,
            sku_attr: row.get("sku_attr")?,
            sku_id: row.get("sku_id")?,
            service: row.get("shipping_service")?,
        },
        landed_cost_max: columns::money_opt(row, "landed_cost_max_minor", currency)?,
        is_active: row.get("is_active")?,
    })
}
