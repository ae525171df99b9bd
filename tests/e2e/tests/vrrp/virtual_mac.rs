//! The virtual MAC: an interface of its own, what is seen of it on the wire, and what becomes of it.

use std::net::IpAddr;

use lab::packet::Mac;
use lab::{Holdfast, Monitor, Netns, Result, SECONDS_10, arping, wait};
use nix::sys::signal::Signal;

use super::{NAME, QUIET, Two, VIP, VIP6, config, transitions, with_addresses};

const ON: &str = "virtual_mac = true";
/// More patient with a master that is silent for a moment than a busy machine is slow.
const ON_PATIENT: &str = "virtual_mac = true\ndown_timer_adverts = 20";
const MAC: &str = "00:00:5e:00:01:33";
const MAC6: &str = "00:00:5e:00:02:33";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What `ip -d link` says of an interface; nothing if there is none.
fn link(host: &Netns, name: &str) -> Result<String> {
    Ok(host.output(&["ip", "-d", "link", "show", "dev", name])?.stdout)
}

fn is_up(host: &Netns, name: &str) -> Result<bool> {
    Ok(link(host, name)?.split(['<', '>', ',']).any(|flag| flag == "UP"))
}

fn sysctl(host: &Netns, name: &str) -> Result<String> {
    Ok(host.run(&["cat", &format!("/proc/sys/net/{name}")])?.trim().to_owned())
}

/// A virtual address's interface alone has it.
fn holds(host: &Netns, name: &str, address: &str) -> Result<bool> {
    let all = host.addresses(None)?;
    let on: Vec<&str> =
        all.iter().filter(|a| a.address == ip(address)).map(|a| a.interface.as_str()).collect();
    Ok(on == [name])
}

#[test]
fn w5_w6_s14_s20_everything_of_a_master_comes_from_the_virtual_mac_ipv4() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(ON)?;
    let advert = two.wire.wait_advert(SECONDS_10, |advert| advert.priority == 200)?;
    assert_eq!((advert.source_mac, advert.source), (Mac::parse(MAC)?, ip("192.168.152.11")));
    assert_eq!((advert.ttl, advert.addresses), (255, vec![ip(VIP)]));
    let frames = two.wire.frames();
    let announced: Vec<_> = frames.iter().filter(|f| f.packet.announced() == Some(ip(VIP))).collect();
    assert!(!announced.is_empty() && announced.iter().all(|f| f.bytes[6..12] == Mac::parse(MAC).unwrap().0));
    // Asked for the address, one MAC answers; asked for its own, the machine's.
    let client = two.lan.host("client", &["192.168.152.10/24"])?;
    assert_eq!(arping(&client, "eth0", VIP)?, [MAC]);
    assert_eq!(arping(&client, "eth0", "192.168.152.11")?, [two.a.mac("eth0")?]);
    let reached = || Ok(client.output(&["ping", "-n", "-c", "1", "-W", "1", VIP])?.code == Some(0));
    wait::until("an answer", SECONDS_10, reached)?;
    // Answering, the machine asked for its neighbour in its own name only.
    let neighbour = client.ip(&format!("neigh show {VIP}"))?;
    assert!(neighbour.contains(MAC), "{neighbour}");
    assert!(holds(&two.a, "vrrp.51", VIP)?);
    let text = two.a.ip("-6 addr show dev vrrp.51")?;
    assert_eq!(text.trim(), "", "the virtual MAC makes no address");
    assert_eq!(sysctl(&two.a, "ipv6/conf/vrrp.51/accept_ra")?, "0");
    assert_eq!(sysctl(&two.a, "ipv6/conf/vrrp.51/autoconf")?, "0");
    assert_eq!(sysctl(&two.a, "ipv4/conf/vrrp.51/rp_filter")?, "2");
    assert_eq!(sysctl(&two.a, "ipv4/conf/vrrp.51/accept_local")?, "1");
    // A backup's takes no part.
    assert!(!is_up(&two.b, "vrrp.51")? && link(&two.b, "vrrp.51")?.contains("macvlan mode bridge"));
    assert_eq!(b.stop()?, 0);
    assert_eq!(a.stop()?, 0);
    assert_eq!(link(&two.a, "vrrp.51")?, "");
    assert_eq!(link(&two.b, "vrrp.51")?, "");
    assert_eq!(sysctl(&two.a, "ipv4/conf/eth0/arp_ignore")?, "0", "put back");
    assert_eq!(sysctl(&two.a, "ipv4/conf/eth0/arp_announce")?, "0", "put back");
    Ok(())
}

