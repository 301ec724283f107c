//! The intent journal read against the database, when one of them may have gone back in time (MONEY A5, A6, A9). What
//! only the journal knows is written into the database again: claims as pending, with what the journal saw become of
//! them, and what people said. Nothing is sent from here, and nothing is given up.
//!
//! Then every open trade stands in doubt until somebody has looked at it and released it; looks go on meanwhile. A line
//! whose order is not here is kept for the day on which that order comes in again.

mod outcomes;

use super::correct::correct_sale;
use super::elsewhere;
use super::ending::ALL_THAT_IS_LEFT;
use super::facts;
use super::settle::event;
use crate::domain::claim::Slot;
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Funds, OrderId};
use crate::store::doubts::Forgotten;
use crate::store::journal::{Journal, Line, Said, Terms};
use crate::store::purchases::TypedIds;
use crate::store::sales::Why;
use crate::store::{self, StoreError, claims, doubts, heard};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};
use std::collections::{HashMap, HashSet};

/// Who writes what the journal remembers.
const BY: &str = "the intent journal";

/// Lines being read into the database, in their order.
pub(super) struct Replay<'a> {
    tx: &'a Transaction<'a>,
    journal: &'a Journal,
    shop: &'a str,
    now: Timestamp,
    /// Claims of which the last send was made good here, and whether an earlier one had left the outcome unknown: what
    /// the journal saw become of that send is news for the database.
    made_good: HashMap<String, bool>,
    /// Words that were struck out.
    unheard: HashSet<i64>,
    /// Refunds that were claimed, as order, sequence and amount: each takes the place of the word that ordered it.
    refunds: Vec<(String, i64, String)>,
    /// Orders whose capture is among the lines: their checkout is the one that was answered.
    captured: HashSet<String>,
    /// The first thing that the database should have known and did not.
    pub went_back: Option<String>,
}

/// A claim's line.
struct Claimed<'a> {
    order: OrderId,
    slot: &'a str,
    attempt: u32,
    key: &'a str,
    amount: Option<Money>,
    hash: &'a str,
    request: &'a str,
    payee: Option<&'a str>,
    terms: Option<&'a Terms>,
}

