//! Our books beside the far sides' own statements, row by row and in both directions. Pure: what is compared is handed
//! in, and nothing is ever corrected here.
//!
//! Time decides what may be said. A row of ours is missing there only once the report is known past its time and the
//! lag; a row of theirs about an order of ours is missing here only after the engine has had its hour to notice. What is
//! nobody's (a payment by hand, a withdrawal) is said at once.

use super::claim::State;
use super::money::{Currency, Money};
use super::order::OrderId;
use super::payout::ItemStatus;
use super::statement::{
    Finding, FindingKind as K, GRACE, LAG, Ledger, Movement, Ours, OursKind, Reading, Row, Statement, SupplierOrder,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    pub findings: Vec<Finding>,
    /// Checkouts that PayPal shows as paid and we do not: to be asked about now (MONEY A13).
    pub look_at: BTreeSet<OrderId>,
}

/// The statement beside our books, both directions.
pub fn compare(ledger: &Ledger, statement: &Statement, now: Timestamp) -> Compared {
    let mut comparison = Comparison::new(ledger, statement, now);
    let seen = statement.rows.iter().filter(|row| row.at >= statement.since);
    for row in seen {
        comparison.row(row);
    }
    for ours in &ledger.ours {
        comparison.is_there(ours);
    }
    comparison.done
}

struct Comparison<'a> {
    ledger: &'a Ledger,
    statement: &'a Statement,
    now: Timestamp,
    by_id: BTreeMap<&'a str, &'a Ours>,
    by_key: BTreeMap<&'a str, &'a Ours>,
    /// Ids of theirs that were matched with one of ours.
    matched: BTreeSet<&'a str>,
    /// Id, code and currency of what was met; a conversion has a row in each currency.
    met: BTreeSet<(&'a str, &'a str, Option<Currency>)>,
    /// Booked movements of disputes that no row was met for yet.
    disputed: Vec<(OrderId, Money)>,
    /// What is left of the booked reversals, by capture: the rows met for them are taken off.
    reversed: Vec<(String, Money)>,
    done: Compared,
}

impl<'a> Comparison<'a> {
    fn new(ledger: &'a Ledger, statement: &'a Statement, now: Timestamp) -> Self {
        let by_id = ledger.ours.iter().filter_map(|ours| Some((ours.id.as_deref()?, ours))).collect();
        let by_key = ledger.ours.iter().map(|ours| (ours.key.as_str(), ours)).collect();
        let (matched, met) = (BTreeSet::new(), BTreeSet::new());
        let (disputed, reversed) = (ledger.disputed.clone(), ledger.reversed.clone());
        let done = Compared::default();
        Comparison { ledger, statement, now, by_id, by_key, matched, met, disputed, reversed, done }
    }

    fn found(&mut self, kind: K, row: &Row, order: Option<&OrderId>, detail: String) {
        let reference = row.id.clone();
        self.done.findings.push(Finding { kind, reference, order: order.cloned(), amount: row.amount, detail });
    }

    fn row(&mut self, row: &'a Row) {
        if is_hold(row) {
            return;
        }
        let said = format!("{} {} of {}", row.code, amount_words(row.amount), row.at);
        if !self.met.insert((&row.id, &row.code, row.amount.map(|amount| amount.currency))) {
            let order = self.by_id.get(row.id.as_str()).map(|ours| &ours.order);
            return self.found(K::DuplicateId, row, order, format!("{said} stands there more than once"));
        }
        let Some(amount) = row.amount else {
            return self.found(K::Unreadable, row, None, format!("{said}: its amount cannot be read"));
        };
        match Movement::of(&row.code, amount.minor) {
            Movement::Inflow => self.inflow(row, amount, &said),
            Movement::Outflow => self.outflow(row, amount, &said),
            Movement::Refund => self.refund(row, amount, &said),
            Movement::PayoutReturn => self.payout_return(row, &said),
            other => self.without_ours(row, other, amount, &said),
        }
    }

