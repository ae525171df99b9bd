//! Whether a received packet may reach the state machine, and if not, why (RFC 3768 7.1, RFC 9568 7.1).
//!
//! A peer that shares our identifier but not our settings is not just dropped: the field is named, with mine and
//! theirs, because two machines that ignore each other are two masters.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::advert::{Addresses, Auth, TYPE_ADVERTISEMENT, Version, View};
use super::checksum::{self, Form};
use super::hmac::{self, Keyring, Refusal, Signed, Stamp};
use super::reach::{self, Path};
use crate::machine::id::{Family, LinkName, Vrid};

mod difference;
mod reject;

pub use difference::{Difference, Field, describe};
pub use reject::Reject;

/// A received datagram and what the kernel said about it.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// The interface it came in by.
    pub link: LinkName,
    /// Source address of the IP header.
    pub source: IpAddr,
    /// Destination address of the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What follows the IP header.
    pub payload: &'a [u8],
}

/// What to do about an address list that differs from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Drop the advert, unless its sender is the owner (RFC 3768 7.1), and say so.
    Drop,
    /// Take the advert and say so.
    Report,
    /// Do not look.
    Ignore,
}

/// By what a received packet is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Our version.
    pub version: Version,
    /// Our family.
    pub family: Family,
    /// Our identifier.
    pub vrid: Vrid,
    /// Our advertisement interval.
    pub interval: Duration,
    /// Our authentication.
    pub auth: Auth,
    /// The keys of signed adverts.
    pub keyring: Option<Arc<Keyring>>,
    /// The addresses we advertise, in network form.
    pub addresses: Vec<u8>,
    /// We own the addresses: nobody else's advert matters.
    pub owner: bool,
    /// The ways adverts come in by, the instance's own interface first.
    pub paths: Vec<Path>,
    /// What to do about another address list.
    pub mismatch: Mismatch,
    /// The checksum form we send in version 3 over IPv4.
    pub form: Form,
    /// Take no other form than ours.
    pub strict_form: bool,
    /// Drop version 3 IPv6 adverts whose first address is not link-local (erratum 8300).
    pub strict_link_local: bool,
}

/// An advert that may reach the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its sender.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval.
    pub interval: Duration,
    /// By which of the paths it came; 0 is the instance's own interface.
    pub path: usize,
}

/// The judgement of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What to do with it.
    pub outcome: Result<Admitted, Reject>,
    /// The number of its signature, where there is one and it is right. Whether it was heard before is for the caller to
    /// say.
    pub sequence: Option<u64>,
    /// The field that differs from ours, whether or not the packet was dropped for it. [`describe`] has the words.
    pub differs: Option<Field>,
}

impl Verdict {
    const fn reject(reason: Reject) -> Self {
        Self { outcome: Err(reason), sequence: None, differs: None }
    }

    const fn incompatible(reason: Reject, field: Field) -> Self {
        Self { outcome: Err(reason), sequence: None, differs: Some(field) }
    }
}

