//! Addresses on interfaces: installed, removed, read.
//!
//! Every address we install carries [`MARK`] as its protocol number, so that our own leftovers are told
//! from everybody else's addresses, and may carry a finite lifetime, after which the kernel removes it by
//! itself.

use super::error::{Asked, Failure, NetlinkError};
use super::link::IfIndex;
use super::message::{Message, Reply};
use super::socket::Socket;
use nix::errno::Errno;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// The address and route protocol number that marks what is ours.
pub const MARK: u8 = 72;

/// `IFA_PROTO`, since Linux 5.18; older kernels ignore it.
const IFA_PROTO: u16 = 11;
/// `IFA_RT_PRIORITY`, since Linux 4.18.
const IFA_RT_PRIORITY: u16 = 9;
const HEADER: usize = 8;
const FOREVER: u32 = u32::MAX;

/// No duplicate address detection: the address is usable at once.
pub const NODAD: u32 = libc::IFA_F_NODAD;
/// Installing the address makes no route to its prefix.
pub const NOPREFIXROUTE: u32 = libc::IFA_F_NOPREFIXROUTE;
/// Mobile IPv6 home address.
pub const HOMEADDRESS: u32 = libc::IFA_F_HOMEADDRESS;
/// Template for temporary addresses.
pub const MANAGETEMPADDR: u32 = libc::IFA_F_MANAGETEMPADDR;
/// Duplicate address detection has not finished.
pub const TENTATIVE: u32 = libc::IFA_F_TENTATIVE;
/// Duplicate address detection found another holder.
pub const DADFAILED: u32 = libc::IFA_F_DADFAILED;
/// The flags that a request sets; the others are the kernel's to report.
const SETTABLE: u32 = NODAD | NOPREFIXROUTE | HOMEADDRESS | MANAGETEMPADDR;

/// How far an address is valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(pub u8);

impl Scope {
    /// Everywhere.
    pub const GLOBAL: Self = Self(0);
    /// Within the site.
    pub const SITE: Self = Self(200);
    /// On the link.
    pub const LINK: Self = Self(253);
    /// On this machine.
    pub const HOST: Self = Self(254);
}

/// How long an address stays without being installed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifetime {
    /// Until it is removed.
    #[default]
    Forever,
    /// Until the kernel removes it.
    Seconds {
        /// It stays this long; at least 1.
        valid: u32,
        /// It is chosen as a source address this long; at most `valid`.
        preferred: u32,
    },
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The interface.
    pub interface: IfIndex,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// The broadcast address (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// The label (IPv4 only); the interface's name if not given.
    pub label: Option<String>,
    /// Its scope.
    pub scope: Scope,
    /// [`NODAD`] and the like.
    pub flags: u32,
    /// Its lifetime.
    pub lifetime: Lifetime,
    /// The metric of the route to its network; the kernel's own choice if not given.
    pub metric: Option<u32>,
    /// Who installed it: [`MARK`] for us; 0 unknown, 1–3 the kernel itself.
    pub protocol: u8,
}

impl Address {
    /// An address of ours with nothing special about it.
    pub const fn new(interface: IfIndex, address: IpAddr, prefix: u8) -> Self {
        Self {
            interface,
            address,
            prefix,
            peer: None,
            broadcast: None,
            label: None,
            scope: Scope::GLOBAL,
            flags: 0,
            lifetime: Lifetime::Forever,
            metric: None,
            protocol: MARK,
        }
    }

    /// Carries our mark.
    pub const fn is_ours(&self) -> bool {
        self.protocol == MARK
    }

    /// The request that installs it, or renews it if it is there. It can be kept and sent again.
    pub fn install_message(&self) -> Message {
        self.fill(Message::new(libc::RTM_NEWADDR, &self.header()).create_or_replace())
    }

    /// The request that installs it where it is not there.
    pub fn create_message(&self) -> Message {
        self.fill(Message::new(libc::RTM_NEWADDR, &self.header()).create())
    }

    fn fill(&self, mut message: Message) -> Message {
        self.names(&mut message);
        if let Some(broadcast) = self.broadcast {
            message.ip(libc::IFA_BROADCAST, IpAddr::V4(broadcast));
        }
        // IFA_FLAGS holds all 32 bits, the header's field only the first eight.
        message.u32(libc::IFA_FLAGS, self.flags & SETTABLE);
        message.u8(IFA_PROTO, self.protocol);
        if let Some(metric) = self.metric {
            message.u32(IFA_RT_PRIORITY, metric);
        }
        // struct ifa_cacheinfo: preferred, valid, and two times that only the kernel fills.
        let (preferred, valid) = match self.lifetime {
            Lifetime::Forever => (FOREVER, FOREVER),
            Lifetime::Seconds { valid, preferred } => (preferred, valid),
        };
        let mut times = [0; 16];
        for (place, time) in times.chunks_exact_mut(4).zip([preferred, valid]) {
            place.copy_from_slice(&time.to_ne_bytes());
        }
        message.bytes(libc::IFA_CACHEINFO, &times);
        message
    }

