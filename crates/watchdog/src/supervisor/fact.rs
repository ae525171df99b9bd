//! What happened to a child, in the words of the log.
//!
//! Operators and their tools search for these lines, so the text is a contract: message first, then `key=value`.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// A process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pid(pub i32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The signal that nobody can catch.
const SIGKILL: i32 = 9;

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned this exit code.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
}

impl Ended {
    /// By SIGKILL, which no process does to itself.
    #[must_use]
    pub fn is_kill(self) -> bool {
        self == Self::Signal(SIGKILL)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Why a child has to be started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It died by itself.
    Died(Ended),
    /// It did not answer a hello in time and was killed.
    Silent,
    /// It closed the connection that hellos travel on, and was killed.
    Disconnected,
    /// It was not ready in time after its start, and was killed.
    NotReady,
    /// It took too long over a reload that all others had taken, and was killed.
    LateCommit,
    /// It could not be started at all.
    NotSpawned,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died(ended) => write!(f, "{ended}"),
            Self::Silent => f.write_str("no answer to hello"),
            Self::Disconnected => f.write_str("connection lost"),
            Self::NotReady => f.write_str("not ready in time"),
            Self::LateCommit => f.write_str("reload not finished in time"),
            Self::NotSpawned => f.write_str("could not be started"),
        }
    }
}

/// How much attention a fact asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// A part is dead.
    Error,
    /// Somebody should have a look.
    Warn,
    /// Something changed as it should.
    Info,
}

/// Something that happened to one child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It answered its first hello.
    Ready {
        /// Who.
        pid: Pid,
        /// From its start to that answer.
        took: Duration,
    },
    /// It was started in place of one that is gone.
    Restarted {
        /// The new process.
        pid: Pid,
        /// How often this has happened since the watchdog started.
        restarts: u64,
        /// What became of the one before.
        reason: Reason,
    },
    /// It is killed because a hello went without an answer.
    Silent {
        /// Who.
        pid: Pid,
        /// Since its last sign of life.
        silent_for: Duration,
    },
    /// It is killed because it has closed the connection and lives on.
    Disconnected {
        /// Who.
        pid: Pid,
    },
    /// It is killed because it did not become ready.
    NotReady {
        /// Who.
        pid: Pid,
        /// Since its start.
        after: Duration,
    },
    /// It is killed because it did not finish a reload that all others had taken.
    LateCommit {
        /// Who.
        pid: Pid,
    },
    /// It is killed because it did not stop in time.
    StopOverdue {
        /// Who.
        pid: Pid,
        /// Since it was asked to.
        after: Duration,
    },
    /// It has been killed but the kernel does not let it go.
    Unkillable {
        /// Who.
        pid: Pid,
    },
    /// It died.
    Died {
        /// Who.
        pid: Pid,
        /// How.
        ended: Ended,
    },
    /// It could not be started.
    NotSpawned {
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// It dies before it is ready: the next one starts without the state of its predecessor.
    StartsAfresh,
    /// It is dead and not wanted, and may have left something in the kernel: it is started once more to take that down.
    Farewell,
    /// It stopped because it was asked to.
    Stopped {
        /// Who.
        pid: Pid,
    },
}

