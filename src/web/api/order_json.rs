//! One order whole, as JSON: every fact that is stored about it, and nothing computed that could differ from the books.
//! What is not known is `null`.

use super::json::{Amount, Code, amount, amount_opt, at, at_opt, hold_of, order_row, pay_url};
use super::money::payout_shown;
use super::products::supplier_json;
use crate::domain::checkout::{Capture, Checkout};
use crate::domain::order::{Buyer, Order};
use crate::domain::purchase::{Purchase, Quote, SupplierOrder, SupplierOrderState};
use crate::domain::refund::{Refund, TakenBack};
use crate::domain::sale::Sale;
use crate::domain::settlement::{PaidOtherwise, Settlement, SupplierRefund};
use crate::domain::trade::Trade;
use crate::store::ledger::PostingRow;
use crate::store::money_views::PayoutRow;
use crate::store::purchases::Parcel;
use crate::store::rates::Reckoned;
use crate::store::sales::VersionRow;
use crate::store::views::OrderRow;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Everything stored about one order, read at one moment.
pub(super) struct Papers {
    pub row: OrderRow,
    pub trade: Trade,
    pub decline_issue: Option<String>,
    /// Guard, verdict and what it saw.
    pub guards: Vec<(String, String, String)>,
    pub parcels: Vec<Parcel>,
    pub reckoned: Vec<Reckoned>,
    pub payouts: Vec<PayoutRow>,
    pub versions: Vec<VersionRow>,
    pub postings: Vec<PostingRow>,
}

pub(super) fn order_json(papers: &Papers) -> Value {
    let (trade, order) = (&papers.trade, &papers.trade.order);
    let mut whole = order_row(&papers.row);
    let hold = hold_of(&papers.row);
    let parts = json!({
        "funds": order.funds.word(), "tax": amount_opt(order.tax),
        "taxRemittedBy": order.tax_remitted_by.map(|t| t.word()), "channelFee": amount_opt(order.channel_fee),
        "paidAt": at_opt(trade.paid_at()), "cancelledAt": at_opt(order.cancelled_at),
        "lines": lines(order), "missing": order.missing(),
        "buyer": order.buyer.as_ref().map(buyer), "shippingAddress": order.buyer.as_ref().map(address),
        "checkout": trade.checkout.as_ref().map(|c| checkout(c, papers.decline_issue.as_deref())),
        "capture": trade.capture.as_ref().map(capture),
        "quote": trade.quote.as_ref().map(quote),
        "noQuote": trade.quote_failure.as_ref().map(|f| json!({ "reason": f.reason, "askAgainAt": at(f.retry_at) })),
        "purchase": trade.purchase.as_ref().map(|p| purchase(p, papers, hold.is_none())),
        "sale": trade.sale.as_ref().map(sums),
        "saleVersions": papers.versions.iter().map(version).collect::<Vec<_>>(),
        "refundable": amount(trade.refundable()),
        "refunds": trade.refunds.iter().map(refund).collect::<Vec<_>>(),
        "settlements": trade.settlements.iter().map(settlement).collect::<Vec<_>>(),
        "supplierRefunds": trade.supplier_refunds.iter().map(supplier_refund).collect::<Vec<_>>(),
        "paidOtherwise": trade.paid_otherwise.iter().map(paid_otherwise).collect::<Vec<_>>(),
        "takenBack": trade.taken_back.iter().map(taken_back).collect::<Vec<_>>(),
        "payouts": papers.payouts.iter().map(payout_shown).collect::<Vec<_>>(),
        "postings": papers.postings.iter().map(posting).collect::<Vec<_>>(),
        "hold": hold.map(|h| json!({ "code": h.code.word(), "detail": h.detail, "advice": h.code.advice() })),
    });
    if let (Some(whole), Value::Object(parts)) = (whole.as_object_mut(), parts) {
        whole.extend(parts);
    }
    whole
}

