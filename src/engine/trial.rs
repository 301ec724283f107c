//! Test orders: real orders that nobody paid for, created directly and funded by the owner. No PayPal capture is made
//! for them, ever. What is missing is named and never made up (L14), and the price is at most the product's (MONEY A7).

use super::Engine;
use super::intake::{Rejected, Taken, line, line_of_any, random_id};
use crate::domain::money::Money;
use crate::domain::order::{Buyer, Funds, Line, Order, Origin};
use crate::failpoint;
use crate::store;
use jiff::Timestamp;
use rusqlite::Transaction;

/// What a test order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The whole road: bought, sold, paid out.
    WholeRoad,
    /// Only bought: never a sale, never a payout, its cost the owner's.
    PurchaseOnly,
}

#[derive(Clone, Debug)]
pub struct TestOrder {
    pub trial: Trial,
    /// `None` = the one product that is for sale; with several, one has to be named.
    pub sku: Option<String>,
    pub quantity: u32,
    /// Of one piece; `None` = the product's own.
    pub price: Option<Money>,
    pub buyer: Buyer,
    /// Makes it the same order when it comes again; without one a random id is drawn.
    pub reference: Option<String>,
}

impl Trial {
    pub fn origin(self) -> Origin {
        match self {
            Trial::WholeRoad => Origin::Test,
            Trial::PurchaseOnly => Origin::PurchaseOnly,
        }
    }
}

impl TestOrder {
    /// The names of the buyer's fields without which it is not taken. Empty = complete.
    pub fn missing(&self) -> Vec<&'static str> {
        let (buyer, address) = (&self.buyer, &self.buyer.address);
        let fields = [
            ("buyer.name", &buyer.name),
            ("buyer.email", &buyer.email),
            ("buyer.phone", &buyer.phone),
            ("shippingAddress.line1", &address.line1),
            ("shippingAddress.city", &address.city),
            ("shippingAddress.province", &address.province),
            ("shippingAddress.postalCode", &address.postal_code),
            ("shippingAddress.country", &address.country),
        ];
        let absent = |value: &Option<String>| value.as_deref().is_none_or(|v| v.trim().is_empty());
        fields.iter().filter(|(_, value)| absent(value)).map(|(name, _)| *name).collect()
    }

    /// Of everything it says, for telling the same order from another one under the same reference.
    fn content_hash(&self) -> String {
        let (buyer, address) = (&self.buyer, &self.buyer.address);
        let price = self.price.map(|p| p.to_string());
        let quantity = Some(self.quantity.to_string());
        let fields = [
            &self.sku,
            &quantity,
            &price,
            &buyer.name,
            &buyer.email,
            &buyer.phone,
            &address.line1,
            &address.line2,
            &address.city,
            &address.province,
            &address.postal_code,
            &address.country,
        ];
        let mut said = String::new();
        for field in fields {
            // Length before content, so that no two orders run together into the same text.
            let text = field.as_deref().unwrap_or("");
            said.push_str(&format!("{}:{text}", text.len()));
        }
        store::claims::hash(said.as_bytes())
    }
}

impl Engine {
    /// Stores a test order as paid now by the owner, and rings the bell. Whoever calls this was allowed to spend money.
    pub fn take_test_order(&self, wanted: &TestOrder) -> std::result::Result<Taken, Rejected> {
        if self.is_stopped_now()? {
            return Err(Rejected::Stopped);
        }
        let missing = wanted.missing();
        if !missing.is_empty() {
            return Err(Rejected::Missing(missing));
        }
        let now = self.now();
        let reference = match &wanted.reference {
            Some(reference) => reference.clone(),
            None => random_id()?,
        };
        let content_hash = wanted.content_hash();
        let channel = wanted.trial.origin().word();
        let taken = self.store.write(|tx| {
            if let Some((order, hash)) = store::intake::known(tx, channel, &reference)? {
                let same = hash == content_hash;
                return if same { Ok(Taken { order, is_new: false }) } else { Err(Rejected::OtherContent(order)) };
            }
            let order = self.trial_order(tx, wanted, &reference, now)?;
            let arrival =
                store::intake::Arrival { content_hash: &content_hash, outside_capture: None, buyer_source: "operator" };
            store::intake::insert(tx, &order, &arrival)?;
            let detail = format!("{channel} {} {}", order.total, order.funds);
            store::events::append(tx, Some(&order.id), now, "order", &detail)?;
            failpoint::hit("intake.before_commit");
            Ok(Taken { order: order.id, is_new: true })
        })?;
        failpoint::hit("intake.committed");
        self.bell.ring();
        Ok(taken)
    }

    fn trial_order(
        &self,
        tx: &Transaction<'_>,
        wanted: &TestOrder,
        reference: &str,
        now: Timestamp,
    ) -> std::result::Result<Order, Rejected> {
        let sku = match &wanted.sku {
            Some(sku) => sku.clone(),
            None => the_only_product(tx)?,
        };
        let line = match wanted.trial {
            Trial::WholeRoad => line(tx, &sku, wanted.quantity)?,
            // The owner may try a product before he puts it up for sale.
            Trial::PurchaseOnly => line_of_any(tx, &sku, wanted.quantity)?,
        };
        let total = total(&line, wanted.price)?;
        let identity = self.identity(wanted.trial.origin().word(), reference);
        Ok(Order {
            id: identity.order_id(),
            identity,
            origin: wanted.trial.origin(),
            total,
            tax: None,
            tax_remitted_by: None,
            channel_fee: None,
            funds: Funds::Owner,
            paid_at: Some(now),
            created_at: now,
            lines: vec![line],
            buyer: Some(wanted.buyer.clone()),
            cancelled_at: None,
            closed_at: None,
        })
    }
}

/// A product is chosen only where there is nothing to choose.
fn the_only_product(tx: &Transaction<'_>) -> std::result::Result<String, Rejected> {
    let products = store::products::list(tx)?;
    let mut active = products.into_iter().filter(|p| p.is_active).map(|p| p.sku);
    match (active.next(), active.next()) {
        (Some(sku), None) => Ok(sku),
        (None, _) => Err(Rejected::Invalid { field: "sku", reason: "no product is for sale".to_owned() }),
        (Some(_), Some(_)) => {
            Err(Rejected::Invalid { field: "sku", reason: "missing; several products are for sale".to_owned() })
        }
    }
}

fn total(line: &Line, price: Option<Money>) -> std::result::Result<Money, Rejected> {
    let invalid = |field, reason: String| Rejected::Invalid { field, reason };
    let most = line.unit_price;
    let price = price.unwrap_or(most);
    if price.currency != most.currency {
        return Err(invalid("price", format!("the product's price is in {}", most.currency)));
    }
    if !price.is_positive() || price.minor > most.minor {
        return Err(invalid("price", format!("above 0 and at most the product's own, {most}")));
    }
    price.times(line.quantity).map_err(|e| invalid("quantity", e.to_string()))
}
