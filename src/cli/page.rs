//! How results look: aligned tables and facts for people, JSON for programs, from the same values, so that the two never
//! say different things. Money is printed with its currency and times in UTC, here and nowhere else. Text of others is
//! tamed: it cannot move the cursor of a terminal.

use crate::domain::money::Money;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Count(i64),
    Is(bool),
    Money(Money),
    At(Timestamp),
    /// Not known, or not so.
    Nothing,
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Nothing, Into::into)
    }
}

macro_rules! cells {
    ($($type:ty => $make:expr),* $(,)?) => {
        $(impl From<$type> for Cell {
            fn from(value: $type) -> Cell {
                $make(value)
            }
        })*
    };
}

cells! {
    &str => |text: &str| Cell::Text(text.to_owned()),
    &String => |text: &String| Cell::Text(text.clone()),
    String => Cell::Text,
    u32 => |count| Cell::Count(i64::from(count)),
    bool => Cell::Is,
    Money => Cell::Money,
    Timestamp => Cell::At,
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Cell::Text(text) => tame(text),
            Cell::Count(count) => count.to_string(),
            Cell::Is(true) => "yes".to_owned(),
            Cell::Is(false) => "no".to_owned(),
            Cell::Money(money) => format!("{} {}", money.decimal(), money.currency),
            Cell::At(at) => at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            Cell::Nothing => "-".to_owned(),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Cell::Count(_) | Cell::Money(_))
    }
}

/// Names in the manner of the API (`createdAt`) with their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Vec<(&'static str, Cell)>);

impl Facts {
    pub fn with(mut self, name: &'static str, value: impl Into<Cell>) -> Facts {
        self.0.push((name, value.into()));
        self
    }

    /// One fact a line. What is not known is left out.
    pub fn text(&self) -> String {
        let known: Vec<_> = self.0.iter().filter(|(_, cell)| *cell != Cell::Nothing).collect();
        let width = known.iter().map(|(name, _)| label(name).chars().count()).max().unwrap_or(0);
        known.iter().map(|(name, cell)| format!("  {:width$}  {}\n", label(name), cell.text())).collect()
    }

    /// An object. An amount is a decimal string with its currency beside it: under `currency` for the first one, and
    /// under its own name where another is in another.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        for (name, cell) in &self.0 {
            let value = match cell {
                Cell::Text(text) => json!(text),
                Cell::Count(count) => json!(count),
                Cell::Is(is) => json!(is),
                Cell::At(at) => json!(at.to_string()),
                Cell::Nothing => Value::Null,
                Cell::Money(money) => {
                    let code = money.currency.code();
                    let shared = object.entry("currency").or_insert_with(|| json!(code));
                    if shared != code {
                        object.insert(format!("{name}Currency"), json!(code));
                    }
                    json!(money.decimal())
                }
            };
            object.insert((*name).to_owned(), value);
        }
        Value::Object(object)
    }
}

/// A list of facts of one kind; all have the same names in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows(pub Vec<Facts>);

impl Rows {
    /// A table under a head, the columns aligned. `None`: there are no rows.
    pub fn text(&self) -> Option<String> {
        let head: Vec<String> = self.0.first()?.0.iter().map(|(name, _)| label(name).to_uppercase()).collect();
        let rows: Vec<Vec<String>> = self.0.iter().map(|row| row.0.iter().map(|(_, c)| c.text()).collect()).collect();
        let wide = |column: usize| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(wide).collect();
        let to_the_right: Vec<bool> =
            (0..head.len()).map(|column| self.0.iter().any(|row| row.0[column].1.is_number())).collect();
        let mut text = String::new();
        for row in [&head].into_iter().chain(&rows) {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&to_the_right) {
                let _ = if *right { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        Some(text)
    }

    pub fn json(&self) -> Value {
        Value::Array(self.0.iter().map(Facts::json).collect())
    }
}

/// JSON as programs and people read it, with a line break at its end.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The name of a part as its headline.
pub fn title(name: &str) -> String {
    let label = label(name);
    let mut chars = label.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// `nextLookAt` as `next look at`.
fn label(name: &str) -> String {
    let mut label = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            label.push(' ');
        }
        label.push(c.to_ascii_lowercase());
    }
    label
}

/// A text in one line, without control characters and without the marks that turn the direction of writing.
fn tame(text: &str) -> String {
    let is_wild = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_wild(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    fn money(text: &str, code: &str) -> Money {
        Money::parse(text, Currency::new(code).unwrap()).unwrap()
    }

    fn row(id: &str, total: Money, at: Option<Timestamp>) -> Facts {
        Facts::default().with("id", id).with("total", total).with("nextLookAt", at)
    }

    #[test]
    fn tables_are_aligned() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let rows = Rows(vec![row("a", money("1005.5", "USD"), Some(at)), row("bcd\u{1b}[2J", money("7", "JPY"), None)]);
        let expected = "ID             TOTAL  NEXT LOOK AT\n\
                        a        1005.50 USD  2023-11-14 22:13:20Z\n\
                        bcd?[2J        7 JPY  -\n";
        assert_eq!(rows.text().unwrap(), expected);
        assert_eq!(Rows::default().text(), None);
    }

    #[test]
    fn json_has_amounts_beside_their_currency() {
        let facts = row("a", money("5.5", "USD"), None).with("cost", money("7", "JPY")).with("fee", money("1", "USD"));
        let expected = json!({"id": "a", "total": "5.50", "currency": "USD", "nextLookAt": null, "cost": "7",
            "costCurrency": "JPY", "fee": "1.00"});
        assert_eq!(facts.json(), expected);
    }

    #[test]
    fn facts_leave_out_what_is_not_known() {
        let facts = Facts::default().with("paidAt", None::<Timestamp>).with("channelOrderId", "x").with("is", true);
        assert_eq!(facts.text(), "  channel order id  x\n  is                yes\n");
    }
}
