//! Money that moved where no far side of ours can be asked, by the word of somebody with the money scope: a channel
//! settled, the supplier gave money back, a leg was paid by other means. The word becomes a fact and an entry in one
//! transaction, and a sale that it changes gets its next version. Sends nothing.

use super::Engine;
use super::by_hand::refused;
use super::correct::correct_sale;
use super::once::{Heard, NotHeard, Once};
use super::settle::event;
use crate::domain::claim::{Recipient, Slot, State};
use crate::domain::entries;
use crate::domain::hold::HoldCode;
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Funds, OrderId};
use crate::domain::payout::Payout;
use crate::domain::purchase::SupplierOrderState;
use crate::domain::settlement::{PaidOtherwise, Settlement, SupplierRefund};
use crate::domain::trade::Trade;
use crate::store::sales::Why;
use crate::store::settlements::Said;
use crate::store::{self, claims, feeds};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

/// What a repeated fact answers: told before, with the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    New,
    Before,
}

impl Engine {
    /// A channel paid what it held, or a part of it. The same reference again is the same settlement.
    pub fn settle_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        settlement: &Settlement,
        settled_at: Timestamp,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        if self.is_new(once)? {
            self.store.read(|c| self.settleable(c, order, settlement).map(drop))?;
        }
        let said = format!("settle {} {} to {}", settlement.amount, settlement.reference, settlement.account);
        self.once(once, order, &said, by, |tx, now| {
            let (trade, told) = self.settleable(tx, order, settlement)?;
            if told == Told::Before {
                return Ok(());
            }
            take_up(tx, order, now, "the channel settled")?;
            store::settlements::settled(tx, order, settlement, settled_at, Said { at: now, by })?;
            store::ledger::book(tx, order, now, &entries::channel_settled(&trade.order, settlement))?;
            let Settlement { reference, amount, account, .. } = settlement;
            event(tx, order, now, "settled", &format!("{amount} {reference} to {account} by {by}"))?;
            let why = Why { at: now, reason: "settlement", reference };
            Ok(correct_sale(tx, &self.settings.shop, order, &why)?)
        })
    }

    fn settleable(
        &self,
        connection: &Connection,
        order: &OrderId,
        settlement: &Settlement,
    ) -> Result<(Trade, Told), NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        if trade.order.funds != Funds::HeldByChannel {
            return Err(refused("not_held_by_channel", "No channel holds the money of this order."));
        }
        if let Some(known) = trade.settlements.iter().find(|s| s.reference == settlement.reference) {
            return same(known == settlement).map(|told| (trade.clone(), told));
        }
        if trade.order.cancelled_at.is_some() {
            let detail = "This order is cancelled, so its money is not the shop's: give it back where it was paid.";
            return Err(refused("cancelled", detail));
        }
        let total = trade.order.total;
        let is_same = |money: Money| money.currency == total.currency;
        if !is_same(settlement.amount) || settlement.fee.is_some_and(|fee| !is_same(fee)) {
            return Err(refused("other_currency", format!("The order is in {}.", total.currency)));
        }
        let fee = settlement.fee.or(trade.fee()).map_or(0, |fee| fee.minor);
        let most = total.minor.saturating_sub(fee).saturating_sub(trade.settled().minor);
        if settlement.amount.minor > most {
            let most = Money { minor: most.max(0), ..total };
            return Err(refused("over_owed", format!("The channel still owes at most {most} of this order.")));
        }
        Ok((trade, Told::New))
    }

    /// The supplier gave back money of a paid supplier order.
    pub fn supplier_refund_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        refund: &SupplierRefund,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        if self.is_new(once)? {
            self.store.read(|c| self.refundable_by_supplier(c, order, refund).map(drop))?;
        }
        let SupplierRefund { supplier_order_id, reference, amount } = refund;
        let said = format!("supplier-refund {supplier_order_id} {amount} {reference}");
        self.once(once, order, &said, by, |tx, now| {
            let (trade, told) = self.refundable_by_supplier(tx, order, refund)?;
            if told == Told::Before {
                return Ok(());
            }
            take_up(tx, order, now, "the supplier gave money back")?;
            let paid_by = store::ledger::paid_by(tx, order)?.unwrap_or(self.paid_by());
            store::settlements::supplier_refunded(tx, refund, Said { at: now, by })?;
            let entry = entries::supplier_refunded(&trade.order, refund, trade.sale.is_some(), paid_by);
            store::ledger::book(tx, order, now, &entry)?;
            event(tx, order, now, "supplier_refunded", &format!("{supplier_order_id} {amount} {reference} by {by}"))?;
            let why = Why { at: now, reason: "supplier refund", reference };
            Ok(correct_sale(tx, &self.settings.shop, order, &why)?)
        })
    }

    fn refundable_by_supplier(
        &self,
        connection: &Connection,
        order: &OrderId,
        refund: &SupplierRefund,
    ) -> Result<(Trade, Told), NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        let of_it = |known: &&SupplierRefund| known.supplier_order_id == refund.supplier_order_id;
        if let Some(known) = trade.supplier_refunds.iter().filter(of_it).find(|r| r.reference == refund.reference) {
            return same(known == refund).map(|told| (trade.clone(), told));
        }
        let mut orders = trade.purchase.iter().flat_map(|p| &p.supplier_orders);
        let paid = orders.find(|o| o.id == refund.supplier_order_id && o.state == SupplierOrderState::Paid);
        let Some(total) = paid.and_then(|o| o.total) else {
            return Err(refused("not_paid", "This order has no paid supplier order of that id."));
        };
        if refund.amount.currency != total.currency {
            return Err(refused("other_currency", format!("The supplier was paid in {}.", total.currency)));
        }
        let so_far: i64 = trade.supplier_refunds.iter().filter(of_it).map(|r| r.amount.minor).sum();
        let most = Money { minor: total.minor - so_far, ..total };
        if refund.amount.minor > most.minor {
            return Err(refused("over_paid", format!("The supplier has at most {most} of ours.")));
        }
        Ok((trade, Told::New))
    }

    /// A person paid a leg, or what a correction left of it, by other means than PayPal's payouts. No payout of this leg
    /// is ever sent again, and `payout_executed` stays for PayPal's proof.
    pub fn mark_paid_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        key: &str,
        reference: &str,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        // No worker may be about to send it.
        let _hand = self.hand_on(order)?;
        let is_new = self.is_new(once)?;
        if is_new {
            self.look_at_what_came_back(order)?;
        }
        let said = match is_new {
            true => self.store.read(|c| self.payable_otherwise(c, order, key, reference))?.map(|(_, _, amount)| amount),
            false => None,
        };
        // The journal knows the amount too: a database that forgets this word is told it again (MONEY A6).
        let told_before = format!("mark-paid {key} {reference}");
        let word = said.map_or(told_before, |amount| said_word(key, amount, reference));
        self.once(once, order, &word, by, |tx, now| {
            let Some((trade, recipient, amount)) = self.payable_otherwise(tx, order, key, reference)? else {
                return Ok(());
            };
            if said != Some(amount) {
                return Err(refused("owed_changed", "What is owed has changed in this moment; say it again."));
            }
            take_up(tx, order, now, "a leg was paid by other means")?;
            if let Some(claim) = trade.payout(recipient).map(|p| &p.claim).filter(|c| c.is_pending()) {
                claims::void(tx, &claim.key, "paid by other means before it was sent", now)?;
            }
            let paid = PaidOtherwise { recipient, reference: reference.to_owned(), amount };
            store::settlements::paid_otherwise(tx, order, &paid, Said { at: now, by })?;
            store::ledger::book(tx, order, now, &entries::paid_otherwise(&trade.order, &paid))?;
            // A payout that was given up for this may have counted as paid over the leg.
            let why = Why { at: now, reason: "paid by other means", reference };
            correct_sale(tx, &self.settings.shop, order, &why)?;
            let is_about_it = |code| matches!(code, HoldCode::PayoutProblem | HoldCode::PayoutRefused);
            // The hold also keeps the other leg's next attempt in, if that came to nothing too; this word is not about it.
            let came_to_nothing = |other: Recipient| {
                let is_settled = trade.payout(other).is_some() || trade.paid_otherwise(other).is_positive();
                other != recipient && trade.attempts(Slot::Payout(other)) > 0 && !is_settled
            };
            let is_alone = !Recipient::ALL.iter().any(|other| came_to_nothing(*other));
            if is_alone && trade.hold.as_ref().is_some_and(|h| is_about_it(h.code)) {
                store::holds::release(tx, order, by, now)?;
            }
            Ok(event(tx, order, now, "paid_otherwise", &format!("{recipient} {amount} {reference} by {by}"))?)
        })
    }

    /// A word that the journal kept is about a payout that may count as paid here and came back since: that is looked at
    /// before the word is booked beside it.
    fn look_at_what_came_back(&self, order: &OrderId) -> Result<(), NotHeard> {
        let trade = self.store.read(|c| store::trades::load(c, &self.settings.shop, order))?;
        let is_said = |payout: &&Payout| payout.batch_id.is_some() && trade.said_paid(payout.recipient).is_some();
        for payout in trade.payouts.iter().filter(is_said).filter(|payout| payout.claim.state == State::Done) {
            if !self.look_at_payout(&payout.claim.key)? {
                let detail = "PayPal could not be asked whether its payout came back; say it again later.";
                return Err(refused("not_proven", detail));
            }
        }
        Ok(())
    }

    /// Whom and how much, or why not. `None` = told before.
    fn payable_otherwise(
        &self,
        connection: &Connection,
        order: &OrderId,
        key: &str,
        reference: &str,
    ) -> Result<Option<(Trade, Recipient, Money)>, NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        let Some(Slot::Payout(recipient)) = claims::slot_of(connection, order, key)? else {
            return Err(refused("no_payout", "This order has no payout of that id."));
        };
        let is_told = |paid: &PaidOtherwise| paid.recipient == recipient && paid.reference == reference;
        if trade.paid_otherwise.iter().any(is_told) {
            return Ok(None);
        }
        let claim = trade.payout(recipient).map(|p| &p.claim);
        let is_never_sent = claim.is_some_and(|c| c.is_pending() && !c.is_unknown() && c.is_journaled);
        if claim.is_some_and(|c| c.is_pending()) && !is_never_sent {
            let detail = "PayPal may still pay this one; it can be paid by other means only after it is proven not to \
                          have been paid.";
            return Err(refused("payout_live", detail));
        }
        if let Some(claim) = claim.filter(|_| is_never_sent)
            && feeds::payout_listed(connection, &claim.key)?.is_some()
        {
            let detail =
                "PayPal's statement shows a payout under its key, of which nothing is known here: look at it there.";
            return Err(refused("payout_there", detail));
        }
        let legs = trade.sale.as_ref().and_then(|sale| sale.legs().ok()).unwrap_or_default();
        let leg = legs.iter().find(|leg| leg.recipient == recipient).map_or(0, |leg| leg.amount.minor);
        let paid = claim.filter(|c| !c.is_pending()).map_or(0, |c| c.amount.minor);
        let netted = trade.set_off(recipient).map_or(0, |amount| amount.minor);
        let owed =
            leg.saturating_sub(paid).saturating_sub(trade.paid_otherwise(recipient).minor).saturating_sub(netted);
        // Said once already, in what was owed then.
        if let Some(first) = trade.said_paid(recipient).filter(|_| trade.sale.is_some()) {
            let is_it = |said: &&PaidOtherwise| said.recipient == recipient && said.reference == reference;
            let Some(amount) = trade.said_paid.iter().find(is_it).map(|said| said.amount) else {
                let PaidOtherwise { amount, reference, .. } = first;
                let detail =
                    format!("The intent journal knows {amount} of this leg as {reference}: say that one first.");
                return Err(refused("said_before", detail));
            };
            return Ok(Some((trade, recipient, amount)));
        }
        if owed <= 0 {
            return Err(refused("nothing_owed", format!("The {recipient} is owed nothing of this order.")));
        }
        let amount = Money { minor: owed, ..trade.order.total };
        Ok(Some((trade, recipient, amount)))
    }
}

