//! What can be said of an address beside the address, with `ip` as the witness.

use lab::{Holdfast, Monitor, Result, SECONDS_10, wait};

use super::{NAME, Two, VIP, config, with_addresses};

/// The entry of `ip -d addr` for an address: its line and the one with the lifetimes.
#[track_caller]
fn entry(two: &Two, interface: &str, address: &str) -> Result<String> {
    let text = two.a.ip(&format!("-d addr show dev {interface}"))?;
    let mut lines = text.lines();
    let first =
        lines.find(|line| line.contains(&format!("{address} ")) || line.contains(&format!("{address}/")));
    Ok(format!("{}{}", first.unwrap_or_default(), lines.next().unwrap_or_default()))
}

#[test]
fn every_option_of_an_ipv4_address_is_in_the_kernel() -> Result {
    let two = Two::new()?;
    let addresses = "{ address = \"192.168.7.1/24\", broadcast = \"auto\" }, \
         { address = \"192.168.8.1/24\", prefix_route = false }, \
         { address = \"192.168.9.1\", peer = \"192.168.9.2\" }, \
         { address = \"192.168.10.1/24\", preferred_lifetime = 0 }, \
         { address = \"192.168.11.1/24\", scope = \"link\", interface = \"eth0\", label = \"eth0:x\" }";
    let a = Holdfast::start(&two.a, &with_addresses(200, addresses, ""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let auto = entry(&two, "eth0", "192.168.7.1")?;
    assert!(auto.contains("brd 192.168.7.255"), "{auto}");
    assert!(entry(&two, "eth0", "192.168.8.1")?.contains("noprefixroute"));
    let peer = entry(&two, "eth0", "192.168.9.1")?;
    assert!(peer.contains("192.168.9.1 peer 192.168.9.2/32"), "{peer}");
    let deprecated = entry(&two, "eth0", "192.168.10.1")?;
    assert!(deprecated.contains("deprecated") && deprecated.contains("preferred_lft 0sec"), "{deprecated}");
    let scoped = entry(&two, "eth0", "192.168.11.1")?;
    assert!(scoped.contains("scope link ") && scoped.contains(" eth0:x "), "{scoped}");
    let routes = two.a.ip("route show")?;
    assert!(routes.contains("192.168.7.0/24") && !routes.contains("192.168.8.0/24"), "{routes}");
    assert_eq!(a.stop()?, 0);
    for address in ["192.168.7.1", "192.168.8.1", "192.168.9.1", "192.168.10.1", "192.168.11.1"] {
        assert!(!two.a.has_address(address)?, "{address} is left");
    }
    Ok(())
}

#[test]
fn every_option_of_an_ipv6_address_is_in_the_kernel() -> Result {
    let two = Two::new()?;
    let excluded = "excluded_addresses = [{ address = \"2001:db8:1::1/64\", preferred_lifetime = \"forever\" }, \
         { address = \"2001:db8:2::1/64\", home = true, prefix_route = false }, \
         { address = \"2001:db8:3::1/64\", manage_temporary = true }, \
         { address = \"2001:db8:4::1\", peer = \"2001:db8:4::2\" }, \
         { address = \"2001:db8:5::1/64\" }]\naddress_lease = \"60s\"";
    let a = Holdfast::start(&two.a, &config(200, excluded))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let preferred = entry(&two, "eth0", "2001:db8:1::1")?;
    assert!(!preferred.contains("deprecated"), "{preferred}");
    let home = entry(&two, "eth0", "2001:db8:2::1")?;
    assert!(home.contains("home") && home.contains("noprefixroute"), "{home}");
    assert!(entry(&two, "eth0", "2001:db8:3::1")?.contains("mngtmpaddr"));
    assert!(entry(&two, "eth0", "2001:db8:4::1")?.contains("peer 2001:db8:4::2"));
    let plain = entry(&two, "eth0", "2001:db8:5::1")?;
    assert!(plain.contains("deprecated") && plain.contains("nodad"), "{plain}");
    let routes = two.a.ip("-6 route show")?;
    assert!(routes.contains("2001:db8:1::/64") && !routes.contains("2001:db8:2::/64"), "{routes}");
    assert_eq!(a.stop()?, 0);
    assert!(!two.a.ip("-6 addr show")?.contains("2001:db8:4::"));
    Ok(())
}

#[test]
fn duplicates_are_looked_for_where_that_is_asked_for() -> Result {
    let two = Two::new()?;
    two.a.sysctl("net/ipv6/conf/all/accept_dad", "1")?;
    two.a.sysctl("net/ipv6/conf/eth0/accept_dad", "1")?;
    // Somebody else has the one and nobody has the other.
    two.b.ip("addr add 2001:db8::77/64 dev eth0 nodad")?;
    let excluded = "excluded_addresses = [{ address = \"2001:db8::77/64\", duplicate_detection = true }, \
         \"2001:db8::78/64\"]\naddress_lease = false";
    let a = Holdfast::start(&two.a, &config(200, excluded))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    wait::until("the duplicate to be found", SECONDS_10, || {
        Ok(entry(&two, "eth0", "2001:db8::77")?.contains("dadfailed"))
    })?;
    assert!(!entry(&two, "eth0", "2001:db8::78")?.contains("tentative"));
    Ok(())
}

#[test]
fn a_permanent_address_can_be_preferred_for_a_while() -> Result {
    let two = Two::new()?;
    let excluded = "excluded_addresses = [{ address = \"2001:db8:1::1/64\", preferred_lifetime = \"1h\" }]\n\
         address_lease = false";
    let a = Holdfast::start(&two.a, &config(200, excluded))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let text = entry(&two, "eth0", "2001:db8:1::1")?;
    assert!(text.contains("valid_lft forever preferred_lft 3") && text.contains("sec"), "{text}");
    Ok(())
}

#[test]
fn r10_a_changed_option_changes_that_address_only() -> Result {
    let two = Two::new()?;
    let text = |options: &str| {
        with_addresses(200, &format!("\"{VIP}\", {{ address = \"192.168.7.1/24\"{options} }}"), "")
    };
    let a = Holdfast::start(&two.a, &text(""))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let monitor = Monitor::start(&two.a, &["address"])?;
    let seen = monitor.log().mark();
    // The kernel keeps the label of an address that is replaced: it is made anew.
    let done = a.reload(&text(", label = \"eth0:7\", broadcast = \"192.168.7.255\""))?;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    wait::until("the label", SECONDS_10, || {
        let text = entry(&two, "eth0", "192.168.7.1")?;
        Ok(text.contains("eth0:7") && text.contains("brd 192.168.7.255"))
    })?;
    let lines = monitor.lines_from(seen);
    assert!(!lines.iter().any(|line| line.contains("Deleted") && line.contains(VIP)), "{lines:?}");
    Ok(())
}

#[test]
fn a_leftover_with_another_end_is_removed_by_the_next_run() -> Result {
    let two = Two::new()?;
    let text = "{ address = \"192.168.9.1\", peer = \"192.168.9.2\" }";
    let a = Holdfast::start(&two.a, &with_addresses(200, text, "address_lease = false"))?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    let folder = a.kill()?;
    std::fs::write(folder.path().join("holdfast.toml"), config(200, ""))?;
    let a = Holdfast::restart(&two.a, folder)?;
    two.a.wait_no_address("192.168.9.1", SECONDS_10)?;
    a.wait_state(NAME, "master", SECONDS_10)
}
