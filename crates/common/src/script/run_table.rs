//! The time limits of running scripts. Pure: the runner performs the steps.
//!
//! ```text
//!  Running ──limit or stop──► Terminating ──GRACE──► Killing ──GRACE──► Stuck
//!     │ exit                    │ exit                 │ exit            │ exit
//!     ▼                         ▼                      ▼                 ▼
//!   gone                     Remains ──GRACE──► gone   gone             gone
//! ```
//! `Remains`: the script itself has ended after TERM, what it had started may still be winding up; its number
//! is kept (unreaped) so that the group's KILL can hit nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Why a run is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its time was over.
    TimeLimit,
    /// Its owner wants it no more.
    Stopped,
}

/// What is to be done to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// TERM to its process group.
    Terminate,
    /// KILL to its process group.
    Kill,
    /// It survives even KILL (it hangs in the kernel): tell the owner now.
    GiveUp(Ending),
    /// KILL to what is left of its process group, then reap it.
    Bury,
}

/// What an exit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself: reap it, its status counts.
    Natural,
    /// Brought to its end: reap it, its status does not count.
    Forced(Ending),
    /// As `Forced`, but leave it unreaped until [`Step::Bury`].
    Remains(Ending),
    /// The owner has been told before: reap it.
    Late,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running { until: Instant },
    Terminating { until: Instant, ending: Ending },
    Killing { until: Instant, ending: Ending },
    Remains { until: Instant },
    Stuck,
}

impl Phase {
    fn until(self) -> Option<Instant> {
        match self {
            Self::Running { until }
            | Self::Terminating { until, .. }
            | Self::Killing { until, .. }
            | Self::Remains { until } => Some(until),
            Self::Stuck => None,
        }
    }
}

/// All runs and their deadlines.
#[derive(Debug, Clone)]
pub struct RunTable<Id> {
    runs: BTreeMap<Id, Phase>,
    deadlines: BTreeSet<(Instant, Id)>,
}

impl<Id: Copy + Ord> Default for RunTable<Id> {
    fn default() -> Self {
        Self { runs: BTreeMap::new(), deadlines: BTreeSet::new() }
    }
}

impl<Id: Copy + Ord> RunTable<Id> {
    /// Between TERM and KILL, and between KILL and giving up.
    pub const GRACE: Duration = Duration::from_secs(2);

    /// A run has begun.
    pub fn started(&mut self, id: Id, now: Instant, limit: Duration) {
        self.set(id, Phase::Running { until: now + limit });
    }

    /// Its owner wants it no more; true where its group is to get TERM now.
    pub fn stop(&mut self, id: Id, now: Instant) -> bool {
        let running = matches!(self.runs.get(&id), Some(Phase::Running { .. }));
        if running {
            self.set(id, Phase::Terminating { until: now + Self::GRACE, ending: Ending::Stopped });
        }
        running
    }

    /// The process has ended. None for a run that is not known.
    pub fn exited(&mut self, id: Id) -> Option<Exit> {
        match *self.runs.get(&id)? {
            Phase::Running { .. } => {
                self.remove(id);
                Some(Exit::Natural)
            }
            Phase::Terminating { until, ending } => {
                self.set(id, Phase::Remains { until });
                Some(Exit::Remains(ending))
            }
            Phase::Killing { ending, .. } => {
                self.remove(id);
                Some(Exit::Forced(ending))
            }
            Phase::Stuck => {
                self.remove(id);
                Some(Exit::Late)
            }
            Phase::Remains { .. } => None,
        }
    }

    /// When [`Self::timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// What is due, in the order of the deadlines.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<(Id, Step)>) {
        while let Some((until, id)) = self.deadlines.first().copied().filter(|(until, _)| *until <= now) {
            // Graces count from now, not from the deadline: after a stall nobody is killed without notice.
            let later = now + Self::GRACE;
            match self.runs.get(&id).copied() {
                Some(Phase::Running { .. }) => {
                    self.set(id, Phase::Terminating { until: later, ending: Ending::TimeLimit });
                    out.push((id, Step::Terminate));
                }
                Some(Phase::Terminating { ending, .. }) => {
                    self.set(id, Phase::Killing { until: later, ending });
                    out.push((id, Step::Kill));
                }
                Some(Phase::Killing { ending, .. }) => {
                    self.set(id, Phase::Stuck);
                    out.push((id, Step::GiveUp(ending)));
                }
                Some(Phase::Remains { .. }) => {
                    self.remove(id);
                    out.push((id, Step::Bury));
                }
                Some(Phase::Stuck) | None => {
                    self.deadlines.remove(&(until, id));
                }
            }
        }
    }

    /// Whether a run is to end, or had to and left something behind in its group.
    pub fn is_condemned(&self, id: Id) -> bool {
        match self.runs.get(&id) {
            Some(
                Phase::Terminating { .. } | Phase::Killing { .. } | Phase::Remains { .. } | Phase::Stuck,
            ) => true,
            Some(Phase::Running { .. }) | None => false,
        }
    }

    /// How many runs are not gone yet.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether all runs are gone.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    fn set(&mut self, id: Id, phase: Phase) {
        self.remove(id);
        self.deadlines.extend(phase.until().map(|until| (until, id)));
        self.runs.insert(id, phase);
    }

    fn remove(&mut self, id: Id) {
        if let Some(until) = self.runs.remove(&id).and_then(Phase::until) {
            self.deadlines.remove(&(until, id));
        }
    }
}

#[cfg(test)]
mod tests;
