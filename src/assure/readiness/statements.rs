//! The rows about the far sides' own statements: PayPal's balance with its time, and how the last comparison with the
//! books went. A statement that was not read is no agreement.

use super::phases::{Writer, row};
use super::{Row, Status};
use crate::assure::reconcile::{Outcome, window};
use crate::domain::trade::FarSide;
use crate::store::feeds::{ALIEXPRESS, PAYPAL};

/// Where PayPal lets an app read reports, and how long an old token does not know of it.
const ALLOW: &str = "switch Transaction Search on for the REST app in PayPal's developer dashboard; a token of before \
                     may be refused for nine hours more";

impl Writer<'_> {
    pub(super) fn statements(&self) -> Vec<Row> {
        let settings = &self.at.settings;
        let sides = [(PAYPAL, settings.paypal), (ALIEXPRESS, settings.aliexpress)];
        let wanted: Vec<&str> = sides.iter().filter(|(_, side)| *side != FarSide::Off).map(|(name, _)| *name).collect();
        let balance = match settings.paypal {
            FarSide::Off => row("paypal_balance", Status::Skipped, format!("{} is switched off", self.at.paypal)),
            FarSide::NoToken | FarSide::Ready => self.balance(),
        };
        vec![balance, self.reconciled(&wanted)]
    }

    /// What PayPal says lies there, and of when. It decides nothing: what may be paid out is reckoned from our books.
    fn balance(&self) -> Row {
        let far = &self.at.paypal;
        let known = &self.evidence.reconciled;
        let feed = known.feeds.iter().find(|feed| feed.provider == PAYPAL);
        if feed.is_some_and(|feed| feed.state == "no_permission") {
            let value = format!("{far} does not let this app read its balance and statement");
            return self.or_do(row("paypal_balance", Status::Fail, value), ALLOW);
        }
        let since = self.evidence.now - window(self.at.reconcile_every);
        let fresh: Vec<String> = known
            .balances
            .iter()
            .filter(|line| line.provider == PAYPAL && line.read_at >= since)
            .map(|line| {
                let (code, as_of) = (&line.currency, line.as_of);
                format!("{} {code} available of {} as of {as_of}, our books {}", line.available, line.total, line.books)
            })
            .collect();
        let (status, value) = match fresh.is_empty() {
            true => (Status::Unknown, format!("{far} has not told its balance")),
            false => (Status::Ok, format!("{far}: {}", fresh.join("; "))),
        };
        self.or(row("paypal_balance", status, value), "reconcile --now")
    }

    fn reconciled(&self, wanted: &[&str]) -> Row {
        if wanted.is_empty() {
            return row("reconciled", Status::Skipped, "both far sides are switched off");
        }
        let known = &self.evidence.reconciled;
        let through = |at: Option<jiff::Timestamp>| at.map_or("never".to_owned(), |at| at.to_string());
        let both = format!(
            "{} known through {}, {} through {}",
            self.at.paypal,
            through(known.known_through.paypal),
            self.at.aliexpress,
            through(known.known_through.aliexpress)
        );
        let (status, value) = match known.outcome(wanted, self.evidence.now, window(self.at.reconcile_every)) {
            Outcome::Good => (Status::Ok, format!("nothing differs; {both}")),
            Outcome::Findings(count) => {
                let named: Vec<String> =
                    known.findings.iter().take(5).map(|line| format!("{} {}", line.kind, line.reference)).collect();
                (Status::Fail, format!("{count} differences: {}; {both}", named.join(", ")))
            }
            Outcome::CouldNotTell(why) => (Status::Unknown, format!("{why}; {both}")),
        };
        let command = if status == Status::Fail { "reconcile" } else { "reconcile --now" };
        self.or(row("reconciled", status, value), command)
    }
}
