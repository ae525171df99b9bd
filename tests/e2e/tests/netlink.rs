//! The netlink layer against this machine's kernel, with `ip` as the witness.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use common::netlink::address::{self, Address, Lifetime, Scope};
use common::netlink::filter;
use common::netlink::link::{self, IfIndex, Ipv4Setting, Mac, Macvlan, MacvlanMode};
use common::netlink::monitor::{Event, Monitor};
use common::netlink::route::{self, NextHop, Route};
use common::netlink::rule::{self, Family, Rule};
use common::netlink::{Message, Protocol, Socket};
use lab::{Netns, Result, SECONDS_10, require_privileges, wait};
use nix::errno::Errno;

/// A host with a wire to nowhere, and a socket that stays in it.
fn host() -> Result<(Netns, Socket, IfIndex)> {
    require_privileges()?;
    let host = Netns::new("nl")?;
    host.ip("link add v0 type veth peer name v1")?;
    host.ip("link set v0 up")?;
    host.ip("link set v1 up")?;
    let mut socket = host.enter(|| Socket::open(Protocol::Route))?.unwrap();
    let index = link::by_name(&mut socket, "v0").unwrap().unwrap().index;
    Ok((host, socket, index))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_is_installed_with_all_it_has_and_removed() -> Result {
    let (host, mut socket, index) = host()?;
    let mut wanted = Address::new(index, ip("192.0.2.1"), 24);
    wanted.broadcast = Some("192.0.2.255".parse()?);
    wanted.label = Some("v0:vip".into());
    wanted.scope = Scope::LINK;
    wanted.lifetime = Lifetime::Seconds { valid: 300, preferred: 200 };
    address::install(&mut socket, &wanted).unwrap();
    let text = host.ip("-4 addr show dev v0")?;
    assert!(text.contains("inet 192.0.2.1/24 brd 192.0.2.255 scope link dynamic v0:vip"), "{text}");
    assert!(text.contains("valid_lft 300sec preferred_lft 200sec"), "{text}");
    let read = address::list(&mut socket).unwrap();
    let ours: Vec<_> = read.iter().filter(|address| address.is_ours()).collect();
    assert_eq!(ours.len(), 1);
    assert_eq!(*ours[0], Address { flags: ours[0].flags, ..wanted.clone() });
    // Again, for ever now: renewed, not refused.
    wanted.lifetime = Lifetime::Forever;
    address::install(&mut socket, &wanted).unwrap();
    assert_eq!(host.addresses(Some("v0"))?.iter().filter(|a| a.valid_seconds.is_none()).count(), 2);
    assert!(address::remove(&mut socket, &wanted).unwrap());
    assert!(!address::remove(&mut socket, &wanted).unwrap(), "removing it again is no fault");
    assert!(!host.has_address("192.0.2.1")?);
    Ok(())
}

#[test]
fn an_ipv6_address_is_usable_at_once_and_leaves_no_route() -> Result {
    let (host, mut socket, index) = host()?;
    host.sysctl("net/ipv6/conf/v0/accept_dad", "1")?;
    let mut wanted = Address::new(index, ip("2001:db8::1"), 64);
    wanted.flags = address::NODAD | address::NOPREFIXROUTE;
    wanted.lifetime = Lifetime::Seconds { valid: 300, preferred: 0 };
    address::install(&mut socket, &wanted).unwrap();
    let text = host.ip("-6 addr show dev v0")?;
    let line = text.lines().find(|line| line.contains("2001:db8::1/64")).unwrap();
    for flag in ["nodad", "noprefixroute", "deprecated", "dynamic"] {
        assert!(line.contains(flag), "{line}");
    }
    assert!(!line.contains("tentative"), "{line}");
    assert!(!host.ip("-6 route show")?.contains("2001:db8::/64"));
    address::install(&mut socket, &wanted).unwrap();
    assert!(address::remove(&mut socket, &wanted).unwrap());
    assert!(!host.has_address("2001:db8::1")?);
    Ok(())
}

#[test]
fn a_lease_that_is_not_renewed_ends() -> Result {
    let (host, mut socket, index) = host()?;
    let mut four = Address::new(index, ip("192.0.2.1"), 32);
    four.lifetime = Lifetime::Seconds { valid: 1, preferred: 1 };
    let mut six = Address::new(index, ip("2001:db8::1"), 128);
    six.lifetime = Lifetime::Seconds { valid: 1, preferred: 0 };
    six.flags = address::NODAD;
    let refused = socket.batch(&[four.install_message(), six.install_message()]).unwrap();
    assert_eq!(refused, []);
    assert!(host.has_address("192.0.2.1")?);
    host.wait_no_address("192.0.2.1", SECONDS_10)?;
    host.wait_no_address("2001:db8::1", SECONDS_10)?;
    Ok(())
}

#[test]
fn a_refusal_says_what_was_asked_and_why() -> Result {
    let (_host, mut socket, index) = host()?;
    let mut wanted = Address::new(index, ip("192.0.2.1"), 24);
    wanted.lifetime = Lifetime::Seconds { valid: 0, preferred: 0 };
    let error = address::install(&mut socket, &wanted).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL));
    assert!(
        error.to_string().starts_with(&format!("install address 192.0.2.1/24 on interface number {index}: "))
    );
    wanted.interface = IfIndex(9999);
    wanted.lifetime = Lifetime::Forever;
    let error = address::install(&mut socket, &wanted).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENODEV), "{error}");
    Ok(())
}

