//! Adverts in: one raw socket per interface and family, with a filter for our identifiers.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use common::event_loop::{Interest, Registration, Registry};
use common::sys::raw::{self, IntOption};
use nix::cmsg_space;
use nix::sys::socket::sockopt::{BindToDevice, Ipv6RecvHopLimit, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrLike, recvmsg, setsockopt,
};

use super::filter;
use crate::machine::action::Listener as Wanted;
use crate::machine::id::{Family, LinkIndex, LinkName, Vrid};
use crate::wire::admit::Datagram;
use crate::wire::advert::{GROUP_V4, GROUP_V6, PROTOCOL};

/// A socket that hears the adverts of one interface and family.
#[derive(Debug)]
pub struct Listener<K: Copy> {
    _registration: Registration<K>,
    socket: OwnedFd,
    link: LinkName,
    index: LinkIndex,
    family: Family,
    multicast: bool,
    control: Vec<u8>,
}

/// What one read gave.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A packet of protocol 112.
    Datagram(Datagram<'a>),
    /// Something that has no readable IP header or lacks what the kernel should tell; counted and dropped.
    Unreadable,
    /// Nothing more for now.
    Nothing,
}

impl<K: Copy> Listener<K> {
    /// Opens the socket and registers it under `key`.
    ///
    /// # Errors
    /// No such interface (any more), no permission, no descriptors.
    pub fn open(wanted: &Wanted, key: K, registry: &Registry<K>) -> io::Result<Self> {
        let socket = raw::ip_socket(wanted.family == Family::Ipv6, PROTOCOL)?;
        // The filter first: nothing foreign gets in between.
        raw::attach_filter(socket.as_fd(), &filter::accept(wanted.family, &wanted.vrids))?;
        setsockopt(&socket, BindToDevice, &wanted.link.as_str().into())?;
        match wanted.family {
            Family::Ipv4 => raw::set_int(socket.as_fd(), IntOption::IpMulticastAll, 0)?,
            Family::Ipv6 => {
                raw::set_int(socket.as_fd(), IntOption::Ipv6MulticastAll, 0)?;
                setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
                setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
            }
        }
        let registration = registry.add(&socket, key, Interest::Read)?;
        let mut listener = Self {
            _registration: registration,
            socket,
            link: wanted.link,
            index: wanted.index,
            family: wanted.family,
            multicast: false,
            control: cmsg_space!([u8; 64], RawFd),
        };
        if wanted.multicast {
            listener.join()?;
        }
        Ok(listener)
    }

    /// Changes the filter, and joins the group where that is wanted now. False where only a new socket will do: the
    /// interface is another one under the old name, or the group is to be left.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn change(&mut self, wanted: &Wanted) -> io::Result<bool> {
        if self.index != wanted.index || (self.multicast && !wanted.multicast) {
            return Ok(false);
        }
        self.filter(&wanted.vrids)?;
        if wanted.multicast && !self.multicast {
            self.join()?;
        }
        Ok(true)
    }

    fn filter(&self, vrids: &[Vrid]) -> io::Result<()> {
        raw::attach_filter(self.socket.as_fd(), &filter::accept(self.family, vrids))
    }

    fn join(&mut self) -> io::Result<()> {
        match self.family {
            Family::Ipv4 => raw::join_ipv4(self.socket.as_fd(), GROUP_V4, self.index.0)?,
            Family::Ipv6 => raw::join_ipv6(self.socket.as_fd(), GROUP_V6, self.index.0)?,
        }
        self.multicast = true;
        Ok(())
    }

    /// Reads one packet into `buffer`, without an allocation.
    ///
    /// # Errors
    /// The socket is broken: its interface may be gone.
    pub fn read<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Heard<'a>> {
        let heard = match self.family {
            Family::Ipv4 => self.receive::<SockaddrIn>(buffer),
            Family::Ipv6 => self.receive::<SockaddrIn6>(buffer),
        };
        let (length, source, told) = match heard {
            Ok(heard) => heard,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(Heard::Nothing),
            Err(error) => return Err(error.into()),
        };
        let packet = buffer.get(..length).unwrap_or_default();
        let datagram = match self.family {
            Family::Ipv4 => split_ipv4(self.link, packet),
            Family::Ipv6 => source.zip(told).map(|(source, (destination, ttl))| Datagram {
                link: self.link,
                source,
                destination,
                ttl,
                payload: packet,
            }),
        };
        Ok(datagram.map_or(Heard::Unreadable, Heard::Datagram))
    }

    /// Length, sender, and what the kernel tells beside the packet: destination and hop limit.
    fn receive<A: SockaddrLike + Into<Sender>>(&mut self, buffer: &mut [u8]) -> nix::Result<Received> {
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<A>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut self.control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let (mut destination, mut ttl) = (None, None);
        for control in message.cmsgs()? {
            if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
                destination = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
            } else if let ControlMessageOwned::Ipv6HopLimit(limit) = control {
                ttl = u8::try_from(limit).ok();
            }
        }
        let sender = message.address.and_then(|address| address.into().0);
        Ok((message.bytes, sender, destination.zip(ttl)))
    }
}

type Received = (usize, Option<IpAddr>, Option<(IpAddr, u8)>);

/// The sender's address, without its port and scope.
struct Sender(Option<IpAddr>);

impl From<SockaddrIn> for Sender {
    fn from(address: SockaddrIn) -> Self {
        Self(Some(IpAddr::V4(address.ip())))
    }
}

impl From<SockaddrIn6> for Sender {
    fn from(address: SockaddrIn6) -> Self {
        Self(Some(IpAddr::V6(address.ip())))
    }
}

/// Takes the IPv4 header off (RFC 791 3.1), its options included.
fn split_ipv4(link: LinkName, packet: &[u8]) -> Option<Datagram<'_>> {
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    if packet.first()? >> 4 != 4 || header_len < 20 {
        return None;
    }
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(octets)))
    };
    Some(Datagram {
        link,
        source: address(12)?,
        destination: address(16)?,
        ttl: *packet.get(8)?,
        payload: packet.get(header_len..)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(words: u8) -> Vec<u8> {
        let mut packet = vec![0; usize::from(words) * 4];
        packet[0] = 0x40 | words;
        packet[8] = 255;
        packet[12..16].copy_from_slice(&[192, 0, 2, 1]);
        packet[16..20].copy_from_slice(&[224, 0, 0, 18]);
        packet
    }

    #[test]
    fn an_ipv4_header_with_options_is_taken_off() {
        let link = LinkName::new("eth0").unwrap();
        for words in 5..=15 {
            let mut packet = header(words);
            packet.extend([0x21, 51, 100]);
            let datagram = split_ipv4(link, &packet).unwrap();
            assert_eq!(datagram.source.to_string(), "192.0.2.1");
            assert_eq!(datagram.destination.to_string(), "224.0.0.18");
            assert_eq!((datagram.ttl, datagram.payload), (255, &[0x21, 51, 100][..]));
        }
    }

    #[test]
    fn a_packet_cut_anywhere_is_no_datagram_or_a_shorter_one() {
        let link = LinkName::new("eth0").unwrap();
        let mut packet = header(6);
        packet.extend([1, 2, 3]);
        for end in 0..packet.len() {
            let datagram = split_ipv4(link, &packet[..end]);
            assert_eq!(datagram.is_some(), end >= 24, "{end}");
        }
        packet[0] = 0x41;
        assert!(split_ipv4(link, &packet).is_none());
    }
}
