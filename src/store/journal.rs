//! The intent journal: one line per claim, outcome and operator's word, in files outside the database (MONEY A6).
//! A line is appended and fsynced before the call it announces. A torn last line was never durable, so its call was
//! never made. The journal knows what a restored database has forgotten.
//!
//! Personal data: the request of a claim may hold an address, so it stands here sealed under `journal.key`. A journal
//! without its key, with another key, of another instance or with a damaged line is never taken for a fresh start.

mod files;
mod lines;

pub use lines::{Line, Said, Terms};

use crate::domain::claim::Slot;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::failpoint;
use data_encoding::{BASE64, HEXLOWER};
pub use files::is_on_another_disk;
use files::{Scan, sync_directory};
use jiff::Timestamp;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the intent journal {path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    /// A line in the middle cannot be trusted. Nothing is sent while that is so.
    #[error("the intent journal {path} is broken at line {line}: {reason}")]
    Broken { path: PathBuf, line: usize, reason: String },
    #[error("the intent journal {path} belongs to instance {found}, the database is {wanted}")]
    OtherInstance { path: PathBuf, found: String, wanted: String },
    /// A fresh key would read nothing of what was sealed.
    #[error("the key of the intent journal, {0}, is gone or another one")]
    NoKey(PathBuf),
    #[error("no random numbers")]
    NoRandom,
}

impl JournalError {
    /// The journal cannot be read as it lies there, and putting the right files back mends it.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, JournalError::Broken { .. } | JournalError::OtherInstance { .. } | JournalError::NoKey(_))
    }
}

pub struct NewIntent<'a> {
    pub order: &'a OrderId,
    pub slot: Slot,
    pub attempt: u32,
    pub key: &'a str,
    pub amount: Money,
    pub request: &'a [u8],
    pub payee_hash: Option<String>,
    pub terms: Option<Terms>,
}

/// A line of the journal by its sequence and chain value. `None` as the chain: only the sequence is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub seq: i64,
    pub chain: Option<String>,
}

/// The journal as it has to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub data_dir: &'a Path,
    /// A second path for every line.
    pub mirror: Option<&'a Path>,
    pub instance: &'a str,
    /// The last line that the database knows.
    pub mark: &'a Mark,
    /// The last line it knew of a journal that is gone, should that come back.
    pub lost: Option<&'a Mark>,
    pub now: Timestamp,
}

/// How the journal lies beside the database's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The marked line stands in it.
    Whole,
    /// It is the one that was gone.
    PutBack,
    /// There was none.
    Gone,
    /// It ends before the marked line.
    Short,
    /// Another line stands where the marked one was.
    Other,
}

pub struct Journal {
    data_dir: PathBuf,
    instance: String,
    key: LessSafeKey,
    key_name: String,
    /// A file is full at this size.
    full_at: u64,
    tail: Mutex<Tail>,
}

struct Tail {
    file: File,
    mirror: Option<File>,
    size: u64,
    first_seq: i64,
    seq: i64,
    chain: String,
    /// Chain values from the database's mark on.
    chains: BTreeMap<i64, String>,
    /// An append failed: what is on the disk is not known any more, so nothing is announced on it again.
    is_broken: bool,
}

/// A journal just opened, and the lines the database may not have seen.
pub struct Opened {
    pub journal: Journal,
    pub found: Found,
    /// Lines after the mark, or after the lost mark if that journal was put back.
    pub unread: Vec<Line>,
    /// The mirror stood at the same last line.
    pub is_mirrored: bool,
}

/// Bytes of a full file: some ten thousand lines.
const FULL_AT: u64 = 8 * 1024 * 1024;