#[test]
fn many_addresses_are_installed_in_a_batch_and_the_bad_ones_are_named() -> Result {
    let (host, mut socket, index) = host()?;
    let mut messages: Vec<Message> = (0..500_u32)
        .map(|n| Address::new(index, IpAddr::from((0x0a00_0000 + n).to_be_bytes()), 32).install_message())
        .collect();
    messages[3] = Address::new(IfIndex(9999), ip("10.0.0.3"), 32).install_message();
    messages[499] = Address::new(IfIndex(9999), ip("10.0.1.243"), 32).install_message();
    let refused = socket.batch(&messages).unwrap();
    let errors: Vec<_> = refused.iter().map(|(position, why)| (*position, why.errno())).collect();
    assert_eq!(errors, [(3, Some(Errno::ENODEV)), (499, Some(Errno::ENODEV))]);
    let there = host.addresses(Some("v0"))?.iter().filter(|address| address.prefix == 32).count();
    assert_eq!(there, 498);
    assert_eq!(address::list(&mut socket).unwrap().iter().filter(|a| a.is_ours()).count(), 498);
    Ok(())
}

#[test]
fn a_macvlan_is_created_configured_and_deleted() -> Result {
    let (host, mut socket, parent) = host()?;
    let mac = Mac([0, 0, 0x5e, 0, 1, 51]);
    let wanted = Macvlan { name: "vrrp4.51", parent, mac, mode: MacvlanMode::Private };
    link::create_macvlan(&mut socket, &wanted).unwrap();
    let made = link::by_name(&mut socket, "vrrp4.51").unwrap().unwrap();
    assert_eq!((made.mac, made.parent, made.kind.as_deref()), (Some(mac), Some(parent), Some("macvlan")));
    assert!(!made.up);
    let settings = [(Ipv4Setting::ArpIgnore, 1), (Ipv4Setting::RpFilter, 0), (Ipv4Setting::AcceptLocal, 1)];
    link::configure(&mut socket, made.index, &settings, true).unwrap();
    link::set_up(&mut socket, made.index, true).unwrap();
    assert_eq!(host.mac("vrrp4.51")?, "00:00:5e:00:01:33");
    for (path, value) in [("arp_ignore", "1"), ("rp_filter", "0"), ("accept_local", "1")] {
        let text = host.run(&["cat", &format!("/proc/sys/net/ipv4/conf/vrrp4.51/{path}")])?;
        assert_eq!(text.trim(), value, "{path}");
    }
    wait::until("the macvlan to come up", SECONDS_10, || {
        Ok(link::by_index(&mut socket, made.index).unwrap().unwrap().usable())
    })?;
    assert!(host.addresses(Some("vrrp4.51"))?.is_empty(), "no link-local address of its own");
    link::set_up(&mut socket, made.index, false).unwrap();
    assert!(!link::by_index(&mut socket, made.index).unwrap().unwrap().up);
    assert!(link::delete(&mut socket, made.index).unwrap());
    assert!(!link::delete(&mut socket, made.index).unwrap());
    assert_eq!(link::by_name(&mut socket, "vrrp4.51").unwrap(), None);
    Ok(())
}

