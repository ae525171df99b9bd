//! The set of virtual routers: hands events to those they concern, keeps the order, knows the next deadline.
//!
//! An event touches the instances that depend on it, in the order of their numbers, then their sync groups; each group
//! settles within a bounded number of rounds. Deadlines stand in an ordered queue, so a thousand idle instances cost
//! nothing. `listen.rs` keeps the sockets wanted, `reconfigure.rs` is the reload, `checkpoint.rs` the restart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::action::{Action, Object};
use super::deadlines::Deadlines;
use super::event::{Event, ScriptOutcome};
use super::fact::{Cause, Fact, Reason, StateName};
use super::group::{self, Group, Move};
use super::id::{Family, InstanceId, Key, LinkName, Name, Tag, Vrid};
use super::index::Index;
use super::instance::{Cx, Instance, State, Then, notify_group};
use super::limiter::Limiter;
use super::links::{Links, Vanished};
use super::script::Script;
use super::track::{self, Reading};
use crate::plan::Plan;
use crate::wire::admit::{Datagram, Reject};
use crate::wire::advert::View;
use listen::Listeners;

mod checkpoint;
mod listen;
mod reconfigure;
mod snapshot;

pub use checkpoint::RestoreError;

/// How often packets for nobody are reported.
const STRAY_EVERY: Duration = Duration::from_secs(60);

/// All virtual routers of this machine.
#[derive(Debug)]
pub struct Router {
    plan: Plan,
    phase: Phase,
    instances: BTreeMap<InstanceId, Instance>,
    by_key: BTreeMap<Key, InstanceId>,
    // Removed by a reload and still handing over.
    leaving: BTreeMap<Key, InstanceId>,
    next_id: u32,
    groups: Vec<Group>,
    scripts: BTreeMap<Name, Script>,
    links: Links,
    listeners: Listeners,
    index: Index,
    deadlines: Deadlines<Owner>,
    stray: Limiter,
    // What an earlier run left, until the start.
    resumes: checkpoint::Resumes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Events are only remembered.
    New,
    Running,
    Stopping,
}

/// What was so before an interface changed.
struct Earlier {
    usable: BTreeSet<LinkName>,
    masters: BTreeSet<InstanceId>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Instance(InstanceId),
    Script(Name),
    Listener(LinkName, Family),
}

impl Router {
    /// The routers of a plan, not started: links may be told, nothing is done yet.
    #[must_use]
    pub fn new(plan: Plan, now: Instant) -> Self {
        let mut router = Self {
            plan: Plan::default(),
            phase: Phase::New,
            instances: BTreeMap::new(),
            by_key: BTreeMap::new(),
            leaving: BTreeMap::new(),
            next_id: 0,
            groups: Vec::new(),
            scripts: BTreeMap::new(),
            links: Links::default(),
            listeners: Listeners::default(),
            index: Index::default(),
            deadlines: Deadlines::new(),
            stray: Limiter::default(),
            resumes: checkpoint::Resumes::new(),
        };
        for instance in &plan.instances {
            router.insert(instance.clone(), now);
        }
        for script in &plan.scripts {
            router.scripts.insert(script.name.clone(), Script::new(script.clone(), now));
        }
        router.plan = plan;
        router.regroup();
        router
    }

