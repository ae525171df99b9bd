//! All children and their fate. Pure: the shell tells what happened, and performs what comes out.
//!
//! This is the set of [`Child`]ren plus what concerns them all: the deadline of the start-up, the order of the
//! stop (last started, first stopped: the address has moved away before the balancing behind it goes), and the exit
//! code of the daemon. It never looks into what a child does; a hello answered in time is all it asks for.

mod backoff;
mod child;
mod fact;
mod mercy;
mod state;

#[cfg(test)]
mod tests;

pub use backoff::{BackOff, FORGIVEN_AFTER, LONGEST};
pub use child::Child;
pub use fact::{Ended, Fact, Pid, Reason, Weight};
pub use mercy::{BURST, Mercy, REFILL};
pub use state::{Hello, Hellos, State, Wanted};

use common::exit::Exit;
use std::fmt;
use std::time::{Duration, Instant};

/// A child, by its position in the table of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChildId(pub usize);

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long to be patient with a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Between two hellos.
    pub hello_interval: Duration,
    /// From a hello to its answer.
    pub hello_timeout: Duration,
    /// From its start to its first answer.
    pub start: Duration,
    /// From being asked to stop to its end.
    pub stop: Duration,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Action::Spawn`] worked.
    Spawned {
        /// Whose.
        child: ChildId,
        /// The new process.
        pid: Pid,
    },
    /// [`Action::Spawn`] did not work.
    SpawnFailed {
        /// Whose.
        child: ChildId,
    },
    /// [`Action::SendHello`] found no room on the child's socket.
    HelloNotSent {
        /// Whose.
        child: ChildId,
    },
    /// The child answered the hello.
    HelloAnswered {
        /// Who.
        child: ChildId,
    },
    /// The child closed the connection, or wrote nonsense on it.
    ConnectionClosed {
        /// Who.
        child: ChildId,
    },
    /// The child is dead and reaped.
    Exited {
        /// Who.
        child: ChildId,
        /// How.
        ended: Ended,
    },
    /// The configuration asks for this child, or does not ask for it any more.
    Wanted {
        /// Who.
        child: ChildId,
        /// Does it?
        wanted: Wanted,
    },
    /// A new configuration is in force: children that wait for a restart are started at once.
    ConfigChanged {
        /// Its idea of patience.
        limits: Limits,
    },
    /// The child is late with a commit that all others have taken.
    CommitOverdue {
        /// Who.
        child: ChildId,
    },
    /// The daemon is to end.
    StopRequested {
        /// With this code.
        exit: Exit,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it: answer with [`Event::Spawned`] or [`Event::SpawnFailed`].
    Spawn {
        /// Whom.
        child: ChildId,
        /// Without the state of its predecessor.
        afresh: bool,
    },
    /// Send it a hello, on a new connection if there is none.
    SendHello {
        /// Whom.
        child: ChildId,
    },
    /// Ask it to stop in order (TERM).
    Terminate {
        /// Whom.
        child: ChildId,
    },
    /// Kill it (KILL).
    Kill {
        /// Whom.
        child: ChildId,
    },
    /// Tell the log, and who else it may concern.
    Report {
        /// About whom.
        child: ChildId,
        /// What.
        fact: Fact,
    },
    /// All children that are wanted answer: the start-up is over.
    StartedUp,
    /// They do not, and time is up: the daemon is about to stop.
    StartUpOverdue,
    /// A child cannot go on with its configuration or its permissions: the daemon is about to stop.
    Hopeless {
        /// Who.
        child: ChildId,
        /// The daemon's exit code.
        exit: Exit,
    },
    /// No child is left: end the daemon.
    Finish {
        /// With this code.
        exit: Exit,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn { child, afresh: false } => write!(f, "spawn {child}"),
            Self::Spawn { child, afresh: true } => write!(f, "spawn {child} afresh"),
            Self::SendHello { child } => write!(f, "send-hello {child}"),
            Self::Terminate { child } => write!(f, "terminate {child}"),
            Self::Kill { child } => write!(f, "kill {child}"),
            Self::Report { child, fact } => write!(f, "report {}", fact.line(&child.to_string())),
            Self::StartedUp => f.write_str("started-up"),
            Self::StartUpOverdue => f.write_str("start-up-overdue"),
            Self::Hopeless { child, exit } => write!(f, "hopeless {child} exit={}", exit.code()),
            Self::Finish { exit } => write!(f, "finish exit={}", exit.code()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    StartingUp { until: Instant },
    Running,
    Stopping { exit: Exit },
    Finished,
}

/// The set of children.
#[derive(Clone, Debug)]
pub struct Supervisor {
    children: Vec<Child>,
    phase: Phase,
}

impl Supervisor {
    /// Begins the start-up, with `wanted` telling of each role whether the configuration asks for it.
    #[must_use]
    pub fn new(wanted: &[bool], limits: Limits, now: Instant) -> Self {
        let mut children = Vec::new();
        for (index, &wanted) in wanted.iter().enumerate() {
            let mut child = Child::new(ChildId(index), limits);
            if wanted {
                child.want(Wanted::Yes, now);
            }
            children.push(child);
        }
        // A daemon that has nothing to start is ready at once.
        let until = if wanted.contains(&true) { now + limits.start } else { now };
        Self { children, phase: Phase::StartingUp { until } }
    }

    /// This child goes on from what a watchdog before this one left in the kernel, dead.
    pub fn inherit(&mut self, child: ChildId) {
        self.with(child, Child::inherit);
    }

    /// Takes in what happened.
    pub fn handle(&mut self, event: Event, now: Instant, out: &mut Vec<Action>) {
        match event {
            Event::Spawned { child, pid } => self.with(child, |c| c.spawned(pid, now, out)),
            Event::SpawnFailed { child } => self.with(child, |c| c.spawn_failed(now, out)),
            Event::HelloNotSent { child } => self.with(child, |c| c.hello_not_sent(now)),
            Event::HelloAnswered { child } => self.with(child, |c| c.hello_answered(now, out)),
            Event::ConnectionClosed { child } => self.with(child, |c| c.connection_closed(now)),
            Event::CommitOverdue { child } => self.with(child, |c| c.late_commit(now, out)),
            Event::Exited { child, ended } => {
                let last_word = self.children.get_mut(child.0).and_then(|c| c.exited(ended, now, out));
                if let Some(exit) = last_word
                    && !self.is_stopping()
                {
                    out.push(Action::Hopeless { child, exit });
                    self.stop(exit);
                }
            }
            Event::Wanted { child, wanted } => {
                if !self.is_stopping() {
                    self.with(child, |c| match wanted {
                        Wanted::No => c.stop(now, out),
                        Wanted::Trial | Wanted::Yes => c.want(wanted, now),
                    });
                }
            }
            Event::ConfigChanged { limits } => {
                for child in &mut self.children {
                    child.set_limits(limits);
                    child.forgive(now);
                }
            }
            Event::StopRequested { exit } => self.stop(exit),
        }
        self.settle(now, out);
    }

    /// Acts on everything that is due. May be called too early or too late.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        for child in &mut self.children {
            child.handle_timeout(now, out);
        }
        self.settle(now, out);
        if let Phase::StartingUp { until } = self.phase
            && until <= now
        {
            out.push(Action::StartUpOverdue);
            self.stop(Exit::Failed);
        }
        self.settle(now, out);
    }

    /// When it wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let start_up = match self.phase {
            Phase::StartingUp { until } => Some(until),
            Phase::Finished => return None,
            Phase::Running | Phase::Stopping { .. } => None,
        };
        self.children.iter().filter_map(Child::poll_timeout).chain(start_up).min()
    }

    /// Is the daemon on its way out?
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        match self.phase {
            Phase::Stopping { .. } | Phase::Finished => true,
            Phase::StartingUp { .. } | Phase::Running => false,
        }
    }

    /// The state of one child.
    #[must_use]
    pub fn child(&self, child: ChildId) -> Option<&Child> {
        self.children.get(child.0)
    }

    /// All children in the order of the role table.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        self.children.iter()
    }

    fn with(&mut self, child: ChildId, act: impl FnOnce(&mut Child)) {
        if let Some(child) = self.children.get_mut(child.0) {
            act(child);
        }
    }

    fn stop(&mut self, exit: Exit) {
        if self.is_stopping() {
            return;
        }
        self.phase = Phase::Stopping { exit };
        for child in &mut self.children {
            // From here on nobody is started again; each is asked to stop when its turn comes.
            child.wanted = Wanted::No;
        }
    }

    /// Moves the daemon as a whole on, as far as its children let it.
    fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let Phase::StartingUp { .. } | Phase::Running = self.phase {
            for child in self.children.iter_mut().filter(|child| child.owes_farewell()) {
                child.stop(now, out);
            }
        }
        match self.phase {
            Phase::StartingUp { .. } => {
                if self.children.iter().all(Child::is_as_wanted) {
                    self.phase = Phase::Running;
                    out.push(Action::StartedUp);
                }
            }
            Phase::Stopping { exit } => {
                for child in self.children.iter_mut().rev() {
                    child.stop(now, out);
                    if !child.is_given_up() {
                        return;
                    }
                }
                self.phase = Phase::Finished;
                out.push(Action::Finish { exit });
            }
            Phase::Running | Phase::Finished => {}
        }
    }
}