impl<'a> Replay<'a> {
    pub fn new(tx: &'a Transaction<'a>, journal: &'a Journal, shop: &'a str, now: Timestamp) -> Replay<'a> {
        Replay {
            tx,
            journal,
            shop,
            now,
            made_good: HashMap::new(),
            unheard: HashSet::new(),
            refunds: Vec::new(),
            captured: HashSet::new(),
            went_back: None,
        }
    }

    /// Reads lines after the mark: those the database knows are ticked off, the others are made good.
    pub fn read(&mut self, lines: &[Line]) -> store::Result<()> {
        let struck = lines.iter().filter_map(|line| match line.said {
            Said::Unheard { line } => Some(line),
            _ => None,
        });
        self.unheard.extend(struck);
        let captured = lines.iter().filter_map(|line| match &line.said {
            Said::Claim { order, slot, .. } if *slot == Slot::Capture.word() => Some(order.clone()),
            _ => None,
        });
        self.captured.extend(captured);
        let refunds = lines.iter().filter_map(|line| match &line.said {
            Said::Claim { order, slot, amount, currency, .. } if matches!(Slot::parse(slot), Some(Slot::Refund(_))) => {
                Some((order.clone(), line.seq, format!("{amount} {currency}")))
            }
            _ => None,
        });
        self.refunds.extend(refunds);
        lines.iter().try_for_each(|line| self.line(line))
    }

    fn line(&mut self, line: &Line) -> store::Result<()> {
        match &line.said {
            Said::Opened { .. } | Said::Unheard { .. } => Ok(()),
            Said::Claim { order, slot, attempt, key, amount, currency, hash, request, payee, terms } => {
                let currency = Currency::new(currency);
                let claimed = Claimed {
                    order: OrderId(order.clone()),
                    slot,
                    attempt: *attempt,
                    key,
                    amount: currency.and_then(|currency| Money::parse(amount, currency).ok()),
                    hash,
                    request,
                    payee: payee.as_deref(),
                    terms: terms.as_ref(),
                };
                self.claim(line, &claimed)
            }
            Said::Resend { key, .. } => self.resend(line, key),
            Said::Outcome { key, outcome, ids } => self.outcome(line, key, outcome, ids),
            Said::Operator { order, verb, by, said } => {
                if self.unheard.contains(&line.seq) || heard::is_heard(self.tx, line.seq, &line.chain)? {
                    return Ok(());
                }
                self.word(line, order.as_deref(), verb, by, said.as_deref())
            }
        }
    }

    fn claim(&mut self, line: &Line, claimed: &Claimed<'_>) -> store::Result<()> {
        let known = claims::request_hash(self.tx, claimed.key)?;
        if known.as_deref() == Some(claimed.hash) {
            return claims::first_journaled(self.tx, claimed.key, line.seq);
        }
        let Claimed { order, key, slot, .. } = claimed;
        self.missed(format!("journal line {} claims {key} for order {order}; the database does not", line.seq));
        let cannot = if known.is_some() {
            "the database claims it with other bytes".to_owned()
        } else if store::views::order(self.tx, order)?.is_none() {
            return self.keep(line, claimed.order.clone(), Some(claimed));
        } else {
            match store::attempt(self.tx, |_| self.rebuild(line, claimed))? {
                Ok(()) => {
                    self.made_good.insert((*key).to_owned(), false);
                    let what = format!("{slot} attempt {} {key}, journal line {}", claimed.attempt, line.seq);
                    event(self.tx, order, self.now, "rebuilt", &what)?;
                    return self.doubt(order, &format!("the journal knew of a {slot} more"));
                }
                Err(error @ StoreError::Damaged(_)) => return Err(error),
                Err(StoreError::Sqlite(error)) => error.to_string(),
                Err(StoreError::Unreadable(reason) | StoreError::Conflict(reason)) => reason,
            }
        };
        self.keep(line, claimed.order.clone(), Some(claimed))?;
        let why = format!("journal line {} claims a {slot} that cannot be made good here: {cannot}", line.seq);
        self.doubt(order, &why)
    }

    /// Waits for a person, also where the order was closed already: nobody looks at a closed one (MONEY A17).
    fn doubt(&self, order: &OrderId, why: &str) -> store::Result<()> {
        if store::intake::reopen(self.tx, order, self.now)? {
            event(self.tx, order, self.now, "reopened", "the intent journal knows more of it")?;
        }
        doubts::put(self.tx, order, why, self.now)
    }

    /// Pending, and unknown from its first send on.
    fn rebuild(&self, line: &Line, claimed: &Claimed<'_>) -> store::Result<()> {
        let cannot = |what: &str| StoreError::Unreadable(what.to_owned());
        let Claimed { order, key, .. } = claimed;
        let slot = Slot::parse(claimed.slot).ok_or_else(|| cannot("its slot is of no kind known here"))?;
        let request = self.journal.unseal(claimed.request).ok_or_else(|| cannot("it is sealed under another key"))?;
        let amount = claimed.amount.ok_or_else(|| cannot("its amount cannot be read"))?;
        if claims::hash(&request) != claimed.hash {
            return Err(cannot("its bytes are not the ones it names"));
        }
        if let Some(before) = claims::live(self.tx, order, slot)?.filter(|before| before.attempt < claimed.attempt) {
            // A next attempt is only ever made after the one before it was proven void.
            claims::void_by_proof(self.tx, &before.key, "a later attempt stands in the journal", self.now)?;
        }
        if let Slot::Refund(number) = slot {
            self.reorder_refund(order, number, amount)?;
        }
        let new = claims::NewClaim { key, order, slot, attempt: claimed.attempt, amount, request: &request };
        claims::rebuild(self.tx, &new, line.seq, line.at)?;
        match slot {
            Slot::Checkout | Slot::Capture | Slot::Refund(_) => Ok(()),
            Slot::Payout(recipient) => {
                let payee = claimed.payee.ok_or_else(|| cannot("its payee is not named"))?;
                store::payouts::insert_rebuilt(self.tx, key, recipient, payee)?;
                let why = Why { at: self.now, reason: "payout rebuilt", reference: key };
                correct_sale(self.tx, self.shop, order, &why)
            }
            Slot::Purchase => self.rebuild_purchase(line, claimed, &request, amount),
        }
    }

    /// A refund was claimed, so a person had ordered it.
    fn reorder_refund(&self, order: &OrderId, number: u32, amount: Money) -> store::Result<()> {
        if store::refunds::of_order(self.tx, order)?.iter().any(|refund| refund.number == number) {
            return Ok(());
        }
        let reason = "rebuilt from the intent journal; why it was ordered is forgotten";
        let wish = store::refunds::Wish { amount, reason, is_confirmed: false, by: BY };
        store::refunds::order_again(self.tx, order, number, &wish, self.now)
    }

    fn rebuild_purchase(&self, line: &Line, claimed: &Claimed<'_>, request: &[u8], amount: Money) -> store::Result<()> {
        // Terms that nobody kept are taken so that the bytes are never sent again by the program.
        let none = Terms { ceiling_minor: amount.minor, quote_hash: "forgotten".to_owned(), is_auto_pay: true };
        let Terms { ceiling_minor, quote_hash, is_auto_pay } = claimed.terms.unwrap_or(&none);
        let ceiling = Money::new(*ceiling_minor, amount.currency);
        store::purchases::insert_rebuilt(self.tx, claimed.key, ceiling, quote_hash, *is_auto_pay)?;
        let by_hand: Option<ByHand> = serde_json::from_slice(request).ok();
        match by_hand {
            Some(ByHand { bought_by_hand: ids }) => self.bought(claimed.key, &ids, line.at),
            None => Ok(()),
        }
    }

    fn bought(&self, key: &str, ids: &[String], at: Timestamp) -> store::Result<()> {
        store::purchases::placed_by_word(self.tx, key, &TypedIds { ids, by: BY, note: None, placed_at: at })?;
        claims::done(self.tx, key, self.now)
    }

    fn resend(&mut self, line: &Line, key: &str) -> store::Result<()> {
        if claims::request_hash(self.tx, key)?.is_none() {
            return self.about_unknown(line, key);
        }
        if claims::is_send_known(self.tx, key, line.seq)? {
            self.made_good.remove(key);
            return Ok(());
        }
        self.made_good.insert(key.to_owned(), claims::is_unknown(self.tx, key)?);
        claims::sent_more(self.tx, key, line.seq, line.at)?;
        self.missed(format!("journal line {} sends {key} once more than the database knows", line.seq));
        Ok(())
    }

    fn about_unknown(&mut self, line: &Line, key: &str) -> store::Result<()> {
        self.missed(format!("journal line {} is about {key}; the database does not know it", line.seq));
        match doubts::order_of_key(self.tx, key)? {
            Some(order) => self.keep(line, order, None),
            None => Ok(()),
        }
    }

    /// What a person said and the database did not hear.
    fn word(
        &mut self,
        line: &Line,
        order: Option<&str>,
        verb: &str,
        by: &str,
        said: Option<&str>,
    ) -> store::Result<()> {
        let (tx, now) = (self.tx, self.now);
        let Some(order) = order.map(|id| OrderId(id.to_owned())) else {
            return match verb.split(' ').next() {
                Some("stop") => facts::stop(tx, by, now),
                Some("resume") => facts::resume(tx, by, now).map(drop),
                Some("payee") => doubts::doubt_payee(tx, verb.split(' ').nth(1).unwrap_or_default()),
                _ => Ok(()),
            };
        };
        if store::views::order(tx, &order)?.is_none() {
            return self.keep(line, order, None);
        }
        let said = said.and_then(|sealed| self.journal.unseal(sealed)).and_then(|bytes| String::from_utf8(bytes).ok());
        match verb.split(' ').next() {
            Some("hold") => {
                let reason = said.unwrap_or_else(|| format!("held by {by}, as the intent journal says"));
                store::holds::put(tx, &order, &Hold::new(HoldCode::Person, reason), by, now)?;
                event(tx, &order, now, "held", by)?;
            }
            Some("release") if said.is_none() => {
                store::holds::release(tx, &order, by, now)?;
                event(tx, &order, now, "released", by)?;
            }
            Some("cancel") if self.is_untouched(&order)? => {
                store::intake::cancel(tx, &order, now)?;
                event(tx, &order, now, "cancelled", by)?;
            }
            // Forgotten, it is asked for again.
            Some("approve" | "amnesia-release") => {}
            // Said again, it would be a second refund.
            Some("refund") if self.is_claimed_later(line, &order, verb) => {}
            name => {
                if name == Some("mark-paid")
                    && let Some(paid) = elsewhere::said_paid(tx, &order, verb)?
                {
                    store::settlements::said_paid(tx, &order, &paid, line.at)?;
                }
                let why = format!("{by} said \"{verb}\" at {}, and only the journal knows; say it again", line.at);
                self.doubt(&order, &why)?;
            }
        }
        store::intake::ring(tx, &order, now)
    }

    /// Whether the refund that this word ordered was claimed: the first one after it of that amount.
    fn is_claimed_later(&mut self, line: &Line, order: &OrderId, verb: &str) -> bool {
        let wanted = verb.trim_start_matches("refund ");
        let is_it = |(of, seq, amount): &(String, i64, String)| {
            *of == order.0 && *seq > line.seq && (wanted == amount || wanted == ALL_THAT_IS_LEFT)
        };
        let found = self.refunds.iter().position(is_it);
        found.map(|at| self.refunds.remove(at)).is_some()
    }

    /// No money has moved and none may have.
    fn is_untouched(&self, order: &OrderId) -> store::Result<bool> {
        let trade = store::trades::load(self.tx, self.shop, order)?;
        let is_over = trade.order.cancelled_at.is_some() || trade.order.closed_at.is_some();
        let is_paid = trade.order.funds == Funds::Settled || trade.capture.is_some() || trade.sale.is_some();
        Ok(!is_over && !is_paid && trade.purchase.is_none())
    }

    fn keep(&self, line: &Line, order: OrderId, claimed: Option<&Claimed<'_>>) -> store::Result<()> {
        let text = line.text().map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let forgotten = Forgotten {
            seq: line.seq,
            order,
            claim: claimed.map(|c| (c.key.to_owned(), c.hash.to_owned())),
            slot: claimed.map(|c| c.slot.to_owned()),
            amount: claimed.and_then(|c| c.amount),
            line: text,
            said_at: line.at,
        };
        doubts::keep(self.tx, &forgotten)
    }

    fn missed(&mut self, what: String) {
        self.went_back.get_or_insert(what);
    }
}

