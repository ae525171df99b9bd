//! The interface with the virtual MAC: when it is asked for, set up and down, and put right.

use super::*;
use crate::machine::event::ObservedLink;

const MAC: Mac = Mac([0, 0, 0x5e, 0, 1, 51]);
const ON: &str = "virtual_mac = true";

fn with_mac(index: u32, up: bool) -> LinkFacts {
    LinkFacts { index: LinkIndex(index), up, mac: Some(MAC), parent: Some(LinkIndex(2)), ..facts(index) }
}

/// The kernel as it is after it did what was asked.
fn told(machine: &mut Machine, index: u32, up: bool) -> Vec<String> {
    let mut lines = machine.handle(Event::LinkChanged { link: link("vrrp.51"), facts: with_mac(index, up) });
    lines.extend(machine.handle(Event::VirtualLinkMade { instance: ID }));
    lines
}

/// A master whose interface is there.
fn master_with_link() -> Machine {
    let mut machine = Machine::started(&instance(ON));
    told(&mut machine, 7, false);
    let lines: Vec<String> = machine.pass(10 * SECOND).into_iter().map(|(_, line)| line).collect();
    assert!(lines.contains(&"link A vrrp.51@eth0 00:00:5e:00:01:33 up".to_owned()), "{lines:?}");
    told(&mut machine, 7, true);
    assert_eq!(machine.state(), StateName::Master);
    machine
}

const UP: &str = "link A vrrp.51@eth0 00:00:5e:00:01:33 up";
const DOWN: &str = "link A vrrp.51@eth0 00:00:5e:00:01:33 down";

#[test]
fn it_is_made_at_the_start_and_stays_down_until_it_is_master() {
    let mut machine = Machine::new(&instance(ON));
    assert_eq!(only(&machine.begin(), &["link"]), [DOWN]);
    assert_eq!(effects(&told(&mut machine, 7, false)), Vec::<String>::new());
    assert_eq!(machine.state(), StateName::Backup);
    let lines = timed(&machine.pass(4 * SECOND), &["advert", "link", "install", "announce"]);
    let lines: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "advert A priority=100",
            UP,
            "install A 192.0.2.1/24@vrrp.51 lifetime=3s",
            "announce A 192.0.2.1 repeat=5"
        ]
    );
    // Its own rise is no reason to do it all again.
    assert_eq!(effects(&told(&mut machine, 7, true)), Vec::<String>::new());
}

#[test]
fn w5_adverts_carry_the_virtual_mac_unless_told_to_leave_from_the_base() {
    for (lines, mac) in [
        (ON, Some(MAC)),
        ("virtual_mac = { adverts_from = \"base\" }", None),
        ("virtual_mac = true\nunicast_peers = [\"10.0.0.3\"]", None),
        ("virtual_mac = { mac = \"02:00:00:00:00:07\" }", Some(Mac([2, 0, 0, 0, 0, 7]))),
        ("", None),
    ] {
        let mut machine = Machine::started(&instance(lines));
        let packets = machine.packets(10 * SECOND);
        assert!(!packets.is_empty());
        let copies = packets.iter().flat_map(|packet| &packet.copies);
        for copy in copies {
            assert_eq!((copy.mac, copy.source), (mac, ip("10.0.0.2")), "{lines}");
        }
    }
}

#[test]
fn s3_a_backup_s_is_down_and_a_stopped_one_s_is_gone() {
    let mut machine = master_with_link();
    let lines = machine.hear("10.0.0.9", 200);
    assert_eq!(only(&lines, &["remove", "link"]), ["remove A 192.0.2.1/24@vrrp.51", DOWN]);
    told(&mut machine, 7, false);
    let lines = machine.handle(Event::StopRequested);
    assert_eq!(only(&lines, &["remove", "link"]), ["remove link A vrrp.51"]);
}

