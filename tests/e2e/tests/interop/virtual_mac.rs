//! Virtual MACs on both sides: the same hardware address moves between Holdfast and keepalived, Holdfast and FRR.

use std::net::IpAddr;

use e2e::pair::{Flavour, NAME, Pair, VRID};
use lab::frr::{Frr, Router};
use lab::packet::Mac;
use lab::{Keepalived, Result, SECONDS_10, arping, wait};

e2e::for_every_flavour![
    d7_6_ours_takes_over_from_keepalived_and_gives_back,
    d7_6_keepalived_takes_over_from_ours_and_gives_back,
    a_healed_partition_of_virtual_macs_has_one_master,
];

const ON: &str = "virtual_mac = true";

fn mac(flavour: Flavour) -> Mac {
    Mac([0, 0, 0x5e, 0, if flavour == Flavour::V3Ipv6 { 2 } else { 1 }, VRID])
}

fn keepalived(pair: &Pair, priority: u8) -> Result<Keepalived> {
    Keepalived::start(&pair.their_host, &pair.flavour.theirs(priority).extra("use_vmac").config())
}

fn frr(pair: &Pair, priority: u8) -> Result<Frr> {
    let addresses = pair.flavour.addresses().iter().map(|address| (*address).to_owned()).collect();
    let interval_ms = u32::try_from(pair.flavour.interval().as_millis()).unwrap_or(1000);
    // FRR leaves it to the administrator that the interface below does not answer as well.
    pair.their_host.sysctl("net/ipv4/conf/eth0/arp_ignore", "1")?;
    pair.their_host.sysctl("net/ipv4/conf/eth0/arp_announce", "2")?;
    let frr = Router { version: 3, vrid: VRID, priority, interval_ms, addresses };
    Frr::start(&pair.their_host, &frr)
}

/// Waits until adverts of one priority alone are heard. All of them, the announcements and the answers come from the
/// virtual MAC. Ours have priorities that end in 0.
fn one_holder(pair: &Pair, priority: u8) -> Result {
    let (mark, virtual_mac) = (pair.wire.mark(), mac(pair.flavour));
    wait::until(&format!("adverts of priority {priority} alone"), SECONDS_10, || {
        let adverts = pair.wire.adverts_from(mark);
        let last: Vec<_> = adverts.iter().rev().take(3).collect();
        Ok(last.len() == 3 && last.iter().all(|(_, advert)| advert.priority == priority))
    })?;
    for (_, advert) in pair.wire.adverts() {
        assert_eq!(advert.source_mac, virtual_mac, "{advert:?}");
    }
    let address: IpAddr = pair.flavour.address().parse()?;
    for frame in pair.wire.frames().iter().filter(|frame| frame.packet.announced() == Some(address)) {
        assert_eq!(frame.bytes[6..12], virtual_mac.0, "{:?}", frame.packet);
    }
    if address.is_ipv4() {
        wait::until("one answer", SECONDS_10, || {
            Ok(arping(&pair.client, "eth0", pair.flavour.address())? == [virtual_mac.to_string()])
        })?;
    }
    let asked = ["ping", "-n", "-c", "1", "-W", "1", pair.flavour.address()];
    wait::until("an answer", SECONDS_10, || Ok(pair.client.output(&asked)?.code == Some(0)))?;
    // Answering, keepalived's host asks for its neighbour with its own hardware address, and so teaches a wrong one.
    let neighbour = pair.client.ip(&format!("neigh show {address}"))?;
    assert!(!priority.is_multiple_of(10) || neighbour.contains(&virtual_mac.to_string()), "{neighbour}");
    Ok(())
}

fn d7_6_ours_takes_over_from_keepalived_and_gives_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = keepalived(&pair, 155)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    let ours = pair.start_ours(100, ON)?;
    ours.wait_state(NAME, "backup", SECONDS_10)?;
    one_holder(&pair, 155)?;
    theirs.stop()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    one_holder(&pair, 100)?;
    let theirs = keepalived(&pair, 155)?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    ours.wait_state(NAME, "backup", SECONDS_10)?;
    one_holder(&pair, 155)?;
    pair.assert_understood(&ours, &theirs)?;
    theirs.kill()?;
    ours.wait_state(NAME, "master", SECONDS_10)
}

fn d7_6_keepalived_takes_over_from_ours_and_gives_back(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let theirs = keepalived(&pair, 95)?;
    let ours = pair.start_ours(100, ON)?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    theirs.wait_state(NAME, "BACKUP", SECONDS_10)?;
    one_holder(&pair, 100)?;
    assert_eq!(ours.stop()?, 0);
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    one_holder(&pair, 95)?;
    let ours = pair.start_ours(100, ON)?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    theirs.wait_state(NAME, "BACKUP", SECONDS_10)?;
    one_holder(&pair, 100)?;
    pair.assert_understood(&ours, &theirs)?;
    // Killed, it leaves an interface that is up and soon without addresses.
    let _folder = ours.kill()?;
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    pair.our_host.wait_no_address(flavour.address(), SECONDS_10)?;
    one_holder(&pair, 95)
}

fn a_healed_partition_of_virtual_macs_has_one_master(flavour: Flavour) -> Result {
    let pair = Pair::new(flavour)?;
    let (theirs, ours) = (keepalived(&pair, 155)?, pair.start_ours(100, ON)?);
    theirs.wait_state(NAME, "MASTER", SECONDS_10)?;
    ours.wait_state(NAME, "backup", SECONDS_10)?;
    pair.lan.isolate(&pair.our_host, "eth0")?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    // What comes in has the hardware address that this host has, too.
    pair.lan.join(&pair.our_host, "eth0")?;
    ours.wait_state(NAME, "backup", SECONDS_10)?;
    pair.our_host.wait_no_address(flavour.address(), SECONDS_10)?;
    one_holder(&pair, 155)
}

fn ours_and_frr_take_over_from_each_other(flavour: Flavour) -> Result {
    let ipv6 = flavour == Flavour::V3Ipv6;
    let pair = Pair::new(flavour)?;
    let frr = frr(&pair, 95)?;
    frr.wait_state(ipv6, "Master", SECONDS_10)?;
    one_holder(&pair, 95)?;
    let ours = pair.start_ours(100, ON)?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    frr.wait_state(ipv6, "Backup", SECONDS_10)?;
    one_holder(&pair, 100)?;
    assert_eq!(ours.stop()?, 0);
    frr.wait_state(ipv6, "Master", SECONDS_10)?;
    one_holder(&pair, 95)?;
    let ours = pair.start_ours(80, ON)?;
    ours.wait_state(NAME, "backup", SECONDS_10)?;
    frr.stop()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    one_holder(&pair, 80)
}

#[test]
fn d7_6_ours_and_frr_take_over_from_each_other_ipv4() -> Result {
    ours_and_frr_take_over_from_each_other(Flavour::V3Ipv4)
}

#[test]
fn d7_6_ours_and_frr_take_over_from_each_other_ipv6() -> Result {
    ours_and_frr_take_over_from_each_other(Flavour::V3Ipv6)
}