#[test]
fn links_are_listed_by_name() -> Result {
    let (_host, mut socket, _) = host()?;
    let names: BTreeSet<_> = link::list(&mut socket).unwrap().into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["lo", "v0", "v1"].map(str::to_owned).into());
    assert_eq!(link::by_name(&mut socket, "nothing").unwrap(), None);
    assert_eq!(link::by_index(&mut socket, IfIndex(9999)).unwrap(), None);
    Ok(())
}

#[test]
fn routes_are_installed_read_and_removed() -> Result {
    let (host, mut socket, index) = host()?;
    host.ip("addr add 192.0.2.9/24 dev v0")?;
    host.ip("addr add 2001:db8::9/64 dev v0")?;
    for (destination, prefix, gateways) in [
        ("198.51.100.0", 24, vec!["192.0.2.1"]),
        ("203.0.113.0", 24, vec!["192.0.2.1", "192.0.2.2"]),
        ("2001:db8:1::", 48, vec!["2001:db8::1"]),
        ("2001:db8:2::", 48, vec!["2001:db8::1", "2001:db8::2"]),
    ] {
        let mut wanted = Route::new(ip(destination), prefix);
        wanted.table = 1000;
        wanted.metric = Some(77);
        let hop = |gateway: &&str| NextHop {
            gateway: Some(ip(gateway)),
            interface: Some(index),
            weight: 2,
            onlink: false,
        };
        wanted.next_hops = gateways.iter().map(hop).collect();
        if let [only] = wanted.next_hops.as_mut_slice() {
            only.weight = 1;
        }
        route::install(&mut socket, &wanted).unwrap();
        route::install(&mut socket, &wanted).unwrap();
        let family = if wanted.destination.0.is_ipv6() { "-6" } else { "-4" };
        let text = host.ip(&format!("{family} route show table 1000"))?;
        assert!(text.contains(&format!("{destination}/{prefix} ")), "{text}");
        assert!(text.contains("proto 72"), "{text}");
        assert_eq!(text.matches(" via ").count(), gateways.len(), "{text}");
        let read = route::list(&mut socket).unwrap();
        let ours: Vec<_> = read.iter().filter(|route| route.is_ours()).collect();
        assert_eq!(ours, [&wanted]);
        assert!(route::remove(&mut socket, &wanted).unwrap());
        assert!(!route::remove(&mut socket, &wanted).unwrap());
    }
    Ok(())
}

#[test]
fn rules_are_installed_read_and_removed() -> Result {
    let (host, mut socket, _) = host()?;
    for (family, from) in [(Family::V4, "192.0.2.0"), (Family::V6, "2001:db8::")] {
        let mut wanted = Rule::new(family, 1000);
        wanted.priority = Some(100);
        wanted.from = Some((ip(from), 24));
        wanted.input = Some("v0".into());
        wanted.mark = Some((7, 0xff));
        assert!(rule::install(&mut socket, &wanted).unwrap());
        assert!(!rule::install(&mut socket, &wanted).unwrap());
        let option = if family == Family::V4 { "-4" } else { "-6" };
        let text = host.ip(&format!("{option} rule show"))?;
        let line = text.lines().find(|line| line.starts_with("100:")).unwrap_or_default();
        assert!(line.contains("iif v0 lookup 1000 proto 72"), "{text}");
        let ours: Vec<_> = rule::list(&mut socket).unwrap().into_iter().filter(Rule::is_ours).collect();
        assert_eq!(ours, [wanted.clone()]);
        assert!(rule::remove(&mut socket, &wanted).unwrap());
        assert!(!rule::remove(&mut socket, &wanted).unwrap());
    }
    Ok(())
}

