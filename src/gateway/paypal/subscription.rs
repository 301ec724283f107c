//! Where PayPal sends its events: the webhooks of our app, made and moved. It decides nothing about them.

use super::told::KINDS;
use super::{Call, Operation, PayPal, plain, unreadable};
use crate::gateway::CallError;
use crate::gateway::json::Node;
use jiff::Timestamp;
use serde_json::json;

/// One address that PayPal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: String,
    pub url: String,
    /// The kinds it hears; `*` stands for all.
    pub kinds: Vec<String>,
}

impl Webhook {
    /// The kinds we need and this address does not hear.
    pub fn missing(&self) -> Vec<&'static str> {
        let hears = |kind: &str| self.kinds.iter().any(|k| k == "*" || k == kind);
        KINDS.into_iter().filter(|kind| !hears(kind)).collect()
    }
}

impl PayPal {
    /// Every address of our app.
    pub fn webhooks(&self, now: Timestamp) -> Result<Vec<Webhook>, CallError> {
        let call = Call::look_up(Operation::Webhooks, "/v1/notifications/webhooks".to_owned());
        let node = self.answer(now, &call)?;
        let rows = node.at("webhooks").items().iter().map(read).collect::<Option<_>>();
        rows.ok_or_else(|| unreadable(call.operation, "a webhook without an id or an address"))
    }

    /// Asks PayPal to tell this address of everything we need. Refused where it is told already.
    pub fn register_webhook(&self, now: Timestamp, url: &str) -> Result<Webhook, CallError> {
        let kinds: Vec<_> = KINDS.iter().map(|name| json!({ "name": name })).collect();
        let body = json!({ "url": url, "event_types": kinds }).to_string();
        let call = Call::post(Operation::Webhooks, "/v1/notifications/webhooks".to_owned(), None, body.as_bytes());
        read(&self.answer(now, &call)?).ok_or_else(|| unreadable(call.operation, "no id or no address"))
    }

    /// Has the same webhook, under the same id, tell another address.
    pub fn move_webhook(&self, now: Timestamp, id: &str, url: &str) -> Result<Webhook, CallError> {
        let path = format!("/v1/notifications/webhooks/{}", plain("webhook", id)?);
        let body = json!([{ "op": "replace", "path": "/url", "value": url }]).to_string();
        let call = Call { operation: Operation::Webhooks, method: "PATCH", path, key: None, body: body.as_bytes() };
        read(&self.answer(now, &call)?).ok_or_else(|| unreadable(call.operation, "no id or no address"))
    }
}

fn read(node: &Node) -> Option<Webhook> {
    let kinds = node.at("event_types").items().iter().filter_map(|kind| kind.at("name").owned()).collect();
    Some(Webhook { id: node.at("id").owned()?, url: node.at("url").owned()?, kinds })
}
