//! A successor of a killed process goes on where it was.

use super::*;

const UPTIME: Duration = Duration::from_secs(777);

/// The machine's process dies and another one starts after `pause`; `held` are the addresses still there, `counts` the
/// processes.
pub(super) fn restart(
    m: &Machine,
    text: &str,
    pause: Duration,
    held: &[&str],
    counts: &[(&str, u32)],
) -> (Machine, Vec<String>) {
    let checkpoint = m.router.checkpoint(m.now, UPTIME);
    let now = m.now + pause;
    let mut all = links();
    all[0].addresses.extend(held.iter().map(|a| observed(a, true)));
    let mut router = Router::new(parse(text), now);
    let mut out = Vec::new();
    router.handle(Event::LinksObserved(all), now, &mut out);
    for (process, count) in counts {
        router.handle(Event::ProcessesCounted { process: (*process).into(), count: *count }, now, &mut out);
    }
    router.restore(&checkpoint, now, UPTIME + pause).unwrap();
    router.start(now, &mut out);
    let lines = out.iter().map(ToString::to_string).collect();
    (Machine { router, now, start: m.start }, lines)
}

#[test]
fn a_master_stays_master_and_in_step() {
    let text = instance("announce = { delay = 0 }");
    let mut m = Machine::master(&text);
    m.pass(SECOND / 3);
    let before = m.next().unwrap();
    let (n, lines) = restart(&m, &text, 15 * MS, &["192.0.2.1"], &[]);
    assert_eq!(n.state(), StateName::Master);
    assert_eq!(
        effects(&lines),
        ["listen eth0 ipv4 vrids=51 multicast", "install A 192.0.2.1/24@eth0 lifetime=3s"],
        "no advert before its time, no announcement, no notification"
    );
    assert_eq!(n.next(), Some(before - 15 * MS));
}

#[test]
fn an_overdue_advert_is_sent_at_once() {
    let text = instance("announce = { delay = 0 }");
    let m = Machine::master(&text);
    let (n, lines) = restart(&m, &text, 1500 * MS, &["192.0.2.1"], &[]);
    assert_eq!(only(&lines, &["advert"]), ["advert A priority=100"]);
    assert_eq!(n.next(), Some(SECOND));
}

