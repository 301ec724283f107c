//! Each field of the summary in both worlds, and each way in which it is not Yes. The evidence is made by hand, so that
//! one thing at a time is missing from it.

use super::*;
use crate::assure::integrity::SelfTest;
use crate::domain::money::{Currency, Money, Rate};
use crate::domain::order::OrderId;
use crate::domain::policy::*;
use crate::domain::trade::{ClockState, FarSide};
use crate::store::road::Leg;
use std::time::Duration;

const COMMIT: &str = "0123456789abcdef";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn usd(text: &str) -> Money {
    Money::parse(text, Currency::new("USD").unwrap()).unwrap()
}

fn settings(mode: Mode, data_dir: PathBuf) -> Settings {
    let rate = Rate::parse_percent("10").unwrap();
    Settings {
        mode,
        shop: "shop".to_owned(),
        policy: Policy {
            currency: Currency::new("USD").unwrap(),
            purchasing: Purchasing::Automatic,
            first_orders_manual: 0,
            is_shadow: false,
            cancel_buffer: SignedDuration::ZERO,
            quote_max_age: SignedDuration::from_mins(15),
            look_again: vec![SignedDuration::from_mins(5)],
            is_auto_pay: true,
            limits: Limits {
                orders_per_day: 20,
                spend_per_day: usd("500"),
                purchase_max: usd("200"),
                profit_min: usd("1"),
                margin_min: Rate::parse_percent("5").unwrap(),
                payouts_per_day: 40,
                payout_max: usd("1000"),
                refunds_per_day: 10,
                pay_out_per_day: usd("1000"),
                free_capital: None,
            },
            fx: crate::domain::fx::FxPolicy {
                max_age: SignedDuration::from_hours(72),
                margin: Rate::parse_percent("3").unwrap(),
            },
            payouts: Some(PayoutPolicy {
                commission: CommissionRule { rate, base: CommissionBase::GrossProfit },
                after: ReleaseEvent::Delivered,
                hold_days: 14,
            }),
            paid_by: PaidBy::Owner,
        },
        platform: None,
        seller: None,
        merchant_id: None,
        public_url: String::new(),
        paypal: FarSide::Ready,
        aliexpress: FarSide::Ready,
        workers: 1,
        tick: Duration::from_secs(1),
        data_dir,
    }
}

/// Evidence in which everything is as it should be.
struct World {
    at: Installation,
    evidence: Evidence,
    seen: Seen,
    _dir: tempfile::TempDir,
}

fn world(mode: Mode) -> World {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("intents.log"), "").unwrap();
    let now = at("2030-01-31T12:00:00Z");
    let installation = Installation {
        project: "postsale".to_owned(),
        service: "host".to_owned(),
        settings: settings(mode, dir.path().to_owned()),
        paypal: "PayPal far".to_owned(),
        aliexpress: "AliExpress far".to_owned(),
        integrity_every: SignedDuration::from_mins(15),
        reconcile_every: SignedDuration::from_hours(1),
        journal_mirror: None,
        book: Book::Nowhere,
        not_built: Vec::new(),
        typed: " --data-dir d".to_owned(),
    };
    let service = Service {
        url: "http://127.0.0.1:1".to_owned(),
        commit: COMMIT.to_owned(),
        unknown_path: Ok(404),
        check: Ok(200),
        checked: None,
    };
    let seen = Seen { service: Some(Ok(service)), book: None, far_clock: Some(now) };
    World { at: installation, evidence: evidence(now, mode), seen, _dir: dir }
}

