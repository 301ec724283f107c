//! Where the parcels are. It must never be the proof of a delivery by itself: the carriers' words are not documented,
//! and a number may change on the way.

use super::{AliExpress, Api, digits, unreadable};
use crate::gateway::json::Node;
use crate::gateway::{CallError, Secret, tame};
use jiff::Timestamp;

const TRACKING: Api = Api::Method("aliexpress.ds.order.tracking.get");

/// One parcel of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub number: String,
    pub carrier: Option<String>,
    /// The newest event is called "Delivered". A hint: the order's own status is the proof.
    pub delivered: bool,
    /// The newest event in the carrier's words. `None`: none yet.
    pub last_event: Option<String>,
    pub last_event_at: Option<Timestamp>,
    /// When it is expected. `None`: not said.
    pub eta_at: Option<Timestamp>,
}

impl AliExpress {
    /// The parcels of an order. Empty: not sent yet, or (AliExpress does not tell these apart) not an order of ours.
    pub fn tracking(&self, now: Timestamp, token: &Secret, id: &str) -> Result<Vec<Parcel>, CallError> {
        let parameters = vec![("ae_order_id", digits("order", id)?.to_owned()), ("language", "en_US".to_owned())];
        let node = self.look_up(now, TRACKING, token, parameters)?;
        let result = if node.at("result").is_object() { node.at("result") } else { &node };
        match (result.at("ret").flag(), result.at("code").text()) {
            (Some(false), Some("1001")) => return Ok(Vec::new()),
            (Some(true), _) => {}
            (_, code) => return Err(unreadable(TRACKING, &format!("code {}", tame(code.unwrap_or("-"), 20)))),
        }
        let lines = result.at("data").at("tracking_detail_line_list").rows("tracking_detail");
        Ok(lines.into_iter().filter_map(read_parcel).collect())
    }
}

/// `None` for a line without a number: there is nothing to follow yet.
fn read_parcel(line: &Node) -> Option<Parcel> {
    let nodes = line.at("detail_node_list").rows("detail_node");
    // Newest first by the documentation; by the time stamp where there is one, to be safe.
    let newest = nodes.iter().rev().max_by_key(|node| node.at("time_stamp").whole().unwrap_or(0));
    let newest = newest.copied().unwrap_or(&Node::Null);
    let name = newest.at("tracking_name").text().unwrap_or("");
    Some(Parcel {
        number: line.at("mail_no").owned()?,
        carrier: line.at("carrier_name").owned(),
        delivered: is_delivered(name),
        last_event: newest
            .at("tracking_detail_desc")
            .text()
            .or(Some(name))
            .filter(|t| !t.is_empty())
            .map(|t| tame(t, 200)),
        last_event_at: instant(newest.at("time_stamp")),
        eta_at: instant(line.at("eta_time_stamps")),
    })
}

/// Strict on purpose: "out for delivery" and "could not be delivered" are no deliveries.
fn is_delivered(event_name: &str) -> bool {
    let name = event_name.trim().to_ascii_lowercase();
    matches!(name.as_str(), "delivered" | "package delivered" | "delivered successfully")
}

/// Milliseconds since 1970. `None` for 0 and for anything out of range.
fn instant(ms: &Node) -> Option<Timestamp> {
    let ms = ms.whole().and_then(|ms| i64::try_from(ms).ok()).filter(|ms| *ms > 0)?;
    Timestamp::from_millisecond(ms).ok()
}
