//! What the control makes of the statement: rows that lie, and movements of another hand (a payment by hand, a withdrawal,
//! a chargeback). For showing that a reconciliation finds them; nothing of it happens by itself.

use super::records::{Effect, Plant, PlantedRow};
use super::reports::Movement;
use super::{Book, Outcome};
use crate::sandbox::cents;
use serde::Deserialize;
use serde_json::json;

/// What the control asks for: `hide` or `double` or `change` with the id of a transaction, or a row of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    hide: Option<String>,
    double: Option<String>,
    change: Option<String>,
    /// An event code such as `T0400`; makes a row of its own.
    code: Option<String>,
    /// Decimals with their sign.
    amount: Option<String>,
    fee: Option<String>,
    currency: Option<String>,
    reference: Option<String>,
    custom: Option<String>,
    /// `S` if it is not said.
    status: Option<String>,
    id: Option<String>,
}

impl Book {
    /// Plants it from now on; answers the id of the transaction it is about.
    pub fn plant(&mut self, wish: Wish, now_ms: i64) -> Outcome {
        let bad = |what: &str| (400, json!({"error": what}));
        let currency = wish.currency.clone().unwrap_or_else(|| "USD".to_string());
        let minor = |text: Option<&String>| -> Result<Option<i64>, (u16, serde_json::Value)> {
            let Some(text) = text else { return Ok(None) };
            let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
            let parsed = cents::parse(digits, &currency).map_err(|_| bad("not an amount"))?;
            Ok(Some(sign * parsed))
        };
        let (amount, fee) = (minor(wish.amount.as_ref())?, minor(wish.fee.as_ref())?);
        let (id, plant) = match (wish.hide, wish.double, wish.change, wish.code) {
            (Some(id), None, None, None) => (id.clone(), Plant::Hide(id)),
            (None, Some(id), None, None) => (id.clone(), Plant::Double(id)),
            (None, None, Some(id), None) => (id.clone(), Plant::Change { id, amount, fee, currency: wish.currency }),
            (None, None, None, Some(code)) => {
                let id = wish.id.unwrap_or_else(|| self.transaction_id("planted", self.plants.len()));
                let amount = amount.ok_or_else(|| bad("amount is missing"))?;
                let status = wish.status.unwrap_or_else(|| "S".to_string());
                let (reference, custom) = (wish.reference, wish.custom);
                let fee = fee.unwrap_or(0);
                let row =
                    PlantedRow { id: id.clone(), code, at: now_ms, currency, amount, fee, reference, custom, status };
                (id, Plant::Row(Box::new(row)))
            }
            _ => return Err(bad("one of hide, double, change, code")),
        };
        self.write(Effect::Plant(plant));
        Ok((200, json!({"id": id})))
    }

    pub(super) fn planted_movements<'a>(&'a self, each: &mut dyn FnMut(Movement<'a>)) {
        for plant in &self.plants {
            let Plant::Row(row) = plant else { continue };
            each(Movement {
                code: &row.code,
                id: &row.id,
                at: row.at,
                currency: &row.currency,
                amount: row.amount,
                fee: row.fee,
                reference: row.reference.as_deref().map(|id| ("TXN", id)),
                invoice: None,
                custom: row.custom.as_deref(),
                status: &row.status,
            });
        }
    }

    /// The movement as it stands from now on.
    pub(super) fn as_changed<'a>(&'a self, mut row: Movement<'a>) -> Movement<'a> {
        for plant in &self.plants {
            let Plant::Change { id, amount, fee, currency } = plant else { continue };
            if id == row.id && !matches!(row.code, "T1503" | "T1105") {
                row.amount = amount.unwrap_or(row.amount);
                row.fee = fee.unwrap_or(row.fee);
                row.currency = currency.as_deref().unwrap_or(row.currency);
            }
        }
        row
    }

    /// How often the report shows a transaction.
    pub(super) fn times_shown(&self, id: &str) -> usize {
        let is_hidden = self.plants.iter().any(|plant| matches!(plant, Plant::Hide(hidden) if hidden == id));
        let doubles = self.plants.iter().filter(|plant| matches!(plant, Plant::Double(double) if double == id)).count();
        if is_hidden { 0 } else { 1 + doubles }
    }
}
