use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use common::netlink::link::Mac;

use super::super::wants::Script;
use super::*;

/// A configuration with something of everything.
fn wants() -> Wants {
    let address = Ipv4Addr::new(192, 0, 2, 100);
    let instance = Instance {
        name: "VI_1".into(),
        link: "eth0".into(),
        multicast: true,
        accept: true,
        addresses: vec![(address.into(), "eth0".into())],
        ..Instance::default()
    };
    Wants {
        files: vec![PathBuf::from("/etc/h.toml")],
        links: [("eth0".to_owned(), BTreeSet::from(["instance VI_1".to_owned()]))].into(),
        instances: vec![instance],
        ipvs: true,
        schedulers: BTreeSet::from(["wlc".to_owned()]),
        nat: [true, false],
        scripts: vec![Script { program: "/s".into(), user: None }],
        ..Wants::default()
    }
}

/// A machine with which nothing is wrong.
fn facts() -> Facts {
    let link = LinkFact { up: true, carrier: true, multicast: true, ..LinkFact::default() };
    Facts {
        links: [("eth0".to_owned(), link)].into(),
        settings: [("net/ipv4/ip_forward".to_owned(), 1)].into(),
        clock_in_step: Some(true),
        modes: [(PathBuf::from("/etc/h.toml"), 0o100_640)].into(),
        ..Facts::default()
    }
}

/// What is said when one thing is spoiled: the rule, how bad, and the command.
fn said(want: impl Fn(&mut Wants), spoil: impl Fn(&mut Facts)) -> Vec<(&'static str, Severity, String)> {
    let (mut wants, mut facts) = (wants(), facts());
    want(&mut wants);
    spoil(&mut facts);
    judge(&wants, &facts).into_iter().map(|finding| (finding.rule, finding.severity, finding.mend)).collect()
}

fn as_is(_: &mut Wants) {}

fn one(found: &[(&'static str, Severity, String)], rule: &str, severity: Severity, mend: &str) {
    assert!(
        matches!(found, [(r, s, m)] if *r == rule && *s == severity && m.contains(mend)),
        "{rule} {severity:?} {mend}: {found:?}"
    );
}

#[test]
fn a_healthy_machine_has_no_findings_and_an_unknown_one_neither() {
    assert_eq!(said(as_is, |_| {}), []);
    let nothing = judge(&Wants::default(), &Facts::default());
    assert_eq!(nothing, []);
}

#[test]
fn capabilities_that_are_lacking() {
    let found = said(as_is, |facts| {
        facts.lacking.insert("CAP_NET_RAW");
    });
    one(&found, "capabilities", Severity::Error, "CapabilityBoundingSet");
}

#[test]
fn interfaces_that_are_missing_down_or_dead() {
    one(&said(as_is, |facts| facts.links.clear()), "interfaces", Severity::Error, "ip -br link");
    let spoil =
        |change: fn(&mut LinkFact)| said(as_is, move |facts| facts.links.values_mut().for_each(change));
    one(&spoil(|link| link.up = false), "interfaces", Severity::Error, "ip link set eth0 up");
    one(&spoil(|link| link.carrier = false), "interfaces", Severity::Error, "ethtool eth0");
    one(&spoil(|link| link.multicast = false), "multicast", Severity::Error, "ip link set eth0 multicast on");
    let unicast = said(
        |wants| wants.instances[0].multicast = false,
        |facts| facts.links.values_mut().for_each(|link| link.multicast = false),
    );
    assert_eq!(unicast, []);
}

#[test]
fn parts_of_the_kernel_that_are_missing() {
    let missing = |name: &'static str| {
        move |facts: &mut Facts| {
            facts.modules.insert(name.into(), false);
        }
    };
    one(&said(as_is, missing("ip_vs")), "modules", Severity::Error, "modprobe ip_vs");
    one(&said(as_is, missing("ip_vs_wlc")), "modules", Severity::Error, "modprobe ip_vs_wlc");
    assert_eq!(said(as_is, missing("macvlan")), [], "nobody wants it");
    let mac = |wants: &mut Wants| wants.instances[0].virtual_mac = true;
    one(&said(mac, missing("macvlan")), "modules", Severity::Error, "modprobe macvlan");
    let quiet = |wants: &mut Wants| wants.instances[0].accept = false;
    one(&said(quiet, missing("nf_tables")), "modules", Severity::Error, "modprobe nf_tables");
}

#[test]
fn settings_that_keep_traffic_away() {
    let set = |path: &'static str, value| {
        move |facts: &mut Facts| {
            facts.settings.insert(path.into(), value);
        }
    };
    one(
        &said(as_is, set("net/ipv4/ip_forward", 0)),
        "forwarding",
        Severity::Error,
        "sysctl -w net.ipv4.ip_forward=1",
    );
    let direct = said(|wants| wants.nat = [false; 2], set("net/ipv4/ip_forward", 0));
    assert_eq!(direct, [], "only translation needs it");
    let strict = |facts: &mut Facts| {
        facts.links.insert("eth1".into(), facts.links["eth0"].clone());
        facts.settings.insert("net/ipv4/conf/all/rp_filter".into(), 1);
    };
    one(&said(as_is, strict), "rp_filter", Severity::Note, "sysctl -w net.ipv4.conf.eth0.rp_filter=2");
    let elsewhere = |wants: &mut Wants| wants.instances[0].addresses[0].1 = "lo".into();
    let ignored = |facts: &mut Facts| {
        facts.links.insert("lo".into(), LinkFact { up: true, loopback: true, ..LinkFact::default() });
        facts.settings.insert("net/ipv4/conf/all/arp_ignore".into(), 1);
    };
    one(&said(elsewhere, ignored), "arp", Severity::Warning, "arp_ignore=0");
    let untracked = |facts: &mut Facts| {
        facts.settings.insert("net/ipv4/vs/conntrack".into(), 0);
        facts.modules.insert("nf_conntrack".into(), true);
    };
    one(&said(as_is, untracked), "conntrack", Severity::Note, "sysctl -w net.ipv4.vs.conntrack=1");
}

