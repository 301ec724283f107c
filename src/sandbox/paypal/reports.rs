//! Every movement of the PayPal balance, reckoned from the rows, and the two reports that show it: Transaction Search
//! and balances. There is no stored balance that could differ from its movements.

use super::records::{Batch, Dispute, DisputeMovement, Item};
use super::{Book, Outcome, refusal};
use crate::sandbox::cents;
use crate::sandbox::wire::{Request, rfc3339};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One row of the account's history. `amount` and `fee` carry their sign.
#[derive(Debug, Clone)]
pub struct Movement<'a> {
    pub code: &'a str,
    pub id: &'a str,
    pub at: i64,
    pub currency: &'a str,
    pub amount: i64,
    pub fee: i64,
    /// Kind (`ODR`, `TXN`) and id of what it belongs to.
    pub reference: Option<(&'static str, &'a str)>,
    pub invoice: Option<&'a str>,
    pub custom: Option<&'a str>,
    /// `S` moved the balance; `P` and `D` did not.
    pub status: &'a str,
}

const DAY_MS: i64 = 86_400_000;

impl Book {
    /// Calls `each` for every movement up to now, in no particular order.
    pub fn movements<'a>(&'a self, now_ms: i64, each: &mut dyn FnMut(Movement<'a>)) {
        self.true_movements(now_ms, &mut |row| each(self.as_changed(row)));
        self.planted_movements(each);
    }

    fn true_movements<'a>(&'a self, now_ms: i64, each: &mut dyn FnMut(Movement<'a>)) {
        for capture in self.captures.values() {
            let (status, at) = match (capture.settled_at, capture.status.as_str()) {
                (Some(at), _) => ("S", at),
                (None, "PENDING") => ("P", capture.at),
                (None, _) => ("D", capture.at),
            };
            let row = Movement {
                code: "T0006",
                id: &capture.id,
                at,
                currency: &capture.currency,
                amount: capture.amount,
                fee: -capture.fee,
                reference: Some(("ODR", &capture.order_id)),
                invoice: capture.invoice_id.as_deref(),
                custom: capture.custom_id.as_deref(),
                status,
            };
            if let (Some(at), "S") = (capture.reversed_at, status) {
                let left = capture.amount - capture.refunded;
                let reference = Some(("TXN", capture.id.as_str()));
                // The reversal's own id is the order's, which no other transaction bears.
                each(Movement {
                    code: "T1106",
                    id: &capture.order_id,
                    at,
                    amount: -left,
                    fee: 0,
                    reference,
                    ..row.clone()
                });
            }
            each(row);
        }
        for refund in self.refunds.values() {
            let status = if matches!(refund.status.as_str(), "COMPLETED" | "PENDING") { "S" } else { "D" };
            each(Movement {
                code: "T1107",
                id: &refund.id,
                at: refund.at,
                currency: &refund.currency,
                amount: -refund.amount,
                fee: 0,
                reference: Some(("TXN", &refund.capture_id)),
                invoice: refund.invoice_id.as_deref(),
                custom: refund.custom_id.as_deref(),
                status,
            });
        }
        for dispute in self.disputes.values() {
            dispute.movements.iter().for_each(|moved| each(dispute_movement(dispute, moved)));
        }
        for batch in self.batches.values() {
            batch.items.iter().for_each(|item| item_movements(batch, item, now_ms, each));
        }
    }

    /// What is in the account, in minor units.
    pub fn balance(&self, currency: &str, now_ms: i64) -> i64 {
        let mut total = self.opening(currency);
        self.movements(now_ms, &mut |row| {
            if row.status == "S" && row.at <= now_ms && row.currency == currency {
                total += row.amount + row.fee;
            }
        });
        total
    }

    pub(super) fn opening(&self, currency: &str) -> i64 {
        if currency == "USD" { cents::parse(&self.switches.opening_balance, "USD").unwrap_or(0) } else { 0 }
    }

    /// Up to when the reports know.
    fn known_through(&self, now_ms: i64) -> i64 {
        now_ms - self.switches.reporting_lag_s * 1_000
    }

    fn report_time(&self, ms: i64) -> String {
        let time = rfc3339(ms);
        format!("{}{}", time.trim_end_matches('Z'), self.switches.reporting_zone)
    }

