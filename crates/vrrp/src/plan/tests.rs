//! Plans of whole texts: defaults, and every fault with its place.

use std::time::Duration;

use common::config::{Diagnostics, Document, Sources};

use super::{Plan, Tracked, Transport, Wish, plan};
use crate::machine::address::Lifetime;
use crate::machine::id::Family;
use crate::wire::admit::Mismatch;
use crate::wire::advert::{Auth, Version};

fn read(text: &str) -> (Plan, Vec<String>) {
    let sources = Sources::from_text("h.toml", text);
    let mut d = Diagnostics::new();
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    let plan = plan(&mut root, &mut d);
    root.finish(&mut d);
    let rendered = d.render(&sources);
    let faults = rendered.lines().filter(|l| l.starts_with("h.toml:")).map(str::to_owned).collect();
    (plan, faults)
}

/// A plan that has nothing to complain about.
fn good(text: &str) -> Plan {
    let (plan, faults) = read(text);
    assert_eq!(faults, Vec::<String>::new(), "{text}");
    plan
}

/// The plan of a text that has no errors; for the tests of other modules.
#[track_caller]
pub(crate) fn parse(text: &str) -> Plan {
    let (plan, faults) = read(text);
    assert!(!faults.iter().any(|f| f.contains(" error: ")), "{faults:#?}");
    plan
}

/// An instance with these further lines, and what is said about it. The lines begin at line 6.
fn instance(lines: &str) -> Vec<String> {
    read(&format!(
        "[[vrrp.instance]]\nname = \"A\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n\n{lines}\n"
    ))
    .1
}

const VIP: &str = "virtual_addresses = [\"192.0.2.1/24\"]";

#[track_caller]
fn refused(lines: &str, expected: &[&str]) {
    let faults = instance(lines);
    let expected: Vec<String> = expected.iter().map(|e| format!("h.toml:{e}")).collect();
    assert_eq!(faults, expected, "{lines}");
}

#[test]
fn the_smallest_instance_has_the_documented_defaults() {
    let plan = good(&format!(
        "[[vrrp.instance]]\nname = \"A\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n{VIP}\n"
    ));
    let i = &plan.instances[0];
    assert_eq!(i.key.to_string(), "eth0/ipv4/51");
    assert_eq!((i.version, i.priority, i.wish), (Version::V3, 100, Wish::Backup));
    assert_eq!((i.interval, i.down_timer_adverts), (Duration::from_secs(1), 3));
    assert!(i.preempt && i.preempt_delay.is_zero() && i.hand_over);
    assert_eq!(i.auth, Auth::None);
    assert_eq!(i.transport, Transport::Multicast);
    assert_eq!(i.mismatch, Mismatch::Report);
    assert_eq!(i.lifetime, Lifetime::Lease(Duration::from_secs(3)));
    assert_eq!((i.announce.repeat, i.announce.delay), (5, Duration::from_secs(5)));
    assert_eq!(i.addresses[0].to_string(), "192.0.2.1/24@eth0");
}

