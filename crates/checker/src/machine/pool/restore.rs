//! Out of the pool into a checkpoint, and back into the pool of the next incarnation.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::ipvs::{Destination, DestinationKey, ServiceKey};

use super::{Alarm, Pool, real_servers_of};
use crate::machine::checkpoint::{Checkpoint, Saved, SavedLeaving, SavedOrder, Writer, identity};
use crate::machine::leaving::Leaving;
use crate::machine::schedule::{Belief, Initial};
use crate::machine::steer::{Order, Standing};
use crate::machine::weight::Ramp;
use crate::machine::{RealServerId, VirtualServerId};

/// What the sorry server is called beside the keys of the others.
const SORRY: &str = "sorry server";

impl Pool {
    /// Every verdict, if one has changed since this was last asked.
    pub fn checkpoint(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        // Written whenever a verdict changes: straight into its bytes.
        let mut writer = Writer::new(self.checks.len() + self.servers.len() + self.virtual_servers.len());
        writer.part(self.checks.values().filter_map(|check| {
            let initial = check.plan.settings.timing.initial == Initial::Up;
            let (up, early) = match check.schedule.belief() {
                Belief::Assumed(up) if up == initial && check.weight().is_none() => return None,
                Belief::Assumed(up) => (up, true),
                Belief::Inherited(up) | Belief::Known(up) => (up, false),
            };
            Some((check.identity, Saved { up, weight: check.weight(), early, ramp: None }))
        }));
        writer.part(self.virtual_servers.values().flat_map(|service| {
            service.servers.iter().filter_map(|id| {
                let server = self.servers.get(id)?;
                let ramp = server.ramp().map(|ramp| self.saved(ramp.since));
                // What an operator has ordered is saved by itself.
                let planned = service.plan.member(server.place)?;
                let up = match server.ordered(Order::Force) {
                    true => super::reconfigure::judge(&self.checks, &server.links, planned, None).0,
                    false => server.alive,
                };
                let saved = Saved { up, weight: None, early: server.fresh, ramp };
                Some((server.identity, saved))
            })
        }));
        writer.part(
            self.virtual_servers
                .values()
                .map(|service| (service.identity, Saved { up: service.quorum_met, ..Saved::default() })),
        );
        let leaving = self.virtual_servers.values().flat_map(|service| {
            service.leaving.values().map(|leaving| SavedLeaving {
                service: service.identity,
                address: leaving.address,
                port: leaving.port,
                forward: leaving.forward,
                upper_threshold: leaving.upper_threshold,
                lower_threshold: leaving.lower_threshold,
                until: self.saved(leaving.until),
            })
        });
        writer.leaving(leaving);
        let orders = self.orders().map(|(server, standing)| SavedOrder {
            server,
            order: standing.order,
            until: standing.until.map(|until| self.saved(until)),
            origin: standing.origin.clone(),
        });
        Some(writer.finish(orders))
    }