    /// The plan that is running.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    fn insert(&mut self, plan: crate::plan::InstancePlan, now: Instant) -> InstanceId {
        let id = InstanceId(self.next_id);
        self.next_id += 1;
        let tag = Tag { id, name: plan.name.clone() };
        self.by_key.insert(plan.key, id);
        self.instances.insert(id, Instance::new(tag, plan.into(), now));
        id
    }

    /// Groups and dependencies as the plan has them.
    fn regroup(&mut self) {
        let states: BTreeMap<Name, StateName> =
            self.groups.iter().map(|g| (g.plan.name.clone(), g.state)).collect();
        let by_key = &self.by_key;
        self.groups = self
            .plan
            .groups
            .iter()
            .map(|plan| Group {
                members: plan.members.iter().filter_map(|key| by_key.get(key).copied()).collect(),
                state: states.get(&plan.name).copied().unwrap_or(StateName::Init),
                plan: plan.clone(),
            })
            .collect();
        self.index = Index::new(&self.instances, &self.by_key, &self.groups);
        for id in self.by_key.values() {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.grouped = self.index.group_of(*id).is_some();
            }
        }
    }

    /// Begins, with what an earlier run left in its checkpoint if it was restored.
    pub fn start(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::New {
            return;
        }
        self.phase = Phase::Running;
        self.listen(out);
        let ids: Vec<InstanceId> = self.by_key.values().copied().collect();
        for id in &ids {
            self.refresh_links(*id, now, out);
        }
        for id in &ids {
            self.start_instance(*id, now, out);
        }
        for at in 0..self.groups.len() {
            self.settle(at, now, out);
        }
        self.resumes.clear();
        let scripts: Vec<Name> = self.scripts.keys().cloned().collect();
        for script in scripts {
            self.schedule_script(&script);
        }
        self.handle_timeout(now, out);
    }

    fn start_instance(&mut self, id: InstanceId, now: Instant, out: &mut Vec<Action>) {
        let (mut causes, priority) = self.judge(id);
        causes.extend(self.member_cause(id));
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.set_priority(priority, &mut Cx { now, links: &mut self.links, out });
        }
        if (!causes.is_empty() || !self.resume(id, now, out))
            && let Some(instance) = self.instances.get_mut(&id)
        {
            instance.start(causes, &mut Cx { now, links: &mut self.links, out });
        }
        self.schedule(id);
    }

    /// Takes an event.
    pub fn handle(&mut self, event: Event<'_>, now: Instant, out: &mut Vec<Action>) {
        match event {
            Event::DatagramReceived(datagram) => self.receive(&datagram, now, out),
            Event::LinksObserved(observed) => {
                let before = self.virtual_addresses();
                let earlier = self.earlier();
                let touched = self.links.replace(observed);
                self.links_touched(&touched, now, out);
                self.links_back(&earlier, now, out);
                self.check_lost(&before, now, out);
            }
            Event::LinkChanged { link, facts } => {
                let earlier = self.earlier();
                self.links.change(link, facts);
                self.link_touched(link, now, out);
                self.links_back(&earlier, now, out);
            }
            Event::LinkVanished { link } => {
                self.links.remove(link);
                self.link_touched(link, now, out);
            }
            Event::AddressAppeared { link, address } => {
                let news = self.links.address_appeared(link, address);
                match self.index.holder(link, address.address) {
                    _ if !news => {}
                    None => self.link_touched(link, now, out),
                    Some(id) => self.with(id, now, out, |i, cx| i.address_appeared(link, address, cx)),
                }
            }
            Event::AddressVanished { link, address } => self.address_vanished(link, address, now, out),
            Event::ScriptFinished { script, outcome } => self.script_finished(&script, outcome, now, out),
            Event::ListenerOpened { link, family } => {
                if self.listeners.opened((link, family)) {
                    self.listeners_changed(link, now, out);
                }
                self.schedule_listener((link, family));
            }
            Event::ListenerFailed { link, family, error } => {
                if self.listeners.failed((link, family), error, now) {
                    self.listeners_changed(link, now, out);
                }
                self.schedule_listener((link, family));
            }
            Event::SendFailed { instance, error } => {
                self.with(instance, now, out, |i, cx| i.send_failed(error, cx));
            }
            Event::AddressFailed { instance, link, address, error } => {
                self.with(instance, now, out, |i, cx| i.address_failed(link, address, error, cx));
            }
            Event::StopRequested => self.stop(now, out),
        }
        self.sweep(out);
    }

    /// The earliest deadline of all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Does everything that is due; afterwards the next deadline lies in the future.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        // Each owner moves its deadline past `now` when it acts; the bound is for the day one does not.
        let most = 4 * (self.instances.len() + self.scripts.len() + self.listeners.len()) + 16;
        for _ in 0..most {
            let Some(owner) = self.deadlines.pop_due(now) else {
                break;
            };
            match owner {
                Owner::Instance(id) => {
                    self.with(id, now, out, |i, cx| i.handle_timeout(cx));
                }
                Owner::Script(name) => {
                    if let Some(script) = self.scripts.get_mut(&name)
                        && self.phase == Phase::Running
                    {
                        script.handle_timeout(now, out);
                        self.schedule_script(&name);
                    }
                }
                Owner::Listener(link, family) => {
                    self.listeners.retry((link, family), now, out);
                    self.schedule_listener((link, family));
                }
            }
        }
        self.sweep(out);
    }

    /// An orderly stop is complete.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.phase == Phase::Stopping && self.instances.values().all(|i| matches!(i.state, State::Init))
    }

    fn stop(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::Stopping {
            return;
        }
        self.phase = Phase::Stopping;
        for script in self.scripts.values() {
            script.stop(out);
        }
        // Groups no longer decide: everybody goes.
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            self.with(id, now, out, |i, cx| i.stop(Reason::Stopping, cx));
        }
    }

    fn receive(&mut self, datagram: &Datagram<'_>, now: Instant, out: &mut Vec<Action>) {
        let vrid = View::new(datagram.payload).map(|v| v.vrid()).and_then(Vrid::new);
        let family = Family::of(datagram.source);
        let key = vrid.map(|vrid| Key { link: datagram.link, family, vrid });
        let id = key.and_then(|key| self.by_key.get(&key).or_else(|| self.leaving.get(&key)).copied());
        if let Some(id) = id {
            self.with(id, now, out, |i, cx| i.receive(datagram, cx));
            return;
        }
        let reason = if vrid.is_some() { Reject::Vrid } else { Reject::Short };
        if let Some(suppressed) = self.stray.allow(STRAY_EVERY, now) {
            let (link, source) = (datagram.link, datagram.source);
            out.push(Action::Report(Fact::Rejected { instance: None, link, source, reason, suppressed }));
        }
    }

    /// Lets an instance work, then its group, then sees to its deadline.
    fn with(
        &mut self,
        id: InstanceId,
        now: Instant,
        out: &mut Vec<Action>,
        work: impl FnOnce(&mut Instance, &mut Cx<'_>),
    ) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let (before, wanted) = (instance.state_name(), instance.wants_master());
        work(instance, &mut Cx { now, links: &mut self.links, out });
        let moved = before != instance.state_name() || wanted != instance.wants_master();
        self.schedule(id);
        if moved && let Some(at) = self.index.group_of(id) {
            self.settle(at, now, out);
        }
    }

    fn schedule(&mut self, id: InstanceId) {
        let at = self.instances.get(&id).and_then(Instance::poll_timeout);
        self.deadlines.set(&Owner::Instance(id), at);
    }

    fn schedule_script(&mut self, name: &Name) {
        let at = self.scripts.get(name).and_then(Script::poll_timeout);
        self.deadlines.set(&Owner::Script(name.clone()), at);
    }

    fn schedule_listener(&mut self, which: (LinkName, Family)) {
        self.deadlines.set(&Owner::Listener(which.0, which.1), self.listeners.retry_at(which));
    }

    /// Drops instances that a reload removed and that are done.
    fn sweep(&mut self, out: &mut Vec<Action>) {
        if self.drop_done() {
            self.listen(out);
        }
    }

    fn drop_done(&mut self) -> bool {
        let done = |id: &InstanceId| self.instances.get(id).is_none_or(|i| matches!(i.state, State::Init));
        let gone: Vec<Key> = self.leaving.iter().filter(|(_, id)| done(id)).map(|(key, _)| *key).collect();
        for key in &gone {
            if let Some(id) = self.leaving.remove(key) {
                self.deadlines.set(&Owner::Instance(id), None);
                self.instances.remove(&id);
            }
        }
        !gone.is_empty()
    }

    fn link_touched(&mut self, link: LinkName, now: Instant, out: &mut Vec<Action>) {
        self.links_touched(&BTreeSet::from([link]), now, out);
    }

    /// Interfaces or their own addresses changed: sockets first, then whoever depends on them.
    fn links_touched(&mut self, touched: &BTreeSet<LinkName>, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::New {
            return;
        }
        self.listen(out);
        let mut ids = BTreeSet::new();
        for link in touched {
            ids.extend(self.index.on_link(*link));
        }
        for id in &ids {
            self.refresh_links(*id, now, out);
        }
        for id in &ids {
            self.assess(*id, now, out);
        }
    }

    /// Interfaces that were not usable and are: what masters have on them may be gone, and forgotten by the network.
    fn links_back(&mut self, earlier: &Earlier, now: Instant, out: &mut Vec<Action>) {
        let back: Vec<LinkName> = self.links.usable().difference(&earlier.usable).copied().collect();
        for link in back {
            for id in self.index.on_link(link) {
                // Whoever became master just now has done all of it.
                if !earlier.masters.contains(&id) {
                    continue;
                }
                self.with(id, now, out, |i, cx| i.link_usable(link, cx));
            }
        }
    }

    fn earlier(&self) -> Earlier {
        let masters = self.instances.iter().filter(|(_, i)| i.is_master());
        Earlier { usable: self.links.usable(), masters: masters.map(|(id, _)| *id).collect() }
    }

    /// Source address, announcements: what an instance derives from the interfaces.
    fn refresh_links(&mut self, id: InstanceId, now: Instant, out: &mut Vec<Action>) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let key = instance.plan.key;
        let source = match instance.plan.source {
            Some(source) => self.links.address(key.link, source).filter(|a| a.usable).map(|a| a.address),
            None => self.links.source(key.link, key.family, instance.source, |address| {
                self.index.holder(key.link, address).is_some()
            }),
        };
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.links_changed(source, &mut Cx { now, links: &mut self.links, out });
        }
    }

    /// Weighs an instance's trackers and causes anew.
    fn assess(&mut self, id: InstanceId, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let (causes, priority) = self.judge(id);
        let group = self.index.group_of(id);
        self.with(id, now, out, |instance, cx| {
            instance.set_priority(priority, cx);
            if group.is_none() {
                instance.set_causes(causes, cx);
            }
        });
        if let Some(at) = group {
            self.settle(at, now, out);
        }
    }

    /// Its own causes of fault, and its effective priority.
    fn judge(&self, id: InstanceId) -> (BTreeSet<Cause>, u8) {
        let mut causes = BTreeSet::new();
        let Some(instance) = self.instances.get(&id) else {
            return (causes, 0);
        };
        let key = instance.plan.key;
        match self.links.check(key.link) {
            Err(cause) => {
                causes.insert(cause);
            }
            Ok(()) => {
                if instance.source.is_none() {
                    causes.insert(match instance.plan.source {
                        Some(source) => Cause::SourceMissing(key.link, source),
                        None => Cause::NoSource(key.link),
                    });
                }
                if let Some(error) = self.listeners.error((key.link, key.family)) {
                    causes.insert(Cause::NoListener(key.link, error.to_owned()));
                }
            }
        }
        let sum = track::assess(self.index.trackers(id), &self.links, |name| {
            self.scripts.get(name).map_or(Reading::Pending, Script::reading)
        });
        causes.extend(sum.causes);
        (causes, track::effective_priority(instance.plan.priority, sum.weight))
    }

    /// The first fellow member that is in fault by itself.
    fn member_cause(&self, id: InstanceId) -> Option<Cause> {
        let group = self.groups.get(self.index.group_of(id)?)?;
        let faulty = group.members.iter().filter(|m| **m != id).find(|m| {
            let (causes, _) = self.judge(**m);
            causes.iter().any(|c| !c.is_pending())
        })?;
        self.instances.get(faulty).map(|i| Cause::Member(i.tag.name.clone()))
    }

    /// Lets a group follow its members, and its members the group.
    fn settle(&mut self, at: usize, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let Some(group) = self.groups.get(at) else {
            return;
        };
        let members = group.members.clone();
        let name = group.plan.name.clone();
        let mut judged: Vec<(InstanceId, BTreeSet<Cause>)> =
            members.iter().map(|id| (*id, self.judge(*id).0)).collect();
        let faulty = |(id, causes): &(InstanceId, BTreeSet<Cause>)| {
            causes.iter().any(|c| !c.is_pending()).then_some(*id)
        };
        // Two suffice: nobody is in fault because of itself.
        let first: Vec<InstanceId> = judged.iter().filter_map(faulty).take(2).collect();
        for (id, causes) in &mut judged {
            let other = first.iter().find(|f| *f != id).and_then(|f| self.instances.get(f));
            causes.extend(other.map(|i| Cause::Member(i.tag.name.clone())));
        }
        for (id, causes) in judged {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.set_causes(causes, &mut Cx { now, links: &mut self.links, out });
            }
        }
        // Promotion or release of all is one step; a second look finds nothing left to do.
        for _ in 0..2 {
            match group::decide(&members.iter().filter_map(|id| self.instances.get(id))) {
                Move::Stay => break,
                Move::Promote => self.each(&members, now, out, |i, cx| i.promote(cx)),
                Move::Release => {
                    let reason = Reason::Group(name.clone());
                    self.each(&members, now, out, |i, cx| i.release(Then::Backup(reason.clone()), cx));
                }
            }
        }
        for id in &members {
            self.schedule(*id);
        }
        self.group_state(at, out);
    }

    fn each(
        &mut self,
        members: &[InstanceId],
        now: Instant,
        out: &mut Vec<Action>,
        work: impl Fn(&mut Instance, &mut Cx<'_>),
    ) {
        for id in members {
            if let Some(instance) = self.instances.get_mut(id) {
                work(instance, &mut Cx { now, links: &mut self.links, out });
            }
        }
    }

    fn group_state(&mut self, at: usize, out: &mut Vec<Action>) {
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        let instances = &self.instances;
        let Some(to) = group::state(&group.members.iter().filter_map(|id| instances.get(id))) else {
            return;
        };
        let from = std::mem::replace(&mut group.state, to);
        if from == to {
            return;
        }
        let name = group.plan.name.clone();
        out.push(Action::Report(Fact::GroupTransition { group: name.clone(), from, to }));
        notify_group(&group.plan.notify, &Object::Group(name), to, out);
    }

    fn address_vanished(&mut self, link: LinkName, address: IpAddr, now: Instant, out: &mut Vec<Action>) {
        let how = self.links.address_vanished(link, address);
        if self.phase == Phase::New || how == Vanished::Unknown {
            return;
        }
        match self.index.holder(link, address) {
            None => self.link_touched(link, now, out),
            Some(_) if how == Vanished::Asked => {}
            Some(id) => {
                self.refresh_links(id, now, out);
                self.assess(id, now, out);
                self.with(id, now, out, |i, cx| i.address_removed(link, address, cx));
            }
        }
    }

    /// The virtual addresses that are on their interfaces.
    fn virtual_addresses(&self) -> Vec<(InstanceId, LinkName, IpAddr)> {
        let masters = self.instances.iter().filter(|(_, i)| i.is_master());
        let wanted = masters.flat_map(|(id, i)| i.plan.addresses.iter().map(|a| (*id, a.link, a.address)));
        wanted.filter(|(_, link, address)| self.links.address(*link, *address).is_some()).collect()
    }

    /// After a resync: what was there and is not any more.
    fn check_lost(&mut self, before: &[(InstanceId, LinkName, IpAddr)], now: Instant, out: &mut Vec<Action>) {
        for (id, link, address) in before {
            if self.links.address(*link, *address).is_none() && self.links.check(*link).is_ok() {
                self.with(*id, now, out, |i, cx| i.address_removed(*link, *address, cx));
            }
        }
    }

    fn script_finished(&mut self, name: &Name, outcome: ScriptOutcome, now: Instant, out: &mut Vec<Action>) {
        let Some(script) = self.scripts.get_mut(name) else {
            return;
        };
        let changed = script.finished(outcome, out);
        self.schedule_script(name);
        if changed {
            for id in self.index.on_script(name) {
                self.assess(id, now, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
