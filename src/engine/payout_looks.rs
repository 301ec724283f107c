//! What PayPal shows of a payout, written down: paid, unclaimed, refused, come back, even after it was paid. Every
//! state is read from PayPal and believed only for the item that we asked for; nothing here sends money.

use super::correct::{correct_sale, executed};
use super::settle::{event, hold};
use super::{Engine, EngineError, Result};
use crate::domain::claim::{Recipient, State};
use crate::domain::entries;
use crate::domain::hold::HoldCode;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::payout::{ItemStatus, Payout};
use crate::domain::trade::Trade;
use crate::failpoint;
use crate::gateway::paypal::{BatchSeen, BatchStatus, ItemSeen};
use crate::store;
use crate::store::sales::Why;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Transaction;

/// PayPal's balance may fill up by itself; then the next attempt follows a proven failure for want of money.
const UNTIL_FUNDS: SignedDuration = SignedDuration::from_hours(1);
/// So many paid payouts are looked at again in one go.
const LOOK_BACKS_MAX: u32 = 50;

impl Engine {
    pub(super) fn ask_payout(&self, trade: &Trade, recipient: Recipient) -> Result<()> {
        let payout = trade.payout(recipient).ok_or_else(|| EngineError::Fault("no payout to ask about".to_owned()))?;
        self.look_at_payout(&payout.claim.key).map(drop)
    }

    /// Asks PayPal about one payout, whatever state it is in here, and writes down what it shows. Of an order that is
    /// closed too: a paid payout may come back, and that opens the order again (MONEY A17). Says whether PayPal answered.
    pub fn look_at_payout(&self, key: &str) -> Result<bool> {
        let found = self.store.read(|c| store::payouts::find(c, key))?;
        let Some((_, payout)) = found else { return Err(EngineError::Fault(format!("there is no payout {key}"))) };
        let batch_id = payout.batch_id.as_deref().ok_or_else(|| EngineError::Fault("no batch to ask".to_owned()))?;
        failpoint::hit("look.asking");
        let answer = self.paypal()?.batch(self.now(), batch_id);
        failpoint::hit("look.answered");
        let item = answer.iter().flat_map(|seen| &seen.items).find(|item| is_settled(item));
        if let Some(item) = item.filter(|_| payout.claim.state != State::Void) {
            let ids = [item.item_id.clone(), item.transaction_id.clone().unwrap_or_default()];
            self.note_proof(key, item.status.word(), &ids)?;
        }
        let now = self.now();
        self.write(|tx| {
            // Another thread may have asked meanwhile: what stands here now counts.
            let Some((id, payout)) = store::payouts::find(tx, key)? else { return Ok(()) };
            match &answer {
                Ok(seen) => {
                    batch_seen(tx, &id, &payout, seen, now)?;
                    self.legs_follow(tx, &id, key, now)
                }
                Err(error) => {
                    log::info!("payout {batch_id}: {error}");
                    store::payouts::asked(tx, key, now)
                }
            }
        })?;
        Ok(answer.is_ok())
    }

    /// What was taken for overpaid while this payout was under way is owed no more than the leg says, once it is proven
    /// that nobody has the money.
    pub(super) fn legs_follow(
        &self,
        tx: &Transaction<'_>,
        id: &OrderId,
        key: &str,
        now: Timestamp,
    ) -> store::Result<()> {
        match store::claims::find(tx, key)? {
            Some((_, claim)) if claim.state == State::Void => {
                let why = Why { at: now, reason: "payout not paid", reference: key };
                correct_sale(tx, &self.settings.shop, id, &why)
            }
            _ => Ok(()),
        }
    }

    /// Looks once more at payouts that were paid: after a day, and then ever more rarely. Says how many.
    pub fn look_back_at_payouts(&self) -> Result<usize> {
        if self.paypal.is_none() {
            return Ok(0);
        }
        let now = self.now();
        let keys = self.store.read(|c| store::payouts::worth_a_look(c, now, LOOK_BACKS_MAX))?;
        keys.iter().try_for_each(|key| self.look_at_payout(key).map(drop))?;
        self.bell.ring();
        Ok(keys.len())
    }
}

fn is_settled(item: &ItemSeen) -> bool {
    ItemStatus::parse(item.status.word()).is_some_and(|status| status == ItemStatus::Success || status.is_not_paid())
}

