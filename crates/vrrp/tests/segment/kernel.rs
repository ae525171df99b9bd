//! What a machine's kernel keeps: virtual addresses and their leases, and what it tells of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::machine::address::{Lifetime, ObservedAddress, VirtualAddress};
use vrrp::machine::event::{Event, LinkFacts, ObservedLink};
use vrrp::machine::id::{LinkIndex, LinkName, Mac};

use super::{World, eth0, eth1};

/// What the kernel of a machine has.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// Virtual addresses with the end of their lease.
    pub(super) held: BTreeMap<(LinkName, IpAddr), (u8, Option<Instant>)>,
    pub(super) listening: bool,
    pub(super) carrier: bool,
}

impl World {
    pub(super) fn install(&mut self, n: usize, address: &VirtualAddress, lifetime: Lifetime) {
        let end = match lifetime {
            Lifetime::Forever => None,
            // Never early, late by up to 0.6 s (measured).
            Lifetime::Lease(d) => Some(self.now + d + Duration::from_millis(self.random.below(600))),
        };
        self.nodes[n].kernel.held.insert((address.link, address.address), (address.prefix, end));
        let observed = observed(address.address, address.prefix);
        self.news(n, Event::AddressAppeared { link: address.link, address: observed });
    }

    pub(super) fn news(&mut self, n: usize, event: Event<'static>) {
        let at = self.now + Duration::from_micros(50);
        self.nodes[n].news.push_back((at, event));
    }

    pub(super) fn expire(&mut self, n: usize) {
        let now = self.now;
        let held = &mut self.nodes[n].kernel.held;
        let due = |end: &Option<Instant>| end.is_some_and(|at| at <= now);
        let gone: Vec<_> = held.iter().filter(|(_, (_, end))| due(end)).map(|(key, _)| *key).collect();
        for (link, address) in gone {
            self.nodes[n].watcher.lease_ended(self.healthy(n), address);
            self.nodes[n].kernel.held.remove(&(link, address));
            self.news(n, Event::AddressVanished { link, address });
        }
    }

    pub(super) fn observed(&self, n: usize) -> Vec<ObservedLink> {
        let node = &self.nodes[n];
        let mut addresses =
            vec![ObservedAddress { address: node.own, prefix: 24, ours: false, usable: true }];
        addresses.extend(node.kernel.held.iter().map(|((_, a), (prefix, _))| observed(*a, *prefix)));
        let second = ObservedAddress { address: node.second, prefix: 24, ours: false, usable: true };
        vec![
            ObservedLink { link: eth0(), facts: facts(2, node.kernel.carrier), addresses },
            ObservedLink { link: eth1(), facts: facts(3, true), addresses: vec![second] },
        ]
    }
}

pub(super) fn facts(index: u32, carrier: bool) -> LinkFacts {
    let mac = Some(Mac([2, 0, 0, 0, 0, 1]));
    LinkFacts { index: LinkIndex(index), up: true, carrier, mac, mtu: 1500, parent: None }
}

fn observed(address: IpAddr, prefix: u8) -> ObservedAddress {
    ObservedAddress { address, prefix, ours: true, usable: true }
}
