//! The guards of a purchase. Each looks at one thing, says yes or no and what it saw; an unknown value blocks (L29).
//! They are asked before the buyer's money is taken, before the purchase is claimed, and again inside the claim.

use super::address_rules::misfits;
use super::money::Money;
use super::order::{Funds, Line, Mode, Origin};
use super::policy::{Policy, Purchasing};
use super::purchase::{Quote, QuoteLine};
use super::trade::{Shop, Trade};
use super::words;
use jiff::{SignedDuration, Timestamp};

words! {
    pub enum Guard {
        /// The order has every field that delivery needs.
        Complete = "complete",
        /// What is there fits the form that the supplier has for the country.
        Address = "address",
        /// The product may still be sold.
        ActiveProduct = "active_product",
        /// The supplier still sells every variant.
        OnSale = "on_sale",
        Stock = "stock",
        BuyLimit = "buy_limit",
        /// Something ships to the buyer's country.
        Shipping = "shipping",
        /// Price and sale are in one currency.
        Currency = "currency",
        /// The sale's total is near the products' own prices (MONEY A7).
        ListPrice = "list_price",
        /// Not paid before we lived, nor more than 72 hours ago (MONEY A13).
        OldOrder = "old_order",
        /// Landed cost ≤ sale − fees − minimum profit.
        Ceiling = "ceiling",
        /// What is left is enough of the sale.
        Margin = "margin",
        PurchaseMax = "purchase_max",
        /// The seller's own limit on one product.
        LandedCostMax = "landed_cost_max",
        /// The same buyer, variant and address within a day.
        LookAlike = "look_alike",
        OrdersPerDay = "orders_per_day",
        SpendPerDay = "spend_per_day",
        FreeCapital = "free_capital",
        /// PayPal lets us pay out what this order will owe.
        PayoutPermission = "payout_permission",
        /// Manual purchasing, or one of the first orders: a human looks at each.
        Approval = "approval",
    }
}

impl Guard {
    /// A cap lets the order go on by itself when there is room again; the others wait for a human.
    pub fn is_cap(self) -> bool {
        matches!(self, Guard::OrdersPerDay | Guard::SpendPerDay | Guard::FreeCapital)
    }

    /// Whether a person's word counts before the buyer is charged: where it is about the buyer or about what PayPal
    /// permits, and not about goods that can be had at a price (MONEY A20).
    fn counts_before_the_capture(self) -> bool {
        matches!(self, Guard::LookAlike | Guard::Address | Guard::PayoutPermission)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// A human said yes although the guard says no.
    Overridden,
    /// A human's yes was for another offer (MONEY A18).
    Stale,
}

/// One guard's answer with the values it saw; stored with the purchase (L28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub guard: Guard,
    pub verdict: Verdict,
    pub saw: String,
}

impl Reading {
    pub fn blocks(&self) -> bool {
        matches!(self.verdict, Verdict::No | Verdict::Stale)
    }
}

/// A human's yes to one offer. It carries what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// `None` = whatever the quote says, as long as no guard but the named ones objects.
    pub quote_hash: Option<String>,
    pub overrides: Vec<Guard>,
    pub expires_at: Option<Timestamp>,
}

/// Intake totals may differ from the products' prices by at most this many per cent.
const LIST_PRICE_TOLERANCE_PERCENT: i64 = 20;
/// An order paid longer ago than this is not bought without a human.
const OLD_ORDER: SignedDuration = SignedDuration::from_hours(72);

/// Caps count so far back.
pub const CAP_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// What may still be spent on the goods: sale − refunds − tax − fee − minimum profit (MONEY A14). `None` while the fee is unknown or the
/// amounts do not fit.
pub fn ceiling(trade: &Trade, policy: &Policy) -> Option<Money> {
    let order = &trade.order;
    let tax = order.tax.unwrap_or(Money::zero(order.total.currency));
    let kept = order.total.minus(trade.promised_back()).ok()?.minus(tax).ok()?.minus(trade.fee()?).ok()?;
    kept.minus(policy.limits.profit_min).ok()
}

