//! The standard trade of the tests, at every mile of its road: a checkout of 25.00 USD, goods for 8.40 and 1.99 freight,
//! a capture fee of 1.36. A situation is one of these with one or two things changed. Never used outside tests.

use super::checkout::{Capture, CaptureProof, Checkout};
use super::claim::{Claim, Recipient, Slot, State};
use super::dispute::Dispute;
use super::hold::{Hold, HoldCode};
use super::money::{Currency, Money, Rate};
use super::order::{Address, Buyer, Funds, Identity, Line, Mode, Order, Origin, Variant};
use super::payout::{ItemStatus, Payee, Payout, receiver_hash};
use super::pipeline::next_step;
use super::policy::{CommissionBase, CommissionRule, Limits, PaidBy, PayoutPolicy, Policy, Purchasing, ReleaseEvent};
use super::purchase::{Purchase, Quote, QuoteLine, SupplierOrder, SupplierOrderState};
use super::sale::Sale;
use super::trade::{ClockState, FarSide, Shop, Step, Trade};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;

pub const PLATFORM: &str = "platform@shop.example";
pub const SELLER: &str = "seller@shop.example";

/// The moment at which every situation is judged, unless it says otherwise.
pub fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// A passing trouble with the quote, asked again at `retry_at`.
pub fn no_offer(retry_at: Timestamp) -> crate::domain::purchase::QuoteFailure {
    let failed_at = retry_at - SignedDuration::from_secs(60);
    crate::domain::purchase::QuoteFailure { reason: "no".to_owned(), failed_at, retry_at }
}

pub fn money(text: &str, code: &str) -> Money {
    Money::parse(text, Currency::new(code).unwrap()).unwrap()
}

pub fn usd(text: &str) -> Money {
    money(text, "USD")
}

pub fn rate(percent: &str) -> Rate {
    Rate::parse_percent(percent).unwrap()
}

#[derive(Clone, Debug)]
pub struct World {
    pub trade: Trade,
    pub shop: Shop,
    pub policy: Policy,
    pub now: Timestamp,
}

impl World {
    pub fn with(mut self, change: impl FnOnce(&mut World)) -> World {
        change(&mut self);
        self
    }

    /// So many seconds later, and nothing else has changed.
    pub fn later(self, seconds: i64) -> World {
        self.with(|w| w.now += SignedDuration::from_secs(seconds))
    }

    /// PayPal's order is disputed, by this status and outcome; read a minute ago.
    pub fn disputed(self, status: &str, outcome: Option<&str>) -> World {
        self.with(|w| w.trade.disputes.push(dispute(status, outcome)))
    }

    pub fn held(self, code: HoldCode) -> World {
        self.with(|w| w.trade.hold = Some(Hold::new(code, "stored")))
    }

    pub fn next(&self) -> Step {
        next_step(&self.trade, &self.shop, &self.policy, self.now)
    }

    pub fn checkout(&mut self) -> &mut Checkout {
        self.trade.checkout.as_mut().unwrap()
    }

    pub fn capture(&mut self) -> &mut Capture {
        self.trade.capture.as_mut().unwrap()
    }

    pub fn quote(&mut self) -> &mut Quote {
        self.trade.quote.as_mut().unwrap()
    }

    pub fn purchase(&mut self) -> &mut Purchase {
        self.trade.purchase.as_mut().unwrap()
    }

    pub fn supplier_order(&mut self) -> &mut SupplierOrder {
        &mut self.purchase().supplier_orders[0]
    }

    pub fn payouts_policy(&mut self) -> &mut PayoutPolicy {
        self.policy.payouts.as_mut().unwrap()
    }
}

/// The buyer has a checkout at PayPal and has not approved it; asked a minute ago, an hour after it was opened.
pub fn opened() -> World {
    World { trade: trade(), shop: shop(), policy: policy(), now: now() }
}

/// The buyer has approved, and the supplier's offer is five minutes old.
pub fn approved() -> World {
    opened().with(|w| {
        w.checkout().approved_at = Some(ago(MINUTE));
        w.trade.quote = Some(quote());
    })
}

/// A capture was sent ten seconds ago and nobody knows what became of it.
pub fn capturing() -> World {
    approved().with(|w| {
        w.checkout().asked_at = Some(ago(11));
        let claim = sent(claim(Slot::Capture, "25.00"), 10);
        w.trade.capture = Some(Capture { claim, proof: None });
        w.trade.attempts.insert(Slot::Capture, 1);
    })
}

