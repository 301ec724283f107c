//! Where the goods are after the supplier was paid: the parcels, and what the order itself says of them. A number that
//! is not found is a state and no news; delivered is a fact only when nothing speaks against it; an order that the
//! supplier ended after it was paid is a person's.

use super::looks::{is_ended, is_looked_at};
use super::settle::{event, hold};
use super::{Engine, Result};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::order::OrderId;
use crate::domain::purchase::{SupplierOrder, SupplierOrderState};
use crate::domain::trade::Trade;
use crate::failpoint;
use crate::gateway::Secret;
use crate::gateway::aliexpress::{LogisticsStatus, Parcel, SupplierOrderSeen, SupplierStatus};
use crate::store;
use jiff::Timestamp;
use rusqlite::Transaction;

impl Engine {
    pub(super) fn track(&self, trade: &Trade) -> Result<()> {
        let id = &trade.order.id;
        let Some(token) = self.login()? else { return self.write(|tx| store::intake::tracked(tx, id, self.now())) };
        let orders = trade.purchase.iter().flat_map(|p| &p.supplier_orders).filter(|o| o.delivered_at.is_none());
        for order in orders.filter(|o| o.state == SupplierOrderState::Paid) {
            self.follow(id, order, &token)?;
        }
        self.write(|tx| store::intake::tracked(tx, id, self.now()))
    }

    /// One supplier order: what tracking shows, then what the order says. Either may fail; the other is still believed.
    fn follow(&self, id: &OrderId, order: &SupplierOrder, token: &Secret) -> Result<()> {
        failpoint::hit("look.asking");
        let parcels = self.aliexpress()?.tracking(self.now(), token, &order.id);
        let seen = self.aliexpress()?.supplier_order(self.now(), token, &order.id);
        failpoint::hit("look.answered");
        let parcels = parcels.unwrap_or_else(|error| {
            log::info!("tracking of {}: {error}", order.id);
            Vec::new()
        });
        let seen = seen.inspect_err(|error| log::info!("supplier order {}: {error}", order.id)).ok();
        let now = self.now();
        self.write(|tx| {
            parcels_seen(tx, id, order, &parcels, now)?;
            if let Some(seen) = &seen {
                paid_order_seen(tx, id, &order.id, seen, now)?;
            }
            if is_delivered(&parcels, seen.as_ref()) {
                delivered(tx, id, order, &parcels, now)?;
            }
            Ok(())
        })
    }
}

fn parcels_seen(
    tx: &Transaction<'_>,
    id: &OrderId,
    order: &SupplierOrder,
    parcels: &[Parcel],
    now: Timestamp,
) -> store::Result<()> {
    for parcel in parcels {
        let row = store::purchases::ParcelSeen {
            number: &parcel.number,
            carrier: parcel.carrier.as_deref(),
            is_delivered: parcel.delivered,
            last_event: parcel.last_event.as_deref(),
        };
        if store::purchases::parcel_seen(tx, &order.id, &row, now)? {
            let carrier = parcel.carrier.as_deref().map(|c| format!(" ({c})")).unwrap_or_default();
            event(tx, id, now, "shipped", &format!("{} {}{carrier}", order.id, parcel.number))?;
        }
    }
    // The last one listed is the one that carries it now; the others stay with the order.
    let Some(current) = parcels.iter().rev().find(|p| !p.delivered).or(parcels.first()) else { return Ok(()) };
    store::purchases::tracked(tx, &order.id, Some(&current.number), current.carrier.as_deref(), false, now)
}

/// What the order itself tells after it was paid: an end without goods, or a dispute.
fn paid_order_seen(
    tx: &Transaction<'_>,
    id: &OrderId,
    supplier_order_id: &str,
    seen: &SupplierOrderSeen,
    now: Timestamp,
) -> store::Result<()> {
    let is_new = store::purchases::status_seen(tx, supplier_order_id, seen.status.word())?;
    let reasons: Vec<&str> = seen.children.iter().filter_map(|child| child.end_reason.as_deref()).collect();
    if !reasons.is_empty() && !is_looked_at(seen) {
        let whole = if is_ended(seen) { "is ended" } else { "is ended in part" };
        let detail = format!("supplier order {supplier_order_id} was paid and {whole}: {}", reasons.join(", "));
        // Of an order that goes on, it is said once.
        let is_said = !is_ended(seen)
            && store::holds::is_answered(tx, id, &Hold::new(HoldCode::SupplierCancelled, detail.clone()))?;
        return if is_said { Ok(()) } else { hold(tx, id, now, HoldCode::SupplierCancelled, &detail) };
    }
    match seen.status {
        SupplierStatus::InIssue | SupplierStatus::InFrozen if is_new => {
            event(tx, id, now, "supplier_dispute", &format!("{supplier_order_id} {}", seen.status.word()))
        }
        _ => Ok(()),
    }
}

/// FINISH alone means received or closed: it was received if the parcels were, and no line was ended.
fn is_received(seen: &SupplierOrderSeen) -> bool {
    let is_accepted = seen.logistics_status == Some(LogisticsStatus::BuyerAcceptGoods);
    is_accepted && seen.paid_at_text.is_some() && !is_any_ended(seen)
}

