//! A sale after the fact: what was given back, or came back from the supplier, is a next version of it, booked in the
//! transaction of the fact itself. Computes from rows and writes rows; calls nobody.

use super::settle::event;
use crate::domain::claim::Recipient;
use crate::domain::entries;
use crate::domain::ledger::Account;
use crate::domain::money::{Money, MoneyError};
use crate::domain::order::OrderId;
use crate::domain::purchase::Purchase;
use crate::domain::refund::{RefundStatus, TakenBackAs};
use crate::domain::sale::{Sale, SaleAmounts, tax_left};
use crate::domain::trade::Trade;
use crate::store::sales::Why;
use crate::store::{self, StoreError};
use jiff::Timestamp;
use rusqlite::Transaction;

/// Brings the sale of this order, if it has one, in line with what is known now. Nothing to correct: nothing is written.
pub(super) fn correct_sale(tx: &Transaction<'_>, shop: &str, id: &OrderId, why: &Why<'_>) -> store::Result<()> {
    let trade = store::trades::load(tx, shop, id)?;
    let Some(before) = &trade.sale else { return Ok(()) };
    let unreadable = |e: MoneyError| StoreError::Unreadable(e.to_string());
    let Some(amounts) = amounts_now(&trade) else { return Ok(()) };
    let after = before.corrected(amounts).map_err(unreadable)?;
    let booked = store::ledger::shares(tx, id)?;
    let shares = entries::shares(&trade.order, &after, &paid(&trade));
    if before.amounts() == after.amounts() && is_same(&booked, &shares) {
        return Ok(());
    }
    let legs = after.legs().map_err(unreadable)?.into_iter().map(|leg| (leg.recipient, leg.amount));
    store::sales::correct(tx, id, &after, &legs.collect::<Vec<_>>(), why)?;
    store::ledger::book(tx, id, why.at, &entries::corrected(&trade.order, before, &after, &booked, shares))?;
    let Sale { version, profit, commission, .. } = &after;
    let detail =
        format!("version {version}: profit {profit} commission {commission}; {} {}", why.reason, why.reference);
    event(tx, id, why.at, "sale_corrected", &detail)?;
    executed(tx, id, why.at)
}

/// The sale is paid out as soon as every leg is.
pub(super) fn executed(tx: &Transaction<'_>, id: &OrderId, now: Timestamp) -> store::Result<()> {
    let is_new = store::sales::payout_executed(tx, id)?;
    if is_new { event(tx, id, now, "payout_executed", "every leg is SUCCESS") } else { Ok(()) }
}

/// Right after the sale was recorded: what had gone back before it.
pub(super) fn correct_from_the_start(
    tx: &Transaction<'_>,
    shop: &str,
    id: &OrderId,
    why: &Why<'_>,
) -> store::Result<()> {
    let trade = store::trades::load(tx, shop, id)?;
    let reversals: i64 = trade
        .taken_back
        .iter()
        .filter(|taken| taken.how == TakenBackAs::Reversal && taken.status == RefundStatus::Completed)
        .map(|taken| taken.amount.minor)
        .sum();
    let given_back = trade.given_back();
    let reversals = Money { minor: reversals, ..given_back };
    let refunds = Money { minor: given_back.minor - reversals.minor, ..given_back };
    let taken = Money { minor: reversals.minor.saturating_add(trade.charged_back().minor), ..reversals };
    let before = entries::given_back_before(&trade.order, refunds, taken, trade.supplier_gave_back());
    store::ledger::book(tx, id, why.at, &before)?;
    correct_sale(tx, shop, id, why)
}

/// What the sale is made of by what is known now; `None` = something of it is not known.
fn amounts_now(trade: &Trade) -> Option<SaleAmounts> {
    let total = trade.order.total;
    let gone = trade.given_back().minor.saturating_add(trade.charged_back().minor);
    let gross = Money { minor: (total.minor - gone).max(0), ..total };
    let tax = tax_left(total, trade.order.tax.unwrap_or(Money::zero(total.currency)), gross);
    let fee = trade.fee()?;
    let fee = Money { minor: (fee.minor - trade.fee_back().minor).max(0), ..fee };
    let cost = trade.purchase.as_ref().and_then(Purchase::total)?;
    let supplier_total = Money { minor: (cost.minor - trade.supplier_gave_back().minor).max(0), ..cost };
    Some(SaleAmounts { gross, tax, fee, supplier_total })
}

/// What each recipient was paid of this sale, or may have been, or had netted.
fn paid(trade: &Trade) -> Vec<(Recipient, Money)> {
    let payouts = trade.payouts.iter().map(|payout| (payout.recipient, payout.claim.amount));
    let otherwise = trade.paid_otherwise.iter().map(|paid| (paid.recipient, paid.amount));
    payouts.chain(otherwise).chain(trade.set_offs.iter().copied()).collect()
}

/// An account that is not named has nothing.
fn is_same(a: &[(Account, Money)], b: &[(Account, Money)]) -> bool {
    let of = |list: &[(Account, Money)], account: &Account| {
        list.iter().find(|(known, _)| known == account).map_or(0, |(_, amount)| amount.minor)
    };
    a.iter().chain(b).all(|(account, _)| of(a, account) == of(b, account))
}
