//! Buying from the supplier: the quote, the purchase (one attempt of ours), and the supplier orders it became.

use super::claim::Claim;
use super::money::{Money, MoneyError};
use super::words;
use jiff::{SignedDuration, Timestamp};

/// The supplier's price now, for exactly the variants, quantities and country of one order.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    /// Of everything below and the address; an approval carries it (MONEY A18).
    pub hash: String,
    pub quoted_at: Timestamp,
    pub lines: Vec<QuoteLine>,
    /// Items of all lines, freight and quoted tax apart.
    pub items: Money,
    pub freight: Money,
    pub tax: Money,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QuoteLine {
    pub unit_price: Money,
    /// Of all pieces of the line; `None` = quoted before this was kept.
    pub freight: Option<Money>,
    /// Tax and import charges of all pieces of the line; `None` = quoted before this was kept.
    pub tax: Option<Money>,
    /// Pieces in stock; `None` = the supplier did not say.
    pub stock: Option<u32>,
    /// The most pieces one buyer may take; `None` = no limit.
    pub buy_limit: Option<u32>,
    pub is_on_sale: bool,
    /// The freight service chosen; `None` = nothing is shipped to that country.
    pub service: Option<String>,
}

impl QuoteLine {
    /// What this line costs until it lies at the buyer's door. `None` = not known, or not to be added.
    pub fn landed(&self, quantity: u32) -> Option<Money> {
        self.unit_price.times(quantity).ok()?.plus(self.freight?).ok()?.plus(self.tax?).ok()
    }
}

impl Quote {
    /// What it costs until it lies at the buyer's door.
    pub fn landed(&self) -> Result<Money, MoneyError> {
        self.items.plus(self.freight)?.plus(self.tax)
    }
}

/// Why the supplier made no offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteFailure {
    pub reason: String,
    pub failed_at: Timestamp,
    /// Asked again then.
    pub retry_at: Timestamp,
}

/// A passing trouble is asked again within minutes; whoever asks later than this was told no.
const PASSING: SignedDuration = SignedDuration::from_mins(5);

impl QuoteFailure {
    /// The supplier said no, and did not merely fail to answer.
    pub fn is_no(&self) -> bool {
        self.retry_at.duration_since(self.failed_at) > PASSING
    }
}

/// Our buying from the supplier, one attempt. One purchase may become several supplier orders (MONEY A11).
#[derive(Clone, Debug, PartialEq)]
pub struct Purchase {
    pub claim: Claim,
    /// The most it may cost in all, fixed when it was approved.
    pub ceiling: Money,
    /// The offer its bytes were made for, address included.
    pub quote_hash: String,
    /// Sent with try_to_pay: its bytes are never sent twice after an unknown outcome (MONEY A8).
    pub is_auto_pay: bool,
    /// The ids below were typed by a person and not given by the supplier; they may be another order's.
    pub are_ids_typed: bool,
    /// Empty until the supplier's order ids are known.
    pub supplier_orders: Vec<SupplierOrder>,
}

words! {
    pub enum SupplierOrderState {
        /// Exists, not paid: costs nothing yet.
        Placed = "placed",
        /// Paid by its own paid time: the money is gone.
        Paid = "paid",
        /// Closed without ever having been paid.
        Dead = "dead",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct SupplierOrder {
    pub id: String,
    pub state: SupplierOrderState,
    pub placed_at: Timestamp,
    /// What the payer pays, by the supplier's own account of it. `None` until inspected.
    pub total: Option<Money>,
    pub asked_at: Option<Timestamp>,
    /// Unpaid after this, the supplier closes it.
    pub pay_by: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
    /// First reading "closed and never paid"; a second one a day later makes it dead (MONEY A12).
    pub closed_seen_at: Option<Timestamp>,
    pub tracking_number: Option<String>,
    /// How often PayPal was told this number without success, and when last.
    pub tracking_tries: u32,
    pub tracking_tried_at: Option<Timestamp>,
    /// PayPal knows it, or will not hear of it.
    pub is_tracking_told: bool,
    pub shipped_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
}

impl Purchase {
    /// The sum of all supplier orders, once every one of them is known.
    pub fn total(&self) -> Option<Money> {
        let mut sum: Option<Money> = None;
        for order in self.supplier_orders.iter().filter(|o| o.state != SupplierOrderState::Dead) {
            let total = order.total?;
            sum = Some(match sum {
                Some(so_far) => so_far.plus(total).ok()?,
                None => total,
            });
        }
        sum
    }

    pub fn is_placed(&self) -> bool {
        !self.supplier_orders.is_empty()
    }

    fn all(&self, f: impl Fn(&SupplierOrder) -> bool) -> bool {
        self.is_placed() && self.supplier_orders.iter().all(f)
    }

    pub fn is_paid(&self) -> bool {
        self.all(|o| o.state == SupplierOrderState::Paid)
    }

    pub fn is_dead(&self) -> bool {
        self.all(|o| o.state == SupplierOrderState::Dead)
    }

    /// Some paid, the others dead: neither a purchase nor none (MONEY A11).
    pub fn is_mixed(&self) -> bool {
        self.all(|o| o.state != SupplierOrderState::Placed) && !self.is_paid() && !self.is_dead()
    }

    pub fn paid_at(&self) -> Option<Timestamp> {
        if self.is_paid() { self.supplier_orders.iter().filter_map(|o| o.paid_at).max() } else { None }
    }

    pub fn shipped_at(&self) -> Option<Timestamp> {
        if self.all(|o| o.shipped_at.is_some()) {
            self.supplier_orders.iter().filter_map(|o| o.shipped_at).max()
        } else {
            None
        }
    }

    pub fn delivered_at(&self) -> Option<Timestamp> {
        if self.all(|o| o.delivered_at.is_some()) {
            self.supplier_orders.iter().filter_map(|o| o.delivered_at).max()
        } else {
            None
        }
    }
}
