//! Why an order stands still until a human has decided. Holds by persons and after refusals are stored; holds by
//! guards are computed and go with their cause.

use super::words;

words! {
    pub enum HoldCode {
        /// Somebody said stop.
        Person = "person",
        /// Fields are missing without which nobody can deliver.
        Incomplete = "incomplete",
        /// A guard of the purchase says no.
        Guard = "guard",
        /// Manual purchasing, or one of the first orders.
        NeedsApproval = "needs_approval",
        /// The supplier said no when asked for a price: gone, another variant, not shipped there. Asked again.
        NoOffer = "no_offer",
        /// No supplier account that could buy: no login, or no credentials.
        NoToken = "no_token",
        /// The supplier's interface is switched off: buy by hand.
        BuyByHand = "buy_by_hand",
        /// PayPal cannot be asked: credentials are missing.
        NoPaypal = "no_paypal",
        /// The machine or the database went back in time; nothing is sent before somebody has looked.
        Restored = "restored",
        CaptureUnknown = "capture_unknown",
        PurchaseUnknown = "purchase_unknown",
        PayoutUnknown = "payout_unknown",
        RefundUnknown = "refund_unknown",
        CaptureRefused = "capture_refused",
        /// What PayPal captured is not what we asked for.
        CaptureMismatch = "capture_mismatch",
        PurchaseRefused = "purchase_refused",
        PayoutRefused = "payout_refused",
        RefundRefused = "refund_refused",
        /// PayPal took the refund and gave it up again, or shows another one than we asked for.
        RefundProblem = "refund_problem",
        /// PayPal's shipping address is not the one the buyer gave us.
        AddressDiffers = "address_differs",
        /// The supplier's real total is above what was approved: do not pay.
        OverCeiling = "over_ceiling",
        /// Sold for less than it cost: booked, and somebody should have seen it.
        Loss = "loss",
        /// The buyer has his money back or is about to; the goods are ordered and not paid.
        DoNotPay = "do_not_pay",
        /// The supplier closed the order before anybody paid it.
        ExpiredUnpaid = "expired_unpaid",
        /// The supplier shows the order closed and never paid; a second look a day later makes it a fact.
        SupplierClosed = "supplier_closed",
        /// The supplier ended an order that was paid.
        SupplierCancelled = "supplier_cancelled",
        /// Some supplier orders were paid, others died.
        MixedPurchase = "mixed_purchase",
        /// The supplier's order is not the one we placed.
        SupplierMismatch = "supplier_mismatch",
        /// Two currencies and no dated rate between them.
        RateMissing = "rate_missing",
        /// The payee in the configuration is not the confirmed one.
        PayeeUnconfirmed = "payee_unconfirmed",
        /// Nothing was ever paid to this payee.
        NewPayee = "new_payee",
        /// PayPal reported a state of the payout that needs a human.
        PayoutProblem = "payout_problem",
        /// A leg, or the rest of one, that no payout pays any more: somebody pays it by other means, or has.
        PayOtherwise = "pay_otherwise",
        /// A channel has not paid what it held for longer than channels do.
        FundsOverdue = "funds_overdue",
        /// Cancelled while money had already moved.
        CancelledWithMoney = "cancelled_with_money",
        /// A buyer disputes the payment; nothing of the order moves until that is over.
        Disputed = "disputed",
        /// A dispute ended against us.
        DisputeLost = "dispute_lost",
        /// The program failed twice in a row on this order.
        ProgramFault = "program_fault",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub code: HoldCode,
    /// What was seen, in words and numbers; no personal data.
    pub detail: String,
}

impl Hold {
    pub fn new(code: HoldCode, detail: impl Into<String>) -> Hold {
        Hold { code, detail: detail.into() }
    }
}

impl HoldCode {
    /// What a seller can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            HoldCode::Person => "release the order when the reason is gone",
            HoldCode::Incomplete => "correct the order: fill in what is missing",
            HoldCode::Guard => "do what the reason names, correct the product, or cancel the order",
            HoldCode::NeedsApproval => "look at the quote and approve the order",
            HoldCode::NoOffer => {
                "correct the product or the address named, wait until the supplier has it again, or cancel the order"
            }
            HoldCode::NoToken => "log in to the supplier: postsale aliexpress login",
            HoldCode::BuyByHand => "buy the goods on the supplier's site and record them with mark-purchased",
            HoldCode::NoPaypal => "set PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET",
            HoldCode::Restored => {
                "check at PayPal and AliExpress what happened, then release this trade: postsale amnesia release ORDER"
            }
            HoldCode::CaptureUnknown => {
                "look the payment up at PayPal; the program goes on asking, and takes it up once PayPal shows it. If \
                 nothing was taken: resolve with nothing-there, a day later"
            }
            HoldCode::PurchaseUnknown => {
                "look in the AliExpress order list: resolve with the order id found, or with nothing-there"
            }
            HoldCode::PayoutUnknown => {
                "look the payout up at PayPal: payouts resolve with its batch id, or with nothing-there; only the same batch id is ever resent"
            }
            HoldCode::RefundUnknown => {
                "look the refund up at PayPal: resolve-refund with its id, or with nothing-there; only the same refund is ever resent"
            }
            HoldCode::RefundRefused => "read PayPal's reason; order another refund, or give the money back elsewhere",
            HoldCode::RefundProblem => "compare the refund at PayPal with the order; another refund needs your word",
            HoldCode::DoNotPay => "DO NOT PAY this supplier order; cancel it on the site",
            HoldCode::CaptureRefused => "read PayPal's reason; the buyer may pay again",
            HoldCode::CaptureMismatch => "compare the payment at PayPal with the order; refund it if it is not ours",
            HoldCode::PurchaseRefused => "read the supplier's reason, correct the order, then release it",
            HoldCode::PayoutRefused => {
                "read PayPal's reason, mend it, then release the order: the same batch id is sent again"
            }
            HoldCode::AddressDiffers => {
                "ask the buyer; released, the goods go to PayPal's address. Else cancel the order"
            }
            HoldCode::OverCeiling => {
                "DO NOT PAY this supplier order; cancel it on the site, or approve with override [ceiling] what it asks now"
            }
            HoldCode::Loss => {
                "the loss is booked; see whether the supplier gives something back, correct the product's price, then release \
                 the order"
            }
            HoldCode::ExpiredUnpaid => {
                "buy the goods by hand and record them with mark-purchased, or refund the buyer; nothing is bought again"
            }
            HoldCode::SupplierClosed => {
                "DO NOT PAY; nothing is to be done: the program looks again after a day and then says what is left to do"
            }
            HoldCode::SupplierCancelled => {
                "see on the supplier's site that the money comes back; refund the buyer, or buy the goods again by hand"
            }
            HoldCode::MixedPurchase => "refund the part that died, or buy it again by hand",
            HoldCode::SupplierMismatch => {
                "DO NOT PAY; compare the supplier order with what was sold; release the order if it is ours"
            }
            HoldCode::RateMissing => {
                "set the rate of the day (postsale fx set), or say with mark-supplier-paid what was charged"
            }
            HoldCode::PayeeUnconfirmed => "confirm the payee, or set the configuration back",
            HoldCode::NewPayee => {
                "compare the address with the recipient by another way than e-mail, then: postsale payees approve"
            }
            HoldCode::PayoutProblem => "look at the payout at PayPal; a new one needs your word",
            HoldCode::PayOtherwise => {
                "pay it by other means if that is not done yet, and say so: postsale payouts mark-paid"
            }
            HoldCode::FundsOverdue => {
                "see at the channel what became of the money, and say what it paid: postsale orders settle"
            }
            HoldCode::CancelledWithMoney => "refund the buyer, or release the order",
            HoldCode::Disputed => {
                "answer the dispute on PayPal's site before its deadline; the order goes on when it is over"
            }
            HoldCode::DisputeLost => {
                "look at the dispute at PayPal. Released, an order that was bought goes on and profit that is still owed \
                 is paid out; one that was not bought has to be cancelled, or what is left of it refunded"
            }
            HoldCode::ProgramFault => "read the log, report the fault, then release the order",
        }
    }
}
