//! Unicast peers: to whom adverts go, and whose are taken.

use super::*;

const PEER: &str = "10.0.0.9";

fn unicast(lines: &str) -> String {
    instance(&format!(
        "unicast_peers = [\"{PEER}\", {{ address = \"10.0.0.7\", min_ttl = 60, max_ttl = 90 }}]\n{lines}"
    ))
}

impl Machine {
    /// A right advert from somebody to us, over some hops.
    fn hear_unicast(&mut self, from: &str, priority: u8, ttl: u8) -> Vec<String> {
        let plan = self.router.plan().instances[0].clone();
        let listed = plan.advertised();
        let advert = Advert {
            version: plan.version,
            vrid: plan.key.vrid,
            priority,
            interval: plan.interval,
            auth: Auth::None,
            addresses: Addresses::new(plan.key.family, &listed),
        };
        let (source, destination) = (ip(from), ip("10.0.0.2"));
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(Form::PseudoHeader, source, destination, &mut buffer).unwrap();
        let payload = &buffer[..len];
        self.handle(Event::DatagramReceived(Datagram {
            link: link("eth0"),
            source,
            destination,
            ttl,
            payload,
        }))
    }

    fn rejected(&self, reason: &str) -> u64 {
        let status = self.router.status(self.now);
        status.instances[0].advertisements.rejected.get(reason).copied().unwrap_or_default()
    }
}

#[test]
fn every_peer_gets_a_copy_with_the_ttl_that_is_asked_for() {
    let mut m = Machine::master(&unicast("unicast_ttl = 64"));
    let packet = m.packets(SECOND).pop().unwrap();
    let copies: Vec<_> = packet.copies.iter().map(|c| (c.destination, c.ttl)).collect();
    assert_eq!(copies, [(ip(PEER), 64), (ip("10.0.0.7"), 64)]);
}

#[test]
fn somebody_who_is_no_peer_is_dropped_counted_and_told() {
    let mut m = Machine::master(&unicast(""));
    let lines = m.hear_unicast("10.0.0.66", 200, 255);
    assert_eq!(
        lines,
        [
            "report packet dropped interface=eth0 source=10.0.0.66 reason=\"sender is not a unicast peer\" instance=A"
        ]
    );
    assert_eq!((m.state(), m.rejected("not_peer")), (StateName::Master, 1));
    assert_eq!(m.hear_unicast("10.0.0.66", 200, 255), Vec::<String>::new(), "and not told at every packet");
    assert_eq!(m.rejected("not_peer"), 2);
}

#[test]
fn without_the_check_of_sources_a_stranger_is_a_master_like_any_other() {
    let mut m = Machine::master(&unicast("unicast_check_source = false\nunicast_min_ttl = 250"));
    m.hear_unicast("10.0.0.66", 200, 249);
    assert_eq!((m.state(), m.rejected("ttl")), (StateName::Master, 1));
    m.hear_unicast("10.0.0.66", 200, 250);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn the_bounds_of_the_ttl_are_those_of_the_peer_or_of_all() {
    let mut m = Machine::master(&unicast("unicast_min_ttl = 10\nunicast_max_ttl = 100"));
    for (from, ttl) in [(PEER, 9), (PEER, 101), ("10.0.0.7", 59), ("10.0.0.7", 91)] {
        m.hear_unicast(from, 200, ttl);
        assert_eq!(m.state(), StateName::Master, "{from} {ttl}");
    }
    assert_eq!(m.rejected("ttl"), 4);
    m.hear_unicast(PEER, 200, 10);
    assert_eq!(m.state(), StateName::Backup);
}

/// What a peer says of addresses and how it sums is taken, or dropped where that is asked for.
#[test]
fn other_addresses_are_taken_unless_they_are_to_be_dropped() {
    let heard = |extra: &str| {
        let mut m = Machine::master(&instance(extra));
        let plan = m.router.plan().instances[0].clone();
        let advert = Advert {
            version: plan.version,
            vrid: plan.key.vrid,
            priority: 200,
            interval: plan.interval,
            auth: Auth::None,
            addresses: Addresses::new(plan.key.family, &[10, 9, 9, 9]),
        };
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(Form::PseudoHeader, ip(PEER), group(plan.key.family), &mut buffer).unwrap();
        m.packet(PEER, &buffer[..len]);
        (m.state(), m.rejected("addresses"))
    };
    assert_eq!(heard(""), (StateName::Backup, 0));
    assert_eq!(heard("address_mismatch = \"drop\""), (StateName::Master, 1));
}

#[test]
fn a_foreign_group_with_our_identifier_is_told_loudly() {
    let mut m = Machine::master(&instance(""));
    let listed = [10, 9, 9, 9];
    let plan = m.router.plan().instances[0].clone();
    let advert = Advert {
        version: plan.version,
        vrid: plan.key.vrid,
        priority: 50,
        interval: plan.interval,
        auth: Auth::None,
        addresses: Addresses::new(plan.key.family, &listed),
    };
    let mut buffer = [0; MAX_LEN];
    let len = advert.encode(Form::PseudoHeader, ip(PEER), group(plan.key.family), &mut buffer).unwrap();
    let told = |lines: Vec<String>| {
        lines.into_iter().filter(|l| l.contains("incompatible peer")).collect::<Vec<_>>()
    };
    assert_eq!(
        told(m.packet(PEER, &buffer[..len])),
        ["report incompatible peer instance=A peer=10.0.0.9 field=virtual_addresses mine=\"192.0.2.1\" \
          theirs=\"10.9.9.9\" hint=\"no address in common: does another group of routers use virtual_router_id 51 here?\""]
    );
    assert_eq!(told(m.packet(PEER, &buffer[..len])), Vec::<String>::new());
    let status = m.router.status(m.now);
    assert!(status.instances[0].incompatible_peers[0].hint.as_ref().unwrap().contains("another group"));
}

#[test]
fn an_own_advert_that_comes_back_is_ignored_and_counted() {
    for state in [StateName::Backup, StateName::Master] {
        let mut m = Machine::started(&instance(""));
        if state == StateName::Master {
            m.pass(10 * SECOND);
        }
        let due = m.next();
        m.hear("10.0.0.2", 255);
        assert_eq!((m.state(), m.next(), m.rejected("own")), (state, due, 1));
    }
}

#[test]
fn one_missing_advert_can_be_enough() {
    let mut m = Machine::started(&instance("down_timer_adverts = 1"));
    m.hear(PEER, 200);
    assert_eq!(m.next(), Some(Duration::from_nanos(1_609_375_000)));
}
