//! Checkout orders and captures: the buyer's money coming in.

use super::{Call, Operation, PayPal, amounts, plain, refunds, success, unreadable};
use crate::domain::money::Money;
use crate::gateway::json::Node;
use crate::gateway::{CallError, words};
use jiff::Timestamp;
use serde_json::json;

/// Where the goods go, for PayPal to show to the buyer. `country` is ISO 3166, two letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipping {
    pub name: String,
    pub line1: String,
    pub line2: Option<String>,
    pub city: String,
    /// State, province or prefecture; `None` where the country has none.
    pub province: Option<String>,
    pub postal_code: Option<String>,
    pub country: String,
}

/// One checkout: one purchase unit, captured at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// Becomes `custom_id`: our order id, 1 to 127 characters of `[A-Za-z0-9-]`. The buyer does not see it.
    pub reference: String,
    /// Unique per sale, 1 to 127 characters of `[A-Za-z0-9-]`. The buyer sees it.
    pub invoice_id: String,
    pub amount: Money,
    /// At most 127 characters are sent.
    pub description: String,
    pub return_url: String,
    pub cancel_url: String,
    /// `None`: the buyer chooses an address at PayPal.
    pub shipping: Option<Shipping>,
}

words! {
    /// How far a PayPal order is.
    CheckoutStatus {
        Created = "CREATED",
        Saved = "SAVED",
        /// The buyer said yes; nothing is taken yet.
        Approved = "APPROVED",
        Voided = "VOIDED",
        /// Captured; whether the money is there is told by the capture.
        Completed = "COMPLETED",
        PayerActionRequired = "PAYER_ACTION_REQUIRED",
    }
}

words! {
    /// What became of a capture. Only `Completed` is money.
    CaptureStatus {
        Completed = "COMPLETED",
        Declined = "DECLINED",
        PartiallyRefunded = "PARTIALLY_REFUNDED",
        Pending = "PENDING",
        Refunded = "REFUNDED",
        Failed = "FAILED",
    }
}

/// The buyer as PayPal knows him. `None`: PayPal did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayerSeen {
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// The shipping address of a PayPal order. Empty strings and `None`: PayPal did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSeen {
    pub name: String,
    pub line1: String,
    pub line2: Option<String>,
    pub city: String,
    pub province: Option<String>,
    pub postal_code: String,
    pub country: String,
}

/// A PayPal order as an answer showed it. A short answer shows an id and a status only: then ask [`PayPal::order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutSeen {
    pub id: String,
    pub status: CheckoutStatus,
    /// The order only reserves the money: it was made with the intent AUTHORIZE, or has been authorized.
    pub is_reservation: bool,
    /// Where the buyer approves. `None` once there is nothing to approve.
    pub approve_url: Option<String>,
    /// `None` when the answer was short, or the order has not exactly one purchase unit.
    pub amount: Option<Money>,
    pub custom_id: Option<String>,
    pub invoice_id: Option<String>,
    /// The PayPal account that is paid.
    pub payee_merchant_id: Option<String>,
    pub payer: Option<PayerSeen>,
    pub shipping: Option<AddressSeen>,
    pub captures: Vec<CaptureSeen>,
    pub refunds: Vec<super::RefundSeen>,
}

/// A capture as an answer showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureSeen {
    pub id: String,
    pub status: CaptureStatus,
    /// Why it is pending or was declined, in PayPal's word.
    pub reason: Option<String>,
    /// Gross.
    pub amount: Money,
    /// PayPal's fee. `None` while pending, and sometimes for a while after: ask again.
    pub fee: Option<Money>,
    /// What is left of the gross after the fee, in the currency of the capture.
    pub net: Option<Money>,
    /// What PayPal credited when it converted the net into another currency. `None`: no conversion.
    pub received: Option<Money>,
    /// PayPal's rate of that conversion, in its own decimals.
    pub exchange_rate: Option<String>,
    pub custom_id: Option<String>,
    pub invoice_id: Option<String>,
    pub created_at: Option<Timestamp>,
}

