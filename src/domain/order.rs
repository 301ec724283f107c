//! An order: what a customer bought, and who. Unknown is unknown here (L14): a missing field is `None`, never a guess.

use super::money::{Money, MoneyError};
use super::words;
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

/// Name of an order, for people and programs: 16 characters derived from the outside identity, so that the same order
/// gets the same name in a restored database (MONEY A4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OrderId(pub String);

impl std::fmt::Display for OrderId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes an order the same order everywhere: which books, which shop, which channel, the channel's own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub mode: Mode,
    pub shop: String,
    pub channel: String,
    pub channel_order_id: String,
}

impl Identity {
    pub fn order_id(&self) -> OrderId {
        OrderId(self.derive("order", 0)[..16].to_owned())
    }

    /// The idempotency key of one attempt in one role: 52 lower-case letters and digits. Never hangs on a row id.
    pub fn derive(&self, role: &str, attempt: u32) -> String {
        // Length before content, so that no two identities run together into the same bytes.
        let mut bytes = Vec::new();
        let attempt = attempt.to_string();
        let parts = [self.mode.word(), &self.shop, &self.channel, &self.channel_order_id, role, &attempt];
        for part in parts {
            bytes.extend_from_slice(part.len().to_string().as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(part.as_bytes());
        }
        BASE32_NOPAD.encode(digest(&SHA256, &bytes).as_ref()).to_lowercase()
    }
}

words! {
    /// Which kind of money a database is about. A database has one mode for ever.
    pub enum Mode { Sandbox = "sandbox", Production = "production" }
}

words! {
    /// How the order came into being; fixed at insert (L5).
    pub enum Origin {
        /// Our own PayPal checkout.
        Checkout = "checkout",
        /// Reported by a sales channel or by the seller.
        Channel = "channel",
        /// A test order, funded by the owner's equity.
        Test = "test",
        /// Bought only to see whether buying works: never a sale, never a payout.
        PurchaseOnly = "purchase_only",
    }
}

words! {
    /// Where the buyer's money is. Only what came in can go out (MONEY A7).
    pub enum Funds {
        /// It comes through our own PayPal capture.
        Capture = "capture",
        /// Somebody with the money scope vouched that it lies in our PayPal account.
        Settled = "settled",
        /// The channel still has it.
        HeldByChannel = "held_by_channel",
        /// The owner's own money (test orders).
        Owner = "owner",
    }
}

words! {
    /// Who hands the sales tax to the state.
    pub enum TaxRemitter { Seller = "seller", Channel = "channel" }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub id: OrderId,
    pub identity: Identity,
    pub origin: Origin,
    /// What the buyer pays in all, tax included.
    pub total: Money,
    /// The tax inside `total`; `None` when nobody told us, which is shown as "before tax".
    pub tax: Option<Money>,
    pub tax_remitted_by: Option<TaxRemitter>,
    /// What the channel or the payment provider kept, as reported or by the configured rule; `None` = unknown. PayPal's
    /// fee of our own capture stands with the capture.
    pub channel_fee: Option<Money>,
    pub funds: Funds,
    /// When the buyer paid, by the channel's word. `None` for a checkout, where the capture tells.
    pub paid_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub lines: Vec<Line>,
    /// `None` until the buyer is known.
    pub buyer: Option<Buyer>,
    pub cancelled_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
}

/// One line of an order with the exact variant that was approved when the product was entered (L27).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub sku: String,
    pub quantity: u32,
    /// The product's own price for one piece at the time of the order.
    pub unit_price: Money,
    pub variant: Variant,
    /// The most one piece may cost landed, where the seller set it.
    pub landed_cost_max: Option<Money>,
    /// Whether the product may still be sold and bought.
    pub is_active: bool,
}

/// The supplier's names for exactly what to buy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    pub product_id: String,
    /// Sent when ordering; empty for a product with a single variant.
    pub sku_attr: String,
    /// Sent when asking for freight.
    pub sku_id: String,
    /// The freight service to use; `None` = the cheapest tracked one of the quote.
    pub service: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Default)]
pub struct Buyer {
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    /// A tax, passport or national address number, where the country's customs or post want one.
    pub id_number: Option<String>,
    pub address: Address,
}

#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    pub line1: Option<String>,
    pub line2: Option<String>,
    pub city: Option<String>,
    pub province: Option<String>,
    pub postal_code: Option<String>,
    /// ISO 3166 alpha-2.
    pub country: Option<String>,
}

/// Buyers' data stays out of logs and panics (L40).
impl std::fmt::Debug for Buyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buyer(***, {})", self.address.country.as_deref().unwrap_or("?"))
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address(***, {})", self.country.as_deref().unwrap_or("?"))
    }
}

impl Order {
    /// What the products would cost at their own prices.
    pub fn list_total(&self) -> Result<Money, MoneyError> {
        let zero = Money::zero(self.total.currency);
        self.lines.iter().try_fold(zero, |sum, line| sum.plus(line.unit_price.times(line.quantity)?))
    }

    /// The names of the fields without which nobody can deliver. Empty = complete.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.lines.is_empty() {
            missing.push("items");
        }
        if self.lines.iter().any(|l| l.quantity == 0) {
            missing.push("quantity");
        }
        if self.lines.iter().any(|l| l.variant.product_id.is_empty() || l.variant.sku_id.is_empty()) {
            missing.push("variant");
        }
        let none = Buyer::default();
        let buyer = self.buyer.as_ref().unwrap_or(&none);
        let address = &buyer.address;
        let fields = [
            ("buyer.name", &buyer.name),
            ("buyer.phone", &buyer.phone),
            ("shippingAddress.line1", &address.line1),
            ("shippingAddress.city", &address.city),
            ("shippingAddress.province", &address.province),
            ("shippingAddress.postalCode", &address.postal_code),
            ("shippingAddress.country", &address.country),
        ];
        let absent = |value: &Option<String>| value.as_deref().is_none_or(|v| v.trim().is_empty());
        missing.extend(fields.iter().filter(|(_, value)| absent(value)).map(|(name, _)| *name));
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(channel: &str, id: &str) -> Identity {
        Identity {
            mode: Mode::Sandbox,
            shop: "shop".to_owned(),
            channel: channel.to_owned(),
            channel_order_id: id.to_owned(),
        }
    }

    #[test]
    fn a4_keys_hang_on_the_outside_identity() {
        let one = identity("etsy", "1001");
        assert_eq!(one.derive("purchase", 1), identity("etsy", "1001").derive("purchase", 1));
        let others = [
            identity("etsy", "1002").derive("purchase", 1),
            identity("ebay", "1001").derive("purchase", 1),
            one.derive("purchase", 2),
            one.derive("capture", 1),
            Identity { mode: Mode::Production, ..one.clone() }.derive("purchase", 1),
            Identity { shop: "other".to_owned(), ..one.clone() }.derive("purchase", 1),
            // The same letters, cut elsewhere.
            identity("etsy1", "001").derive("purchase", 1),
        ];
        for other in others {
            assert_ne!(one.derive("purchase", 1), other);
        }
        assert!(one.derive("purchase", 1).bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    }
}
