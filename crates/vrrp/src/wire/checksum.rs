//! The VRRP checksum: the internet checksum over the message, with or without a pseudo header.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;

use super::advert::PROTOCOL;

/// What the sum covers besides the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The message alone: version 2 (RFC 3768 5.3.8), version 3 over IPv4 in the reading of RFC 9568.
    Plain,
    /// Pseudo header and message: version 3 over IPv6, and over IPv4 in the reading of RFC 5798 that everybody deploys.
    PseudoHeader,
}

/// The sum over `message` as it is; 0 when its checksum field is right, and the value for that field when it is zero.
#[must_use]
pub fn sum(form: Form, source: IpAddr, destination: IpAddr, message: &[u8]) -> u16 {
    let mut words = Sum16BitWords::new();
    if form == Form::PseudoHeader {
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        words = match (source, destination) {
            (IpAddr::V4(s), IpAddr::V4(d)) => words.add_4bytes(s.octets()).add_4bytes(d.octets()),
            (IpAddr::V6(s), IpAddr::V6(d)) => words.add_16bytes(s.octets()).add_16bytes(d.octets()),
            // A header never mixes families; such a sum is of no use to anybody.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => words,
        };
        // Both layouts sum up alike: zeroes, the protocol and a length that fits 16 bits.
        words = words.add_4bytes(len).add_2bytes([0, PROTOCOL]);
    }
    words.add_slice(message).ones_complement().to_be()
}