#[test]
fn a_master_that_was_away_too_long_is_backup_and_removes_its_leftovers() {
    let text = instance("address_lease = false");
    let m = Machine::master(&text);
    let (n, lines) = restart(&m, &text, 5 * SECOND, &["192.0.2.1"], &[]);
    assert_eq!(n.state(), StateName::Backup);
    assert_eq!(only(&lines, &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
}

#[test]
fn a_living_lease_says_that_nobody_was_away() {
    let text = instance("");
    let m = Machine::master(&text);
    let (n, _) = restart(&m, &text, 5 * SECOND, &["192.0.2.1"], &[]);
    assert_eq!(n.state(), StateName::Master, "an old checkpoint, but the addresses were refreshed since");
    let (n, _) = restart(&m, &text, 5 * SECOND, &[], &[]);
    assert_eq!(n.state(), StateName::Backup, "the lease has run out");
}

#[test]
fn a_backup_keeps_its_deadline_and_what_it_learned() {
    let text = instance("");
    let mut m = Machine::started(&text);
    m.hear_from(0, "10.0.0.9", 200, 3 * SECOND);
    m.pass(SECOND);
    let before = m.next().unwrap();
    let (mut n, lines) = restart(&m, &text, 10 * MS, &[], &[]);
    assert_eq!(only(&lines, &["advert", "install", "notify"]), Vec::<String>::new());
    assert_eq!(n.next(), Some(before - 10 * MS));
    assert_eq!(n.router.status(n.now).instances[0].master.as_deref(), Some("10.0.0.9"));
    n.hear_from(0, "10.0.0.9", 0, 3 * SECOND);
    assert_eq!(n.next(), Some(Duration::from_nanos(1_828_125_000)), "the learned interval");
}

#[test]
fn a_backup_whose_deadline_has_passed_listens_for_the_whole_time() {
    let text = instance("");
    let m = Machine::started(&text);
    let (n, _) = restart(&m, &text, 60 * SECOND, &[], &[]);
    assert_eq!(n.state(), StateName::Backup);
    assert_eq!(n.next(), Some(Duration::from_nanos(3_609_375_000)));
}

#[test]
fn a_script_s_verdict_is_kept_so_that_nothing_waits_for_it() {
    let script = "[[vrrp.script]]\nname = \"s\"\ncommand = \"/bin/true\"\n";
    let text = format!("{script}{}", instance("track_scripts = [\"s\"]"));
    let mut m = Machine::started(&text);
    let outcome = crate::machine::event::ScriptOutcome::Exited(0);
    m.handle(Event::ScriptFinished { script: "s".into(), outcome });
    m.pass(10 * SECOND);
    assert_eq!(m.state(), StateName::Master);
    let (n, _) = restart(&m, &text, 10 * MS, &["192.0.2.1"], &[]);
    assert_eq!(n.state(), StateName::Master);
}

#[test]
fn a_fault_that_came_meanwhile_counts() {
    let text = instance("");
    let m = Machine::master(&text);
    let checkpoint = m.router.checkpoint(m.now, UPTIME);
    let mut router = Router::new(parse(&text), m.now);
    let mut out = Vec::new();
    let mut down = links();
    down[0].facts.carrier = false;
    down[0].addresses.push(observed("192.0.2.1", true));
    router.handle(Event::LinksObserved(down), m.now, &mut out);
    router.restore(&checkpoint, m.now, UPTIME).unwrap();
    router.start(m.now, &mut out);
    let n = Machine { router, now: m.now, start: m.start };
    assert_eq!(n.state(), StateName::Fault);
    let lines: Vec<String> = out.iter().map(ToString::to_string).collect();
    assert_eq!(only(&lines, &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
}

#[test]
fn a_group_goes_on_as_one() {
    let text = "[vrrp]\ninterface = \"eth0\"\n\
        [[vrrp.instance]]\nname = \"A\"\nvirtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1\"]\n\
        [[vrrp.instance]]\nname = \"B\"\nvirtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2\"]\n\
        [[vrrp.sync_group]]\nname = \"G\"\ninstances = [\"A\", \"B\"]\nnotify = { any = \"/ga\" }\n";
    let m = Machine::master(text);
    let (n, lines) = restart(&m, text, 10 * MS, &["192.0.2.1", "192.0.2.2"], &[]);
    assert_eq!(n.router.masters(), 2);
    assert_eq!(only(&lines, &["advert", "remove", "notify"]), Vec::<String>::new(), "{lines:?}");
    let told = only(&lines, &["report state changed group"]);
    assert!(told.len() == 1 && told[0].contains("reason=\"restored from checkpoint\""), "{told:?}");
    // One that could not go on is told, with what keeps it.
    let mut router = Router::new(parse(text), m.now);
    let mut out = Vec::new();
    router.handle(Event::LinksObserved(Vec::new()), m.now, &mut out);
    router.restore(&m.router.checkpoint(m.now, UPTIME), m.now, UPTIME).unwrap();
    router.start(m.now, &mut out);
    let lines: Vec<String> = out.iter().map(ToString::to_string).collect();
    assert_eq!(only(&lines, &["notify"]).len(), 1, "{lines:?}");
    let told = only(&lines, &["report state changed group"]);
    assert!(told[0].contains("to=fault") && told[0].contains("interface eth0 does not exist"), "{told:?}");
}

#[test]
fn a_checkpoint_of_no_use_is_refused_and_harmless() {
    let text = instance("");
    let mut m = Machine::new(&text);
    let unknown = br#"{"format":99,"instances":[],"scripts":[]}"#;
    for bytes in [&b""[..], b"{", b"[]", b"null", unknown] {
        assert!(m.router.restore(bytes, m.now, UPTIME).is_err());
    }
    let silly = br#"{"format":1,"scripts":[{"name":"x","up":true,"streak":255}],"instances":[
        {"link":"eth0","ipv6":false,"vrid":51,"transitions":1,"state":"backup","down_at":18446744073709551615,"interval":18446744073709551615,"master":null},
        {"link":"","ipv6":true,"vrid":0,"transitions":1,"state":"master","advert_at":0}]}"#;
    m.router.restore(silly, m.now, UPTIME).unwrap();
    m.begin();
    assert!(m.next().is_some_and(|d| d < Duration::from_secs(100_000)));
    assert!(m.router.restore(unknown, m.now, UPTIME).is_err(), "too late");
}

#[test]
fn a_preempt_delay_under_way_goes_on() {
    let text = instance("preempt_delay = \"20s\"");
    let mut m = Machine::started(&text);
    m.hear_from(0, "10.0.0.9", 50, SECOND);
    let begun = m.now;
    for _ in 0..8 {
        m.pass(SECOND);
        m.hear_from(0, "10.0.0.9", 50, SECOND);
    }
    let (mut n, _) = restart(&m, &text, 10 * MS, &[], &[]);
    while n.state() == StateName::Backup && n.now < begun + 60 * SECOND {
        n.hear_from(0, "10.0.0.9", 50, SECOND);
        n.pass(SECOND);
    }
    let took = n.now - begun;
    assert!(took >= 20 * SECOND, "the delay was cut short: {took:?}");
    assert!(took <= 26 * SECOND, "the delay began anew: {took:?}");
}

#[test]
fn a_startup_delay_under_way_goes_on() {
    let text = instance("startup_delay = \"20s\"");
    let mut m = Machine::started(&text);
    m.pass(5 * SECOND);
    let before = m.next().unwrap();
    assert!(before > 15 * SECOND, "{before:?}");
    let (n, _) = restart(&m, &text, 10 * MS, &[], &[]);
    assert_eq!(n.next(), Some(before - 10 * MS), "neither ended nor begun anew by the restart");
    let (mut n, _) = restart(&m, &text, 10 * MS, &[], &[]);
    n.hear_from(0, "10.0.0.9", 50, SECOND);
    assert!(n.next().unwrap() < 4 * SECOND, "the first advert still ends it, of a worse one too");
}

#[test]
fn a_master_away_too_long_listens_first_where_it_promised_not_to_preempt() {
    let text = instance("preempt = false");
    let m = Machine::master(&text);
    let (n, lines) = restart(&m, &text, 5 * SECOND, &["192.0.2.1"], &[]);
    assert_eq!(n.state(), StateName::Backup, "{lines:?}");
    assert_eq!(only(&lines, &["advert"]), Vec::<String>::new());
    assert_eq!(only(&lines, &["remove"]), ["remove A 192.0.2.1/24@eth0"]);
    let (n, _) = restart(&m, &text, 15 * MS, &["192.0.2.1"], &[]);
    assert_eq!(n.state(), StateName::Master, "nobody has noticed a short absence");
}

#[test]
fn what_was_said_while_a_backup_was_away_is_no_silence() {
    let text = instance("");
    let mut m = Machine::started(&text);
    m.hear_from(0, "10.0.0.9", 200, SECOND);
    m.pass(2500 * MS);
    let (n, _) = restart(&m, &text, 600 * MS, &[], &[]);
    let least = SECOND + SECOND * 156 / 256;
    assert_eq!(n.next(), Some(least), "the master has time for one more advert");
}

#[test]
fn what_an_earlier_version_wrote_of_a_backup_is_read() {
    let text = instance("preempt_delay = \"20s\"");
    let old =
        br#"{"format":1,"scripts":[],"instances":[{"link":"eth0","ipv6":false,"vrid":51,"transitions":1,
        "state":"backup","down_at":780000000000,"interval":1000000000,"master":["10.0.0.9",200]}]}"#;
    let mut m = Machine::new(&text);
    m.router.restore(old, m.now, UPTIME).unwrap();
    m.begin();
    assert_eq!(m.next(), Some(3 * SECOND));
    assert_eq!(m.router.status(m.now).instances[0].master.as_deref(), Some("10.0.0.9"));
    let silly =
        br#"{"format":1,"scripts":[],"instances":[{"link":"eth0","ipv6":false,"vrid":51,"transitions":1,
        "state":"backup","down_at":780000000000,"interval":1000000000,"master":null,
        "preempt_at":18446744073709551615,"delayed":true,"of_the_future":[1]}]}"#;
    let mut m = Machine::new(&text);
    m.router.restore(silly, m.now, UPTIME).unwrap();
    m.begin();
    assert_eq!(m.next(), Some(780 * SECOND - UPTIME));
    m.pass(10 * SECOND);
    assert_eq!(m.state(), StateName::Master);
}
