//! `virtual_ipaddress` and its like.

use std::net::IpAddr;

use super::instance::Instance;
use super::keyword::{Context, Target, lost, misread, note};
use super::site::Site;
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

/// `static_ipaddress { … }`
pub(super) fn static_addresses(site: &mut Site, item: &Item, cx: &mut Context) {
    site.statics.comments.extend(item.comments.iter().cloned());
    for line in item.items() {
        let mut pairs = match address(site, line, cx) {
            None => continue,
            Some((_, Value::Table(pairs))) => pairs,
            Some((_, other)) => vec![("address".to_owned(), other)],
        };
        if pairs.iter().all(|(key, _)| key != "interface") {
            let interface = cx.default_interface.as_deref().unwrap_or("eth0");
            pairs.insert(1, ("interface".to_owned(), interface.into()));
        }
        site.statics.push("addresses", Value::Table(pairs));
    }
}

/// One line: text where that is enough, else a table.
fn address<T: Target>(target: &mut T, line: &Item, cx: &mut Context) -> Option<(IpAddr, Value)> {
    let text = line.name();
    let parsed = text.split_once('/').map_or(text, |(address, _)| address).parse::<IpAddr>();
    let Ok(parsed) = parsed else {
        misread(target, line, cx);
        return None;
    };
    let mut pairs = vec![("address".to_owned(), Value::from(text))];
    let mut flags: Vec<(&str, bool)> = Vec::new();
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
                Some("+") => put("broadcast", Some("auto")),
                Some("-") | None => {}
                given => put("broadcast", given),
            },
            "preferred_lft" if parsed.is_ipv4() => {
                words.next();
                note(target, line, "keepalived gives addresses of IPv4 no preferred_lft", cx);
            }
            "preferred_lft" => match words.next() {
                Some("0") => put("preferred_lifetime", Some("0s")),
                Some("forever") => put("preferred_lifetime", Some("forever")),
                other => {
                    let seconds = other.unwrap_or_default();
                    lost(target, line, &format!("preferred_lft {seconds} of an address: 0 or forever"), cx);
                }
            },
            "peer" => put("peer", words.next()),
            "home" => flags.push(("home", true)),
            "-nodad" => flags.push(("duplicate_detection", true)),
            "mngtmpaddr" => flags.push(("manage_temporary", true)),
            "noprefixroute" => flags.push(("prefix_route", false)),
            // What somebody removes is put back, and nothing is given up for it.
            "no_track" => {}
            "autojoin" | "use_vmac" => lost(target, line, &format!("{word} of an address"), cx),
            "track_group" | "proto" => {
                let value = words.next().unwrap_or_default();
                lost(target, line, &format!("{word} {value} of an address"), cx);
            }
            _ => misread(target, line, cx),
        }
    }
    pairs.extend(flags.into_iter().map(|(key, on)| (key.to_owned(), on.into())));
    let value = if pairs.len() == 1 { Value::from(text) } else { Value::Table(pairs) };
    Some((parsed, value))
}
