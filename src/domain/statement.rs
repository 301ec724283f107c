//! A far side's own statement of what moved: its rows, what its codes mean, and what one difference between it and our
//! books is called. No comparison here; that is [`super::reconcile`].

use super::claim::State;
use super::money::Money;
use super::order::OrderId;
use super::payout::ItemStatus;
use super::words;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A row may come so late into the report: absence counts only after it.
pub const LAG: SignedDuration = SignedDuration::from_hours(3);
/// So long may we take to notice by ourselves what a statement already shows of one of our own orders.
pub const GRACE: SignedDuration = SignedDuration::from_hours(1);

words! {
    /// One difference. What each is worth to the score is the integrity check's affair.
    pub enum FindingKind {
        /// We have it proven, and the far side's report of that time does not show it.
        MissingThere = "missing_there",
        /// It belongs to an order of ours, and we do not have it.
        MissingHere = "missing_here",
        AmountDiffers = "amount_differs",
        FeeDiffers = "fee_differs",
        CurrencyDiffers = "currency_differs",
        /// Two movements for one capture, payout or refund of ours.
        Twice = "twice",
        /// One transaction id stands twice among what moved the balance.
        DuplicateId = "duplicate_id",
        /// A payout that counted as paid came back.
        PayoutReturned = "payout_returned",
        /// Proven not to have happened here; moved there.
        HappenedAllTheSame = "happened_all_the_same",
        ForeignInflow = "foreign_inflow",
        ForeignOutflow = "foreign_outflow",
        /// Given back on the far side's own site.
        ForeignRefund = "foreign_refund",
        Reversal = "reversal",
        Chargeback = "chargeback",
        /// A fee or its return that belongs to no movement of ours.
        ForeignFee = "foreign_fee",
        Withdrawal = "withdrawal",
        Conversion = "conversion",
        /// Money the far side keeps back, which the books count as available.
        Withheld = "withheld",
        /// What lay in the account changed by another amount than its own rows say.
        BalanceDiffers = "balance_differs",
        /// A row whose amount cannot be read.
        Unreadable = "unreadable",
        /// Paid by our books, not paid by the supplier's word.
        SupplierUnpaid = "supplier_unpaid",
        /// Paid by the supplier's word, and not by our books.
        SupplierPaid = "supplier_paid",
        /// Paid, and ended by the supplier: money is due back.
        SupplierEnded = "supplier_ended",
    }
}

impl FindingKind {
    /// Our record of one capture, refund, payout or purchase is contradicted, as against money that is nobody's yet.
    pub fn contradicts(self) -> bool {
        use FindingKind as K;
        matches!(
            self,
            K::MissingThere
                | K::MissingHere
                | K::AmountDiffers
                | K::FeeDiffers
                | K::CurrencyDiffers
                | K::Twice
                | K::DuplicateId
                | K::PayoutReturned
                | K::HappenedAllTheSame
                | K::SupplierUnpaid
                | K::SupplierPaid
                | K::SupplierEnded
        )
    }
}

impl FindingKind {
    /// The owner's own doing at the far side: a person may book it, once, against the owner's equity. What belongs to
    /// an order (a refund, a reversal, a chargeback) is the order's, and what contradicts our record is corrected.
    pub fn is_the_owners(self) -> bool {
        use FindingKind as K;
        matches!(self, K::ForeignInflow | K::ForeignOutflow | K::ForeignFee | K::Withdrawal | K::Conversion)
    }
}

/// What kind of movement a row is, by PayPal's event code and its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// Somebody paid us.
    Inflow,
    /// We paid somebody: a payout, or a payment by hand.
    Outflow,
    Refund,
    Reversal,
    Chargeback,
    /// A payout that came back.
    PayoutReturn,
    /// Set aside for a moment or let go again; nothing left.
    Hold,
    Fee,
    Conversion,
    /// To or from a bank.
    Bank,
    Other,
}

/// The event codes under which PayPal takes a payment back by itself; T1110 holds it for a dispute.
const TAKEN_BACK: [&str; 4] = ["T1106", "T1110", "T1201", "T1202"];

impl Row {
    /// A payment, or a part of one, that PayPal took back by itself.
    pub fn is_taken_back(&self) -> bool {
        TAKEN_BACK.contains(&self.code.as_str()) && self.amount.is_some_and(|amount| amount.minor < 0)
    }
}

