//! The values the pipeline is about: a [`Trade`] (one order and all it led to), the [`Shop`] around it, and the
//! [`Step`] that comes next.

use super::checkout::{Capture, Checkout};
use super::claim::{Claim, Recipient, Slot};
use super::dispute::Dispute;
use super::guards::{Approval, Reading};
use super::hold::Hold;
use super::money::Money;
use super::order::{Funds, Order};
use super::payout::{FailedPayout, Payee, Payout};
use super::purchase::{Purchase, Quote, QuoteFailure};
use super::refund::{Refund, TakenBack};
use super::sale::Sale;
use super::settlement::{PaidOtherwise, Settlement, SupplierRefund};
use super::words;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One order and all it led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Trade {
    pub order: Order,
    pub checkout: Option<Checkout>,
    pub checkout_claim: Option<Claim>,
    /// The live capture; `None` when there is none or every one is void.
    pub capture: Option<Capture>,
    /// The last offer of the supplier.
    pub quote: Option<Quote>,
    /// The supplier would not or could not quote: when to ask again, and why.
    pub quote_failure: Option<QuoteFailure>,
    pub approval: Option<Approval>,
    /// Other orders of the same buyer, variant and address within a day.
    pub look_alikes: u32,
    /// The live purchase.
    pub purchase: Option<Purchase>,
    pub tracked_at: Option<Timestamp>,
    pub sale: Option<Sale>,
    /// The live payouts, at most one a recipient.
    pub payouts: Vec<Payout>,
    /// The last attempts to pay the legs that have no live payout and had one.
    pub payouts_failed: Vec<FailedPayout>,
    /// What a person ordered to be given back, by number, and what became of it.
    pub refunds: Vec<Refund>,
    /// What left the capture without our asking.
    pub taken_back: Vec<TakenBack>,
    /// What the channel paid of an order whose money it held.
    pub settlements: Vec<Settlement>,
    pub supplier_refunds: Vec<SupplierRefund>,
    pub paid_otherwise: Vec<PaidOtherwise>,
    /// Legs that a person paid by other means, by a word that only the intent journal kept and that nobody said again yet.
    pub said_paid: Vec<PaidOtherwise>,
    /// What of the legs was netted against an earlier debt of their recipient; at most once a recipient, never zero.
    pub set_offs: Vec<(Recipient, Money)>,
    /// A hold by a person or after a refusal.
    pub hold: Option<Hold>,
    /// Every dispute there ever was, the oldest first.
    pub disputes: Vec<Dispute>,
    /// How often PayPal rang for this order, and how many of these rings were looked into since.
    pub told: u32,
    pub heard: u32,
    /// The highest attempt there ever was, by slot.
    pub attempts: BTreeMap<Slot, u32>,
}

/// What is true of the whole shop at this moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Shop {
    /// STOP: nothing that moves money is sent (MONEY A15).
    pub is_stopped: bool,
    /// The intent journal cannot be read (MONEY A5): nothing is sent, and nothing can be released.
    pub is_restored: bool,
    pub clock: ClockState,
    /// The latest time that anybody has shown: our clock, a far side, the last sign of life. The age of a key is
    /// measured by it, so that no clock set back makes an old key young.
    pub latest: Timestamp,
    pub paypal: FarSide,
    pub aliexpress: FarSide,
    /// Orders paid before this are not ours to buy.
    pub live_since: Timestamp,
    /// Free money by currency code, from our own books (MONEY A10).
    pub free: Vec<Money>,
    pub purchases_ever: u32,
    pub purchases_last_day: u32,
    pub spent_last_day: Money,
    /// Laid out or committed for goods that are not sold yet.
    pub laid_out: Money,
    pub payouts_last_day: u32,
    pub refunds_last_day: u32,
    pub paid_out_last_day: Money,
    pub platform: Payee,
    pub seller: Payee,
    /// What the recipients owe by our books, in the shop's currency. Below zero: too much was netted.
    pub debts: Vec<(Recipient, Money)>,
    /// PayPal does not let us pay out, as far as can be told.
    pub are_payouts_refused: bool,
}

words! {
    /// What is known of the time of day.
    pub enum ClockState {
        /// A far side has shown the same time since the program started.
        Good = "good",
        /// No far side has shown its clock since then.
        Unproven = "unproven",
        /// CLOCK SUSPECT: it jumped, or a far side shows another time.
        Suspect = "suspect",
    }
}

words! {
    /// Whether a provider can be asked at all.
    pub enum FarSide {
        Ready = "ready",
        /// No login, no credentials, or they have expired.
        NoToken = "no_token",
        /// Switched off in the configuration.
        Off = "off",
    }
}

