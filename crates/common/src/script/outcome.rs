//! How a run ended, in plain words.

use std::fmt;
use std::time::Duration;

use super::Output;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself with this exit code.
    Exited(u8),
    /// It was ended by this signal, which did not come from the time limit.
    Signalled(i32),
    /// It was still running at the end of its time.
    TimedOut(Duration),
    /// Its owner had it stopped.
    Stopped,
    /// It ended, and the system does not say how.
    Lost(String),
    /// It was not started at all, and why not.
    NotStarted(String),
}

impl Outcome {
    /// Whether it ended by itself with exit code 0.
    pub fn success(&self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Signalled(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "ended by signal {number} ({})", signal.as_str()),
                Err(_) => write!(f, "ended by signal {number}"),
            },
            Self::TimedOut(limit) => write!(f, "not done within {limit:?}: killed"),
            Self::Stopped => f.write_str("stopped"),
            Self::Lost(why) => write!(f, "ended, nobody knows how: {why}"),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
        }
    }
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished<Id> {
    /// The name its owner gave it.
    pub id: Id,
    /// How it ended.
    pub outcome: Outcome,
    /// The beginning of what it wrote to its standard output and error.
    pub output: Output,
    /// How long it ran.
    pub took: Duration,
    /// Its program, as its command names it.
    pub program: String,
}