#[test]
fn somebody_else_answers() {
    let place: Place = (Ipv4Addr::new(192, 0, 2, 100).into(), "eth0".into());
    let answered = |macs: &'static [[u8; 6]]| {
        let place = place.clone();
        move |facts: &mut Facts| {
            facts.answers.insert(place.clone(), macs.iter().map(|mac| Mac(*mac)).collect());
        }
    };
    let (a, both) = (&[[2, 0, 0, 0, 0, 1]], &[[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]]);
    one(&said(as_is, answered(a)), "duplicates", Severity::Warning, "arping -I eth0 192.0.2.100");
    one(&said(as_is, answered(both)), "duplicates", Severity::Error, "arping");
    let state = |state: &'static str, macs| {
        let answered = answered(macs);
        move |facts: &mut Facts| {
            answered(facts);
            facts.states.insert("VI_1".into(), state.into());
        }
    };
    assert_eq!(said(as_is, state("backup", a)), [], "its master answers");
    one(&said(as_is, state("backup", both)), "duplicates", Severity::Error, "arping");
    one(&said(as_is, state("fault", a)), "duplicates", Severity::Warning, "arping");
    let here = |facts: &mut Facts| {
        state("master", a)(facts);
        facts.held.insert((place.0, "eth1".into()));
    };
    one(&said(as_is, here), "duplicates", Severity::Error, "arping");
    assert_eq!(said(as_is, answered(&[[0, 0, 0x5e, 0, 1, 51]])), [], "a virtual router");
}

/// An address of a link is another one on another link: routers like to have the same on each.
#[test]
fn somebody_else_answers_for_an_address_of_a_link() {
    let place = |link: &str| -> Place { ("fe80::1".parse().unwrap(), link.to_owned()) };
    let on = |wants: &mut Wants| wants.instances[0].addresses = vec![place("eth0")];
    let answered = |facts: &mut Facts| {
        facts.answers.insert(place("eth0"), [Mac([2, 0, 0, 0, 0, 1])].into());
    };
    let elsewhere = |facts: &mut Facts| {
        answered(facts);
        facts.held.insert(place("eth1"));
    };
    one(&said(on, elsewhere), "duplicates", Severity::Warning, "ping -c 1 fe80::1%eth0");
    let here = |facts: &mut Facts| {
        answered(facts);
        facts.held.insert(place("eth0"));
    };
    one(&said(on, here), "duplicates", Severity::Error, "ip -6 neigh show fe80::1");
    let other = |facts: &mut Facts| {
        facts.answers.insert(place("eth1"), [Mac([2, 0, 0, 0, 0, 1])].into());
    };
    assert_eq!(said(on, other), [], "nobody asked there");
}

