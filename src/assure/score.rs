//! From checks to one number and one word. Pure: no rows, no clock.
//!
//! A failed check loses its weight and may cap what is left; one that could not run makes the number unknown, because a
//! number that leaves something out would look better than the truth (L2, L3).

use crate::domain::words;
use crate::store::checks::Group;
use serde::{Deserialize, Serialize};

/// What one check said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Pass,
    Fail,
    /// It could not look, or it is a dead alarm.
    Unknown,
}

words! {
    /// `PROVEN`: every check ran on books that are not empty, and passed. `VIOLATED`: at least one failed.
    /// `NOT_PROVEN`: neither.
    pub enum Verdict { Proven = "PROVEN", Violated = "VIOLATED", NotProven = "NOT_PROVEN" }
}

impl Verdict {
    /// 0 good, 2 not good, 3 could not tell.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Proven => 0,
            Verdict::Violated => 2,
            Verdict::NotProven => 3,
        }
    }
}

/// The part of a check that counts.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub group: Group,
    pub weight: u32,
    pub cap: Option<u32>,
    pub status: Status,
}

/// What the books are, beside the checks.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// A sale was recorded. Empty books prove nothing.
    pub is_anything_sold: bool,
    /// Every planted fault was caught.
    pub is_every_alarm_alive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// 0 to 100; `None` = not known.
    pub score: Option<u32>,
    pub verdict: Verdict,
}

pub fn judge(checks: &[Counted], ground: Ground) -> Judgement {
    let has = |status| checks.iter().any(|c| c.status == status);
    let is_known = ground.is_anything_sold && ground.is_every_alarm_alive && is_complete(checks);
    let is_known = is_known && !has(Status::Unknown);
    let verdict = match (has(Status::Fail), is_known) {
        (true, _) => Verdict::Violated,
        (false, true) => Verdict::Proven,
        (false, false) => Verdict::NotProven,
    };
    Judgement { score: is_known.then(|| points(checks)), verdict }
}

fn points(checks: &[Counted]) -> u32 {
    let kept: u32 = checks.iter().filter(|c| c.status == Status::Pass).map(|c| c.weight).sum();
    let caps = checks.iter().filter(|c| c.status == Status::Fail).filter_map(|c| c.cap);
    caps.fold(kept, u32::min)
}

/// A check that was taken out of the table leaves a hole in the weights.
fn is_complete(checks: &[Counted]) -> bool {
    let sum = |group: Group| -> u32 { checks.iter().filter(|c| c.group == group).map(|c| c.weight).sum() };
    Group::ALL.iter().all(|group| sum(*group) == group.weight())
}

