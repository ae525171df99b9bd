//! Holdfast beside FRRouting's vrrpd: version 3 for both families.

use e2e::pair::{Flavour, NAME, Pair, VRID};
use lab::frr::{Frr, Router};
use lab::{Result, SECONDS_10};

fn start(pair: &Pair, priority: u8) -> Result<Frr> {
    let addresses = pair.flavour.addresses().iter().map(|address| (*address).to_owned()).collect();
    let interval_ms = u32::try_from(pair.flavour.interval().as_millis()).unwrap_or(1000);
    let frr = Router { version: 3, vrid: VRID, priority, interval_ms, addresses };
    Frr::start(&pair.their_host, &frr)
}

fn frr_takes_over_and_gives_back(flavour: Flavour) -> Result {
    let ipv6 = flavour == Flavour::V3Ipv6;
    let pair = Pair::new(flavour)?;
    let frr = start(&pair, 90)?;
    frr.wait_state(ipv6, "Master", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    frr.wait_state(ipv6, "Backup", SECONDS_10)?;
    assert_eq!(ours.stop()?, 0);
    frr.wait_state(ipv6, "Master", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    frr.wait_state(ipv6, "Backup", SECONDS_10)?;
    ours.kill()?;
    frr.wait_state(ipv6, "Master", SECONDS_10)
}

fn ours_takes_over_from_frr_and_gives_back(flavour: Flavour) -> Result {
    let ipv6 = flavour == Flavour::V3Ipv6;
    let pair = Pair::new(flavour)?;
    let frr = start(&pair, 200)?;
    frr.wait_state(ipv6, "Master", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    ours.wait_state(NAME, "backup", SECONDS_10)?;
    let mark = pair.wire.mark();
    frr.stop()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    pair.wire.wait_advert_from(mark, SECONDS_10, |advert| advert.priority == 0)?;
    pair.our_host.wait_address(flavour.address(), SECONDS_10)
}

#[test]
fn d7_10_frr_takes_over_and_gives_back_ipv4() -> Result {
    frr_takes_over_and_gives_back(Flavour::V3Ipv4)
}

#[test]
fn d7_10_frr_takes_over_and_gives_back_ipv6() -> Result {
    frr_takes_over_and_gives_back(Flavour::V3Ipv6)
}

#[test]
fn d7_10_ours_takes_over_from_frr_ipv4() -> Result {
    ours_takes_over_from_frr_and_gives_back(Flavour::V3Ipv4)
}

#[test]
fn d7_10_ours_takes_over_from_frr_ipv6() -> Result {
    ours_takes_over_from_frr_and_gives_back(Flavour::V3Ipv6)
}

#[test]
fn d7_10_without_preemption_ours_stays_backup_of_a_lower_frr_until_it_is_killed() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let frr = start(&pair, 90)?;
    frr.wait_state(false, "Master", SECONDS_10)?;
    let ours = pair.start_ours(100, "preempt = false")?;
    lab::wait::stays("Holdfast as backup", pair.flavour.master_down(100) * 3 / 2, || {
        Ok(ours.instance(NAME, "/state")? == "backup")
    })?;
    frr.kill()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    pair.our_host.wait_address(pair.flavour.address(), SECONDS_10)
}

#[test]
fn d7_10_a_healed_partition_has_one_master_by_priority() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let frr = start(&pair, 90)?;
    frr.wait_state(false, "Master", SECONDS_10)?;
    let ours = pair.start_ours(100, "")?;
    frr.wait_state(false, "Backup", SECONDS_10)?;
    pair.lan.isolate(&pair.our_host, "eth0")?;
    frr.wait_state(false, "Master", SECONDS_10)?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    pair.lan.join(&pair.our_host, "eth0")?;
    frr.wait_state(false, "Backup", SECONDS_10)?;
    ours.wait_state(NAME, "master", SECONDS_10)
}
