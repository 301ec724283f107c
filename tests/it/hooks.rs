//! What PayPal tells by itself: judged, stored, and then only a ring. Once, late, in any order, forged or never, the
//! order ends alike.

use crate::judge::End;
use crate::money::minutes;
use crate::post::{Post, posts};
use crate::world::{World, policy};
use jiff::{SignedDuration, Timestamp};
use postsale::domain::order::OrderId;
use postsale::engine::told::{NotHeard, Unheard};
use postsale::gateway::paypal::{CheckoutRequest, PayPal, create_order_body};
use postsale::gateway::wire::UreqWire;
use postsale::sandbox::{Options, Sandbox};
use postsale::secret::Secret;
use postsale::store::{self, StoreError, inbox};
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The last event of a kind.
pub fn post(world: &World, kind: &str) -> Post {
    posts(world).into_iter().rfind(|p| p.kind == kind).unwrap_or_else(|| panic!("PayPal has told of no {kind}"))
}

pub fn deliver(world: &World, post: &Post) -> bool {
    world.engine.webhook(&post.delivery()).unwrap_or_else(|error| panic!("{}: {error}", post.kind))
}

fn stored(world: &World, post: &Post) -> u32 {
    world.engine.store.read(|c| inbox::deliveries(c, "paypal", &post.id)).unwrap()
}

fn told(world: &World, order: &OrderId) -> usize {
    world.timeline(order).iter().filter(|line| line.contains(" told ")).count()
}

#[test]
fn f19_fifty_identical_deliveries_at_once_have_one_effect() {
    let world = World::penniless();
    let order = world.paid_order();
    world.run_for(minutes(1));
    let event = post(&world, "PAYMENT.CAPTURE.COMPLETED");
    let news = AtomicUsize::new(0);
    // One before, so that the certificate is known: PayPal repeats what had to wait for it.
    assert!(deliver(&world, &post(&world, "CHECKOUT.ORDER.APPROVED")));
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| news.fetch_add(usize::from(deliver(&world, &event)), Ordering::SeqCst));
        }
    });
    assert_eq!((news.into_inner(), stored(&world, &event)), (1, 50));
    assert_eq!(told(&world, &order), 2, "{}", world.show(&order));
    world.run_for(minutes(5));
    assert_eq!(world.judge(&order, "fifty at once"), End::Closed);
    assert_eq!(world.tap.count("paypal.certificate"), 1);
}

/// What `doctor` and the start of the server have PayPal do: asked for where there is none, left alone where it is right,
/// moved where it tells another address. A webhook under another id than the configured one is said, and not listened to.
#[test]
fn the_subscription_is_made_kept_and_moved() {
    let world = World::penniless();
    let id = world.plug.sides().credentials(world.now().as_millisecond()).paypal_webhook_id;
    let (here, there) = ("https://shop.example/api/webhooks/paypal", "https://new.example/api/webhooks/paypal");
    let have_told = |url: &str| world.engine.have_told(&id, url).unwrap();
    assert_eq!(have_told(here), format!("{here} is told from now on"));
    assert_eq!(have_told(here), format!("{here} is told already"));
    assert_eq!(have_told(there), format!("{there} is told from now on"));
    assert_eq!(have_told(there), format!("{there} is told already"));
    let said = world.engine.have_told("ANOTHER", here).unwrap_err();
    assert!(said.contains("set PAYPAL_WEBHOOK_ID to it"), "{said}");
    world.fault("paypal.webhooks", "status_403", "before_commit", 1);
    assert!(world.engine.have_told(&id, here).is_err());
}

#[test]
fn l34_a_delivery_is_the_only_ring_and_no_time_passes() {
    let world = World::penniless();
    let order = world.checkout();
    let paypal_order_id = world.paypal_order(&order);
    let path = format!("/__control/paypal/orders/{paypal_order_id}/approve");
    assert_eq!(world.plug.control("POST", &path, &json!({})).0, 200);
    world.engine.run_due().unwrap();
    assert_eq!(world.book("captures").len(), 0, "nobody has rung");
    assert!(deliver(&world, &post(&world, "CHECKOUT.ORDER.APPROVED")));
    world.engine.run_due().unwrap();
    assert_eq!(world.book("captures").len(), 1, "{}", world.show(&order));
    world.run_for(minutes(5));
    assert_eq!(world.judge(&order, "rung once"), End::Closed);
}