fn evidence(now: Timestamp, mode: Mode) -> Evidence {
    let question = integrity::Question { now, build: COMMIT, is_deep: false, ladder: SignedDuration::ZERO };
    let mut answer = Answer::unasked(&question);
    answer.verdict = "PROVEN".to_owned();
    answer.overall_financial_integrity_score = Some(100);
    answer.self_test = SelfTest { planted: 30, caught: 30 };
    let line = |source: &'static str| {
        let line = LogLine {
            at: now,
            source: source.to_owned(),
            operation: "op".to_owned(),
            status: Some(200),
            issue: None,
            debug_id: Some("dbg1".to_owned()),
            request_id: None,
            took_ms: 1,
        };
        Lines { source, newest: Some(line.clone()), answered: Some(line), login_refused: None }
    };
    let leg = |recipient: &str, id: &str| Leg {
        recipient: recipient.to_owned(),
        is_done: true,
        status: Some("SUCCESS".to_owned()),
        transaction_id: Some(id.to_owned()),
    };
    let job = JobRow {
        name: "integrity".to_owned(),
        due_at: now,
        started_at: Some(now),
        finished_at: Some(now),
        result: None,
        is_ok: Some(true),
    };
    let second = SecondLook {
        mode: Some(mode.word().to_owned()),
        soundness: "ok".to_owned(),
        dangling: 0,
        payout_executed: Some(true),
    };
    Evidence {
        now,
        build: COMMIT.to_owned(),
        schema: Schema { found: 19, known: 19 },
        integrity: Some(answer),
        jobs: vec![job],
        late: Vec::new(),
        road: Some(Road {
            order: OrderId("order1".to_owned()),
            origin: "checkout".to_owned(),
            stage: "closed".to_owned(),
            waits_for: String::new(),
            capture: Some("CAP1".to_owned()),
            purchases: vec![("8100001".to_owned(), true)],
            sold_at: Some(now),
            legs: 2,
            payouts: vec![leg("platform", "TXN1"), leg("seller", "TXN2")],
        }),
        second: Ok(second),
        lines: SOURCES.into_iter().map(line).collect(),
        token: Some((now + SignedDuration::from_hours(24 * 30), true)),
        permissions: Some("payouts refunds search webhooks".to_owned()),
        are_payouts_refused: false,
        outlook: crate::engine::login::Outlook { trouble: None, ends: None },
        payees: vec![("platform", true), ("seller", true)],
        rung_at: Some(now),
        unplaced: 0,
        is_stopped: false,
        restored: None,
        clock: Some(ClockState::Good),
        compared: Some((now, SignedDuration::from_secs(1))),
        reconciled: reconciled(now),
        drill: Some(Drill {
            build: COMMIT.to_owned(),
            at: now,
            result: "360/360, 0 double purchases, 0 double payouts".to_owned(),
            is_good: true,
        }),
        books: Ok(Books { rows: 5, differences: Vec::new(), agrees: true }),
    }
}

/// Both statements read to the present, and nothing differs.
fn reconciled(now: Timestamp) -> reconcile::Answer {
    let feed = |provider: &str| reconcile::FeedLine {
        provider: provider.to_owned(),
        since: now,
        known_through: Some(now),
        asked_at: Some(now),
        read_at: Some(now),
        state: "ok".to_owned(),
        detail: String::new(),
    };
    let amount = || "10.00".to_owned();
    let balance = reconcile::BalanceLine {
        provider: "paypal".to_owned(),
        currency: "USD".to_owned(),
        as_of: now,
        read_at: now,
        total: amount(),
        available: amount(),
        withheld: None,
        books: amount(),
    };
    reconcile::Answer {
        known_through: integrity::KnownThrough { paypal: Some(now), aliexpress: Some(now) },
        feeds: vec![feed("paypal"), feed("aliexpress")],
        balances: vec![balance],
        findings: Vec::new(),
    }
}

fn finding(now: Timestamp) -> reconcile::FindingLine {
    reconcile::FindingLine {
        id: 1,
        provider: "paypal".to_owned(),
        kind: "missing_there".to_owned(),
        reference: "CAP1".to_owned(),
        order_id: None,
        amount: None,
        currency: None,
        first_seen_at: now,
        last_seen_at: now,
        resolved_at: None,
        detail: String::new(),
    }
}

/// The report after one thing was changed.
fn with(mode: Mode, change: impl FnOnce(&mut World)) -> Report {
    let mut world = world(mode);
    change(&mut world);
    compose(&world.at, &world.evidence, &world.seen)
}

fn road(world: &mut World) -> &mut Road {
    world.evidence.road.as_mut().unwrap()
}

fn service(world: &mut World) -> &mut Service {
    world.seen.service.as_mut().unwrap().as_mut().unwrap()
}

