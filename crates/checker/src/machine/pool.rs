//! The whole set: checks, real servers, virtual servers, and the IPVS table they amount to.
//!
//! An outcome touches its check, the servers that asked for that check, their virtual servers, and nothing
//! else; [`Pool::settle`] then recomputes the services of those. Deadlines stand in one ordered set. Start
//! and reload are one operation, [`Pool::reconfigure`]: a start is a reload from nothing.

mod reconfigure;
mod restore;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::ipvs::{DestinationKey, ServiceKey, Table};

use super::real_server::{Link, RealServer};
use super::schedule::{Beat, Due, Meaning, Schedule, Spread};
use super::virtual_server::VirtualServer;
use super::{Action, Actions, CheckId, Event, RealServerId, Subject, Turn, VirtualServerId};
use crate::checks::{Verdict, Weight, Words};
use crate::plan;
pub use view::{CheckView, RealServerView, VirtualServerView};

/// A check and who asked for it.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) plan: plan::Check,
    pub(super) schedule: Schedule,
    pub(super) subscribers: BTreeSet<RealServerId>,
    /// What its last pass made of the weight.
    pub(super) weight: Option<Weight>,
    pub(super) identity: u64,
    last: Option<Last>,
    since: Instant,
    attempts: u64,
    failures: u64,
    local_errors: u64,
}

/// The last outcome.
#[derive(Clone, Debug)]
struct Last {
    words: Words,
    took: Duration,
}

/// The set.
#[derive(Debug)]
pub struct Pool {
    beat: Beat,
    spread: Spread,
    last_id: u32,
    checks: BTreeMap<CheckId, Check>,
    by_plan: BTreeMap<plan::Check, CheckId>,
    virtual_servers: BTreeMap<VirtualServerId, VirtualServer>,
    /// In the order of the plan.
    order: Vec<VirtualServerId>,
    servers: BTreeMap<RealServerId, RealServer>,
    deadlines: BTreeSet<(Instant, CheckId)>,
    /// Virtual servers whose entries may have changed.
    dirty: BTreeSet<VirtualServerId>,
    /// Services that are gone from the plan.
    gone: BTreeSet<ServiceKey>,
    /// What is to be run once the kernel has been told.
    notices: Actions,
    wanted: Table,
    /// Whether what a checkpoint holds has changed since it was last taken.
    changed: bool,
    attempts: u64,
}

