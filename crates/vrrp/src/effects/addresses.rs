//! Virtual addresses on and off their interfaces.
//!
//! Requests are gathered and sent together, in their order: when hundreds of instances move at once, or renew their
//! leases at once, that is two system calls for two hundred addresses. What the kernel refuses comes back as an event,
//! address by address.

use std::net::IpAddr;

use common::netlink::address::{self, Address, HOMEADDRESS, MANAGETEMPADDR, NODAD, NOPREFIXROUTE};
use common::netlink::link::IfIndex;
use common::netlink::{Failure, Message, Socket};

use super::kernel::Names;
use crate::machine::address::{Lifetime, Preferred, Scope, VirtualAddress};
use crate::machine::event::Event;
use crate::machine::id::{InstanceId, LinkName};

/// A lifetime without end, as the kernel has it.
const FOREVER: u32 = u32::MAX;

/// Requests about addresses that are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    messages: Vec<Message>,
    subjects: Vec<Subject>,
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
struct Subject {
    instance: InstanceId,
    link: LinkName,
    address: IpAddr,
    verb: Verb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Install,
    Remove,
}

impl Batch {
    /// Whether nothing is to be sent.
    pub(super) const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds addresses to be installed, or whose lease is to be renewed.
    pub(super) fn install(
        &mut self,
        names: &Names,
        instance: InstanceId,
        addresses: &[VirtualAddress],
        lifetime: Lifetime,
        news: &mut Vec<Event<'static>>,
    ) {
        for address in addresses {
            let subject = Subject::new(instance, address, Verb::Install);
            match names.index(address.link) {
                Some(index) => {
                    self.messages.push(request(address, index, lifetime).install_message());
                    self.subjects.push(subject);
                }
                None => news.push(subject.failed(&"the interface does not exist")),
            }
        }
    }

    /// Adds addresses to be removed; those that are gone already are no failure.
    pub(super) fn remove(&mut self, names: &Names, instance: InstanceId, addresses: &[VirtualAddress]) {
        for address in addresses {
            if let Some(index) = names.index(address.link) {
                self.messages.push(request(address, index, Lifetime::Forever).remove_message());
                self.subjects.push(Subject::new(instance, address, Verb::Remove));
            }
        }
    }

    /// Sends what was gathered.
    pub(super) fn send(&mut self, socket: &mut Socket, news: &mut Vec<Event<'static>>) {
        match socket.batch(&self.messages) {
            Ok(refused) => {
                for (position, why) in refused {
                    let Some(subject) = self.subjects.get(position) else { continue };
                    if subject.verb == Verb::Install || !address::is_gone(&why) {
                        news.push(subject.failed(&why));
                    }
                }
            }
            // Unknown which were carried out: all are tried again.
            Err(why) => self.all_failed(&why, news),
        }
        self.messages.clear();
        self.subjects.clear();
    }

    fn all_failed(&self, why: &Failure, news: &mut Vec<Event<'static>>) {
        news.extend(self.subjects.iter().map(|subject| subject.failed(why)));
    }
}

impl Subject {
    const fn new(instance: InstanceId, address: &VirtualAddress, verb: Verb) -> Self {
        Self { instance, link: address.link, address: address.address, verb }
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Event<'static> {
        let Self { instance, link, address, verb } = *self;
        let verb = match verb {
            Verb::Install => "install",
            Verb::Remove => "remove",
        };
        let error = format!("cannot {verb} {address} on {link}: {why}");
        Event::AddressFailed { instance, link, address, error }
    }
}

