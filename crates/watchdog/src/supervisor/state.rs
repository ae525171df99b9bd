//! Where a child can be in its life. Every deadline lives in the state it belongs to, so that it ends with it.

use super::fact::{Pid, Reason};
use std::time::{Duration, Instant};

/// Does the configuration ask for this child?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// No: it is stopped if it runs.
    No,
    /// A reload that is not decided yet asks for it: it is started, and not again if it dies.
    Trial,
    /// Yes.
    Yes,
}

/// Where a hello to a child that is up stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// The last one was answered.
    Answered {
        /// When it was answered.
        at: Instant,
        /// When the next one goes out.
        next_at: Instant,
    },
    /// One is on its way.
    Outstanding {
        /// When the one before was answered.
        last: Instant,
        /// When it went out.
        sent_at: Instant,
        /// When the child counts as hung.
        answer_by: Instant,
        /// The watchdog has overslept this hello before: no second excuse.
        excused: bool,
    },
}

/// Where a child is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not wanted, not there.
    Idle,
    /// Wanted, not there.
    Down {
        /// When it is started.
        restart_at: Instant,
        /// Why its predecessor is gone.
        after: Option<Reason>,
    },
    /// The shell is starting it at this moment.
    Spawning {
        /// Why its predecessor is gone.
        after: Option<Reason>,
    },
    /// Started, has not answered yet.
    Starting {
        /// Who.
        pid: Pid,
        /// Since when.
        since: Instant,
        /// When patience ends.
        ready_by: Instant,
        /// When to try again to send it its first hello.
        hello_at: Option<Instant>,
    },
    /// Answers.
    Up {
        /// Who.
        pid: Pid,
        /// When it was started.
        since: Instant,
        /// When it gave its first answer.
        healthy_since: Instant,
        /// The hello of the moment.
        hello: Hello,
    },
    /// Asked to stop, or believed to be dying.
    Stopping {
        /// Who.
        pid: Pid,
        /// Since when.
        since: Instant,
        /// For how long it had been healthy; `None` if it was never ready.
        healthy: Option<Duration>,
        /// When patience ends.
        kill_at: Instant,
        /// `None` if it was asked to.
        fault: Option<Reason>,
    },
    /// Killed, not reaped.
    Killed {
        /// Who.
        pid: Pid,
        /// For how long it had been healthy; `None` if it was never ready.
        healthy: Option<Duration>,
        /// When it counts as stuck in the kernel; `None` once that has been said.
        stuck_at: Option<Instant>,
        /// `None` if it was asked to stop.
        fault: Option<Reason>,
    },
}

impl State {
    /// The word for it in the status.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Down { .. } => "down",
            Self::Spawning { .. } | Self::Starting { .. } => "starting",
            Self::Up { .. } => "up",
            Self::Stopping { .. } => "stopping",
            Self::Killed { .. } => "killed",
        }
    }
}

/// Counters of hellos, for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hellos {
    /// Sent, to all incarnations.
    pub sent: u64,
    /// Answered, by all incarnations.
    pub answered: u64,
    /// How long the last answer took.
    pub last_rtt: Option<Duration>,
}
