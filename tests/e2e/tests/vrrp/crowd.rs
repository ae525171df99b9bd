//! Many of them: every identifier of an interface, and an instance with a thousand addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lab::packet::Mac;
use lab::{Capture, Holdfast, Netns, Result, wait};

use super::{NAME, Two};

/// All of them, on a machine that has other work.
const LIMIT: Duration = Duration::from_secs(60);

/// Every identifier of eth0, with an address each.
fn all(priority: u8) -> String {
    let head = format!("[vrrp]\ninterface = \"eth0\"\npriority = {priority}\n");
    let one = |vrid: u8| {
        format!(
            "[[vrrp.instance]]\nname = \"VI_{vrid}\"\nvirtual_router_id = {vrid}\n\
             virtual_addresses = [\"192.168.100.{vrid}\"]\n"
        )
    };
    (1..=255).fold(head, |text, vrid| text + &one(vrid))
}

/// When each address was first announced by a host after a mark, in order; waits until there are so many.
fn announced(wire: &Capture, mark: usize, host: &Netns, count: usize) -> Result<Vec<SystemTime>> {
    let mac = Mac::parse(&host.mac("eth0")?)?;
    wait::value(&format!("{count} addresses to be announced"), LIMIT, || {
        let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
        let mut times = Vec::new();
        for frame in wire.frames_from(mark) {
            let ours = frame.bytes.get(6..12) == Some(&mac.0);
            if let Some(address) = frame.packet.announced().filter(|_| ours)
                && seen.insert(address)
            {
                times.push(frame.at);
            }
        }
        Ok((times.len() >= count).then_some(times))
    })
}

/// How often each address was announced by a host after a mark, without what follows after five seconds.
fn counted(wire: &Capture, mark: usize, host: &Netns) -> Result<BTreeMap<IpAddr, usize>> {
    let mac = Mac::parse(&host.mac("eth0")?)?;
    let mut counts = BTreeMap::new();
    let mut end = None;
    for frame in wire.frames_from(mark) {
        let ours = frame.bytes.get(6..12) == Some(&mac.0);
        if let Some(address) = frame.packet.announced().filter(|_| ours) {
            let end = *end.get_or_insert(frame.at + Duration::from_secs(4));
            if frame.at < end {
                *counts.entry(address).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

#[test]
fn d6_7_every_identifier_of_an_interface_moves_when_its_master_is_killed() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(&two.a, &all(200))?;
    announced(&two.wire, 0, &two.a, 255)?;
    let mark = two.wire.mark();
    let b = Holdfast::start(&two.b, &all(100))?;
    // Beyond the time a silent master would be waited for.
    wait::until("five more rounds of adverts", LIMIT, || Ok(two.wire.adverts_from(mark).len() >= 5 * 255))?;
    let held = |host: &Netns| -> Result<usize> {
        Ok(host
            .addresses(Some("eth0"))?
            .iter()
            .filter(|a| a.address.to_string().starts_with("192.168.100."))
            .count())
    };
    assert_eq!((held(&two.a)?, held(&two.b)?), (255, 0));
    let mark = two.wire.mark();
    a.kill()?;
    announced(&two.wire, mark, &two.b, 255)?;
    wait::until("every address on b alone", LIMIT, || Ok((held(&two.a)?, held(&two.b)?) == (0, 255)))?;
    // What waited for the last of them is done for each.
    wait::until("five announcements of each", LIMIT, || {
        let counts = counted(&two.wire, mark, &two.b)?;
        Ok(counts.len() == 255 && counts.values().all(|count| *count == 5))
    })?;
    wait::until("a line in the log for each", LIMIT, || Ok(b.log().count("from=backup to=master") == 255))?;
    let status = b.status()?;
    let instances = status.pointer("/vrrp/instances").and_then(serde_json::Value::as_array);
    let masters = instances.into_iter().flatten().filter(|instance| instance["state"] == "master");
    assert_eq!(masters.count(), 255);
    Ok(())
}

#[test]
fn d6_7_a_thousand_addresses_are_announced_with_pauses() -> Result {
    let two = Two::new()?;
    let excluded: Vec<String> = (0..1000).map(|n| format!("10.9.{}.{}", n / 250, n % 250 + 1)).collect();
    let text = format!(
        "[[vrrp.instance]]\nname = \"{NAME}\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
         advert_interval = \"100ms\"\nvirtual_addresses = [\"192.168.152.200\"]\nexcluded_addresses = {excluded:?}\n\
         announce = {{ spacing = \"1ms\", repeat = 1 }}\n"
    );
    let a = Holdfast::start(&two.a, &text)?;
    let times = announced(&two.wire, 0, &two.a, 1001)?;
    let span = times.last().zip(times.first()).and_then(|(last, first)| last.duration_since(*first).ok());
    assert!(span >= Some(Duration::from_millis(900)), "a thousand pauses of a millisecond: {span:?}");

    a.wait_state(NAME, "master", LIMIT)?;
    assert_eq!(a.stop()?, 0);
    let left =
        two.a.addresses(Some("eth0"))?.iter().filter(|a| a.address.to_string().starts_with("10.9.")).count();
    assert_eq!(left, 0);
    Ok(())
}
