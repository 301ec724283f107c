//! Which place is come by where on the road, and what is done before the second start. Nothing runs here.

use crate::failpoint::{ALONE, ROAD, SLOTS};

/// What happens between the death and the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    AtOnce,
    /// Every key has lost its protection by then.
    After31Days,
    /// The database as it was before the step; the journal stays.
    OlderBackup,
    /// PayPal tells every event so far twice while the program recovers.
    SameWebhookTwice,
}

impl Restart {
    pub const ALL: [Restart; 4] =
        [Restart::AtOnce, Restart::After31Days, Restart::OlderBackup, Restart::SameWebhookTwice];

    pub fn word(self) -> &'static str {
        match self {
            Restart::AtOnce => "at once",
            Restart::After31Days => "after 31 days",
            Restart::OlderBackup => "on an older backup",
            Restart::SameWebhookTwice => "with the same webhook twice",
        }
    }
}

/// A moment of the road from which some places are the next to be come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    pub name: &'static str,
    /// Where the program is killed to get there, and how many passes later. `None`: before its first start.
    pub until: Option<(&'static str, u32)>,
    /// The places that are then come by, in order.
    pub places: Vec<String>,
}

impl Scene {
    /// A person orders the money back once the order is closed.
    pub fn has_refund(&self) -> bool {
        self.until.is_some_and(|(place, _)| place.starts_with("refund."))
    }
}

/// The scenes in the order of the road; each is reached from the one before it.
pub fn scenes() -> Vec<Scene> {
    let of = |prefix: &str| -> Vec<String> {
        ALONE.iter().filter(|place| place.starts_with(prefix)).map(|place| (*place).to_owned()).collect()
    };
    let on = |slot: &str| -> Vec<String> { ROAD.iter().map(|place| format!("{slot}.{place}")).collect() };
    let scene = |name, until, places| Scene { name, until, places };
    let looks = || [of("look."), of("outcome.")].concat();
    vec![
        scene("first start", None, of("word.")),
        scene("order", None, of("intake.")),
        scene(SLOTS[0], Some(("checkout.claim.before_begin", 0)), on(SLOTS[0])),
        scene("look at the checkout", Some(("checkout.settle.committed", 0)), [of("look."), of("webhook.")].concat()),
        scene(SLOTS[1], Some(("capture.claim.before_begin", 0)), on(SLOTS[1])),
        scene(SLOTS[2], Some(("purchase.claim.before_begin", 0)), on(SLOTS[2])),
        scene("look at the purchase", Some(("purchase.settle.committed", 0)), looks()),
        scene("sale", Some(("sale.before_begin", 0)), of("sale.")),
        scene(SLOTS[3], Some(("payout.claim.before_begin", 0)), on(SLOTS[3])),
        scene("second payout", Some(("payout.claim.before_begin", 1)), on(SLOTS[3])),
        scene("look at a payout", Some(("payout.settle.committed", 0)), looks()),
        scene("close", Some(("close.before_commit", 0)), of("close.")),
        scene(SLOTS[4], Some(("refund.claim.before_begin", 0)), on(SLOTS[4])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failpoint;

    #[test]
    fn every_place_stands_in_a_scene() {
        let all: Vec<String> = scenes().into_iter().flat_map(|scene| scene.places).collect();
        for name in failpoint::names() {
            assert!(all.contains(&name), "{name}");
        }
        for place in &all {
            assert!(failpoint::names().contains(place), "{place}");
        }
    }
}
