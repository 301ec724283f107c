//! Every limit and rate the seller sets, as the rules see them. Made from the configuration at the door; nothing here
//! has a default, because a default is configuration.

use super::fx::FxPolicy;
use super::money::{Currency, Money, Rate};
use super::words;
use jiff::SignedDuration;

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Currency of books and limits.
    pub currency: Currency,
    pub purchasing: Purchasing,
    /// So many first purchases wait for approval.
    pub first_orders_manual: u32,
    /// Decide for real, send nothing.
    pub is_shadow: bool,
    /// Wait this long after the payment before buying: buyers cancel.
    pub cancel_buffer: SignedDuration,
    pub quote_max_age: SignedDuration,
    /// Waits between looks at an unknown outcome; then a human.
    pub look_again: Vec<SignedDuration>,
    /// Ask the supplier to charge the bound account at once; otherwise the seller pays on the site.
    pub is_auto_pay: bool,
    pub limits: Limits,
    pub fx: FxPolicy,
    /// `None` = payouts are off: no legs, no commission.
    pub payouts: Option<PayoutPolicy>,
    /// Who paid the supplier.
    pub paid_by: PaidBy,
}

impl Policy {
    /// All waits of `look_again` together: an outcome unknown for longer is a human's.
    pub fn ladder(&self) -> SignedDuration {
        self.look_again.iter().copied().sum()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub orders_per_day: u32,
    pub spend_per_day: Money,
    pub purchase_max: Money,
    pub profit_min: Money,
    /// Of the sale before tax.
    pub margin_min: Rate,
    pub payouts_per_day: u32,
    pub payout_max: Money,
    pub refunds_per_day: u32,
    /// All payouts of a day together.
    pub pay_out_per_day: Money,
    /// How much may be laid out for goods whose sale is not booked yet; `None` = no limit.
    pub free_capital: Option<Money>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PayoutPolicy {
    pub commission: CommissionRule,
    pub after: ReleaseEvent,
    pub hold_days: u32,
}

/// The platform's part. Copied onto each sale (L21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommissionRule {
    pub rate: Rate,
    pub base: CommissionBase,
}

words! {
    pub enum CommissionBase {
        /// Net sale less the supplier's total.
        GrossProfit = "gross_profit",
        /// Less payment and channel fees too.
        NetProfit = "net_profit",
    }
}

words! {
    pub enum Purchasing { Automatic = "automatic", Manual = "manual" }
}

words! {
    /// What must have happened before profit leaves (MONEY A1).
    pub enum ReleaseEvent { SupplierPaid = "supplier_paid", Shipped = "shipped", Delivered = "delivered" }
}

words! {
    /// Whose money paid the supplier.
    pub enum PaidBy { Owner = "owner", Seller = "seller" }
}
