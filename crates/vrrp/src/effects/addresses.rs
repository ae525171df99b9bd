//! Virtual addresses on and off their interfaces.
//!
//! Each request is one netlink message, an instance's addresses one batch. What the kernel refuses comes back as an
//! event, address by address.

use common::netlink::address::{self, Address, NODAD, NOPREFIXROUTE};
use common::netlink::link::IfIndex;
use common::netlink::{Failure, Message, Socket};

use super::kernel::Names;
use crate::machine::address::{Lifetime, Scope, VirtualAddress};
use crate::machine::event::Event;
use crate::machine::id::InstanceId;

/// A lifetime without end, as the kernel has it.
const FOREVER: u32 = u32::MAX;

/// Installs addresses, or renews their lease.
pub(super) fn install(
    socket: &mut Socket,
    names: &Names,
    instance: InstanceId,
    addresses: &[VirtualAddress],
    lifetime: Lifetime,
    failed: &mut Vec<Event<'static>>,
) {
    let mut known = Vec::with_capacity(addresses.len());
    let mut messages = Vec::with_capacity(addresses.len());
    for address in addresses {
        match names.index(address.link) {
            Some(index) => {
                known.push(address);
                messages.push(request(address, index, lifetime).install_message());
            }
            None => failed.push(failure(instance, address, "the interface does not exist".into())),
        }
    }
    perform(socket, instance, "install", &known, &messages, failed);
}

/// Removes addresses; those that are gone already are no failure.
pub(super) fn remove(
    socket: &mut Socket,
    names: &Names,
    instance: InstanceId,
    addresses: &[VirtualAddress],
    failed: &mut Vec<Event<'static>>,
) {
    let there = |address: &&VirtualAddress| names.index(address.link).is_some();
    let known: Vec<_> = addresses.iter().filter(there).collect();
    let messages: Vec<_> = known
        .iter()
        .filter_map(|address| Some((address, names.index(address.link)?)))
        .map(|(address, index)| request(address, index, Lifetime::Forever).remove_message())
        .collect();
    perform(socket, instance, "remove", &known, &messages, failed);
}

fn perform(
    socket: &mut Socket,
    instance: InstanceId,
    verb: &str,
    addresses: &[&VirtualAddress],
    messages: &[Message],
    failed: &mut Vec<Event<'static>>,
) {
    if messages.is_empty() {
        return;
    }
    match socket.batch(messages) {
        Ok(refused) => {
            for (position, why) in refused {
                if verb == "remove" && address::is_gone(&why) {
                    continue;
                }
                if let Some(address) = addresses.get(position) {
                    failed.push(failure(instance, address, words(verb, &why)));
                }
            }
        }
        // Unknown which were carried out: all are tried again.
        Err(why) => {
            failed.extend(addresses.iter().map(|address| failure(instance, address, words(verb, &why))));
        }
    }
}

fn words(verb: &str, why: &Failure) -> String {
    format!("cannot {verb} it: {why}")
}

fn failure(instance: InstanceId, address: &VirtualAddress, error: String) -> Event<'static> {
    Event::AddressFailed { instance, link: address.link, address: address.address, error }
}

/// What the kernel is asked for.
fn request(wanted: &VirtualAddress, index: IfIndex, lifetime: Lifetime) -> Address {
    let mut address = Address::new(index, wanted.address, wanted.prefix);
    address.label.clone_from(&wanted.label);
    address.broadcast = wanted.broadcast;
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
    address.lifetime = address::Lifetime::Seconds { valid, preferred: valid };
    if wanted.address.is_ipv6() {
        // The election has settled whose it is; detection of duplicates would only delay it.
        address.flags |= NODAD;
        // Deprecated: it answers, but this machine's own connections don't start from an address that may leave.
        address.lifetime = address::Lifetime::Seconds { valid, preferred: 0 };
        if wanted.prefix == 128 {
            address.flags |= NOPREFIXROUTE;
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
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
            advertised: true,
        }
    }

    #[test]
    fn an_ipv4_address_is_asked_for_with_all_that_is_configured() {
        let mut address = wanted("192.0.2.1", 24);
        address.label = Some("eth0:vip".into());
        address.scope = Some(Scope::Link);
        address.broadcast = Some("192.0.2.255".parse().unwrap());
        let asked = request(&address, IfIndex(3), Lifetime::Lease(Duration::from_secs(3)));
        assert_eq!((asked.prefix, asked.label.as_deref()), (24, Some("eth0:vip")));
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
}