    fn inflow(&mut self, row: &'a Row, amount: Money, said: &str) {
        if let Some((order, total)) = self.ledger.settled.get(&row.id) {
            self.matched.insert(&row.id);
            return self.amounts(row, amount, *total, order, "vouched for");
        }
        if let Some(ours) = self.of_id(row, OursKind::Capture) {
            return self.one_of_ours(row, ours, amount, said);
        }
        let order = row.custom.as_ref().map(|custom| OrderId(custom.clone()));
        let Some(order) = order.filter(|order| self.ledger.checkouts.contains(order)) else {
            return self.without_ours(row, Movement::Inflow, amount, said);
        };
        let other = self.done_capture_of(&order);
        if let Some(other) = other {
            let detail = format!("{said} pays the order a second time, beside {}", words(other.id.as_deref()));
            return self.found(K::Twice, row, Some(&order), detail);
        }
        self.done.look_at.insert(order.clone());
        if self.now >= row.seen_at + GRACE {
            let detail = format!("{said} pays this order's checkout, and no capture of it is known here");
            self.found(K::MissingHere, row, Some(&order), detail);
        }
    }

    fn done_capture_of(&self, order: &OrderId) -> Option<&'a Ours> {
        let is_it = |ours: &&Ours| ours.kind == OursKind::Capture && ours.state == State::Done && ours.order == *order;
        self.ledger.ours.iter().find(is_it)
    }

    fn outflow(&mut self, row: &'a Row, amount: Money, said: &str) {
        if let Some(ours) = self.of_id(row, OursKind::Payout) {
            return self.one_of_ours(row, ours, amount, said);
        }
        match self.of_key(row, OursKind::Payout) {
            Some(ours) => self.under_our_key(row, ours, amount, said),
            None => self.without_ours(row, Movement::Outflow, amount, said),
        }
    }

    fn refund(&mut self, row: &'a Row, amount: Money, said: &str) {
        if let Some(ours) = self.of_id(row, OursKind::Refund) {
            return self.one_of_ours(row, ours, amount, said);
        }
        if let Some(ours) = self.of_key(row, OursKind::Refund) {
            return self.under_our_key(row, ours, amount, said);
        }
        if self.is_booked(row) {
            return;
        }
        let order = self.referred(row);
        // A refund of ours may be under way, and its id not known yet.
        let is_refunding =
            |ours: &Ours| ours.kind == OursKind::Refund && ours.state == State::Pending && order == Some(&ours.order);
        if self.ledger.ours.iter().any(is_refunding) && self.now < row.seen_at + GRACE {
            return;
        }
        let detail = format!("{said} was given back on PayPal's own site, or by somebody else");
        self.found(K::ForeignRefund, row, order, detail);
    }

    fn payout_return(&mut self, row: &'a Row, said: &str) {
        if self.is_booked(row) {
            return;
        }
        let by_reference = row.reference.as_deref().and_then(|id| self.by_id.get(id)).copied();
        let by_custom = row.custom.as_deref().and_then(|key| self.by_key.get(key)).copied();
        let payout = by_reference.or(by_custom).filter(|ours| ours.kind == OursKind::Payout);
        match payout {
            // Paid by our books, and PayPal's item was not seen to change.
            Some(ours) if ours.state == State::Done && !ours.item.is_some_and(ItemStatus::is_not_paid) => {
                let detail = format!("{said}: payout {} came back after it counted as paid", words(ours.id.as_deref()));
                self.found(K::PayoutReturned, row, Some(&ours.order), detail);
            }
            Some(_) => {}
            None => self.found(K::ForeignInflow, row, None, format!("{said} came back from a payout that is not ours")),
        }
    }

    /// Theirs, and of no capture, refund or payout of ours: known only if somebody booked it under its own id.
    fn without_ours(&mut self, row: &'a Row, movement: Movement, amount: Money, said: &str) {
        if self.is_booked(row) || self.is_of_dispute(row, amount) || self.is_of_reversal(row, amount) {
            return;
        }
        let (kind, what) = match movement {
            Movement::Reversal => (K::Reversal, "was taken back by PayPal"),
            Movement::Chargeback => (K::Chargeback, "is a chargeback"),
            Movement::Fee => (K::ForeignFee, "is a fee of no movement of ours"),
            Movement::Conversion => (K::Conversion, "was converted"),
            Movement::Bank if amount.minor < 0 => (K::Withdrawal, "went to a bank"),
            _ if amount.minor < 0 => (K::ForeignOutflow, "went out, and not by us"),
            _ => (K::ForeignInflow, "came in for no order of ours"),
        };
        let order = self.referred(row);
        self.found(kind, row, order, format!("{said} {what}"));
    }

    /// A hold for a dispute, its release, a chargeback or its fee, booked by what the dispute itself shows: known by the
    /// payment it refers to and its amount, each once.
    fn is_of_dispute(&mut self, row: &Row, amount: Money) -> bool {
        let Some(order) = self.referred(row) else { return false };
        let Some(at) = self.disputed.iter().position(|(of, moved)| of == order && *moved == amount) else {
            return false;
        };
        self.disputed.swap_remove(at);
        true
    }

    /// PayPal shows a reversal without an id of its own, so it is booked by its capture, all of it together: known by that
    /// capture for as much as is booked, and no cent more.
    fn is_of_reversal(&mut self, row: &Row, amount: Money) -> bool {
        let left = self.reversed.iter_mut().find(|(capture, left)| {
            row.is_taken_back() && row.reference.as_ref() == Some(capture) && left.currency == amount.currency
        });
        let Some((_, left)) = left.filter(|(_, left)| left.minor.saturating_add(amount.minor) >= 0) else {
            return false;
        };
        left.minor += amount.minor;
        true
    }

    fn is_booked(&self, row: &Row) -> bool {
        self.ledger.booked.contains(&row.id)
    }

    /// The order of the capture or payout that a row refers to.
    fn referred(&self, row: &Row) -> Option<&'a OrderId> {
        row.reference.as_deref().and_then(|id| self.by_id.get(id)).map(|ours| &ours.order)
    }

    fn of_id(&self, row: &Row, kind: OursKind) -> Option<&'a Ours> {
        self.by_id.get(row.id.as_str()).copied().filter(|ours| ours.kind == kind)
    }

    fn of_key(&self, row: &Row, kind: OursKind) -> Option<&'a Ours> {
        let named = |name: &Option<String>| name.as_deref().and_then(|key| self.by_key.get(key)).copied();
        named(&row.custom).or_else(|| named(&row.invoice)).filter(|ours| ours.kind == kind)
    }

    /// One of ours, by its transaction id.
    fn one_of_ours(&mut self, row: &'a Row, ours: &'a Ours, amount: Money, said: &str) {
        self.matched.insert(&row.id);
        match ours.state {
            State::Void => self.void_here(row, ours, said),
            // A payout may stay unclaimed for a month; a capture or refund is known within the hour.
            State::Pending if ours.kind != OursKind::Payout => self.in_hand(row, ours, said),
            State::Pending => self.amounts(row, amount, negated(ours.amount), &ours.order, "claimed"),
            State::Done => {
                let expected = if ours.kind == OursKind::Capture { ours.amount } else { negated(ours.amount) };
                self.amounts(row, amount, expected, &ours.order, "booked");
                self.fees(row, ours);
            }
        }
    }

    /// It bears our key, and another id than the one we know.
    fn under_our_key(&mut self, row: &'a Row, ours: &'a Ours, amount: Money, said: &str) {
        match (ours.state, ours.id.as_deref()) {
            (State::Done, Some(known)) => {
                let detail = format!("{said} is a second {} beside {known}", ours.kind);
                self.found(K::Twice, row, Some(&ours.order), detail);
            }
            (State::Void, _) => self.void_here(row, ours, said),
            // The id is told late; the batch is asked until it is final.
            _ if ours.kind == OursKind::Payout => {
                self.amounts(row, amount, negated(ours.amount), &ours.order, "claimed");
            }
            _ => self.in_hand(row, ours, said),
        }
    }

    fn in_hand(&mut self, row: &'a Row, ours: &'a Ours, said: &str) {
        if ours.kind == OursKind::Capture {
            self.done.look_at.insert(ours.order.clone());
        }
        if self.now >= row.seen_at + GRACE {
            let detail = format!("{said} happened, and our {} still waits for its outcome", ours.kind);
            self.found(K::MissingHere, row, Some(&ours.order), detail);
        }
    }

    /// Proven not to have happened, or to have come back: then the row that brought it back stands there too.
    fn void_here(&mut self, row: &'a Row, ours: &'a Ours, said: &str) {
        let came_back = self.statement.rows.iter().any(|other| {
            let is_return = other.amount.is_some_and(|a| Movement::of(&other.code, a.minor) == Movement::PayoutReturn);
            let is_of_it = other.reference.as_deref() == Some(&row.id) || other.custom.as_deref() == Some(&ours.key);
            is_return && is_of_it
        });
        let is_time = self.statement.known_through.is_some_and(|through| through >= ours.at + LAG);
        if !came_back && is_time {
            let detail = format!("{said} moved, and our {} counts as not having happened", ours.kind);
            self.found(K::HappenedAllTheSame, row, Some(&ours.order), detail);
        }
    }

    fn amounts(&mut self, row: &'a Row, theirs: Money, ours: Money, order: &OrderId, how: &str) {
        let (kind, is_other) = match theirs.currency == ours.currency {
            false => (K::CurrencyDiffers, true),
            true => (K::AmountDiffers, theirs.minor != ours.minor),
        };
        if is_other {
            self.found(kind, row, Some(order), format!("{} {} shows {theirs}, {how} was {ours}", row.code, row.id));
        }
    }

    fn fees(&mut self, row: &'a Row, ours: &'a Ours) {
        let Some(booked) = ours.fee else { return };
        // What is given back of a fee with a refund may stand in a row of its own.
        if ours.kind == OursKind::Refund && row.fee.is_none() {
            return;
        }
        let kept = row.fee.map_or(Money::zero(booked.currency), negated);
        let booked = if ours.kind == OursKind::Refund { negated(booked) } else { booked };
        if kept != booked {
            let detail = format!("{} {} shows a fee of {kept}, booked was {booked}", row.code, row.id);
            let finding = Finding {
                kind: K::FeeDiffers,
                reference: row.id.clone(),
                order: Some(ours.order.clone()),
                amount: Some(kept),
                detail,
            };
            self.done.findings.push(finding);
        }
    }

    /// Our proven rows that are not there, once their time has come.
    fn is_there(&mut self, ours: &Ours) {
        let is_due = self.statement.known_through.is_some_and(|through| through >= ours.at + LAG);
        if ours.state != State::Done || ours.at < self.statement.since || !is_due {
            return;
        }
        if ours.id.as_deref().is_some_and(|id| self.matched.contains(id)) {
            return;
        }
        let id = words(ours.id.as_deref());
        let through = self.statement.known_through.map(|t| t.to_string()).unwrap_or_default();
        self.done.findings.push(Finding {
            kind: K::MissingThere,
            reference: ours.id.clone().unwrap_or_else(|| ours.key.clone()),
            order: Some(ours.order.clone()),
            amount: Some(ours.amount),
            detail: format!(
                "{} {id} of {}, settled {}, is not in the report up to {through}",
                ours.kind, ours.amount, ours.at
            ),
        });
    }
}

