//! A claim: the intent to ask a far side for something, written down before the call (MONEY A9). It is *pending* while
//! we may have asked, *done* when proven, *void* when proven not to have happened. Only proof leaves pending.

use super::money::Money;
use super::words;
use jiff::Timestamp;
use std::borrow::Cow;

words! {
    pub enum State { Pending = "pending", Done = "done", Void = "void" }
}

/// What a claim is for. An order has at most one claim of a slot that is not void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    Checkout,
    Capture,
    Purchase,
    Payout(Recipient),
    /// The refund of this number, from 1. A number is one refund with one key and never a second.
    Refund(u32),
}

words! {
    /// To whom profit is paid.
    pub enum Recipient { Platform = "platform", Seller = "seller" }
}

impl Slot {
    pub fn word(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Slot::Checkout => "checkout",
            Slot::Capture => "capture",
            Slot::Purchase => "purchase",
            Slot::Payout(Recipient::Platform) => "payout:platform",
            Slot::Payout(Recipient::Seller) => "payout:seller",
            Slot::Refund(number) => return Cow::Owned(format!("refund:{number}")),
        })
    }

    /// The word without the recipient or the number.
    pub fn kind(self) -> &'static str {
        match self {
            Slot::Checkout => "checkout",
            Slot::Capture => "capture",
            Slot::Purchase => "purchase",
            Slot::Payout(_) => "payout",
            Slot::Refund(_) => "refund",
        }
    }

    pub fn parse(word: &str) -> Option<Slot> {
        if let Some(number) = word.strip_prefix("refund:") {
            let number = number.parse().ok().filter(|n: &u32| *n > 0)?;
            return Some(Slot::Refund(number)).filter(|slot| slot.word() == word);
        }
        let payouts = [Slot::Payout(Recipient::Platform), Slot::Payout(Recipient::Seller)];
        [Slot::Checkout, Slot::Capture, Slot::Purchase].into_iter().chain(payouts).find(|s| s.word() == word)
    }

    /// How many characters of the derived key the far side takes. AliExpress documents no format; the shortest known
    /// to work is 18.
    pub fn key_length(self) -> usize {
        match self {
            Slot::Purchase => 18,
            _ => 32,
        }
    }
}

/// One attempt in one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The idempotency key the far side sees.
    pub key: String,
    pub slot: Slot,
    /// From 1. A next attempt, with a next key, exists only after this one is void.
    pub attempt: u32,
    pub state: State,
    pub amount: Money,
    /// How often the request was sent or may have been sent.
    pub sends: u32,
    pub claimed_at: Timestamp,
    /// The last send. `None` only in a claim that was adopted from what the far side showed.
    pub sent_at: Option<Timestamp>,
    /// Set before each send and taken back only when that send, and every one before it, certainly did nothing
    /// (MONEY A2). While it is set the outcome is unknown, and nothing but proof clears it.
    pub unknown_at: Option<Timestamp>,
    /// Not to be sent again before this instant ("not now" answers).
    pub not_before: Option<Timestamp>,
    /// Whether its line stands in the intent journal. Without one it can never be void (MONEY A9).
    pub is_journaled: bool,
}

impl Claim {
    pub fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    pub fn is_live(&self) -> bool {
        self.state != State::Void
    }

    pub fn is_unknown(&self) -> bool {
        self.is_pending() && self.unknown_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_its_word_and_no_other_word_is_a_slot() {
        let payouts = [Slot::Payout(Recipient::Platform), Slot::Payout(Recipient::Seller)];
        let others = [Slot::Checkout, Slot::Capture, Slot::Purchase, Slot::Refund(1), Slot::Refund(12)];
        for slot in others.into_iter().chain(payouts) {
            assert_eq!(Slot::parse(&slot.word()), Some(slot));
        }
        for word in ["refund:0", "refund:01", "refund:+1", "refund:", "refund:x", "payout", ""] {
            assert_eq!(Slot::parse(word), None, "{word}");
        }
    }
}
