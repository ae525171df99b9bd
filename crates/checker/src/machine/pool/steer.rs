//! Operators' orders: who is meant by a name, what an order changes, and how it ends.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use common::ipvs::{DestinationKey, ServiceKey};
use common::steer::{Origin, nearest};

use super::{Alarm, Pool, RealServer, real_servers_of, reconfigure};
use crate::machine::steer::{Order, Standing, Turned};
use crate::machine::weight::Ramp;
use crate::machine::{Action, Actions, RealServerId, Subject, Turn};
use crate::plan;

/// A server that an operator speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// The first service of its virtual server.
    pub service: ServiceKey,
    /// Its place there.
    pub server: DestinationKey,
    /// Whether it works.
    pub alive: bool,
    /// Its weight by the configuration.
    pub configured: u32,
    /// Its weight now.
    pub effective: u32,
    /// Whether its virtual server has its quorum.
    pub quorum_met: bool,
    /// Whether the sorry server serves.
    pub sorry_active: bool,
    /// What is in force for it.
    pub standing: Vec<Standing>,
}

impl Pool {
    /// The servers that a text means: `ADDRESS:PORT` in every virtual server that has it, `ADDRESS` where that is only
    /// one port, `ADDRESS:*` whatever the port; behind `VIRTUAL/`, of that virtual server only.
    ///
    /// # Errors
    /// Nobody is meant, or it is not clear who; with the names there are.
    pub fn find(&self, text: &str) -> Result<Vec<RealServerId>, String> {
        let (of, name) = match text.rsplit_once('/') {
            Some((of, name)) => (Some(of), name),
            None => (None, text),
        };
        let services: Vec<_> = self.order.iter().filter_map(|id| self.virtual_servers.get(id)).collect();
        let meant: Vec<_> = match of {
            Some(of) => services
                .iter()
                .copied()
                .filter(|service| service.plan.services.iter().any(|key| is_meant(*key, of)))
                .collect(),
            None => services.clone(),
        };
        if let (true, Some(of)) = (meant.is_empty(), of) {
            let names = services.iter().filter_map(|service| service.plan.services.first());
            return Err(format!(
                "no virtual server \"{of}\": {}",
                nearest(of, names.map(ToString::to_string))
            ));
        }
        let (address, port) = match parsed(name) {
            Some(parsed) => parsed,
            None => (None, Port::Only),
        };
        let mut found = Vec::new();
        let mut ports = BTreeSet::new();
        for (key, id) in meant.iter().flat_map(|service| real_servers_of(service)) {
            if Some(key.address) == address && !matches!(port, Port::Is(port) if port != key.port) {
                found.push(id);
                ports.insert(key);
            }
        }
        let within = of.map(|of| format!(" in {of}")).unwrap_or_default();
        if found.is_empty() {
            let names = meant.iter().flat_map(|service| real_servers_of(service));
            return Err(format!(
                "no real server \"{name}\"{within}: {}",
                nearest(name, names.map(|(key, _)| key.to_string()))
            ));
        }
        if port == Port::Only && ports.len() > 1 {
            let names: Vec<String> = ports.iter().map(ToString::to_string).collect();
            let all = if name.contains(':') { format!("[{name}]:*") } else { format!("{name}:*") };
            return Err(format!(
                "\"{name}\" may be any of {}{within}: name one of them, or all of them as {all}",
                names.join(", ")
            ));
        }
        Ok(found)
    }

    /// Everybody for whom something is in force.
    pub fn steered(&self) -> Vec<RealServerId> {
        self.servers.iter().filter(|(_, server)| server.steering.is_some()).map(|(id, _)| *id).collect()
    }

    /// What there is to say of a server to who gives it orders.
    pub fn describe(&self, id: RealServerId) -> Option<Steered> {
        let server = self.servers.get(&id)?;
        let service = self.virtual_servers.get(&server.service)?;
        let planned = service.plan.member(server.place)?;
        let first = *service.plan.services.first()?;
        Some(Steered {
            service: first,
            server: planned.key(first),
            alive: server.alive,
            configured: planned.weight,
            effective: if service.serves(server) { server.share().served() } else { 0 },
            quorum_met: service.quorum_met,
            sorry_active: service.sorry_active(),
            standing: server.standing(),
        })
    }

    /// An operator's order for some servers.
    pub(super) fn steer(
        &mut self,
        servers: &[RealServerId],
        order: Order,
        until: Option<Instant>,
        origin: &Origin,
        now: Instant,
        out: &mut Actions,
    ) {
        for id in servers {
            let reason = format!("{} ordered {origin}", order.word());
            self.resteer(*id, &reason, now, out, |server| {
                let mut steering = server.steering.take().unwrap_or_default();
                let turned = steering.take(order, until, origin);
                server.steering = Some(steering).filter(|steering| !steering.is_empty());
                turned
            });
            let deadline = self.servers.get(id).and_then(|server| server.steering.as_ref()?.deadline());
            self.alarms.retain(|(_, alarm)| *alarm != Alarm::Steered(*id));
            self.alarms.extend(deadline.map(|at| (at, Alarm::Steered(*id))));
        }
    }

