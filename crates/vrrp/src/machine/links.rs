//! The interfaces and addresses of this machine, as last seen.
//!
//! Knows which addresses are virtual ones of ours, so that adverts are never sent from an address that may move away,
//! and which removals are our own doing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::address::ObservedAddress;
use super::announce::Pace;
use super::event::{LinkFacts, ObservedLink};
use super::fact::Cause;
use super::id::{Family, LinkName};
use crate::wire::admit::is_link_local;

/// What is known of the interfaces.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<LinkName, Link>,
    // Removals we asked for and have not seen happen.
    leaving: BTreeSet<(LinkName, IpAddr)>,
    /// When announcements may leave by them.
    pub(super) pace: Pace,
}

#[derive(Debug)]
struct Link {
    facts: LinkFacts,
    addresses: Vec<ObservedAddress>,
}

/// How an address left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vanished {
    /// We removed it.
    Asked,
    /// It was there and somebody removed it, or its lease ran out.
    Foreign,
    /// It was not known to be there.
    Unknown,
}

impl Links {
    /// Takes the whole picture; returns every interface that was or is known.
    pub(super) fn replace(&mut self, observed: Vec<ObservedLink>) -> BTreeSet<LinkName> {
        let mut touched: BTreeSet<LinkName> = self.links.keys().copied().collect();
        self.leaving.clear();
        self.links =
            observed.into_iter().map(|o| (o.link, Link { facts: o.facts, addresses: o.addresses })).collect();
        touched.extend(self.links.keys());
        touched
    }

    /// Takes news of an interface.
    pub(super) fn change(&mut self, link: LinkName, facts: LinkFacts) {
        match self.links.get_mut(&link) {
            // Another index is another interface: the addresses of the old one are gone.
            Some(known) if known.facts.index != facts.index => *known = Link { facts, addresses: Vec::new() },
            Some(known) => known.facts = facts,
            None => {
                self.links.insert(link, Link { facts, addresses: Vec::new() });
            }
        }
    }

    /// An interface is gone.
    pub(super) fn remove(&mut self, link: LinkName) {
        self.links.remove(&link);
        self.leaving.retain(|(l, _)| *l != link);
    }

    /// An address is there. Says whether anything about it is new.
    pub(super) fn address_appeared(&mut self, link: LinkName, address: ObservedAddress) -> bool {
        let Some(known) = self.links.get_mut(&link) else {
            return false;
        };
        if let Some(old) = known.addresses.iter_mut().find(|a| a.address == address.address) {
            let news = *old != address;
            *old = address;
            return news;
        }
        known.addresses.push(address);
        true
    }

    /// An address is gone.
    pub(super) fn address_vanished(&mut self, link: LinkName, address: IpAddr) -> Vanished {
        let asked = self.leaving.remove(&(link, address));
        let Some(known) = self.links.get_mut(&link) else {
            return Vanished::Unknown;
        };
        let before = known.addresses.len();
        known.addresses.retain(|a| a.address != address);
        if asked {
            Vanished::Asked
        } else if known.addresses.len() < before {
            Vanished::Foreign
        } else {
            Vanished::Unknown
        }
    }

    /// We are about to remove an address.
    pub(super) fn expect_vanish(&mut self, link: LinkName, address: IpAddr) {
        if self.address(link, address).is_some() {
            self.leaving.insert((link, address));
        }
    }

    /// A removal failed: the address stays.
    pub(super) fn forget_vanish(&mut self, link: LinkName, address: IpAddr) {
        self.leaving.remove(&(link, address));
    }

    /// What an interface is, if it is there.
    pub(super) fn facts(&self, link: LinkName) -> Option<&LinkFacts> {
        self.links.get(&link).map(|l| &l.facts)
    }

    /// An address of an interface, if it is there.
    pub(super) fn address(&self, link: LinkName, address: IpAddr) -> Option<&ObservedAddress> {
        self.links.get(&link)?.addresses.iter().find(|a| a.address == address)
    }

    /// The interfaces that can be used.
    pub(super) fn usable(&self) -> BTreeSet<LinkName> {
        self.links.keys().filter(|l| self.check(**l).is_ok()).copied().collect()
    }

    /// Whether an interface can be used, and if not, why.
    pub(super) fn check(&self, link: LinkName) -> Result<(), Cause> {
        let facts = self.facts(link).ok_or(Cause::LinkMissing(link))?;
        if !facts.up {
            return Err(Cause::LinkDown(link));
        }
        if !facts.carrier {
            return Err(Cause::NoCarrier(link));
        }
        Ok(())
    }

    /// The address to send adverts from: the interface's first IPv4 address (RFC 9568 5.1.1.1), its link-local IPv6
    /// address (5.1.2.1). One that is in use and still there stays in use. Virtual ones come last: an owner may have
    /// no other.
    pub(super) fn source(
        &self,
        link: LinkName,
        family: Family,
        current: Option<IpAddr>,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let fits = |a: &&ObservedAddress| {
            a.usable
                && Family::of(a.address) == family
                && (family == Family::Ipv4 || is_link_local(a.address))
        };
        let known = self.links.get(&link)?;
        let candidates = || known.addresses.iter().filter(fits).map(|a| a.address);
        let own = || candidates().filter(|a| !is_virtual(*a));
        own()
            .find(|a| Some(*a) == current)
            .or_else(|| own().next())
            .or_else(|| candidates().find(|a| known.addresses.iter().any(|o| o.address == *a && !o.ours)))
    }
}
