//! The whole answer on a database of its own.

use super::*;
use crate::domain::order::Mode;
use crate::store::checks::Find;
use crate::store::{self, open::Wanted};
use tempfile::TempDir;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn question(is_deep: bool) -> Question<'static> {
    Question { now: now(), build: "abc", is_deep, ladder: SignedDuration::from_hours(122) }
}

/// A database on disk with nothing in it.
fn empty() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = store::open::open(dir.path(), &Wanted { mode: Mode::Sandbox, shop: "shop", now: now() }).unwrap();
    (dir, store)
}

/// A database on disk with the healthy book in it, changed by `damage` without asking the law.
fn sold(damage: &str) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    checks::drill::healthy_copy(&dir.path().join("postsale.db"), damage).unwrap();
    let store = store::open::open(dir.path(), &Wanted { mode: Mode::Sandbox, shop: "healthy", now: now() }).unwrap();
    (dir, store)
}

fn line<'a>(answer: &'a Answer, id: &str) -> &'a Line {
    answer.checks.iter().find(|line| line.id == id).unwrap()
}

#[test]
fn healthy_books_are_proven() {
    let (_dir, store) = sold("");
    for is_deep in [false, true] {
        let answer = check(&store, &question(is_deep)).unwrap();
        let failing: Vec<_> = answer.checks.iter().filter(|l| l.status != Status::Pass).collect();
        assert!(failing.is_empty(), "{failing:#?}");
        assert_eq!((answer.overall_financial_integrity_score, answer.verdict()), (Some(100), Verdict::Proven));
        assert_eq!(answer.self_test.planted, answer.self_test.caught);
        assert_eq!(answer.checks.len(), answer.self_test.planted);
    }
}

#[test]
fn l2_empty_books_are_not_proven() {
    let (_dir, store) = empty();
    let answer = check(&store, &question(true)).unwrap();
    assert_eq!((answer.overall_financial_integrity_score, answer.verdict()), (None, Verdict::NotProven));
    assert_eq!(answer.verdict().exit_code(), 3);
    let booleans = [answer.centralized_sale_creation, answer.webhook_bypass_detected, answer.duplicate_payout_risk];
    assert_eq!(booleans, [None; 3]);
    assert_eq!((answer.fee_calculation_strict, answer.net_profit_validated), (None, None));
    assert!(answer.self_test.planted > 40 && answer.self_test.caught == answer.self_test.planted);
}

#[test]
fn a_violation_shows_in_its_boolean_score_and_queue() {
    let (_dir, store) = sold(
        "UPDATE claims SET amount_minor = amount_minor + 1, unknown_at = 0 WHERE key = 'is-settled-order/payout:seller/1';
         UPDATE payouts SET batch_id = NULL WHERE key = 'is-settled-order/payout:seller/1'",
    );
    let answer = check(&store, &question(false)).unwrap();
    assert_eq!(answer.verdict().exit_code(), 2);
    // The leg loses its two points; the unknown outcome caps the rest.
    assert_eq!(answer.overall_financial_integrity_score, Some(59));
    assert_eq!((answer.duplicate_payout_risk, answer.webhook_bypass_detected), (Some(true), Some(true)));
    assert_eq!((answer.centralized_sale_creation, answer.net_profit_validated), (Some(true), Some(true)));
    let leg = line(&answer, "payout_is_its_leg");
    assert_eq!((leg.status, leg.violations), (Status::Fail, 1));
    assert_eq!(leg.found[0].id, "is-settled-order/payout:seller/1");
    assert_eq!(leg.found[0].what, "asked for is not the leg: 35.83 USD, should be 35.82 USD");
    assert!(leg.action.as_deref().unwrap().contains("postsale"));
    let risks: Vec<_> = answer.money_at_risk.iter().map(|r| (&*r.reason, r.amount.as_deref(), r.count)).collect();
    assert_eq!(risks, [("payout_unknown", Some("35.83"), 1), ("person", Some("20.00"), 1)]);
}

#[test]
fn l3_what_cannot_be_asked_is_not_a_yes() {
    let (_dir, store) = sold("DROP TABLE jobs");
    let answer = check(&store, &question(false)).unwrap();
    assert_eq!((answer.overall_financial_integrity_score, answer.verdict()), (None, Verdict::NotProven));
    assert_eq!(answer.verdict().exit_code(), 3);
    assert_eq!((answer.webhook_bypass_detected, answer.duplicate_payout_risk), (None, Some(false)));
    let jobs = line(&answer, "jobs_are_on_time");
    assert_eq!(jobs.status, Status::Unknown);
    assert!(jobs.detail.as_deref().unwrap().contains("could not look"), "{jobs:?}");
    // Beside something that failed, it is a violation, and still no number.
    let (_dir, store) = sold("DROP TABLE jobs; UPDATE orders SET paid_at = NULL WHERE id = 'by-channel-order'");
    let answer = check(&store, &question(false)).unwrap();
    assert_eq!((answer.overall_financial_integrity_score, answer.verdict()), (None, Verdict::Violated));
}

