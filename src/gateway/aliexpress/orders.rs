//! Buying, and looking at what was bought. It must never make a second order: an order goes out as the bytes that
//! were written down before, and AliExpress has no way to ask for an order by our own id.

use super::{AliExpress, Api, digits, errors, money, unreadable};
use crate::domain::money::{Currency, Money};
use crate::gateway::json::Node;
use crate::gateway::wire::Purpose;
use crate::gateway::{CallError, Secret, tame, words};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) const CREATE_NAME: &str = "aliexpress.ds.order.create";
const CREATE: Api = Api::Method(CREATE_NAME);
const GET: Api = Api::Method("aliexpress.trade.ds.order.get");

const ORDER_PARAMETER: &str = "param_place_order_request4_open_api_d_t_o";
const EXTEND_PARAMETER: &str = "ds_extend_request";

/// Where the goods go, in AliExpress' own names for province and city.
#[derive(Clone, PartialEq, Eq)]
pub struct PlaceAddress {
    /// First and last name.
    pub full_name: String,
    /// ISO 3166, two letters.
    pub country: String,
    pub province: String,
    pub city: String,
    pub address: String,
    pub address2: Option<String>,
    pub zip: Option<String>,
    /// The calling code, e.g. `+1`.
    pub phone_country: Option<String>,
    /// Digits, without the calling code.
    pub mobile_no: Option<String>,
    /// What some countries want besides, by AliExpress' field names: `cpf`, `passport_no`, `foreigner_passport_no`,
    /// `is_foreigner`, `tax_number` …
    pub extra: Vec<(String, String)>,
    /// What some countries want beside the address, by AliExpress' names: `nat_addr`.
    pub trade_extra: Vec<(String, String)>,
}

impl std::fmt::Debug for PlaceAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlaceAddress({})", self.country)
    }
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceItem {
    /// Digits.
    pub product_id: String,
    /// At least 1.
    pub quantity: u32,
    /// Verbatim; empty for a product with one variant.
    pub sku_attr: String,
    /// The code of a freight option. `None`: AliExpress chooses.
    pub service: Option<String>,
    /// To the seller at AliExpress. `None`: nothing.
    pub memo: Option<String>,
}

/// One order at AliExpress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceRequest {
    /// AliExpress' only protection against buying twice, for 24 hours. Letters and digits, at most 18.
    pub out_order_id: String,
    pub address: PlaceAddress,
    pub items: Vec<PlaceItem>,
    pub pay_currency: Currency,
    /// True only with auto-pay: the money is then committed by the call itself.
    pub try_to_pay: bool,
}

/// The order exists at AliExpress, as one order or as several (one for each seller).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// At least one, digits.
    pub ids: Vec<String>,
    /// What AliExpress added, e.g. that the automatic payment failed. `None`: nothing.
    pub note: Option<String>,
}

words! {
    /// How far an order is at AliExpress.
    SupplierStatus {
        /// Unpaid.
        PlaceOrderSuccess = "PLACE_ORDER_SUCCESS",
        PaymentProcessing = "PAYMENT_PROCESSING",
        WaitSellerExamineMoney = "WAIT_SELLER_EXAMINE_MONEY",
        /// Paid and being looked at: not to be read as unpaid.
        RiskControl = "RISK_CONTROL",
        RiskControlHold = "RISK_CONTROL_HOLD",
        WaitSellerSendGoods = "WAIT_SELLER_SEND_GOODS",
        SellerPartSendGoods = "SELLER_PART_SEND_GOODS",
        WaitBuyerAcceptGoods = "WAIT_BUYER_ACCEPT_GOODS",
        FundProcessing = "FUND_PROCESSING",
        /// Received, or closed: the paid time, the logistics status and the end reasons tell which.
        Finish = "FINISH",
        InCancel = "IN_CANCEL",
        InIssue = "IN_ISSUE",
        InFrozen = "IN_FROZEN",
        WaitGroup = "WAIT_GROUP",
        WaitCompleteAddress = "WAIT_COMPLETE_ADDRESS",
    }
}