/// Nobody rings and no browser comes back: the money is found by asking (L34).
#[test]
fn l34_a_paid_order_is_found_by_asking_alone() {
    let world = World::penniless();
    let order = world.checkout();
    let path = format!("/__control/paypal/orders/{}/approve", world.paypal_order(&order));
    assert_eq!(world.plug.control("POST", &path, &json!({})).0, 200);
    world.run_for(minutes(30));
    assert_eq!(world.judge(&order, "nobody rang"), End::Closed);
}

#[test]
fn a_capture_that_was_pending_is_believed_from_paypals_own_answer_only() {
    let world = World::new();
    world.plug.control("POST", "/__control/paypal/next-capture", &json!({"status": "PENDING"}));
    let order = world.paid_order();
    world.run_for(SignedDuration::from_secs(20));
    assert_eq!(world.stage(&order), "awaiting_payment", "{}", world.show(&order));
    // PayPal says it is completed, and then it is not: the delivery is true, old news, and changes nothing.
    let capture = world.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/__control/paypal/captures/{capture}");
    world.plug.control("POST", &path, &json!({"status": "COMPLETED"}));
    let old_news = post(&world, "PAYMENT.CAPTURE.COMPLETED");
    world.plug.control("POST", &path, &json!({"status": "PENDING"}));
    deliver(&world, &old_news);
    world.engine.run_due().unwrap();
    assert_eq!(world.stage(&order), "awaiting_payment", "{}", world.show(&order));
    assert!(world.book("purchases").is_empty());
    world.plug.control("POST", &path, &json!({"status": "COMPLETED"}));
    deliver(&world, &post(&world, "PAYMENT.CAPTURE.COMPLETED"));
    world.engine.run_due().unwrap();
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
}

/// Every event of a whole road, told again afterwards from the last to the first, twice each, and on the way in any
/// order: the books are those of a road on which nobody rang.
#[test]
fn any_order_of_arrival_is_harmless() {
    let silent = World::penniless();
    let reference = silent.paid_order();
    silent.run_for(minutes(30));
    let books = |world: &World| world.engine.store.read(store::ledger::balances).unwrap();
    for seed in 0..8 {
        let world = World::penniless();
        let order = world.paid_order();
        let mut numbers = Numbers(seed + 1);
        for _ in 0..40 {
            world.engine.run_due().unwrap();
            let mut waiting = posts(&world);
            while !waiting.is_empty() {
                let next = waiting.swap_remove(numbers.below(waiting.len()));
                if numbers.below(3) > 0 {
                    deliver(&world, &next);
                }
            }
            world.wind(SignedDuration::from_secs(3));
        }
        world.run_for(minutes(30));
        for event in posts(&world).iter().rev().flat_map(|p| [p, p]) {
            deliver(&world, event);
        }
        world.run_for(minutes(30));
        assert_eq!(world.judge(&order, &format!("seed {seed}")), End::Closed);
        assert_eq!(books(&world), books(&silent), "seed {seed}");
    }
    assert_eq!(silent.stage(&reference), "closed");
}

