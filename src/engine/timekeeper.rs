//! The engine's own time. The wall clock may be set, stand still or be wrong since the start, and the windows in which a
//! key protects us are counted in true hours. So the time of day is followed while it goes with monotonic time, and
//! believed once a far side's `Date` agrees; a jump is not followed before one does.
//!
//! Whatever is sent needs a clock that agrees (MONEY A19, F18, F29). Looks go on by any clock.

use crate::clock::{Clock, Reading};
use crate::domain::trade::ClockState;
use crate::gateway::Heard;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Wall and monotonic time may drift apart by so much since a far side last agreed.
const DRIFT_MAX: SignedDuration = SignedDuration::from_mins(5);
/// A far side that differs by more than this pauses what moves money.
const APART_MAX: SignedDuration = SignedDuration::from_mins(10);
/// By more than this it is told.
const APART_TOLD: SignedDuration = SignedDuration::from_mins(2);
/// A far side is asked for the time at most this often while something waits for it, and else this often.
const ASK_EVERY: SignedDuration = SignedDuration::from_secs(30);
const ASK_IDLY_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// The sign of life is written this often.
const TICK_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// A machine that gave no sign of life for this long was switched off, or went back in time (MONEY A5).
pub(super) const SILENCE_MAX: SignedDuration = SignedDuration::from_hours(20);

pub(super) struct Timekeeper {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// Engine time goes on from here by monotonic time.
    anchor: Reading,
    /// The wall clock left monotonic time then, and no far side has agreed with it since.
    jumped_at: Option<SignedDuration>,
    /// How far each far side was ahead of the wall clock when it was last heard; zero within what the call took.
    apart: [Option<SignedDuration>; 2],
    /// Answers heard so far, by far side.
    counts: [u64; 2],
    /// When the last answer of any far side had come, by our wall clock, and how far that one was ahead of it.
    compared: Option<(Timestamp, SignedDuration)>,
    /// The latest time that anybody showed: a far side, or the stored sign of life.
    latest: Timestamp,
    /// The last stored sign of life; `None` = there was none.
    ticked: Option<Timestamp>,
    ticked_at: Option<SignedDuration>,
    asked_at: Option<SignedDuration>,
    told: bool,
    /// The state as it was last asked about by [`Timekeeper::is_news`].
    noted: Option<ClockState>,
}

impl Timekeeper {
    /// `ticked`: the stored sign of life. A wall clock that stands before it was set back while nobody looked.
    pub fn new(clock: Arc<dyn Clock>, ticked: Option<Timestamp>) -> Timekeeper {
        let read = clock.read();
        let is_back = ticked.is_some_and(|ticked| read.wall < ticked - DRIFT_MAX);
        let anchor = if is_back { Reading { wall: ticked.unwrap_or(read.wall), ..read } } else { read };
        let state = State {
            anchor,
            jumped_at: is_back.then_some(read.running),
            apart: [None; 2],
            counts: [0; 2],
            compared: None,
            latest: ticked.unwrap_or(Timestamp::UNIX_EPOCH),
            ticked,
            ticked_at: None,
            asked_at: None,
            told: false,
            noted: None,
        };
        Timekeeper { clock, state: Mutex::new(state) }
    }

    pub fn now(&self) -> Timestamp {
        self.state().now(self.clock.read())
    }

    /// The latest time that our clock, a far side or the stored sign of life has shown: by it the age of a key is
    /// measured, so that no clock set back makes an old key young.
    pub fn latest(&self) -> Timestamp {
        let read = self.clock.read();
        let mut state = self.state();
        let now = state.now(read);
        // A far side that is ahead stays ahead while no further answer comes.
        let ahead = state.apart.iter().flatten().max().copied().unwrap_or(SignedDuration::ZERO);
        let far = read.wall.checked_add(ahead.max(SignedDuration::ZERO)).unwrap_or(read.wall);
        state.latest.max(now).max(far)
    }

