//! The set of guards that is stored with a purchase is complete, or the purchase is refused.

use super::law_tests::{Law, ORDER, claim, law};
use super::purchases::{insert, readings};
use super::{Result, StoreError};
use crate::domain::guards::{Guard, Reading, Verdict};
use crate::domain::money::{Currency, Money};
use crate::domain::trade::Placing;

const KEY: &str = "abcdefghijklmnop12";

/// A claimed purchase with these readings.
fn insert_with(law: &Law, guards: Vec<Reading>) -> Result<()> {
    let amount = |minor| Money::new(minor, Currency::new("USD").unwrap());
    let (landed, ceiling) = (amount(840), amount(2264));
    let quote_hash = "q".to_owned();
    let placing = Placing { attempt: 1, quote_hash, landed, ceiling, is_auto_pay: false, guards };
    law.store.write(|tx| {
        tx.execute_batch(&claim(KEY, ORDER, "purchase", 1))?;
        insert(tx, KEY, &placing)
    })
}

fn said(law: &Law) -> Vec<(String, String, String)> {
    law.store.read(|c| readings(c, KEY)).unwrap()
}

fn all(verdict: Verdict) -> Vec<Reading> {
    let reading = |guard: &Guard| Reading { guard: *guard, verdict: verdict.clone(), saw: format!("of {guard}") };
    Guard::ALL.iter().map(reading).collect()
}

#[test]
fn l28_a_purchase_that_lacks_a_guard_is_refused() {
    let law = law();
    for guard in Guard::ALL {
        let without = all(Verdict::Yes).into_iter().filter(|reading| reading.guard != *guard).collect();
        match insert_with(&law, without) {
            Err(StoreError::Conflict(why)) => assert_eq!(why, format!("the guard {guard} was not asked")),
            other => panic!("{guard}: {other:?}"),
        }
    }
    assert_eq!(said(&law), []);
    insert_with(&law, all(Verdict::Yes)).unwrap();
    assert_eq!(said(&law).len(), Guard::ALL.len());
}

#[test]
fn l28_a_purchase_against_a_guard_is_refused() {
    for verdict in [Verdict::No, Verdict::Stale] {
        let law = law();
        for guard in Guard::ALL {
            let mut guards = all(Verdict::Yes);
            guards.iter_mut().filter(|r| r.guard == *guard).for_each(|r| r.verdict = verdict.clone());
            match insert_with(&law, guards) {
                Err(StoreError::Conflict(why)) => {
                    assert!(why.starts_with(&format!("the guard {guard} says no")), "{why}")
                }
                other => panic!("{guard}: {other:?}"),
            }
        }
        assert_eq!(said(&law), [], "nothing of it stands");
    }
}

#[test]
fn l28_what_each_guard_saw_stands_beside_the_purchase() {
    let law = law();
    insert_with(&law, all(Verdict::Overridden)).unwrap();
    for (guard, verdict, saw) in said(&law) {
        assert_eq!((verdict.as_str(), saw), ("overridden", format!("of {guard}")));
    }
}
