//! What to run, as whom and for how long.

use std::time::Duration;

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
    /// The program and its arguments, never seen by a shell. The program is an absolute path, or a bare name
    /// that is looked for in [`Command::SEARCH_PATH`].
    pub argv: Vec<String>,
    /// `user` or `user:group`; without it the runner's default user.
    pub user: Option<String>,
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

    /// A probe with the default user and no further variables.
    pub fn probe(argv: Vec<String>, time_limit: Duration) -> Self {
        Self { argv, user: None, environment: Vec::new(), time_limit, purpose: Purpose::Probe }
    }

    /// A notification with the default user and no further variables.
    pub fn notify(argv: Vec<String>, time_limit: Duration) -> Self {
        Self { argv, user: None, environment: Vec::new(), time_limit, purpose: Purpose::Notify }
    }

    /// Adds a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it as somebody else than the default user.
    #[must_use]
    pub fn by(mut self, user: Option<String>) -> Self {
        self.user = user;
        self
    }
}
