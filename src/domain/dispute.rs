//! Disputes: a buyer asks his money back through PayPal or his bank. While one is open nothing of its order moves, and
//! only what PayPal shows of the money is booked.

use super::money::Money;
use jiff::Timestamp;

/// A dispute about an order, as PayPal showed it last.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispute {
    pub id: String,
    /// Told of since it was last read, or never read at all.
    pub is_unread: bool,
    pub told_at: Timestamp,
    /// When PayPal was last asked about it; `None` = never.
    pub asked_at: Option<Timestamp>,
    /// PayPal's word; `None` = never read.
    pub status: Option<String>,
    pub reason: String,
    /// `None` = not said.
    pub amount: Option<Money>,
    /// Until when the seller must answer; `None` = it is not his turn.
    pub respond_by: Option<Timestamp>,
    /// PayPal's word; `None` = not decided.
    pub outcome: Option<String>,
    /// Taken from our account and not given back, fees left out, in the order's currency. `None` = nothing moved in it.
    pub taken: Option<Money>,
    /// The same in another currency, of which nothing can be taken off the sale; below zero: more was given back. `None` =
    /// all that moved in others came back.
    pub abroad: Option<Money>,
    /// A person has seen that it was lost.
    pub is_accepted: bool,
}

/// What a dispute means for its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Told of, and not looked at since: as good as open.
    Unread,
    Open,
    /// Ended without loss.
    Over,
    Lost,
}

impl Dispute {
    pub fn standing(&self) -> Standing {
        if self.is_unread {
            return Standing::Unread;
        }
        standing(self.status.as_deref(), self.outcome.as_deref(), self.taken, self.abroad)
    }

    /// It keeps the order's money where it is (MONEY A14).
    pub fn is_open(&self) -> bool {
        matches!(self.standing(), Standing::Unread | Standing::Open)
    }
}

/// `taken`, `abroad`: what is gone from our account and did not come back, as in [`Dispute`]. A word that we do not know
/// counts as a loss, and so does what moved in another currency and did not come back in it: a human looks at it.
pub fn standing(status: Option<&str>, outcome: Option<&str>, taken: Option<Money>, abroad: Option<Money>) -> Standing {
    if status != Some("RESOLVED") {
        return Standing::Open;
    }
    match outcome {
        _ if abroad.is_some() => Standing::Lost,
        Some("RESOLVED_SELLER_FAVOUR" | "CANCELED_BY_BUYER" | "DENIED" | "NONE") => Standing::Over,
        // PayPal paid somebody; whether it was with our money is seen in our account only.
        Some("RESOLVED_WITH_PAYOUT") if taken.is_none_or(|taken| !taken.is_positive()) => Standing::Over,
        _ => Standing::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::standard::usd;

    #[test]
    fn a_dispute_ends_well_only_by_a_word_that_says_so() {
        let check = |status: &str, outcome: &str, taken: Option<&str>, expected: Standing| {
            let outcome = (!outcome.is_empty()).then_some(outcome);
            assert_eq!(
                standing(Some(status), outcome, taken.map(usd), None),
                expected,
                "{status} {outcome:?} {taken:?}"
            );
        };
        for status in
            ["OPEN", "WAITING_FOR_BUYER_RESPONSE", "WAITING_FOR_SELLER_RESPONSE", "UNDER_REVIEW", "OTHER", "X"]
        {
            check(status, "", None, Standing::Open);
        }
        for outcome in ["RESOLVED_SELLER_FAVOUR", "CANCELED_BY_BUYER", "DENIED", "NONE"] {
            check("RESOLVED", outcome, None, Standing::Over);
            check("RESOLVED", outcome, Some("25.00"), Standing::Over);
        }
        for outcome in ["RESOLVED_BUYER_FAVOUR", "ACCEPTED", "SOMETHING_NEW", ""] {
            check("RESOLVED", outcome, None, Standing::Lost);
        }
        check("RESOLVED", "RESOLVED_WITH_PAYOUT", None, Standing::Over);
        check("RESOLVED", "RESOLVED_WITH_PAYOUT", Some("0"), Standing::Over);
        check("RESOLVED", "RESOLVED_WITH_PAYOUT", Some("25.00"), Standing::Lost);
        assert_eq!(standing(None, None, None, None), Standing::Open);
        let abroad = Some(Money::new(-20, crate::domain::money::Currency::new("EUR").unwrap()));
        for outcome in [None, Some("RESOLVED_SELLER_FAVOUR"), Some("RESOLVED_WITH_PAYOUT")] {
            assert_eq!(standing(Some("RESOLVED"), outcome, None, abroad), Standing::Lost, "{outcome:?}");
            assert_eq!(standing(Some("OPEN"), outcome, None, abroad), Standing::Open);
        }
    }
}
