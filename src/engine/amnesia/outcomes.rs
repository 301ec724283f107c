//! What the journal saw become of a claim that the database still takes for pending.

use super::Replay;
use crate::domain::claim::Slot;
use crate::domain::hold::HoldCode;
use crate::domain::order::OrderId;
use crate::engine::correct::correct_sale;
use crate::engine::listed::LISTED;
use crate::engine::refunds;
use crate::engine::settle::{event, hold, may_be_funded_later};
use crate::gateway::paypal::CaptureStatus;
use crate::store::journal::Line;
use crate::store::sales::Why;
use crate::store::{self, StoreError, claims};
use rusqlite::Transaction;

/// A person looked, the far side bore it out, and it was given up.
const NOTHING_THERE: &str = "nothing there";

/// A capture and its status, as a look noted it.
fn is_declined(seen: &str) -> bool {
    [CaptureStatus::Declined, CaptureStatus::Failed].iter().any(|status| seen.ends_with(&format!(" {}", status.word())))
}

impl Replay<'_> {
    /// What the journal saw become of a claim that is still pending here.
    pub(super) fn outcome(&mut self, line: &Line, key: &str, outcome: &str, ids: &[String]) -> store::Result<()> {
        let Some((order, slot)) = claims::pending(self.tx, key)? else {
            let is_known = claims::request_hash(self.tx, key)?.is_some();
            return if is_known { Ok(()) } else { self.about_unknown(line, key) };
        };
        let applied = store::attempt(self.tx, |tx| self.apply(tx, line, (&order, slot, key), outcome, ids))?;
        match applied {
            // It may wait for a person who need not say any more what became of it.
            Ok(()) => store::intake::ring(self.tx, &order, self.now),
            Err(error) => {
                let why = format!("journal line {} says \"{outcome}\" of the {}: {error}", line.seq, slot.word());
                self.doubt(&order, &why)
            }
        }
    }

    fn apply(
        &self,
        tx: &Transaction<'_>,
        line: &Line,
        (order, slot, key): (&OrderId, Slot, &str),
        outcome: &str,
        ids: &[String],
    ) -> store::Result<()> {
        let note = |tx| event(tx, order, self.now, "rebuilt", &format!("{} {outcome} {}", slot.word(), ids.join(", ")));
        match (slot, outcome, ids.first()) {
            // Otherwise the same bytes go out again, and the answer brings the buyer's link with it.
            (Slot::Checkout, "answered", Some(id)) if self.went_back.is_some() || self.captured.contains(&order.0) => {
                claims::done(tx, key, self.now)?;
                store::checkouts::opened(tx, order, id, None)?;
                note(tx)
            }
            (Slot::Purchase, "answered", Some(_)) if store::purchases::of_another(self.tx, key, ids)?.is_none() => {
                store::purchases::placed(tx, key, ids, None, line.at)?;
                claims::done(tx, key, self.now)?;
                note(tx)
            }
            (Slot::Purchase, "found", Some(_)) => {
                self.bought(key, ids, line.at)?;
                note(tx)
            }
            (Slot::Purchase, NOTHING_THERE, None) => {
                claims::void_by_proof(tx, key, "nothing there, as the journal says", self.now)?;
                note(tx)
            }
            // PayPal may have taken it, also where it seemed to refuse every send: the next look finds it.
            (Slot::Capture, "seen", Some(_)) if ids.iter().any(|seen| !is_declined(seen)) => {
                claims::doubt(tx, key, self.now)
            }
            (Slot::Capture, NOTHING_THERE, None) => {
                claims::void_by_proof(tx, key, "nothing there, as the journal says", self.now)?;
                store::checkouts::expired(tx, order, self.now)?;
                note(tx)
            }
            (Slot::Payout(_), LISTED, Some(at)) => match at.parse() {
                Ok(at) => {
                    claims::sent_at(tx, key, at)?;
                    store::payouts::listed(tx, order, key, self.now)
                }
                Err(_) => Err(StoreError::Unreadable(format!("{at} is no time"))),
            },
            (Slot::Payout(_), "answered" | "found", Some(batch_id)) => {
                let is_new =
                    store::payouts::live(tx, order)?.iter().any(|p| p.claim.key == key && p.batch_id.is_none());
                if is_new {
                    store::payouts::accepted(tx, key, batch_id, line.at)?;
                    note(tx)?;
                }
                Ok(())
            }
            (_, "unsent" | "refused", _) if self.made_good.contains_key(key) => {
                let was_unknown = self.made_good.get(key).is_none_or(|was_unknown| *was_unknown);
                self.did_nothing(tx, line, (order, slot, key), was_unknown, (outcome == "refused").then(|| ids.first()))
            }
            (Slot::Refund(number), NOTHING_THERE, None) => {
                claims::void_by_proof(tx, key, "nothing there, as the journal says", self.now)?;
                store::refunds::withdraw(tx, order, number, self.now)?;
                note(tx)
            }
            (Slot::Payout(_), NOTHING_THERE, None) => {
                claims::void_by_proof(tx, key, "nothing there, as the journal says", self.now)?;
                let why = Why { at: self.now, reason: "payout not paid", reference: key };
                correct_sale(tx, self.shop, order, &why)?;
                note(tx)
            }
            // Whatever else came of it, a look or a person finds out.
            _ => Ok(()),
        }
    }

    /// The far side did nothing on that send: it never got it, or refused it with this code. A refusal is a verdict only
    /// where no earlier send is unknown (MONEY A2), and only with its code, as it was when the answer came. A capture or a
    /// checkout is looked at all the same.
    fn did_nothing(
        &self,
        tx: &Transaction<'_>,
        line: &Line,
        (order, slot, key): (&OrderId, Slot, &str),
        was_unknown: bool,
        refused: Option<Option<&String>>,
    ) -> store::Result<()> {
        let code = match refused {
            None => return claims::did_nothing(tx, key, was_unknown, None, None),
            Some(Some(code)) if !was_unknown => code,
            Some(_) => return Ok(()),
        };
        let said = format!("{code}, as journal line {} says", line.seq);
        let held = match slot {
            Slot::Checkout | Slot::Capture => return Ok(()),
            Slot::Purchase => HoldCode::PurchaseRefused,
            Slot::Refund(_) => HoldCode::RefundRefused,
            Slot::Payout(_) => HoldCode::PayoutRefused,
        };
        claims::did_nothing(tx, key, false, None, Some(&said))?;
        event(tx, order, self.now, "rebuilt", &format!("{} refused {code}", slot.word()))?;
        match slot {
            Slot::Refund(_) if refunds::may_succeed_later(code) => return Ok(()),
            Slot::Payout(_) if may_be_funded_later(code) => return Ok(()),
            Slot::Payout(_) | Slot::Checkout | Slot::Capture => {}
            Slot::Purchase => claims::void(tx, key, &said, self.now)?,
            Slot::Refund(number) => {
                claims::void(tx, key, &said, self.now)?;
                store::refunds::withdraw(tx, order, number, self.now)?;
            }
        }
        hold(tx, order, self.now, held, &said)
    }
}
