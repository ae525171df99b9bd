//! What surrounds the addresses while they are held: packets refused, settings of interfaces.

use super::*;

const GUARD: &[&str] = &["guard", "install", "remove", "advert"];
const REFUSED: &str = "guard A refused=192.0.2.1 promoting=";
const NONE: &str = "guard A refused= promoting=";

fn lines(list: Vec<(Duration, String)>) -> Vec<String> {
    list.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn v2_10_s16_packets_are_refused_from_before_the_address_is_there_until_it_is_gone() {
    for version in ["", "version = 2"] {
        let mut machine = Machine::started(&instance(&format!("accept = false\n{version}")));
        let up = lines(machine.pass(4 * SECOND));
        let up = only(&up, &["guard", "install"]);
        assert_eq!(up, [REFUSED, "install A 192.0.2.1/24@eth0 lifetime=3s"], "{version}");
        let down = only(&machine.hear("10.0.0.9", 200), GUARD);
        assert_eq!(down, ["remove A 192.0.2.1/24@eth0", NONE]);
    }
}

#[test]
fn s16_an_owner_takes_packets_and_everybody_else_unless_told_otherwise() {
    for more in ["accept = false\npriority = 255", "accept = true", ""] {
        let mut machine = Machine::new(&instance(more));
        let mut all = machine.begin();
        all.extend(lines(machine.pass(10 * SECOND)));
        assert_eq!(machine.state(), StateName::Master);
        assert_eq!(only(&all, &["guard"]), Vec::<String>::new(), "{more}");
    }
}

#[test]
fn what_is_not_advertised_is_refused_too() {
    let mut machine = Machine::started(&instance("accept = false\nexcluded_addresses = [\"2001:db8::1\"]"));
    let up = lines(machine.pass(4 * SECOND));
    assert_eq!(only(&up, &["guard"]), ["guard A refused=192.0.2.1,2001:db8::1 promoting="]);
}

#[test]
fn packets_are_refused_while_a_successor_is_waited_for_and_no_longer() {
    let mut machine = Machine::master(&instance("accept = false"));
    let leaving = machine.handle(Event::StopRequested);
    assert_eq!(only(&leaving, &["guard", "remove"]), Vec::<String>::new());
    let left = lines(machine.pass(10 * SECOND));
    assert_eq!(only(&left, &["guard", "remove"]), ["remove A 192.0.2.1/24@eth0", NONE]);
}

#[test]
fn a_reload_changes_it_at_once_and_tells_only_what_changed() {
    let mut machine = Machine::master(&instance(""));
    assert_eq!(only(&machine.reload(&instance("accept = false")), &["guard"]), [REFUSED]);
    let same = machine.reload(&instance("accept = false\npriority = 110"));
    assert_eq!(only(&same, &["guard"]), Vec::<String>::new());
    let both = machine.reload(&instance("accept = false\npromote_secondaries = true"));
    assert_eq!(only(&both, &["guard"]), ["guard A refused=192.0.2.1 promoting=eth0"]);
    assert_eq!(only(&machine.reload(&instance("")), &["guard"]), [NONE]);
    // A backup has nothing to refuse.
    machine.hear("10.0.0.9", 200);
    let backup = machine.reload(&instance("accept = false\npriority = 90"));
    assert_eq!(only(&backup, &["guard"]), Vec::<String>::new());
}

#[test]
fn secondaries_are_promoted_where_ipv4_addresses_are_and_again_on_an_interface_made_anew() {
    let more = "promote_secondaries = true\nexcluded_addresses = [\"2001:db8::1\", \
                { address = \"198.51.100.1/24\", interface = \"eth1\" }, \"192.0.2.2/24\"]";
    let mut machine = Machine::started(&instance(more));
    let up = lines(machine.pass(4 * SECOND));
    let up = only(&up, &["guard", "install"]);
    assert_eq!(up.first().map(String::as_str), Some("guard A refused= promoting=eth0,eth1"));
    machine.handle(Event::LinkVanished { link: link("eth1") });
    let back = machine.handle(Event::LinkChanged { link: link("eth1"), facts: facts(9) });
    assert_eq!(only(&back, &["guard"]), ["guard A refused= promoting=eth0,eth1"]);
}

#[test]
fn a_failure_is_told_and_keeps_nobody_from_being_master() {
    let mut machine = Machine::master(&instance("accept = false"));
    let told = machine.handle(Event::GuardFailed { instance: ID, error: "no packet filter".into() });
    assert!(told.iter().any(|line| line.contains("no packet filter")), "{told:?}");
    assert_eq!(machine.state(), StateName::Master);
}
