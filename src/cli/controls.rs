//! `--test-controls FILE`: a clock that is off and a place where the program dies, for tests that drive the real
//! program. It must never work where real money could be: only in sandbox mode, with every far side on this machine.

use super::exit::Failure;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, FarSide, Url};
use crate::failpoint;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Controls {
    /// Added to the machine's clock, in seconds; for the built-in far sides too.
    clock_offset_s: i64,
    /// So many seconds pass in one of the machine's.
    clock_rate: Option<i32>,
    /// From this moment on they do; so that two starts, and the far sides, agree.
    clock_since: Option<Timestamp>,
    failpoints: Vec<Failpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failpoint {
    name: String,
    /// So many times the place is passed before it kills.
    #[serde(default)]
    passes: u32,
}

/// The machine's clock, so much later or earlier, and from one moment on so much faster.
pub(super) struct WoundClock {
    pub since: Timestamp,
    pub rate: i32,
    pub offset: SignedDuration,
}

impl Clock for WoundClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        let ahead = now.duration_since(self.since).checked_mul(self.rate);
        let ahead = ahead.and_then(|ahead| ahead.checked_add(self.offset));
        ahead.and_then(|ahead| self.since.checked_add(ahead).ok()).unwrap_or(now)
    }
}

/// The clock to go by. With a file of controls its failpoint is set too.
pub fn clock(file: Option<&Path>, config: &Config) -> Result<Arc<dyn Clock>, Failure> {
    let Some(path) = file else { return Ok(Arc::new(SystemClock)) };
    let refuse = |reason: String| Failure::Controls { path: path.to_owned(), reason };
    permitted(config).map_err(|reason| refuse(reason.to_owned()))?;
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let controls = read(&text).map_err(refuse)?;
    for failpoint in &controls.failpoints {
        log::warn!("this program kills itself at {} after {} passes", failpoint.name, failpoint.passes);
        failpoint::set(&failpoint.name, failpoint.passes);
    }
    Ok(Arc::new(controls.clock()))
}

impl Controls {
    fn clock(&self) -> WoundClock {
        WoundClock {
            since: self.clock_since.unwrap_or(SystemClock.now()),
            rate: self.clock_rate.unwrap_or(1),
            offset: SignedDuration::from_secs(self.clock_offset_s),
        }
    }
}

fn read(text: &str) -> Result<Controls, String> {
    let controls: Controls = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let names = failpoint::names();
    if let Some(unknown) = controls.failpoints.iter().find(|f| !names.contains(&f.name)) {
        return Err(format!("there is no failpoint {:?}; `postsale drill --list` names them", unknown.name));
    }
    if controls.failpoints.len() > 1 {
        return Err("a program dies once: name one failpoint".to_owned());
    }
    let offset = SignedDuration::from_secs(controls.clock_offset_s);
    if SystemClock.now().checked_add(offset).is_err() {
        return Err("the clock cannot be that far off".to_owned());
    }
    if controls.clock_rate.is_some_and(|rate| !(1..=10_000).contains(&rate)) {
        return Err("the clock goes 1 to 10000 times as fast".to_owned());
    }
    Ok(controls)
}

fn permitted(config: &Config) -> Result<(), &'static str> {
    if config.is_production() {
        return Err("only in sandbox mode");
    }
    let sides = [config.paypal.far_side(), config.aliexpress.far_side()];
    if sides.iter().all(is_on_this_machine) { Ok(()) } else { Err("only with both far sides on loopback") }
}

fn is_on_this_machine(side: &FarSide) -> bool {
    match side {
        FarSide::Builtin | FarSide::Off => true,
        FarSide::Sandbox | FarSide::Live => false,
        FarSide::Url(url) => Url::parse(url).is_some_and(|url| {
            let address: Result<IpAddr, _> = url.host().parse();
            address.map_or(url.host() == "localhost", |address| address.is_loopback())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    #[test]
    fn only_a_sandbox_on_this_machine_is_controlled() {
        let check = |text: &str, expected: Result<(), &str>| {
            let config = load_text(text, &[]).unwrap().config;
            assert_eq!(permitted(&config), expected, "{text}");
        };
        let elsewhere = Err("only with both far sides on loopback");
        check("", Ok(()));
        check("[paypal]\nbase_url = \"http://127.0.0.1:1/paypal\"\n", Ok(()));
        check("[paypal]\nbase_url = \"http://localhost:1\"\n[aliexpress]\nbase_url = \"http://[::1]:1\"\n", Ok(()));
        check("[paypal]\nbase_url = \"none\"\n", Ok(()));
        check("[paypal]\nbase_url = \"sandbox\"\n", elsewhere);
        check("[paypal]\nbase_url = \"http://192.168.0.7:1\"\n", elsewhere);
        check("[paypal]\nbase_url = \"http://localhost.shop.tld\"\n", elsewhere);
        check("[aliexpress]\nbase_url = \"live\"\nloan_account = true\n", elsewhere);
        let production = "mode = \"production\"\n[paypal]\nbase_url = \"none\"\n[aliexpress]\nbase_url = \"none\"\n";
        check(production, Err("only in sandbox mode"));
    }

    #[test]
    fn controls_are_read_strictly() {
        let check = |text: &str, expected: Result<(i64, usize), &str>| match (read(text), expected) {
            (Ok(controls), Ok(expected)) => {
                assert_eq!((controls.clock_offset_s, controls.failpoints.len()), expected, "{text}");
            }
            (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{text}: {reason}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("{}", Ok((0, 0)));
        check(r#"{"clock_offset_s": -86400}"#, Ok((-86400, 0)));
        check(r#"{"failpoints": [{"name": "payout.claim.committed", "passes": 2}]}"#, Ok((0, 1)));
        check(r#"{"failpoints": [{"name": "claim.committed"}]}"#, Err("there is no failpoint \"claim.committed\""));
        check(
            r#"{"failpoints": [{"name": "capture.claim.committed"}, {"name": "capture.call.answered"}]}"#,
            Err("name one"),
        );
        check(r#"{"clock_offset": 1}"#, Err("unknown field"));
        check(r#"{"clock_offset_s": 9000000000000000000}"#, Err("that far off"));
        check(r#"{"clock_rate": 0}"#, Err("as fast"));
        check("", Err("EOF"));
    }

    #[test]
    fn an_offset_clock_is_off() {
        let before = Timestamp::now();
        let month = SignedDuration::from_hours(24 * 31);
        assert!(read("{}").unwrap().clock().now() >= before);
        let shown = WoundClock { since: before, rate: 1, offset: month }.now();
        assert!(shown >= before + month);
        let hour_ago = before - SignedDuration::from_hours(1);
        let fast = WoundClock { since: hour_ago, rate: 24 * 31, offset: SignedDuration::ZERO }.now();
        assert!(fast >= hour_ago + month);
    }
}