/// What the kernel is asked for.
pub(super) fn request(wanted: &VirtualAddress, index: IfIndex, lifetime: Lifetime) -> Address {
    let mut address = Address::new(index, wanted.address, wanted.prefix);
    address.label.clone_from(&wanted.label);
    address.broadcast = wanted.broadcast;
    address.metric = wanted.options.metric;
    address.scope = match wanted.scope {
        None | Some(Scope::Global) => address::Scope::GLOBAL,
        Some(Scope::Site) => address::Scope::SITE,
        Some(Scope::Link) => address::Scope::LINK,
        Some(Scope::Host) => address::Scope::HOST,
    };
    let valid = match lifetime {
        Lifetime::Forever => FOREVER,
        // Never 0, which the kernel refuses.
        Lifetime::Lease(lease) => u32::try_from(lease.as_secs()).unwrap_or(FOREVER).max(1),
    };
    let options = &wanted.options;
    let ipv6 = wanted.address.is_ipv6();
    let preferred = match options.preferred {
        // Deprecated: it answers, but this machine's own connections don't start from an address that may leave.
        Preferred::Usual if ipv6 => 0,
        Preferred::Usual | Preferred::Forever => valid,
        // Never longer than it is valid, which the kernel refuses.
        Preferred::For(time) => u32::try_from(time.as_secs()).unwrap_or(FOREVER).min(valid),
    };
    address.lifetime = address::Lifetime::Seconds { valid, preferred };
    address.peer = options.peer;
    let flags = [
        // The election has settled whose it is; detection of duplicates would only delay it.
        (NODAD, ipv6 && !options.detect_duplicates),
        (NOPREFIXROUTE, options.no_prefix_route || (ipv6 && wanted.prefix == 128)),
        (HOMEADDRESS, options.home),
        (MANAGETEMPADDR, options.manage_temporary),
    ];
    for (flag, _) in flags.iter().filter(|(_, set)| *set) {
        address.flags |= flag;
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::address::Options;
    use crate::machine::id::LinkName;
    use std::time::Duration;

    fn wanted(address: &str, prefix: u8) -> VirtualAddress {
        VirtualAddress {
            address: address.parse().unwrap(),
            prefix,
            link: LinkName::new("eth0").unwrap(),
            label: None,
            scope: None,
            broadcast: None,
            options: Options::default(),
            advertised: true,
        }
    }

    #[test]
    fn an_ipv4_address_is_asked_for_with_all_that_is_configured() {
        let mut address = wanted("192.0.2.1", 24);
        address.label = Some("eth0:vip".into());
        address.options.metric = Some(700);
        address.scope = Some(Scope::Link);
        address.broadcast = Some("192.0.2.255".parse().unwrap());
        let asked = request(&address, IfIndex(3), Lifetime::Lease(Duration::from_secs(3)));
        assert_eq!((asked.prefix, asked.label.as_deref()), (24, Some("eth0:vip")));
        assert_eq!(asked.metric, Some(700));
        assert_eq!((asked.scope, asked.broadcast), (address::Scope::LINK, address.broadcast));
        assert_eq!(asked.lifetime, address::Lifetime::Seconds { valid: 3, preferred: 3 });
        assert!(asked.is_ours());
    }

    #[test]
    fn an_ipv6_address_is_usable_at_once_and_not_chosen_as_a_source() {
        let asked = request(&wanted("2001:db8::1", 128), IfIndex(3), Lifetime::Forever);
        assert_eq!(asked.flags, NODAD | NOPREFIXROUTE);
        assert_eq!(asked.lifetime, address::Lifetime::Seconds { valid: FOREVER, preferred: 0 });
        let with_prefix = request(&wanted("2001:db8::1", 64), IfIndex(3), Lifetime::Forever);
        assert_eq!(with_prefix.flags, NODAD);
    }

    #[test]
    fn options_become_flags_and_lifetimes() {
        let mut address = wanted("2001:db8::1", 64);
        address.options = Options {
            preferred: Preferred::Forever,
            home: true,
            detect_duplicates: true,
            manage_temporary: true,
            no_prefix_route: true,
            ..Options::default()
        };
        let lease = Lifetime::Lease(Duration::from_secs(3));
        let asked = request(&address, IfIndex(3), lease);
        assert_eq!(asked.flags, HOMEADDRESS | MANAGETEMPADDR | NOPREFIXROUTE);
        assert_eq!(asked.lifetime, address::Lifetime::Seconds { valid: 3, preferred: 3 });
        address.options.preferred = Preferred::For(Duration::from_secs(60));
        let asked = request(&address, IfIndex(3), Lifetime::Forever);
        assert_eq!(asked.lifetime, address::Lifetime::Seconds { valid: FOREVER, preferred: 60 });
        let mut address = wanted("192.0.2.1", 32);
        address.options.peer = Some("192.0.2.9".parse().unwrap());
        let asked = request(&address, IfIndex(3), lease);
        assert_eq!((asked.peer, asked.flags), (address.options.peer, 0));
    }
}