words! {
    /// How far its parcels are.
    LogisticsStatus {
        Default = "DEFAULT",
        WaitSellerSendGoods = "WAIT_SELLER_SEND_GOODS",
        SellerSendPartGoods = "SELLER_SEND_PART_GOODS",
        SellerSendGoods = "SELLER_SEND_GOODS",
        BuyerAcceptGoods = "BUYER_ACCEPT_GOODS",
        NoLogistics = "NO_LOGISTICS",
    }
}

/// An order at AliExpress as a look-up showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplierOrderSeen {
    pub id: String,
    pub status: SupplierStatus,
    /// `None`: not said.
    pub logistics_status: Option<LogisticsStatus>,
    /// AliExpress' own text; it does not say in which time zone. `None`: not paid.
    pub paid_at_text: Option<String>,
    pub created_text: Option<String>,
    /// What the payer pays or paid, all in. `None`: not said, or not readable exactly.
    pub total: Option<Money>,
    pub children: Vec<ChildSeen>,
    /// Seconds from creation until an unpaid order closes. `None`: not said.
    pub pay_timeout_s: Option<u64>,
    pub tracking: Vec<ShipmentSeen>,
}

/// One line of an order at AliExpress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildSeen {
    pub product_id: String,
    pub sku_id: Option<String>,
    /// `None`: not said.
    pub count: Option<u32>,
    /// Why the line was closed. `None`: it was not.
    pub end_reason: Option<String>,
}

/// A tracking number that the order itself names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipmentSeen {
    pub number: String,
    pub carrier: Option<String>,
}

/// The bytes that are written down before an order is sent: one JSON document with the very strings of its
/// parameters, so that a resend asks for the same to the byte. Pure.
pub fn order_request(order: &PlaceRequest) -> Vec<u8> {
    let to = &order.address;
    let mut address = json!({
        "contact_person": to.full_name,
        "full_name": to.full_name,
        "country": to.country,
        "province": to.province,
        "city": to.city,
        "address": to.address,
        "locale": "en_US",
    });
    let optional = [
        ("address2", &to.address2),
        ("zip", &to.zip),
        ("phone_country", &to.phone_country),
        ("mobile_no", &to.mobile_no),
    ];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (name, value) in optional.chain(to.extra.iter().map(|(name, value)| (name.as_str(), value))) {
        if !value.is_empty() {
            address[name] = json!(value);
        }
    }
    let items: Vec<Value> = order.items.iter().map(item_body).collect();
    let placed = json!({ "out_order_id": order.out_order_id, "logistics_address": address, "product_items": items });
    // Always said, and as a string: what AliExpress would do without it is its own affair.
    let try_to_pay = if order.try_to_pay { "true" } else { "false" };
    let mut extend = json!({ "payment": { "pay_currency": order.pay_currency.code(), "try_to_pay": try_to_pay } });
    for (name, value) in &to.trade_extra {
        extend["trade_extra_param"][name] = json!(value);
    }
    json!({ ORDER_PARAMETER: placed.to_string(), EXTEND_PARAMETER: extend.to_string() }).to_string().into_bytes()
}

fn item_body(item: &PlaceItem) -> Value {
    let product_id = item.product_id.parse::<u64>().map_or_else(|_| json!(item.product_id), |id| json!(id));
    let mut body = json!({ "product_id": product_id, "product_count": item.quantity });
    let optional = [
        ("sku_attr", Some(&item.sku_attr)),
        ("logistics_service_name", item.service.as_ref()),
        ("order_memo", item.memo.as_ref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            body[name] = json!(value);
        }
    }
    body
}

impl AliExpress {
    /// **Moves money** (with `try_to_pay`) or commits us to an order that somebody may pay. Sends the bytes of
    /// [`order_request`]. `Refused` is a no to this send; to a resend it proves nothing, since the first may have
    /// taken the last piece.
    pub fn place(&self, now: Timestamp, token: &Secret, request: &[u8]) -> Result<Placed, CallError> {
        let document = Node::parse(request).unwrap_or(Node::Null);
        let parameter = |name: &str| document.at(name).owned();
        let (Some(order), Some(extend)) = (parameter(ORDER_PARAMETER), parameter(EXTEND_PARAMETER)) else {
            return Err(CallError::refused_here("these bytes are not an order request"));
        };
        if Node::parse(order.as_bytes()).is_none_or(|order| order.at("out_order_id").text().is_none()) {
            return Err(CallError::refused_here("an order without out_order_id is protected by nothing"));
        }
        let parameters = vec![(ORDER_PARAMETER, order), (EXTEND_PARAMETER, extend)];
        let said = self.call(now, CREATE, Purpose::Money, Some(token), parameters)?;
        let debug_id = said.request_id().map(str::to_owned);
        read_placed(&errors::strict(said)?, debug_id)
    }

