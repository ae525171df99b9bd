//! ICMP echo: the unprivileged datagram socket, or a raw one where `net.ipv4.ping_group_range` does not let us in.
//!
//! The datagram kind has its identifier set, its replies sorted and its checksums computed by the kernel. A raw socket
//! hears every echo reply of the connected host, so an identifier of ours sorts them here.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{SockProtocol, SockType};

use super::socket::{Fault, plain};
use super::stream::{self, Received};

/// How the messages of one attempt are dressed and recognised.
#[derive(Debug)]
pub(super) struct Echo {
    /// None: the kernel does it.
    raw: Option<Raw>,
}

#[derive(Debug)]
struct Raw {
    ipv6: bool,
    identifier: [u8; 2],
}

impl Echo {
    pub(super) fn open(target: SocketAddr) -> Result<(OwnedFd, Self), Fault> {
        let ipv6 = target.is_ipv6();
        let protocol = if ipv6 { SockProtocol::IcmpV6 } else { SockProtocol::Icmp };
        if let Ok(fd) = plain(target, SockType::Datagram, Some(protocol)) {
            return Ok((fd, Self { raw: None }));
        }
        let fd = plain(target, SockType::Raw, Some(protocol))?;
        // Distinct among the attempts that are open at the same time, and from other processes' most of the time.
        let [_, _, a, b] = std::process::id().to_be_bytes();
        let [_, _, c, d] = fd.as_raw_fd().to_be_bytes();
        Ok((fd, Self { raw: Some(Raw { ipv6, identifier: [a ^ c, b ^ d] }) }))
    }

    /// A message as it goes out: bytes 2 and 3 are the checksum, 4 and 5 the identifier (RFC 792, RFC 4443 4.1).
    pub(super) fn dressed(&self, message: &[u8]) -> Vec<u8> {
        let mut message = message.to_vec();
        let Some(raw) = &self.raw else { return message };
        if let Some(place) = message.get_mut(4..6) {
            place.copy_from_slice(&raw.identifier);
        }
        // The kernel fills ICMPv6's in: it knows the pseudo header.
        if !raw.ipv6 {
            let sum = checksum(&message).to_be_bytes();
            if let Some(place) = message.get_mut(2..4) {
                place.copy_from_slice(&sum);
            }
        }
        message
    }

    pub(super) fn receive(&self, fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            let received = stream::datagram(fd, buffer)?;
            let (Received::Datagram(count), Some(raw)) = (received, &self.raw) else { return Ok(received) };
            // A raw IPv4 socket delivers the IP header too.
            let header = if raw.ipv6 { 0 } else { usize::from(buffer.first().unwrap_or(&0) & 0xf) * 4 };
            if header > count || buffer.get(header + 4..header + 6) != Some(&raw.identifier) {
                continue;
            }
            buffer.copy_within(header..count, 0);
            return Ok(Received::Datagram(count - header));
        }
    }
}

/// RFC 1071, over a message whose checksum field is zero.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| {
        let high = pair.first().copied().unwrap_or_default();
        let low = pair.get(1).copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([high, low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dressed_message_sums_to_zero() {
        let echo = Echo { raw: Some(Raw { ipv6: false, identifier: [0xab, 0xcd] }) };
        let message = echo.dressed(b"\x08\x00\x00\x00\x00\x00\x00\x01payload");
        assert_eq!(message[4..6], [0xab, 0xcd]);
        assert_eq!(checksum(&message), 0);
    }

    #[test]
    fn the_kernel_dresses_the_datagram_kind() {
        assert_eq!(Echo { raw: None }.dressed(b"\x08\0\0\0\0\0\0\x01"), b"\x08\0\0\0\0\0\0\x01");
    }
}