/// Whether the account changed between two readings by what its own rows say. `None`: it did, or it cannot be told,
/// because the rows are not known as far as the later reading.
pub fn balance(first: &Reading, last: &Reading, statement: &Statement) -> Option<Finding> {
    let currency = first.total.currency;
    let is_known = statement.known_through.is_some_and(|t| t >= last.as_of) && statement.since <= first.as_of;
    if last.total.currency != currency || !is_known || last.as_of <= first.as_of {
        return None;
    }
    let (begin, end) = (first.as_of.as_second(), last.as_of.as_second());
    let between = statement.rows.iter().filter(|row| (begin..=end).contains(&row.at.as_second()));
    // Times are told in seconds: a row of the very second of a reading may be in it or not.
    let (inside, edge): (Vec<&Row>, Vec<&Row>) =
        between.partition(|row| row.at.as_second() > begin && row.at.as_second() < end);
    let rows: i64 = inside.into_iter().map(|row| moved(row, currency.code())).fold(0, i64::saturating_add);
    let changed = last.total.minor.saturating_sub(first.total.minor);
    let difference = Money::new(changed.saturating_sub(rows), currency);
    if edge.len() > EDGE_MAX || some_add_up_to(&edge, difference) {
        return None;
    }
    Some(Finding {
        kind: K::BalanceDiffers,
        reference: currency.code().to_owned(),
        order: None,
        amount: Some(difference),
        detail: format!(
            "from {} to {} the balance changed by {}, its rows say {}",
            first.as_of,
            last.as_of,
            Money::new(changed, currency),
            Money::new(rows, currency)
        ),
    })
}

