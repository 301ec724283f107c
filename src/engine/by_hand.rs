//! What a person found or did on the supplier's site: what became of a purchase nobody knows the outcome of, goods
//! bought by hand, paid, shipped, delivered. Facts are written down; nothing here calls anybody, and what the supplier
//! shows of a typed id is compared by the next look.

use super::Engine;
use super::claim::{Claimed, key};
use super::in_hand::Hand;
use super::looks::over_ceiling_after_payment;
use super::once::{Heard, NotHeard, Once};
use super::settle::event;
use crate::domain::claim::{Claim, Slot};
use crate::domain::hold::HoldCode;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::purchase::{Purchase, SupplierOrderState};
use crate::domain::trade::Trade;
use crate::store::journal::NewIntent;
use crate::store::purchases::TypedIds;
use crate::store::{self, claims};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction};

/// What a person found in the supplier's order list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These orders, and no other, came of the purchase.
    Orders(Vec<String>),
    NothingThere,
}

/// Goods bought on the supplier's site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoughtByHand {
    /// The supplier's ids: digits, each once, at least one.
    pub ids: Vec<String>,
    /// Of all of them together, more than zero.
    pub total: Money,
    /// `None` = now.
    pub at: Option<Timestamp>,
    pub note: Option<String>,
}

/// Goods on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    pub tracking_number: String,
    pub carrier: Option<String>,
}

/// "Nothing there" counts only this long after the first send: so long the supplier remembers our key (MONEY A8).
const NOTHING_THERE_AFTER: SignedDuration = SignedDuration::from_hours(24);

