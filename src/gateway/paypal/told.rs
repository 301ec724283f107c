//! What an event is about: its own id, its kind, and every outside id it names. Amounts and states in it are not read at
//! all: whoever is told asks PayPal again.

use crate::gateway::is_plain_id;
use crate::gateway::json::Node;

/// An event, by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub event_id: String,
    /// `PAYMENT.CAPTURE.COMPLETED` and the like.
    pub kind: String,
    /// Ids it names, each once and fit for a look-up: the dispute's own first, then ours, PayPal's orders, captures,
    /// refunds, batches, items.
    pub names: Vec<String>,
}

/// The kinds we ask PayPal to tell.
pub const KINDS: [&str; 24] = [
    "CHECKOUT.ORDER.APPROVED",
    "CHECKOUT.PAYMENT-APPROVAL.REVERSED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.DECLINED",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
    "PAYMENT.REFUND.PENDING",
    "PAYMENT.REFUND.FAILED",
    "PAYMENT.PAYOUTSBATCH.DENIED",
    "PAYMENT.PAYOUTSBATCH.PROCESSING",
    "PAYMENT.PAYOUTSBATCH.SUCCESS",
    "PAYMENT.PAYOUTS-ITEM.BLOCKED",
    "PAYMENT.PAYOUTS-ITEM.CANCELED",
    "PAYMENT.PAYOUTS-ITEM.FAILED",
    "PAYMENT.PAYOUTS-ITEM.HELD",
    "PAYMENT.PAYOUTS-ITEM.REFUNDED",
    "PAYMENT.PAYOUTS-ITEM.RETURNED",
    "PAYMENT.PAYOUTS-ITEM.SUCCEEDED",
    "PAYMENT.PAYOUTS-ITEM.UNCLAIMED",
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.UPDATED",
    "CUSTOMER.DISPUTE.RESOLVED",
];

/// An event names a handful; a body that names more plays with us.
const NAMES_MAX: usize = 24;
const KIND_CHARS_MAX: usize = 80;

impl Told {
    /// `None`: not an event, or its id is not one.
    pub(super) fn read(body: &[u8]) -> Option<Told> {
        let event = Node::parse(body)?;
        let event_id = event.at("id").text().filter(|id| is_plain_id(id))?.to_owned();
        let kind = event.at("event_type").text()?;
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        if kind.len() > KIND_CHARS_MAX || !kind.bytes().all(is_word) {
            return None;
        }
        Some(Told { event_id, kind: kind.to_owned(), names: names(event.at("resource")) })
    }
}

fn names(resource: &Node) -> Vec<String> {
    let mut found: Vec<&str> = Vec::new();
    let related = resource.at("supplementary_data").at("related_ids");
    let header = resource.at("batch_header");
    found.extend(["dispute_id", "custom_id", "invoice_id", "id"].iter().filter_map(|f| resource.at(f).text()));
    found.extend(["order_id", "capture_id"].iter().filter_map(|f| related.at(f).text()));
    for unit in resource.at("purchase_units").items() {
        found.extend(["custom_id", "invoice_id"].iter().filter_map(|f| unit.at(f).text()));
        found.extend(unit.at("payments").at("captures").items().iter().filter_map(|c| c.at("id").text()));
    }
    for place in [resource, header] {
        let ids = ["sender_batch_id", "payout_batch_id", "payout_item_id", "transaction_id"];
        found.extend(ids.iter().filter_map(|f| place.at(f).text()));
    }
    found.extend(resource.at("payout_item").at("sender_item_id").text());
    found.extend(header.at("sender_batch_header").at("sender_batch_id").text());
    for disputed in resource.at("disputed_transactions").items() {
        let ids = ["custom", "invoice_number", "seller_transaction_id"];
        found.extend(ids.iter().filter_map(|f| disputed.at(f).text()));
    }
    // A refund names its capture in a link only. The link is not followed; its last part is the id.
    let up = resource.at("links").items().iter().filter(|l| l.at("rel").text() == Some("up"));
    found.extend(up.filter_map(|l| l.at("href").text()?.rsplit('/').next()));
    let mut names: Vec<String> = Vec::new();
    for name in found {
        if is_plain_id(name) && names.len() < NAMES_MAX && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_by_its_names_and_by_nothing_else() {
        let check = |resource: &str, names: &[&str]| {
            let body = format!(r#"{{"id":"WH-1","event_type":"PAYMENT.X","resource":{resource}}}"#);
            let told = Told::read(body.as_bytes()).unwrap();
            assert_eq!(told.names, names, "{resource}");
            assert_eq!(told.event_id, "WH-1", "{resource}");
        };
        check(r#"{"id":"CAP1","custom_id":"ORD","amount":{"value":"9"}}"#, &["ORD", "CAP1"]);
        let refund = r#"{"id":"REF1","links":[{"rel":"self","href":"https://x/v2/payments/refunds/REF1"},
            {"rel":"up","href":"https://evil.example/v2/payments/captures/CAP1"}]}"#;
        check(refund, &["REF1", "CAP1"]);
        let item = r#"{"payout_item_id":"I","payout_batch_id":"B","sender_batch_id":"KEY","transaction_id":"T",
            "payout_item":{"sender_item_id":"KEY"}}"#;
        check(item, &["KEY", "B", "I", "T"]);
        let dispute =
            r#"{"dispute_id":"PP-D-1","disputed_transactions":[{"seller_transaction_id":"CAP1","custom":"ORD"}]}"#;
        check(dispute, &["PP-D-1", "ORD", "CAP1"]);
        check(r#"{"id":"../../v1","custom_id":"a b"}"#, &[]);
        check("{}", &[]);
    }

    #[test]
    fn what_is_no_event_is_nothing() {
        for body in ["", "[]", "{}", r#"{"id":"a b","event_type":"X"}"#, r#"{"id":"WH","event_type":"a\nb"}"#] {
            assert_eq!(Told::read(body.as_bytes()), None, "{body}");
        }
    }
}