/// The bytes of a create-order call. Pure: the same checkout gives the same bytes. An error says what PayPal could
/// not express.
pub fn create_order_body(checkout: &CheckoutRequest) -> Result<Vec<u8>, String> {
    for (what, id) in [("reference", &checkout.reference), ("invoice id", &checkout.invoice_id)] {
        let fit = (1..=127).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !fit {
            return Err(format!("the {what} must have 1 to 127 letters, digits and hyphens"));
        }
    }
    let mut unit = json!({
        "custom_id": checkout.reference,
        "invoice_id": checkout.invoice_id,
        "amount": {
            "currency_code": checkout.amount.currency.code(),
            "value": amounts::decimal(checkout.amount)?,
        },
    });
    let description: String = checkout.description.chars().take(127).collect();
    if !description.is_empty() {
        unit["description"] = json!(description);
    }
    if let Some(to) = &checkout.shipping {
        unit["shipping"] = json!({ "name": { "full_name": to.name }, "address": address_body(to) });
    }
    let preference = if checkout.shipping.is_some() { "SET_PROVIDED_ADDRESS" } else { "GET_FROM_FILE" };
    let body = json!({
        "intent": "CAPTURE",
        "purchase_units": [unit],
        "payment_source": { "paypal": { "experience_context": {
            "return_url": checkout.return_url,
            "cancel_url": checkout.cancel_url,
            "user_action": "PAY_NOW",
            "shipping_preference": preference,
            // Else a buyer may pay by eCheck, and the capture stays pending for days.
            "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
        } } },
    });
    Ok(body.to_string().into_bytes())
}

fn address_body(to: &Shipping) -> serde_json::Value {
    let mut address = json!({ "address_line_1": to.line1, "admin_area_2": to.city, "country_code": to.country });
    let optional = [("address_line_2", &to.line2), ("admin_area_1", &to.province), ("postal_code", &to.postal_code)];
    for (name, value) in optional {
        if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
            address[name] = json!(value);
        }
    }
    address
}

impl PayPal {
    /// Opens a checkout with the bytes of [`create_order_body`]. Moves no money, but two orders for one sale could be
    /// paid twice, so a key is required and an unclear outcome is `Unknown`.
    pub fn create_order(&self, now: Timestamp, key: &str, body: &[u8]) -> Result<CheckoutSeen, CallError> {
        let call = Call::post(Operation::CreateOrder, "/v2/checkout/orders".to_owned(), Some(key), body);
        read_order(call.operation, &self.answer(now, &call)?)
    }

