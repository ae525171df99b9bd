//! `virtual_ipaddress` and its like.

use std::net::IpAddr;

use super::instance::Instance;
use super::keyword::{Context, lost, misread};
use super::toml::Value;
use super::tree::Item;

/// `virtual_ipaddress { … }`
pub(super) fn virtual_addresses(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        let Some((address, value)) = address(instance, line, cx) else { continue };
        let v6 = address.is_ipv6();
        match instance.v6 {
            Some(first) if first != v6 => {
                lost(instance, line, "the addresses of one instance are of one family", cx);
            }
            _ => {
                instance.v6 = Some(v6);
                instance.table.push("virtual_addresses", value);
            }
        }
    }
}

/// `virtual_ipaddress_excluded { … }`
pub(super) fn excluded_addresses(instance: &mut Instance, item: &Item, cx: &mut Context) {
    for line in item.items() {
        if let Some((_, value)) = address(instance, line, cx) {
            instance.table.push("excluded_addresses", value);
        }
    }
}

/// One line: text where that is enough, else a table.
fn address(instance: &mut Instance, line: &Item, cx: &mut Context) -> Option<(IpAddr, Value)> {
    let text = line.name();
    let parsed = text.split_once('/').map_or(text, |(address, _)| address).parse::<IpAddr>();
    let Ok(parsed) = parsed else {
        misread(instance, line, cx);
        return None;
    };
    let mut pairs = vec![("address".to_owned(), Value::from(text))];
    let mut words = line.values();
    while let Some(word) = words.next() {
        let mut put = |key: &str, value: Option<&str>| {
            pairs.extend(value.map(|value| (key.to_owned(), Value::from(value))));
        };
        match word {
            "dev" => put("interface", words.next()),
            "label" => put("label", words.next()),
            "scope" => put("scope", words.next()),
            "brd" | "broadcast" => match words.next() {
                Some("+") => match broadcast(text) {
                    Some(address) => put("broadcast", Some(&address)),
                    None => misread(instance, line, cx),
                },
                Some("-") | None => {}
                given => put("broadcast", given),
            },
            "-nodad" | "home" | "mngtmpaddr" | "noprefixroute" | "autojoin" | "no_track" | "use_vmac" => {
                lost(instance, line, &format!("{word} of an address"), cx);
            }
            "peer" | "preferred_lft" | "track_group" | "proto" => {
                let value = words.next().unwrap_or_default();
                lost(instance, line, &format!("{word} {value} of an address"), cx);
            }
            _ => misread(instance, line, cx),
        }
    }
    let value = if pairs.len() == 1 { Value::from(text) } else { Value::Table(pairs) };
    Some((parsed, value))
}

/// The last address of an IPv4 network.
fn broadcast(text: &str) -> Option<String> {
    let (address, prefix) = text.split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let host = 32_u32.checked_sub(prefix.parse().ok()?)?;
    let mask = u32::try_from((1_u64 << host) - 1).ok()?;
    Some(std::net::Ipv4Addr::from(u32::from(address) | mask).to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_broadcast_address_of_a_network() {
        assert_eq!(super::broadcast("192.0.2.1/24").as_deref(), Some("192.0.2.255"));
        assert_eq!(super::broadcast("192.0.2.1/0").as_deref(), Some("255.255.255.255"));
        assert_eq!(super::broadcast("192.0.2.1"), None);
        assert_eq!(super::broadcast("192.0.2.1/33"), None);
    }
}