#[test]
fn w5_w6_s14_s20_everything_of_a_master_comes_from_the_virtual_mac_ipv6() -> Result {
    let two = Two::new()?;
    let addresses = format!("\"fe80::200\", \"{VIP6}\"");
    let a = Holdfast::start(&two.a, &with_addresses(200, &addresses, ON))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let advert = two.wire.wait_advert(SECONDS_10, |advert| advert.priority == 200)?;
    assert_eq!((advert.source_mac, advert.source), (Mac::parse(MAC6)?, ip("fe80::11")));
    let said =
        two.wire.wait_from(0, "an announcement", SECONDS_10, |f| f.packet.announced() == Some(ip(VIP6)))?;
    assert_eq!(said.bytes[6..12], Mac::parse(MAC6)?.0);
    for address in [VIP6, "fe80::200%eth0"] {
        let reached = || Ok(two.b.output(&["ping", "-n", "-c", "1", "-W", "1", address])?.code == Some(0));
        wait::until(&format!("an answer of {address}"), SECONDS_10, reached)?;
        let plain = address.trim_end_matches("%eth0");
        let neighbour = two.b.ip(&format!("-6 neigh show {plain} dev eth0"))?;
        assert!(neighbour.contains(MAC6), "{neighbour}");
    }
    // No address but the virtual ones: none is made of the virtual MAC.
    let mut on: Vec<IpAddr> = two.a.addresses(Some("vrrp6.51"))?.iter().map(|a| a.address).collect();
    on.sort_unstable();
    assert_eq!(on, [ip(VIP6), ip("fe80::200")]);
    Ok(())
}

#[test]
fn s11_two_masters_with_the_same_mac_hear_each_other() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(ON)?;
    two.lan.isolate(&two.a, "eth0")?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    two.lan.join(&two.a, "eth0")?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    wait::until("the interface of the backup down", SECONDS_10, || Ok(!is_up(&two.b, "vrrp.51")?))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    assert!(is_up(&two.a, "vrrp.51")? && holds(&two.a, "vrrp.51", VIP)?);
    Ok(())
}

#[test]
fn a_network_that_asks_for_strict_source_checks_still_reaches_it() -> Result {
    let two = Two::new()?;
    two.a.sysctl("net/ipv4/conf/all/rp_filter", "1")?;
    let (_a, _b) = two.start(ON)?;
    let reached = || Ok(two.b.output(&["ping", "-n", "-c", "1", "-W", "1", VIP])?.code == Some(0));
    wait::until("an answer", SECONDS_10, reached)
}

#[test]
fn an_address_with_a_network_does_not_draw_the_machine_s_own_traffic() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(&two.a, &with_addresses(200, &format!("\"{VIP}/24\""), ON))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    wait::until("the address", SECONDS_10, || holds(&two.a, "vrrp.51", VIP))?;
    // Also when its own route is the younger one.
    two.a.ip("addr del 192.168.152.11/24 dev eth0")?;
    two.a.ip("addr add 192.168.152.11/24 dev eth0")?;
    let route = two.a.ip("route get 192.168.152.12")?;
    assert!(route.contains("dev eth0 src 192.168.152.11"), "{route}");
    Ok(())
}

