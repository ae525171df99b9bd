//! What is on the wire.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lab::packet::{Checksum, Mac, Packet};
use lab::{Capture, Holdfast, Result, SECONDS_10};

use super::{NAME, Two, VIP, VIP6, config, with_addresses};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn w1_w2_w6_an_ipv4_advert_has_the_group_ttl_255_and_the_primary_address() -> Result {
    let two = Two::new()?;
    let raw = Capture::start_with(&two.a, "eth0", "ip proto 112")?;
    let a = Holdfast::start(&two.a, &config(200, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let frame = raw.wait_from(0, "an advert", SECONDS_10, |frame| frame.packet.advert().is_some())?;
    let advert = frame.packet.advert().cloned().ok_or("an advert")?;
    assert_eq!((advert.source, advert.destination), (ip("192.168.152.11"), ip("224.0.0.18")));
    assert_eq!((advert.ttl, advert.version, advert.priority), (255, 3, 200));
    assert_eq!(advert.checksum, Checksum::PseudoHeader);
    assert_eq!(advert.addresses, [ip(VIP)]);
    // Internetwork control, so that queues let it pass.
    assert_eq!(frame.bytes.get(15), Some(&0xc0));
    Ok(())
}

#[test]
fn w1_w2_w6_an_ipv6_advert_has_the_group_hop_limit_255_and_the_link_local_address() -> Result {
    let two = Two::new()?;
    let addresses = format!("\"fe80::200\", \"{VIP6}\"");
    let a = Holdfast::start(&two.a, &with_addresses(200, &addresses, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let advert = two.wire.wait_advert(SECONDS_10, |advert| advert.source.is_ipv6())?;
    // The interface has two by now, its own and the one it was given.
    let own =
        two.a.addresses(Some("eth0"))?.into_iter().filter(|a| a.scope == "link" && a.valid_seconds.is_none());
    assert!(own.map(|a| a.address).any(|address| address == advert.source), "{advert:?}");
    assert_eq!(advert.destination, ip("ff02::12"));
    assert_eq!((advert.ttl, advert.version, advert.checksum), (255, 3, Checksum::PseudoHeader));
    assert_eq!(advert.addresses, [ip("fe80::200"), ip(VIP6)]);
    let neighbour = two.wire.wait_from(0, "a neighbour advertisement", SECONDS_10, |frame| {
        frame.packet.announced() == Some(ip(VIP6))
    })?;
    let Packet::NeighborAdvertisement(na) = neighbour.packet else { return Err("another packet".into()) };
    assert!(na.router && na.overriding && !na.solicited);
    assert_eq!(na.target_mac, Some(Mac::parse(&two.a.mac("eth0")?)?));
    Ok(())
}

#[test]
fn s4_the_advert_comes_before_the_announcement_and_the_burst_has_five() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(&two.a, &config(200, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let announced = |frame: &lab::Frame| frame.packet.announced() == Some(ip(VIP));
    two.wire.wait_from(0, "an announcement", SECONDS_10, announced)?;
    // The burst is back to back: the next advert comes after all of it.
    let adverts = || two.wire.adverts().len();
    lab::wait::until("another advert", SECONDS_10, || Ok(adverts() >= 2))?;
    let frames = two.wire.frames();
    let second = frames.iter().enumerate().filter(|(_, f)| f.packet.advert().is_some()).nth(1);
    let until = second.map_or(frames.len(), |(at, _)| at);
    assert!(frames.first().is_some_and(|frame| frame.packet.advert().is_some()), "{frames:?}");
    assert_eq!(frames[..until].iter().filter(|frame| announced(frame)).count(), 5);
    let mac = Mac::parse(&two.a.mac("eth0")?)?;
    for frame in frames[..until].iter().filter(|frame| announced(frame)) {
        let Packet::Arp(arp) = &frame.packet else { return Err("not ARP".into()) };
        assert_eq!((arp.operation, arp.source_mac, arp.sender_mac), (1, mac, mac));
    }
    Ok(())
}

#[test]
fn unicast_adverts_go_to_each_peer_and_to_nobody_else() -> Result {
    let two = Two::new()?;
    let a =
        Holdfast::start(&two.a, &config(200, "unicast_peers = [\"192.168.152.12\", \"192.168.152.13\"]"))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let b = Holdfast::start(&two.b, &config(100, "unicast_peers = [\"192.168.152.11\"]"))?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    // 192.168.152.13 does not exist, so nothing of it is on the wire but the question where it is.
    let taken = || Ok(b.instance(NAME, "/advertisements/received")?.as_u64() > Some(3));
    lab::wait::until("b to take adverts", SECONDS_10, taken)?;
    let destinations: BTreeSet<_> = two.wire.adverts().iter().map(|(_, advert)| advert.destination).collect();
    assert_eq!(destinations, [ip("192.168.152.12")].into());
    two.wire.wait_from(0, "a question for the other peer", SECONDS_10, |frame| {
        matches!(&frame.packet, Packet::Arp(arp) if arp.target == "192.168.152.13".parse::<std::net::Ipv4Addr>().unwrap())
    })?;
    assert_eq!(a.stop()?, 0);
    b.wait_state(NAME, "master", SECONDS_10)
}

#[test]
fn w10_foreign_identifiers_do_not_reach_the_process() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(&two.a, &config(200, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let b =
        Holdfast::start(&two.b, &config(100, "").replace("= 51", "= 52").replace(VIP, "192.168.152.201"))?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    let said = two.wire.mark();
    let fits = |advert: &lab::packet::Advert| advert.vrid == 52;
    for _ in 0..3 {
        two.wire.wait_advert_from(said, SECONDS_10, fits)?;
    }
    assert_eq!(a.instance(NAME, "/advertisements/received")?, 0);
    assert!(!a.log().text().contains("packet dropped"), "{}", a.log().text());
    Ok(())
}