/// The capture completed two hours ago; the cancel buffer is over, and the offer is fresh.
pub fn paid() -> World {
    capturing().with(|w| {
        w.checkout().opened_at = ago(3 * HOUR);
        w.trade.order.created_at = ago(3 * HOUR);
        w.capture().claim = done(w.trade.capture.clone().unwrap().claim);
        let fee = Some(usd("1.36"));
        let seen_at = ago(2 * HOUR);
        w.capture().proof = Some(CaptureProof { capture_id: "CAP1".to_owned(), is_completed: true, fee, seen_at });
    })
}

/// The purchase was sent a minute ago and nobody knows what became of it.
pub fn placing() -> World {
    paid().with(|w| {
        w.trade.purchase = Some(Purchase {
            claim: sent(claim(Slot::Purchase, "10.39"), MINUTE),
            ceiling: usd("22.64"),
            quote_hash: "offer-1".to_owned(),
            is_auto_pay: false,
            are_ids_typed: false,
            supplier_orders: Vec::new(),
        });
        w.trade.attempts.insert(Slot::Purchase, 1);
    })
}

/// Certainly nothing of the claim was ever sent.
pub fn never_sent(claim: &mut Claim) {
    (claim.state, claim.unknown_at, claim.is_journaled) = (State::Pending, None, true);
}

/// Placed an hour ago, not paid; inspected two seconds ago, so that the next look comes later.
pub fn placed() -> World {
    placing().with(|w| {
        w.purchase().claim = done(w.purchase().claim.clone());
        let order = supplier_order("8100000001", "10.39");
        w.purchase().supplier_orders.push(order);
    })
}

pub fn supplier_order(id: &str, total: &str) -> SupplierOrder {
    SupplierOrder {
        id: id.to_owned(),
        state: SupplierOrderState::Placed,
        placed_at: ago(HOUR),
        total: Some(usd(total)),
        asked_at: Some(ago(2)),
        pay_by: None,
        paid_at: None,
        closed_seen_at: None,
        tracking_number: None,
        tracking_tries: 0,
        tracking_tried_at: None,
        is_tracking_told: false,
        shipped_at: None,
        delivered_at: None,
    }
}

/// The supplier was paid half an hour ago; tracking was asked a minute ago.
pub fn bought() -> World {
    placed().with(|w| {
        w.supplier_order().state = SupplierOrderState::Paid;
        w.supplier_order().paid_at = Some(ago(30 * MINUTE));
        w.trade.tracked_at = Some(ago(MINUTE));
    })
}

/// The sale is booked: 1.46 for the platform, 11.79 for the seller, and both may be paid.
pub fn sold() -> World {
    bought().with(|w| {
        w.trade.sale = Some(Sale {
            version: 1,
            recorded_at: ago(20 * MINUTE),
            gross: usd("25.00"),
            tax: usd("0"),
            fee: usd("1.36"),
            supplier_total: usd("10.39"),
            rule: Some(commission()),
            commission: usd("1.46"),
            profit: usd("11.79"),
            paid_by: PaidBy::Owner,
            is_payout_executed: false,
        });
    })
}

/// The seller has his part; the platform's payout was sent ten seconds ago and nobody knows what became of it.
pub fn paying() -> World {
    sold().with(|w| {
        let mut seller = payout(Recipient::Seller, "11.79", SELLER);
        seller.claim = done(seller.claim);
        seller.item = Some(ItemStatus::Success);
        (seller.batch_id, seller.transaction_id) = (Some("BATCH2".to_owned()), Some("TX2".to_owned()));
        w.trade.payouts = vec![payout(Recipient::Platform, "1.46", PLATFORM), seller];
        w.trade.attempts.insert(Slot::Payout(Recipient::Platform), 1);
        w.trade.attempts.insert(Slot::Payout(Recipient::Seller), 1);
    })
}

/// PayPal took the platform's batch five seconds ago and was asked about it a second ago.
pub fn accepted() -> World {
    paying().with(|w| {
        let payout = &mut w.trade.payouts[0];
        payout.batch_id = Some("BATCH1".to_owned());
        payout.accepted_at = Some(ago(5));
        payout.asked_at = Some(ago(1));
    })
}

/// Both legs are proven paid; the parcel is on its way.
pub fn paid_out() -> World {
    accepted().with(|w| {
        let payout = &mut w.trade.payouts[0];
        payout.claim = done(payout.claim.clone());
        payout.item = Some(ItemStatus::Success);
        payout.transaction_id = Some("TX1".to_owned());
        w.trade.sale.as_mut().unwrap().is_payout_executed = true;
    })
}

