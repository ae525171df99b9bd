//! Routes, rules and static addresses: there when they should be, put back, and nobody else's touched.

use lab::{Holdfast, Monitor, Netns, Result, SECONDS_10, wait};
use nix::sys::signal::Signal;

use super::{NAME, QUIET, Two, VIP, config, with_addresses};

/// Of the host, by our mark: what `ip route` and `ip rule` show of both families, tables and all.
#[track_caller]
fn ours(host: &Netns) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for command in ["-4 route show table all proto 72", "-6 route show table all proto 72"] {
        lines.extend(host.ip(command)?.lines().map(|line| squeezed(line).replace(" proto 72", "")));
    }
    for command in ["-4 -d rule show", "-6 -d rule show"] {
        let text = host.ip(command)?;
        lines.extend(text.lines().filter(|line| line.contains("proto 72")).map(squeezed));
    }
    Ok(lines)
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn has(host: &Netns, wanted: &str) -> Result<bool> {
    Ok(ours(host)?.iter().any(|line| line.contains(wanted)))
}

#[track_caller]
fn wait_has(host: &Netns, wanted: &str) -> Result {
    wait::until(&format!("{wanted:?}"), SECONDS_10, || has(host, wanted))
        .map_err(|error| lab::Error::new(format!("{error}; there is {:#?}", ours(host))))
}

#[track_caller]
fn wait_none(host: &Netns) -> Result {
    wait::until("nothing of ours", SECONDS_10, || Ok(ours(host)?.is_empty()))
        .map_err(|error| lab::Error::new(format!("{error}; there is {:#?}", ours(host))))
}

#[track_caller]
fn start(host: &Netns, config: &str) -> Result<Holdfast> {
    let holdfast = Holdfast::start(host, config)?;
    holdfast.wait_state(NAME, "master", SECONDS_10)?;
    Ok(holdfast)
}

#[track_caller]
fn reload(holdfast: &Holdfast, config: &str) -> Result<String> {
    let done = holdfast.reload(config)?;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    Ok(done.stdout)
}

/// An instance with two routes and two rules, of either family.
fn both() -> String {
    format!(
        "excluded_addresses = [\"2001:db8::200/64\"]\n\
         virtual_routes = [\n\
         {{ to = \"10.1.0.0/16\", via = \"192.168.152.12\", source = \"{VIP}\", table = 100 }},\n\
         {{ to = \"2001:db8:1::/48\", via = \"2001:db8::12\", source = \"2001:db8::200\" }},\n]\n\
         virtual_rules = [\n{{ priority = 1000, from = \"{VIP}\", table = 100 }},\n\
         {{ priority = 1001, from = \"2001:db8::200\", table = 100 }},\n]"
    )
}

#[test]
fn routes_and_rules_follow_the_state() -> Result {
    let two = Two::new()?;
    let (a, b) = two.start(&both())?;
    wait_has(&two.a, "10.1.0.0/16 via 192.168.152.12 dev eth0 table 100 src 192.168.152.200")?;
    wait_has(&two.a, "2001:db8:1::/48 via 2001:db8::12 dev eth0 src 2001:db8::200 metric 1024")?;
    wait_has(&two.a, "1000: from 192.168.152.200 lookup 100")?;
    wait_has(&two.a, "1001: from 2001:db8::200 lookup 100")?;
    assert_eq!(ours(&two.b)?, Vec::<String>::new(), "a backup has none");
    let words = a.log().tail(200);
    assert!(!words.contains("not installed") && !words.contains("put back"), "{words}");
    let objects = a.status()?.pointer("/vrrp/objects").cloned().unwrap_or_default();
    let installed: Vec<_> =
        objects.as_array().into_iter().flatten().map(|o| o["installed"].clone()).collect();
    assert_eq!(installed, vec![serde_json::Value::Bool(true); 4], "{objects}");
    assert_eq!(a.stop()?, 0);
    wait_none(&two.a)?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    wait_has(&two.b, "10.1.0.0/16 via 192.168.152.12")
        .err()
        .map_or(Ok(()), |_| wait_has(&two.b, "1001: from 2001:db8::200 lookup 100"))
}