#[test]
fn with_everything_in_place_production_is_ready() {
    let report = with(Mode::Production, |_| {});
    let summary = &report.summary;
    assert_eq!(report.blockers, []);
    assert_eq!(report.outcome(), Outcome::Ready);
    assert!(summary.system_ready_for_real_customer_test.starts_with("TRUE"));
    assert_eq!(summary.rehearsal_passed, None);
    for (value, proof) in [
        (&summary.migration_applied, "19"),
        (&summary.real_order_created, "CAP1 at PayPal far"),
        (&summary.real_purchase_executed, "8100001 at AliExpress far"),
        (&summary.real_sale_created, "order1"),
        (&summary.payout_executed, "TXN2 at PayPal far"),
        (&summary.database_flag_confirmed, "order1"),
    ] {
        assert!(value.starts_with("Yes; ") && value.contains(proof), "{value}");
    }
    assert!(summary.integrity_score.starts_with("100; PROVEN"));
    assert_eq!(report.next_steps.last().unwrap().command, "postsale --data-dir d verify");
}

/// Each field, one thing missing at a time.
#[test]
fn l6_each_field_can_be_something_else_than_yes() {
    fn check(field: fn(&Summary) -> &String, begins: &str, names: &str, change: impl FnOnce(&mut World)) {
        let report = with(Mode::Production, change);
        let value = field(&report.summary);
        assert!(value.starts_with(begins) && value.contains(names), "{value}, wanted {begins} … {names}");
        if !begins.starts_with("N/A") {
            let ready = &report.summary.system_ready_for_real_customer_test;
            assert!(ready.starts_with("FALSE; wanting: "), "{value}: {ready}");
            assert_ne!(report.outcome(), Outcome::Ready);
            assert!(!report.blockers.is_empty());
        }
    }
    let judged = |w: &mut World, score, verdict: &str| {
        let answer = w.evidence.integrity.as_mut().unwrap();
        (answer.overall_financial_integrity_score, answer.verdict) = (score, verdict.to_owned());
        answer.checks = vec![integrity::Line {
            id: "paid_twice".to_owned(),
            title: String::new(),
            group: String::new(),
            weight: 1,
            status: if score.is_some() {
                crate::assure::score::Status::Fail
            } else {
                crate::assure::score::Status::Pass
            },
            violations: 1,
            detail: None,
            found: Vec::new(),
            action: None,
        }];
    };
    let flag = |w: &mut World, flag| w.evidence.second.as_mut().unwrap().payout_executed = flag;
    check(|s| &s.migration_applied, "No;", "version 18", |w| w.evidence.schema.found = 18);
    check(|s| &s.integrity_score, "UNKNOWN;", "no check", |w| w.evidence.integrity = None);
    check(|s| &s.integrity_score, "29; VIOLATED", "paid_twice", |w| judged(w, Some(29), "VIOLATED"));
    check(|s| &s.integrity_score, "UNKNOWN; NOT_PROVEN", "2030-01-31", |w| judged(w, None, "NOT_PROVEN"));
    check(|s| &s.real_order_created, "No;", "no order", |w| w.evidence.road = None);
    check(|s| &s.real_order_created, "PENDING;", "order1", |w| road(w).capture = None);
    check(|s| &s.real_purchase_executed, "No;", "order1", |w| road(w).purchases.clear());
    check(|s| &s.real_purchase_executed, "PENDING;", "8100001", |w| road(w).purchases[0].1 = false);
    check(|s| &s.real_sale_created, "No;", "order1", |w| road(w).sold_at = None);
    check(|s| &s.payout_executed, "No;", "order1", |w| road(w).sold_at = None);
    check(|s| &s.payout_executed, "PENDING;", "TXN1", |w| road(w).payouts.truncate(1));
    check(|s| &s.payout_executed, "PENDING;", "order1", |w| road(w).payouts.clear());
    check(|s| &s.payout_executed, "PENDING;", "TXN2", |w| road(w).payouts[0].transaction_id = None);
    check(
        |s| &s.payout_executed,
        "No;",
        "seller DENIED TXN2",
        |w| {
            let leg = &mut road(w).payouts[1];
            (leg.is_done, leg.status) = (false, Some("DENIED".to_owned()));
        },
    );
    check(|s| &s.payout_executed, "N/A;", "PayPal far", |w| w.at.settings.policy.payouts = None);
    check(|s| &s.database_flag_confirmed, "UNKNOWN;", "gone", |w| w.evidence.second = Err("gone".to_owned()));
    check(|s| &s.database_flag_confirmed, "PENDING;", "order1", |w| flag(w, Some(false)));
    check(|s| &s.database_flag_confirmed, "No;", "order1", |w| flag(w, None));
}

