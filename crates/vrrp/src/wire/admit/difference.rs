//! What a peer that shares our identifier has set differently: the field, with mine and theirs in words.
//!
//! [`admit`](super::admit) only names the field; the words are made for those packets that are reported.

use std::fmt;

use super::{Datagram, Settings};
use crate::wire::advert::{Addresses, Version, View};
use crate::wire::checksum::Form;
use crate::wire::hmac;

/// A setting that peers must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The protocol version.
    Version,
    /// The authentication type.
    AuthType,
    /// The password.
    Password,
    /// The numbers of the keys.
    KeyId,
    /// A key.
    Key,
    /// The time of day: the sender's is this many seconds behind.
    Clock(i32),
    /// What the checksum covers.
    Checksum,
    /// The advertisement interval.
    Interval,
    /// The virtual addresses.
    Addresses,
    /// Who owns the addresses: two routers say they do.
    Owner,
}

impl Field {
    /// The key in the configuration.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::AuthType => "auth.type",
            Self::Password => "auth.password",
            Self::KeyId | Self::Key => "auth.keys",
            Self::Clock(_) => "clock",
            Self::Checksum => "v3_checksum",
            Self::Interval => "advert_interval",
            Self::Addresses => "virtual_addresses",
            Self::Owner => "priority",
        }
    }
}

/// A field that differs, with both values in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: Field,
    /// Our value.
    pub mine: String,
    /// The peer's value.
    pub theirs: String,
    /// What it looks like, where that is not plain.
    pub hint: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field={} mine=\"{}\" theirs=\"{}\"", self.field.key(), self.mine, self.theirs)?;
        if let Some(hint) = &self.hint {
            write!(f, " hint=\"{hint}\"")?;
        }
        Ok(())
    }
}

/// Both values of a field, in words. Passwords are not shown.
#[must_use]
pub fn describe(field: Field, settings: &Settings, datagram: &Datagram<'_>) -> Option<Difference> {
    let view = View::new(datagram.payload)?;
    let (mine, theirs) = match field {
        Field::Version => (settings.version.to_string(), view.version().to_string()),
        Field::AuthType => (
            if settings.keyring.is_some() { "hmac".to_owned() } else { auth_word(settings.auth.wire_type()) },
            trailer(settings, datagram, &view).map_or_else(
                || auth_word(if settings.version == Version::V2 { view.auth_type() } else { 0 }),
                |(scheme, _)| format!("signature of type {scheme}"),
            ),
        ),
        Field::Password => ("(not shown)".to_owned(), "(another one)".to_owned()),
        Field::KeyId => (
            key_words(settings),
            trailer(settings, datagram, &view).map_or_else(String::new, |t| t.1.to_string()),
        ),
        Field::Key => ("(not shown)".to_owned(), "(another one)".to_owned()),
        Field::Clock(behind) => (window_words(settings), behind_words(behind)),
        Field::Checksum => {
            let (with, without) = ("pseudo_header".to_owned(), "plain".to_owned());
            if settings.form == Form::Plain { (without, with) } else { (with, without) }
        }
        Field::Interval => {
            (format!("{:?}", settings.interval), format!("{:?}", view.interval(settings.version)))
        }
        Field::Addresses => (
            address_words(&Addresses::new(settings.family, &settings.addresses)),
            address_words(&view.addresses(settings.family)),
        ),
        Field::Owner => ("255 (owner)".to_owned(), "255 (owner)".to_owned()),
    };
    Some(Difference { field, mine, theirs, hint: hint(field, settings, &view) })
}

/// Nothing in common: not a slip in a list, but another group of routers with our identifier.
fn hint(field: Field, settings: &Settings, view: &View<'_>) -> Option<String> {
    let mine = Addresses::new(settings.family, &settings.addresses);
    let theirs = view.addresses(settings.family);
    let apart = !mine.is_empty() && !theirs.is_empty() && theirs.iter().all(|a| mine.iter().all(|m| m != a));
    (field == Field::Addresses && apart).then(|| {
        let vrid = settings.vrid;
        format!("no address in common: does another group of routers use virtual_router_id {vrid} here?")
    })
}

/// Scheme and key of a trailer.
fn trailer(settings: &Settings, datagram: &Datagram<'_>, view: &View<'_>) -> Option<(u8, u8)> {
    let (_, trailer) = hmac::split(datagram.payload, view.message_len(settings.version, settings.family))?;
    let [scheme, key, ..] = trailer;
    Some((*scheme, *key))
}

fn key_words(settings: &Settings) -> String {
    let keys = settings.keyring.iter().flat_map(|ring| &ring.keys);
    keys.map(|key| key.id.to_string()).collect::<Vec<_>>().join(" ")
}

fn window_words(settings: &Settings) -> String {
    match settings.keyring.as_ref().map(|ring| ring.freshness) {
        Some(hmac::Freshness::Time(window)) => format!("within {window}s"),
        Some(hmac::Freshness::Monotonic) | None => String::new(),
    }
}

fn behind_words(behind: i32) -> String {
    let seconds = behind.unsigned_abs();
    if behind < 0 { format!("{seconds}s ahead") } else { format!("{seconds}s behind") }
}

fn auth_word(wire_type: u8) -> String {
    match wire_type {
        0 => "none".to_owned(),
        1 => "pass".to_owned(),
        2 => "ah".to_owned(),
        other => format!("type {other}"),
    }
}

fn address_words(addresses: &Addresses<'_>) -> String {
    // A line of a log stays readable; the count says that there is more.
    const SHOWN: usize = 8;
    let mut words: Vec<String> = addresses.iter().take(SHOWN).map(|a| a.to_string()).collect();
    if addresses.len() > SHOWN {
        words.push(format!("… ({} in all)", addresses.len()));
    }
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}
