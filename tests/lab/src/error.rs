//! One error for the whole lab: a sentence for whoever reads the failed test, and the line that asked.

use std::fmt;
use std::panic::Location;

/// Why the lab could not do something, or what was waited for in vain.
pub struct Error {
    message: String,
    at: &'static Location<'static>,
}

/// What tests and the lab return.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// An error with this message, at the caller's line.
    #[track_caller]
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: Location::caller() }
    }

    /// The same error with words in front of it.
    #[must_use]
    pub fn context(self, words: &str) -> Self {
        Self { message: format!("{words}: {}", self.message), at: self.at }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `cargo test` prints a failed test's error with `Debug`, so that is the readable form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {}:{})", self.message, self.at.file(), self.at.line())
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    #[track_caller]
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<nix::Error> for Error {
    #[track_caller]
    fn from(error: nix::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    #[track_caller]
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<std::num::ParseIntError> for Error {
    #[track_caller]
    fn from(error: std::num::ParseIntError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<std::net::AddrParseError> for Error {
    #[track_caller]
    fn from(error: std::net::AddrParseError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<String> for Error {
    #[track_caller]
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for Error {
    #[track_caller]
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}
