//! The intent journal: one line per claim, outcome and operator's word, in a file outside the database (MONEY A6).
//! A line is `<crc32> <json>`; it is appended and fsynced before the call it announces. A torn last line was never
//! durable, so its call was never made. The file knows what a restored database has forgotten.
//!
//! Personal data: the request of a claim may hold an address, so it stands here sealed under `journal.key`.

use crate::domain::claim::Slot;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::failpoint;
use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the intent journal {path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    /// A line in the middle cannot be trusted. Nothing is sent while that is so.
    #[error("the intent journal {path} is broken at line {line}: {reason}")]
    Broken { path: PathBuf, line: usize, reason: String },
    #[error("the intent journal {path} belongs to instance {found}, the database is {wanted}")]
    OtherInstance { path: PathBuf, found: String, wanted: String },
    #[error("no random numbers")]
    NoRandom,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Said {
    /// The first line of a file.
    Opened { instance: String },
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
    },
    /// The same bytes once more.
    Resend { key: String, hash: String },
    /// What came of a call: done, refused, unsent or unknown, with the provider's ids.
    Outcome { key: String, outcome: String, ids: Vec<String> },
    /// A person changed what may be bought or paid.
    Operator { order: Option<String>, verb: String, by: String },
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

pub struct NewIntent<'a> {
    pub order: &'a OrderId,
    pub slot: Slot,
    pub attempt: u32,
    pub key: &'a str,
    pub amount: Money,
    pub request: &'a [u8],
    pub payee_hash: Option<String>,
}

pub struct Journal {
    path: PathBuf,
    key: LessSafeKey,
    tail: Mutex<Tail>,
}

struct Tail {
    file: File,
    mirror: Option<File>,
    seq: i64,
    chain: String,
    /// An append failed: what is on the disk is not known any more, so nothing is announced on it again.
    is_broken: bool,
}

/// A journal just opened, and the lines the database may not have seen.
pub struct Opened {
    pub journal: Journal,
    /// Lines with a sequence above the one asked for.
    pub unread: Vec<Line>,
    pub last_seq: i64,
    /// The file was not there before.
    pub is_new: bool,
}

impl Journal {
    /// Opens or makes `data_dir/intents.log`, checks every line, drops a torn last one, and answers the lines after
    /// `read_through`.
    pub fn open(
        data_dir: &Path,
        mirror: Option<&Path>,
        instance: &str,
        read_through: i64,
        now: Timestamp,
    ) -> Result<Opened, JournalError> {
        let path = data_dir.join("intents.log");
        let io = |error| JournalError::Io { path: path.clone(), error };
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        let scan = scan(&path, &file, read_through)?;
        if let Some(found) = scan.instance.as_ref().filter(|found| *found != instance) {
            let (found, wanted) = (found.clone(), instance.to_owned());
            return Err(JournalError::OtherInstance { path, found, wanted });
        }
        // A torn last line was never fsynced whole, so its call was never made.
        file.set_len(scan.sound_bytes).and_then(|()| file.seek(SeekFrom::End(0))).map_err(io)?;
        let mirror = match mirror {
            Some(path) => Some(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(|error| JournalError::Io { path: path.to_owned(), error })?,
            ),
            None => None,
        };
        let key = sealing_key(data_dir)?;
        let tail = Tail { file, mirror, seq: scan.seq, chain: scan.chain, is_broken: false };
        let journal = Journal { path: path.clone(), key, tail: Mutex::new(tail) };
        if scan.instance.is_none() {
            journal.append(now, Said::Opened { instance: instance.to_owned() })?;
            sync_directory(data_dir).map_err(io)?;
        }
        Ok(Opened { journal, unread: scan.unread, last_seq: scan.seq, is_new })
    }

    /// Announces a call. When this has returned, the line is on the disk.
    pub fn claim(&self, now: Timestamp, intent: &NewIntent<'_>) -> Result<i64, JournalError> {
        self.append(
            now,
            Said::Claim {
                order: intent.order.0.clone(),
                slot: intent.slot.word().to_owned(),
                attempt: intent.attempt,
                key: intent.key.to_owned(),
                amount: intent.amount.decimal(),
                currency: intent.amount.currency.code().to_owned(),
                hash: super::claims::hash(intent.request),
                request: self.seal(intent.request)?,
                payee: intent.payee_hash.clone(),
            },
        )
    }

