//! Why a packet was dropped: the word for counters, and the words for the log.

use std::fmt;

/// Why a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// Shorter than it says it is.
    Short,
    /// The TTL is not what it must be: 255, or within the bounds of a unicast peer.
    Ttl,
    /// Not an advertisement.
    Type,
    /// Another version than ours.
    Version,
    /// No instance with this identifier here.
    Vrid,
    /// One of our own packets came back.
    Own,
    /// A unicast instance heard somebody who is not its peer.
    NotPeer,
    /// The checksum is wrong.
    Checksum,
    /// Another authentication type than ours.
    AuthType,
    /// Another password than ours.
    Password,
    /// It is not signed.
    Unsigned,
    /// Its signature is of a scheme we do not know.
    SignatureType,
    /// It is signed by a key we do not have.
    UnknownKey,
    /// Its signature is wrong.
    Signature,
    /// It was signed too long ago, or its sender's clock is wrong.
    Stale,
    /// It was heard before.
    Replayed,
    /// Version 2: another interval than ours.
    Interval,
    /// Version 3: an interval of zero (erratum 8301).
    ZeroInterval,
    /// Version 3: no addresses (erratum 8299).
    NoAddresses,
    /// Other addresses than ours.
    Addresses,
    /// Version 3 over IPv6: the first address is not link-local (erratum 8300).
    LinkLocal,
    /// We own the addresses, so this advert must not be acted on (RFC 3768 7.1).
    Owner,
}

impl Reject {
    /// The reason as a short word, for counters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Ttl => "ttl",
            Self::Type => "type",
            Self::Version => "version",
            Self::Vrid => "vrid",
            Self::Own => "own",
            Self::NotPeer => "not_peer",
            Self::Checksum => "checksum",
            Self::AuthType => "auth_type",
            Self::Password => "password",
            Self::Unsigned => "unsigned",
            Self::SignatureType => "signature_type",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::Interval => "interval",
            Self::ZeroInterval => "zero_interval",
            Self::NoAddresses => "no_addresses",
            Self::Addresses => "addresses",
            Self::LinkLocal => "link_local",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "packet is cut short",
            Self::Ttl => "ttl or hop limit is out of bounds",
            Self::Type => "not an advertisement",
            Self::Version => "other protocol version",
            Self::Vrid => "no such virtual router here",
            Self::Own => "our own packet",
            Self::NotPeer => "sender is not a unicast peer",
            Self::Checksum => "wrong checksum",
            Self::AuthType => "other authentication type",
            Self::Password => "wrong password",
            Self::Unsigned => "not signed",
            Self::SignatureType => "signed by an unknown scheme",
            Self::UnknownKey => "signed by an unknown key",
            Self::Signature => "wrong signature",
            Self::Stale => "signed at another time: is a clock wrong?",
            Self::Replayed => "heard before: a copy, or sent by an attacker",
            Self::Interval => "other advertisement interval",
            Self::ZeroInterval => "advertisement interval is zero",
            Self::NoAddresses => "no addresses in it",
            Self::Addresses => "other virtual addresses",
            Self::LinkLocal => "first address is not link-local",
            Self::Owner => "we own the addresses",
        })
    }
}