#[test]
fn f44_a_dead_alarm_leaves_no_score() {
    let (_dir, store) = sold("");
    let check = |id: &str, find: Find, reason: &str| {
        let change = |c: Check| if c.id == id { Check { find, ..c } } else { c };
        let mutants: Vec<Check> = checks::table().into_iter().map(change).collect();
        let answer = check_with(&mutants, &store, &question(false)).unwrap();
        assert_eq!(answer.overall_financial_integrity_score, None, "{id}");
        assert_ne!(answer.verdict(), Verdict::Proven, "{id}");
        assert_eq!(answer.self_test.caught, answer.self_test.planted - 1, "{id}");
        let detail = line(&answer, id).detail.clone().unwrap();
        assert!(detail.contains(reason), "{id}: {detail}");
    };
    for always_passes in ["one_effective_payout_a_leg", "balances_are_sums", "timeline_is_whole"] {
        check(always_passes, Find::Rows("SELECT 'x', 'y' WHERE 0"), "dead alarm: it did not notice");
    }
    check("profit_adds_up", Find::Rows("SELECT 'x', 'y'"), "dead alarm: it objects to a healthy book");
    check("profit_adds_up", Find::Rows("SELECT nonsense"), "it could not look");
    check("profit_adds_up", Find::Look(|_, _| Ok(Vec::new())), "dead alarm: it did not notice");
    // Taken out of the table: its weight is missing.
    let fewer: Vec<Check> = checks::table().into_iter().filter(|c| c.id != "profit_adds_up").collect();
    let answer = check_with(&fewer, &store, &question(false)).unwrap();
    assert_eq!((answer.overall_financial_integrity_score, answer.verdict()), (None, Verdict::NotProven));
    assert_eq!(answer.net_profit_validated, None);
}

#[test]
fn the_public_answer_has_no_ids_amounts_or_commands() {
    let (_dir, store) = sold("UPDATE sales SET seller_leg_minor = 7 WHERE order_id = 'by-channel-order'");
    let answer = check(&store, &question(false)).unwrap();
    let (whole, public) = (serde_json::to_string(&answer).unwrap(), serde_json::to_string(&answer.public()).unwrap());
    for secret in ["by-channel-order", "0.07 USD", "\"20.00\"", "postsale orders"] {
        assert!(whole.contains(secret), "{secret}");
        assert!(!public.contains(secret), "{secret}");
    }
    for shown in [
        r#""overallFinancialIntegrityScore":97"#,
        r#""feeCalculationStrict":false"#,
        r#""webhookBypassDetected":false"#,
        r#""verdict":"VIOLATED""#,
        r#""checkedAt":"2026-03-01T12:00:00Z""#,
        r#""knownThrough":{"paypal":null,"aliexpress":null}"#,
        r#""violations":1"#,
        r#""status":"fail""#,
    ] {
        assert!(public.contains(shown), "{shown} in {public}");
    }
}

#[test]
fn many_violations_are_counted_and_some_shown() {
    let plant = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
                 INSERT INTO entries (kind, ref, booked_at) SELECT 'planted', 'x' || i, 0 FROM n";
    let (_dir, store) = sold(plant);
    let answer = check(&store, &question(false)).unwrap();
    let line = line(&answer, "entries_have_postings");
    assert_eq!((line.violations, line.found.len(), line.detail.as_deref()), (50, 20, Some("and 30 more")));
}

#[test]
fn answers_are_stored_and_old_ones_emptied() {
    let (_dir, store) = sold("");
    assert_eq!(last(&store).unwrap(), None);
    let answer = run(&store, &question(false)).unwrap();
    assert_eq!(last(&store).unwrap(), Some(answer));
    let later = Question { now: now() + SignedDuration::from_mins(15), ..question(true) };
    let answer = run(&store, &later).unwrap();
    assert_eq!(last(&store).unwrap(), Some(answer.clone()));
    let one = Run {
        at: now(),
        build: "abc".to_owned(),
        is_deep: false,
        score: None,
        verdict: answer.verdict.clone(),
        answer: Some("{}".to_owned()),
    };
    store.write(|tx| (0..98).try_for_each(|_| checks::runs::insert(tx, &one))).unwrap();
    let kept: (i64, i64) = store
        .read(|c| {
            let sql = "SELECT count(*), count(answer) FROM integrity_runs";
            Ok::<_, StoreError>(c.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
        })
        .unwrap();
    assert_eq!(kept, (100, 96));
}

#[test]
fn the_check_reads_and_changes_nothing() {
    let (dir, store) = sold("");
    let before = std::fs::read(dir.path().join("postsale.db")).unwrap();
    check(&store, &question(true)).unwrap();
    assert_eq!(std::fs::read(dir.path().join("postsale.db")).unwrap(), before);
    let wal = std::fs::metadata(dir.path().join("postsale.db-wal")).map_or(0, |m| m.len());
    check(&store, &question(true)).unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("postsale.db-wal")).map_or(0, |m| m.len()), wal);
}
