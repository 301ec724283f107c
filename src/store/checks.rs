//! The integrity checks: one static table. Each is a question to the rows whose answer must be empty; whatever it
//! finds is a violation with the id of the row. Each brings its own *plant*: the damage that it must notice, so that a
//! check that has gone blind is found before it is believed (see [`drill`]).
//!
//! A check never changes anything, never trusts a cached value where the rows themselves can be asked, and never stops
//! the others: one that cannot run says so. The schema already refuses most of what is looked for here. These checks
//! are for the day on which the schema was gone around: by a bug, a damaged disk, a hand in the database.

mod books;
mod bypass;
pub mod drill;
mod fees;
mod healthy;
mod payouts;
mod profit;
mod refunds;
pub mod risk;
pub mod runs;
mod sales;
mod statements;
mod taken;
#[cfg(test)]
mod tests;

pub use books::{OF_THE_FILE, damage};

use super::{Result, to_ms};
use crate::domain::money::Money;
use crate::domain::words;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, types::Value};

words! {
    /// The five questions the answer is about, by the names of the old answer.
    pub enum Group {
        /// Every sale is the result of an order with evidence, made and booked once.
        CentralizedSaleCreation = "centralizedSaleCreation",
        /// Nothing came into the books beside the one door. **Here true is bad.**
        WebhookBypassDetected = "webhookBypassDetected",
        /// Nothing was paid twice, or could be. **Here true is bad.**
        DuplicatePayoutRisk = "duplicatePayoutRisk",
        /// Fees, commission and legs are what an independent computation says.
        FeeCalculationStrict = "feeCalculationStrict",
        /// Profit is what is left, to the cent, in the sale and in the books.
        NetProfitValidated = "netProfitValidated",
    }
}

impl Group {
    /// How much of the score the group carries. The weights of its checks add up to this.
    pub fn weight(self) -> u32 {
        match self {
            Group::CentralizedSaleCreation | Group::WebhookBypassDetected => 25,
            Group::DuplicatePayoutRisk => 20,
            Group::FeeCalculationStrict | Group::NetProfitValidated => 15,
        }
    }

    /// Whether the group's boolean is true when all is well.
    pub fn is_good_when_true(self) -> bool {
        !matches!(self, Group::WebhookBypassDetected | Group::DuplicatePayoutRisk)
    }
}

/// One check.
#[derive(Clone, Copy)]
pub struct Check {
    pub id: &'static str,
    /// What holds when the check passes.
    pub title: &'static str,
    pub group: Group,
    /// Points of 100 that are lost when it fails. 0 only for checks of the deep run, which have a cap instead.
    pub weight: u32,
    /// The score is at most this while the check fails.
    pub cap: Option<u32>,
    /// Asked only by the deep run.
    pub is_deep: bool,
    /// What the seller should do, with the command.
    pub action: &'static str,
    pub find: Find,
    /// Statements that damage a healthy book (see `healthy`) so that this check must fail.
    pub plant: &'static str,
    /// Other checks that notice the same damage too.
    pub companions: &'static [&'static str],
}

impl Check {
    /// Blank, for a table of checks to fill in: it looks at nothing, and a test refuses a check that is left so.
    const fn of(group: Group) -> Check {
        Check {
            id: "",
            title: "",
            group,
            weight: 0,
            cap: None,
            is_deep: false,
            action: "",
            find: Find::Rows(""),
            plant: "",
            companions: &[],
        }
    }
}

/// How a check looks.
#[derive(Clone, Copy)]
pub enum Find {
    /// A query that must return no rows. Two columns: id, what is wrong; or five: id, what, minor units it has, minor
    /// units it should have, currency. `:now`, `:ladder` and `:hour` are bound where they occur (milliseconds).
    Rows(&'static str),
    /// What a query alone cannot tell.
    Look(fn(&Connection, &When) -> Result<Vec<Finding>>),
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of the row: an order id, a claim key, an entry, an account.
    pub id: String,
    /// What is wrong, in words, amounts and outside ids; no personal data.
    pub what: String,
}

impl Finding {
    fn new(id: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { id: id.into(), what: what.into() }
    }
}

/// The circumstances of a run.
#[derive(Clone, Copy, Debug)]
pub struct When {
    pub now: Timestamp,
    /// How long an outcome may stay unknown: all waits of `policy.look_again` together.
    pub ladder: SignedDuration,
    pub is_deep: bool,
}

/// Every check, in the order of the groups.
pub fn table() -> Vec<Check> {
    [
        sales::CHECKS,
        bypass::CHECKS,
        books::CHECKS,
        statements::CHECKS,
        payouts::CHECKS,
        fees::CHECKS,
        profit::CHECKS,
        refunds::CHECKS,
        taken::CHECKS,
    ]
    .concat()
}

impl Check {
    /// Everything this check objects to. An error means that it could not look, which is not a pass (L3).
    pub fn look(&self, connection: &Connection, when: &When) -> Result<Vec<Finding>> {
        match self.find {
            Find::Rows(sql) => rows(connection, sql, when),
            Find::Look(look) => look(connection, when),
        }
    }
}

fn rows(connection: &Connection, sql: &str, when: &When) -> Result<Vec<Finding>> {
    let mut statement = connection.prepare_cached(sql)?;
    let hour_ms = SignedDuration::from_hours(1).as_millis() as i64;
    let ladder_ms = i64::try_from(when.ladder.as_millis()).unwrap_or(i64::MAX / 4);
    for (name, value) in [(":now", to_ms(when.now)), (":ladder", ladder_ms), (":hour", hour_ms)] {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    let has_amounts = statement.column_count() == 5;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut finding = Finding::new(text(row.get(0)?), text(row.get(1)?));
        if has_amounts {
            finding.what.push_str(&amounts(row)?);
        }
        found.push(finding);
    }
    Ok(found)
}

/// Damaged rows may hold anything where an id should be; a check must not stumble over what it looks for.
fn text(value: Value) -> String {
    match value {
        Value::Null => "?".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Real(_) | Value::Blob(_) => "(not a name)".to_owned(),
    }
}

/// ": 25.00 USD, should be 26.00 USD".
fn amounts(row: &Row<'_>) -> Result<String> {
    let (has, should) = (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?);
    let code = text(row.get(4)?);
    let currency = crate::domain::money::Currency::new(&code);
    let say = |minor: Option<i64>| match (minor, currency) {
        (Some(minor), Some(currency)) => Money::new(minor, currency).to_string(),
        (Some(minor), None) => format!("{minor} minor units of {code}"),
        (None, _) => "nothing".to_owned(),
    };
    Ok(format!(": {}, should be {}", say(has), say(should)))
}

/// Whether any sale was ever recorded. Empty books prove nothing (L2).
pub fn is_anything_sold(connection: &Connection) -> Result<bool> {
    Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM sales)", [], |row| row.get(0))?)
}
