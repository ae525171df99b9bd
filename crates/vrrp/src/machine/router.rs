//! The set of virtual routers: hands events to those they concern, keeps the order, knows the next deadline.
//!
//! An event touches the instances that depend on it, in the order of their numbers, then their sync groups; each group
//! settles within a bounded number of rounds. Deadlines stand in an ordered queue, so a thousand idle instances cost
//! nothing: `due.rs`. `picture.rs` follows the interfaces, `assess.rs` judges faults and groups, `listen.rs` keeps the
//! sockets wanted, `reconfigure.rs` is the reload, `checkpoint.rs` the restart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::action::Action;
use super::deadlines::Deadlines;
use super::event::{Event, ScriptOutcome};
use super::fact::{Fact, Reason, StateName};
use super::group::Group;
use super::id::{Family, InstanceId, Key, Name, Tag, Vrid};
use super::index::Index;
use super::instance::{Cx, Instance, State};
use super::ipvs_sync::WantedSync;
use super::limiter::Limiter;
use super::links::Links;
use super::order::Orders;
use super::process::Process;
use super::script::Script;
use crate::plan::{Plan, Tracked};
use crate::wire::admit::{Datagram, Reject};
use crate::wire::advert::View;
use crate::wire::hmac::Stamp;
use due::Owner;
use listen::Listeners;
use objects::Notice;