/// What to do next for one order.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing before `until`; `None` = until a new fact comes in.
    Wait {
        until: Option<Timestamp>,
        why: Why,
    },
    /// Stop for a human; look again at `until`, if anything can change by itself.
    Hold {
        hold: Hold,
        until: Option<Timestamp>,
    },
    OpenCheckout,
    AskCheckout,
    Capture {
        attempt: u32,
        amount: Money,
    },
    ReadFee,
    /// PayPal rang: the checkout, the capture, payouts under way and disputes are read again.
    Hear,
    Quote,
    Place(Placing),
    /// The same bytes under the same key once more, after an unknown outcome.
    ResendPlace,
    /// Gives up the claim of a slot of which certainly nothing was ever sent, or a refund that was ordered and not claimed.
    Withdraw(Slot),
    Inspect {
        supplier_order_id: String,
    },
    RecordSale,
    /// Nets what a recipient owes against the leg he is to be paid. Moves nothing outside the books.
    SetOff {
        recipient: Recipient,
        amount: Money,
    },
    Pay {
        recipient: Recipient,
        attempt: u32,
        amount: Money,
        payee: String,
    },
    ResendPayout(Recipient),
    AskPayout(Recipient),
    /// Takes an unclaimed payout back.
    CancelPayout(Recipient),
    /// Tells PayPal the tracking number of a supplier order.
    TellTracking {
        supplier_order_id: String,
    },
    /// Gives the ordered refund of this number back to the buyer.
    Refund {
        number: u32,
        amount: Money,
    },
    /// The same bytes under the same key once more.
    ResendRefund(u32),
    AskRefund(u32),
    Track,
    Close,
}

/// What exactly is bought, decided before the claim and decided again inside it (MONEY A3).
#[derive(Clone, Debug, PartialEq)]
pub struct Placing {
    pub attempt: u32,
    pub quote_hash: String,
    pub landed: Money,
    pub ceiling: Money,
    pub is_auto_pay: bool,
    pub guards: Vec<Reading>,
}

words! {
    pub enum Why {
        Closed = "closed",
        BuyerHasNotApproved = "buyer has not approved",
        CapturePending = "PayPal has not completed the capture",
        LookingAgain = "too early to look again",
        NotNow = "the far side said not now",
        CancelBuffer = "in the cancel buffer",
        QuoteFailed = "the supplier gave no offer; asking again",
        Cap = "over a daily cap; goes on by itself",
        Stopped = "STOP is set",
        Shadow = "shadow mode sends nothing",
        ClockUnproven = "no far side has shown its clock since the start",
        ClockSuspect = "CLOCK SUSPECT: the clock jumped, or a far side shows another time",
        SupplierUnpaid = "placed, to be paid at the supplier",
        FundsHeld = "the channel still holds the money",
        ReleaseDate = "profit does not leave before its date",
        NoFreeMoney = "not enough free money at PayPal by our books",
        PayoutPending = "PayPal has the payout in hand",
        PayoutUnclaimed = "the recipient has not claimed the payout",
        RefundPending = "PayPal has the refund in hand",
        NotDelivered = "on its way to the buyer",
    }
}

words! {
    /// Where an order stands, for people. The first that matches.
    pub enum Stage {
        Refunded = "refunded",
        Cancelled = "cancelled",
        Held = "held",
        Closed = "closed",
        AwaitingPayment = "awaiting_payment",
        Paid = "paid",
        Buying = "buying",
        AwaitingSupplierPayment = "awaiting_supplier_payment",
        Bought = "bought",
        Sold = "sold",
        PayingOut = "paying_out",
        PaidOut = "paid_out",
    }
}

impl Trade {
    /// What the payment provider or the channel kept of the sale. `None` = not known yet, and then nothing is sold.
    pub fn fee(&self) -> Option<Money> {
        match self.order.funds {
            Funds::Capture => self.capture.as_ref()?.proof.as_ref()?.fee,
            Funds::Settled => self.order.channel_fee,
            // The last settlement that says so knows best.
            Funds::HeldByChannel => {
                self.settlements.iter().rev().find_map(|settlement| settlement.fee).or(self.order.channel_fee)
            }
            Funds::Owner => Some(Money::zero(self.order.total.currency)),
        }
    }

    /// When the buyer's payment was completed; `None` = it is not.
    pub fn paid_at(&self) -> Option<Timestamp> {
        match self.order.funds {
            Funds::Capture => {
                let proof = self.capture.as_ref()?.proof.as_ref()?;
                proof.is_completed.then_some(proof.seen_at)
            }
            Funds::Settled | Funds::HeldByChannel | Funds::Owner => self.order.paid_at,
        }
    }

    /// The highest attempt in a slot; 0 = there was none.
    pub fn attempts(&self, slot: Slot) -> u32 {
        self.attempts.get(&slot).copied().unwrap_or(0)
    }

    /// Nothing is given back while a dispute is open (MONEY A14).
    pub fn is_disputed(&self) -> bool {
        self.disputes.iter().any(Dispute::is_open)
    }

    pub fn payout(&self, recipient: Recipient) -> Option<&Payout> {
        self.payouts.iter().find(|p| p.recipient == recipient)
    }
}

impl Shop {
    pub fn free(&self, like: Money) -> Money {
        let found = self.free.iter().find(|m| m.currency == like.currency);
        found.copied().unwrap_or(Money::zero(like.currency))
    }

    /// What this recipient owes in that currency.
    pub fn debt(&self, recipient: Recipient, like: Money) -> Money {
        let found = self.debts.iter().find(|(owing, debt)| *owing == recipient && debt.currency == like.currency);
        found.map_or(Money::zero(like.currency), |(_, debt)| *debt)
    }

    pub fn payee(&self, recipient: Recipient) -> &Payee {
        match recipient {
            Recipient::Platform => &self.platform,
            Recipient::Seller => &self.seller,
        }
    }
}

impl Step {
    pub fn is_action(&self) -> bool {
        !matches!(self, Step::Wait { .. } | Step::Hold { .. })
    }

    /// When to look again, for a step that does nothing.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Step::Wait { until, .. } | Step::Hold { until, .. } => *until,
            _ => None,
        }
    }
}
