//! A healthy book for checking the checks: small, in memory, written by the store's own functions under the schema's
//! own law, so that it stays true when they change. One order went the whole road, one lost money, of one a part went
//! back and a debt is netted, one is held by its channel, one is settled and half paid out, one is a test, one a trial
//! purchase, and one waits after a dispute that was won.
//!
//! The last event of all is a sale: a timeline cut off at its end is one of the plants.

use super::super::checkouts::CaptureRow;
use super::super::claims::{self, NewClaim};
use super::super::intake::{self, Arrival};
use super::super::payouts::{self, ItemRow};
use super::super::products::{self, Product};
use super::super::purchases::{self, Inspection};
use super::super::refunds::{self, RefundRow, Wish};
use super::super::sales::Why;
use super::super::{Result, StoreError, checkouts, disputes, events, holds, ledger, open, sales, settlements};
use crate::domain::claim::{Recipient, Slot};
use crate::domain::entries;
use crate::domain::guards::{Guard, Reading, Verdict};
use crate::domain::hold::{Hold, HoldCode};
use crate::domain::money::{Currency, Money, Rate};
use crate::domain::order::{Funds, Identity, Line, Mode, Order, OrderId, Origin, Variant};
use crate::domain::payout::ItemStatus;
use crate::domain::policy::{CommissionBase, CommissionRule, PaidBy};
use crate::domain::refund::{RefundStatus, TakenBackAs};
use crate::domain::sale::{Sale, SaleAmounts, divide};
use crate::domain::trade::Placing;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

/// Makes the book; everything in it happens at `now`.
pub fn book(now: Timestamp) -> Result<Connection> {
    let wanted = open::Wanted { mode: Mode::Sandbox, shop: "healthy", now };
    let mut connection = open::in_memory(&wanted).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    let tx = connection.transaction()?;
    let currency = Currency::new("USD").ok_or_else(|| StoreError::Unreadable("no USD".to_owned()))?;
    let mut book = Book { tx: &tx, now, currency, journal_seq: 1 };
    book.shop()?;
    book.whole_road()?;
    book.lost_money()?;
    book.given_back()?;
    book.by_channel()?;
    book.settled()?;
    book.waiting()?;
    book.trial()?;
    book.test()?;
    tx.commit()?;
    Ok(connection)
}

const PLATFORM: &str = "platform@book.invalid";
const SELLER: &str = "seller@book.invalid";

struct Book<'a> {
    tx: &'a Transaction<'a>,
    now: Timestamp,
    currency: Currency,
    journal_seq: i64,
}

/// Who gets what, and who paid the supplier.
struct Terms {
    rule: Option<CommissionRule>,
    paid_by: PaidBy,
}

fn terms(percent_millionths: i64, base: CommissionBase, paid_by: PaidBy) -> Terms {
    Terms { rule: Some(CommissionRule { rate: Rate::from_millionths(percent_millionths), base }), paid_by }
}

