//! What PayPal tells by itself, and disputes: the one is looked into at once, the other keeps everything where it is
//! until it is over.

use super::{Look, SOON, doubling, sooner};
use crate::domain::dispute::{Dispute, Standing};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::trade::{FarSide, Step};
use jiff::{SignedDuration, Timestamp};

impl Look<'_> {
    /// PayPal rang, or a dispute could not be read yet: everything that can still change is read again.
    pub(super) fn told(&self) -> Option<Step> {
        let is_news = self.trade.told > self.trade.heard;
        let is_due = self.unread_due().is_some_and(|at| self.now >= at);
        ((is_news || is_due) && self.shop.paypal == FarSide::Ready).then_some(Step::Hear)
    }

    fn unread_due(&self) -> Option<Timestamp> {
        let unread = self.trade.disputes.iter().filter(|d| d.standing() == Standing::Unread);
        unread.map(|d| doubling(d.told_at, d.asked_at, SOON / 6, SignedDuration::from_hours(1))).min()
    }

    /// While a dispute keeps the order, what was sent is followed to its end and nothing else goes out (MONEY A3).
    pub(super) fn disputed(&self) -> Option<Step> {
        let Step::Hold { hold, until } = self.stand(self.dispute_hold()?) else { return None };
        let until = self.unread_due().map(|at| self.still_ahead(at)).min(until).or(until);
        let hold = Step::Hold { hold, until };
        Some(self.followed(self.refunds().map_or(hold.clone(), |refunds| sooner(hold, refunds))))
    }

    /// What keeps a refund in: PayPal still decides about the same money (MONEY A14), or nobody has seen yet how it did.
    pub(super) fn undecided(&self) -> Option<Hold> {
        let is_undecided = |d: &Dispute| d.is_open() || d.standing() == Standing::Lost && !d.is_accepted;
        self.dispute_hold().filter(|_| self.trade.disputes.iter().any(is_undecided))
    }

    /// Why nothing of this order may move; `None` = no dispute stands in the way.
    pub(super) fn dispute_hold(&self) -> Option<Hold> {
        let disputes = &self.trade.disputes;
        let open = disputes.iter().find(|d| d.is_open()).map(|d| Hold::new(HoldCode::Disputed, self.open_words(d)));
        open.or_else(|| {
            let lost = disputes.iter().find(|d| d.standing() == Standing::Lost && self.keeps(d))?;
            let Dispute { id, taken, amount, abroad, .. } = lost;
            let stop = self.do_not_pay();
            let said = match abroad {
                Some(abroad) => format!(
                    "dispute {id} moved {abroad}, which is not the sale's currency, and nothing of it is taken off the sale: \
                     compare the payment with PayPal's site before this is released{stop}"
                ),
                None => {
                    let taken = taken.or(*amount).map_or("an unknown amount".to_owned(), |m| m.to_string());
                    format!("dispute {id} was lost: {taken}{stop}")
                }
            };
            Some(Hold::new(HoldCode::DisputeLost, said))
        })
    }

    /// A lost dispute that a person has seen lets an order that was bought, or of which nothing is left, run to its end.
    /// One that was not bought never is.
    fn keeps(&self, lost: &Dispute) -> bool {
        let is_bought = self.trade.purchase.as_ref().is_some_and(|p| p.is_placed());
        let may_end = is_bought || self.trade.order.cancelled_at.is_some() || self.trade.is_all_gone();
        !lost.is_accepted || !may_end
    }

    fn open_words(&self, dispute: &Dispute) -> String {
        let stop = self.do_not_pay();
        let Dispute { id, reason, status, amount, respond_by, .. } = dispute;
        let Some(status) = status.as_deref().filter(|_| !dispute.is_unread) else {
            return format!("PayPal told of dispute {id}, which could not be read yet{stop}");
        };
        let amount = amount.map(|m| format!(" over {m}")).unwrap_or_default();
        let answer = respond_by.map(|at| format!("; answer at PayPal before {at}")).unwrap_or_default();
        format!("dispute {id}{amount}: {reason}, {status}{answer}{stop}")
    }

    fn do_not_pay(&self) -> &'static str {
        let waits = self.trade.purchase.as_ref().is_some_and(|p| p.is_placed() && !p.is_paid() && !p.is_dead());
        if waits { "; DO NOT PAY the supplier" } else { "" }
    }
}
