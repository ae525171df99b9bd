//! The table as a value, and the way from one table to another.
//!
//! Nobody says "add this server": one says "this is the table", and [`diff`] names what has to be done to
//! the kernel's. What exists and differs is edited in place, so connections and counters survive. Both
//! tables hold managed services only: a service that is in neither is none of our business.

use super::destination::{Destination, DestinationKey};
use super::service::{Service, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A service and its destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How it distributes.
    pub service: Service,
    /// To whom.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// Services by what identifies them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The services.
    pub services: BTreeMap<ServiceKey, Entry>,
}

/// One request to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableOp {
    /// Make a service.
    AddService(ServiceKey, Service),
    /// Set a service differently.
    EditService(ServiceKey, Service),
    /// Remove a service and all its destinations.
    DeleteService(ServiceKey),
    /// Make a destination.
    AddDestination(ServiceKey, DestinationKey, Destination),
    /// Set a destination differently.
    EditDestination(ServiceKey, DestinationKey, Destination),
    /// Remove a destination.
    DeleteDestination(ServiceKey, DestinationKey),
}

impl TableOp {
    /// The service it is about.
    pub const fn service(&self) -> ServiceKey {
        match self {
            Self::AddService(key, _)
            | Self::EditService(key, _)
            | Self::DeleteService(key)
            | Self::AddDestination(key, ..)
            | Self::EditDestination(key, ..)
            | Self::DeleteDestination(key, _) => *key,
        }
    }
}

/// What turns `installed` into `wanted`, in the order in which it may be done: new and changed services
/// first, what is no longer wanted last.
pub fn diff(wanted: &Table, installed: &Table) -> Vec<TableOp> {
    let mut ops = Vec::new();
    for (key, entry) in &wanted.services {
        diff_entry(*key, Some(entry), installed.services.get(key), &mut ops);
    }
    for (key, entry) in &installed.services {
        if !wanted.services.contains_key(key) {
            diff_entry(*key, None, Some(entry), &mut ops);
        }
    }
    ops
}

/// [`diff`] for one service. A service exists before its destinations; new destinations come before the old
/// ones go, so that a service with servers on either side never stands without.
pub fn diff_entry(
    key: ServiceKey,
    wanted: Option<&Entry>,
    installed: Option<&Entry>,
    ops: &mut Vec<TableOp>,
) {
    let Some(wanted) = wanted else {
        ops.extend(installed.map(|_| TableOp::DeleteService(key)));
        return;
    };
    match installed {
        None => ops.push(TableOp::AddService(key, wanted.service)),
        Some(installed) if installed.service != wanted.service => {
            ops.push(TableOp::EditService(key, wanted.service));
        }
        Some(_) => {}
    }
    let none = BTreeMap::new();
    let present = installed.map_or(&none, |installed| &installed.destinations);
    let missing = |at: &&DestinationKey| !present.contains_key(at);
    let order = wanted.destinations.keys().filter(missing);
    let order = order.chain(wanted.destinations.keys().filter(|at| !missing(at)));
    for at in order {
        let Some(destination) = wanted.destinations.get(at) else { continue };
        match present.get(at) {
            None => ops.push(TableOp::AddDestination(key, *at, *destination)),
            Some(present) if present != destination => {
                ops.push(TableOp::EditDestination(key, *at, *destination));
            }
            Some(_) => {}
        }
    }
    let gone = present.keys().filter(|at| !wanted.destinations.contains_key(at));
    ops.extend(gone.map(|at| TableOp::DeleteDestination(key, *at)));
}

impl Table {
    /// The part of the table that is about these services.
    pub fn restricted(&self, keys: &BTreeSet<ServiceKey>) -> Self {
        let services = self.services.iter().filter(|(key, _)| keys.contains(key));
        Self { services: services.map(|(key, entry)| (*key, entry.clone())).collect() }
    }

    /// How many services and destinations it has.
    pub fn entries(&self) -> usize {
        self.services.values().map(|entry| entry.destinations.len().saturating_add(1)).sum()
    }
}

/// As it stands after "could not": `add destination 10.0.0.1:80 (nat, weight 1) to tcp 192.0.2.1:80`.
impl fmt::Display for TableOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(key, service) => {
                write!(f, "add service {key} (scheduler {})", service.scheduler)
            }
            Self::EditService(key, service) => {
                write!(f, "change service {key} (scheduler {})", service.scheduler)
            }
            Self::DeleteService(key) => write!(f, "remove service {key}"),
            Self::AddDestination(key, at, destination) => {
                write!(f, "add destination {at} ({destination}) to {key}")
            }
            Self::EditDestination(key, at, destination) => {
                write!(f, "change destination {at} ({destination}) of {key}")
            }
            Self::DeleteDestination(key, at) => write!(f, "remove destination {at} from {key}"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, weight {}", self.forward, self.weight)
    }
}

#[cfg(test)]
mod tests;
