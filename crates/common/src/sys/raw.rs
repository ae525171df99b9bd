//! Raw and packet sockets, and the socket options that nix lacks.
//!
//! Everything takes a borrowed descriptor and plain values; the kernel checks them and answers with an errno.

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::capability::Capability;

/// One instruction of a classic BPF program (`linux/filter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip where the comparison holds.
    pub jump_true: u8,
    /// Instructions to skip where it does not.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

/// Opens a raw IP socket for one protocol (`raw(7)`), non-blocking and close-on-exec.
///
/// # Errors
/// `EPERM` without `CAP_NET_RAW`; limits on descriptors.
pub fn ip_socket(ipv6: bool, protocol: u8) -> io::Result<OwnedFd> {
    let domain = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
    socket(domain, libc::c_int::from(protocol))
}

/// Opens a packet socket (`packet(7)`) that only sends whole Ethernet frames: protocol 0 receives nothing.
///
/// # Errors
/// `EPERM` without `CAP_NET_RAW`; limits on descriptors.
pub fn frame_socket() -> io::Result<OwnedFd> {
    socket(libc::AF_PACKET, 0)
}

fn socket(domain: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the call takes three integers and touches no memory of ours.
    let fd = unsafe { libc::socket(domain, kind, protocol) };
    if fd < 0 {
        return Err(Capability::NetRaw.explain(io::Error::last_os_error()));
    }
    // SAFETY: the kernel just gave us this new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// An integer option of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOption {
    /// `IP_MULTICAST_ALL`: also deliver groups that other sockets joined.
    IpMulticastAll,
    /// `IP_MULTICAST_LOOP`: deliver our own multicast to this machine.
    IpMulticastLoop,
    /// `IP_MULTICAST_TTL`.
    IpMulticastTtl,
    /// `IP_TTL`, for unicast.
    IpTtl,
    /// `IP_TOS`.
    IpTos,
    /// `IPV6_MULTICAST_ALL`.
    Ipv6MulticastAll,
    /// `IPV6_MULTICAST_LOOP`.
    Ipv6MulticastLoop,
    /// `IPV6_MULTICAST_HOPS`.
    Ipv6MulticastHops,
    /// `IPV6_MULTICAST_IF`: the number of the interface.
    Ipv6MulticastIf,
    /// `IPV6_UNICAST_HOPS`.
    Ipv6UnicastHops,
    /// `IPV6_TCLASS`.
    Ipv6TrafficClass,
    /// `SO_PRIORITY`: the queueing priority of what is sent.
    Priority,
}

impl IntOption {
    fn place(self) -> (libc::c_int, libc::c_int) {
        /// Missing in libc: `linux/in6.h`.
        const IPV6_MULTICAST_ALL: libc::c_int = 29;
        match self {
            Self::IpMulticastAll => (libc::IPPROTO_IP, libc::IP_MULTICAST_ALL),
            Self::IpMulticastLoop => (libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP),
            Self::IpMulticastTtl => (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL),
            Self::IpTtl => (libc::IPPROTO_IP, libc::IP_TTL),
            Self::IpTos => (libc::IPPROTO_IP, libc::IP_TOS),
            Self::Ipv6MulticastAll => (libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL),
            Self::Ipv6MulticastLoop => (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP),
            Self::Ipv6MulticastHops => (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS),
            Self::Ipv6MulticastIf => (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF),
            Self::Ipv6UnicastHops => (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
            Self::Ipv6TrafficClass => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            Self::Priority => (libc::SOL_SOCKET, libc::SO_PRIORITY),
        }
    }
}

/// Sets an integer option.
///
/// # Errors
/// What the kernel says.
pub fn set_int(fd: BorrowedFd<'_>, option: IntOption, value: i32) -> io::Result<()> {
    let (level, name) = option.place();
    set(fd, level, name, &value)
}

/// Sends IPv4 multicast by the interface of this number (`IP_MULTICAST_IF`).
///
/// # Errors
/// `EADDRNOTAVAIL` where there is no such interface.
pub fn set_multicast_interface(fd: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    set(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &membership(Ipv4Addr::UNSPECIFIED, index)?)
}

/// Joins an IPv4 group on the interface of this number.
///
/// # Errors
/// `ENODEV` where there is no such interface; `ENOBUFS` over `igmp_max_memberships`.
pub fn join_ipv4(fd: BorrowedFd<'_>, group: Ipv4Addr, index: u32) -> io::Result<()> {
    set(fd, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &membership(group, index)?)
}

fn membership(group: Ipv4Addr, index: u32) -> io::Result<libc::ip_mreqn> {
    Ok(libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: u32::from_ne_bytes(group.octets()) },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: i32::try_from(index).map_err(io::Error::other)?,
    })
}

/// Joins an IPv6 group on the interface of this number.
///
/// # Errors
/// `ENODEV` where there is no such interface.
pub fn join_ipv6(fd: BorrowedFd<'_>, group: Ipv6Addr, index: u32) -> io::Result<()> {
    let request = libc::ipv6_mreq {
        ipv6mr_multiaddr: libc::in6_addr { s6_addr: group.octets() },
        ipv6mr_interface: index,
    };
    set(fd, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &request)
}

/// Lets the kernel drop what the program does not accept (`SO_ATTACH_FILTER`), replacing a filter before.
///
/// # Errors
/// `EINVAL` where the program is longer than 4096 instructions or not valid.
pub fn attach_filter(fd: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let translate =
        |i: &Instruction| libc::sock_filter { code: i.code, jt: i.jump_true, jf: i.jump_false, k: i.operand };
    let mut translated: Vec<libc::sock_filter> = program.iter().map(translate).collect();
    let len = u16::try_from(translated.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len, filter: translated.as_mut_ptr() };
    // The kernel copies the program that this structure points to; it lives until the end of the function.
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Sends one whole Ethernet frame by the interface of this number.
///
/// # Errors
/// `ENXIO`, `ENETDOWN` where the interface is gone or down; `WouldBlock` where its queue is full.
pub fn send_frame(fd: BorrowedFd<'_>, index: u32, frame: &[u8]) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?,
        sll_protocol: 0,
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = socklen::<libc::sockaddr_ll>()?;
    let address = (&raw const address).cast::<libc::sockaddr>();
    // SAFETY: frame and address are valid for the lengths given, and the call only reads them.
    let sent = unsafe {
        libc::sendto(fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), libc::MSG_DONTWAIT, address, length)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `T` is an integer or a C structure that the option of this level and name takes.
pub(super) fn set<T>(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let length = socklen::<T>()?;
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: value points to a live T of the length given, which the kernel only reads.
    let rc = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, length) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn socklen<T>() -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)
}
