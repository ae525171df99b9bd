//! The state machine's rules (RFC 9568 6.4, RFC 3768 6.4), by the ids of the conformance list.

use super::*;

const PEER: &str = "10.0.0.9";
const LOWER: &str = "10.0.0.1";

#[test]
fn s1_an_owner_is_master_at_once() {
    let mut m = Machine::new(&instance("priority = 255"));
    assert_eq!(
        effects(&m.begin()),
        [
            "listen eth0 ipv4 vrids=51 multicast",
            "advert A priority=255",
            "install A 192.0.2.1/24@eth0 lifetime=3s",
            "announce A 192.0.2.1 repeat=5",
        ]
    );
    assert_eq!(m.state(), StateName::Master);
}

#[test]
fn s2_everybody_else_waits_for_the_master_down_interval() {
    let mut m = Machine::new(&instance("priority = 100"));
    let lines = m.begin();
    assert_eq!(effects(&lines), ["listen eth0 ipv4 vrids=51 multicast"], "no advert");
    assert_eq!(m.state(), StateName::Backup);
    assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)));
    assert_eq!(m.pass(Duration::from_nanos(3_609_374_999)), []);
}

#[test]
fn the_wish_to_be_master_waits_for_one_interval_and_the_skew() {
    let mut m = Machine::started(&instance("priority = 100\nstate = \"master\""));
    assert_eq!(m.next(), Some(Duration::from_nanos(1_609_375_000)));
    m.hear(PEER, 100);
    assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)), "a master that is there is let be");
}

#[test]
fn s3_a_backup_has_no_address_to_answer_for() {
    // What an earlier run left goes at the start, what it held goes when it yields.
    let mut links = links();
    links[0].addresses.push(observed("192.0.2.1", true));
    let mut m = Machine::with_links(&instance(""), links);
    assert_eq!(only(&m.begin(), &["remove", "install"]), ["remove A 192.0.2.1/24@eth0"]);
    m.pass(4 * SECOND);
    assert_eq!(m.state(), StateName::Master);
    assert_eq!(only(&m.hear(PEER, 200), &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
    for _ in 0..20 {
        m.hear(PEER, 200);
        assert_eq!(m.pass(SECOND), [], "and nothing is done as long as the master is heard");
    }
}

#[test]
fn s4_silence_makes_a_master_advert_before_announcement() {
    let mut m = Machine::started(&instance("priority = 100"));
    let lines = m.pass(4 * SECOND);
    let at = Duration::from_nanos(3_609_375_000);
    assert_eq!(
        lines,
        [
            (at, "advert A priority=100".to_owned()),
            (at, "install A 192.0.2.1/24@eth0 lifetime=3s".to_owned()),
            (at, "announce A 192.0.2.1 repeat=5".to_owned()),
            (at, "report state changed instance=A from=backup to=master priority=100 reason=\"no advert heard\"".to_owned()),
        ]
    );
}

#[test]
fn s5_priority_0_waits_for_the_skew_only() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.hear(PEER, 200);
    m.pass(SECOND / 2);
    m.hear(PEER, 0);
    assert_eq!(m.next(), Some(Duration::from_nanos(609_375_000)));
    let lines = m.pass(SECOND);
    assert!(lines.iter().any(|(_, l)| l.contains("reason=\"master left\"")), "{lines:?}");
}

#[test]
fn s5_priority_0_never_makes_the_wait_longer() {
    let mut m = Machine::started(&instance("priority = 1"));
    m.hear(PEER, 0);
    let first = m.next();
    m.pass(SECOND / 2);
    m.hear(PEER, 0);
    assert_eq!(m.next(), first.map(|d| d - SECOND / 2));
}

#[test]
fn s6_an_equal_or_better_advert_restarts_the_timer() {
    for priority in [100, 101, 255] {
        for from in [PEER, LOWER] {
            let mut m = Machine::started(&instance("priority = 100"));
            m.pass(3 * SECOND);
            m.hear(from, priority);
            assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)), "{priority} from {from}");
        }
    }
}

#[test]
fn s6_without_preemption_a_worse_advert_restarts_the_timer_too() {
    let mut m = Machine::started(&instance("priority = 100\npreempt = false"));
    m.pass(3 * SECOND);
    m.hear(PEER, 1);
    assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)));
}

#[test]
fn s7_with_preemption_a_worse_advert_changes_nothing() {
    let mut m = Machine::started(&instance("priority = 100"));
    m.pass(3 * SECOND);
    m.hear(PEER, 99);
    assert_eq!(m.next(), Some(Duration::from_nanos(609_375_000)));
    let lines = m.pass(SECOND);
    assert!(lines.iter().any(|(_, l)| l.contains("master with lower priority pre-empted")), "{lines:?}");
}