#[test]
fn every_key_of_a_route_is_in_the_kernel() -> Result {
    let two = Two::new()?;
    two.lan.attach(&two.a, "eth1", &["10.0.0.11/24"])?;
    let routes = "virtual_routes = [\n\
         { to = \"10.1.0.0/16\" },\n\
         { to = \"10.2.0.0/16\", interface = \"eth1\", scope = \"host\", metric = 50 },\n\
         { to = \"10.3.0.0/16\", via = \"172.16.0.1\", interface = \"eth1\", onlink = true },\n\
         { to = \"10.4.0.0/16\", next_hops = [{ via = \"10.0.0.1\" }, \
           { via = \"192.168.152.1\", weight = 3 }, { interface = \"eth1\", weight = 256 }, \
           { via = \"172.16.0.1\", interface = \"eth1\", onlink = true }] },\n\
         { to = \"10.5.0.0/16\", via = \"10.0.0.1\", mtu = 1400, mtu_lock = true, advmss = 1300, initcwnd = 20, \
           initrwnd = 30 },\n\
         { to = \"10.6.0.0/16\", type = \"blackhole\" },\n\
         { to = \"10.7.0.0/16\", type = \"unreachable\", table = 4000000000 },\n\
         { to = \"10.8.0.0/16\", type = \"prohibit\" },\n\
         { to = \"10.9.0.0/16\", type = \"throw\", table = 100 },\n\
         { to = \"10.10.0.0/16\", type = \"local\", interface = \"lo\", table = \"local\" },\n\
         { to = \"default\", via = \"10.0.0.1\", table = \"default\", source = \"10.0.0.11\" },\n\
         { to = \"2001:db8:1::/48\" },\n\
         { to = \"2001:db8:2::/48\", via = \"fe80::12\" },\n\
         { to = \"2001:db8:3::/48\", next_hops = [{ via = \"2001:db8::12\", weight = 2 }, \
           { via = \"2001:db8::13\" }], metric = 7 },\n\
         { to = \"2001:db8:4::/48\", type = \"unreachable\", table = 100 },\n\
         { to = \"2001:db8:5::/48\", type = \"blackhole\" },\n\
         { to = \"2001:db8:6::/48\", via = \"2001:db8::12\", mtu = 1400 },\n\
         { to = \"::/0\", via = \"2001:db8::12\", table = 100 },\n]";
    let a = start(&two.a, &config(200, routes))?;
    let expected = [
        "10.1.0.0/16 dev eth0 scope link",
        "10.2.0.0/16 dev eth1 scope host metric 50",
        "10.3.0.0/16 via 172.16.0.1 dev eth1 onlink",
        "10.5.0.0/16 via 10.0.0.1 dev eth1 mtu lock 1400 advmss 1300 initcwnd 20 initrwnd 30",
        "blackhole 10.6.0.0/16",
        "unreachable 10.7.0.0/16 table 4000000000",
        "prohibit 10.8.0.0/16",
        "throw 10.9.0.0/16 table 100",
        "local 10.10.0.0/16 dev lo table local scope host",
        "default via 10.0.0.1 dev eth1 table default src 10.0.0.11",
        "2001:db8:1::/48 dev eth0 metric 1024",
        "2001:db8:2::/48 via fe80::12 dev eth0 metric 1024",
        "unreachable 2001:db8:4::/48 dev lo table 100 metric 1024",
        "blackhole 2001:db8:5::/48 dev lo metric 1024",
        "2001:db8:6::/48 via 2001:db8::12 dev eth0 metric 1024 mtu 1400",
        "default via 2001:db8::12 dev eth0 table 100 metric 1024",
        "nexthop via 10.0.0.1 dev eth1 weight 1",
        "nexthop via 192.168.152.1 dev eth0 weight 3",
        "nexthop dev eth1 weight 256",
        "nexthop via 172.16.0.1 dev eth1 weight 1 onlink",
        "2001:db8:3::/48 metric 7",
        "nexthop via 2001:db8::12 dev eth0 weight 2",
        "nexthop via 2001:db8::13 dev eth0 weight 1",
    ];
    for line in expected {
        wait_has(&two.a, line)?;
    }
    // What the kernel made of it is known again: a successor asks for nothing.
    let monitor = Monitor::start(&two.a, &["route"])?;
    let (seen, log) = (monitor.log().mark(), a.log().mark());
    a.signal_child("vrrp", Signal::SIGKILL)?;
    a.log().wait_from(log, "reason=\"restored", SECONDS_10)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    wait::stays("the routes as they were", QUIET, || {
        Ok(monitor.lines_from(seen).iter().all(|line| !line.contains("proto 72")))
    })?;
    assert_eq!(a.stop()?, 0);
    wait_none(&two.a)
}

