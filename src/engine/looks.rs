//! The steps that only look, and those that only write: asking PayPal and AliExpress what became of something, recording
//! the sale, closing. A failed look proves nothing; it is noted so that the next one comes later.

use super::correct::{correct_from_the_start, executed};
use super::refunds::too_much;
use super::settle::{checkout_seen, event, fee_seen, hold};
use super::steps::paypal_order_id;
use super::{Engine, EngineError, Result};
use crate::domain::claim::{Recipient, Slot};
use crate::domain::hold::HoldCode;
use crate::domain::ledger::Entry;
use crate::domain::money::Money;
use crate::domain::order::{Line, Origin};
use crate::domain::pipeline::next_step;
use crate::domain::purchase::Purchase;
use crate::domain::sale::{Sale, SaleAmounts, divide};
use crate::domain::trade::{Step, Trade};
use crate::domain::{entries, policy::PaidBy};
use crate::failpoint;
use crate::gateway::CallError;
use crate::gateway::aliexpress::{ChildSeen, SupplierOrderSeen, SupplierStatus};
use crate::gateway::paypal::CheckoutSeen;
use crate::store;
use crate::store::sales::Why;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Transaction;

pub(super) const SOON: SignedDuration = SignedDuration::from_secs(30);
/// Two readings this far apart make "closed and never paid" a fact (MONEY A12).
const SECOND_READING: SignedDuration = SignedDuration::from_hours(24);

impl Engine {
    pub(super) fn ask_checkout(&self, trade: &Trade) -> Result<()> {
        let (id, asked_from) = (&trade.order.id, self.now());
        failpoint::hit("look.asking");
        let answer = self.paypal()?.order(asked_from, paypal_order_id(trade)?);
        failpoint::hit("look.answered");
        if let (Some(capture), Ok(Some(seen))) = (&trade.capture, &answer)
            && !seen.captures.is_empty()
        {
            let ids: Vec<String> = seen.captures.iter().map(|c| format!("{} {}", c.id, c.status.word())).collect();
            self.note_proof(&capture.claim.key, "seen", &ids)?;
        }
        let now = self.now();
        self.write(|tx| {
            if answer.is_ok() {
                store::checkouts::ring_heard(tx, id, asked_from)?;
            }
            self.checkout_answered(tx, trade, &answer, now)
        })
    }

    fn checkout_answered(
        &self,
        tx: &Transaction<'_>,
        trade: &Trade,
        answer: &std::result::Result<Option<CheckoutSeen>, CallError>,
        now: Timestamp,
    ) -> store::Result<()> {
        let id = &trade.order.id;
        match answer {
            Ok(Some(seen)) => checkout_seen(tx, self, id, seen, now),
            // Gone at PayPal: expired if we never asked for the money, else no proof of anything.
            Ok(None) if trade.capture.is_none() => {
                store::checkouts::expired(tx, id, now)?;
                event(tx, id, now, "checkout_expired", "PayPal does not know it any more")
            }
            Ok(None) => note_look(tx, trade, now),
            Err(error) => {
                log::info!("order {id}: PayPal could not be asked: {error}");
                note_look(tx, trade, now)
            }
        }
    }

    /// Books what lies in the PayPal account, once, before anything else was booked. When PayPal cannot tell, nothing is
    /// booked: the books then know less free money than there is, which is the safe side (MONEY B).
    pub fn book_opening_balance(&self) -> Result<()> {
        let nothing_happened =
            self.store.read(|c| Ok::<_, EngineError>(store::ledger::is_empty(c)? && store::trades::is_empty(c)?))?;
        let (true, Some(paypal)) = (nothing_happened, &self.paypal) else { return Ok(()) };
        let now = self.now();
        match paypal.balances(now) {
            Ok(balances) => self.write(|tx| {
                for balance in &balances {
                    super::feed::put_balance(tx, balance, now)?;
                    store::ledger::book_apart(tx, now, &entries::opening(balance.available))?;
                    store::events::append(tx, None, now, "opening", &balance.available.to_string())?;
                }
                Ok(())
            }),
            Err(error) => {
                log::warn!("PayPal's balance could not be read; the books begin with nothing: {error}");
                Ok(())
            }
        }
    }

