//! Routes: installed, removed, read. One next hop or several; any table.

use super::address::{MARK, Scope, family};
use super::error::{Asked, Failure, NetlinkError};
use super::link::IfIndex;
use super::message::{Message, Reply};
use super::socket::Socket;
use nix::errno::Errno;
use std::fmt;
use std::net::IpAddr;

const HEADER: usize = 12;
/// `struct rtnexthop`: length, flags, hops, interface.
const NEXT_HOP_HEADER: usize = 8;
/// `RTNH_F_ONLINK`: the gateway is on the link, whatever the addresses say.
const ONLINK: u8 = 4;
/// `RTAX_*`, nested in `RTA_METRICS`.
const RTAX_LOCK: u16 = 1;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;
const RTAX_INITCWND: u16 = 11;
const RTAX_INITRWND: u16 = 14;

/// What becomes of a packet that takes the route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
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
    /// The lookup goes on in the next rule.
    Throw,
    /// Something else; the kernel's number.
    Other(u8),
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Unicast => libc::RTN_UNICAST,
            Self::Local => libc::RTN_LOCAL,
            Self::Blackhole => libc::RTN_BLACKHOLE,
            Self::Unreachable => libc::RTN_UNREACHABLE,
            Self::Prohibit => libc::RTN_PROHIBIT,
            Self::Throw => libc::RTN_THROW,
            Self::Other(number) => number,
        }
    }

    const fn from_number(number: u8) -> Self {
        match number {
            libc::RTN_UNICAST => Self::Unicast,
            libc::RTN_LOCAL => Self::Local,
            libc::RTN_BLACKHOLE => Self::Blackhole,
            libc::RTN_UNREACHABLE => Self::Unreachable,
            libc::RTN_PROHIBIT => Self::Prohibit,
            libc::RTN_THROW => Self::Throw,
            number => Self::Other(number),
        }
    }
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHop {
    /// The gateway; none when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The interface; the kernel finds it by the gateway if not given.
    pub interface: Option<IfIndex>,
    /// Its share of the traffic, 1 to 256.
    pub weight: u16,
    /// The gateway is taken to be on the link, whatever the interface's addresses say.
    pub onlink: bool,
}

/// What connections over a route begin with; absent is the kernel's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metrics {
    /// Largest packet.
    pub mtu: Option<u32>,
    /// The size is not to be lowered by path discovery.
    pub mtu_locked: bool,
    /// Largest TCP segment that is advertised.
    pub advmss: Option<u32>,
    /// Initial congestion window, in segments.
    pub initcwnd: Option<u32>,
    /// Initial receive window, in segments.
    pub initrwnd: Option<u32>,
}

impl Metrics {
    /// The kernel's choice in everything.
    pub const NONE: Self =
        Self { mtu: None, mtu_locked: false, advmss: None, initcwnd: None, initrwnd: None };

    const fn listed(&self) -> [(u16, Option<u32>); 4] {
        [
            (RTAX_MTU, self.mtu),
            (RTAX_ADVMSS, self.advmss),
            (RTAX_INITCWND, self.initcwnd),
            (RTAX_INITRWND, self.initrwnd),
        ]
    }

    fn write(&self, message: &mut Message) {
        if *self == Self::default() {
            return;
        }
        message.nested(libc::RTA_METRICS, |nested| {
            if self.mtu_locked {
                nested.u32(RTAX_LOCK, 1 << RTAX_MTU);
            }
            for (kind, value) in self.listed() {
                if let Some(value) = value {
                    nested.u32(kind, value);
                }
            }
        });
    }

    fn read(bytes: &[u8]) -> Self {
        let nested = super::Attributes::new(bytes);
        let value = |kind| nested.find(kind).and_then(|found| found.u32());
        Self {
            mtu: value(RTAX_MTU),
            mtu_locked: value(RTAX_LOCK).is_some_and(|locked| locked & (1 << RTAX_MTU) != 0),
            advmss: value(RTAX_ADVMSS),
            initcwnd: value(RTAX_INITCWND),
            initrwnd: value(RTAX_INITRWND),
        }
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The destination network; its address also gives the family.
    pub destination: (IpAddr, u8),
    /// What becomes of the packets.
    pub kind: Kind,
    /// The table: 254 is main.
    pub table: u32,
    /// Who installed it: [`MARK`] for us.
    pub protocol: u8,
    /// How far the destination is.
    pub scope: Scope,
    /// The next hops; none for a blackhole and its like.
    pub next_hops: Vec<NextHop>,
    /// The source address to use.
    pub source: Option<IpAddr>,
    /// Its preference among routes to the same destination; lower wins.
    pub metric: Option<u32>,
    /// Type of service of the packets it is for; 0 is any.
    pub tos: u8,
    /// What connections begin with.
    pub metrics: Metrics,
}

/// The number of the main table.
pub const MAIN_TABLE: u32 = 254;

impl Route {
    /// A route of ours in the main table, to be given next hops.
    pub const fn new(destination: IpAddr, prefix: u8) -> Self {
        Self {
            destination: (destination, prefix),
            kind: Kind::Unicast,
            table: MAIN_TABLE,
            protocol: MARK,
            scope: Scope::GLOBAL,
            next_hops: Vec::new(),
            source: None,
            metric: None,
            tos: 0,
            metrics: Metrics::NONE,
        }
    }