#[test]
fn every_key_of_a_rule_is_in_the_kernel() -> Result {
    let two = Two::new()?;
    let rules = "virtual_rules = [\n\
         { priority = 100, from = \"10.0.0.0/8\", to = \"10.9.0.0/16\", table = 100 },\n\
         { priority = 101, fwmark = 16, table = 100 },\n\
         { priority = 102, fwmark = \"0x20/0xf0\", table = \"main\", suppress_prefix_length = 0 },\n\
         { priority = 103, input_interface = \"eth0\", output_interface = \"eth9\", table = 4000000000 },\n\
         { priority = 104, to = \"10.1.0.0/16\", action = \"blackhole\" },\n\
         { priority = 105, to = \"10.2.0.0/16\", action = \"unreachable\" },\n\
         { priority = 106, from = \"2001:db8:9::/48\", action = \"prohibit\" },\n\
         { priority = 107, family = \"ipv6\", fwmark = 5, table = 100, action = \"lookup\" },\n\
         { priority = 108, from = \"0.0.0.0/0\", table = 100 },\n]";
    let a = start(&two.a, &config(200, rules))?;
    let expected = [
        "100: from 10.0.0.0/8 to 10.9.0.0/16 lookup 100",
        "101: from all fwmark 0x10 lookup 100",
        "102: from all fwmark 0x20/0xf0 lookup main suppress_prefixlength 0",
        "103: from all iif eth0 oif eth9 [detached] lookup 4000000000",
        "104: from all to 10.1.0.0/16 blackhole",
        "105: from all to 10.2.0.0/16 unreachable",
        "106: from 2001:db8:9::/48 prohibit",
        "107: from all fwmark 0x5 lookup 100",
        "108: from all lookup 100",
    ];
    for line in expected {
        wait_has(&two.a, line)?;
    }
    assert_eq!(ours(&two.a)?.len(), expected.len());
    assert_eq!(a.stop()?, 0);
    wait_none(&two.a)
}

#[test]
fn what_somebody_removes_is_put_back_and_logged() -> Result {
    let two = Two::new()?;
    let extra = "excluded_addresses = [\"2001:db8::200/64\"]\n\
         virtual_routes = [\n{ to = \"10.1.0.0/16\", via = \"192.168.152.12\" },\n\
         { to = \"2001:db8:1::/48\", via = \"2001:db8::12\", source = \"2001:db8::200\" },\n\
         { to = \"2001:db8:2::/48\", next_hops = [{ via = \"2001:db8::12\" }, { via = \"2001:db8::13\" }] },\n]\n\
         virtual_rules = [{ priority = 1000, from = \"10.1.0.0/16\", table = 100 }]";
    let a = start(&two.a, &config(200, extra))?;
    let cases = [
        ("route del 10.1.0.0/16", "10.1.0.0/16 via"),
        ("-6 route del 2001:db8:1::/48", "2001:db8:1::/48 via 2001:db8::12 dev eth0 src 2001:db8::200"),
        ("-6 route del 2001:db8:2::/48", "nexthop via 2001:db8::13"),
        ("-6 route del 2001:db8:2::/48 via 2001:db8::13", "nexthop via 2001:db8::13"),
        ("rule del priority 1000", "1000: from 10.1.0.0/16"),
    ];
    for (command, line) in cases {
        wait_has(&two.a, line)?;
        let log = a.log().mark();
        two.a.ip(command)?;
        a.log().wait_from(log, "was removed or lost: put back instance=VI_1", SECONDS_10)?;
        wait_has(&two.a, line)?;
    }
    // A route goes silently with the address it names, and an IPv6 route only loses its source.
    two.a.ip("addr del 2001:db8::200/64 dev eth0")?;
    two.a.wait_address("2001:db8::200", SECONDS_10)?;
    wait_has(&two.a, "2001:db8:1::/48 via 2001:db8::12 dev eth0 src 2001:db8::200")
}

