//! Disputes as PayPal shows them. It only reads: answering a dispute is done on PayPal's site.

use super::{Call, Operation, PayPal, amounts, plain, unreadable};
use crate::domain::money::Money;
use crate::gateway::json::Node;
use crate::gateway::{CallError, is_plain_id, tame};
use jiff::Timestamp;

/// A dispute as its own page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeSeen {
    pub id: String,
    /// Our captures it is about.
    pub captures: Vec<String>,
    /// What else it names that we may know: our own references.
    pub references: Vec<String>,
    /// PayPal's words, tamed.
    pub status: String,
    pub reason: String,
    pub stage: Option<String>,
    /// `None`: not decided.
    pub outcome: Option<String>,
    /// What is disputed. `None`: not said, or in no currency.
    pub amount: Option<Money>,
    pub opened_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    /// Until when the seller must answer. `None`: not his turn.
    pub respond_by: Option<Timestamp>,
    /// What moved in our account, in PayPal's order.
    pub movements: Vec<MovementSeen>,
}

/// Money that moved in the seller's account because of a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovementSeen {
    /// Taken from us; else given to us.
    pub is_debit: bool,
    pub reason: String,
    pub amount: Money,
    pub at: Option<Timestamp>,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeLine {
    pub id: String,
    /// PayPal's own text, which changes with every change of the dispute.
    pub updated: String,
}

/// PayPal shows at most so many on a page.
const PAGE: u32 = 50;
/// A thousand disputes in one look are more than a small seller has; the rest waits for the next look.
const PAGES_MAX: u32 = 20;

impl PayPal {
    /// Disputes that changed since then, and whether the list is whole.
    pub fn disputes_since(&self, now: Timestamp, since: Timestamp) -> Result<(Vec<DisputeLine>, bool), CallError> {
        let since = since.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        let first = format!("/v1/customer/disputes?update_time_after={since}&page_size={PAGE}");
        let (mut found, mut path) = (Vec::new(), first.clone());
        for _ in 0..PAGES_MAX {
            let call = Call::look_up(Operation::Disputes, path);
            let node = self.answer(now, &call)?;
            let rows = node.at("items").items().iter().map(line).collect::<Option<Vec<_>>>();
            found.extend(rows.ok_or_else(|| unreadable(call.operation, "a dispute without an id"))?);
            let links = node.at("links").items();
            let next = links.iter().find(|l| l.at("rel").text() == Some("next")).and_then(|l| l.at("href").text());
            let Some(token) = next.and_then(page_token) else { return Ok((found, next.is_none())) };
            path = format!("{first}&next_page_token={token}");
        }
        Ok((found, false))
    }

    /// Looks one dispute up.
    pub fn dispute(&self, now: Timestamp, id: &str) -> Result<DisputeSeen, CallError> {
        let path = format!("/v1/customer/disputes/{}", plain("dispute", id)?);
        let call = Call::look_up(Operation::Dispute, path);
        let seen = read(&self.answer(now, &call)?);
        seen.filter(|d| d.id == id).ok_or_else(|| unreadable(call.operation, "no id, no status or an odd movement"))
    }
}

fn line(node: &Node) -> Option<DisputeLine> {
    let id = node.at("dispute_id").owned().filter(|id| is_plain_id(id))?;
    let updated = node.at("update_time").text().or_else(|| node.at("create_time").text()).unwrap_or("");
    Some(DisputeLine { id, updated: tame(updated, 40) })
}

/// The token in the link to the next page, as it stands there. The link itself is not followed.
fn page_token(href: &str) -> Option<&str> {
    let (_, rest) = href.split_once("next_page_token=")?;
    let token = rest.split(['&', '#']).next()?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+/=%-_".contains(&b);
    ((1..=512).contains(&token.len()) && token.bytes().all(is_plain)).then_some(token)
}

/// `None` also where money moved and we cannot tell how much: half a truth is not booked.
fn read(node: &Node) -> Option<DisputeSeen> {
    let disputed = node.at("disputed_transactions").items();
    let ids = |field: &str| disputed.iter().filter_map(|t| t.at(field).owned()).filter(|id| is_plain_id(id)).collect();
    let time = |node: &Node| node.text().and_then(|t| t.parse().ok());
    let word = |node: &Node| node.text().map(|w| tame(w, 64));
    let ours = node.at("money_movements").items().iter().filter(|m| m.at("affected_party").text() == Some("SELLER"));
    let references: Vec<String> = ids("custom");
    Some(DisputeSeen {
        id: node.at("dispute_id").owned()?,
        captures: ids("seller_transaction_id"),
        references,
        status: word(node.at("status"))?,
        reason: word(node.at("reason")).unwrap_or_else(|| "OTHER".to_owned()),
        stage: word(node.at("dispute_life_cycle_stage")),
        outcome: word(node.at("dispute_outcome").at("outcome_code")),
        amount: amounts::read(node.at("dispute_amount")),
        opened_at: time(node.at("create_time")),
        updated_at: time(node.at("update_time")),
        respond_by: time(node.at("seller_response_due_date")),
        movements: ours.map(movement).collect::<Option<_>>()?,
    })
}

fn movement(node: &Node) -> Option<MovementSeen> {
    let is_debit = match node.at("type").text()? {
        "DEBIT" => true,
        "CREDIT" => false,
        _ => return None,
    };
    let reason = tame(node.at("reason").text().unwrap_or(""), 64);
    let at = node.at("initiated_time").text().and_then(|t| t.parse().ok());
    Some(MovementSeen { is_debit, reason, amount: amounts::read(node.at("amount"))?, at })
}