    /// Looks a PayPal order up. `None`: PayPal does not know it, which after three hours means expired, and proves
    /// nothing about a capture whose outcome is unknown.
    pub fn order(&self, now: Timestamp, paypal_order_id: &str) -> Result<Option<CheckoutSeen>, CallError> {
        let path = format!("/v2/checkout/orders/{}", plain("order", paypal_order_id)?);
        let call = Call::look_up(Operation::Order, path);
        let answer = self.exchange(now, &call)?;
        match success(call.operation, &answer) {
            Ok(node) => same_order(read_order(call.operation, &node)?, call.operation, paypal_order_id).map(Some),
            Err(CallError::Refused { .. }) if answer.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// **Moves money.** Takes the approved amount. Success is not yet "paid": read the status of the capture.
    pub fn capture(
        &self,
        now: Timestamp,
        paypal_order_id: &str,
        key: &str,
        body: &[u8],
    ) -> Result<CheckoutSeen, CallError> {
        let path = format!("/v2/checkout/orders/{}/capture", plain("order", paypal_order_id)?);
        let call = Call::post(Operation::Capture, path, Some(key), body);
        let seen = read_order(call.operation, &self.answer(now, &call)?)?;
        same_order(seen, call.operation, paypal_order_id)
    }

    /// Looks a capture up.
    pub fn capture_seen(&self, now: Timestamp, capture_id: &str) -> Result<CaptureSeen, CallError> {
        let path = format!("/v2/payments/captures/{}", plain("capture", capture_id)?);
        let call = Call::look_up(Operation::CaptureSeen, path);
        let seen = read_capture(&self.answer(now, &call)?);
        let seen = seen.ok_or_else(|| unreadable(call.operation, "no id, status or amount"))?;
        match seen.id == capture_id {
            true => Ok(seen),
            false => Err(unreadable(call.operation, "it is about another capture")),
        }
    }
}

/// An answer about another order than the one we asked for is no answer.
fn same_order(seen: CheckoutSeen, operation: Operation, id: &str) -> Result<CheckoutSeen, CallError> {
    match seen.id == id {
        true => Ok(seen),
        false => Err(unreadable(operation, "it is about another order")),
    }
}

fn read_order(operation: Operation, node: &Node) -> Result<CheckoutSeen, CallError> {
    let (Some(id), Some(status)) = (node.at("id").owned(), node.at("status").text()) else {
        return Err(unreadable(operation, "no id or no status"));
    };
    let units = node.at("purchase_units").items();
    let unit = units.first().filter(|_| units.len() == 1).unwrap_or(&Node::Null);
    let payments =
        |list: &str| -> Vec<&Node> { units.iter().flat_map(|unit| unit.at("payments").at(list).items()).collect() };
    let captures = payments("captures").into_iter().map(read_capture).collect::<Option<_>>();
    let captures = captures.ok_or_else(|| unreadable(operation, "a capture without id, status or amount"))?;
    let refunds = payments("refunds").into_iter().map(refunds::read_refund).collect::<Option<_>>();
    Ok(CheckoutSeen {
        id,
        status: CheckoutStatus::from_word(status),
        is_reservation: node.at("intent").text() == Some("AUTHORIZE") || !payments("authorizations").is_empty(),
        approve_url: approve_url(node),
        amount: amounts::read(unit.at("amount")),
        custom_id: unit.at("custom_id").owned(),
        invoice_id: unit.at("invoice_id").owned(),
        payee_merchant_id: unit.at("payee").at("merchant_id").owned(),
        payer: read_payer(node),
        shipping: read_address(unit.at("shipping")),
        captures,
        refunds: refunds.ok_or_else(|| unreadable(operation, "a refund without id or status"))?,
    })
}

/// For the buyer's browser; we never go there ourselves.
fn approve_url(node: &Node) -> Option<String> {
    let links = node.at("links").items().iter();
    let mut approve = links.filter(|l| matches!(l.at("rel").text(), Some("approve" | "payer-action")));
    let url = approve.next()?.at("href").text()?;
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    (is_web && url.bytes().all(|b| b.is_ascii_graphic())).then(|| url.to_owned())
}

pub(super) fn read_capture(node: &Node) -> Option<CaptureSeen> {
    let breakdown = node.at("seller_receivable_breakdown");
    Some(CaptureSeen {
        id: node.at("id").owned()?,
        status: CaptureStatus::from_word(node.at("status").text()?),
        reason: node.at("status_details").at("reason").owned(),
        amount: amounts::read(node.at("amount"))?,
        fee: amounts::read(breakdown.at("paypal_fee")),
        net: amounts::read(breakdown.at("net_amount")),
        received: amounts::read(breakdown.at("receivable_amount")),
        exchange_rate: breakdown.at("exchange_rate").at("value").owned(),
        custom_id: node.at("custom_id").owned(),
        invoice_id: node.at("invoice_id").owned(),
        created_at: node.at("create_time").text().and_then(|t| t.parse().ok()),
    })
}

/// PayPal moves the buyer from `payer` to `payment_source.paypal`; both are read.
fn read_payer(node: &Node) -> Option<PayerSeen> {
    let (old, new) = (node.at("payer"), node.at("payment_source").at("paypal"));
    let name = |n: &Node| full_name(n.at("name"));
    let phone = old.at("phone").at("phone_number").at("national_number").owned();
    let seen = PayerSeen {
        name: name(old).or_else(|| name(new)),
        email: old.at("email_address").owned().or_else(|| new.at("email_address").owned()),
        phone: phone.or_else(|| new.at("phone_number").at("national_number").owned()),
    };
    (seen != PayerSeen::default()).then_some(seen)
}

fn full_name(name: &Node) -> Option<String> {
    let parts: Vec<&str> = [name.at("given_name").text(), name.at("surname").text()].into_iter().flatten().collect();
    name.at("full_name").owned().or_else(|| (!parts.is_empty()).then(|| parts.join(" ")))
}

fn read_address(shipping: &Node) -> Option<AddressSeen> {
    let address = shipping.at("address");
    let text = |name: &str| address.at(name).owned();
    address.is_object().then(|| AddressSeen {
        name: full_name(shipping.at("name")).unwrap_or_default(),
        line1: text("address_line_1").unwrap_or_default(),
        line2: text("address_line_2"),
        city: text("admin_area_2").unwrap_or_default(),
        province: text("admin_area_1"),
        postal_code: text("postal_code").unwrap_or_default(),
        country: text("country_code").unwrap_or_default(),
    })
}
