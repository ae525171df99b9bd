//! The files: appended to by the watchdog alone, numbered, bounded.
//!
//! There are two, so that what is there is between one and two times the bound. Where nothing can be written (the disk is
//! full) that is logged once, and what is lost is counted; the first line afterwards tells the number.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use serde_json::{Value, json};

use super::{FILE, LENGTH, OLDER};
use crate::log::timestamp;

/// A file is moved aside before it gets longer than this.
const BOUND: u64 = 1 << 20;

/// The files of a run directory.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    bound: u64,
    open: Option<Open>,
    /// The last number given.
    seq: u64,
    /// Lines that were not written, and not told yet.
    lost: u64,
    /// Why nothing can be written; logged once.
    error: Option<String>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// What is in it, in whole lines.
    length: u64,
}

impl Store {
    /// Those of a run directory, with what is in them.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        let mut store = Self::bounded(dir, BOUND);
        store.seq = last(&dir.join(FILE)).or_else(|| last(&dir.join(OLDER))).unwrap_or(0);
        store
    }

    pub(super) fn bounded(dir: &Path, bound: u64) -> Self {
        Self { dir: dir.to_path_buf(), bound, open: None, seq: 0, lost: 0, error: None }
    }

    /// Appends lines as an outbox makes them. What is no such line is left out.
    pub fn append(&mut self, lines: &[Vec<u8>], wall: SystemTime) {
        let mut lines = lines.iter().filter_map(|line| line.strip_prefix(b"{")).peekable();
        if lines.peek().is_none() {
            return;
        }
        let (before, mut count, mut text) = (self.seq, 0, Vec::new());
        if self.lost > 0 {
            let told =
                json!({ "at": timestamp(wall), "child": "watchdog", "event": "dropped", "count": self.lost });
            self.number(&mut text, told.to_string().as_bytes().strip_prefix(b"{").unwrap_or_default());
        }
        for line in lines {
            self.number(&mut text, line);
            count += 1;
        }
        match self.write(&text) {
            Ok(()) => {
                self.lost = 0;
                if self.error.take().is_some() {
                    log::info!("the history is kept again file={}", self.dir.join(FILE).display());
                }
            }
            Err(error) => {
                self.seq = before;
                self.lost += count;
                let words = error.to_string();
                if self.error.is_none() {
                    let file = self.dir.join(FILE);
                    log::warn!(
                        "the history cannot be kept, events are lost: {words} file={}",
                        file.display()
                    );
                }
                self.error = Some(words);
            }
        }
    }

    /// Why nothing can be written, if so.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn number(&mut self, text: &mut Vec<u8>, rest: &[u8]) {
        self.seq += 1;
        text.extend(format!("{{\"seq\":{},", self.seq).into_bytes());
        text.extend_from_slice(rest);
        text.push(b'\n');
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let length = u64::try_from(text.len()).map_err(io::Error::other)?;
        let path = self.dir.join(FILE);
        if self.open.as_ref().is_none_or(|open| !is_there(&open.file, &path)) {
            self.open = Some(open(&path)?);
        }
        if self.open.as_ref().is_some_and(|open| open.length > 0 && open.length + length > self.bound) {
            std::fs::rename(&path, self.dir.join(OLDER))?;
            self.open = Some(open(&path)?);
        }
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        match open.file.write_all(text) {
            Ok(()) => {
                open.length += length;
                Ok(())
            }
            Err(error) => {
                // Half a line would make the next one unreadable too.
                let _torn = open.file.set_len(open.length);
                Err(error)
            }
        }
    }
}

/// Whether the file is still the one at its place.
fn is_there(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Opens the file to append to it, without the torn line that a loss of power may have left at its end.
fn open(path: &Path) -> io::Result<Open> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o640).custom_flags(flags.bits());
    let mut file = options.open(path)?;
    let length = file.metadata()?.len();
    let (from, tail) = tail(&mut file)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let length =
        if whole == tail.len() { length } else { from + u64::try_from(whole).map_err(io::Error::other)? };
    file.set_len(length)?;
    Ok(Open { file, length })
}

/// The number of the last whole line.
fn last(path: &Path) -> Option<u64> {
    let (_, tail) = tail(&mut File::open(path).ok()?).ok()?;
    let lines =
        tail.rsplit(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    lines.filter_map(|line| line.get("seq")?.as_u64()).next()
}

/// The end of a file, and where it begins: more than the longest line.
fn tail(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let from = file.metadata()?.len().saturating_sub(4 * u64::try_from(LENGTH).map_err(io::Error::other)?);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((from, bytes))
}
