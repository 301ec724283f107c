//! What a person may say of one order, word for word. The fields are those of the interface, which checks what they
//! mean; here is only their spelling.

use clap::{Args, Subcommand};
use serde::Serialize;

/// Serialised it is the body of the request.
#[derive(Debug, Subcommand, Serialize)]
#[serde(untagged)]
pub enum Verb {
    /// Say yes to the supplier's offer
    Approve(Approve),
    /// Stop one order until it is released
    Hold(WithReason),
    /// Take the standing hold off, correcting what is named
    Release(Correction),
    /// Say what became of a purchase or a payment of unknown outcome
    Resolve(Resolve),
    /// Record goods bought by hand on the supplier's site
    MarkPurchased(MarkPurchased),
    /// Say that the placed supplier orders are paid
    MarkSupplierPaid(MarkSupplierPaid),
    /// Say that the goods are on their way
    MarkShipped(MarkShipped),
    /// Say that the goods have arrived
    MarkDelivered(MarkDelivered),
    /// Cancel an order before the goods are ordered; what the buyer paid goes back to him
    Cancel(WithReason),
    /// Give money back to the buyer
    Refund(Refund),
    /// Say what became of a refund of unknown outcome; PayPal is asked whether it is so
    ResolveRefund(ResolveRefund),
    /// Record that a channel paid what it held
    Settle(Settle),
    /// Record that the supplier gave money back
    SupplierRefund(SupplierRefund),
    /// Correct the buyer or the address before the goods are ordered
    Correct(Correction),
}