    /// Appends one line and waits until it is on the disk; answers its sequence.
    pub fn append(&self, at: Timestamp, said: Said) -> Result<i64, JournalError> {
        let mut tail = self.tail.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let io = |error| JournalError::Io { path: self.path.clone(), error };
        if tail.is_broken {
            return Err(io(std::io::Error::other("an earlier append failed; restart the program")));
        }
        let seq = tail.seq + 1;
        let chain = chained(&tail.chain, seq, at, &said).map_err(io)?;
        let [unwritten, half_written, written, synced] = places(&said);
        let line = Line { seq, at, said, chain: chain.clone() };
        let json = serde_json::to_string(&line).map_err(|e| io(e.into()))?;
        let text = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        // fsync answers only for what was written before it; after a failure nothing is known, so no second try.
        tail.is_broken = true;
        failpoint::hit(unwritten);
        if failpoint::is_due(half_written) {
            tail.file.write_all(&text.as_bytes()[..text.len() / 2]).map_err(io)?;
        }
        failpoint::hit(half_written);
        tail.file.write_all(text.as_bytes()).map_err(io)?;
        failpoint::hit(written);
        tail.file.sync_data().map_err(io)?;
        if let Some(mirror) = &mut tail.mirror {
            mirror.write_all(text.as_bytes()).and_then(|()| mirror.sync_data()).map_err(io)?;
        }
        tail.is_broken = false;
        (tail.seq, tail.chain) = (seq, chain);
        failpoint::hit(synced);
        Ok(seq)
    }

    pub fn last_seq(&self) -> i64 {
        self.tail.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).seq
    }

    fn seal(&self, bytes: &[u8]) -> Result<String, JournalError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| JournalError::NoRandom)?;
        let mut sealed = bytes.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(unique, Aad::empty(), &mut sealed).map_err(|_| JournalError::NoRandom)?;
        Ok(BASE64.encode(&[&nonce[..], &sealed[..]].concat()))
    }

    /// The request bytes of a claim line; `None` when they were sealed under another key.
    pub fn unseal(&self, sealed: &str) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(sealed.as_bytes()).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::empty(), &mut rest).ok()?;
        Some(plain.to_vec())
    }
}

/// Where a program may die while it writes such a line.
fn places(said: &Said) -> [&'static str; 4] {
    match said {
        Said::Claim { .. } | Said::Resend { .. } => {
            ["intent.unwritten", "intent.half_written", "intent.written", "intent.synced"]
        }
        Said::Outcome { .. } => ["outcome.unwritten", "outcome.half_written", "outcome.written", "outcome.synced"],
        Said::Opened { .. } | Said::Operator { .. } => {
            ["word.unwritten", "word.half_written", "word.written", "word.synced"]
        }
    }
}

struct Scan {
    instance: Option<String>,
    unread: Vec<Line>,
    seq: i64,
    chain: String,
    sound_bytes: u64,
}