pub fn dispute(status: &str, outcome: Option<&str>) -> Dispute {
    Dispute {
        id: "PP-D-1".to_owned(),
        is_unread: false,
        told_at: ago(2 * MINUTE),
        asked_at: Some(ago(MINUTE)),
        status: Some(status.to_owned()),
        reason: "MERCHANDISE_OR_SERVICE_NOT_RECEIVED".to_owned(),
        amount: Some(usd("25.00")),
        respond_by: Some(now() + SignedDuration::from_hours(240)),
        outcome: outcome.map(str::to_owned),
        taken: None,
        abroad: None,
        is_accepted: false,
    }
}

pub fn payout(recipient: Recipient, amount: &str, payee: &str) -> Payout {
    Payout {
        claim: sent(claim(Slot::Payout(recipient), amount), 10),
        recipient,
        receiver_hash: receiver_hash(payee),
        batch_id: None,
        is_listed: false,
        accepted_at: None,
        asked_at: None,
        item: None,
        transaction_id: None,
        item_id: None,
        fee: None,
        left_at: None,
        cancel_wanted_at: None,
        cancel_tried_at: None,
    }
}

pub fn claim(slot: Slot, amount: &str) -> Claim {
    Claim {
        key: format!("key-of-{}", slot.word()),
        slot,
        attempt: 1,
        state: State::Pending,
        amount: usd(amount),
        sends: 1,
        claimed_at: now(),
        sent_at: None,
        unknown_at: None,
        not_before: None,
        is_journaled: true,
    }
}

/// Sent so many seconds ago, with an unknown outcome.
pub fn sent(claim: Claim, seconds: i64) -> Claim {
    let at = ago(seconds);
    Claim { claimed_at: at, sent_at: Some(at), unknown_at: Some(at), ..claim }
}

pub fn done(claim: Claim) -> Claim {
    Claim { state: State::Done, unknown_at: None, ..claim }
}

pub fn quote() -> Quote {
    Quote {
        hash: "offer-1".to_owned(),
        quoted_at: ago(5 * MINUTE),
        lines: vec![QuoteLine {
            freight: Some(usd("1.99")),
            tax: Some(usd("0")),
            unit_price: usd("8.40"),
            stock: Some(50),
            buy_limit: None,
            is_on_sale: true,
            service: Some("CAINIAO_STANDARD".to_owned()),
        }],
        items: usd("8.40"),
        freight: usd("1.99"),
        tax: usd("0"),
    }
}

pub fn order() -> Order {
    let identity = Identity {
        mode: Mode::Sandbox,
        shop: "shop".to_owned(),
        channel: "checkout".to_owned(),
        channel_order_id: "1001".to_owned(),
    };
    Order {
        id: identity.order_id(),
        identity,
        origin: Origin::Checkout,
        total: usd("25.00"),
        tax: None,
        tax_remitted_by: None,
        channel_fee: None,
        funds: Funds::Capture,
        paid_at: None,
        created_at: ago(HOUR),
        lines: vec![line()],
        buyer: Some(buyer()),
        cancelled_at: None,
        closed_at: None,
    }
}

pub fn line() -> Line {
    let variant = Variant {
        product_id: "1005001".to_owned(),
        sku_attr: "14:29".to_owned(),
        sku_id: "12000001".to_owned(),
        service: None,
    };
    Line {
        sku: "LAMP".to_owned(),
        quantity: 1,
        unit_price: usd("25.00"),
        variant,
        landed_cost_max: None,
        is_active: true,
    }
}

pub fn buyer() -> Buyer {
    let some = |text: &str| Some(text.to_owned());
    let address = Address {
        line1: some("1 Oak Street"),
        line2: None,
        city: some("Fresno"),
        province: some("CA"),
        postal_code: some("93650"),
        country: some("US"),
    };
    Buyer {
        name: some("Ann Buyer"),
        email: some("ann@example.com"),
        phone: some("5593600000"),
        id_number: None,
        address,
    }
}

/// Reported by a channel that settles to our PayPal account, instead of a checkout of ours.
pub fn reported(world: World, funds: Funds) -> World {
    world.with(|w| {
        let order = &mut w.trade.order;
        order.origin = if funds == Funds::Owner { Origin::Test } else { Origin::Channel };
        (order.funds, order.paid_at) = (funds, Some(ago(2 * HOUR)));
        order.channel_fee = Some(usd("1.36"));
        (w.trade.checkout, w.trade.checkout_claim, w.trade.capture) = (None, None, None);
    })
}

fn trade() -> Trade {
    Trade {
        order: order(),
        checkout: Some(Checkout {
            paypal_order_id: Some("PAYPAL1".to_owned()),
            approve_url: None,
            opened_at: ago(HOUR),
            asked_at: Some(ago(MINUTE)),
            approved_at: None,
            returned_at: None,
            rung_at: None,
            declined_at: None,
            expired_at: None,
        }),
        checkout_claim: Some(done(claim(Slot::Checkout, "25.00"))),
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
        attempts: BTreeMap::from([(Slot::Checkout, 1)]),
    }
}

