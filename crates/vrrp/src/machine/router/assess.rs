//! Causes of fault, weights and sync groups: what an instance may be.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Phase, Router};
use crate::machine::action::{Action, Object};
use crate::machine::fact::{Cause, Fact, Reason};
use crate::machine::group::{self, Move};
use crate::machine::id::{InstanceId, Name};
use crate::machine::instance::{Cx, Instance, State, Then, notify_group};
use crate::machine::process::Process;
use crate::machine::script::Script;
use crate::machine::track::{self, Reading};

impl Router {
    /// Weighs an instance's trackers and causes anew.
    pub(super) fn assess(&mut self, id: InstanceId, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let (causes, priority) = self.judge(id);
        let group = self.index.group_of(id);
        self.with(id, now, out, |instance, cx| {
            instance.set_priority(priority, cx);
            if group.is_none() {
                instance.set_causes(causes, cx);
            }
        });
        if let Some(at) = group {
            self.settle(at, Some(id), now, out);
        }
    }

    /// Its own causes of fault, and its effective priority.
    pub(super) fn judge(&self, id: InstanceId) -> (BTreeSet<Cause>, u8) {
        let mut causes = BTreeSet::new();
        let Some(instance) = self.instances.get(&id) else {
            return (causes, 0);
        };
        let key = instance.plan.key;
        // Without its keys it would be deaf, or heard by nobody.
        if let Some(fault) = instance.plan.keyring.as_ref().and_then(|keyring| keyring.fault()) {
            causes.insert(Cause::NoKey(fault));
        }
        match self.links.check(key.link) {
            Err(cause) => {
                causes.insert(cause);
            }
            Ok(()) => {
                if instance.source.is_none() {
                    causes.insert(match instance.plan.source {
                        Some(source) => Cause::SourceMissing(key.link, source),
                        None => Cause::NoSource(key.link),
                    });
                }
                causes.extend(instance.virtual_link_cause());
                if let Some(error) = self.listeners.error((key.link, key.family)) {
                    causes.insert(Cause::NoListener(key.link, error.to_owned()));
                }
            }
        }
        let script = |name: &Name| self.scripts.get(name).map_or(Reading::Pending, Script::reading);
        let file = |name: &Name| self.files.get(name).copied().unwrap_or(0);
        let process = |name: &Name| self.processes.get(name).map_or(Reading::Pending, Process::reading);
        let sum = track::assess(self.index.trackers(id), &self.links, script, file, process);
        causes.extend(sum.causes);
        (causes, track::effective_priority(instance.plan.priority, sum.weight))
    }

    /// The first fellow member that is in fault by itself.
    pub(super) fn member_cause(&self, id: InstanceId) -> Option<Cause> {
        let group = self.groups.get(self.index.group_of(id)?)?;
        let faulty = group.members.iter().filter(|m| **m != id).find(|m| {
            let (causes, _) = self.judge(**m);
            causes.iter().any(|c| !c.is_pending())
        })?;
        self.instances.get(faulty).map(|i| Cause::Member(i.tag.name.clone()))
    }

    /// Lets a group follow its members, and its members the group. `by` is the member that something happened to.
    pub(super) fn settle(&mut self, at: usize, by: Option<InstanceId>, now: Instant, out: &mut Vec<Action>) {
        let Some(group) = self.groups.get(at) else {
            return;
        };
        let members = group.members.clone();
        if self.phase != Phase::Running {
            // It decides nothing any more, but that it has stopped is told: when the last member has.
            let done =
                |id: &InstanceId| self.instances.get(id).is_none_or(|i| matches!(i.state, State::Init));
            if self.phase == Phase::Stopping && members.iter().all(done) {
                self.group_state(at, by, out);
            }
            return;
        }
        let name = group.plan.name.clone();
        let mut judged: Vec<(InstanceId, BTreeSet<Cause>)> =
            members.iter().map(|id| (*id, self.judge(*id).0)).collect();
        let faulty = |(id, causes): &(InstanceId, BTreeSet<Cause>)| {
            causes.iter().any(|c| !c.is_pending()).then_some(*id)
        };
        // Two suffice: nobody is in fault because of itself.
        let first: Vec<InstanceId> = judged.iter().filter_map(faulty).take(2).collect();
        for (id, causes) in &mut judged {
            let other = first.iter().find(|f| *f != id).and_then(|f| self.instances.get(f));
            causes.extend(other.map(|i| Cause::Member(i.tag.name.clone())));
        }
        for (id, causes) in judged {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.set_causes(causes, &mut Cx { now, links: &mut self.links, out });
            }
        }
        // Promotion or release of all is one step; a second look finds nothing left to do.
        for _ in 0..2 {
            match group::decide(&members.iter().filter_map(|id| self.instances.get(id))) {
                Move::Stay => break,
                Move::Promote => self.each(&members, now, out, |i, cx| i.promote(cx)),
                Move::Release => {
                    let reason = Reason::Group(name.clone());
                    self.each(&members, now, out, |i, cx| i.release(Then::Backup(reason.clone()), cx));
                }
            }
        }
        let is = |of: fn(&Instance) -> bool| members.iter().filter_map(|id| self.instances.get(id)).any(of);
        if is(Instance::is_offering) && is(Instance::is_backup) {
            // One has found its successor: the others do not return.
            self.each(&members, now, out, |i, _| i.follow(Reason::Group(name.clone())));
        }
        for id in &members {
            self.schedule(*id);
        }
        self.group_state(at, by, out);
    }

    pub(super) fn each(
        &mut self,
        members: &[InstanceId],
        now: Instant,
        out: &mut Vec<Action>,
        work: impl Fn(&mut Instance, &mut Cx<'_>),
    ) {
        for id in members {
            if let Some(instance) = self.instances.get_mut(id) {
                work(instance, &mut Cx { now, links: &mut self.links, out });
            }
        }
    }

    pub(super) fn group_state(&mut self, at: usize, by: Option<InstanceId>, out: &mut Vec<Action>) {
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        let instances = &self.instances;
        let members = group.members.iter().filter_map(|id| instances.get(id));
        let Some(to) = group::state(&members) else {
            return;
        };
        let from = std::mem::replace(&mut group.state, to);
        if from == to {
            return;
        }
        let name = group.plan.name.clone();
        let mover = group::mover(members, to, by);
        // After a restart it is what it was before: its commands have run.
        let restored = mover.as_ref().is_some_and(|mover| mover.reason == Reason::Restored);
        let mover = mover.map(Box::new);
        out.push(Action::Report(Fact::GroupTransition { group: name.clone(), from, to, mover }));
        if !restored {
            notify_group(&group.plan.notify, &Object::Group(name), to, out);
        }
    }
}
