//! `postsale doctor --explain aliexpress`: what was built from documents and other people's reports and never seen at the
//! real far side, what would happen if it is otherwise, and what to try first with a loaned test account. Text only.

use super::args::Explained;

/// Each with what the program does about it, so that a surprise costs a look and not money.
const NOT_VERIFIED: &[(&str, &str)] = &[
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

const FIRST: &[&str] = &[
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

pub fn explain(far_side: Explained) -> String {
    match far_side {
        Explained::Aliexpress => aliexpress(),
    }
}

fn aliexpress() -> String {
    let mut text =
        "AliExpress has no sandbox. Built from its documentation and from other people's reports, and not seen \
                    at the real one:\n\n"
            .to_owned();
    for (what, so) in NOT_VERIFIED {
        text.push_str(&format!("  {what}\n      {so}\n"));
    }
    text.push_str("\nWith a loaned test account, in this order:\n\n");
    for (number, step) in FIRST.iter().enumerate() {
        text.push_str(&format!("  {}. {step}\n", number + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_what_is_open_and_where_to_begin() {
        let text = explain(Explained::Aliexpress);
        for word in ["out_order_id", "refresh token", "loan a test account", "autopay = false", "1. ", "9. "] {
            assert!(text.contains(word), "{word}\n{text}");
        }
    }
}
