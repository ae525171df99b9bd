//! What the queue says in the log.

use std::fmt;
use std::time::Duration;

use common::config::format_duration;

use super::Letter;

/// Something to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A mail was taken for everybody.
    Sent { letter: Box<Letter> },
    /// Mails cannot be delivered.
    Failing { error: String, server: String, mails: usize, next: Duration },
    /// They can be delivered again.
    Recovered { mails: usize },
    /// A mail has waited too long.
    GivenUp { letter: Box<Letter>, after: Duration, error: Option<String> },
    /// No more mails can wait.
    Full { mails: usize },
    /// There are mails, and nobody to send them to any more.
    Abandoned { mails: usize },
    /// An earlier run has left mails.
    Found { mails: usize },
}

impl Fact {
    /// At which level it is said.
    pub(crate) fn level(&self) -> log::Level {
        match self {
            Self::GivenUp { .. } => log::Level::Error,
            Self::Failing { .. } | Self::Full { .. } | Self::Abandoned { .. } => log::Level::Warn,
            Self::Sent { .. } | Self::Recovered { .. } | Self::Found { .. } => log::Level::Info,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { letter } => write!(f, "mail sent subject=\"{}\"", letter.subject),
            Self::Failing { error, server, mails, next } => write!(
                f,
                "mail is not delivered: {error} server={server} waiting={mails} next_try={}",
                format_duration(*next)
            ),
            Self::Recovered { mails } => write!(f, "mail is delivered again waiting={mails}"),
            Self::GivenUp { letter, after, error } => write!(
                f,
                "mail given up: not delivered within {} subject=\"{}\" delivered_to={} error=\"{}\"",
                format_duration(*after),
                letter.subject,
                letter.delivered.len(),
                error.as_deref().unwrap_or("none was seen")
            ),
            Self::Full { mails } => {
                write!(f, "too many mails wait: further alerts are gathered into one waiting={mails}")
            }
            Self::Abandoned { mails } => {
                write!(f, "there is no [alerts] any more: mails stay where they are, unsent waiting={mails}")
            }
            Self::Found { mails } => write!(f, "mails of an earlier run are waiting waiting={mails}"),
        }
    }
}