#[test]
fn a_route_that_names_the_virtual_address_comes_back_with_it() -> Result {
    let two = Two::new()?;
    let route =
        format!("virtual_routes = [{{ to = \"10.1.0.0/16\", interface = \"eth0\", source = \"{VIP}\" }}]");
    let a = start(&two.a, &config(200, &route))?;
    let line = "10.1.0.0/16 dev eth0 scope link src 192.168.152.200";
    wait_has(&two.a, line)?;
    let log = a.log().mark();
    two.a.ip(&format!("addr del {VIP}/32 dev eth0"))?;
    a.log().wait_from(log, "route was removed or lost: put back", SECONDS_10)?;
    wait_has(&two.a, line)
}

#[test]
fn somebody_else_s_route_and_rule_are_left_alone() -> Result {
    let two = Two::new()?;
    two.a.ip("route add 10.1.0.0/16 via 192.168.152.99")?;
    two.a.ip("rule add priority 1000 from 10.9.0.0/16 lookup 100")?;
    two.a.ip("route add 10.2.0.0/16 via 192.168.152.99 metric 5")?;
    let extra = "virtual_routes = [{ to = \"10.1.0.0/16\", via = \"192.168.152.12\" }, \
         { to = \"10.2.0.0/16\", via = \"192.168.152.12\", metric = 6 }]\n\
         virtual_rules = [{ priority = 1000, from = \"10.8.0.0/16\", table = 100 }]";
    let a = start(&two.a, &config(200, extra))?;
    a.log().wait("somebody else in its place, which is left alone instance=VI_1", SECONDS_10)?;
    wait_has(&two.a, "10.2.0.0/16 via 192.168.152.12 dev eth0 metric 6")?;
    let objects = a.status()?.pointer("/vrrp/objects").cloned().unwrap_or_default();
    let failed = objects.as_array().into_iter().flatten().filter(|o| o["installed"] == false).count();
    assert_eq!(failed, 1, "{objects}");
    assert!(two.a.ip("route show 10.1.0.0/16")?.contains("via 192.168.152.99"));
    // When it goes, ours comes.
    two.a.ip("route del 10.1.0.0/16")?;
    wait_has(&two.a, "10.1.0.0/16 via 192.168.152.12")?;
    // Somebody puts theirs in the place of ours.
    let log = a.log().mark();
    two.a.ip("route replace 10.1.0.0/16 via 192.168.152.98")?;
    a.log().wait_from(log, "somebody else in its place", SECONDS_10)?;
    assert_eq!(a.stop()?, 0);
    wait_none(&two.a)?;
    let routes = two.a.ip("route show")?;
    assert!(
        routes.contains("10.1.0.0/16 via 192.168.152.98")
            && routes.contains("10.2.0.0/16 via 192.168.152.99")
    );
    assert!(two.a.ip("rule show")?.contains("1000:\tfrom 10.9.0.0/16 lookup 100"));
    Ok(())
}