fn lines(order: &Order) -> Vec<Value> {
    let line = |line: &crate::domain::order::Line| {
        json!({
            "sku": line.sku, "quantity": line.quantity, "unitPrice": amount(line.unit_price),
            "currency": line.unit_price.currency.code(), "supplier": supplier_json(&line.variant),
        })
    };
    order.lines.iter().map(line).collect()
}

fn buyer(buyer: &Buyer) -> Value {
    json!({ "name": buyer.name, "email": buyer.email, "phone": buyer.phone, "idNumber": buyer.id_number })
}

fn address(buyer: &Buyer) -> Value {
    let address = &buyer.address;
    json!({
        "line1": address.line1, "line2": address.line2, "city": address.city, "province": address.province,
        "postalCode": address.postal_code, "country": address.country,
    })
}

fn checkout(checkout: &Checkout, decline_issue: Option<&str>) -> Value {
    json!({
        "paypalOrderId": checkout.paypal_order_id, "approveUrl": checkout.approve_url,
        "openedAt": at(checkout.opened_at), "approvedAt": at_opt(checkout.approved_at),
        "returnedAt": at_opt(checkout.returned_at), "declinedAt": at_opt(checkout.declined_at),
        "declineIssue": decline_issue, "expiredAt": at_opt(checkout.expired_at),
    })
}

fn capture(capture: &Capture) -> Value {
    let (claim, proof) = (&capture.claim, capture.proof.as_ref());
    json!({
        "id": proof.map(|p| p.capture_id.clone()), "state": claim.state.word(), "isUnknown": claim.is_unknown(),
        "isCompleted": proof.is_some_and(|p| p.is_completed),
        "amount": amount(claim.amount), "currency": claim.amount.currency.code(),
        "fee": amount_opt(proof.and_then(|p| p.fee)), "at": at_opt(proof.map(|p| p.seen_at)),
    })
}

fn quote(quote: &Quote) -> Value {
    json!({
        "hash": quote.hash, "items": amount(quote.items), "freight": amount(quote.freight), "tax": amount(quote.tax),
        "landed": amount_opt(quote.landed().ok()), "currency": quote.items.currency.code(),
        "quotedAt": at(quote.quoted_at),
    })
}

/// Where to pay is shown only while it is unpaid, and never of a held order.
fn purchase(purchase: &Purchase, papers: &Papers, may_be_paid: bool) -> Value {
    let guard =
        |(guard, verdict, saw): &(String, String, String)| json!({ "guard": guard, "verdict": verdict, "saw": saw });
    let supplier_orders = purchase.supplier_orders.iter().map(|order| supplier_order(order, papers, may_be_paid));
    json!({
        "key": purchase.claim.key, "state": purchase.claim.state.word(), "isUnknown": purchase.claim.is_unknown(),
        "supplierOrders": supplier_orders.collect::<Vec<_>>(),
        "ceiling": amount(purchase.ceiling), "currency": purchase.ceiling.currency.code(),
        "autoPay": purchase.is_auto_pay, "guards": papers.guards.iter().map(guard).collect::<Vec<_>>(),
    })
}

fn supplier_order(order: &SupplierOrder, papers: &Papers, may_be_paid: bool) -> Value {
    let is_unpaid = order.state == SupplierOrderState::Placed;
    let parcel = |parcel: &Parcel| {
        json!({
            "number": parcel.number, "carrier": parcel.carrier, "isDelivered": parcel.is_delivered,
            "lastEvent": parcel.last_event, "lastSeenAt": at(parcel.last_seen_at),
        })
    };
    let parcels = papers.parcels.iter().filter(|p| p.supplier_order_id == order.id);
    json!({
        "id": order.id, "state": order.state.word(), "total": amount_opt(order.total),
        "currency": order.total.map(|m| m.currency.code().to_owned()), "placedAt": at(order.placed_at),
        "payBy": at_opt(order.pay_by), "paidAt": at_opt(order.paid_at), "shippedAt": at_opt(order.shipped_at),
        "deliveredAt": at_opt(order.delivered_at), "trackingNumber": order.tracking_number,
        "parcels": parcels.map(parcel).collect::<Vec<_>>(),
        "reckoned": papers.reckoned.iter().find(|r| r.supplier_order_id == order.id).map(reckoned),
        "payUrl": (is_unpaid && may_be_paid).then(|| pay_url(&order.id)),
    })
}

