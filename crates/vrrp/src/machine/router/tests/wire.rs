//! What comes from the wire and goes to it, the timers of each version (RFC 9568 6.1, RFC 3768 6.1), and a process that
//! was stalled, by the ids of the conformance list.

use super::*;
use crate::machine::timing::{master_down_interval, skew_time};

const PEER: &str = "10.0.0.9";

#[test]
fn w12_dropped_packets_are_counted_and_reported_a_few_times() {
    let mut m = Machine::started(&instance(""));
    let mut lines = Vec::new();
    for _ in 0..10_000 {
        lines.extend(m.packet(PEER, &[0x31, 51, 100, 1, 0, 100, 0xde, 0xad, 1, 2, 3, 4]));
    }
    assert_eq!(lines.len(), 1, "{lines:?}");
    let status = m.router.status(m.now);
    assert_eq!(status.instances[0].advertisements.rejected["checksum"], 10_000);
    m.pass(11 * SECOND);
    m.packet(PEER, &[0x31, 51, 100, 1, 0, 100, 0xde, 0xad, 1, 2, 3, 4]);
}

#[test]
fn w12_a_flood_of_forged_peers_is_told_a_few_times() {
    let mut m = Machine::started(&instance("auth = { type = \"pass\", password = \"1111\" }"));
    let mut lines = Vec::new();
    for n in 0..2000_u32 {
        let [_, _, c, d] = n.to_be_bytes();
        let from = format!("10.9.{c}.{d}");
        // Version 2 without a password, checksum right.
        let mut packet = vec![0x21, 51, 100, 1, 0, 1, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let sum = crate::wire::checksum::sum(Form::Plain, ip(&from), ip("224.0.0.18"), &packet);
        packet[6..8].copy_from_slice(&sum.to_be_bytes());
        lines.extend(m.packet(&from, &packet));
    }
    assert!(lines.len() <= 12, "{} lines", lines.len());
    assert!(lines[0].contains("field=auth.type mine=\"pass\" theirs=\"none\""), "{}", lines[0]);
}

#[test]
fn w10_other_routers_packets_have_no_effect() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.pass(SECOND);
    let before = m.next();
    let lines = m.packet(PEER, &[0x31, 52, 255, 1, 0, 100, 0, 0, 192, 0, 2, 1]);
    assert_eq!(effects(&lines), Vec::<String>::new());
    assert_eq!(m.next(), before);
}

#[test]
fn v2_7_the_skew_does_not_depend_on_the_interval() {
    for interval in [SECOND, 3 * SECOND, 255 * SECOND] {
        assert_eq!(skew_time(Version::V2, 100, interval), Duration::from_nanos(609_375_000));
    }
    let mut m = Machine::started(&instance("version = 2\nadvert_interval = \"3s\""));
    m.hear(PEER, 0);
    assert_eq!(m.next(), Some(Duration::from_nanos(609_375_000)));
}

#[test]
fn v2_8_the_down_interval_is_three_intervals_and_the_skew() {
    assert_eq!(master_down_interval(Version::V2, 100, 3 * SECOND, 3), Duration::from_nanos(9_609_375_000));
    let m = Machine::started(&instance("version = 2\nadvert_interval = \"3s\""));
    assert_eq!(m.next(), Some(Duration::from_nanos(9_609_375_000)));
}

#[test]
fn v3_9_the_master_s_interval_is_learned() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.hear_from(0, PEER, 200, 3 * SECOND);
    // FRR shows 10820 ms here, cutting to centiseconds; exact is 9 s + 3 s * 156 / 256.
    assert_eq!(m.next(), Some(Duration::from_nanos(10_828_125_000)));
}

#[test]
fn v3_11_the_skew_follows_the_interval_exactly() {
    for (priority, nanos) in [(254, 7_812_500), (200, 218_750_000), (100, 609_375_000), (1, 996_093_750)] {
        assert_eq!(skew_time(Version::V3, priority, SECOND), Duration::from_nanos(nanos));
    }
    // At one centisecond every priority still has a skew of its own.
    let mut skews: Vec<Duration> = (1..=254).map(|p| skew_time(Version::V3, p, 10 * MS)).collect();
    skews.dedup();
    assert_eq!(skews.len(), 254);
}

#[test]
fn v3_12_the_down_interval_is_three_intervals_and_the_skew() {
    assert_eq!(master_down_interval(Version::V3, 200, SECOND, 3), Duration::from_nanos(3_218_750_000));
    let m = Machine::started(&instance("priority = 200\nadvert_interval = \"10ms\""));
    assert_eq!(m.next(), Some(Duration::from_nanos(32_187_500)));
    let m = Machine::started(&instance("priority = 200\ndown_timer_adverts = 5"));
    assert_eq!(m.next(), Some(Duration::from_nanos(5_218_750_000)));
}

#[test]
fn v3_13_the_skew_is_that_of_the_learned_interval() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.hear_from(0, PEER, 200, 3 * SECOND);
    m.hear_from(0, PEER, 0, 3 * SECOND);
    assert_eq!(m.next(), Some(Duration::from_nanos(1_828_125_000)));
}

#[test]
fn a_master_sends_its_own_interval_whatever_it_learned() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.hear_from(0, PEER, 200, 3 * SECOND);
    let packets = m.packets(13 * SECOND);
    assert_eq!(packets.len(), 3, "at 10.8 s, 11.8 s, 12.8 s");
    assert_eq!(packets[0].copies[0].payload[4..6], [0, 100]);
}