impl Pool {
    /// An empty set. `seed` tells apart the first attempts of machines that start together.
    pub fn new(seed: u64, now: Instant) -> Self {
        Self {
            beat: Beat::new(now),
            spread: Spread::new(seed),
            last_id: 0,
            checks: BTreeMap::new(),
            by_plan: BTreeMap::new(),
            virtual_servers: BTreeMap::new(),
            order: Vec::new(),
            servers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            dirty: BTreeSet::new(),
            gone: BTreeSet::new(),
            notices: Vec::new(),
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
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether [`Pool::settle`] has something to do.
    pub fn unsettled(&self) -> bool {
        !self.dirty.is_empty() || !self.gone.is_empty() || !self.notices.is_empty()
    }

    /// Acts on everything that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Actions) {
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
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
    }

    /// Takes what happened.
    pub fn handle(&mut self, event: Event, now: Instant, out: &mut Actions) {
        match event {
            Event::Finished { check, verdict, took } => self.finished(check, verdict, took, now, out),
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
            check.since = now;
        }
        let weight_before = check.weight;
        match &verdict {
            Verdict::Pass { weight, .. } => check.weight = *weight,
            Verdict::Fail(words) => {
                check.failures += 1;
                if check.plan.settings.log_all_failures || (up && meaning == Meaning::Same) {
                    out.push(Action::Failed(id, words.clone()));
                }
            }
            Verdict::Unknown(words) => {
                check.local_errors += 1;
                out.push(Action::Local(id, words.clone()));
            }
        }
        let weight_changed = check.weight != weight_before;
        let words = match verdict {
            Verdict::Unknown(words) => Words::Owned(format!("not checked: {words}")),
            Verdict::Pass { words, .. } | Verdict::Fail(words) => words,
        };
        let reason = format!("{} check: {words}", check.plan.settings.kind.name());
        check.last = Some(Last { words, took });
        if meaning == Meaning::Same && !weight_changed {
            return;
        }
        self.changed = true;
        for server in check.subscribers.clone() {
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
        let Some(planned) = service.plan.real_servers.get(server.place) else { return };
        let (alive, weight) = reconfigure::judge(&self.checks, &server.links, planned.weight);
        let Some(server) = self.servers.get_mut(&id) else { return };
        if server.alive == alive && server.weight == weight {
            return;
        }
        self.changed = true;
        self.dirty.insert(service_id);
        service.alive = service.alive.saturating_sub(u64::from(server.effective_weight()));
        service.total = service.total.saturating_sub(u64::from(server.weight));
        server.weight = weight;
        let turned = server.alive != alive;
        if turned {
            server.alive = alive;
            server.since = now;
        }
        service.alive += u64::from(server.effective_weight());
        service.total += u64::from(server.weight);
        if turned {
            let turn = if alive { Turn::Up } else { Turn::Down };
            let subject = Subject::Server(service_id, id);
            out.push(Action::Changed(subject, turn, reason.to_owned().into()));
            if planned.notify.command(turn).is_some() {
                self.notices.push(Action::Notify(subject, turn));
            }
        }
        self.recount(service_id, now, out);
    }

    /// Works out a virtual server's quorum anew.
    fn recount(&mut self, id: VirtualServerId, now: Instant, out: &mut Actions) {
        let Some(service) = self.virtual_servers.get_mut(&id) else { return };
        let met = service.quorum(service.quorum_met);
        if met == service.quorum_met {
            return;
        }
        service.quorum_met = met;
        service.since = now;
        self.changed = true;
        self.dirty.insert(id);
        let turn = if met { Turn::Up } else { Turn::Down };
        let (alive, total, quorum) = (service.alive, service.total, service.plan.quorum);
        let words = format!("weight {alive} of {total} alive, quorum {quorum}");
        out.push(Action::Changed(Subject::Quorum(id), turn, words.into()));
        if service.plan.on_quorum.command(turn).is_some() {
            self.notices.push(Action::Notify(Subject::Quorum(id), turn));
        }
    }

    /// Brings the wanted table up to date; the kernel is to be told before anybody is notified. Called once
    /// after a batch of events.
    pub fn settle(&mut self, out: &mut Actions) {
        let gone = std::mem::take(&mut self.gone);
        for id in std::mem::take(&mut self.dirty) {
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
        match subject {
            Subject::Server(service, server) => {
                let place = self.servers.get(&server)?.place;
                let plan = &self.virtual_servers.get(&service)?.plan;
                plan.real_servers.get(place)?.notify.command(turn)
            }
            Subject::Quorum(service) => self.virtual_servers.get(&service)?.plan.on_quorum.command(turn),
        }
    }

    /// What a subject is called: the first service of its virtual server, and the server's place there.
    pub fn names(&self, subject: Subject) -> Option<(ServiceKey, Option<DestinationKey>)> {
        let (Subject::Server(id, _) | Subject::Quorum(id)) = subject;
        let service = self.virtual_servers.get(&id)?;
        let first = *service.plan.services.first()?;
        match subject {
            Subject::Server(_, server) => {
                let planned = service.plan.real_servers.get(self.servers.get(&server)?.place)?;
                Some((first, Some(planned.key(first))))
            }
            Subject::Quorum(_) => Some((first, None)),
        }
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

/// The servers of a virtual server, with their places under its first service.
fn real_servers_of(service: &VirtualServer) -> impl Iterator<Item = (DestinationKey, RealServerId)> {
    let first = service.plan.services.first();
    let keys = service.plan.real_servers.iter().filter_map(move |planned| Some(planned.key(*first?)));
    keys.zip(service.servers.iter().copied())
}

#[cfg(test)]
mod tests;