/// The group's boolean; `None` = not known. A failure is known even when others could not look.
pub fn boolean(checks: &[Counted], group: Group, ground: Ground) -> Option<bool> {
    let mine = || checks.iter().filter(|c| c.group == group);
    let weights: u32 = mine().map(|c| c.weight).sum();
    let is_known = ground.is_anything_sold && weights == group.weight() && mine().all(|c| c.status == Status::Pass);
    let is_good = match (mine().any(|c| c.status == Status::Fail), is_known) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => return None,
    };
    Some(is_good == group.is_good_when_true())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Fail, Pass, Unknown};

    const GROUND: Ground = Ground { is_anything_sold: true, is_every_alarm_alive: true };

    /// Every group in two halves, the first of `changed` as told.
    fn checks(changed: &[(Group, u32, Option<u32>, Status)]) -> Vec<Counted> {
        let whole = |group: &Group| {
            let told: Vec<Counted> = changed
                .iter()
                .filter(|(g, ..)| g == group)
                .map(|(group, weight, cap, status)| Counted {
                    group: *group,
                    weight: *weight,
                    cap: *cap,
                    status: *status,
                })
                .collect();
            let rest = group.weight() - told.iter().map(|c| c.weight).sum::<u32>();
            let rest = Counted { group: *group, weight: rest, cap: None, status: Pass };
            [told, vec![rest]].concat()
        };
        Group::ALL.iter().flat_map(whole).collect()
    }

    #[test]
    fn a_failed_check_loses_its_weight_and_caps_the_rest() {
        let check = |changed: &[(Group, u32, Option<u32>, Status)], score: Option<u32>, verdict: Verdict| {
            let judged = judge(&checks(changed), GROUND);
            assert_eq!(judged, Judgement { score, verdict }, "{changed:?}");
        };
        use Group::{CentralizedSaleCreation as Sales, DuplicatePayoutRisk as Twice, WebhookBypassDetected as Bypass};
        check(&[], Some(100), Verdict::Proven);
        check(&[(Sales, 5, None, Fail)], Some(95), Verdict::Violated);
        check(&[(Sales, 5, None, Fail), (Bypass, 3, None, Fail)], Some(92), Verdict::Violated);
        check(&[(Twice, 4, Some(29), Fail)], Some(29), Verdict::Violated);
        check(&[(Bypass, 2, Some(59), Fail), (Twice, 4, Some(29), Fail)], Some(29), Verdict::Violated);
        check(&[(Bypass, 2, Some(79), Fail)], Some(79), Verdict::Violated);
        // A deep check weighs nothing and caps all the same.
        check(&[(Bypass, 0, Some(29), Fail)], Some(29), Verdict::Violated);
        // A cap above what is left changes nothing, and a cap of a check that passed least of all.
        check(&[(Sales, 25, None, Fail), (Bypass, 2, Some(79), Fail)], Some(73), Verdict::Violated);
        check(&[(Twice, 4, Some(29), Pass)], Some(100), Verdict::Proven);
        // L3: what could not run is not a pass.
        check(&[(Sales, 5, None, Unknown)], None, Verdict::NotProven);
        check(&[(Sales, 5, None, Unknown), (Bypass, 1, None, Fail)], None, Verdict::Violated);
    }

    #[test]
    fn l2_empty_books_and_dead_alarms_prove_nothing() {
        let check = |ground: Ground, verdict: Verdict| {
            let judged = judge(&checks(&[]), ground);
            assert_eq!(judged, Judgement { score: None, verdict });
        };
        check(Ground { is_anything_sold: false, ..GROUND }, Verdict::NotProven);
        check(Ground { is_every_alarm_alive: false, ..GROUND }, Verdict::NotProven);
    }

    #[test]
    fn f44_a_check_taken_out_of_the_table_leaves_no_score() {
        let mut fewer = checks(&[(Group::DuplicatePayoutRisk, 4, Some(29), Pass)]);
        fewer.retain(|c| c.weight != 4);
        assert_eq!(judge(&fewer, GROUND), Judgement { score: None, verdict: Verdict::NotProven });
        assert_eq!(boolean(&fewer, Group::DuplicatePayoutRisk, GROUND), None);
        assert_eq!(boolean(&fewer, Group::NetProfitValidated, GROUND), Some(true));
        assert_eq!(judge(&[], GROUND).verdict, Verdict::NotProven);
    }

    #[test]
    fn booleans_keep_their_old_sense() {
        let check = |group: Group, status: Status, expected: Option<bool>| {
            assert_eq!(boolean(&checks(&[(group, 2, None, status)]), group, GROUND), expected, "{group} {status:?}");
        };
        for group in Group::ALL {
            let good = !matches!(group, Group::WebhookBypassDetected | Group::DuplicatePayoutRisk);
            check(*group, Pass, Some(good));
            check(*group, Fail, Some(!good));
            check(*group, Unknown, None);
            let nothing_sold = Ground { is_anything_sold: false, ..GROUND };
            assert_eq!(boolean(&checks(&[]), *group, nothing_sold), None);
        }
        // A failure beside something unknown is known.
        let mixed =
            checks(&[(Group::NetProfitValidated, 2, None, Unknown), (Group::NetProfitValidated, 2, None, Fail)]);
        assert_eq!(boolean(&mixed, Group::NetProfitValidated, GROUND), Some(false));
    }

    #[test]
    fn the_exit_code_says_what_is_known() {
        let codes = [Verdict::Proven, Verdict::Violated, Verdict::NotProven].map(Verdict::exit_code);
        assert_eq!(codes, [0, 2, 3]);
    }
}