/// Reads until `fits` has seen what it waits for.
fn wait_event(monitor: &mut Monitor, what: &str, fits: impl Fn(&Event) -> bool) -> Result {
    wait::until(what, SECONDS_10, || {
        let mut seen = false;
        while monitor.read(|event| seen |= fits(&event)).unwrap() {}
        Ok(seen)
    })
}

#[test]
fn the_monitor_reports_what_others_do() -> Result {
    let (host, _, index) = host()?;
    let mut monitor = host.enter(Monitor::open)?.unwrap();
    host.ip("addr add 192.0.2.7/32 dev v0")?;
    wait_event(
        &mut monitor,
        "an address",
        |event| matches!(event, Event::AddressSet(a) if a.address == ip("192.0.2.7") && a.interface == index && !a.is_ours()),
    )?;
    host.ip("addr del 192.0.2.7/32 dev v0")?;
    wait_event(
        &mut monitor,
        "its removal",
        |event| matches!(event, Event::AddressGone(a) if a.address == ip("192.0.2.7")),
    )?;
    host.ip("link set v1 down")?;
    wait_event(
        &mut monitor,
        "the loss of carrier",
        |event| matches!(event, Event::LinkSet(l) if l.index == index && l.up && !l.running),
    )?;
    host.ip("link del v0")?;
    wait_event(&mut monitor, "the end of v0", |event| matches!(event, Event::LinkGone(l) if l.index == index))
}

#[test]
fn a_monitor_that_was_overrun_asks_for_a_resync_and_goes_on() -> Result {
    let (host, mut socket, index) = host()?;
    let mut monitor = host.enter(Monitor::open)?.unwrap();
    // Each datagram costs the receiver about a kilobyte of its buffer.
    let install: Vec<Message> = (0..8000_u32)
        .map(|n| Address::new(index, IpAddr::from((0x0a00_0000 + n).to_be_bytes()), 32).install_message())
        .collect();
    for _ in 0..3 {
        assert_eq!(socket.batch(&install).unwrap(), []);
    }
    wait_event(&mut monitor, "the resync", |event| *event == Event::Resync)?;
    host.ip("addr add 192.0.2.7/32 dev v0")?;
    wait_event(
        &mut monitor,
        "an address after it",
        |event| matches!(event, Event::AddressSet(a) if a.address == ip("192.0.2.7")),
    )
}

#[test]
fn an_idle_monitor_blocks_nobody() -> Result {
    let (host, ..) = host()?;
    let mut monitor = host.enter(Monitor::open)?.unwrap();
    wait::stays("quiet", Duration::from_millis(50), || Ok(!monitor.read(|_| ()).unwrap()))
}

