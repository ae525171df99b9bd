//! Checks that rest while this machine does not hold the address of their service.
//!
//! What is known of the servers stays meanwhile, and so does the table. A check that several services share rests when
//! all of them do. When the address comes, every such check runs within a moment, and its first outcome decides.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{CheckId, Pool, VirtualServer};
use crate::machine::{Action, Actions, VirtualServerId};

/// The first attempts after the address has come are spread over so long a time at the most: clients come with it.
const SOON: Duration = Duration::from_secs(1);

impl Pool {
    /// The addresses on which it depends whether checks run. To be told with [`super::Event::Holds`].
    pub fn watched(&self) -> BTreeSet<IpAddr> {
        let plans = self.virtual_servers.values().filter_map(|service| service.plan.suspend.as_ref());
        plans.flatten().copied().collect()
    }

    pub(super) fn holds(&mut self, held: BTreeSet<IpAddr>, now: Instant, out: &mut Actions) {
        if self.held == held {
            return;
        }
        self.held = held;
        self.suspend(now, out);
    }

    /// Brings services and checks in line with what this machine holds.
    pub(super) fn suspend(&mut self, now: Instant, out: &mut Actions) {
        for (id, service) in self.virtual_servers.iter_mut() {
            let suspended = is_suspended(service, &self.held);
            if suspended != service.suspended {
                service.suspended = suspended;
                out.push(Action::Suspended(*id, suspended));
            }
        }
        let ids: Vec<CheckId> = self.checks.keys().copied().collect();
        for id in ids {
            self.rest_or_wake(id, now, out);
        }
    }

    /// After a reload: whatever may have changed.
    pub(super) fn suspend_anew(&mut self, now: Instant, out: &mut Actions) {
        let services = || self.virtual_servers.values();
        // A check may have come to a service that asks for it from one that rested.
        if services().any(|service| service.suspended || service.plan.suspend.is_some())
            || self.checks.values().any(|check| check.schedule.resting())
        {
            self.suspend(now, out);
        }
    }

    fn rest_or_wake(&mut self, id: CheckId, now: Instant, out: &mut Actions) {
        let Some(check) = self.checks.get_mut(&id) else { return };
        let asks = |service: &VirtualServerId| {
            self.virtual_servers.get(service).is_some_and(|service| !service.suspended)
        };
        let awake = check
            .subscribers
            .iter()
            .any(|server| self.servers.get(server).is_some_and(|server| asks(&server.service)));
        if awake != check.schedule.resting() {
            return;
        }
        if let Some(at) = check.schedule.deadline() {
            self.deadlines.remove(&(at, id));
        }
        if awake {
            let within = check.plan.settings.timing.warm_up.min(SOON);
            check.schedule.wake(now + self.spread.next(within), self.beat);
            self.deadlines.extend(check.schedule.deadline().map(|at| (at, id)));
        } else {
            if check.schedule.running() {
                out.push(Action::Cancel(id));
            }
            check.schedule.rest();
        }
        self.changed = true;
    }
}

fn is_suspended(service: &VirtualServer, held: &BTreeSet<IpAddr>) -> bool {
    service.plan.suspend.as_ref().is_some_and(|watched| watched.is_disjoint(held))
}