/// The guards that stand before the buyer's money is taken (MONEY A20): can the goods be had at all, and is it not the
/// same sale twice? PayPal's fee is not known yet, so the ceiling is asked without it and again, with it, before buying.
pub fn before_capture(trade: &Trade, shop: &Shop, policy: &Policy, quote: &Quote, now: Timestamp) -> Vec<Reading> {
    let most = trade.order.total.minus(policy.limits.profit_min).ok();
    let mut readings = offer(trade, policy, quote);
    readings.push(at_most(Guard::Ceiling, quote.landed().ok(), most));
    readings.push(look_alike(trade));
    readings.push(payout_permission(trade, shop, policy));
    overridden(&mut readings, live_approval(trade, Some(quote), now), Guard::counts_before_the_capture);
    readings
}

/// The guards before the capture where no supplier is asked, because his interface is switched off and a person buys by
/// hand: everything that can be seen without an offer.
pub fn before_capture_by_hand(trade: &Trade, shop: &Shop, policy: &Policy, now: Timestamp) -> Vec<Reading> {
    let order = &trade.order;
    let inactive = order.lines.iter().filter(|l| !l.is_active).count();
    let (currency, own) = (order.total.currency, policy.currency);
    let left = order.total.minus(policy.limits.profit_min).ok();
    let mut readings = vec![
        complete(trade),
        reading(Guard::ActiveProduct, inactive == 0, format!("{inactive} inactive")),
        reading(Guard::Currency, currency == own, format!("sale {currency}, shop {own}")),
        list_price(trade),
        reading(
            Guard::Ceiling,
            left.is_some_and(|left| left.minor > 0),
            left.map_or("not known".to_owned(), |left| format!("{left} left for the goods")),
        ),
        look_alike(trade),
        payout_permission(trade, shop, policy),
    ];
    overridden(&mut readings, live_approval(trade, None, now), Guard::counts_before_the_capture);
    readings
}

/// The most a person may spend on the goods by hand: the ceiling, the limit on one purchase and the products' own
/// limits. `None` while the fee is not known or the amounts do not fit.
pub fn ceiling_by_hand(trade: &Trade, policy: &Policy) -> Option<Money> {
    let own = |line: &Line| line.landed_cost_max.map(|limit| limit.times(line.quantity));
    let own = trade.order.lines.iter().map(own).collect::<Option<Result<Vec<Money>, _>>>();
    let own = match own {
        Some(limits) => Some(limits.ok()?.into_iter().try_fold(Money::zero(policy.currency), Money::plus).ok()?),
        None => None,
    };
    let limits = [ceiling(trade, policy), Some(policy.limits.purchase_max)];
    let most = limits.into_iter().chain(own.map(Some)).collect::<Option<Vec<Money>>>()?;
    let is_same = most.iter().all(|m| m.currency == policy.currency);
    most.into_iter().filter(|_| is_same).min_by_key(|m| m.minor)
}

/// Every guard of the purchase. Complete: a purchase that does not carry all of them is refused.
pub fn before_place(trade: &Trade, shop: &Shop, policy: &Policy, quote: &Quote, now: Timestamp) -> Vec<Reading> {
    let shop = &without_own_claim(trade, shop, now);
    let landed = quote.landed().ok();
    let mut readings = offer(trade, policy, quote);
    readings.extend([
        at_most(Guard::Ceiling, landed, ceiling(trade, policy)),
        margin(trade, policy, landed),
        list_price(trade),
        old_order(trade, shop, now),
        look_alike(trade),
        orders_per_day(shop, policy),
        at_most(Guard::SpendPerDay, sum(Some(shop.spent_last_day), landed), Some(policy.limits.spend_per_day)),
        free_capital(shop, policy, landed),
        payout_permission(trade, shop, policy),
        approval(shop, policy),
    ]);
    let live = live_approval(trade, Some(quote), now);
    overridden(&mut readings, live, |_| true);
    // A yes to exactly this offer is what the approval guard waits for.
    for reading in readings.iter_mut().filter(|r| r.guard == Guard::Approval && r.verdict == Verdict::No) {
        if trade.approval.is_some() {
            reading.verdict = if live.is_some() { Verdict::Overridden } else { Verdict::Stale };
        }
    }
    readings
}

