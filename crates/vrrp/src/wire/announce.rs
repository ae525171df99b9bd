//! Announcements: whole Ethernet frames that tell the network where a virtual address is now.
//!
//! IPv4: a gratuitous ARP request (RFC 5227 3, errata 7947/7949 of RFC 5798): sender and target are the address
//! itself. IPv6: an unsolicited neighbour advertisement to all nodes (RFC 4861 7.2.6) with the override flag, so that
//! neighbours replace what they remember, and the router flag (RFC 9568 6.4.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::err::packet::BuildWriteError;
use etherparse::icmpv6::NeighborAdvertisementHeader;
use etherparse::{ArpEthIpv4Packet, ArpOperation, Icmpv6Type, PacketBuilder};

use crate::machine::id::Mac;

const BROADCAST: [u8; 6] = [0xff; 6];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// RFC 2464 7: the group's last four bytes after 33:33.
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// RFC 4861 7.1.2: any other hop limit is dropped.
const HOP_LIMIT: u8 = 255;
/// Target Link-Layer Address (RFC 4861 4.6.1), one unit of eight bytes.
const TARGET_OPTION: [u8; 2] = [2, 1];

/// Writes the frame that says "`address` is at `mac`" into `frame`, replacing what was in it. False, and an empty
/// frame, if it cannot be built.
#[must_use]
pub fn write(mac: Mac, address: IpAddr, frame: &mut Vec<u8>) -> bool {
    frame.clear();
    let written = match address {
        IpAddr::V4(address) => gratuitous_arp(mac, address, frame),
        IpAddr::V6(address) => neighbour_advertisement(mac, address, frame),
    };
    if written.is_err() {
        frame.clear();
    }
    written.is_ok()
}

fn gratuitous_arp(mac: Mac, address: Ipv4Addr, frame: &mut Vec<u8>) -> Result<(), BuildWriteError> {
    let arp = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: mac.0,
        sender_ipv4: address.octets(),
        // The field has no meaning in a request; keepalived and FRR send the broadcast address too.
        target_mac: BROADCAST,
        target_ipv4: address.octets(),
    };
    PacketBuilder::ethernet2(mac.0, BROADCAST).arp(arp.into()).write(frame)
}

fn neighbour_advertisement(mac: Mac, address: Ipv6Addr, frame: &mut Vec<u8>) -> Result<(), BuildWriteError> {
    let flags = NeighborAdvertisementHeader { router: true, solicited: false, r#override: true };
    let [o0, o1] = TARGET_OPTION;
    let [a, b, c, d, e, g] = mac.0;
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf] = address.octets();
    let body = [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf, o0, o1, a, b, c, d, e, g];
    PacketBuilder::ethernet2(mac.0, ALL_NODES_MAC)
        .ipv6(address.octets(), ALL_NODES.octets(), HOP_LIMIT)
        .icmpv6(Icmpv6Type::NeighborAdvertisement(flags))
        .write(frame, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

    #[test]
    fn s18_a_gratuitous_arp_names_the_address_as_sender_and_target() {
        let mut frame = vec![1, 2, 3];
        assert!(write(MAC, "192.0.2.1".parse().unwrap(), &mut frame));
        let expected = [
            &[0xff; 6][..],
            &MAC.0,
            &[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1],
            &MAC.0,
            &[192, 0, 2, 1],
            &[0xff; 6],
            &[192, 0, 2, 1],
        ]
        .concat();
        assert_eq!(frame, expected);
    }

    #[test]
    fn s14_a_neighbour_advertisement_has_router_and_override_and_a_right_checksum() {
        let mut frame = vec![];
        let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
        assert!(write(MAC, address.into(), &mut frame));
        assert_eq!(frame.len(), 14 + 40 + 32);
        assert_eq!(frame[..14], [&[0x33, 0x33, 0, 0, 0, 1][..], &MAC.0, &[0x86, 0xdd]].concat());
        // Version, length, next header, hop limit, source, destination.
        assert_eq!((frame[14] >> 4, frame[18], frame[19], frame[20], frame[21]), (6, 0, 32, 58, 255));
        assert_eq!(frame[22..38], address.octets());
        assert_eq!(frame[38..54], ALL_NODES.octets());
        // Type 136, code 0; flags R and O; target; option.
        assert_eq!((frame[54], frame[55]), (136, 0));
        assert_eq!(frame[58..62], [0xa0, 0, 0, 0]);
        assert_eq!(frame[62..78], address.octets());
        assert_eq!(frame[78..], [&[2, 1][..], &MAC.0].concat());
        // RFC 4443 2.3: the sum over pseudo header and message is all ones.
        let mut sum = 32_u32 + 58;
        for pair in frame[22..].chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        assert_eq!(sum, 0xffff);
    }
}
