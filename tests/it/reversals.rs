//! Money that PayPal took back moved once, however many places show it and whichever is seen first: an event about the
//! capture, the dispute, the list of disputes, a look at the order, the statement. Judged by PayPal's own book, to the cent.

use crate::hooks::deliver;
use crate::money::minutes;
use crate::post::{Post, posts};
use crate::world::{World, policy};
use jiff::SignedDuration;
use postsale::assure::reconcile;
use postsale::domain::order::OrderId;
use postsale::domain::policy::Policy;
use postsale::store;
use postsale::store::checks::{self, When};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A way by which the shop may come to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// PAYMENT.CAPTURE.REVERSED
    Reversed,
    /// The last event about the dispute.
    Dispute,
    /// A look at PayPal's order.
    Look,
    /// The list of disputes.
    List,
    /// Transaction Search.
    Statement,
}

const WAYS: [Seen; 5] = [Seen::Reversed, Seen::Dispute, Seen::Look, Seen::List, Seen::Statement];

/// What happens at PayPal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Course {
    /// How the lost dispute shows besides its movements.
    shown_as: &'static str,
    /// Given back on PayPal's site before.
    on_site: Option<&'static str>,
    /// `None`: everything that is left.
    disputed: Option<&'static str>,
    is_sold: bool,
    /// PayPal takes the money when the dispute opens, and not only when it is lost.
    is_held: bool,
}

fn courses() -> Vec<Course> {
    let mut courses = Vec::new();
    for shown_as in ["status", "refund", ""] {
        for (on_site, disputed) in [(None, None), (Some("7.00"), None), (None, Some("10.00"))] {
            for is_sold in [true, false] {
                for is_held in [true, false] {
                    courses.push(Course { shown_as, on_site, disputed, is_sold, is_held });
                }
            }
        }
    }
    courses
}

/// Every order of the five ways.
fn orders() -> Vec<Vec<Seen>> {
    let mut all: Vec<Vec<Seen>> = vec![Vec::new()];
    for way in WAYS {
        let grown = all.into_iter().flat_map(|order| {
            (0..=order.len()).map(move |at| {
                let mut longer = order.clone();
                longer.insert(at, way);
                longer
            })
        });
        all = grown.collect();
    }
    all
}

fn control(world: &World, path: &str, body: &Value) -> Value {
    let (status, answer) = world.plug.control("POST", &format!("/__control/paypal/{path}"), body);
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).unwrap()
}

fn see(world: &World, order: &OrderId, way: Seen) {
    let last = |part: &str| posts(world).into_iter().rfind(|p: &Post| p.kind.starts_with(part));
    match way {
        Seen::Reversed => drop(last("PAYMENT.CAPTURE.REVERSED").map(|post| deliver(world, &post))),
        Seen::Dispute => drop(last("CUSTOMER.DISPUTE.").map(|post| deliver(world, &post))),
        Seen::Look => world.engine.paypal_rang(order).unwrap(),
        Seen::List => drop(world.engine.poll_disputes().unwrap()),
        Seen::Statement => drop(reconcile::run(&world.engine).unwrap()),
    }
    world.run_for(minutes(1));
}

/// All accounts, in cents.
fn books(world: &World) -> BTreeMap<String, i64> {
    let balances = world.engine.store.read(store::ledger::balances).unwrap();
    balances.into_iter().filter(|(_, m)| m.minor != 0).map(|(name, m)| (name, m.minor)).collect()
}

fn agrees(world: &World, order: &OrderId, what: &str) {
    let shown = || format!("{what}\n{}", world.show(order));
    assert_eq!(world.balance("paypal:available") - 100_000, world.paypal_earned(), "PayPal's balance; {}", shown());
    // What a finding is about is asked for, and the next comparison knows it.
    reconcile::run(&world.engine).unwrap().unwrap();
    world.run_for(minutes(1));
    reconcile::run(&world.engine).unwrap().unwrap();
    let standing = reconcile::answer(&world.engine.store, false).unwrap().findings;
    assert!(standing.is_empty(), "{standing:?}; {}", shown());
    let when = When { now: world.now(), ladder: world.policy.ladder(), is_deep: true };
    for check in checks::table() {
        let found = world.engine.store.read(|c| check.look(c, &when)).unwrap();
        assert!(found.is_empty(), "{}: {found:?}; {}", check.id, shown());
    }
}