#[test]
fn a_preempt_delay_lets_a_worse_master_be_for_that_long() {
    let mut m = Machine::started(&instance("priority = 100\npreempt_delay = \"10s\""));
    for _ in 0..10 {
        m.hear(PEER, 50);
        assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)));
        m.pass(SECOND);
    }
    m.hear(PEER, 50);
    assert_eq!(m.next(), Some(Duration::from_nanos(2_609_375_000)), "the delay is over: this one is ignored");
    m.hear(PEER, 150);
    m.pass(SECOND);
    m.hear(PEER, 50);
    assert_eq!(
        m.next(),
        Some(Duration::from_nanos(3_609_375_000)),
        "a better one in between: from the start"
    );
}

#[test]
fn a_startup_delay_ends_with_the_first_advert() {
    let text = instance("priority = 100\nstartup_delay = \"30s\"");
    let mut m = Machine::started(&text);
    assert_eq!(m.next(), Some(Duration::from_nanos(33_609_375_000)), "nobody is heard");
    m.hear(PEER, 50);
    assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)), "a worse master: pre-empted as always");
    m.pass(SECOND);
    m.hear(PEER, 50);
    assert_eq!(m.next(), Some(Duration::from_nanos(2_609_375_000)));
    let mut m = Machine::started(&text);
    m.hear(PEER, 0);
    assert_eq!(m.next(), Some(Duration::from_nanos(609_375_000)));
    let mut m = Machine::started(&text);
    m.change("eth0", |f| f.up = false);
    m.change("eth0", |_| ());
    assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)), "a recovery is no start");
}

#[test]
fn an_inferior_advert_can_be_left_unanswered() {
    let mut m = Machine::master(&instance("answer_inferior = false"));
    let due = m.next();
    // What the other one may have announced is corrected all the same.
    assert_eq!(effects(&m.hear(PEER, 50)), ["announce A 192.0.2.1 repeat=5"]);
    assert_eq!(m.next(), due, "the next advert is the regular one");
    assert_eq!(m.state(), StateName::Master);
    let mut m = Machine::master(&instance("answer_inferior = false\nannounce = { inferior_repeat = 0 }"));
    assert_eq!(effects(&m.hear(PEER, 50)), Vec::<String>::new());
}

#[test]
fn what_an_inferior_one_announced_is_corrected_again_after_a_delay() {
    let announced = |extra: &str| {
        let mut m = Machine::master(&instance(&format!("announce = {{ inferior_repeat = 2{extra} }}")));
        m.pass(20 * SECOND);
        assert_eq!(only(&m.hear(PEER, 50), &["announce"]), ["announce A 192.0.2.1 repeat=2"]);
        let heard = m.now.duration_since(m.start);
        let later = timed(&m.pass(10 * SECOND), &["announce"]);
        later.into_iter().map(|(at, line)| (at - heard, line)).collect::<Vec<_>>()
    };
    let again = |delay| vec![(delay, "announce A 192.0.2.1 repeat=2".to_owned())];
    assert_eq!(announced(", inferior_delay = \"7s\""), again(7 * SECOND));
    assert_eq!(announced(", inferior_delay = 0"), vec![]);
}

#[test]
fn a_better_advert_can_be_answered_before_yielding() {
    let mut m = Machine::master(&instance("answer_better = true"));
    assert_eq!(effects(&m.hear(PEER, 150)), ["advert A priority=100", "remove A 192.0.2.1/24@eth0"]);
}

#[test]
fn a_preempt_delay_does_not_matter_when_nobody_is_master() {
    let mut m = Machine::started(&instance("priority = 100\npreempt_delay = \"10s\""));
    m.pass(4 * SECOND);
    assert_eq!(m.state(), StateName::Master);
}

#[test]
fn s8_a_backup_stops_without_a_word() {
    let mut m = Machine::started(&instance(""));
    assert_eq!(effects(&m.handle(Event::StopRequested)), Vec::<String>::new());
    assert!(m.router.stopped());
    assert_eq!(m.next(), None);
}

#[test]
fn s9_adverts_come_every_interval_without_drift() {
    let mut m = Machine::master(&instance("address_lease = false\nannounce = { delay = 0 }"));
    let lines = m.pass(60 * SECOND);
    assert_eq!(timed(&lines, &["advert"]).len(), 60);
    let first = lines[0].0;
    for (n, (at, _)) in timed(&lines, &["advert"]).iter().enumerate() {
        assert_eq!(*at, first + SECOND * u32::try_from(n).unwrap());
    }
    // A loop that is a little late each time sends just as many.
    let mut sent = 0;
    let end = m.now + 60 * SECOND;
    while m.now + m.next().unwrap() <= end {
        let late = m.next().unwrap() + 3 * MS;
        sent += only(&m.stall(late), &["advert"]).len();
    }
    assert_eq!(sent, 60);
}

#[test]
fn s10_a_master_answers_priority_0_at_once() {
    let mut m = Machine::master(&instance(""));
    m.pass(SECOND / 2);
    assert_eq!(effects(&m.hear(PEER, 0)), ["advert A priority=100"]);
    let lines = m.pass(SECOND);
    assert_eq!(timed(&lines, &["advert"]).len(), 1, "the timer was restarted");
    assert_eq!(m.state(), StateName::Master);
}