#[test]
fn an_event_of_nobody_is_kept_and_placed_once_its_order_is_known() {
    let world = World::new();
    let stranger = World::new();
    stranger.paid_order();
    stranger.run_for(minutes(2));
    let event = post(&stranger, "PAYMENT.CAPTURE.COMPLETED");
    assert!(deliver(&world, &event), "it is PayPal's, so it is kept");
    let since = world.now() - SignedDuration::from_hours(1);
    let waiting = world.engine.store.read(|c| inbox::unplaced(c, since, 10)).unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].kind, "PAYMENT.CAPTURE.COMPLETED");
    // A channel reports an order paid by that very capture.
    let capture = stranger.book("captures")[0]["id"].as_str().unwrap().to_owned();
    let mut report = world.report("E-1");
    report.outside_capture = Some(format!("paypal:{capture}"));
    let order = world.take(&report);
    world.engine.tidy_inbox().unwrap();
    assert!(world.engine.store.read(|c| inbox::unplaced(c, since, 10)).unwrap().is_empty());
    assert_eq!(told(&world, &order), 1, "{}", world.show(&order));
}

#[test]
fn bodies_are_emptied_after_a_month_and_the_event_stays() {
    let world = World::new();
    world.paid_order();
    world.run_for(minutes(1));
    let event = post(&world, "PAYMENT.CAPTURE.COMPLETED");
    deliver(&world, &event);
    assert!(world.engine.tidy_inbox().unwrap().ends_with(" 0 bodies emptied"));
    world.wind(SignedDuration::from_hours(24 * 31));
    assert!(world.engine.tidy_inbox().unwrap().ends_with(" 1 bodies emptied"));
    assert_eq!(stored(&world, &event), 1);
}

#[test]
fn a_certificate_that_cannot_be_had_is_no_forgery() {
    let world = World::new();
    world.paid_order();
    world.run_for(minutes(1));
    let event = post(&world, "PAYMENT.CAPTURE.COMPLETED");
    for reply in ["status_500", "timeout", "reset", "redirect", "html_200", "huge", "half"] {
        world.fault("paypal.certificate", reply, "before_commit", 1);
        let heard = world.engine.webhook(&event.delivery());
        assert!(matches!(heard, Err(Unheard::NotHeard(NotHeard::NotNow(_)))), "{reply}: {heard:?}");
        assert_eq!(stored(&world, &event), 0, "{reply}");
    }
    assert!(deliver(&world, &event));
}

/// A linear congruence: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// A far side on a socket, and how often anybody knocked at a door that is not PayPal's.
struct Doors {
    sandbox: Sandbox,
    foreign: String,
    knocks: Arc<AtomicUsize>,
}

fn doors() -> Doors {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let foreign = listener.local_addr().unwrap().to_string();
    let knocks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&knocks);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    Doors { sandbox: Sandbox::start(Options::default()).unwrap(), foreign, knocks }
}

impl Doors {
    fn paypal(&self, webhook_id: &str) -> PayPal {
        let granted = self.sandbox.credentials().unwrap();
        let secret = Secret::new(granted.paypal_client_secret);
        let wire = Arc::new(UreqWire::default());
        PayPal::new(wire, granted.paypal_base_url, granted.paypal_client_id, secret).hearing(Secret::new(webhook_id))
    }

    /// An order is opened and approved, and PayPal tells of it.
    fn post(&self, now: Timestamp) -> Post {
        let request = CheckoutRequest {
            reference: "ORD-1".to_owned(),
            invoice_id: "INV-1".to_owned(),
            amount: crate::world::usd("25.00"),
            description: "A mug".to_owned(),
            return_url: "http://127.0.0.1/ok".to_owned(),
            cancel_url: "http://127.0.0.1/no".to_owned(),
            shipping: None,
        };
        let opened = self.paypal("x").create_order(now, "key-1", &create_order_body(&request).unwrap()).unwrap();
        self.sandbox.control("POST", &format!("paypal/orders/{}/approve", opened.id), &json!({})).unwrap();
        let told = self.sandbox.control("GET", "paypal/events", &json!({})).unwrap().value();
        Post::of(&told["events"][0])
    }
}

