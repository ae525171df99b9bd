//! Interfaces that go down, vanish, and come back.

use lab::{Holdfast, Result, SECONDS_10, wait};

use super::{NAME, Two, VIP, config};

/// The faults in the status of an instance.
#[track_caller]
fn faults(holdfast: &Holdfast) -> Result<String> {
    Ok(holdfast.instance(NAME, "/faults")?.to_string())
}

#[test]
fn a_pulled_cable_is_a_fault_and_plugging_it_in_heals_it() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    two.lan.unplug(&two.a, "eth0")?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    assert_eq!(faults(&a)?, "[\"interface eth0 has no carrier\"]");
    assert!(!two.a.has_address(VIP)?);
    b.wait_state(NAME, "master", SECONDS_10)?;
    two.lan.plug(&two.a, "eth0")?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    assert_eq!(faults(&a)?, "[]");
    assert!(two.a.has_address(VIP)? && !two.b.has_address(VIP)?);
    Ok(())
}

#[test]
fn an_interface_set_down_is_a_fault_and_setting_it_up_heals_it() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    two.a.ip("link set eth0 down")?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    assert_eq!(faults(&a)?, "[\"interface eth0 is down\"]");
    b.wait_state(NAME, "master", SECONDS_10)?;
    two.a.ip("link set eth0 up")?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    wait::until("the address on a alone", SECONDS_10, || {
        Ok(two.a.has_address(VIP)? && !two.b.has_address(VIP)?)
    })
}

#[test]
fn d6_5_an_interface_that_is_deleted_and_made_again_heals() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start("")?;
    for _ in 0..2 {
        two.a.ip("link del eth0")?;
        a.wait_state(NAME, "fault", SECONDS_10)?;
        wait::until("the fault's words", SECONDS_10, || {
            Ok(faults(&a)? == "[\"interface eth0 does not exist\"]")
        })?;
        b.wait_state(NAME, "master", SECONDS_10)?;
        let wire = two.wire.mark();
        two.lan.attach(&two.a, "eth0", &["192.168.152.11/24"])?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        b.wait_state(NAME, "backup", SECONDS_10)?;
        two.wire.wait_advert_from(wire, SECONDS_10, |advert| advert.priority == 200)?;
        assert!(two.a.has_address(VIP)?);
    }
    // The sockets of the interfaces that are gone are closed.
    let pid = a.child("vrrp")?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/raw"))?;
    assert!(text.lines().count() <= 3, "one that hears and one that sends:\n{text}");
    Ok(())
}

#[test]
fn an_interface_may_appear_after_the_start() -> Result {
    let two = Two::new()?;
    two.a.ip("link del eth0")?;
    let a = Holdfast::start(&two.a, &config(200, ""))?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    assert_eq!(faults(&a)?, "[\"interface eth0 does not exist\"]");
    two.lan.attach(&two.a, "eth0", &[])?;
    wait::until("the want of an address", SECONDS_10, || {
        Ok(faults(&a)? == "[\"interface eth0 has no address to send adverts from\"]")
    })?;
    two.a.ip("addr add 192.168.152.11/24 dev eth0")?;
    a.wait_state(NAME, "master", SECONDS_10)
}

#[test]
fn a_renamed_interface_is_known_by_its_new_name() -> Result {
    let two = Two::new()?;
    two.a.ip("link set eth0 down")?;
    two.a.ip("link set eth0 name lan0")?;
    two.a.ip("link set lan0 up")?;
    let a = Holdfast::start(&two.a, &config(200, ""))?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    two.a.ip("link set lan0 down")?;
    two.a.ip("link set lan0 name eth0")?;
    two.a.ip("link set eth0 up")?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    two.a.ip("link set eth0 down")?;
    two.a.ip("link set eth0 name lan0")?;
    wait::until("the fault's words", SECONDS_10, || Ok(faults(&a)? == "[\"interface eth0 does not exist\"]"))
}

#[test]
fn a_tracked_interface_counts_as_configured() -> Result {
    let two = Two::new()?;
    two.lan.attach(&two.a, "eth1", &[])?;
    two.lan.attach(&two.b, "eth1", &[])?;
    let (a, b) = two.start("track_interfaces = [{ interface = \"eth1\", weight = -150 }]")?;
    two.lan.unplug(&two.a, "eth1")?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    assert_eq!(a.instance(NAME, "/effective_priority")?, 50);
    assert_eq!(a.instance(NAME, "/state")?, "backup");
    two.lan.plug(&two.a, "eth1")?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    assert_eq!(a.instance(NAME, "/effective_priority")?, 200);
    Ok(())
}
