//! The mechanism of the books: a posting moves a positive amount from one account to another, so an unbalanced one
//! cannot be written. Entries are never changed; a mistake is reversed.

use super::claim::Recipient;
use super::money::Money;
use std::fmt;

/// The chart of accounts. Each name says what its balance means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What PayPal says we can spend.
    PaypalAvailable,
    /// Captured and not yet sold.
    BuyerDeposits,
    /// Sold through a channel that still holds the money.
    ChannelFunds(String),
    /// The owner's bank account, as far as a channel pays into it.
    Bank,
    /// The owner's card, which paid the supplier.
    SupplierCard,
    /// Paid to the supplier for orders not yet sold.
    SupplierPrepaid,
    CostOfGoods,
    SalesRevenue,
    /// Given back of sold orders; taken off the revenue.
    Refunds,
    /// Taken back by PayPal or the buyer's bank for good, without any word of ours.
    Chargebacks,
    TaxCollected,
    PaymentFees,
    ChannelFees,
    PayoutFees,
    /// Taken by PayPal because of a dispute that may still end well.
    DisputeHold,
    DisputeFees,
    /// What of the profit was promised to somebody: the other side of the payables.
    ProfitShare,
    /// The other side of what PayPal or a card converted: what left in one currency stands against what came in the
    /// other.
    Conversion,
    /// Taken by PayPal for a payout that nobody has claimed yet.
    PayoutsInTransit,
    /// Owed to a recipient.
    Payable(Recipient),
    /// A recipient's debt to us: the seller's loss, or overpaid after a refund.
    Receivable(Recipient),
    EquityOwner,
    EquityTest,
    /// Profit kept while payouts are off.
    EquityRetained,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Account::PaypalAvailable => "paypal:available",
            Account::BuyerDeposits => "buyer_deposits",
            Account::ChannelFunds(channel) => return write!(f, "channel_funds:{channel}"),
            Account::Bank => "bank",
            Account::SupplierCard => "supplier:card",
            Account::SupplierPrepaid => "supplier:prepaid",
            Account::CostOfGoods => "cost_of_goods",
            Account::SalesRevenue => "sales_revenue",
            Account::Refunds => "refunds",
            Account::Chargebacks => "chargebacks",
            Account::TaxCollected => "tax_collected",
            Account::PaymentFees => "payment_fees",
            Account::ChannelFees => "channel_fees",
            Account::PayoutFees => "payout_fees",
            Account::Conversion => "conversion",
            Account::PayoutsInTransit => "payouts_in_transit",
            Account::DisputeHold => "dispute_hold",
            Account::DisputeFees => "dispute_fees",
            Account::ProfitShare => "profit_share",
            Account::Payable(recipient) => return write!(f, "payable:{recipient}"),
            Account::Receivable(recipient) => return write!(f, "receivable:{recipient}"),
            Account::EquityOwner => "equity:owner",
            Account::EquityTest => "equity:test",
            Account::EquityRetained => "equity:retained",
        };
        f.write_str(name)
    }
}

/// `amount` is always above zero: from `credit` to `debit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub debit: Account,
    pub credit: Account,
    pub amount: Money,
}

/// One booked event. `(kind, reference)` is unique: an event is booked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: &'static str,
    pub reference: String,
    pub postings: Vec<Posting>,
}

impl Entry {
    pub fn new(kind: &'static str, reference: &str) -> Entry {
        Entry { kind, reference: reference.to_owned(), postings: Vec::new() }
    }

    /// Adds a posting. Zero moves nothing and is left out; a negative amount is posted the other way round, so that a
    /// posting is always positive.
    pub fn post(mut self, debit: Account, credit: Account, amount: Money) -> Entry {
        let magnitude = Money { minor: amount.minor.abs(), ..amount };
        match amount.minor.signum() {
            0 => {}
            1 => self.postings.push(Posting { debit, credit, amount: magnitude }),
            _ => self.postings.push(Posting { debit: credit, credit: debit, amount: magnitude }),
        }
        self
    }
}
