//! Who has an IPv6 address: neighbour solicitations (RFC 4861 section 7.2.2).
//!
//! They come from this machine's own link-local address and not from nobody, as duplicate address detection's do: whoever
//! is just about to take the address, and listens whether somebody else does too, would give it up for such a one
//! (RFC 4862 section 5.4.3). What is learnt of it is how to reach this machine.

use std::net::Ipv6Addr;

use common::netlink::link::Mac;
use etherparse::{Icmpv6Type, PacketBuilder};

/// RFC 4861 section 7.1: with any other it comes from further away.
const HOP_LIMIT: u8 = 255;
/// Source and target link-layer address (RFC 4861 section 4.6.1), and their length in units of eight bytes.
const SOURCE: [u8; 2] = [1, 1];
const TARGET: [u8; 2] = [2, 1];

/// Who has this address?
pub(super) fn question(mac: Mac, source: Ipv6Addr, address: Ipv6Addr) -> Option<Vec<u8>> {
    // RFC 4291 section 2.7.1 and RFC 2464 section 7: the group that the address itself says.
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let body = [address.octets().as_slice(), &SOURCE, &mac.0].concat();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(mac.0, [0x33, 0x33, 0xff, a, b, c])
        .ipv6(source.octets(), group.octets(), HOP_LIMIT)
        .icmpv6(Icmpv6Type::NeighborSolicitation)
        .write(&mut frame, &body)
        .ok()?;
    Some(frame)
}

/// Whose address is whose, out of a neighbour advertisement.
pub(super) fn answer(frame: &[u8]) -> Option<(Ipv6Addr, Mac)> {
    let (ethernet, packet) = frame.split_at_checked(14)?;
    // IPv6, and behind its header ICMP with the only hop limit that is taken.
    if ethernet.get(12..)? != [0x86, 0xdd] || packet.get(6..8)? != [58, HOP_LIMIT] {
        return None;
    }
    let length = usize::from(u16::from_be_bytes(packet.get(4..6)?.try_into().ok()?));
    let message = packet.get(40..40_usize.checked_add(length)?)?;
    if message.get(..2)? != [136, 0] {
        return None;
    }
    let address: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    let said = option(message.get(24..)?, TARGET);
    // One who was asked by name may leave it out: then the frame tells (RFC 4861 section 4.4).
    let mac = said.or_else(|| ethernet.get(6..12)?.try_into().ok())?;
    Some((address.into(), Mac(mac)))
}

/// The first address of a kind among options: type, length in units of eight bytes, value.
fn option(mut options: &[u8], kind: [u8; 2]) -> Option<[u8; 6]> {
    loop {
        let length = usize::from(*options.get(1)?).checked_mul(8).filter(|length| *length > 0)?;
        let (first, rest) = options.split_at_checked(length)?;
        if first.starts_with(&kind) {
            return first.get(2..8)?.try_into().ok();
        }
        options = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    #[test]
    fn a_question_goes_to_the_group_of_the_address_and_says_who_asks() {
        let (source, address) = ("fe80::1".parse().unwrap(), "2001:db8::12:3456".parse().unwrap());
        let frame = question(MAC, source, address).unwrap();
        assert_eq!(frame.len(), 14 + 40 + 32);
        assert_eq!(frame[..14], [&[0x33, 0x33, 0xff, 0x12, 0x34, 0x56][..], &MAC.0, &[0x86, 0xdd]].concat());
        assert_eq!((frame[20], frame[21]), (58, 255));
        assert_eq!(frame[22..38], source.octets());
        let group: Ipv6Addr = "ff02::1:ff12:3456".parse().unwrap();
        assert_eq!(frame[38..54], group.octets());
        assert_eq!((frame[54], frame[55]), (135, 0));
        assert_eq!(frame[62..78], address.octets());
        assert_eq!(frame[78..], [&[1, 1][..], &MAC.0].concat());
        // RFC 4443 section 2.3: the sum over pseudo header and message is all ones.
        let mut sum = 32_u32 + 58;
        for pair in frame[22..].chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        assert_eq!(sum, 0xffff);
        assert_eq!(answer(&frame), None, "a question is no answer");
    }

    #[test]
    fn an_answer_tells_the_hardware_address_or_comes_from_it() {
        let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let mut frame = Vec::new();
        assert!(vrrp::wire::announce::write(vrrp::machine::id::Mac(MAC.0), address.into(), &mut frame));
        assert_eq!(answer(&frame), Some((address, MAC)));
        // A virtual router's frame may come from another hardware address than the one it tells.
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
        assert_eq!(answer(&frame), Some((address, MAC)));
        for length in 0..frame.len() {
            assert_eq!(answer(&frame[..length]), None, "{length}");
        }
        let mut far = frame.clone();
        far[21] = 254;
        assert_eq!(answer(&far), None, "from behind a router");
        // Without the option; and with one of no length, which must not be read for ever.
        let mut bare = frame.clone();
        bare.truncate(78);
        bare[19] = 24;
        assert_eq!(answer(&bare), Some((address, Mac([2, 0, 0, 0, 0, 7]))));
        frame[78..80].copy_from_slice(&[14, 0]);
        assert_eq!(answer(&frame), Some((address, Mac([2, 0, 0, 0, 0, 7]))));
    }
}