/// A drill counts for the build that was drilled; a sandbox may do without, a real customer may not.
#[test]
fn the_last_drill_of_this_build_is_shown() {
    fn check(mode: Mode, status: Status, value: &str, change: impl FnOnce(&mut Option<Drill>)) {
        let report = with(mode, |world| change(&mut world.evidence.drill));
        let row = report.row("drill").unwrap();
        assert_eq!((row.status, row.value.starts_with(value)), (status, true), "{row:?}");
        assert_eq!(row.fix.is_none(), status.is_green(), "{row:?}");
    }
    fn of(drill: &mut Option<Drill>) -> &mut Drill {
        drill.as_mut().unwrap()
    }
    check(Mode::Production, Status::Ok, "360/360", |_| {});
    check(Mode::Production, Status::Fail, "359/360", |d| {
        (of(d).is_good, of(d).result) = (false, "359/360, 1 double purchases, 0 double payouts".to_owned());
    });
    check(Mode::Production, Status::Pending, "the last drill", |d| of(d).build = "fedcba9876543210".to_owned());
    check(Mode::Production, Status::Pending, "this installation has not", |d| *d = None);
    check(Mode::Sandbox, Status::Skipped, "this installation has not", |d| *d = None);
    check(Mode::Sandbox, Status::Fail, "360/360", |d| of(d).is_good = false);
}

