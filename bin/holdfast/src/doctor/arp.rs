//! Who has an IPv4 address: ARP probes (RFC 5227 section 2.1.1), which change nobody's cache.

use std::net::Ipv4Addr;

use common::netlink::link::Mac;

/// Who has this address? From nobody, so that nobody learns anything.
pub(super) fn question(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac.0);
    // ARP, for Ethernet and IPv4, a request.
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend([0; 10]);
    frame.extend(address.octets());
    frame
}

/// Whose address is whose, out of an ARP reply.
pub(super) fn answer(frame: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    if frame.get(12..22)? != [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2] {
        return None;
    }
    let mac: [u8; 6] = frame.get(22..28)?.try_into().ok()?;
    let address: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    Some((address.into(), Mac(mac)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_an_arp_probe_and_only_a_reply_is_an_answer() {
        let (mac, address) = (Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(192, 0, 2, 1));
        let mut frame = question(mac, address);
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[28..32], [0; 4], "the sender has no address: RFC 5227");
        assert_eq!(frame[38..], [192, 0, 2, 1]);
        assert_eq!(answer(&frame), None);
        frame[21] = 2;
        frame[28..32].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(answer(&frame), Some((address, mac)));
        for length in 0..32 {
            assert_eq!(answer(&frame[..length]), None);
        }
    }
}
