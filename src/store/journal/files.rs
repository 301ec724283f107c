//! The files of the intent journal: the one that is written, `intents.log`, and those that were full, named after their
//! first line. Full files are never changed and never deleted by the program; a database put back to an earlier day is
//! read against them. And the mirror, which holds every line in one file.

use super::JournalError;
use super::lines::{Line, Said};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) const CURRENT: &str = "intents.log";

pub(super) fn sync_directory(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

pub(super) fn full_file(data_dir: &Path, first_seq: i64) -> PathBuf {
    data_dir.join(format!("intents.{first_seq:012}.log"))
}

/// First sequence and path of every full file, the oldest first.
fn full_files(data_dir: &Path) -> std::io::Result<Vec<(i64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data_dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let seq = name.strip_prefix("intents.").and_then(|rest| rest.strip_suffix(".log"));
        if let Some(seq) = seq.filter(|seq| seq.len() == 12).and_then(|seq| seq.parse().ok()) {
            found.push((seq, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The files with every line from `from` on, in order; the one that is written is last, whether it is there or not.
pub(super) fn since(data_dir: &Path, from: i64) -> std::io::Result<Vec<PathBuf>> {
    let mut full = full_files(data_dir)?;
    // The last file that begins at or before `from` holds it, unless the line stands in the current one.
    let first = full.iter().rposition(|(seq, _)| *seq <= from).unwrap_or(0);
    let mut paths: Vec<PathBuf> = full.drain(..).skip(first).map(|(_, path)| path).collect();
    paths.push(data_dir.join(CURRENT));
    Ok(paths)
}

pub(super) fn is_there(data_dir: &Path) -> std::io::Result<bool> {
    let has_lines = |path: &Path| path.metadata().is_ok_and(|m| m.len() > 0);
    Ok(has_lines(&data_dir.join(CURRENT)) || !full_files(data_dir)?.is_empty())
}

/// Where reading stands: the last line seen, and what the file's head said.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    pub instance: Option<String>,
    /// The sealing key's fingerprint, as the last head that named one says.
    pub key: Option<String>,
    pub seq: i64,
    pub chain: String,
    /// The first line of the last file.
    pub first_seq: i64,
    /// Of the last file: whole lines only.
    pub sound_bytes: u64,
    has_begun: bool,
}

impl Scan {
    /// Reads every line of one file after those read before. A damaged line is fatal unless it is the last of the last
    /// file and has no line end: then it was torn while written.
    pub fn read(&mut self, path: &Path, is_last: bool, mut each: impl FnMut(&Line, &[u8])) -> Result<(), JournalError> {
        let io = |error| JournalError::Io { path: path.to_owned(), error };
        (self.sound_bytes, self.first_seq) = (0, self.seq + 1);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_last && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io(error)),
        };
        let mut reader = BufReader::new(file);
        let (mut bytes, mut number) = (Vec::new(), 0);
        loop {
            bytes.clear();
            number += 1;
            let read = reader.read_until(b'\n', &mut bytes).map_err(io)?;
            let broken =
                |reason: &str| JournalError::Broken { path: path.to_owned(), line: number, reason: reason.to_owned() };
            if read == 0 {
                return Ok(());
            }
            if bytes.last() != Some(&b'\n') {
                return if is_last { Ok(()) } else { Err(broken("a full file ends in half a line")) };
            }
            let line = Line::parse(&bytes).ok_or_else(|| broken("the checksum does not fit"))?;
            self.follow(&line).map_err(broken)?;
            self.sound_bytes += read as u64;
            each(&line, &bytes);
        }
    }

    fn follow(&mut self, line: &Line) -> Result<(), &'static str> {
        if !self.has_begun {
            // The oldest file may have been moved away; this one says where it went on from.
            if let Said::Opened { after: Some(after), .. } = &line.said {
                (self.seq, self.chain, self.first_seq) = (line.seq - 1, after.clone(), line.seq);
            }
            self.has_begun = true;
        }
        if line.seq != self.seq + 1 {
            return Err("a line is missing");
        }
        if !line.follows(&self.chain) {
            return Err("the line does not follow from the one before it");
        }
        if let Said::Opened { instance, key, .. } = &line.said {
            self.instance = Some(instance.clone());
            self.key = key.clone().or(self.key.take());
        }
        (self.seq, self.chain) = (line.seq, line.chain.clone());
        Ok(())
    }
}

/// The second path of every line, as it was found.
pub(super) struct Mirror {
    pub file: File,
    /// It stood at the journal's own last line: then the two did not go back in time together, unless both disks did.
    pub was_whole: bool,
    /// Lines that only the mirror had, as they stand there.
    pub ahead: Vec<(Line, Vec<u8>)>,
}

/// Opens the mirror and lays it beside the journal, which ends at `last`: what the mirror lacks is written there, what
/// the journal lacks is handed back. Two that tell different stories are a broken journal.
pub(super) fn open_mirror(path: &Path, data_dir: &Path, last: &Scan) -> Result<Mirror, JournalError> {
    let io = |error| JournalError::Io { path: path.to_owned(), error };
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(io)?;
    // A device or a pipe takes lines and shows none.
    if !file.metadata().map_err(io)?.is_file() {
        return Ok(Mirror { file, was_whole: false, ahead: Vec::new() });
    }
    let (mut scan, mut ahead, mut chain_there) = (Scan::default(), Vec::new(), None);
    scan.read(path, true, |line, bytes| {
        if line.seq == last.seq {
            chain_there = Some(line.chain.clone());
        }
        if line.seq > last.seq {
            ahead.push((line.clone(), bytes.to_vec()));
        }
    })?;
    file.set_len(scan.sound_bytes).map_err(io)?;
    let differs = chain_there.is_some_and(|chain| chain != last.chain)
        || ahead.first().is_some_and(|(line, _)| line.seq != last.seq + 1 || !line.follows(&last.chain))
        || scan.instance.is_some() && last.instance.is_some() && scan.instance != last.instance;
    if differs {
        let reason = "the journal and this mirror of it tell different stories; move the wrong one away".to_owned();
        return Err(JournalError::Broken { path: path.to_owned(), line: 0, reason });
    }
    let was_whole = scan.seq == last.seq && scan.seq > 0;
    if scan.seq < last.seq {
        for bytes in lines_after(data_dir, scan.seq)? {
            file.write_all(&bytes).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
    }
    Ok(Mirror { file, was_whole, ahead })
}

/// What puts one disk back puts back all that lies on it: only a mirror on another one speaks for the journal.
pub fn is_on_another_disk(mirror: &Path, data_dir: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|file| file.dev()).ok();
    device(mirror).is_some_and(|there| device(data_dir).is_some_and(|here| there != here))
}

fn lines_after(data_dir: &Path, seq: i64) -> Result<Vec<Vec<u8>>, JournalError> {
    let paths = since(data_dir, seq + 1).map_err(|error| JournalError::Io { path: data_dir.to_owned(), error })?;
    let (mut scan, mut found, last) = (Scan::default(), Vec::new(), paths.len() - 1);
    for (index, path) in paths.iter().enumerate() {
        scan.read(path, index == last, |line, bytes| {
            if line.seq > seq {
                found.push(bytes.to_vec());
            }
        })?;
    }
    Ok(found)
}
