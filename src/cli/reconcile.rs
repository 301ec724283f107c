//! `postsale reconcile`: what the comparison of the books with the far sides' own statements came to. It reads rows beside
//! a running server, without the lock and without calling anybody; only the server calls the far sides. With `--now` the
//! job is made due, as its time would make it, and the server's result is waited for.

use super::assemble::Outside;
use super::exit::{Exit, Failure};
use super::page::{Facts, Rows, pretty};
use super::sources::{Joined, Sources};
use super::{BY, say};
use crate::assure::lookout;
use crate::assure::reconcile::{self, Answer, JOB, Outcome};
use crate::domain::money::{Currency, Money};
use crate::domain::trade::FarSide;
use crate::engine::facts::{self, NotBooked};
use crate::store::feeds::{ALIEXPRESS, PAYPAL};
use crate::store::jobs::{self, JobRow};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// How long a run of the server is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was typed.
pub struct Asked {
    /// Let the server read the statements first.
    pub now: bool,
    /// The finding to be booked as the owner's own.
    pub book: Option<i64>,
    pub also_resolved: bool,
    pub as_json: bool,
}

/// Exit 0: compared, and nothing differs. 2: something does. 3: a statement could not be read, or not for too long.
pub fn reconcile(sources: &Sources, asked: &Asked) -> Result<Exit, Failure> {
    let joined = sources.join()?;
    if asked.now {
        run_now(&joined)?;
    }
    if let Some(id) = asked.book {
        let now = joined.clock.now();
        joined.store.write(|tx| facts::book_movement(tx, id, BY, now)).map_err(|error| match error {
            NotBooked::Store(error) => Failure::Store(error),
            said => Failure::Refused(said.to_string()),
        })?;
    }
    let Joined { config, secrets, store, clock } = joined;
    let outside = Outside::described(&config, &secrets);
    let sides = [(PAYPAL, outside.paypal.state()), (ALIEXPRESS, outside.aliexpress.state())];
    let wanted: Vec<&str> = sides.into_iter().filter(|(_, side)| *side != FarSide::Off).map(|(name, _)| name).collect();
    let every = SignedDuration::try_from(config.schedule.reconcile).unwrap_or(SignedDuration::from_hours(1));
    let answer = reconcile::answer(&store, asked.also_resolved)?;
    let outcome = answer.outcome(&wanted, clock.now(), reconcile::window(every));
    say(&if asked.as_json { pretty(&serde_json::json!(answer)) } else { text(&answer, &outcome) })?;
    Ok(exit(&outcome))
}

fn exit(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Good => Exit::Good,
        Outcome::Findings(_) => Exit::NotGood,
        Outcome::CouldNotTell(_) => Exit::Unknown,
    }
}

/// Makes the job due and waits until it has run.
fn run_now(joined: &Joined) -> Result<(), Failure> {
    if lookout::own_url(&joined.config.data_dir).is_none() {
        return Err(Failure::NotKnown(
            "no server runs here, and only a server calls the far sides: postsale serve".into(),
        ));
    }
    let job = || -> Result<Option<JobRow>, Failure> {
        let rows = joined.store.read(jobs::list)?;
        Ok(rows.into_iter().find(|row| row.name == JOB))
    };
    let ran_at = |row: Option<JobRow>| -> (Option<Timestamp>, Option<Timestamp>) {
        row.map_or((None, None), |row| (row.started_at, row.finished_at))
    };
    let before = ran_at(job()?);
    joined.store.write(|tx| jobs::ring(tx, JOB, joined.clock.now()))?;
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let (started_at, finished_at) = ran_at(job()?);
        if started_at != before.0 && finished_at >= started_at {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Failure::NotKnown(format!("the server did not end its comparison within {} s", PATIENCE.as_secs())))
}

fn text(answer: &Answer, outcome: &Outcome) -> String {
    let mut text = match outcome {
        Outcome::Good => "Nothing differs.\n".to_owned(),
        Outcome::Findings(count) => format!("{count} differences stand.\n"),
        Outcome::CouldNotTell(why) => format!("It could not be told: {why}.\n"),
    };
    for feed in &answer.feeds {
        let through = feed.known_through.map_or("never read".to_owned(), |at| format!("known through {at}"));
        let _ = writeln!(text, "  {:<11} {through}, {}", feed.provider, feed.state);
    }
    for line in &answer.balances {
        let code = &line.currency;
        let _ = writeln!(
            text,
            "  {:<11} has {} {code} as of {}, our books have {} {code} now",
            line.provider, line.total, line.as_of, line.books
        );
    }
    let rows = Rows(answer.findings.iter().map(finding).collect());
    if let Some(table) = rows.text() {
        let _ = write!(text, "\n{table}");
    }
    text
}

fn finding(line: &reconcile::FindingLine) -> Facts {
    let currency = line.currency.as_deref().and_then(Currency::new);
    let amount = currency.zip(line.amount.as_deref()).and_then(|(currency, text)| Money::parse(text, currency).ok());
    Facts::default()
        .with("id", u32::try_from(line.id).unwrap_or(u32::MAX))
        .with("provider", &line.provider)
        .with("kind", &line.kind)
        .with("reference", &line.reference)
        .with("order", line.order_id.as_deref())
        .with("amount", amount)
        .with("firstSeen", line.first_seen_at)
        .with("resolved", line.resolved_at)
        .with("detail", &line.detail)
}
