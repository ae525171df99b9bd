//! The files that outlive every process: one for each mail, and one for what is being gathered.
//!
//! A mail is written under another name and renamed, so that there is a whole one or none. Nothing here waits for the
//! disk: the courier syncs a mail before it sends it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::digest::Alert;
use super::queue::Letter;

/// Behind the name of a whole mail, of one being written, of one that cannot be read.
const WHOLE: &str = "mail";
const NEW: &str = "new";
const DAMAGED: &str = "damaged";
/// What is being gathered.
const NOTES: &str = "gathered";
/// So many bytes of that are kept; further alerts are counted by the running watchdog only.
const NOTES_MOST: u64 = 1 << 20;
/// No mail of ours is longer.
const LONGEST: u64 = 8 << 20;

/// A directory of mails.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    noted: u64,
}

/// What was found in it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) letters: Vec<Letter>,
    pub(crate) notes: Vec<Alert>,
    /// Files that are no mails, and why.
    pub(crate) damaged: Vec<(PathBuf, String)>,
}

impl Spool {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, noted: 0 }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn file(&self, id: &str, kind: &str) -> PathBuf {
        self.dir.join(format!("{id}.{kind}"))
    }

    /// Keeps a mail, or a later form of it.
    pub(crate) fn keep(&self, letter: &Letter) -> io::Result<()> {
        let text = serde_json::to_vec(letter)?;
        let new = self.file(&letter.id, NEW);
        let written = self.create(&new, false).and_then(|mut file| file.write_all(&text));
        let kept = written.and_then(|()| std::fs::rename(&new, self.file(&letter.id, WHOLE)));
        if kept.is_err() {
            // Half a file would take what little room there is.
            let _not_there = std::fs::remove_file(&new);
        }
        kept
    }

    /// Removes a mail.
    pub(crate) fn forget(&self, id: &str) -> io::Result<()> {
        gone(std::fs::remove_file(self.file(id, WHOLE)))
    }

    /// Keeps an alert that waits for others.
    pub(crate) fn note(&mut self, alert: &Alert) -> io::Result<()> {
        let mut line = serde_json::to_vec(alert)?;
        line.push(b'\n');
        let length = u64::try_from(line.len()).map_err(io::Error::other)?;
        if self.noted + length > NOTES_MOST {
            return Ok(());
        }
        self.create(&self.dir.join(NOTES), true)?.write_all(&line)?;
        self.noted += length;
        Ok(())
    }

    /// Removes what was gathered.
    pub(crate) fn forget_notes(&mut self) -> io::Result<()> {
        self.noted = 0;
        gone(std::fs::remove_file(self.dir.join(NOTES)))
    }

    /// Keeps what is being gathered in another directory as well.
    pub(crate) fn copy_notes(&self, other: &Self) -> io::Result<()> {
        match std::fs::copy(self.dir.join(NOTES), other.dir.join(NOTES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            copied => copied.map(drop),
        }
    }

    fn create(&self, path: &Path, append: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).append(append).truncate(!append).mode(0o600);
        match options.open(path) {
            // Somebody has swept it away, or it was never there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
                options.open(path)
            }
            opened => opened,
        }
    }

    /// Reads what is there, oldest first, and puts aside what is damaged.
    pub(crate) fn read(&mut self) -> io::Result<Found> {
        let mut found = Found::default();
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let (Some(id), Some(kind)) = (path.file_stem(), path.extension()) else { continue };
            let id = id.to_string_lossy().into_owned();
            if kind != WHOLE && kind != NEW {
                continue;
            }
            match letter(&path) {
                Ok(letter) => {
                    if kind == NEW {
                        // Whole, and not renamed: whoever wrote it was killed in between.
                        std::fs::rename(&path, self.file(&id, WHOLE))?;
                    }
                    found.letters.retain(|letter| letter.id != id);
                    found.letters.push(Letter { id, ..letter });
                }
                // Begun and not finished: the same.
                Err(_) if kind == NEW => gone(std::fs::remove_file(&path))?,
                Err(error) => {
                    std::fs::rename(&path, self.file(&id, DAMAGED))?;
                    found.damaged.push((self.file(&id, DAMAGED), error.to_string()));
                }
            }
        }
        found.letters.sort_by(|a, b| a.id.cmp(&b.id));
        if let Ok(file) = File::open(self.dir.join(NOTES)) {
            let lines = BufReader::new(file.take(2 * NOTES_MOST)).split(b'\n').map_while(Result::ok);
            // The last line may be torn.
            found.notes = lines.filter_map(|line| serde_json::from_slice(&line).ok()).collect();
        }
        Ok(found)
    }
}

fn letter(path: &Path) -> io::Result<Letter> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        removed => removed,
    }
}

#[cfg(test)]
mod tests;