/// A person's yes in the place of a guard's no, where it names the guard and may stand for it.
fn overridden(readings: &mut [Reading], approval: Option<&Approval>, may: impl Fn(Guard) -> bool) {
    let Some(approval) = approval else { return };
    for reading in readings.iter_mut().filter(|r| r.verdict == Verdict::No && may(r.guard)) {
        if approval.overrides.contains(&reading.guard) {
            reading.verdict = Verdict::Overridden;
        }
    }
}

/// What stands in the way of the order by these readings, and how a person lets it go on; `None` = nothing does. Caps are
/// left out: they end by themselves.
pub fn in_the_way(readings: &[Reading]) -> Option<String> {
    let blocking: Vec<&Reading> = readings.iter().filter(|r| r.blocks() && !r.guard.is_cap()).collect();
    if blocking.is_empty() {
        return None;
    }
    let is_stale = blocking.iter().any(|r| r.verdict == Verdict::Stale);
    let seen: Vec<String> = blocking.iter().map(|r| format!("{}: {}", r.guard, r.saw)).collect();
    let names: Vec<&str> = blocking.iter().filter(|r| r.guard != Guard::Approval).map(|r| r.guard.word()).collect();
    let stale = if is_stale { "approved was another offer; " } else { "" };
    let with = if names.is_empty() { String::new() } else { format!(" with override [{}]", names.join(", ")) };
    Some(format!("{stale}{}; approve{with} lets it go on", seen.join("; ")))
}

/// As [`in_the_way`], before the buyer is charged. Only a few guards may be overridden there.
pub fn in_the_way_of_the_capture(readings: &[Reading]) -> Option<String> {
    let blocking: Vec<&Reading> = readings.iter().filter(|r| r.blocks()).collect();
    let seen: Vec<String> = blocking.iter().map(|r| format!("{} ({})", r.guard, r.saw)).collect();
    if blocking.is_empty() {
        return None;
    }
    let names: Vec<&str> = blocking.iter().map(|r| r.guard.word()).collect();
    let way = match blocking.iter().all(|r| r.guard.counts_before_the_capture()) {
        true => format!("approve with override [{}] lets it go on", names.join(", ")),
        false => "no approval counts before the buyer is charged: correct the product, or wait".to_owned(),
    };
    Some(format!("not charged: {}; {way}", seen.join(", ")))
}

/// The shop as it is without this order. A claim of which nothing was sent is counted by the caps like any other, and
/// must not stand in its own way (L28).
fn without_own_claim(trade: &Trade, shop: &Shop, now: Timestamp) -> Shop {
    let mut shop = shop.clone();
    let Some(claim) = trade.purchase.as_ref().map(|p| &p.claim) else { return shop };
    if claim.claimed_at > now - CAP_WINDOW {
        shop.purchases_last_day = shop.purchases_last_day.saturating_sub(1);
        shop.spent_last_day = shop.spent_last_day.minus(claim.amount).unwrap_or(shop.spent_last_day);
    }
    shop.laid_out = shop.laid_out.minus(claim.amount).unwrap_or(shop.laid_out);
    shop
}

