//! `postsale fx set` and `fx list`: rates of exchange by somebody's word, each of a day. They are facts beside a running
//! server; nothing is asked of anybody.

use super::exit::{Exit, Failure};
use super::page::{Facts, Rows, pretty};
use super::sources::{Joined, Sources};
use super::{BY, say};
use crate::domain::fx::FxRate;
use crate::domain::money::Currency;
use crate::engine::facts;
use crate::store::rates;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// More in one go would be a report, not a list.
const MOST: u32 = 1000;

pub struct Asked {
    pub from: String,
    pub to: String,
    pub rate: String,
    pub date: Option<String>,
    /// Said although it is far off the last one.
    pub is_sure: bool,
}

/// Stores a rate. One that is far off the last wants to be said twice (MONEY A16).
pub fn set(sources: &Sources, asked: &Asked) -> Result<Exit, Failure> {
    let Joined { store, clock, .. } = sources.join()?;
    let now = clock.now();
    let rate = rate(asked, now)?;
    let last = store.read(|c| rates::latest(c, rate.from, rate.to))?;
    if let Some(last) = last.filter(|last| rate.is_jump(last) && !asked.is_sure) {
        let FxRate { from, to, at, .. } = last;
        let detail = format!(
            "the last rate, of {at}, was 1 {from} = {} {to}; {} is more than ten per cent off: say it with --yes",
            last.decimal(),
            rate.decimal()
        );
        return Err(Failure::Refused(detail));
    }
    store.write(|tx| facts::set_rate(tx, &rate, BY, now))?;
    say(&format!("1 {} is {} {} on {}\n", rate.from, rate.decimal(), rate.to, rate.at))?;
    Ok(Exit::Good)
}

fn rate(asked: &Asked, now: Timestamp) -> Result<FxRate, Failure> {
    let senseless = |what: &str| Failure::Senseless(what.to_owned());
    let currency = |code: &str| {
        let code = code.to_uppercase();
        Currency::new(&code).ok_or_else(|| Failure::Senseless(format!("{code} is no currency that is known here")))
    };
    let (from, to) = (currency(&asked.from)?, currency(&asked.to)?);
    if from == to {
        return Err(senseless("wanted two currencies"));
    }
    let billionths = FxRate::parse(&asked.rate).ok_or_else(|| senseless("wanted a rate such as 1.0842"))?;
    let at = match &asked.date {
        None => now,
        Some(day) => {
            let day: Date = day.parse().map_err(|_| senseless("wanted a day such as 2026-01-31"))?;
            day.to_zoned(TimeZone::UTC).map_err(|_| senseless("there is no such day"))?.timestamp()
        }
    };
    if at > now {
        return Err(senseless("the rate of a day to come is not known"));
    }
    Ok(FxRate { seq: 0, from, to, billionths, at })
}

/// The rates that were set, the newest first.
pub fn list(sources: &Sources, as_json: bool) -> Result<String, Failure> {
    let Joined { config, store, clock, .. } = sources.join()?;
    let policy = crate::config::policy_of(&config).fx;
    let row = |rate: &FxRate| {
        Facts::default()
            .with("from", rate.from.code())
            .with("to", rate.to.code())
            .with("rate", rate.decimal())
            .with("of", rate.at)
            .with("isFresh", rate.is_fresh(&policy, clock.now()))
    };
    let rows = Rows(store.read(|c| rates::list(c, MOST))?.iter().map(row).collect());
    Ok(if as_json { pretty(&rows.json()) } else { rows.text().unwrap_or_else(|| "No rate was set.\n".to_owned()) })
}
