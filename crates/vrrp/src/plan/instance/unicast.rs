//! `unicast_peers` and what goes with them: to whom adverts are sent one by one, and over how many hops they come.

use std::net::IpAddr;

use common::config::{Diagnostics, Form, FromValue, Located, Shape, Table, Value};

use super::super::layers::Layers;
use super::super::{Transport, Unicast};
use crate::machine::id::Family;
use crate::wire::advert::TTL;
use crate::wire::reach::Peer;

const TTLS: std::ops::RangeInclusive<u8> = 1..=255;

/// A peer as it is written; its bounds may be those of all.
pub(super) struct Draft {
    address: Located<IpAddr>,
    min_ttl: Option<Located<u8>>,
    max_ttl: Option<Located<u8>>,
}

/// The keys of an instance.
pub(super) struct Keys {
    pub(super) peers: Option<Located<Vec<Draft>>>,
    // Nothing stands in the list; faulty elements were told of by themselves.
    nobody: bool,
    ttl: Option<Located<u8>>,
    min_ttl: Option<Located<u8>>,
    max_ttl: Option<Located<u8>>,
    check_source: Option<Located<bool>>,
    /// Those of the last four that the instance says itself.
    own: Vec<&'static str>,
}

impl Keys {
    pub(super) fn read(t: &mut Layers<'_>, d: &mut Diagnostics) -> Self {
        let list = t.value("unicast_peers", forms, d);
        let own = ["unicast_ttl", "unicast_min_ttl", "unicast_max_ttl", "unicast_check_source"];
        Self {
            own: own.into_iter().filter(|key| t.says(key)).collect(),
            nobody: list.as_ref().is_some_and(|list| list.one_or_list().is_empty()),
            peers: list.map(|list| peers(&list, d)),
            ttl: t.within("unicast_ttl", &TTLS, d),
            min_ttl: t.within("unicast_min_ttl", &TTLS, d),
            max_ttl: t.within("unicast_max_ttl", &TTLS, d),
            check_source: t.optional("unicast_check_source", d),
        }
    }

    /// The family of the first peer.
    pub(super) fn family(&self) -> Option<Family> {
        self.peers.as_ref()?.value.first().map(|peer| Family::of(peer.address.value))
    }

    pub(super) fn transport(
        &self,
        family: Family,
        source: Option<&Located<IpAddr>>,
        d: &mut Diagnostics,
    ) -> Transport {
        let Some(peers) = &self.peers else {
            let ttls = [
                ("unicast_ttl", self.ttl.as_ref()),
                ("unicast_min_ttl", self.min_ttl.as_ref()),
                ("unicast_max_ttl", self.max_ttl.as_ref()),
            ];
            let ttls = ttls.into_iter().filter_map(|(key, value)| Some((key, value?.span)));
            let check = self.check_source.as_ref().map(|check| ("unicast_check_source", check.span));
            for (key, span) in ttls.chain(check).filter(|(key, _)| self.own.contains(key)) {
                d.error(span, format!("`{key}` means nothing without `unicast_peers`"));
            }
            return Transport::Multicast;
        };
        if self.nobody {
            d.error(peers.span, "`unicast_peers` is empty").hint("leave it out to use multicast");
        }
        let bounds = bounds("unicast_", self.min_ttl.as_ref(), self.max_ttl.as_ref(), (1, TTL), d);
        Transport::Unicast(Unicast {
            peers: finish(&peers.value, family, source, bounds, d),
            ttl: self.ttl.as_ref().map_or(TTL, |t| t.value),
            any_source: self.check_source.as_ref().is_some_and(|check| !check.value).then_some(bounds),
        })
    }
}

/// What a list of peers is written as.
pub(super) fn forms() -> Vec<Form> {
    Form::one_or_list([IpAddr::forms(), vec![Form::Table]].concat())
}

/// Reads a list of peers: addresses, or tables with bounds.
pub(super) fn peers(value: &Value<'_>, d: &mut Diagnostics) -> Located<Vec<Draft>> {
    let span = value.span();
    let items = value.one_or_list();
    Located { value: items.iter().filter_map(|item| peer(item, d)).collect(), span }
}

fn peer(item: &Value<'_>, d: &mut Diagnostics) -> Option<Draft> {
    let span = item.span();
    let Shape::Table(mut table) = item.shape() else {
        let address = Located { value: item.read::<IpAddr>(d)?, span };
        return Some(Draft { address, min_ttl: None, max_ttl: None });
    };
    let address = table.required("address", d);
    let (min_ttl, max_ttl) = ttls(&mut table, d);
    table.finish(d);
    Some(Draft { address: address?, min_ttl, max_ttl })
}

fn ttls(table: &mut Table<'_>, d: &mut Diagnostics) -> (Option<Located<u8>>, Option<Located<u8>>) {
    (table.within("min_ttl", &TTLS, d), table.within("max_ttl", &TTLS, d))
}

/// Both ends, refused where nothing lies between them.
pub(super) fn bounds(
    prefix: &str,
    min: Option<&Located<u8>>,
    max: Option<&Located<u8>>,
    default: (u8, u8),
    d: &mut Diagnostics,
) -> (u8, u8) {
    let (lowest, highest) = (min.map_or(default.0, |v| v.value), max.map_or(default.1, |v| v.value));
    if lowest > highest
        && let Some(told) = min.or(max)
    {
        d.error(
            told.span,
            format!("no TTL is at least {lowest} and at most {highest}: nothing would be heard"),
        )
        .hint(format!("see `{prefix}min_ttl` and `{prefix}max_ttl`"));
    }
    (lowest, highest)
}

/// Judges the peers of a path.
pub(super) fn finish(
    drafts: &[Draft],
    family: Family,
    source: Option<&Located<IpAddr>>,
    default: (u8, u8),
    d: &mut Diagnostics,
) -> Vec<Peer> {
    let mut list: Vec<Peer> = Vec::new();
    for peer in drafts {
        let Located { value: address, span } = peer.address;
        if Family::of(address) != family {
            d.error(span, format!("peer {address} is not {family} like the virtual addresses"));
        } else if address.is_multicast() || address.is_unspecified() {
            d.error(span, format!("{address} cannot be a peer"));
        } else if list.iter().any(|known| known.address == address) {
            d.error(span, format!("peer {address} is listed twice"));
        } else if source.is_some_and(|s| s.value == address) {
            d.error(span, format!("peer {address} is this router's own source address"));
        }
        let (min_ttl, max_ttl) = bounds("", peer.min_ttl.as_ref(), peer.max_ttl.as_ref(), default, d);
        list.push(Peer { address, min_ttl, max_ttl });
    }
    list
}
