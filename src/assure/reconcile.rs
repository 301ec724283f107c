//! The reconciliation: the far sides' statements read, compared with our books, and every difference kept as a finding
//! until it is gone. It corrects nothing; the only thing it sets going is a look at a checkout of ours that PayPal shows
//! as paid (MONEY A13).

use super::integrity::KnownThrough;
use crate::domain::ledger::Account;
use crate::domain::reconcile::{balance, compare, supplier, withheld};
use crate::domain::statement::{Finding, FindingKind, Statement};
use crate::domain::trade::FarSide;
use crate::engine::{Engine, Result as EngineResult};
use crate::store::feeds::{self, ALIEXPRESS, Feed, PAYPAL};
use crate::store::findings::{self, FindingRow};
use crate::store::{self, Result, Store};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Name of the job.
pub const JOB: &str = "reconcile";

/// What is known now, as JSON (see the API description). Amounts are decimal strings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub known_through: KnownThrough,
    pub feeds: Vec<FeedLine>,
    pub balances: Vec<BalanceLine>,
    /// What stands, oldest first.
    pub findings: Vec<FindingLine>,
}

/// How far one provider's statement is known, and how its last reading went.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedLine {
    pub provider: String,
    pub since: Timestamp,
    /// `None`: it was never read.
    pub known_through: Option<Timestamp>,
    pub asked_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
    /// `new`, `ok`, `no_permission` or `failing`.
    pub state: String,
    /// Why it could not be read; empty when it was.
    pub detail: String,
}

/// What PayPal says lies in the account, beside what the books count as available. The two are of different times, so
/// their difference alone proves nothing; `balance_differs` among the findings does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceLine {
    pub provider: String,
    pub currency: String,
    pub as_of: Timestamp,
    pub read_at: Timestamp,
    pub total: String,
    pub available: String,
    /// `None`: not said.
    pub withheld: Option<String>,
    /// Now, by our books.
    pub books: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingLine {
    pub id: i64,
    pub provider: String,
    pub kind: String,
    /// The far side's id, or our key.
    pub reference: String,
    pub order_id: Option<String>,
    pub amount: Option<String>,
    pub currency: Option<String>,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    pub detail: String,
}

/// Reads both statements and compares. Says in a line what came of it. `Err`: a statement could not be read, though what
/// was known before is compared all the same. A permission that is missing is a state and fails nothing; readiness and
/// the answer tell it.
pub fn run(engine: &Engine) -> EngineResult<std::result::Result<String, String>> {
    let read = [engine.read_paypal_statement()?, engine.look_at_supplier_orders()?];
    let standing = settle(engine)?;
    let mut has_failed = false;
    for (provider, side) in [(PAYPAL, engine.settings.paypal), (ALIEXPRESS, engine.settings.aliexpress)] {
        let feed = engine.store.read(|c| feeds::find(c, provider))?;
        has_failed |= side == FarSide::Ready && feed.is_some_and(|feed| feed.state == "failing");
    }
    let said = format!("{}; {}; {standing} findings", read[0], read[1]);
    Ok(if has_failed { Err(said) } else { Ok(said) })
}

/// Compares what is known and makes the findings that stand what was found. Answers how many stand.
pub fn settle(engine: &Engine) -> EngineResult<usize> {
    let now = engine.now();
    let (paypal, look_at) = engine.store.read(|c| paypal(c, now))?;
    let aliexpress =
        engine.store.read(|c| Ok::<_, store::StoreError>(supplier(&findings::supplier_orders(c)?, now)))?;
    let mut given_back = Vec::new();
    engine.store.write(|tx| {
        for (provider, found) in [(PAYPAL, &paypal), (ALIEXPRESS, &aliexpress)] {
            for new in findings::replace(tx, provider, found, now)? {
                use FindingKind::{Chargeback, ForeignRefund, Reversal};
                let is_back = matches!(new.kind, ForeignRefund | Reversal | Chargeback);
                given_back.extend(new.order.clone().filter(|_| is_back));
                log::warn!("finding {} {}: {}", new.kind, new.reference, new.detail);
                let detail = format!("{} {}: {}", new.kind, new.reference, new.detail);
                store::events::append(tx, new.order.as_ref(), now, "finding", &detail)?;
            }
        }
        Ok::<_, store::StoreError>(())
    })?;
    for order in &look_at {
        engine.payment_reported(order)?;
    }
    given_back.extend(engine.store.read(store::refunds::of_another_name)?);
    // Money of a capture went back: PayPal's own order says how much of it, and it is booked by that.
    for order in &given_back {
        engine.paypal_rang(order)?;
    }
    Ok(paypal.len() + aliexpress.len())
}

