//! The state of everything, copied out for people and programs.

use std::time::Instant;

use super::Router;
use crate::machine::fact::StateName;
use crate::machine::id::{InstanceId, Name};
use crate::machine::instance::{Change, Instance, State, WayView};
use crate::machine::ledger::Standing;
use crate::status::{
    Adverts, FileStatus, GroupStatus, IncompatiblePeer, InstanceStatus, MasterStatus, ObjectStatus,
    PathStatus, ProcessStatus, ScriptStatus, Status, TransitionStatus,
};

impl Router {
    /// A snapshot.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        let in_order = self.plan.instances.iter().filter_map(|p| self.by_key.get(&p.key));
        let instances = in_order.chain(self.leaving.values());
        Status {
            instances: instances.filter_map(|id| self.instance_status(*id, now)).collect(),
            sync_groups: self
                .groups
                .iter()
                .map(|group| GroupStatus {
                    name: group.plan.name.to_string(),
                    state: group.state.word(),
                    instances: group.members.iter().filter_map(|id| self.name_of(*id)).collect(),
                })
                .collect(),
            scripts: self
                .plan
                .scripts
                .iter()
                .filter_map(|plan| self.scripts.get(&plan.name))
                .map(|script| ScriptStatus {
                    name: script.plan.name.to_string(),
                    up: script.up,
                    last_exit: script.last.as_ref().map(ToString::to_string),
                    runs: script.runs,
                })
                .collect(),
            files: self
                .plan
                .files
                .iter()
                .map(|file| FileStatus {
                    name: file.name.to_string(),
                    path: file.path.display().to_string(),
                    number: self.files.get(&file.name).copied().unwrap_or(0),
                })
                .collect(),
            processes: self
                .plan
                .processes
                .iter()
                .filter_map(|plan| self.processes.get(&plan.name))
                .map(|process| ProcessStatus {
                    name: process.plan.name.to_string(),
                    program: process.plan.program.clone(),
                    up: process.up,
                    count: process.count,
                    wanted: process.plan.wanted(),
                })
                .collect(),
            objects: self
                .object_standings()
                .map(|Standing { object, owner, error }| ObjectStatus {
                    kind: object.kind(),
                    object: object.to_string(),
                    instance: owner.map(ToString::to_string),
                    installed: error.is_none(),
                    error: error.map(str::to_owned),
                })
                .collect(),
        }
    }

    fn name_of(&self, id: InstanceId) -> Option<String> {
        self.instances.get(&id).map(|i| i.tag.name.to_string())
    }

    fn instance_status(&self, id: InstanceId, now: Instant) -> Option<InstanceStatus> {
        let instance = self.instances.get(&id)?;
        let plan = &instance.plan;
        let master = master(instance);
        Some(InstanceStatus {
            name: instance.tag.name.to_string(),
            interface: plan.key.link.to_string(),
            virtual_router_id: plan.key.vrid.get(),
            version: plan.version.number(),
            family: plan.key.family.to_string(),
            state: instance.state_name().word(),
            handing_over: matches!(instance.state, State::Releasing(_)),
            priority: plan.priority,
            effective_priority: instance.priority,
            addresses: plan.addresses.iter().map(|a| format!("{}/{}", a.address, a.prefix)).collect(),
            source: instance.source.map(|a| a.to_string()),
            master: master.as_ref().map(|m| m.address.clone()),
            master_priority: master.map(|m| m.priority),
            since_s: now.saturating_duration_since(instance.since).as_secs(),
            faults: instance.causes.iter().map(ToString::to_string).collect(),
            sync_group: self
                .index
                .group_of(id)
                .and_then(|at| self.groups.get(at))
                .map(|group| group.plan.name.to_string()),
            incompatible_peers: instance
                .peers
                .list()
                .map(|(peer, d)| IncompatiblePeer {
                    peer: peer.to_string(),
                    field: d.field.key(),
                    mine: d.mine.clone(),
                    theirs: d.theirs.clone(),
                    hint: d.hint.clone(),
                })
                .collect(),
            advertisements: Adverts {
                sent: instance.statistics.sent,
                send_failed: instance.statistics.send_failed,
                received: instance.statistics.received,
                rejected: instance.rejected().map(|(r, n)| (r.code(), n)).collect(),
            },
            transitions: instance.statistics.transitions,
            why: self.why(id, instance, now),
            priority_reasons: self.priority_reasons(id),
            last_transitions: instance.past.iter().rev().map(|change| transition(change, now)).collect(),
            paths: instance.ways.views(instance.source).map(|view| path(&view, now)).collect(),
        })
    }

    /// The instances of the plan in its order, with their states; cheap.
    pub fn states(&self) -> impl Iterator<Item = (&Name, StateName)> {
        let known = self.plan.instances.iter().filter_map(|p| self.instances.get(self.by_key.get(&p.key)?));
        known.map(|i| (&i.tag.name, i.state_name()))
    }

    /// Adverts sent so far, over all instances: a sign of progress.
    #[must_use]
    pub fn adverts_sent(&self) -> u64 {
        self.instances.values().map(|i| i.statistics.sent).sum()
    }

    /// How many instances are master.
    #[must_use]
    pub fn masters(&self) -> usize {
        self.instances.values().filter(|i| i.state_name() == StateName::Master).count()
    }
}

fn transition(change: &Change, now: Instant) -> TransitionStatus {
    TransitionStatus {
        ago_s: now.saturating_duration_since(change.at).as_secs(),
        from: change.from.word(),
        to: change.to.word(),
        priority: change.priority,
        reason: change.reason.clone(),
    }
}

fn path(view: &WayView<'_>, now: Instant) -> PathStatus {
    let millis =
        |at: Instant| u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
    PathStatus {
        path: view.label.to_owned(),
        source: view.source.map(|source| source.to_string()),
        lost: view.lost.clone(),
        last_heard_ms: view.heard.map(|(at, _)| millis(at)),
        last_heard_from: view.heard.map(|(_, from)| from.to_string()),
        received: view.received,
    }
}

fn master(instance: &Instance) -> Option<MasterStatus> {
    match &instance.state {
        State::Init | State::Fault => None,
        State::Backup(backup) => {
            backup.master.map(|m| MasterStatus { address: m.address.to_string(), priority: m.priority })
        }
        State::Master(_) | State::Releasing(_) => instance
            .source
            .map(|source| MasterStatus { address: source.to_string(), priority: instance.priority }),
    }
}
