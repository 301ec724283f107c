//! Buying: order creation with its refusals and its key, and what becomes of an order afterwards. The book counts every
//! order that was really made, also those the buyer never hears of.

use super::addresses::objection;
use super::records::{Effect, Forced, Line, Product, Purchase, Used};
use super::{Book, Gate, Outcome, Parameters};
use crate::sandbox::cents;
use crate::sandbox::wire::{NUMERALS, draw, pacific};
use serde_json::{Value, json};

/// Where an order may be paid by itself.
const AUTOPAY_COUNTRIES: &str =
    "NO DE BE PT JP DK LT LU LV FR NZ HU BR SE UK IE CA US EE IL AE CH IS IT MX ES AT AU NL GB";

/// What the control does to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Pay,
    Ship,
    Deliver,
    Cancel,
}

/// A refusal of the business method itself.
struct No(&'static str, String);

impl No {
    fn plain(code: &'static str) -> Self {
        Self(code, code.to_string())
    }
}

impl Book {
    /// aliexpress.ds.order.create
    pub(super) fn place(&mut self, given: &Parameters, now_ms: i64) -> Outcome {
        let asked = given.object("param_place_order_request4_open_api_d_t_o")?;
        let extend = match given.text("ds_extend_request") {
            Some(_) => given.object("ds_extend_request")?,
            None => json!({}),
        };
        if !asked["logistics_address"].is_object() {
            return Err(Gate::missing("logistics_address"));
        }
        if asked["product_items"].as_array().is_none_or(Vec::is_empty) {
            return Err(Gate::missing("product_items"));
        }
        Ok(self.place_or_refuse(&asked, &extend, now_ms).unwrap_or_else(
            |No(code, message)| json!({"result": {"is_success": false, "error_code": code, "error_msg": message}}),
        ))
    }

    fn place_or_refuse(&mut self, asked: &Value, extend: &Value, now_ms: i64) -> Result<Value, No> {
        let key = asked["out_order_id"].as_str().filter(|k| !k.is_empty()).map(str::to_string);
        if self.switches.stock_before_key {
            self.lines(asked)?;
        }
        let life_ms = self.switches.out_order_id_hours * 3_600_000;
        let used = key.as_ref().and_then(|k| self.used.get(k)).filter(|u| now_ms - u.at < life_ms);
        if let Some(used) = used {
            match self.switches.repeat.as_str() {
                "again" => {}
                "same" => return Ok(self.bought(&used.ids, None)),
                _ => return Err(No("REPEATED_ORDER_ERROR", "Repeated order, please check the order list".into())),
            }
        }
        let address = &asked["logistics_address"];
        let extra = &extend["trade_extra_param"];
        if let Some(words) = objection(address, extra, self.switches.strict_cities) {
            return Err(No("B_DROPSHIPPER_DELIVERY_ADDRESS_VALIDATE_FAIL", words));
        }
        let lines = self.lines(asked)?;
        let currency = extend["payment"]["pay_currency"].as_str().unwrap_or("USD");
        let tries = extend["payment"]["try_to_pay"].as_str() == Some("true") || extend["payment"]["try_to_pay"] == true;
        let country = address["country"].as_str().unwrap_or("").to_string();
        let can_pay = self.switches.autopay && currency == "USD" && AUTOPAY_COUNTRIES.split(' ').any(|c| c == country);
        self.take_stock(&lines);
        let receiver = address["full_name"].as_str().unwrap_or("").to_string();
        let mut ids = Vec::new();
        for part in self.parcels(lines) {
            let mut purchase = self.new_purchase(key.clone(), part, &country, &receiver, now_ms);
            if tries && can_pay {
                self.pay(&mut purchase, now_ms);
            }
            ids.push(purchase.id.clone());
            self.write(Effect::Purchase(purchase));
        }
        if let Some(out_order_id) = key {
            self.write(Effect::Used(Used { out_order_id, at: now_ms, ids: ids.clone() }));
        }
        Ok(self.bought(&ids, (tries && !can_pay).then_some("OrderCreated, autoPay fail:APIPayFail")))
    }

    fn bought(&self, ids: &[String], message: Option<&str>) -> Value {
        let numbers = ids.iter().map(|id| json!(id.parse::<u64>().unwrap_or(0))).collect();
        let mut result = json!({"is_success": true, "order_list": self.list("number", numbers)});
        if let Some(message) = message {
            result["error_msg"] = json!(message);
        }
        json!({"result": result})
    }

    /// The lines that were asked for, if all of them can be sold and sent.
    fn lines(&self, asked: &Value) -> Result<Vec<Line>, No> {
        let mut lines: Vec<Line> = Vec::new();
        for item in asked["product_items"].as_array().into_iter().flatten() {
            let id = match &item["product_id"] {
                Value::Number(number) => number.to_string(),
                other => other.as_str().unwrap_or("").to_string(),
            };
            let product = self.find_product(&id).ok_or_else(|| No::plain("PRODUCT_NOT_EXIST"))?;
            if !product.is_selling {
                return Err(No::plain("PRODUCT_OFF_SHELF"));
            }
            let country = asked["logistics_address"]["country"].as_str().unwrap_or("");
            if product.refused_countries.iter().any(|c| c == country) {
                return Err(No::plain("A005_INVALID_COUNTRIES"));
            }
            lines.push(line(&product, item, &lines)?);
        }
        Ok(lines)
    }

    fn take_stock(&mut self, lines: &[Line]) {
        for line in lines {
            if let Some(mut product) = self.find_product(&line.product_id) {
                product.variants.iter_mut().filter(|v| v.sku_id == line.sku_id).for_each(|v| v.stock -= line.count);
                self.keep_product(product);
            }
        }
    }

    /// The orders one call becomes: one, or two where the switch says so.
    fn parcels(&self, mut lines: Vec<Line>) -> Vec<Vec<Line>> {
        if !self.switches.split {
            return vec![lines];
        }
        if lines.len() > 1 {
            let rest = lines.split_off(1);
            return vec![lines, rest];
        }
        match lines.first_mut() {
            Some(only) if only.count > 1 => {
                let second = Line { count: only.count - 1, ..only.clone() };
                only.count = 1;
                vec![lines, vec![second]]
            }
            // A single piece comes as goods and as a gift of nothing.
            Some(only) => {
                let gift = Line { price: 0, ..only.clone() };
                vec![lines, vec![gift]]
            }
            None => vec![lines],
        }
    }

    fn new_purchase(
        &self,
        key: Option<String>,
        lines: Vec<Line>,
        country: &str,
        receiver: &str,
        now_ms: i64,
    ) -> Purchase {
        let fee = |line: &Line| {
            let product = self.find_product(&line.product_id);
            product.and_then(|p| p.freight.into_iter().find(|f| f.code == line.freight_code)).map_or(0, |f| f.fee)
        };
        Purchase {
            id: format!("8{}", draw(self.seed, "purchase", self.purchases.len() as u64, NUMERALS, 15)),
            out_order_id: key,
            at: now_ms,
            shipping: lines.iter().map(fee).sum(),
            lines,
            extra: cents::parse(&self.switches.hidden_charge, "USD").unwrap_or(0),
            country: country.into(),
            receiver: receiver.into(),
            paid_at: None,
            shipped_at: None,
            delivered_at: None,
            cancelled_at: None,
            forced: None,
            pay_timeout_s: self.switches.pay_timeout_s,
        }
    }

    fn pay(&self, purchase: &mut Purchase, now_ms: i64) {
        purchase.paid_at = Some(now_ms);
        if self.switches.ships_by_itself {
            purchase.shipped_at = Some(now_ms + self.switches.ships_after_ms);
            purchase.delivered_at = Some(now_ms + self.switches.delivers_after_ms.max(self.switches.ships_after_ms));
        }
    }

    /// The control's word on an order. `false` where there is none, or it is past that.
    pub fn turn(&mut self, id: &str, turn: Turn, now_ms: i64) -> bool {
        let Some(mut purchase) = self.purchases.get(id).cloned() else { return false };
        let closed = purchase.is_closed(now_ms);
        match turn {
            Turn::Pay if closed || purchase.paid_at.is_some() => return false,
            Turn::Pay => self.pay(&mut purchase, now_ms),
            Turn::Ship | Turn::Deliver if closed || purchase.paid_at.is_none() => return false,
            Turn::Ship => {
                purchase.shipped_at = Some(now_ms);
                purchase.delivered_at = None;
            }
            Turn::Deliver => {
                purchase.shipped_at = purchase.shipped_at.filter(|at| *at <= now_ms).or(Some(now_ms));
                purchase.delivered_at = Some(now_ms);
            }
            Turn::Cancel if closed => return false,
            Turn::Cancel => purchase.cancelled_at = Some(now_ms),
        }
        purchase.forced = None;
        self.write(Effect::Purchase(purchase));
        true
    }

    /// Sets statuses that no time leads to, such as `RISK_CONTROL` or `SELLER_PART_SEND_GOODS`.
    pub fn force(&mut self, id: &str, forced: Forced) -> bool {
        let Some(purchase) = self.purchases.get(id).cloned() else { return false };
        self.write(Effect::Purchase(Purchase { forced: Some(forced), ..purchase }));
        true
    }

    /// aliexpress.trade.ds.order.get
    pub(super) fn show_purchase(&self, given: &Parameters, now_ms: i64) -> Outcome {
        let asked = given.object("single_order_query")?;
        let id = match &asked["order_id"] {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return Err(Gate::missing("order_id")),
        };
        let hidden_ms = self.switches.order_hidden_s * 1_000;
        let found = self.purchases.get(&id).filter(|p| now_ms - p.at >= hidden_ms);
        // "Not there", "not yet" and "not yours" are one answer.
        let purchase = found.ok_or_else(|| Gate::remote("isv.insufficient-permission"))?;
        let (status, logistics, end_reason) = purchase.words(now_ms);
        let usd = |minor: i64| json!({"amount": cents::show(minor, "USD"), "currency_code": "USD"});
        let total = purchase.forced.as_ref().and_then(|f| f.total.as_deref()).and_then(|t| cents::parse(t, "USD").ok());
        let total = total.unwrap_or_else(|| purchase.total());
        let currency = purchase.forced.as_ref().and_then(|f| f.currency.as_deref()).unwrap_or("USD");
        let asked = json!({"amount": cents::show(total, "USD"), "currency_code": currency});
        let children = purchase.lines.iter().enumerate().map(|(at, line)| {
            let shipping = if at == 0 { purchase.shipping } else { 0 };
            let goods = line.price * line.count;
            let mut child = json!({"product_id": line.product_id.parse::<u64>().unwrap_or(0), "sku_id": line.sku_id,
                "product_name": format!("Built-in product {}", line.product_id), "product_count": line.count,
                "product_price": usd(line.price), "sale_fee": usd(goods), "sale_discount_fee": usd(0),
                "shipping_fee": usd(shipping), "shipping_discount_fee": usd(0), "actual_shipping_fee": usd(shipping),
                "actual_fee": usd(goods + shipping), "actual_tax_fee": usd(0), "already_include_tax": false});
            if let Some(reason) = &end_reason {
                child["end_reason"] = json!(reason);
            }
            child
        });
        let children = self.list("aeop_child_order_info", children.collect());
        let mut result = json!({"gmt_create": pacific(purchase.at), "order_status": status, "logistics_status": logistics,
            "pay_timeout_second": purchase.pay_timeout_s.to_string(), "order_amount": usd(total),
            "user_order_amount": asked, "child_order_list": children,
            "store_info": {"store_id": 1_100_001, "store_name": "Built-in Store",
                "store_url": "https://www.aliexpress.com/store/1100001"}});
        if let Some(paid_at) = purchase.paid_at {
            result["order_paidtime_string"] = json!(pacific(paid_at));
        }
        if purchase.is_shipped(now_ms) {
            let parcel = json!({"logistics_no": mail_no(purchase), "logistics_service": freight_code(purchase)});
            result["logistics_info_list"] = self.list("aeop_order_logistics_info", vec![parcel]);
        }
        Ok(json!({"result": result}))
    }

    /// aliexpress.ds.order.tracking.get
    pub(super) fn tracking(&self, given: &Parameters, now_ms: i64) -> Outcome {
        let id = given.need("ae_order_id")?;
        given.need("language")?;
        let Some(purchase) = self.purchases.get(id).filter(|p| p.is_shipped(now_ms)) else {
            return Ok(json!({"result": {"ret": false, "code": "1001", "msg": "TRACKING DATA NOT FOUND"}}));
        };
        let node = |at: i64, name: &str| json!({"time_stamp": at, "tracking_name": name, "tracking_detail_desc": name});
        let shipped_at = purchase.shipped_at.unwrap_or(purchase.at);
        let mut nodes = vec![node(shipped_at, "Package received by carrier")];
        if let Some(at) = purchase.delivered_at.filter(|at| *at <= now_ms) {
            nodes.insert(0, node(at, "Delivered"));
        }
        let packed = purchase.lines.iter().map(|line| {
            json!({"item_id": line.product_id.parse::<u64>().unwrap_or(0), "quantity": line.count,
                "item_title": format!("Built-in product {}", line.product_id), "sku_desc": line.sku_attr})
        });
        let line = json!({"mail_no": mail_no(purchase), "carrier_name": "Cainiao",
            "eta_time_stamps": shipped_at + 12 * 86_400_000,
            "package_item_list": self.list("package_item", packed.collect()),
            "detail_node_list": self.list("detail_node", nodes)});
        Ok(json!({"result": {"ret": true, "code": "0", "msg": "success",
            "data": {"tracking_detail_line_list": self.list("tracking_detail", vec![line])}}}))
    }
}

impl Purchase {
    fn is_closed(&self, now_ms: i64) -> bool {
        let unpaid_too_long = self.paid_at.is_none() && now_ms - self.at >= self.pay_timeout_s * 1_000;
        self.cancelled_at.is_some() || unpaid_too_long
    }

    /// When it came to an end without goods.
    pub fn ended_at(&self, now_ms: i64) -> Option<i64> {
        let unpaid_too_long = self.at + self.pay_timeout_s * 1_000;
        self.cancelled_at.or(self.is_closed(now_ms).then_some(unpaid_too_long))
    }

    fn is_shipped(&self, now_ms: i64) -> bool {
        self.shipped_at.is_some_and(|at| at <= now_ms) && self.paid_at.is_some() && !self.is_closed(now_ms)
    }

    /// Order status, logistics status and the reason of an end without goods.
    pub fn words(&self, now_ms: i64) -> (String, String, Option<String>) {
        let delivered = self.delivered_at.is_some_and(|at| at <= now_ms);
        let (status, logistics, reason) = match () {
            () if self.cancelled_at.is_some() => ("FINISH", "NO_LOGISTICS", Some("buyer_cancel_order")),
            () if self.is_closed(now_ms) => ("FINISH", "NO_LOGISTICS", Some("pay_timeout")),
            () if self.paid_at.is_none() => ("PLACE_ORDER_SUCCESS", "NO_LOGISTICS", None),
            () if delivered => ("FINISH", "BUYER_ACCEPT_GOODS", None),
            () if self.is_shipped(now_ms) => ("WAIT_BUYER_ACCEPT_GOODS", "SELLER_SEND_GOODS", None),
            () => ("WAIT_SELLER_SEND_GOODS", "WAIT_SELLER_SEND_GOODS", None),
        };
        let forced = self.forced.clone().unwrap_or_default();
        (
            forced.status.unwrap_or_else(|| status.into()),
            forced.logistics.unwrap_or_else(|| logistics.into()),
            forced.end_reason.or(reason.map(str::to_string)),
        )
    }
}

/// One line, if its variant exists, the stock covers it together with the lines before, and the freight code is real.
fn line(product: &Product, item: &Value, before: &[Line]) -> Result<Line, No> {
    let count = item["product_count"].as_i64().or(item["product_count"].as_str().and_then(|c| c.parse().ok()));
    let count = count.filter(|c| *c > 0).ok_or_else(|| No::plain("ERROR_WHEN_BUILD_FOR_PLACE_ORDER"))?;
    let attr = item["sku_attr"].as_str().unwrap_or("");
    let variant = match product.variants.as_slice() {
        [only] if attr.is_empty() => Some(only),
        all => all.iter().find(|v| v.sku_attr == attr),
    };
    let variant = variant.ok_or_else(|| No::plain("SKU_NOT_EXIST"))?;
    let taken: i64 = before.iter().filter(|l| l.sku_id == variant.sku_id).map(|l| l.count).sum();
    if variant.stock < taken + count {
        return Err(No::plain("INVENTORY_HOLD_ERROR"));
    }
    let code = item["logistics_service_name"].as_str().filter(|c| !c.is_empty());
    let freight = match code {
        Some(code) => product.freight.iter().find(|f| f.code == code),
        None => product.freight.first(),
    };
    let freight = freight.ok_or_else(|| No::plain("DELIVERY_METHOD_NOT_EXIST"))?;
    Ok(Line {
        product_id: product.id.clone(),
        sku_id: variant.sku_id.clone(),
        sku_attr: variant.sku_attr.clone(),
        count,
        price: variant.price,
        freight_code: freight.code.clone(),
    })
}

fn mail_no(purchase: &Purchase) -> String {
    format!("LP00{}", &purchase.id[..12])
}

fn freight_code(purchase: &Purchase) -> &str {
    purchase.lines.first().map_or("", |l| &l.freight_code)
}
