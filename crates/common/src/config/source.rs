//! The text of a configuration: the root file and everything it includes, in order.
//!
//! Owns reading and its limits. Includes are resolved by [`super::include`].

use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::include;

/// The largest file read, in bytes. Ten thousand real servers take about one megabyte.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// One file of a [`Sources`], by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub(crate) u32);

/// A byte range in one file of a [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The file the range is in.
    pub file: FileId,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The very beginning of the root file, for what has no better place.
    pub const START: Self = Self { file: FileId(0), start: 0, end: 0 };
}

/// One file: where it was read from and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as it was asked for.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// The root file first, then the included files in the order they are merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    pub(super) files: Vec<SourceFile>,
    /// What was wrong with `include` keys; reported with the other faults by [`super::Document::parse`].
    pub(super) faults: Vec<(Span, String)>,
}

/// Why the root file gave no text.
#[derive(Debug)]
pub struct LoadError {
    kind: LoadErrorKind,
    path: PathBuf,
    detail: String,
}

/// The kinds of [`LoadError`] that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// There is no such file.
    Missing,
    /// We may not read it.
    Permission,
    /// It is there but cannot be a configuration: a directory, too large, not UTF-8, an I/O error.
    Unusable,
}

impl LoadError {
    /// What kind of failure this is; decides the exit code.
    pub fn kind(&self) -> LoadErrorKind {
        self.kind
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path.display(), self.detail)
    }
}

impl std::error::Error for LoadError {}

impl Sources {
    /// Reads a configuration and everything it includes.
    ///
    /// Faults of includes do not fail the load: they are reported with all the others by [`super::Document::parse`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = read(path).map_err(|fault| LoadError {
            kind: fault.kind(),
            path: path.to_path_buf(),
            detail: fault.detail(),
        })?;
        let mut sources = Self::from_text(path, text);
        include::resolve(&mut sources);
        Ok(sources)
    }

    /// One file from memory; its `include` key is not followed.
    pub fn from_text(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { files: vec![SourceFile { path: path.into(), text: text.into() }], faults: Vec::new() }
    }

    /// The files in the order they are merged.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The path of the root file.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |file| &file.path)
    }

    /// The files with their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..).map(FileId).zip(&self.files)
    }

    pub(super) fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    pub(super) fn next_id(&self) -> FileId {
        FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX))
    }
}

/// Why one file could not be read.
#[derive(Debug)]
pub(super) enum ReadFault {
    Io(io::Error),
    NotAFile,
    TooLarge,
    /// The line and column (from 1) of the first byte that is not UTF-8, and that byte.
    NotUtf8(usize, usize, u8),
}

impl ReadFault {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Io(e) if e.kind() == io::ErrorKind::NotFound => LoadErrorKind::Missing,
            Self::Io(e) if e.kind() == io::ErrorKind::PermissionDenied => LoadErrorKind::Permission,
            Self::Io(_) | Self::NotAFile | Self::TooLarge | Self::NotUtf8(..) => LoadErrorKind::Unusable,
        }
    }

    /// What follows the path in a message, with its colon.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Io(e) if e.kind() == io::ErrorKind::NotFound => ": there is no such file".to_owned(),
            Self::Io(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                ": no permission to read it".to_owned()
            }
            Self::Io(e) => format!(": {e}"),
            Self::NotAFile => ": it is not a regular file".to_owned(),
            Self::TooLarge => format!(": it is larger than {} MiB", MAX_FILE / 1024 / 1024),
            Self::NotUtf8(line, column, byte) => {
                format!(":{line}:{column}: the byte 0x{byte:02x} here is not UTF-8 text")
            }
        }
    }
}

/// Reads one regular file, within the limits.
pub(super) fn read(path: &Path) -> Result<String, ReadFault> {
    // Without waiting, as the opening of a FIFO would for its writer.
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(ReadFault::Io)?;
    if !file.metadata().map_err(ReadFault::Io)?.is_file() {
        return Err(ReadFault::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(ReadFault::Io)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(ReadFault::TooLarge);
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let bytes = e.as_bytes();
        let before = bytes.get(..good).unwrap_or_default();
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let column = 1 + String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count();
        ReadFault::NotUtf8(line, column, bytes.get(good).copied().unwrap_or_default())
    })
}
