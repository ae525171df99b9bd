//! `also_via`: more ways for adverts than the instance's own interface, so that one cut cable does not split a pair.

use std::net::IpAddr;

use common::config::{Diagnostics, Form, IfName, Located, Shape, Span, Table, Value};

use super::super::layers::Layers;
use super::super::parts::link_name;
use super::super::{Transport, Unicast, Via};
use super::unicast::{self, Draft};
use crate::machine::id::{Family, LinkName};
use crate::wire::admit::is_link_local;
use crate::wire::advert::TTL;

/// A way as it is written.
pub(super) struct Way {
    span: Span,
    link: Located<LinkName>,
    peers: Option<Located<Vec<Draft>>>,
    ttl: Option<Located<u8>>,
    source: Option<Located<IpAddr>>,
}

impl Way {
    pub(super) fn span(&self) -> Span {
        self.span
    }
}

pub(super) fn read(t: &mut Layers<'_>, d: &mut Diagnostics) -> Vec<Way> {
    let Some(list) = t.value("also_via", || Form::one_or_list(vec![Form::Table]), d) else {
        return Vec::new();
    };
    let items = list.one_or_list();
    if items.is_empty() {
        d.error(list.span(), "`also_via` is empty").hint("leave it out where there is no second way");
    }
    items.iter().filter_map(|item| way(item, d)).collect()
}

fn way(item: &Value<'_>, d: &mut Diagnostics) -> Option<Way> {
    let span = item.span();
    let Shape::Table(mut table) = item.shape() else {
        item.mismatch("a table", d).hint("write also_via = [{ interface = \"eth1\" }]");
        return None;
    };
    let link = table.required::<IfName>("interface", d);
    let peers = peers(&mut table, d);
    let ttl = table.within("ttl", &(1..=255), d);
    let source = table.optional::<IpAddr>("source_address", d);
    table.finish(d);
    if let (Some(ttl), None) = (&ttl, &peers) {
        d.error(ttl.span, "`ttl` means nothing without `peers`");
    }
    let link = link?;
    let link = Located { value: link_name(&link, d)?, span: link.span };
    Some(Way { span, link, peers, ttl, source })
}

fn peers(table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Located<Vec<Draft>>> {
    let list = table.value("peers", unicast::forms, d)?;
    if list.one_or_list().is_empty() {
        d.error(list.span(), "`peers` is empty").hint("leave it out to use multicast");
    }
    Some(unicast::peers(&list, d))
}

/// With what was left out; and the place of each.
pub(super) fn finish(
    ways: Vec<Way>,
    own: LinkName,
    main: &Transport,
    family: Family,
    d: &mut Diagnostics,
) -> Vec<(Via, Span)> {
    let is_multicast = |transport: &Transport| matches!(transport, Transport::Multicast);
    let mut known: Vec<(LinkName, bool, Option<Span>)> = vec![(own, is_multicast(main), None)];
    let mut done = Vec::new();
    for way in ways {
        let transport = transport(&way, family, d);
        let link = way.link.value;
        let kind = is_multicast(&transport);
        if let Some((_, _, first)) = known.iter().find(|(l, k, _)| (*l, *k) == (link, kind)) {
            match first {
                None => d
                    .error(way.link.span, format!("adverts leave by {link} anyway: it is no second way"))
                    .hint("name another interface, or peers on this one"),
                Some(first) => {
                    d.error(way.link.span, format!("`also_via` has {link} twice")).note(*first, "first here")
                }
            };
        }
        known.push((link, kind, Some(way.link.span)));
        if let Some(source) = &way.source {
            let address = source.value;
            if Family::of(address) != family {
                d.error(
                    source.span,
                    format!("`source_address` {address} is not {family} like the virtual addresses"),
                );
            } else if kind && family == Family::Ipv6 && !is_link_local(address) {
                // RFC 9568 5.1.2.1.
                d.error(
                    source.span,
                    "`source_address`: IPv6 adverts to the group come from a link-local address",
                );
            }
        }
        done.push((Via { link, transport, source: way.source.map(|source| source.value) }, way.span));
    }
    done
}

fn transport(way: &Way, family: Family, d: &mut Diagnostics) -> Transport {
    let Some(peers) = &way.peers else { return Transport::Multicast };
    Transport::Unicast(Unicast {
        peers: unicast::finish(&peers.value, family, way.source.as_ref(), (1, TTL), d),
        ttl: way.ttl.as_ref().map_or(TTL, |ttl| ttl.value),
        any_source: None,
    })
}