#[test]
fn a_fault_sets_it_down_and_without_its_base_there_is_none() {
    let mut machine = master_with_link();
    let lines = machine.handle(Event::LinkVanished { link: link("vrrp.51") });
    assert_eq!(only(&lines, &["link"]), Vec::<String>::new(), "asked for a moment ago");
    let lines = machine.handle(Event::LinkVanished { link: link("eth0") });
    assert_eq!(only(&lines, &["link"]), Vec::<String>::new());
    assert_eq!(machine.state(), StateName::Fault);
    assert_eq!(only(&timed_lines(&machine.pass(5 * SECOND)), &["link"]), Vec::<String>::new());
    // A new interface below it.
    machine.handle(Event::LinkChanged { link: link("eth0"), facts: facts(12) });
    let lines =
        machine.handle(Event::AddressAppeared { link: link("eth0"), address: observed("10.0.0.2", false) });
    assert_eq!(machine.state(), StateName::Backup, "{lines:?}");
}

#[test]
fn on_a_new_base_it_is_asked_for_at_once() {
    let mut machine = master_with_link();
    machine.handle(Event::LinkVanished { link: link("eth0") });
    machine.handle(Event::LinkVanished { link: link("vrrp.51") });
    machine.pass(5 * SECOND);
    let lines = machine.handle(Event::LinkChanged { link: link("eth0"), facts: facts(12) });
    assert_eq!(only(&lines, &["link"]), [DOWN]);
}

#[test]
fn one_that_somebody_deletes_is_put_back_with_its_addresses_and_announced() {
    let mut machine = master_with_link();
    machine.pass(5 * SECOND);
    machine.handle(Event::AddressAppeared { link: link("vrrp.51"), address: observed("192.0.2.1", true) });
    let lines = machine.handle(Event::LinkVanished { link: link("vrrp.51") });
    assert_eq!(
        lines,
        [
            "report interface of the virtual MAC was changed by somebody: putting it right instance=A interface=vrrp.51",
            UP
        ]
    );
    assert_eq!(machine.state(), StateName::Master);
    let lines = effects(&told(&mut machine, 8, true));
    assert_eq!(
        lines,
        ["install A 192.0.2.1/24@vrrp.51 lifetime=3s", "announce A 192.0.2.1 repeat=5"],
        "as if it were new"
    );
}

#[test]
fn a_quarrel_about_it_costs_one_request_a_second() {
    let mut machine = master_with_link();
    machine.pass(5 * SECOND);
    let mut asked = 0;
    for _ in 0..30 {
        let down = machine.handle(Event::LinkChanged { link: link("vrrp.51"), facts: with_mac(7, false) });
        asked += only(&down, &["link"]).len();
        asked += only(&told(&mut machine, 7, true), &["link"]).len();
        asked += timed(&machine.pass(100 * MS), &["link"]).len();
    }
    assert!((1..=4).contains(&asked), "{asked}");
}

#[test]
fn another_mac_or_base_under_its_name_is_not_it() {
    for wrong in [
        LinkFacts { mac: Some(Mac([2, 0, 0, 0, 0, 5])), ..with_mac(7, false) },
        LinkFacts { parent: Some(LinkIndex(3)), ..with_mac(7, false) },
        LinkFacts { parent: None, ..with_mac(7, false) },
    ] {
        let mut machine = Machine::started(&instance(ON));
        told(&mut machine, 7, false);
        machine.pass(2 * SECOND);
        let lines = machine.handle(Event::LinkChanged { link: link("vrrp.51"), facts: wrong });
        assert_eq!(only(&lines, &["link"]), [DOWN], "{wrong:?}");
    }
}

#[test]
fn one_that_cannot_be_had_is_a_fault_in_plain_words_and_is_tried_again() {
    let mut machine = Machine::started(&instance(ON));
    let failed = || Event::VirtualLinkFailed { instance: ID, error: "no room".into() };
    machine.handle(failed());
    assert_eq!(machine.state(), StateName::Fault);
    let status = machine.router.status(machine.now);
    assert_eq!(status.instances[0].faults, ["no interface vrrp.51 for the virtual MAC: no room"]);
    for _ in 0..3 {
        let again = timed(&machine.pass(SECOND), &["link"]);
        assert_eq!(again.len(), 1, "{again:?}");
        assert_eq!(machine.handle(failed()), Vec::<String>::new(), "said once");
    }
    // What is not ours is not removed either.
    machine.handle(Event::LinkChanged { link: link("vrrp.51"), facts: with_mac(7, false) });
    let mut other = Machine::started(&instance(ON));
    other.handle(Event::LinkChanged { link: link("vrrp.51"), facts: facts(7) });
    other.handle(failed());
    assert_eq!(only(&other.handle(Event::StopRequested), &["remove"]), Vec::<String>::new());
    told(&mut machine, 7, false);
    assert_eq!(machine.state(), StateName::Backup);
}

