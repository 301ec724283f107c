//! Every entry that is ever booked, each with its reason. Nothing else makes entries.

use super::claim::Recipient;
use super::ledger::{Account, Entry};
use super::money::Money;
use super::order::{Funds, Order};
use super::policy::PaidBy;
use super::sale::Sale;

/// What lay in the PayPal account when the books began, one currency.
pub fn opening(balance: Money) -> Entry {
    let currency = balance.currency.code();
    Entry::new("opening", currency).post(Account::PaypalAvailable, Account::EquityOwner, balance)
}

/// PayPal completed a capture: the money is in our account and still belongs to the buyer's order.
pub fn captured(capture_id: &str, gross: Money) -> Entry {
    Entry::new("capture", capture_id).post(Account::PaypalAvailable, Account::BuyerDeposits, gross)
}

/// PayPal told its fee for a capture, which it had already kept.
pub fn capture_fee(capture_id: &str, fee: Money) -> Entry {
    Entry::new("capture_fee", capture_id).post(Account::PaymentFees, Account::PaypalAvailable, fee)
}

/// Somebody with the money scope vouched that a channel's order lies settled in our PayPal account, less `fee`.
pub fn settled_outside(order: &Order, fee: Money) -> Entry {
    Entry::new("settled", &order.id.0).post(Account::PaypalAvailable, Account::BuyerDeposits, order.total).post(
        Account::ChannelFees,
        Account::PaypalAvailable,
        fee,
    )
}

/// One supplier order was paid: laid out for goods that are not sold yet. `None` as the payer: payouts are off and one
/// person is both.
pub fn supplier_paid(supplier_order_id: &str, total: Money, paid_by: PaidBy) -> Entry {
    let payer = match paid_by {
        PaidBy::Owner => Account::SupplierCard,
        PaidBy::Seller => Account::Payable(Recipient::Seller),
    };
    Entry::new("supplier_paid", supplier_order_id).post(Account::SupplierPrepaid, payer, total)
}

/// The order is bought in: revenue, cost, and who gets what of the profit.
pub fn sold(order: &Order, sale: &Sale) -> Entry {
    let funds = match order.funds {
        Funds::Capture | Funds::Settled => Account::BuyerDeposits,
        Funds::HeldByChannel => Account::ChannelFunds(order.identity.channel.clone()),
        Funds::Owner => Account::EquityTest,
    };
    let revenue = Money { minor: sale.gross.minor - sale.tax.minor, ..sale.gross };
    let entry = Entry::new("sale", &order.id.0)
        .post(funds.clone(), Account::SalesRevenue, revenue)
        .post(funds.clone(), Account::TaxCollected, sale.tax)
        .post(Account::CostOfGoods, Account::SupplierPrepaid, sale.supplier_total);
    let entry = match order.funds {
        Funds::HeldByChannel => entry.post(Account::ChannelFees, funds, sale.fee),
        // Booked when the money came in.
        Funds::Capture | Funds::Settled | Funds::Owner => entry,
    };
    if sale.rule.is_none() {
        return entry.post(Account::ProfitShare, Account::EquityRetained, sale.profit);
    }
    // A loss is netted against what he laid out, which is his leg; only what is left of it is his debt.
    let laid_out = match sale.paid_by {
        PaidBy::Seller => sale.supplier_total.minor,
        PaidBy::Owner => 0,
    };
    let netted = Money { minor: sale.profit.minor.max(-laid_out), ..sale.profit };
    let debt = Money { minor: sale.profit.minor - netted.minor, ..sale.profit };
    entry
        .post(Account::ProfitShare, Account::Payable(Recipient::Platform), sale.commission)
        .post(Account::ProfitShare, Account::Payable(Recipient::Seller), netted)
        .post(Account::ProfitShare, Account::Receivable(Recipient::Seller), debt)
}

/// PayPal proved a payout: the debt is gone, and so is PayPal's fee, which is the shop's expense beside the sale.
pub fn paid_out(transaction_id: &str, recipient: Recipient, amount: Money, fee: Money) -> Entry {
    Entry::new("payout", transaction_id).post(Account::Payable(recipient), Account::PaypalAvailable, amount).post(
        Account::PayoutFees,
        Account::PaypalAvailable,
        fee,
    )
}
