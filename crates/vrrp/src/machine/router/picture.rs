//! The picture of interfaces and addresses, and whom a change in it concerns.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use super::{Phase, Router};
use crate::machine::action::Action;
use crate::machine::fact::Cause;
use crate::machine::id::{Family, InstanceId, LinkName};
use crate::machine::instance::{Condition, Cx};
use crate::machine::links::Vanished;
use crate::plan::Via;

/// What was so before an interface changed.
pub(super) struct Earlier {
    usable: BTreeSet<LinkName>,
    masters: BTreeSet<InstanceId>,
}

impl Router {
    pub(super) fn link_touched(&mut self, link: LinkName, now: Instant, out: &mut Vec<Action>) {
        self.links_touched(&BTreeSet::from([link]), now, out);
    }

    /// Interfaces or their own addresses changed: sockets first, then whoever depends on them.
    pub(super) fn links_touched(
        &mut self,
        touched: &BTreeSet<LinkName>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
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
    pub(super) fn links_back(&mut self, earlier: &Earlier, now: Instant, out: &mut Vec<Action>) {
        let back: Vec<LinkName> = self.links.usable().difference(&earlier.usable).copied().collect();
        for link in back {
            for id in self.index.on_link(link) {
                // Whoever became master just now has done all of it; and its own interface is set up by itself.
                let own = self.instances.get(&id).and_then(super::Instance::virtual_link);
                if !earlier.masters.contains(&id) || own == Some(link) {
                    continue;
                }
                self.with(id, now, out, |i, cx| i.link_usable(link, cx));
            }
        }
    }

    pub(super) fn earlier(&self) -> Earlier {
        let masters = self.instances.iter().filter(|(_, i)| i.is_master());
        Earlier { usable: self.links.usable(), masters: masters.map(|(id, _)| *id).collect() }
    }

    /// Source address, announcements: what an instance derives from the interfaces.
    pub(super) fn refresh_links(&mut self, id: InstanceId, now: Instant, out: &mut Vec<Action>) {
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
        let ways: Vec<Condition> = instance
            .plan
            .also_via
            .iter()
            .enumerate()
            .map(|(at, via)| self.way_condition(via, key.family, instance.ways.source(at + 1)))
            .collect();
        if let Some(instance) = self.instances.get_mut(&id) {
            let mut cx = Cx { now, links: &mut self.links, out };
            instance.ways_changed(ways, &mut cx);
            instance.links_changed(source, &mut cx);
        }
    }

    /// Whether adverts can go by a further way: the address to send them from, or what keeps them.
    fn way_condition(&self, via: &Via, family: Family, current: Option<IpAddr>) -> Condition {
        self.links.check(via.link)?;
        if let Some(error) = self.listeners.error((via.link, family)) {
            return Err(Cause::NoListener(via.link, error.to_owned()));
        }
        match via.source {
            Some(source) => {
                let there = self.links.address(via.link, source).filter(|a| a.usable);
                there.map(|a| a.address).ok_or(Cause::SourceMissing(via.link, source))
            }
            None => {
                let is_virtual = |address| self.index.holder(via.link, address).is_some();
                let found = self.links.source(via.link, family, current, is_virtual);
                found.ok_or(Cause::NoSource(via.link))
            }
        }
    }

    pub(super) fn address_vanished(
        &mut self,
        link: LinkName,
        address: IpAddr,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
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
    pub(super) fn virtual_addresses(&self) -> Vec<(InstanceId, LinkName, IpAddr)> {
        let masters = self.instances.iter().filter(|(_, i)| i.is_master());
        let wanted = masters.flat_map(|(id, i)| i.plan.addresses.iter().map(|a| (*id, a.link, a.address)));
        wanted.filter(|(_, link, address)| self.links.address(*link, *address).is_some()).collect()
    }

    /// After a resync: what was there and is not any more.
    pub(super) fn check_lost(
        &mut self,
        before: &[(InstanceId, LinkName, IpAddr)],
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        for (id, link, address) in before {
            if self.links.address(*link, *address).is_none() && self.links.check(*link).is_ok() {
                self.with(*id, now, out, |i, cx| i.address_removed(*link, *address, cx));
            }
        }
    }
}
