//! What a program wrote, as a file that grows while it is read.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, Result, wait};

/// A log file of a running program.
#[derive(Debug, Clone)]
pub struct Log(PathBuf);

impl Log {
    /// The log at this path; it need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// All of it so far.
    #[must_use]
    pub fn text(&self) -> String {
        std::fs::read(&self.0).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its size so far: a place to look from with [`Self::text_from`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.text().len()
    }

    /// What was written after a mark.
    #[must_use]
    pub fn text_from(&self, mark: usize) -> String {
        self.text().get(mark..).unwrap_or_default().to_owned()
    }

    /// How many lines contain `needle`.
    #[must_use]
    pub fn count(&self, needle: &str) -> usize {
        self.text().lines().filter(|line| line.contains(needle)).count()
    }

    /// Waits for a line that contains `needle` and returns the first one.
    #[track_caller]
    pub fn wait(&self, needle: &str, limit: Duration) -> Result<String> {
        self.wait_from(0, needle, limit)
    }

    /// Waits for a line after `mark` that contains `needle` and returns the first one.
    #[track_caller]
    pub fn wait_from(&self, mark: usize, needle: &str, limit: Duration) -> Result<String> {
        let found = wait::value(&format!("a log line with {needle:?}"), limit, || {
            Ok(self.text_from(mark).lines().find(|line| line.contains(needle)).map(str::to_owned))
        });
        found.map_err(|error| Error::new(format!("{error}; the log ends:\n{}", self.tail(30))))
    }

    /// The last lines.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }
}