/// The request of a purchase made on the supplier's site.
#[derive(serde::Deserialize)]
struct ByHand {
    #[serde(rename = "boughtByHand")]
    bought_by_hand: Vec<String>,
}

/// Makes good what is forgotten of an order that came in again.
pub(super) fn make_good(
    tx: &Transaction<'_>,
    journal: &Journal,
    shop: &str,
    order: &OrderId,
    now: Timestamp,
) -> store::Result<()> {
    let kept = doubts::forgotten(tx, Some(order))?;
    let lines: Vec<Line> = kept.iter().filter_map(|kept| Line::parse(kept.line.as_bytes())).collect();
    if lines.len() != kept.len() {
        return Err(StoreError::Unreadable(format!("a line that is kept of order {order} cannot be read")));
    }
    Replay::new(tx, journal, shop, now).read(&lines)
}

/// Whether the journal announced this key and the database could not take it up: then it is no first send.
pub(super) fn is_announced(connection: &Connection, key: &str) -> store::Result<bool> {
    Ok(doubts::order_of_key(connection, key)?.is_some())
}

/// Takes up a claim that the journal announced and that could not be made good when it was read. The trade waits for a
/// person again.
pub(super) fn take_up(
    tx: &Transaction<'_>,
    journal: &Journal,
    shop: &str,
    (order, key): (&OrderId, &str),
    now: Timestamp,
) -> store::Result<()> {
    let mut lines = Vec::new();
    for kept in doubts::kept(tx, order)? {
        let unreadable = || StoreError::Unreadable(format!("a line that is kept of order {order} cannot be read"));
        let line = Line::parse(kept.as_bytes()).ok_or_else(unreadable)?;
        let of = match &line.said {
            Said::Claim { key, .. } | Said::Resend { key, .. } | Said::Outcome { key, .. } => Some(key.as_str()),
            _ => None,
        };
        if of == Some(key) {
            lines.push(line);
        }
    }
    Replay::new(tx, journal, shop, now).read(&lines)
}

