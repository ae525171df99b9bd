//! A kernel in memory that refuses what the real one refuses, and fails when told to.

use std::cell::RefCell;
use std::rc::Rc;

use common::ipvs::{Connections, Stats};
use common::netlink::Failure;
use nix::errno::Errno;

use super::*;

/// The kernel, shared with the test, which is also the other program.
#[derive(Clone, Debug, Default)]
pub(super) struct Model(pub(super) Rc<RefCell<Inside>>);

#[derive(Debug, Default)]
pub(super) struct Inside {
    pub(super) table: Table,
    pub(super) timeouts: Timeouts,
    /// How many calls are to fail.
    pub(super) failing: usize,
    /// Whether a failing change is carried out all the same.
    pub(super) carried_out: bool,
    /// Whether the scheduler's module was installed meanwhile.
    pub(super) knows_all: bool,
    pub(super) reads: usize,
    pub(super) batches: Vec<Vec<TableOp>>,
}

fn failure(asked: &str) -> NetlinkError {
    Failure::Socket { call: "receive", errno: Errno::ENOBUFS }.asked(asked)
}

impl Inside {
    fn fails(&mut self) -> bool {
        let fails = self.failing > 0;
        self.failing = self.failing.saturating_sub(1);
        fails
    }

    pub(super) fn perform(&mut self, op: &TableOp) -> Result<(), (ProblemKind, Errno)> {
        use ProblemKind::{Refused, Stale};
        let knows_all = self.knows_all;
        let services = &mut self.table.services;
        let no_module = |service: &Service| !knows_all && service.scheduler.as_str() == "nosuch";
        match op {
            TableOp::AddService(key, service) if no_module(service) && !services.contains_key(key) => {
                Err((Refused, Errno::ENOENT))
            }
            TableOp::AddService(key, _) if services.contains_key(key) => Err((Stale, Errno::EEXIST)),
            TableOp::AddService(key, service) => {
                services.insert(*key, Entry { service: *service, destinations: BTreeMap::new() });
                Ok(())
            }
            TableOp::EditService(key, service) => {
                let entry = services.get_mut(key).ok_or((Stale, Errno::ESRCH))?;
                if no_module(service) {
                    return Err((Refused, Errno::ENOENT));
                }
                entry.service = *service;
                Ok(())
            }
            TableOp::DeleteService(key) => {
                services.remove(key);
                Ok(())
            }
            TableOp::AddDestination(key, at, destination) => {
                let entry = services.get_mut(key).ok_or((Stale, Errno::ESRCH))?;
                if entry.destinations.contains_key(at) {
                    return Err((Stale, Errno::EEXIST));
                }
                entry.destinations.insert(*at, *destination);
                Ok(())
            }
            TableOp::EditDestination(key, at, destination) => {
                let entry = services.get_mut(key).ok_or((Stale, Errno::ESRCH))?;
                *entry.destinations.get_mut(at).ok_or((Stale, Errno::ENOENT))? = *destination;
                Ok(())
            }
            TableOp::DeleteDestination(key, at) => {
                let entry = services.get_mut(key).ok_or((Stale, Errno::ESRCH))?;
                entry.destinations.remove(at).map(drop).ok_or((Stale, Errno::ENOENT))
            }
        }
    }
}

impl Kernel for Model {
    fn services(&mut self) -> Result<BTreeMap<ServiceKey, Service>, NetlinkError> {
        let mut inside = self.0.borrow_mut();
        inside.reads += 1;
        if inside.fails() {
            return Err(failure("list"));
        }
        Ok(inside.table.services.iter().map(|(key, entry)| (*key, entry.service)).collect())
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Stats>, NetlinkError> {
        Ok(self.services()?.into_keys().map(|key| (key, Stats::default())).collect())
    }

    fn entry(&mut self, key: ServiceKey) -> Result<Option<Entry>, NetlinkError> {
        let mut inside = self.0.borrow_mut();
        inside.reads += 1;
        if inside.fails() { Err(failure("read")) } else { Ok(inside.table.services.get(&key).cloned()) }
    }

    fn listed(&mut self, key: ServiceKey) -> Result<Vec<ListedDestination>, NetlinkError> {
        let (connections, stats) = (Connections::default(), Stats::default());
        let entry = self.entry(key)?;
        let listed = |(key, destination)| ListedDestination { key, destination, connections, stats };
        Ok(entry.map(|entry| entry.destinations.into_iter().map(listed).collect()).unwrap_or_default())
    }

    fn apply(&mut self, ops: &[TableOp]) -> Result<Vec<Problem>, NetlinkError> {
        let mut inside = self.0.borrow_mut();
        inside.batches.push(ops.to_vec());
        let fails = inside.fails();
        let mut problems = Vec::new();
        if !fails || inside.carried_out {
            for (position, op) in ops.iter().enumerate() {
                if let Err((kind, errno)) = inside.perform(op) {
                    let error = Failure::Refused { errno, text: None }.asked(op.to_string());
                    problems.push(Problem { position, kind, error });
                }
            }
        }
        if fails { Err(failure("change")) } else { Ok(problems) }
    }

    fn timeouts(&mut self) -> Result<Timeouts, NetlinkError> {
        Ok(self.0.borrow().timeouts)
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), NetlinkError> {
        self.0.borrow_mut().timeouts = timeouts;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), String> {
        if self.0.borrow_mut().fails() { Err("no IPVS".into()) } else { Ok(()) }
    }
}
