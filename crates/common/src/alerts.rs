//! The section `[alerts]`: to whom mail about what happens is sent, and over which server.
//!
//! Here is the plan only. The watchdog keeps the queue; a process of its own, started for it and ended after it, talks
//! to the server: see [`job`].

pub mod job;
mod mailbox;
pub mod place;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Diagnostics, Located, Table, UserName};

/// How a connection to the server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// In the clear at first, then encrypted or not at all.
    StartTls,
    /// From the first byte on.
    Tls,
    /// Not.
    None,
}

impl Encryption {
    /// Where such servers listen.
    fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// What mail is sent about, where the object itself does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// Changes of state of instances.
    pub instances: bool,
    /// Changes of state of sync groups.
    pub sync_groups: bool,
    /// Virtual servers that gain or lose their quorum.
    pub virtual_servers: bool,
    /// Real servers that go up or down.
    pub real_servers: bool,
    /// Processes of the daemon that died or hung.
    pub processes: bool,
    /// Instances and groups that go into FAULT; without, their other changes only.
    pub faults: bool,
}

/// To whom, over which server, about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// The recipients.
    pub to: Vec<String>,
    /// The sender; made of the host's name without.
    pub from: Option<String>,
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The authorities that the server's certificate must be of; those of the system without.
    pub ca_file: Option<PathBuf>,
    /// The user's name at the server, and where the password is.
    pub login: Option<(String, PathBuf)>,
    /// How we introduce ourselves; with the host's name without.
    pub helo: Option<String>,
    /// For the connection, and for every answer.
    pub timeout: Duration,
    /// As which user of this system; a default one without.
    pub run_as: Option<UserName>,
    /// Where mails are kept until they are delivered; see [`place`] without.
    pub spool: Option<PathBuf>,
    /// How long to wait after a failure; doubled with every one that follows.
    pub retry_delay: Duration,
    /// When to give a mail up.
    pub expire: Duration,
    /// So many mails in a period are sent each by itself.
    pub burst: u32,
    /// That period: what else happens in it goes into one mail at its end.
    pub burst_period: Duration,
    /// What mail is sent about.
    pub kinds: Kinds,
}

/// What the section is called.
pub(crate) const SECTION: &str = "alerts";

/// Reads `alert` of an object: whether mail is sent about it, whatever is usual for its kind. Asking for mail where
/// nobody is to get any is a fault, for whoever sees the whole text: a child's share never has the section.
pub fn wish(t: &mut Table<'_>, d: &mut Diagnostics) -> Option<bool> {
    let alert = t.optional::<bool>("alert", d)?;
    if alert.value && d.is_absent(SECTION) {
        d.error(alert.span, "`alert = true` has no effect: there is no section [alerts], so no mail is sent")
            .hint("write [alerts] with `to` (the recipients) and `server`, or leave `alert` out");
    }
    Some(alert.value)
}

/// Reads `[alerts]`; `None` where there is none, or a faulty one.
pub fn plan(root: &mut Table<'_>, d: &mut Diagnostics) -> Option<Alerts> {
    let mut t = root.table(SECTION, d)?;
    let to = recipients(&mut t, d);
    let from = t.optional::<String>("from", d).and_then(|from| address(from, d));
    let words = [("starttls", Encryption::StartTls), ("tls", Encryption::Tls), ("none", Encryption::None)];
    let encryption = t.choice_or("tls", &words, Encryption::StartTls, d);
    let server = t.required::<String>("server", d).and_then(|text| server(&text, encryption, d));
    let ca_file = file(&mut t, "ca_file", d);
    if let (Some(file), Encryption::None) = (&ca_file, encryption) {
        d.error(file.span, "`ca_file`: nothing is encrypted with tls = \"none\"");
    }
    let login = login(&mut t, encryption, d);
    let alerts = Alerts {
        to,
        from,
        host: String::new(),
        port: 0,
        encryption,
        ca_file: ca_file.map(|file| file.value),
        login,
        helo: t.optional::<String>("helo", d).and_then(|name| helo(name, d)),
        timeout: t.within_or("timeout", &(seconds(1)..=seconds(600)), seconds(30), d),
        run_as: t.optional::<UserName>("run_as", d).map(|user| user.value),
        spool: file(&mut t, "spool", d).map(|spool| spool.value),
        retry_delay: t.within_or("retry_delay", &(seconds(1)..=seconds(3600)), seconds(10), d),
        expire: t.within_or("expire", &(seconds(10)..=seconds(30 * DAY)), seconds(DAY), d),
        burst: t.within_or("burst", &(0..=1000), 5, d),
        burst_period: t.within_or("burst_period", &(seconds(1)..=seconds(3600)), seconds(60), d),
        kinds: kinds(&mut t, d),
    };
    t.finish(d);
    let (host, port) = server?;
    Some(Alerts { host, port, ..alerts })
}

/// What a reload does to it, in a word and in detail; nothing where nothing differs.
#[must_use]
pub fn change(before: Option<&Alerts>, after: Option<&Alerts>) -> Option<(&'static str, String)> {
    let server =
        |alerts: &Alerts| format!("to {} over {}:{}", alerts.to.join(", "), alerts.host, alerts.port);
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) => Some(("added", server(after))),
        (Some(before), None) => Some(("removed", server(before))),
        (Some(before), Some(after)) if before == after => None,
        (Some(a), Some(b)) => {
            let same = [
                ("to", a.to == b.to),
                ("from", a.from == b.from),
                ("server", (&a.host, a.port) == (&b.host, b.port)),
                ("tls", (a.encryption, &a.ca_file) == (b.encryption, &b.ca_file)),
                ("login", a.login == b.login),
                ("helo", a.helo == b.helo),
                ("run_as", a.run_as == b.run_as),
                ("spool", a.spool == b.spool),
                ("times", (a.timeout, a.retry_delay, a.expire) == (b.timeout, b.retry_delay, b.expire)),
                ("burst", (a.burst, a.burst_period) == (b.burst, b.burst_period)),
                ("kinds", a.kinds == b.kinds),
            ];
            let words: Vec<&str> = same.iter().filter(|(_, same)| !same).map(|(word, _)| *word).collect();
            Some(("changed", words.join(", ")))
        }
    }
}

