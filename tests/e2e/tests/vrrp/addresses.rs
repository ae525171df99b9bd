//! Virtual addresses on the interfaces: as configured, leased, repaired, and nothing foreign touched.

use std::net::IpAddr;

use lab::{Holdfast, Monitor, Result, SECONDS_10, wait};
use nix::sys::signal::Signal;

use super::{NAME, QUIET, Two, VIP, VIP6, config, with_addresses};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn addresses_are_installed_as_configured_and_removed_at_the_end() -> Result {
    let two = Two::new()?;
    two.lan.attach(&two.a, "eth1", &["10.0.0.11/24"])?;
    let addresses = format!(
        "\"{VIP}\", {{ address = \"192.168.1.100/24\", interface = \"eth1\", label = \"eth1:0\", scope = \"link\", \
         broadcast = \"192.168.1.255\" }}"
    );
    let extra = "excluded_addresses = [\"2001:db8::200/64\"]";
    let a = Holdfast::start(&two.a, &with_addresses(200, &addresses, extra))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let text = two.a.ip("addr show dev eth0")?;
    assert!(text.contains(&format!("inet {VIP}/32 scope global dynamic")), "{text}");
    let v6 = text.lines().find(|line| line.contains(&format!("inet6 {VIP6}/64"))).unwrap_or_default();
    // Deprecated: answered for, but not chosen as the source of this machine's own connections.
    assert!(v6.contains("dynamic") && v6.contains("deprecated") && !v6.contains("tentative"), "{text}");
    let text = two.a.ip("addr show dev eth1")?;
    assert!(text.contains("inet 192.168.1.100/24 brd 192.168.1.255 scope link dynamic eth1:0"), "{text}");
    // An excluded address is held and not said.
    let advert = two.wire.wait_advert(SECONDS_10, |advert| advert.vrid == 51)?;
    assert_eq!(advert.addresses, [ip(VIP), ip("192.168.1.100")]);
    assert_eq!(a.stop()?, 0);
    for address in [VIP, VIP6, "192.168.1.100"] {
        assert!(!two.a.has_address(address)?, "{address} is left");
    }
    assert!(two.a.has_address("10.0.0.11")? && two.a.has_address("192.168.152.11")?);
    Ok(())
}

#[test]
fn an_address_outlives_every_process_by_its_lease_only() -> Result {
    let two = Two::new()?;
    let extra = format!("excluded_addresses = [\"{VIP6}\"]");
    let (a, b) = two.start(&extra)?;
    let leases: Vec<_> = two.a.addresses(Some("eth0"))?.into_iter().filter_map(|a| a.valid_seconds).collect();
    assert_eq!(leases.len(), 2);
    assert!(leases.iter().all(|seconds| (1..=3).contains(seconds)), "{leases:?}");
    a.kill()?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    two.b.wait_address(VIP, SECONDS_10)?;
    two.a.wait_no_address(VIP, SECONDS_10)?;
    two.a.wait_no_address(VIP6, SECONDS_10)
}

#[test]
fn a_lease_that_is_off_leaves_a_permanent_address_which_the_next_run_takes_over() -> Result {
    let two = Two::new()?;
    let extra = "address_lease = false";
    let (a, b) = two.start(extra)?;
    assert!(two.a.ip("addr show dev eth0")?.contains(&format!("inet {VIP}/32 scope global eth0")));
    let folder = a.kill()?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    assert!(two.a.has_address(VIP)?, "nobody removed it");
    // The peer is master and stays it: what was left is removed.
    std::fs::write(folder.path().join("holdfast.toml"), config(50, extra))?;
    let a = Holdfast::restart(&two.a, folder)?;
    two.a.wait_no_address(VIP, SECONDS_10)?;
    a.wait_state(NAME, "backup", SECONDS_10)?;
    assert!(two.b.has_address(VIP)?);
    Ok(())
}

