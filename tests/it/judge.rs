//! The judge: what must be true of one order at the end, whatever went wrong on the way. It believes the far sides'
//! book about what moved, and the shop's own rows only about what the shop says of itself.

use crate::world::{World, usd};
use postsale::domain::order::OrderId;
use postsale::store;
use serde_json::Value;
use std::collections::BTreeSet;

/// How an order ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Held,
}

impl World {
    /// Purchases that cost money or still may: everything that was not closed unpaid.
    pub fn live_purchases(&self) -> Vec<Value> {
        self.book("purchases").into_iter().filter(|p| p["endReason"].is_null() || !p["paidAt"].is_null()).collect()
    }

    /// At most one of everything at the far sides, and books that are whole; says how the order ended.
    pub fn judge(&self, order: &OrderId, what: &str) -> End {
        let shown = || format!("{what}: {}", self.show(order));
        assert_at_most_once(self, order, what);
        self.judge_books(what);
        match self.stage(order).as_str() {
            "closed" => {
                self.judge_closed(order, what);
                End::Closed
            }
            "refunded" if self.engine.plan(order).unwrap().0.order.closed_at.is_some() => {
                self.judge_refunded(what);
                End::Closed
            }
            "refunded" | "cancelled" => {
                assert!(self.waits_for(order).contains(": "), "stands still without a reason; {}", shown());
                End::Held
            }
            "held" => {
                assert!(self.waits_for(order).contains(": "), "held without a reason; {}", shown());
                End::Held
            }
            _ => panic!("neither closed nor held: {}", shown()),
        }
    }

    /// Debits equal credits, the kept balances are the sums of the postings, and what the shop calls proven stands in
    /// the far sides' book with the same id and amount.
    pub fn judge_books(&self, what: &str) {
        let (orders, balances, effects) = self
            .engine
            .store
            .read(|c| {
                let filter = store::views::OrderFilter { most: 1000, ..store::views::OrderFilter::default() };
                let orders = store::views::orders(c, &filter)?;
                Ok::<_, store::StoreError>((orders, store::ledger::balances(c)?, store::views::effects(c)?))
            })
            .unwrap();
        assert_eq!(balances.iter().map(|(_, m)| m.minor).sum::<i64>(), 0, "{what}: {balances:?}");
        let rows = orders.iter().flat_map(|o| self.engine.store.read(|c| store::ledger::of_order(c, &o.id)).unwrap());
        let rows: Vec<_> = rows.collect();
        let mut opening = Vec::new();
        for (account, kept) in &balances {
            let debits = rows.iter().filter(|r| r.debit == *account).map(|r| r.amount.minor).sum::<i64>();
            let credits = rows.iter().filter(|r| r.credit == *account).map(|r| r.amount.minor).sum::<i64>();
            match account.as_str() {
                // The opening balance belongs to no order.
                "paypal:available" | "equity:owner" => opening.push(kept.minor - debits + credits),
                _ => assert_eq!(debits - credits, kept.minor, "{what}: {account}"),
            }
        }
        assert_eq!(opening.iter().sum::<i64>(), 0, "{what}: {opening:?}");
        assert!(opening.iter().all(|minor| minor.abs() == 0 || minor.abs() == 100_000), "{what}: {opening:?}");
        let far = self.plug.book();
        for effect in effects {
            let (book, id) = match effect.kind.as_str() {
                "capture" => ("captures", "id"),
                "purchase" => ("purchases", "id"),
                "refund" => ("refunds", "id"),
                _ => ("payouts", "transactionId"),
            };
            let row = far[book].as_array().unwrap().iter().find(|row| row[id] == effect.id.as_str());
            let row = row.unwrap_or_else(|| panic!("{what}: {effect:?} is not in the far side's book"));
            assert_eq!(row["amount"], effect.amount.decimal().as_str(), "{what}: {effect:?}");
        }
    }

