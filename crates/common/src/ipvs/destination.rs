//! A real server of a service as the kernel has it: where it is, how packets get there, how much it takes.

use super::attribute::{DestAttr, forward, tunnel_flag, tunnel_type};
use super::service::{Family, address_bytes, read_address};
use crate::netlink::{Attributes, Message};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// What identifies a destination within its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// The real server's address.
    pub address: IpAddr,
    /// Its port; 0 with services for all ports.
    pub port: u16,
}

/// What a destination is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// How packets get there.
    pub forward: Forward,
    /// Its share; 0 takes no new connections. The kernel's number is signed: at most 2³¹−1.
    pub weight: u32,
    /// With this many connections it gets no new ones; 0 is no limit.
    pub upper_threshold: u32,
    /// Below this many it gets new ones again.
    pub lower_threshold: u32,
}

impl Destination {
    /// The greatest weight.
    pub const MAX_WEIGHT: u32 = 0x7fff_ffff;
}

/// How packets get to a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forward {
    /// Address translation, both ways (`nat`).
    Masquerade,
    /// Same packet to the server's MAC address (`dr`).
    DirectRoute,
    /// Packet in a packet (`tun`).
    Tunnel(Tunnel),
    /// This machine itself. The kernel's own choice, not one of ours.
    Local,
    /// To the packet's own destination. The kernel's own choice, not one of ours.
    Bypass,
}

/// How a packet is put into a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// The UDP port of the receiving end.
        port: u16,
        /// What the outer checksum covers.
        checksum: Checksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// What the outer checksum covers; not [`Checksum::Remote`].
        checksum: Checksum,
    },
}

/// The checksum of an encapsulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// None.
    #[default]
    None,
    /// Over the encapsulated packet.
    Plain,
    /// Remote checksum offload (GUE only).
    Remote,
}

impl Checksum {
    const fn bits(self) -> u16 {
        match self {
            Self::None => tunnel_flag::NOCSUM,
            Self::Plain => tunnel_flag::CSUM,
            Self::Remote => tunnel_flag::REMCSUM,
        }
    }

    const fn from_bits(bits: u16) -> Self {
        if bits & tunnel_flag::CSUM != 0 {
            Self::Plain
        } else if bits & tunnel_flag::REMCSUM != 0 {
            Self::Remote
        } else {
            Self::None
        }
    }
}

/// The connections a destination has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Established.
    pub active: u32,
    /// In any other state.
    pub inactive: u32,
    /// Clients that persistence keeps here.
    pub persistent: u32,
}

impl DestinationKey {
    /// Adds the attributes that identify a destination.
    pub(super) fn write(&self, message: &mut Message) {
        message.u16(DestAttr::AddrFamily.id(), Family::of(self.address).number());
        message.bytes(DestAttr::Addr.id(), &address_bytes(self.address));
        message.be16(DestAttr::Port.id(), self.port);
    }

    /// Kernels before mixed families don't tell the family: it is the service's.
    fn read(service: Family, attributes: Attributes<'_>) -> Option<Self> {
        let family = match attributes.find(DestAttr::AddrFamily.id()) {
            Some(family) => Family::from_number(family.u16()?)?,
            None => service,
        };
        let address = read_address(family, attributes.find(DestAttr::Addr.id())?.value)?;
        Some(Self { address, port: attributes.find(DestAttr::Port.id())?.be16()? })
    }
}

impl Destination {
    /// Adds the attributes that set up a destination.
    pub(super) fn write(&self, message: &mut Message) {
        let (method, tunnel) = match self.forward {
            Forward::Masquerade => (forward::MASQ, None),
            Forward::DirectRoute => (forward::DROUTE, None),
            Forward::Tunnel(tunnel) => (forward::TUNNEL, Some(tunnel)),
            Forward::Local => (forward::LOCALNODE, None),
            Forward::Bypass => (forward::BYPASS, None),
        };
        message.u32(DestAttr::FwdMethod.id(), method);
        message.u32(DestAttr::Weight.id(), self.weight);
        message.u32(DestAttr::UThresh.id(), self.upper_threshold);
        message.u32(DestAttr::LThresh.id(), self.lower_threshold);
        let (kind, port, checksum) = match tunnel {
            None => return,
            Some(Tunnel::Ipip) => (tunnel_type::IPIP, 0, Checksum::None),
            Some(Tunnel::Gue { port, checksum }) => (tunnel_type::GUE, port, checksum),
            Some(Tunnel::Gre { checksum }) => (tunnel_type::GRE, 0, checksum),
        };
        message.u8(DestAttr::TunType.id(), kind);
        message.be16(DestAttr::TunPort.id(), port);
        message.u16(DestAttr::TunFlags.id(), checksum.bits());
    }

    fn read(attributes: Attributes<'_>) -> Option<Self> {
        let number = |attribute: DestAttr| attributes.find(attribute.id())?.u32();
        Some(Self {
            forward: match number(DestAttr::FwdMethod)? & forward::MASK {
                forward::MASQ => Forward::Masquerade,
                forward::LOCALNODE => Forward::Local,
                forward::TUNNEL => Forward::Tunnel(Tunnel::read(attributes)?),
                forward::DROUTE => Forward::DirectRoute,
                forward::BYPASS => Forward::Bypass,
                _ => return None,
            },
            weight: number(DestAttr::Weight)?,
            upper_threshold: number(DestAttr::UThresh)?,
            lower_threshold: number(DestAttr::LThresh)?,
        })
    }
}

impl Tunnel {
    /// Kernels before GUE don't tell the kind: it is IP in IP.
    fn read(attributes: Attributes<'_>) -> Option<Self> {
        let kind =
            attributes.find(DestAttr::TunType.id()).map_or(Some(tunnel_type::IPIP), |kind| kind.u8())?;
        let port = attributes.find(DestAttr::TunPort.id()).map_or(Some(0), |port| port.be16())?;
        let flags = attributes.find(DestAttr::TunFlags.id()).map_or(Some(0), |flags| flags.u16())?;
        let checksum = Checksum::from_bits(flags);
        match kind {
            tunnel_type::IPIP => Some(Self::Ipip),
            tunnel_type::GUE => Some(Self::Gue { port, checksum }),
            tunnel_type::GRE => Some(Self::Gre { checksum }),
            _ => None,
        }
    }
}

impl Connections {
    fn read(attributes: Attributes<'_>) -> Self {
        let number =
            |attribute: DestAttr| attributes.find(attribute.id()).and_then(|found| found.u32()).unwrap_or(0);
        Self {
            active: number(DestAttr::ActiveConns),
            inactive: number(DestAttr::InactConns),
            persistent: number(DestAttr::PersistConns),
        }
    }
}

/// Reads a destination from the attributes nested in a reply; nothing if it is of a kind we cannot make.
pub(super) fn read(
    service: Family,
    attributes: Attributes<'_>,
) -> Option<(DestinationKey, Destination, Connections)> {
    let key = DestinationKey::read(service, attributes)?;
    Some((key, Destination::read(attributes)?, Connections::read(attributes)))
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// `nat`, `dr`, `tun`, `tun gue:6080`: as in the configuration.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masquerade => f.write_str("nat"),
            Self::DirectRoute => f.write_str("dr"),
            Self::Tunnel(Tunnel::Ipip) => f.write_str("tun"),
            Self::Tunnel(Tunnel::Gue { port, .. }) => write!(f, "tun gue:{port}"),
            Self::Tunnel(Tunnel::Gre { .. }) => f.write_str("tun gre"),
            Self::Local => f.write_str("local"),
            Self::Bypass => f.write_str("bypass"),
        }
    }
}