    /// What the far sides have shown since the last time this was asked.
    pub fn hear(&self, heard: [Option<Heard>; 2]) -> ClockState {
        let read = self.clock.read();
        let mut state = self.state();
        state.now(read);
        for (side, heard) in heard.iter().enumerate() {
            let Some(heard) = heard.filter(|heard| heard.count > state.counts[side]) else { continue };
            state.counts[side] = heard.count;
            state.latest = state.latest.max(heard.date);
            // Asked for before the clock jumped, it says nothing of the clock as it is now.
            if state.jumped_at.is_some_and(|at| heard.from.1 < at) {
                continue;
            }
            let apart = heard.apart();
            state.apart[side] = Some(apart);
            state.compared = Some((heard.to.0, apart));
            if apart.abs() <= APART_MAX && state.jumped_at.take().is_some() {
                log::warn!("a far side shows the time that this machine's clock shows; the engine goes by it");
                state.anchor = read;
            }
            if apart.abs() <= APART_TOLD && state.jumped_at.is_none() {
                state.anchor = read;
            }
        }
        let standing = state.standing();
        state.tell(standing);
        standing
    }

    /// When a far side was last compared with our wall clock, and how far it was ahead. `None`: not since the start.
    pub fn compared(&self) -> Option<(Timestamp, SignedDuration)> {
        self.state().compared
    }

    /// Whether a far side is to be asked for the time now. Counts as asked.
    pub fn may_ask(&self, is_wanted: bool) -> bool {
        let running = self.clock.read().running;
        let every = if is_wanted { ASK_EVERY } else { ASK_IDLY_EVERY };
        let mut state = self.state();
        let is_due = state.asked_at.is_none_or(|at| running >= at + every);
        if is_due {
            state.asked_at = Some(running);
        }
        is_due
    }

    /// Whether the state is another one than when this was asked last.
    pub fn is_news(&self, standing: ClockState) -> bool {
        self.state().noted.replace(standing) != Some(standing)
    }