#[test]
fn the_wire_is_asked_where_there_is_one() {
    let asked = |want: &dyn Fn(&mut Wants)| {
        let (mut wants, mut facts) = (wants(), facts());
        want(&mut wants);
        for (name, kind) in [("eth1", ""), ("dummy0", "dummy"), ("vrrp.51", "macvlan")] {
            let link = LinkFact { kind: kind.into(), ..facts.links["eth0"].clone() };
            facts.links.insert(name.into(), link);
        }
        probed(&wants, &facts).into_iter().map(|(_, link)| link).collect::<Vec<_>>()
    };
    let on = |link: &'static str| move |wants: &mut Wants| wants.instances[0].addresses[0].1 = link.into();
    assert_eq!(asked(&as_is), ["eth0"]);
    assert_eq!(asked(&on("eth1")), ["eth1"]);
    assert_eq!(asked(&on("dummy0")), ["eth0"], "nobody is there");
    assert_eq!(asked(&on("gone")), ["eth0"]);
    let mac = |wants: &mut Wants| {
        on("vrrp.51")(wants);
        wants.instances[0].virtual_mac = true;
    };
    assert_eq!(asked(&mac), ["eth0"], "its hardware address is the master's");
}

#[test]
fn what_stands_around_the_interfaces() {
    let mac = |wants: &mut Wants| wants.instances[0].virtual_mac = true;
    let driver =
        |facts: &mut Facts| facts.links.values_mut().for_each(|link| link.driver = "virtio_net".into());
    one(&said(mac, driver), "virtual_mac", Severity::Note, "forged transmits");
    let kind = |facts: &mut Facts| facts.links.values_mut().for_each(|link| link.kind = "wireguard".into());
    one(&said(mac, kind), "virtual_mac", Severity::Error, "Ethernet");
    for (manager, mend) in
        [(Manager::Networkd, "KeepConfiguration=yes"), (Manager::NetworkManager, "managed no")]
    {
        let managed =
            |facts: &mut Facts| facts.links.values_mut().for_each(|link| link.manager = Some(manager));
        one(&said(as_is, managed), "manager", Severity::Note, mend);
    }
}

#[test]
fn the_clock_matters_to_signatures() {
    let late = |facts: &mut Facts| facts.clock_in_step = Some(false);
    one(&said(as_is, late), "clock", Severity::Note, "set-ntp");
    one(&said(|wants| wants.instances[0].signed = true, late), "clock", Severity::Warning, "set-ntp");
}

#[test]
fn files_and_scripts_that_are_not_safe() {
    let script = |why: &'static str| {
        move |facts: &mut Facts| {
            facts.scripts.insert("/s".into(), why.into());
        }
    };
    one(&said(as_is, script("unsafe: /s is writable")), "scripts", Severity::Error, "chmod go-w /s");
    one(&said(as_is, script("/s is not executable")), "scripts", Severity::Error, "ls -l /s");
    let mode = |mode| move |facts: &mut Facts| facts.modes.values_mut().for_each(|found| *found = mode);
    one(&said(as_is, mode(0o100_660)), "secrets", Severity::Error, "chmod go-w /etc/h.toml");
    assert_eq!(said(as_is, mode(0o100_644)), [], "there is nothing to hide");
    one(
        &said(|wants| wants.secrets = true, mode(0o100_644)),
        "secrets",
        Severity::Warning,
        "chmod o-r /etc/h.toml",
    );
}

#[test]
fn a_packet_filter_that_names_no_vrrp() {
    let found = said(as_is, |facts| facts.closed_chains.push("inet filter input".into()));
    one(&found, "firewall", Severity::Warning, "nft insert rule inet filter input meta l4proto 112 accept");
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = RULES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), RULES.len());
}
