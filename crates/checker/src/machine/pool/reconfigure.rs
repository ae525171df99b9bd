//! From one plan to the next. What is the same by the rules of [`crate::reload`] keeps its state: servers
//! their life, checks their outcomes, counters and timers; what is equal is not touched at all.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

use super::{Alarm, Check, Pool, check};
use crate::machine::few::Few;
use crate::machine::real_server::{Link, RealServer};
use crate::machine::roster::Roster;
use crate::machine::schedule::{Belief, Initial, Schedule};
use crate::machine::steer::Steering;
use crate::machine::virtual_server::VirtualServer;
use crate::machine::weight::{self, Ramp};
use crate::machine::{Action, Actions, CheckId, Order, RealServerId, Turn, VirtualServerId};
use crate::plan::{self, Notify, Plan};
use crate::reload;

/// Why a server that is kept may turn.
const REASON: &str = "its checks were changed by a reload";

impl Pool {
    /// Makes the set what the plan says. At the start that is everything.
    pub fn reconfigure(&mut self, plan: &Plan, now: Instant, out: &mut Actions) {
        self.departed.clear();
        let old = self.plans();
        let old_order = std::mem::take(&mut self.order);
        let matched = reload::virtual_servers(&old, &plan.virtual_servers);
        let kept: BTreeSet<usize> = matched.iter().flatten().copied().collect();
        // What goes, goes first; but a check that is still wanted elsewhere must not stop in between.
        let mut dropped = Vec::new();
        for (index, id) in old_order.iter().enumerate() {
            if !kept.contains(&index) {
                self.remove_virtual_server(*id, &mut dropped);
            }
        }
        for (server, from) in plan.virtual_servers.iter().zip(matched) {
            let from = from.and_then(|from| Some((*old_order.get(from)?, Rc::clone(old.get(from)?))));
            let id = match from {
                Some((id, before)) => {
                    if before != *server {
                        self.change_virtual_server(id, &before, server, now, &mut dropped, out);
                    }
                    id
                }
                None => self.add_virtual_server(server, now),
            };
            self.order.push(id);
        }
        for check in dropped {
            self.drop_unused(check, out);
        }
        let wanted: BTreeSet<_> =
            plan.virtual_servers.iter().flat_map(|server| server.services.iter().copied()).collect();
        self.gone.retain(|key| !wanted.contains(key));
        self.suspend_anew(now, out);
        self.checks.tidy();
        self.servers.tidy();
        self.virtual_servers.tidy();
        self.changed = true;
    }

    fn add_virtual_server(&mut self, plan: &Rc<plan::VirtualServer>, now: Instant) -> VirtualServerId {
        let id = VirtualServerId(self.fresh());
        let mut servers = Vec::with_capacity(plan.real_servers.len() + 1);
        for (place, planned) in plan.members().enumerate() {
            servers.push(self.add_server(id, place, planned, now));
        }
        let service = VirtualServer {
            plan: Rc::clone(plan),
            identity: 0,
            servers,
            alive: 0,
            total: 0,
            helping: 0,
            sorry_up: false,
            quorum_met: true,
            since: now,
            suspended: false,
            leaving: BTreeMap::new(),
        };
        self.virtual_servers.insert(id, service);
        self.call(id);
        self.sum(id);
        if let Some(service) = self.virtual_servers.get_mut(&id) {
            service.quorum_met = service.first_quorum();
            service.call_backups(&mut self.servers);
        }
        self.introduce(id);
        self.dirty.insert(id);
        id
    }

    /// Whoever acts on a quorum (an announced route, say) has to hear of one that begins. That there is none yet is no
    /// news: servers that have to show first that they work would make every start an alarm.
    pub(super) fn introduce(&mut self, id: VirtualServerId) {
        let Some(service) = self.virtual_servers.get(&id) else { return };
        if service.quorum_met && service.plan.on_quorum.command(Turn::Up).is_some() {
            self.notices.push(Action::Notify(crate::machine::Subject::Quorum(id), Turn::Up));
        }
    }

    fn remove_virtual_server(&mut self, id: VirtualServerId, dropped: &mut Vec<CheckId>) {
        let Some(service) = self.virtual_servers.remove(&id) else { return };
        for server in &service.servers {
            self.remove_server(*server, &service.plan, dropped);
        }
        self.closes(id, &service);
        self.gone.extend(service.plan.services.iter().copied());
        self.dirty.remove(&id);
    }

