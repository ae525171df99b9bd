//! Servers that are taken out though they work keep their connections for a while.
//!
//! Whoever served with the last settled table and does not with this one, without having failed, stays with weight 0
//! for as long as its `drain` says, or until it has no connections left: a server that a reload removed, one that an
//! operator disabled, a backup that is not needed any more, the sorry server when the quorum is back, the servers that
//! make way for it.

use std::collections::BTreeSet;
use std::time::Instant;

use common::ipvs::DestinationKey;

use super::{Alarm, Pool};
use crate::machine::leaving::{COUNTED_EVERY, Leaving};
use crate::machine::{Action, Actions, Order, Stage, VirtualServerId};
use crate::plan;

impl Pool {
    /// Takes note of who serves now and who does so no more.
    pub(super) fn stand_down(&mut self, id: VirtualServerId, now: Instant, out: &mut Actions) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        let Some(first) = service.plan.services.first().copied() else { return };
        let mut ends = Vec::new();
        let mut parting = Vec::new();
        for (planned, server) in service.plan.members().zip(&service.servers) {
            let Some(server) = self.servers.get_mut(server) else { continue };
            // One that an operator drains is not gone yet.
            let serves = service.holds(server);
            let stays = planned.terms.inhibit_on_failure && !server.ordered(Order::Disable);
            if serves || stays || !server.alive {
                ends.push(planned.key(first));
            } else if server.serving && !planned.terms.drain.is_zero() {
                parting.push((planned.key(first), Leaving::new(planned, now)));
            }
            server.serving = serves;
        }
        let begun = !parting.is_empty();
        for (key, leaving) in parting {
            service.leaving.insert(key, leaving);
            out.push(Action::Leaving(id, key, Stage::Begun));
        }
        for key in ends {
            if service.leaving.remove(&key).is_some() {
                out.push(Action::Leaving(id, key, Stage::Over));
                self.changed = true;
            }
        }
        if begun {
            self.changed = true;
            self.watch(id, now);
        }
    }

    /// A server that the configuration has no more.
    pub(super) fn part(
        &mut self,
        id: VirtualServerId,
        planned: &plan::RealServer,
        was_serving: bool,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        let Some(first) = service.plan.services.first().copied() else { return };
        let present = was_serving || planned.terms.inhibit_on_failure;
        let key = planned.key(first);
        if !present || planned.terms.drain.is_zero() || service.leaving.contains_key(&key) {
            return;
        }
        service.leaving.insert(key, Leaving::new(planned, now));
        out.push(Action::Leaving(id, key, Stage::Begun));
        self.changed = true;
        self.watch(id, now);
    }

    /// Somebody leaves, or does so still after a restart: there is one watch for each virtual server, however many
    /// leave it.
    pub(super) fn watch(&mut self, id: VirtualServerId, now: Instant) {
        let Some(service) = self.virtual_servers.get(&id) else { return };
        let Some(first) = service.leaving.values().map(|leaving| leaving.until).min() else { return };
        self.alarms.retain(|(_, alarm)| *alarm != Alarm::Leaving(id));
        self.alarms.insert(((now + COUNTED_EVERY).min(first.max(now)), Alarm::Leaving(id)));
    }

    /// Looks at those that leave: whose time is over goes, of the others the connections are counted.
    pub(super) fn look_after(&mut self, id: VirtualServerId, now: Instant, out: &mut Actions) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        let late: Vec<DestinationKey> =
            service.leaving.iter().filter(|(_, leaving)| leaving.until <= now).map(|(key, _)| *key).collect();
        for key in &late {
            service.leaving.remove(key);
            out.push(Action::Leaving(id, *key, Stage::Late));
            self.dirty.insert(id);
        }
        if !service.leaving.is_empty() {
            out.push(Action::Count(id));
        }
        self.changed |= !late.is_empty();
        self.watch(id, now);
    }

    /// The connections were counted: who has none goes.
    pub(super) fn counted(
        &mut self,
        id: VirtualServerId,
        busy: &BTreeSet<DestinationKey>,
        out: &mut Actions,
    ) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        let services = &service.plan.services;
        let idle = |leaving: &Leaving| services.iter().all(|key| !busy.contains(&leaving.key(*key)));
        let empty: Vec<DestinationKey> =
            service.leaving.iter().filter(|(_, leaving)| idle(leaving)).map(|(key, _)| *key).collect();
        for key in empty {
            service.leaving.remove(&key);
            out.push(Action::Leaving(id, key, Stage::Empty));
            self.changed = true;
            self.dirty.insert(id);
        }
    }
}