fn shop() -> Shop {
    let payee = |email: &str| {
        let email = Some(email.to_owned());
        Payee { proposed: email.clone(), confirmed: email, is_first_held: false }
    };
    Shop {
        is_stopped: false,
        is_restored: false,
        clock: ClockState::Good,
        latest: now(),
        paypal: FarSide::Ready,
        aliexpress: FarSide::Ready,
        live_since: ago(30 * DAY),
        free: vec![usd("100.00")],
        purchases_ever: 100,
        purchases_last_day: 0,
        spent_last_day: usd("0"),
        laid_out: usd("0"),
        payouts_last_day: 0,
        refunds_last_day: 0,
        debts: Vec::new(),
        are_payouts_refused: false,
        paid_out_last_day: usd("0"),
        platform: payee(PLATFORM),
        seller: payee(SELLER),
    }
}

pub fn commission() -> CommissionRule {
    CommissionRule { rate: rate("10"), base: CommissionBase::GrossProfit }
}

fn policy() -> Policy {
    let minutes = SignedDuration::from_mins;
    Policy {
        currency: Currency::new("USD").unwrap(),
        purchasing: Purchasing::Automatic,
        first_orders_manual: 0,
        is_shadow: false,
        cancel_buffer: minutes(60),
        quote_max_age: minutes(15),
        look_again: [5, 15, 60, 1440, 1440].map(minutes).to_vec(),
        is_auto_pay: false,
        limits: Limits {
            orders_per_day: 20,
            spend_per_day: usd("500.00"),
            purchase_max: usd("200.00"),
            profit_min: usd("1.00"),
            margin_min: rate("5"),
            payouts_per_day: 40,
            payout_max: usd("1000.00"),
            refunds_per_day: 10,
            pay_out_per_day: usd("1000.00"),
            free_capital: None,
        },
        fx: super::fx::FxPolicy { max_age: minutes(3 * 1440), margin: rate("3") },
        payouts: Some(PayoutPolicy { commission: commission(), after: ReleaseEvent::SupplierPaid, hold_days: 0 }),
        paid_by: PaidBy::Owner,
    }
}

/// A step in one line of text: what is done with its amounts, or what it stands still for and how long.
pub fn brief(step: &Step, now: Timestamp) -> String {
    let until =
        |at: &Option<Timestamp>| at.map_or("a new fact".to_owned(), |at| span(at.duration_since(now).as_secs()));
    match step {
        Step::Wait { until: at, why } => format!("wait: {why}; {}", until(at)),
        Step::Hold { hold, until: at } => format!("hold: {}; {}", hold.code, until(at)),
        Step::Capture { attempt, amount } => format!("Capture {attempt} {amount}"),
        Step::Place(p) => {
            let pay = if p.is_auto_pay { "auto-pay" } else { "unpaid" };
            format!("Place {} {} of {} {pay}", p.attempt, p.landed.decimal(), p.ceiling)
        }
        Step::Pay { recipient, attempt, amount, payee } => format!("Pay {recipient} {attempt} {amount} to {payee}"),
        Step::SetOff { recipient, amount } => format!("SetOff {recipient} {amount}"),
        Step::ResendPayout(recipient) => format!("ResendPayout {recipient}"),
        Step::Refund { number, amount } => format!("Refund {number} {amount}"),
        Step::ResendRefund(number) => format!("ResendRefund {number}"),
        Step::AskRefund(number) => format!("AskRefund {number}"),
        Step::AskPayout(recipient) => format!("AskPayout {recipient}"),
        Step::CancelPayout(recipient) => format!("CancelPayout {recipient}"),
        Step::TellTracking { supplier_order_id } => format!("TellTracking {supplier_order_id}"),
        Step::Withdraw(slot) => format!("Withdraw {}", slot.word()),
        Step::Inspect { supplier_order_id } => format!("Inspect {supplier_order_id}"),
        other => format!("{other:?}"),
    }
}

fn span(seconds: i64) -> String {
    match seconds {
        s if s != 0 && s % DAY == 0 => format!("{}d", s / DAY),
        s if s != 0 && s % HOUR == 0 => format!("{}h", s / HOUR),
        s if s != 0 && s % MINUTE == 0 => format!("{}m", s / MINUTE),
        s => format!("{s}s"),
    }
}

/// The one way every table is checked.
pub fn check(name: &str, world: World, expected: &str) {
    assert_eq!(brief(&world.next(), world.now), expected, "{name}");
}
