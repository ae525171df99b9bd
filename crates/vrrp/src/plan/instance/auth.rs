//! `auth`: the password of version 2, or the keys that sign adverts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::config::{Diagnostics, Form, Located, Shape, Span, Table, Value, format_duration};

use super::super::layers::Layers;
use crate::wire::advert;
use crate::wire::hmac::{Freshness, Key, Keyring, Material, Mode, Secret};

/// keepalived's bounds, in seconds.
const WINDOW: std::ops::RangeInclusive<u64> = 1..=300;
/// The least window that follows from the interval.
const LEAST_WINDOW: u64 = 5;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Auth {
    /// A password, version 2 only.
    Password(advert::Auth),
    /// Signatures, in any version.
    Keys(Keys),
}

/// Keys, and a window that may follow from the interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    keys: Vec<Key>,
    active: u8,
    mode: Mode,
    window: Window,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    /// Some intervals.
    Default,
    Seconds(u32),
    /// Clocks do not matter.
    None,
}

impl Keys {
    /// The keyring of an instance with this interval.
    pub(super) fn keyring(&self, interval: Duration) -> Arc<Keyring> {
        let freshness = match self.window {
            Window::None => Freshness::Monotonic,
            Window::Seconds(seconds) => Freshness::Time(seconds),
            Window::Default => {
                let seconds = (3 * interval.as_secs()).clamp(LEAST_WINDOW, *WINDOW.end());
                Freshness::Time(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
        };
        Arc::new(Keyring { keys: self.keys.clone(), active: self.active, mode: self.mode, freshness })
    }
}

pub(super) fn read(t: &mut Layers<'_>, d: &mut Diagnostics) -> Option<Located<Auth>> {
    let value = t.value("auth", || vec![Form::Table], d)?;
    let span = value.span();
    let Shape::Table(mut table) = value.shape() else {
        value.mismatch("a table", d).hint("write auth = { type = \"pass\", password = \"1111\" }");
        return None;
    };
    let kind = table.required::<String>("type", d)?;
    let auth = match kind.value.as_str() {
        "pass" => password(&mut table, span, d).map(Auth::Password),
        "hmac" => keys(&mut table, span, d).map(Auth::Keys),
        "ah" => {
            d.error(kind.span, "`type`: AH authentication is not supported: RFC 3768 removed it")
                .hint("auth = { type = \"hmac\", keys = [{ id = 1, file = \"/etc/holdfast/vrrp.key\" }] } signs every advert");
            return None;
        }
        other => {
            d.error(kind.span, format!("`type`: expected \"pass\" or \"hmac\", found {other:?}"));
            return None;
        }
    };
    table.finish(d);
    Some(Located { value: auth?, span })
}

fn password(table: &mut Table<'_>, span: Span, d: &mut Diagnostics) -> Option<advert::Auth> {
    table.demand(&["password"], d);
    let Some(password) = table.optional::<String>("password", d) else {
        d.error(span, "`password` is missing in `auth`");
        return None;
    };
    let auth = advert::Auth::password(&password.value);
    if auth.is_none() {
        d.error(
            password.span,
            format!("`password`: a password has 1 to 8 bytes, this has {}", password.value.len()),
        )
        .hint("keepalived cuts it at 8 bytes: write those");
    }
    auth
}

fn keys(table: &mut Table<'_>, span: Span, d: &mut Diagnostics) -> Option<Keys> {
    let list = table.value("keys", || Form::one_or_list(vec![Form::Table]), d);
    let active = table.within::<u8>("active_key", &(1..=255), d);
    let modes =
        [("enforce", Mode::Enforce), ("permissive", Mode::Permissive), ("receive_only", Mode::ReceiveOnly)];
    let mode = table.choice_or("mode", &modes, Mode::Enforce, d);
    let timed = table.choice("anti_replay", &[("time", true), ("monotonic", false)], d);
    let window = window(table, timed.as_ref(), d);
    table.demand(&["keys"], d);
    let Some(list) = list else {
        d.error(span, "`keys` is missing in `auth`")
            .hint("write keys = [{ id = 1, file = \"/etc/holdfast/vrrp.key\" }]");
        return None;
    };
    let items = list.one_or_list();
    if items.is_empty() {
        d.error(list.span(), "`keys`: there is no key");
    }
    let mut keys: Vec<Located<Key>> = Vec::new();
    for item in &items {
        let Some(key) = key(item, d) else { continue };
        if let Some(first) = keys.iter().find(|known| known.value.id == key.value.id) {
            d.error(key.span, format!("`keys`: there are two keys with id {}", key.value.id))
                .note(first.span, "first here");
        }
        keys.push(key);
    }
    let known: Vec<String> = keys.iter().map(|key| key.value.id.to_string()).collect();
    let active = match (active, keys.as_slice()) {
        (Some(active), _) => {
            if !known.is_empty() && !keys.iter().any(|key| key.value.id == active.value) {
                d.error(active.span, format!("`active_key`: there is no key with id {}", active.value))
                    .hint(format!("the keys are: {}", known.join(", ")));
            }
            active.value
        }
        (None, [only]) => only.value.id,
        (None, []) => return None,
        (None, _) => {
            d.error(list.span(), "`active_key` is missing: it says which of the keys signs")
                .hint(format!("the keys are: {}", known.join(", ")));
            return None;
        }
    };
    Some(Keys { keys: keys.into_iter().map(|key| key.value).collect(), active, mode, window })
}

fn window(table: &mut Table<'_>, timed: Option<&Located<bool>>, d: &mut Diagnostics) -> Window {
    let window = table.optional::<Duration>("time_window", d);
    match (window, timed) {
        (None, Some(Located { value: false, .. })) => Window::None,
        (None, _) => Window::Default,
        (Some(window), Some(timed)) if !timed.value => {
            d.error(window.span, "`time_window` means nothing where clocks do not matter")
                .note(timed.span, "that is said here");
            Window::None
        }
        (Some(window), _) => {
            let seconds = window.value.as_secs();
            if !WINDOW.contains(&seconds) || window.value.subsec_nanos() != 0 {
                let found = format_duration(window.value);
                d.error(
                    window.span,
                    format!("`time_window`: expected whole seconds from 1s to 5m, found {found}"),
                );
            }
            Window::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX))
        }
    }
}

