//! A virtual service as the kernel has it: what identifies it, and how it distributes connections.

use super::attribute::{ServiceAttr, service_flag};
use super::name::Name;
use crate::netlink::{Attributes, Message};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of this address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// The length of an address, which is also the mask of a single host.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }

    /// `AF_INET` or `AF_INET6`.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Ipv4 => 2,
            Self::Ipv6 => 10,
        }
    }

    pub(super) const fn from_number(number: u16) -> Option<Self> {
        match number {
            2 => Some(Self::Ipv4),
            10 => Some(Self::Ipv6),
            _ => None,
        }
    }
}

/// A transport protocol that IPVS balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Transport {
    /// `IPPROTO_*`.
    const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    const fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

/// What identifies a service in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Packets to an address and port; port 0 stands for all ports (and needs persistence).
    Address {
        /// The transport protocol.
        transport: Transport,
        /// The virtual address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// Packets that the packet filter marked. The same mark in both families is two services.
    Mark {
        /// The family of the packets.
        family: Family,
        /// The mark.
        mark: u32,
    },
}

impl ServiceKey {
    /// The family of the packets it takes.
    pub const fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Mark { family, .. } => *family,
        }
    }
}

/// How a service distributes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// The scheduler's name; the kernel loads its module.
    pub scheduler: Name,
    /// Settings of the scheduler.
    pub flags: SchedulerFlags,
    /// Each packet is scheduled by itself (UDP only).
    pub one_packet: bool,
    /// Connections of one client go to one server.
    pub persistence: Option<Persistence>,
}

/// How connections of one client are kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Persistence {
    /// For how many seconds after the last connection.
    pub timeout: u32,
    /// Clients with this many leading address bits in common are one client. 0, which cannot be asked for,
    /// is a foreign service's mask with holes.
    pub granularity: u8,
    /// What else identifies a client: `sip` is the only engine in the kernel.
    pub engine: Option<Name>,
}

/// The three flags whose meaning is the scheduler's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchedulerFlags(u32);

/// The schedulers in the kernel. Others may exist as modules.
pub const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos"];

/// The names of flags: the general ones, and those of the schedulers that use them.
const FLAGS: [(&str, Option<&str>, u32); 7] = [
    ("flag-1", None, service_flag::SCHED1),
    ("flag-2", None, service_flag::SCHED2),
    ("flag-3", None, service_flag::SCHED3),
    ("sh-fallback", Some("sh"), service_flag::SCHED1),
    ("sh-port", Some("sh"), service_flag::SCHED2),
    ("mh-fallback", Some("mh"), service_flag::SCHED1),
    ("mh-port", Some("mh"), service_flag::SCHED2),
];

/// Why a flag cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagError {
    /// No scheduler has a flag of this name.
    Unknown,
    /// It is another scheduler's.
    Foreign(&'static str),
}

impl SchedulerFlags {
    /// The names that [`SchedulerFlags::with`] knows for some scheduler.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FLAGS.iter().map(|(name, _, _)| *name)
    }

    /// These flags and the one called `name`, which the scheduler must know.
    ///
    /// # Errors
    /// When there is no such flag, or only for another scheduler.
    pub fn with(self, name: &str, scheduler: &str) -> Result<Self, FlagError> {
        let (_, owner, bit) = FLAGS.iter().find(|(known, ..)| *known == name).ok_or(FlagError::Unknown)?;
        match owner {
            Some(owner) if *owner != scheduler => Err(FlagError::Foreign(owner)),
            Some(_) | None => Ok(Self(self.0 | bit)),
        }
    }

    const ALL: u32 = service_flag::SCHED1 | service_flag::SCHED2 | service_flag::SCHED3;
}

/// Bits the kernel keeps for itself are neither asked for nor compared.
const OURS: u32 = SchedulerFlags::ALL | service_flag::PERSISTENT | service_flag::ONE_PACKET;

impl Service {
    fn flag_bits(&self) -> u32 {
        let persistent = if self.persistence.is_some() { service_flag::PERSISTENT } else { 0 };
        let one_packet = if self.one_packet { service_flag::ONE_PACKET } else { 0 };
        self.flags.0 | persistent | one_packet
    }

    /// Adds the attributes that set up a service, without those that identify it.
    pub(super) fn write(&self, family: Family, message: &mut Message) {
        message.text(ServiceAttr::SchedName.id(), self.scheduler.as_str());
        if let Some(engine) = self.persistence.and_then(|persistence| persistence.engine) {
            message.text(ServiceAttr::PeName.id(), engine.as_str());
        }
        // struct ip_vs_flags: the bits, and which of them are meant.
        let mut flags = [0; 8];
        let (bits, mask) = flags.split_at_mut(4);
        bits.copy_from_slice(&self.flag_bits().to_ne_bytes());
        mask.copy_from_slice(&OURS.to_ne_bytes());
        message.bytes(ServiceAttr::Flags.id(), &flags);
        message.u32(ServiceAttr::Timeout.id(), self.persistence.map_or(0, |persistence| persistence.timeout));
        let granularity = self.persistence.map_or(family.bits(), |persistence| persistence.granularity);
        message.bytes(ServiceAttr::Netmask.id(), &mask_bytes(family, granularity));
    }

