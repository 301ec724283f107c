//! What is for sale and what it costs to send. Every product id of 13 digits or more exists, with two variants and a
//! price that follows from the id, until the control says otherwise.

use super::records::{Effect, Freight, Product, Variant};
use super::{Book, Gate, Outcome, Parameters};
use crate::sandbox::cents;
use crate::sandbox::wire::{NUMERALS, draw};
use serde::Deserialize;
use serde_json::{Value, json};

/// The product the shipped shop sells.
pub const KNOWN_PRODUCT: &str = "1005001234567890";

/// What the control may say about a product; what it leaves out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Wish {
    /// Decimal in USD.
    price: Option<String>,
    stock: Option<i64>,
    /// The most pieces one buyer may take.
    buy_limit: Option<i64>,
    title: Option<String>,
    /// `false`: off the shelf.
    selling: Option<bool>,
    /// Only the variant with this `sku_attr` or `sku_id`; without it, all.
    sku: Option<String>,
    /// Takes the named variant away.
    gone: Option<bool>,
    refused_countries: Option<Vec<String>>,
    freight: Option<Vec<FreightWish>>,
    /// A variant the product shall have; one that is there already stays as it is. Makes a product of any id.
    list: Option<Listing>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Listing {
    sku_id: String,
    sku_attr: String,
    /// Decimal in USD.
    price: String,
    stock: i64,
    /// A freight service it can be sent with; free where it is new.
    service: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FreightWish {
    code: String,
    /// Decimal in USD; `None` or nought is free.
    fee: Option<String>,
    min_days: Option<i64>,
    max_days: Option<i64>,
}

impl Book {
    /// The product as it stands, or `None` for ids AliExpress would not have.
    pub(super) fn find_product(&self, id: &str) -> Option<Product> {
        let real = id.len() >= 13 && id.len() <= 18 && id.bytes().all(|b| b.is_ascii_digit());
        self.products.get(id).cloned().or_else(|| real.then(|| usual_product(id)))
    }

    pub(super) fn keep_product(&mut self, product: Product) {
        self.write(Effect::Product(product));
    }

    /// The control's word on a product. `Err` says what was wrong with it.
    pub fn set_product(&mut self, id: &str, wish: Wish) -> Result<(), String> {
        let listed = wish.list.as_ref().map(|_| Product { variants: vec![], ..usual_product(id) });
        let mut product = self.find_product(id).or(listed).ok_or("no such product id")?;
        if let Some(listing) = &wish.list {
            product.list(listing)?;
        }
        let price = wish.price.as_deref().map(amount).transpose()?;
        if wish.gone == Some(true) {
            product.variants.retain(|v| wish.sku.as_deref().is_some_and(|sku| !v.is(sku)));
        }
        for variant in product.variants.iter_mut().filter(|v| wish.sku.as_deref().is_none_or(|sku| v.is(sku))) {
            variant.price = price.unwrap_or(variant.price);
            variant.stock = wish.stock.unwrap_or(variant.stock);
            variant.buy_limit = wish.buy_limit.or(variant.buy_limit);
        }
        if let Some(title) = wish.title {
            product.title = title;
        }
        product.is_selling = wish.selling.unwrap_or(product.is_selling);
        if let Some(countries) = wish.refused_countries {
            product.refused_countries = countries;
        }
        if let Some(freight) = wish.freight {
            product.freight.clear();
            for option in freight {
                let fee = option.fee.as_deref().map(amount).transpose()?.unwrap_or(0);
                let (min_days, max_days) = (option.min_days.unwrap_or(7), option.max_days.unwrap_or(15));
                product.freight.push(Freight { code: option.code, fee, min_days, max_days });
            }
        }
        self.keep_product(product);
        Ok(())
    }

    /// aliexpress.ds.product.get
    pub(super) fn product(&self, given: &Parameters) -> Outcome {
        let (id, country) = (given.need("product_id")?, given.need("ship_to_country")?);
        let Some(product) = self.find_product(id) else {
            return Ok(json!({"rsp_code": 605, "rsp_msg": "ITEM_ID_NOT_FOUND"}));
        };
        if product.refused_countries.iter().any(|c| c == country) {
            return Ok(json!({"rsp_code": 602, "rsp_msg": "The product is not allowed to be sold in the country"}));
        }
        let variants: Vec<Value> = product.variants.iter().map(|v| self.variant_answer(v)).collect();
        let status = if product.is_selling { "onSelling" } else { "offline" };
        Ok(json!({"rsp_code": 200, "rsp_msg": "Call succeeds", "result": {
            "ae_item_base_info_dto": {"product_id": id.parse::<u64>().unwrap_or(0), "subject": product.title,
                "product_status_type": status, "currency_code": "CNY", "category_id": 201_336_907,
                "detail": "<p>Made up</p>", "evaluation_count": "12", "avg_evaluation_rating": "4.7"},
            "ae_item_sku_info_dtos": self.list("ae_item_sku_info_d_t_o", variants),
            "ae_multimedia_info_dto": {"image_urls": "https://ae01.alicdn.com/kf/a.jpg;https://ae01.alicdn.com/kf/b.jpg"},
            "ae_store_info": {"store_id": 1_100_001, "store_name": "Built-in Store", "store_country_code": "CN"},
            "logistics_info_dto": {"delivery_time": 12, "ship_to_country": country},
            "package_info_dto": {"gross_weight": "0.200", "package_length": 20, "package_width": 15,
                "package_height": 5, "product_unit": 100_000_015, "package_type": false},
            "has_whole_sale": false}}))
    }

    fn variant_answer(&self, variant: &Variant) -> Value {
        let price = cents::show(variant.price, "USD");
        let list_price = cents::show(variant.price * 2, "USD");
        let label = variant.sku_attr.split('#').nth(1).unwrap_or("");
        let property = json!({"sku_property_id": 14, "sku_property_name": "Color", "sku_property_value": label,
            "property_value_id": 29, "property_value_definition_name": label});
        let mut shown = json!({"sku_id": variant.sku_id, "id": variant.sku_attr, "sku_attr": variant.sku_attr,
            "offer_sale_price": price, "sku_price": list_price, "offer_bulk_sale_price": price,
            "currency_code": self.switches.price_currency, "sku_available_stock": variant.stock,
            "price_include_tax": false, "ae_sku_property_dtos": self.list("ae_sku_property_d_t_o", vec![property])});
        if let Some(limit) = variant.buy_limit {
            shown["buy_amount_limit_set_by_promotion"] = json!(limit.to_string());
        }
        shown
    }

    /// aliexpress.ds.freight.query
    pub(super) fn freight(&self, given: &Parameters) -> Outcome {
        let asked = given.object("queryDeliveryReq")?;
        let text = |name: &str| -> Result<String, Gate> {
            match &asked[name] {
                Value::String(text) if !text.is_empty() => Ok(text.clone()),
                // A bare number is taken for ids, as ids are numbers in the table, but not for the quantity.
                Value::Number(number) if name != "quantity" => Ok(number.to_string()),
                Value::Null | Value::String(_) => Err(Gate::missing(name)),
                _ => Err(Gate::isv("InvalidParameter", &format!("The specified parameter \"{name}\" is not valid."))),
            }
        };
        let (product_id, sku_id, country) = (text("productId")?, text("selectedSkuId")?, text("shipToCountry")?);
        for name in ["currency", "language", "locale"] {
            text(name)?;
        }
        let quantity: i64 = text("quantity")?.parse().unwrap_or(0);
        let refused = |code: i64, message: &str| json!({"result": {"success": false, "code": code, "msg": message}});
        let product = self.find_product(&product_id);
        let found = product.as_ref().and_then(|p| p.variants.iter().find(|v| v.sku_id == sku_id).map(|v| (p, v)));
        let Some((product, variant)) = found else { return Ok(refused(501, "DELIVERY_INFO_EMPTY")) };
        let refuses = product.refused_countries.contains(&country);
        if refuses || product.freight.is_empty() || quantity < 1 || quantity > variant.stock {
            return Ok(refused(505, "DELIVERY_NOT_AVAILABLE_TO_YOUR_ADDRESS"));
        }
        let options =
            product.freight.iter().map(|o| freight_answer(o, variant, &self.switches.price_currency)).collect();
        let options = self.list("delivery_option_d_t_o", options);
        Ok(json!({"result": {"success": true, "code": 200, "msg": "Call succeeds", "delivery_options": options}}))
    }
}

fn amount(text: &str) -> Result<i64, String> {
    cents::parse(text, "USD").map_err(|_| format!("not an amount: {text}"))
}

impl Product {
    fn list(&mut self, wish: &Listing) -> Result<(), String> {
        let known = self.variants.iter().any(|v| v.sku_id == wish.sku_id && v.sku_attr == wish.sku_attr);
        if !known {
            self.variants.retain(|v| v.sku_id != wish.sku_id && v.sku_attr != wish.sku_attr);
            let (sku_id, sku_attr) = (wish.sku_id.clone(), wish.sku_attr.clone());
            let (price, stock) = (amount(&wish.price)?, wish.stock);
            self.variants.push(Variant { sku_id, sku_attr, price, stock, buy_limit: None });
        }
        if let Some(code) = wish.service.as_ref().filter(|code| !self.freight.iter().any(|f| f.code == **code)) {
            self.freight.push(Freight { code: code.clone(), fee: 0, min_days: 7, max_days: 15 });
        }
        Ok(())
    }
}

impl Variant {
    fn is(&self, sku: &str) -> bool {
        self.sku_attr == sku || self.sku_id == sku
    }
}

/// The field called cents holds major units, and is missing where nothing is charged; the formatted one follows the
/// locale and is no number.
fn freight_answer(option: &Freight, variant: &Variant, currency: &str) -> Value {
    let mut shown = json!({"code": option.code, "company": "AliExpress Selection Standard", "tracking": true,
        "free_shipping": option.fee == 0, "mayHavePFS": false, "shipping_fee_currency": currency,
        "min_delivery_days": option.min_days, "max_delivery_days": option.max_days,
        "guaranteed_delivery_days": option.max_days.to_string(), "delivery_date_desc": "Jan. 10 - 20",
        "ship_from_country": "CN", "available_stock": variant.stock.to_string(), "ddpIncludeVATTax": "false"});
    if option.fee != 0 {
        let fee = cents::show(option.fee, "USD");
        shown["shipping_fee_format"] = json!(format!("US ${}", fee.replace('.', ",")));
        shown["shipping_fee_cent"] = json!(fee);
    }
    shown
}

fn usual_product(id: &str) -> Product {
    let option = |code: &str, fee, min_days, max_days| Freight { code: code.into(), fee, min_days, max_days };
    let freight = vec![option("CAINIAO_FULFILLMENT_STD", 199, 7, 12), option("CAINIAO_STANDARD_FREE", 0, 20, 45)];
    let variant = |sku_id: String, attr: &str, price| {
        let sku_attr = attr.into();
        Variant { sku_id, sku_attr, price, stock: 50, buy_limit: None }
    };
    let variants = if id == KNOWN_PRODUCT {
        vec![
            variant("12000012345678901".into(), "14:29#Black", 840),
            variant("12000012345678902".into(), "14:193#White", 890),
        ]
    } else {
        let digits = draw(0, id, 0, NUMERALS, 9);
        let price = 300 + digits.bytes().fold(0, |sum, b| (sum * 10 + i64::from(b - b'0')) % 2_700);
        vec![
            variant(format!("1200003{digits}1"), "14:29#Black", price),
            variant(format!("1200003{digits}2"), "14:193#White", price + 50),
        ]
    };
    let title = format!("Built-in product {id}");
    Product { id: id.into(), title, is_selling: true, refused_countries: vec![], variants, freight }
}
