//! The supplier login: begun in the browser, ended by a code, refreshed once for everybody, watched until its end. And
//! the clocks of the two sides, which every call is signed with.

use crate::judge::End;
use crate::money::{days, minutes};
use crate::tap::Moment;
use crate::world::{World, buyer, policy};
use jiff::SignedDuration;
use postsale::domain::guards::Approval;
use postsale::domain::policy::Policy;
use postsale::engine::ALIEXPRESS;
use postsale::engine::login::{NotIn, begin, outlook};
use postsale::gateway::CallError;
use postsale::gateway::aliexpress::AliExpress;
use postsale::sandbox::aliexpress::APP_KEY;
use postsale::sandbox::{self, KINDS, Reply};
use postsale::store::{self, tokens};
use serde_json::json;
use std::sync::Arc;

/// The seller agrees on the consent page: the address that his browser is sent to.
fn consent(world: &World) -> (String, String) {
    let state = begin(&world.engine.store, world.now()).unwrap();
    let url = AliExpress::consent_url("http://far", APP_KEY, "https://shop.tld/aliexpress/callback", &state);
    let (path, query) = url.strip_prefix("http://far").unwrap().split_once('?').unwrap();
    let (path, query) = (format!("/aliexpress{path}"), query.to_owned());
    let request = sandbox::Request { method: "GET".to_owned(), path, query, ..sandbox::Request::default() };
    let reply = world.plug.sides().answer(&request, world.now().as_millisecond());
    let (Reply::Whole(answer) | Reply::Broken(_, answer)) = reply;
    let location = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
    let location = location.unwrap_or_else(|| panic!("{} {:?}", answer.status, answer.headers)).1.clone();
    let query = location.split_once('?').unwrap().1.to_owned();
    let value = |name: &str| {
        let pair = query.split('&').find(|pair| pair.starts_with(&format!("{name}="))).unwrap();
        pair.split_once('=').unwrap().1.to_owned()
    };
    assert_eq!(value("state"), state, "{location}");
    (state, value("code"))
}

fn access(world: &World) -> String {
    world.engine.store.read(|c| tokens::find(c, ALIEXPRESS)).unwrap().unwrap().access_token
}

#[test]
pub fn a_consent_becomes_a_login_once() {
    let world = World::penniless();
    let before = access(&world);
    let (state, code) = consent(&world);
    // A guess from outside ends nothing.
    assert!(matches!(world.engine.finish_login("guess", &code), Err(NotIn::OtherState)));
    let login = world.engine.finish_login(&state, &code).unwrap();
    assert_ne!(access(&world), before);
    assert!(login.refresh_expires_at.unwrap() > login.access_expires_at);
    assert!(matches!(world.engine.finish_login(&state, &code), Err(NotIn::OtherState)), "a state is good once");
    let order = world.paid_order();
    world.run_for(days(1));
    assert_eq!(world.judge(&order, "after a login"), End::Closed);
}

#[test]
pub fn a_code_lives_three_minutes_and_a_state_an_hour() {
    let world = World::penniless();
    let before = access(&world);
    let (state, code) = consent(&world);
    world.wind(minutes(4));
    let refused = world.engine.finish_login(&state, &code);
    let Err(NotIn::Call(CallError::Refused { code, .. })) = refused else { panic!("{refused:?}") };
    assert_eq!((code.as_str(), access(&world)), ("InvalidCode", before), "the old login stands");
    let outlook = world.engine.store.read(|c| outlook(c, world.now())).unwrap();
    assert!(outlook.trouble.unwrap().contains("three minutes"));
    let (state, code) = consent(&world);
    world.wind(minutes(61));
    assert!(matches!(world.engine.finish_login(&state, &code), Err(NotIn::OtherState)));
}