    /// The sign of life to write now; and the one before it, if between the two more time has passed than this process
    /// ran: the machine slept, or was put to sleep and woken on another day. `None`: not yet, or the clock is not believed.
    pub fn tick(&self) -> Option<(Timestamp, Option<Timestamp>)> {
        let read = self.clock.read();
        let mut state = self.state();
        let now = state.now(read);
        let is_due = state.ticked_at.is_none_or(|at| read.running >= at + TICK_EVERY);
        // Without a far side's word only a step that could be true is taken, or a wrong year would stand for ever.
        let is_plausible = state.ticked.is_some_and(|ticked| now <= ticked + SILENCE_MAX);
        let is_believed = match state.standing() {
            ClockState::Good => true,
            ClockState::Unproven => is_plausible,
            ClockState::Suspect => false,
        };
        if !is_due || !is_believed {
            return None;
        }
        let before = state.ticked;
        let ran = state.ticked_at.map(|at| read.running - at);
        let slept = before.zip(ran).filter(|(before, ran)| now.duration_since(*before) - *ran > SILENCE_MAX);
        let tick = before.map_or(now, |before| before.max(now));
        (state.ticked, state.ticked_at, state.latest) = (Some(tick), Some(read.running), state.latest.max(tick));
        Some((tick, slept.map(|(before, _)| before)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&mut self, read: Reading) -> Timestamp {
        let expected = self.anchor.wall.checked_add(read.running - self.anchor.running).unwrap_or(read.wall);
        // Held against the last moment that was believed, not the last reading: a clock that stands still drifts little
        // between any two of these.
        if read.wall.duration_since(expected).abs() <= DRIFT_MAX {
            return read.wall;
        }
        if self.jumped_at.is_none() {
            log::error!("CLOCK SUSPECT: the clock shows {}, expected {expected}; nothing is sent", read.wall);
            (self.jumped_at, self.apart) = (Some(read.running), [None; 2]);
        }
        expected
    }

    fn standing(&self) -> ClockState {
        let is_apart = self.apart.iter().flatten().any(|apart| apart.abs() > APART_MAX);
        if self.jumped_at.is_some() || is_apart {
            ClockState::Suspect
        } else if self.apart.iter().all(Option::is_none) {
            ClockState::Unproven
        } else {
            ClockState::Good
        }
    }

    fn tell(&mut self, standing: ClockState) {
        let most = self.apart.iter().flatten().max_by_key(|apart| apart.abs()).copied();
        let is_off = standing == ClockState::Suspect || most.is_some_and(|apart| apart.abs() > APART_TOLD);
        if is_off && !self.told {
            let apart = most.unwrap_or(SignedDuration::ZERO).as_secs();
            log::warn!("the clock is {standing}: a far side is {apart} s ahead of it; set this machine's clock");
        }
        self.told = is_off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HandClock;

    fn start() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    struct Bench {
        clock: Arc<HandClock>,
        time: Timekeeper,
        count: u64,
    }

    impl Bench {
        fn new(ticked: Option<Timestamp>) -> Bench {
            let clock = Arc::new(HandClock::new(start()));
            let time = Timekeeper::new(Arc::clone(&clock) as Arc<dyn Clock>, ticked);
            Bench { clock, time, count: 0 }
        }

        fn jump(&self, seconds: i64) {
            self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
        }

        /// A far side answers, `ahead` seconds ahead of true time.
        fn heard(&mut self, ahead: i64) -> ClockState {
            self.count += 1;
            let read = self.clock.read();
            let at = (read.wall, read.running);
            let date = self.clock.true_time() + SignedDuration::from_secs(ahead);
            let heard = Heard { date, from: at, to: at, count: self.count };
            self.time.hear([Some(heard), None])
        }

        fn state(&self) -> ClockState {
            self.time.hear([None, None])
        }
    }

    #[test]
    fn f18_a_far_side_that_differs_by_ten_minutes_pauses_what_is_sent() {
        let check = |ahead: i64, expected: ClockState| {
            let mut bench = Bench::new(None);
            assert_eq!(bench.state(), ClockState::Unproven, "no far side has shown its clock since the start");
            assert_eq!(bench.heard(ahead), expected, "{ahead} s");
        };
        check(0, ClockState::Good);
        check(-300, ClockState::Good);
        check(600, ClockState::Good);
        check(601, ClockState::Suspect);
        check(-3600, ClockState::Suspect);
        check(3600, ClockState::Suspect);
    }

    #[test]
    fn f18_what_was_compared_last_is_kept_with_its_time() {
        let mut bench = Bench::new(None);
        assert_eq!(bench.time.compared(), None);
        bench.clock.wind(SignedDuration::from_secs(60));
        bench.heard(700);
        assert_eq!(
            bench.time.compared(),
            Some((start() + SignedDuration::from_secs(60), SignedDuration::from_secs(700)))
        );
    }

    #[test]
    fn f29_a_jump_is_not_followed_before_a_far_side_agrees() {
        let day = 86_400;
        let to = |text: &str| text.parse::<Timestamp>().unwrap().duration_since(start()).as_secs();
        let (in_1970, in_2038) = (to("1970-01-01T00:00:00Z"), to("2038-01-19T03:14:08Z"));
        for jump in [-3600, 3600, -6 * 3600, 6 * 3600, 30 * day, in_1970, in_2038] {
            let mut bench = Bench::new(None);
            assert_eq!(bench.heard(0), ClockState::Good);
            bench.jump(jump);
            bench.clock.wind(SignedDuration::from_secs(60));
            let expected = start() + SignedDuration::from_secs(60);
            assert_eq!((bench.time.now(), bench.state()), (expected, ClockState::Suspect), "{jump}");
            assert!(bench.time.tick().is_none(), "{jump}: a clock that jumped leaves no sign of life");
            // The far side shows that the clock is wrong, and it stays so.
            assert_eq!((bench.heard(0), bench.time.now()), (ClockState::Suspect, expected), "{jump}");
            // Set right again: believed once a far side agrees.
            bench.clock.set(bench.clock.true_time());
            assert_eq!(bench.state(), ClockState::Suspect, "{jump}");
            assert_eq!((bench.heard(0), bench.time.now()), (ClockState::Good, expected), "{jump}");
            // A jump that was right: the machine slept, and monotonic time with it.
            bench.jump(jump);
            assert_eq!(bench.heard(jump), ClockState::Good, "{jump}");
            assert_eq!(bench.time.now(), expected + SignedDuration::from_secs(jump), "{jump}");
            assert!(bench.time.latest() >= expected, "{jump}: no key grows younger");
        }
    }

    #[test]
    fn f29_a_stopped_clock_is_noticed_and_time_goes_on() {
        let mut bench = Bench::new(None);
        bench.heard(0);
        for minute in 1..=30 {
            bench.clock.wind(SignedDuration::from_mins(1));
            bench.clock.set(start());
            let expected = if minute <= 5 { start() } else { start() + SignedDuration::from_mins(minute) };
            assert_eq!(bench.time.now(), expected, "minute {minute}");
        }
        assert_eq!(bench.state(), ClockState::Suspect);
    }

    #[test]
    fn f29_a_clock_corrected_in_small_steps_is_followed() {
        let mut bench = Bench::new(None);
        bench.heard(0);
        for _ in 0..100 {
            bench.clock.wind(SignedDuration::from_secs(10));
            bench.jump(-1);
            bench.time.now();
        }
        assert_eq!((bench.state(), bench.time.now()), (ClockState::Good, start() + SignedDuration::from_secs(900)));
        // A minute and a half by now: told and not paused.
        assert_eq!(bench.heard(0), ClockState::Good);
    }

    #[test]
    fn a19_a_clock_set_back_while_the_program_was_off_makes_no_key_young() {
        let ticked = start() + SignedDuration::from_hours(24 * 26);
        let mut bench = Bench::new(Some(ticked));
        assert_eq!((bench.state(), bench.time.now()), (ClockState::Suspect, ticked));
        bench.clock.wind(SignedDuration::from_mins(7));
        assert_eq!(bench.time.latest(), ticked + SignedDuration::from_mins(7));
        // The far side agrees with the clock: the sign of life was of a wrong year, and keys stay as old as it made them.
        assert_eq!(bench.heard(0), ClockState::Good);
        assert_eq!(bench.time.now(), start() + SignedDuration::from_mins(7));
        assert!(bench.time.latest() >= ticked);
    }

    #[test]
    fn a5_the_sign_of_life_is_left_by_a_clock_that_is_believed() {
        let check = |ticked: Option<i64>, heard: bool, expected: bool| {
            let ticked = ticked.map(|ago| start() - SignedDuration::from_secs(ago));
            let mut bench = Bench::new(ticked);
            if heard {
                bench.heard(0);
            }
            assert_eq!(bench.time.tick().map(|(now, _)| now == start()), expected.then_some(true), "{ticked:?}");
            assert_eq!(bench.time.tick(), None, "not twice");
        };
        let wakes = |jump: i64, wound: i64, expected: bool| {
            let mut bench = Bench::new(None);
            bench.heard(0);
            assert_eq!(bench.time.tick(), Some((start(), None)));
            bench.clock.wind(SignedDuration::from_secs(wound));
            bench.jump(jump);
            bench.heard(jump);
            let slept = bench.time.tick().unwrap().1;
            assert_eq!(slept, expected.then_some(start()), "{jump} set, {wound} run");
        };
        wakes(21 * 3600, 600, true);
        wakes(19 * 3600, 600, false);
        // Nobody looked for long, and the process was there all the while.
        wakes(0, 40 * 3600, false);
        check(None, false, false);
        check(None, true, true);
        check(Some(3600), false, true);
        check(Some(21 * 3600), false, false);
        check(Some(21 * 3600), true, true);
    }
}
