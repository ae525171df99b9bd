//! Signed adverts: the trailer of keepalived 2.4 (its `auth_hmac`), behind the message of any version and family.
//!
//! ```text
//!  0       1       2       3
//! +-------+-------+-------+-------+
//! | type 1| key id|       0       |   HMAC-SHA-256, cut to 16 bytes, over
//! +-------+-------+-------+-------+     4 or 6, version, identifier, 0, source address padded to 16 bytes,
//! |  seconds since 1970 (UTC)     |     the message with its checksum as 0,
//! +-------+-------+-------+-------+     the first 12 bytes of the trailer, 16 bytes of 0.
//! |  1/65536 s    |    counter    |
//! +-------+-------+-------+-------+   The destination is not in it: copies to several peers are signed once.
//! |        digest, 16 bytes       |   The checksum covers the message alone over IPv4, and all of it over IPv6,
//! +-------------------------------+   where the other side lets the kernel make it.
//! ```
//!
//! Seconds, fraction and counter are one sequence number of 64 bits that only grows. Nothing here allocates or knows
//! what time it is.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::checksum::{self, Form};

/// The length of the trailer.
pub const TRAILER_LEN: usize = 28;

const PREFIX_LEN: usize = 12;
const DIGEST_LEN: usize = TRAILER_LEN - PREFIX_LEN;
const CHECKSUM_AT: usize = 6;
/// The only scheme there is: HMAC-SHA-256 cut to 128 bits.
const TYPE_SHA256: u8 = 1;

/// How many bytes a key has.
pub const KEY_LEN: std::ops::RangeInclusive<usize> = 32..=64;

/// A moment as the trailer has it, the counter zero: seconds since 1970 in the upper half, then the fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// Of the time since 1970.
    #[must_use]
    pub fn new(since_1970: Duration) -> Self {
        let fraction = (u64::from(since_1970.subsec_nanos()) << 16) / 1_000_000_000;
        // The seconds wrap in 2106; comparisons are of differences.
        Self((since_1970.as_secs() << 32) | (fraction << 16))
    }

    const fn seconds(self) -> u32 {
        seconds(self.0)
    }
}

const fn seconds(sequence: u64) -> u32 {
    (sequence >> 32) as u32
}

/// By how many seconds `of` is behind `now`; negative where it is ahead.
const fn age(now: Stamp, of: u64) -> i32 {
    now.seconds().wrapping_sub(seconds(of)).cast_signed()
}

/// Whether a sequence number comes after another (RFC 1982).
const fn is_after(a: u64, b: u64) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// A secret of 32 to 64 bytes.
#[derive(Clone)]
pub struct Secret {
    bytes: Box<[u8]>,
    // The state with the key worked in, so that a packet costs its own bytes only.
    mac: Hmac<Sha256>,
}

impl Secret {
    /// Of these bytes, unless they are too few or too many.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mac = KEY_LEN.contains(&bytes.len()).then(|| Hmac::new_from_slice(bytes).ok())??;
        Some(Self { bytes: bytes.into(), mac })
    }

    /// Of hexadecimal digits.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let digits = digits.as_bytes();
        let nibble = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        Self::new(&bytes?)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Secret {}

// Not derived: a secret does not belong in a log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// It is here.
    Known(Secret),
    /// It is in a file that was not read yet.
    File(PathBuf),
    /// It is in a file that could not be read, and why.
    Unreadable(PathBuf, String),
}

/// A key, known to all routers under its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its number, 1 to 255.
    pub id: u8,
    /// The secret.
    pub material: Material,
}

impl Key {
    const fn mac(&self) -> Option<&Hmac<Sha256>> {
        match &self.material {
            Material::Known(secret) => Some(&secret.mac),
            Material::File(_) | Material::Unreadable(..) => None,
        }
    }

    fn fault(&self) -> Option<String> {
        match &self.material {
            Material::Known(_) => None,
            Material::File(path) => Some(format!("{} was not read", path.display())),
            Material::Unreadable(path, why) => Some(format!("{}: {why}", path.display())),
        }
    }
}

/// What is signed and what is demanded: three steps of a roll-out that each fit the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Sign, and take signed adverts only.
    Enforce,
    /// Sign, and take adverts that have no signature too.
    Permissive,
    /// Do not sign; what is signed must be right.
    ReceiveOnly,
}

/// What keeps old adverts from being heard again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Sequence numbers grow, and the sender's clock is at most this many seconds from ours.
    Time(u32),
    /// Sequence numbers grow.
    Monotonic,
}

/// The keys of a virtual router and how they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring {
    /// The keys, each number once.
    pub keys: Vec<Key>,
    /// The number of the key that signs.
    pub active: u8,
    /// What is signed and demanded.
    pub mode: Mode,
    /// What is too old.
    pub freshness: Freshness,
}

/// Why a signature was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// It is of a scheme we do not know.
    Malformed,
    /// It is by a key we do not have.
    UnknownKey,
    /// The digest is not that of our key.
    Wrong,
    /// The sender's clock is this many seconds behind ours (ahead, where negative).
    Stale(i32),
}

/// A signature that was found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The sequence number.
    pub sequence: u64,
    /// By how many seconds the sender's clock is behind ours, where clocks matter.
    pub skew: i32,
}

/// What the digest covers besides the bytes.
#[derive(Debug, Clone, Copy)]
struct Pseudo([u8; 20]);

