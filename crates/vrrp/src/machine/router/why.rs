//! Why an instance is what it is, in plain words: what an operator asks first.

use std::time::Instant;

use super::Router;
use crate::machine::fact::{Reason, StateName};
use crate::machine::id::{InstanceId, Name};
use crate::machine::instance::{Backup, Expect, Heard, Instance, State};
use crate::machine::process::Process;
use crate::machine::script::Script;
use crate::machine::track::{self, Reading};
use crate::plan::{Tracked, Tracker};

impl Router {
    /// Why the instance is in its state, and what it waits for.
    pub(super) fn why(&self, id: InstanceId, instance: &Instance, now: Instant) -> String {
        match &instance.state {
            State::Init if instance.removed => "it is not in the configuration any more".to_owned(),
            State::Init if instance.causes.is_empty() => "it is stopped".to_owned(),
            State::Init | State::Fault => causes(instance),
            State::Backup(backup) => self.why_backup(id, instance, backup, now),
            State::Master(_) => became_master(instance),
            State::Releasing(releasing) => {
                let left = left(releasing.until, now);
                format!(
                    "it has said that it leaves, and answers until its successor is heard, {left} at most"
                )
            }
        }
    }

    fn why_backup(&self, id: InstanceId, instance: &Instance, backup: &Backup, now: Instant) -> String {
        if backup.silent
            && let Some(group) = self.index.group_of(id).and_then(|at| self.groups.get(at))
        {
            let ready = |i: &&Instance| !i.is_master() && !i.wants_master();
            let others = group.members.iter().filter_map(|id| self.instances.get(id)).filter(ready);
            let others: Vec<String> = others.map(|other| other.tag.name.to_string()).collect();
            let name = &group.plan.name;
            return format!("no master is heard, but sync group {name} waits for {}", others.join(", "));
        }
        let (mine, soon) = (instance.priority, left(backup.down_at, now));
        match backup.master {
            _ if backup.expect == Expect::Leave => format!("the master has left: takes over in {soon}"),
            Some(Heard { address, priority }) if priority > mine => {
                format!("{address} is master with priority {priority}, above {mine} here")
            }
            Some(Heard { address, priority }) if priority == mine => {
                format!("{address} is master with the same priority, {priority}: who is master stays it")
            }
            Some(Heard { address, priority }) => {
                let master = format!("{address} is master with priority {priority}, below {mine} here");
                match backup.preempt_at {
                    _ if !instance.plan.preempt => format!("{master}, and is let be (preempt = false)"),
                    Some(at) if at > now => {
                        format!("{master}, and is let be for {} more (preempt_delay)", left(at, now))
                    }
                    Some(_) | None => format!("{master}: takes over in {soon}"),
                }
            }
            None if backup.delayed => {
                format!("no master has been heard yet: takes over in {soon} (startup_delay)")
            }
            None => format!("no master is heard: takes over in {soon}"),
        }
    }

    /// What makes the effective priority another than the configured one.
    pub(super) fn priority_reasons(&self, id: InstanceId) -> Vec<String> {
        let script = |name: &Name| self.scripts.get(name).map_or(Reading::Pending, Script::reading);
        let file = |name: &Name| self.files.get(name).copied().unwrap_or(0);
        let process = |name: &Name| self.processes.get(name).map_or(Reading::Pending, Process::reading);
        let trackers = self.index.trackers(id);
        let worded = trackers.iter().filter_map(|tracker| {
            let weight = track::assess([tracker], &self.links, script, file, process).weight;
            (weight != 0).then(|| format!("{weight:+} {}", worded(tracker, weight, file)))
        });
        worded.collect()
    }
}

/// What a tracker that adds or takes away has found.
fn worded(tracker: &Tracker, weight: i32, file: impl Fn(&Name) -> i32) -> String {
    // Without reversal what is well adds, and what is not takes away.
    let well = (weight > 0) != tracker.reverse;
    let chosen = |yes: &str, no: &str| if well { yes.to_owned() } else { no.to_owned() };
    match &tracker.what {
        Tracked::Script(name) => format!("script {name} {}", chosen("succeeds", "fails")),
        Tracked::Process(name) => {
            format!("process {name} {}", chosen("runs", "does not run in the number wanted"))
        }
        Tracked::Link(link) => format!("interface {link} {}", chosen("is up", "is down")),
        Tracked::File(name) => format!("file {name} says {}", file(name)),
    }
}

fn causes(instance: &Instance) -> String {
    let causes: Vec<String> = instance.causes.iter().map(ToString::to_string).collect();
    causes.join("; ")
}

/// A restart does not count: it has been master before, for another reason.
fn became_master(instance: &Instance) -> String {
    let restored = Reason::Restored.to_string();
    let became = || instance.past.iter().rev().filter(|change| change.to == StateName::Master);
    let first = became().find(|change| change.reason != restored).or_else(|| became().next());
    let reason = first.map_or("", |change| change.reason.as_str());
    format!("it took over: {reason}")
}

fn left(until: Instant, now: Instant) -> String {
    let tenths = until.saturating_duration_since(now).as_millis().div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}
