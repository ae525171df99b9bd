//! The daemons for connections follow an instance.

use super::*;

const SYNC: &str = "[vrrp.ipvs_sync]\ninterface = \"eth1\"\ninstance = \"A\"\n";
const SETTINGS: &str = "interface=eth1 id=51 group=224.0.0.81 port=8848 ttl=1";

fn text(sync: &str) -> String {
    format!("{sync}{}", instance(""))
}

fn asked(lines: &[String]) -> Vec<String> {
    only(lines, &["ipvs"])
}

#[test]
fn the_backup_listens_and_the_master_sends_until_it_has_handed_over() {
    let mut m = Machine::new(&text(SYNC));
    assert_eq!(asked(&m.begin()), [format!("ipvs sync backup {SETTINGS}")]);
    let lines: Vec<String> = m.pass(10 * SECOND).into_iter().map(|(_, line)| line).collect();
    assert_eq!(asked(&lines), [format!("ipvs sync master {SETTINGS}")]);
    // A better one is master.
    assert_eq!(asked(&m.hear("10.0.0.9", 200)), [format!("ipvs sync backup {SETTINGS}")]);
    let lines: Vec<String> = m.pass(10 * SECOND).into_iter().map(|(_, line)| line).collect();
    assert_eq!(asked(&lines), [format!("ipvs sync master {SETTINGS}")]);
    assert_eq!(asked(&m.handle(Event::StopRequested)), Vec::<String>::new());
    assert_eq!(asked(&m.succeed(0, "10.0.0.9", 90, SECOND)), ["ipvs sync ended"]);
    assert!(m.router.stopped());
}

#[test]
fn in_a_fault_it_listens() {
    let mut m = Machine::master(&text(SYNC));
    let lines = m.change("eth0", |facts| facts.up = false);
    assert_eq!(m.state(), StateName::Fault);
    assert_eq!(asked(&lines), [format!("ipvs sync backup {SETTINGS}")]);
}

#[test]
fn without_an_instance_both_run_and_no_instance_is_needed() {
    let own = "[vrrp.ipvs_sync]\ninterface = \"eth1\"\nid = 7\nmax_length = 1400\ngroup = \"ff02::81\"\n\
        port = 8849\nttl = 3\n";
    let settings = "interface=eth1 id=7 group=ff02::81 port=8849 ttl=3 max_length=1400";
    for text in [own.to_owned(), text(own)] {
        let mut m = Machine::new(&text);
        assert_eq!(asked(&m.begin()), [format!("ipvs sync master and backup {settings}")]);
        m.pass(10 * SECOND);
        m.handle(Event::StopRequested);
        m.pass(10 * SECOND);
        assert!(m.router.stopped());
    }
}

#[test]
fn an_interface_that_is_made_anew_needs_another_daemon() {
    let mut m = Machine::master(&text(SYNC));
    assert_eq!(asked(&m.handle(Event::LinkVanished { link: link("eth1") })).len(), 1);
    let lines = m.change("eth1", |facts| facts.index = LinkIndex(33));
    assert_eq!(asked(&lines), [format!("ipvs sync master {SETTINGS}")]);
}

#[test]
fn r33_other_settings_or_another_instance_count_at_once() {
    let mut m = Machine::master(&text(SYNC));
    assert_eq!(asked(&m.reload(&text(SYNC))), Vec::<String>::new());
    let other = SYNC.replace("instance", "id = 9\ninstance");
    let lines = m.reload(&text(&other));
    assert_eq!(asked(&lines), ["ipvs sync master interface=eth1 id=9 group=224.0.0.81 port=8848 ttl=1"]);
    assert_eq!(asked(&m.reload(&text(""))), ["ipvs sync ended"]);
    assert_eq!(asked(&m.reload(&text(SYNC))), [format!("ipvs sync master {SETTINGS}")]);
}

#[test]
fn a_master_that_was_killed_goes_on_sending() {
    let m = Machine::master(&text(SYNC));
    let saved = m.router.checkpoint(m.now, Duration::ZERO);
    let mut next = Machine::new(&text(SYNC));
    next.router.restore(&saved, next.now, Duration::ZERO).unwrap();
    assert_eq!(asked(&next.begin()), [format!("ipvs sync master {SETTINGS}")], "and nothing before");
}
