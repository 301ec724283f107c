//! Everything about one order on one page, in parts: what came in, who bought it, what was claimed and what came of it,
//! the books, the timeline. Only what is stored stands here; nothing is computed but sums.

use super::page::{Facts, Rows, title};
use crate::domain::checkout::{Capture, Checkout};
use crate::domain::claim::Claim;
use crate::domain::guards::Approval;
use crate::domain::order::{Buyer, Order};
use crate::domain::payout::Payout;
use crate::domain::purchase::{Purchase, Quote, SupplierOrder, SupplierOrderState};
use crate::domain::sale::Sale;
use crate::domain::trade::{Stage, Trade};
use crate::store::ledger::PostingRow;
use crate::store::purchases::Parcel;
use crate::store::rates::Reckoned;
use crate::store::views::OrderRow;
use serde_json::{Map, Value};

/// A part of the page under its name.
pub struct Part {
    name: &'static str,
    body: Body,
}

enum Body {
    One(Option<Facts>),
    Many(Rows),
}

pub fn page(
    view: &OrderRow,
    trade: &Trade,
    parcels: &[Parcel],
    reckoned: &[Reckoned],
    postings: &[PostingRow],
    timeline: Rows,
) -> Vec<Part> {
    let one = |name, facts| Part { name, body: Body::One(facts) };
    let many = |name, rows| Part { name, body: Body::Many(rows) };
    let purchase = trade.purchase.as_ref();
    vec![
        one("order", Some(order(view, &trade.order))),
        one(
            "hold",
            trade.hold.as_ref().map(|hold| {
                let facts = Facts::default().with("code", hold.code.word()).with("detail", &hold.detail);
                facts.with("advice", hold.code.advice())
            }),
        ),
        many("items", items(&trade.order)),
        one("buyer", trade.order.buyer.as_ref().map(buyer)),
        one("checkout", trade.checkout.as_ref().map(checkout)),
        one("capture", trade.capture.as_ref().map(capture)),
        one("quote", trade.quote.as_ref().map(quote)),
        one(
            "quoteFailure",
            trade
                .quote_failure
                .as_ref()
                .map(|failure| Facts::default().with("reason", &failure.reason).with("retryAt", failure.retry_at)),
        ),
        one("approval", trade.approval.as_ref().map(approval)),
        one("purchase", purchase.map(self::purchase)),
        many(
            "supplierOrders",
            purchase.map(|p| supplier_orders(p, view.stage != Stage::Held.word())).unwrap_or_default(),
        ),
        many("reckoned", Rows(reckoned.iter().map(self::reckoned).collect())),
        many("parcels", Rows(parcels.iter().map(parcel).collect())),
        one("sale", trade.sale.as_ref().map(sale)),
        many("payouts", Rows(trade.payouts.iter().map(payout).collect())),
        many("postings", Rows(postings.iter().map(posting).collect())),
        many("timeline", timeline),
    ]
}

/// Parts with nothing in them are left out.
pub fn text(page: &[Part]) -> String {
    let mut text = String::new();
    for part in page {
        let body = match &part.body {
            Body::One(facts) => facts.as_ref().map(Facts::text),
            Body::Many(rows) => rows.text(),
        };
        if let Some(body) = body {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{}\n{body}", title(part.name)));
        }
    }
    text
}

/// Parts with nothing in them are `null` or `[]`.
pub fn json(page: &[Part]) -> Value {
    let value = |part: &Part| match &part.body {
        Body::One(facts) => facts.as_ref().map_or(Value::Null, Facts::json),
        Body::Many(rows) => rows.json(),
    };
    Value::Object(page.iter().map(|part| (part.name.to_owned(), value(part))).collect::<Map<_, _>>())
}

fn order(view: &OrderRow, order: &Order) -> Facts {
    Facts::default()
        .with("id", &order.id.0)
        .with("stage", &view.stage)
        .with("waitsFor", Some(view.waits_for.as_str()).filter(|text| !text.is_empty()))
        .with("nextLookAt", view.next_look_at)
        .with("mode", order.identity.mode.word())
        .with("origin", order.origin.word())
        .with("channel", &order.identity.channel)
        .with("channelOrderId", &order.identity.channel_order_id)
        .with("funds", order.funds.word())
        .with("total", order.total)
        .with("tax", order.tax)
        .with("taxRemittedBy", order.tax_remitted_by.map(|who| who.word()))
        .with("fee", order.channel_fee)
        .with("createdAt", order.created_at)
        .with("paidAt", order.paid_at)
        .with("cancelledAt", order.cancelled_at)
        .with("closedAt", order.closed_at)
}

fn items(order: &Order) -> Rows {
    let row = |line: &crate::domain::order::Line| {
        Facts::default()
            .with("quantity", line.quantity)
            .with("sku", &line.sku)
            .with("unitPrice", line.unit_price)
            .with("productId", &line.variant.product_id)
            .with("skuId", &line.variant.sku_id)
            .with("skuAttr", &line.variant.sku_attr)
            .with("shippingService", line.variant.service.clone())
            .with("maxLandedCost", line.landed_cost_max)
            .with("active", line.is_active)
    };
    Rows(order.lines.iter().map(row).collect())
}

fn buyer(buyer: &Buyer) -> Facts {
    let address = &buyer.address;
    Facts::default()
        .with("name", buyer.name.clone())
        .with("email", buyer.email.clone())
        .with("phone", buyer.phone.clone())
        .with("idNumber", buyer.id_number.clone())
        .with("line1", address.line1.clone())
        .with("line2", address.line2.clone())
        .with("city", address.city.clone())
        .with("province", address.province.clone())
        .with("postalCode", address.postal_code.clone())
        .with("country", address.country.clone())
}