/// While one thread refreshes, others write to the database and want the login too: nobody waits for ever, and the
/// supplier is asked once.
#[test]
pub fn f17_one_refresh_for_all_and_nobody_waits_for_it_in_a_transaction() {
    let world = World::penniless();
    world.switch("rotate_refresh_token", json!(true));
    world.wind(world.login_life() - minutes(10));
    let report = |n: u32| {
        let mut report = world.report(&format!("100{n}"));
        report.buyer = buyer(n);
        world.take(&report)
    };
    let orders: Vec<_> = (1..=4).map(report).collect();
    let engine = Arc::clone(&world.engine);
    let first = orders[0].clone();
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("aliexpress.token", Moment::Before) {
            let (engine, first) = (Arc::clone(&engine), first.clone());
            let yes = Approval { quote_hash: None, overrides: Vec::new(), expires_at: None };
            let other = std::thread::spawn(move || {
                let once = crate::by_hand::once("during");
                let _ = engine.approve_once(&once, &first, &yes, None, "tester");
                let _ = engine.plan(&first);
            });
            other.join().unwrap();
        }
    });
    std::thread::scope(|scope| {
        for order in &orders {
            scope.spawn(|| world.engine.advance(order).unwrap());
        }
    });
    world.tap.leave_alone();
    assert_eq!(world.tap.count("aliexpress.token"), 1);
    world.run_for(days(3));
    assert_eq!(world.book("purchases").len(), 4, "{}", world.show(&orders[0]));
}

/// A person logs in while the old login is being refreshed: the new one stands.
#[test]
pub fn a_new_login_is_not_overwritten_by_a_refresh() {
    let world = World::penniless();
    world.wind(world.login_life() - minutes(10));
    let order = world.take(&world.report("1001"));
    let engine = Arc::clone(&world.engine);
    world.tap.meddle(move |call, moment| {
        if (call, moment) == ("aliexpress.token", Moment::After) {
            let now = engine.now();
            let new = tokens::Login {
                account: None,
                access_token: "new-access".to_owned(),
                refresh_token: Some("new-refresh".to_owned()),
                access_expires_at: now + days(30),
                refresh_expires_at: Some(now + days(60)),
            };
            engine.store.write(|tx| tokens::begin(tx, ALIEXPRESS, &new, now)).unwrap();
        }
    });
    world.run_for(minutes(1));
    assert_eq!(access(&world), "new-access", "{}", world.show(&order));
}

/// However the answer to a consent is spoilt: either the new login stands whole or the old one does, nothing is bought in
/// between, and another consent goes through.
#[test]
pub fn f10_every_reply_to_a_consent() {
    for (reply, when) in KINDS.iter().flat_map(|reply| ["before_commit", "after_commit"].map(|when| (*reply, when))) {
        let world = World::penniless();
        let before = access(&world);
        world.fault("aliexpress.token", reply, when, 1);
        let (state, code) = consent(&world);
        let is_in = world.engine.finish_login(&state, &code).is_ok();
        assert_eq!(access(&world) == before, !is_in, "{reply} {when}");
        if is_in {
            // Told of tokens that are somebody else's, or of true ones.
            assert!(["missing_fields", "other_id"].contains(&reply) || reply.starts_with("status_"), "{reply} {when}");
        }
        let (state, code) = consent(&world);
        world.engine.finish_login(&state, &code).unwrap();
        let order = world.paid_order();
        world.run_for(days(1));
        assert_eq!(world.judge(&order, &format!("{reply} {when}")), End::Closed);
    }
}

