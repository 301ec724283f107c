//! Whom we ask: PayPal and AliExpress. The only outgoing HTTP of the program.
//!
//! Answers become domain words at this door. It must never touch the store, decide what happens next, repeat a call
//! that moves money by itself (one exception: the same bytes after a proven 401), or log a body, a token or an address.

pub mod aliexpress;
mod json;
pub mod paypal;
pub mod probe;
#[cfg(test)]
mod scripted;
pub mod wire;

pub use crate::secret::Secret;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex};
use wire::Answer;

/// Why a call failed, by what may be done next about *this* call. What it means for the claim behind the call is
/// another question: a refusal of a resend proves nothing (A2), and a failed look-up proves nothing whatever it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No byte of the request left us, or we were told "not now". Nothing moved; the same call may be made later.
    #[error("not sent: {0}")]
    Unsent(String),
    /// A definite no. Nothing moved; asking again without a change will not help. `code` is the far side's issue
    /// code, or [`REFUSED_HERE`]; `debug_id` is what PayPal's support (or AliExpress' request id) asks for, `None`
    /// when the answer bore none.
    #[error("refused: {code}: {reason}")]
    Refused { code: String, reason: String, debug_id: Option<String> },
    /// We asked and have no trustworthy answer. Money may have moved; look before asking again.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// The code of a refusal that is our own: the request was not fit to be sent, and was not.
pub const REFUSED_HERE: &str = "REFUSED_HERE";

/// What one call came to: the content of its log line. No body, no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// PAYPAL or ALIEXPRESS.
    pub far_side: &'static str,
    pub operation: String,
    /// `None` = no answer came.
    pub status: Option<u16>,
    /// The far side's word for a refusal, tamed.
    pub issue: Option<String>,
    pub debug_id: Option<String>,
    pub took_ms: u64,
}

/// Is told of every call once it is over. It must be quick: the caller waits for it.
pub type OnCall = dyn Fn(&Called) + Send + Sync;

/// `None` for the `-` of a log line.
fn said(code: &str) -> Option<String> {
    (code != "-").then(|| code.to_owned())
}

impl CallError {
    fn refused_here(reason: impl Into<String>) -> Self {
        CallError::Refused { code: REFUSED_HERE.to_owned(), reason: reason.into(), debug_id: None }
    }
}

/// Our clock as an answer is timed by it: the time of day, and monotonic time.
pub type Now = dyn Fn() -> (Timestamp, SignedDuration) + Send + Sync;

/// One answer's `Date`, and our own time around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub date: Timestamp,
    /// When it was asked for, and when it had come: wall and monotonic time.
    pub from: (Timestamp, SignedDuration),
    pub to: (Timestamp, SignedDuration),
    /// The how manieth of this far side.
    pub count: u64,
}

impl Heard {
    /// How far the far side is ahead of our wall clock; zero within the time that the call took, or a second.
    pub fn apart(&self) -> SignedDuration {
        let (first, last) = (self.from.0.min(self.to.0), self.from.0.max(self.to.0));
        // A Date has no fractions of a second.
        let (first, date) = (first - SignedDuration::from_secs(1), self.date);
        if date < first {
            date.duration_since(first)
        } else if date > last {
            date.duration_since(last)
        } else {
            SignedDuration::ZERO
        }
    }
}

/// What a far side's own clock said, by the `Date` of its answers since the program started. Our wall clock may have
/// been set back, and the windows in which a key protects us are the far side's.
#[derive(Default)]
struct FarClock {
    now: Option<Arc<Now>>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    latest: Option<Timestamp>,
    heard: Option<Heard>,
}

impl FarClock {
    fn timed_by(now: Arc<Now>) -> FarClock {
        FarClock { now: Some(now), said: Mutex::default() }
    }

    /// To be taken right before a request goes out.
    fn now(&self) -> Option<(Timestamp, SignedDuration)> {
        self.now.as_ref().map(|now| now())
    }

    /// The latest wins: too late a time only makes a key look older than it is, and that is the safe side.
    fn note(&self, from: Option<(Timestamp, SignedDuration)>, answer: &Answer) {
        let date = answer.header("date").and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let to = self.now();
        let mut said = self.said.lock().unwrap_or_else(|e| e.into_inner());
        said.latest = date.max(said.latest);
        if let (Some(date), Some(from), Some(to)) = (date, from, to) {
            let count = said.heard.map_or(0, |heard| heard.count) + 1;
            said.heard = Some(Heard { date, from, to, count });
        }
    }

