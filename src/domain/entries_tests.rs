//! The books of whole roads: every kind of funds, with payouts and without, whoever paid the supplier, profit and loss.

use super::claim::Recipient;
use super::entries;
use super::ledger::{Account, Entry};
use super::money::{Currency, Money, Rate};
use super::order::{Funds, Order, Origin};
use super::policy::{CommissionRule, PaidBy};
use super::sale::{Sale, SaleAmounts, divide};
use super::standard::*;
use std::collections::BTreeMap;

/// Debits less credits.
#[derive(Default)]
struct Books(BTreeMap<(Account, Currency), i64>);

impl Books {
    fn book(&mut self, entry: &Entry) {
        for posting in &entry.postings {
            assert!(posting.amount.is_positive(), "a posting moves a positive amount");
            assert_ne!(posting.debit, posting.credit, "a posting moves something");
            let currency = posting.amount.currency;
            *self.0.entry((posting.debit.clone(), currency)).or_default() += posting.amount.minor;
            *self.0.entry((posting.credit.clone(), currency)).or_default() -= posting.amount.minor;
        }
        let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
        for ((_, currency), minor) in &self.0 {
            *sums.entry(*currency).or_default() += minor;
        }
        assert!(sums.values().all(|sum| *sum == 0), "the books balance after every entry");
    }