/// The guards that look only at the order and the supplier's offer.
fn offer(trade: &Trade, policy: &Policy, quote: &Quote) -> Vec<Reading> {
    let order = &trade.order;
    let inactive = order.lines.iter().filter(|l| !l.is_active).count();
    // The owner may try a product before he puts it up for sale.
    let active_ok = inactive == 0 || order.origin == Origin::PurchaseOnly;
    let every = |f: fn(&QuoteLine) -> bool| !quote.lines.is_empty() && quote.lines.iter().all(f);
    let pairs = || order.lines.iter().zip(&quote.lines);
    let stock_ok = pairs().all(|(line, q)| q.stock.is_some_and(|stock| stock >= line.quantity));
    let limit_ok = pairs().all(|(line, q)| q.buy_limit.is_none_or(|limit| limit >= line.quantity));
    let cost_ok = pairs().all(|(line, q)| within_own_limit(line, q));
    let currency = order.total.currency;
    let same = quote.landed().is_ok_and(|l| l.currency == currency) && policy.currency == currency;
    let stock: Vec<String> = quote.lines.iter().map(|l| l.stock.map_or("?".to_owned(), |s| s.to_string())).collect();
    vec![
        complete(trade),
        fits_the_form(trade),
        reading(Guard::ActiveProduct, active_ok, format!("{inactive} inactive")),
        reading(Guard::OnSale, every(|l| l.is_on_sale), format!("{} lines quoted", quote.lines.len())),
        reading(
            Guard::Stock,
            stock_ok && quote.lines.len() == order.lines.len(),
            format!("stock {}", stock.join(", ")),
        ),
        reading(Guard::BuyLimit, limit_ok, "the supplier's limit per buyer".to_owned()),
        reading(Guard::Shipping, every(|l| l.service.is_some()), "a freight service for every line".to_owned()),
        reading(
            Guard::Currency,
            same,
            format!("sale {currency}, offer {}, shop {}", quote.items.currency, policy.currency),
        ),
        at_most(Guard::PurchaseMax, quote.landed().ok(), Some(policy.limits.purchase_max)),
        reading(Guard::LandedCostMax, cost_ok, "the product's own limit".to_owned()),
    ]
}

/// The seller's limit is for one piece, and is held against what the line's pieces cost with their own freight and tax.
/// A freight that is not known blocks.
fn within_own_limit(line: &Line, quoted: &QuoteLine) -> bool {
    let Some(limit) = line.landed_cost_max else { return true };
    let Ok(most) = limit.times(line.quantity) else { return false };
    quoted.landed(line.quantity).is_some_and(|cost| cost.currency == most.currency && cost.minor <= most.minor)
}

fn complete(trade: &Trade) -> Reading {
    let missing = trade.order.missing();
    reading(Guard::Complete, missing.is_empty(), format!("missing: [{}]", missing.join(", ")))
}

fn fits_the_form(trade: &Trade) -> Reading {
    let misfits = trade.order.buyer.as_ref().map(misfits).unwrap_or_default();
    reading(Guard::Address, misfits.is_empty(), format!("does not fit: [{}]", misfits.join("; ")))
}

fn margin(trade: &Trade, policy: &Policy, landed: Option<Money>) -> Reading {
    let order = &trade.order;
    let left = || -> Option<(Money, Money)> {
        let net = order.total.minus(trade.promised_back()).ok()?;
        let net = net.minus(order.tax.unwrap_or(Money::zero(order.total.currency))).ok()?;
        let least = net.portion(policy.limits.margin_min).ok()?;
        Some((net.minus(trade.fee()?).ok()?.minus(landed?).ok()?, least))
    };
    match left() {
        Some((left, least)) => {
            reading(Guard::Margin, left.minor >= least.minor, format!("{left} left, at least {least}"))
        }
        None => reading(Guard::Margin, false, "not known".to_owned()),
    }
}

