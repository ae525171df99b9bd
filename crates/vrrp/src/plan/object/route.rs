//! One route: `{ to = "10.0.0.0/8", via = "192.0.2.254", table = 100 }`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::config::{Diagnostics, Form, FromValue, IfName, IpCidr, Located, Shape, Span, Table};

use super::{network, table_number};
use crate::machine::id::{Family, LinkName};
use crate::machine::object::{Hop, IPV6_METRIC, MAIN_TABLE, Metrics, Object, Place, Route, RouteKind};
use crate::plan::parts::link_name;
use crate::wire::admit::is_link_local;

const KINDS: [(&str, RouteKind); 6] = [
    ("unicast", RouteKind::Unicast),
    ("local", RouteKind::Local),
    ("blackhole", RouteKind::Blackhole),
    ("unreachable", RouteKind::Unreachable),
    ("prohibit", RouteKind::Prohibit),
    ("throw", RouteKind::Throw),
];
/// The kernel's numbers.
const SCOPES: [(&str, u8); 4] = [("global", 0), ("site", 200), ("link", 253), ("host", 254)];

/// A route whose interface may be the instance's.
pub(super) struct RouteDraft {
    route: Route,
    span: Span,
    /// The one hop gets the instance's interface.
    own_link: bool,
}

impl RouteDraft {
    pub(super) fn finish(mut self, own: Option<LinkName>) -> (Object, Span) {
        if self.own_link
            && let Some(hop) = self.route.hops.first_mut()
        {
            hop.link = own;
        }
        (Object::Route(self.route), self.span)
    }
}

/// A list of routes. `own`: there is an interface where none is named.
pub(super) fn routes(
    table: &mut Table<'_>,
    key: &'static str,
    own: bool,
    d: &mut Diagnostics,
) -> Vec<RouteDraft> {
    table.tables(key, d).into_iter().filter_map(|table| route(table, own, d)).collect()
}

/// What says where packets go.
struct Ways {
    via: Option<Located<IpAddr>>,
    link: Option<Located<IfName>>,
    onlink: Option<Located<bool>>,
    hops_span: Option<Span>,
    hops: Vec<HopDraft>,
}

struct HopDraft {
    via: Option<Located<IpAddr>>,
    hop: Hop,
}

fn route(mut t: Table<'_>, own: bool, d: &mut Diagnostics) -> Option<RouteDraft> {
    let span = t.span();
    let to = t.value("to", || [vec![Form::word(["default"])], IpCidr::forms()].concat(), d);
    t.demand(&["to"], d);
    if to.is_none() {
        t.missing("to", "a network or \"default\"", d);
    }
    let kind = t.choice("type", &KINDS, d);
    let ways = ways(&mut t, d);
    let source = t.optional::<IpAddr>("source", d);
    let number = table_number(&mut t, d);
    let metric = t.optional::<u32>("metric", d);
    let scope = t.choice("scope", &SCOPES, d);
    let metrics = metrics(&mut t, d);
    t.finish(d);
    let to = to?;
    let known = ways.families().chain(source.as_ref().map(|s| Family::of(s.value))).next();
    let destination = match to.shape() {
        Shape::String("default") => match known {
            Some(Family::Ipv4) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            Some(Family::Ipv6) => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
            None => {
                to.refuse("nothing says whether this is IPv4 or IPv6", d)
                    .hint("write \"0.0.0.0/0\" or \"::/0\"");
                return None;
            }
        },
        Shape::String(_)
        | Shape::Integer(_)
        | Shape::Float(_)
        | Shape::Boolean(_)
        | Shape::Datetime
        | Shape::List(_)
        | Shape::Table(_) => network(&Located { value: to.read::<IpCidr>(d)?, span: to.span() }, "to", d)?,
    };
    let family = Family::of(destination.0);
    let kind = kind.map_or(RouteKind::Unicast, |kind| kind.value);
    check_families(&ways, source.as_ref(), family, d);
    let (hops, own_link) = ways.hops(kind, own, span, d)?;
    if let Some(scope) = scope.as_ref().filter(|_| family == Family::Ipv6) {
        d.error(scope.span, "`scope`: an IPv6 route has none");
    }
    if let Some(metrics) = metrics.mtu.filter(|mtu| family == Family::Ipv6 && *mtu < 1280) {
        d.error(span, format!("`mtu`: IPv6 needs packets of 1280 bytes, found {metrics}"));
    }
    let metric = metric.map_or(0, |metric| metric.value);
    let place = Place {
        table: number.map_or(MAIN_TABLE, |number| number.value),
        destination,
        tos: 0,
        // What the kernel makes of none.
        metric: if metric == 0 && family == Family::Ipv6 { IPV6_METRIC } else { metric },
    };
    let scope = scope.map_or_else(|| usual_scope(kind, family, &hops), |scope| scope.value);
    let route = Route { place, kind, scope, source: source.map(|s| s.value), hops, metrics };
    Some(RouteDraft { route, span: to.span(), own_link })
}

/// As `ip route` has it.
fn usual_scope(kind: RouteKind, family: Family, hops: &[Hop]) -> u8 {
    match (kind, hops) {
        _ if family == Family::Ipv6 => 0,
        (RouteKind::Local, _) => 254,
        (RouteKind::Unicast, [only]) if only.via.is_none() => 253,
        (
            RouteKind::Unicast
            | RouteKind::Blackhole
            | RouteKind::Unreachable
            | RouteKind::Prohibit
            | RouteKind::Throw,
            _,
        ) => 0,
    }
}