impl Fact {
    /// How loud to be about it.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match self {
            Self::Silent { .. }
            | Self::Disconnected { .. }
            | Self::NotReady { .. }
            | Self::LateCommit { .. }
            | Self::StopOverdue { .. }
            | Self::Unkillable { .. }
            | Self::Died { .. }
            | Self::NotSpawned { .. } => Weight::Error,
            Self::Restarted { .. } | Self::StartsAfresh | Self::Farewell => Weight::Warn,
            Self::Ready { .. } | Self::Stopped { .. } => Weight::Info,
        }
    }

    /// The same as an event, for the child called `child`.
    #[must_use]
    pub fn event(&self, child: &str) -> Value {
        let (kind, pid) = match self {
            Self::Ready { pid, .. } => ("child_ready", Some(pid)),
            Self::Restarted { pid, .. } => ("child_restarted", Some(pid)),
            Self::Silent { pid, .. } => ("child_silent", Some(pid)),
            Self::Disconnected { pid } => ("child_disconnected", Some(pid)),
            Self::NotReady { pid, .. } => ("child_not_ready", Some(pid)),
            Self::LateCommit { pid } => ("child_late_commit", Some(pid)),
            Self::StopOverdue { pid, .. } => ("child_stop_overdue", Some(pid)),
            Self::Unkillable { pid } => ("child_unkillable", Some(pid)),
            Self::Died { pid, .. } => ("child_died", Some(pid)),
            Self::NotSpawned { .. } => ("child_not_spawned", None),
            Self::StartsAfresh => ("child_starts_afresh", None),
            Self::Farewell => ("child_farewell", None),
            Self::Stopped { pid } => ("child_stopped", Some(pid)),
        };
        let mut event = json!({ "event": kind, "child": child });
        let Some(fields) = event.as_object_mut() else { return event };
        fields.extend(pid.map(|pid| ("pid".to_owned(), pid.0.into())));
        match self {
            Self::Restarted { restarts, reason, .. } => {
                fields.insert("restarts".to_owned(), (*restarts).into());
                fields.insert("reason".to_owned(), reason.to_string().into());
            }
            Self::Died { ended, .. } => {
                fields.insert("reason".to_owned(), ended.to_string().into());
            }
            Self::Silent { silent_for: after, .. }
            | Self::NotReady { after, .. }
            | Self::StopOverdue { after, .. } => {
                fields.insert("after_s".to_owned(), after.as_secs_f64().into());
            }
            Self::Ready { .. }
            | Self::Disconnected { .. }
            | Self::LateCommit { .. }
            | Self::Unkillable { .. }
            | Self::NotSpawned { .. }
            | Self::StartsAfresh
            | Self::Farewell
            | Self::Stopped { .. } => {}
        }
        event
    }

    /// The line of the log about it, for the child called `child`.
    #[must_use]
    pub fn line(&self, child: &str) -> String {
        match self {
            Self::Ready { pid, took } => {
                format!("child ready child={child} pid={pid} took={}", seconds(*took))
            }
            Self::Restarted { pid, restarts, reason } => {
                format!("child restarted child={child} pid={pid} restarts={restarts} reason=\"{reason}\"")
            }
            Self::Silent { pid, silent_for } => format!(
                "child did not answer hello: killing it child={child} pid={pid} silent_for={}",
                seconds(*silent_for)
            ),
            Self::Disconnected { pid } => {
                format!("child closed its connection: killing it child={child} pid={pid}")
            }
            Self::NotReady { pid, after } => format!(
                "child did not become ready: killing it child={child} pid={pid} after={}",
                seconds(*after)
            ),
            Self::LateCommit { pid } => {
                format!("child did not finish the reload: killing it child={child} pid={pid}")
            }
            Self::StopOverdue { pid, after } => format!(
                "child did not stop in time: killing it child={child} pid={pid} after={}",
                seconds(*after)
            ),
            Self::Unkillable { pid } => {
                format!("child does not die, it is stuck in the kernel child={child} pid={pid}")
            }
            Self::Died { pid, ended } => {
                format!("child died child={child} pid={pid} status=\"{ended}\"")
            }
            Self::NotSpawned { retry_in } => {
                format!("child could not be started child={child} retry_in={}", seconds(*retry_in))
            }
            Self::StartsAfresh => format!(
                "child dies before it is ready: starting it without the state of its predecessor child={child}"
            ),
            Self::Farewell => format!(
                "child died before it took down what it held: starting it once more for that child={child}"
            ),
            Self::Stopped { pid } => format!("child stopped child={child} pid={pid}"),
        }
    }
}

/// A duration as people read it: seconds and milliseconds.
fn seconds(duration: Duration) -> String {
    format!("{}.{:03}s", duration.as_secs(), duration.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three lines that the contract names, to the letter.
    #[test]
    fn lines_that_tools_search_for() {
        let pid = Pid(4711);
        let silent_for = Duration::from_millis(10_042);
        assert_eq!(
            Fact::Silent { pid, silent_for }.line("vrrp"),
            "child did not answer hello: killing it child=vrrp pid=4711 silent_for=10.042s"
        );
        let ended = Ended::Signal(9);
        assert_eq!(
            Fact::Died { pid, ended }.line("vrrp"),
            "child died child=vrrp pid=4711 status=\"signal 9\""
        );
        let reason = Reason::Died(ended);
        assert_eq!(
            Fact::Restarted { pid, restarts: 1, reason }.line("vrrp"),
            "child restarted child=vrrp pid=4711 restarts=1 reason=\"signal 9\""
        );
    }
}