impl Engine {
    /// Ends a purchase of unknown outcome by a person's word. With ids the road goes on and the next look compares them
    /// with what was sold; after "nothing there" the next attempt goes out unpaid on a fresh quote. Of an order whose
    /// payment is unknown, "nothing there" is said of the payment.
    pub fn resolve_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        found: &Found,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        let _hand = self.hand_on(order)?;
        let said = match found {
            Found::Orders(ids) => format!("resolve {}", ids.join(" ")),
            Found::NothingThere => "resolve nothing-there".to_owned(),
        };
        if self.is_new(once)? {
            if *found == Found::NothingThere && self.is_capture_unknown(order)? {
                return self.no_capture_once(once, order, &said, by);
            }
            self.store.read(|c| self.resolvable(c, order, found))?;
        }
        let heard = self.once(once, order, &said, by, |tx, now| {
            let claim = self.resolvable(tx, order, found)?;
            match found {
                Found::Orders(ids) => {
                    let typed = TypedIds { ids, by, note: None, placed_at: now };
                    store::purchases::placed_by_word(tx, &claim.key, &typed)?;
                    claims::done(tx, &claim.key, now)?;
                    event(tx, order, now, "resolved", &format!("{} by {by}", ids.join(", ")))?;
                }
                Found::NothingThere => {
                    claims::void_by_proof(tx, &claim.key, &format!("nothing there, said by {by}"), now)?;
                    event(tx, order, now, "resolved", &format!("nothing there, by {by}"))?;
                }
            }
            Ok(claim.key)
        })?;
        let (outcome, ids): (_, &[String]) = match found {
            Found::Orders(ids) => ("found", ids),
            Found::NothingThere => ("nothing there", &[]),
        };
        self.note_heard(heard, outcome, ids)
    }

    /// The purchase claim that may be resolved so, or why not.
    fn resolvable(&self, connection: &Connection, order: &OrderId, found: &Found) -> Result<Claim, NotHeard> {
        let purchase = store::purchases::live(connection, order)?.filter(|p| p.claim.is_unknown());
        let Some(purchase) = purchase else {
            let detail = "Nothing of this order's purchase is unknown; a purchase by hand is told with mark-purchased.";
            return Err(refused("nothing_unknown", detail));
        };
        let claim = purchase.claim;
        match found {
            Found::Orders(ids) => not_known(connection, ids)?,
            Found::NothingThere => self.may_be_nothing(connection, order, &claim)?,
        }
        Ok(claim)
    }

    /// A void claim lets a next key go out, so the word alone is not enough (MONEY A8, A9).
    fn may_be_nothing(&self, connection: &Connection, order: &OrderId, claim: &Claim) -> Result<(), NotHeard> {
        let at = claim.claimed_at + NOTHING_THERE_AFTER;
        if self.now() < at {
            let detail = "The supplier may still show the order: \"nothing there\" counts 24 hours after it was sent.";
            return Err(NotHeard::Refused { code: "too_early", detail: detail.to_owned(), not_before: Some(at) });
        }
        not_in_doubt(connection, order)?;
        if !claim.is_journaled {
            let detail = "The purchase has no line in the intent journal, so it is never given up; buy the goods by \
                          hand and resolve it with those ids.";
            return Err(refused("not_journaled", detail));
        }
        Ok(())
    }

    /// Writes down goods that a person bought on the supplier's site. Where one purchase is live or unknown, there is
    /// no second (L24).
    pub fn mark_purchased_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        bought: &BoughtByHand,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        let _hand = self.hand_on(order)?;
        if self.is_new(once)? {
            self.store.read(|c| self.may_be_bought(c, order, bought))?;
        }
        let said = format!("mark-purchased {} {}", bought.ids.join(" "), bought.total);
        let heard = self.once(once, order, &said, by, |tx, now| {
            let trade = self.may_be_bought(tx, order, bought)?;
            self.adopt_purchase(tx, &trade, bought, by, now)
        })?;
        self.announce_adopted(order)?;
        Ok(heard)
    }

    fn may_be_bought(
        &self,
        connection: &Connection,
        order: &OrderId,
        bought: &BoughtByHand,
    ) -> Result<Trade, NotHeard> {
        let trade = self.open_trade(connection, order)?;
        if trade.paid_at().is_none() {
            return Err(refused("not_paid", "The buyer's payment is not complete, so nothing is to be bought yet."));
        }
        in_its_currency(&trade, bought.total)?;
        if let Some(purchase) = &trade.purchase {
            let never_sent = purchase.claim.is_pending() && !purchase.claim.is_unknown() && purchase.claim.is_journaled;
            if purchase.claim.is_unknown() {
                let detail = "A purchase of unknown outcome stands; say what became of it with resolve.";
                return Err(refused("purchase_unknown", detail));
            }
            if !never_sent && !purchase.is_dead() {
                return Err(refused("already_bought", "The goods are bought; there is never a second purchase."));
            }
            not_in_doubt(connection, order)?;
        }
        not_known(connection, &bought.ids)?;
        Ok(trade)
    }

    fn adopt_purchase(
        &self,
        tx: &Transaction<'_>,
        trade: &Trade,
        bought: &BoughtByHand,
        by: &str,
        now: Timestamp,
    ) -> Result<(), NotHeard> {
        let order = &trade.order.id;
        // Of which certainly nothing was sent, or every order of which died unpaid.
        if let Some(before) = &trade.purchase {
            claims::void_by_proof(tx, &before.claim.key, &format!("bought by hand instead, said by {by}"), now)?;
        }
        let attempt = trade.attempts(Slot::Purchase) + 1;
        let key = key(trade, Slot::Purchase, attempt);
        let request = serde_json::json!({ "boughtByHand": bought.ids, "total": bought.total.to_string() }).to_string();
        let new = claims::NewClaim {
            key: &key,
            order,
            slot: Slot::Purchase,
            attempt,
            amount: bought.total,
            request: request.as_bytes(),
        };
        claims::adopt(tx, &new, now)?;
        store::purchases::insert_by_hand(tx, &key, bought.total, by)?;
        let placed_at = bought.at.unwrap_or(now);
        let typed = TypedIds { ids: &bought.ids, by, note: bought.note.as_deref(), placed_at };
        store::purchases::placed_by_word(tx, &key, &typed)?;
        share_out(tx, &bought.ids, bought.total)?;
        claims::done(tx, &key, now)?;
        if trade.hold.as_ref().is_some_and(|h| h.code == HoldCode::PurchaseRefused) {
            store::holds::release(tx, order, by, now)?;
        }
        let detail = format!("{} for {} by {by}", bought.ids.join(", "), bought.total);
        Ok(event(tx, order, now, "purchased_by_hand", &detail)?)
    }

    /// The journal keeps an adopted purchase like any other, so that a database put back to an earlier day is noticed
    /// (MONEY A6). A repeated request writes the line that a crash had left out.
    fn announce_adopted(&self, order: &OrderId) -> Result<(), NotHeard> {
        let claim = self.store.read(|c| claims::live(c, order, Slot::Purchase))?;
        let Some(claim) = claim.filter(|c| !c.is_journaled && c.sends == 0) else { return Ok(()) };
        let request = self.store.read(|c| claims::request(c, &claim.key))?;
        let Claim { key, slot, attempt, amount, .. } = claim;
        let terms = self.terms(&key)?;
        let (payee_hash, now) = (None, self.now());
        let intent = NewIntent { order, slot, attempt, key: &key, amount, request: &request, payee_hash, terms };
        let Some(journal_seq) = self.open_line(Some(&key), |journal| journal.claim(now, &intent))? else {
            return Ok(());
        };
        let claimed = Claimed { key, request, was_unknown: false, journal_seq };
        Ok(self.settle(&claimed, |_| Ok(()))?)
    }

    /// Marks the placed supplier orders as paid. `total` is what was really paid for all of them; `None` = what is
    /// known of each.
    pub fn mark_supplier_paid_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        total: Option<Money>,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        let _hand = self.hand_on(order)?;
        if self.is_new(once)? {
            self.store.read(|c| self.payable(c, order, total).map(drop))?;
        }
        let said = total.map_or("mark-supplier-paid".to_owned(), |total| format!("mark-supplier-paid {total}"));
        self.once(once, order, &said, by, |tx, now| {
            let trade = self.payable(tx, order, total)?;
            let purchase = placed(&trade)?;
            let open: Vec<String> = ids_of(purchase, |state| state == SupplierOrderState::Placed);
            if open.is_empty() {
                return Ok(());
            }
            let charged = total.filter(|total| purchase.total() != Some(*total));
            if let Some(total) = charged {
                share_out(tx, &open, total)?;
            }
            let trade = store::trades::load(tx, &self.settings.shop, order)?;
            let purchase = placed(&trade)?;
            for paid in purchase.supplier_orders.iter().filter(|o| open.contains(&o.id)) {
                let total = paid.total.ok_or_else(|| total_needed(&paid.id))?;
                store::purchases::paid(tx, &paid.id, now)?;
                // What was really charged needs no rate (MONEY A16).
                let entry = self.supplier_paid_entry(tx, &trade, &paid.id, total, charged.is_none())?;
                store::ledger::book(tx, order, now, &entry)?;
                event(tx, order, now, "supplier_paid", &format!("{} {total} by {by}", paid.id))?;
            }
            if let (Some(last), Some(total)) = (purchase.supplier_orders.last(), purchase.total()) {
                let rest = Purchase { supplier_orders: Vec::new(), ..purchase.clone() };
                over_ceiling_after_payment(tx, &trade, Some(&rest), &last.id, total, now)?;
            }
            Ok(())
        })
    }

    /// A total is known for every supplier order, or given; what is paid already cost what the books say.
    fn payable(&self, connection: &Connection, order: &OrderId, total: Option<Money>) -> Result<Trade, NotHeard> {
        let trade = self.open_trade(connection, order)?;
        let purchase = placed(&trade)?;
        if purchase.is_dead() {
            return Err(refused("supplier_closed", "Every supplier order was closed unpaid."));
        }
        if let Some(total) = total {
            in_its_currency(&trade, total)?;
        }
        let paid = ids_of(purchase, |state| state == SupplierOrderState::Paid);
        if let (Some(total), false) = (total, paid.is_empty())
            && purchase.total() != Some(total)
        {
            let booked = purchase.total().map_or("not known".to_owned(), |t| t.to_string());
            let detail = format!("Paid supplier orders are in the books; the total there is {booked}.");
            return Err(refused("already_paid", detail));
        }
        for open in purchase.supplier_orders.iter().filter(|o| o.state == SupplierOrderState::Placed) {
            // What was really charged comes before what the supplier asked, perhaps in another currency.
            match total.or(open.total) {
                None => return Err(total_needed(&open.id)),
                Some(known) => in_its_currency(&trade, known)?,
            }
        }
        Ok(trade)
    }

    /// The parcel is on its way.
    pub fn mark_shipped_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        shipped: &Shipped,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        if self.is_new(once)? {
            self.store.read(|c| self.sent_goods(c, order).map(drop))?;
        }
        let Shipped { tracking_number, carrier } = shipped;
        self.once(once, order, "mark-shipped", by, |tx, now| {
            for id in self.sent_goods(tx, order)? {
                store::purchases::tracked(tx, &id, Some(tracking_number), carrier.as_deref(), false, now)?;
                event(tx, order, now, "shipped", &format!("{id} {tracking_number} by {by}"))?;
            }
            Ok(())
        })
    }

    /// The parcel has arrived.
    pub fn mark_delivered_once(&self, once: &Once<'_>, order: &OrderId, by: &str) -> Result<Heard<()>, NotHeard> {
        if self.is_new(once)? {
            self.store.read(|c| self.sent_goods(c, order).map(drop))?;
        }
        self.once(once, order, "mark-delivered", by, |tx, now| {
            for id in self.sent_goods(tx, order)? {
                store::purchases::delivered_by_word(tx, &id, now)?;
                event(tx, order, now, "delivered", &format!("{id} by {by}"))?;
            }
            Ok(())
        })
    }

    /// The paid supplier orders; nobody ships what was not paid.
    fn sent_goods(&self, connection: &Connection, order: &OrderId) -> Result<Vec<String>, NotHeard> {
        let trade = self.open_trade(connection, order)?;
        let purchase = placed(&trade)?;
        if ids_of(purchase, |state| state == SupplierOrderState::Placed).is_empty() && !purchase.is_dead() {
            return Ok(ids_of(purchase, |state| state == SupplierOrderState::Paid));
        }
        Err(refused("supplier_unpaid", "The supplier is not paid; if it is, say so with mark-supplier-paid."))
    }

    /// The order and all it led to, unless it is at its end.
    pub(super) fn open_trade(&self, connection: &Connection, order: &OrderId) -> Result<Trade, NotHeard> {
        let trade = store::trades::load(connection, &self.settings.shop, order)?;
        if trade.order.cancelled_at.is_some() || trade.order.closed_at.is_some() {
            return Err(refused("order_over", "The order is cancelled or closed."));
        }
        Ok(trade)
    }

    /// Keeps every worker away from the order until dropped.
    pub(super) fn hand_on(&self, order: &OrderId) -> Result<Hand<'_>, NotHeard> {
        let detail = "The order is being worked on, a call may be under way; say it again in a minute.";
        Hand::lay(&self.taken, order).ok_or_else(|| refused("busy", detail))
    }
}

