//! What stands in a line of the intent journal, and how a line is checked: `<crc32> <json>`, a sequence without gaps, and
//! a chain over everything before it.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Said {
    /// The first line of a file.
    Opened {
        instance: String,
        /// The chain value of the line before, in a file that goes on where another ended.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        after: Option<String>,
        /// Tells the sealing key from another one, without telling the key.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<String>,
    },
    /// Written before a call.
    Claim {
        order: String,
        slot: String,
        attempt: u32,
        key: String,
        amount: String,
        currency: String,
        /// SHA-256 of the request bytes, hex.
        hash: String,
        /// The request bytes, sealed.
        request: String,
        /// SHA-256 of the payee's address, for a payout.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payee: Option<String>,
        /// What was approved, for a purchase.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        terms: Option<Terms>,
    },
    /// The same bytes once more.
    Resend { key: String, hash: String },
    /// What came of a call: done, refused, unsent or unknown, with the provider's ids.
    Outcome { key: String, outcome: String, ids: Vec<String> },
    /// A person changed what may be bought or paid.
    Operator {
        order: Option<String>,
        verb: String,
        by: String,
        /// What else was said, sealed: a reason may name people.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        said: Option<String>,
    },
    /// The word of that line was not heard after all: the database refused it.
    Unheard { line: i64 },
}

/// What a purchase may cost, and how it is paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// In minor units of the claim's currency.
    pub ceiling_minor: i64,
    pub quote_hash: String,
    pub is_auto_pay: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// From 1, without gaps.
    pub seq: i64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub said: Said,
    /// SHA-256 over the chain value before and this line's content, hex, shortened to 16 characters.
    pub chain: String,
}

impl Line {
    /// The line that follows one with this sequence and chain value.
    pub(super) fn after(seq: i64, chain: &str, at: Timestamp, said: Said) -> std::io::Result<Line> {
        let seq = seq + 1;
        let chain = chained(chain, seq, at, &said)?;
        Ok(Line { seq, at, said, chain })
    }

    pub(super) fn follows(&self, chain: &str) -> bool {
        chained(chain, self.seq, self.at, &self.said).is_ok_and(|expected| expected == self.chain)
    }

    /// As it stands in the file.
    pub fn text(&self) -> std::io::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())))
    }

    /// `None`: not a whole line, or not what was written.
    pub fn parse(bytes: &[u8]) -> Option<Line> {
        let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let (crc, json) = text.split_once(' ')?;
        let sound = u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(json.as_bytes());
        sound.then(|| serde_json::from_str(json).ok())?
    }
}

fn chained(previous: &str, seq: i64, at: Timestamp, said: &Said) -> std::io::Result<String> {
    let content = serde_json::to_string(said)?;
    let hash = digest(&SHA256, format!("{previous}|{seq}|{at}|{content}").as_bytes());
    Ok(HEXLOWER.encode(&hash.as_ref()[..8]))
}