fn ways(t: &mut Table<'_>, d: &mut Diagnostics) -> Ways {
    let via = t.optional::<IpAddr>("via", d);
    let link = t.optional::<IfName>("interface", d);
    let onlink = t.optional::<bool>("onlink", d);
    let hops_span = t.key_span("next_hops");
    let mut hops = Vec::new();
    for mut hop in t.tables("next_hops", d) {
        let span = hop.span();
        let via = hop.optional::<IpAddr>("via", d);
        let link = hop.optional::<IfName>("interface", d);
        let weight = hop.within_or("weight", &(1..=256), 1, d);
        let onlink = hop.optional::<bool>("onlink", d);
        hop.demand(&["via", "interface"], d);
        hop.finish(d);
        if via.is_none() && link.is_none() {
            d.error(span, "a next hop has `via`, `interface` or both");
        }
        check_onlink(onlink.as_ref(), via.as_ref(), link.as_ref(), d);
        let hop = Hop {
            via: via.as_ref().map(|via| via.value),
            link: link.and_then(|link| link_name(&link, d)),
            weight,
            onlink: onlink.is_some_and(|onlink| onlink.value),
        };
        hops.push(HopDraft { via, hop });
    }
    Ways { via, link, onlink, hops_span, hops }
}

fn check_onlink(
    onlink: Option<&Located<bool>>,
    via: Option<&Located<IpAddr>>,
    link: Option<&Located<IfName>>,
    d: &mut Diagnostics,
) {
    if let Some(onlink) = onlink.filter(|onlink| onlink.value)
        && (via.is_none() || link.is_none())
    {
        d.error(onlink.span, "`onlink` is about a gateway on an interface: it needs `via` and `interface`");
    }
}

impl Ways {
    fn gateways(&self) -> impl Iterator<Item = &Located<IpAddr>> {
        self.via.iter().chain(self.hops.iter().filter_map(|hop| hop.via.as_ref()))
    }

    fn families(&self) -> impl Iterator<Item = Family> {
        self.gateways().map(|via| Family::of(via.value))
    }

    /// The next hops, and whether the only one is to get the instance's interface.
    fn hops(self, kind: RouteKind, own: bool, span: Span, d: &mut Diagnostics) -> Option<(Vec<Hop>, bool)> {
        let forwards = match kind {
            RouteKind::Unicast => true,
            RouteKind::Local => false,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => {
                let given = [
                    ("via", self.via.as_ref().map(|via| via.span)),
                    ("interface", self.link.as_ref().map(|link| link.span)),
                    ("next_hops", self.hops_span),
                ];
                for (key, span) in given {
                    if let Some(span) = span {
                        d.error(span, format!("`{key}`: a route of this type leads nowhere"));
                    }
                }
                return Some((Vec::new(), false));
            }
        };
        if let Some(hops) = self.hops_span {
            for (key, span) in [
                ("via", self.via.as_ref().map(|via| via.span)),
                ("interface", self.link.as_ref().map(|link| link.span)),
                ("onlink", self.onlink.as_ref().map(|onlink| onlink.span)),
            ] {
                if let Some(span) = span {
                    d.error(span, format!("`{key}` belongs into `next_hops` where there are some"))
                        .note(hops, "they are here");
                }
            }
            if self.hops.is_empty() {
                // Faulty ones were told already.
                return None;
            }
            return Some((self.hops.into_iter().map(|draft| draft.hop).collect(), false));
        }
        check_onlink(self.onlink.as_ref(), self.via.as_ref(), self.link.as_ref(), d);
        if let Some(via) = self.via.as_ref().filter(|_| !forwards) {
            d.error(via.span, "`via`: a local route leads to no gateway");
        }
        // The kernel finds the interface of a gateway, but for one that every link may have.
        let wants_link = self.link.is_none() && self.via.as_ref().is_none_or(|via| is_link_local(via.value));
        if wants_link && !own {
            d.error(span, "this route needs an `interface`")
                .hint("or `via`, with an address by which the kernel finds the interface");
        }
        let hop = Hop {
            via: self.via.map(|via| via.value),
            link: self.link.and_then(|link| link_name(&link, d)),
            weight: 1,
            onlink: self.onlink.is_some_and(|onlink| onlink.value),
        };
        Some((vec![hop], wants_link && own))
    }
}

fn check_families(ways: &Ways, source: Option<&Located<IpAddr>>, family: Family, d: &mut Diagnostics) {
    for via in ways.gateways() {
        let found = Family::of(via.value);
        if found != family {
            d.error(via.span, format!("`via`: the gateway is {found}, and the destination is {family}"));
        }
    }
    if let Some(source) = source
        && Family::of(source.value) != family
    {
        let found = Family::of(source.value);
        d.error(source.span, format!("`source`: the address is {found}, and the destination is {family}"));
    }
}

fn metrics(t: &mut Table<'_>, d: &mut Diagnostics) -> Metrics {
    let mtu = t.within("mtu", &(68..=65_520), d);
    let lock = t.optional::<bool>("mtu_lock", d);
    if let Some(lock) = lock.as_ref().filter(|lock| lock.value)
        && mtu.is_none()
    {
        d.error(lock.span, "`mtu_lock` means nothing without `mtu`");
    }
    let windows = 1..=65_535;
    Metrics {
        mtu: mtu.map(|mtu| mtu.value),
        mtu_locked: lock.is_some_and(|lock| lock.value),
        advmss: t.within("advmss", &(1..=65_495), d).map(|value| value.value),
        initcwnd: t.within("initcwnd", &windows, d).map(|value| value.value),
        initrwnd: t.within("initrwnd", &windows, d).map(|value| value.value),
    }
}