/// What the supplier asked in his own currency, and the rate by which the total stands in the sale's.
fn reckoned(reckoned: &Reckoned) -> Value {
    let Reckoned { asked, rate, .. } = reckoned;
    json!({
        "asked": amount(*asked), "currency": asked.currency.code(), "rate": rate.decimal(), "rateOf": at(rate.at),
        "at": at(reckoned.at),
    })
}

/// The amounts of a recorded sale; also a part of `GET /api/sales`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sums {
    version: u32,
    recorded_at: Timestamp,
    currency: Code,
    gross: Amount,
    tax: Amount,
    fee: Amount,
    supplier_total: Amount,
    commission: Amount,
    profit: Amount,
    commission_percent: Option<String>,
    commission_base: Option<&'static str>,
    supplier_paid_by: &'static str,
    payout_executed: bool,
}

pub(super) fn sums(sale: &Sale) -> Sums {
    Sums {
        version: sale.version,
        recorded_at: sale.recorded_at,
        currency: Code(sale.gross.currency),
        gross: Amount(sale.gross),
        tax: Amount(sale.tax),
        fee: Amount(sale.fee),
        supplier_total: Amount(sale.supplier_total),
        commission: Amount(sale.commission),
        profit: Amount(sale.profit),
        commission_percent: sale.rule.map(|r| r.rate.percent()),
        commission_base: sale.rule.map(|r| r.base.word()),
        supplier_paid_by: sale.paid_by.word(),
        payout_executed: sale.is_payout_executed,
    }
}

fn version(version: &VersionRow) -> Value {
    json!({
        "version": version.version, "correctedAt": at(version.at), "commission": amount(version.commission),
        "profit": amount(version.profit), "currency": version.profit.currency.code(), "reason": version.reason,
        "reference": version.reference,
    })
}

/// `state`: ordered (not claimed yet), pending, done or void, as a claim has it.
fn refund(refund: &Refund) -> Value {
    json!({
        "number": refund.number, "amount": amount(refund.amount), "currency": refund.amount.currency.code(),
        "orderedAt": at(refund.ordered_at), "withdrawnAt": at_opt(refund.withdrawn_at),
        "key": refund.claim.as_ref().map(|c| c.key.clone()),
        "state": refund.claim.as_ref().map_or("ordered", |c| c.state.word()),
        "isUnknown": refund.claim.as_ref().is_some_and(|c| c.is_unknown()),
        "refundId": refund.seen.as_ref().map(|s| s.refund_id.clone()),
        "status": refund.seen.as_ref().map(|s| s.status.word()),
    })
}

/// What left the capture without a word of ours.
fn taken_back(taken: &TakenBack) -> Value {
    json!({
        "id": taken.id, "kind": taken.how.word(), "amount": amount(taken.amount),
        "currency": taken.amount.currency.code(), "status": taken.status.word(),
    })
}

fn settlement(settlement: &Settlement) -> Value {
    json!({
        "reference": settlement.reference, "amount": amount(settlement.amount), "fee": amount_opt(settlement.fee),
        "currency": settlement.amount.currency.code(), "account": settlement.account.word(),
    })
}

fn supplier_refund(refund: &SupplierRefund) -> Value {
    json!({
        "supplierOrderId": refund.supplier_order_id, "reference": refund.reference, "amount": amount(refund.amount),
        "currency": refund.amount.currency.code(),
    })
}

fn paid_otherwise(paid: &PaidOtherwise) -> Value {
    json!({
        "recipient": paid.recipient.word(), "reference": paid.reference, "amount": amount(paid.amount),
        "currency": paid.amount.currency.code(),
    })
}

fn posting(posting: &PostingRow) -> Value {
    json!({
        "kind": posting.kind, "ref": posting.reference, "debit": posting.debit, "credit": posting.credit,
        "amount": amount(posting.amount), "currency": posting.amount.currency.code(),
    })
}
