//! What a router shows of itself to those who know nothing of it, line by line.
//!
//! Left out are the lifetime of addresses and routes, and the mark of who made them: there the two differ, and mean to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lab::packet::{Advert, Mac};
use lab::{Capture, Frame, Netns, Result};
use serde_json::{Map, Value};

use super::pair::is_own;

/// From one announcement of an address to the next of the same burst it is less than this.
const BURST: Duration = Duration::from_millis(1200);

/// What `ip` says of a host, sorted.
pub fn of_host(host: &Netns) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for link in list(host, "-d -j addr show")? {
        let name = text(&link, "ifname");
        let kind = link.pointer("/linkinfo/info_kind").and_then(Value::as_str).unwrap_or_default();
        if kind == "macvlan" {
            let up = flags(&link).contains(&"UP");
            let mac = text(&link, "address");
            lines.push(format!("link {name} {kind} {mac} {}", if up { "up" } else { "down" }));
        }
        for address in link.get("addr_info").and_then(Value::as_array).into_iter().flatten() {
            lines.push(format!("addr {name} {}", pairs(address, &NOT_OF_ADDRESSES)));
        }
    }
    for (family, flag) in [("4", "-4"), ("6", "-6")] {
        let routes = list(host, &format!("{flag} -d -j route show table all"))?;
        // Those of multicast come with every interface that is up.
        for route in routes.into_iter().filter(|route| text(route, "type") != "multicast") {
            lines.push(format!("route{family} {}", pairs(&route, &NOT_OF_ROUTES)));
        }
        for rule in list(host, &format!("{flag} -d -j rule show"))? {
            lines.push(format!("rule{family} {}", pairs(&rule, &["protocol"])));
        }
    }
    for interface in ["eth0", "eth1"] {
        let path = format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
        let value = host.enter(|| std::fs::read_to_string(&path).unwrap_or_default())?;
        lines.push(format!("promote_secondaries {interface} {}", value.trim()));
    }
    lines.sort();
    Ok(lines)
}

/// What a process asks of the kernel for itself.
pub fn of_process(pid: i32) -> String {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let stat = read("stat");
    let words: Vec<&str> = stat.rsplit_once(')').unwrap_or_default().1.split_whitespace().collect();
    let field = |number: usize| words.get(number - 3).copied().unwrap_or("?");
    let status = read("status");
    let of_status = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().to_owned()
    };
    let limits = read("limits");
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout")).unwrap_or_default();
    format!(
        "process nice {} realtime {} policy {} processors {} memory {} limit {}",
        field(19),
        field(40),
        field(41),
        of_status("Cpus_allowed_list:"),
        if of_status("VmLck:").starts_with("0 ") { "not locked" } else { "locked" },
        // One asks for a soft and a hard limit, the other for a soft one: the last that is there ends the process.
        limit.split_whitespace().rfind(|word| word.parse::<u64>().is_ok()).unwrap_or("none")
    )
}

const NOT_OF_ADDRESSES: [&str; 4] = ["valid_life_time", "preferred_life_time", "dynamic", "protocol"];
const NOT_OF_ROUTES: [&str; 4] = ["protocol", "expires", "flags", "pref"];

fn list(host: &Netns, arguments: &str) -> Result<Vec<Value>> {
    let text = host.ip(arguments)?;
    // Of an empty table `ip` says nothing at all.
    let value: Value = if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text)? };
    Ok(value.as_array().cloned().unwrap_or_default())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn flags(link: &Value) -> Vec<&str> {
    link.get("flags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The members of an object but for some, in their order.
fn pairs(value: &Value, without: &[&str]) -> String {
    let empty = Map::new();
    let members = value.as_object().unwrap_or(&empty).iter();
    let told = members.filter(|(key, _)| !without.contains(&key.as_str()));
    let words: Vec<String> = told
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect();
    words.join(" ")
}

/// The last advertisement of every virtual router to every destination.
pub fn adverts(wires: &[&Capture]) -> Vec<String> {
    let mut last: BTreeMap<(u8, IpAddr), Advert> = BTreeMap::new();
    for (_, advert) in wires.iter().flat_map(|wire| wire.adverts()) {
        if is_own(advert.source_mac) {
            last.insert((advert.vrid, advert.destination), advert);
        }
    }
    last.into_values().map(|advert| line(&advert)).collect()
}

fn line(advert: &Advert) -> String {
    let addresses: Vec<String> = advert.addresses.iter().map(ToString::to_string).collect();
    let data: String = advert.auth_data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "advert {} v{} priority {} every {:?} from {} {} to {} ttl {} auth {} {data} addresses {} checksum {:?}",
        advert.vrid,
        advert.version,
        advert.priority,
        advert.interval,
        advert.source_mac,
        advert.source,
        advert.destination,
        advert.ttl,
        advert.auth_type,
        addresses.join(","),
        advert.checksum
    )
}

fn sender(frame: &Frame) -> Option<Mac> {
    frame.bytes.get(6..12)?.try_into().ok().map(Mac)
}

/// How the router announced every address: of how many packets its first burst was, and whether more came. A neighbour
/// that holds the address as well may answer an announcement, which looks like one.
pub fn announcements(wire: &Capture, mark: usize, addresses: &[&str]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for address in addresses {
        let wanted: IpAddr = address.parse()?;
        let times: Vec<SystemTime> = wire
            .frames_from(mark)
            .iter()
            .filter(|frame| frame.packet.announced() == Some(wanted) && sender(frame).is_some_and(is_own))
            .map(|frame| frame.at)
            .collect();
        let gaps: Vec<Duration> = times
            .windows(2)
            .map(|pair| match pair {
                [one, two] => two.duration_since(*one).unwrap_or_default(),
                _ => Duration::ZERO,
            })
            .collect();
        let first =
            if times.is_empty() { 0 } else { gaps.iter().take_while(|gap| **gap < BURST).count() + 1 };
        let more = if times.len() > first { "and again" } else { "and no more" };
        lines.push(format!("announced {address} {first} times {more}"));
    }
    Ok(lines)
}

/// Every announcement with its sender: for whoever wants to know why the numbers differ.
pub fn announcers(wire: &Capture, mark: usize) -> String {
    let frames = wire.frames_from(mark);
    let lines = frames.iter().filter_map(|frame| {
        let (address, at) =
            (frame.packet.announced()?, frame.at.duration_since(SystemTime::UNIX_EPOCH).ok()?);
        Some(format!("{:.3} {address} {:02x?}", at.as_secs_f64() % 60.0, frame.bytes.get(..14)?))
    });
    lines.collect::<Vec<_>>().join("\n")
}