impl Book<'_> {
    fn usd(&self, cents: i64) -> Money {
        Money::new(cents, self.currency)
    }

    fn shop(&self) -> Result<()> {
        let product = Product {
            sku: "MUG".to_owned(),
            title: "A mug".to_owned(),
            price: self.usd(2500),
            variant: variant(),
            landed_cost_max: None,
            is_active: true,
        };
        products::put(self.tx, &product, self.now)?;
        for (recipient, email) in [(Recipient::Platform, PLATFORM), (Recipient::Seller, SELLER)] {
            payouts::confirm_payee(self.tx, recipient, email, "drill", self.now)?;
        }
        ledger::book_apart(self.tx, self.now, &entries::opening(self.usd(1_000_000)))?;
        events::append(self.tx, None, self.now, "opening", "10000.00 USD")
    }

    fn whole_road(&mut self) -> Result<()> {
        let order = self.order("whole-road-order", Origin::Checkout, Funds::Capture, 2500, None, None)?;
        self.captured(&order, 1, "CAPTURE-A", 117)?;
        self.bought(&order, &[("8100000001", 600), ("8100000002", 439)], PaidBy::Owner)?;
        let terms = terms(100_000, CommissionBase::GrossProfit, PaidBy::Owner);
        let sale = self.sold(&order, 117, 1039, &terms)?;
        self.paid_out(&order, Recipient::Platform, sale.commission, "PAID-A1")?;
        self.paid_out(&order, Recipient::Seller, sale.profit, "PAID-A2")?;
        sales::payout_executed(self.tx, &order.id)?;
        self.close(&order)
    }

    /// The first capture was declined; the sale made a loss, which is booked and pays nobody.
    fn lost_money(&mut self) -> Result<()> {
        let order = self.order("lost-money-order", Origin::Checkout, Funds::Capture, 1000, None, None)?;
        let key = self.claim(&order, Slot::Capture, 1, order.total, b"{}")?;
        claims::did_nothing(self.tx, &key, false, None, Some("INSTRUMENT_DECLINED"))?;
        claims::void(self.tx, &key, "INSTRUMENT_DECLINED", self.now)?;
        self.captured(&order, 2, "CAPTURE-B", 84)?;
        self.bought(&order, &[("8100000003", 1039)], PaidBy::Owner)?;
        self.sold(&order, 84, 1039, &terms(100_000, CommissionBase::GrossProfit, PaidBy::Owner))?;
        self.close(&order)
    }

    /// A part went back after the sale, which is a next version of it; nobody is paid yet.
    fn given_back(&mut self) -> Result<()> {
        let unreadable = |e: crate::domain::money::MoneyError| StoreError::Unreadable(e.to_string());
        let order = self.order("given-back-order", Origin::Checkout, Funds::Capture, 2500, None, None)?;
        self.captured(&order, 1, "CAPTURE-G", 117)?;
        self.bought(&order, &[("8100000008", 900)], PaidBy::Owner)?;
        let sale = self.sold(&order, 117, 900, &terms(100_000, CommissionBase::GrossProfit, PaidBy::Owner))?;
        let amount = self.usd(500);
        let wish = Wish { amount, reason: "drill", is_confirmed: false, by: "drill" };
        let number = refunds::order(self.tx, &order.id, &wish, self.now)?;
        let key = self.claim(&order, Slot::Refund(number), 1, amount, b"refund")?;
        let row = RefundRow {
            refund_id: "BACK-G",
            order: &order.id,
            capture_id: "CAPTURE-G",
            key: Some(&key),
            how: TakenBackAs::Refund,
            amount,
            fee_back: self.usd(0),
            status: RefundStatus::Completed,
        };
        refunds::seen(self.tx, &row, self.now)?;
        claims::done(self.tx, &key, self.now)?;
        let entry = entries::given_back("BACK-G", TakenBackAs::Refund, true, amount, self.usd(0));
        ledger::book(self.tx, &order.id, self.now, &entry)?;
        let amounts = SaleAmounts { gross: self.usd(2000), ..sale.amounts() };
        let after = sale.corrected(amounts).map_err(unreadable)?;
        let legs = after.legs().map_err(unreadable)?.into_iter().map(|leg| (leg.recipient, leg.amount));
        let why = Why { at: self.now, reason: "refund", reference: "BACK-G" };
        sales::correct(self.tx, &order.id, &after, &legs.collect::<Vec<_>>(), &why)?;
        let booked = ledger::shares(self.tx, &order.id)?;
        let entry = entries::corrected(&order, &sale, &after, &booked, entries::shares(&order, &after, &[]));
        ledger::book(self.tx, &order.id, self.now, &entry)?;
        self.event(&order, "refunded")?;
        // The seller's loss of the order before is netted against what he is owed of this one.
        let debt = self.usd(123);
        settlements::set_off(self.tx, &order.id, Recipient::Seller, debt, self.now)?;
        ledger::book(self.tx, &order.id, self.now, &entries::set_off(&order, Recipient::Seller, debt))?;
        self.event(&order, "set_off")?;
        intake::cache(self.tx, &order.id, "sold", "profit does not leave before its date", Some(self.now))
    }

    fn by_channel(&mut self) -> Result<()> {
        let order =
            self.order("by-channel-order", Origin::Channel, Funds::HeldByChannel, 3000, Some(200), Some(150))?;
        self.bought(&order, &[("8100000004", 1000)], PaidBy::Owner)?;
        self.sold(&order, 150, 1000, &terms(100_000, CommissionBase::GrossProfit, PaidBy::Owner))?;
        intake::cache(self.tx, &order.id, "sold", "the channel still holds the money", None)
    }

    /// The seller paid the supplier; his leg is accepted by PayPal and not claimed by him yet.
    fn settled(&mut self) -> Result<()> {
        let order = self.order("is-settled-order", Origin::Channel, Funds::Settled, 4000, None, Some(120))?;
        ledger::book(self.tx, &order.id, self.now, &entries::settled_outside(&order, self.usd(120)))?;
        self.bought(&order, &[("8100000005", 1500)], PaidBy::Seller)?;
        let sale = self.sold(&order, 120, 1500, &terms(125_000, CommissionBase::NetProfit, PaidBy::Seller))?;
        self.paid_out(&order, Recipient::Platform, sale.commission, "PAID-D1")?;
        let leg = sale.profit.plus(sale.supplier_total).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        let key = self.payout(&order, Recipient::Seller, leg)?;
        let item = ItemRow {
            key: &key,
            item_id: &format!("{key}/item"),
            status: ItemStatus::Unclaimed,
            transaction_id: Some("LEFT-D2"),
            fee: Some(self.usd(25)),
        };
        payouts::item_seen(self.tx, &item, self.now)?;
        payouts::left(self.tx, &key, self.now)?;
        ledger::book(self.tx, &order.id, self.now, &entries::payout_left(item.item_id, leg, self.usd(25)))?;
        intake::cache(self.tx, &order.id, "paying_out", "PayPal has the payout in hand", Some(self.now))
    }

    fn waiting(&mut self) -> Result<()> {
        let order = self.order("waits-here-order", Origin::Checkout, Funds::Capture, 2000, None, None)?;
        self.captured(&order, 1, "CAPTURE-E", 99)?;
        holds::put(self.tx, &order.id, &Hold::new(HoldCode::Person, "wait"), "drill", self.now)?;
        self.disputed(&order)?;
        intake::cache(self.tx, &order.id, "held", "person: wait", Some(self.now))
    }

    /// PayPal held the money, and gave it back when the dispute was won.
    fn disputed(&self, order: &Order) -> Result<()> {
        const ID: &str = "PP-D-1";
        disputes::told(self.tx, ID, &order.id, self.now)?;
        let seen = disputes::Seen {
            id: ID,
            told: 1,
            capture_id: Some("CAPTURE-E"),
            status: "RESOLVED",
            stage: None,
            reason: "drill",
            amount: Some(order.total),
            opened_at: Some(self.now),
            updated_at: Some(self.now),
            respond_by: None,
            outcome: Some("RESOLVED_SELLER_FAVOUR"),
        };
        disputes::read(self.tx, &seen, self.now)?;
        for is_debit in [true, false] {
            let moved =
                disputes::Movement { is_debit, reason: "DISPUTE_SETTLEMENT", amount: order.total, at: Some(self.now) };
            let n = disputes::moved(self.tx, ID, &moved, 1)?.unwrap_or_default();
            let entry = entries::dispute_moved(&format!("{ID}/{n}"), is_debit, false, order.total);
            ledger::book(self.tx, &order.id, self.now, &entry)?;
        }
        self.event(order, "dispute")
    }

    fn trial(&mut self) -> Result<()> {
        let order = self.order("only-trial-order", Origin::PurchaseOnly, Funds::Owner, 2500, None, None)?;
        self.bought(&order, &[("8100000006", 500)], PaidBy::Owner)?;
        self.close(&order)
    }

    /// Payouts were off: no commission, no legs, the profit is kept.
    fn test(&mut self) -> Result<()> {
        let order = self.order("test-owner-order", Origin::Test, Funds::Owner, 1500, None, None)?;
        self.bought(&order, &[("8100000007", 700)], PaidBy::Owner)?;
        self.sold(&order, 0, 700, &Terms { rule: None, paid_by: PaidBy::Owner })?;
        intake::cache(self.tx, &order.id, "sold", "on its way to the buyer", Some(self.now))
    }

    fn order(
        &self,
        name: &str,
        origin: Origin,
        funds: Funds,
        total: i64,
        tax: Option<i64>,
        fee: Option<i64>,
    ) -> Result<Order> {
        let channel = if origin == Origin::Checkout { "checkout" } else { "drill" };
        let order = Order {
            id: OrderId(name.to_owned()),
            identity: Identity {
                mode: Mode::Sandbox,
                shop: "healthy".to_owned(),
                channel: channel.to_owned(),
                channel_order_id: name.to_owned(),
            },
            origin,
            total: self.usd(total),
            tax: tax.map(|cents| self.usd(cents)),
            tax_remitted_by: None,
            channel_fee: fee.map(|cents| self.usd(cents)),
            funds,
            paid_at: (funds != Funds::Capture).then_some(self.now),
            created_at: self.now,
            lines: vec![Line {
                sku: "MUG".to_owned(),
                quantity: 1,
                unit_price: self.usd(total),
                variant: variant(),
                landed_cost_max: None,
                is_active: true,
            }],
            buyer: None,
            cancelled_at: None,
            closed_at: None,
        };
        let arrival = Arrival { content_hash: name, outside_capture: None, buyer_source: "operator" };
        intake::insert(self.tx, &order, &arrival)?;
        self.event(&order, "order")?;
        Ok(order)
    }

    fn event(&self, order: &Order, kind: &str) -> Result<()> {
        events::append(self.tx, Some(&order.id), self.now, kind, "drill")
    }

    /// A claim that was sent and stands in the journal. Answers its key.
    fn claim(&mut self, order: &Order, slot: Slot, attempt: u32, amount: Money, request: &[u8]) -> Result<String> {
        let key = format!("{}/{}/{attempt}", order.id, slot.word());
        let claim = NewClaim { key: &key, order: &order.id, slot, attempt, amount, request };
        claims::insert(self.tx, &claim, self.now)?;
        self.journal_seq += 1;
        claims::journaled(self.tx, &key, self.journal_seq)?;
        Ok(key)
    }

    fn captured(&mut self, order: &Order, attempt: u32, capture_id: &str, fee: i64) -> Result<()> {
        checkouts::open(self.tx, &order.id, self.now)?;
        let checkout = self.claim(order, Slot::Checkout, 1, order.total, b"{}")?;
        claims::done(self.tx, &checkout, self.now)?;
        checkouts::opened(self.tx, &order.id, &format!("PAYPAL-{capture_id}"), None)?;
        let key = self.claim(order, Slot::Capture, attempt, order.total, b"{}")?;
        let fee = self.usd(fee);
        let row = CaptureRow { key: &key, capture_id, is_completed: true, reason: None, fee: Some(fee) };
        checkouts::capture_seen(self.tx, &row, self.now)?;
        claims::done(self.tx, &key, self.now)?;
        ledger::book(self.tx, &order.id, self.now, &entries::captured(capture_id, order.total))?;
        ledger::book(self.tx, &order.id, self.now, &entries::capture_fee(capture_id, fee))?;
        self.event(order, "captured")
    }

    fn bought(&mut self, order: &Order, supplier_orders: &[(&str, i64)], paid_by: PaidBy) -> Result<()> {
        let landed = self.usd(supplier_orders.iter().map(|(_, total)| total).sum());
        let key = self.claim(order, Slot::Purchase, 1, landed, b"purchase")?;
        let reading = |guard: &Guard| Reading { guard: *guard, verdict: Verdict::Yes, saw: "drill".to_owned() };
        let placing = Placing {
            attempt: 1,
            quote_hash: "drill".to_owned(),
            landed,
            ceiling: landed,
            is_auto_pay: false,
            guards: Guard::ALL.iter().map(reading).collect(),
        };
        purchases::insert(self.tx, &key, &placing)?;
        let ids: Vec<String> = supplier_orders.iter().map(|(id, _)| (*id).to_owned()).collect();
        purchases::placed(self.tx, &key, &ids, None, self.now)?;
        claims::done(self.tx, &key, self.now)?;
        self.event(order, "placed")?;
        for (id, total) in supplier_orders {
            let total = self.usd(*total);
            let seen = Inspection { id, status: "drill", total: Some(total), pay_by: None };
            purchases::inspected(self.tx, &seen, self.now)?;
            purchases::paid(self.tx, id, self.now)?;
            ledger::book(self.tx, &order.id, self.now, &entries::supplier_paid(order.origin, id, total, paid_by))?;
            self.event(order, "supplier_paid")?;
        }
        Ok(())
    }

    fn sold(&self, order: &Order, fee: i64, supplier_total: i64, terms: &Terms) -> Result<Sale> {
        let unreadable = |e: crate::domain::money::MoneyError| StoreError::Unreadable(e.to_string());
        let tax = order.tax.unwrap_or(self.usd(0));
        let amounts =
            SaleAmounts { gross: order.total, tax, fee: self.usd(fee), supplier_total: self.usd(supplier_total) };
        let (commission, profit) = divide(&amounts, terms.rule).map_err(unreadable)?;
        let sale = Sale {
            version: 1,
            recorded_at: self.now,
            gross: amounts.gross,
            tax,
            fee: amounts.fee,
            supplier_total: amounts.supplier_total,
            rule: terms.rule,
            commission,
            profit,
            paid_by: terms.paid_by,
            is_payout_executed: false,
        };
        let legs = sale.legs().map_err(unreadable)?;
        let legs: Vec<_> = legs.into_iter().map(|leg| (leg.recipient, leg.amount)).collect();
        sales::insert(self.tx, &order.id, &sale, &legs)?;
        ledger::book(self.tx, &order.id, self.now, &entries::sold(order, &sale))?;
        self.event(order, "sold")?;
        Ok(sale)
    }

    /// A payout that PayPal accepted.
    fn payout(&mut self, order: &Order, recipient: Recipient, amount: Money) -> Result<String> {
        let key = self.claim(order, Slot::Payout(recipient), 1, amount, b"payout")?;
        let email = match recipient {
            Recipient::Platform => PLATFORM,
            Recipient::Seller => SELLER,
        };
        payouts::insert(self.tx, &key, recipient, email)?;
        payouts::accepted(self.tx, &key, &format!("{key}/batch"), self.now)?;
        Ok(key)
    }

    fn paid_out(&mut self, order: &Order, recipient: Recipient, amount: Money, transaction_id: &str) -> Result<()> {
        let key = self.payout(order, recipient, amount)?;
        let fee = self.usd(25);
        let item = ItemRow {
            key: &key,
            item_id: &format!("{key}/item"),
            status: ItemStatus::Success,
            transaction_id: Some(transaction_id),
            fee: Some(fee),
        };
        payouts::item_seen(self.tx, &item, self.now)?;
        claims::done(self.tx, &key, self.now)?;
        ledger::book(self.tx, &order.id, self.now, &entries::paid_out(transaction_id, recipient, amount, fee))?;
        self.event(order, "paid_out")
    }

    fn close(&self, order: &Order) -> Result<()> {
        intake::close(self.tx, &order.id, self.now)?;
        intake::cache(self.tx, &order.id, "closed", "closed", None)?;
        self.event(order, "closed")
    }
}

fn variant() -> Variant {
    Variant {
        product_id: "1005001234567890".to_owned(),
        sku_attr: "14:29#Black".to_owned(),
        sku_id: "12000012345678901".to_owned(),
        service: None,
    }
}
