//! Adverts out: one raw socket per interface, source and TTL, opened when first needed.
//!
//! The sockets are bound to their interface and source, so that a send is one system call without an allocation.
//! They receive nothing: their filter drops all.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use common::sys::raw::{self, IntOption};
use nix::sys::socket::sockopt::BindToDevice;
use nix::sys::socket::{MsgFlags, SockaddrStorage, bind, sendto, setsockopt};

use super::filter;
use crate::machine::action::AdvertCopy;
use crate::machine::id::{LinkIndex, LinkName};
use crate::wire::advert::PROTOCOL;

/// Internetwork control (RFC 4594 3.1: class selector 6), as routers mark what must not be dropped.
const TRAFFIC_CLASS: i32 = 0xc0;
/// `TC_PRIO_CONTROL` of linux/pkt_sched.h: in front of the traffic in the interface's queue.
pub(super) const QUEUE_PRIORITY: i32 = 7;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Path {
    link: LinkName,
    source: IpAddr,
    ttl: u8,
}

/// The sending sockets.
#[derive(Debug, Default)]
pub struct Sender {
    sockets: BTreeMap<Path, (LinkIndex, OwnedFd)>,
}

impl Sender {
    /// Sends one copy by the interface that has this number now, with these bytes.
    ///
    /// # Errors
    /// The interface or the source address is gone, or the queue is full. The socket is made anew next time.
    pub fn send(&mut self, copy: &AdvertCopy, payload: &[u8], index: LinkIndex) -> io::Result<()> {
        let path = Path { link: copy.link, source: copy.source, ttl: copy.ttl };
        if self.sockets.get(&path).is_none_or(|(known, _)| *known != index) {
            self.sockets.insert(path, (index, open(&path, index)?));
        }
        let Some((_, socket)) = self.sockets.get(&path) else { return Ok(()) };
        let destination = address(copy.destination, index);
        let sent = sendto(socket.as_raw_fd(), payload, &destination, MsgFlags::MSG_DONTWAIT);
        if let Err(error) = sent {
            self.sockets.remove(&path);
            return Err(error.into());
        }
        Ok(())
    }

    /// Closes the sockets of an interface that went away.
    pub fn forget(&mut self, link: LinkName) {
        self.sockets.retain(|path, _| path.link != link);
    }

    /// Closes the sockets of a source address that went away.
    pub fn forget_source(&mut self, link: LinkName, source: IpAddr) {
        self.sockets.retain(|path, _| path.link != link || path.source != source);
    }
}

fn open(path: &Path, index: LinkIndex) -> io::Result<OwnedFd> {
    let socket = raw::ip_socket(path.source.is_ipv6(), PROTOCOL)?;
    let (fd, ttl) = (socket.as_fd(), i32::from(path.ttl));
    raw::attach_filter(fd, &filter::drop_all())?;
    setsockopt(&socket, BindToDevice, &path.link.as_str().into())?;
    raw::set_int(fd, IntOption::Priority, QUEUE_PRIORITY)?;
    match path.source {
        IpAddr::V4(_) => {
            raw::set_int(fd, IntOption::IpTos, TRAFFIC_CLASS)?;
            raw::set_int(fd, IntOption::IpTtl, ttl)?;
            raw::set_int(fd, IntOption::IpMulticastTtl, ttl)?;
            raw::set_int(fd, IntOption::IpMulticastLoop, 0)?;
            raw::set_multicast_interface(fd, index.0)?;
        }
        IpAddr::V6(_) => {
            raw::set_int(fd, IntOption::Ipv6TrafficClass, TRAFFIC_CLASS)?;
            raw::set_int(fd, IntOption::Ipv6UnicastHops, ttl)?;
            raw::set_int(fd, IntOption::Ipv6MulticastHops, ttl)?;
            raw::set_int(fd, IntOption::Ipv6MulticastLoop, 0)?;
            raw::set_int(fd, IntOption::Ipv6MulticastIf, i32::try_from(index.0).map_err(io::Error::other)?)?;
        }
    }
    bind(socket.as_raw_fd(), &address(path.source, index))?;
    Ok(socket)
}

/// A raw socket's address: no port, and the interface as the scope of a link-local one.
fn address(ip: IpAddr, index: LinkIndex) -> SockaddrStorage {
    SockaddrStorage::from(match ip {
        IpAddr::V4(ip) => SocketAddr::V4(SocketAddrV4::new(ip, 0)),
        IpAddr::V6(ip) => {
            let scope = if ip.is_unicast_link_local() || ip.is_multicast() { index.0 } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, scope))
        }
    })
}