/// Whether a claim may be written or sent again: the journal must not know its key with other bytes (MONEY A4).
pub(super) fn is_contradicted(connection: &Connection, key: &str, request: &[u8]) -> store::Result<bool> {
    doubts::contradicts(connection, key, &claims::hash(request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::journal::{Mark, Wanted};
    use crate::store::law_tests::{HASH, ONE, ORDER, claim, law, now};

    /// MONEY A5: a database put back to before a resend would give the claim up and buy again under a second key.
    #[test]
    fn a5_a_resend_the_database_forgot_is_amnesia() {
        let line = |seq, said| Line { seq, at: now(), said, chain: String::new() };
        let (key, hash) = (ONE.to_owned(), HASH.to_owned());
        let resend = |seq| line(seq, Said::Resend { key: key.clone(), hash: hash.clone() });
        let outcome =
            |seq| line(seq, Said::Outcome { key: key.clone(), outcome: "unknown".to_owned(), ids: Vec::new() });
        let claimed = line(
            8,
            Said::Claim {
                order: ORDER.to_owned(),
                slot: "purchase".to_owned(),
                attempt: 1,
                key: key.clone(),
                amount: "10.39".to_owned(),
                currency: "USD".to_owned(),
                hash: hash.clone(),
                request: String::new(),
                payee: None,
                terms: None,
            },
        );
        // The last send that ended here, as journal line and number; then all that were counted.
        let check = |(seq, ended): (i64, u32), sends: u32, lines: &[Line], is_known: bool, counted: u32| {
            let law = law();
            law.allows(&claim(ONE, ORDER, "purchase", 1));
            let seq = if seq > 0 { seq.to_string() } else { "NULL".to_owned() };
            law.allows(&format!("UPDATE claims SET sends = {sends}, journal_seq = {seq}, sends_journaled = {ended}"));
            let dir = tempfile::tempdir().unwrap();
            let mark = Mark { seq: 0, chain: None };
            let (data_dir, mark) = (dir.path(), &mark);
            let wanted = Wanted { data_dir, mirror: None, instance: "i", mark, lost: None, now: now() };
            let journal = Journal::open(&wanted).unwrap().journal;
            let read = law.store.write(|tx| {
                let mut replay = Replay::new(tx, &journal, "shop", now());
                replay.read(lines)?;
                Ok::<_, StoreError>((replay.went_back, claims::sends(tx, ONE)?))
            });
            let (went_back, read) = read.unwrap();
            assert_eq!(went_back.is_none(), is_known, "{ended} of {sends} sends: {went_back:?}");
            assert_eq!(read, counted, "every send that the journal knows is counted");
        };
        check((0, 0), 1, &[claimed.clone(), outcome(9)], true, 1);
        check((8, 1), 1, &[claimed.clone(), outcome(9)], true, 1);
        check((8, 1), 1, &[claimed.clone(), outcome(9), resend(10)], false, 2);
        check((8, 1), 1, &[resend(10), outcome(11)], false, 2);
        // Under way when the program ended.
        check((8, 1), 2, &[claimed.clone(), outcome(9), resend(10), outcome(11)], true, 2);
        check((8, 1), 2, &[resend(10), outcome(11)], true, 2);
        check((8, 1), 2, &[resend(10), resend(12)], false, 3);
        // It came to its end here, beside another order's that did not.
        check((10, 2), 2, &[claimed.clone(), outcome(9), resend(10), outcome(11)], true, 2);
        // Many sends that ended here do not make a forgotten one known.
        check((10, 2), 2, &[resend(12), outcome(13)], false, 3);
        check((10, 5), 5, &[claimed.clone(), resend(10), resend(12), resend(14)], false, 7);
        // Adopted from what the far side showed: never sent, and looked at all the same.
        check((0, 0), 0, &[outcome(9)], true, 0);
        // Counted, and the program died before the journal had it.
        check((8, 1), 3, &[claimed, resend(10)], true, 3);
    }
}
