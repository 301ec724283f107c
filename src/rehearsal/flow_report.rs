//! The report of a test flow. Every value is judged from the rows of one order and ends with the row or the provider id
//! behind it (L6, L7); nothing comes from what a caller remembers, so the same report can be made again at any time.

use super::compare::Comparison;
use super::flow_checks::{nulls, races};
use super::flow_payouts as payouts;
pub use super::flow_value::{Value, Verdict};
use crate::domain::hold::HoldCode;
use crate::domain::money::Money;
use crate::domain::order::{Mode, OrderId, Origin};
use crate::domain::trade::{Stage, Why};
use crate::store::evidence::{self, ClaimSeen, Evidence, SupplierOrderSeen};
use crate::store::{Store, StoreError};
use serde::Serialize;

/// Where the evidence of a report was obtained.
#[derive(Clone, Debug)]
pub struct Setting {
    pub simulate: bool,
    /// Names of the far sides, for people: `built-in PayPal`.
    pub paypal: String,
    pub aliexpress: String,
    /// The far sides' own books beside ours, where they can be read.
    pub books: Option<Comparison>,
}

/// What a test flow answers; serialised as it stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowReport {
    /// No value but `SYSTEM_READY_FOR_REAL_MONEY` is FAILED, BLOCKED or PENDING.
    pub success: bool,
    pub simulate: bool,
    pub order_created: bool,
    pub order_id: String,
    pub fulfill_executed: bool,
    /// The order's stage; `None` = there is no such order.
    pub fulfill_status: Option<String>,
    pub attempt_purchase: bool,
    pub execute_purchase: bool,
    pub sale_created: bool,
    /// A sale bears its order's id. `None` = there is no sale.
    pub sale_id: Option<String>,
    /// A decimal in `currency`; `None` until the books bear it out.
    pub net_profit_calculated: Option<String>,
    pub currency: Option<String>,
    pub payout_triggered: bool,
    pub payout_executed: bool,
    /// From the order's row to its last event; a rehearsal tells how long it really took.
    pub duration_ms: i64,
    pub report: Values,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct Values {
    pub order_created: Value,
    pub fulfill_executed: Value,
    pub attempt_purchase: Value,
    pub execute_purchase: Value,
    pub sale_created: Value,
    pub net_profit_calculated: Value,
    pub payout_triggered: Value,
    pub payout_executed: Value,
    pub database_flag_confirmed: Value,
    pub any_race_condition: Value,
    pub any_null_field_failure: Value,
    pub system_ready_for_real_money: Value,
}

/// What a purchase-only flow answers; serialised as it stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseReport {
    /// Bought and paid.
    pub success: bool,
    pub order_id: String,
    /// The first of `aliexpress_order_ids`; `None` = nothing was placed.
    pub aliexpress_order_id: Option<String>,
    pub aliexpress_order_ids: Vec<String>,
    pub final_status: Option<String>,
    /// Why it is not a success (yet), with its evidence.
    pub error: Option<String>,
    /// Milliseconds from the order's row to its last event.
    pub duration: i64,
}

/// The report of one test order, whatever state it is in.
pub fn flow_report(store: &Store, id: &OrderId, setting: &Setting) -> Result<FlowReport, StoreError> {
    let (evidence, flag) = read(store, id)?;
    let report = match &evidence {
        Some(evidence) => judge(evidence, flag, setting),
        None => absent(id),
    };
    Ok(fields(id, setting, evidence.as_ref(), report))
}

/// The rows, and the flag through a second connection that can only read: what stands in the file, not what this program
/// believes. Read before and after the rows, so that a payout that arrives meanwhile is no contradiction.
fn read(store: &Store, id: &OrderId) -> Result<(Option<Evidence>, Option<bool>), StoreError> {
    let mut before = evidence::payout_executed(store.path(), id)?;
    loop {
        let evidence = store.read(|c| evidence::load(c, id))?;
        let after = evidence::payout_executed(store.path(), id)?;
        // It only ever goes from nothing to 0 to 1, so this ends.
        if before >= after {
            return Ok((evidence, after));
        }
        before = after;
    }
}