/// Judges a packet. `own` tells whether an address is one of this machine's; `now` is the time of day, for signatures.
#[must_use]
pub fn admit(
    settings: &Settings,
    datagram: &Datagram<'_>,
    now: Option<Stamp>,
    own: impl Fn(IpAddr) -> bool,
) -> Verdict {
    let Some(view) = View::new(datagram.payload) else {
        return Verdict::reject(Reject::Short);
    };
    let path = match check_envelope(settings, datagram, &view, own) {
        Ok(path) => path,
        Err(reason) => {
            let differs = if reason == Reject::NotPeer { stranger(settings, datagram, &view) } else { None };
            return Verdict { outcome: Err(reason), sequence: None, differs };
        }
    };
    // The rules of the sender's version first, so that a damaged packet never counts as an incompatible peer.
    let Some(version) = Version::from_number(view.version()) else {
        return Verdict::incompatible(Reject::Version, Field::Version);
    };
    let Some(message) = view.message(version, settings.family) else {
        return Verdict::reject(Reject::Short);
    };
    if !checksum_is_right(settings, version, datagram, message) {
        // Right by the other reading, which we were told not to take: no damage, but another setting.
        let other = settings.strict_form && version == settings.version && {
            let lenient = Settings { strict_form: false, ..settings.clone() };
            checksum_is_right(&lenient, version, datagram, message)
        };
        return Verdict { differs: other.then_some(Field::Checksum), ..Verdict::reject(Reject::Checksum) };
    }
    if version != settings.version {
        return Verdict::incompatible(Reject::Version, Field::Version);
    }
    let signed = match check_signature(settings, datagram, message.len(), now) {
        Ok(signed) => signed,
        Err(verdict) => return verdict,
    };
    let compared = match version {
        Version::V2 => check_v2(settings, &view, path),
        Version::V3 => check_v3(settings, &view, path),
    };
    let differs = match compared {
        Ok(differs) => differs,
        Err(verdict) => return verdict,
    };
    if settings.owner {
        // RFC 3768 7.1 forbids to act on it; erratum 8298 wants it noticed (two owners, S19).
        let field = if view.priority() == 255 { Some(Field::Owner) } else { differs };
        return Verdict { outcome: Err(Reject::Owner), sequence: None, differs: field };
    }
    let admitted = Admitted {
        source: datagram.source,
        priority: view.priority(),
        interval: view.interval(version),
        path,
    };
    let differs = differs.or_else(|| drifting(settings, signed));
    Verdict { outcome: Ok(admitted), sequence: signed.map(|signed| signed.sequence), differs }
}

/// What follows the message, before anything in it counts.
fn check_signature(
    settings: &Settings,
    datagram: &Datagram<'_>,
    message_len: usize,
    now: Option<Stamp>,
) -> Result<Option<Signed>, Verdict> {
    let Some(keyring) = &settings.keyring else { return Ok(None) };
    keyring.verify(datagram.source, datagram.payload, message_len, now).map_err(|refusal| match refusal {
        Refusal::Missing => Verdict::incompatible(Reject::Unsigned, Field::AuthType),
        Refusal::Malformed => Verdict::incompatible(Reject::SignatureType, Field::AuthType),
        Refusal::UnknownKey => Verdict::incompatible(Reject::UnknownKey, Field::KeyId),
        Refusal::Wrong => Verdict::incompatible(Reject::Signature, Field::Key),
        Refusal::Stale(behind) => Verdict::incompatible(Reject::Stale, Field::Clock(behind)),
    })
}

/// A clock that is on its way out of the window is told while it is still in.
fn drifting(settings: &Settings, signed: Option<Signed>) -> Option<Field> {
    let window = match settings.keyring.as_ref()?.freshness {
        hmac::Freshness::Time(window) => window,
        hmac::Freshness::Monotonic => return None,
    };
    let behind = signed?.skew;
    (behind.unsigned_abs() > window.div_ceil(2)).then_some(Field::Clock(behind))
}

fn check_envelope(
    settings: &Settings,
    datagram: &Datagram<'_>,
    view: &View<'_>,
    own: impl Fn(IpAddr) -> bool,
) -> Result<usize, Reject> {
    if view.packet_type() != TYPE_ADVERTISEMENT {
        return Err(Reject::Type);
    }
    if view.vrid() != settings.vrid.get() {
        return Err(Reject::Vrid);
    }
    if own(datagram.source) {
        return Err(Reject::Own);
    }
    let (at, path) = reach::path(&settings.paths, datagram).ok_or(Reject::NotPeer)?;
    path.check(datagram)?;
    Ok(at)
}