    /// Looks an order up. An unknown id, a foreign id, and a good id some seconds after creation are all answered with
    /// `Refused` under `isv.insufficient-permission`: no proof that the order does not exist.
    pub fn supplier_order(&self, now: Timestamp, token: &Secret, id: &str) -> Result<SupplierOrderSeen, CallError> {
        let query = format!(r#"{{"order_id":{}}}"#, digits("order", id)?);
        let node = self.look_up(now, GET, token, vec![("single_order_query", query)])?;
        let order = if node.at("result").is_object() { node.at("result") } else { &node };
        read_order(order, id).ok_or_else(|| unreadable(GET, "no status, or a line without product"))
    }
}

/// Bought, surely not bought, or neither.
fn read_placed(node: &Node, debug_id: Option<String>) -> Result<Placed, CallError> {
    let result = if node.at("result").is_object() { node.at("result") } else { node };
    let rows = result.at("order_list").rows("number");
    let ids: Option<Vec<String>> = rows.into_iter().map(|row| row.digits().map(str::to_owned)).collect();
    let (code, message) = (result.at("error_code").text(), result.at("error_msg").text());
    let told = format!("{} {}", tame(code.unwrap_or("-"), 80), tame(message.unwrap_or(""), 200));
    match (result.at("is_success").flag(), ids, code) {
        (Some(true), Some(mut ids), _) if !ids.is_empty() => {
            let mut seen = std::collections::BTreeSet::new();
            ids.retain(|id| seen.insert(id.clone()));
            Ok(Placed { ids, note: message.map(|m| tame(m, 200)) })
        }
        (_, None, _) => Err(CallError::Unknown(format!("an order id that is no number: {told}"))),
        // It says that an order exists, but not which.
        (Some(false), _, Some("REPEATED_ORDER_ERROR")) => Err(CallError::Unknown(told)),
        (Some(false), Some(ids), Some(code)) if ids.is_empty() => {
            let reason = tame(message.unwrap_or("AliExpress gave no reason"), 200);
            Err(CallError::Refused { code: tame(code, 80), reason, debug_id })
        }
        (flag, Some(ids), _) => {
            let ids = ids.join(", ");
            Err(CallError::Unknown(format!("is_success {flag:?}, order ids [{ids}], {told}")))
        }
    }
}

fn read_order(order: &Node, id: &str) -> Option<SupplierOrderSeen> {
    let children = order.at("child_order_list").rows("aeop_child_order_info");
    let shipments = order.at("logistics_info_list").rows("aeop_order_logistics_info");
    let total = order.at("user_order_amount").rows("user_order_amount").first().copied().unwrap_or(&Node::Null);
    let shipment = |row: &Node| {
        Some(ShipmentSeen { number: row.at("logistics_no").owned()?, carrier: row.at("logistics_service").owned() })
    };
    Some(SupplierOrderSeen {
        id: id.to_owned(),
        status: SupplierStatus::from_word(order.at("order_status").text()?),
        logistics_status: order.at("logistics_status").text().map(LogisticsStatus::from_word),
        paid_at_text: order.at("order_paidtime_string").text().map(|t| tame(t, 40)),
        created_text: order.at("gmt_create").text().map(|t| tame(t, 40)),
        total: money(total.at("amount"), total.at("currency_code")),
        children: children.into_iter().map(read_child).collect::<Option<_>>()?,
        pay_timeout_s: order.at("pay_timeout_second").whole(),
        tracking: shipments.into_iter().filter_map(shipment).collect(),
    })
}

fn read_child(row: &Node) -> Option<ChildSeen> {
    Some(ChildSeen {
        product_id: row.at("product_id").digits()?.to_owned(),
        sku_id: row.at("sku_id").digits().map(str::to_owned),
        count: row.at("product_count").whole().and_then(|n| u32::try_from(n).ok()),
        end_reason: row.at("end_reason").text().map(|t| tame(t, 80)),
    })
}
