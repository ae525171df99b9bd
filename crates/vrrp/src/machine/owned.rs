//! The addresses a master holds: kept alive by their lease, put back when somebody removes them.
//!
//! What is wanted is the plan's list; what is there is in [`Links`]. An address that is on the interface without our
//! mark belongs to somebody else (or, for an owner, is the machine's own): it is used, but never touched.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::action::Action;
use super::address::{Lifetime, VirtualAddress};
use super::fact::Fact;
use super::id::{LinkName, Tag};
use super::links::Links;

/// Repairs of one instance come at most this often, so that a quarrel with another program stays cheap.
const REPAIR_SPACING: Duration = Duration::from_secs(1);
/// A lease is refreshed this many times in its length.
const REFRESHES_PER_LEASE: u32 = 3;

/// The holder of an instance's addresses; exists only while it holds them.
#[derive(Debug)]
pub(super) struct Holder {
    lease_at: Option<Instant>,
    lost: BTreeMap<(LinkName, IpAddr), Lost>,
    repaired_at: Option<Instant>,
    repair_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    // Somebody removed it: worth a word.
    Removed,
    // The kernel did, since this process did not refresh it in time: worth another.
    Expired,
    // It was not there or could not be installed, which has been said already.
    Absent,
}

/// What a request is made with.
pub(super) struct Request<'a> {
    pub(super) tag: &'a Tag,
    pub(super) addresses: &'a [VirtualAddress],
    pub(super) lifetime: Lifetime,
    pub(super) now: Instant,
}

impl Holder {
    /// Puts the addresses on their interfaces.
    pub(super) fn take(r: &Request<'_>, links: &Links, out: &mut Vec<Action>) -> Self {
        let holder = Self {
            lease_at: next_refresh(r.lifetime, r.now),
            lost: BTreeMap::new(),
            repaired_at: None,
            repair_at: None,
        };
        let (foreign, ours): (Vec<_>, Vec<_>) =
            r.addresses.iter().cloned().partition(|a| is_foreign(links, a));
        for address in foreign {
            out.push(Action::Report(Fact::ForeignAddress { instance: r.tag.clone(), address }));
        }
        install(r, ours, out);
        holder
    }

    /// Takes them off again.
    pub(super) fn release(self, r: &Request<'_>, links: &mut Links, out: &mut Vec<Action>) {
        remove(r.tag, r.addresses, links, out);
    }

    /// The wanted list became `r.addresses`: what was added or changed is installed. What is gone was shed before.
    pub(super) fn adopt(
        &mut self,
        old: &[VirtualAddress],
        old_lifetime: Lifetime,
        r: &Request<'_>,
        links: &Links,
        out: &mut Vec<Action>,
    ) {
        let relet = old_lifetime != r.lifetime;
        let new = r.addresses.iter().filter(|a| relet || !old.contains(a));
        let new: Vec<_> = new.filter(|a| !is_foreign(links, a)).cloned().collect();
        install(r, new, out);
        self.lost.retain(|(link, address), _| wants(r.addresses, *link, *address));
        if relet {
            self.lease_at = next_refresh(r.lifetime, r.now);
        }
    }

    /// An address left its interface although we hold it. Says whether it was put back at once.
    pub(super) fn removed(
        &mut self,
        link: LinkName,
        address: IpAddr,
        r: &Request<'_>,
        out: &mut Vec<Action>,
    ) -> bool {
        let how = if self.lease_ran_out(r) { Lost::Expired } else { Lost::Removed };
        self.lose(link, address, how, r);
        self.repair(r, out)
    }

    /// An effect on an address failed: it is tried again after a while.
    pub(super) fn failed(&mut self, link: LinkName, address: IpAddr, r: &Request<'_>) {
        self.repaired_at = Some(r.now);
        self.lose(link, address, Lost::Absent, r);
    }

    /// An interface is usable (again): what should be on it and is not is put there. Says whether there was any.
    pub(super) fn link_usable(
        &mut self,
        link: LinkName,
        r: &Request<'_>,
        links: &Links,
        out: &mut Vec<Action>,
    ) -> bool {
        let absent =
            r.addresses.iter().filter(|a| a.link == link && links.address(link, a.address).is_none());
        let absent: Vec<_> = absent.cloned().collect();
        for address in &absent {
            self.lost.remove(&(link, address.address));
        }
        install(r, absent.clone(), out);
        !absent.is_empty()
    }

    /// The last refresh is longer ago than the lease lasts.
    fn lease_ran_out(&self, r: &Request<'_>) -> bool {
        let (Lifetime::Lease(lease), Some(interval)) = (r.lifetime, refresh_interval(r.lifetime)) else {
            return false;
        };
        self.lease_at.is_some_and(|due| r.now >= due + lease.saturating_sub(interval))
    }