pub(super) fn refused(code: &'static str, detail: impl Into<String>) -> NotHeard {
    NotHeard::Refused { code, detail: detail.into(), not_before: None }
}

/// Nothing is given up while it is not known what a forgotten time has done.
pub(super) fn not_in_doubt(connection: &Connection, order: &OrderId) -> Result<(), NotHeard> {
    match store::doubts::standing(connection, order)? {
        None => Ok(()),
        Some(doubt) => Err(refused("restored", format!("Release the trade first, after a look: {}", doubt.detail))),
    }
}

fn total_needed(id: &str) -> NotHeard {
    refused("total_needed", format!("What supplier order {id} costs is not known: give total and currency."))
}

/// The purchase whose supplier orders are known.
fn placed(trade: &Trade) -> Result<&Purchase, NotHeard> {
    match &trade.purchase {
        Some(purchase) if purchase.is_placed() => Ok(purchase),
        Some(purchase) if purchase.claim.is_unknown() => {
            Err(refused("purchase_unknown", "Say what became of the purchase with resolve."))
        }
        _ => Err(refused("not_bought", "Nothing is bought; goods bought by hand are told with mark-purchased.")),
    }
}

fn ids_of(purchase: &Purchase, is_meant: impl Fn(SupplierOrderState) -> bool) -> Vec<String> {
    purchase.supplier_orders.iter().filter(|o| is_meant(o.state)).map(|o| o.id.clone()).collect()
}

