//! The far sides' books beside ours, row by row and to the cent. The far side is the judge: what it says was bought and
//! paid, was bought and paid.

use crate::domain::ledger::Account;
use crate::domain::money::{Currency, Money};
use crate::store::views::Effect;
use crate::store::{self, Store, StoreError};
use serde_json::Value;
use std::collections::BTreeMap;

/// One effect as each side has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// capture, purchase, payout, refund, balance.
    pub kind: String,
    /// The outside id.
    pub id: String,
    /// `None` = that side does not have it.
    pub ours: Option<Money>,
    pub theirs: Option<Money>,
}

impl Row {
    pub fn agrees(&self) -> bool {
        self.ours.is_some() && self.ours == self.theirs
    }
}

#[derive(Clone, Debug, Default)]
pub struct Comparison {
    pub rows: Vec<Row>,
    /// Keys under which the far side did something more than once.
    pub doubles: Vec<String>,
}

impl Comparison {
    /// Every row on both sides alike, nothing twice, and something to compare: no data is not agreement (L2).
    pub fn agrees(&self) -> bool {
        let has = |kind| self.rows.iter().any(|row| row.kind == kind);
        let effects = has("capture") || has("purchase");
        effects && self.doubles.is_empty() && self.rows.iter().all(Row::agrees)
    }
}

/// Compares a far side book (`{captures, payouts, purchases, refunds, balances}`) with what is proven here.
pub fn compare(store: &Store, book: &Value) -> Result<Comparison, StoreError> {
    let ours = store.read(store::views::effects)?;
    let theirs = far_effects(book)?;
    let mut rows = BTreeMap::new();
    for (effects, is_ours) in [(&ours, true), (&theirs, false)] {
        for effect in effects {
            let at = (effect.kind.clone(), effect.id.clone());
            let empty = Row { kind: effect.kind.clone(), id: effect.id.clone(), ours: None, theirs: None };
            let row: &mut Row = rows.entry(at).or_insert(empty);
            let side = if is_ours { &mut row.ours } else { &mut row.theirs };
            *side = Some(effect.amount);
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.extend(balances(store, book)?);
    Ok(Comparison { rows, doubles: doubles(&theirs) })
}

/// What the far sides did with money: completed captures, paid purchases, payouts that arrived.
fn far_effects(book: &Value) -> Result<Vec<Effect>, StoreError> {
    let mut effects = Vec::new();
    let lists = [
        ("captures", "capture", "id"),
        ("purchases", "purchase", "id"),
        ("payouts", "payout", "transactionId"),
        ("refunds", "refund", "id"),
    ];
    for (list, kind, id) in lists {
        for row in book[list].as_array().into_iter().flatten() {
            let is_money = match kind {
                "capture" => row["status"] != "DECLINED" && row["status"] != "PENDING",
                "purchase" => !row["paidAt"].is_null(),
                "refund" => row["status"] == "COMPLETED",
                _ => row["status"] == "SUCCESS",
            };
            if is_money {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                let amount = money(row)?;
                effects.push(Effect { kind: kind.to_owned(), key: text("key"), id: text(id), amount });
            }
        }
    }
    Ok(effects)
}

fn money(row: &Value) -> Result<Money, StoreError> {
    let unreadable = || StoreError::Unreadable(format!("an amount of the far side: {row}"));
    let currency = row["currency"].as_str().and_then(Currency::new).ok_or_else(unreadable)?;
    let amount = row["amount"].as_str().ok_or_else(unreadable)?;
    Money::parse(amount, currency).map_err(|_| unreadable())
}

fn balances(store: &Store, book: &Value) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for row in book["balances"].as_array().into_iter().flatten() {
        let theirs = money(row)?;
        let ours = store.read(|c| store::ledger::balance(c, &Account::PaypalAvailable, theirs.currency))?;
        let id = format!("paypal:available {}", theirs.currency);
        rows.push(Row { kind: "balance".to_owned(), id, ours: Some(ours), theirs: Some(theirs) });
    }
    Ok(rows)
}

/// A capture, purchase, payout or refund that the far side did twice for one key.
fn doubles(theirs: &[Effect]) -> Vec<String> {
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for effect in theirs.iter().filter(|effect| !effect.key.is_empty()) {
        *seen.entry((&effect.kind, &effect.key)).or_default() += 1;
    }
    // One purchase may become several supplier orders; those are told apart by the rows themselves.
    let twice = seen.into_iter().filter(|((kind, _), count)| *count > 1 && *kind != "purchase");
    twice.map(|((kind, key), count)| format!("{kind} {key}: {count} times")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: Option<i64>, theirs: Option<i64>) -> Row {
        let usd = |minor| Money::new(minor, Currency::new("USD").unwrap());
        Row { kind: "capture".to_owned(), id: "C1".to_owned(), ours: ours.map(usd), theirs: theirs.map(usd) }
    }

    #[test]
    fn l2_no_data_is_not_agreement() {
        let check = |rows: Vec<Row>, doubles: Vec<String>, expected: bool| {
            assert_eq!(Comparison { rows: rows.clone(), doubles }.agrees(), expected, "{rows:?}");
        };
        check(vec![], vec![], false);
        check(vec![row(Some(100), Some(100))], vec![], true);
        check(vec![row(Some(100), Some(101))], vec![], false);
        check(vec![row(Some(100), None)], vec![], false);
        check(vec![row(None, Some(100))], vec![], false);
        check(vec![row(Some(100), Some(100))], vec!["payout twice".to_owned()], false);
    }
}