fn list_price(trade: &Trade) -> Reading {
    let order = &trade.order;
    let Ok(list) = order.list_total() else {
        return reading(Guard::ListPrice, false, "the products' prices are in another currency".to_owned());
    };
    let apart = (i128::from(order.total.minor) - i128::from(list.minor)).abs() * 100;
    let near = apart <= i128::from(list.minor) * i128::from(LIST_PRICE_TOLERANCE_PERCENT);
    let ok = match order.origin {
        Origin::Checkout => true,
        Origin::Channel => near,
        // Funded by the owner: less is his loss, more would let profit out that nobody paid for.
        Origin::Test | Origin::PurchaseOnly => order.total.minor <= list.minor,
    };
    let ok = ok && list.currency == order.total.currency;
    reading(Guard::ListPrice, ok, format!("total {}, products {list}", order.total))
}

/// A rehearsing owner repeats his test with the same buyer; with real money that is asked about like any other.
fn look_alike(trade: &Trade) -> Reading {
    let alike = trade.look_alikes;
    let is_repeated_test = trade.order.funds == Funds::Owner && trade.order.identity.mode == Mode::Sandbox;
    reading(Guard::LookAlike, alike == 0 || is_repeated_test, format!("{alike} alike within a day"))
}

fn old_order(trade: &Trade, shop: &Shop, now: Timestamp) -> Reading {
    let Some(paid_at) = trade.paid_at() else {
        return reading(Guard::OldOrder, false, "when it was paid is not known".to_owned());
    };
    let ok = paid_at >= shop.live_since && now.duration_since(paid_at) <= OLD_ORDER;
    reading(Guard::OldOrder, ok, format!("paid {paid_at}"))
}

fn orders_per_day(shop: &Shop, policy: &Policy) -> Reading {
    let (bought, most) = (shop.purchases_last_day, policy.limits.orders_per_day);
    reading(Guard::OrdersPerDay, bought < most, format!("{bought} of {most} within 24 hours"))
}

fn free_capital(shop: &Shop, policy: &Policy, landed: Option<Money>) -> Reading {
    match policy.limits.free_capital {
        None => reading(Guard::FreeCapital, true, "no limit".to_owned()),
        Some(capital) => at_most(Guard::FreeCapital, sum(Some(shop.laid_out), landed), Some(capital)),
    }
}

fn payout_permission(trade: &Trade, shop: &Shop, policy: &Policy) -> Reading {
    let owes_none = policy.payouts.is_none() || trade.order.origin == Origin::PurchaseOnly;
    let saw = match (owes_none, shop.are_payouts_refused) {
        (true, _) => "nothing is to be paid out",
        (_, true) => "PayPal does not permit payouts",
        _ => "nothing says that PayPal refuses payouts",
    };
    reading(Guard::PayoutPermission, owes_none || !shop.are_payouts_refused, saw.to_owned())
}

fn approval(shop: &Shop, policy: &Policy) -> Reading {
    let manual = policy.purchasing == Purchasing::Manual;
    let first = shop.purchases_ever < policy.first_orders_manual;
    let why = match (manual, first) {
        (true, _) => "purchasing is manual".to_owned(),
        (_, true) => format!("order {} of the first {}", shop.purchases_ever + 1, policy.first_orders_manual),
        _ => "not needed".to_owned(),
    };
    reading(Guard::Approval, !manual && !first, why)
}

/// The approval, if it is for this offer and has not expired. Where there is no offer, only a yes to whatever comes is
/// for it.
fn live_approval<'a>(trade: &'a Trade, quote: Option<&Quote>, now: Timestamp) -> Option<&'a Approval> {
    let approval = trade.approval.as_ref()?;
    let same = approval.quote_hash.as_ref().is_none_or(|hash| quote.is_some_and(|quote| *hash == quote.hash));
    let fresh = approval.expires_at.is_none_or(|end| now < end);
    (same && fresh).then_some(approval)
}

/// Unknown, and amounts in two currencies, block.
fn at_most(guard: Guard, amount: Option<Money>, most: Option<Money>) -> Reading {
    match (amount, most) {
        (Some(amount), Some(most)) => {
            let ok = amount.currency == most.currency && amount.minor <= most.minor;
            reading(guard, ok, format!("{amount}, at most {most}"))
        }
        _ => reading(guard, false, "not known".to_owned()),
    }
}