/// What PayPal shows of our batch. Only SUCCESS of the item with a transaction id is paid (L19).
fn batch_seen(
    tx: &Transaction<'_>,
    id: &OrderId,
    payout: &Payout,
    seen: &BatchSeen,
    now: Timestamp,
) -> store::Result<()> {
    let key = &payout.claim.key;
    let word = seen.status.word();
    store::payouts::batch_seen(tx, key, word, now)?;
    let is_off = matches!(seen.status, BatchStatus::Denied | BatchStatus::Canceled);
    match seen.items.iter().find(|item| item.sender_item_id.as_deref() == Some(key.as_str())) {
        None if is_off && payout.claim.is_pending() => {
            store::claims::void_by_proof(tx, key, word, now)?;
            hold(tx, id, now, HoldCode::PayoutProblem, &format!("PayPal's batch is {word}"))
        }
        None => Ok(()),
        Some(item) => {
            item_seen(tx, id, payout, item, now)?;
            let status = status_of(item);
            if is_off && payout.claim.is_pending() && (status.is_open() || status == ItemStatus::Success) {
                let what = format!("PayPal's batch is {word}, and its item {status}: they do not agree");
                return hold(tx, id, now, HoldCode::PayoutProblem, &what);
            }
            Ok(())
        }
    }
}

fn status_of(item: &ItemSeen) -> ItemStatus {
    ItemStatus::parse(item.status.word()).unwrap_or(ItemStatus::Other)
}

/// What PayPal shows of our item, in a look or in the answer to a cancel.
pub(super) fn item_seen(
    tx: &Transaction<'_>,
    id: &OrderId,
    payout: &Payout,
    item: &ItemSeen,
    now: Timestamp,
) -> store::Result<()> {
    let key = &payout.claim.key;
    if let Some(mismatch) = mismatch(tx, payout, item)? {
        return hold(tx, id, now, HoldCode::PayoutProblem, &mismatch);
    }
    if payout.is_to_nobody_known() {
        store::payouts::receiver_learnt(tx, key, &item.receiver)?;
    }
    let status = status_of(item);
    let row = store::payouts::ItemRow {
        key,
        item_id: &item.item_id,
        status,
        transaction_id: item.transaction_id.as_deref(),
        fee: item.fee,
    };
    match payout.claim.state {
        State::Void if is_unfinished(payout) => return forgotten(tx, id, payout, item, &row, now),
        // What came of it was written down when it became void.
        State::Void => return Ok(()),
        State::Done if status == ItemStatus::Success => return Ok(()),
        State::Done if status.is_not_paid() => {
            store::payouts::item_changed(tx, &row, now)?;
            return undone(tx, id, payout, item, status, now);
        }
        State::Done => {
            let what = format!("PayPal shows {status} for a payout that it had paid [item {}]", item.item_id);
            return alarm(tx, id, &what, now);
        }
        State::Pending => store::payouts::item_seen(tx, &row, now)?,
    }
    match (status, &item.transaction_id) {
        (ItemStatus::Success, Some(transaction_id)) => paid_out(tx, id, payout, item, transaction_id, now),
        (ItemStatus::Unclaimed, _) => unclaimed(tx, id, payout, item, now),
        (status, _) if status.is_not_paid() => came_to_nothing(tx, id, payout, item, status, now),
        _ => Ok(()),
    }
}

/// Receiver and amount must be what was claimed, and the item no other payout's.
fn mismatch(tx: &Transaction<'_>, payout: &Payout, item: &ItemSeen) -> store::Result<Option<String>> {
    if item.amount != payout.claim.amount {
        return Ok(Some(format!("PayPal shows {}, claimed was {}", item.amount, payout.claim.amount)));
    }
    if store::payouts::is_of_another(tx, &payout.claim.key, &item.item_id, item.transaction_id.as_deref())? {
        return Ok(Some(format!("PayPal shows item {}, which is another payout's", item.item_id)));
    }
    Ok((!payout.is_to(&item.receiver)).then(|| "PayPal shows another receiver".to_owned()))
}

fn paid_out(
    tx: &Transaction<'_>,
    id: &OrderId,
    payout: &Payout,
    item: &ItemSeen,
    transaction_id: &str,
    now: Timestamp,
) -> store::Result<()> {
    let claim = &payout.claim;
    store::claims::done(tx, &claim.key, now)?;
    let fee = item.fee.or(payout.fee).unwrap_or(Money::zero(claim.amount.currency));
    let entry = match payout.left_at {
        None => entries::paid_out(transaction_id, payout.recipient, claim.amount, fee),
        Some(_) => {
            let booked = payout.fee.map_or(0, |fee| fee.minor);
            let more_fee = Money { minor: fee.minor - booked, ..fee };
            entries::payout_arrived(transaction_id, payout.recipient, claim.amount, more_fee)
        }
    };
    store::ledger::book(tx, id, now, &entry)?;
    event(tx, id, now, "paid_out", &format!("{} {} {transaction_id}", payout.recipient, claim.amount))?;
    executed(tx, id, now)
}

