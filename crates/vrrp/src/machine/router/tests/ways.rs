//! `also_via`: more ways for adverts than the instance's own interface.

use super::*;
use crate::machine::id::Family;

const BOTH: &str = "also_via = [{ interface = \"eth1\" }]";

fn advert_of(m: &Machine, from: &str, priority: u8, addresses: &[IpAddr]) -> Vec<u8> {
    let plan = &m.router.plan().instances[0];
    let listed = crate::wire::advert::address_bytes(Family::Ipv4, addresses.iter().copied());
    let advert = Advert {
        version: plan.version,
        vrid: plan.key.vrid,
        priority,
        interval: plan.interval,
        auth: Auth::None,
        addresses: Addresses::new(Family::Ipv4, &listed),
    };
    let mut buffer = [0; MAX_LEN];
    let len = advert.encode(Form::PseudoHeader, ip(from), group(Family::Ipv4), &mut buffer).unwrap();
    buffer[..len].to_vec()
}

impl Machine {
    fn hear_second(&mut self, from: &str, priority: u8) -> Vec<String> {
        let payload = advert_of(self, from, priority, &[ip("192.0.2.1")]);
        self.hear_on("eth1", from, group(Family::Ipv4), &payload)
    }

    fn hear_on(&mut self, name: &str, from: &str, destination: IpAddr, payload: &[u8]) -> Vec<String> {
        self.handle(Event::DatagramReceived(Datagram {
            link: link(name),
            source: ip(from),
            destination,
            ttl: 255,
            payload,
        }))
    }

    fn lost(&self) -> Vec<Option<String>> {
        self.router.status(self.now).instances[0].paths.iter().map(|path| path.lost.clone()).collect()
    }
}

fn ways(packet: &AdvertPacket) -> Vec<(String, String, String, u8)> {
    let copies = packet.copies.iter();
    copies.map(|c| (c.link.to_string(), c.source.to_string(), c.destination.to_string(), c.ttl)).collect()
}

fn way(link: &str, source: &str, destination: &str, ttl: u8) -> (String, String, String, u8) {
    (link.to_owned(), source.to_owned(), destination.to_owned(), ttl)
}

#[test]
fn every_way_has_a_socket_and_a_copy_from_its_own_address() {
    let mut m = Machine::new(&instance(BOTH));
    let lines = m.begin();
    assert_eq!(
        only(&lines, &["listen"]),
        ["listen eth0 ipv4 vrids=51 multicast", "listen eth1 ipv4 vrids=51 multicast"]
    );
    m.pass(10 * SECOND);
    let packet = m.packets(SECOND).pop().unwrap();
    let group = "224.0.0.18";
    assert_eq!(ways(&packet), [way("eth0", "10.0.0.2", group, 255), way("eth1", "10.1.0.2", group, 255)]);
    for copy in &packet.copies {
        let sum =
            crate::wire::checksum::sum(Form::PseudoHeader, copy.source, copy.destination, &copy.payload);
        assert_eq!(sum, 0, "the checksum covers the way's own source");
    }
}

