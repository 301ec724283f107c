//! The queue: every order that needs a human, with the reason, its age, the money at risk and the next step (L31). It
//! shows; it changes nothing.

use super::desk::Desk;
use super::json::{amount, at, hold_of, order_row, pay_url};
use super::paging::{Page, only};
use crate::domain::hold::HoldCode;
use crate::engine::release::LOST_ADVICE;
use crate::engine::told::{UNPLACED_ADVICE, UNPLACED_SHOWN};
use crate::store::doubts::{self, Forgotten};
use crate::store::inbox::{self, Unplaced};
use crate::store::queue::{self, QueueRow};
use crate::store::to_ms;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

/// More events of nobody than this are not shown at a time.
const UNPLACED_MAX: u32 = 100;

/// The oldest first.
pub(super) fn list(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    only(request, &["limit", "cursor"])?;
    let page = Page::of(request)?;
    let now = desk.engine.now();
    let mut rows = desk.engine.store.read(|c| queue::list(c, page.after.as_ref(), page.wanted(), now))?;
    let next = page.cut(&mut rows, |row| (to_ms(row.order.created_at), row.order.id.0.clone()));
    let rows: Vec<Value> = rows.iter().map(|row| queue_json(row, now)).collect();
    let since = now - UNPLACED_SHOWN;
    let unplaced = desk.engine.store.read(|c| inbox::unplaced(c, since, UNPLACED_MAX))?;
    let unplaced: Vec<Value> = unplaced.iter().map(unplaced_json).collect();
    let lost: Vec<Value> = desk.engine.store.read(doubts::lost)?.iter().map(forgotten_json).collect();
    let standing = desk.engine.standing()?;
    // What concerns no single order and will hold all of them.
    let outlook = desk.engine.store.read(|c| crate::engine::login::outlook(c, now))?;
    let notices: Vec<String> = outlook.ends.into_iter().chain(outlook.trouble).collect();
    let answer = json!({
        "queue": rows, "nextCursor": next, "unplaced": unplaced, "forgotten": lost, "stopped": standing.is_stopped,
        "restored": standing.restored, "tradesInDoubt": standing.doubted, "notices": notices,
    });
    Ok(Response::json(200, &answer))
}

/// What the provider told of and no order of ours is known for: money somebody has to explain.
fn unplaced_json(event: &Unplaced) -> Value {
    json!({ "provider": event.provider, "eventId": event.event_id, "kind": event.kind,
        "receivedAt": at(event.received_at), "names": event.names,
        "advice": UNPLACED_ADVICE })
}

/// What the intent journal knows of an order that is not here.
fn forgotten_json(line: &Forgotten) -> Value {
    let slot = line.slot.as_deref().unwrap_or("a word");
    let risk = line.amount.map(
        |money| json!({ "amount": amount(money), "currency": money.currency.code(), "reason": "of unknown outcome" }),
    );
    json!({
        "orderId": line.order.0, "what": slot, "key": line.claim.as_ref().map(|(key, _)| key),
        "since": at(line.said_at), "moneyAtRisk": risk, "advice": LOST_ADVICE,
        "nextStep": "POST /api/amnesia/release",
    })
}

fn queue_json(row: &QueueRow, now: Timestamp) -> Value {
    let order = &row.order;
    let hold = hold_of(order);
    let (code, detail) = match &hold {
        Some(hold) => (hold.code.word(), hold.detail.as_str()),
        None => ("supplier_unpaid", order.waits_for.as_str()),
    };
    let advice = hold.as_ref().map_or("pay exactly these orders on the supplier's site", |h| h.code.advice());
    let risk = |(money, reason): &(crate::domain::money::Money, &str)| json!({ "amount": amount(*money), "currency": money.currency.code(), "reason": reason });
    let mut whole = order_row(order);
    whole["orderId"] = order.id.0.clone().into();
    whole["code"] = code.into();
    whole["detail"] = detail.into();
    whole["advice"] = advice.into();
    whole["since"] = at(row.since);
    whole["ageSeconds"] = now.duration_since(row.since).as_secs().max(0).into();
    whole["moneyAtRisk"] = row.at_risk.iter().map(risk).collect();
    whole["nextStep"] = next_step(&order.id.0, hold.as_ref().map(|h| h.code)).into();
    // Of a held order nothing is to be paid, so no link is shown (MONEY A12).
    let links = row.unpaid.iter().filter(|_| hold.is_none()).map(|id| pay_url(id));
    whole["payUrls"] = links.collect();
    whole
}

/// The call or command that takes the order on. `None` as the code: somebody has to pay the supplier.
fn next_step(id: &str, code: Option<HoldCode>) -> String {
    use HoldCode::*;
    let verb = match code {
        None => return "pay on the supplier's site; the program sees it by itself".to_owned(),
        Some(NoToken) => return "postsale aliexpress login".to_owned(),
        Some(NoPaypal) => return "set PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET, then restart".to_owned(),
        Some(RateMissing) => return "postsale fx set, or mark-supplier-paid with what was charged".to_owned(),
        Some(NewPayee) => return "POST /api/payees/approve".to_owned(),
        Some(PayeeUnconfirmed) => return "POST /api/payees/confirm".to_owned(),
        Some(Restored) => return "POST /api/amnesia/release".to_owned(),
        Some(SupplierClosed) => return "wait: the program looks again by itself; do not pay".to_owned(),
        Some(Guard | NeedsApproval | OverCeiling) => "approve",
        Some(Incomplete | AddressDiffers | Person | ProgramFault | PurchaseRefused) => "release",
        Some(CaptureRefused | PayoutRefused | PayoutProblem) => "release",
        Some(PayoutUnknown) => {
            return "POST /api/payouts/ID/resolve, with the id that postsale payouts lists".to_owned();
        }
        Some(PayOtherwise) => {
            return "POST /api/payouts/ID/mark-paid, with the id that postsale payouts lists".to_owned();
        }
        Some(Disputed) => return "answer the dispute on PayPal's site; the program sees its end by itself".to_owned(),
        Some(DisputeLost | Loss) => "release",
        Some(BuyByHand | ExpiredUnpaid) => "mark-purchased",
        Some(RefundRefused | RefundProblem) => "refund",
        Some(RefundUnknown) => "resolve-refund",
        Some(DoNotPay) => return "cancel the supplier order on the site; the program sees it by itself".to_owned(),
        Some(PurchaseUnknown | CaptureUnknown) => "resolve",
        Some(CaptureMismatch | CancelledWithMoney | MixedPurchase | SupplierCancelled) => "refund",
        Some(SupplierMismatch) => "release",
        Some(NoOffer) => "correct",
        Some(FundsOverdue) => "settle",
    };
    format!("POST /api/orders/{id}/{verb}")
}
