//! Frames as a witness reads them: an own decoder, so that a fault of Holdfast's codec cannot hide itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A VRRP advertisement.
    Advert(Advert),
    /// An ARP request or reply.
    Arp(Arp),
    /// An IPv6 neighbour advertisement.
    NeighborAdvertisement(NeighborAdvertisement),
    /// Anything else.
    Other,
}

/// A VRRP advertisement with the headers around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Source of the frame.
    pub source_mac: Mac,
    /// Source of the packet.
    pub source: IpAddr,
    /// Destination of the packet.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// 2 or 3.
    pub version: u8,
    /// The virtual router.
    pub vrid: u8,
    /// The sender's priority.
    pub priority: u8,
    /// The advertisement interval.
    pub interval: Duration,
    /// Version 2: the authentication type; version 3: the reserved bits.
    pub auth_type: u8,
    /// Version 2: the eight bytes of authentication data.
    pub auth_data: Vec<u8>,
    /// The virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// Which way of summing gives the checksum.
    pub checksum: Checksum,
}

/// What a checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// The VRRP message alone.
    Message,
    /// The message and a pseudo header of addresses, length and protocol.
    PseudoHeader,
    /// Neither fits.
    Wrong,
}

/// An ARP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// 1 is a request, 2 a reply.
    pub operation: u16,
    /// Source of the frame.
    pub source_mac: Mac,
    /// Destination of the frame.
    pub destination_mac: Mac,
    /// The sender's hardware address inside the packet.
    pub sender_mac: Mac,
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The address asked for.
    pub target: Ipv4Addr,
}

/// An IPv6 neighbour advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighborAdvertisement {
    /// Source of the frame.
    pub source_mac: Mac,
    /// Destination of the packet.
    pub destination: Ipv6Addr,
    /// The address it speaks of.
    pub target: Ipv6Addr,
    /// The Router flag.
    pub router: bool,
    /// The Solicited flag.
    pub solicited: bool,
    /// The Override flag.
    pub overriding: bool,
    /// The target link-layer address option.
    pub target_mac: Option<Mac>,
}

impl Packet {
    /// Reads an Ethernet frame. What it does not know, or what is cut off, is [`Packet::Other`].
    #[must_use]
    pub fn decode(frame: &[u8]) -> Self {
        decode(frame).unwrap_or(Self::Other)
    }

    /// The advertisement in it.
    #[must_use]
    pub fn advert(&self) -> Option<&Advert> {
        if let Self::Advert(advert) = self { Some(advert) } else { None }
    }

    /// The address that is announced, if this is a gratuitous ARP or an unsolicited neighbour advertisement.
    #[must_use]
    pub fn announced(&self) -> Option<IpAddr> {
        match self {
            Self::Arp(arp) if arp.sender == arp.target => Some(arp.sender.into()),
            Self::NeighborAdvertisement(na) if !na.solicited => Some(na.target.into()),
            Self::Arp(_) | Self::NeighborAdvertisement(_) | Self::Advert(_) | Self::Other => None,
        }
    }
}

