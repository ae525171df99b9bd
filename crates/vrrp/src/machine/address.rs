//! Addresses: those we want on an interface while master, and those seen there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::id::LinkName;

/// How far an address may be used, in the kernel's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// Within the site (IPv6 only).
    Site,
    /// On this link.
    Link,
    /// Within this machine.
    Host,
}

/// One address a master holds: what to ask the kernel for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix; 32 or 128 unless configured.
    pub prefix: u8,
    /// The interface it is put on (the instance's own unless configured).
    pub link: LinkName,
    /// Interface label, IPv4 only.
    pub label: Option<String>,
    /// Scope; the kernel's own choice when absent.
    pub scope: Option<Scope>,
    /// Broadcast address, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// What else may be said of it.
    pub options: Options,
    /// Whether it is listed in adverts.
    pub advertised: bool,
}

/// Seldom used properties of an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Options {
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// For how long it is chosen as the source of this machine's own connections.
    pub preferred: Preferred,
    /// Mobile IPv6 home address.
    pub home: bool,
    /// IPv6: look for another holder first (duplicate address detection).
    pub detect_duplicates: bool,
    /// IPv6: a template for temporary addresses.
    pub manage_temporary: bool,
    /// The kernel makes no route to its network.
    pub no_prefix_route: bool,
    /// Metric of the route to its network; the kernel's own choice when absent.
    pub metric: Option<u32>,
}

/// For how long an address is chosen as the source of this machine's own connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preferred {
    /// IPv4: as long as it is there. IPv6: never, since it may leave.
    #[default]
    Usual,
    /// As long as it is there.
    Forever,
    /// This long (whole seconds) after it was installed.
    For(Duration),
}

impl VirtualAddress {
    /// Whether the kernel can make the one of the other without removing it. An IPv4 address keeps everything but its
    /// lifetime, whatever a replacement says; an IPv6 one keeps nothing but its network.
    #[must_use]
    pub fn is_replaceable_by(&self, other: &Self) -> bool {
        if (self.link, self.address, self.prefix) != (other.link, other.address, other.prefix) {
            return false;
        }
        let fixed = |a: &Self| Options { preferred: Preferred::Usual, ..a.options };
        self.address.is_ipv6()
            || (self.label == other.label
                && self.scope == other.scope
                && self.broadcast == other.broadcast
                && fixed(self) == fixed(other))
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.address, self.prefix, self.link)
    }
}

/// How long the kernel keeps an address without hearing from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody removes it.
    Forever,
    /// This long (whole seconds) after the last install or refresh: the address cannot outlive its holder.
    Lease(Duration),
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Lease(d) => write!(f, "{}s", d.as_secs()),
        }
    }
}

/// An address the kernel has on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
    /// It carries our mark (protocol number), so an earlier run or we ourselves installed it.
    pub ours: bool,
    /// It can be used as a source now: not tentative, no failed duplicate detection.
    pub usable: bool,
}