/// The report of one purchase-only order.
pub fn purchase_report(store: &Store, id: &OrderId, setting: &Setting) -> Result<PurchaseReport, StoreError> {
    let evidence = store.read(|c| evidence::load(c, id))?;
    let (bought, ids) = match &evidence {
        Some(evidence) => {
            let judge = Judge { evidence, setting };
            (judge.bought(&judge.attempted()), evidence.supplier_orders.iter().map(|o| o.id.clone()).collect())
        }
        None => (Value::failed(format!("there is no order {id}")), Vec::new()),
    };
    Ok(PurchaseReport {
        success: bought.is_ok(),
        order_id: id.0.clone(),
        aliexpress_order_id: ids.first().cloned(),
        aliexpress_order_ids: ids,
        final_status: evidence.as_ref().map(|e| e.order.stage.clone()),
        error: (!bought.is_ok()).then(|| bought.to_string()),
        duration: evidence.as_ref().map_or(0, duration_ms),
    })
}

/// Every value, judged from evidence alone. `flag` is `payout_executed` as a second connection read it; `None` = that
/// one sees no sale.
pub fn judge(evidence: &Evidence, flag: Option<bool>, setting: &Setting) -> Values {
    Judge { evidence, setting }.values(flag)
}

fn fields(id: &OrderId, setting: &Setting, evidence: Option<&Evidence>, report: Values) -> FlowReport {
    let sale = evidence.and_then(|e| e.sale.as_ref());
    let profit = sale.filter(|_| report.net_profit_calculated.is_ok()).map(|s| s.sale.profit.decimal());
    FlowReport {
        success: report.road().iter().all(|(_, value)| value.is_good()),
        simulate: setting.simulate,
        order_created: report.order_created.is_ok(),
        order_id: id.0.clone(),
        fulfill_executed: report.fulfill_executed.is_ok(),
        fulfill_status: evidence.map(|e| e.order.stage.clone()),
        attempt_purchase: report.attempt_purchase.is_ok(),
        execute_purchase: report.execute_purchase.is_ok(),
        sale_created: report.sale_created.is_ok(),
        sale_id: sale.map(|_| id.0.clone()),
        net_profit_calculated: profit,
        currency: evidence.map(|e| e.order.total.currency.code().to_owned()),
        payout_triggered: report.payout_triggered.is_ok(),
        payout_executed: report.payout_executed.is_ok(),
        duration_ms: evidence.map_or(0, duration_ms),
        report,
    }
}

fn duration_ms(evidence: &Evidence) -> i64 {
    let end = evidence.last_event_at.unwrap_or(evidence.order.created_at);
    end.as_millisecond() - evidence.order.created_at.as_millisecond()
}

/// No data is not OK (L2).
fn absent(id: &OrderId) -> Values {
    let created = Value::failed(format!("there is no order {id}"));
    let rest = || created.before("ORDER_CREATED");
    Values {
        fulfill_executed: rest(),
        attempt_purchase: rest(),
        execute_purchase: rest(),
        sale_created: rest(),
        net_profit_calculated: rest(),
        payout_triggered: rest(),
        payout_executed: rest(),
        database_flag_confirmed: rest(),
        any_race_condition: rest(),
        any_null_field_failure: rest(),
        system_ready_for_real_money: rest(),
        order_created: created,
    }
}

impl Values {
    /// Every value but the last, by its name.
    pub fn road(&self) -> [(&'static str, &Value); 11] {
        [
            ("ORDER_CREATED", &self.order_created),
            ("FULFILL_EXECUTED", &self.fulfill_executed),
            ("ATTEMPT_PURCHASE", &self.attempt_purchase),
            ("EXECUTE_PURCHASE", &self.execute_purchase),
            ("SALE_CREATED", &self.sale_created),
            ("NET_PROFIT_CALCULATED", &self.net_profit_calculated),
            ("PAYOUT_TRIGGERED", &self.payout_triggered),
            ("PAYOUT_EXECUTED", &self.payout_executed),
            ("DATABASE_FLAG_CONFIRMED", &self.database_flag_confirmed),
            ("ANY_RACE_CONDITION", &self.any_race_condition),
            ("ANY_NULL_FIELD_FAILURE", &self.any_null_field_failure),
        ]
    }
}

/// Judges the rows of one order.
pub(super) struct Judge<'a> {
    pub evidence: &'a Evidence,
    pub setting: &'a Setting,
}

