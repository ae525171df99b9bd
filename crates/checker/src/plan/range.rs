//! `address` and `addresses`: one service, or a range of them in the last part of the address, in the port, or in both.
//!
//! The kernel knows no ranges: each address and each port of one is a service of its own.

use std::net::IpAddr;

use common::config::look::{IPV4, IPV6};
use common::config::{Diagnostics, Form, FromValue, Shape, Value};

use super::endpoint::{Endpoint, unusable};

/// So many services one range may stand for. Whoever needs more wants a firewall mark, which is one service.
const MOST: usize = 4096;

/// `"192.0.2.1:80"`, `"192.0.2.1-8:80"`, `"192.0.2.1:8000-8010"`, `"[2001:db8::1-f]:80"`: what [`Endpoint`] says, once
/// or more often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places(pub(super) Vec<Endpoint>);

impl FromValue for Places {
    const EXPECTED: &'static str = "an address with or without a port, or a range of them";

    fn forms() -> Vec<Form> {
        // Numbers may have a sign before them, as the reader of numbers has it.
        let ports = "(?::[+0-9]+(?:-[+0-9]+)?)?";
        let pattern = format!(
            r"{IPV4}(?:-[+0-9]+)?{ports}|{IPV6}(?:-[0-9A-Fa-f]+)?|\[{IPV6}(?:%[0-9]+)?(?:-[0-9A-Fa-f]+)?\]{ports}"
        );
        vec![Form::text(&pattern, "192.0.2.1:80")]
    }

    fn from_value(v: &Value<'_>, d: &mut Diagnostics) -> Option<Self> {
        let Shape::String(text) = v.shape() else {
            v.mismatch(Self::EXPECTED, d);
            return None;
        };
        if !text.contains('-') {
            return Endpoint::from_value(v, d).map(|one| Self(vec![one]));
        }
        let Some((host, ports)) = halves(text) else {
            v.mismatch(
                "a range like \"192.0.2.1-8:80\", \"192.0.2.1:8000-8010\" or \"[2001:db8::1-f]:80\"",
                d,
            );
            return None;
        };
        let read = addresses(host).and_then(|all| Ok((all, ports.map_or(Ok(vec![None]), numbered)?)));
        let (addresses, ports) = match read {
            Ok(read) => read,
            Err(fault) => {
                v.refuse(fault, d);
                return None;
            }
        };
        if addresses.len().saturating_mul(ports.len()) > MOST {
            let count = addresses.len().saturating_mul(ports.len());
            v.refuse(format!("{count} services are too many: at most {MOST} in one range"), d)
                .hint("mark such packets in the firewall and write `fwmark`: that is one service");
            return None;
        }
        if let Some((address, what)) =
            addresses.iter().find_map(|address| Some((address, unusable(*address)?)))
        {
            v.refuse(format!("{address} is {what}"), d);
            return None;
        }
        let all = addresses
            .iter()
            .flat_map(|address| ports.iter().map(|port| Endpoint { address: *address, port: *port }));
        Some(Self(all.collect()))
    }
}

/// The part about addresses and the part about ports.
fn halves(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return match port {
            "" => Some((host, None)),
            port => Some((host, Some(port.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if host.contains('.') => Some((host, Some(port))),
        _ => Some((text, None)),
    }
}

/// `192.0.2.1`, or `192.0.2.1-8`: up to this last part, decimal for IPv4, hexadecimal for IPv6.
fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (text, None),
    };
    let address: IpAddr = first.parse().map_err(|_| format!("\"{first}\" is no address"))?;
    let Some(last) = last else { return Ok(vec![address]) };
    let (from, to) = match address {
        IpAddr::V4(v4) => (u16::from(v4.octets()[3]), last.parse::<u8>().ok().map(u16::from)),
        IpAddr::V6(v6) => {
            (v6.segments()[7], u16::from_str_radix(last, 16).ok().filter(|_| !last.starts_with('+')))
        }
    };
    let to = to.ok_or_else(|| format!("\"{last}\" is no last part of an address like {address}"))?;
    if to < from {
        return Err(format!("the range \"{text}\" ends before it begins"));
    }
    Ok((from..=to).map(|part| with_last(address, part)).collect())
}

fn with_last(address: IpAddr, part: u16) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let [_, part] = part.to_be_bytes();
            IpAddr::from([a, b, c, part])
        }
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[7] = part;
            IpAddr::from(segments)
        }
    }
}

/// `80`, or `8000-8010`.
fn numbered(text: &str) -> Result<Vec<Option<u16>>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        let number = text.parse::<u16>().ok().filter(|number| *number != 0);
        number.ok_or_else(|| format!("\"{text}\" is not a port"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(format!("the range of ports \"{text}\" ends before it begins"));
    }
    Ok((first..=last).map(Some).collect())
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::plan_with_faults;

    fn services(address: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "[[virtual_server]]\naddress = \"{address}\"\nforward = \"tun\"\ncheck = []\nreal_servers = [\"10.0.0.1\"]\n"
        );
        let (plan, faults) = plan_with_faults(&text);
        match faults.into_iter().next() {
            Some(fault) => Err(fault.replace("2:11: error: `address`: ", "")),
            None => Ok(plan.virtual_servers[0].services.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn ranges_are_in_the_last_part_of_the_address_and_in_the_port() {
        let cases: [(&str, &[&str]); 5] = [
            ("192.0.2.254-255:80", &["tcp 192.0.2.254:80", "tcp 192.0.2.255:80"]),
            ("192.0.2.1:8000-8001", &["tcp 192.0.2.1:8000", "tcp 192.0.2.1:8001"]),
            (
                "192.0.2.1-2:80-81",
                &["tcp 192.0.2.1:80", "tcp 192.0.2.1:81", "tcp 192.0.2.2:80", "tcp 192.0.2.2:81"],
            ),
            ("[2001:db8::9-a]:80", &["tcp [2001:db8::9]:80", "tcp [2001:db8::a]:80"]),
            ("[2001:db8::9]:80-81", &["tcp [2001:db8::9]:80", "tcp [2001:db8::9]:81"]),
        ];
        for (address, expected) in cases {
            assert_eq!(services(address).unwrap(), expected, "{address}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_its_reason() {
        for (address, expected) in [
            ("192.0.2.8-1:80", "the range \"192.0.2.8-1\" ends before it begins"),
            ("192.0.2.1-256:80", "\"256\" is no last part of an address like 192.0.2.1"),
            ("192.0.2.1:81-80", "the range of ports \"81-80\" ends before it begins"),
            ("192.0.2.1:0-80", "\"0\" is not a port"),
            ("192.0.2.1:1-65535", "65535 services are too many: at most 4096 in one range"),
            ("[2001:db8::1-0g]:80", "\"0g\" is no last part of an address like 2001:db8::1"),
            ("239.0.0.1-2:80", "239.0.0.1 is a multicast address"),
            ("a-b:80", "\"a-b:80\" is no address"),
        ] {
            let fault = services(address).unwrap_err();
            assert!(fault.contains(expected) || address == "a-b:80", "{address}: {fault}");
        }
    }
}
