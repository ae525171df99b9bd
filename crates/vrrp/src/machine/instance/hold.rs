//! What a master holds: leases, repairs and announcements, and what the interfaces have to do with them.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Cx, Instance, State};
use crate::machine::action::{Action, Announcement};
use crate::machine::address::ObservedAddress;
use crate::machine::announce::{Burst, Targets};
use crate::machine::fact::Fact;
use crate::machine::id::LinkName;
use crate::machine::links::Links;
use crate::machine::owned::{self, Request};

impl Instance {
    /// Leases, repairs and announcements that are due.
    pub(super) fn hold(&mut self, cx: &mut Cx<'_>) {
        let request = Request {
            tag: &self.tag,
            addresses: &self.plan.addresses,
            lifetime: self.plan.lifetime,
            now: cx.now,
        };
        let repaired = match &mut self.state {
            State::Master(master) => master.holder.handle_timeout(&request, &self.leased, cx.out),
            State::Releasing(releasing) => releasing.holder.handle_timeout(&request, &self.leased, cx.out),
            State::Init | State::Fault | State::Backup(_) => false,
        };
        if repaired {
            self.announce_again(cx);
        }
        self.announce_due(cx);
    }

    /// One wake-up for advert and lease where that costs little of the lease.
    pub(super) fn refresh_with_advert(&mut self, cx: &mut Cx<'_>) {
        let interval = self.plan.interval;
        let Some(refresh) = owned::refresh_interval(self.plan.lifetime) else {
            return;
        };
        let request = Request {
            tag: &self.tag,
            addresses: &self.plan.addresses,
            lifetime: self.plan.lifetime,
            now: cx.now,
        };
        if let State::Master(master) = &mut self.state {
            master.holder.refresh(&request, &self.leased, interval.min(refresh / 2), cx.out);
        }
    }

    pub(super) fn announce_again(&mut self, cx: &mut Cx<'_>) {
        if let State::Master(master) = &mut self.state {
            master.announcer.again(&self.plan.announce, cx.now);
        }
        self.announce_due(cx);
    }

    pub(super) fn announce_due(&mut self, cx: &mut Cx<'_>) {
        let State::Master(master) = &mut self.state else {
            return;
        };
        let own = self.plan.key.link;
        let targets = Targets { plan: &self.plan.announce, own, list: &self.announcements };
        while let Some(burst) = master.announcer.due(targets, &mut cx.links.pace, cx.now) {
            let (announcements, repeat) = match burst {
                Burst::All(repeat) => (Arc::clone(&self.announcements), repeat),
                Burst::Elsewhere(repeat) => {
                    let elsewhere = self.announcements.iter().filter(|a| a.link != own);
                    (elsewhere.copied().collect(), repeat)
                }
                Burst::One(one) => (Arc::from([one]), 1),
            };
            if !announcements.is_empty() {
                cx.out.push(Action::Announce { instance: self.tag.clone(), announcements, repeat });
            }
        }
    }

    /// A worse advert was heard here or by another member of the sync group: say again whose the addresses are.
    pub(in crate::machine) fn announce_for_inferior(&mut self, cx: &mut Cx<'_>) {
        if let State::Master(master) = &mut self.state {
            master.announcer.inferior_heard(&self.plan.announce, cx.now);
        }
        self.announce_due(cx);
    }

    /// The interfaces or addresses changed: what is derived from them is made anew.
    pub(in crate::machine) fn links_changed(&mut self, source: Option<IpAddr>, cx: &mut Cx<'_>) {
        if self.source != source {
            self.source = source;
            self.packet = None;
        }
        self.derive_from_links(cx.links);
        self.keep_virtual_link(cx);
    }

    pub(super) fn derive_from_links(&mut self, links: &Links) {
        let targets = self.plan.addresses.iter().filter_map(|a| {
            let facts = links.facts(a.link)?;
            Some(Announcement { link: a.link, index: facts.index, mac: facts.mac?, address: a.address })
        });
        let targets: Vec<Announcement> = targets.collect();
        if *self.announcements != *targets {
            self.announcements = targets.into();
        }
        let differs = self.leased.len() != self.plan.addresses.len();
        let foreign = self.plan.addresses.iter().any(|a| owned::is_foreign(links, a));
        if differs || foreign {
            self.leased =
                self.plan.addresses.iter().filter(|a| !owned::is_foreign(links, a)).cloned().collect();
        }
    }

    /// An interface the addresses are on is usable again: what it forgot is put back, and said.
    pub(in crate::machine) fn link_usable(&mut self, link: LinkName, cx: &mut Cx<'_>) {
        let used = link == self.plan.key.link || self.plan.addresses.iter().any(|a| a.link == link);
        if !used && self.plan.also_via.iter().any(|via| via.link == link) {
            return;
        }
        let request = Request {
            tag: &self.tag,
            addresses: &self.plan.addresses,
            lifetime: self.plan.lifetime,
            now: cx.now,
        };
        if let State::Master(master) = &mut self.state {
            master.holder.link_usable(link, &request, cx.links, cx.out);
            self.guard_again(link, cx);
            self.announce_again(cx);
        }
    }

    /// An address of ours was removed by somebody, or its lease ran out.
    pub(in crate::machine) fn address_removed(&mut self, link: LinkName, address: IpAddr, cx: &mut Cx<'_>) {
        self.derive_from_links(cx.links);
        if self.is_rising(link) {
            return;
        }
        let request = Request {
            tag: &self.tag,
            addresses: &self.plan.addresses,
            lifetime: self.plan.lifetime,
            now: cx.now,
        };
        if let State::Master(master) = &mut self.state
            && master.holder.removed(link, address, &request, cx.out)
        {
            self.announce_again(cx);
        }
    }

    /// An address of ours is there. If somebody else put it there while we are not master, two may answer for it.
    pub(in crate::machine) fn address_appeared(
        &mut self,
        link: LinkName,
        address: ObservedAddress,
        cx: &mut Cx<'_>,
    ) {
        let wanted = matches!(self.state, State::Master(_) | State::Releasing(_)) || self.plan.is_owner();
        if address.ours || wanted {
            return;
        }
        if let Some(address) =
            self.plan.addresses.iter().find(|a| (a.link, a.address) == (link, address.address)).cloned()
        {
            cx.out.push(Action::Report(Fact::ForeignAddress { instance: self.tag.clone(), address }));
        }
    }

    /// An address could not be installed or removed.
    pub(in crate::machine) fn address_failed(
        &mut self,
        link: LinkName,
        address: IpAddr,
        error: String,
        cx: &mut Cx<'_>,
    ) {
        let request = Request {
            tag: &self.tag,
            addresses: &self.plan.addresses,
            lifetime: self.plan.lifetime,
            now: cx.now,
        };
        if let State::Master(master) = &mut self.state {
            master.holder.failed(link, address, &request);
        } else {
            cx.links.forget_vanish(link, address);
        }
        self.effect_failed(error, cx);
    }
}
