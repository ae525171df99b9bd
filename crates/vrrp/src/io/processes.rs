//! Tracked processes: how many of each run, and the kernel's word when that changes. Nothing is polled.
//!
//! The kernel reports every process of the machine that begins, becomes another program or ends; whose number is told
//! is looked at in `/proc`. At the start, and when reports were lost, all are looked at. Where the kernel does not
//! report (in most containers), they are looked at once a second instead, and the status says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::event_loop::{Drained, Interest, Registration, Registry};
use common::netlink::process::{Event as Report, Monitor, Pid};

use crate::machine::event::Event;
use crate::plan::ProcessPlan;
use look::Look;

mod look;

/// How often all processes are looked at where the kernel does not report.
const EVERY: Duration = Duration::from_secs(1);
/// Reports taken in one go.
const BUDGET: usize = 512;

#[derive(Debug)]
struct Tracked {
    plan: ProcessPlan,
    found: BTreeSet<Pid>,
    /// What was told last.
    told: Option<u32>,
}

/// Where the news comes from.
#[derive(Debug)]
enum Source<K: Copy> {
    /// Nothing is tracked.
    Off,
    Reports {
        _registration: Registration<K>,
        monitor: Monitor,
    },
    /// Looked for, and why.
    Looking(Instant, String),
}

/// The tracked processes.
#[derive(Debug)]
pub struct Processes<K: Copy> {
    source: Source<K>,
    tracked: Vec<Tracked>,
    registry: Registry<K>,
    key: K,
    proc: PathBuf,
}

impl<K: Copy> Processes<K> {
    /// Watches nothing yet; reports become readable under `key`.
    #[must_use]
    pub fn new(key: K, registry: &Registry<K>) -> Self {
        let (registry, proc) = (registry.clone(), PathBuf::from("/proc"));
        Self { source: Source::Off, tracked: Vec::new(), registry, key, proc }
    }

    /// Why the kernel does not report, where processes are tracked and it does not.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        match &self.source {
            Source::Off | Source::Reports { .. } => None,
            Source::Looking(_, why) => Some(why),
        }
    }

    /// Watches these processes from now on and tells how many there are of those that were not watched before.
    pub fn watch(&mut self, plans: &[ProcessPlan], now: Instant, out: &mut Vec<Event<'static>>) {
        if self.tracked.iter().map(|tracked| &tracked.plan).eq(plans) {
            return;
        }
        let mut known = std::mem::take(&mut self.tracked);
        self.tracked = plans
            .iter()
            .map(|plan| match known.iter().position(|tracked| tracked.plan == *plan) {
                Some(at) => known.swap_remove(at),
                None => Tracked { plan: plan.clone(), found: BTreeSet::new(), told: None },
            })
            .collect();
        if plans.is_empty() {
            self.source = Source::Off;
            return;
        }
        if matches!(self.source, Source::Off) {
            self.subscribe(now);
        }
        // First the reports, then the look at all: what changes between the two is seen twice rather than not at all.
        self.look_at_all();
        self.tell(out);
    }

    fn subscribe(&mut self, now: Instant) {
        let opened = Monitor::open().map_err(|refused| refused.to_string()).and_then(|monitor| {
            let registration = self.registry.add(&monitor, self.key, Interest::Read);
            Ok((registration.map_err(|error| error.to_string())?, monitor))
        });
        self.source = match opened {
            Ok((registration, monitor)) => Source::Reports { _registration: registration, monitor },
            Err(why) => self.instead(why, now),
        };
    }

    fn instead(&self, why: String, now: Instant) -> Source<K> {
        log::warn!("tracked processes are looked for once a second: {why}");
        Source::Looking(now + EVERY, why)
    }

    /// The descriptor is readable.
    pub fn ready(&mut self, now: Instant, out: &mut Vec<Event<'static>>) -> Drained {
        let Source::Reports { monitor, .. } = &mut self.source else { return Drained::Yes };
        // Of a process that begins and ends within one go nothing need be seen.
        let (mut touched, mut lost, mut drained) = (BTreeMap::new(), false, Drained::More);
        let mut failed = None;
        for _ in 0..BUDGET {
            let read = monitor.read(|report| match report {
                Report::Began(pid) | Report::Became(pid) => drop(touched.insert(pid, true)),
                Report::Ended(pid) => drop(touched.insert(pid, false)),
                Report::Resync => lost = true,
            });
            match read {
                Ok(true) => {}
                Ok(false) => {
                    drained = Drained::Yes;
                    break;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if let Some(error) = failed {
            self.source = self.instead(error.to_string(), now);
            (lost, drained) = (true, Drained::Yes);
        }
        if lost {
            log::debug!("reports of processes were lost: looking at all");
            self.look_at_all();
        } else {
            for (pid, alive) in touched {
                self.look_at(pid, alive);
            }
        }
        self.tell(out);
        drained
    }

    /// When [`Self::timeout`] has something to do: only while the kernel does not report.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.source {
            Source::Off | Source::Reports { .. } => None,
            Source::Looking(at, _) => Some(*at),
        }
    }

    /// Looks at all processes.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Event<'static>>) {
        if let Source::Looking(at, _) = &mut self.source {
            *at = now + EVERY;
            self.look_at_all();
            self.tell(out);
        }
    }

    fn look_at_all(&mut self) {
        for tracked in &mut self.tracked {
            tracked.found.clear();
        }
        for pid in look::all(&self.proc) {
            self.look_at(pid, true);
        }
    }

    fn look_at(&mut self, pid: Pid, alive: bool) {
        let look = alive.then(|| Look::at(&self.proc, pid)).flatten();
        for Tracked { plan, found, .. } in &mut self.tracked {
            if look.as_ref().is_some_and(|look| look.is(plan)) {
                found.insert(pid);
            } else {
                found.remove(&pid);
            }
        }
    }

    /// Tells the numbers that are news.
    fn tell(&mut self, out: &mut Vec<Event<'static>>) {
        for Tracked { plan, found, told } in &mut self.tracked {
            let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
            if told.replace(count) != Some(count) {
                log::debug!("tracked process counted process=\"{}\" count={count}", plan.name);
                out.push(Event::ProcessesCounted { process: plan.name.clone(), count });
            }
        }
    }
}

#[cfg(test)]
mod tests;