/// More rows than this in the second of a reading, and nothing is said of it.
const EDGE_MAX: usize = 16;

/// Whether some of these rows, or none, moved exactly that.
fn some_add_up_to(rows: &[&Row], amount: Money) -> bool {
    let mut sums = BTreeSet::from([0_i64]);
    for row in rows {
        let more: Vec<i64> = sums.iter().map(|sum| sum.saturating_add(moved(row, amount.currency.code()))).collect();
        sums.extend(more);
    }
    sums.contains(&amount.minor)
}

/// What the far side keeps back beyond what is set aside for payouts of ours.
pub fn withheld(last: &Reading, statement: &Statement) -> Option<Finding> {
    let withheld = last.withheld?;
    let held = |row: &&Row| row.at <= last.as_of && is_hold(row);
    let set_aside: i64 = statement
        .rows
        .iter()
        .filter(held)
        .filter_map(|row| row.amount.filter(|a| a.currency == withheld.currency))
        .fold(0, |sum, amount| sum.saturating_sub(amount.minor));
    let more = Money::new(withheld.minor.saturating_sub(set_aside.max(0)), withheld.currency);
    more.is_positive().then(|| Finding {
        kind: K::Withheld,
        reference: withheld.currency.code().to_owned(),
        order: None,
        amount: Some(more),
        detail: format!("of {} in the account {more} cannot be spent, as of {}", last.total, last.as_of),
    })
}