const DAY: u64 = 24 * 3600;

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn kinds(t: &mut Table<'_>, d: &mut Diagnostics) -> Kinds {
    Kinds {
        instances: t.or("instances", true, d),
        sync_groups: t.or("sync_groups", true, d),
        virtual_servers: t.or("virtual_servers", true, d),
        real_servers: t.or("real_servers", true, d),
        processes: t.or("processes", true, d),
        faults: t.or("faults", true, d),
    }
}

fn recipients(t: &mut Table<'_>, d: &mut Diagnostics) -> Vec<String> {
    let Some(value) = t.required::<Recipients>("to", d) else { return Vec::new() };
    if value.value.0.is_empty() {
        d.error(value.span, "`to`: nobody is to get the mail")
            .hint("one address at least, or no [alerts] at all");
    }
    let mut to: Vec<String> = Vec::new();
    for one in value.value.0 {
        let span = one.span;
        let Some(one) = address(one, d) else { continue };
        if to.contains(&one) {
            d.error(span, format!("{one} stands here twice"));
        } else {
            to.push(one);
        }
    }
    to
}

/// One address, or a list of them.
struct Recipients(Vec<Located<String>>);

impl crate::config::FromValue for Recipients {
    const EXPECTED: &'static str = "an e-mail address or a list of them";

    fn forms() -> Vec<crate::config::Form> {
        use crate::config::Form::{List, String};
        vec![String, List(vec![String])]
    }

    fn from_value(v: &crate::config::Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let each = v.one_or_list().into_iter().map(|one| Located::<String>::from_value(&one, d));
        each.collect::<Option<Vec<_>>>().map(Self)
    }
}

/// Whether a text is an e-mail address as `[alerts]` takes it.
#[must_use]
pub fn is_address(text: &str) -> bool {
    mailbox::check(text).is_ok()
}

fn address(text: Located<String>, d: &mut Diagnostics) -> Option<String> {
    match mailbox::check(&text.value) {
        Ok(()) => Some(text.value),
        Err(why) => {
            d.error(text.span, format!("\"{}\" is not an e-mail address: {why}", text.value.escape_debug()));
            None
        }
    }
}

/// `mail.example.org`, `mail.example.org:2525`, `192.0.2.1:25`, `[2001:db8::1]:25`.
fn server(text: &Located<String>, encryption: Encryption, d: &mut Diagnostics) -> Option<(String, u16)> {
    let usual = encryption.port();
    let parsed = if text.value.parse::<std::net::Ipv6Addr>().is_ok() {
        Ok((text.value.clone(), usual))
    } else {
        let (host, port) = match text.value.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)),
            _ => (text.value.as_str(), Some(usual)),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match (port, bare) {
            (None, _) => Err("the port after : is a number from 1 to 65535"),
            (Some(port), Some(bare)) if bare.parse::<std::net::Ipv6Addr>().is_ok() => {
                Ok((bare.to_owned(), port))
            }
            (_, Some(_)) => Err("what is in the brackets is no IPv6 address"),
            (Some(port), None) if mailbox::is_host(host) => Ok((host.to_owned(), port)),
            (_, None) => Err("a host's name has letters, digits, hyphens and dots"),
        }
    };
    parsed
        .map_err(|why| {
            let message = format!("\"{}\" is not a mail server: {why}", text.value.escape_debug());
            d.error(text.span, message).hint("a name or an address, with a port behind a colon or without");
        })
        .ok()
}

fn helo(name: Located<String>, d: &mut Diagnostics) -> Option<String> {
    if mailbox::is_host(&name.value) || name.value.parse::<std::net::IpAddr>().is_ok() {
        return Some(name.value);
    }
    d.error(name.span, "`helo`: a host's name or an address");
    None
}

fn login(t: &mut Table<'_>, encryption: Encryption, d: &mut Diagnostics) -> Option<(String, PathBuf)> {
    let user = t.optional::<String>("user", d);
    let password = file(t, "password_file", d);
    match (user, password) {
        (Some(user), Some(password)) => {
            if user.value.is_empty() || user.value.contains(char::is_control) {
                d.error(user.span, "`user` is empty or has control characters");
            }
            if encryption == Encryption::None {
                d.warning(user.span, "the password goes over the wire in the clear: tls is \"none\"");
            }
            Some((user.value, password.value))
        }
        (Some(user), None) => {
            d.error(user.span, "`user` needs `password_file` beside it")
                .hint("a file that root alone may read, with the password as its first line");
            None
        }
        (None, Some(password)) => {
            d.error(password.span, "`password_file` needs `user` beside it");
            None
        }
        (None, None) => None,
    }
}

/// An absolute path: the daemon has no directory of its own.
fn file(t: &mut Table<'_>, key: &'static str, d: &mut Diagnostics) -> Option<Located<PathBuf>> {
    let text = t.optional::<String>(key, d)?;
    if !text.value.starts_with('/') || text.value.contains(char::is_control) {
        d.error(text.span, format!("`{key}` is an absolute path"));
        return None;
    }
    Some(text.map(PathBuf::from))
}

#[cfg(test)]
mod tests;