/// Every row can stop a real customer, and each names what to do.
#[test]
fn l3_one_row_that_is_not_green_is_not_ready() {
    let check = |id: &str, status: Status, change: fn(&mut World)| {
        let report = with(Mode::Production, change);
        let row = report.row(id).unwrap_or_else(|| panic!("there is no row {id}"));
        assert_eq!((row.status, row.fix.is_some()), (status, true), "{id}: {}", row.value);
        assert!(report.summary.system_ready_for_real_customer_test.contains(id), "{id}");
    };
    check("commit", Status::Fail, |w| w.evidence.build = format!("{COMMIT}-dirty"));
    check("answers", Status::Unknown, |w| w.seen.service = None);
    check("answers", Status::Unknown, |w| w.seen.service = Some(Err("silent".to_owned())));
    check("answers", Status::Fail, |w| service(w).commit = "another".to_owned());
    check("unknown_path_is_404", Status::Fail, |w| service(w).unknown_path = Ok(401));
    check("integrity_check_is_open", Status::Fail, |w| service(w).check = Ok(401));
    check("jobs_on_time", Status::Fail, |w| w.evidence.late = vec!["integrity".to_owned()]);
    check("jobs_on_time", Status::Fail, |w| w.evidence.jobs[0].is_ok = Some(false));
    check("jobs_on_time", Status::Unknown, |w| w.evidence.jobs.clear());
    check("planted_faults", Status::Fail, |w| w.evidence.integrity.as_mut().unwrap().self_test.caught = 29);
    check("check_is_fresh", Status::Unknown, |w| w.evidence.now += SignedDuration::from_hours(2));
    check("checked_by_this_build", Status::Unknown, |w| w.evidence.integrity.as_mut().unwrap().build = "x".to_owned());
    check("goes_on", Status::Fail, |w| road(w).stage = "held".to_owned());
    check("paypal_lines", Status::Pending, |w| w.evidence.lines[1].newest = None);
    check("file_is_sound", Status::Fail, |w| w.evidence.second.as_mut().unwrap().soundness = "torn".to_owned());
    check("nothing_dangles", Status::Fail, |w| w.evidence.second.as_mut().unwrap().dangling = 1);
    check("mode", Status::Fail, |w| w.evidence.second.as_mut().unwrap().mode = Some("sandbox".to_owned()));
    check("paypal_configured", Status::Fail, |w| w.at.settings.paypal = FarSide::NoToken);
    check("paypal_permissions", Status::Unknown, |w| w.evidence.permissions = None);
    check("paypal_permits_payouts", Status::Fail, |w| w.evidence.permissions = Some("refunds search".to_owned()));
    check("paypal_permits_payouts", Status::Fail, |w| w.evidence.are_payouts_refused = true);
    check("paypal_permits_payouts", Status::Fail, |w| w.evidence.permissions = Some(String::new()));
    check("paypal_authenticated", Status::Unknown, |w| w.evidence.lines[1].answered = None);
    check("paypal_authenticated", Status::Fail, |w| {
        w.evidence.lines[1].login_refused = w.evidence.lines[1].newest.clone();
    });
    check("aliexpress_authenticated", Status::Unknown, |w| {
        w.evidence.lines[2].answered.as_mut().unwrap().at = at("2030-01-30T11:00:00Z");
    });
    check("aliexpress_token", Status::Fail, |w| w.evidence.token = None);
    check("aliexpress_token", Status::Fail, |w| w.evidence.token = Some((at("2030-01-31T11:00:00Z"), false)));
    check("payees", Status::Fail, |w| w.evidence.payees[1].1 = false);
    check("limits", Status::Fail, |w| w.at.settings.policy.limits.orders_per_day = 0);
    check("paypal_balance", Status::Fail, |w| w.evidence.reconciled.feeds[0].state = "no_permission".to_owned());
    check("paypal_balance", Status::Unknown, |w| w.evidence.reconciled.balances.clear());
    check("paypal_balance", Status::Unknown, |w| {
        w.evidence.reconciled.balances[0].read_at = at("2030-01-31T09:00:00Z")
    });
    check("reconciled", Status::Fail, |w| w.evidence.reconciled.findings.push(finding(w.evidence.now)));
    check("reconciled", Status::Unknown, |w| w.evidence.reconciled.feeds.truncate(1));
    check("reconciled", Status::Unknown, |w| w.evidence.reconciled.feeds[0].known_through = None);
    check("reconciled", Status::Unknown, |w| w.evidence.reconciled.feeds[1].read_at = Some(at("2030-01-31T09:00:00Z")));
    check("reconciled", Status::Unknown, |w| w.evidence.reconciled.feeds[0].state = "failing".to_owned());
    check("webhook_seen", Status::Pending, |w| w.evidence.rung_at = None);
    check("webhook_seen", Status::Unknown, |w| {
        w.evidence.rung_at = Some(w.evidence.now - SignedDuration::from_hours(24 * 31));
    });
    check("stop", Status::Fail, |w| w.evidence.is_stopped = true);
    check("not_restored", Status::Fail, |w| w.evidence.restored = Some("shorter".to_owned()));
    check("sending", Status::Fail, |w| w.at.settings.policy.is_shadow = true);
    check("clock", Status::Fail, |w| w.evidence.clock = Some(ClockState::Suspect));
    check("clock", Status::Fail, |w| w.seen.far_clock = Some(at("2030-01-31T12:03:00Z")));
}

#[test]
fn what_is_not_built_yet_is_said_and_not_judged() {
    let report = with(Mode::Production, |w| w.at.not_built = vec![("backups", "copy it yourself")]);
    let said = &report.summary.system_ready_for_real_customer_test;
    assert!(said.starts_with("TRUE; ") && said.ends_with("; not built yet, so not judged: backups"), "{said}");
    let step = &report.next_steps[0];
    assert!(step.what.starts_with("backups are not built yet") && step.command == "copy it yourself", "{step:?}");
    assert_eq!(report.blockers, []);
    let whole = with(Mode::Production, |_| {});
    assert!(!whole.summary.system_ready_for_real_customer_test.contains("not built"));
}