#[test]
fn peers_of_a_second_path_get_a_copy_each_from_the_source_that_is_told() {
    let via = "also_via = [{ interface = \"eth1\", peers = [\"10.9.0.7\", \"10.9.0.8\"], ttl = 64, \
               source_address = \"10.1.0.2\" }]";
    let mut m = Machine::master(&instance(via));
    let packet = m.packets(SECOND).pop().unwrap();
    assert_eq!(
        ways(&packet)[1..],
        [way("eth1", "10.1.0.2", "10.9.0.7", 64), way("eth1", "10.1.0.2", "10.9.0.8", 64)]
    );
    let payload = advert_of(&m, "10.9.0.7", 200, &[ip("192.0.2.1")]);
    m.hear_on("eth1", "10.9.0.66", ip("10.1.0.2"), &payload);
    assert_eq!(m.state(), StateName::Master, "no peer");
    let mut unicast = payload;
    // The checksum covers the destination.
    unicast[6..8].fill(0);
    let sum = crate::wire::checksum::sum(Form::PseudoHeader, ip("10.9.0.7"), ip("10.1.0.2"), &unicast);
    unicast[6..8].copy_from_slice(&sum.to_be_bytes());
    m.hear_on("eth1", "10.9.0.7", ip("10.1.0.2"), &unicast);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn a_master_heard_by_the_second_path_alone_is_let_be_and_keeps_its_address() {
    let mut m = Machine::started(&instance(BOTH));
    m.hear("10.0.0.9", 200);
    for _ in 0..20 {
        m.pass(SECOND);
        m.hear_second("10.1.0.9", 200);
    }
    assert_eq!(m.state(), StateName::Backup);
    let status = &m.router.status(m.now).instances[0];
    assert_eq!(status.master.as_deref(), Some("10.0.0.9"));
    assert_eq!(status.paths[1].last_heard_from.as_deref(), Some("10.1.0.9"));
    assert_eq!((status.paths[0].last_heard_ms, status.paths[1].last_heard_ms), (Some(20_000), Some(0)));
    assert_eq!((m.lost()[0].is_some(), m.lost()[1].is_some()), (true, false));
}

#[test]
fn a_path_that_brings_nothing_is_told_once_and_again_when_it_is_back() {
    let mut m = Machine::started(&instance(BOTH));
    let mut lines = Vec::new();
    for _ in 0..10 {
        m.pass(SECOND);
        lines.extend(m.hear("10.0.0.9", 200));
    }
    assert_eq!(
        only(&lines, &["report path"]),
        ["report path of adverts lost instance=A path=\"eth1\" \
          reason=\"nothing is heard by it, and adverts come by another way\""]
    );
    assert_eq!(
        only(&m.hear_second("10.1.0.9", 200), &["report path"]),
        ["report path of adverts is back instance=A path=\"eth1\""]
    );
    assert_eq!(m.lost(), [None, None]);
}

#[test]
fn a_second_interface_that_is_down_is_no_fault_and_gets_no_copy() {
    let mut m = Machine::master(&instance(BOTH));
    let lines = m.change("eth1", |facts| facts.carrier = false);
    assert_eq!(
        lines,
        ["report path of adverts lost instance=A path=\"eth1\" reason=\"interface eth1 has no carrier\""]
    );
    let packet = m.packets(SECOND).pop().unwrap();
    assert_eq!((packet.copies.len(), m.state()), (1, StateName::Master));
    let lines = m.change("eth1", |_| ());
    assert_eq!(lines, ["report path of adverts is back instance=A path=\"eth1\""]);
    assert_eq!(m.packets(SECOND).pop().unwrap().copies.len(), 2);
}

/// The peers need not wait for the silence, though nothing can be said where they would listen first.
#[test]
fn a_master_without_its_own_interface_says_goodbye_by_the_second_path() {
    let mut m = Machine::master(&instance(BOTH));
    let mut out = Vec::new();
    let event = Event::LinkChanged { link: link("eth0"), facts: LinkFacts { carrier: false, ..facts(2) } };
    m.router.handle(event, m.now, &mut out);
    let sent: Vec<_> = out
        .iter()
        .filter_map(|action| {
            let Action::SendAdvert { priority, packet, .. } = action else { return None };
            Some((*priority, ways(packet)))
        })
        .collect();
    assert_eq!(sent, [(0, vec![way("eth1", "10.1.0.2", "224.0.0.18", 255)])]);
    assert_eq!(m.state(), StateName::Fault);

    let mut m = Machine::started(&instance(BOTH));
    m.hear("10.0.0.9", 200);
    m.hear_second("10.1.0.9", 200);
    m.hear_second("10.1.0.9", 0);
    assert_eq!(m.next(), Some(SECOND * 156 / 256), "the skew");
}

#[test]
fn a_goodbye_that_comes_late_by_the_second_path_is_not_the_new_masters() {
    let mut m = Machine::started(&instance(BOTH));
    m.hear_second("10.1.0.9", 200);
    m.hear("10.0.0.8", 150);
    m.hear_second("10.1.0.8", 150);
    let before = m.next();
    m.hear_second("10.1.0.9", 0);
    assert_eq!(m.next(), before);
}

#[test]
fn by_the_second_path_other_addresses_are_another_virtual_router() {
    let mut m = Machine::master(&instance(BOTH));
    let payload = advert_of(&m, "10.1.0.9", 200, &[ip("192.0.2.77")]);
    let lines = m.hear_on("eth1", "10.1.0.9", group(Family::Ipv4), &payload);
    assert_eq!(m.state(), StateName::Master);
    assert!(only(&lines, &["report incompatible peer"]).len() == 1, "{lines:?}");
}

/// Here the own interface has us higher, the second path the other one.
#[test]
fn equal_priorities_are_compared_where_both_hear_each_other() {
    let mut m = Machine::master(&instance(BOTH));
    for _ in 0..3 {
        m.hear("10.0.0.1", 100);
        m.hear_second("10.1.0.9", 100);
        m.pass(SECOND / 2);
        assert_eq!(m.state(), StateName::Master);
    }
    let mut m = Machine::master(&instance(BOTH));
    m.hear("10.0.0.3", 100);
    assert_eq!(m.state(), StateName::Backup, "the own interface says so at once");
}

/// The other one goes on though it must yield: it does not hear us there, and judges by the second path.
#[test]
fn a_tie_that_lasts_is_settled_by_the_second_path() {
    for (second, end) in [("10.1.0.9", StateName::Backup), ("10.1.0.1", StateName::Master)] {
        let mut m = Machine::master(&instance(BOTH));
        for _ in 0..6 {
            m.hear("10.0.0.1", 100);
            m.hear_second(second, 100);
            m.pass(SECOND);
        }
        assert_eq!(m.state(), end, "{second}");
    }
    let mut m = Machine::master(&instance(BOTH));
    for _ in 0..3 {
        assert_eq!(m.state(), StateName::Master);
        m.hear_second("10.1.0.9", 100);
        m.pass(SECOND);
    }
    assert_eq!(m.state(), StateName::Backup, "the own interface brings nothing");
}

#[test]
fn r40_a_reload_adds_and_removes_ways_and_moves_nobody() {
    let mut m = Machine::master(&instance(""));
    let lines = m.reload(&instance(BOTH));
    assert_eq!(only(&lines, &["listen", "report state"]), ["listen eth1 ipv4 vrids=51 multicast"]);
    assert_eq!(m.packets(SECOND).pop().unwrap().copies.len(), 2);
    let lines = m.reload(&instance(""));
    assert_eq!(only(&lines, &["close", "report"]), ["close eth1 ipv4"]);
    assert_eq!(m.packets(SECOND).pop().unwrap().copies.len(), 1);
    assert_eq!(m.state(), StateName::Master);
}