    /// The request that removes it.
    pub fn remove_message(&self) -> Message {
        let mut message = Message::new(libc::RTM_DELADDR, &self.header());
        self.names(&mut message);
        message
    }

    /// What both requests say: address, other end, label.
    fn names(&self, message: &mut Message) {
        message.ip(libc::IFA_LOCAL, self.address);
        message.ip(libc::IFA_ADDRESS, self.peer.unwrap_or(self.address));
        if let (Some(label), IpAddr::V4(_)) = (&self.label, self.address) {
            message.text(libc::IFA_LABEL, label);
        }
    }

    /// `struct ifaddrmsg`: family, prefix length, flags, scope, interface.
    fn header(&self) -> [u8; HEADER] {
        let [a, b, c, d] = self.interface.0.to_ne_bytes();
        [family(self.address), self.prefix, 0, self.scope.0, a, b, c, d]
    }

    /// Reads an `RTM_NEWADDR` or `RTM_DELADDR`.
    pub fn parse(reply: &Reply<'_>) -> Option<Self> {
        let (&[_, prefix, low_flags, scope, a, b, c, d], attributes) = reply.split::<HEADER>()?;
        let mut local = None;
        let mut other = None;
        let mut flags = u32::from(low_flags);
        let mut address =
            Self::new(IfIndex(u32::from_ne_bytes([a, b, c, d])), IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix);
        address.scope = Scope(scope);
        address.protocol = 0;
        for attribute in attributes {
            match attribute.kind {
                libc::IFA_LOCAL => local = attribute.ip(),
                libc::IFA_ADDRESS => other = attribute.ip(),
                libc::IFA_BROADCAST => {
                    if let Some(IpAddr::V4(broadcast)) = attribute.ip() {
                        address.broadcast = Some(broadcast);
                    }
                }
                libc::IFA_LABEL => address.label = attribute.text().map(str::to_owned),
                libc::IFA_FLAGS => flags = attribute.u32()?,
                IFA_PROTO => address.protocol = attribute.u8()?,
                IFA_RT_PRIORITY => address.metric = attribute.u32().filter(|metric| *metric != 0),
                libc::IFA_CACHEINFO => {
                    let preferred = u32::from_ne_bytes(*attribute.value.first_chunk()?);
                    let valid = u32::from_ne_bytes(*attribute.value.get(4..)?.first_chunk()?);
                    if valid != FOREVER {
                        address.lifetime = Lifetime::Seconds { valid, preferred };
                    }
                }
                _ => {}
            }
        }
        // IFA_ADDRESS alone is the address itself; beside IFA_LOCAL it is the other end.
        address.address = local.or(other)?;
        address.peer = other.filter(|other| *other != address.address);
        address.flags = flags;
        Some(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} on interface number {}", self.address, self.prefix, self.interface)
    }
}

/// Installs an address, or renews it if it is there.
///
/// # Errors
/// The kernel's refusal.
pub fn install(socket: &mut Socket, address: &Address) -> Result<(), NetlinkError> {
    socket.request(&address.install_message()).asked(|| format!("install address {address}"))
}

/// Removes an address; false if it was not there.
///
/// # Errors
/// The kernel's refusal.
pub fn remove(socket: &mut Socket, address: &Address) -> Result<bool, NetlinkError> {
    match socket.request(&address.remove_message()) {
        Ok(()) => Ok(true),
        Err(failure) if is_gone(&failure) => Ok(false),
        Err(failure) => Err(failure.asked(format!("remove address {address}"))),
    }
}

/// Whether a refused removal means that the address, or its interface, is already gone.
pub fn is_gone(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { errno: Errno::EADDRNOTAVAIL | Errno::ENODEV, .. })
}

/// All addresses of all interfaces, both families.
///
/// # Errors
/// When the kernel could not be asked.
pub fn list(socket: &mut Socket) -> Result<Vec<Address>, NetlinkError> {
    let message = Message::new(libc::RTM_GETADDR, &[0; HEADER]);
    let replies = socket.dump(&message).asked(|| "list addresses")?;
    Ok(replies.iter().filter_map(|reply| Address::parse(&reply)).collect())
}

/// The kernel's number of an address's family.
pub(super) fn family(address: IpAddr) -> u8 {
    let number = match address {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    u8::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