/// The command asks no far side itself: what the engine keeps of the clock is the evidence.
#[test]
fn the_clock_is_judged_by_what_the_engine_keeps_where_nobody_was_heard() {
    let check = |state: Option<ClockState>, compared: Option<(i64, i64)>, status: Status, says: &str| {
        let report = with(Mode::Production, |w| {
            w.seen.far_clock = None;
            w.evidence.clock = state;
            let of = |(ago, ahead)| (w.evidence.now - SignedDuration::from_mins(ago), SignedDuration::from_secs(ahead));
            w.evidence.compared = compared.map(of);
        });
        let row = report.row("clock").expect("the row is always there");
        assert_eq!(row.status, status, "{row:?}");
        assert!(row.value.contains(says), "{row:?}");
        assert_eq!(report.outcome() == Outcome::Ready, status.is_green(), "{row:?}");
        assert_eq!(report.summary.system_ready_for_real_customer_test.starts_with("TRUE"), status.is_green());
    };
    use ClockState::{Good, Suspect, Unproven};
    check(Some(Good), Some((5, -3)), Status::Ok, "-3 s ahead of it at 2030-01-31T11:55:00Z");
    check(Some(Good), Some((5, 121)), Status::Fail, "121 s ahead");
    check(Some(Good), Some((1500, 0)), Status::Unknown, "last compared with a far side's at 2030-01-30T11:00:00Z");
    check(Some(Good), None, Status::Unknown, "not compared");
    check(Some(Suspect), Some((5, 0)), Status::Fail, "CLOCK SUSPECT, nothing is sent");
    check(Some(Suspect), None, Status::Fail, "CLOCK SUSPECT, nothing is sent");
    check(Some(Unproven), Some((5, 0)), Status::Unknown, "0 s ahead");
    check(None, None, Status::Pending, "not compared");
    let off = with(Mode::Production, |w| {
        (w.at.settings.paypal, w.at.settings.aliexpress) = (FarSide::Off, FarSide::Off);
        (w.seen.far_clock, w.evidence.clock, w.evidence.compared) = (None, Some(Unproven), None);
    });
    assert_eq!(off.row("clock").unwrap().status, Status::Skipped);
}

#[test]
fn in_sandbox_mode_nothing_is_real_and_the_rehearsal_is_judged() {
    let report = with(Mode::Sandbox, |_| {});
    let summary = &report.summary;
    for value in [
        &summary.real_order_created,
        &summary.real_purchase_executed,
        &summary.real_sale_created,
        &summary.payout_executed,
    ] {
        assert!(value.starts_with("No; rehearsed: "), "{value}");
    }
    assert!(summary.payout_executed.contains("TXN1") && summary.payout_executed.contains("PayPal far"));
    assert!(summary.system_ready_for_real_customer_test.starts_with("FALSE"));
    assert!(summary.rehearsal_passed.as_ref().unwrap().starts_with("TRUE"));
    assert_eq!(report.outcome(), Outcome::RehearsalPassed);
    assert_eq!(report.blockers.len(), 1, "only the mode: {:?}", report.blockers);

    let check = |begins: &str, outcome: Outcome, change: fn(&mut World)| {
        let report = with(Mode::Sandbox, change);
        let passed = report.summary.rehearsal_passed.clone().unwrap();
        assert!(passed.starts_with(begins), "{passed}");
        assert_eq!(report.outcome(), outcome, "{passed}");
    };
    check("FALSE", Outcome::NotGood, |w| {
        let differences = vec!["payout TXN1".to_owned()];
        w.evidence.books = Ok(Books { rows: 5, differences, agrees: false });
    });
    check("UNKNOWN", Outcome::CouldNotTell, |w| w.evidence.books = Err("elsewhere".to_owned()));
    check("FALSE", Outcome::CouldNotTell, |w| w.evidence.books = Ok(Books::default()));
    check("FALSE", Outcome::CouldNotTell, |w| road(w).payouts.truncate(1));
    check("UNKNOWN", Outcome::CouldNotTell, |w| w.seen.service = None);
    check("FALSE", Outcome::NotGood, |w| w.evidence.is_stopped = true);
}

#[test]
fn the_page_has_every_part_and_no_broken_lines() {
    let text = markdown(&with(Mode::Sandbox, |w| road(w).capture = Some("C\n## Summary".to_owned())));
    for part in [
        "# SANDBOX POST-SALE REAL TEST REPORT\n",
        "- environment: sandbox\n",
        "\n## Summary\n",
        "- REHEARSAL_PASSED: TRUE",
        "\n### Phase 0 — build: OK\n",
        "\n### Phase 7 — connectors: OK\n",
        "  - warning: journal and database lie on one disk",
        "\n## Blockers\n",
        "\n## Next Steps\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.matches("\n## Summary").count(), 1);
}
