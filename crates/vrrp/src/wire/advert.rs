//! The VRRP advertisement, version 2 (RFC 3768 5.1, with the passwords of RFC 2338) and version 3 (RFC 9568 5.1).
//!
//! [`View`] is lenient: it shows the fields of any bytes long enough for a header. [`Advert`] is strict: a value that
//! can be written and was checked when read. Centiseconds and seconds exist here only; elsewhere it is `Duration`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::checksum::{self, Form};
use crate::machine::id::{Family, Vrid};

/// The IP protocol number (RFC 9568 5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// Where IPv4 adverts go (RFC 9568 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where IPv6 adverts go (RFC 9568 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// The TTL or hop limit of every advert (RFC 9568 5.1.1.3).
pub const TTL: u8 = 255;
/// The largest message: header, 255 addresses of 16 bytes.
pub const MAX_LEN: usize = HEADER_LEN + 255 * 16;

/// The only packet type (RFC 9568 5.2.2).
pub const TYPE_ADVERTISEMENT: u8 = 1;

const HEADER_LEN: usize = 8;
const PASSWORD_LEN: usize = 8;
const CHECKSUM_AT: usize = 6;

/// The group of a family.
#[must_use]
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(GROUP_V4),
        Family::Ipv6 => IpAddr::V6(GROUP_V6),
    }
}

/// A protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 5798 and RFC 9568.
    V3,
}

impl Version {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// The version of that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// The authentication of version 2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Type 0, data zero (RFC 3768 5.3.6).
    None,
    /// Type 1, a plain text password padded with zeroes (RFC 2338 5.3.6).
    Password([u8; PASSWORD_LEN]),
}

impl Auth {
    /// A password, unless it is empty or does not fit.
    #[must_use]
    pub fn password(text: &str) -> Option<Self> {
        let mut data = [0; PASSWORD_LEN];
        if text.is_empty() {
            return None;
        }
        data.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self::Password(data))
    }

    /// The number on the wire.
    #[must_use]
    pub const fn wire_type(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Password(_) => 1,
        }
    }
}

// Not derived: a password does not belong in a log.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password(_) => "Password(..)",
        })
    }
}

/// The addresses of a message, as they stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Addresses<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> Addresses<'a> {
    /// Addresses in network form, back to back; bytes that are no whole address are left out.
    #[must_use]
    pub fn new(family: Family, bytes: &'a [u8]) -> Self {
        let whole = bytes.len() - bytes.len() % family.address_len();
        Self { family, bytes: bytes.get(..whole).unwrap_or(&[]) }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() / self.family.address_len()
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let family = self.family;
        self.bytes.chunks_exact(family.address_len()).filter_map(move |b| match family {
            Family::Ipv4 => <[u8; 4]>::try_from(b).ok().map(IpAddr::from),
            Family::Ipv6 => <[u8; 16]>::try_from(b).ok().map(IpAddr::from),
        })
    }

    /// The same addresses, in whatever order.
    #[must_use]
    pub fn same_set(&self, other: &Self) -> bool {
        // Nearly always the peer lists them in our order.
        if self == other {
            return true;
        }
        let contains = |set: &Self, address: &[u8]| {
            set.bytes.chunks_exact(set.family.address_len()).any(|b| b == address)
        };
        let within =
            |a: &Self, b: &Self| a.bytes.chunks_exact(a.family.address_len()).all(|x| contains(b, x));
        self.family == other.family && within(self, other) && within(other, self)
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Addresses in network form, for [`Addresses::new`]; those of another family are left out.
#[must_use]
pub fn address_bytes(family: Family, addresses: impl IntoIterator<Item = IpAddr>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in addresses {
        match (family, address) {
            (Family::Ipv4, IpAddr::V4(a)) => bytes.extend(a.octets()),
            (Family::Ipv6, IpAddr::V6(a)) => bytes.extend(a.octets()),
            (Family::Ipv4, IpAddr::V6(_)) | (Family::Ipv6, IpAddr::V4(_)) => {}
        }
    }
    bytes
}

/// The fields of a message, whatever they say.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    header: [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// A view, unless there are fewer bytes than a header has.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { header: *bytes.first_chunk()?, bytes })
    }

    /// The version's number.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.header[0] >> 4
    }

    /// The packet type.
    #[must_use]
    pub const fn packet_type(&self) -> u8 {
        self.header[0] & 0x0f
    }

    /// The virtual router identifier; 0 is not a valid one.
    #[must_use]
    pub const fn vrid(&self) -> u8 {
        self.header[1]
    }

    /// The priority.
    #[must_use]
    pub const fn priority(&self) -> u8 {
        self.header[2]
    }

    /// How many addresses it says it has.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.header[3]
    }

    /// The authentication type, version 2.
    #[must_use]
    pub const fn auth_type(&self) -> u8 {
        self.header[4]
    }

    /// The interval as this version's field has it. The reserved bits of version 3 are ignored (RFC 9568 5.2.6).
    #[must_use]
    pub fn interval(&self, version: Version) -> Duration {
        match version {
            Version::V2 => Duration::from_secs(u64::from(self.header[5])),
            Version::V3 => {
                let centiseconds = u16::from_be_bytes([self.header[4], self.header[5]]) & 0x0fff;
                Duration::from_millis(u64::from(centiseconds) * 10)
            }
        }
    }

    /// The length the message has by its header, in this version and family.
    #[must_use]
    pub fn message_len(&self, version: Version, family: Family) -> usize {
        let auth = if version == Version::V2 { PASSWORD_LEN } else { 0 };
        HEADER_LEN + usize::from(self.count()) * family.address_len() + auth
    }

    /// The message without what follows it, unless it is cut short. Trailing bytes are not ours to judge: Ethernet
    /// padding, or the trailer of somebody's extension.
    #[must_use]
    pub fn message(&self, version: Version, family: Family) -> Option<&'a [u8]> {
        self.bytes.get(..self.message_len(version, family))
    }

    /// The addresses, as many as there are.
    #[must_use]
    pub fn addresses(&self, family: Family) -> Addresses<'a> {
        let len = usize::from(self.count()) * family.address_len();
        let rest = self.bytes.get(HEADER_LEN..).unwrap_or(&[]);
        Addresses::new(family, rest.get(..len).unwrap_or(rest))
    }

    /// The eight bytes after the addresses, version 2.
    #[must_use]
    pub fn auth_data(&self, family: Family) -> Option<[u8; PASSWORD_LEN]> {
        let at = HEADER_LEN + usize::from(self.count()) * family.address_len();
        self.bytes.get(at..)?.first_chunk().copied()
    }
}

