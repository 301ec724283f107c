//! The table against its own damage: every check notices what was planted for it, and nobody else does but the named.

use super::drill::{Stage, drill};
use super::*;

fn when(is_deep: bool) -> When {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365);
    When { now, ladder: SignedDuration::from_hours(122), is_deep }
}

#[test]
fn weights_add_up_and_names_are_unique() {
    let table = table();
    for group in Group::ALL {
        let sum: u32 = table.iter().filter(|c| c.group == *group).map(|c| c.weight).sum();
        assert_eq!(sum, group.weight(), "{group}");
    }
    let mut ids: Vec<_> = table.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), table.len());
    for check in &table {
        assert!(check.weight > 0 || check.is_deep && check.cap.is_some(), "{} would cost nothing", check.id);
        assert!(!check.title.is_empty() && check.action.contains("postsale"), "{} says what to do", check.id);
    }
}

#[test]
fn l2_a_healthy_book_passes_every_check() {
    let stage = Stage::new().unwrap();
    for check in table() {
        assert_eq!(check.look(stage.healthy(), &when(true)).unwrap(), [], "{}", check.id);
    }
}

#[test]
fn f44_each_damage_is_seen_by_its_own_check_and_its_named_companions() {
    let stage = Stage::new().unwrap();
    let table = table();
    for planted in &table {
        let failing = |c: &Connection| {
            let objects = |check: &&Check| !check.look(c, &when(true)).unwrap().is_empty();
            table.iter().filter(objects).map(|check| check.id).collect::<Vec<_>>()
        };
        let mut failing = stage.damaged(planted.plant, failing).unwrap();
        let mut expected = [&[planted.id], planted.companions].concat();
        failing.sort_unstable();
        expected.sort_unstable();
        assert_eq!(failing, expected, "planted for {}", planted.id);
    }
    for check in &table {
        assert_eq!(check.look(stage.healthy(), &when(true)).unwrap(), [], "the damage for {} stayed", check.id);
    }
}

#[test]
fn f44_a_blind_an_alarming_and_a_throwing_check_are_dead_alarms() {
    let check = |find: Find, expected: &str| {
        let mutants: Vec<Check> = table().into_iter().map(|c| Check { find, ..c }).collect();
        for drilled in drill(&mutants, &when(true)).unwrap() {
            assert!(!drilled.is_caught, "{}", drilled.id);
            assert!(drilled.why.as_deref().is_some_and(|why| why.contains(expected)), "{drilled:?}");
        }
    };
    check(Find::Rows("SELECT 'x', 'y' WHERE 0"), "did not notice");
    check(Find::Rows("SELECT 'x', 'y'"), "objects to a healthy book");
    check(Find::Rows("SELECT id FROM there_is_no_such_table"), "could not look");
    assert!(drill(&table(), &when(true)).unwrap().iter().all(|d| d.is_caught));
}

#[test]
fn a_damage_says_which_row_and_how_much() {
    let stage = Stage::new().unwrap();
    let table = table();
    let check = |id: &str, expected: &[(&str, &str)]| {
        let check = table.iter().find(|c| c.id == id).unwrap();
        let found = stage.damaged(check.plant, |c| check.look(c, &when(false))).unwrap().unwrap();
        let found: Vec<_> = found.iter().map(|f| (f.id.as_str(), f.what.as_str())).collect();
        assert_eq!(found, expected);
    };
    let commission = "the commission does not follow from its rule: 1.46 USD, should be 2.92 USD";
    check("commission_recomputes", &[("whole-road-order", commission)]);
    check("balances_are_sums", &[(
        "paypal:available",
        "the balance is not the sum of its postings: 10073.64 USD, should be 10073.63 USD",
    )]);
    check("timeline_is_whole", &[("event 2", "this event does not follow from the one before it")]);
}

#[test]
fn commission_in_sql_rounds_and_clamps_like_the_rule() {
    use crate::domain::money::{Currency, Rate};
    use crate::domain::policy::{CommissionBase, CommissionRule};
    use crate::domain::sale::{SaleAmounts, divide};
    let stage = Stage::new().unwrap();
    let check = table().into_iter().find(|c| c.id == "commission_recomputes").unwrap();
    let usd = |minor| Money::new(minor, Currency::new("USD").unwrap());
    for (rate, base) in [(125_000, CommissionBase::GrossProfit), (333_333, CommissionBase::NetProfit)] {
        for cost in (1..3000).step_by(7) {
            let amounts = SaleAmounts { gross: usd(2500), tax: usd(0), fee: usd(117), supplier_total: usd(cost) };
            let rule = Some(CommissionRule { rate: Rate::from_millionths(rate), base });
            let (commission, _) = divide(&amounts, rule).unwrap();
            let plant = format!(
                "UPDATE sales SET supplier_total_minor = {cost}, commission_rate = {rate}, commission_base = '{}',
                                  commission_minor = {} WHERE order_id = 'whole-road-order'",
                base.word(),
                commission.minor
            );
            let found = stage.damaged(&plant, |c| check.look(c, &when(false))).unwrap().unwrap();
            assert_eq!(found, [], "{rate} {cost}");
        }
    }
}