#[test]
fn a_flapping_and_a_re_created_interface_gets_its_routes_back() -> Result {
    let two = Two::new()?;
    two.lan.attach(&two.a, "eth1", &["10.0.0.11/24", "2001:db8:7::11/64"])?;
    let extra = "virtual_routes = [{ to = \"10.1.0.0/16\", via = \"10.0.0.1\" }, \
         { to = \"10.2.0.0/16\", next_hops = [{ via = \"10.0.0.1\", interface = \"eth1\" }, { interface = \"eth0\" }] }, \
         { to = \"2001:db8:1::/48\", interface = \"eth1\" }]";
    let a = start(&two.a, &config(200, extra))?;
    let lines = [
        "10.1.0.0/16 via 10.0.0.1 dev eth1",
        "nexthop via 10.0.0.1 dev eth1 weight 1",
        "2001:db8:1::/48 dev eth1",
    ];
    for line in lines {
        wait_has(&two.a, line)?;
    }
    two.a.ip("link set eth1 down")?;
    wait::until("the kernel to drop a route", SECONDS_10, || Ok(!has(&two.a, "10.1.0.0/16")?))?;
    two.a.ip("link set eth1 up")?;
    for line in lines {
        wait_has(&two.a, line)?;
    }
    two.a.ip("link del eth1")?;
    a.log().wait("route not installed, trying again", SECONDS_10)?;
    two.lan.attach(&two.a, "eth1", &["10.0.0.11/24", "2001:db8:7::11/64"])?;
    for line in lines {
        wait_has(&two.a, line)?;
    }
    a.wait_state(NAME, "master", SECONDS_10)
}

const STATICS: &str = "[vrrp.static]\n\
     addresses = [{ address = \"10.0.0.77\", interface = \"eth1\", label = \"eth1:s\" }, \
     { address = \"2001:db8:7::77/64\", interface = \"eth1\" }]\n\
     routes = [{ to = \"10.1.0.0/16\", via = \"10.0.0.1\", source = \"10.0.0.77\" }]\n\
     rules = [{ priority = 1000, from = \"10.1.0.0/16\", table = 100 }]\n";

#[test]
fn static_objects_are_there_whatever_the_state() -> Result {
    let two = Two::new()?;
    two.lan.attach(&two.a, "eth1", &["10.0.0.11/24"])?;
    let peer = Holdfast::start(&two.b, &config(200, ""))?;
    peer.wait_state(NAME, "master", SECONDS_10)?;
    let text = format!("{STATICS}{}", config(100, ""));
    let a = Holdfast::start(&two.a, &text)?;
    a.wait_state(NAME, "backup", SECONDS_10)?;
    let line = "10.1.0.0/16 via 10.0.0.1 dev eth1 src 10.0.0.77";
    wait_has(&two.a, line)?;
    wait_has(&two.a, "1000: from 10.1.0.0/16 lookup 100")?;
    let addresses = two.a.ip("addr show dev eth1")?;
    let expected = "inet 10.0.0.77/32 scope global eth1:s\n       valid_lft forever preferred_lft forever";
    assert!(addresses.contains(expected), "{addresses}");
    let v6 = two.a.ip("-6 addr show dev eth1")?;
    let v6 = v6.lines().find(|line| line.contains("2001:db8:7::77")).unwrap_or_default();
    assert!(!v6.is_empty() && !v6.contains("deprecated"), "it stays, so it may be used: {v6}");
    // Lost to somebody.
    let log = a.log().mark();
    two.a.ip("addr del 10.0.0.77/32 dev eth1")?;
    a.log().wait_from(log, "address was removed or lost: put back object=", SECONDS_10)?;
    two.a.wait_address("10.0.0.77", SECONDS_10)?;
    wait_has(&two.a, line)?;
    // Lost with the interface, which comes later.
    two.a.ip("link del eth1")?;
    wait::until("the loss", SECONDS_10, || Ok(!two.a.has_address("10.0.0.77")?))?;
    two.lan.attach(&two.a, "eth1", &["10.0.0.11/24"])?;
    two.a.wait_address("10.0.0.77", SECONDS_10)?;
    two.a.wait_address("2001:db8:7::77", SECONDS_10)?;
    wait_has(&two.a, line)?;
    // A reload that does not concern them does not touch them, nor does one that kills the process.
    let monitor = Monitor::start(&two.a, &["address", "route", "rule"])?;
    let seen = monitor.log().mark();
    reload(&a, &text.replace("priority = 100\n", "priority = 90\n"))?;
    let log = a.log().mark();
    a.signal_child("vrrp", Signal::SIGKILL)?;
    a.log().wait_from(log, "child restarted child=vrrp", SECONDS_10)?;
    a.wait_state(NAME, "backup", SECONDS_10)?;
    wait::stays("static objects as they were", QUIET, || {
        let lines = monitor.lines_from(seen);
        Ok(!lines
            .iter()
            .any(|line| line.contains("10.0.0.77") || line.contains("db8:7::77") || line.contains("1000:")))
    })?;
    // Their end is that of the configuration, or of the daemon.
    let done = reload(&a, &format!("[vrrp.static]\nrules = []\n{}", config(90, "")))?;
    assert!(done.contains("static"), "{done}");
    wait_none(&two.a)?;
    two.a.wait_no_address("10.0.0.77", SECONDS_10)?;
    reload(&a, &text)?;
    wait_has(&two.a, line)?;
    assert_eq!(a.stop()?, 0);
    wait_none(&two.a)?;
    assert!(!two.a.has_address("10.0.0.77")? && !two.a.has_address("2001:db8:7::77")?);
    assert!(two.a.has_address("10.0.0.11")?);
    Ok(())
}