    pub(super) fn transactions(&self, request: &Request, now_ms: i64) -> Outcome {
        let asked = request.query_pairs();
        let asked = |name: &str| asked.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let time = |name: &str| -> Result<i64, (u16, Value)> {
            let text = asked(name).ok_or_else(|| bad_query(name, "Required parameter is missing."))?;
            let instant = text.parse::<Timestamp>().map_err(|_| bad_query(name, "Invalid date passed."))?;
            Ok(instant.as_millisecond())
        };
        let (from, to) = (time("start_date")?, time("end_date")?);
        if to < from || to - from > 31 * DAY_MS {
            return Err(bad_query("end_date", "Date range is greater than 31 days."));
        }
        if from < now_ms - 3 * 366 * DAY_MS {
            return Err(bad_query("start_date", "Data for the given start date is not available."));
        }
        let known_through = self.known_through(now_ms);
        if from > known_through {
            return Err(bad_query("start_date", "Data for the given start date is not available."));
        }
        let number = |name: &str, usual: usize, max: usize| -> Result<usize, (u16, Value)> {
            let Some(text) = asked(name) else { return Ok(usual) };
            text.parse().ok().filter(|n| (1..=max).contains(n)).ok_or_else(|| bad_query(name, "Invalid value."))
        };
        let (page, page_size) = (number("page", 1, 100_000)?, number("page_size", 100, 500)?);
        let moving_only = asked("balance_affecting_records_only").unwrap_or("Y") != "N";
        let mut rows = Vec::new();
        self.movements(now_ms, &mut |row| {
            let seen = row.at >= from && row.at <= to && row.at <= known_through;
            let wanted = asked("transaction_id").is_none_or(|id| id == row.id);
            if seen && wanted && (row.status == "S" || !moving_only) {
                rows.extend(std::iter::repeat_n(row.clone(), self.times_shown(row.id)));
            }
        });
        if rows.len() > 10_000 {
            return Err(refusal(400, "RESULTSET_TOO_LARGE", None));
        }
        rows.sort_by(|a, b| (a.at, a.id).cmp(&(b.at, b.id)));
        let pages = rows.len().div_ceil(page_size).max(1);
        let shown: Vec<Value> =
            rows.iter().skip((page - 1) * page_size).take(page_size).map(|row| self.report_row(row)).collect();
        Ok((
            200,
            json!({"transaction_details": shown, "account_number": super::MERCHANT_ID,
            "start_date": self.report_time(from), "end_date": self.report_time(to.min(known_through)),
            "last_refreshed_datetime": self.report_time(known_through),
            "page": page, "total_items": rows.len(), "total_pages": pages,
            "links": [self.link("/v1/reporting/transactions", "self", "GET")]}),
        ))
    }

    fn report_row(&self, row: &Movement<'_>) -> Value {
        let money = |minor: i64| json!({"currency_code": row.currency, "value": cents::show(minor, row.currency)});
        let mut shown = json!({"paypal_account_id": super::MERCHANT_ID, "transaction_id": row.id,
            "transaction_event_code": row.code, "transaction_initiation_date": self.report_time(row.at),
            "transaction_updated_date": self.report_time(row.at), "transaction_amount": money(row.amount),
            "transaction_status": row.status, "protection_eligibility": "01"});
        if row.fee != 0 {
            shown["fee_amount"] = money(row.fee);
        }
        if let Some((kind, id)) = row.reference {
            shown["paypal_reference_id"] = json!(id);
            shown["paypal_reference_id_type"] = json!(kind);
        }
        for (field, text) in [("invoice_id", row.invoice), ("custom_field", row.custom)] {
            if let Some(text) = text {
                shown[field] = json!(text);
            }
        }
        json!({"transaction_info": shown})
    }