    fn read(family: Family, attributes: Attributes<'_>) -> Option<Self> {
        let bits = attributes.find(ServiceAttr::Flags.id())?.u32()?;
        let engine = attributes.find(ServiceAttr::PeName.id());
        let persistence = Persistence {
            timeout: attributes.find(ServiceAttr::Timeout.id())?.u32()?,
            granularity: granularity(family, attributes.find(ServiceAttr::Netmask.id())?.value),
            engine: engine.and_then(|engine| engine.text()?.parse().ok()),
        };
        Some(Self {
            scheduler: attributes.find(ServiceAttr::SchedName.id())?.text()?.parse().ok()?,
            flags: SchedulerFlags(bits & SchedulerFlags::ALL),
            one_packet: bits & service_flag::ONE_PACKET != 0,
            persistence: (bits & service_flag::PERSISTENT != 0).then_some(persistence),
        })
    }
}

impl ServiceKey {
    /// Adds the attributes that identify a service.
    pub(super) fn write(&self, message: &mut Message) {
        message.u16(ServiceAttr::Af.id(), self.family().number());
        match self {
            Self::Address { transport, address, port } => {
                message.u16(ServiceAttr::Protocol.id(), transport.number());
                message.bytes(ServiceAttr::Addr.id(), &address_bytes(*address));
                message.be16(ServiceAttr::Port.id(), *port);
            }
            Self::Mark { mark, .. } => {
                message.u32(ServiceAttr::Fwmark.id(), *mark);
            }
        }
    }

    fn read(attributes: Attributes<'_>) -> Option<Self> {
        let family = Family::from_number(attributes.find(ServiceAttr::Af.id())?.u16()?)?;
        if let Some(mark) = attributes.find(ServiceAttr::Fwmark.id()) {
            return Some(Self::Mark { family, mark: mark.u32()? });
        }
        let address = attributes.find(ServiceAttr::Addr.id())?.value;
        Some(Self::Address {
            transport: Transport::from_number(attributes.find(ServiceAttr::Protocol.id())?.u16()?)?,
            address: read_address(family, address)?,
            port: attributes.find(ServiceAttr::Port.id())?.be16()?,
        })
    }
}

/// Reads a service from the attributes nested in a reply; nothing if it is of a kind we cannot make.
pub(super) fn read(attributes: Attributes<'_>) -> Option<(ServiceKey, Service)> {
    let key = ServiceKey::read(attributes)?;
    Some((key, Service::read(key.family(), attributes)?))
}

/// `union nf_inet_addr`: an IPv4 address stands in the first four bytes.
pub(super) fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

pub(super) fn read_address(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        Family::Ipv4 => Some(IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?))),
        Family::Ipv6 => Some(IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?))),
    }
}

/// IPv4: the mask in network order. IPv6: the prefix length as a number in host order.
fn mask_bytes(family: Family, granularity: u8) -> [u8; 4] {
    match family {
        Family::Ipv4 => {
            let host = u32::BITS.saturating_sub(u32::from(granularity));
            u32::MAX.checked_shl(host).unwrap_or(0).to_be_bytes()
        }
        Family::Ipv6 => u32::from(granularity).to_ne_bytes(),
    }
}

fn granularity(family: Family, bytes: &[u8]) -> u8 {
    let Some(bytes) = bytes.first_chunk() else { return 0 };
    match family {
        Family::Ipv4 => {
            let mask = u32::from_be_bytes(*bytes);
            let ones = mask.leading_ones();
            if mask.count_ones() == ones { u8::try_from(ones).unwrap_or(0) } else { 0 }
        }
        Family::Ipv6 => u8::try_from(u32::from_ne_bytes(*bytes)).unwrap_or(0),
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// `tcp 192.0.2.1:80`, `udp [2001:db8::1]:53`, `fwmark 10 ipv4`.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { transport, address, port } => {
                write!(f, "{transport} {}", SocketAddr::new(*address, *port))
            }
            Self::Mark { family, mark } => write!(f, "fwmark {mark} {family}"),
        }
    }
}

/// Why a text does not name a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceKeyError;

impl fmt::Display for ServiceKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a service is `tcp ADDRESS:PORT`, `udp ADDRESS:PORT`, `sctp ADDRESS:PORT` or `fwmark MARK FAMILY`")
    }
}

impl std::error::Error for ServiceKeyError {}

impl FromStr for ServiceKey {
    type Err = ServiceKeyError;

    fn from_str(text: &str) -> Result<Self, ServiceKeyError> {
        let transport = |transport, rest: &str| {
            let address: SocketAddr = rest.parse().map_err(|_| ServiceKeyError)?;
            Ok(Self::Address { transport, address: address.ip(), port: address.port() })
        };
        let (kind, rest) = text.split_once(' ').ok_or(ServiceKeyError)?;
        match kind {
            "tcp" => transport(Transport::Tcp, rest),
            "udp" => transport(Transport::Udp, rest),
            "sctp" => transport(Transport::Sctp, rest),
            "fwmark" => {
                let (mark, family) = rest.split_once(' ').ok_or(ServiceKeyError)?;
                let family = match family {
                    "ipv4" => Family::Ipv4,
                    "ipv6" => Family::Ipv6,
                    _ => return Err(ServiceKeyError),
                };
                Ok(Self::Mark { family, mark: mark.parse().map_err(|_| ServiceKeyError)? })
            }
            _ => Err(ServiceKeyError),
        }
    }
}
