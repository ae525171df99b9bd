//! Addresses as they are written: text, or a table with what else there is to say.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::config::{
    Diagnostics, Form, FromValue, IfName, IpCidr, Located, Shape, Span, Table, Value, format_duration,
};

use super::parts::link_name;
use crate::machine::address::{Lifetime, Options, Preferred, Scope, VirtualAddress};
use crate::machine::id::LinkName;

/// An address as it is written; its interface may be the instance's.
pub(super) struct AddressDraft {
    pub(super) cidr: Located<IpCidr>,
    pub(super) link: Option<LinkName>,
    label: Option<String>,
    scope: Option<Scope>,
    broadcast: Option<Ipv4Addr>,
    preferred_span: Option<Span>,
    options: Options,
}

impl AddressDraft {
    pub(super) fn finish(self, own: LinkName, advertised: bool) -> VirtualAddress {
        VirtualAddress {
            address: self.cidr.value.addr(),
            prefix: self.cidr.value.prefix(),
            link: self.link.unwrap_or(own),
            label: self.label,
            scope: self.scope,
            broadcast: self.broadcast,
            options: self.options,
            advertised,
        }
    }
}

/// What a list of addresses is written as.
pub(super) fn forms() -> Vec<Form> {
    Form::one_or_list([IpCidr::forms(), vec![Form::Table]].concat())
}

/// A list of addresses.
pub(super) fn addresses(table: &mut Table<'_>, key: &'static str, d: &mut Diagnostics) -> Vec<AddressDraft> {
    let Some(value) = table.value(key, forms, d) else { return Vec::new() };
    value.one_or_list().iter().filter_map(|item| address(item, d)).collect()
}

/// A lease is renewed all the time, and with it what is said about preference: a time of its own would never end.
pub(super) fn check_preferred<'a>(
    addresses: impl Iterator<Item = &'a AddressDraft>,
    lifetime: Lifetime,
    d: &mut Diagnostics,
) {
    if lifetime == Lifetime::Forever {
        return;
    }
    for address in addresses {
        if let (Preferred::For(time), Some(span)) = (address.options.preferred, address.preferred_span)
            && !time.is_zero()
        {
            d.error(span, "`preferred_lifetime` of an address with a lease is 0 or \"forever\"").hint(
                "the lease is renewed, so the time would never be over; address_lease = false ends that",
            );
        }
    }
}

fn address(item: &Value<'_>, d: &mut Diagnostics) -> Option<AddressDraft> {
    let Shape::Table(mut table) = item.shape() else {
        let cidr = Located { value: item.read::<IpCidr>(d)?, span: item.span() };
        check_address(&cidr, d);
        return Some(AddressDraft {
            cidr,
            link: None,
            label: None,
            scope: None,
            broadcast: None,
            preferred_span: None,
            options: Options::default(),
        });
    };
    let cidr: Option<Located<IpCidr>> = table.required("address", d);
    let link = table.optional::<IfName>("interface", d).and_then(|name| link_name(&name, d));
    let label = table.optional::<String>("label", d);
    let scopes =
        [("global", Scope::Global), ("site", Scope::Site), ("link", Scope::Link), ("host", Scope::Host)];
    let scope = table.choice("scope", &scopes, d);
    let broadcast = || [vec![Form::word(["auto"])], IpAddr::forms()].concat();
    let broadcast = table.value("broadcast", broadcast, d);
    let (preferred_span, options) = options(&mut table, cidr.as_ref(), d);
    table.finish(d);
    let cidr = cidr?;
    check_address(&cidr, d);
    let ipv6 = cidr.value.addr().is_ipv6();
    if let Some(label) = &label {
        check_label(label, ipv6, d);
    }
    if let Some(scope) = &scope
        && !ipv6
        && scope.value == Scope::Site
    {
        d.error(scope.span, "`scope`: an IPv4 address has no site scope");
    }
    if let Some(scope) = &scope
        && ipv6
    {
        d.error(scope.span, "`scope`: the scope of an IPv6 address is part of the address")
            .hint("leave it out");
    }
    Some(AddressDraft {
        broadcast: broadcast.and_then(|value| self::broadcast(&value, cidr.value, d)),
        cidr,
        link,
        label: label.map(|l| l.value),
        scope: scope.map(|s| s.value),
        preferred_span,
        options,
    })
}