/// The dispute is opened, `early` of the ways are seen, it is lost, and then the rest is. Answers the books at the end.
fn run(course: Course, ways: &[Seen], early: usize) -> BTreeMap<String, i64> {
    let what = format!("{course:?} {ways:?} after {early}");
    let waiting = Policy { cancel_buffer: SignedDuration::from_hours(2), ..policy() };
    let world = World::with(if course.is_sold { policy() } else { waiting });
    world.switch("dispute_shown_as", json!(course.shown_as));
    world.switch("dispute_holds", json!(course.is_held));
    let order = world.paid_order();
    world.run_for(minutes(10));
    assert_eq!(world.stage(&order), if course.is_sold { "closed" } else { "paid" }, "{what}\n{}", world.show(&order));
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    if let Some(amount) = course.on_site {
        control(&world, &format!("captures/{capture}/refund"), &json!({ "amount": amount }));
    }
    let wish = course.disputed.map_or(json!({}), |amount| json!({ "amount": amount }));
    let dispute = control(&world, &format!("captures/{capture}/dispute"), &wish)["id"].as_str().unwrap().to_owned();
    let (before, after) = ways.split_at(early);
    before.iter().for_each(|way| see(&world, &order, *way));
    world.wind(SignedDuration::from_secs(1));
    control(&world, &format!("disputes/{dispute}"), &json!({"status": "RESOLVED", "outcome": "RESOLVED_BUYER_FAVOUR"}));
    after.iter().for_each(|way| see(&world, &order, *way));
    // What was seen too early is told again: PayPal repeats, and the list and the statement are read every hour.
    before.iter().for_each(|way| see(&world, &order, *way));
    agrees(&world, &order, &what);
    let end = books(&world);
    let amount = |name: &str| end.get(name).copied().unwrap_or(0);
    let on_site = course.on_site.map_or(0, |text| crate::world::usd(text).minor);
    let lost = course.disputed.map_or(2500 - on_site, |text| crate::world::usd(text).minor);
    let taken = (amount("chargebacks"), amount("dispute_hold"), amount("dispute_fees"));
    // Of an order that is not sold it leaves the buyer's deposits.
    let from_the_sale = if course.is_sold { lost } else { 0 };
    assert_eq!(taken, (from_the_sale, 0, 1500), "{what}\n{}", world.show(&order));
    if !course.is_sold {
        assert_eq!(amount("buyer_deposits"), -(2500 - on_site - lost), "{what}\n{}", world.show(&order));
    }
    end
}

/// Each course by one order of seeing or two; where there is time, by twenty each.
#[test]
fn whichever_place_shows_it_first_the_money_is_booked_once() {
    let (courses, orders) = (courses(), orders());
    let is_full = std::env::var_os("POSTSALE_FULL").is_some();
    let mut ends: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for (n, ways) in orders.iter().enumerate() {
        for (m, course) in courses.iter().enumerate() {
            // 7 and 36 have no factor in common, so each course meets orders of every kind.
            let is_turn =
                if is_full { (n + m).is_multiple_of(6) } else { n.is_multiple_of(3) && n / 3 * 7 % courses.len() == m };
            if !is_turn {
                continue;
            }
            let end = run(*course, ways, (n + m / 2) % 3);
            let first = ends.entry(format!("{course:?}")).or_insert_with(|| end.clone());
            assert_eq!(*first, end, "another order of seeing ends in other books: {course:?} {ways:?}");
        }
    }
    assert_eq!(ends.len(), courses.len(), "every course was run");
}

/// The capture counted as refunded; then the dispute is read, and PayPal's order cannot be. What the dispute shows as taken is
/// no reversal any more from that moment on.
#[test]
fn a_dispute_takes_over_what_was_booked_as_a_reversal() {
    let world = World::new();
    world.switch("dispute_shown_as", json!("status"));
    let order = world.paid_order();
    world.run_for(minutes(10));
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let dispute = control(&world, &format!("captures/{capture}/dispute"), &json!({}));
    let path = format!("disputes/{}", dispute["id"].as_str().unwrap());
    control(&world, &path, &json!({"status": "RESOLVED", "outcome": "RESOLVED_BUYER_FAVOUR"}));
    see(&world, &order, Seen::Look);
    let seen = |world: &World| ["chargebacks", "dispute_hold", "dispute_fees"].map(|account| world.balance(account));
    assert_eq!(seen(&world), [2500, 0, 0], "{}", world.show(&order));
    for call in ["paypal.order", "paypal.capture_get"] {
        world.fault(call, "status_500", "before_commit", 1_000_000);
    }
    see(&world, &order, Seen::Dispute);
    assert_eq!(seen(&world), [2500, 0, 1500], "{}", world.show(&order));
    assert_eq!(world.balance("paypal:available") - 100_000, world.paypal_earned(), "{}", world.show(&order));
}

/// An appeal gives the money back, also where the capture counted as refunded: nothing stays booked as taken.
#[test]
fn an_appeal_that_is_won_undoes_all_of_it() {
    for shown_as in ["status", "refund", "kept", "cancelled"] {
        for ways in [[Seen::Look, Seen::List], [Seen::Reversed, Seen::Dispute], [Seen::Statement, Seen::Look]] {
            let world = World::new();
            world.switch("dispute_shown_as", json!(shown_as));
            let order = world.paid_order();
            world.run_for(minutes(10));
            let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
            let path = format!("captures/{capture}/dispute");
            let dispute = control(&world, &path, &json!({}))["id"].as_str().unwrap().to_owned();
            for outcome in ["RESOLVED_BUYER_FAVOUR", "RESOLVED_SELLER_FAVOUR"] {
                world.wind(SignedDuration::from_secs(1));
                let wish = json!({"status": "RESOLVED", "outcome": outcome});
                control(&world, &format!("disputes/{dispute}"), &wish);
                ways.iter().for_each(|way| see(&world, &order, *way));
                see(&world, &order, Seen::List);
            }
            let what = format!("{shown_as} {ways:?}");
            agrees(&world, &order, &what);
            let taken = (world.balance("chargebacks"), world.balance("dispute_hold"), world.balance("refunds"));
            assert_eq!(taken, (0, 0, 0), "{what}\n{}", world.show(&order));
        }
    }
}