    fn latest(&self) -> Option<Timestamp> {
        self.said.lock().unwrap_or_else(|e| e.into_inner()).latest
    }

    fn heard(&self) -> Option<Heard> {
        self.said.lock().unwrap_or_else(|e| e.into_inner()).heard
    }
}

/// Cuts a text of the far side down to what may stand in a log line or a report: one line, no control characters, at
/// most `chars_max` characters. Without this a forged answer could write log lines of its own.
fn tame(text: &str, chars_max: usize) -> String {
    let one_line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(chars_max).collect::<String>().trim().to_owned()
}

/// A code for a log line of `key=value` pairs: no spaces either. `-` when there is none.
fn tame_code(text: Option<&str>) -> String {
    let kept: String = text
        .unwrap_or("")
        .chars()
        .take(80)
        .map(|c| if c.is_ascii_alphanumeric() || "._-/".contains(c) { c } else { '_' })
        .collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// True for an id that may stand in a URL path as it is.
fn is_plain_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Declares an enum of a far side's status words. A word that is not listed becomes `Other` with the word in it, so
/// that a new word is neither lost nor taken for one that we know.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$word_doc])* $variant,)+
            /// A word that is not in the documentation we built from: hold, and tell a human.
            Other(String),
        }

        impl $name {
            pub fn from_word(word: &str) -> Self {
                match word {
                    $($word $(| $alias)* => Self::$variant,)+
                    other => Self::Other($crate::gateway::tame(other, 64)),
                }
            }

            /// The far side's own word.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }
    };
}
use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_side_cannot_write_log_lines() {
        assert_eq!(tame_code(Some("A B\n[PAYPAL] op=pay\x1b[0m")), "A_B__PAYPAL__op_pay__0m");
        assert_eq!(tame_code(None), "-");
        assert_eq!(tame("one\r\ntwo", 40), "one  two");
        assert_eq!(tame(&"ä".repeat(99), 10).chars().count(), 10);
    }

    #[test]
    fn the_far_clock_keeps_the_latest_date() {
        let clock = FarClock::default();
        let check = |date: &str, latest: Option<&str>| {
            let headers = vec![("date".to_owned(), date.to_owned())];
            clock.note(None, &Answer { status: 200, headers, body: Vec::new() });
            assert_eq!(clock.latest(), latest.map(|t| t.parse().unwrap()), "{date}");
        };
        check("", None);
        check("yesterday", None);
        check("Sun, 22 Nov 2026 20:04:08 GMT", Some("2026-11-22T20:04:08Z"));
        check("Sun, 22 Nov 2026 19:00:00 GMT", Some("2026-11-22T20:04:08Z"));
        check("", Some("2026-11-22T20:04:08Z"));
        check("Sun, 22 Nov 2026 20:05:00 GMT", Some("2026-11-22T20:05:00Z"));
    }

    #[test]
    fn f18_a_far_side_is_apart_only_by_what_the_call_does_not_explain() {
        let at = |s: i64| (Timestamp::UNIX_EPOCH + SignedDuration::from_secs(s), SignedDuration::from_secs(s));
        let check = |date: i64, from: i64, to: i64, expected: i64| {
            let heard = Heard { date: at(date).0, from: at(from), to: at(to), count: 1 };
            assert_eq!(heard.apart().as_secs(), expected, "{date} in {from}..{to}");
        };
        check(100, 100, 100, 0);
        check(99, 100, 160, 0);
        check(130, 100, 160, 0);
        check(3760, 100, 160, 3600);
        check(-3501, 100, 160, -3600);
        // Our clock was set back while we waited.
        check(100, 160, 100, 0);
    }

    #[test]
    fn only_plain_ids_stand_in_a_path() {
        for (id, plain) in [("5O190127TN364715T", true), ("a-b_1", true), ("", false), ("../x", false), ("a?b", false)]
        {
            assert_eq!(is_plain_id(id), plain, "{id}");
        }
    }
}
