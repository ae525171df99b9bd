//! The whole set: checks, real servers, virtual servers, and the IPVS table they amount to.
//!
//! An outcome touches its check, the servers that asked for that check, their virtual servers, and nothing
//! else; [`Pool::settle`] then recomputes the services of those. Deadlines stand in one ordered set. Start
//! and reload are one operation, [`Pool::reconfigure`]: a start is a reload from nothing.

mod certificate;
mod check;
mod farewell;
mod leave;
mod reconfigure;
mod restore;
mod steer;
mod suspend;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::ipvs::{DestinationKey, ServiceKey, Table};

use super::real_server::{Link, RealServer};
use super::roster::Roster;
use super::schedule::{Beat, Due, Meaning, Moment, Spread};
use super::steer::Steering;
use super::virtual_server::VirtualServer;
use super::weight::Ramp;
use super::{Action, Actions, CheckId, Event, RealServerId, Subject, Turn, VirtualServerId};
use crate::checks::{Verdict, Words};
use crate::plan;
use check::{Check, Last};
use farewell::Departed;
pub use steer::Steered;
pub use view::{CheckView, LeavingView, RealServerView, VirtualServerView};

/// What is due besides attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    /// The next step of a server's way back to its whole weight.
    Ramp(RealServerId),
    /// A look at the connections of those that leave.
    Leaving(VirtualServerId),
    /// The end of an operator's order.
    Steered(RealServerId),
}

/// The set.
#[derive(Debug)]
pub struct Pool {
    beat: Beat,
    /// The same moment by this process's clock and by the one that outlives it.
    epoch: (Instant, Duration),
    spread: Spread,
    last_id: u32,
    checks: Roster<CheckId, Check>,
    /// The same by a part of what identifies them, which some have in common.
    by_identity: BTreeSet<(u32, CheckId)>,
    virtual_servers: Roster<VirtualServerId, VirtualServer>,
    /// In the order of the plan.
    order: Vec<VirtualServerId>,
    servers: Roster<RealServerId, RealServer>,
    deadlines: BTreeSet<(Moment, CheckId)>,
    alarms: BTreeSet<(Instant, Alarm)>,
    /// The addresses that this machine holds, of those that are watched.
    held: BTreeSet<IpAddr>,
    /// Virtual servers whose entries may have changed.
    dirty: BTreeSet<VirtualServerId>,
    /// Services that are gone from the plan.
    gone: BTreeSet<ServiceKey>,
    /// What is to be run once the kernel has been told.
    notices: Actions,
    /// What is still to be said of those that the last reload removed.
    departed: BTreeMap<Subject, Departed>,
    wanted: Table,
    /// Whether what a checkpoint holds has changed since it was last taken.
    changed: bool,
    attempts: u64,
}

impl Pool {
    /// An empty set. `seed` tells apart the first attempts of machines that start together; `uptime` is `now` since
    /// the machine's boot.
    pub fn new(seed: u64, now: Instant, uptime: Duration) -> Self {
        Self {
            beat: Beat::new(now),
            epoch: (now, uptime),
            spread: Spread::new(seed),
            last_id: 0,
            checks: Roster::new(),
            by_identity: BTreeSet::new(),
            virtual_servers: Roster::new(),
            order: Vec::new(),
            servers: Roster::new(),
            deadlines: BTreeSet::new(),
            alarms: BTreeSet::new(),
            held: BTreeSet::new(),
            dirty: BTreeSet::new(),
            gone: BTreeSet::new(),
            notices: Vec::new(),
            departed: BTreeMap::new(),
            wanted: Table::default(),
            changed: true,
            attempts: 0,
        }
    }

    /// The table the kernel should have, as of the last [`Pool::settle`].
    pub fn wanted(&self) -> &Table {
        &self.wanted
    }

    /// How many checks there are.
    pub fn checks(&self) -> usize {
        self.checks.len()
    }

