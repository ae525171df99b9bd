//! Why the daemon does not come up: an exit code and words.

use std::fmt;
use std::io;
use std::path::Path;

use common::exit::Exit;

/// Why the daemon does not come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the shell sees.
    pub exit: Exit,
    /// What the operator reads at the terminal; several lines where a configuration has several faults.
    pub text: String,
    /// What the log gets, a line each.
    pub lines: Vec<String>,
}

impl Failure {
    /// With one line for both.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { exit, lines: vec![text.clone()], text }
    }

    /// A system call failed on a file.
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let exit = if denied { Exit::Permission } else { Exit::Failed };
        Self::new(exit, format!("cannot {what} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl std::error::Error for Failure {}