    /// Carries our mark.
    pub const fn is_ours(&self) -> bool {
        self.protocol == MARK
    }

    /// The request that installs it, or replaces the one to the same destination.
    pub fn install_message(&self) -> Message {
        self.fill(Message::new(libc::RTM_NEWROUTE, &self.header()).create_or_replace())
    }

    /// The request that installs it where there is none of its destination, table and metric.
    pub fn create_message(&self) -> Message {
        self.fill(Message::new(libc::RTM_NEWROUTE, &self.header()).create())
    }

    /// The request that removes it.
    pub fn remove_message(&self) -> Message {
        self.fill(Message::new(libc::RTM_DELROUTE, &self.header()))
    }

    fn fill(&self, mut message: Message) -> Message {
        let (address, prefix) = self.destination;
        if prefix > 0 {
            message.ip(libc::RTA_DST, address);
        }
        // RTA_TABLE holds numbers beyond the header's eight bits.
        message.u32(libc::RTA_TABLE, self.table);
        if let Some(source) = self.source {
            message.ip(libc::RTA_PREFSRC, source);
        }
        if let Some(metric) = self.metric {
            message.u32(libc::RTA_PRIORITY, metric);
        }
        self.metrics.write(&mut message);
        match self.next_hops.as_slice() {
            [] => {}
            [only] => {
                if let Some(gateway) = only.gateway {
                    message.ip(libc::RTA_GATEWAY, gateway);
                }
                if let Some(interface) = only.interface {
                    message.u32(libc::RTA_OIF, interface.0);
                }
            }
            several => {
                let hops: Vec<u8> = several.iter().flat_map(next_hop_bytes).collect();
                message.bytes(libc::RTA_MULTIPATH, &hops);
            }
        }
        message
    }

    /// `struct rtmsg`: family, lengths, TOS, table, protocol, scope, type, flags.
    fn header(&self) -> [u8; HEADER] {
        let (address, prefix) = self.destination;
        let table = u8::try_from(self.table).unwrap_or(libc::RT_TABLE_UNSPEC);
        // rtm_flags is 32 bits wide, like the flags of one next hop among several.
        let onlink = matches!(self.next_hops.as_slice(), [only] if only.onlink);
        let [a, b, c, d] = u32::from(if onlink { ONLINK } else { 0 }).to_ne_bytes();
        let kind = self.kind.number();
        [family(address), prefix, 0, self.tos, table, self.protocol, self.scope.0, kind, a, b, c, d]
    }

