//! What AliExpress sells, at which price, and what it costs to send. It must never assume a currency: the one that
//! was asked for is ignored at times.

use super::{AliExpress, Api, digits, money, unreadable};
use crate::domain::money::{Currency, Money};
use crate::gateway::json::Node;
use crate::gateway::{CallError, Secret, tame};
use jiff::Timestamp;
use serde_json::json;

const PRODUCT: Api = Api::Method("aliexpress.ds.product.get");
const FREIGHT: Api = Api::Method("aliexpress.ds.freight.query");

/// A product as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductSeen {
    pub on_sale: bool,
    /// Variants whose price cannot be read exactly are left out: they cannot be bought.
    pub variants: Vec<VariantSeen>,
}

/// One variant of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantSeen {
    /// Digits. What freight is asked for with.
    pub sku_id: String,
    /// What an order names the variant by, verbatim. Empty where the product has one variant only.
    pub sku_attr: String,
    /// Per piece, in the currency that AliExpress answered in.
    pub price: Money,
    /// `None`: not said.
    pub stock: Option<u32>,
    /// How many one buyer may have. `None`: no limit said.
    pub buy_limit: Option<u32>,
    /// Tax and import charges on top of the price, per piece. `None`: AliExpress names none, or the price has them.
    pub tax: Option<Money>,
}

/// What to send where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreightQuestion {
    pub product_id: String,
    /// The digits of [`VariantSeen::sku_id`]; the variant's attributes get no answer here.
    pub sku_id: String,
    pub quantity: u32,
    /// ISO 3166, two letters.
    pub country: String,
    pub province: Option<String>,
    pub currency: Currency,
}

/// One way of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreightOption {
    /// What an order names it by.
    pub code: String,
    /// What people call it.
    pub company: String,
    pub fee: Money,
    pub tracked: bool,
    /// The latest day of the promise, counted from sending. `None`: no promise.
    pub days: Option<u32>,
}

impl AliExpress {
    /// Looks a product up. `country` decides what may be bought, `currency` is a wish. `Refused` with AliExpress'
    /// `rsp_code` where the product is gone (605) or not sold there (602).
    pub fn product(
        &self,
        now: Timestamp,
        token: &Secret,
        product_id: &str,
        country: &str,
        currency: Currency,
    ) -> Result<ProductSeen, CallError> {
        let parameters = vec![
            ("product_id", digits("product", product_id)?.to_owned()),
            ("ship_to_country", country.to_owned()),
            ("target_currency", currency.code().to_owned()),
            ("target_language", "en_US".to_owned()),
        ];
        let node = self.look_up(now, PRODUCT, token, parameters)?;
        match node.at("rsp_code").text() {
            None | Some("200") => {}
            Some(code @ ("602" | "605")) => return Err(no(code, node.at("rsp_msg"))),
            Some(other) => return Err(unreadable(PRODUCT, &format!("rsp_code {}", tame(other, 20)))),
        }
        let product = if node.at("result").is_object() { node.at("result") } else { &node };
        let status = product.at("ae_item_base_info_dto").at("product_status_type").text();
        let status = status.ok_or_else(|| unreadable(PRODUCT, "no status"))?;
        let variants = product.at("ae_item_sku_info_dtos").rows("ae_item_sku_info_d_t_o");
        let variants = variants.into_iter().filter_map(read_variant).collect();
        Ok(ProductSeen { on_sale: status == "onSelling", variants })
    }

    /// Asks for the ways of sending. `Refused` with code 501, 505 or 506 where AliExpress names none; one such answer
    /// is not reliable, so ask again later before giving up.
    pub fn freight(
        &self,
        now: Timestamp,
        token: &Secret,
        question: &FreightQuestion,
    ) -> Result<Vec<FreightOption>, CallError> {
        let mut asked = json!({
            "productId": digits("product", &question.product_id)?,
            "selectedSkuId": digits("sku", &question.sku_id)?,
            // A string, as AliExpress' own example has it, whatever its table says.
            "quantity": question.quantity.to_string(),
            "shipToCountry": question.country,
            "currency": question.currency.code(),
            "language": "en_US",
            "locale": "en_US",
        });
        if let Some(province) = question.province.as_ref().filter(|p| !p.is_empty()) {
            asked["province"] = json!(province);
        }
        let node = self.look_up(now, FREIGHT, token, vec![("queryDeliveryReq", asked.to_string())])?;
        let result = if node.at("result").is_object() { node.at("result") } else { &node };
        let code = result.at("code").text().unwrap_or("");
        match result.at("success").flag() {
            Some(true) => {}
            Some(false) if matches!(code, "501" | "505" | "506") => return Err(no(code, result.at("msg"))),
            _ => return Err(unreadable(FREIGHT, &format!("no success, code {}", tame(code, 20)))),
        }
        let options = result.at("delivery_options").rows("delivery_option_d_t_o");
        Ok(options.into_iter().filter_map(|option| read_option(option, question.currency)).collect())
    }
}

fn no(code: &str, reason: &Node) -> CallError {
    let reason = tame(reason.text().unwrap_or("AliExpress gave no reason"), 200);
    CallError::Refused { code: code.to_owned(), reason, debug_id: None }
}

fn read_variant(sku: &Node) -> Option<VariantSeen> {
    let currency = sku.at("currency_code");
    let price = money(sku.at("offer_sale_price"), currency).filter(Money::is_positive)?;
    let small = |node: &Node| node.whole().and_then(|n| u32::try_from(n).ok());
    Some(VariantSeen {
        sku_id: sku.at("sku_id").digits()?.to_owned(),
        sku_attr: sku.at("sku_attr").owned().or_else(|| sku.at("id").owned()).unwrap_or_default(),
        price,
        stock: small(sku.at("sku_available_stock")),
        buy_limit: small(sku.at("buy_amount_limit_set_by_promotion")),
        tax: read_tax(sku, price)?,
    })
}

/// The outer `None`: there is a tax that cannot be read, so the price of the variant is not known.
fn read_tax(sku: &Node, price: Money) -> Option<Option<Money>> {
    let tax_included = sku.at("price_include_tax").flag() == Some(true);
    let tax = if tax_included { &Node::Null } else { sku.at("tax_amount") };
    let mut sum: Option<Money> = None;
    for charge in [tax, sku.at("estimated_import_charges")] {
        let Some(text) = charge.text() else { continue };
        let amount = Money::parse(text, price.currency).ok()?;
        sum = Some(sum.map_or(Ok(amount), |s| s.plus(amount)).ok()?);
    }
    Some(sum.filter(|tax| !tax.is_zero()))
}

/// `None` where the fee cannot be read: such a way cannot be chosen. `shipping_fee_cent` is in major units in spite
/// of its name; the formatted fee follows a locale and is not read.
fn read_option(option: &Node, asked: Currency) -> Option<FreightOption> {
    let is_free = option.at("free_shipping").flag() == Some(true);
    let fee = match (option.at("shipping_fee_cent"), option.at("shipping_fee_currency")) {
        (Node::Null, currency) if is_free => Money::zero(currency.text().map_or(Some(asked), Currency::new)?),
        (fee, currency) => money(fee, currency)?,
    };
    let code = option.at("code").owned()?;
    Some(FreightOption {
        company: option.at("company").owned().unwrap_or_else(|| code.clone()),
        code,
        fee: Some(fee).filter(|fee| fee.minor >= 0)?,
        tracked: option.at("tracking").flag() == Some(true),
        days: option.at("max_delivery_days").whole().and_then(|n| u32::try_from(n).ok()),
    })
}