    fn of(&self, account: Account, currency: Currency) -> i64 {
        self.0.get(&(account, currency)).copied().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
struct Road {
    funds: Funds,
    rule: Option<CommissionRule>,
    paid_by: PaidBy,
    /// Gross, tax, fee, supplier total.
    amounts: SaleAmounts,
}

impl Road {
    fn order(&self) -> Order {
        let mut order = reported(paid(), self.funds).trade.order;
        (order.total, order.tax, order.channel_fee) =
            (self.amounts.gross, Some(self.amounts.tax), Some(self.amounts.fee));
        order
    }

    fn sale(&self) -> Sale {
        let (commission, profit) = divide(&self.amounts, self.rule).unwrap();
        let SaleAmounts { gross, tax, fee, supplier_total } = self.amounts.clone();
        let (rule, paid_by, is_payout_executed) = (self.rule, self.paid_by, false);
        Sale {
            version: 1,
            recorded_at: now(),
            gross,
            tax,
            fee,
            supplier_total,
            rule,
            commission,
            profit,
            paid_by,
            is_payout_executed,
        }
    }

    /// Books the whole road, and answers the books with what was paid out, and its fees.
    fn drive(&self) -> (Books, i64, i64) {
        let (order, sale) = (self.order(), self.sale());
        let mut books = Books::default();
        match self.funds {
            Funds::Capture => {
                books.book(&entries::captured("CAP1", sale.gross));
                books.book(&entries::capture_fee("CAP1", sale.fee));
            }
            Funds::Settled => books.book(&entries::settled_outside(&order, sale.fee)),
            Funds::HeldByChannel | Funds::Owner => {}
        }
        books.book(&entries::supplier_paid(Origin::Checkout, "8100000001", sale.supplier_total, self.paid_by));
        books.book(&entries::sold(&order, &sale));
        let (mut out, mut fees) = (0, 0);
        // Nothing leaves while the channel has the money (MONEY A7).
        let legs = if self.funds == Funds::HeldByChannel { Vec::new() } else { sale.legs().unwrap() };
        for leg in legs {
            let fee = leg.amount.portion(Rate::from_millionths(20_000)).unwrap();
            books.book(&entries::paid_out("TX", leg.recipient, leg.amount, fee));
            (out, fees) = (out + leg.amount.minor, fees + fee.minor);
        }
        (books, out, fees)
    }
}

fn check(road: &Road) {
    use Account::*;
    let (order, sale) = (road.order(), road.sale());
    let currency = order.total.currency;
    let (books, out, payout_fees) = road.drive();
    let of = |account: Account| books.of(account, currency);
    let (gross, tax, fee, cost) = (sale.gross.minor, sale.tax.minor, sale.fee.minor, sale.supplier_total.minor);
    let (commission, profit) = (sale.commission.minor, sale.profit.minor);
    assert_eq!(gross - tax - fee - cost, commission + profit, "no cent is lost: {road:?}");
    assert_eq!(of(BuyerDeposits), 0, "sold: {road:?}");
    assert_eq!(of(SupplierPrepaid), 0, "sold: {road:?}");
    assert_eq!(of(CostOfGoods), cost, "{road:?}");
    assert_eq!((-of(SalesRevenue), -of(TaxCollected)), (gross - tax, tax), "{road:?}");
    assert_eq!(of(PaymentFees) + of(ChannelFees), fee, "{road:?}");
    assert_eq!(of(PayoutFees), payout_fees, "beside the sale: {road:?}");
    let came_in = match road.funds {
        Funds::Capture | Funds::Settled => gross - fee,
        Funds::HeldByChannel | Funds::Owner => 0,
    };
    assert_eq!(of(PaypalAvailable), came_in - out - payout_fees, "captured − fee − payouts − payout fees: {road:?}");
    let channel = ChannelFunds(order.identity.channel.clone());
    assert_eq!(of(channel), if road.funds == Funds::HeldByChannel { gross - fee } else { 0 }, "{road:?}");
    assert_eq!(-of(SupplierCard), if road.paid_by == PaidBy::Owner { cost } else { 0 }, "{road:?}");
    let laid_out = if road.paid_by == PaidBy::Seller { cost } else { 0 };
    let owed = (-of(Payable(Recipient::Platform)), -of(Payable(Recipient::Seller)));
    let debt = of(Receivable(Recipient::Seller));
    if road.rule.is_none() {
        assert_eq!((out, -of(EquityRetained), debt), (0, profit, 0), "profit kept: {road:?}");
        assert_eq!(of(EquityTest), if road.funds == Funds::Owner { gross } else { 0 }, "{road:?}");
        assert_eq!(owed, (0, laid_out), "{road:?}");
    } else {
        assert_eq!((of(EquityRetained), of(ProfitShare)), (0, commission + profit), "{road:?}");
        let loss = (-profit - laid_out).max(0);
        let (tested, owing) = if road.funds == Funds::Owner { (gross + loss, 0) } else { (0, loss) };
        assert_eq!(debt, owing, "a loss beyond what he laid out is the seller's debt: {road:?}");
        assert_eq!(of(EquityTest), tested, "what a test costs is the owner's: {road:?}");
        let legs = (commission, (profit + laid_out).max(0));
        let left = if road.funds == Funds::HeldByChannel { legs } else { (0, 0) };
        assert_eq!(owed, left, "nothing is owed after the payouts: {road:?}");
    }
}

#[test]
fn the_books_of_every_road() {
    let amounts = |gross: &str, tax: &str, fee: &str, cost: &str, code: &str| SaleAmounts {
        gross: money(gross, code),
        tax: money(tax, code),
        fee: money(fee, code),
        supplier_total: money(cost, code),
    };
    let cases = [
        amounts("25.00", "0", "1.36", "10.39", "USD"),
        amounts("25.00", "2.07", "1.36", "10.39", "USD"),
        // Nothing is left, a loss, a loss of nearly all he laid out, and one of more than that.
        amounts("11.75", "0", "1.36", "10.39", "USD"),
        amounts("10.00", "0", "0.84", "10.39", "USD"),
        amounts("5.00", "0", "0.50", "14.90", "USD"),
        amounts("0.50", "0", "1.00", "0.10", "USD"),
        amounts("25.00", "0", "0", "10.39", "USD"),
        amounts("2500", "200", "136", "1039", "JPY"),
    ];
    for amounts in cases {
        for funds in Funds::ALL {
            for paid_by in PaidBy::ALL {
                for rule in [None, Some(commission()), Some(CommissionRule { rate: rate("100"), ..commission() })] {
                    // Test orders pay no fee.
                    let fee = if *funds == Funds::Owner { Money { minor: 0, ..amounts.fee } } else { amounts.fee };
                    let amounts = SaleAmounts { fee, ..amounts.clone() };
                    check(&Road { funds: *funds, rule, paid_by: *paid_by, amounts });
                }
            }
        }
    }
}

/// The standard order to the cent, as an accountant would write it.
#[test]
fn the_books_of_the_standard_order() {
    let amounts = SaleAmounts { gross: usd("25.00"), tax: usd("0"), fee: usd("1.36"), supplier_total: usd("10.39") };
    let road = Road { funds: Funds::Capture, rule: Some(commission()), paid_by: PaidBy::Owner, amounts };
    let (books, _, _) = road.drive();
    let balances: Vec<(String, i64)> =
        books.0.iter().filter(|(_, minor)| **minor != 0).map(|((a, _), minor)| (a.to_string(), *minor)).collect();
    let expected = [
        // 25.00 − 1.36 − 1.46 − 0.03 − 11.79 − 0.24
        ("paypal:available", 1012),
        ("supplier:card", -1039),
        ("cost_of_goods", 1039),
        ("sales_revenue", -2500),
        ("payment_fees", 136),
        ("payout_fees", 27),
        ("profit_share", 1325),
    ];
    assert_eq!(balances, expected.map(|(name, minor)| (name.to_owned(), minor)));
}

#[test]
fn an_event_is_named_by_its_outside_id() {
    let order = order();
    let sale = sold().trade.sale.unwrap();
    let names = |entry: Entry| (entry.kind, entry.reference);
    assert_eq!(names(entries::captured("CAP1", usd("1"))), ("capture", "CAP1".to_owned()));
    assert_eq!(names(entries::capture_fee("CAP1", usd("1"))), ("capture_fee", "CAP1".to_owned()));
    assert_eq!(names(entries::settled_outside(&order, usd("1"))), ("settled", order.id.0.clone()));
    assert_eq!(
        names(entries::supplier_paid(Origin::Checkout, "81", usd("1"), PaidBy::Owner)),
        ("supplier_paid", "81".to_owned())
    );
    assert_eq!(names(entries::sold(&order, &sale)), ("sale", order.id.0.clone()));
    assert_eq!(names(entries::paid_out("TX", Recipient::Seller, usd("1"), usd("0"))), ("payout", "TX".to_owned()));
}

/// A sale of 25.00 with 2.00 tax, 1.36 fee and goods for 10.39, of which so much went back: whatever was paid before,
/// sale and correction together promise exactly the new parts, and nobody is promised less than he was paid.
#[test]
fn b_a_correction_promises_what_is_left_and_keeps_what_was_paid() {
    let check =
        |paid_by: PaidBy, back: &str, was_paid: &[(Recipient, &str)], payable: (&str, &str), owed: (&str, &str)| {
            let rule = Some(commission());
            let amounts =
                SaleAmounts { gross: usd("25.00"), tax: usd("2.00"), fee: usd("1.36"), supplier_total: usd("10.39") };
            let road = Road { funds: Funds::Capture, rule, paid_by, amounts: amounts.clone() };
            let (order, sale) = (road.order(), road.sale());
            let gross = amounts.gross.minus(usd(back)).unwrap();
            let tax = super::sale::tax_left(order.total, amounts.tax, gross);
            let after = sale.corrected(SaleAmounts { gross, tax, ..amounts }).unwrap();
            let was_paid: Vec<_> = was_paid.iter().map(|(recipient, amount)| (*recipient, usd(amount))).collect();
            let booked = entries::shares(&order, &sale, &[]);
            let shares = entries::shares(&order, &after, &was_paid);
            let sum: i64 = shares.iter().map(|(_, share)| share.minor).sum();
            assert_eq!(sum, after.commission.minor + after.profit.minor, "all of it is promised, and no cent more");
            let mut books = Books::default();
            books.book(&entries::supplier_paid(order.origin, "8100000001", road.amounts.supplier_total, paid_by));
            books.book(&entries::sold(&order, &sale));
            books.book(&entries::corrected(&order, &sale, &after, &booked, shares));
            let of = |account: Account| Money::new(-books.of(account, order.total.currency), order.total.currency);
            let name = format!("{paid_by} {back} {was_paid:?}");
            let payables = (of(Account::Payable(Recipient::Platform)), of(Account::Payable(Recipient::Seller)));
            assert_eq!(payables, (usd(payable.0), usd(payable.1)), "payable: {name}");
            let debts = (of(Account::Receivable(Recipient::Platform)), of(Account::Receivable(Recipient::Seller)));
            assert_eq!(debts, (usd(owed.0), usd(owed.1)), "receivable: {name}");
        };
    use Recipient::{Platform, Seller};
    // Tax 1.60 of 20.00: 20.00 - 1.60 - 10.39 = 8.01, of it 0.80; 8.01 - 1.36 - 0.80 = 5.85 for the seller.
    check(PaidBy::Owner, "5.00", &[], ("0.80", "5.85"), ("0", "0"));
    check(PaidBy::Seller, "5.00", &[], ("0.80", "16.24"), ("0", "0"));
    // Paid 1.26 and 9.99 before.
    check(PaidBy::Owner, "5.00", &[(Platform, "1.26"), (Seller, "9.99")], ("1.26", "9.99"), ("-0.46", "-4.14"));
    check(PaidBy::Owner, "5.00", &[(Platform, "1.26")], ("1.26", "5.85"), ("-0.46", "0"));
    check(PaidBy::Seller, "5.00", &[(Seller, "20.38")], ("0.80", "20.38"), ("0", "-4.14"));
    // All of it: the loss is the seller's debt, or netted against what he laid out.
    check(PaidBy::Owner, "25.00", &[], ("0", "0"), ("0", "-11.75"));
    check(PaidBy::Seller, "25.00", &[], ("0", "0"), ("0", "-1.36"));
    check(PaidBy::Owner, "25.00", &[(Platform, "1.26"), (Seller, "9.99")], ("1.26", "9.99"), ("-1.26", "-21.74"));
}

#[test]
fn tax_goes_back_in_proportion() {
    let check = |total: &str, tax: &str, left: &str, expected: &str| {
        assert_eq!(super::sale::tax_left(usd(total), usd(tax), usd(left)), usd(expected), "{total} {tax} {left}");
    };
    check("25.00", "2.00", "25.00", "2.00");
    check("25.00", "2.00", "20.00", "1.60");
    check("25.00", "2.00", "0", "0");
    check("25.00", "0", "20.00", "0");
    check("3.00", "0.01", "1.50", "0.01");
    check("3.00", "0.01", "1.49", "0.00");
}