type Found = (Vec<Finding>, Vec<crate::domain::order::OrderId>);

fn paypal(connection: &rusqlite::Connection, now: Timestamp) -> Result<Found> {
    let Some(statement) = feeds::statement(connection, PAYPAL)? else { return Ok((Vec::new(), Vec::new())) };
    let compared = compare(&findings::ledger(connection)?, &statement, now);
    let mut found = compared.findings;
    found.extend(balances(connection, &statement)?);
    Ok((found, compared.look_at.into_iter().collect()))
}

fn balances(connection: &rusqlite::Connection, statement: &Statement) -> Result<Vec<Finding>> {
    let readings = feeds::balances(connection, PAYPAL)?;
    let both = |(first, last, _): &_| [balance(first, last, statement), withheld(last, statement)];
    Ok(readings.iter().flat_map(both).flatten().collect())
}

/// Everything that is known now; with `also_resolved` also the findings that do not stand any more.
pub fn answer(store: &Store, also_resolved: bool) -> Result<Answer> {
    store.read(|c| {
        let feeds = [feeds::find(c, PAYPAL)?, feeds::find(c, ALIEXPRESS)?];
        let mut balances = Vec::new();
        for (_, last, read_at) in feeds::balances(c, PAYPAL)? {
            let books = store::ledger::balance(c, &Account::PaypalAvailable, last.total.currency)?;
            balances.push(BalanceLine {
                provider: PAYPAL.to_owned(),
                currency: last.total.currency.code().to_owned(),
                as_of: last.as_of,
                read_at,
                total: last.total.decimal(),
                available: last.available.decimal(),
                withheld: last.withheld.map(|m| m.decimal()),
                books: books.decimal(),
            });
        }
        let findings = findings::list(c, also_resolved)?.into_iter().map(finding_line).collect();
        let known_through = KnownThrough::read(c)?;
        Ok(Answer { known_through, feeds: feeds.into_iter().flatten().map(feed_line).collect(), balances, findings })
    })
}

fn feed_line(feed: Feed) -> FeedLine {
    let Feed { provider, since, known_through, asked_at, read_at, state, detail, .. } = feed;
    FeedLine { provider, since, known_through, asked_at, read_at, state, detail }
}

fn finding_line(row: FindingRow) -> FindingLine {
    FindingLine {
        id: row.id,
        provider: row.provider,
        kind: row.kind,
        reference: row.reference,
        order_id: row.order.map(|order| order.0),
        amount: row.amount.map(|m| m.decimal()),
        currency: row.amount.map(|m| m.currency.code().to_owned()),
        first_seen_at: row.first_seen_at,
        last_seen_at: row.last_seen_at,
        resolved_at: row.resolved_at,
        detail: row.detail,
    }
}

/// A reading is fresh for so long, where the job runs this often.
pub fn window(every: SignedDuration) -> SignedDuration {
    every.saturating_mul(2).saturating_add(SignedDuration::from_mins(5))
}

/// What a reconciliation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Compared, and nothing differs.
    Good,
    /// So many differences stand.
    Findings(usize),
    /// Some far side's statement was never read, or not for too long, and why.
    CouldNotTell(String),
}

impl Answer {
    /// `wanted`: the providers that are switched on. `window`: a reading may be so old.
    pub fn outcome(&self, wanted: &[&str], now: Timestamp, window: SignedDuration) -> Outcome {
        let standing = self.findings.iter().filter(|finding| finding.resolved_at.is_none()).count();
        if standing > 0 {
            return Outcome::Findings(standing);
        }
        for provider in wanted {
            let Some(feed) = self.feeds.iter().find(|feed| feed.provider == *provider) else {
                return Outcome::CouldNotTell(format!("the statement of {provider} was never read"));
            };
            let detail = if feed.detail.is_empty() { String::new() } else { format!(": {}", feed.detail) };
            let Some(read_at) = feed.read_at.filter(|_| feed.known_through.is_some()) else {
                return Outcome::CouldNotTell(format!("the statement of {provider} was never read{detail}"));
            };
            if feed.state != "ok" || now.duration_since(read_at) > window {
                return Outcome::CouldNotTell(format!("the statement of {provider} was last read {read_at}{detail}"));
            }
        }
        Outcome::Good
    }
}