/// One thing about a good delivery is not as it was.
fn mutated(good: &Post, foreign: &str, n: usize, numbers: &mut Numbers) -> Post {
    let mut bad = good.clone();
    let mut flip = |text: &mut Vec<u8>| {
        let at = numbers.below(text.len());
        text[at] ^= 1 << numbers.below(7);
    };
    let mut flip_header = |post: &mut Post, name: &str| {
        let mut bytes = post.header(name).clone().into_bytes();
        flip(&mut bytes);
        *post.header(name) = String::from_utf8_lossy(&bytes).into_owned();
    };
    let own = bad.header("paypal-cert-url").clone();
    let path = own.split_once("/paypal").unwrap().1.to_owned();
    match n % 10 {
        0 | 1 => flip(&mut bad.body),
        2 | 3 => flip_header(&mut bad, "paypal-transmission-sig"),
        4 => flip_header(&mut bad, "paypal-transmission-id"),
        5 => flip_header(&mut bad, "paypal-transmission-time"),
        6 => flip_header(&mut bad, "paypal-auth-algo"),
        7 => {
            *bad.header("paypal-auth-algo") = ["SHA1withRSA", "none", "SHA256withECDSA", "HS256"][n / 10 % 4].to_owned()
        }
        8 => {
            let host = foreign.to_owned();
            *bad.header("paypal-cert-url") = [
                format!("http://{host}/paypal{path}"),
                format!("https://{host}{path}"),
                format!("{own}@{host}/"),
                own.replace("http://", &format!("http://{host}@")),
                own.replace("http://", &format!("http://{host}/")),
                format!("//{host}/paypal{path}"),
                format!("{own}?http://{host}"),
                format!("{own}/../../../{host}"),
            ][n / 10 % 8]
                .clone();
        }
        _ => {
            let name = ["paypal-transmission-sig", "paypal-transmission-id", "paypal-transmission-time"][n / 10 % 3];
            match n / 30 % 3 {
                0 => bad.headers.retain(|(n, _)| n != name),
                1 => bad.header(name).push(' '),
                _ => {
                    let again = bad.header(name).clone();
                    bad.headers.push((name.to_owned(), again));
                }
            }
        }
    }
    bad
}

#[test]
fn f20_of_ten_thousand_changed_deliveries_none_is_taken_and_nobody_else_is_asked() {
    let doors = doors();
    let now = Timestamp::now();
    let good = doors.post(now);
    let ours = doors.paypal(postsale::sandbox::paypal::WEBHOOK_ID);
    assert!(ours.hear(now, &good.delivery()).is_ok(), "unchanged it is taken");
    let mut numbers = Numbers(20);
    for n in 0..10_000 {
        let bad = mutated(&good, &doors.foreign, n, &mut numbers);
        let heard = ours.hear(now, &bad.delivery());
        assert!(heard.is_err(), "{n}: {:?} {}", bad.headers, String::from_utf8_lossy(&bad.body));
    }
    for id in ["1JE4291016473214C", "WEBHOOK_ID", "", "7PW31285X4908143h"] {
        assert!(doors.paypal(id).hear(now, &good.delivery()).is_err(), "meant for another webhook than {id}");
    }
    let late = now + SignedDuration::from_hours(73);
    assert_eq!(ours.hear(late, &good.delivery()), Err(NotHeard::Forged("it is more than three days old")));
    assert!(ours.hear(now, &good.delivery()).is_ok(), "and it is still taken");
    assert_eq!(doors.knocks.load(Ordering::SeqCst), 0, "somebody else was asked");
}

#[test]
fn a_delivery_that_cannot_be_stored_is_not_acknowledged() {
    let world = World::with(policy());
    world.paid_order();
    world.run_for(minutes(1));
    let event = post(&world, "PAYMENT.CAPTURE.COMPLETED");
    let failed: Result<(), StoreError> = world.engine.store.write(|tx| {
        // The one table it has to be written to is gone for the length of this test.
        tx.execute_batch("ALTER TABLE inbox_bodies RENAME TO elsewhere").map_err(StoreError::from)
    });
    failed.unwrap();
    let heard = world.engine.webhook(&event.delivery());
    assert!(matches!(heard, Err(Unheard::Store(_))), "{heard:?}");
    assert_eq!(stored(&world, &event), 0, "nothing of it is stored by half");
}