/// The order, and the name of the word itself.
#[derive(Debug, Args)]
pub struct To {
    /// An order's id, a channel's id of it, or a part of either that only one order has
    pub id: String,
    /// An idempotency key: the same word under the same key is heard once [default: a new one]
    #[arg(long)]
    pub key: Option<String>,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approve {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    /// Only to the offer with this hash
    #[arg(long, value_name = "HASH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_hash: Option<String>,
    /// A guard that may say no; may come several times
    #[arg(long = "override", value_name = "GUARD")]
    #[serde(rename = "override")]
    overrides: Vec<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The yes ends then, such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

#[derive(Debug, Args, Serialize)]
pub struct WithReason {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Correction {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    #[command(flatten)]
    #[serde(skip_serializing_if = "Buyer::is_empty")]
    buyer: Buyer,
    #[command(flatten)]
    #[serde(skip_serializing_if = "Address::is_empty")]
    shipping_address: Address,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Buyer {
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// A tax, passport or national address number, where the country wants one; of a Brazilian the CPF and his birthday
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    id_number: Option<String>,
}

impl Buyer {
    fn is_empty(&self) -> bool {
        [&self.name, &self.email, &self.phone, &self.id_number].iter().all(|field| field.is_none())
    }
}

/// Of a channel's order it replaces the whole old address.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    line1: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    line2: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    province: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<String>,
    /// Two capitals, such as US
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
}

impl Address {
    fn is_empty(&self) -> bool {
        let Address { line1, line2, city, province, postal_code, country } = self;
        [line1, line2, city, province, postal_code, country].iter().all(|field| field.is_none())
    }
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolve {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    /// The supplier's id of an order that came of it; may come several times
    #[arg(long = "supplier-order", value_name = "ID", required_unless_present = "nothing_there")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supplier_order_ids: Vec<String>,
    /// Nothing came of it; counts 24 hours after the first send
    #[arg(long, conflicts_with = "supplier_order_ids")]
    #[serde(rename = "outcome", skip_serializing_if = "is_not", serialize_with = "nothing_there")]
    nothing_there: bool,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolveRefund {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    /// Which refund of the order [default: the only unknown one]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    /// PayPal's id of the refund
    #[arg(long, value_name = "ID", required_unless_present = "nothing_there")]
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<String>,
    /// Nothing was given back; counts 24 hours after the last send
    #[arg(long, conflicts_with = "refund_id")]
    #[serde(rename = "outcome", skip_serializing_if = "is_not", serialize_with = "nothing_there")]
    nothing_there: bool,
}

fn is_not(given: &bool) -> bool {
    !given
}

fn nothing_there<S: serde::Serializer>(_: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("nothing-there")
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkPurchased {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    /// The supplier's id of the order; may come several times
    #[arg(long = "supplier-order", value_name = "ID", required = true)]
    supplier_order_ids: Vec<String>,
    /// Of all of them together, such as 9.40
    #[arg(long, value_name = "AMOUNT")]
    total: String,
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// Such as 2030-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    purchased_at: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Args, Serialize)]
pub struct MarkSupplierPaid {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    /// What was really paid [default: what is known of the supplier orders]
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<String>,
    #[arg(long, value_name = "CODE", requires = "total")]
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkShipped {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    #[arg(long, value_name = "NUMBER")]
    tracking_number: String,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<String>,
}

#[derive(Debug, Args, Serialize)]
pub struct MarkDelivered {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
}

#[derive(Debug, Args, Serialize)]
pub struct Refund {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    #[arg(long)]
    reason: String,
    /// How much, such as 5.00 [default: all that is left]
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    #[arg(long, value_name = "CODE", requires = "amount")]
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// A second refund within a day is meant
    #[arg(long)]
    #[serde(skip_serializing_if = "is_not")]
    again: bool,
    /// It goes out even while STOP is set
    #[arg(long)]
    #[serde(skip_serializing_if = "is_not")]
    confirm: bool,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settle {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    /// What arrived, such as 23.50
    #[arg(long, value_name = "AMOUNT")]
    amount: String,
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// What the channel kept of the whole order
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<String>,
    /// Where it arrived: paypal or bank
    #[arg(long)]
    account: String,
    /// The channel's own id of the settlement
    #[arg(long)]
    reference: String,
    /// Such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    settled_at: String,
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SupplierRefund {
    #[command(flatten)]
    #[serde(skip)]
    pub to: To,
    #[arg(long = "supplier-order", value_name = "ID")]
    supplier_order_id: String,
    /// Such as 9.40
    #[arg(long, value_name = "AMOUNT")]
    amount: String,
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// The supplier's or the bank's own id of it
    #[arg(long)]
    reference: String,
}

/// What a person may say of one payout. Serialised it is the body of the request.
#[derive(Debug, Subcommand, Serialize)]
#[serde(untagged)]
pub enum PayoutVerb {
    /// Order the next attempt of one that PayPal proved not to have paid
    Approve(ToPayout),
    /// Take one back that lies unclaimed
    Cancel(ToPayout),
    /// Record that what this payout was for was paid by other means
    MarkPaid(MarkPaid),
    /// Say what became of one of unknown outcome; PayPal is asked whether it is so
    Resolve(ResolvePayout),
}

#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvePayout {
    #[command(flatten)]
    #[serde(skip)]
    pub to: ToPayout,
    /// PayPal's id of the batch
    #[arg(long = "batch", value_name = "ID", required_unless_present = "nothing_there")]
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<String>,
    /// Nothing was paid; counts 24 hours after the last send, and by PayPal's statement
    #[arg(long, conflicts_with = "batch_id")]
    #[serde(rename = "outcome", skip_serializing_if = "is_not", serialize_with = "nothing_there")]
    nothing_there: bool,
}

#[derive(Debug, Args, Serialize)]
pub struct MarkPaid {
    #[command(flatten)]
    #[serde(skip)]
    pub to: ToPayout,
    /// The other payment's own id
    #[arg(long)]
    reference: String,
}

/// The payout, and the name of the word itself; neither stands in the body.
#[derive(Debug, Args, Serialize)]
pub struct ToPayout {
    /// The payout's id, as `payouts` lists it
    #[serde(skip)]
    pub id: String,
    /// An idempotency key: the same word under the same key is heard once [default: a new one]
    #[arg(long)]
    #[serde(skip)]
    pub key: Option<String>,
}

impl PayoutVerb {
    /// The last part of the route, and the payout.
    pub fn parts(&self) -> (&'static str, &ToPayout) {
        match self {
            PayoutVerb::Approve(to) => ("approve", to),
            PayoutVerb::Cancel(to) => ("cancel", to),
            PayoutVerb::MarkPaid(said) => ("mark-paid", &said.to),
            PayoutVerb::Resolve(said) => ("resolve", &said.to),
        }
    }
}

impl Verb {
    /// The last part of the route, and the order.
    pub fn parts(&self) -> (&'static str, &To) {
        match self {
            Verb::Approve(said) => ("approve", &said.to),
            Verb::Hold(said) => ("hold", &said.to),
            Verb::Release(said) => ("release", &said.to),
            Verb::Resolve(said) => ("resolve", &said.to),
            Verb::ResolveRefund(said) => ("resolve-refund", &said.to),
            Verb::MarkPurchased(said) => ("mark-purchased", &said.to),
            Verb::MarkSupplierPaid(said) => ("mark-supplier-paid", &said.to),
            Verb::MarkShipped(said) => ("mark-shipped", &said.to),
            Verb::MarkDelivered(said) => ("mark-delivered", &said.to),
            Verb::Refund(said) => ("refund", &said.to),
            Verb::Settle(said) => ("settle", &said.to),
            Verb::SupplierRefund(said) => ("supplier-refund", &said.to),
            Verb::Cancel(said) => ("cancel", &said.to),
            Verb::Correct(said) => ("correct", &said.to),
        }
    }
}