/// A line that was ended brings no goods, whatever the others bring.
fn is_any_ended(seen: &SupplierOrderSeen) -> bool {
    seen.children.iter().any(|child| child.end_reason.is_some())
}

/// By the order itself, or by every parcel as long as the order does not say that more are to come.
fn is_delivered(parcels: &[Parcel], seen: Option<&SupplierOrderSeen>) -> bool {
    let more_to_come = seen.is_some_and(|seen| {
        let is_part = seen.logistics_status == Some(LogisticsStatus::SellerSendPartGoods);
        is_part || seen.status == SupplierStatus::SellerPartSendGoods || is_any_ended(seen)
    });
    let all_are = !parcels.is_empty() && parcels.iter().all(|p| p.delivered);
    seen.is_some_and(is_received) || (all_are && !more_to_come)
}

fn delivered(
    tx: &Transaction<'_>,
    id: &OrderId,
    order: &SupplierOrder,
    parcels: &[Parcel],
    now: Timestamp,
) -> store::Result<()> {
    match parcels.last() {
        Some(last) => {
            store::purchases::tracked(tx, &order.id, Some(&last.number), last.carrier.as_deref(), true, now)?;
        }
        None => store::purchases::delivered_by_word(tx, &order.id, now)?,
    }
    event(tx, id, now, "delivered", &order.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::aliexpress::ChildSeen;
    use crate::store::law_tests::{ORDER, law, now};

    fn parcel(number: &str, delivered: bool) -> Parcel {
        let number = number.to_owned();
        Parcel { number, carrier: None, delivered, last_event: None, last_event_at: None, eta_at: None }
    }

    fn seen(status: &str, logistics: &str, end_reason: Option<&str>) -> SupplierOrderSeen {
        SupplierOrderSeen {
            id: "8001".to_owned(),
            status: SupplierStatus::from_word(status),
            logistics_status: Some(LogisticsStatus::from_word(logistics)),
            paid_at_text: Some("2026-01-01 00:00:00".to_owned()),
            created_text: None,
            total: None,
            children: vec![ChildSeen {
                product_id: "1005".to_owned(),
                sku_id: None,
                count: Some(1),
                end_reason: end_reason.map(str::to_owned),
            }],
            pay_timeout_s: None,
            tracking: Vec::new(),
        }
    }

    #[test]
    fn delivered_is_a_fact_only_when_nothing_speaks_against_it() {
        let check = |parcels: &[(&str, bool)], order: Option<(&str, &str, Option<&str>)>, expected: bool| {
            let shown: Vec<Parcel> = parcels.iter().map(|(number, delivered)| parcel(number, *delivered)).collect();
            let order_seen = order.map(|(status, logistics, end)| seen(status, logistics, end));
            assert_eq!(is_delivered(&shown, order_seen.as_ref()), expected, "{parcels:?} {order:?}");
        };
        check(&[], None, false);
        check(&[("A", true)], None, true);
        check(&[("A", true), ("B", false)], None, false);
        check(&[("A", true)], Some(("WAIT_BUYER_ACCEPT_GOODS", "SELLER_SEND_GOODS", None)), true);
        check(&[("A", true)], Some(("SELLER_PART_SEND_GOODS", "SELLER_SEND_PART_GOODS", None)), false);
        check(&[("A", true)], Some(("FINISH", "NO_LOGISTICS", Some("refunded"))), false);
        check(&[], Some(("FINISH", "BUYER_ACCEPT_GOODS", None)), true);
        check(&[], Some(("FINISH", "NO_LOGISTICS", None)), false);
        check(&[], Some(("FINISH", "BUYER_ACCEPT_GOODS", Some("refunded"))), false);
        // One line of two was ended: the parcel of the other one is not all of it.
        let mut partly = seen("WAIT_BUYER_ACCEPT_GOODS", "SELLER_SEND_GOODS", None);
        partly.children.extend(seen("", "", Some("sold out")).children);
        assert!(!is_delivered(&[parcel("A", true)], Some(&partly)));
    }

    /// It is said once, and a release is the answer; an order that ended as a whole is said as long as it stands.
    #[test]
    fn an_end_in_part_is_held_until_somebody_has_released_it() {
        let law = law();
        let id = OrderId(ORDER.to_owned());
        let mut partly = seen("WAIT_BUYER_ACCEPT_GOODS", "SELLER_SEND_GOODS", None);
        partly.children.extend(seen("", "", Some("sold out")).children);
        let ended = seen("FINISH", "NO_LOGISTICS", Some("sold out"));
        let look = |seen: &SupplierOrderSeen| {
            law.store.write(|tx| paid_order_seen(tx, &id, "8001", seen, now())).unwrap();
            let held = law.store.read(|c| store::holds::standing(c, &id)).unwrap();
            law.store.write(|tx| store::holds::release(tx, &id, "tester", now())).unwrap();
            held.map(|hold| hold.detail)
        };
        let in_part = "supplier order 8001 was paid and is ended in part: sold out";
        assert_eq!(look(&partly).as_deref(), Some(in_part));
        assert_eq!(look(&partly), None);
        for _ in 0..2 {
            assert!(look(&ended).is_some_and(|detail| detail.ends_with("is ended: sold out")));
        }
    }
}