    pub(super) fn balances(&self, request: &Request, now_ms: i64) -> Outcome {
        let asked = request.query_pairs();
        let asked = |name: &str| asked.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let known_through = self.known_through(now_ms);
        let as_of = match asked("as_of_time") {
            None => known_through,
            Some(text) => {
                let instant = text.parse::<Timestamp>().map_err(|_| bad_query("as_of_time", "Invalid date passed."))?;
                instant.as_millisecond().min(known_through)
            }
        };
        let withheld = cents::parse(&self.switches.reporting_withheld, "USD").unwrap_or(0);
        let mut totals = BTreeMap::from([("USD".to_string(), (self.opening("USD") - withheld, withheld))]);
        self.movements(as_of, &mut |row| {
            if row.status == "S" && row.at <= as_of {
                let (total, held) = totals.entry(row.currency.to_string()).or_default();
                *total += row.amount + row.fee;
                if matches!(row.code, "T1503" | "T1105") {
                    *held -= row.amount;
                }
            }
        });
        let wanted = asked("currency_code").unwrap_or("ALL");
        let shown: Vec<Value> = totals
            .iter()
            .filter(|(currency, _)| wanted == "ALL" || wanted == currency.as_str())
            .map(|(currency, (available, held))| {
                let money = |minor: i64| json!({"currency_code": currency, "value": cents::show(minor, currency)});
                json!({"currency": currency, "primary": currency == "USD", "total_balance": money(available + held),
                    "available_balance": money(*available), "withheld_balance": money(*held)})
            })
            .collect();
        Ok((
            200,
            json!({"balances": shown, "account_id": super::MERCHANT_ID, "as_of_time": self.report_time(as_of),
            "last_refresh_time": self.report_time(known_through)}),
        ))
    }
}

/// Held for a dispute (T1110), given back (T1111), or its fee (T0106).
fn dispute_movement<'a>(dispute: &'a Dispute, moved: &'a DisputeMovement) -> Movement<'a> {
    let code = match moved.amount {
        _ if moved.reason.ends_with("_FEE") => "T0106",
        taken if taken < 0 => "T1110",
        _ => "T1111",
    };
    Movement {
        code,
        id: &moved.id,
        at: moved.at,
        currency: &dispute.currency,
        amount: moved.amount,
        fee: 0,
        reference: Some(("TXN", &dispute.capture_id)),
        invoice: None,
        custom: None,
        status: "S",
    }
}

/// A payout is held first (T1503) and released (T1105) when it leaves (T0001) or fails; what comes back is T1114 or
/// T1115. The fee of a payout that comes back is not given back.
fn item_movements<'a>(batch: &'a Batch, item: &'a Item, now_ms: i64, each: &mut dyn FnMut(Movement<'a>)) {
    let row = Movement {
        code: "T0001",
        id: &item.transaction_id,
        at: batch.at,
        currency: &batch.currency,
        amount: -item.amount,
        fee: -item.fee,
        reference: Some(("TXN", &batch.id)),
        invoice: None,
        custom: item.sender_item_id.as_deref(),
        status: "S",
    };
    let total = item.amount + item.fee;
    let (mut is_held, mut is_gone) = (false, false);
    for (at, status) in item.fate.iter().filter(|(at, _)| *at <= now_ms) {
        let at = *at;
        let holding = matches!(status.as_str(), "PENDING" | "ONHOLD" | "ON_HOLD");
        // What comes back has been away, however short the while.
        let comes_back = matches!(status.as_str(), "RETURNED" | "REVERSED" | "REFUNDED");
        let left = comes_back || matches!(status.as_str(), "SUCCESS" | "UNCLAIMED" | "BLOCKED");
        if holding && !is_held && !is_gone {
            is_held = true;
            each(Movement {
                code: "T1503",
                id: &item.hold_id,
                at,
                amount: -total,
                fee: 0,
                custom: None,
                ..row.clone()
            });
        }
        if !holding && is_held {
            is_held = false;
            each(Movement {
                code: "T1105",
                id: &item.release_id,
                at,
                amount: total,
                fee: 0,
                custom: None,
                ..row.clone()
            });
        }
        if left && !is_gone {
            is_gone = true;
            each(Movement { at, ..row.clone() });
        }
        if is_gone && (comes_back || matches!(status.as_str(), "FAILED" | "DENIED")) {
            is_gone = false;
            let code = if status == "REFUNDED" { "T1115" } else { "T1114" };
            let reference = Some(("TXN", item.transaction_id.as_str()));
            each(Movement { code, id: &item.return_id, at, amount: item.amount, fee: 0, reference, ..row.clone() });
        }
    }
}

fn bad_query(field: &str, issue: &str) -> (u16, Value) {
    let detail = json!({"field": field, "location": "query", "issue": issue, "description": issue});
    refusal(400, "INVALID_REQUEST", Some(detail))
}