#[test]
fn its_name_mac_and_the_way_of_adverts_are_as_configured() -> Result {
    let two = Two::new()?;
    let table =
        "virtual_mac = { interface = \"vip0\", mac = \"02:00:00:00:00:77\", adverts_from = \"base\" }";
    let a = Holdfast::start(&two.a, &config(200, table))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let advert = two.wire.wait_advert(SECONDS_10, |advert| advert.priority == 200)?;
    assert_eq!(advert.source_mac, Mac::parse(&two.a.mac("eth0")?)?);
    assert_eq!(arping(&two.b, "eth0", VIP)?, ["02:00:00:00:00:77"]);
    assert!(holds(&two.a, "vip0", VIP)?);
    Ok(())
}

#[test]
fn one_that_somebody_deletes_or_sets_down_is_put_right() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(ON_PATIENT)?;
    let before = (transitions(&a)?, transitions(&b)?);
    for trouble in ["link del vrrp.51", "link set vrrp.51 down", "link set vrrp.51 address 02:00:00:00:00:05"]
    {
        let (wire, log) = (two.wire.mark(), a.log().mark());
        if trouble.contains("address") {
            two.a.ip("link set vrrp.51 down")?;
        }
        two.a.ip(trouble)?;
        a.log().wait_from(log, "putting it right instance=VI_1 interface=vrrp.51", SECONDS_10)?;
        wait::until(&format!("all of it after: {trouble}"), SECONDS_10, || {
            // Between two looks it may be made anew.
            let mac_is_right = || two.a.mac("vrrp.51").is_ok_and(|mac| mac == MAC);
            Ok(is_up(&two.a, "vrrp.51")? && holds(&two.a, "vrrp.51", VIP)? && mac_is_right())
        })?;
        two.wire.wait_from(wire, "an announcement", SECONDS_10, |f| f.packet.announced() == Some(ip(VIP)))?;
        wait::until("an answer", SECONDS_10, || Ok(arping(&two.b, "eth0", VIP)? == [MAC]))?;
    }
    assert_eq!((transitions(&a)?, transitions(&b)?), before, "nobody moved");
    Ok(())
}

#[test]
fn it_survives_its_base_s_deletion_renaming_and_going_down() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(ON)?;
    let healed = |what: &str| -> Result {
        a.wait_state(NAME, "master", SECONDS_10)?;
        b.wait_state(NAME, "backup", SECONDS_10)?;
        wait::until(what, SECONDS_10, || {
            Ok(is_up(&two.a, "vrrp.51")? && holds(&two.a, "vrrp.51", VIP)? && !two.b.has_address(VIP)?)
        })
    };
    two.a.ip("link set eth0 down")?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    wait::until("its end as master", SECONDS_10, || Ok(!is_up(&two.a, "vrrp.51")?))?;
    two.a.ip("link set eth0 up")?;
    healed("all of it after down and up")?;
    two.a.ip("link del eth0")?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    two.lan.attach(&two.a, "eth0", &["192.168.152.11/24"])?;
    healed("all of it on the new base")?;
    assert_eq!(sysctl(&two.a, "ipv4/conf/eth0/arp_ignore")?, "1");
    // Renamed away, and another interface under the old name: the macvlan is on the wrong one.
    two.a.ip("link set eth0 down")?;
    two.a.ip("link set eth0 name old0")?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    two.lan.isolate(&two.a, "eth0")?;
    two.a.ip("link add eth0 type veth peer name other0")?;
    wait::until("it on the new interface", SECONDS_10, || {
        Ok(link(&two.a, "vrrp.51")?.contains("vrrp.51@eth0"))
    })
}

