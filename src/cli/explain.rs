//! `postsale doctor --explain paypal|aliexpress`: what this program assumes of a far side and nobody has yet seen there with an
//! account of his own, what it does should the assumption be wrong, and what to try first in that side's own sandbox.

use super::exit::{Exit, Failure};
use super::page::{Facts, Rows, pretty};
use super::say;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Side {
    Paypal,
    Aliexpress,
}

/// One assumption.
struct Assumed {
    what: &'static str,
    /// What the program does if it is not so.
    else_: &'static str,
    /// What to try first, and what to look at.
    first: &'static str,
}

const PAYPAL: &[Assumed] = &[
    Assumed {
        what: "The whole road: checkout, capture, two payouts. It was built from PayPal's description and run against the \
               built-in PayPal only.",
        else_: "an order stands in the queue with PayPal's own word and debug id",
        first: "paypal.base_url = \"sandbox\" with the credentials of a sandbox app, then one order of 1.00 through \
                POST /api/internal/test-post-sale-flow, and postsale orders show of it",
    },
    Assumed {
        what: "The names of the permissions in a token (payouts, refunds, transaction search, webhooks).",
        else_: "payouts count as not permitted until PayPal has accepted one, so nothing is charged or bought: approve ORDER \
                --override payout_permission lets one order go on, and the first accepted payout ends it. A token that \
                names none of them tells nothing, and stops nobody",
        first: "postsale serve, then the rows paypal_permits_* of postsale verify beside the app's settings at PayPal",
    },
    Assumed {
        what: "A payout's sender_batch_id is taken once in 30 days, and a second one is told by USER_BUSINESS_ERROR with \
               the field SENDER_BATCH_ID and a link to the first batch.",
        else_: "another wording leaves the payout unknown and in the queue; it is never sent under another id by itself",
        first: "send one payout of 1.00 twice with curl and the same sender_batch_id, and compare the second answer",
    },
    Assumed {
        what: "A payout that was refused leaves its sender_batch_id free.",
        else_: "the next send says duplicate without an original, and the payout waits in the queue as payout_unknown",
        first: "note = \"ERRPYO005\" in a payout by curl, then the same batch id with another note",
    },
    Assumed {
        what: "Too small a balance is said either at once (422 INSUFFICIENT_FUNDS) or later by a denied batch with a failed \
               item of that name.",
        else_: "another word holds the order as payout_refused or payout_problem",
        first: "empty the sandbox account, let one order pay out, and look at postsale orders timeline",
    },
    Assumed {
        what: "PayPal keeps its fee of a payout that comes back, and shows the transaction of the return in the place of \
               the one that sent it.",
        else_: "reconciliation reports the difference to the cent",
        first: "pay 1.00 to an address without an account, postsale payouts cancel ID, and compare the account's statement",
    },
    Assumed {
        what: "An item may also be DENIED or ON_HOLD, words that only some of PayPal's pages have.",
        else_: "any other word keeps the payout pending and in the queue",
        first: "nothing to try; look at payouts in the queue",
    },
    Assumed {
        what: "What PayPal takes back shows in the capture's status, among the order's refunds or in a dispute's movements, \
               and moved once however many of them show it.",
        else_: "the reconciliation reports a movement that is not known, or a balance that its rows do not explain",
        first: "open a dispute as the sandbox buyer, lose it, and compare postsale orders timeline, PayPal's order by curl \
                and, four hours later, postsale reconcile",
    },
    Assumed {
        what: "Money held for a dispute shows among the dispute's money_movements, not only as rows T1110 and T1111 of \
               Transaction Search.",
        else_: "the reconciliation reports the two rows as movements of another hand until they add up to nothing",
        first: "the same dispute: look for money_movements while it is open",
    },
    Assumed {
        what: "The rows of Transaction Search bear the capture's id, and for payouts our sender_item_id in custom_field.",
        else_: "reconciliation reports rows that it cannot place",
        first: "four hours after the first sandbox payout: postsale reconcile",
    },
    Assumed {
        what: "A declined capture stays declined under its key, and the next attempt under a next key may succeed.",
        else_: "the buyer is asked to approve again although he has",
        first: "PayPal-Mock-Response: {\"mock_application_codes\":\"INSTRUMENT_DECLINED\"} on a capture by curl, twice",
    },
    Assumed {
        what: "A captured order can be read for at least the seven days in which an unknown capture is looked for; an unpaid \
               one is gone after three hours.",
        else_: "an unknown capture stays in the queue as capture_unknown",
        first: "read yesterday's sandbox order again with curl",
    },
    Assumed {
        what: "The account's setting that an invoice id is taken only once is on; it is a second guard beside the key.",
        else_: "the key and the order itself, which is captured once, are the guards left",
        first: "switch it on under Account Settings, Website payments, Block accidental payments",
    },
    Assumed {
        what: "A refund's key is remembered for six hours at least; PayPal's pages say six hours and forty-five days.",
        else_: "nothing: later than six hours the order's refunds are read before the same key goes out again",
        first: "nothing to try",
    },
    Assumed {
        what: "A tracking number is taken with both names of the capture's id (capture_id, transaction_id), and a carrier \
               that PayPal does not list may be left out.",
        else_: "the timeline says tracking_refused with PayPal's reason; nothing hangs on it",
        first: "after the first shipped sandbox order, look for tracking_told in postsale orders timeline",
    },
];

