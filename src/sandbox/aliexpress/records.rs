//! The rows of AliExpress's book, the changes they can undergo, and the switches that choose among behaviours which
//! are not documented or must be provoked. No rules here.
//!
//! Amounts are US cents unless a currency stands beside them, instants milliseconds since 1970.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Product {
    pub id: String,
    pub title: String,
    pub is_selling: bool,
    /// ISO-2 countries it is not sold to.
    pub refused_countries: Vec<String>,
    pub variants: Vec<Variant>,
    pub freight: Vec<Freight>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Variant {
    pub sku_id: String,
    pub sku_attr: String,
    pub price: i64,
    pub stock: i64,
    /// The most pieces one buyer may take; `None` is no limit, and none is said.
    #[serde(default)]
    pub buy_limit: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Freight {
    pub code: String,
    /// Nought is a free option.
    pub fee: i64,
    pub min_days: i64,
    pub max_days: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Purchase {
    /// The supplier order id, 16 digits.
    pub id: String,
    pub out_order_id: Option<String>,
    pub at: i64,
    pub lines: Vec<Line>,
    pub shipping: i64,
    /// What is charged beyond prices and shipping.
    pub extra: i64,
    pub country: String,
    pub receiver: String,
    pub paid_at: Option<i64>,
    /// May lie in the future: then it ships by itself.
    pub shipped_at: Option<i64>,
    pub delivered_at: Option<i64>,
    pub cancelled_at: Option<i64>,
    /// The control's word; stands above all times.
    pub forced: Option<Forced>,
    pub pay_timeout_s: i64,
}

impl Purchase {
    pub fn total(&self) -> i64 {
        self.lines.iter().map(|l| l.price * l.count).sum::<i64>() + self.shipping + self.extra
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub product_id: String,
    pub sku_id: String,
    pub sku_attr: String,
    pub count: i64,
    pub price: i64,
    pub freight_code: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forced {
    pub status: Option<String>,
    pub logistics: Option<String>,
    pub end_reason: Option<String>,
    /// What `user_order_amount` shall say, a decimal in USD.
    pub total: Option<String>,
    /// In which currency it says so; USD unless set.
    pub currency: Option<String>,
}

/// A used `out_order_id`, with what it made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Used {
    pub out_order_id: String,
    pub at: i64,
    pub ids: Vec<String>,
}

/// A token pair or a code as it stands from now on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Token {
    pub text: String,
    /// `access`, `refresh` or `code`.
    pub kind: String,
    pub ends_at: i64,
}

/// One change of the book: the row as it stands from now on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Product(Product),
    Purchase(Purchase),
    Used(Used),
    Token(Token),
    Switches(Switches),
}

/// What can be turned from outside, with the default of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// What a used `out_order_id` answers: `refuse` (REPEATED_ORDER_ERROR), `same` (the first ids) or `again` (a
    /// second order).
    pub repeat: String,
    /// Whether stock and freight are looked at before the `out_order_id`, so that a repeat may be refused for stock.
    pub stock_before_key: bool,
    /// Hours an `out_order_id` is remembered.
    pub out_order_id_hours: i64,
    /// One call makes two orders.
    pub split: bool,
    /// `wrapped` `{"name": […]}`, `bare` `[…]`, `single` `{"name": {…}}` where there is one, `naked` `{…}` where there
    /// is one.
    pub list_shape: String,
    /// Seconds after creation during which order.get answers code 15.
    pub order_hidden_s: i64,
    /// `false`: try_to_pay ends in APIPayFail.
    pub autopay: bool,
    /// `false`: paid orders wait for the control.
    pub ships_by_itself: bool,
    pub ships_after_ms: i64,
    /// From payment on.
    pub delivers_after_ms: i64,
    /// In which currency prices and fees are said, whatever was asked for; the numbers stay what they are.
    pub price_currency: String,
    /// Charged on top of every new order, a decimal in USD.
    pub hidden_charge: String,
    pub pay_timeout_s: i64,
    /// Only cities of the built-in tree.
    pub strict_cities: bool,
    /// A refresh makes a new refresh token and ends the old one.
    pub rotate_refresh_token: bool,
    pub access_life_s: i64,
    pub refresh_life_s: i64,
    /// `false`: every business call answers IllegalAccessToken.
    pub aliexpress_token_valid: bool,
    /// `false`: every call answers InvalidAppKey.
    pub aliexpress_app_valid: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            repeat: "refuse".into(),
            stock_before_key: false,
            out_order_id_hours: 24,
            split: false,
            list_shape: "wrapped".into(),
            order_hidden_s: 0,
            autopay: true,
            ships_by_itself: true,
            ships_after_ms: 0,
            delivers_after_ms: 2_000,
            price_currency: "USD".into(),
            hidden_charge: "0.00".into(),
            pay_timeout_s: 1_036_800,
            strict_cities: false,
            rotate_refresh_token: false,
            access_life_s: 30 * 86_400,
            refresh_life_s: 60 * 86_400,
            aliexpress_token_valid: true,
            aliexpress_app_valid: true,
        }
    }
}