#[test]
fn w2_w6_adverts_leave_with_ttl_255_from_the_primary_address() {
    let mut m = Machine::started(&instance(""));
    let packets = m.packets(4 * SECOND);
    let copy = &packets[0].copies[0];
    assert_eq!((copy.ttl, copy.source, copy.destination), (255, ip("10.0.0.2"), ip("224.0.0.18")));
    let text = instance("").replace("192.0.2.1/24", "fe80::5");
    let packets = Machine::started(&text).packets(4 * SECOND);
    let copy = &packets[0].copies[0];
    assert_eq!((copy.ttl, copy.source, copy.destination), (255, ip("fe80::2"), ip("ff02::12")));
}

#[test]
fn d6_1_a_backup_that_was_stalled_listens_before_it_acts() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.hear(PEER, 200);
    assert_eq!(effects(&m.stall(10 * SECOND)), Vec::<String>::new());
    assert_eq!(m.state(), StateName::Backup);
    assert_eq!(m.next(), Some(Duration::from_nanos(1_609_375_000)), "one interval and the skew more");
    m.pass(2 * SECOND);
    assert_eq!(m.state(), StateName::Master, "and nobody was heard");
}

#[test]
fn d6_1_a_backup_that_is_a_little_late_acts() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.stall(4 * SECOND);
    assert_eq!(m.state(), StateName::Master);
}

#[test]
fn d6_2_a_master_that_was_stalled_announces_again() {
    let mut m = Machine::master(&instance("announce = { repeat = 2, delay = 0 }"));
    let lines = effects(&m.stall(5 * SECOND));
    assert_eq!(
        only(&lines, &["advert", "announce"]),
        ["announce A 192.0.2.1 repeat=2", "advert A priority=100"]
    );
}

#[test]
fn d6_2_a_master_that_was_stalled_says_so_whatever_it_hears_first() {
    let mut m = Machine::master(&instance(""));
    m.handle(Event::AddressAppeared { link: link("eth0"), address: observed("192.0.2.1", true) });
    m.now += 5 * SECOND;
    let vanished = Event::AddressVanished { link: link("eth0"), address: ip("192.0.2.1") };
    let lines = m.handle(vanished);
    assert_eq!(
        only(&lines, &["report"]),
        ["report lease of an address ran out while this process had no turn: putting it back instance=A \
             address=192.0.2.1/24@eth0"]
    );
    assert_eq!(only(&lines, &["install"]), ["install A 192.0.2.1/24@eth0 lifetime=3s"]);
    let lines = m.hear(PEER, 50);
    assert!(lines.iter().any(|l| l.starts_with("report this process was stalled instance=A")), "{lines:?}");
    assert_eq!(only(&lines, &["advert", "announce"]).len(), 2, "{lines:?}");
}

#[test]
fn d6_2_a_stalled_master_that_does_not_preempt_steps_back() {
    let mut m = Machine::master(&instance("preempt = false"));
    m.now += 5 * SECOND;
    m.hear(PEER, 50);
    assert_eq!(m.state(), StateName::Backup);
    let mut m = Machine::master(&instance("preempt = false"));
    m.stall(5 * SECOND);
    assert_eq!(m.state(), StateName::Backup);
    assert_eq!(m.next(), Some(Duration::from_nanos(1_609_375_000)));
}

#[test]
fn unicast_adverts_go_to_each_peer() {
    let mut m = Machine::started(&instance("unicast_peers = [\"10.0.0.3\", \"10.0.0.4\"]\nunicast_ttl = 9"));
    let packets = m.packets(4 * SECOND);
    let to: Vec<_> = packets[0].copies.iter().map(|c| (c.destination, c.ttl)).collect();
    assert_eq!(to, [(ip("10.0.0.3"), 9), (ip("10.0.0.4"), 9)]);
    assert_ne!(
        packets[0].copies[0].payload, packets[0].copies[1].payload,
        "the checksum covers the destination"
    );
}

#[test]
fn notifications_come_in_order_with_their_arguments() {
    let mut m = Machine::started(&instance(
        "notify = { master = [\"/m\", \"x y\"], backup = \"/b\", fault = \"/f\", stop = \"/s\", any = \"/any -q\" }",
    ));
    let lines = m.pass(4 * SECOND);
    let lines: Vec<String> = timed(&lines, &["notify"]).into_iter().map(|(_, l)| l).collect();
    assert_eq!(
        lines,
        [
            "notify instance A MASTER priority=100 run=/m x y",
            "notify instance A MASTER priority=100 run=/any -q INSTANCE A MASTER 100",
        ]
    );
    let lines = m.change("eth0", |f| f.up = false);
    assert_eq!(only(&lines, &["notify"])[0], "notify instance A FAULT priority=100 run=/f");
    let lines = m.change("eth0", |_| ());
    assert_eq!(only(&lines, &["notify"])[0], "notify instance A BACKUP priority=100 run=/b");
    let lines = m.handle(Event::StopRequested);
    assert_eq!(
        only(&lines, &["notify"]),
        [
            "notify instance A STOP priority=100 run=/s",
            "notify instance A STOP priority=100 run=/any -q INSTANCE A STOP 100",
        ]
    );
}
