//! The end of the process: the kernel's table goes, and who wants to be told of that is told before the process ends,
//! within a bound.

use std::time::{Duration, Instant};

use common::event_loop::Drained;

use super::{LoopKey, Running};
use crate::effects::scripts::Scripts;
use crate::machine::Action;

/// How long the last notifications may take. The watchdog waits longer than this for the process.
const LIMIT: Duration = Duration::from_secs(5);

/// What is left of a process that has stopped.
#[derive(Debug)]
pub(super) struct Farewell {
    scripts: Scripts<LoopKey>,
    until: Instant,
}

impl Running {
    /// Removes what is ours from the kernel, gives every attempt up, and begins to tell who wants to know. None where
    /// nobody does: notifications that run then go on by themselves.
    pub(super) fn stop(mut self, now: Instant) -> Option<Farewell> {
        if let Some(table) = &mut self.table {
            table.stop(now);
        }
        let mut notices = Vec::new();
        self.pool.farewell(&mut notices);
        for notice in &notices {
            log::trace!("{notice}");
            if let Action::Notify(subject, turn) = notice {
                self.notify(*subject, *turn, now);
            }
        }
        let scripts = self.attempts.scripts;
        (!notices.is_empty()).then_some(Farewell { scripts, until: now + LIMIT })
    }
}

impl Farewell {
    pub(super) fn ready(&mut self, now: Instant) -> Drained {
        self.scripts.ready(now, &mut Vec::new())
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        self.scripts.timeout(now, &mut Vec::new());
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.scripts.poll_timeout().map_or(self.until, |due| due.min(self.until))
    }

    /// Whether everybody was told, or has had the time for it.
    pub(super) fn over(&self, now: Instant) -> bool {
        if now >= self.until && !self.scripts.is_idle() {
            log::warn!("the last notify commands are not waited for any longer limit={}s", LIMIT.as_secs());
        }
        now >= self.until || self.scripts.is_idle()
    }
}