#[test]
fn a_permanent_address_that_the_configuration_no_longer_names_is_removed_by_the_next_run() -> Result {
    let two = Two::new()?;
    let (extra, other) = ("address_lease = false", "192.168.152.201");
    let a = Holdfast::start(&two.a, &config(200, extra))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let folder = a.kill()?;
    two.a.ip(&format!("addr add {other}/32 dev eth0"))?;
    std::fs::write(folder.path().join("holdfast.toml"), config(200, "").replace(VIP, "192.168.152.202"))?;
    let a = Holdfast::restart(&two.a, folder)?;
    two.a.wait_no_address(VIP, SECONDS_10)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    a.log().wait("removing an address that an earlier run left behind", SECONDS_10)?;
    assert!(two.a.has_address(other)? && two.a.has_address("192.168.152.11")?);
    Ok(())
}

#[test]
fn d6_5_an_address_that_somebody_removes_is_put_back_announced_and_logged() -> Result {
    let two = Two::new()?;
    let (a, _b) = two.start("")?;
    let (wire, log) = (two.wire.mark(), a.log().mark());
    two.a.ip(&format!("addr del {VIP}/32 dev eth0"))?;
    two.a.wait_address(VIP, SECONDS_10)?;
    a.log().wait_from(log, "address was removed by somebody: putting it back instance=VI_1", SECONDS_10)?;
    two.wire.wait_from(wire, "an announcement", SECONDS_10, |f| f.packet.announced() == Some(ip(VIP)))?;
    // A flush takes everything, the address that adverts come from too.
    two.a.ip("addr flush dev eth0")?;
    two.a.ip("addr add 192.168.152.11/24 dev eth0")?;
    two.a.wait_address(VIP, SECONDS_10)?;
    two.b.wait_no_address(VIP, SECONDS_10)
}

#[test]
fn renewing_a_lease_is_no_news() -> Result {
    let two = Two::new()?;
    let (a, _b) = two.start("")?;
    let monitor = Monitor::start(&two.a, &["address"])?;
    let (seen, wire, log) = (monitor.log().mark(), two.wire.mark(), a.log().mark());
    monitor.log().wait_from(seen, VIP, SECONDS_10)?;
    monitor.log().wait_from(monitor.log().mark(), VIP, SECONDS_10)?;
    let lines = monitor.lines_from(seen);
    assert!(!lines.iter().any(|line| line.contains("Deleted")), "{lines:?}");
    assert!(!two.wire.frames_from(wire).iter().any(|f| f.packet.announced().is_some()));
    assert!(!a.log().text_from(log).contains("putting it back"));
    Ok(())
}

#[test]
fn an_address_of_somebody_else_is_used_and_never_touched() -> Result {
    let two = Two::new()?;
    two.a.ip(&format!("addr add {VIP}/24 dev eth0 label eth0:mine"))?;
    let a = Holdfast::start(&two.a, &config(255, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    a.log().wait("virtual address is present but not ours: left alone", SECONDS_10)?;
    assert_eq!(a.stop()?, 0);
    let text = two.a.ip("addr show dev eth0")?;
    assert!(text.contains(&format!("inet {VIP}/24 scope global secondary eth0:mine")), "{text}");
    Ok(())
}

#[test]
fn the_address_answers_until_its_next_holder_is_heard() -> Result {
    let two = Two::new()?;
    let (mut a, b) = two.start("")?;
    let monitor = Monitor::start(&two.a, &["address"])?;
    let (seen, wire) = (monitor.log().mark(), two.wire.mark());
    a.process().signal(Signal::SIGTERM)?;
    assert_eq!(a.process().wait_code(SECONDS_10)?, 0);
    let words = a.log().tail(10);
    assert!(words.contains("reason=\"handed over to 192.168.152.12\""), "{words}");
    b.wait_state(NAME, "master", SECONDS_10)?;
    let (goodbye, _) = two.wire.wait_advert_from(wire, SECONDS_10, |advert| advert.priority == 0)?;
    let (taken, _) = two.wire.wait_advert_from(wire, SECONDS_10, |advert| advert.priority == 100)?;
    assert!(goodbye < taken);
    monitor.log().wait_from(seen, "Deleted", SECONDS_10)?;
    wait::stays("the address there", QUIET, || two.b.has_address(VIP))
}
