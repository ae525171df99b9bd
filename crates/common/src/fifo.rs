//! A named pipe that programs read notifications from, one line each. Never waited for: nobody has to read.
//!
//! The pipe is opened for reading too, so that it can be written to before anybody reads: the kernel keeps 64 KiB, and
//! [`WAITING`] more lines are kept here. Beyond that the oldest go, since the newest say how things are now; in their
//! place the reader finds one line that counts them.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::config::{Diagnostics, Table};
use crate::event_loop::{Interest, Registration, Registry};

/// So many lines wait for a reader, besides what the kernel keeps.
pub const WAITING: usize = 1000;

/// So many characters of a line: even in UTF-8 the kernel writes that whole or not at all (`PIPE_BUF`).
const LENGTH: usize = 900;

/// One named pipe.
#[derive(Debug)]
pub struct Fifo<K: Copy> {
    path: PathBuf,
    key: K,
    registry: Registry<K>,
    open: Option<(File, Registration<K>)>,
    lines: Lines,
    /// Why it cannot be used; told once.
    error: Option<String>,
}

/// What waits for the pipe.
#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<String>,
    /// Not told yet.
    dropped: u64,
    /// Since the start.
    lost: u64,
}

impl Lines {
    fn push(&mut self, line: String) {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
            self.dropped += 1;
            self.lost += 1;
        }
        self.waiting.push_back(line);
    }

    /// What to write next, in one piece: a line, behind the number of those that are missing before it.
    fn next(&self) -> Option<String> {
        let line = self.waiting.front()?;
        Some(match self.dropped {
            0 => line.clone(),
            dropped => format!("FIFO \"lines\" DROPPED {dropped}\n{line}"),
        })
    }

    fn written(&mut self) {
        self.dropped = 0;
        self.waiting.pop_front();
    }
}

impl<K: Copy> Fifo<K> {
    /// The pipe at a path; it is made if it is not there. Where it cannot be used that is told, and tried again with
    /// every line. It becomes writable under `key`.
    pub fn new(path: &Path, key: K, registry: &Registry<K>) -> Self {
        let (lines, registry) = (Lines::default(), registry.clone());
        let mut fifo = Self { path: path.to_path_buf(), key, registry, open: None, lines, error: None };
        fifo.reopen();
        fifo
    }

    /// Writes a line, now or when there is room. Control characters in it are written as spaces.
    pub fn push(&mut self, line: &str) {
        let plain = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        let mut line: String = plain.take(LENGTH).collect();
        line.push('\n');
        self.lines.push(line);
        // Somebody may have put another pipe there: what is in the old one is never read.
        if !self.is_there() {
            self.reopen();
        }
        self.flush();
    }

    /// There may be room.
    pub fn flush(&mut self) {
        let Some((file, _)) = &mut self.open else { return };
        while let Some(line) = self.lines.next() {
            match file.write(line.as_bytes()) {
                Ok(_) => self.lines.written(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.open = None;
                    return self.fail(&error);
                }
            }
        }
    }

    fn is_there(&self) -> bool {
        let Some((file, _)) = &self.open else { return false };
        match (file.metadata(), std::fs::symlink_metadata(&self.path)) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }

    fn reopen(&mut self) {
        self.open = None;
        match open(&self.path).and_then(|file| {
            let registration = self.registry.add(&file, self.key, Interest::Write)?;
            Ok((file, registration))
        }) {
            Ok(open) => {
                if self.error.take().is_some() {
                    log::info!("notifications are written again fifo={}", self.path.display());
                }
                self.open = Some(open);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let words = error.to_string();
        if self.error.as_ref() != Some(&words) {
            log::warn!("notifications cannot be written, they wait: {words} fifo={}", self.path.display());
            self.error = Some(words);
        }
    }

    /// For the status.
    #[must_use]
    pub fn status(&self) -> Value {
        json!({
            "path": self.path,
            "waiting": self.lines.waiting.len(),
            "dropped": self.lines.lost,
            "error": self.error,
        })
    }
}

/// The named pipes of one process.
#[derive(Debug)]
pub struct Fifos<K: Copy> {
    key: K,
    list: Vec<Fifo<K>>,
}

impl<K: Copy> Fifos<K> {
    /// The pipes at these paths; all become writable under `key`.
    pub fn new(paths: &[PathBuf], key: K, registry: &Registry<K>) -> Self {
        Self { key, list: paths.iter().map(|path| Fifo::new(path, key, registry)).collect() }
    }

    /// After a reload: pipes that stay keep what waits for their readers; one that could not be used is tried again.
    pub fn reconfigure(&mut self, paths: &[PathBuf], registry: &Registry<K>) {
        let mut old = std::mem::take(&mut self.list);
        for path in paths {
            let kept = old.iter().position(|fifo| fifo.path == *path).map(|at| old.swap_remove(at));
            let mut fifo = kept.unwrap_or_else(|| Fifo::new(path, self.key, registry));
            if fifo.open.is_none() {
                fifo.reopen();
            }
            self.list.push(fifo);
        }
    }

    /// Writes a line to each.
    pub fn push(&mut self, line: &str) {
        for fifo in &mut self.list {
            fifo.push(line);
        }
    }

    /// There may be room.
    pub fn flush(&mut self) {
        for fifo in &mut self.list {
            fifo.flush();
        }
    }

    /// For the status.
    #[must_use]
    pub fn status(&self) -> Value {
        self.list.iter().map(Fifo::status).collect()
    }
}

/// Reads `notify_fifo` of a table.
pub fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<PathBuf> {
    let path = table.optional::<String>("notify_fifo", d)?;
    let text = path.value.as_str();
    if !text.starts_with('/') || text.ends_with('/') || text.contains(char::is_control) {
        d.error(path.span, "`notify_fifo`: the path of a named pipe begins with / and ends in a name");
        return None;
    }
    Some(PathBuf::from(path.value))
}

/// The pipes of a process: that of all and its own.
#[must_use]
pub fn paths(all: Option<&PathBuf>, own: Option<&PathBuf>) -> Vec<PathBuf> {
    let own = own.filter(|own| Some(*own) != all);
    all.into_iter().chain(own).cloned().collect()
}

fn open(path: &Path) -> io::Result<File> {
    match nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o640)) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no named pipe"))
    }
}

#[cfg(test)]
mod tests;