/// AliExpress has no sandbox: what is assumed, and what the program does about it, so that a surprise costs a look and
/// not money.
const ALIEXPRESS: &[(&str, &str)] = &[
    (
        "what a repeated out_order_id answers",
        "after an unknown outcome one identical resend goes out; only \"bought\" counts, anything else stays a person's",
    ),
    (
        "whether the repeat is looked at before stock and address",
        "a refusal of a resend proves nothing here, so either order is safe",
    ),
    ("how long and in which letters an out_order_id may be", "18 lower-case letters and digits are sent"),
    (
        "what becomes of the old refresh token, and of a lost answer to a refresh",
        "one refresh at a time, stored before it is used; if the old one is spent the orders are held until a login",
    ),
    (
        "in which time zone gmt_create and the paid time are",
        "both are kept as text and compared with nothing; our own clock counts",
    ),
    ("the words of InvalidApiPath, MissingParameter and IllegalTimestamp", "only their codes are read"),
    (
        "how a call from an address that is not on the app's IP list is refused",
        "the reason is shown as it comes; words about a white list are explained",
    ),
    ("whether lists come wrapped, bare or as one object", "all three are read"),
    (
        "whether a \"free\" shipment is charged after all",
        "the supplier's own total is read back before anybody pays, and held when it is over what was approved",
    ),
    (
        "the forms of the countries",
        "an address that does not fit our table is held with its field; approve with override [address] sends it anyway",
    ),
    ("which cities AliExpress lists", "asked for once a day and country; where there is no list nothing is compared"),
    ("aliexpress.ds.order.afterpay", "never called: two sources contradict each other on what it does"),
    ("AliExpress' own messages about orders", "not received: the program asks"),
];

/// With a loaned test account, in this order.
const ALIEXPRESS_FIRST: &[&str] = &[
    "App Console, Common Tools: loan a test account; sign the DS Center agreement with it",
    "set ALIEXPRESS_APP_KEY, ALIEXPRESS_APP_SECRET, aliexpress.base_url = \"live\", aliexpress.loan_account = true, \
     aliexpress.autopay = false",
    "postsale aliexpress login, then postsale aliexpress status: both lifetimes must be shown (1 and 2 days for an app in \
     test)",
    "postsale products put … with a cheap product, and one channel order: the queue must show a quote in the currency you \
     expect",
    "approve it: one supplier order must appear in the account's order list, unpaid, with the total that the program shows",
    "compare that total with the quote: a hidden charge shows here for the first time",
    "let it be: it closes by itself after about twelve days, and the program must say supplier_closed and then \
     expired_unpaid",
    "cut the network during a second order (or kill -9 postsale): the queue must say purchase_unknown, and resolve with the \
     id that you find must take it on",
    "only then: aliexpress.autopay, after AliExpress has put the app on its list and a PayPal account is bound",
];

pub fn explain(side: Side, as_json: bool) -> Result<Exit, Failure> {
    let rows: Vec<(&str, &str, Option<&str>)> = match side {
        Side::Paypal => PAYPAL.iter().map(|a| (a.what, a.else_, Some(a.first))).collect(),
        Side::Aliexpress => ALIEXPRESS.iter().map(|(what, so)| (*what, *so, None)).collect(),
    };
    if as_json {
        let row = |(what, otherwise, first): &(&str, &str, Option<&str>)| {
            Facts::default().with("assumed", *what).with("else", *otherwise).with("first", *first)
        };
        say(&pretty(&Rows(rows.iter().map(row).collect()).json()))?;
        return Ok(Exit::Good);
    }
    let mut text = "Not seen yet with an account of one's own, and what to try first:\n".to_owned();
    for (number, (what, otherwise, first)) in (1..).zip(rows) {
        text.push_str(&format!("\n{number:2}. {what}\n    if not:  {otherwise}\n"));
        if let Some(first) = first {
            text.push_str(&format!("    first:   {first}\n"));
        }
    }
    if side == Side::Aliexpress {
        text.push_str("\nAliExpress has no sandbox. With a loaned test account, in this order:\n\n");
        for (number, step) in (1..).zip(ALIEXPRESS_FIRST) {
            text.push_str(&format!("{number:2}. {step}\n"));
        }
    }
    say(&text)?;
    Ok(Exit::Good)
}
