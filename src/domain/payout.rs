//! Payouts: the platform's and the seller's part of a sale, sent by PayPal. 201 is not paid; paid is an item in state
//! SUCCESS with a transaction id (L19).

use super::claim::{Claim, Recipient};
use super::money::Money;
use super::words;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

words! {
    /// PayPal's word for what became of the one item of our batch.
    pub enum ItemStatus {
        Success = "SUCCESS",
        Failed = "FAILED",
        Pending = "PENDING",
        Unclaimed = "UNCLAIMED",
        Returned = "RETURNED",
        OnHold = "ONHOLD",
        Blocked = "BLOCKED",
        Refunded = "REFUNDED",
        Reversed = "REVERSED",
        Denied = "DENIED",
        /// A word nobody documented: stays pending, for a human.
        Other = "OTHER",
    }
}

impl ItemStatus {
    /// Proof that the money never left or came back whole.
    pub fn is_not_paid(self) -> bool {
        matches!(
            self,
            ItemStatus::Failed
                | ItemStatus::Denied
                | ItemStatus::Returned
                | ItemStatus::Refunded
                | ItemStatus::Reversed
        )
    }

    /// The money had left and is back; PayPal's fee is not.
    pub fn came_back(self) -> bool {
        matches!(self, ItemStatus::Returned | ItemStatus::Refunded | ItemStatus::Reversed)
    }

    /// PayPal may still change it by itself; ask again.
    pub fn is_open(self) -> bool {
        matches!(self, ItemStatus::Pending | ItemStatus::Unclaimed | ItemStatus::OnHold)
    }
}

/// What is owed to one recipient of one sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    pub recipient: Recipient,
    pub amount: Money,
}

/// One attempt to pay one leg.
#[derive(Clone, Debug, PartialEq)]
pub struct Payout {
    pub claim: Claim,
    pub recipient: Recipient,
    /// Of the address its bytes name; see [`receiver_hash`].
    pub receiver_hash: String,
    /// `None` until PayPal has accepted the batch (or told us the original of a duplicate).
    pub batch_id: Option<String>,
    /// It was taken up from PayPal's statement, and its batch is not known yet: it is never sent again.
    pub is_listed: bool,
    pub accepted_at: Option<Timestamp>,
    /// The last time we asked about the batch.
    pub asked_at: Option<Timestamp>,
    /// `None` until the item was seen.
    pub item: Option<ItemStatus>,
    pub transaction_id: Option<String>,
    /// PayPal's id of the item; `None` until it was seen.
    pub item_id: Option<String>,
    /// PayPal's fee as it was last seen; once the money has left, the fee that is booked.
    pub fee: Option<Money>,
    /// The money left the account without having arrived, and is booked so.
    pub left_at: Option<Timestamp>,
    /// Somebody wants it taken back while it lies unclaimed.
    pub cancel_wanted_at: Option<Timestamp>,
    pub cancel_tried_at: Option<Timestamp>,
}

/// The last attempt to pay a leg, proven not to have paid it.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedPayout {
    pub recipient: Recipient,
    /// From when the next attempt may be made; `None` = it takes a person's word.
    pub again_at: Option<Timestamp>,
    /// What PayPal said of it.
    pub said: String,
}

/// How a receiver's address stands beside a payout: SHA-256 in hex, so that it can be compared and not read.
pub fn receiver_hash(email: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, email.as_bytes()).as_ref())
}

/// The receiver of a payout that was taken up from PayPal's statement, until PayPal shows whom it was made out to.
pub const NOBODY: &str = "";

impl Payout {
    /// Whether it was made out to this address, as far as that is known.
    pub fn is_to(&self, email: &str) -> bool {
        self.is_to_nobody_known() || self.receiver_hash == receiver_hash(email)
    }

    pub fn is_to_nobody_known(&self) -> bool {
        self.receiver_hash == receiver_hash(NOBODY)
    }
}

/// Where a recipient's money goes. Configuration only proposes; the confirmed row is the payee (MONEY A20).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Payee {
    pub proposed: Option<String>,
    pub confirmed: Option<String>,
    /// Nothing was ever paid to the confirmed address, and nobody has let the first payment go. In production only.
    pub is_first_held: bool,
}

impl Payee {
    /// The address to pay to, if the proposal and the confirmed row agree.
    pub fn agreed(&self) -> Option<&str> {
        match (&self.proposed, &self.confirmed) {
            (Some(proposed), Some(confirmed)) if proposed == confirmed => Some(confirmed),
            _ => None,
        }
    }
}
