//! Which of some addresses this machine holds, on whatever interface: read once, then kept up to date by what the kernel
//! reports. It says nothing about why: who sets addresses is none of this process's business.

use std::collections::BTreeSet;
use std::net::IpAddr;

use common::event_loop::{Drained, Interest, Registration, Registry};
use common::netlink::address::{self, Address, DADFAILED};
use common::netlink::link::IfIndex;
use common::netlink::monitor::{Event, Monitor};
use common::netlink::{Failure, NetlinkError, Protocol, Socket};

/// So many datagrams are read in one go.
const BUDGET: usize = 64;

/// The addresses, watched.
#[derive(Debug)]
pub struct Holdings<K: Copy> {
    _registration: Registration<K>,
    monitor: Monitor,
    socket: Socket,
    watched: BTreeSet<IpAddr>,
    /// Where those that are here are; the same address may be on two interfaces, or twice on one.
    places: BTreeSet<(IpAddr, IfIndex, u8)>,
}

impl<K: Copy> Holdings<K> {
    /// Watches nothing yet. Reports become readable under `key`.
    ///
    /// # Errors
    /// No such sockets, no descriptors.
    pub fn open(key: K, registry: &Registry<K>) -> Result<Self, NetlinkError> {
        let asked = |failure: Failure| failure.asked("watch addresses");
        let monitor = Monitor::open().map_err(asked)?;
        let registration = registry.add(&monitor, key, Interest::Read).map_err(|error| {
            let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
            asked(Failure::Socket { call: "register", errno })
        })?;
        let socket = Socket::open(Protocol::Route).map_err(asked)?;
        let (watched, places) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { _registration: registration, monitor, socket, watched, places })
    }

    /// Watches these from here on, and says which of them are here.
    ///
    /// # Errors
    /// The kernel could not be asked.
    pub fn watch(&mut self, watched: BTreeSet<IpAddr>) -> Result<BTreeSet<IpAddr>, NetlinkError> {
        self.watched = watched;
        self.list()
    }

    fn list(&mut self) -> Result<BTreeSet<IpAddr>, NetlinkError> {
        let listed = address::list(&mut self.socket)?;
        self.places.clear();
        for address in listed {
            self.set(&address);
        }
        Ok(self.held())
    }

    fn held(&self) -> BTreeSet<IpAddr> {
        self.places.iter().map(|(address, ..)| *address).collect()
    }

    fn set(&mut self, address: &Address) {
        if self.watched.contains(&address.address) {
            let place = (address.address, address.interface, address.prefix);
            // One that somebody else holds too is not used by the kernel.
            if address.flags & DADFAILED == 0 {
                self.places.insert(place)
            } else {
                self.places.remove(&place)
            };
        }
    }

    /// Reports are there: which of the watched addresses are here now.
    ///
    /// # Errors
    /// They cannot be read, or the kernel could not be asked anew.
    pub fn ready(&mut self) -> Result<(BTreeSet<IpAddr>, Drained), NetlinkError> {
        let mut drained = Drained::More;
        let mut lost = false;
        let mut reports = Vec::new();
        for _ in 0..BUDGET {
            let read = self.monitor.read(|report| reports.push(report));
            if !read.map_err(|failure| failure.asked("watch addresses"))? {
                drained = Drained::Yes;
                break;
            }
        }
        for report in reports {
            match report {
                Event::AddressSet(address) => self.set(&address),
                Event::AddressGone(gone) => {
                    self.places.remove(&(gone.address, gone.interface, gone.prefix));
                }
                // Its addresses went with it; where that was reported too, nothing is left to do.
                Event::LinkGone(link) => self.places.retain(|(_, interface, _)| *interface != link.index),
                Event::LinkSet(_) | Event::RouteReplaced(_) | Event::RouteGone(_) | Event::RuleGone(_) => {}
                Event::Resync => lost = true,
            }
        }
        if lost {
            self.list()?;
        }
        Ok((self.held(), drained))
    }
}
