//! Objects of the kernel beside the virtual addresses: routes, rules, and addresses that are there whatever the state.
//!
//! They are values by name: the kernel's numbers of interfaces are the shell's business. A [`Key`] says which two
//! objects cannot be there at once: one replaces the other.

use std::fmt;
use std::net::IpAddr;

use super::address::VirtualAddress;
use super::id::{Family, LinkName};

/// The number of the main table.
pub const MAIN_TABLE: u32 = 254;
/// The metric the kernel gives an IPv6 route without one.
pub const IPV6_METRIC: u32 = 1024;

/// Something that is put into the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// An address.
    Address(VirtualAddress),
    /// A route.
    Route(Route),
    /// A policy routing rule.
    Rule(Rule),
}

/// What identifies an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An address on an interface.
    Address(LinkName, IpAddr),
    /// A route.
    Route(Place),
    /// A rule is nothing but what it says.
    Rule(Rule),
}

/// What the kernel tells routes apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The table.
    pub table: u32,
    /// The destination network; its address also gives the family.
    pub destination: (IpAddr, u8),
    /// Type of service.
    pub tos: u8,
    /// The metric; lower wins.
    pub metric: u32,
}

/// What becomes of a packet that takes a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    /// It is forwarded.
    #[default]
    Unicast,
    /// It is for this machine.
    Local,
    /// It is dropped in silence.
    Blackhole,
    /// It is answered "unreachable".
    Unreachable,
    /// It is answered "prohibited".
    Prohibit,
    /// The lookup goes on with the next rule.
    Throw,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Where it stands.
    pub place: Place,
    /// What becomes of the packets.
    pub kind: RouteKind,
    /// How far the destination is; the kernel's number. IPv6 has none.
    pub scope: u8,
    /// The source address to use.
    pub source: Option<IpAddr>,
    /// Next hops; none unless packets are forwarded.
    pub hops: Vec<Hop>,
    /// What connections begin with.
    pub metrics: Metrics,
}

/// What connections over a route begin with; the kernel's choice where absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metrics {
    /// Largest packet.
    pub mtu: Option<u32>,
    /// Path discovery does not lower it.
    pub mtu_locked: bool,
    /// Largest TCP segment advertised.
    pub advmss: Option<u32>,
    /// Initial congestion window.
    pub initcwnd: Option<u32>,
    /// Initial receive window.
    pub initrwnd: Option<u32>,
}

/// A next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// The gateway; none when the destination is on the link.
    pub via: Option<IpAddr>,
    /// The interface; the kernel finds it by the gateway when absent.
    pub link: Option<LinkName>,
    /// Its share, 1 to 256.
    pub weight: u16,
    /// The gateway is on the link whatever the addresses say.
    pub onlink: bool,
}

/// What a rule does with its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    /// They are looked up in a table.
    Lookup {
        /// The table.
        table: u32,
        /// Routes found there that are this short or shorter do not count.
        suppress: Option<u32>,
    },
    /// They are dropped in silence.
    Blackhole,
    /// They are answered "unreachable".
    Unreachable,
    /// They are answered "prohibited".
    Prohibit,
}

/// A policy routing rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Its family.
    pub family: Family,
    /// Its place; lower is asked first.
    pub priority: u32,
    /// Packets from here.
    pub from: Option<(IpAddr, u8)>,
    /// Packets to here.
    pub to: Option<(IpAddr, u8)>,
    /// Packets with this mark under this mask.
    pub fwmark: Option<(u32, u32)>,
    /// Packets that came in through this interface.
    pub input: Option<LinkName>,
    /// Packets of sockets bound to this interface.
    pub output: Option<LinkName>,
    /// What is done with them.
    pub action: RuleAction,
}

impl Object {
    /// What identifies it.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Address(address) => Key::Address(address.link, address.address),
            Self::Route(route) => Key::Route(route.place),
            Self::Rule(rule) => Key::Rule(rule.clone()),
        }
    }

    /// Whether the kernel can make the one of the other without removing it.
    #[must_use]
    pub fn is_replaceable_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(old), Self::Address(new)) => old.is_replaceable_by(new),
            (Self::Route(old), Self::Route(new)) => {
                // An IPv6 route of several hops is several routes to the kernel, as is one that forwards nothing.
                old.place == new.place && (old.kind == new.kind || old.place.family() == Family::Ipv4)
            }
            (Self::Address(_) | Self::Route(_) | Self::Rule(_), _) => false,
        }
    }

    /// Whether it needs this interface.
    #[must_use]
    pub fn needs_link(&self, link: LinkName) -> bool {
        match self {
            Self::Address(address) => address.link == link,
            // Where the kernel chose the interface it may be any.
            Self::Route(route) => {
                route.hops.iter().any(|hop| hop.link.is_none_or(|own| own == link))
                    || (route.source.is_some() && route.hops.is_empty())
            }
            // Rules name interfaces that need not be there.
            Self::Rule(_) => false,
        }
    }

    /// Whether it says that it is on this interface.
    #[must_use]
    pub fn names_link(&self, link: LinkName) -> bool {
        match self {
            Self::Address(address) => address.link == link,
            Self::Route(route) => route.hops.iter().any(|hop| hop.link == Some(link)),
            Self::Rule(_) => false,
        }
    }

    /// Whether it may go, or change, when this address leaves its interface.
    #[must_use]
    pub fn needs_address(&self, link: LinkName, address: IpAddr) -> bool {
        match self {
            Self::Address(own) => (own.link, own.address) == (link, address),
            Self::Route(route) => {
                route.place.family() == Family::of(address)
                    && (route.source == Some(address) || self.needs_link(link))
            }
            Self::Rule(_) => false,
        }
    }

    /// Whether asking for it anew finds out, by the kernel's answer, that it is whole. Of several hops one can be
    /// missing, and an IPv6 route can have lost its source address.
    #[must_use]
    pub fn is_all_or_nothing(&self) -> bool {
        match self {
            Self::Address(_) | Self::Rule(_) => true,
            Self::Route(route) => {
                route.hops.len() < 2 && (route.place.family() == Family::Ipv4 || route.source.is_none())
            }
        }
    }

    /// When its turn is among others that are installed: what others need comes first.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Address(_) => 0,
            // A gateway may be reachable by another route only.
            Self::Route(route) => 1 + u8::from(route.hops.iter().any(|hop| hop.via.is_some())),
            Self::Rule(_) => 3,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Route(_) => "route",
            Self::Rule(_) => "rule",
        }
    }

    /// Whether what the kernel shows under the same key is this. The kernel fills in what was left to it.
    #[must_use]
    pub fn is_shown_as(&self, shown: &Self) -> bool {
        match (self, shown) {
            (Self::Address(own), Self::Address(shown)) => own.prefix == shown.prefix,
            (Self::Route(own), Self::Route(shown)) => own.is_shown_as(shown),
            (Self::Rule(own), Self::Rule(shown)) => own == shown,
            (Self::Address(_) | Self::Route(_) | Self::Rule(_), _) => false,
        }
    }
}

