//! An address with or without a port, as `address`, `real_servers` and `sorry_server` take it.

use std::net::{IpAddr, SocketAddr};

use common::config::look::{IPV4, IPV6, PORT};
use common::config::{Diagnostics, Form, FromValue, Shape, Value};

/// `"192.0.2.1:80"`, `"[2001:db8::1]:80"`, `"192.0.2.1"`, `"2001:db8::1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

impl FromValue for Endpoint {
    const EXPECTED: &'static str = "an address with or without a port";

    fn forms() -> Vec<Form> {
        let pattern = format!(r"{IPV4}(?::{PORT})?|{IPV6}|\[{IPV6}(?:%[0-9]+)?\]:{PORT}");
        vec![Form::text(&pattern, "192.0.2.1:80")]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let Shape::String(text) = v.shape() else {
            v.mismatch(Self::EXPECTED, d);
            return None;
        };
        let read = match text.parse::<IpAddr>() {
            Ok(address) => Self { address, port: None },
            Err(_) => {
                let whole = SocketAddr::from_value(v, d)?;
                if whole.port() == 0 {
                    v.refuse("0 is not a port", d).hint("leave the port away to mean all ports");
                    return None;
                }
                Self { address: whole.ip(), port: Some(whole.port()) }
            }
        };
        if let Some(what) = unusable(read.address) {
            v.refuse(format!("{} is {what}", read.address), d);
            return None;
        }
        Some(read)
    }
}

/// What an address is that nobody can connect to.
pub(super) fn unusable(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("no host's address");
    }
    if address.is_multicast() {
        return Some("a multicast address");
    }
    match address {
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Some("an IPv4 address in IPv6 form: write it as IPv4")
        }
        IpAddr::V6(_) => None,
    }
}
