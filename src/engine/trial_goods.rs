//! What a trial purchase buys when it is named by its address at the supplier. A product that is known is used as it is;
//! an unknown one is looked up and entered, not for sale, but only where there is nothing to choose (L27). It looks, and
//! buys nothing.

use super::{Engine, EngineError};
use crate::domain::money::{Currency, Money};
use crate::domain::order::Variant;
use crate::gateway::CallError;
use crate::store::products::Product;
use crate::store::{self, StoreError};

/// One variant as the supplier shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub sku_id: String,
    pub sku_attr: String,
    /// Per piece, in the currency the supplier answered in.
    pub price: Money,
    /// `None` = not said.
    pub stock: Option<u32>,
}

/// Why it cannot be said what is to be bought.
#[derive(Debug, thiserror::Error)]
pub enum NoGoods {
    #[error("several of our products are bought as this one; name the sku: {}", .0.join(", "))]
    SeveralProducts(Vec<String>),
    /// Nothing of ours is chosen for the owner.
    #[error("the product has several variants; enter the one that is meant as a product and name its sku")]
    SeveralVariants(Vec<Offered>),
    #[error("price is missing: what one piece would be sold at, in {0}")]
    PriceMissing(Currency),
    #[error("the supplier does not sell it: {0}")]
    NotSold(String),
    /// Nothing is known about the product now.
    #[error("the supplier could not be asked: {0}")]
    NotKnown(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for NoGoods {
    fn from(error: StoreError) -> NoGoods {
        NoGoods::Engine(error.into())
    }
}

impl Engine {
    /// The SKU of the supplier's product. `country`: where it is sent, two capitals. `price`: of one piece, needed for a
    /// product that is not known yet.
    pub fn goods_of(&self, product_id: &str, country: &str, price: Option<Money>) -> Result<String, NoGoods> {
        let mut known = self.store.read(|c| store::products::of_supplier(c, product_id))?;
        match (known.pop(), known.len()) {
            (Some(product), 0) => return Ok(product.sku),
            (Some(last), _) => {
                return Err(NoGoods::SeveralProducts(known.into_iter().chain([last]).map(|p| p.sku).collect()));
            }
            (None, _) => {}
        }
        let offered = self.offered(product_id, country)?;
        let [only] = offered.as_slice() else { return Err(NoGoods::SeveralVariants(offered)) };
        let price = price.ok_or(NoGoods::PriceMissing(self.settings.policy.currency))?;
        let sku = format!("ali-{product_id}");
        let (sku_id, sku_attr) = (only.sku_id.clone(), only.sku_attr.clone());
        self.put_product(&Product {
            sku: sku.clone(),
            title: format!("AliExpress product {product_id}"),
            price,
            variant: Variant { product_id: product_id.to_owned(), sku_attr, sku_id, service: None },
            landed_cost_max: None,
            // Nobody put it up for sale.
            is_active: false,
        })?;
        Ok(sku)
    }

    /// Every variant of the product that can be bought; at least one.
    fn offered(&self, product_id: &str, country: &str) -> Result<Vec<Offered>, NoGoods> {
        let Some(aliexpress) = &self.aliexpress else {
            return Err(NoGoods::NotKnown("AliExpress is switched off or has no credentials".to_owned()));
        };
        let token = self.login()?.ok_or_else(|| NoGoods::NotKnown("no supplier login".to_owned()))?;
        let currency = self.settings.policy.currency;
        let seen =
            aliexpress.product(self.now(), &token, product_id, country, currency).map_err(|error| match error {
                refused @ CallError::Refused { .. } => NoGoods::NotSold(refused.to_string()),
                other => NoGoods::NotKnown(other.to_string()),
            })?;
        if !seen.on_sale || seen.variants.is_empty() {
            return Err(NoGoods::NotSold("it is off the shelf".to_owned()));
        }
        let offered = |v: crate::gateway::aliexpress::VariantSeen| Offered {
            sku_id: v.sku_id,
            sku_attr: v.sku_attr,
            price: v.price,
            stock: v.stock,
        };
        Ok(seen.variants.into_iter().map(offered).collect())
    }
}