fn check_label(label: &Located<String>, ipv6: bool, d: &mut Diagnostics) {
    let usable = (1..=15).contains(&label.value.len()) && !label.value.contains(char::is_whitespace);
    if ipv6 {
        d.error(label.span, "`label`: an IPv6 address has no label");
    } else if !usable {
        d.error(label.span, "`label`: a label has 1 to 15 bytes and no white space");
    }
}

/// An address, or `"auto"`: the last one of the network.
fn broadcast(value: &Value<'_>, cidr: IpCidr, d: &mut Diagnostics) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = cidr.addr() else {
        value.refuse("only an IPv4 address has one, and it is an IPv4 address", d);
        return None;
    };
    if let Shape::String("auto") = value.shape() {
        if cidr.prefix() > 30 {
            value.refuse(format!("a network of length {} has no broadcast address", cidr.prefix()), d);
            return None;
        }
        let hosts = u32::MAX.checked_shr(cidr.prefix().into()).unwrap_or(0);
        return Some(Ipv4Addr::from(u32::from(address) | hosts));
    }
    match value.read::<IpAddr>(d)? {
        IpAddr::V4(broadcast) => Some(broadcast),
        IpAddr::V6(_) => {
            value.refuse("only an IPv4 address has one, and it is an IPv4 address", d);
            None
        }
    }
}

/// The seldom used properties, and the place of `preferred_lifetime`.
fn options(
    table: &mut Table<'_>,
    cidr: Option<&Located<IpCidr>>,
    d: &mut Diagnostics,
) -> (Option<Span>, Options) {
    let peer = table.optional::<IpAddr>("peer", d);
    let preferred = || vec![Form::word(["forever"]), Form::Duration(Duration::ZERO, LONGEST)];
    let preferred = table.value("preferred_lifetime", preferred, d);
    let home = table.optional::<bool>("home", d);
    let detect = table.optional::<bool>("duplicate_detection", d);
    let manage = table.optional::<bool>("manage_temporary", d);
    let prefix_route = table.optional::<bool>("prefix_route", d);
    let preferred_span = preferred.as_ref().map(Value::span);
    let of_ipv6 = [("home", &home), ("duplicate_detection", &detect), ("manage_temporary", &manage)];
    if let Some(cidr) = cidr {
        let address = cidr.value.addr();
        for (key, given) in of_ipv6 {
            if let Some(given) = given
                && address.is_ipv4()
            {
                d.error(given.span, format!("`{key}`: only an IPv6 address has that"));
            }
        }
        if let Some(manage) = manage.as_ref().filter(|manage| manage.value)
            && address.is_ipv6()
            && cidr.value.prefix() != 64
        {
            d.error(manage.span, "`manage_temporary`: temporary addresses are made from a /64")
                .hint("write the address with /64");
        }
        if let Some(peer) = &peer
            && (peer.value.is_ipv4() != address.is_ipv4() || peer.value == address)
        {
            d.error(peer.span, format!("`peer`: {} cannot be the other end of {address}", peer.value));
        }
    }
    let options = Options {
        peer: peer.map(|peer| peer.value),
        preferred: preferred.and_then(|value| self::preferred(&value, d)).unwrap_or_default(),
        home: home.is_some_and(|home| home.value),
        detect_duplicates: detect.is_some_and(|detect| detect.value),
        manage_temporary: manage.is_some_and(|manage| manage.value),
        no_prefix_route: prefix_route.is_some_and(|route| !route.value),
        metric: None,
    };
    (preferred_span, options)
}

/// The longest time an address can be preferred for.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);

/// Whole seconds, or `"forever"`.
fn preferred(value: &Value<'_>, d: &mut Diagnostics) -> Option<Preferred> {
    if let Shape::String("forever") = value.shape() {
        return Some(Preferred::Forever);
    }
    let time = Duration::from_value(value, d)?;
    if time.subsec_nanos() != 0 || time > LONGEST {
        value.refuse(format!("expected whole seconds or \"forever\", found {}", format_duration(time)), d);
        return None;
    }
    Some(Preferred::For(time))
}

fn check_address(cidr: &Located<IpCidr>, d: &mut Diagnostics) {
    let address = cidr.value.addr();
    let broadcast = matches!(address, IpAddr::V4(a) if a.is_broadcast());
    if address.is_multicast() || address.is_unspecified() || address.is_loopback() || broadcast {
        d.error(cidr.span, format!("{address} cannot be a virtual address"));
    }
}