/// An advertisement that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert<'a> {
    /// The version.
    pub version: Version,
    /// The virtual router.
    pub vrid: Vrid,
    /// 0 (leaving) to 255 (owner).
    pub priority: u8,
    /// The sender's advertisement interval.
    pub interval: Duration,
    /// Version 2 only; `None` in version 3.
    pub auth: Auth,
    /// The virtual addresses.
    pub addresses: Addresses<'a>,
}

/// Why an advert cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// More than 255 addresses.
    TooManyAddresses,
    /// The version's field cannot say this interval.
    Interval,
    /// The buffer is too small.
    Buffer,
    /// Version 2 has no IPv6.
    Family,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyAddresses => "more than 255 addresses",
            Self::Interval => "the interval cannot be expressed",
            Self::Buffer => "the buffer is too small",
            Self::Family => "version 2 has no IPv6",
        })
    }
}

impl std::error::Error for EncodeError {}

impl Advert<'_> {
    /// Writes the message with its checksum; returns its length.
    ///
    /// # Errors
    /// When a field does not fit its place.
    pub fn encode(
        &self,
        form: Form,
        source: IpAddr,
        destination: IpAddr,
        buffer: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let count = u8::try_from(self.addresses.len()).map_err(|_| EncodeError::TooManyAddresses)?;
        let [high, low] = self.interval_field()?;
        let head = (self.version.number() << 4) | TYPE_ADVERTISEMENT;
        let header = [head, self.vrid.get(), self.priority, count, high, low, 0, 0];
        let mut writer = Writer { buffer, at: 0 };
        writer.put(&header)?;
        writer.put(self.addresses.bytes)?;
        if self.version == Version::V2 {
            writer.put(match &self.auth {
                Auth::None => &[0; PASSWORD_LEN],
                Auth::Password(data) => data,
            })?;
        }
        let len = writer.at;
        let message = buffer.get_mut(..len).ok_or(EncodeError::Buffer)?;
        let sum = checksum::sum(form, source, destination, message);
        message
            .get_mut(CHECKSUM_AT..CHECKSUM_AT + 2)
            .ok_or(EncodeError::Buffer)?
            .copy_from_slice(&sum.to_be_bytes());
        Ok(len)
    }

    fn interval_field(&self) -> Result<[u8; 2], EncodeError> {
        match self.version {
            Version::V2 if self.addresses.family == Family::Ipv6 => Err(EncodeError::Family),
            Version::V2 => {
                let seconds = u8::try_from(self.interval.as_secs()).map_err(|_| EncodeError::Interval)?;
                if seconds == 0 || self.interval.subsec_nanos() != 0 {
                    return Err(EncodeError::Interval);
                }
                Ok([self.auth.wire_type(), seconds])
            }
            Version::V3 => {
                let centiseconds = u16::try_from(self.interval.as_millis() / 10).unwrap_or(u16::MAX);
                let exact = self.interval.as_nanos() == u128::from(centiseconds) * 10_000_000;
                // Reserved bits are sent as zero (RFC 9568 5.2.6).
                if !exact || !(1..=0x0fff).contains(&centiseconds) {
                    return Err(EncodeError::Interval);
                }
                Ok(centiseconds.to_be_bytes())
            }
        }
    }
}

struct Writer<'b> {
    buffer: &'b mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let place = self.buffer.get_mut(self.at..self.at + bytes.len()).ok_or(EncodeError::Buffer)?;
        place.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