impl Movement {
    /// The event codes that are documented; any other counts by its group, and where that is unknown by its sign.
    pub fn of(code: &str, amount: i64) -> Movement {
        let by_sign = if amount >= 0 { Movement::Inflow } else { Movement::Outflow };
        match code {
            "T1107" => Movement::Refund,
            "T1106" => Movement::Reversal,
            "T1201" | "T1202" => Movement::Chargeback,
            "T1114" | "T1115" => Movement::PayoutReturn,
            "T1105" | "T1503" => Movement::Hold,
            "T1108" | "T0104" | "T0106" => Movement::Fee,
            code => match code.get(..3) {
                Some("T00") => by_sign,
                Some("T01") => Movement::Fee,
                Some("T02") => Movement::Conversion,
                Some("T03" | "T04") => Movement::Bank,
                _ => Movement::Other,
            },
        }
    }
}

/// One row that moved the balance, as the far side reported it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Not unique.
    pub id: String,
    pub code: String,
    pub at: Timestamp,
    /// When it was first told here.
    pub seen_at: Timestamp,
    /// Which of several rows alike in id, code and time; from 1.
    pub nth: u32,
    /// Above zero came in. `None`: it could not be read.
    pub amount: Option<Money>,
    /// Below zero was kept by the far side. `None`: none was said.
    pub fee: Option<Money>,
    /// Id of what it belongs to.
    pub reference: Option<String>,
    pub invoice: Option<String>,
    pub custom: Option<String>,
}

/// The statement as it is known now.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub rows: Vec<Row>,
    /// Nothing before it is ours to explain.
    pub since: Timestamp,
    /// Until when the far side's report is known here without a gap. `None`: it never was.
    pub known_through: Option<Timestamp>,
}

words! {
    pub enum OursKind { Capture = "capture", Refund = "refund", Payout = "payout" }
}

/// One capture, refund or payout of ours, whatever became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ours {
    pub kind: OursKind,
    /// The claim's key; PayPal shows a payout's as its `custom` field.
    pub key: String,
    pub order: OrderId,
    pub state: State,
    /// The far side's transaction id. `None`: not known yet.
    pub id: Option<String>,
    /// Above zero.
    pub amount: Money,
    /// What the far side keeps of it (of a refund: gives back). `None`: not known.
    pub fee: Option<Money>,
    /// When it became what it is: settled, or claimed.
    pub at: Timestamp,
    /// Of a payout. `None`: not seen yet.
    pub item: Option<ItemStatus>,
}

/// Our side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    pub ours: Vec<Ours>,
    /// Orders with a checkout of ours at PayPal: their id is the custom id of the payment.
    pub checkouts: BTreeSet<OrderId>,
    /// Payments of channels' orders that somebody vouched for: transaction id, order, total.
    pub settled: BTreeMap<String, (OrderId, Money)>,
    /// References of everything booked: a movement whose id is among them is known, whoever booked it.
    pub booked: BTreeSet<String>,
    /// What disputes moved in our account, as booked: order, and the amount with the sign it had for us. PayPal gives
    /// these no transaction id.
    pub disputed: Vec<(OrderId, Money)>,
    /// What PayPal took back by itself and no dispute shows, as it stands in the books: the capture's id, and the amount
    /// above zero. PayPal gives these no transaction id either.
    pub reversed: Vec<(String, Money)>,
}

/// What lay in the account at one instant, by the far side's word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub as_of: Timestamp,
    pub total: Money,
    pub available: Money,
    /// `None`: not said.
    pub withheld: Option<Money>,
}

/// One supplier order in our books and by the supplier's word.
#[derive(Clone, Debug, PartialEq)]
pub struct SupplierOrder {
    pub id: String,
    pub order: OrderId,
    /// When our books took it for paid. `None`: they do not.
    pub paid_at: Option<Timestamp>,
    /// What was booked as paid. `None`: nothing.
    pub booked: Option<Money>,
    /// All that was paid for it came back, by our books.
    pub is_all_back: bool,
    /// `None`: the supplier was never heard about it.
    pub look: Option<SupplierLook>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SupplierLook {
    pub at: Timestamp,
    pub status: String,
    pub is_paid: bool,
    /// Every line of it was ended.
    pub is_ended: bool,
    /// `None`: not said.
    pub total: Option<Money>,
}

/// One difference, as it is found. `(kind, reference)` says which.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub kind: FindingKind,
    /// The far side's id, or our key.
    pub reference: String,
    /// `None`: no order of ours.
    pub order: Option<OrderId>,
    /// The amount in question, with the sign it has for us. `None`: not known.
    pub amount: Option<Money>,
    /// What was seen on either side, in words, ids and amounts; no personal data.
    pub detail: String,
}