#[test]
fn static_objects_need_no_instance() -> Result {
    let two = Two::new()?;
    let a = Holdfast::start(
        &two.a,
        "[vrrp.static]\naddresses = [{ address = \"10.0.0.77/24\", interface = \"eth0\" }]\n",
    )?;
    two.a.wait_address("10.0.0.77", SECONDS_10)?;
    assert_eq!(a.stop()?, 0);
    assert!(!two.a.has_address("10.0.0.77")?);
    Ok(())
}

#[test]
fn a_changed_route_is_all_that_a_reload_touches() -> Result {
    let two = Two::new()?;
    let text = |via: &str, table: u32| {
        config(
            200,
            &format!(
                "virtual_routes = [{{ to = \"10.1.0.0/16\", via = \"{via}\" }}, \
                 {{ to = \"10.2.0.0/16\", via = \"192.168.152.12\" }}]\n\
                 virtual_rules = [{{ priority = 1000, from = \"10.1.0.0/16\", table = {table} }}, \
                 {{ priority = 1001, from = \"10.2.0.0/16\", table = 100 }}]"
            ),
        )
    };
    let a = start(&two.a, &text("192.168.152.12", 100))?;
    wait_has(&two.a, "10.2.0.0/16")?;
    let monitor = Monitor::start(&two.a, &["route", "rule"])?;
    let seen = monitor.log().mark();
    reload(&a, &text("192.168.152.13", 100))?;
    wait_has(&two.a, "10.1.0.0/16 via 192.168.152.13")?;
    reload(&a, &text("192.168.152.13", 101))?;
    wait_has(&two.a, "1000: from 10.1.0.0/16 lookup 101")?;
    wait::until("the old rule to be gone", SECONDS_10, || {
        Ok(!has(&two.a, "1000: from 10.1.0.0/16 lookup 100")?)
    })?;
    monitor.log().wait_from(seen, "lookup 101", SECONDS_10)?;
    let lines = monitor.lines_from(seen);
    assert!(!lines.iter().any(|line| line.contains("10.2.0.0/16")), "{lines:#?}");
    // Changed in place: never absent.
    assert!(!lines.iter().any(|line| line.contains("Deleted 10.1.0.0/16")), "{lines:#?}");
    Ok(())
}

