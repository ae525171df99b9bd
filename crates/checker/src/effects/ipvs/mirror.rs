//! What the kernel is believed to hold and what it should hold instead. Pure.
//!
//! Only where the two differ is the wanted entry kept, so that a settled table is held once and a change
//! costs what it changes, not what there is.

use std::collections::{BTreeMap, BTreeSet};

use common::ipvs::table::{Entry, TableOp, diff_entry};
use common::ipvs::{Service, ServiceKey};

/// The managed part of the table.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    /// What the kernel is believed to hold.
    installed: BTreeMap<ServiceKey, Entry>,
    /// What it is to hold, where that is something else or where `installed` is in doubt.
    pending: BTreeMap<ServiceKey, Option<Entry>>,
    /// Services whose `installed` entry is in doubt. All of them are pending.
    doubtful: BTreeSet<ServiceKey>,
}

impl Mirror {
    /// What is wanted of a service.
    pub(super) fn wanted(&self, key: &ServiceKey) -> Option<&Entry> {
        match self.pending.get(key) {
            Some(wanted) => wanted.as_ref(),
            None => self.installed.get(key),
        }
    }

    /// Sets what is wanted of a service; false if it was wanted so before.
    pub(super) fn want(&mut self, key: ServiceKey, wanted: Option<Entry>) -> bool {
        if self.wanted(&key) == wanted.as_ref() {
            return false;
        }
        if self.installed.get(&key) == wanted.as_ref() && !self.doubtful.contains(&key) {
            self.pending.remove(&key);
        } else {
            self.pending.insert(key, wanted);
        }
        true
    }

    /// The kernel may hold anything for this service; what is wanted stays.
    pub(super) fn doubt(&mut self, key: ServiceKey) {
        let installed = &self.installed;
        self.pending.entry(key).or_insert_with(|| installed.get(&key).cloned());
        self.doubtful.insert(key);
    }

    /// The kernel holds this for the service.
    pub(super) fn seen(&mut self, key: ServiceKey, actual: Option<Entry>) {
        self.doubtful.remove(&key);
        let same = self.wanted(&key) == actual.as_ref();
        let before = match actual {
            Some(entry) => self.installed.insert(key, entry),
            None => self.installed.remove(&key),
        };
        if same {
            self.pending.remove(&key);
        } else {
            self.pending.entry(key).or_insert(before);
        }
    }

    /// The kernel now holds what is wanted of this service.
    pub(super) fn done(&mut self, key: ServiceKey) {
        match self.pending.remove(&key) {
            Some(Some(entry)) => drop(self.installed.insert(key, entry)),
            Some(None) => drop(self.installed.remove(&key)),
            None => {}
        }
        self.doubtful.remove(&key);
    }

    /// The services in doubt.
    pub(super) fn doubtful(&self) -> impl Iterator<Item = ServiceKey> {
        self.doubtful.iter().copied()
    }

    /// The services that are not, or may not be, what they should be.
    pub(super) fn pending(&self) -> impl Iterator<Item = ServiceKey> {
        self.pending.keys().copied()
    }

    /// Adds what one service needs to become what it should be.
    pub(super) fn diff(&self, key: ServiceKey, ops: &mut Vec<TableOp>) {
        if let Some(wanted) = self.pending.get(&key) {
            diff_entry(key, wanted.as_ref(), self.installed.get(&key), ops);
        }
    }

    /// Every service that is ours: installed, wanted, or on its way out.
    pub(super) fn managed(&self) -> BTreeSet<ServiceKey> {
        self.installed.keys().chain(self.pending.keys()).copied().collect()
    }

    /// The services believed to be installed whose listing by the kernel says otherwise.
    pub(super) fn contradicted(&self, listed: &BTreeMap<ServiceKey, Service>) -> Vec<ServiceKey> {
        let wrong = |(key, entry): &(&ServiceKey, &Entry)| listed.get(key) != Some(&entry.service);
        self.installed.iter().filter(wrong).map(|(key, _)| *key).collect()
    }

    /// The installed services after this one, in order.
    pub(super) fn after(&self, key: Option<ServiceKey>) -> impl Iterator<Item = (ServiceKey, &Entry)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = key.map_or(Unbounded, Excluded);
        self.installed.range((from, Unbounded)).map(|(key, entry)| (*key, entry))
    }

    /// How many services and how many destinations are believed to be installed.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.installed.len(), self.installed.values().map(|entry| entry.destinations.len()).sum())
    }
}
