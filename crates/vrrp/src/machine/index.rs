//! Who depends on what: found by interface, address and script, so that an event touches its instances only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::group::Group;
use super::id::{InstanceId, Key, LinkName};
use super::instance::Instance;
use crate::plan::{Tracked, Tracker};

/// Made anew from the plan at start and at each reload.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_link: BTreeMap<LinkName, BTreeSet<InstanceId>>,
    by_address: BTreeMap<(LinkName, IpAddr), InstanceId>,
    by_way: BTreeMap<Key, InstanceId>,
    by_name: BTreeMap<Tracked, BTreeSet<InstanceId>>,
    trackers: BTreeMap<InstanceId, Vec<Tracker>>,
    group_of: BTreeMap<InstanceId, usize>,
}

impl Index {
    pub(super) fn new(
        instances: &BTreeMap<InstanceId, Instance>,
        by_key: &BTreeMap<Key, InstanceId>,
        groups: &[Group],
    ) -> Self {
        let mut index = Self::default();
        for (at, group) in groups.iter().enumerate() {
            index.group_of.extend(group.members.iter().map(|id| (*id, at)));
        }
        for id in by_key.values() {
            let Some(instance) = instances.get(id) else {
                continue;
            };
            index.add(*id, instance, instances, groups);
        }
        index
    }

    fn add(
        &mut self,
        id: InstanceId,
        instance: &Instance,
        instances: &BTreeMap<InstanceId, Instance>,
        groups: &[Group],
    ) {
        let group = self.group_of.get(&id).and_then(|at| groups.get(*at));
        let mut trackers: Vec<Tracker> = Vec::new();
        // What faults or weakens one member faults or weakens all, or the group could never move as one.
        let members = group.iter().flat_map(|g| &g.members).filter_map(|m| instances.get(m));
        let theirs = members.flat_map(|m| &m.plan.trackers);
        let groups_own = group.iter().flat_map(|g| &g.plan.trackers);
        for tracker in instance.plan.trackers.iter().chain(groups_own).chain(theirs) {
            if !trackers.contains(tracker) {
                trackers.push(tracker.clone());
            }
        }
        self.by_link.entry(instance.plan.key.link).or_default().insert(id);
        if let Some(own) = &instance.plan.virtual_mac {
            self.by_link.entry(own.link).or_default().insert(id);
        }
        for via in &instance.plan.also_via {
            self.by_link.entry(via.link).or_default().insert(id);
            self.by_way.insert(Key { link: via.link, ..instance.plan.key }, id);
        }
        for address in &instance.plan.addresses {
            self.by_link.entry(address.link).or_default().insert(id);
            self.by_address.insert((address.link, address.address), id);
        }
        for tracker in &trackers {
            match &tracker.what {
                Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => {
                    self.by_name.entry(tracker.what.clone()).or_default().insert(id);
                }
                Tracked::Link(link) => {
                    self.by_link.entry(*link).or_default().insert(id);
                }
            }
        }
        self.trackers.insert(id, trackers);
    }

    /// Instances that use or watch an interface.
    pub(super) fn on_link(&self, link: LinkName) -> Vec<InstanceId> {
        self.by_link.get(&link).into_iter().flatten().copied().collect()
    }

    /// The instance that hears an identifier by a further way.
    pub(super) fn by_way(&self, key: &Key) -> Option<InstanceId> {
        self.by_way.get(key).copied()
    }

    /// The instance a virtual address belongs to.
    pub(super) fn holder(&self, link: LinkName, address: IpAddr) -> Option<InstanceId> {
        self.by_address.get(&(link, address)).copied()
    }

    /// Instances that watch something that is tracked by its name.
    pub(super) fn on(&self, what: &Tracked) -> Vec<InstanceId> {
        self.by_name.get(what).into_iter().flatten().copied().collect()
    }

    /// The trackers of an instance, its group's and fellow members' included.
    pub(super) fn trackers(&self, id: InstanceId) -> &[Tracker] {
        self.trackers.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The group of an instance.
    pub(super) fn group_of(&self, id: InstanceId) -> Option<usize> {
        self.group_of.get(&id).copied()
    }
}