#[test]
fn a_killed_process_leaves_it_to_its_successor() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(ON_PATIENT)?;
    let monitor = Monitor::start(&two.a, &["link", "address"])?;
    let (seen, before) = (monitor.log().mark(), transitions(&b)?);
    let index = link(&two.a, "vrrp.51")?.split(':').next().map(str::to_owned);
    let old = a.child("vrrp")?;
    a.signal_child("vrrp", Signal::SIGKILL)?;
    wait::until("a successor", SECONDS_10, || Ok(a.child("vrrp").is_ok_and(|pid| pid != old)))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    for _ in 0..5 {
        let said = two.wire.mark();
        two.wire.wait_advert_from(said, SECONDS_10, |advert| advert.priority == 200)?;
    }
    assert_eq!(link(&two.a, "vrrp.51")?.split(':').next().map(str::to_owned), index, "the same interface");
    let lines = monitor.lines_from(seen);
    assert!(!lines.iter().any(|line| line.contains("Deleted")), "{lines:?}");
    assert_eq!(transitions(&b)?, before);
    // Its settings are known to the successor, too.
    assert_eq!(a.stop()?, 0);
    assert_eq!(sysctl(&two.a, "ipv4/conf/eth0/arp_ignore")?, "0");
    assert_eq!(link(&two.a, "vrrp.51")?, "");
    Ok(())
}

#[test]
fn when_everything_dies_it_stays_without_addresses_and_the_next_run_removes_it() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(ON)?;
    let foreign = "link add mine link eth0 address 00:00:5e:00:01:44 type macvlan mode bridge";
    two.a.ip(foreign)?;
    let folder = a.kill()?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    two.a.wait_no_address(VIP, SECONDS_10)?;
    assert!(is_up(&two.a, "vrrp.51")?, "nobody is left to set it down");
    assert_eq!(arping(&two.a, "eth0", "192.168.152.12")?, [two.b.mac("eth0")?]);
    // The peer's is the only one that answers.
    let client = two.lan.host("client", &["192.168.152.10/24"])?;
    assert_eq!(arping(&client, "eth0", VIP)?, [MAC]);
    std::fs::write(folder.path().join("holdfast.toml"), config(50, ""))?;
    let a = Holdfast::restart(&two.a, folder)?;
    a.log().wait("removing an interface that an earlier run left behind interface=vrrp.51", SECONDS_10)?;
    a.wait_state(NAME, "backup", SECONDS_10)?;
    assert_eq!(link(&two.a, "vrrp.51")?, "");
    assert!(link(&two.a, "mine")?.contains("macvlan"), "another's is left alone");
    assert_eq!(sysctl(&two.a, "ipv4/conf/eth0/arp_ignore")?, "0", "put back by the next run");
    Ok(())
}

#[test]
fn a_name_that_is_taken_is_a_fault_in_plain_words() -> Result {
    let two = Two::new()?;
    two.a.ip("link add vrrp.51 link eth0 address 00:00:5e:00:01:33 type macvlan mode bridge")?;
    let a = Holdfast::start(&two.a, &config(200, ON))?;
    a.wait_state(NAME, "fault", SECONDS_10)?;
    let faults = a.instance(NAME, "/faults")?.to_string();
    assert!(faults.contains("there is an interface vrrp.51 already that is not ours"), "{faults}");
    assert!(link(&two.a, "vrrp.51")?.contains("macvlan"), "it is left alone");
    two.a.ip("link del vrrp.51")?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    assert!(holds(&two.a, "vrrp.51", VIP)?);
    Ok(())
}

#[test]
fn r20_a_reload_leaves_an_unchanged_one_alone_and_moves_the_address_to_a_new_one() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(ON_PATIENT)?;
    let before = (transitions(&a)?, transitions(&b)?);
    let monitor = Monitor::start(&two.a, &["link"])?;
    let seen = monitor.log().mark();
    assert_eq!(a.reload(&config(210, ON))?.code, Some(0));
    two.wire.wait_advert(SECONDS_10, |advert| advert.priority == 210)?;
    wait::stays("no news of interfaces", QUIET, || Ok(monitor.lines_from(seen).is_empty()))?;
    assert_eq!(a.reload(&config(210, ""))?.code, Some(0));
    wait::until("the address on the base", SECONDS_10, || holds(&two.a, "eth0", VIP))?;
    assert_eq!(link(&two.a, "vrrp.51")?, "");
    assert_eq!(a.reload(&config(210, ON))?.code, Some(0));
    wait::until("the address on its own", SECONDS_10, || holds(&two.a, "vrrp.51", VIP))?;
    assert_eq!((transitions(&a)?, transitions(&b)?), before);
    Ok(())
}