    pub(super) fn read_fee(&self, trade: &Trade) -> Result<()> {
        let proof = trade.capture.as_ref().and_then(|c| c.proof.as_ref());
        let proof = proof.ok_or_else(|| EngineError::Fault("no capture to read a fee of".to_owned()))?;
        failpoint::hit("look.asking");
        let answer = self.paypal()?.capture_seen(self.now(), &proof.capture_id);
        failpoint::hit("look.answered");
        let now = self.now();
        self.write(|tx| match &answer {
            Ok(seen) => fee_seen(tx, trade, seen, now),
            Err(_) => note_look(tx, trade, now),
        })
    }

    pub(super) fn inspect(&self, trade: &Trade, supplier_order_id: &str) -> Result<()> {
        let Some(token) = self.login()? else {
            return self.write(|tx| store::purchases::asked(tx, supplier_order_id, self.now()));
        };
        failpoint::hit("look.asking");
        let answer = self.aliexpress()?.supplier_order(self.now(), &token, supplier_order_id);
        failpoint::hit("look.answered");
        if let (Some(purchase), Ok(seen)) = (&trade.purchase, &answer)
            && seen.paid_at_text.is_some()
        {
            let total = seen.total.map(|t| t.to_string()).unwrap_or_default();
            self.note_proof(&purchase.claim.key, "paid", &[seen.id.clone(), total])?;
        }
        let now = self.now();
        self.write(|tx| match &answer {
            Ok(seen) => self.supplier_order_seen(tx, trade, seen, now),
            // A good id some seconds after its creation is answered like a foreign one: not yet.
            Err(error) => {
                log::info!("supplier order {supplier_order_id}: {error}");
                store::purchases::asked(tx, supplier_order_id, now)
            }
        })
    }

    fn supplier_order_seen(
        &self,
        tx: &Transaction<'_>,
        trade: &Trade,
        seen: &SupplierOrderSeen,
        now: Timestamp,
    ) -> store::Result<()> {
        let id = &trade.order.id;
        let purchase = trade.purchase.as_ref();
        let Some(known) = purchase.and_then(|p| p.supplier_orders.iter().find(|o| o.id == seen.id)) else {
            return Err(store::StoreError::Conflict(format!("supplier order {} is not of this trade", seen.id)));
        };
        let timeout = seen.pay_timeout_s.and_then(|s| i64::try_from(s).ok()).map(SignedDuration::from_secs);
        let pay_by = timeout.and_then(|t| known.placed_at.checked_add(t).ok());
        // Nothing costs nothing: a total of 0.00 is no total, and somebody has to look.
        let asked = seen.total.filter(Money::is_positive);
        let shown = asked.map(|asked| self.reckoned(tx, trade, &seen.id, asked, now)).transpose()?;
        let row = store::purchases::Inspection { id: &seen.id, status: seen.status.word(), total: shown, pay_by };
        store::purchases::inspected(tx, &row, now)?;
        if let Some(nothing) = seen.total.filter(|total| !total.is_positive()) {
            hold(
                tx,
                id,
                now,
                HoldCode::SupplierMismatch,
                &format!("supplier order {} shows a total of {nothing}", seen.id),
            )?;
        }
        if let Some(stranger) = stranger(trade, seen) {
            hold(tx, id, now, HoldCode::SupplierMismatch, &stranger)?;
            // A typed id may be another order's: nothing of it is booked before a person has said that it is ours.
            if purchase.is_some_and(|p| p.are_ids_typed) {
                return Ok(());
            }
        }
        // What it cost in the books' currency is not known without a rate; the look after one was set goes on.
        let total = shown.or(known.total).filter(|total| total.currency == trade.order.total.currency);
        match (seen.paid_at_text.is_some(), total) {
            (true, Some(total)) => {
                store::purchases::paid(tx, &seen.id, now)?;
                let is_abroad = seen.total.is_none_or(|asked| asked.currency != total.currency);
                let entry = self.supplier_paid_entry(tx, trade, &seen.id, total, is_abroad)?;
                store::ledger::book(tx, id, now, &entry)?;
                event(tx, id, now, "supplier_paid", &format!("{} {total}", seen.id))?;
                over_ceiling_after_payment(tx, trade, purchase, &seen.id, total, now)
            }
            (false, _) if is_closed(seen) => closed_unpaid(tx, id, known.closed_seen_at, &seen.id, now),
            _ => Ok(()),
        }
    }