impl Place {
    /// The family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.destination.0)
    }
}

impl Route {
    fn is_shown_as(&self, shown: &Self) -> bool {
        let forwards = matches!(self.kind, RouteKind::Unicast | RouteKind::Local);
        let hops = || {
            let sorted = |route: &Self| {
                let mut hops = route.hops.clone();
                hops.sort_unstable_by_key(|hop| (hop.via, hop.link));
                hops
            };
            let (own, shown) = (sorted(self), sorted(shown));
            let same = |(own, shown): (&Hop, &Hop)| {
                own.via == shown.via
                    && (own.link.is_none() || own.link == shown.link)
                    && (own.onlink == shown.onlink)
                    && (own.weight == shown.weight || self.hops.len() < 2)
            };
            own.len() == shown.len() && own.iter().zip(&shown).all(same)
        };
        self.place == shown.place
            && self.kind == shown.kind
            && self.source == shown.source
            && self.metrics == shown.metrics
            && (self.scope == shown.scope || self.place.family() == Family::Ipv6)
            && (!forwards || hops())
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address {address}"),
            Self::Route(route) => write!(f, "route {route}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}

/// As it is written down for a later run.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(link, address) => write!(f, "address {address}@{link}"),
            Self::Route(Place { table, destination: (address, length), tos, metric }) => {
                write!(f, "route {address}/{length} table {table} metric {metric} tos {tos}")
            }
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}

/// As `ip route` would be told.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RouteKind::Unicast => {}
            RouteKind::Local => f.write_str("local ")?,
            RouteKind::Blackhole => f.write_str("blackhole ")?,
            RouteKind::Unreachable => f.write_str("unreachable ")?,
            RouteKind::Prohibit => f.write_str("prohibit ")?,
            RouteKind::Throw => f.write_str("throw ")?,
        }
        let (address, length) = self.place.destination;
        match (length, self.place.family()) {
            (0, Family::Ipv4) => f.write_str("default")?,
            (0, Family::Ipv6) => f.write_str("default (IPv6)")?,
            (_, Family::Ipv4 | Family::Ipv6) => write!(f, "{address}/{length}")?,
        }
        for hop in &self.hops {
            if self.hops.len() > 1 {
                f.write_str(" nexthop")?;
            }
            if let Some(via) = hop.via {
                write!(f, " via {via}")?;
            }
            if let Some(link) = hop.link {
                write!(f, " dev {link}")?;
            }
            if self.hops.len() > 1 {
                write!(f, " weight {}", hop.weight)?;
            }
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if self.place.table != MAIN_TABLE {
            write!(f, " table {}", self.place.table)?;
        }
        let usual = if self.place.family() == Family::Ipv4 { 0 } else { IPV6_METRIC };
        if self.place.metric != usual {
            write!(f, " metric {}", self.place.metric)?;
        }
        Ok(())
    }
}

/// As `ip rule` would be told.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        match self.from {
            Some((address, length)) => write!(f, " from {address}/{length}")?,
            None if self.family == Family::Ipv6 => f.write_str(" from all (IPv6)")?,
            None => f.write_str(" from all")?,
        }
        if let Some((address, length)) = self.to {
            write!(f, " to {address}/{length}")?;
        }
        if let Some((mark, mask)) = self.fwmark {
            write!(f, " fwmark {mark:#x}")?;
            if mask != u32::MAX {
                write!(f, "/{mask:#x}")?;
            }
        }
        if let Some(link) = self.input {
            write!(f, " iif {link}")?;
        }
        if let Some(link) = self.output {
            write!(f, " oif {link}")?;
        }
        match self.action {
            RuleAction::Lookup { table, suppress } => {
                write!(f, " lookup {table}")?;
                match suppress {
                    Some(length) => write!(f, " suppress_prefixlength {length}"),
                    None => Ok(()),
                }
            }
            RuleAction::Blackhole => f.write_str(" blackhole"),
            RuleAction::Unreachable => f.write_str(" unreachable"),
            RuleAction::Prohibit => f.write_str(" prohibit"),
        }
    }
}