mod assess;
mod checkpoint;
mod due;
mod ipvs_sync;
mod listen;
mod objects;
mod orders;
mod picture;
mod reconfigure;
mod snapshot;
mod why;

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
    // The numbers in the tracked files.
    files: BTreeMap<Name, i32>,
    processes: BTreeMap<Name, Process>,
    links: Links,
    listeners: Listeners,
    index: Index,
    objects: objects::Objects,
    // The daemons that were told last.
    sync: Option<WantedSync>,
    // What operators have ordered.
    orders: Orders,
    deadlines: Deadlines<Owner>,
    stray: Limiter,
    // For signed adverts only.
    time_of_day: Option<Stamp>,
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
            files: BTreeMap::new(),
            processes: BTreeMap::new(),
            links: Links::default(),
            listeners: Listeners::default(),
            index: Index::default(),
            objects: objects::Objects::default(),
            sync: None,
            orders: Orders::default(),
            deadlines: Deadlines::new(),
            stray: Limiter::default(),
            time_of_day: None,
            resumes: checkpoint::Resumes::new(),
        };
        for instance in &plan.instances {
            router.insert(instance.clone(), now);
        }
        for script in &plan.scripts {
            router.scripts.insert(script.name.clone(), Script::new(script.clone(), now));
        }
        for process in &plan.processes {
            router.processes.insert(process.name.clone(), Process::new(process.clone()));
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

    /// Whether the time of day matters.
    #[must_use]
    pub fn wants_time_of_day(&self) -> bool {
        self.plan.instances.iter().any(|instance| instance.keyring.is_some())
    }

    /// Tells the time of day, before datagrams are handed in, where that matters.
    pub const fn tell_time_of_day(&mut self, time: Stamp) {
        self.time_of_day = Some(time);
    }

    fn insert(&mut self, plan: crate::plan::InstancePlan, now: Instant) -> InstanceId {
        let id = InstanceId(self.next_id);
        self.next_id += 1;
        let tag = Tag { id, name: plan.name.clone() };
        self.by_key.insert(plan.key, id);
        let mut instance = Instance::new(tag, plan.into(), now);
        // It is not started: nothing comes of it but that it is known.
        instance.restrain(self.restraint(id), &mut Cx { now, links: &mut self.links, out: &mut Vec::new() });
        self.instances.insert(id, instance);
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
        self.owners_changed();
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
            self.settle(at, None, now, out);
        }
        self.resumes.clear();
        let scripts: Vec<Name> = self.scripts.keys().cloned().collect();
        for script in scripts {
            self.schedule_script(&script);
        }
        self.schedule_processes();
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
        let mut notice = None;
        match event {
            Event::DatagramReceived(datagram) => self.receive(&datagram, now, out),
            Event::LinksObserved(observed) => {
                let before = self.virtual_addresses();
                let earlier = self.earlier();
                let touched = self.links.replace(observed);
                self.links_touched(&touched, now, out);
                self.links_back(&earlier, now, out);
                self.check_lost(&before, now, out);
                notice = Some(Notice::Picture);
            }
            Event::LinkChanged { link, facts } => {
                let earlier = self.earlier();
                notice = Notice::of_change(&self.links, link, &facts);
                self.links.change(link, facts);
                self.link_touched(link, now, out);
                self.links_back(&earlier, now, out);
            }
            Event::LinkVanished { link } => {
                self.links.remove(link);
                self.link_touched(link, now, out);
                notice = Some(Notice::LinkVanished(link));
            }
            Event::AddressAppeared { link, address } => {
                let news = self.links.address_appeared(link, address);
                notice = news.then_some(Notice::AddressAppeared(link, address.address));
                match self.index.holder(link, address.address) {
                    _ if !news => {}
                    None => self.link_touched(link, now, out),
                    Some(id) => self.with(id, now, out, |i, cx| i.address_appeared(link, address, cx)),
                }
            }
            Event::AddressVanished { link, address } => {
                self.address_vanished(link, address, now, out);
                notice = Some(Notice::AddressVanished(link, address));
            }
            Event::ScriptFinished { script, outcome } => self.script_finished(&script, outcome, now, out),
            Event::FileRead { file, number } => self.file_read(file, number, now, out),
            Event::ProcessesCounted { process, count } => {
                self.process_turned(&process, now, out, |known, out| known.counted(count, now, out));
            }
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
            Event::VirtualLinkMade { instance } => {
                self.with(instance, now, out, |i, cx| i.virtual_link_made(cx));
                self.assess(instance, now, out);
            }
            Event::VirtualLinkFailed { instance, error } => {
                self.with(instance, now, out, |i, cx| i.virtual_link_failed(error, cx));
                self.assess(instance, now, out);
            }
            Event::Object(event) => self.object_event(event, now, out),
            Event::GuardFailed { instance, error } => {
                self.with(instance, now, out, |i, cx| i.guard_failed(error, cx));
            }
            Event::FailoverOrdered { instances, standing } => self.fail_over(&instances, &standing, now, out),
            Event::MaintenanceOrdered(standing) => self.maintain(standing, now, out),
            Event::OrdersReleased { released, origin } => self.release_orders(&released, &origin, now, out),
            Event::StopRequested => self.stop(now, out),
        }
        self.tidy_orders(now, out);
        self.sweep(out);
        self.reconcile(now, out);
        if let Some(notice) = notice {
            self.notice(notice, now, out);
            self.reconcile(now, out);
        }
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
        let id = key.and_then(|key| {
            let own = self.by_key.get(&key).or_else(|| self.leaving.get(&key)).copied();
            own.or_else(|| self.index.by_way(&key))
        });
        if let Some(id) = id {
            let time = self.time_of_day;
            self.with(id, now, out, |i, cx| i.receive(datagram, time, cx));
            self.tell_group(id, now, out);
            return;
        }
        let reason = if vrid.is_some() { Reject::Vrid } else { Reject::Short };
        if let Some(suppressed) = self.stray.allow(STRAY_EVERY, now) {
            let (link, source) = (datagram.link, datagram.source);
            out.push(Action::Report(Fact::Rejected { instance: None, link, source, reason, suppressed }));
        }
    }

    /// A member whose addresses somebody else may have announced speaks for its whole sync group.
    fn tell_group(&mut self, id: InstanceId, now: Instant, out: &mut Vec<Action>) {
        let contested = self.instances.get_mut(&id).is_some_and(Instance::take_contested);
        let group = contested.then(|| self.index.group_of(id)).flatten();
        let Some(members) = group.and_then(|at| self.groups.get(at)).map(|group| group.members.clone())
        else {
            return;
        };
        for member in members.into_iter().filter(|member| *member != id) {
            self.with(member, now, out, |i, cx| i.announce_for_inferior(cx));
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
            self.settle(at, Some(id), now, out);
        }
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

    fn file_read(&mut self, file: Name, number: i32, now: Instant, out: &mut Vec<Action>) {
        let watching = self.index.on(&Tracked::File(file.clone()));
        // One that a reload is about to add is remembered for it.
        if self.files.insert(file, number) != Some(number) {
            for id in watching {
                self.assess(id, now, out);
            }
        }
    }

    /// Lets a process judge, and whoever watches it if the verdict changed.
    fn process_turned(
        &mut self,
        name: &Name,
        now: Instant,
        out: &mut Vec<Action>,
        judge: impl FnOnce(&mut Process, &mut Vec<Action>) -> bool,
    ) {
        let Some(process) = self.processes.get_mut(name) else { return };
        let turned = judge(process, out);
        self.deadlines.set(&Owner::Process(name.clone()), process.poll_timeout());
        if turned {
            for id in self.index.on(&Tracked::Process(name.clone())) {
                self.assess(id, now, out);
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
            for id in self.index.on(&Tracked::Script(name.clone())) {
                self.assess(id, now, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
