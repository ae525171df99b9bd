//! What the kernel says: read without a panic, and what was understood can be said back.

use std::fmt::Debug;

use common::ipvs::{Family, ListedDestination, ListedService};
use common::netlink::address::Address;
use common::netlink::filter;
use common::netlink::link::Link;
use common::netlink::monitor::reports;
use common::netlink::process;
use common::netlink::route::Route;
use common::netlink::rule::Rule;
use common::netlink::{Attributes, Message, Reply};

/// A datagram of reports; then the same bytes as one object of every kind.
pub fn netlink(data: &[u8]) {
    let _gone = filter::deletes(data, "ours");
    let _seen = reports(data).count() + process::reports(data).count();
    let kinds = [libc::RTM_NEWLINK, libc::RTM_NEWADDR, libc::RTM_NEWROUTE, libc::RTM_NEWRULE];
    for kind in kinds {
        object(&Reply { kind, payload: data });
    }
    walk(Attributes::new(data), 0);
}

fn object(reply: &Reply<'_>) {
    let _link = Link::parse(reply);
    // What we say of it is what we understand of that: nothing gets lost on the second way round.
    same(Address::parse, Address::install_message, libc::RTM_NEWADDR, reply);
    same(Route::parse, Route::install_message, libc::RTM_NEWROUTE, reply);
    same(Rule::parse, Rule::install_message, libc::RTM_NEWRULE, reply);
    let _service = ListedService::parse(reply);
    for family in [Family::Ipv4, Family::Ipv6] {
        let _destination = ListedDestination::parse(family, reply);
    }
}

fn same<T: PartialEq + Debug>(
    parse: impl Fn(&Reply<'_>) -> Option<T>,
    say: impl Fn(&T) -> Message,
    kind: u16,
    reply: &Reply<'_>,
) {
    let Some(heard) = parse(reply) else { return };
    let said = say(&heard);
    let once = parse(&Reply { kind, payload: said.payload() });
    assert!(once.is_some(), "our own words are not understood: {heard:?}");
    let again = once.as_ref().map(&say);
    let twice = again.and_then(|said| parse(&Reply { kind, payload: said.payload() }));
    assert_eq!(once, twice);
}

fn walk(attributes: Attributes<'_>, depth: u8) {
    for attribute in attributes {
        let _values = (attribute.u8(), attribute.u16(), attribute.be16(), attribute.u32(), attribute.i32());
        let _others = (attribute.u64(), attribute.text(), attribute.ip());
        if depth < 4 {
            walk(attribute.nested(), depth + 1);
        }
    }
}