/// Reads every line. A damaged line is fatal unless it is the last and has no line end: then it was torn while written.
fn scan(path: &Path, file: &File, read_through: i64) -> Result<Scan, JournalError> {
    let mut reader = BufReader::new(file);
    let mut scan = Scan { instance: None, unread: Vec::new(), seq: 0, chain: String::new(), sound_bytes: 0 };
    let (mut bytes, mut number) = (Vec::new(), 0);
    loop {
        bytes.clear();
        number += 1;
        let read = reader.read_until(b'\n', &mut bytes);
        let read = read.map_err(|error| JournalError::Io { path: path.to_owned(), error })?;
        if read == 0 || bytes.last() != Some(&b'\n') {
            return Ok(scan);
        }
        let broken =
            |reason: &str| JournalError::Broken { path: path.to_owned(), line: number, reason: reason.to_owned() };
        let line = parse(&bytes).ok_or_else(|| broken("the checksum does not fit"))?;
        if line.seq != scan.seq + 1 {
            return Err(broken("a line is missing"));
        }
        if chained(&scan.chain, line.seq, line.at, &line.said).ok().as_ref() != Some(&line.chain) {
            return Err(broken("the line does not follow from the one before it"));
        }
        if let Said::Opened { instance } = &line.said {
            scan.instance = Some(instance.clone());
        }
        (scan.seq, scan.chain) = (line.seq, line.chain.clone());
        scan.sound_bytes += read as u64;
        if line.seq > read_through {
            scan.unread.push(line);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (crc, json) = text.split_once(' ')?;
    let sound = u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(json.as_bytes());
    sound.then(|| serde_json::from_str(json).ok())?
}

fn chained(previous: &str, seq: i64, at: Timestamp, said: &Said) -> Result<String, std::io::Error> {
    let content = serde_json::to_string(said)?;
    let hash = digest(&SHA256, format!("{previous}|{seq}|{at}|{content}").as_bytes());
    Ok(HEXLOWER.encode(&hash.as_ref()[..8]))
}

/// The key under which requests are sealed: made once, readable by the owner only.
fn sealing_key(data_dir: &Path) -> Result<LessSafeKey, JournalError> {
    let path = data_dir.join("journal.key");
    let io = |error| JournalError::Io { path: path.clone(), error };
    if !path.exists() {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| JournalError::NoRandom)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io)?;
    }
    let bytes = std::fs::read(&path).map_err(io)?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes);
    key.map(LessSafeKey::new).map_err(|_| io(std::io::Error::other("not a key of 32 bytes")))
}

fn sync_directory(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn open(dir: &Path, read_through: i64) -> Result<Opened, JournalError> {
        Journal::open(dir, None, "instance", read_through, now())
    }

    fn claim(journal: &Journal, key: &str) -> i64 {
        let order = OrderId("order".to_owned());
        let amount = Money::new(1234, Currency::new("USD").unwrap());
        let request = b"to Jane Doe, 1 Secret Street";
        let slot = Slot::Purchase;
        journal
            .claim(now(), &NewIntent { order: &order, slot, attempt: 1, key, amount, request, payee_hash: None })
            .unwrap()
    }

    #[test]
    fn a6_a_claim_comes_back_whole_and_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(dir.path(), 0).unwrap();
        assert!(opened.is_new);
        let seq = claim(&opened.journal, "key-1");
        drop(opened);
        let text = std::fs::read_to_string(dir.path().join("intents.log")).unwrap();
        assert!(!text.contains("Secret"), "no address in the journal");
        let again = open(dir.path(), seq - 1).unwrap();
        let [Line { said: Said::Claim { key, request, amount, .. }, .. }] = &again.unread[..] else { panic!() };
        assert_eq!((key.as_str(), amount.as_str()), ("key-1", "12.34"));
        assert_eq!(again.journal.unseal(request).unwrap(), b"to Jane Doe, 1 Secret Street");
        assert!(open(dir.path(), seq).unwrap().unread.is_empty());
    }

    #[test]
    fn f32b_a_torn_last_line_was_never_sent_and_a_damaged_one_is_fatal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("intents.log");
        let journal = open(dir.path(), 0).unwrap().journal;
        claim(&journal, "key-1");
        claim(&journal, "key-2");
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let last_line = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
        for cut in last_line + 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let opened = open(dir.path(), 0).unwrap();
            assert_eq!(opened.last_seq, 2, "cut at {cut}: the torn line does not count");
            claim(&opened.journal, "key-3");
            drop(opened);
            assert_eq!(open(dir.path(), 2).unwrap().unread.len(), 1);
        }
        for flip in 0..last_line {
            let mut bytes = whole.clone();
            bytes[flip] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let opened = open(dir.path(), 0);
            assert!(opened.is_err(), "a flipped bit at {flip} was not noticed");
        }
    }

    #[test]
    fn f33_a_journal_of_another_instance_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), 0).unwrap();
        let other = Journal::open(dir.path(), None, "other", 0, now());
        assert!(matches!(other, Err(JournalError::OtherInstance { .. })));
    }

    #[test]
    fn lines_in_the_middle_cannot_be_cut_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("intents.log");
        let journal = open(dir.path(), 0).unwrap().journal;
        for key in ["a", "b", "c"] {
            claim(&journal, key);
        }
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        std::fs::write(&path, [lines[0], lines[1], lines[3]].concat()).unwrap();
        assert!(matches!(open(dir.path(), 0), Err(JournalError::Broken { line: 3, .. })));
    }
}