    /// The time of an order may be over.
    pub(super) fn unsteer(&mut self, id: RealServerId, now: Instant, out: &mut Actions) {
        self.resteer(id, "an operator's order is over", now, out, |server| {
            let Some(mut steering) = server.steering.take() else { return Vec::new() };
            let turned = steering.expire(now);
            server.steering = Some(steering).filter(|steering| !steering.is_empty());
            turned
        });
        let deadline = self.servers.get(&id).and_then(|server| server.steering.as_ref()?.deadline());
        self.alarms.extend(deadline.map(|at| (at, Alarm::Steered(id))));
    }

    /// Changes what is in force for a server, and all that follows from it.
    fn resteer(
        &mut self,
        id: RealServerId,
        reason: &str,
        now: Instant,
        out: &mut Actions,
        change: impl FnOnce(&mut RealServer) -> Vec<Turned>,
    ) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let service_id = server.service;
        let Some(service) = self.virtual_servers.get(&service_id) else { return };
        let (Some(planned), Some(first)) = (service.plan.member(server.place), service.plan.services.first())
        else {
            return;
        };
        let was_away = server.away();
        let turned = change(server);
        if turned.is_empty() {
            return;
        }
        let key = planned.key(*first);
        out.extend(turned.into_iter().map(|turned| Action::Steered(*first, key, Box::new(turned))));
        self.changed = true;
        self.dirty.insert(service_id);
        let (alive, weight) =
            reconfigure::judge(&self.checks, &server.links, planned, server.steering.as_deref());
        let was_alive = server.alive;
        server.weight = weight;
        if alive != was_alive {
            server.turn(alive, self.beat.moment(now));
            server.fresh &= !alive;
        }
        if server.away() {
            server.set_ramp(None);
        } else if alive && (was_away || !was_alive) {
            // It was out for a while, whatever for: it comes back as after a recovery.
            server.set_ramp(Ramp::at(now, planned.terms.slow_start, now));
            let next = server.ramp().map(|ramp| (ramp.next(planned.terms.slow_start), Alarm::Ramp(id)));
            self.alarms.extend(next);
        }
        if alive != was_alive {
            let turn = if alive { Turn::Up } else { Turn::Down };
            let subject = Subject::Server(service_id, id);
            out.push(Action::Changed(subject, turn, reason.to_owned().into()));
            if planned.terms.notify.command(turn).is_some() {
                self.notices.push(Action::Notify(subject, turn));
            }
        }
        self.sum(service_id);
        self.recount(service_id, now, out);
    }

    /// A server goes with its configuration: what is in force for it does, too.
    pub(super) fn forget_orders(&mut self, server: &RealServer, plan: &plan::VirtualServer) {
        let (Some(planned), Some(first)) = (plan.member(server.place), plan.services.first()) else { return };
        let key = planned.key(*first);
        let dropped = server.standing().into_iter().map(Turned::Dropped);
        self.notices.extend(dropped.map(|turned| Action::Steered(*first, key, Box::new(turned))));
    }

    /// Who is ordered what, by the servers' names in a checkpoint.
    pub(super) fn orders(&self) -> impl Iterator<Item = (u64, &Standing)> {
        self.servers.values().flat_map(|server| {
            let steering = server.steering.as_deref();
            let standing = steering.into_iter().flat_map(super::Steering::standing);
            standing.map(|standing| (server.identity, standing))
        })
    }

    /// An order of a predecessor is in force again.
    pub(super) fn resume_order(&mut self, id: RealServerId, standing: Standing) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        server.steering.get_or_insert_default().restore(standing);
        let deadline = server.steering.as_ref().and_then(|steering| steering.deadline());
        self.alarms.retain(|(_, alarm)| *alarm != Alarm::Steered(id));
        self.alarms.extend(deadline.map(|at| (at, Alarm::Steered(id))));
    }
}

/// Which ports of an address are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Is(u16),
    All,
    /// The one there is.
    Only,
}

fn parsed(name: &str) -> Option<(Option<IpAddr>, Port)> {
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if let Some(address) = bare(name) {
        return Some((Some(address), Port::Only));
    }
    if let Some(address) = name.strip_suffix(":*") {
        return Some((bare(address), Port::All));
    }
    let socket = name.parse::<SocketAddr>().ok()?;
    Some((Some(socket.ip()), Port::Is(socket.port())))
}

/// Whether a text means this service: `tcp 192.0.2.1:80`, `192.0.2.1:80/tcp`, `192.0.2.1:80`, `192.0.2.1`,
/// `fwmark 10`, `fwmark:10`.
fn is_meant(key: ServiceKey, text: &str) -> bool {
    match key {
        ServiceKey::Address { transport, address, port } => {
            let transport = transport.to_string();
            let rest = match text.rsplit_once('/') {
                Some((rest, wanted)) if wanted == transport => rest,
                Some(_) => return false,
                None => text.strip_prefix(&format!("{transport} ")).unwrap_or(text),
            };
            match parsed(rest) {
                Some((wanted, Port::Is(number))) => wanted == Some(address) && number == port,
                Some((wanted, Port::Only | Port::All)) => wanted == Some(address),
                None => false,
            }
        }
        ServiceKey::Mark { mark, .. } => {
            let number = text.strip_prefix("fwmark").map(|rest| rest.trim_start_matches([':', ' ']));
            key.to_string() == text || number == Some(mark.to_string().as_str())
        }
    }
}