fn sum(a: Option<Money>, b: Option<Money>) -> Option<Money> {
    a?.plus(b?).ok()
}

fn reading(guard: Guard, ok: bool, saw: String) -> Reading {
    Reading { guard, verdict: if ok { Verdict::Yes } else { Verdict::No }, saw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;
    use crate::domain::order::{Identity, Order, OrderId, Variant};
    use std::collections::BTreeMap;

    fn usd(text: &str) -> Money {
        Money::parse(text, Currency::new("USD").unwrap()).unwrap()
    }

    /// One piece of a product of 25.00, sold for `total`.
    fn trade(mode: Mode, origin: Origin, total: &str) -> Trade {
        let funds = match origin {
            Origin::Checkout => Funds::Capture,
            Origin::Channel => Funds::HeldByChannel,
            Origin::Test | Origin::PurchaseOnly => Funds::Owner,
        };
        let word = |text: &str| text.to_owned();
        let variant = Variant { product_id: word("1005"), sku_attr: word("a"), sku_id: word("1"), service: None };
        let (unit_price, sku) = (usd("25.00"), word("MUG"));
        let line = Line { sku, quantity: 1, unit_price, variant, landed_cost_max: None, is_active: true };
        let order = Order {
            id: OrderId(word("o")),
            identity: Identity { mode, shop: word("shop"), channel: word("c"), channel_order_id: word("1") },
            origin,
            total: usd(total),
            tax: None,
            tax_remitted_by: None,
            channel_fee: None,
            funds,
            paid_at: None,
            created_at: Timestamp::UNIX_EPOCH,
            lines: vec![line],
            buyer: None,
            cancelled_at: None,
            closed_at: None,
        };
        Trade {
            order,
            checkout: None,
            checkout_claim: None,
            capture: None,
            quote: None,
            quote_failure: None,
            approval: None,
            look_alikes: 0,
            purchase: None,
            tracked_at: None,
            sale: None,
            payouts: Vec::new(),
            payouts_failed: Vec::new(),
            refunds: Vec::new(),
            taken_back: Vec::new(),
            settlements: Vec::new(),
            supplier_refunds: Vec::new(),
            paid_otherwise: Vec::new(),
            said_paid: Vec::new(),
            set_offs: Vec::new(),
            hold: None,
            disputes: Vec::new(),
            told: 0,
            heard: 0,
            attempts: BTreeMap::new(),
        }
    }

    #[test]
    fn a7_a_test_costs_at_most_the_list_and_a_channel_is_near_it() {
        let check = |origin: Origin, total: &str, blocks: bool| {
            assert_eq!(list_price(&trade(Mode::Production, origin, total)).blocks(), blocks, "{origin} {total}");
        };
        check(Origin::Channel, "30.00", false);
        check(Origin::Channel, "30.01", true);
        check(Origin::Channel, "19.99", true);
        check(Origin::Test, "25.00", false);
        check(Origin::Test, "25.01", true);
        check(Origin::Test, "0.01", false);
        check(Origin::PurchaseOnly, "25.01", true);
        check(Origin::Checkout, "99.00", false);
    }

    #[test]
    fn only_a_test_in_a_sandbox_may_be_repeated_unasked() {
        let check = |mode: Mode, origin: Origin, look_alikes: u32, blocks: bool| {
            let trade = Trade { look_alikes, ..trade(mode, origin, "25.00") };
            assert_eq!(look_alike(&trade).blocks(), blocks, "{mode} {origin} {look_alikes}");
        };
        check(Mode::Sandbox, Origin::Test, 3, false);
        check(Mode::Production, Origin::Test, 1, true);
        check(Mode::Production, Origin::Test, 0, false);
        check(Mode::Sandbox, Origin::Checkout, 1, true);
        check(Mode::Sandbox, Origin::PurchaseOnly, 1, false);
    }
}
