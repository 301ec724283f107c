//! The file a far side's book is kept in: one line of JSON for every accepted change, written and flushed before the
//! answer leaves, so that a killed process comes back with the same book. It never rewrites a line; a torn last line is
//! a change nobody was told of, and is cut off.

use super::faults::Fault;
use super::{aliexpress, paypal};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What one request, or one word of the control, changed.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Line {
    /// When, in milliseconds since 1970 on the far sides' clock.
    pub at: i64,
    /// First line only: what every id is drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paypal: Vec<paypal::Effect>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliexpress: Vec<aliexpress::Effect>,
    /// The fault table as it stands from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<Vec<Fault>>,
    /// How far the far sides' clock is ahead, from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
}

impl Line {
    pub fn is_empty(&self) -> bool {
        self.seed.is_none()
            && self.paypal.is_empty()
            && self.aliexpress.is_empty()
            && self.faults.is_none()
            && self.clock_offset_ms.is_none()
    }
}

/// An open book file, positioned at its end.
#[derive(Debug)]
pub struct BookFile(File);

impl BookFile {
    /// Opens or makes the file and reads every whole line. An unreadable line that is not the last is an error.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Line>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // A device would be read for ever.
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the book must be a plain file"));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let mut lines = Vec::new();
        for (number, line) in text[..whole].split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.is_empty()) {
            let place = |e| io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {e}", number + 1));
            lines.push(serde_json::from_slice(line).map_err(place)?);
        }
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self(file), lines))
    }

    /// A book that takes no line, for tests of what happens then.
    #[cfg(test)]
    pub fn unwritable(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// Appends one line in one write.
    pub fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        self.0.write_all(&text)?;
        self.0.flush()
    }
}
