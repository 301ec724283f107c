//! Every entry that is ever booked, each with its reason. Nothing else makes entries.

use super::claim::Recipient;
use super::ledger::{Account, Entry};
use super::money::Money;
use super::order::{Funds, Order, Origin};
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

/// PayPal converted a capture's net into another currency before it credited it.
pub fn converted(capture_id: &str, net: Money, received: Money) -> Entry {
    Entry::new("conversion", capture_id).post(Account::Conversion, Account::PaypalAvailable, net).post(
        Account::PaypalAvailable,
        Account::Conversion,
        received,
    )
}

/// Somebody with the money scope vouched that a channel's order lies settled in our PayPal account, less `fee`.
pub fn settled_outside(order: &Order, fee: Money) -> Entry {
    Entry::new("settled", &order.id.0).post(Account::PaypalAvailable, Account::BuyerDeposits, order.total).post(
        Account::ChannelFees,
        Account::PaypalAvailable,
        fee,
    )
}

/// One supplier order was paid: laid out for goods that are not sold yet. A trial purchase is never sold, so its cost is
/// the owner's at once and does not stand as laid out for ever; whoever paid is owed it all the same.
pub fn supplier_paid(origin: Origin, supplier_order_id: &str, total: Money, paid_by: PaidBy) -> Entry {
    let payer = match paid_by {
        PaidBy::Owner => Account::SupplierCard,
        PaidBy::Seller => Account::Payable(Recipient::Seller),
    };
    let cost = match origin {
        Origin::PurchaseOnly => Account::EquityTest,
        Origin::Checkout | Origin::Channel | Origin::Test => Account::SupplierPrepaid,
    };
    Entry::new("supplier_paid", supplier_order_id).post(cost, payer, total)
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

/// A person said that a movement in the PayPal account is the owner's own: money put in, taken out, or converted. `nets`:
/// what it moved of each currency. A fee of no movement of ours (`is_fee`) is the shop's expense.
pub fn movement(transaction_id: &str, nets: &[Money], is_fee: bool) -> Entry {
    let other = if is_fee { Account::PaymentFees } else { Account::EquityOwner };
    let entry = Entry::new("movement", transaction_id);
    nets.iter().fold(entry, |entry, net| entry.post(Account::PaypalAvailable, other.clone(), *net))
}

/// A payout left the account and lies unclaimed: nobody is paid yet, and the money is not ours to spend.
pub fn payout_left(item_id: &str, amount: Money, fee: Money) -> Entry {
    Entry::new("payout_unclaimed", item_id).post(Account::PayoutsInTransit, Account::PaypalAvailable, amount).post(
        Account::PayoutFees,
        Account::PaypalAvailable,
        fee,
    )
}

/// A payout that had left unclaimed has arrived. `more_fee`: what PayPal shows beyond the fee booked then.
pub fn payout_arrived(transaction_id: &str, recipient: Recipient, amount: Money, more_fee: Money) -> Entry {
    Entry::new("payout", transaction_id).post(Account::Payable(recipient), Account::PayoutsInTransit, amount).post(
        Account::PayoutFees,
        Account::PaypalAvailable,
        more_fee,
    )
}

/// A payout came back. `owed_to`: who had been paid and is owed it again; `None` = nobody had claimed it. PayPal keeps
/// its fee.
pub fn payout_returned(item_id: &str, owed_to: Option<Recipient>, amount: Money) -> Entry {
    let from = owed_to.map_or(Account::PayoutsInTransit, Account::Payable);
    Entry::new("payout_returned", item_id).post(Account::PaypalAvailable, from, amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    #[test]
    fn a_movement_of_the_owner_is_his_and_a_fee_is_an_expense() {
        let check = |cents: i64, is_fee: bool, debit: &str, credit: &str| {
            let entry = movement("T1", &[Money::new(cents, Currency::new("USD").unwrap())], is_fee);
            let posting = &entry.postings[0];
            assert_eq!((posting.debit.to_string().as_str(), posting.credit.to_string().as_str()), (debit, credit));
            assert_eq!((posting.amount.minor, entry.reference.as_str()), (cents.abs(), "T1"));
        };
        check(500, false, "paypal:available", "equity:owner");
        check(-500, false, "equity:owner", "paypal:available");
        check(-500, true, "payment_fees", "paypal:available");
        check(500, true, "paypal:available", "payment_fees");
    }

    #[test]
    fn b_a_trial_purchase_is_the_owners_cost_and_never_stands_as_laid_out() {
        let total = Money::new(1039, Currency::new("USD").unwrap());
        let check = |origin: Origin, paid_by: PaidBy, debit: &str, credit: &str| {
            let entry = supplier_paid(origin, "8100000000000001", total, paid_by);
            let posting = &entry.postings[0];
            let seen = (posting.debit.to_string(), posting.credit.to_string(), posting.amount);
            assert_eq!(seen, (debit.to_owned(), credit.to_owned(), total), "{origin} {paid_by}");
        };
        check(Origin::Checkout, PaidBy::Owner, "supplier:prepaid", "supplier:card");
        check(Origin::Channel, PaidBy::Seller, "supplier:prepaid", "payable:seller");
        check(Origin::Test, PaidBy::Owner, "supplier:prepaid", "supplier:card");
        check(Origin::PurchaseOnly, PaidBy::Owner, "equity:test", "supplier:card");
        check(Origin::PurchaseOnly, PaidBy::Seller, "equity:test", "payable:seller");
    }
}