    fn change_virtual_server(
        &mut self,
        id: VirtualServerId,
        before: &plan::VirtualServer,
        plan: &Rc<plan::VirtualServer>,
        now: Instant,
        dropped: &mut Vec<CheckId>,
        out: &mut Actions,
    ) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        let old_servers = std::mem::take(&mut service.servers);
        service.plan = Rc::clone(plan);
        self.gone.extend(before.services.iter().filter(|key| !plan.services.contains(key)));
        let matched = reload::members(before, plan);
        let kept: BTreeSet<usize> = matched.iter().flatten().copied().collect();
        for (index, server) in old_servers.iter().enumerate() {
            if !kept.contains(&index) {
                let serving = self.remove_server(*server, before, dropped);
                if let Some(planned) = before.member(index) {
                    self.part(id, planned, serving, now, out);
                }
            }
        }
        let mut servers = Vec::with_capacity(plan.real_servers.len() + 1);
        let mut turned = Vec::new();
        for ((place, planned), from) in plan.members().enumerate().zip(matched) {
            let existing = from.and_then(|from| Some((*old_servers.get(from)?, before.member(from)?)));
            match existing {
                Some((server, old)) => {
                    turned.extend(self.change_server(server, place, old, planned, now, dropped));
                    servers.push(server);
                }
                None => servers.push(self.add_server(id, place, planned, now)),
            }
        }
        if let Some(service) = self.virtual_servers.get_mut(&id) {
            service.servers = servers;
        }
        self.call(id);
        self.sum(id);
        self.dirty.insert(id);
        for (server, turn) in turned {
            let subject = crate::machine::Subject::Server(id, server);
            out.push(Action::Changed(subject, turn, REASON.into()));
            if self.notify_command(subject, turn).is_some() {
                self.notices.push(Action::Notify(subject, turn));
            }
        }
        self.recount(id, now, out);
    }

    fn add_server(
        &mut self,
        service: VirtualServerId,
        place: usize,
        planned: &plan::RealServer,
        now: Instant,
    ) -> RealServerId {
        let id = RealServerId(self.fresh());
        let links: Few<Link> = planned
            .checks()
            .map(|check| Link { check: self.subscribe(check, id, None, now), held: None })
            .collect::<Vec<_>>()
            .into();
        let (alive, weight) = judge(&self.checks, &links, planned, None);
        let server = RealServer {
            service,
            identity: 0,
            place,
            links,
            alive,
            since: self.beat.moment(now),
            weight,
            fresh: !alive,
            ramp: None,
            standby: false,
            serving: false,
            steering: None,
        };
        self.servers.insert(id, server);
        id
    }

    /// Returns whether it served.
    fn remove_server(
        &mut self,
        id: RealServerId,
        plan: &plan::VirtualServer,
        dropped: &mut Vec<CheckId>,
    ) -> bool {
        let Some(server) = self.servers.remove(&id) else { return false };
        self.departs(server.service, id, &server, plan);
        self.forget_orders(&server, plan);
        for link in server.links.iter() {
            self.unsubscribe(link.check, id, dropped);
        }
        server.serving
    }

    /// Returns the turn the server takes, if it does.
    fn change_server(
        &mut self,
        id: RealServerId,
        place: usize,
        before: &plan::RealServer,
        planned: &plan::RealServer,
        now: Instant,
        dropped: &mut Vec<CheckId>,
    ) -> Option<(RealServerId, Turn)> {
        let server = self.servers.get_mut(&id)?;
        server.place = place;
        server.standby = false;
        let was_alive = server.alive;
        let mut links = std::mem::take(&mut server.links);
        if before.terms.checks != planned.terms.checks {
            links = self.relink(id, &links, planned, was_alive, now, dropped);
        }
        let server = self.servers.get_mut(&id)?;
        let (alive, weight) = judge(&self.checks, &links, planned, server.steering.as_deref());
        server.links = links;
        server.weight = weight;
        if let Some(ramp) = server.ramp() {
            // It goes on as if its time had always been this long.
            server.set_ramp(Ramp::at(ramp.since, planned.terms.slow_start, now));
            self.alarms
                .extend(server.ramp().map(|ramp| (ramp.next(planned.terms.slow_start), Alarm::Ramp(id))));
        }
        if alive == was_alive {
            return None;
        }
        server.turn(alive, self.beat.moment(now));
        server.fresh &= !alive;
        Some((id, if alive { Turn::Up } else { Turn::Down }))
    }

    fn relink(
        &mut self,
        id: RealServerId,
        old: &[Link],
        planned: &plan::RealServer,
        was_alive: bool,
        now: Instant,
        dropped: &mut Vec<CheckId>,
    ) -> Few<Link> {
        let mut links = Vec::with_capacity(planned.terms.checks.len());
        for plan in planned.checks() {
            let check = self.subscribe(plan, id, Some(was_alive), now);
            let held = match old.iter().find(|link| link.check == check) {
                Some(link) => link.held,
                None => match self.checks.get(&check).map(|check| check.schedule.belief()) {
                    Some(Belief::Known(_)) => None,
                    Some(Belief::Assumed(_) | Belief::Inherited(_)) | None => Some(was_alive),
                },
            };
            links.push(Link { check, held });
        }
        for link in old {
            if !links.iter().any(|new| new.check == link.check) {
                self.unsubscribe(link.check, id, dropped);
            }
        }
        links.into()
    }

    /// The check of this plan, made if there is none. `inherited` is the verdict on the server so far.
    fn subscribe(
        &mut self,
        plan: plan::Check,
        server: RealServerId,
        inherited: Option<bool>,
        now: Instant,
    ) -> CheckId {
        let identity = check::part(check::identity(&plan));
        let alike = self.by_identity.range((identity, CheckId(0))..=(identity, CheckId(u32::MAX)));
        for (_, id) in alike {
            if let Some(check) = self.checks.get_mut(id).filter(|check| check.plan == plan) {
                check.subscribers.insert(server);
                return *id;
            }
        }
        let id = CheckId(self.fresh());
        let timing = &plan.settings.timing;
        let belief = match inherited {
            Some(up) => Belief::Inherited(up),
            None => Belief::Assumed(timing.initial == Initial::Up),
        };
        let schedule = Schedule::new(now + self.spread.next(timing.warm_up), belief, self.beat);
        self.deadlines.extend(schedule.deadline().map(|at| (at, id)));
        self.by_identity.insert((identity, id));
        self.checks.insert(id, Check::new(plan, schedule, server, self.beat.moment(now)));
        id
    }

    fn unsubscribe(&mut self, id: CheckId, server: RealServerId, dropped: &mut Vec<CheckId>) {
        let Some(check) = self.checks.get_mut(&id) else { return };
        check.subscribers.remove(server);
        if check.subscribers.is_empty() {
            dropped.push(id);
        }
    }

    fn drop_unused(&mut self, id: CheckId, out: &mut Actions) {
        if !self.checks.get(&id).is_some_and(|check| check.subscribers.is_empty()) {
            return;
        }
        let Some(check) = self.checks.remove(&id) else { return };
        self.by_identity.remove(&(check::part(check.identity), id));
        if let Some(at) = check.schedule.deadline() {
            self.deadlines.remove(&(at, id));
        }
        if check.schedule.running() {
            out.push(Action::Cancel(id));
        }
    }

    /// Adds the weights of a virtual server up anew.
    pub(super) fn sum(&mut self, id: VirtualServerId) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        let states = || {
            let members = service.plan.members().zip(&service.servers);
            members.filter_map(|(planned, id)| Some((planned, self.servers.get(id)?)))
        };
        let primaries = || {
            let servers = states().take(service.plan.real_servers.len());
            servers.filter(|(planned, _)| !planned.terms.backup).map(|(_, server)| server)
        };
        service.alive = primaries().map(|server| u64::from(server.share().counted())).sum();
        service.total = primaries().map(|server| u64::from(server.weight)).sum();
        service.sorry_up =
            service.plan.sorry.is_some() && states().last().is_some_and(|(_, server)| server.alive);
        service.call_backups(&mut self.servers);
    }
}

/// Whether a server with these checks is alive, and its weight then: a check that fails has no say in it. An operator
/// has the last word.
pub(super) fn judge(
    checks: &Roster<CheckId, Check>,
    links: &[Link],
    planned: &plan::RealServer,
    steering: Option<&Steering>,
) -> (bool, u32) {
    let of = |link: &Link| checks.get(&link.check);
    let up = |link: &&Link| {
        link.held.or_else(|| of(link).map(|check| check.schedule.belief().up())).unwrap_or(true)
    };
    let forced = steering.is_some_and(|steering| steering.is(Order::Force));
    let alive = forced || planned.terms.needed.met(links.iter().filter(up).count(), links.len());
    if let Some(weight) = steering.and_then(Steering::weight) {
        return (alive, weight);
    }
    let wanted = links.iter().filter(up).map(|link| of(link).and_then(|check| check.weight()));
    (alive, weight::judged(planned.weight, wanted))
}

impl Notify {
    /// What is run for this turn.
    pub fn command(&self, turn: Turn) -> Option<&common::config::CommandLine> {
        match turn {
            Turn::Up => self.up.as_ref(),
            Turn::Down => self.down.as_ref(),
        }
    }
}