#[test]
fn an_object_that_moves_between_instances_is_not_touched() -> Result {
    let two = Two::new()?;
    let object = "virtual_routes = [{ to = \"10.1.0.0/16\", via = \"192.168.152.12\" }]";
    let text = |first: &str, second: &str| {
        let other =
            config(200, second).replace(NAME, "VI_2").replace("= 51", "= 52").replace(VIP, "192.168.152.201");
        format!("{}{other}", config(200, first))
    };
    let a = start(&two.a, &text(object, ""))?;
    a.wait_state("VI_2", "master", SECONDS_10)?;
    wait_has(&two.a, "10.1.0.0/16")?;
    let monitor = Monitor::start(&two.a, &["route"])?;
    let seen = monitor.log().mark();
    reload(&a, &text("", object))?;
    wait::stays("the route as it was", QUIET, || {
        Ok(has(&two.a, "10.1.0.0/16")? && !monitor.lines_from(seen).iter().any(|l| l.contains("10.1.0.0/16")))
    })
}

#[test]
fn leftovers_of_another_configuration_are_removed_and_nobody_else_s() -> Result {
    let two = Two::new()?;
    // Of others, one of them marked like ours: another daemon may run on this machine.
    two.a.ip("route add 10.5.0.0/16 via 192.168.152.99")?;
    two.a.ip("route add 10.6.0.0/16 via 192.168.152.99 proto 72")?;
    two.a.ip("-6 route add 2001:db8:6::/48 via 2001:db8::99")?;
    two.a.ip("rule add priority 2000 from 10.5.0.0/16 lookup 100")?;
    two.a.ip("addr add 10.5.0.1/24 dev eth0")?;
    let old = format!(
        "[vrrp.static]\naddresses = [{{ address = \"10.0.0.77/24\", interface = \"eth0\" }}, \
         {{ address = \"10.0.0.78/24\", interface = \"eth0\" }}]\n\
         routes = [{{ to = \"10.9.0.0/16\", via = \"10.0.0.1\" }}, {{ to = \"2001:db8:9::/48\", interface = \"eth0\" }}]\n\
         {}",
        config(200, &format!("{}\naddress_lease = false", both()))
    );
    let a = start(&two.a, &old)?;
    wait_has(&two.a, "1001: from 2001:db8::200")?;
    wait_has(&two.a, "10.9.0.0/16")?;
    let folder = a.kill()?;
    assert!(ours(&two.a)?.len() >= 6, "{:?}", ours(&two.a)?);
    let new = with_addresses(
        200,
        "\"192.168.152.210\"",
        "virtual_routes = [{ to = \"10.1.0.0/16\", via = \"192.168.152.13\", table = 100 }, \
         { to = \"10.4.0.0/16\", via = \"192.168.152.13\" }]",
    );
    let new =
        format!("[vrrp.static]\naddresses = [{{ address = \"10.0.0.78/24\", interface = \"eth0\" }}]\n{new}");
    std::fs::write(folder.path().join("holdfast.toml"), new)?;
    let a = Holdfast::restart(&two.a, folder)?;
    two.a.wait_address("192.168.152.210", SECONDS_10)?;
    wait_has(&two.a, "10.4.0.0/16")?;
    let mut there = ours(&two.a)?;
    there.sort();
    let expected = [
        "10.1.0.0/16 via 192.168.152.13 dev eth0 table 100",
        "10.4.0.0/16 via 192.168.152.13 dev eth0",
        "10.6.0.0/16 via 192.168.152.99 dev eth0",
    ];
    assert_eq!(there, expected);
    a.log().wait("removing a rule that an earlier run left behind", SECONDS_10)?;
    let mut addresses: Vec<String> =
        two.a.addresses(Some("eth0"))?.iter().map(|a| a.address.to_string()).collect();
    addresses.retain(|address| !address.starts_with("fe80"));
    addresses.sort();
    assert_eq!(addresses, ["10.0.0.78", "10.5.0.1", "192.168.152.11", "192.168.152.210", "2001:db8::11"]);
    let (routes, rules) = (two.a.ip("route show")?, two.a.ip("rule show")?);
    assert!(
        routes.contains("10.5.0.0/16 via 192.168.152.99") && rules.contains("from 10.5.0.0/16"),
        "{rules}"
    );
    assert!(two.a.ip("-6 route show")?.contains("2001:db8:6::/48 via 2001:db8::99"));
    Ok(())
}