#[test]
fn the_configuration_of_the_design_is_understood() {
    let plan = good(
        r#"
[vrrp]
announce = { repeat = 3 }
[[vrrp.script]]
name = "chk_nginx"
command = "/usr/bin/pidof nginx"
interval = "2s"
weight = -20
[[vrrp.instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
version = 2
priority = 100
state = "master"
advert_interval = "1s"
preempt = true
auth = { type = "pass", password = "1111" }
virtual_addresses = ["192.168.152.200", { address = "192.168.1.100/24", interface = "eth0", label = "eth0:0" }]
track_scripts = ["chk_nginx"]
track_interfaces = ["eth1", { interface = "eth2", weight = 10, reverse = true }]
unicast_peers = ["10.0.0.2"]
notify = { master = ["/etc/holdfast/notify.sh", "master"] }
[[vrrp.instance]]
name = "VI_2"
interface = "eth1"
virtual_router_id = 51
virtual_addresses = ["fe80::1/64", "2001:db8::1/64"]
excluded_addresses = ["192.0.2.9"]
announce = { delay = "1s" }
[[vrrp.sync_group]]
name = "G1"
instances = ["VI_1", "VI_2"]
"#,
    );
    let [a, b] = &plan.instances[..] else { panic!("two instances") };
    assert_eq!((a.version, a.mismatch, a.wish), (Version::V2, Mismatch::Drop, Wish::Master));
    assert_eq!(a.trackers[0].weight, -20, "the script's own weight");
    assert_eq!(a.trackers[1].what, Tracked::Link(crate::machine::id::LinkName::new("eth1").unwrap()));
    assert_eq!((a.trackers[2].weight, a.trackers[2].reverse), (10, true));
    assert_eq!(a.notify.master.as_ref().unwrap().argv, ["/etc/holdfast/notify.sh", "master"]);
    assert_eq!(b.key.family, Family::Ipv6);
    assert_eq!(b.addresses.iter().filter(|a| a.advertised).count(), 2);
    assert_eq!((b.announce.repeat, b.announce.delay), (3, Duration::from_secs(1)), "merged key by key");
    assert_eq!(plan.groups[0].members, [a.key, b.key]);
    assert_eq!(plan.scripts[0].run.argv, ["/usr/bin/pidof", "nginx"]);
    assert_eq!(plan.scripts[0].run.timeout, Duration::from_secs(2), "the interval unless told otherwise");
}

#[test]
fn version_2_is_the_default_where_a_password_is_given() {
    let plan = good(&format!(
        "[vrrp]\ninterface = \"eth0\"\nauth = {{ type = \"pass\", password = \"12345678\" }}\n\
         [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\n{VIP}\n"
    ));
    assert_eq!(plan.instances[0].version, Version::V2);
}

#[test]
fn a_lease_can_be_turned_off() {
    let plan = good(&format!(
        "[[vrrp.instance]]\nname = \"A\"\ninterface = \"e\"\nvirtual_router_id = 1\naddress_lease = false\n{VIP}\n"
    ));
    assert_eq!(plan.instances[0].lifetime, Lifetime::Forever);
}

#[test]
fn nothing_to_do_is_idle() {
    assert!(good("").is_idle());
    assert!(good("[vrrp]\npriority = 90\n").is_idle());
}

#[test]
fn a_router_without_addresses_must_be_meant() {
    refused("", &["1:1: error: instance \"A\" has no virtual addresses"]);
    refused("no_vip = true\nfamily = \"ipv6\"", &[]);
    refused(
        &format!("no_vip = true\n{VIP}"),
        &["6:10: error: `no_vip = true` says that there are no addresses, but there are"],
    );
}

#[test]
fn missing_keys_are_told_together() {
    let (_, faults) = read("[[vrrp.instance]]\nname = \"A\"\n");
    assert_eq!(faults.len(), 3, "{faults:#?}");
}

#[test]
fn ranges_and_units_follow_the_version() {
    refused(
        &format!("{VIP}\nversion = 2\nadvert_interval = \"100ms\""),
        &["8:19: error: `advert_interval`: version 2 counts whole seconds from 1s to 255s, found 100ms"],
    );
    refused(
        &format!("{VIP}\nadvert_interval = \"15ms\""),
        &[
            "7:19: error: `advert_interval`: version 3 counts in steps of 10ms from 10ms to 40.95s, found 15ms",
        ],
    );
    refused(
        &format!("{VIP}\nadvert_interval = 41"),
        &["7:19: error: `advert_interval`: version 3 counts in steps of 10ms from 10ms to 40.95s, found 41s"],
    );
    refused(&format!("{VIP}\nadvert_interval = \"10ms\""), &[]);
    refused(
        &format!("{VIP}\npriority = 0\nversion = 4"),
        &[
            "7:12: error: `priority`: expected a priority from 1 to 255, found 0",
            "8:11: error: `version`: expected a whole number from 2 to 3, found 4",
        ],
    );
}

#[test]
fn version_2_has_no_ipv6() {
    refused("virtual_addresses = [\"fe80::1\"]\nversion = 2", &["7:11: error: version 2 has no IPv6"]);
}

#[test]
fn version_3_has_no_passwords() {
    refused(
        &format!("{VIP}\nversion = 3\nauth = {{ type = \"pass\", password = \"1111\" }}"),
        &["8:8: error: `auth`: version 3 has no passwords"],
    );
    refused(
        &format!("{VIP}\nauth = {{ type = \"pass\", password = \"123456789\" }}"),
        &["7:36: error: `password`: a password has 1 to 8 bytes, this has 9"],
    );
    refused(
        &format!("{VIP}\nauth = {{ type = \"ah\", password = \"1\" }}"),
        &["7:17: error: `type`: AH authentication is not supported: RFC 3768 removed it"],
    );
}

#[test]
fn addresses_of_two_families_do_not_mix() {
    refused(
        "virtual_addresses = [\"192.0.2.1\", \"fe80::1\"]",
        &["6:35: error: fe80::1 is ipv6, and the instance is ipv4"],
    );
    refused(
        &format!("{VIP}\nunicast_peers = [\"fe80::2\"]"),
        &["7:18: error: peer fe80::2 is not ipv4 like the virtual addresses"],
    );
    refused(
        &format!("{VIP}\nsource_address = \"fe80::2\""),
        &["7:18: error: `source_address` fe80::2 is not ipv4 like the virtual addresses"],
    );
}

#[test]
fn v3_8_link_local_should_come_first() {
    refused(
        "virtual_addresses = [\"2001:db8::1\", \"fe80::1\"]",
        &["6:22: warning: the first virtual address of an IPv6 instance should be link-local"],
    );
}

#[test]
fn an_identifier_is_used_once_per_interface_and_family() {
    let text = |family: &str| {
        format!(
            "[vrrp]\ninterface = \"eth0\"\nvirtual_router_id = 1\n[[vrrp.instance]]\nname = \"A\"\n\
             virtual_router_id = 7\n{VIP}\n[[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 7\n\
             virtual_addresses = [\"{family}\"]\n"
        )
    };
    let (_, faults) = read(&text("192.0.2.2"));
    assert_eq!(
        faults,
        [
            "h.toml:3:1: error: `virtual_router_id` cannot be a default: every instance has its own",
            "h.toml:10:21: error: virtual_router_id 7 is used twice on interface eth0 for ipv4",
            "h.toml:6:21: note: first used by instance \"A\"",
        ]
    );
    let (_, faults) = read(&text("fe80::1"));
    assert_eq!(faults.len(), 1, "another family is another router: {faults:#?}");
}

#[test]
fn an_address_is_held_once() {
    let text = "[vrrp]\ninterface = \"eth0\"\n\
        [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1/24\", \"192.0.2.1\"]\n\
        [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.1\"]\n\
        [[vrrp.instance]]\nname = \"C\"\nvirtual_router_id = 2\ninterface = \"eth1\"\nvirtual_addresses = [\"fe80::1\"]\n\
        [[vrrp.instance]]\nname = \"D\"\nvirtual_router_id = 3\nvirtual_addresses = [\"fe80::1\"]\n";
    let (_, faults) = read(text);
    let errors: Vec<_> = faults.iter().filter(|f| f.contains("error")).collect();
    assert_eq!(
        errors,
        [
            "h.toml:6:38: error: 192.0.2.1 is listed twice in instance \"A\"",
            "h.toml:10:22: error: 192.0.2.1 belongs to instance \"A\" already",
        ]
    );
}

#[test]
fn names_must_exist_and_be_unique() {
    let text = format!(
        "[vrrp]\ninterface = \"eth0\"\n\
        [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\n{VIP}\ntrack_scripts = [\"nope\"]\n\
        [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n\
        [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n\
        [[vrrp.sync_group]]\nname = \"H\"\ninstances = [\"A\"]\n"
    );
    let (_, faults) = read(&text);
    assert_eq!(
        faults,
        [
            "h.toml:7:18: error: there is no script \"nope\"",
            "h.toml:9:8: error: there are two instances \"A\"",
            "h.toml:4:8: note: first defined here",
            "h.toml:14:13: warning: sync group \"G\" has one instance only",
            "h.toml:14:19: error: there is no instance \"B\"",
            "h.toml:17:13: error: sync group \"H\" has no instances",
            "h.toml:17:14: error: instance \"A\" is in a sync group already",
            "h.toml:14:14: note: first listed here",
        ]
    );
}

#[test]
fn owners_and_others_do_not_move_together() {
    let text = format!(
        "[vrrp]\ninterface = \"eth0\"\n\
        [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\npriority = 255\n{VIP}\n\
        [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n\
        [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n"
    );
    let (_, faults) = read(&text);
    assert_eq!(faults[0], "h.toml:14:19: error: a sync group has owners (priority 255) only, or none");
}

#[test]
fn members_of_a_group_should_have_one_priority() {
    let text = format!(
        "[vrrp]\ninterface = \"eth0\"\n\
        [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\npriority = 90\n{VIP}\n\
        [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n\
        [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\n"
    );
    let (_, faults) = read(&text);
    assert_eq!(
        faults,
        [
            "h.toml:14:19: warning: the instances of a sync group should have the same priority",
            "h.toml:14:14: note: it is another one here",
        ]
    );
}

#[test]
fn an_owner_cannot_have_what_only_others_need() {
    let faults = instance(&format!(
        "{VIP}\npriority = 255\nstate = \"backup\"\npreempt = false\n\
         track_interfaces = [{{ interface = \"eth1\", weight = 5 }}]"
    ));
    let errors: Vec<_> = faults.iter().filter(|f| f.contains("error")).collect();
    assert_eq!(
        errors,
        [
            "h.toml:8:9: error: an owner does not begin as backup",
            "h.toml:9:11: error: an owner always pre-empts",
            "h.toml:10:35: error: an owner's priority does not change, so a weight means nothing",
        ]
    );
}

#[test]
fn unicast_peers_are_checked() {
    refused(&format!("{VIP}\nunicast_peers = []"), &["7:17: error: `unicast_peers` is empty"]);
    refused(
        &format!(
            "{VIP}\nunicast_peers = [\"10.0.0.1\", \"10.0.0.1\", \"224.0.0.18\"]\nsource_address = \"10.0.0.1\""
        ),
        &[
            "7:18: error: peer 10.0.0.1 is this router's own source address",
            "7:30: error: peer 10.0.0.1 is listed twice",
            "7:42: error: 224.0.0.18 cannot be a peer",
        ],
    );
    refused(
        &format!("{VIP}\nunicast_ttl = 3"),
        &["7:15: error: `unicast_ttl` means nothing without `unicast_peers`"],
    );
}

/// A default for all is one for those whom it concerns.
#[test]
fn keys_of_unicast_may_stand_in_the_defaults() {
    let text =
        format!("[[vrrp.instance]]\nname = \"A\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n{VIP}\n");
    let plan = good(&format!("[vrrp]\nunicast_check_source = true\nunicast_ttl = 3\n{text}"));
    assert_eq!(plan.instances.len(), 1);
}

#[test]
fn virtual_addresses_are_checked() {
    refused("virtual_addresses = [\"224.0.0.1\"]", &["6:22: error: 224.0.0.1 cannot be a virtual address"]);
    refused(
        "virtual_addresses = [{ address = \"fe80::1\", label = \"x\", broadcast = \"192.0.2.255\" }]",
        &[
            "6:53: error: `label`: an IPv6 address has no label",
            "6:70: error: `broadcast`: only an IPv4 address has one, and it is an IPv4 address",
        ],
    );
    refused(
        "virtual_addresses = [{ adress = \"192.0.2.1\" }]",
        &[
            "6:22: error: `address` is missing in [vrrp.instance.virtual_addresses]: an address like \"192.0.2.1\" or \"192.0.2.1/24\" is needed",
            "6:24: error: unknown key \"adress\" in [vrrp.instance.virtual_addresses]",
        ],
    );
}

#[test]
fn the_source_address_must_stay() {
    refused(
        &format!("{VIP}\nsource_address = \"192.0.2.1\""),
        &[
            "7:18: error: `source_address` 192.0.2.1 is a virtual address and may move away",
            "6:22: note: it is listed here",
        ],
    );
}

#[test]
fn leases_are_whole_seconds() {
    refused(
        &format!("{VIP}\naddress_lease = \"1500ms\""),
        &["7:17: error: `address_lease`: expected whole seconds from 2s to 1h, found 1s500ms"],
    );
}

#[test]
fn a_fault_in_the_defaults_is_told_once_even_without_instances() {
    let (_, faults) = read("[vrrp]\nprioritty = 3\nadvert_interval = \"x\"\n");
    assert_eq!(faults.len(), 2, "{faults:#?}");
    let (_, faults) = read(&format!(
        "[vrrp]\nprioritty = 3\ninterface = \"e\"\n[[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\n{VIP}\n\
         [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n"
    ));
    assert_eq!(faults, ["h.toml:2:1: error: unknown key \"prioritty\" in [vrrp]"]);
}

#[test]
fn scripts_are_checked() {
    let (_, faults) = read(
        "[[vrrp.script]]\nname = \"s\"\ncommand = []\nweight = 300\nrise = 0\n\
         [[vrrp.script]]\nname = \"t\"\ncommand = \"/bin/true\"\n\
         [[vrrp.script]]\nname = \"t\"\ncommand = \"/bin/true\"\n",
    );
    assert_eq!(
        faults,
        [
            "h.toml:2:8: warning: script \"s\" is not tracked by anything",
            "h.toml:3:11: error: `command`: the command names no program",
            "h.toml:4:10: error: `weight`: expected a whole number from -253 to 253, found 300",
            "h.toml:5:8: error: `rise`: expected a whole number from 1 to 255, found 0",
            "h.toml:7:8: warning: script \"t\" is not tracked by anything",
            "h.toml:10:8: error: there are two scripts \"t\"",
            "h.toml:7:8: note: first defined here",
        ]
    );
}

#[test]
fn no_delay_without_preemption() {
    refused(
        &format!("{VIP}\npreempt = false\npreempt_delay = \"5s\""),
        &[
            "8:17: error: `preempt_delay` means nothing with preempt = false",
            "7:11: note: preemption is turned off here",
        ],
    );
}
