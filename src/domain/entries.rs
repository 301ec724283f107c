//! Every entry that is ever booked, each with its reason. Nothing else makes entries.

use super::claim::Recipient;
use super::ledger::{Account, Entry};
use super::money::Money;
use super::order::{Funds, Order, Origin};
use super::policy::PaidBy;
use super::refund::TakenBackAs;
use super::sale::Sale;
use super::settlement::{PaidOtherwise, SettledTo, Settlement, SupplierRefund};

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
    Entry::new("supplier_paid", supplier_order_id).post(laid_out_for(origin), payer, total)
}

/// The same where the supplier asked in another currency: the card stands with what it was `charged`, the goods with
/// what that is in the currency of the sale (`total`), and `conversion` with the two against each other. What the seller
/// laid out is owed to him in the currency of the sale, so that there is only one side of it here.
pub fn supplier_paid_abroad(
    origin: Origin,
    supplier_order_id: &str,
    charged: Money,
    total: Money,
    paid_by: PaidBy,
) -> Entry {
    match paid_by {
        PaidBy::Owner => Entry::new("supplier_paid", supplier_order_id)
            .post(laid_out_for(origin), Account::Conversion, total)
            .post(Account::Conversion, Account::SupplierCard, charged),
        PaidBy::Seller => supplier_paid(origin, supplier_order_id, total, paid_by),
    }
}

/// What a paid supplier order stands as until it is sold.
fn laid_out_for(origin: Origin) -> Account {
    match origin {
        Origin::PurchaseOnly => Account::EquityTest,
        Origin::Checkout | Origin::Channel | Origin::Test => Account::SupplierPrepaid,
    }
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
    let shares = shares(order, sale, &[]);
    shares.into_iter().fold(entry, |entry, (account, share)| entry.post(Account::ProfitShare, account, share))
}

/// What of the profit is promised to whom, by account. `paid` is what each recipient was paid or may have been: of a leg
/// that came out smaller afterwards the rest is his debt, netted against what he is owed next. What a test brings too
/// little is the owner's, who ordered it.
pub fn shares(order: &Order, sale: &Sale, paid: &[(Recipient, Money)]) -> Vec<(Account, Money)> {
    if sale.rule.is_none() {
        return vec![(Account::EquityRetained, sale.profit)];
    }
    let laid_out = match sale.paid_by {
        PaidBy::Seller => sale.supplier_total.minor,
        PaidBy::Owner => 0,
    };
    let parts = [(Recipient::Platform, sale.commission, 0), (Recipient::Seller, sale.profit, laid_out)];
    let split = |(recipient, part, laid_out): (Recipient, Money, i64)| {
        let of_him = paid.iter().filter(|(paid_to, _)| *paid_to == recipient);
        let paid = of_him.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount.minor));
        // A loss is netted against what he laid out, which is his leg; only what is left of it is his debt.
        let leg = part.minor.saturating_add(laid_out).max(paid).max(0);
        let payable = Money { minor: leg - laid_out, ..part };
        let debt = Money { minor: part.minor - payable.minor, ..part };
        let bears = if order.funds == Funds::Owner { Account::EquityTest } else { Account::Receivable(recipient) };
        [(Account::Payable(recipient), payable), (bears, debt)]
    };
    let mut shares: Vec<(Account, Money)> = Vec::new();
    for (account, share) in parts.into_iter().flat_map(split) {
        match shares.iter_mut().find(|(known, _)| *known == account) {
            Some((_, sum)) => sum.minor = sum.minor.saturating_add(share.minor),
            None => shares.push((account, share)),
        }
    }
    shares
}

/// Money of a capture went back to the buyer, with the part of PayPal's fee that PayPal gave back. Of an order that is
/// not sold it leaves the deposits; else it is taken off what the sale brought.
pub fn given_back(id: &str, how: TakenBackAs, is_sold: bool, amount: Money, fee_back: Money) -> Entry {
    let from = match how {
        _ if !is_sold => Account::BuyerDeposits,
        TakenBackAs::Refund => Account::Refunds,
        TakenBackAs::Reversal => Account::Chargebacks,
    };
    Entry::new(how.word(), id).post(from, Account::PaypalAvailable, amount).post(
        Account::PaypalAvailable,
        Account::PaymentFees,
        fee_back,
    )
}

/// PayPal gave a refund up that it had completed: the opposite of what was booked.
pub fn not_given_back(id: &str, how: TakenBackAs, is_sold: bool, amount: Money, fee_back: Money) -> Entry {
    let mut entry = given_back(id, how, is_sold, amount, fee_back);
    entry.kind = "refund_returned";
    for posting in &mut entry.postings {
        std::mem::swap(&mut posting.debit, &mut posting.credit);
    }
    entry
}

/// What went back, or was taken by reversals and lost disputes, before the sale left deposits and prepaid goods that the sale has moved since: from now on it is taken
/// off what the sale brought and cost, like everything that goes back later.
pub fn given_back_before(order: &Order, refunds: Money, taken: Money, by_supplier: Money) -> Entry {
    Entry::new("given_back_before", &order.id.0)
        .post(Account::Refunds, Account::BuyerDeposits, refunds)
        .post(Account::Chargebacks, Account::BuyerDeposits, taken)
        .post(Account::SupplierPrepaid, Account::CostOfGoods, by_supplier)
}

