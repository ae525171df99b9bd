//! Out of the pool into a checkpoint, and back into the pool of the next incarnation.

use std::collections::BTreeMap;

use common::ipvs::{Destination, DestinationKey, ServiceKey};

use super::{Pool, real_servers_of};
use crate::machine::checkpoint::{Checkpoint, Saved, identity};
use crate::machine::schedule::Belief;

impl Pool {
    /// Every verdict, if one has changed since this was last asked.
    pub fn checkpoint(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let mut checkpoint = Checkpoint::default();
        for check in self.checks.values() {
            let up = match check.schedule.belief() {
                Belief::Assumed(_) => continue,
                Belief::Inherited(up) | Belief::Known(up) => up,
            };
            checkpoint.checks.insert(check.identity, Saved { up, weight: check.weight });
        }
        for service in self.virtual_servers.values() {
            let saved = Saved { up: service.quorum_met, weight: None };
            checkpoint.services.insert(identity(&service.plan.services), saved);
            for (key, id) in real_servers_of(service) {
                if let Some(server) = self.servers.get(&id) {
                    let saved = Saved { up: server.alive, weight: None };
                    checkpoint.servers.insert(identity(&(&service.plan.services, key)), saved);
                }
            }
        }
        Some(checkpoint.encode())
    }

    /// Takes over the verdicts of a predecessor, after the first [`Pool::reconfigure`] and before
    /// [`Pool::settle`]: nobody is told, nothing has turned. False where the bytes say nothing.
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        let Some(saved) = Checkpoint::decode(bytes) else { return false };
        for check in self.checks.values_mut() {
            if let Some(found) = saved.checks.get(&check.identity) {
                check.schedule.restore(Belief::Known(found.up));
                check.weight = found.weight;
            }
        }
        for (id, service) in &self.virtual_servers {
            for (key, server) in real_servers_of(service) {
                let found = saved.servers.get(&identity(&(&service.plan.services, key)));
                let (Some(found), Some(server)) = (found, self.servers.get_mut(&server)) else { continue };
                for link in &mut server.links {
                    let check = self.checks.get(&link.check);
                    if check.is_some_and(|check| !saved.checks.contains_key(&check.identity)) {
                        link.held = Some(found.up);
                    }
                }
            }
            self.dirty.insert(*id);
        }
        self.rejudge_quietly();
        for service in self.virtual_servers.values_mut() {
            if let Some(found) = saved.services.get(&identity(&service.plan.services)) {
                service.quorum_met = service.quorum(found.up);
            }
        }
        self.changed = true;
        true
    }

    /// Corrects the verdicts of a predecessor by the table it left in the kernel, which is the last word on
    /// who was in service: it may have been killed between a change there and its checkpoint. To be called
    /// after [`Pool::restore`] only: at a first start, a table left by others says nothing.
    /// `installed` lists the destinations of a service; none where there is nothing to learn from.
    pub fn adopt(
        &mut self,
        mut installed: impl FnMut(ServiceKey) -> Option<BTreeMap<DestinationKey, Destination>>,
    ) {
        for service in self.virtual_servers.values_mut() {
            let Some(first) = service.plan.services.first() else { continue };
            let Some(destinations) = installed(*first) else { continue };
            let sorry = service.plan.sorry.as_ref().map(|sorry| sorry.key(*first));
            let sorry = sorry.filter(|sorry| real_servers_of(service).all(|(key, _)| key != *sorry));
            if let Some(sorry) = sorry {
                service.quorum_met = !destinations.contains_key(&sorry);
                if !service.quorum_met {
                    // The servers were out whether alive or not.
                    continue;
                }
            }
            for (key, id) in real_servers_of(service) {
                let Some(server) = self.servers.get(&id).filter(|server| server.weight > 0) else { continue };
                let serving = destinations.get(&key).is_some_and(|found| found.weight > 0);
                if serving == server.alive {
                    continue;
                }
                for link in &server.links {
                    if let Some(check) = self.checks.get_mut(&link.check) {
                        check.schedule.restore(Belief::Inherited(serving));
                    }
                }
            }
        }
        self.rejudge_quietly();
        for service in self.virtual_servers.values_mut() {
            service.quorum_met = service.quorum(service.quorum_met);
        }
        self.changed = true;
    }

    fn rejudge_quietly(&mut self) {
        let ids: Vec<_> = self.virtual_servers.keys().copied().collect();
        for id in ids {
            let Some(service) = self.virtual_servers.get(&id) else { continue };
            for server_id in &service.servers {
                let Some(server) = self.servers.get_mut(server_id) else { continue };
                let Some(planned) = service.plan.real_servers.get(server.place) else { continue };
                let judged = super::reconfigure::judge(&self.checks, &server.links, planned.weight);
                (server.alive, server.weight) = judged;
            }
            self.sum(id);
        }
    }
}