impl Journal {
    /// Opens or makes the journal, checks every line from the marks on, drops a torn last one, takes from the mirror
    /// what only that has, and answers the lines after the mark.
    pub fn open(wanted: &Wanted<'_>) -> Result<Opened, JournalError> {
        let Wanted { data_dir, mark, lost, .. } = *wanted;
        let path = data_dir.join(files::CURRENT);
        let io = |error| JournalError::Io { path: path.clone(), error };
        let is_new = !files::is_there(data_dir).map_err(io)?;
        let from = lost.map_or(mark.seq, |lost| lost.seq.min(mark.seq));
        let (mut scan, mut seen) = (Scan::default(), Vec::new());
        let paths = files::since(data_dir, from).map_err(io)?;
        for (index, path) in paths.iter().enumerate() {
            scan.read(path, index + 1 == paths.len(), |line, _| {
                if line.seq >= from {
                    seen.push(line.clone());
                }
            })?;
        }
        let is_other = |found: &&String| *found != wanted.instance;
        if let Some(found) = scan.instance.as_ref().filter(is_other) {
            let (found, wanted) = (found.clone(), wanted.instance.to_owned());
            return Err(JournalError::OtherInstance { path, found, wanted });
        }
        let mut file = open_file(&path).map_err(io)?;
        // A torn last line was never fsynced whole, so its call was never made.
        file.set_len(scan.sound_bytes).and_then(|()| file.seek(SeekFrom::End(0))).map_err(io)?;
        let mirror = wanted.mirror.map(|mirror| files::open_mirror(mirror, data_dir, &scan)).transpose()?;
        let is_mirrored = mirror.as_ref().is_some_and(|mirror| mirror.was_whole);
        let (mirror, ahead) = mirror.map_or((None, Vec::new()), |mirror| (Some(mirror.file), mirror.ahead));
        for (line, bytes) in ahead {
            file.write_all(&bytes).map_err(io)?;
            if let Said::Opened { key, .. } = &line.said {
                scan.key = key.clone().or(scan.key.take());
                scan.instance = Some(wanted.instance.to_owned());
            }
            (scan.seq, scan.chain) = (line.seq, line.chain.clone());
            scan.sound_bytes += bytes.len() as u64;
            seen.push(line);
        }
        file.sync_all().map_err(io)?;
        let found = found(&seen, &scan, mark, lost, is_new);
        let (key, key_name) = sealing_key(data_dir, scan.seq == 0, scan.key.as_deref())?;
        let read_through = if found == Found::PutBack { lost.map_or(mark.seq, |lost| lost.seq) } else { mark.seq };
        let unread: Vec<Line> = seen.into_iter().filter(|line| line.seq > read_through).collect();
        let mut chains: BTreeMap<i64, String> = unread.iter().map(|line| (line.seq, line.chain.clone())).collect();
        chains.insert(scan.seq, scan.chain.clone());
        let tail = Tail {
            file,
            mirror,
            size: scan.sound_bytes,
            first_seq: scan.first_seq,
            seq: scan.seq,
            chain: scan.chain,
            chains,
            is_broken: false,
        };
        let (data_dir, instance) = (data_dir.to_owned(), wanted.instance.to_owned());
        let journal = Journal { data_dir, instance, key, key_name, full_at: FULL_AT, tail: Mutex::new(tail) };
        if scan.sound_bytes == 0 {
            journal.begin_file(&mut journal.tail(), wanted.now)?;
        }
        Ok(Opened { journal, found, unread, is_mirrored })
    }

    /// Announces a call. When this has returned, the line is on the disk.
    pub fn claim(&self, now: Timestamp, intent: &NewIntent<'_>) -> Result<i64, JournalError> {
        self.append(
            now,
            Said::Claim {
                order: intent.order.0.clone(),
                slot: intent.slot.word().into_owned(),
                attempt: intent.attempt,
                key: intent.key.to_owned(),
                amount: intent.amount.decimal(),
                currency: intent.amount.currency.code().to_owned(),
                hash: super::claims::hash(intent.request),
                request: self.seal(intent.request)?,
                payee: intent.payee_hash.clone(),
                terms: intent.terms.clone(),
            },
        )
    }

    /// Appends one line and waits until it is on the disk; answers its sequence.
    pub fn append(&self, at: Timestamp, said: Said) -> Result<i64, JournalError> {
        let mut tail = self.tail();
        let seq = self.write(&mut tail, at, said)?;
        if tail.size >= self.full_at {
            self.rotate(&mut tail, at)?;
        }
        Ok(seq)
    }

    fn write(&self, tail: &mut Tail, at: Timestamp, said: Said) -> Result<i64, JournalError> {
        let io = |error| JournalError::Io { path: self.path(), error };
        if tail.is_broken {
            return Err(io(std::io::Error::other("an earlier append failed; restart the program")));
        }
        let [unwritten, half_written, written, synced] = places(&said);
        let line = Line::after(tail.seq, &tail.chain, at, said).map_err(io)?;
        let text = line.text().map_err(io)?;
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
        tail.size += text.len() as u64;
        (tail.seq, tail.chain) = (line.seq, line.chain.clone());
        tail.chains.insert(line.seq, line.chain);
        failpoint::hit(synced);
        Ok(line.seq)
    }