/// Somebody who is no peer of ours uses our identifier: for other addresses, it seems, if they can be read.
fn stranger(settings: &Settings, datagram: &Datagram<'_>, view: &View<'_>) -> Option<Field> {
    let version = Version::from_number(view.version())?;
    let message = view.message(version, settings.family)?;
    let mine = Addresses::new(settings.family, &settings.addresses);
    let other = checksum_is_right(settings, version, datagram, message)
        && !mine.same_set(&view.addresses(settings.family));
    other.then_some(Field::Addresses)
}

fn checksum_is_right(settings: &Settings, version: Version, datagram: &Datagram<'_>, message: &[u8]) -> bool {
    let right = |form| checksum::sum(form, datagram.source, datagram.destination, message) == 0;
    match (version, settings.family) {
        (Version::V2, _) => right(Form::Plain),
        // Where the kernel makes the sum, it covers the trailer too.
        (Version::V3, Family::Ipv6) => {
            let all = datagram.payload;
            let signed = hmac::split(all, message.len()).is_some();
            right(Form::PseudoHeader)
                || (signed
                    && checksum::sum(Form::PseudoHeader, datagram.source, datagram.destination, all) == 0)
        }
        // RFC 5798 and RFC 9568 disagree; the field deploys both.
        (Version::V3, Family::Ipv4) if settings.strict_form => right(settings.form),
        (Version::V3, Family::Ipv4) => right(Form::PseudoHeader) || right(Form::Plain),
    }
}

/// RFC 3768 7.1: authentication, interval, addresses.
fn check_v2(settings: &Settings, view: &View<'_>, path: usize) -> Result<Option<Field>, Verdict> {
    if view.auth_type() != settings.auth.wire_type() {
        return Err(Verdict::incompatible(Reject::AuthType, Field::AuthType));
    }
    if let Auth::Password(mine) = &settings.auth
        && view.auth_data(settings.family).as_ref() != Some(mine)
    {
        return Err(Verdict::incompatible(Reject::Password, Field::Password));
    }
    if view.interval(Version::V2) != settings.interval {
        return Err(Verdict::incompatible(Reject::Interval, Field::Interval));
    }
    check_addresses(settings, view, path)
}

/// RFC 9568 7.1 with errata 8299 to 8301.
fn check_v3(settings: &Settings, view: &View<'_>, path: usize) -> Result<Option<Field>, Verdict> {
    if view.interval(Version::V3).is_zero() {
        return Err(Verdict::reject(Reject::ZeroInterval));
    }
    // An instance without addresses can only have peers like itself.
    if view.count() == 0 && !settings.addresses.is_empty() {
        return Err(Verdict::reject(Reject::NoAddresses));
    }
    if settings.strict_link_local
        && settings.family == Family::Ipv6
        && !view.addresses(settings.family).iter().next().is_some_and(is_link_local)
    {
        return Err(Verdict::reject(Reject::LinkLocal));
    }
    let addresses = check_addresses(settings, view, path)?;
    // Not dropped, the interval is learned (RFC 9568 6.4.2); but it should be known.
    let interval = (view.interval(Version::V3) != settings.interval).then_some(Field::Interval);
    Ok(addresses.or(interval))
}

fn check_addresses(settings: &Settings, view: &View<'_>, path: usize) -> Result<Option<Field>, Verdict> {
    let mine = Addresses::new(settings.family, &settings.addresses);
    let same = || mine.same_set(&view.addresses(settings.family));
    // By a further way, other addresses are those of another virtual router.
    if path > 0 {
        return if same() {
            Ok(None)
        } else {
            Err(Verdict::incompatible(Reject::Addresses, Field::Addresses))
        };
    }
    match settings.mismatch {
        Mismatch::Ignore => Ok(None),
        Mismatch::Drop | Mismatch::Report if same() => Ok(None),
        Mismatch::Report => Ok(Some(Field::Addresses)),
        Mismatch::Drop if view.priority() == 255 => Ok(Some(Field::Addresses)),
        Mismatch::Drop => Err(Verdict::incompatible(Reject::Addresses, Field::Addresses)),
    }
}

/// An address of `fe80::/10`.
#[must_use]
pub const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
