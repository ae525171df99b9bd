//! The kernel's interfaces and addresses as the core is to see them.
//!
//! Turns what the monitor reports into the core's events, by names: numbers are the kernel's business and change when
//! an interface is made anew. When reports were lost, or an interface was renamed, the core gets the whole picture.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::event_loop::{Drained, Interest, Registration, Registry};
use common::netlink::address::{self, Address, DADFAILED, Lifetime, TENTATIVE};
use common::netlink::link::{self, IfIndex, Link};
use common::netlink::monitor::{self, Monitor};
use common::netlink::{Failure, NetlinkError, Protocol, Socket};

use super::objects;
use crate::machine::address::{ObservedAddress, VirtualAddress};
use crate::machine::event::{Event, LinkFacts, ObservedLink};
use crate::machine::id::{LinkIndex, LinkName, Mac};
use crate::machine::object::{Key, Object};

/// How many datagrams are read before others have their turn.
const BUDGET: usize = 64;
/// When reading the tables failed, it is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// A lease is never longer; a DHCP client's practically never as short.
const LONGEST_LEASE: u32 = 60;
/// The first kernel that keeps the mark on addresses.
const MARK_SINCE: (u32, u32) = (5, 18);

/// Which interface has which name now.
#[derive(Debug, Default)]
pub struct Names {
    by_index: BTreeMap<IfIndex, LinkName>,
    by_name: BTreeMap<LinkName, IfIndex>,
    /// Those we deleted and whose end was not reported yet.
    going: BTreeSet<IfIndex>,
}

impl Names {
    /// The number of the interface of this name.
    pub fn index(&self, link: LinkName) -> Option<IfIndex> {
        self.by_name.get(&link).copied()
    }

    /// The name of the interface of this number.
    pub fn name(&self, index: IfIndex) -> Option<LinkName> {
        self.by_index.get(&index).copied()
    }

    /// An interface has this name from now on.
    pub(super) fn set(&mut self, index: IfIndex, name: LinkName) {
        self.by_index.insert(index, name);
        self.by_name.insert(name, index);
    }

    /// An interface is about to go by our own doing: what is reported of it from now on is of no interest.
    pub(super) fn forget(&mut self, index: IfIndex) {
        self.unset(index);
        self.going.insert(index);
    }

    /// Forgets a number; the name goes with it unless another interface has it by now.
    fn unset(&mut self, index: IfIndex) -> Option<LinkName> {
        let name = self.by_index.remove(&index)?;
        if self.by_name.get(&name) == Some(&index) {
            self.by_name.remove(&name);
            return Some(name);
        }
        None
    }
}

/// The request socket, the monitor, and the names.
#[derive(Debug)]
pub struct Kernel<K: Copy> {
    _registration: Registration<K>,
    monitor: Monitor,
    /// For requests.
    pub socket: Socket,
    /// Which interface has which name now.
    pub names: Names,
    marks: Marks,
    /// Reports were lost: the tables are to be read, at this time.
    stale: Option<Instant>,
}

impl<K: Copy> Kernel<K> {
    /// Subscribes to reports, which become readable under `key`. What was before is told by [`Self::observe`].
    ///
    /// # Errors
    /// No such sockets, no descriptors.
    pub fn open(key: K, registry: &Registry<K>) -> Result<Self, NetlinkError> {
        let asked = |failure: Failure| failure.asked("watch interfaces and addresses");
        let monitor = Monitor::open().map_err(asked)?;
        let registration = registry.add(&monitor, key, Interest::Read).map_err(|error| {
            let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
            asked(Failure::Socket { call: "register", errno })
        })?;
        let socket = Socket::open(Protocol::Route).map_err(asked)?;
        let marks = Marks::of_running_kernel();
        Ok(Self { _registration: registration, monitor, socket, names: Names::default(), marks, stale: None })
    }

    /// Reads the whole picture.
    ///
    /// # Errors
    /// The kernel could not be asked.
    pub fn observe(&mut self) -> Result<Vec<ObservedLink>, NetlinkError> {
        let links = link::list(&mut self.socket)?;
        let addresses = address::list(&mut self.socket)?;
        self.names = Names::default();
        let mut observed = Vec::with_capacity(links.len());
        for link in links {
            let Some(name) = LinkName::new(&link.name) else { continue };
            self.names.set(link.index, name);
            let own = addresses.iter().filter(|address| address.interface == link.index);
            let addresses = own.map(|address| self.marks.observed(address)).collect();
            observed.push(ObservedLink { link: name, facts: facts(&link), addresses });
        }
        Ok(observed)
    }

    /// Removes addresses that belong to no instance; what fails is said.
    pub fn remove(&mut self, addresses: &[VirtualAddress]) {
        // As the kernel has them: the other end of an address is part of its name.
        let present = match address::list(&mut self.socket) {
            Ok(present) => present,
            Err(error) => return log::warn!("{error}"),
        };
        for address in addresses {
            let index = self.names.index(address.link);
            let there = |there: &&Address| {
                Some(there.interface) == index && there.address == address.address && there.is_ours()
            };
            if let Some(there) = present.iter().find(there)
                && let Err(error) = address::remove(&mut self.socket, there)
            {
                log::warn!("{error}");
            }
        }
    }