/// The word as it stands in the journal. A reference may hold spaces, so it comes last.
fn said_word(key: &str, amount: Money, reference: &str) -> String {
    format!("mark-paid {key} = {amount} {reference}")
}

/// The leg that such a word says was paid by other means; `None` = it says no amount, or is about no payout known here.
pub(super) fn said_paid(connection: &Connection, order: &OrderId, word: &str) -> store::Result<Option<PaidOtherwise>> {
    let [_, key, "=", amount, currency, reference] = word.splitn(6, ' ').collect::<Vec<_>>()[..] else {
        return Ok(None);
    };
    let Some((of, claim)) = claims::find(connection, key)? else { return Ok(None) };
    let currency = Currency::new(currency).filter(|currency| *currency == claim.amount.currency && of == *order);
    let amount = currency.and_then(|currency| Money::parse(amount, currency).ok()).filter(Money::is_positive);
    Ok(match (claim.slot, amount) {
        (Slot::Payout(recipient), Some(amount)) => {
            Some(PaidOtherwise { recipient, reference: reference.to_owned(), amount })
        }
        _ => None,
    })
}

/// The same reference with the same content is the same fact; with other content it is refused.
fn same(is_same: bool) -> Result<Told, NotHeard> {
    if is_same {
        Ok(Told::Before)
    } else {
        Err(refused("other_content", "This reference was told with other content."))
    }
}

/// A closed order is taken up again by the fact (MONEY A17).
fn take_up(tx: &Transaction<'_>, order: &OrderId, now: Timestamp, why: &str) -> store::Result<()> {
    if store::intake::reopen(tx, order, now)? { event(tx, order, now, "reopened", why) } else { Ok(()) }
}
