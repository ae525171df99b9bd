//! Deadlines of many owners in order: the next one is found without looking at the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// One deadline per owner.
#[derive(Debug)]
pub(super) struct Deadlines<O> {
    queue: BTreeSet<(Instant, O)>,
    of: BTreeMap<O, Instant>,
}

impl<O: Ord + Clone> Deadlines<O> {
    pub(super) const fn new() -> Self {
        Self { queue: BTreeSet::new(), of: BTreeMap::new() }
    }

    /// Sets, moves or clears the deadline of an owner.
    pub(super) fn set(&mut self, owner: &O, at: Option<Instant>) {
        let old = self.of.get(owner).copied();
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.queue.remove(&(old, owner.clone()));
        }
        match at {
            Some(at) => {
                self.of.insert(owner.clone(), at);
                self.queue.insert((at, owner.clone()));
            }
            None => {
                self.of.remove(owner);
            }
        }
    }

    /// The earliest of all.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// The earliest that is due, taken out.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<O> {
        let (at, _) = self.queue.first()?;
        if *at > now {
            return None;
        }
        let (_, owner) = self.queue.pop_first()?;
        self.of.remove(&owner);
        Some(owner)
    }
}