    /// Reads an `RTM_NEWROUTE` or `RTM_DELROUTE`.
    pub fn parse(reply: &Reply<'_>) -> Option<Self> {
        let (&[family, prefix, _, tos, table, protocol, scope, kind, a, b, c, d], attributes) =
            reply.split::<HEADER>()?;
        let any = match i32::from(family) {
            libc::AF_INET => IpAddr::from([0_u8; 4]),
            libc::AF_INET6 => IpAddr::from([0_u8; 16]),
            _ => return None,
        };
        let mut route = Self::new(any, prefix);
        route.table = u32::from(table);
        route.protocol = protocol;
        route.scope = Scope(scope);
        route.kind = Kind::from_number(kind);
        route.tos = tos;
        let onlink = u32::from_ne_bytes([a, b, c, d]) & u32::from(ONLINK) != 0;
        let mut only = NextHop { gateway: None, interface: None, weight: 1, onlink };
        for attribute in attributes {
            match attribute.kind {
                libc::RTA_DST => route.destination.0 = attribute.ip()?,
                libc::RTA_TABLE => route.table = attribute.u32()?,
                libc::RTA_PREFSRC => route.source = attribute.ip(),
                libc::RTA_PRIORITY => route.metric = attribute.u32(),
                libc::RTA_GATEWAY => only.gateway = attribute.ip(),
                libc::RTA_OIF => only.interface = attribute.u32().map(IfIndex),
                libc::RTA_MULTIPATH => route.next_hops = next_hops(attribute.value),
                libc::RTA_METRICS => route.metrics = Metrics::read(attribute.value),
                _ => {}
            }
        }
        if route.next_hops.is_empty() && (only.gateway.is_some() || only.interface.is_some()) {
            route.next_hops.push(only);
        }
        Some(route)
    }
}

fn next_hop_bytes(hop: &NextHop) -> Vec<u8> {
    let mut inner = Message::new(0, &[]);
    if let Some(gateway) = hop.gateway {
        inner.ip(libc::RTA_GATEWAY, gateway);
    }
    let attributes = inner.payload();
    let length = NEXT_HOP_HEADER.saturating_add(attributes.len());
    let weight = u8::try_from(hop.weight.clamp(1, 256).saturating_sub(1)).unwrap_or(0);
    let mut bytes = u16::try_from(length).unwrap_or(0).to_ne_bytes().to_vec();
    bytes.extend([if hop.onlink { ONLINK } else { 0 }, weight]);
    bytes.extend(hop.interface.map_or(0, |interface| interface.0).to_ne_bytes());
    bytes.extend(attributes);
    bytes
}

fn next_hops(mut bytes: &[u8]) -> Vec<NextHop> {
    let mut hops = Vec::new();
    while let Some(&[l0, l1, flags, weight, a, b, c, d]) = bytes.first_chunk::<NEXT_HOP_HEADER>() {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(attributes) = bytes.get(NEXT_HOP_HEADER..length) else { break };
        let gateway = super::Attributes::new(attributes).find(libc::RTA_GATEWAY);
        let interface = Some(u32::from_ne_bytes([a, b, c, d])).filter(|index| *index != 0);
        hops.push(NextHop {
            gateway: gateway.and_then(|gateway| gateway.ip()),
            interface: interface.map(IfIndex),
            weight: u16::from(weight).saturating_add(1),
            onlink: flags & ONLINK != 0,
        });
        bytes = bytes.get(super::attribute::align(length)..).unwrap_or(&[]);
    }
    hops
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} table {}", self.destination.0, self.destination.1, self.table)
    }
}

/// Installs a route, or replaces the one to the same destination.
///
/// # Errors
/// The kernel's refusal.
pub fn install(socket: &mut Socket, route: &Route) -> Result<(), NetlinkError> {
    socket.request(&route.install_message()).asked(|| format!("install route {route}"))
}

/// Removes a route; false if it was not there.
///
/// # Errors
/// The kernel's refusal.
pub fn remove(socket: &mut Socket, route: &Route) -> Result<bool, NetlinkError> {
    match socket.request(&route.remove_message()) {
        Ok(()) => Ok(true),
        Err(failure) if is_gone(&failure) => Ok(false),
        Err(failure) => Err(failure.asked(format!("remove route {route}"))),
    }
}

/// Whether a refused removal means that the route, or its interface, is already gone.
pub fn is_gone(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { errno: Errno::ESRCH | Errno::ENODEV, .. })
}

/// All routes of both families.
///
/// # Errors
/// When the kernel could not be asked.
pub fn list(socket: &mut Socket) -> Result<Vec<Route>, NetlinkError> {
    dump(socket, 0)
}

/// The routes of both families that carry our mark. The kernel picks them out, so that a full table costs little.
///
/// # Errors
/// When the kernel could not be asked.
pub fn list_ours(socket: &mut Socket) -> Result<Vec<Route>, NetlinkError> {
    let mut routes = dump(socket, MARK)?;
    // Kernels before 4.20 send all.
    routes.retain(Route::is_ours);
    Ok(routes)
}

fn dump(socket: &mut Socket, protocol: u8) -> Result<Vec<Route>, NetlinkError> {
    let mut header = [0; HEADER];
    if let Some(place) = header.get_mut(5) {
        *place = protocol;
    }
    let replies = socket.dump(&Message::new(libc::RTM_GETROUTE, &header)).asked(|| "list routes")?;
    Ok(replies.iter().filter_map(|reply| Route::parse(&reply)).collect())
}

#[cfg(test)]
mod tests;