impl Judge<'_> {
    pub fn values(&self, flag: Option<bool>) -> Values {
        let fulfilled = self.fulfilled();
        let attempted = self.attempted();
        let bought = self.bought(&attempted);
        let sold = self.sold(&bought);
        let profit = self.profit(&sold);
        let triggered = payouts::triggered(self, &sold);
        let executed = payouts::executed(self, &sold);
        let mut values = Values {
            order_created: self.created(),
            fulfill_executed: fulfilled,
            attempt_purchase: attempted,
            execute_purchase: bought,
            database_flag_confirmed: payouts::flag(self, &sold, &executed, flag),
            sale_created: sold,
            net_profit_calculated: profit,
            payout_triggered: triggered,
            payout_executed: executed,
            any_race_condition: self.found("race", races(self.evidence, self.setting.books.as_ref())),
            any_null_field_failure: self.found("null field", nulls(self.evidence)),
            system_ready_for_real_money: Value::blocked("sandbox"),
        };
        if self.evidence.order.mode == Mode::Production && !self.setting.simulate {
            values.system_ready_for_real_money = self.ready(&values);
        }
        values
    }

    pub fn id(&self) -> &OrderId {
        &self.evidence.order.id
    }

    pub fn is_purchase_only(&self) -> bool {
        self.evidence.order.origin == Origin::PurchaseOnly
    }

    fn created(&self) -> Value {
        let order = &self.evidence.order;
        match order.origin {
            Origin::Test | Origin::PurchaseOnly => Value::ok(format!(
                "{} order of {} in the {} database: order {}",
                order.origin, order.total, order.mode, order.id
            )),
            Origin::Checkout | Origin::Channel => {
                Value::failed(format!("no test order but one of origin {}: order {}", order.origin, order.id))
            }
        }
    }

    /// The last attempt to buy.
    fn purchase(&self) -> Option<&ClaimSeen> {
        self.evidence.claims.iter().rfind(|c| c.slot == "purchase")
    }

    /// The engine took the order up: the supplier's offer was seen and every guard was asked.
    fn fulfilled(&self) -> Value {
        let (claim, quote) = (self.purchase(), self.evidence.quote.as_ref());
        let (Some(claim), Some(quote)) = (claim, quote) else { return self.standing() };
        if claim.guards == 0 {
            return Value::failed(format!("no guard stands with the purchase: claim {}", claim.key));
        }
        let by = quote.approved_by.as_deref().map(|by| format!(", approved by {by}")).unwrap_or_default();
        let landed = quote.landed.map(|m| format!(" of {m}")).unwrap_or_default();
        let (guards, seq, key) = (claim.guards, quote.seq, &claim.key);
        Value::ok(format!("{guards} guards passed{by}: quote {}#{seq}{landed}, claim {key}", self.id()))
    }

    fn attempted(&self) -> Value {
        let fulfilled = self.fulfilled();
        let Some(claim) = self.purchase().filter(|_| fulfilled.is_ok()) else {
            return fulfilled.before("FULFILL_EXECUTED");
        };
        let what = format!("claim {} attempt {}", claim.key, claim.attempt);
        if claim.state == "pending" && claim.unknown_at.is_none() {
            return self.standing().of(&format!("{what} was not sent"));
        }
        let line = claim.journal_seq.map(|seq| format!(", journal line {seq}")).unwrap_or_default();
        Value::ok(format!("sent {} times to {}: {what}{line}", claim.sends, self.setting.aliexpress))
    }

    /// Placed and paid are two facts (L26); only both are OK.
    fn bought(&self, attempted: &Value) -> Value {
        let Some(claim) = self.purchase().filter(|_| attempted.is_ok()) else {
            return attempted.before("ATTEMPT_PURCHASE");
        };
        let far = &self.setting.aliexpress;
        let orders: Vec<&SupplierOrderSeen> =
            self.evidence.supplier_orders.iter().filter(|o| o.key == claim.key).collect();
        let ids: Vec<String> = orders.iter().map(|o| supplier_order(o)).collect();
        let ids = format!("supplier order {}, claim {}", ids.join(", "), claim.key);
        let every = |state: &str| !orders.is_empty() && orders.iter().all(|o| o.state == state);
        match claim.state.as_str() {
            "void" => {
                let refusal = claim.refusal.as_deref().unwrap_or("no reason kept");
                let hold = self.evidence.hold.as_ref().map(|(seq, _)| format!(", hold {seq}")).unwrap_or_default();
                let said = format!("{far}: {refusal} (claim {}{hold})", claim.key);
                let standing = self.standing();
                // Let go again: a next attempt follows.
                if standing.verdict == Verdict::Pending { standing.of(&said) } else { Value::failed(said) }
            }
            "pending" if self.is_held() => self.standing().of(&format!("no outcome known, claim {}", claim.key)),
            "pending" => Value::pending(format!("{far} was asked and has not answered: claim {}", claim.key)),
            _ if every("paid") => Value::ok(format!("bought and paid at {far}: {ids}")),
            _ if every("dead") => Value::failed(format!("closed unpaid at {far}: {ids}")),
            _ if self.is_held() || !orders.iter().all(|o| o.state != "dead") => {
                self.standing().of(&format!("placed at {far}: {ids}"))
            }
            _ => {
                let by = orders.iter().filter_map(|o| o.pay_by).min();
                let by = by.map(|at| format!(" by {at}")).unwrap_or_default();
                Value::pending(format!("placed, to be paid at {far}{by}: {ids}"))
            }
        }
    }

    fn sold(&self, bought: &Value) -> Value {
        if self.is_purchase_only() && self.evidence.sale.is_none() {
            return self.purchase_only();
        }
        match &self.evidence.sale {
            Some(_) if self.is_purchase_only() => {
                Value::failed(format!("a trial purchase became a sale: sale {}", self.id()))
            }
            Some(seen) => {
                let (sale, entry) = (&seen.sale, self.entry("sale"));
                Value::ok(format!("{} recorded at {}: sale {}{entry}", sale.gross, sale.recorded_at, self.id()))
            }
            None if bought.is_ok() => self.standing(),
            None => bought.before("EXECUTE_PURCHASE"),
        }
    }

    /// The profit once more from the supplier's own totals, and against the books.
    fn profit(&self, sold: &Value) -> Value {
        if self.is_purchase_only() {
            return self.purchase_only();
        }
        let Some(seen) = &self.evidence.sale else { return sold.before("SALE_CREATED") };
        let sale = &seen.sale;
        let at = format!("sale {}{}", self.id(), self.entry("sale"));
        if let Some(wrong) = self.profit_mismatch() {
            return Value::failed(format!("{wrong}: {at}"));
        }
        let loss = if sale.profit.minor < 0 { " (a loss)" } else { "" };
        Value::ok(format!(
            "{}{loss} = {} - tax {} - fee {} - supplier {} - commission {}: {at}",
            sale.profit,
            sale.gross,
            sale.tax.decimal(),
            sale.fee.decimal(),
            sale.supplier_total.decimal(),
            sale.commission.decimal()
        ))
    }

    fn profit_mismatch(&self) -> Option<String> {
        let sale = &self.evidence.sale.as_ref()?.sale;
        let sum = |amounts: &mut dyn Iterator<Item = Money>| amounts.map(|m| m.minor).sum::<i64>();
        let paid = self.evidence.supplier_orders.iter().filter(|o| o.state == "paid").filter_map(|o| o.total);
        let supplier = sum(&mut paid.into_iter());
        let postings = || self.evidence.postings.iter().filter(|p| p.kind == "sale");
        let revenue = sum(&mut postings().filter(|p| p.credit == "sales_revenue").map(|p| p.amount));
        let cost = sum(&mut postings().filter(|p| p.debit == "cost_of_goods").map(|p| p.amount));
        let left = sale.gross.minor - sale.tax.minor - sale.fee.minor - supplier;
        let from = postings().find(|p| p.credit == "sales_revenue").map(|p| p.debit.as_str());
        let checks = [
            (supplier != sale.supplier_total.minor, "the supplier orders add up to another cost"),
            (left != sale.profit.minor + sale.commission.minor, "profit and commission are not what is left"),
            (revenue != sale.gross.minor - sale.tax.minor, "the books show another revenue"),
            (cost != sale.supplier_total.minor, "the books show another cost"),
            (from != Some("equity:test"), "the revenue of a test is not booked against equity:test"),
        ];
        checks.into_iter().find(|(wrong, _)| *wrong).map(|(_, what)| what.to_owned())
    }

    fn found(&self, what: &str, found: Vec<String>) -> Value {
        if found.is_empty() {
            let e = self.evidence;
            let (claims, entries, events) = (e.claims.len(), e.entries.len(), e.events.len());
            return Value::ok(format!(
                "no {what} in {claims} claims, {entries} entries, {events} events: order {}",
                self.id()
            ));
        }
        Value::failed(found.join("; "))
    }

    fn ready(&self, values: &Values) -> Value {
        let bad: Vec<(&str, &Value)> = values.road().into_iter().filter(|(_, v)| !v.is_good()).collect();
        let names: Vec<&str> = bad.iter().map(|(name, _)| *name).collect();
        let (names, order) = (names.join(", "), self.id());
        match bad.iter().map(|(_, v)| v.verdict).reduce(Verdict::worse) {
            None => {
                let (paypal, aliexpress) = (&self.setting.paypal, &self.setting.aliexpress);
                Value::ok(format!("real money went the whole road at {aliexpress} and {paypal}: order {order}"))
            }
            Some(verdict) => Value { verdict, evidence: format!("{names}: order {order}") },
        }
    }

    pub fn purchase_only(&self) -> Value {
        Value::skipped(format!("purchase only: order {}", self.id()))
    }

    fn is_held(&self) -> bool {
        self.evidence.order.stage == Stage::Held.word()
    }

    /// Number of the first entry of a kind.
    pub fn entry(&self, kind: &str) -> String {
        let entry = self.evidence.entries.iter().find(|e| e.kind == kind);
        entry.map(|e| format!(", entry {}", e.id)).unwrap_or_default()
    }

    /// Where the order stands, for whatever has not happened yet.
    pub fn standing(&self) -> Value {
        let order = &self.evidence.order;
        let at = format!("order {}", order.id);
        if let Some((seq, hold)) = &self.evidence.hold {
            return Value::held(hold.code, format!("{}: {} ({at}, hold {seq})", hold.code, hold.detail));
        }
        if self.is_held() {
            let code = order.waits_for.split(':').next().and_then(HoldCode::parse);
            return Value::held(code.unwrap_or(HoldCode::Person), format!("{} ({at})", order.waits_for));
        }
        if order.stage == Stage::Cancelled.word() {
            return Value::blocked(format!("cancelled ({at})"));
        }
        if order.closed_at.is_some() {
            return Value::failed(format!("closed without it ({at})"));
        }
        let refused = self.evidence.quote.as_ref().and_then(|q| Some((q.seq, q.failure.as_ref()?)));
        if let Some((seq, reason)) = refused.filter(|_| order.waits_for == Why::QuoteFailed.word()) {
            let again = order.next_look_at.map(|at| format!(", asked again at {at}")).unwrap_or_default();
            return Value::failed(format!("{}: {reason} (quote {}#{seq}{again})", self.setting.aliexpress, order.id));
        }
        let until = order.next_look_at.map(|at| format!(", next look at {at}")).unwrap_or_default();
        let why = if order.waits_for.is_empty() { "in hand" } else { &order.waits_for };
        let by_human = [Why::Stopped.word(), Why::Shadow.word()].contains(&why);
        let evidence = format!("{why} ({at}{until})");
        if by_human { Value::blocked(evidence) } else { Value::pending(evidence) }
    }
}

fn supplier_order(order: &SupplierOrderSeen) -> String {
    let total = order.total.map(|t| format!(" ({t})")).unwrap_or_default();
    format!("{}{total}", order.id)
}
