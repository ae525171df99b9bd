//! Adverts as whole Ethernet frames, for those that leave with the virtual MAC as their source (RFC 9568 7.2).
//!
//! The kernel would take the interface's own hardware address. Their destination is always a group, whose hardware
//! address follows from it (RFC 1112 6.4, RFC 2464 7), so nobody has to be asked for it.

use std::net::IpAddr;

use etherparse::{IpDscp, IpNumber, Ipv4Header, Ipv6Header};

use super::advert::PROTOCOL;
use crate::machine::action::AdvertCopy;
use crate::machine::id::Mac;

/// Internetwork control (RFC 4594 3.1), as routers mark what must not be dropped: class selector 6, 0xc0 in the header.
const DSCP: u8 = 48;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];

/// Writes an advert with this source and these bytes into `frame`, replacing what was in it. False, and an empty frame, if it cannot
/// be: its destination is no group, or the families differ.
#[must_use]
pub fn write(source: Mac, copy: &AdvertCopy, payload: &[u8], frame: &mut Vec<u8>) -> bool {
    frame.clear();
    let written = fill(source, copy, payload, frame).is_some();
    if !written {
        frame.clear();
    }
    written
}

fn fill(mac: Mac, copy: &AdvertCopy, payload: &[u8], frame: &mut Vec<u8>) -> Option<()> {
    let length = u16::try_from(payload.len()).ok()?;
    if !copy.destination.is_multicast() {
        return None;
    }
    match (copy.source, copy.destination) {
        (IpAddr::V4(source), IpAddr::V4(group)) => {
            let [_, b, c, d] = group.octets();
            frame.extend([0x01, 0x00, 0x5e, b & 0x7f, c, d]);
            frame.extend(mac.0);
            frame.extend(ETHERTYPE_IPV4);
            let protocol = IpNumber(PROTOCOL);
            let mut header =
                Ipv4Header::new(length, copy.ttl, protocol, source.octets(), group.octets()).ok()?;
            header.dscp = IpDscp::try_new(DSCP).ok()?;
            header.header_checksum = header.calc_header_checksum();
            frame.extend(header.to_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(group)) => {
            let [.., a, b, c, d] = group.octets();
            frame.extend([0x33, 0x33, a, b, c, d]);
            frame.extend(mac.0);
            frame.extend(ETHERTYPE_IPV6);
            let header = Ipv6Header {
                traffic_class: DSCP << 2,
                payload_length: length,
                next_header: IpNumber(PROTOCOL),
                hop_limit: copy.ttl,
                source: source.octets(),
                destination: group.octets(),
                ..Ipv6Header::default()
            };
            frame.extend(header.to_bytes());
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    }
    frame.extend_from_slice(payload);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::id::LinkName;

    const MAC: Mac = Mac([0, 0, 0x5e, 0, 1, 51]);
    const BYTES: &[u8] = &[0x31, 51, 100];

    fn copy(source: &str, destination: &str) -> AdvertCopy {
        AdvertCopy {
            link: LinkName::new("eth0").unwrap(),
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            ttl: 255,
            mac: Some(MAC),
            payload: BYTES.to_vec(),
        }
    }

    #[test]
    fn w5_an_ipv4_advert_has_the_virtual_mac_and_the_group_s() {
        let mut frame = vec![1, 2, 3];
        assert!(write(
            MAC,
            &copy("192.0.2.1", "224.0.0.18"),
            &copy("192.0.2.1", "224.0.0.18").payload,
            &mut frame
        ));
        let ethernet = [&[0x01, 0x00, 0x5e, 0, 0, 18][..], &MAC.0, &[0x08, 0x00]].concat();
        assert_eq!(frame[..14], ethernet);
        let header = &frame[14..34];
        // Version and length, class selector 6, total length; don't fragment, TTL 255, protocol 112.
        assert_eq!((&header[..4], &header[6..10]), (&[0x45, 0xc0, 0, 23][..], &[0x40, 0, 255, 112][..]));
        assert_eq!(header[12..], [192, 0, 2, 1, 224, 0, 0, 18]);
        let sum: u32 = header.chunks(2).map(|p| u32::from(u16::from_be_bytes([p[0], p[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "the header's checksum is right");
        assert_eq!(frame[34..], [0x31, 51, 100]);
    }

    #[test]
    fn w5_an_ipv6_advert_has_the_virtual_mac_and_the_group_s() {
        let mut frame = vec![];
        assert!(write(MAC, &copy("fe80::1", "ff02::12"), BYTES, &mut frame));
        let ethernet = [&[0x33, 0x33, 0, 0, 0, 0x12][..], &MAC.0, &[0x86, 0xdd]].concat();
        assert_eq!(frame[..14], ethernet);
        assert_eq!(frame[14..22], [0x6c, 0, 0, 0, 0, 3, 112, 255]);
        assert_eq!((frame[22], frame[37], frame[38], frame[53]), (0xfe, 1, 0xff, 0x12));
        assert_eq!(frame[54..], [0x31, 51, 100]);
    }

    #[test]
    fn what_is_for_one_neighbour_is_no_frame_of_ours() {
        let mut frame = vec![1];
        assert!(!write(
            MAC,
            &copy("192.0.2.1", "192.0.2.2"),
            &copy("192.0.2.1", "192.0.2.2").payload,
            &mut frame
        ));
        assert!(!write(
            MAC,
            &copy("192.0.2.1", "ff02::12"),
            &copy("192.0.2.1", "ff02::12").payload,
            &mut frame
        ));
        assert!(frame.is_empty());
    }
}