    /// What a supplier asks, in the currency of the sale: by the latest rate that somebody set, with the margin on top,
    /// if it is not too old (MONEY A16). Else as it was asked, and then the order is held.
    fn reckoned(
        &self,
        tx: &Transaction<'_>,
        trade: &Trade,
        supplier_order_id: &str,
        asked: Money,
        now: Timestamp,
    ) -> store::Result<Money> {
        let (to, policy) = (trade.order.total.currency, &self.settings.policy.fx);
        if asked.currency == to {
            return Ok(asked);
        }
        let rate = store::rates::latest(tx, asked.currency, to)?.filter(|rate| rate.is_fresh(policy, now));
        let Some(rate) = rate else { return Ok(asked) };
        let Ok(cost) = rate.cost(asked, policy.margin) else { return Ok(asked) };
        store::rates::reckoned(tx, supplier_order_id, asked, &rate, now)?;
        let known = trade.purchase.iter().flat_map(|p| &p.supplier_orders).find(|o| o.id == supplier_order_id);
        if known.and_then(|o| o.total) != Some(cost) {
            let detail = format!("{supplier_order_id}: {asked} at {} of {} is {cost}", rate.decimal(), rate.at);
            event(tx, &trade.order.id, now, "reckoned", &detail)?;
        }
        Ok(cost)
    }

    /// The entry of a paid supplier order. `is_abroad`: `total` is what we reckoned, and not what he asked; then both
    /// stand in the books.
    pub(super) fn supplier_paid_entry(
        &self,
        tx: &Transaction<'_>,
        trade: &Trade,
        supplier_order_id: &str,
        total: Money,
        is_abroad: bool,
    ) -> store::Result<Entry> {
        let (origin, paid_by) = (trade.order.origin, self.paid_by());
        let reckoned = if is_abroad { store::rates::reckoned_by(tx, supplier_order_id)? } else { None };
        Ok(match reckoned {
            Some(reckoned) => entries::supplier_paid_abroad(origin, supplier_order_id, reckoned.asked, total, paid_by),
            None => entries::supplier_paid(origin, supplier_order_id, total, paid_by),
        })
    }

    pub(super) fn paid_by(&self) -> PaidBy {
        self.settings.policy.paid_by
    }

    /// The sale and its entries, in one transaction that decides again.
    pub(super) fn record_sale(&self, trade: &Trade, step: &Step) -> Result<()> {
        let (id, now) = (&trade.order.id, self.now());
        failpoint::hit("sale.before_begin");
        self.store.write(|tx| {
            let (trade, shop) = self.load(tx, id, now)?;
            if next_step(&trade, &shop, &self.settings.policy, now) != *step {
                return Ok::<_, EngineError>(());
            }
            let paid_by = store::ledger::paid_by(tx, id)?.unwrap_or(self.paid_by());
            let sale = self.sale_of(&trade, paid_by, now)?;
            let legs = sale.legs().map_err(|e| EngineError::Fault(e.to_string()))?;
            let legs: Vec<_> = legs.into_iter().map(|leg| (leg.recipient, leg.amount)).collect();
            store::sales::insert(tx, id, &sale, &legs)?;
            store::ledger::book(tx, id, now, &entries::sold(&trade.order, &sale))?;
            let why = Why { at: now, reason: "before the sale", reference: &id.0 };
            let detail = format!("profit {} commission {}", sale.profit, sale.commission);
            store::events::append(tx, Some(id), now, "sold", &detail)?;
            if sale.profit.minor < 0 {
                say_loss(tx, &trade, &sale, now)?;
            }
            correct_from_the_start(tx, &self.settings.shop, id, &why)?;
            // The journal of a restored database may have told of the payouts before.
            executed(tx, id, now)?;
            failpoint::hit("sale.before_commit");
            Ok(())
        })?;
        failpoint::hit("sale.committed");
        Ok(())
    }

    /// `paid_by`: by the books, whatever the configuration says by now.
    fn sale_of(&self, trade: &Trade, paid_by: PaidBy, now: Timestamp) -> Result<Sale> {
        let fault = |what: &str| EngineError::Fault(format!("a sale without {what}"));
        let gross = trade.order.total;
        let amounts = SaleAmounts {
            gross,
            tax: trade.order.tax.unwrap_or(Money::zero(gross.currency)),
            fee: trade.fee().ok_or_else(|| fault("its fee"))?,
            supplier_total: trade.purchase.as_ref().and_then(Purchase::total).ok_or_else(|| fault("its cost"))?,
        };
        let rule = self.settings.policy.payouts.as_ref().map(|p| p.commission);
        let (commission, profit) = divide(&amounts, rule).map_err(|e| EngineError::Fault(e.to_string()))?;
        let SaleAmounts { gross, tax, fee, supplier_total } = amounts;
        let is_payout_executed = false;
        Ok(Sale {
            version: 1,
            recorded_at: now,
            gross,
            tax,
            fee,
            supplier_total,
            rule,
            commission,
            profit,
            paid_by,
            is_payout_executed,
        })
    }

