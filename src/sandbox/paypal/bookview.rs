//! PayPal's book as the control shows it: what was really taken, given back and paid out, each with the key it came
//! under.

use super::Book;
use super::reports::Movement;
use crate::sandbox::cents::show;
use crate::sandbox::wire::rfc3339;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Book {
    /// `{captures[], refunds[], payouts[], balances[]}`, oldest first; a payout is one item.
    pub fn book(&self, now_ms: i64) -> Value {
        let mut captures: Vec<_> = self.captures.values().collect();
        captures.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let captures = captures.iter().map(|c| {
            json!({"key": c.key, "id": c.id, "orderId": c.order_id, "amount": show(c.amount, &c.currency),
                "fee": show(c.fee, &c.currency), "currency": c.currency, "at": rfc3339(c.at),
                "status": self.shown_status(c), "invoiceId": c.invoice_id, "customId": c.custom_id})
        });
        let mut refunds: Vec<_> = self.refunds.values().collect();
        refunds.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let refunds = refunds.iter().map(|r| {
            json!({"key": r.key, "id": r.id, "captureId": r.capture_id, "amount": show(r.amount, &r.currency),
                "currency": r.currency, "at": rfc3339(r.at), "status": r.status, "invoiceId": r.invoice_id})
        });
        let mut batches: Vec<_> = self.batches.values().collect();
        batches.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let payouts = batches.iter().flat_map(|b| b.items.iter().map(move |i| (b, i))).map(|(b, i)| {
            json!({"key": b.sender_batch_id, "id": i.id, "batchId": b.id, "transactionId": i.transaction_id,
                "senderItemId": i.sender_item_id, "receiver": i.receiver, "amount": show(i.amount, &b.currency),
                "fee": show(i.fee, &b.currency), "currency": b.currency, "at": rfc3339(b.at),
                "status": i.status(now_ms), "batchStatus": self.batch_status(b, now_ms)})
        });
        json!({"captures": captures.collect::<Vec<_>>(), "refunds": refunds.collect::<Vec<_>>(),
            "payouts": payouts.collect::<Vec<_>>(), "balances": self.totals(now_ms)})
    }

    fn totals(&self, now_ms: i64) -> Value {
        let mut totals = BTreeMap::from([("USD".to_string(), self.opening("USD"))]);
        self.movements(now_ms, &mut |row: Movement<'_>| {
            if row.status == "S" {
                *totals.entry(row.currency.to_string()).or_default() += row.amount + row.fee;
            }
        });
        totals.iter().map(|(currency, total)| json!({"currency": currency, "amount": show(*total, currency)})).collect()
    }
}
