//! A sale: an order bought in, with its true profit. It exists only as the result of an order with evidence (L23):
//! the capture's own fee and the supplier's own total, never an estimate (L10).

use super::claim::Recipient;
use super::money::{Money, MoneyError};
use super::payout::Leg;
use super::policy::{CommissionBase, CommissionRule, PaidBy};
use jiff::Timestamp;

/// A sale as it stands: version 1 ("actual"), or the last of its corrections, which are versions of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    /// From 1.
    pub version: u32,
    pub recorded_at: Timestamp,
    /// What the buyer paid and did not get back, tax included.
    pub gross: Money,
    pub tax: Money,
    /// The payment provider's or the channel's fee.
    pub fee: Money,
    pub supplier_total: Money,
    /// `None` when payouts were off: no commission is owed to anybody.
    pub rule: Option<CommissionRule>,
    pub commission: Money,
    /// The seller's part: what is left of all that. Negative when the order lost money, which is booked too (L11).
    pub profit: Money,
    pub paid_by: PaidBy,
    /// Every leg was proven paid; set in the transaction that settled the last one.
    pub is_payout_executed: bool,
}

/// The amounts a sale is computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleAmounts {
    pub gross: Money,
    pub tax: Money,
    pub fee: Money,
    pub supplier_total: Money,
}

/// `(commission, profit)`: commission + profit = gross − tax − fee − supplier total, exactly. The commission is at most
/// the profit before it and never below 0.
pub fn divide(amounts: &SaleAmounts, rule: Option<CommissionRule>) -> Result<(Money, Money), MoneyError> {
    let gross_profit = amounts.gross.minus(amounts.tax)?.minus(amounts.supplier_total)?;
    let before_commission = gross_profit.minus(amounts.fee)?;
    let zero = Money::zero(amounts.gross.currency);
    let Some(rule) = rule else { return Ok((zero, before_commission)) };
    let base = match rule.base {
        CommissionBase::GrossProfit => gross_profit,
        CommissionBase::NetProfit => before_commission,
    };
    let most = before_commission.minor.max(0);
    let commission = Money { minor: base.portion(rule.rate)?.minor.clamp(0, most), ..zero };
    Ok((commission, before_commission.minus(commission)?))
}

/// The tax inside what is left of a total: in proportion, half away from zero. Giving a part of a price back gives back
/// its part of the tax.
pub fn tax_left(total: Money, tax: Money, left: Money) -> Money {
    let (tax_minor, left, total) = (i128::from(tax.minor), i128::from(left.minor), i128::from(total.minor));
    let rounded = if total > 0 { (tax_minor * left * 2 + total) / (total * 2) } else { 0 };
    Money { minor: i64::try_from(rounded).unwrap_or(tax.minor), ..tax }
}

impl Sale {
    pub fn amounts(&self) -> SaleAmounts {
        SaleAmounts { gross: self.gross, tax: self.tax, fee: self.fee, supplier_total: self.supplier_total }
    }

    /// The next version of this sale, with other amounts under the same rule.
    pub fn corrected(&self, amounts: SaleAmounts) -> Result<Sale, MoneyError> {
        let (commission, profit) = divide(&amounts, self.rule)?;
        let SaleAmounts { gross, tax, fee, supplier_total } = amounts;
        let version = self.version + 1;
        Ok(Sale { version, gross, tax, fee, supplier_total, commission, profit, ..self.clone() })
    }

    /// What is owed to whom. Legs of 0 are not made, nor legs of a loss.
    pub fn legs(&self) -> Result<Vec<Leg>, MoneyError> {
        if self.rule.is_none() {
            return Ok(Vec::new());
        }
        let laid_out = match self.paid_by {
            PaidBy::Seller => self.supplier_total,
            PaidBy::Owner => Money::zero(self.supplier_total.currency),
        };
        let legs = [
            Leg { recipient: Recipient::Platform, amount: self.commission },
            Leg { recipient: Recipient::Seller, amount: self.profit.plus(laid_out)? },
        ];
        Ok(legs.into_iter().filter(|leg| leg.amount.is_positive()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::{Currency, Rate};

    fn check(
        gross: &str,
        tax: &str,
        fee: &str,
        cost: &str,
        rule: Option<(&str, CommissionBase)>,
        expect: (&str, &str),
    ) {
        let usd = |text: &str| Money::parse(text, Currency::new("USD").unwrap()).unwrap();
        let amounts = SaleAmounts { gross: usd(gross), tax: usd(tax), fee: usd(fee), supplier_total: usd(cost) };
        let rule = rule.map(|(rate, base)| CommissionRule { rate: Rate::parse_percent(rate).unwrap(), base });
        let (commission, profit) = divide(&amounts, rule).unwrap();
        assert_eq!((commission.decimal().as_str(), profit.decimal().as_str()), expect, "{gross} {tax} {fee} {cost}");
        let rest = amounts.gross.minus(amounts.tax).unwrap().minus(amounts.fee).unwrap();
        let rest = rest.minus(amounts.supplier_total).unwrap();
        assert_eq!(commission.plus(profit).unwrap(), rest, "no cent is lost");
    }

    #[test]
    fn commission_and_profit_add_up() {
        use CommissionBase::{GrossProfit, NetProfit};
        check("25.00", "0", "1.36", "10.39", Some(("10", GrossProfit)), ("1.46", "11.79"));
        check("25.00", "0", "1.36", "10.39", Some(("10", NetProfit)), ("1.33", "11.92"));
        check("25.00", "2.00", "1.36", "10.39", Some(("10", GrossProfit)), ("1.26", "9.99"));
        // Payouts off: nobody is owed a commission.
        check("25.00", "0", "1.36", "10.39", None, ("0.00", "13.25"));
        // The commission is never more than what is left, and never below zero; a loss is the seller's.
        check("12.00", "0", "1.50", "10.39", Some(("50", GrossProfit)), ("0.11", "0.00"));
        check("10.00", "0", "0.84", "10.39", Some(("10", GrossProfit)), ("0.00", "-1.23"));
    }
}