impl Pseudo {
    /// Version and identifier are those of the message.
    fn new(source: IpAddr, message: &[u8]) -> Self {
        let mut bytes = [0; 20];
        let [family, version, vrid, _, address @ ..] = &mut bytes;
        if let [head, id, ..] = message {
            (*version, *vrid) = (head >> 4, *id);
        }
        match source {
            IpAddr::V4(source) => {
                *family = 4;
                let [a, b, c, d, ..] = address;
                [*a, *b, *c, *d] = source.octets();
            }
            IpAddr::V6(source) => {
                *family = 6;
                *address = source.octets();
            }
        }
        Self(bytes)
    }
}

/// Feeds everything a digest covers; `signed` is the message and the first part of the trailer.
fn feed(mac: &Hmac<Sha256>, pseudo: Pseudo, signed: &[u8]) -> Hmac<Sha256> {
    let mut mac = mac.clone();
    let (before, rest) = signed.split_at_checked(CHECKSUM_AT).unwrap_or((signed, &[]));
    mac.update(&pseudo.0);
    mac.update(before);
    mac.update(&[0; 2]);
    mac.update(rest.get(2..).unwrap_or(&[]));
    mac.update(&[0; DIGEST_LEN]);
    mac
}

/// The message and its trailer, where what follows the message is exactly one.
#[must_use]
pub fn split(payload: &[u8], message_len: usize) -> Option<(&[u8], &[u8; TRAILER_LEN])> {
    let (message, trailer) = payload.split_at_checked(message_len)?;
    Some((message, trailer.try_into().ok()?))
}

impl Keyring {
    /// What keeps it from being used, in words.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.keys.iter().find_map(Key::fault)
    }

    /// Whether adverts are signed.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.mode != Mode::ReceiveOnly
    }

    /// Reads the keys that are in files.
    pub fn load(&mut self, mut read: impl FnMut(&Path) -> Result<Secret, String>) {
        for key in &mut self.keys {
            if let Material::File(path) | Material::Unreadable(path, _) = &key.material {
                key.material = match read(path) {
                    Ok(secret) => Material::Known(secret),
                    Err(why) => Material::Unreadable(path.clone(), why),
                };
            }
        }
    }

    fn mac(&self, id: u8) -> Option<&Hmac<Sha256>> {
        self.keys.iter().find(|key| key.id == id)?.mac()
    }

    /// The next sequence number after the last one that was sent.
    #[must_use]
    pub const fn next_sequence(&self, last: u64, now: Stamp) -> u64 {
        if is_after(now.0, last) {
            return now.0;
        }
        match self.freshness {
            // The clock was set back: a number from the future would be refused until then.
            Freshness::Time(window) if age(now, last) < -(window.cast_signed()) => now.0,
            Freshness::Time(_) | Freshness::Monotonic => last.wrapping_add(1),
        }
    }

    /// Signs the message in the buffer: the trailer is appended, and over IPv6 the checksum made anew. False, and
    /// nothing is changed, if the active key is not there.
    pub fn sign(&self, sequence: u64, source: IpAddr, destination: IpAddr, message: &mut Vec<u8>) -> bool {
        let Some(mac) = self.mac(self.active) else { return false };
        let pseudo = Pseudo::new(source, message);
        message.extend([TYPE_SHA256, self.active, 0, 0]);
        message.extend(sequence.to_be_bytes());
        let digest = feed(mac, pseudo, message).finalize().into_bytes();
        message.extend(digest.iter().take(DIGEST_LEN));
        if source.is_ipv6()
            && let Some(field) = message.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2)
        {
            field.fill(0);
            let sum = checksum::sum(Form::PseudoHeader, source, destination, message);
            if let Some(field) = message.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2) {
                field.copy_from_slice(&sum.to_be_bytes());
            }
        }
        true
    }

    /// Judges what follows a message. Whether the sequence number was seen before is for the caller to say.
    ///
    /// # Errors
    /// Why it is not taken. `Ok(None)`: there is no signature, and none is demanded.
    pub fn verify(
        &self,
        source: IpAddr,
        payload: &[u8],
        message_len: usize,
        now: Option<Stamp>,
    ) -> Result<Option<Signed>, Refusal> {
        let Some((message, trailer)) = split(payload, message_len) else {
            return if self.mode == Mode::Enforce { Err(Refusal::Missing) } else { Ok(None) };
        };
        let [TYPE_SHA256, id, 0, 0, s0, s1, s2, s3, s4, s5, s6, s7, digest @ ..] = trailer else {
            return Err(Refusal::Malformed);
        };
        let sequence = u64::from_be_bytes([*s0, *s1, *s2, *s3, *s4, *s5, *s6, *s7]);
        // Before the digest: a flood of old captures is to cost little. It grants nothing, so it may be forged.
        let skew = match self.freshness {
            Freshness::Monotonic => 0,
            Freshness::Time(window) => {
                let skew = now.map_or(i32::MAX, |now| age(now, sequence));
                if skew.unsigned_abs() > window {
                    return Err(Refusal::Stale(skew));
                }
                skew
            }
        };
        let mac = self.mac(*id).ok_or(Refusal::UnknownKey)?;
        let signed = payload.get(..message_len + PREFIX_LEN).unwrap_or(payload);
        let right = feed(mac, Pseudo::new(source, message), signed).verify_truncated_left(digest);
        right.map_err(|_| Refusal::Wrong)?;
        Ok(Some(Signed { sequence, skew }))
    }

    /// Whether a sequence number may follow the last one taken from a sender.
    #[must_use]
    pub const fn follows(&self, sequence: u64, last: u64, now: Option<Stamp>) -> bool {
        if let (Freshness::Time(window), Some(now)) = (self.freshness, now)
            && age(now, last).unsigned_abs() > window
        {
            // What it could let in is too old by itself; a sender whose clock was set is heard again.
            return true;
        }
        is_after(sequence, last)
    }
}

#[cfg(test)]
mod tests;
