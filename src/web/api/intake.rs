//! Taking orders from any channel. What cannot be read is refused with its field named and nothing stored; what is
//! missing about the buyer stays missing, and the order is held for it (L14).

use super::desk::Desk;
use super::input::{self, AddressGiven, BuyerGiven, Given, invalid, needed};
use crate::domain::money::Money;
use crate::domain::order::TaxRemitter;
use crate::engine::intake::Report;
use crate::store;
use crate::web::auth::Scope;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

/// Names of our own roads into the shop; no channel may be called so.
const RESERVED: [&str; 3] = ["checkout", "test", "purchase_only"];
const ITEMS_MAX: usize = 50;
/// Clocks differ; a payment further ahead than this has not happened.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(10);

/// 201 with a new order, 200 with the known one of the same content, 409 for other content under the same id.
pub(super) fn take(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let given = input::body(request)?;
    let report = read(given, request.caller.scope >= Scope::Money, desk.engine.now())?;
    input::in_shop_currency(desk, report.total.currency)?;
    let taken = desk.engine.take_order(&report)?;
    let (order, shop) = (&taken.order, &desk.engine.settings.shop);
    let (row, stored) = desk.engine.store.read(|c| {
        let row = store::views::order(c, order)?;
        Ok::<_, Problem>((row, store::intake::load(c, shop, order)?))
    })?;
    let answer = json!({
        "success": true, "orderId": order.0, "isNew": taken.is_new, "stage": row.map(|r| r.stage),
        "funds": stored.map(|o| o.funds.word()),
    });
    let location = format!("/api/orders/{order}");
    Ok(Response::json(if taken.is_new { 201 } else { 200 }, &answer).header("location", &location))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an order as an object")]
struct OrderGiven {
    channel: Given,
    channel_order_id: Given,
    items: Option<Vec<ItemGiven>>,
    total: Given,
    currency: Given,
    tax: Given,
    tax_remitted_by: Given,
    fee: Given,
    payment: Option<PaymentGiven>,
    buyer: Option<BuyerGiven>,
    shipping_address: Option<AddressGiven>,
    paid_at: Given,
    funds: Given,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an item with sku and quantity")]
struct ItemGiven {
    sku: Given,
    quantity: Given,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with provider and captureId")]
struct PaymentGiven {
    provider: Given,
    capture_id: Given,
}

fn read(given: OrderGiven, may_vouch: bool, now: Timestamp) -> Result<Report, Problem> {
    let currency = needed("currency", input::currency("currency", &given.currency)?)?;
    let total = needed("total", input::price("total", &given.total, currency)?)?;
    let funds = needed("funds", input::text("funds", &given.funds, 40)?)?;
    let says_settled = match funds.as_str() {
        "settled" => true,
        "held_by_channel" => false,
        _ => return Err(invalid("funds", "wanted \"settled\" or \"held_by_channel\"")),
    };
    let paid_at = needed("paidAt", input::instant("paidAt", &given.paid_at)?)?;
    if paid_at > now + AHEAD_MAX {
        return Err(invalid("paidAt", "lies in the future"));
    }
    let mut report = Report {
        channel: channel(&given.channel)?,
        channel_order_id: needed("channelOrderId", input::text("channelOrderId", &given.channel_order_id, 100)?)?,
        items: items(given.items)?,
        total,
        tax: below(total, "tax", input::amount("tax", &given.tax, currency)?)?,
        tax_remitted_by: tax_remitter(&given.tax_remitted_by)?,
        fee: below(total, "fee", input::amount("fee", &given.fee, currency)?)?,
        outside_capture: given.payment.map(outside_capture).transpose()?,
        buyer: input::buyer(given.buyer, given.shipping_address)?,
        paid_at,
        says_settled,
        may_vouch,
        content_hash: String::new(),
    };
    report.content_hash = content_hash(&report);
    Ok(report)
}

/// Named as in `[channels.NAME]`.
fn channel(given: &Given) -> Result<String, Problem> {
    let name = needed("channel", input::text("channel", given, 200)?)?;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if name.len() > 32 || !begins || !name.bytes().all(fits) {
        let wanted = "wanted at most 32 small letters, digits, - and _, beginning with a letter";
        return Err(invalid("channel", wanted));
    }
    if RESERVED.contains(&name.as_str()) { Err(invalid("channel", "is a name of our own")) } else { Ok(name) }
}

fn items(given: Option<Vec<ItemGiven>>) -> Result<Vec<(String, u32)>, Problem> {
    let given = needed("items", given)?;
    if given.is_empty() || given.len() > ITEMS_MAX {
        return Err(invalid("items", format!("wanted 1 to {ITEMS_MAX} items")));
    }
    let item = |(index, item): (usize, &ItemGiven)| {
        let (sku_field, quantity_field) = (format!("items[{index}].sku"), format!("items[{index}].quantity"));
        let sku = needed(&sku_field, input::text(&sku_field, &item.sku, 200)?)?;
        let quantity = needed(&quantity_field, input::quantity(&quantity_field, &item.quantity)?)?;
        Ok((input::sku(&sku_field, &sku)?, quantity))
    };
    given.iter().enumerate().map(item).collect()
}

/// What is part of the total is less than all of it.
fn below(total: Money, field: &str, part: Option<Money>) -> Result<Option<Money>, Problem> {
    match part {
        Some(part) if part.minor >= total.minor => Err(invalid(field, "has to be less than the total")),
        other => Ok(other),
    }
}

fn tax_remitter(given: &Given) -> Result<Option<TaxRemitter>, Problem> {
    let Some(word) = input::text("taxRemittedBy", given, 40)? else { return Ok(None) };
    let known = TaxRemitter::parse(&word);
    known.map(Some).ok_or_else(|| invalid("taxRemittedBy", "wanted \"seller\" or \"channel\""))
}

/// `provider:id`, one spelling for one payment, so that no payment pays two orders (MONEY A13).
fn outside_capture(given: PaymentGiven) -> Result<String, Problem> {
    let provider = needed("payment.provider", input::text("payment.provider", &given.provider, 40)?)?;
    let provider = provider.to_ascii_lowercase();
    if !provider.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b)) {
        return Err(invalid("payment.provider", "wanted letters, digits, - and _"));
    }
    let id = needed("payment.captureId", input::text("payment.captureId", &given.capture_id, 100)?)?;
    if !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(invalid("payment.captureId", "wanted visible ASCII characters without spaces"));
    }
    Ok(format!("{provider}:{id}"))
}

/// Of what the report says, however its JSON was laid out. Each part is preceded by its length, so that no two reports
/// run together; a missing part is told apart from an empty one.
fn content_hash(report: &Report) -> String {
    let buyer = &report.buyer;
    let address = &buyer.address;
    let mut parts = vec![Some(report.total.to_string()), report.tax.map(|m| m.to_string())];
    parts.push(report.tax_remitted_by.map(|t| t.to_string()));
    parts.push(report.fee.map(|m| m.to_string()));
    parts.push(report.outside_capture.clone());
    parts.push(Some(store::to_ms(report.paid_at).to_string()));
    parts.push(Some(report.says_settled.to_string()));
    let personal = [&buyer.name, &buyer.email, &buyer.phone, &address.line1, &address.line2, &address.city];
    parts.extend(personal.into_iter().cloned());
    parts.extend([&address.province, &address.postal_code, &address.country].into_iter().cloned());
    parts.extend(report.items.iter().flat_map(|(sku, n)| [Some(sku.clone()), Some(n.to_string())]));
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            Some(part) => bytes.extend_from_slice(format!("{}:{part}", part.len()).as_bytes()),
            None => bytes.push(b'-'),
        }
    }
    store::claims::hash(&bytes)
}