#[test]
fn a_successor_takes_over_what_is_there() {
    let mut first = master_with_link();
    first.pass(SECOND);
    let saved = first.router.checkpoint(first.now, 100 * SECOND);
    let mut seen = links();
    seen.push(ObservedLink {
        link: link("vrrp.51"),
        facts: with_mac(7, true),
        addresses: vec![observed("192.0.2.1", true)],
    });
    let mut machine = Machine::with_links(&instance(ON), seen);
    machine.router.restore(&saved, machine.now, 100 * SECOND).unwrap();
    let lines = effects(&machine.begin());
    assert_eq!(machine.state(), StateName::Master);
    assert!(lines.contains(&UP.to_owned()), "{lines:?}");
    assert_eq!(only(&lines, &["remove", "announce"]), Vec::<String>::new());
    assert_eq!(effects(&told(&mut machine, 7, true)), Vec::<String>::new());
    // And one that is no master any more sets it down.
    let mut machine = Machine::with_links(
        &instance(ON),
        links()
            .into_iter()
            .chain([ObservedLink {
                link: link("vrrp.51"),
                facts: with_mac(7, true),
                addresses: vec![observed("192.0.2.1", true)],
            }])
            .collect(),
    );
    assert_eq!(only(&machine.begin(), &["remove", "link"]), ["remove A 192.0.2.1/24@vrrp.51", DOWN]);
}

#[test]
fn r20_an_unchanged_one_is_not_touched_by_a_reload() {
    let mut machine = master_with_link();
    let lines = machine.reload(&instance("virtual_mac = true\npriority = 150"));
    assert_eq!(only(&lines, &["link", "remove", "install"]), Vec::<String>::new());
}

#[test]
fn r20_turned_on_and_off_the_addresses_move_and_the_state_stays() {
    let mut machine = Machine::master(&instance(""));
    let lines = machine.reload(&instance(ON));
    assert_eq!(
        only(&lines, &["link", "remove", "install"]),
        ["remove A 192.0.2.1/24@eth0", UP, "install A 192.0.2.1/24@vrrp.51 lifetime=3s"]
    );
    told(&mut machine, 7, true);
    let lines = machine.reload(&instance("virtual_mac = { interface = \"vip0\" }"));
    assert_eq!(
        only(&lines, &["link", "remove", "install"]),
        [
            "remove A 192.0.2.1/24@vrrp.51",
            "remove link A vrrp.51",
            "link A vip0@eth0 00:00:5e:00:01:33 up",
            "install A 192.0.2.1/24@vip0 lifetime=3s"
        ]
    );
    machine.handle(Event::LinkChanged { link: link("vip0"), facts: with_mac(8, true) });
    machine.handle(Event::VirtualLinkMade { instance: ID });
    let lines = machine.reload(&instance(""));
    assert_eq!(
        only(&lines, &["link", "remove", "install"]),
        ["remove A 192.0.2.1/24@vip0", "remove link A vip0", "install A 192.0.2.1/24@eth0 lifetime=3s"]
    );
    assert_eq!(machine.state(), StateName::Master);
}

#[test]
fn an_instance_that_is_removed_takes_its_interface_along() {
    let other = instance("").replace("\"A\"", "\"B\"").replace("51", "52").replace("192.0.2.1", "192.0.2.2");
    let mut machine = master_with_link();
    assert_eq!(only(&machine.reload(&other), &["remove"]), Vec::<String>::new(), "it hands over first");
    let lines = timed_lines(&machine.pass(2 * SECOND));
    assert_eq!(only(&lines, &["remove"]), ["remove A 192.0.2.1/24@vrrp.51", "remove link A vrrp.51"]);
}

fn timed_lines(lines: &[(Duration, String)]) -> Vec<String> {
    lines.iter().map(|(_, line)| line.clone()).collect()
}