/// The consent ends: told days ahead and once a day, then orders are held, and a login lets them go on.
#[test]
pub fn f17_the_end_of_the_consent_is_seen_coming() {
    for rotates in [false, true] {
        let world = World::penniless();
        world.switch("rotate_refresh_token", json!(rotates));
        assert_eq!(world.engine.watch_login().unwrap(), None);
        world.wind(days(29) + SignedDuration::from_hours(23) + minutes(45));
        let order = world.paid_order();
        world.run_for(minutes(5));
        assert_eq!(world.tap.count("aliexpress.token"), 1, "refreshed before its end: {}", world.show(&order));
        world.wind(days(24));
        let said = world.engine.watch_login().unwrap().expect("six days are left");
        assert!(said.contains("ends in 6 days"), "{said}");
        world.engine.watch_login().unwrap();
        let all = world.engine.store.read(|c| store::views::order(c, &order)).unwrap();
        assert!(all.is_some());
        world.wind(days(7));
        let late = world.paid_order_of(2);
        world.run_for(minutes(30));
        assert!(world.waits_for(&late).starts_with("no_token"), "{}", world.show(&late));
        assert_eq!(world.book("captures").len(), 1, "nobody is charged for what cannot be bought");
        let (state, code) = consent(&world);
        world.engine.finish_login(&state, &code).unwrap();
        world.run_for(minutes(30));
        assert_eq!(world.book("purchases").len(), 2, "{}", world.show(&late));
        assert_eq!(world.engine.watch_login().unwrap(), None);
    }
}

/// A refresh that is refused is not tried again and again.
#[test]
pub fn f16_a_refused_refresh_is_no_storm() {
    let world = World::penniless();
    world.fault_with(json!({ "call": "aliexpress.token", "reply": "gateway_code", "when": "before_commit",
        "error_code": "IllegalRefreshToken", "times": 1_000_000 }));
    world.wind(world.login_life() + minutes(1));
    let order = world.take(&world.report("1001"));
    for _ in 0..60 {
        world.run_for(minutes(1));
        world.engine.run_due().unwrap();
    }
    assert!(world.tap.count("aliexpress.token") <= 3, "{} calls", world.tap.count("aliexpress.token"));
    assert!(world.waits_for(&order).starts_with("no_token"), "{}", world.show(&order));
    let trouble = world.engine.store.read(|c| outlook(c, world.now())).unwrap().trouble.unwrap();
    assert!(trouble.contains("the consent is over"), "{trouble}");
}

/// No token stands in the timeline, in the journal or in the lines of calls.
#[test]
pub fn tokens_are_written_down_in_one_place() {
    let world = World::penniless();
    let (state, code) = consent(&world);
    world.engine.finish_login(&state, &code).unwrap();
    let order = world.paid_order();
    world.run_for(days(1));
    let login = world.engine.store.read(|c| tokens::find(c, ALIEXPRESS)).unwrap().unwrap();
    assert!(!format!("{login:?}").contains(&login.access_token));
    let journal = std::fs::read_to_string(world.data_dir().join("intents.log")).unwrap();
    let shown = world.show(&order);
    for secret in [&login.access_token, login.refresh_token.as_ref().unwrap(), &state] {
        assert!(!journal.contains(secret) && !shown.contains(secret));
    }
}

/// The supplier's clock goes three hours ahead: calls are signed by it, nothing is bought while the two are that far
/// apart, and it is bought once as soon as they agree.
#[test]
pub fn f18_nothing_is_bought_while_the_clocks_are_apart() {
    let world = World::penniless_with(Policy { is_auto_pay: false, ..policy() });
    let ahead = |seconds: i64| {
        let answer = world.plug.control("POST", "/__control/clock", &json!({ "offsetSeconds": seconds }));
        assert_eq!(answer.0, 200);
    };
    ahead(3 * 3600);
    let order = world.take(&world.report("1001"));
    world.run_for(SignedDuration::from_hours(2));
    assert!(world.book("purchases").is_empty(), "{}", world.show(&order));
    assert!(world.timeline(&order).iter().any(|line| line.contains("quoted")), "{}", world.show(&order));
    assert!(world.waits_for(&order).starts_with("CLOCK SUSPECT"), "{}", world.show(&order));
    ahead(30);
    world.run_for(minutes(60));
    assert_eq!(world.book("purchases").len(), 1, "{}", world.show(&order));
}