#[test]
fn a_macvlan_is_never_there_without_its_mark_and_settings() -> Result {
    let (host, mut socket, index) = host()?;
    let macvlan =
        Macvlan { name: "vip0", parent: index, mac: Mac([2, 0, 0, 0, 0, 9]), mode: MacvlanMode::Bridge };
    let settings = [(Ipv4Setting::ArpAnnounce, 2), (Ipv4Setting::PromoteSecondaries, 1)];
    link::make_macvlan(&mut socket, &macvlan, "mine", &settings).unwrap();
    let made = link::by_name(&mut socket, "vip0").unwrap().unwrap();
    assert_eq!(
        (made.alias.as_deref(), made.kind.as_deref(), made.up),
        (Some("mine"), Some("macvlan"), false)
    );
    assert_eq!((made.parent, made.mac), (Some(index), Some(macvlan.mac)));
    for (setting, value) in settings {
        assert_eq!(link::ipv4_setting(&mut socket, made.index, setting).unwrap(), Some(value));
        assert_eq!(link::ipv4_setting(&mut socket, index, setting).unwrap(), Some(0));
    }
    assert_eq!(host.run(&["cat", "/proc/sys/net/ipv4/conf/vip0/arp_announce"])?.trim(), "2");
    // A name that is taken: the other one is left as it is.
    let error = link::make_macvlan(&mut socket, &macvlan, "other", &[]).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EEXIST));
    let still = link::by_name(&mut socket, "vip0").unwrap().unwrap();
    assert_eq!(still, made);
    assert!(!host.ip("link show")?.contains(link::TEMPORARY));
    assert!(link::delete(&mut socket, made.index).unwrap());
    assert_eq!(link::ipv4_setting(&mut socket, made.index, Ipv4Setting::ArpIgnore).unwrap(), None);
    Ok(())
}

#[test]
fn a_packet_filter_table_is_replaced_changed_and_removed_with_others_left_alone() -> Result {
    let (host, _, _) = host()?;
    let mut socket = host.enter(|| Socket::open(Protocol::Netfilter))?.unwrap();
    let mut monitor = host.enter(filter::Monitor::open)?.unwrap();
    let other = "table ip ours {\n\tchain input {\n\t}\n}\n";
    host.run(&["nft", other])?;
    let rules = || host.run(&["nft", "list", "ruleset"]);
    assert!(!filter::exists(&mut socket, "ours").unwrap(), "the same name in another family");
    assert!(!filter::remove(&mut socket, "ours").unwrap());
    filter::replace(&mut socket, "ours", &BTreeSet::from([ip("192.0.2.1"), ip("2001:db8::1")])).unwrap();
    assert!(filter::exists(&mut socket, "ours").unwrap());
    let text = rules()?;
    for part in [
        "table inet ours {",
        "elements = { 192.0.2.1 }",
        "elements = { 2001:db8::1 }",
        "type filter hook input priority 150; policy accept;",
        "ip daddr @refused4 counter packets 0 bytes 0 drop",
        "ip6 daddr @refused6 icmpv6 type 133-136 accept",
        "ip6 daddr @refused6 counter packets 0 bytes 0 drop",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    filter::add(&mut socket, "ours", &[ip("192.0.2.2"), ip("2001:db8::2")]).unwrap();
    filter::take(&mut socket, "ours", &[ip("192.0.2.1")]).unwrap();
    let text = rules()?;
    assert!(text.contains("{ 192.0.2.2 }") && text.contains("{ 2001:db8::1,"), "{text}");
    // All or nothing: one that is not there, and nothing was taken.
    let error = filter::take(&mut socket, "ours", &[ip("192.0.2.2"), ip("192.0.2.9")]).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT));
    assert_eq!(rules()?, text);
    let many: BTreeSet<IpAddr> =
        (0..2500_u32).map(|n| std::net::Ipv4Addr::from(n + (10 << 24)).into()).collect();
    filter::replace(&mut socket, "ours", &many).unwrap();
    let text = rules()?;
    assert!(text.contains("10.0.9.195") && !text.contains("192.0.2.2"), "{text}");
    while monitor.read("ours").unwrap() != filter::Seen::Nothing {}
    host.run(&["nft", "flush ruleset"])?;
    let mut seen = Vec::new();
    wait::until("the report of its end", SECONDS_10, || {
        seen.push(monitor.read("ours").unwrap());
        Ok(seen.contains(&filter::Seen::Doubt))
    })?;
    host.run(&["nft", other])?;
    filter::replace(&mut socket, "ours", &BTreeSet::new()).unwrap();
    assert!(filter::remove(&mut socket, "ours").unwrap());
    assert_eq!(rules()?, other);
    Ok(())
}