#[test]
fn s11_a_better_advert_makes_a_backup() {
    for (from, priority, yields) in [
        (PEER, 101, true),
        (LOWER, 101, true),
        (PEER, 100, true),
        (LOWER, 100, false),
        (PEER, 99, false),
        // Unsigned and byte by byte: 10.0.0.200 is higher than 10.0.0.2.
        ("10.0.0.200", 100, true),
        ("9.255.255.255", 100, false),
        ("192.0.0.1", 100, true),
    ] {
        let mut m = Machine::master(&instance(""));
        let lines = m.hear(from, priority);
        let expected = if yields { StateName::Backup } else { StateName::Master };
        assert_eq!(m.state(), expected, "{from} {priority}");
        if yields {
            assert_eq!(effects(&lines), ["remove A 192.0.2.1/24@eth0"], "no priority 0, no announcement");
            assert_eq!(m.next(), Some(Duration::from_nanos(3_609_375_000)));
        }
    }
}

#[test]
fn s12_an_inferior_advert_is_answered_and_the_addresses_announced_again() {
    let mut m = Machine::master(&instance(""));
    m.pass(SECOND / 4);
    assert_eq!(effects(&m.hear(PEER, 50)), ["advert A priority=100", "announce A 192.0.2.1 repeat=5"]);
    assert_eq!(effects(&m.hear(PEER, 50)), Vec::<String>::new(), "not a storm");
    m.pass(SECOND / 2);
    assert_eq!(only(&m.hear(PEER, 50), &["advert"]), ["advert A priority=100"]);
    let lines = m.pass(5 * SECOND);
    assert_eq!(timed(&lines, &["announce"]).len(), 1, "and once more later: {lines:?}");
}

#[test]
fn s13_a_master_that_stops_sends_priority_0_and_waits_for_its_successor() {
    let mut m = Machine::master(&instance("priority = 200"));
    let lines = m.handle(Event::StopRequested);
    assert_eq!(effects(&lines), ["advert A priority=0"], "the address stays");
    assert!(!m.router.stopped());
    let quiet = m.pass(400 * MS);
    assert_eq!(timed(&quiet, &["advert", "remove"]), [], "no adverts any more");
    let lines = m.hear(PEER, 100);
    assert_eq!(effects(&lines), [] as [&str; 0], "it has yet to take and to announce the address");
    assert_eq!(m.next(), Some(HAND_OVER_LINGER));
    let lines = m.pass(HAND_OVER_LINGER);
    assert_eq!(timed(&lines, &["remove"]).len(), 1, "{lines:?}");
    assert!(m.router.stopped());
    assert_eq!(m.next(), None);
}

#[test]
fn s13_the_wait_for_a_successor_is_bounded() {
    for (text, bound) in [
        ("", Duration::from_nanos(996_093_750) + 50 * MS),
        ("advert_interval = \"100ms\"", Duration::from_nanos(99_609_375) + 50 * MS),
        ("version = 2\nadvert_interval = \"5s\"", Duration::from_nanos(996_093_750) + 50 * MS),
        ("advert_interval = \"30s\"", 3 * SECOND),
    ] {
        let mut m = Machine::started(&instance(&format!("{text}\naddress_lease = false")));
        m.pass(200 * SECOND);
        assert_eq!(m.state(), StateName::Master);
        m.handle(Event::StopRequested);
        assert_eq!(m.next(), Some(bound), "{text}");
        let lines = m.pass(bound);
        assert_eq!(timed(&lines, &["remove"]).len(), 1);
        assert!(m.router.stopped());
    }
}

#[test]
fn s13_without_hand_over_the_addresses_go_at_once() {
    let mut m = Machine::master(&instance("hand_over = false"));
    let lines = m.handle(Event::StopRequested);
    assert_eq!(effects(&lines), ["advert A priority=0", "remove A 192.0.2.1/24@eth0"]);
    assert!(m.router.stopped());
}

#[test]
fn s13_another_one_leaving_is_no_successor() {
    let mut m = Machine::master(&instance(""));
    m.handle(Event::StopRequested);
    assert_eq!(effects(&m.hear(PEER, 0)), Vec::<String>::new());
    assert!(!m.router.stopped());
}

#[test]
fn s17_nothing_is_announced_before_the_link_is_up_and_the_address_installed() {
    let mut m = Machine::new(&instance("priority = 255"));
    m.change("eth0", |f| f.carrier = false);
    let lines = m.begin();
    assert_eq!(effects(&lines), ["listen eth0 ipv4 vrids=51 multicast"]);
    assert_eq!(m.state(), StateName::Fault);
    let lines = effects(&m.change("eth0", |f| f.carrier = true));
    assert_eq!(
        lines,
        ["advert A priority=255", "install A 192.0.2.1/24@eth0 lifetime=3s", "announce A 192.0.2.1 repeat=5",]
    );
}

#[test]
fn s19_a_second_owner_is_reported_and_changes_nothing() {
    let mut m = Machine::started(&instance("priority = 255"));
    let lines = m.hear(PEER, 255);
    assert_eq!(only(&lines, &["report incompatible peer"]).len(), 1, "{lines:?}");
    assert_eq!(effects(&lines), Vec::<String>::new());
    assert_eq!(m.state(), StateName::Master);
}