    fn lose(&mut self, link: LinkName, address: IpAddr, how: Lost, r: &Request<'_>) {
        if !wants(r.addresses, link, address) {
            return;
        }
        self.lost.entry((link, address)).or_insert(how);
        if self.repair_at.is_none() {
            let earliest = self.repaired_at.map_or(r.now, |at| at + REPAIR_SPACING);
            self.repair_at = Some(earliest.max(r.now));
        }
    }

    fn repair(&mut self, r: &Request<'_>, out: &mut Vec<Action>) -> bool {
        if self.repair_at.is_none_or(|at| at > r.now) {
            return false;
        }
        self.repair_at = None;
        self.repaired_at = Some(r.now);
        let lost = std::mem::take(&mut self.lost);
        let back: Vec<_> =
            r.addresses.iter().filter(|a| lost.contains_key(&(a.link, a.address))).cloned().collect();
        for address in &back {
            let (instance, address) = (r.tag.clone(), address.clone());
            let fact = match lost.get(&(address.link, address.address)) {
                Some(Lost::Removed) => Fact::Repaired { instance, address },
                Some(Lost::Expired) => Fact::LeaseRanOut { instance, address },
                Some(Lost::Absent) | None => continue,
            };
            out.push(Action::Report(fact));
        }
        let any = !back.is_empty();
        install(r, back, out);
        any
    }

    /// Does what is due; says whether addresses were put back.
    pub(super) fn handle_timeout(
        &mut self,
        r: &Request<'_>,
        leased: &Arc<[VirtualAddress]>,
        out: &mut Vec<Action>,
    ) -> bool {
        self.refresh(r, leased, Duration::ZERO, out);
        self.repair(r, out)
    }

    /// Refreshes the lease if that is due within `slack`: done with an advert, it costs no wake-up of its own.
    pub(super) fn refresh(
        &mut self,
        r: &Request<'_>,
        leased: &Arc<[VirtualAddress]>,
        slack: Duration,
        out: &mut Vec<Action>,
    ) {
        if self.lease_at.is_none_or(|at| at > r.now + slack) {
            return;
        }
        self.lease_at = next_refresh(r.lifetime, r.now);
        if !leased.is_empty() {
            out.push(Action::RefreshAddresses {
                instance: r.tag.clone(),
                addresses: Arc::clone(leased),
                lifetime: r.lifetime,
            });
        }
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.lease_at, self.repair_at].into_iter().flatten().min()
    }
}

/// Time between two refreshes of a lease.
pub(super) fn refresh_interval(lifetime: Lifetime) -> Option<Duration> {
    match lifetime {
        Lifetime::Forever => None,
        Lifetime::Lease(lease) => Some(lease / REFRESHES_PER_LEASE),
    }
}

fn next_refresh(lifetime: Lifetime, now: Instant) -> Option<Instant> {
    refresh_interval(lifetime).map(|d| now + d)
}

fn wants(addresses: &[VirtualAddress], link: LinkName, address: IpAddr) -> bool {
    addresses.iter().any(|a| (a.link, a.address) == (link, address))
}

/// It is there without our mark.
pub(super) fn is_foreign(links: &Links, address: &VirtualAddress) -> bool {
    links.address(address.link, address.address).is_some_and(|a| !a.ours)
}

fn install(r: &Request<'_>, addresses: Vec<VirtualAddress>, out: &mut Vec<Action>) {
    if !addresses.is_empty() {
        out.push(Action::InstallAddresses { instance: r.tag.clone(), addresses, lifetime: r.lifetime });
    }
}

/// Takes off what is in `old` and not in `new`. The same address with other attributes is replaced in place later, as
/// far as the kernel can do that.
pub(super) fn shed(
    tag: &Tag,
    old: &[VirtualAddress],
    new: &[VirtualAddress],
    links: &mut Links,
    out: &mut Vec<Action>,
) {
    let gone = old.iter().filter(|a| !new.iter().any(|b| a.is_replaceable_by(b)));
    let gone: Vec<_> = gone.cloned().collect();
    remove(tag, &gone, links, out);
}

/// Takes addresses off their interfaces, foreign ones excepted.
pub(super) fn remove(tag: &Tag, addresses: &[VirtualAddress], links: &mut Links, out: &mut Vec<Action>) {
    let ours: Vec<_> = addresses.iter().filter(|a| !is_foreign(links, a)).cloned().collect();
    for address in &ours {
        links.expect_vanish(address.link, address.address);
    }
    if !ours.is_empty() {
        out.push(Action::RemoveAddresses { instance: tag.clone(), addresses: ours });
    }
}