    /// Nets a debt of the recipient against his leg, in one transaction that decides again.
    pub(super) fn set_off(&self, trade: &Trade, step: &Step, recipient: Recipient, amount: Money) -> Result<()> {
        let (id, now) = (&trade.order.id, self.now());
        if self.take_up_listed(trade, recipient)? {
            return Ok(());
        }
        self.store.write(|tx| {
            let (trade, shop) = self.load(tx, id, now)?;
            if next_step(&trade, &shop, &self.settings.policy, now) != *step {
                return Ok::<_, EngineError>(());
            }
            store::settlements::set_off(tx, id, recipient, amount, now)?;
            store::ledger::book(tx, id, now, &entries::set_off(&trade.order, recipient, amount))?;
            let legs = trade.sale.as_ref().and_then(|sale| sale.legs().ok()).unwrap_or_default();
            let is_all = legs.iter().any(|leg| leg.recipient == recipient && leg.amount == amount);
            let kind = if is_all { "settled_by_setoff" } else { "set_off" };
            event(tx, id, now, kind, &format!("{amount} that the {recipient} owed"))?;
            // It may have been all that was left of the last leg.
            Ok(executed(tx, id, now)?)
        })
    }

    /// Gives up a claim of which certainly nothing was sent.
    pub(super) fn withdraw(&self, trade: &Trade, step: &Step, slot: Slot) -> Result<()> {
        let (id, now) = (&trade.order.id, self.now());
        if let Slot::Payout(recipient) = slot
            && self.take_up_listed(trade, recipient)?
        {
            return Ok(());
        }
        self.store.write(|tx| {
            let (trade, shop) = self.load(tx, id, now)?;
            if next_step(&trade, &shop, &self.settings.policy, now) != *step {
                return Ok::<_, EngineError>(());
            }
            // A refund may be ordered and not claimed yet.
            let claim = store::claims::live(tx, id, slot)?;
            if let Some(claim) = &claim {
                store::claims::void(tx, &claim.key, "withdrawn before anything was sent", now)?;
                store::events::append(tx, Some(id), now, "withdrawn", &claim.key)?;
            }
            match (slot, claim) {
                // It was refused for its amount's sake, and a smaller one is owed now.
                (Slot::Payout(_), Some(claim)) => {
                    store::payouts::again_from(tx, id, Some(&claim.key), now)?;
                    self.legs_follow(tx, id, &claim.key, now)?;
                }
                (Slot::Refund(number), _) => too_much(tx, &trade, number, now)?,
                _ => {}
            }
            Ok(())
        })
    }

    /// Closed and shown as closed in one transaction: nobody looks at a closed order again, so what a death left out
    /// here would be left out for ever.
    pub(super) fn close(&self, trade: &Trade, step: &Step) -> Result<()> {
        let (id, now) = (&trade.order.id, self.now());
        self.store.write(|tx| {
            let (trade, shop) = self.load(tx, id, now)?;
            if next_step(&trade, &shop, &self.settings.policy, now) != *step {
                return Ok(());
            }
            store::intake::close(tx, id, now)?;
            event(tx, id, now, "closed", "")?;
            self.cache_in(tx, id, SignedDuration::ZERO)?;
            failpoint::hit("close.before_commit");
            Ok::<_, EngineError>(())
        })?;
        failpoint::hit("close.committed");
        Ok(())
    }
}

/// We asked and learned nothing new; an approval seen before still stands.
fn note_look(tx: &Transaction<'_>, trade: &Trade, now: Timestamp) -> store::Result<()> {
    store::checkouts::looked(tx, &trade.order.id, now)
}

