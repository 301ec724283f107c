//! What happens in one run, drawn from a seed: when orders come in, how time passes, what goes wrong. The same seed is
//! the same schedule, on every machine. Nothing runs here.

use postsale::failpoint;
use postsale::sandbox::KINDS;

/// A draw without a pattern that is always the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `n - 1`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("fits")
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What follows a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    AtOnce,
    AfterAMonth,
    /// The database as it was some rounds before; the journal stays.
    OnAnOlderBackup,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A far side's reply is spoilt.
    Reply { call: &'static str, reply: &'static str, when: &'static str, skip: usize, times: usize },
    /// The program dies when it comes by a place, after so many passes.
    Die { place: String, passes: u32, then: Then },
    /// The program ends in good order and starts again.
    Restart,
    /// STOP, until the next round.
    Stop,
    /// Payouts take hours to settle from now on.
    SlowPayouts,
    /// A person releases whatever is held.
    Release,
    /// PayPal tells everything it has to tell so far, each event twice.
    Ring,
    /// A person orders the money of every order back.
    Refund,
}

/// One run. A round is one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub seed: u64,
    pub is_auto_pay: bool,
    /// Minutes between payment and purchase.
    pub buffer: i64,
    /// The round in which each order comes in.
    pub orders: Vec<usize>,
    pub faults: Vec<(usize, Fault)>,
    /// Minutes that pass in each round.
    pub rounds: Vec<i64>,
}

/// Every call there is a step for.
pub const CALLS: &[&str] = &[
    "paypal.token",
    "paypal.create",
    "paypal.order",
    "paypal.capture",
    "paypal.refund",
    "paypal.payout",
    "paypal.batch",
    "aliexpress.product",
    "aliexpress.freight",
    "aliexpress.create",
    "aliexpress.get",
    "aliexpress.tracking",
];
const ROUNDS: usize = 6;

impl Schedule {
    /// 1 to 3 orders with 0 to 4 faults.
    pub fn of(seed: u64) -> Schedule {
        let mut dice = Dice::new(seed);
        let orders = (0..=dice.below(3)).map(|_| dice.below(3)).collect();
        let names = failpoint::names();
        let faults = (0..dice.below(5)).map(|_| (dice.below(ROUNDS - 1), fault(&mut dice, &names))).collect();
        let rounds = (0..ROUNDS).map(|_| *dice.one_of(&[0, 1, 6, 40, 200, 1500])).collect();
        Schedule { seed, is_auto_pay: dice.once_in(2), buffer: *dice.one_of(&[0, 0, 30]), orders, faults, rounds }
    }

    /// One order, and two deaths, one after the other; with the bell or the way back where a place lies there.
    pub fn pair(first: &str, second: &str) -> Schedule {
        let die = |place: &str| (0, Fault::Die { place: place.to_owned(), passes: 0, then: Then::AtOnce });
        let is_of = |slot: &str| first.starts_with(slot) || second.starts_with(slot);
        let mut faults = vec![die(first), die(second)];
        let mut rounds = vec![1, 6, 40, 1500];
        if is_of("webhook.") {
            faults.push((1, Fault::Ring));
        }
        if is_of("refund.") {
            rounds.push(1500);
            faults.push((rounds.len() - 1, Fault::Refund));
        }
        Schedule { seed: 0, is_auto_pay: false, buffer: 0, orders: vec![0], faults, rounds }
    }

    /// Whether a database is put back on the way.
    pub fn goes_back(&self) -> bool {
        let back = |fault: &Fault| matches!(fault, Fault::Die { then: Then::OnAnOlderBackup, .. });
        self.faults.iter().any(|(_, fault)| back(fault))
    }
}

fn fault(dice: &mut Dice, names: &[String]) -> Fault {
    match dice.below(12) {
        0..=3 => reply(dice),
        4..=6 => Fault::Die {
            place: dice.one_of(names).clone(),
            passes: *dice.one_of(&[0, 0, 0, 1, 2]),
            then: *dice.one_of(&[Then::AtOnce, Then::AtOnce, Then::AfterAMonth, Then::OnAnOlderBackup]),
        },
        7 => Fault::Restart,
        8 if dice.once_in(2) => Fault::Stop,
        8 => Fault::SlowPayouts,
        9 => Fault::Release,
        10 => Fault::Ring,
        _ => Fault::Refund,
    }
}

fn reply(dice: &mut Dice) -> Fault {
    let call = *dice.one_of(CALLS);
    let only_aliexpress = ["is_success_false", "code15", "code_limit", "true_without_ids", "gateway_code"];
    let kinds: Vec<&'static str> =
        KINDS.iter().copied().filter(|kind| !call.starts_with("paypal.") || !only_aliexpress.contains(kind)).collect();
    let reply = dice.one_of::<&str>(&kinds);
    let when = dice.one_of::<&str>(&["before_commit", "after_commit"]);
    // What the supplier's gate says ("too often"), or a refusal in so many words to a first send, is taken at its word:
    // one that ordered all the same would lie, and no look could show it.
    let is_definite = ["code_limit", "status_429", "is_success_false"].contains(reply);
    Fault::Reply {
        call,
        reply,
        when: if call == "aliexpress.create" && is_definite { "before_commit" } else { when },
        skip: *dice.one_of(&[0, 0, 1, 2]),
        times: *dice.one_of(&[1, 1, 2, 50]),
    }
}