/// A supplier order belongs to one purchase only.
fn not_known(connection: &Connection, ids: &[String]) -> Result<(), NotHeard> {
    for id in ids {
        if store::purchases::owner_of(connection, id)?.is_some() {
            return Err(refused("supplier_order_known", format!("Supplier order {id} belongs to a purchase already.")));
        }
    }
    Ok(())
}

fn in_its_currency(trade: &Trade, amount: Money) -> Result<(), NotHeard> {
    let currency = trade.order.total.currency;
    if amount.currency == currency {
        return Ok(());
    }
    let detail =
        format!("The sale is in {currency} and no rate to {} is known; say it in {currency}.", amount.currency);
    Err(refused("rate_missing", detail))
}

/// One sum for several supplier orders: only the sum is known, so each gets its even part and the first what is left
/// over. A look at the supplier puts each one's own total in its place.
fn share_out(tx: &Transaction<'_>, ids: &[String], total: Money) -> Result<(), NotHeard> {
    let count = i64::try_from(ids.len()).map_err(|_| refused("too_many", "Too many supplier orders."))?;
    let (Some(part), Some(rest)) = (total.minor.checked_div(count), total.minor.checked_rem(count)) else {
        return Ok(());
    };
    if part == 0 {
        return Err(refused("total_too_small", "The total is less than a cent for each supplier order."));
    }
    for (index, id) in ids.iter().enumerate() {
        let minor = if index == 0 { part + rest } else { part };
        store::purchases::total_said(tx, id, Money { minor, ..total })?;
    }
    Ok(())
}
