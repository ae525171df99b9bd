use super::*;
use crate::machine::address::ObservedAddress;
use crate::machine::event::LinkFacts;
use crate::machine::id::LinkIndex;
use crate::plan::tests::parse;

const INSTANCE: &str = "[[vrrp.instance]]\nname = \"a\"\ninterface = \"eth0\"\nvirtual_router_id = 1\n";

fn plan(lines: &str) -> Plan {
    parse(&format!("{INSTANCE}{lines}"))
}

fn eth0(addresses: &[(&str, bool)]) -> Vec<ObservedLink> {
    let observed = |(address, ours): &(&str, bool)| ObservedAddress {
        address: address.parse().unwrap(),
        prefix: 24,
        ours: *ours,
        usable: true,
    };
    vec![ObservedLink {
        link: LinkName::new("eth0").unwrap(),
        facts: LinkFacts { index: LinkIndex(2), up: true, carrier: true, mac: None, mtu: 1500, parent: None },
        addresses: addresses.iter().map(observed).collect(),
    }]
}

#[test]
fn only_addresses_without_a_lease_are_written_down() {
    assert_eq!(list(&[&plan("virtual_addresses = [\"192.0.2.1\"]")]), "");
    let permanent = plan("virtual_addresses = [\"192.0.2.2\", \"192.0.2.1\"]\naddress_lease = false");
    assert_eq!(list(&[&permanent]), "eth0 192.0.2.1\neth0 192.0.2.2\n");
}

#[test]
fn what_was_written_down_is_there_with_our_mark_and_is_not_wanted_is_found() {
    let plan = plan("virtual_addresses = [\"192.0.2.1\"]");
    let picture =
        eth0(&[("192.0.2.1", true), ("192.0.2.2", true), ("192.0.2.3", false), ("192.0.2.4", true)]);
    let text = "eth0 192.0.2.1\neth0 192.0.2.2\neth0 192.0.2.3\neth0 192.0.2.9\neth1 192.0.2.2\n\nnonsense\n";
    let found: Vec<_> = stale(text, &plan, &picture).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["192.0.2.2/24@eth0"]);
}

#[test]
fn static_addresses_are_permanent() {
    let text = "[vrrp.static]\naddresses = [{ address = \"192.0.2.5/24\", interface = \"eth0\" }]";
    let plan = parse(text);
    assert_eq!(list(&[&plan]), "eth0 192.0.2.5\n");
    let picture = eth0(&[("192.0.2.5", true), ("192.0.2.6", true)]);
    assert_eq!(stale("eth0 192.0.2.5\n", &plan, &picture), []);
    assert_eq!(stale("eth0 192.0.2.6\n", &plan, &picture).len(), 1);
}

#[test]
fn routes_and_rules_are_written_down_for_two_plans() {
    let folder = std::env::temp_dir().join(format!("holdfast-leftover-objects-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let one = parse("[vrrp.static]\nroutes = [{ to = \"10.0.0.0/8\", type = \"blackhole\" }]");
    let two = parse("[vrrp.static]\nrules = [{ priority = 5, table = 7 }]");
    let mut leftovers = Leftovers::new(&folder);
    leftovers.write(&[&one, &two], &[]);
    let known = Leftovers::new(&folder).objects(&Plan::default());
    let expected = ["route 10.0.0.0/8 table 254 metric 0 tos 0", "rule 5: from all lookup 7"];
    assert_eq!(known.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    leftovers.clear();
    assert!(Leftovers::new(&folder).objects(&Plan::default()).is_empty());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_list_is_there_while_it_says_something() {
    let folder = std::env::temp_dir().join(format!("holdfast-leftovers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut leftovers = Leftovers::new(&folder);
    leftovers.write(&[&plan("virtual_addresses = [\"192.0.2.1\"]\naddress_lease = false")], &[]);
    let file = folder.join("vrrp.addresses");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "eth0 192.0.2.1\n");
    leftovers.clear();
    assert!(!file.exists());
    leftovers.clear();
    std::fs::remove_dir_all(&folder).unwrap();
}