fn key(item: &Value<'_>, d: &mut Diagnostics) -> Option<Located<Key>> {
    let span = item.span();
    let Shape::Table(mut table) = item.shape() else {
        item.mismatch("a table", d).hint("write { id = 1, file = \"/etc/holdfast/vrrp.key\" }");
        return None;
    };
    let id = table.required_within::<u8>("id", &(1..=255), d);
    table.demand(&["file", "hex", "text"], d);
    let file = table.optional::<String>("file", d);
    let hex = table.optional::<String>("hex", d);
    let text = table.optional::<String>("text", d);
    table.finish(d);
    let material = match (file, hex, text) {
        (Some(file), None, None) if file.value.starts_with('/') => Material::File(PathBuf::from(file.value)),
        (Some(file), None, None) => {
            d.error(file.span, "`file`: the path of a file begins with /");
            return None;
        }
        (None, Some(hex), None) => secret(Secret::from_hex(&hex.value), "hex", hex.span, d)?,
        (None, None, Some(text)) => secret(Secret::new(text.value.as_bytes()), "text", text.span, d)?,
        (None, None, None) | (Some(_), _, _) | (_, Some(_), _) => {
            d.error(span, "a key has one of `file`, `hex` and `text`");
            return None;
        }
    };
    Some(Located { value: Key { id: id?.value, material }, span })
}

/// The secret is not shown.
fn secret(secret: Option<Secret>, key: &str, span: Span, d: &mut Diagnostics) -> Option<Material> {
    if secret.is_none() {
        let what = if key == "hex" { "64 to 128 hexadecimal digits" } else { "32 to 64 bytes" };
        d.error(span, format!("`{key}`: a key has {what}")).hint("openssl rand -hex 32 makes one");
    }
    secret.map(Material::Known)
}
