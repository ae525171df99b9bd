//! Netlink messages: writing requests, and slicing what was received.
//!
//! A [`Message`] can be kept and sent again: the socket stamps sequence number and acknowledgement flags
//! into its own copy. Received bytes are cut at each message's own length, so a message whose inside is
//! not understood never shifts the ones after it.

use super::attribute::{Attributes, HEADER, align};
use neli::consts::nl::NlmF;
use std::net::IpAddr;

/// Length of `struct nlmsghdr`.
pub(super) const MESSAGE_HEADER: usize = 16;

/// A request under construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Message {
    /// A request of this `nlmsg_type` with the object's fixed header. `NLM_F_REQUEST` is always set.
    pub fn new(kind: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&NlmF::REQUEST.bits().to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(header);
        let mut message = Self { bytes, too_long: false };
        message.pad();
        message
    }

    /// A generic-netlink request: `struct genlmsghdr` is written from `command` and `version`.
    pub fn generic(family: u16, command: u8, version: u8) -> Self {
        Self::new(family, &[command, version, 0, 0])
    }

    /// Create if missing, fail if present.
    #[must_use]
    pub fn create(self) -> Self {
        self.with(NlmF::CREATE | NlmF::EXCL)
    }

    /// Create if missing, replace if present.
    #[must_use]
    pub fn create_or_replace(self) -> Self {
        self.with(NlmF::CREATE | NlmF::REPLACE)
    }

    /// Create if missing; one that is there is no failure.
    #[must_use]
    pub fn create_if_missing(self) -> Self {
        self.with(NlmF::CREATE)
    }

    /// Create, behind those that are there.
    #[must_use]
    pub fn append(self) -> Self {
        self.with(NlmF::CREATE | NlmF::APPEND)
    }

    /// Ask for the whole table.
    #[must_use]
    pub fn dump(self) -> Self {
        self.with(NlmF::DUMP)
    }

    fn with(mut self, flags: NlmF) -> Self {
        let all = self.flags() | flags.bits();
        self.set(6, &all.to_ne_bytes());
        self
    }

    fn flags(&self) -> u16 {
        self.bytes.get(6..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u16::from_ne_bytes(*chunk))
    }

    /// Adds an attribute with this payload.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = HEADER.saturating_add(value.len());
        let Ok(length) = u16::try_from(length) else {
            self.too_long = true;
            return self;
        };
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
        self
    }

    /// Adds a one-byte attribute.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// Adds a number in host order.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number in network order.
    pub fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds a number in network order.
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds a number in host order.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number in host order.
    pub fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds text with its closing NUL.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len().saturating_add(1));
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Adds an IP address in its own length.
    pub fn ip(&mut self, kind: u16, value: IpAddr) -> &mut Self {
        match value {
            IpAddr::V4(v4) => self.bytes(kind, &v4.octets()),
            IpAddr::V6(v6) => self.bytes(kind, &v6.octets()),
        }
    }

    /// Adds an attribute holding the attributes that `fill` adds.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        fill(self);
        match u16::try_from(self.bytes.len().saturating_sub(start)) {
            Ok(length) => self.set(start, &length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
        self
    }

    /// The bytes for the kernel, or nothing if an attribute outgrew its length field.
    pub(super) fn stamped(&self, sequence: u32, acknowledge: bool, into: &mut Vec<u8>) -> Option<()> {
        if self.too_long {
            return None;
        }
        let length = u32::try_from(self.bytes.len()).ok()?;
        let acknowledge = if acknowledge { NlmF::ACK.bits() } else { 0 };
        into.extend_from_slice(&length.to_ne_bytes());
        into.extend_from_slice(self.bytes.get(4..6)?);
        into.extend_from_slice(&(self.flags() | acknowledge).to_ne_bytes());
        into.extend_from_slice(&sequence.to_ne_bytes());
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(self.bytes.get(MESSAGE_HEADER..)?);
        Some(())
    }

    /// What follows `struct nlmsghdr`: the fixed header and the attributes. For tests of encoders.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(MESSAGE_HEADER..).unwrap_or(&[])
    }

    /// Its length in bytes.
    pub const fn length(&self) -> usize {
        self.bytes.len()
    }

    fn set(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at.saturating_add(value.len())) {
            place.copy_from_slice(value);
        }
    }

    fn pad(&mut self) {
        self.bytes.resize(align(self.bytes.len()), 0);
    }
}

/// A received message that carries an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Its `nlmsg_type`.
    pub kind: u16,
    /// What follows `struct nlmsghdr`.
    pub payload: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Splits off the object's fixed header; the rest is attributes.
    pub fn split<const N: usize>(&self) -> Option<(&'a [u8; N], Attributes<'a>)> {
        let (header, rest) = self.payload.split_first_chunk::<N>()?;
        Some((header, Attributes::new(rest)))
    }

    /// The attributes after `struct genlmsghdr`.
    pub fn generic(&self) -> Option<Attributes<'a>> {
        self.split::<4>().map(|(_, attributes)| attributes)
    }
}

/// The objects that answered one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    bytes: Vec<u8>,
}

impl Replies {
    pub(super) fn push(&mut self, kind: u16, payload: &[u8]) {
        self.bytes.extend_from_slice(&payload.len().to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(payload);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The objects, in the kernel's order.
    pub fn iter(&self) -> impl Iterator<Item = Reply<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let (kind, after) = after.split_first_chunk()?;
            let (payload, after) = after.split_at_checked(usize::from_ne_bytes(*length))?;
            rest = after;
            Some(Reply { kind: u16::from_ne_bytes(*kind), payload })
        })
    }
}

/// One message of a datagram, as its header has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) payload: &'a [u8],
}

/// Cuts a datagram into messages by their own lengths; a nonsensical length ends the walk.
pub(super) fn frames(datagram: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header: &[u8; MESSAGE_HEADER] = rest.first_chunk()?;
        let length = usize::try_from(u32::from_ne_bytes(*header.first_chunk()?)).ok()?;
        let Some(payload) = rest.get(MESSAGE_HEADER..length) else {
            rest = &[];
            return None;
        };
        let frame = Frame {
            kind: u16::from_ne_bytes(*header.get(4..)?.first_chunk()?),
            flags: u16::from_ne_bytes(*header.get(6..)?.first_chunk()?),
            sequence: u32::from_ne_bytes(*header.get(8..)?.first_chunk()?),
            payload,
        };
        rest = rest.get(align(length)..).unwrap_or(&[]);
        Some(frame)
    })
}

#[cfg(test)]
mod tests;
