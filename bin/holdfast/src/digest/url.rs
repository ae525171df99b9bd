//! The little of a URL that a check can ask for.

use std::net::IpAddr;

/// What is asked for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// `https`.
    pub(super) tls: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// With what is behind it: `/search?q=1`.
    pub(super) path: String,
    /// Written out, although it may be the usual one.
    has_port: bool,
}

impl Url {
    /// Reads it; else why it is none.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            _ => return Err("not a URL that begins with http:// or https://"),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("white space and characters beyond ASCII are written percent-encoded");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        if place.contains('@') {
            return Err("a check cannot log in: leave out what is before the @");
        }
        let (host, port) = match place.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((address, "")) => (address, None),
            Some((address, port)) => {
                (address, Some(port.strip_prefix(':').ok_or("no port behind the address")?))
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err("it names no host");
        }
        let usual = if tls { 443 } else { 80 };
        let number = port.map(|port| port.parse().map_err(|_| "its port is no number from 1 to 65535"));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: number.transpose()?.filter(|port| *port != 0).unwrap_or(usual),
            path,
            has_port: port.is_some(),
        })
    }

    /// What stands in the Host header: the name, if it is one. (A check sends the address of the server by itself.)
    pub(super) fn name(&self) -> Option<String> {
        if self.host.parse::<IpAddr>().is_ok() {
            return None;
        }
        let usual = if self.tls { 443 } else { 80 };
        let port =
            if self.has_port && self.port != usual { format!(":{}", self.port) } else { String::new() };
        Some(format!("{}{port}", self.host))
    }
}