fn is_hold(row: &Row) -> bool {
    row.amount.is_some_and(|amount| Movement::of(&row.code, amount.minor) == Movement::Hold)
}

/// What a row moved in one currency. A hold moves nothing out of the account.
fn moved(row: &Row, currency: &str) -> i64 {
    let of = |money: Option<Money>| money.filter(|m| m.currency.code() == currency).map_or(0, |m| m.minor);
    if is_hold(row) { 0 } else { of(row.amount).saturating_add(of(row.fee)) }
}

/// The supplier's word beside our books.
pub fn supplier(orders: &[SupplierOrder], now: Timestamp) -> Vec<Finding> {
    orders.iter().filter_map(|order| supplier_order(order, now)).collect()
}

fn supplier_order(order: &SupplierOrder, now: Timestamp) -> Option<Finding> {
    let look = order.look.as_ref()?;
    let seen = format!("AliExpress says {} at {}", look.status, look.at);
    let found = |kind, amount, detail| {
        Some(Finding { kind, reference: order.id.clone(), order: Some(order.order.clone()), amount, detail })
    };
    match (order.paid_at, look.is_paid) {
        (None, true) if now >= look.at + GRACE => {
            found(K::SupplierPaid, look.total.map(negated), format!("{seen}, paid; our books do not have it as paid"))
        }
        // A look from before it was paid says nothing of it.
        (Some(paid_at), false) if look.at >= paid_at => {
            found(K::SupplierUnpaid, order.booked, format!("{seen}, not paid; our books have it as paid"))
        }
        (Some(_), true) if look.is_ended && !order.is_all_back => {
            found(K::SupplierEnded, order.booked, format!("{seen}, paid and ended; the money is due back"))
        }
        (Some(_), true) => {
            let (theirs, ours) = (look.total?, order.booked?);
            let kind = if theirs.currency == ours.currency { K::AmountDiffers } else { K::CurrencyDiffers };
            let detail = format!("AliExpress says {theirs}, booked was {ours}");
            if theirs == ours { None } else { found(kind, Some(theirs), detail) }
        }
        _ => None,
    }
}

fn negated(amount: Money) -> Money {
    Money { minor: amount.minor.saturating_neg(), ..amount }
}

fn words(id: Option<&str>) -> &str {
    id.unwrap_or("without an id")
}

fn amount_words(amount: Option<Money>) -> String {
    amount.map_or("of an unknown amount".to_owned(), |amount| amount.to_string())
}