fn decode(frame: &[u8]) -> Option<Packet> {
    let (destination_mac, source_mac) = (mac(frame, 0)?, mac(frame, 6)?);
    match word(frame, 12)? {
        0x0806 => {
            let arp = frame.get(14..)?;
            Some(Packet::Arp(Arp {
                operation: word(arp, 6)?,
                source_mac,
                destination_mac,
                sender_mac: mac(arp, 8)?,
                sender: ipv4(arp, 14)?,
                target: ipv4(arp, 24)?,
            }))
        }
        0x0800 => {
            let packet = frame.get(14..)?;
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let message = packet.get(header..usize::from(word(packet, 2)?))?;
            let (source, destination) = (ipv4(packet, 12)?.into(), ipv4(packet, 16)?.into());
            (*packet.get(9)? == 112).then_some(())?;
            advert(source_mac, source, destination, *packet.get(8)?, message).map(Packet::Advert)
        }
        0x86dd => {
            let packet = frame.get(14..)?;
            let message = packet.get(40..)?.get(..usize::from(word(packet, 4)?))?;
            let (source, destination) = (ipv6(packet, 8)?, ipv6(packet, 24)?);
            match *packet.get(6)? {
                112 => advert(source_mac, source.into(), destination.into(), *packet.get(7)?, message)
                    .map(Packet::Advert),
                58 if *message.first()? == 136 => {
                    neighbor(source_mac, destination, message).map(Packet::NeighborAdvertisement)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn advert(source_mac: Mac, source: IpAddr, destination: IpAddr, ttl: u8, message: &[u8]) -> Option<Advert> {
    let first = *message.first()?;
    let version = first >> 4;
    (first & 0x0f == 1 && (version == 2 || version == 3)).then_some(())?;
    let count = usize::from(*message.get(3)?);
    let size = if source.is_ipv4() { 4 } else { 16 };
    let list = message.get(8..8 + count * size)?;
    let addresses = list.chunks_exact(size).filter_map(address).collect();
    let timing = word(message, 4)?;
    let [auth_type, seconds] = timing.to_be_bytes();
    let (auth_type, interval) = if version == 2 {
        (auth_type, Duration::from_secs(seconds.into()))
    } else {
        (auth_type >> 4, Duration::from_millis(u64::from(timing & 0x0fff) * 10))
    };
    Some(Advert {
        source_mac,
        source,
        destination,
        ttl,
        version,
        vrid: *message.get(1)?,
        priority: *message.get(2)?,
        interval,
        auth_type,
        auth_data: message.get(8 + count * size..)?.to_vec(),
        addresses,
        checksum: checksum(source, destination, message),
    })
}

fn checksum(source: IpAddr, destination: IpAddr, message: &[u8]) -> Checksum {
    let alone = sum(message);
    let mut pseudo = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => pseudo.extend(address.octets()),
            IpAddr::V6(address) => pseudo.extend(address.octets()),
        }
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    pseudo.extend(length.to_be_bytes());
    pseudo.extend([0, 0, 0, 112]);
    if alone == 0xffff {
        Checksum::Message
    } else if fold(alone + sum(&pseudo)) == 0xffff {
        Checksum::PseudoHeader
    } else {
        Checksum::Wrong
    }
}

/// The ones' complement sum of RFC 1071, not inverted: a message with a right checksum in it gives 0xffff.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|pair| {
        let high = pair.first().copied().unwrap_or_default();
        let low = pair.get(1).copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([high, low]))
    });
    fold(words.sum())
}

fn fold(mut sum: u32) -> u32 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

fn neighbor(source_mac: Mac, destination: Ipv6Addr, message: &[u8]) -> Option<NeighborAdvertisement> {
    let flags = *message.get(4)?;
    // RFC 4861 4.6.1: option 2 is the target link-layer address, its length 1 (in eights of bytes).
    let option = message.get(24..32).filter(|option| option.starts_with(&[2, 1]));
    Some(NeighborAdvertisement {
        source_mac,
        destination,
        target: ipv6(message, 8)?,
        router: flags & 0x80 != 0,
        solicited: flags & 0x40 != 0,
        overriding: flags & 0x20 != 0,
        target_mac: option.and_then(|option| mac(option, 2)),
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn mac(bytes: &[u8], at: usize) -> Option<Mac> {
    Some(Mac(bytes.get(at..at + 6)?.try_into().ok()?))
}

fn ipv4(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?.into())
}

fn ipv6(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(<[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?.into())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    ipv4(bytes, 0).filter(|_| bytes.len() == 4).map(IpAddr::V4).or_else(|| ipv6(bytes, 0).map(IpAddr::V6))
}

impl Mac {
    /// Reads `02:00:00:00:00:01`.
    #[track_caller]
    pub fn parse(text: &str) -> crate::Result<Self> {
        let bytes: Result<Vec<u8>, _> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
        let bytes: Result<[u8; 6], _> = bytes?.try_into();
        bytes.map(Self).map_err(|_| crate::Error::new(format!("{text:?} is no MAC address")))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
    }

    #[test]
    fn a_version_2_advert_with_a_password_is_read_in_full() {
        let frame = hex("01005e000012 020000000001 0800 45c00028000100 00ff700000 c0a8980b e0000012 \
                         21 33 64 01 01 01 bdf6 c0a898c8 3131313100000000");
        let packet = Packet::decode(&frame);
        let advert = packet.advert().unwrap();
        assert_eq!((advert.version, advert.vrid, advert.priority, advert.ttl), (2, 51, 100, 255));
        assert_eq!(advert.interval, Duration::from_secs(1));
        assert_eq!((advert.auth_type, advert.auth_data.as_slice()), (1, b"1111\0\0\0\0".as_slice()));
        assert_eq!(advert.addresses, ["192.168.152.200".parse::<IpAddr>().unwrap()]);
        assert_eq!(advert.checksum, Checksum::Message);
    }

    #[test]
    fn a_cut_frame_is_something_else() {
        let frame = hex("01005e000012 020000000001 0800 45c00028000100 00ff700000 c0a8980b e0000012 2133");
        for length in 0..frame.len() {
            assert_eq!(Packet::decode(&frame[..length]), Packet::Other);
        }
    }
}
