//! Which objects are wanted beside the virtual addresses: the static ones always, an instance's while it holds its
//! addresses. What it takes to have them is the ledger's business.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::{Owner, Phase, Router};
use crate::machine::action::Action;
use crate::machine::event::LinkFacts;
use crate::machine::id::{InstanceId, LinkName};
use crate::machine::instance::{Instance, State};
use crate::machine::ledger::{Ledger, ObjectEvent, Owned, Standing};
use crate::machine::links::Links;
use crate::machine::object::Key;

/// The ledger, and for whom it was written last.
#[derive(Debug, Default)]
pub(super) struct Objects {
    ledger: Ledger,
    // The instances that have objects.
    owners: Vec<InstanceId>,
    holders: Vec<InstanceId>,
    statics: bool,
    // The plan changed since.
    stale: bool,
}

/// What happened to an interface or an address, as far as objects care.
#[derive(Debug, Clone, Copy)]
pub(super) enum Notice {
    LinkUsable(LinkName),
    LinkVanished(LinkName),
    AddressAppeared(LinkName, IpAddr),
    AddressVanished(LinkName, IpAddr),
    /// The whole picture was read anew.
    Picture,
}

impl Notice {
    /// What a change of an interface means; nothing unless it has become usable or is another one.
    pub(super) fn of_change(links: &Links, link: LinkName, facts: &LinkFacts) -> Option<Self> {
        let before = links.facts(link);
        let another = before.is_none_or(|before| before.index != facts.index);
        let usable = |facts: &LinkFacts| facts.up && facts.carrier;
        let back = usable(facts) && !before.is_some_and(usable);
        (another || back).then_some(Self::LinkUsable(link))
    }
}

impl Router {
    /// To be called when instances or the plan changed.
    pub(super) fn owners_changed(&mut self) {
        let owns = |instance: &Instance| !instance.plan.objects.is_empty();
        self.objects.owners = self.instances.iter().filter(|(_, i)| owns(i)).map(|(id, _)| *id).collect();
        self.objects.stale = true;
    }

    /// Whatever happened: what should be there now.
    pub(super) fn reconcile(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::New {
            return;
        }
        self.follow_sync(out);
        let holds = |id: &&InstanceId| {
            let instance = self.instances.get(id);
            instance.is_some_and(|i| matches!(i.state, State::Master(_) | State::Releasing(_)))
        };
        let statics = !self.plan.statics.is_empty() && !self.stopped();
        let same = self.objects.owners.iter().filter(holds).eq(&self.objects.holders);
        if self.objects.stale || !same || statics != self.objects.statics {
            let holders: Vec<InstanceId> = self.objects.owners.iter().filter(holds).copied().collect();
            let wanted = self.wanted_objects(&holders, statics);
            self.objects.holders = holders;
            self.objects.statics = statics;
            self.objects.stale = false;
            self.objects.ledger.want(wanted, out);
        }
        self.schedule_objects(now, out);
    }

    fn wanted_objects(&self, holders: &[InstanceId], statics: bool) -> BTreeMap<Key, Owned> {
        let mut wanted: BTreeMap<Key, Owned> = BTreeMap::new();
        for instance in holders.iter().filter_map(|id| self.instances.get(id)) {
            for object in &instance.plan.objects {
                wanted.insert(object.key(), (object.clone(), Some(instance.tag.name.clone())));
            }
        }
        for object in self.plan.statics.iter().filter(|_| statics) {
            wanted.insert(object.key(), (object.clone(), None));
        }
        wanted
    }

    fn schedule_objects(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.objects.ledger.deadline().is_some_and(|at| at <= now) {
            self.objects.ledger.handle_timeout(now, out);
        }
        self.deadlines.set(&Owner::Objects, self.objects.ledger.deadline());
    }

    pub(super) fn object_event(&mut self, event: ObjectEvent, now: Instant, out: &mut Vec<Action>) {
        let ledger = &mut self.objects.ledger;
        match event {
            ObjectEvent::Found(objects) => ledger.found(objects),
            ObjectEvent::Performed(request, outcome) => ledger.performed(request, outcome, now, out),
            ObjectEvent::Vanished(key) => ledger.vanished(&key, now, out),
            ObjectEvent::Displaced(key) => ledger.displaced(&key, now, out),
            ObjectEvent::Unsure => ledger.unsure(out),
        }
    }

    /// Tells the ledger what happened, after it was told what is wanted.
    pub(super) fn notice(&mut self, notice: Notice, now: Instant, out: &mut Vec<Action>) {
        let ledger = &mut self.objects.ledger;
        match notice {
            Notice::LinkUsable(link) => ledger.link_usable(link, out),
            Notice::LinkVanished(link) => ledger.link_vanished(link, now, out),
            Notice::AddressAppeared(link, address) => ledger.address_appeared(link, address, out),
            Notice::AddressVanished(link, address) => ledger.address_vanished(link, address, now, out),
            Notice::Picture => ledger.unsure(out),
        }
    }

    /// Every object that is wanted now, with its owner's name.
    pub(super) fn object_standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.objects.ledger.standings()
    }
}