/// The money has left and nobody has it yet.
fn unclaimed(
    tx: &Transaction<'_>,
    id: &OrderId,
    payout: &Payout,
    item: &ItemSeen,
    now: Timestamp,
) -> store::Result<()> {
    if !store::payouts::left(tx, &payout.claim.key, now)? {
        return Ok(());
    }
    let amount = payout.claim.amount;
    let fee = item.fee.or(payout.fee).unwrap_or(Money::zero(amount.currency));
    store::ledger::book(tx, id, now, &entries::payout_left(&item.item_id, amount, fee))?;
    let reason = item.error.as_deref().unwrap_or("no reason given");
    let what = format!("{} {amount}: {reason} [item {}]", payout.recipient, item.item_id);
    log::warn!("order {id}: the payout lies unclaimed: {what}");
    event(tx, id, now, "payout_unclaimed", &what)
}

/// Proof that nobody has the money. Had it left, its return is booked.
fn came_to_nothing(
    tx: &Transaction<'_>,
    id: &OrderId,
    payout: &Payout,
    item: &ItemSeen,
    status: ItemStatus,
    now: Timestamp,
) -> store::Result<()> {
    let (key, amount) = (&payout.claim.key, payout.claim.amount);
    // It may have left and come back between two looks.
    if status.came_back() {
        unclaimed(tx, id, payout, item, now)?;
    }
    if payout.left_at.is_some() || status.came_back() {
        store::ledger::book(tx, id, now, &entries::payout_returned(&item.item_id, None, amount))?;
        event(tx, id, now, "payout_returned", &format!("{} {amount} {status}", payout.recipient))?;
    }
    let reason = item.error.as_deref().unwrap_or("no reason given");
    let said = format!("{status}: {reason} [item {}]", item.item_id);
    store::claims::void_by_proof(tx, key, &said, now)?;
    if reason == "INSUFFICIENT_FUNDS" && !status.came_back() {
        store::payouts::again_from(tx, id, Some(key), now + UNTIL_FUNDS)?;
        return event(tx, id, now, "payout_refused", &format!("{said}; trying again when there may be money"));
    }
    log::warn!("order {id}: a payout of {amount} came to nothing: {said}");
    hold(tx, id, now, HoldCode::PayoutProblem, &said)
}

/// It was not seen to its end when it became void.
fn is_unfinished(payout: &Payout) -> bool {
    payout.item.is_none_or(|item| item != ItemStatus::Success && !item.is_not_paid())
}

/// A later attempt in the journal proved that this one was not paid; what it cost all the same, the database forgot.
fn forgotten(
    tx: &Transaction<'_>,
    id: &OrderId,
    payout: &Payout,
    item: &ItemSeen,
    row: &store::payouts::ItemRow<'_>,
    now: Timestamp,
) -> store::Result<()> {
    store::payouts::item_seen(tx, row, now)?;
    if row.status.came_back() {
        unclaimed(tx, id, payout, item, now)?;
        let amount = payout.claim.amount;
        store::ledger::book(tx, id, now, &entries::payout_returned(&item.item_id, None, amount))?;
        return event(tx, id, now, "payout_returned", &format!("{} {amount} {}", payout.recipient, row.status));
    }
    if row.status.is_not_paid() || row.status.is_open() {
        return Ok(());
    }
    let what = format!("PayPal shows {} for a payout that counts as not paid [item {}]", row.status, item.item_id);
    alarm(tx, id, &what, now)
}

/// A payout that was paid came back: it is owed again, and who pays it again is for a person to say.
fn undone(
    tx: &Transaction<'_>,
    id: &OrderId,
    payout: &Payout,
    item: &ItemSeen,
    status: ItemStatus,
    now: Timestamp,
) -> store::Result<()> {
    let (key, amount) = (&payout.claim.key, payout.claim.amount);
    let entry = entries::payout_returned(&item.item_id, Some(payout.recipient), amount);
    store::ledger::book(tx, id, now, &entry)?;
    let reason = item.error.as_deref().unwrap_or("no reason given");
    let said = format!("{status} after it was paid: {reason} [item {}]", item.item_id);
    store::claims::void_by_proof(tx, key, &said, now)?;
    event(tx, id, now, "payout_returned", &format!("{} {amount} {status}", payout.recipient))?;
    if store::sales::payout_undone(tx, id)? {
        event(tx, id, now, "payout_not_executed", "a leg that was paid came back")?;
    }
    alarm(tx, id, &said, now)
}

/// A person has to look, and the order is open for him again.
fn alarm(tx: &Transaction<'_>, id: &OrderId, what: &str, now: Timestamp) -> store::Result<()> {
    log::warn!("order {id}: {what}");
    event(tx, id, now, "payout_alarm", what)?;
    hold(tx, id, now, HoldCode::PayoutProblem, what)?;
    if store::intake::reopen(tx, id, now)? {
        return event(tx, id, now, "reopened", what);
    }
    store::intake::ring(tx, id, now)
}