    /// A moment as a successor understands it: in nanoseconds since boot.
    fn saved(&self, at: Instant) -> u64 {
        let (epoch, uptime) = self.epoch;
        let uptime = match at.checked_duration_since(epoch) {
            Some(after) => uptime.saturating_add(after),
            None => uptime.saturating_sub(epoch.saturating_duration_since(at)),
        };
        u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The other way round. What does not fit this machine's clock is taken for now.
    fn loaded(&self, saved: u64, now: Instant) -> Instant {
        let (epoch, uptime) = self.epoch;
        let saved = Duration::from_nanos(saved);
        let at = match saved.checked_sub(uptime) {
            Some(after) => epoch.checked_add(after),
            None => epoch.checked_sub(uptime.saturating_sub(saved)),
        };
        at.unwrap_or(now)
    }

    /// Takes over the verdicts of a predecessor, after the first [`Pool::reconfigure`] and before
    /// [`Pool::settle`]: nobody is told, nothing has turned. False where the bytes say nothing.
    pub fn restore(&mut self, bytes: &[u8], now: Instant) -> bool {
        let Some(saved) = Checkpoint::decode(bytes) else { return false };
        for check in self.checks.values_mut() {
            if let Some(found) = saved.checks.get(&check.identity) {
                let belief = if found.early { Belief::Assumed(found.up) } else { Belief::Known(found.up) };
                check.schedule.restore(belief);
                check.set_weight(found.weight);
            }
        }
        for (id, service) in self.virtual_servers.iter() {
            for server in &service.servers {
                let Some(server) = self.servers.get_mut(server) else { continue };
                let Some(found) = saved.servers.get(&server.identity) else { continue };
                server.fresh = found.early;
                for link in server.links.iter_mut() {
                    let check = self.checks.get(&link.check);
                    if check.is_some_and(|check| !saved.checks.contains_key(&check.identity)) {
                        link.held = Some(found.up);
                    }
                }
            }
            self.dirty.insert(*id);
        }
        self.restore_orders(&saved.orders, now);
        self.restore_leaving(&saved.leaving, now);
        self.restore_quorums(&saved);
        self.restore_ramps(&saved, now);
        self.changed = true;
        true
    }

    fn restore_quorums(&mut self, saved: &Checkpoint) {
        self.rejudge_quietly();
        // A predecessor has told how the quorums began; but for those that came with a reload it did not get to.
        self.notices.clear();
        let mut new = Vec::new();
        for (id, service) in self.virtual_servers.iter_mut() {
            let found = saved.services.get(&service.identity);
            if found.is_none() {
                new.push(*id);
            }
            if let Some(found) = found {
                // Who of the backups is called depends on what the quorum was, and the quorum on who is called.
                service.quorum_met = found.up;
                service.call_backups(&mut self.servers);
            }
            service.quorum_met = service.quorum(service.quorum_met);
            service.call_backups(&mut self.servers);
        }
        for id in new {
            self.introduce(id);
        }
    }

    fn restore_leaving(&mut self, saved: &[SavedLeaving], now: Instant) {
        for found in saved {
            let until = self.loaded(found.until, now);
            let service =
                self.virtual_servers.iter_mut().find(|(_, service)| service.identity == found.service);
            let Some((id, service)) = service else { continue };
            let Some(first) = service.plan.services.first() else { continue };
            let leaving = Leaving {
                address: found.address,
                port: found.port,
                forward: found.forward,
                upper_threshold: found.upper_threshold,
                lower_threshold: found.lower_threshold,
                until,
            };
            let id = *id;
            service.leaving.insert(leaving.key(*first), leaving);
            self.watch(id, now);
        }
    }

    fn restore_orders(&mut self, saved: &[SavedOrder], now: Instant) {
        if saved.is_empty() {
            return;
        }
        let places: BTreeMap<u64, RealServerId> =
            self.servers.iter().map(|(id, server)| (server.identity, *id)).collect();
        for found in saved {
            let Some(id) = places.get(&found.server) else { continue };
            let until = found.until.map(|until| self.loaded(until, now));
            self.resume_order(*id, Standing { order: found.order, until, origin: found.origin.clone() });
        }
    }

    fn restore_ramps(&mut self, saved: &Checkpoint, now: Instant) {
        let mut found = Vec::new();
        for service in self.virtual_servers.values() {
            for (place, id) in service.servers.iter().enumerate() {
                let server = self.servers.get(id);
                let ramp = server.and_then(|server| saved.servers.get(&server.identity)?.ramp);
                let planned = service.plan.member(place);
                found.extend(ramp.zip(planned).map(|(ramp, planned)| (*id, ramp, planned.terms.slow_start)));
            }
        }
        for (id, since, length) in found {
            let ramp = Ramp::at(self.loaded(since, now), length, now);
            if let Some(server) = self.servers.get_mut(&id).filter(|server| server.alive) {
                server.set_ramp(ramp);
                self.alarms.extend(ramp.map(|ramp| (ramp.next(length), Alarm::Ramp(id))));
            }
        }
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
            let serving = |key: &DestinationKey| destinations.get(key).is_some_and(|found| found.weight > 0);
            let sorry = service.plan.sorry.as_ref().map(|sorry| sorry.key(*first));
            let sorry = sorry.filter(|sorry| real_servers_of(service).all(|(key, _)| key != *sorry));
            if let Some(sorry) = sorry {
                if serving(&sorry) {
                    service.quorum_met = false;
                    // The servers were out whether alive or not.
                    continue;
                }
                // A sorry server that is down itself stays out without a quorum, too.
                service.quorum_met |= service.sorry_up;
            }
            for ((key, id), planned) in real_servers_of(service).zip(&service.plan.real_servers) {
                // Of one that an operator steers the table says what was ordered.
                let server = self.servers.get_mut(&id);
                let server = server.filter(|server| server.weight > 0 && server.steering.is_none());
                let Some(server) = server else { continue };
                let serving = serving(&key);
                // A backup that does not serve is no less alive.
                if serving == server.alive || (planned.terms.backup && !serving) {
                    continue;
                }
                for link in server.links.iter_mut() {
                    let Some(check) = self.checks.get_mut(&link.check) else { continue };
                    if serving {
                        link.held = None;
                        check.schedule.restore(Belief::Inherited(true));
                    } else {
                        // It may only be new here: what other services that share its checks believe is theirs.
                        link.held = Some(false);
                        // Its next outcome has to be told to this server, too, even if it is what was known.
                        if let Belief::Known(up) = check.schedule.belief() {
                            check.schedule.restore(Belief::Inherited(up));
                        }
                    }
                }
            }
        }
        self.rejudge_quietly();
        for service in self.virtual_servers.values_mut() {
            service.quorum_met = service.quorum(service.quorum_met);
            service.call_backups(&mut self.servers);
        }
        self.changed = true;
    }

    fn rejudge_quietly(&mut self) {
        let ids: Vec<_> = self.virtual_servers.keys().copied().collect();
        for id in ids {
            let Some(service) = self.virtual_servers.get(&id) else { continue };
            for (planned, server_id) in service.plan.members().zip(&service.servers) {
                let Some(server) = self.servers.get_mut(server_id) else { continue };
                let judged = super::reconfigure::judge(
                    &self.checks,
                    &server.links,
                    planned,
                    server.steering.as_deref(),
                );
                (server.alive, server.weight) = judged;
                if server.alive {
                    server.fresh = false;
                } else {
                    server.set_ramp(None);
                }
            }
            self.sum(id);
        }
    }
}

impl Pool {
    /// Works out what a virtual server and its members are called in a checkpoint: once, as one is written with every
    /// verdict that changes.
    pub(super) fn call(&mut self, id: VirtualServerId) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        service.identity = identity(&service.plan.services);
        for (place, server) in service.servers.iter().enumerate() {
            if let (Some(server), Some(name)) = (self.servers.get_mut(server), member(&service.plan, place)) {
                server.identity = name;
            }
        }
    }
}

fn member(plan: &crate::plan::VirtualServer, place: usize) -> Option<u64> {
    let first = plan.services.first()?;
    match plan.real_servers.get(place) {
        Some(planned) => Some(identity(&(&plan.services, planned.key(*first)))),
        None => plan.sorry.as_ref().map(|sorry| identity(&(&plan.services, SORRY, sorry.key(*first)))),
    }
}