fn checkout(checkout: &Checkout) -> Facts {
    Facts::default()
        .with("paypalOrderId", checkout.paypal_order_id.clone())
        .with("approveUrl", checkout.approve_url.clone())
        .with("openedAt", checkout.opened_at)
        .with("returnedAt", checkout.returned_at)
        .with("approvedAt", checkout.approved_at)
        .with("declinedAt", checkout.declined_at)
        .with("expiredAt", checkout.expired_at)
        .with("askedAt", checkout.asked_at)
}

/// What stands in every claim.
fn claim(facts: Facts, claim: &Claim) -> Facts {
    facts
        .with("key", &claim.key)
        .with("state", claim.state.word())
        .with("amount", claim.amount)
        .with("attempt", claim.attempt)
        .with("sends", claim.sends)
        .with("claimedAt", claim.claimed_at)
        .with("sentAt", claim.sent_at)
        .with("unknownAt", claim.unknown_at)
        .with("notBefore", claim.not_before)
}

fn capture(capture: &Capture) -> Facts {
    let proof = capture.proof.as_ref();
    claim(Facts::default(), &capture.claim)
        .with("captureId", proof.map(|p| &p.capture_id))
        .with("completed", proof.map(|p| p.is_completed))
        .with("fee", proof.and_then(|p| p.fee))
        .with("seenAt", proof.map(|p| p.seen_at))
}

fn quote(quote: &Quote) -> Facts {
    Facts::default()
        .with("quotedAt", quote.quoted_at)
        .with("items", quote.items)
        .with("freight", quote.freight)
        .with("tax", quote.tax)
        .with("landed", quote.landed().ok())
        .with("service", quote.lines.first().and_then(|line| line.service.clone()))
        .with("hash", &quote.hash)
}

fn approval(approval: &Approval) -> Facts {
    let overrides: Vec<&str> = approval.overrides.iter().map(|guard| guard.word()).collect();
    Facts::default()
        .with("quoteHash", approval.quote_hash.clone())
        .with("override", overrides.join(" "))
        .with("expiresAt", approval.expires_at)
}

fn purchase(purchase: &Purchase) -> Facts {
    claim(Facts::default(), &purchase.claim)
        .with("ceiling", purchase.ceiling)
        .with("autopay", purchase.is_auto_pay)
        .with("total", purchase.total())
}

fn parcel(parcel: &Parcel) -> Facts {
    Facts::default()
        .with("supplierOrder", &parcel.supplier_order_id)
        .with("number", &parcel.number)
        .with("carrier", parcel.carrier.clone())
        .with("isDelivered", parcel.is_delivered)
        .with("lastEvent", parcel.last_event.clone())
        .with("lastSeenAt", parcel.last_seen_at)
}

/// What a supplier asked in another currency than the sale's, and the rate it was reckoned with.
fn reckoned(reckoned: &Reckoned) -> Facts {
    Facts::default()
        .with("supplierOrder", &reckoned.supplier_order_id)
        .with("asked", reckoned.asked)
        .with("rate", reckoned.rate.decimal())
        .with("rateOf", reckoned.rate.at)
        .with("reckonedAt", reckoned.at)
}

/// Where an unpaid supplier order is paid by hand.
fn pay_url(order: &SupplierOrder) -> Option<String> {
    let is_unpaid = order.state == SupplierOrderState::Placed;
    is_unpaid.then(|| format!("https://www.aliexpress.com/p/order/detail.html?orderId={}", order.id))
}

/// Of a held order nothing is to be paid, so no link is shown (MONEY A12).
fn supplier_orders(purchase: &Purchase, may_be_paid: bool) -> Rows {
    let row = |order: &SupplierOrder| {
        Facts::default()
            .with("id", &order.id)
            .with("state", order.state.word())
            .with("total", order.total)
            .with("placedAt", order.placed_at)
            .with("payBy", order.pay_by)
            .with("payUrl", pay_url(order).filter(|_| may_be_paid))
            .with("paidAt", order.paid_at)
            .with("shippedAt", order.shipped_at)
            .with("deliveredAt", order.delivered_at)
            .with("trackingNumber", order.tracking_number.clone())
    };
    Rows(purchase.supplier_orders.iter().map(row).collect())
}

fn sale(sale: &Sale) -> Facts {
    Facts::default()
        .with("recordedAt", sale.recorded_at)
        .with("gross", sale.gross)
        .with("tax", sale.tax)
        .with("fee", sale.fee)
        .with("supplierTotal", sale.supplier_total)
        .with("supplierPaidBy", sale.paid_by.word())
        .with("commissionPercent", sale.rule.map(|rule| rule.rate.percent()))
        .with("commissionBase", sale.rule.map(|rule| rule.base.word()))
        .with("commission", sale.commission)
        .with("profit", sale.profit)
        .with("payoutExecuted", sale.is_payout_executed)
}

fn payout(payout: &Payout) -> Facts {
    let claim = &payout.claim;
    Facts::default()
        .with("recipient", payout.recipient.word())
        .with("amount", claim.amount)
        .with("state", claim.state.word())
        .with("item", payout.item.map(|item| item.word()))
        .with("attempt", claim.attempt)
        .with("sends", claim.sends)
        .with("claimedAt", claim.claimed_at)
        .with("unknownAt", claim.unknown_at)
        .with("batchId", payout.batch_id.clone())
        .with("transactionId", payout.transaction_id.clone())
        .with("key", &claim.key)
}

fn posting(posting: &PostingRow) -> Facts {
    Facts::default()
        .with("kind", &posting.kind)
        .with("debit", &posting.debit)
        .with("credit", &posting.credit)
        .with("amount", posting.amount)
        .with("reference", &posting.reference)
}
