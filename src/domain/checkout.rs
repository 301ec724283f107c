//! The buyer's side: a checkout at PayPal and the capture of the buyer's money.

use super::claim::Claim;
use super::money::Money;
use jiff::Timestamp;

/// Our PayPal checkout of one order.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkout {
    /// `None` until PayPal has answered.
    pub paypal_order_id: Option<String>,
    pub approve_url: Option<String>,
    pub opened_at: Timestamp,
    /// The last time we asked PayPal about it.
    pub asked_at: Option<Timestamp>,
    /// Set while PayPal says APPROVED.
    pub approved_at: Option<Timestamp>,
    /// The buyer came back to us, or his browser asked for the capture.
    pub returned_at: Option<Timestamp>,
    /// Something was said to have changed at PayPal; it is asked what.
    pub rung_at: Option<Timestamp>,
    /// A capture was declined; the buyer has to approve again.
    pub declined_at: Option<Timestamp>,
    /// Dead: voided, expired, or gone at PayPal without a capture.
    pub expired_at: Option<Timestamp>,
}

/// The buyer's money, taken by PayPal.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    pub claim: Claim,
    /// What PayPal said of it; `None` while nothing is proven.
    pub proof: Option<CaptureProof>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CaptureProof {
    pub capture_id: String,
    /// Only a COMPLETED capture is money (MONEY: a PENDING one is no posting and is never bought on).
    pub is_completed: bool,
    /// PayPal's fee. `None` while PayPal does not tell, and then there is no sale yet.
    pub fee: Option<Money>,
    pub seen_at: Timestamp,
}
