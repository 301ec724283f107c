//! What must be true at the end of every run, whatever happened in it. What moved is read off the far sides' own book;
//! the shop's rows are believed only about what the shop says of itself.

use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use postsale::domain::order::{Identity, Mode, OrderId};
use postsale::domain::trade::Why;
use postsale::gateway::wire::{Purpose, Request};
use postsale::store;
use postsale::store::checks::{self, When};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The identity of an order of a checkout under that reference.
pub fn identity(reference: &str) -> Identity {
    Identity {
        mode: Mode::Sandbox,
        shop: "shop".to_owned(),
        channel: "checkout".to_owned(),
        channel_order_id: reference.to_owned(),
    }
}

/// Before every call that moves money its line stands in the journal, with the hash of the bytes that go out (I6).
pub fn intents_first(journal: Arc<Mutex<PathBuf>>) -> impl Fn(&str, &Request) + Send + Sync + 'static {
    move |call, request| {
        let moves = ["paypal.create", "paypal.capture", "aliexpress.create", "paypal.payout", "paypal.refund"];
        if request.purpose != Purpose::Money || !moves.contains(&call) {
            return;
        }
        let path = journal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = std::fs::read_to_string(path).unwrap();
        let body = String::from_utf8_lossy(&request.body);
        let hash = store::claims::hash(&request.body);
        let is_announced = lines.lines().filter(|line| line.ends_with('}')).any(|line| {
            let field =
                |name: &str| line.split(&format!("\"{name}\":\"")).nth(1).and_then(|rest| rest.split('"').next());
            let (Some(key), Some(hashed)) = (field("key"), field("hash")) else { return false };
            let bears = body.contains(key) || request.headers.iter().any(|(_, value)| value == key);
            // The supplier's call is signed and dated around the bytes that were announced.
            bears && (call.starts_with("aliexpress.") || hashed == hash)
        });
        assert!(is_announced, "I6: {call} went out without its line in the journal");
    }
}

/// More attempts than a run makes: one an hour where the supplier says "not now" for days.
const ATTEMPTS: u32 = 60;

/// What the far sides' book has of one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub captures: usize,
    pub purchases: usize,
    pub payouts: usize,
    /// Payouts that arrived.
    pub paid: usize,
}

fn rows<'a>(book: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    book[kind].as_array().unwrap().iter()
}

/// At most one effective capture, purchase and payout to each recipient, under whatever key (I1, I2).
pub fn at_most_once(book: &Value, reference: &str, order: &OrderId) -> Moved {
    let identity = identity(reference);
    let keys = |role: &str, length: usize| -> Vec<String> {
        (1..=ATTEMPTS).map(|attempt| identity.derive(role, attempt)[..length].to_owned()).collect()
    };
    let bears = |row: &Value, keys: &[String]| keys.iter().any(|key| row["key"] == key.as_str());
    let taken = rows(book, "captures").filter(|c| c["customId"] == order.0.as_str());
    let captures = taken.filter(|c| c["status"] != "DECLINED" && c["status"] != "FAILED").count();
    assert!(captures <= 1, "captured {captures} times: {order}");
    let mine = keys("purchase", 18);
    let bought: Vec<_> = rows(book, "purchases").filter(|p| bears(p, &mine)).collect();
    // One that nobody paid in time is no purchase any more; until then it is, and the seller may pay it.
    let is_over = |p: &Value, next: &Value| {
        let ended = p["endedAt"].as_str().map(|at| at.parse::<Timestamp>().unwrap());
        p["paidAt"].is_null() && ended.is_some_and(|ended| ended <= next["at"].as_str().unwrap().parse().unwrap())
    };
    let is_double = bought.iter().enumerate().any(|(n, next)| bought[..n].iter().any(|p| !is_over(p, next)));
    assert!(!is_double, "I1: bought {} times, and more than one of them at once: {order}", bought.len());
    let mut moved = Moved { captures, purchases: bought.len(), ..Moved::default() };
    for role in ["payout:platform", "payout:seller"] {
        let mine = keys(role, 32);
        let sent: Vec<_> = rows(book, "payouts").filter(|p| bears(p, &mine)).collect();
        let effective = sent.iter().filter(|p| !is_dead(p["status"].as_str().unwrap())).count();
        assert!(effective <= 1, "I2: paid {effective} times: {order} {role}");
        moved.payouts += sent.len();
        moved.paid += sent.iter().filter(|p| p["status"] == "SUCCESS").count();
    }
    moved
}

/// Nothing moved that belongs to none of these orders.
pub fn nothing_besides(book: &Value, moved: &[Moved]) {
    let sum = |part: fn(&Moved) -> usize| moved.iter().map(part).sum::<usize>();
    let captures = rows(book, "captures").filter(|c| c["status"] != "DECLINED" && c["status"] != "FAILED").count();
    assert_eq!(
        (sum(|m| m.captures), sum(|m| m.purchases), sum(|m| m.payouts)),
        (captures, rows(book, "purchases").count(), rows(book, "payouts").count()),
        "something moved that belongs to no order"
    );
}