    /// The full file gets a name of its own and a new one goes on. A death in between leaves no current file, and the
    /// next start makes it: the chain stands in the full one.
    fn rotate(&self, tail: &mut Tail, at: Timestamp) -> Result<(), JournalError> {
        let io = |error| JournalError::Io { path: self.path(), error };
        tail.is_broken = true;
        std::fs::rename(self.path(), files::full_file(&self.data_dir, tail.first_seq)).map_err(io)?;
        sync_directory(&self.data_dir).map_err(io)?;
        tail.file = open_file(&self.path()).map_err(io)?;
        (tail.size, tail.first_seq) = (0, tail.seq + 1);
        tail.is_broken = false;
        self.begin_file(tail, at)
    }

    /// The head of a file.
    fn begin_file(&self, tail: &mut Tail, at: Timestamp) -> Result<(), JournalError> {
        let after = (tail.seq > 0).then(|| tail.chain.clone());
        let (instance, key) = (self.instance.clone(), Some(self.key_name.clone()));
        self.write(tail, at, Said::Opened { instance, after, key })?;
        sync_directory(&self.data_dir).map_err(|error| JournalError::Io { path: self.path(), error })
    }

    pub fn last_seq(&self) -> i64 {
        self.tail().seq
    }

    /// Whether lines can still be announced on it.
    pub fn is_sound(&self) -> bool {
        !self.tail().is_broken
    }

    /// The line as a mark. `None` as its chain: it is older than those that are kept.
    pub fn mark(&self, seq: i64) -> Mark {
        Mark { seq, chain: self.tail().chains.get(&seq).cloned() }
    }

    /// The mark of that line is committed, so no earlier one is asked for again.
    pub fn forget_chains_before(&self, seq: i64) {
        let mut tail = self.tail();
        let later = tail.chains.split_off(&seq);
        tail.chains = later;
    }

    fn path(&self) -> PathBuf {
        self.data_dir.join(files::CURRENT)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn seal(&self, bytes: &[u8]) -> Result<String, JournalError> {
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
        Said::Opened { .. } | Said::Operator { .. } | Said::Unheard { .. } => {
            ["word.unwritten", "word.half_written", "word.written", "word.synced"]
        }
    }
}

fn found(seen: &[Line], scan: &Scan, mark: &Mark, lost: Option<&Mark>, is_new: bool) -> Found {
    let has = |mark: &Mark| {
        let line = seen.iter().find(|line| line.seq == mark.seq);
        mark.seq == 0 || line.is_some_and(|line| mark.chain.as_ref().is_none_or(|chain| *chain == line.chain))
    };
    // The first line after the mark tells where a moved-away file leaves a gap.
    let has_gap = seen.first().is_some_and(|line| line.seq > mark.seq + 1);
    match lost {
        // Only a chain value tells the lost journal from the one begun in its place.
        Some(lost) if lost.chain.is_some() && has(lost) => Found::PutBack,
        _ if has(mark) && !has_gap => Found::Whole,
        _ if is_new && scan.seq == 0 => Found::Gone,
        _ if scan.seq < mark.seq => Found::Short,
        _ => Found::Other,
    }
}

fn open_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The key under which requests are sealed and its fingerprint. It is made once, with the first line, and readable by
/// the owner only. `expected`: the fingerprint that the journal names.
fn sealing_key(data_dir: &Path, may_make: bool, expected: Option<&str>) -> Result<(LessSafeKey, String), JournalError> {
    let path = data_dir.join("journal.key");
    let io = |error| JournalError::Io { path: path.clone(), error };
    if !path.exists() {
        if !may_make {
            return Err(JournalError::NoKey(path));
        }
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| JournalError::NoRandom)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io)?;
        sync_directory(data_dir).map_err(io)?;
    }
    let bytes = std::fs::read(&path).map_err(io)?;
    let name = HEXLOWER.encode(&digest(&SHA256, &bytes).as_ref()[..8]);
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map(LessSafeKey::new);
    match key {
        Ok(key) if expected.is_none_or(|expected| expected == name) => Ok((key, name)),
        _ => Err(JournalError::NoKey(path)),
    }
}

#[cfg(test)]
mod tests;
