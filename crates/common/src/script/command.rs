//! What to run, as whom and for how long.

use std::time::Duration;

use crate::config::{CommandLine, UserName};

/// Whether a run is worth anything without the process that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Asks about the state of something: killed when we die, our successor asks again.
    Probe,
    /// Changes something: goes on when we die.
    Notify,
}

/// A script as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. The program is an absolute path, or a bare name that is looked for in
    /// [`Command::SEARCH_PATH`].
    pub line: CommandLine,
    /// Who runs it; without it the runner's default user.
    pub user: Option<UserName>,
    /// Variables added to the few that every script gets.
    pub environment: Vec<(String, String)>,
    /// After this the process group gets TERM, and [`super::RunTable::GRACE`] later KILL.
    pub time_limit: Duration,
    /// What becomes of the run when we die.
    pub purpose: Purpose,
}

impl Command {
    /// Where a program without a path is looked for, and the `PATH` of every script.
    pub const SEARCH_PATH: &'static str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// Asks about the state of something.
    pub fn probe(line: CommandLine, user: Option<UserName>, time_limit: Duration) -> Self {
        Self { line, user, environment: Vec::new(), time_limit, purpose: Purpose::Probe }
    }

    /// Tells about something.
    pub fn notify(line: CommandLine, user: Option<UserName>, time_limit: Duration) -> Self {
        Self { line, user, environment: Vec::new(), time_limit, purpose: Purpose::Notify }
    }

    /// Adds a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }
}