/// No more was given back than people ordered.
pub fn refunds_at_most(book: &Value, ordered: usize) {
    let sent = rows(book, "refunds").filter(|r| !r["key"].is_null()).count();
    assert!(sent <= ordered, "given back {sent} times, ordered {ordered} times");
}

pub fn judge(world: &World, orders: &[(String, OrderId)]) {
    let book = world.plug.book();
    let each = orders.iter().map(|(reference, order)| {
        let moved = at_most_once(&book, reference, order);
        end_of(world, order, moved.paid);
        moved
    });
    nothing_besides(&book, &each.collect::<Vec<_>>());
    books(world);
}

/// A payout that did not reach anybody.
fn is_dead(status: &str) -> bool {
    ["FAILED", "RETURNED", "BLOCKED", "DENIED", "CANCELED", "REVERSED", "REFUNDED"].contains(&status)
}

/// Closed, or in the queue with a reason (I8); the flag means that every leg is SUCCESS (I3). The legs of a sale of which
/// money went back later are not those that were paid.
fn end_of(world: &World, order: &OrderId, paid: usize) {
    let row = world.engine.store.read(|c| store::views::order(c, order)).unwrap();
    // A database from before the order came in does not know it, and nobody asked again.
    let Some(row) = row else { return };
    let is_closed = world.engine.plan(order).unwrap().0.order.closed_at.is_some();
    let may_stand = ["held", "refunded", "cancelled"].contains(&row.stage.as_str());
    // What others were given back, or may have been, may be missing in the account: it waits for the next sale.
    let is_short = row.waits_for == Why::NoFreeMoney.word() && (!world.book("refunds").is_empty() || promises(world));
    let is_ended = is_closed || is_short || (may_stand && row.waits_for.contains(": "));
    assert!(is_ended, "I8: neither closed nor held with a reason: {}", world.show(order));
    let Some(sale) = world.engine.store.read(|c| store::sales::find(c, order)).unwrap() else { return };
    if sale.version > 1 {
        return;
    }
    // A leg netted to nothing is settled, and PayPal has shown nothing of it.
    let netted = world.engine.store.read(|c| {
        let sql = "SELECT count(*) FROM set_offs WHERE order_id = ?1";
        Ok::<_, store::StoreError>(c.query_row(sql, [&order.0], |row| row.get::<_, u32>(0))?)
    });
    if netted.unwrap() > 0 {
        return;
    }
    let legs = sale.legs().unwrap().len();
    assert!(!sale.is_payout_executed || paid == legs, "I3: the flag is set, and {paid} of {legs} legs are SUCCESS");
    assert!(row.stage != "closed" || sale.is_payout_executed == (legs > 0), "I3: closed and not paid out");
}

/// Money that is still to be given back, or of which nobody knows whether it was, is not free.
fn promises(world: &World) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM refund_orders r WHERE r.withdrawn_at IS NULL AND NOT EXISTS (
                   SELECT 1 FROM claims c WHERE c.order_id = r.order_id AND c.slot = 'refund:' || r.number
                      AND c.state <> 'pending'))";
    world.engine.store.read(|c| Ok::<_, store::StoreError>(c.query_row(sql, [], |row| row.get(0))?)).unwrap()
}

/// Debits equal credits, every balance is the sum of its postings, what is called proven stands in the far sides' book,
/// the chain holds, and no integrity check objects (I4, I5).
fn books(world: &World) {
    world.judge_books("at the end");
    let when = When { now: world.now(), ladder: SignedDuration::from_hours(24 * 7), is_deep: true };
    world
        .engine
        .store
        .read(|c| {
            assert_eq!(store::events::first_broken(c)?, None, "I4: the chain of events is broken");
            let is_behind = store::doubts::count(c, None)? > 0;
            for check in checks::table() {
                let found = check.look(c, &when)?;
                // What waits for a person is said in the queue, and by these.
                let mut waits = WAITS.contains(&check.id) || is_behind && BEHIND.contains(&check.id);
                // The engine alone goes on here; what the program's clock had to do stays due.
                waits |= check.id == "jobs_are_on_time";
                assert!(found.is_empty() || waits, "I5: {}: {found:?}", check.id);
            }
            Ok::<_, store::StoreError>(())
        })
        .unwrap();
}

/// Checks that rightly object while an order waits for a person.
const WAITS: &[&str] = &["no_outcome_is_unknown_for_long", "database_is_not_behind_its_journal"];
/// Checks that rightly object while a restored database knows payouts from the journal and not yet the sale.
const BEHIND: &[&str] = &["payout_is_its_leg"];