    /// The routes, rules and addresses of ours of which `is_known` says that they may be somebody's here.
    ///
    /// # Errors
    /// The kernel could not be asked.
    pub fn objects(&mut self, is_known: impl Fn(&Key) -> bool) -> Result<Vec<Object>, NetlinkError> {
        objects::list(&mut self.socket, &self.names, is_known)
    }

    /// The monitor is readable.
    pub fn ready(&mut self, now: Instant, out: &mut Vec<Event<'static>>) -> Drained {
        for _ in 0..BUDGET {
            let (names, marks, mut lost) = (&mut self.names, &self.marks, false);
            let read = self.monitor.read(|report| {
                // What is left in the socket is older than the picture that is about to be read.
                if self.stale.is_none() {
                    lost |= !translate(report, names, marks, out);
                }
            });
            if lost {
                self.stale = Some(now);
            }
            match read {
                Ok(true) => {}
                Ok(false) => {
                    self.timeout(now, out);
                    return Drained::Yes;
                }
                Err(failure) => {
                    log::error!("cannot read what the kernel reports: {failure}");
                    self.stale = Some(now + RETRY);
                    return Drained::Yes;
                }
            }
        }
        Drained::More
    }

    /// When [`Self::timeout`] has something to do.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.stale
    }

    /// Reads the tables if reports were lost.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Event<'static>>) {
        if self.stale.is_none_or(|due| due > now) {
            return;
        }
        match self.observe() {
            Ok(picture) => {
                self.stale = None;
                out.push(Event::LinksObserved(picture));
            }
            Err(error) => {
                log::warn!("interfaces and addresses could not be read, trying again: {error}");
                self.stale = Some(now + RETRY);
            }
        }
    }
}

/// One report as an event. False when the tables have to be read instead.
fn translate(
    report: monitor::Event,
    names: &mut Names,
    marks: &Marks,
    out: &mut Vec<Event<'static>>,
) -> bool {
    match report {
        // What it is called in a moment is reported, too.
        monitor::Event::LinkSet(link) if link.name.starts_with(link::TEMPORARY) => {}
        monitor::Event::LinkSet(link) if names.going.contains(&link.index) => {}
        monitor::Event::LinkSet(link) => {
            let Some(name) = LinkName::new(&link.name) else { return true };
            match names.by_index.get(&link.index) {
                // Renamed: its addresses came along.
                Some(known) if *known != name => return false,
                Some(_) => {}
                None => names.set(link.index, name),
            }
            out.push(Event::LinkChanged { link: name, facts: facts(&link) });
        }
        monitor::Event::LinkGone(link) if names.going.remove(&link.index) => {}
        monitor::Event::LinkGone(link) => {
            out.extend(names.unset(link.index).map(|link| Event::LinkVanished { link }));
        }
        monitor::Event::AddressSet(address) => {
            if let Some(link) = names.by_index.get(&address.interface) {
                let address = marks.observed(&address);
                out.push(Event::AddressAppeared { link: *link, address });
            }
        }
        monitor::Event::AddressGone(address) => {
            if let Some(link) = names.by_index.get(&address.interface) {
                out.push(Event::AddressVanished { link: *link, address: address.address });
            }
        }
        // The watch over routes and rules has them.
        monitor::Event::RouteReplaced(_) | monitor::Event::RouteGone(_) | monitor::Event::RuleGone(_) => {}
        monitor::Event::Resync => return false,
    }
    true
}

fn facts(link: &Link) -> LinkFacts {
    LinkFacts {
        index: LinkIndex(link.index.0),
        up: link.up,
        carrier: link.running,
        // Nobody is to be told where an address is on a link without neighbours to resolve.
        mac: link.mac.filter(|_| link.arp && !link.loopback).map(|mac| Mac(mac.0)),
        mtu: link.mtu,
        parent: link.parent.map(|index| LinkIndex(index.0)),
    }
}

/// How an address of ours is told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// By the mark.
    Kept,
    /// The kernel drops the mark: by the lease, which nothing else has as short. A permanent address of ours is then
    /// left alone by a successor.
    Dropped,
}

impl Marks {
    fn of_running_kernel() -> Self {
        let release = nix::sys::utsname::uname().ok();
        let release = release.as_ref().and_then(|name| name.release().to_str());
        release.map_or(Self::Kept, Self::of_release)
    }

    fn of_release(release: &str) -> Self {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < MARK_SINCE => Self::Dropped,
            _ => Self::Kept,
        }
    }

    fn observed(self, address: &Address) -> ObservedAddress {
        let leased = matches!(address.lifetime, Lifetime::Seconds { valid, .. } if valid <= LONGEST_LEASE);
        ObservedAddress {
            address: address.address,
            prefix: address.prefix,
            ours: address.is_ours() || (self == Self::Dropped && leased),
            usable: address.flags & (TENTATIVE | DADFAILED) == 0 && !is_unset(address.address),
        }
    }
}

const fn is_unset(address: IpAddr) -> bool {
    address.is_unspecified()
}

#[cfg(test)]
mod tests;
