//! Netlink attributes as they are read: a walk over bytes from the kernel that never panics.
//!
//! The walk ends at the first attribute whose length makes no sense; what was before it is kept. Unknown
//! kinds are the caller's to skip.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Length of an attribute's header: `u16` length, `u16` kind.
pub(super) const HEADER: usize = 4;

/// Bits of the kind that are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const KIND_MASK: u16 = 0x3fff;

/// Rounds up to the four bytes netlink aligns everything to.
pub(super) const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is, without the flag bits.
    pub kind: u16,
    /// Its payload, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The payload as one byte.
    pub fn u8(&self) -> Option<u8> {
        self.value.first().copied()
    }

    /// The payload as a number in host order.
    pub fn u16(&self) -> Option<u16> {
        Some(u16::from_ne_bytes(*self.value.first_chunk()?))
    }

    /// The payload as a number in network order.
    pub fn be16(&self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.value.first_chunk()?))
    }

    /// The payload as a number in host order.
    pub fn u32(&self) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.value.first_chunk()?))
    }

    /// The payload as a signed number in host order.
    pub fn i32(&self) -> Option<i32> {
        Some(i32::from_ne_bytes(*self.value.first_chunk()?))
    }

    /// The payload as a number in host order.
    pub fn u64(&self) -> Option<u64> {
        Some(u64::from_ne_bytes(*self.value.first_chunk()?))
    }

    /// The payload as text, up to the first NUL.
    pub fn text(&self) -> Option<&'a str> {
        let bytes = self.value.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(bytes).ok()
    }

    /// The payload as an IP address: the family follows from its length.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.value.len() {
            4 => Some(IpAddr::V4(Ipv4Addr::from(*self.value.first_chunk::<4>()?))),
            16 => Some(IpAddr::V6(Ipv6Addr::from(*self.value.first_chunk::<16>()?))),
            _ => None,
        }
    }

    /// The attributes nested in the payload.
    pub const fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// A walk over a run of attributes.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Walks over `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The first attribute of this kind.
    pub fn find(&self, kind: u16) -> Option<Attribute<'a>> {
        (*self).find_kind(kind)
    }

    fn find_kind(mut self, kind: u16) -> Option<Attribute<'a>> {
        Iterator::find(&mut self, |attribute| attribute.kind == kind)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = usize::from(u16::from_ne_bytes(*self.rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*self.rest.get(2..)?.first_chunk()?) & KIND_MASK;
        let Some(value) = self.rest.get(HEADER..length) else {
            self.rest = &[];
            return None;
        };
        self.rest = self.rest.get(align(length)..).unwrap_or(&[]);
        Some(Attribute { kind, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_is_skipped_and_flag_bits_are_dropped() {
        let mut bytes = vec![];
        bytes.extend([5_u16.to_ne_bytes(), 0x8003_u16.to_ne_bytes()].concat());
        bytes.extend([7, 0, 0, 0]);
        bytes.extend([8_u16.to_ne_bytes(), 9_u16.to_ne_bytes()].concat());
        bytes.extend(77_u32.to_ne_bytes());
        let all: Vec<_> = Attributes::new(&bytes).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].u8(), all[0].u32()), (3, Some(7), None));
        assert_eq!((all[1].kind, all[1].u32()), (9, Some(77)));
        assert_eq!(Attributes::new(&bytes).find(9).and_then(|a| a.u32()), Some(77));
    }

    #[test]
    fn a_length_beyond_the_end_ends_the_walk() {
        let bytes = [200, 0, 1, 0, 1, 2, 3, 4];
        assert_eq!(Attributes::new(&bytes).count(), 0);
        let short = [3, 0, 1, 0, 8, 0, 1, 0];
        assert_eq!(Attributes::new(&short).count(), 0);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_always_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for attribute in Attributes::new(&bytes) {
                let _ = (attribute.u8(), attribute.u16(), attribute.be16(), attribute.u32(), attribute.i32());
                let _ = (attribute.u64(), attribute.text(), attribute.ip(), attribute.nested().count());
            }
        }
    }
}