    /// Closed: either nothing ever moved, or everything did, and PayPal's balance is ours to the cent.
    fn judge_closed(&self, order: &OrderId, what: &str) {
        let (captures, purchases, payouts) = (self.book("captures"), self.book("purchases"), self.book("payouts"));
        let sold = self.engine.store.read(|c| store::sales::find(c, order)).unwrap();
        let Some(sale) = sold else {
            assert!(captures.is_empty() && purchases.is_empty() && payouts.is_empty(), "{what}: closed with money");
            return;
        };
        let legs = sale.legs().unwrap();
        assert_eq!(sale.is_payout_executed, !legs.is_empty(), "{what}");
        let paid = |p: &&Value| p["status"] == "SUCCESS";
        assert_eq!(payouts.iter().filter(paid).count(), legs.len(), "{what}: {payouts:?}");
        for account in ["buyer_deposits", "supplier:prepaid", "payable:platform", "payable:seller"] {
            assert_eq!(self.balance(account), 0, "{what}: {account}");
        }
        let cost: i64 = purchases.iter().map(|p| usd(p["amount"].as_str().unwrap()).minor).sum();
        assert_eq!(self.balance("cost_of_goods"), cost, "{what}");
        assert_eq!(self.balance("paypal:available"), self.paypal_earned(), "{what}: not PayPal's own balance");
    }

    /// All given back: PayPal's book has exactly the order's money as refunded, and nothing of it is left here.
    fn judge_refunded(&self, what: &str) {
        let refunds = self.book("refunds");
        let back: i64 = refunds.iter().map(|r| usd(r["amount"].as_str().unwrap()).minor).sum();
        let taken: i64 = self.book("captures").iter().map(|c| usd(c["amount"].as_str().unwrap()).minor).sum();
        assert_eq!(back, taken, "{what}: {refunds:?}");
        for account in ["buyer_deposits", "supplier:prepaid", "payable:platform", "payable:seller"] {
            assert_eq!(self.balance(account), 0, "{what}: {account}");
        }
        assert_eq!(self.balance("paypal:available"), self.paypal_earned(), "{what}: not PayPal's own balance");
    }

    /// Debits less credits of an account, in cents.
    pub fn balance(&self, account: &str) -> i64 {
        let balances = self.engine.store.read(store::ledger::balances).unwrap();
        balances.iter().filter(|(name, _)| name == account).map(|(_, m)| m.minor).sum()
    }

    /// What PayPal's balance grew by since the beginning, in cents.
    pub fn paypal_earned(&self) -> i64 {
        let balances = self.book("balances");
        usd(balances.iter().find(|b| b["currency"] == "USD").unwrap()["amount"].as_str().unwrap()).minor - 100_000
    }
}

/// One capture, one purchase under one key, one payout a receiver, one refund for each that was ordered, all judged by the far sides' book.
pub fn assert_at_most_once(world: &World, order: &OrderId, what: &str) {
    let shown = || format!("{what}: {}", world.show(order));
    let captures = world.book("captures");
    let taken = captures.iter().filter(|c| c["status"] != "DECLINED" && c["status"] != "FAILED").count();
    assert!(taken <= 1, "captured {taken} times; {}", shown());
    let purchases = world.live_purchases();
    assert!(purchases.len() <= 1, "bought {} times; {}", purchases.len(), shown());
    let payouts = world.book("payouts");
    let receivers: BTreeSet<_> = payouts.iter().map(|p| p["receiver"].to_string()).collect();
    assert_eq!(receivers.len(), payouts.len(), "paid twice: {payouts:?}; {}", shown());
    let refunds: Vec<_> = world.book("refunds").into_iter().filter(|r| !r["key"].is_null()).collect();
    // An order that the database has forgotten has none.
    let ordered = world.engine.plan(order).map_or(0, |plan| plan.0.refunds.len());
    assert!(refunds.len() <= ordered, "ordered {ordered} refunds, sent {refunds:?}; {}", shown());
}
