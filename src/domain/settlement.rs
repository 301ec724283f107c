//! Money that moved where this program cannot see it, by a person's word: a channel settled what it held, the supplier
//! gave money back, a leg was paid by other means. Nothing here is ever guessed.

use super::claim::Recipient;
use super::money::Money;
use super::trade::Trade;
use super::words;

words! {
    /// Where a channel's settlement arrived.
    pub enum SettledTo { Paypal = "paypal", Bank = "bank" }
}

/// What a channel paid of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The channel's own id of it; the same id is the same settlement.
    pub reference: String,
    pub amount: Money,
    /// What the channel kept of the whole order; `None` = this settlement does not say.
    pub fee: Option<Money>,
    pub account: SettledTo,
}

/// What the supplier gave back of one paid supplier order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplierRefund {
    pub supplier_order_id: String,
    pub reference: String,
    pub amount: Money,
}

/// A leg, or what a correction left of it, that a person paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidOtherwise {
    pub recipient: Recipient,
    pub reference: String,
    pub amount: Money,
}

impl Trade {
    /// What the channel paid so far.
    pub fn settled(&self) -> Money {
        self.told(self.settlements.iter().map(|s| s.amount))
    }

    /// What the channel still holds for us; all of the order's total but its fee, if that is known, and what it paid.
    pub fn held_by_channel(&self) -> Money {
        let fee = self.fee().map_or(0, |fee| fee.minor);
        let left = self.order.total.minor.saturating_sub(fee).saturating_sub(self.settled().minor);
        Money { minor: left.max(0), ..self.order.total }
    }

    /// Everything the channel held came in. Never while its fee is unknown.
    pub fn is_settled(&self) -> bool {
        self.fee().is_some() && self.held_by_channel().is_zero()
    }

    /// What the supplier gave back, of all supplier orders together.
    pub fn supplier_gave_back(&self) -> Money {
        self.told(self.supplier_refunds.iter().map(|r| r.amount))
    }

    /// What this recipient was paid by other means than a payout.
    pub fn paid_otherwise(&self, recipient: Recipient) -> Money {
        self.told(self.paid_otherwise.iter().filter(|p| p.recipient == recipient).map(|p| p.amount))
    }

    /// The first word about a payment of this leg by other means that is to be said again.
    pub fn said_paid(&self, recipient: Recipient) -> Option<&PaidOtherwise> {
        self.said_paid.iter().find(|paid| paid.recipient == recipient)
    }

    /// What of this recipient's leg was netted against his debt. `None` = nothing, and then it may still be.
    pub fn set_off(&self, recipient: Recipient) -> Option<Money> {
        self.set_offs.iter().find(|(of, _)| *of == recipient).map(|(_, amount)| *amount)
    }

    /// All of it is in the order's currency, by the law of the schema and the door.
    fn told(&self, amounts: impl Iterator<Item = Money>) -> Money {
        let minor = amounts.fold(0_i64, |sum, amount| sum.saturating_add(amount.minor));
        Money { minor, ..self.order.total }
    }
}
