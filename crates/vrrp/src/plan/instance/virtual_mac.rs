//! `virtual_mac`: an interface of its own for the virtual router, with its own hardware address (RFC 9568 7.3).

use common::config::{Diagnostics, Form, IfName, Located, Shape};

use super::super::layers::Layers;
use super::super::parts::link_name;
use super::super::{Transport, VirtualMac};
use crate::machine::address::VirtualAddress;
use crate::machine::id::{Family, LinkName, Mac, Vrid};
use crate::wire::admit::is_link_local;

/// Of the routes to the networks of addresses there: worse than any that the interface below has by itself, so that
/// the machine's own traffic stays where it was.
const METRIC: u32 = 4096;

/// As it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    on: bool,
    pub(super) link: Option<LinkName>,
    pub(super) mac: Option<Mac>,
    pub(super) adverts: bool,
}

impl Wanted {
    /// All defaults.
    pub(super) const fn plain(on: bool) -> Self {
        Self { on, link: None, mac: None, adverts: true }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }
}

/// `true`, `false`, or a table.
pub(super) fn read(t: &mut Layers<'_>, d: &mut Diagnostics) -> Option<Located<Wanted>> {
    let value = t.value("virtual_mac", || vec![Form::Boolean, Form::Table], d)?;
    let span = value.span();
    let mut table = match value.shape() {
        Shape::Boolean(on) => return Some(Located { value: Wanted::plain(on), span }),
        Shape::Table(table) => table,
        Shape::String(_) | Shape::Integer(_) | Shape::Float(_) | Shape::Datetime | Shape::List(_) => {
            value.mismatch("true, false or a table", d).hint("write virtual_mac = true");
            return None;
        }
    };
    let link = table.optional::<IfName>("interface", d).and_then(|name| link_name(&name, d));
    let form = || Form::text("[0-9A-Fa-f]{2}(?:[-:][0-9A-Fa-f]{2}){5}", "02:00:00:00:00:01");
    let mac = table.formed_optional::<String>("mac", form, d).and_then(|text| {
        let mac = parse(&text.value);
        if mac.is_none() {
            d.error(
                text.span,
                format!("`mac`: {:?} is not the hardware address of one interface", text.value),
            )
            .hint("write six bytes, \"02:00:00:00:00:01\"; the lowest bit of the first one is 0");
        }
        mac
    });
    let adverts = table.choice("adverts_from", &[("virtual", true), ("base", false)], d);
    table.finish(d);
    let adverts = adverts.is_none_or(|a| a.value);
    Some(Located { value: Wanted { on: true, link, mac, adverts }, span })
}

fn parse(text: &str) -> Option<Mac> {
    let mut bytes = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    let [first, ..] = bytes;
    let usable = parts.next().is_none() && first & 1 == 0 && bytes != [0; 6];
    usable.then_some(Mac(bytes))
}

/// With the names and addresses that were left out.
pub(super) fn finish(
    wanted: Option<Located<Wanted>>,
    family: Family,
    vrid: Vrid,
    transport: &Transport,
) -> Option<VirtualMac> {
    let wanted = wanted.map(|w| w.value).filter(Wanted::is_on)?;
    let (prefix, number) = match family {
        Family::Ipv4 => ("vrrp", 1),
        Family::Ipv6 => ("vrrp6", 2),
    };
    let link = wanted.link.or_else(|| LinkName::new(&format!("{prefix}.{vrid}")))?;
    Some(VirtualMac {
        link,
        mac: wanted.mac.unwrap_or(Mac([0, 0, 0x5e, 0, number, vrid.get()])),
        // To a peer they go like any other packet: the kernel knows its hardware address, we don't.
        adverts: wanted.adverts && *transport == Transport::Multicast,
    })
}

/// What addresses need on that interface.
pub(super) fn place(own: Option<&VirtualMac>, addresses: &mut [VirtualAddress]) {
    for address in addresses.iter_mut().filter(|a| own.is_some_and(|own| own.link == a.link)) {
        address.options.metric = Some(METRIC);
        // The interface makes no link-local address by itself, so the way to the others is this one's.
        if is_link_local(address.address) && address.prefix == 128 {
            address.prefix = 64;
        }
    }
}
