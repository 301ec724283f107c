//! Transaction Search: the account's own history, as PayPal reports it up to three hours late. It only reads, and must
//! never take the absence of a row for a proof before [`Statement::refreshed_at`] says that PayPal knew that time.
//!
//! Asked are the fields of the transaction only: names, addresses and carts of persons, which `fields=all` would bring,
//! never reach this program.

use super::{Call, Operation, PayPal, amounts, unreadable};
use crate::domain::money::Money;
use crate::gateway::json::Node;
use crate::gateway::{CallError, tame};
use jiff::{SignedDuration, Timestamp};

/// PayPal refuses a longer range.
const WINDOW_MAX: SignedDuration = SignedDuration::from_hours(24 * 31);
/// PayPal's largest page.
const PAGE_SIZE: u64 = 500;
/// A range with too many rows is halved down to this, and not further.
const WINDOW_MIN: SignedDuration = SignedDuration::from_mins(5);
/// New rows may come in while we turn pages; then the range is read again, so often.
const READINGS_MAX: u32 = 3;

/// One row of the account's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionSeen {
    /// Not unique in the report. `-` where PayPal names none.
    pub id: String,
    /// `T0006` and its like.
    pub code: String,
    /// `S` happened, `P` pending, `D` denied, `V` reversed. `-`: not said.
    pub status: String,
    pub initiated_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    /// With its sign: above zero came in. `None`: not said, or not readable exactly.
    pub amount: Option<Money>,
    /// With its sign: below zero was kept by PayPal. `None`: none was said.
    pub fee: Option<Money>,
    /// Id of what it belongs to, such as the capture of a refund.
    pub reference: Option<String>,
    /// `ODR`, `TXN`, `SUB` or `PAP`.
    pub reference_kind: Option<String>,
    pub invoice: Option<String>,
    /// What the caller of the API wrote along: our order, or the item of our payout.
    pub custom: Option<String>,
}

/// The rows of one range of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    pub rows: Vec<TransactionSeen>,
    /// Until when PayPal's report knew when it was asked. `None`: not said, so nothing can be missed in it.
    pub refreshed_at: Option<Timestamp>,
}

/// Parts of a range of time that PayPal answers, oldest first. They touch, so that nothing falls between them.
pub fn windows(from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut parts = Vec::new();
    let mut start = from;
    while start < to {
        let end = start.checked_add(WINDOW_MAX).unwrap_or(to).min(to);
        parts.push((start, end));
        start = end;
    }
    parts
}

/// Whether PayPal said that this app may not read reports: a state of the account, and not a fault.
pub fn is_permission_missing(error: &CallError) -> bool {
    let codes = ["NOT_AUTHORIZED", "PERMISSION_DENIED", "REQUIRED_SCOPE_MISSING", "AUTHORIZATION_ERROR"];
    matches!(error, CallError::Refused { code, .. } if codes.contains(&code.as_str()))
}

impl PayPal {
    /// Every row of a range of at most 31 days. `moving_only`: only what moved the balance; else also what is pending or
    /// was denied. A range with too many rows is read in halves.
    pub fn transactions(
        &self,
        now: Timestamp,
        (from, to): (Timestamp, Timestamp),
        moving_only: bool,
    ) -> Result<Statement, CallError> {
        match self.range(now, (from, to), moving_only) {
            Err(CallError::Refused { code, .. })
                if code == "RESULTSET_TOO_LARGE" && to.duration_since(from) > WINDOW_MIN =>
            {
                let middle = from + SignedDuration::from_secs(to.duration_since(from).as_secs() / 2);
                let mut first = self.transactions(now, (from, middle), moving_only)?;
                // The second on which they meet belongs to the first half.
                let rest = self.transactions(now, (middle, to), moving_only)?;
                first.rows.extend(rest.rows.into_iter().filter(|row| row.initiated_at > middle));
                first.refreshed_at = first.refreshed_at.min(rest.refreshed_at);
                Ok(first)
            }
            answer => answer,
        }
    }

    /// All pages of one range, read again while rows come in between them.
    fn range(&self, now: Timestamp, range: (Timestamp, Timestamp), moving_only: bool) -> Result<Statement, CallError> {
        for _ in 0..READINGS_MAX {
            let first = self.page(now, range, moving_only, 1)?;
            let (total, pages) = (first.total, first.pages);
            let mut statement = Statement { rows: first.rows, refreshed_at: first.refreshed_at };
            let mut is_steady = true;
            for number in 2..=pages {
                let page = self.page(now, range, moving_only, number)?;
                is_steady &= (page.total, page.pages) == (total, pages) && page.refreshed_at == first.refreshed_at;
                statement.rows.extend(page.rows);
            }
            let count = u64::try_from(statement.rows.len()).unwrap_or(u64::MAX);
            if is_steady && total.is_none_or(|total| total == count) {
                return Ok(statement);
            }
        }
        Err(unreadable(Operation::Transactions, "its pages do not add up to what it says there is"))
    }

    fn page(
        &self,
        now: Timestamp,
        (from, to): (Timestamp, Timestamp),
        moving_only: bool,
        number: u64,
    ) -> Result<Page, CallError> {
        let path = format!(
            "/v1/reporting/transactions?start_date={}&end_date={}&fields=transaction_info\
             &balance_affecting_records_only={}&page_size={PAGE_SIZE}&page={number}",
            seconds(from),
            seconds(to),
            if moving_only { "Y" } else { "N" },
        );
        let call = Call::look_up(Operation::Transactions, path);
        let node = self.answer(now, &call)?;
        // An empty period may leave the list out altogether.
        let rows = node.at("transaction_details").items().iter().map(|row| read_row(row.at("transaction_info")));
        let rows = rows.collect::<Option<_>>();
        Ok(Page {
            rows: rows.ok_or_else(|| unreadable(call.operation, "a row without code or time"))?,
            refreshed_at: instant(node.at("last_refreshed_datetime")),
            total: node.at("total_items").whole(),
            pages: node.at("total_pages").whole().unwrap_or(1),
        })
    }
}

struct Page {
    rows: Vec<TransactionSeen>,
    refreshed_at: Option<Timestamp>,
    total: Option<u64>,
    pages: u64,
}

/// In whole seconds of UTC: PayPal wants seconds, and a `+` would have to be encoded.
fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// PayPal writes the offset as `Z`, `+00:00` or `+0000`.
pub(super) fn instant(node: &Node) -> Option<Timestamp> {
    node.text()?.parse().ok()
}

fn read_row(row: &Node) -> Option<TransactionSeen> {
    let word = |name: &str| row.at(name).text().map(|text| tame(text, 127)).filter(|text| !text.is_empty());
    Some(TransactionSeen {
        id: word("transaction_id").unwrap_or_else(|| "-".to_owned()),
        code: word("transaction_event_code")?,
        status: word("transaction_status").unwrap_or_else(|| "-".to_owned()),
        initiated_at: instant(row.at("transaction_initiation_date"))?,
        updated_at: instant(row.at("transaction_updated_date")),
        amount: amounts::read(row.at("transaction_amount")),
        fee: amounts::read(row.at("fee_amount")),
        reference: word("paypal_reference_id"),
        reference_kind: word("paypal_reference_id_type"),
        invoice: word("invoice_id"),
        custom: word("custom_field"),
    })
}