/// What the supplier's order has that was not sold in this one: another product or variant, or more pieces of it, or,
/// where it is the whole purchase, fewer. What the supplier does not say is not compared.
fn stranger(trade: &Trade, seen: &SupplierOrderSeen) -> Option<String> {
    let lines = &trade.order.lines;
    let is_of = |line: &Line, child: &ChildSeen| {
        line.variant.product_id == child.product_id
            && child.sku_id.as_ref().is_none_or(|sku_id| *sku_id == line.variant.sku_id)
    };
    if let Some(other) = seen.children.iter().find(|child| !lines.iter().any(|line| is_of(line, child))) {
        let variant = other.sku_id.as_deref().map(|sku_id| format!(" variant {sku_id}")).unwrap_or_default();
        return Some(format!("supplier order {} is about product {}{variant}", seen.id, other.product_id));
    }
    let is_whole = trade.purchase.as_ref().is_some_and(|p| p.supplier_orders.len() == 1);
    lines.iter().find_map(|line| {
        let same = |other: &&Line| other.variant == line.variant;
        let sold: u32 = lines.iter().filter(same).map(|l| l.quantity).sum();
        let pieces = seen.children.iter().filter(|child| is_of(line, child)).map(|child| child.count);
        let ordered: u32 = pieces.sum::<Option<u32>>()?;
        let is_other = ordered > sold || (is_whole && !seen.children.is_empty() && ordered < sold);
        is_other.then(|| format!("supplier order {} has {ordered} of {}, sold were {sold}", seen.id, line.sku))
    })
}

/// Closed by the supplier: finished or ended, and never paid.
fn is_closed(seen: &SupplierOrderSeen) -> bool {
    seen.paid_at_text.is_none() && (seen.status == SupplierStatus::Finish || is_ended(seen))
}

/// Risk control follows a payment.
pub(super) fn is_looked_at(seen: &SupplierOrderSeen) -> bool {
    matches!(seen.status, SupplierStatus::RiskControl | SupplierStatus::RiskControlHold)
}

/// Every line was ended, by whomever. Risk control follows a payment and is not this.
pub(super) fn is_ended(seen: &SupplierOrderSeen) -> bool {
    !is_looked_at(seen) && !seen.children.is_empty() && seen.children.iter().all(|c| c.end_reason.is_some())
}

fn closed_unpaid(
    tx: &Transaction<'_>,
    id: &crate::domain::order::OrderId,
    first_seen: Option<Timestamp>,
    supplier_order_id: &str,
    now: Timestamp,
) -> store::Result<()> {
    match first_seen {
        None => {
            store::purchases::closed_seen(tx, supplier_order_id, now)?;
            event(tx, id, now, "supplier_closed", &format!("{supplier_order_id} closed and never paid, first reading"))
        }
        Some(first) if now >= first + SECOND_READING => {
            store::purchases::dead(tx, supplier_order_id)?;
            event(tx, id, now, "supplier_dead", supplier_order_id)
        }
        Some(_) => Ok(()),
    }
}

/// What has happened is booked (L11); a total above what was approved is said out loud.
pub(super) fn over_ceiling_after_payment(
    tx: &Transaction<'_>,
    trade: &Trade,
    purchase: Option<&Purchase>,
    paid: &str,
    total: Money,
    now: Timestamp,
) -> store::Result<()> {
    let Some(purchase) = purchase else { return Ok(()) };
    let others = purchase.supplier_orders.iter().filter(|o| o.id != paid).filter_map(|o| o.total);
    let sum = others.fold(total.minor, |sum, other| sum.saturating_add(other.minor));
    if sum <= purchase.ceiling.minor {
        return Ok(());
    }
    let detail = format!(
        "paid {} {}, approved was at most {}",
        Money::new(sum, total.currency).decimal(),
        total.currency,
        purchase.ceiling
    );
    log::warn!("order {}: {detail}", trade.order.id);
    event(tx, &trade.order.id, now, "over_ceiling", &detail)
}

/// A loss is said out loud and waits in the queue until somebody has seen it; the parcel is followed meanwhile. A test is
/// sold for what its owner chose, so its loss is only written down.
fn say_loss(tx: &Transaction<'_>, trade: &Trade, sale: &Sale, now: Timestamp) -> store::Result<()> {
    let id = &trade.order.id;
    log::warn!("order {id} is sold at a loss: {}", sale.profit);
    event(tx, id, now, "loss", &sale.profit.to_string())?;
    if trade.order.origin == Origin::Test {
        return Ok(());
    }
    let approved = trade.purchase.as_ref().map(|p| format!(", approved was at most {}", p.ceiling)).unwrap_or_default();
    let Sale { profit, gross, supplier_total, .. } = sale;
    let detail = format!("sold for {gross}, profit {profit}; the supplier took {supplier_total}{approved}");
    hold(tx, id, now, HoldCode::Loss, &detail)
}

/// Whether a failed look may be repeated soon: nothing was refused.
pub(super) fn is_passing(error: &CallError) -> bool {
    !matches!(error, CallError::Refused { .. })
}