    /// How many attempts have ended.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Where an attempt connects to and how.
    pub fn check(&self, check: CheckId) -> Option<&plan::Check> {
        self.checks.get(&check).map(|check| &check.plan)
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let attempt = self.deadlines.first().map(|(at, _)| self.beat.instant(*at));
        let alarm = self.alarms.first().map(|(at, _)| *at);
        attempt.into_iter().chain(alarm).min()
    }

    /// Whether [`Pool::settle`] has something to do.
    pub fn unsettled(&self) -> bool {
        !self.dirty.is_empty() || !self.gone.is_empty() || !self.notices.is_empty()
    }

    /// Acts on everything that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Actions) {
        let moment = self.beat.moment(now);
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= moment) {
            self.deadlines.remove(&(at, id));
            let Some(check) = self.checks.get_mut(&id) else { continue };
            match check.schedule.due(&check.plan.settings.timing, now, self.beat) {
                Some(Due::Start) => out.push(Action::Start(id)),
                Some(Due::Expire) => out.push(Action::Expire(id)),
                None => {}
            }
            if let Some(at) = check.schedule.deadline() {
                self.deadlines.insert((at, id));
            }
        }
        while let Some((at, alarm)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, alarm));
            match alarm {
                Alarm::Ramp(server) => self.grow(server, now),
                Alarm::Leaving(service) => self.look_after(service, now, out),
                Alarm::Steered(server) => self.unsteer(server, now, out),
            }
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, event: Event, now: Instant, out: &mut Actions) {
        match event {
            Event::Finished { check, verdict, took } => self.finished(check, verdict, took, now, out),
            Event::Certificate { check, left, short } => self.certificate(check, left, short, now, out),
            Event::Counted { service, busy } => self.counted(service, &busy, out),
            Event::Holds(held) => self.holds(held, now, out),
            Event::Steer { servers, order, until, origin } => {
                self.steer(&servers, order, until, &origin, now, out);
            }
        }
    }

    fn finished(&mut self, id: CheckId, verdict: Verdict, took: Duration, now: Instant, out: &mut Actions) {
        let Some(check) = self.checks.get_mut(&id).filter(|check| check.schedule.running()) else { return };
        self.attempts += 1;
        check.attempts += 1;
        if let Some(at) = check.schedule.deadline() {
            self.deadlines.remove(&(at, id));
        }
        let before = check.schedule.belief().up();
        let meaning = check.schedule.finished(&check.plan.settings.timing, &verdict, now, self.beat);
        if let Some(at) = check.schedule.deadline() {
            self.deadlines.insert((at, id));
        }
        let up = check.schedule.belief().up();
        if up != before {
            check.since = self.beat.moment(now);
        }
        let weight_before = check.weight();
        match &verdict {
            Verdict::Pass { weight, .. } => check.set_weight(*weight),
            Verdict::Fail(words) => {
                check.failures = check.failures.saturating_add(1);
                if check.plan.settings.log_all_failures || (up && meaning == Meaning::Same) {
                    out.push(Action::Failed(id, words.clone()));
                }
            }
            Verdict::Unknown(words) => {
                check.local_errors = check.local_errors.saturating_add(1);
                out.push(Action::Local(id, words.clone()));
            }
        }
        let weight_changed = check.weight() != weight_before;
        let words = match verdict {
            Verdict::Unknown(words) => Words::Owned(format!("not checked: {words}")),
            Verdict::Pass { words, .. } | Verdict::Fail(words) => words,
        };
        if meaning == Meaning::Same && !weight_changed {
            check.last = Some(Last::new(words, took));
            return;
        }
        let reason = format!("{} check: {words}", check.plan.settings.kind.name());
        check.last = Some(Last::new(words, took));
        self.changed = true;
        for server in check.subscribers.clone().iter().copied() {
            if meaning == Meaning::First
                && let Some(link) = self
                    .servers
                    .get_mut(&server)
                    .and_then(|server| server.links.iter_mut().find(|link| link.check == id))
            {
                link.held = None;
            }
            self.rejudge(server, &reason, now, out);
        }
    }

    /// Works out a server's life and weight anew, and its virtual server's quorum.
    fn rejudge(&mut self, id: RealServerId, reason: &str, now: Instant, out: &mut Actions) {
        let Some(server) = self.servers.get(&id) else { return };
        let service_id = server.service;
        let Some(service) = self.virtual_servers.get_mut(&service_id) else { return };
        let Some(planned) = service.plan.member(server.place) else { return };
        let (alive, weight) =
            reconfigure::judge(&self.checks, &server.links, planned, server.steering.as_deref());
        let Some(server) = self.servers.get_mut(&id) else { return };
        if server.alive == alive && server.weight == weight {
            return;
        }
        self.changed = true;
        self.dirty.insert(service_id);
        let primary = !planned.terms.backup && server.place < service.plan.real_servers.len();
        if primary {
            service.alive = service.alive.saturating_sub(u64::from(server.share().counted()));
            service.total = service.total.saturating_sub(u64::from(server.weight));
        }
        server.weight = weight;
        let turned = server.alive != alive;
        if turned {
            server.turn(alive, self.beat.moment(now));
            // A first start is no recovery.
            if alive && !std::mem::take(&mut server.fresh) {
                server.set_ramp(Ramp::at(now, planned.terms.slow_start, now));
                let next = server.ramp().map(|ramp| (ramp.next(planned.terms.slow_start), Alarm::Ramp(id)));
                self.alarms.extend(next);
            }
        }
        if primary {
            service.alive += u64::from(server.share().counted());
            service.total += u64::from(server.weight);
        } else if server.place >= service.plan.real_servers.len() {
            service.sorry_up = server.alive;
        }
        if turned {
            let turn = if alive { Turn::Up } else { Turn::Down };
            let subject = Subject::Server(service_id, id);
            out.push(Action::Changed(subject, turn, reason.to_owned().into()));
            if planned.terms.notify.command(turn).is_some() {
                self.notices.push(Action::Notify(subject, turn));
            }
        }
        self.recount(service_id, now, out);
    }

    /// The next step of a server's way back to its whole weight.
    fn grow(&mut self, id: RealServerId, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let Some(ramp) = server.ramp() else { return };
        let service = self.virtual_servers.get(&server.service);
        let Some(planned) = service.and_then(|service| service.plan.member(server.place)) else { return };
        // An alarm from before a reload or an earlier recovery may come too soon.
        let next = Ramp::at(ramp.since, planned.terms.slow_start, now);
        if next != server.ramp() {
            server.set_ramp(next);
            self.dirty.insert(server.service);
            self.changed |= next.is_none();
        }
        self.alarms.extend(next.map(|ramp| (ramp.next(planned.terms.slow_start), Alarm::Ramp(id))));
    }

    /// Works out a virtual server's quorum anew, and who of its backups is called.
    fn recount(&mut self, id: VirtualServerId, now: Instant, out: &mut Actions) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        service.call_backups(&mut self.servers);
        let met = service.quorum(service.quorum_met);
        if met == service.quorum_met {
            return;
        }
        service.quorum_met = met;
        // A quorum that is lost takes more to win back.
        service.call_backups(&mut self.servers);
        service.since = now;
        self.changed = true;
        self.dirty.insert(id);
        let turn = if met { Turn::Up } else { Turn::Down };
        let (alive, total, quorum) = (service.counted(), service.total, service.plan.quorum);
        let words = format!("weight {alive} of {total} alive, quorum {quorum}");
        out.push(Action::Changed(Subject::Quorum(id), turn, words.into()));
        if service.plan.on_quorum.command(turn).is_some() {
            self.notices.push(Action::Notify(Subject::Quorum(id), turn));
        }
    }

    /// Brings the wanted table up to date; the kernel is to be told before anybody is notified. Called once
    /// after a batch of events.
    pub fn settle(&mut self, now: Instant, out: &mut Actions) {
        let gone = std::mem::take(&mut self.gone);
        for id in std::mem::take(&mut self.dirty) {
            self.stand_down(id, now, out);
            let Some(service) = self.virtual_servers.get(&id) else { continue };
            for key in &service.plan.services {
                let entry = service.entry(*key, &self.servers);
                if self.wanted.services.get(key) != Some(&entry) {
                    self.wanted.services.insert(*key, entry);
                    out.push(Action::Reconcile(*key));
                }
            }
        }
        for key in gone {
            if self.wanted.services.remove(&key).is_some() {
                out.push(Action::Reconcile(key));
            }
        }
        out.append(&mut self.notices);
    }

    /// The command for a turn, if the configuration has one.
    pub fn notify_command(&self, subject: Subject, turn: Turn) -> Option<&common::config::CommandLine> {
        let (Subject::Server(id, _) | Subject::Quorum(id)) = subject;
        let plan = self.virtual_servers.get(&id).map(|service| &service.plan);
        let notify = match subject {
            Subject::Server(_, server) => self
                .servers
                .get(&server)
                .and_then(|server| plan?.member(server.place))
                .map(|planned| &planned.terms.notify),
            Subject::Quorum(_) => plan.map(|plan| &plan.on_quorum),
        };
        match notify {
            Some(notify) => notify.command(turn),
            None => self.departed.get(&subject).map(|departed| &departed.command),
        }
    }

    /// Whether mail is sent about a subject, if the configuration says so for it.
    pub fn alert(&self, subject: Subject) -> Option<bool> {
        let (Subject::Server(id, _) | Subject::Quorum(id)) = subject;
        let plan = &self.virtual_servers.get(&id)?.plan;
        match subject {
            Subject::Server(_, server) => plan.member(self.servers.get(&server)?.place)?.terms.alert,
            Subject::Quorum(_) => plan.alert,
        }
    }

    /// What a subject is called: the first service of its virtual server, and the server's place there.
    pub fn names(&self, subject: Subject) -> Option<(ServiceKey, Option<DestinationKey>)> {
        let known = || {
            let (Subject::Server(id, _) | Subject::Quorum(id)) = subject;
            let service = self.virtual_servers.get(&id)?;
            let first = *service.plan.services.first()?;
            match subject {
                Subject::Server(_, server) => {
                    let planned = service.plan.member(self.servers.get(&server)?.place)?;
                    Some((first, Some(planned.key(first))))
                }
                Subject::Quorum(_) => Some((first, None)),
            }
        };
        known().or_else(|| self.departed.get(&subject).map(|departed| departed.names))
    }

    /// The services of a virtual server.
    pub fn services(&self, id: VirtualServerId) -> &[ServiceKey] {
        self.virtual_servers.get(&id).map_or(&[], |service| &service.plan.services)
    }

    /// The sorry server of a subject's virtual server.
    pub fn sorry(&self, subject: Subject) -> Option<DestinationKey> {
        let (Subject::Server(id, _) | Subject::Quorum(id)) = subject;
        let plan = &self.virtual_servers.get(&id)?.plan;
        Some(plan.sorry.as_ref()?.key(*plan.services.first()?))
    }

    fn fresh(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// What it is configured as now.
    pub fn plans(&self) -> Vec<Rc<plan::VirtualServer>> {
        let plan = |id| self.virtual_servers.get(id).map(|service| Rc::clone(&service.plan));
        self.order.iter().filter_map(plan).collect()
    }
}

/// The servers of a virtual server, with their places under its first service; not the sorry server.
fn real_servers_of(service: &VirtualServer) -> impl Iterator<Item = (DestinationKey, RealServerId)> {
    let first = service.plan.services.first();
    let keys = service.plan.real_servers.iter().filter_map(move |planned| Some(planned.key(*first?)));
    keys.zip(service.servers.iter().copied())
}

#[cfg(test)]
mod tests;