/// A channel paid what it held of an order, or a part of it.
pub fn channel_settled(order: &Order, settlement: &Settlement) -> Entry {
    let to = match settlement.account {
        SettledTo::Paypal => Account::PaypalAvailable,
        SettledTo::Bank => Account::Bank,
    };
    let held = Account::ChannelFunds(order.identity.channel.clone());
    Entry::new("settlement", &format!("{}/{}", order.id, settlement.reference)).post(to, held, settlement.amount)
}

/// The supplier gave money back: to whoever paid him, off what the goods cost.
pub fn supplier_refunded(order: &Order, refund: &SupplierRefund, is_sold: bool, paid_by: PaidBy) -> Entry {
    let to = match paid_by {
        PaidBy::Owner => Account::SupplierCard,
        // It went back to his card, so he is owed that much less.
        PaidBy::Seller => Account::Payable(Recipient::Seller),
    };
    let cost = match order.origin {
        Origin::PurchaseOnly => Account::EquityTest,
        _ if is_sold => Account::CostOfGoods,
        _ => Account::SupplierPrepaid,
    };
    let reference = format!("{}/{}", refund.supplier_order_id, refund.reference);
    Entry::new("supplier_refund", &reference).post(to, cost, refund.amount)
}

/// A person paid a leg out of another pocket than our PayPal account: the debt is gone, and the owner brought the money.
pub fn paid_otherwise(order: &Order, paid: &PaidOtherwise) -> Entry {
    let reference = format!("{}/{}/{}", order.id, paid.recipient, paid.reference);
    let payable = Account::Payable(paid.recipient);
    Entry::new("paid_otherwise", &reference).post(payable, Account::EquityOwner, paid.amount)
}

/// What a recipient owes is netted against what he is owed.
pub fn set_off(order: &Order, recipient: Recipient, amount: Money) -> Entry {
    let reference = format!("{}/{recipient}", order.id);
    Entry::new("set_off", &reference).post(Account::Payable(recipient), Account::Receivable(recipient), amount)
}

/// The next version of a sale. `booked` is what was promised so far; the difference falls on both recipients.
pub fn corrected(
    order: &Order,
    before: &Sale,
    after: &Sale,
    booked: &[(Account, Money)],
    shares: Vec<(Account, Money)>,
) -> Entry {
    let back = |money: Money, less: Money| Money { minor: money.minor - less.minor, ..money };
    let entry = Entry::new("sale_correction", &format!("{}/{}", order.id, after.version)).post(
        Account::TaxCollected,
        Account::Refunds,
        back(before.tax, after.tax),
    );
    let entry = match order.funds {
        // The sale booked what the channel keeps; what PayPal keeps is booked with the capture and the refund.
        Funds::HeldByChannel => {
            let held = Account::ChannelFunds(order.identity.channel.clone());
            entry.post(Account::ChannelFees, held, back(after.fee, before.fee))
        }
        Funds::Capture | Funds::Settled | Funds::Owner => entry,
    };
    shares.into_iter().fold(entry, |entry, (account, share)| {
        let so_far = booked.iter().find(|(known, _)| *known == account).map_or(0, |(_, amount)| amount.minor);
        entry.post(Account::ProfitShare, account, Money { minor: share.minor - so_far, ..share })
    })
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

/// PayPal took money because of a dispute, or gave it back. `reference` names the movement.
pub fn dispute_moved(reference: &str, is_debit: bool, is_fee: bool, amount: Money) -> Entry {
    let account = if is_fee { Account::DisputeFees } else { Account::DisputeHold };
    let taken = if is_debit { amount } else { Money { minor: -amount.minor, ..amount } };
    Entry::new("dispute", reference).post(account, Account::PaypalAvailable, taken)
}

/// A dispute was lost: what was held is gone for good. Of an order that is not sold it leaves the deposits; else it is
/// taken off what the sale brought. Below zero: a decision was taken back.
pub fn charged_back(reference: &str, is_sold: bool, amount: Money) -> Entry {
    let from = if is_sold { Account::Chargebacks } else { Account::BuyerDeposits };
    Entry::new("chargeback", reference).post(from, Account::DisputeHold, amount)
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
    fn a16_a_supplier_abroad_is_booked_in_both_currencies() {
        let money = |minor, code: &str| Money::new(minor, Currency::new(code).unwrap());
        let check = |paid_by: PaidBy, expected: &[(&str, &str, Money)]| {
            let (charged, total) = (money(840, "EUR"), money(938, "USD"));
            let entry = supplier_paid_abroad(Origin::Checkout, "8100000000000001", charged, total, paid_by);
            let seen: Vec<_> =
                entry.postings.iter().map(|p| (p.debit.to_string(), p.credit.to_string(), p.amount)).collect();
            let expected: Vec<_> = expected.iter().map(|(d, c, m)| ((*d).to_owned(), (*c).to_owned(), *m)).collect();
            assert_eq!(seen, expected, "{paid_by}");
        };
        let goods = ("supplier:prepaid", "conversion", money(938, "USD"));
        check(PaidBy::Owner, &[goods, ("conversion", "supplier:card", money(840, "EUR"))]);
        check(PaidBy::Seller, &[("supplier:prepaid", "payable:seller", money(938, "USD"))]);
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
