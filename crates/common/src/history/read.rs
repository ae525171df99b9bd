//! What is in the files, oldest first.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Map, Value};

use super::{FILE, OLDER};

/// One event as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The whole text.
    pub text: String,
    /// Its fields.
    pub fields: Map<String, Value>,
}

impl Line {
    /// A line of the file; `None` where it is none, such as one that was torn by a loss of power.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return None };
        Some(Self { text: text.to_owned(), fields })
    }

    /// Its number.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.fields.get("seq").and_then(Value::as_u64).unwrap_or_default()
    }

    /// A field that is text, or nothing.
    #[must_use]
    pub fn text_of(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Both files, oldest first; for whoever goes on reading, the newer one.
pub(super) fn open(dir: &Path) -> io::Result<(Option<File>, File)> {
    loop {
        let newer = File::open(dir.join(FILE))?;
        let older = File::open(dir.join(OLDER)).ok();
        // Moved aside between the two: look again.
        let same = |older: &File| Ok::<_, io::Error>(older.metadata()?.ino() == newer.metadata()?.ino());
        if !older.as_ref().map(same).transpose()?.unwrap_or_default() {
            return Ok((older, newer));
        }
    }
}

/// The events that a run directory has, oldest first.
///
/// # Errors
/// There are none, or they cannot be read.
pub fn read(dir: &Path) -> io::Result<impl Iterator<Item = Line>> {
    let (older, newer) = open(dir)?;
    Ok(older.into_iter().chain([newer]).flat_map(lines))
}

pub(super) fn lines(file: File) -> impl Iterator<Item = Line> {
    let mut reader = BufReader::new(file);
    std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        let count = reader.read_until(b'\n', &mut bytes).ok()?;
        (count > 0).then_some(bytes)
    })
    .filter_map(|bytes| Line::parse(String::from_utf8(bytes).ok()?.trim_end()))
}
